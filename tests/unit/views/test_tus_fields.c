/*
 * Goal: the fields of tus that hold more than a number are read whole or refused: metadata,
 * checksum, lists of uploads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "views/tus_fields.h"

#define ID "0123456789abcdef0123456789abcdef"

static void test_metadata_is_read(void **state)
{
	struct tus_metadata m;

	(void)state;
	assert_int_equal(tus_metadata_read("filename 5pWw5o2uLmNzdg==,filetype dGV4dC9jc3Y= , "
					   "empty,relativePath YS8uL2IvYy5jc3Y=",
					   &m),
			 ERR_OK);
	assert_string_equal(m.name, "\xe6\x95\xb0\xe6\x8d\xae.csv");
	assert_string_equal(m.media_type, "text/csv");
	assert_string_equal(m.rel_path, "a/b/c.csv");
	assert_int_equal(m.pairs.n, 4);
	assert_int_equal(m.n_digests, 0);
	tus_metadata_done(&m);
	assert_int_equal(tus_metadata_read(NULL, &m), ERR_OK);
	assert_null(m.name);
	tus_metadata_done(&m);
	assert_int_equal(tus_metadata_read("  ", &m), ERR_OK);
	tus_metadata_done(&m);
	/* "00112233445566778899AABBCCDDEEFF" */
	assert_int_equal(tus_metadata_read("md5 MDAxMTIyMzM0NDU1NjY3Nzg4OTlBQUJCQ0NEREVFRkY=", &m),
			 ERR_OK);
	assert_int_equal(m.n_digests, 1);
	assert_int_equal(m.digests[0].algorithm, DIGEST_MD5);
	assert_int_equal(m.digests[0].value[15], 0xFF);
	tus_metadata_done(&m);
}

static void test_metadata_is_refused_when_malformed(void **state)
{
	static const char *const bad[] = {",",
					  "a,",
					  ",a",
					  "a,,b",
					  "a,a",
					  "a QQ==,a QQ==",
					  "a QQ",
					  "a QQ= =",
					  "a Q Q=",
					  "\xc3\xa9 QQ==",
					  "a\tQQ==",
					  "filename //4=",
					  "filename YQBi",
					  "relativePath Li4veA==",
					  "relativePath L3g=",
					  "relativePath YS8vYg==",
					  "relativePath Lg==",
					  "sha256 QQ==",
					  NULL};
	struct tus_metadata m;
	char *longest = mem_alloc(TUS_METADATA_BYTES + 2);

	(void)state;
	for (size_t i = 0; bad[i] != NULL; i++) {
		if (tus_metadata_read(bad[i], &m) != ERR_METADATA)
			fail_msg("took %s", bad[i]);
		tus_metadata_done(&m);
	}
	memset(longest, 'k', TUS_METADATA_BYTES);
	assert_int_equal(tus_metadata_read(longest, &m), ERR_OK);
	tus_metadata_done(&m);
	longest[TUS_METADATA_BYTES] = 'k';
	assert_int_equal(tus_metadata_read(longest, &m), ERR_METADATA);
	tus_metadata_done(&m);
	free(longest);
}

static void test_checksum_is_read(void **state)
{
	static const char *const bad[] = {"sha1",
					  "sha1 ",
					  "sha1 AAAA",
					  "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0",
					  "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0= x",
					  "",
					  NULL};
	struct checksum sum;

	(void)state;
	assert_int_equal(tus_checksum_read("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", &sum), ERR_OK);
	assert_int_equal(sum.algorithm, DIGEST_SHA1);
	assert_int_equal(sum.value[0], 0x2A);
	assert_int_equal(tus_checksum_read("crc32 DUoRhQ==", &sum), ERR_OK);
	assert_int_equal(tus_checksum_read("foo AAAA", &sum), ERR_ALGORITHM);
	for (size_t i = 0; bad[i] != NULL; i++)
		if (tus_checksum_read(bad[i], &sum) != ERR_BAD_REQUEST)
			fail_msg("took %s", bad[i]);
}

static void test_lists_of_uploads_are_read(void **state)
{
	static const char *const good[] = {
	    "final;/files/" ID, "final; /files/" ID "   https://x:1/mount/files/" ID "/ ",
	    "final;" ID " files/" ID, NULL};
	static const char *const bad[] = {"",
					  "final",
					  "final;",
					  "final; ",
					  "Partial",
					  "partial ",
					  "final;/files/",
					  "final;/other/" ID,
					  "final;xfiles/" ID,
					  "final;/files/x" ID,
					  "final;/files/0123456789ABCDEF0123456789abcdef",
					  "final;" ID " nonsense",
					  NULL};
	static const size_t counts[] = {1, 2, 2};
	struct tus_concat c;

	(void)state;
	assert_int_equal(tus_concat_read(NULL, &c), ERR_OK);
	assert_false(c.partial || c.final);
	assert_int_equal(tus_concat_read("partial", &c), ERR_OK);
	assert_true(c.partial);
	for (size_t i = 0; good[i] != NULL; i++) {
		assert_int_equal(tus_concat_read(good[i], &c), ERR_OK);
		assert_true(c.final);
		assert_int_equal(c.n, counts[i]);
		assert_string_equal(c.list[c.n - 1], ID);
		tus_concat_done(&c);
	}
	for (size_t i = 0; bad[i] != NULL; i++) {
		if (tus_concat_read(bad[i], &c) != ERR_CONCAT)
			fail_msg("took %s", bad[i]);
		tus_concat_done(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_metadata_is_read),
	    cmocka_unit_test(test_metadata_is_refused_when_malformed),
	    cmocka_unit_test(test_checksum_is_read),
	    cmocka_unit_test(test_lists_of_uploads_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
