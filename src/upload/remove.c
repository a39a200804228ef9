/*
 * Deletion, and the references that put it off.
 */
#include "upload/engine.h"

#include <string.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#define BATCH 32 /* uploads open at once by a removal of many: two descriptors each */

void files_remove(const struct engine *e, const char *id)
{
	char place[40];

	/* The sweep finds what a backup needs until it has it. */
	if (store_keeps_files(e->store))
		return;
	id_place(id, place);
	/* What stays behind after an error is found by the sweep. */
	(void)fs_remove_tree(e->dir, place, NULL);
}

void record_expire(
    const struct engine *e, json_object *record, enum upload_reason reason, int64_t now)
{
	(void)json_set_str(record, "state", state_word(UPLOAD_EXPIRED));
	(void)json_set_str(record, "reason", reason_word(reason));
	(void)json_set_int(record, "expires", now + e->config->upload_tombstone_ttl_s * 1000);
}

/* ---- the commit of removals */

struct removal {
	const struct engine *engine;
	struct upload *const *v;
	size_t n;
	enum upload_reason reason;
	bool *unused; /* result: nobody holds V[i]'s bytes */
	json_object *broken; /* result: ids of those that waited for one of them; owned */
	struct tally_uploads sums; /* result */
};

static enum err removal_pass(struct pass *p, void *arg)
{
	struct removal *r = arg;
	int64_t now = clock_now_ms();

	json_object_put(r->broken);
	r->broken = NULL;
	r->sums = (struct tally_uploads){0};
	for (size_t i = 0; i < r->n; i++) {
		CLEAN_JSON json_object *record = NULL;
		enum err e = uploads_get(p, r->v[i]->id, &record);

		r->unused[i] = e == ERR_NOT_FOUND || json_int(record, "refs", 0) <= 0;
		if (e == ERR_NOT_FOUND)
			continue;
		if (e == ERR_OK && state_of(record) != UPLOAD_EXPIRED) {
			count(&r->sums,
			    r->reason == UPLOAD_DELETED ? TALLY_TERMINATED : TALLY_EXPIRED, record);
			record_expire(r->engine, record, r->reason, now);
			e = uploads_put(p, record);
			if (e == ERR_OK)
				e = concat_partial_gone(
				    p, r->engine, record, &r->broken, &r->sums);
		}
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err remove_all(struct engine *e, struct upload *const *v, size_t n,
    enum upload_reason reason, struct error *error)
{
	CLEAN_FREE bool *unused = mem_array(n + 1, sizeof(bool));
	struct removal r = {.engine = e, .v = v, .n = n, .reason = reason, .unused = unused};
	enum err err = n == 0
	    ? ERR_OK
	    : store_pass(e->store, PASS_DELETE, "upload remove", removal_pass, &r, error);

	for (size_t i = 0; err == ERR_OK && i < n; i++) {
		v[i]->state = UPLOAD_EXPIRED;
		if (unused[i])
			files_remove(e, v[i]->id);
	}
	if (err == ERR_OK) {
		tally_add_uploads(e->tally, &r.sums);
		concat_remove(e, r.broken);
	}
	json_object_put(r.broken);
	return err;
}

enum err upload_remove(struct upload *u, enum upload_reason reason, struct error *error)
{
	if (u->pending && u->doubtful)
		return ERR_OK; /* its record may be there, and a consumer's: the sweep finds out */
	if (u->pending) {
		files_remove(u->engine, u->id);
		u->pending = false;
		u->state = UPLOAD_EXPIRED;
		return ERR_OK;
	}
	return u->state == UPLOAD_EXPIRED ? ERR_OK : remove_all(u->engine, &u, 1, reason, error);
}

static enum err remove_batch(struct engine *e, const char *const *ids, size_t n,
    const struct principal *who, struct error *error)
{
	struct upload *v[BATCH] = {NULL};
	size_t k = 0;
	enum err first = ERR_OK, err;

	for (size_t i = 0; i < n; i++) {
		struct error why = {0};

		err = upload_open(e, ids[i], who, UPLOAD_WANT_REMOVE, &v[k], &why);
		if (err == ERR_OK)
			k++;
		else if (err != ERR_NOT_FOUND && err != ERR_GONE && first == ERR_OK)
			first = error_set(error, err, "%s", why.text);
	}
	err = remove_all(e, v, k, UPLOAD_DELETED, error);
	while (k > 0)
		upload_close(v[--k]);
	return err == ERR_OK ? first : err;
}

enum err uploads_remove(struct engine *e, const char *const *ids, size_t n,
    const struct principal *who, struct error *error)
{
	enum err first = ERR_OK;

	for (size_t at = 0; at < n; at += BATCH) {
		enum err err =
		    remove_batch(e, ids + at, n - at < BATCH ? n - at : BATCH, who, error);

		if (first == ERR_OK)
			first = err;
	}
	return first;
}

/* ---- references */

static enum err refer(struct pass *p, const char *id, int by, bool drop)
{
	CLEAN_JSON json_object *r = NULL;
	int64_t now = clock_now_ms(), refs;
	enum err e = uploads_get(p, id, &r);

	if (e != ERR_OK)
		return e;
	if (by > 0 && state_of(r) != UPLOAD_COMPLETE)
		return ERR_NOT_FOUND;
	refs = json_int(r, "refs", 0) + by;
	(void)json_set_int(r, "refs", refs > 0 ? refs : 0);
	if (refs <= 0 && drop && state_of(r) == UPLOAD_COMPLETE) {
		(void)json_set_str(r, "state", state_word(UPLOAD_EXPIRED));
		(void)json_set_str(r, "reason", reason_word(UPLOAD_DELETED));
	}
	if (refs <= 0)
		(void)json_set_int(r, "expires",
		    now +
			json_int(r,
			    state_of(r) == UPLOAD_COMPLETE ? "complete_ttl" : "tombstone_ttl",
			    86400 * 1000));
	return uploads_put(p, r);
}

enum err upload_hold(struct pass *p, const char *id, int by)
{
	return refer(p, id, by, false);
}

enum err upload_drop(struct pass *p, const char *id)
{
	return refer(p, id, -1, true);
}

struct release {
	const char *id;
	bool unused;
};

static enum err release_pass(struct pass *p, void *arg)
{
	struct release *r = arg;
	CLEAN_JSON json_object *record = NULL;
	enum err e = uploads_get(p, r->id, &record);

	r->unused =
	    e == ERR_OK && state_of(record) == UPLOAD_EXPIRED && json_int(record, "refs", 0) <= 0;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

void upload_release(struct engine *e, const char *id)
{
	struct release r = {.id = id};

	if (id != NULL && token_is_hex(id, ID_LEN) &&
	    store_pass(e->store, PASS_READ, "upload release", release_pass, &r, NULL) == ERR_OK &&
	    r.unused)
		files_remove(e, id);
}
