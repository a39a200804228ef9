/*
 * GeoNode 3's read API over the sessions, and its one-request upload.
 * Source: contracts/wizard.md 16.2.
 */
#include <string.h>
#include "views/wizard.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"

#define PAGE_DEFAULT 10
#define PAGE_MAX     100
#define SCAN_MAX     10000 /* sessions looked through for a filter */
#define FILTER_ID    "filter{import_id}"
#define FILTER_STATE "filter{state}"

static enum err json_answer(struct call *call, json_object *m)
{
	reply_model(call->reply, 200, "json", m);
	call->reply->format = FORMAT_JSON;
	return ERR_OK;
}

struct api_list {
	const char *owner;
	size_t skip, max, total;
	json_object *list;
};

static enum err api_list_pass(struct pass *p, void *arg)
{
	struct api_list *l = arg;
	json_object_put(l->list);
	l->list = NULL;
	json_object *doc = NULL;
	enum err err = sessions_list(p, l->owner, l->skip, l->max, &l->list, &l->total);
	JSON_EACH(doc, l->list)
	{
		if (err == ERR_OK)
			err = session_live(p, doc);
	}
	return err;
}

static int64_t number(const struct call *call, const char *name, int64_t def, int64_t max)
{
	int64_t n = def;
	const char *v = req_query(call->req, name);
	return v != NULL && text_int(v, 1, INT32_MAX, &n) ? (n > max ? max : n) : def;
}

static json_object *api_item(struct call *call, json_object *doc)
{
	struct session *s = NULL;
	if (session_from_json(json_object_get(doc), &s) != ERR_OK)
		return NULL;
	json_object *item = session_api_item(s, s->doc, call->req->mount);
	json_object *d = json_at(json_arr(s->doc, "datasets"), 0);
	if (s->state == STATE_PROCESSED && json_int(d, "id", 0) != 0) {
		CLEAN_FREE char *url =
		    call_url(call, "/datasets/%lld", (long long)json_int(d, "id", 0));
		json_set_str(item, "detail_url", url);
	}
	session_free(s);
	return item;
}

static void filter(struct call *call, struct api_list *l, size_t skip, size_t max)
{
	const char *id = req_query(call->req, FILTER_ID),
		   *state = req_query(call->req, FILTER_STATE);
	json_object *kept = json_object_new_array(), *doc = NULL;
	size_t n = 0;
	JSON_EACH(doc, l->list)
	{
		char number_text[24];
		snprintf(number_text, sizeof(number_text), "%lld",
			 (long long)json_int(doc, "id", 0));
		if ((id != NULL && strcmp(id, number_text) != 0) ||
		    (state != NULL && !text_ieq(state, json_str(doc, "state", ""))))
			continue;
		if (n >= skip && n < skip + max)
			json_object_array_add(kept, json_object_get(doc));
		n++;
	}
	json_object_put(l->list);
	l->list = kept;
	l->total = n;
}

/* Another page of the same list: with what filters it. */
static json_object *page_link(const struct call *call, int64_t page, int64_t size)
{
	static const char *const filters[] = {FILTER_ID, FILTER_STATE};
	CLEAN_FREE char *kept = mem_strdup("");

	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		const char *value = req_query(call->req, filters[i]);
		if (value == NULL)
			continue;
		CLEAN_FREE char *name = escape_url_dup(filters[i]), *text = escape_url_dup(value),
				*before = kept;
		kept = mem_printf("%s&%s=%s", before, name, text);
	}
	CLEAN_FREE char *url = call_public_url(call, "/api/v2/uploads/?page=%lld&page_size=%lld%s",
					       (long long)page, (long long)size, kept);
	return json_object_new_string(url);
}

enum err api_uploads_view(struct call *call)
{
	int64_t page = number(call, "page", 1, INT32_MAX),
		size = number(call, "page_size", PAGE_DEFAULT, PAGE_MAX);
	bool filtered =
	    req_query(call->req, FILTER_ID) != NULL || req_query(call->req, FILTER_STATE) != NULL;
	size_t skip = (size_t)((page - 1) * size);
	struct api_list l = {.owner = call->who.admin ? NULL : call->who.owner,
			     .skip = filtered ? 0 : skip,
			     .max = filtered ? SCAN_MAX : (size_t)size};
	json_object *m = json_object_new_object(), *links = json_object_new_object(),
		    *items = json_object_new_array(), *doc = NULL;

	if (strcmp(call->who.owner, "-") == 0) {
		l.list = json_object_new_array();
	} else {
		enum err err = store_pass(call->ctx->store, PASS_READ, "uploads", api_list_pass, &l,
					  &call->error);
		if (err != ERR_OK) {
			json_object_put(m);
			json_object_put(links);
			json_object_put(items);
			return err;
		}
	}
	if (filtered)
		filter(call, &l, skip, (size_t)size);
	JSON_EACH(doc, l.list)
	{
		json_object *item = api_item(call, doc);
		if (item != NULL)
			json_object_array_add(items, item);
	}
	json_object_put(l.list);
	json_set(links, "next",
		 skip + (size_t)size < l.total ? page_link(call, page + 1, size) : NULL);
	/* Behind the last page the way back leads to it. */
	int64_t last = ((int64_t)l.total + size - 1) / size;
	json_set(links, "previous",
		 page > 1 ? page_link(call, page - 1 > last && last > 0 ? last : page - 1, size)
			  : NULL);
	json_set(m, "links", links);
	json_set_int(m, "total", (int64_t)l.total);
	json_set_int(m, "page", page);
	json_set_int(m, "page_size", size);
	json_set(m, "uploads", items);
	return json_answer(call, m);
}

enum err api_upload_view(struct call *call)
{
	int64_t id = 0;
	struct turn t;
	bool full = false;
	const char *v = req_query(call->req, "full");

	if (!text_int(pairs_get(&call->params, "id"), 1, INT64_MAX, &id))
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	enum err err = turn_begin(call, id, false, &t);
	if (err != ERR_OK)
		return err;
	CLEAN_JSON json_object *datasets = NULL;
	bool whole = v != NULL && text_bool(v, &full) && full;
	if (whole)
		err = session_datasets(&t, &datasets);
	if (err != ERR_OK) {
		turn_end(&t);
		return err;
	}
	json_object *m = json_object_new_object(), *item = api_item(call, t.s->doc);
	if (whole) {
		json_set(item, "layer", json_copy(json_at(datasets, 0)));
		json_set(item, "resource", json_copy(json_at(datasets, 0)));
		json_set(item, "session", session_summary(t.s, t.s->doc));
	}
	json_set(m, "upload", item);
	turn_end(&t);
	return json_answer(call, m);
}

/* Save, every step that needs nobody, and the import: one request. */
enum err api_post_view(struct call *call)
{
	struct turn t;
	if (call->mode == MODE_HTML)
		call->mode = MODE_COMPAT;
	enum err err = save_step_view(call);
	if (err != ERR_OK) {
		/* G3 says 400 here, not 413. */
		if (err == ERR_TOO_LARGE)
			err = ERR_BAD_REQUEST;
		return err;
	}
	int64_t id = json_int(call->reply->model, "id", 0);
	if (id == 0)
		return ERR_OK;
	err = turn_begin(call, id, true, &t);
	if (err != ERR_OK)
		return err;
	if (session_inspected(t.s) && t.s->state == STATE_WAITING) {
		bool answered = false;
		err = settle_target(&t, &answered);
		if (err != ERR_OK || answered) {
			turn_end(&t);
			return err;
		}
		err = run_import(&t, false);
		if (err == ERR_CONFLICT && call->problems == NULL) {
			err = ERR_OK;
			turn_unlock(&t);
		}
	} else if (t.s->state == STATE_PENDING || t.s->state == STATE_RUNNING) {
		call_wake_worker(call);
		err = turn_wait(&t, call->ctx->config->final_wait_s);
	}
	if (err == ERR_OK)
		err = next_step_response(&t);
	turn_end(&t);
	return err;
}

/* ---- limits */

static json_object *limit_row(const char *slug, const char *description, int64_t bytes)
{
	json_object *o = json_object_new_object();
	CLEAN_FREE char *label = text_bytes(bytes);
	json_set_str(o, "slug", slug);
	json_set_str(o, "description", description);
	json_set_int(o, "max_size", bytes);
	json_set_str(o, "max_size_label", label);
	return o;
}

enum err api_size_limits_view(struct call *call)
{
	static const struct {
		const char *slug, *text;
	} rows[] = {{"total_upload_size_sum", "api.limit.total"},
		    {"file_upload_handler", "api.limit.handler"}};
	const char *slug = pairs_get(&call->params, "slug");
	json_object *m = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *text =
		    words_get(pages_words(call->ctx->pages), call->req->lang, rows[i].text);
		json_object *row =
		    limit_row(rows[i].slug, text, call->ctx->config->max_session_bytes);
		if (slug != NULL && strcmp(slug, rows[i].slug) == 0) {
			json_set(m, "upload-size-limit", row);
			json_object_put(list);
			return json_answer(call, m);
		}
		json_object_array_add(list, row);
	}
	if (slug != NULL) {
		json_object_put(m);
		json_object_put(list);
		return call_fail(call, ERR_NOT_FOUND, problem_new("not_found"));
	}
	json_set(m, "upload-size-limits", list);
	return json_answer(call, m);
}

enum err api_parallelism_view(struct call *call)
{
	json_object *m = json_object_new_object(), *list = json_object_new_array(),
		    *row = json_object_new_object();
	json_set_str(row, "slug", "default_max_parallel_uploads");
	json_set_str(
	    row, "description",
	    words_get(pages_words(call->ctx->pages), call->req->lang, "api.limit.parallel"));
	json_set_int(row, "max_number", call->ctx->config->max_open_sessions);
	json_object_array_add(list, row);
	json_set(m, "upload-parallelism-limits", list);
	return json_answer(call, m);
}
