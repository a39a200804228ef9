/*
 * Goal: MessagePack from outside is read exactly: every form of every type, the vectors of
 * transports.md 5, and nothing that is cut, doubled, too deep or no text; what is printed are those
 * vectors, members in their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "http/msgpack.h"

/* Bytes written as hex digits; spaces are for the reader. */
static size_t hex(const char *s, unsigned char *out)
{
	size_t n = 0;

	for (int half = 0, v = 0; *s != '\0'; s++) {
		if (*s == ' ')
			continue;
		v = v * 16 + (*s <= '9' ? *s - '0' : *s - 'a' + 10);
		if (half++ == 1) {
			out[n++] = (unsigned char)v;
			half = v = 0;
		}
	}
	return n;
}

static bool good(const char *digits, size_t want_used)
{
	unsigned char b[512];
	size_t n = hex(digits, b), used = 0;
	/*
	 * Exactly as many bytes as there are, so that valgrind and sanitizers see one read too
	 * many.
	 */
	CLEAN_FREE unsigned char *exact = mem_alloc(n > 0 ? n : 1);

	memcpy(exact, b, n);
	return msgpack_check(exact, n, &used) == ERR_OK && (want_used == 0 || used == want_used);
}

static struct msgpack_value one(const char *digits)
{
	static unsigned char b[512];
	size_t n = hex(digits, b);
	struct msgpack_reader r = {b, b + n};
	struct msgpack_value v = {0};

	assert_true(msgpack_next(&r, &v));
	assert_ptr_equal(r.at, b + n);
	return v;
}

static void test_msgpack_reads_every_integer_form(void **state)
{
	static const struct {
		const char *bytes;
		int64_t value;
	} rows[] = {{"00", 0},
		    {"7f", 127},
		    {"ff", -1},
		    {"e0", -32},
		    {"cc80", 128},
		    {"ccff", 255},
		    {"cd0190", 400},
		    {"ce00010000", 65536},
		    {"ceffffffff", 4294967295},
		    {"cf0000000100000000", 4294967296},
		    {"cf7fffffffffffffff", INT64_MAX},
		    {"d0ff", -1},
		    {"d080", -128},
		    {"d1ff00", -256},
		    {"d2fffeffff", -65537},
		    {"d30000000100000000", 4294967296},
		    {"d3ffffffffffffffff", -1},
		    {"d38000000000000000", INT64_MIN}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct msgpack_value v = one(rows[i].bytes);
		assert_int_equal(v.type, MSGPACK_INT);
		assert_false(v.big);
		assert_true(v.number == rows[i].value);
	}
	assert_true(one("cf8000000000000000").big);
	assert_true(one("cf8000000000000000").number == INT64_MAX);
}

static void test_msgpack_reads_the_other_types(void **state)
{
	(void)state;
	assert_int_equal(one("c0").type, MSGPACK_NIL);
	assert_true(one("c2").type == MSGPACK_BOOL && one("c2").number == 0 &&
		    one("c3").number == 1);
	assert_true(one("ca3fc00000").type == MSGPACK_FLOAT && one("ca3fc00000").real == 1.5);
	assert_true(one("cbbff8000000000000").real == -1.5);
	static const char *const texts[] = {"a3616263", "d903616263", "da0003616263",
					    "db00000003616263"},
				 *const bins[] = {"c403616263", "c50003616263", "c600000003616263"};
	for (size_t i = 0; i < 4; i++) {
		struct msgpack_value v = one(texts[i]);
		assert_true(v.type == MSGPACK_STR && v.len == 3 && memcmp(v.bytes, "abc", 3) == 0);
	}
	for (size_t i = 0; i < 3; i++) {
		struct msgpack_value v = one(bins[i]);
		assert_true(v.type == MSGPACK_BIN && v.len == 3 && memcmp(v.bytes, "abc", 3) == 0);
	}
	assert_true(one("93").type == MSGPACK_ARRAY && one("93").count == 3 &&
		    one("dc0003").count == 3 && one("dd00000003").count == 3);
	assert_true(one("82").type == MSGPACK_MAP && one("82").count == 2 &&
		    one("de0002").count == 2 && one("df00000002").count == 2);
}

static void test_msgpack_takes_what_is_whole(void **state)
{
	(void)state;
	assert_true(good("80", 1) && good("90", 1) && good("a0", 1) && good("c400", 2) &&
		    good("c0", 1));
	assert_true(good("82 a161 01 a162 02", 7));
	assert_true(good("81 a161 01 c1ffff", 4));		/* what follows is not looked at */
	assert_true(good("82 a161 81a16101 a162 81a16101", 0)); /* the same key in two maps */
	assert_true(good("81 c40161 01", 0) == false);		/* a key is text */
	assert_true(good("81 a3e4b8ad 01", 0));
	assert_true(good("c403ff00c1", 5)); /* bytes are no text */
}

static void test_msgpack_refuses_what_is_not(void **state)
{
	static const char *const rows[] = {
	    "", "c1", "81", "81a161", "81a1", "81 a161 c1", "92 01", "a2 61", "c402 61", "c5 00",
	    "c6 ffffffff 00", "db ffffffff 61", "dd ffffffff 01", "df ffffffff a161 01",
	    "cf 00000000000000", "ca 000000", "d4 00 00", "c7 01 01 00", "d8 00", "c8",
	    "c9", /* ext */
	    /* doubled keys */
	    "82 a161 01 a161 02", "82 a161 01 d90161 02", "81 a161 82 a162 01 a162 02",
	    /* no UTF-8 */
	    "a1 ff", "a2 c0af", "a3 eda080", "81 a1ff 01", "81 01 01", "81 c0 01"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (good(rows[i], 0))
			fail_msg("%s was taken", rows[i]);
}

static void test_msgpack_limits_depth_and_keys(void **state)
{
	unsigned char deep[64];
	size_t used;

	(void)state;
	memset(deep, 0x91, sizeof(deep));
	deep[MSGPACK_DEPTH] = 1;
	assert_int_equal(msgpack_check(deep, sizeof(deep), &used), ERR_OK);
	assert_int_equal(used, MSGPACK_DEPTH + 1);
	deep[MSGPACK_DEPTH] = 0x90;
	assert_int_equal(msgpack_check(deep, sizeof(deep), &used), ERR_BAD_REQUEST);
	/* Deeper than any stack. */
	CLEAN_FREE unsigned char *pit = mem_alloc(1 << 20);
	memset(pit, 0x91, 1 << 20);
	assert_int_equal(msgpack_check(pit, 1 << 20, &used), ERR_BAD_REQUEST);

	for (unsigned n = MSGPACK_KEYS; n <= MSGPACK_KEYS + 1; n++) {
		CLEAN_FREE unsigned char *map = mem_alloc(3 + (size_t)n * 6);
		unsigned char *p = map;
		*p++ = 0xde;
		*p++ = (unsigned char)(n >> 8);
		*p++ = (unsigned char)n;
		for (unsigned i = 0; i < n; i++) {
			*p++ = 0xa4;
			p += snprintf((char *)p, 5, "%04u", i);
			*p++ = 0xc0;
		}
		assert_int_equal(msgpack_check(map, (size_t)(p - map), &used),
				 n <= MSGPACK_KEYS ? ERR_OK : ERR_BAD_REQUEST);
	}
}

static void test_msgpack_skips_whole_values(void **state)
{
	unsigned char b[64];
	size_t n = hex("93 01 81 a161 92 c401ff c0 cb0000000000000000 7f", b);
	struct msgpack_reader r = {b, b + n};
	struct msgpack_value v;

	(void)state;
	msgpack_skip(&r);
	assert_true(msgpack_next(&r, &v) && v.number == 127 && r.at == r.end);
}

static void assert_prints(json_object *model, const char *digits)
{
	unsigned char want[512];
	size_t want_len = hex(digits, want), len;
	CLEAN_FREE char *got = msgpack_print(model, &len);

	assert_int_equal(len, want_len);
	assert_memory_equal(got, want, len);
	json_object_put(model);
}

static void test_msgpack_prints_the_vectors(void **state)
{
	json_object *m = json_object_new_object(), *e = json_object_new_object();

	(void)state;
	json_set_int(m, "status", 400);
	json_set_int(e, "code", 400);
	json_set_str(
	    e, "info",
	    "The browser (or proxy) sent a request that this server could not understand.");
	json_set(m, "error", e);
	assert_prints(m, "82a6737461747573cd0190a56572726f7282a4636f6465cd0190a4696e666fd94c5468652"
			 "062726f7773657220286f7220"
			 "70726f7879292073656e74206120726571756573742074686174207468697320736572766"
			 "57220636f756c64206e6f7420"
			 "756e6465727374616e642e");
	m = json_object_new_object();
	json_set_str(m, "uploadUid", "0123456789abcdef0123456789abcdef");
	assert_prints(m, "81a975706c6f6164556964d920 "
			 "3031323334353637383961626364656630313233343536373839616263646566");
}

static void test_msgpack_prints_every_type(void **state)
{
	json_object *m = json_object_new_object(), *list = json_object_new_array();

	(void)state;
	json_object_array_add(list, NULL);
	json_object_array_add(list, json_object_new_boolean(true));
	json_object_array_add(list, json_object_new_boolean(false));
	json_object_array_add(list, json_object_new_int64(-1));
	json_object_array_add(list, json_object_new_double(1.5));
	json_object_array_add(list, json_object_new_int64(4294967296));
	json_set(m, "z", list);
	json_set_str(m, "a", "中");
	assert_prints(m,
		      "82 a17a 96 c0 c3 c2 ff cb3ff8000000000000 cf0000000100000000 a161 a3e4b8ad");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_msgpack_reads_every_integer_form),
	    cmocka_unit_test(test_msgpack_reads_the_other_types),
	    cmocka_unit_test(test_msgpack_takes_what_is_whole),
	    cmocka_unit_test(test_msgpack_refuses_what_is_not),
	    cmocka_unit_test(test_msgpack_limits_depth_and_keys),
	    cmocka_unit_test(test_msgpack_skips_whole_values),
	    cmocka_unit_test(test_msgpack_prints_the_vectors),
	    cmocka_unit_test(test_msgpack_prints_every_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
