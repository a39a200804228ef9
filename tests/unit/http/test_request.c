/*
 * Goal: a request means the same under every web server: mount, path, body, address, language; and
 * what is malformed is refused before anything is done with it.
 */
#include "http/helper.h"

#include "http/field.h"
#include "http/path.h"

static void set(struct test_request *t, const char *config_mount, const char *script,
		const char *info, const char *uri)
{
	const struct config defaults = TEST_CONFIG;

	memset(t, 0, sizeof(*t));
	t->config = defaults;
	t->config.mount = (char *)config_mount;
	test_env(t, "REQUEST_METHOD", "GET");
	if (script != NULL)
		test_env(t, "SCRIPT_NAME", script);
	if (info != NULL)
		test_env(t, "PATH_INFO", info);
	if (uri != NULL)
		test_env(t, "REQUEST_URI", uri);
	test_init(t, "", 0);
}

static void expect_path(const char *config_mount, const char *script, const char *info,
			const char *uri, const char *mount, const char *path)
{
	struct test_request t;

	set(&t, config_mount, script, info, uri);
	if (t.req.error.err != ERR_OK)
		fail_msg("%s %s %s: %s", script, info, uri, t.req.error.text);
	assert_string_equal(t.req.mount, mount);
	assert_string_equal(t.req.path, path);
	test_end(&t);
}

static void expect_path_error(const char *config_mount, const char *script, const char *info,
			      const char *uri, enum err err)
{
	struct test_request t;

	set(&t, config_mount, script, info, uri);
	if (t.req.error.err != err)
		fail_msg("%s %s %s: error %d, wanted %d", script, info, uri, t.req.error.err, err);
	assert_non_null(t.req.path);
	assert_non_null(t.req.mount);
	assert_non_null(t.req.raw_path);
	test_end(&t);
}

static void test_request_finds_its_mount(void **state)
{
	(void)state;
	/* lighttpd with fix-root-scriptname, nginx with split_path_info at "/". */
	expect_path(NULL, "", "/upload/srs", "/upload/srs?id=7", "", "/upload/srs");
	expect_path(NULL, "", "/", "/", "", "/");
	/* Below a mount. */
	expect_path(NULL, "/slipway", "/upload/", "/slipway/upload/", "/slipway", "/upload/");
	expect_path(NULL, "/slipway", "", "/slipway", "/slipway", "/");
	expect_path(NULL, "/cgi-bin/slipway.cgi", "/files/x", "/cgi-bin/slipway.cgi/files/x",
		    "/cgi-bin/slipway.cgi", "/files/x");
	/* Rewritten: the script's name is not what browsers see. */
	expect_path(NULL, "/ht/slipway.cgi", "/upload/", "/ht/upload/", "/ht", "/upload/");
	expect_path(NULL, "/slipway.cgi", "/upload/", "/upload/", "", "/upload/");
	/* The setting wins; REQUEST_URI alone then tells the path. */
	expect_path("/slipway", "/slipway/upload/", NULL, "/slipway/upload/?x", "/slipway",
		    "/upload/");
	expect_path("/slipway/", "/x", "/y", "/slipway", "/slipway", "/");
	expect_path("/", "/app", "/a/b", "/a/b", "", "/a/b");
	expect_path_error("/slipway", "", NULL, "/slipwayx/upload/", ERR_NOT_FOUND);
	expect_path_error("/slipway", "", NULL, "/upload/", ERR_NOT_FOUND);
	/* Stock nginx parameters: cannot be told. */
	expect_path_error(NULL, "/slipway/upload/srs", NULL, "/slipway/upload/srs?id=7",
			  ERR_INTERNAL);
	expect_path_error(NULL, "/healthz", "", "/healthz", ERR_INTERNAL);
	/* Nothing but script and info. */
	expect_path(NULL, "/s", "/upload/x y", NULL, "/s", "/upload/x y");
	/* A blank in the mount is written as browsers need it. */
	expect_path(NULL, "/my app", "/upload/", "/my%20app/upload/", "/my%20app", "/upload/");
	expect_path(NULL, "", "/upload/", "http://evil.example/upload/", "", "/upload/");
	expect_path(NULL, "", "/evil.example/upload/", "//evil.example/upload/", "",
		    "/evil.example/upload/");
}

/* Apache's files say it by a variable: SCRIPT_NAME and PATH_INFO are split at the wrong place
 * there. */
static void test_request_is_told_its_mount(void **state)
{
	static const struct {
		const char *setting, *told, *uri, *mount, *path; /* path NULL: outside */
	} rows[] = {
	    {NULL, "/", "/a/b", "", "/a/b"},
	    {NULL, "/gis", "/gis/upload/?x", "/gis", "/upload/"},
	    {NULL, "/gis", "/gis", "/gis", "/"},
	    {NULL, "/gis", "/gisx/upload/", "", NULL},
	    {NULL, "", "/a/b", "/a", "/b"},
	    {"/gis", "/other", "/gis/upload/", "/gis", "/upload/"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct config defaults = TEST_CONFIG;
		struct test_request t = {.config = defaults};
		t.config.mount = (char *)rows[i].setting;
		test_env(&t, "REQUEST_METHOD", "GET");
		test_env(&t, "SCRIPT_NAME", "/a");
		test_env(&t, "PATH_INFO", "/b");
		test_env(&t, "REQUEST_URI", rows[i].uri);
		test_env(&t, "SLIPWAY_MOUNT", rows[i].told);
		/* What a client sends has another name. */
		test_env(&t, "HTTP_SLIPWAY_MOUNT", "/evil");
		test_init(&t, "", 0);
		assert_int_equal(t.req.error.err, rows[i].path != NULL ? ERR_OK : ERR_NOT_FOUND);
		assert_string_equal(t.req.mount, rows[i].mount);
		assert_string_equal(t.req.path, rows[i].path != NULL ? rows[i].path : "/");
		test_end(&t);
	}
}

static void test_request_normalises_its_path(void **state)
{
	static const char *const bad[] = {
	    "/a/../b", "/..", "/a/%2e%2e/b", "/a/%2E./b",     "/..%2f..%2fetc", "/a%00b",
	    "/%zz",    "/%",  "/%u0041",     "/%c0%ae%c0%ae", "/%ed%a0%80",	"/%ff"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		expect_path_error(NULL, "", "/x", bad[i], ERR_BAD_REQUEST);
		expect_path_error("/", "", NULL, bad[i], ERR_BAD_REQUEST);
	}
	expect_path_error(NULL, "", "/a/../b", "/b", ERR_BAD_REQUEST);
	expect_path_error(NULL, "", "/\xC0\xAF", "/b", ERR_BAD_REQUEST);
	expect_path("/", "", NULL, "//a//./b/./", "", "/a/b/");
	/* Encoded twice is literal text. */
	expect_path("/", "", NULL, "/a/%252e%252e/b", "", "/a/%2e%2e/b");
	expect_path("/", "", NULL, "/files/%E4%B8%AD", "", "/files/中");
	expect_path("/", "", NULL, "/a+b", "", "/a+b");
	expect_path("/", "", NULL, "/.../..a/b..", "", "/.../..a/b..");
	strcpy(path, "a/./b//c/.");
	assert_true(path_normalise(path));
	assert_string_equal(path, "a/b/c/");
}

static void test_request_keeps_the_raw_path(void **state)
{
	struct test_request t;

	(void)state;
	set(&t, NULL, "", "/echart/中", "/echart/%E4%B8%AD?x=%20");
	assert_string_equal(t.req.raw_path, "/echart/%E4%B8%AD");
	test_end(&t);
}

static enum err length_error(const char *length, const char *coding, int64_t *ret_length,
			     bool *ret_chunked)
{
	struct test_request t;
	enum err err;

	test_begin(&t, "POST", "/upload/", "");
	if (length != NULL)
		test_env(&t, "CONTENT_LENGTH", length);
	if (coding != NULL)
		test_env(&t, "HTTP_TRANSFER_ENCODING", coding);
	test_init(&t, "abc", 3);
	err = t.req.error.err;
	*ret_length = t.req.content_length;
	*ret_chunked = t.req.chunked;
	test_end(&t);
	return err;
}

static void test_request_reads_its_length(void **state)
{
	static const char *const bad[] = {
	    "-1", "-0", "+3", " 3", "3 ", "0x3", "3.0", "1e3", "9223372036854775808", "3, 3"};
	int64_t n;
	bool chunked;

	(void)state;
	assert_int_equal(length_error(NULL, NULL, &n, &chunked), ERR_OK);
	assert_true(n == -1 && !chunked);
	assert_int_equal(length_error("", "chunked", &n, &chunked), ERR_OK);
	assert_true(n == -1 && chunked);
	assert_int_equal(length_error("3", "chunked", &n, &chunked), ERR_OK);
	assert_true(n == 3 && !chunked);
	assert_int_equal(length_error("9223372036854775807", NULL, &n, &chunked), ERR_OK);
	assert_true(n == INT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(length_error(bad[i], NULL, &n, &chunked), ERR_BAD_REQUEST);
}

static void test_request_never_reads_past_its_length(void **state)
{
	struct test_request t;
	char buf[16];

	(void)state;
	test_begin(&t, "POST", "/upload/", "");
	test_env(&t, "CONTENT_LENGTH", "4");
	test_init(&t, "abcdef", 6);
	assert_int_equal(wire_read(t.wire, buf, 3, 0), 3);
	assert_int_equal(wire_read(t.wire, buf, sizeof(buf), 0), 1);
	assert_int_equal(wire_read(t.wire, buf, sizeof(buf), 0), 0);
	assert_int_equal(wire_received(t.wire), 4);
	test_end(&t);
	/* Neither length nor marker: no body. */
	test_begin(&t, "POST", "/upload/", "");
	test_init(&t, "abcdef", 6);
	assert_int_equal(wire_read(t.wire, buf, sizeof(buf), 0), 0);
	test_end(&t);
}

static enum err header_error(const char *name, const char *value)
{
	struct test_request t;
	enum err err;

	test_begin(&t, "GET", "/", "");
	test_env(&t, name, value);
	test_init(&t, "", 0);
	err = t.req.error.err;
	test_end(&t);
	return err;
}

static void test_request_limits_its_head(void **state)
{
	char *big = mem_alloc(70000);
	struct test_request t;

	(void)state;
	memset(big, 'x', 40000);
	assert_int_equal(header_error("HTTP_X", big), ERR_HEADERS);
	big[32000] = '\0';
	assert_int_equal(header_error("HTTP_X", big), ERR_OK);
	assert_int_equal(header_error("HTTP_X", "a\rb"), ERR_BAD_REQUEST);
	assert_int_equal(header_error("HTTP_X", "a\nb"), ERR_BAD_REQUEST);
	/* Three headers of 30 kB: each may be, all together not. */
	big[30000] = '\0';
	test_begin(&t, "GET", "/", "");
	test_env(&t, "HTTP_X", big);
	test_env(&t, "HTTP_Y", big);
	test_env(&t, "HTTP_Z", big);
	test_init(&t, "", 0);
	assert_int_equal(t.req.error.err, ERR_HEADERS);
	assert_string_equal(t.req.error.code, "limits.headers");
	test_end(&t);
	big[17000] = '\0';
	test_begin(&t, "GET", "/", big);
	test_init(&t, "", 0);
	assert_int_equal(t.req.error.err, ERR_URI_LONG);
	assert_string_equal(t.req.error.code, "limits.request_line");
	test_end(&t);
	/* No method at all. */
	memset(&t, 0, sizeof(t));
	t.config = (struct config)TEST_CONFIG;
	test_env(&t, "REQUEST_URI", "/");
	test_init(&t, "", 0);
	assert_int_equal(t.req.error.err, ERR_BAD_REQUEST);
	assert_string_equal(t.req.method_name, "");
	test_end(&t);
	free(big);
}

static void test_request_hides_the_proxy_header(void **state)
{
	struct test_request t;

	(void)state;
	test_begin(&t, "GET", "/", "");
	test_env(&t, "HTTP_PROXY", "http://evil.example/");
	test_env(&t, "HTTP_X_REQUESTED_WITH", "XMLHttpRequest");
	test_env(&t, "REDIRECT_HTTP_AUTHORIZATION", "Bearer t");
	test_init(&t, "", 0);
	assert_null(wire_env(t.wire, "HTTP_PROXY"));
	assert_null(req_header(&t.req, "Proxy"));
	assert_string_equal(req_header(&t.req, "X-Requested-With"), "XMLHttpRequest");
	assert_string_equal(req_header(&t.req, "Authorization"), "Bearer t");
	assert_null(req_header(&t.req, "Content-Type"));
	test_end(&t);
}

static void test_request_ids_are_new(void **state)
{
	struct test_request a, b;

	(void)state;
	test_begin(&a, "GET", "/", "");
	test_env(&a, "HTTP_X_REQUEST_ID", "0123");
	test_init(&a, "", 0);
	test_begin(&b, "GET", "/", "");
	test_init(&b, "", 0);
	assert_int_equal(strlen(a.req.id), 32);
	assert_int_equal(strspn(a.req.id, "0123456789abcdef"), 32);
	assert_string_not_equal(a.req.id, b.req.id);
	test_end(&a);
	test_end(&b);
}

static void test_request_query(void **state)
{
	struct test_request t;
	static const char *const bad[] = {"a=%zz",    "a=%",	     "a=%u0041", "%00=1",
					  "a=%c0%ae", "a=%ed%a0%80", "a=\xFF"};

	(void)state;
	test_begin(&t, "GET", "/", "?&isPublic=true&a=1+2%2B&a=3&b&=c&%E4%B8%AD=%E5%9B%BD");
	test_init(&t, "", 0);
	assert_int_equal(t.req.error.err, ERR_OK);
	assert_string_equal(req_query(&t.req, "isPublic"), "true");
	assert_string_equal(req_query(&t.req, "a"), "1 2+");
	assert_string_equal(req_query(&t.req, "b"), "");
	assert_string_equal(req_query(&t.req, "中"), "国");
	assert_null(req_query(&t.req, "z"));
	test_end(&t);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		test_begin(&t, "GET", "/", bad[i]);
		test_init(&t, "", 0);
		assert_int_equal(t.req.error.err, ERR_BAD_REQUEST);
		test_end(&t);
	}
}

static void test_pairs_stop_at_the_limit(void **state)
{
	char *many = mem_alloc(1000001);
	struct pairs pairs = {0};
	struct error error = {0};

	(void)state;
	for (size_t i = 0; i < 500000; i++)
		memcpy(many + 2 * i, "a&", 2);
	assert_int_equal(pairs_decode(&pairs, many, 1000000, 1000, &error), ERR_TOO_LARGE);
	assert_string_equal(error.code, "limits.form_fields");
	assert_int_equal(pairs.n, 1000);
	pairs_done(&pairs);
	assert_int_equal(pairs_decode(&pairs, many, 2000, 1000, &error), ERR_OK);
	assert_int_equal(pairs.n, 1000);
	pairs_done(&pairs);
	free(many);
}

static void test_pairs_of_any_bytes(void **state)
{
	static const char text[] = "a=%ff&b=x%00y&c=1&%80=d&e=%e5%ba%93+";
	static const char broken[] = "a=%zz";
	struct pairs pairs = {0};
	struct error error = {0};

	(void)state;
	assert_int_equal(pairs_decode(&pairs, text, strlen(text), 10, &error), ERR_BAD_REQUEST);
	pairs_done(&pairs);
	assert_int_equal(pairs_decode_any(&pairs, text, strlen(text), 10, &error), ERR_OK);
	assert_int_equal(pairs.n, 5);
	assert_string_equal(pairs_get(&pairs, "a"), PAIRS_NO_TEXT);
	assert_string_equal(pairs_get(&pairs, "b"), PAIRS_NO_TEXT);
	assert_string_equal(pairs_get(&pairs, "c"), "1");
	assert_string_equal(pairs_get(&pairs, PAIRS_NO_TEXT), "d");
	assert_string_equal(pairs_get(&pairs, "e"), "库 ");
	pairs_done(&pairs);
	/* A broken escape is no encoding of anything. */
	assert_int_equal(pairs_decode_any(&pairs, broken, strlen(broken), 10, &error),
			 ERR_BAD_REQUEST);
	pairs_done(&pairs);
}

static void test_address_in_ranges(void **state)
{
	static const struct {
		const char *address, *range;
		bool in;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.2", false},
	    {"192.0.2.255", "192.0.2.0/24", true},
	    {"192.0.3.0", "192.0.2.0/24", false},
	    {"192.0.2.7", "192.0.2.4/30", true},
	    {"192.0.2.8", "192.0.2.4/30", false},
	    {"10.9.8.7", "0.0.0.0/0", true},
	    {"::1", "0.0.0.0/0", false},
	    {"2001:db8::5", "2001:db8::/32", true},
	    {"2001:db9::5", "2001:db8::/32", false},
	    {"::1", "::/0", true},
	    {"2001:db8::5", "2001:db8::5", true},
	    {"192.0.2.1", "192.0.2.0/33", false},
	    {"192.0.2.1", "192.0.2.0/-1", false},
	    {"192.0.2.1", "192.0.2.0/", false},
	    {"192.0.2.1", "/8", false},
	    {"192.0.2.1", "", false},
	    {"192.0.2.1", "10.0.0.1:80/24", false},
	    {"192.0.2.1", "[::1]/0", false},
	    {"", "0.0.0.0/0", false},
	    {"::1", "::/129", false},
	    {"192.0.2.1", "any", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (address_in(cases[i].address, cases[i].range) != cases[i].in)
			fail_msg("%s in %s", cases[i].address, cases[i].range);
	}
}

static void cookies(const char *header, const char *name, const char *want)
{
	struct test_request t;

	test_begin(&t, "GET", "/", "");
	test_env(&t, "HTTP_COOKIE", header);
	test_init(&t, "", 0);
	assert_int_equal(t.req.error.err, ERR_OK);
	if (want == NULL)
		assert_null(req_cookie(&t.req, name));
	else
		assert_string_equal(req_cookie(&t.req, name), want);
	test_end(&t);
}

static void test_request_cookies(void **state)
{
	char *big = mem_alloc(20001);

	(void)state;
	cookies("a=1; slipway_login=xyz;b=\"q r\"", "slipway_login", "xyz");
	cookies("a=1; slipway_login=xyz;b=\"q r\"", "b", "\"q r\"");
	cookies(" ;; =x; y; a = ;a%3D=%20", "a%3D", "%20");
	cookies("a=b=c", "a", "b=c");
	cookies("a=1; a=1", "a", "1");
	/* Two that differ: somebody planted one. */
	cookies("a=1; b=2; a=3", "a", NULL);
	for (size_t i = 0; i < 51; i++)
		memcpy(big + 4 * i, "a=1;", 4);
	assert_int_equal(header_error("HTTP_COOKIE", big), ERR_BAD_REQUEST);
	big[200] = '\0';
	assert_int_equal(header_error("HTTP_COOKIE", big), ERR_OK);
	memset(big, 'a', 20000);
	assert_int_equal(header_error("HTTP_COOKIE", big), ERR_BAD_REQUEST);
	free(big);
}

static void address(const char *trusted, const char *remote, const char *forwarded,
		    const char *proto, const char *want, bool https)
{
	struct test_request t;
	const struct config defaults = TEST_CONFIG;

	memset(&t, 0, sizeof(t));
	t.config = defaults;
	t.config.trusted_proxies = (char *)trusted;
	test_env(&t, "REQUEST_METHOD", "GET");
	test_env(&t, "REMOTE_ADDR", remote);
	if (forwarded != NULL)
		test_env(&t, "HTTP_X_FORWARDED_FOR", forwarded);
	if (proto != NULL)
		test_env(&t, "HTTP_X_FORWARDED_PROTO", proto);
	test_init(&t, "", 0);
	assert_string_equal(t.req.address, want);
	assert_int_equal(t.req.https, https);
	test_end(&t);
}

static void test_request_believes_trusted_proxies_only(void **state)
{
	(void)state;
	address("", "192.0.2.7", "10.1.1.1", "https", "192.0.2.7", false);
	address("127.0.0.1", "192.0.2.7", "10.1.1.1", "https", "192.0.2.7", false);
	address("127.0.0.1 ::1", "127.0.0.1", "198.51.100.9", "https", "198.51.100.9", true);
	/* From the right: what stands left of the first stranger is that stranger's word. */
	address("127.0.0.1 10.0.0.2", "127.0.0.1", "6.6.6.6, 198.51.100.9, 10.0.0.2", NULL,
		"198.51.100.9", false);
	address("127.0.0.1", "::ffff:127.0.0.1", "2001:db8::1", "http", "2001:db8::1", false);
	address("::1", "::1", "[2001:db8::1]:4711", NULL, "2001:db8::1", false);
	address("::1", "::1", "1.2.3.4:80", NULL, "1.2.3.4", false);
	address("127.0.0.1", "127.0.0.1", "unknown", NULL, "127.0.0.1", false);
	address("127.0.0.1", "127.0.0.1", "1.2.3.4, evil\"<x>", NULL, "127.0.0.1", false);
	address("127.0.0.1", "not an address", "1.2.3.4", NULL, "", false);
	address("127.0.0.1", "127.0.0.1", "1.2.3.4,", NULL, "127.0.0.1", false);
	address("127.0.0.1", "127.0.0.1", " \t1.2.3.4\t ", NULL, "1.2.3.4", false);
	address("127.0.0.1", "127.0.0.1", "[2001:db8::1", NULL, "127.0.0.1", false);
	/* Ranges, as the man page says. */
	address("10.0.0.0/8", "10.200.3.4", "198.51.100.9, 10.1.2.3", "https", "198.51.100.9",
		true);
	address("192.0.2.1 10.0.0.0/8", "11.0.0.1", "198.51.100.9", "https", "11.0.0.1", false);
	address("2001:db8::/32", "2001:db8:1::2", "1.2.3.4", NULL, "1.2.3.4", false);
	address("10.0.0.0/33", "10.0.0.0", "1.2.3.4", NULL, "10.0.0.0", false);
	address("nonsense, 10.0.0.1", "10.0.0.1", "1.2.3.4", "HTTPS", "1.2.3.4", true);
	address("::1", "::1", "1.2.3.4, 11111111111111111111111111111111111111111111111111", NULL,
		"::1", false);
	address("127.0.0.1", "127.0.0.1", "127.0.0.1, 127.0.0.1", NULL, "127.0.0.1", false);
}

static void test_request_https(void **state)
{
	struct test_request t;

	(void)state;
	test_begin(&t, "GET", "/", "");
	test_env(&t, "HTTPS", "on");
	test_init(&t, "", 0);
	assert_true(t.req.https);
	test_end(&t);
	test_begin(&t, "GET", "/", "");
	test_env(&t, "HTTPS", "off");
	test_init(&t, "", 0);
	assert_false(t.req.https);
	test_end(&t);
	test_begin(&t, "GET", "/", "");
	t.config.public_url = (char *)"https://maps.example.org/slipway";
	test_init(&t, "", 0);
	assert_true(t.req.https);
	test_end(&t);
}

static enum lang lang_of(const char *query, const char *cookie, const char *accept, bool *ret_set)
{
	struct test_request t;
	enum lang lang;

	test_begin(&t, "GET", "/", query);
	if (cookie != NULL)
		test_env(&t, "HTTP_COOKIE", cookie);
	if (accept != NULL)
		test_env(&t, "HTTP_ACCEPT_LANGUAGE", accept);
	test_init(&t, "", 0);
	lang = t.req.lang;
	*ret_set = t.req.lang_set;
	test_end(&t);
	return lang;
}

static void test_request_language(void **state)
{
	bool set;

	(void)state;
	assert_int_equal(lang_of("", NULL, NULL, &set), LANG_EN);
	assert_false(set);
	assert_int_equal(lang_of("lang=zh", "lang=en", "en", &set), LANG_ZH);
	assert_true(set);
	assert_int_equal(lang_of("lang=klingon", "lang=zh", "en", &set), LANG_ZH);
	assert_false(set);
	assert_int_equal(lang_of("", NULL, "zh-CN,zh;q=0.9,en;q=0.8", &set), LANG_ZH);
	assert_int_equal(lang_of("", NULL, "de-DE, en-GB;q=0.7, zh-Hans;q=0.8", &set), LANG_ZH);
	assert_int_equal(lang_of("", NULL, "de, fr;q=0.5", &set), LANG_EN);
	assert_int_equal(lang_of("", NULL, "zh;q=0, en;q=0.1", &set), LANG_EN);
	assert_int_equal(lang_of("", NULL, "zha, *", &set), LANG_EN);
}

static void test_negotiate_q(void **state)
{
	(void)state;
	assert_int_equal(negotiate_q(NULL, "text/html"), -1);
	assert_int_equal(negotiate_q("*/*", "text/html"), -1);
	assert_int_equal(negotiate_q("text/*;q=0.5", "text/html"), -1);
	assert_int_equal(negotiate_q("text/html", "text/html"), 1000);
	assert_int_equal(negotiate_q("TEXT/HTML ; level=1 ; q=0.85", "text/html"), 850);
	assert_int_equal(negotiate_q("application/json;q=0, text/html;q=0.001", "application/json"),
			 0);
	assert_int_equal(negotiate_q("application/json;q=0, text/html;q=0.001", "text/html"), 1);
	assert_int_equal(negotiate_q("a/b;q=1.000,c/d;q=1.5,e/f;q=x,g/h;q=", "a/b"), 1000);
	assert_int_equal(negotiate_q("a/b;q=1.000,c/d;q=1.5,e/f;q=x,g/h;q=", "e/f"), 0);
	assert_int_equal(negotiate_q("a/b;q=1.000,c/d;q=1.5,e/f;q=x,g/h;q=", "g/h"), 0);
	assert_int_equal(
	    negotiate_q("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
			"application/xhtml+xml"),
	    1000);
	assert_int_equal(negotiate_q(",, ;q=0.4,", "text/html"), -1);
}

static void test_negotiate_odd_spellings(void **state)
{
	(void)state;
	assert_int_equal(negotiate_q("a/b;q=0", "a/b"), 0);
	assert_int_equal(negotiate_q("a/b;q=1", "a/b"), 1000);
	assert_int_equal(negotiate_q("a/b;q=1.", "a/b"), 1000);
	assert_int_equal(negotiate_q("a/b;Q=0.5;x=y;z", "a/b"), 500);
	assert_int_equal(negotiate_q("a/b; q=0.5 ;", "a/b"), 500);
	assert_int_equal(negotiate_q("a/b;q=0.1234", "a/b"), 0);
	assert_int_equal(negotiate_q("a/b;q=2", "a/b"), 0);
	assert_int_equal(negotiate_q("a/b;q=05", "a/b"), 0);
	assert_int_equal(negotiate_q("a/b;q=0.x", "a/b"), 0);
	assert_int_equal(negotiate_q("a/b;q=0.2, a/b;q=0.7, a/b;q=0.3", "a/b"), 700);
	assert_int_equal(negotiate_q("", "a/b"), -1);
	assert_int_equal(negotiate_q("a/bc, a/", "a/b"), -1);
}

static void range(const char *header, int64_t size, bool counts, int64_t first, int64_t last)
{
	int64_t a = -9, b = -9;

	if (range_parse(header, size, &a, &b) != counts)
		fail_msg("%s: %s", header, counts ? "ignored" : "taken");
	if (counts && first > last)
		assert_true(a > b);
	else if (counts)
		assert_true(a == first && b == last);
}

static void test_range_one_only(void **state)
{
	(void)state;
	range("bytes=0-0", 10, true, 0, 0);
	range("bytes=2-5", 10, true, 2, 5);
	range("bytes=2-", 10, true, 2, 9);
	range("bytes=2-99", 10, true, 2, 9);
	range("bytes=-3", 10, true, 7, 9);
	range("bytes=-30", 10, true, 0, 9);
	range("BYTES=9-9", 10, true, 9, 9);
	range("bytes=2-99999999999999999999999", 10, true, 2, 9);
	range("bytes=10-", 10, true, 1, 0);
	range("bytes=99999999999999999999999-", 10, true, 1, 0);
	range("bytes=-0", 10, true, 1, 0);
	range("bytes=0-", 0, true, 1, 0);
	range("bytes=-5", 0, true, 1, 0);
	range("bytes=5-2", 10, false, 0, 0);
	range("bytes=0-1,4-5", 10, false, 0, 0);
	range("bytes=-", 10, false, 0, 0);
	range("bytes=a-b", 10, false, 0, 0);
	range("bytes=1-2x", 10, false, 0, 0);
	range("items=0-1", 10, false, 0, 0);
	range("bytes 0-1", 10, false, 0, 0);
	range("", 10, false, 0, 0);
	range(NULL, 10, false, 0, 0);
}

static void test_request_body_types(void **state)
{
	static const struct {
		const char *type, *length;
		enum body_type want;
	} rows[] = {
	    {NULL, NULL, BODY_NONE},
	    {NULL, "3", BODY_OTHER},
	    {"", "0", BODY_NONE},
	    {"application/x-www-form-urlencoded; charset=UTF-8", "3", BODY_URLENCODED},
	    {"Application/JSON", "3", BODY_JSON},
	    {"application/json;charset=utf-8", "3", BODY_JSON},
	    {"multipart/form-data; boundary=x", "3", BODY_MULTIPART},
	    {"multipart/mixed; boundary=x", "3", BODY_OTHER},
	    {"text/plain", "3", BODY_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct test_request t;
		test_begin(&t, "POST", "/", "");
		if (rows[i].type != NULL)
			test_env(&t, "CONTENT_TYPE", rows[i].type);
		if (rows[i].length != NULL)
			test_env(&t, "CONTENT_LENGTH", rows[i].length);
		test_init(&t, "abc", 3);
		assert_int_equal(t.req.body_type, rows[i].want);
		assert_non_null(t.req.content_type);
		test_end(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request_finds_its_mount),
	    cmocka_unit_test(test_request_is_told_its_mount),
	    cmocka_unit_test(test_request_normalises_its_path),
	    cmocka_unit_test(test_request_keeps_the_raw_path),
	    cmocka_unit_test(test_request_reads_its_length),
	    cmocka_unit_test(test_request_never_reads_past_its_length),
	    cmocka_unit_test(test_request_limits_its_head),
	    cmocka_unit_test(test_request_hides_the_proxy_header),
	    cmocka_unit_test(test_request_ids_are_new),
	    cmocka_unit_test(test_request_query),
	    cmocka_unit_test(test_pairs_stop_at_the_limit),
	    cmocka_unit_test(test_request_cookies),
	    cmocka_unit_test(test_pairs_of_any_bytes),
	    cmocka_unit_test(test_address_in_ranges),
	    cmocka_unit_test(test_request_believes_trusted_proxies_only),
	    cmocka_unit_test(test_request_https),
	    cmocka_unit_test(test_request_language),
	    cmocka_unit_test(test_negotiate_q),
	    cmocka_unit_test(test_negotiate_odd_spellings),
	    cmocka_unit_test(test_range_one_only),
	    cmocka_unit_test(test_request_body_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
