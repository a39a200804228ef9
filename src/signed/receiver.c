#include "signed/receiver.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "signed/receiver_read.h"

#define NAME_CHARACTERS	 64
#define MAX_ROWS_DEFAULT 100000
#define TIMEOUT_DEFAULT	 60

static const struct json_limits limits_config = {1 << 20, 8, 10000};

/* ---- readers */

bool reading_bad(struct reading *g, const char *fmt, ...)
{
	char what[384];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	return refuse(g->r, REFUSE_BAD, "%s: %s", g->key, what);
}

const char *reading_text(struct reading *g, json_object *value, size_t max)
{
	if (!json_object_is_type(value, json_type_string) ||
	    json_object_get_string_len(value) == 0) {
		reading_bad(g, "must be a text");
		return NULL;
	}
	if ((size_t)json_object_get_string_len(value) > max) {
		reading_bad(g, "over %zu bytes", max);
		return NULL;
	}
	return json_object_get_string(value);
}

bool reading_bool(struct reading *g, json_object *value, bool *ret)
{
	if (!json_object_is_type(value, json_type_boolean))
		return reading_bad(g, "must be true or false");
	*ret = json_object_get_boolean(value);
	return true;
}

bool reading_int(struct reading *g, json_object *value, int64_t min, int64_t max, int64_t *ret)
{
	int64_t v = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int) || v < min || v > max)
		return reading_bad(g, "must be a number from %lld to %lld", (long long)min,
				   (long long)max);
	*ret = v;
	return true;
}

bool reading_name_ok(struct reading *g, const char *name)
{
	if (*name == '\0' || strlen(name) > RECEIVER_NAME_BYTES)
		return reading_bad(g, "a name has 1 to %d bytes", RECEIVER_NAME_BYTES);
	for (const char *at = name; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7F)
			return reading_bad(g, "a name has no control characters");
	return true;
}

/* Caller frees; NULL: refused. */
static char *reading_name(struct reading *g, json_object *value)
{
	const char *text = reading_text(g, value, RECEIVER_NAME_BYTES);

	return text != NULL && reading_name_ok(g, text) ? mem_strdup(text) : NULL;
}

bool reading_object(struct reading *g, json_object *value)
{
	return json_object_is_type(value, json_type_object) || reading_bad(g, "must be an object");
}

void reading_add(char ***list, size_t *n, char *name)
{
	*list = mem_resize(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = name;
}

bool reading_names(struct reading *g, json_object *value, char ***list, size_t *n)
{
	json_object *item;

	if (!json_object_is_type(value, json_type_array)) {
		char *name = reading_name(g, value);

		if (name != NULL)
			reading_add(list, n, name);
		return name != NULL;
	}
	if (json_len(value) > RECEIVER_NAMES_MAX)
		return reading_bad(g, "over %d names", RECEIVER_NAMES_MAX);
	JSON_EACH(item, value)
	{
		char *name = reading_name(g, item);

		if (name == NULL)
			return false;
		for (size_t i = 0; i < *n; i++)
			if (strcmp((*list)[i], name) == 0) {
				reading_bad(g, "\"%s\" is there twice", name);
				free(name);
				return false;
			}
		reading_add(list, n, name);
	}
	return true;
}

/* ---- the whole */

bool receiver_name_ok(const char *name)
{
	size_t n = 0, len = strlen(name);
	bool digits_only = true;

	for (size_t at = 0; at < len; n++) {
		int32_t cp;
		size_t step = text_decode(name + at, len - at, &cp);

		if (step == 0 || !(text_is_letter(cp) || text_is_digit(cp) || cp == '_' ||
				   cp == '-' || cp == '.'))
			return false;
		digits_only = digits_only && cp >= '0' && cp <= '9';
		at += step;
	}
	return n >= 1 && n <= NAME_CHARACTERS && !digits_only;
}

bool receiver_operation(const char *update, enum operation *ret)
{
	static const char digits[] = "012"; /* as enum operation */
	const char *hit = update == NULL ? digits : strchr(digits, *update);

	if (hit == NULL || *hit == '\0' || (update != NULL && update[1] != '\0'))
		return false;
	*ret = (enum operation)(hit - digits);
	return true;
}

static const struct reader *find_in(const struct reader *list, const char *key)
{
	for (; list->key != NULL; list++)
		if (strcmp(list->key, key) == 0)
			return list;
	return NULL;
}

/* Read the keys that LIST knows. */
static bool read_keys(struct reading *g, const json_object *config, const struct reader *list)
{
	for (; list->key != NULL; list++) {
		json_object *value;

		g->key = list->key;
		if (json_object_object_get_ex(config, list->key, &value) && !list->read(g, value))
			return false;
	}
	return true;
}

static bool all_known(struct reading *g, const json_object *config)
{
	json_object_object_foreach((json_object *)(uintptr_t)config, key, value)
	{
		(void)value;
		g->key = key;
		if (strcmp(key, "authDict") == 0 || strcmp(key, "flowDict") == 0)
			return reading_bad(g, "is not offered; what it protected would be open");
		if (find_in(receiver_keys, key) == NULL && find_in(receiver_tables, key) == NULL &&
		    find_in(receiver_files, key) == NULL)
			return refuse(g->r, REFUSE_BAD, "%.64s: this key is not known", key);
	}
	return true;
}

static bool all_fits(struct reading *g)
{
	const struct receiver *v = g->receiver;

	g->key = "table";
	if (v->table == NULL)
		return reading_bad(g, "is required");
	g->key = "upsert";
	if (v->upsert && v->n_key == 0)
		return reading_bad(g, "needs \"id\"");
	g->key = "columns";
	for (size_t i = 0; v->n_types > 0 && i < v->n_columns; i++) {
		size_t t = 0;

		while (t < v->n_types && strcmp(v->types[t].name, v->columns[i]) != 0)
			t++;
		if (t == v->n_types)
			return reading_bad(g, "no type for \"%s\" of \"table\"", v->columns[i]);
	}
	return receiver_file_fits(g);
}

static bool read_config(struct receiver *v, const json_object *config, struct refusal *r)
{
	struct reading g = {.receiver = v, .r = r};

	v->ops = 1u << OP_INSERT | 1u << OP_UPDATE;
	v->empty_is_null = true;
	v->max_rows = MAX_ROWS_DEFAULT;
	v->timeout_s = TIMEOUT_DEFAULT;
	v->api_rows = v->api_file = true;
	v->target = mem_strdup("default");
	v->file = json_object_new_object();
	receiver_file_defaults(v);
	return all_known(&g, config) && read_keys(&g, config, receiver_tables) &&
	       read_keys(&g, config, receiver_keys) && read_keys(&g, config, receiver_files) &&
	       all_fits(&g);
}

bool receiver_read(const json_object *record, struct receiver **ret, struct refusal *r)
{
	const json_object *config = json_obj(record, "config");
	struct receiver *v = mem_alloc(sizeof(*v));

	v->id = json_int(record, "id", 0);
	v->name = mem_strdup(json_str(record, "name", ""));
	v->enabled = json_bool(record, "enabled", true);
	v->config = config != NULL ? json_copy(config) : NULL;
	if (!receiver_name_ok(v->name))
		refuse(r, REFUSE_BAD,
		       "name: 1 to 64 letters, digits, '_', '-', '.', not only digits");
	else if (config == NULL)
		refuse(r, REFUSE_BAD, "the configuration is no object");
	else if (read_config(v, config, r)) {
		*ret = v;
		return true;
	}
	receiver_free(v);
	return false;
}

static void free_names(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void receiver_free(struct receiver *v)
{
	if (v == NULL)
		return;
	free(v->name);
	free(v->target);
	free(v->schema);
	free(v->table);
	free_names(v->columns, v->n_columns);
	free_names(v->key, v->n_key);
	free_names(v->pre_sql, v->n_pre);
	free_names(v->post_sql, v->n_post);
	free_names(v->s_fields, v->n_s_fields);
	for (size_t i = 0; i < v->n_types; i++)
		free(v->types[i].name);
	free(v->types);
	for (size_t i = 0; i < v->n_fields; i++) {
		free(v->fields[i].field);
		free(v->fields[i].column);
	}
	free(v->fields);
	for (size_t i = 0; i < v->n_autos; i++) {
		free(v->autos[i].column);
		free(v->autos[i].text);
	}
	free(v->autos);
	json_object_put(v->geometry);
	json_object_put(v->file);
	json_object_put(v->config);
	free(v);
}

bool receiver_text(const char *text, size_t len, json_object **ret_config, struct refusal *r)
{
	CLEAN_FREE char *copy = mem_strndup(text, len);
	CLEAN_FREE char *trimmed = strlen(copy) == len ? text_trim(copy) : NULL;
	const char *at = trimmed;
	json_object *config = NULL;

	if (at == NULL)
		return refuse(r, REFUSE_BAD, "the configuration is not UTF-8 text");
	if (text_starts(at, "dataset")) {
		at += strlen("dataset");
		at += strspn(at, " \t\r\n");
		if (*at != '=')
			return refuse(r, REFUSE_BAD, "expected dataset={…}");
		at++;
	}
	if (json_read(at, strlen(at), &limits_config, &config) != ERR_OK)
		return refuse(r, REFUSE_BAD,
			      "the configuration is no JSON (names and texts in double quotes, no "
			      "name twice, nothing behind the last brace)");
	if (!json_object_is_type(config, json_type_object)) {
		json_object_put(config);
		return refuse(r, REFUSE_BAD, "the configuration is no JSON object");
	}
	*ret_config = config;
	return true;
}
