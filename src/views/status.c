/*
 * Figures for the operator: /metrics in Prometheus' text format, for administrators and the
 * addresses of metrics.address.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "http/field.h"
#include "views/views.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/tally.h"
#include "base/text.h"
#include "store/figures.h"

/* ---- requests */

enum tally_class status_class(const char *path)
{
	static const struct {
		const char *prefix;
		enum tally_class class;
	} families[] = {{"/upload", TALLY_WIZARD},
			{"/api/v2/", TALLY_WIZARD},
			{"/files", TALLY_FILES},
			{"/chunks", TALLY_CHUNKS},
			{"/_", TALLY_GWS},
			{"/datasets", TALLY_DATASETS},
			{"/layers/", TALLY_DATASETS},
			{"/iserver/", TALLY_ISERVER},
			{"/manager/", TALLY_ISERVER},
			{"/services/", TALLY_ISERVER},
			{"/iportal/", TALLY_IPORTAL},
			{"/web/", TALLY_IPORTAL},
			{"/echart/", TALLY_SIGNED},
			{"/etl/", TALLY_SIGNED},
			{"/healthz", TALLY_STATUS},
			{"/readyz", TALLY_STATUS},
			{"/metrics", TALLY_STATUS}};
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		if (text_starts(path, families[i].prefix))
			return families[i].class;
	}
	return TALLY_PAGES;
}

/* A metric's two lines of head. */
static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(FILE *out, const char *name, const char *type, const char *help, int64_t value)
{
	head(out, name, type, help);
	fprintf(out, "%s %lld\n", name, (long long)value);
}

static void print_durations(FILE *out, const struct tally_cells *c, enum tally_class class)
{
	const char *word = tally_class_word(class);
	int64_t sum = 0;
	for (size_t i = 0; i < TALLY_BUCKETS; i++) {
		sum += tally_get(&c->took[class][i]);
		if (i + 1 < TALLY_BUCKETS)
			fprintf(out,
				"slipway_request_seconds_bucket{class=\"%s\",le=\"%g\"} %lld\n",
				word, (double)tally_bound_ms(i) / 1000, (long long)sum);
		else
			fprintf(out,
				"slipway_request_seconds_bucket{class=\"%s\",le=\"+Inf\"} %lld\n",
				word, (long long)sum);
	}
	fprintf(out, "slipway_request_seconds_sum{class=\"%s\"} %.3f\n", word,
		(double)tally_get(&c->took_ms[class]) / 1000);
	fprintf(out, "slipway_request_seconds_count{class=\"%s\"} %lld\n", word, (long long)sum);
}

static void print_requests(FILE *out, const struct tally_cells *c)
{
	head(out, "slipway_requests_total", "counter",
	     "Answered requests by family of addresses and status.");
	for (enum tally_class k = 0; k < TALLY__MAX; k++) {
		for (size_t s = 0; s < TALLY_STATUSES; s++) {
			int64_t n = tally_get(&c->requests[k][s]);
			if (n != 0)
				fprintf(
				    out,
				    "slipway_requests_total{class=\"%s\",status=\"%zu\"} %lld\n",
				    tally_class_word(k), s + 100, (long long)n);
		}
	}
	head(out, "slipway_received_bytes_total", "counter", "Bytes of request bodies.");
	for (enum tally_class k = 0; k < TALLY__MAX; k++)
		fprintf(out, "slipway_received_bytes_total{class=\"%s\"} %lld\n",
			tally_class_word(k), (long long)tally_get(&c->bytes_in[k]));
	head(out, "slipway_request_seconds", "histogram",
	     "Time from a request's head to the end of its answer.");
	for (enum tally_class k = 0; k < TALLY__MAX; k++)
		print_durations(out, c, k);
}

/* ---- uploads, sessions, tasks */

static void print_states(FILE *out, const char *name, const char *help, const struct figures *f)
{
	head(out, name, "gauge", help);
	for (size_t i = 0; i < f->n; i++) {
		CLEAN_FREE char *state = mem_strdup(f->rows[i].state);
		for (char *c = state; *c != '\0'; c++)
			*c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
		fprintf(out, "%s{state=\"%s\"} %lld\n", name, state, (long long)f->rows[i].n);
	}
}

static void print_upload_sums(FILE *out, const struct tally_uploads *u)
{
	static const char *const events[TALLY_EVENT__MAX] = {[TALLY_CREATED] = "created",
							     [TALLY_COMPLETED] = "completed",
							     [TALLY_TERMINATED] = "terminated",
							     [TALLY_EXPIRED] = "expired"};
	head(out, "slipway_upload_events_total", "counter",
	     "Uploads created, completed, ended and expired, by the protocol that made them.");
	for (size_t a = 0; a < TALLY_ADAPTERS; a++) {
		for (enum tally_event e = 0; e < TALLY_EVENT__MAX; e++) {
			int64_t n = tally_get(&u->events[a][e]);
			if (n != 0)
				fprintf(out,
					"slipway_upload_events_total{event=\"%s\",adapter=\"%s\"} "
					"%lld\n",
					events[e], tally_adapter_word(a), (long long)n);
		}
	}
	head(out, "slipway_upload_bytes_total", "counter", "Bytes of completed uploads.");
	for (size_t a = 0; a < TALLY_ADAPTERS; a++) {
		int64_t n = tally_get(&u->bytes[a]);
		if (n != 0)
			fprintf(out, "slipway_upload_bytes_total{adapter=\"%s\"} %lld\n",
				tally_adapter_word(a), (long long)n);
	}
}

static enum err print_stored(struct call *call, FILE *out, const struct tally_cells *c)
{
	struct store *store = call->ctx->store;
	struct figures uploads, sessions;
	enum err err = figures_uploads(store, &uploads, &call->error);
	if (err == ERR_OK)
		err = figures_sessions(store, &sessions, &call->error);
	if (err != ERR_OK)
		return err;
	print_states(out, "slipway_uploads", "Uploads by state.", &uploads);
	print_states(out, "slipway_sessions", "Sessions of the wizard by state.", &sessions);
	print_upload_sums(out, &c->uploads);
	return ERR_OK;
}

static enum err print_tasks(struct call *call, FILE *out, const struct tally_cells *c)
{
	static const char *const words[TALLY_TASK__MAX] = {[TALLY_DONE] = "done",
							   [TALLY_FAILED] = "failed",
							   [TALLY_CANCELED] = "canceled",
							   [TALLY_LOST] = "lost"};
	struct figures_tasks f = {0};
	enum err err = figures_tasks(call->ctx->store, &f, &call->error);
	if (err != ERR_OK)
		return err;
	head(out, "slipway_tasks", "gauge", "Background tasks by state.");
	fprintf(out, "slipway_tasks{state=\"queued\"} %zu\nslipway_tasks{state=\"running\"} %zu\n",
		f.queued, f.running);
	int64_t age = f.oldest_queued_ms > 0 ? clock_now_ms() - f.oldest_queued_ms : 0;
	one(out, "slipway_task_queue_age_seconds", "gauge",
	    "How long the oldest queued task has been waiting.", age > 0 ? age / 1000 : 0);
	head(out, "slipway_task_results_total", "counter", "Ended tasks by result.");
	for (enum tally_task t = 0; t < TALLY_TASK__MAX; t++)
		fprintf(out, "slipway_task_results_total{result=\"%s\"} %lld\n", words[t],
			(long long)tally_get(&c->tasks[t]));
	head(out, "slipway_task_seconds_total", "counter", "Time spent on ended tasks.");
	fprintf(out, "slipway_task_seconds_total %.3f\n", (double)tally_get(&c->task_ms) / 1000);
	one(out, "slipway_worker_up", "gauge", "Whether a worker lives.",
	    call_worker_lives(call->ctx->config));
	one(out, "slipway_jail_level", "gauge",
	    "Jail level of the latest job: 3 seccomp and Landlock, 2 seccomp, 1 limits; 0 none "
	    "yet.",
	    tally_get(&c->jail_level));
	return ERR_OK;
}

/* ---- store, disk */

static void print_store(const struct call *call, FILE *out)
{
	CLEAN_JSON json_object *stat = store_stat(call->ctx->store);
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, call->ctx->config->data_dir);
	struct fs_space space;

	one(out, "slipway_store_recoveries_total", "counter", "Recoveries of the store.",
	    json_int(stat, "epoch", 0));
	one(out, "slipway_store_dirty", "gauge",
	    "Whether the store's next user recovers it, or somebody is inside.",
	    json_bool(stat, "dirty", false));
	one(out, "slipway_store_inside_seconds", "gauge",
	    "How long the process inside the store has been there.",
	    json_int(stat, "inside_ms", 0) / 1000);
	one(out, "slipway_store_log_bytes", "gauge", "The store's logs.",
	    json_int(stat, "log_bytes", 0));
	one(out, "slipway_store_ballast", "gauge", "Whether the reserve for a full disk is there.",
	    json_bool(stat, "ballast", false));
	head(out, "slipway_store_table_bytes", "gauge", "The store's tables.");
	json_object_object_foreach(json_obj(stat, "tables"), name, size)
	{
		size_t len = strlen(name);
		if (len > 3 && strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == len - 3)
			fprintf(out, "slipway_store_table_bytes{table=\"%.*s\"} %lld\n",
				(int)len - 3, name, (long long)json_object_get_int64(size));
	}
	if (dir < 0 || fs_space(dir, &space, NULL) != ERR_OK)
		return;
	one(out, "slipway_disk_free_bytes", "gauge", "Free space of the data directory.",
	    space.bytes);
	one(out, "slipway_disk_reserve_bytes", "gauge",
	    "Below so much (upload.min_free) nothing new is taken.",
	    call->ctx->config->upload_min_free);
	if (space.inodes_total > 0)
		one(out, "slipway_disk_free_inodes", "gauge", "Free inodes of the data directory.",
		    space.inodes);
}

/* ---- the view */

/* A monitor that may ask without a login. */
static bool is_monitor(const struct call *call)
{
	return address_listed(call->req->address, call->ctx->config->metrics_address);
}

enum err metrics_view(struct call *call)
{
	CLEAN_FREE char *text = NULL;
	size_t len;
	if (!is_monitor(call) && *call->who.name == '\0')
		return call_fail(call, ERR_AUTH, problem_new("login_required"));
	if (!is_monitor(call) && !call->who.admin)
		return call_fail(call, ERR_FORBIDDEN, problem_new("admin_only"));
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		mem_die();
	const struct tally_cells *cells = tally_cells(call->ctx->tally);
	print_requests(out, cells);
	enum err err = print_stored(call, out, cells);
	if (err == ERR_OK)
		err = print_tasks(call, out, cells);
	if (err == ERR_OK)
		print_store(call, out);
	if (fclose(out) != 0)
		mem_die();
	if (err == ERR_OK)
		reply_text(call->reply, 200, "text/plain; version=0.0.4; charset=utf-8", text);
	return err;
}
