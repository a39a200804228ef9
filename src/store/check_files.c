/* References between records, and records against files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"
#include "store/check.h"
#include "store/sessions.h"
#include "store/tasks.h"
#include "store/uploads.h"

#define STRAY_MS (3600 * 1000LL) /* a folder is made before its record: leave young ones alone */
#define ID_LEN	 32

static bool state_in(const json_object *record, const char *const *states)
{
	const char *state = json_str(record, "state", "");

	for (; *states != NULL; states++) {
		if (strcmp(state, *states) == 0)
			return true;
	}
	return false;
}

/* ---- references, all inside the copy: one moment of the store */

struct asking {
	enum table table;
	unsigned char key[64];
	size_t key_len;
	json_object *found; /* owned; NULL = not there */
};

static enum err ask_pass(struct pass *p, void *arg)
{
	struct asking *a = arg;
	enum err err = record_get(p, a->table, a->key, a->key_len, &a->found);

	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Caller frees; NULL: not there or not readable, which another part of the check tells. */
static json_object *ask_number(struct check *c, enum table table, int64_t id)
{
	struct asking a = {.table = table, .key_len = 8};

	key_u64((uint64_t)id, a.key);
	(void)pass_on_copy(&c->copy, ask_pass, &a, NULL);
	return a.found;
}

static json_object *ask_upload(struct check *c, const char *id)
{
	struct asking a = {.table = TABLE_UPLOADS, .key_len = ID_LEN};

	if (!token_is_hex(id, ID_LEN))
		return NULL;
	memcpy(a.key, id, ID_LEN);
	(void)pass_on_copy(&c->copy, ask_pass, &a, NULL);
	return a.found;
}

static enum err session_refers(const void *key, size_t key_len, const void *value, size_t len,
			       void *arg)
{
	static const char *const open[] = {"READY", "PENDING", "WAITING", "RUNNING", NULL};
	static const char *const gone[] = {"expired", NULL};
	struct check *c = arg;
	CLEAN_JSON json_object *session = NULL;
	CLEAN_JSON json_object *task = NULL;
	json_object *upload;
	int64_t id, task_id;

	(void)key;
	(void)key_len;
	if (json_read(value, len, &json_limits_job, &session) != ERR_OK || !state_in(session, open))
		return ERR_OK;
	id = json_int(session, "id", 0);
	task_id = json_int(json_obj(session, "task"), "id", 0);
	if (task_id > 0 && (task = ask_number(c, TABLE_TASKS, task_id)) == NULL)
		check_say(c, "session %lld: its task %lld is missing", (long long)id,
			  (long long)task_id);
	JSON_EACH(upload, json_arr(session, "uploads"))
	{
		const char *upload_id = json_str(upload, "id", "");
		CLEAN_JSON json_object *record = ask_upload(c, upload_id);

		if (record == NULL || state_in(record, gone))
			check_say(c, "session %lld: its upload %.8s is missing", (long long)id,
				  upload_id);
	}
	return ERR_OK;
}

static enum err task_refers(const void *key, size_t key_len, const void *value, size_t len,
			    void *arg)
{
	static const char *const live[] = {"queued", "running", NULL};
	struct check *c = arg;
	CLEAN_JSON json_object *task = NULL;
	CLEAN_JSON json_object *session = NULL;
	int64_t id;

	(void)key;
	(void)key_len;
	if (json_read(value, len, &json_limits_job, &task) != ERR_OK || !state_in(task, live))
		return ERR_OK;
	id = json_int(task, "session", 0);
	if (id <= 0)
		return ERR_OK;
	session = ask_number(c, TABLE_SESSIONS, id);
	if (session == NULL || json_get(session, "gone") != NULL)
		check_say(c, "task %lld: its session %lld is missing",
			  (long long)json_int(task, "id", 0), (long long)id);
	return ERR_OK;
}

enum err check_references(struct check *c, struct error *error)
{
	enum err err = copy_each(&c->copy, TABLE_SESSIONS, session_refers, c, error);

	return err == ERR_OK ? copy_each(&c->copy, TABLE_TASKS, task_refers, c, error) : err;
}

/* ---- uploads and their files */

/* What is wrong with the files of an upload, or NULL. */
static const char *files_wrong(const struct check *c, const json_object *upload)
{
	static const char *const open[] = {"created", "receiving", NULL};
	static const char *const complete[] = {"complete", NULL};
	const char *id = json_str(upload, "id", "?"), *mode = json_str(upload, "mode", "");
	CLEAN_FREE char *data = mem_printf("uploads/%.2s/%s/data", id, id);
	CLEAN_FREE char *part = mem_printf("uploads/%.2s/%s/part", id, id);
	CLEAN_FREE char *dir = mem_printf("uploads/%.2s/%s", id, id);
	int64_t length = json_int(upload, "length", -1), have;

	if (state_in(upload, complete)) {
		have = fs_size(c->store->dir, data);
		return have < 0			       ? "its file is missing"
		       : length >= 0 && have != length ? "its file has a wrong size"
						       : NULL;
	}
	if (!state_in(upload, open))
		return NULL;
	if (faccessat(c->store->dir, dir, F_OK, 0) != 0)
		return "its folder is missing";
	if (strcmp(mode, "append") != 0)
		return NULL;
	have = fs_size(c->store->dir, part);
	if (have < 0)
		have = fs_size(c->store->dir, data); /* completed but for the commit */
	if (have < 0)
		return "its file is missing";
	return have < json_int(upload, "offset", 0)
		   ? "its file is shorter than what was acknowledged"
		   : NULL;
}

struct mending {
	struct check *check;
	const char *id;
	const char *wrong; /* NULL: fine by now */
	bool expire;
	bool known; /* there is a record */
};

/* The copy is a moment ago: look again, and with repair turn the record into a tombstone. */
static enum err look_again(struct pass *p, void *arg)
{
	struct mending *m = arg;
	CLEAN_JSON json_object *record = NULL;
	enum err err = uploads_get(p, m->id, &record);

	m->wrong = NULL;
	m->known = err == ERR_OK;
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	m->wrong = files_wrong(m->check, record);
	if (m->wrong == NULL || !m->expire)
		return ERR_OK;
	json_set_str(record, "state", "expired");
	json_set_str(record, "reason", "invalid");
	json_set_int(record, "expires",
		     clock_now_ms() + p->store->config->upload_tombstone_ttl_s * 1000);
	return uploads_put(p, record);
}

struct uploads_walk {
	struct check *check;
	struct error *error;
};

static enum err check_upload(const void *key, size_t key_len, const void *value, size_t len,
			     void *arg)
{
	struct uploads_walk *w = arg;
	struct check *c = w->check;
	CLEAN_JSON json_object *upload = NULL;
	struct mending m = {.check = c, .expire = c->repair};
	enum err err;

	(void)key;
	(void)key_len;
	if (json_read(value, len, &json_limits_job, &upload) != ERR_OK ||
	    files_wrong(c, upload) == NULL)
		return ERR_OK;
	m.id = json_str(upload, "id", "");
	err = store_pass(c->store, c->repair ? PASS_DELETE : PASS_READ, "check upload", look_again,
			 &m, w->error);
	if (err == ERR_OK && m.wrong != NULL)
		check_say(c, "upload %s: %s%s", m.id, m.wrong, c->repair ? " (expired now)" : "");
	return err;
}

/* A folder nobody knows, old enough, and nobody at work in it. */
static enum err check_folder(struct check *c, int at, const char *name, const char *parent,
			     struct error *error)
{
	struct mending m = {.check = c, .id = name};
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	CLEAN_FREE char *lock_path = mem_printf("%s/lock", name);
	CLEAN_FD int lock_fd = -1;
	struct stat st;
	enum err err = ERR_OK;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (int64_t)st.st_mtim.tv_sec * 1000 > clock_now_ms() - STRAY_MS)
		return ERR_OK;
	if (token_is_hex(name, ID_LEN) && strncmp(name, parent, 2) == 0)
		err = store_pass(c->store, PASS_READ, "check folder", look_again, &m, error);
	if (err != ERR_OK || m.known)
		return err;
	check_say(c, "uploads/%s/%s: no record knows it%s", parent, name,
		  c->repair ? " (removed now)" : "");
	if (!c->repair)
		return ERR_OK;
	lock_fd = openat(at, lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (lock_fd >= 0 && fcntl(lock_fd, F_OFD_SETLK, &lock) != 0)
		return ERR_OK;
	return fs_remove_tree(at, name, error);
}

static enum err check_shelf(struct check *c, int at, const char *parent, struct error *error)
{
	int fd = fs_open_dir(at, parent);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	enum err err = ERR_OK;

	if (dir == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return ERR_OK; /* not a folder: the engine makes nothing else there */
	}
	while (err == ERR_OK && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			err = check_folder(c, dirfd(dir), entry->d_name, parent, error);
	}
	(void)closedir(dir);
	return err;
}

enum err check_files(struct check *c, struct error *error)
{
	struct uploads_walk w = {.check = c, .error = error};
	enum err err = copy_each(&c->copy, TABLE_UPLOADS, check_upload, &w, error);
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (err != ERR_OK)
		return err;
	fd = fs_open_dir(c->store->dir, "uploads");
	if (fd < 0)
		return errno == ENOENT ? ERR_OK : error_errno(error, ERR_IO, "uploads");
	dir = fdopendir(fd);
	while (err == ERR_OK && dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strlen(entry->d_name) == 2 && entry->d_name[0] != '.')
			err = check_shelf(c, dirfd(dir), entry->d_name, error);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return err;
}
