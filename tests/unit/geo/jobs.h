/*
 * A job's surroundings for tests of the jail's parts: a directory with in/ and out/, a source, no
 * pipe.
 */
#ifndef SLIPWAY_TEST_GEO_JOBS_H
#define SLIPWAY_TEST_GEO_JOBS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cpl_error.h>
#include <gdal.h>
#include <sqlite3.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"
#include "geo/job.h"
#include "geo/source.h"

static struct job job;
static struct source src;

static inline json_object *parse(const char *text)
{
	json_object *o = NULL;

	assert_int_equal(json_read(text, strlen(text), &json_limits_job, &o), ERR_OK);
	return o;
}

/* Double quotes are a nuisance in C: 'a' in FORMAT becomes "a". */
static inline json_object *quoted(const char *text)
{
	CLEAN_FREE char *copy = mem_strdup(text);

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return parse(copy);
}

static inline void job_reset(const char *spec)
{
	if (job.report != NULL)
		fclose(job.report);
	json_object_put(job.spec);
	json_object_put(job.warnings);
	json_object_put(job.problems);
	job.report = NULL;
	job.spec = quoted(spec);
	job.warnings = job.problems = NULL;
	job.report_total = 0;
	job.detail[0] = '\0';
	job.last_progress = INT64_MAX; /* nobody listens */
}

static inline int jobs_begin(void **state)
{
	char path[640];

	(void)state;
	snprintf(job.dir, sizeof job.dir, "/tmp/slipway-geo-%d", (int)getpid());
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s%s", job.dir, i == 0 ? "" : i == 1 ? "/in" : "/out");
		if (mkdir(path, 0700) != 0)
			return -1;
	}
	GDALAllRegister();
	CPLSetErrorHandler(CPLQuietErrorHandler);
	job_reset("{}");
	return 0;
}

static inline int jobs_end(void **state)
{
	(void)state;
	job_reset("{}");
	json_object_put(job.spec);
	return fs_remove_tree(AT_FDCWD, job.dir, NULL) == ERR_OK ? 0 : -1;
}

/* File NAME in in/ with these bytes becomes the source. */
static inline void source_set(enum kind kind, const char *driver, const char *name,
			      const void *bytes, size_t len)
{
	static char path[640];
	FILE *f;

	snprintf(path, sizeof path, "%s/in/%s", job.dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
	src = (struct source){.kind = kind, .driver = driver};
	src.stem = (char *)(uintptr_t) "test";
	src.file = (char *)(uintptr_t) "test.csv";
	src.path = path;
}

static inline void job_clean_out(void)
{
	char path[640];

	snprintf(path, sizeof path, "%s/out", job.dir);
	assert_int_equal(fs_remove_tree(AT_FDCWD, path, NULL), ERR_OK);
	assert_int_equal(mkdir(path, 0700), 0);
}

/* One value from out/0.gpkg; caller frees. */
static inline char *ask(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	char path[640], *copy = NULL;

	snprintf(path, sizeof path, "%s/out/0.gpkg", job.dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0) != NULL)
		copy = strdup((const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	sqlite3_close(db);
	return copy == NULL ? strdup("NULL") : copy;
}

static inline void expect(const char *sql, const char *value)
{
	char *got = ask(sql);

	if (strcmp(got, value) != 0)
		fail_msg("%s\n gives  %s\n wanted %s", sql, got, value);
	free(got);
}

/* A path "a.b.0.c" inside O as text; "null" when there is nothing.  Static. */
static inline const char *at(json_object *o, const char *path)
{
	char *copy = strdup(path), *save = NULL;
	const char *text;

	for (char *p = strtok_r(copy, ".", &save); p != NULL && o != NULL;
	     p = strtok_r(NULL, ".", &save))
		o = json_object_is_type(o, json_type_array)
			? json_object_array_get_idx(o, (size_t)atoi(p))
			: json_object_object_get(o, p);
	free(copy);
	text = o == NULL ? "null" : json_object_get_string(o);
	return text;
}

static inline void expect_at(json_object *o, const char *path, const char *value)
{
	if (strcmp(at(o, path), value) != 0)
		fail_msg("%s is %s, wanted %s", path, at(o, path), value);
}

static inline void expect_problem(const char *code)
{
	if (!problems_have(job.problems, code))
		fail_msg("no %s but %s", code,
			 job.problems == NULL ? "nothing"
					      : json_object_to_json_string(job.problems));
}

/* The row report so far. */
static inline char *report(void)
{
	char path[640], *text = NULL;
	size_t len;

	if (job.report == NULL)
		return strdup("");
	fflush(job.report);
	snprintf(path, sizeof path, "%s/out/report.jsonl", job.dir);
	assert_int_equal(fs_read_file(AT_FDCWD, path, 1 << 20, &text, &len, NULL), ERR_OK);
	return text;
}

#endif
