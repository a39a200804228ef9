/*
 * Text to search terms: words by letters and digits; scripts written without spaces as pairs of
 * characters, so that two Chinese characters inside a title are found.  Source: contracts/datas.md
 * 11.
 */
#ifndef SLIPWAY_CATALOG_WORDS_H
#define SLIPWAY_CATALOG_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Owns: each returns a new string; caller frees. */

/* TEXT without case, accents and widths; "" for NULL and what is not UTF-8. */
char *words_fold(const char *text);
/* The terms of FOLDED, separated by blanks. */
char *words_index(const char *folded);
/*
 * What a user typed as an FTS5 expression: every word must occur, as the beginning of one; "" when
 * it has no word.  *RET_RUNS (may be NULL): the runs of three and more characters whose pairs prove
 * too little, NULL-terminated; they must occur as they are.  Owns: caller frees the array and the
 * strings with words_runs_free.
 */
char *words_match(const char *folded, char ***ret_runs);
void words_runs_free(char **runs);

#endif
