#include "views/cors.h"

#include <string.h>
#include "views/identity.h"
#include "base/text.h"

#define SECONDS "600" /* a browser remembers a preflight */

struct family {
	const char *prefix; /* of the path: whole segments */
	bool any;	    /* every other origin too, without credentials */
	const char *allow;  /* request headers */
	const char *expose; /* answer headers */
};

#define TRANSPORT_ALLOW                                                                            \
	"Authorization, Cache-Control, Content-Digest, Content-Disposition, Content-Encoding, "    \
	"Content-Range, Content-Type, Idempotency-Key, Repr-Digest, Tus-Resumable, "               \
	"Upload-Checksum, Upload-Complete, Upload-Concat, "                                        \
	"Upload-Defer-Length, Upload-Draft-Interop-Version, Upload-Incomplete, Upload-Length, "    \
	"Upload-Metadata, Upload-Name, Upload-Offset, Want-Repr-Digest, X-CSRFToken, "             \
	"X-File-Name, X-HTTP-Method-Override, X-Mime-Type, X-Request-ID, X-Requested-With, "       \
	"X-Slipway-Key"
#define TRANSPORT_EXPOSE                                                                           \
	"Location, Upload-Offset, Upload-Length, Upload-Complete, Upload-Incomplete, "             \
	"Upload-Limit, Upload-Expires, Upload-Metadata, Upload-Concat, Upload-Defer-Length, "      \
	"Tus-Resumable, Tus-Version, Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm, "        \
	"Repr-Digest, Range, Retry-After, "                                                        \
	"X-Slipway-Error"
#define SUPERMAP_ALLOW                                                                             \
	"Content-Type, Content-Range, X-RequestEntity-ContentType, X-Requested-With, "             \
	"Authorization, X-Slipway-Key, Range"
#define SUPERMAP_EXPOSE "Location, Content-Range, Content-Disposition, ETag, X-Slipway-Error"

/* The last row is everything else. */
static const struct family families[] = {
    {"/files", false, TRANSPORT_ALLOW, TRANSPORT_EXPOSE},
    {"/chunks", false, TRANSPORT_ALLOW, TRANSPORT_EXPOSE},
    {"/_", false, TRANSPORT_ALLOW, TRANSPORT_EXPOSE},
    {"/iserver", true, SUPERMAP_ALLOW, SUPERMAP_EXPOSE},
    {"/iportal", true, SUPERMAP_ALLOW, SUPERMAP_EXPOSE},
    {"/manager", true, SUPERMAP_ALLOW, SUPERMAP_EXPOSE},
    {"/services", true, SUPERMAP_ALLOW, SUPERMAP_EXPOSE},
    {"/web", true, SUPERMAP_ALLOW, SUPERMAP_EXPOSE},
    {"", false, "Authorization, Content-Type, Range, X-CSRFToken, X-Requested-With, X-Slipway-Key",
     "Location, Content-Disposition, Content-Range, ETag, Retry-After, X-Slipway-Error"},
};

static const struct family *family_of(const char *path)
{
	const struct family *f = families;

	for (;; f++) {
		size_t n = strlen(f->prefix);
		if (n == 0 ||
		    (strncmp(path, f->prefix, n) == 0 && (path[n] == '\0' || path[n] == '/')))
			return f;
	}
}

void cors_answer(struct call *call)
{
	const struct config *c = call->ctx->config;
	const struct family *f = family_of(call->req->path);
	const char *origin = req_header(call->req, "Origin");
	const char *asked = req_header(call->req, "Access-Control-Request-Method");
	const char *allow = pairs_get(&call->reply->headers, "Allow");
	bool any = f->any && c->compat_cors_any;

	/* Signed requests have their own word on it: the account's, never with credentials. */
	if (call->style == STYLE_SIGNED || (!any && *c->cors_origins == '\0'))
		return;
	/* Said also to requests without an origin: a cache must not give their answer to others. */
	reply_header(call->reply, "Vary", "Origin");
	if (origin == NULL)
		return;
	if (identity_origin_listed(call, origin)) {
		reply_header(call->reply, "Access-Control-Allow-Origin", origin);
		reply_header(call->reply, "Access-Control-Allow-Credentials", "true");
	} else if (any) {
		reply_header(call->reply, "Access-Control-Allow-Origin", "*");
	} else {
		return;
	}
	if (call->req->method != METHOD_OPTIONS || asked == NULL || allow == NULL) {
		reply_header(call->reply, "Access-Control-Expose-Headers", f->expose);
		return;
	}
	reply_header(call->reply, "Access-Control-Allow-Methods", allow);
	reply_header(call->reply, "Access-Control-Allow-Headers", f->allow);
	reply_header(call->reply, "Access-Control-Max-Age", SECONDS);
}
