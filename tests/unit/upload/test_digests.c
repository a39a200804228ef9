/*
 * Goal: digests of the whole file are right however its bytes came; each one that was promised is
 * compared; what they are told about counts before completion only.  And: who says when it is
 * complete, and who may take a silent writer's place.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include "upload/help.h"

#define HELLO_MD5    "5d41402abc4b2a76b9719d911017c592"
#define HELLO_SHA1   "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
#define HELLO_SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static struct checksum sum_of(enum digest algorithm, const char *text)
{
	struct checksum sum = {.algorithm = algorithm};
	struct digest_run *run = digest_new(algorithm);

	digest_feed(run, text, strlen(text));
	digest_end(run, sum.value);
	return sum;
}

static struct upload_spec spec_of(enum upload_mode mode, int64_t length)
{
	return (struct upload_spec){.owner = ann,
				    .adapter = "tus",
				    .mode = mode,
				    .name = "a",
				    .length = length,
				    .parts = mode == UPLOAD_PARTS ? 1 : 0,
				    .address = "192.0.2.1"};
}

static struct upload *made(struct scratch *s, const struct upload_spec *spec)
{
	struct upload *u = NULL;

	assert_int_equal(upload_create(s->engine, spec, &u, NULL), ERR_OK);
	return u;
}

/* "hello" in the way of each mode. */
static enum err fill(struct upload *u, enum upload_mode mode)
{
	struct memory m;
	struct body *body = memory_body(&m, "hello", 5, 5, TAIL_END);
	int64_t at;

	if (mode == UPLOAD_RANGE)
		return upload_put_range(u, 0, 5, body, NULL);
	if (mode == UPLOAD_PARTS)
		return upload_put_part(u, 0, body, NULL);
	return upload_append(u, 0, body, NULL, false, &at, NULL);
}

static void test_wanted_digests_are_in_the_record(void **state)
{
	struct scratch *s = *state;

	for (enum upload_mode mode = UPLOAD_APPEND; mode <= UPLOAD_PARTS; mode++) {
		struct upload_spec spec = spec_of(mode, 5);
		struct upload_info info = {0};
		struct upload *u;

		spec.hash = 1U << DIGEST_MD5 | 1U << DIGEST_SHA1;
		u = made(s, &spec);
		assert_int_equal(fill(u, mode), ERR_OK);
		assert_int_equal(upload_get(s->engine, upload_id(u), &ann, &info, NULL), ERR_OK);
		assert_string_equal(info.md5, HELLO_MD5);
		assert_string_equal(info.sha1, HELLO_SHA1);
		assert_string_equal(info.sha256, "");
		upload_info_done(&info);
		upload_close(u);
	}
}

static void test_each_promise_is_compared(void **state)
{
	struct scratch *s = *state;

	for (enum upload_mode mode = UPLOAD_APPEND; mode <= UPLOAD_PARTS; mode++) {
		for (size_t wrong = 0; wrong < 4; wrong++) {
			struct checksum sums[3] = {sum_of(DIGEST_SHA256, "hello"),
						   sum_of(DIGEST_MD5, "hello"),
						   sum_of(DIGEST_SHA512, "hello")};
			struct upload_spec spec = spec_of(mode, 5);
			struct upload *u = NULL;
			char id[33];

			if (wrong < 3)
				sums[wrong].value[3] ^= 1;
			spec.digest = sums;
			spec.n_digests = 3;
			u = made(s, &spec);
			(void)snprintf(id, sizeof(id), "%s", upload_id(u));
			assert_int_equal(fill(u, mode), wrong < 3 ? ERR_DIGEST : ERR_OK);
			upload_close(u);
			if (wrong == 3) {
				assert_content(s, id, "hello");
				continue;
			}
			assert_int_equal(
			    upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &u, NULL),
			    ERR_GONE);
			assert_false(has_file(s, id, ""));
		}
	}
}

static void test_promise_at_the_end(void **state)
{
	struct scratch *s = *state;
	struct checksum right = sum_of(DIGEST_SHA256, "hello"),
			wrong = sum_of(DIGEST_SHA256, "hallo");

	for (enum upload_mode mode = UPLOAD_APPEND; mode <= UPLOAD_PARTS; mode++) {
		struct upload_spec spec = spec_of(mode, 5);
		struct upload *u;
		char id[33];

		spec.by_mark = true;
		u = made(s, &spec);
		(void)snprintf(id, sizeof(id), "%s", upload_id(u));
		assert_int_equal(fill(u, mode), ERR_OK);
		assert_false(upload_is_complete(u));
		upload_close(u);
		u = reopen(s, id);
		assert_false(upload_is_complete(u));
		assert_int_equal(upload_expect(u, &right, NULL), ERR_OK);
		assert_int_equal(upload_finish(u, NULL), ERR_OK);
		/* Repeated, its answer was lost; and one that says otherwise. */
		assert_int_equal(upload_expect(u, &right, NULL), ERR_OK);
		assert_int_equal(upload_expect(u, &wrong, NULL), ERR_DIGEST);
		upload_close(u);
		assert_content(s, id, "hello");
		u = made(s, &spec);
		assert_int_equal(fill(u, mode), ERR_OK);
		assert_int_equal(upload_expect(u, &wrong, NULL), ERR_OK);
		assert_int_equal(upload_finish(u, NULL), ERR_DIGEST);
		upload_close(u);
	}
}

static void test_md5_so_far(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec = spec_of(UPLOAD_APPEND, 10);
	struct upload *u;
	char id[33], md5[33];
	int64_t at;

	spec.hash = 1U << DIGEST_MD5;
	u = made(s, &spec);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
	assert_int_equal(upload_md5(u, md5, NULL), ERR_OK);
	assert_string_equal(md5, HELLO_MD5);
	upload_close(u);
	u = reopen(s, id);
	assert_int_equal(upload_md5(u, md5, NULL), ERR_OK);
	assert_string_equal(md5, HELLO_MD5);
	assert_int_equal(append(u, 5, "hello", &at), ERR_OK);
	assert_int_equal(upload_md5(u, md5, NULL), ERR_OK);
	assert_string_equal(md5, "23b431acfeb41e15d466d75de822307c");
	upload_close(u);
}

static void test_marked_append_waits_for_the_mark(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec = spec_of(UPLOAD_APPEND, 5);
	struct upload *u;
	struct memory m;
	char id[33];
	int64_t at;

	spec.by_mark = true;
	u = made(s, &spec);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(append(u, 0, "hell", &at), ERR_OK);
	/* The mark with bytes missing: they are kept. */
	assert_int_equal(
	    upload_append(u, 4, memory_body(&m, "", 0, 0, TAIL_END), NULL, true, &at, NULL),
	    ERR_INCOMPLETE);
	assert_int_equal(append(u, 4, "o", &at), ERR_OK);
	upload_close(u);
	assert_null(content(s, id));
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 5);
	assert_int_equal(
	    upload_append(u, 5, memory_body(&m, "", 0, 0, TAIL_END), NULL, true, &at, NULL),
	    ERR_OK);
	assert_true(upload_is_complete(u));
	upload_close(u);
	assert_content(s, id, "hello");
	/* An empty one, too. */
	spec.length = 0;
	u = made(s, &spec);
	assert_false(upload_is_complete(u));
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
	assert_true(upload_is_complete(u));
	upload_close(u);
}

/* ---- taking over */

struct writer {
	struct scratch *s;
	const char *id;
	atomic_int reads;
	_Atomic int64_t heard_ms; /* when its only byte came */
	enum err err;
};

static ssize_t read_slowly(void *arg, void *buf, size_t size, int wait_ms)
{
	struct writer *w = arg;

	(void)size;
	/* One byte, then nothing more. */
	if (atomic_fetch_add(&w->reads, 1) == 0) {
		atomic_store(&w->heard_ms, clock_mono_ms());
		*(char *)buf = 'h';
		return 1;
	}
	clock_sleep_ms(wait_ms);
	return -1;
}

static void *write_slowly(void *arg)
{
	struct writer *w = arg;
	struct body body = {.read = read_slowly, .arg = w, .length = 5};
	struct upload *u = NULL;
	int64_t at;

	w->err = upload_open(w->s->engine, w->id, &ann, UPLOAD_WANT_TAKEOVER, &u, NULL);
	if (w->err == ERR_OK)
		w->err = upload_append(u, 0, &body, NULL, false, &at, NULL);
	upload_close(u);
	return NULL;
}

static void test_only_a_silent_writer_is_taken_over(void **state)
{
	struct scratch *s =
	    scratch_in(NULL, FAST "[iserver]\ntakeover_idle = 3600\n[upload]\nlock_wait = 60\n");
	struct upload_spec spec = spec_of(UPLOAD_APPEND, 5);
	struct upload *u = made(s, &spec);
	char id[33];
	struct writer w = {.s = s, .id = id};
	int64_t began;
	pthread_t thread;
	enum err e;

	(void)state;
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	/* Old bytes: their age says nothing of a writer that has just come. */
	CLEAN_FREE char *part = mem_printf("%s/uploads/%.2s/%s/part", s->dir, id, id);
	struct timespec old[2] = {{.tv_sec = time(NULL) - 7200}, {.tv_sec = time(NULL) - 7200}};
	assert_int_equal(utimensat(AT_FDCWD, part, old, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_slowly, &w), 0);
	began = clock_mono_ms();
	while (atomic_load(&w.reads) < 2 && clock_mono_ms() - began < 60000)
		clock_sleep_ms(5);
	/* At once, not after lock_wait. */
	began = clock_mono_ms();
	assert_int_equal(upload_open(s->engine, id, &ann, UPLOAD_WANT_TAKEOVER, &u, NULL),
			 ERR_LOCKED);
	assert_true(clock_mono_ms() - began < 30000);
	/* Its byte lies on the disk within a second; another one later it counts as lost. */
	s->config->iserver_takeover_s = 1;
	do {
		clock_sleep_ms(10);
		e = upload_open(s->engine, id, &ann, UPLOAD_WANT_TAKEOVER, &u, NULL);
	} while (e == ERR_LOCKED && clock_mono_ms() - began < 60000);
	assert_int_equal(e, ERR_OK);
	/* The clock of files is some milliseconds late. */
	assert_true(clock_mono_ms() - atomic_load(&w.heard_ms) >= 950);
	assert_int_equal(upload_offset(u), 1);
	assert_int_equal(append(u, 1, "ello", &began), ERR_OK);
	upload_close(u);
	pthread_join(thread, NULL);
	assert_int_equal(w.err, ERR_DISPLACED);
	assert_content(s, id, "hello");
	scratch_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_wanted_digests_are_in_the_record),
	    T(test_each_promise_is_compared),
	    T(test_promise_at_the_end),
	    T(test_md5_so_far),
	    T(test_marked_append_waits_for_the_mark),
	    cmocka_unit_test(test_only_a_silent_writer_is_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
