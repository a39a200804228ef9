/*
 * Times questions to the catalogue: one JSON object a line on standard input, one on standard
 * output with the median of ROUNDS and the number of hits.  argv: data_dir rounds.  Every round
 * opens the catalogue anew, as a CGI process does, when the question says "open".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "catalog/item.h"

#define LIST_MAX 64

static double now_ms(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct item_texts texts(const json_object *o, const char *key, const char *to[LIST_MAX])
{
	struct item_texts t = {to, 0};
	json_object *item;

	JSON_EACH(item, json_arr(o, key))
	if (t.n < LIST_MAX)
		to[t.n++] = json_object_get_string(item);
	return t;
}

static struct item_numbers numbers(const json_object *o, const char *key, int64_t to[LIST_MAX])
{
	struct item_numbers t = {to, 0};
	json_object *item;

	JSON_EACH(item, json_arr(o, key))
	if (t.n < LIST_MAX)
		to[t.n++] = json_object_get_int64(item);
	return t;
}

static void ask(const struct config *config, struct catalog *shared, const json_object *o,
		int rounds)
{
	const char *lists[5][LIST_MAX];
	int64_t ids[2][LIST_MAX];
	double *took = mem_alloc((size_t)rounds * sizeof(*took));
	double *busy = mem_alloc((size_t)rounds * sizeof(*busy));
	struct item_query q = {.viewer = {json_str(o, "user", ""), json_bool(o, "admin", false),
					  json_str(o, "groups", "")},
			       .mine = json_bool(o, "mine", false),
			       .is_public = json_bool(o, "public", false),
			       .types = texts(o, "types", lists[0]),
			       .statuses = texts(o, "statuses", lists[1]),
			       .owners = texts(o, "owners", lists[2]),
			       .tags = texts(o, "tags", lists[3]),
			       .keywords = texts(o, "keywords", lists[4]),
			       .dirs = numbers(o, "dirs", ids[0]),
			       .ids = numbers(o, "ids", ids[1]),
			       .file_name = json_str(o, "fileName", NULL),
			       .sub_dirs = true,
			       .not_in_dir = json_bool(o, "notInDir", false),
			       .descending = json_bool(o, "desc", false),
			       .skip = (size_t)json_int(o, "skip", 0),
			       .max = (size_t)json_int(o, "max", 9),
			       .with_created_from = json_get(o, "from") != NULL,
			       .created_from = json_int(o, "from", 0),
			       .with_created_to = json_get(o, "to") != NULL,
			       .created_to = json_int(o, "to", 0)};
	size_t total = 0, got = 0;

	(void)item_order_of(json_str(o, "order", "ID"), &q.order);
	(void)item_scope_of(json_str(o, "scope", "ALL"), &q.scope);
	(void)item_permission_of(json_str(o, "permission", "SEARCH"), &q.permission);
	for (int i = -1; i < rounds; i++) {
		CLEAN_JSON json_object *list = NULL;
		struct error error = {0};
		struct catalog *c = shared;
		double start = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID);

		if (json_bool(o, "open", false) && catalog_open(config, &c, &error) != ERR_OK)
			exit(1);
		if (catalog_items(c, &q, &list, &total, &error) != ERR_OK) {
			(void)fprintf(stderr, "%s\n", error.text);
			exit(1);
		}
		if (c != shared)
			catalog_close(c);
		if (i >= 0) {
			took[i] = now_ms(CLOCK_MONOTONIC) - start;
			busy[i] = now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu;
		}
		got = json_len(list);
	}
	qsort(took, (size_t)rounds, sizeof(*took), by_value);
	qsort(busy, (size_t)rounds, sizeof(*busy), by_value);
	printf("{\"ms\":%.3f,\"cpu\":%.3f,\"total\":%zu,\"got\":%zu}\n", took[rounds / 2],
	       busy[rounds / 2], total, got);
	(void)fflush(stdout);
	free(took);
	free(busy);
}

int main(int argc, char **argv)
{
	struct config config = {.data_dir = argc > 1 ? argv[1] : NULL};
	struct catalog *c = NULL;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (argc != 3 || catalog_open(&config, &c, NULL) != ERR_OK)
		return 2;
	while ((n = getline(&line, &size, stdin)) > 0) {
		CLEAN_JSON json_object *o = NULL;

		if (json_read(line, (size_t)n, &json_limits_form, &o) != ERR_OK)
			return 2;
		ask(&config, c, o, (int)strtol(argv[2], NULL, 10));
	}
	catalog_close(c);
	free(line);
	return 0;
}
