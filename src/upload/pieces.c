#include "upload/engine.h"

#include <stdlib.h>
#include <sys/mman.h>
#include "base/mem.h"

#define BLOCK_BYTES ((size_t)PAIRS * PAIR_BYTES)

/* Where the kernel has no huge pages to give, it is memory like any other. */
static unsigned char *block_new(void)
{
	void *p;

	if (posix_memalign(&p, BLOCK_BYTES, BLOCK_BYTES) != 0)
		mem_die();
	(void)madvise(p, BLOCK_BYTES, MADV_HUGEPAGE);
	return p;
}

unsigned char *pieces_take(struct pieces *all)
{
	unsigned char *pair = NULL;

	(void)pthread_mutex_lock(&all->mutex);
	for (size_t i = 0; pair == NULL && i < PAIRS; i++) {
		if (all->taken[i])
			continue;
		if (all->block == NULL)
			all->block = block_new();
		all->taken[i] = true;
		pair = all->block + i * PAIR_BYTES;
	}
	(void)pthread_mutex_unlock(&all->mutex);
	return pair != NULL ? pair : mem_pages(PAIR_BYTES);
}

void pieces_give(struct pieces *all, unsigned char *pair)
{
	bool ours = false;

	(void)pthread_mutex_lock(&all->mutex);
	for (size_t i = 0; i < PAIRS; i++) {
		if (all->block == NULL || pair != all->block + i * PAIR_BYTES)
			continue;
		all->taken[i] = false;
		ours = true;
	}
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
	free(all->block);
	(void)pthread_mutex_destroy(&all->mutex);
}
