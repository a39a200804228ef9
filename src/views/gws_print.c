/*
 * Answers as GBD WebSuite prints them: JSON with ", " and ": " and without a letter beyond ASCII,
 * or MessagePack.
 */
#include "views/gws.h"

#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"
#include "http/msgpack.h"

/* ---- JSON */

static void print_text(FILE *f, const char *s)
{
	static const char plain[] = "\"\\\b\f\n\r\t", escape[] = "\"\\bfnrt";

	fputc('"', f);
	for (size_t len = strlen(s), n; len > 0; s += n, len -= n) {
		int32_t cp = 0;
		n = text_decode(s, len, &cp);
		if (n == 0) { /* not from a store of ours */
			n = 1;
			cp = 0xFFFD;
		}
		const char *at = cp < 0x80 ? memchr(plain, (int)cp, sizeof(plain) - 1) : NULL;
		if (at != NULL)
			fprintf(f, "\\%c", escape[at - plain]);
		else if (cp >= 0x10000)
			fprintf(f, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((cp - 0x10000) >> 10)),
				(unsigned)(0xDC00 + ((cp - 0x10000) & 0x3FF)));
		else if (cp < 0x20 || cp >= 0x7F)
			fprintf(f, cp == 0x7F ? "%c" : "\\u%04x", (unsigned)cp);
		else
			fputc((int)cp, f);
	}
	fputc('"', f);
}

/* Objects, text and integers: all there is in our answers. */
static void print_json(FILE *f, const json_object *o)
{
	const char *between = "";

	if (json_object_is_type(o, json_type_int)) {
		fprintf(f, "%lld", (long long)json_object_get_int64(o));
	} else if (json_object_is_type(o, json_type_object)) {
		fputc('{', f);
		json_object_object_foreach((json_object *)(uintptr_t)o, key, value)
		{
			fputs(between, f);
			print_text(f, key);
			fputs(": ", f);
			print_json(f, value);
			between = ", ";
		}
		fputc('}', f);
	} else {
		print_text(f, json_object_get_string((json_object *)(uintptr_t)o));
	}
}

/* ---- which of the two */

static bool starts_icase(const char *s, const char *prefix)
{
	return s != NULL && strncasecmp(s, prefix, strlen(prefix)) == 0;
}

/*
 * The original looks at the beginning of the whole Accept header, and so do its clients' authors.
 */
static bool wants_msgpack(const struct req *req)
{
	const char *accept = req_header(req, "Accept");

	if (starts_icase(accept, "application/json"))
		return false;
	return starts_icase(accept, "application/msgpack") ||
	       text_starts(req->content_type, "application/msgpack");
}

void gws_answer(struct call *call, int status, json_object *model)
{
	struct reply *r = call->reply;
	bool msgpack = wants_msgpack(call->req);
	char *text = NULL;
	size_t len = 0;

	if (msgpack) {
		text = msgpack_print(model, &len);
	} else {
		FILE *f = open_memstream(&text, &len);
		if (f == NULL)
			mem_die();
		print_json(f, model);
		if (fclose(f) != 0)
			mem_die();
	}
	json_object_put(model);
	reply_text(r, status, msgpack ? "application/msgpack" : "application/json", "");
	free(r->text);
	r->text = text;
	r->text_len = len;
}

/* ---- errors */

/* Words that clients of the original compare. */
static const char *info_of(int status, const char *code)
{
	static const struct {
		int status;
		const char *info;
	} rows[] = {
	    {400, "The browser (or proxy) sent a request that this server could not understand."},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {411, "Length Required"},
	    {413, "Content Too Large"},
	    {415, "Unsupported Media Type"},
	    {423, "Locked"},
	    {429, "Too Many Requests"},
	    {500, "Internal Server Error"},
	    {503, "Service Unavailable"},
	    {507, "Insufficient Storage"},
	};

	if (strcmp(code, "malformed_json") == 0)
		return "malformed json request";
	if (strcmp(code, "malformed_msgpack") == 0)
		return "malformed msgpack request";
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].status == status)
			return rows[i].info;
	return "Error";
}

/* The original knows few words: what is wrong with an upload is a bad request. */
static int status_of(enum err err, const char *code)
{
	static const enum err bad[] = {ERR_GONE, ERR_CONFLICT, ERR_INCOMPLETE, ERR_FINAL,
				       ERR_OFFSET};

	if (strcmp(code, "upload_unknown") == 0)
		return 400;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (err == bad[i])
			return 400;
	return err_status(err);
}

void gws_print_error(struct call *call, enum err err, const json_object *details)
{
	const char *code = json_str(json_at(details, 0), "code", "");
	int status = status_of(err, code);
	json_object *m = json_object_new_object(), *e = json_object_new_object();

	json_set_int(m, "status", status);
	json_set_int(e, "code", status);
	json_set_str(e, "info", info_of(status, code));
	json_set(m, "error", e);
	gws_answer(call, status, m);
}

bool gws_owns_path(const char *path)
{
	return path != NULL && (strcmp(path, "/_") == 0 || text_starts(path, "/_/"));
}
