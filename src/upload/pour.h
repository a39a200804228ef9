/*
 * A body on its way to the disk: read in pieces, handed on in the same pieces, judged at its end
 * (transports.md 1.5).  Private to upload/.
 */
#ifndef SLIPWAY_UPLOAD_POUR_H
#define SLIPWAY_UPLOAD_POUR_H

#include <stdatomic.h>
#include "upload/engine.h"

enum end {
	END_NOT_YET, /* more comes */
	END_FULL,    /* as many bytes as may come */
	END_EOF,     /* the input ended */
	END_LOST,    /* connection lost, or silent for upload.body_idle */
	END_STOPPED, /* displaced, or the process ends */
	END_FAILED,  /* a write failed: pour.err */
};

/* Takes the bytes of a body, all or with an error. */
typedef enum err sink_fn(struct upload *, const void *bytes, size_t n, struct error *);

struct pour {
	struct upload *u;
	struct body *body;
	sink_fn *sink;
	int64_t first;		/* where in its file the body begins */
	int64_t limit, got;	/* bytes */
	size_t piece;		/* the most bytes handed on at once */
	enum err full;		/* what it is called when more than LIMIT comes */
	bool ends_whole;	/* having all bytes of the upload is the end of the body, too */
	struct digest_run *run; /* of this body; NULL = nobody asked */
	atomic_bool failed;	/* a write did: nothing more is read */
	enum err err;
	struct error *error;
};

/*
 * Until LIMIT, the end of the input or something worse; what was read has been handed on except
 * after END_FAILED.  Of a long body the next piece is read while the last one is written.
 */
enum end pour(struct pour *);
/* How it ended: ERR_OK when the body was whole. */
enum err pour_judge(struct pour *, enum end);

#endif
