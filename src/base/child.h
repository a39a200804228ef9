/*
 * A program of ours started with posix_spawn, spoken to in frames over two pipes: how the jail is
 * used.
 * A frame is a 4-byte big-endian length and that many bytes of JSON, at most 16 MiB.
 */
#ifndef SLIPWAY_BASE_CHILD_H
#define SLIPWAY_BASE_CHILD_H

#include <sys/types.h>
#include "base/json.h"

/* A frame on its way: what has come of it stays here over a timeout. */
struct frame {
	unsigned char head[4];
	size_t have; /* bytes of head and text together */
	char *text;  /* NULL until the head is whole */
};

struct child {
	pid_t pid;	 /* its process group too; 0 = none */
	int to;		 /* write end: frames to its descriptor 0; -1 = closed */
	int from;	 /* read end: frames from its descriptor 1; -1 = closed */
	int log;	 /* read end: its descriptor 2, text, non-blocking; -1 = not captured */
	struct frame in; /* what it has begun to say */
};

/*
 * Start PROGRAM (absolute path) with ARGV in its own process group and the fixed environment of
 * security.md 4.2.
 * CAPTURE_LOG gives its standard error to CHILD->log (what overflows the pipe unread is lost), else
 * to ours.
 * Owns: caller ends CHILD with child_end.
 */
enum err child_start(const char *program, char *const argv[], bool capture_log, struct child *ret,
		     struct error *error);
/*
 * A detached process that outlives us, in a session of its own: its standard streams are /dev/null
 * and LOG_PATH (appended to; may be NULL).  It stays our child until one of us ends: a caller that
 * lives long ignores SIGCHLD with SA_NOCLDWAIT (if it has no other children) or reaps.
 */
enum err child_detach(const char *program, char *const argv[], const char *log_path,
		      struct error *error);
enum err child_send(struct child *, const json_object *message, struct error *);
/*
 * Wait up to TIMEOUT_MS (-1: for ever) for one frame.
 * Owns:   caller frees *RET.
 * Errors: ERR_TIMEOUT: a frame that has begun goes on with the next call; ERR_CUT at end of input;
 * ERR_BAD_REQUEST for a frame that is not strict JSON or too long.
 */
enum err child_receive(struct child *, int timeout_ms, json_object **ret, struct error *);
/* Kill the group, close, reap.  *RET_STATUS (may be NULL) as from waitpid. */
void child_end(struct child *, int *ret_status);
/* Close the write end and wait up to TIMEOUT_MS for an orderly exit, then child_end. */
void child_finish(struct child *, int timeout_ms, int *ret_status);

/*
 * Did a web server start this process for one request (CGI)?  Then its arguments may be words of
 * the address: the client's, and no options.
 * Source: RFC 3875 4.4.
 */
bool child_of_web(void);
/* The same, for a program that is none for web servers: says so on standard error. */
bool child_refuses_web(const char *name);

/* The other side: frames on descriptors of this process. */
enum err frame_write(int fd, const json_object *message, struct error *);
enum err frame_read(int fd, int timeout_ms, json_object **ret, struct error *);
/* Go on with F (begun with {0}); whoever gives up after ERR_TIMEOUT ends it with frame_done. */
enum err frame_read_on(int fd, struct frame *f, int timeout_ms, json_object **ret, struct error *);
void frame_done(struct frame *f);

#endif
