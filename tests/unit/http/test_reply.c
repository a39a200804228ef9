/*
 * Goal: every answer carries the headers of security.md 3.6, nothing a client sent ends a header,
 * and files are sent whole, in part, or not at all, as RFC 9110 says.
 */
#include "http/helper.h"

#include <fcntl.h>
#include <unistd.h>

#include "http/reply.h"
#include "http/template.h"

static char *finish_with(struct test_request *t, struct reply *r, struct pages *pages)
{
	reply_send(r, &t->req, pages);
	reply_done(r);
	assert_int_equal(fclose(t->out_file), 0);
	t->out_file = NULL;
	return t->out;
}

static char *finish(struct test_request *t, struct reply *r)
{
	return finish_with(t, r, NULL);
}

static void begin(struct test_request *t, const char *method)
{
	test_begin(t, method, "/x", "");
}

static void has(const char *answer, const char *line)
{
	CLEAN_FREE char *whole = mem_printf("\r\n%s\r\n", line);
	const char *end = strstr(answer, "\r\n\r\n");
	const char *found = strstr(answer, whole);

	if (strncmp(answer, line, strlen(line)) == 0 &&
	    strncmp(answer + strlen(line), "\r\n", 2) == 0)
		return;
	if (found == NULL || found > end)
		fail_msg("'%s' missing in:\n%s", line, answer);
}

static void has_no(const char *answer, const char *part)
{
	const char *found = strstr(answer, part);

	if (found != NULL)
		fail_msg("'%s' in:\n%s", part, answer);
}

static const char *body_of(const char *answer)
{
	return strstr(answer, "\r\n\r\n") + 4;
}

static void test_reply_headers_of_every_answer(void **state)
{
	struct test_request t;
	struct reply r;

	(void)state;
	begin(&t, "GET");
	test_init(&t, "", 0);
	reply_init(&r);
	json_object *m = json_object_new_object();
	json_set_str(m, "a", "<\xC2\xA0>");
	reply_model(&r, 201, NULL, m);
	r.format = FORMAT_JSON;
	CLEAN_FREE char *id = mem_printf("X-Request-Id: %s", t.req.id);
	const char *a = finish(&t, &r);
	has(a, "Status: 201 Created");
	has(a, "Content-Type: application/json; charset=utf-8");
	has(a, "Content-Length: 16");
	has(a, "X-Slipway: 1");
	has(a, id);
	has(a, "X-Content-Type-Options: nosniff");
	has(a, "Referrer-Policy: same-origin");
	has(a, "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'");
	has(a, "Cache-Control: no-store");
	has(a, "Vary: Accept, X-Requested-With, Cookie, Accept-Language");
	assert_string_equal(body_of(a), "{\"a\":\"<\\u00a0>\"}");
	test_end(&t);
}

static void test_reply_view_headers_win(void **state)
{
	struct test_request t;
	struct reply r;

	(void)state;
	begin(&t, "GET");
	test_env(&t, "HTTPS", "on");
	t.config.hsts = true;
	test_init(&t, "", 0);
	reply_init(&r);
	reply_text(&r, 200, "text/plain; charset=utf-8", "hello");
	reply_header(&r, "Cache-Control", "private, no-cache");
	reply_header(&r, "Vary", "Origin");
	reply_header(&r, "Content-Security-Policy",
		     "default-src 'none'; style-src 'self'; img-src 'self'");
	reply_header(&r, "X-Two", "1");
	reply_header(&r, "x-two", "2");
	reply_header_int(&r, "Upload-Offset", INT64_MAX);
	const char *a = finish(&t, &r);
	has(a, "Cache-Control: private, no-cache");
	has_no(a, "no-store");
	has(a, "Vary: Accept, X-Requested-With, Cookie, Accept-Language, Origin");
	has(a, "Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'");
	has_no(a, "frame-ancestors");
	has(a, "X-Two: 2");
	has_no(a, "X-Two: 1");
	has(a, "Upload-Offset: 9223372036854775807");
	has(a, "Strict-Transport-Security: max-age=31536000");
	test_end(&t);
}

static void test_reply_refuses_line_ends(void **state)
{
	static const char *const values[] = {"a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\x01"};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(values) / sizeof(*values); i++) {
		struct test_request t;
		struct reply r;
		begin(&t, "GET");
		test_init(&t, "", 0);
		reply_init(&r);
		reply_text(&r, 200, "text/plain; charset=utf-8", "secret");
		if (i % 2 == 0)
			reply_header(&r, "Location", values[i / 2]);
		else
			reply_cookie(&r, &t.req,
				     &(struct cookie){"a", values[i / 2], -1, true, false});
		const char *a = finish(&t, &r);
		has(a, "Status: 500 Internal Server Error");
		has_no(a, "secret");
		has_no(a, "Set-Cookie");
		has_no(a, "Location");
		test_end(&t);
	}
}

static void test_reply_cookies(void **state)
{
	struct test_request t;
	struct reply r;

	(void)state;
	begin(&t, "GET");
	test_init(&t, "", 0);
	reply_init(&r);
	reply_redirect(&r, 303, "/upload/");
	reply_cookie(&r, &t.req, &(struct cookie){"slipway_login", "abc", -1, true, false});
	reply_cookie(&r, &t.req, &(struct cookie){"csrftoken", "1", 60, false, true});
	reply_cookie(&r, &t.req, &(struct cookie){"csrftoken", "2", 0, false, true});
	const char *a = finish(&t, &r);
	has(a, "Status: 303 See Other");
	has(a, "Location: /upload/");
	has(a, "Content-Length: 0");
	has(a, "Set-Cookie: slipway_login=abc; Path=/; HttpOnly; SameSite=Lax");
	/* The later one counts; None without https would be dropped by browsers. */
	has(a, "Set-Cookie: csrftoken=2; Path=/; Max-Age=0; SameSite=Lax");
	has_no(a, "csrftoken=1");
	has_no(a, "\r\nContent-Type");
	test_end(&t);

	memset(&t, 0, sizeof(t));
	t.config = (struct config)TEST_CONFIG;
	test_env(&t, "REQUEST_METHOD", "GET");
	test_env(&t, "SCRIPT_NAME", "/slipway");
	test_env(&t, "PATH_INFO", "/x");
	test_env(&t, "REQUEST_URI", "/slipway/x");
	test_env(&t, "HTTPS", "on");
	test_init(&t, "", 0);
	reply_init(&r);
	r.body = REPLY_NOTHING;
	r.status = 204;
	reply_cookie(&r, &t.req, &(struct cookie){"JSESSIONID", "ABC", -1, true, true});
	a = finish(&t, &r);
	has(a, "Set-Cookie: JSESSIONID=ABC; Path=/slipway; HttpOnly; SameSite=None; Secure");
	has(a, "Status: 204 No Content");
	has_no(a, "\r\nContent-Length");
	test_end(&t);
}

static void test_reply_head_has_the_length_only(void **state)
{
	struct test_request t;
	struct reply r;

	(void)state;
	begin(&t, "HEAD");
	test_init(&t, "", 0);
	reply_init(&r);
	reply_text(&r, 200, "text/plain; charset=utf-8", "hello");
	const char *a = finish(&t, &r);
	has(a, "Content-Length: 5");
	assert_string_equal(body_of(a), "");
	test_end(&t);
}

/* A file of ten digits, asked for with one header. */
static char *file_answer(struct test_request *t, const char *method, const char *name,
			 const char *value, const char *name2, const char *value2)
{
	struct reply r;
	char path[] = "/tmp/slipway-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	begin(t, method);
	if (name != NULL)
		test_env(t, name, value);
	if (name2 != NULL)
		test_env(t, name2, value2);
	test_init(t, "", 0);
	reply_init(&r);
	reply_file(&r, fd, 10, "image/tiff", "\"e1\"", "甲.tif");
	reply_header(&r, "Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT");
	r.user_content = true;
	return finish(t, &r);
}

static void expect_file(const char *method, const char *range, const char *name, const char *value,
			const char *status, const char *length, const char *body)
{
	struct test_request t;
	const char *a =
	    file_answer(&t, method, range != NULL ? "HTTP_RANGE" : NULL, range, name, value);
	CLEAN_FREE char *status_line = mem_printf("Status: %s", status);
	CLEAN_FREE char *length_line =
	    mem_printf("Content-Length: %s", length != NULL ? length : "");

	has(a, status_line);
	has(a, "ETag: \"e1\"");
	if (length != NULL)
		has(a, length_line);
	else
		has_no(a, "\r\nContent-Length");
	assert_string_equal(body_of(a), body);
	test_end(&t);
}

static void test_reply_file_ranges_and_conditions(void **state)
{
	(void)state;
	expect_file("GET", NULL, NULL, NULL, "200 OK", "10", "0123456789");
	expect_file("HEAD", NULL, NULL, NULL, "200 OK", "10", "");
	expect_file("GET", "bytes=2-4", NULL, NULL, "206 Partial Content", "3", "234");
	expect_file("GET", "bytes=7-", NULL, NULL, "206 Partial Content", "3", "789");
	expect_file("GET", "bytes=-1", NULL, NULL, "206 Partial Content", "1", "9");
	expect_file("GET", "bytes=10-", NULL, NULL, "416 Range Not Satisfiable", "0", "");
	expect_file("GET", "bytes=0-1,3-4", NULL, NULL, "200 OK", "10", "0123456789");
	expect_file("HEAD", "bytes=2-4", NULL, NULL, "200 OK", "10", "");
	expect_file("GET", "bytes=2-4", "HTTP_IF_RANGE", "\"e1\"", "206 Partial Content", "3",
		    "234");
	expect_file("GET", "bytes=2-4", "HTTP_IF_RANGE", "\"e2\"", "200 OK", "10", "0123456789");
	expect_file("GET", "bytes=2-4", "HTTP_IF_RANGE", "W/\"e1\"", "200 OK", "10", "0123456789");
	expect_file("GET", "bytes=2-4", "HTTP_IF_RANGE", "Sun, 22 Nov 2026 10:00:00 GMT",
		    "206 Partial Content", "3", "234");
	expect_file("GET", "bytes=2-4", "HTTP_IF_RANGE", "Sun, 22 Nov 2026 10:00:01 GMT", "200 OK",
		    "10", "0123456789");
	expect_file("GET", NULL, "HTTP_IF_NONE_MATCH", "\"e1\"", "304 Not Modified", NULL, "");
	expect_file("GET", "bytes=2-4", "HTTP_IF_NONE_MATCH", "\"e0\", W/\"e1\"",
		    "304 Not Modified", NULL, "");
	expect_file("GET", NULL, "HTTP_IF_NONE_MATCH", "*", "304 Not Modified", NULL, "");
	expect_file("GET", NULL, "HTTP_IF_NONE_MATCH", "\"e11\", e1", "200 OK", "10", "0123456789");
}

static void test_reply_user_content_is_boxed_in(void **state)
{
	struct test_request t;
	struct reply r;
	const char *a = file_answer(&t, "GET", NULL, NULL, NULL, NULL);

	(void)state;
	has(a, "Content-Type: image/tiff");
	has(a, "Content-Security-Policy: sandbox; default-src 'none'");
	has(a, "Cross-Origin-Resource-Policy: same-origin");
	has(a, "Accept-Ranges: bytes");
	has(a,
	    "Content-Disposition: attachment; filename=\"_.tif\"; filename*=UTF-8''%E7%94%B2.tif");
	test_end(&t);
	begin(&t, "GET");
	test_init(&t, "", 0);
	reply_init(&r);
	reply_text(&r, 200, "text/html", "<script>");
	r.user_content = true;
	a = finish(&t, &r);
	has(a, "Content-Type: application/octet-stream");
	has(a, "Content-Disposition: attachment");
	test_end(&t);
}

static void test_reply_static_files_may_be_kept(void **state)
{
	struct test_request t;
	struct reply r;

	(void)state;
	begin(&t, "GET");
	test_init(&t, "", 0);
	reply_init(&r);
	reply_file(&r, open("/dev/null", O_RDONLY), 0, "text/css; charset=utf-8", "\"s\"", NULL);
	r.cacheable = true;
	reply_header(&r, "Cache-Control", "public, max-age=9");
	const char *a = finish(&t, &r);
	has(a, "Cache-Control: public, max-age=9");
	has(a, "Content-Length: 0");
	has_no(a, "no-store");
	has_no(a, "Vary");
	test_end(&t);
}

static void test_reply_lets_the_server_send(void **state)
{
	static const struct {
		enum sendfile how;
		const char *path, *line;
	} rows[] = {
	    {SENDFILE_X_SENDFILE, "/var/lib/slipway/datasets/7/a b.gpkg",
	     "X-Sendfile: /var/lib/slipway/datasets/7/a%20b.gpkg"},
	    {SENDFILE_X_ACCEL, "/var/lib/slipway/datasets/7/a b.gpkg",
	     "X-Accel-Redirect: /slipway-data/datasets/7/a%20b.gpkg"},
	    {SENDFILE_X_ACCEL, "/elsewhere/a", NULL},
	    {SENDFILE_NONE, "/var/lib/slipway/datasets/7/a.gpkg", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct test_request t;
		struct reply r;
		begin(&t, "GET");
		t.config.sendfile = rows[i].how;
		t.config.data_dir = (char *)"/var/lib/slipway";
		test_init(&t, "", 0);
		reply_init(&r);
		reply_file(&r, open("/dev/null", O_RDONLY), 0, "application/zip", NULL, "a.zip");
		r.sendfile_path = mem_strdup(rows[i].path);
		const char *a = finish(&t, &r);
		if (rows[i].line != NULL) {
			has(a, rows[i].line);
			has_no(a, "\r\nContent-Length");
		} else {
			has(a, "Content-Length: 0");
			has_no(a, "X-Sendfile");
			has_no(a, "X-Accel");
		}
		test_end(&t);
	}
}

static void test_reply_interim_only_where_it_may(void **state)
{
	struct pairs headers = {0};

	(void)state;
	pairs_add(&headers, "Location", "/files/x");
	pairs_add(&headers, "X-Bad", "a\r\nb");
	for (int on = 0; on < 2; on++) {
		struct test_request t;
		begin(&t, "POST");
		t.config.interim = on == 1;
		test_init(&t, "", 0);
		reply_interim(&t.req, 104, &headers);
		assert_int_equal(fclose(t.out_file), 0);
		t.out_file = NULL;
		assert_string_equal(
		    t.out,
		    on == 0
			? ""
			: "Status: 104 Upload Resumption Supported\r\nLocation: /files/x\r\n\r\n");
		test_end(&t);
	}
	pairs_done(&headers);
}

/* A folder with one page and no words but one. */
static struct pages *pages_of(char *dir, const char *template)
{
	struct pages *pages;
	struct error error = {0};
	const char *const files[][2] = {
	    {"text.en", "a = b\n"}, {"text.zh", "a = c\n"}, {"page.html", template}};

	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < 3; i++) {
		CLEAN_FREE char *path = mem_printf("%s/%s", dir, files[i][0]);
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(files[i][1], f);
		assert_int_equal(fclose(f), 0);
	}
	assert_int_equal(pages_load(dir, &pages, &error), ERR_OK);
	return pages;
}

static void pages_end(struct pages *pages, const char *dir)
{
	CLEAN_FREE char *command = mem_printf("rm -r '%s'", dir);

	pages_free(pages);
	assert_int_equal(system(command), 0);
}

static void test_reply_pages(void **state)
{
	static const struct {
		const char *tiles, *img;
	} rows[] = {
	    {"", "img-src 'self' data:;"},
	    {"https://tile.example.org/{z}/{x}/{y}.png",
	     "img-src 'self' data: https://tile.example.org;"},
	    {"http://{s}.tile.example.org:8080/{z}",
	     "img-src 'self' data: http://*.tile.example.org:8080;"},
	    {"https://a.example; script-src *", "img-src 'self' data:;"},
	    {"ftp://a.example/", "img-src 'self' data:;"},
	    {"https://", "img-src 'self' data:;"},
	};
	char dir[] = "/tmp/slipway-test-XXXXXX";
	struct pages *pages = pages_of(dir, "<p>{{t \"a\"}} {{x}}</p>\n");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct test_request t;
		struct reply r;
		begin(&t, "GET");
		test_env(&t, "HTTP_ACCEPT_LANGUAGE", "zh");
		t.config.tile_url = (char *)rows[i].tiles;
		test_init(&t, "", 0);
		reply_init(&r);
		json_object *m = json_object_new_object();
		json_set_str(m, "x", "<1>");
		reply_model(&r, 400, "page", m);
		r.format = FORMAT_HTML;
		const char *a = finish_with(&t, &r, pages);
		has(a, "Status: 400 Bad Request");
		has(a, "Content-Type: text/html; charset=utf-8");
		has(a, "X-Frame-Options: DENY");
		has(a, "Cross-Origin-Opener-Policy: same-origin");
		assert_non_null(
		    strstr(a, "Content-Security-Policy: default-src 'none'; script-src 'self'; "
			      "style-src 'self'; "));
		if (strstr(a, rows[i].img) == NULL)
			fail_msg("%s not in %s", rows[i].img, a);
		assert_string_equal(body_of(a), "<p>c &lt;1&gt;</p>\n");
		test_end(&t);
	}
	pages_end(pages, dir);
}

static void test_reply_page_that_fails_is_an_error(void **state)
{
	char dir[] = "/tmp/slipway-test-XXXXXX";
	struct pages *pages = pages_of(dir, "<p>secret {{x}</p>");
	struct test_request t;
	struct reply r;

	(void)state;
	begin(&t, "GET");
	test_init(&t, "", 0);
	reply_init(&r);
	reply_model(&r, 200, "page", json_object_new_object());
	r.format = FORMAT_HTML;
	const char *a = finish_with(&t, &r, pages);
	has(a, "Status: 500 Internal Server Error");
	has(a, "Content-Type: text/plain; charset=utf-8");
	has_no(a, "secret");
	has_no(a, dir);
	test_end(&t);
	pages_end(pages, dir);
}

/* Apache's mod_cgid loses an answer to a body that was not read. */
static void test_reply_under_cgi_reads_the_body_first(void **state)
{
	(void)state;
	for (int cgi = 0; cgi < 2; cgi++) {
		struct test_request t;
		struct reply r;
		begin(&t, "POST");
		test_env(&t, "CONTENT_LENGTH", "100000");
		char *body = mem_alloc(100000);
		test_init(&t, body, 100000);
		t.wire->cgi = cgi == 1;
		reply_init(&r);
		reply_text(&r, 413, "text/plain; charset=utf-8", "too large");
		r.close_early = true;
		const char *a = finish(&t, &r);
		has(a, "Status: 413 Content Too Large");
		assert_int_equal(wire_received(t.wire), cgi == 1 ? 100000 : 0);
		test_end(&t);
		free(body);
	}
}

static void test_reply_xml_roots(void **state)
{
	static const struct {
		const char *model, *root, *want;
	} rows[] = {
	    {"{\"succeed\":true}", NULL, "<MethodResult><succeed>true</succeed></MethodResult>"},
	    {"[1]", NULL, "<list><int>1</int></list>"},
	    {"{\"a\":[[{}],1.5,false,null]}", "X",
	     "<X><a><list><Object></Object></list><double>1.5</double><boolean>false</boolean></"
	     "a></X>"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct test_request t;
		struct reply r;
		json_object *m = NULL;
		begin(&t, "GET");
		test_init(&t, "", 0);
		reply_init(&r);
		assert_int_equal(
		    json_read(rows[i].model, strlen(rows[i].model), &json_limits_form, &m), ERR_OK);
		reply_model(&r, 200, NULL, m);
		r.format = FORMAT_XML;
		r.xml_root = rows[i].root;
		const char *a = finish(&t, &r);
		has(a, "Content-Type: application/xml;charset=UTF-8");
		assert_string_equal(strchr(body_of(a), '\n') + 1, rows[i].want);
		test_end(&t);
	}
}

static void test_reply_later_decision_replaces_the_first(void **state)
{
	struct test_request t;
	struct reply r;

	(void)state;
	begin(&t, "GET");
	test_init(&t, "", 0);
	reply_init(&r);
	reply_file(&r, open("/dev/null", O_RDONLY), 0, "text/html", "\"x\"", "a.html");
	r.user_content = true;
	reply_text(&r, 404, "text/plain; charset=utf-8", "gone");
	const char *a = finish(&t, &r);
	has(a, "Status: 404 Not Found");
	has_no(a, "attachment");
	has_no(a, "sandbox");
	assert_string_equal(body_of(a), "gone");
	test_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reply_headers_of_every_answer),
	    cmocka_unit_test(test_reply_view_headers_win),
	    cmocka_unit_test(test_reply_refuses_line_ends),
	    cmocka_unit_test(test_reply_cookies),
	    cmocka_unit_test(test_reply_head_has_the_length_only),
	    cmocka_unit_test(test_reply_file_ranges_and_conditions),
	    cmocka_unit_test(test_reply_user_content_is_boxed_in),
	    cmocka_unit_test(test_reply_static_files_may_be_kept),
	    cmocka_unit_test(test_reply_lets_the_server_send),
	    cmocka_unit_test(test_reply_interim_only_where_it_may),
	    cmocka_unit_test(test_reply_pages),
	    cmocka_unit_test(test_reply_page_that_fails_is_an_error),
	    cmocka_unit_test(test_reply_under_cgi_reads_the_body_first),
	    cmocka_unit_test(test_reply_xml_roots),
	    cmocka_unit_test(test_reply_later_decision_replaces_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
