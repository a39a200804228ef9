/*
 * What the wizard's views share: loading and storing a session under its lock, and the answers of
 * contracts/wizard.md 6.
 */
#ifndef SLIPWAY_VIEWS_WIZARD_H
#define SLIPWAY_VIEWS_WIZARD_H

#include "views/views.h"

/*
 * A wizard step's view.  S is locked by LOCK when the request may change it; a view that waits for
 * background work releases it first with wizard_unlock.
 */
struct turn {
	struct call *call;
	struct session *s; /* owned */
	struct session_lock lock;
	int64_t rev;	       /* as read: compared when stored */
	bool brief;	       /* S is not whole: it cannot be stored */
	json_object *fields;   /* the form as {name: text or [texts]}; NULL for GET */
	json_object *problems; /* owned: errors found */
	json_object *warnings; /* owned: for the answer */
	/* borrowed: the next store keeps it as its user's last; NULL = none */
	const char *last_crs;
};

#define TURN_ID_MAX 9007199254740991LL /* 2^53 - 1: what JSON numbers carry */
enum id_found { ID_FOUND, ID_MISSING, ID_WRONG };
/* "id" of form or query. */
enum id_found turn_id(const struct call *, int64_t *ret);

/*
 * Which session the request will read without its lock, if any: sets ahead_id.  Its record is then
 * read in the pass that finds out who asks, and turn_begin takes it from there.
 */
void upload_reads(struct call *);
void turn_read_ahead(struct pass *, struct call *);

/*
 * Load session ID of the caller.  LOCK: hold its lock.  ERR_NOT_FOUND, ERR_GONE, ERR_BUSY with the
 * problem set.
 */
enum err turn_begin(struct call *, int64_t id, bool lock, struct turn *ret);
/*
 * The session that field or query "id" names: ERR_BAD_REQUEST when there is none; else as
 * turn_begin.
 */
enum err turn_of_request(struct call *, bool lock, struct turn *ret);
void turn_end(struct turn *);
/* A new session of CALL's user: his last CRS becomes its member "last_crs". */
void turn_recall_crs(struct call *, struct session *);
/* Lock the session of a turn without lock (begun so, or waiting gave it away) and read it again. */
enum err turn_lock(struct turn *);
void turn_unlock(struct turn *);
/*
 * May a GET that sometimes writes (check, final) do so?  Not on a read-only site, nor with a
 * read-only key.
 */
bool turn_may_write(const struct turn *);
/*
 * An import's record says PENDING until it ends; whether somebody works on it the task tells.
 * Makes DOC say RUNNING with the task's "progress".
 */
enum err session_live(struct pass *, json_object *doc);
/* Read the session again (after waiting). */
enum err turn_reload(struct turn *);
/*
 * Store the session, with TASK (taken, NULL = none) queued in the same commit; "rev" + 1 when BUMP.
 */
enum err turn_store(struct turn *, json_object *task, bool bump);

/* Could the job that was to look at the file not be started?  The file is kept. */
bool session_not_started(const struct session *);
/*
 * If so, queue it again, except for a HEAD and for who may only read: whoever asks again has it
 * tried again.
 */
enum err start_anew(struct turn *);
/* The record of the session's task, NULL = none.  Caller frees. */
json_object *turn_task(struct turn *);
/*
 * Wait until the session's task has ended, at most WAIT_S; takes a wait slot; reloads the session.
 */
enum err turn_wait(struct turn *, int64_t wait_s);

/* The answers.  MODEL members are added to the page's own. */
enum err next_step_response(struct turn *);
/* The same after step DONE: never that step again. */
enum err step_done_response(struct turn *, enum step done);
enum err progress_redirect(struct turn *, enum step step);
enum err finished_response(struct turn *);
/*
 * Where SESSION's row report is, if it has one and the caller may read it; else NULL.  Caller
 * frees.
 */
char *report_url(struct call *, int64_t session);
enum err pending_response(struct turn *);
/* Whose fault a job's problem CODE is: mostly the file's, ERR_BAD_REQUEST. */
enum err failure_fault(const char *code);
/*
 * STATUS: for strict JSON and HTML; compat answers COMPAT_STATUS; 400 where the fault is the
 * server's becomes its own.
 * PAGE (taken, NULL = none) is the page's model.
 */
enum err error_response(struct turn *, int status, int compat_status,
			json_object *problems /* taken */, const char *template_name,
			json_object *page);
/*
 * Set the members of an error answer (6.3) in M from DETAILS (taken), as problem_details made them.
 */
void error_members(const struct call *, json_object *m, json_object *details);
/* A page of a step: JSON shape or HTML. */
enum err page_response(struct turn *, enum step step, const char *template_name, json_object *page);
/* 409 family: step_not_in_list, step_out_of_order …, HTML 303 to the right page with a note. */
enum err wrong_state_response(struct turn *, const char *code, enum step step);

/*
 * Queue the import exactly once; ASYNC false: waits up to final_wait_s.  ERR_CONFLICT: problems say
 * what is missing.
 */
enum err run_import(struct turn *, bool async);
/*
 * Before it: rights and schema of a dataset to overwrite or append to.  *RET_ANSWERED: the reply
 * says what is wrong.
 */
enum err settle_target(struct turn *, bool *ret_answered);

/* The steps; S is loaded, locked for POST. */
enum err csv_step_view(struct turn *);
enum err srs_step_view(struct turn *);
enum err check_step_view(struct turn *);
enum err time_step_view(struct turn *);
enum err final_step_view(struct turn *);
enum err run_step_view(struct turn *);
enum err save_step_view(struct call *);

/* Cancel what runs, release the uploads, remove record and files. */
enum err session_remove(struct turn *);
/* The caller's unfinished sessions, for pages.  Caller frees. */
json_object *open_sessions(struct call *);
/* The upload page with STATUS and the call's problems above it. */
enum err save_page(struct call *, int status);

/*
 * Details of problems for JSON and pages:
 * [{code,message,field,file,layer,row,line,column,value,hint}].  Caller frees.
 */
/*
 * A row report, JSON Lines of problems and {"total":n}, as CSV of this NAME or as JSON (wizard.md
 * 14.6).
 */
enum err report_print(struct call *, const char *lines, const char *name);
json_object *problem_details(const struct call *, json_object *problems);
/* Does a user or group exist?  subject_fn for wizard/final. */
bool subject_exists(const char *name, bool group, void *call);
/*
 * A dataset's model as clients see it: without what only Slipway itself needs, times in ISO 8601.
 */
void dataset_hide(json_object *model);
/*
 * Where the export of dataset MODEL in FORMAT stands, below data_dir; made when it is missing.
 * Caller frees *RET.
 * ERR_INCOMPLETE: the worker is at it.
 */
enum err dataset_export(struct call *, const json_object *model, const char *format, char **ret);
/* The files of dataset ID, which the catalogue no longer has: its own and its exports. */
void dataset_remove_files(struct call *, int64_t id);
/* The same for its "time" member alone; NULL: none. */
void dataset_times(json_object *time);
/*
 * The dataset models of a finished session, in layer order; of a deleted one its status alone.
 * Caller frees *RET.
 */
enum err session_datasets(struct turn *, json_object **ret);

#endif
