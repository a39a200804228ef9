#include "http/inflate.h"

#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"

#define FIRST ((size_t)64 * 1024)

/* Room for more output, twice as much each time, at most MAX and a byte that tells "too much". */
static void grow(z_stream *z, char **buf, size_t *size, size_t max)
{
	size_t more = *size == 0 ? FIRST : 2 * *size;
	size_t used = (size_t)((char *)z->next_out - *buf);

	if (*buf == NULL)
		used = 0;
	if (more > max + 1)
		more = max + 1;
	*buf = mem_resize(*buf, more + 1, 1);
	*size = more;
	z->next_out = (Bytef *)*buf + used;
	z->avail_out = (uInt)(more - used);
}

enum err inflate_gzip(const void *bytes, size_t len, size_t max, char **ret, size_t *ret_len)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)len};
	enum err err = ERR_BAD_REQUEST;
	char *buf = NULL;
	size_t size = 0, used = 0;
	int got = Z_OK;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		mem_die();
	while (got == Z_OK) {
		if (z.avail_out == 0)
			grow(&z, &buf, &size, max);
		got = inflate(&z, Z_NO_FLUSH);
		used = (size_t)((char *)z.next_out - buf);
		if (used > max) {
			err = ERR_TOO_LARGE;
			break;
		}
		if (got == Z_STREAM_END && z.avail_in > 0)
			got = inflateReset(&z);
		else if (got == Z_STREAM_END)
			err = ERR_OK;
	}
	(void)inflateEnd(&z);
	if (err != ERR_OK) {
		free(buf);
		return err;
	}
	buf[used] = '\0';
	*ret = buf;
	*ret_len = used;
	return ERR_OK;
}
