/*
 * A signed request on its way through the checks that both signed APIs have in common: what was
 * sent, who signed it, whether it was carried out before, what is answered.  Every step returns
 * false when it refuses; then "refusal" says with what.
 * Source: contracts/signed-api.md 2, 3.6.
 */
#ifndef SLIPWAY_VIEWS_SIGNED_H
#define SLIPWAY_VIEWS_SIGNED_H

#include "signed/receiver.h"
#include "signed/signature.h"
#include "store/replay.h"
#include "views/ctx.h"

enum signed_api { SIGNED_ROWS, SIGNED_FILE };

/* The file part of a form, kept where nobody sees it until the request is accepted. */
struct signed_file {
	char *name;		/* as sent; NULL = no file part, or an empty one */
	struct spool *spool;	/* NULL = nothing came yet; owned */
	int64_t bytes;		/* so far */
	struct digest_run *run; /* SHA-256, while it comes */
	char sha256[65];	/* of all of it, in hex */
};

/* The head fields of HMAC mode. */
struct signed_head {
	struct hmac_request hmac; /* borrows from the request and from below */
	const char *signature;	  /* NULL = not this mode */
	char *path;		  /* as sent, behind signed.path_prefix */
	struct digest_run *run;	  /* SHA-256 of the body, while it comes */
};

/* What makes a request happen once (2.4). */
struct signed_once {
	bool on;		 /* the account wants it, and the mode can */
	unsigned char key[32];	 /* of the replay store; a random mark when not ON */
	char content[65];	 /* hash of what is wanted */
	int64_t number;		 /* of the lock */
	struct replay_lock lock; /* held while it is carried out */
	bool replayed;		 /* ANSWER is that of the first request */
	json_object *answer;	 /* {"status","msg","rows","task"}; owned */
};

struct signed_call {
	struct call *call; /* borrowed */
	enum signed_api api;
	int64_t now_ms;	     /* when it came */
	struct pairs fields; /* of the body, or of the query on GET */
	bool read;	     /* they are there */
	struct form *form;   /* while it is read, else NULL */
	struct signed_file file;
	struct signed_head head;
	const char *visitor; /* borrowed from the fields, or from: */
	char *head_visitor;
	const char *type, *stamp;  /* borrowed from the fields or head; stamp "" = not sent */
	int64_t stamp_ms;	   /* of an unsigned request: when it came */
	bool plain;		   /* signed with the secret itself */
	json_object *account;	   /* owned; NULL until its signature was found right */
	bool counted;		   /* the call is in the account's minute */
	json_object *record;	   /* of the receiver; owned, NULL = not known */
	struct receiver *receiver; /* what RECORD says, once it was judged; owned */
	struct signed_once once;
	int64_t task;		/* 0 = none */
	int retry_after_s;	/* with REFUSE_RATE */
	struct refusal refusal; /* of the step that returned false */
};

void signed_begin(struct signed_call *, struct call *, enum signed_api);
/* Also notes the call: in the account's minute, in the log, as its "log" wants it. */
void signed_end(struct signed_call *);

/* ERR of a library or the store as a refusal; the log gets its text.  Returns false. */
bool signed_err(struct signed_call *, enum err);

/* ---- signed_body.c */
/*
 * Read body or query into the fields; a file part goes to a spool (SIGNED_FILE).  Repeated fields
 * are refused.  In HMAC mode the signature was checked before, the body's hash is here.
 */
bool signed_read(struct signed_call *);
/* A field's text; NULL = not sent. */
const char *signed_field(const struct signed_call *, const char *name);

/* ---- signed_auth.c: steps 2 to 8 of 2.1 */
/* HMAC mode: what can be checked before the body. */
bool signed_check_head(struct signed_call *);
/* The one answer to whatever is wrong with a signature; WHY is for the log.  Returns false. */
bool signed_failed(struct signed_call *, const char *why);
/* Everything about who it is; the receiver is looked up, but not judged. */
bool signed_check_who(struct signed_call *);
/* The receiver is there and this account may write to it through this API. */
bool signed_check_receiver(struct signed_call *);

/* ---- signed_once.c */
/* Key and content hash; "on" where the account wants it. */
void signed_once_prepare(struct signed_call *);
/* Another number for its lock. */
void signed_once_number(struct signed_once *);
/*
 * In the pass that accepts: the call counted, the request claimed.  ERR_RATE, or ERR_CONFLICT with
 * *RET_OLD: nothing was changed.
 */
enum err signed_claim(struct pass *, struct signed_call *, json_object *task,
		      json_object **ret_old);
/* What was answered is recorded: by who claimed it, in the pass that ends it. */
enum err signed_once_done(struct pass *, struct signed_call *);
/* Is OLD, which has our key, the same request?  Else it is refused as a forgery. */
bool signed_once_same(struct signed_call *, const json_object *old);
/* 64 hex digits of the key. */
void signed_once_hex(const struct signed_once *, char ret[65]);

/* ---- signed_answer.c: each fills the reply, and returns ERR_OK so that a view may end with it */
/* {"status": STATUS, "msg": MSG}; counts of ROWS (NULL = not known) in X-Slipway-Rows. */
enum err signed_answer_rows(struct signed_call *, int status, const char *msg,
			    const json_object *rows);
/* {"result": RESULT, "data": DATA} with HTTP's STATUS. */
enum err signed_answer_file(struct signed_call *, int status, const char *result, const char *data);
/* TEXT as it is. */
void signed_answer_json(struct signed_call *, const char *text);
/* What s->refusal says, in the form of the interface. */
enum err signed_refuse(struct signed_call *);
/* Note the refusal where the operator finds it, with WHY (NULL: its own reason). */
void signed_journal(const struct signed_call *, const char *why);
/* Is PATH one of ours, whatever row it has? */
bool signed_owns_path(const char *path);
/* Errors of dispatch in our form: an error_printer of views/errors.h. */
void signed_print_error(struct call *, enum err err, const json_object *details);

/* ---- uploadlog.c: section 3.7 */
/* Is that its TYPE (may be NULL)?  Does the request ask for it? */
bool uploadlog_named(const char *type);
bool uploadlog_asked(const struct signed_call *);
bool uploadlog_answer(struct signed_call *);

#endif
