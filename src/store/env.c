#include "store/env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/gate.h"
#include "store/spare.h"
#include "store/whole.h"

#define CACHE_BYTES	 (2U << 20)
#define LOG_BUFFER_BYTES (64U << 10)
#define LOG_REGION_BYTES                                                                           \
	(512U << 10) /* names of open tables: killed processes leave theirs behind */
#define N_LOCKS	   20000
#define N_LOCKERS  2000
#define PAGE_BYTES 4096
#define DATA_NAME  "data"

#define OPEN_FLAGS (DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_MPOOL)

/* ---- what the numbers mean */

enum env_class env_classify(int ret)
{
	switch (ret) {
	case 0:
	case DB_NOTFOUND:
	case DB_KEYEXIST:
	case DB_KEYEMPTY:
	case DB_BUFFER_SMALL:
		return ENV_FINE;
	case DB_LOCK_DEADLOCK:
	case DB_LOCK_NOTGRANTED:
		return ENV_CONFLICT;
	default:
		return ENV_FATAL;
	}
}

enum err env_error(const struct env *env, int ret, const char *what, struct error *error)
{
	bool damaged =
	    strstr(env->last, "checksum") != NULL || strstr(env->last, "catastrophic") != NULL;
	enum err err;

	switch (ret) {
	case DB_NOTFOUND:
	case DB_KEYEMPTY:
		err = ERR_NOT_FOUND;
		break;
	case DB_KEYEXIST:
		err = ERR_CONFLICT;
		break;
	case DB_LOCK_DEADLOCK:
	case DB_LOCK_NOTGRANTED:
		err = ERR_BUSY;
		break;
	case EIO:
		err = ERR_IO;
		break;
	case DB_RUNRECOVERY:
		err = damaged ? ERR_STORE : ERR_BUSY;
		break;
	default:
		err = err_of_errno(ret, ERR_STORE);
	}
	return error_set(error, err, "%s: %s (%d)%s%s%s", what, db_strerror(ret), ret,
			 damaged ? ", restore needed" : "", env->last[0] != '\0' ? ": " : "",
			 env->last);
}

static void on_message(const DB_ENV *dbenv, const char *prefix, const char *text)
{
	struct env *env = dbenv->app_private;

	(void)prefix;
	if (env->ending)
		return;
	/* A checksum error is followed by lines that only say "panic": the first tells more. */
	if (strstr(env->last, "checksum") == NULL &&
	    (env->last[0] == '\0' || strstr(text, "unable to join") == NULL))
		(void)snprintf(env->last, sizeof(env->last), "%s", text);
}

static void on_chatter(const DB_ENV *dbenv, const char *text)
{
	(void)dbenv;
	(void)text;
}

/* ---- opening */

/*
 * A handle with the settings of store.md 3.  The log directory is an absolute path, so the regions
 * may vanish at any time.  The data directory is the name "data" in the environment's home, a link
 * where that is the regions' place: Berkeley DB writes it into the log, and with an absolute one
 * the recovery of a copy would make files in the original.
 */
static int configure(struct env *env, const char *base, bool region_init)
{
	CLEAN_FREE char *logs = mem_printf("%s/db/log", base);
	DB_ENV *e;
	int rc;

	spare_init();
	spare_lend();
	rc = db_env_create(&e, 0);
	if (rc != 0)
		return rc;
	memset(env->tables, 0, sizeof(env->tables));
	env->base = base;
	env->dbenv = e;
	env->ending = false;
	env->last[0] = '\0';
	e->app_private = env;
	e->set_errcall(e, on_message);
	e->set_msgcall(e, on_chatter);
	if ((rc = e->set_cachesize(e, 0, CACHE_BYTES, 1)) != 0 ||
	    (rc = e->set_lg_max(e, ENV_LOG_BYTES)) != 0 ||
	    (rc = e->set_lg_bsize(e, LOG_BUFFER_BYTES)) != 0 ||
	    (rc = e->set_lg_regionmax(e, LOG_REGION_BYTES)) != 0 ||
	    (rc = e->set_lk_max_locks(e, N_LOCKS)) != 0 ||
	    (rc = e->set_lk_max_objects(e, N_LOCKS)) != 0 ||
	    (rc = e->set_lk_max_lockers(e, N_LOCKERS)) != 0 || (rc = e->set_lg_dir(e, logs)) != 0 ||
	    (rc = e->add_data_dir(e, DATA_NAME)) != 0 ||
	    (rc = e->set_create_dir(e, DATA_NAME)) != 0 ||
	    /*
	     * Written in full when it is made, a log file has its length: a flush is of data alone.
	     */
	    (rc = e->log_set_config(e, DB_LOG_AUTO_REMOVE | DB_LOG_ZERO, 1)) != 0)
		return rc;
	if (region_init)
		rc = e->set_flags(e, DB_REGION_INIT, 1);
	return rc;
}

static void forget_harm(struct env *env)
{
	memset(env->broken, 0, sizeof(env->broken));
	memset(env->lost, 0, sizeof(env->lost));
}

/* After a failed open the handle can only be closed. */
static enum err open_failed(struct env *env, int rc, const char *what, struct error *error)
{
	enum err err = env_error(env, rc, what, error);

	/* Whatever the number: the caller is told that the store cannot work, not that a record is
	 * missing. */
	if (err == ERR_NOT_FOUND || err == ERR_CONFLICT)
		err = ERR_STORE;
	if (env->dbenv != NULL)
		env_drop(env);
	return err;
}

/* A store that is too new is left as good as it was: no panic flag for those who can read it. */
static enum err accept_format(struct env *env, bool create, struct error *error)
{
	enum err err = format_check(env, create, error);

	if (err == ERR_VERSION)
		(void)env_close(env);
	else if (err != ERR_OK)
		env_drop(env);
	return err;
}

enum err env_join(struct env *env, const struct place *place, struct error *error)
{
	int rc;

	forget_harm(env);
	rc = configure(env, place->data_dir, place->region_init);
	gate_step();
	if (rc == 0)
		rc = env->dbenv->open(env->dbenv, place->regions, OPEN_FLAGS, 0600);
	gate_step();
	if (rc != 0)
		return open_failed(env, rc, "joining the environment", error);
	return accept_format(env, false, error);
}

/* Nobody is inside and every stale handle is known by its epoch: the old regions need not even be
 * looked at. */
static void remove_regions(const char *dir)
{
	char path[PATH_MAX];

	for (int i = 1; i < 10; i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/__db.%03d", dir, i) < sizeof(path))
			(void)unlink(path);
	}
}

/* <regions>/data leads to <data_dir>/db/data. */
static enum err link_data(const struct place *place, struct error *error)
{
	CLEAN_FREE char *data = mem_printf("%s/db/data", place->data_dir);
	CLEAN_FREE char *path = mem_printf("%s/" DATA_NAME, place->regions);
	char now[PATH_MAX];
	ssize_t n = readlink(path, now, sizeof(now));

	if (n == (ssize_t)strlen(data) && memcmp(now, data, (size_t)n) == 0)
		return ERR_OK;
	(void)unlink(path);
	if (symlink(data, path) != 0)
		return error_errno(error, ERR_STORE, "regions: %s", path);
	return ERR_OK;
}

/* What was written without flushing before the crash has been replayed from it: make it last. */
static enum err sync_logs(const char *data_dir, struct error *error)
{
	CLEAN_FREE char *path = mem_printf("%s/db/log", data_dir);
	DIR *dir = opendir(path);
	enum err err = ERR_OK;
	struct stat st;
	char name[32];

	if (dir == NULL)
		return error_errno(error, ERR_STORE, "db/log");
	while (err == ERR_OK && whole_next_log(dir, name, &st)) {
		CLEAN_FD int fd = -1;

		fd = openat(dirfd(dir), name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || fdatasync(fd) != 0)
			err = error_errno(error, ERR_IO, "db/log/%s", name);
	}
	if (err == ERR_OK && fsync(dirfd(dir)) != 0)
		err = error_errno(error, ERR_IO, "db/log");
	(void)closedir(dir);
	return err;
}

/* Open every table, making it where missing.  *RET_BAD: the one that panicked the environment. */
static int open_tables(struct env *env, enum table *ret_bad)
{
	for (enum table t = 0; t < TABLE__MAX; t++) {
		DB *db;
		int rc;

		if (env->broken[t])
			continue;
		rc = env_table(env, t, ENV_CREATE, &db);
		gate_step();
		if (rc == 0 || env->lost[t])
			continue;
		*ret_bad = t;
		return rc;
	}
	return 0;
}

/* One attempt; a table that cannot be opened is noted in env->broken and asks for another
 * (*RET_AGAIN). */
static enum err recover_once(struct env *env, const struct place *place, bool *ret_again,
			     struct error *error)
{
	enum table bad = TABLE__MAX;
	enum err err;
	int rc;

	*ret_again = false;
	remove_regions(place->regions);
	gate_step();
	rc = configure(env, place->data_dir, place->region_init);
	if (rc == 0)
		rc = env->dbenv->open(env->dbenv, place->regions,
				      OPEN_FLAGS | DB_CREATE | DB_RECOVER, 0600);
	gate_step();
	if (rc != 0) {
		bool full = rc == ENOSPC || rc == EDQUOT;

		/* Berkeley DB does not say which file it could not read. */
		err = full ? ERR_OK : whole_check_damaged(place->data_dir, error);
		if (err == ERR_OK && rc == DB_RUNRECOVERY &&
		    strstr(env->last, strerror(ENOENT)) != NULL)
			err = error_set(
			    error, ERR_STORE,
			    "a file of db/log is missing, restore needed: slipway restore BACKUP "
			    "--replace");
		if (err == ERR_OK)
			return open_failed(env, rc, "recovery", error);
		(void)open_failed(env, rc, "recovery", NULL);
		return err;
	}
	rc = open_tables(env, &bad);
	if (rc == ENOSPC || rc == EDQUOT || rc == EMFILE || rc == ENFILE || rc == ENOMEM)
		return open_failed(env, rc, "opening tables", error);
	if (rc != 0) {
		/* One damaged file must not take the others with it. */
		env_drop(env);
		env->broken[bad] = true;
		*ret_again = true;
		return ERR_OK;
	}
	err = accept_format(env, true, error);
	gate_step();
	if (err == ERR_OK || err == ERR_VERSION) {
		enum err synced = sync_logs(place->data_dir, error);

		if (synced == ERR_OK && err == ERR_OK)
			synced = whole_note(place->data_dir, error);
		if (synced != ERR_OK) {
			env_drop(env);
			err = synced;
		}
	}
	gate_step();
	return err;
}

enum err env_recover(struct env *env, const struct place *place, struct error *error)
{
	CLEAN_FREE char *logs = mem_printf("%s/db/log", place->data_dir);
	CLEAN_FREE char *data = mem_printf("%s/db/data", place->data_dir);
	bool again = true;
	enum err err = ERR_OK;

	forget_harm(env);
	if (access(logs, F_OK) != 0)
		err = fs_mkdirs(AT_FDCWD, logs, error);
	if (err == ERR_OK && access(data, F_OK) != 0)
		err = fs_mkdirs(AT_FDCWD, data, error);
	if (err == ERR_OK && whole_without_logs(place->data_dir))
		err = error_set(
		    error, ERR_STORE,
		    "db/log is empty, what was committed last is missing: restore needed: "
		    "slipway restore BACKUP --replace");
	if (err == ERR_OK)
		err = link_data(place, error);
	for (int i = 0; err == ERR_OK && again && i <= TABLE__MAX; i++)
		err = recover_once(env, place, &again, error);
	return err;
}

enum err env_open_copy(struct env *env, const char *dir, bool recover, struct error *error)
{
	CLEAN_FREE char *home = mem_printf("%s/db", dir);
	u_int32_t flags = OPEN_FLAGS | DB_CREATE | DB_PRIVATE | (recover ? DB_RECOVER_FATAL : 0);
	int rc;

	forget_harm(env);
	rc = configure(env, dir, false);
	if (rc == 0)
		rc = env->dbenv->open(env->dbenv, home, flags, 0600);
	if (rc != 0)
		return open_failed(env, rc, "opening the copy", error);
	return ERR_OK;
}

/* ---- closing */

static void drop_reader(struct env *env)
{
	json_reader_free(env->reader);
	env->reader = NULL;
}

void env_drop(struct env *env)
{
	drop_reader(env);
	if (env->dbenv == NULL)
		return;
	env->ending = true;
	/* Without this flag closing would wait on the mutexes of a dead region. */
	(void)env->dbenv->set_flags(env->dbenv, DB_PANIC_ENVIRONMENT, 1);
	gate_step();
	for (enum table t = 0; t < TABLE__MAX; t++) {
		if (env->tables[t] != NULL)
			(void)env->tables[t]->close(env->tables[t], DB_NOSYNC);
		env->tables[t] = NULL;
	}
	(void)env->dbenv->close(env->dbenv, 0);
	env->dbenv = NULL;
	gate_step();
}

int env_close(struct env *env)
{
	int rc = 0;

	drop_reader(env);
	if (env->dbenv == NULL)
		return 0;
	/* DB_NOSYNC: what is not on disk yet stays in the shared cache, and in the log. */
	for (enum table t = 0; t < TABLE__MAX; t++) {
		int one =
		    env->tables[t] != NULL ? env->tables[t]->close(env->tables[t], DB_NOSYNC) : 0;

		env->tables[t] = NULL;
		if (rc == 0)
			rc = one;
	}
	gate_step();
	int one = env->dbenv->close(env->dbenv, 0);
	env->dbenv = NULL;
	return rc != 0 ? rc : one;
}

/* ---- tables */

/* In a transaction of its own. */
static int open_table(struct env *env, enum table table, u_int32_t flags, DB **ret)
{
	DB_ENV *e = env->dbenv;
	char name[64];
	DB_TXN *txn;
	DB *db;
	int rc;

	(void)snprintf(name, sizeof(name), "%s.db", table_name(table));
	rc = e->txn_begin(e, NULL, &txn, DB_TXN_NOWAIT | DB_TXN_WRITE_NOSYNC);
	if (rc != 0)
		return rc;
	rc = db_create(&db, e, 0);
	if (rc != 0) {
		(void)txn->abort(txn);
		return rc;
	}
	if ((rc = db->set_pagesize(db, PAGE_BYTES)) == 0 &&
	    (rc = db->set_flags(db, DB_CHKSUM)) == 0)
		rc = db->open(db, txn, name, NULL, DB_BTREE, flags, 0600);
	if (rc != 0) {
		(void)db->close(db, DB_NOSYNC);
		(void)txn->abort(txn);
		return rc;
	}
	rc = txn->commit(txn, 0);
	if (rc != 0)
		(void)db->close(db, DB_NOSYNC);
	else
		*ret = db;
	return rc;
}

int env_table(struct env *env, enum table table, enum env_access access, DB **ret)
{
	DB *db;
	int rc;

	if (env->tables[table] != NULL && (access == ENV_READ || !env->read_only[table])) {
		*ret = env->tables[table];
		return 0;
	}
	if (env->tables[table] != NULL) {
		rc = env->tables[table]->close(env->tables[table], DB_NOSYNC);
		env->tables[table] = NULL;
		if (rc != 0)
			return rc;
	}
	if (env->broken[table]) {
		(void)snprintf(env->last, sizeof(env->last), "checksum: table %s cannot be opened",
			       table_name(table));
		return EINVAL;
	}
	if (env->lost[table])
		return ENOENT;
	rc = open_table(env, table, access == ENV_READ ? DB_RDONLY : 0, &db);
	if (rc == ENOENT) {
		env->lost[table] = whole_lost(env->base, table);
		/* A new store, or one made by an older program, has none yet. */
		if (!env->lost[table])
			rc = open_table(env, table, DB_CREATE, &db);
	}
	if (rc != 0)
		return rc;
	env->tables[table] = db;
	env->read_only[table] = access == ENV_READ;
	*ret = db;
	return 0;
}
