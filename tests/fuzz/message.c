/*
 * Goal: whatever a jail sends is refused with a reason, or holds what wizard/message.h promises the
 * worker that believes it; what was accepted is accepted again, unchanged.
 * The first byte of the input says which message it is; the rest is its JSON.
 */
#include "fuzz.h"

#include "base/json.h"
#include "wizard/message.h"

#define FILES 3

/* As base/frame.c reads frames. */
static const struct json_limits limits = {16 << 20, 64, 1000000};

static enum err check(char kind, json_object *o, const json_object *job, struct error *error)
{
	switch (kind) {
	case 'i':
		return message_check_import(o, job, error);
	case 'r':
		return message_check_rows(o, error);
	case 'p':
		return message_check_progress(o, error);
	case 'f':
		return message_check_failed(o, error);
	default:
		return message_check_inspect(o, FILES, error);
	}
}

static void check_layers(const json_object *o, const json_object *job, bool import)
{
	json_object *layer;

	if (import)
		fuzz_check(json_len(json_arr(o, "layers")) == json_len(json_arr(job, "layers")));
	JSON_EACH(layer, json_arr(o, "layers"))
	{
		const char *file = json_str(layer, "file", NULL),
			   *name = json_str(layer, "name", "");

		fuzz_check(strlen(name) <= 1024);
		/* The one path the worker takes from a jail. */
		if (import && file != NULL)
			fuzz_check(strchr(file, '/') == NULL && file[0] != '.');
		fuzz_check(json_len(json_arr(layer, "columns")) <= 5000);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct error error = {0}, again = {0};
	json_object *o = NULL, *job = NULL, *kept;

	if (size == 0 || json_read((const char *)input + 1, size - 1, &limits, &o) != ERR_OK)
		return 0;
	static const char asked[] = "{\"layers\":[{\"i\":0},{\"i\":2}]}";
	fuzz_check(json_read(asked, sizeof(asked) - 1, &limits, &job) == ERR_OK);
	if (check((char)input[0], o, job, &error) == ERR_OK) {
		check_layers(o, job, input[0] == 'i');
		kept = json_copy(o);
		fuzz_check(check((char)input[0], o, job, &again) == ERR_OK && json_equal(o, kept));
		json_object_put(kept);
	} else {
		fuzz_check(error.text[0] != '\0');
	}
	json_object_put(job);
	json_object_put(o);
	return 0;
}
