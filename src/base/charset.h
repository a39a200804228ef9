/*
 * Text encodings: their names, decoding to UTF-8, guessing.
 * Source: contracts/wizard.md 17.
 */
#ifndef SLIPWAY_BASE_CHARSET_H
#define SLIPWAY_BASE_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The canonical spelling of NAME ("gb2312" → "GB18030", "ISO8859-15" → "ISO-8859-15"), NULL if
 * unknown. Static.
 */
const char *charset_canonical(const char *name);

/* The names offered on a page, in order, NULL-terminated.  Static. */
const char *const *charset_choices(void);

/*
 * Decode LEN bytes to UTF-8 without a byte order mark.  Undecodable bytes become U+FFFD; *RET_BAD
 * (may be NULL) counts them.
 * Owns: caller frees; NUL-terminated; *RET_LEN may be NULL.  NULL when CHARSET is unknown.
 */
char *charset_decode(const char *charset, const char *bytes, size_t len, size_t *ret_len,
		     size_t *ret_bad);

/* A streaming converter for big files.  A byte order mark at the beginning is dropped. */
struct charset_conv;
struct charset_conv *charset_conv_new(const char *charset); /* NULL: unknown */
void charset_conv_free(struct charset_conv *);
/*
 * Convert *IN (*IN_LEN bytes) into OUT; advances the inputs; bad bytes become U+FFFD and are
 * counted.
 * Returns bytes written to OUT; stops when OUT has < 8 bytes left or the rest of IN is an
 * incomplete character (with LAST, an incomplete rest is replaced).
 */
size_t charset_conv_run(struct charset_conv *, const char **in, size_t *in_len, char *out,
			size_t out_size, bool last, size_t *ret_bad);

/* Feed bytes, then ask: the order of contracts/wizard.md 17.1. */
struct charset_guess;
struct charset_guess *charset_guess_new(void);
void charset_guess_free(struct charset_guess *);
void charset_guess_feed(struct charset_guess *, const char *bytes, size_t len);
/*
 * The charset of all bytes fed; *RET_SOURCE = "bom", "utf-8", "gb18030", "detector" or "fallback".
 * Owns: static text.  Never NULL ("windows-1252" with source "fallback" at worst).
 */
const char *charset_guess_end(struct charset_guess *, const char **ret_source);

#endif
