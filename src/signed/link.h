/*
 * Inside the writer: one connection to a database, whichever it is.  sqlite_link.c and pg_link.c
 * implement it, writer.c drives it.  Used by one thread at a time.
 */
#ifndef SLIPWAY_SIGNED_LINK_H
#define SLIPWAY_SIGNED_LINK_H

#include "base/config.h"
#include "signed/statement.h"
#include "signed/writer.h"

#define LINK_COUNTED " RETURNING 1" /* behind what is written through a view's triggers */

/* A column as the database's catalogue has it. */
struct column {
	char *name;
	enum column_type type; /* the nearest of ours */
	bool plain;	       /* a text type: "" is a value */
	bool strict;	   /* the database would take anything: our own rules of the type decide */
	bool given;	   /* the database computes it: never written */
	int64_t max_chars; /* of a text; 0 = no limit */
	char *sql_type;	   /* PostgreSQL: as a cast names it */
	int64_t srid;	   /* of a geometry whose column has one for all; 0 = none */
};
struct table {
	char *name; /* quoted, with its schema */
	struct column *columns;
	size_t n;  /* 0 = there is no such table */
	bool bulk; /* rows can be streamed into it */
	bool view; /* of an embedded file: triggers write what only RETURNING counts */
};
void table_done(struct table *);
void table_copy(struct table *to, const struct table *from);

enum fault_kind {
	FAULT_NONE,
	FAULT_VALUE, /* a value does not fit its column */
	FAULT_CONSTRAINT,
	FAULT_PERMISSION,
	FAULT_MISSING, /* table, column, function */
	FAULT_OTHER,
	FAULT_BUSY,  /* another writer */
	FAULT_GONE,  /* no connection */
	FAULT_SPACE, /* disk full */
	FAULT__MAX
};

/* What a database said, in our words.  Start as `= {0}`. */
struct fault {
	enum fault_kind kind;
	const char *why;  /* static: "not an integer"; NULL = only the kind is known */
	size_t param;	  /* VALUE: number of the parameter from 1; 0 = unknown */
	char column[192]; /* when the database names one, else "" */
	int64_t line;	  /* of a stream, from 1; 0 = unknown */
	char text[192];	  /* for the log: code and message, no values */
	bool full;	  /* GONE: there were too many connections at that moment */
};

struct link {
	const struct link_kind *kind;
	char *key;	     /* what it leads to: links of one key are alike */
	bool broken;	     /* closed when given back */
	bool used_sql;	     /* ran statements of a configuration: its session may differ */
	bool stale;	     /* what it knows of tables is to be read again */
	bool fresh;	     /* the last table described was read just now */
	int64_t deadline_ms; /* on the monotonic clock; of the running write */
	int64_t idle_ms;     /* on the same: nobody has used it since */
};

struct prepared; /* belongs to its link */

/* What every statement is called with: parameters in their order. */
struct params {
	const struct value *values;
	size_t n;
};

struct write; /* writer_inside.h */

struct link_kind {
	enum statement_dialect dialect;
	char marker;	 /* of parameters: '?' or '$' */
	bool fails_rows; /* an error ends the transaction unless a savepoint was set */

	bool (*open)(const struct config *, const struct receiver *, const char *key,
		     struct link **ret, struct fault *);
	/* The link still leads where its key says. */
	bool (*alive)(struct link *);
	void (*close)(struct link *);
	/* Forget what a write left in the session; false: close it. */
	bool (*clean)(struct link *);
	bool (*describe)(struct link *, const struct receiver *, struct table *ret, struct fault *);
	/* BEGIN and the receiver's lock. */
	bool (*begin)(struct link *, const struct write_order *, struct fault *);
	/* One statement.  THEIRS: it stands in a configuration. */
	bool (*exec)(struct link *, const char *sql, struct params, bool theirs, int64_t *changed,
		     struct fault *);
	bool (*prepare)(struct link *, const char *sql, size_t n_params, bool theirs,
			struct prepared **ret, struct fault *);
	bool (*step)(struct link *, struct prepared *, struct params, int64_t *changed,
		     struct fault *);
	void (*finish)(struct link *, struct prepared *);
	/* Store the order's mark or tell it; then COMMIT, or with dry_run check what COMMIT would
	 * and roll back. */
	bool (*commit)(struct link *, const struct write_order *, struct fault *);
	void (*rollback)(struct link *);
	/*
	 * One part of a transaction that several small writes share, each all or nothing: begun,
	 * ended with the order's mark, undone.  NULL: there is no such thing here.  False of
	 * part_undo: the whole transaction is gone.
	 */
	bool (*part_begin)(struct link *, struct fault *);
	bool (*part_end)(struct link *, const struct write_order *, struct fault *);
	bool (*part_undo)(struct link *);
	/* Stream all rows of a checked write.  NULL: there is no faster way than row by row. */
	bool (*bulk)(struct write *, struct write_counts *, struct fault *);
	/* Find fault->param: which of the values cannot become its column's type.  May be NULL. */
	void (*blame)(struct link *, const struct column *const *columns, struct params,
		      struct fault *);
	enum mark_state (*outcome)(struct link *, const unsigned char mark[32], const char *kept);
	bool (*read)(struct link *, const char *sql, const struct table *,
		     const struct table_reader *, struct fault *);
};
extern const struct link_kind sqlite_link_kind, pg_link_kind;

/* Owns: caller ends with targets_give. */
bool targets_take(struct targets *, const struct receiver *, struct link **ret, struct refusal *);
void targets_give(struct targets *, struct link *);
struct lanes *targets_lanes(struct targets *);
/* Of those who gather to write together; each group takes its turn in the lanes. */
struct lanes *targets_gatherings(struct targets *);

/* The path of a receiver's own SQLite file.  Caller frees. */
char *targets_file(const struct config *, const struct receiver *);

/* Fill FAULT (the first one stands) and return false. */
bool fault_set(struct fault *, enum fault_kind, const char *why, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What is answered for it; PLACE: "row 3".  Returns false. */
bool fault_refuse(const struct fault *, const char *place, struct refusal *);
/* "not an integer" and the like. */
const char *fault_not_a(enum column_type);

#endif
