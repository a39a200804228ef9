/*
 * One run of the wizard: the record, its states, its steps' names.  The record is a JSON document;
 * the members that decide things are mirrored in the struct.
 *
 * Document members (contracts/wizard.md 16.1): id owner created changed expires state code
 * completed rev nonce kind name uploads[] bundles[] layers[] input{save,csv,srs,time,final}
 * time_info permissions target non_interactive
 * task{id,kind,attempt,heartbeat,progress,total,message} datasets[] warnings[] problems[]
 * import_when_ready.
 *   uploads[]  {"id","name","size","own":bool (made by this session's save),"role"}   order = file
 *   number - 1
 *   bundles[], layers[]  as the inspect job reports them (wizard/message.h)
 *   input.<step>  the normalised fields as sent (names of the contract), plus "hash" (SHA-256 hex);
 *                 input.csv in kind multi: {"layers":{"<i>":{fields}},"hash"}
 */
#ifndef SLIPWAY_WIZARD_SESSION_H
#define SLIPWAY_WIZARD_SESSION_H

#include "base/json.h"

enum step {
	STEP_NONE, /* nothing done yet */
	STEP_SAVE,
	STEP_CSV,
	STEP_SRS,
	STEP_CHECK, /* pseudo-step: inspection finished */
	STEP_TIME,
	STEP_RUN, /* pseudo-step: the import */
	STEP_FINAL,
	STEP_ERROR, /* `completed` of a session that failed */
	STEP__MAX
};

enum kind {
	KIND_SHP,
	KIND_CSV,
	KIND_XLSX,
	KIND_ODS,
	KIND_GEOJSON,
	KIND_KML,
	KIND_KML_OVERLAY,
	KIND_GPX,
	KIND_GML,
	KIND_GPKG,
	KIND_FGB,
	KIND_TIF,
	KIND_ASC,
	KIND_PNG,
	KIND_JPG,
	KIND_ZIP_MOSAIC,
	KIND_MULTI,
	KIND_IMG,
	KIND_JP2,
	KIND_NTF,
	KIND_ZIP, /* a zip not yet looked into: until the inspect job says what it holds */
	KIND__MAX
};

enum state {
	STATE_READY,
	STATE_PENDING,
	STATE_WAITING,
	STATE_RUNNING,
	STATE_COMPLETE,
	STATE_PROCESSED,
	STATE_INCOMPLETE,
	STATE_INVALID,
	STATE__MAX
};

struct session {
	int64_t id;	 /* 0 = not stored yet */
	int64_t rev;	 /* +1 with each accepted POST */
	int64_t created; /* ms UTC */
	int64_t expires; /* ms UTC */
	enum kind kind;
	enum state state;
	enum step completed;
	json_object *doc; /* owned: the whole record */
};

const char *step_name(enum step); /* "srs"; "" for STEP_NONE */
/* save csv srs check time run final only */
bool step_by_name(const char *name, enum step *ret);
const char *kind_name(enum kind); /* "kml-overlay" */
bool kind_by_name(const char *name, enum kind *ret);
const char *state_name(enum state); /* "READY" */
bool state_by_name(const char *name, enum state *ret);

/* Owns: takes DOC (also on error); caller frees *RET with session_free. */
enum err session_from_json(json_object *doc, struct session **ret);
struct session *session_new(const char *owner, const char *name, int64_t now_ms,
			    int64_t expires_ms);
void session_free(struct session *);
/* Write the mirrored members back into doc and return it, borrowed. */
json_object *session_to_json(struct session *, int64_t now_ms);

/* Borrowed views of the document. */
const char *session_owner(const struct session *);
const char *session_title(const struct session *);   /* "name" */
json_object *session_layers(const struct session *); /* NULL before inspection */
json_object *session_layer(const struct session *, int64_t i);
json_object *session_input(const struct session *, enum step); /* NULL: no input yet */
bool session_inspected(const struct session *);
/* The csv input of table layer I, in kind multi that layer's own.  NULL: none yet.  Borrowed. */
json_object *session_table_input(const struct session *, int64_t i);

/*
 * Store the input of STEP (takes FIELDS): sets completed, the hash, forgets that later steps were
 * done (their values stay, marked "stale").  False when the same input was there already (nothing
 * changed).  rev is the caller's.
 */
bool session_set_input(struct session *, enum step, json_object *fields);
/* Is there input of STEP that still holds (no earlier step changed since)? */
bool session_has_input(const struct session *, enum step);

/*
 * Percent of contracts/wizard.md 14.3, from state and task progress (NULL = none).  A "percent"
 * member of PROGRESS, the last one told, is never undercut while running.
 */
int session_percent(const struct session *, const json_object *progress);
/* May a person still change inputs?  (not PENDING, RUNNING, COMPLETE, PROCESSED) */
bool session_editable(const struct session *);
bool session_retryable(const struct session *);

/*
 * The "session" member of step answers (6.1), and an item of /api/v2/uploads (16.2).  Caller frees.
 */
json_object *session_summary(const struct session *, const json_object *task);
json_object *session_api_item(const struct session *, const json_object *task, const char *mount);

#endif
