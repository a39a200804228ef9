/*
 * One account of the signed APIs: what it may do, and its secret, which is told once.
 */
#include "views/admin_datasets.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "signed/account.h"
#include "views/views.h"

#define GRACE_DAYS_MAX 365

/* Which of the datasets it may write to, for the form's boxes. */
static json_object *boxes(json_object *receivers, json_object *chosen)
{
	json_object *list = json_object_new_array(), *item, *own;

	JSON_EACH(item, receivers)
	{
		json_object *o = json_object_new_object();
		const char *name = json_str(item, "name", "");
		bool on = false;

		JSON_EACH(own, chosen)
		on = on || strcmp(json_object_get_string(own), name) == 0;
		json_set_str(o, "name", name);
		json_object_array_add(list, json_set_bool(o, "on", on));
	}
	return list;
}

static bool holds(json_object *list, const char *word)
{
	json_object *item;

	JSON_EACH(item, list)
	if (strcmp(json_object_get_string(item), word) == 0)
		return true;
	return false;
}

/* The list as the lines of a text field. */
static void set_lines(json_object *m, const char *key, json_object *list)
{
	CLEAN_FREE char *text = mem_strdup("");
	json_object *item;

	JSON_EACH(item, list)
	{
		char *longer = mem_printf("%s%s\n", text, json_object_get_string(item));

		free(text);
		text = longer;
	}
	json_set_str(m, key, text);
}

static void fill(struct call *call, json_object *m, const json_object *record,
		 json_object *receivers)
{
	json_object *account = datasets_account(record), *keep;
	json_object *modes = json_arr(account, "modes");

	json_set_bool(m, "sha1", holds(modes, "sha1"));
	json_set_bool(m, "hmac", holds(modes, "hmac"));
	json_set_bool(m, "unsigned", holds(modes, "unsigned"));
	json_set_bool(m, "everything", holds(json_arr(account, "receivers"), "*"));
	json_set_bool(m, "any_host", json_get(account, "host") == NULL);
	set_lines(m, "hosts", json_arr(account, "host"));
	json_set(m, "boxes", boxes(receivers, json_arr(account, "receivers")));
	json_set(m, "warned", account_warnings(record));
	json_set(m, "log", datasets_log(call, json_str(record, "name", "")));
	json_set(m, "account", account);
	keep = json_set_str(json_object_new_object(), "name", "name");
	json_set_str(keep, "value", json_str(record, "name", ""));
	json_set(m, "keep", json_object_new_array());
	json_object_array_add(json_arr(m, "keep"), keep);
}

static json_object *settings_of(const struct call *call);

/* What was typed and refused stands in the form again. */
static void overlay(struct call *call, json_object *record)
{
	const char *what = form_get(&call->form, "do");
	CLEAN_JSON json_object *sent = NULL;

	if (what == NULL || strcmp(what, "save") != 0)
		return;
	sent = settings_of(call);
	json_object_object_foreach(sent, key, value)
	{
		json_set(record, key, value != NULL ? json_copy(value) : NULL);
	}
}

static enum err page_with(struct call *call, int status, const char *secret)
{
	struct manage manage = datasets_manage(call);
	json_object *m;
	CLEAN_JSON json_object *record = NULL;
	CLEAN_JSON json_object *receivers = NULL;
	enum err err = manage_account(&manage, datasets_name(call), &record);

	if (err == ERR_OK)
		err = manage_receivers(&manage, &receivers);
	if (err != ERR_OK)
		return datasets_fail(call, &manage, err, "name", NULL);
	if (status >= 400)
		overlay(call, record);
	m = json_object_new_object();
	fill(call, m, record, receivers);
	json_set_str(m, "token", secret);
	if (secret != NULL)
		reply_header(call->reply, "Cache-Control", "no-store");
	return admin_answer(call, "admin_account", m, status);
}

static enum err page(struct call *call, int status)
{
	return page_with(call, status, NULL);
}

/* ---- the form's fields as settings */

static bool is_on(const struct call *call, const char *field)
{
	return form_get(&call->form, field) != NULL;
}

static json_object *all_of(const struct call *call, const char *field)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < call->form.fields.n; i++)
		if (strcmp(call->form.fields.v[i].name, field) == 0)
			json_object_array_add(list,
					      json_object_new_string(call->form.fields.v[i].value));
	return list;
}

/* Lines and commas separate; an empty field is an empty list. */
static json_object *lines_of(const char *text)
{
	json_object *list = json_object_new_array();

	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, "\r\n, ");

		if (n > 0)
			json_object_array_add(list, json_object_new_string_len(text, (int)n));
		text += n + (text[n] != '\0');
	}
	return list;
}

/* A number's field; what is none stays text, which the settings' own check refuses. */
static void set_number(const struct call *call, json_object *o, const char *field)
{
	const char *text = form_get(&call->form, field);
	int64_t n;

	if (text == NULL)
		return;
	if (text_int(text, INT64_MIN, INT64_MAX, &n))
		json_set_int(o, field, n);
	else
		json_set_str(o, field, text);
}

static json_object *settings_of(const struct call *call)
{
	json_object *o = json_object_new_object(), *everything = json_object_new_array();
	const char *user = form_get(&call->form, "user");

	json_object_array_add(everything, json_object_new_string("*"));
	json_set(o, "receivers",
		 is_on(call, "everything") ? json_object_get(everything)
					   : all_of(call, "receivers"));
	json_object_put(everything);
	json_set(o, "modes", all_of(call, "modes"));
	json_set(o, "host",
		 is_on(call, "any_host") ? NULL : lines_of(form_get(&call->form, "host")));
	set_number(call, o, "limit");
	set_number(call, o, "window");
	set_number(call, o, "mailMax");
	set_number(call, o, "log");
	json_set_int(o, "cors", is_on(call, "cors"));
	json_set_str(o, "replay", is_on(call, "replay") ? "on" : "off");
	json_set(o, "disabled", is_on(call, "disabled") ? json_object_new_boolean(1) : NULL);
	json_set_str(o, "user", user != NULL && *user != '\0' ? user : NULL);
	return o;
}

/* ---- actions */

static enum err change(struct call *call, const json_object *changes)
{
	struct manage m = datasets_manage(call);
	enum err err = manage_account_set(&m, datasets_name(call), changes, NULL);

	return err == ERR_OK ? ERR_OK : datasets_fail(call, &m, err, "settings", NULL);
}

static enum err save(struct call *call)
{
	CLEAN_JSON json_object *settings = settings_of(call);

	return change(call, settings);
}

static enum err set(struct call *call)
{
	CLEAN_JSON json_object *changes = NULL;
	enum err err = datasets_object(call, "changes", &changes);

	return err == ERR_OK ? change(call, changes) : err;
}

static enum err rotate(struct call *call)
{
	struct manage m = datasets_manage(call);
	const char *text = form_get(&call->form, "days");
	CLEAN_JSON json_object *record = NULL;
	int64_t days = ACCOUNT_GRACE_S / 86400;
	enum err err;

	if (text != NULL && !text_int(text, 0, GRACE_DAYS_MAX, &days))
		return admin_fail(call, ERR_BAD_REQUEST, "signed_days", "days", text);
	err = manage_account_rotate(&m, datasets_name(call), days * 86400, &record);
	if (err != ERR_OK)
		return datasets_fail(call, &m, err, "days", NULL);
	return page_with(call, 200, json_str(record, "token", ""));
}

static enum err forget(struct call *call)
{
	return datasets_remove(call, manage_account_remove);
}

enum err admin_account_view(struct call *call)
{
	static const struct admin_action actions[] = {
	    {"save", false, save},
	    {"set", false, set},
	    {"rotate", true, rotate},
	    {"delete", true, forget},
	};

	return datasets_do(call, actions, sizeof(actions) / sizeof(*actions),
			   "/admin/datasets/account", datasets_name(call), page);
}
