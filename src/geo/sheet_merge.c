/*
 * Merged cells: what stands below the first one is not shown by any program, and does not count.
 */
#include <stdlib.h>
#include "base/mem.h"
#include "geo/sheet_impl.h"

#define MERGES_MAX 100000

void merges_add(struct merges *m, const struct merge *range)
{
	if (m->n >= MERGES_MAX || range->row2 < range->row1 || range->col2 < range->col1)
		return;
	if (m->n == m->cap) {
		m->cap = m->cap * 2 + 16;
		m->v = mem_resize(m->v, m->cap, sizeof *m->v);
	}
	m->v[m->n++] = *range;
}

static int by_row(const void *a, const void *b)
{
	const struct merge *x = a, *y = b;

	return (x->row1 > y->row1) - (x->row1 < y->row1);
}

void merges_ready(struct merges *m)
{
	if (m->n == 0)
		return;
	qsort(m->v, m->n, sizeof *m->v, by_row);
	m->active = mem_array(m->n, sizeof *m->active);
}

/* The ranges that cross ROW; rows come in order. */
static void move_to(struct merges *m, int64_t row)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_active; i++)
		if (m->v[m->active[i]].row2 >= row)
			m->active[kept++] = m->active[i];
	m->n_active = kept;
	for (; m->next < m->n && m->v[m->next].row1 <= row; m->next++)
		if (m->v[m->next].row2 >= row)
			m->active[m->n_active++] = m->next;
	m->row = row;
}

bool merges_cover(struct merges *m, int64_t row, size_t col)
{
	if (m->n == 0)
		return false;
	if (row != m->row)
		move_to(m, row);
	for (size_t i = 0; i < m->n_active; i++) {
		const struct merge *r = &m->v[m->active[i]];

		if (col >= r->col1 && col <= r->col2 && (row != r->row1 || col != r->col1))
			return true;
	}
	return false;
}

void merges_done(struct merges *m)
{
	free(m->v);
	free(m->active);
	*m = (struct merges){0};
}
