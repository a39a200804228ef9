#include "signed/pg_inside.h"

#include <stdio.h>
#include <string.h>
#include "base/text.h"

/* Source: PostgreSQL 15, appendix A; the longest prefix that fits comes first. */
static const struct {
	const char *state;
	enum fault_kind kind;
	const char *why;
} states[] = {
    {"22001", FAULT_VALUE, "too long"},
    {"22003", FAULT_VALUE, "out of range"},
    {"22026", FAULT_VALUE, "of another length"}, /* than the column's bit(n) */
    {"22008", FAULT_VALUE, "out of range"},
    {"22", FAULT_VALUE, "not a valid value"},
    {"428", FAULT_OTHER, NULL},
    {"42804", FAULT_VALUE, "not a valid value"},
    {"23502", FAULT_CONSTRAINT, "a value is missing"},
    {"23503", FAULT_CONSTRAINT, "refers to a row that is not there"},
    {"23505", FAULT_CONSTRAINT, "already there"},
    {"23P01", FAULT_CONSTRAINT, "already there"},
    {"23514", FAULT_CONSTRAINT, "not allowed by the table's rules"},
    {"23", FAULT_CONSTRAINT, NULL},
    {"44000", FAULT_CONSTRAINT, "not allowed by the table's rules"}, /* a view's check option */
    {"40", FAULT_BUSY, NULL}, /* a deadlock, say: the other one goes on */
    {"42501", FAULT_PERMISSION, NULL},
    {"25006", FAULT_PERMISSION, NULL},
    {"42P01", FAULT_MISSING, NULL},
    {"42703", FAULT_MISSING, NULL},
    {"42883", FAULT_MISSING, NULL},
    {"42704", FAULT_MISSING, NULL},
    {"3F000", FAULT_MISSING, NULL},
    {"55P03", FAULT_BUSY, NULL},
    {"53100", FAULT_SPACE, NULL},
    {"53300", FAULT_GONE, NULL},
    {"57P", FAULT_GONE, NULL},
    {"08", FAULT_GONE, NULL},
    {"28", FAULT_GONE, NULL},
    {"3D000", FAULT_GONE, NULL},
};

/*
 * "unnamed portal parameter $3 = …": the context of a value that cannot be read, in any language.
 * A context that quotes something before it is another one, as is the statement a foreign table's
 * server was sent.
 */
static size_t parameter_of(const char *context)
{
	const char *at = context != NULL ? strpbrk(context, "$\":\n") : NULL;
	char digits[8] = "";
	int64_t n = 0;

	if (at == NULL || *at != '$')
		return 0;
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)strspn(at + 1, "0123456789"), at + 1);
	return text_int(digits, 1, 65535, &n) ? (size_t)n : 0;
}

/* The only place that knows SQLSTATEs. */
static bool pg_fault(struct pg_link *p, const PGresult *result, struct fault *fault)
{
	const char *state, *text, *column, *context;
	size_t best = sizeof(states) / sizeof(states[0]);

	if (result == NULL || p->pq->PQstatus(p->conn) == CONNECTION_BAD) {
		p->link.broken = true;
		return fault_set(fault, FAULT_GONE, NULL, "%s",
				 p->late ? "no answer" : p->pq->PQerrorMessage(p->conn));
	}
	state = p->pq->PQresultErrorField(result, PG_DIAG_SQLSTATE);
	text = p->pq->PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	column = p->pq->PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
	context = p->pq->PQresultErrorField(result, PG_DIAG_CONTEXT);
	if (state == NULL)
		return fault_set(fault, FAULT_OTHER, NULL, "an answer that was not expected");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (text_starts(state, states[i].state) &&
		    (best == sizeof(states) / sizeof(states[0]) ||
		     strlen(states[i].state) > strlen(states[best].state)))
			best = i;
	/* Some types have codes of their own for what they cannot read: PostGIS has XX000, regclass
	 * that of a missing table. */
	if ((best == sizeof(states) / sizeof(states[0]) || states[best].kind == FAULT_MISSING) &&
	    fault->kind == FAULT_NONE && !text_starts(state, "P0")) {
		if (fault->line == 0)
			fault->param = parameter_of(context);
		if (fault->param > 0)
			return fault_set(fault, FAULT_VALUE, "not a valid value", "%s", state);
	}
	if (best == sizeof(states) / sizeof(states[0]))
		return fault_set(fault, FAULT_OTHER, NULL, "%s: %s", state, text);
	if (column != NULL && fault->kind == FAULT_NONE)
		(void)snprintf(fault->column, sizeof(fault->column), "%s", column);
	if (states[best].kind != FAULT_VALUE)
		return fault_set(fault, states[best].kind, states[best].why, "%s: %s", state, text);
	/* The message quotes the value, which is not for the log. */
	if (fault->kind == FAULT_NONE && fault->line == 0)
		fault->param = parameter_of(context);
	return fault_set(fault, FAULT_VALUE, states[best].why, "%s", state);
}

bool pg_good(struct pg_link *p, PGresult *result, ExecStatusType wanted, int64_t *changed,
	     struct fault *fault)
{
	ExecStatusType status = p->pq->PQresultStatus(result);
	bool good = status == wanted || (wanted == PGRES_COMMAND_OK && status == PGRES_TUPLES_OK);

	if (!good)
		(void)pg_fault(p, result, fault);
	else if (changed != NULL && !text_int(p->pq->PQcmdTuples(result), 0, INT64_MAX, changed))
		*changed = 0;
	/* A COPY somebody wrote into a configuration leaves no connection that could be used. */
	if (!good &&
	    (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH))
		p->link.broken = true;
	p->pq->PQclear(result);
	return good;
}

bool pg_run(struct pg_link *p, const char *sql, int64_t *changed, struct fault *fault)
{
	p->parsed = NULL;
	return pg_good(p, pg_ask(p, sql), PGRES_COMMAND_OK, changed, fault);
}

const char *pg_text(const struct value *v, char buf[32], size_t *ret_len)
{
	switch (v->kind) {
	case VALUE_NULL:
		return NULL;
	case VALUE_FALSE:
	case VALUE_TRUE:
		*ret_len = 1;
		return v->kind == VALUE_TRUE ? "t" : "f";
	case VALUE_INTEGER:
		if (v->text != NULL)
			break;
		*ret_len = (size_t)snprintf(buf, 32, "%lld", (long long)v->number);
		return buf;
	case VALUE_NUMBER:
	case VALUE_TEXT:
	case VALUE_JSON:
		break;
	}
	*ret_len = v->len;
	return v->text;
}
