/*
 * Resumable uploads of the IETF on /files/, in four of the forms its drafts had.
 * Source: draft-ietf-httpbis-resumable-upload -01 (interop version 3), -03 (5), -04/-05 (6), -09
 * and later (8); contracts/transports.md 4.
 */
#include <string.h>
#include "views/files.h"
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"
#include "http/sfield.h"

#define BODY_TYPE "application/partial-upload"
#define TYPES	  "https://iana.org/assignments/http-problem-types#"

#define LENGTH_NONE -2 /* a number that is no length */

/* Is this body the last part? */
enum more { MORE_UNSAID, MORE_FOLLOWS, MORE_NONE };

/* What a request says. */
struct part {
	int version;
	enum more more;
	int64_t offset; /* Upload-Offset, -1 = absent */
	int64_t length; /* Upload-Length where it counts, -1 = absent */
	struct checksum sums[2];
	const struct checksum *given; /* Content-Digest; NULL = none */
};

/* ---- fields */

static bool asked_version(const struct req *req, int64_t *ret)
{
	return sfield_integer(req_header(req, "Upload-Draft-Interop-Version"), ret);
}

int resumable_version(const struct req *req)
{
	int64_t version;
	bool mark;

	if (!asked_version(req, &version))
		return sfield_boolean(req_header(req, "Upload-Incomplete"), &mark) &&
			       !sfield_boolean(req_header(req, "Upload-Complete"), &mark)
			   ? 3
			   : 8;
	switch (version) {
	case 3:
		return 3;
	case 4:
	case 5:
		return 5;
	case 6:
		return 6;
	default:
		return 8;
	}
}

static enum more more_of(const struct req *req, int version)
{
	bool mark;

	if (!sfield_boolean(req_header(req, version == 3 ? "Upload-Incomplete" : "Upload-Complete"),
			    &mark))
		return MORE_UNSAID;
	return mark == (version == 3) ? MORE_FOLLOWS : MORE_NONE;
}

/* The members sha-512 and sha-256 of a digest field into LIST: their number. */
static size_t read_digests(const char *text, struct checksum list[2])
{
	static const struct {
		const char *key;
		enum digest algorithm;
	} known[] = {{"sha-512", DIGEST_SHA512}, {"sha-256", DIGEST_SHA256}};
	size_t found = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		CLEAN_FREE char *bytes = NULL;
		size_t n = 0;
		if (!sfield_member_bytes(text, known[i].key, &bytes, &n) ||
		    n != digest_size(known[i].algorithm))
			continue;
		list[found].algorithm = known[i].algorithm;
		memcpy(list[found++].value, bytes, n);
	}
	return found;
}

static void read_part(const struct req *req, struct part *p)
{
	p->version = resumable_version(req);
	p->more = more_of(req, p->version);
	if (!sfield_integer(req_header(req, "Upload-Offset"), &p->offset))
		p->offset = -1;
	if (p->version == 3 || !sfield_integer(req_header(req, "Upload-Length"), &p->length))
		p->length = -1;
	else if (p->length < 0)
		p->length = LENGTH_NONE;
	p->given = read_digests(req_header(req, "Content-Digest"), p->sums) > 0 ? p->sums : NULL;
}

bool resumable_creates(const struct req *req)
{
	return more_of(req, resumable_version(req)) != MORE_UNSAID;
}

enum err resumable_fields(struct call *call)
{
	static const char *const fields[] = {"Upload-Offset", "Upload-Complete",
					     "Upload-Incomplete", "Upload-Length"};
	int version = resumable_version(call->req);
	size_t n = version == 6 ? 4 : 3;

	if (version == 8 || call->req->method == METHOD_PATCH)
		return ERR_OK;
	for (size_t i = 0; i < n; i++)
		if (req_header(call->req, fields[i]) != NULL)
			return files_bad_header(call, ERR_BAD_REQUEST, fields[i]);
	return ERR_OK;
}

/* ---- answers */

static void mark(struct call *call, int version, bool complete)
{
	if (version == 3)
		reply_header(call->reply, "Upload-Incomplete", complete ? "?0" : "?1");
	else
		reply_header(call->reply, "Upload-Complete", complete ? "?1" : "?0");
}

static const char *lifetime(int version)
{
	return version == 6 ? "expires" : "max-age";
}

void resumable_describe(struct call *call, const struct upload_info *info, int version)
{
	bool done = info->state >= UPLOAD_COMPLETE;

	if (info->mode != UPLOAD_CONCAT || done)
		reply_header_int(call->reply, "Upload-Offset", info->offset);
	mark(call, version, done);
	if (version < 6)
		return;
	if (info->length >= 0)
		reply_header_int(call->reply, "Upload-Length", info->length);
	files_limit(call, info->expires, lifetime(version));
}

/* More follows. */
static enum err partly_answer(struct call *call, const struct upload *u, int version, int status)
{
	reply_header_int(call->reply, "Upload-Offset", upload_offset(u));
	mark(call, version, false);
	if (call->req->method != METHOD_PATCH && version >= 6)
		files_limit(call, upload_expires(u), lifetime(version));
	return files_nothing(call, status);
}

static bool wants_digest(const struct req *req)
{
	struct sfield wanted;

	return sfield_member(req_header(req, "Want-Repr-Digest"), "sha-256", &wanted) &&
	       wanted.integer != 0;
}

/* The digest a client wants to see of the whole file, where it was reckoned. */
static void repr_digest(struct call *call, const char *id)
{
	struct upload_info info = {0};
	unsigned char bytes[32];

	if (!wants_digest(call->req))
		return;
	if (upload_status(call->ctx->engine, id, &call->who, &info, NULL) == ERR_OK &&
	    strlen(info.sha256) == 64) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			unsigned byte = 0;
			(void)sscanf(info.sha256 + 2 * i, "%2x", &byte);
			bytes[i] = (unsigned char)byte;
		}
		CLEAN_FREE char *text = base64_encode(bytes, sizeof(bytes));
		CLEAN_FREE char *value = mem_printf("sha-256=:%s:", text);
		reply_header(call->reply, "Repr-Digest", value);
	}
	upload_info_done(&info);
}

/* What a plain upload would have got. */
static enum err final_answer(struct call *call, const struct upload *u, const char *name,
			     int version)
{
	files_location(call, upload_id(u));
	reply_header_int(call->reply, "Upload-Offset", upload_length(u));
	if (version != 3)
		mark(call, version, true);
	repr_digest(call, upload_id(u));
	reply_model(call->reply, 201, "json",
		    files_final_model(call, upload_id(u), name, upload_length(u)));
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

static enum err inconsistent(struct call *call)
{
	call->error = (struct error){0};
	return call_fail(call, ERR_LENGTH, problem_new("inconsistent_length"));
}

/* ---- lengths */

/*
 * Do the lengths agree: the one KNOWN (-1: none), the one told and the one this last part makes?
 * *RET_LENGTH: what is known then.
 */
static enum err agree(struct call *call, const struct part *p, int64_t known, int64_t *ret_length)
{
	int64_t size = call->req->content_length, offset = p->offset > 0 ? p->offset : 0, end;

	if (p->length == LENGTH_NONE)
		return files_bad_header(call, ERR_LENGTH, "Upload-Length");
	if (p->length >= 0 && known >= 0 && p->length != known)
		return inconsistent(call);
	if (p->length >= 0)
		known = p->length;
	if (__builtin_add_overflow(offset, size < 0 ? 0 : size, &end))
		return error_set(&call->error, ERR_TOO_LARGE, "over upload.max_size");
	if (known >= 0 && (end > known || (p->more == MORE_NONE && size >= 0 && end != known)))
		return inconsistent(call);
	if (p->more == MORE_NONE && size < 0 && known < 0)
		return error_set(&call->error, ERR_NEED_LENGTH,
				 "the end of the body cannot be known");
	if (known < 0 && p->more == MORE_NONE)
		known = end;
	if (known > call->ctx->config->upload_max_size)
		return error_set(&call->error, ERR_TOO_LARGE, "over upload.max_size");
	*ret_length = known;
	return ERR_OK;
}

/* The body, and the client's mark.  What came is kept whatever the mark says, unless it was too
 * much. */
static enum err take_body(struct call *call, struct upload *u, const struct part *p)
{
	struct body body = files_body(call->req);
	int64_t offset = upload_offset(u);
	bool last = p->more == MORE_NONE;
	enum err err = upload_append(u, offset, &body, p->given, last, &offset, &call->error);

	if (err == ERR_OK && last && !upload_is_complete(u))
		err = upload_finish(u, &call->error);
	if (err == ERR_EXCEEDED)
		(void)upload_remove(u, UPLOAD_INVALID, NULL);
	return err == ERR_INCOMPLETE ? inconsistent(call) : err;
}

/* ---- creation */

/* The name: path of a PUT, Content-Disposition.  Caller frees. */
static char *name_of(const struct call *call)
{
	const char *rest = pairs_get(&call->params, "id"),
		   *cd = req_header(call->req, "Content-Disposition");
	CLEAN_FREE char *sent = rest != NULL ? mem_strdup(rest)
				: cd != NULL ? disposition_name(cd)
					     : NULL;
	char *name = text_display_name(sent != NULL ? sent : "upload");

	if (name != NULL && *name == '\0') {
		free(name);
		name = mem_strdup("upload");
	}
	return name;
}

/* An interim answer tells the client where to go on if the rest is lost; only where the front end
 * lets one through. */
static bool wants_interim(const struct call *call)
{
	int64_t version;

	return call->ctx->config->interim && asked_version(call->req, &version) && version >= 3 &&
	       version <= 8;
}

static void send_interim(struct call *call, const struct upload *u, int version)
{
	struct pairs headers = {0};

	/* What stands in the reply so far is what the interim answer says too. */
	files_location(call, upload_id(u));
	pairs_add(&headers, "Location", pairs_get(&call->reply->headers, "Location"));
	pairs_add(&headers, "Upload-Draft-Interop-Version",
		  req_header(call->req, "Upload-Draft-Interop-Version"));
	if (version >= 6) {
		files_limit(call, upload_expires(u), lifetime(version));
		pairs_add(&headers, "Upload-Limit",
			  pairs_get(&call->reply->headers, "Upload-Limit"));
	}
	reply_interim(call->req, 104, &headers);
	pairs_done(&headers);
}

static enum err creation_answer(struct call *call, const struct upload *u, const char *name,
				int version)
{
	if (upload_is_complete(u))
		return final_answer(call, u, name, version);
	files_location(call, upload_id(u));
	return partly_answer(call, u, version, 201);
}

/* After an error: the upload stays with what came, if it can. */
static void keep_rest(struct call *call, struct upload *u, enum err err, int version)
{
	if (err == ERR_DIGEST) {
		mark(call, version, true);
		return;
	}
	if (err == ERR_EXCEEDED || upload_keep(u, NULL) != ERR_OK)
		return;
	files_location(call, upload_id(u));
	reply_header_int(call->reply, "Upload-Offset", upload_offset(u));
	mark(call, version, false);
}

static enum err create_named(struct call *call, const struct part *p, struct upload_spec *spec)
{
	struct upload *u = NULL;
	bool created = false, interim = wants_interim(call);
	bool bytes = files_has_body(call->req);

	spec->late = !interim && (bytes || p->more == MORE_NONE) &&
		     call->req->content_length >= 0 &&
		     call->req->content_length <= FILES_LATE_BYTES;
	enum err err = files_create(call, spec, &u, &created);
	if (err == ERR_OK && created && interim)
		send_interim(call, u, p->version);
	if (err == ERR_OK && created && (bytes || p->more == MORE_NONE)) {
		err = take_body(call, u, p);
		if (err == ERR_OK)
			err = upload_keep(u, &call->error);
		if (err != ERR_OK)
			keep_rest(call, u, err, p->version);
	}
	if (err == ERR_OK)
		err = creation_answer(call, u, spec->name, p->version);
	upload_close(u);
	return err == ERR_EXCEEDED ? inconsistent(call) : err;
}

enum err resumable_create(struct call *call)
{
	const struct req *req = call->req;
	struct part p;
	struct checksum digests[2];
	const char *coding = req_header(req, "Content-Encoding");
	bool typed = *req->content_type != '\0' && strcmp(req->content_type, BODY_TYPE) != 0;
	int64_t length = -1;

	read_part(req, &p);
	if (req_header(req, "Upload-Offset") != NULL)
		return files_bad_header(call, ERR_BAD_REQUEST, "Upload-Offset");
	enum err err = agree(call, &p, -1, &length);
	if (err != ERR_OK)
		return err;
	CLEAN_FREE char *name = name_of(call);
	if (name == NULL)
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_text"), "field", "name"));
	/* Metadata has one form, whoever made it: the one tus clients read. */
	CLEAN_FREE char *coded =
	    coding != NULL && *coding != '\0' ? base64_encode(coding, strlen(coding)) : NULL;
	CLEAN_FREE char *meta = coded != NULL ? mem_printf("contentEncoding %s", coded) : NULL;
	struct upload_spec spec = {.adapter = "ietf",
				   .mode = UPLOAD_APPEND,
				   .name = name,
				   .media_type = typed ? req->content_type : NULL,
				   .meta = meta,
				   .length = length,
				   .by_mark = true};
	spec.n_digests = read_digests(req_header(req, "Repr-Digest"), digests);
	spec.digest = spec.n_digests > 0 ? digests : NULL;
	if (wants_digest(req))
		spec.hash = 1u << DIGEST_SHA256;
	return create_named(call, &p, &spec);
}

/* ---- appending */

static enum err mismatch(struct call *call, int64_t is, const struct part *p)
{
	json_object *problem = problem_new("offset");

	reply_header_int(call->reply, "Upload-Offset", is);
	mark(call, p->version, false);
	(void)problem_arg_int(problem, "expected-offset", is);
	return call_fail(call, ERR_OFFSET, problem_arg_int(problem, "provided-offset", p->offset));
}

/* An upload that is complete takes nothing; the last versions repeat their answer for a lost one.
 */
static enum err append_complete(struct call *call, const struct upload *u, const char *name,
				const struct part *p)
{
	if (p->version == 8 && p->offset != upload_length(u))
		return mismatch(call, upload_length(u), p);
	if (p->version == 8 && p->more == MORE_NONE && !files_has_body(call->req))
		return final_answer(call, u, name, p->version);
	if (p->version == 8)
		mark(call, p->version, false);
	return call_fail(call, ERR_BAD_REQUEST,
			 problem_new(p->version == 6 ? "completed_upload" : "final"));
}

/* The checks of a PATCH that need no lock, so that a wrong request stops no other. */
static enum err read_patch(struct call *call, const struct upload_info *info, struct part *p)
{
	if (p->version >= 6 && strcmp(call->req->content_type, BODY_TYPE) != 0)
		return call_fail(call, ERR_TYPE,
				 problem_str(problem_new("body_type"), "value", BODY_TYPE));
	if (info->mode != UPLOAD_APPEND)
		return error_set(&call->error, ERR_FINAL, "upload is not appended to");
	if (p->more == MORE_UNSAID && p->version == 8)
		return files_bad_header(call, ERR_BAD_REQUEST, "Upload-Complete");
	if (p->more == MORE_UNSAID)
		p->more = p->version == 3 ? MORE_NONE : MORE_FOLLOWS;
	if (p->offset < 0)
		return files_bad_header(call, ERR_BAD_REQUEST, "Upload-Offset");
	return ERR_OK;
}

static enum err append(struct call *call, struct upload *u, const char *name, const struct part *p)
{
	int64_t length = upload_length(u);

	if (upload_is_complete(u))
		return append_complete(call, u, name, p);
	if (p->offset != upload_offset(u))
		return mismatch(call, upload_offset(u), p);
	enum err err = agree(call, p, upload_length(u), &length);
	/* What a last part makes of the length needs no record of its own. */
	if (err == ERR_OK && p->length >= 0 && upload_length(u) < 0)
		err = upload_set_length(u, p->length, &call->error);
	/* Begun by tus it would be complete with its last byte, but this client says that it is
	 * not. */
	if (err == ERR_OK && p->more == MORE_FOLLOWS && length >= 0)
		err = upload_set_by_mark(u, &call->error);
	/* Asked for with the last part only, it is read back: not for files that a task would read.
	 */
	if (p->more == MORE_NONE && wants_digest(call->req) &&
	    length <= call->ctx->config->upload_assemble_inline)
		upload_want_digest(u, DIGEST_SHA256);
	if (err == ERR_OK)
		err = take_body(call, u, p);
	if (err == ERR_EXCEEDED)
		return inconsistent(call);
	if (err != ERR_OK) {
		if (err != ERR_DIGEST)
			reply_header_int(call->reply, "Upload-Offset", upload_offset(u));
		mark(call, p->version, err == ERR_DIGEST);
		return err;
	}
	if (upload_is_complete(u))
		return final_answer(call, u, name, p->version);
	return partly_answer(call, u, p->version, p->version == 8 ? 204 : 201);
}

enum err resumable_patch(struct call *call)
{
	struct engine *engine = call->ctx->engine;
	const char *id = pairs_get(&call->params, "id");
	struct part p;
	struct upload_info info = {0};
	struct upload *u = NULL;
	enum err err = upload_status(engine, id, &call->who, &info, &call->error);

	read_part(call->req, &p);
	if (err == ERR_OK)
		err = read_patch(call, &info, &p);
	if (err == ERR_OK)
		err = upload_open(engine, id, &call->who, UPLOAD_WANT_WRITE, &u, &call->error);
	if (err == ERR_OK)
		err = append(call, u, info.name, &p);
	upload_close(u);
	upload_info_done(&info);
	return err;
}

/* ---- errors */

void resumable_print_error(struct call *call, enum err err, const json_object *details)
{
	static const struct {
		const char *code, *type, *title; /* TITLE NULL: the sentence */
	} named[] = {{"offset", "mismatching-upload-offset", "upload offset does not match"},
		     {"inconsistent_length", "inconsistent-upload-length", NULL},
		     {"completed_upload", "completed-upload", NULL}};
	const json_object *first = json_at(details, 0),
			  *args = json_obj(json_at(call->problems, 0), "args");
	CLEAN_JSON json_object *m = json_object_new_object();
	const char *title = json_str(first, "message", ""), *type = NULL;

	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
		if (strcmp(json_str(first, "code", ""), named[i].code) != 0)
			continue;
		type = named[i].type;
		title = named[i].title != NULL ? named[i].title : title;
	}
	CLEAN_FREE char *url =
	    type != NULL ? mem_printf(TYPES "%s", type) : mem_strdup("about:blank");
	json_set_str(m, "type", url);
	json_set_str(m, "title", title);
	json_set_int(m, "status", err_status(err));
	if (args != NULL && type != NULL) {
		json_set_int(m, "expected-offset", json_int(args, "expected-offset", 0));
		json_set_int(m, "provided-offset", json_int(args, "provided-offset", 0));
	}
	if (type == NULL)
		json_set_str(m, "code", err_name(err));
	reply_text(call->reply, err_status(err), "application/problem+json",
		   json_object_to_json_string_ext(m, JSON_C_TO_STRING_NOSLASHESCAPE));
	if (err_status(err) == 413)
		files_limit(call, 0, NULL);
}
