#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/groups.h"
#include "views/identity.h"
#include "views/wizard.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

/* beyond the worker's own limit, for publishing and the end of the program */
#define SLICE_GRACE_MS 4000

enum err call_fail(struct call *call, enum err err, json_object *p)
{
	(void)error_set(&call->error, err, "%s", problem_code(p));
	problems_add(&call->problems, p);
	return err;
}

enum err call_incomplete(struct call *call, enum err err, const char *value,
			 const struct upload_info *info)
{
	json_object *p = problem_str(problem_new("upload_incomplete"), "value", value);

	problem_arg_int(p, "received", info->received);
	if (info->length >= 0)
		problem_arg_int(p, "total", info->length);
	else
		problem_arg(p, "total", "?");
	return call_fail(call, err, p);
}

static char *url_of(const char *prefix, const char *fmt, va_list ap)
{
	char *path = NULL;
	if (vasprintf(&path, fmt, ap) < 0)
		abort();
	char *url = mem_printf("%s%s", prefix, path);
	free(path);
	return url;
}

char *call_url(const struct call *call, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *url = url_of(call->req->mount, fmt, ap);
	va_end(ap);
	return url;
}

char *call_public_url(const struct call *call, const char *fmt, ...)
{
	const char *base = call->ctx->config->public_url;
	va_list ap;
	va_start(ap, fmt);
	char *url = url_of(*base != '\0' ? base : call->req->mount, fmt, ap);
	va_end(ap);
	return url;
}

struct viewer call_viewer(const struct call *call)
{
	/* Anonymous owners are nobody but themselves; no user's name has a colon. */
	bool anonymous = *call->who.name == '\0' && strncmp(call->who.owner, "a:", 2) == 0;
	return (struct viewer){.user = anonymous ? call->who.owner : call->who.name,
			       .admin = call->who.admin,
			       .groups = call->who.groups};
}

void call_page(struct call *call, json_object *model, const char *title_key)
{
	if (*call->csrf == '\0')
		csrf_prepare(call);
	json_set_str(model, "lang", call->req->lang == LANG_ZH ? "zh" : "en");
	json_set_str(model, "lang_tag", call->req->lang == LANG_ZH ? "zh-Hans" : "en");
	json_set_str(model, "user", call->who.name);
	json_set_bool(model, "admin", call->who.admin);
	json_set_bool(model, "is_anonymous", strncmp(call->who.owner, "a:", 2) == 0);
	json_set_str(model, "csrf", call->csrf);
	json_set_str(model, "title_key", title_key);
	json_set_str(model, "self", call->req->path);
	json_set_str(model, "tile_url", call->ctx->config->tile_url);
	if (req_query(call->req, "note") != NULL && json_get(model, "note") == NULL) {
		/* Only a key of ours becomes words: anything else would be text from outside. */
		CLEAN_FREE char *key = mem_printf("note.%s", req_query(call->req, "note"));
		const char *words = words_get(pages_words(call->ctx->pages), call->req->lang, key);
		if (strcmp(words, key) != 0)
			json_set_str(model, "note", words);
	}
}

enum err call_answer(struct call *call, int status, const char *template_name, json_object *model)
{
	reply_model(call->reply, status, template_name, model);
	call->reply->format = call->mode == MODE_HTML ? FORMAT_HTML : FORMAT_JSON;
	if (call->mode == MODE_HTML) {
		CLEAN_FREE char *title = mem_printf("title.%s", template_name);
		call_page(call, model, title);
	}
	return ERR_OK;
}

enum err call_not_opened(struct call *call, const char *path)
{
	enum err err = err_of_errno(errno, errno == EIO ? ERR_IO : ERR_NOT_FOUND);

	return err == ERR_NOT_FOUND ? err : error_errno(&call->error, err, "%s", path);
}

enum err call_file(struct call *call, const char *path, const char *type, const char *etag,
		   const char *name)
{
	const struct config *config = call->ctx->config;
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, config->data_dir);
	int fd = dir < 0 ? -1 : fs_open_read(dir, path);
	struct stat st;

	if (fd < 0)
		return call_not_opened(call, path);
	if (fstat(fd, &st) != 0) {
		(void)close(fd);
		return ERR_NOT_FOUND;
	}
	reply_file(call->reply, fd, st.st_size, type, etag, name);
	call->reply->user_content = name != NULL;
	if (name != NULL && config->sendfile != SENDFILE_NONE)
		call->reply->sendfile_path = mem_printf("%s/%s", config->data_dir, path);
	return ERR_OK;
}

/* ---- wait slots: bytes of a file, locked by whoever waits; a dead waiter frees its slot */

bool wait_slot_take(struct ctx *ctx, int *ret_fd)
{
	CLEAN_FREE char *path = mem_printf("%s/locks/wait", ctx->config->data_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	if (fs_lock_one(fd, 0, ctx->config->wait_slots) >= 0) {
		*ret_fd = fd;
		return true;
	}
	(void)close(fd);
	return false;
}

void wait_slot_give(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

struct watch {
	int64_t id;
	bool ended;
};

static enum err watch_pass(struct pass *p, void *arg)
{
	struct watch *w = arg;
	json_object *task = NULL;
	enum err err = tasks_get(p, w->id, &task);
	const char *state = json_str(task, "state", "");
	w->ended = err != ERR_OK || (strcmp(state, "queued") != 0 && strcmp(state, "running") != 0);
	json_object_put(task);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Has task ID come to an end? */
static bool task_ended(struct call *call, int64_t id)
{
	struct watch w = {.id = id};
	return store_pass(call->ctx->store, PASS_READ, "wait", watch_pass, &w, NULL) != ERR_OK ||
	       w.ended;
}

bool call_wait_task(struct call *call, int64_t id, int64_t wait_s)
{
	int64_t deadline = clock_mono_ms() + wait_s * 1000;
	/* ms: short jobs are answered at once, long ones asked about rarely */
	int64_t nap = 5;
	bool ended = task_ended(call, id);
	int slot = -1;

	if (ended || !wait_slot_take(call->ctx, &slot))
		return ended;
	while (!ended && clock_mono_ms() < deadline && !transport_stopping()) {
		clock_sleep_ms(nap);
		nap = nap < 200 ? nap * 5 / 4 + 1 : nap;
		ended = task_ended(call, id);
	}
	wait_slot_give(slot);
	return ended;
}

/* ---- the worker */

/* Does a worker live?  It holds locks/worker for as long as it does (worker/claim). */
bool call_worker_lives(const struct config *c)
{
	CLEAN_FREE char *path = mem_printf("%s/locks/worker", c->data_dir);
	CLEAN_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

void call_wake_worker(struct call *call)
{
	const struct config *c = call->ctx->config;
	CLEAN_FREE char *fifo = mem_printf("%s/run/worker.wake", c->data_dir);
	if (call_worker_lives(c)) {
		/*
		 * A sleeping worker waits on this pipe; one that is busy looks at the queue by
		 * itself.
		 */
		CLEAN_FD int fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && write(fd, "w", 1) < 0 && errno != EAGAIN)
			log_line(LOG_LEVEL_WARN, call->req->id, "worker.wake: %s", strerror(errno));
		return;
	}
	if (!c->worker_spawn) {
		call->slice = c->slice_s > 0;
		return;
	}
	CLEAN_FREE char *program = mem_printf("%s/slipway-worker", c->program_dir);
	char *argv[] = {program,
			(char *)(uintptr_t) "--data-dir",
			c->data_dir,
			(char *)(uintptr_t) "--once",
			c->path == NULL ? NULL : (char *)(uintptr_t) "--config",
			c->path,
			NULL};
	struct error error = {0};
	if (child_detach(program, argv, c->log_file, &error) != ERR_OK) {
		call->no_worker = true;
		log_line(LOG_LEVEL_ERROR, call->req->id, "worker does not start: %s", error.text);
	}
}

/*
 * The child ends by itself: it begins no task in the last three quarters of its time, and gives
 * each slice_s at most.
 * Should it hang all the same, it goes with this request, and its task back to the queue.
 */
bool call_slice(struct call *call)
{
	const struct config *c = call->ctx->config;
	CLEAN_FREE char *program = mem_printf("%s/slipway-worker", c->program_dir);
	char *argv[] = {program,
			(char *)(uintptr_t) "--data-dir",
			c->data_dir,
			(char *)(uintptr_t) "--slice",
			c->path == NULL ? NULL : (char *)(uintptr_t) "--config",
			c->path,
			NULL};
	struct child child;
	struct error error = {0};
	json_object *said = NULL;

	if (!call->slice)
		return false;
	call->slice = false;
	if (child_start(program, argv, false, &child, &error) != ERR_OK) {
		call->no_worker = true;
		log_line(LOG_LEVEL_ERROR, call->req->id, "worker does not start: %s", error.text);
		return false;
	}
	int64_t start = clock_mono_ms(), most = c->slice_s * 1250 + SLICE_GRACE_MS;
	enum err err = child_receive(&child, (int)most, &said, &error);
	json_object_put(said); /* it has nothing to say: the end of its output is its end */
	child_finish(&child, err == ERR_CUT ? 1000 : 0, NULL);
	log_line(err == ERR_TIMEOUT ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, call->req->id,
		 "slice: %lld ms%s", (long long)(clock_mono_ms() - start),
		 err == ERR_TIMEOUT ? ", stopped" : "");
	return true;
}

void call_wake_worker_now(struct call *call)
{
	call_wake_worker(call);
	(void)call_slice(call);
}

/* ---- users named in permissions */

struct subject {
	const char *name;
	bool group;
	bool found;
};

static enum err subject_pass(struct pass *p, void *arg)
{
	struct subject *s = arg;
	json_object *record = NULL;
	enum err err = s->group ? groups_get(p, s->name, &record) : users_get(p, s->name, &record);
	json_object_put(record);
	s->found = err == ERR_OK;
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

bool subject_exists(const char *name, bool group, void *arg)
{
	struct call *call = arg;
	struct subject s = {.name = name, .group = group};
	return store_pass(call->ctx->store, PASS_READ, "subject", subject_pass, &s, NULL) ==
		   ERR_OK &&
	       s.found;
}
