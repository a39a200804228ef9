/*
 * The running front and one request in it: what every view is given.
 */
#ifndef SLIPWAY_VIEWS_CTX_H
#define SLIPWAY_VIEWS_CTX_H

#include "base/problem.h"
#include "base/tally.h"
#include "catalog/item.h"
#include "http/route.h"
#include "http/template.h"
#include "store/sessions.h"
#include "store/tasks.h"
#include "store/users.h"
#include "upload/upload.h"
#include "views/supermap.h"
#include "wizard/srs.h"
#include "wizard/step.h"

struct targets;

/* One per process, made by main, shared by its threads. */
struct ctx {
	const struct config *config;
	struct store *store;
	struct engine *engine;
	struct catalog *catalog;
	struct targets *targets; /* connections of signed writes (signed/writer.h) */
	struct pages *pages;
	struct crs_index *crs; /* NULL: not built yet */
	struct tally *tally;   /* sums of all processes */
	const struct route *routes;
	size_t n_routes;
	unsigned char secret[32]; /* <data_dir>/secret */
	bool cgi;		  /* one request, then the end */
};

/*
 * One request.  A view fills reply and returns ERR_OK, or returns an error: dispatch then prints
 * problem.
 */
struct call {
	struct ctx *ctx;
	struct req *req;
	struct reply *reply;
	const struct route *route;
	/* of the row; before one is found, of the family the path belongs to */
	enum error_style style;
	struct supermap supermap;
	struct pairs params; /* from the path */
	struct form form;    /* BODYRULE_FORM: read by dispatch; FILES: by the view */
	struct principal who;
	bool who_known; /* it was found out who asks, be it nobody */
	/* session read in the pass that finds out who asks, 0 = none */
	int64_t ahead_id;
	bool ahead_brief;   /* sessions_get_brief is enough */
	json_object *ahead; /* owned: its record, NULL = not read */
	enum mode mode;	    /* HTML, strict or compat JSON (wizard.md 3.1) */
	/* HTML only because nothing in the request said what is wanted (rule 5) */
	bool mode_open;
	/* the data item whose file this answer is: its downloads are counted; 0 = none */
	int64_t counted_item;
	/* owned: what a restricted key may be used for (store/users.h), NULL = no bounds */
	json_object *limits;
	/* owned: what a returned error says; NULL = the error's own sentence */
	json_object *problems;
	/*
	 * owned: what the view adds to an error's answer, in the way of its style; NULL = nothing
	 */
	json_object *told;
	struct error error; /* for the log */
	char csrf[97];	    /* this client's token: for forms */
	bool csrf_new;	    /* the cookie must be set */
	/* work is queued, and only requests like this one do it: call_slice */
	bool slice;
	bool no_worker; /* work is queued, and no program of ours can be started */
};

/*
 * Handle one request from first byte to last: parse, find the row, check its preconditions, call,
 * reply, log.
 */
void dispatch(struct wire *, void *ctx);

/* The CSRF gate for BODYRULE_FILES views, once the form is read. */
enum err dispatch_csrf(struct call *);

/* The Allow header: methods of a bit set. */
void dispatch_allow(struct reply *, unsigned allow);

/* Return with one problem: takes P. */
enum err call_fail(struct call *, enum err err, json_object *p);
/*
 * ERR with the problem that the upload a client calls VALUE has not come whole: how far it is, of
 * how much.
 */
enum err call_incomplete(struct call *, enum err err, const char *value,
			 const struct upload_info *);
/* mount + formatted path.  Caller frees. */
char *call_url(const struct call *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As call_url, but absolute when public_url is set (wizard.md 3.2).  Caller frees. */
char *call_public_url(const struct call *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
struct viewer call_viewer(const struct call *);
/*
 * What every HTML page's model has: lang, user, admin, csrf, mount, title key.  Sets members in
 * MODEL.
 */
void call_page(struct call *, json_object *model, const char *title_key);
/* Answer with MODEL, as a page with the title "title.TEMPLATE_NAME" or as JSON.  Takes MODEL. */
enum err call_answer(struct call *, int status, const char *template_name, json_object *model);
/*
 * What errno says of a file that was not opened: ERR_NOT_FOUND, or with CALL's error filled why one
 * that is there was not.
 */
enum err call_not_opened(struct call *, const char *path);
/*
 * Answer with the file PATH below data_dir, made of numbers and our own names; with NAME as a
 * download, which is a user's content.  Errors: as call_not_opened.
 */
enum err call_file(struct call *, const char *path, const char *type, const char *etag,
		   const char *name);
/* Does a worker live? */
bool call_worker_lives(const struct config *);
/* Start slipway-worker if none lives and spawning is allowed. */
void call_wake_worker(struct call *);
/*
 * Where no process may outlive a request (worker.spawn = no) and no worker lives, requests that
 * wait do the work themselves: run slipway-worker as a child of this request until the queue is
 * empty or worker.slice_s is over.
 * Does nothing elsewhere.  True: the state of the work may be another one now.
 */
bool call_slice(struct call *);
/* call_wake_worker, then call_slice: for answers that nobody asks again for. */
void call_wake_worker_now(struct call *);
/*
 * One of the site's wait slots, so that waiting requests never take all threads.  False: none free.
 */
bool wait_slot_take(struct ctx *, int *ret_fd);
void wait_slot_give(int fd);
/*
 * Wait until task ID has come to an end, WAIT_S at most, in a wait slot; no slot free: not at all.
 * Has it?
 */
bool call_wait_task(struct call *, int64_t id, int64_t wait_s);

#endif
