/*
 * What the upload protocols on /files/ share: which of them a request speaks, the engine's view of
 * its body, headers and answers that all of them have. Source: contracts/transports.md 2-4.
 */
#ifndef SLIPWAY_VIEWS_FILES_H
#define SLIPWAY_VIEWS_FILES_H

#include "views/ctx.h"

/* A first body up to this is one commit with its upload; a longer one is not worth the wait. */
#define FILES_LATE_BYTES (8 * MIB)

bool files_has_body(const struct req *);
/* The request's body as the engine reads it. */
struct body files_body(const struct req *);
/*
 * ERR_TYPE where the bytes come packed (Content-Encoding): stored so, they would not be the file.
 */
enum err files_unpacked(struct call *);
/* An integer header: 0 absent, 1 read, -1 malformed or negative. */
int files_number(const struct req *, const char *header, int64_t *ret);
/* ERR with the sentence that the header is missing or makes no sense. */
enum err files_bad_header(struct call *, enum err err, const char *header);
/*
 * Who creates here.  An anonymous client gets a cookie with its first creation, but what it creates
 * then is found by id alone: many of these clients keep no cookies.
 */
struct principal files_creator(struct call *);
/*
 * Create, or with an Idempotency-Key find what the same request created before: *RET_CREATED is
 * false then. Errors: as upload_create; ERR_BAD_REQUEST: no such key can be; ERR_CONFLICT: another
 * length or other metadata.
 */
enum err files_create(struct call *, struct upload_spec *, struct upload **ret, bool *ret_created);

/* ---- answers */

/* Location of ID, absolute when public_url is set. */
void files_location(struct call *, const char *id);
void files_expires(struct call *, int64_t expires_ms); /* Upload-Expires */
/* Upload-Limit; EXPIRES in ms, 0 = not of an upload that exists, -1 = without a lifetime; LIFETIME
 * names that member. */
void files_limit(struct call *, int64_t expires_ms, const char *lifetime);
/* Nothing but headers. */
enum err files_nothing(struct call *, int status);
/* The answer to a whole file: {"id","url","name","size","state"}. */
json_object *files_final_model(const struct call *, const char *id, const char *name, int64_t size);

/*
 * What dispatch does before it looks for a row: X-HTTP-Method-Override on /files and /chunks, for
 * clients whose way knows no PATCH; the error style of /files, so that a wrong method is told in it
 * too.
 */
void files_begin(struct call *);
/* The error style of these routes: a form for each protocol. */
void files_print_error(struct call *, enum err err, const json_object *details);

/* ---- plain.c */
enum err plain_raw(struct call *);  /* the body is the file */
enum err plain_form(struct call *); /* each file part is one, all or none */

/* ---- tus.c */
#define TUS_VERSION "1.0.0"
/* Every answer's header; ERR_VERSION when the client speaks another one. */
enum err tus_version(struct call *);
enum err tus_create(struct call *);
enum err tus_patch(struct call *);
void tus_options(struct call *);
/* Headers of a HEAD answer. */
void tus_describe(struct call *, const struct upload_info *);

/* ---- resumable.c */
int resumable_version(const struct req *); /* 3, 5, 6 or 8 */
/* Does a POST or PUT say whether more follows?  Else it is a plain upload. */
bool resumable_creates(const struct req *);
enum err resumable_create(struct call *);
/* HEAD and DELETE that carry fields of PATCH. */
enum err resumable_fields(struct call *);
enum err resumable_patch(struct call *);
void resumable_describe(struct call *, const struct upload_info *, int version);
/* application/problem+json */
void resumable_print_error(struct call *, enum err err, const json_object *details);

#endif
