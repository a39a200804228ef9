/*
 * Who signed a request, and may he?  The steps 2 to 8 of contracts/signed-api.md 2.1: whatever is
 * wrong with visitor, signature or time is worked out to its end and answered alike.
 */
#include "views/signed.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/field.h"
#include "store/accounts.h"

#define FAILURES_MAX 20 /* of an address in a minute */

/* What an unknown visitor's signature is compared with: read like an account's record. */
static const char nobody[] =
    "{\"v\":1,\"name\":\"-\",\"token\":\"0000000000000000000000000000000000000000000\","
    "\"limit\":0,\"log\":1,\"cors\":0,\"modes\":[],\"window\":300,\"replay\":\"on\","
    "\"user\":\"-\",\"receivers\":[],\"mailMax\":100,\"created\":0,\"changed\":0}";

/* ---- what the store knows, in one pass */

struct look {
	struct signed_call *s;
	bool allowed;			 /* fewer failures than an address may have */
	bool spent;			 /* the account's calls of this minute are used up */
	json_object *account, *receiver; /* NULL = unknown */
};

static enum err look_pass(struct pass *p, void *arg)
{
	struct look *l = arg;
	struct signed_call *s = l->s;
	enum err err;

	json_object_put(l->account);
	json_object_put(l->receiver);
	l->account = l->receiver = NULL;
	err = signed_failures_check(p, s->call->req->address, FAILURES_MAX, s->now_ms, &l->allowed);
	if (err == ERR_OK)
		err = accounts_get(p, s->visitor, &l->account);
	if (err == ERR_NOT_FOUND)
		err = json_read(nobody, strlen(nobody), &json_limits_form, &l->account);
	if (err == ERR_OK) {
		err = accounts_may_call(p, s->visitor, json_int(l->account, "limit", 0), s->now_ms);
		l->spent = err == ERR_RATE;
		err = l->spent ? ERR_OK : err;
	}
	if (err == ERR_OK && s->type != NULL)
		err = receivers_get(p, s->type, &l->receiver);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err failure_pass(struct pass *p, void *arg)
{
	const struct signed_call *s = arg;

	return signed_failures_note(p, s->call->req->address, s->now_ms);
}

/* The one answer; the log alone hears why. */
bool signed_failed(struct signed_call *s, const char *why)
{
	log_line(LOG_LEVEL_INFO, s->call->req->id, "signed request of \"%.80s\" from %s: %s",
		 s->visitor != NULL ? s->visitor : "", s->call->req->address, why);
	(void)store_pass(s->call->ctx->store, PASS_WRITE_NOSYNC, "failure", failure_pass, s, NULL);
	(void)refuse(&s->refusal, REFUSE_AUTH, "%s", "");
	signed_journal(s, why);
	return false;
}

/* ---- the signature */

/* The secrets that count now: during a rotation the old one, too.  Borrowed from ACCOUNT. */
static size_t secrets_of(const json_object *account, int64_t now_ms, const char *ret[2])
{
	const char *old = json_str(account, "oldToken", NULL);
	size_t n = 0;

	ret[n++] = json_str(account, "token", "");
	if (old != NULL && json_int(account, "oldUntil", 0) > now_ms)
		ret[n++] = old;
	return n;
}

static bool has_mode(const json_object *account, const char *mode)
{
	json_object *item, *modes = json_arr(account, "modes");

	if (modes == NULL)
		return json_get(account, "modes") == NULL && strcmp(mode, "sha1") == 0;
	JSON_EACH(item, modes)
	{
		if (strcmp(json_object_get_string(item), mode) == 0)
			return true;
	}
	return false;
}

/* What is wrong with ACCOUNT's signature, NULL = nothing.  Everything is computed in any case. */
static const char *signature_wrong(struct signed_call *s, const json_object *account)
{
	static const char no_token[] = "0000000000000000000000000000000000000000";
	const char *secrets[2], *token = signed_field(s, "token");
	size_t n = secrets_of(account, s->now_ms, secrets);
	bool head = s->head.signature != NULL;
	bool right, fresh, plain = false, timed = signature_stamp(s->stamp, &s->stamp_ms);
	int64_t window = json_int(account, "window", 300) * 1000;

	if (head) {
		right = signature_hmac_ok(secrets, n, &s->head.hmac, s->head.signature);
		right = right && has_mode(account, "hmac");
	} else {
		const char *given = token != NULL ? token : no_token;
		bool sha1 = signature_sha1_ok(secrets, n, s->stamp, s->visitor, s->type, given);

		plain = signature_plain_ok(secrets, n, given) && *s->stamp == '\0';
		right =
		    (sha1 && has_mode(account, "sha1")) || (plain && has_mode(account, "unsigned"));
	}
	fresh = timed && s->stamp_ms <= s->now_ms + window && s->stamp_ms >= s->now_ms - window;
	if (plain)
		s->stamp_ms = s->now_ms;
	s->plain = plain;
	if (strcmp(json_str(account, "name", ""), s->visitor) != 0)
		return "unknown account";
	if (json_bool(account, "disabled", false))
		return "the account is disabled";
	if (!right)
		return "wrong signature";
	return fresh || plain ? NULL : "stamp outside the window";
}

static bool host_allowed(const json_object *account, const char *address)
{
	json_object *item, *hosts = json_arr(account, "host");

	if (json_get(account, "host") == NULL)
		return true;
	JSON_EACH(item, hosts)
	{
		if (address_in(address, json_object_get_string(item)))
			return true;
	}
	return false;
}

/* Failed attempts, signature, time; then whether this address may call, and how often. */
static bool judge(struct signed_call *s, struct look *l)
{
	const char *wrong;

	s->retry_after_s = (int)(60 - s->now_ms / 1000 % 60);
	if (!l->allowed)
		return refuse(&s->refusal, REFUSE_RATE, "%s", "");
	wrong = signature_wrong(s, l->account);
	if (wrong != NULL)
		return signed_failed(s, wrong);
	s->account = l->account;
	l->account = NULL;
	if (!host_allowed(s->account, s->call->req->address)) {
		(void)snprintf(s->refusal.reason, sizeof(s->refusal.reason), "address %s",
			       s->call->req->address);
		return refuse(&s->refusal, REFUSE_FORBIDDEN, "%s", "");
	}
	if (l->spent) {
		s->counted = true; /* a refused one more changes nothing */
		return refuse(&s->refusal, REFUSE_RATE, "%s", "");
	}
	return true;
}

static bool look(struct signed_call *s)
{
	struct look l = {.s = s};
	enum err err =
	    store_pass(s->call->ctx->store, PASS_RECALL, "signed", look_pass, &l, &s->call->error);
	bool ok = err == ERR_OK ? judge(s, &l) : signed_err(s, err);

	json_object_put(l.account);
	s->record = l.receiver;
	return ok;
}

/* ---- HMAC mode: before the body */

static const char *head_field(const struct signed_call *s, const char *name)
{
	const char *value = req_header(s->call->req, name);

	return value != NULL ? value : "";
}

bool signed_check_head(struct signed_call *s)
{
	const struct req *req = s->call->req;
	struct hmac_request *h = &s->head.hmac;
	const char *uri = wire_env(req->wire, "REQUEST_URI");
	const char *query = uri != NULL ? strchr(uri, '?') : NULL;

	s->head.signature = req_header(req, "X-Slipway-Signature");
	if (s->head.signature == NULL)
		return true;
	s->head.path = mem_printf("%s%s", s->call->ctx->config->signed_path_prefix, req->raw_path);
	*h = (struct hmac_request){.timestamp = head_field(s, "X-Slipway-Timestamp"),
				   .nonce = head_field(s, "X-Slipway-Nonce"),
				   .visitor = head_field(s, "X-Slipway-Visitor"),
				   .method = req->method_name,
				   .path = s->head.path,
				   .query = query != NULL ? query + 1 : "",
				   .content_sha256 = head_field(s, "X-Slipway-Content-SHA256")};
	if (uri == NULL && wire_env(req->wire, "QUERY_STRING") != NULL)
		h->query = wire_env(req->wire, "QUERY_STRING");
	s->stamp = h->timestamp;
	if (!signature_hmac_shape_ok(h) ||
	    field_unescape(h->visitor, strlen(h->visitor), false, &s->head_visitor) != ERR_OK ||
	    !signature_text_ok(s->head_visitor, strlen(s->head_visitor)))
		return signed_failed(s, "malformed head fields");
	s->visitor = s->head_visitor;
	return look(s);
}

/* ---- after the body */

static enum err receiver_pass(struct pass *p, void *arg)
{
	struct signed_call *s = arg;
	enum err err;

	json_object_put(s->record);
	s->record = NULL;
	err = receivers_get(p, s->type, &s->record);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static bool text_ok(const char *text)
{
	return text != NULL && signature_text_ok(text, strlen(text));
}

/* HMAC mode: the head was found right; the body names the receiver, and nobody else. */
static bool check_body_of_head(struct signed_call *s)
{
	const char *visitor = signed_field(s, "visitor");
	enum err err;

	if (!text_ok(s->type))
		return signed_failed(s, "no type, or not a text");
	if (visitor != NULL && strcmp(visitor, s->visitor) != 0)
		return signed_failed(s, "another visitor in the form");
	err = store_pass(s->call->ctx->store, PASS_RECALL, "signed", receiver_pass, s,
			 &s->call->error);
	return err == ERR_OK || signed_err(s, err);
}

bool signed_check_who(struct signed_call *s)
{
	const char *token = signed_field(s, "token");

	s->type = signed_field(s, "type");
	if (s->api == SIGNED_FILE && s->type == NULL)
		s->type = signed_field(s, "title");
	if (s->head.signature != NULL)
		return check_body_of_head(s);
	/* In front of its file, already. */
	if (s->account != NULL)
		return true;
	s->visitor = signed_field(s, "visitor");
	s->stamp = signed_field(s, "stamp");
	if (s->stamp == NULL)
		s->stamp = "";
	if (!text_ok(s->visitor) || !text_ok(s->type) || !text_ok(token) ||
	    (*s->stamp != '\0' && !text_ok(s->stamp))) {
		s->visitor = text_ok(s->visitor) ? s->visitor : NULL;
		return signed_failed(s, "visitor, type, stamp or token missing, or not a text");
	}
	return look(s);
}

/* ---- the receiver */

static bool listed(const json_object *account, const char *name)
{
	json_object *item;

	JSON_EACH(item, json_arr(account, "receivers"))
	{
		const char *text = json_object_get_string(item);

		if (strcmp(text, "*") == 0 || strcmp(text, name) == 0)
			return true;
	}
	return false;
}

bool signed_check_receiver(struct signed_call *s)
{
	struct refusal why = {0};

	if (s->record == NULL || !json_bool(s->record, "enabled", true))
		return refuse(&s->refusal, REFUSE_UNKNOWN, "%s", "");
	/* Never partly used: what cannot be read whole is not there. */
	if (!receiver_read(s->record, &s->receiver, &why)) {
		log_line(LOG_LEVEL_ERROR, s->call->req->id, "receiver %s cannot be used: %s",
			 json_str(s->record, "name", ""), why.what);
		return refuse(&s->refusal, REFUSE_UNKNOWN, "%s", "");
	}
	if (!listed(s->account, s->receiver->name))
		return refuse(&s->refusal, REFUSE_FORBIDDEN, "%s", "");
	if (!(s->api == SIGNED_FILE ? s->receiver->api_file : s->receiver->api_rows))
		return refuse(&s->refusal, REFUSE_FORBIDDEN, "%s", "");
	return true;
}
