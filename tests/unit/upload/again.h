/*
 * For tests that start themselves again under strace: to work in a data directory, and to look at
 * what is left.
 */
#ifndef SLIPWAY_TESTS_UPLOAD_AGAIN_H
#define SLIPWAY_TESTS_UPLOAD_AGAIN_H

#include "upload/help.h"

#include <sys/wait.h>

static inline struct scratch *begin(const char *dir)
{
	struct scratch *s = mem_alloc(sizeof(*s));
	CLEAN_FREE char *file = mem_printf("%s/slipway.conf", dir);

	(void)snprintf(s->dir, sizeof(s->dir), "%s", dir);
	if (config_load(file, dir, "/nonexistent/slipway", &s->config, NULL) != ERR_OK)
		exit(9);
	s->config->allow_root = geteuid() == 0;
	if (store_open(s->config, true, &s->store, NULL) != ERR_OK ||
	    engine_open(s->config, s->store, &s->engine, NULL) != ERR_OK)
		exit(8);
	return s;
}

static inline int end(struct scratch *s, int status)
{
	scratch_stop(s);
	config_free(s->config);
	free(s);
	return status;
}

static inline int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline int run(const char *format, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	return system(line);
}

/* An empty data directory, with lines for its configuration. */
static inline void again_prepare(const char *dir, const char *settings)
{
	CLEAN_FREE char *file = mem_printf("%s/slipway.conf", dir);
	FILE *f;

	(void)fs_remove_tree(AT_FDCWD, dir, NULL);
	assert_int_equal(mkdir(dir, 0700), 0);
	f = fopen(file, "we");
	fprintf(f,
		"[upload]\nmin_free = 0\nmin_inodes = 0\n%s\n"
		"[store]\nballast = 0\nregions = %s/regions\n",
		settings, dir);
	(void)fclose(f);
}

#endif
