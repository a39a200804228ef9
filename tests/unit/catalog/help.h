/*
 * What the catalogue's tests share: a scratch directory with a catalogue in it, models, lists.
 */
#ifndef SLIPWAY_TESTS_CATALOG_HELP_H
#define SLIPWAY_TESTS_CATALOG_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/fs.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include <fcntl.h>

struct scratch {
	char dir[64];
	struct config config;
	struct catalog *catalog;
};

static inline void scratch_open(struct scratch *s)
{
	struct error error = {0};

	if (catalog_open(&s->config, &s->catalog, &error) != ERR_OK)
		fail_msg("%s", error.text);
}

static inline int scratch_setup(void **state)
{
	struct scratch *s = mem_alloc(sizeof(*s));

	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/slipway-catalog-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		return -1;
	s->config.data_dir = s->dir;
	s->config.upload_sync = UPLOAD_SYNC_NONE;
	scratch_open(s);
	*state = s;
	return 0;
}

static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;

	catalog_close(s->catalog);
	(void)fs_remove_tree(AT_FDCWD, s->dir, NULL);
	free(s);
	return 0;
}

/* A model of text {…} with single quotes for double ones. */
static inline json_object *model_of(const char *text)
{
	CLEAN_FREE char *copy = mem_strdup(text);
	json_object *o = NULL;

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	if (json_read(copy, strlen(copy), &json_limits_job, &o) != ERR_OK)
		fail_msg("test's own JSON: %s", copy);
	return o;
}

/* Reserve and publish; the id. */
static inline int64_t publish(struct scratch *s, json_object *model)
{
	struct error error = {0};
	int64_t id = 0, got = 0;

	if (catalog_reserve(s->catalog, &id, &error) != ERR_OK)
		fail_msg("reserve: %s", error.text);
	(void)json_set_int(model, "id", id);
	if (catalog_publish(s->catalog, model, &got, &error) != ERR_OK)
		fail_msg("publish: %s", error.text);
	return got;
}

static inline int64_t publish_text(struct scratch *s, const char *text)
{
	CLEAN_JSON json_object *model = model_of(text);

	return publish(s, model);
}

/* The ids of a list as "3 2 1", with its total behind a colon. */
static inline char *list_text(struct scratch *s, const struct catalog_query *q)
{
	CLEAN_JSON json_object *list = NULL;
	struct error error = {0};
	json_object *item;
	size_t total = 0, len = 0;
	char *text = NULL;
	FILE *f;

	if (catalog_list(s->catalog, q, &list, &total, &error) != ERR_OK)
		fail_msg("list: %s", error.text);
	f = open_memstream(&text, &len);
	JSON_EACH(item, list)
	fprintf(f, "%lld ", (long long)json_int(item, "id", 0));
	fprintf(f, ": %zu", total);
	(void)fclose(f);
	return text;
}

#define assert_page(s, expected, from, most, ...)                                                  \
	do {                                                                                       \
		struct catalog_query assert_q = {.skip = (from), .max = (most), __VA_ARGS__};      \
		char *assert_got = list_text((s), &assert_q);                                      \
		assert_string_equal(assert_got, (expected));                                       \
		free(assert_got);                                                                  \
	} while (0)
#define assert_list(s, expected, ...) assert_page(s, expected, 0, 100, __VA_ARGS__)

#endif
