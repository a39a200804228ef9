/*
 * slipway check --url: asks a running site what its web server does with requests, one line each.
 * Source: contracts/front-ends.md 5.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "admin/command.h"
#include "admin/privilege.h"
#include "admin/selftest_ask.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "store/users.h"

#define ECHO_PATH "/admin/self-test/echo"
#define TEST_PATH "/admin/self-test"
/* Of the token made for this run, should it not come to deleting it. */
#define KEY_MS	  (3600 * 1000)
#define USERS_MAX 100000
#define UPLOAD	  300000 /* bytes: of the upload that is cut, and of the body with a pause in it */
#define CUT_AT	  50000
#define HOLD_MS	  3000
#define TUS	  "Tus-Resumable: 1.0.0"

struct test {
	struct site site;
	json_object *page; /* what the site says of itself */
	int failed;	   /* lines */
};

/* ---- lines, in the words of the site */

/* The words are the site's, and whoever answers there may be somebody else: nothing of them reaches
 * the terminal's controls. */
static void print_words(const char *words, const char *after)
{
	for (; *words != '\0'; words++)
		(void)putchar((unsigned char)*words < ' ' || *words == 0x7f ? '?' : *words);
	(void)fputs(after, stdout);
}

static void print_line(struct test *t, const char *verdict, const char *title, const char *message)
{
	static const char *const verdicts[] = {"ok", "warn", "fail"};
	size_t i = 0;

	/* Another word is none of ours: it counts as the worst. */
	while (i < 2 && strcmp(verdicts[i], verdict) != 0)
		i++;
	printf("%-4s  ", verdicts[i]);
	print_words(title, ": ");
	print_words(message, "\n");
	t->failed += i == 2;
	(void)fflush(stdout);
}

/* VALUE stands where NAME in braces is in the words. */
static void say(struct test *t, const char *id, const char *verdict, const char *name,
		const char *value)
{
	json_object *probe = NULL;
	JSON_EACH(probe, json_arr(t->page, "probes"))
	{
		if (strcmp(json_str(probe, "id", ""), id) != 0)
			continue;
		const char *words = json_str(probe, verdict, "");
		const char *open = name != NULL ? strchr(words, '{') : NULL;
		CLEAN_FREE char *message = open == NULL
					       ? mem_strdup(words)
					       : mem_printf("%.*s%s%s", (int)(open - words), words,
							    value, open + strlen(name) + 2);
		print_line(t, verdict, json_str(probe, "title", id), message);
	}
}

static void say_status(struct test *t, const char *id, bool good, const char *bad,
		       const struct got *got)
{
	char status[300];
	snprintf(status, sizeof(status), "%ld", got->status);
	say(t, id, good ? "ok" : bad, good ? NULL : "status",
	    got->status > 0 ? status : got->error);
}

/* ---- what is asked */

static void ask_mount(struct test *t)
{
	struct got got = site_ask(&t->site, &(struct ask){.method = "GET", .path = ECHO_PATH});
	const char *host = strstr(t->site.url, "://"),
		   *mount = host == NULL ? NULL : strchr(host + 3, '/');
	bool good = got.ours &&
		    strcmp(json_str(got.json, "mount", "?"), mount != NULL ? mount : "") == 0 &&
		    strcmp(json_str(got.json, "path", ""), ECHO_PATH) == 0;
	say(t, "mount", good ? "ok" : "fail", NULL, NULL);
	if (got.date_ms > 0) {
		/* Date has whole seconds. */
		int64_t apart = (clock_now_ms() - got.date_ms) / 1000;
		char seconds[32];
		snprintf(seconds, sizeof(seconds), "%lld", (long long)apart);
		say(t, "clock", apart >= -60 && apart <= 60 ? "ok" : "warn", "seconds", seconds);
	}
	got_done(&got);
}

static void ask_streaming(struct test *t)
{
	struct got got = site_ask(
	    &t->site, &(struct ask){.method = "POST",
				    .path = ECHO_PATH,
				    .size = UPLOAD,
				    .pause_at = UPLOAD / 2,
				    .headers = {"Content-Type: application/octet-stream"}});
	/* The pause is a second long: a server that handed on what it had shows most of it. */
	say(t, "streaming", json_int(got.json, "spread_ms", 0) >= 500 ? "ok" : "warn", NULL, NULL);
	got_done(&got);
}

/* The address of an upload made by tus, as a path of the host; caller frees.  NULL: there is none,
 * and that is said. */
static char *make_upload(struct test *t)
{
	CLEAN_FREE char *length = mem_printf("Upload-Length: %d", UPLOAD);
	struct got got = site_ask(
	    &t->site, &(struct ask){.method = "POST",
				    .path = "/files/",
				    .headers = {TUS, length,
						"Upload-Metadata: filename c2VsZi10ZXN0LmJpbg=="}});
	const char *host = strstr(got.location, "://");
	const char *path = host == NULL ? got.location : strchr(host + 3, '/');
	char *ret = got.status == 201 && path != NULL && *path == '/' ? mem_strdup(path) : NULL;

	if (ret == NULL) {
		CLEAN_FREE char *why = mem_printf("POST /files/ %ld %s", got.status, got.error);
		say(t, "cut", "fail", "text", why);
	}
	got_done(&got);
	return ret;
}

static void ask_cut(struct test *t)
{
	CLEAN_FREE char *path = make_upload(t);
	CLEAN_FREE char *key = mem_printf("X-Slipway-Key: %s", t->site.token);
	struct got got = {0};

	if (path == NULL)
		return;
	got = site_ask(
	    &t->site,
	    &(struct ask){.method = "PATCH",
			  .path = path,
			  .foreign = true,
			  .size = UPLOAD,
			  .cut_at = CUT_AT,
			  .headers = {TUS, "Upload-Offset: 0",
				      "Content-Type: application/offset+octet-stream", key}});
	got_done(&got);
	clock_sleep_ms(HOLD_MS / 3); /* the server notices */
	got = site_ask(
	    &t->site,
	    &(struct ask){.method = "HEAD", .path = path, .foreign = true, .headers = {TUS, key}});
	if (got.status == 200 || got.status == 204) {
		say(t, "cut", got.offset == CUT_AT ? "ok" : "warn", NULL, NULL);
	} else {
		CLEAN_FREE char *why = mem_printf("HEAD %ld %s", got.status, got.error);
		say(t, "cut", "fail", "text", why);
	}
	got_done(&got);
	got =
	    site_ask(&t->site,
		     &(struct ask){
			 .method = "DELETE", .path = path, .foreign = true, .headers = {TUS, key}});
	got_done(&got);
}

static bool ask_body(struct test *t, const char *id, int64_t size, bool chunked, const char *bad)
{
	struct got got = site_ask(
	    &t->site, &(struct ask){.method = "POST",
				    .path = ECHO_PATH,
				    .size = size,
				    .chunked = chunked,
				    .headers = {"Content-Type: application/octet-stream"}});
	bool good = got.ours && json_int(got.json, "bytes", -1) == size;
	say_status(t, id, good, bad, &got);
	got_done(&got);
	return good;
}

static void ask_bodies(struct test *t)
{
	static const struct {
		const char *id;
		int64_t size;
		const char *bad;
	} bodies[] = {{"body_128k", 128 * KIB, "fail"},
		      {"body_1m", MIB, "fail"},
		      {"body_8m", 8 * MIB, "fail"},
		      {"body_64m", 64 * MIB, "warn"}};
	bool good = true;
	/* What is larger than the first that is refused is refused as well. */
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies) && good; i++)
		good = ask_body(t, bodies[i].id, bodies[i].size, false, bodies[i].bad);
	(void)ask_body(t, "chunked", 100 * KIB, true, "warn");
}

static void ask_methods(struct test *t)
{
	static const char *const methods[][2] = {
	    {"PUT", "put"}, {"PATCH", "patch"}, {"DELETE", "delete"}, {"HEAD", "head"}};
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		struct got got =
		    site_ask(&t->site, &(struct ask){.method = methods[i][0], .path = ECHO_PATH});
		say_status(t, methods[i][1], got.ours && strcmp(got.method, methods[i][0]) == 0,
			   "fail", &got);
		got_done(&got);
	}
}

static void ask_headers(struct test *t)
{
	static const struct {
		const char *id;
		size_t size;
		const char *bad;
		/* The longest one: with its name below what Apache hands to a FastCGI program. */
	} sizes[] = {{"header_4k", 4000, "fail"},
		     {"header_8k", 8000, "warn"},
		     {"header_16k", 15900, "warn"}};
	CLEAN_FREE char *auth = mem_printf("Authorization: Bearer %s", t->site.token);
	struct got got = site_ask(
	    &t->site, &(struct ask){.method = "GET", .path = ECHO_PATH, .headers = {auth}});

	say(t, "authorization", json_bool(got.json, "authorization", false) ? "ok" : "warn", NULL,
	    NULL);
	got_done(&got);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		CLEAN_FREE char *long_header =
		    mem_printf("X-Slipway-Probe: %0*d", (int)sizes[i].size, 0);
		got = site_ask(
		    &t->site,
		    &(struct ask){.method = "GET", .path = ECHO_PATH, .headers = {long_header}});
		say_status(t, sizes[i].id,
			   json_int(got.json, "header", 0) == (int64_t)sizes[i].size, sizes[i].bad,
			   &got);
		got_done(&got);
	}
}

static void ask_answers(struct test *t)
{
	struct got got = site_ask(
	    &t->site, &(struct ask){.method = "POST",
				    .path = ECHO_PATH "?early=1",
				    .size = MIB,
				    .headers = {"Content-Type: application/octet-stream"}});
	say_status(t, "early", got.ours && json_bool(got.json, "success", false), "warn", &got);
	got_done(&got);
	if (json_bool(json_obj(t->page, "settings"), "interim", false)) {
		got = site_ask(&t->site,
			       &(struct ask){.method = "GET", .path = ECHO_PATH "?interim=1"});
		say_status(t, "interim", got.status == 200 && json_bool(got.json, "success", false),
			   "fail", &got);
		got_done(&got);
	}
}

/* POST do=WHAT; caller frees.  NULL: it was not done. */
static json_object *act(struct test *t, const char *what, const char *word)
{
	CLEAN_FREE char *body = mem_printf("do=%s&word=%s", what, word);
	struct got got =
	    site_ask(&t->site,
		     &(struct ask){.method = "POST",
				   .path = TEST_PATH,
				   .text = body,
				   .size = (int64_t)strlen(body),
				   .headers = {"Content-Type: application/x-www-form-urlencoded"}});
	json_object *ret = got.status == 200 ? json_object_get(got.json) : NULL;
	got_done(&got);
	return ret;
}

static void ask_data(struct test *t)
{
	json_object *probe = act(t, "probe_begin", ""), *address = NULL;
	const char *word = json_str(probe, "word", NULL), *found = NULL;

	if (word == NULL) {
		say(t, "data", "warn", NULL, NULL);
		return;
	}
	JSON_EACH(address, json_arr(probe, "addresses"))
	{
		const char *path = json_object_get_string(address);
		struct got got = site_ask(
		    &t->site, &(struct ask){.method = "GET", .path = path, .foreign = true});
		if (got.text != NULL && strstr(got.text, word) != NULL)
			found = path;
		got_done(&got);
	}
	say(t, "data", found != NULL ? "fail" : "ok", found != NULL ? "address" : NULL, found);
	if (json_bool(json_obj(t->page, "settings"), "sendfile", false)) {
		CLEAN_FREE char *path = mem_printf(ECHO_PATH "?file=%s", word);
		struct got got = site_ask(&t->site, &(struct ask){.method = "GET", .path = path});
		say_status(t, "sendfile", got.text != NULL && strcmp(got.text, word) == 0, "fail",
			   &got);
		got_done(&got);
	}
	json_object_put(act(t, "probe_end", word));
	json_object_put(probe);
}

static void ask_outlives(struct test *t)
{
	json_object *settings = json_obj(t->page, "settings"), *begun = act(t, "hold_begin", ""),
		    *end = NULL;
	clock_sleep_ms(HOLD_MS);
	end = act(t, "hold_end", "");
	bool alive = json_bool(end, "alive", false), spawn = json_bool(settings, "spawn", false);
	if (json_bool(begun, "started", false) && end != NULL)
		say(t, "outlives",
		    alive && json_bool(settings, "slices", false) ? "warn"
		    : !alive && spawn				  ? "fail"
								  : "ok",
		    NULL, NULL);
	json_object_put(begun);
	json_object_put(end);
}

/* What the site sees from inside; it comes with the words for the rest.  False: there is no Slipway
 * to ask. */
static bool ask_page(struct test *t)
{
	struct got got = site_ask(&t->site, &(struct ask){.method = "GET", .path = TEST_PATH});
	json_object *check = NULL;

	if (got.status == 200 && got.ours && json_arr(got.json, "checks") != NULL)
		t->page = json_object_get(got.json);
	JSON_EACH(check, json_arr(t->page, "checks"))
	print_line(t, json_str(check, "verdict", ""), json_str(check, "title", ""),
		   json_str(check, "message", ""));
	if (t->page == NULL && got.status == 0)
		(void)command_fail("check: %s: %s", t->site.url, got.error);
	else if (t->page == NULL && !got.ours)
		(void)command_fail("check: %s%s: %ld, and it is not Slipway that answers: is the "
				   "program mounted there?",
				   t->site.url, TEST_PATH, got.status);
	else if (t->page == NULL && (got.status == 401 || got.status == 403))
		(void)command_fail(
		    "check: %s does not take the token (%ld): an administrator's is needed",
		    t->site.url, got.status);
	else if (t->page == NULL)
		(void)command_fail("check: %s%s: %ld %s", t->site.url, TEST_PATH, got.status,
				   json_str(got.json, "error_msg", ""));
	got_done(&got);
	return t->page != NULL;
}

static int run(struct test *t)
{
	static void (*const probes[])(struct test *) = {ask_mount,   ask_streaming, ask_cut,
							ask_bodies,  ask_methods,   ask_headers,
							ask_answers, ask_data,	    ask_outlives};
	if (!ask_page(t))
		return 1;
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++)
		probes[i](t);
	printf("%d failed\n", t->failed);
	return t->failed > 0 ? 1 : 0;
}

/* ---- whose token */

struct pass_key {
	char user[128];
	char id[65];
	const char *token;
	const char *name; /* of the key: no other has it */
};

static enum err key_make_pass(struct pass *p, void *arg)
{
	struct pass_key *k = arg;
	CLEAN_JSON json_object *users = NULL;
	json_object *user = NULL;
	enum err err = users_list(p, USERS_MAX, &users);

	*k->user = '\0';
	JSON_EACH(user, users)
	{
		if (*k->user == '\0' && strcmp(user_role(user), "administrator") == 0 &&
		    !json_bool(user, "disabled", false))
			snprintf(k->user, sizeof(k->user), "%s", json_str(user, "name", ""));
	}
	if (err == ERR_OK && *k->user == '\0')
		return ERR_NOT_FOUND;
	int64_t now = clock_now_ms();
	return err == ERR_OK ? keys_add(p, k->user, k->name, false, now + KEY_MS, now, k->token)
			     : err;
}

static enum err key_drop_pass(struct pass *p, void *arg)
{
	struct pass_key *k = arg;
	CLEAN_JSON json_object *keys = NULL;
	json_object *key = NULL;
	enum err err = keys_list(p, k->user, &keys);

	JSON_EACH(key, keys)
	{
		if (err == ERR_OK && strcmp(json_str(key, "name", ""), k->name) == 0)
			err = keys_delete(p, k->user, json_str(key, "id", ""));
	}
	return err;
}

/* On the host itself: with a token of its own, made for this and removed afterwards. */
static int run_with_store(struct command_run *r, struct test *t)
{
	struct error error = {0};
	char name[32] = "self-test ";
	struct pass_key k = {.token = t->site.token, .name = name};

	token_hex(name + strlen(name), 16);
	enum err err = privilege_drop(r->config, false, &error);
	if (err == ERR_OK)
		err = store_open(r->config, false, &r->store, &error);
	if (err == ERR_OK)
		err = store_pass(r->store, PASS_SYNC, "key", key_make_pass, &k, &error);
	if (err == ERR_NOT_FOUND)
		return command_fail(
		    "check: there is no administrator yet; give a token with --token-stdin");
	if (err != ERR_OK)
		return command_error("check", err, &error);
	int status = run(t);
	err = store_pass(r->store, PASS_DELETE, "key", key_drop_pass, &k, &error);
	return err == ERR_OK ? status : command_error("check", err, &error);
}

int check_url_command(struct command_run *r)
{
	struct test t = {0};
	char line[256] = "";
	const char *lang = getenv("LANG");
	bool given = r->argc == 3 && strcmp(r->argv[2], "--token-stdin") == 0;

	if ((r->argc != 2 && !given) ||
	    (!text_starts(r->argv[1], "http://") && !text_starts(r->argv[1], "https://")))
		return 2;
	if (given && fgets(line, sizeof(line), stdin) != NULL)
		line[strcspn(line, "\r\n")] = '\0';
	if (given && *line == '\0')
		return command_fail("check: no token on standard input");
	if (!given)
		token_letters(line, 40);
	size_t len = strlen(r->argv[1]);
	while (len > 0 && r->argv[1][len - 1] == '/')
		len--;
	t.site = (struct site){.url = mem_strndup(r->argv[1], len),
			       .token = mem_strdup(line),
			       .lang = lang != NULL && text_starts(lang, "zh") ? "zh" : "en"};
	int status = given ? run(&t) : run_with_store(r, &t);
	json_object_put(t.page);
	site_close(&t.site);
	return status;
}
