/*
 * A request after parsing: method, path, query, headers, cookies, language, representation.
 */
#ifndef SLIPWAY_HTTP_REQUEST_H
#define SLIPWAY_HTTP_REQUEST_H

#include "base/words.h"
#include "http/transport.h"

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_OTHER,
	METHOD__MAX
};
#define METHOD_BIT(m) (1u << (m))

/* How the answer is printed. */
enum format { FORMAT_HTML, FORMAT_JSON, FORMAT_RJSON, FORMAT_XML, FORMAT__MAX };

/* One decoded name=value of query, urlencoded body, multipart field, or cookie. */
struct pair {
	char *name;
	char *value;
};
struct pairs {
	struct pair *v;
	size_t n;
	/* name of the field whose value is no text, after ERR_BAD_REQUEST; else NULL */
	char *bad;
};

enum body_type { BODY_NONE, BODY_URLENCODED, BODY_MULTIPART, BODY_JSON, BODY_OTHER };

struct req {
	struct wire *wire;
	const struct config *config;
	enum method method;
	char *method_name; /* as sent */
	char *path;	   /* decoded, normalised, below the mount: "/upload/srs" */
	char *raw_path;	   /* undecoded path of REQUEST_URI */
	char *mount;	   /* "" or "/slipway": in front of every URL we print */
	struct pairs query;
	struct pairs cookies;
	char *content_type; /* lower-case, without parameters; "" = none */
	char *boundary;	    /* of multipart, else NULL */
	enum body_type body_type;
	int64_t content_length; /* -1 = absent */
	bool chunked;
	bool https;
	char address[64]; /* client's, trusted proxies considered */
	char id[33];	  /* request id */
	enum lang lang;
	bool lang_set;	    /* by ?lang=: the cookie is set */
	struct error error; /* parse failure: answered by dispatch */
};

/*
 * Parse what the wire says; never fails: REQ->error holds what is wrong.
 * Source: front-ends.md 3, 6; security.md 3.1, 9.
 * Owns: caller calls req_done.
 */
void req_init(struct req *, struct wire *, const struct config *);
void req_done(struct req *);

/* "X-Requested-With"; NULL = absent */
const char *req_header(const struct req *, const char *name);
/* first value; NULL = absent */
const char *req_query(const struct req *, const char *name);
const char *req_cookie(const struct req *, const char *name); /* NULL also when two differ */

/* The text of a pair list. */
const char *pairs_get(const struct pairs *, const char *name);
void pairs_add(struct pairs *, const char *name, const char *value);
void pairs_done(struct pairs *);
/*
 * Decode application/x-www-form-urlencoded.  ERR_BAD_REQUEST (bad escape, not UTF-8, NUL),
 * ERR_TOO_LARGE (MAX pairs).
 */
enum err pairs_decode(struct pairs *, const char *s, size_t len, size_t max, struct error *);
/*
 * The same for who judges texts himself: a name or value that is no text becomes PAIRS_NO_TEXT,
 * which no name and no value of ours is.
 */
#define PAIRS_NO_TEXT "\x7f"
enum err pairs_decode_any(struct pairs *, const char *s, size_t len, size_t max, struct error *);

/* Accept header: q of a media type in thousandths, -1 = not named (wildcards do not count). */
int negotiate_q(const char *accept, const char *type);
enum lang negotiate_lang(const struct req *);

/*
 * Byte ranges of RFC 9110: one range only; false = ignore the header; *RET_FIRST > *RET_LAST means
 * 416.
 */
bool range_parse(const char *header, int64_t size, int64_t *ret_first, int64_t *ret_last);
/*
 * Content-Range of a request: "bytes 100-199/200", or a star for the total (*TOTAL -1).  False: no
 * such thing.
 */
bool content_range_parse(const char *s, int64_t *first, int64_t *last, int64_t *total);

#endif
