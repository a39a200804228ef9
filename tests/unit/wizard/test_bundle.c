/*
 * Goal: file names and first bytes become bundles, and what is wrong is told with all the names it
 * needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/problem.h"
#include "wizard/bundle.h"

#define FILES_MAX 16

struct sorted {
	struct bundle_file files[FILES_MAX];
	struct bundle_set set;
};

/* Sort the names of LIST, separated by blanks; "x=" before a name makes it empty. */
static void sort(struct sorted *s, char *list, bool in_zip)
{
	size_t n = 0;

	memset(s, 0, sizeof(*s));
	for (char *save = NULL, *p = strtok_r(list, " ", &save); p != NULL;
	     p = strtok_r(NULL, " ", &save)) {
		bool empty = strncmp(p, "x=", 2) == 0;

		s->files[n].name = empty ? p + 2 : p;
		s->files[n].size = empty ? 0 : 100;
		n++;
	}
	bundle_sort(s->files, n, in_zip, "", &s->set);
}

static void free_all(struct sorted *s)
{
	bundle_set_done(&s->set);
}

/* LIST is fine: N bundles, the whole is KIND. */
static void good(const char *list, bool in_zip, size_t n, enum kind kind)
{
	char copy[512];
	struct sorted s;

	snprintf(copy, sizeof(copy), "%s", list);
	sort(&s, copy, in_zip);
	if (s.set.problems != NULL)
		fail_msg("%s: %s", list, json_object_to_json_string(s.set.problems));
	if (s.set.n != n || s.set.kind != kind)
		fail_msg("%s: %zu bundles, %s", list, s.set.n, kind_name(s.set.kind));
	free_all(&s);
}

/* LIST is refused with CODE first; the problem, whole, is text that holds EACH. */
static void bad(const char *list, bool in_zip, const char *code, const char *each)
{
	char copy[512];
	const char *text;
	struct sorted s;

	snprintf(copy, sizeof(copy), "%s", list);
	sort(&s, copy, in_zip);
	if (json_len(s.set.problems) == 0)
		fail_msg("%s: no problem", list);
	text = json_object_to_json_string_ext(s.set.problems, JSON_C_TO_STRING_NOSLASHESCAPE);
	if (strcmp(problem_code(json_object_array_get_idx(s.set.problems, 0)), code) != 0 ||
	    strstr(text, each) == NULL)
		fail_msg("%s: %s", list, text);
	free_all(&s);
}

static void test_bundle_takes_each_kind(void **state)
{
	(void)state;
	good("roads.shp roads.shx roads.dbf", false, 1, KIND_SHP);
	good("Roads.SHP roads.shx ROADS.DBF roads.prj roads.shp.xml roads.cpg roads.sbn", false, 1,
	     KIND_SHP);
	good("a.csv", false, 1, KIND_CSV);
	good("a.TSV a.prj a.csvt", false, 1, KIND_CSV);
	good("a.txt", false, 1, KIND_CSV);
	good("a.xlsx", false, 1, KIND_XLSX);
	good("a.ods", false, 1, KIND_ODS);
	good("a.geojson", false, 1, KIND_GEOJSON);
	good("a.ndjson", false, 1, KIND_GEOJSON);
	good("a.kml", false, 1, KIND_KML);
	good("a.kmz", false, 1, KIND_KML);
	good("a.gpx", false, 1, KIND_GPX);
	good("a.gml a.xsd", false, 1, KIND_GML);
	good("a.gpkg", false, 1, KIND_GPKG);
	good("a.fgb", false, 1, KIND_FGB);
	good("a.tif a.tfw a.tif.aux.xml a.ovr a.prj", false, 1, KIND_TIF);
	good("a.asc a.prj", false, 1, KIND_ASC);
	good("a.png a.pgw", false, 1, KIND_PNG);
	good("a.jpeg a.wld a.aux.xml", false, 1, KIND_JPG);
	good("a.jpg a.jpg.aux.xml", false, 1, KIND_JPG);
	good("a.zip", false, 1, KIND_ZIP);
}

static void test_bundle_sets_roles(void **state)
{
	char list[] = "roads.dbf roads.shx readme.pdf roads.shp style.sld";
	struct sorted s;

	(void)state;
	sort(&s, list, false);
	assert_null(s.set.problems);
	assert_int_equal(s.set.n, 1);
	assert_int_equal(s.set.v[0].main, 3);
	assert_string_equal(s.set.v[0].stem, "roads");
	assert_int_equal(s.files[0].role, 2);
	assert_int_equal(s.files[0].bundle, 0);
	assert_int_equal(s.files[2].role, 0);
	assert_int_equal(s.files[2].bundle, -1);
	assert_int_equal(s.files[3].role, 1);
	/* The only bundle takes a style of another name. */
	assert_int_equal(s.files[4].role, 2);
	assert_true(problems_have(s.set.warnings, "elements_skipped"));
	assert_string_equal(json_str(json_object_array_get_idx(s.set.warnings, 0), "file", ""),
			    "readme.pdf");
	free_all(&s);
}

static void test_bundle_tells_what_is_not_read(void **state)
{
	char list[] = "relief.tif relief.tif.aux.xml relief.tfw";
	struct sorted s;

	(void)state;
	sort(&s, list, false);
	assert_null(s.set.problems);
	assert_int_equal(s.files[1].role, 2);
	assert_true(problems_have(s.set.warnings, "elements_skipped"));
	assert_string_equal(json_str(json_object_array_get_idx(s.set.warnings, 0), "file", ""),
			    "relief.tif.aux.xml");
	free_all(&s);
}

static void test_bundle_takes_several(void **state)
{
	(void)state;
	good("a.shp a.shx a.dbf b.shp b.shx b.dbf", false, 2, KIND_MULTI);
	good("a.csv b.tif", false, 2, KIND_MULTI);
	good("a/x.shp a/x.shx a/x.dbf b/X.SHP b/X.SHX b/X.DBF", true, 2, KIND_MULTI);
	good("a/x.shp a/x.shx a/x.dbf", true, 1, KIND_SHP);
}

static void test_bundle_compares_stems_exactly(void **state)
{
	(void)state;
	bad("roads.shp roads_old.dbf roads_old.shx", false, "bundle_stem_mismatch",
	    "roads_old.dbf, roads_old.shx");
	bad("roads.shp roads.shx roads_old.dbf", true, "bundle_stem_mismatch", "roads.shp");
	bad("roads.shp rivers.dbf rivers.shx", false, "bundle_stem_mismatch",
	    "rivers.dbf, rivers.shx");
	bad("a/x.shp a/x.shx b/x.dbf", true, "bundle_stem_mismatch", "b/x.dbf");
	bad("roads.shp roads.shx roads.dbf other.prj", false, "bundle_stem_mismatch", "other.prj");
	/* Nobody misses it: an archive's leftover is only told. */
	good("a.shp a.shx a.dbf a.prj notes.dbf", true, 1, KIND_SHP);
}

static void test_bundle_names_all_that_is_missing(void **state)
{
	(void)state;
	bad("roads.shp", false, "bundle_incomplete", "roads.shx, roads.dbf");
	bad("roads.shp roads.shx", false, "bundle_incomplete", "\"missing\":\"roads.dbf\"");
	bad("roads.dbf roads.shx", false, "bundle_incomplete", "roads.shp");
	bad("d/roads.shp", true, "bundle_incomplete", "roads.shx, roads.dbf");
}

static void test_bundle_refuses_other_kinds(void **state)
{
	(void)state;
	bad("a.py", false, "kind_unsupported", ".geojson");
	bad("a.py", false, "kind_unsupported", "a.py");
	bad("a.xls", false, "kind_unsupported", "\"save_as\":\"xlsx\"");
	bad("a.dwg", false, "kind_unsupported", "gpkg");
	bad("a.nc", false, "kind_unsupported", "tif");
	bad("a.csv b.mdb", false, "kind_unsupported", "b.mdb");
	bad("a.xml", false, "kind_unsupported", "a.xml");
	bad("a.sld", false, "kind_unsupported", "a.sld");
	bad("a.img", false, "kind_unsupported", "a.img");
	bad("noextension", false, "kind_unsupported", "noextension");
	bad("readme.md", true, "zip_no_data", "readme.md");
	bad("a.zip b.shp b.shx b.dbf", false, "zip_alone", "a.zip");
}

static void test_bundle_enables_drivers(void **state)
{
	struct bundle_file f = {.name = "a.IMG", .size = 1};
	struct bundle_set set;

	(void)state;
	bundle_sort(&f, 1, false, "JP2OpenJPEG HFA", &set);
	assert_null(set.problems);
	assert_int_equal(set.kind, KIND_IMG);
	bundle_set_done(&set);
	f.name = "a.ntf";
	bundle_sort(&f, 1, false, "JP2OpenJPEG HFA", &set);
	assert_non_null(set.problems);
	bundle_set_done(&set);
}

static void test_bundle_pictures_need_a_place(void **state)
{
	(void)state;
	bad("a.png", false, "no_georeference", "a.png");
	bad("a.jpg a.prj", false, "no_georeference", "a.jpg");
	bad("a.png b.pgw", false, "no_georeference", "a.png");
	bad("a.png b.csv", false, "no_georeference", "a.png");
	good("a.png b.csv", true, 1, KIND_CSV);
	/* An overlay's image, or icons. */
	good("a.kml picture.png", false, 1, KIND_KML);
	good("doc.kml files/icon.png", true, 1, KIND_KML);
}

static void test_bundle_text_is_a_table_of_last_resort(void **state)
{
	(void)state;
	good("readme.txt a.shp a.shx a.dbf", true, 1, KIND_SHP);
	good("readme.txt a.geojson", false, 1, KIND_GEOJSON);
	good("readme.txt", true, 1, KIND_CSV);
	good("a.txt b.txt", false, 2, KIND_MULTI);
	good("a.txt picture.png", true, 1, KIND_CSV);
}

static void test_bundle_ignores_junk(void **state)
{
	char list[] =
	    "__MACOSX/._a.shp a/ a.shp a.shx a.dbf .DS_Store a/._a.dbf d/Thumbs.db desktop.ini "
	    "d/~$book.xlsx";
	struct sorted s;

	(void)state;
	sort(&s, list, true);
	assert_null(s.set.problems);
	assert_null(s.set.warnings);
	assert_int_equal(s.set.n, 1);
	free_all(&s);
}

static void test_bundle_refuses_nested_archives(void **state)
{
	(void)state;
	bad("a.csv inner.zip", true, "zip_nested", "inner.zip");
	bad("x/inner.tar.gz", true, "zip_nested", "inner.tar.gz");
	good("a.kmz", true, 1, KIND_KML);
	good("a.xlsx b.ods", true, 2, KIND_MULTI);
}

static void test_bundle_refuses_empty_files(void **state)
{
	(void)state;
	bad("x=a.csv", false, "file_empty", "a.csv");
	bad("a.shp a.shx x=a.dbf", false, "file_empty", "a.dbf");
	good("a.shp a.shx a.dbf x=a.cpg", false, 1, KIND_SHP);
}

static void test_bundle_looks_at_content(void **state)
{
	struct bundle_file f = {.name = "a.csv", .size = 4, .head = "PK\3\4", .head_len = 4};
	struct bundle_set set;

	(void)state;
	bundle_sort(&f, 1, false, NULL, &set);
	assert_true(problems_have(set.problems, "content_mismatch"));
	bundle_set_done(&set);
}

static void test_bundle_survives_no_files_and_odd_names(void **state)
{
	struct bundle_set set;

	(void)state;
	bundle_sort(NULL, 0, false, "", &set);
	assert_non_null(set.problems);
	bundle_set_done(&set);
	bad(".shp", false, "bundle_incomplete", ".shx");
	bad("...", false, "kind_unsupported", "...");
	bad("\xFF.py", false, "kind_unsupported", ".py");
}

/* ---- first bytes */

static void magic(const char *bytes, size_t len, const char *want)
{
	if (strcmp(bundle_magic(bytes, len), want) != 0)
		fail_msg("%.*s: %s, not %s", (int)len, bytes, bundle_magic(bytes, len), want);
}
#define MAGIC(bytes, want) magic(bytes, sizeof(bytes) - 1, want)

static void test_magic_knows_signatures(void **state)
{
	char sqlite[100] = "SQLite format 3", dbf[64] = {3, 117, 1, 31};

	(void)state;
	MAGIC("", "empty");
	MAGIC("PK\5\6", "zip");
	MAGIC("\x1F\x8B\x08", "gzip");
	MAGIC("%PDF-1.4", "pdf");
	MAGIC("II*\0\x08", "tiff");
	MAGIC("MM\0*", "tiff");
	MAGIC("II+\0\x08\0", "tiff");
	MAGIC("\x89PNG\r\n\x1A\n\0", "png");
	MAGIC("\xFF\xD8\xFF\xE0", "jpeg");
	MAGIC("fgb\3fgb\0", "fgb");
	MAGIC("\0\0\x27\x0A\0\0", "shp");
	MAGIC("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "ole");
	MAGIC("EHFA_HEADER_TAG\0", "img");
	MAGIC("NITF02.10", "ntf");
	magic(sqlite, sizeof(sqlite), "sqlite");
	memcpy(sqlite + 68, "GPKG", 4);
	magic(sqlite, sizeof(sqlite), "gpkg");
	dbf[8] = 65;
	dbf[10] = 11;
	magic(dbf, sizeof(dbf), "dbf");
	MAGIC("a\0b", "binary");
}

static void test_magic_looks_into_zips(void **state)
{
	static const char head[] = "PK\3\4\x14\0\0\0\0\0\0\0\0\0";
	static const struct {
		const char *name, *data, *want;
	} t[] = {
	    {"[Content_Types].xml", "", "xlsx"},
	    {"xl/workbook.xml", "", "xlsx"},
	    {"word/document.xml", "", "office"},
	    {"mimetype", "application/vnd.oasis.opendocument.spreadsheet", "ods"},
	    {"mimetype", "application/vnd.oasis.opendocument.text", "office"},
	    {"doc.kml", "", "kmz"},
	    {"a/b.kml", "", "zip"},
	    {"roads.shp", "", "zip"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char buf[256] = {0};
		size_t n = strlen(t[i].name), d = strlen(t[i].data);

		memcpy(buf, head, 14);
		buf[18] = buf[22] = (char)d;
		buf[26] = (char)n;
		memcpy(buf + 30, t[i].name, n);
		memcpy(buf + 30 + n, t[i].data, d);
		magic(buf, 30 + n + d, t[i].want);
		/* Cut anywhere: an answer, no crash. */
		for (size_t len = 4; len < 30 + n + d; len++)
			(void)bundle_magic(buf, len);
	}
}

static void test_magic_tells_texts_apart(void **state)
{
	(void)state;
	MAGIC("a,b\n1,2\n", "text");
	MAGIC("\xEF\xBB\xBF"
	      "a,b\n",
	      "text");
	MAGIC("\xFF\xFE"
	      "a\0,\0b\0\n\0",
	      "text");
	MAGIC("\xFF\xFE"
	      "<\0k\0m\0l\0>\0",
	      "kml");
	MAGIC("\xBE\xAD\xB6\xC8,\xCE\xB3\xB6\xC8\n", "text");
	MAGIC(" {\"type\":\"FeatureCollection\"}", "json");
	MAGIC("\x1E{\"type\"", "json");
	MAGIC("ncols 4\nnrows 5\n", "asc");
	MAGIC("NCOLS\t4\n", "asc");
	MAGIC("ncols,nrows\n", "text");
	MAGIC("!table\n!version 300\n", "mapinfo");
	MAGIC("<?xml version=\"1.0\"?>\n<!-- x --><kml xmlns=\"http://www.opengis.net/kml/2.2\">",
	      "kml");
	MAGIC("<kml:kml xmlns:kml=\"x\">", "kml");
	MAGIC("<gpx version=\"1.1\">", "gpx");
	MAGIC("<wfs:FeatureCollection xmlns:wfs=\"x\">", "gml");
	MAGIC("<t:Map xmlns:gml=\"http://www.opengis.net/gml/3.2\">", "gml");
	MAGIC("<WFS_Capabilities xmlns:gml=\"http://www.opengis.net/gml\">", "xml");
	MAGIC("<OGRVRTDataSource>", "xml");
	MAGIC("<!DOCTYPE kml [<!ENTITY x \"y\">]><kml>", "xml-cut");
	MAGIC("<?xml version=", "xml-cut");
	MAGIC("<", "text");
	MAGIC("<3 hearts,b\n", "text");
	MAGIC("AC1001,Shop\n", "text");
}

static void content(const char *name, const char *bytes, size_t len, const char *code)
{
	json_object *p = bundle_check_content(name, (int64_t)len, bytes, len);

	if (strcmp(p != NULL ? problem_code(p) : "", code) != 0)
		fail_msg("%s: %s", name, p != NULL ? json_object_to_json_string(p) : "fine");
	if (strcmp(code, "content_mismatch") == 0) {
		assert_string_equal(json_str(p, "file", ""), name);
		assert_non_null(json_get(json_obj(p, "args"), "expected"));
		assert_non_null(json_get(json_obj(p, "args"), "sent"));
	}
	json_object_put(p);
}

static void test_content_must_agree_with_the_name(void **state)
{
	(void)state;
	content("a.tif", "a,b\n1,2\n", 8, "content_mismatch");
	content("a.csv", "a,b\n1,2\n", 8, "");
	content("a.csv", "PK\3\4", 4, "content_mismatch");
	content("a.csv", "<OGRVRTDataSource>", 18, "content_mismatch");
	content("a.csv", "a\0b", 3, ""); /* the jail names the row */
	content("a.gml", "<OGRWFSDataSource>", 18, "content_mismatch");
	content("a.geojson", "<OGRVRTDataSource>", 18, "content_mismatch");
	content("a.geojson", "{}", 2, "");
	content("a.kml", "<!DOCTYPE kml><kml>", 19, ""); /* the jail says xml_forbidden */
	content("a.shp", "\0\0\x27\x0A", 4, "");
	content("a.dbf", "hello", 5, "content_mismatch");
	content("a.xlsx", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8, "content_mismatch");
	content("a.tab", "!table\n!version", 15, "content_mismatch");
	content("a.grd", "DSAA\n4 5\n", 9, "content_mismatch");
	content("a.shp", "", 0, "file_empty");
	content("a.prj", "", 0, "");
	content("a.py", "", 0, "");
	content("a.sld", "anything", 8, "");
}

static void test_bundle_kinds_for_the_page(void **state)
{
	json_object *kinds = bundle_kinds(""), *more = bundle_kinds("HFA NITF");
	char *ext = bundle_extensions(""), *more_ext = bundle_extensions("HFA");

	(void)state;
	assert_string_equal(json_str(json_object_array_get_idx(kinds, 0), "id", ""), "shp");
	assert_int_equal(json_len(json_arr(json_object_array_get_idx(kinds, 0), "required_ext")),
			 3);
	assert_true(json_len(json_arr(json_object_array_get_idx(kinds, 0), "optional_ext")) > 5);
	assert_int_equal(json_len(more), json_len(kinds) + 2);
	assert_non_null(strstr(ext, ".shp, "));
	assert_non_null(strstr(ext, ".zip"));
	assert_null(strstr(ext, ".img"));
	assert_non_null(strstr(more_ext, ".img"));
	json_object_put(kinds);
	json_object_put(more);
	free(ext);
	free(more_ext);
}

/* A hostile archive's directory must not cost minutes. */
static void test_bundle_sorts_many_files(void **state)
{
	enum { MANY = 10000 };
	struct bundle_file *files = calloc(MANY, sizeof(*files));
	char(*names)[32] = calloc(MANY, sizeof(*names));
	static const char *const ext[] = {"shp", "dbf", "txt", "prj", "png", "xml"};
	struct bundle_set set;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "d%zu/f%zu.%s", i % 7, i, ext[i % 6]);
		files[i] = (struct bundle_file){.name = names[i], .size = 5};
	}
	bundle_sort(files, MANY, true, "", &set);
	assert_non_null(set.problems);
	assert_true(json_len(set.problems) <= 50);
	bundle_set_done(&set);
	free(names);
	free(files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bundle_takes_each_kind),
	    cmocka_unit_test(test_bundle_sets_roles),
	    cmocka_unit_test(test_bundle_tells_what_is_not_read),
	    cmocka_unit_test(test_bundle_takes_several),
	    cmocka_unit_test(test_bundle_compares_stems_exactly),
	    cmocka_unit_test(test_bundle_names_all_that_is_missing),
	    cmocka_unit_test(test_bundle_refuses_other_kinds),
	    cmocka_unit_test(test_bundle_enables_drivers),
	    cmocka_unit_test(test_bundle_pictures_need_a_place),
	    cmocka_unit_test(test_bundle_text_is_a_table_of_last_resort),
	    cmocka_unit_test(test_bundle_ignores_junk),
	    cmocka_unit_test(test_bundle_refuses_nested_archives),
	    cmocka_unit_test(test_bundle_refuses_empty_files),
	    cmocka_unit_test(test_bundle_looks_at_content),
	    cmocka_unit_test(test_bundle_survives_no_files_and_odd_names),
	    cmocka_unit_test(test_magic_knows_signatures),
	    cmocka_unit_test(test_magic_looks_into_zips),
	    cmocka_unit_test(test_magic_tells_texts_apart),
	    cmocka_unit_test(test_content_must_agree_with_the_name),
	    cmocka_unit_test(test_bundle_kinds_for_the_page),
	    cmocka_unit_test(test_bundle_sorts_many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
