/*
 * What a text of the configuration must look like where it means nothing otherwise: addresses,
 * origins, drivers.
 * For config_table.c only.
 */
#ifndef SLIPWAY_BASE_CONFIG_WORD_H
#define SLIPWAY_BASE_CONFIG_WORD_H

/* Static text that says what is wrong with VALUE (not empty) for [SECTION] KEY; NULL: nothing. */
const char *config_word_wrong(const char *section, const char *key, const char *value);

#endif
