/*
 * Goal: whichever system call of an upload fails, whatever was acknowledged is there afterwards,
 * and the next upload works.  strace makes the n-th call fail, for each n; SLIPWAY_LONG=1 tries
 * more calls and errors.
 */
#include "upload/again.h"

#include <sys/wait.h>

#define BIG 300000

static const char *self; /* this program: it is started again under strace */

/* Printed as soon as it is true; what the client would have been told. */
static void acknowledge(const char *what, const char *id, int64_t offset)
{
	printf("%s %s %lld\n", what, id, (long long)offset);
	(void)fflush(stdout);
}

/* An upload in two requests. */
static void work_resumed(struct scratch *s, const char *big)
{
	struct upload_spec spec = {.owner = ann, .adapter = "tus", .name = "a", .length = BIG + 5};
	struct upload *u = NULL;
	struct memory m;
	int64_t at = 0;
	char id[33];

	if (upload_create(s->engine, &spec, &u, NULL) != ERR_OK)
		return;
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	acknowledge("HAS", id, 0);
	(void)append(u, 0, "hello", &at);
	acknowledge("HAS", id, at);
	upload_close(u);
	if (upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &u, NULL) != ERR_OK)
		return;
	at = upload_offset(u);
	acknowledge("HAS", id, at);
	if (upload_append(u, at,
			  memory_body(&m, big, (size_t)(BIG + 5 - at), BIG + 5 - at, TAIL_END),
			  NULL, false, &at, NULL) == ERR_OK)
		acknowledge("IS", id, at);
	else
		acknowledge("HAS", id, at);
	upload_close(u);
}

static void work_form(struct scratch *s)
{
	struct upload_spec spec = {.owner = ann, .adapter = "form", .name = "f", .length = -1};
	struct upload *v[2] = {NULL, NULL};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < 2; i++) {
		e = upload_create(s->engine, &spec, &v[i], NULL);
		if (e == ERR_OK)
			e = upload_push(v[i], "form", 4, NULL);
		if (e == ERR_OK)
			e = upload_push_end(v[i], false, NULL);
	}
	if (e == ERR_OK && uploads_commit(s->engine, v, 2, NULL, NULL, NULL) == ERR_OK) {
		acknowledge("IS", upload_id(v[0]), 4);
		acknowledge("IS", upload_id(v[1]), 4);
	}
	upload_close(v[0]);
	upload_close(v[1]);
}

static int work(const char *dir)
{
	struct scratch *s = begin(dir);
	char *big = mem_alloc(BIG + 5);

	work_resumed(s, big);
	work_form(s);
	free(big);
	return end(s, 0);
}

/* Is everything there that standard input says? */
static int look(const char *dir)
{
	struct scratch *s = begin(dir);
	struct upload *u = NULL;
	char what[8], id[40];
	long long offset;
	int64_t at = 0;
	int bad = 0;

	while (scanf("%7s %39s %lld", what, id, &offset) == 3) {
		struct upload_info info = {0};
		enum err e;

		if (strcmp(what, "IS") == 0) {
			e = upload_get(s->engine, id, &ann, &info, NULL);
		} else {
			e = upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &u, NULL);
			info.offset = e == ERR_OK ? upload_offset(u) : -1;
			upload_close(u);
			u = NULL;
		}
		if (e != ERR_OK || info.offset < offset) {
			fprintf(stderr, "%s %s %lld: %s, %lld\n", what, id, offset, err_name(e),
				(long long)info.offset);
			bad = 1;
		}
		upload_info_done(&info);
	}
	u = create(s, 5);
	if (append(u, 0, "hello", &at) != ERR_OK)
		bad = 1;
	upload_close(u);
	return end(s, bad);
}

/* Each call of one kind fails once; returns how many there were. */
static int fail_each(const char *dir, const char *call, const char *error)
{
	for (int n = 1; n < 300; n++) {
		int status;

		again_prepare(dir, "");
		assert_int_equal(run("%s look %s </dev/null >/dev/null", self, dir), 0);
		status = run("strace -f -o %s/trace -e trace=%s -e inject=%s:error=%s:when=%d %s "
			     "work %s >%s/told 2>/dev/null",
			     dir, call, call, error, n, self, dir, dir);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 128);
		if (run("grep -q INJECTED %s/trace", dir) != 0)
			return n - 1;
		if (run("%s look %s <%s/told >/dev/null", self, dir, dir) != 0)
			fail_msg("%s call %d failed with %s", call, n, error);
	}
	return 300;
}

static void test_no_failing_call_loses_what_was_told(void **state)
{
	static const char *const quick[][2] = {
	    {"openat", "EMFILE"}, {"fsync", "EIO"}, {"renameat", "EIO"}, {"fdatasync", "EIO"}};
	static const char *const more[][2] = {{"pwrite64", "ENOSPC"}, {"pwrite64", "EIO"},
					      {"openat", "EIO"},      {"mkdirat", "ENOSPC"},
					      {"fcntl", "EIO"},	      {"fdatasync", "ENOSPC"}};
	char dir[] = "/dev/shm/slipway-faults-XXXXXX";

	(void)state;
	if (run("strace -o /dev/null true 2>/dev/null") != 0) {
		print_message("skipped: needs strace and the right to use it\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(quick) / sizeof(quick[0]); i++)
		print_message("%s: %d\n", quick[i][0], fail_each(dir, quick[i][0], quick[i][1]));
	for (size_t i = 0; getenv("SLIPWAY_LONG") != NULL && i < sizeof(more) / sizeof(more[0]);
	     i++)
		print_message("%s: %d\n", more[i][0], fail_each(dir, more[i][0], more[i][1]));
	(void)fs_remove_tree(AT_FDCWD, dir, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_failing_call_loses_what_was_told),
	};

	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "work") == 0)
		return work(argv[2]);
	if (argc == 3 && strcmp(argv[1], "look") == 0)
		return look(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
