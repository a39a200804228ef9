/*
 * UTF-8 text: checking, cutting, folding, numbers from strings.  Pure functions.
 */
#ifndef SLIPWAY_BASE_TEXT_H
#define SLIPWAY_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* valid, no surrogates, no overlong */
bool text_is_utf8(const char *s, size_t len);
/* Length ≤ MAX of the longest prefix of S that ends between characters. */
size_t text_cut(const char *s, size_t len, size_t max);
/* Decode one character at S (LEN > 0): its length, 0 when invalid. */
size_t text_decode(const char *s, size_t len, int32_t *ret_cp);
size_t text_encode(int32_t cp, char out[4]);

/* Owns: each returns a new string, caller frees; NULL when S is not UTF-8. */
char *text_nfc(const char *s);
char *text_fold(const char *s);	      /* NFKC, case folded: for comparing without case */
char *text_fold_plain(const char *s); /* the same without accents: for searching */
char *text_trim(const char *s);	      /* white space and U+3000 at both ends removed */

bool text_is_letter(int32_t cp);	     /* Unicode L* or M* */
bool text_is_digit(int32_t cp);		     /* Unicode Nd */
bool text_ieq(const char *a, const char *b); /* ASCII case-insensitive equal; NULL-safe */
bool text_starts(const char *s, const char *prefix);
bool text_ends_icase(const char *s, const char *suffix);

/*
 * The display name in what a client called a file: last component after / or \, valid UTF-8 (else
 * NULL), NFC, control and bidi characters removed, ≤ 255 bytes.  "" when nothing is left ("." and
 * ".." too).
 * Owns: caller frees.
 */
char *text_display_name(const char *s);

/*
 * A file's path below the folder a client sent: "/" between components, "." dropped, each as valid
 * as a display name may be.  NULL: absolute, climbing, an empty component, no UTF-8, control
 * characters, over 1024 bytes.
 * Owns: caller frees.
 */
char *text_relative_path(const char *s);

/*
 * Read a whole string as a decimal integer: optional '-', digits only, MIN..MAX, no white space.
 * The only reader of numbers from outside.
 */
bool text_int(const char *s, int64_t min, int64_t max, int64_t *ret);

/*
 * The number of a record, 1..MOST: as text_int, and each has one spelling, without leading zeros.
 */
bool text_id(const char *s, int64_t most, int64_t *ret);
bool text_double(const char *s, double *ret); /* C locale, finite, whole string */

/* true/on/1/yes, false/off/0/no/"" in any case; false = neither. */
bool text_bool(const char *s, bool *ret);

/*
 * "1 byte", "17 bytes", "100.0 MB" with U+00A0 before the unit, by 1024, one decimal.  Caller
 * frees.
 */
char *text_bytes(int64_t bytes);

#endif
