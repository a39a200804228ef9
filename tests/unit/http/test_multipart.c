/*
 * Goal: the 45 malformed bodies of security.md 8 get the answer they deserve, whichever way the
 * bytes are cut: whole, byte by byte, and at every offset into two reads.
 */
#include "http/helper.h"

#include <time.h>

#include "http/multipart.h"

/* Everything a form read found, as one line: "name=value;" and "[field|filename|type|bytes];". */
struct seen {
	FILE *out;
	bool open;
};

static enum err sink_begin(void *arg, const char *field, const char *filename, const char *type,
			   struct error *e)
{
	struct seen *s = arg;

	(void)e;
	assert_false(s->open);
	s->open = true;
	fprintf(s->out, "[%s|%s|%s|", field, filename, type != NULL ? type : "-");
	return ERR_OK;
}

static enum err sink_data(void *arg, const void *bytes, size_t n, struct error *e)
{
	struct seen *s = arg;

	(void)e;
	assert_true(s->open && n > 0);
	fwrite(bytes, 1, n, s->out);
	return ERR_OK;
}

static enum err sink_end(void *arg, struct error *e)
{
	struct seen *s = arg;

	(void)e;
	assert_true(s->open);
	s->open = false;
	fputs("];", s->out);
	return ERR_OK;
}

/* Read BODY cut as FIRST and STEP say; the result as text, "400 code" for an error.  Caller frees.
 */
static char *read_body(const char *type, const char *body, size_t len, bool length, size_t first,
		       size_t step)
{
	struct test_request t;
	struct form form;
	struct error error = {0};
	char *text = NULL, number[32];
	size_t size;
	struct seen seen = {open_memstream(&text, &size), false};
	struct form_sink sink = {
	    .begin = sink_begin, .data = sink_data, .end = sink_end, .arg = &seen};

	test_begin(&t, "POST", "/upload/", "");
	test_env(&t, "CONTENT_TYPE", type);
	(void)snprintf(number, sizeof(number), "%zu", len);
	if (length)
		test_env(&t, "CONTENT_LENGTH", number);
	else
		test_env(&t, "HTTP_TRANSFER_ENCODING", "chunked");
	test_init(&t, body, len);
	wire_memory_split(t.wire, first, step);
	assert_int_equal(t.req.error.err, ERR_OK);
	enum err err = form_read(&t.req, &form, &sink, &error);
	if (err == ERR_OK)
		for (size_t i = 0; i < form.fields.n; i++)
			fprintf(seen.out, "%s=%s;", form.fields.v[i].name, form.fields.v[i].value);
	assert_int_equal(fclose(seen.out), 0);
	if (err != ERR_OK) {
		free(text);
		text = mem_printf("%d", err_status(err));
		assert_int_equal(error.err, err);
	}
	form_done(&form);
	test_end(&t);
	return text;
}

static void expect_cut(const char *type, const char *body, size_t len, const char *want,
		       size_t first, size_t step)
{
	for (int length = 0; length < 2; length++) {
		CLEAN_FREE char *got = read_body(type, body, len, length == 1, first, step);
		if (strcmp(got, want) != 0)
			fail_msg("type %s, cut %zu/%zu: got '%.300s', want '%.300s'", type, first,
				 step, got, want);
	}
}

static void expect_bytes(const char *type, const char *body, size_t len, const char *want)
{
	expect_cut(type, body, len, want, 0, 0);
	expect_cut(type, body, len, want, 1, 1);
	/* Long bodies are cut around their ends only: the middle is one kind of byte. */
	for (size_t i = 1; i < len; i = i == 600 && len > 1200 ? len - 600 : i + 1)
		expect_cut(type, body, len, want, i, 0);
}

#define TYPE	  "multipart/form-data; boundary=b"
#define HEAD	  "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n"
#define FILE_HEAD "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n"
#define TAIL	  "\r\n--b--\r\n"

static void expect(const char *type, const char *body, const char *want)
{
	expect_bytes(type, body, strlen(body), want);
}

/* One part with DISPOSITION parameters and DATA. */
static void expect_part(const char *params, const char *want)
{
	CLEAN_FREE char *body =
	    mem_printf("--b\r\nContent-Disposition: form-data; %s\r\n\r\nd" TAIL, params);

	expect(TYPE, body, want);
}

static void expect_head(const char *lines, const char *want)
{
	CLEAN_FREE char *body =
	    mem_printf("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n%s\r\nd" TAIL, lines);

	expect(TYPE, body, want);
}

static char *times(const char *s, size_t n)
{
	size_t len = strlen(s);
	char *out = mem_alloc(n * len + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(out + i * len, s, len);
	return out;
}

static void test_multipart_takes_an_ordinary_form(void **state)
{
	(void)state;
	expect(TYPE,
	       HEAD "1"
		    "\r\n" HEAD "2" TAIL,
	       "x=1;x=2;");
	expect(TYPE,
	       FILE_HEAD "a,b\r\n1,2\r\n"
			 "\r\n" HEAD "y" TAIL,
	       "[file|a.csv|-|a,b\r\n1,2\r\n];x=y;");
	expect(TYPE,
	       "--b\r\nContent-Disposition:form-data;name=\"file\";filename=\"a\"\r\nContent-Type:"
	       "text/csv\r\n\r\nq" TAIL,
	       "[file|a|text/csv|q];");
	expect(TYPE, "--b--\r\n", "");
	expect(TYPE, "\r\n" HEAD "1" TAIL, "x=1;");
}

/* Rows 1-8. */
static void test_multipart_boundary_rules(void **state)
{
	CLEAN_FREE char *b200 = times("q", 200);
	CLEAN_FREE char *b201 = times("q", 201);
	CLEAN_FREE char *type200 = mem_printf("multipart/form-data; boundary=%s", b200);
	CLEAN_FREE char *type201 = mem_printf("multipart/form-data; boundary=%s", b201);
	CLEAN_FREE char *body200 = mem_printf(
	    "--%s\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--%s--", b200, b200);

	(void)state;
	expect("multipart/form-data", HEAD "1" TAIL, "400");
	expect("multipart/form-data; boundary=", HEAD "1" TAIL, "400");
	expect("multipart/form-data; boundary=\"\"", HEAD "1" TAIL, "400");
	expect(type200, body200, "x=1;");
	expect(type201, body200, "400");
	expect("multipart/form-data; boundary=\"b\\\"\"", HEAD "1" TAIL, "400");
	expect("multipart/form-data; boundary=\"b\001\"", HEAD "1" TAIL, "400");
	expect("multipart/form-data; boundary=\"b c\"",
	       "--b c\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b c--", "x=1;");
	expect("multipart/form-data; boundary=\"b \"", HEAD "1" TAIL, "400");
	expect("multipart/form-data; boundary=b; boundary=b", HEAD "1" TAIL, "400");
	expect("multipart/mixed; boundary=b", HEAD "1" TAIL, "415");
	expect("multipart/related; boundary=b", HEAD "1" TAIL, "415");
	expect("Multipart/Form-Data; BOUNDARY=b", HEAD "1" TAIL, "x=1;");
	expect("multipart/form-data;charset=UTF-8;boundary=a%+b",
	       "--a%+b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--a%+b--", "x=1;");
}

/* Row 4: line ends cannot stand in the header at all. */
static void test_multipart_boundary_with_line_end(void **state)
{
	struct test_request t;

	(void)state;
	test_begin(&t, "POST", "/upload/", "");
	test_env(&t, "CONTENT_TYPE", "multipart/form-data; boundary=b\r\nX: y");
	test_init(&t, "", 0);
	assert_int_equal(t.req.error.err, ERR_BAD_REQUEST);
	test_end(&t);
}

/* Rows 9-17. */
static void test_multipart_framing(void **state)
{
	CLEAN_FREE char *k4 = times("p", 4096);
	CLEAN_FREE char *pre_ok = mem_printf("%.4094s\r\n" HEAD "1" TAIL, k4);
	CLEAN_FREE char *pre_long = mem_printf("%s\r\n\r\n\r\n" HEAD "1" TAIL, k4);
	CLEAN_FREE char *post_ok = mem_printf(HEAD "1\r\n--b--%s", k4);
	CLEAN_FREE char *post_long = mem_printf(HEAD "1\r\n--b--%sx", k4);

	(void)state;
	expect(TYPE, "", "400");
	expect(TYPE, "Content-Disposition: form-data; name=\"x\"\r\n\r\n1" TAIL, "400");
	expect(TYPE, "no delimiter anywhere", "400");
	expect(TYPE, "preamble\r\n" HEAD "1" TAIL, "x=1;");
	expect(TYPE, pre_ok, "x=1;");
	expect(TYPE, pre_long, "400");
	expect(TYPE, HEAD "1" TAIL "epilogue --b\r\n--b\r\n", "x=1;");
	expect(TYPE, post_ok, "x=1;");
	expect(TYPE, post_long, "400");
	expect(TYPE, HEAD "1", "400");
	expect(TYPE, HEAD "1\r\n--b\r\n", "400");
	expect(TYPE, "--b\r\nContent-Dispo", "400");
	expect(TYPE, HEAD "1\r\n--b-", "400");
	expect(TYPE, HEAD "1\r\n-", "400");
	expect(TYPE, "--b\nContent-Disposition: form-data; name=\"x\"\n\n1\n--b--\n", "400");
	expect(TYPE, "--b\r\nContent-Disposition: form-data; name=\"x\"\n\n1" TAIL, "400");
	expect(TYPE, "--b\rContent-Disposition: form-data; name=\"x\"\r\r1\r--b--\r", "400");
	expect(TYPE, "--b\r\nContent-Disposition: form-data; name=\"x\"\r\r1" TAIL, "400");
}

/* Rows 18-20: what only looks like a delimiter is data. */
static void test_multipart_near_delimiters_are_data(void **state)
{
	(void)state;
	expect(TYPE, FILE_HEAD "1\r\n--bX\r\n--c\r\n-\r\n" TAIL,
	       "[file|a.csv|-|1\r\n--bX\r\n--c\r\n-\r\n];");
	expect(TYPE, FILE_HEAD "1\r\n--b-X\r\n--b \tX\r\n--b \r\r\n--b\r" TAIL,
	       "[file|a.csv|-|1\r\n--b-X\r\n--b \tX\r\n--b \r\r\n--b\r];");
	expect(TYPE, FILE_HEAD "--b--\r--b\n--b\r\r\r\n\r\n\r" TAIL,
	       "[file|a.csv|-|--b--\r--b\n--b\r\r\r\n\r\n\r];");
	expect(TYPE,
	       "--b  \r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b \t\r\n"
	       "Content-Disposition: form-data; name=\"y\"\r\n\r\n2\r\n--b--  \r\n",
	       "x=1;y=2;");
	expect(TYPE, "--bX\r\n\r\n--b-\r\n" HEAD "1" TAIL, "x=1;");
}

/* Rows 21-29, 31-34, 37, 38. */
static void test_multipart_heads(void **state)
{
	CLEAN_FREE char *long_line = times("h", 8200);
	CLEAN_FREE char *long_head = mem_printf("X: %s\r\n", long_line);
	CLEAN_FREE char *many = times("X-Y: z\r\n", 16);
	CLEAN_FREE char *enough = times("X-Y: z\r\n", 15);

	(void)state;
	expect(TYPE, "--b\r\n\r\n1" TAIL, "400");
	expect(TYPE, "--b\r\nContent-Type: text/plain\r\n\r\n1" TAIL, "400");
	expect(TYPE, "--b\r\nContent-Disposition: attachment; name=\"x\"\r\n\r\n1" TAIL, "400");
	expect_part("filename=\"a\"", "400");
	expect_part("name=\"\"", "400");
	expect_head("Content-Disposition: form-data; name=\"y\"\r\n", "400");
	expect_part("name=\"f\"; filename=\"a\"; filename=\"b\"", "400");
	expect_part("name=\"f\"; name=\"g\"", "400");
	expect_part("name=\"f\"; filename=\"a\"; filename*=UTF-8''%e4%b8%ad.csv",
		    "[f|中.csv|-|d];");
	expect_part("name=\"f\"; filename*=utf-8'zh'%e4%b8%ad.csv; filename=\"a\"",
		    "[f|中.csv|-|d];");
	expect_part("name=\"f\"; filename*=GBK''%d6%d0.csv", "400");
	expect_part("name=\"f\"; filename*=UTF-8''%zz.csv", "400");
	expect_part("name=\"f\"; filename*=UTF-8''a%00b", "400");
	expect_part("name=\"f\"; filename*=UTF-8''%c0%af", "400");
	expect_part("name=\"x", "400");
	expect_part("name=\"f\"; filename=\"a", "400");
	expect_part("name=\"f\"; filename=\"a\\\"b\"", "[f|a\"b|-|d];");
	expect_part("name=\"f\"; filename=\"a%22b\"", "[f|a\"b|-|d];");
	expect_part("name=\"f\"; filename=\"C:\\dir\\a.csv\"", "[f|C:\\dir\\a.csv|-|d];");
	expect_head(long_head, "400");
	expect_head("no colon\r\n", "400");
	expect_head("X: y\r\n folded\r\n", "400");
	expect_bytes(TYPE, "--b\r\nContent-Disposition: form-data; name=\"x\0y\"\r\n\r\n1" TAIL,
		     sizeof("--b\r\nContent-Disposition: form-data; name=\"x\0y\"\r\n\r\n1" TAIL) -
			 1,
		     "400");
	expect_head(many, "400");
	expect_head(enough, "x=d;");
	expect_head("Content-Type: multipart/mixed; boundary=c\r\n", "400");
	expect_head("Content-Transfer-Encoding: base64\r\n", "400");
	expect_head("Content-Transfer-Encoding: quoted-printable\r\n", "400");
	expect_head("Content-Transfer-Encoding: 8bit\r\n", "x=d;");
	expect_head("Content-Transfer-Encoding: BINARY\r\n", "x=d;");
}

static void test_multipart_parameter_spelling(void **state)
{
	static const struct {
		const char *params, *want;
	} rows[] = {
	    {"name=f; filename=a.csv", "[f|a.csv|-|d];"},
	    {" NAME = \"f\" ;; x=y ; FileName = a", "[f|a|-|d];"},
	    {"name=\"a%0d%0A%2\"", "a\r\n%2=d;"},
	    {"name=\"f\\\\g\"", "f\\g=d;"},
	    {"name=\"\xD6\xD0\"", "中=d;"},
	    {"name=\"\xFF\"", "400"},
	    {"name", "400"},
	    {"name=f; x", "400"},
	    {"name=f; =x", "400"},
	    {"name=f\"g", "400"},
	    {"name=f g", "400"},
	    {"name=\"f\"g", "400"},
	    {"name=\"f\"; filename*=x", "400"},
	    {"name=\"f\"; filename*=UTF-8'en", "400"},
	    {"name=\"f\"; filename*=UTF-8''", ""},
	    {"name=\"f\"; x=\"\"; name*=UTF-8''g", "f=d;"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect_part(rows[i].params, rows[i].want);
	expect_head("Content-Type: a/b\r\nContent-Type: a/b\r\n", "400");
	expect_head("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 7bit\r\n",
		    "400");
	expect_head("Bad Name: x\r\n", "400");
	expect_head("X(y): x\r\n", "400");
	expect_head(": x\r\n", "400");
	expect_head("X-Blank \t:\t y \t\r\n", "x=d;");
	expect_head("X: a\rb\r\n", "400");
	expect_head("\tfolded\r\n", "400");
}

/* Row 30: names are only labels, whatever stands in them; cleaning is the receiver's. */
static void test_multipart_hostile_names_stay_text(void **state)
{
	(void)state;
	expect_part("name=\"f\"; filename=\"../../../../tmp/pwn.csv\"",
		    "[f|../../../../tmp/pwn.csv|-|d];");
	expect_part("name=\"f\"; filename=\"%2e%2e%2fpwn.csv\"", "[f|%2e%2e%2fpwn.csv|-|d];");
	expect_part("name=\"f\"; filename=\"a.zip%00.csv\"", "[f|a.zip%00.csv|-|d];");
	expect_part("name=\"f\"; filename=\"a%0D%0ASet-Cookie:x=1.csv\"",
		    "[f|a\r\nSet-Cookie:x=1.csv|-|d];");
	/* GB18030 of 中文, which old clients send raw. */
	expect_part("name=\"f\"; filename=\"\xD6\xD0\xCE\xC4.csv\"", "[f|中文.csv|-|d];");
	expect_part("name=\"f\"; filename=\"\xFF\xFF.csv\"", "400");
	/* Not chosen: no file at all. */
	expect_part("name=\"f\"; filename=\"\"", "");
}

/* Rows 35, 36, 40. */
static void test_multipart_limits(void **state)
{
	CLEAN_FREE char *parts = times(HEAD "1\r\n", 1000);
	CLEAN_FREE char *at = mem_printf("%s--b--", parts);
	CLEAN_FREE char *over = mem_printf("%s" HEAD "1" TAIL, parts);
	CLEAN_FREE char *text = times("t", 65536);
	CLEAN_FREE char *full = mem_printf(HEAD "%s" TAIL, text);
	CLEAN_FREE char *fuller = mem_printf(HEAD "%st" TAIL, text);
	CLEAN_FREE char *got = read_body(TYPE, at, strlen(at), true, 0, 0);
	CLEAN_FREE char *too_many = read_body(TYPE, over, strlen(over), true, 0, 0);
	CLEAN_FREE char *whole = read_body(TYPE, full, strlen(full), true, 0, 0);
	CLEAN_FREE char *too_long = read_body(TYPE, fuller, strlen(fuller), true, 1, 4097);

	(void)state;
	assert_int_equal(strlen(got), 4000);
	assert_string_equal(too_many, "413");
	assert_int_equal(strlen(whole), 65536 + 3);
	assert_string_equal(too_long, "413");
}

/* Row 39. */
static void test_multipart_fields_are_utf8(void **state)
{
	(void)state;
	expect_head("Content-Type: text/plain; charset=utf-7\r\n", "x=d;");
	expect(TYPE, HEAD "中" TAIL, "x=中;");
	expect(TYPE, HEAD "\xD6\xD0" TAIL, "400");
	expect_bytes(TYPE, HEAD "a\0b" TAIL, sizeof(HEAD "a\0b" TAIL) - 1, "400");
	expect(TYPE, "--b\r\nContent-Disposition: form-data; name=\"_charset_\"\r\n\r\ngbk" TAIL,
	       "_charset_=gbk;");
}

/* Rows 42 and 43: the delimiter at every place around the buffer's end; a file that is all
 * near-delimiters. */
static void test_multipart_buffer_edges(void **state)
{
	static const size_t sizes[] = {8192, 65536, 131072};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (size_t n = sizes[i] - strlen(FILE_HEAD) - 12;
		     n < sizes[i] - strlen(FILE_HEAD) + 3; n++) {
			CLEAN_FREE char *data = times("z", n);
			CLEAN_FREE char *body = mem_printf(FILE_HEAD "%s" TAIL, data);
			CLEAN_FREE char *got = read_body(TYPE, body, strlen(body), true, 0, 0);
			CLEAN_FREE char *want = mem_printf("[file|a.csv|-|%s];", data);
			assert_string_equal(got, want);
		}
	}
}

static void test_multipart_is_linear(void **state)
{
	CLEAN_FREE char *data = times("\r\n--", 1000000);
	CLEAN_FREE char *body = mem_printf(FILE_HEAD "%s" TAIL, data);
	struct timespec a, b;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	CLEAN_FREE char *got = read_body(TYPE, body, strlen(body), true, 0, 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	assert_int_equal(strlen(got), strlen("[file|a.csv|-|];") + 4000000);
	assert_true((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9 < 1.0);
}

/* Row 44. */
static void test_multipart_empty_file_is_a_file(void **state)
{
	(void)state;
	expect(TYPE, FILE_HEAD TAIL, "[file|a.csv|-|];");
	expect(TYPE, HEAD TAIL, "x=;");
}

/* Rows 13-15: less than declared is a cut, also when the closing delimiter came. */
static void test_multipart_cut_is_never_whole(void **state)
{
	struct test_request t;
	struct form form;
	struct error error = {0};

	(void)state;
	for (int lose = 0; lose < 2; lose++) {
		test_begin(&t, "POST", "/upload/", "");
		test_env(&t, "CONTENT_TYPE", TYPE);
		test_env(&t, "CONTENT_LENGTH", "1000");
		test_init(&t, HEAD "1" TAIL, strlen(HEAD "1" TAIL));
		if (lose == 1)
			wire_memory_lose(t.wire);
		error = (struct error){0};
		assert_int_equal(form_read(&t.req, &form, NULL, &error), ERR_CUT);
		form_done(&form);
		test_end(&t);
	}
	/* Without a length the closing delimiter is enough, even if the connection breaks behind
	 * it. */
	test_begin(&t, "POST", "/upload/", "");
	test_env(&t, "CONTENT_TYPE", TYPE);
	test_env(&t, "HTTP_TRANSFER_ENCODING", "chunked");
	test_init(&t, HEAD "1" TAIL, strlen(HEAD "1" TAIL));
	wire_memory_lose(t.wire);
	assert_int_equal(form_read(&t.req, &form, NULL, &error), ERR_OK);
	assert_string_equal(form_get(&form, "x"), "1");
	form_done(&form);
	test_end(&t);
}

/* Row 26 from the other side: where no file is taken, none passes. */
static void test_multipart_file_without_sink(void **state)
{
	struct test_request t;
	struct form form;
	struct error error = {0};

	(void)state;
	test_begin(&t, "POST", "/login", "");
	test_env(&t, "CONTENT_TYPE", TYPE);
	test_env(&t, "HTTP_TRANSFER_ENCODING", "chunked");
	test_init(&t, FILE_HEAD "1" TAIL, strlen(FILE_HEAD "1" TAIL));
	assert_int_equal(form_read(&t.req, &form, NULL, &error), ERR_BAD_REQUEST);
	form_done(&form);
	test_end(&t);
}

static void test_multipart_limit_is_named(void **state)
{
	const struct config config = TEST_CONFIG;
	struct multipart *m = multipart_new("b", &config);
	CLEAN_FREE char *body = times(HEAD "\r\n", 1001);
	const char *p = body, *data;
	size_t n;
	enum multipart_event e;

	(void)state;
	do
		e = multipart_next(m, &p, body + strlen(body), &data, &n);
	while (e != MULTIPART_LARGE && e != MULTIPART_BAD && e != MULTIPART_MORE);
	assert_int_equal(e, MULTIPART_LARGE);
	assert_string_equal(multipart_limit(m), "limits.multipart_parts");
	assert_false(multipart_done(m));
	multipart_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_multipart_takes_an_ordinary_form),
	    cmocka_unit_test(test_multipart_boundary_rules),
	    cmocka_unit_test(test_multipart_boundary_with_line_end),
	    cmocka_unit_test(test_multipart_framing),
	    cmocka_unit_test(test_multipart_near_delimiters_are_data),
	    cmocka_unit_test(test_multipart_heads),
	    cmocka_unit_test(test_multipart_parameter_spelling),
	    cmocka_unit_test(test_multipart_hostile_names_stay_text),
	    cmocka_unit_test(test_multipart_limits),
	    cmocka_unit_test(test_multipart_fields_are_utf8),
	    cmocka_unit_test(test_multipart_buffer_edges),
	    cmocka_unit_test(test_multipart_is_linear),
	    cmocka_unit_test(test_multipart_empty_file_is_a_file),
	    cmocka_unit_test(test_multipart_cut_is_never_whole),
	    cmocka_unit_test(test_multipart_file_without_sink),
	    cmocka_unit_test(test_multipart_limit_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
