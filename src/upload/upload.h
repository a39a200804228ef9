/*
 * The upload engine: received bytes of one file under an unguessable id, filled by any transport.
 * Source: contracts/transports.md 1.
 */
#ifndef SLIPWAY_UPLOAD_UPLOAD_H
#define SLIPWAY_UPLOAD_UPLOAD_H

#include "base/token.h"
#include "store/uploads.h"
#include "store/users.h"
#include "upload/body.h"

struct engine; /* one per process; many threads */
struct upload; /* one open upload: holds its lock; used by one thread */

enum upload_mode { UPLOAD_APPEND, UPLOAD_RANGE, UPLOAD_PARTS, UPLOAD_CONCAT, UPLOAD_MODE__MAX };
enum upload_state {
	UPLOAD_CREATED,
	UPLOAD_RECEIVING,
	UPLOAD_COMPLETE,
	UPLOAD_EXPIRED,
	UPLOAD_STATE__MAX
};
enum upload_reason {
	UPLOAD_IDLE,
	UPLOAD_AGE,
	UPLOAD_UNUSED,
	UPLOAD_DELETED,
	UPLOAD_INVALID,
	UPLOAD_REASON__MAX
};
enum upload_want {
	UPLOAD_WANT_STATUS, /* no lock, disturbs nobody */
	UPLOAD_WANT_WRITE,  /* the newest writer wins: displaces the one that writes now */
	/*
	 * as WRITE, but ERR_LOCKED at once unless the writer got no byte for iserver.takeover_idle
	 */
	UPLOAD_WANT_TAKEOVER,
	UPLOAD_WANT_REMOVE,
};

/* A digest the client promised. */
struct checksum {
	enum digest algorithm;
	unsigned char value[64]; /* digest_size(algorithm) bytes */
};

struct upload_spec {
	struct principal owner;
	const char *adapter; /* "form", "put", "tus", … */
	enum upload_mode mode;
	const char *name;	       /* display name, already cleaned */
	const char *rel_path;	       /* NULL = none */
	const char *media_type;	       /* NULL = none */
	const char *meta;	       /* raw metadata text, NULL = none */
	int64_t length;		       /* bytes, -1 = not known yet */
	const struct checksum *digest; /* of the whole file, N_DIGESTS of them, NULL = none */
	size_t n_digests;	       /* 0 with DIGEST set counts as 1 */
	/*
	 * 1u << enum digest: computed while receiving whether declared or not; in the record at
	 * completion
	 */
	unsigned hash;
	const char *address; /* client address for the creation rate */
	bool partial;	     /* tus partial upload: never usable by a consumer */
	/* the record waits for completion or upload_keep: see upload_create */
	bool late;
	/* complete only by the client's word (FINISH), not by reaching the length (IETF) */
	bool by_mark;
	uint32_t parts; /* PARTS: how many, 1..upload.max_parts */
	/* CONCAT: ids of N_CONCAT partial uploads in order; length -1 */
	const char *const *concat;
	size_t n_concat;
	const char *key; /* upload_key of the client's own identifier, NULL = none */
	/* it names a complete upload, too, for upload.idle_ttl: Idempotency-Key */
	bool key_stays;
};

struct upload_info {
	char id[33];
	char owner[160];
	char *name;	/* display name */
	char *rel_path; /* NULL = none */
	/* of `data`, relative to the data directory: never shown to a client */
	char *path;
	int64_t length;	  /* declared, -1 = unknown */
	int64_t offset;	  /* durable bytes from the start without a gap */
	int64_t received; /* durable bytes anywhere: parts and ranges too */
	int64_t stored;	  /* bytes in the file now, durable or not: live progress */
	bool writing;	  /* somebody holds the lock and writes */
	enum upload_mode mode;
	bool partial, by_mark;
	uint32_t parts;	  /* PARTS: how many */
	size_t n_concat;  /* CONCAT: how many partials */
	char *meta;	  /* as given at creation; NULL = none */
	char *media_type; /* NULL = none */
	enum upload_state state;
	enum upload_reason reason; /* when expired */
	bool assembling;
	int64_t created, expires; /* ms; expires 0 = never */
	char adapter[24];
	char md5[33], sha1[41], sha256[65]; /* "" = not computed */
};
void upload_info_done(struct upload_info *);

/*
 * Many threads share one.  Errors: ERR_STORE when data_dir cannot be used or file locks do not work
 * there.
 */
enum err engine_open(const struct config *, struct store *, struct engine **ret, struct error *);
void engine_close(struct engine *);
/* From a signal handler: bodies in progress are stored and end with ERR_STOPPING. */
void engine_stop(void);

/*
 * An upload of adapter "form" or "put" is a whole file in one request, which nobody is told of
 * before it is complete: its record waits for uploads_commit (or whatever completes it), so that
 * creation, body and completion are one commit; upload_close before that leaves nothing behind.  So
 * it is with LATE, for the first bytes of an upload whose client learns its id only with the answer
 * to them.
 * A PRINCIPAL of NULL is one of our own consumers (worker, command line), which may do everything.
 * Owns: caller ends *RET with upload_close, which stores nothing and releases the lock.
 * Writers of ranges and parts work side by side.  What is being assembled is opened, too: it takes
 * nothing more, every call says ERR_OK.
 * Errors: those of transports.md 1.11 (ERR_TOO_LARGE, ERR_QUOTA, ERR_RATE, ERR_NO_SPACE);
 * ERR_CONCAT: not all of the list are partial uploads of this owner;
 * ERR_NOT_FOUND for wrong owners too; ERR_GONE; ERR_LOCKED after upload.lock_wait.
 */
enum err upload_create(struct engine *, const struct upload_spec *, struct upload **ret,
		       struct error *);
enum err upload_open(struct engine *, const char *id, const struct principal *, enum upload_want,
		     struct upload **ret, struct error *);
void upload_close(struct upload *);

const char *upload_id(const struct upload *); /* borrowed */
int64_t upload_offset(const struct upload *);
int64_t upload_length(const struct upload *);
bool upload_is_complete(const struct upload *);
int64_t upload_expires(const struct upload *); /* ms; 0 = never */
/*
 * Store the record of a LATE upload that waits, with what arrived: from now on it outlives us.
 * Nothing to do for others.  Errors: as upload_create; upload_close then leaves nothing behind.
 */
enum err upload_keep(struct upload *, struct error *);

/*
 * Append BODY at OFFSET.  Durable when it returns, with what it says in *RET_OFFSET, also on error.
 * Completes the upload when the declared length is reached; with FINISH also when BODY ended well
 * (its own length, or its transport's end mark, was reached) and no length was declared.
 * Errors: ERR_OFFSET, ERR_EXCEEDED, ERR_CUT, ERR_DISPLACED, ERR_NO_SPACE, ERR_CHECKSUM,
 * ERR_STOPPING.
 */
enum err upload_append(struct upload *, int64_t offset, struct body *, const struct checksum *,
		       bool finish, int64_t *ret_offset, struct error *);
/*
 * The same pushed instead of pulled, for parts of a multipart body: bytes go to disk as they come.
 * upload_push keeps what it wrote even on error; an upload that refused bytes is never completed by
 * this request.  upload_push_end makes it durable, and completes it with COMPLETE or when the
 * declared length is reached; without COMPLETE an upload whose record waits goes on waiting, for
 * uploads_commit.
 */
enum err upload_push(struct upload *, const void *bytes, size_t n, struct error *);
enum err upload_push_end(struct upload *, bool complete, struct error *);

/*
 * Range mode: bytes [FIRST, FIRST + LEN) of BODY, in any order, side by side with others.  What
 * came of a cut body is kept.  Completes the upload when everything is there.  LEN -1: as long as
 * the body.
 * Errors: ERR_LENGTH (outside the declared length, too many gaps, body of another length), ERR_CUT,
 * ERR_NO_SPACE;
 * ERR_OK without effect when the upload is complete.
 */
enum err upload_put_range(struct upload *, int64_t first, int64_t len, struct body *,
			  struct error *);
/*
 * Parts mode: part NUMBER (from 0) replaces an earlier one when BODY is whole; a cut body changes
 * nothing.
 */
enum err upload_put_part(struct upload *, uint32_t number, struct body *, struct error *);
/*
 * The same two pushed: begin, then upload_push, then upload_push_end (its COMPLETE has no meaning
 * here).  Without the end a range keeps what came, a part is dropped.
 */
enum err upload_push_range(struct upload *, int64_t first, int64_t len, struct error *);
enum err upload_push_part(struct upload *, uint32_t number, struct error *);
/* Are bytes [FIRST, FIRST + LEN) stored?  (STATUS is enough.)  Is part NUMBER? */
bool upload_covers(const struct upload *, int64_t first, int64_t len);
bool upload_has_part(const struct upload *, uint32_t number);
/* Drop all parts of an unfinished parts upload: its client begins anew. */
enum err upload_restart(struct upload *, struct error *);

/*
 * Bytes whose upload is not known yet, because the fields that name it come behind them: kept in a
 * file of their own, then read as a body.  spool_end removes it.
 * Errors: ERR_NO_SPACE, ERR_TOO_LARGE over upload.max_size.
 */
struct spool;
enum err spool_begin(struct engine *, struct spool **ret, struct error *);
enum err spool_push(struct spool *, const void *bytes, size_t n, struct error *);
struct body spool_body(struct spool *); /* from its start; borrowed until spool_end */
void spool_end(struct spool *);
/*
 * All of it becomes the bytes of an append upload that was just created with its record waiting: by
 * a new name where the file system can, so that nothing is written twice.  The spool can still be
 * read; then spool_end.
 * Errors: as upload_push.
 */
enum err upload_take(struct upload *, struct spool *, struct error *);

/*
 * The key of a client's own identifier: SHA-256 over length-prefixed owner (and address for owner
 * "-"), DIALECT and
 * FIELDS (NULL-terminated).
 */
void upload_key(const struct principal *, const char *address, const char *dialect,
		const char *const *fields, char out[65]);
/*
 * The upload that SPEC->key names, opened for writing, or a new one: of any number of requests that
 * come together one creates and all get the same.  A complete one is kept under its key for a
 * minute, for the repetition of a request whose answer was lost; with FRESH (a first chunk) the key
 * goes to a new upload instead.  An expired one too.
 * Errors: as upload_create and upload_open; ERR_CONFLICT: there, with another length or other
 * metadata.
 */
enum err upload_claim(struct engine *, const struct upload_spec *, bool fresh, struct upload **ret,
		      bool *ret_created, struct error *);
/*
 * For keys that two clients may share: be alone with KEY until *RET_FD is closed.  Then BODY, which
 * is for FIRST of a range upload or is part NUMBER, can be compared with what is stored there: *RET
 * is false when one byte of it is another one.
 * What nobody stored yet agrees.  Errors: ERR_LOCKED: it is not to be had within upload.lock_wait,
 * or being put together.
 */
enum err upload_key_lock(struct engine *, const char key[65], int *ret_fd, struct error *);
enum err upload_agrees(const struct upload *, int64_t first, uint32_t number, struct body *,
		       bool *ret, struct error *);
/* The id under KEY, "" = none.  With FRESH a complete one loses its key and is not told. */
enum err upload_by_key(struct engine *, const char key[65], bool fresh, char ret_id[33],
		       struct error *);

/*
 * Complete all of V, as upload_finish, and run WITH (NULL = none) in the same transaction: ONE
 * commit for the files of a request and the consumer's records about them, all or nothing.  When
 * WITH runs the uploads are complete in the transaction, so it may upload_hold them.  N may be 0.
 * Errors: those of completion, before anything is committed; those of WITH, as they are: nothing is
 *         stored then, and the uploads can be committed again or dropped by upload_remove or
 *         upload_close.  After ERR_BUSY with an unknown outcome they are left alone: the sweep
 *         removes them when the commit did not happen.
 */
enum err uploads_commit(struct engine *, struct upload *const *v, size_t n, pass_fn *with,
			void *arg, struct error *);

enum err upload_set_length(struct upload *, int64_t length, struct error *);
/*
 * From now on only the client's word completes it (see BY_MARK), however it began: for an append
 * that reaches the length and says that more follows.
 */
enum err upload_set_by_mark(struct upload *, struct error *);
/* The display name, told late.  A complete upload keeps its own. */
enum err upload_set_name(struct upload *, const char *name, struct error *);
/*
 * Declare another digest of the whole file, before upload_finish: for protocols that tell it at the
 * end.
 */
enum err upload_expect(struct upload *, const struct checksum *, struct error *);
/*
 * Have a digest in the record when this request completes the upload, as upload_spec's `hash` from
 * the beginning.
 */
void upload_want_digest(struct upload *, enum digest);
/* MD5 of the bytes stored so far, from the running digest or by reading them once. */
enum err upload_md5(struct upload *, char out[33], struct error *);
/*
 * Idempotent.  Parts mode and by_mark complete only so (or by FINISH, or when all parts are there);
 * ERR_INCOMPLETE otherwise, and what came is kept.
 */
enum err upload_finish(struct upload *, struct error *);
enum err upload_remove(struct upload *, enum upload_reason, struct error *);

/* The first bytes of a complete upload's file into BUF: their number, 0 also on failure. */
size_t upload_head(struct engine *, const struct upload_info *, void *buf, size_t size);
/* Did two uploads of this request receive the same bytes? */
bool upload_same_content(const struct upload *, const struct upload *);

/*
 * The only way a consumer reaches a file.  Owns: caller calls upload_info_done.  Errors:
 * ERR_NOT_FOUND, ERR_INCOMPLETE.
 */
enum err upload_get(struct engine *, const char *id, const struct principal *,
		    struct upload_info *ret, struct error *);
/* Status without lock, for unfinished uploads too. */
enum err upload_status(struct engine *, const char *id, const struct principal *,
		       struct upload_info *ret, struct error *);

/*
 * Consumers' references, inside the consumer's own pass; after the commit that dropped the last one
 * call upload_release.  upload_hold with BY -1 leaves an upload that nobody holds any more for
 * upload.complete_ttl; upload_drop gives the reference back and deletes such an upload in the same
 * transaction: for those the consumer made itself.
 * Errors: ERR_NOT_FOUND: unknown, or (BY > 0) not complete.
 */
enum err upload_hold(struct pass *, const char *id, int by);
enum err upload_drop(struct pass *, const char *id);
void upload_release(struct engine *, const char *id);

/*
 * What a task of kind "assemble" does (spec: {"upload": id}): join parts or partials longer than
 * upload.assemble_inline, hash, complete.  Until then upload_finish and the request that brought
 * the last byte say ERR_OK and the record
 * "assembling".  BEAT (NULL = none) is called with bytes done and total at most once a second;
 * false stops.
 */
enum err upload_assemble(struct engine *, const char *id,
			 bool (*beat)(void *arg, int64_t done, int64_t total), void *arg,
			 struct error *);

/* Was such a task queued since the last call?  Then the worker is to be woken. */
bool engine_wants_worker(struct engine *);

/*
 * Records of OWNER (NULL: all), newest first, as infos; each ended with upload_info_done, the array
 * freed.
 */
enum err uploads_of(struct engine *, const char *owner, size_t skip, size_t max,
		    struct upload_info **ret, size_t *ret_n, struct error *);

/* Expire, remove tombstones, remove stray directories older than an hour; at most BUDGET_MS. */
enum err upload_sweep(struct engine *, int budget_ms, struct error *);

#endif
