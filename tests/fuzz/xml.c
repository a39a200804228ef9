/*
 * Goal: an XML body of SuperMap's clients is read without a fault; what is accepted is an object, a
 * list or a text that prints as JSON and reads back as the same value.
 */
#include "fuzz.h"

#include "base/text.h"
#include "http/xmlbody.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const struct json_limits limits = {1 << 20, 32, 10000}, wide = {1 << 24, 64, 100000};
	json_object *o = NULL, *back = NULL;
	size_t len;

	if (xmlbody_read((const char *)input, size, &limits, &o) != ERR_OK) {
		fuzz_check(o == NULL);
		return 0;
	}
	char *text = json_print(o, &len);
	fuzz_check(text_is_utf8(text, len));
	fuzz_check(json_read(text, len, &wide, &back) == ERR_OK && json_equal(o, back));
	json_object_put(back);
	json_object_put(o);
	free(text);
	return 0;
}
