/*
 * What this process read last of the store, record by record, and a reader who is content with it
 * as long as it is true.  Every change of a record counts one of the counters in the gate's file
 * before it is made, so whoever finds the counter of a record where it was when the record was
 * read may take the remembered one: he would read the same in a pass.  Private to store/.
 */
#ifndef SLIPWAY_STORE_MEMO_H
#define SLIPWAY_STORE_MEMO_H

#include "store/gate.h"
#include "store/record.h"

#define MEMO_ENTRIES   128
#define MEMO_VALUE_MAX (8 * KIB) /* larger ones are read in a pass each time */
#define RECALL_MOST    8	 /* records a reader may ask for without a pass */

/* One per process that keeps the store open; safe to use from many threads. */
struct memo;
struct memo *memo_new(void);
void memo_free(struct memo *);

/* A record, or the part of it without the members called one of WITHOUT (record.h; lists are told
 * apart by their place). */
struct memo_key {
	enum table table;
	const void *at;
	size_t len;
	const char *const *without; /* static; NULL = the whole */
};

/* The gate's counter for this record: 0 .. GATE_CHANGES - 1. */
size_t memo_counter(enum table, const void *key, size_t key_len);

/* Inside the gate, in a pass that only reads: keep a copy of VALUE, which is what the key means
 * now. */
void memo_keep(struct memo *, const struct gate *, const struct memo_key *, const void *value,
	       size_t len);

/* One reader outside the gate; begins as {.memo, .gate}. */
struct recall {
	struct memo *memo;
	const struct gate *gate;
	const struct gate_file *file; /* NULL = not looked yet */
	bool missed; /* something he asked for needs a pass: what he found out means nothing */
	size_t n;
	struct {
		size_t counter;
		struct gate_stamp stamp;
	} used[RECALL_MOST];
	char *value; /* a copy of the record last asked for; owned */
	struct json_tokener *reader;
};

/*
 * The record as remembered, in R->value until the next call.
 * Errors: ERR_NOT_FOUND: there is none; ERR_BUSY: R->missed.
 */
enum err recall_get(struct recall *r, const struct memo_key *key, size_t *ret_len);
/* The end: was everything still true at one moment?  Frees what R owns. */
bool recall_end(struct recall *r);

#endif
