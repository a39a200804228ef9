/*
 * Many rows at once by COPY: straight into the table, or by way of a temporary one where rows are
 * found by a key.  Source: PostgreSQL 15, COPY, text format.
 */
#include "signed/pg_inside.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "signed/writer_inside.h"

#define STAGE	   "slipway_stage"
#define STAGED	   "pg_temp." STAGE /* another table of that name is none of ours */
#define COPY_BYTES (64 * 1024)	    /* handed to libpq at once */

/* ---- text format */

struct stream {
	struct pg_link *p;
	char *buf; /* COPY_BYTES */
	size_t n;
	bool failed;
};

static void flush(struct stream *s)
{
	if (!s->failed && s->n > 0)
		s->failed =
		    s->p->pq->PQputCopyData(s->p->conn, s->buf, (int)s->n) != 1 || !pg_flush(s->p);
	s->n = 0;
}

static void put(struct stream *s, const char *text, size_t len)
{
	while (len > 0) {
		size_t room = COPY_BYTES - s->n, take = len < room ? len : room;

		memcpy(s->buf + s->n, text, take);
		s->n += take;
		text += take;
		len -= take;
		if (s->n == COPY_BYTES)
			flush(s);
	}
}

/* Whatever a cell holds, "\." and "\N" too, is data. */
static void put_value(struct stream *s, const struct value *v)
{
	char digits[32];
	size_t len, from = 0;
	const char *text = pg_text(v, digits, &len);

	if (text == NULL) {
		put(s, "\\N", 2);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		char escaped = '\0';

		if ((unsigned char)text[i] > '\r' && text[i] != '\\')
			continue;
		if (text[i] == '\\')
			escaped = '\\';
		else if (text[i] == '\n')
			escaped = 'n';
		else if (text[i] == '\r')
			escaped = 'r';
		else if (text[i] == '\t')
			escaped = 't';
		else
			continue;
		put(s, text + from, i - from);
		put(s, (char[]){'\\', escaped}, 2);
		from = i + 1;
	}
	put(s, text + from, len - from);
}

static void put_row(struct stream *s, int64_t number, struct params params)
{
	char digits[32];

	if (number > 0)
		put(s, digits,
		    (size_t)snprintf(digits, sizeof(digits), "%lld\t", (long long)number));
	for (size_t i = 0; i < params.n; i++) {
		if (i > 0)
			put(s, "\t", 1);
		put_value(s, &params.values[i]);
	}
	put(s, "\n", 1);
}

/* ---- what COPY says */

/*
 * "COPY t, line 3, column a: …" in any language: the number behind the table's name, and the name
 * behind the next word.
 */
static void read_context(const char *context, const char *table, const struct sources *sources,
			 bool staged, struct fault *fault)
{
	CLEAN_FREE char *begin = mem_printf("COPY %s, ", table);
	const char *at = context != NULL ? strstr(context, begin) : NULL;
	char digits[24];
	size_t n;

	if (at == NULL)
		return;
	at += strlen(begin);
	at += strcspn(at, "0123456789\n");
	n = strspn(at, "0123456789");
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)(n < sizeof(digits) ? n : 0), at);
	if (!text_int(digits, 1, INT64_MAX, &fault->line))
		return;
	at += n;
	if (strncmp(at, ", ", 2) != 0 || (at = strchr(at + 2, ' ')) == NULL)
		return;
	for (size_t i = 0; i < sources->n; i++) {
		CLEAN_FREE char *name = staged ? mem_printf(" c%zu:", i + 1)
					       : mem_printf(" %s:", sources->of[i].column->name);

		if (strncmp(at, name, strlen(name)) == 0)
			fault->param = i + 1;
	}
}

static bool end_copy(struct pg_link *p, const char *table, const struct sources *sources,
		     bool staged, int64_t *changed, struct fault *fault)
{
	PGresult *result = pg_next(p);
	const char *context = p->pq->PQresultErrorField(result, PG_DIAG_CONTEXT);
	bool bad = p->pq->PQresultStatus(result) != PGRES_COMMAND_OK;
	bool good;

	if (bad && fault->kind == FAULT_NONE)
		read_context(context, table, sources, staged, fault);
	good = pg_good(p, result, PGRES_COMMAND_OK, changed, fault);
	/* There are no parameters here, whatever the context looks like. */
	if (fault->line == 0)
		fault->param = 0;
	while ((result = pg_next(p)) != NULL)
		p->pq->PQclear(result);
	return good;
}

static bool send_rows(struct write *w, struct stream *s, enum plan_sql which, bool staged,
		      struct fault *fault)
{
	struct refusal ignored = {0};
	enum rows_state state;
	struct row row;
	int64_t n = 0;

	if (!writer_rewind(w, &ignored))
		return fault_set(fault, FAULT_OTHER, NULL, "the rows cannot be read again");
	while ((state = w->order->rows.next(w->order->rows.arg, &row, &ignored)) == ROWS_MORE) {
		if (!writer_tick(w, ++n, fault))
			return false;
		plan_row_next(w->plan);
		put_row(s, staged ? n : 0, plan_params(w->plan, w->layout, which, &row));
		if (s->failed)
			return true; /* the end of COPY tells why */
	}
	flush(s);
	return state == ROWS_OVER ||
	       fault_set(fault, FAULT_OTHER, NULL, "the rows changed while they were read");
}

static bool copy(struct write *w, const char *sql, const char *table, enum plan_sql which,
		 bool staged, int64_t *changed, struct fault *fault)
{
	struct pg_link *p = pg_mine(w->link);
	const struct sources *sources = &w->layout->sources[which];
	struct stream s = {.p = p};
	bool sent;

	p->parsed = NULL;
	if (!pg_limit(p, fault) || !pg_good(p, pg_ask(p, sql), PGRES_COPY_IN, NULL, fault))
		return false;
	s.buf = mem_alloc(COPY_BYTES);
	sent = send_rows(w, &s, which, staged, fault);
	free(s.buf);
	if (p->pq->PQputCopyEnd(p->conn, sent ? NULL : "stopped") != 1 || !pg_flush(p))
		w->link->broken = true;
	return end_copy(p, table, sources, staged, changed, fault) && sent;
}

/* ---- statements */

static char *copy_sql(const struct write *w)
{
	const struct sources *sources = &w->layout->sources[PLAN_INSERT];
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		mem_die();
	(void)fprintf(out, "COPY %s (", w->table.name);
	for (size_t i = 0; i < sources->n; i++) {
		CLEAN_FREE char *name = plan_quote(sources->of[i].column->name);

		(void)fprintf(out, "%s%s", i > 0 ? ", " : "", name);
	}
	(void)fputs(") FROM STDIN", out);
	if (fclose(out) != 0)
		mem_die();
	return text;
}

/* Columns n, c1, c2 …: the table's types without its rules. */
static char *stage_sql(const struct write *w, const struct sources *sources)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		mem_die();
	(void)fputs("CREATE TEMP TABLE " STAGED " ON COMMIT DROP AS SELECT 0::bigint AS n", out);
	for (size_t i = 0; i < sources->n; i++) {
		CLEAN_FREE char *name = plan_quote(sources->of[i].column->name);

		(void)fprintf(out, ", %s AS c%zu", name, i + 1);
	}
	(void)fprintf(out, " FROM %s WITH NO DATA", w->table.name);
	if (fclose(out) != 0)
		mem_die();
	return text;
}

/* Number of the staged column that holds COLUMN. */
static size_t staged_as(const struct sources *sources, const char *column)
{
	for (size_t i = 0; i < sources->n; i++)
		if (strcmp(sources->of[i].column->name, column) == 0)
			return i + 1;
	return 0;
}

/* The last row of each key: what is left when rows are written in their order. */
static void put_last_rows(FILE *out, const struct receiver *receiver, const struct sources *sources)
{
	for (int part = 0; part < 2; part++) {
		(void)fputs(part == 0 ? "(SELECT DISTINCT ON (" : ") * FROM " STAGED " ORDER BY ",
			    out);
		for (size_t i = 0; i < receiver->n_key; i++)
			(void)fprintf(out, "%sc%zu", i > 0 ? ", " : "",
				      staged_as(sources, receiver->key[i]));
	}
	(void)fputs(", n DESC) AS s", out);
}

static void put_same_key(FILE *out, const struct receiver *receiver, const struct sources *sources)
{
	for (size_t i = 0; i < receiver->n_key; i++) {
		CLEAN_FREE char *name = plan_quote(receiver->key[i]);

		(void)fprintf(out, "%sd.%s = s.c%zu", i > 0 ? " AND " : " WHERE ", name,
			      staged_as(sources, receiver->key[i]));
	}
}

static void put_update(FILE *out, const struct write *w, const struct sources *staged)
{
	const struct receiver *receiver = w->order->receiver;
	const struct sources *update = &w->layout->sources[PLAN_UPDATE];
	CLEAN_FREE char *key = plan_quote(receiver->key[0]);
	size_t n_set = update->n - update->n_key;

	(void)fprintf(out, "UPDATE %s AS d SET ", w->table.name);
	for (size_t i = 0; i < n_set; i++) {
		const char *column = update->of[i].column->name;
		CLEAN_FREE char *name = plan_quote(column);

		(void)fprintf(out, "%s%s = s.c%zu", i > 0 ? ", " : "", name,
			      staged_as(staged, column));
	}
	if (n_set == 0)
		(void)fprintf(out, "%s = d.%s", key, key);
	(void)fputs(" FROM ", out);
	put_last_rows(out, receiver, staged);
	put_same_key(out, receiver, staged);
}

static void put_insert(FILE *out, const struct write *w, const struct sources *staged)
{
	const struct receiver *receiver = w->order->receiver;

	(void)fprintf(out, "INSERT INTO %s (", w->table.name);
	for (size_t i = 0; i < staged->n; i++) {
		CLEAN_FREE char *name = plan_quote(staged->of[i].column->name);

		(void)fprintf(out, "%s%s", i > 0 ? ", " : "", name);
	}
	(void)fputs(") SELECT ", out);
	for (size_t i = 0; i < staged->n; i++)
		(void)fprintf(out, "%ss.c%zu", i > 0 ? ", " : "", i + 1);
	(void)fputs(" FROM ", out);
	put_last_rows(out, receiver, staged);
	(void)fprintf(out, " WHERE NOT EXISTS (SELECT 1 FROM %s AS d", w->table.name);
	put_same_key(out, receiver, staged);
	(void)fputs(") ORDER BY s.n", out);
}

static bool run_staged(struct write *w, enum plan_sql which, const struct sources *staged,
		       int64_t *changed, struct fault *fault)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool good;

	if (out == NULL)
		mem_die();
	if (which == PLAN_UPDATE) {
		put_update(out, w, staged);
	} else if (which == PLAN_INSERT) {
		put_insert(out, w, staged);
	} else {
		(void)fprintf(out, "DELETE FROM %s AS d USING ", w->table.name);
		put_last_rows(out, w->order->receiver, staged);
		put_same_key(out, w->order->receiver, staged);
	}
	if (fclose(out) != 0)
		mem_die();
	good = pg_limit(pg_mine(w->link), fault) && pg_run(pg_mine(w->link), text, changed, fault);
	free(text);
	return good;
}

static bool bulk_staged(struct write *w, struct write_counts *counts, struct fault *fault)
{
	struct pg_link *p = pg_mine(w->link);
	enum operation op = w->order->op;
	enum plan_sql which = writer_streamed(w);
	const struct sources *staged = &w->layout->sources[which];
	CLEAN_FREE char *sql = stage_sql(w, staged);

	if (!pg_run(p, sql, NULL, fault) ||
	    !copy(w, "COPY " STAGED " FROM STDIN", STAGE, which, true, NULL, fault) ||
	    !pg_run(p, "ANALYZE " STAGED, NULL, fault))
		return false;
	if (op == OP_DELETE)
		return run_staged(w, PLAN_DELETE, staged, &counts->deleted, fault);
	return run_staged(w, PLAN_UPDATE, staged, &counts->updated, fault) &&
	       (!w->upsert || run_staged(w, PLAN_INSERT, staged, &counts->inserted, fault));
}

static bool bulk_by_key(struct write *w, struct write_counts *counts, struct fault *fault)
{
	/* More rows may follow in the same transaction. */
	return bulk_staged(w, counts, fault) &&
	       pg_run(pg_mine(w->link), "DROP TABLE " STAGED, NULL, fault);
}

bool pg_bulk(struct write *w, struct write_counts *counts, struct fault *fault)
{
	CLEAN_FREE char *sql = NULL;

	if (w->order->op != OP_INSERT || w->upsert)
		return bulk_by_key(w, counts, fault);
	sql = copy_sql(w);
	return copy(w, sql, w->order->receiver->table, PLAN_INSERT, false, &counts->inserted,
		    fault);
}
