/*
 * Forms: urlencoded, JSON and multipart bodies become the same fields; file parts stream to a sink.
 * Source: security.md 3.1, 8; wizard.md 3.2.
 */
#ifndef SLIPWAY_HTTP_FORM_H
#define SLIPWAY_HTTP_FORM_H

#include "http/request.h"

/* Where file parts go, as they arrive.  Any error ends the request with that error. */
struct form_sink {
	/*
	 * NULL: file parts are errors.  A file part begins.  FILENAME: as sent (decoded, valid
	 * UTF-8); an empty one is "not chosen" and never comes here.
	 */
	enum err (*begin)(void *arg, const char *field, const char *filename, const char *type,
			  struct error *);
	enum err (*data)(void *arg, const void *bytes, size_t n, struct error *);
	enum err (*end)(void *arg, struct error *); /* the part is whole */
	void *arg;
	/* Every byte of the body as it is sent; NULL = nobody listens.  Not of JSON. */
	void (*tap)(void *arg, const void *bytes, size_t n);
	/* a field that is no text is PAIRS_NO_TEXT instead of an error */
	bool any_text;
	int64_t text_max; /* bytes of one text field; 0 = limits.text_field */
	/* bytes of an urlencoded or JSON body, or of all text fields; 0 = by type */
	int64_t body_max;
};

struct form {
	struct pairs fields; /* in order, repeated ones too; query not included */
	json_object *json;   /* the object of a JSON body, else NULL */
	size_t n_files;	     /* file parts that went to the sink */
};

/*
 * Read the whole body of REQ.  SINK NULL: file parts are errors.  Limits of base/limits.h apply; a
 * multipart body is whole only after its closing delimiter.
 * Owns:   caller calls form_done, also after an error.
 * Errors: ERR_BAD_REQUEST (45 cases of security.md 8), ERR_CUT, ERR_TOO_LARGE, ERR_TYPE,
 * ERR_NEED_LENGTH, sink's own.
 */
enum err form_read(struct req *, struct form *, const struct form_sink *sink, struct error *);
void form_done(struct form *);

/*
 * Read a body of any type whole into memory, for views that parse it themselves.
 * Owns:   caller frees *RET; a NUL follows its *RET_LEN bytes.
 * Errors: ERR_TOO_LARGE over MAX bytes, which the answer calls LIMIT ("signed.max_body"); ERR_CUT,
 * ERR_STOPPING.
 *         Without a declared length a cut may look like an end: the bytes must tell by themselves.
 */
enum err form_body(struct req *, int64_t max, const char *limit, char **ret, size_t *ret_len,
		   struct error *);

/* first value; NULL = absent */
const char *form_get(const struct form *, const char *name);
/* All fields as one JSON object {name: text or [texts]}: what wizard/ rules take.  Caller frees. */
json_object *form_fields(const struct form *);
/*
 * One of the never-repeated fields (token, key, csrfmiddlewaretoken, id, rev, nonce …) is repeated
 * in query or form?
 */
bool form_repeats_secret(const struct req *, const struct form *, const char **ret_name);

#endif
