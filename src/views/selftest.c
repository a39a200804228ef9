#include "views/selftest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "views/admin.h"

#define PROBE	    "self-test-" /* of the names of files made here */
#define PROBE_HEX   16
#define PROBE_OLD_S 600 /* left by a tester who went away */
#define PIECE	    (64 * 1024)
#define HOLD_FILE   "locks/self-test"

/* What requests from outside find out.  The words of each verdict are told to whoever sends them.
 */
static const char *const probes[] = {
    "mount",	     "streaming", "cut",       "body_128k",  "body_1m", "body_8m",
    "body_64m",	     "chunked",	  "put",       "patch",	     "delete",	"head",
    "authorization", "header_4k", "header_8k", "header_16k", "early",	"interim",
    "sendfile",	     "data",	  "outlives",  "clock"};

static json_object *probe_words(const struct call *call)
{
	static const char *const verdicts[] = {"ok", "warn", "fail"};
	const struct words *words = pages_words(call->ctx->pages);
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		json_object *p = json_object_new_object();
		CLEAN_FREE char *title = mem_printf("selftest.%s", probes[i]);
		json_set_str(p, "id", probes[i]);
		json_set_str(p, "title", words_get(words, call->req->lang, title));
		for (size_t v = 0; v < sizeof(verdicts) / sizeof(*verdicts); v++) {
			CLEAN_FREE char *key = mem_printf("selftest.%s.%s", probes[i], verdicts[v]);
			const char *text = words_get(words, call->req->lang, key);
			if (strcmp(text, key) != 0)
				json_set_str(p, verdicts[v], text);
		}
		json_object_array_add(list, p);
	}
	return list;
}

/* ---- a file that must not be reachable */

/* Files of an earlier test whose sender never came back. */
static void remove_old(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (text_starts(e->d_name, PROBE) &&
		    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    clock_now_ms() / 1000 - st.st_mtime > PROBE_OLD_S)
			(void)unlinkat(dir, e->d_name, 0);
	}
	if (d != NULL)
		(void)closedir(d);
}

static void add_address(json_object *list, const char *path)
{
	json_object *have = NULL;
	JSON_EACH(have, list)
	{
		if (strcmp(json_object_get_string(have), path) == 0)
			return;
	}
	json_object_array_add(list, json_object_new_string(path));
}

/* Where a browser would look for NAME: below the document root, beside the program, below the
 * mount, at the root. */
static json_object *addresses_of(struct call *call, const char *name)
{
	const char *data = call->ctx->config->data_dir;
	const char *script = wire_env(call->req->wire, "SCRIPT_NAME"),
		   *base = strrchr(data, '/') + 1;
	CLEAN_FREE char *found = selftest_below_root(call, data);
	CLEAN_FREE char *below = mem_printf("%s/%s/%s", call->req->mount, base, name);
	CLEAN_FREE char *top = mem_printf("/%s/%s", base, name);
	CLEAN_FREE char *self = mem_printf("/%s", name);
	json_object *list = json_object_new_array();

	if (found != NULL) {
		CLEAN_FREE char *path = mem_printf("%s/%s", found, name);
		add_address(list, path);
	}
	if (script != NULL && strrchr(script, '/') != NULL) {
		CLEAN_FREE char *beside = mem_printf(
		    "%.*s/%s/%s", (int)(strrchr(script, '/') - script), script, base, name);
		add_address(list, beside);
	}
	add_address(list, below);
	add_address(list, top);
	add_address(list, self);
	return list;
}

static enum err answer(struct call *call, json_object *m)
{
	json_set_bool(m, "success", true);
	reply_model(call->reply, 200, "json", m);
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

/* Two files with a word in them: one nobody may reach, one for X-Sendfile to send. */
static enum err probe_begin(struct call *call)
{
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, call->ctx->config->data_dir);
	char word[PROBE_HEX + 1];
	token_hex(word, PROBE_HEX);
	CLEAN_FREE char *name = mem_printf(PROBE "%s.txt", word);
	CLEAN_FREE char *sent = mem_printf("datasets/%s", name);
	enum err err = dir < 0 ? error_errno(&call->error, ERR_IO, "data_dir")
			       : fs_mkdirs(dir, "datasets", &call->error);

	if (err != ERR_OK)
		return err;
	remove_old(dir);
	CLEAN_FD int datasets = fs_open_dir(dir, "datasets");
	if (datasets >= 0)
		remove_old(datasets);
	err = fs_replace(dir, name, word, PROBE_HEX, &call->error);
	if (err == ERR_OK)
		err = fs_replace(dir, sent, word, PROBE_HEX, &call->error);
	if (err != ERR_OK)
		return err;
	json_object *m = json_set_str(json_object_new_object(), "word", word);
	json_set(m, "addresses", addresses_of(call, name));
	return answer(call, m);
}

/* The path of a probe's file, NULL when WORD is none of ours.  Caller frees. */
static char *probe_path(const char *folder, const char *word)
{
	return word != NULL && token_is_hex(word, PROBE_HEX)
		   ? mem_printf("%s" PROBE "%s.txt", folder, word)
		   : NULL;
}

static enum err probe_end(struct call *call)
{
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, call->ctx->config->data_dir);
	CLEAN_FREE char *name = probe_path("", form_get(&call->form, "word"));
	CLEAN_FREE char *sent = probe_path("datasets/", form_get(&call->form, "word"));

	if (name == NULL)
		return admin_fail(call, ERR_BAD_REQUEST, "bad_choice", "word", "");
	(void)unlinkat(dir, name, 0);
	(void)unlinkat(dir, sent, 0);
	return answer(call, json_object_new_object());
}

/* ---- does a process outlive its request? */

static enum err hold_begin(struct call *call)
{
	const struct config *c = call->ctx->config;
	CLEAN_FREE char *program = mem_printf("%s/slipway-worker", c->program_dir);
	char *argv[] = {program,
			(char *)(uintptr_t) "--data-dir",
			c->data_dir,
			(char *)(uintptr_t) "--self-test",
			c->path == NULL ? NULL : (char *)(uintptr_t) "--config",
			c->path,
			NULL};
	struct error error = {0};
	bool started = child_detach(program, argv, c->log_file, &error) == ERR_OK;
	return answer(call, json_set_bool(json_object_new_object(), "started", started));
}

/* It holds a lock for as long as it lives, and ends when the file is gone. */
static enum err hold_end(struct call *call)
{
	CLEAN_FREE char *path = mem_printf("%s/" HOLD_FILE, call->ctx->config->data_dir);
	CLEAN_FD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	bool alive = fd >= 0 && fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
	(void)unlink(path);
	return answer(call, json_set_bool(json_object_new_object(), "alive", alive));
}

/* ---- the page */

static enum err page(struct call *call)
{
	const struct config *c = call->ctx->config;
	json_object *m = json_object_new_object(), *settings = json_object_new_object();
	json_set(m, "checks", selftest_host(call));
	json_set(m, "probes", probe_words(call));
	json_set_bool(settings, "interim", c->interim);
	json_set_bool(settings, "sendfile", c->sendfile != SENDFILE_NONE);
	json_set_bool(settings, "spawn", c->worker_spawn);
	json_set_bool(settings, "slices", !c->worker_spawn && c->slice_s > 0);
	json_set(m, "settings", settings);
	return admin_answer(call, "selftest", m, 200);
}

enum err selftest_view(struct call *call)
{
	static const struct admin_action actions[] = {
	    {"probe_begin", true, probe_begin},
	    {"probe_end", true, probe_end},
	    {"hold_begin", true, hold_begin},
	    {"hold_end", true, hold_end},
	};
	bool answers = false;
	return call->req->method == METHOD_POST
		   ? admin_do(call, actions, sizeof(actions) / sizeof(*actions), &answers)
		   : page(call);
}

/* ---- the echo: what of a request reaches us, and how */

struct heard {
	int64_t bytes;
	int64_t spread_ms; /* between the first piece of the body and the last */
};

static enum err listen_to_body(struct call *call, struct heard *ret)
{
	struct wire *wire = call->req->wire;
	CLEAN_FREE char *buf = mem_alloc(PIECE);
	int64_t first = 0, last = clock_mono_ms(), want = call->req->content_length;
	ssize_t n = 1;

	if (want < 0 && !call->req->chunked)
		return ERR_OK;
	while ((want < 0 || ret->bytes < want) && (n = wire_read(wire, buf, PIECE, 500)) != 0) {
		int64_t now = clock_mono_ms();
		if (n == -2 || transport_stopping() ||
		    (n < 0 && now - last > call->ctx->config->upload_body_idle_s * 1000))
			return error_set(&call->error, ERR_CUT, "the body ended early");
		if (n < 0)
			continue;
		first = ret->bytes == 0 ? now : first;
		last = now;
		ret->bytes += n;
	}
	ret->spread_ms = ret->bytes > 0 ? last - first : 0;
	return ERR_OK;
}

static enum err send_probe(struct call *call, const char *word)
{
	const struct config *c = call->ctx->config;
	CLEAN_FREE char *path = probe_path("datasets/", word);
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, c->data_dir);
	int fd = path == NULL || dir < 0 ? -1 : fs_open_read(dir, path);

	if (fd < 0)
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	reply_file(call->reply, fd, PROBE_HEX, "text/plain; charset=utf-8", NULL, NULL);
	if (c->sendfile != SENDFILE_NONE)
		call->reply->sendfile_path = mem_printf("%s/%s", c->data_dir, path);
	return ERR_OK;
}

static void heard_line(struct call *call, const struct heard *heard, json_object *m)
{
	const char *header = req_header(call->req, "X-Slipway-Probe");
	json_set_str(m, "method", call->req->method_name);
	json_set_str(m, "mount", call->req->mount);
	json_set_str(m, "path", call->req->path);
	json_set_int(m, "bytes", heard->bytes);
	json_set_int(m, "spread_ms", heard->spread_ms);
	json_set_int(m, "length", call->req->content_length);
	json_set_bool(m, "chunked", call->req->chunked);
	json_set_bool(m, "authorization", req_header(call->req, "Authorization") != NULL);
	json_set_int(m, "header", header == NULL ? 0 : (int64_t)strlen(header));
	json_set_int(m, "now", clock_now_ms());
}

enum err selftest_echo_view(struct call *call)
{
	struct heard heard = {0};
	json_object *m = NULL;

	if (req_query(call->req, "file") != NULL)
		return send_probe(call, req_query(call->req, "file"));
	if (req_query(call->req, "interim") != NULL) {
		struct pairs none = {0};
		reply_interim(call->req, 104, &none);
	}
	if (req_query(call->req, "early") != NULL) {
		call->reply->close_early = true;
	} else {
		enum err err = listen_to_body(call, &heard);
		if (err != ERR_OK)
			return err;
	}
	m = json_object_new_object();
	heard_line(call, &heard, m);
	reply_header(call->reply, "X-Slipway-Method", call->req->method_name);
	return answer(call, m);
}
