/*
 * Goal: no header field that clients write can do harm: range, cookie, disposition, accept,
 * language, content type, forwarded addresses.  The input is the field's value.
 */
#include "fuzz.h"

#include "base/text.h"
#include "http/field.h"
#include "http/represent.h"
#include "http/sfield.h"

static void check_range(const char *text)
{
	static const int64_t sizes[] = {0, 1, 1000, INT64_MAX};
	int64_t first, last;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		if (range_parse(text, sizes[i], &first, &last) && first <= last)
			fuzz_check(first >= 0 && last < sizes[i]);
}

static void check_disposition(const char *text)
{
	char *name = disposition_name(text);

	if (name != NULL) {
		char *again = disposition(name);
		fuzz_check(text_is_utf8(name, strlen(name)));
		fuzz_check(strpbrk(again, "\r\n") == NULL);
		free(again);
	}
	free(name);
}

/* What is read stays inside the input, and an item is the dictionary's member of that text. */
static void check_structured(const char *text)
{
	struct sfield f;
	char *bytes = NULL, *member = mem_printf("k=%s", text);
	int64_t number;
	bool yes;
	size_t n;

	if (sfield_item(text, &f)) {
		fuzz_check(f.text == NULL ||
			   (f.text >= text && f.text + f.len <= text + strlen(text)));
		fuzz_check(f.kind != SFIELD_BOOLEAN || f.integer == 0 || f.integer == 1);
		fuzz_check(*text == ' ' || sfield_member(member, "k", &f));
	}
	fuzz_check(!sfield_boolean(text, &yes) || !sfield_integer(text, &number));
	(void)sfield_member(text, "sha-256", &f);
	if (sfield_member_bytes(text, "sha-256", &bytes, &n))
		fuzz_check(bytes[n] == '\0');
	free(bytes);
	free(member);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *text = mem_strndup((const char *)input, size);
	char *cookie = mem_printf("HTTP_COOKIE=%s", text),
	     *lang = mem_printf("HTTP_ACCEPT_LANGUAGE=%s", text);
	char *type = mem_printf("CONTENT_TYPE=%s", text),
	     *forwarded = mem_printf("HTTP_X_FORWARDED_FOR=%s", text);
	char *length = mem_printf("CONTENT_LENGTH=%s", text);
	const char *env[] = {"REQUEST_METHOD=POST",
			     "REQUEST_URI=/",
			     "PATH_INFO=/",
			     "REMOTE_ADDR=127.0.0.1",
			     cookie,
			     lang,
			     type,
			     forwarded,
			     length,
			     NULL};
	struct req req;

	check_range(text);
	check_disposition(text);
	check_structured(text);
	(void)negotiate_q(text, "text/html");
	struct wire *w = wire_of_memory(env, "", 0, NULL);
	req_init(&req, w, &fuzz_config);
	fuzz_check(strlen(req.address) < sizeof(req.address));
	fuzz_check(req.boundary == NULL ||
		   (strlen(req.boundary) > 0 && strlen(req.boundary) <= 200));
	(void)req_cookie(&req, "a");
	req_done(&req);
	wire_free(w);
	free(cookie);
	free(lang);
	free(type);
	free(forwarded);
	free(length);
	free(text);
	return 0;
}
