/*
 * Digests of the whole file: fed while the bytes come in order, else computed by reading it once.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

#define READ_BYTES (256 * KIB)

static void to_hex(const unsigned char *value, enum digest algorithm, char hex[129])
{
	for (size_t i = 0; i < digest_size(algorithm); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", value[i]);
}

json_object *digests_json(const struct checksum *digest, size_t n)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < (n == 0 ? 1 : n); i++) {
		json_object *item = json_object_new_object();
		char hex[129];

		to_hex(digest[i].value, digest[i].algorithm, hex);
		(void)json_set_str(item, "algorithm", digest_name(digest[i].algorithm));
		json_object_array_add(list, json_set_str(item, "value", hex));
	}
	return list;
}

/* The digests to be computed, as a set of bits; unknown ones of a damaged record are left out. */
static unsigned wanted(const struct upload *u)
{
	unsigned set = (unsigned)json_int(u->record, "hash", 0) | u->asked;
	const json_object *item;
	enum digest algorithm;

	JSON_EACH(item, json_arr(u->record, "digest"))
	if (digest_by_name(json_str(item, "algorithm", ""), &algorithm))
		set |= 1U << algorithm;
	return set;
}

void hash_begin(struct upload *u, const struct upload_spec *spec)
{
	unsigned set = wanted(u);

	/* Out of order they can only be read at the end. */
	if (spec->mode != UPLOAD_APPEND)
		return;
	for (enum digest a = 0; a < DIGEST__MAX; a++)
		if ((set & 1U << a) != 0)
			u->runs[a] = digest_new(a);
}

void hash_feed(struct upload *u, const void *bytes, size_t n)
{
	for (enum digest a = 0; a < DIGEST__MAX; a++)
		if (u->runs[a] != NULL)
			digest_feed(u->runs[a], bytes, n);
	u->run_bytes += (int64_t)n;
}

void hash_free(struct upload *u)
{
	for (enum digest a = 0; a < DIGEST__MAX; a++) {
		digest_free(u->runs[a]);
		u->runs[a] = NULL;
	}
}

void hash_cut(struct upload *u, int64_t offset)
{
	if (u->run_bytes > offset)
		hash_free(u);
}

/* Which of SET have not seen all bytes? */
static unsigned unread(const struct upload *u, unsigned set)
{
	for (enum digest a = 0; a < DIGEST__MAX; a++)
		if (u->runs[a] != NULL && u->run_bytes == u->offset)
			set &= ~(1U << a);
	return set;
}

bool hash_must_read(const struct upload *u)
{
	return unread(u, wanted(u)) != 0;
}

/* `part`, or what it has become, for a handle that opened neither. */
static enum err file_open(struct upload *u, struct error *error)
{
	if (u->part < 0)
		u->part = openat(u->dir, "data", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (u->part < 0)
		u->part = openat(u->dir, "part", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return u->part < 0 ? error_errno(error, ERR_IO, "open upload's file") : ERR_OK;
}

/* Compute SET by reading `part` once. */
static enum err read_all(struct upload *u, unsigned set, unsigned char out[][64],
			 struct error *error)
{
	CLEAN_FREE unsigned char *buf = mem_array(1, READ_BYTES);
	struct digest_run *runs[DIGEST__MAX] = {NULL};
	enum err e = ERR_OK;
	int64_t at = 0;

	for (enum digest a = 0; a < DIGEST__MAX; a++)
		if ((set & 1U << a) != 0)
			runs[a] = digest_new(a);
	while (e == ERR_OK && at < u->offset) {
		ssize_t n = pread(u->part, buf, READ_BYTES, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			e = error_errno(error, ERR_IO, "read upload");
			break;
		}
		if (n > u->offset - at)
			n = (ssize_t)(u->offset - at);
		for (enum digest a = 0; a < DIGEST__MAX; a++)
			if (runs[a] != NULL)
				digest_feed(runs[a], buf, (size_t)n);
		at += n;
		e = assemble_beat(u, at, error);
	}
	for (enum digest a = 0; a < DIGEST__MAX; a++) {
		if (runs[a] != NULL && e == ERR_OK)
			digest_end(runs[a], out[a]);
		else
			digest_free(runs[a]);
	}
	return e;
}

enum err hash_check(struct upload *u, struct error *error)
{
	unsigned set = wanted(u), late = unread(u, set);
	unsigned char values[DIGEST__MAX][64];
	const json_object *item;
	char hex[129];
	enum err e = late != 0 ? read_all(u, late, values, error) : ERR_OK;

	if (e != ERR_OK)
		return e;
	for (enum digest a = 0; a < DIGEST__MAX; a++) {
		if ((set & 1U << a) == 0)
			continue;
		if ((late & 1U << a) == 0) {
			digest_end(u->runs[a], values[a]);
			u->runs[a] = NULL;
		}
		to_hex(values[a], a, hex);
		(void)json_set_str(u->record, digest_name(a), hex);
	}
	JSON_EACH(item, json_arr(u->record, "digest"))
	{
		const char *name = json_str(item, "algorithm", "");
		enum digest a;

		if (!digest_by_name(name, &a))
			return error_set(error, ERR_ALGORITHM, "upload %.8s: unknown digest",
					 u->id);
		if (!token_equal(json_str(u->record, digest_name(a), ""),
				 json_str(item, "value", "?")))
			return error_set(error, ERR_DIGEST, "upload %.8s: the file's %s differs",
					 u->id, name);
	}
	return ERR_OK;
}

void hash_expected(struct upload *u)
{
	json_object *list = json_arr(u->record, "digest"), *item;

	if (json_len(u->expected) == 0)
		return;
	if (list == NULL) {
		list = json_object_new_array();
		(void)json_set(u->record, "digest", list);
	}
	JSON_EACH(item, u->expected)
	json_object_array_add(list, json_object_get(item));
}

/* The digest of a complete file: from the record, or by reading it once. */
static enum err compare(struct upload *u, enum digest algorithm, const char *want,
			struct error *error)
{
	const char *got = json_str(u->record, digest_name(algorithm), NULL);
	unsigned char values[DIGEST__MAX][64];
	char hex[129];
	enum err e = ERR_OK;

	if (got == NULL) {
		e = file_open(u, error);
		if (e == ERR_OK)
			e = read_all(u, 1U << algorithm, values, error);
		if (e != ERR_OK)
			return e;
		to_hex(values[algorithm], algorithm, hex);
		got = hex;
	}
	return token_equal(got, want)
		   ? ERR_OK
		   : error_set(error, ERR_DIGEST, "upload %.8s: the file's %s differs", u->id,
			       digest_name(algorithm));
}

enum err upload_expect(struct upload *u, const struct checksum *sum, struct error *error)
{
	json_object *more = digests_json(sum, 1), *item = json_at(more, 0);

	if (u->state >= UPLOAD_COMPLETE) {
		enum err e = compare(u, sum->algorithm, json_str(item, "value", "?"), error);

		json_object_put(more);
		return e;
	}
	/* Whoever says it says it with the end: it need not outlive this request by itself. */
	json_object_put(u->expected);
	u->expected = more;
	hash_expected(u);
	return ERR_OK;
}

void upload_want_digest(struct upload *u, enum digest algorithm)
{
	u->asked |= 1U << algorithm;
}

enum err upload_md5(struct upload *u, char out[33], struct error *error)
{
	unsigned char values[DIGEST__MAX][64];
	char hex[129];
	enum err e = ERR_OK;

	if (json_str(u->record, "md5", "")[0] != '\0' && u->state == UPLOAD_COMPLETE) {
		(void)snprintf(out, 33, "%s", json_str(u->record, "md5", ""));
		return ERR_OK;
	}
	if (u->runs[DIGEST_MD5] != NULL && u->run_bytes == u->offset) {
		digest_peek(u->runs[DIGEST_MD5], values[DIGEST_MD5]);
	} else {
		e = file_open(u, error);
		if (e == ERR_OK)
			e = read_all(u, 1U << DIGEST_MD5, values, error);
	}
	if (e != ERR_OK)
		return e;
	to_hex(values[DIGEST_MD5], DIGEST_MD5, hex);
	memcpy(out, hex, 33);
	return ERR_OK;
}
