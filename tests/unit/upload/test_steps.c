/*
 * Goal: kill -9 at any step of filling, joining and completing costs nothing that was told; its
 * client goes on and gets the right file; deleting everything leaves nothing.  strace kills at the
 * n-th call of a kind, for each n.
 */
#include <dirent.h>
#include "upload/again.h"

#define TEXT "abcdefghijklmnopqrstuvwxyz"

static const char *self; /* this program: it is started again under strace */

/* Printed as soon as it is true; what the client would have been told. */
static void tell(const char *what, const char *id, int64_t a, int64_t b)
{
	printf("%s %s %lld %lld\n", what, id, (long long)a, (long long)b);
	(void)fflush(stdout);
}

static struct upload *make(struct scratch *s, const struct upload_spec *spec, char id[33])
{
	struct upload *u = NULL;

	if (upload_create(s->engine, spec, &u, NULL) != ERR_OK)
		exit(7);
	(void)snprintf(id, 33, "%s", upload_id(u));
	return u;
}

/* ---- what each mode does, and how it goes on */

static enum err range(struct upload *u, int64_t first, int64_t end)
{
	struct memory m;

	return upload_put_range(
	    u, first, end - first,
	    memory_body(&m, TEXT + first, (size_t)(end - first), end - first, TAIL_END), NULL);
}

static void work_range(struct scratch *s)
{
	static const int64_t at[][2] = {{10, 20}, {0, 10}, {18, 26}};
	struct upload_spec spec = {
	    .owner = ann, .adapter = "dropzone", .mode = UPLOAD_RANGE, .name = "r", .length = 26};
	char id[33];
	struct upload *u = make(s, &spec, id);

	tell("MADE-RANGE", id, 0, 0);
	for (size_t i = 0; i < 3; i++) {
		if (range(u, at[i][0], at[i][1]) == ERR_OK)
			tell("RANGE", id, at[i][0], at[i][1]);
	}
	if (upload_is_complete(u))
		tell("DONE", id, 26, 0);
	upload_close(u);
}

static void go_on_range(struct upload *u)
{
	for (int64_t at = 0; at < 26; at += 13)
		assert_int_equal(range(u, at, at + 13), ERR_OK);
}

static enum err part(struct upload *u, uint32_t n)
{
	static const uint32_t at[] = {0, 5, 9, 26};
	struct memory m;
	size_t len = at[n + 1] - at[n];

	return upload_put_part(u, n, memory_body(&m, TEXT + at[n], len, (int64_t)len, TAIL_END),
			       NULL);
}

static void work_parts(struct scratch *s)
{
	static const uint32_t order[] = {1, 0, 1, 2};
	struct upload_spec spec = {.owner = ann,
				   .adapter = "webuploader",
				   .mode = UPLOAD_PARTS,
				   .name = "p",
				   .length = 26,
				   .parts = 3};
	char id[33];
	struct upload *u = make(s, &spec, id);

	tell("MADE-PARTS", id, 0, 0);
	for (size_t i = 0; i < 4; i++)
		if (part(u, order[i]) == ERR_OK)
			tell("PART", id, order[i], 0);
	if (upload_is_complete(u))
		tell("DONE", id, 26, 0);
	upload_close(u);
}

static void go_on_parts(struct upload *u)
{
	for (uint32_t n = 0; n < 3; n++)
		if (!upload_has_part(u, n))
			assert_int_equal(part(u, n), ERR_OK);
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
}

static enum err tail_of(struct upload *u, int64_t end)
{
	struct memory m;
	int64_t at = upload_offset(u);
	const char *text = TEXT + (end - upload_length(u)) + at;
	int64_t n = upload_length(u) - at;

	return upload_append(u, at, memory_body(&m, text, (size_t)n, n, TAIL_END), NULL, false, &at,
			     NULL);
}

/* Two partials; the final is made between them, so that the second completes it. */
static void work_concat(struct scratch *s)
{
	struct upload_spec spec = {
	    .owner = ann, .adapter = "tus", .name = "c", .length = 12, .partial = true};
	char a[33], b[33], id[33];
	struct upload *first = make(s, &spec, a), *second, *u;

	spec.length = 14;
	second = make(s, &spec, b);
	if (tail_of(first, 12) == ERR_OK)
		tell("PARTIAL", a, 12, 0);
	spec = (struct upload_spec){.owner = ann,
				    .adapter = "tus",
				    .mode = UPLOAD_CONCAT,
				    .name = "c",
				    .length = -1,
				    .concat = (const char *[]){a, b},
				    .n_concat = 2};
	u = make(s, &spec, id);
	upload_close(u);
	printf("MADE-FINAL %s 0 0 %s\n", id, b);
	(void)fflush(stdout);
	if (tail_of(second, 26) == ERR_OK)
		tell("PARTIAL", b, 14, 0);
	upload_close(first);
	upload_close(second);
}

static int work(const char *dir)
{
	struct scratch *s = begin(dir);

	work_range(s);
	work_parts(s);
	work_concat(s);
	/* The worker's part, in this process. */
	struct upload_info *list = NULL;
	size_t n = 0;
	if (uploads_of(s->engine, "u:ann", 0, 100, &list, &n, NULL) == ERR_OK) {
		for (size_t i = 0; i < n; i++) {
			if (list[i].assembling)
				(void)upload_assemble(s->engine, list[i].id, NULL, NULL, NULL);
			upload_info_done(&list[i]);
		}
	}
	free(list);
	return end(s, 0);
}

/* ---- what is left */

/* Is it as it was told to be? */
static bool stands(struct scratch *s, const char *what, const char *id, int64_t a, int64_t b)
{
	struct upload *u = NULL;
	bool ok = upload_open(s->engine, id, &ann, UPLOAD_WANT_STATUS, &u, NULL) == ERR_OK;

	if (ok && strcmp(what, "RANGE") == 0)
		ok = upload_covers(u, a, b - a);
	else if (ok && strcmp(what, "PART") == 0)
		ok = upload_is_complete(u) || upload_has_part(u, (uint32_t)a);
	else if (ok && strcmp(what, "PARTIAL") == 0)
		ok = upload_is_complete(u) && upload_length(u) == a;
	else if (ok && strcmp(what, "DONE") == 0)
		ok = upload_is_complete(u);
	upload_close(u);
	return ok;
}

static void complete(struct scratch *s, const char *what, const char *id, const char *last)
{
	struct upload *u;

	if (strcmp(what, "MADE-FINAL") == 0) {
		u = reopen(s, last);
		assert_int_equal(tail_of(u, 26), ERR_OK);
		upload_close(u);
	} else {
		u = reopen(s, id);
		if (strcmp(what, "MADE-RANGE") == 0)
			go_on_range(u);
		else
			go_on_parts(u);
		upload_close(u);
	}
	/* What is to be assembled is, whatever became of its task. */
	(void)upload_assemble(s->engine, id, NULL, NULL, NULL);
	assert_content(s, id, TEXT);
}

/* Everything is deleted; then there is nothing. */
static bool nothing_left(struct scratch *s)
{
	struct upload_info *list = NULL;
	CLEAN_FREE char *count = NULL;
	size_t n = 0;
	bool empty;

	assert_int_equal(uploads_of(s->engine, NULL, 0, 100, &list, &n, NULL), ERR_OK);
	for (size_t i = 0; i < n; i++) {
		(void)remove_id(s, list[i].id, NULL);
		upload_info_done(&list[i]);
	}
	free(list);
	/* Folders without a record are young: make them old. */
	(void)run("find %s/uploads -mindepth 2 -maxdepth 2 -exec touch -d '2 hours ago' {} +",
		  s->dir);
	assert_int_equal(upload_sweep(s->engine, 5000, NULL), ERR_OK);
	empty = run("test -z \"$(find %s/uploads -mindepth 2 | head -1)\"", s->dir) == 0;
	if (!empty)
		(void)run("find %s/uploads >&2", s->dir);
	return empty;
}

static int look(const char *dir)
{
	struct scratch *s = begin(dir);
	char line[200], made[8][200];
	size_t n = 0;
	int bad = 0;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		char what[16], id[40];
		long long a, b;

		if (sscanf(line, "%15s %39s %lld %lld", what, id, &a, &b) != 4)
			continue; /* killed while it wrote */
		if (!stands(s, what, id, a, b)) {
			fprintf(stderr, "not there: %s", line);
			bad = 1;
		}
		if (strncmp(what, "MADE", 4) == 0)
			(void)snprintf(made[n++], sizeof(made[0]), "%s", line);
	}
	for (size_t i = 0; i < n; i++) {
		char what[16], id[40], last[40] = "";

		(void)sscanf(made[i], "%15s %39s %*d %*d %39s", what, id, last);
		complete(s, what, id, last);
	}
	if (!nothing_left(s))
		bad = 1;
	return end(s, bad);
}

static int kill_each(const char *dir, const char *settings, const char *call)
{
	for (int n = 1; n < 500; n++) {
		again_prepare(dir, settings);
		assert_int_equal(run("%s look %s </dev/null >/dev/null", self, dir), 0);
		(void)run("strace -f -o %s/trace -e trace=%s -e inject=%s:signal=KILL:when=%d "
			  "%s work %s >%s/told 2>/dev/null",
			  dir, call, call, n, self, dir, dir);
		if (run("%s look %s <%s/told >/dev/null", self, dir, dir) != 0)
			fail_msg("killed at %s %d", call, n);
		if (run("grep -q 'killed by SIGKILL' %s/trace", dir) != 0)
			return n - 1;
	}
	return 500;
}

static void kill_everywhere(const char *settings)
{
	static const char *const quick[] = {"renameat", "unlinkat", "copy_file_range", "ftruncate"};
	static const char *const more[] = {"fdatasync", "fsync", "mkdirat", "pwrite64", "openat"};
	char dir[] = "/dev/shm/slipway-steps-XXXXXX";

	if (run("strace -o /dev/null true 2>/dev/null") != 0) {
		print_message("skipped: needs strace and the right to use it\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(quick) / sizeof(quick[0]); i++)
		print_message("%s: %d\n", quick[i], kill_each(dir, settings, quick[i]));
	for (size_t i = 0; getenv("SLIPWAY_LONG") != NULL && i < sizeof(more) / sizeof(more[0]);
	     i++)
		print_message("%s: %d\n", more[i], kill_each(dir, settings, more[i]));
	(void)fs_remove_tree(AT_FDCWD, dir, NULL);
}

static void test_kill_at_any_step_costs_nothing(void **state)
{
	(void)state;
	kill_everywhere("");
}

static void test_kill_while_assembling_costs_nothing(void **state)
{
	(void)state;
	kill_everywhere("assemble_inline = 5");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kill_at_any_step_costs_nothing),
	    cmocka_unit_test(test_kill_while_assembling_costs_nothing),
	};

	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "work") == 0)
		return work(argv[2]);
	if (argc == 3 && strcmp(argv[1], "look") == 0)
		return look(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
