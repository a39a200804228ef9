#include "geo/ziptail.h"

#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

#define END_HEAD	  22
#define END64_HEAD	  56
#define LOCATOR		  20
#define MAX_COMMENT	  65535
#define END_SIGNATURE	  0x06054b50u
#define END64_SIGNATURE	  0x06064b50u
#define LOCATOR_SIGNATURE 0x07064b50u
/* bytes: 10,000 entries with the longest names we allow need a quarter */
#define MAX_DIR (64 << 20)

static enum err bad(struct error *error, const char *what)
{
	(void)error_set(error, ERR_BAD_REQUEST, "%s", what);
	return error_code(error, ERR_BAD_REQUEST, "zip_invalid");
}

/*
 * The end record is the one whose comment reaches the end of the file.  Two of them are two
 * readings of the same bytes; signatures that do not reach the end lie inside members (an xlsx in a
 * zip has its own).
 */
static enum err find_end(const unsigned char *tail, size_t n, size_t *ret, struct error *error)
{
	size_t found = n;

	for (size_t i = 0; i + END_HEAD <= n; i++) {
		if (tail[i] != 'P' || zip_le32(tail + i) != END_SIGNATURE ||
		    i + END_HEAD + zip_le16(tail + i + 20) != n)
			continue;
		if (found != n)
			return bad(error, "two end records");
		found = i;
	}
	if (found == n)
		return bad(error, "no end record, or bytes behind it");
	*ret = found;
	return ERR_OK;
}

/* The 64-bit end record in front of the locator in front of the end record at END. */
static enum err read_end64(int fd, int64_t end, struct zip_tail *t, int64_t *dir_end,
			   struct error *error)
{
	unsigned char l[LOCATOR], h[END64_HEAD];
	int64_t at;

	if (end < LOCATOR + END64_HEAD || pread(fd, l, LOCATOR, end - LOCATOR) != LOCATOR ||
	    zip_le32(l) != LOCATOR_SIGNATURE)
		return ERR_NOT_FOUND;
	at = (int64_t)zip_le64(l + 8);
	if (at < 0 || at > end - LOCATOR - END64_HEAD ||
	    pread(fd, h, END64_HEAD, at) != END64_HEAD || zip_le32(h) != END64_SIGNATURE ||
	    (int64_t)zip_le64(h + 4) != end - LOCATOR - at - 12)
		return bad(error, "the 64-bit end record is not where it should be");
	if (zip_le32(h + 16) != 0 || zip_le32(h + 20) != 0 || zip_le64(h + 24) != zip_le64(h + 32))
		return bad(error, "archive in several parts");
	t->entries = (int64_t)zip_le64(h + 32);
	t->dir_size = (int64_t)zip_le64(h + 40);
	t->dir_at = (int64_t)zip_le64(h + 48);
	*dir_end = at;
	return ERR_OK;
}

enum err zip_tail_read(int fd, struct zip_tail *ret, struct error *error)
{
	CLEAN_FREE unsigned char *tail = NULL;
	const unsigned char *h;
	struct zip_tail t;
	struct stat st;
	int64_t base, dir_end;
	size_t n, i = 0;
	enum err e;

	if (fstat(fd, &st) != 0 || st.st_size < END_HEAD)
		return bad(error, "too short");
	n = st.st_size < END_HEAD + MAX_COMMENT ? (size_t)st.st_size : END_HEAD + MAX_COMMENT;
	base = st.st_size - (int64_t)n;
	tail = mem_alloc(n);
	if (pread(fd, tail, n, base) != (ssize_t)n)
		return bad(error, "cannot be read");
	e = find_end(tail, n, &i, error);
	if (e != ERR_OK)
		return e;
	h = tail + i;
	dir_end = base + (int64_t)i;
	e = read_end64(fd, dir_end, &t, &dir_end, error);
	if (e == ERR_NOT_FOUND) {
		if (zip_le16(h + 4) != 0 || zip_le16(h + 6) != 0 ||
		    zip_le16(h + 8) != zip_le16(h + 10))
			return bad(error, "archive in several parts");
		t = (struct zip_tail){zip_le16(h + 10), zip_le32(h + 16), zip_le32(h + 12)};
	} else if (e != ERR_OK) {
		return e;
	}
	/* Nothing in front that shifts offsets, nothing between directory and end. */
	if (t.entries < 0 || t.dir_size < 0 || t.dir_at < 0 || t.dir_at > dir_end ||
	    t.dir_size != dir_end - t.dir_at)
		return bad(error, "the directory is not where the end record says");
	if (t.dir_size / 46 < t.entries)
		return bad(error, "more members counted than there is room for");
	if (t.dir_size > MAX_DIR) {
		(void)error_set(error, ERR_BAD_REQUEST, "directory of %lld bytes",
				(long long)t.dir_size);
		return error_code(error, ERR_BAD_REQUEST, "zip_entries");
	}
	*ret = t;
	return ERR_OK;
}
