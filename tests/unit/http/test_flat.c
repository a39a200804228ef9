/*
 * Goal: one flat object reads the same from JSON and from MessagePack, without copying; lists of
 * bytes, escapes and compressed bodies come out as the bytes they stand for; broken ones are
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "base/mem.h"
#include "http/flat.h"
#include "http/inflate.h"

/* The members of JSON, whose text stays until the next call. */
static struct flat *json(const char *text)
{
	static char *copy;
	static struct flat flat;

	free(copy);
	copy = mem_strdup(text);
	return flat_json(copy, strlen(copy), &flat) == ERR_OK ? &flat : NULL;
}

static void assert_text(const struct flat_member *m, const char *bytes, size_t len)
{
	assert_non_null(m);
	assert_int_equal(m->type, FLAT_TEXT);
	assert_int_equal(m->len, len);
	assert_memory_equal(m->p, bytes, len);
}

static void test_flat_reads_json(void **state)
{
	(void)state;
	struct flat *f =
	    json(" { \"a\" : 1 , "
		 "\"b\":-2,\"c\":1.0,\"d\":1e2,\"e\":true,\"f\":null,\"g\":\"x\",\"h\":[1,2],"
		 "\"i\":{\"a\":[\"}\",{\"a\":1}]},\"j\":9223372036854775807 } \n");
	assert_non_null(f);
	assert_int_equal(f->n, 10);
	assert_true(flat_find(f, "a")->type == FLAT_INT && flat_find(f, "a")->number == 1);
	assert_true(flat_find(f, "b")->number == -2);
	assert_int_equal(flat_find(f, "c")->type, FLAT_FLOAT);
	assert_int_equal(flat_find(f, "d")->type, FLAT_FLOAT);
	assert_int_equal(flat_find(f, "e")->type, FLAT_BOOL);
	assert_int_equal(flat_find(f, "f")->type, FLAT_NULL);
	assert_text(flat_find(f, "g"), "x", 1);
	assert_int_equal(flat_find(f, "h")->type, FLAT_LIST);
	assert_int_equal(flat_find(f, "i")->type, FLAT_OBJECT);
	assert_true(flat_find(f, "j")->number == INT64_MAX);
	assert_null(flat_find(f, "k"));
	assert_null(flat_find(f, ""));
	assert_int_equal(json("{}")->n, 0);
}

static void test_flat_unescapes(void **state)
{
	(void)state;
	struct flat *f =
	    json("{\"a\":\"\\\"\\\\\\/"
		 "\\b\\f\\n\\r\\t\\u4e2d\\u0000\\ud83d\\uDE00z\",\"\\u0062\":1,\"c\":\"中\"}");
	assert_non_null(f);
	assert_text(flat_find(f, "a"), "\"\\/\b\f\n\r\t\xe4\xb8\xad\0\xf0\x9f\x98\x80z", 17);
	assert_non_null(flat_find(f, "b"));
	assert_text(flat_find(f, "c"), "中", 3);
}

static void test_flat_refuses_broken_json(void **state)
{
	static const char *const rows[] = {"",
					   " ",
					   "[]",
					   "1",
					   "\"a\"",
					   "{",
					   "{\"a\"}",
					   "{\"a\":1,}",
					   "{\"a\":1}x",
					   "{\"a\":1}{}",
					   "{\"a\":1,\"a\":2}",
					   "{\"a\":1,\"\\u0061\":2}",
					   "{\"a\":{\"b\":1,\"b\":2}}",
					   "{\"a\":[{\"b\":1,\"b\":2}]}",
					   "{\"a\":\"\\ud800\"}",
					   "{\"a\":\"\xff\"}",
					   "{\"a\":NaN}",
					   "{\"a\":01}",
					   "{\"a\":+1}",
					   "{\"a\":\"\x01\"}",
					   "{\"a\":99999999999999999999}",
					   "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (json(rows[i]) != NULL)
			fail_msg("%s was taken", rows[i]);
	assert_non_null(json("{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}"));
}

static void test_flat_lists_become_bytes(void **state)
{
	static const char *const bad[] = {"[256]",   "[-1]",	"[1.0]",	"[1e1]",
					  "[\"1\"]", "[true]",	"[null]",	"[[1]]",
					  "[{}]",    "[1,300]", "[99999999999]"};
	(void)state;
	struct flat *f = json("{\"a\":[ 104 , 0,255\n],\"b\":[]}");
	assert_true(flat_list_bytes(f, flat_find(f, "a")) && flat_list_bytes(f, flat_find(f, "b")));
	assert_int_equal(flat_find(f, "a")->len, 3);
	assert_memory_equal(flat_find(f, "a")->p, "h\0\xff", 3);
	assert_int_equal(flat_find(f, "b")->len, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CLEAN_FREE char *text = mem_printf("{\"a\":%s}", bad[i]);
		f = json(text);
		assert_non_null(f);
		if (flat_list_bytes(f, flat_find(f, "a")))
			fail_msg("%s are no bytes", bad[i]);
	}
	char packed[] = "\x81\xa1\x61\x94\x00\x7f\xcc\xff\xd1\x00\x80";
	struct flat m;
	assert_int_equal(flat_msgpack(packed, sizeof(packed) - 1, &m), ERR_OK);
	assert_true(flat_list_bytes(&m, &m.v[0]));
	assert_int_equal(m.v[0].len, 4);
	assert_memory_equal(m.v[0].p, "\x00\x7f\xff\x80", 4);
	char not_bytes[] = "\x81\xa1\x61\x91\xff";
	assert_int_equal(flat_msgpack(not_bytes, sizeof(not_bytes) - 1, &m), ERR_OK);
	assert_false(flat_list_bytes(&m, &m.v[0]));
}

static void test_flat_reads_msgpack(void **state)
{
	/* The vector of transports.md 5. */
	char body[] = "\x86\xa9uploadUid\xa0\xaa"
		      "chunkCount\x02\xa9totalSize\x0b\xa8"
		      "fileName\xa5"
		      "a.txt\xab"
		      "chunkNumber\x00\xa7"
		      "content\xc4\x06hello ";
	struct flat f;

	(void)state;
	assert_int_equal(flat_msgpack(body, sizeof(body) - 1, &f), ERR_OK);
	assert_int_equal(f.n, 6);
	assert_text(flat_find(&f, "uploadUid"), "", 0);
	assert_text(flat_find(&f, "fileName"), "a.txt", 5);
	assert_true(flat_find(&f, "totalSize")->number == 11 &&
		    flat_find(&f, "chunkNumber")->type == FLAT_INT);
	assert_true(flat_find(&f, "content")->type == FLAT_BYTES &&
		    flat_find(&f, "content")->len == 6);
	/* where it arrived */
	assert_true(flat_find(&f, "content")->p == body + sizeof(body) - 1 - 6);
	/* Cut anywhere, it is refused. */
	for (size_t n = 0; n < sizeof(body) - 1; n++) {
		CLEAN_FREE char *cut = mem_alloc(n + 1);
		memcpy(cut, body, n);
		assert_int_equal(flat_msgpack(cut, n, &f), ERR_BAD_REQUEST);
	}
	char list[] = "\x90", text[] = "\xa1\x61";
	assert_int_equal(flat_msgpack(list, 1, &f), ERR_BAD_REQUEST);
	assert_int_equal(flat_msgpack(text, 2, &f), ERR_BAD_REQUEST);
}

static void test_flat_top_leaves_the_inside_alone(void **state)
{
	char text[] = "{\"ds\":[{\"a\":1,\"a\":2}],\"type\":7}", again[] = "{\"a\":1,\"a\":2}";
	struct flat f;

	(void)state;
	assert_int_equal(flat_json_top(text, strlen(text), &f), ERR_OK);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.v[0].type, FLAT_LIST);
	assert_memory_equal(f.v[0].p, "[{\"a\":1,\"a\":2}]", f.v[0].len);
	/* Its own keys are the reader's business. */
	assert_int_equal(flat_json_top(again, strlen(again), &f), ERR_BAD_REQUEST);
}

static void test_flat_a_long_list_costs_no_tree(void **state)
{
	size_t n = 3 << 20;
	CLEAN_FREE char *text = mem_alloc(n + 1);

	(void)state;
	memcpy(text, "{\"a\":[0", 7);
	for (size_t i = 7; i < n - 3; i += 2)
		memcpy(text + i, ",1", 2);
	memcpy(text + n - 3 + (n & 1), "]}", 3);
	struct flat f;
	assert_int_equal(flat_json(text, strlen(text), &f), ERR_OK);
	assert_true(flat_list_bytes(&f, &f.v[0]));
	assert_true(f.v[0].len > 1500000);
}

static size_t gzip(const void *p, size_t n, unsigned char *out, size_t size)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)p,
		      .avail_in = (uInt)n,
		      .next_out = out,
		      .avail_out = (uInt)size};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	(void)deflateEnd(&z);
	return size - z.avail_out;
}

static void test_inflate_unpacks_within_its_limit(void **state)
{
	size_t n = 300000, len, packed_len;
	CLEAN_FREE char *text = mem_alloc(n);
	CLEAN_FREE unsigned char *packed = mem_alloc(n);
	char *out = NULL;

	(void)state;
	for (size_t i = 0; i < n; i++)
		text[i] = (char)(i * i / 7);
	packed_len = gzip(text, n, packed, n);
	assert_int_equal(inflate_gzip(packed, packed_len, n, &out, &len), ERR_OK);
	assert_int_equal(len, n);
	assert_memory_equal(out, text, n);
	assert_int_equal(out[n], 0);
	free(out);
	assert_int_equal(inflate_gzip(packed, packed_len, n - 1, &out, &len), ERR_TOO_LARGE);
	for (size_t cut = 0; cut < packed_len; cut += packed_len < 50 ? 1 : packed_len / 50)
		assert_int_equal(inflate_gzip(packed, cut, n, &out, &len), ERR_BAD_REQUEST);
	packed[packed_len - 6] ^= 1; /* the checksum */
	assert_int_equal(inflate_gzip(packed, packed_len, n, &out, &len), ERR_BAD_REQUEST);
	assert_int_equal(inflate_gzip("plain", 5, n, &out, &len), ERR_BAD_REQUEST);

	packed_len = gzip("ab", 2, packed, n);
	/* two members are one body */
	packed_len += gzip("cd", 2, packed + packed_len, n - packed_len);
	assert_int_equal(inflate_gzip(packed, packed_len, 4, &out, &len), ERR_OK);
	assert_string_equal(out, "abcd");
	free(out);
	packed_len = gzip("", 0, packed, n);
	assert_int_equal(inflate_gzip(packed, packed_len, 0, &out, &len), ERR_OK);
	assert_int_equal(len, 0);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flat_reads_json),
	    cmocka_unit_test(test_flat_unescapes),
	    cmocka_unit_test(test_flat_refuses_broken_json),
	    cmocka_unit_test(test_flat_lists_become_bytes),
	    cmocka_unit_test(test_flat_reads_msgpack),
	    cmocka_unit_test(test_flat_a_long_list_costs_no_tree),
	    cmocka_unit_test(test_flat_top_leaves_the_inside_alone),
	    cmocka_unit_test(test_inflate_unpacks_within_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
