/*
 * The table of all settings: reading, printing and freeing a struct config go by its rows.
 * For config.c only.
 */
#ifndef SLIPWAY_BASE_CONFIG_TABLE_H
#define SLIPWAY_BASE_CONFIG_TABLE_H

#include <stddef.h>
#include <stdio.h>
#include "base/config.h"

/* Rows are numbered from 0. */
size_t config_table_find(const char *section, const char *key); /* SIZE_MAX: no such setting */
bool config_table_is_list(size_t row);				/* may go on in further lines */
bool config_table_is_path(size_t row);

void config_table_defaults(struct config *);

/*
 * Set row ROW to VALUE, or with MORE append VALUE to the list that is there.
 * Owns: keeps nothing; returns NULL, or text that says what is wrong: caller frees.
 */
char *config_table_set(struct config *, size_t row, const char *value, bool more);

void config_table_print(const struct config *, FILE *);
void config_table_free(struct config *); /* the settings, not the struct */

#endif
