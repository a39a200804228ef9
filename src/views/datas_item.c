/*
 * One data item: finding it, and how clients are told of it.
 * Source: contracts/datas.md 5, 7, 10.
 */
#include <string.h>
#include "views/datas.h"
#include "views/target.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"

bool datas_key_allows(const struct call *call, int64_t id)
{
	json_object *ids = json_arr(call->limits, "ids"), *item = NULL;

	JSON_EACH(item, ids)
	{
		if (json_object_get_int64(item) == id)
			return true;
	}
	return ids == NULL;
}

enum err datas_viewer(struct call *call, struct viewer *ret)
{
	*ret = call_viewer(call);
	if (*call->who.name == '\0' && !call->ctx->config->iportal_anonymous)
		return call_fail(call, ERR_AUTH, problem_new("login_required"));
	return ERR_OK;
}

enum err datas_body(struct call *call, json_object **ret)
{
	return supermap_body(call, call->ctx->config->iportal_body_bytes, "iportal.max_body", ret);
}

enum err datas_find(struct call *call, enum item_permission wanted, json_object **ret)
{
	CLEAN_JSON json_object *model = NULL;
	struct viewer v;
	int64_t id = 0;
	enum item_permission has = ITEM_NOTHING;
	enum err err = datas_viewer(call, &v);

	if (err != ERR_OK)
		return err;
	err = ERR_NOT_FOUND;
	if (text_int(pairs_get(&call->params, "id"), 1, DATAS_ID_MAX, &id) &&
	    datas_key_allows(call, id))
		err = catalog_item_get(call->ctx->catalog, id, &v, &model, &call->error);
	if (err == ERR_NOT_FOUND) {
		call->error = (struct error){0};
		return supermap_fail(call, err, "datas_unknown", NULL);
	}
	if (err != ERR_OK)
		return err;
	(void)item_permission_of(json_str(model, "permission", "SEARCH"), &has);
	if (has < wanted)
		return supermap_fail(call, ERR_AUTH, "datas_permission", NULL);
	*ret = json_object_get(model);
	return ERR_OK;
}

/* ---- services: address templates of the site, for what is imported */

/* Was TYPE wanted when the item was published?  Without a word all are. */
static bool service_wanted(const json_object *model, const char *type)
{
	json_object *types = json_arr(json_obj(model, "work"), "serviceTypes"), *t = NULL;

	JSON_EACH(t, types)
	{
		if (strcmp(json_object_get_string(t), type) == 0)
			return true;
	}
	return types == NULL;
}

/* "https://…?map={id}" with its number. */
static char *service_address(const char *template, size_t len, int64_t id)
{
	CLEAN_FREE char *t = mem_strndup(template, len);
	char *mark = strstr(t, "{id}");

	return mark == NULL ? mem_strdup(t)
			    : mem_printf("%.*s%lld%s", (int)(mark - t), t, (long long)id, mark + 4);
}

static json_object *service(const json_object *model, const char *type, const char *address)
{
	json_object *s = json_object_new_object();
	int64_t id = json_int(model, "id", 0);
	const char *name = json_str(model, "layer", NULL), *file = json_str(model, "fileName", "");
	CLEAN_FREE char *stem = mem_strndup(file, strcspn(file, "."));
	CLEAN_FREE char *service_id = mem_printf("%lld-%s", (long long)id, type);

	json_set_int(s, "accessCount", 0);
	json_set_str(s, "address", address);
	json_set_int(s, "createTime", json_int(model, "createTime", 0));
	json_set_int(s, "dataID", id);
	json_set_bool(s, "editable", false);
	json_set_str(s, "serviceID", service_id);
	json_set_str(s, "serviceName", name != NULL ? name : stem);
	json_set(s, "serviceNode", NULL);
	json_set_str(s, "serviceStatus", "PUBLISHED");
	json_set_str(s, "serviceType", type);
	json_set_int(s, "updateTime", json_int(model, "lastModfiedTime", 0));
	return s;
}

json_object *datas_services(struct call *call, const json_object *model)
{
	json_object *list = json_object_new_array();
	const char *all = call->ctx->config->iportal_services;
	bool published = strcmp(json_str(model, "serviceStatus", ""), "PUBLISHED") == 0;

	for (const char *p = all; published && p != NULL && *p != '\0';) {
		size_t len = strcspn(p, " "), name = strcspn(p, "=");
		if (name < len) {
			CLEAN_FREE char *type = mem_strndup(p, name);
			CLEAN_FREE char *address =
			    service_address(p + name + 1, len - name - 1, json_int(model, "id", 0));
			if (service_wanted(model, type))
				json_object_array_add(list, service(model, type, address));
		}
		p += len;
		p += strspn(p, " ");
	}
	return list;
}

/* ---- the item as clients know it */

json_object *datas_entities_tell(struct call *call, json_object *entities)
{
	json_object *list = json_object_new_array(), *e = NULL;
	bool classic = call->ctx->config->iportal_classic;

	JSON_EACH(e, entities)
	{
		const char *kind = json_str(e, "kind", "USER"),
			   *permission = json_str(e, "permission", "SEARCH");
		const char *name = strcmp(kind, "GUEST") == 0 ? "GUEST" : json_str(e, "name", "");
		json_object *o = json_object_new_object();
		if (classic && strcmp(permission, "SEARCH") == 0) {
			json_object_put(o);
			continue;
		}
		json_set_str(o, "aliasName", name);
		json_set_str(o, "dataPermissionType", permission);
		json_set(o, "entityId", NULL);
		json_set_str(o, "entityName", name);
		json_set(o, "entityRoles", NULL);
		json_set_str(o, "entityType", strcmp(kind, "GROUP") == 0 ? "IPORTALGROUP" : "USER");
		json_object_array_add(list, o);
	}
	json_object_put(entities);
	return list;
}

/* Those of an item that the viewer may share. */
static enum err tell_entities(struct call *call, json_object *model)
{
	json_object *entities = NULL;
	enum err err = catalog_item_entities(call->ctx->catalog, json_int(model, "id", 0),
					     &entities, &call->error);

	if (err == ERR_OK)
		json_add(model, "authorizeSetting", datas_entities_tell(call, entities));
	return err;
}

/* What is the server's own goes (catalog/item.h). */
static void drop_own(json_object *model)
{
	static const char *const own[] = {"dataset", "may_share", "file",   "upload",
					  "work",    "layer",	  "public", "permission",
					  "dirId",   "guest",	  "api"};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		json_object_object_del(model, own[i]);
}

/* The type that stands as MEMBER, as the site tells it. */
static void tell_type(struct call *call, json_object *model, const char *member)
{
	const char *type = json_str(model, member, NULL);
	const char *told = datas_type_told(call, type != NULL ? type : "UNKNOWN");

	if (told != type)
		json_set_str(model, member, told);
}

static void tell_imported(struct call *call, json_object *model)
{
	json_object *meta = json_obj(model, "dataMetaInfo");
	int64_t id = json_int(model, "id", 0);

	if (strcmp(json_str(model, "status", ""), "OK") == 0 && target_is_changing(call->ctx, id))
		json_set_str(model, "status", "MODIFYING");
	/* What it looks like is on the page of its dataset. */
	if (meta != NULL) {
		CLEAN_FREE char *preview = supermap_url(call, "/datasets/%lld", (long long)id);
		json_set_str(meta, "previewURL", preview);
	}
}

enum err datas_item_tell(struct call *call, json_object *model, bool services)
{
	bool mine = json_bool(model, "may_share", false);
	bool imported = json_str(model, "dataset", NULL) != NULL;
	json_object *check = json_obj(json_get(model, "dataCheckResult"), "dataCheckInfo");
	CLEAN_JSON json_object *none = json_object_new_array_ext(0);
	CLEAN_FREE char *thumbnail = NULL;
	enum err err = mine ? tell_entities(call, model) : ERR_OK;

	if (err != ERR_OK)
		return err;
	if (!mine)
		json_add(model, "authorizeSetting", json_object_get(none));
	if (!services || strcmp(json_str(model, "permission", "SEARCH"), "SEARCH") == 0)
		json_add(model, "dataItemServices", json_object_get(none));
	else
		json_add(model, "dataItemServices", datas_services(call, model));
	if (json_bool(model, "thumbnail", false))
		thumbnail = supermap_url(call, "/iportal/web/datas/%lld/thumbnail.png",
					 (long long)json_int(model, "id", 0));
	if (thumbnail != NULL || services)
		json_set_str(model, "thumbnail", thumbnail);
	if (imported)
		tell_imported(call, model);
	tell_type(call, model, "type");
	if (check != NULL)
		tell_type(call, check, "dataType");
	if (mine || imported || services)
		drop_own(model);
	json_add(model, "serviceId", NULL);
	json_add(model, "publishInfo", NULL);
	return ERR_OK;
}
