#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/spare.h"
#include "store/tables.h"
#include "store/whole.h"

#define CHECKPOINT_KIB 1024
#define CHECKPOINT_MIN 5
#define COMMITS_MOST   16   /* between two looks whether one is due: each reads the log's end */
#define CLOSE_WAIT_MS  2000 /* what the last pass may wait: a server kills soon after SIGTERM */

/* ---- open and close */

static enum err check_library(struct error *error)
{
	int major, minor, patch;

	(void)db_version(&major, &minor, &patch);
	if (major != DB_VERSION_MAJOR || minor != DB_VERSION_MINOR)
		return error_set(error, ERR_STORE,
				 "Berkeley DB %d.%d is loaded, compiled with %d.%d", major, minor,
				 DB_VERSION_MAJOR, DB_VERSION_MINOR);
	return ERR_OK;
}

enum err store_has_room(const struct store *store, struct error *error)
{
	return room_check(store, PASS_SYNC, error);
}

const char *store_library(void)
{
	return db_version(NULL, NULL, NULL);
}

static enum err open_files(struct store *s, struct error *error)
{
	const struct config *config = s->config;
	enum err err;

	if (mkdirat(s->dir, "locks", 0700) != 0 && errno != EEXIST)
		return error_errno(error, ERR_STORE, "data_dir: locks");
	s->backup_fd = openat(s->dir, "backup", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->backup_fd < 0)
		return error_errno(error, ERR_STORE, "data_dir: backup");
	/* Only restore looks whether it is there. */
	(void)copy_lock(s, F_RDLCK, BACKUP_USED, NULL);
	err = place_selftest(&s->place, s->dir, error);
	if (err != ERR_OK)
		return err;
	(void)room_make_ballast(s);
	return gate_init(&s->gate, s->dir, (int)config->store_wait_ms, (int)config->store_hold_s,
			 error);
}

enum err store_open(const struct config *config, bool keep, struct store **ret, struct error *error)
{
	struct store *s = mem_alloc(sizeof(*s));
	enum err err = check_library(error);

	s->config = config;
	s->keep = keep;
	s->dir = -1;
	s->backup_fd = -1;
	flush_init(&s->flush);
	s->memo = keep ? memo_new() : NULL;
	if (err == ERR_OK)
		err = place_open(config, &s->place, &s->dir, error);
	if (err == ERR_OK)
		err = open_files(s, error);
	if (err != ERR_OK) {
		if (s->backup_fd >= 0)
			(void)close(s->backup_fd);
		if (s->dir >= 0)
			(void)close(s->dir);
		place_done(&s->place);
		flush_done(&s->flush);
		memo_free(s->memo);
		free(s);
		return err;
	}
	*ret = s;
	return ERR_OK;
}

/* Inside: put away a handle that is stale or failed. */
static void drop(struct store *s)
{
	if (s->env.dbenv == NULL)
		return;
	env_drop(&s->env);
	if (++s->n_drops >= STORE_DROPS_MAX)
		atomic_store(&s->worn, true);
}

void store_close(struct store *s)
{
	bool clean = false;

	if (s == NULL)
		return;
	if (s->gate.wait_ms > CLOSE_WAIT_MS)
		s->gate.wait_ms = CLOSE_WAIT_MS;
	/* When the gate cannot be had the handle is left to the end of the process: nothing is lost
	 * by that. */
	if (s->env.dbenv != NULL && gate_enter(&s->gate, true, NULL) == ERR_OK) {
		if (gate_judge(&s->gate, s->place.regions, true) == GATE_CLEAN &&
		    !s->gate.replaced && s->env.epoch == s->gate.header.epoch &&
		    gate_mark(&s->gate, NULL) == ERR_OK)
			clean = env_close(&s->env) == 0;
		else
			drop(s);
		(void)gate_leave(&s->gate, clean);
	}
	gate_done(&s->gate);
	(void)close(s->backup_fd);
	(void)close(s->dir);
	place_done(&s->place);
	flush_done(&s->flush);
	memo_free(s->memo);
	free(s);
}

bool store_worn_out(const struct store *s)
{
	return atomic_load(&s->worn);
}

void store_stop(void)
{
	gate_stop();
}

/* ---- the environment at the beginning of a pass */

/* Another process recovered at another place, with nothing broken: two private /tmp or /dev/shm,
 * say. */
static void tell_if_regions_differ(struct store *s, const struct gate_header *h)
{
	if (s->told_differ || s->env.dbenv == NULL || !gate_header_ok(h) || h->dirty != 0 ||
	    h->epoch <= s->env.epoch || access(s->place.regions, F_OK) != 0)
		return;
	s->told_differ = true;
	log_line(LOG_LEVEL_WARN, NULL, "store: regions differ between processes (here %s)",
		 s->place.regions);
}

static enum err recover(struct store *s, struct error *error)
{
	uint64_t old_epoch = s->env.epoch;
	struct error cut = {0};
	bool changed;
	enum err err;

	tell_if_regions_differ(s, &s->gate.header);
	drop(s);
	err = restore_check(s, false, error);
	if (err == ERR_OK)
		err = place_regions(&s->place, s->config, &changed, error);
	if (err == ERR_OK)
		err = place_no_db_config(&s->place, error);
	if (err == ERR_OK)
		err = room_for_recovery(s, error);
	if (err != ERR_OK)
		return err;
	if (whole_check_logs(s->place.data_dir, &cut) != ERR_OK)
		log_line(LOG_LEVEL_ERROR, NULL, "store: %s", cut.text);
	gate_hold(&s->gate, GATE_RECOVERY_HOLD_S);
	err = gate_mark_recovery(&s->gate, old_epoch, error);
	gate_step();
	if (err == ERR_OK)
		err = env_recover(&s->env, &s->place, error);
	if (err == ERR_OK || err == ERR_VERSION) {
		enum err noted = gate_note_regions(&s->gate, s->place.regions, error);

		if (noted != ERR_OK) {
			drop(s);
			err = noted;
		}
	}
	s->env.epoch = s->gate.header.epoch;
	gate_hold(&s->gate, s->gate.hold_s);
	(void)atomic_fetch_add(&s->n_recoveries, 1);
	if (err != ERR_OK)
		atomic_store(&s->worn, true);
	return err;
}

/*
 * Get a handle of the present epoch, with dirty = 1.  *RET_CLEAN: on error the environment is fine
 * all the same (or was not touched).  *RET_AGAIN: a join failed; the next attempt recovers.
 */
static enum err make_ready(struct store *s, bool *ret_clean, bool *ret_again, struct error *error)
{
	enum gate_verdict verdict = gate_judge(&s->gate, s->place.regions, s->env.dbenv != NULL);
	enum err err;

	*ret_clean = false;
	*ret_again = false;
	if (verdict == GATE_NEWER)
		return error_set(error, ERR_STORE, "gate: the file belongs to a newer program");
	if (s->gate.replaced)
		drop(s);
	s->gate.replaced = false;
	if (verdict == GATE_RECOVER) {
		err = recover(s, error);
	} else if (s->env.dbenv != NULL && s->env.epoch == s->gate.header.epoch) {
		return gate_mark(&s->gate, error);
	} else {
		drop(s);
		err = place_no_db_config(&s->place, error);
		if (err == ERR_OK)
			err = gate_mark(&s->gate, error);
		if (err != ERR_OK)
			return err;
		gate_step();
		err = env_join(&s->env, &s->place, error);
		s->env.epoch = s->gate.header.epoch;
		*ret_again = err != ERR_OK && err != ERR_VERSION;
	}
	if (err == ERR_VERSION) {
		*ret_clean = true;
		err = ERR_STORE;
	}
	return err;
}

/* ---- one pass */

enum err pass_took(struct pass *p, int ret, const char *what)
{
	enum env_class class = env_classify(ret);
	enum err err;

	if (ret == 0)
		return ERR_OK;
	err = env_error(p->env, ret, what, class == ENV_FINE ? NULL : p->error);
	if (class > p->worst) {
		p->worst = class;
		p->bad = err;
		p->number = ret;
	}
	return err;
}

bool store_backup_runs(const struct store *s)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = BACKUP_LOGS, .l_len = 1};

	return s->backing_up ||
	       (fcntl(s->backup_fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK);
}

bool store_keeps_files(const struct store *s)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = BACKUP_FILES, .l_len = 1};

	return fcntl(s->backup_fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* What a failed call of Berkeley DB means for the whole process. */
static void take_consequences(struct store *s, int number)
{
	if (number == ENOSPC || number == EDQUOT)
		store_make_room(s);
	if (number == EMFILE || number == ENFILE || number == ENOMEM)
		atomic_store(&s->worn, true);
}

/* A process of one request looks each time; of the others, everybody counts for himself. */
static bool checkpoint_looked_for(struct store *s)
{
	if (s->keep && ++s->n_unlooked < COMMITS_MOST)
		return false;
	s->n_unlooked = 0;
	return !store_backup_runs(s);
}

static u_int32_t txn_flags(const struct store *s, enum pass_kind kind)
{
	switch (kind) {
	case PASS_READ:
	case PASS_RECALL:
		return DB_TXN_NOWAIT;
	case PASS_SYNC_SHARED:
	case PASS_WRITE_NOSYNC:
		return DB_TXN_NOWAIT | DB_TXN_WRITE_NOSYNC;
	case PASS_SYNC:
	case PASS_DELETE:
		break;
	}
	return DB_TXN_NOWAIT |
	       (s->config->upload_sync == UPLOAD_SYNC_NONE ? DB_TXN_WRITE_NOSYNC : DB_TXN_SYNC);
}

/*
 * *RET_CLEAN: the environment is good.  *RET_AGAIN: aborted for a lock conflict or for full
 * regions, worth another try.
 */
static enum err run_txn(struct pass *p, pass_fn *fn, void *arg, bool *ret_clean, bool *ret_again)
{
	struct store *s = p->store;
	DB_ENV *e = p->env->dbenv;
	enum err err;
	int rc = e->txn_begin(e, NULL, &p->txn, txn_flags(s, p->kind));

	*ret_clean = false;
	*ret_again = false;
	if (rc != 0) {
		*ret_again = rc == ENOMEM;
		return pass_took(p, rc, "begin");
	}
	gate_step();
	err = fn(p, arg);
	gate_step();
	if (p->worst == ENV_FATAL) {
		/* What processes killed outside have left in the regions fills them in the end: a
		 * recovery makes new ones. */
		*ret_again = p->number == ENOMEM;
		return p->bad; /* abort nothing: the handle is dropped */
	}
	if (p->worst == ENV_CONFLICT || err != ERR_OK) {
		*ret_again = p->worst == ENV_CONFLICT;
		*ret_clean = p->txn->abort(p->txn) == 0;
		return err != ERR_OK ? err : p->bad;
	}
	rc = p->txn->commit(p->txn, 0);
	gate_step();
	if (rc != 0) {
		/* It may be on disk or not: the caller repeats, and nonces, rev and keys make that
		 * harmless. */
		err = pass_took(p, rc, "commit, outcome unknown");
		return err == ERR_NO_SPACE ? err : ERR_BUSY;
	}
	if (p->kind == PASS_SYNC_SHARED && s->config->upload_sync != UPLOAD_SYNC_NONE)
		rc = flush_note(s, &p->to_flush);
	if (rc != 0)
		return pass_took(p, rc, "log_stat");
	/* From here on the caller's work is done, whatever the checkpoint says. */
	if (pass_writes(p->kind) && checkpoint_looked_for(s))
		rc = e->txn_checkpoint(e, CHECKPOINT_KIB, CHECKPOINT_MIN, 0);
	if (rc != 0)
		take_consequences(s, rc);
	*ret_clean = rc == 0;
	return ERR_OK;
}

/* What was not flushed may be gone from the log: whoever comes next recovers. */
static void distrust(struct store *s)
{
	if (gate_enter(&s->gate, false, NULL) != ERR_OK)
		return;
	if (gate_judge(&s->gate, s->place.regions, true) == GATE_CLEAN)
		(void)gate_mark(&s->gate, NULL);
	(void)gate_leave(&s->gate, false);
}

static enum err pass_once(struct store *s, enum pass_kind kind, pass_fn *fn, void *arg, bool first,
			  bool *ret_again, int64_t *ret_held_ms, struct error *error)
{
	struct pass pass = {.store = s, .env = &s->env, .kind = kind, .error = error};
	bool clean;
	enum err err = spare_fill(error);
	int64_t in_ms;

	*ret_again = false;
	*ret_held_ms = 0;
	if (err == ERR_OK)
		err = gate_enter(&s->gate, false, error);
	if (err != ERR_OK)
		return err;
	in_ms = clock_mono_ms();
	s->env.last[0] = '\0';
	err = make_ready(s, &clean, ret_again, error);
	if (err == ERR_OK) {
		err = run_txn(&pass, fn, arg, &clean, ret_again);
		/* A second conflict is our bug: let a recovery have a look. */
		if (*ret_again && !first)
			clean = false;
		if (!clean) {
			if (!*ret_again || !first)
				take_consequences(s, pass.number);
			drop(s);
		}
	} else if (err == ERR_NO_SPACE) {
		store_make_room(s);
	}
	*ret_held_ms = clock_mono_ms() - in_ms;
	if (!gate_leave(&s->gate, clean))
		atomic_store(&s->worn, true);
	if (err != ERR_OK || pass.to_flush == 0)
		return err;
	err = flush_wait(s, pass.to_flush, error);
	if (err != ERR_OK)
		distrust(s);
	return err;
}

/*
 * Without entering the gate, on what is remembered.  False: that was not enough, or no longer true,
 * and *RET means nothing.
 */
static bool recalled(struct store *s, pass_fn *fn, void *arg, enum err *ret, struct error *error)
{
	struct recall recall = {.memo = s->memo, .gate = &s->gate};
	struct pass pass = {
	    .store = s, .env = &s->env, .kind = PASS_RECALL, .recall = &recall, .error = error};

	*ret = fn(&pass, arg);
	return recall_end(&recall);
}

enum err store_pass(struct store *s, enum pass_kind kind, const char *name, pass_fn *fn, void *arg,
		    struct error *error)
{
	struct error inner = {0};
	int64_t held_ms = 0;
	bool again = false;
	enum err err = room_check(s, kind, error);

	if (err != ERR_OK)
		return err;
	if (kind == PASS_RECALL && s->memo != NULL && recalled(s, fn, arg, &err, &inner)) {
		(void)atomic_fetch_add(&s->n_recalls, 1);
	} else {
		inner = (struct error){0};
		(void)atomic_fetch_add(&s->n_passes, 1);
		err = pass_once(s, kind, fn, arg, true, &again, &held_ms, &inner);
	}
	if (again) {
		inner = (struct error){0};
		err = pass_once(s, kind, fn, arg, false, &again, &held_ms, &inner);
	}
	if (err != ERR_OK && inner.text[0] != '\0')
		(void)error_set(error, err, "pass %s: %s (held %lld ms)", name, inner.text,
				(long long)held_ms);
	return err;
}

enum err pass_on_copy(struct env *env, pass_fn *fn, void *arg, struct error *error)
{
	struct pass pass = {.env = env, .kind = PASS_WRITE_NOSYNC, .error = error};
	enum err err;
	int rc =
	    env->dbenv->txn_begin(env->dbenv, NULL, &pass.txn, DB_TXN_NOWAIT | DB_TXN_WRITE_NOSYNC);

	if (rc != 0)
		return pass_took(&pass, rc, "begin");
	err = fn(&pass, arg);
	if (err != ERR_OK || pass.worst != ENV_FINE) {
		(void)pass.txn->abort(pass.txn);
		return err != ERR_OK ? err : pass.bad;
	}
	return pass_took(&pass, pass.txn->commit(pass.txn, 0), "commit");
}

enum err store_alone(struct gate *gate, const struct env *env,
		     enum err (*fn)(void *arg, struct error *), void *arg, struct error *error)
{
	enum err err = gate_enter(gate, false, error);

	if (err != ERR_OK)
		return err;
	gate_hold(gate, GATE_RECOVERY_HOLD_S);
	if (gate_judge(gate, "", true) == GATE_NEWER)
		err = error_set(error, ERR_STORE, "gate: the file belongs to a newer program");
	if (err == ERR_OK)
		err = gate_mark_recovery(gate, env != NULL ? env->epoch : 0, error);
	if (err == ERR_OK)
		err = fn(arg, error);
	/* Dirty stays 1 whatever happened: the next pass of anybody recovers what is there then. */
	(void)gate_leave(gate, false);
	return err;
}
