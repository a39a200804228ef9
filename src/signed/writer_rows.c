/*
 * The rows of a write: streamed where the database can, else one after the other; and which of
 * them is to blame when it fails.
 */
#include "signed/writer_inside.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

#define BULK_INSERT 4	/* rows from which on streaming is worth its round trips */
#define BULK_OTHER  200 /* the same where a temporary table is needed */
#define PIECE_LEAST 250 /* rows streamed at once to find bad ones */
#define PIECE_MOST  8000
#define TICK_ROWS   256 /* rows between two looks at the clock */
#define TELL_MS	    1000

void writer_bad(struct write *w, int64_t row, const char *column, const char *why,
		struct refusal *r)
{
	const struct write_order *order = w->order;

	if (*column != '\0')
		(void)refuse(r, REFUSE_BAD, "row %lld, column %s: %s", (long long)row, column, why);
	else
		(void)refuse(r, REFUSE_BAD, "row %lld: %s", (long long)row, why);
	if (order->bad != NULL && w->n_bad < order->max_bad) {
		json_object *one = json_object_new_object();

		json_set_int(one, "row", row);
		json_set_str(one, "column", column);
		json_set_str(one, "reason", why);
		json_object_array_add(order->bad, one);
	}
	w->n_bad++;
}

bool writer_tick(struct write *w, int64_t rows, struct fault *fault)
{
	int64_t now;

	if (rows % TICK_ROWS != 0)
		return true;
	now = clock_mono_ms();
	if (now > w->link->deadline_ms)
		return fault_set(fault, FAULT_OTHER, NULL, "timeout");
	if (w->order->progress == NULL || now - w->told_ms < TELL_MS)
		return true;
	w->told_ms = now;
	return w->order->progress(w->order->arg, w->n_before + rows) ||
	       fault_set(fault, FAULT_OTHER, NULL, "stopped");
}

bool writer_rewind(struct write *w, struct refusal *r)
{
	plan_restart(w->plan, w->n_before);
	return w->order->rows.rewind(w->order->rows.arg) ||
	       refuse(r, REFUSE_DATABASE, "other in rows");
}

/* ---- one row */

struct one {
	struct layout *layout;
	enum plan_sql which; /* the statement that ran last */
	struct params params;
};

static bool step(struct write *w, struct one *one, enum plan_sql which, const struct row *row,
		 int64_t *changed, struct fault *fault)
{
	struct layout *layout = one->layout;

	one->which = which;
	one->params = plan_params(w->plan, layout, which, row);
	return (layout->prepared[which] != NULL ||
		w->link->kind->prepare(w->link, layout->sql[which], one->params.n, false,
				       &layout->prepared[which], fault)) &&
	       w->link->kind->step(w->link, layout->prepared[which], one->params, changed, fault);
}

static bool key_is_given(struct write *w, const struct layout *layout, const struct row *row)
{
	struct params key;

	if (!layout->has_key)
		return false;
	key = plan_params(w->plan, layout, PLAN_DELETE, row);
	for (size_t i = 0; i < key.n; i++)
		if (key.values[i].kind == VALUE_NULL)
			return false;
	return true;
}

static bool write_one(struct write *w, struct one *one, const struct row *row,
		      struct write_counts *counts, struct fault *fault)
{
	enum operation op = w->order->op;
	int64_t changed = 0;

	plan_row_next(w->plan);
	if (op == OP_DELETE) {
		if (!step(w, one, PLAN_DELETE, row, &changed, fault))
			return false;
		counts->deleted += changed;
		return true;
	}
	if (op == OP_UPDATE || (w->upsert && key_is_given(w, one->layout, row))) {
		if (!step(w, one, PLAN_UPDATE, row, &changed, fault))
			return false;
		counts->updated += changed;
		if (changed > 0 || !w->upsert)
			return true;
	}
	/* Found by nobody again, and added once more by each repetition. */
	if (w->upsert && one->layout->has_key && one->layout->lacks != NULL) {
		(void)snprintf(fault->column, sizeof(fault->column), "%s", one->layout->lacks);
		return fault_set(fault, FAULT_VALUE, "not given, and no row has this key",
				 "a part of the key is not given");
	}
	if (!step(w, one, PLAN_INSERT, row, &changed, fault))
		return false;
	counts->inserted += changed;
	return true;
}

/* ---- blame */

static const char *column_of(struct write *w, const struct one *one, struct fault *fault)
{
	const struct sources *sources = &one->layout->sources[one->which];
	const struct column **columns;

	if (fault->column[0] != '\0')
		return fault->column;
	if (fault->kind != FAULT_VALUE)
		return "";
	if (fault->param == 0 && w->link->kind->blame != NULL) {
		columns = mem_array(sources->n + 1, sizeof(columns[0]));
		for (size_t i = 0; i < sources->n; i++)
			columns[i] = sources->of[i].column;
		w->link->kind->blame(w->link, columns, one->params, fault);
		free(columns);
	}
	if (fault->param == 0 || fault->param > sources->n)
		return "";
	return sources->of[fault->param - 1].column != NULL
		   ? sources->of[fault->param - 1].column->name
		   : "";
}

/* In our words: the type of the column says more than the database's code. */
static const char *why_of(const struct one *one, const struct fault *fault)
{
	const struct sources *sources = &one->layout->sources[one->which];
	const struct column *column = fault->param > 0 && fault->param <= sources->n
					  ? sources->of[fault->param - 1].column
					  : NULL;

	if (fault->why != NULL && strcmp(fault->why, fault_not_a(TYPE_TEXT)) != 0)
		return fault->why;
	if (column != NULL && fault->kind == FAULT_VALUE)
		return fault_not_a(column->type);
	return fault->why != NULL ? fault->why : "refused by the database";
}

static void tell(struct write *w, const struct one *one, int64_t row, struct fault *fault,
		 struct refusal *r)
{
	const char *column = column_of(w, one, fault);
	char place[64];

	(void)snprintf(place, sizeof(place), "row %lld", (long long)row);
	if (fault->kind == FAULT_VALUE) {
		if (r->code == REFUSE_NOTHING)
			(void)snprintf(r->reason, sizeof(r->reason), "%s", fault->text);
	} else {
		(void)fault_refuse(fault, place, r);
	}
	if (fault->kind == FAULT_VALUE || fault->kind == FAULT_CONSTRAINT)
		writer_bad(w, row, column, why_of(one, fault), r);
}

/* Another row may be tried: this one's fault is its own. */
static bool goes_on(const struct write *w, const struct fault *fault)
{
	return (fault->kind == FAULT_VALUE || fault->kind == FAULT_CONSTRAINT) &&
	       w->n_bad < w->order->max_bad && !w->link->broken;
}

/* ---- one after the other */

static bool point(struct write *w, const char *sql, struct fault *fault)
{
	return w->link->kind->exec(w->link, sql, (struct params){0}, false, NULL, fault);
}

enum manner {
	MANNER_TRY,	/* what is wrong is found out later */
	MANNER_TELL,	/* the first bad row ends it */
	MANNER_COLLECT, /* go on behind a bad row, until max_bad are found; nothing is kept */
};

/* Every row by itself.  False: it did not come to the end. */
static bool each_row(struct write *w, enum manner manner, struct write_counts *counts,
		     struct refusal *r)
{
	bool collect = manner == MANNER_COLLECT;
	bool points = collect && w->link->kind->fails_rows;
	struct row row;
	enum rows_state state;
	int64_t n = 0;
	struct one one = {0};

	if (!writer_rewind(w, r))
		return false;
	while ((state = w->order->rows.next(w->order->rows.arg, &row, r)) == ROWS_MORE) {
		struct fault fault = {0};

		if (!plan_layout(w->plan, &row, &one.layout, r))
			return false;
		if (writer_tick(w, ++n, &fault) &&
		    (!points || point(w, "SAVEPOINT slipway_row", &fault)) &&
		    write_one(w, &one, &row, counts, &fault) &&
		    (!points || point(w, "RELEASE slipway_row", &fault)))
			continue;
		if (manner == MANNER_TRY)
			return fault_refuse(&fault, "rows", r);
		if (points && !w->link->broken) {
			struct fault ignored = {0};

			(void)point(w, "ROLLBACK TO slipway_row", &ignored);
		}
		tell(w, &one, row.number, &fault, r);
		if (!collect || !goes_on(w, &fault))
			return false;
	}
	return state == ROWS_OVER;
}

static bool one_by_one(struct write *w, enum manner manner, struct write_counts *counts,
		       struct refusal *r)
{
	return each_row(w, manner, counts, r) && w->n_bad == 0;
}

/* ---- streamed */

static bool may_stream(const struct write *w)
{
	bool plain = w->order->op == OP_INSERT && !w->upsert;
	const struct layout *layout = w->layout;

	if (w->link->kind->bulk == NULL || layout == NULL || !w->table.bulk ||
	    layout->sources[PLAN_INSERT].n == 0)
		return false;
	if (plain)
		return w->n_rows >= BULK_INSERT;
	return w->n_rows >= BULK_OTHER && layout->has_key && !w->null_keys &&
	       !w->order->receiver->key_is_concat;
}

enum plan_sql writer_streamed(const struct write *w)
{
	if (w->order->op == OP_DELETE)
		return PLAN_DELETE;
	return w->order->op == OP_UPDATE && !w->upsert ? PLAN_UPDATE : PLAN_INSERT;
}

/* The streamed row FAULT names: read again to say more of it. */
static bool tell_line(struct write *w, struct fault *fault, struct refusal *r)
{
	struct one one = {.layout = w->layout, .which = writer_streamed(w)};
	struct row row = {0};
	struct refusal ignored = {0};

	if (!writer_rewind(w, r))
		return false;
	for (int64_t n = 0; n < fault->line; n++)
		if (w->order->rows.next(w->order->rows.arg, &row, &ignored) != ROWS_MORE)
			return false;
	one.params = plan_params(w->plan, one.layout, one.which, &row);
	tell(w, &one, row.number, fault, r);
	return true;
}

/* ---- by pieces */

/* Some of the rows of a source as if they were all. */
struct piece {
	struct row_source all;
	int64_t first, n; /* of ALL */
	int64_t at;	  /* where ALL stands */
};

static enum rows_state piece_next(void *arg, struct row *ret, struct refusal *r)
{
	struct piece *piece = arg;
	enum rows_state state;

	if (piece->at >= piece->first + piece->n)
		return ROWS_OVER;
	state = piece->all.next(piece->all.arg, ret, r);
	piece->at++;
	return state;
}

static bool piece_rewind(void *arg)
{
	struct piece *piece = arg;
	struct row row;
	struct refusal ignored = {0};

	if (piece->at > piece->first) {
		if (!piece->all.rewind(piece->all.arg))
			return false;
		piece->at = 0;
	}
	for (; piece->at < piece->first; piece->at++)
		if (piece->all.next(piece->all.arg, &row, &ignored) != ROWS_MORE)
			return false;
	return true;
}

/* False: the transaction is lost.  *RET_DONE: or else nothing of it was written. */
static bool stream_piece(struct write *w, struct write_counts *counts, bool *ret_done,
			 struct refusal *r)
{
	const struct write_counts before = *counts;
	struct fault fault = {0};

	if (!point(w, "SAVEPOINT slipway_piece", &fault))
		return fault_refuse(&fault, "rows", r);
	*ret_done =
	    w->link->kind->bulk(w, counts, &fault) && point(w, "RELEASE slipway_piece", &fault);
	if (*ret_done)
		return true;
	*counts = before;
	if (!w->link->broken && point(w, "ROLLBACK TO slipway_piece", &(struct fault){0}))
		return true;
	return fault_refuse(&fault, "rows", r);
}

/*
 * All bad rows, without looking at each one that is good: a piece that cannot be streamed is tried
 * as smaller ones, the smallest row by row.  Where streaming fails though no row is bad all others
 * go row by row, too.
 */
static bool pieces(struct write *w, struct piece *piece, struct write_counts *counts,
		   struct refusal *r)
{
	int64_t size = PIECE_LEAST;
	bool stream = true;

	for (; piece->first < w->n_rows; piece->first += piece->n) {
		int64_t left = w->n_rows - piece->first;
		size_t bad = w->n_bad;
		bool done = false;

		piece->n = stream && left > size ? size : left;
		w->n_before = piece->first;
		if (stream && !stream_piece(w, counts, &done, r))
			return false;
		if (done) {
			size = size < PIECE_MOST ? size * 2 : size;
		} else if (piece->n > PIECE_LEAST && stream) {
			size = PIECE_LEAST;
			piece->n = 0;
		} else {
			if (!each_row(w, MANNER_COLLECT, counts, r))
				return false;
			stream = stream && w->n_bad > bad;
		}
	}
	return w->n_bad == 0;
}

static bool by_pieces(struct write *w, struct write_counts *counts, struct refusal *r)
{
	const struct write_order *whole = w->order;
	struct write_order order = *whole;
	struct piece piece = {.all = whole->rows, .at = INT64_MAX};
	bool good;

	order.rows = (struct row_source){.next = piece_next, .rewind = piece_rewind, .arg = &piece};
	w->order = &order;
	good = pieces(w, &piece, counts, r);
	w->n_before = 0;
	w->order = whole;
	return good;
}

bool writer_rows(struct write *w, struct write_counts *counts, struct refusal *r)
{
	const struct write_counts before = *counts;
	bool collect = w->order->max_bad > 1 && w->order->bad != NULL;
	enum manner manner = collect ? MANNER_COLLECT : MANNER_TELL;
	bool stream = may_stream(w);
	bool again = w->link->kind->fails_rows && (stream || collect);
	struct refusal first = {0};
	struct fault fault = {0};

	w->told_ms = clock_mono_ms();
	if (again && !point(w, "SAVEPOINT slipway_rows", &fault))
		return fault_refuse(&fault, "rows", r);
	if (!stream && !again)
		return one_by_one(w, manner, counts, r);
	if (stream ? w->link->kind->bulk(w, counts, &fault)
		   : one_by_one(w, MANNER_TRY, counts, &first))
		return true;
	/*
	 * Streaming only saves time: what it cannot do, or cannot explain, is done row by row,
	 * which tells which row was wrong, and may succeed.
	 */
	*counts = before;
	if (w->link->broken || !point(w, "ROLLBACK TO slipway_rows", &(struct fault){0})) {
		if (fault.kind != FAULT_NONE)
			return fault_refuse(&fault, "rows", r);
		*r = first;
		return false;
	}
	if (fault.line > 0 && !collect && tell_line(w, &fault, r))
		return false;
	if (collect && stream ? by_pieces(w, counts, r) : one_by_one(w, manner, counts, r))
		return true;
	/* Time ran out, say, before it came to the row that is known to be bad. */
	if (fault.line > 0 && w->n_bad == 0 && !w->link->broken) {
		*r = first;
		(void)tell_line(w, &fault, r);
	}
	return false;
}
