/*
 * Parts mode: each body goes to a file of its own and takes its number's name when it is whole
 * (transports.md 1.4).  A part is there if p.<n> is; the file `sizes` only saves looking for them
 * all: 8 bytes a part, its length + 1, 0 = not known to be there.
 */
#include "upload/pour.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define PIECE 4096 /* sizes read at once */

static void part_name(uint32_t number, char out[16])
{
	(void)snprintf(out, 16, "p.%lu", (unsigned long)number);
}

/* The number of "p.<n>"; false: it is something else. */
static bool part_number(const char *name, int64_t *ret)
{
	return strncmp(name, "p.", 2) == 0 && text_int(name + 2, 0, UINT32_MAX, ret);
}

/* ---- what is there */

static void set_size(const struct upload *u, uint32_t number, int64_t size)
{
	int64_t entry = size + 1;

	/* When that fails it is found out by a look at the part itself. */
	(void)!pwrite(u->sizes, &entry, sizeof(entry), (off_t)number * (off_t)sizeof(entry));
}

static int64_t get_size(const struct upload *u, uint32_t number)
{
	int64_t entry = 0;

	return pread(u->sizes, &entry, sizeof(entry), (off_t)number * (off_t)sizeof(entry)) ==
		       sizeof(entry)
		   ? entry - 1
		   : -1;
}

bool upload_has_part(const struct upload *u, uint32_t number)
{
	char name[16];

	part_name(number, name);
	return number < u->parts &&
	       (u->state == UPLOAD_COMPLETE || (u->dir >= 0 && fs_size(u->dir, name) >= 0));
}

/*
 * Count.  After a crash a part may be there without its size: the first that is missing is looked
 * for, so that in the end none is.
 */
static void scan(struct upload *u)
{
	CLEAN_FREE int64_t *piece = mem_array(PIECE, sizeof(*piece));
	uint32_t there = 0;
	int64_t sum = 0;
	bool heal = u->want != UPLOAD_WANT_STATUS;

	for (uint32_t at = 0; at < u->parts; at += PIECE) {
		uint32_t n = u->parts - at < PIECE ? u->parts - at : PIECE;
		ssize_t got =
		    pread(u->sizes, piece, n * sizeof(*piece), (off_t)at * (off_t)sizeof(*piece));
		size_t have = got > 0 ? (size_t)got / sizeof(*piece) : 0;

		memset(piece + have, 0, (PIECE - have) * sizeof(*piece));
		for (uint32_t i = 0; i < n; i++) {
			if (piece[i] <= 0 && heal) {
				char name[16];

				part_name(at + i, name);
				piece[i] = fs_size(u->dir, name) + 1;
				heal = piece[i] > 0;
				if (heal)
					set_size(u, at + i, piece[i] - 1);
			}
			there += piece[i] > 0;
			sum += piece[i] > 0 ? piece[i] - 1 : 0;
		}
	}
	u->parts_there = there;
	u->received = sum;
}

static bool all_there(const struct upload *u)
{
	return u->parts > 0 && u->parts_there == u->parts;
}

bool parts_whole(const struct upload *u)
{
	return all_there(u) && (u->length < 0 || u->received == u->length);
}

void look_parts(struct upload *u)
{
	u->sizes = openat(u->dir, "sizes", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	u->offset = 0;
	u->received = 0;
	if (u->sizes >= 0)
		scan(u);
}

/* FN for each part. */
static void each_part(int dir, void (*fn)(int dir, const char *name, int64_t number, void *arg),
		      void *arg)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int64_t number;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (part_number(entry->d_name, &number))
			fn(dir, entry->d_name, number, arg);
	(void)closedir(d);
}

static void note_part(int dir, const char *name, int64_t number, void *arg)
{
	struct upload *u = arg;
	int64_t size = fs_size(dir, name);

	if (number < u->parts && size >= 0)
		set_size(u, (uint32_t)number, size);
}

static void remove_part(int dir, const char *name, int64_t number, void *arg)
{
	(void)number;
	(void)arg;
	(void)unlinkat(dir, name, 0);
}

void parts_remove(int dir)
{
	each_part(dir, remove_part, NULL);
	(void)unlinkat(dir, "sizes", 0);
}

/* Alone with it: the truth, not the note.  To ask is not to touch. */
static bool count_anew(struct upload *u)
{
	struct timespec times[2];
	struct stat st;

	if (fstat(u->sizes, &st) != 0 || ftruncate(u->sizes, 0) != 0)
		return false;
	each_part(u->dir, note_part, u);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return futimens(u->sizes, times) == 0;
}

enum err recover_parts(struct upload *u, struct error *error)
{
	struct stat st;

	if (u->part < 0)
		u->part = openat(u->dir, "data", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (u->part >= 0) {
		/* Joined, but for the commit. */
		if (fstat(u->part, &st) != 0)
			return error_errno(error, ERR_IO, "open upload's file");
		u->staged = true;
		u->offset = st.st_size;
		return ERR_OK;
	}
	if (u->sizes < 0)
		u->sizes = openat(u->dir, "sizes", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (u->sizes < 0)
		return error_errno(error, ERR_IO, "open upload's sizes");
	if (u->exclusive) {
		(void)unlinkat(u->dir, "stop", 0);
		(void)unlinkat(u->dir, "part", 0);
		remove_bodies(u);
		if (!count_anew(u))
			return error_errno(error, ERR_IO, "write upload's sizes");
	}
	scan(u);
	return ERR_OK;
}

enum err upload_restart(struct upload *u, struct error *error)
{
	enum err e;

	if (u->mode != mode_of(UPLOAD_PARTS) || u->want == UPLOAD_WANT_STATUS ||
	    u->state >= UPLOAD_COMPLETE || u->lockless)
		return error_set(error, ERR_FINAL, "upload %.8s cannot begin anew", u->id);
	if (u->parts_there == 0)
		return ERR_OK;
	e = upload_alone(u, error);
	if (e != ERR_OK || u->state >= UPLOAD_COMPLETE)
		return e != ERR_OK ? e
				   : error_set(error, ERR_FINAL, "upload %.8s is complete", u->id);
	each_part(u->dir, remove_part, NULL);
	if (ftruncate(u->sizes, 0) != 0)
		return error_errno(error, ERR_IO, "write upload's sizes");
	e = sync_fd(u->engine, u->dir, "upload's directory", error);
	scan(u);
	lock_ease(u);
	return e;
}

/* ---- one part */

static enum err part_begin(struct upload *u, uint32_t number, int64_t length, struct error *error)
{
	int64_t size = u->engine->config->upload_max_size, others, quota;

	if (u->mode != mode_of(UPLOAD_PARTS) || u->want == UPLOAD_WANT_STATUS ||
	    u->want == UPLOAD_WANT_REMOVE || u->state == UPLOAD_EXPIRED)
		return error_set(error, ERR_FINAL, "upload %.8s does not take parts", u->id);
	if (number >= u->parts)
		return error_set(error, ERR_LENGTH, "upload %.8s: part %lu of %lu", u->id,
				 (unsigned long)number, (unsigned long)u->parts);
	others = get_size(u, number);
	others = u->received - (others > 0 ? others : 0);
	/* One part too long may be put right by another one; more are none of a file of that
	 * length. */
	if (u->length >= 0 && others > u->length)
		return error_set(error, ERR_LENGTH, "upload %.8s: more bytes than declared", u->id);
	quota = u->room.quota + (u->length >= 0 ? u->length : json_int(u->record, "received", 0)) -
		others;
	u->most = size - others < quota ? size - others : quota;
	u->most = u->most < 0 ? 0 : u->most;
	u->number = number;
	if (length > u->most)
		return error_set(error, u->most < quota ? ERR_TOO_LARGE : ERR_QUOTA,
				 "upload %.8s: part of %lld bytes", u->id, (long long)length);
	return admit_space(u->engine, length > 0 && u->length < 0 ? length : 0, u->mode->copies,
			   u->room.promised, error);
}

enum err part_put(struct upload *u, const void *bytes, size_t n, struct error *error)
{
	if ((int64_t)n > u->most - u->aside_bytes)
		return error_set(error, ERR_TOO_LARGE, "upload %.8s: part too long", u->id);
	return aside_put(u, bytes, n, error);
}

static enum err note_pass(struct pass *p, void *arg)
{
	const struct upload *u = arg;
	CLEAN_JSON json_object *r = NULL;
	enum err e = uploads_get(p, u->id, &r);

	if (e != ERR_OK || state_of(r) >= UPLOAD_COMPLETE)
		return e;
	(void)json_set_int(r, "received", u->received);
	return uploads_put(p, r);
}

/*
 * Quota and promised space are reckoned from the record: it follows now and then, without a flush.
 * Losing that costs nothing, so a failure is nobody's trouble.
 */
static void note_received(struct upload *u)
{
	if (u->pending || u->received - json_int(u->record, "received", 0) < NOTE_BYTES)
		return;
	if (store_pass(u->engine->store, PASS_WRITE_NOSYNC, "upload note", note_pass, u, NULL) ==
	    ERR_OK)
		(void)json_set_int(u->record, "received", u->received);
}

enum err part_end(struct upload *u, struct error *error)
{
	char name[16];
	enum err e = sync_data(u->engine, u->aside, error);

	part_name(u->number, name);
	if (e == ERR_OK && renameat(u->dir, u->aside_name, u->dir, name) != 0)
		e = error_errno(error, ERR_IO, "name a part");
	if (e != ERR_OK) {
		aside_drop(u);
		return e;
	}
	(void)close(u->aside);
	u->aside = -1;
	e = sync_fd(u->engine, u->dir, "upload's directory", error);
	if (e != ERR_OK)
		return e;
	set_size(u, u->number, u->aside_bytes);
	scan(u);
	u->state = UPLOAD_RECEIVING;
	note_received(u);
	if (upload_ends(u))
		return upload_end(u, true, error);
	if (!u->by_mark && all_there(u))
		return error_set(error, ERR_INCOMPLETE,
				 "upload %.8s: %lld bytes in all parts, not %lld", u->id,
				 (long long)u->received, (long long)u->length);
	return ERR_OK;
}

/* Nothing more is wanted: it is whole, or being joined. */
static bool past(const struct upload *u)
{
	return u->mode == mode_of(UPLOAD_PARTS) && (u->state == UPLOAD_COMPLETE || u->lockless);
}

enum err upload_put_part(struct upload *u, uint32_t number, struct body *body, struct error *error)
{
	struct pour p = {
	    .u = u, .body = body, .sink = part_put, .full = ERR_TOO_LARGE, .error = error};
	int64_t most = u->engine->config->upload_max_request;
	enum err e;

	if (past(u))
		return ERR_OK;
	if (body->length < 0 && body->chunked)
		return error_set(error, ERR_NEED_LENGTH, "the end of the body cannot be known");
	if (most > 0 && body->length > most)
		return error_set(error, ERR_TOO_LARGE, "over upload.max_request");
	e = part_begin(u, number, body->length, error);
	if (e == ERR_OK)
		e = aside_begin(u, error);
	if (e != ERR_OK)
		return e;
	p.limit = body->length < 0 ? 0 : body->length;
	if (p.limit > 0)
		e = pour_judge(&p, pour(&p));
	if (e == ERR_OK)
		return part_end(u, error);
	aside_drop(u);
	return e;
}

enum err upload_push_part(struct upload *u, uint32_t number, struct error *error)
{
	enum err e = ERR_OK;

	aside_drop(u);
	u->refused = ERR_OK;
	u->pushing = PUSH_NONE;
	u->pushed = 0;
	if (!past(u)) {
		e = part_begin(u, number, -1, error);
		if (e == ERR_OK)
			e = aside_begin(u, error);
	}
	if (e == ERR_OK)
		u->pushing = PUSH_PART;
	else
		u->refused = e;
	return e;
}

/* ---- joining */

/* One part is the file already: it gets a second name. */
static enum err join_one(struct upload *u, struct error *error)
{
	struct stat st;

	if (linkat(u->dir, "p.0", u->dir, "part", 0) != 0)
		return error_errno(error, ERR_IO, "name the only part");
	u->part = openat(u->dir, "part", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (u->part < 0 || fstat(u->part, &st) != 0)
		return error_errno(error, ERR_IO, "open the only part");
	u->offset = st.st_size;
	return ERR_OK;
}

enum err parts_join(struct upload *u, struct error *error)
{
	enum err e = ERR_OK;

	if (u->part >= 0)
		(void)close(u->part);
	u->part = -1;
	u->offset = 0;
	(void)unlinkat(u->dir, "part", 0);
	if (u->parts == 1)
		return join_one(u, error);
	u->part = openat(u->dir, "part", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (u->part < 0)
		return error_errno(error, ERR_IO, "make upload's file");
	for (uint32_t n = 0; e == ERR_OK && n < u->parts; n++) {
		char name[16];
		CLEAN_FD int from = -1;

		part_name(n, name);
		from = fs_open_read(u->dir, name);
		if (from < 0)
			e = errno == ENOENT ? error_set(error, ERR_INCOMPLETE,
							"upload %.8s: part %lu is missing", u->id,
							(unsigned long)n)
					    : error_errno(error, ERR_IO, "open a part");
		else
			e = assemble_copy(u, from, error);
	}
	if (e == ERR_OK)
		e = sync_data(u->engine, u->part, error);
	if (e != ERR_OK)
		(void)unlinkat(u->dir, "part", 0);
	return e;
}
