/*
 * Goal: every web server's own configuration includes the file that is shipped for it and says what
 * differs: where it listens, the mount, the socket; what could mean something else in it is refused
 * before it is written.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "admin/web.h"
#include "base/fs.h"
#include "base/mem.h"

static const char *const words[] = {"lighttpd", "nginx", "apache", "apache-fcgid", "cgi"};
#define N_WORDS (sizeof(words) / sizeof(*words))

static void test_web_is_found_by_its_word(void **state)
{
	CLEAN_FREE char *names = web_names();

	(void)state;
	for (size_t i = 0; i < N_WORDS; i++) {
		const struct web *web = web_find(words[i]);
		assert_non_null(web);
		assert_non_null(strstr(names, words[i]));
		assert_int_equal(web_starts_fronts(web), i >= 3);
	}
	assert_null(web_find("iis"));
	assert_null(web_find(""));
}

static void test_web_mount_is_a_plain_path(void **state)
{
	static const struct {
		const char *said, *mount;
	} rows[] = {
	    {"/", ""},
	    {"/maps", "/maps"},
	    {"/maps/", "/maps"},
	    {"/geo/upload.cgi", "/geo/upload.cgi"},
	    {"/~mei/s-1_2", "/~mei/s-1_2"},
	    {"", NULL},
	    {"maps", NULL},
	    {"/a b", NULL},
	    {"/a\"b", NULL},
	    {"/a;b", NULL},
	    {"/$a", NULL},
	    {"/../a", NULL},
	    {"//a", NULL},
	    {"/a\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CLEAN_FREE char *mount = web_mount(rows[i].said);
		if (rows[i].mount == NULL)
			assert_null(mount);
		else
			assert_string_equal(mount, rows[i].mount);
	}
}

/* What WEB is told, in a folder of its own; NULL: refused with *RET_ERR. */
static char *written(const char *word, struct config *config, const char *address,
		     const char *mount, enum err *ret_err)
{
	char dir[] = "/tmp/slipway-unit-XXXXXX";
	struct error error = {0};
	char *text = NULL;
	size_t len;

	assert_non_null(mkdtemp(dir));
	struct web_site site = {config, address, "8080", mount, dir};
	CLEAN_FREE char *path = mem_printf("%s/web.conf", dir);
	*ret_err = web_prepare(web_find(word), &site, &error);
	if (*ret_err == ERR_OK)
		assert_int_equal(fs_read_file(AT_FDCWD, path, 1 << 16, &text, &len, NULL), ERR_OK);
	(void)fs_remove_tree(AT_FDCWD, dir, NULL);
	return text;
}

static void test_web_configuration_says_what_differs(void **state)
{
	static const char *const shipped[] = {"/lighttpd/slipway.conf\"", "/nginx/slipway.conf\"",
					      "/apache/slipway.conf\"",
					      "/apache/slipway-fcgid.conf\"", "AllowOverride All"};
	struct config config = {.data_dir = (char *)"/srv/data",
				.template_dir = (char *)"templates",
				.program_dir = (char *)"/usr/lib/slipway"};
	enum err err;

	(void)state;
	for (size_t i = 0; i < N_WORDS; i++) {
		CLEAN_FREE char *text = written(words[i], &config, "::1", "/maps", &err);
		if (geteuid() == 0 && i >= 2) {
			assert_int_equal(err, ERR_UNAVAILABLE); /* Apache serves nothing as root */
			continue;
		}
		assert_int_equal(err, ERR_OK);
		assert_non_null(strstr(text, shipped[i]));
		assert_non_null(strstr(text, "[::1]"));
		assert_true(strstr(text, "/maps") != NULL || i == 4);
		assert_true((strstr(text, "front.sock") != NULL) == (i < 3));
	}
}

static void test_web_refuses_paths_with_a_meaning(void **state)
{
	static const char *const bad[] = {"/srv/a\"b", "/srv/a\nb", "/srv/${a}", "/srv/a\\b",
					  "/srv/%{x}"};
	enum err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		for (size_t w = 0; w < N_WORDS; w++) {
			struct config config = {.data_dir = (char *)bad[i],
						.template_dir = (char *)"templates",
						.program_dir = (char *)"/usr/lib/slipway"};
			assert_null(written(words[w], &config, "127.0.0.1", "", &err));
			assert_int_equal(err, ERR_BAD_REQUEST);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_web_is_found_by_its_word),
	    cmocka_unit_test(test_web_mount_is_a_plain_path),
	    cmocka_unit_test(test_web_configuration_says_what_differs),
	    cmocka_unit_test(test_web_refuses_paths_with_a_meaning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
