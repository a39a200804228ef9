/*
 * SpreadsheetML: the workbook around its sheets: relationships, styles, shared strings.
 * Source: ECMA-376 part 1, 18.2 - 18.8; part 2 (relationships).
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/sheet_impl.h"

#define FORMATS_MAX 10000

/* ---- relationships and workbook */

struct relation {
	char *id;
	char *target; /* member of the zip */
	bool is_sheet;
};

struct listing {
	struct book *book;
	char *folder;	/* of the workbook part: "xl/" */
	char *workbook; /* its member */
	struct relation *v;
	size_t n;
	bool failed;
};

static void root_start(void *user, const char *name, const char **atts)
{
	struct listing *l = user;
	const char *type = zipxml_att(atts, NULL, "Type"),
		   *target = zipxml_att(atts, NULL, "Target");

	if (strcmp(name, "Relationship") != 0 || type == NULL || target == NULL ||
	    l->workbook != NULL)
		return;
	if (text_ends_icase(type, "/officeDocument"))
		l->workbook = mem_strdup(target[0] == '/' ? target + 1 : target);
}

static void no_end(void *user, const char *name)
{
	(void)user;
	(void)name;
}

static void relation_start(void *user, const char *name, const char **atts)
{
	struct listing *l = user;
	const char *type = zipxml_att(atts, NULL, "Type"),
		   *target = zipxml_att(atts, NULL, "Target");
	const char *id = zipxml_att(atts, NULL, "Id");

	if (strcmp(name, "Relationship") != 0 || type == NULL || target == NULL || id == NULL ||
	    l->n >= SHEETS_MAX * 4)
		return;
	l->v = mem_resize(l->v, l->n + 1, sizeof *l->v);
	l->v[l->n++] =
	    (struct relation){.id = mem_strdup(id),
			      .is_sheet = text_ends_icase(type, "/worksheet"),
			      .target = target[0] == '/' ? mem_strdup(target + 1)
							 : mem_printf("%s%s", l->folder, target)};
}

static void workbook_start(void *user, const char *name, const char **atts)
{
	struct listing *l = user;
	const char *id = zipxml_att(atts, "relationships", "id"),
		   *title = zipxml_att(atts, NULL, "name");
	const char *state = zipxml_att(atts, NULL, "state"),
		   *from = zipxml_att(atts, NULL, "date1904");
	bool yes = false;

	if (strcmp(name, "workbookPr") == 0 && from != NULL && text_bool(from, &yes))
		l->book->from_1904 = yes;
	if (strcmp(name, "sheet") != 0 || id == NULL || title == NULL)
		return;
	for (size_t i = 0; i < l->n; i++) {
		struct sheet *s;

		if (!l->v[i].is_sheet || strcmp(l->v[i].id, id) != 0)
			continue;
		if ((s = sheet_add(l->book, title)) == NULL)
			return;
		s->hidden = state != NULL && strcmp(state, "visible") != 0;
		s->part = mem_strdup(l->v[i].target);
		return;
	}
}

/* ---- styles: which cells show dates */

struct styles {
	struct book *book;
	bool in_xfs;
	struct {
		int64_t id;
		enum shown shown;
	} * formats;
	size_t n;
};

static enum shown shown_of(const struct styles *s, int64_t id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->formats[i].id == id)
			return s->formats[i].shown;
	return sheet_shown_builtin(id);
}

static void styles_start(void *user, const char *name, const char **atts)
{
	struct styles *s = user;
	const char *id_text = zipxml_att(atts, NULL, "numFmtId"),
		   *code = zipxml_att(atts, NULL, "formatCode");
	int64_t id = 0;

	if (id_text != NULL)
		(void)text_int(id_text, 0, INT32_MAX, &id);
	if (strcmp(name, "numFmt") == 0 && code != NULL && s->n < FORMATS_MAX) {
		s->formats = mem_resize(s->formats, s->n + 1, sizeof *s->formats);
		s->formats[s->n].id = id;
		s->formats[s->n++].shown = sheet_shown(code);
	} else if (strcmp(name, "cellXfs") == 0) {
		s->in_xfs = true;
	} else if (strcmp(name, "xf") == 0 && s->in_xfs && s->book->n_styles < FORMATS_MAX * 10) {
		s->book->styles = mem_resize(s->book->styles, s->book->n_styles + 1, 1);
		s->book->styles[s->book->n_styles++] = (unsigned char)shown_of(s, id);
	}
}

static void styles_end(void *user, const char *name)
{
	struct styles *s = user;

	if (strcmp(name, "cellXfs") == 0)
		s->in_xfs = false;
}

/* ---- shared strings */

struct strings {
	struct book *book;
	bool in_text, in_phonetic;
	bool failed;
};

static void strings_start(void *user, const char *name, const char **atts)
{
	struct strings *s = user;

	(void)atts;
	if (strcmp(name, "t") == 0)
		s->in_text = !s->in_phonetic;
	else if (strcmp(name, "rPh") == 0)
		s->in_phonetic = true;
}

static void strings_end(void *user, const char *name)
{
	struct strings *s = user;

	if (strcmp(name, "t") == 0)
		s->in_text = false;
	else if (strcmp(name, "rPh") == 0)
		s->in_phonetic = false;
	if (strcmp(name, "si") == 0 && !s->failed)
		s->failed = !book_string_end(s->book);
}

static void strings_text(void *user, const char *text, size_t len)
{
	struct strings *s = user;

	if (s->in_text && !s->failed)
		s->failed = !book_string_text(s->book, text, len);
}

/* ---- <dimension ref="A1:G4"/>: rows of a sheet, from its head only */

struct head {
	struct zipxml *xml;
	int64_t rows;
};

static void head_start(void *user, const char *name, const char **atts)
{
	struct head *h = user;
	const char *ref = zipxml_att(atts, NULL, "ref"), *colon;

	if (strcmp(name, "dimension") == 0 && ref != NULL) {
		colon = strchr(ref, ':');
		ref = colon == NULL ? ref : colon + 1;
		(void)text_int(ref + strspn(ref, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 1, SHEET_ROWS_MAX,
			       &h->rows);
	}
	if (strcmp(name, "sheetData") == 0)
		zipxml_pause(h->xml);
}

static int64_t rows_of(struct book *b, const char *part)
{
	static const struct zipxml_handler on = {head_start, no_end, NULL};
	struct head h = {.rows = 0};

	h.xml = zipxml_new(b->zip, part, &on, &h);
	if (h.xml != NULL)
		(void)zipxml_run(h.xml);
	zipxml_free(h.xml);
	return h.rows;
}

/* ---- the list of sheets */

static void listing_done(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].id);
		free(l->v[i].target);
	}
	free(l->v);
	free(l->folder);
	free(l->workbook);
}

static bool list(struct listing *l)
{
	static const struct zipxml_handler root = {root_start, no_end, NULL},
					   relations = {relation_start, no_end, NULL},
					   workbook = {workbook_start, no_end, NULL};
	CLEAN_FREE char *rels = NULL;
	const char *slash;

	if (!zipxml_all(l->book->zip, "_rels/.rels", &root, l) || l->workbook == NULL)
		return false;
	slash = strrchr(l->workbook, '/');
	l->folder = mem_strndup(l->workbook, slash == NULL ? 0 : (size_t)(slash + 1 - l->workbook));
	rels = mem_printf("%s_rels/%s.rels", l->folder, slash == NULL ? l->workbook : slash + 1);
	return zipxml_all(l->book->zip, rels, &relations, l) &&
	       zipxml_all(l->book->zip, l->workbook, &workbook, l);
}

bool xlsx_list(struct job *job, struct book *b)
{
	static const struct zipxml_handler on_styles = {styles_start, styles_end, NULL},
					   on_strings = {strings_start, strings_end, strings_text};
	struct listing l = {.book = b};
	struct styles styles = {.book = b};
	struct strings strings = {.book = b};
	CLEAN_FREE char *part = NULL, *part2 = NULL;
	bool fine = list(&l);

	(void)job;
	if (fine) {
		/* A workbook without strings or styles is a workbook. */
		part = mem_printf("%sstyles.xml", l.folder);
		part2 = mem_printf("%ssharedStrings.xml", l.folder);
		(void)zipxml_all(b->zip, part, &on_styles, &styles);
		(void)zipxml_all(b->zip, part2, &on_strings, &strings);
		for (size_t i = 0; i < b->n; i++)
			b->v[i].rows = rows_of(b, b->v[i].part);
	}
	free(styles.formats);
	listing_done(&l);
	return fine && !strings.failed;
}
