/*
 * Goal: one model in three spellings, and each escaping verb right for its context.
 */
#include "http/helper.h"

#include "http/represent.h"

static void verb(void (*fn)(FILE *, const char *), const char *in, const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fn(out, in);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, want);
	free(text);
}

static void test_escape_verbs(void **state)
{
	(void)state;
	verb(escape_html, "a<b>&\"c\"'d'中", "a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39;中");
	verb(escape_html, "", "");
	verb(escape_url, "a b/c?d=é&%-._~", "a%20b%2Fc%3Fd%3D%C3%A9%26%25-._~");
	verb(escape_xml, "a<b>&\"\x01\xFF\r\n\t中\xEF\xBF\xBF",
	     "a&lt;b&gt;&amp;&quot;\xEF\xBF\xBD\xEF\xBF\xBD&#13;\n\t中\xEF\xBF\xBD");
	verb(escape_json, "a\"b\\c/d\b\f\n\r\t\x01\xC2\xA0中",
	     "a\\\"b\\\\c/d\\b\\f\\n\\r\\t\\u0001\\u00a0中");
	CLEAN_FREE char *a = escape_url_dup("a&b");
	assert_string_equal(a, "a%26b");
	CLEAN_FREE char *b = escape_url_path_dup("/data/a b%.tif");
	assert_string_equal(b, "/data/a%20b%25.tif");
}

static void test_disposition_has_both_names(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
	    {"a.csv", "attachment; filename=\"a.csv\"; filename*=UTF-8''a.csv"},
	    {"道路 1.shp",
	     "attachment; filename=\"__ 1.shp\"; filename*=UTF-8''%E9%81%93%E8%B7%AF%201.shp"},
	    {"a\"b\\c\r\nX: y%41", "attachment; filename=\"a_b_c__X_ y_41\"; "
				   "filename*=UTF-8''a%22b%5Cc%0D%0AX%3A%20y%2541"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CLEAN_FREE char *got = disposition(rows[i].name);
		assert_string_equal(got, rows[i].want);
	}
}

static void name(const char *value, const char *want)
{
	CLEAN_FREE char *got = disposition_name(value);

	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void test_disposition_is_read(void **state)
{
	(void)state;
	name("attachment; filename=\"a.csv\"", "a.csv");
	name("inline; filename=a.csv", "a.csv");
	name("attachment; filename=\"x\"; filename*=UTF-8''%E9%81%93.csv", "道.csv");
	name("attachment", NULL);
	name("attachment; filename=\"a", NULL);
	name("attachment; filename=a; filename=b", NULL);
	name("attachment; filename*=UTF-8''%", NULL);
	name("", NULL);
}

static json_object *sample(void)
{
	json_object *o = NULL;
	static const char text[] = "{\"content\":[{\"id\":12,\"fileName\":\"a<b>&.csv\",\"tags\":["
				   "\"water\",\"x\"],\"none\":null,"
				   "\"empty\":[],\"n\":1.5,\"ok\":true}],\"a b\":{},\"total\":1}";

	assert_int_equal(json_read(text, strlen(text), &json_limits_form, &o), ERR_OK);
	return o;
}

static void test_represent_json(void **state)
{
	CLEAN_JSON json_object *o = sample();
	CLEAN_JSON json_object *back = NULL;
	size_t len, rlen;
	CLEAN_FREE char *json = represent(o, FORMAT_JSON, NULL, &len);
	CLEAN_FREE char *rjson = represent(o, FORMAT_RJSON, NULL, &rlen);

	(void)state;
	assert_int_equal(strlen(json), len);
	assert_int_equal(strlen(rjson), rlen);
	assert_null(strchr(json, '\n'));
	assert_non_null(strstr(rjson, "{\n    \"content\": [\n        {\n            \"id\": 12,"));
	assert_non_null(strstr(rjson, "\"empty\": []"));
	assert_int_equal(json_read(rjson, rlen, &json_limits_form, &back), ERR_OK);
	assert_true(json_equal(o, back));
}

static void test_represent_xml(void **state)
{
	CLEAN_JSON json_object *o = sample();
	CLEAN_FREE char *xml = represent(o, FORMAT_XML, "Page", NULL);
	CLEAN_JSON json_object *list = json_object_new_array();
	json_object *file = json_object_new_object();

	(void)state;
	assert_string_equal(
	    xml, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n"
		 "<Page><content><DataItem><id>12</id><fileName>a&lt;b&gt;&amp;.csv</fileName>"
		 "<tags><string>water</string><string>x</string></tags><empty></empty><n>1.5</"
		 "n><ok>true</ok></DataItem></content>"
		 "<a_b></a_b><total>1</total></Page>");
	json_set_str(file, "name", "]]>\x01");
	json_object_array_add(list, file);
	json_object_array_add(list, json_object_new_int(3));
	CLEAN_FREE char *bare = represent(list, FORMAT_XML, "list/FileInfo", NULL);
	assert_non_null(strstr(
	    bare, "<list><FileInfo><name>]]&gt;\xEF\xBF\xBD</name></FileInfo><int>3</int></list>"));
}

static void test_represent_types_name_their_charset(void **state)
{
	(void)state;
	for (int f = 0; f < FORMAT__MAX; f++)
		assert_non_null(strcasestr(represent_type((enum format)f), "charset=utf-8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_escape_verbs),
	    cmocka_unit_test(test_disposition_has_both_names),
	    cmocka_unit_test(test_disposition_is_read),
	    cmocka_unit_test(test_represent_json),
	    cmocka_unit_test(test_represent_xml),
	    cmocka_unit_test(test_represent_types_name_their_charset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
