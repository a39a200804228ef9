#include "base/buf.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"

#define FIRST_ROOM 256

void buf_grow(struct buf *b, size_t n)
{
	size_t room = b->room == 0 ? FIRST_ROOM : b->room;

	while (room - b->len < n)
		room *= 2;
	b->s = mem_resize(b->s, room, 1);
	b->room = room;
}

void buf_add(struct buf *b, const char *s, size_t len)
{
	/* Of nothing, S may be nothing, and there may be no room yet. */
	if (len > 0)
		memcpy(buf_more(b, len), s, len);
	b->len += len;
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

char *buf_digits_before(char *end, uint64_t n, int least)
{
	char *at = end;

	do
		*--at = (char)('0' + n % 10);
	while ((n /= 10) > 0 || end - at < least);
	return at;
}

const char *buf_digits(char digits[BUF_DIGITS], int64_t n)
{
	uint64_t size = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char *at = buf_digits_before(digits + BUF_DIGITS, size, 1);

	if (n < 0)
		*--at = '-';
	return at;
}

void buf_int(struct buf *b, int64_t n)
{
	char digits[BUF_DIGITS];
	const char *first = buf_digits(digits, n);

	buf_add(b, first, (size_t)(digits + BUF_DIGITS - first));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *at;
	int n;

	va_copy(again, ap);
	at = buf_more(b, 1);
	n = vsnprintf(at, b->room - b->len, fmt, ap);
	if (n >= 0 && (size_t)n >= b->room - b->len)
		(void)vsnprintf(buf_more(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
	va_end(again);
	if (n < 0)
		mem_die();
	b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

const char *buf_text(struct buf *b)
{
	*buf_more(b, 1) = '\0';
	return b->s;
}

char *buf_take(struct buf *b, size_t *ret_len)
{
	char *s;

	(void)buf_text(b);
	if (ret_len != NULL)
		*ret_len = b->len;
	s = b->s;
	*b = (struct buf){0};
	return s;
}

void buf_done(struct buf *b)
{
	free(b->s);
	*b = (struct buf){0};
}
