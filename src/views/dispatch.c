#include <string.h>
#include <strings.h>
#include "views/ctx.h"
#include "views/cors.h"
#include "views/chunks.h"
#include "views/errors.h"
#include "views/files.h"
#include "views/gws.h"
#include "views/identity.h"
#include "views/signed.h"
#include "views/wizard.h"
#include "http/represent.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

/* ---- how the client wants its answer (wizard.md 3.1) */

static bool ajax_asked(const struct req *req)
{
	const char *v = req_query(req, "force_ajax");
	bool b = false;
	return v != NULL && text_bool(v, &b) && b;
}

/* Rule 5: which GETs are pages for clients that name nothing. */
static bool page_by_default(const struct req *req)
{
	static const char *const pages[] = {"/upload/srs", "/upload/csv", "/upload/time",
					    "/upload/run"};

	if (req->method != METHOD_GET && req->method != METHOD_HEAD)
		return false;
	if (strcmp(req->path, "/upload/") == 0)
		return req_query(req, "id") == NULL;
	if (text_starts(req->path, "/upload/delete"))
		return true;
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		if (strcmp(req->path, pages[i]) == 0)
			return true;
	}
	return !text_starts(req->path, "/upload/") && !text_starts(req->path, "/api/") &&
	       !text_starts(req->path, "/files");
}

static enum mode mode_of(const struct req *req, bool *ret_open)
{
	const char *accept = req_header(req, "Accept");
	const char *with = req_header(req, "X-Requested-With");

	*ret_open = false;
	if (ajax_asked(req) || (with != NULL && strcasecmp(with, "XMLHttpRequest") == 0))
		return MODE_COMPAT;
	int json = accept == NULL ? -1 : negotiate_q(accept, "application/json");
	int html = accept == NULL ? -1 : negotiate_q(accept, "text/html");
	int xhtml = accept == NULL ? -1 : negotiate_q(accept, "application/xhtml+xml");
	if (json > 0 && json >= html)
		return MODE_STRICT;
	if (html > 0 || xhtml > 0)
		return MODE_HTML;
	*ret_open = page_by_default(req);
	return *ret_open ? MODE_HTML : MODE_COMPAT;
}

/* Somebody must log in first. */
static enum err need_login(struct call *call)
{
	if (call->mode != MODE_HTML || call->style != STYLE_WIZARD)
		return call_fail(call, ERR_AUTH, problem_new("login_required"));
	bool get = call->req->method == METHOD_GET || call->req->method == METHOD_HEAD;
	CLEAN_FREE char *target = call_url(call, "%s", get ? call->req->path : "/upload/");
	const char *qs = wire_env(call->req->wire, "QUERY_STRING");
	CLEAN_FREE char *full =
	    get && qs != NULL && *qs != '\0' ? mem_printf("%s?%s", target, qs) : mem_strdup(target);
	CLEAN_FREE char *next = escape_url_dup(full);
	CLEAN_FREE char *where = call_url(call, "/login?next=%s", next);
	reply_redirect(call->reply, 303, where);
	call->reply->close_early = true;
	return ERR_OK;
}

/* ---- preconditions: the columns of the route's row */

static bool changes_something(const struct req *req)
{
	return req->method != METHOD_GET && req->method != METHOD_HEAD &&
	       req->method != METHOD_OPTIONS;
}

/*
 * What says who asks, and for what, stands once in the address and what is known of the body: which
 * of two counted, somebody else would judge otherwise.
 */
static enum err nothing_twice(struct call *call)
{
	const char *name = NULL;
	if (form_repeats_secret(call->req, &call->form, &name))
		return call_fail(call, ERR_BAD_REQUEST,
				 problem_str(problem_new("bad_body"), "field", name));
	return ERR_OK;
}

static enum err read_form(struct call *call)
{
	enum err err = form_read(call->req, &call->form, NULL, &call->error);
	return err == ERR_OK ? nothing_twice(call) : err;
}

enum err dispatch_csrf(struct call *call)
{
	enum err err = nothing_twice(call);
	return err == ERR_OK && call->route->csrf == CSRF_FORM ? csrf_token(call) : err;
}

/* May the view be called?  *RET_DONE: the answer stands already. */
static enum err preconditions(struct call *call, bool *ret_done)
{
	const struct route *r = call->route;
	bool nobody = *call->who.name == '\0' && strncmp(call->who.owner, "a:", 2) != 0;
	enum err err = ERR_OK;

	const struct config *c = call->ctx->config;
	bool open = r->login == LOGIN_NONE || (r->login == LOGIN_READER && c->anonymous_read);
	bool guests = r->login == LOGIN_USER && c->anonymous_uploads && !call->supermap.on;
	if (!open && nobody && !guests) {
		*ret_done = true;
		return need_login(call);
	}
	if (r->login == LOGIN_MANAGER && !call->who.admin && !call->who.manager)
		return call_fail(call, ERR_FORBIDDEN, problem_new("manager_only"));
	if (r->login == LOGIN_ADMIN && !call->who.admin)
		return call_fail(call, ERR_FORBIDDEN, problem_new("admin_only"));
	if (!changes_something(call->req))
		return ERR_OK;
	if (c->read_only && r->csrf != CSRF_NONE) {
		(void)call_fail(call, ERR_UNAVAILABLE, problem_new("read_only"));
		return ERR_UNAVAILABLE;
	}
	if (call->who.read_only && r->login > LOGIN_READER)
		return call_fail(call, ERR_FORBIDDEN, problem_new("key_read_only"));
	if (r->max_body > 0 && call->req->content_length > r->max_body)
		return ERR_TOO_LARGE;
	if (r->csrf != CSRF_NONE)
		err = csrf_origin(call);
	if (err == ERR_OK && r->body == BODYRULE_FORM)
		err = read_form(call);
	if (err == ERR_OK && r->body != BODYRULE_FILES && r->csrf == CSRF_FORM)
		err = csrf_token(call);
	return err;
}

/* The methods of a bit set, for Allow. */
void dispatch_allow(struct reply *reply, unsigned allow)
{
	static const struct {
		enum method m;
		const char *name;
	} names[] = {{METHOD_GET, "GET, HEAD"},
		     {METHOD_POST, "POST"},
		     {METHOD_PUT, "PUT"},
		     {METHOD_PATCH, "PATCH"},
		     {METHOD_DELETE, "DELETE"}};
	char buf[64] = "";
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if ((allow & METHOD_BIT(names[i].m)) != 0)
			snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), "%s, ",
				 names[i].name);
	}
	snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), "OPTIONS");
	reply_header(reply, "Allow", buf);
}

static enum err find_reader(struct call *call)
{
	enum err err = identity_find(call);
	call->who_known = err == ERR_OK || err == ERR_AUTH;
	return err;
}

static enum err route_call(struct call *call, struct route_match *match)
{
	struct ctx *ctx = call->ctx;
	bool done = false;
	enum err err =
	    route_find(ctx->routes, ctx->n_routes, call->req->method, call->req->path, match);
	bool options = call->req->method == METHOD_OPTIONS;
	/* A row that names OPTIONS has more to say about it than its methods. */
	bool own = err == ERR_OK && (match->route->methods & METHOD_BIT(METHOD_OPTIONS)) != 0;
	/* The page that says so names its reader. */
	if (err != ERR_OK && call->mode == MODE_HTML && call->style == STYLE_WIZARD &&
	    find_reader(call) != ERR_OK)
		call->error = (struct error){0};
	if (err == ERR_METHOD || (err == ERR_OK && options && !own)) {
		dispatch_allow(call->reply, match->allow);
		call->reply->status = 204;
		call->reply->body = REPLY_NOTHING;
		return options ? ERR_OK : ERR_METHOD;
	}
	if (err != ERR_OK)
		return err;
	call->route = match->route;
	call->style = match->route->style;
	call->params = match->params;
	err = supermap_check(call);
	/* The signed APIs have a longer list, and a word of their own for it. */
	if (err == ERR_OK && call->style != STYLE_SIGNED)
		err = nothing_twice(call);
	if (err != ERR_OK)
		return err;
	upload_reads(call);
	err = find_reader(call);
	/* A stale login of somebody who only wants to log in again is no obstacle. */
	if (err == ERR_AUTH && match->route->login <= LOGIN_READER && !call->supermap.on)
		err = ERR_OK;
	if (err == ERR_OK)
		err = preconditions(call, &done);
	if (err != ERR_OK || done)
		return err;
	return match->route->view(call);
}

static void common_cookies(struct call *call)
{
	bool page = call->reply->body == REPLY_MODEL && call->reply->format == FORMAT_HTML;
	/*
	 * Nobody's token in place of a login's would make every page that is open elsewhere
	 * useless.
	 */
	/* A client that has it gets it again: GeoNode's scripts read it from the answer at hand. */
	if (page && call->who_known && (call->csrf_new || call->reply->status == 200) &&
	    *call->csrf != '\0')
		reply_cookie(
		    call->reply, call->req,
		    &(struct cookie){.name = "csrftoken", .value = call->csrf, .max_age = -1});
	if (call->req->lang_set)
		reply_cookie(call->reply, call->req,
			     &(struct cookie){.name = "lang",
					      .value = call->req->lang == LANG_ZH ? "zh" : "en",
					      .max_age = 365 * 86400});
}

void dispatch(struct wire *wire, void *arg)
{
	struct ctx *ctx = arg;
	struct req req = {0};
	struct reply reply;
	struct route_match match = {0};
	int64_t start = clock_mono_ms();

	req_init(&req, wire, ctx->config);
	reply_init(&reply);
	struct call call = {.ctx = ctx, .req = &req, .reply = &reply};
	call.mode = mode_of(&req, &call.mode_open);
	supermap_begin(&call);
	files_begin(&call);
	if (gws_owns_path(req.path))
		call.style = STYLE_GWS;
	if (chunks_owns_path(req.path))
		call.style = STYLE_CHUNKS;
	if (signed_owns_path(req.path))
		call.style = STYLE_SIGNED;
	enum err err = req.error.err;
	if (err != ERR_OK)
		call.error = req.error;
	else
		err = route_call(&call, &match);
	if (err != ERR_OK)
		errors_answer(&call, err);
	cors_answer(&call);
	common_cookies(&call);
	reply_send(&reply, &req, ctx->pages);
	/* An upload too long to be put together here. */
	if (engine_wants_worker(ctx->engine))
		call_wake_worker_now(&call);
	if (reply.delivered && call.counted_item > 0)
		(void)catalog_item_downloaded(ctx->catalog, call.counted_item, NULL);

	if (err != ERR_OK && err_is_ours(err))
		log_line(LOG_LEVEL_ERROR, req.id, "%s %s: %s: %s", req.method_name, req.path,
			 err_name(err), call.error.text);
	int64_t took = clock_mono_ms() - start;
	log_request(&(struct log_request){.id = req.id,
					  .method = req.method_name,
					  .path = req.path,
					  .status = reply.status,
					  .ms = took,
					  .bytes_in = wire_received(wire)});
	tally_request(ctx->tally, status_class(req.path), reply.status, took, wire_received(wire));

	/* Handles of a store that was recovered too often leak: a fresh process takes over. */
	if (store_worn_out(ctx->store))
		transport_finish();
	pairs_done(&match.params);
	json_object_put(call.ahead);
	json_object_put(call.limits);
	json_object_put(call.problems);
	json_object_put(call.told);
	form_done(&call.form);
	reply_done(&reply);
	req_done(&req);
}
