/*
 * Goal: any text as a receiver's configuration is read without a fault; what is accepted is
 * accepted again as it was kept, with names that a database could have.
 */
#include "fuzz.h"

#include "base/text.h"
#include "signed/receiver.h"

static void check_name(const char *name)
{
	size_t len = strlen(name);

	fuzz_check(len > 0 && len <= 63 && text_is_utf8(name, len));
	for (size_t i = 0; i < len; i++)
		fuzz_check((unsigned char)name[i] >= 0x20);
}

static void check(const struct receiver *v)
{
	check_name(v->table);
	if (v->schema != NULL)
		check_name(v->schema);
	for (size_t i = 0; i < v->n_columns; i++)
		check_name(v->columns[i]);
	for (size_t i = 0; i < v->n_key; i++)
		check_name(v->key[i]);
	for (size_t i = 0; i < v->n_types; i++)
		check_name(v->types[i].name);
	fuzz_check(v->n_key > 0 || !v->upsert);
	fuzz_check(v->ops != 0 && v->max_rows > 0 && v->timeout_s > 0);
	fuzz_check(v->api_rows || v->api_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct refusal r = {0}, again = {0};
	struct receiver *v = NULL, *w = NULL;
	json_object *config = NULL, *record = json_object_new_object();

	json_set_str(record, "name", "fuzzed");
	if (receiver_text((const char *)input, size, &config, &r)) {
		json_set(record, "config", config);
		if (receiver_read(record, &v, &r)) {
			check(v);
			json_set(record, "config", json_copy(v->config));
			fuzz_check(receiver_read(record, &w, &again));
		}
	}
	fuzz_check(v != NULL || r.code == REFUSE_BAD);
	fuzz_check(text_is_utf8(r.what, strlen(r.what)));
	receiver_free(v);
	receiver_free(w);
	json_object_put(record);
	return 0;
}
