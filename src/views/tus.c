/*
 * tus 1.0.0 on /files/: creation, appending, concatenation.
 * Source: tus 1.0.0 (2016-03-25); contracts/transports.md 3.
 */
#include <string.h>
#include "views/files.h"
#include "views/tus_fields.h"
#include "base/mem.h"

#define EXTENSIONS                                                                                 \
	"creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,"     \
	"concatenation,concatenation-unfinished"
#define ALGORITHMS "sha1,sha256,sha512,md5,crc32"
#define BODY_TYPE  "application/offset+octet-stream"

void tus_options(struct call *call)
{
	reply_header(call->reply, "Tus-Resumable", TUS_VERSION);
	reply_header(call->reply, "Tus-Version", TUS_VERSION);
	reply_header_int(call->reply, "Tus-Max-Size", call->ctx->config->upload_max_size);
	reply_header(call->reply, "Tus-Extension", EXTENSIONS);
	reply_header(call->reply, "Tus-Checksum-Algorithm", ALGORITHMS);
}

enum err tus_version(struct call *call)
{
	const char *version = req_header(call->req, "Tus-Resumable");

	reply_header(call->reply, "Tus-Resumable", TUS_VERSION);
	if (version == NULL || strcmp(version, TUS_VERSION) != 0)
		return error_set(&call->error, ERR_VERSION, "another version of tus");
	return ERR_OK;
}

void tus_describe(struct call *call, const struct upload_info *info)
{
	struct reply *r = call->reply;
	bool done = info->state >= UPLOAD_COMPLETE, known = info->length >= 0;
	bool ours = strcmp(info->adapter, "tus") == 0 || strcmp(info->adapter, "ietf") == 0;

	reply_header(r, "Tus-Resumable", TUS_VERSION);
	if (info->mode != UPLOAD_CONCAT || done)
		reply_header_int(r, "Upload-Offset", info->offset);
	if (known)
		reply_header_int(r, "Upload-Length", info->length);
	else if (info->mode != UPLOAD_CONCAT)
		reply_header(r, "Upload-Defer-Length", "1");
	if (info->partial)
		reply_header(r, "Upload-Concat", "partial");
	if (!done)
		files_expires(call, info->expires);
	if (info->meta == NULL || !ours)
		return;
	/* Its second line is the Upload-Concat of a final upload. */
	size_t len = strcspn(info->meta, "\n");
	CLEAN_FREE char *meta = mem_strndup(info->meta, len);
	if (len > 0)
		reply_header(r, "Upload-Metadata", meta);
	if (info->meta[len] == '\n')
		reply_header(r, "Upload-Concat", info->meta + len + 1);
}

/* ---- what a request says */

/* *RET_SUM is NULL or SUM. */
static enum err read_checksum(struct call *call, struct checksum *sum,
			      const struct checksum **ret_sum)
{
	const char *text = req_header(call->req, "Upload-Checksum");

	*ret_sum = NULL;
	if (text == NULL)
		return ERR_OK;
	enum err err = tus_checksum_read(text, sum);
	if (err == ERR_ALGORITHM)
		return error_set(&call->error, err, "unknown checksum algorithm");
	if (err != ERR_OK)
		return files_bad_header(call, err, "Upload-Checksum");
	*ret_sum = sum;
	return ERR_OK;
}

/* Upload-Length or Upload-Defer-Length of a creation. */
static enum err read_length(struct call *call, int64_t *ret)
{
	const char *defer = req_header(call->req, "Upload-Defer-Length");
	int64_t length = -1;
	int given = files_number(call->req, "Upload-Length", &length);

	if (given < 0 || (given > 0 && defer != NULL) || (given == 0 && defer == NULL))
		return files_bad_header(call, ERR_LENGTH, "Upload-Length");
	if (defer != NULL && strcmp(defer, "1") != 0)
		return files_bad_header(call, ERR_LENGTH, "Upload-Defer-Length");
	if (length > call->ctx->config->upload_max_size)
		return error_set(&call->error, ERR_TOO_LARGE, "over upload.max_size");
	*ret = length;
	return ERR_OK;
}

/* A body of tus has one type, and comes as it is. */
static enum err check_type(struct call *call)
{
	if (strcmp(call->req->content_type, BODY_TYPE) == 0)
		return files_unpacked(call);
	return call_fail(call, ERR_TYPE, problem_str(problem_new("body_type"), "value", BODY_TYPE));
}

/* ---- creation */

struct creation {
	struct tus_metadata meta;
	struct tus_concat concat;
	char *text; /* kept with the upload: see tus_describe */
	struct checksum sum;
	const struct checksum *sum_given; /* NULL = none */
	struct upload_spec spec;
};

static void creation_done(struct creation *c)
{
	tus_metadata_done(&c->meta);
	tus_concat_done(&c->concat);
	free(c->text);
}

static enum err read_concat(struct call *call, struct creation *c)
{
	enum err err = tus_concat_read(req_header(call->req, "Upload-Concat"), &c->concat);

	if (err == ERR_OK && c->concat.final &&
	    (files_has_body(call->req) || req_header(call->req, "Upload-Length") != NULL ||
	     req_header(call->req, "Upload-Defer-Length") != NULL))
		err = ERR_CONCAT;
	if (err != ERR_OK)
		return error_set(&call->error, err, "Upload-Concat");
	c->spec.partial = c->concat.partial;
	c->spec.mode = c->concat.final ? UPLOAD_CONCAT : UPLOAD_APPEND;
	c->spec.concat = c->concat.list;
	c->spec.n_concat = c->concat.n;
	return ERR_OK;
}

static enum err read_metadata(struct call *call, struct creation *c)
{
	const char *text = req_header(call->req, "Upload-Metadata");
	enum err err = tus_metadata_read(text, &c->meta);

	if (err != ERR_OK)
		return error_set(&call->error, err, "Upload-Metadata");
	if (text == NULL)
		text = "";
	if (c->concat.final)
		c->text = mem_printf("%s\n%s", text, req_header(call->req, "Upload-Concat"));
	else if (*text != '\0')
		c->text = mem_strdup(text);
	c->spec.name = c->meta.name != NULL && *c->meta.name != '\0' ? c->meta.name : "upload";
	c->spec.rel_path = c->meta.rel_path;
	c->spec.media_type = c->meta.media_type;
	c->spec.meta = c->text;
	c->spec.digest = c->meta.n_digests > 0 ? c->meta.digests : NULL;
	c->spec.n_digests = c->meta.n_digests;
	return ERR_OK;
}

/* Everything that can be wrong, before anything is made. */
static enum err read_creation(struct call *call, struct creation *c)
{
	const struct req *req = call->req;

	c->spec = (struct upload_spec){.adapter = "tus", .length = -1};
	enum err err = read_concat(call, c);
	if (err == ERR_OK && !c->concat.final)
		err = read_length(call, &c->spec.length);
	if (err == ERR_OK)
		err = read_metadata(call, c);
	if (err == ERR_OK && files_has_body(req))
		err = check_type(call);
	if (err == ERR_OK && c->spec.length >= 0 && req->content_length > c->spec.length)
		err = error_set(&call->error, ERR_EXCEEDED, "body longer than Upload-Length");
	if (err == ERR_OK)
		err = read_checksum(call, &c->sum, &c->sum_given);
	c->spec.late = req->content_length > 0 && req->content_length <= FILES_LATE_BYTES;
	return err;
}

/* The bytes that came with it.  However they end, the upload is there afterwards, unless the whole
 * file is wrong. */
static enum err first_bytes(struct call *call, struct upload *u, const struct checksum *sum)
{
	struct body body = files_body(call->req);
	int64_t offset = 0;
	enum err err = upload_append(u, 0, &body, sum, false, &offset, &call->error);

	if (err == ERR_DIGEST)
		return err;
	enum err kept = upload_keep(u, err == ERR_OK ? &call->error : NULL);
	if (kept != ERR_OK)
		return err == ERR_OK ? kept : err;
	files_location(call, upload_id(u));
	reply_header_int(call->reply, "Upload-Offset", offset);
	return err;
}

enum err tus_create(struct call *call)
{
	struct creation c = {0};
	struct upload *u = NULL;
	bool created = false;
	enum err err = tus_version(call);

	if (err == ERR_OK && call->req->method == METHOD_PUT) {
		dispatch_allow(call->reply, METHOD_BIT(METHOD_GET) | METHOD_BIT(METHOD_POST));
		err = ERR_METHOD;
	}
	if (err == ERR_OK)
		err = read_creation(call, &c);
	if (err == ERR_OK)
		err = files_create(call, &c.spec, &u, &created);
	if (err == ERR_OK && created && files_has_body(call->req)) {
		err = first_bytes(call, u, c.sum_given);
	} else if (err == ERR_OK) {
		files_location(call, upload_id(u));
		/*
		 * tus-js-client, told to send bytes with a creation, wants it even where it sent
		 * none.
		 */
		reply_header_int(call->reply, "Upload-Offset", upload_offset(u));
	}
	if (err == ERR_OK && !upload_is_complete(u))
		files_expires(call, upload_expires(u));
	upload_close(u);
	creation_done(&c);
	return err == ERR_OK ? files_nothing(call, 201) : err;
}

/* ---- appending */

struct patch {
	int64_t offset;
	int64_t length; /* Upload-Length, -1 = not given */
};

/* The checks of a PATCH that need no lock, so that a wrong request stops no other. */
static enum err read_patch(struct call *call, const struct upload_info *info, struct patch *p)
{
	enum err err = check_type(call);

	if (err != ERR_OK)
		return err;
	if (info->mode != UPLOAD_APPEND)
		return error_set(&call->error, ERR_FINAL, "upload is not appended to");
	if (files_number(call->req, "Upload-Offset", &p->offset) <= 0)
		return files_bad_header(call, ERR_BAD_REQUEST, "Upload-Offset");
	p->length = -1;
	if (files_number(call->req, "Upload-Length", &p->length) < 0 ||
	    (p->length >= 0 && info->length >= 0 && p->length != info->length))
		return files_bad_header(call, ERR_LENGTH, "Upload-Length");
	if (p->length > call->ctx->config->upload_max_size)
		return error_set(&call->error, ERR_TOO_LARGE, "over upload.max_size");
	return ERR_OK;
}

/* And those that need to know where the upload stands. */
static enum err check_patch(struct call *call, const struct upload *u, const struct patch *p)
{
	int64_t length = upload_length(u) >= 0 ? upload_length(u) : p->length;

	if (p->length >= 0 && p->length < upload_offset(u))
		return files_bad_header(call, ERR_LENGTH, "Upload-Length");
	if (p->offset != upload_offset(u))
		return error_set(&call->error, ERR_OFFSET, "offset %lld, not %lld",
				 (long long)upload_offset(u), (long long)p->offset);
	if (length >= 0 && call->req->content_length > length - p->offset)
		return error_set(&call->error, ERR_EXCEEDED, "body longer than the rest");
	return ERR_OK;
}

static enum err append(struct call *call, struct upload *u, const struct patch *p, bool by_mark)
{
	struct checksum sum;
	const struct checksum *given = NULL;
	struct body body = files_body(call->req);
	int64_t offset = upload_offset(u);
	enum err err = check_patch(call, u, p);

	if (err == ERR_OK)
		err = read_checksum(call, &sum, &given);
	if (err == ERR_OK && p->length >= 0 && !upload_is_complete(u))
		err = upload_set_length(u, p->length, &call->error);
	if (err == ERR_OK)
		err = upload_append(u, p->offset, &body, given, false, &offset, &call->error);
	/* Here the last byte ends it, whatever protocol began it. */
	if (err == ERR_OK && by_mark && offset == upload_length(u))
		err = upload_finish(u, &call->error);
	reply_header_int(call->reply, "Upload-Offset", offset);
	return err;
}

enum err tus_patch(struct call *call)
{
	struct engine *engine = call->ctx->engine;
	const char *id = pairs_get(&call->params, "id");
	struct upload_info info = {0};
	struct upload *u = NULL;
	struct patch p;
	enum err err = upload_status(engine, id, &call->who, &info, &call->error);

	if (err == ERR_OK)
		err = read_patch(call, &info, &p);
	if (err == ERR_OK)
		err = upload_open(engine, id, &call->who, UPLOAD_WANT_WRITE, &u, &call->error);
	if (err == ERR_OK)
		err = append(call, u, &p, info.by_mark);
	if (err == ERR_OK && !upload_is_complete(u))
		files_expires(call, upload_expires(u));
	upload_close(u);
	upload_info_done(&info);
	return err == ERR_OK ? files_nothing(call, 204) : err;
}
