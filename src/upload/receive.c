/*
 * How bytes reach the disk: written where they belong as they come, made durable every
 * upload.checkpoint bytes and before anything is answered (transports.md 1.6).
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#define DIRECT_BYTES (1 * MIB) /* a body from this size on */
#define BEGIN_BYTES  (8 * MIB) /* between two hints to the disk */

int64_t receive_room(const struct upload *u, enum err *ret_full)
{
	int64_t size = u->engine->config->upload_max_size - u->offset;
	/* The store counts what its record says of this upload; the rest comes on top. */
	int64_t quota = json_int(u->record, "offset", 0) + u->room.quota - u->offset;

	if (u->length >= 0) {
		*ret_full = ERR_EXCEEDED;
		return u->length - u->offset;
	}
	*ret_full = size <= quota ? ERR_TOO_LARGE : ERR_QUOTA;
	size = size <= quota ? size : quota;
	return size > 0 ? size : 0;
}

/*
 * Whole pages of a long body go to the disk from where they are.  By way of the page cache they
 * would push other files out of it, and cost several times the processor's time.  A file system
 * that cannot do it refuses the open or the first write.
 */
void receive_begin(struct upload *u, int64_t bytes)
{
	u->checkpoint = u->begun = u->offset;
	if (bytes >= DIRECT_BYTES && u->direct < 0)
		u->direct = openat(u->dir, "part", O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW);
}

static void direct_end(struct upload *u)
{
	if (u->direct >= 0)
		(void)close(u->direct);
	u->direct = -1;
}

static ssize_t put(struct upload *u, const unsigned char *p, size_t n)
{
	bool pages = (uintptr_t)p % MEM_PAGE == 0 && n % MEM_PAGE == 0 && u->offset % MEM_PAGE == 0;
	ssize_t w = -1;

	if (u->direct >= 0 && pages) {
		w = pwrite(u->direct, p, n, u->offset);
		if (w >= 0 || errno != EINVAL)
			return w;
		direct_end(u);
	}
	return pwrite(u->part, p, n, u->offset);
}

static enum err write_part(struct upload *u, const unsigned char *p, size_t n, struct error *error)
{
	while (n > 0) {
		ssize_t w = put(u, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return error_errno(error, ERR_IO, "write upload");
		if (u->run_bytes == u->offset)
			hash_feed(u, p, (size_t)w);
		u->offset += w;
		p += w;
		n -= (size_t)w;
	}
	return ERR_OK;
}

/*
 * The record's offset is a lower bound that quota and promised space are reckoned from, so in a
 * very long upload it follows now and then, without a flush.  Losing it costs nothing, so a failure
 * is nobody's trouble.
 */
static void note_offset(struct upload *u)
{
	int64_t before = json_int(u->record, "offset", 0);

	if (u->pending || u->durable - before < NOTE_BYTES)
		return;
	(void)json_set_int(u->record, "offset", u->durable);
	if (upload_store(u, PASS_WRITE_NOSYNC, "upload note", NULL) == ERR_OK)
		u->room.quota -= u->length < 0 ? u->durable - before : 0;
	else
		(void)json_set_int(u->record, "offset", before);
}

/*
 * The disk starts while bytes in the page cache still grow: the flush at the checkpoint then finds
 * little left to wait for.  Only a hint; its failure shows in that flush.
 */
static void begin_writing(struct upload *u)
{
	if (!u->engine->sync || u->direct >= 0 || u->offset - u->begun < BEGIN_BYTES)
		return;
	(void)sync_file_range(u->part, u->begun, u->offset - u->begun, SYNC_FILE_RANGE_WRITE);
	u->begun = u->offset;
}

static enum err checkpoint(struct upload *u, struct error *error)
{
	enum err e;

	if (u->offset - u->checkpoint < u->engine->config->upload_checkpoint)
		return ERR_OK;
	e = receive_sync(u, error);
	if (e != ERR_OK)
		return e;
	u->checkpoint = u->offset;
	note_offset(u);
	/*
	 * Others fill the disk too.  What this upload was promised is there; one without a length
	 * was promised nothing.
	 */
	return u->length < 0 ? admit_space(u->engine, 0, 1, u->room.promised, error) : ERR_OK;
}

enum err receive(struct upload *u, const void *bytes, size_t n, struct error *error)
{
	enum err full, e = ERR_OK;
	int64_t room = receive_room(u, &full);
	size_t take = (int64_t)n > room ? (size_t)room : n;

	if (take > 0 && u->pending)
		e = upload_place(u, (int64_t)take, error);
	if (e == ERR_OK && take > 0 && !u->marked)
		e = upload_mark(u, true, error);
	if (e == ERR_OK)
		e = write_part(u, bytes, take, error);
	if (e == ERR_OK)
		begin_writing(u);
	if (e == ERR_OK)
		e = checkpoint(u, error);
	if (e == ERR_OK && take < n)
		e = error_set(error, full, "upload %.8s is full", u->id);
	return e;
}

enum err receive_sync(struct upload *u, struct error *error)
{
	enum err e;

	if (!u->marked)
		return ERR_OK;
	e = sync_data(u->engine, u->part, error);
	if (e != ERR_OK) {
		/*
		 * The kernel says this once and then forgets: nothing behind the last success may
		 * be trusted.
		 */
		(void)receive_cut(u, u->durable, NULL);
		return e;
	}
	u->durable = u->offset;
	/*
	 * They are on disk whatever the note says: without it status tells less and the next opener
	 * flushes again.
	 */
	(void)upload_mark(u, false, NULL);
	return ERR_OK;
}

enum err receive_cut(struct upload *u, int64_t offset, struct error *error)
{
	if (ftruncate(u->part, offset) != 0)
		return error_errno(error, ERR_IO, "cut upload back");
	u->offset = offset;
	u->durable = offset < u->durable ? offset : u->durable;
	u->checkpoint = offset < u->checkpoint ? offset : u->checkpoint;
	u->begun = offset < u->begun ? offset : u->begun;
	hash_cut(u, offset);
	if (sync_data(u->engine, u->part, error) != ERR_OK)
		return ERR_IO;
	u->durable = offset;
	return upload_mark(u, false, error);
}

enum err receive_end(struct upload *u, struct error *error)
{
	enum err e = receive_sync(u, error);

	direct_end(u);
	if (u->offset > 0 && u->state == UPLOAD_CREATED)
		u->state = UPLOAD_RECEIVING;
	if (e == ERR_OK)
		note_offset(u);
	if (e != ERR_OK || !u->engine->ack_commit || u->pending ||
	    u->offset == json_int(u->record, "offset", 0))
		return e;
	/* On this file system only a commit can tell how much is really there. */
	(void)json_set_int(u->record, "offset", u->offset);
	(void)json_set_str(u->record, "boot_id", u->engine->boot_id);
	return upload_store(u, engine_kind(u->engine), "upload offset", error);
}

/* ---- a body in a file of its own */

enum err aside_begin(struct upload *u, struct error *error)
{
	char random[17];

	token_hex(random, 16);
	(void)snprintf(u->aside_name, sizeof(u->aside_name), "in.%ld.%s", (long)getpid(), random);
	u->aside_bytes = 0;
	u->aside =
	    openat(u->dir, u->aside_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return u->aside < 0 ? error_errno(error, ERR_IO, "make a body's file") : ERR_OK;
}

enum err aside_put(struct upload *u, const void *bytes, size_t n, struct error *error)
{
	enum err e = fs_write_all(u->aside, bytes, n, error);

	u->aside_bytes += e == ERR_OK ? (int64_t)n : 0;
	return e;
}

void aside_drop(struct upload *u)
{
	if (u->aside < 0)
		return;
	(void)close(u->aside);
	u->aside = -1;
	(void)unlinkat(u->dir, u->aside_name, 0);
}
