/*
 * The words people read: text.en and text.zh, lines "key = words", '#' comments, continuation by
 * leading blanks.
 */
#ifndef SLIPWAY_BASE_WORDS_H
#define SLIPWAY_BASE_WORDS_H

#include "base/json.h"

enum lang { LANG_EN, LANG_ZH, LANG__MAX };

struct words;
/* Both languages from DIR. */
enum err words_load(const char *dir, struct words **ret, struct error *);
void words_free(struct words *);
/* No words at all: every key stands for itself.  Caller frees with words_free. */
struct words *words_none(void);
/* The words for KEY, falling back to English, then to KEY itself.  Borrowed. */
const char *words_get(const struct words *, enum lang, const char *key);
/*
 * Fill {placeholders} from ARGS (object) then from its member "args"; {size:bytes} and {count:num}
 * spell numbers. Missing ones are left out.  Raw text.  Caller frees.
 * Where {count}, or without it {limit}, is 1 the language's words for KEY.one are taken if it has
 * any; so are those of problems.
 */
char *words_fill(const struct words *, enum lang, const char *key, const json_object *args);
/*
 * The sentence of a problem for JSON: user values with < > as ‹ ›, control characters as ·, cut at
 * 80 characters (wizard.md 6.3).  Caller frees.
 */
char *words_problem(const struct words *, enum lang, const json_object *problem);
/* A size: "17 bytes" in the language's own words, from 1024 on as text_bytes.  Caller frees. */
char *words_bytes(const struct words *, enum lang, int64_t bytes);
/* A number with thousands apart ("1,234,567"), anything else as its text.  Caller frees. */
char *words_number(json_object *value);
/* What to do about it; NULL: no hint.  Caller frees. */
char *words_hint(const struct words *, enum lang, const json_object *problem);

#endif
