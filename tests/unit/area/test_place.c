/*
 * Goal: what is placed appears whole under its own name or a free one, never over something that is
 * not its own, never through a link; parallel claims share nothing; a second try after a crash
 * finds the first one's work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "area/area.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"

struct world {
	struct config config;
	struct area area;
	char dir[64]; /* holds bytes to place, and files/ */
	char root[96];
};

static void write_file(const char *path, const char *text)
{
	CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct error error = {0};

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text, strlen(text), &error), ERR_OK);
}

static void want_file(struct world *w, const char *path, const char *text)
{
	CLEAN_FREE char *full = mem_printf("%s/%s", w->root, path);
	CLEAN_FREE char *got = NULL;
	struct error error = {0};
	size_t len;

	if (fs_read_file(AT_FDCWD, full, 1000, &got, &len, &error) != ERR_OK)
		fail_msg("%s: %s", path, error.text);
	assert_string_equal(got, text);
}

static int setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct error error = {0};

	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/area-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->root, sizeof(w->root), "%s/files", w->dir);
	w->config = (struct config){.data_dir = w->dir,
				    .iserver_denied = mem_strdup(".php"),
				    .upload_sync = UPLOAD_SYNC_FULL};
	assert_int_equal(area_open(&w->config, "ann", &w->area, &error), ERR_OK);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	area_close(&w->area);
	free(w->config.iserver_denied);
	(void)fs_remove_tree(AT_FDCWD, w->dir, NULL);
	free(w);
	return 0;
}

/* Place TEXT as PATH under a fresh or given ID.  *RET: where. */
static enum err place_as(struct world *w, const char *id, const char *text, const char *path,
			 bool overwrite, char **ret, struct error *error)
{
	CLEAN_FREE char *bytes = mem_printf("%s/%s", w->dir, id);
	CLEAN_FD int at = fs_open_dir(AT_FDCWD, w->dir);
	struct area_work work;
	enum err err;

	if (access(bytes, F_OK) != 0)
		write_file(bytes, text);
	err = area_work_begin(&w->area, id, &work, error);
	if (err != ERR_OK)
		return err;
	err = area_place_file(&work, at, id, path, overwrite, ret, error);
	area_work_end(&work);
	return err;
}

static enum err place(struct world *w, const char *text, const char *path, bool overwrite,
		      char **ret, struct error *error)
{
	char id[33];

	token_hex(id, 32);
	return place_as(w, id, text, path, overwrite, ret, error);
}

static void want_place(struct world *w, const char *text, const char *path, bool overwrite,
		       const char *where)
{
	struct error error = {0};
	CLEAN_FREE char *got = NULL;

	if (place(w, text, path, overwrite, &got, &error) != ERR_OK)
		fail_msg("%s: %s", path, error.text);
	assert_string_equal(got, where);
	want_file(w, where, text);
}

static void want_place_refused(struct world *w, const char *path, bool overwrite, enum err want,
			       const char *code)
{
	struct error error = {0};
	char *got = NULL;

	assert_int_equal(place(w, "x", path, overwrite, &got, &error), want);
	assert_string_equal(error.code, code);
}

/* A tree with one file NAME, as an unzip of ID left it. */
static enum err place_tree(struct world *w, const char *id, const char *name, const char *text,
			   const char *path, bool overwrite, char **ret, struct error *error)
{
	struct area_work work;
	enum err err = area_work_begin(&w->area, id, &work, error);
	CLEAN_FREE char *base = err == ERR_OK ? area_work_path(&work) : NULL;

	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *tree = mem_printf("%s/out/tree", base);
	CLEAN_FREE char *file = mem_printf("%s/%s", tree, name);
	assert_int_equal(fs_mkdirs(AT_FDCWD, tree, error), ERR_OK);
	if (strcmp(text, "->") == 0)
		assert_int_equal(symlink("/etc/passwd", file), 0);
	else
		write_file(file, text);
	err = area_place_tree(&work, "out/tree", path, overwrite, 10, 1000, ret, error);
	area_work_end(&work);
	return err;
}

static void want_tree(struct world *w, const char *id, const char *text, bool overwrite,
		      const char *where)
{
	struct error error = {0};
	CLEAN_FREE char *got = NULL;
	CLEAN_FREE char *file = mem_printf("%s/a.csv", where);

	if (place_tree(w, id, "a.csv", text, "world", overwrite, &got, &error) != ERR_OK)
		fail_msg("tree: %s", error.text);
	assert_string_equal(got, where);
	want_file(w, file, text);
}

static void test_place_counts_from_zero(void **state)
{
	struct world *w = *state;

	want_place(w, "one", "a/b/rivers.csv", false, "a/b/rivers.csv");
	want_place(w, "two", "a/b/rivers.csv", false, "a/b/rivers0.csv");
	want_place(w, "three", "a/b/rivers.csv", false, "a/b/rivers1.csv");
	want_file(w, "a/b/rivers.csv", "one");
	/* Modes are ours, whatever the umask. */
	CLEAN_FREE char *path = mem_printf("%s/a/b", w->root);
	CLEAN_FREE char *file = mem_printf("%s/rivers.csv", path);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void test_place_overwrites_files_only(void **state)
{
	struct world *w = *state;

	want_place(w, "one", "a/rivers.csv", false, "a/rivers.csv");
	want_place(w, "two", "a/rivers.csv", true, "a/rivers.csv");
	want_place_refused(w, "a", true, ERR_CONFLICT, "area_kind");
	want_place_refused(w, "a/rivers.csv/x.csv", true, ERR_CONFLICT, "area_kind");
	want_place(w, "three", "a", false, "a0");
}

static void test_place_never_follows_links(void **state)
{
	struct world *w = *state;
	CLEAN_FREE char *link = mem_printf("%s/out", w->root);
	CLEAN_FREE char *loose = mem_printf("%s/loose.csv", w->root);
	CLEAN_FREE char *outside = mem_printf("%s/outside", w->dir);

	assert_int_equal(mkdir(outside, 0700), 0);
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(symlink("/etc/passwd", loose), 0);
	want_place_refused(w, "out/x.csv", false, ERR_BAD_REQUEST, "area_link");
	want_place_refused(w, "out/x.csv", true, ERR_BAD_REQUEST, "area_link");
	want_place_refused(w, "out/y/x.csv", true, ERR_BAD_REQUEST, "area_link");
	want_place_refused(w, "loose.csv", false, ERR_BAD_REQUEST, "area_link");
	want_place_refused(w, "loose.csv", true, ERR_BAD_REQUEST, "area_link");
	assert_int_equal(rmdir(outside), 0); /* empty still */
}

static void test_place_again_finds_the_first(void **state)
{
	struct world *w = *state;
	struct error error = {0};
	char id[33];

	token_hex(id, 32);
	want_place(w, "other", "r.csv", false, "r.csv");
	for (int i = 0; i < 3; i++) {
		CLEAN_FREE char *got = NULL;

		assert_int_equal(place_as(w, id, "mine", "r.csv", false, &got, &error), ERR_OK);
		assert_string_equal(got, "r0.csv");
	}
}

struct racer {
	struct world *world;
	char *got;
	char text[24];
	pthread_t thread;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct error error = {0};

	if (place(r->world, r->text, "race.csv", false, &r->got, &error) != ERR_OK)
		r->got = NULL;
	return NULL;
}

static void test_place_parallel_claims_share_nothing(void **state)
{
	enum { N = 20 };
	struct racer racers[N];

	for (int i = 0; i < N; i++) {
		racers[i] = (struct racer){.world = *state};
		(void)snprintf(racers[i].text, sizeof(racers[i].text), "text %d", i);
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < N; i++)
		(void)pthread_join(racers[i].thread, NULL);
	for (int i = 0; i < N; i++) {
		assert_non_null(racers[i].got);
		want_file(*state, racers[i].got, racers[i].text);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(racers[i].got, racers[k].got);
	}
	for (int i = 0; i < N; i++)
		free(racers[i].got);
}

static void test_tree_takes_a_free_name(void **state)
{
	struct world *w = *state;
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			  b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

	want_tree(w, a, "one", false, "world");
	want_tree(w, b, "two", false, "world0");
	/* Again, as after a crash: it was placed. */
	want_tree(w, a, "one", false, "world");
	want_tree(w, b, "two", false, "world0");
}

static void test_tree_replaces_unzipped_folders_only(void **state)
{
	struct world *w = *state;
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			  b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
	CLEAN_FREE char *stale = mem_printf("%s/world/stale.csv", w->root);
	CLEAN_FREE char *empty = mem_printf("%s/empty", w->root);
	struct error error = {0}, foreign = {0}, kind = {0};
	char *got = NULL;

	want_tree(w, a, "one", false, "world");
	write_file(stale, "old");
	want_tree(w, b, "two", true, "world");
	assert_int_not_equal(access(stale, F_OK), 0);
	/* One that holds what nobody uploaded stays; an empty one gives way. */
	want_place(w, "mine", "own/mine.csv", false, "own/mine.csv");
	assert_int_equal(place_tree(w, a, "a.csv", "x", "own", true, &got, &foreign), ERR_CONFLICT);
	assert_string_equal(foreign.code, "area_foreign");
	want_file(w, "own/mine.csv", "mine");
	assert_int_equal(mkdir(empty, 0700), 0);
	assert_int_equal(place_tree(w, a, "a.csv", "x", "empty", true, &got, &error), ERR_OK);
	want_file(w, "empty/a.csv", "x");
	free(got);
	assert_int_equal(place_tree(w, a, "a.csv", "x", "own/mine.csv", true, &got, &kind),
			 ERR_CONFLICT);
	assert_string_equal(kind.code, "area_kind");
}

static void test_tree_is_gone_through(void **state)
{
	struct world *w = *state;
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct error link = {0}, denied = {0}, ours = {0};
	char *got = NULL;

	assert_int_equal(place_tree(w, a, "l.csv", "->", "world", false, &got, &link),
			 ERR_BAD_REQUEST);
	assert_string_equal(link.code, "zip_link");
	assert_int_equal(place_tree(w, a, "x.php", "x", "world", false, &got, &denied),
			 ERR_BAD_REQUEST);
	assert_string_equal(denied.code, "area_denied");
	assert_int_equal(place_tree(w, a, ".slipway", "x", "world", false, &got, &ours),
			 ERR_BAD_REQUEST);
	CLEAN_FREE char *path = mem_printf("%s/world", w->root);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void test_list_hides_and_sorts(void **state)
{
	struct world *w = *state;
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct error error = {0};
	json_object *list = NULL;

	want_place(w, "x", "b.csv", false, "b.csv");
	want_place(w, "xyz", "a.CSV", false, "a.CSV");
	want_place(w, "x", "c.txt", false, "c.txt");
	want_tree(w, a, "one", false, "world");
	assert_int_equal(area_list(&w->area, "", "*.csv", 100, &list, &error), ERR_OK);
	assert_int_equal(json_len(list), 3);
	assert_string_equal(json_str(json_at(list, 0), "name", ""), "world");
	assert_true(json_bool(json_at(list, 0), "folder", false));
	assert_string_equal(json_str(json_at(list, 1), "name", ""), "a.CSV");
	assert_int_equal(json_int(json_at(list, 1), "size", -1), 3);
	json_object_put(list);
	assert_int_equal(area_list(&w->area, "world", NULL, 100, &list, &error), ERR_OK);
	assert_int_equal(json_len(list), 1); /* the mark is never listed */
	assert_string_equal(json_str(json_at(list, 0), "path", ""), "world/a.csv");
	json_object_put(list);
	assert_int_equal(area_list(&w->area, "b.csv", NULL, 100, &list, &error), ERR_OK);
	assert_string_equal(json_str(json_at(list, 0), "path", ""), "b.csv");
	json_object_put(list);
	assert_int_equal(area_list(&w->area, "nowhere", NULL, 100, &list, &error), ERR_NOT_FOUND);
	assert_int_equal(area_list(&w->area, "b.csv/x", NULL, 100, &list, &error), ERR_NOT_FOUND);
}

static void test_delete_takes_trees_and_links_not_their_ends(void **state)
{
	struct world *w = *state;
	CLEAN_FREE char *outside = mem_printf("%s/outside", w->dir);
	CLEAN_FREE char *kept = mem_printf("%s/kept", outside);
	CLEAN_FREE char *link = mem_printf("%s/d/link", w->root);
	struct error error = {0}, root = {0};

	want_place(w, "x", "d/e/b.csv", false, "d/e/b.csv");
	assert_int_equal(mkdir(outside, 0700), 0);
	write_file(kept, "x");
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(area_delete(&w->area, "d", &error), ERR_OK);
	assert_int_equal(access(kept, F_OK), 0);
	assert_int_equal(area_delete(&w->area, "d", &error), ERR_NOT_FOUND);
	assert_int_equal(area_delete(&w->area, "", &root), ERR_BAD_REQUEST);
}

static void test_work_is_locked_and_swept(void **state)
{
	struct world *w = *state;
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct area_work one, two;
	struct error error = {0}, busy = {0};

	assert_int_equal(area_work_begin(&w->area, a, &one, &error), ERR_OK);
	assert_int_equal(area_work_begin(&w->area, a, &two, &busy), ERR_LOCKED);
	CLEAN_FREE char *path = area_work_path(&one);
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	area_sweep(&w->area);
	assert_int_equal(access(path, F_OK), 0); /* held */
	(void)close(one.lock);
	(void)close(one.dir);
	area_sweep(&w->area);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void test_sweep_goes_to_each_area(void **state)
{
	struct world *w = *state;
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	CLEAN_FREE char *pattern = mem_printf("%s/areas/%%u/files", w->dir);
	CLEAN_FREE char *left = mem_printf("%s/areas/ann/files/.slipway/%s", w->dir, a);
	CLEAN_FREE char *single = mem_printf("%s/.slipway/%s", w->root, a);
	struct error error = {0};
	struct area area;

	assert_int_equal(fs_mkdirs(AT_FDCWD, single, &error), ERR_OK);
	assert_int_equal(utimensat(AT_FDCWD, single, old, 0), 0);
	area_sweep_all(&w->config);
	assert_int_not_equal(access(single, F_OK), 0);
	w->config.iserver_root = pattern;
	assert_int_equal(area_open(&w->config, "ann", &area, &error), ERR_OK);
	area_close(&area);
	assert_int_equal(area_open(&w->config, "..", &area, &error), ERR_NOT_FOUND);
	assert_int_equal(fs_mkdirs(AT_FDCWD, left, &error), ERR_OK);
	assert_int_equal(utimensat(AT_FDCWD, left, old, 0), 0);
	area_sweep_all(&w->config);
	assert_int_not_equal(access(left, F_OK), 0);
	w->config.iserver_root = NULL;
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_place_counts_from_zero),
	    T(test_place_overwrites_files_only),
	    T(test_place_never_follows_links),
	    T(test_place_again_finds_the_first),
	    T(test_place_parallel_claims_share_nothing),
	    T(test_tree_takes_a_free_name),
	    T(test_tree_replaces_unzipped_folders_only),
	    T(test_tree_is_gone_through),
	    T(test_list_hides_and_sorts),
	    T(test_delete_takes_trees_and_links_not_their_ends),
	    T(test_work_is_locked_and_swept),
	    T(test_sweep_goes_to_each_area),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
