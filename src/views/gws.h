/*
 * GBD WebSuite's commands at /_: what gws.c (uploads), gws_input.c (requests) and gws_print.c
 * (answers) share.
 * Source: contracts/transports.md 5.
 */
#ifndef SLIPWAY_VIEWS_GWS_H
#define SLIPWAY_VIEWS_GWS_H

#include "http/flat.h"
#include "views/ctx.h"

enum gws_command { GWS_CHUNK, GWS_FINISH, GWS_COMMAND__MAX };
enum gws_encoding { GWS_JSON, GWS_MSGPACK, GWS_MULTIPART, GWS_RAW, GWS_ENCODING__MAX };

/* What a request holds, whatever it was written in. */
struct gws_input {
	enum gws_command command;
	enum gws_encoding encoding;
	struct flat fields;  /* checked against the table of transports.md 5 */
	char *body;	     /* owned; what the fields point into */
	char *decoded;	     /* owned: contentBase64 */
	struct spool *spool; /* owned: the file part of a multipart body */
	/* of a chunk, when it is in memory: borrowed from the above; else NULL */
	const char *content;
	size_t content_len;  /* bytes */
	size_t content_read; /* of them handed on */
};

/*
 * Read and check CALL's request.
 * Owns:   caller calls gws_input_done, also after an error.
 * Errors: ERR_NOT_FOUND: no such command, or a type of body that is not ours; ERR_BAD_REQUEST;
 * ERR_TOO_LARGE.
 */
enum err gws_input_read(struct call *, struct gws_input *ret);
void gws_input_done(struct gws_input *);

/* The chunk's bytes as the engine reads them. */
struct body gws_content(struct call *, struct gws_input *);
int64_t gws_number(struct gws_input *, const char *name);
/* "" for null and for what is not there.  Caller frees. */
char *gws_text(struct gws_input *, const char *name);

/* MODEL in the encoding that is asked for.  Takes it. */
void gws_answer(struct call *, int status, json_object *model);
/* The envelope of every error. */
void gws_print_error(struct call *, enum err err, const json_object *details);
/* Is this path ours?  Then errors before its route is known have our form, too. */
bool gws_owns_path(const char *path);

#endif
