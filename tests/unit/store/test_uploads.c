/*
 * Goal: uploads are found by owner and age, sums per owner always equal what the records say, and a
 * client key leads two first chunks to one upload.
 */
#include "store/fixture.h"

#include "store/uploads.h"

static const char id_a[] = "a0000000000000000000000000000000";
static const char id_b[] = "b0000000000000000000000000000000";
static const char id_c[] = "c0000000000000000000000000000000";

struct spec {
	const char *id, *owner, *state;
	int64_t length, offset, created, expires, refs;
};

static json_object *make(const struct spec *s)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "id", s->id);
	json_set_str(o, "owner", s->owner);
	json_set_str(o, "state", s->state);
	json_set_int(o, "length", s->length);
	json_set_int(o, "offset", s->offset);
	json_set_int(o, "created", s->created);
	json_set_int(o, "expires", s->expires);
	return json_set_int(o, "refs", s->refs);
}

static enum err create(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = make(arg);

	return uploads_create(p, o);
}

static enum err put(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *o = make(arg);

	return uploads_put(p, o);
}

static enum err erase(struct pass *p, void *arg)
{
	return uploads_delete(p, arg);
}

struct sums {
	const char *owner;
	struct uploads_usage usage;
	int64_t promised;
};

static enum err sums(struct pass *p, void *arg)
{
	struct sums *s = arg;
	enum err err = uploads_usage(p, s->owner, &s->usage);

	return err == ERR_OK ? uploads_promised(p, &s->promised) : err;
}

static void want_sums(struct fixture *f, const char *owner, int64_t open, int64_t bytes,
		      int64_t promised)
{
	struct sums s = {.owner = owner};

	run(f, PASS_READ, sums, &s);
	assert_int_equal(s.usage.open, open);
	assert_int_equal(s.usage.bytes, bytes);
	assert_int_equal(s.promised, promised);
}

static void test_uploads_sums_follow_records(void **state)
{
	struct fixture *f = *state;
	struct spec a = {id_a, "u:ann", "created", 100, 0, 10, 5000, 0};
	struct spec b = {id_b, "u:ann", "receiving", -1, 30, 20, 5000, 0};
	struct spec c = {id_c, "u:bob", "created", 7, 0, 30, 5000, 0};

	run(f, PASS_SYNC, create, &a);
	run(f, PASS_SYNC, create, &b);
	run(f, PASS_SYNC, create, &c);
	run_want(f, PASS_SYNC, create, &c, ERR_CONFLICT);
	want_sums(f, "u:ann", 2, 130, 107);
	a.state = "receiving";
	a.offset = 40;
	run(f, PASS_SYNC, put, &a);
	want_sums(f, "u:ann", 2, 130, 67);
	a.state = "complete";
	a.offset = 100;
	run(f, PASS_SYNC, put, &a);
	want_sums(f, "u:ann", 1, 130, 7);
	a.refs = 1;
	run(f, PASS_SYNC, put, &a);
	want_sums(f, "u:ann", 1, 30, 7);
	b.state = "expired";
	run(f, PASS_SYNC, put, &b);
	want_sums(f, "u:ann", 0, 0, 7);
	run(f, PASS_SYNC, erase, (void *)(uintptr_t)id_c);
	want_sums(f, "u:bob", 0, 0, 0);
	run_want(f, PASS_SYNC, erase, (void *)(uintptr_t)id_c, ERR_NOT_FOUND);
}

struct listing {
	const char *owner;
	size_t skip, max;
	int64_t now;
	json_object *found;
};

static enum err list(struct pass *p, void *arg)
{
	struct listing *l = arg;

	return l->now != 0 ? uploads_expired(p, l->now, l->max, &l->found)
			   : uploads_list(p, l->owner, l->skip, l->max, &l->found);
}

/* First letters of the ids. */
static void want_list(struct fixture *f, struct listing l, const char *want)
{
	char text[16] = "";
	json_object *o;

	run(f, PASS_READ, list, &l);
	JSON_EACH(o, l.found)
	{
		const char *id = l.now != 0 ? json_object_get_string(o) : json_str(o, "id", "?");

		strncat(text, id, 1);
	}
	json_object_put(l.found);
	assert_string_equal(text, want);
}

static void test_uploads_list_and_expired(void **state)
{
	struct fixture *f = *state;
	struct spec a = {id_a, "u:ann", "created", 100, 0, 10, 6000, 0};
	struct spec b = {id_b, "u:ann", "created", 100, 0, 20, 5000, 0};
	struct spec c = {id_c, "u:bob", "created", 100, 0, 30, 4000, 0};

	run(f, PASS_SYNC, create, &a);
	run(f, PASS_SYNC, create, &b);
	run(f, PASS_SYNC, create, &c);
	want_list(f, (struct listing){.owner = "u:ann", .max = 10}, "ba");
	want_list(f, (struct listing){.owner = NULL, .max = 10}, "cba");
	want_list(f, (struct listing){.owner = NULL, .skip = 1, .max = 1}, "b");
	want_list(f, (struct listing){.now = 4000, .max = 10}, "");
	want_list(f, (struct listing){.now = 5001, .max = 10}, "cb");
	want_list(f, (struct listing){.now = 9000, .max = 2}, "cb");
	/* What somebody uses does not expire. */
	b.refs = 1;
	run(f, PASS_SYNC, put, &b);
	want_list(f, (struct listing){.now = 9000, .max = 10}, "ca");
}

struct claim {
	const char *id;
	char got[33];
};

static const char client_key[65] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static enum err claim(struct pass *p, void *arg)
{
	struct claim *c = arg;

	return upload_keys_claim(p, client_key, c->id, c->got);
}

static enum err drop(struct pass *p, void *arg)
{
	(void)arg;
	return upload_keys_drop(p, client_key);
}

static void test_upload_keys_lead_to_first(void **state)
{
	struct fixture *f = *state;
	struct spec a = {id_a, "u:ann", "created", 100, 0, 10, 6000, 0};
	struct claim c = {.id = id_a}, d = {.id = id_b};

	run(f, PASS_SYNC, create, &a);
	run(f, PASS_SYNC, claim, &c);
	run_want(f, PASS_SYNC, claim, &d, ERR_CONFLICT);
	assert_string_equal(d.got, id_a);
	run(f, PASS_SYNC, drop, NULL);
	run(f, PASS_SYNC, claim, &c);
	/* A key whose upload is gone is free. */
	run(f, PASS_SYNC, erase, (void *)(uintptr_t)id_a);
	run(f, PASS_SYNC, claim, &d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(test_uploads_sums_follow_records),
	    STORE_TEST(test_uploads_list_and_expired),
	    STORE_TEST(test_upload_keys_lead_to_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
