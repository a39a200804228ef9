/*
 * Inside the upload engine: what its files share.  Private to upload/.
 *
 *   engine.c    the engine, its words, modes      lock.c      who may write, and how a newcomer
 *               displaces him
 *   admit.c     limits, quota, rate, space        upload.c    create     open.c  open
 *   recover.c   append mode after a crash         pour.c      a body read to its end
 *   append.c    append mode, bytes pulled         push.c      bytes pushed, all modes
 *   range.c     range mode                        ranges.c    its list
 *   parts.c     parts mode                        concat.c    lists of other uploads
 *   receive.c   how bytes reach the disk          hash.c      digests of the whole file
 *   pieces.c    memory that long bodies pass
 *   complete.c  the order of completion, the one commit
 *   assemble.c  joining and hashing, here or by the worker
 *   name.c      names told late
 *   key.c       clients' own identifiers          spool.c     bytes whose upload comes later
 *   agree.c     other bytes than those stored?
 *   info.c      status and consumers              remove.c    deletion, references
 *   expiry.c    when uploads end                  sweep.c     the sweep
 *
 * Members of a record beyond transports.md 1.1:
 *   received    range, parts: bytes anywhere, for quota and space   copies      of the length
 *   by_mark     complete only by the client's word                  hash        wanted digests,
 *   bits
 *   md5 …       digests of the complete file                        task        id of its assemble
 *   task
 *   finals      partial: ids of the lists that wait for it          partial     of no use by itself
 *   key, key_stays, asked    the client's key and the length it was created with
 */
#ifndef SLIPWAY_UPLOAD_ENGINE_H
#define SLIPWAY_UPLOAD_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/config.h"
#include "base/json.h"
#include "base/tally.h"
#include "store/store.h"
#include "upload/ranges.h"
#include "upload/upload.h"

#define ID_LEN		 32
#define MARK_LEN	 21    /* "c", "d" or "s" and 20 digits: see upload_mark */
#define ASSEMBLE_LOOK_MS 60000 /* after this the sweep looks who assembles */
#define POLL_MS		 250   /* longest wait for bytes before `stop` is looked for */
/* received bytes between two notes of the offset in the record */
#define NOTE_BYTES (256 * MIB)

/*
 * Memory that long bodies pass through, two pieces each.  A process keeps one pair, of large pieces
 * in huge pages: a disk takes 2 MiB at once half as fast again as 512 KiB, and in few segments.
 * Whoever comes while it is in use has small ones of his own, so that memory stays bounded.
 */
#define PIECE_LEAST (512 * KIB) /* what goes to the disk at once */
#define PIECE_MOST  (2 * MIB)	/* the same, of the pair that is kept */
struct pieces {
	pthread_mutex_t mutex;
	unsigned char *kept; /* NULL = no long body came yet */
	bool taken;
};
void pieces_init(struct pieces *);
void pieces_done(struct pieces *);
/* Two pieces of *RET_SIZE bytes, one behind the other; caller gives them back with pieces_give. */
unsigned char *pieces_take(struct pieces *, size_t *ret_size);
void pieces_give(struct pieces *, unsigned char *pair);

struct engine {
	const struct config *config;
	struct store *store;
	struct tally *tally;
	int data;	 /* data_dir */
	int dir;	 /* <data_dir>/uploads */
	bool sync;	 /* false: upload.sync = none */
	bool ack_commit; /* the file system may show a length before its bytes (store.md 8) */
	char boot_id[37];
	struct pieces pieces;
	atomic_bool queued; /* there is work for the worker, which nobody was told of */
};

/* How one fill mode differs from the others: everything shared asks here. */
struct mode {
	const char *name; /* in the record */
	const char *file; /* made with the upload; its last change is the upload's */
	bool shared;	  /* writers work side by side */
	int copies;	  /* space needed, in times of the length */
	/*
	 * Find what has arrived; repair what a crash left, as far as the lock allows: with a shared
	 * one others are at work.
	 */
	enum err (*recover)(struct upload *, struct error *);
	/* What may be told of it without the lock: offset, received. */
	void (*look)(struct upload *);
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
	int64_t quota;	  /* bytes its owner may still add */
	int64_t promised; /* bytes of other uploads still to come */
};

/* What is being pushed. */
enum push { PUSH_NONE, PUSH_RANGE, PUSH_PART };

/* The range that this request writes. */
struct span {
	int64_t first, at; /* its bytes so far are [first, at) */
	int64_t end;	   /* it may not go past this */
	int64_t noted;	   /* [first, noted) is in the record */
};

struct upload {
	struct engine *engine;
	char id[ID_LEN + 1];
	const struct mode *mode;
	enum upload_want want;
	enum upload_state state;
	json_object *record; /* as stored, or as it will be */
	int dir, lock, part; /* -1 = not open; `lock` holds the lock */
	int direct;	     /* `part` once more, for writing past the page cache; -1 = not open */
	bool exclusive;	     /* the lock is ours alone */
	bool lockless;	     /* being assembled by somebody: whatever comes is dropped */
	bool by_mark;	     /* having all bytes does not complete it */
	bool assembling;     /* complete but for the joining or hashing */
	int64_t length;	     /* declared, -1 = unknown */
	int64_t offset;	     /* bytes in `part` from its start without a gap */
	int64_t received;    /* bytes anywhere; append: not kept */
	int64_t durable;     /* append: bytes on disk */
	bool pending;	     /* the record was never committed: closing drops it */
	bool kept;	     /* a record is about to be: what its openers look for is written */
	bool doubtful;	     /* perhaps it was: closing leaves it to the sweep */
	bool marked;	     /* the lock file says that bytes may not be on disk */
	bool named;	     /* its file was made under its last name, `data` */
	bool staged;	     /* named `data`: only the commit is missing */
	struct room room;
	char *address;	    /* of the creator while pending: for the rate; owned */
	int64_t checkpoint; /* offset of the last fdatasync inside a body */
	int64_t begun;	    /* offset up to which the kernel was told to start writing */
	int64_t looked;	    /* when `stop` was last looked for, monotonic ms */
	enum err refused;   /* a push failed with this */
	struct digest_run *runs[DIGEST__MAX]; /* fed while bytes come in order; NULL = not wanted */
	int64_t run_bytes;		      /* what they have seen */
	unsigned asked;	       /* by upload_want_digest, bits as in the record's `hash` */
	json_object *expected; /* told by upload_expect, [{algorithm, value}]; owned, NULL = none */
	char replaces[ID_LEN + 1]; /* while pending: the upload that has its key now and loses it */
	bool key_taken;		   /* it was not created because its key was taken */
	enum push pushing;
	int64_t pushed;	      /* bytes of this push */
	struct ranges ranges; /* range mode: what is stored */
	struct span span;     /* range mode: what is being written */
	bool span_exact;      /* it is to be written to its end */
	int aside;	      /* a body in a file of its own, -1 = none */
	char aside_name[40];  /* "in.<pid>.<random>" */
	int64_t aside_bytes;
	uint32_t number;	/* parts mode: the part being written */
	int64_t most;		/* parts mode: bytes it may have */
	uint32_t parts;		/* parts mode: how many there are to be */
	uint32_t parts_there;	/* parts mode: how many have come */
	int sizes;		/* parts mode: the file of their sizes, -1 = not open */
	bool partials_complete; /* concat mode: all of them are */
	bool assembler;		/* we are the worker: nothing is put off */
	bool (*beat)(void *arg, int64_t done, int64_t total); /* of upload_assemble; NULL = none */
	void *beat_arg;
	int64_t beaten; /* monotonic ms */
};

/* ---- concat.c */
/* What the partials of a list are, together. */
struct concat {
	bool complete;	  /* all are */
	bool broken;	  /* not all are there, partial and their owner's */
	int64_t length;	  /* -1: not all are known */
	int64_t received; /* bytes of those that are complete */
};
enum err concat_look(struct pass *, const json_object *ids, const char *owner, struct concat *ret);
/* May SPEC's partials be joined?  ERR_CONCAT. */
enum err concat_check(struct engine *, const struct upload_spec *, struct concat *ret,
		      struct error *);
void concat_record(json_object *record, const struct upload_spec *);
/* In the pass that creates U: its partials learn of it. */
enum err concat_link(struct pass *, const struct upload *, const json_object *record,
		     struct error *);
/* In the pass that completes PARTIAL: add the finals that learn of it to *READY (NULL at first). */
enum err concat_partial_done(struct pass *, const struct engine *, const json_object *partial,
			     json_object **ready);
/* After that commit: they are complete if nothing is missing. */
void concat_wake(struct engine *, const json_object *finals);
/* In the pass that ends PARTIAL: finals that wait for it end, too. */
enum err concat_partial_gone(struct pass *, const struct engine *, const json_object *partial,
			     json_object **broken, struct tally_uploads *);
/* After that commit. */
void concat_remove(const struct engine *, const json_object *broken);
/* The final U is complete: its partials are not needed much longer. */
void concat_leave(const struct upload *);
bool concat_whole(const struct upload *);
void look_concat(struct upload *);
enum err recover_concat(struct upload *, struct error *);
enum err concat_join(struct upload *, struct error *);

/* ---- engine.c */
enum pass_kind
engine_kind(const struct engine *); /* SYNC, or WRITE_NOSYNC with upload.sync = none */
bool engine_stopping(void);
void id_place(const char *id, char out[40]); /* "4f/4f0c…", relative to uploads */
const char *state_word(enum upload_state);
enum upload_state state_of(const json_object *record);
const char *reason_word(enum upload_reason);
enum upload_reason reason_of(const json_object *record);
enum err sync_fd(const struct engine *, int fd, const char *what, struct error *);
enum err sync_data(const struct engine *, int fd, struct error *);
/* Metrics: what happened to RECORD's upload.  Added to the site's when its pass has succeeded. */
void count(struct tally_uploads *, enum tally_event, const json_object *record);

/* ---- lock.c */
/*
 * The file whose lock is an upload's: `lock`, or `data` of one that was whole in one request and
 * has no other.  -1 and errno.
 */
int lock_open(int dir);
/* EXCLUSIVE or shared; true when taken.  Never waits. */
bool lock_try(int fd, bool exclusive);
/*
 * Take it, displacing whoever holds it.  Errors: ERR_LOCKED after upload.lock_wait, ERR_STOPPING.
 */
enum err lock_displace(struct upload *, struct error *);
/*
 * Take it side by side with other writers; whoever wants it alone goes first.  TRY: do not wait.
 * Errors: ERR_LOCKED, ERR_STOPPING.
 */
enum err lock_share(struct upload *, bool try, struct error *);
/* From alone to side by side. */
void lock_ease(struct upload *);
/* Does the lock file say that its upload is written side by side? */
bool lock_is_shared_kind(int lock);
/* Does somebody hold it exclusively, or at all?  Asks only. */
bool lock_held(int fd);
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
	bool create;	     /* count it and check the rate */
	bool commit;	     /* write the rate's counter */
	int64_t length;	     /* of the new upload, -1 = unknown; 0 for an open one */
	int64_t parts;	     /* of the new upload, parts mode */
	struct room room;    /* result */
	struct error *error;
};
enum err admit_pass(struct pass *, void *admission);
/*
 * Bytes on the disk: COPIES times LENGTH (-1 = unknown) and what others were promised must leave
 * min_free.
 */
enum err admit_space(const struct engine *, int64_t length, int copies, int64_t promised,
		     struct error *);
/* Old rate counters go: at most MAX. */
enum err rates_sweep(struct pass *, int64_t now_ms, size_t max);

/* ---- recover.c */
/*
 * Open `part`, or `data` of an upload completed but for the commit (u->staged); *RET_SIZE bytes are
 * in it.  Fewer than BOUND, or neither name: lost.
 */
enum err recover_part(struct upload *, int64_t bound, int64_t *ret_size, struct error *);
enum err recover_append(struct upload *, struct error *);
/* The record says there is a file and there is none, or a shorter one. */
enum err upload_lost(struct upload *, struct error *);
/* Bodies of requests that died. */
void remove_bodies(const struct upload *);

/* ---- receive.c */
/* Write N bytes at the end of `part`; u->offset tells how many arrived even on error. */
enum err receive(struct upload *, const void *bytes, size_t n, struct error *);
/* Make what arrived durable; on failure the upload goes back to what is. */
enum err receive_sync(struct upload *, struct error *);
/* Cut `part` back to OFFSET. */
enum err receive_cut(struct upload *, int64_t offset, struct error *);
/* The end of a request's bytes: durable, and committed where the file system needs it. */
enum err receive_end(struct upload *, struct error *);
/* Up to BYTES come now; receive_end ends it. */
void receive_begin(struct upload *, int64_t bytes);
/* How much may `part` grow by now, and what is the word when it is full? */
int64_t receive_room(const struct upload *, enum err *ret_full);
/* A body in a file of its own, in.<pid>.<random>: begun, filled, removed (also when there is none).
 */
enum err aside_begin(struct upload *, struct error *);
enum err aside_put(struct upload *, const void *bytes, size_t n, struct error *);
void aside_drop(struct upload *);

/* ---- range.c, parts.c: what a push does */
enum err range_put(struct upload *, const void *bytes, size_t n, struct error *);
/* What came is durable and recorded.  WHOLE: it was to be all of it. */
enum err range_end(struct upload *, bool whole, struct error *);
enum err part_put(struct upload *, const void *bytes, size_t n, struct error *);
enum err part_end(struct upload *, struct error *);
enum err recover_range(struct upload *, struct error *);
enum err recover_parts(struct upload *, struct error *);
void look_range(struct upload *);
void look_parts(struct upload *);
bool range_whole(const struct upload *);
bool parts_whole(const struct upload *);
enum err parts_join(struct upload *, struct error *);
/* After the commit: the parts are in `data`. */
void parts_remove(int dir);

/* ---- hash.c */
/* Feed what is wanted with bytes that were written at u->run_bytes. */
void hash_feed(struct upload *, const void *bytes, size_t n);
/* Bytes behind OFFSET go: digests that have seen them are of no use. */
void hash_cut(struct upload *, int64_t offset);
void hash_free(struct upload *);
/* Begin those that SPEC wants. */
void hash_begin(struct upload *, const struct upload_spec *);
/* What upload_expect was told, into the record that was just read. */
void hash_expected(struct upload *);
json_object *digests_json(const struct checksum *, size_t n);
/* Must the file be read for its digests? */
bool hash_must_read(const struct upload *);
/* Compute what is wanted of the whole `part`, note it in the record, compare.  ERR_DIGEST. */
enum err hash_check(struct upload *, struct error *);

/* ---- complete.c */
/* Does having all bytes complete it, and are they there? */
bool upload_ends(const struct upload *);
/* The lock for us alone, the record read again: somebody may have completed it meanwhile. */
enum err upload_alone(struct upload *, struct error *);
/*
 * Complete it when it is whole; nothing else.  STORED: what came is safe, so that ERR_LOCKED,
 * because somebody else completes it, is no error.
 */
enum err upload_end(struct upload *, bool stored, struct error *);
/* Store the changed record: creates it when it is pending. */
enum err upload_store(struct upload *, enum pass_kind, const char *name, struct error *);

/* ---- assemble.c */
/* Tell that DONE bytes are joined or read.  Errors: ERR_DISPLACED, ERR_STOPPING: stop it. */
enum err assemble_beat(struct upload *, int64_t done, struct error *);
/* Is that too long to be done while a request waits? */
bool assemble_later(const struct upload *);
/* Queue the task, say so in the record.  For an upload that is whole, under its lock. */
enum err assemble_queue(struct upload *, struct error *);
/* What a record says of it; the sweep looks at such ones. */
void assemble_mark(const struct engine *, json_object *record);
/* Is its task queued or running? */
bool assemble_alive(struct pass *, const json_object *record, enum err *ret);
/* Queue the task in this pass and store the record. */
enum err assemble_task(struct pass *, struct engine *, json_object *record);
/* The whole of FROM behind what is in `part`; u->offset follows. */
enum err assemble_copy(struct upload *, int from, struct error *);

/* ---- key.c */
/* What a new record remembers of its key. */
void key_record(json_object *record, const struct upload_spec *);
/* In the pass that creates it: the key becomes its own.  ERR_CONFLICT: somebody was faster. */
enum err key_take(struct pass *, const struct upload *, const json_object *record);

/* ---- info.c */
/* What may be told of an upload that somebody else is writing: what of it is durable. */
enum err status_look(struct upload *, struct error *);
void look_append(struct upload *);

/* ---- expiry.c */
/* When does it end, by its record and the file's last change?  0 = never. */
int64_t expires_at(const struct engine *, const json_object *record, int64_t touched);
int64_t touched_at(const struct upload *);
/* The last change of what bytes go to in an upload's folder, 0 = there is no such file. */
int64_t touched_in(int dir);
struct stat;
int64_t mtime_ms(const struct stat *);
void record_expire(const struct engine *, json_object *record, enum upload_reason, int64_t now);

/* ---- sweep.c */
void sweep_sometimes(struct engine *);

/* ---- remove.c */
/* The bytes of an upload whose record says that nobody needs them. */
void files_remove(const struct engine *, const char *id);

/* ---- upload.c */
struct upload *upload_new(struct engine *, const char *id, enum upload_want);
/*
 * upload_create of one that takes its key from the upload REPLACES ("" = none).  *RET_TAKEN: it
 * failed because its key is somebody else's.
 */
enum err upload_make(struct engine *, const struct upload_spec *, const char *replaces,
		     struct upload **ret, bool *ret_taken, struct error *);
/*
 * Make the files of one whose request brings its bytes, if there are none yet: BYTES come first.
 * It needs no lock file, since nobody knows it before it is complete, or kept: the file of its
 * bytes tells the sweep that it is being written.  And all its bytes at once need no name in
 * between.
 */
enum err upload_place(struct upload *, int64_t bytes, struct error *);

/* ---- open.c */
/* For an upload that only knows its id and what is wanted. */
enum err open_locked(struct upload *, const struct principal *, struct error *);
/* A handle for status, from a record that was read already (takes it).  NULL: of a mode unknown
 * here. */
struct upload *upload_from(struct engine *, json_object *record);
/* The record and what follows from it; with FIGURES those a writer needs. */
enum err upload_load(struct upload *, const struct principal *, bool figures, struct error *);
/* May WHO do this with the record?  ERR_NOT_FOUND, ERR_GONE, ERR_FORBIDDEN. */
enum err may_open(const json_object *record, const struct principal *who, enum upload_want,
		  struct error *);

#endif
