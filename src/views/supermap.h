/*
 * What all resources of SuperMap's clients share: paths, formats, bodies, answers, own URLs.
 *
 * dispatch calls supermap_begin before it looks for a row: a path below /iserver, /iportal,
 * /manager, /services or /web gets its canonical form, so the route table holds one spelling: lower
 * case, the full prefix, no format suffix, no trailing slash
 * ("/iserver/manager/filemanager/uploadtasks/{task}", "/iportal/web/datas/{id:int}").  An enum
 * error_style of STYLE_SUPERMAP in the row makes errors speak {"succeed":false,…}; 403 becomes 401,
 * 410 becomes 404, 423 becomes 409.  Rows for writers have CSRF_ORIGIN; LOGIN_MANAGER asks for the
 * role of the file area. Which formats a resource has stands in one table in supermap.c. Source:
 * contracts/uploadtasks.md 1, 2, 9; contracts/datas.md 2.
 */
#ifndef SLIPWAY_VIEWS_SUPERMAP_H
#define SLIPWAY_VIEWS_SUPERMAP_H

#include "base/json.h"
#include "http/request.h"

struct call;

enum supermap_format {
	SUPERMAP_RJSON,
	SUPERMAP_JSON,
	SUPERMAP_XML,
	SUPERMAP_HTML,
	SUPERMAP_JSONP,
	SUPERMAP_PNG,
	SUPERMAP_FORMAT__MAX
};

/* How the client of one request wants its answer: part of struct call, filled by supermap_begin. */
struct supermap {
	bool on;		     /* the path belongs to this family */
	bool named;		     /* by a suffix; else the resource's default */
	bool unknown;		     /* a suffix nobody knows: 406 */
	enum supermap_format format; /* of the answer; PNG is the view's own business */
	unsigned formats;	     /* 1u << format: what the resource has */
	bool jsonp_write;	     /* a script that wants to write: 405 */
};

/* ---- dispatch's */

/* Path, `_method` and format of a request of this family; of another one: nothing. */
void supermap_begin(struct call *);
/* 405 and 406 of formats, once the row is found. */
enum err supermap_check(struct call *);

/* ---- what a view reads */

/*
 * The body as JSON whatever its Content-Type says: JSON, or XML when X-RequestEntity-ContentType or
 * its first character says so (then all values are text, which the readers below take).  No body:
 * *RET is NULL. MAX bytes; LIMIT is its name for the answer ("limits.json_body"). Owns:   caller
 * frees *RET. Errors: ERR_BAD_REQUEST, ERR_TOO_LARGE, form_body's own.
 */
enum err supermap_body(struct call *, int64_t max, const char *limit, json_object **ret);
/* The same, but an object, never NULL; also the fields of an urlencoded body. */
enum err supermap_object(struct call *, int64_t max, const char *limit, json_object **ret);

/* The last value of a query parameter; NULL: absent or empty. */
const char *supermap_query(const struct call *, const char *name);
/* Absent: DEF.  ERR_BAD_REQUEST names the parameter. */
enum err supermap_query_int(struct call *, const char *name, int64_t min, int64_t max, int64_t def,
			    int64_t *ret);

/*
 * Members of a body.  Absent, null and "": DEF (NULL for text).  Digit strings are numbers; "True",
 * 1 are booleans. Errors: ERR_BAD_REQUEST naming the member.
 */
enum err supermap_member_text(struct call *, const json_object *body, const char *name,
			      const char **ret);
enum err supermap_member_int(struct call *, const json_object *body, const char *name, int64_t min,
			     int64_t max, int64_t def, int64_t *ret);
enum err supermap_member_bool(struct call *, const json_object *body, const char *name, bool def,
			      bool *ret);

/* ---- what a view answers */

/*
 * MODEL (taken) in the format that is wanted; HTML is a plain page that shows it, for views without
 * one of their own. XML_ROOT as represent() takes it: "DataItem", "list/UploadTaskInfo"; NULL:
 * "MethodResult", or "list" for an array. Returns ERR_OK, so that a view may end with it.
 */
enum err supermap_answer(struct call *, int status, const char *xml_root, json_object *model);
/* The function of a script's answer; ERR_BAD_REQUEST, told as JSON, when it is none.  Borrowed. */
enum err supermap_callback(struct call *, const char **ret);
/* {"succeed":true} */
enum err supermap_done(struct call *);
/* A page of this family: no script runs on it.  MODEL (taken) gets what every page has. */
enum err supermap_page(struct call *, int status, const char *template_name, const char *title_key,
		       json_object *model);
/* How an error of this family is told: an error_printer. */
void supermap_error(struct call *, enum err err, const json_object *details);
/* One problem about parameter or member FIELD (may be NULL): `return supermap_fail(call,
 * ERR_BAD_REQUEST, "…", "md5")`. */
enum err supermap_fail(struct call *, enum err err, const char *code, const char *field);

/*
 * Scheme, host, mount and the formatted path: public_url, else what the request says (Host is
 * believed here alone). Caller frees.
 */
char *supermap_url(const struct call *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "rjson", "json", "xml", …: what a location of ours ends in. */
const char *supermap_suffix(const struct call *);

#endif
