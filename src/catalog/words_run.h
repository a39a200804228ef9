/*
 * Runs of one class of characters in a text, for those who cut it into terms.  Private to catalog/.
 */
#ifndef SLIPWAY_CATALOG_WORDS_RUN_H
#define SLIPWAY_CATALOG_WORDS_RUN_H

#include <stddef.h>
#include <stdint.h>

enum word_class {
	WORD_OTHER,   /* signs and blanks */
	WORD_LETTERS, /* letters and digits of scripts with spaces between words */
	WORD_DENSE,   /* of scripts without */
};

enum word_class words_class(int32_t cp);
/* The length of the character at S; 1 where it is none. */
size_t words_char(const char *s);

#endif
