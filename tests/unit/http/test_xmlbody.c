/*
 * Goal: small XML bodies become the same JSON that clients could have sent; what is not plain XML
 * is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "http/xmlbody.h"

static const struct json_limits limits = {.bytes = 4096, .depth = 8, .keys = 50};

static void test_xmlbody_values(void **state)
{
	static const struct {
		const char *xml, *json;
	} rows[] = {
	    {"<Object/>", "{}"},
	    {"<Object><a>1</a><b> x &amp; &lt;y&gt; &#x4e95; </b><c/></Object>",
	     "{\"a\":\"1\",\"b\":\"x & <y> \xe4\xba\x95\",\"c\":null}"},
	    {"<Object><tags><string>a</string><string>a,b</string></tags></Object>",
	     "{\"tags\":[\"a\",\"a,b\"]}"},
	    {"<Object><ids><int>1</int></ids><MD5>x</MD5></Object>",
	     "{\"ids\":[\"1\"],\"MD5\":\"x\"}"},
	    {"<list><int>1</int><int>2</int></list>", "[\"1\",\"2\"]"},
	    {"<list><IportalDataAuthorizeEntity><entityName>ann</entityName></"
	     "IportalDataAuthorizeEntity></list>",
	     "[{\"entityName\":\"ann\"}]"},
	    {"<list/>", "[]"},
	    {"<boolean>true</boolean>", "\"true\""},
	    {"<Object><m><x>1</x></m></Object>", "{\"m\":{\"x\":\"1\"}}"},
	    {"<?xml version=\"1.0\"?><!-- c --><Object at=\"1\"><a><![CDATA[<b>]]></a></Object>",
	     "{\"a\":\"<b>\"}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_object *o = NULL;
		assert_int_equal(xmlbody_read(rows[i].xml, strlen(rows[i].xml), &limits, &o),
				 ERR_OK);
		CLEAN_FREE char *text = json_print(o, NULL);
		assert_string_equal(text, rows[i].json);
		json_object_put(o);
	}
}

static void test_xmlbody_refuses(void **state)
{
	static const char *const bad[] = {
	    "",
	    "x",
	    "<a>",
	    "<a></b>",
	    "<a/><b/>",
	    "<!DOCTYPE a><a/>",
	    "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
	    "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
	    "<a>&e;</a>",
	    "<a><x>1</x><x>2</x></a>",
	    "<a><x>1</x><string>2</string></a>",
	    "<a>\xff</a>",
	    "<a>&#0;</a>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_object *o = NULL;
		assert_int_equal(xmlbody_read(bad[i], strlen(bad[i]), &limits, &o),
				 ERR_BAD_REQUEST);
		assert_null(o);
	}
}

static void test_xmlbody_limits(void **state)
{
	json_object *o = NULL;
	char deep[200] = "", wide[2000] = "<list>", big[5000];

	(void)state;
	for (int i = 0; i < 20; i++)
		strncat(deep, "<a>", sizeof(deep) - strlen(deep) - 1);
	assert_int_equal(xmlbody_read(deep, strlen(deep), &limits, &o), ERR_TOO_LARGE);
	for (int i = 0; i < 100; i++)
		strncat(wide, "<int>1</int>", sizeof(wide) - strlen(wide) - 1);
	assert_int_equal(xmlbody_read(wide, strlen(wide), &limits, &o), ERR_TOO_LARGE);
	memset(big, ' ', sizeof(big));
	assert_int_equal(xmlbody_read(big, sizeof(big), &limits, &o), ERR_TOO_LARGE);
	assert_null(o);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_xmlbody_values),
	    cmocka_unit_test(test_xmlbody_refuses),
	    cmocka_unit_test(test_xmlbody_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
