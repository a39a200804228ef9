/*
 * What a crash left behind (transports.md 1.12), put right by whoever opens the upload next, under
 * its lock.
 */
#include "upload/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

/* Bodies of requests that died: in.<pid>.<random>. */
void remove_bodies(const struct upload *u)
{
	int fd = openat(u->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (strncmp(entry->d_name, "in.", 3) == 0)
			(void)unlinkat(u->dir, entry->d_name, 0);
	(void)closedir(d);
}

enum err upload_lost(struct upload *u, struct error *error)
{
	enum err e = upload_remove(u, UPLOAD_INVALID, error);

	return e != ERR_OK ? e : error_set(error, ERR_GONE, "upload %.8s has lost bytes", u->id);
}

enum err recover_part(struct upload *u, int64_t bound, int64_t *ret_size, struct error *error)
{
	struct stat st;

	if (u->part < 0)
		u->part = openat(u->dir, "part", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (u->part < 0 && errno == ENOENT) {
		/* Completed but for the commit; with neither name the bytes are gone. */
		u->part = openat(u->dir, "data", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		u->staged = u->part >= 0;
		if (u->part < 0 && errno == ENOENT)
			return upload_lost(u, error);
	}
	if (u->part < 0 || fstat(u->part, &st) != 0)
		return error_errno(error, ERR_IO, "open upload's file");
	*ret_size = st.st_size;
	return st.st_size < bound ? upload_lost(u, error) : ERR_OK;
}

/* A tentative body never became certain: its bytes go, and then the record's word about them. */
static enum err undo_tentative(struct upload *u, int64_t tentative, struct error *error)
{
	enum err e = ERR_OK;

	if (u->offset > tentative)
		e = receive_cut(u, tentative, error);
	(void)json_set_int(u->record, "tentative", -1);
	return e == ERR_OK ? upload_store(u, engine_kind(u->engine), "upload recover", error) : e;
}

enum err recover_append(struct upload *u, struct error *error)
{
	int64_t bound = json_int(u->record, "offset", 0),
		tentative = json_int(u->record, "tentative", -1);
	int64_t noted = 0, size = 0;
	bool dirty = true;
	enum err e = ERR_OK;

	(void)unlinkat(u->dir, "stop", 0);
	e = recover_part(u, bound, &size, error);
	if (e != ERR_OK)
		return e;
	u->offset = u->durable = size;
	if (u->staged)
		return ERR_OK;
	if (tentative >= 0) {
		e = undo_tentative(u, tentative, error);
	} else if (u->engine->ack_commit &&
		   strcmp(json_str(u->record, "boot_id", ""), u->engine->boot_id) != 0) {
		/* Here a length may have come back without its bytes. */
		e = receive_cut(u, bound, error);
	}
	if (e != ERR_OK)
		return e;
	if (mark_read(u->lock, &noted, &dirty) && !dirty)
		return ERR_OK;
	remove_bodies(u);
	e = sync_data(u->engine, u->part, error);
	return e == ERR_OK ? upload_mark(u, false, error) : e;
}
