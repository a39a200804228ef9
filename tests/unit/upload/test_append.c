/*
 * Goal: bytes arrive exactly once at exactly their offset; what ended badly keeps its prefix, what
 * was promised with a checksum comes whole or not at all, and only all bytes make an upload
 * complete.
 */
#include "upload/help.h"
#include <signal.h>
#include <sys/resource.h>
#include "base/limits.h"

static void test_append_goes_on_over_requests_until_complete(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 11);
	char id[33];
	int64_t at = -1;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_true(token_is_hex(id, 32));
	assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
	assert_int_equal(at, 5);
	upload_close(u);
	assert_null(content(s, id));
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 5);
	assert_int_equal(append(u, 4, "x", &at), ERR_OFFSET);
	assert_int_equal(at, 5);
	assert_int_equal(append(u, 5, " world", &at), ERR_OK);
	assert_int_equal(at, 11);
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
	assert_int_equal(append(u, 11, "", &at), ERR_OK);
	assert_int_equal(append(u, 11, "x", &at), ERR_EXCEEDED);
	upload_close(u);
	assert_content(s, id, "hello world");
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 11);
	upload_close(u);
}

static void test_append_keeps_the_prefix_of_a_cut_body(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 11);
	struct memory m;
	int64_t at = 0;

	assert_int_equal(
	    upload_append(u, 0, memory_body(&m, "hello", 5, 11, TAIL_END), NULL, true, &at, NULL),
	    ERR_CUT);
	assert_int_equal(at, 5);
	assert_int_equal(
	    upload_append(u, 5, memory_body(&m, " wo", 3, 6, TAIL_LOST), NULL, true, &at, NULL),
	    ERR_CUT);
	assert_int_equal(at, 8);
	/* More is offered than the request declared: not read. */
	assert_int_equal(
	    upload_append(u, 8, memory_body(&m, "rld!!!", 6, 3, TAIL_END), NULL, false, &at, NULL),
	    ERR_OK);
	assert_int_equal(at, 11);
	assert_content(s, upload_id(u), "hello world");
	upload_close(u);
}

static void test_append_without_length_ends_only_where_the_end_is_known(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 5), *v = create(s, -1), *w = create(s, -1);
	struct memory m;
	struct body none = {.read = memory_read, .arg = &m, .length = -1};
	int64_t at = 0;

	assert_int_equal(
	    upload_append(u, 0, memory_body(&m, "hel", 3, -1, TAIL_END), NULL, false, &at, NULL),
	    ERR_OK);
	assert_int_equal(at, 3);
	assert_null(content(s, upload_id(u)));
	/* Neither length nor chunked: an empty body. */
	assert_int_equal(upload_append(u, 3, &none, NULL, false, &at, NULL), ERR_OK);
	assert_int_equal(at, 3);
	assert_int_equal(
	    upload_append(u, 3, memory_body(&m, "lo", 2, -1, TAIL_LOST), NULL, false, &at, NULL),
	    ERR_OK);
	assert_content(s, upload_id(u), "hello");
	assert_int_equal(
	    upload_append(v, 0, memory_body(&m, "hel", 3, -1, TAIL_END), NULL, true, &at, NULL),
	    ERR_NEED_LENGTH);
	assert_int_equal(
	    upload_append(v, 0, memory_body(&m, "hel", 3, 3, TAIL_END), NULL, true, &at, NULL),
	    ERR_OK);
	assert_content(s, upload_id(v), "hel");
	assert_int_equal(upload_length(v), 3);
	assert_int_equal(
	    upload_append(w, 0, memory_body(&m, "h", 1, 3, TAIL_LOST), NULL, true, &at, NULL),
	    ERR_CUT);
	assert_null(content(s, upload_id(w)));
	assert_int_equal(upload_set_length(w, 0, NULL), ERR_LENGTH);
	assert_int_equal(upload_set_length(w, 2, NULL), ERR_OK);
	assert_int_equal(upload_set_length(w, 2, NULL), ERR_OK);
	assert_int_equal(upload_set_length(w, 3, NULL), ERR_LENGTH);
	assert_int_equal(append(w, 1, "i", &at), ERR_OK);
	assert_content(s, upload_id(w), "hi");
	upload_close(u);
	upload_close(v);
	upload_close(w);
}

static void test_append_of_too_much(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 5), *v = create(s, 5), *w;
	struct memory m;
	int64_t at = 0;

	/* Known before: nothing stored. */
	assert_int_equal(append(u, 0, "too much", &at), ERR_EXCEEDED);
	assert_int_equal(at, 0);
	assert_int_equal(append(u, 0, "right", &at), ERR_OK);
	/* Met while reading: the rest is not stored, the upload is complete. */
	assert_int_equal(upload_append(v, 0, memory_body(&m, "too much", 8, -1, TAIL_END), NULL,
				       false, &at, NULL),
			 ERR_EXCEEDED);
	assert_int_equal(at, 5);
	assert_content(s, upload_id(v), "too m");
	upload_close(u);
	upload_close(v);
	s->config->upload_max_size = 4;
	w = create(s, -1);
	assert_int_equal(append(w, 0, "too much", &at), ERR_TOO_LARGE);
	assert_int_equal(upload_append(w, 0, memory_body(&m, "too much", 8, -1, TAIL_END), NULL,
				       false, &at, NULL),
			 ERR_TOO_LARGE);
	assert_int_equal(at, 4);
	s->config->upload_max_request = 2;
	assert_int_equal(append(w, 4, "abc", &at), ERR_TOO_LARGE);
	upload_close(w);
}

static void sum_of(struct checksum *sum, enum digest algorithm, const void *p, size_t n)
{
	struct digest_run *run = digest_new(algorithm);

	sum->algorithm = algorithm;
	digest_feed(run, p, n);
	digest_end(run, sum->value);
}

static void test_checksummed_body_comes_whole_or_not_at_all(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 11);
	struct checksum good, bad;
	struct memory m;
	char id[33];
	int64_t at = 0;

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	sum_of(&good, DIGEST_SHA1, "hello", 5);
	sum_of(&bad, DIGEST_MD5, "hallo", 5);
	assert_int_equal(
	    upload_append(u, 0, memory_body(&m, "hello", 5, 5, TAIL_END), &bad, false, &at, NULL),
	    ERR_CHECKSUM);
	assert_int_equal(at, 0);
	assert_int_equal(
	    upload_append(u, 0, memory_body(&m, "hel", 3, 5, TAIL_LOST), &good, false, &at, NULL),
	    ERR_CUT);
	assert_int_equal(at, 0);
	assert_int_equal(
	    upload_append(u, 0, memory_body(&m, "hello", 5, 5, TAIL_END), &good, false, &at, NULL),
	    ERR_OK);
	assert_int_equal(at, 5);
	sum_of(&good, DIGEST_CRC32, " world", 6);
	/* Of unknown length, so written past the offset and cut back. */
	assert_int_equal(
	    upload_append(u, 5, memory_body(&m, " wor", 4, -1, TAIL_END), &good, false, &at, NULL),
	    ERR_CHECKSUM);
	assert_int_equal(at, 5);
	assert_int_equal(
	    upload_append(u, 5, memory_body(&m, "", 0, 0, TAIL_END), &bad, false, &at, NULL),
	    ERR_CHECKSUM);
	upload_close(u);
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 5);
	assert_int_equal(upload_append(u, 5, memory_body(&m, " world", 6, -1, TAIL_END), &good,
				       false, &at, NULL),
			 ERR_OK);
	upload_close(u);
	assert_content(s, id, "hello world");
}

static void test_long_checksummed_body_is_cut_back(void **state)
{
	struct scratch *s = *state;
	size_t n = 9 << 20;
	char *big = mem_alloc(n);
	struct upload *u = create(s, (int64_t)n + 5);
	struct checksum good;
	struct memory m;
	int64_t at = 0;

	memset(big, 'x', n);
	sum_of(&good, DIGEST_SHA256, big, n);
	assert_int_equal(append(u, 0, "start", &at), ERR_OK);
	assert_int_equal(upload_append(u, 5, memory_body(&m, big, n - 1, (int64_t)n, TAIL_LOST),
				       &good, false, &at, NULL),
			 ERR_CUT);
	assert_int_equal(at, 5);
	big[7] = 'y';
	assert_int_equal(upload_append(u, 5, memory_body(&m, big, n, (int64_t)n, TAIL_END), &good,
				       false, &at, NULL),
			 ERR_CHECKSUM);
	assert_int_equal(at, 5);
	assert_int_equal(upload_offset(u), 5);
	big[7] = 'x';
	assert_int_equal(upload_append(u, 5, memory_body(&m, big, n, (int64_t)n, TAIL_END), &good,
				       false, &at, NULL),
			 ERR_OK);
	assert_int_equal(at, (int64_t)n + 5);
	upload_close(u);
	free(big);
}

static void test_declared_digest_decides_about_the_whole_file(void **state)
{
	struct scratch *s = *state;
	struct checksum sum;
	struct upload_spec spec = {
	    .owner = ann, .adapter = "tus", .name = "x", .length = 11, .digest = &sum};
	struct upload_info info = {0};
	struct upload *u;
	char id[33];
	int64_t at = 0;

	sum_of(&sum, DIGEST_SHA256, "hello world", 11);
	/* In one go, and over two requests: the second has to read the first one's bytes again. */
	for (int requests = 1; requests < 3; requests++) {
		assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
		(void)snprintf(id, sizeof(id), "%s", upload_id(u));
		assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
		if (requests == 2) {
			upload_close(u);
			u = reopen(s, id);
		}
		assert_int_equal(append(u, 5, " world", &at), ERR_OK);
		upload_close(u);
		assert_int_equal(upload_get(s->engine, id, &ann, &info, NULL), ERR_OK);
		assert_int_equal(strlen(info.sha256), 64);
		upload_info_done(&info);
	}
	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(append(u, 0, "hallo world", &at), ERR_DIGEST);
	upload_close(u);
	assert_int_equal(upload_open(s->engine, id, &ann, UPLOAD_WANT_STATUS, &u, NULL), ERR_GONE);
	assert_false(has_file(s, id, "lock"));
}

static void test_length_zero_is_complete_at_once(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 0);

	assert_content(s, upload_id(u), "");
	upload_close(u);
}

static void test_slow_client_is_given_up(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 11);
	struct memory m;
	int64_t at = 0, start = clock_mono_ms();

	s->config->upload_body_idle_s = 1;
	assert_int_equal(upload_append(u, 0, memory_body(&m, "hello", 5, 11, TAIL_SILENT), NULL,
				       false, &at, NULL),
			 ERR_CUT);
	assert_int_equal(at, 5);
	assert_in_range(clock_mono_ms() - start, 900, 2500);
	upload_close(u);
}

static void test_push_writes_what_a_parser_hands_over(void **state)
{
	struct scratch *s = *state;
	struct upload *u = create(s, 11);
	char id[33];

	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(upload_push(u, "hello", 5, NULL), ERR_OK);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_OK);
	assert_int_equal(upload_push_end(u, true, NULL), ERR_INCOMPLETE);
	upload_close(u);
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 5);
	assert_int_equal(upload_push(u, " world!", 7, NULL), ERR_EXCEEDED);
	assert_int_equal(upload_push(u, "x", 1, NULL), ERR_EXCEEDED);
	assert_int_equal(upload_push_end(u, true, NULL), ERR_EXCEEDED);
	assert_int_equal(upload_offset(u), 11);
	upload_close(u);
	/* Opening finds all bytes there. */
	assert_content(s, id, "hello world");
}

/* A text of N letters that tells where a piece of it belongs.  Caller frees. */
static char *long_text(size_t n)
{
	char *text = mem_alloc(n + 8);

	for (size_t i = 0; i < n; i += 8)
		(void)snprintf(text + i, 9, "%08x", (unsigned)i);
	text[n] = '\0';
	return text;
}

/* Longer than what is written at once, over requests that end anywhere. */
static void test_long_bodies_meet_where_they_were_cut(void **state)
{
	struct scratch *s = *state;
	size_t n = 5 * MIB + 321, first = 2 * MIB + 12345, second = 2 * MIB + 4096;
	CLEAN_FREE char *text = long_text(n), *got = NULL;
	struct upload *u = create(s, (int64_t)n);
	struct memory m;
	struct body *body = memory_body(&m, text, first, (int64_t)n, TAIL_LOST);
	int64_t at = 0;

	m.piece = 33333;
	assert_int_equal(upload_append(u, 0, body, NULL, false, &at, NULL), ERR_CUT);
	assert_int_equal(at, (int64_t)first);
	body = memory_body(&m, text + first, second, (int64_t)second, TAIL_END);
	assert_int_equal(upload_append(u, at, body, NULL, false, &at, NULL), ERR_OK);
	assert_int_equal(at, (int64_t)(first + second));
	body = memory_body(&m, text + at, n - (size_t)at, -1, TAIL_END);
	assert_int_equal(upload_append(u, at, body, NULL, false, &at, NULL), ERR_OK);
	assert_int_equal(at, (int64_t)n);
	got = content(s, upload_id(u));
	assert_non_null(got);
	assert_memory_equal(got, text, n);
	upload_close(u);
}

/*
 * The disk refuses what lies behind 1 MiB and a bit: what it took before is kept, the rest is read
 * by nobody.
 */
static void test_long_body_ends_where_the_disk_does(void **state)
{
	struct scratch *s = *state;
	size_t n = 5 * MIB;
	CLEAN_FREE char *text = long_text(n);
	struct upload *u = create(s, (int64_t)n);
	struct rlimit before, less;
	struct memory m;
	struct body *body = memory_body(&m, text, n, (int64_t)n, TAIL_END);
	int64_t at = 0;

	m.piece = 65536;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	less = (struct rlimit){.rlim_cur = MIB + 777, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
	assert_int_not_equal(upload_append(u, 0, body, NULL, false, &at, NULL), ERR_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(at, MIB + 777);
	assert_true(m.n > 0);
	body = memory_body(&m, text + at, n - (size_t)at, (int64_t)n - at, TAIL_END);
	assert_int_equal(upload_append(u, at, body, NULL, false, &at, NULL), ERR_OK);
	CLEAN_FREE char *got = content(s, upload_id(u));
	assert_non_null(got);
	assert_memory_equal(got, text, n);
	upload_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_append_goes_on_over_requests_until_complete),
	    T(test_append_keeps_the_prefix_of_a_cut_body),
	    T(test_append_without_length_ends_only_where_the_end_is_known),
	    T(test_append_of_too_much),
	    T(test_long_bodies_meet_where_they_were_cut),
	    T(test_long_body_ends_where_the_disk_does),
	    T(test_checksummed_body_comes_whole_or_not_at_all),
	    T(test_long_checksummed_body_is_cut_back),
	    T(test_declared_digest_decides_about_the_whole_file),
	    T(test_length_zero_is_complete_at_once),
	    T(test_slow_client_is_given_up),
	    T(test_push_writes_what_a_parser_hands_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
