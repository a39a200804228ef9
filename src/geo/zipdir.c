#include "geo/zipdir.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/ziptail.h"

/* Sizes and signatures of APPNOTE 4.3. */
#define CENTRAL_HEAD	     46
#define LOCAL_HEAD	     30
#define CENTRAL_SIGNATURE    0x02014b50u
#define LOCAL_SIGNATURE	     0x04034b50u
#define DESCRIPTOR_SIGNATURE 0x08074b50u
#define FLAG_ENCRYPTED	     0x0001 /* 4.4.4 bit 0 */
#define FLAG_DESCRIPTOR	     0x0008 /* bit 3: sizes follow the data */
#define FLAG_STRONG	     0x0040 /* bit 6 */
#define FLAG_UTF8	     0x0800 /* bit 11 */
#define FLAG_MASKED	     0x2000 /* bit 13: local heads are hidden */
#define METHOD_STORED	     0
#define METHOD_AES	     99
#define EXTRA_ZIP64	     0x0001
#define RATIO_FROM	     (1 << 20) /* bytes: smaller members may be as dense as they like */

static enum err bad(struct error *error, const char *code, const char *what)
{
	(void)error_set(error, ERR_BAD_REQUEST, "%s", what);
	return error_code(error, ERR_BAD_REQUEST, code);
}

char *zip_name_decode(const char *raw, size_t len, bool utf8_flag, const char *charset)
{
	size_t wrong = 0;
	char *name;

	if (utf8_flag || text_is_utf8(raw, len)) {
		/* With the flag set it was promised: what is not UTF-8 then shows as U+FFFD. */
		return charset_decode("UTF-8", raw, len, NULL, &wrong);
	}
	name = charset_decode(charset != NULL ? charset : "GB18030", raw, len, NULL, &wrong);
	if (name != NULL && wrong == 0)
		return name;
	free(name);
	return charset_decode("cp437", raw, len, NULL, &wrong);
}

bool zip_name_is_safe(const char *name, const struct zip_limits *limits)
{
	size_t len = strlen(name), depth = 0;
	const char *part = name;

	if (len == 0 || len > (size_t)limits->name_bytes || name[0] == '/' ||
	    strchr(name, '\\') != NULL)
		return false;
	if (((name[0] | 0x20) >= 'a' && (name[0] | 0x20) <= 'z') && name[1] == ':')
		return false;
	while (*part != '\0') {
		size_t n = strcspn(part, "/");

		if (n == 0 || (n == 1 && part[0] == '.') ||
		    (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		if (part[n] == '/' && ++depth > (size_t)limits->depth)
			return false;
		part += n + (part[n] == '/');
	}
	return true;
}

/*
 * 64-bit sizes and offset from the extra field, for those of the head that say "look there".
 * APPNOTE 4.5.3.
 */
static bool read_zip64(const unsigned char *extra, size_t len, int64_t *size, int64_t *packed,
		       int64_t *at)
{
	int64_t *const want[] = {size, packed, at};

	while (len >= 4) {
		size_t n = zip_le16(extra + 2), used = 4;

		if (4 + n > len)
			return false;
		if (zip_le16(extra) == EXTRA_ZIP64) {
			for (size_t i = 0; i < 3; i++) {
				uint64_t v;

				if (want[i] == NULL || *want[i] != UINT32_MAX)
					continue;
				if (used + 8 > 4 + n)
					return false;
				v = zip_le64(extra + used);
				/* Beyond any limit anyway, but as a number that can be added. */
				*want[i] = v > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)v;
				used += 8;
			}
			return true;
		}
		extra += 4 + n;
		len -= 4 + n;
	}
	return (size == NULL || *size != UINT32_MAX) && (packed == NULL || *packed != UINT32_MAX) &&
	       (at == NULL || *at != UINT32_MAX);
}

static enum err check_kind(const struct zip_member *m, uint32_t attributes, struct error *error)
{
	uint32_t type = attributes >> 16 & S_IFMT;

	if ((m->flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED)) != 0 ||
	    m->method == METHOD_AES)
		return bad(error, "zip_encrypted", m->name);
	if (type == S_IFLNK || type == S_IFCHR || type == S_IFBLK || type == S_IFIFO ||
	    type == S_IFSOCK)
		return bad(error, "zip_link", m->name);
	return ERR_OK;
}

/* One entry of the central directory at *P; moves *P behind it. */
static enum err read_entry(const unsigned char **p, const unsigned char *end,
			   const struct zip_limits *limits, struct zip_member *m,
			   struct error *error)
{
	const unsigned char *h = *p;
	size_t name_len, extra_len, comment_len;
	const char *raw;

	if (end - h < CENTRAL_HEAD || zip_le32(h) != CENTRAL_SIGNATURE)
		return bad(error, "zip_invalid", "central directory is damaged");
	name_len = zip_le16(h + 28);
	extra_len = zip_le16(h + 30);
	comment_len = zip_le16(h + 32);
	if ((size_t)(end - h) < CENTRAL_HEAD + name_len + extra_len + comment_len)
		return bad(error, "zip_invalid", "central directory is cut");
	*p = h + CENTRAL_HEAD + name_len + extra_len + comment_len;
	m->flags = (uint16_t)zip_le16(h + 8);
	m->method = (uint16_t)zip_le16(h + 10);
	m->crc = zip_le32(h + 16);
	m->packed = zip_le32(h + 20);
	m->size = zip_le32(h + 24);
	m->at = zip_le32(h + 42);
	raw = (const char *)h + CENTRAL_HEAD;
	if (memchr(raw, '\0', name_len) != NULL)
		return bad(error, "zip_path", "NUL in a name");
	m->name = zip_name_decode(raw, name_len, (m->flags & FLAG_UTF8) != 0, limits->names);
	for (char *c = m->name; limits->backslash && c != NULL && *c != '\0'; c++)
		if (*c == '\\')
			*c = '/';
	if (m->name == NULL || !zip_name_is_safe(m->name, limits))
		return bad(error, "zip_path", m->name != NULL ? m->name : "a name");
	m->folder = m->name[strlen(m->name) - 1] == '/';
	if (zip_le16(h + 34) != 0 ||
	    !read_zip64(h + CENTRAL_HEAD + name_len, extra_len, &m->size, &m->packed, &m->at))
		return bad(error, "zip_invalid", m->name);
	return check_kind(m, zip_le32(h + 38), error);
}

static enum err check_sizes(const struct zip_dir *d, const struct zip_limits *limits,
			    struct error *error)
{
	int64_t sum = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct zip_member *m = &d->v[i];

		if (m->size > limits->bytes - sum)
			return bad(error, "zip_too_big", m->name);
		sum += m->size;
		if (m->method == METHOD_STORED ? m->packed != m->size
					       : m->size > 0 && m->packed == 0)
			return bad(error, "zip_invalid", m->name);
		if (m->size > RATIO_FROM &&
		    m->size / (m->packed > 0 ? m->packed : 1) > limits->ratio)
			return bad(error, "zip_ratio", m->name);
	}
	return ERR_OK;
}

/*
 * Sizes and CRC once more behind the data, with or without a signature, of 32 or 64 bits.  APPNOTE
 * 4.3.9.
 */
static bool descriptor_agrees(int fd, const struct zip_member *m)
{
	unsigned char b[24] = {0};
	ssize_t n = pread(fd, b, sizeof(b), m->end);
	const unsigned char *p = b;

	if (n < 12)
		return false;
	if (zip_le32(p) == DESCRIPTOR_SIGNATURE && n >= 16)
		p += 4;
	if (zip_le32(p) != m->crc)
		return false;
	return (zip_le32(p + 4) == (uint64_t)m->packed && zip_le32(p + 8) == (uint64_t)m->size) ||
	       (zip_le64(p + 4) == (uint64_t)m->packed && zip_le64(p + 12) == (uint64_t)m->size);
}

/*
 * The head in front of a member must say what the directory says: readers differ in which one they
 * believe.
 */
static enum err check_local(int fd, struct zip_member *m, const char *raw, size_t raw_len,
			    int64_t limit_at, struct error *error)
{
	unsigned char h[LOCAL_HEAD];
	CLEAN_FREE unsigned char *rest = NULL;
	size_t name_len, extra_len;
	int64_t size, packed;

	if (m->at > limit_at - LOCAL_HEAD || pread(fd, h, sizeof(h), m->at) != LOCAL_HEAD ||
	    zip_le32(h) != LOCAL_SIGNATURE)
		return bad(error, "zip_invalid", m->name);
	name_len = zip_le16(h + 26);
	extra_len = zip_le16(h + 28);
	rest = mem_alloc(name_len + extra_len + 1);
	if (pread(fd, rest, name_len + extra_len, m->at + LOCAL_HEAD) !=
		(ssize_t)(name_len + extra_len) ||
	    name_len != raw_len || memcmp(rest, raw, raw_len) != 0 || zip_le16(h + 8) != m->method)
		return bad(error, "zip_invalid", m->name);
	if ((zip_le16(h + 6) & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED)) != 0)
		return bad(error, "zip_encrypted", m->name);
	m->end = m->at + LOCAL_HEAD + (int64_t)(name_len + extra_len);
	if (m->packed > limit_at - m->end)
		return bad(error, "zip_invalid", m->name);
	m->end += m->packed;
	packed = zip_le32(h + 18);
	size = zip_le32(h + 22);
	if ((zip_le16(h + 6) & FLAG_DESCRIPTOR) != 0)
		return descriptor_agrees(fd, m) ? ERR_OK : bad(error, "zip_invalid", m->name);
	if (!read_zip64(rest + name_len, extra_len, &size, &packed, NULL) || size != m->size ||
	    packed != m->packed || zip_le32(h + 14) != m->crc)
		return bad(error, "zip_invalid", m->name);
	return ERR_OK;
}

struct span {
	int64_t at, end;
};

static int by_offset(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two members that share bytes, or would be one file on a system without case. */
static enum err check_apart(const struct zip_dir *d, struct error *error)
{
	CLEAN_FREE struct span *spans = mem_array(d->n + 1, sizeof(*spans));
	CLEAN_FREE char **names = mem_array(d->n + 1, sizeof(*names));
	enum err e = ERR_OK;

	for (size_t i = 0; i < d->n; i++) {
		size_t len;

		spans[i] = (struct span){d->v[i].at, d->v[i].end};
		names[i] = text_fold(d->v[i].name);
		if (names[i] == NULL)
			names[i] = mem_strdup(d->v[i].name);
		len = strlen(names[i]);
		if (len > 0 && names[i][len - 1] == '/')
			names[i][len - 1] = '\0';
	}
	qsort(spans, d->n, sizeof(*spans), by_offset);
	qsort(names, d->n, sizeof(*names), by_text);
	for (size_t i = 1; i < d->n && e == ERR_OK; i++)
		if (spans[i].at < spans[i - 1].end)
			e = bad(error, "zip_invalid", "members overlap");
		else if (strcmp(names[i], names[i - 1]) == 0)
			e = bad(error, "zip_invalid.twice", names[i]);
	for (size_t i = 0; i < d->n; i++)
		free(names[i]);
	return e;
}

static enum err read_members(int fd, const struct zip_tail *tail, const unsigned char *dir,
			     const struct zip_limits *limits, struct zip_dir *d,
			     struct error *error)
{
	const unsigned char *p = dir, *end = dir + tail->dir_size;
	CLEAN_FREE const unsigned char **heads =
	    mem_array((size_t)tail->entries + 1, sizeof(*heads));
	enum err e = ERR_OK;

	for (int64_t i = 0; e == ERR_OK && i < tail->entries; i++) {
		heads[i] = p;
		d->n++;
		e = read_entry(&p, end, limits, &d->v[i], error);
	}
	if (e == ERR_OK && p != end)
		e = bad(error, "zip_invalid", "the directory holds more than it counts");
	if (e == ERR_OK)
		e = check_sizes(d, limits, error);
	for (size_t i = 0; e == ERR_OK && i < d->n; i++)
		e = check_local(fd, &d->v[i], (const char *)heads[i] + CENTRAL_HEAD,
				zip_le16(heads[i] + 28), tail->dir_at, error);
	return e == ERR_OK ? check_apart(d, error) : e;
}

enum err zip_dir_read(int fd, const struct zip_limits *limits, struct zip_dir *ret,
		      struct error *error)
{
	CLEAN_FREE unsigned char *dir = NULL;
	struct zip_dir d = {0};
	struct zip_tail tail;
	enum err e = zip_tail_read(fd, &tail, error);

	if (e != ERR_OK)
		return e;
	if (tail.entries > limits->entries)
		return bad(error, "zip_entries", "too many members");
	/* The tail reader has bounded the directory's size by its count. */
	dir = mem_alloc((size_t)tail.dir_size + 1);
	if (pread(fd, dir, (size_t)tail.dir_size, tail.dir_at) != (ssize_t)tail.dir_size)
		return bad(error, "zip_invalid", "central directory is cut");
	d.v = mem_array((size_t)tail.entries + 1, sizeof(*d.v));
	e = read_members(fd, &tail, dir, limits, &d, error);
	if (e != ERR_OK)
		zip_dir_done(&d);
	else
		*ret = d;
	return e;
}

void zip_dir_done(struct zip_dir *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->v[i].name);
	free(d->v);
	*d = (struct zip_dir){0};
}
