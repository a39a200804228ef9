/*
 * Which browser library speaks, and what it says about its bytes: pure functions over names and
 * values. Source: contracts/transports.md 6, 1.15, 1.16.
 */
#ifndef SLIPWAY_VIEWS_CHUNK_DIALECT_H
#define SLIPWAY_VIEWS_CHUNK_DIALECT_H

#include "http/request.h"
#include "upload/upload.h"

enum chunk_dialect {
	CHUNK_NONE, /* nothing that is known here */
	CHUNK_FILEPOND,
	CHUNK_RESUMABLE,
	CHUNK_FLOW,
	CHUNK_SIMPLE,
	CHUNK_DROPZONE,
	CHUNK_FINE,
	CHUNK_WEBUPLOADER,
	CHUNK_PLUPLOAD,
	CHUNK_CONTENTRANGE, /* blueimp; PUT with Content-Range */
	CHUNK_FORM,	    /* a plain form: every file part is one upload */
	CHUNK_RAW,	    /* a plain body */
	CHUNK__MAX
};

/* The word in /chunks/<dialect>; static. */
const char *chunk_dialect_name(enum chunk_dialect);
enum chunk_dialect chunk_dialect_by_name(const char *s, size_t len); /* CHUNK_NONE: unknown */

/* What is known of a request so far.  Everything borrowed; NULL = absent. */
struct chunk_request {
	const struct pairs *form; /* wins over the query */
	const struct pairs *query;
	enum chunk_dialect forced; /* by the path, else CHUNK_NONE */
	bool multipart;
	size_t n_files;			    /* file parts so far */
	const char *part_field, *part_name; /* of the first file part */
	const char *path_name;		    /* PUT /chunks/<name> */
	/* header fields */
	const char *content_range, *content_disposition, *x_file_name;
	const char *upload_offset, *upload_length, *upload_name;
};

enum chunk_kind {
	CHUNK_KIND_BYTES,  /* a piece of an upload that has a key, or an id */
	CHUNK_KIND_CREATE, /* FilePond asks for an id */
	CHUNK_KIND_WHOLE,  /* whole files */
};

/* What it means. */
struct chunk {
	enum chunk_dialect dialect;
	enum chunk_kind kind;
	enum upload_mode mode;	/* of KIND_BYTES and KIND_CREATE: RANGE or PARTS */
	bool settled;		/* no field behind the data could change any of this */
	int64_t total;		/* bytes of the file, -1 = not told */
	int64_t first, len;	/* RANGE: place of the bytes; LEN -1 = as many as come */
	uint32_t number, count; /* PARTS: from 0 */
	const char *id;		/* FilePond: the upload; borrowed, NULL = by key */
	const char *key[7];	/* the client's own fields, NULL-terminated; borrowed */
	bool begins;		/* a first chunk */
	bool keeps_key; /* the library makes a key for each file anew: a first chunk of a complete
			   one repeats */
	bool restarts;	/* a first chunk that discards what is there */
	char *name;	/* display name, "upload" when there is none; owned */
	char *rel_path; /* with folders; NULL = none; owned */
	const char *bad_field; /* after ERR_LENGTH, ERR_BAD_REQUEST: what is wrong; borrowed, NULL =
				  the whole */
	const char *bad_value; /* NULL = absent */
};

/*
 * Find the dialect only.  Never fails: CHUNK_NONE.
 */
enum chunk_dialect chunk_detect(const struct chunk_request *);
/*
 * Find the dialect and read its fields.
 * Owns:   caller calls chunk_done, also after an error.
 * Errors: ERR_BAD_REQUEST: no dialect, a field missing, a name or path that is none; ERR_LENGTH:
 * numbers that are none or contradict each other.  RET->dialect is right even then.
 */
enum err chunk_read(const struct chunk_request *, struct chunk *ret);
void chunk_done(struct chunk *);

/* Do A and B say the same about a file's bytes? */
bool chunk_equal(const struct chunk *a, const struct chunk *b);

/* The status ERR is told with: Resumable.js repeats for ever on most, so that final refusals reach
 * it as 400. */
int chunk_error_status(enum chunk_dialect, enum err);
/* Is repeating the request in vain? */
bool chunk_error_is_final(enum err);

#endif
