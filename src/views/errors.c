#include "views/errors.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "views/files.h"
#include "views/gws.h"
#include "views/chunks.h"
#include "views/signed.h"
#include "views/wizard.h"

void errors_print_model(struct call *call, enum err err, const json_object *details)
{
	json_object *m = json_object_new_object();

	json_set_bool(m, "success", false);
	json_set_str(m, "status", "error");
	error_members(call, m, json_copy(details));
	if (call->mode == MODE_HTML)
		json_set_int(m, "http_status", err_status(err));
	(void)call_answer(call, err_status(err), "error", m);
}

/* One line of text, unless JSON was asked for. */
static void print_plain(struct call *call, enum err err, const json_object *details)
{
	CLEAN_FREE char *text =
	    mem_printf("%s: %s\n", err_name(err), json_str(json_at(details, 0), "message", ""));

	if (call->mode == MODE_STRICT)
		errors_print_model(call, err, details);
	else
		reply_text(call->reply, err_status(err), "text/plain; charset=utf-8", text);
}

static const struct {
	error_printer *print;
	bool quiet; /* never Basic: a password box in the middle of a script's or page's request */
} styles[STYLE__MAX] = {
    [STYLE_CHUNKS] = {chunks_print_error, true}, [STYLE_WIZARD] = {errors_print_model, false},
    [STYLE_PLAIN] = {print_plain, true},	 [STYLE_SUPERMAP] = {supermap_error, true},
    [STYLE_GWS] = {gws_print_error, true},	 [STYLE_FILES] = {files_print_error, true},
    [STYLE_SIGNED] = {signed_print_error, true},
};

/* What else an error's answer says, by error. */
static const struct {
	enum err err;
	const char *retry_after; /* seconds */
} retries[] = {
    {ERR_BUSY, "1"},  {ERR_STOPPING, "1"},    {ERR_LOCKED, "1"}, {ERR_SHORT, "1"},
    {ERR_STORE, "5"}, {ERR_UNAVAILABLE, "5"}, {ERR_RATE, "60"},
};

void errors_headers(struct call *call, enum err err, bool quiet)
{
	if (err == ERR_AUTH)
		reply_header(call->reply, "WWW-Authenticate",
			     quiet || req_header(call->req, "X-Requested-With") != NULL
				 ? "Slipway realm=\"Slipway\""
				 : "Basic realm=\"Slipway\", charset=\"UTF-8\"");
	for (size_t i = 0; i < sizeof(retries) / sizeof(*retries); i++)
		if (retries[i].err == err &&
		    pairs_get(&call->reply->headers, "Retry-After") == NULL)
			reply_header(call->reply, "Retry-After", retries[i].retry_after);
	reply_header(call->reply, "X-Slipway-Error", err_name(err));
}

/*
 * Apache keeps Authorization to itself unless told otherwise: who sends no sign of himself may have
 * sent one.
 */
static bool may_be_kept_back(const struct call *call)
{
	const char *software = wire_env(call->req->wire, "SERVER_SOFTWARE");

	return software != NULL && text_starts(software, "Apache") && call->mode != MODE_HTML &&
	       req_header(call->req, "Authorization") == NULL &&
	       req_header(call->req, "X-Slipway-Key") == NULL &&
	       req_header(call->req, "Cookie") == NULL;
}

/* Is what the request brings a file, or a piece of one? */
static bool takes_files(const struct call *call)
{
	return call->style == STYLE_FILES || call->style == STYLE_CHUNKS ||
	       (call->route != NULL && call->route->body == BODYRULE_FILES);
}

/* Tell what is wrong by CODE, the view having said nothing else. */
static void add_problem(struct call *call, const char *code)
{
	const char *field =
	    call->form.fields.bad != NULL ? call->form.fields.bad : call->req->query.bad;
	const struct config *c = call->ctx->config;
	json_object *p = problem_new(code);

	if (field != NULL)
		problem_str(p, "field", field);
	if (strcmp(code, err_code(ERR_TOO_LARGE)) == 0 && takes_files(call)) {
		problem_arg(p, "reason", c->upload_max_request > 0 ? "request" : "file");
		problem_arg_int(p, "size", c->upload_max_size);
		problem_arg_int(p, "request", c->upload_max_request);
	}
	problems_add(&call->problems, p);
}

void errors_answer(struct call *call, enum err err)
{
	enum error_style style = call->style;
	CLEAN_JSON json_object *details = NULL;

	if (err == ERR_CUT && wire_crowded_out(call->req->wire)) {
		/* Not the client's fault: he may go on. */
		err = ERR_BUSY;
		*call->error.code = '\0';
	}
	if (call->problems == NULL)
		add_problem(call, *call->error.code != '\0' ? call->error.code : err_code(err));
	if (err == ERR_AUTH && may_be_kept_back(call) &&
	    problems_have(call->problems, "login_required"))
		problem_arg(json_object_array_get_idx(call->problems, 0), "reason", "kept_back");
	details = problem_details(call, call->problems);
	styles[style].print(call, err, details);
	errors_headers(call, err, styles[style].quiet);
	call->reply->close_early = true;
}
