/*
 * Goal: an upload ends when its time is over, seen from its last byte and not from the last look at
 * it; never while somebody holds it or writes into it; a tombstone tells its owner for a while,
 * then nothing is left.
 */
#include "upload/help.h"

/* Move all times of an upload back by MS: its record and its file. */
struct shift {
	const char *id;
	int64_t ms;
	int refs; /* -1: leave */
};

static enum err shift_pass(struct pass *p, void *arg)
{
	const struct shift *h = arg;
	static const char *const members[] = {"created", "touched", "expires"};
	CLEAN_JSON json_object *r = NULL;
	enum err e = uploads_get(p, h->id, &r);

	if (e != ERR_OK)
		return e;
	/* "created" is a key of the store's index: the record is made anew. */
	e = uploads_delete(p, h->id);
	for (size_t i = 0; i < 3; i++)
		(void)json_set_int(r, members[i], json_int(r, members[i], 0) - h->ms);
	if (h->refs >= 0)
		(void)json_set_int(r, "refs", h->refs);
	return e == ERR_OK ? uploads_create(p, r) : e;
}

static void shift(struct scratch *s, const char *id, int64_t ms, int refs)
{
	struct shift h = {id, ms, refs};

	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", shift_pass, &h, NULL), ERR_OK);
	for (int i = 0; i < 2; i++) {
		CLEAN_FREE char *path =
		    mem_printf("%s/uploads/%.2s/%s/%s", s->dir, id, id, i == 0 ? "part" : "data");
		struct stat st;

		if (stat(path, &st) == 0) {
			struct timespec t[2] = {{.tv_nsec = UTIME_OMIT},
						{.tv_sec = st.st_mtim.tv_sec - ms / 1000}};

			assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
		}
	}
}

static void touch(struct scratch *s, const char *id)
{
	CLEAN_FREE char *path = mem_printf("%s/uploads/%.2s/%s/part", s->dir, id, id);

	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
}

static void sweep(struct scratch *s)
{
	struct error error = {0};

	if (upload_sweep(s->engine, 10000, &error) != ERR_OK)
		fail_msg("%s", error.text);
}

static void fresh(struct scratch *s, char id[33], const char *text, int64_t length)
{
	struct upload *u = create(s, length);
	int64_t at;

	(void)snprintf(id, 33, "%s", upload_id(u));
	assert_int_equal(append(u, 0, text, &at), ERR_OK);
	upload_close(u);
}

static const char *state_of_record(struct scratch *s, const char *id, char out[64])
{
	CLEAN_JSON json_object *r = record_of(s, id);

	(void)snprintf(out, 64, "%s %s", json_str(r, "state", "-"), json_str(r, "reason", "-"));
	return out;
}

#define HOUR 3600000LL

static void test_idle_upload_ends(void **state)
{
	struct scratch *s = *state;
	struct upload *u = NULL;
	struct upload_info info = {0};
	char id[33], text[64];

	fresh(s, id, "hello", 11);
	shift(s, id, 23 * HOUR, -1);
	sweep(s);
	assert_string_equal(state_of_record(s, id, text), "created -");
	shift(s, id, 2 * HOUR, -1);
	/* Before any sweep. */
	assert_int_equal(upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &u, NULL), ERR_GONE);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_GONE);
	sweep(s);
	assert_string_equal(state_of_record(s, id, text), "expired idle");
	assert_false(has_file(s, id, "."));
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_GONE);
	assert_int_equal(upload_status(s->engine, id, &bob, &info, NULL), ERR_NOT_FOUND);
	shift(s, id, 8 * 24 * HOUR, -1);
	sweep(s);
	assert_null(record_of(s, id));
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_NOT_FOUND);
}

static void test_bytes_keep_it_alive_up_to_its_age(void **state)
{
	struct scratch *s = *state;
	struct upload_info info = {0};
	char id[33], text[64];

	fresh(s, id, "hello", 11);
	shift(s, id, 30 * HOUR, -1);
	touch(s, id);
	sweep(s);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_true(info.expires > clock_now_ms() + 23 * HOUR);
	upload_info_done(&info);
	shift(s, id, 7 * 24 * HOUR, -1);
	touch(s, id);
	sweep(s);
	assert_string_equal(state_of_record(s, id, text), "expired age");
}

static void test_writer_is_not_swept(void **state)
{
	struct scratch *s = *state;
	struct upload *u;
	char id[33], text[64];

	fresh(s, id, "hello", 11);
	u = reopen(s, id);
	shift(s, id, 30 * HOUR, -1);
	sweep(s);
	assert_string_equal(state_of_record(s, id, text), "created -");
	upload_close(u);
}

static void test_unused_complete_upload_ends_and_a_held_one_stays(void **state)
{
	struct scratch *s = *state;
	struct upload_info info = {0};
	char id[33], held[33], text[64];

	fresh(s, id, "hello", 5);
	fresh(s, held, "hello", 5);
	shift(s, id, 25 * HOUR, -1);
	shift(s, held, 25 * HOUR, 1);
	assert_int_equal(upload_get(s->engine, id, &ann, &info, NULL), ERR_NOT_FOUND);
	sweep(s);
	assert_string_equal(state_of_record(s, id, text), "expired unused");
	assert_false(has_file(s, id, "data"));
	assert_content(s, held, "hello");
}

/* The last sweep was in the future: the clock has been set back since. */
static void test_a_clock_set_back_does_not_put_off_sweeps(void **state)
{
	struct scratch *s = *state;
	CLEAN_FREE char *swept = mem_printf("%s/uploads/sweep", s->dir);
	struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) + 86400}};
	char id[33], other[33], text[64];

	fresh(s, id, "hello", 11);
	sweep(s);
	shift(s, id, 25 * HOUR, -1);
	assert_int_equal(utimensat(AT_FDCWD, swept, t, 0), 0);
	fresh(s, other, "hello", 11);
	assert_string_equal(state_of_record(s, id, text), "expired idle");
	assert_string_equal(state_of_record(s, other, text), "created -");
}

static void test_many_end_in_one_sweep(void **state)
{
	struct scratch *s = *state;
	char ids[120][33];

	for (size_t i = 0; i < 120; i++) {
		fresh(s, ids[i], "x", 5);
		shift(s, ids[i], 30 * HOUR, -1);
	}
	sweep(s);
	for (size_t i = 0; i < 120; i++)
		assert_false(has_file(s, ids[i], "."));
}

static void test_strays_are_young_for_an_hour(void **state)
{
	struct scratch *s = *state;
	static const char id[] = "abcdefabcdefabcdefabcdefabcdef00",
			  other[] = "abcdefabcdefabcdefabcdefabcdef01";
	CLEAN_FREE char *top = mem_printf("%s/uploads/ab", s->dir);
	CLEAN_FREE char *a = mem_printf("%s/%s", top, id);
	CLEAN_FREE char *b = mem_printf("%s/%s", top, other);
	struct timespec old[2] = {{.tv_sec = time(NULL) - 3700}, {.tv_sec = time(NULL) - 3700}};
	char kept[33];

	fresh(s, kept, "hello", 11);
	(void)mkdir(top, 0700);
	assert_int_equal(mkdir(a, 0700), 0);
	assert_int_equal(mkdir(b, 0700), 0);
	assert_int_equal(utimensat(AT_FDCWD, a, old, 0), 0);
	sweep(s);
	assert_int_not_equal(access(a, F_OK), 0);
	assert_int_equal(access(b, F_OK), 0);
	assert_true(has_file(s, kept, "part"));
}

static void test_short_budgets_get_through_in_turns(void **state)
{
	struct scratch *s = *state;
	CLEAN_FREE char *a = mem_printf("%s/uploads/ff/ffffffffffffffffffffffffffffffff", s->dir);
	CLEAN_FREE char *top = mem_printf("%s/uploads/ff", s->dir);
	struct timespec old[2] = {{.tv_sec = time(NULL) - 3700}, {.tv_sec = time(NULL) - 3700}};

	(void)mkdir(top, 0700);
	assert_int_equal(mkdir(a, 0700), 0);
	assert_int_equal(utimensat(AT_FDCWD, a, old, 0), 0);
	for (int i = 0; i < 300 && access(a, F_OK) == 0; i++)
		assert_int_equal(upload_sweep(s->engine, 2, NULL), ERR_OK);
	assert_int_not_equal(access(a, F_OK), 0);
}

/* A joiner killed while it tidied up; a spool whose process died between two calls. */
static void test_leftovers_of_joins_and_spools_go(void **state)
{
	struct scratch *s = *state;
	struct timespec old[2] = {{.tv_sec = time(NULL) - 3700}, {.tv_sec = time(NULL) - 3700}};
	struct upload_spec spec = {.owner = ann,
				   .adapter = "gws",
				   .mode = UPLOAD_PARTS,
				   .name = "a",
				   .length = 3,
				   .parts = 1,
				   .address = "192.0.2.1"};
	struct upload *u = NULL;
	struct memory m;
	char id[33];

	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(upload_put_part(u, 0, memory_body(&m, "abc", 3, 3, TAIL_END), NULL),
			 ERR_OK);
	upload_close(u);
	CLEAN_FREE char *dir = mem_printf("%s/uploads/%.2s/%s", s->dir, id, id);
	CLEAN_FREE char *part = mem_printf("%s/p.7", dir);
	CLEAN_FREE char *spool = mem_printf("%s/uploads/spool.0123456789abcdef", s->dir);
	CLEAN_FREE char *young = mem_printf("%s/uploads/spool.fedcba9876543210", s->dir);
	const char *files[] = {part, spool, young};
	for (size_t i = 0; i < 3; i++) {
		CLEAN_FD int fd = open(files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
	}
	assert_int_equal(utimensat(AT_FDCWD, dir, old, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, spool, old, 0), 0);
	sweep(s);
	assert_int_not_equal(access(part, F_OK), 0);
	assert_int_not_equal(access(spool, F_OK), 0);
	assert_int_equal(access(young, F_OK), 0);
	assert_content(s, id, "abc");
}

/* A client cannot hold an upload open by bodies that come to nothing. */
static void test_parts_keep_it_alive_cut_ones_do_not(void **state)
{
	struct scratch *s = *state;
	struct upload_spec spec = {.owner = ann,
				   .adapter = "gws",
				   .mode = UPLOAD_PARTS,
				   .name = "a",
				   .length = 6,
				   .parts = 2,
				   .address = "192.0.2.1"};
	struct timespec old[2] = {{.tv_sec = time(NULL) - 3700}, {.tv_sec = time(NULL) - 3700}};
	struct upload_info info = {0};
	struct upload *u = NULL;
	struct memory m;
	int64_t before;
	char id[33];

	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	shift(s, id, 2 * HOUR, -1);
	CLEAN_FREE char *sizes = mem_printf("%s/uploads/%.2s/%s/sizes", s->dir, id, id);
	assert_int_equal(utimensat(AT_FDCWD, sizes, old, 0), 0);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	before = info.expires;
	upload_info_done(&info);
	u = reopen(s, id);
	assert_int_equal(upload_put_part(u, 0, memory_body(&m, "ab", 2, 3, TAIL_LOST), NULL),
			 ERR_CUT);
	upload_close(u);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_int_equal(info.expires, before);
	upload_info_done(&info);
	u = reopen(s, id);
	assert_int_equal(upload_put_part(u, 0, memory_body(&m, "abc", 3, 3, TAIL_END), NULL),
			 ERR_OK);
	upload_close(u);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_true(info.expires > before + HOUR / 2);
	upload_info_done(&info);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_idle_upload_ends),
	    T(test_bytes_keep_it_alive_up_to_its_age),
	    T(test_writer_is_not_swept),
	    T(test_unused_complete_upload_ends_and_a_held_one_stays),
	    T(test_a_clock_set_back_does_not_put_off_sweeps),
	    T(test_many_end_in_one_sweep),
	    T(test_strays_are_young_for_an_hour),
	    T(test_short_budgets_get_through_in_turns),
	    T(test_leftovers_of_joins_and_spools_go),
	    T(test_parts_keep_it_alive_cut_ones_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
