/*
 * Rows with the same names: what their cells are, and the statements that write them.
 */
#include "signed/plan_inside.h"

#include <string.h>
#include "base/mem.h"
#include "signed/plan_sql.h"

#define NAME_SHOWN 64 /* bytes of a client's field name in an answer */

const struct column plan_joined_key = {.type = TYPE_TEXT, .plain = true};

void plan_layout_done(struct layout *layout)
{
	for (size_t i = 0; layout->names != NULL && i < layout->n_cells; i++)
		free((char *)(uintptr_t)layout->names[i].text);
	free(layout->names);
	free(layout->columns);
	for (int i = 0; i < PLAN__SQL; i++) {
		free(layout->sources[i].of);
		free(layout->sql[i]);
	}
	*layout = (struct layout){0};
}

static bool is_listed(const struct receiver *receiver, const char *name)
{
	for (size_t i = 0; i < receiver->n_columns; i++)
		if (strcmp(receiver->columns[i], name) == 0)
			return true;
	return receiver->n_columns == 0 || plan_is_key(receiver, name);
}

/* TEXT is "concat(a,b)" of the receiver's key, whatever its spaces. */
bool plan_is_joined_key(const struct receiver *receiver, const char *text)
{
	if (!receiver->key_is_concat || strncasecmp(text, "concat(", 7) != 0)
		return false;
	text += 7;
	for (size_t i = 0; i < receiver->n_key; i++) {
		size_t n = strlen(receiver->key[i]);

		text += strspn(text, " ");
		if (strncmp(text, receiver->key[i], n) != 0)
			return false;
		text += n + strspn(text + n, " ");
		if (*text++ != (i + 1 < receiver->n_key ? ',' : ')'))
			return false;
	}
	return *text == '\0';
}

/* Rows may become new ones. */
static bool may_insert(const struct plan *p)
{
	return p->order->op == OP_INSERT ||
	       (p->order->op == OP_UPDATE && (p->order->upsert || p->receiver->upsert));
}

enum meaning { MEANS_COLUMN, MEANS_JOINED_KEY, MEANS_NOTHING };

static bool refuse_field(const struct row *row, const struct value *name, const char *why,
			 struct refusal *r)
{
	return refuse(r, REFUSE_BAD, "row %lld: %s \"%.*s\"", (long long)row->number, why,
		      (int)(name->len < NAME_SHOWN ? name->len : NAME_SHOWN), name->text);
}

/* What the field NAME of a client stands for. */
static bool meaning_of(const struct plan *p, const struct row *row, const struct value *name,
		       enum meaning *ret, const struct column **ret_column, struct refusal *r)
{
	const char *mapped = NULL;
	const struct column *column;

	for (size_t i = 0; i < p->receiver->n_fields; i++) {
		const struct receiver_pair *pair = &p->receiver->fields[i];

		if (strlen(pair->field) == name->len &&
		    memcmp(pair->field, name->text, name->len) == 0)
			mapped = pair->column;
	}
	*ret = MEANS_COLUMN;
	if (mapped != NULL && plan_is_joined_key(p->receiver, mapped)) {
		*ret = MEANS_JOINED_KEY;
		return true;
	}
	if (mapped != NULL) {
		*ret_column = column = plan_need_column(p, mapped, r);
		if (column == NULL)
			return false;
	} else {
		*ret_column = column = plan_column(p, name->text, name->len);
		if (column == NULL || !is_listed(p->receiver, column->name)) {
			*ret = MEANS_NOTHING;
			if (p->receiver->ignore_unknown || p->order->op == OP_DELETE)
				return true;
			return refuse_field(row, name, "no column for", r);
		}
	}
	if (!column->given && plan_fill(p, column) == NULL)
		return true;
	/* Rows may be found by what the database made; a deletion reads nothing but its key. */
	if (column->given && plan_is_key(p->receiver, column->name) && !may_insert(p))
		return true;
	if (p->order->op == OP_DELETE && !plan_is_key(p->receiver, column->name)) {
		*ret = MEANS_NOTHING;
		return true;
	}
	return refuse_field(row, name, "the server fills", r);
}

/* Cell I of LAYOUT that holds COLUMN (NULL: the joined key). */
static bool cell_of(const struct layout *layout, const struct column *column, size_t n, size_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (layout->columns[i] == column) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool by_name(const struct plan *p, const struct row *row, struct layout *layout,
		    struct refusal *r)
{
	layout->names = mem_array(row->n, sizeof(layout->names[0]));
	for (size_t i = 0; i < row->n; i++) {
		const struct column *column = NULL;
		enum meaning meaning;
		size_t twin;

		layout->names[i] = row->names[i];
		layout->names[i].text = mem_strndup(row->names[i].text, row->names[i].len);
		if (!meaning_of(p, row, &row->names[i], &meaning, &column, r))
			return false;
		if (meaning == MEANS_NOTHING)
			continue;
		if (meaning == MEANS_JOINED_KEY)
			column = &plan_joined_key;
		if (cell_of(layout, column, i, &twin))
			return refuse_field(row, &row->names[i], "two fields for one column:", r);
		layout->columns[i] = column;
	}
	return true;
}

static bool by_position(const struct plan *p, const struct row *row, struct layout *layout,
			struct refusal *r)
{
	const struct receiver *receiver = p->receiver;
	size_t want = p->n_positions;

	if (p->order->op == OP_UPDATE)
		return refuse(r, REFUSE_BAD, "an update needs field names");
	if (p->order->op == OP_DELETE) {
		bool joined = receiver->key_is_concat && row->n == 1;

		want = joined ? 1 : receiver->n_key;
		for (size_t i = 0; i < row->n && row->n == want; i++)
			layout->columns[i] =
			    joined ? &plan_joined_key
				   : plan_column(p, receiver->key[i], strlen(receiver->key[i]));
	} else if (row->n == want) {
		memcpy(layout->columns, p->positions, want * sizeof(layout->columns[0]));
	}
	if (row->n == want)
		return true;
	return refuse(r, REFUSE_BAD, "row %lld: %zu cells for %zu columns", (long long)row->number,
		      row->n, want);
}

static void add_source(struct sources *sources, bool fill, size_t index,
		       const struct column *column)
{
	sources->of[sources->n++] = (struct source){.fill = fill, .index = index, .column = column};
}

/* The parameters a row is found by, added to SOURCES; false when it names no whole key. */
static bool add_key(const struct plan *p, const struct layout *layout, struct sources *sources)
{
	size_t first = sources->n, cell;

	if (p->receiver->key_is_concat &&
	    cell_of(layout, &plan_joined_key, layout->n_cells, &cell)) {
		add_source(sources, false, cell, NULL);
		sources->n_key = 1;
		return true;
	}
	for (size_t i = 0; i < p->receiver->n_key; i++) {
		const char *name = p->receiver->key[i];
		const struct column *column = plan_column(p, name, strlen(name));
		const struct fill *fill = plan_fill(p, column);

		if (fill != NULL)
			add_source(sources, true, (size_t)(fill - p->fills), column);
		else if (cell_of(layout, column, layout->n_cells, &cell))
			add_source(sources, false, cell, column);
		else
			return false;
	}
	sources->n_key = sources->n - first;
	return sources->n_key > 0;
}

static void add_sources(const struct plan *p, struct layout *layout)
{
	size_t most = layout->n_cells + p->n_fills + p->receiver->n_key;
	struct sources *insert = &layout->sources[PLAN_INSERT];
	struct sources *update = &layout->sources[PLAN_UPDATE];

	for (int i = 0; i < PLAN__SQL; i++)
		layout->sources[i].of = mem_array(most, sizeof(struct source));
	for (size_t i = 0; i < layout->n_cells; i++) {
		const struct column *column = layout->columns[i];

		if (column == NULL || column == &plan_joined_key)
			continue;
		add_source(insert, false, i, column);
		if (!plan_is_key(p->receiver, column->name))
			add_source(update, false, i, column);
	}
	for (size_t i = 0; i < p->n_fills; i++) {
		const struct fill *fill = &p->fills[i];

		add_source(insert, true, i, fill->column);
		if (fill->rule->kind != AUTO_CODE && !plan_is_key(p->receiver, fill->column->name))
			add_source(update, true, i, fill->column);
	}
	for (size_t i = 0; i < p->receiver->n_key && layout->lacks == NULL; i++) {
		size_t at = 0;

		while (at < insert->n &&
		       strcmp(insert->of[at].column->name, p->receiver->key[i]) != 0)
			at++;
		if (at == insert->n)
			layout->lacks = p->receiver->key[i];
	}
	layout->has_key = add_key(p, layout, update);
	(void)add_key(p, layout, &layout->sources[PLAN_DELETE]);
}

/* May a write of this kind run it? */
static bool is_used(const struct plan *p, enum plan_sql which)
{
	bool upsert = p->order->upsert || p->receiver->upsert;

	switch (which) {
	case PLAN_INSERT:
		return p->order->op == OP_INSERT || upsert;
	case PLAN_UPDATE:
		return p->order->op == OP_UPDATE || upsert;
	case PLAN_DELETE:
		return p->order->op == OP_DELETE;
	case PLAN__SQL:
		break;
	}
	return false;
}

static void add_statements(const struct plan *p, struct layout *layout)
{
	for (int i = 0; i < PLAN__SQL; i++)
		if (is_used(p, (enum plan_sql)i) && (i == PLAN_INSERT || layout->has_key))
			layout->sql[i] = plan_sql_text((enum plan_sql)i, p->table, p->receiver,
						       &layout->sources[i], p->kind->marker);
}

static bool make_layout(struct plan *p, const struct row *row, struct layout *layout,
			struct refusal *r)
{
	enum operation op = p->order->op;
	size_t most = row->n + p->n_fills + p->receiver->n_key;

	layout->n_cells = row->n;
	layout->columns = mem_array(row->n + 1, sizeof(layout->columns[0]));
	if (!(row->names != NULL ? by_name : by_position)(p, row, layout, r))
		return false;
	add_sources(p, layout);
	if (op != OP_INSERT && !layout->has_key)
		return refuse(r, REFUSE_BAD, "row %lld: without its key", (long long)row->number);
	add_statements(p, layout);
	if (most > p->n_values) {
		p->values = mem_resize(p->values, most, sizeof(p->values[0]));
		p->scratch = mem_resize(p->scratch, most, sizeof(p->scratch[0]));
		p->n_values = most;
	}
	return true;
}

static bool is_layout(const struct layout *layout, const struct row *row)
{
	if (layout->columns == NULL || layout->n_cells != row->n ||
	    (layout->names == NULL) != (row->names == NULL))
		return false;
	for (size_t i = 0; row->names != NULL && i < row->n; i++)
		if (layout->names[i].len != row->names[i].len ||
		    memcmp(layout->names[i].text, row->names[i].text, row->names[i].len) != 0)
			return false;
	return true;
}

bool plan_layout(struct plan *p, const struct row *row, struct layout **ret, struct refusal *r)
{
	struct layout *oldest = &p->layouts[0];

	if (p->last == NULL || !is_layout(p->last, row)) {
		p->last = NULL;
		for (size_t i = 0; i < PLAN_LAYOUTS && p->last == NULL; i++) {
			if (is_layout(&p->layouts[i], row))
				p->last = &p->layouts[i];
			else if (p->layouts[i].used < oldest->used)
				oldest = &p->layouts[i];
		}
	}
	if (p->last == NULL) {
		if (oldest->columns != NULL && p->let_go != NULL)
			p->let_go(p->let_go_arg, oldest);
		plan_layout_done(oldest);
		if (!make_layout(p, row, oldest, r)) {
			plan_layout_done(oldest);
			return false;
		}
		p->last = oldest;
	}
	p->last->used = ++p->rows;
	*ret = p->last;
	return true;
}

const struct layout *plan_layout_whole(struct plan *p)
{
	struct layout *layout = &p->layouts[0];
	size_t n = 0, twin;

	layout->columns =
	    mem_array(p->n_positions + p->receiver->n_key + 1, sizeof(layout->columns[0]));
	for (size_t i = 0; i < p->n_positions; i++)
		layout->columns[n++] = p->positions[i];
	for (size_t i = 0; i < p->receiver->n_key && !may_insert(p); i++) {
		const char *name = p->receiver->key[i];
		const struct column *column = plan_column(p, name, strlen(name));

		if (plan_fill(p, column) == NULL && !cell_of(layout, column, n, &twin))
			layout->columns[n++] = column;
	}
	layout->n_cells = n;
	add_sources(p, layout);
	add_statements(p, layout);
	return layout;
}
