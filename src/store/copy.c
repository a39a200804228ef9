/* Private copies of the store: recovered, read, verified, installed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"
#include "store/tables.h"
#include "store/whole.h"

#define BATCH 500

enum err copy_scratch(const char *data_dir, const char *what, char **ret, struct error *error)
{
	CLEAN_FREE char *path = NULL;
	char hex[17];
	enum err err;

	token_hex(hex, 16);
	path = mem_printf("%s/%s.%s", data_dir, what, hex);
	err = fs_mkdirs(AT_FDCWD, path, error);
	if (err != ERR_OK) {
		copy_remove(path);
		return err;
	}
	*ret = path;
	path = NULL;
	return ERR_OK;
}

void copy_remove(const char *dir)
{
	if (dir != NULL)
		(void)fs_remove_tree(AT_FDCWD, dir, NULL);
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
		err = format_check(env, true, error);
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
		enum err err;
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
		/* What the host is short of says nothing about the table. */
		err = err_of_errno(rc, ERR_STORE);
		if (err == ERR_NO_SPACE || err == ERR_SHORT)
			return error_set(error, err, "verify of %s: %s", table_name(t),
					 db_strerror(rc));
		findings++;
		if (out != NULL)
			(void)fprintf(out, "table %s: damaged (%s), restore needed\n",
				      table_name(t), db_strerror(rc));
	}
	*ret_findings += findings;
	return ERR_OK;
}

/* ---- reading all of a table */

struct item {
	size_t key_len;
	size_t len;
	unsigned char *bytes; /* key, value */
};

struct batch {
	enum table table;
	struct item *items; /* BATCH */
	size_t n;
	unsigned char *last; /* where to go on: the last key and a NUL */
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
				err = fn(item->bytes, item->key_len, item->bytes + item->key_len,
					 item->len, arg);
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

enum err copy_unused(int backup_fd, struct error *error)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = BACKUP_USED, .l_len = 1};

	if (fcntl(backup_fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
		return ERR_OK;
	return error_set(error, ERR_CONFLICT,
			 "Slipway is running here: stop it first (process %lld)",
			 (long long)lock.l_pid);
}

char *copy_stamp(const char *data_dir)
{
	CLEAN_FREE char *path = mem_printf("%s/db/log", data_dir);
	DIR *dir = opendir(path);
	struct stat st, last = {0};
	bool any = false;
	char name[32];

	while (whole_next_log(dir, name, &st)) {
		if (!any || st.st_mtim.tv_sec > last.st_mtim.tv_sec ||
		    (st.st_mtim.tv_sec == last.st_mtim.tv_sec &&
		     st.st_mtim.tv_nsec > last.st_mtim.tv_nsec))
			last = st;
		any = true;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return any ? mem_printf("%llu %lld.%09ld", (unsigned long long)last.st_ino,
				(long long)last.st_mtim.tv_sec, last.st_mtim.tv_nsec)
		   : NULL;
}

static bool has_tables(const char *data_dir)
{
	for (enum table t = 0; t < TABLE__MAX; t++) {
		CLEAN_FREE char *path = mem_printf("%s/db/data/%s.db", data_dir, table_name(t));

		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static enum err set_mark(const struct install *i, struct error *error)
{
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, i->data_dir);

	return i->mark == NULL ? ERR_OK : fs_replace(dir, i->mark, "", 0, error);
}

static void drop_mark(const struct install *i)
{
	CLEAN_FREE char *path = mem_printf("%s/%s", i->data_dir, i->mark != NULL ? i->mark : "");

	if (i->mark != NULL)
		(void)unlink(path);
}

static enum err swap(void *arg, struct error *error)
{
	struct install *i = arg;
	CLEAN_FREE char *live = mem_printf("%s/db", i->data_dir);
	CLEAN_FREE char *fresh = mem_printf("%s/db", i->dir);
	CLEAN_FREE char *now = NULL;
	enum err err;

	if (!i->replace && has_tables(i->data_dir))
		return error_set(error, ERR_CONFLICT, "the store is in use already");
	now = i->stamp != NULL ? copy_stamp(i->data_dir) : NULL;
	if (i->stamp != NULL && (now == NULL || strcmp(now, i->stamp) != 0))
		return error_set(
		    error, ERR_CONFLICT,
		    "somebody has written to the store meanwhile: nothing was changed");
	err = set_mark(i, error);
	/*
	 * Whoever comes from here on finds the mark; who came before would go on with the old site.
	 */
	if (err == ERR_OK)
		err = copy_unused(i->backup_fd, error);
	if (err != ERR_OK) {
		drop_mark(i);
		return err;
	}
	if (access(live, F_OK) == 0) {
		char hex[9];

		token_hex(hex, 8);
		i->old = mem_printf("%s/db.old-%lld-%s", i->data_dir,
				    (long long)(clock_now_ms() / 1000), hex);
		if (rename(live, i->old) != 0) {
			err = error_errno(error, ERR_IO, "moving db aside");
			drop_mark(i);
			return err;
		}
	}
	if (rename(fresh, live) != 0) {
		err = error_errno(error, ERR_IO, "putting db in place");
		if (i->old == NULL || rename(i->old, live) == 0)
			drop_mark(i);
		return err;
	}
	return fs_sync_dir(AT_FDCWD, i->data_dir, error);
}

enum err copy_install(struct gate *gate, const struct env *env, struct install *i,
		      struct error *error)
{
	return store_alone(gate, env, swap, i, error);
}
