/*
 * The header fields of tus 1.0.0 that hold more than a number.
 * Source: tus 1.0.0 (2016-03-25); contracts/transports.md 3.
 */
#ifndef SLIPWAY_VIEWS_TUS_FIELDS_H
#define SLIPWAY_VIEWS_TUS_FIELDS_H

#include "http/request.h"
#include "upload/upload.h"

#define TUS_METADATA_BYTES 4096
#define TUS_CONCAT_MOST	   1000

/* What Upload-Metadata says; values are decoded, NULL = not said. */
struct tus_metadata {
	struct pairs pairs; /* all keys, in order; values as base64 */
	char *name;	    /* display name, cleaned; "" when nothing of it is left */
	char *rel_path;	    /* normalised */
	char *media_type;
	struct checksum digests[3]; /* of the whole file */
	size_t n_digests;
};

/*
 * TEXT: the header's value, NULL or "" = none.
 * Owns:   caller calls tus_metadata_done, also after an error.
 * Errors: ERR_METADATA: a key twice or empty, bad base64, too long, a name that is no UTF-8, a path
 * that leads out, a digest that is none.
 */
enum err tus_metadata_read(const char *text, struct tus_metadata *ret);
void tus_metadata_done(struct tus_metadata *);

/* "sha1 Kq5s…".  ERR_ALGORITHM: unknown; ERR_BAD_REQUEST: malformed, or not as long as such a
 * digest. */
enum err tus_checksum_read(const char *text, struct checksum *ret);

/* "final;/files/<id> /files/<id>": the ids, which stand in *RET with RET_N pointers into it. */
struct tus_concat {
	bool partial, final;
	char (*ids)[33];
	const char **list; /* the same as pointers */
	size_t n;
};
/*
 * TEXT: the value of Upload-Concat; NULL: neither.
 * Owns:   caller calls tus_concat_done, also after an error.
 * Errors: ERR_CONCAT.
 */
enum err tus_concat_read(const char *text, struct tus_concat *ret);
void tus_concat_done(struct tus_concat *);

#endif
