/*
 * What the engine's tests share: a data directory with a real store and an engine, bodies out of
 * memory, looks at files and records.
 */
#ifndef SLIPWAY_TESTS_UPLOAD_HELP_H
#define SLIPWAY_TESTS_UPLOAD_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "upload/upload.h"

struct scratch {
	char dir[64];
	struct config *config;
	struct store *store;
	struct engine *engine;
};

static const struct principal ann = {.owner = "u:ann", .name = "ann"};
static const struct principal bob = {.owner = "u:bob", .name = "bob"};
static const struct principal admin = {.owner = "u:root", .name = "root", .admin = true};
static const struct principal anyone = {.owner = "-"};

/* Each test process keeps the store open, as FastCGI does. */
static inline void scratch_start(struct scratch *s)
{
	struct error error = {0};

	if (store_open(s->config, true, &s->store, &error) != ERR_OK ||
	    engine_open(s->config, s->store, &s->engine, &error) != ERR_OK)
		fail_msg("%s", error.text);
}

static inline void scratch_stop(struct scratch *s)
{
	engine_close(s->engine);
	store_close(s->store);
	s->engine = NULL;
	s->store = NULL;
}

/* In DIR (NULL: a new one below /tmp), with lines for slipway.conf. */
static inline struct scratch *scratch_in(const char *dir, const char *settings)
{
	struct scratch *s = mem_alloc(sizeof(*s));
	struct error error = {0};
	CLEAN_FREE char *file = NULL;
	FILE *f;

	(void)snprintf(s->dir, sizeof(s->dir), "%s",
		       dir != NULL ? dir : "/tmp/slipway-upload-XXXXXX");
	if (dir == NULL && mkdtemp(s->dir) == NULL)
		fail_msg("mkdtemp");
	file = mem_printf("%s/slipway.conf", s->dir);
	f = fopen(file, "we");
	fprintf(f, "%s", settings);
	(void)fclose(f);
	if (config_load(file, s->dir, "/nonexistent/slipway", &s->config, &error) != ERR_OK)
		fail_msg("%s", error.text);
	/* Regions of our own, so that they can be removed with the rest. */
	free(s->config->store_regions);
	s->config->store_regions = mem_printf("/dev/shm/%s.regions", strrchr(s->dir, '/') + 1);
	s->config->allow_root = geteuid() == 0; /* a test machine's container */
	scratch_start(s);
	return s;
}

static inline void scratch_free(struct scratch *s)
{
	scratch_stop(s);
	(void)fs_remove_tree(AT_FDCWD, s->config->store_regions, NULL);
	config_free(s->config);
	(void)fs_remove_tree(AT_FDCWD, s->dir, NULL);
	free(s);
}

#define FAST "[upload]\nsync = none\nmin_free = 0\nmin_inodes = 0\n[store]\nballast = 0\n"

static inline int scratch_setup(void **state)
{
	*state = scratch_in(NULL, FAST);
	return 0;
}

static inline int scratch_teardown(void **state)
{
	scratch_free(*state);
	return 0;
}

/* ---- bodies */

enum tail { TAIL_END, TAIL_LOST, TAIL_SILENT };

struct memory {
	const char *p;
	size_t n;
	enum tail tail; /* what follows the bytes */
	size_t piece;	/* bytes a read, 0 = all */
	int slow_ms;	/* before each read */
	struct body body;
};

static inline ssize_t memory_read(void *arg, void *buf, size_t size, int wait_ms)
{
	struct memory *m = arg;

	if (m->slow_ms > 0)
		clock_sleep_ms(m->slow_ms);
	if (m->n == 0 && m->tail == TAIL_SILENT)
		clock_sleep_ms(wait_ms);
	if (m->n == 0)
		return m->tail == TAIL_END ? 0 : m->tail == TAIL_LOST ? -2 : -1;
	if (size > m->n)
		size = m->n;
	if (m->piece > 0 && size > m->piece)
		size = m->piece;
	memcpy(buf, m->p, size);
	m->p += size;
	m->n -= size;
	return (ssize_t)size;
}

/* A body of N bytes that declares LENGTH (-1: chunked). */
static inline struct body *memory_body(struct memory *m, const void *p, size_t n, int64_t length,
				       enum tail tail)
{
	*m = (struct memory){.p = p, .n = n, .tail = tail};
	m->body =
	    (struct body){.read = memory_read, .arg = m, .length = length, .chunked = length < 0};
	return &m->body;
}

/* ---- shorthands */

static inline struct upload *create_as(struct scratch *s, const struct principal *who,
				       const char *adapter, int64_t length)
{
	struct upload_spec spec = {.owner = *who,
				   .adapter = adapter,
				   .mode = UPLOAD_APPEND,
				   .name = "a.csv",
				   .length = length,
				   .address = "192.0.2.1"};
	struct error error = {0};
	struct upload *u = NULL;

	if (upload_create(s->engine, &spec, &u, &error) != ERR_OK)
		fail_msg("create: %s", error.text);
	return u;
}

static inline struct upload *create(struct scratch *s, int64_t length)
{
	return create_as(s, &ann, "tus", length);
}

static inline struct upload *reopen(struct scratch *s, const char *id)
{
	struct error error = {0};
	struct upload *u = NULL;

	if (upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &u, &error) != ERR_OK)
		fail_msg("open: %s", error.text);
	return u;
}

/* Append text of a well-behaved client. */
static inline enum err append(struct upload *u, int64_t offset, const char *text, int64_t *ret)
{
	struct memory m;
	struct error error = {0};

	return upload_append(u, offset,
			     memory_body(&m, text, strlen(text), (int64_t)strlen(text), TAIL_END),
			     NULL, false, ret, &error);
}

/* The file's content when ID is complete; NULL else.  Caller frees. */
static inline char *content(struct scratch *s, const char *id)
{
	struct upload_info info = {0};
	struct error error = {0};
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, s->dir);
	char *text = NULL;
	size_t len;

	if (upload_get(s->engine, id, &ann, &info, &error) != ERR_OK)
		return NULL;
	(void)fs_read_file(dir, info.path, 8 << 20, &text, &len, NULL);
	upload_info_done(&info);
	return text;
}

#define assert_content(s, id, expected)                                                            \
	do {                                                                                       \
		char *assert_text = content((s), (id));                                            \
		assert_non_null(assert_text);                                                      \
		assert_string_equal(assert_text, (expected));                                      \
		free(assert_text);                                                                 \
	} while (0)

/* Does the upload have a folder, and what is in it? */
static inline bool has_file(const struct scratch *s, const char *id, const char *name)
{
	CLEAN_FREE char *path = mem_printf("%s/uploads/%.2s/%s/%s", s->dir, id, id, name);

	return access(path, F_OK) == 0;
}

struct look {
	const char *id;
	json_object *record;
};

static inline enum err look_pass(struct pass *p, void *arg)
{
	struct look *l = arg;

	return uploads_get(p, l->id, &l->record);
}

/* The stored record, NULL = none.  Caller frees. */
static inline json_object *record_of(struct scratch *s, const char *id)
{
	struct look l = {.id = id};

	return store_pass(s->store, PASS_READ, "test", look_pass, &l, NULL) == ERR_OK ? l.record
										      : NULL;
}

/* As a client deletes it. */
static inline enum err remove_id(struct scratch *s, const char *id, const struct principal *who)
{
	struct upload *u = NULL;
	enum err err = upload_open(s->engine, id, who, UPLOAD_WANT_REMOVE, &u, NULL);

	if (err == ERR_OK)
		err = upload_remove(u, UPLOAD_DELETED, NULL);
	upload_close(u);
	return err;
}

#endif
