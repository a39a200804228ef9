/*
 * Keys of a receiver that concern files.  Source: contracts/signed-api.md 7.2.
 */
#include <string.h>
#include "base/charset.h"
#include "base/text.h"
#include "signed/mailbox.h"
#include "signed/receiver_read.h"
#include "wizard/when.h"

#define SHEET_BYTES  255
#define HEADER_BYTES 1024    /* of a column's header in the file */
#define ROW_MOST     1048576 /* of a workbook's sheet */
#define KEEP_MOST    3650    /* days */
#define NULLS_MAX    100
#define MAIL_MAX     10 /* addresses */

static const char *const kinds[] = {"xlsx", "xls", "ods", "csv", "tsv", "zip", NULL};

static bool keep(struct reading *g, json_object *value)
{
	json_set(g->receiver->file, g->key, json_copy(value));
	return true;
}

/* A word out of WORDS, kept. */
static bool keep_word(struct reading *g, json_object *value, const char *const *words)
{
	const char *text = reading_text(g, value, 16);

	for (size_t i = 0; text != NULL && words[i] != NULL; i++)
		if (strcmp(words[i], text) == 0)
			return keep(g, value);
	return text != NULL && reading_bad(g, "\"%s\" is not offered here", text);
}

static bool keep_bool(struct reading *g, json_object *value)
{
	bool unused;

	return reading_bool(g, value, &unused) && keep(g, value);
}

static bool keep_int(struct reading *g, json_object *value, int64_t min, int64_t max)
{
	int64_t unused;

	return reading_int(g, value, min, max, &unused) && keep(g, value);
}

static bool read_types(struct reading *g, json_object *value)
{
	json_object *item;

	if (!json_object_is_type(value, json_type_array) || json_len(value) == 0)
		return reading_bad(g, "must be a list of file types");
	JSON_EACH(item, value)
	if (!keep_word(g, item, kinds))
		return false;
	return keep(g, value);
}

static bool read_sheet(struct reading *g, json_object *value)
{
	if (json_object_is_type(value, json_type_int))
		return keep_int(g, value, 1, 10000);
	return reading_text(g, value, SHEET_BYTES) != NULL && keep(g, value);
}

static bool read_header_row(struct reading *g, json_object *value)
{
	return keep_int(g, value, 0, ROW_MOST);
}

static bool read_first_row(struct reading *g, json_object *value)
{
	return keep_int(g, value, 1, ROW_MOST);
}

static bool read_map(struct reading *g, json_object *value)
{
	if (!reading_object(g, value))
		return false;
	json_object_object_foreach(value, column, item)
	{
		int64_t place;

		if (!reading_name_ok(g, column))
			return false;
		if (!receiver_has_column(g->receiver, column))
			return reading_bad(g, "\"%s\" is no column of \"table\"", column);
		if (json_object_is_type(item, json_type_int)
			? !reading_int(g, item, 1, RECEIVER_NAMES_MAX, &place)
			: reading_text(g, item, HEADER_BYTES) == NULL)
			return false;
	}
	return keep(g, value);
}

static bool read_error_or_ignore(struct reading *g, json_object *value)
{
	static const char *const words[] = {"error", "ignore", NULL};

	return keep_word(g, value, words);
}

static bool read_delimiter(struct reading *g, json_object *value)
{
	static const char *const words[] = {"auto", ",", ";", "\t", "tab", "|", NULL};

	return keep_word(g, value, words);
}

static bool read_quote(struct reading *g, json_object *value)
{
	static const char *const words[] = {"\"", "'", NULL};

	return keep_word(g, value, words);
}

static bool read_encoding(struct reading *g, json_object *value)
{
	const char *text = reading_text(g, value, 64);

	if (text == NULL)
		return false;
	if (strcmp(text, "auto") != 0 && charset_canonical(text) == NULL)
		return reading_bad(g, "\"%s\" is not known", text);
	return keep(g, value);
}

static bool read_decimal(struct reading *g, json_object *value)
{
	static const char *const words[] = {".", ",", NULL};

	return keep_word(g, value, words);
}

/*
 * As the file's dates will be read: a format that cannot be one is told here, not by each import.
 */
static bool read_date_format(struct reading *g, json_object *value)
{
	const char *text = reading_text(g, value, WHEN_FORMAT_MAX);
	struct when_format *format;

	if (text == NULL)
		return false;
	if (*text == '\0' || text_ieq(text, "ISO"))
		return keep(g, value);
	format = when_format_new(text, NULL);
	when_format_free(format);
	return format != NULL ? keep(g, value)
			      : reading_bad(g, "\"%s\" is no format of dates", text);
}

static bool read_null_text(struct reading *g, json_object *value)
{
	json_object *item;

	if (!json_object_is_type(value, json_type_array) || json_len(value) > NULLS_MAX)
		return reading_bad(g, "must be a list of at most %d texts", NULLS_MAX);
	JSON_EACH(item, value)
	if (!json_object_is_type(item, json_type_string) ||
	    json_object_get_string_len(item) > HEADER_BYTES)
		return reading_bad(g, "must be a list of texts");
	return keep(g, value);
}

static bool read_mode(struct reading *g, json_object *value)
{
	static const char *const words[] = {"append", "replace", "upsert", NULL};

	return keep_word(g, value, words);
}

static bool read_keep(struct reading *g, json_object *value)
{
	return keep_int(g, value, 1, KEEP_MOST);
}

/* Kept as a list, however it was written. */
static bool read_mail_to(struct reading *g, json_object *value)
{
	json_object *list = json_object_new_array(), *item;
	bool good = true;

	if (json_object_is_type(value, json_type_array)) {
		JSON_EACH(item, value)
		good = good && json_object_is_type(item, json_type_string) &&
		       mailbox_list(json_object_get_string(item), "", MAIL_MAX, list);
	} else {
		good = json_object_is_type(value, json_type_string) &&
		       mailbox_list(json_object_get_string(value), "", MAIL_MAX, list);
	}
	json_set(g->receiver->file, g->key, list);
	return good || reading_bad(g, "must be at most %d mail addresses", MAIL_MAX);
}

const struct reader receiver_files[] = {
    {"fileTypes", read_types},
    {"sheet", read_sheet},
    {"headerRow", read_header_row},
    {"firstRow", read_first_row},
    {"map", read_map},
    {"missing", read_error_or_ignore},
    {"extra", read_error_or_ignore},
    {"delimiter", read_delimiter},
    {"quote", read_quote},
    {"encoding", read_encoding},
    {"decimal", read_decimal},
    {"dateFormat", read_date_format},
    {"nullText", read_null_text},
    {"trim", keep_bool},
    {"skipEmptyRows", keep_bool},
    {"mode", read_mode},
    {"keep", read_keep},
    {"mailTo", read_mail_to},
    {NULL, NULL},
};

void receiver_file_defaults(struct receiver *v)
{
	json_object *types = json_object_new_array(), *nulls = json_object_new_array();

	for (size_t i = 0; kinds[i] != NULL; i++)
		json_object_array_add(types, json_object_new_string(kinds[i]));
	json_object_array_add(nulls, json_object_new_string(""));
	json_set(v->file, "fileTypes", types);
	json_set_int(v->file, "headerRow", 1);
	json_set_str(v->file, "missing", "error");
	json_set_str(v->file, "extra", "ignore");
	json_set_str(v->file, "delimiter", "auto");
	json_set_str(v->file, "quote", "\"");
	json_set_str(v->file, "encoding", "auto");
	json_set_str(v->file, "decimal", ".");
	json_set(v->file, "nullText", nulls);
	json_set_bool(v->file, "trim", true);
	json_set_bool(v->file, "skipEmptyRows", true);
	json_set_str(v->file, "mode", "append");
	json_set_int(v->file, "keep", 30);
}

bool receiver_file_fits(struct reading *g)
{
	json_object *file = g->receiver->file, *map = json_obj(file, "map");
	int64_t header = json_int(file, "headerRow", 1);
	int64_t first = json_int(file, "firstRow", header + 1);

	json_set_int(file, "firstRow", first);
	g->key = "firstRow";
	if (first <= header)
		return reading_bad(g, "must come after headerRow");
	g->key = "mode";
	if (strcmp(json_str(file, "mode", ""), "upsert") == 0 && g->receiver->n_key == 0)
		return reading_bad(g, "upsert needs \"id\"");
	g->key = "map";
	if (map == NULL || header > 0)
		return true;
	json_object_object_foreach(map, column, item)
	{
		if (!json_object_is_type(item, json_type_int))
			return reading_bad(g, "\"%s\" needs a number: headerRow is 0", column);
	}
	return true;
}
