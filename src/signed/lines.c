#include "signed/ds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "signed/cells.h"

#define READ_BYTES 65536 /* at once, at least */
#define DEPTH_MAX  7	 /* of an array or object in a cell */

struct lines {
	int fd; /* borrowed */
	struct cells c;
	char *buf;
	size_t room, from, to; /* bytes FROM … TO of BUF are not used yet */
	int64_t row;
};

struct lines *lines_open(int fd)
{
	struct lines *l = mem_alloc(sizeof(*l));

	l->fd = fd;
	l->c.depth = DEPTH_MAX;
	return l;
}

void lines_free(struct lines *l)
{
	if (l == NULL)
		return;
	cells_done(&l->c);
	free(l->buf);
	free(l);
}

/* Add bytes behind those that are there: how many, 0 at the end, -1 on failure. */
static ssize_t fill(struct lines *l)
{
	ssize_t got;

	if (l->from > 0) {
		memmove(l->buf, l->buf + l->from, l->to - l->from);
		l->to -= l->from;
		l->from = 0;
	}
	if (l->room - l->to < READ_BYTES) {
		l->room = l->room * 2 + READ_BYTES;
		l->buf = mem_resize(l->buf, l->room, 1);
	}
	do
		got = read(l->fd, l->buf + l->to, l->room - l->to);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		l->to += (size_t)got;
	return got;
}

static enum rows_state broken(const struct lines *l, struct refusal *r, const char *why)
{
	refuse(r, REFUSE_DATABASE, "other in row %lld", (long long)l->row);
	(void)snprintf(r->reason, sizeof(r->reason), "rows of the job: %.200s", why);
	return ROWS_WRONG;
}

/* The next line as the text of the cells. */
static enum rows_state next_line(struct lines *l, struct refusal *r)
{
	size_t seen = 0;

	for (;;) {
		char *first = l->buf + l->from, *end = NULL;
		size_t have = l->to - l->from;
		ssize_t got;

		if (have > seen)
			end = memchr(first + seen, '\n', have - seen);
		if (end != NULL) {
			l->c.text = first;
			l->c.len = (size_t)(end - first);
			l->c.at = 0;
			l->from += l->c.len + 1;
			return ROWS_MORE;
		}
		seen = have;
		if (have > LINES_ROW_MAX)
			return broken(l, r, "a line is too long");
		got = fill(l);
		if (got < 0)
			return broken(l, r, strerror(errno));
		if (got == 0)
			return have == 0 ? ROWS_OVER : broken(l, r, "they end within a line");
	}
}

static enum rows_state next(void *arg, struct row *ret, struct refusal *r)
{
	struct lines *l = arg;
	struct cells *c = &l->c;
	enum rows_state state;

	l->row++;
	state = next_line(l, r);
	if (state != ROWS_MORE)
		return state;
	if (cells_peek(c) != '[')
		return broken(l, r, "a line is no array");
	if (!cells_array(c))
		return broken(l, r, c->why);
	if (cells_peek(c) != '\0' || c->at != c->len)
		return broken(l, r, "text behind the array");
	*ret = (struct row){.number = l->row, .n = c->n, .cells = c->values};
	return ROWS_MORE;
}

static bool restart(void *arg)
{
	struct lines *l = arg;

	l->from = l->to = 0;
	l->row = 0;
	return lseek(l->fd, 0, SEEK_SET) == 0;
}

struct row_source lines_rows(struct lines *l)
{
	return (struct row_source){.next = next, .rewind = restart, .arg = l};
}
