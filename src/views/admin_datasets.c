/*
 * Administration of the signed APIs: the list of datasets, accounts and refused requests, and the
 * forms that add one.  The same model is what a program with an administrator's key gets.
 */
#include "views/admin_datasets.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "signed/account.h"
#include "signed/journal.h"
#include "signed/signature.h"
#include "views/views.h"

#define LOG_SHOWN 50
#define PATH	  "/admin/datasets/"

/* ---- shared */

struct manage datasets_manage(const struct call *call)
{
	return (struct manage){.store = call->ctx->store};
}

enum err datasets_fail(struct call *call, const struct manage *m, enum err err, const char *field,
		       const char *name)
{
	if (err == ERR_BAD_REQUEST && m->refusal.code != REFUSE_NOTHING)
		return admin_fail(call, err, "signed_refused", field, m->refusal.what);
	if (err == ERR_NOT_FOUND)
		return admin_fail(call, err, "not_found", "name", NULL);
	if (err == ERR_CONFLICT)
		return admin_fail(call, err, "signed_exists", "name", name);
	call->error = m->error;
	return err;
}

char *datasets_field(const struct call *call, const char *name)
{
	json_object *value = json_get(call->form.json, name);
	const char *text = form_get(&call->form, name);

	if (json_object_is_type(value, json_type_array) ||
	    json_object_is_type(value, json_type_object))
		return json_print(value, NULL);
	return text != NULL ? mem_strdup(text) : NULL;
}

enum err datasets_object(struct call *call, const char *field, json_object **ret)
{
	CLEAN_FREE char *text = datasets_field(call, field);
	struct refusal r = {0};

	if (text == NULL)
		refuse(&r, REFUSE_BAD, "the configuration is missing");
	else if (receiver_text(text, strlen(text), ret, &r))
		return ERR_OK;
	return admin_fail(call, ERR_BAD_REQUEST, "signed_refused", field, r.what);
}

const char *datasets_name(const struct call *call)
{
	const char *name = req_query(call->req, "name");

	if (name == NULL)
		name = form_get(&call->form, "name");
	return name != NULL ? name : "";
}

static enum err saved(struct call *call, enum err err, const char *path, const char *name,
		      datasets_page *page)
{
	CLEAN_FREE char *part = name != NULL ? signature_visitor(name) : NULL;
	CLEAN_FREE char *to = NULL;

	if (err != ERR_OK)
		return call->problems != NULL && call->mode == MODE_HTML
			   ? page(call, admin_status(err))
			   : err;
	if (call->mode != MODE_HTML)
		return page(call, 200);
	to = part != NULL ? call_url(call, "%s?name=%s&note=admin_saved", path, part)
			  : call_url(call, "%s?note=admin_saved", path);
	reply_redirect(call->reply, 303, to);
	return ERR_OK;
}

enum err datasets_do(struct call *call, const struct admin_action *actions, size_t n,
		     const char *path, const char *name, datasets_page *page)
{
	bool answers = false;
	enum err err;

	if (call->req->method != METHOD_POST)
		return page(call, 200);
	err = admin_do(call, actions, n, &answers);
	if (err == ERR_OK && answers)
		return ERR_OK;
	return saved(call, err, path, name, page);
}

static void set_joined(json_object *o, const char *key, json_object *list)
{
	CLEAN_FREE char *text = mem_strdup("");
	json_object *item;

	JSON_EACH(item, list)
	{
		char *longer = mem_printf("%s%s%s", text, json_i_item > 0 ? ", " : "",
					  json_object_get_string(item));

		free(text);
		text = longer;
	}
	json_set_str(o, key, text);
}

json_object *datasets_account(const json_object *record)
{
	json_object *o = account_shown(record, clock_now_ms());

	set_joined(o, "modes_text", json_arr(o, "modes"));
	set_joined(o, "receivers_text", json_arr(o, "receivers"));
	return o;
}

json_object *datasets_log(const struct call *call, const char *name)
{
	json_object *list = journal_read(call->ctx->config->data_dir, name, LOG_SHOWN), *item;

	JSON_EACH(item, list)
	{
		char when[32];

		clock_iso(json_int(item, "time", 0), when);
		json_set_str(item, "when", when);
	}
	return list;
}

/* ---- the list */

static json_object *shown_receiver(const json_object *record)
{
	json_object *o = json_object_new_object();
	json_object *config = json_obj(record, "config");

	json_set_int(o, "id", json_int(record, "id", 0));
	json_set_str(o, "name", json_str(record, "name", ""));
	json_set_bool(o, "enabled", json_bool(record, "enabled", true));
	json_set_str(o, "table", json_str(config, "table", ""));
	json_set_str(o, "target", json_str(config, "target", "default"));
	json_set_str(o, "problem", json_str(record, "problem", NULL));
	json_set(o, "config", json_copy(config));
	return o;
}

/* What was typed into a form that was refused comes back; settings hold secrets and do not. */
static void set_sent(struct call *call, json_object *m)
{
	const char *name = form_get(&call->form, "name"), *what = form_get(&call->form, "do");
	CLEAN_FREE char *config = datasets_field(call, "config");

	json_set_str(m, "sent", what != NULL ? what : "");
	json_set_str(m, "sent_name", name != NULL ? name : "");
	json_set_str(m, "sent_config", config != NULL ? config : "");
}

static enum err page_with(struct call *call, int status, const json_object *account)
{
	struct manage manage = datasets_manage(call);
	json_object *m = json_object_new_object(), *shown = json_object_new_array(), *item;
	json_object *accounts = json_object_new_array();
	const char *about = req_query(call->req, "log");
	CLEAN_JSON json_object *receivers = NULL;
	CLEAN_JSON json_object *records = NULL;
	enum err err = manage_receivers(&manage, &receivers);

	if (err == ERR_OK)
		err = manage_accounts(&manage, &records);
	JSON_EACH(item, receivers)
	json_object_array_add(shown, shown_receiver(item));
	JSON_EACH(item, records)
	json_object_array_add(accounts, datasets_account(item));
	json_set(m, "datasets", shown);
	json_set(m, "accounts", accounts);
	if (err != ERR_OK) {
		json_object_put(m);
		return datasets_fail(call, &manage, err, "name", NULL);
	}
	json_set(m, "log", datasets_log(call, about));
	json_set_str(m, "about", about != NULL ? about : "");
	if (account != NULL) {
		json_set(m, "account", datasets_account(account));
		json_set_str(m, "token", json_str(account, "token", ""));
		reply_header(call->reply, "Cache-Control", "no-store");
	}
	if (status >= 400)
		set_sent(call, m);
	return admin_answer(call, "admin_datasets", m, status);
}

static enum err page(struct call *call, int status)
{
	return page_with(call, status, NULL);
}

enum err datasets_remove(struct call *call, enum err (*remove)(struct manage *, const char *name))
{
	struct manage m = datasets_manage(call);
	enum err err = remove(&m, datasets_name(call));

	if (err != ERR_OK)
		return datasets_fail(call, &m, err, "name", NULL);
	return saved(call, ERR_OK, PATH, NULL, page);
}

/* ---- adding */

static enum err add_dataset(struct call *call)
{
	struct manage m = datasets_manage(call);
	const char *name = form_get(&call->form, "name");
	CLEAN_JSON json_object *config = NULL;
	CLEAN_JSON json_object *record = NULL;
	enum err err = datasets_object(call, "config", &config);

	if (err != ERR_OK)
		return err;
	err = manage_receiver_add(&m, name != NULL ? name : "", config, &record);
	return err == ERR_OK ? ERR_OK : datasets_fail(call, &m, err, "config", name);
}

/* Settings of a JSON body, or the form's list of datasets; NULL = none. */
static enum err settings_of(struct call *call, json_object **ret)
{
	json_object *names;

	if (form_get(&call->form, "settings") != NULL)
		return datasets_object(call, "settings", ret);
	names = json_object_new_array();
	for (size_t i = 0; i < call->form.fields.n; i++)
		if (strcmp(call->form.fields.v[i].name, "receivers") == 0)
			json_object_array_add(names,
					      json_object_new_string(call->form.fields.v[i].value));
	*ret = json_set(json_object_new_object(), "receivers", names);
	return ERR_OK;
}

static enum err add_account(struct call *call)
{
	struct manage m = datasets_manage(call);
	const char *name = form_get(&call->form, "name");
	CLEAN_JSON json_object *settings = NULL;
	CLEAN_JSON json_object *record = NULL;
	enum err err = settings_of(call, &settings);

	if (err != ERR_OK)
		return err;
	err = manage_account_add(&m, name != NULL ? name : "", settings, &record);
	if (err != ERR_OK)
		return datasets_fail(call, &m, err, "account", name);
	return page_with(call, 200, record);
}

static enum err import_accounts(struct call *call)
{
	struct manage m = datasets_manage(call);
	CLEAN_JSON json_object *settings = NULL;
	CLEAN_JSON json_object *list = NULL;
	enum err err = datasets_object(call, "settings", &settings);

	if (err != ERR_OK)
		return err;
	err = manage_account_import(&m, settings, &list);
	return err == ERR_OK ? ERR_OK : datasets_fail(call, &m, err, "settings", NULL);
}

enum err admin_datasets_view(struct call *call)
{
	static const struct admin_action actions[] = {
	    {"add_dataset", false, add_dataset},
	    {"add_account", true, add_account},
	    {"import_accounts", false, import_accounts},
	};

	return datasets_do(call, actions, sizeof(actions) / sizeof(*actions), PATH, NULL, page);
}
