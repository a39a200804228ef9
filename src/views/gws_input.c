/*
 * The fields of a chunk or finish command, from JSON, MessagePack, a form, or a query beside raw
 * bytes.
 */
#include "views/gws.h"

#include <string.h>
#include <strings.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/inflate.h"
#include "views/files.h"

/* ---- the table */

#define TYPE(t)	   (1u << (FLAT_##t))
#define COMMAND(c) (1u << (GWS_##c))
#define ANY	   ((1u << FLAT__MAX) - 1)

static const struct rule {
	const char *name;
	unsigned types;	   /* bits of flat_type that are taken */
	unsigned known;	   /* bits of the commands that know it */
	unsigned required; /* … that need it */
} rules[] = {
    {"uploadUid", TYPE(TEXT) | TYPE(NULL), COMMAND(CHUNK) | COMMAND(FINISH), COMMAND(FINISH)},
    {"fileName", TYPE(TEXT), COMMAND(CHUNK), COMMAND(CHUNK)},
    {"totalSize", TYPE(INT), COMMAND(CHUNK), COMMAND(CHUNK)},
    {"chunkNumber", TYPE(INT), COMMAND(CHUNK), COMMAND(CHUNK)},
    {"chunkCount", TYPE(INT), COMMAND(CHUNK), COMMAND(CHUNK)},
    {"content", TYPE(TEXT) | TYPE(BYTES) | TYPE(LIST), COMMAND(CHUNK), 0},
    {"contentBase64", TYPE(TEXT), COMMAND(CHUNK), 0},
    {"sha256", TYPE(TEXT) | TYPE(NULL), COMMAND(FINISH), 0},
    {"projectUid", TYPE(TEXT) | TYPE(NULL), COMMAND(CHUNK) | COMMAND(FINISH), 0},
    {"localeUid", TYPE(TEXT) | TYPE(NULL), COMMAND(CHUNK) | COMMAND(FINISH), 0},
    {"uid", ANY, COMMAND(CHUNK) | COMMAND(FINISH), 0},
};

#define N_RULES (sizeof(rules) / sizeof(*rules))

static const struct rule *rule_of(const struct flat_member *m)
{
	for (size_t i = 0; i < N_RULES; i++)
		if (strlen(rules[i].name) == m->name_len &&
		    memcmp(rules[i].name, m->name, m->name_len) == 0)
			return &rules[i];
	return NULL;
}

static enum err bad_field(struct call *call, const char *name)
{
	return call_fail(call, ERR_BAD_REQUEST,
			 problem_str(problem_new("bad_body"), "field", name));
}

static enum err check_fields(struct call *call, struct gws_input *in)
{
	unsigned command = 1u << in->command;

	for (size_t i = 0; i < in->fields.n; i++) {
		const struct flat_member *m = &in->fields.v[i];
		const struct rule *r = rule_of(m);
		if (r == NULL || (r->known & command) == 0)
			return bad_field(call, NULL);
		if ((r->types & (1u << m->type)) == 0)
			return bad_field(call, r->name);
	}
	for (size_t i = 0; i < N_RULES; i++)
		if ((rules[i].required & command) != 0 &&
		    flat_find(&in->fields, rules[i].name) == NULL)
			return bad_field(call, rules[i].name);
	return ERR_OK;
}

/* ---- the chunk's bytes */

static enum err take_content(struct call *call, struct gws_input *in)
{
	struct flat_member *m = flat_find(&in->fields, "content"),
			   *coded = flat_find(&in->fields, "contentBase64");

	if ((m == NULL) == (coded == NULL))
		return bad_field(call, "content");
	if (coded != NULL) {
		if (!base64_decode(coded->p, coded->len, &in->decoded, &in->content_len))
			return bad_field(call, "contentBase64");
		in->content = in->decoded;
		return ERR_OK;
	}
	if (m->type == FLAT_LIST && !flat_list_bytes(&in->fields, m))
		return bad_field(call, "content");
	in->content = m->p;
	in->content_len = m->len;
	return ERR_OK;
}

static ssize_t read_content(void *arg, void *buf, size_t size, int wait_ms)
{
	struct gws_input *in = arg;
	size_t left = in->content_len - in->content_read, n = left < size ? left : size;

	(void)wait_ms;
	memcpy(buf, in->content + in->content_read, n);
	in->content_read += n;
	return (ssize_t)n;
}

struct body gws_content(struct call *call, struct gws_input *in)
{
	if (in->spool != NULL)
		return spool_body(in->spool);
	if (in->content == NULL)
		return files_body(call->req);
	return (struct body){.read = read_content, .arg = in, .length = (int64_t)in->content_len};
}

int64_t gws_number(struct gws_input *in, const char *name)
{
	return flat_find(&in->fields, name)->number;
}

char *gws_text(struct gws_input *in, const char *name)
{
	const struct flat_member *m = flat_find(&in->fields, name);

	return m == NULL || m->type != FLAT_TEXT ? mem_strdup("") : mem_strndup(m->p, m->len);
}

/* ---- commands */

/* Is NAME one of the words of LIST? */
static bool in_list(const char *list, const char *name, size_t len)
{
	for (const char *p = list; *p != '\0'; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");
		if (n == len && memcmp(p, name, n) == 0)
			return true;
		p += n;
	}
	return false;
}

static enum err find_command(struct call *call, const char *name, size_t len, struct gws_input *in)
{
	const struct config *c = call->ctx->config;

	if (in_list(c->gws_chunk_commands, name, len))
		in->command = GWS_CHUNK;
	else if (in_list(c->gws_finish_commands, name, len))
		in->command = GWS_FINISH;
	else
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	return ERR_OK;
}

/* At /_ the command is a field, which then goes. */
static enum err command_from_fields(struct call *call, struct gws_input *in)
{
	struct flat_member *m = flat_find(&in->fields, "cmd");

	if (m == NULL || m->type != FLAT_TEXT)
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	enum err err = find_command(call, m->p, m->len, in);
	*m = in->fields.v[--in->fields.n];
	return err;
}

/* ---- the four encodings */

static bool encoding_of(const char *type, enum gws_encoding *ret)
{
	static const char *const types[GWS_ENCODING__MAX] = {
	    [GWS_JSON] = "application/json",
	    [GWS_MSGPACK] = "application/msgpack",
	    [GWS_MULTIPART] = "multipart/form-data",
	    [GWS_RAW] = "application/octet-stream",
	};

	for (int i = 0; i < GWS_ENCODING__MAX; i++) {
		if (text_starts(type, types[i])) {
			*ret = (enum gws_encoding)i;
			return true;
		}
	}
	return false;
}

/* Fields that are all text: what has to be a number is read as one. */
static enum err take_pairs(struct call *call, const struct pairs *pairs, struct flat *f)
{
	for (size_t i = 0; i < pairs->n; i++) {
		const struct pair *p = &pairs->v[i];
		struct flat_member *m = &f->v[f->n];
		if (f->n == FLAT_MEMBERS || flat_find(f, p->name) != NULL)
			return bad_field(call, p->name);
		*m = (struct flat_member){.name = p->name,
					  .name_len = strlen(p->name),
					  .type = FLAT_TEXT,
					  .p = p->value,
					  .len = strlen(p->value)};
		const struct rule *r = rule_of(m);
		if (r != NULL && r->types == TYPE(INT) &&
		    text_int(p->value, INT64_MIN, INT64_MAX, &m->number))
			m->type = FLAT_INT;
		f->n++;
	}
	return ERR_OK;
}

/* The body in memory, unpacked. */
static enum err read_body(struct call *call, struct gws_input *in, size_t *ret_len)
{
	int64_t max = call->ctx->config->gws_max_request;
	const char *coding = req_header(call->req, "Content-Encoding");
	char *packed = NULL;
	size_t len = 0;
	enum err err = form_body(call->req, max, "gws.max_request", &packed, &len, &call->error);

	if (err == ERR_OK && coding != NULL && text_ieq(coding, "gzip")) {
		err = inflate_gzip(packed, len, (size_t)max, &in->body, ret_len);
		free(packed);
		if (err == ERR_TOO_LARGE)
			(void)error_code(&call->error, err, "gws.max_request");
		return err;
	}
	in->body = packed;
	*ret_len = len;
	return err;
}

static enum err read_object(struct call *call, struct gws_input *in)
{
	size_t len = 0;
	enum err err = read_body(call, in, &len);

	if (err == ERR_TOO_LARGE || (err != ERR_OK && err != ERR_BAD_REQUEST))
		return err;
	if (err == ERR_OK)
		err = in->encoding == GWS_JSON ? flat_json(in->body, len, &in->fields)
					       : flat_msgpack(in->body, len, &in->fields);
	if (err != ERR_OK)
		return call_fail(
		    call, err,
		    problem_new(in->encoding == GWS_JSON ? "malformed_json" : "malformed_msgpack"));
	return ERR_OK;
}

struct part {
	struct call *call;
	struct gws_input *in;
	int64_t bytes;
};

static enum err part_begin(void *arg, const char *field, const char *filename, const char *type,
			   struct error *error)
{
	struct part *p = arg;

	(void)filename;
	(void)type;
	if (strcmp(field, "content") != 0 || p->in->spool != NULL)
		return bad_field(p->call, field);
	return spool_begin(p->call->ctx->engine, &p->in->spool, error);
}

static enum err part_data(void *arg, const void *bytes, size_t n, struct error *error)
{
	struct part *p = arg;

	p->bytes += (int64_t)n;
	if (p->bytes > p->call->ctx->config->gws_max_request)
		return error_code(error, ERR_TOO_LARGE, "gws.max_request");
	return spool_push(p->in->spool, bytes, n, error);
}

static enum err part_end(void *arg, struct error *error)
{
	(void)arg;
	(void)error;
	return ERR_OK;
}

static enum err read_multipart(struct call *call, struct gws_input *in)
{
	struct part p = {.call = call, .in = in};
	struct form_sink sink = {
	    .begin = part_begin, .data = part_data, .end = part_end, .arg = &p};
	enum err err = form_read(call->req, &call->form, &sink, &call->error);

	if (err == ERR_OK)
		err = take_pairs(call, &call->form.fields, &in->fields);
	if (err == ERR_OK && in->spool != NULL) {
		if (in->fields.n == FLAT_MEMBERS || flat_find(&in->fields, "content") != NULL)
			return bad_field(call, "content");
		in->fields.v[in->fields.n++] =
		    (struct flat_member){.name = "content", .name_len = 7, .type = FLAT_BYTES};
	}
	return err;
}

/*
 * Fields in the query; the body, unless it must be unpacked first, goes from the wire to the
 * engine.
 */
static enum err read_raw(struct call *call, struct gws_input *in)
{
	const char *coding = req_header(call->req, "Content-Encoding");
	struct flat_member *m = &in->fields.v[0];
	size_t len = 0;

	if (call->req->chunked)
		return error_set(&call->error, ERR_NEED_LENGTH, "chunked");
	*m = (struct flat_member){.name = "content", .name_len = 7, .type = FLAT_BYTES};
	if (coding != NULL && text_ieq(coding, "gzip")) {
		enum err err = read_body(call, in, &len);
		if (err != ERR_OK)
			return err;
		m->p = in->body;
		m->len = len;
	}
	in->fields.n = 1;
	return take_pairs(call, &call->req->query, &in->fields);
}

static enum err read_fields(struct call *call, struct gws_input *in)
{
	const char *coding = req_header(call->req, "Content-Encoding");
	bool packed = coding != NULL && *coding != '\0' && !text_ieq(coding, "identity");

	/* An unpacked form would have to lie in memory as a whole. */
	if (packed && (!text_ieq(coding, "gzip") || in->encoding == GWS_MULTIPART))
		return error_set(&call->error, ERR_TYPE, "Content-Encoding %.40s", coding);
	if (call->req->content_length > call->ctx->config->gws_max_request)
		return error_code(&call->error, ERR_TOO_LARGE, "gws.max_request");
	switch (in->encoding) {
	case GWS_JSON:
	case GWS_MSGPACK:
		return read_object(call, in);
	case GWS_MULTIPART:
		return read_multipart(call, in);
	case GWS_RAW:
		return read_raw(call, in);
	case GWS_ENCODING__MAX:
		break;
	}
	return ERR_INTERNAL;
}

enum err gws_input_read(struct call *call, struct gws_input *in)
{
	const char *name = pairs_get(&call->params, "command");
	size_t len = name == NULL ? 0 : strlen(name);
	enum err err = ERR_OK;

	while (len > 0 && name[len - 1] == '/')
		len--;
	if (len > 0)
		err = find_command(call, name, len, in);
	if (err != ERR_OK)
		return err;
	if (!encoding_of(call->req->content_type, &in->encoding))
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	err = read_fields(call, in);
	if (err == ERR_OK && len == 0)
		err = command_from_fields(call, in);
	/* Raw bytes are the content of whatever takes one. */
	if (err == ERR_OK && in->encoding == GWS_RAW && in->command != GWS_CHUNK)
		in->fields.v[0] = in->fields.v[--in->fields.n];
	if (err == ERR_OK)
		err = check_fields(call, in);
	if (err == ERR_OK && in->command == GWS_CHUNK)
		err = take_content(call, in);
	return err;
}

void gws_input_done(struct gws_input *in)
{
	spool_end(in->spool);
	free(in->body);
	free(in->decoded);
	*in = (struct gws_input){0};
}
