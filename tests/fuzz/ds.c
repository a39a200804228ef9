/*
 * Goal: any bytes as "ds" are read without a fault; what is accepted gives the same rows each time,
 * of valid text, and the values json-c finds in it.
 */
#include "fuzz.h"

#include "base/json.h"
#include "base/text.h"
#include "signed/ds.h"

/* What a reader sees, folded into one number. */
static uint64_t fold(uint64_t sum, const struct value *v)
{
	sum = (sum ^ v->kind) * 1099511628211U;
	for (size_t i = 0; i < v->len; i++)
		sum = (sum ^ (unsigned char)v->text[i]) * 1099511628211U;
	return sum;
}

static void check_text(const struct value *v)
{
	fuzz_check(v->text == NULL || text_is_utf8(v->text, v->len));
	fuzz_check(v->len == 0 || memchr(v->text, '\0', v->len) == NULL);
}

static uint64_t read_all(const struct ds *d, struct row_source source)
{
	struct refusal r = {0};
	struct row row;
	uint64_t sum = 0;
	int64_t n = 0;
	enum rows_state state;

	while ((state = source.next(source.arg, &row, &r)) == ROWS_MORE) {
		fuzz_check(row.number == ++n && row.n > 0);
		for (size_t i = 0; i < row.n; i++) {
			sum = fold(sum, &row.cells[i]);
			check_text(&row.cells[i]);
			if (row.names != NULL) {
				sum = fold(sum, &row.names[i]);
				check_text(&row.names[i]);
			}
		}
	}
	fuzz_check(state == ROWS_OVER && n == ds_count(d));
	return sum;
}

static void compare(const struct value *v, json_object *o)
{
	static const enum json_type types[] = {
	    [VALUE_NULL] = json_type_null,     [VALUE_FALSE] = json_type_boolean,
	    [VALUE_TRUE] = json_type_boolean,  [VALUE_INTEGER] = json_type_int,
	    [VALUE_NUMBER] = json_type_double, [VALUE_TEXT] = json_type_string,
	};

	if (v->kind == VALUE_JSON) {
		fuzz_check(json_object_get_type(o) == json_type_array ||
			   json_object_get_type(o) == json_type_object);
		return;
	}
	fuzz_check(json_object_get_type(o) == types[v->kind]);
	if (v->kind == VALUE_INTEGER)
		fuzz_check(json_object_get_int64(o) == v->number);
	if (v->kind == VALUE_TEXT)
		fuzz_check((size_t)json_object_get_string_len(o) == v->len &&
			   memcmp(json_object_get_string(o), v->text, v->len) == 0);
}

/* The tree's row with the number a reader gives it. */
static json_object *tree_row(json_object *tree, const struct row *row)
{
	json_object *first = json_at(tree, 0);

	if (!json_object_is_type(tree, json_type_array) ||
	    !(json_object_is_type(first, json_type_array) ||
	      json_object_is_type(first, json_type_object)))
		return tree;
	return json_at(tree,
		       (size_t)row->number - (json_object_is_type(first, json_type_array) ? 0 : 1));
}

static void compare_all(struct row_source source, json_object *tree)
{
	struct refusal r = {0};
	struct row row;

	while (source.next(source.arg, &row, &r) == ROWS_MORE) {
		json_object *o = tree_row(tree, &row);

		for (size_t i = 0; i < row.n; i++) {
			char *name;

			if (json_object_is_type(o, json_type_array)) {
				compare(&row.cells[i], json_at(o, i));
				continue;
			}
			name = mem_strndup(row.names[i].text, row.names[i].len);
			compare(&row.cells[i], json_object_object_get(o, name));
			free(name);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static const struct json_limits limits = {1 << 24, 8, 100000};
	struct refusal r = {0};
	struct ds *d = NULL;
	json_object *tree = NULL;
	struct row_source source;
	uint64_t sum;

	if (!ds_open((const char *)input, size, 1000, &d, &r)) {
		fuzz_check(r.code == REFUSE_BAD || r.code == REFUSE_LARGE);
		fuzz_check(text_is_utf8(r.what, strlen(r.what)));
		return 0;
	}
	source = ds_rows(d);
	sum = read_all(d, source);
	fuzz_check(source.rewind(source.arg) && read_all(d, source) == sum);
	/* Numbers that json-c cannot hold are the one thing it refuses more. */
	if (json_read((const char *)input, size, &limits, &tree) == ERR_OK && tree != NULL &&
	    source.rewind(source.arg))
		compare_all(source, tree);
	json_object_put(tree);
	ds_free(d);
	return 0;
}
