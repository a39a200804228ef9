/*
 * The csv page's settings: how the table is read.
 */
#include <string.h>
#include "base/charset.h"
#include "base/problem.h"
#include "base/text.h"
#include "wizard/columns_form.h"
#include "wizard/fields.h"

#define HEADER_ROW_MAX 1000000

void columns_delimiter(const char *s, char out[5])
{
	int32_t cp;
	size_t len = strlen(s);

	out[0] = '\0';
	if (text_ieq(s, "tab"))
		memcpy(out, "\t", 2);
	else if (text_ieq(s, "space"))
		memcpy(out, " ", 2);
	else if (len > 0 && len <= 4 && text_decode(s, len, &cp) == len && cp != '"' &&
		 cp != '\n' && cp != '\r' && cp != 0)
		memcpy(out, s, len + 1);
}

/* A field that says something: not empty, not "auto". */
static const char *said(const json_object *fields, const char *name)
{
	const char *s = fields_text(fields, name);

	return s == NULL || *s == '\0' || text_ieq(s, "auto") ? NULL : s;
}

static void wrong(json_object **errors, const char *code, const char *field, const char *value,
		  const char *accepted)
{
	json_object *p;

	if (errors == NULL)
		return;
	p = problem_str(problem_str(problem_new(code), "field", field), "value", value);
	if (accepted != NULL)
		problem_arg(p, "accepted", accepted);
	problems_add(errors, p);
}

/* The sheet called S, or number S from 1; NULL = there is none. */
static const char *sheet_of(const json_object *layer, const char *s)
{
	json_object *sheets = json_arr(layer, "sheets"), *sheet;
	int64_t n;

	JSON_EACH(sheet, sheets)
	if (strcmp(json_str(sheet, "name", ""), s) == 0)
		return json_str(sheet, "name", "");
	if (text_int(s, 1, (int64_t)json_len(sheets), &n))
		return json_str(json_object_array_get_idx(sheets, (size_t)n - 1), "name", "");
	return NULL;
}

static void header_of(const char *s, json_object *dialect, json_object **errors)
{
	int64_t row;

	if (text_ieq(s, "yes") || text_ieq(s, "no"))
		json_set_str(dialect, "header", text_ieq(s, "no") ? "no" : "yes");
	else if (text_int(s, 1, HEADER_ROW_MAX, &row))
		json_set_str(dialect, "header", row == 1 ? "yes" : s);
	else
		wrong(errors, "bad_choice", "header", s, "auto, yes, no, 1, 2, …");
}

json_object *columns_dialect(const json_object *layer, const json_object *fields,
			     json_object **errors)
{
	const char *charset = said(fields, "charset"), *delimiter = said(fields, "delimiter");
	const char *header = said(fields, "header"), *decimal = said(fields, "decimal"),
		   *sheet = said(fields, "sheet");
	json_object *d = json_object_new_object();
	char character[5];

	if (charset != NULL && charset_canonical(charset) == NULL)
		wrong(errors, "charset_unknown", "charset", charset, NULL);
	else if (charset != NULL)
		json_set_str(d, "charset", charset_canonical(charset));
	if (delimiter != NULL) {
		columns_delimiter(delimiter, character);
		if (character[0] != '\0')
			json_set_str(d, "delimiter", character);
		else
			wrong(errors, "bad_choice", "delimiter", delimiter,
			      "auto, \",\", \";\", tab, \"|\", space");
	}
	if (header != NULL)
		header_of(header, d, errors);
	if (decimal != NULL) {
		if (strcmp(decimal, ".") == 0 || strcmp(decimal, ",") == 0)
			json_set_str(d, "decimal", decimal);
		else
			wrong(errors, "bad_choice", "decimal", decimal, "auto, \".\", \",\"");
	}
	if (sheet != NULL) {
		const char *name = sheet_of(layer, sheet);

		if (name != NULL)
			json_set_str(d, "sheet", name);
		else if (json_len(json_arr(layer, "sheets")) > 0)
			wrong(errors, "sheet_unknown", "sheet", sheet, NULL);
	}
	return d;
}

json_object *columns_dialect_wrong(const json_object *layer, const json_object *fields)
{
	json_object *errors = NULL;

	json_object_put(columns_dialect(layer, fields, &errors));
	return errors;
}

/* Does WANT (NULL = whatever) differ from what LAYER was read with? */
static bool differs(const json_object *dialect, const char *key, const char *want)
{
	const char *have = json_str(dialect, key, "");
	char a[5], b[5];

	if (want == NULL)
		return false;
	if (strcmp(key, "charset") == 0) {
		const char *canonical = charset_canonical(have);

		return canonical == NULL || strcmp(canonical, want) != 0;
	}
	if (strcmp(key, "delimiter") == 0) {
		columns_delimiter(have, a);
		columns_delimiter(want, b);
		return strcmp(a, b) != 0;
	}
	/* The header in row 1 has two spellings. */
	if (strcmp(key, "header") == 0 && strcmp(have, "1") == 0)
		have = "yes";
	return strcmp(have, want) != 0;
}

bool columns_dialect_changed(const json_object *layer, const json_object *fields,
			     json_object **ret_dialect)
{
	static const char *const keys[] = {"charset", "delimiter", "header", "decimal"};
	const json_object *read = json_obj(layer, "dialect");
	json_object *want = columns_dialect(layer, fields, NULL);
	const char *sheet = json_str(want, "sheet", NULL);
	bool changed = sheet != NULL && strcmp(json_str(layer, "sheet", ""), sheet) != 0;

	/* Sheets have a header, but no delimiter or charset. */
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_get(read, keys[i]) != NULL || strcmp(keys[i], "header") == 0)
			changed = changed || differs(read, keys[i], json_str(want, keys[i], NULL));
	if (!changed) {
		json_object_put(want);
		return false;
	}
	/*
	 * An encoding somebody chose before is not forgotten because now only the delimiter is
	 * said.
	 */
	if (json_get(want, "charset") == NULL && fields_text(fields, "charset") == NULL &&
	    strcmp(json_str(read, "charset_source", ""), "chosen") == 0)
		json_set_str(want, "charset", json_str(read, "charset", NULL));
	*ret_dialect = want;
	return true;
}
