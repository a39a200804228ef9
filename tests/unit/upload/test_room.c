/*
 * Goal: no mode of filling gets more room than its owner or the disk has: at creation, at each
 * piece, at joining; what was told stays, and all goes on when there is room again.
 */
#include <sys/mount.h>
#include <unistd.h>
#include "upload/help.h"

static enum err try(struct scratch *s, enum upload_mode mode, int64_t length, struct upload **ret)
{
	struct upload_spec spec = {.owner = ann,
				   .adapter = "test",
				   .mode = mode,
				   .name = "a",
				   .length = length,
				   .parts = mode == UPLOAD_PARTS ? 3 : 0};
	struct upload *u = NULL;
	enum err e = upload_create(s->engine, &spec, &u, NULL);

	if (ret != NULL)
		*ret = u;
	else
		upload_close(u);
	return e;
}

static enum err range(struct upload *u, int64_t first, const char *p, size_t n)
{
	struct memory m;

	return upload_put_range(u, first, (int64_t)n, memory_body(&m, p, n, (int64_t)n, TAIL_END),
				NULL);
}

static enum err part(struct upload *u, uint32_t number, const char *p, size_t n)
{
	struct memory m;

	return upload_put_part(u, number, memory_body(&m, p, n, (int64_t)n, TAIL_END), NULL);
}

static void test_space_for_parts_is_needed_twice(void **state)
{
	struct scratch *s = *state;
	struct fs_space space;
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, s->dir);

	assert_int_equal(fs_space(dir, &space, NULL), ERR_OK);
	s->config->upload_max_size = s->config->upload_quota = INT64_MAX;
	assert_int_equal(try(s, UPLOAD_PARTS, space.bytes / 3 * 2, NULL), ERR_NO_SPACE);
	assert_int_equal(try(s, UPLOAD_RANGE, space.bytes / 3 * 2, NULL), ERR_OK);
	assert_int_equal(try(s, UPLOAD_RANGE, space.bytes / 3 * 2, NULL), ERR_NO_SPACE);
	assert_int_equal(try(s, UPLOAD_PARTS, space.bytes / 8, NULL), ERR_OK);
	/* 2/3 and 2/8 are promised by now. */
	assert_int_equal(try(s, UPLOAD_RANGE, space.bytes / 5, NULL), ERR_NO_SPACE);
}

static void test_quota_counts_pieces_of_unknown_length(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nquota = 20\n");
	struct upload *u;

	(void)state;
	assert_int_equal(try(s, UPLOAD_RANGE, -1, &u), ERR_OK);
	assert_int_equal(range(u, 0, "0123456789", 10), ERR_OK);
	upload_close(u);
	/* Another upload sees what is recorded of the first. */
	assert_int_equal(try(s, UPLOAD_PARTS, 11, NULL), ERR_QUOTA);
	assert_int_equal(try(s, UPLOAD_PARTS, -1, &u), ERR_OK);
	assert_int_equal(part(u, 0, "0123456789x", 11), ERR_QUOTA);
	assert_int_equal(part(u, 0, "0123456", 7), ERR_OK);
	assert_int_equal(part(u, 1, "0123", 4), ERR_QUOTA);
	assert_int_equal(part(u, 1, "012", 3), ERR_OK);
	assert_int_equal(part(u, 0, "012345678", 9), ERR_QUOTA);
	upload_close(u);
	scratch_free(s);
}

static void test_one_part_too_many_has_room_in_the_quota_only(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nquota = 20\nmax_size = 18\n");
	struct upload *u;

	(void)state;
	assert_int_equal(try(s, UPLOAD_PARTS, 10, &u), ERR_OK);
	assert_int_equal(part(u, 0, "0123456789abcdefghi", 19), ERR_TOO_LARGE);
	assert_int_equal(part(u, 0, "0123456789abcdefgh", 18), ERR_OK);
	assert_int_equal(part(u, 1, "x", 1), ERR_LENGTH);
	upload_close(u);
	assert_int_equal(try(s, UPLOAD_RANGE, 11, NULL), ERR_QUOTA);
	assert_int_equal(try(s, UPLOAD_RANGE, 10, NULL), ERR_OK);
	scratch_free(s);
}

static void test_request_size_is_limited_in_all_modes(void **state)
{
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nmax_request = 4\n");
	struct upload *u;

	(void)state;
	assert_int_equal(try(s, UPLOAD_RANGE, 10, &u), ERR_OK);
	assert_int_equal(range(u, 0, "01234", 5), ERR_TOO_LARGE);
	assert_int_equal(range(u, 0, "0123", 4), ERR_OK);
	assert_int_equal(upload_push_range(u, 4, 6, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "456", 3, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "789", 3, NULL), ERR_TOO_LARGE);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_TOO_LARGE);
	assert_true(upload_covers(u, 0, 7));
	upload_close(u);
	assert_int_equal(try(s, UPLOAD_PARTS, 10, &u), ERR_OK);
	assert_int_equal(part(u, 0, "01234", 5), ERR_TOO_LARGE);
	assert_int_equal(part(u, 0, "0123", 4), ERR_OK);
	assert_int_equal(upload_push_part(u, 1, NULL), ERR_OK);
	assert_int_equal(upload_push(u, "45678", 5, NULL), ERR_TOO_LARGE);
	assert_int_equal(upload_push_end(u, false, NULL), ERR_TOO_LARGE);
	assert_false(upload_has_part(u, 1));
	upload_close(u);
	scratch_free(s);
}

/* ---- a small disk */

/* All but LEAVE bytes of the disk are gone. */
static void fill(const char *dir, int64_t leave)
{
	CLEAN_FREE char *path = mem_printf("%s/filler", dir);
	CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char block[4096] = {0};

	(void)lseek(fd, 0, SEEK_END);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(ftruncate(fd, fs_size(AT_FDCWD, path) - leave), 0);
}

static void on_full_disk(struct scratch *s, const char *big, size_t n)
{
	CLEAN_FREE char *filler = mem_printf("%s/filler", s->dir);
	struct upload *r, *p, *j;
	struct spool *spool = NULL;
	char rid[33], pid[33], jid[33];

	assert_int_equal(try(s, UPLOAD_RANGE, (int64_t)(2 * n), &r), ERR_OK);
	assert_int_equal(try(s, UPLOAD_PARTS, -1, &p), ERR_OK);
	assert_int_equal(try(s, UPLOAD_PARTS, (int64_t)(3 * n), &j), ERR_OK);
	(void)snprintf(rid, sizeof(rid), "%s", upload_id(r));
	(void)snprintf(pid, sizeof(pid), "%s", upload_id(p));
	(void)snprintf(jid, sizeof(jid), "%s", upload_id(j));
	assert_int_equal(range(r, (int64_t)n, big, n), ERR_OK);
	assert_int_equal(part(p, 0, big, n), ERR_OK);
	assert_int_equal(part(j, 0, big, n), ERR_OK);
	assert_int_equal(part(j, 1, big, n), ERR_OK);
	fill(s->dir, (int64_t)n / 2);
	/* What was written may be kept, not what is told to be. */
	assert_int_equal(range(r, 0, big, n), ERR_NO_SPACE);
	assert_int_equal(part(p, 1, big, n), ERR_NO_SPACE);
	assert_false(upload_has_part(p, 1));
	assert_int_equal(spool_begin(s->engine, &spool, NULL), ERR_OK);
	assert_int_equal(spool_push(spool, big, n, NULL), ERR_NO_SPACE);
	spool_end(spool);
	/* Room for the last part, none for joining. */
	assert_int_equal(unlink(filler), 0);
	fill(s->dir, (int64_t)n + (int64_t)n / 2);
	assert_int_equal(part(j, 2, big, n), ERR_NO_SPACE);
	upload_close(r);
	upload_close(p);
	upload_close(j);
	assert_int_equal(unlink(filler), 0);
	r = reopen(s, rid);
	assert_true(upload_covers(r, (int64_t)n, (int64_t)n));
	assert_int_equal(range(r, 0, big, n), ERR_OK);
	assert_true(upload_is_complete(r));
	upload_close(r);
	p = reopen(s, pid);
	assert_true(upload_has_part(p, 0));
	assert_int_equal(part(p, 1, big, n), ERR_OK);
	assert_int_equal(part(p, 2, big, n), ERR_OK);
	assert_true(upload_is_complete(p));
	upload_close(p);
	/* All there: whoever opens it joins it. */
	j = reopen(s, jid);
	if (!upload_is_complete(j))
		assert_int_equal(part(j, 2, big, n), ERR_OK);
	assert_true(upload_is_complete(j));
	assert_int_equal(upload_length(j), 3 * n);
	upload_close(j);
}

static void test_full_disk_in_all_modes(void **state)
{
	char dir[] = "/tmp/slipway-room-XXXXXX";
	size_t n = 2 << 20;
	CLEAN_FREE char *big = mem_alloc(n);
	struct scratch *s;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (geteuid() != 0 || mount("none", dir, "tmpfs", 0, "size=64m,mode=0700") != 0) {
		print_message("skipped: needs root to mount a small tmpfs\n");
		(void)rmdir(dir);
		skip();
	}
	memset(big, 'x', n);
	s = scratch_in(dir, FAST);
	on_full_disk(s, big, n);
	scratch_free(s);
	assert_int_equal(umount(dir), 0);
	(void)rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_space_for_parts_is_needed_twice),
	    cmocka_unit_test(test_quota_counts_pieces_of_unknown_length),
	    cmocka_unit_test(test_one_part_too_many_has_room_in_the_quota_only),
	    cmocka_unit_test(test_request_size_is_limited_in_all_modes),
	    cmocka_unit_test(test_full_disk_in_all_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
