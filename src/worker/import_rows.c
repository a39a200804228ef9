/*
 * Lines of a jailed job as rows, each under the number that the file's own program shows for it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "signed/ds.h"
#include "worker/output.h"
#include "worker/signed.h"

#define GAP_BYTES 64

struct import_rows {
	int fd;
	struct lines *lines;
	struct row_source inner;
	FILE *gaps;	   /* [line,row], in order */
	int64_t gap;	   /* row less line, as far as known */
	int64_t next_line; /* where it changes; INT64_MAX = never again */
	int64_t next_gap;
};

/* What the jail wrote is read like anything else from there: a wrong line ends it. */
static void read_gap(struct import_rows *r)
{
	char text[GAP_BYTES], *comma, *end;
	int64_t line, row;

	r->next_line = INT64_MAX;
	if (fgets(text, sizeof(text), r->gaps) == NULL || text[0] != '[' ||
	    (comma = strchr(text, ',')) == NULL || (end = strchr(comma, ']')) == NULL)
		return;
	*comma = *end = '\0';
	if (!text_int(text + 1, 1, INT64_C(1) << 53, &line) ||
	    !text_int(comma + 1, 1, INT64_C(1) << 53, &row))
		return;
	r->next_line = line;
	r->next_gap = row - line;
}

static enum rows_state next(void *arg, struct row *ret, struct refusal *refusal)
{
	struct import_rows *r = arg;
	enum rows_state state = r->inner.next(r->inner.arg, ret, refusal);

	if (state != ROWS_MORE)
		return state;
	while (ret->number >= r->next_line) {
		r->gap = r->next_gap;
		read_gap(r);
	}
	ret->number += r->gap;
	return state;
}

static bool again(void *arg)
{
	struct import_rows *r = arg;

	rewind(r->gaps);
	r->gap = 0;
	read_gap(r);
	return r->inner.rewind(r->inner.arg);
}

struct import_rows *import_rows_open(struct work *work)
{
	struct import_rows *r = mem_alloc(sizeof(*r));
	int fd = output_open(work, "gaps.jsonl", 0);

	r->fd = output_open(work, "rows.jsonl", 0);
	r->gaps = fd < 0 ? NULL : fdopen(fd, "r");
	if (r->fd < 0 || r->gaps == NULL) {
		(void)error_errno(&work->error, ERR_IO, "rows of the job");
		import_rows_close(r);
		return NULL;
	}
	r->lines = lines_open(r->fd);
	r->inner = lines_rows(r->lines);
	read_gap(r);
	return r;
}

void import_rows_close(struct import_rows *r)
{
	if (r == NULL)
		return;
	lines_free(r->lines);
	if (r->gaps != NULL)
		(void)fclose(r->gaps);
	if (r->fd >= 0)
		(void)close(r->fd);
	free(r);
}

struct row_source import_rows_source(struct import_rows *r)
{
	return (struct row_source){.next = next, .rewind = again, .arg = r};
}
