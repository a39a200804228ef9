#include "geo/ole.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/text.h"

#define HEADER_BYTES 512
#define HEADER_FATS  109 /* sectors of the table that the header itself names */
#define ENTRY_BYTES  128
#define MINI_SHIFT   6
#define NAME_UNITS   32
#define LAST_SECTOR  0xFFFFFFF9U /* above it: end of chain, free, of the table itself */
#define END_OF_CHAIN 0xFFFFFFFEU
#define ENTRY_STREAM 2
#define ENTRY_ROOT   5
#define WINDOW_BYTES ((size_t)64 << 10)

struct chain {
	uint32_t *v; /* n sectors, in the order of the content */
	size_t n;
};

struct entry {
	char name[NAME_UNITS]; /* what is not ASCII as '?' */
	unsigned char type;
	uint32_t start;
	uint32_t len;
};

struct ole {
	int fd;
	unsigned shift;	  /* of a sector's size */
	size_t n_sectors; /* behind the header */
	uint32_t cutoff;  /* shorter streams lie in the root's */
	uint32_t mini_start;
	struct chain fat; /* the next sector of each */
	struct entry *entries;
	size_t n_entries;
	struct chain stream; /* of the stream at hand */
	char *small;	     /* its content, if it lies in the root's; owned */
	int64_t len;
	char *window; /* WINDOW_BYTES of it */
	int64_t window_at;
	size_t window_len;
};

static size_t sector_bytes(const struct ole *o)
{
	return (size_t)1 << o->shift;
}

/* The last sector of a file may be cut short: what is missing counts as zero. */
static bool read_at(const struct ole *o, int64_t at, void *buf, size_t len)
{
	ssize_t n = pread(o->fd, buf, len, at);

	if (n <= 0 || (size_t)n + sector_bytes(o) <= len)
		return false;
	memset((char *)buf + n, 0, len - (size_t)n);
	return true;
}

static bool read_sector(const struct ole *o, uint32_t sector, unsigned char *buf)
{
	return sector < o->n_sectors &&
	       read_at(o, ((int64_t)sector + 1) << o->shift, buf, sector_bytes(o));
}

/* The sectors from START on, of a file whose tables may lie: none twice, so the chain ends. */
static bool follow(const uint32_t *next, size_t n_next, uint32_t start, struct chain *ret)
{
	size_t cap = 0;

	*ret = (struct chain){0};
	for (uint32_t at = start; at != END_OF_CHAIN; at = next[at]) {
		if (at > LAST_SECTOR || at >= n_next || ret->n == n_next)
			return false;
		if (ret->n == cap) {
			cap = cap * 2 + 64;
			ret->v = mem_resize(ret->v, cap, sizeof *ret->v);
		}
		ret->v[ret->n++] = at;
	}
	return true;
}

/* ---- the table of sectors */

static bool add_fat_sector(struct ole *o, uint32_t sector, unsigned char *buf)
{
	size_t per = sector_bytes(o) / 4;

	/* A table has no use for more entries than there are sectors. */
	if (o->fat.n > o->n_sectors)
		return true;
	if (!read_sector(o, sector, buf))
		return false;
	o->fat.v = mem_resize(o->fat.v, o->fat.n + per, sizeof *o->fat.v);
	for (size_t i = 0; i < per; i++)
		o->fat.v[o->fat.n++] = ole_u32(buf + i * 4);
	return true;
}

static bool read_fat(struct ole *o, const unsigned char *head)
{
	size_t per = sector_bytes(o) / 4 - 1; /* in a sector of more of them */
	uint32_t left = ole_u32(head + 0x2C), next = ole_u32(head + 0x44);
	CLEAN_FREE unsigned char *buf = mem_alloc(sector_bytes(o));
	CLEAN_FREE unsigned char *more = mem_alloc(sector_bytes(o));

	for (size_t i = 0; i < HEADER_FATS && left > 0; i++, left--)
		if (!add_fat_sector(o, ole_u32(head + 0x4C + i * 4), buf))
			return false;
	for (size_t seen = 0; left > 0 && o->fat.n <= o->n_sectors; seen++) {
		if (seen > o->n_sectors || !read_sector(o, next, more))
			return false;
		for (size_t i = 0; i < per && left > 0; i++, left--)
			if (!add_fat_sector(o, ole_u32(more + i * 4), buf))
				return false;
		next = ole_u32(more + per * 4);
	}
	return o->fat.n > 0;
}

/* ---- the directory */

static void add_entry(struct ole *o, const unsigned char *p)
{
	struct entry *e;
	size_t units = ole_u16(p + 64) / 2U;

	if (p[66] == 0 || units == 0 || units > NAME_UNITS)
		return;
	o->entries = mem_resize(o->entries, o->n_entries + 1, sizeof *o->entries);
	e = &o->entries[o->n_entries++];
	*e = (struct entry){.type = p[66], .start = ole_u32(p + 116), .len = ole_u32(p + 120)};
	for (size_t i = 0; i + 1 < units; i++) {
		uint16_t unit = ole_u16(p + i * 2);

		e->name[i] = unit > 0 && unit < 0x80 ? (char)unit : '?';
	}
}

static bool read_directory(struct ole *o, uint32_t start)
{
	CLEAN_FREE unsigned char *buf = mem_alloc(sector_bytes(o));
	struct chain c;
	bool fine = follow(o->fat.v, o->fat.n, start, &c);

	for (size_t i = 0; fine && i < c.n; i++) {
		fine = read_sector(o, c.v[i], buf);
		for (size_t at = 0; fine && at < sector_bytes(o); at += ENTRY_BYTES)
			add_entry(o, buf + at);
	}
	free(c.v);
	return fine;
}

static const struct entry *find(const struct ole *o, const char *name)
{
	for (size_t i = 0; i < o->n_entries; i++)
		if (text_ieq(o->entries[i].name, name))
			return &o->entries[i];
	return NULL;
}

bool ole_has(const struct ole *o, const char *name)
{
	return find(o, name) != NULL;
}

static bool read_header(struct ole *o, unsigned char *head)
{
	static const unsigned char magic[] = {0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1};
	off_t size = lseek(o->fd, 0, SEEK_END);

	if (pread(o->fd, head, HEADER_BYTES, 0) != HEADER_BYTES ||
	    memcmp(head, magic, sizeof magic) != 0)
		return false;
	o->shift = ole_u16(head + 0x1E);
	if ((o->shift != 9 && o->shift != 12) || ole_u16(head + 0x20) != MINI_SHIFT)
		return false;
	if (size <= (off_t)sector_bytes(o))
		return false;
	o->n_sectors = (size_t)((size - 1) >> o->shift);
	o->cutoff = ole_u32(head + 0x38);
	o->mini_start = ole_u32(head + 0x3C);
	return true;
}

struct ole *ole_open(const char *path)
{
	struct ole *o = mem_alloc(sizeof *o);
	unsigned char head[HEADER_BYTES];

	o->window = mem_alloc(WINDOW_BYTES);
	o->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (o->fd < 0 || !read_header(o, head) || !read_fat(o, head) ||
	    !read_directory(o, ole_u32(head + 0x30))) {
		ole_close(o);
		return NULL;
	}
	return o;
}

static void stream_done(struct ole *o)
{
	free(o->stream.v);
	free(o->small);
	o->stream = (struct chain){0};
	o->small = NULL;
	o->window_len = 0;
	o->len = 0;
}

void ole_close(struct ole *o)
{
	if (o == NULL)
		return;
	stream_done(o);
	if (o->fd >= 0)
		(void)close(o->fd);
	free(o->fat.v);
	free(o->entries);
	free(o->window);
	free(o);
}

/* ---- a stream */

/* One entry of the table of small pieces for each sector of it. */
static bool read_mini_fat(struct ole *o, struct chain *ret)
{
	CLEAN_FREE unsigned char *buf = mem_alloc(sector_bytes(o));
	size_t per = sector_bytes(o) / 4;
	struct chain c;
	bool fine = follow(o->fat.v, o->fat.n, o->mini_start, &c);

	*ret = (struct chain){.v = mem_array(c.n * per + 1, sizeof *ret->v), .n = c.n * per};
	for (size_t i = 0; fine && i < c.n; i++) {
		fine = read_sector(o, c.v[i], buf);
		for (size_t k = 0; fine && k < per; k++)
			ret->v[i * per + k] = ole_u32(buf + k * 4);
	}
	free(c.v);
	return fine;
}

/* A short stream: pieces of 64 bytes out of the root's stream, which is the one at hand. */
static bool read_small(struct ole *o, const struct entry *e, char *to)
{
	struct chain mini, pieces = {0};
	bool fine = read_mini_fat(o, &mini) && follow(mini.v, mini.n, e->start, &pieces) &&
		    pieces.n << MINI_SHIFT >= e->len;

	for (size_t i = 0; fine && i << MINI_SHIFT < e->len; i++) {
		size_t at = i << MINI_SHIFT, n = e->len - at;

		n = n < (size_t)1 << MINI_SHIFT ? n : (size_t)1 << MINI_SHIFT;
		fine = ole_read(o, (int64_t)pieces.v[i] << MINI_SHIFT, to + at, n);
	}
	free(mini.v);
	free(pieces.v);
	return fine;
}

static bool set_stream(struct ole *o, const struct entry *e)
{
	stream_done(o);
	if (!follow(o->fat.v, o->fat.n, e->start, &o->stream) ||
	    (int64_t)o->stream.n << o->shift < (int64_t)e->len)
		return false;
	o->len = e->len;
	return true;
}

bool ole_stream(struct ole *o, const char *name)
{
	const struct entry *e = find(o, name), *root = NULL;
	char *small;

	if (e == NULL || e->type != ENTRY_STREAM || e->len == 0)
		return false;
	if (e->len >= o->cutoff)
		return set_stream(o, e);
	for (size_t i = 0; i < o->n_entries && root == NULL; i++)
		root = o->entries[i].type == ENTRY_ROOT ? &o->entries[i] : NULL;
	if (root == NULL || e->len > WINDOW_BYTES || !set_stream(o, root))
		return false;
	small = mem_alloc(e->len);
	if (!read_small(o, e, small)) {
		free(small);
		return false;
	}
	stream_done(o);
	o->small = small;
	o->len = e->len;
	return true;
}

/* The window over the stream, from the sector that holds AT on. */
static bool fill_window(struct ole *o, int64_t at)
{
	size_t first = (size_t)(at >> o->shift), n = WINDOW_BYTES >> o->shift, i = 0;

	if (n > o->stream.n - first)
		n = o->stream.n - first;
	while (i < n) {
		size_t run = 1; /* sectors that follow each other in the file */

		while (i + run < n &&
		       o->stream.v[first + i + run] == o->stream.v[first + i] + (uint32_t)run)
			run++;
		if (o->stream.v[first + i] + run > o->n_sectors ||
		    !read_at(o, ((int64_t)o->stream.v[first + i] + 1) << o->shift,
			     o->window + (i << o->shift), run << o->shift))
			return false;
		i += run;
	}
	o->window_at = (int64_t)first << o->shift;
	o->window_len = n << o->shift;
	return true;
}

bool ole_read(struct ole *o, int64_t at, void *buf, size_t len)
{
	char *to = buf;

	if (at < 0 || at > o->len || (int64_t)len > o->len - at)
		return false;
	if (o->small != NULL) {
		memcpy(buf, o->small + at, len);
		return true;
	}
	while (len > 0) {
		size_t off, n;

		if (at < o->window_at || at >= o->window_at + (int64_t)o->window_len) {
			o->window_len = 0;
			if (!fill_window(o, at))
				return false;
		}
		off = (size_t)(at - o->window_at);
		n = o->window_len - off < len ? o->window_len - off : len;
		memcpy(to, o->window + off, n);
		to += n;
		at += (int64_t)n;
		len -= n;
	}
	return true;
}
