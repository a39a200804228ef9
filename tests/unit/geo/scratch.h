/* A folder for one test, and files in it. */
#ifndef TESTS_UNIT_GEO_SCRATCH_H
#define TESTS_UNIT_GEO_SCRATCH_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"

/* Make an empty folder and stand in it. */
static inline int scratch_enter(void **state)
{
	char path[] = "/tmp/slipway-geo-XXXXXX";

	if (mkdtemp(path) == NULL || chdir(path) != 0)
		return -1;
	*state = strdup(path);
	return 0;
}

static inline int scratch_leave(void **state)
{
	(void)fs_remove_tree(AT_FDCWD, *state, NULL);
	free(*state);
	return chdir("/");
}

static inline void scratch_write(const char *name, const void *bytes, size_t len)
{
	FILE *f = fopen(name, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline void scratch_text(const char *name, const char *text)
{
	scratch_write(name, text, strlen(text));
}

#endif
