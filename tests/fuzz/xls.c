/*
 * Goal: an old workbook is read without a fault whatever it says of itself, and what comes out of
 * it keeps its promises: rows in order, text in UTF-8.
 * The input is the file; one that does not begin as such a file does is the stream inside of one,
 * and one that begins with "hex" is hexadecimal text of either (hex.h).
 */
#include <stdio.h>
#include <unistd.h>
#include "hex.h"
#include "sheets.h"

#define SECTOR 512
#define END    0xFFFFFFFEU

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void entry(uint8_t *p, const char *name, uint8_t type, uint32_t start, uint32_t len)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		p[i * 2] = (uint8_t)name[i];
	p[64] = (uint8_t)(n * 2 + 2);
	p[66] = type;
	put32(p + 116, start);
	put32(p + 120, len);
}

/*
 * Compound file of one stream: header, the table of 126 sectors at most, the directory, the stream.
 */
static size_t wrap(const uint8_t *stream, size_t len, uint8_t *out)
{
	static const uint8_t magic[] = {0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1};
	size_t n = (len + SECTOR - 1) / SECTOR;

	memcpy(out, magic, sizeof(magic));
	out[0x1E] = 9;
	out[0x20] = 6;
	put32(out + 0x2C, 1);
	put32(out + 0x30, 1);
	put32(out + 0x3C, END);
	put32(out + 0x44, END);
	put32(out + SECTOR, END);
	put32(out + SECTOR + 4, END);
	for (size_t i = 0; i < n; i++)
		put32(out + SECTOR + 8 + i * 4, i + 1 < n ? (uint32_t)i + 3 : END);
	entry(out + 2 * SECTOR, "Root Entry", 5, END, 0);
	entry(out + 2 * SECTOR + 128, "Workbook", 2, 2, (uint32_t)len);
	memcpy(out + 3 * SECTOR, stream, len);
	return (3 + n) * SECTOR;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char path[] = "/tmp/fuzz-xls-XXXXXX";
	CLEAN_FREE uint8_t *bytes = mem_alloc(size + 1), *file = mem_alloc(size + 4 * SECTOR);
	bool hex = size > 3 && memcmp(input, "hex", 3) == 0;
	struct source src = {.file = (char *)(uintptr_t) "a.xls", .path = path};
	size_t n = size;
	int fd;

	if (hex)
		n = from_hex(input + 3, size - 3, bytes);
	else if (size > 0)
		memcpy(bytes, input, size);
	if (n > 126 * SECTOR)
		return 0;
	if (n > 0 && bytes[0] == 0xD0)
		memcpy(file, bytes, n);
	else
		n = wrap(bytes, n, file);
	fd = mkstemp(path);
	fuzz_check(fd >= 0 && write(fd, file, n) == (ssize_t)n);
	read_book(&src, book_open_xls, 65536);
	(void)close(fd);
	(void)unlink(path);
	return 0;
}
