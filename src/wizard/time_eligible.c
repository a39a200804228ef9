#include "wizard/when.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* Is one of NAME's words (split at other characters, lower→upper and letter/digit changes) on the
 * list of 12.1? */
static bool has_time_word(const char *name)
{
	static const char *const words[] = {"create", "created", "end",
					    "last",   "expire",	 "expires"};
	const char *p = name;

	while (*p != '\0') {
		char word[16];
		size_t n = 0;

		while (*p != '\0' && !is_upper(*p) && !is_lower(*p))
			p++;
		while (is_upper(*p) || is_lower(*p)) {
			if (n < sizeof(word) - 1)
				word[n++] = is_upper(*p) ? (char)(*p - 'A' + 'a') : *p;
			p++;
			if (is_lower(p[-1]) && is_upper(*p))
				break;
		}
		word[n] = '\0';
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (strcmp(word, words[i]) == 0)
				return true;
	}
	return false;
}

static bool name_tells_time(const char *name)
{
	static const char *const parts[] = {"date", "time", "year", "年", "日期", "时间", "時間"};
	CLEAN_FREE char *folded = text_fold(name);

	if (folded == NULL)
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(folded, parts[i]) != NULL)
			return true;
	return has_time_word(name);
}

/* Numbers that are years: whole and small, and named so or nearly all of our times. */
static bool is_year(const json_object *column)
{
	const char *name = json_str(column, "name", ""),
		   *original = json_str(column, "original", "");
	int64_t values = json_int(column, "values", 0);

	if (values <= 0 || !json_bool(column, "year_range", false))
		return false;
	return name_tells_time(original) || name_tells_time(name) ||
	       (double)json_int(column, "years_ok", 0) >= 0.95 * (double)values;
}

char when_eligible(const json_object *column)
{
	const char *type = json_str(column, "type", ""),
		   *original = json_str(column, "original", NULL);

	if (original == NULL)
		original = json_str(column, "name", "");
	if (text_ieq(original, "id") || text_ieq(original, "fid"))
		return 0;
	if (strcmp(type, "date") == 0 || strcmp(type, "datetime") == 0)
		return json_int(column, "values", 1) > 0 ? 'd' : 0;
	if (strcmp(type, "integer") == 0 || strcmp(type, "real") == 0)
		return is_year(column) ? 'y' : 0;
	if (strcmp(type, "text") == 0) {
		const json_object *time = json_obj(column, "time");
		int64_t ok = json_int(time, "ok", 0), bad = json_int(time, "bad", 0);

		/* Bounds before the product: the figures come from a jail. */
		return ok > 0 && bad >= 0 && (double)ok >= 0.8 * ((double)ok + (double)bad) ? 't'
											    : 0;
	}
	return 0;
}

bool when_layer_eligible(const json_object *layer)
{
	json_object *column;

	if (strcmp(json_str(layer, "kind", ""), "raster") == 0)
		return false;
	JSON_EACH(column, json_arr(layer, "columns"))
	if (when_eligible(column) != 0)
		return true;
	return false;
}
