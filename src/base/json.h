/*
 * json-c with Slipway's rules: strict parsing, typed reading with ranges, printing that our
 * clients can compare.  Everybody uses json_object directly besides.
 */
#ifndef SLIPWAY_BASE_JSON_H
#define SLIPWAY_BASE_JSON_H

#include <stdint.h>
#include <stddef.h>
#define json_bool json_c_bool /* json-c's typedef for int has the name of our reader */
#include <json-c/json.h>
#undef json_bool
#include "base/err.h"

struct json_limits {
	size_t bytes; /* of the text */
	int depth;    /* of nesting */
	size_t keys;  /* per object */
};
extern const struct json_limits json_limits_form; /* 1 MiB, 32, 10 000 */
extern const struct json_limits json_limits_job;  /* 16 MiB, 32, 10 000 */

/*
 * Parse LEN bytes strictly: UTF-8, no trailing text, no duplicate keys, numbers in range, no NUL
 * inside strings, lone surrogates refused; what it would take in memory ≤ 8 times the bytes
 * allowed.
 * Owns:   caller frees *RET with json_object_put.
 * Errors: ERR_BAD_REQUEST, ERR_TOO_LARGE.
 * Source: RFC 8259; what json-c 0.16 lets through is refused before it sees it.
 */
enum err json_read(const char *text, size_t len, const struct json_limits *limits,
		   json_object **ret);

/* Print compactly; U+00A0 is written \u00a0.  Owns: caller frees; *RET_LEN may be NULL. */
char *json_print(const json_object *o, size_t *ret_len);
/* The same for <script type="application/json">: no '<', no "</".  Caller frees. */
char *json_print_script(const json_object *o);

/*
 * What json_print wrote and nobody else could change; no limits are checked.  READER is made for
 * the first text (*READER = NULL) and serves one after another; caller frees it with
 * json_reader_free.  Owns: caller frees.  NULL: damaged.
 */
json_object *json_own_read(struct json_tokener **reader, const char *text, size_t len);
/*
 * Such a text without the members called one of WITHOUT (NULL ends them), wherever they are.  Owns:
 * caller frees.
 */
char *json_own_cut(const char *text, size_t len, const char *const *without, size_t *ret_len);
void json_reader_free(struct json_tokener *);
/* For the readers here: the value that is all of TEXT.  False: it is none, and *RET is NULL. */
bool json_tok_all(struct json_tokener *, const char *text, size_t len, json_object **ret);

/* json-c's integer, printed without the sprintf of its own. */
json_object *json_int_new(int64_t n);
/* An object whose table need not grow under so many MEMBERS. */
json_object *json_new(int members);
/* A member O does not have yet; takes VALUE, KEY lasts as long as O. */
void json_add(json_object *o, const char *key, json_object *value);

/* Borrowed readers: the default when the member is missing or of another type. */
const char *json_str(const json_object *o, const char *key, const char *def);
int64_t json_int(const json_object *o, const char *key, int64_t def);
double json_num(const json_object *o, const char *key, double def);
bool json_bool(const json_object *o, const char *key, bool def);
json_object *json_get(const json_object *o, const char *key); /* NULL: missing or null */
json_object *json_arr(const json_object *o, const char *key); /* NULL unless an array */
json_object *json_obj(const json_object *o, const char *key); /* NULL unless an object */
size_t json_len(const json_object *array);		      /* 0 for NULL */

/* Item I of ARRAY, borrowed; NULL when there is none (or no array). */
static inline json_object *json_at(const json_object *array, size_t i)
{
	return i < json_len(array) ? json_object_array_get_idx(array, i) : NULL;
}

/* Setters; they return O so that calls can be chained.  json_set takes VALUE. */
json_object *json_set(json_object *o, const char *key, json_object *value);
/* NULL: JSON null */
json_object *json_set_str(json_object *o, const char *key, const char *value);
json_object *json_set_int(json_object *o, const char *key, int64_t value);
/* NaN, Inf: null */
json_object *json_set_num(json_object *o, const char *key, double value);
json_object *json_set_bool(json_object *o, const char *key, bool value);
json_object *json_copy(const json_object *o); /* deep; caller frees */
bool json_equal(const json_object *a, const json_object *b);

/* JSON_EACH(item, array) { … } with borrowed items. */
#define JSON_EACH(item, array)                                                                     \
	for (size_t json_i_##item = 0, json_n_##item = json_len(array);                            \
	     json_i_##item < json_n_##item &&                                                      \
	     ((item = json_object_array_get_idx(array, json_i_##item)), 1);                        \
	     json_i_##item++)

static inline void json_clean(json_object **o)
{
	json_object_put(*o);
}
#define CLEAN_JSON __attribute__((cleanup(json_clean)))

#endif
