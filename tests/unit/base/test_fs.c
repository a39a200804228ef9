/*
 * Goal: files appear whole or not at all, links are never followed below a folder of ours, trees go
 * completely.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"
#include "unit.h"

static int open_folder(void **state)
{
	int at = fs_open_dir(AT_FDCWD, *state);

	assert_true(at >= 0);
	return at;
}

static void put(int at, const char *path, const char *text)
{
	assert_int_equal(fs_replace(at, path, text, strlen(text), NULL), ERR_OK);
}

static void has(int at, const char *path, const char *text)
{
	CLEAN_FREE char *got = NULL;
	size_t len;

	assert_int_equal(fs_read_file(at, path, 1000, &got, &len, NULL), ERR_OK);
	assert_string_equal(got, text);
	assert_int_equal(len, strlen(text));
}

/* The number of entries in folder PATH. */
static int entries(const char *path)
{
	CLEAN_FREE char *command = mem_printf("exit $(ls -A '%s' | wc -l)", path);
	int rc = system(command);

	return WEXITSTATUS(rc);
}

static void test_fs_replace_is_whole_and_leaves_no_temp(void **state)
{
	CLEAN_FD int at = open_folder(state);
	struct error e = {0};
	struct stat st;

	put(at, "a", "one");
	put(at, "a", "two");
	has(at, "a", "two");
	assert_int_equal(fstatat(at, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(entries(*state), 1);
	assert_int_equal(fs_replace(at, "no/where", "x", 1, &e), ERR_IO);
	assert_int_equal(e.err, ERR_IO);
	/* A folder in the way: the temp file is gone again. */
	assert_int_equal(fs_mkdirs(at, "d/e", NULL), ERR_OK);
	assert_int_equal(fs_replace(at, "d", "x", 1, NULL), ERR_IO);
	assert_int_equal(entries(*state), 2);
}

static void test_fs_full_disk_is_told(void **state)
{
	CLEAN_FD int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct error e = {0};

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(fs_write_all(full, "x", 1, &e), ERR_NO_SPACE);
	assert_string_equal(e.text, "write: No space left on device");
}

static void test_fs_reads_regular_files_only(void **state)
{
	CLEAN_FD int at = open_folder(state);
	CLEAN_FREE char *path = mem_printf("%s/out", (char *)*state);
	CLEAN_FREE char *text = NULL;

	put(at, "a", "hello");
	assert_int_equal(symlinkat("a", at, "link"), 0);
	assert_int_equal(mkfifoat(at, "pipe", 0600), 0);
	assert_int_equal(mkdirat(at, "dir", 0700), 0);
	assert_int_equal(symlinkat("/etc", at, "out"), 0);
	assert_int_equal(fs_open_read(at, "link"), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(fs_open_read(at, "pipe"), -1);
	assert_int_equal(fs_open_read(at, "dir"), -1);
	assert_int_equal(fs_open_read(at, "out/passwd"), -1);
	assert_int_equal(fs_open_read(at, "none"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(fs_open_dir(at, "out"), -1);
	assert_int_equal(fs_create(at, "out/x"), -1);
	assert_int_equal(fs_create(at, "a"), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(fs_size(at, "a"), 5);
	assert_int_equal(fs_size(at, "link"), -1);
	assert_int_equal(fs_size(at, "dir"), -1);
	assert_int_equal(fs_size(at, "none"), -1);
	assert_int_equal(fs_read_file(at, "a", 4, &text, NULL, NULL), ERR_TOO_LARGE);
	assert_int_equal(fs_read_file(at, "none", 4, &text, NULL, NULL), ERR_NOT_FOUND);
	assert_null(text);
	assert_int_equal(fs_read_file(at, "a", 5, &text, NULL, NULL), ERR_OK);
	/* The administrator may have linked the data folder elsewhere. */
	CLEAN_FD int etc = fs_open_dir(AT_FDCWD, path);
	assert_true(etc >= 0);
}

static void test_fs_reads_files_without_a_size(void **state)
{
	CLEAN_FREE char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(fs_read_file(AT_FDCWD, "/proc/self/status", 100000, &text, &len, NULL),
			 ERR_OK);
	assert_true(len > 100 && strlen(text) == len);
}

static void test_fs_mkdirs_makes_each_once(void **state)
{
	CLEAN_FD int at = open_folder(state);
	CLEAN_FREE char *path = mem_printf("%s/x/y/", (char *)*state);
	struct stat st;

	assert_int_equal(fs_mkdirs(at, "a/b/c", NULL), ERR_OK);
	assert_int_equal(fs_mkdirs(at, "a/b/c", NULL), ERR_OK);
	assert_int_equal(fs_mkdirs(AT_FDCWD, path, NULL), ERR_OK);
	assert_int_equal(fstatat(at, "a/b/c", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(at, "x/y", &st, 0), 0);
	put(at, "file", "x");
	assert_int_equal(fs_mkdirs(at, "file/b", NULL), ERR_IO);
	assert_int_equal(symlinkat("/tmp", at, "link"), 0);
	assert_int_equal(fs_mkdirs(at, "link/b", NULL), ERR_IO);
}

static void test_fs_copies_links_and_renames(void **state)
{
	CLEAN_FD int at = open_folder(state);
	CLEAN_FREE char *big = mem_alloc(3 << 20);
	CLEAN_FREE char *back = NULL;
	struct stat a, b;
	size_t len;

	for (size_t i = 0; i < 3 << 20; i++)
		big[i] = (char)(i * 7 + i / 251);
	assert_int_equal(fs_replace(at, "big", big, 3 << 20, NULL), ERR_OK);
	assert_int_equal(fs_copy(at, "big", at, "copy", NULL), ERR_OK);
	assert_int_equal(fs_read_file(at, "copy", 3 << 20, &back, &len, NULL), ERR_OK);
	assert_int_equal(len, 3 << 20);
	assert_memory_equal(big, back, len);
	assert_int_equal(fs_copy(at, "none", at, "copy", NULL), ERR_NOT_FOUND);
	assert_int_equal(fs_size(at, "copy"), 3 << 20);
	put(at, "small", "s");
	assert_int_equal(fs_link_or_copy(at, "small", at, "link", NULL), ERR_OK);
	/* Again, as after a kill between the link and the word of it. */
	assert_int_equal(fs_link_or_copy(at, "small", at, "link", NULL), ERR_OK);
	assert_int_equal(fstatat(at, "small", &a, 0), 0);
	assert_int_equal(fstatat(at, "link", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fs_link_or_copy(at, "small", at, "copy", NULL), ERR_OK);
	has(at, "copy", "s");
	assert_int_equal(fs_mkdirs(at, "d", NULL), ERR_OK);
	assert_int_equal(fs_rename_durable(at, "link", "d/moved", NULL), ERR_OK);
	has(at, "d/moved", "s");
	assert_int_equal(fs_rename_durable(at, "none", "d/x", NULL), ERR_NOT_FOUND);
	assert_int_equal(fs_sync_dir(at, "d", NULL), ERR_OK);
	assert_int_equal(fs_sync_dir(at, "none", NULL), ERR_IO);
}

static void test_fs_copies_to_another_file_system(void **state)
{
	CLEAN_FD int at = open_folder(state);
	CLEAN_FD int shm = fs_open_dir(AT_FDCWD, "/dev/shm");

	if (shm < 0)
		skip();
	put(at, "a", "across");
	assert_int_equal(fs_link_or_copy(at, "a", shm, "slipway-unit-fs", NULL), ERR_OK);
	has(shm, "slipway-unit-fs", "across");
	assert_int_equal(fs_remove_tree(shm, "slipway-unit-fs", NULL), ERR_OK);
	assert_int_equal(fs_size(shm, "slipway-unit-fs"), -1);
}

static void test_fs_remove_tree_takes_all_and_nothing_else(void **state)
{
	CLEAN_FD int at = open_folder(state);

	put(at, "keep", "k");
	assert_int_equal(fs_mkdirs(at, "t/a/b/c", NULL), ERR_OK);
	assert_int_equal(fs_mkdirs(at, "t/empty", NULL), ERR_OK);
	put(at, "t/1", "x");
	put(at, "t/a/b/2", "x");
	assert_int_equal(symlinkat("../../keep", at, "t/a/link"), 0);
	assert_int_equal(symlinkat("/etc", at, "t/etc"), 0);
	assert_int_equal(mkfifoat(at, "t/a/pipe", 0600), 0);
	assert_int_equal(fchmodat(at, "t/a/b", 0, 0), 0);
	assert_int_equal(fs_remove_tree(at, "t", NULL), ERR_OK);
	assert_int_equal(faccessat(at, "t", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	has(at, "keep", "k");
	assert_int_equal(access("/etc/passwd", F_OK), 0);
	assert_int_equal(fs_remove_tree(at, "t", NULL), ERR_OK);
	assert_int_equal(symlinkat("keep", at, "link"), 0);
	assert_int_equal(fs_remove_tree(at, "link", NULL), ERR_OK);
	assert_int_equal(fs_remove_tree(at, "no/where", NULL), ERR_OK);
	has(at, "keep", "k");
}

static void test_fs_remove_tree_copes_with_any_depth_and_width(void **state)
{
	CLEAN_FD int at = open_folder(state);
	int dir;

	assert_int_equal(mkdirat(at, "deep", 0700), 0);
	dir = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(dir, "d", 0700), 0);
		next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		(void)close(dir);
		dir = next;
	}
	(void)close(dir);
	for (int i = 0; i < 2000; i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "deep/d/f%d", i);
		(void)close(openat(at, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	assert_int_equal(fs_remove_tree(at, "deep", NULL), ERR_OK);
	assert_int_equal(entries(*state), 0);
}

static void test_fs_space_is_plausible(void **state)
{
	CLEAN_FD int at = open_folder(state);
	struct fs_space s;

	assert_int_equal(fs_space(at, &s, NULL), ERR_OK);
	assert_true(s.bytes > 0 && s.inodes > 0 && s.inodes_total >= 0);
	assert_int_equal(fs_space(-1, &s, NULL), ERR_IO);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, unit_folder_make, unit_folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_FOLDER(test_fs_replace_is_whole_and_leaves_no_temp),
	    cmocka_unit_test(test_fs_full_disk_is_told),
	    IN_FOLDER(test_fs_reads_regular_files_only),
	    cmocka_unit_test(test_fs_reads_files_without_a_size),
	    IN_FOLDER(test_fs_mkdirs_makes_each_once),
	    IN_FOLDER(test_fs_copies_links_and_renames),
	    IN_FOLDER(test_fs_copies_to_another_file_system),
	    IN_FOLDER(test_fs_remove_tree_takes_all_and_nothing_else),
	    IN_FOLDER(test_fs_remove_tree_copes_with_any_depth_and_width),
	    IN_FOLDER(test_fs_space_is_plausible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
