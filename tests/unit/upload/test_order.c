/*
 * Goal: what was told is on the disk before it is told, and refusals write nothing: the calls of
 * each operation in their order, as strace saw them.  (transports.md 1.6, 1.8; store.md 8)
 */
#include "upload/again.h"

#define TEXT  "abcdefghijklmnopqrstuvwxyz"
#define LINES 4000

static const char *self; /* this program: it is started again under strace */

/* ---- under strace: operations between marks, which are writes to an unusual descriptor */

static void mark(const char *what)
{
	/* The call fails; strace shows it all the same. */
	(void)!write(77, what, strlen(what));
}

static struct body *text_body(struct memory *m, size_t first, size_t n)
{
	return memory_body(m, TEXT + first, n, (int64_t)n, TAIL_END);
}

static struct upload *make(struct scratch *s, enum upload_mode mode, int64_t length)
{
	struct upload_spec spec = {.owner = ann,
				   .adapter = "tus",
				   .mode = mode,
				   .name = "a",
				   .length = length,
				   .parts = mode == UPLOAD_PARTS ? 2 : 0};
	struct upload *u = NULL;

	if (upload_create(s->engine, &spec, &u, NULL) != ERR_OK)
		exit(7);
	return u;
}

static int work(const char *dir)
{
	struct scratch *s = begin(dir);
	struct memory m;
	struct upload *u;
	int64_t at;

	u = make(s, UPLOAD_RANGE, 26);
	mark("range");
	(void)upload_put_range(u, 10, 5, text_body(&m, 10, 5), NULL);
	mark("range refused");
	(void)upload_put_range(u, 20, 10, text_body(&m, 10, 10), NULL);
	(void)upload_put_range(u, 5, 3, text_body(&m, 10, 4), NULL);
	mark("range completes");
	(void)upload_put_range(u, 0, 26, text_body(&m, 0, 26), NULL);
	mark("range is complete");
	(void)upload_put_range(u, 0, 26, text_body(&m, 0, 26), NULL);
	mark("");
	upload_close(u);
	u = make(s, UPLOAD_PARTS, 26);
	mark("part");
	(void)upload_put_part(u, 1, text_body(&m, 13, 13), NULL);
	mark("part refused");
	(void)upload_put_part(u, 2, text_body(&m, 13, 13), NULL);
	mark("part completes");
	(void)upload_put_part(u, 0, text_body(&m, 0, 13), NULL);
	mark("");
	upload_close(u);
	u = make(s, UPLOAD_APPEND, 26);
	mark("append");
	(void)upload_append(u, 0, text_body(&m, 0, 20), NULL, false, &at, NULL);
	mark("append refused");
	(void)upload_append(u, 3, text_body(&m, 0, 20), NULL, false, &at, NULL);
	mark("append completes");
	(void)upload_append(u, 20, text_body(&m, 20, 6), NULL, false, &at, NULL);
	mark("");
	upload_close(u);
	return end(s, 0);
}

/* ---- what strace saw */

/*
 * One letter a call: w bytes of an upload, s flush of such a file, r a rename of one, d flush of a
 * folder, C commit (the store's log flushed), u removal.
 */
static char letter(const char *line)
{
	bool upload = strstr(line, "/uploads/") != NULL;

	if (strstr(line, "pwrite64(") != NULL || strstr(line, "write(") != NULL ||
	    strstr(line, "copy_file_range(") != NULL)
		return upload && strstr(line, "/lock>") == NULL && strstr(line, "/sizes>") == NULL
			   ? 'w'
			   : '\0';
	if (strstr(line, "fdatasync(") != NULL)
		return upload ? 's' : strstr(line, "/log.") != NULL ? 'C' : '\0';
	if (strstr(line, "fsync(") != NULL)
		return upload ? 'd' : strstr(line, "/log.") != NULL ? 'C' : '\0';
	if (strstr(line, "renameat(") != NULL)
		return 'r';
	if (strstr(line, "unlinkat(") != NULL && strstr(line, "\"p.") != NULL)
		return 'u';
	return '\0';
}

/* The letters between the mark WHAT and the next; repeated ones once. */
static char *between(const char *trace, const char *what)
{
	CLEAN_FREE char *begin_mark = mem_printf("write(77, \"%s\"", what);
	char line[4096], *out = mem_alloc(LINES);
	size_t n = 0;
	bool inside = false;
	FILE *f = fopen(trace, "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		char c;

		if (strstr(line, "write(77, ") != NULL) {
			inside = strstr(line, begin_mark) != NULL;
			continue;
		}
		c = inside ? letter(line) : '\0';
		if (c != '\0' && n < LINES - 1 && (n == 0 || out[n - 1] != c))
			out[n++] = c;
	}
	(void)fclose(f);
	out[n] = '\0';
	return out;
}

static void test_bytes_names_record_answer(void **state)
{
	static const char *const expected[][2] = {
	    {"range", "wsC"},
	    {"range refused", ""},
	    /* The last range needs no commit of its own. */
	    {"range completes", "wsrdC"},
	    {"range is complete", ""},
	    /* No commit: a part is there when its name is. */
	    {"part", "wsrd"},
	    {"part refused", ""},
	    /* The part; joined; named; committed; only then the parts go. */
	    {"part completes", "wsrdwsrdCu"},
	    {"append", "ws"},
	    {"append refused", ""},
	    {"append completes", "wsrdC"},
	};
	char dir[] = "/dev/shm/slipway-order-XXXXXX";
	CLEAN_FREE char *trace = NULL;

	(void)state;
	if (run("strace -o /dev/null true 2>/dev/null") != 0) {
		print_message("skipped: needs strace and the right to use it\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	again_prepare(dir, "");
	trace = mem_printf("%s/trace", dir);
	/* A sanitizer's search for leaks traces the process itself, which only one can. */
	assert_int_equal(
	    run("ASAN_OPTIONS=detect_leaks=0 strace -f -y -o %s -e trace=write,pwrite64,"
		"copy_file_range,fdatasync,fsync,renameat,unlinkat %s work %s >/dev/null 2>&1",
		trace, self, dir),
	    0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		CLEAN_FREE char *got = between(trace, expected[i][0]);

		if (strcmp(got, expected[i][1]) != 0)
			fail_msg("%s: %s, not %s", expected[i][0], got, expected[i][1]);
	}
	(void)fs_remove_tree(AT_FDCWD, dir, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes_names_record_answer),
	};

	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "work") == 0)
		return work(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
