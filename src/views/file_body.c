#include "views/file_body.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/multipart.h"

#define PIECE	 ((size_t)64 * 1024)
#define SLICE_MS 500 /* how often a waiting reader looks around */

/* One body on its way. */
struct reading {
	struct call *call;
	const struct file_sink *sink;
	struct file_body *body;
	struct error *error;
	int64_t until; /* monotonic ms: no byte until then is a cut */
	/* a form's */
	struct multipart *parser;
	size_t n_parts;
	enum { NOWHERE, IN_FIELD, IN_FILE, IN_UNCHOSEN } place;
	bool had_file; /* a part with a file name was there, or became one */
	bool nameless; /* the file is a part without a file name: it must be the only part */
	char *text;    /* of the field */
	size_t len, size;
};

/* CODE is what the user is told, WHAT the log. */
static enum err fail(struct reading *r, const char *code, const char *what)
{
	(void)error_set(r->error, ERR_BAD_REQUEST, "%s", what);
	return error_code(r->error, ERR_BAD_REQUEST, code);
}

/* The next bytes; *RET_N = 0 at the end of input. */
static enum err next_bytes(struct reading *r, char *buf, size_t *ret_n)
{
	struct req *req = r->call->req;
	int64_t idle = req->config->upload_body_idle_s * 1000;

	r->until = clock_mono_ms() + idle;
	for (;;) {
		ssize_t n = wire_read(req->wire, buf, PIECE, SLICE_MS);
		enum err err;

		if (n > 0) {
			*ret_n = (size_t)n;
			return ERR_OK;
		}
		if (n == -2 || (n == 0 && req->content_length > wire_received(req->wire)))
			return error_set(r->error, ERR_CUT, "the body ended early");
		if (n == 0) {
			*ret_n = 0;
			return ERR_OK;
		}
		if (transport_stopping())
			return error_set(r->error, ERR_STOPPING, "stopping");
		if (clock_mono_ms() >= r->until)
			return error_set(r->error, ERR_CUT, "no byte for upload.body_idle");
		err = r->body->begun && r->sink->idle != NULL
			  ? r->sink->idle(r->sink->arg, r->error)
			  : ERR_OK;
		if (err != ERR_OK)
			return err;
	}
}

static enum err begin(struct reading *r)
{
	enum err err = r->sink->begin(r->sink->arg, r->error);

	r->body->begun = err == ERR_OK;
	return err;
}

/* ---- the raw body is the file */

static enum err read_raw(struct reading *r)
{
	struct req *req = r->call->req;
	CLEAN_FREE char *buf = mem_alloc(PIECE);
	size_t n;
	enum err err;

	if (req->content_length < 0 && !req->chunked)
		return fail(r, "file_missing", "no body");
	if (req->content_length < 0 && !r->sink->sized)
		return error_set(r->error, ERR_NEED_LENGTH,
				 "chunked body of a file of unknown size");
	err = begin(r);
	while (err == ERR_OK) {
		err = next_bytes(r, buf, &n);
		if (err != ERR_OK || n == 0)
			return err;
		err = r->sink->data(r->sink->arg, buf, n, r->error);
	}
	return err;
}

/* ---- a form */

/* The field being read turns out to be the file: it has no name and is too long for a field. */
static enum err become_file(struct reading *r)
{
	enum err err;

	if (r->had_file || r->n_parts != 1)
		return error_code(r->error, error_set(r->error, ERR_TOO_LARGE, "text field"),
				  "limits.text_field");
	r->had_file = r->nameless = true;
	r->place = IN_FILE;
	err = begin(r);
	return err == ERR_OK && r->len > 0 ? r->sink->data(r->sink->arg, r->text, r->len, r->error)
					   : err;
}

static enum err part_begin(struct reading *r)
{
	const struct multipart_part *part = multipart_part(r->parser);

	r->n_parts++;
	if (r->nameless)
		return fail(r, "one_file", "a part behind a file without a name");
	if (part->filename == NULL) {
		r->place = IN_FIELD;
		r->len = 0;
		return ERR_OK;
	}
	if (*part->filename == '\0') {
		r->place = IN_UNCHOSEN;
		return ERR_OK;
	}
	if (r->had_file)
		return fail(r, "one_file", "two files");
	r->had_file = true;
	r->place = IN_FILE;
	r->body->filename = mem_strdup(part->filename);
	return begin(r);
}

static enum err part_data(struct reading *r, const char *data, size_t n)
{
	enum err err;

	if (r->place == IN_UNCHOSEN)
		return ERR_OK;
	if (r->place == IN_FIELD &&
	    (int64_t)(r->len + n) > r->call->req->config->text_field_bytes) {
		err = become_file(r);
		if (err != ERR_OK)
			return err;
	}
	if (r->place == IN_FILE)
		return r->sink->data(r->sink->arg, data, n, r->error);
	if (r->len + n + 1 > r->size) {
		r->size = 2 * (r->len + n) + 1;
		r->text = mem_resize(r->text, r->size, 1);
	}
	memcpy(r->text + r->len, data, n);
	r->len += n;
	return ERR_OK;
}

static enum err part_end(struct reading *r)
{
	if (r->place == IN_FIELD) {
		/* Whether it is text is asked when it is known not to be the file. */
		pairs_add(&r->body->fields, multipart_part(r->parser)->name, "");
		if (r->len > 0 && memchr(r->text, '\0', r->len) == NULL &&
		    text_is_utf8(r->text, r->len)) {
			struct pair *p = &r->body->fields.v[r->body->fields.n - 1];

			free(p->value);
			p->value = mem_strndup(r->text, r->len);
		} else if (r->len > 0 && (r->n_parts > 1 || r->had_file)) {
			return fail(r, "bad_text", "a field that is no text");
		}
	}
	r->place = NOWHERE;
	return ERR_OK;
}

static enum err take(struct reading *r, const char *p, size_t len)
{
	const char *end = p + len, *data, *why;
	enum err err = ERR_OK;
	size_t n;

	while (err == ERR_OK) {
		switch (multipart_next(r->parser, &p, end, &data, &n)) {
		case MULTIPART_MORE:
			return ERR_OK;
		case MULTIPART_PART:
			err = part_begin(r);
			break;
		case MULTIPART_DATA:
			err = part_data(r, data, n);
			break;
		case MULTIPART_PART_END:
			err = part_end(r);
			break;
		case MULTIPART_END:
			break;
		case MULTIPART_BAD:
			return fail(r, multipart_code(r->parser), multipart_limit(r->parser));
		case MULTIPART_LARGE:
			why = multipart_limit(r->parser);
			err = error_set(r->error, ERR_TOO_LARGE, "%s", why);
			return error_code(r->error, err, why);
		}
	}
	return err;
}

static enum err read_parts(struct reading *r)
{
	CLEAN_FREE char *buf = mem_alloc(PIECE);
	size_t n;

	for (;;) {
		enum err err = next_bytes(r, buf, &n);

		/*
		 * Without a length the closing delimiter is the end, however the connection goes
		 * on.
		 */
		if (err == ERR_CUT && r->call->req->content_length < 0 && multipart_done(r->parser))
			return ERR_OK;
		if (err != ERR_OK)
			return err;
		if (n == 0)
			return multipart_done(r->parser)
				   ? ERR_OK
				   : error_set(r->error, ERR_CUT, "no closing delimiter");
		err = take(r, buf, n);
		if (err != ERR_OK)
			return err;
	}
}

static enum err read_form(struct reading *r)
{
	struct req *req = r->call->req;
	enum err err;

	if (req->content_length == 0 || (req->content_length < 0 && !req->chunked))
		return fail(r, "file_missing", "no body");
	if (req->boundary == NULL)
		return fail(r, "bad_body", "multipart without a usable boundary");
	r->parser = multipart_new(req->boundary, req->config);
	err = read_parts(r);
	if (err == ERR_OK && !r->had_file && r->n_parts == 1 && r->body->fields.n == 1) {
		/* The only part, though it has no file name. */
		pairs_done(&r->body->fields);
		err = become_file(r);
	}
	if (err == ERR_OK && !r->had_file)
		err = fail(r, "file_missing", "no file in the form");
	multipart_free(r->parser);
	free(r->text);
	return err;
}

enum err file_body_read(struct call *call, const struct file_sink *sink, struct file_body *body,
			struct error *error)
{
	const char *coding = req_header(call->req, "Content-Encoding");
	struct reading r = {.call = call, .sink = sink, .body = body, .error = error};

	*body = (struct file_body){0};
	if (coding != NULL && *coding != '\0' && !text_ieq(coding, "identity"))
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("body_packed"), "value", coding));
	return strcmp(call->req->content_type, "multipart/form-data") == 0 ? read_form(&r)
									   : read_raw(&r);
}

void file_body_done(struct file_body *body)
{
	pairs_done(&body->fields);
	free(body->filename);
	*body = (struct file_body){0};
}

const char *file_body_param(const struct call *call, const struct file_body *body, const char *name)
{
	const char *value = req_query(call->req, name);

	if (value == NULL || *value == '\0')
		value = pairs_get(&body->fields, name);
	return value != NULL && *value != '\0' ? value : NULL;
}
