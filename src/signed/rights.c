/*
 * What a receiver is for, asked of the database before the first client comes.  PostgreSQL looks at
 * rights when a statement is about to run, and EXPLAIN goes that far and no further; SQLite has
 * none, but not every table is one that can be written to.
 */
#include "signed/writer_inside.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"

#define SPACE " \t\r\n"

/* Not what a value would have to be: there is none. */
static bool is_refusal(const struct fault *fault)
{
	return fault->kind != FAULT_VALUE && fault->kind != FAULT_CONSTRAINT;
}

/* SQL, whose N parameters are NULL, would run. */
static bool explain(struct write *w, const char *sql, size_t n, struct fault *fault)
{
	const struct link_kind *kind = w->link->kind;
	CLEAN_FREE struct value *nothing = mem_array(n + 1, sizeof(nothing[0]));
	CLEAN_FREE char *text = mem_printf("EXPLAIN %s", sql);
	const struct params none = {0};
	struct fault one = {0}, ignored = {0};

	for (size_t i = 0; i < n; i++)
		nothing[i] = (struct value){.kind = VALUE_NULL};
	if (!kind->exec(w->link, "SAVEPOINT slipway_rights", none, false, NULL, fault))
		return false;
	if (kind->exec(w->link, text, (struct params){nothing, n}, false, NULL, &one))
		return kind->exec(w->link, "RELEASE slipway_rights", none, false, NULL, fault);
	if (is_refusal(&one) || w->link->broken) {
		*fault = one;
		return false;
	}
	return kind->exec(w->link, "ROLLBACK TO slipway_rights", none, false, NULL, &ignored);
}

static bool would_run(struct write *w, const char *sql, size_t n, struct fault *fault)
{
	struct prepared *prepared = NULL;

	if (w->link->kind->dialect == STATEMENT_POSTGRES)
		return explain(w, sql, n, fault);
	if (!w->link->kind->prepare(w->link, sql, n, false, &prepared, fault))
		return false;
	w->link->kind->finish(w->link, prepared);
	return true;
}

static const char *file_mode(const struct write *w)
{
	return json_str(w->order->receiver->file, "mode", "append");
}

/* One operation by itself, with the statements a whole row of it takes. */
static bool operation(struct write *w, enum operation op, struct refusal *r)
{
	static const char *const places[PLAN__SQL] = {
	    [PLAN_INSERT] = "insert", [PLAN_UPDATE] = "update", [PLAN_DELETE] = "delete"};
	struct write_order order = *w->order;
	const struct layout *layout;
	struct plan *plan = NULL;
	struct fault fault = {0};
	bool good = true;

	order.op = op;
	order.upsert = op == OP_INSERT && strcmp(file_mode(w), "upsert") == 0;
	if (!plan_new(&order, &w->table, w->link->kind, &plan, r))
		return false;
	layout = plan_layout_whole(plan);
	for (int i = 0; i < PLAN__SQL && good; i++) {
		if (layout->sql[i] == NULL ||
		    would_run(w, layout->sql[i], layout->sources[i].n, &fault))
			continue;
		good = fault_refuse(&fault, places[i], r);
	}
	plan_free(plan);
	return good;
}

/* False: SQL, which has rows where something is not allowed, has some. */
static bool has_none(struct write *w, const char *sql, const char *first, const char *second,
		     const char *what, struct fault *fault)
{
	const struct value values[] = {
	    {.kind = VALUE_TEXT, .text = first, .len = strlen(first)},
	    {.kind = VALUE_TEXT, .text = second, .len = strlen(second)},
	};
	int64_t rows = 0;

	if (!w->link->kind->exec(w->link, sql, (struct params){values, *second != '\0' ? 2 : 1},
				 false, &rows, fault))
		return false;
	return rows == 0 || fault_set(fault, FAULT_PERMISSION, NULL, "%s", what);
}

static bool is_given(const struct layout *layout, const struct column *column)
{
	const struct sources *insert = &layout->sources[PLAN_INSERT];

	for (size_t i = 0; i < insert->n; i++)
		if (insert->of[i].column == column)
			return true;
	return column->given;
}

/* Columns no row fills get a number from their sequence. */
static bool sequences(struct write *w, struct fault *fault)
{
	static const char sql[] =
	    "SELECT 1 FROM pg_catalog.pg_get_serial_sequence($1, $2) AS s"
	    " WHERE NOT pg_catalog.has_sequence_privilege(s, 'USAGE, UPDATE')"
	    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute"
	    " WHERE attrelid = pg_catalog.to_regclass($1) AND attname = $2 AND attidentity <> '')";
	const struct layout *layout = plan_layout_whole(w->plan);

	for (size_t i = 0; i < w->table.n; i++) {
		const struct column *column = &w->table.columns[i];
		CLEAN_FREE char *what =
		    mem_printf("no right on the sequence of column \"%.64s\"", column->name);

		if (!is_given(layout, column) &&
		    !has_none(w, sql, w->table.name, column->name, what, fault))
			return false;
	}
	return true;
}

static bool may_write(struct write *w, struct fault *fault)
{
	static const char sql[] = "SELECT 1 WHERE current_setting($1) = 'on'";

	return has_none(w, sql, "transaction_read_only", "", "the database is read-only", fault);
}

/* "truncate [table] t": not a statement that can be explained, but the first thing many do. */
static bool may_truncate(struct write *w, const char *text, struct fault *fault)
{
	static const char sql[] = "SELECT 1 WHERE NOT pg_catalog.has_table_privilege("
				  "pg_catalog.to_regclass($1), 'TRUNCATE')";
	size_t n;

	text += strcspn(text, SPACE);
	text += strspn(text, SPACE);
	if (strncasecmp(text, "table", 5) == 0 && text[5] != '\0' && strchr(SPACE, text[5]) != NULL)
		text += 5 + strspn(text + 5, SPACE);
	n = strcspn(text, SPACE ",(*");
	return text[n] != '\0' ||
	       has_none(w, sql, text, "", "no right to truncate the table", fault);
}

bool writer_rights_theirs(struct write *w, const struct statement *s, struct fault *fault)
{
	static const char *const words[] = {"select", "insert", "update", "delete", "with"};
	size_t n = strcspn(s->text, SPACE "(");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == n && strncasecmp(s->text, words[i], n) == 0)
			return explain(w, s->text, s->n_values, fault);
	if (n == strlen("truncate") && strncasecmp(s->text, "truncate", n) == 0)
		return may_truncate(w, s->text, fault);
	return true;
}

bool writer_rights(struct write *w, struct refusal *r)
{
	const struct receiver *receiver = w->order->receiver;
	CLEAN_FREE char *all = mem_printf("DELETE FROM %s", w->table.name);
	CLEAN_FREE char *read = writer_select_sql(receiver, &w->table);
	bool postgres = w->link->kind->dialect == STATEMENT_POSTGRES;
	struct fault fault = {0};

	if (postgres && !may_write(w, &fault))
		return fault_refuse(&fault, "begin", r);
	for (int op = 0; op <= OP_DELETE; op++)
		if ((receiver->ops & 1U << op) != 0 && (op == OP_INSERT || receiver->n_key > 0) &&
		    !operation(w, (enum operation)op, r))
			return false;
	if (postgres && (receiver->ops & 1U << OP_INSERT) != 0 && !sequences(w, &fault))
		return fault_refuse(&fault, "insert", r);
	if (strcmp(file_mode(w), "replace") == 0 && !would_run(w, all, 0, &fault))
		return fault_refuse(&fault, "replace", r);
	return !receiver->catalogue || would_run(w, read, 0, &fault) ||
	       fault_refuse(&fault, "catalogue", r);
}
