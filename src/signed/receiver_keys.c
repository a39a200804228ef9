/*
 * Keys that say how a receiver is written to: statements, operations, limits, target, catalogue.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "signed/receiver_read.h"
#include "signed/statement.h"

#define STATEMENTS_MAX 100
#define ROWS_MOST      100000000 /* of one request or file */
#define TIMEOUT_MOST   3600	 /* seconds */
#define TARGET_BYTES   64
#define SRS_BYTES      64

static bool add_statement(struct reading *g, json_object *item, char ***list, size_t *n)
{
	bool embedded = strcmp(g->receiver->target, "default") == 0;
	const char *sql = reading_text(g, item, RECEIVER_TEXT_BYTES);
	struct refusal why = {0};
	struct statement s;

	if (sql == NULL)
		return false;
	reading_add(list, n, mem_strdup(sql));
	if (!statement_read(sql, embedded ? STATEMENT_SQLITE : STATEMENT_POSTGRES, &s, &why))
		return reading_bad(g, "statement %zu: %s", *n, why.what);
	statement_done(&s);
	return true;
}

static bool read_statements(struct reading *g, json_object *value, char ***list, size_t *n)
{
	json_object *item;

	if (!json_object_is_type(value, json_type_array))
		return add_statement(g, value, list, n);
	if (json_len(value) > STATEMENTS_MAX)
		return reading_bad(g, "over %d statements", STATEMENTS_MAX);
	JSON_EACH(item, value)
	if (!add_statement(g, item, list, n))
		return false;
	return true;
}

static bool read_pre_sql(struct reading *g, json_object *value)
{
	return read_statements(g, value, &g->receiver->pre_sql, &g->receiver->n_pre);
}

static bool read_post_sql(struct reading *g, json_object *value)
{
	return read_statements(g, value, &g->receiver->post_sql, &g->receiver->n_post);
}

static bool read_ops(struct reading *g, json_object *value)
{
	static const char letters[] = "CUD"; /* as enum operation */
	const char *text = reading_text(g, value, OP__MAX);
	unsigned ops = 0;

	if (text == NULL)
		return false;
	for (; *text != '\0'; text++) {
		const char *hit = strchr(letters, *text);

		if (hit == NULL || (ops & 1u << (hit - letters)) != 0)
			return reading_bad(g, "must be letters of C, U, D, each once");
		ops |= 1u << (hit - letters);
	}
	g->receiver->ops = ops;
	return true;
}

static bool read_upsert(struct reading *g, json_object *value)
{
	return reading_bool(g, value, &g->receiver->upsert);
}

static bool read_allow_empty(struct reading *g, json_object *value)
{
	return reading_bool(g, value, &g->receiver->allow_empty);
}

static bool read_ignore_unknown(struct reading *g, json_object *value)
{
	return reading_bool(g, value, &g->receiver->ignore_unknown);
}

static bool read_empty_is_null(struct reading *g, json_object *value)
{
	return reading_bool(g, value, &g->receiver->empty_is_null);
}

static bool read_catalogue(struct reading *g, json_object *value)
{
	return reading_bool(g, value, &g->receiver->catalogue);
}

static bool read_max_rows(struct reading *g, json_object *value)
{
	return reading_int(g, value, 1, ROWS_MOST, &g->receiver->max_rows);
}

static bool read_timeout(struct reading *g, json_object *value)
{
	return reading_int(g, value, 1, TIMEOUT_MOST, &g->receiver->timeout_s);
}

static bool read_target(struct reading *g, json_object *value)
{
	const char *text = reading_text(g, value, TARGET_BYTES);

	if (text == NULL)
		return false;
	if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(text))
		return reading_bad(g, "must be the name of a connection: a-z, 0-9, '-', '_'");
	free(g->receiver->target);
	g->receiver->target = mem_strdup(text);
	return true;
}

static bool read_apis(struct reading *g, json_object *value)
{
	struct receiver *v = g->receiver;
	json_object *item;

	if (!json_object_is_type(value, json_type_array) || json_len(value) == 0)
		return reading_bad(g, "must be a list of \"rows\" and \"file\"");
	v->api_rows = v->api_file = false;
	JSON_EACH(item, value)
	{
		const char *word = reading_text(g, item, 16);

		if (word == NULL)
			return false;
		if (strcmp(word, "rows") == 0)
			v->api_rows = true;
		else if (strcmp(word, "file") == 0)
			v->api_file = true;
		else
			return reading_bad(g, "must be a list of \"rows\" and \"file\"");
	}
	return true;
}

/* "EPSG:4490", or another authority's code. */
static bool srs_ok(const char *text)
{
	const char *colon = strchr(text, ':');

	if (colon == NULL || colon == text || colon[1] == '\0')
		return false;
	for (const char *at = text; *at != '\0'; at++)
		if (at != colon && !isalnum((unsigned char)*at) &&
		    (at < colon || strchr("._-", *at) == NULL))
			return false;
	return true;
}

static bool read_geometry(struct reading *g, json_object *value)
{
	bool lon = false, lat = false, wkt = false;

	if (!reading_object(g, value))
		return false;
	json_object_object_foreach(value, key, item)
	{
		const char *text = reading_text(g, item, SRS_BYTES);

		if (text == NULL)
			return false;
		if (strcmp(key, "srs") == 0) {
			if (!srs_ok(text))
				return reading_bad(g, "srs: a code like \"EPSG:4326\"");
			continue;
		}
		lon = lon || strcmp(key, "lon") == 0;
		lat = lat || strcmp(key, "lat") == 0;
		wkt = wkt || strcmp(key, "wkt") == 0;
		if (strcmp(key, "lon") != 0 && strcmp(key, "lat") != 0 && strcmp(key, "wkt") != 0)
			return reading_bad(
			    g, "\"%.40s\" is not known; lon and lat, or wkt, and srs", key);
		if (!reading_name_ok(g, text))
			return false;
	}
	if (lon != lat || lon == wkt)
		return reading_bad(g, "either lon and lat, or wkt");
	g->receiver->geometry = json_copy(value);
	return true;
}

/* "target" first: it decides which SQL the statements are. */
const struct reader receiver_keys[] = {
    {"target", read_target},
    {"preSql", read_pre_sql},
    {"postSql", read_post_sql},
    {"ops", read_ops},
    {"upsert", read_upsert},
    {"allowEmpty", read_allow_empty},
    {"ignoreUnknown", read_ignore_unknown},
    {"emptyIsNull", read_empty_is_null},
    {"maxRows", read_max_rows},
    {"timeout", read_timeout},
    {"apis", read_apis},
    {"catalogue", read_catalogue},
    {"geometry", read_geometry},
    {NULL, NULL},
};
