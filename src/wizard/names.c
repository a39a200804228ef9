#include "wizard/names.h"

#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define DATASET_BYTES 63
#define COLUMN_BYTES  60
#define TOLD_BYTES    200 /* of an original name in a message */

/* Names the dataset's own table needs. */
static const char *const reserved[] = {"fid", "ogc_fid", "geom", "_time_start", "_time_end"};

/*
 * S with everything but letters, digits and '_' replaced, '_' in front of anything else than a
 * letter, cut to MAX bytes.  Bytes that are not UTF-8 count as one character each.
 */
static char *clean(const char *s, size_t max)
{
	size_t len = strlen(s), out = 0;
	char *r = mem_alloc(len + 2);
	int32_t cp;

	for (size_t i = 0; i < len;) {
		size_t n = text_decode(s + i, len - i, &cp);
		bool digit = n > 0 && text_is_digit(cp);

		if (out == 0 && digit)
			r[out++] = '_';
		if (digit || (n > 0 && text_is_letter(cp))) {
			memcpy(r + out, s + i, n);
			out += n;
		} else {
			r[out++] = '_';
		}
		i += n > 0 ? n : 1;
	}
	r[text_cut(r, out, max)] = '\0';
	return r;
}

char *name_dataset(const char *stem)
{
	char *name = clean(stem, DATASET_BYTES);

	if (*name != '\0')
		return name;
	free(name);
	return mem_strdup("_");
}

char *name_column(const char *original, size_t index0)
{
	CLEAN_FREE char *trimmed = text_trim(original);
	char *name = clean(trimmed != NULL ? trimmed : original, COLUMN_BYTES);

	if (*name != '\0')
		return name;
	free(name);
	return mem_printf("column_%zu", index0 + 1);
}

static bool is_reserved(const char *name)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (text_ieq(name, reserved[i]))
			return true;
	return false;
}

/* NAME with SUFFIX, together at most COLUMN_BYTES. */
static char *with_suffix(const char *name, const char *suffix)
{
	size_t keep = text_cut(name, strlen(name), COLUMN_BYTES - strlen(suffix));

	return mem_printf("%.*s%s", (int)keep, name, suffix);
}

/* The name as it is compared: two that differ in case only are one column to a database. */
static char *key_of(const char *name)
{
	char *key = text_fold(name);

	return key != NULL ? key : mem_strdup(name);
}

/* The first of NAME, NAME_2, NAME_3 … that is not in TAKEN, whose values are the number to try
 * next. */
static char *unique(const char *name, json_object *taken)
{
	CLEAN_FREE char *base = key_of(name);
	int64_t n = json_int(taken, base, 0);
	char suffix[24];

	if (n == 0) {
		json_set_int(taken, base, 2);
		return mem_strdup(name);
	}
	for (;; n++) {
		CLEAN_FREE char *key = NULL;
		char *candidate;

		(void)snprintf(suffix, sizeof(suffix), "_%lld", (long long)n);
		candidate = with_suffix(name, suffix);
		key = key_of(candidate);
		if (json_get(taken, key) == NULL) {
			json_set_int(taken, base, n + 1);
			json_set_int(taken, key, 2);
			return candidate;
		}
		free(candidate);
	}
}

char **names_columns(const char *const *originals, size_t n)
{
	CLEAN_JSON json_object *taken = json_object_new_object();
	char **names = mem_array(n > 0 ? n : 1, sizeof(*names));

	for (size_t i = 0; i < n; i++) {
		char *name = name_column(originals[i], i);

		if (is_reserved(name)) {
			char *longer = with_suffix(name, "_");

			free(name);
			name = longer;
		}
		names[i] = unique(name, taken);
		free(name);
	}
	return names;
}

json_object *names_changed(const char *const *originals, char *const *cleaned, size_t n)
{
	json_object *changed = json_object_new_object();

	for (size_t i = 0; i < n; i++)
		if (*originals[i] != '\0' && strcmp(originals[i], cleaned[i]) != 0)
			json_set_str(changed, originals[i], cleaned[i]);
	return changed;
}

static bool is_renamed(const char *original, const char *cleaned)
{
	CLEAN_FREE char *trimmed = text_trim(original);
	const char *name = trimmed != NULL ? trimmed : original;

	return *name != '\0' && strcmp(name, cleaned) != 0;
}

json_object *names_renamed(const char *file, const char *const *originals, char *const *cleaned,
			   size_t n)
{
	json_object *p = NULL;
	int64_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_renamed(originals[i], cleaned[i]))
			continue;
		if (count++ > 0)
			continue;
		CLEAN_FREE char *original = mem_strndup(
		    originals[i], text_cut(originals[i], strlen(originals[i]), TOLD_BYTES));
		p = problem_str(problem_new("columns_renamed"), "file", file);
		problem_str(problem_str(p, "column", original), "value", cleaned[i]);
	}
	return p == NULL ? NULL : problem_arg_int(p, "count", count);
}
