#include "http/reply_int.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"
#include "http/template.h"

#define PIECE	   ((size_t)256 * 1024) /* bytes of a file written at once */
#define DISCARD_MS 500

/* ---- what the body is */

static void plain_failure(struct sending *s, int status, const char *why)
{
	bool again = status == err_status(ERR_SHORT);

	if (again && pairs_get(&s->reply->headers, "Retry-After") == NULL)
		reply_header(s->reply, "Retry-After", "1");
	free(s->text);
	s->text =
	    mem_printf("%s (%s): %s\n", again ? "try again" : "internal error", s->req->id, why);
	s->text_len = strlen(s->text);
	s->type = "text/plain; charset=utf-8";
	s->reply->status = status;
	s->reply->body = REPLY_TEXT;
	s->html = false;
}

static void print_page(struct sending *s, struct pages *pages)
{
	struct reply *r = s->reply;
	struct error error = {0};
	FILE *out = open_memstream(&s->text, &s->text_len);

	if (out == NULL)
		mem_die();
	enum err err = pages_print(pages, r->template_name, r->model, s->req->mount, s->req->lang,
				   out, &error);
	if (fclose(out) != 0)
		mem_die();
	if (err != ERR_OK) {
		log_line(LOG_LEVEL_ERROR, s->req->id, "page %s: %s", r->template_name, error.text);
		/* What was met first: a template may be there and not to be opened. */
		plain_failure(s, err_status(error.err != ERR_OK ? error.err : err),
			      "the page could not be made");
	}
}

static void print_model(struct sending *s, struct pages *pages)
{
	struct reply *r = s->reply;
	const char *root = r->xml_root;

	s->html = r->format == FORMAT_HTML && r->template_name != NULL && pages != NULL;
	if (s->html) {
		s->type = represent_type(FORMAT_HTML);
		print_page(s, pages);
		return;
	}
	enum format format = r->format == FORMAT_HTML ? FORMAT_JSON : r->format;
	if (root == NULL)
		root = json_object_is_type(r->model, json_type_array) ? "list" : "MethodResult";
	s->type = represent_type(format);
	s->text = represent(r->model, format, root, &s->text_len);
}

/* What a browser may be told about bytes of users: nothing it would run. */
static const char *safe_type(const char *type)
{
	static const char *const safe[] = {
	    "application/octet-stream",
	    "application/zip",
	    "application/gzip",
	    "application/json",
	    "application/geo+json",
	    "application/geopackage+sqlite3",
	    "text/csv",
	    "text/plain",
	    "image/png",
	    "image/jpeg",
	    "image/tiff",
	    "application/vnd.google-earth.kml+xml",
	    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"};

	for (size_t i = 0; i < sizeof(safe) / sizeof(*safe); i++) {
		size_t n = strlen(safe[i]);
		if (strncmp(type, safe[i], n) == 0 && (type[n] == '\0' || type[n] == ';'))
			return type;
	}
	return "application/octet-stream";
}

/* ---- conditions and ranges (RFC 9110, 13 and 14) */

/* Does LIST name ETAG?  As a weak tag, too, where WEAK says that this is the same. */
static bool names_etag(const char *list, const char *etag, bool weak)
{
	size_t len = strlen(etag);

	while (*list != '\0') {
		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		if (weak && strncmp(list, "W/", 2) == 0)
			list += 2;
		if (strncmp(list, etag, len) == 0 && strchr(", \t", list[len]) != NULL)
			return true;
		list += *list == '"' ? 1 + strcspn(list + 1, "\"") : 0;
		list += strcspn(list, ",");
	}
	return false;
}

/* The answer to a condition that does not hold has no body. */
static void without_body(struct sending *s, int status)
{
	s->reply->status = status;
	s->reply->body = REPLY_NOTHING;
	s->type = NULL;
}

static bool range_counts(struct sending *s)
{
	const char *condition = req_header(s->req, "If-Range"), *modified;

	if (s->req->method != METHOD_GET)
		return false;
	if (condition == NULL || *condition == '\0')
		return true;
	if (*condition == '"' || strncmp(condition, "W/", 2) == 0)
		return s->reply->file_etag != NULL && strcmp(condition, s->reply->file_etag) == 0;
	modified = reply_header_of(s->reply, "Last-Modified");
	return modified != NULL && strcmp(condition, modified) == 0;
}

/* Absolute path to what the header says: lighttpd and nginx both undo escapes in it. */
static bool let_server_send(struct sending *s)
{
	const struct config *c = s->req->config;
	struct reply *r = s->reply;
	const char *path = r->sendfile_path;
	size_t n = strlen(c->data_dir != NULL ? c->data_dir : "");

	if (path == NULL || c->sendfile == SENDFILE_NONE)
		return false;
	if (c->sendfile == SENDFILE_X_SENDFILE) {
		CLEAN_FREE char *escaped = escape_url_path_dup(path);
		reply_header(r, "X-Sendfile", escaped);
		return true;
	}
	/* nginx wants a URL: location /slipway-data/ { internal; alias <data_dir>/; } */
	if (n == 0 || strncmp(path, c->data_dir, n) != 0 || path[n] != '/')
		return false;
	CLEAN_FREE char *below = escape_url_path_dup(path + n);
	CLEAN_FREE char *url = mem_printf("/slipway-data%s", below);
	reply_header(r, "X-Accel-Redirect", url);
	return true;
}

static void prepare_file(struct sending *s)
{
	struct reply *r = s->reply;
	const char *meant = req_header(s->req, "If-Match"),
		   *known = req_header(s->req, "If-None-Match"),
		   *range = req_header(s->req, "Range");

	s->type = r->user_content ? safe_type(r->type) : r->type;
	s->first = 0;
	s->last = r->file_size - 1;
	if (r->file_etag != NULL)
		reply_header(r, "ETag", r->file_etag);
	if (r->file_etag != NULL && r->status == 200) {
		if (meant != NULL && !names_etag(meant, r->file_etag, false))
			without_body(s, 412);
		else if (known != NULL && names_etag(known, r->file_etag, true))
			without_body(s, 304);
		if (r->status != 200)
			return;
	}
	if (r->status == 200 && let_server_send(s)) {
		s->by_server = true;
		return;
	}
	reply_header(r, "Accept-Ranges", "bytes");
	if (range == NULL || r->status != 200 || !range_counts(s) ||
	    !range_parse(range, r->file_size, &s->first, &s->last))
		return;
	CLEAN_FREE char *content = s->first > s->last
				       ? mem_printf("bytes */%lld", (long long)r->file_size)
				       : mem_printf("bytes %lld-%lld/%lld", (long long)s->first,
						    (long long)s->last, (long long)r->file_size);
	reply_header(r, "Content-Range", content);
	r->status = s->first > s->last ? 416 : 206;
	if (r->status == 416)
		without_body(s, 416);
}

/* ---- sending */

static void send_file(struct sending *s)
{
	CLEAN_FREE char *buf = mem_alloc(PIECE);
	int64_t at = s->first;

	while (at <= s->last) {
		int64_t left = s->last - at + 1;
		ssize_t n =
		    pread(s->reply->file_fd, buf, left < (int64_t)PIECE ? (size_t)left : PIECE, at);
		if (n <= 0) {
			/* The length is out already: ending short is all that can be said. */
			log_line(LOG_LEVEL_ERROR, s->req->id, "file ended %lld bytes early",
				 (long long)left);
			return;
		}
		if (!wire_write(s->req->wire, buf, (size_t)n))
			return;
		at += n;
	}
	s->reply->delivered = s->first == 0 && at == s->reply->file_size;
}

/* Some servers lose a CGI program's answer when it does not read the body (front-ends.md 4). */
static void discard_body(struct req *req)
{
	char trash[8192];
	int64_t idle_until = clock_mono_ms() + req->config->upload_body_idle_s * 1000;

	if (!wire_is_cgi(req->wire))
		return;
	for (;;) {
		ssize_t n = wire_read(req->wire, trash, sizeof(trash), DISCARD_MS);
		if (n == 0 || n == -2 || transport_stopping())
			return;
		if (n > 0)
			idle_until = clock_mono_ms() + req->config->upload_body_idle_s * 1000;
		else if (clock_mono_ms() >= idle_until)
			return;
	}
}

void reply_send(struct reply *r, struct req *req, struct pages *pages)
{
	struct sending s = {.reply = r, .req = req};

	if (r->broken) {
		pairs_done(&r->headers);
		pairs_done(&r->cookies);
		plain_failure(&s, 500, "a header was refused");
	} else if (r->body == REPLY_MODEL) {
		print_model(&s, pages);
	} else if (r->body == REPLY_TEXT) {
		s.type = r->user_content ? safe_type(r->type) : r->type;
		s.text = r->text;
		s.text_len = r->text_len;
		r->text = NULL;
	} else if (r->body == REPLY_FILE) {
		prepare_file(&s);
	}
	s.no_length = r->status == 204 || r->status == 304 || r->status < 200;
	if (s.no_length)
		s.type = NULL;
	reply_head_print(&s);
	bool text =
	    s.text_len > 0 && !s.no_length && req->method != METHOD_HEAD && r->body != REPLY_FILE;
	if (text)
		buf_add(&s.head, s.text, s.text_len);
	discard_body(req);
	if (wire_write(req->wire, s.head.s, s.head.len) && r->body == REPLY_FILE && !s.by_server &&
	    req->method != METHOD_HEAD)
		send_file(&s);
	/* What the web server does with it is not told. */
	r->delivered = r->delivered || s.by_server;
	buf_done(&s.head);
	free(s.text);
}

void reply_interim(struct req *req, int status, const struct pairs *headers)
{
	char *head = NULL;
	size_t len = 0;

	if (!req->config->interim)
		return;
	FILE *out = open_memstream(&head, &len);
	if (out == NULL)
		mem_die();
	fprintf(out, "Status: %d %s\r\n", status, reply_reason(status));
	for (size_t i = 0; i < headers->n; i++)
		if (strpbrk(headers->v[i].name, "\r\n") == NULL &&
		    strpbrk(headers->v[i].value, "\r\n") == NULL)
			fprintf(out, "%s: %s\r\n", headers->v[i].name, headers->v[i].value);
	fputs("\r\n", out);
	if (fclose(out) != 0)
		mem_die();
	(void)wire_write_now(req->wire, head, len);
	free(head);
}
