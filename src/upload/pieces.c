#include "upload/engine.h"

#include <stdlib.h>
#include <sys/mman.h>
#include "base/mem.h"

#define KEPT_BYTES ((size_t)(2 * PIECE_MOST))

/* Where the kernel has no huge pages to give, it is memory like any other. */
static unsigned char *kept_new(void)
{
	void *p;

	if (posix_memalign(&p, PIECE_MOST, KEPT_BYTES) != 0)
		mem_die();
	(void)madvise(p, KEPT_BYTES, MADV_HUGEPAGE);
	return p;
}

unsigned char *pieces_take(struct pieces *all, size_t *ret_size)
{
	bool ours;

	(void)pthread_mutex_lock(&all->mutex);
	ours = !all->taken;
	all->taken = true;
	if (ours && all->kept == NULL)
		all->kept = kept_new();
	(void)pthread_mutex_unlock(&all->mutex);
	*ret_size = ours ? PIECE_MOST : PIECE_LEAST;
	return ours ? all->kept : mem_pages((size_t)(2 * PIECE_LEAST));
}

void pieces_give(struct pieces *all, unsigned char *pair)
{
	bool ours;

	(void)pthread_mutex_lock(&all->mutex);
	ours = pair == all->kept;
	if (ours)
		all->taken = false;
	(void)pthread_mutex_unlock(&all->mutex);
	if (!ours)
		free(pair);
}

void pieces_init(struct pieces *all)
{
	*all = (struct pieces){0};
	(void)pthread_mutex_init(&all->mutex, NULL);
}

void pieces_done(struct pieces *all)
{
	free(all->kept);
	(void)pthread_mutex_destroy(&all->mutex);
}
