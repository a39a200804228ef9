/*
 * Goal: one form, however it was encoded; limits and cuts are told apart from short forms.
 */
#include "http/helper.h"

static enum err read_form(struct test_request *t, const char *type, const char *length,
			  const char *body, const char *query, const struct form_sink *sink,
			  struct form *form, struct error *error)
{
	test_begin(t, "POST", "/upload/", query);
	if (type != NULL)
		test_env(t, "CONTENT_TYPE", type);
	if (length != NULL && strcmp(length, "chunked") == 0)
		test_env(t, "HTTP_TRANSFER_ENCODING", "chunked");
	else if (length != NULL)
		test_env(t, "CONTENT_LENGTH", length);
	test_init(t, body, strlen(body));
	wire_memory_split(t->wire, 1, 3);
	*error = (struct error){0};
	return form_read(&t->req, form, sink, error);
}

/* The whole body with its length: fields as JSON, or the status. */
static void expect(const char *type, const char *body, const char *want)
{
	struct test_request t;
	struct form form;
	struct error error;
	char length[24];

	(void)snprintf(length, sizeof(length), "%zu", strlen(body));
	enum err err = read_form(&t, type, length, body, "", NULL, &form, &error);
	if (err == ERR_OK) {
		CLEAN_JSON json_object *o = form_fields(&form);
		CLEAN_FREE char *text = json_print(o, NULL);
		assert_string_equal(text, want);
	} else {
		CLEAN_FREE char *status = mem_printf("%d", err_status(err));
		assert_string_equal(status, want);
		assert_int_equal(error.err, err);
	}
	form_done(&form);
	test_end(&t);
}

#define URLENCODED "application/x-www-form-urlencoded"
#define JSON	   "application/json"

static void test_form_urlencoded(void **state)
{
	(void)state;
	expect(URLENCODED, "a=1&b=x+y&a=2&c", "{\"a\":[\"1\",\"2\"],\"b\":\"x y\",\"c\":\"\"}");
	expect(URLENCODED "; charset=UTF-8", "", "{}");
	expect(URLENCODED, "a=%zz", "400");
	expect(URLENCODED, "a=%00", "400");
	expect(URLENCODED, "a=\xFF", "400");
	expect(URLENCODED, "a=%D6%D0", "400");
}

static void test_form_json(void **state)
{
	(void)state;
	expect(JSON, "{\"a\":[\"1\",2,true,null,{\"b\":1}],\"c\":1.5,\"d\":null,\"e\":\"\"}",
	       "{\"a\":[\"1\",\"2\",\"true\",\"{\\\"b\\\":1}\"],\"c\":\"1.5\",\"e\":\"\"}");
	expect(JSON, "{}", "{}");
	expect(JSON, "[1]", "400");
	expect(JSON, "1", "400");
	expect(JSON, "", "400");
	expect(JSON, "{\"a\":1", "400");
	expect(JSON, "{\"a\":1}x", "400");
	expect(JSON, "{\"a\":1,\"a\":2}", "400");
	expect(JSON, "{\"a\":\"\\u0000\"}", "400");
	expect(JSON, "{\"a\":NaN}", "400");
	expect(JSON, "{'a':1}", "400");
}

static void test_form_other_types(void **state)
{
	(void)state;
	expect("text/plain", "a=1", "415");
	expect("application/xml", "<a/>", "415");
	expect("text/plain", "", "{}");
	expect("", "", "{}");
	expect("", "a=1", "415");
}

static void test_form_length_rules(void **state)
{
	struct test_request t;
	struct form form;
	struct error error;
	static const struct {
		const char *type, *length, *body;
		enum err want;
	} rows[] = {
	    {URLENCODED, "chunked", "a=1", ERR_NEED_LENGTH},
	    {URLENCODED, "10", "a=1", ERR_CUT},
	    {URLENCODED, "2", "a=1", ERR_OK},
	    {URLENCODED, "65537", "a=1", ERR_TOO_LARGE},
	    {URLENCODED, NULL, "a=1", ERR_OK},
	    {JSON, "chunked", "{\"a\":1}", ERR_OK},
	    {JSON, "chunked", "{\"a\":", ERR_BAD_REQUEST},
	    {JSON, "10", "{\"a\":1}", ERR_CUT},
	    {JSON, "1048577", "{\"a\":1}", ERR_TOO_LARGE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum err err = read_form(&t, rows[i].type, rows[i].length, rows[i].body, "", NULL,
					 &form, &error);
		if (err != rows[i].want)
			fail_msg("row %zu: %s", i, err_name(err));
		/* Too long is said before a byte is read. */
		if (err == ERR_TOO_LARGE)
			assert_int_equal(wire_received(t.wire), 0);
		form_done(&form);
		test_end(&t);
	}
}

static void test_form_content_encoding_is_refused(void **state)
{
	struct test_request t;
	struct form form;
	struct error error = {0};

	(void)state;
	test_begin(&t, "POST", "/upload/", "");
	test_env(&t, "CONTENT_TYPE", URLENCODED);
	test_env(&t, "CONTENT_LENGTH", "3");
	test_env(&t, "HTTP_CONTENT_ENCODING", "gzip");
	test_init(&t, "a=1", 3);
	assert_int_equal(form_read(&t.req, &form, NULL, &error), ERR_TYPE);
	form_done(&form);
	test_end(&t);
}

static void test_form_chunked_json_stops_at_its_limit(void **state)
{
	struct test_request t;
	struct form form;
	struct error error = {0};
	size_t len = (1 << 20) + 100;
	char *body = mem_alloc(len + 1);

	(void)state;
	memset(body, ' ', len);
	test_begin(&t, "POST", "/upload/", "");
	test_env(&t, "CONTENT_TYPE", JSON);
	test_env(&t, "HTTP_TRANSFER_ENCODING", "chunked");
	test_init(&t, body, len);
	assert_int_equal(form_read(&t.req, &form, NULL, &error), ERR_TOO_LARGE);
	assert_string_equal(error.code, "limits.json_body");
	form_done(&form);
	test_end(&t);
	free(body);
}

static void test_form_sink_raises_limits(void **state)
{
	struct test_request t;
	struct form form;
	struct error error = {0};
	struct form_sink sink = {.text_max = 200000, .body_max = 300000};
	char *big = mem_alloc(150001);
	CLEAN_FREE char *body = NULL;
	char length[24];

	(void)state;
	memset(big, 'x', 150000);
	body = mem_printf("ds=%s", big);
	(void)snprintf(length, sizeof(length), "%zu", strlen(body));
	assert_int_equal(read_form(&t, URLENCODED, length, body, "", &sink, &form, &error), ERR_OK);
	assert_int_equal(strlen(form_get(&form, "ds")), 150000);
	form_done(&form);
	test_end(&t);
	free(body);
	body = mem_printf("--b\r\nContent-Disposition: form-data; name=\"ds\"\r\n\r\n%s\r\n--b--",
			  big);
	(void)snprintf(length, sizeof(length), "%zu", strlen(body));
	assert_int_equal(read_form(&t, "multipart/form-data; boundary=b", length, body, "", &sink,
				   &form, &error),
			 ERR_OK);
	assert_int_equal(strlen(form_get(&form, "ds")), 150000);
	form_done(&form);
	test_end(&t);
	free(big);
}

/* All text fields together stay small, too. */
static void test_form_text_fields_together(void **state)
{
	struct test_request t;
	struct form form;
	struct error error = {0};
	char *text = NULL, *field = mem_alloc(60001);
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	memset(field, 'y', 60000);
	for (size_t i = 0; i < 20; i++)
		fprintf(out, "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n%s\r\n",
			field);
	fputs("--b--", out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(read_form(&t, "multipart/form-data; boundary=b", "chunked", text, "", NULL,
				   &form, &error),
			 ERR_TOO_LARGE);
	form_done(&form);
	test_end(&t);
	free(text);
	free(field);
}

static void repeats(const char *query, const char *body, const char *want)
{
	struct test_request t;
	struct form form;
	struct error error;
	const char *name = NULL;
	char length[24];

	(void)snprintf(length, sizeof(length), "%zu", strlen(body));
	assert_int_equal(read_form(&t, URLENCODED, length, body, query, NULL, &form, &error),
			 ERR_OK);
	assert_int_equal(form_repeats_secret(&t.req, &form, &name), want != NULL);
	if (want != NULL)
		assert_string_equal(name, want);
	form_done(&form);
	test_end(&t);
}

static void test_form_repeated_secrets(void **state)
{
	(void)state;
	repeats("id=7", "lat=a&lat=b", NULL);
	repeats("", "token=a&token=a", "token");
	repeats("id=7", "id=7", "id");
	repeats("id=7&id=8", "", "id");
	repeats("", "Token=a&token=b", "token");
	repeats("stamp=1", "STAMP=2", "stamp");
	repeats("", "csrfmiddlewaretoken=a&csrfmiddlewaretoken=b", "csrfmiddlewaretoken");
	repeats("token=a", "key=b&rev=1&nonce=2&visitor=c", NULL);
}

static void test_form_body_whole(void **state)
{
	struct test_request t;
	struct error error = {0};
	char *body = NULL;
	size_t len;

	(void)state;
	test_begin(&t, "POST", "/", "");
	test_env(&t, "CONTENT_LENGTH", "5");
	test_init(&t, "ab\0cdX", 6);
	assert_int_equal(form_body(&t.req, 5, "limits.json_body", &body, &len, &error), ERR_OK);
	assert_int_equal(len, 5);
	assert_memory_equal(body, "ab\0cd", 6);
	free(body);
	test_end(&t);
	test_begin(&t, "POST", "/", "");
	test_env(&t, "HTTP_TRANSFER_ENCODING", "chunked");
	test_init(&t, "abcdef", 6);
	assert_int_equal(form_body(&t.req, 5, "signed.max_body", &body, &len, &error),
			 ERR_TOO_LARGE);
	assert_string_equal(error.code, "signed.max_body");
	test_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_form_urlencoded),
	    cmocka_unit_test(test_form_json),
	    cmocka_unit_test(test_form_other_types),
	    cmocka_unit_test(test_form_length_rules),
	    cmocka_unit_test(test_form_content_encoding_is_refused),
	    cmocka_unit_test(test_form_chunked_json_stops_at_its_limit),
	    cmocka_unit_test(test_form_sink_raises_limits),
	    cmocka_unit_test(test_form_text_fields_together),
	    cmocka_unit_test(test_form_repeated_secrets),
	    cmocka_unit_test(test_form_body_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
