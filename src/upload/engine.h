/*
 * Inside the upload engine: what its files share.  Private to upload/.
 *
 *   engine.c    the engine, ids, places           lock.c      one writer, and how a newcomer
 *               displaces it
 *   admit.c     limits, quota, rate, space        upload.c    create, open, close
 *   recover.c   after a crash                     append.c    bytes pulled        push.c  bytes
 *               pushed
 *   receive.c   how bytes reach the disk          complete.c  the order of completion, the one
 *               commit
 *   info.c      status and consumers              remove.c    deletion, references
 *   expiry.c    the sweep
 */
#ifndef SLIPWAY_UPLOAD_ENGINE_H
#define SLIPWAY_UPLOAD_ENGINE_H

#include "base/config.h"
#include "base/json.h"
#include "store/store.h"
#include "upload/upload.h"

#define ID_LEN     32
#define MARK_LEN   21          /* "c" or "d" and 20 digits: see upload_mark */
#define POLL_MS    250         /* longest wait for bytes before `stop` is looked for */
#define NOTE_BYTES (256 * MIB) /* received bytes between two notes of the offset in the record */

struct engine {
	const struct config *config;
	struct store *store;
	int data;        /* data_dir */
	int dir;         /* <data_dir>/uploads */
	bool sync;       /* false: upload.sync = none */
	bool ack_commit; /* the file system may show a length before its bytes (store.md 8) */
	char boot_id[37];
};

/* How one fill mode differs from the others: everything shared asks here. */
struct mode {
	const char *name; /* in the record */
	bool shared;      /* writers work side by side */
	int copies;       /* space needed, in times of the length */
	/* Find what has arrived, repair what a crash left.  Under the lock. */
	enum err (*recover)(struct upload *, struct error *);
	/* Have all bytes of the declared length arrived? */
	bool (*whole)(const struct upload *);
	/* Step 1 of completion: everything into `part`.  NULL: it is there already. */
	enum err (*join)(struct upload *, struct error *);
};
/* NULL: this program does not fill uploads that way. */
const struct mode *mode_of(enum upload_mode mode);
bool mode_by_name(const char *name, enum upload_mode *ret);

/* What admission found out: how much more may come. */
struct room {
	int64_t quota;    /* bytes its owner may still add */
	int64_t promised; /* bytes of other uploads still to come */
};

struct upload {
	struct engine *engine;
	char id[ID_LEN + 1];
	const struct mode *mode;
	enum upload_want want;
	enum upload_state state;
	json_object *record; /* as stored, or as it will be */
	int dir, lock, part; /* -1 = not open; `lock` holds the lock */
	int64_t length;      /* declared, -1 = unknown */
	int64_t offset;      /* bytes in `part` from its start */
	int64_t durable;     /* of them on disk */
	bool pending;        /* the record was never committed: closing drops it */
	bool doubtful;       /* perhaps it was: closing leaves it to the sweep */
	bool marked;         /* the lock file says that bytes may not be on disk */
	bool staged;         /* named `data`: only the commit is missing */
	struct room room;
	char *address;          /* of the creator while pending: for the rate; owned */
	int64_t checkpoint;     /* offset of the last fdatasync inside a body */
	int64_t begun;          /* offset up to which the kernel was told to start writing */
	int64_t looked;         /* when `stop` was last looked for, monotonic ms */
	enum err refused;       /* a push failed with this */
	struct digest_run *run; /* of a declared digest, fed while bytes come in order */
	int64_t run_bytes;      /* what it has seen */
};

/* ---- engine.c */
enum pass_kind engine_kind(
    const struct engine *); /* SYNC, or WRITE_NOSYNC with upload.sync = none */
bool engine_stopping(void);
void id_place(const char *id, char out[40]); /* "4f/4f0c…", relative to uploads */
const char *state_word(enum upload_state);
enum upload_state state_of(const json_object *record);
const char *reason_word(enum upload_reason);
enum upload_reason reason_of(const json_object *record);
enum err sync_fd(const struct engine *, int fd, const char *what, struct error *);
enum err sync_data(const struct engine *, int fd, struct error *);
void count(struct pass *, const char *what, const char *adapter, int64_t by,
    enum err *e); /* metrics; skipped when *E */

/* ---- lock.c */
/* EXCLUSIVE or shared; true when taken.  Never waits. */
bool lock_try(int fd, bool exclusive);
/*
 * Take it, displacing whoever holds it.  Errors: ERR_LOCKED after upload.lock_wait, ERR_STOPPING.
 */
enum err lock_displace(struct upload *, bool exclusive, struct error *);
/* Is somebody waiting?  Looks at the disk every POLL_MS at most. */
bool lock_wanted(struct upload *);
/* Note in the lock file how many bytes are durable and whether more may lie behind them. */
enum err upload_mark(struct upload *, bool dirty, struct error *);
/* That note: false = none; *RET_DURABLE is its number, *RET_DIRTY whether it may be too low. */
bool mark_read(int lock, int64_t *ret_durable, bool *ret_dirty);

/* ---- admit.c */
/* The figures of OWNER inside a pass; ADD bytes of a new upload when CREATE. */
struct admission {
	const struct engine *engine;
	const char *owner;
	const char *address; /* NULL = unknown */
	bool create;         /* count it and check the rate */
	bool commit;         /* write the rate's counter */
	int64_t length;      /* of the new upload, -1 = unknown; 0 for an open one */
	struct room room;    /* result */
	struct error *error;
};
enum err admit_pass(struct pass *, void *admission);
/*
 * Bytes on the disk: COPIES times LENGTH (-1 = unknown) and what others were promised must leave
 * min_free.
 */
enum err admit_space(
    const struct engine *, int64_t length, int copies, int64_t promised, struct error *);
/* Old rate counters go: at most MAX. */
enum err rates_sweep(struct pass *, int64_t now_ms, size_t max);

/* ---- recover.c */
enum err recover_append(struct upload *, struct error *);
/* The record says there is a file and there is none, or a shorter one. */
enum err upload_lost(struct upload *, struct error *);

/* ---- receive.c */
/* Write N bytes at the end of `part`; u->offset tells how many arrived even on error. */
enum err receive(struct upload *, const void *bytes, size_t n, struct error *);
/* Make what arrived durable; on failure the upload goes back to what is. */
enum err receive_sync(struct upload *, struct error *);
/* Cut `part` back to OFFSET. */
enum err receive_cut(struct upload *, int64_t offset, struct error *);
/* The end of a request's bytes: durable, and committed where the file system needs it. */
enum err receive_end(struct upload *, struct error *);
/* How much may `part` grow by now, and what is the word when it is full? */
int64_t receive_room(const struct upload *, enum err *ret_full);

/* ---- complete.c */
/* Everything before the commit (1.8, steps 1-5). */
enum err upload_stage(struct upload *, struct error *);
/* Store the changed record: creates it when it is pending. */
enum err upload_store(struct upload *, enum pass_kind, const char *name, struct error *);

/* ---- info.c */
/* What may be told of an upload that somebody else is writing: its last durable offset. */
enum err status_offset(struct upload *, struct error *);

/* ---- expiry.c */
/* When does it end, by its record and the file's last change?  0 = never. */
int64_t expires_at(const struct engine *, const json_object *record, int64_t touched);
int64_t touched_at(const struct upload *);
void record_expire(const struct engine *, json_object *record, enum upload_reason, int64_t now);
void sweep_sometimes(struct engine *);

/* ---- remove.c */
/* The bytes of an upload whose record says that nobody needs them. */
void files_remove(const struct engine *, const char *id);

/* ---- upload.c */
/* May WHO do this with the record?  ERR_NOT_FOUND, ERR_GONE, ERR_FORBIDDEN. */
enum err may_open(
    const json_object *record, const struct principal *who, enum upload_want, struct error *);

#endif
