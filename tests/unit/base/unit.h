/* What every unit test includes: cmocka wants its own headers in this order. */
#ifndef SLIPWAY_UNIT_H
#define SLIPWAY_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A fresh folder under /tmp as *STATE, and its removal. */
static inline int unit_folder_make(void **state)
{
	char *path = strdup("/tmp/slipway-unit-XXXXXX");

	*state = path;
	return path == NULL || mkdtemp(path) == NULL;
}

static inline int unit_folder_remove(void **state)
{
	char command[128];
	int rc;

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
	rc = system(command);
	free(*state);
	return rc;
}

#endif
