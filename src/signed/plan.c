#include "signed/plan.h"

#include <string.h>
#include "base/mem.h"
#include "signed/plan_inside.h"

#define CODE_PREFIX 128 /* bytes before day and number */

/* ---- the receiver and the table */

const struct column *plan_column(const struct plan *p, const char *name, size_t len)
{
	for (size_t i = 0; i < p->table->n; i++) {
		const char *own = p->table->columns[i].name;

		if (strlen(own) == len && memcmp(own, name, len) == 0)
			return &p->table->columns[i];
	}
	return NULL;
}

const struct fill *plan_fill(const struct plan *p, const struct column *column)
{
	for (size_t i = 0; i < p->n_fills; i++)
		if (p->fills[i].column == column)
			return &p->fills[i];
	return NULL;
}

static bool no_column(const char *name, struct refusal *r)
{
	(void)snprintf(r->reason, sizeof(r->reason), "no column \"%.100s\"", name);
	return refuse(r, REFUSE_DATABASE, "missing object in table");
}

const struct column *plan_need_column(const struct plan *p, const char *name, struct refusal *r)
{
	const struct column *column = plan_column(p, name, strlen(name));

	if (column == NULL)
		(void)no_column(name, r);
	return column;
}

static bool add_fills(struct plan *p, struct refusal *r)
{
	const struct receiver *receiver = p->receiver;

	p->fills = mem_array(receiver->n_autos, sizeof(p->fills[0]));
	for (size_t i = 0; i < receiver->n_autos; i++) {
		const struct receiver_auto *rule = &receiver->autos[i];
		struct fill *fill = &p->fills[p->n_fills];

		*fill = (struct fill){.rule = rule, .column = plan_need_column(p, rule->column, r)};
		if (fill->column == NULL)
			return false;
		p->n_fills++;
		if (rule->kind == AUTO_CODE && strlen(rule->text) > CODE_PREFIX)
			return refuse(r, REFUSE_DATABASE, "other in autoCode");
		if (rule->kind == AUTO_CONSTANT)
			fill->value = value_text(rule->text);
		else if (rule->kind == AUTO_STAMP)
			fill->value = value_integer(p->order->stamp_ms);
		else if (rule->kind != AUTO_CODE)
			fill->value = value_auto(&p->rules, fill->column, rule->kind, fill->text);
	}
	return true;
}

/* What the cells of a row by position are: without columns the server or the database fills. */
static bool add_positions(struct plan *p, struct refusal *r)
{
	const struct receiver *receiver = p->receiver;
	size_t n = receiver->n_columns > 0 ? receiver->n_columns : p->table->n;

	p->positions = mem_array(n, sizeof(p->positions[0]));
	for (size_t i = 0; i < n; i++) {
		const struct column *column = receiver->n_columns > 0
						  ? plan_need_column(p, receiver->columns[i], r)
						  : &p->table->columns[i];

		if (column == NULL)
			return false;
		if (!column->given && plan_fill(p, column) == NULL)
			p->positions[p->n_positions++] = column;
	}
	return true;
}

static bool add_s_fields(struct plan *p, struct refusal *r)
{
	p->s_field = mem_array(p->table->n, sizeof(p->s_field[0]));
	for (size_t i = 0; i < p->receiver->n_s_fields; i++) {
		const struct column *column = plan_need_column(p, p->receiver->s_fields[i], r);

		if (column == NULL)
			return false;
		p->s_field[column - p->table->columns] = true;
	}
	return true;
}

/* The key's columns and those that fields stand for are there. */
static bool check_names(const struct plan *p, struct refusal *r)
{
	const struct receiver *receiver = p->receiver;

	for (size_t i = 0; i < receiver->n_key; i++)
		if (plan_need_column(p, receiver->key[i], r) == NULL)
			return false;
	for (size_t i = 0; i < receiver->n_fields; i++)
		if (!plan_is_joined_key(receiver, receiver->fields[i].column) &&
		    plan_need_column(p, receiver->fields[i].column, r) == NULL)
			return false;
	return true;
}

bool plan_check_geometry(const struct plan *p, struct refusal *r)
{
	static const char *const keys[] = {"lon", "lat", "wkt"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *name = json_str(p->receiver->geometry, keys[i], NULL);

		if (name != NULL && plan_need_column(p, name, r) == NULL)
			return false;
	}
	return true;
}

bool plan_new(const struct write_order *order, const struct table *table,
	      const struct link_kind *kind, struct plan **ret, struct refusal *r)
{
	struct plan *p = mem_alloc(sizeof(*p));
	bool good;

	p->order = order;
	p->receiver = order->receiver;
	p->table = table;
	p->kind = kind;
	value_rules_fill(&p->rules, order, kind->dialect == STATEMENT_POSTGRES);
	good = add_fills(p, r) && add_positions(p, r) && add_s_fields(p, r) && check_names(p, r);
	if (!good) {
		plan_free(p);
		return false;
	}
	*ret = p;
	return true;
}

void plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < PLAN_LAYOUTS; i++)
		plan_layout_done(&p->layouts[i]);
	free(p->positions);
	free(p->fills);
	free(p->s_field);
	free(p->values);
	free(p->scratch);
	free(p);
}

void plan_watch(struct plan *p, void (*let_go)(void *arg, struct layout *), void *arg)
{
	p->let_go = let_go;
	p->let_go_arg = arg;
}

void plan_each_layout(struct plan *p, void (*call)(void *arg, struct layout *), void *arg)
{
	for (size_t i = 0; i < PLAN_LAYOUTS; i++)
		if (p->layouts[i].columns != NULL)
			call(arg, &p->layouts[i]);
}

/* ---- values */

static bool is_s_field(const struct plan *p, const struct column *column)
{
	return column != &plan_joined_key && p->s_field[column - p->table->columns];
}

bool plan_check(struct plan *p, const struct layout *layout, const struct row *row,
		bool *ret_null_key, struct plan_bad *ret)
{
	const struct sources *key = &layout->sources[PLAN_DELETE];

	for (size_t i = 0; i < row->n; i++) {
		const struct column *column = layout->columns[i];

		if (column == NULL)
			continue;
		ret->column = column == &plan_joined_key ? "" : column->name;
		if (!value_convert(&p->rules, column, is_s_field(p, column), &row->cells[i],
				   &p->values[i], p->scratch[i], ret->why, sizeof(ret->why)) ||
		    !value_fits(column, &p->values[i], ret->why, sizeof(ret->why)))
			return false;
	}
	*ret_null_key = !layout->has_key;
	for (size_t i = 0; layout->has_key && i < key->n; i++) {
		const struct source *source = &key->of[i];

		if (source->fill || p->values[source->index].kind != VALUE_NULL)
			continue;
		*ret_null_key = true;
		if (p->order->op == OP_INSERT)
			continue;
		ret->column = source->column != NULL ? source->column->name : "";
		(void)snprintf(ret->why, sizeof(ret->why), "the key is null");
		return false;
	}
	return true;
}

struct params plan_params(struct plan *p, const struct layout *layout, enum plan_sql which,
			  const struct row *row)
{
	const struct sources *sources = &layout->sources[which];
	char why[96];

	for (size_t i = 0; i < sources->n; i++) {
		const struct source *s = &sources->of[i];

		/* A checked cell converts. */
		if (s->fill)
			p->values[i] = p->fills[s->index].value;
		else if (!value_convert(
			     &p->rules, s->column, s->column != NULL && is_s_field(p, s->column),
			     &row->cells[s->index], &p->values[i], p->scratch[i], why, sizeof(why)))
			p->values[i] = (struct value){.kind = VALUE_NULL};
	}
	return (struct params){.values = p->values, .n = sources->n};
}

void plan_row_next(struct plan *p)
{
	for (struct fill *fill = p->fills; fill < p->fills + p->n_fills; fill++) {
		if (fill->rule->kind == AUTO_UUID) {
			fill->value = value_auto(&p->rules, fill->column, AUTO_UUID, fill->text);
		} else if (fill->rule->kind == AUTO_CODE) {
			(void)snprintf(fill->text, sizeof(fill->text), "%s%s%03lld",
				       fill->rule->text, p->rules.day, (long long)fill->code++);
			fill->value = value_text(fill->text);
		}
	}
}

void plan_restart(struct plan *p, int64_t n)
{
	for (struct fill *fill = p->fills; fill < p->fills + p->n_fills; fill++)
		fill->code = fill->first + n;
}

size_t plan_fills(struct plan *p, struct fill **ret)
{
	*ret = p->fills;
	return p->n_fills;
}

const char *plan_day(const struct plan *p)
{
	return p->rules.day;
}
