#include "geo/bigmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void bigmem_init(struct bigmem *m, const char *path)
{
	*m = (struct bigmem){.fd = -1, .path = path};
}

/* Space is allocated before it is mapped: a full disk must be an error here and not a SIGBUS later.
 */
static enum err file_grow(int fd, size_t from, size_t to, struct error *error)
{
	int e = posix_fallocate(fd, (off_t)from, (off_t)(to - from));

	if (e == 0)
		return ERR_OK;
	return error_set(error, e == ENOSPC || e == EDQUOT ? ERR_NO_SPACE : ERR_IO,
			 "spill file: %s", strerror(e));
}

static enum err to_file(struct bigmem *m, size_t cap, struct error *error)
{
	int fd = open(m->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	void *p;
	enum err err;

	if (fd < 0)
		return error_errno(error, ERR_IO, "spill file");
	(void)unlink(m->path);
	if ((err = file_grow(fd, 0, cap, error)) != ERR_OK) {
		close(fd);
		return err;
	}
	p = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		close(fd);
		return error_errno(error, ERR_IO, "spill file of %zu bytes", cap);
	}
	if (m->p != NULL)
		memcpy(p, m->p, m->cap);
	free(m->p);
	m->p = p;
	m->cap = cap;
	m->fd = fd;
	return ERR_OK;
}

enum err bigmem_reserve(struct bigmem *m, size_t size, struct error *error)
{
	size_t cap = m->cap < 65536 ? 65536 : m->cap;
	void *p;
	enum err err;

	if (size <= m->cap)
		return ERR_OK;
	while (cap < size)
		cap += cap / 2 < ((size_t)64 << 20) ? cap / 2 : (size_t)64 << 20;
	cap = (cap + 65535) & ~(size_t)65535;
	if (m->fd < 0 && cap > BIGMEM_BOUND)
		return to_file(m, cap, error);
	if (m->fd < 0) {
		if ((p = realloc(m->p, cap)) == NULL)
			return to_file(m, cap, error);
	} else {
		if ((err = file_grow(m->fd, m->cap, cap, error)) != ERR_OK)
			return err;
		if ((p = mremap(m->p, m->cap, cap, MREMAP_MAYMOVE)) == MAP_FAILED)
			return error_errno(error, ERR_IO, "spill file of %zu bytes", cap);
	}
	m->p = p;
	m->cap = cap;
	return ERR_OK;
}

void bigmem_done(struct bigmem *m)
{
	if (m->fd >= 0) {
		(void)munmap(m->p, m->cap);
		close(m->fd);
	} else {
		free(m->p);
	}
	*m = (struct bigmem){.fd = -1};
}
