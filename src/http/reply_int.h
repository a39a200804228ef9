/*
 * An answer on its way: what reply_send.c decides about the body and reply_head.c prints in front
 * of it.
 */
#ifndef SLIPWAY_HTTP_REPLY_INT_H
#define SLIPWAY_HTTP_REPLY_INT_H

#include "base/buf.h"
#include "http/reply.h"

/* The answer on its way. */
struct sending {
	struct reply *reply;
	struct req *req;
	struct buf head; /* and, when it is a text, the body behind it */
	char *text;	 /* owned: printed model */
	size_t text_len;
	const char *type;    /* NULL = no body */
	int64_t first, last; /* bytes of the file that are sent */
	bool html;	     /* a page of ours */
	bool by_server;	     /* the web server sends the file */
	bool no_length;	     /* the status has no body at all */
};

/* The reason phrase of a status.  Static. */
const char *reply_reason(int status);
/* A header the view has set; NULL = none. */
const char *reply_header_of(const struct reply *, const char *name);
/* Print status line and all headers to S->head. */
void reply_head_print(struct sending *);

#endif
