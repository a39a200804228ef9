/*
 * The collection of upload records: {"v","id","owner","adapter","mode","state","reason","name",
 * "rel_path","media_type",
 * "length","offset","ranges","part_count","meta","concat","digest","created","touched","expires",
 * "boot_id",
 * "tentative","assembling","refs"} and more that upload/ explains.  A record with "key" gives its
 * client key back when it expires or goes.  Meaning: contracts/transports.md 1.1; the engine
 * (upload/) gives it.
 */
#ifndef SLIPWAY_STORE_UPLOADS_H
#define SLIPWAY_STORE_UPLOADS_H

#include "store/record.h"

/* What one owner has: for quota and limits. */
struct uploads_usage {
	int64_t open; /* unfinished uploads */
	/* declared (else recorded) bytes of unfinished + complete unused ones */
	int64_t bytes;
	int64_t parts; /* parts that unfinished ones may come to have */
};

/* ERR_CONFLICT: id exists */
enum err uploads_create(struct pass *, json_object *record);
enum err uploads_get(struct pass *, const char *id, json_object **ret);
enum err uploads_put(struct pass *, json_object *record);
enum err uploads_delete(struct pass *, const char *id); /* record, indexes */
enum err uploads_usage(struct pass *, const char *owner, struct uploads_usage *ret);
/* newest first; NULL: all */
enum err uploads_list(struct pass *, const char *owner, size_t skip, size_t max, json_object **ret);
/* Ids past their "expires" and tombstones past theirs: at most MAX into an array of strings. */
enum err uploads_expired(struct pass *, int64_t now_ms, size_t max, json_object **ret);
/*
 * Bytes promised to unfinished uploads of everybody but not yet written (declared - recorded), for
 * the space check.
 */
enum err uploads_promised(struct pass *, int64_t *ret);
/* Client keys (transports.md 1.15): ERR_CONFLICT with *RET_ID filled when the key is taken. */
enum err upload_keys_claim(struct pass *, const char key_hex[65], const char *id, char ret_id[33]);
enum err upload_keys_drop(struct pass *, const char key_hex[65]);
/* The id under a key: ERR_NOT_FOUND. */
enum err upload_keys_get(struct pass *, const char key_hex[65], char ret_id[33]);
/* Be alone with a key until *RET_FD is closed; outside a pass.  Errors: ERR_BUSY after WAIT_MS. */
enum err upload_keys_lock(struct store *, const char key_hex[65], int wait_ms, int *ret_fd,
			  struct error *error);

#endif
