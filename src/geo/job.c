#include "geo/job.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "base/charset.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#define PROGRESS_EVERY_MS 250
#define MAX_NAME	  255  /* bytes */
#define WARNINGS_MOST	  200  /* what nobody reads any more */
#define REPORT_ROWS	  1000 /* row problems written out; the rest is only counted */

static const struct {
	const char *field; /* as in struct config */
	const char *key;   /* as in slipway.conf */
	int64_t def;
} limits[] = {
#define X(field, section, key, def, least, most) {#field, key, def},
    LIMITS(X)
#undef X
};

int64_t job_limit(const struct job *job, const char *name)
{
	json_object *sent = json_obj(job->spec, "limits");

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strcmp(limits[i].field, name) == 0 || strcmp(limits[i].key, name) == 0) {
			int64_t v =
			    json_int(sent, limits[i].field, json_int(sent, limits[i].key, -1));

			return v >= 0 ? v : limits[i].def;
		}
	return json_int(sent, name, 0);
}

void job_progress(struct job *job, const char *phase, const char *message, const char *layer,
		  int64_t done, int64_t total, int64_t rows_bad, bool force)
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
		job_set_name(p, "layer", layer);
	json_set_int(p, "done", done);
	json_set_int(p, "total", total);
	json_set_int(p, "rows_bad", rows_bad);
	job_clean_text(p);
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
	if (json_len(job->warnings) < WARNINGS_MOST)
		problems_add(&job->warnings, p);
	else
		json_object_put(p);
}

void job_row_problem(struct job *job, json_object *p)
{
	CLEAN_FREE char *text = NULL;

	if (job->report_total++ < REPORT_ROWS) {
		job_clean_text(p);
		if (job->report == NULL) {
			char path[640];
			int fd;

			job_out(job, "report.jsonl", path, sizeof(path));
			fd =
			    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
			job->report = fd < 0 ? NULL : fdopen(fd, "w");
		}
		text = json_print(p, NULL);
		if (job->report != NULL)
			(void)fprintf(job->report, "%s\n", text);
	}
	json_object_put(p);
}

static bool is_clean(const char *s, size_t len)
{
	return memchr(s, '\0', len) == NULL && text_is_utf8(s, len);
}

/* Owns: caller frees. */
static char *cleaned(const char *s, size_t len)
{
	size_t n;
	char *text = charset_decode("UTF-8", s, len, &n, NULL);

	for (size_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	return text;
}

/* NaN and Inf are no JSON; they become null. */
static bool is_no_number(json_object *o)
{
	return json_object_is_type(o, json_type_double) && !isfinite(json_object_get_double(o));
}

static void clean_members(json_object *o)
{
	struct json_object_iterator i = json_object_iter_begin(o), end = json_object_iter_end(o);
	json_object *renamed = NULL;

	for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
		const char *key = json_object_iter_peek_name(&i);

		if (is_no_number(json_object_iter_peek_value(&i)))
			json_set(o, key, NULL);
		else
			job_clean_text(json_object_iter_peek_value(&i));
		if (!text_is_utf8(key, strlen(key))) {
			CLEAN_FREE char *name = cleaned(key, strlen(key));

			if (renamed == NULL)
				renamed = json_object_new_object();
			json_set(renamed, name, json_object_get(json_object_iter_peek_value(&i)));
		}
	}
	if (renamed == NULL)
		return;
	/* All at once: an object must not change while it is walked. */
	for (i = json_object_iter_begin(o); !json_object_iter_equal(&i, &end);
	     json_object_iter_next(&i)) {
		const char *key = json_object_iter_peek_name(&i);

		if (text_is_utf8(key, strlen(key)))
			json_set(renamed, key, json_object_get(json_object_iter_peek_value(&i)));
	}
	while (json_object_object_length(o) > 0) {
		i = json_object_iter_begin(o);
		json_object_object_del(o, json_object_iter_peek_name(&i));
	}
	for (i = json_object_iter_begin(renamed), end = json_object_iter_end(renamed);
	     !json_object_iter_equal(&i, &end); json_object_iter_next(&i))
		json_set(o, json_object_iter_peek_name(&i),
			 json_object_get(json_object_iter_peek_value(&i)));
	json_object_put(renamed);
}

void job_clean_text(json_object *o)
{
	json_object *item;

	if (json_object_is_type(o, json_type_string)) {
		const char *s = json_object_get_string(o);
		size_t len = (size_t)json_object_get_string_len(o);

		if (!is_clean(s, len)) {
			CLEAN_FREE char *text = cleaned(s, len);

			json_object_set_string(o, text);
		}
	} else if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_len(o); i++) {
			item = json_object_array_get_idx(o, i);
			if (is_no_number(item))
				json_object_array_put_idx(o, i, NULL);
			else
				job_clean_text(item);
		}
	} else if (json_object_is_type(o, json_type_object)) {
		clean_members(o);
	}
}

void job_set_name(json_object *o, const char *key, const char *value)
{
	CLEAN_FREE char *cut =
	    value == NULL ? NULL : mem_strndup(value, text_cut(value, strlen(value), MAX_NAME));

	json_set_str(o, key, cut);
}

void job_out(const struct job *job, const char *name, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s/out/%s", job->dir, name);
}
