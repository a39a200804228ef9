/*
 * Goal: the documented vectors are right, and what was forged from them is refused: length
 * extension, shifted fields, control characters, other lengths; either of two secrets holds while
 * one replaces the other.
 */
#include "signed/signature.h"
#include "base/unit.h"

#define KEY1  "slipway-demo-key-0001"
#define KEY3  "密钥-key-0002"
#define STAMP "1700000000000"

static bool sha1_ok(const char *secret, const char *stamp, const char *visitor, const char *type,
		    const char *token)
{
	return signature_sha1_ok(&secret, 1, stamp, visitor, type, token);
}

static void test_sha1_vectors(void **state)
{
	static const struct {
		const char *key, *visitor, *type, *token;
	} rows[] = {
	    {KEY1, "loader", "123", "0bbc9c722806fd475f3ed6f9d665b6f6a84547d7"},
	    {KEY1, "loader", "sales_upload", "04c62f08426ccae6b8553471adabb9b5d9848078"},
	    {KEY3, "张三", "库存", "4745c03ff01fdd30b2d16d6508e359adefc2c3ad"},
	    {"S3cr3tKey0", "alice", "123", "bf1d9696f2fbb2a9d4d22c7942010c598ddb91f2"},
	    {"smartchartxxx", "test2", "123", "d08fab6e36a5732d0f6977e366b58503dd38bd25"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char token[41], upper[41];

		signature_sha1(rows[i].key, STAMP, rows[i].visitor, rows[i].type, token);
		assert_string_equal(token, rows[i].token);
		for (size_t c = 0; c <= 40; c++)
			upper[c] = (char)(token[c] >= 'a' ? token[c] - 32 : token[c]);
		assert_true(sha1_ok(rows[i].key, STAMP, rows[i].visitor, rows[i].type, token));
		assert_true(sha1_ok(rows[i].key, STAMP, rows[i].visitor, rows[i].type, upper));
		assert_false(sha1_ok("another-key", STAMP, rows[i].visitor, rows[i].type, token));
		assert_false(
		    sha1_ok(rows[i].key, "1700000000001", rows[i].visitor, rows[i].type, token));
		assert_false(sha1_ok(rows[i].key, STAMP, rows[i].visitor, "124", token));
		assert_false(sha1_ok(rows[i].key, STAMP, "eve", rows[i].type, token));
	}
}

static void test_sha1_takes_40_hex_digits_only(void **state)
{
	(void)state;
	assert_false(sha1_ok(KEY1, STAMP, "loader", "123", ""));
	assert_false(
	    sha1_ok(KEY1, STAMP, "loader", "123", "0bbc9c722806fd475f3ed6f9d665b6f6a84547d"));
	assert_false(
	    sha1_ok(KEY1, STAMP, "loader", "123", "0bbc9c722806fd475f3ed6f9d665b6f6a84547d70"));
	assert_false(
	    sha1_ok(KEY1, STAMP, "loader", "123", "0bbc9c722806fd475f3ed6f9d665b6f6a84547dg"));
	assert_false(
	    sha1_ok(KEY1, STAMP, "loader", "123", " bbc9c722806fd475f3ed6f9d665b6f6a84547d7"));
	assert_false(
	    sha1_ok(KEY1, STAMP, "loader", "123", "0000000000000000000000000000000000000000"));
}

/* The forged tokens are right by the formula, which the check of characters never lets run. */
static void test_length_extension_is_refused_by_its_characters(void **state)
{
	static const char one[] = "123\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01X456";
	char two[3 + 1 + 31 + 1 + 1] = "123\x80", three[4 + 27 + 5] = "123\x80";

	(void)state;
	two[35] = (char)0xF8;
	two[36] = '9';
	memcpy(three + 31,
	       "\x01\x10"
	       "456",
	       5);
	assert_false(signature_text_ok(one, sizeof(one) - 1));
	assert_false(signature_text_ok(two, sizeof(two)));
	assert_false(signature_text_ok(three, sizeof(three)));
	/* What a parser that stops at NUL would see of them. */
	assert_false(signature_text_ok("123\x80", 4));
}

static void test_shifted_fields(void **state)
{
	int64_t ms;
	char a[41], b[41];

	(void)state;
	/* These two have one token, so that two accounts must not have one secret. */
	signature_sha1(KEY1, STAMP, "a", "b1", a);
	signature_sha1(KEY1, STAMP, "ab", "1", b);
	assert_string_equal(a, "41a32e8a36c001c424aff44763fb094c9943cfda");
	assert_string_equal(a, b);
	assert_false(signature_secrets_apart(KEY1, KEY1));
	assert_false(signature_secrets_apart(KEY1, "slipway-demo-key-00011"));
	assert_false(signature_secrets_apart("slipway-demo-key-00011", KEY1));
	assert_true(signature_secrets_apart(KEY1, "slipway-demo-key-0002"));
	/* The first digit of the visitor moved into the stamp: fourteen. */
	signature_sha1("S3cr3tKey0", "17000000000001", "alice", "123", a);
	signature_sha1("S3cr3tKey0", STAMP, "1alice", "123", b);
	assert_string_equal(a, b);
	assert_string_equal(a, "5bfad094bc1336639dd3f6a4e78921ecef467023");
	assert_false(signature_stamp("17000000000001", &ms));
}

static void test_stamp_is_thirteen_digits(void **state)
{
	static const char *const wrong[] = {"",
					    "0",
					    "-1",
					    "1700000000",
					    "170000000000",
					    "17000000000000",
					    "-170000000000",
					    "+170000000000",
					    " 170000000000",
					    "170000000000 ",
					    "1700000000.00",
					    "9007199254740992",
					    "17000000e0000",
					    "0x18bcfe56800",
					    "١٧٠٠٠٠٠",
					    "170000000000a",
					    "1700000000000\n"};
	int64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(signature_stamp(wrong[i], &ms));
	assert_int_equal(ms, 7);
	assert_true(signature_stamp(STAMP, &ms));
	assert_int_equal(ms, 1700000000000);
}

static void test_text_characters(void **state)
{
	static const char *const wrong[] = {"",
					    "a\x01",
					    "\x1F",
					    "a\nb",
					    "a\r",
					    "a\tb",
					    "a\x7F",
					    "\xC2\x80",
					    "\xC2\x9F",
					    "\x80",
					    "\xC0\xAF",
					    "\xED\xA0\x80",
					    "\xF5\x80\x80\x80",
					    "a\xE5\xBC",
					    "\xFF",
					    "\xE0\x80\xAF"};
	char long_text[257];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(signature_text_ok(wrong[i], strlen(wrong[i])));
	assert_false(signature_text_ok("a\0b", 3));
	assert_true(signature_text_ok("张三", 6) && signature_text_ok("a b", 3) &&
		    signature_text_ok("\xC2\xA0", 2));
	memset(long_text, 'x', sizeof(long_text));
	assert_true(signature_text_ok(long_text, 255));
	assert_false(signature_text_ok(long_text, 256));
}

static void test_both_secrets_during_rotation(void **state)
{
	const char *both[] = {"the-new-secret-0003", KEY1};
	const char *token = "0bbc9c722806fd475f3ed6f9d665b6f6a84547d7";
	char fresh[41];

	(void)state;
	signature_sha1(both[0], STAMP, "loader", "123", fresh);
	assert_true(signature_sha1_ok(both, 2, STAMP, "loader", "123", token));
	assert_true(signature_sha1_ok(both, 2, STAMP, "loader", "123", fresh));
	assert_false(signature_sha1_ok(both, 1, STAMP, "loader", "123", token));
	assert_false(signature_sha1_ok(both, 0, STAMP, "loader", "123", fresh));
	assert_true(signature_plain_ok(both, 2, KEY1));
	assert_false(signature_plain_ok(both, 1, KEY1));
	assert_false(signature_plain_ok(both, 2, "slipway-demo-key-000") ||
		     signature_plain_ok(both, 2, "") ||
		     signature_plain_ok(both, 2, "slipway-demo-key-00010"));
}

static const struct hmac_request hmac_rows[] = {
    {STAMP, "9f1c2b7e5a", "loader", "POST", "/echart/dataset_api/", "",
     "32a43f302a1806dc67294b897dd72643c9d5a68eadd57a1690bbd4015c6e15d3"},
    {STAMP, "9f1c2b7e5b", "loader", "GET", "/slipway/echart/dataset_api/",
     "type=uploadlog&param=%7B%22filename%22%3A%22march.xlsx%22%7D",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {STAMP, "9f1c2b7e5c", "%E5%BC%A0%E4%B8%89", "POST", "/echart/dataset_api/", "",
     "ddd0fe3db8e8ea3aa58dd160d937316996f68f21edfa5f621198f9e832c60247"},
};
static const char *const hmac_sums[] = {
    "84739db5a68bdac7c950a4abce33a72e98b85396e934b59c58c305e30b10ccd8",
    "5459e6bbbfb0ca780a9256d17bd3d3867f6ed644ceb2c260dd45ea9aa5ba87a3",
    "4d03014eb4a6b519dd9d22722bc22dab7dc0a6eee9503494c222fed70e42c72c",
};

static void test_hmac_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const char *key = i == 2 ? KEY3 : KEY1;
		char sum[65], header[128];

		signature_hmac(key, &hmac_rows[i], sum);
		assert_string_equal(sum, hmac_sums[i]);
		assert_true(signature_hmac_shape_ok(&hmac_rows[i]));
		(void)snprintf(header, sizeof(header), "v1=%s", sum);
		assert_true(signature_hmac_ok(&key, 1, &hmac_rows[i], header));
		header[10] = header[10] == '0' ? '1' : '0';
		assert_false(signature_hmac_ok(&key, 1, &hmac_rows[i], header));
	}
}

static void test_hmac_visitor_in_the_header(void **state)
{
	static const char *const rows[][2] = {{"loader", "loader"},
					      {"张三", "%E5%BC%A0%E4%B8%89"},
					      {"a b%/+", "a%20b%25%2F%2B"},
					      {"-._~", "-._~"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *got = signature_visitor(rows[i][0]);

		assert_string_equal(got, rows[i][1]);
		free(got);
	}
}

static void test_hmac_covers_every_part(void **state)
{
	const char *key = KEY1;
	char header[80];

	(void)state;
	(void)snprintf(header, sizeof(header), "v1=%s", hmac_sums[1]);
	for (int part = 0; part < 7; part++) {
		struct hmac_request q = hmac_rows[1];
		const char **field[] = {&q.timestamp, &q.nonce, &q.visitor,	  &q.method,
					&q.path,      &q.query, &q.content_sha256};

		*field[part] = "other";
		assert_false(signature_hmac_ok(&key, 1, &q, header));
	}
}

static void test_hmac_header_of_several(void **state)
{
	const char *both[] = {"the-new-secret-0003", KEY1};
	char header[400];

	(void)state;
	(void)snprintf(header, sizeof(header), "v1=%064d, v1=%s", 0, hmac_sums[0]);
	assert_true(signature_hmac_ok(both, 2, &hmac_rows[0], header));
	assert_false(signature_hmac_ok(both, 1, &hmac_rows[0], header));
	(void)snprintf(header, sizeof(header), "v2=%s", hmac_sums[0]);
	assert_false(signature_hmac_ok(both, 2, &hmac_rows[0], header));
	assert_false(signature_hmac_ok(both, 2, &hmac_rows[0], hmac_sums[0]));
	assert_false(signature_hmac_ok(both, 2, &hmac_rows[0], ""));
	assert_false(signature_hmac_ok(both, 2, &hmac_rows[0], ",,, ,"));
	assert_false(signature_hmac_ok(both, 2, &hmac_rows[0], "v1="));
}

static void test_hmac_shape(void **state)
{
	static const struct {
		const char *nonce, *hash, *stamp;
	} wrong[] = {
	    {"1234567", NULL, STAMP},
	    {"12345678901234567890123456789012345678901234567890123456789012345", NULL, STAMP},
	    {"12345678 ", NULL, STAMP},
	    {"1234567é", NULL, STAMP},
	    {"12345678", "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", STAMP},
	    {"12345678", "e3b0c4", STAMP},
	    {"12345678", NULL, "1700000000"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct hmac_request q = hmac_rows[1];

		q.nonce = wrong[i].nonce;
		q.timestamp = wrong[i].stamp;
		if (wrong[i].hash != NULL)
			q.content_sha256 = wrong[i].hash;
		assert_false(signature_hmac_shape_ok(&q));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sha1_vectors),
	    cmocka_unit_test(test_sha1_takes_40_hex_digits_only),
	    cmocka_unit_test(test_length_extension_is_refused_by_its_characters),
	    cmocka_unit_test(test_shifted_fields),
	    cmocka_unit_test(test_stamp_is_thirteen_digits),
	    cmocka_unit_test(test_text_characters),
	    cmocka_unit_test(test_both_secrets_during_rotation),
	    cmocka_unit_test(test_hmac_vectors),
	    cmocka_unit_test(test_hmac_visitor_in_the_header),
	    cmocka_unit_test(test_hmac_covers_every_part),
	    cmocka_unit_test(test_hmac_header_of_several),
	    cmocka_unit_test(test_hmac_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
