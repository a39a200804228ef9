/*
 * JSON as text.  json-c's own printer takes three times as long: it formats numbers with sprintf
 * and appends text piece by piece to a buffer that each object keeps.
 */
#include "base/json.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"

/* Seventeen digits would show 23.1 as 23.100000000000001; fifteen are what a double is sure of. */
__attribute__((constructor)) static void set_double_format(void)
{
	(void)json_c_set_serialization_double_format("%.15g", JSON_C_OPTION_GLOBAL);
}

/* What stands for a byte in a string; NULL: itself, or of a control character its number. */
static const char *const escapes[256] = {
    ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f",   ['\n'] = "\\n",
    ['\r'] = "\\r", ['\t'] = "\\t",  ['/'] = "\\/",  ['<'] = "\\u003c"};

/* What cannot be copied without a look: in every text, or in one for <script> only. */
enum { LOOK = 1, LOOK_IN_SCRIPT = 2 };
#define EIGHT LOOK, LOOK, LOOK, LOOK, LOOK, LOOK, LOOK, LOOK
static const unsigned char looks[256] = {EIGHT,
					 EIGHT,
					 EIGHT,
					 EIGHT,
					 ['"'] = LOOK,
					 ['\\'] = LOOK,
					 [0xC2] = LOOK,
					 ['/'] = LOOK_IN_SCRIPT,
					 ['<'] = LOOK_IN_SCRIPT};

/* The escape of the first of LEN bytes at S, if it needs one; how many bytes it stands for. */
static size_t put_escape(struct buf *b, const char *s, size_t len)
{
	unsigned char c = (unsigned char)*s;

	if (c == 0xC2 && len > 1 && s[1] == '\xA0') {
		buf_str(b, "\\u00a0");
		return 2;
	}
	if (escapes[c] != NULL)
		buf_str(b, escapes[c]);
	else if (c < ' ')
		buf_printf(b, "\\u%04x", (unsigned)c);
	else
		buf_char(b, *s);
	return 1;
}

static void put_text(struct buf *b, const char *s, size_t len, bool script)
{
	unsigned look = LOOK | (script ? LOOK_IN_SCRIPT : 0u);
	char *out = buf_more(b, len + 2);

	*out++ = '"';
	for (size_t i = 0; i < len; i++) {
		if ((looks[(unsigned char)s[i]] & look) == 0) {
			*out++ = s[i];
			continue;
		}
		b->len = (size_t)(out - b->s);
		i += put_escape(b, s + i, len - i) - 1;
		out = buf_more(b, len - i + 1);
	}
	*out++ = '"';
	b->len = (size_t)(out - b->s);
}

static void put(struct buf *b, const json_object *o, bool script)
{
	json_object *v = (json_object *)o;
	bool more = false;

	switch (json_object_get_type(o)) {
	case json_type_object:
		buf_char(b, '{');
		json_object_object_foreach(v, key, member)
		{
			if (more)
				buf_char(b, ',');
			more = true;
			put_text(b, key, strlen(key), script);
			buf_char(b, ':');
			put(b, member, script);
		}
		buf_char(b, '}');
		return;
	case json_type_array:
		buf_char(b, '[');
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			if (i > 0)
				buf_char(b, ',');
			put(b, json_object_array_get_idx(o, i), script);
		}
		buf_char(b, ']');
		return;
	case json_type_string:
		put_text(b, json_object_get_string(v), (size_t)json_object_get_string_len(o),
			 script);
		return;
	case json_type_null:
		buf_str(b, "null");
		return;
	case json_type_boolean:
		buf_str(b, json_object_get_boolean(o) ? "true" : "false");
		return;
	case json_type_int:
		/* Larger ones are unsigned: json-c's, as doubles are. */
		if (json_object_get_int64(o) < INT64_MAX) {
			buf_int(b, json_object_get_int64(o));
			return;
		}
		break;
	case json_type_double:
		break;
	}
	buf_str(b, json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN));
}

char *json_print(const json_object *o, size_t *ret_len)
{
	struct buf b = {0};

	put(&b, o, false);
	return buf_take(&b, ret_len);
}

char *json_print_script(const json_object *o)
{
	struct buf b = {0};

	put(&b, o, true);
	return buf_take(&b, NULL);
}
