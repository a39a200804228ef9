/*
 * Where a body's bytes come from: the front's request, a test, a file.  The engine sees only this.
 */
#ifndef SLIPWAY_UPLOAD_BODY_H
#define SLIPWAY_UPLOAD_BODY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * READ waits at most WAIT_MS for bytes and returns their number; 0 = end of input; -1 = nothing
 * within WAIT_MS; -2 = connection lost.  SETTLE, which may be NULL, is called by a thread that will
 * do nothing but read this body and then end: it may move that thread to another processor.
 * LENGTH is CONTENT_LENGTH, -1 when absent.
 */
struct body {
	ssize_t (*read)(void *arg, void *buf, size_t size, int wait_ms);
	void (*settle)(void *arg);
	void *arg;
	int64_t length; /* declared bytes, -1 = unknown */
	bool chunked;	/* came without length but with a chunked marker */
};

#endif
