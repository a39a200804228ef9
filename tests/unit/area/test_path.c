/*
 * Goal: whatever a client calls a path becomes names below the root, as the table of the root rule
 * says, or is refused: nothing leads out, nothing hidden or dangerous gets a name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "area/path.h"
#include "base/mem.h"

static const char denied[] = ".jsp .php .sh .html";

static void want(const char *given, const char *real, const char *mapped)
{
	struct error error = {0};
	char *got = NULL;
	enum err err = area_map(given, real, denied, &got, &error);

	if (err != ERR_OK)
		fail_msg("%s: refused: %s", given, error.text);
	assert_string_equal(got, mapped);
	free(got);
}

static void want_refused(const char *given, const char *code)
{
	struct error error = {0};
	char *got = NULL;
	enum err err = area_map(given, NULL, denied, &got, &error);

	if (err == ERR_OK)
		fail_msg("%s became %s", given, got);
	assert_int_equal(err, ERR_BAD_REQUEST);
	assert_string_equal(error.code, code);
}

static void test_path_table_of_the_root_rule(void **state)
{
	(void)state;
	want("../../Desktop/World-5.zip", NULL, "Desktop/World-5.zip");
	want("./World.zip", NULL, "World.zip");
	want("World.zip", NULL, "World.zip");
	want("/World.zip", NULL, "World.zip");
	want("d:\\data\\t.csv", NULL, "data/t.csv");
	want("/etc/passwd", NULL, "etc/passwd");
	want("a/../../../b.csv", NULL, "b.csv");
	want("${fileManagerWorkDir}/World/./x.sxwu", NULL, "World/x.sxwu");
	want("${uploadDir}/x.csv", NULL, "x.csv");
	/* The root: the caller refuses it as a file's target. */
	want("..", NULL, "");
	want("/", NULL, "");
	want("", NULL, "");
	want("./", NULL, "");
}

static void test_path_goes_up_but_never_out(void **state)
{
	(void)state;
	want("../../../../../../etc/x.csv", NULL, "etc/x.csv");
	want("a/b/../c/./d.csv", NULL, "a/c/d.csv");
	want("a\\..\\..\\b.csv", NULL, "b.csv");
	want("a/..", NULL, "");
	want("...", NULL, "...");
	want("a//b///c.csv", NULL, "a/b/c.csv");
	want("a/b/", NULL, "a/b");
	/* Decoded once already: these are letters. */
	want("%2e%2e/x.csv", NULL, "%2e%2e/x.csv");
}

static void test_path_drops_what_stands_in_front(void **state)
{
	(void)state;
	want("/srv/files/World/x.csv", "/srv/files", "World/x.csv");
	want("/srv/files", "/srv/files", "");
	want("/srv/filesystem/x.csv", "/srv/files", "srv/filesystem/x.csv");
	want("C:x.csv", NULL, "x.csv");
	want("C:/../x.csv", NULL, "x.csv");
	/* One of them, once. */
	want("${fileManagerWorkDir}/${uploadDir}/x", NULL, "${uploadDir}/x");
	want("\xe6\x95\xb0\xe6\x8d\xae/\xe6\xb2\xb3.csv", NULL,
	     "\xe6\x95\xb0\xe6\x8d\xae/\xe6\xb2\xb3.csv");
}

static void test_path_refuses_what_is_no_name(void **state)
{
	char name[300], path[AREA_PATH_MAX + 2];

	(void)state;
	want_refused("a\nb.csv", "area_path");
	want_refused("a\x7f.csv", "area_path");
	want_refused("\xff\xfe.csv", "area_path");
	want_refused(".slipway", "area_path");
	want_refused("a/.slipway-x/b.csv", "area_path");
	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	want_refused(name, "area_path");
	name[255] = '\0';
	want(name, NULL, name);
	memset(path, '/', sizeof(path));
	path[AREA_PATH_MAX + 1] = '\0';
	want_refused(path, "area_path");
}

static void test_path_refuses_what_servers_run(void **state)
{
	(void)state;
	want_refused("x.php", "area_denied");
	want_refused("x.PHP", "area_denied");
	want_refused("a/x.jsp", "area_denied");
	want_refused("a.html/x.csv", "area_denied");
	want_refused(".htaccess", "area_denied");
	want_refused("a/.HTpasswd", "area_denied");
	want_refused(".user.ini", "area_denied");
	want_refused("Web.Config", "area_denied");
	want_refused(".php", "area_denied");
	want("x.php.csv", NULL, "x.php.csv");
	want("php", NULL, "php");
	want("x.ph", NULL, "x.ph");
	want("htaccess.csv", NULL, "htaccess.csv");
}

static void test_number_stands_before_the_extension(void **state)
{
	static const struct {
		const char *name;
		bool folder;
		int n;
		const char *want;
	} rows[] = {
	    {"rivers.csv", false, 0, "rivers0.csv"},
	    {"rivers.csv", false, 12, "rivers12.csv"},
	    {"a.tar.gz", false, 1, "a.tar1.gz"},
	    {"README", false, 0, "README0"},
	    {".hidden", false, 0, ".hidden0"},
	    {"world", true, 0, "world0"},
	    {"v1.2", true, 3, "v1.23"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEAN_FREE char *got = area_number(rows[i].name, rows[i].folder, rows[i].n);

		assert_string_equal(got, rows[i].want);
	}
}

static void test_filter_knows_globs(void **state)
{
	(void)state;
	assert_true(area_filter(NULL, "a"));
	assert_true(area_filter("", "a"));
	assert_true(area_filter("*.smwu;*.csv", "A.CSV"));
	assert_true(area_filter("*.smwu; *.csv", "x.smwu"));
	assert_false(area_filter("*.smwu;*.csv", "a.txt"));
	assert_true(area_filter("?.csv", "\xe6\xb2\xb3.csv"));
	assert_false(area_filter("?.csv", "ab.csv"));
	assert_true(area_filter("*a*b*", "xxaxxbxx"));
	assert_false(area_filter("[ab].csv", "a.csv"));
	assert_true(area_filter("[ab].csv", "[ab].csv"));
	/* Many stars are no bomb. */
	assert_false(area_filter("*a*a*a*a*a*a*a*a*a*a*a*a*b",
				 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_path_table_of_the_root_rule),
	    cmocka_unit_test(test_path_goes_up_but_never_out),
	    cmocka_unit_test(test_path_drops_what_stands_in_front),
	    cmocka_unit_test(test_path_refuses_what_is_no_name),
	    cmocka_unit_test(test_path_refuses_what_servers_run),
	    cmocka_unit_test(test_number_stands_before_the_extension),
	    cmocka_unit_test(test_filter_knows_globs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
