/*
 * A body on its way to the disk: read in pieces, handed on in larger ones, judged at its end
 * (transports.md 1.5).  Private to upload/.
 */
#ifndef SLIPWAY_UPLOAD_POUR_H
#define SLIPWAY_UPLOAD_POUR_H

#include "upload/engine.h"

#define POUR_BYTES (256 * KIB) /* of the buffer */

enum end {
	END_FULL,    /* as many bytes as may come */
	END_EOF,     /* the input ended */
	END_LOST,    /* connection lost, or silent for upload.body_idle */
	END_STOPPED, /* displaced, or the process ends: pour.err says which */
	END_FAILED,  /* a write failed: pour.err */
};

/* Takes the bytes of a body, all or with an error. */
typedef enum err sink_fn(struct upload *, const void *bytes, size_t n, struct error *);

struct pour {
	struct upload *u;
	struct body *body;
	sink_fn *sink;
	int64_t limit, got;	/* bytes */
	enum err full;		/* what it is called when more than LIMIT comes */
	bool ends_whole;	/* having all bytes of the upload is the end of the body, too */
	struct digest_run *run; /* of this body; NULL = nobody asked */
	unsigned char *buf;	/* POUR_BYTES */
	size_t len;		/* bytes in it */
	int64_t flushed;	/* monotonic ms */
	enum err err;
	struct error *error;
};

/*
 * Until LIMIT, the end of the input or something worse; what was read has been handed on except
 * after END_FAILED.
 */
enum end pour(struct pour *);
/* How it ended: ERR_OK when the body was whole. */
enum err pour_judge(struct pour *, enum end);

#endif
