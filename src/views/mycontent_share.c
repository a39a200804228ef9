/*
 * Who may see and do what with a data item.
 * Source: contracts/datas.md 7, 9.
 */
#include <string.h>
#include "store/groups.h"
#include "views/mycontent.h"
#include "base/mem.h"
#include "base/text.h"
#include "views/views.h"

static enum err refuse(struct call *call, const char *code, const char *value)
{
	return call_fail(call, ERR_BAD_REQUEST, problem_str(problem_new(code), "value", value));
}

/* A user or group that a client names. */
struct who {
	const char *name; /* NULL: by id */
	int64_t id;
	bool group;
	json_object *record;
};

static enum err who_pass(struct pass *p, void *arg)
{
	struct who *w = arg;

	json_object_put(w->record);
	w->record = NULL;
	enum err err = !w->group	 ? users_get(p, w->name, &w->record)
		       : w->name != NULL ? groups_get(p, w->name, &w->record)
					 : groups_by_id(p, w->id, &w->record);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err find_who(struct call *call, const json_object *entity, struct who *w)
{
	const char *name = NULL;
	enum err err = supermap_member_text(call, entity, "entityName", &name);

	w->name = name;
	if (err == ERR_OK && w->group)
		err = supermap_member_int(call, entity, "entityId", 1, INT64_MAX, 0, &w->id);
	if (err != ERR_OK)
		return err;
	if (name == NULL && w->id == 0)
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "entityName");
	/* Many clients send both; the id is what does not change. */
	if (w->id > 0)
		w->name = NULL;
	err = store_pass(call->ctx->store, PASS_READ, "entity", who_pass, w, &call->error);
	if (err == ERR_OK && w->record == NULL) {
		CLEAN_FREE char *id = mem_printf("%lld", (long long)w->id);
		err = refuse(call, "datas_entity_unknown", w->name != NULL ? w->name : id);
	}
	return err;
}

static enum err permission_of(struct call *call, const json_object *entity, const char **ret)
{
	const char *sent = NULL;
	enum item_permission p;
	enum err err = supermap_member_text(call, entity, "dataPermissionType", &sent);

	if (err == ERR_OK && sent == NULL)
		err = supermap_member_text(call, entity, "permissionType", &sent);
	if (err != ERR_OK)
		return err;
	/* Older clients' READ is DOWNLOAD; READWRITE has no like here. */
	if (sent == NULL || (!text_ieq(sent, "READ") && datas_word(DATAS_PERMISSION, sent) == NULL))
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter",
				     "dataPermissionType");
	(void)item_permission_of(sent, &p);
	*ret = item_permission_word(p);
	return ERR_OK;
}

static enum err add_entity(struct call *call, const json_object *entity, json_object *list)
{
	const char *type = NULL, *permission = NULL, *name = NULL;
	struct who w = {0};
	enum err err = supermap_member_text(call, entity, "entityType", &type);

	if (err == ERR_OK)
		err = supermap_member_text(call, entity, "entityName", &name);
	if (err == ERR_OK)
		err = permission_of(call, entity, &permission);
	if (err != ERR_OK)
		return err;
	w.group = type != NULL && (text_ieq(type, "GROUP") || text_ieq(type, "IPORTALGROUP"));
	if (type != NULL && !w.group && !text_ieq(type, "USER"))
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "entityType");
	bool guest = !w.group && name != NULL && strcmp(name, "GUEST") == 0;
	if (guest && strcmp(permission, "DELETE") == 0)
		return supermap_fail(call, ERR_BAD_REQUEST, "datas_guest_delete", NULL);
	if (!guest)
		err = find_who(call, entity, &w);
	if (err == ERR_OK) {
		json_object *e = json_object_new_object();
		json_set_str(e, "kind", guest ? "GUEST" : w.group ? "GROUP" : "USER");
		json_set_str(e, "name", guest ? "" : json_str(w.record, "name", ""));
		json_set_str(e, "permission", permission);
		json_object_array_add(list, e);
	}
	json_object_put(w.record);
	return err;
}

enum err mycontent_entities(struct call *call, const json_object *list, json_object **ret)
{
	CLEAN_JSON json_object *entities = json_object_new_array();
	json_object *entity = NULL;
	enum err err = ERR_OK;

	if (json_len(list) > DATAS_LIST_MAX)
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "entities");
	JSON_EACH(entity, list)
	{
		if (!json_object_is_type(entity, json_type_object))
			err =
			    supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "entities");
		if (err == ERR_OK)
			err = add_entity(call, entity, entities);
	}
	if (err == ERR_OK)
		*ret = json_object_get(entities);
	return err;
}

/* ---- views */

static enum err share(struct call *call, const int64_t *ids, size_t n, const json_object *list)
{
	CLEAN_JSON json_object *entities = NULL;
	struct viewer v;
	int64_t bad = 0;
	enum err err = datas_viewer(call, &v);

	if (err == ERR_OK && !json_object_is_type(list, json_type_array))
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "entities");
	if (err == ERR_OK)
		err = mycontent_entities(call, list, &entities);
	if (err != ERR_OK)
		return err;
	err = catalog_items_share(call->ctx->catalog, ids, n, &v, entities, &bad, &call->error);
	return err == ERR_OK ? supermap_done(call) : mycontent_refused(call, err, bad);
}

enum err mycontent_share_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	CLEAN_JSON json_object *body = NULL;
	json_object *entities = NULL;
	enum err err = datas_find(call, ITEM_SEARCH, &model);

	if (err == ERR_OK && !json_bool(model, "may_share", false))
		err = supermap_fail(call, ERR_AUTH, "datas_permission", NULL);
	if (err != ERR_OK)
		return err;
	int64_t id = json_int(model, "id", 0);
	if (call->req->method == METHOD_PUT) {
		err = datas_body(call, &body);
		return err == ERR_OK ? share(call, &id, 1, body) : err;
	}
	err = catalog_item_entities(call->ctx->catalog, id, &entities, &call->error);
	if (err != ERR_OK)
		return err;
	return supermap_answer(call, 200, "list/IportalDataAuthorizeEntity",
			       datas_entities_tell(call, entities));
}

enum err mycontent_share_many_view(struct call *call)
{
	CLEAN_JSON json_object *body = NULL;
	CLEAN_FREE int64_t *ids = NULL;
	size_t n = 0;
	enum err err = datas_body(call, &body);

	if (err == ERR_OK && !json_object_is_type(body, json_type_object))
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_object", NULL);
	if (err == ERR_OK)
		err = mycontent_ids(call, json_get(body, "ids"), &ids, &n);
	return err == ERR_OK ? share(call, ids, n, json_get(body, "entities")) : err;
}
