/*
 * Goal: the index made from PROJ's database answers every search of contracts/wizard.md 10.4 and
 * case 16 of section 22, and a broken index is refused instead of read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "geo/crs_export.h"
#include "wizard/srs.h"

struct fixture {
	char dir[32];
	char path[64];
	struct crs_index *ix;
};

static int open_index(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct error e = {0};

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/crs-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/crs.index", f->dir);
	assert_int_equal(crs_export(f->path, &e), ERR_OK);
	assert_int_equal(crs_index_open(f->path, &f->ix, &e), ERR_OK);
	*state = f;
	return 0;
}

static int close_index(void **state)
{
	struct fixture *f = *state;

	crs_index_close(f->ix);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

static json_object *search(void **state, const char *q)
{
	const struct fixture *f = *state;

	return crs_index_search(f->ix, q, 20, "EPSG:3857 EPSG:4490 EPSG:4214 EPSG:4610");
}

static const char *hit(const json_object *answer, size_t i, const char *member)
{
	json_object *list = json_arr(answer, "results");

	return i < json_len(list) ? json_str(json_object_array_get_idx(list, i), member, "") : "-";
}

/* The first hit's code. */
static void assert_first(void **state, const char *q, const char *code)
{
	CLEAN_JSON json_object *a = search(state, q);

	if (strcmp(hit(a, 0, "code"), code) != 0)
		print_error("%s\n", q);
	assert_string_equal(hit(a, 0, "code"), code);
}

static bool has(const json_object *answer, const char *code)
{
	for (size_t i = 0; i < json_len(json_arr(answer, "results")); i++)
		if (strcmp(hit(answer, i, "code"), code) == 0)
			return true;
	return false;
}

static void test_entry_is_complete(void **state)
{
	const struct fixture *f = *state;
	CLEAN_JSON json_object *e = crs_index_get(f->ix, "EPSG:4513"), *other = NULL;

	assert_string_equal(json_str(e, "name", ""), "CGCS2000 / 3-degree Gauss-Kruger zone 25");
	assert_string_equal(json_str(e, "kind", ""), "projected");
	assert_string_equal(json_str(e, "unit", ""), "metre");
	assert_non_null(strstr(json_str(e, "area", ""), "China"));
	assert_int_equal(json_len(json_arr(e, "bbox")), 4);
	assert_false(json_bool(e, "deprecated", true));
	other = crs_index_get(f->ix, "EPSG:2249");
	assert_string_equal(json_str(other, "unit", ""), "US survey foot");
	assert_null(crs_index_get(f->ix, "EPSG:999999"));
	assert_null(crs_index_get(f->ix, "4326"));
	assert_null(crs_index_get(NULL, "EPSG:4326"));
}

static void test_search_by_code(void **state)
{
	CLEAN_JSON json_object *a = search(state, "4513"), *b = search(state, "3785"),
			       *c = search(state, "EPSG:432");

	assert_string_equal(hit(a, 0, "code"), "EPSG:4513");
	/* Deprecated: found by its exact code only, with what replaced it. */
	assert_string_equal(hit(b, 0, "code"), "EPSG:3785");
	assert_true(
	    json_bool(json_object_array_get_idx(json_arr(b, "results"), 0), "deprecated", false));
	assert_string_equal(hit(b, 0, "replaced_by"), "EPSG:3857");
	assert_true(has(c, "EPSG:4326"));
	assert_first(state, "urn:ogc:def:crs:EPSG::4326", "EPSG:4326");
	assert_first(state, "ESRI:102100", "ESRI:102100");
	assert_first(state, "IGNF:LAMB93", "IGNF:LAMB93");
}

static void test_search_by_words(void **state)
{
	CLEAN_JSON json_object *none = search(state, "no such system anywhere"),
			       *empty = search(state, "");
	CLEAN_JSON json_object *deprecated = search(state, "Popular Visualisation CRS");

	assert_first(state, "beijing 1954", "EPSG:4214");
	assert_first(state, "BEIJING 1954", "EPSG:4214");
	assert_first(state, "wgs 84", "EPSG:4326");
	assert_first(state, "cgcs2000", "EPSG:4490");
	assert_first(state, "turkiye ED50", "EPSG:2206");
	assert_first(state, "TÜRKIYE ed50", "EPSG:2206");
	assert_first(state, "lambert-93 rgf93", "EPSG:2154");
	assert_int_equal(json_int(none, "total", -1), 0);
	assert_int_equal(json_len(json_arr(none, "results")), 0);
	assert_int_equal(json_len(json_arr(empty, "results")), 4);
	assert_string_equal(hit(empty, 0, "code"), "EPSG:3857");
	assert_int_equal(json_int(deprecated, "total", -1), 0);
}

static void test_search_in_chinese(void **state)
{
	CLEAN_JSON json_object *zone = search(state, "三度带 39带"),
			       *xian = search(state, "西安80");
	CLEAN_JSON json_object *hk = search(state, "香港"), *tw = search(state, "台湾"),
			       *mo = search(state, "澳门");

	assert_true(has(zone, "EPSG:4527"));
	assert_true(has(zone, "EPSG:2363"));
	assert_true(has(zone, "EPSG:2415"));
	for (size_t i = 0; i < json_len(json_arr(zone, "results")); i++)
		assert_non_null(strstr(hit(zone, i, "name"), "one"));
	assert_true(json_int(xian, "total", 0) > 20);
	assert_non_null(strstr(hit(xian, 0, "name"), "Xian 1980"));
	assert_true(has(hk, "EPSG:2326"));
	assert_true(has(tw, "EPSG:3826"));
	assert_true(json_int(mo, "total", 0) > 0);
	assert_first(state, "北京54", "EPSG:4214");
	assert_first(state, "北京1954", "EPSG:4214");
	assert_first(state, "国家2000三度带39带", "EPSG:4527");
	assert_first(state, "大地2000", "EPSG:4490");
}

static void test_search_counts_all_and_cuts_at_the_limit(void **state)
{
	const struct fixture *f = *state;
	CLEAN_JSON json_object *a = crs_index_search(f->ix, "utm", 3, NULL), *b = NULL;

	assert_int_equal(json_len(json_arr(a, "results")), 3);
	assert_true(json_int(a, "total", 0) > 500);
	b = crs_index_search(NULL, "utm", 3, NULL);
	assert_int_equal(json_int(b, "total", -1), 0);
}

static void test_search_takes_any_text(void **state)
{
	static const char *const odd[] = {
	    "%",
	    "\n",
	    "\\",
	    "a a a a a a a a a a a a a a a a a a a a a a a a a a",
	    "带",
	    "999带",
	    "高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯高斯",
	    ":",
	    "EPSG:",
	    "EPSG:x",
	    "99999999999999999999"};
	char *longer = mem_alloc(5001);

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		json_object_put(search(state, odd[i]));
	memset(longer, 'x', 5000);
	json_object_put(search(state, longer));
	free(longer);
}

static void test_search_is_fast(void **state)
{
	int64_t before = clock_mono_ms();

	for (int i = 0; i < 50; i++)
		json_object_put(search(state, "gauss kruger zone china"));
	/* 2 ms each; ten times that is allowed on a busy machine. */
	assert_true(clock_mono_ms() - before < 1000);
}

static void test_nearest_codes(void **state)
{
	const struct fixture *f = *state;
	CLEAN_JSON json_object *a = crs_index_nearest(f->ix, "EPSG:4325", 3),
			       *b = crs_index_nearest(f->ix, "EPSG:999999", 3);

	assert_int_equal(json_len(a), 3);
	assert_string_equal(json_object_get_string(json_object_array_get_idx(a, 1)), "EPSG:4326");
	assert_int_equal(json_len(b), 3);
}

static void test_other_kinds_are_known_but_not_offered(void **state)
{
	const struct fixture *f = *state;
	CLEAN_JSON json_object *e = crs_index_get(f->ix, "EPSG:4978"),
			       *v = crs_index_get(f->ix, "EPSG:5773");
	CLEAN_JSON json_object *a = search(state, "4978");

	assert_string_equal(json_str(e, "kind", ""), "geocentric");
	assert_string_equal(json_str(v, "kind", ""), "vertical");
	assert_false(has(a, "EPSG:4978"));
}

static void test_broken_index_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct crs_index *ix = NULL;
	struct error e = {0};
	char *bytes, path[96];
	size_t len;

	(void)snprintf(path, sizeof(path), "%s.broken", f->path);
	assert_int_equal(crs_index_open(path, &ix, &e), ERR_NOT_FOUND);
	assert_int_equal(fs_read_file(AT_FDCWD, f->path, 16 << 20, &bytes, &len, &e), ERR_OK);
	for (size_t cut = 0; cut < len; cut += len / 7) {
		e = (struct error){0};
		assert_int_equal(fs_replace(AT_FDCWD, path, bytes, cut, &e), ERR_OK);
		assert_int_equal(crs_index_open(path, &ix, &e), ERR_UNAVAILABLE);
	}
	/* Right sizes, wrong offsets: found nothing, read nothing outside. */
	memset(bytes + 32, 0xEE, len - 64);
	bytes[len - 1] = '\0';
	e = (struct error){0};
	assert_int_equal(fs_replace(AT_FDCWD, path, bytes, len, &e), ERR_OK);
	if (crs_index_open(path, &ix, &e) == ERR_OK) {
		json_object_put(crs_index_search(ix, "utm zone", 10, "EPSG:4326"));
		json_object_put(crs_index_get(ix, "EPSG:4326"));
		json_object_put(crs_index_nearest(ix, "EPSG:4326", 3));
		crs_index_close(ix);
	}
	free(bytes);
	(void)unlink(path);
}

static void test_export_fails_cleanly(void **state)
{
	struct error e = {0};

	(void)state;
	assert_int_not_equal(crs_export("/nonexistent/folder/crs.index", &e), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_entry_is_complete),
	    cmocka_unit_test(test_search_by_code),
	    cmocka_unit_test(test_search_by_words),
	    cmocka_unit_test(test_search_in_chinese),
	    cmocka_unit_test(test_search_counts_all_and_cuts_at_the_limit),
	    cmocka_unit_test(test_search_takes_any_text),
	    cmocka_unit_test(test_search_is_fast),
	    cmocka_unit_test(test_nearest_codes),
	    cmocka_unit_test(test_other_kinds_are_known_but_not_offered),
	    cmocka_unit_test(test_broken_index_is_refused),
	    cmocka_unit_test(test_export_fails_cleanly),
	};

	return cmocka_run_group_tests(tests, open_index, close_index);
}
