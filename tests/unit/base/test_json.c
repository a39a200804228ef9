/*
 * Goal: json_read takes exactly the JSON of RFC 8259 within the limits, whatever json-c 0.16 would
 * take (contracts/security.md, A60), and what it took prints back the same.
 */
#include <malloc.h>
#include <math.h>
#include "base/json.h"
#include "base/mem.h"
#include "unit.h"

static enum err read_text(const char *text, json_object **ret)
{
	return json_read(text, strlen(text), &json_limits_form, ret);
}

/* Reads TEXT, prints it, compares with WANT. */
static void same(const char *text, const char *want)
{
	CLEAN_JSON json_object *o = NULL;
	CLEAN_FREE char *got = NULL;
	enum err e = read_text(text, &o);

	if (e != ERR_OK)
		fail_msg("refused: %s", text);
	got = json_print(o, NULL);
	assert_string_equal(got, want);
}

static void refused(const char *text, size_t len)
{
	json_object *o = (json_object *)&o;
	enum err e = json_read(text, len, &json_limits_form, &o);

	if (e != ERR_BAD_REQUEST)
		fail_msg("%s: %s", err_name(e), text);
	/* Out-parameters are written on success only. */
	assert_ptr_equal(o, (json_object *)&o);
}

static void test_json_takes_what_is_right(void **state)
{
	(void)state;
	same("{}", "{}");
	same(" [ ] \r\n\t", "[]");
	same("null", "null");
	same("true", "true");
	same("false", "false");
	same("0", "0");
	same("-12", "-12");
	same(" 7 ", "7");
	same("9223372036854775807", "9223372036854775807");
	same("-9223372036854775808", "-9223372036854775808");
	same("1.5e3", "1.5e3");
	same("1E+2", "1E+2");
	same("-0.0", "-0.0");
	same("1e-400", "1e-400");
	same("\"\\u4e2d\\ud83d\\ude00\"", "\"\xE4\xB8\xAD\xF0\x9F\x98\x80\"");
	same("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
	same("{\"a\":[1,{\"b\":null}],\"\":2}", "{\"a\":[1,{\"b\":null}],\"\":2}");
	same("\"\x7F\"", "\"\x7F\"");
	same("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
	     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
}

static void test_json_refuses_what_json_c_lets_through(void **state)
{
	static const char *const wrong[] = {
	    "",
	    " ",
	    "99999999999999999999",
	    "9223372036854775808",
	    "-9223372036854775809",
	    "1e400",
	    "-1e999",
	    "NaN",
	    "Infinity",
	    "-Infinity",
	    "nan",
	    "{'a':1}",
	    "{a:1}",
	    "'a'",
	    "[1,]",
	    "{\"a\":1,}",
	    "[,1]",
	    "[1 2]",
	    "{\"a\" 1}",
	    "{\"a\":}",
	    "{\"a\"}",
	    "{1:2}",
	    "01",
	    "-01",
	    "-",
	    "+1",
	    ".5",
	    "5.",
	    "1.e3",
	    "1e",
	    "1e+",
	    "0x10",
	    "1_000",
	    "TRUE",
	    "Null",
	    "tru",
	    "truex",
	    "[1]x",
	    "[1][2]",
	    "{} {}",
	    "// c\n1",
	    "/* c */1",
	    "[1 /* c */]",
	    "\"a",
	    "\"\\x41\"",
	    "\"\\u12\"",
	    "\"\\u12G4\"",
	    "\"\\u0000\"",
	    "{\"\\u0000\":1}",
	    "\"\\ud800\"",
	    "\"\\ud800x\"",
	    "\"\\udc00\"",
	    "\"\\ud800\\u0041\"",
	    "\"\\ud800\\ud800\"",
	    "\"\\a\"",
	    "\"a\nb\"",
	    "\"a\tb\"",
	    "\"\x01\"",
	    "\"\xC0\xAF\"",
	    "\"\xED\xA0\x80\"",
	    "\"\xF4\x90\x80\x80\"",
	    "\"\xFF\"",
	    "\"\xE4\xB8\"",
	    "\xEF\xBB\xBF{}",
	    "{\"a\":1,\"a\":2}",
	    "{\"a\":1,\"\\u0061\":2}",
	    "[{\"x\":{\"k\":1,\"k\":1}}]",
	    "[",
	    "{",
	    "[1",
	    "{\"a\":1",
	    "]",
	    "}",
	    "\xC2\xA0"
	    "1",
	    "\v1",
	    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused(wrong[i], strlen(wrong[i]));
	refused("1\0", 2);
	refused("\"a\0b\"", 5);
	refused("{\"a\0\":1}", 8);
	refused("[1]\0", 4);
}

static void test_json_reads_what_json_c_reads(void **state)
{
	static const char *const texts[] = {
	    " { \"a\" : [ 1 , -0 , 0.1 , 1e3 , true , false , null , { } , [ ] , \"\" ] , \"b\" : "
	    "{ \"c\" : \"d\" } } ",
	    "{\"\\u4e2d\\\"\":{\"a longer name than the value before it "
	    "has\":\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"},\"z\":\"\\\\\"}",
	    "[[],[1,2,3,4,5,6,7,8,9],[[[\"\xE4\xB8\xAD\"]]],-9223372036854775808,12.50,"
	    "\"\\u007f\"]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEAN_JSON json_object *want = json_tokener_parse(texts[i]);
		CLEAN_JSON json_object *got = NULL;
		CLEAN_FREE char *want_text = json_print(want, NULL);
		CLEAN_FREE char *got_text = NULL;

		assert_int_equal(read_text(texts[i], &got), ERR_OK);
		got_text = json_print(got, NULL);
		assert_string_equal(got_text, want_text);
		assert_true(json_equal(got, want));
	}
}

/* What was printed is read as json-c reads it. */
static void test_json_own_is_read_as_by_json_c(void **state)
{
	static const char *const texts[] = {
	    "{}",
	    "[]",
	    "[[],{},[{}]]",
	    "\"\"",
	    "null",
	    "true",
	    "0",
	    "-1",
	    "999999999999999999",
	    "-99999999999999999",
	    "9223372036854775807",
	    "-9223372036854775808",
	    "1.5",
	    "-2e-07",
	    "12.50",
	    "1e300",
	    "-0.0",
	    "{\"a\":1,\"bb\":[true,false,null,\"x\"],\"c\":{\"d\":{\"e\":[[[1.25]]]}},\"\":0}",
	    "{\"q\\\"\\\\\":\"\\\\\",\"\\u0001\":\"\\b\\f\\n\\r\\t\\/"
	    "\\\"\\\\\\\"\",\"nbsp\":\"\\u00a0\"}",
	    "{\"zh\\u00a0\":\"\xE5\x8C\x97\xE4\xBA\xAC\",\"e\":\"\xF0\x9F\x8C\x8D\"}",
	    "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":{"
	    "\"b\":[1,2,3,4,5,6,7,8,9]}}",
	};
	struct json_tokener *reader = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEAN_JSON json_object *want = json_tokener_parse(texts[i]);
		CLEAN_FREE char *text = json_print(want, NULL);
		CLEAN_JSON json_object *got = json_own_read(&reader, text, strlen(text));
		CLEAN_FREE char *again = json_print(got, NULL);

		assert_string_equal(again, text);
		assert_true(json_equal(got, want));
		assert_int_equal(json_object_get_type(got), json_object_get_type(want));
	}
	json_reader_free(reader);
}

static json_object *read_part(struct json_tokener **reader, const char *text, size_t len,
			      const char *const *without)
{
	CLEAN_FREE char *part = json_own_cut(text, len, without, &len);

	return json_own_read(reader, part, len);
}

static void test_json_own_leaves_members_out(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"{\"a\":[{\"no\":{\"x\":[\"}\\\",]\",{}]},\"b\":1},{\"no\":-1.5},{\"nor\":2,\"no\":[[]"
	     ",{}],\"c\":[\"no\"],\"x\\\"no\":3}],"
	     "\"no\":\"\"}",
	     "{\"a\":[{\"b\":1},{},{\"nor\":2,\"c\":[\"no\"],\"x\\\"no\":3}]}"},
	    {"{\"no\":null,\"too\":\"\\\\\",\"b\":\"no\",\"too\":true}", "{\"b\":\"no\"}"},
	    {"{\"t\":1,\"to\":2,\"tool\":3,\"too\":4,\"oo\":5}",
	     "{\"t\":1,\"to\":2,\"tool\":3,\"oo\":5}"},
	    {"[\"no\",\"too\"]", "[\"no\",\"too\"]"},
	};
	static const char *const names[] = {"no", "too", NULL};
	struct json_tokener *reader = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEAN_JSON json_object *o =
		    read_part(&reader, rows[i].text, strlen(rows[i].text), names);
		CLEAN_FREE char *got = json_print(o, NULL);

		assert_string_equal(got, rows[i].want);
	}
	json_reader_free(reader);
}

static void test_json_own_tells_what_is_damaged(void **state)
{
	static const char whole[] = "{\"a\":[1,-2.5,\"x\\\\\",{\"no\":{\"b\":[\"\\\"}\"]}}],\"no\":"
				    "[true,null],\"c\":false}";
	static const char *const bad[] = {"",
					  " ",
					  "{\"a\":1}}",
					  "{\"a\":1}x",
					  "[1 2]",
					  "{a:1}",
					  "[tru]",
					  "[-]",
					  "[1x]",
					  "[1.5.5]",
					  "{\"a\":1,}",
					  "[1,]",
					  "[99999999999999999999x]",
					  "[\"\\u12\"]",
					  "{\"a\\u1\":1}"};
	static const char *const names[] = {"no", NULL};
	char deep[2 * 100 + 1];
	struct json_tokener *reader = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(json_own_read(&reader, bad[i], strlen(bad[i])));
	/* Wherever it breaks off; the copy shows whoever reads on behind it to valgrind. */
	for (size_t n = 0; n < strlen(whole); n++) {
		CLEAN_FREE char *part = mem_alloc(n + 1);

		part = mem_resize(memcpy(part, whole, n), n > 0 ? n : 1, 1);
		assert_null(json_own_read(&reader, part, n));
		assert_null(read_part(&reader, part, n, names));
	}
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	assert_null(json_own_read(&reader, deep, 200));
	CLEAN_JSON json_object *o = json_own_read(&reader, deep + 30, 140);
	assert_non_null(o);
	json_reader_free(reader);
}

static void test_json_does_not_need_a_nul_behind(void **state)
{
	static const char text[] = "12345";
	CLEAN_JSON json_object *o = NULL;
	CLEAN_JSON json_object *t = NULL;

	(void)state;
	assert_int_equal(json_read(text, 3, &json_limits_form, &o), ERR_OK);
	assert_int_equal(json_object_get_int64(o), 123);
	assert_int_equal(json_read("trueish", 4, &json_limits_form, &t), ERR_OK);
}

static void test_json_keeps_the_limits(void **state)
{
	static const struct json_limits small = {64, 2, 3};
	static const struct json_limits wide = {1 << 20, 2, 3};
	CLEAN_FREE char *digits = mem_alloc(20 << 20);
	CLEAN_FREE char *ones = mem_alloc((1 << 20) + 1);
	json_object *o = NULL;

	(void)state;
	assert_int_equal(json_read("[[1],{\"a\":1,\"b\":2,\"c\":3}]", 25, &small, &o), ERR_OK);
	json_object_put(o);
	assert_int_equal(json_read("[[[1]]]", 7, &small, &o), ERR_BAD_REQUEST);
	assert_int_equal(json_read("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", 25, &small, &o),
			 ERR_BAD_REQUEST);
	memset(digits, '7', 20 << 20);
	assert_int_equal(json_read(digits, 65, &small, &o), ERR_TOO_LARGE);
	assert_int_equal(json_read(digits, 1 << 20, &wide, &o), ERR_BAD_REQUEST);
	assert_int_equal(json_read(digits, 20 << 20, &json_limits_job, &o), ERR_TOO_LARGE);
	/* Half a million numbers in a megabyte would cost json-c 32. */
	for (size_t i = 0; i < 1 << 20; i += 2)
		memcpy(ones + i, "1,", 2);
	ones[0] = '[';
	ones[(1 << 20) - 1] = ']';
	assert_int_equal(json_read(ones, 1 << 20, &wide, &o), ERR_BAD_REQUEST);
	ones[0] = ' ';
	ones[1] = '[';
	assert_int_equal(json_read(ones, 1 << 20, &wide, &o), ERR_TOO_LARGE);
}

/*
 * The most memory that the heap gained while TEXT, repeated to a megabyte of array, was read and
 * kept.
 */
static size_t cost_of(const char *piece, enum err *ret)
{
	CLEAN_FREE char *text = mem_alloc((1 << 20) + 2);
	CLEAN_JSON json_object *o = NULL;
	size_t n = strlen(piece), at = 1, before;

	text[0] = '[';
	while (at + n < 1 << 20) {
		memcpy(text + at, piece, n);
		at += n;
		text[at++] = ',';
	}
	text[at - 1] = ']';
	before = mallinfo2().uordblks;
	*ret = json_read(text, at, &json_limits_form, &o);
	return mallinfo2().uordblks - before;
}

static void test_json_costs_no_more_memory_than_eight_times_its_limit(void **state)
{
	static const char *const greedy[] = {
	    "{}",	 "[]",	      "1",    "\"\"",
	    "{\"a\":1}", "[[[[1]]]]", "null", "{\"a\":{\"b\":{\"c\":[]}}}"};
	static const char *const decent[] = {
	    "\"0123456789abcdef0123456789abcdef\"",
	    "[\"Beijing Olympic Forest Park\",39.123456,116.123456,\"2026-11-22T10:00:00Z\"]"};
	enum err e;

	(void)state;
	for (size_t i = 0; i < sizeof(greedy) / sizeof(greedy[0]); i++) {
		assert_true(cost_of(greedy[i], &e) < 8 << 20);
		assert_int_equal(e, ERR_TOO_LARGE);
	}
	for (size_t i = 0; i < sizeof(decent) / sizeof(decent[0]); i++) {
		assert_true(cost_of(decent[i], &e) < 9 << 20);
		assert_int_equal(e, ERR_OK);
	}
}

static void test_json_prints_for_clients_that_compare(void **state)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	CLEAN_FREE char *text = NULL;
	size_t len;

	(void)state;
	json_set_str(o, "size", "100.0\xC2\xA0MB\xC2\xA0");
	json_set_str(o, "url", "/a/b");
	json_set_str(o, "none", NULL);
	json_set_str(o, "zh", "\xE5\x8C\x97\xE4\xBA\xAC");
	text = json_print(o, &len);
	assert_string_equal(text,
			    "{\"size\":\"100.0\\u00a0MB\\u00a0\",\"url\":\"/a/b\",\"none\":null,"
			    "\"zh\":\"\xE5\x8C\x97\xE4\xBA\xAC\"}");
	assert_int_equal(len, strlen(text));
}

/* What json-c prints is what is printed, but for the no-break space. */
static void test_json_prints_as_json_c(void **state)
{
	static const char text[] = "{\"a\":[],\"b\":{},\"c\":[null,true,false,0,-1,"
				   "9223372036854775807,-9223372036854775808,1.5,-2e-7,1e300],"
				   "\"k\\\"\\\\ "
				   "\\n/"
				   "<\\u0001\":{\"d\":[[[\"\"]],{\"e\":{\"f\":["
				   "\"\\b\\f\\n\\r\\t\\u001f\\u007f\\\\\\\"/<>&'\"]}}]},"
				   "\"zh\":\"\xE5\x8C\x97\xC2\xA1\xF0\x9F\x8C\x8D\"}";
	CLEAN_JSON json_object *o = NULL;
	CLEAN_FREE char *plain = NULL;
	CLEAN_FREE char *script = NULL;
	CLEAN_FREE char *none = json_print(NULL, NULL);
	size_t len;

	(void)state;
	assert_int_equal(json_read(text, strlen(text), &json_limits_form, &o), ERR_OK);
	json_object_object_add(o, "huge", json_object_new_uint64(UINT64_MAX));
	json_object_object_add(o, "spelled", json_object_new_double_s(0.5, "0.50"));
	plain = json_print(o, &len);
	assert_string_equal(plain, json_object_to_json_string_ext(
				       o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	assert_int_equal(len, strlen(plain));
	script = json_print_script(o);
	assert_null(strchr(script, '<'));
	assert_non_null(strstr(script, "&'"));
	assert_non_null(strstr(script, "\\/\\u003c>"));
	assert_string_equal(none, "null");
}

/* Integers of our own making, their copies, too. */
static void test_json_integers_are_printed_as_by_json_c(void **state)
{
	static const int64_t numbers[] = {0, 7, -1, 10, -10, 1790000000000, INT64_MAX, INT64_MIN};
	CLEAN_JSON json_object *list = json_object_new_array();
	CLEAN_JSON json_object *copy = NULL;
	CLEAN_FREE char *text = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_array_add(list, json_int_new(numbers[i]));
	copy = json_copy(list);
	text = json_print(copy, NULL);
	assert_string_equal(
	    text, "[0,7,-1,10,-10,1790000000000,9223372036854775807,-9223372036854775808]");
	assert_true(json_equal(copy, list));
	assert_string_equal(json_object_get_string(json_object_array_get_idx(list, 5)),
			    "1790000000000");
}

static void test_json_numbers_are_short_and_come_back(void **state)
{
	static const double numbers[] = {0.1,	  116.39, -73.9857, 1e300,  5e-324,
					 1.0 / 3, 0,	  7,	    -120.5, 1e16};
	CLEAN_JSON json_object *o = json_object_new_object();
	CLEAN_JSON json_object *back = NULL;
	CLEAN_JSON json_object *copy = NULL;
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *again = NULL;
	char key[8];

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		(void)snprintf(key, sizeof(key), "%zu", i);
		json_set_num(o, key, numbers[i]);
	}
	json_set_num(o, "nan", NAN);
	json_set_num(o, "inf", INFINITY);
	copy = json_copy(o);
	assert_true(json_equal(o, copy));
	text = json_print(copy, NULL);
	assert_string_equal(
	    text, "{\"0\":0.1,\"1\":116.39,\"2\":-73.9857,\"3\":1e+300,\"4\":4.94065645841247e-324,"
		  "\"5\":0.3333333333333333,\"6\":0.0,\"7\":7.0,\"8\":-120.5,\"9\":1e+16,\"nan\":"
		  "null,\"inf\":null}");
	assert_int_equal(read_text(text, &back), ERR_OK);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		(void)snprintf(key, sizeof(key), "%zu", i);
		assert_true(json_num(back, key, 99) <= numbers[i] &&
			    json_num(back, key, 99) >= numbers[i]);
	}
	again = json_print(back, NULL);
	assert_string_equal(again, text);
}

static void test_json_readers_give_the_default(void **state)
{
	CLEAN_JSON json_object *o = NULL;
	json_object *item;
	int64_t sum = 0;

	(void)state;
	assert_int_equal(read_text("{\"s\":\"x\",\"i\":5,\"n\":1.5,\"b\":true,\"z\":null,\"a\":[1,"
				   "2,3],\"o\":{\"k\":1}}",
				   &o),
			 ERR_OK);
	assert_string_equal(json_str(o, "s", "d"), "x");
	assert_string_equal(json_str(o, "i", "d"), "d");
	assert_null(json_str(o, "z", NULL));
	assert_int_equal(json_int(o, "i", -1), 5);
	assert_int_equal(json_int(o, "n", -1), -1);
	assert_int_equal(json_int(o, "s", -1), -1);
	assert_true(fabs(json_num(o, "i", 0) - 5) < 1e-9);
	assert_true(fabs(json_num(o, "n", 0) - 1.5) < 1e-9);
	assert_true(json_bool(o, "b", false));
	assert_true(json_bool(o, "i", true));
	assert_false(json_bool(o, "absent", false));
	assert_null(json_get(o, "z"));
	assert_null(json_get(NULL, "z"));
	assert_null(json_get(json_get(o, "s"), "z"));
	assert_null(json_arr(o, "o"));
	assert_null(json_obj(o, "a"));
	assert_int_equal(json_int(json_obj(o, "o"), "k", 0), 1);
	assert_int_equal(json_len(json_arr(o, "a")), 3);
	assert_int_equal(json_len(NULL), 0);
	JSON_EACH(item, json_arr(o, "a"))
	sum += json_object_get_int64(item);
	assert_int_equal(sum, 6);
	JSON_EACH(item, NULL)
	fail();
}

static void test_json_reads_pairs_of_surrogates(void **state)
{
	/*
	 * U+1F600; U+2D800 and U+1DFFF, which json-c takes for halves; an escaped backslash before
	 * a "ud83d" of its own
	 */
	static const char text[] =
	    "{\"\\ud83d\\ude00\":\"a\\uD876\\uDC00\\ud837\\udfffb\\\\ud83d\\\\\\uD83D\\uDE00\"}";
	json_object *o = NULL;

	(void)state;
	assert_int_equal(json_read(text, strlen(text), &json_limits_form, &o), ERR_OK);
	assert_string_equal(json_str(o, "\xF0\x9F\x98\x80", "?"),
			    "a\xF0\xAD\xA0\x80\xF0\x9D\xBF\xBF"
			    "b\\ud83d\\\xF0\x9F\x98\x80");
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_json_reads_pairs_of_surrogates),
	    cmocka_unit_test(test_json_takes_what_is_right),
	    cmocka_unit_test(test_json_refuses_what_json_c_lets_through),
	    cmocka_unit_test(test_json_reads_what_json_c_reads),
	    cmocka_unit_test(test_json_own_is_read_as_by_json_c),
	    cmocka_unit_test(test_json_own_leaves_members_out),
	    cmocka_unit_test(test_json_own_tells_what_is_damaged),
	    cmocka_unit_test(test_json_does_not_need_a_nul_behind),
	    cmocka_unit_test(test_json_keeps_the_limits),
	    cmocka_unit_test(test_json_costs_no_more_memory_than_eight_times_its_limit),
	    cmocka_unit_test(test_json_prints_for_clients_that_compare),
	    cmocka_unit_test(test_json_prints_as_json_c),
	    cmocka_unit_test(test_json_integers_are_printed_as_by_json_c),
	    cmocka_unit_test(test_json_numbers_are_short_and_come_back),
	    cmocka_unit_test(test_json_readers_give_the_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
