/*
 * What a view decides about its answer, complete before the first byte is sent.
 */
#ifndef SLIPWAY_HTTP_REPLY_H
#define SLIPWAY_HTTP_REPLY_H

#include "http/request.h"

enum reply_body {
	REPLY_MODEL,   /* model printed as format, HTML through template */
	REPLY_TEXT,    /* text with type */
	REPLY_FILE,    /* a file, with Range and ETag */
	REPLY_NOTHING, /* headers only (204, 303, 304) */
};

struct reply {
	int status; /* 200 unless changed */
	enum reply_body body;
	enum format format;	   /* for REPLY_MODEL */
	const char *template_name; /* "srs": templates/srs.html */
	json_object *model;	   /* owned */
	char *text;		   /* owned */
	size_t text_len;
	char *type;	      /* owned: Content-Type of text or file */
	int file_fd;	      /* owned; -1 = none */
	int64_t file_size;    /* bytes */
	char *file_etag;      /* owned, with quotes; NULL = none */
	char *download_name;  /* owned: Content-Disposition attachment; NULL = inline */
	char *sendfile_path;  /* owned: absolute path for X-Sendfile; NULL = stream */
	bool user_content;    /* sandbox headers of security.md 3.6 */
	bool cacheable;	      /* static files: no no-store */
	struct pairs headers; /* extra header fields */
	struct pairs cookies; /* full Set-Cookie values, name unused */
	bool close_early;     /* answer although the body is unread */
	/* for FORMAT_XML, as represent() takes it; NULL: "list" or "MethodResult" */
	const char *xml_root;
	/* after reply_send: the file's last byte went out, in one answer with its first */
	bool delivered;
	bool broken; /* a header or cookie was refused: the answer is 500 */
};

void reply_init(struct reply *);
void reply_done(struct reply *);

/* Set a header; CR, LF, NUL are refused (500 and a log line). */
void reply_header(struct reply *, const char *name, const char *value);
void reply_header_int(struct reply *, const char *name, int64_t value);
/* 303 See Other; LOCATION starts with the mount or is absolute. */
void reply_redirect(struct reply *, int status, const char *location);
/* Takes MODEL. */
void reply_model(struct reply *, int status, const char *template_name, json_object *model);
void reply_text(struct reply *, int status, const char *type, const char *text);
/* Takes TEXT. */
void reply_text_take(struct reply *, int status, const char *type, char *text);
/* Takes FD. */
void reply_file(struct reply *, int fd, int64_t size, const char *type, const char *etag,
		const char *download_name);
struct cookie {
	const char *name, *value;
	int64_t max_age; /* seconds; -1 = until the browser closes; 0 = delete */
	bool http_only;
	bool same_site_none;
};
void reply_cookie(struct reply *, const struct req *, const struct cookie *);

/*
 * Send an interim answer (104) with HEADERS now, if the site allows those (server.interim); else
 * nothing.
 */
void reply_interim(struct req *, int status, const struct pairs *headers);

/*
 * Send it: security headers, Content-Length, HEAD without body, ranges, 304.  PAGES prints HTML.
 * The only caller of wire_write besides transport.
 */
struct pages;
void reply_send(struct reply *, struct req *, struct pages *);

#endif
