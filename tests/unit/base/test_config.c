/*
 * Goal: every setting has a default, is read with its unit, printed so that it reads back; slips
 * are named.
 */
#include <fcntl.h>
#include <unistd.h>
#include "base/config.h"
#include "base/config_target.h"
#include "base/fs.h"
#include "base/mem.h"
#include "unit.h"

/* Write TEXT as the folder's slipway.conf and load it. */
static enum err load(void **state, const char *text, struct config **ret, struct error *e)
{
	CLEAN_FREE char *path = mem_printf("%s/slipway.conf", (char *)*state);

	assert_int_equal(fs_replace(AT_FDCWD, path, text, strlen(text), NULL), ERR_OK);
	return config_load(path, NULL, "x", ret, e);
}

static void test_config_defaults(void **state)
{
	struct config *c;
	struct error e = {0};

	assert_int_equal(load(state, "", &c, &e), ERR_OK);
	assert_int_equal(c->upload_max_size, 10 * GIB);
	assert_int_equal(c->jail_min_level, 2);
	assert_int_equal(c->threads, 16);
	assert_int_equal(c->upload_sync, UPLOAD_SYNC_FULL);
	assert_int_equal(c->sendfile, SENDFILE_NONE);
	assert_true(c->async_import && c->compat_get_run && c->worker_spawn && c->time_enabled);
	assert_false(c->compat_get_delete || c->anonymous_uploads || c->hsts || c->interim ||
		     c->read_only);
	assert_string_equal(c->public_url, "");
	assert_string_equal(c->store_regions, "auto");
	assert_string_equal(c->compat_workspace, "geonode");
	assert_null(c->mount);
	assert_null(c->log_file);
	assert_true(c->data_dir[0] == '/' && c->template_dir[0] == '/' && c->static_dir[0] == '/');
	assert_null(strstr(c->data_dir, ".."));
	assert_string_equal(strrchr(c->data_dir, '/'), "/var");
	assert_true(access(c->program_dir, X_OK) == 0);
	config_free(c);
}

static void test_config_reads_values(void **state)
{
	struct config *c;
	struct error e = {0};
	CLEAN_FREE char *want = mem_printf("%s/data", (char *)*state);

	assert_int_equal(
	    load(state,
		 "# comment\n[site]\ndata_dir = x/../data ; beside this file\n"
		 "public_url = https://maps.example/up/\nread_only = Yes\n"
		 "[upload]\nmax_size = 2G\nquota=512 MiB\nmin_free = 100kb\nsync = none\n"
		 "[server]\nmount = /slipway/\nsendfile = X-Accel\nthreads=4\n"
		 "trusted_proxies = 10.0.0.1,  10.0.0.2\n"
		 "[cors]\norigins = https://a.example\n  https://b.example\n\thttps://c.example\n"
		 "[wizard]\nasync = off\nprefer_charset = gbk\n",
		 &c, &e),
	    ERR_OK);
	assert_string_equal(c->data_dir, want);
	assert_string_equal(c->public_url, "https://maps.example/up");
	assert_true(c->read_only);
	assert_int_equal(c->upload_max_size, 2 * GIB);
	assert_int_equal(c->upload_quota, 512 * MIB);
	assert_int_equal(c->upload_min_free, 100 * KIB);
	assert_int_equal(c->upload_sync, UPLOAD_SYNC_NONE);
	assert_string_equal(c->mount, "/slipway");
	assert_int_equal(c->sendfile, SENDFILE_X_ACCEL);
	assert_int_equal(c->threads, 4);
	assert_string_equal(c->trusted_proxies, "10.0.0.1 10.0.0.2");
	assert_string_equal(c->cors_origins,
			    "https://a.example https://b.example https://c.example");
	assert_false(c->async_import);
	assert_string_equal(c->prefer_charset, "GB18030");
	config_free(c);
}

static void test_config_targets(void **state)
{
	struct config *c;
	struct error e = {0};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	CLEAN_FREE char *want = mem_printf("%s/pw", (char *)*state);

	assert_int_equal(
	    load(state,
		 "[target]\nshop = host=db.example dbname='my shop' sslmode=verify-full\n"
		 "shop_password_file = pw\nother_password_file = /x\n",
		 &c, &e),
	    ERR_OK);
	assert_string_equal(config_target_find(c, "shop")->text,
			    "host=db.example dbname='my shop' sslmode=verify-full");
	assert_string_equal(config_target_find(c, "shop")->password_file, want);
	assert_null(config_target_find(c, "other"));
	assert_null(config_target_find(c, "sho"));
	config_print(c, out);
	(void)fclose(out);
	assert_non_null(strstr(text,
			       "[target]\nshop = host=db.example dbname='my shop' "
			       "sslmode=verify-full ; slipway.conf:2\nshop_password_file = "));
	free(text);
	config_free(c);
}

/* What stands beyond either end of a limit's range is refused, the ends themselves are taken. */
static void test_config_limits_have_two_ends(void **state)
{
	static const struct {
		const char *section, *key;
		int64_t def, least, most;
	} rows[] = {
#define X(field, section, key, def, least, most) {section, key, def, least, most},
	    LIMITS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int64_t ends[] = {rows[i].least - 1, rows[i].least, rows[i].def, rows[i].most,
					rows[i].most + 1};

		for (size_t k = 0; k < sizeof(ends) / sizeof(ends[0]); k++) {
			CLEAN_FREE char *text = mem_printf("[%s]\n%s = %lld\n", rows[i].section,
							   rows[i].key, (long long)ends[k]);
			bool fits = k > 0 && k + 1 < sizeof(ends) / sizeof(ends[0]);
			struct config *c = NULL;
			struct error e = {0};

			if (ends[k] < 0)
				continue;
			assert_int_equal(load(state, text, &c, &e),
					 fits ? ERR_OK : ERR_BAD_REQUEST);
			assert_true(fits || strstr(e.text, "out of range: ") != NULL);
			config_free(c);
		}
	}
}

static void test_config_names_the_slip(void **state)
{
	static const struct {
		const char *text, *line, *why;
	} rows[] = {
	    {"[upload]\n\nmax_sise = 1\n", ":3:", "[upload] max_sise: unknown setting"},
	    {"[target]\na = host=x password = y\n", ":2:", "[target] a: write host="},
	    {"[target]\na = postgresql://u:p@h/d\n", ":2:", "[target] a: write host="},
	    {"[target]\na = host=x\na = host=y\n", ":3:", "[target] a: given twice"},
	    {"[target]\ndefault = host=x\n", ":2:", "[target] default: \"default\""},
	    {"[target]\nA b = host=x\n", ":2:", "[target] A b: a name"},
	    {"[uplaod]\nmax_size = 1\n", ":2:", "[uplaod] max_size: unknown setting"},
	    {"max_size = 1\n", ":1:", "unknown setting"},
	    {"[upload]\nmax_size = 1X\n", ":2:", "not a whole number"},
	    {"[upload]\nmax_size = -1\n", ":2:", "not a whole number"},
	    {"[upload]\nmax_size =\n", ":2:", "not a whole number"},
	    {"[upload]\nmax_size = 9223372036854775807K\n", ":2:", "not a whole number"},
	    {"[upload]\nmax_size = 1\nmax_size = 2\n", ":3:", "given twice"},
	    {"[upload]\nsync = maybe\n", ":2:", "neither full nor none"},
	    {"[server]\nthreads = 0\n", ":2:", "out of range: 1 to 1K"},
	    {"[jail]\nmin_level = 4\n", ":2:", "out of range: 1 to 3"},
	    {"[upload]\nbody_idle = 0\n", ":2:", "[upload] body_idle: out of range: 1 to 86400"},
	    {"[jail]\nmemory = 1M\n", ":2:", "[jail] memory: out of range: 256M to"},
	    {"[server]\nhsts = perhaps\n", ":2:", "neither yes nor no"},
	    {"[server]\nhsts =\n", ":2:", "neither yes nor no"},
	    {"[server]\nmount = slipway\n", ":2:", "does not begin with /"},
	    {"[server]\nsendfile = nginx\n", ":2:", "none of none"},
	    {"[site]\npublic_url = maps.example\n", ":2:", "does not begin with https"},
	    {"[site]\npublic_url = https://a b\n", ":2:", "has no place"},
	    {"[wizard]\nprefer_charset = klingon\n", ":2:", "unknown charset"},
	    {"[page]\ntile_url = \xFF\n", ":2:", "not UTF-8"},
	    {"[server]\ntrusted_proxies = 10.0.0.1 proxy\n", ":2:", "not addresses or ranges"},
	    {"[server]\ntrusted_proxies = 10.0.0.0/33\n", ":2:", "not addresses or ranges"},
	    {"[server]\ntrusted_proxies = ::1\n  10.0.0.1:80\n", ":3:", "not addresses"},
	    {"[metrics]\naddress = localhost\n", ":2:", "not addresses or ranges"},
	    {"[cors]\norigins = maps.example\n", ":2:", "not origins like"},
	    {"[cors]\norigins = https://a.example/\n", ":2:", "not origins like"},
	    {"[iserver]\ndenied_files = .sh php\n", ":2:", "not endings like .php"},
	    {"[jail]\nextra_drivers = HFA VRT\n", ":2:", "none of HFA, JP2OpenJPEG, NITF"},
	    {"[iportal]\nservice = WFS200\n", ":2:", "not services like"},
	    {"[site]\npublic_url = https://\n", ":2:", "not an address like"},
	    {"[site]\npublic_url = https://u:p@host\n", ":2:", "not an address like"},
	    {"[mail]\nsmtp_url = smtp://\n", ":2:", "not an address like"},
	    {"[page]\ntile_url = https://host/tiles.png\n", ":2:", "not an address like"},
	    {"[login]\nfirst_token_sha256 = secret\n", ":2:", "not a SHA-256"},
	    {"[store]\nregions = shm\n", ":2:", "neither auto nor the path"},
	    {"[site]\nnonsense\n", ":2:", "not \"key = value\""},
	    {"[site\n", ":1:", "not \"key = value\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *c = NULL;
		struct error e = {0};

		assert_int_equal(load(state, rows[i].text, &c, &e), ERR_BAD_REQUEST);
		assert_null(c);
		if (strstr(e.text, rows[i].line) == NULL || strstr(e.text, rows[i].why) == NULL)
			fail_msg("%zu: %s", i, e.text);
	}
}

static void test_config_long_lines_and_missing_files_are_told(void **state)
{
	char text[500];
	struct config *c = NULL;
	struct error e = {0}, f = {0};

	memset(text, 'x', sizeof(text));
	memcpy(text, "[page]\ntile_url=", 16);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(load(state, text, &c, &e), ERR_BAD_REQUEST);
	assert_non_null(strstr(e.text, ":2: line longer"));
	assert_int_equal(config_load("/nonexistent/slipway.conf", NULL, "x", &c, &f),
			 ERR_BAD_REQUEST);
	assert_non_null(strstr(f.text, "cannot be read"));
}

/* Cut the comments that tell where each value comes from. */
static void drop_origins(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0';) {
		if (at[0] == ' ' && at[1] == ';')
			at += strcspn(at, "\n");
		else
			*to++ = *at++;
	}
	*to = '\0';
}

static void test_config_prints_what_reads_back(void **state)
{
	CLEAN_FREE char *first = NULL;
	CLEAN_FREE char *second = NULL;
	struct config *c;
	struct error e = {0};
	FILE *out;
	size_t len;

	assert_int_equal(load(state,
			      "[site]\npublic_url = https://maps.example\n[upload]\nmax_size = "
			      "1500M\nmin_free = 0\n"
			      "[server]\nsendfile = x-sendfile\nmount = /m\n[cors]\norigins = "
			      "http://a https://b:81\n[log]\nfile = /tmp/l\n",
			      &c, &e),
			 ERR_OK);
	out = open_memstream(&first, &len);
	config_print(c, out);
	(void)fclose(out);
	config_free(c);
	assert_non_null(strstr(first, "max_size = 1500M ; slipway.conf:4\n"));
	assert_non_null(strstr(first, "min_free = 0 ; slipway.conf:5\n"));
	assert_non_null(strstr(first, "checkpoint = 64M ; default\n"));
	assert_non_null(strstr(first, "/var ; found\n"));
	assert_int_equal(load(state, first, &c, &e), ERR_OK);
	out = open_memstream(&second, &len);
	config_print(c, out);
	(void)fclose(out);
	config_free(c);
	drop_origins(first);
	drop_origins(second);
	assert_string_equal(first, second);
}

static void test_config_check_tells_every_slip(void **state)
{
	static const char text[] = "[upload]\nmax_sise = 1\nnonsense\n[server]\nthreads = "
				   "x\n[log]\nformat = json\nformat = text\n[log\n";
	CLEAN_FREE char *path = mem_printf("%s/slipway.conf", (char *)*state);
	CLEAN_FREE char *told = NULL;
	struct error e = {0};
	int slips = 0;
	size_t len;
	FILE *out = open_memstream(&told, &len);

	assert_int_equal(fs_replace(AT_FDCWD, path, text, strlen(text), NULL), ERR_OK);
	assert_int_equal(config_check(path, out, &slips, &e), ERR_OK);
	(void)fclose(out);
	assert_int_equal(slips, 5);
	assert_non_null(strstr(told, "slipway.conf:2: [upload] max_sise: unknown setting\n"));
	assert_non_null(strstr(told, "slipway.conf:3: not \"key = value\" or \"[section]\"\n"));
	assert_non_null(strstr(told, "slipway.conf:5: [server] threads: not a whole number"));
	assert_non_null(strstr(told, "slipway.conf:8: [log] format: given twice\n"));
	assert_non_null(strstr(told, "slipway.conf:9: not \"key"));
	assert_int_equal(config_check("/nonexistent/slipway.conf", stdout, &slips, &e),
			 ERR_BAD_REQUEST);
}

static void test_config_is_found_in_order(void **state)
{
	CLEAN_FREE char *home = mem_printf("%s/.slipway.conf", (char *)*state);
	CLEAN_FREE char *env = mem_printf("%s/env.conf", (char *)*state);
	struct config *c;

	assert_int_equal(fs_replace(AT_FDCWD, home, "[server]\nthreads=3\n", 19, NULL), ERR_OK);
	assert_int_equal(fs_replace(AT_FDCWD, env, "[server]\nthreads=5\n", 19, NULL), ERR_OK);
	assert_int_equal(setenv("HOME", *state, 1), 0);
	assert_int_equal(config_load(NULL, "/srv/./a/../b/", "x", &c, NULL), ERR_OK);
	assert_int_equal(c->threads, 3);
	assert_string_equal(c->path, home);
	assert_string_equal(c->data_dir, "/srv/b");
	config_free(c);
	assert_int_equal(setenv("SLIPWAY_CONF", env, 1), 0);
	assert_int_equal(config_load(NULL, NULL, "x", &c, NULL), ERR_OK);
	assert_int_equal(c->threads, 5);
	config_free(c);
	assert_int_equal(config_load(home, NULL, "x", &c, NULL), ERR_OK);
	assert_int_equal(c->threads, 3);
	config_free(c);
	assert_int_equal(unsetenv("SLIPWAY_CONF"), 0);
	config_free(NULL);
}

static void test_config_may_be_a_link(void **state)
{
	CLEAN_FREE char *real = mem_printf("%s/real.conf", (char *)*state);
	CLEAN_FREE char *link = mem_printf("%s/link.conf", (char *)*state);
	struct config *c;

	assert_int_equal(fs_replace(AT_FDCWD, real, "[server]\nthreads=3\n", 19, NULL), ERR_OK);
	assert_int_equal(symlink("real.conf", link), 0);
	assert_int_equal(config_load(link, NULL, "x", &c, NULL), ERR_OK);
	assert_int_equal(c->threads, 3);
	config_free(c);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, unit_folder_make, unit_folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_FOLDER(test_config_defaults),
	    IN_FOLDER(test_config_reads_values),
	    IN_FOLDER(test_config_targets),
	    IN_FOLDER(test_config_names_the_slip),
	    IN_FOLDER(test_config_limits_have_two_ends),
	    IN_FOLDER(test_config_long_lines_and_missing_files_are_told),
	    IN_FOLDER(test_config_prints_what_reads_back),
	    IN_FOLDER(test_config_check_tells_every_slip),
	    IN_FOLDER(test_config_is_found_in_order),
	    IN_FOLDER(test_config_may_be_a_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
