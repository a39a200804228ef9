/*
 * Structured field values of RFC 9651, read only: items and the members of dictionaries. Parameters
 * are checked and ignored.  A value that is malformed anywhere counts as absent.
 */
#ifndef SLIPWAY_HTTP_SFIELD_H
#define SLIPWAY_HTTP_SFIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sfield_kind {
	SFIELD_BOOLEAN,
	SFIELD_INTEGER,
	SFIELD_DECIMAL, /* its value is not kept */
	SFIELD_DATE,
	SFIELD_STRING,
	SFIELD_TOKEN,
	SFIELD_BYTES,
	SFIELD_DISPLAY,
	SFIELD_LIST, /* an inner list: its items are not kept */
};

struct sfield {
	enum sfield_kind kind;
	int64_t integer;  /* BOOLEAN 0 or 1, INTEGER, DATE in seconds */
	const char *text; /* STRING, TOKEN, BYTES (base64), DISPLAY: as sent, without delimiters;
			     borrowed */
	size_t len;	  /* bytes of TEXT */
};

/* The whole of S (may be NULL) as one item.  False: malformed. */
bool sfield_item(const char *s, struct sfield *ret);
/* S as an item of that kind. */
bool sfield_boolean(const char *s, bool *ret);
bool sfield_integer(const char *s, int64_t *ret);
/* The member KEY of the dictionary S (may be NULL); of several the last.  False: none, or S
 * malformed. */
bool sfield_member(const char *s, const char *key, struct sfield *ret);
/*
 * The same decoded, for a member that is a byte sequence.
 * Owns: caller frees *RET.
 */
bool sfield_member_bytes(const char *s, const char *key, char **ret, size_t *ret_len);

#endif
