/*
 * Goal: the directory of a zip is believed only when all its parts say the same, and its names are
 * read as people wrote them.  The many malformed ones are in tests/jail/hostile.py.
 */
#include "scratch.h"
#include "geo/zipdir.h"

static const struct zip_limits limits = {
    .entries = 10,
    .bytes = 1000,
    .ratio = 200,
    .name_bytes = 64,
    .depth = 4,
};

/* One stored member, its directory and end record.  Fields the tests spoil. */
struct build {
	const char *name;
	const char *local_name;
	const char *data;
	uint32_t local_size, size, at, entries, mode;
	uint16_t flags;
	size_t junk; /* bytes behind the end */
};

static void put(unsigned char **p, uint64_t v, int n)
{
	for (; n > 0; n--, v >>= 8)
		*(*p)++ = (unsigned char)v;
}

static void put_text(unsigned char **p, const char *s)
{
	memcpy(*p, s, strlen(s));
	*p += strlen(s);
}

static enum err read_build(struct build b, struct zip_dir *ret, struct error *error)
{
	unsigned char bytes[4096], *p = bytes, *dir;
	size_t len = strlen(b.data);
	enum err e;
	int fd;

	put(&p, 0x04034b50, 4);
	put(&p, 20, 2);
	put(&p, b.flags, 2);
	put(&p, 0, 2 + 4);
	put(&p, 0x1234, 4);
	put(&p, len + b.local_size, 4);
	put(&p, len + b.local_size, 4);
	put(&p, strlen(b.local_name), 2);
	put(&p, 0, 2);
	put_text(&p, b.local_name);
	put_text(&p, b.data);
	dir = p;
	put(&p, 0x02014b50, 4);
	put(&p, 0x0314, 2);
	put(&p, 20, 2);
	put(&p, b.flags, 2);
	put(&p, 0, 2 + 4);
	put(&p, 0x1234, 4);
	put(&p, len + b.size, 4);
	put(&p, len + b.size, 4);
	put(&p, strlen(b.name), 2);
	put(&p, 0, 2 + 2 + 2 + 2);
	put(&p, (uint64_t)b.mode << 16, 4);
	put(&p, b.at, 4);
	put_text(&p, b.name);
	len = (size_t)(p - dir);
	put(&p, 0x06054b50, 4);
	put(&p, 0, 4);
	put(&p, 1 + b.entries, 2);
	put(&p, 1 + b.entries, 2);
	put(&p, len, 4);
	put(&p, (uint64_t)(dir - bytes), 4);
	put(&p, 0, 2);
	scratch_write("x.zip", bytes, (size_t)(p - bytes) + b.junk);
	fd = open("x.zip", O_RDONLY);
	e = zip_dir_read(fd, &limits, ret, error);
	(void)close(fd);
	return e;
}

static void refused(struct build b, const char *code)
{
	struct error error = {0};
	struct zip_dir d;

	if (b.local_name == NULL)
		b.local_name = b.name;
	assert_int_equal(read_build(b, &d, &error), ERR_BAD_REQUEST);
	assert_string_equal(error.code, code);
}

static void test_zip_reads_what_agrees(void **state)
{
	struct build b = {
	    .name = "a/b.csv", .local_name = "a/b.csv", .data = "x,y\n1,2\n", .mode = 0100644};
	struct error error = {0};
	struct zip_dir d;

	(void)state;
	assert_int_equal(read_build(b, &d, &error), ERR_OK);
	assert_int_equal(d.n, 1);
	assert_string_equal(d.v[0].name, "a/b.csv");
	assert_int_equal(d.v[0].size, 8);
	assert_int_equal(d.v[0].packed, 8);
	assert_false(d.v[0].folder);
	zip_dir_done(&d);
}

static void test_zip_refuses_disagreement(void **state)
{
	(void)state;
	refused((struct build){.name = "a.csv", .data = "x", .local_name = "b.csv"}, "zip_invalid");
	refused((struct build){.name = "a.csv", .data = "x", .local_size = 1}, "zip_invalid");
	refused((struct build){.name = "a.csv", .data = "x", .size = 1}, "zip_invalid");
	refused((struct build){.name = "a.csv", .data = "x", .at = 1}, "zip_invalid");
	refused((struct build){.name = "a.csv", .data = "x", .at = 1u << 31}, "zip_invalid");
	refused((struct build){.name = "a.csv", .data = "x", .entries = 1}, "zip_invalid");
	refused((struct build){.name = "a.csv", .data = "x", .junk = 1}, "zip_invalid");
	refused((struct build){.name = "a.csv", .data = "x", .flags = 1}, "zip_encrypted");
	refused((struct build){.name = "a.csv", .data = "x", .flags = 1u << 13}, "zip_encrypted");
	refused((struct build){.name = "a.csv", .data = "x", .mode = 0120777}, "zip_link");
	refused((struct build){.name = "../a.csv", .data = "x"}, "zip_path");
	refused((struct build){.name = "a.csv", .data = "x", .size = 1u << 30}, "zip_too_big");
}

static void test_zip_names_are_decoded(void **state)
{
	static const struct {
		const char *raw;
		bool utf8;
		const char *want;
	} names[] = {
	    {"roads.shp", false, "roads.shp"},
	    {"\xe5\xb1\xb1.shp", true, "\xe5\xb1\xb1.shp"},
	    /* UTF-8 without saying so */
	    {"\xe5\xb1\xb1.shp", false, "\xe5\xb1\xb1.shp"},
	    {"\xb5\xc0\xc2\xb7.shp", false, "\xe9\x81\x93\xe8\xb7\xaf.shp"}, /* GB18030 */
	    {"caf\x82.csv", false, "caf\xc3\xa9.csv"},			     /* CP437 */
	    {"a\xff.csv", true, "a\xef\xbf\xbd.csv"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *got =
		    zip_name_decode(names[i].raw, strlen(names[i].raw), names[i].utf8, NULL);

		assert_string_equal(got, names[i].want);
		free(got);
	}
}

static void test_zip_names_lead_nowhere_else(void **state)
{
	static const char *const safe[] = {"a.csv", "a/b/c/d/e.csv", "a/", "..a/b..",
					   "a b/\xe5\xb1\xb1.shp"};
	static const char *const unsafe[] = {
	    "",
	    "/a",
	    "a//b",
	    "..",
	    "../a",
	    "a/../b",
	    "a/..",
	    "./a",
	    "a/./b",
	    "a\\b",
	    "C:a",
	    "c:/a",
	    "a/b/c/d/e/f.csv",
	    "0123456789012345678901234567890123456789012345678901234567890.csv",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
		if (!zip_name_is_safe(safe[i], &limits))
			fail_msg("refused: %s", safe[i]);
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (zip_name_is_safe(unsafe[i], &limits))
			fail_msg("taken: %s", unsafe[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_zip_reads_what_agrees, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_zip_refuses_disagreement, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test(test_zip_names_are_decoded),
	    cmocka_unit_test(test_zip_names_lead_nowhere_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
