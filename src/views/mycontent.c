/*
 * Making, changing and deleting data items.
 * Source: contracts/datas.md 9.
 */
#include "views/mycontent.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "views/views.h"

#define NAME_MAX_BYTES 255
#define TAGS_MAX       50
#define TAG_MAX	       100 /* characters */

static enum err refuse(struct call *call, const char *member)
{
	return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", member);
}

/* ---- what an item may be given */

static bool has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7F)
			return true;
	return false;
}

static enum err set_name(struct call *call, const json_object *body, json_object *changes)
{
	const char *sent = NULL;
	enum err err = supermap_member_text(call, body, "fileName", &sent);

	if (err != ERR_OK || sent == NULL)
		return err;
	const char *slash = strrchr(sent, '/'), *back = strrchr(sent, '\\');
	const char *base = slash > back ? slash + 1 : back != NULL ? back + 1 : sent;
	CLEAN_FREE char *name = text_display_name(sent);
	if (name == NULL || *name == '\0' || strlen(base) > NAME_MAX_BYTES || has_control(base))
		return refuse(call, "fileName");
	json_set_str(changes, "fileName", name);
	return ERR_OK;
}

static enum err set_word(struct call *call, const json_object *body, const char *member,
			 enum datas_enum words, json_object *changes)
{
	const char *sent = NULL;
	enum err err = supermap_member_text(call, body, member, &sent);

	if (err != ERR_OK || sent == NULL)
		return err;
	const char *word = datas_word(words, sent);
	if (word == NULL || (words == DATAS_TYPE && !datas_type_creatable(word)))
		return refuse(call, member);
	json_set_str(changes, member, word);
	return ERR_OK;
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

static bool has_text(const json_object *list, const char *s)
{
	json_object *item = NULL;

	JSON_EACH(item, list)
	{
		if (strcmp(json_object_get_string(item), s) == 0)
			return true;
	}
	return false;
}

static enum err set_tags(struct call *call, const json_object *body, json_object *changes)
{
	json_object *sent = NULL, *tag = NULL;

	if (!json_object_object_get_ex(body, "tags", &sent))
		return ERR_OK;
	if (sent != NULL && !json_object_is_type(sent, json_type_array))
		return refuse(call, "tags");
	json_object *list = json_object_new_array();
	json_set(changes, "tags", list);
	JSON_EACH(tag, sent)
	{
		CLEAN_FREE char *nfc = json_object_is_type(tag, json_type_string)
					   ? text_nfc(json_object_get_string(tag))
					   : NULL;
		if (nfc == NULL || *nfc == '\0' || characters(nfc) > TAG_MAX || has_control(nfc) ||
		    has_text(list, nfc) || json_len(list) >= TAGS_MAX)
			return refuse(call, "tags");
		json_object_array_add(list, json_object_new_string(nfc));
	}
	return ERR_OK;
}

static enum err set_description(struct call *call, const json_object *body, json_object *changes)
{
	const char *sent = NULL;
	enum err err = supermap_member_text(call, body, "description", &sent);

	if (err != ERR_OK || !json_object_object_get_ex(body, "description", NULL))
		return err;
	CLEAN_FREE char *nfc = sent != NULL ? text_nfc(sent) : NULL;
	if (nfc != NULL && (int64_t)strlen(nfc) > call->ctx->config->text_field_bytes)
		return refuse(call, "description");
	json_set_str(changes, "description", nfc);
	return ERR_OK;
}

static enum err set_meta(struct call *call, const json_object *body, json_object *changes)
{
	json_object *meta = NULL;

	if (!json_object_object_get_ex(body, "dataMetaInfo", &meta))
		return ERR_OK;
	if (meta != NULL && !json_object_is_type(meta, json_type_object))
		return refuse(call, "dataMetaInfo");
	CLEAN_FREE char *text = meta != NULL ? json_print(meta, NULL) : NULL;
	if (text != NULL && (int64_t)strlen(text) > call->ctx->config->text_field_bytes)
		return refuse(call, "dataMetaInfo");
	json_set(changes, "dataMetaInfo", json_copy(meta));
	return ERR_OK;
}

static enum err set_dir(struct call *call, const json_object *body, json_object *changes)
{
	int64_t id = 0;
	enum err err = supermap_member_int(call, body, "dirId", 1, DATAS_ID_MAX, 0, &id);

	if (err == ERR_OK && id > 0)
		json_set_int(changes, "dirId", id);
	else if (err == ERR_OK && json_object_object_get_ex(body, "dirId", NULL))
		json_set(changes, "dirId", NULL);
	return err;
}

/* Members of a client's object, as catalog_item_create and catalog_item_change take them; only what
 * BODY has. */
static enum err mycontent_members(struct call *call, const json_object *body, json_object *changes)
{
	enum err err = set_name(call, body, changes);

	if (err == ERR_OK)
		err = set_word(call, body, "type", DATAS_TYPE, changes);
	if (err == ERR_OK)
		err = set_word(call, body, "coordType", DATAS_COORD_TYPE, changes);
	if (err == ERR_OK)
		err = set_tags(call, body, changes);
	if (err == ERR_OK)
		err = set_description(call, body, changes);
	if (err == ERR_OK)
		err = set_meta(call, body, changes);
	return err == ERR_OK ? set_dir(call, body, changes) : err;
}

/* ---- making one */

/* What the client promises of the file: kept until the file is there. */
static enum err promised(struct call *call, const json_object *body, json_object *work)
{
	const char *md5 = NULL;
	int64_t size = -1;
	enum err err = supermap_member_text(call, body, "md5", &md5);

	if (err == ERR_OK)
		err = supermap_member_int(call, body, "fileSize", 0, INT64_MAX, -1, &size);
	if (err != ERR_OK)
		return err;
	if (md5 != NULL) {
		CLEAN_FREE char *lower = mem_strdup(md5);
		for (char *p = lower; *p != '\0'; p++)
			*p = (char)(*p >= 'A' && *p <= 'F' ? *p + 32 : *p);
		if (!token_is_hex(lower, 32))
			return refuse(call, "md5");
		json_set_str(work, "md5", lower);
	}
	if (size >= 0)
		json_set_int(work, "fileSize", size);
	return ERR_OK;
}

/* Would such a file be taken now?  The engine is asked by the upload that will receive it: dropped
 * again, it leaves nothing. */
static enum err admissible(struct call *call, const json_object *work)
{
	struct upload *u = NULL;
	struct upload_spec spec = {.owner = call->who,
				   .adapter = "form",
				   .mode = UPLOAD_APPEND,
				   .name = "upload",
				   .length = json_int(work, "fileSize", -1),
				   .address = call->req->address};

	if (spec.length < 0)
		return ERR_OK;
	enum err err = upload_create(call->ctx->engine, &spec, &u, &call->error);
	if (err == ERR_OK)
		upload_close(u);
	return err;
}

enum err mycontent_post_result(struct call *call, int status, int64_t id)
{
	json_object *m = json_object_new_object();
	CLEAN_FREE char *child = mem_printf("%lld", (long long)id);

	json_set_str(m, "childID", child);
	json_set_bool(m, "isAsynchronizedReturn", false);
	json_set(m, "childContent", NULL);
	json_set(m, "childUrl", NULL);
	json_set(m, "customResult", NULL);
	return supermap_answer(call, status, "PostResult", m);
}

static enum err create(struct call *call, const json_object *body)
{
	CLEAN_JSON json_object *model = json_object_new_object();
	CLEAN_JSON json_object *work = json_object_new_object();
	CLEAN_JSON json_object *entities = NULL;
	json_object *setting = json_get(body, "authorizeSetting");
	int64_t id = 0;
	enum err err = mycontent_members(call, body, model);

	if (err == ERR_OK && json_str(model, "fileName", NULL) == NULL)
		err = refuse(call, "fileName");
	if (err == ERR_OK)
		err = promised(call, body, work);
	if (err == ERR_OK && setting != NULL && !json_object_is_type(setting, json_type_array))
		err = refuse(call, "authorizeSetting");
	if (err == ERR_OK)
		err = mycontent_entities(call, setting, &entities);
	if (err == ERR_OK)
		err = admissible(call, work);
	if (err != ERR_OK)
		return err;
	const char *name = json_str(model, "fileName", "");
	if (json_str(model, "type", NULL) == NULL)
		json_set_str(model, "type", datas_type_of(name));
	json_set_str(model, "userName", call->who.name);
	json_set(model, "work", json_object_get(work));
	json_set_str(model, "serviceStatus",
		     datas_type_importable(json_str(model, "type", ""), name) ? "UNPUBLISHED"
									      : "DOES_NOT_INVOLVE");
	err = catalog_item_create(call->ctx->catalog, model, entities, &id, &call->error);
	if (err == ERR_NOT_FOUND) {
		call->error = (struct error){0};
		return refuse(call, "dirId");
	}
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *where =
	    supermap_url(call, "/iportal/web/mycontent/datas/%lld", (long long)id);
	reply_header(call->reply, "Location", where);
	return mycontent_post_result(call, 201, id);
}

enum err mycontent_create_view(struct call *call)
{
	CLEAN_JSON json_object *body = NULL;
	enum err err = datas_body(call, &body);

	if (err == ERR_OK && !json_object_is_type(body, json_type_object))
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_object", NULL);
	return err == ERR_OK ? create(call, body) : err;
}

/* ---- changing */

static enum err change(struct call *call, json_object *model, json_object **ret_body)
{
	CLEAN_JSON json_object *changes = json_object_new_object();
	CLEAN_JSON json_object *body = NULL;
	enum err err = datas_body(call, &body);

	if (err == ERR_OK && !json_object_is_type(body, json_type_object))
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_object", NULL);
	if (err == ERR_OK)
		err = mycontent_members(call, body, changes);
	/* Under another name or type it may be importable, or no longer; what is imported stays so.
	 */
	const char *status = json_str(model, "serviceStatus", "");
	const char *type = json_str(changes, "type", json_str(model, "type", ""));
	const char *name = json_str(changes, "fileName", json_str(model, "fileName", ""));
	if (strcmp(status, "UNPUBLISHED") == 0 || strcmp(status, "DOES_NOT_INVOLVE") == 0)
		json_set_str(changes, "serviceStatus",
			     datas_type_importable(type, name) ? "UNPUBLISHED"
							       : "DOES_NOT_INVOLVE");
	if (err == ERR_OK)
		err = catalog_item_change(call->ctx->catalog, json_int(model, "id", 0), changes,
					  NULL, &call->error);
	if (err == ERR_NOT_FOUND && json_get(changes, "dirId") != NULL) {
		call->error = (struct error){0};
		err = refuse(call, "dirId");
	}
	if (ret_body != NULL)
		*ret_body = json_object_get(body);
	return err;
}

enum err mycontent_put_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	enum err err = datas_find(call, ITEM_DELETE, &model);

	if (err == ERR_OK)
		err = change(call, model, NULL);
	if (err != ERR_OK)
		return err;
	json_object *m = json_object_new_object();
	CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(model, "id", 0));
	json_set_bool(m, "succeed", true);
	json_set_str(m, "newResourceID", id);
	return supermap_answer(call, 200, NULL, m);
}

enum err datas_attributes_view(struct call *call)
{
	static const char *const members[] = {"fileName", "description", "tags",
					      "type",	  "coordType",	 "dataMetaInfo"};
	CLEAN_JSON json_object *model = NULL;
	bool put = call->req->method == METHOD_PUT;
	enum err err = datas_find(call, put ? ITEM_DELETE : ITEM_DOWNLOAD, &model);

	if (err == ERR_OK && put)
		err = change(call, model, NULL);
	if (err != ERR_OK)
		return err;
	if (put)
		return supermap_done(call);
	json_object *m = json_object_new_object();
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		json_set(m, members[i], json_copy(json_get(model, members[i])));
	json_set_str(m, "type", datas_type_told(call, json_str(model, "type", "UNKNOWN")));
	return supermap_answer(call, 200, "DataItem", m);
}

enum err mycontent_digest_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	enum err err = datas_find(call, ITEM_DELETE, &model);

	if (err != ERR_OK)
		return err;
	json_object *m = json_object_new_object();
	json_set_str(m, "id", json_str(model, "storageId", ""));
	json_set_str(m, "MD5", json_str(model, "MD5", NULL));
	json_set_int(m, "size", json_int(model, "size", 0));
	return supermap_answer(call, 200, "Digest", m);
}

enum err mycontent_services_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	enum err err = datas_find(call, ITEM_DELETE, &model);

	return err == ERR_OK
		   ? supermap_answer(call, 200, "list/DataServiceInfo", datas_services(call, model))
		   : err;
}

/* ---- deleting */

enum err mycontent_ids(struct call *call, const json_object *list, int64_t **ret, size_t *ret_n)
{
	json_object *item = NULL;
	size_t n = 0;

	if (!json_object_is_type(list, json_type_array) || json_len(list) == 0 ||
	    json_len(list) > DATAS_LIST_MAX)
		return refuse(call, "ids");
	int64_t *ids = mem_array(json_len(list), sizeof(*ids));
	JSON_EACH(item, list)
	{
		bool plain = json_object_is_type(item, json_type_int) ||
			     json_object_is_type(item, json_type_string);
		bool twice = false;
		if (!plain || !text_int(json_object_get_string(item), 1, DATAS_ID_MAX, &ids[n])) {
			free(ids);
			return refuse(call, "ids");
		}
		for (size_t i = 0; i < n; i++)
			twice = twice || ids[i] == ids[n];
		n += !twice;
	}
	*ret = ids;
	*ret_n = n;
	return ERR_OK;
}

enum err mycontent_refused(struct call *call, enum err err, int64_t bad)
{
	CLEAN_FREE char *id = mem_printf("%lld", (long long)bad);

	if (err != ERR_NOT_FOUND && err != ERR_FORBIDDEN)
		return err;
	call->error = (struct error){0};
	return call_fail(call, err == ERR_FORBIDDEN ? ERR_AUTH : err,
			 problem_str(problem_new(err == ERR_FORBIDDEN ? "datas_permission_of"
								      : "datas_unknown_of"),
				     "value", id));
}

static enum err delete (struct call *call, const int64_t *ids, size_t n) {
	CLEAN_JSON json_object *gone = NULL; json_object *model = NULL; struct viewer v;
	int64_t bad = 0;
	enum err err = datas_viewer(call, &v);

	if (err == ERR_OK)
	    err = catalog_items_delete(call->ctx->catalog, ids, n, &v, &gone, &bad, &call->error);
	if (err != ERR_OK) return mycontent_refused(call, err, bad);
	/* The rows are gone: nobody finds the files any more. */
	JSON_EACH(model, gone) mycontent_drop_files(call, model);
	return supermap_done(call);
}

enum err mycontent_delete_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	enum err err = datas_find(call, ITEM_DELETE, &model);

	if (err != ERR_OK)
		return err;
	int64_t id = json_int(model, "id", 0);
	return delete (call, &id, 1);
}

enum err mycontent_delete_many_view(struct call *call)
{
	CLEAN_JSON json_object *body = NULL;
	CLEAN_FREE int64_t *ids = NULL;
	size_t n = 0;
	enum err err = datas_body(call, &body);

	if (err == ERR_OK)
		err = mycontent_ids(
		    call,
		    json_object_is_type(body, json_type_object) ? json_get(body, "ids") : body,
		    &ids, &n);
	return err == ERR_OK ? delete (call, ids, n) : err;
}
