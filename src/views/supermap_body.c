/*
 * What SuperMap's clients send: bodies whose Content-Type says nothing, parameters of many
 * spellings.
 */
#include "views/supermap.h"

#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"
#include "http/xmlbody.h"
#include "views/ctx.h"

#define DEPTH 32
#define KEYS  10000

static enum err read_text(struct call *call, const char *text, size_t len, int64_t max,
			  json_object **ret)
{
	const struct json_limits limits = {.bytes = (size_t)max, .depth = DEPTH, .keys = KEYS};
	const char *type = req_header(call->req, "X-RequestEntity-ContentType");

	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
		text += 3;
		len -= 3;
	}
	size_t blank = strspn(text, " \t\r\n");
	if (blank >= len) {
		*ret = NULL;
		return ERR_OK;
	}
	bool xml = text[blank] == '<' || (type != NULL && strcasestr(type, "xml") != NULL);
	enum err err = xml ? xmlbody_read(text + blank, len - blank, &limits, ret)
			   : json_read(text + blank, len - blank, &limits, ret);
	if (err == ERR_OK)
		return ERR_OK;
	return call_fail(call, err, problem_new(xml ? "supermap_xml" : "supermap_json"));
}

enum err supermap_body(struct call *call, int64_t max, const char *limit, json_object **ret)
{
	CLEAN_FREE char *text = NULL;
	size_t len = 0;
	enum err err = ERR_OK;

	if (call->req->content_length == 0 ||
	    (call->req->content_length < 0 && !call->req->chunked)) {
		*ret = NULL;
		return ERR_OK;
	}
	err = form_body(call->req, max, limit, &text, &len, &call->error);
	return err == ERR_OK ? read_text(call, text, len, max, ret) : err;
}

/* userName=ann&password=…: the members of an object.  A repeated one: the last. */
static enum err read_fields(struct call *call, const char *text, size_t len, json_object **ret)
{
	struct pairs fields = {0};
	size_t max = (size_t)call->req->config->form_fields;
	enum err err = pairs_decode(&fields, text, len, max, &call->error);

	if (err == ERR_OK) {
		*ret = json_object_new_object();
		for (size_t i = 0; i < fields.n; i++)
			json_set_str(*ret, fields.v[i].name, fields.v[i].value);
	}
	pairs_done(&fields);
	return err;
}

enum err supermap_object(struct call *call, int64_t max, const char *limit, json_object **ret)
{
	CLEAN_FREE char *text = NULL;
	CLEAN_JSON json_object *body = NULL;
	size_t len = 0;
	enum err err = ERR_OK;

	if (call->req->content_length > 0 || call->req->chunked)
		err = form_body(call->req, max, limit, &text, &len, &call->error);
	if (err != ERR_OK)
		return err;
	/* Clients send JSON as urlencoded, too: its first character tells them apart. */
	const char *first = text != NULL ? text + strspn(text, "\xEF\xBB\xBF \t\r\n") : "";
	if (call->req->body_type == BODY_URLENCODED && *first != '\0' &&
	    strchr("{[<\"", *first) == NULL)
		err = read_fields(call, text, len, &body);
	else if (text != NULL)
		err = read_text(call, text, len, max, &body);
	if (err != ERR_OK)
		return err;
	if (body != NULL && !json_object_is_type(body, json_type_object))
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_object", NULL);
	*ret = body != NULL ? json_object_get(body) : json_object_new_object();
	return ERR_OK;
}

/* ---- single values */

const char *supermap_query(const struct call *call, const char *name)
{
	const struct pairs *q = &call->req->query;

	for (size_t i = q->n; i > 0; i--) {
		if (strcmp(q->v[i - 1].name, name) == 0)
			return *q->v[i - 1].value != '\0' ? q->v[i - 1].value : NULL;
	}
	return NULL;
}

static bool read_bool(const char *s, bool *ret)
{
	bool yes = text_ieq(s, "true") || strcmp(s, "1") == 0;

	if (!yes && !text_ieq(s, "false") && strcmp(s, "0") != 0)
		return false;
	*ret = yes;
	return true;
}

enum err supermap_query_int(struct call *call, const char *name, int64_t min, int64_t max,
			    int64_t def, int64_t *ret)
{
	const char *s = supermap_query(call, name);

	*ret = def;
	if (s != NULL && !text_int(s, min, max, ret))
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", name);
	return ERR_OK;
}

static bool is_absent(const json_object *v)
{
	return v == NULL || (json_object_is_type(v, json_type_string) &&
			     *json_object_get_string((json_object *)v) == '\0');
}

enum err supermap_member_text(struct call *call, const json_object *body, const char *name,
			      const char **ret)
{
	json_object *v = json_get(body, name);

	*ret = NULL;
	if (is_absent(v))
		return ERR_OK;
	if (!json_object_is_type(v, json_type_string))
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", name);
	*ret = json_object_get_string(v);
	return ERR_OK;
}

enum err supermap_member_int(struct call *call, const json_object *body, const char *name,
			     int64_t min, int64_t max, int64_t def, int64_t *ret)
{
	json_object *v = json_get(body, name);
	bool number = json_object_is_type(v, json_type_int);

	*ret = def;
	if (is_absent(v))
		return ERR_OK;
	/* A number's own text is its digits; json-c would cut one that does not fit. */
	if ((!number && !json_object_is_type(v, json_type_string)) ||
	    !text_int(json_object_get_string(v), min, max, ret))
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", name);
	return ERR_OK;
}

enum err supermap_member_bool(struct call *call, const json_object *body, const char *name,
			      bool def, bool *ret)
{
	json_object *v = json_get(body, name);

	*ret = def;
	if (is_absent(v))
		return ERR_OK;
	if (json_object_is_type(v, json_type_object) || json_object_is_type(v, json_type_array) ||
	    !read_bool(json_object_get_string(v), ret))
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", name);
	return ERR_OK;
}
