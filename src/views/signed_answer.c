/*
 * What callers of the signed APIs are answered, and what is noted of a call when it ends.  The
 * texts are part of the wire format: existing clients compare them.
 * Source: contracts/signed-api.md 1 ("log"), 3.6, 7.3.
 */
#include "views/signed.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "signed/journal.h"
#include "store/accounts.h"
#include "views/errors.h"

static const char media_type[] = "application/json; charset=utf-8";

void signed_begin(struct signed_call *s, struct call *call, enum signed_api api)
{
	*s = (struct signed_call){.call = call, .api = api, .now_ms = clock_now_ms()};
	s->stamp = "";
	s->once.lock.fd = -1;
}

/* ---- answers */

static void common_headers(struct signed_call *s, bool refused)
{
	struct reply *reply = s->call->reply;

	if (s->task != 0)
		reply_header_int(reply, "X-Slipway-Task", s->task);
	if (s->once.replayed)
		reply_header(reply, "X-Slipway-Replayed", "1");
	/* Never with credentials: a signature is all that counts here. */
	if (s->account != NULL && json_int(s->account, "cors", 0) == 1)
		reply_header(reply, "Access-Control-Allow-Origin", "*");
	if (s->refusal.code == REFUSE_RATE)
		reply_header_int(reply, "Retry-After", s->retry_after_s);
	reply->close_early = refused;
}

static char *quoted(const char *text)
{
	CLEAN_JSON json_object *o = json_object_new_string(text);

	return json_print(o, NULL);
}

/* With the blanks of the documented sample. */
static void print_status(struct call *call, int http, int status, const char *msg)
{
	CLEAN_FREE char *text = quoted(msg);
	CLEAN_FREE char *body = mem_printf("{\"status\": %d, \"msg\": %s}", status, text);

	reply_text(call->reply, http, media_type, body);
}

static void print_result(struct call *call, int http, const char *result, const char *data)
{
	CLEAN_FREE char *text = quoted(data);
	CLEAN_FREE char *body = mem_printf("{\"result\": \"%s\", \"data\": %s}", result, text);

	reply_text(call->reply, http, media_type, body);
}

enum err signed_answer_rows(struct signed_call *s, int status, const char *msg,
			    const json_object *rows)
{
	bool by_status = s->call->ctx->config->signed_status;

	print_status(s->call, by_status ? status : 200, status, msg);
	if (rows != NULL) {
		CLEAN_FREE char *counts = mem_printf("inserted=%lld updated=%lld deleted=%lld",
						     (long long)json_int(rows, "inserted", 0),
						     (long long)json_int(rows, "updated", 0),
						     (long long)json_int(rows, "deleted", 0));

		reply_header(s->call->reply, "X-Slipway-Rows", counts);
	}
	common_headers(s, status != 200);
	return ERR_OK;
}

enum err signed_answer_file(struct signed_call *s, int status, const char *result, const char *data)
{
	print_result(s->call, status, result, data);
	common_headers(s, status != 200);
	return ERR_OK;
}

void signed_answer_json(struct signed_call *s, const char *text)
{
	reply_text(s->call->reply, 200, media_type, text);
	common_headers(s, false);
}

/*
 * For the operator's log of refusals.  A wrong signature was noted when it was found; what became a
 * task is seen there.
 */
static void note_refusal(const struct signed_call *s)
{
	if (s->refusal.code != REFUSE_AUTH && s->task == 0 && json_int(s->account, "log", 1) >= 1)
		signed_journal(s, NULL);
}

void signed_journal(const struct signed_call *s, const char *why)
{
	struct journal_entry e = {.time_ms = s->now_ms,
				  .account = s->visitor,
				  .receiver = s->type,
				  .address = s->call->req->address,
				  .request = s->call->req->id};

	journal_add(s->call->ctx->config->data_dir, &e, &s->refusal, why);
}

enum err signed_refuse(struct signed_call *s)
{
	char text[sizeof(s->refusal.what) + 64];
	enum refuse code = s->refusal.code;

	(void)refusal_text(&s->refusal, text, sizeof(text));
	note_refusal(s);
	if (s->refusal.reason[0] != '\0')
		log_line(LOG_LEVEL_INFO, s->call->req->id, "refused (%s): %s", text,
			 s->refusal.reason);
	if (s->api == SIGNED_ROWS)
		(void)signed_answer_rows(s, refusal_status(code), text, NULL);
	else
		(void)signed_answer_file(s, code == REFUSE_LARGE ? 413 : 200, "error", text);
	s->call->reply->close_early = true;
	return ERR_OK;
}

/* ---- errors that are nobody's fault here */

static enum refuse refusal_of(enum err err)
{
	if (err == ERR_TOO_LARGE || err == ERR_EXCEEDED || err == ERR_QUOTA ||
	    err == ERR_URI_LONG || err == ERR_HEADERS)
		return REFUSE_LARGE;
	if (err == ERR_NO_SPACE)
		return REFUSE_SPACE;
	if (err == ERR_RATE)
		return REFUSE_RATE;
	if (err == ERR_NOT_FOUND)
		return REFUSE_UNKNOWN;
	if (err == ERR_AUTH)
		return REFUSE_AUTH;
	if (err == ERR_FORBIDDEN)
		return REFUSE_FORBIDDEN;
	if (err_status(err) == 503)
		return REFUSE_UNREACHABLE;
	return err_status(err) >= 500 ? REFUSE_DATABASE : REFUSE_BAD;
}

static void fill(struct refusal *r, enum err err)
{
	enum refuse code = refusal_of(err);

	refuse(r, code, "%s",
	       code == REFUSE_DATABASE ? "other"
	       : code == REFUSE_BAD    ? "the request cannot be read"
				       : "");
}

bool signed_err(struct signed_call *s, enum err err)
{
	fill(&s->refusal, err);
	if (err_is_ours(err))
		log_line(LOG_LEVEL_ERROR, s->call->req->id, "%s: %s", err_name(err),
			 s->call->error.text);
	return false;
}

static bool is_file_api(const char *path)
{
	return text_starts(path, "/etl/");
}

bool signed_owns_path(const char *path)
{
	return text_starts(path, "/echart/dataset_api") ||
	       text_starts(path, "/etl/api/upload_file_api");
}

void signed_print_error(struct call *call, enum err err, const json_object *details)
{
	struct refusal r = {0};
	char text[sizeof(r.what) + 64];
	int status = err_status(err);

	(void)details;
	fill(&r, err);
	(void)refusal_text(&r, text, sizeof(text));
	if (err == ERR_METHOD)
		(void)snprintf(text, sizeof(text), "method not allowed");
	if (is_file_api(call->req->path))
		print_result(call, status == 405 || status == 413 ? status : 200, "error", text);
	else
		print_status(call, status == 405 || call->ctx->config->signed_status ? status : 200,
			     status, text);
}

/* ---- the end of a call */

static enum err count_pass(struct pass *p, void *arg)
{
	const struct signed_call *s = arg;
	enum err err = accounts_call(p, s->visitor, json_int(s->account, "limit", 0), s->now_ms);

	return err == ERR_RATE ? ERR_OK : err;
}

struct unsigned_call {
	const struct signed_call *s;
	bool first; /* today */
};

static enum err unsigned_pass(struct pass *p, void *arg)
{
	struct unsigned_call *u = arg;

	return accounts_unsigned(p, u->s->visitor, u->s->now_ms, &u->first);
}

/* The operator is reminded once a day that a secret travels with each request. */
static void warn_unsigned(const struct signed_call *s)
{
	struct unsigned_call u = {.s = s};

	if (store_pass(s->call->ctx->store, PASS_WRITE_NOSYNC, "unsigned", unsigned_pass, &u,
		       NULL) == ERR_OK &&
	    u.first)
		log_line(LOG_LEVEL_WARN, s->call->req->id,
			 "account %s sends its secret itself (mode unsigned): whoever reads one "
			 "request can write for ever",
			 s->visitor);
}

/* What an account with "log" 2 sent, for a week: without its secret. */
static void keep_content(const struct signed_call *s)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	json_object *fields = json_object_new_object();
	CLEAN_FREE char *path =
	    mem_printf("requests/%lld-%.8s.json", (long long)s->now_ms, s->call->req->id);
	CLEAN_FREE char *text = NULL;
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, s->call->ctx->config->data_dir);
	CLEAN_FD int fd = -1;
	struct error error = {0};
	size_t len;

	json_set_int(o, "time", s->now_ms);
	json_set_str(o, "account", s->visitor);
	json_set_str(o, "address", s->call->req->address);
	json_set_int(o, "task", s->task);
	json_set_int(o, "status", refusal_status(s->refusal.code));
	json_set(o, "fields", fields);
	for (size_t i = 0; i < s->fields.n; i++) {
		if (!text_ieq(s->fields.v[i].name, "token"))
			json_set_str(fields, s->fields.v[i].name, s->fields.v[i].value);
	}
	text = json_print(o, &len);
	if (dir < 0 || fs_mkdirs(dir, "requests", &error) != ERR_OK ||
	    (fd = fs_create(dir, path)) < 0 || fs_write_all(fd, text, len, &error) != ERR_OK)
		log_line(LOG_LEVEL_WARN, s->call->req->id,
			 "the content of a request is not kept: %s", error.text);
}

/* The line of an accepted signature, the count of the minute, the content. */
static void note(struct signed_call *s)
{
	int64_t log = json_int(s->account, "log", 1);

	if (json_int(s->account, "limit", 0) > 0 && !s->counted)
		(void)store_pass(s->call->ctx->store, PASS_WRITE_NOSYNC, "call", count_pass, s,
				 NULL);
	if (s->plain)
		warn_unsigned(s);
	if (log >= 1)
		log_line(LOG_LEVEL_INFO, s->call->req->id,
			 "signed request of %s from %s to %s: %d%s, task %lld", s->visitor,
			 s->call->req->address, s->type != NULL ? s->type : "-",
			 refusal_status(s->refusal.code), s->once.replayed ? " again" : "",
			 (long long)s->task);
	if (log >= 2 && s->read)
		keep_content(s);
}

void signed_end(struct signed_call *s)
{
	if (s->account != NULL)
		note(s);
	replay_unlock(&s->once.lock);
	receiver_free(s->receiver);
	json_object_put(s->record);
	json_object_put(s->account);
	json_object_put(s->once.answer);
	digest_free(s->head.run);
	digest_free(s->file.run);
	spool_end(s->file.spool);
	free(s->file.name);
	free(s->head.path);
	free(s->head_visitor);
	pairs_done(&s->fields);
}
