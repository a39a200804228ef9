/*
 * Goal: the content gate lets through what a kind may be and nothing else: XML by root and without
 * DOCTYPE, GeoJSON by its types, shapefiles whose parts agree; KML overlays are told from features;
 * a dBASE file's text encoding is found.
 */
#include "scratch.h"
#include "geo/encoding.h"
#include "geo/jsongate.h"
#include "geo/kml.h"
#include "geo/shpgate.h"
#include "geo/xmlgate.h"
#include "geo/xmlmeta.h"

static const char *const kml[] = {"kml", NULL};

static enum xml_verdict xml(const char *text)
{
	scratch_text("x.xml", text);
	return xml_gate_file("x.xml", kml, "opengis.net/gml");
}

static void test_content_xml_is_judged(void **state)
{
	(void)state;
	assert_int_equal(xml("<kml/>"), XML_FINE);
	assert_int_equal(xml("<?xml version='1.0' encoding='windows-1251'?><k:kml "
			     "xmlns:k='x'>\xcf</k:kml>"),
			 XML_FINE);
	assert_int_equal(xml("<city xmlns='http://www.opengis.net/gml/3.2'/>"), XML_FINE);
	assert_int_equal(xml("<svg/>"), XML_FOREIGN);
	assert_int_equal(xml("<OGRWFSDataSource><URL>http://x</URL></OGRWFSDataSource>"),
			 XML_FOREIGN);
	assert_int_equal(xml("<!DOCTYPE kml><kml/>"), XML_FORBIDDEN);
	assert_int_equal(xml("<!-- a --><!DOCTYPE kml SYSTEM 'http://x'><kml/>"), XML_FORBIDDEN);
	assert_int_equal(xml("<kml>&x;</kml>"), XML_BROKEN);
	assert_int_equal(xml("<kml>"), XML_BROKEN);
	assert_int_equal(xml(""), XML_BROKEN);
	assert_int_equal(xml("<kml/>x"), XML_BROKEN);
	assert_int_equal(xml_gate_file("missing", kml, NULL), XML_BROKEN);
}

static struct json_facts json(const char *text)
{
	struct json_facts f;

	scratch_text("x.json", text);
	json_gate_file("x.json", &f);
	return f;
}

static void test_content_json_is_judged(void **state)
{
	static const char *const mismatched[] = {
	    "{}",
	    "[]",
	    "1",
	    "{\"a\":1}",
	    "{\"type\":\"Topology\"}",
	    "{\"properties\":{\"type\":\"Feature\"}}",
	    "x",
	    "",
	    "[{\"type\":\"Feature\"}]",
	    "{\"type\":\"FeatureCollection\",\"stac_version\":\"1\"}",
	    "{\"type\":\"Fe\\u0061ture\"}",
	    "{\"type\":\"Feature\"}\n{\"a\":1}",
	};
	static const char *const broken[] = {
	    "{\"type\":\"Feature\"",
	    "{\"type\":\"Feature\"]",
	    "{\"type\":\"Feature\"}}",
	    "{\"type\":\"Feature",
	};
	struct json_facts f;

	(void)state;
	f = json("\xef\xbb\xbf {\"type\":\"FeatureCollection\",\"features\":[]}\n");
	assert_null(f.code);
	assert_int_equal(f.objects, 1);
	f = json("\x1e{\"type\":\"Feature\"}\n\x1e{\"type\":\"Point\",\"coordinates\":[1,2]}\n");
	assert_null(f.code);
	assert_int_equal(f.objects, 2);
	f = json("{\"type\":\"Feature\",\"properties\":{\"t\":\"\\\"}{\\u00e9\",\"crs\":{\"type\":"
		 "\"link\"}}}");
	assert_null(f.code);
	assert_false(f.crs_link);
	for (size_t i = 0; i < sizeof(mismatched) / sizeof(mismatched[0]); i++) {
		f = json(mismatched[i]);
		if (f.code == NULL || strcmp(f.code, "content_mismatch") != 0)
			fail_msg("%s: %s", mismatched[i], f.code != NULL ? f.code : "taken");
	}
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		f = json(broken[i]);
		if (f.code == NULL || strcmp(f.code, "format_unreadable") != 0)
			fail_msg("%s: %s", broken[i], f.code != NULL ? f.code : "taken");
	}
}

static void test_content_json_link_is_found(void **state)
{
	const char *text = "{\"crs\": {\"properties\":{\"href\":\"http://x\"}, \"type\" : "
			   "\"link\"}, \"type\":\"Feature\"}";
	struct json_facts f = json(text);

	(void)state;
	assert_null(f.code);
	assert_true(f.crs_link);
	assert_int_equal(f.crs_link_at, strstr(text, "link") - text);
}

static void test_content_json_tells_what_gdal_passes_over(void **state)
{
	static const struct {
		const char *text;
		int64_t measures, foreign, ids;
		const char *names;
	} cases[] = {
	    {"{\"type\":\"Point\",\"coordinates\":[1,2,3,4]}", 1, 0, 0, ""},
	    {"{\"type\":\"FeatureCollection\",\"by\":1,\"features\":[{\"type\":\"Feature\","
	     "\"bbox\":[1,2,3,4],\"a b\":{\"x\":1},"
	     "\"properties\":{\"coordinates\":[1,2,3,4],\"z\":2},\"geometry\":{\"type\":"
	     "\"MultiPoint\",\"coordinates\":"
	     "[[1,2,3],[1,2,3,4],[1,2,3,4]]}},{\"type\":\"Feature\",\"a b\":1,\"properties\":{}}]}",
	     2, 3, 0, "a b, by"},
	    {"{\"type\":\"Feature\",\"properties\":{\"a\":{\"b\":{\"stac_version\":\"1\"}}}}", 0, 0,
	     0, ""},
	    {"{\"type\":\"Feature\",\"a\":1}", 0, 0, 0, ""},
	    {"{\"type\":\"Feature\",\"a\":1,\"properties\":null}", 0, 0, 0, ""},
	    {"{\"type\":\"Feature\",\"properties\":{},\"geometry\":{\"type\":"
	     "\"GeometryCollection\",\"geometries\":"
	     "[{\"type\":\"Point\",\"bbox\":[1,2,3,4],\"coordinates\":[1,2,3,4]}]}}",
	     1, 0, 0, ""},
	    {"{\"type\":\"Feature\",\"id\":\"a\",\"properties\":{\"o\":{\"id\":1}}}", 0, 0, 0, ""},
	    {"{\"type\":\"Feature\",\"id\":\"a\",\"properties\":{\"id\":1}}", 0, 0, 1, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_facts f = json(cases[i].text);

		assert_null(f.code);
		if (f.measures != cases[i].measures || f.foreign != cases[i].foreign ||
		    f.lost_ids != cases[i].ids || strcmp(f.foreign_names, cases[i].names) != 0)
			fail_msg("%s: %d %d %d %s", cases[i].text, (int)f.measures, (int)f.foreign,
				 (int)f.lost_ids, f.foreign_names);
	}
}

static void test_content_kml_overlay_is_told(void **state)
{
	struct kml_survey s;

	(void)state;
	scratch_text(
	    "x.kml",
	    "<kml><Folder><NetworkLink><Link><href>http://no</href></Link></"
	    "NetworkLink><GroundOverlay>"
	    "<name>a</name><Icon><href> i/a%20b.png "
	    "</href></Icon><LatLonBox><north>2</north><south>-1.5</south>"
	    "<east>30</east><west>20</west><rotation>5</rotation></LatLonBox></GroundOverlay></"
	    "Folder></kml>");
	assert_int_equal(kml_survey("x.kml", &s), ERR_OK);
	assert_int_equal(s.overlays, 1);
	assert_int_equal(s.placemarks, 0);
	assert_int_equal(s.links, 1);
	assert_string_equal(s.href, "i/a%20b.png");
	assert_true(s.boxed);
	assert_true(s.box[0] == 20 && s.box[1] == -1.5 && s.box[2] == 30 && s.box[3] == 2 &&
		    s.rotation == 5);
	kml_survey_done(&s);
	scratch_text(
	    "x.kml",
	    "<kml><Placemark><Style><IconStyle><Icon><href>http://i</href></Icon></IconStyle></"
	    "Style>"
	    "</Placemark><GroundOverlay/><GroundOverlay/></kml>");
	assert_int_equal(kml_survey("x.kml", &s), ERR_OK);
	assert_int_equal(s.overlays, 2);
	assert_int_equal(s.placemarks, 1);
	assert_null(s.href);
	assert_false(s.boxed);
	kml_survey_done(&s);
}

/* A .dbf of one character field of 8 bytes and ROWS rows. */
static void write_dbf(const char *name, unsigned char language, const char *const *rows, size_t n)
{
	unsigned char bytes[4096] = {3, 120, 1, 1, (unsigned char)n, 0, 0, 0, 65, 0, 9, 0};
	size_t at = 65;

	bytes[29] = language;
	memcpy(bytes + 32, "name", 4);
	bytes[32 + 11] = 'C';
	bytes[32 + 16] = 8;
	bytes[64] = '\r';
	for (size_t i = 0; i < n; i++, at += 9) {
		memset(bytes + at, ' ', 9);
		memcpy(bytes + at + 1, rows[i], strlen(rows[i]));
	}
	scratch_write(name, bytes, at);
}

static void encoded(unsigned char language, const char *cpg, const char *chosen, const char *text,
		    const char *want, const char *source, const char *overruled)
{
	const char *rows[] = {text, "plain"};
	struct encoding e;

	write_dbf("x.dbf", language, rows, 2);
	if (cpg != NULL)
		scratch_text("x.cpg", cpg);
	encoding_of_dbf("x.dbf", cpg != NULL ? "x.cpg" : NULL, chosen, &e);
	assert_string_equal(e.charset, want);
	assert_string_equal(e.source, source);
	if (overruled == NULL)
		assert_null(e.overruled);
	else
		assert_string_equal(e.overruled, overruled);
}

static void test_content_dbf_encoding_is_found(void **state)
{
	const char gbk[] = "\xb1\xb1\xbe\xa9\xca\xd0", utf8[] = "\xe5\x8c\x97\xe4\xba\xac";

	(void)state;
	encoded(0, NULL, NULL, "abc", "UTF-8", "utf-8", NULL);
	encoded(0x4d, NULL, NULL, gbk, "GB18030", "dbf", NULL);
	encoded(0, NULL, NULL, gbk, "GB18030", "gb18030", NULL);
	encoded(0, "UTF-8", NULL, utf8, "UTF-8", "cpg", NULL);
	encoded(0, "936\r\n", NULL, gbk, "GB18030", "cpg", NULL);
	encoded(0, "UTF-8", NULL, gbk, "GB18030", "gb18030", "UTF-8");
	encoded(0x4d, "UTF-8", NULL, gbk, "GB18030", "dbf", "UTF-8");
	encoded(0, "OEM", NULL, utf8, "UTF-8", "utf-8", NULL);
	encoded(0x4d, "UTF-8", "Big5", gbk, "Big5", "user", NULL);
	encoded(0x57, NULL, NULL, utf8, "UTF-8", "utf-8", NULL);
	/* Eight bytes: the third character is cut, which says nothing about the charset. */
	encoded(0, "UTF-8", NULL, "\xe5\x8c\x97\xe4\xba\xac\xe5\xb8", "UTF-8", "cpg", NULL);
	encoded(0, NULL, NULL, "\xe5\x8c\x97\xe4\xba\xac\xe5\xb8", "UTF-8", "utf-8", NULL);
}

static void test_content_metadata_is_read(void **state)
{
	json_object *m;

	(void)state;
	scratch_text(
	    "m.xml",
	    "<gmd:MD_Metadata xmlns:gmd='g' "
	    "xmlns:gco='c'><gmd:fileIdentifier><gco:CharacterString>u-1"
	    "</gco:CharacterString></"
	    "gmd:fileIdentifier><gmd:identificationInfo><gmd:MD_DataIdentification><gmd:citation>"
	    "<gmd:CI_Citation><gmd:title><gco:CharacterString> Roads &amp; paths "
	    "</gco:CharacterString></gmd:title>"
	    "</gmd:CI_Citation></gmd:citation><gmd:abstract><gco:CharacterString>About</"
	    "gco:CharacterString></gmd:abstract>"
	    "<gmd:descriptiveKeywords><gmd:MD_Keywords><gmd:keyword><gco:CharacterString>a</"
	    "gco:CharacterString></gmd:keyword>"
	    "<gmd:keyword><gco:CharacterString>b</gco:CharacterString></gmd:keyword></"
	    "gmd:MD_Keywords></gmd:descriptiveKeywords>"
	    "</gmd:MD_DataIdentification></gmd:identificationInfo></gmd:MD_Metadata>");
	m = xmlmeta_read("m.xml");
	assert_string_equal(json_str(m, "uuid", ""), "u-1");
	assert_string_equal(json_str(m, "title", ""), "Roads & paths");
	assert_string_equal(json_str(m, "abstract", ""), "About");
	assert_int_equal(json_len(json_arr(m, "keywords")), 2);
	json_object_put(m);
	scratch_text(
	    "m.xml",
	    "<metadata><idinfo><citation><citeinfo><title>T</title></citeinfo></citation><descript>"
	    "<abstract>A</abstract></descript><keywords><theme><themekey>k</themekey></theme></"
	    "keywords></idinfo></metadata>");
	m = xmlmeta_read("m.xml");
	assert_string_equal(json_str(m, "title", ""), "T");
	assert_int_equal(json_len(json_arr(m, "keywords")), 1);
	json_object_put(m);
	scratch_text("m.xml", "<rdf xmlns:dc='d'><dc:title>D</dc:title></rdf>");
	m = xmlmeta_read("m.xml");
	assert_string_equal(json_str(m, "title", ""), "D");
	json_object_put(m);
	scratch_text("m.xml", "<a/>");
	assert_null(xmlmeta_read("m.xml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_content_xml_is_judged, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_content_json_is_judged, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_content_json_link_is_found, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_content_json_tells_what_gdal_passes_over,
					    scratch_enter, scratch_leave),
	    cmocka_unit_test_setup_teardown(test_content_kml_overlay_is_told, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_content_dbf_encoding_is_found, scratch_enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_content_metadata_is_read, scratch_enter,
					    scratch_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
