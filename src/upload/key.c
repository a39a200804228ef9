/*
 * Clients' own identifiers (transports.md 1.15): one of any number of first requests creates the
 * upload, all get the same one.  The key is written in the transaction of the record and goes with
 * it (store/uploads.c).
 */
#include "upload/engine.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

#define REPEAT_MS 60000 /* the answer to the last request may be asked for this long */
#define TRIES	  5	/* of several that create, expire and take over at once */

void upload_key(const struct principal *who, const char *address, const char *dialect,
		const char *const *fields, char out[65])
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		mem_die();
	fprintf(f, "%zu:%s", strlen(who->owner), who->owner);
	if (strcmp(who->owner, "-") == 0 && address != NULL)
		fprintf(f, "%zu:%s", strlen(address), address);
	fprintf(f, "%zu:%s", strlen(dialect), dialect);
	for (; *fields != NULL; fields++)
		fprintf(f, "%zu:%s", strlen(*fields), *fields);
	if (fclose(f) != 0)
		mem_die();
	token_sha256_hex(text, len, out);
	free(text);
}

void key_record(json_object *record, const struct upload_spec *spec)
{
	if (spec->key == NULL)
		return;
	(void)json_set_str(record, "key", spec->key);
	(void)json_set_int(record, "asked", spec->length);
	if (spec->key_stays)
		(void)json_set_bool(record, "key_stays", true);
}

enum err key_take(struct pass *p, const struct upload *u, const json_object *record)
{
	const char *key = json_str(record, "key", NULL);
	char id[ID_LEN + 1];
	enum err e;

	if (key == NULL)
		return ERR_OK;
	e = upload_keys_get(p, key, id);
	if (e == ERR_OK && strcmp(id, u->replaces) == 0)
		e = upload_keys_drop(p, key);
	else if (e == ERR_NOT_FOUND)
		e = ERR_OK;
	return e == ERR_OK ? upload_keys_claim(p, key, u->id, id) : e;
}

/* ---- who has it */

enum holder {
	HOLDER_NONE, /* nobody, or one whose time is over */
	HOLDER_OPEN, /* an unfinished upload */
	HOLDER_DONE, /* a complete one, still to be told */
};

struct look {
	const char *key;
	bool fresh;	     /* a complete one is not wanted */
	bool drop;	     /* and loses the key here */
	enum holder holder;  /* results */
	char id[ID_LEN + 1]; /* "" = nobody */
	json_object *record; /* of it; owned */
};

static enum holder judge(const json_object *r, bool fresh)
{
	switch (state_of(r)) {
	case UPLOAD_CREATED:
	case UPLOAD_RECEIVING:
		return HOLDER_OPEN;
	case UPLOAD_COMPLETE:
		if (json_bool(r, "key_stays", false))
			return HOLDER_DONE;
		/* `touched` was set by completion. */
		return !fresh && clock_now_ms() - json_int(r, "touched", 0) < REPEAT_MS
			   ? HOLDER_DONE
			   : HOLDER_NONE;
	case UPLOAD_EXPIRED:
	case UPLOAD_STATE__MAX:
		break;
	}
	return HOLDER_NONE;
}

static enum err look_pass(struct pass *p, void *arg)
{
	struct look *l = arg;
	json_object *r = NULL;
	enum err e = upload_keys_get(p, l->key, l->id);

	json_object_put(l->record);
	l->record = NULL;
	l->holder = HOLDER_NONE;
	if (e == ERR_OK)
		e = uploads_get(p, l->id, &r);
	if (e != ERR_OK) {
		l->id[0] = '\0';
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	}
	l->record = r;
	l->holder = judge(r, l->fresh);
	return l->drop && l->holder == HOLDER_NONE ? upload_keys_drop(p, l->key) : ERR_OK;
}

enum err upload_by_key(struct engine *e, const char key[65], bool fresh, char ret_id[33],
		       struct error *error)
{
	struct look l = {.key = key, .fresh = fresh};
	enum err err = store_pass(e->store, PASS_READ, "upload key", look_pass, &l, error);

	if (err == ERR_OK && fresh && l.holder == HOLDER_NONE && l.id[0] != '\0') {
		l.drop = true;
		err = store_pass(e->store, PASS_WRITE_NOSYNC, "upload key drop", look_pass, &l,
				 error);
	}
	if (err == ERR_OK)
		memcpy(ret_id, l.holder == HOLDER_NONE ? "" : l.id,
		       l.holder == HOLDER_NONE ? 1 : sizeof(l.id));
	json_object_put(l.record);
	return err;
}

enum err upload_key_lock(struct engine *e, const char key[65], int *ret_fd, struct error *error)
{
	int wait_ms = (int)e->config->upload_lock_wait_s * 1000;
	enum err err = upload_keys_lock(e->store, key, wait_ms, ret_fd, NULL);

	if (err == ERR_BUSY)
		return error_set(error, ERR_LOCKED, "the upload of this key is being written");
	return err == ERR_OK ? err : error_errno(error, err, "lock an upload's key");
}

/* ---- that one or a new one */

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Is it what SPEC asks for? */
static bool fits(const json_object *r, const struct upload_spec *spec)
{
	const struct mode *mode = mode_of(spec->mode);

	return mode != NULL && strcmp(json_str(r, "mode", ""), mode->name) == 0 &&
	       json_int(r, "asked", -1) == spec->length &&
	       json_int(r, "part_count", 0) == (spec->mode == UPLOAD_PARTS ? spec->parts : 0) &&
	       same_text(json_str(r, "meta", NULL), spec->meta);
}

static enum err create_for(struct engine *e, const struct upload_spec *spec, const char *replaces,
			   struct upload **ret, bool *ret_taken, struct error *error)
{
	struct error why = {0};
	struct upload *u = NULL;
	enum err err = upload_make(e, spec, replaces, &u, ret_taken, &why);

	if (err != ERR_OK && !*ret_taken) {
		if (why.code[0] != '\0')
			(void)error_code(error, err, why.code);
		return error_set(error, err, "%s", why.text);
	}
	*ret = u;
	return err;
}

enum err upload_claim(struct engine *e, const struct upload_spec *spec, bool fresh,
		      struct upload **ret, bool *ret_created, struct error *error)
{
	char replaces[ID_LEN + 1] = "";

	for (int i = 0; i < TRIES; i++) {
		struct look l = {.key = spec->key, .fresh = fresh};
		enum err err = store_pass(e->store, PASS_READ, "upload key", look_pass, &l, error);
		bool taken = false, found = err == ERR_OK && l.holder != HOLDER_NONE &&
					    strcmp(l.id, replaces) != 0;
		bool fit = found && fits(l.record, spec);

		json_object_put(l.record);
		if (err != ERR_OK)
			return err;
		if (found && !fit)
			return error_set(error, ERR_CONFLICT,
					 "upload %.8s: another one under that key", l.id);
		if (found) {
			struct error why = {0};

			err = upload_open(e, l.id, &spec->owner, UPLOAD_WANT_WRITE, ret, &why);
			*ret_created = false;
			if (err == ERR_OK)
				return err;
			if (err != ERR_GONE && err != ERR_NOT_FOUND)
				return error_set(error, err, "%s", why.text);
			/* Its time was over though nobody had looked yet. */
			memcpy(replaces, l.id, sizeof(replaces));
			continue;
		}
		err = create_for(e, spec, l.id, ret, &taken, error);
		if (!taken) {
			*ret_created = err == ERR_OK;
			return err;
		}
	}
	return error_set(error, ERR_LOCKED, "the upload of this key keeps changing");
}
