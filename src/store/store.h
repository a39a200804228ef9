/*
 * The store: Berkeley DB behind one gate.  Everything that happens in it happens in a pass: enter
 * the gate, begin a transaction, run a function, commit or abort, leave.
 * Source: contracts/store.md.
 */
#ifndef SLIPWAY_STORE_STORE_H
#define SLIPWAY_STORE_STORE_H

#include "base/config.h"
#include "base/json.h"

struct store; /* one per process; safe to use from many threads */
struct pass;  /* one transaction inside the gate; borrowed by a pass function */

enum pass_kind {
	PASS_READ, /* reads only; nothing is flushed */
	/*
	 * As READ, but FN is content with records as this process read them last, while nobody has
	 * changed them: then it runs outside the gate.  For a few records that are read again and
	 * again.
	 */
	PASS_RECALL,
	PASS_SYNC, /* flushed to disk before it returns */
	/*
	 * As SYNC, but flushed after the gate was left, together with others: they may see what it
	 * wrote before it is on disk.  For records that nobody builds on while they are new.
	 */
	PASS_SYNC_SHARED,
	PASS_WRITE_NOSYNC, /* survives kill -9, may be lost in a power cut */
	PASS_DELETE,	   /* as SYNC, but allowed while the disk is full */
};

/*
 * Prepare: check the data directory (store.md 11), open the gate file.  The environment itself is
 * joined by the first pass.  KEEP: keep it open between passes (FastCGI, worker); else it is closed
 * after each (CGI).
 * Owns:   caller frees *RET with store_close, which closes cleanly in a last pass.
 * Errors: ERR_STORE with a sentence for the log.
 */
enum err store_open(const struct config *, bool keep, struct store **ret, struct error *);
void store_close(struct store *);
/*
 * Would a pass that writes be let in, or is the disk too full?
 * Errors: ERR_NO_SPACE.
 */
enum err store_has_room(const struct store *, struct error *);
/* Berkeley DB and its version, as loaded. */
const char *store_library(void);

/*
 * FN runs inside the gate; it may run twice and has no effects outside the store (it may fill ARG).
 * It must not wait, take locks, do network, SQLite, fsync or file copies.  What it returns decides:
 * ERR_OK commits; anything else aborts and is returned as it is.
 * Errors: those of FN; ERR_BUSY (gate not free, commit unknown), ERR_NO_SPACE, ERR_STORE, ERR_IO.
 */
typedef enum err pass_fn(struct pass *, void *arg);
enum err store_pass(struct store *, enum pass_kind, const char *name, pass_fn *fn, void *arg,
		    struct error *);

/*
 * Has this process dropped so many stale handles (eight) that it should end when its requests are
 * done?
 */
bool store_worn_out(const struct store *);
/*
 * Is a backup copying files of uploads and datasets?  Then nothing that a record named when it
 * began is unlinked: the sweeps take it later, as they do after a crash.
 */
bool store_keeps_files(const struct store *);
/*
 * Give up the ballast for a deletion, also one outside of the store, that found the disk full to
 * the last byte.  Whoever writes when there is room again makes it anew; until then only deletions
 * may.
 */
void store_make_room(const struct store *);
/* Set by SIGTERM: passes in progress finish, waiting ones give up with ERR_STOPPING. */
void store_stop(void);

/*
 * For the self-test: tries locks and shared memory between processes anew.  *RET (also with an
 * error): {"filesystem" of the data directory ("other": none that is known to be safe),
 * "regions_in_memory"}.
 * Owns:   caller frees.
 * Errors: ERR_STORE with a sentence.
 */
enum err store_selftest(const struct store *, json_object **ret, struct error *);

/* For `slipway store stat` and /metrics: asks the kernel, enters nothing.  Caller frees. */
json_object *store_stat(const struct store *);

#endif
