/* A copy of the store is taken through the gate while others work.  Source: contracts/store.md 13.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/tables.h"
#include "store/whole.h"

#define SLICE_BYTES (1U << 20)
#define ATTEMPTS    5

/* One file on its way: a slice is read in a pass, and written outside it. */
struct slice {
	int from;
	int to;
	int64_t offset;
	char *bytes; /* SLICE_BYTES */
	size_t n;
};

static enum err read_slice(struct pass *p, void *arg)
{
	struct slice *s = arg;
	ssize_t n;

	s->n = 0;
	while (s->n < SLICE_BYTES) {
		n = pread(s->from, s->bytes + s->n, SLICE_BYTES - s->n,
			  (off_t)(s->offset + (int64_t)s->n));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(p->error, ERR_IO, "backup: reading");
		if (n == 0)
			break;
		s->n += (size_t)n;
	}
	return ERR_OK;
}

/* All of FROM to TO; with P within that pass, else with a pass a slice. */
static enum err copy_file(struct store *store, struct pass *p, struct slice *s, struct error *error)
{
	enum err err;

	s->offset = 0;
	do {
		err = p != NULL ? read_slice(p, s)
				: store_pass(store, PASS_READ, "backup", read_slice, s, error);
		if (err == ERR_OK)
			err = fs_write_all(s->to, s->bytes, s->n, error);
		s->offset += (int64_t)s->n;
	} while (err == ERR_OK && s->n == SLICE_BYTES);
	return err;
}

static enum err copy_named(struct store *store, struct pass *p, int from_dir, int to_dir,
			   const char *name, char *buffer, struct error *error)
{
	CLEAN_FD int from = fs_open_read(from_dir, name);
	CLEAN_FD int to = -1;
	struct slice slice = {.from = from, .bytes = buffer};

	if (from < 0)
		return errno == ENOENT ? ERR_OK : error_errno(error, ERR_IO, "backup: %s", name);
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	slice.to = to;
	if (to < 0)
		return error_errno(error, ERR_IO, "backup: making %s", name);
	return copy_file(store, p, &slice, error);
}

/* What taking needs to know; the directories are open while it lasts. */
struct taking {
	struct store *store;
	int from_data, from_log, to_data, to_log;
	char *buffer;
	char lowest[32]; /* the oldest log file when we began */
	bool gone;	 /* it was removed meanwhile: begin again */
	bool all;	 /* everything in this one pass */
};

static DIR *open_logs(int log_dir, struct error *error)
{
	int fd = openat(log_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		(void)error_errno(error, ERR_IO, "backup: db/log");
		if (fd >= 0)
			(void)close(fd);
	}
	return dir;
}

static enum err lowest_log(int log_dir, char ret[32], struct error *error)
{
	DIR *dir = open_logs(log_dir, error);
	struct stat st;
	char name[32];

	ret[0] = '\0';
	if (dir == NULL)
		return ERR_IO;
	while (whole_next_log(dir, name, &st)) {
		if (ret[0] == '\0' || strcmp(name, ret) < 0)
			memcpy(ret, name, sizeof(name));
	}
	(void)closedir(dir);
	return ERR_OK;
}

static enum err note_lowest(struct pass *p, void *arg)
{
	struct taking *t = arg;

	return lowest_log(t->from_log, t->lowest, p->error);
}

static enum err do_nothing(struct pass *p, void *arg)
{
	(void)p;
	(void)arg;
	return ERR_OK;
}

static enum err copy_tables(struct taking *t, struct pass *p, struct error *error)
{
	enum err err = ERR_OK;

	for (enum table table = 0; err == ERR_OK && table < TABLE__MAX; table++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%s.db", table_name(table));
		err = copy_named(t->store, p, t->from_data, t->to_data, name, t->buffer, error);
	}
	return err;
}

/* The last pass: are the logs since the beginning still there?  Then copy them. */
static enum err copy_logs(struct pass *p, void *arg)
{
	struct taking *t = arg;
	enum err err = ERR_OK;
	struct stat st;
	char name[32];
	DIR *dir;

	gate_hold(&t->store->gate, GATE_RECOVERY_HOLD_S);
	if (t->all)
		err = copy_tables(t, p, p->error);
	t->gone = !t->all && faccessat(t->from_log, t->lowest, F_OK, 0) != 0;
	if (err != ERR_OK || t->gone)
		return err;
	dir = open_logs(t->from_log, p->error);
	if (dir == NULL)
		return ERR_IO;
	while (err == ERR_OK && whole_next_log(dir, name, &st))
		err = copy_named(t->store, p, t->from_log, t->to_log, name, t->buffer, p->error);
	(void)closedir(dir);
	return err;
}

/* Logs of an earlier attempt would be a gap in front of the newer ones. */
static void empty_folder(int at)
{
	int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			(void)unlinkat(at, entry->d_name, 0);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static enum err take_once(struct taking *t, struct error *error)
{
	enum err err = ERR_OK;

	t->gone = false;
	empty_folder(t->to_data);
	empty_folder(t->to_log);
	if (!t->all) {
		err = store_pass(t->store, PASS_READ, "backup", note_lowest, t, error);
		if (err == ERR_OK)
			err = copy_tables(t, NULL, error);
	}
	if (err == ERR_OK)
		err = store_pass(t->store, PASS_READ, "backup", copy_logs, t, error);
	return err;
}

enum err copy_lock(struct store *s, short type, off_t byte, struct error *error)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	if (fcntl(s->backup_fd, F_SETLK, &lock) == 0)
		return ERR_OK;
	return errno == EAGAIN || errno == EACCES
		   ? error_set(error, ERR_BUSY, "another backup is running")
		   : error_errno(error, ERR_IO, "data_dir: backup");
}

/* In passes, while others work. */
static enum err take_at_work(struct taking *t, struct error *error)
{
	struct store *store = t->store;
	enum err err;

	if (atomic_exchange(&store->backing_up, true))
		return error_set(error, ERR_BUSY, "another backup is running");
	err = copy_lock(store, F_WRLCK, BACKUP_LOGS, error);
	t->gone = true;
	for (int i = 1; err == ERR_OK && t->gone && i <= ATTEMPTS; i++) {
		t->all = i == ATTEMPTS;
		err = take_once(t, error);
	}
	(void)copy_lock(store, F_UNLCK, BACKUP_LOGS, NULL);
	atomic_store(&store->backing_up, false);
	return err;
}

static enum err take_inside(void *arg, struct error *error)
{
	struct taking *t = arg;
	struct pass alone = {.store = t->store, .error = error};

	t->all = true;
	return copy_logs(&alone, t);
}

static enum err take_shut(struct taking *t, struct error *error)
{
	return store_alone(&t->store->gate, &t->store->env, take_inside, t, error);
}

static enum err take(struct store *store, const char *dir,
		     enum err (*how)(struct taking *, struct error *), struct error *error)
{
	CLEAN_FREE char *logs = mem_printf("%s/db/log", dir);
	CLEAN_FREE char *data = mem_printf("%s/db/data", dir);
	CLEAN_FREE char *buffer = mem_alloc(SLICE_BYTES);
	CLEAN_FD int from_data = fs_open_dir(store->dir, "db/data");
	CLEAN_FD int from_log = fs_open_dir(store->dir, "db/log");
	CLEAN_FD int to_data = -1;
	CLEAN_FD int to_log = -1;
	struct taking t = {
	    .store = store, .from_data = from_data, .from_log = from_log, .buffer = buffer};
	enum err err;

	if (from_data < 0 || from_log < 0)
		return error_errno(error, ERR_IO, "db/data and db/log");
	err = fs_mkdirs(AT_FDCWD, logs, error);
	if (err == ERR_OK)
		err = fs_mkdirs(AT_FDCWD, data, error);
	if (err != ERR_OK)
		return err;
	t.to_data = to_data = fs_open_dir(AT_FDCWD, data);
	t.to_log = to_log = fs_open_dir(AT_FDCWD, logs);
	if (to_data < 0 || to_log < 0)
		return error_errno(error, ERR_IO, "%s", dir);
	return how(&t, error);
}

enum err copy_take(struct store *store, const char *dir, struct error *error)
{
	/* Makes the store where it is missing. */
	enum err err = store_pass(store, PASS_READ, "backup", do_nothing, NULL, error);

	return err == ERR_OK ? take(store, dir, take_at_work, error) : err;
}

enum err copy_take_shut(struct store *store, const char *dir, struct error *error)
{
	return take(store, dir, take_shut, error);
}
