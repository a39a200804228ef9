/* Private copies of the store: taken through the gate, recovered, read, verified, installed. */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"
#include "store/tables.h"

#define SLICE_BYTES (1U << 20)
#define ATTEMPTS 5
#define BATCH 500

enum err copy_scratch(const char *data_dir, const char *what, char **ret, struct error *error)
{
	CLEAN_FREE char *path = NULL;
	char hex[17];
	enum err err;

	token_hex(hex, 16);
	path = mem_printf("%s/%s.%s", data_dir, what, hex);
	err = fs_mkdirs(AT_FDCWD, path, error);
	if (err != ERR_OK)
		return err;
	*ret = path;
	path = NULL;
	return ERR_OK;
}

void copy_remove(const char *dir)
{
	if (dir != NULL)
		(void)fs_remove_tree(AT_FDCWD, dir, NULL);
}

/* ---- taking */

/* One file on its way: a slice is read in a pass, and written outside it. */
struct slice {
	int from;
	int to;
	int64_t offset;
	char *bytes;               /* SLICE_BYTES */
	size_t n;
};

static enum err read_slice(struct pass *p, void *arg)
{
	struct slice *s = arg;
	ssize_t n;

	s->n = 0;
	while (s->n < SLICE_BYTES) {
		n = pread(s->from, s->bytes + s->n, SLICE_BYTES - s->n, (off_t)(s->offset + (int64_t)s->n));
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
		err = p != NULL ? read_slice(p, s) : store_pass(store, PASS_READ, "backup", read_slice, s, error);
		if (err == ERR_OK)
			err = fs_write_all(s->to, s->bytes, s->n, error);
		s->offset += (int64_t)s->n;
	} while (err == ERR_OK && s->n == SLICE_BYTES);
	return err;
}

static enum err copy_named(struct store *store, struct pass *p, int from_dir, int to_dir, const char *name,
    char *buffer, struct error *error)
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
	char lowest[32];           /* the oldest log file when we began */
	bool gone;                 /* it was removed meanwhile: begin again */
	bool all;                  /* everything in this one pass */
};

static enum err lowest_log(int log_dir, char ret[32], struct error *error)
{
	DIR *dir;
	struct dirent *entry;
	int fd = openat(log_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ret[0] = '\0';
	if (fd < 0 || (dir = fdopendir(fd)) == NULL)
		return error_errno(error, ERR_IO, "backup: db/log");
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "log.", 4) == 0 && strlen(entry->d_name) < 32 &&
		    (ret[0] == '\0' || strcmp(entry->d_name, ret) < 0))
			(void)snprintf(ret, 32, "%.31s", entry->d_name);
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
	struct dirent *entry;
	enum err err = ERR_OK;
	DIR *dir;
	int fd;

	gate_hold(&t->store->gate, GATE_RECOVERY_HOLD_S);
	if (t->all)
		err = copy_tables(t, p, p->error);
	t->gone = !t->all && faccessat(t->from_log, t->lowest, F_OK, 0) != 0;
	if (err != ERR_OK || t->gone)
		return err;
	fd = openat(t->from_log, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (dir = fdopendir(fd)) == NULL)
		return error_errno(p->error, ERR_IO, "backup: db/log");
	while (err == ERR_OK && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "log.", 4) == 0)
			err = copy_named(t->store, p, t->from_log, t->to_log, entry->d_name, t->buffer, p->error);
	}
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

/* The lock that stops checkpoints; one backup at a time. */
static enum err lock_backup(struct store *s, short type, struct error *error)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	if (fcntl(s->backup_fd, F_SETLK, &lock) == 0)
		return ERR_OK;
	return errno == EAGAIN || errno == EACCES ? error_set(error, ERR_BUSY, "another backup is running") :
	                                            error_errno(error, ERR_IO, "data_dir: backup");
}

enum err copy_take(struct store *store, const char *dir, struct error *error)
{
	CLEAN_FREE char *logs = mem_printf("%s/db/log", dir);
	CLEAN_FREE char *data = mem_printf("%s/db/data", dir);
	CLEAN_FREE char *buffer = mem_alloc(SLICE_BYTES);
	CLEAN_FD int from_data = -1;
	CLEAN_FD int from_log = -1;
	CLEAN_FD int to_data = -1;
	CLEAN_FD int to_log = -1;
	struct taking t = {.store = store, .buffer = buffer, .gone = true};
	enum err err = fs_mkdirs(AT_FDCWD, logs, error);

	if (err == ERR_OK)
		err = fs_mkdirs(AT_FDCWD, data, error);
	/* Makes the store where it is missing. */
	if (err == ERR_OK)
		err = store_pass(store, PASS_READ, "backup", do_nothing, NULL, error);
	if (err != ERR_OK)
		return err;
	t.from_data = from_data = fs_open_dir(store->dir, "db/data");
	t.from_log = from_log = fs_open_dir(store->dir, "db/log");
	t.to_data = to_data = fs_open_dir(AT_FDCWD, data);
	t.to_log = to_log = fs_open_dir(AT_FDCWD, logs);
	if (from_data < 0 || from_log < 0 || to_data < 0 || to_log < 0)
		return error_errno(error, ERR_IO, "backup: folders");
	if (atomic_exchange(&store->backing_up, true))
		return error_set(error, ERR_BUSY, "another backup is running");
	err = lock_backup(store, F_WRLCK, error);
	for (int i = 1; err == ERR_OK && t.gone && i <= ATTEMPTS; i++) {
		t.all = i == ATTEMPTS;
		err = take_once(&t, error);
	}
	(void)lock_backup(store, F_UNLCK, NULL);
	atomic_store(&store->backing_up, false);
	return err;
}

/* ---- opening and closing */

enum err copy_open(struct env *env, const char *dir, bool recover, struct error *error)
{
	CLEAN_FREE char *logs = mem_printf("%s/db/log", dir);
	CLEAN_FREE char *data = mem_printf("%s/db/data", dir);
	enum err err = fs_mkdirs(AT_FDCWD, logs, error);

	if (err == ERR_OK)
		err = fs_mkdirs(AT_FDCWD, data, error);
	if (err == ERR_OK)
		err = env_open_copy(env, dir, recover, error);
	for (enum table t = 0; err == ERR_OK && t < TABLE__MAX; t++) {
		DB *db;
		int rc = env_table(env, t, ENV_CREATE, &db);

		if (rc != 0) {
			err = env_error(env, rc, table_name(t), error);
			env_drop(env);
		}
	}
	if (err == ERR_OK) {
		err = env_check_format(env, true, error);
		if (err == ERR_VERSION) {
			(void)env_close(env);
			err = ERR_STORE;
		}
	}
	return err;
}

enum err copy_close(struct env *env, struct error *error)
{
	int rc;

	if (env->dbenv == NULL)
		return ERR_OK;
	rc = env->dbenv->txn_checkpoint(env->dbenv, 0, 0, DB_FORCE);
	if (rc != 0) {
		enum err err = env_error(env, rc, "checkpoint of the copy", error);

		env_drop(env);
		return err;
	}
	rc = env_close(env);
	return rc == 0 ? ERR_OK : env_error(env, rc, "closing the copy", error);
}

static void no_message(const DB_ENV *dbenv, const char *prefix, const char *text)
{
	(void)dbenv;
	(void)prefix;
	(void)text;
}

enum err copy_verify(const char *dir, FILE *out, int *ret_findings, struct error *error)
{
	int findings = 0;

	for (enum table t = 0; t < TABLE__MAX; t++) {
		CLEAN_FREE char *path = mem_printf("%s/db/data/%s.db", dir, table_name(t));
		DB *db;
		int rc;

		if (access(path, F_OK) != 0)
			continue;
		rc = db_create(&db, NULL, 0);
		if (rc != 0)
			return error_set(error, ERR_STORE, "verify: %s", db_strerror(rc));
		db->set_errcall(db, no_message);
		/* verify takes the handle, whatever it finds. */
		rc = db->verify(db, path, NULL, NULL, 0);
		if (rc == 0)
			continue;
		findings++;
		if (out != NULL)
			(void)fprintf(out, "table %s: damaged (%s), restore needed\n", table_name(t), db_strerror(rc));
	}
	*ret_findings += findings;
	return ERR_OK;
}

/* ---- reading all of a table */

struct item {
	size_t key_len;
	size_t len;
	unsigned char *bytes;      /* key, value */
};

struct batch {
	enum table table;
	struct item *items;        /* BATCH */
	size_t n;
	unsigned char *last;       /* where to go on: the last key and a NUL */
	size_t last_len;
};

static bool add_item(const void *key, size_t key_len, const void *value, size_t len, void *arg)
{
	struct batch *b = arg;
	struct item *item = &b->items[b->n++];

	item->key_len = key_len;
	item->len = len;
	item->bytes = mem_array(key_len + len + 1, 1);
	memcpy(item->bytes, key, key_len);
	if (len > 0)
		memcpy(item->bytes + key_len, value, len);
	return b->n < BATCH;
}

static enum err read_batch(struct pass *p, void *arg)
{
	struct batch *b = arg;

	b->n = 0;
	return record_walk(p, b->table, b->last, b->last_len, NULL, 0, BATCH, add_item, b);
}

enum err copy_each(struct env *env, enum table table, each_fn *fn, void *arg, struct error *error)
{
	struct batch b = {.table = table, .items = mem_array(BATCH, sizeof(struct item))};
	bool more = true;
	enum err err = ERR_OK;

	while (err == ERR_OK && more) {
		err = pass_on_copy(env, read_batch, &b, error);
		more = b.n == BATCH;
		for (size_t i = 0; i < b.n; i++) {
			struct item *item = &b.items[i];

			if (err == ERR_OK)
				err = fn(item->bytes, item->key_len, item->bytes + item->key_len, item->len, arg);
			if (i + 1 == b.n) {
				/* The smallest key behind this one. */
				b.last = mem_resize(b.last, item->key_len + 1, 1);
				memcpy(b.last, item->bytes, item->key_len);
				b.last[item->key_len] = 0;
				b.last_len = item->key_len + 1;
			}
			free(item->bytes);
		}
	}
	free(b.items);
	free(b.last);
	return err;
}

/* ---- installing */

struct install {
	const char *data_dir;
	const char *dir;
	bool replace;
	char *old;
};

static bool has_tables(const char *data_dir)
{
	for (enum table t = 0; t < TABLE__MAX; t++) {
		CLEAN_FREE char *path = mem_printf("%s/db/data/%s.db", data_dir, table_name(t));

		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static enum err swap(void *arg, struct error *error)
{
	struct install *i = arg;
	CLEAN_FREE char *live = mem_printf("%s/db", i->data_dir);
	CLEAN_FREE char *fresh = mem_printf("%s/db", i->dir);

	if (!i->replace && has_tables(i->data_dir))
		return error_set(error, ERR_CONFLICT, "the store is in use already");
	if (access(live, F_OK) == 0) {
		char hex[9];

		token_hex(hex, 8);
		i->old = mem_printf("%s/db.old-%lld-%s", i->data_dir, (long long)(clock_now_ms() / 1000), hex);
		if (rename(live, i->old) != 0)
			return error_errno(error, ERR_IO, "moving db aside");
	}
	if (rename(fresh, live) != 0) {
		enum err err = error_errno(error, ERR_IO, "putting db in place");

		if (i->old != NULL)
			(void)rename(i->old, live);
		return err;
	}
	return fs_sync_dir(AT_FDCWD, i->data_dir, error);
}

enum err copy_install(struct gate *gate, const struct env *env, const char *data_dir, const char *dir,
    bool replace, char **ret_old, struct error *error)
{
	struct install i = {.data_dir = data_dir, .dir = dir, .replace = replace};
	enum err err = store_alone(gate, env, swap, &i, error);

	if (err == ERR_OK && ret_old != NULL)
		*ret_old = i.old;
	else
		free(i.old);
	return err;
}
