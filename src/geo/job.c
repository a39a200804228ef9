#include "geo/job.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/child.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#define PROGRESS_EVERY_MS 250
#define REPORT_ROWS 1000        /* row problems written out; the rest is only counted */

static const struct {
	const char *field;      /* as in struct config */
	const char *key;        /* as in slipway.conf */
	int64_t def;
} limits[] = {
#define X(field, section, key, def) {#field, key, def},
	LIMITS(X)
#undef X
};

int64_t job_limit(const struct job *job, const char *name)
{
	json_object *sent = json_obj(job->spec, "limits");

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strcmp(limits[i].field, name) == 0 || strcmp(limits[i].key, name) == 0) {
			int64_t v = json_int(sent, limits[i].field, json_int(sent, limits[i].key, -1));

			return v >= 0 ? v : limits[i].def;
		}
	return json_int(sent, name, 0);
}

void job_progress(struct job *job, const char *phase, const char *message, const char *layer, int64_t done,
    int64_t total, int64_t rows_bad, bool force)
{
	int64_t now = clock_mono_ms();
	json_object *p;

	if (!force && now - job->last_progress < PROGRESS_EVERY_MS)
		return;
	job->last_progress = now;
	p = json_object_new_object();
	json_set_str(p, "type", "progress");
	json_set_str(p, "phase", phase);
	json_set_str(p, "message", message);
	if (layer != NULL)
		json_set_str(p, "layer", layer);
	json_set_int(p, "done", done);
	json_set_int(p, "total", total);
	json_set_int(p, "rows_bad", rows_bad);
	/* Nobody there to hear it: nobody waits for the result either. */
	if (frame_write(STDOUT_FILENO, p, NULL) != ERR_OK)
		_exit(1);
	json_object_put(p);
}

enum err job_fail(struct job *job, json_object *p)
{
	problems_add(&job->problems, p);
	return ERR_BAD_REQUEST;
}

void job_warn(struct job *job, json_object *p)
{
	problems_add(&job->warnings, p);
}

void job_row_problem(struct job *job, json_object *p)
{
	CLEAN_FREE char *text = NULL;

	if (job->report_total++ < REPORT_ROWS) {
		if (job->report == NULL) {
			char path[640];
			int fd;

			job_out(job, "report.jsonl", path, sizeof(path));
			fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
			job->report = fd < 0 ? NULL : fdopen(fd, "w");
		}
		text = json_print(p, NULL);
		if (job->report != NULL)
			(void)fprintf(job->report, "%s\n", text);
	}
	json_object_put(p);
}

void job_out(const struct job *job, const char *name, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s/out/%s", job->dir, name);
}
