/*
 * The text of statements.  Names come from the configuration or the database's catalogue only, in
 * double quotes; everything else is a parameter.
 */
#include "signed/plan_sql.h"

#include <string.h>
#include "base/mem.h"

char *plan_quote(const char *name)
{
	char *out = mem_alloc(2 * strlen(name) + 3);
	size_t n = 0;

	out[n++] = '"';
	for (const char *at = name; *at != '\0'; at++) {
		if (*at == '"')
			out[n++] = '"';
		out[n++] = *at;
	}
	out[n] = '"';
	return out;
}

char *plan_table_name(const struct receiver *receiver)
{
	CLEAN_FREE char *table = plan_quote(receiver->table);
	CLEAN_FREE char *schema = receiver->schema != NULL ? plan_quote(receiver->schema) : NULL;

	return schema == NULL ? mem_strdup(table) : mem_printf("%s.%s", schema, table);
}

static void put_name(FILE *out, const char *name)
{
	CLEAN_FREE char *quoted = plan_quote(name);

	(void)fputs(quoted, out);
}

/* "a", "b" */
static void put_names(FILE *out, const struct sources *sources, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		put_name(out, sources->of[i].column->name);
	}
}

static void put_insert(FILE *out, const char *table, const struct sources *sources, char marker)
{
	(void)fprintf(out, "INSERT INTO %s ", table);
	if (sources->n == 0) {
		(void)fputs("DEFAULT VALUES", out);
		return;
	}
	(void)fputc('(', out);
	put_names(out, sources, sources->n);
	(void)fputs(") VALUES (", out);
	for (size_t i = 1; i <= sources->n; i++)
		(void)fprintf(out, "%s%c%zu", i > 1 ? ", " : "", marker, i);
	(void)fputc(')', out);
}

/* " WHERE "a" = ?3 AND …"; joined keys are compared as one text. */
static void put_where(FILE *out, const struct receiver *receiver, const struct sources *sources,
		      char marker)
{
	size_t first = sources->n - sources->n_key;

	(void)fputs(" WHERE ", out);
	if (!receiver->key_is_concat) {
		for (size_t i = 0; i < sources->n_key; i++) {
			(void)fputs(i > 0 ? " AND " : "", out);
			put_name(out, receiver->key[i]);
			(void)fprintf(out, " = %c%zu", marker, first + i + 1);
		}
		return;
	}
	for (size_t i = 0; i < receiver->n_key; i++) {
		(void)fputs(i > 0 ? " || CAST(" : "(CAST(", out);
		put_name(out, receiver->key[i]);
		(void)fputs(" AS text)", out);
	}
	(void)fputs(") = ", out);
	for (size_t i = 0; i < sources->n_key; i++)
		(void)fprintf(out, "%sCAST(%c%zu AS text)", i > 0 ? " || " : "(", marker,
			      first + i + 1);
	(void)fputc(')', out);
}

static void put_update(FILE *out, const char *table, const struct receiver *receiver,
		       const struct sources *sources, char marker)
{
	size_t n_set = sources->n - sources->n_key;

	(void)fprintf(out, "UPDATE %s SET ", table);
	for (size_t i = 0; i < n_set; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		put_name(out, sources->of[i].column->name);
		(void)fprintf(out, " = %c%zu", marker, i + 1);
	}
	/* Nothing but a key: the rows it matches are counted all the same. */
	if (n_set == 0) {
		put_name(out, receiver->key[0]);
		(void)fputs(" = ", out);
		put_name(out, receiver->key[0]);
	}
	put_where(out, receiver, sources, marker);
}

char *plan_sql_text(enum plan_sql which, const struct table *table, const struct receiver *receiver,
		    const struct sources *sources, char marker)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		mem_die();
	switch (which) {
	case PLAN_INSERT:
		put_insert(out, table->name, sources, marker);
		break;
	case PLAN_UPDATE:
		put_update(out, table->name, receiver, sources, marker);
		break;
	case PLAN_DELETE:
		(void)fprintf(out, "DELETE FROM %s", table->name);
		put_where(out, receiver, sources, marker);
		break;
	case PLAN__SQL:
		break;
	}
	if (table->view)
		(void)fputs(LINK_COUNTED, out);
	if (fclose(out) != 0)
		mem_die();
	return text;
}

char *plan_order_by(const struct receiver *receiver)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		mem_die();
	for (size_t i = 0; i < receiver->n_key; i++) {
		(void)fputs(i > 0 ? ", " : " ORDER BY ", out);
		put_name(out, receiver->key[i]);
	}
	if (fclose(out) != 0)
		mem_die();
	return text;
}

/* ---- a missing table */

static const struct {
	const char *sqlite, *postgres;
} types[TYPE__MAX] = {
    [TYPE_TEXT] = {"TEXT", "text"},
    [TYPE_INTEGER] = {"INTEGER", "bigint"},
    [TYPE_REAL] = {"REAL", "double precision"},
    [TYPE_BOOLEAN] = {"BOOLEAN", "boolean"},
    [TYPE_DATE] = {"DATE", "date"},
    [TYPE_TIMESTAMP] = {"TIMESTAMP", "timestamp with time zone"},
    [TYPE_JSON] = {"JSON", "jsonb"},
};

static const char *type_name(enum column_type type, const struct link_kind *kind)
{
	return kind->dialect == STATEMENT_SQLITE ? types[type].sqlite : types[type].postgres;
}

static bool is_type(const struct receiver *receiver, const char *column)
{
	for (size_t i = 0; i < receiver->n_types; i++)
		if (strcmp(receiver->types[i].name, column) == 0)
			return true;
	return false;
}

bool plan_is_key(const struct receiver *receiver, const char *name)
{
	for (size_t i = 0; i < receiver->n_key; i++)
		if (strcmp(receiver->key[i], name) == 0)
			return true;
	return false;
}

char *plan_create_sql(const struct receiver *receiver, const struct link_kind *kind)
{
	CLEAN_FREE char *table = plan_table_name(receiver);
	char *text = NULL;
	size_t size = 0, n_key = 0;
	bool key;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		mem_die();
	(void)fprintf(out, "CREATE TABLE IF NOT EXISTS %s (", table);
	while (n_key < receiver->n_key && is_type(receiver, receiver->key[n_key]))
		n_key++;
	key = n_key > 0 && n_key == receiver->n_key && !receiver->key_is_concat;
	for (size_t i = 0; i < receiver->n_types; i++) {
		const char *name = receiver->types[i].name;

		(void)fputs(i > 0 ? ", " : "", out);
		put_name(out, name);
		/* SQLite's primary keys hold NULL, time and again, unless that is said. */
		(void)fprintf(out, " %s%s", type_name(receiver->types[i].type, kind),
			      key && plan_is_key(receiver, name) ? " NOT NULL" : "");
	}
	/* What rows are found by is unique and found quickly. */
	if (key) {
		for (size_t i = 0; i < n_key; i++) {
			(void)fputs(i > 0 ? ", " : ", PRIMARY KEY (", out);
			put_name(out, receiver->key[i]);
		}
		(void)fputc(')', out);
	}
	(void)fputc(')', out);
	if (fclose(out) != 0)
		mem_die();
	return text;
}

void plan_table_of(const struct receiver *receiver, const struct link_kind *kind, struct table *ret)
{
	*ret = (struct table){.name = plan_table_name(receiver),
			      .columns = mem_array(receiver->n_types, sizeof(ret->columns[0])),
			      .n = receiver->n_types,
			      .bulk = true};
	for (size_t i = 0; i < ret->n; i++)
		ret->columns[i] = (struct column){
		    .name = mem_strdup(receiver->types[i].name),
		    .type = receiver->types[i].type,
		    .plain = receiver->types[i].type == TYPE_TEXT,
		    .strict = kind->dialect == STATEMENT_SQLITE,
		    .sql_type = mem_strdup(type_name(receiver->types[i].type, kind))};
}
