/*
 * The engine: its directory, its words, its clock of durability.
 */
#include "upload/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

static atomic_bool stopping; /* set by a signal handler, on whatever thread it runs */

void engine_stop(void)
{
	atomic_store(&stopping, true);
}

bool engine_stopping(void)
{
	return atomic_load(&stopping);
}

/*
 * File systems that never show a length before its bytes (store.md 8); nothing of a tmpfs outlives
 * the kernel.
 */
static bool shows_bytes_first(int fd)
{
	static const unsigned long known[] = {
	    0xef53,	/* ext4 */
	    0x58465342, /* XFS */
	    0x9123683e, /* Btrfs */
	    0x2fc12fc1, /* ZFS */
	    0x01021994, /* tmpfs */
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if ((unsigned long)fs.f_type == known[i])
			return true;
	return false;
}

/* A lock held by one open file description must be seen through another one. */
static enum err locks_work(int dir, struct error *error)
{
	CLEAN_FD int a = openat(dir, "sweep", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	CLEAN_FD int b = openat(dir, "sweep", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	/* A byte of our own: the sweep locks byte 0. */
	off_t at = 4096 + (off_t)clock_mono_ms() % 1000000000;
	struct flock take = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1},
		     ask = take;

	if (a < 0 || b < 0)
		return error_errno(error, ERR_STORE, "open uploads/sweep");
	if (fcntl(a, F_OFD_SETLK, &take) != 0)
		return errno == EAGAIN
			   ? ERR_OK
			   : error_errno(error, ERR_STORE, "file locks do not work in data_dir");
	if (fcntl(b, F_OFD_GETLK, &ask) != 0 || ask.l_type == F_UNLCK)
		return error_set(error, ERR_STORE, "file locks do not work in data_dir");
	return ERR_OK;
}

static void read_boot_id(char out[37])
{
	CLEAN_FD int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, 36);

	out[n == 36 ? 36 : 0] = '\0';
}

enum err engine_open(const struct config *config, struct store *store, struct engine **ret,
		     struct error *error)
{
	struct engine *e = mem_alloc(sizeof(*e));
	enum err err = ERR_OK;

	e->config = config;
	e->store = store;
	e->sync = config->upload_sync == UPLOAD_SYNC_FULL;
	e->dir = -1;
	pieces_init(&e->pieces);
	read_boot_id(e->boot_id);
	e->data = fs_open_dir(AT_FDCWD, config->data_dir);
	if (e->data < 0)
		err = error_errno(error, ERR_STORE, "open data_dir");
	if (err == ERR_OK && mkdirat(e->data, "uploads", 0700) == 0)
		err = sync_fd(e, e->data, "data_dir", error);
	else if (err == ERR_OK && errno != EEXIST)
		err = error_errno(error, ERR_STORE, "make uploads");
	if (err == ERR_OK) {
		e->dir = fs_open_dir(e->data, "uploads");
		if (e->dir < 0)
			err = error_errno(error, ERR_STORE, "open uploads");
	}
	if (err == ERR_OK)
		err = locks_work(e->dir, error);
	e->tally = tally_open(config->data_dir);
	if (err != ERR_OK) {
		engine_close(e);
		return err;
	}
	e->ack_commit = !shows_bytes_first(e->dir);
	*ret = e;
	return ERR_OK;
}

void engine_close(struct engine *e)
{
	if (e == NULL)
		return;
	if (e->dir >= 0)
		(void)close(e->dir);
	if (e->data >= 0)
		(void)close(e->data);
	tally_close(e->tally);
	pieces_done(&e->pieces);
	free(e);
}

enum pass_kind engine_kind(const struct engine *e)
{
	return e->sync ? PASS_SYNC : PASS_WRITE_NOSYNC;
}

void id_place(const char *id, char out[40])
{
	(void)snprintf(out, 40, "%.2s/%.32s", id, id);
}

/* ---- words of the record */

static const char *const states[UPLOAD_STATE__MAX] = {
    [UPLOAD_CREATED] = "created",
    [UPLOAD_RECEIVING] = "receiving",
    [UPLOAD_COMPLETE] = "complete",
    [UPLOAD_EXPIRED] = "expired",
};
static const char *const reasons[UPLOAD_REASON__MAX] = {
    [UPLOAD_IDLE] = "idle",	  [UPLOAD_AGE] = "age",		[UPLOAD_UNUSED] = "unused",
    [UPLOAD_DELETED] = "deleted", [UPLOAD_INVALID] = "invalid",
};

const char *state_word(enum upload_state state)
{
	return states[state];
}

enum upload_state state_of(const json_object *record)
{
	const char *word = json_str(record, "state", "");

	for (int i = 0; i < UPLOAD_STATE__MAX; i++)
		if (strcmp(states[i], word) == 0)
			return (enum upload_state)i;
	return UPLOAD_EXPIRED;
}

const char *reason_word(enum upload_reason reason)
{
	return reasons[reason];
}

enum upload_reason reason_of(const json_object *record)
{
	const char *word = json_str(record, "reason", "");

	for (int i = 0; i < UPLOAD_REASON__MAX; i++)
		if (strcmp(reasons[i], word) == 0)
			return (enum upload_reason)i;
	return UPLOAD_INVALID;
}

static bool append_whole(const struct upload *u)
{
	return u->length >= 0 && u->offset == u->length;
}

static const struct mode modes[UPLOAD_MODE__MAX] = {
    [UPLOAD_APPEND] = {"append", "part", false, 1, recover_append, look_append, append_whole, NULL},
    [UPLOAD_RANGE] = {"range", "part", true, 1, recover_range, look_range, range_whole, NULL},
    [UPLOAD_PARTS] = {"parts", "sizes", true, 2, recover_parts, look_parts, parts_whole,
		      parts_join},
    [UPLOAD_CONCAT] = {"concat", "part", false, 2, recover_concat, look_concat, concat_whole,
		       concat_join},
};

const struct mode *mode_of(enum upload_mode mode)
{
	return mode < UPLOAD_MODE__MAX && modes[mode].name != NULL ? &modes[mode] : NULL;
}

bool mode_by_name(const char *name, enum upload_mode *ret)
{
	for (int i = 0; i < UPLOAD_MODE__MAX; i++) {
		if (modes[i].name != NULL && strcmp(modes[i].name, name) == 0) {
			*ret = (enum upload_mode)i;
			return true;
		}
	}
	return false;
}

/* ---- durability */

enum err sync_fd(const struct engine *e, int fd, const char *what, struct error *error)
{
	if (e->sync && fsync(fd) != 0)
		return error_errno(error, ERR_IO, "fsync %s", what);
	return ERR_OK;
}

enum err sync_data(const struct engine *e, int fd, struct error *error)
{
	if (e->sync && fdatasync(fd) != 0)
		return error_errno(error, ERR_IO, "fdatasync upload");
	return ERR_OK;
}

void count(struct tally_uploads *sums, enum tally_event event, const json_object *record)
{
	size_t row = tally_adapter(json_str(record, "adapter", ""));

	sums->events[row][event]++;
	if (event == TALLY_COMPLETED)
		sums->bytes[row] += json_int(record, "length", 0);
}
