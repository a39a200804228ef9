/*
 * One flush of the log for several passes.  A pass of the kind PASS_SYNC_SHARED commits inside the
 * gate, which writes its log records to the file, and leaves; what then takes the disk's time
 * stands here, outside, so that others pass the gate meanwhile and one fdatasync serves all who
 * wait.  No call of Berkeley DB: it flushes a log file itself before it begins the next, so the
 * file that was the last one at the commit is the only one left to flush.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/inside.h"

void flush_init(struct flush *f)
{
	(void)pthread_mutex_init(&f->mutex, NULL);
	(void)pthread_cond_init(&f->ended, NULL);
}

void flush_done(struct flush *f)
{
	(void)pthread_cond_destroy(&f->ended);
	(void)pthread_mutex_destroy(&f->mutex);
}

int flush_note(struct store *s, uint64_t *ret)
{
	struct flush *f = &s->flush;
	DB_LOG_STAT *stat = NULL;
	int rc = s->env.dbenv->log_stat(s->env.dbenv, &stat, 0);

	if (rc != 0)
		return rc;
	(void)pthread_mutex_lock(&f->mutex);
	f->file = stat->st_cur_file;
	*ret = ++f->committed;
	(void)pthread_mutex_unlock(&f->mutex);
	free(stat);
	return 0;
}

static bool flush_file(const struct store *s, unsigned number)
{
	char name[64];
	CLEAN_FD int fd = -1;

	/* Opened each time: a restore may have put another file in its place. */
	(void)snprintf(name, sizeof(name), "db/log/log.%010u", number);
	fd = openat(s->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	/* Removed: a checkpoint behind it is on disk, and so is all it held. */
	return fd < 0 ? errno == ENOENT : fdatasync(fd) == 0;
}

enum err flush_wait(struct store *s, uint64_t mine, struct error *error)
{
	struct flush *f = &s->flush;
	enum err err = ERR_OK;

	(void)pthread_mutex_lock(&f->mutex);
	while (err == ERR_OK && (f->flushed < mine || mine <= f->failed)) {
		uint64_t upto = f->committed;
		unsigned file = f->file;
		bool good;

		if (mine <= f->failed) {
			err = error_set(error, ERR_BUSY, "the log cannot be flushed");
		} else if (f->running) {
			(void)pthread_cond_wait(&f->ended, &f->mutex);
		} else {
			f->running = true;
			(void)pthread_mutex_unlock(&f->mutex);
			good = flush_file(s, file);
			(void)pthread_mutex_lock(&f->mutex);
			f->running = false;
			*(good ? &f->flushed : &f->failed) = upto;
			(void)pthread_cond_broadcast(&f->ended);
		}
	}
	(void)pthread_mutex_unlock(&f->mutex);
	return err;
}
