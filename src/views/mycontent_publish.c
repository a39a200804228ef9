/*
 * Publishing a data item: its file goes through the wizard by itself and becomes the item's
 * dataset. Source: contracts/datas.md 9, 10.
 */
#include <string.h>
#include "store/queue.h"
#include "views/mycontent.h"
#include "views/target.h"
#include "views/views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/bundle.h"
#include "wizard/final.h"
#include "wizard/spill.h"
#include "wizard/task.h"

#define HEAD_BYTES (64 * 1024) /* of the file, for telling what it is */

/* ---- what is asked */

/* serviceType: which of the site's services are listed; NULL = all. */
static enum err service_types(struct call *call, json_object **ret)
{
	const char *asked = supermap_query(call, "serviceType");
	json_object *list = NULL;

	for (const char *p = asked; p != NULL && *p != '\0';) {
		size_t n = strcspn(p, ",");
		CLEAN_FREE char *part = mem_strndup(p, n);
		CLEAN_FREE char *word = text_trim(part);
		/* Some clients send a list in brackets and quotes. */
		size_t skip = strspn(word, "[\" ");
		size_t len = strcspn(word + skip, "\"] ");
		word[skip + len] = '\0';
		const char *type = datas_word(DATAS_SERVICE_TYPE, word + skip);
		if (type == NULL) {
			json_object_put(list);
			return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter",
					     "serviceType");
		}
		if (list == NULL)
			list = json_object_new_array();
		json_object_array_add(list, json_object_new_string(type));
		p += n + (p[n] == ',');
	}
	*ret = list;
	return ERR_OK;
}

/* dataServiceId names the item itself, or one of its services. */
static enum err check_service_id(struct call *call, const json_object *model)
{
	const char *asked = supermap_query(call, "dataServiceId");
	CLEAN_JSON json_object *services = datas_services(call, model);
	CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(model, "id", 0));
	json_object *s = NULL;

	if (asked == NULL || strcmp(asked, id) == 0)
		return ERR_OK;
	JSON_EACH(s, services)
	{
		if (strcmp(json_str(s, "serviceID", ""), asked) == 0)
			return ERR_OK;
	}
	return supermap_fail(call, ERR_NOT_FOUND, "datas_no_service", NULL);
}

/* ---- the session that does it */

static enum err note(struct call *call, const json_object *model, json_object *types,
		     int64_t session, const char *status)
{
	CLEAN_JSON json_object *changes = json_object_new_object();
	json_object *work = json_copy(json_obj(model, "work"));

	if (work == NULL)
		work = json_object_new_object();
	json_set(work, "serviceTypes", json_object_get(types));
	json_set(work, "error", NULL);
	if (session != 0) {
		json_set_int(work, "session", session);
		json_set_str(work, "imported", json_str(model, "upload", NULL));
	}
	json_set(changes, "work", work);
	json_set_str(changes, "serviceStatus", status);
	return catalog_item_change(call->ctx->catalog, json_int(model, "id", 0), changes, NULL,
				   &call->error);
}

struct start {
	struct call *call;
	const json_object *model;
	json_object *types;
	const char *upload;
	json_object *record, *task;
};

/* The item says that it is being imported before anybody can see the task that does it. */
static enum err start_pass(struct pass *p, void *arg)
{
	struct start *s = arg;
	size_t open = 0;
	int64_t id = 0;
	enum err err = sessions_count_open(p, json_str(s->record, "owner", ""), &open);

	if (err == ERR_OK && (int64_t)open >= s->call->ctx->config->max_open_sessions)
		return ERR_RATE;
	if (err == ERR_OK)
		err = upload_hold(p, s->upload, 1);
	if (err == ERR_OK)
		err = queue_create(p, s->record, NULL, s->task, &id);
	return err == ERR_OK ? note(s->call, s->model, s->types, id, "PUBLISHING") : err;
}

/* The one file, as the save step would describe it. */
static enum err describe_file(struct call *call, struct session *session, const json_object *model,
			      const struct upload_info *info)
{
	CLEAN_FREE char *head = mem_alloc(HEAD_BYTES);
	struct bundle_set set = {0};
	struct bundle_file file = {
	    .name = json_str(model, "fileName", ""), .size = info->offset, .head = head};
	json_object *uploads = json_object_new_array(), *u = json_object_new_object(), *p = NULL;
	enum err err = ERR_OK;

	file.head_len = upload_head(call->ctx->engine, info, head, HEAD_BYTES);
	bundle_sort(&file, 1, false, call->ctx->config->extra_drivers, &set);
	session->kind = set.kind;
	json_set_str(u, "id", info->id);
	json_set_str(u, "name", file.name);
	json_set_int(u, "size", info->offset);
	json_set_bool(u, "own", false);
	json_set_bool(u, "named", true);
	json_set_str(u, "role", "main");
	json_object_array_add(uploads, u);
	json_set(session->doc, "uploads", uploads);
	JSON_EACH(p, set.problems)
	err = call_fail(call, ERR_BAD_REQUEST, json_object_get(p));
	bundle_set_done(&set);
	return err;
}

/* What the item knows of its file, for the answers that a person would give. */
static void set_hints(struct session *session, const json_object *model)
{
	json_object *hints = json_copy(json_obj(model, "dataMetaInfo"));

	if (hints == NULL)
		hints = json_object_new_object();
	json_set_str(hints, "coordType", json_str(model, "coordType", NULL));
	json_set(session->doc, "hints", hints);
	json_set_int(session->doc, "item", json_int(model, "id", 0));
	json_set_bool(session->doc, "non_interactive", true);
}

static enum err set_answers(struct call *call, struct session *session, const json_object *model)
{
	CLEAN_JSON json_object *fields = json_object_new_object();
	CLEAN_JSON json_object *dataset = NULL;
	json_object *input = NULL, *errors = NULL, *warnings = NULL, *p = NULL;
	struct viewer all = {.user = "", .admin = true};
	enum err err = ERR_OK;

	json_set_str(fields, "non_interactive", "true");
	json_set_str(fields, "charset",
		     json_str(json_obj(model, "dataMetaInfo"), "fileEncoding", ""));
	if (json_str(model, "dataset", NULL) != NULL)
		err = catalog_get(call->ctx->catalog, json_int(model, "id", 0), &all, &dataset,
				  &call->error);
	if (err != ERR_OK)
		return err;
	save_check(fields, NULL, NULL, &input, &errors, &warnings);
	JSON_EACH(p, errors)
	err = call_fail(call, ERR_BAD_REQUEST, json_object_get(p));
	if (input != NULL)
		(void)session_set_input(session, STEP_SAVE, input);
	/* Imported before: the new file takes the old one's place. */
	if (dataset != NULL) {
		json_object *final = json_object_new_object();
		CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(model, "id", 0));
		json_set_str(final, "mode", "overwrite");
		json_set_str(final, "dataset", id);
		(void)session_set_input(session, STEP_FINAL, final);
		target_set(session, "overwrite", dataset);
	}
	json_object_put(errors);
	json_object_put(warnings);
	return err;
}

static enum err make_session(struct call *call, const json_object *model, json_object *types)
{
	const struct config *c = call->ctx->config;
	const char *file = json_str(model, "fileName", ""), *dot = strrchr(file, '.');
	CLEAN_FREE char *name = mem_strndup(
	    file,
	    text_cut(file, dot != NULL && dot > file ? (size_t)(dot - file) : strlen(file), 64));
	CLEAN_FREE char *owner = mem_printf("u:%s", json_str(model, "userName", ""));
	int64_t now = clock_now_ms();
	struct session *session =
	    session_new(owner, name, now, now + c->session_expiry_hours * 3600000);
	struct start s = {
	    .call = call, .model = model, .types = types, .upload = json_str(model, "upload", "")};
	struct upload_info info = {0};
	enum err err = upload_get(call->ctx->engine, s.upload, NULL, &info, &call->error);

	if (err == ERR_OK)
		err = describe_file(call, session, model, &info);
	if (err == ERR_OK) {
		set_hints(session, model);
		err = set_answers(call, session, model);
	}
	if (err == ERR_OK) {
		s.record = spill_record(session, now);
		s.task = task_inspect(session, c);
		err = store_pass(call->ctx->store, PASS_SYNC, "publish", start_pass, &s,
				 &call->error);
	}
	if (err == ERR_RATE && *call->error.code == '\0') {
		call->error = (struct error){0};
		err = call_fail(call, err,
				problem_arg_int(problem_new("open_sessions_limit"), "limit",
						c->max_open_sessions));
	}
	json_object_put(s.record);
	json_object_put(s.task);
	session_free(session);
	upload_info_done(&info);
	return err;
}

/* ---- publish and unpublish */

static enum err publish(struct call *call, const json_object *model, json_object *types)
{
	const json_object *work = json_obj(model, "work");
	const char *upload = json_str(model, "upload", NULL);
	bool imported = json_str(model, "dataset", NULL) != NULL;
	/* What was imported from this very file is there still. */
	bool current =
	    imported && (upload == NULL || strcmp(json_str(work, "imported", ""), upload) == 0);
	enum err err = ERR_OK;

	if (!imported && (upload == NULL || strcmp(json_str(model, "status", ""), "OK") != 0))
		return supermap_fail(call, ERR_CONFLICT, "datas_no_bytes", NULL);
	if (!imported &&
	    !datas_type_importable(json_str(model, "type", ""), json_str(model, "fileName", "")))
		return supermap_fail(call, ERR_BAD_REQUEST, "datas_not_importable", NULL);
	if (strcmp(json_str(model, "serviceStatus", ""), "PUBLISHING") == 0)
		return ERR_OK;
	if (current)
		return note(call, model, types, 0, "PUBLISHED");
	err = make_session(call, model, types);
	if (err == ERR_OK)
		call_wake_worker_now(call);
	return err;
}

static enum err put_status(struct call *call, const json_object *model)
{
	CLEAN_JSON json_object *types = NULL;
	CLEAN_JSON json_object *body = NULL;
	CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(model, "id", 0));
	bool on = false;
	enum err err = service_types(call, &types);

	if (err == ERR_OK)
		err = datas_body(call, &body);
	if (err != ERR_OK)
		return err;
	const char *text = body != NULL && !json_object_is_type(body, json_type_object)
			       ? json_object_get_string(body)
			       : "";
	if (!text_ieq(text, "true") && !text_ieq(text, "false"))
		return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "publish");
	on = text_ieq(text, "true");
	if (on)
		err = publish(call, model, types);
	else if (strcmp(json_str(model, "serviceStatus", ""), "DOES_NOT_INVOLVE") != 0)
		err = note(call, model, NULL, 0, "UNPUBLISHED");
	if (err != ERR_OK)
		return err;
	json_object *m = json_object_new_object();
	json_set_bool(m, "succeed", true);
	json_set_str(m, "customResult", id);
	return supermap_answer(call, 200, NULL, m);
}

void mycontent_publish_again(struct call *call, int64_t id)
{
	CLEAN_JSON json_object *model = NULL;
	struct viewer v = call_viewer(call);
	struct error before = call->error;

	if (catalog_item_get(call->ctx->catalog, id, &v, &model, NULL) != ERR_OK ||
	    strcmp(json_str(model, "serviceStatus", ""), "PUBLISHED") != 0)
		return;
	/* The file is there whatever comes of it: a failure is told by the item's status. */
	if (publish(call, model, json_arr(json_obj(model, "work"), "serviceTypes")) != ERR_OK) {
		json_object_put(call->problems);
		call->problems = NULL;
		call->error = before;
		(void)note(call, model, NULL, 0, "PUBLISH_FAILED");
	}
}

struct session_there {
	int64_t id;
	json_object *doc;
};

static enum err there_pass(struct pass *p, void *arg)
{
	struct session_there *t = arg;

	json_object_put(t->doc);
	t->doc = NULL;
	return sessions_get(p, t->id, &t->doc);
}

/* The session that imports the item expired or was deleted: nobody else would say so. */
static enum err check_session(struct call *call, json_object *model)
{
	struct session_there t = {.id = json_int(json_obj(model, "work"), "session", 0)};

	if (strcmp(json_str(model, "serviceStatus", ""), "PUBLISHING") != 0 ||
	    call->ctx->config->read_only)
		return ERR_OK;
	enum err err =
	    store_pass(call->ctx->store, PASS_READ, "publish", there_pass, &t, &call->error);
	bool gone = err == ERR_NOT_FOUND || (err == ERR_OK && json_get(t.doc, "gone") != NULL);
	json_object_put(t.doc);
	if (!gone)
		return err;
	call->error = (struct error){0};
	json_set_str(model, "serviceStatus", "PUBLISH_FAILED");
	return note(call, model, json_arr(json_obj(model, "work"), "serviceTypes"), 0,
		    "PUBLISH_FAILED");
}

static enum err tell_status(struct call *call, const json_object *model)
{
	json_object *m = json_object_new_object();
	CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(model, "id", 0));
	const char *code = json_str(json_obj(model, "work"), "error", NULL);
	CLEAN_JSON json_object *p = code != NULL ? problem_new(code) : NULL;
	CLEAN_FREE char *message =
	    p != NULL ? words_problem(pages_words(call->ctx->pages), call->req->lang, p) : NULL;

	json_set_bool(m, "succeed", true);
	json_set_str(m, "dataServiceId", id);
	json_set_str(m, "serviceStatus", json_str(model, "serviceStatus", ""));
	json_set_str(m, "errorMsg", message);
	json_set(m, "dataItemServices", datas_services(call, model));
	return supermap_answer(call, 200, NULL, m);
}

enum err mycontent_publish_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	enum err err = datas_find(call, ITEM_DELETE, &model);

	if (err == ERR_OK)
		err = check_service_id(call, model);
	if (err != ERR_OK)
		return err;
	if (call->req->method == METHOD_PUT)
		return put_status(call, model);
	err = check_session(call, model);
	return err == ERR_OK ? tell_status(call, model) : err;
}
