/*
 * Text that grows in memory: what open_memstream does, for places where a stream's own cost counts.
 */
#ifndef SLIPWAY_BASE_BUF_H
#define SLIPWAY_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define BUF_DIGITS 20 /* the longest int64_t: its digits and sign */

/* {0} is an empty one; ended by buf_take or buf_done. */
struct buf {
	char *s;
	size_t len, room;
};

void buf_add(struct buf *, const char *s, size_t len);
void buf_str(struct buf *, const char *s);
void buf_int(struct buf *, int64_t n); /* in decimal */
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *, const char *fmt, va_list) __attribute__((format(printf, 2, 0)));
/* The text so far, ended by a NUL: borrowed until the next call. */
const char *buf_text(struct buf *);
/* The text, ended by a NUL; the buffer is empty again.  RET_LEN may be NULL.  Caller frees. */
char *buf_take(struct buf *, size_t *ret_len) __attribute__((warn_unused_result));
void buf_done(struct buf *);

/* N in decimal at the end of DIGITS, no NUL behind it: where it begins. */
const char *buf_digits(char digits[BUF_DIGITS], int64_t n);
/* N in decimal before END, with zeros before it up to LEAST digits: where it begins. */
char *buf_digits_before(char *end, uint64_t n, int least);

void buf_grow(struct buf *, size_t n); /* buf_more's, when there is no room */

/* Room for N more bytes, where the caller writes them and then counts them in len. */
static inline char *buf_more(struct buf *b, size_t n)
{
	if (b->room - b->len < n)
		buf_grow(b, n);
	return b->s + b->len;
}

static inline void buf_char(struct buf *b, char c)
{
	*buf_more(b, 1) = c;
	b->len++;
}

#endif
