/*
 * Job "rows": the table in one file as lines of JSON, in the order of a receiver's columns.
 */
#include <string.h>
#include "geo/rowjob.h"

#define PROGRESS_ROWS 1024

static void progress(struct row_out *o, bool force)
{
	job_progress(o->job, "import", "reading", NULL, o->lines + o->n_bad,
		     rows_estimate(o->file->rows), o->n_bad, force);
}

static json_object *names_of(const struct row_map *m)
{
	json_object *names = json_object_new_array();

	for (size_t i = 0; i < m->n_header; i++) {
		CLEAN_JSON json_object *holder = json_object_new_object();

		job_set_name(holder, "name", m->header[i]);
		json_object_array_add(names, json_object_get(json_get(holder, "name")));
	}
	return names;
}

static void warn_cells(struct job *job, const struct row_file *f, const char *code,
		       struct book_errors e)
{
	json_object *p;

	if (e.count == 0)
		return;
	p = problem_int(problem_str(problem_new(code), "file", f->source.file), "row", e.first_row);
	job_warn(job, problem_arg_int(p, "count", e.count));
}

/* Cells that say of themselves that they are wrong are empty: that is worth a word. */
static void warn_of_errors(struct job *job, const struct row_file *f)
{
	if (f->book == NULL)
		return;
	warn_cells(job, f, "rows_error_cells", book_errors(f->book));
	warn_cells(job, f, "times_hidden", book_hidden_times(f->book));
}

static json_object *result_of(const struct row_out *o)
{
	json_object *result = json_set_int(json_object_new_object(), "rows", o->lines);

	json_set_str(result, "kind", o->file->kind);
	json_set(result, "columns", names_of(o->map));
	json_set(result, "bad", json_object_get(o->bad));
	json_set_int(result, "bad_rows", o->n_bad);
	return json_set_int(result, "gaps", o->n_gaps);
}

/* From the first record of data on; that one is at hand when N says so. */
static json_object *write_rows(struct job *job, const struct row_file *f, const struct row_map *map,
			       int64_t first, enum rows_result r, const struct cell *cells,
			       size_t n)
{
	struct row_out o;
	json_object *result = NULL;
	int64_t seen = 0;
	enum err err = row_out_begin(job, f, map, &o);

	for (; err == ERR_OK && r == ROWS_ROW; r = rows_next(f->rows, &cells, &n)) {
		if (rows_row(f->rows) >= first)
			err = row_out_put(&o, cells, n, rows_row(f->rows));
		if (++seen % PROGRESS_ROWS == 0)
			progress(&o, false);
		if (err != ERR_OK)
			break;
	}
	if (err == ERR_OK && r == ROWS_END && row_out_end(&o) == ERR_OK) {
		progress(&o, true);
		warn_of_errors(job, f);
		result = result_of(&o);
	}
	row_out_done(&o);
	return result;
}

json_object *rows_run(struct job *job)
{
	const json_object *keys = json_obj(job->spec, "file");
	int64_t header = json_int(keys, "headerRow", 1),
		first = json_int(keys, "firstRow", header + 1);
	const struct cell *cells = NULL;
	struct row_file f;
	struct row_map map = {0};
	json_object *result = NULL;
	enum rows_result r;
	size_t n = 0;

	if (row_file_open(job, &f) != ERR_OK)
		return NULL;
	do
		r = rows_next(f.rows, &cells, &n);
	while (r == ROWS_ROW && rows_row(f.rows) < header);
	if (r != ROWS_FAILED && header > 0 &&
	    (r != ROWS_ROW || n == 0 || rows_row(f.rows) != header))
		(void)job_fail(job, problem_int(problem_str(problem_new("rows_no_header"), "file",
							    f.source.file),
						"row", header));
	else if (r != ROWS_FAILED && row_map_read(job, header > 0 ? cells : NULL,
						  header > 0 ? n : 0, header, &map) == ERR_OK)
		result = write_rows(job, &f, &map, first, r, cells, n);
	row_map_done(&map);
	row_file_close(&f);
	return result;
}
