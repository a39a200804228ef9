#include "http/form.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/field.h"
#include "http/multipart.h"

#define SLICE_MS 500 /* how often a waiting reader looks whether we are to stop */
#define PIECE	 ((size_t)64 * 1024)
#define STOP_MOST                                                                                  \
	(1                                                                                         \
	 << 20) /* a body with less than this to come is finished even when stopping             \
		   */

static enum err too_large(struct error *error, const char *limit)
{
	return field_fail(error, ERR_TOO_LARGE, limit, "over %s", limit);
}

/* The next body bytes: *RET_N = 0 at its end.  A body shorter than declared is cut. */
static enum err next_bytes(struct req *req, void *buf, size_t size, size_t *ret_n,
			   struct error *error)
{
	int64_t until = clock_mono_ms() + req->config->upload_body_idle_s * 1000;

	for (;;) {
		int64_t left = req->content_length - wire_received(req->wire);
		if (transport_stopping() && (req->content_length < 0 || left > STOP_MOST))
			return error_set(error, ERR_STOPPING, "stopping");
		ssize_t n = wire_read(req->wire, buf, size, SLICE_MS);
		if (n > 0) {
			*ret_n = (size_t)n;
			return ERR_OK;
		}
		if (n == -2 || (n == 0 && left > 0))
			return error_set(error, ERR_CUT, "body cut");
		if (n == 0) {
			*ret_n = 0;
			return ERR_OK;
		}
		if (transport_stopping())
			return error_set(error, ERR_STOPPING, "stopping");
		if (clock_mono_ms() >= until)
			return error_set(error, ERR_CUT, "no byte for %lld s",
					 (long long)req->config->upload_body_idle_s);
	}
}

enum err form_body(struct req *req, int64_t max, const char *limit, char **ret, size_t *ret_len,
		   struct error *error)
{
	CLEAN_FREE char *buf = NULL;
	size_t size = 0, len = 0, n;

	if (req->content_length > max)
		return too_large(error, limit);
	for (;;) {
		if (len + 1 >= size) {
			size = req->content_length >= 0 ? (size_t)req->content_length + 2
			       : size == 0		? 4096
							: 2 * size;
			if (size > (size_t)max + 2)
				size = (size_t)max + 2;
			buf = mem_resize(buf, size, 1);
		}
		enum err err = next_bytes(req, buf + len, size - 1 - len, &n, error);
		if (err != ERR_OK)
			return err;
		if (n == 0)
			break;
		len += n;
		if ((int64_t)len > max)
			return too_large(error, limit);
	}
	buf[len] = '\0';
	*ret = buf;
	*ret_len = len;
	buf = NULL;
	return ERR_OK;
}

/* ---- urlencoded and JSON */

static enum err read_urlencoded(struct req *req, struct form *form, const struct form_sink *sink,
				int64_t max, struct error *error)
{
	bool any = sink != NULL && sink->any_text;
	CLEAN_FREE char *body = NULL;
	size_t len;

	/* Its only end is the end of the body: without a length a cut would look like a shorter
	 * form. */
	if (req->chunked)
		return error_set(error, ERR_NEED_LENGTH, "chunked form");
	enum err err = form_body(req, max, "limits.urlencoded", &body, &len, error);
	if (err != ERR_OK)
		return err;
	if (sink != NULL && sink->tap != NULL)
		sink->tap(sink->arg, body, len);
	return (any ? pairs_decode_any : pairs_decode)(&form->fields, body, len,
						       (size_t)req->config->form_fields, error);
}

static enum err add_json_value(struct form *form, const char *name, json_object *value, size_t max,
			       struct error *error)
{
	if (value == NULL)
		return ERR_OK;
	if (form->fields.n >= max)
		return too_large(error, "limits.form_fields");
	/* Numbers and truths by their text, an object or a list in a list as JSON: what a form
	 * would have sent. */
	bool nested = json_object_is_type(value, json_type_object) ||
		      json_object_is_type(value, json_type_array);
	CLEAN_FREE char *json = nested ? json_print(value, NULL) : NULL;
	pairs_add(&form->fields, name, nested ? json : json_object_get_string(value));
	return ERR_OK;
}

static enum err read_json(struct req *req, struct form *form, int64_t max, struct error *error)
{
	CLEAN_FREE char *body = NULL;
	struct json_limits limits = json_limits_form;
	size_t len, most = (size_t)req->config->form_fields;
	enum err err = form_body(req, max, "limits.json_body", &body, &len, error);

	if (err != ERR_OK)
		return err;
	limits.bytes = (size_t)max;
	err = json_read(body, len, &limits, &form->json);
	if (err != ERR_OK)
		return error_set(error, err, "JSON body");
	if (!json_object_is_type(form->json, json_type_object))
		return error_set(error, ERR_BAD_REQUEST, "JSON body is no object");
	json_object_object_foreach(form->json, name, value)
	{
		json_object *item;
		if (!json_object_is_type(value, json_type_array)) {
			err = add_json_value(form, name, value, most, error);
		} else {
			JSON_EACH(item, value)
			{
				err = add_json_value(form, name, item, most, error);
				if (err != ERR_OK)
					break;
			}
		}
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

/* ---- multipart: fields gather here, files go on to the sink */

enum place { NOWHERE, IN_FIELD, IN_FILE, IN_UNCHOSEN };

struct gather {
	struct req *req;
	struct form *form;
	const struct form_sink *sink;
	struct multipart *parser;
	int64_t text_max;  /* bytes of one field */
	int64_t total_max; /* bytes of all fields */
	int64_t total;
	enum place place;
	char *text; /* of the field */
	size_t len, size;
};

static enum err part_begin(struct gather *g, struct error *error)
{
	const struct multipart_part *part = multipart_part(g->parser);

	if (part->filename == NULL) {
		if (g->form->fields.n >= (size_t)g->req->config->form_fields)
			return too_large(error, "limits.form_fields");
		g->place = IN_FIELD;
		g->len = 0;
		return ERR_OK;
	}
	if (*part->filename == '\0') {
		g->place = IN_UNCHOSEN;
		return ERR_OK;
	}
	if (g->sink == NULL || g->sink->begin == NULL)
		return error_set(error, ERR_BAD_REQUEST, "file where none is taken");
	g->place = IN_FILE;
	return g->sink->begin(g->sink->arg, part->name, part->filename, part->type, error);
}

static enum err part_data(struct gather *g, const char *data, size_t n, struct error *error)
{
	if (g->place == IN_FILE)
		return g->sink->data(g->sink->arg, data, n, error);
	if (g->place != IN_FIELD)
		return ERR_OK;
	g->total += (int64_t)n;
	if ((int64_t)(g->len + n) > g->text_max || g->total > g->total_max)
		return too_large(error, "limits.text_field");
	if (g->len + n + 1 > g->size) {
		g->size = 2 * (g->len + n) + 1;
		g->text = mem_resize(g->text, g->size, 1);
	}
	memcpy(g->text + g->len, data, n);
	g->len += n;
	return ERR_OK;
}

static enum err part_end(struct gather *g, struct error *error)
{
	enum err err = ERR_OK;

	if (g->place == IN_FILE) {
		g->form->n_files++;
		err = g->sink->end(g->sink->arg, error);
	} else if (g->place == IN_FIELD) {
		bool text = memchr(g->text != NULL ? g->text : "", '\0', g->len) == NULL &&
			    (g->len == 0 || text_is_utf8(g->text, g->len));

		if (!text && (g->sink == NULL || !g->sink->any_text)) {
			free(g->form->fields.bad);
			g->form->fields.bad = mem_strdup(multipart_part(g->parser)->name);
			return field_fail(error, ERR_BAD_REQUEST, "bad_text", "field is not UTF-8");
		}
		if (g->text != NULL)
			g->text[g->len] = '\0';
		pairs_add(&g->form->fields, multipart_part(g->parser)->name,
			  !text		    ? PAIRS_NO_TEXT
			  : g->text != NULL ? g->text
					    : "");
	}
	g->place = NOWHERE;
	return err;
}

/* Everything that happens in LEN bytes of body. */
static enum err gather_bytes(struct gather *g, const char *p, size_t len, struct error *error)
{
	const char *end = p + len, *data;
	enum err err = ERR_OK;
	size_t n;

	while (err == ERR_OK) {
		switch (multipart_next(g->parser, &p, end, &data, &n)) {
		case MULTIPART_MORE:
			return ERR_OK;
		case MULTIPART_PART:
			err = part_begin(g, error);
			break;
		case MULTIPART_DATA:
			err = part_data(g, data, n, error);
			break;
		case MULTIPART_PART_END:
			err = part_end(g, error);
			break;
		case MULTIPART_END:
			break;
		case MULTIPART_BAD:
			return field_fail(error, ERR_BAD_REQUEST, multipart_code(g->parser),
					  "multipart: %s", multipart_limit(g->parser));
		case MULTIPART_LARGE:
			return too_large(error, multipart_limit(g->parser));
		}
	}
	return err;
}

static enum err read_multipart(struct req *req, struct form *form, const struct form_sink *sink,
			       struct gather *g, struct error *error)
{
	int64_t length = req->content_length;
	size_t n, size = length >= 0 && length < (int64_t)PIECE ? (size_t)length + 1 : PIECE;

	if (req->boundary == NULL)
		return error_set(error, ERR_BAD_REQUEST, "multipart without a usable boundary");
	CLEAN_FREE char *buf = mem_alloc(size);
	*g = (struct gather){.req = req, .form = form, .sink = sink};
	g->text_max =
	    sink != NULL && sink->text_max > 0 ? sink->text_max : req->config->text_field_bytes;
	g->total_max =
	    sink != NULL && sink->body_max > 0 ? sink->body_max : req->config->json_body_bytes;
	g->parser = multipart_new(req->boundary, req->config);
	for (;;) {
		enum err err = next_bytes(req, buf, size, &n, error);
		/* Without a declared length the closing delimiter is the end, however the
		 * connection goes on. */
		if (err == ERR_CUT && length < 0 && multipart_done(g->parser))
			return ERR_OK;
		if (err != ERR_OK)
			return err;
		if (n == 0)
			break;
		if (sink != NULL && sink->tap != NULL)
			sink->tap(sink->arg, buf, n);
		err = gather_bytes(g, buf, n, error);
		if (err != ERR_OK)
			return err;
	}
	if (!multipart_done(g->parser))
		return error_set(error, ERR_CUT, "multipart without closing delimiter");
	return ERR_OK;
}

enum err form_read(struct req *req, struct form *form, const struct form_sink *sink,
		   struct error *error)
{
	const char *coding = req_header(req, "Content-Encoding");
	bool body = req->content_length > 0 || req->chunked;
	int64_t max = sink != NULL ? sink->body_max : 0;
	struct gather g = {0};
	enum err err = ERR_OK;

	*form = (struct form){0};
	if (coding != NULL && *coding != '\0' && !text_ieq(coding, "identity") && body)
		return error_code(error,
				  error_set(error, ERR_TYPE, "Content-Encoding %.40s", coding),
				  "form_packed");
	switch (req->body_type) {
	case BODY_NONE:
		break;
	case BODY_URLENCODED:
		err = read_urlencoded(req, form, sink,
				      max > 0 ? max : req->config->urlencoded_bytes, error);
		break;
	case BODY_JSON:
		err = read_json(req, form, max > 0 ? max : req->config->json_body_bytes, error);
		break;
	case BODY_MULTIPART:
		err = read_multipart(req, form, sink, &g, error);
		multipart_free(g.parser);
		free(g.text);
		break;
	case BODY_OTHER:
		/* A type without a body says nothing: scripts send it with empty POSTs. */
		if (body)
			err = error_set(error, ERR_TYPE, "body of type %.60s", req->content_type);
		break;
	}
	return err;
}

void form_done(struct form *form)
{
	pairs_done(&form->fields);
	json_object_put(form->json);
	*form = (struct form){0};
}

const char *form_get(const struct form *form, const char *name)
{
	return pairs_get(&form->fields, name);
}

json_object *form_fields(const struct form *form)
{
	json_object *o = json_object_new_object();

	for (size_t i = 0; i < form->fields.n; i++) {
		const struct pair *p = &form->fields.v[i];
		json_object *text = json_object_new_string(p->value), *old = NULL;
		if (!json_object_object_get_ex(o, p->name, &old)) {
			json_set(o, p->name, text);
		} else if (json_object_is_type(old, json_type_array)) {
			json_object_array_add(old, text);
		} else {
			json_object *list = json_object_new_array();
			json_object_array_add(list, json_object_get(old));
			json_object_array_add(list, text);
			json_set(o, p->name, list);
		}
	}
	return o;
}

/* How often NAME stands in PAIRS, in any case: `Token` beside `token` would be read differently by
 * somebody. */
static size_t count(const struct pairs *pairs, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < pairs->n; i++)
		if (text_ieq(pairs->v[i].name, name))
			n++;
	return n;
}

bool form_repeats_secret(const struct req *req, const struct form *form, const char **ret_name)
{
	static const char *const secrets[] = {
	    "token", "key", "csrfmiddlewaretoken", "visitor", "stamp", "id", "rev", "nonce"};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++) {
		if (count(&req->query, secrets[i]) + count(&form->fields, secrets[i]) > 1) {
			*ret_name = secrets[i];
			return true;
		}
	}
	return false;
}
