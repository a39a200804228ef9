/*
 * Goal: the digests are the standards', random text has the right alphabet, comparing never
 * short-cuts.
 */
#include "base/token.h"
#include "unit.h"

static void test_token_random_text(void **state)
{
	char a[129], b[129], odd[33], letters[4097];
	bool seen[128] = {false};

	(void)state;
	token_hex(a, 32);
	token_hex(b, 32);
	assert_true(token_is_hex(a, 32));
	assert_string_not_equal(a, b);
	token_hex(a, 128);
	assert_true(token_is_hex(a, 128));
	token_letters(odd, 32);
	assert_int_equal(strlen(odd), 32);
	token_letters(letters, 4096);
	for (int i = 0; i < 4096; i++)
		seen[(int)letters[i]] = true;
	for (int c = 0; c < 128; c++)
		assert_int_equal(seen[c], (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
					      (c >= 'a' && c <= 'z'));
	token_hex(a, 0);
	assert_string_equal(a, "");
}

static void test_token_known_sums(void **state)
{
	char s[65];

	(void)state;
	token_sha256_hex("abc", 3, s);
	assert_string_equal(s, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	/* RFC 4231, case 2. */
	token_hmac_hex("Jefe", 4, "what do ya want for nothing?", 28, s);
	assert_string_equal(s, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	token_hmac_hex(NULL, 0, "", 0, s);
	assert_string_equal(s, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_token_comparing(void **state)
{
	(void)state;
	assert_true(token_equal("abc", "abc"));
	assert_true(token_equal("", ""));
	assert_false(token_equal("abc", "abd") || token_equal("ab", "abc") ||
		     token_equal("abcd", "abc"));
	assert_false(token_equal(NULL, "a") || token_equal("a", NULL) || token_equal(NULL, NULL));
	assert_true(token_is_hex("09af", 4));
	assert_false(token_is_hex("09AF", 4) || token_is_hex("09a", 4) ||
		     token_is_hex("09afa", 4) || token_is_hex(NULL, 0) || token_is_hex("09ag", 4));
}

/* The digest of TEXT fed N bytes at a time, in hex. */
static void sum(enum digest kind, const char *text, size_t n, char out[129])
{
	struct digest_run *run = digest_new(kind);
	unsigned char raw[64];

	for (size_t at = 0; at < strlen(text); at += n)
		digest_feed(run, text + at, strlen(text) - at < n ? strlen(text) - at : n);
	digest_end(run, raw);
	for (size_t i = 0; i < digest_size(kind); i++)
		(void)snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

static void test_digest_vectors_in_any_pieces(void **state)
{
	static const struct {
		const char *name;
		enum digest kind;
		const char *hello; /* of "hello world", transports.md 3 */
	} rows[] = {
	    {"md5", DIGEST_MD5, "5eb63bbbe01eeed093cb22bb8f5acdc3"},
	    {"sha1", DIGEST_SHA1, "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"},
	    {"sha256", DIGEST_SHA256,
	     "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"},
	    {"sha512", DIGEST_SHA512,
	     "309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f"
	     "989dd35bc5ff499670da34255b45b0cfd830e81f605dcf7dc5542e93ae9cd76f"},
	    {"crc32", DIGEST_CRC32, "0d4a1185"},
	};
	char got[129];

	(void)state;
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), DIGEST__MAX);
	for (size_t i = 0; i < DIGEST__MAX; i++) {
		enum digest kind;

		assert_string_equal(digest_name(rows[i].kind), rows[i].name);
		assert_true(digest_by_name(rows[i].name, &kind));
		assert_int_equal(kind, rows[i].kind);
		for (size_t n = 1; n <= 11; n++) {
			sum(kind, "hello world", n, got);
			assert_string_equal(got, rows[i].hello);
		}
	}
	sum(DIGEST_CRC32, "123456789", 9, got);
	assert_string_equal(got, "cbf43926");
	sum(DIGEST_CRC32, "", 1, got);
	assert_string_equal(got, "00000000");
	digest_free(NULL);
	digest_free(digest_new(DIGEST_SHA512));
}

static void test_digest_names_of_http(void **state)
{
	enum digest kind;

	(void)state;
	assert_true(digest_by_name("SHA-256", &kind) && kind == DIGEST_SHA256);
	assert_true(digest_by_name("sha-512", &kind) && kind == DIGEST_SHA512);
	assert_true(digest_by_name("sha", &kind) && kind == DIGEST_SHA1);
	assert_false(digest_by_name("sha3", &kind) || digest_by_name("", &kind) ||
		     digest_by_name(NULL, &kind));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_token_random_text),
	    cmocka_unit_test(test_token_known_sums),
	    cmocka_unit_test(test_token_comparing),
	    cmocka_unit_test(test_digest_vectors_in_any_pieces),
	    cmocka_unit_test(test_digest_names_of_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
