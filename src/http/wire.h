/*
 * The inside of a struct wire, shared by the three places requests come from: FastCGI, CGI, memory.
 */
#ifndef SLIPWAY_HTTP_WIRE_H
#define SLIPWAY_HTTP_WIRE_H

#include "http/transport.h"

struct wire;

/* What differs between the three. */
struct wire_kind {
	ssize_t (*read)(struct wire *, void *buf, size_t size,
			int wait_ms); /* as wire_read, without limits */
	bool (*write)(struct wire *, const void *p, size_t n);
	bool (*flush)(struct wire *);  /* NULL: nothing is held back */
	void (*settle)(struct wire *); /* NULL: one place is as good as another */
};

struct wire {
	const struct wire_kind *kind;
	const char *const *env; /* "NAME=value", NULL-terminated; borrowed */
	void *source;		/* of the kind */
	int64_t length;		/* declared body bytes, -1 = until the end of input, 0 = none */
	int64_t received;	/* body bytes read so far */
	bool cgi;
	bool broken;	  /* a write failed: the client has gone */
	bool crowded_out; /* as wire_crowded_out */
};

/* Fill WIRE from its variables. */
void wire_init(struct wire *, const struct wire_kind *, const char *const *env, void *source);

/* For tests: a memory wire gives at most FIRST bytes in its first read and STEP in each later one;
 * 0 = no limit. */
void wire_memory_split(struct wire *, size_t first, size_t step);
/* For tests: at the end of the memory body the connection is lost instead of ended. */
void wire_memory_lose(struct wire *);

#endif
