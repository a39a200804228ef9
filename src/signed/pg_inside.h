/*
 * Inside the PostgreSQL target: its connection, shared by pg_link.c, pg_fault.c and pg_copy.c.
 */
#ifndef SLIPWAY_SIGNED_PG_INSIDE_H
#define SLIPWAY_SIGNED_PG_INSIDE_H

#include "base/config_target.h"
#include "signed/link.h"
#include "signed/pg_lib.h"

#define PG_TABLES 8 /* tables a connection remembers */
/*
 * Whatever database or role have set: literals are as the lexer reads them, dates as we do.  Of
 * each transaction by itself: a pool may give the next one another session, and this one to others.
 */
#define PG_SETTINGS                                                                                \
	"SET LOCAL search_path = public, pg_temp; SET LOCAL standard_conforming_strings = on;"     \
	"SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres';"                       \
	"SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex';"

struct pg_link {
	struct link link;
	const struct pg_lib *pq;
	PGconn *conn;
	const struct config *config;
	struct table known[PG_TABLES]; /* as they were last described; n = 0: empty place */
	size_t next_known;
	const struct prepared *parsed; /* whose text the statement without a name is */
	char xact[24];		       /* number of the running transaction */
	bool late;	    /* the server did not answer in time: the connection is of no use */
	int64_t limited_ms; /* when the server was last told how long a statement may take */
	char *text;	    /* parameters of the statement at hand, each with its NUL */
	size_t text_size;
	const char **values;
	size_t n_values;
};

static inline struct pg_link *pg_mine(struct link *link)
{
	return (struct pg_link *)link;
}

/*
 * What RESULT says (NULL: the connection is gone), cleared.  True when it is what WANTED says.
 */
bool pg_good(struct pg_link *, PGresult *result, ExecStatusType wanted, int64_t *changed,
	     struct fault *);
/* A statement of our own without parameters. */
bool pg_run(struct pg_link *, const char *sql, int64_t *changed, struct fault *);
/* V as PostgreSQL reads it, in BUF when it has no text of its own; NULL for NULL. */
const char *pg_text(const struct value *v, char buf[32], size_t *ret_len);

/* Before a statement of a write that began a while ago: it may take what is left of its time. */
bool pg_limit(struct pg_link *, struct fault *);

/*
 * Hand what libpq still holds to the server.  False: the connection is gone, or the server took
 * nothing until a while after the link's deadline.
 */
bool pg_flush(struct pg_link *);
/*
 * PQexec, PQexecParams, PQprepare and PQexecPrepared (of the statement without a name).
 * Errors: NULL: the connection is gone, or nothing came a while after the link's deadline.
 * Owns:   caller frees with PQclear.
 */
PGresult *pg_ask(struct pg_link *, const char *sql);
PGresult *pg_ask_with(struct pg_link *, const char *sql, size_t n, const char *const *values);
PGresult *pg_parse(struct pg_link *, const char *sql);
PGresult *pg_ask_parsed(struct pg_link *, size_t n, const char *const *values);
/* PQgetResult; NULL, too, when nothing came. */
PGresult *pg_next(struct pg_link *);

/* A connection to TARGET into P->conn, which is NULL. */
bool pg_connect(struct pg_link *, const struct config_target *, struct fault *);
bool pg_open(const struct config *, const struct receiver *, const char *key, struct link **ret,
	     struct fault *);
bool pg_alive(struct link *);
bool pg_clean(struct link *);
void pg_close(struct link *);
bool pg_describe(struct link *, const struct receiver *, struct table *ret, struct fault *);
bool pg_bulk(struct write *, struct write_counts *, struct fault *);

#endif
