/*
 * POST /echart/dataset_api/: rows of a signed request into the receiver's table, in one
 * transaction, once.  GET: the upload log.  Source: contracts/signed-api.md 3.
 */
#include "views/dataset_api.h"

#include <string.h>

#include "base/mem.h"
#include "store/accounts.h"
#include "views/views.h"

/* ---- steps 8 and 9: operation and content */

static bool check_operation(struct dataset_call *d)
{
	struct signed_call *s = &d->s;

	d->op_known = receiver_operation(signed_field(s, "update"), &d->op);
	if (d->op_known && (s->receiver->ops & 1U << d->op) == 0)
		return refuse(&s->refusal, REFUSE_FORBIDDEN, "%s", "");
	return true;
}

static bool check_rows(struct dataset_call *d)
{
	struct signed_call *s = &d->s;
	const char *text = signed_field(s, "ds");

	if (text == NULL)
		return refuse(&s->refusal, REFUSE_BAD, "no ds");
	if (strcmp(text, PAIRS_NO_TEXT) == 0)
		return refuse(&s->refusal, REFUSE_BAD, "ds is not UTF-8 text");
	if (!d->op_known)
		return refuse(&s->refusal, REFUSE_BAD, "update is neither 0, 1 nor 2");
	if (!ds_open(text, strlen(text), s->receiver->max_rows, &d->ds, &s->refusal))
		return false;
	if (ds_count(d->ds) == 0 && !s->receiver->allow_empty)
		return refuse(&s->refusal, REFUSE_BAD, "no rows");
	return true;
}

static bool open_order(struct dataset_call *d)
{
	struct signed_call *s = &d->s;
	d->order =
	    (struct write_order){.receiver = s->receiver,
				 .op = d->op,
				 .visitor = s->visitor,
				 .stamp_ms = s->stamp_ms,
				 .mark = s->once.key,
				 .rows = ds_rows(d->ds),
				 .lock_wait_ms = s->call->ctx->config->signed_lock_wait_s * 1000,
				 .codes = dataset_api_codes,
				 .keep = dataset_api_keep,
				 .max_bad = 1,
				 .arg = d};

	return write_open(s->call->ctx->targets, &d->order, &d->write, &s->refusal);
}

/* ---- the way through */

static bool identified(struct signed_call *s)
{
	return signed_check_head(s) && signed_read(s) && signed_check_who(s);
}

/* Everything up to the answer of success. */
static bool receive(struct dataset_call *d)
{
	struct signed_call *s = &d->s;

	if (!signed_check_receiver(s) || !check_operation(d) || !check_rows(d))
		return false;
	if (s->call->ctx->config->read_only)
		return refuse(&s->refusal, REFUSE_UNREACHABLE, "%s", "");
	signed_once_prepare(s);
	if (!open_order(d))
		return false;
	if (dataset_api_together(d))
		return s->refusal.code == REFUSE_NOTHING;
	if (!dataset_api_claim(d))
		return false;
	if (s->once.answer != NULL)
		return true;
	d->written = write_run(d->write, &d->counts, &s->refusal);
	dataset_api_finish(&d, 1);
	return s->refusal.code == REFUSE_NOTHING;
}

static enum err answer(struct dataset_call *d)
{
	struct signed_call *s = &d->s;
	const json_object *a = s->once.answer;

	return signed_answer_rows(s, (int)json_int(a, "status", 200), json_str(a, "msg", "success"),
				  json_obj(a, "rows"));
}

static void done(struct dataset_call *d)
{
	/* It borrows the order, which borrows the rows and the receiver. */
	if (d->write != NULL)
		write_close(d->write);
	ds_free(d->ds);
	signed_end(&d->s);
	json_object_put(d->task);
	free(d->kept);
}

enum err dataset_api_view(struct call *call)
{
	struct dataset_call d = {0};
	struct signed_call *s = &d.s;
	bool get = call->req->method != METHOD_POST;

	if (!call->ctx->config->signed_enabled)
		return ERR_NOT_FOUND;
	signed_begin(s, call, SIGNED_ROWS);
	/* Datasets are not read here; nothing is looked up for that answer. */
	if (get && !uploadlog_named(req_query(call->req, "type")))
		(void)signed_answer_file(s, 200, "error", "query of datasets is not offered");
	else if (!identified(s))
		(void)signed_refuse(s);
	else if (uploadlog_asked(s))
		(void)(uploadlog_answer(s) ? ERR_OK : signed_refuse(s));
	else
		(void)(receive(&d) ? answer(&d) : signed_refuse(s));
	done(&d);
	return ERR_OK;
}

/* ---- preflights */

struct cors {
	const char *visitor; /* NULL = not known */
	bool allowed;
};

static enum err cors_pass(struct pass *p, void *arg)
{
	struct cors *c = arg;
	CLEAN_JSON json_object *list = NULL;
	json_object *account = NULL;
	enum err err;

	c->allowed = false;
	if (c->visitor != NULL) {
		err = accounts_get(p, c->visitor, &account);
		c->allowed = json_int(account, "cors", 0) == 1;
		json_object_put(account);
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	}
	err = accounts_list(p, SIZE_MAX, &list);
	JSON_EACH(account, list)
	c->allowed = c->allowed || json_int(account, "cors", 0) == 1;
	return err;
}

/* Who will sign the request is not in its preflight, so any account that wants it is enough. */
enum err dataset_api_options_view(struct call *call)
{
	struct cors c = {.visitor = req_query(call->req, "visitor")};
	enum err err;

	if (!call->ctx->config->signed_enabled)
		return ERR_NOT_FOUND;
	dispatch_allow(call->reply, METHOD_BIT(METHOD_GET) | METHOD_BIT(METHOD_POST));
	call->reply->status = 204;
	call->reply->body = REPLY_NOTHING;
	if (req_header(call->req, "Access-Control-Request-Method") == NULL)
		return ERR_OK;
	err = store_pass(call->ctx->store, PASS_READ, "cors", cors_pass, &c, &call->error);
	if (err != ERR_OK || !c.allowed)
		return err;
	reply_header(call->reply, "Access-Control-Allow-Origin", "*");
	reply_header(call->reply, "Access-Control-Allow-Methods", "GET, POST");
	reply_header(call->reply, "Access-Control-Allow-Headers",
		     "Content-Type, X-Slipway-Visitor, X-Slipway-Timestamp, X-Slipway-Nonce, "
		     "X-Slipway-Content-SHA256, X-Slipway-Signature");
	reply_header(call->reply, "Access-Control-Max-Age", "600");
	return ERR_OK;
}
