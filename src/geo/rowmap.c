/*
 * From a file's header to the receiver's columns.
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/rowjob.h"

#define NOWHERE SIZE_MAX

static enum row_type type_of(const char *name)
{
	static const char *const names[] = {
	    [ROW_TEXT] = "text",       [ROW_INTEGER] = "integer", [ROW_REAL] = "real",
	    [ROW_BOOLEAN] = "boolean", [ROW_DATE] = "date",	  [ROW_TIMESTAMP] = "timestamp",
	    [ROW_JSON] = "json"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return (enum row_type)i;
	return ROW_TEXT;
}

static bool same(const char *a, const char *b, bool ignore_case)
{
	CLEAN_FREE char *fa = NULL, *fb = NULL;

	if (strcmp(a, b) == 0)
		return true;
	if (!ignore_case)
		return false;
	fa = text_fold(a);
	fb = text_fold(b);
	return fa != NULL && fb != NULL && strcmp(fa, fb) == 0;
}

/* Where NAME stands in the header; *RET_N: how often, exactly if it does, else ignoring case. */
static size_t find(const struct row_map *m, const char *name, size_t *ret_n)
{
	CLEAN_FREE char *trimmed = text_trim(name);
	size_t at = NOWHERE;

	*ret_n = 0;
	for (int ignore = 0; ignore < 2 && *ret_n == 0 && trimmed != NULL; ignore++)
		for (size_t i = 0; i < m->n_header; i++)
			if (same(m->header[i], trimmed, ignore == 1)) {
				at = *ret_n == 0 ? i : at;
				++*ret_n;
			}
	return at;
}

static enum err wrong(struct job *job, const char *code, const char *column, int64_t row)
{
	json_object *p = problem_str(problem_new(code), "file", job->files[0].name);

	job_clean_text(problem_str(p, "column", column));
	return job_fail(job, problem_int(p, "row", row));
}

static enum err place(struct job *job, struct row_map *m, struct row_column *c, int64_t row)
{
	const json_object *keys = json_obj(job->spec, "file"), *map = json_obj(keys, "map");
	json_object *wanted = json_get(map, c->name);
	bool needed = strcmp(json_str(keys, "missing", "error"), "error") == 0 &&
		      (wanted != NULL || map == NULL || json_object_object_length(map) == 0);
	const char *name = wanted == NULL ? c->name : json_object_get_string(wanted);
	size_t n = 0;

	c->at = NOWHERE;
	if (json_object_is_type(wanted, json_type_int)) {
		int64_t at = json_object_get_int64(wanted);

		if (at < 1 || at > INT32_MAX || (m->n_header > 0 && (size_t)at > m->n_header))
			return needed ? wrong(job, "rows_missing", c->name, row) : ERR_OK;
		c->at = (size_t)at - 1;
		return ERR_OK;
	}
	/* Without a header the receiver's order is the file's. */
	if (m->n_header == 0) {
		c->at = wanted == NULL ? (size_t)(c - m->v) : NOWHERE;
		return wanted != NULL && needed ? wrong(job, "rows_missing", name, row) : ERR_OK;
	}
	c->at = find(m, name, &n);
	if (n > 1)
		return wrong(job, "rows_duplicate", name, row);
	return n == 0 && needed ? wrong(job, "rows_missing", name, row) : ERR_OK;
}

/* Does the header have what no column takes? */
static enum err check_extra(struct job *job, const struct row_map *m, int64_t row)
{
	if (strcmp(json_str(json_obj(job->spec, "file"), "extra", "ignore"), "error") != 0)
		return ERR_OK;
	for (size_t i = 0; i < m->n_header; i++) {
		bool taken = m->header[i][0] == '\0';

		for (size_t k = 0; k < m->n; k++)
			taken = taken || m->v[k].at == i;
		if (!taken)
			return wrong(job, "rows_extra", m->header[i], row);
	}
	return ERR_OK;
}

enum err row_map_read(struct job *job, const struct cell *cells, size_t n, int64_t row,
		      struct row_map *ret)
{
	json_object *columns = json_arr(job->spec, "columns"), *c;
	enum err err = ERR_OK;

	*ret = (struct row_map){.n_header = n};
	ret->header = mem_array(n + 1, sizeof(*ret->header));
	for (size_t i = 0; i < n; i++) {
		CLEAN_FREE char *raw = mem_strndup(cells[i].s, cells[i].len);

		ret->header[i] = text_trim(raw);
		if (ret->header[i] == NULL)
			ret->header[i] = mem_strdup("");
	}
	ret->v = mem_array(json_len(columns) + 1, sizeof(*ret->v));
	JSON_EACH(c, columns)
	ret->v[ret->n++] = (struct row_column){.name = json_str(c, "name", ""),
					       .type = type_of(json_str(c, "type", "text"))};
	for (size_t i = 0; i < ret->n && err == ERR_OK; i++)
		err = place(job, ret, &ret->v[i], row);
	return err == ERR_OK ? check_extra(job, ret, row) : err;
}

void row_map_done(struct row_map *m)
{
	for (size_t i = 0; i < m->n_header; i++)
		free(m->header[i]);
	free(m->header);
	free(m->v);
	*m = (struct row_map){0};
}
