/*
 * slipway dataset account …: identities that sign requests.  Source: contracts/signed-api.md 1, 6.
 */
#include <stdio.h>
#include <string.h>
#include "admin/dataset.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "signed/account.h"

#define GRACE_DAYS_MAX 365

/* An account for people or machines; its secret only where it was asked for. */
static void print_account(const struct dataset_line *l, const json_object *record, bool secret)
{
	CLEAN_JSON json_object *o = account_shown(record, clock_now_ms());

	if (secret)
		json_set_str(o, "token", json_str(record, "token", ""));
	if (l->json) {
		dataset_print(o);
		return;
	}
	json_object_object_foreach(o, key, value)
	{
		printf("%-10s ", key);
		dataset_put(json_object_is_type(value, json_type_string)
				? json_object_get_string(value)
				: json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
		putchar('\n');
	}
}

static void warn(const json_object *record)
{
	CLEAN_JSON json_object *list = account_warnings(record);
	const char *name = json_str(record, "name", "");
	json_object *word;

	JSON_EACH(word, list)
	{
		if (strcmp(json_object_get_string(word), "unsigned") == 0)
			fprintf(stderr,
				"slipway: account “%s” sends its secret with each request: "
				"whoever sees one can send others\n",
				name);
		else
			fprintf(stderr,
				"slipway: account “%s” may write to nothing yet: slipway dataset "
				"account set NAME receivers='[\"DATASET\"]'\n",
				name);
	}
}

int dataset_account_list_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	json_object *item;
	CLEAN_JSON json_object *list = NULL;
	CLEAN_JSON json_object *all = json_object_new_array();
	enum err err;

	if (!dataset_line_read(run, "json", 0, 0, &l))
		return 2;
	err = manage_accounts(&m, &list);
	if (err != ERR_OK)
		return dataset_result("account", "", &m, err);
	JSON_EACH(item, list)
	{
		json_object *o = account_shown(item, clock_now_ms());

		json_object_array_add(all, o);
		if (l.json)
			continue;
		dataset_put(json_str(item, "name", ""));
		printf("\t%s\t", json_bool(item, "disabled", false) ? "disabled" : "enabled");
		dataset_put(
		    json_object_to_json_string_ext(json_get(o, "modes"), JSON_C_TO_STRING_PLAIN));
		putchar('\t');
		dataset_put(json_object_to_json_string_ext(json_get(o, "receivers"),
							   JSON_C_TO_STRING_PLAIN));
		putchar('\n');
	}
	if (l.json)
		dataset_print(all);
	return 0;
}

/* Print what a change left, or why there was none. */
static int told(const struct dataset_line *l, struct manage *m, enum err err, json_object *record,
		bool secret)
{
	if (err != ERR_OK)
		return dataset_result("account", l->words[0], m, err);
	warn(record);
	print_account(l, record, secret);
	return 0;
}

int dataset_account_show_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	CLEAN_JSON json_object *record = NULL;
	enum err err;

	if (!dataset_line_read(run, "json secret", 1, 1, &l))
		return 2;
	err = manage_account(&m, l.words[0], &record);
	if (err != ERR_OK)
		return dataset_result("account", l.words[0], &m, err);
	print_account(&l, record, l.secret);
	return 0;
}

int dataset_account_add_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	CLEAN_JSON json_object *settings = NULL;
	CLEAN_JSON json_object *record = NULL;
	enum err err;

	if (!dataset_line_read(run, "json config", 1, 1, &l))
		return 2;
	if (l.config != NULL && (settings = dataset_config(l.config)) == NULL)
		return 1;
	err = manage_account_add(&m, l.words[0], settings, &record);
	/* A secret that was made here is told here; one that was given is known. */
	return told(&l, &m, err, record, json_get(settings, "token") == NULL);
}

int dataset_account_set_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	CLEAN_JSON json_object *changes = NULL;
	CLEAN_JSON json_object *record = NULL;
	int status;
	enum err err;

	changes = dataset_changes(run, &l, &status);
	if (changes == NULL)
		return status;
	err = manage_account_set(&m, l.words[0], changes, &record);
	return told(&l, &m, err, record, false);
}

/* "7d", "12h", "30m", "45s"; "0" ends the old secret at once. */
static bool read_grace(const char *text, int64_t *ret_s)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	size_t len = strlen(text);
	CLEAN_FREE char *digits = mem_strndup(text, len > 0 ? len - 1 : 0);
	int64_t n;

	if (strcmp(text, "0") == 0) {
		*ret_s = 0;
		return true;
	}
	for (size_t i = 0; i < 4; i++)
		if (len > 1 && text[len - 1] == units[i].unit &&
		    text_int(digits, 0, GRACE_DAYS_MAX * 86400 / units[i].s, &n)) {
			*ret_s = n * units[i].s;
			return true;
		}
	return false;
}

int dataset_account_rotate_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	CLEAN_JSON json_object *record = NULL;
	int64_t grace = ACCOUNT_GRACE_S;
	enum err err;

	if (!dataset_line_read(run, "json grace", 1, 1, &l) ||
	    (l.grace != NULL && !read_grace(l.grace, &grace)))
		return 2;
	err = manage_account_rotate(&m, l.words[0], grace, &record);
	return told(&l, &m, err, record, true);
}

int dataset_account_remove_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	enum err err;

	if (!dataset_line_read(run, "json", 1, 1, &l))
		return 2;
	err = manage_account_remove(&m, l.words[0]);
	if (err == ERR_OK)
		printf("account %s removed\n", l.words[0]);
	return dataset_result("account", l.words[0], &m, err);
}

int dataset_account_import_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	json_object *item;
	CLEAN_JSON json_object *settings = NULL;
	CLEAN_JSON json_object *list = NULL;
	CLEAN_JSON json_object *all = json_object_new_array();
	enum err err;

	if (!dataset_line_read(run, "json", 1, 1, &l))
		return 2;
	settings = dataset_config(l.words[0]);
	if (settings == NULL)
		return 1;
	err = manage_account_import(&m, settings, &list);
	if (err != ERR_OK)
		return dataset_result("account", l.words[0], &m, err);
	JSON_EACH(item, list)
	{
		json_object_array_add(all, account_shown(item, clock_now_ms()));
		warn(item);
		if (!l.json)
			printf("account %s added, may write to all datasets\n",
			       json_str(item, "name", ""));
	}
	if (l.json)
		dataset_print(all);
	return 0;
}
