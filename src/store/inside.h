/*
 * What store.c, the collections and the maintenance share: the store's and the pass's insides.
 * Private to store/.
 */
#ifndef SLIPWAY_STORE_INSIDE_H
#define SLIPWAY_STORE_INSIDE_H

#include "store/env.h"
#include "store/gate.h"
#include "store/memo.h"
#include "store/place.h"

#define STORE_DROPS_MAX 8 /* each drop leaks 6.6 MB of address space (store.md 1) */
#define STORE_VALUE_MAX MIB
#define STORE_KEY_MAX	KIB
#define STORE_BATCH	1000 /* records a pass of maintenance touches at most */

/* Commits of this process that wait for the disk together; numbered from 1. */
struct flush {
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t ended;  /* of a flush */
	uint64_t committed, flushed, failed;
	unsigned file; /* number of the log file that was the last one at the last commit */
	bool running;
};

struct store {
	const struct config *config;
	bool keep; /* a process of many requests (FastCGI, worker) */
	struct place place;
	int dir;		/* data_dir */
	int backup_fd;		/* `backup`: opened once, for its locks only: BACKUP_… */
	atomic_bool backing_up; /* this process holds that lock: F_GETLK does not tell */
	struct gate gate;
	struct env env;
	struct flush flush;
	struct memo *memo; /* NULL = a process of one request */
	unsigned n_drops;  /* of stale or failed handles */
	/* commits since a checkpoint was looked for; inside the gate only */
	unsigned n_unlooked;
	atomic_bool worn;	 /* the process should end */
	bool told_differ;	 /* the log has the line about differing regions */
	atomic_ullong n_recalls; /* reads that needed no pass */
	atomic_ullong n_passes;	 /* since the start of this process, for store_stat */
	atomic_ullong n_recoveries;
};

struct pass {
	struct store *store; /* NULL for a private copy */
	struct env *env;
	DB_TXN *txn;
	enum pass_kind kind;
	struct recall *recall; /* PASS_RECALL outside the gate; NULL = inside */
	uint64_t to_flush;     /* PASS_SYNC_SHARED: the commit's number */
	enum env_class worst;  /* of what Berkeley DB said so far */
	enum err bad;	       /* ours for it, when worst is not ENV_FINE */
	int number;	       /* Berkeley DB's for it */
	struct error *error;
};

static inline bool pass_writes(enum pass_kind kind)
{
	return kind != PASS_READ && kind != PASS_RECALL;
}

/* Take note of what Berkeley DB said in this pass: ERR_OK for 0, else our error. */
enum err pass_took(struct pass *, int ret, const char *what);

/* A pass on a private copy: without gate, one user. */
enum err pass_on_copy(struct env *, pass_fn *fn, void *arg, struct error *);

/*
 * Run FN inside the gate without an environment: whoever has one drops it at the next pass, which
 * recovers. For replacing the whole of db/.  FN's result is returned.
 */
enum err store_alone(struct gate *, const struct env *, enum err (*fn)(void *arg, struct error *),
		     void *arg, struct error *);

/* ---- record.c, for the collections */

/* record_put for a caller who has just read the old record. */
enum err record_replace(struct pass *, enum table, const void *key, size_t key_len,
			json_object *value);
enum err counter_get(struct pass *, const char *name, int64_t *ret); /* 0 when missing */
enum err counter_set(struct pass *, const char *name, int64_t n);
/* The first four bytes of a binary value: table number, 0, version big-endian. */
void index_head(unsigned char out[4], enum table);
#define INDEX_HEAD 4

/* Bytes of `backup` that are locked. */
enum {
	BACKUP_LOGS = 0,  /* no checkpoint removes logs */
	BACKUP_FILES = 1, /* no file of a record is unlinked */
	BACKUP_USED = 2,  /* read-locked by every process that has the store open */
};
/* Is a backup copying, so that a checkpoint must not remove logs now? */
bool store_backup_runs(const struct store *);

/* ---- flush.c */

void flush_init(struct flush *);
void flush_done(struct flush *);
/* Inside the gate, after a commit: its number for flush_wait.  Returns Berkeley DB's error. */
int flush_note(struct store *, uint64_t *ret);
/* Outside: until the commit MINE is on disk.  ERR_BUSY: it may not be. */
enum err flush_wait(struct store *, uint64_t mine, struct error *);

/* ---- lock.c: byte N of FILE (below data_dir), until *RET_FD is closed */

/* Errors: ERR_BUSY after WAIT_MS. */
enum err byte_lock(struct store *, const char *file, int64_t n, int wait_ms, int *ret_fd,
		   struct error *error);
/* Does anybody hold it? */
bool byte_lock_held(struct store *, const char *file, int64_t n);

/* ---- backup.c */

#define STORE_LOADING "loading" /* below data_dir while a load is half done */
/*
 * Was a restore begun and not ended, or (but for LOAD) a load?  Then what there is does not belong
 * together: ERR_STORE.
 */
enum err restore_check(const struct store *, bool load, struct error *);

/* ---- room.c: space on the disk (store.md 10) */

/* May a pass of this kind write?  ERR_NO_SPACE. */
enum err room_check(const struct store *, enum pass_kind, struct error *);
/* Is there room for a recovery?  Gives the ballast away for it.  ERR_NO_SPACE. */
enum err room_for_recovery(const struct store *, struct error *);
/*
 * Make it when it is missing and twice its size is free.  False: it is missing, and nobody is
 * making it.
 */
bool room_make_ballast(const struct store *);
bool room_has_ballast(const struct store *);

#endif
