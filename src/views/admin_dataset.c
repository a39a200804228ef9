/*
 * One dataset of the signed APIs: its configuration, a trial that changes nothing, and a program
 * that writes to it.
 */
#include "views/admin_datasets.h"

#include <string.h>
#include "base/mem.h"
#include "signed/trial.h"
#include "views/views.h"

/* A trial's result, for the page. */
struct result {
	bool done, ok;
	struct refusal refusal;
	struct write_counts counts;
	json_object *bad; /* owned */
};

static void set_result(json_object *m, const struct result *t)
{
	json_object *o = json_object_new_object();
	char text[sizeof(t->refusal.what) + 64];

	json_set_bool(o, "ok", t->ok);
	json_set_str(o, "msg", refusal_text(&t->refusal, text, sizeof(text)));
	json_set_str(o, "reason", t->refusal.reason);
	json_set_int(o, "inserted", t->counts.inserted);
	json_set_int(o, "updated", t->counts.updated);
	json_set_int(o, "deleted", t->counts.deleted);
	json_set(o, "bad", json_object_get(t->bad));
	json_set(m, "trial", o);
}

/* The accounts that may write here, by name. */
static json_object *writers(json_object *accounts, const char *name)
{
	json_object *list = json_object_new_array(), *account, *item;

	JSON_EACH(account, accounts)
	{
		bool may = false;

		JSON_EACH(item, json_arr(account, "receivers"))
		may = may || strcmp(json_object_get_string(item), "*") == 0 ||
		      strcmp(json_object_get_string(item), name) == 0;
		if (may)
			json_object_array_add(
			    list, json_object_new_string(json_str(account, "name", "")));
	}
	return list;
}

static char *pretty(json_object *o)
{
	return mem_strdup(json_object_to_json_string_ext(
	    o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* Text that was sent, or DEF. */
static void set_text(struct call *call, json_object *m, const char *key, const char *def)
{
	CLEAN_FREE char *sent = datasets_field(call, key);

	json_set_str(m, key, sent != NULL ? sent : def);
}

static void fill(struct call *call, json_object *m, const json_object *record,
		 json_object *accounts)
{
	json_object *may = writers(accounts, json_str(record, "name", "")), *example;
	const char *asked = req_query(call->req, "account");
	const char *account =
	    json_len(may) > 0 ? json_object_get_string(json_at(may, 0)) : "loader";
	CLEAN_FREE char *config = pretty(json_obj(record, "config"));
	json_object *dataset = json_object_new_object();

	if (asked == NULL)
		asked = form_get(&call->form, "account");
	if (asked != NULL && *asked != '\0')
		account = asked;
	json_set_int(dataset, "id", json_int(record, "id", 0));
	json_set_str(dataset, "name", json_str(record, "name", ""));
	json_set_bool(dataset, "enabled", json_bool(record, "enabled", true));
	json_set_str(dataset, "problem", json_str(record, "problem", NULL));
	json_set(dataset, "config", json_copy(json_obj(record, "config")));
	json_set(m, "dataset", dataset);
	set_text(call, m, "config", config);
	example = dataset_example(call, record, account);
	set_text(call, m, "ds", json_str(example, "ds", ""));
	set_text(call, m, "update", json_str(example, "update", "0"));
	json_set(m, "example", example);
	json_set(m, "writers", may);
	json_set_str(m, "account", account);
	json_set(m, "log", datasets_log(call, json_str(record, "name", "")));
}

static enum err page_with(struct call *call, int status, const struct result *t)
{
	struct manage manage = datasets_manage(call);
	json_object *m, *keep;
	CLEAN_JSON json_object *record = NULL;
	CLEAN_JSON json_object *accounts = NULL;
	enum err err = manage_receiver(&manage, datasets_name(call), &record);

	if (err == ERR_OK)
		err = manage_accounts(&manage, &accounts);
	if (err != ERR_OK)
		return datasets_fail(call, &manage, err, "name", NULL);
	m = json_object_new_object();
	fill(call, m, record, accounts);
	if (t != NULL)
		set_result(m, t);
	/* The same page in the other language. */
	keep = json_set_str(json_object_new_object(), "name", "name");
	json_set_str(keep, "value", json_str(record, "name", ""));
	json_set(m, "keep", json_object_new_array());
	json_object_array_add(json_arr(m, "keep"), keep);
	return admin_answer(call, "admin_dataset", m, status);
}

static enum err page(struct call *call, int status)
{
	return page_with(call, status, NULL);
}

/* ---- actions */

static enum err save(struct call *call)
{
	struct manage m = datasets_manage(call);
	CLEAN_JSON json_object *config = NULL;
	enum err err = datasets_object(call, "config", &config);

	if (err != ERR_OK)
		return err;
	err = manage_receiver_replace(&m, datasets_name(call), config, NULL);
	if (err != ERR_OK)
		return datasets_fail(call, &m, err, "config", NULL);
	call_wake_worker(call);
	return ERR_OK;
}

static enum err set(struct call *call)
{
	struct manage m = datasets_manage(call);
	CLEAN_JSON json_object *changes = NULL;
	enum err err = datasets_object(call, "changes", &changes);

	if (err != ERR_OK)
		return err;
	err = manage_receiver_set(&m, datasets_name(call), changes, NULL);
	if (err != ERR_OK)
		return datasets_fail(call, &m, err, "changes", NULL);
	call_wake_worker(call);
	return ERR_OK;
}

static enum err switch_to(struct call *call, bool enabled)
{
	struct manage m = datasets_manage(call);
	enum err err = manage_receiver_enable(&m, datasets_name(call), enabled);

	return err == ERR_OK ? ERR_OK : datasets_fail(call, &m, err, "config", NULL);
}

static enum err enable(struct call *call)
{
	return switch_to(call, true);
}

static enum err disable(struct call *call)
{
	return switch_to(call, false);
}

static enum err forget(struct call *call)
{
	return datasets_remove(call, manage_receiver_remove);
}

static void run_trial(struct call *call, const json_object *record, struct result *t)
{
	const char *account = form_get(&call->form, "account");
	CLEAN_FREE char *ds = datasets_field(call, "ds");
	enum operation op = OP_INSERT;
	struct receiver *v = NULL;

	if (ds == NULL)
		(void)refuse(&t->refusal, REFUSE_BAD, "no ds");
	else if (!receiver_operation(form_get(&call->form, "update"), &op))
		(void)refuse(&t->refusal, REFUSE_BAD, "update is neither 0, 1 nor 2");
	else if (receiver_read(record, &v, &t->refusal))
		t->ok = trial_rows(call->ctx->targets, call->ctx->store, v, ds, strlen(ds), op,
				   account != NULL && *account != '\0' ? account : call->who.name,
				   &t->counts, &t->bad, &t->refusal);
	receiver_free(v);
}

static enum err trial(struct call *call)
{
	struct manage m = datasets_manage(call);
	struct result t = {.done = true};
	CLEAN_JSON json_object *record = NULL;
	enum err err = manage_receiver(&m, datasets_name(call), &record);

	if (err != ERR_OK)
		return datasets_fail(call, &m, err, "name", NULL);
	run_trial(call, record, &t);
	err = page_with(call, 200, &t);
	json_object_put(t.bad);
	return err;
}

enum err admin_dataset_view(struct call *call)
{
	static const struct admin_action actions[] = {
	    {"save", false, save},	 {"set", false, set},	   {"enable", false, enable},
	    {"disable", false, disable}, {"delete", true, forget}, {"trial", true, trial},
	};

	return datasets_do(call, actions, sizeof(actions) / sizeof(*actions),
			   "/admin/datasets/dataset", datasets_name(call), page);
}
