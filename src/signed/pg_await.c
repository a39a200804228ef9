/*
 * Asking a PostgreSQL server, and not waiting forever: one that hangs, or a pool that has none to
 * ask, keeps the connection open and says nothing.
 */
#include "signed/pg_inside.h"

#include <errno.h>
#include <poll.h>
#include "base/clock.h"

#define MORE_MS	     2000	   /* than the server itself needs to say that time is over */
#define MORE_MOST_MS (10 * 1000LL) /* of signed.lock_wait, on top of that */

/* How long an answer may take now. */
static int64_t patience(const struct pg_link *p)
{
	int64_t more = p->config->signed_lock_wait_s * 1000, left = p->config->import_s * 1000;

	if (p->link.deadline_ms != INT64_MAX)
		left = p->link.deadline_ms - clock_mono_ms();
	return (left > 0 ? left : 0) + (more < MORE_MOST_MS ? more : MORE_MOST_MS) + MORE_MS;
}

/* What of EVENTS the socket is ready for, 0: nothing until UNTIL. */
static short wait_for(struct pg_link *p, short events, int64_t until)
{
	struct pollfd fd = {.fd = p->pq->PQsocket(p->conn), .events = events};

	for (;;) {
		int64_t left = until - clock_mono_ms();
		int n;

		if (left <= 0)
			return 0;
		n = poll(&fd, 1, left < INT32_MAX ? (int)left : INT32_MAX);
		if (n > 0)
			return fd.revents;
		if (n < 0 && errno != EINTR)
			return events;
	}
}

bool pg_flush(struct pg_link *p)
{
	int64_t until = clock_mono_ms() + patience(p);
	int left;

	while (!p->late && (left = p->pq->PQflush(p->conn)) != 0) {
		short ready = left > 0 ? wait_for(p, POLLIN | POLLOUT, until) : 0;

		if (left < 0)
			return false;
		p->late = ready == 0;
		/* It may have to be rid of something before it takes more. */
		if ((ready & POLLIN) != 0 && p->pq->PQconsumeInput(p->conn) == 0)
			return false;
	}
	if (p->late)
		p->link.broken = true;
	return !p->late;
}

PGresult *pg_next(struct pg_link *p)
{
	int64_t until = clock_mono_ms() + patience(p);

	/* Where the connection has ended PQgetResult says so. */
	while (!p->late && p->pq->PQisBusy(p->conn) != 0) {
		p->late = wait_for(p, POLLIN, until) == 0;
		if (!p->late && p->pq->PQconsumeInput(p->conn) == 0)
			break;
	}
	if (!p->late)
		return p->pq->PQgetResult(p->conn);
	p->link.broken = true;
	return NULL;
}

/* The last answer, as PQexec has it. */
static PGresult *answer(struct pg_link *p, int sent)
{
	PGresult *last = NULL, *next;

	/* What is wrong with a connection that takes nothing, PQgetResult says. */
	if (sent != 0)
		(void)pg_flush(p);
	while (sent != 0 && (next = pg_next(p)) != NULL) {
		ExecStatusType status = p->pq->PQresultStatus(next);

		p->pq->PQclear(last);
		last = next;
		if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT ||
		    status == PGRES_COPY_BOTH || p->pq->PQstatus(p->conn) == CONNECTION_BAD)
			return last;
	}
	if (p->late) {
		p->pq->PQclear(last);
		return NULL;
	}
	return last;
}

PGresult *pg_ask(struct pg_link *p, const char *sql)
{
	return answer(p, p->pq->PQsendQuery(p->conn, sql));
}

PGresult *pg_ask_with(struct pg_link *p, const char *sql, size_t n, const char *const *values)
{
	return answer(p,
		      p->pq->PQsendQueryParams(p->conn, sql, (int)n, NULL, values, NULL, NULL, 0));
}

PGresult *pg_parse(struct pg_link *p, const char *sql)
{
	return answer(p, p->pq->PQsendPrepare(p->conn, "", sql, 0, NULL));
}

PGresult *pg_ask_parsed(struct pg_link *p, size_t n, const char *const *values)
{
	return answer(p, p->pq->PQsendQueryPrepared(p->conn, "", (int)n, values, NULL, NULL, 0));
}
