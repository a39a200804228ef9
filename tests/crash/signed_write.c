/*
 * One write of the signed APIs without a web server: for the test that kills it in the middle and
 * for the benchmark.
 *
 *   signed_write [-p] [-m MARK] [-k FILE] [-o] [-u OPERATION] CONF DATA_DIR RECEIVER ROWS
 *
 * RECEIVER is a file with its configuration; ROWS a file with a ds, or with a cell array a line
 * when it ends in ".lines".  -p says "rows" and pauses where half of the rows are written.  -m
 * names the write; -k keeps what a database without marks tells of it; -o only asks what became of
 * it.  Prints one JSON object.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "signed/ds.h"
#include "signed/writer.h"

#define TEXT_MAX (64 << 20)
#define PAUSE_MS 15

struct job {
	struct row_source inner;
	bool pause;
	int passes;
	int64_t rows, half;
	const char *keep_file;
};

static enum rows_state next(void *arg, struct row *ret, struct refusal *r)
{
	struct job *job = arg;

	if (job->passes == 1) {
		job->half += 1;
	} else if (job->pause && ++job->rows == job->half / 2) {
		(void)puts("rows");
		(void)fflush(stdout);
		clock_sleep_ms(PAUSE_MS);
	}
	return job->inner.next(job->inner.arg, ret, r);
}

static bool rewind_rows(void *arg)
{
	struct job *job = arg;

	job->passes++;
	return job->inner.rewind(job->inner.arg);
}

static bool keep(void *arg, const char *text)
{
	struct job *job = arg;

	return job->keep_file == NULL ||
	       fs_replace(AT_FDCWD, job->keep_file, text, strlen(text), NULL) == ERR_OK;
}

static bool codes(void *arg, const char *column, const char *day, int64_t n, int64_t *ret_first)
{
	(void)arg;
	(void)column;
	(void)day;
	(void)n;
	*ret_first = 1;
	return true;
}

static struct receiver *read_receiver(const char *path, struct refusal *r)
{
	CLEAN_JSON json_object *record = json_object_new_object();
	CLEAN_FREE char *text = NULL;
	json_object *config = NULL;
	struct receiver *receiver = NULL;
	size_t len;

	if (fs_read_file(AT_FDCWD, path, TEXT_MAX, &text, &len, NULL) != ERR_OK ||
	    !receiver_text(text, len, &config, r))
		return NULL;
	json_set_int(record, "id", 1);
	json_set_str(record, "name", "bench");
	json_set(record, "config", config);
	return receiver_read(record, &receiver, r) ? receiver : NULL;
}

static double cpu_ms(void)
{
	struct rusage used;

	(void)getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

/* The most this program had in memory: what getrusage tells begins before exec. */
static int64_t peak_kib(void)
{
	CLEAN_FILE FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long long kib = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (text_starts(line, "VmHWM:"))
			(void)sscanf(line + 6, "%lld", &kib);
	return kib;
}

/* Write the rows of PATH; what is answered goes into TEXT. */
static void carry_out(struct targets *targets, struct write_order *order, struct job *job,
		      const char *path, char *text, size_t size, struct refusal *r)
{
	bool is_lines = text_ends_icase(path, ".lines");
	CLEAN_FREE char *ds_text = NULL;
	CLEAN_FD int fd = -1;
	struct write_counts counts;
	struct lines *lines = NULL;
	struct ds *ds = NULL;
	size_t len;

	if (is_lines) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		lines = lines_open(fd);
		job->inner = lines_rows(lines);
	} else if (fs_read_file(AT_FDCWD, path, TEXT_MAX, &ds_text, &len, NULL) != ERR_OK ||
		   !ds_open(ds_text, len, order->receiver->max_rows, &ds, r)) {
		(void)snprintf(text, size, "no rows: %.100s", r->what);
		return;
	} else {
		job->inner = ds_rows(ds);
	}
	if (write_rows(targets, order, &counts, r))
		(void)snprintf(text, size, "inserted=%lld updated=%lld deleted=%lld",
			       (long long)counts.inserted, (long long)counts.updated,
			       (long long)counts.deleted);
	else
		(void)refusal_text(r, text, size);
	ds_free(ds);
	lines_free(lines);
}

static int ask_outcome(struct targets *targets, const struct receiver *receiver,
		       const unsigned char mark[32], const char *keep_file)
{
	static const char *const words[] = {"committed", "rolled back", "unknown"};
	CLEAN_FREE char *kept = NULL;
	size_t len;

	if (keep_file != NULL)
		(void)fs_read_file(AT_FDCWD, keep_file, 64, &kept, &len, NULL);
	(void)puts(words[write_outcome(targets, receiver, mark, kept)]);
	return 0;
}

int main(int argc, char **argv)
{
	struct job job = {0};
	struct write_order order = {.visitor = "loader",
				    .stamp_ms = clock_now_ms(),
				    .max_bad = 1,
				    .lock_wait_ms = 10000,
				    .codes = codes,
				    .keep = keep,
				    .arg = &job,
				    .rows = {next, rewind_rows, &job}};
	unsigned char mark[33] = "";
	bool ask = false;
	struct config *config;
	struct targets *targets;
	struct receiver *receiver;
	struct error error = {0};
	struct refusal r = {0};
	char text[600];
	double start, cpu;

	for (int c; (c = getopt(argc, argv, "pm:k:ou:")) != -1;) {
		if (c == 'p')
			job.pause = true;
		else if (c == 'm')
			(void)snprintf((char *)mark, sizeof(mark), "%s", optarg);
		else if (c == 'k')
			job.keep_file = optarg;
		else if (c == 'o')
			ask = true;
		else if (c == 'u')
			order.op = (enum operation)(optarg[0] - '0');
	}
	if (argc - optind != 4 ||
	    config_load(argv[optind], argv[optind + 1], argv[0], &config, &error) != ERR_OK) {
		(void)fprintf(stderr, "signed_write: arguments or %s\n", error.text);
		return 2;
	}
	receiver = read_receiver(argv[optind + 2], &r);
	if (receiver == NULL) {
		(void)fprintf(stderr, "signed_write: %s\n", r.what);
		return 2;
	}
	order.receiver = receiver;
	order.mark = mark[0] != '\0' ? mark : NULL;
	targets = targets_open(config);
	if (ask)
		return ask_outcome(targets, receiver, mark, job.keep_file);
	start = (double)clock_mono_ms();
	cpu = cpu_ms();
	carry_out(targets, &order, &job, argv[optind + 3], text, sizeof(text), &r);
	(void)printf("{\"answer\":\"%s\",\"ms\":%.0f,\"cpu_ms\":%.1f,\"rss_kib\":%lld}\n", text,
		     (double)clock_mono_ms() - start, cpu_ms() - cpu, (long long)peak_kib());
	if (r.reason[0] != '\0')
		(void)fprintf(stderr, "%s\n", r.reason);
	targets_close(targets);
	receiver_free(receiver);
	config_free(config);
	return r.code == REFUSE_NOTHING ? 0 : 1;
}
