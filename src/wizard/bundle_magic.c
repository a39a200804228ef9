/*
 * What the first bytes of a file are, and whether its extension agrees.
 */
#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "wizard/bundle_type.h"

/* A piece of the head being read. */
struct span {
	const char *s;
	size_t len;
};

static bool begins(const char *head, size_t len, const char *with, size_t n)
{
	return len >= n && memcmp(head, with, n) == 0;
}

static const struct {
	const char *bytes;
	size_t len;
	const char *name;
} signatures[] = {
#define SIGNATURE(text, name)                                                                      \
	{                                                                                          \
		text, sizeof(text) - 1, name                                                       \
	}
    SIGNATURE("PK\5\6", "zip"),
    SIGNATURE("PK\7\10", "zip"),
    SIGNATURE("\x1F\x8B", "gzip"),
    SIGNATURE("\xFD"
	      "7zXZ",
	      "xz"),
    SIGNATURE("7z\xBC\xAF\x27\x1C", "7z"),
    SIGNATURE("Rar!\x1A\x07", "rar"),
    SIGNATURE("%PDF-", "pdf"),
    SIGNATURE("II*\0", "tiff"),
    SIGNATURE("MM\0*", "tiff"),
    SIGNATURE("II+\0", "tiff"),
    SIGNATURE("MM\0+", "tiff"),
    SIGNATURE("\x89PNG\r\n\x1A\n", "png"),
    SIGNATURE("\xFF\xD8\xFF", "jpeg"),
    SIGNATURE("GIF89a", "gif"),
    SIGNATURE("fgb\3fgb", "fgb"),
    SIGNATURE("\0\0\x27\x0A", "shp"),
    SIGNATURE("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "ole"),
    SIGNATURE("EHFA_HEADER_TAG", "img"),
    SIGNATURE("\0\0\0\x0CjP  ", "jp2"),
    SIGNATURE("\xFF\x4F\xFF\x51", "jp2"),
    SIGNATURE("NITF0", "ntf"),
    SIGNATURE("NSIF0", "ntf"),
    SIGNATURE("\x89HDF\r\n\x1A\n", "hdf5"),
    SIGNATURE("CDF\1", "netcdf"),
    SIGNATURE("CDF\2", "netcdf"),
    SIGNATURE("CDF\5", "netcdf"),
    SIGNATURE("\x7F"
	      "ELF",
	      "binary"),
};

static unsigned u16le(const char *p)
{
	return (unsigned char)p[0] | (unsigned)(unsigned char)p[1] << 8;
}

/*
 * What the members at the front of a zip say.  Only local headers can be seen here; which file it
 * is in the end is the jail's business.
 */
static const char *zip_magic(const char *head, size_t len)
{
	static const char ods[] = "application/vnd.oasis.opendocument.spreadsheet";

	for (size_t at = 0; at + 30 <= len && begins(head + at, len - at, "PK\3\4", 4);) {
		unsigned flags = u16le(head + at + 6), n = u16le(head + at + 26),
			 extra = u16le(head + at + 28);
		size_t packed = u16le(head + at + 18) | (size_t)u16le(head + at + 20) << 16;
		const char *name = head + at + 30;
		size_t rest = len - at - 30, data;

		if (n > rest)
			break;
		data = (size_t)n + extra;
		if (begins(name, n, "[Content_Types].xml", 19) || begins(name, n, "xl/", 3))
			return "xlsx";
		if (begins(name, n, "word/", 5) || begins(name, n, "ppt/", 4))
			return "office";
		if (n == 8 && memcmp(name, "mimetype", 8) == 0 && data < rest)
			return begins(name + data, rest - data, ods, sizeof(ods) - 1) ? "ods"
										      : "office";
		if (n >= 4 && memcmp(name + n - 4, ".kml", 4) == 0 && memchr(name, '/', n) == NULL)
			return "kmz";
		/* Sizes behind the data: nothing more can be found without inflating. */
		if ((flags & 8) != 0 || packed > rest || data + packed > rest)
			break;
		at += 30 + data + packed;
	}
	return "zip";
}

/* dBase: version, a date that can be one, a header made of 32-byte fields. */
static bool is_dbf(const char *head, size_t len)
{
	static const unsigned char versions[] = {0x02, 0x03, 0x04, 0x05, 0x30, 0x31,
						 0x32, 0x43, 0x63, 0x7B, 0x83, 0x8B,
						 0x8C, 0x8E, 0xCB, 0xE5, 0xF5, 0xFB};

	if (len < 32 || memchr(versions, (unsigned char)head[0], sizeof(versions)) == NULL)
		return false;
	return (unsigned char)head[2] <= 12 && (unsigned char)head[3] <= 31 &&
	       u16le(head + 8) >= 33 && u16le(head + 10) >= 1 && memchr(head, '\0', 32) != NULL;
}

/* ---- text */

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip(struct span *t, size_t n)
{
	n = n < t->len ? n : t->len;
	t->s += n;
	t->len -= n;
}

/* Skip to behind END; false when it is not there. */
static bool skip_past(struct span *t, const char *end)
{
	const char *at = memmem(t->s, t->len, end, strlen(end));

	if (at == NULL)
		return false;
	skip(t, (size_t)(at - t->s) + strlen(end));
	return true;
}

static void skip_blanks(struct span *t)
{
	while (t->len > 0 && is_blank(*t->s))
		skip(t, 1);
}

static bool word_is(struct span w, const char *text)
{
	return w.len == strlen(text) && strncasecmp(w.s, text, w.len) == 0;
}

/* The root element: "kml", "gpx", "gml", "xml" (another), "xml-cut" (behind a DOCTYPE, or not in
 * the head). */
static const char *xml_magic(struct span t)
{
	static const char ns[] = "opengis.net/gml";
	const char *colon, *close;
	struct span name, tag;

	for (;;) {
		skip_blanks(&t);
		if (begins(t.s, t.len, "<?", 2)) {
			if (!skip_past(&t, "?>"))
				return "xml-cut";
		} else if (begins(t.s, t.len, "<!--", 4)) {
			if (!skip_past(&t, "-->"))
				return "xml-cut";
		} else {
			break;
		}
	}
	if (t.len < 2 || begins(t.s, t.len, "<!", 2))
		return "xml-cut";
	skip(&t, 1);
	name = tag = t;
	for (name.len = 0; name.len < t.len && !is_blank(t.s[name.len]) && t.s[name.len] != '>' &&
			   t.s[name.len] != '/';)
		name.len++;
	if (name.len == t.len)
		return "xml-cut";
	colon = memchr(name.s, ':', name.len);
	if (colon != NULL)
		skip(&name, (size_t)(colon - name.s) + 1);
	if (word_is(name, "kml"))
		return "kml";
	if (word_is(name, "gpx"))
		return "gpx";
	close = memchr(t.s, '>', t.len);
	if (close == NULL)
		return "xml-cut";
	tag.len = (size_t)(close - t.s);
	if (word_is(name, "FeatureCollection"))
		return "gml";
	/* An application schema's own root; service descriptions name the same namespace. */
	if (memmem(tag.s, tag.len, ns, sizeof(ns) - 1) != NULL &&
	    memmem(name.s, name.len, "apabilities", 11) == NULL)
		return "gml";
	return "xml";
}

/* An ASCII grid begins with one of its keywords and a number. */
static bool is_grid(struct span t)
{
	static const char *const words[] = {"ncols",	 "nrows",     "xllcorner", "yllcorner",
					    "xllcenter", "yllcenter", "cellsize",  "nodata_value"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if (t.len <= n + 1 || strncasecmp(t.s, words[i], n) != 0 ||
		    (t.s[n] != ' ' && t.s[n] != '\t'))
			continue;
		skip(&t, n);
		skip_blanks(&t);
		return t.len > 0 &&
		       (*t.s == '-' || *t.s == '+' || *t.s == '.' || (*t.s >= '0' && *t.s <= '9'));
	}
	return false;
}

static const char *text_magic(struct span t)
{
	skip_blanks(&t);
	if (t.len == 0)
		return "text";
	if (*t.s == '<' && t.len > 1 && (t.s[1] == '?' || t.s[1] == '!' || (t.s[1] | 0x20) >= 'a'))
		return xml_magic(t);
	/* RFC 8142 puts a record separator before each text. */
	if (*t.s == '{' || *t.s == '[' || *t.s == '\x1E')
		return "json";
	if (is_grid(t))
		return "asc";
	if (t.len > 6 && strncasecmp(t.s, "!table", 6) == 0)
		return "mapinfo";
	return "text";
}

/* UTF-16: its ASCII characters are enough to tell what it is. */
static const char *utf16_magic(const char *head, size_t len)
{
	bool little = (unsigned char)head[0] == 0xFF;
	char *ascii = mem_alloc(len / 2 + 1);
	size_t n = 0;
	const char *magic;

	for (size_t i = 2; i + 1 < len; i += 2) {
		char low = head[little ? i : i + 1], high = head[little ? i + 1 : i];

		ascii[n++] = high == 0 && (low & 0x80) == 0 ? low : '?';
	}
	magic = memchr(ascii, '\0', n) != NULL ? "binary" : text_magic((struct span){ascii, n});
	free(ascii);
	return magic;
}

const char *bundle_magic(const char *head, size_t len)
{
	struct span t = {head, len};

	if (len == 0)
		return "empty";
	if (begins(head, len, "PK\3\4", 4))
		return zip_magic(head, len);
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (begins(head, len, signatures[i].bytes, signatures[i].len))
			return signatures[i].name;
	if (begins(head, len, "SQLite format 3", 16)) {
		bool geo = len >= 72 &&
			   (memcmp(head + 68, "GPKG", 4) == 0 ||
			    memcmp(head + 68, "GP10", 4) == 0 || memcmp(head + 68, "GP11", 4) == 0);

		return geo ? "gpkg" : "sqlite";
	}
	if (begins(head, len, "\xFF\xFE", 2) || begins(head, len, "\xFE\xFF", 2))
		return utf16_magic(head, len);
	if (is_dbf(head, len))
		return "dbf";
	if (memchr(head, '\0', len) != NULL)
		return "binary";
	if (begins(head, len, "\xEF\xBB\xBF", 3))
		skip(&t, 3);
	return text_magic(t);
}

static bool accepts(const char *magics, const char *magic)
{
	size_t n = strlen(magic);

	for (const char *p = magics; (p = strstr(p, magic)) != NULL; p += n)
		if ((p == magics || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
			return true;
	return false;
}

json_object *bundle_check_content(const char *name, int64_t size, const char *head, size_t len)
{
	struct name_parts parts;
	const char *magics, *expected, *sent;
	json_object *p = NULL;

	/* Whether a driver is enabled was decided before; every kind's content can be told. */
	name_parts_init(name, "HFA JP2OpenJPEG NITF", &parts);
	magics = parts.main != NULL   ? parts.main->magic
		 : parts.side != NULL ? parts.side->magic
				      : NULL;
	expected = parts.main != NULL ? kind_name(parts.main->kind) : parts.ext;
	if (magics != NULL && size == 0) {
		p = problem_str(problem_new("file_empty"), "file", name);
	} else if (magics != NULL && head != NULL && len > 0) {
		sent = bundle_magic(head, len);
		if (!accepts(magics, sent)) {
			p = problem_str(problem_new("content_mismatch"), "file", name);
			problem_arg(p, "expected", expected);
			problem_arg(p, "sent", sent);
		}
	}
	name_parts_done(&parts);
	return p;
}
