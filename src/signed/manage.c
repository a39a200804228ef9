#include "signed/manage.h"

#include <string.h>
#include "base/clock.h"
#include "signed/account.h"
#include "signed/receiver.h"
#include "store/accounts.h"
#include "store/tasks.h"
#include "store/users.h"

/* One change on its way through a pass. */
struct work {
	struct manage *m;
	const char *name;
	const json_object *given; /* configuration, settings or changes; borrowed */
	bool whole;		  /* GIVEN replaces, else it is merged in */
	bool flag;
	int64_t number;
	json_object *record; /* result; owned */
	json_object *list;   /* owned */
};

/* A pass may run twice: what the first run left is dropped. */
static void restart(struct work *w)
{
	json_object_put(w->record);
	json_object_put(w->list);
	w->record = w->list = NULL;
	w->m->refusal = (struct refusal){0};
}

static enum err run(struct work *w, enum pass_kind kind, pass_fn *fn, json_object **ret)
{
	enum err err = store_pass(w->m->store, kind, "datasets", fn, w, &w->m->error);
	json_object *result = w->record != NULL ? w->record : w->list;

	if (w->record != NULL && w->list != NULL)
		json_object_put(w->list);
	if (err == ERR_OK && ret != NULL)
		*ret = result;
	else
		json_object_put(result);
	return err;
}

/* ---- looking */

static void add_problem(json_object *record)
{
	struct receiver *v = NULL;
	struct refusal r = {0};

	if (receiver_read(record, &v, &r))
		receiver_free(v);
	else
		json_set_str(record, "problem", r.what);
}

static enum err receivers_pass(struct pass *p, void *arg)
{
	struct work *w = arg;

	restart(w);
	return receivers_list(p, MANAGE_LIST_MAX, &w->list);
}

enum err manage_receivers(struct manage *m, json_object **ret)
{
	struct work w = {.m = m};
	json_object *item;
	enum err err = run(&w, PASS_READ, receivers_pass, ret);

	if (err != ERR_OK)
		return err;
	JSON_EACH(item, *ret)
	add_problem(item);
	return ERR_OK;
}

static enum err accounts_pass(struct pass *p, void *arg)
{
	struct work *w = arg;

	restart(w);
	return accounts_list(p, MANAGE_LIST_MAX, &w->list);
}

enum err manage_accounts(struct manage *m, json_object **ret)
{
	struct work w = {.m = m};

	return run(&w, PASS_READ, accounts_pass, ret);
}

static enum err receiver_pass(struct pass *p, void *arg)
{
	struct work *w = arg;

	restart(w);
	return receivers_get(p, w->name, &w->record);
}

enum err manage_receiver(struct manage *m, const char *name, json_object **ret)
{
	struct work w = {.m = m, .name = name};
	enum err err = run(&w, PASS_READ, receiver_pass, ret);

	if (err == ERR_OK)
		add_problem(*ret);
	return err;
}

static enum err account_pass(struct pass *p, void *arg)
{
	struct work *w = arg;

	restart(w);
	return accounts_get(p, w->name, &w->record);
}

enum err manage_account(struct manage *m, const char *name, json_object **ret)
{
	struct work w = {.m = m, .name = name};

	return run(&w, PASS_READ, account_pass, ret);
}

/* ---- receivers */

/* Is the record's configuration usable?  Else the refusal says why. */
static enum err check_receiver(struct work *w)
{
	struct receiver *v = NULL;

	if (!receiver_read(w->record, &v, &w->m->refusal))
		return ERR_BAD_REQUEST;
	receiver_free(v);
	return ERR_OK;
}

static enum err receiver_add_pass(struct pass *p, void *arg)
{
	struct work *w = arg;
	enum err err;

	restart(w);
	w->record = json_object_new_object();
	json_set_str(w->record, "name", w->name);
	json_set_bool(w->record, "enabled", true);
	json_set(w->record, "config", json_copy(w->given));
	err = check_receiver(w);
	return err == ERR_OK ? receivers_add(p, w->record) : err;
}

enum err manage_receiver_add(struct manage *m, const char *name, const json_object *config,
			     json_object **ret)
{
	struct work w = {.m = m, .name = name, .given = config};

	return run(&w, PASS_SYNC, receiver_add_pass, ret);
}

static void merge(json_object *config, const json_object *changes)
{
	json_object_object_foreach((json_object *)(uintptr_t)changes, key, value)
	{
		if (value == NULL)
			json_object_object_del(config, key);
		else
			json_set(config, key, json_copy(value));
	}
}

static enum err receiver_change_pass(struct pass *p, void *arg)
{
	struct work *w = arg;
	enum err err = receiver_pass(p, arg);

	if (err != ERR_OK)
		return err;
	if (w->whole)
		json_set(w->record, "config", json_copy(w->given));
	else
		merge(json_obj(w->record, "config"), w->given);
	err = check_receiver(w);
	if (err == ERR_OK)
		err = receivers_put(p, w->record);
	return err == ERR_OK ? tasks_refresh(p, w->record) : err;
}

enum err manage_receiver_replace(struct manage *m, const char *name, const json_object *config,
				 json_object **ret)
{
	struct work w = {.m = m, .name = name, .given = config, .whole = true};

	return run(&w, PASS_SYNC, receiver_change_pass, ret);
}

enum err manage_receiver_set(struct manage *m, const char *name, const json_object *changes,
			     json_object **ret)
{
	struct work w = {.m = m, .name = name, .given = changes};

	return run(&w, PASS_SYNC, receiver_change_pass, ret);
}

static enum err enable_pass(struct pass *p, void *arg)
{
	struct work *w = arg;
	enum err err = receiver_pass(p, arg);

	/* What cannot be used is not switched on, only off. */
	if (err == ERR_OK && w->flag)
		err = check_receiver(w);
	if (err == ERR_OK)
		err = receivers_put(p, json_set_bool(w->record, "enabled", w->flag));
	return err;
}

enum err manage_receiver_enable(struct manage *m, const char *name, bool enabled)
{
	struct work w = {.m = m, .name = name, .flag = enabled};

	return run(&w, PASS_SYNC, enable_pass, NULL);
}

/* Take NAME out of ACCOUNT's list; true: it stood there. */
static bool forget(json_object *account, const char *name)
{
	json_object *list = json_arr(account, "receivers");

	for (size_t i = 0; i < json_len(list); i++)
		if (strcmp(json_object_get_string(json_at(list, i)), name) == 0)
			return json_object_array_del_idx(list, i, 1) == 0;
	return false;
}

/* A receiver of this name that is made later must be given to accounts anew. */
static enum err receiver_remove_pass(struct pass *p, void *arg)
{
	struct work *w = arg;
	const char *name;
	enum err err = receiver_pass(p, arg);

	if (err == ERR_OK)
		err = accounts_list(p, MANAGE_LIST_MAX, &w->list);
	if (err != ERR_OK)
		return err;
	name = json_str(w->record, "name", "");
	for (size_t i = 0; err == ERR_OK && i < json_len(w->list); i++)
		if (forget(json_at(w->list, i), name))
			err = accounts_put(p, json_at(w->list, i));
	return err == ERR_OK ? receivers_delete(p, name) : err;
}

enum err manage_receiver_remove(struct manage *m, const char *name)
{
	struct work w = {.m = m, .name = name};

	return run(&w, PASS_SYNC, receiver_remove_pass, NULL);
}

/* ---- accounts */

static enum err receivers_exist(struct pass *p, const json_object *account, struct refusal *r)
{
	json_object *item;

	JSON_EACH(item, json_arr(account, "receivers"))
	{
		const char *name = json_object_get_string(item);
		json_object *record = NULL;
		enum err err = strcmp(name, "*") == 0 ? ERR_OK : receivers_get(p, name, &record);
		/* By its name: an id would not be found when the account is used. */
		bool found =
		    strcmp(name, "*") == 0 || strcmp(json_str(record, "name", ""), name) == 0;

		json_object_put(record);
		if (err != ERR_OK && err != ERR_NOT_FOUND)
			return err;
		if (!found) {
			refuse(r, REFUSE_BAD, "receivers: there is no dataset \"%.100s\"", name);
			return ERR_BAD_REQUEST;
		}
	}
	return ERR_OK;
}

/* The user whose tasks these are must be there if somebody named him. */
static enum err user_exists(struct pass *p, const json_object *account, const json_object *given,
			    struct refusal *r)
{
	const char *user = json_str(account, "user", "");
	json_object *record = NULL;
	enum err err;

	if (given == NULL || json_get(given, "user") == NULL ||
	    strcmp(user, json_str(account, "name", "")) == 0)
		return ERR_OK;
	err = users_get(p, user, &record);
	json_object_put(record);
	if (err != ERR_NOT_FOUND)
		return err;
	refuse(r, REFUSE_BAD, "user: there is no user \"%.100s\"", user);
	return ERR_BAD_REQUEST;
}

/* What concerns others than the account itself, then it is kept.  GIVEN is what was changed. */
static enum err keep_account(struct pass *p, struct work *w, json_object *account,
			     const json_object *given)
{
	json_object *others = NULL;
	enum err err = accounts_list(p, MANAGE_LIST_MAX, &others);

	if (err == ERR_OK && !account_fits(account, others, clock_now_ms(), &w->m->refusal))
		err = ERR_BAD_REQUEST;
	json_object_put(others);
	if (err == ERR_OK)
		err = receivers_exist(p, account, &w->m->refusal);
	if (err == ERR_OK)
		err = user_exists(p, account, given, &w->m->refusal);
	return err == ERR_OK ? accounts_put(p, account) : err;
}

static enum err is_free(struct pass *p, const char *name)
{
	json_object *old = NULL;
	enum err err = accounts_get(p, name, &old);

	json_object_put(old);
	return err == ERR_OK ? ERR_CONFLICT : err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err account_add_pass(struct pass *p, void *arg)
{
	struct work *w = arg;
	enum err err;

	restart(w);
	if (!account_new(w->name, w->given, false, &w->record, &w->m->refusal))
		return ERR_BAD_REQUEST;
	err = is_free(p, w->name);
	return err == ERR_OK ? keep_account(p, w, w->record, w->given) : err;
}

enum err manage_account_add(struct manage *m, const char *name, const json_object *settings,
			    json_object **ret)
{
	struct work w = {.m = m, .name = name, .given = settings};

	return run(&w, PASS_SYNC, account_add_pass, ret);
}

static enum err account_set_pass(struct pass *p, void *arg)
{
	struct work *w = arg;
	enum err err = account_pass(p, arg);

	if (err != ERR_OK)
		return err;
	json_object_object_foreach((json_object *)(uintptr_t)w->given, key, value)
	{
		if (!account_set(w->record, key, value, &w->m->refusal))
			return ERR_BAD_REQUEST;
	}
	return keep_account(p, w, w->record, w->given);
}

enum err manage_account_set(struct manage *m, const char *name, const json_object *changes,
			    json_object **ret)
{
	struct work w = {.m = m, .name = name, .given = changes};

	return run(&w, PASS_SYNC, account_set_pass, ret);
}

static enum err rotate_pass(struct pass *p, void *arg)
{
	struct work *w = arg;
	enum err err = account_pass(p, arg);

	if (err != ERR_OK)
		return err;
	account_rotate(w->record, w->number > 0 ? clock_now_ms() + w->number * 1000 : 0);
	return keep_account(p, w, w->record, NULL);
}

enum err manage_account_rotate(struct manage *m, const char *name, int64_t grace_s,
			       json_object **ret)
{
	struct work w = {.m = m, .name = name, .number = grace_s};

	return run(&w, PASS_SYNC, rotate_pass, ret);
}

static enum err account_remove_pass(struct pass *p, void *arg)
{
	struct work *w = arg;
	enum err err = account_pass(p, arg);

	return err == ERR_OK ? accounts_delete(p, w->name) : err;
}

enum err manage_account_remove(struct manage *m, const char *name)
{
	struct work w = {.m = m, .name = name};

	return run(&w, PASS_SYNC, account_remove_pass, NULL);
}

/* The refusal of one of several accounts names it. */
static enum err of_account(struct work *w, const char *name, enum err err)
{
	struct refusal r = {0};

	if (err == ERR_CONFLICT)
		refuse(&r, REFUSE_BAD, "account \"%.100s\": it exists already", name);
	else if (err == ERR_BAD_REQUEST)
		refuse(&r, REFUSE_BAD, "account \"%.100s\": %.300s", name, w->m->refusal.what);
	else
		return err;
	w->m->refusal = r;
	return ERR_BAD_REQUEST;
}

static enum err import_pass(struct pass *p, void *arg)
{
	struct work *w = arg;

	restart(w);
	w->list = json_object_new_array();
	json_object_object_foreach((json_object *)(uintptr_t)w->given, name, settings)
	{
		json_object *account = NULL;
		enum err err = ERR_BAD_REQUEST;

		if (settings == NULL)
			refuse(&w->m->refusal, REFUSE_BAD, "the settings are no JSON object");
		else if (account_new(name, settings, true, &account, &w->m->refusal))
			err = is_free(p, name);
		if (err == ERR_OK)
			err = keep_account(p, w, account, settings);
		if (account != NULL)
			json_object_array_add(w->list, account);
		if (err != ERR_OK)
			return of_account(w, name, err);
	}
	return ERR_OK;
}

enum err manage_account_import(struct manage *m, const json_object *settings, json_object **ret)
{
	struct work w = {.m = m, .given = settings};

	if (!json_object_is_type(settings, json_type_object)) {
		refuse(&m->refusal, REFUSE_BAD, "expected {\"user\":{\"token\":…,\"host\":…}}");
		return ERR_BAD_REQUEST;
	}
	return run(&w, PASS_SYNC, import_pass, ret);
}
