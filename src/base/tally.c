#include "base/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"

#define TALLY_NAME    "tally"
#define TALLY_MAGIC   "SLIPTALY"
#define TALLY_VERSION 2

/* The file: host byte order, read on the host that wrote it alone. */
struct layout {
	char magic[8];
	uint32_t version;
	uint32_t bytes; /* of the whole */
	struct tally_cells cells;
};

struct tally {
	struct layout *file; /* mapped; NULL = none */
	struct tally_cells none;
};

static const int64_t bounds[TALLY_BUCKETS] = {5,    10,	  25,	50,    100,   250,   500,
					      1000, 2500, 5000, 10000, 30000, 60000, INT64_MAX};

static const char *const class_words[TALLY__MAX] = {
    [TALLY_PAGES] = "pages",	 [TALLY_WIZARD] = "wizard",   [TALLY_FILES] = "files",
    [TALLY_CHUNKS] = "chunks",	 [TALLY_GWS] = "gws",	      [TALLY_DATASETS] = "datasets",
    [TALLY_ISERVER] = "iserver", [TALLY_IPORTAL] = "iportal", [TALLY_SIGNED] = "signed",
    [TALLY_STATUS] = "status",
};

static const char *const adapter_words[TALLY_ADAPTERS] = {
    "tus",	"ietf", "put",	       "form",	    "raw",	    "iserver",
    "iportal",	"gws",	"filepond",    "resumable", "flow",	    "simple",
    "dropzone", "fine", "webuploader", "plupload",  "contentrange", "other",
};

int64_t tally_bound_ms(size_t i)
{
	return bounds[i];
}

const char *tally_class_word(enum tally_class c)
{
	return class_words[c];
}

static bool is_ours(const struct layout *file)
{
	return memcmp(file->magic, TALLY_MAGIC, sizeof(file->magic)) == 0 &&
	       file->version == TALLY_VERSION && file->bytes == sizeof(*file);
}

/* All its blocks are there: a hole that a full disk cannot fill would end the writer with SIGBUS.
 */
static bool whole(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == (off_t)sizeof(struct layout);
}

/* A new one, complete under its name at once; another process may have been faster. */
static void make(int dir, bool replace)
{
	char random[17], temp[sizeof(TALLY_NAME) + sizeof(random)];
	struct layout head = {
	    .magic = TALLY_MAGIC, .version = TALLY_VERSION, .bytes = sizeof(head)};
	CLEAN_FD int fd = -1;

	/* A process's number is no name: in two containers two have the same. */
	token_hex(random, 16);
	(void)snprintf(temp, sizeof(temp), TALLY_NAME ".%s", random);
	fd = fs_create(dir, temp);
	if (fd < 0)
		return;
	if (posix_fallocate(fd, 0, sizeof(head)) == 0 &&
	    pwrite(fd, &head, offsetof(struct layout, cells), 0) ==
		(ssize_t)offsetof(struct layout, cells)) {
		if (replace)
			(void)renameat(dir, temp, dir, TALLY_NAME);
		else if (linkat(dir, temp, dir, TALLY_NAME, 0) != 0) {
			/* Another process was faster: its file serves as well. */
		}
	}
	(void)unlinkat(dir, temp, 0);
}

/* NULL: there is none (*RET_MISSING), or it is not ours. */
static struct layout *map(int dir, bool *ret_missing)
{
	CLEAN_FD int fd = openat(dir, TALLY_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct layout *file;

	*ret_missing = fd < 0 && errno == ENOENT;
	if (fd < 0 || !whole(fd))
		return NULL;
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		return NULL;
	if (is_ours(file))
		return file;
	(void)munmap(file, sizeof(*file));
	return NULL;
}

struct tally *tally_open(const char *data_dir)
{
	struct tally *t = mem_alloc(sizeof(*t));
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, data_dir);

	bool missing;

	t->file = map(dir, &missing);
	if (t->file == NULL && dir >= 0) {
		/* Of another version of the program: its sums begin anew.  What was missing a
		   moment ago may be another process's by now, and stays. */
		make(dir, !missing);
		t->file = map(dir, &missing);
	}
	return t;
}

void tally_close(struct tally *t)
{
	if (t == NULL)
		return;
	if (t->file != NULL)
		(void)munmap(t->file, sizeof(*t->file));
	free(t);
}

struct tally_cells *tally_cells(struct tally *t)
{
	return t->file != NULL ? &t->file->cells : &t->none;
}

void tally_add(int64_t *cell, int64_t by)
{
	(void)__atomic_fetch_add(cell, by, __ATOMIC_RELAXED);
}

void tally_set(int64_t *cell, int64_t value)
{
	__atomic_store_n(cell, value, __ATOMIC_RELAXED);
}

int64_t tally_get(const int64_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

void tally_request(struct tally *t, enum tally_class class, int status, int64_t ms,
		   int64_t bytes_in)
{
	struct tally_cells *c = tally_cells(t);
	size_t bucket = 0;

	if (status < 100 || status >= 100 + TALLY_STATUSES)
		status = 500;
	while (ms > bounds[bucket])
		bucket++;
	tally_add(&c->requests[class][status - 100], 1);
	tally_add(&c->bytes_in[class], bytes_in);
	tally_add(&c->took[class][bucket], 1);
	tally_add(&c->took_ms[class], ms);
}

size_t tally_adapter(const char *word)
{
	size_t row = 0;

	while (row + 1 < TALLY_ADAPTERS && strcmp(adapter_words[row], word) != 0)
		row++;
	return row;
}

const char *tally_adapter_word(size_t row)
{
	return adapter_words[row];
}

void tally_add_uploads(struct tally *t, const struct tally_uploads *by)
{
	struct tally_uploads *sums = &tally_cells(t)->uploads;

	for (size_t a = 0; a < TALLY_ADAPTERS; a++) {
		for (size_t e = 0; e < TALLY_EVENT__MAX; e++)
			if (by->events[a][e] != 0)
				tally_add(&sums->events[a][e], by->events[a][e]);
		if (by->bytes[a] != 0)
			tally_add(&sums->bytes[a], by->bytes[a]);
	}
}
