/*
 * The route table: the map of the product.  One row a page: path, methods, preconditions, view,
 * template.
 * The table itself stands in cgi-bin/slipway.c; views/dispatch checks its rows.
 */
#ifndef SLIPWAY_HTTP_ROUTE_H
#define SLIPWAY_HTTP_ROUTE_H

#include "http/form.h"
#include "http/reply.h"

struct ctx; /* the running front: views/ctx.h */

enum need_login {
	LOGIN_NONE, /* anybody */
	/* anybody, where the site shows strangers what is public (site.anonymous_read) */
	LOGIN_READER,
	LOGIN_USER,    /* a user (or an anonymous owner where the site allows it) */
	LOGIN_MANAGER, /* role manager, or an administrator */
	LOGIN_ADMIN,
};
enum csrf_rule {
	CSRF_NONE,   /* nothing changes, or other credentials are needed anyway */
	CSRF_ORIGIN, /* checks 1-3 of security.md 3.4 under a cookie */
	CSRF_FORM,   /* and the token */
};
enum body_rule {
	BODYRULE_NONE,	/* a body is ignored */
	BODYRULE_FORM,	/* fields, read by dispatch before the view */
	BODYRULE_FILES, /* the view reads the form with its own sink, then dispatch_csrf */
	BODYRULE_RAW,	/* the view reads the body */
};
enum error_style {
	STYLE_WIZARD,	/* wizard.md 6.3 or an HTML page */
	STYLE_PLAIN,	/* "<code>: <sentence>\n" */
	STYLE_SUPERMAP, /* {"succeed":false,"error":…} in the asked format */
	STYLE_GWS,	/* {"status": N, "error": {"code": N, "info": …}}, JSON or MessagePack */
	/* by the upload protocol of the request: text, or application/problem+json */
	STYLE_FILES,
	/* {"success":false,"error","code"}, and what each browser library reads */
	STYLE_CHUNKS,
	/* {"status":N,"msg":…} or {"result":"error","data":…}: the signed APIs */
	STYLE_SIGNED,
	/* a family of clients with a form of its own adds a row in views/errors.c */
	STYLE__MAX,
};

struct call; /* one request on its way through a view: views/ctx.h */
typedef enum err view_fn(struct call *);

struct route {
	/* "/upload/", "/upload/{step}", "/datasets/{id:int}", "/static/{path:rest}" */
	const char *path;
	/*
	 * METHOD_BIT(…)|…; HEAD comes with GET, OPTIONS always, answered by dispatch unless named
	 * here
	 */
	unsigned methods;
	enum need_login login;
	enum csrf_rule csrf;
	enum body_rule body;
	enum error_style style;
	int64_t max_body; /* bytes, 0 = by type (limits.h), -1 = the view's business */
	view_fn *view;
};

/* Parameters found in the path, by name. */
struct route_match {
	const struct route *route;
	struct pairs params;
	unsigned allow; /* methods any row with this path allows: for 405 */
};
/*
 * The row for METHOD and PATH.  A path that is spelled out in a row belongs to that row's like
 * alone: a pattern with a parameter does not take its other methods, nor does one with :rest those
 * of a pattern before it.
 * Errors: ERR_NOT_FOUND; ERR_METHOD (allow filled).
 */
enum err route_find(const struct route *table, size_t n, enum method, const char *path,
		    struct route_match *ret);

#endif
