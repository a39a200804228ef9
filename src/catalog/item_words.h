/*
 * Terms that find any part of a text: pairs of characters where scripts have no spaces, triples of
 * letters and digits, signs one by one.  What they find are candidates: whoever asks compares the
 * text unless the terms prove it. Source: contracts/datas.md 4 (keywords), 11.
 */
#ifndef SLIPWAY_CATALOG_ITEM_WORDS_H
#define SLIPWAY_CATALOG_ITEM_WORDS_H

#include <stdbool.h>

/* The terms of FOLDED, separated by blanks.  Owns: caller frees. */
char *item_words_index(const char *folded);
/*
 * FOLDED, one keyword, as an FTS5 expression; "" when it has no term (blanks only).  *RET_EXACT:
 * the expression alone proves that the keyword occurs.  Owns: caller frees.
 */
char *item_words_match(const char *folded, bool *ret_exact);

#endif
