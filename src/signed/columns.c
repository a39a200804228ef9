#include "signed/columns.h"

#include <string.h>
#include "signed/plan.h"

static bool is_filled(const struct receiver *receiver, const struct column *column)
{
	bool filled = column->given;

	for (size_t i = 0; i < receiver->n_autos; i++)
		filled = filled || strcmp(receiver->autos[i].column, column->name) == 0;
	return filled;
}

static const struct column *find(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	return NULL;
}

static void add(json_object *list, const struct receiver *receiver, const struct column *column)
{
	json_object *one;

	if (is_filled(receiver, column))
		return;
	one = json_set_str(json_object_new_object(), "name", column->name);
	json_set_str(one, "type", receiver_type_names[column->type]);
	json_object_array_add(
	    list, json_set_bool(one, "other", column->type == TYPE_TEXT && !column->plain));
}

static bool list(const struct receiver *receiver, const struct table *table, json_object **ret,
		 struct refusal *r)
{
	json_object *found = json_object_new_array();

	for (size_t i = 0; i < receiver->n_columns; i++) {
		const struct column *column = find(table, receiver->columns[i]);

		if (column == NULL) {
			json_object_put(found);
			return refuse(r, REFUSE_DATABASE, "missing object");
		}
		add(found, receiver, column);
	}
	for (size_t i = 0; receiver->n_columns == 0 && i < table->n; i++)
		add(found, receiver, &table->columns[i]);
	*ret = found;
	return true;
}

bool write_columns(struct targets *targets, const struct receiver *receiver, json_object **ret,
		   struct refusal *r)
{
	struct fault fault = {0};
	struct table table = {0};
	struct link *link;
	bool ok;

	if (!targets_take(targets, receiver, &link, r))
		return false;
	ok = link->kind->describe(link, receiver, &table, &fault);
	if (ok && table.n == 0) {
		table_done(&table);
		plan_table_of(receiver, link->kind, &table);
	}
	ok = ok ? list(receiver, &table, ret, r) : fault_refuse(&fault, "table", r);
	table_done(&table);
	targets_give(targets, link);
	return ok;
}
