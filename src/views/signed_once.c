/*
 * A signed request is carried out once: its key in the replay store, and what is told to the
 * second, third … that has the same.  Source: contracts/signed-api.md 2.4.
 */
#include "views/signed.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/accounts.h"

#define GRACE_MS 60000 /* an entry stays this long beyond the window on both sides */

/* ---- hashes over length-prefixed texts */

static void feed(struct digest_run *run, const char *text)
{
	size_t n = strlen(text);
	unsigned char head[8];

	for (int i = 0; i < 8; i++)
		head[i] = (unsigned char)(n >> (56 - 8 * i) & 0xff);
	digest_feed(run, head, sizeof(head));
	digest_feed(run, text, n);
}

void signed_once_hex(const struct signed_once *once, char ret[65])
{
	token_print_hex(once->key, sizeof(once->key), ret);
}

static int by_name(const void *a, const void *b)
{
	const struct pair *x = *(const struct pair *const *)a, *y = *(const struct pair *const *)b;
	int names = strcmp(x->name, y->name);

	return names != 0 ? names : strcmp(x->value, y->value);
}

/* Sorted fields without the token, then the file. */
static void hash_content(const struct signed_call *s, char ret[65])
{
	struct digest_run *run = digest_new(DIGEST_SHA256);
	CLEAN_FREE const struct pair **sorted = mem_array(s->fields.n + 1, sizeof(*sorted));
	CLEAN_FREE char *size = mem_printf("%lld", (long long)s->file.bytes);
	unsigned char digest[32];
	size_t n = 0;

	for (size_t i = 0; i < s->fields.n; i++) {
		if (strcmp(s->fields.v[i].name, "token") != 0)
			sorted[n++] = &s->fields.v[i];
	}
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < n; i++) {
		feed(run, sorted[i]->name);
		feed(run, sorted[i]->value);
	}
	if (s->file.name != NULL) {
		feed(run, s->file.name);
		feed(run, size);
		feed(run, s->file.sha256);
	}
	digest_end(run, digest);
	token_print_hex(digest, sizeof(digest), ret);
}

void signed_once_prepare(struct signed_call *s)
{
	static const char *const apis[] = {[SIGNED_ROWS] = "rows", [SIGNED_FILE] = "file"};
	struct digest_run *run = digest_new(DIGEST_SHA256);
	bool head = s->head.signature != NULL;

	s->once.on = !s->plain && strcmp(json_str(s->account, "replay", "on"), "off") != 0;
	feed(run, apis[s->api]);
	feed(run, s->visitor);
	feed(run, head ? "nonce" : "stamp");
	feed(run, head ? s->head.hmac.nonce : s->stamp);
	feed(run, head ? "" : s->type);
	digest_end(run, s->once.key);
	/* Nobody repeats it: the key only marks this one write. */
	if (!s->once.on)
		token_bytes(s->once.key, sizeof(s->once.key));
	hash_content(s, s->once.content);
	signed_once_number(&s->once);
}

void signed_once_number(struct signed_once *once)
{
	token_bytes(&once->number, sizeof(once->number));
	once->number &= INT64_MAX >> 1;
}

/* ---- claiming */

static json_object *entry(const struct signed_call *s)
{
	json_object *o = json_object_new_object();
	int64_t window = json_int(s->account, "window", 300) * 1000;

	json_set_str(o, "content", s->once.content);
	json_set_str(o, "state", "running");
	json_set_int(o, "started", s->now_ms);
	json_set_int(o, "expires", s->now_ms + 2 * window + GRACE_MS);
	json_set_int(o, "task", s->task);
	if (s->api == SIGNED_ROWS)
		json_set_int(o, "lock", s->once.number);
	return o;
}

enum err signed_claim(struct pass *p, struct signed_call *s, json_object *task,
		      json_object **ret_old)
{
	CLEAN_JSON json_object *record = NULL;
	int64_t limit = json_int(s->account, "limit", 0);
	enum err err = s->once.on ? replay_get(p, s->once.key, ret_old) : ERR_NOT_FOUND;

	if (err != ERR_NOT_FOUND)
		return err == ERR_OK ? ERR_CONFLICT : err;
	err = accounts_call(p, s->visitor, limit, s->now_ms);
	if (err == ERR_OK)
		err = s->api == SIGNED_ROWS ? tasks_begin(p, task, &s->task)
					    : tasks_add(p, task, &s->task);
	if (err != ERR_OK || !s->once.on)
		return err;
	record = entry(s);
	return replay_begin(p, s->once.key, record);
}

enum err signed_once_done(struct pass *p, struct signed_call *s)
{
	CLEAN_JSON json_object *record = entry(s);

	return s->once.on ? replay_end(p, s->once.key, record, s->once.answer) : ERR_OK;
}

bool signed_once_same(struct signed_call *s, const json_object *old)
{
	return token_equal(json_str(old, "content", ""), s->once.content) ||
	       signed_failed(s, "stamp or nonce used before, with other content");
}
