#include "signed/writer.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "signed/writer_inside.h"

/* ---- check */

static bool allowed(const struct write_order *order, struct refusal *r)
{
	const struct receiver *receiver = order->receiver;
	bool upsert = order->upsert || receiver->upsert;

	if ((receiver->ops & 1U << order->op) == 0)
		return refuse(r, REFUSE_FORBIDDEN, "%s", "");
	if (receiver->n_key == 0 && (order->op != OP_INSERT || upsert))
		return refuse(r, REFUSE_BAD, "dataset has no key");
	return true;
}

static bool check_row(struct write *w, const struct row *row, struct refusal *r)
{
	struct layout *layout;
	struct plan_bad bad;
	bool null_key;

	if (!plan_layout(w->plan, row, &layout, r)) {
		w->layout_failed = true;
		return false;
	}
	if (w->n_rows == 1)
		w->layout = layout;
	else if (w->layout != layout)
		w->layout = NULL;
	if (plan_check(w->plan, layout, row, &null_key, &bad)) {
		w->null_keys |= null_key;
		return true;
	}
	writer_bad(w, row->number, bad.column, bad.why, r);
	return w->n_bad < w->order->max_bad;
}

static bool check_rows(struct write *w, struct refusal *r)
{
	const struct receiver *receiver = w->order->receiver;
	enum rows_state state;
	struct row row;

	if (!writer_rewind(w, r))
		return false;
	w->n_rows = 0;
	while ((state = w->order->rows.next(w->order->rows.arg, &row, r)) == ROWS_MORE) {
		if (++w->n_rows > receiver->max_rows)
			return refuse(r, REFUSE_LARGE, "more than %lld rows",
				      (long long)receiver->max_rows);
		if (!check_row(w, &row, r))
			return false;
	}
	if (state != ROWS_OVER || w->n_bad > 0)
		return false;
	return w->n_rows > 0 || receiver->allow_empty || refuse(r, REFUSE_BAD, "no rows");
}

/* The table as the database has it, or as "columns" will make it. */
static bool look(struct write *w, struct refusal *r)
{
	const struct receiver *receiver = w->order->receiver;
	struct fault fault = {0};

	if (!w->link->kind->describe(w->link, receiver, &w->table, &fault))
		return fault_refuse(&fault, "table", r);
	w->create = w->table.n == 0;
	if (!w->create)
		return true;
	table_done(&w->table);
	if (receiver->n_types == 0) {
		(void)snprintf(r->reason, sizeof(r->reason), "no such table");
		return refuse(r, REFUSE_DATABASE, "missing object in table");
	}
	plan_table_of(receiver, w->link->kind, &w->table);
	return true;
}

static bool make_plan(struct write *w, struct refusal *r)
{
	if (plan_new(w->order, &w->table, w->link->kind, &w->plan, r))
		return true;
	w->layout_failed = true;
	return false;
}

static bool check(struct write *w, struct refusal *r)
{
	struct refusal first = {0};

	if (!look(w, r))
		return false;
	if (make_plan(w, &first) && check_rows(w, &first))
		return true;
	if (w->link->fresh || !w->layout_failed) {
		*r = first;
		return false;
	}
	/* The table may have got that column since it was looked at. */
	plan_free(w->plan);
	w->plan = NULL;
	table_done(&w->table);
	w->n_bad = 0;
	w->link->stale = true;
	return look(w, r) && make_plan(w, r) && check_rows(w, r);
}

bool write_open(struct targets *targets, const struct write_order *order, struct write **ret,
		struct refusal *r)
{
	struct write *w = mem_alloc(sizeof(*w));

	w->targets = targets;
	w->order = order;
	w->upsert = order->upsert || order->receiver->upsert;
	if (allowed(order, r) && targets_take(targets, order->receiver, &w->link, r) &&
	    check(w, r)) {
		*ret = w;
		return true;
	}
	write_close(w);
	return false;
}

void writer_let_go(void *arg, struct layout *layout)
{
	struct link *link = arg;

	for (int i = 0; i < PLAN__SQL; i++) {
		if (layout->prepared[i] != NULL)
			link->kind->finish(link, layout->prepared[i]);
		layout->prepared[i] = NULL;
	}
}

void write_close(struct write *w)
{
	if (w == NULL)
		return;
	if (w->plan != NULL)
		plan_each_layout(w->plan, writer_let_go, w->link);
	plan_free(w->plan);
	table_done(&w->table);
	targets_give(w->targets, w->link);
	free(w);
}

/* ---- execution */

bool writer_codes(struct write *w, struct refusal *r)
{
	const struct write_order *order = w->order;
	struct fill *fills;
	size_t n = plan_fills(w->plan, &fills);
	bool inserts = order->op == OP_INSERT || (order->op == OP_UPDATE && w->upsert);

	for (size_t i = 0; i < n && inserts && w->n_rows > 0; i++) {
		if (fills[i].rule->kind != AUTO_CODE)
			continue;
		if (order->codes == NULL ||
		    !order->codes(order->arg, fills[i].rule->column, plan_day(w->plan), w->n_rows,
				  &fills[i].first))
			return refuse(r, REFUSE_DATABASE, "other in autoCode");
	}
	return true;
}

typedef bool theirs_fn(struct write *, const struct statement *, int64_t rows, struct fault *);

/* One statement of the configuration, with what its names stand for. */
static bool run_theirs(struct write *w, const struct statement *s, int64_t rows,
		       struct fault *fault)
{
	CLEAN_FREE struct value *values = mem_array(s->n_values, sizeof(values[0]));

	for (size_t i = 0; i < s->n_values; i++) {
		switch (s->values[i]) {
		case STATEMENT_USERNAME:
		case STATEMENT_VISITOR:
			values[i] = (struct value){.kind = VALUE_TEXT,
						   .text = w->order->visitor,
						   .len = strlen(w->order->visitor)};
			break;
		case STATEMENT_STAMP:
			values[i] =
			    (struct value){.kind = VALUE_INTEGER, .number = w->order->stamp_ms};
			break;
		case STATEMENT_ROWS:
			values[i] = (struct value){.kind = VALUE_INTEGER, .number = rows};
			break;
		case STATEMENT__MAX:
			break;
		}
	}
	return w->link->kind->exec(w->link, s->text, (struct params){values, s->n_values}, true,
				   NULL, fault);
}

/* FN with each statement of LIST, a key NAME of the configuration. */
static bool each_theirs(struct write *w, theirs_fn *fn, const char *name, char *const *list,
			size_t n, int64_t rows, struct refusal *r)
{
	for (size_t i = 0; i < n; i++) {
		struct statement statement;
		struct fault fault = {0};
		char place[32];
		bool good;

		(void)snprintf(place, sizeof(place), "%s %zu", name, i + 1);
		if (!statement_read(list[i], w->link->kind->dialect, &statement, r))
			return false;
		good = fn(w, &statement, rows, &fault);
		statement_done(&statement);
		if (!good)
			return fault_refuse(&fault, place, r);
	}
	return true;
}

static bool run_own(struct write *w, char *sql, const char *place, int64_t *changed,
		    struct refusal *r)
{
	struct fault fault = {0};
	bool good = w->link->kind->exec(w->link, sql, (struct params){0}, false, changed, &fault);

	free(sql);
	return good || fault_refuse(&fault, place, r);
}

bool writer_transact(struct write *w, struct write_counts *counts, struct refusal *r)
{
	const struct receiver *receiver = w->order->receiver;

	if (w->create && !run_own(w, plan_create_sql(receiver, w->link->kind), "table", NULL, r))
		return false;
	return each_theirs(w, run_theirs, "preSql", receiver->pre_sql, receiver->n_pre, 0, r) &&
	       (!w->order->replace || run_own(w,
					      mem_printf("DELETE FROM %s%s", w->table.name,
							 w->table.view ? LINK_COUNTED : ""),
					      "replace", &counts->deleted, r)) &&
	       (w->n_rows == 0 || writer_rows(w, counts, r)) &&
	       each_theirs(w, run_theirs, "postSql", receiver->post_sql, receiver->n_post,
			   counts->inserted + counts->updated + counts->deleted, r);
}

bool write_rows(struct targets *targets, const struct write_order *order, struct write_counts *ret,
		struct refusal *r)
{
	struct write *w;
	bool good;

	if (!write_open(targets, order, &w, r))
		return false;
	good = write_run(w, ret, r);
	write_close(w);
	return good;
}

bool write_check(struct targets *targets, const struct write_order *order, struct refusal *r)
{
	struct write *w;

	if (!write_open(targets, order, &w, r))
		return false;
	write_close(w);
	return true;
}

enum mark_state write_outcome(struct targets *targets, const struct receiver *receiver,
			      const unsigned char mark[32], const char *kept)
{
	struct refusal ignored = {0};
	enum mark_state state;
	struct link *link;

	if (!targets_take(targets, receiver, &link, &ignored))
		return MARK_UNKNOWN;
	state = link->kind->outcome(link, mark, kept);
	targets_give(targets, link);
	return state;
}

/* ---- a receiver as such */

static bool prepare_theirs(struct write *w, const struct statement *s, int64_t rows,
			   struct fault *fault)
{
	struct prepared *prepared = NULL;

	(void)rows;
	if (!w->link->kind->prepare(w->link, s->text, s->n_values, true, &prepared, fault))
		return false;
	w->link->kind->finish(w->link, prepared);
	return w->link->kind->dialect == STATEMENT_SQLITE || writer_rights_theirs(w, s, fault);
}

static bool prepare_all(struct write *w, struct refusal *r)
{
	const struct receiver *receiver = w->order->receiver;

	w->link->deadline_ms = clock_mono_ms() + receiver->timeout_s * 1000;
	return (!w->create ||
		run_own(w, plan_create_sql(receiver, w->link->kind), "table", NULL, r)) &&
	       each_theirs(w, prepare_theirs, "preSql", receiver->pre_sql, receiver->n_pre, 0, r) &&
	       each_theirs(w, prepare_theirs, "postSql", receiver->post_sql, receiver->n_post, 0,
			   r);
}

bool write_prepare(struct targets *targets, const struct receiver *receiver, struct refusal *r)
{
	const struct write_order order = {
	    .receiver = receiver, .visitor = "", .lock_wait_ms = 1000, .dry_run = true};
	struct write w = {.targets = targets, .order = &order};
	struct fault fault = {0};
	bool good = false;

	if (!targets_take(targets, receiver, &w.link, r))
		return false;
	w.link->stale = true;
	if (look(&w, r) && make_plan(&w, r) && plan_check_geometry(w.plan, r)) {
		if (!w.link->kind->begin(w.link, &order, &fault))
			(void)fault_refuse(&fault, "begin", r);
		else
			good = prepare_all(&w, r) && writer_rights(&w, r);
		w.link->kind->rollback(w.link);
	}
	plan_free(w.plan);
	table_done(&w.table);
	targets_give(targets, w.link);
	return good;
}

/* ---- reading */

char *writer_select_sql(const struct receiver *receiver, const struct table *table)
{
	CLEAN_FREE char *order = plan_order_by(receiver);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		mem_die();
	for (size_t i = 0; i < table->n; i++) {
		CLEAN_FREE char *name = plan_quote(table->columns[i].name);

		(void)fprintf(out, "%s%s", i > 0 ? ", " : "SELECT ", name);
	}
	(void)fprintf(out, " FROM %s%s", table->name, order);
	if (fclose(out) != 0)
		mem_die();
	return text;
}

static bool read_table(struct link *link, const struct receiver *receiver,
		       const struct table *table, const struct table_reader *reader,
		       struct refusal *r)
{
	CLEAN_FREE struct receiver_column *columns = mem_array(table->n, sizeof(columns[0]));
	CLEAN_FREE char *sql = writer_select_sql(receiver, table);
	struct fault fault = {0};

	for (size_t i = 0; i < table->n; i++)
		columns[i] = (struct receiver_column){.name = table->columns[i].name,
						      .type = table->columns[i].type,
						      .srid = table->columns[i].srid};
	if (!reader->begin(reader->arg, columns, table->n))
		return false;
	if (link->kind->read(link, sql, table, reader, &fault))
		return true;
	return fault.kind != FAULT_NONE && fault_refuse(&fault, "reading", r);
}

bool write_read_table(struct targets *targets, const struct receiver *receiver,
		      const struct table_reader *reader, struct refusal *r)
{
	struct table table = {0};
	struct fault fault = {0};
	struct link *link;
	bool good = false;

	if (!targets_take(targets, receiver, &link, r))
		return false;
	link->stale = true;
	if (!link->kind->describe(link, receiver, &table, &fault))
		(void)fault_refuse(&fault, "table", r);
	else if (table.n == 0)
		(void)refuse(r, REFUSE_DATABASE, "missing object in table");
	else
		good = read_table(link, receiver, &table, reader, r);
	table_done(&table);
	targets_give(targets, link);
	return good;
}
