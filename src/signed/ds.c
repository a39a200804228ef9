#include "signed/ds.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "signed/cells.h"

#define DEPTH_MAX 8 /* arrays and objects open at once */

struct ds {
	struct cells c;
	bool single;	  /* the text itself is the row */
	char kind;	  /* '[' or '{' of the rows, '\0' = not known yet */
	size_t first;	  /* where the rows begin */
	bool first_comma; /* and whether a comma comes before the first */
	bool begun;	  /* something was read since the last rewind */
	bool over;
	int64_t row;	     /* number of the last one */
	int64_t count;	     /* of all rows */
	struct value *names; /* of a header that begins with "__", else NULL; own text */
	size_t n_names;
	char *name_text;
};

void ds_free(struct ds *d)
{
	if (d == NULL)
		return;
	cells_done(&d->c);
	free(d->names);
	free(d->name_text);
	free(d);
}

int64_t ds_count(const struct ds *d)
{
	return d->count;
}

/* Keep the header's names: the cells are overwritten by the first row. */
static bool keep_names(struct ds *d, struct refusal *r)
{
	size_t size = 0, twice;
	char *at;

	for (size_t i = 0; i < d->c.n; i++) {
		if (d->c.values[i].kind != VALUE_TEXT)
			return refuse(r, REFUSE_BAD, "header: cell %zu is no text", i + 1);
		size += d->c.values[i].len;
	}
	d->names = mem_array(d->c.n, sizeof(*d->names));
	d->name_text = at = mem_alloc(size + 1);
	d->n_names = d->c.n;
	for (size_t i = 0; i < d->n_names; i++) {
		size_t skip = i == 0 ? 2 : 0; /* the mark is the first cell's only */

		d->names[i] = (struct value){.kind = VALUE_TEXT, .text = at};
		d->names[i].len = d->c.values[i].len - skip;
		memcpy(at, d->c.values[i].text + skip, d->names[i].len);
		at += d->names[i].len;
	}
	twice = cells_twice(d->names, d->n_names);
	if (twice < d->n_names)
		return refuse(r, REFUSE_BAD, "header: \"%.*s\" is there twice",
			      (int)d->names[twice].len, d->names[twice].text);
	return true;
}

/* The first inner array: never a row. */
static bool read_header(struct ds *d, struct refusal *r)
{
	struct cells *c = &d->c;

	if (!cells_array(c))
		return refuse(r, REFUSE_BAD, "header: %s", c->why);
	for (size_t i = 0; i < c->n; i++)
		if (c->values[i].kind == VALUE_JSON)
			return refuse(r, REFUSE_BAD, "header: cell %zu is an array or object",
				      i + 1);
	if (c->n == 0)
		return true; /* rows of either kind */
	d->kind = '[';
	if (c->values[0].kind == VALUE_TEXT && c->values[0].len >= 2 &&
	    memcmp(c->values[0].text, "__", 2) == 0)
		return keep_names(d, r);
	return true;
}

/* Find the form, read the header if there is one, and stop before the first row. */
static bool read_form(struct ds *d, struct refusal *r)
{
	struct cells *c = &d->c;

	(void)cells_peek(c);
	c->depth = DEPTH_MAX - 1;
	d->first = c->at; /* of a single row */
	if (cells_peek(c) == '{') {
		d->single = true;
		d->kind = '{';
		return true;
	}
	if (!cells_take(c, '['))
		return refuse(r, REFUSE_BAD, "ds is neither an array nor an object");
	switch (cells_peek(c)) {
	case '[':
		c->depth = DEPTH_MAX - 2;
		if (!read_header(d, r))
			return false;
		d->first_comma = true;
		break;
	case '{':
		c->depth = DEPTH_MAX - 2;
		d->kind = '{';
		break;
	case ']':
		break;
	default:
		d->single = true;
		d->kind = '[';
		return true;
	}
	d->first = c->at;
	return true;
}

static enum rows_state wrong(const struct ds *d, struct refusal *r, const char *why)
{
	refuse(r, REFUSE_BAD, "row %lld: %s", (long long)d->row, why);
	return ROWS_WRONG;
}

static enum rows_state end(struct ds *d, struct refusal *r)
{
	d->over = true;
	if (cells_peek(&d->c) == '\0' && d->c.at == d->c.len)
		return ROWS_OVER;
	refuse(r, REFUSE_BAD, "ds: not JSON at byte %zu", d->c.at + 1);
	return ROWS_WRONG;
}

/* Go to the next row: over, or its first character is at the reader. */
static enum rows_state find_row(struct ds *d, struct refusal *r)
{
	struct cells *c = &d->c;
	bool first = !d->begun, comma = !first || d->first_comma;

	if (d->over)
		return ROWS_OVER;
	d->begun = true;
	if (d->single)
		return first ? ROWS_MORE : end(d, r);
	if (cells_take(c, ']'))
		return end(d, r);
	if (comma && !cells_take(c, ',')) {
		refuse(r, REFUSE_BAD, "ds: not JSON at byte %zu", c->at + 1);
		return ROWS_WRONG;
	}
	return ROWS_MORE;
}

static enum rows_state next(void *arg, struct row *ret, struct refusal *r)
{
	struct ds *d = arg;
	struct cells *c = &d->c;
	enum rows_state state = find_row(d, r);
	char kind;

	if (state != ROWS_MORE)
		return state;
	d->row++;
	kind = cells_peek(c);
	if (d->kind == '\0' && (kind == '[' || kind == '{'))
		d->kind = kind;
	if (kind == '\0' || kind != d->kind)
		return wrong(d, r, "another kind of row than the ones before");
	if (!(kind == '{' ? cells_object(c) : cells_array(c)))
		return wrong(d, r, c->why);
	if (c->n == 0)
		return wrong(d, r, "no cells");
	if (d->names != NULL && c->n != d->n_names) {
		refuse(r, REFUSE_BAD, "row %lld: %zu cells for %zu names", (long long)d->row, c->n,
		       d->n_names);
		return ROWS_WRONG;
	}
	ret->number = d->row;
	ret->n = c->n;
	ret->cells = c->values;
	ret->names = kind == '{' ? c->names : d->names;
	return ROWS_MORE;
}

static bool restart(void *arg)
{
	struct ds *d = arg;

	d->c.at = d->first;
	d->row = 0;
	d->begun = d->over = false;
	return true;
}

/* A single row of single values: an array in it is rather a header that lost its brackets. */
static bool check_flat(const struct ds *d, const struct row *row, struct refusal *r)
{
	if (!d->single || d->kind != '[')
		return true;
	for (size_t i = 0; i < row->n; i++)
		if (row->cells[i].kind == VALUE_JSON)
			return refuse(r, REFUSE_BAD,
				      "ds mixes single values and arrays or objects");
	return true;
}

bool ds_open(const char *text, size_t len, int64_t max_rows, struct ds **ret, struct refusal *r)
{
	struct ds *d = mem_alloc(sizeof(*d));
	struct row row;
	enum rows_state state = ROWS_WRONG;

	d->c.text = text;
	d->c.len = len;
	if (!read_form(d, r))
		goto out;
	restart(d);
	while ((state = next(d, &row, r)) == ROWS_MORE) {
		if (!check_flat(d, &row, r)) {
			state = ROWS_WRONG;
			break;
		}
		if (++d->count > max_rows) {
			refuse(r, REFUSE_LARGE, "%s", "");
			state = ROWS_WRONG;
			break;
		}
	}
out:
	if (state != ROWS_OVER) {
		ds_free(d);
		return false;
	}
	d->c.checked = true;
	restart(d);
	*ret = d;
	return true;
}

struct row_source ds_rows(struct ds *d)
{
	return (struct row_source){.next = next, .rewind = restart, .arg = d};
}
