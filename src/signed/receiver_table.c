/*
 * Keys that say which table and columns: table, columns, id, fDict, sFields, autoDict, autoCode.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"
#include "signed/receiver_read.h"

#define CODE_PREFIX_BYTES 64

bool receiver_has_column(const struct receiver *v, const char *column)
{
	for (size_t i = 0; i < v->n_columns; i++)
		if (strcmp(v->columns[i], column) == 0)
			return true;
	return v->n_columns == 0;
}

/* ---- names in a text */

static void skip_space(const char **at)
{
	*at += strspn(*at, " \t\r\n");
}

/* The name at *AT, in double quotes or without; NULL: refused. */
static char *take_name(struct reading *g, const char **at)
{
	char *name;

	skip_space(at);
	if (**at == '"') {
		const char *from = *at + 1;
		size_t n = 0;

		name = mem_strdup(from);
		for (; *from != '\0' && !(from[0] == '"' && from[1] != '"'); from++) {
			from += *from == '"';
			name[n++] = *from;
		}
		name[n] = '\0';
		*at = from + (*from == '"');
		if (*from == '\0') {
			free(name);
			reading_bad(g, "a quote is not closed");
			return NULL;
		}
	} else {
		size_t n = strcspn(*at, " \t\r\n.,()\"'`[];");

		name = mem_strndup(*at, n);
		*at += n;
	}
	if (!reading_name_ok(g, name)) {
		free(name);
		return NULL;
	}
	skip_space(at);
	return name;
}

/* "a, b)" behind an opening bracket, up to the end of the text. */
static bool take_list(struct reading *g, const char *at, char ***list, size_t *n)
{
	do {
		char *name = take_name(g, &at);

		if (name == NULL)
			return false;
		reading_add(list, n, name);
		for (size_t i = 0; i + 1 < *n; i++)
			if (strcmp((*list)[i], name) == 0)
				return reading_bad(g, "\"%s\" is there twice", name);
		if (*n > RECEIVER_NAMES_MAX)
			return reading_bad(g, "over %d names", RECEIVER_NAMES_MAX);
	} while (*at++ == ',');
	if (at[-1] != ')' || at[strspn(at, " \t\r\n")] != '\0')
		return reading_bad(g, "expected names with commas between them and ')' at the end");
	return true;
}

static bool is_concat(const char *text, const char **ret_list)
{
	if (strncasecmp(text, "concat", 6) != 0)
		return false;
	text += 6;
	skip_space(&text);
	*ret_list = text + 1;
	return *text == '(';
}

/* ---- keys */

static bool read_table(struct reading *g, json_object *value)
{
	struct receiver *v = g->receiver;
	const char *at = reading_text(g, value, RECEIVER_TEXT_BYTES);

	if (at == NULL || (v->table = take_name(g, &at)) == NULL)
		return false;
	if (*at == '.') {
		at++;
		v->schema = v->table;
		v->table = take_name(g, &at);
		if (v->table == NULL)
			return false;
	}
	if (*at == '\0')
		return true;
	if (*at != '(')
		return reading_bad(g, "must be a name, or a name and columns: \"t(a, b)\"");
	return take_list(g, at + 1, &v->columns, &v->n_columns);
}

const char *const receiver_type_names[TYPE__MAX] = {
    [TYPE_TEXT] = "text",	[TYPE_INTEGER] = "integer", [TYPE_REAL] = "real",
    [TYPE_BOOLEAN] = "boolean", [TYPE_DATE] = "date",	    [TYPE_TIMESTAMP] = "timestamp",
    [TYPE_JSON] = "json",
};

enum column_type receiver_type(const char *word)
{
	int type = 0;

	while (type < TYPE__MAX && strcmp(receiver_type_names[type], word) != 0)
		type++;
	return (enum column_type)type;
}

static bool read_types(struct reading *g, json_object *value)
{
	struct receiver *v = g->receiver;

	if (!reading_object(g, value))
		return false;
	if (json_object_object_length(value) < 1 ||
	    json_object_object_length(value) > RECEIVER_NAMES_MAX)
		return reading_bad(g, "1 to %d columns", RECEIVER_NAMES_MAX);
	v->types = mem_array((size_t)json_object_object_length(value), sizeof(*v->types));
	json_object_object_foreach(value, column, item)
	{
		const char *word = reading_text(g, item, 16);
		enum column_type type;

		if (word == NULL || !reading_name_ok(g, column))
			return false;
		type = receiver_type(word);
		if (type == TYPE__MAX)
			return reading_bad(g,
					   "the type of \"%s\" is none of text, integer, real, "
					   "boolean, date, timestamp, json",
					   column);
		v->types[v->n_types++] = (struct receiver_column){.name = mem_strdup(column),
								  .type = (enum column_type)type};
	}
	return true;
}

static bool read_key(struct reading *g, json_object *value)
{
	struct receiver *v = g->receiver;
	const char *list;

	if (json_object_is_type(value, json_type_string) &&
	    is_concat(json_object_get_string(value), &list)) {
		v->key_is_concat = true;
		return take_list(g, list, &v->key, &v->n_key);
	}
	if (json_object_is_type(value, json_type_string)) {
		const char *text = reading_text(g, value, RECEIVER_NAME_BYTES);

		if (text != NULL && strpbrk(text, "()'\";") != NULL)
			return reading_bad(g, "must be a column, a list of columns or concat(a,b)");
	}
	if (!reading_names(g, value, &v->key, &v->n_key))
		return false;
	return v->n_key > 0 || reading_bad(g, "names no column");
}

static bool add_field(struct reading *g, const char *field, const char *column)
{
	struct receiver *v = g->receiver;

	for (size_t i = 0; i < v->n_fields; i++)
		if (strcmp(v->fields[i].column, column) == 0)
			return reading_bad(g, "two fields for \"%s\"", column);
	v->fields = mem_resize(v->fields, v->n_fields + 1, sizeof(*v->fields));
	v->fields[v->n_fields++] = (struct receiver_pair){mem_strdup(field), mem_strdup(column)};
	return true;
}

static bool read_fields(struct reading *g, json_object *value)
{
	if (!reading_object(g, value))
		return false;
	if (json_object_object_length(value) > RECEIVER_NAMES_MAX)
		return reading_bad(g, "over %d fields", RECEIVER_NAMES_MAX);
	json_object_object_foreach(value, field, item)
	{
		const char *column = reading_text(g, item, RECEIVER_TEXT_BYTES), *list;
		char **names = NULL;
		size_t n = 0;
		bool good = column != NULL;

		/* A key written as an expression stands for the joined key: names only, too. */
		if (good && is_concat(column, &list)) {
			good = take_list(g, list, &names, &n);
			while (n > 0)
				free(names[--n]);
			free(names);
		} else if (good) {
			good = reading_name_ok(g, column);
		}
		if (!good || !add_field(g, field, column))
			return false;
	}
	return true;
}

static bool read_s_fields(struct reading *g, json_object *value)
{
	return reading_names(g, value, &g->receiver->s_fields, &g->receiver->n_s_fields);
}

static bool add_auto(struct reading *g, const char *column, enum auto_kind kind, char *text)
{
	struct receiver *v = g->receiver;

	v->autos = mem_resize(v->autos, v->n_autos + 1, sizeof(*v->autos));
	v->autos[v->n_autos++] = (struct receiver_auto){mem_strdup(column), kind, text};
	if (!reading_name_ok(g, column))
		return false;
	for (size_t i = 0; i + 1 < v->n_autos; i++)
		if (strcmp(v->autos[i].column, column) == 0)
			return reading_bad(g, "\"%s\" is filled twice", column);
	return true;
}

bool receiver_filled(const char *word, size_t len, enum auto_kind *ret)
{
	static const struct {
		const char *word;
		enum auto_kind kind;
	} words[] = {
	    {"now()", AUTO_NOW},
	    {"curdate()", AUTO_CURDATE},
	    {"curtime()", AUTO_CURTIME},
	    {"current_timestamp", AUTO_CURRENT_TIMESTAMP},
	    {"current_date", AUTO_CURRENT_DATE},
	    {"uuid()", AUTO_UUID},
	    {"null", AUTO_NULL},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (len == strlen(words[i].word) && strncasecmp(word, words[i].word, len) == 0) {
			*ret = words[i].kind;
			return true;
		}
	return false;
}

/* What a text of autoDict stands for. */
static bool read_auto_text(struct reading *g, const char *column, const char *text)
{
	static const struct {
		const char *word;
		enum auto_kind kind;
	} words[] = {
	    {"$username", AUTO_USERNAME},
	    {"$visitor", AUTO_VISITOR},
	    {"$stamp", AUTO_STAMP},
	};
	enum auto_kind kind;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (text_ieq(words[i].word, text))
			return add_auto(g, column, words[i].kind, NULL);
	if (receiver_filled(text, strlen(text), &kind))
		return add_auto(g, column, kind, NULL);
	if (*text == '$')
		return reading_bad(g, "%.40s is not known; values are $username, $visitor, $stamp",
				   text);
	return add_auto(g, column, AUTO_CONSTANT, mem_strdup(text));
}

static bool read_auto_dict(struct reading *g, json_object *value)
{
	if (!reading_object(g, value))
		return false;
	json_object_object_foreach(value, column, item)
	{
		if (item == NULL) {
			if (!add_auto(g, column, AUTO_NULL, NULL))
				return false;
			continue;
		}
		if (json_object_is_type(item, json_type_object) ||
		    json_object_is_type(item, json_type_array))
			return reading_bad(g, "\"%.63s\" must be a text or a number", column);
		if (json_object_get_string_len(item) > RECEIVER_TEXT_BYTES)
			return reading_bad(g, "\"%.63s\" is too long", column);
		if (!read_auto_text(g, column, json_object_get_string(item)))
			return false;
	}
	return true;
}

static bool read_auto_code(struct reading *g, json_object *value)
{
	if (!reading_object(g, value))
		return false;
	json_object_object_foreach(value, column, item)
	{
		const char *prefix = reading_text(g, item, CODE_PREFIX_BYTES);

		if (prefix == NULL)
			return false;
		if (strpbrk(prefix, " \t\r\n();'\"") != NULL)
			return reading_bad(g, "\"%.63s\" must be a prefix; a query is not offered",
					   column);
		if (!add_auto(g, column, AUTO_CODE, mem_strdup(prefix)))
			return false;
	}
	return true;
}

const struct reader receiver_tables[] = {
    {"table", read_table},
    {"columns", read_types},
    {"id", read_key},
    {"fDict", read_fields},
    {"sFields", read_s_fields},
    {"autoDict", read_auto_dict},
    {"autoCode", read_auto_code},
    {NULL, NULL},
};
