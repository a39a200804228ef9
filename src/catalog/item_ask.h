/*
 * The statements of a list of data items.  They are put together from fixed texts and column names
 * of fixed tables; every value is bound.
 *
 * What a viewer sees is a union of disjoint ranges of indexes ("branches"); few candidates by
 * another index ("drive") are checked one by one instead.  Source: contracts/datas.md 11.
 */
#ifndef SLIPWAY_CATALOG_ITEM_ASK_H
#define SLIPWAY_CATALOG_ITEM_ASK_H

#include "base/buf.h"
#include "catalog/item_db.h"

#define ASK_BINDS    256 /* different values of one statement: subjects, lists of them, filters */
#define ASK_BRANCHES 72	 /* public, own, and two for each of 33 subjects */

/* A statement that grows: begun by ask_open, ended by ask_free. */
struct ask_text {
	struct buf sql;
	struct {
		const char *text; /* borrowed; NULL: number */
		int64_t number;
	} binds[ASK_BINDS];
	int n;
};
void ask_open(struct ask_text *);
void ask_free(struct ask_text *);
void ask_add(struct ask_text *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ask_bind_text(struct ask_text *,
		   const char *text); /* writes "?n"; the same pointer is bound once */
void ask_bind_number(struct ask_text *, int64_t number);
/* The statement as it stands, with its values.  Borrowed as conn_prepare's. */
enum err ask_prepare(struct conn *, struct ask_text *, sqlite3_stmt **ret, struct error *);

enum ask_drive {
	DRIVE_NONE,
	DRIVE_IDS,
	DRIVE_NAME,
	DRIVE_WORDS,
	DRIVE_TAGS,
	DRIVE_DIRS,
	DRIVE_OWNERS
};

enum branch_kind {
	BRANCH_SEEN,	/* item: everybody sees it, or (vis 0) administrators do */
	BRANCH_UNREADY, /* item: shared to GUEST, not whole yet */
	BRANCH_OWN,	/* item: of one owner */
	BRANCH_SHARED	/* item_share: of one subject */
};
struct branch {
	enum branch_kind kind;
	int vis;	/* SEEN, OWN: item.vis; SHARED: item_share.live */
	int below;	/* OWN, SHARED: only where GUEST has less than this; 0 = any */
	int least;	/* SEEN: GUEST has at least this; 0 = any */
	bool check;	/* OWN: another's, so each is checked for the viewer */
	size_t subject; /* SHARED: which one; earlier ones (from FIRST) that have the item, too,
			   come first */
	size_t first;
	int64_t n; /* items in it; -1 = not counted yet */
};

/* A question, prepared.  Owns its texts. */
struct ask_plan {
	const struct item_query *q;
	const char *user;      /* "" = nobody */
	json_object *subjects; /* of the viewer */
	char *subjects_text;   /* as JSON */
	char *ids, *tags, *owners, *types, *statuses, *services,
	    *dirs;		     /* JSON lists, NULL = no filter */
	char *name;		     /* NFC */
	char *earlier[ASK_BRANCHES]; /* JSON lists of subjects, for disjointness */
	char **words;		     /* keywords that must be compared, NULL-terminated */
	char *match;		     /* FTS5 expression, NULL = no keyword */
	const char *owner;	     /* the one owner that is asked for, NULL */
	bool nothing;		     /* nothing can match */
	unsigned n_filters;	     /* conditions but what the branches say */
	enum ask_drive drive;
	bool known;	    /* item_in holds the very matches: nothing else is asked */
	bool by_set;	    /* filters that item_scan holds are asked of item_in */
	bool visible;	    /* rights are asked of item_visible */
	unsigned n_scanned; /* filters that item_scan holds */
	struct branch branches[ASK_BRANCHES];
	size_t n_branches;
};
void plan_open(struct ask_plan *, const struct item_query *);
void plan_close(struct ask_plan *);
/* The branches that make up what is asked for. */
void plan_branches(struct ask_plan *);
/* All items, for when the matches are known. */
void plan_known(struct ask_plan *);

/* How a branch is read. */
struct reading {
	enum item_order order; /* the key that is selected */
	const char *family; /* of the index of branch SEEN: "created" … "id"; NULL: of the order */
	bool count;	    /* count(*) instead */
	bool descending;
	const struct piece *piece; /* only this part of the order, NULL = all */
};

/* One item's place in an order. */
struct anchor {
	char *text;	/* its key, of an order by text: owned */
	int64_t number; /* else */
	int64_t id;
};
/*
 * A part of an order as one range of an index: SQLite does not compare (key, id) with an index
 * whose second column is the row's own id.  "After" and "before" follow the direction.
 */
struct piece {
	const struct anchor *equal;	/* only this key */
	const struct anchor *after;	/* only keys after this one */
	const struct anchor *until;	/* only keys before this one */
	const struct anchor *id_from;	/* only this id and what follows */
	const struct anchor *id_before; /* only ids before this one */
};
#define PIECES_MAX 3
/* What lies from FROM (NULL: the beginning) to before BEFORE (NULL: the end): how many pieces. */
size_t ask_pieces(enum item_order, const struct anchor *from, const struct anchor *before,
		  struct piece ret[PIECES_MAX]);
void ask_branch(struct ask_text *, const struct ask_plan *, const struct branch *,
		const struct reading *);
/* The candidates of plan->drive, checked. */
void ask_candidates(struct ask_text *, const struct ask_plan *, const struct reading *);
/* A statement of the ids in item_scan that pass its filters, of those with this vis (-1 = any). */
void ask_scan(struct ask_text *, const struct ask_plan *, int vis);
/* The column of an order, "id" for ITEM_BY_ID; is it a number? */
const char *ask_column(enum item_order);
bool ask_is_number(enum item_order);

#endif
