/*
 * Section [target]: connections to databases of others, under names the administrator chooses.
 *   <name> = host=… dbname=… user=…        a libpq connection string without a password
 *   <name>_password_file = PATH            its only line is the password
 */
#ifndef SLIPWAY_BASE_CONFIG_TARGET_H
#define SLIPWAY_BASE_CONFIG_TARGET_H

#include <stdio.h>
#include "base/config.h"

struct config_target {
	char *name;		 /* lower-case letters, digits, '-' and '_' */
	char *text;		 /* connection string; NULL = only the password file was given */
	char *password_file;	 /* absolute; NULL = none */
	int line, password_line; /* where they stand in the file */
};

bool config_target_is_path(const char *key);
/* Set KEY.  Owns: keeps nothing.  Returns NULL, or static text that says what is wrong. */
const char *config_target_set(struct config *, const char *key, const char *value, int line);
/* The one called NAME with a connection string, borrowed; NULL when there is none. */
const struct config_target *config_target_find(const struct config *, const char *name);
void config_target_print(const struct config *, FILE *);
void config_target_free(struct config *);

#endif
