/*
 * A ready-made program for one dataset: its address, names and a row of its columns, written as
 * literals of Python and of the shell.
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "signed/columns.h"
#include "signed/signature.h"
#include "views/admin_datasets.h"

#define API_PATH     "/echart/dataset_api/"
#define FILE_PATH    "/etl/api/upload_file_api/"
#define UNKNOWN_HOST "https://slipway.example" /* replaced in the browser, which knows ours */
#define COLUMNS_MAX  20

static bool is_s_field(const struct receiver *v, const char *name)
{
	for (size_t i = 0; i < v->n_s_fields; i++)
		if (strcmp(v->s_fields[i], name) == 0)
			return true;
	return false;
}

static enum column_type type_of(const struct receiver *v, const char *name)
{
	for (size_t i = 0; i < v->n_types; i++)
		if (strcmp(v->types[i].name, name) == 0)
			return v->types[i].type;
	return TYPE_TEXT;
}

/* A value that fits the column NAME. */
static json_object *example_value(const struct receiver *v, const char *name, enum column_type type)
{
	/* Its texts are words of sFields only. */
	if (is_s_field(v, name) &&
	    (type == TYPE_TEXT || type == TYPE_DATE || type == TYPE_TIMESTAMP))
		return json_object_new_string("now()");
	switch (type) {
	case TYPE_INTEGER:
		return json_object_new_int(7);
	case TYPE_REAL:
		return json_object_new_double_s(1.5, "1.5");
	case TYPE_BOOLEAN:
		return json_object_new_boolean(1);
	case TYPE_DATE:
		return json_object_new_string("2026-01-31");
	case TYPE_TIMESTAMP:
		return json_object_new_string("2026-01-31T12:00:00Z");
	case TYPE_JSON:
		return json_object_new_object();
	case TYPE_TEXT:
	case TYPE__MAX:
		break;
	}
	return json_object_new_string("a");
}

static bool is_filled(const struct receiver *v, const char *name)
{
	for (size_t i = 0; i < v->n_autos; i++)
		if (strcmp(v->autos[i].column, name) == 0)
			return true;
	return false;
}

static const char *field_of(const struct receiver *v, const char *column)
{
	for (size_t i = 0; i < v->n_fields; i++)
		if (strcmp(v->fields[i].column, column) == 0)
			return v->fields[i].field;
	return column;
}

static bool is_key(const struct receiver *v, const char *name)
{
	for (size_t i = 0; i < v->n_key; i++)
		if (strcmp(v->key[i], name) == 0)
			return true;
	return false;
}

/* The same of a table that says itself what it has; what is of a kind of its own is left out. */
static void add_known(json_object *row, const struct receiver *v, const json_object *columns)
{
	json_object *c = NULL;

	JSON_EACH(c, columns)
	{
		const char *name = json_str(c, "name", "");

		if (json_object_object_length(row) < COLUMNS_MAX &&
		    (!json_bool(c, "other", false) || is_key(v, name)))
			json_set(row, field_of(v, name),
				 example_value(v, name, receiver_type(json_str(c, "type", ""))));
	}
}

/* One row by name: {"a":"a","b":7}. */
static json_object *example_rows(const struct receiver *v, const json_object *columns)
{
	json_object *row = json_object_new_object(), *list = json_object_new_array();
	size_t n = v->n_columns > 0 ? v->n_columns : v->n_types;

	for (size_t i = 0; i < n && i < COLUMNS_MAX; i++) {
		const char *name = v->n_columns > 0 ? v->columns[i] : v->types[i].name;

		if (columns == NULL && !is_filled(v, name))
			json_set(row, field_of(v, name), example_value(v, name, type_of(v, name)));
	}
	add_known(row, v, columns);
	if (json_object_object_length(row) == 0)
		json_set_str(row, "column", "value");
	json_object_array_add(list, row);
	return list;
}

/* TEXT in single quotes for a POSIX shell.  Caller frees. */
static char *shell_literal(const char *text)
{
	char *out = mem_array(strlen(text) + 1, 4), *at = out;

	*at++ = '\'';
	for (; *text != '\0'; text++) {
		if (*text == '\'') {
			memcpy(at, "'\\''", 4);
			at += 4;
		} else {
			*at++ = *text;
		}
	}
	*at++ = '\'';
	*at = '\0';
	out = mem_resize(out, (size_t)(at - out) + 1, 1);
	return out;
}

static void set_shell(json_object *o, const char *key, const char *text)
{
	CLEAN_FREE char *literal = shell_literal(text);

	json_set_str(o, key, literal);
}

/* JSON's strings are Python's, too, once no slash is escaped. */
static void set_python(json_object *o, const char *key, const char *text)
{
	CLEAN_JSON json_object *value = json_object_new_string(text);

	json_set_str(o, key, json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* The body of a JSON request. */
static char *json_body(const char *type, json_object *rows, const char *update)
{
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_str(o, "type", type);
	json_set(o, "ds", json_object_get(rows));
	if (update != NULL)
		json_set_str(o, "update", update);
	return mem_strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE));
}

struct addresses {
	char *rows, *files; /* owned */
	const char *path;   /* of rows, as it is signed */
};

static void add_literals(json_object *m, const struct addresses *at, const char *account,
			 const char *type, json_object *rows, const char *update)
{
	json_object *py = json_object_new_object(), *sh = json_object_new_object();
	const char *ds = json_object_to_json_string_ext(rows, JSON_C_TO_STRING_NOSLASHESCAPE);
	CLEAN_FREE char *header = signature_visitor(account);
	CLEAN_FREE char *body = json_body(type, rows, update);

	set_python(py, "url", at->rows);
	set_python(py, "file_url", at->files);
	set_python(py, "path", at->path);
	set_python(py, "visitor", account);
	set_python(py, "type", type);
	set_python(py, "ds", ds);
	set_shell(sh, "url", at->rows);
	set_shell(sh, "file_url", at->files);
	set_shell(sh, "path", at->path);
	set_shell(sh, "visitor", account);
	set_shell(sh, "visitor_header", header);
	set_shell(sh, "type", type);
	set_shell(sh, "ds", ds);
	set_shell(sh, "body", body);
	json_set_str(m, "ds", ds);
	json_set_str(m, "update", update);
	json_set(m, "py", py);
	json_set(m, "sh", sh);
}

static char *address_of(const struct call *call, const char *path)
{
	CLEAN_FREE char *own = call_public_url(call, "%s", path);

	return mem_printf("%s%s", *call->ctx->config->public_url != '\0' ? "" : UNKNOWN_HOST, own);
}

/* What a PostgreSQL table has that the configuration does not say; NULL = not known. */
static json_object *known_columns(const struct call *call, const struct receiver *v)
{
	json_object *columns = NULL;
	struct refusal ignored = {0};

	if (v->n_types > 0 || !v->api_rows || strcmp(v->target, "default") == 0)
		return NULL;
	return write_columns(call->ctx->targets, v, &columns, &ignored) ? columns : NULL;
}

/* The kind of write that is allowed when rows may not be added. */
static const char *update_of(const struct receiver *v)
{
	if ((v->ops & 1U << OP_INSERT) != 0)
		return NULL;
	return (v->ops & 1U << OP_UPDATE) != 0 ? "1" : "2";
}

json_object *dataset_example(const struct call *call, const json_object *record,
			     const char *account)
{
	json_object *m = json_object_new_object();
	struct addresses at = {address_of(call, API_PATH), address_of(call, FILE_PATH), NULL};
	const char *slashes = strstr(at.rows, "://");
	struct receiver *v = NULL;
	struct refusal r = {0};
	bool usable = receiver_read(record, &v, &r);
	CLEAN_JSON json_object *columns = usable ? known_columns(call, v) : NULL;
	CLEAN_JSON json_object *rows = usable ? example_rows(v, columns) : json_object_new_array();

	at.path = slashes != NULL ? strchr(slashes + 3, '/') : NULL;
	if (at.path == NULL)
		at.path = API_PATH;
	json_set_str(m, "url", at.rows);
	json_set_bool(m, "url_known", *call->ctx->config->public_url != '\0');
	json_set_bool(m, "rows", !usable || v->api_rows);
	json_set_bool(m, "files", usable && v->api_file);
	add_literals(m, &at, account, json_str(record, "name", ""), rows,
		     usable ? update_of(v) : NULL);
	receiver_free(v);
	free(at.rows);
	free(at.files);
	return m;
}
