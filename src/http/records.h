/*
 * The records of one FastCGI connection, read in large pieces.  libfcgi is fed from here up to the
 * end of its parameters; then body bytes go from the socket straight to the caller. Source: FastCGI
 * specification 1.0, sections 3.3 and 8.
 */
#ifndef SLIPWAY_HTTP_RECORDS_H
#define SLIPWAY_HTTP_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes read ahead: parameters, and bodies that come in small records. */
#define RECORDS_HELD 16384

enum records_state {
	RECORDS_HEAD,	 /* the next byte begins a record */
	RECORDS_CONTENT, /* inside a record: content, then padding are left */
};

struct records {
	int fd;	      /* borrowed, a socket */
	int idle_ms;  /* longest wait of records_raw */
	int waits_ms; /* what the socket itself waits now, 0 = not said */
	enum records_state state;
	unsigned type;	   /* of the current record: FCGI_STDIN = 5, … */
	unsigned id;	   /* of the current record */
	size_t content;	   /* bytes of content not yet taken */
	size_t padding;	   /* bytes of padding not yet taken */
	size_t head_left;  /* bytes of the current head that records_raw has still to hand out */
	size_t start, end; /* held bytes: held[start, end) */
	bool ended;	   /* the empty STDIN record was seen */
	bool lost;	   /* connection closed, aborted or not FastCGI */
	bool settled;	   /* read by a thread that does nothing else */
	size_t longest;	   /* content of a STDIN record so far */
	size_t head_got;   /* bytes of the next head that records_body has seen */
	unsigned char head[8]; /* the current record's head, or what has come of the next one */
	unsigned char held[RECORDS_HELD];
};

void records_init(struct records *, int fd, int idle_ms);

/*
 * What libfcgi's OS_Read gets: raw bytes, never past the end of a record, so that it holds nothing
 * back when its parameters end.  As read(2).
 */
ssize_t records_raw(struct records *, void *buf, size_t size);

/*
 * Up to SIZE body bytes of request ID, waiting at most WAIT_MS: > 0 bytes, 0 end of input, -1
 * nothing yet, -2 lost.  Other records are skipped; an abort is a loss.
 */
ssize_t records_body(struct records *, unsigned id, void *buf, size_t size, int wait_ms);

/* As wire_settle: from now on the calling thread does nothing but read these. */
void records_settle(struct records *);

/* Wait until FD can be read; false after WAIT_MS. */
bool records_wait(int fd, int wait_ms);

#endif
