/*
 * FastCGI or plain CGI: where requests come from and answers go.  The only file that knows libfcgi.
 * Source: contracts/front-ends.md, security.md 3.9.
 */
#ifndef SLIPWAY_HTTP_TRANSPORT_H
#define SLIPWAY_HTTP_TRANSPORT_H

#include <stdio.h>
#include <sys/types.h>
#include "base/config.h"

struct wire; /* one request on the wire; used by one thread */

/*
 * Serve until told to stop: HANDLE is called for each request, from THREADS threads (one under
 * plain CGI).
 */
typedef void wire_fn(struct wire *, void *arg);
enum err transport_serve(const struct config *, wire_fn *handle, void *arg, struct error *);
/* Was this process started for one plain CGI request? */
bool transport_is_cgi(void);
/*
 * Async-signal-safe: accept nothing more; requests in progress run to their end, however long that
 * is.
 */
void transport_finish(void);
/* Async-signal-safe: the same, and requests in progress hurry: those that wait stop waiting. */
void transport_stop(void);
bool transport_stopping(void);

/* Variables of the request: borrowed until the request ends; NULL = absent. */
const char *wire_env(struct wire *, const char *name);
/* Call FN for each variable whose name starts with PREFIX. */
void wire_each(struct wire *, const char *prefix,
	       void (*fn)(const char *name, const char *value, void *arg), void *arg);
bool wire_is_cgi(const struct wire *);
/*
 * Read up to SIZE bytes of the body, waiting at most WAIT_MS: > 0 bytes, 0 end of input, -1 nothing
 * yet, -2 lost.
 */
ssize_t wire_read(struct wire *, void *buf, size_t size, int wait_ms);
/*
 * For a thread that does nothing but read a body and then ends: where the web server's process is
 * bound to one processor, this thread is bound to it, too.  The bytes lie in that processor's
 * cache, and waking one another costs no interrupt between processors.
 */
void wire_settle(struct wire *);
/* Write answer bytes (CGI headers included).  False: the client has gone. */
bool wire_write(struct wire *, const void *p, size_t n);
/* The same, and nothing stays in a buffer on the way: for interim answers. */
bool wire_write_now(struct wire *, const void *p, size_t n);
/* Was the body given up, as lost, because it came slowly and others waited for the thread? */
bool wire_crowded_out(const struct wire *);
/* Bytes of body read so far. */
int64_t wire_received(const struct wire *);

/* For tests and fuzzing: a request made of memory. */
struct wire *wire_of_memory(const char *const *env /* "NAME=value", NULL-terminated */,
			    const void *body, size_t len, FILE *out);
void wire_free(struct wire *);

#endif
