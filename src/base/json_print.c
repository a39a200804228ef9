/* JSON as text: json-c's, but for what two readers of it cannot take. */
#include "base/json.h"

#include <json-c/printbuf.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"

/* Seventeen digits would show 23.1 as 23.100000000000001; fifteen are what a double is sure of. */
__attribute__((constructor)) static void set_double_format(void)
{
	(void)json_c_set_serialization_double_format("%.15g", JSON_C_OPTION_GLOBAL);
}

static int print_int(json_object *o, struct printbuf *out, int level, int flags)
{
	char digits[BUF_DIGITS];
	const char *first = buf_digits(digits, json_object_get_int64(o));

	(void)level;
	(void)flags;
	return printbuf_memappend(out, first, (int)(digits + BUF_DIGITS - first));
}

json_object *json_int_new(int64_t n)
{
	json_object *o = json_object_new_int64(n);

	if (o == NULL)
		mem_die();
	json_object_set_serializer(o, print_int, NULL, NULL);
	return o;
}

/* Copy S with U+00A0 and, for SCRIPT, every '<' written as escapes: both stand only inside strings.
 */
static char *escaped(const char *s, size_t len, bool script, size_t *ret_len)
{
	size_t extra = 0;
	char *text, *out;

	/* Few texts hold one. */
	if (memchr(s, '\xC2', len) != NULL || (script && memchr(s, '<', len) != NULL))
		for (size_t i = 0; i < len; i++)
			extra += s[i] == '<' || s[i] == '\xC2' ? strlen("\\u00a0") : 0;
	*ret_len = len;
	if (extra == 0)
		return mem_strndup(s, len);
	text = out = mem_alloc(len + extra + 1);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\xC2' && s[i + 1] == '\xA0') {
			out = mempcpy(out, "\\u00a0", 6);
			i++;
		} else if (script && s[i] == '<') {
			out = mempcpy(out, "\\u003c", 6);
		} else {
			*out++ = s[i];
		}
	}
	*ret_len = (size_t)(out - text);
	return text;
}

static char *print(const json_object *o, bool script, size_t *ret_len)
{
	int flags = JSON_C_TO_STRING_PLAIN | (script ? 0 : JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t len;
	const char *s = json_object_to_json_string_length((json_object *)o, flags, &len);

	if (s == NULL)
		mem_die();
	return escaped(s, len, script, ret_len != NULL ? ret_len : &len);
}

char *json_print(const json_object *o, size_t *ret_len)
{
	return print(o, false, ret_len);
}

char *json_print_script(const json_object *o)
{
	return print(o, true, NULL);
}
