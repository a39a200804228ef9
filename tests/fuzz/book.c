/*
 * Goal: whatever the members of a workbook (xlsx, ods) say, it is read without a fault, and what
 * comes out keeps its promises: rows in order, text in UTF-8.
 * The input is a line "xlsx" or "ods", then the members: a line "@NAME" each, and the text up to
 * the next one.
 * They are put into a zip here, because what a zip may say of itself has a target of its own
 * (zip.c).
 */
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "sheets.h"

#define MEMBERS_MOST 16
#define LOCAL	     30
#define CENTRAL	     46

struct member {
	const char *name, *text; /* of the input */
	size_t name_len, len, at;
};

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, size_t v)
{
	put16(p, v & 0xFFFF);
	put16(p + 2, v >> 16);
}

/* The first line of TEXT without its end; what follows becomes *REST. */
static size_t line(const char *text, const char *end, const char **rest)
{
	const char *eol = memchr(text, '\n', (size_t)(end - text));

	*rest = eol != NULL ? eol + 1 : end;
	return (size_t)((eol != NULL ? eol : end) - text);
}

static size_t split(const char *at, const char *end, struct member *v)
{
	size_t n = 0;
	const char *rest;

	while (at < end && *at == '@' && n < MEMBERS_MOST) {
		v[n].name = at + 1;
		v[n].name_len = line(at + 1, end, &rest);
		v[n].text = rest;
		for (at = rest; at < end && *at != '@'; at = rest)
			(void)line(at, end, &rest);
		v[n].len = (size_t)(at - v[n].text);
		n++;
	}
	return n;
}

/*
 * What both headers of a stored member have in common, from "version needed" on.  Source: APPNOTE,
 * 4.3.7.
 */
static void describe(uint8_t *p, const struct member *m)
{
	put16(p, 10);
	put32(p + 10, crc32(0, (const Bytef *)m->text, (uInt)m->len));
	put32(p + 14, m->len);
	put32(p + 18, m->len);
	put16(p + 22, m->name_len);
}

static size_t pack(struct member *v, size_t n, uint8_t *out)
{
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++) {
		v[i].at = (size_t)(p - out);
		put32(p, 0x04034B50);
		describe(p + 4, &v[i]);
		memcpy(p + LOCAL, v[i].name, v[i].name_len);
		memcpy(p + LOCAL + v[i].name_len, v[i].text, v[i].len);
		p += LOCAL + v[i].name_len + v[i].len;
	}
	size_t directory = (size_t)(p - out);
	for (size_t i = 0; i < n; i++) {
		put32(p, 0x02014B50);
		describe(p + 6, &v[i]);
		put32(p + 42, v[i].at);
		memcpy(p + CENTRAL, v[i].name, v[i].name_len);
		p += CENTRAL + v[i].name_len;
	}
	put32(p, 0x06054B50);
	put16(p + 8, n);
	put16(p + 10, n);
	put32(p + 12, (size_t)(p - out) - directory);
	put32(p + 16, directory);
	return (size_t)(p - out) + 22;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char path[] = "/tmp/fuzz-book-XXXXXX";
	const char *text = (const char *)input, *end = text + size, *rest;
	struct member members[MEMBERS_MOST];

	if (size < 5 || size > 60000)
		return 0;
	size_t first = line(text, end, &rest), n = split(rest, end, members);
	uint8_t *zip = mem_alloc(size * 2 + MEMBERS_MOST * (LOCAL + CENTRAL) + 22);
	size_t len = pack(members, n, zip);
	struct source src = {.kind = first == 3 ? KIND_ODS : KIND_XLSX,
			     .file = (char *)(uintptr_t) "a",
			     .path = path};
	int fd = mkstemp(path);

	fuzz_check(fd >= 0 && write(fd, zip, len) == (ssize_t)len && close(fd) == 0);
	read_book(&src, book_open, 1048576);
	(void)unlink(path);
	free(zip);
	return 0;
}
