#include "worker/pack.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"

#define PIECE	   ((size_t)256 * 1024)
#define VERSION	   20	  /* APPNOTE 4.4.3: stored files */
#define UTF8_NAMES 0x0800 /* APPNOTE 4.4.4, bit 11 */
#define DATE_1980  0x0021 /* 1980-01-01, the first a zip can say */

/* One zip being written. */
struct packing {
	int fd;
	int64_t at; /* bytes so far */
	struct digest_run *md5;
	struct error *error;
};

/* What the directory says of a member. */
struct record {
	uint32_t crc, size, offset;
};

static enum err put(struct packing *p, const void *bytes, size_t n)
{
	digest_feed(p->md5, bytes, n);
	p->at += (int64_t)n;
	return fs_write_all(p->fd, bytes, n, p->error);
}

/* Little-endian numbers, one after the other: W has a digit for the bytes of each. */
static size_t numbers(unsigned char *to, const char *w, const uint32_t *v)
{
	size_t len = 0;

	for (; *w != '\0'; w++, v++)
		for (int i = 0; i < *w - '0'; i++)
			to[len++] = (unsigned char)(*v >> (8 * i));
	return len;
}

/* CRC and length of a member's file, FD at its start again. */
static enum err measure(int fd, struct record *r, struct error *error)
{
	CLEAN_FREE char *buf = mem_alloc(PIECE);
	struct digest_run *crc = digest_new(DIGEST_CRC32);
	unsigned char sum[4];
	int64_t size = 0;
	ssize_t n;

	while ((n = read(fd, buf, PIECE)) > 0) {
		digest_feed(crc, buf, (size_t)n);
		size += n;
	}
	digest_end(crc, sum);
	if (n < 0 || lseek(fd, 0, SEEK_SET) != 0)
		return error_errno(error, ERR_IO, "member");
	if (size >= UINT32_MAX)
		return error_set(error, ERR_TOO_LARGE, "member of %lld bytes", (long long)size);
	r->size = (uint32_t)size;
	r->crc = (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3];
	return ERR_OK;
}

static enum err add_member(struct packing *p, int at, const struct pack_member *m, struct record *r)
{
	CLEAN_FREE char *buf = mem_alloc(PIECE);
	CLEAN_FD int fd = fs_open_read(at, m->path);
	unsigned char head[30];
	ssize_t n = 0;
	enum err err = fd < 0 ? error_errno(p->error, ERR_IO, "member") : measure(fd, r, p->error);

	if (err == ERR_OK && p->at + r->size >= UINT32_MAX)
		err = error_set(p->error, ERR_TOO_LARGE, "zip of more than 4 GiB");
	if (err != ERR_OK)
		return err;
	r->offset = (uint32_t)p->at;
	const uint32_t v[] = {0x04034b50, VERSION, UTF8_NAMES, 0,	0,
			      DATE_1980,  r->crc,  r->size,    r->size, (uint32_t)strlen(m->name),
			      0};
	err = put(p, head, numbers(head, "42222244422", v));
	if (err == ERR_OK)
		err = put(p, m->name, strlen(m->name));
	while (err == ERR_OK && (n = read(fd, buf, PIECE)) > 0)
		err = put(p, buf, (size_t)n);
	return err == ERR_OK && n < 0 ? error_errno(p->error, ERR_IO, "member") : err;
}

static enum err add_directory(struct packing *p, const struct pack_member *members,
			      const struct record *r, size_t n)
{
	unsigned char head[46];
	uint32_t start = (uint32_t)p->at;
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && i < n; i++) {
		const uint32_t v[] = {0x02014b50,
				      VERSION,
				      VERSION,
				      UTF8_NAMES,
				      0,
				      0,
				      DATE_1980,
				      r[i].crc,
				      r[i].size,
				      r[i].size,
				      (uint32_t)strlen(members[i].name),
				      0,
				      0,
				      0,
				      0,
				      0,
				      r[i].offset};
		err = put(p, head, numbers(head, "42222224442222244", v));
		if (err == ERR_OK)
			err = put(p, members[i].name, strlen(members[i].name));
	}
	const uint32_t end[] = {0x06054b50, 0, 0, (uint32_t)n, (uint32_t)n, (uint32_t)p->at - start,
				start,	    0};
	return err == ERR_OK ? put(p, head, numbers(head, "42222442", end)) : err;
}

static int by_name(const void *a, const void *b)
{
	const struct pack_member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void hex(const unsigned char sum[16], char out[33])
{
	for (int i = 0; i < 16; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

enum err pack_zip(int at, const char *out, struct pack_member *members, size_t n, int64_t *ret_size,
		  char ret_md5[33], struct error *error)
{
	struct packing p = {.fd = fs_create(at, out), .error = error};
	struct record *records = mem_array(n + 1, sizeof(*records));
	unsigned char sum[16];
	enum err err = ERR_OK;

	p.md5 = digest_new(DIGEST_MD5);
	if (p.fd < 0)
		err = error_errno(error, ERR_IO, "zip");
	else if (n >= UINT16_MAX)
		err = error_set(error, ERR_TOO_LARGE, "zip of %zu files", n);
	qsort(members, n, sizeof(*members), by_name);
	for (size_t i = 0; err == ERR_OK && i < n; i++)
		err = add_member(&p, at, &members[i], &records[i]);
	if (err == ERR_OK)
		err = add_directory(&p, members, records, n);
	if (err == ERR_OK && fsync(p.fd) != 0)
		err = error_errno(error, ERR_IO, "zip");
	digest_end(p.md5, sum);
	hex(sum, ret_md5);
	*ret_size = p.at;
	if (p.fd >= 0)
		(void)close(p.fd);
	free(records);
	return err;
}

enum err pack_digest(int at, const char *path, int64_t *ret_size, char ret_md5[33],
		     struct error *error)
{
	CLEAN_FREE char *buf = mem_alloc(PIECE);
	CLEAN_FD int fd = fs_open_read(at, path);
	struct digest_run *md5 = digest_new(DIGEST_MD5);
	unsigned char sum[16];
	int64_t size = 0;
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, buf, PIECE)) > 0) {
		digest_feed(md5, buf, (size_t)n);
		size += n;
	}
	digest_end(md5, sum);
	if (n < 0)
		return error_errno(error, ERR_IO, "digest");
	hex(sum, ret_md5);
	*ret_size = size;
	return ERR_OK;
}
