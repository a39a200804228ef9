/* What stands behind the header in the gate file: the counters of changes, and who waits. */
#include "store/gate.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define WANTED_MS 250 /* a waiter says it again at each of his ticks, unless he is dead */

_Static_assert(sizeof(struct gate_file) == GATE_FILE_BYTES, "the counters fill the file");

bool gate_map_add(struct gate *g)
{
	struct gate_map *map;
	struct stat st;
	void *at;

	/* A file just made is empty: its bytes are there as soon as somebody was inside. */
	if (fstat(g->fd, &st) != 0)
		return false;
	at = mmap(NULL, GATE_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, 0);
	if (at == MAP_FAILED)
		return false;
	map = mem_alloc(sizeof(*map));
	map->before = atomic_load(&g->map);
	map->file = at;
	map->dev = st.st_dev;
	map->ino = st.st_ino;
	atomic_store(&g->map, map);
	return true;
}

void gate_map_done(struct gate *g)
{
	struct gate_map *map = atomic_exchange(&g->map, NULL);

	while (map != NULL) {
		struct gate_map *before = map->before;

		(void)munmap(map->file, GATE_FILE_BYTES);
		free(map);
		map = before;
	}
}

void gate_change(struct gate *g, size_t counter)
{
	struct gate_map *map = atomic_load(&g->map);

	(void)__atomic_fetch_add(&map->file->changes[counter], 1, __ATOMIC_SEQ_CST);
}

const struct gate_file *gate_view(const struct gate *g)
{
	const struct gate_map *map = atomic_load(&g->map);
	struct stat st;

	/* Looked at each time: behind the end of a file that was cut there is no memory. */
	if (getpid() != g->pid || fstatat(g->dir, GATE_FILE, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    st.st_ino != map->ino || st.st_dev != map->dev || st.st_size < GATE_FILE_BYTES)
		return NULL;
	return map->file;
}

struct gate_stamp gate_stamp(const struct gate_file *file, size_t counter)
{
	return (struct gate_stamp){
	    .epoch = __atomic_load_n(&file->header.epoch, __ATOMIC_ACQUIRE),
	    .changes = __atomic_load_n(&file->changes[counter], __ATOMIC_ACQUIRE),
	};
}

void gate_want(const struct gate *g, int64_t now_ms)
{
	if (gate_view(g) != NULL)
		__atomic_store_n(&atomic_load(&g->map)->file->wanted_ms, now_ms, __ATOMIC_RELAXED);
}

bool gate_is_wanted(const struct gate *g)
{
	int64_t said_ms = __atomic_load_n(&atomic_load(&g->map)->file->wanted_ms, __ATOMIC_RELAXED);
	int64_t ago;

	if (said_ms == 0)
		return false;
	/* Before the last start of this host the clock stood elsewhere. */
	ago = clock_mono_ms() - said_ms;
	return ago >= 0 && ago <= WANTED_MS;
}
