/*
 * One job inside the jail: what was asked, where to write, how to report.  Every module of geo/ is
 * given it. The protocol is wizard/message.h.
 */
#ifndef SLIPWAY_GEO_JOB_H
#define SLIPWAY_GEO_JOB_H

#include <stdio.h>
#include "base/problem.h"
#include "wizard/message.h"

struct job_file {
	int n;		  /* file number from 1 */
	const char *name; /* the client's name: a label only; borrowed from spec */
	char path[64];	  /* absolute or relative path GDAL may open: "<dir>/in/1.shp" */
	int64_t size;	  /* bytes */
};

struct job {
	json_object *spec;	/* the job message */
	char dir[512];		/* job directory; in/ and out/ below it */
	struct job_file *files; /* n_files of them */
	size_t n_files;
	json_object *warnings; /* array of problems, for the result */
	json_object *problems; /* array: why the job (or the layer at hand) failed */
	FILE *report;	       /* out/report.jsonl: opened with the first row problem */
	int64_t report_total;  /* row problems so far; the first 1000 are written */
	int64_t last_progress; /* clock_mono_ms of the last progress frame */
	char detail[1024];     /* driver's last error text, for the log */
	bool too_large;	       /* a driver said that one object of a file is too large for it */
};

/* A limit of the job ("zip_max_bytes"), with the default of base/limits.h. */
int64_t job_limit(const struct job *, const char *name);
/* Send a progress frame, at most four a second (FORCE: now). */
void job_progress(struct job *, const char *phase, const char *message, const char *layer,
		  int64_t done, int64_t total, int64_t rows_bad, bool force);
/*
 * Add an error (takes P) and return ERR_BAD_REQUEST, so that `return job_fail(job,
 * problem_new("zip_ratio"))` reads well.
 */
enum err job_fail(struct job *, json_object *p);
void job_warn(struct job *, json_object *p);
/* A bad row: into the report; takes P (code, file, layer, row, column, value). */
void job_row_problem(struct job *, json_object *p);
/*
 * Make every text in O valid UTF-8 without NUL (bad bytes become U+FFFD) and every number finite or
 * null: names and values come from drivers that
 * pass on what stands in the file, and the receiver takes nothing else.
 */
void job_clean_text(json_object *o);
/* Set KEY of O to VALUE (NULL: JSON null), cut to what a name may be in a message: 255 bytes. */
void job_set_name(json_object *o, const char *key, const char *value);
/* Absolute path below out/ into BUF. */
void job_out(const struct job *, const char *name, char *buf, size_t size);

/* The tasks; each returns the result object (caller frees) or NULL with job->problems filled. */
json_object *inspect_run(struct job *);			    /* inspect.c */
json_object *import_run(struct job *);			    /* import.c: the loop over layers */
json_object *export_run(struct job *);			    /* export.c */
json_object *unpack_run(struct job *);			    /* unpack.c */
json_object *rows_run(struct job *);			    /* rowjob.c */
json_object *srs_question(const json_object *question);	    /* srs.c: never NULL */
json_object *preview_question(const json_object *question); /* srs.c: never NULL */

#endif
