/*
 * What a signed request says: form, JSON object or query, all read as the same fields.  A file part
 * is kept in a spool without a name, so that a refused request leaves nothing behind.
 */
#include "views/signed.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "http/flat.h"
#include "http/form.h"

/* Fields that must not come twice, in whatever case and wherever. */
static const char *const once[] = {"visitor", "token",	  "stamp", "type",  "title",	"ds",
				   "update",  "filename", "mail",  "param", "contents", "upload"};

const char *signed_field(const struct signed_call *s, const char *name)
{
	return pairs_get(&s->fields, name);
}

static size_t count(const struct pairs *pairs, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < pairs->n; i++)
		n += text_ieq(pairs->v[i].name, name);
	return n;
}

static bool nothing_twice(struct signed_call *s)
{
	const struct req *req = s->call->req;

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
		size_t n = count(&s->fields, once[i]);

		/* The query of a POST says nothing, but must not say it a second time either. */
		if (req->method == METHOD_POST && n > 0)
			n += count(&req->query, once[i]);
		if (n > 1)
			return refuse(&s->refusal, REFUSE_BAD, "%s is there twice", once[i]);
	}
	return true;
}

/* ---- a file part */

/* Where the fields stand in front of the file, a wrong signature costs no disk. */
static bool known_before_file(struct signed_call *s)
{
	bool ok = true;

	s->fields = s->form->fields;
	if (signed_field(s, "token") != NULL && signed_field(s, "stamp") != NULL &&
	    signed_field(s, "visitor") != NULL &&
	    (signed_field(s, "type") != NULL || signed_field(s, "title") != NULL))
		ok = signed_check_who(s);
	s->fields = (struct pairs){0};
	return ok;
}

static enum err file_begin(void *arg, const char *field, const char *filename, const char *type,
			   struct error *error)
{
	struct signed_call *s = arg;

	(void)field;
	(void)type;
	if (!known_before_file(s))
		return error_set(error, ERR_AUTH, "refused before the file");
	if (s->file.name != NULL)
		return error_set(error, ERR_CONFLICT, "two files");
	s->file.name = mem_strdup(filename);
	s->file.run = digest_new(DIGEST_SHA256);
	return spool_begin(s->call->ctx->engine, &s->file.spool, error);
}

static enum err file_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct signed_call *s = arg;

	s->file.bytes += (int64_t)n;
	if (s->file.bytes > s->call->ctx->config->signed_max_file)
		return error_set(error, ERR_TOO_LARGE, "over signed.max_file");
	digest_feed(s->file.run, bytes, n);
	return spool_push(s->file.spool, bytes, n, error);
}

static enum err file_end(void *arg, struct error *error)
{
	struct signed_call *s = arg;
	unsigned char digest[32];

	(void)error;
	digest_end(s->file.run, digest);
	s->file.run = NULL;
	token_print_hex(digest, sizeof(digest), s->file.sha256);
	return ERR_OK;
}

static void tap(void *arg, const void *bytes, size_t n)
{
	struct signed_call *s = arg;

	if (s->head.run != NULL)
		digest_feed(s->head.run, bytes, n);
}

/* ---- bodies */

static enum err read_form(struct signed_call *s)
{
	const struct config *c = s->call->ctx->config;
	struct form_sink sink = {.tap = tap,
				 .any_text = true,
				 .arg = s,
				 .text_max = c->signed_max_body,
				 .body_max = c->signed_max_body};
	struct form form = {0};
	enum err err;

	if (s->api == SIGNED_FILE) {
		sink.begin = file_begin;
		sink.data = file_data;
		sink.end = file_end;
	}
	s->form = &form;
	err = form_read(s->call->req, &form, &sink, &s->call->error);
	s->form = NULL;
	s->fields = form.fields;
	form.fields = (struct pairs){0};
	form_done(&form);
	return err;
}

static void add_member(struct signed_call *s, const struct flat_member *m)
{
	CLEAN_FREE char *name = mem_strndup(m->name, m->name_len);
	CLEAN_FREE char *text = NULL;

	switch (m->type) {
	case FLAT_NULL:
	case FLAT__MAX:
		return;
	case FLAT_BOOL:
		pairs_add(&s->fields, name, m->number != 0 ? "true" : "false");
		return;
	case FLAT_INT:
		text = mem_printf("%lld", (long long)m->number);
		break;
	case FLAT_TEXT:
	case FLAT_LIST:
	case FLAT_OBJECT:
		if (memchr(m->p, '\0', m->len) == NULL)
			text = mem_strndup(m->p, m->len);
		break;
	case FLAT_FLOAT:
	case FLAT_BYTES:
		break;
	}
	pairs_add(&s->fields, name, text != NULL ? text : PAIRS_NO_TEXT);
}

static enum err read_json(struct signed_call *s)
{
	CLEAN_FREE char *body = NULL;
	struct flat *flat;
	size_t len;
	enum err err = form_body(s->call->req, s->call->ctx->config->signed_max_body,
				 "signed.max_body", &body, &len, &s->call->error);

	if (err != ERR_OK)
		return err;
	tap(s, body, len);
	flat = mem_alloc(sizeof(*flat));
	err = flat_json_top(body, len, flat);
	for (size_t i = 0; err == ERR_OK && i < flat->n; i++)
		add_member(s, &flat->v[i]);
	free(flat);
	return err;
}

static enum err read_query(struct signed_call *s)
{
	const struct pairs *query = &s->call->req->query;

	for (size_t i = 0; i < query->n; i++)
		pairs_add(&s->fields, query->v[i].name, query->v[i].value);
	return ERR_OK;
}

/* What the client is told of a body that cannot be read. */
static bool body_refused(struct signed_call *s, enum err err)
{
	if (s->refusal.code != REFUSE_NOTHING)
		return false;
	if (err == ERR_TOO_LARGE || err == ERR_EXCEEDED)
		return refuse(&s->refusal, REFUSE_LARGE, "%s", "");
	if (err == ERR_CONFLICT)
		return refuse(&s->refusal, REFUSE_BAD, "two files");
	if (err == ERR_NEED_LENGTH)
		return refuse(&s->refusal, REFUSE_BAD, "the body's length is not known");
	if (err == ERR_TYPE)
		return refuse(&s->refusal, REFUSE_BAD, "content type");
	if (err == ERR_BAD_REQUEST || err == ERR_CUT)
		return refuse(&s->refusal, REFUSE_BAD, "the body cannot be read");
	return signed_err(s, err);
}

/* The body is the one that was signed. */
static bool hash_right(struct signed_call *s)
{
	unsigned char digest[32];
	char hex[65];

	if (s->head.run == NULL)
		return true;
	digest_end(s->head.run, digest);
	s->head.run = NULL;
	token_print_hex(digest, sizeof(digest), hex);
	return token_equal(s->head.hmac.content_sha256, hex) ||
	       signed_failed(s, "another body was signed");
}

bool signed_read(struct signed_call *s)
{
	const struct req *req = s->call->req;
	const struct config *c = s->call->ctx->config;
	int64_t max = s->api == SIGNED_FILE ? c->signed_max_file : c->signed_max_body;
	enum err err;

	if (req->content_length > max && req->method == METHOD_POST)
		return refuse(&s->refusal, REFUSE_LARGE, "%s", "");
	if (s->head.signature != NULL)
		s->head.run = digest_new(DIGEST_SHA256);
	if (req->method != METHOD_POST)
		err = read_query(s);
	else if (s->api == SIGNED_ROWS && req->body_type == BODY_JSON)
		err = read_json(s);
	else
		err = read_form(s);
	s->read = err == ERR_OK;
	return err == ERR_OK ? hash_right(s) && nothing_twice(s) : body_refused(s, err);
}
