/*
 * Goal: whoever brings a client key gets the upload of that key: one of many that come together
 * creates it, a complete one is told for a minute and not to who begins anew, and nobody else's
 * key or an ended upload's is of any use.
 */
#include <pthread.h>
#include <unistd.h>
#include "upload/help.h"

static void key_of(const struct principal *who, const char *address, const char *a, const char *b,
		   char out[65])
{
	const char *fields[] = {a, b, NULL};

	upload_key(who, address, "dropzone", fields, out);
}

static struct upload_spec spec_for(const char *key, int64_t length)
{
	return (struct upload_spec){.owner = ann,
				    .adapter = "dropzone",
				    .mode = UPLOAD_RANGE,
				    .name = "a.csv",
				    .length = length,
				    .key = key,
				    .address = "192.0.2.1"};
}

static enum err put(struct upload *u, int64_t first, const char *text)
{
	struct memory m;
	int64_t n = (int64_t)strlen(text);

	return upload_put_range(u, first, n, memory_body(&m, text, (size_t)n, n, TAIL_END), NULL);
}

static void claim(struct scratch *s, const struct upload_spec *spec, bool fresh, bool created,
		  char id[33])
{
	struct upload *u = NULL;
	struct error error = {0};
	bool made = !created;

	if (upload_claim(s->engine, spec, fresh, &u, &made, &error) != ERR_OK)
		fail_msg("claim: %s", error.text);
	assert_int_equal(made, created);
	(void)snprintf(id, 33, "%s", upload_id(u));
	upload_close(u);
}

static void test_keys_differ_by_every_part(void **state)
{
	char base[65], other[65];

	(void)state;
	key_of(&ann, NULL, "x", "yz", base);
	key_of(&ann, "192.0.2.1", "x", "yz", other);
	assert_string_equal(base, other);
	key_of(&bob, NULL, "x", "yz", other);
	assert_string_not_equal(base, other);
	key_of(&ann, NULL, "xy", "z", other);
	assert_string_not_equal(base, other);
	key_of(&anyone, "192.0.2.1", "x", "yz", base);
	key_of(&anyone, "192.0.2.2", "x", "yz", other);
	assert_string_not_equal(base, other);
}

static void test_key_leads_to_the_same_upload(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec;
	struct upload *u = NULL;
	char key[65], a[33], b[33];
	bool made;

	key_of(&ann, NULL, "file", "11", key);
	spec = spec_for(key, 11);
	assert_int_equal(upload_by_key(s->engine, key, false, a, NULL), ERR_OK);
	assert_string_equal(a, "");
	claim(s, &spec, true, true, a);
	claim(s, &spec, true, false, b);
	assert_string_equal(a, b);
	assert_int_equal(upload_by_key(s->engine, key, true, b, NULL), ERR_OK);
	assert_string_equal(a, b);
	/* Another length or other metadata under the same key. */
	spec.length = 12;
	assert_int_equal(upload_claim(s->engine, &spec, false, &u, &made, NULL), ERR_CONFLICT);
	spec.length = 11;
	spec.meta = "x";
	assert_int_equal(upload_claim(s->engine, &spec, false, &u, &made, NULL), ERR_CONFLICT);
}

static void test_complete_upload_answers_repetitions_only(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec;
	struct upload *u;
	char key[65], a[33], b[33];

	key_of(&ann, NULL, "file", "5", key);
	spec = spec_for(key, 5);
	claim(s, &spec, true, true, a);
	u = reopen(s, a);
	assert_int_equal(put(u, 0, "hello"), ERR_OK);
	upload_close(u);
	claim(s, &spec, false, false, b);
	assert_string_equal(a, b);
	assert_int_equal(upload_by_key(s->engine, key, false, b, NULL), ERR_OK);
	assert_string_equal(a, b);
	/* A first chunk begins a new one, and the key is its own then. */
	claim(s, &spec, true, true, b);
	assert_string_not_equal(a, b);
	claim(s, &spec, false, false, a);
	assert_string_equal(a, b);
	/* Asking with FRESH ends the old one's key, too. */
	u = reopen(s, b);
	assert_int_equal(put(u, 0, "again"), ERR_OK);
	upload_close(u);
	assert_int_equal(upload_by_key(s->engine, key, true, a, NULL), ERR_OK);
	assert_string_equal(a, "");
	assert_int_equal(upload_by_key(s->engine, key, false, a, NULL), ERR_OK);
	assert_string_equal(a, "");
	claim(s, &spec, false, true, a);
	assert_string_not_equal(a, b);
}

static void test_staying_key_names_a_complete_upload(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec;
	struct upload *u;
	char key[65], a[33], b[33];

	key_of(&ann, NULL, "idempotency", "1", key);
	spec = spec_for(key, 5);
	spec.key_stays = true;
	claim(s, &spec, true, true, a);
	u = reopen(s, a);
	assert_int_equal(put(u, 0, "hello"), ERR_OK);
	upload_close(u);
	claim(s, &spec, true, false, b);
	assert_string_equal(a, b);
}

static void test_key_goes_with_its_upload(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec;
	char key[65], a[33], b[33];

	key_of(&ann, NULL, "file", "5", key);
	spec = spec_for(key, 5);
	claim(s, &spec, true, true, a);
	assert_int_equal(remove_id(s, a, &ann), ERR_OK);
	assert_int_equal(upload_by_key(s->engine, key, false, b, NULL), ERR_OK);
	assert_string_equal(b, "");
	claim(s, &spec, false, true, b);
	assert_string_not_equal(a, b);
}

static void test_upload_past_its_end_gives_its_key_up(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nidle_ttl = 1\n");
	struct upload_spec spec;
	char key[65], a[33], b[33];

	(void)state;
	key_of(&ann, NULL, "file", "5", key);
	spec = spec_for(key, 5);
	claim(s, &spec, true, true, a);
	clock_sleep_ms(1200);
	claim(s, &spec, false, true, b);
	assert_string_not_equal(a, b);
	scratch_free(s);
}

/* ---- racing */

struct racer {
	struct scratch *s;
	const char *key;
	char id[33];
	bool created;
	enum err err;
};

static void *race_one(void *arg)
{
	struct racer *r = arg;
	struct upload_spec spec = spec_for(r->key, 100);
	struct upload *u = NULL;

	r->err = upload_claim(r->s->engine, &spec, true, &u, &r->created, NULL);
	if (r->err == ERR_OK)
		(void)snprintf(r->id, sizeof(r->id), "%s", upload_id(u));
	upload_close(u);
	return NULL;
}

static void test_first_chunks_together_reach_one_upload(void **state)
{
	enum { N = 20 };
	struct scratch *s = *state;
	struct racer r[N];
	pthread_t threads[N];
	char key[65];

	for (int round = 0; round < 3; round++) {
		char text[16];
		int created = 0;

		(void)snprintf(text, sizeof(text), "%d", round);
		key_of(&ann, NULL, "race", text, key);
		for (size_t i = 0; i < N; i++) {
			r[i] = (struct racer){.s = s, .key = key};
			assert_int_equal(pthread_create(&threads[i], NULL, race_one, &r[i]), 0);
		}
		for (size_t i = 0; i < N; i++)
			pthread_join(threads[i], NULL);
		for (size_t i = 0; i < N; i++) {
			assert_int_equal(r[i].err, ERR_OK);
			assert_string_equal(r[i].id, r[0].id);
			created += r[i].created;
		}
		assert_int_equal(created, 1);
	}
}

/* ---- spools and lists */

static void test_spool_is_a_body(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec;
	struct spool *spool = NULL;
	struct upload *u = NULL;
	struct body body;
	char key[65], id[33];

	assert_int_equal(spool_begin(s->engine, &spool, NULL), ERR_OK);
	assert_int_equal(spool_push(spool, "hel", 3, NULL), ERR_OK);
	assert_int_equal(spool_push(spool, "lo", 2, NULL), ERR_OK);
	key_of(&ann, NULL, "spool", "5", key);
	spec = spec_for(key, 5);
	claim(s, &spec, true, true, id);
	u = reopen(s, id);
	body = spool_body(spool);
	assert_int_equal(body.length, 5);
	assert_int_equal(upload_put_range(u, 0, 5, &body, NULL), ERR_OK);
	spool_end(spool);
	spool_end(NULL);
	upload_close(u);
	assert_content(s, id, "hello");
}

static void test_spool_is_limited(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nmax_size = 4\n");
	struct spool *spool = NULL;

	(void)state;
	assert_int_equal(spool_begin(s->engine, &spool, NULL), ERR_OK);
	assert_int_equal(spool_push(spool, "abcd", 4, NULL), ERR_OK);
	assert_int_equal(spool_push(spool, "e", 1, NULL), ERR_TOO_LARGE);
	spool_end(spool);
	scratch_free(s);
}

static void test_spool_becomes_a_whole_file(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec = {
	    .owner = ann, .adapter = "form", .mode = UPLOAD_APPEND, .name = "a", .length = -1};
	struct spool *spool = NULL;
	struct upload *u = NULL, *v = NULL;
	char id[33], other[33];

	assert_int_equal(spool_begin(s->engine, &spool, NULL), ERR_OK);
	assert_int_equal(spool_push(spool, "hello", 5, NULL), ERR_OK);
	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	assert_int_equal(upload_take(u, spool, NULL), ERR_OK);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_OK);
	assert_int_equal(upload_offset(u), 5);
	memcpy(id, upload_id(u), sizeof(id));
	/* Not twice, not into one that has begun. */
	assert_int_equal(upload_create(s->engine, &spec, &v, NULL), ERR_OK);
	assert_int_equal(upload_push(v, "x", 1, NULL), ERR_OK);
	assert_int_equal(upload_take(v, spool, NULL), ERR_FINAL);
	memcpy(other, upload_id(v), sizeof(other));
	upload_close(v);
	spool_end(spool);
	assert_int_equal(uploads_commit(s->engine, &u, 1, NULL, NULL, NULL), ERR_OK);
	upload_close(u);
	assert_content(s, id, "hello");
	assert_int_equal(upload_open(s->engine, other, &ann, UPLOAD_WANT_STATUS, &v, NULL),
			 ERR_NOT_FOUND);
}

static void test_lists_tell_what_is_there(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create_as(s, &ann, "tus", 10), *v = create_as(s, &bob, "tus", 5);
	struct upload_info *list = NULL;
	size_t n = 0;
	int64_t at;

	assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
	assert_int_equal(append(v, 0, "hello", &at), ERR_OK);
	assert_int_equal(uploads_of(s->engine, "u:ann", 0, 10, &list, &n, NULL), ERR_OK);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].id, upload_id(u));
	assert_int_equal(list[0].received, 5);
	assert_true(list[0].writing);
	upload_info_done(&list[0]);
	free(list);
	upload_close(u);
	upload_close(v);
	assert_int_equal(uploads_of(s->engine, NULL, 0, 10, &list, &n, NULL), ERR_OK);
	assert_int_equal(n, 2);
	assert_false(list[0].writing);
	for (size_t i = 0; i < n; i++)
		upload_info_done(&list[i]);
	free(list);
	assert_int_equal(uploads_of(s->engine, NULL, 1, 10, &list, &n, NULL), ERR_OK);
	assert_int_equal(n, 1);
	upload_info_done(&list[0]);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    cmocka_unit_test(test_keys_differ_by_every_part),
	    T(test_key_leads_to_the_same_upload),
	    T(test_complete_upload_answers_repetitions_only),
	    T(test_staying_key_names_a_complete_upload),
	    T(test_key_goes_with_its_upload),
	    cmocka_unit_test(test_upload_past_its_end_gives_its_key_up),
	    T(test_first_chunks_together_reach_one_upload),
	    T(test_spool_is_a_body),
	    T(test_spool_becomes_a_whole_file),
	    cmocka_unit_test(test_spool_is_limited),
	    T(test_lists_tell_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
