/*
 * Goal: every limit of an upload is refused with its own word before a byte is stored; a full disk
 * costs nothing that was acknowledged and nobody's reading or deleting; figures come back when
 * uploads go.
 */
#include "upload/help.h"

#include <sys/mount.h>

static enum err try_create(struct scratch *s, const struct principal *who, int64_t length,
			   const char *address)
{
	struct upload_spec spec = {
	    .owner = *who, .adapter = "tus", .name = "x", .length = length, .address = address};
	struct error error = {0};
	struct upload *u = NULL;
	enum err e = upload_create(s->engine, &spec, &u, &error);

	upload_close(u);
	return e;
}

static void test_size_and_mode_are_checked(void **state)
{
	struct scratch *s = *state;
	struct principal reader = ann;
	struct upload_spec spec = {
	    .owner = ann, .adapter = "gws", .mode = UPLOAD_MODE__MAX, .length = 1};
	struct upload *u = NULL;

	reader.read_only = true;
	assert_int_equal(try_create(s, &ann, INT64_MAX, NULL), ERR_TOO_LARGE);
	assert_int_equal(try_create(s, &ann, -2, NULL), ERR_LENGTH);
	assert_int_equal(try_create(s, &reader, 1, NULL), ERR_FORBIDDEN);
	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_UNAVAILABLE);
}

static void test_number_of_open_uploads_is_limited(void **state)
{
	struct scratch *s = *state;
	struct upload *u;
	int64_t at;

	s->config->upload_max_open = 2;
	assert_int_equal(try_create(s, &ann, 5, NULL), ERR_OK);
	u = create(s, 5);
	assert_int_equal(try_create(s, &ann, 5, NULL), ERR_RATE);
	assert_int_equal(try_create(s, &bob, 5, NULL), ERR_OK);
	assert_int_equal(append(u, 0, "hello", &at), ERR_OK);
	upload_close(u);
	assert_int_equal(try_create(s, &ann, 5, NULL), ERR_OK);
}

static void test_rate_is_per_user_or_address(void **state)
{
	struct scratch *s = *state;
	struct principal a1 = {.owner = "a:1"}, a2 = {.owner = "a:2"};

	s->config->upload_create_rate = 3;
	for (int i = 0; i < 3; i++)
		assert_int_equal(try_create(s, &ann, 5, "192.0.2.7"), ERR_OK);
	assert_int_equal(try_create(s, &ann, 5, "192.0.2.8"), ERR_RATE);
	assert_int_equal(try_create(s, &bob, 5, "192.0.2.7"), ERR_OK);
	/* A new cookie makes a new owner, not a new address. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(try_create(s, i == 1 ? &a1 : &a2, 5, "192.0.2.9"), ERR_OK);
	assert_int_equal(try_create(s, &a1, 5, "192.0.2.9"), ERR_RATE);
	assert_int_equal(try_create(s, &a1, 5, "192.0.2.10"), ERR_OK);
}

static void test_quota_counts_declared_and_received_bytes(void **state)
{
	struct scratch *s = *state;
	struct principal guest = {.owner = "a:1"};
	struct upload *u, *v[3];
	struct memory m;
	char id[33];
	int64_t at;

	s->config->upload_quota = 20;
	s->config->upload_anonymous_quota = 3;
	assert_int_equal(try_create(s, &guest, 4, NULL), ERR_QUOTA);
	u = create(s, 15);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(try_create(s, &ann, 6, NULL), ERR_QUOTA);
	assert_int_equal(upload_remove(u, UPLOAD_DELETED, NULL), ERR_OK);
	upload_close(u);
	assert_int_equal(try_create(s, &ann, 6, NULL), ERR_OK);
	/* Without a length: as much as is left, 14. */
	u = create(s, -1);
	assert_int_equal(append(u, 0, "fifteen bytes..", &at), ERR_QUOTA);
	assert_int_equal(upload_append(u, 0, memory_body(&m, "fifteen bytes..", 15, -1, TAIL_END),
				       NULL, false, &at, NULL),
			 ERR_QUOTA);
	assert_int_equal(at, 14);
	assert_int_equal(upload_remove(u, UPLOAD_DELETED, NULL), ERR_OK);
	upload_close(u);
	/*
	 * Files of one form, which the store does not know yet, are reckoned together at their
	 * commit.
	 */
	for (size_t i = 0; i < 3; i++) {
		v[i] = create_as(s, &ann, "form", -1);
		assert_int_equal(upload_push(v[i], "fivesix", i == 0 ? 3 : 6, NULL), ERR_OK);
		assert_int_equal(upload_push_end(v[i], false, NULL), ERR_OK);
	}
	assert_int_equal(uploads_commit(s->engine, v, 3, NULL, NULL, NULL), ERR_QUOTA);
	assert_int_equal(uploads_commit(s->engine, v, 2, NULL, NULL, NULL), ERR_OK);
	for (size_t i = 0; i < 3; i++)
		upload_close(v[i]);
}

static void test_space_is_kept_free(void **state)
{
	struct scratch *s = *state;
	struct fs_space space;
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, s->dir);

	assert_int_equal(fs_space(dir, &space, NULL), ERR_OK);
	s->config->upload_max_size = INT64_MAX;
	s->config->upload_quota = INT64_MAX;
	assert_int_equal(try_create(s, &ann, space.bytes + (1LL << 40), NULL), ERR_NO_SPACE);
	assert_int_equal(try_create(s, &ann, INT64_MAX, NULL), ERR_NO_SPACE);
	/* What one was promised the other cannot have. */
	assert_int_equal(try_create(s, &ann, space.bytes / 3 * 2, NULL), ERR_OK);
	assert_int_equal(try_create(s, &bob, space.bytes / 3 * 2, NULL), ERR_NO_SPACE);
	assert_int_equal(try_create(s, &bob, 5, NULL), ERR_OK);
	s->config->upload_min_inodes = INT64_MAX;
	assert_int_equal(try_create(s, &bob, 5, NULL),
			 space.inodes == INT64_MAX ? ERR_OK : ERR_NO_SPACE);
}

/* ---- a small disk */

static void fill_disk(const char *dir)
{
	CLEAN_FREE char *path = mem_printf("%s/filler", dir);
	CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char block[4096] = {0};

	while (write(fd, block, sizeof(block)) > 0)
		;
	while (write(fd, block, 1) > 0)
		;
}

static void test_full_disk_keeps_what_was_acknowledged(void **state)
{
	char dir[] = "/tmp/slipway-disk-XXXXXX";
	size_t n = 12 << 20;
	char *big = mem_alloc(n);
	struct scratch *s;
	struct upload *u, *v;
	struct memory m;
	struct upload_info info = {0};
	CLEAN_FREE char *filler = NULL;
	char id[33], done[33];
	int64_t at = 0, acknowledged;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (geteuid() != 0 || mount("none", dir, "tmpfs", 0, "size=40m,mode=0700") != 0) {
		print_message("skipped: needs root to mount a small tmpfs\n");
		(void)rmdir(dir);
		free(big);
		skip();
	}
	s = scratch_in(dir, FAST);
	filler = mem_printf("%s/filler", dir);
	memset(big, 'x', n);
	v = create(s, 5);
	(void)snprintf(done, sizeof(done), "%s", upload_id(v));
	assert_int_equal(append(v, 0, "hello", &at), ERR_OK);
	upload_close(v);
	u = create(s, (int64_t)n);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(append(u, 0, "start", &acknowledged), ERR_OK);
	/* The space goes away in the middle of a body. */
	(void)memory_body(&m, big, n - 5, (int64_t)n - 5, TAIL_END);
	fill_disk(dir);
	assert_int_equal(truncate(filler, fs_size(AT_FDCWD, filler) - (2 << 20)), 0);
	assert_int_equal(upload_append(u, 5, &m.body, NULL, false, &at, NULL), ERR_NO_SPACE);
	upload_close(u);
	/* Full to the last byte. */
	fill_disk(dir);
	assert_int_equal(try_create(s, &ann, 5, NULL), ERR_NO_SPACE);
	assert_content(s, done, "hello");
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_true(info.offset >= acknowledged);
	upload_info_done(&info);
	assert_int_equal(upload_open(s->engine, done, &ann, UPLOAD_WANT_REMOVE, &v, NULL), ERR_OK);
	assert_int_equal(truncate(filler, fs_size(AT_FDCWD, filler) - (1 << 20)), 0);
	assert_int_equal(upload_remove(v, UPLOAD_DELETED, NULL), ERR_OK);
	upload_close(v);
	assert_int_equal(unlink(filler), 0);
	u = reopen(s, id);
	at = upload_offset(u);
	assert_true(at >= acknowledged);
	(void)memory_body(&m, big, n - (size_t)at, (int64_t)n - at, TAIL_END);
	assert_int_equal(upload_append(u, at, &m.body, NULL, false, &at, NULL), ERR_OK);
	assert_int_equal(at, n);
	upload_close(u);
	assert_int_equal(upload_get(s->engine, id, &ann, &info, NULL), ERR_OK);
	upload_info_done(&info);
	scratch_free(s);
	assert_int_equal(umount(dir), 0);
	(void)rmdir(dir);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_size_and_mode_are_checked),
	    T(test_number_of_open_uploads_is_limited),
	    T(test_rate_is_per_user_or_address),
	    T(test_quota_counts_declared_and_received_bytes),
	    T(test_space_is_kept_free),
	    cmocka_unit_test(test_full_disk_keeps_what_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
