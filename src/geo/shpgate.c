#include "geo/shpgate.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

#define SHP_HEAD      100 /* bytes before the first record */
#define SHX_ENTRY     8
#define DBF_HEAD      32 /* bytes before the field descriptors */
#define BLOCK_ENTRIES 8192
#define FIELD_TYPE    11 /* bytes of a field descriptor before its type … */
#define FIELD_WIDTH   16 /* … and before its width and its decimals */
#define INTEGER_WIDTH 18 /* digits GDAL trusts 64 bits to hold */

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint32_t le16(const unsigned char *p)
{
	return (uint32_t)p[1] << 8 | p[0];
}

/* Open PATH and read its first N bytes; -1 when it is shorter. */
static int open_head(const char *path, unsigned char *head, size_t n, int64_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 || pread(fd, head, n, 0) != (ssize_t)n) {
		(void)close(fd);
		return -1;
	}
	*ret_size = st.st_size;
	return fd;
}

static enum err check_index(int fd, int64_t shx_size, int64_t shp_size, struct error *error)
{
	CLEAN_FREE unsigned char *block = mem_array(BLOCK_ENTRIES, SHX_ENTRY);
	int64_t record = 0, at = SHP_HEAD;
	ssize_t n;

	while (at < shx_size &&
	       (n = pread(fd, block, BLOCK_ENTRIES * SHX_ENTRY, at)) >= SHX_ENTRY) {
		n -= n % SHX_ENTRY;
		for (ssize_t i = 0; i < n; i += SHX_ENTRY, record++) {
			int64_t offset = 2 * (int64_t)be32(block + i),
				len = 2 * (int64_t)be32(block + i + 4);

			/* A deleted record has length 0 and any offset. */
			if (len > 0 && (offset < SHP_HEAD || offset + SHX_ENTRY + len > shp_size))
				return error_set(error, ERR_BAD_REQUEST,
						 "record %lld of %lld bytes ends behind the file",
						 (long long)record + 1, (long long)len);
		}
		at += n;
	}
	return ERR_OK;
}

static enum err check_dbf(const char *path, struct error *error)
{
	unsigned char head[DBF_HEAD];
	int64_t size;
	CLEAN_FD int fd = open_head(path, head, sizeof(head), &size);
	int64_t rows, header, row;

	if (fd < 0)
		return error_set(error, ERR_BAD_REQUEST, "dbf is too short");
	rows = le32(head + 4);
	header = le16(head + 8);
	row = le16(head + 10);
	if (header < DBF_HEAD || header > size || (rows > 0 && row == 0) ||
	    header + rows * row > size)
		return error_set(error, ERR_BAD_REQUEST,
				 "dbf: %lld rows of %lld bytes do not fit into %lld",
				 (long long)rows, (long long)row, (long long)size);
	return ERR_OK;
}

void shp_fields(const char *dbf, struct shp_fields *ret)
{
	unsigned char head[DBF_HEAD], field[DBF_HEAD];
	int64_t size;
	CLEAN_FD int fd = open_head(dbf, head, sizeof(head), &size);

	*ret = (struct shp_fields){0};
	for (int64_t at = DBF_HEAD; fd >= 0 && at < (int64_t)le16(head + 8); at += DBF_HEAD) {
		if (pread(fd, field, sizeof(field), at) != (ssize_t)sizeof(field) ||
		    field[0] == '\r')
			return;
		ret->memos += field[FIELD_TYPE] == 'M';
		ret->wide =
		    ret->wide || (field[FIELD_TYPE] == 'N' && field[FIELD_WIDTH] > INTEGER_WIDTH &&
				  field[FIELD_WIDTH + 1] == 0);
	}
}

bool shp_rows(const char *shp, const char *dbf, struct shp_rows *ret)
{
	CLEAN_FREE char *shx = mem_strdup(shp);
	unsigned char index[SHP_HEAD], head[DBF_HEAD];
	int64_t shx_size, dbf_size;

	memcpy(shx + strlen(shx) - 3, "shx", 3);
	CLEAN_FD int shx_fd = open_head(shx, index, sizeof(index), &shx_size);
	CLEAN_FD int dbf_fd = open_head(dbf, head, sizeof(head), &dbf_size);

	if (shx_fd < 0 || dbf_fd < 0)
		return false;
	*ret = (struct shp_rows){.places = (shx_size - SHP_HEAD) / SHX_ENTRY,
				 .rows = le32(head + 4),
				 .header = le16(head + 8),
				 .width = le16(head + 10)};
	return ret->rows == 0 || ret->width > 0;
}

enum err shp_gate(const char *shp, const char *shx, const char *dbf, struct error *error)
{
	unsigned char head[SHP_HEAD], index[SHP_HEAD];
	int64_t shp_size, shx_size;
	CLEAN_FD int shp_fd = open_head(shp, head, sizeof(head), &shp_size);
	CLEAN_FD int shx_fd = open_head(shx, index, sizeof(index), &shx_size);
	enum err e;

	if (shp_fd < 0 || be32(head) != 9994 || le32(head + 28) != 1000)
		return error_set(error, ERR_BAD_REQUEST, "no shp head");
	if (shx_fd < 0 || be32(index) != 9994)
		return error_set(error, ERR_BAD_REQUEST, "no shx head");
	e = check_index(shx_fd, shx_size, shp_size, error);
	return e == ERR_OK && dbf != NULL ? check_dbf(dbf, error) : e;
}
