#include "geo/encoding.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/charset.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define DBF_HEAD   32 /* bytes before the field descriptors, and of each */
#define MAX_FIELDS 2046
#define LDID_AT	   29 /* offset of the language driver byte */
#define BLOCK	   (256 << 10)

/* Language driver bytes; the rest is unknown. */
static const struct {
	unsigned char id;
	const char *charset;
} languages[] = {
    {0x01, "cp437"},	    {0x02, "cp850"},	    {0x03, "windows-1252"}, {0x13, "Shift_JIS"},
    {0x7b, "Shift_JIS"},    {0x1f, "windows-1250"}, {0xc8, "windows-1250"}, {0x26, "cp866"},
    {0x4d, "GB18030"},	    {0x7a, "GB18030"},	    {0x4e, "EUC-KR"},	    {0x79, "EUC-KR"},
    {0x4f, "Big5"},	    {0x78, "Big5"},	    {0x50, "cp874"},	    {0x7c, "cp874"},
    {0x58, "windows-1252"}, {0x59, "windows-1252"}, {0x64, "cp852"},	    {0x65, "cp866"},
    {0x7d, "windows-1255"}, {0x7e, "windows-1256"}, {0xc9, "windows-1251"}, {0xca, "windows-1254"},
    {0xcb, "windows-1253"}, {0xcc, "windows-1257"},
};

struct field {
	size_t at, len; /* of a character field in the row */
};

struct dbf {
	int fd;
	unsigned char language;
	size_t head, row; /* bytes */
	int64_t rows;
	struct field *fields;
	size_t n_fields;
	char names[MAX_FIELDS][12];
	size_t n_names;
};

/* Counts what CHARSET does not decode. */
struct trial {
	const char *charset; /* NULL = not tried */
	size_t bad;
};

struct tally {
	struct charset_guess *guess;
	struct trial chosen, cpg, ldid;
	size_t texts; /* values with a byte over 127 */
};

static size_t u16(const unsigned char *p)
{
	return (size_t)p[1] << 8 | p[0];
}

static bool open_dbf(const char *path, struct dbf *d)
{
	unsigned char h[DBF_HEAD], f[DBF_HEAD];
	size_t at = 1; /* the first byte of a row is its deletion mark */

	d->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (d->fd < 0 || pread(d->fd, h, sizeof(h), 0) != DBF_HEAD)
		return false;
	d->rows = (int64_t)(u16(h + 4) | u16(h + 6) << 16);
	d->head = u16(h + 8);
	d->row = u16(h + 10);
	d->language = h[LDID_AT];
	d->fields = mem_array(MAX_FIELDS, sizeof(*d->fields));
	for (off_t p = DBF_HEAD; (size_t)p + DBF_HEAD <= d->head && d->n_names < MAX_FIELDS;
	     p += DBF_HEAD) {
		size_t len;

		if (pread(d->fd, f, sizeof(f), p) != DBF_HEAD || f[0] == '\r')
			break;
		memcpy(d->names[d->n_names++], f, 11);
		/* Character fields may use the decimals byte for lengths over 255. */
		len = f[11] == 'C' ? u16(f + 16) : f[16];
		if (f[11] == 'C' && at + len <= d->row)
			d->fields[d->n_fields++] = (struct field){at, len};
		at += len;
	}
	return true;
}

static bool has_high(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((s[i] & 0x80) != 0)
			return true;
	return false;
}

/*
 * A value that fills its field may have been cut inside its last character: that is no sign of a
 * wrong charset.
 */
static void try_one(struct trial *t, const char *s, size_t len, bool full)
{
	for (size_t cut = 0; t->charset != NULL && cut <= (full ? 3u : 0u) && cut < len; cut++) {
		size_t bad = 0;

		free(charset_decode(t->charset, s, len - cut, NULL, &bad));
		if (bad == 0)
			return;
	}
	t->bad += t->charset != NULL;
}

static void take_value(struct tally *t, const char *s, size_t len, bool full)
{
	if (!has_high(s, len))
		return;
	t->texts++;
	try_one(&t->chosen, s, len, full);
	try_one(&t->cpg, s, len, full);
	try_one(&t->ldid, s, len, full);
	if (full) {
		/* As UTF-8 the cut can be undone. */
		size_t whole = text_cut(s, len, len);

		for (size_t cut = 0; cut <= 3 && cut < len; cut++)
			if (text_is_utf8(s, len - cut)) {
				whole = len - cut;
				break;
			}
		len = whole;
	}
	charset_guess_feed(t->guess, s, len);
	charset_guess_feed(t->guess, "\n", 1);
}

static void take_rows(const struct dbf *d, struct tally *t)
{
	size_t per_block = d->row > 0 && d->row < BLOCK ? BLOCK / d->row : 1;
	CLEAN_FREE char *block = mem_array(per_block, d->row + 1);

	for (int64_t row = 0; row < d->rows && d->row > 0 && d->n_fields > 0;) {
		ssize_t n =
		    pread(d->fd, block, per_block * d->row, (off_t)d->head + row * (off_t)d->row);
		size_t rows = n > 0 ? (size_t)n / d->row : 0;

		if (rows == 0)
			break;
		if (rows > (size_t)(d->rows - row))
			rows = (size_t)(d->rows - row);
		for (size_t r = 0; r < rows; r++) {
			const char *p = block + r * d->row;

			for (size_t i = 0; *p != '*' && i < d->n_fields; i++) {
				const char *s = p + d->fields[i].at;
				size_t len = d->fields[i].len;

				while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\0'))
					len--;
				take_value(t, s, len, len == d->fields[i].len);
			}
		}
		row += (int64_t)rows;
	}
}

/* First word of a .cpg or .cst; OEM and ANSI say nothing. */
static const char *charset_of_cpg(const char *path)
{
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *word = NULL;
	size_t len;

	if (path == NULL || fs_read_file(AT_FDCWD, path, 4096, &text, &len, NULL) != ERR_OK)
		return NULL;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		memmove(text, text + 3, len - 2);
	word = text_trim(text);
	if (word == NULL || text_ieq(word, "OEM") || text_ieq(word, "ANSI"))
		return NULL;
	word[strcspn(word, "\r\n")] = '\0';
	/* "ANSI 1252" and "OEM 866" are Esri's long forms. */
	return charset_canonical(text_starts(word, "ANSI ")  ? word + 5
				 : text_starts(word, "OEM ") ? word + 4
							     : word);
}

static const char *charset_of_language(unsigned char id)
{
	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++)
		if (languages[i].id == id)
			return charset_canonical(languages[i].charset);
	return NULL;
}

static void decide(const struct tally *t, struct encoding *ret)
{
	const struct {
		const struct trial *trial;
		const char *source;
	} order[] = {{&t->chosen, "user"}, {&t->cpg, "cpg"}, {&t->ldid, "dbf"}};

	for (size_t i = 0; i < 3; i++) {
		const struct trial *trial = order[i].trial;

		if (trial->charset == NULL)
			continue;
		/* What a person chose stands, whatever the bytes say; a file's word does not. */
		if (trial->bad == 0 || i == 0) {
			ret->charset = trial->charset;
			ret->source = order[i].source;
			ret->bad = trial->bad;
			return;
		}
		if (ret->overruled == NULL)
			ret->overruled = trial->charset;
	}
	if (t->texts == 0) {
		ret->charset = "UTF-8";
		ret->source = "utf-8";
	}
}

void encoding_of_dbf(const char *dbf, const char *cpg, const char *chosen, struct encoding *ret)
{
	struct dbf *d = mem_alloc(sizeof(*d));
	struct tally t = {.guess = charset_guess_new()};
	const char *guess, *guess_source;

	*ret = (struct encoding){0};
	d->fd = -1;
	t.chosen.charset = chosen != NULL ? charset_canonical(chosen) : NULL;
	t.cpg.charset = charset_of_cpg(cpg);
	if (dbf != NULL && open_dbf(dbf, d)) {
		t.ldid.charset = charset_of_language(d->language);
		for (size_t i = 0; i < d->n_names; i++)
			take_value(&t, d->names[i], strlen(d->names[i]), strlen(d->names[i]) >= 10);
		take_rows(d, &t);
	}
	guess = charset_guess_end(t.guess, &guess_source);
	charset_guess_free(t.guess);
	decide(&t, ret);
	if (ret->charset == NULL) {
		ret->charset = guess;
		ret->source = guess_source;
	}
	if (d->fd >= 0)
		(void)close(d->fd);
	free(d->fields);
	free(d);
}

const char *encoding_for_gdal(const char *charset)
{
	static const char *const names[][2] = {
	    {"Shift_JIS", "CP932"},
	    {"EUC-KR", "CP949"},
	    {"Big5", "CP950"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i][0], charset) == 0)
			return names[i][1];
	return charset;
}
