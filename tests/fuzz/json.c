/*
 * Goal: a JSON body is read without a fault; what is accepted prints as JSON, RJSON and XML, and
 * the first two read back as the same value.
 */
#include "fuzz.h"

#include "base/text.h"
#include "http/represent.h"

static void check_print(const json_object *o, enum format format)
{
	json_object *back = NULL;
	size_t len;
	char *text = represent(o, format, "Object", &len);

	fuzz_check(text_is_utf8(text, len));
	if (format != FORMAT_XML) {
		struct json_limits limits = {1 << 24, 64, 100000};
		fuzz_check(json_read(text, len, &limits, &back) == ERR_OK && json_equal(o, back));
		json_object_put(back);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char length[40];
	const char *env[] = {"REQUEST_METHOD=POST",
			     "REQUEST_URI=/upload/",
			     "PATH_INFO=/upload/",
			     length,
			     "CONTENT_TYPE=application/json",
			     NULL};
	struct form form;
	struct req req;

	(void)snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", size);
	struct wire *w = wire_of_memory(env, input, size, NULL);
	req_init(&req, w, &fuzz_config);
	if (form_read(&req, &form, NULL, NULL) == ERR_OK && form.json != NULL) {
		json_object *fields = form_fields(&form);
		check_print(form.json, FORMAT_JSON);
		check_print(form.json, FORMAT_RJSON);
		check_print(form.json, FORMAT_XML);
		json_object_put(fields);
	}
	form_done(&form);
	req_done(&req);
	wire_free(w);
	return 0;
}
