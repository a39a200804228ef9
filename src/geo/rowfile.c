/*
 * What a file is by its content, and the table in it: delimited text, a workbook, or a zip that
 * holds one of these.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/charset.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/archive.h"
#include "geo/content.h"
#include "geo/rowjob.h"

#define ZIP_ENTRIES 100 /* contracts/signed-api.md 7.2 */
#define ZIP_BYTES   (2LL << 30)
#define UNPACKED    "out/work/table"
#define SCAN_BYTES  ((size_t)1 << 20)

static enum err fail(struct job *job, const char *code)
{
	return job_fail(job, problem_str(problem_new(code), "file", job->files[0].name));
}

static enum err fail_with(struct job *job, const char *code, const char *arg, const char *value)
{
	return job_fail(job, problem_arg(problem_str(problem_new(code), "file", job->files[0].name),
					 arg, value));
}

/* ---- what is it? */

/* A workbook whose text says so in two bytes a letter: its real content is encrypted. */
static bool is_encrypted(const char *path)
{
	static const char word[] = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e";
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEAN_FREE char *buf = mem_alloc(SCAN_BYTES + sizeof word);
	size_t kept = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buf + kept, SCAN_BYTES)) > 0) {
		size_t len = kept + (size_t)n;

		if (memmem(buf, len, word, sizeof word) != NULL)
			return true;
		kept = len < sizeof word ? len : sizeof word;
		memmove(buf, buf + len - kept, kept);
	}
	return false;
}

static bool has_member(const struct archive *a, const char *name)
{
	for (size_t i = 0; i < a->dir.n; i++)
		if (text_ieq(a->dir.v[i].name, name))
			return true;
	return false;
}

/* Programs are not carried out here, and a table has no use for them. */
static bool has_macros(const struct archive *a)
{
	for (size_t i = 0; i < a->dir.n; i++)
		if (text_ends_icase(a->dir.v[i].name, "vbaProject.bin") ||
		    text_starts(a->dir.v[i].name, "Basic/"))
			return true;
	return false;
}

/* Of a zip whatever stands first in it: "xlsx", "ods", "zip"; NULL: problem added. */
static const char *kind_of_archive(struct job *job, const struct archive *a)
{
	bool xlsx = has_member(a, "[Content_Types].xml"),
	     ods = has_member(a, "content.xml") && has_member(a, "mimetype");

	if (!xlsx && !ods)
		return "zip";
	if (has_macros(a)) {
		(void)fail(job, "rows_macro");
		return NULL;
	}
	if (xlsx ? !has_member(a, "xl/workbook.xml") && !has_member(a, "_rels/.rels")
		 : !has_member(a, "META-INF/manifest.xml")) {
		(void)fail(job, "format_unreadable");
		return NULL;
	}
	return xlsx ? "xlsx" : "ods";
}

static bool is_archive_magic(const char *magic)
{
	static const char *const magics[] = {"zip", "xlsx", "ods", "office", "kmz"};

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (strcmp(magics[i], magic) == 0)
			return true;
	return false;
}

/* Text may begin with anything a program could take for something else. */
static bool is_text_magic(const char *magic)
{
	return strcmp(magic, "text") == 0 || strcmp(magic, "asc") == 0;
}

/* Is the member at I a table by its first bytes?  NULL: no; else what. */
static const char *member_magic(struct job *job, struct archive *a, size_t i)
{
	const struct zip_member *m = &a->dir.v[i];
	const char *slash = strrchr(m->name, '/'), *base = slash == NULL ? m->name : slash + 1;
	CLEAN_FREE char *head = NULL;
	const char *magic;
	size_t len = 0;

	if (m->folder || m->size == 0 || bundle_is_junk(m->name) || base[0] == '.')
		return NULL;
	head = archive_head(job, a, i, 65536, &len);
	magic = head == NULL ? "" : bundle_magic(head, len);
	return is_text_magic(magic) || strcmp(magic, "xlsx") == 0 || strcmp(magic, "ods") == 0 ||
		       strcmp(magic, "ole") == 0
		   ? magic
		   : NULL;
}

/* The one usable member; a .txt counts only when nothing else is a table. */
static enum err choose_member(struct job *job, struct archive *a, size_t *ret)
{
	size_t tables = 0, texts = 0, table = 0, text = 0;

	for (size_t i = 0; i < a->dir.n && job->problems == NULL; i++) {
		if (member_magic(job, a, i) == NULL)
			continue;
		if (text_ends_icase(a->dir.v[i].name, ".txt")) {
			texts++;
			text = i;
		} else {
			tables++;
			table = i;
		}
	}
	if (job->problems != NULL)
		return ERR_BAD_REQUEST;
	*ret = tables > 0 ? table : text;
	if (tables == 1 || (tables == 0 && texts == 1))
		return ERR_OK;
	if (tables + texts == 0)
		return fail(job, "rows_no_table");
	return job_fail(job, problem_arg_int(problem_str(problem_new("rows_tables"), "file",
							 job->files[0].name),
					     "count", (int64_t)(tables > 0 ? tables : texts)));
}

static enum err unpack(struct job *job, struct row_file *f)
{
	struct zip_limits limits = archive_limits(job);
	struct archive a;
	struct error error = {0};
	size_t i;
	enum err err;

	limits.entries = ZIP_ENTRIES;
	limits.bytes = ZIP_BYTES;
	err = archive_open_within(job, f->source.path, f->source.file, &limits, &a);
	if (err != ERR_OK)
		return err;
	err = choose_member(job, &a, &i);
	if (err == ERR_OK && fs_mkdirs(AT_FDCWD, "out/work", &error) != ERR_OK)
		err = fail(job, error.err == ERR_NO_SPACE ? "disk_full" : "import_failed");
	if (err == ERR_OK)
		err = archive_unpack(job, &a, i, UNPACKED);
	archive_close(&a);
	free(f->source.path);
	f->source.path = mem_strdup(UNPACKED);
	f->source.in_zip = true;
	return err;
}

/* ---- what may it be? */

static bool is_allowed(const struct job *job, const char *kind)
{
	json_object *types = json_arr(json_obj(job->spec, "file"), "fileTypes"), *type;

	if (types == NULL)
		return true;
	JSON_EACH(type, types)
	if (strcmp(json_object_get_string(type), kind) == 0)
		return true;
	return false;
}

/* The name promised a workbook or an archive and the content is text. */
static enum err check_promise(struct job *job)
{
	static const char *const endings[] = {".xlsx", ".xlsm", ".xls", ".ods", ".zip"};
	const char *name = job->files[0].name;

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (text_ends_icase(name, endings[i]))
			return job_fail(
			    job,
			    problem_arg(problem_arg(problem_str(problem_new("content_mismatch"),
								"file", name),
						    "expected", endings[i] + 1),
					"sent", "text"));
	return ERR_OK;
}

static enum err settle_archive(struct job *job, struct row_file *f, const char **ret_kind)
{
	struct archive a;
	enum err err = archive_open(job, f->source.path, f->source.file, &a);

	if (err != ERR_OK)
		return err;
	*ret_kind = kind_of_archive(job, &a);
	archive_close(&a);
	return *ret_kind == NULL ? ERR_BAD_REQUEST : ERR_OK;
}

/* Sets kind and the source's; INSIDE: it came out of a zip. */
static enum err settle_kind(struct job *job, struct row_file *f, bool inside)
{
	CLEAN_FREE char *head = NULL;
	const char *magic, *kind = NULL;
	size_t len = 0;
	enum err err = ERR_OK;

	head = content_head(f->source.path, &len);
	if (head == NULL)
		return fail(job, "format_unreadable");
	magic = bundle_magic(head, len);
	if (strcmp(magic, "empty") == 0)
		return fail(job, "file_empty");
	if (strcmp(magic, "ole") == 0 && is_encrypted(f->source.path))
		return fail(job, "rows_encrypted");
	if (strcmp(magic, "ole") == 0)
		kind = "xls";
	else if (is_archive_magic(magic))
		err = settle_archive(job, f, &kind);
	else if (!is_text_magic(magic))
		return fail_with(job, "rows_not_table", "sent", magic);
	else if (!inside)
		err = check_promise(job);
	if (err != ERR_OK)
		return err;
	if (kind != NULL && !is_allowed(job, kind))
		return fail_with(job, "rows_type", "sent", kind);
	if (kind != NULL && strcmp(kind, "zip") == 0) {
		if (inside)
			return fail(job, "zip_nested");
		err = unpack(job, f);
		return err == ERR_OK ? settle_kind(job, f, true) : err;
	}
	f->kind = kind == NULL ? "csv" : kind;
	f->source.kind = kind == NULL ? KIND_CSV : strcmp(kind, "ods") == 0 ? KIND_ODS : KIND_XLSX;
	return ERR_OK;
}

/* ---- delimited text */

static const char *charset_of(struct job *job, const struct row_file *f)
{
	const char *wanted = json_str(json_obj(job->spec, "file"), "encoding", "auto");
	const char *bom = rows_bom(&f->source), *name;

	if (bom != NULL)
		return bom;
	if (text_ieq(wanted, "auto") || wanted[0] == '\0')
		return rows_is_utf8(&f->source) ? "UTF-8" : "GB18030";
	name = charset_canonical(wanted);
	if (name == NULL)
		(void)fail_with(job, "charset_unknown", "charset", wanted);
	return name;
}

static void settle_delimiter(const json_object *keys, struct dialect *d)
{
	const char *wanted = json_str(keys, "delimiter", "auto"),
		   *quote = json_str(keys, "quote", "\"");

	if (text_ieq(wanted, "tab") || strcmp(wanted, "\\t") == 0)
		wanted = "\t";
	if (!text_ieq(wanted, "auto") && wanted[0] != '\0' && strlen(wanted) < sizeof d->delimiter)
		memcpy(d->delimiter, wanted, strlen(wanted) + 1);
	else if (strlen(d->delimiter) != 1 || strchr(",;\t|", d->delimiter[0]) == NULL)
		memcpy(d->delimiter, ",", 2);
	if (strlen(quote) == 1)
		d->quote = quote[0];
}

static enum err open_text(struct job *job, struct row_file *f)
{
	const char *charset = charset_of(job, f);
	CLEAN_FREE char *head = NULL;
	struct dialect d;
	size_t len;
	bool whole;

	if (charset == NULL || (head = rows_head(job, &f->source, charset, &len, &whole)) == NULL)
		return ERR_BAD_REQUEST;
	(void)dialect_guess(head, len, whole, &d);
	settle_delimiter(json_obj(job->spec, "file"), &d);
	if (d.delimiter[0] == '\t')
		f->kind = "tsv";
	/* Asked for tables with tabs or with commas, nobody means the other by it. */
	if (!is_allowed(job, f->kind))
		return fail_with(job, "rows_type", "sent", f->kind);
	return rows_open_csv(job, &f->source, charset, &d, &f->rows);
}

/* ---- workbooks */

static enum err choose_sheet(struct job *job, struct row_file *f)
{
	json_object *wanted = json_get(json_obj(job->spec, "file"), "sheet");
	json_object *sheets = book_sheets(f->book);
	const char *name =
	    json_object_is_type(wanted, json_type_string) ? json_object_get_string(wanted) : NULL;
	int64_t number = json_object_get_int64(wanted);

	if (wanted == NULL || name != NULL)
		return book_choose(job, &f->source, f->book, name, &f->sheet);
	if (number >= 1 && number <= (int64_t)json_len(sheets)) {
		f->sheet = (size_t)number - 1;
		return ERR_OK;
	}
	return job_fail(
	    job, problem_str(problem_str(problem_new("sheet_unknown"), "file", f->source.file),
			     "value", json_object_get_string(wanted)));
}

static enum err open_book(struct job *job, struct row_file *f)
{
	bool xls = strcmp(f->kind, "xls") == 0;
	enum err err = xls ? ERR_OK : content_check(job, &f->source);

	if (err == ERR_OK)
		err = (xls ? book_open_xls : book_open)(job, &f->source, &f->book);
	if (err == ERR_OK)
		err = choose_sheet(job, f);
	if (err != ERR_OK)
		return err;
	book_null_errors(f->book);
	return rows_open_sheet(job, &f->source, f->book, f->sheet, &f->rows);
}

enum err row_file_open(struct job *job, struct row_file *ret)
{
	enum err err;

	*ret = (struct row_file){0};
	if (job->n_files != 1)
		return job_fail(job, problem_new("import_failed"));
	ret->source.file = mem_strdup(job->files[0].name);
	ret->source.path = mem_strdup(job->files[0].path);
	err = settle_kind(job, ret, false);
	if (err == ERR_OK)
		err = ret->source.kind == KIND_CSV ? open_text(job, ret) : open_book(job, ret);
	if (err != ERR_OK)
		row_file_close(ret);
	return err;
}

void row_file_close(struct row_file *f)
{
	rows_free(f->rows);
	book_close(f->book);
	free(f->source.file);
	free(f->source.path);
	*f = (struct row_file){0};
}
