/*
 * What a client is told of a file that cannot be imported: texts of the wire (signed/refusal.h),
 * not of a page.
 */
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/words.h"
#include "worker/signed.h"

#define ROWS_TOLD 5 /* contracts/signed-api.md 7.3 */

/* {placeholders} are the problem's. */
static const struct {
	const char *code;
	enum refuse refuse;
	const char *text;
} texts[] = {
    {"file_empty", REFUSE_FILE, "it is empty"},
    {"content_mismatch", REFUSE_FILE, "named {expected}, its content is {sent}"},
    {"format_unreadable", REFUSE_FILE, "it is damaged"},
    {"xml_forbidden", REFUSE_FILE, "its XML has a DOCTYPE"},
    {"rows_encrypted", REFUSE_FILE, "it is encrypted"},
    {"rows_xls", REFUSE_FILE, "xls is not supported here"},
    {"rows_macro", REFUSE_FILE, "it has macros"},
    {"rows_not_table", REFUSE_FILE, "its content is {sent}"},
    {"rows_type", REFUSE_FILE, "{sent} is not accepted"},
    {"rows_no_table", REFUSE_FILE, "no table in the archive"},
    {"rows_tables", REFUSE_FILE, "{count} tables in the archive"},
    {"zip_encrypted", REFUSE_FILE, "the archive is encrypted"},
    {"zip_entries", REFUSE_FILE, "too many files in the archive"},
    {"zip_too_big", REFUSE_FILE, "too large when unpacked"},
    {"zip_ratio", REFUSE_FILE, "packed too densely"},
    {"zip_nested", REFUSE_FILE, "an archive in an archive"},
    {"zip_path", REFUSE_FILE, "a name in the archive leads elsewhere"},
    {"zip_link", REFUSE_FILE, "a link in the archive"},
    {"zip_invalid", REFUSE_FILE, "the archive is damaged"},
    {"csv_binary", REFUSE_FILE, "its content is not text"},
    {"csv_open_quote", REFUSE_BAD, "row {row}: a quote is not closed"},
    {"csv_too_many_columns", REFUSE_BAD, "row {row}: over {limit} columns"},
    {"csv_cell_too_long", REFUSE_BAD, "row {row}: a cell over {limit} bytes"},
    {"charset_unknown", REFUSE_BAD, "unknown encoding"},
    {"time_bad_format", REFUSE_BAD, "dateFormat"},
    {"sheet_unknown", REFUSE_BAD, "no sheet {value}"},
    {"rows_no_header", REFUSE_BAD, "row {row}: no header"},
    {"rows_missing", REFUSE_BAD, "row {row}, column {column}: missing"},
    {"rows_duplicate", REFUSE_BAD, "row {row}, column {column}: more than once"},
    {"rows_extra", REFUSE_BAD, "row {row}, column {column}: unknown"},
    {"rows_limit", REFUSE_LARGE, ""},
    {"import_output_too_big", REFUSE_LARGE, ""},
    {"import_memory", REFUSE_LARGE, ""},
    {"disk_full", REFUSE_SPACE, ""},
    {"job_not_started", REFUSE_BUSY, ""},
};

void import_refusal(const struct worker *w, const json_object *problems, struct refusal *ret)
{
	const json_object *p = json_at(problems, 0);
	const char *code = problem_code(p);

	for (size_t i = 0; code != NULL && i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(texts[i].code, code) != 0)
			continue;
		/* A text that is no key stands for itself. */
		CLEAN_FREE char *what = words_fill(w->words, LANG_EN, texts[i].text, p);

		(void)refuse(ret, texts[i].refuse, "%s", what);
		return;
	}
	/* Time over, the jail gone, our fault. */
	(void)refuse(ret, REFUSE_DATABASE, "other in import");
}

char *import_bad_text(const json_object *bad, int64_t total)
{
	char *text = NULL;
	size_t len, n = 0;
	FILE *f = open_memstream(&text, &len);
	json_object *b = NULL;

	if (f == NULL)
		mem_die();
	JSON_EACH(b, bad)
	{
		const char *column = json_str(b, "column", "");

		if (n++ == ROWS_TOLD)
			break;
		(void)fprintf(f, "%srow %lld%s%s: %s", n > 1 ? "; " : "",
			      (long long)json_int(b, "row", 0), *column != '\0' ? ", column " : "",
			      column, json_str(b, "reason", ""));
	}
	if (total > ROWS_TOLD)
		(void)fprintf(f, "; and %lld more", (long long)total - ROWS_TOLD);
	if (fclose(f) != 0)
		mem_die();
	return text;
}

void import_bad_words(json_object *bad, const struct receiver *receiver)
{
	static const char *const words[][2] = {{"number", "not a number"},
					       {"encoding", "not valid text"},
					       {"cells", "more cells than the header"}};
	json_object *b = NULL;

	JSON_EACH(b, bad)
	{
		const char *reason = json_str(b, "reason", "");
		CLEAN_FREE char *date =
		    mem_printf("not a date like %s", json_str(receiver->file, "dateFormat", ""));

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcmp(words[i][0], reason) == 0) {
				json_set_str(b, "reason", words[i][1]);
				break;
			}
		if (strcmp(json_str(b, "reason", ""), "date") == 0)
			json_set_str(b, "reason", date);
	}
}
