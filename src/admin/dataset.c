/*
 * slipway dataset list, show, add, set, enable, disable, remove, check: receivers of the signed
 * APIs.  Source: contracts/signed-api.md 6.
 */
#include "admin/dataset.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "signed/receiver.h"
#include "signed/trial.h"

#define DS_BYTES (64 << 20) /* of a file for a dry run */

/* A record without what is the store's own. */
static json_object *shown(const json_object *record)
{
	json_object *o = json_copy(record);

	json_object_object_del(o, "v");
	json_object_object_del(o, "refresh");
	return o;
}

int dataset_list_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	json_object *item;
	CLEAN_JSON json_object *list = NULL;
	CLEAN_JSON json_object *all = NULL;
	enum err err;

	if (!dataset_line_read(run, "json", 0, 0, &l))
		return 2;
	err = manage_receivers(&m, &list);
	if (err != ERR_OK)
		return dataset_result("dataset", "", &m, err);
	all = json_object_new_array();
	JSON_EACH(item, list)
	{
		const json_object *config = json_obj(item, "config");

		json_object_array_add(all, shown(item));
		if (l.json)
			continue;
		printf("%lld\t%s\t%s\t%s\t", (long long)json_int(item, "id", 0),
		       json_str(item, "name", ""),
		       json_str(item, "problem", NULL) != NULL ? "unusable"
		       : json_bool(item, "enabled", true)      ? "enabled"
							       : "disabled",
		       json_str(config, "target", "default"));
		dataset_put(json_str(config, "table", ""));
		putchar('\n');
	}
	if (l.json)
		dataset_print(all);
	return 0;
}

int dataset_show_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	CLEAN_JSON json_object *record = NULL;
	CLEAN_JSON json_object *o = NULL;
	enum err err;

	if (!dataset_line_read(run, "json", 1, 1, &l))
		return 2;
	err = manage_receiver(&m, l.words[0], &record);
	if (err != ERR_OK)
		return dataset_result("dataset", l.words[0], &m, err);
	o = shown(record);
	if (l.json) {
		dataset_print(o);
		return 0;
	}
	printf("id       %lld\nname     %s\nenabled  %s\n", (long long)json_int(o, "id", 0),
	       json_str(o, "name", ""), json_bool(o, "enabled", true) ? "yes" : "no");
	if (json_str(o, "problem", NULL) != NULL)
		printf("problem  %s\n", json_str(o, "problem", ""));
	printf("config   %s\n", json_object_to_json_string_ext(json_obj(o, "config"),
							       JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE |
								   JSON_C_TO_STRING_SPACED));
	return 0;
}

/* What a change left behind, for people or machines. */
static int told(const struct dataset_line *l, struct manage *m, enum err err, json_object *record,
		const char *word)
{
	CLEAN_JSON json_object *o = err == ERR_OK && record != NULL ? shown(record) : NULL;

	if (err != ERR_OK)
		return dataset_result("dataset", l->words[0], m, err);
	if (l->json && o != NULL)
		dataset_print(o);
	else if (o != NULL)
		printf("dataset %s %s, id %lld\n", json_str(o, "name", ""), word,
		       (long long)json_int(o, "id", 0));
	else
		printf("dataset %s %s\n", l->words[0], word);
	return 0;
}

int dataset_add_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	CLEAN_JSON json_object *config = NULL;
	CLEAN_JSON json_object *record = NULL;
	enum err err;

	if (!dataset_line_read(run, "json config", 1, 1, &l) || l.config == NULL)
		return 2;
	config = dataset_config(l.config);
	if (config == NULL)
		return 1;
	err = manage_receiver_add(&m, l.words[0], config, &record);
	return told(&l, &m, err, record, "added");
}

int dataset_set_command(struct command_run *run)
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
	err = manage_receiver_set(&m, l.words[0], changes, &record);
	return told(&l, &m, err, record, "changed");
}

static int enable(struct command_run *run, bool enabled)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;

	if (!dataset_line_read(run, "json", 1, 1, &l))
		return 2;
	return told(&l, &m, manage_receiver_enable(&m, l.words[0], enabled), NULL,
		    enabled ? "enabled" : "disabled");
}

int dataset_enable_command(struct command_run *run)
{
	return enable(run, true);
}

int dataset_disable_command(struct command_run *run)
{
	return enable(run, false);
}

int dataset_remove_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;

	if (!dataset_line_read(run, "json", 1, 1, &l))
		return 2;
	return told(&l, &m, manage_receiver_remove(&m, l.words[0]), NULL, "removed");
}

/* ---- check */

static void print_bad(json_object *bad)
{
	json_object *row;

	JSON_EACH(row, bad)
	{
		printf("row %lld, column ", (long long)json_int(row, "row", 0));
		dataset_put(json_str(row, "column", ""));
		printf(": ");
		dataset_put(json_str(row, "reason", ""));
		putchar('\n');
	}
}

struct check {
	struct command_run *run;
	const struct dataset_line *line;
	struct targets *targets;
	struct receiver *receiver;
	enum operation op;
	struct write_counts counts;
	json_object *bad; /* owned; NULL = no dry run */
	struct refusal r;
};

static bool try_rows(struct check *c)
{
	const char *visitor = c->line->account != NULL ? c->line->account : "dry-run";
	size_t len;
	CLEAN_FREE char *text = dataset_file(c->line->dry_run, DS_BYTES, &len);

	if (text == NULL)
		return refuse(&c->r, REFUSE_BAD, "nothing was tried");
	return trial_rows(c->targets, c->run->store, c->receiver, text, len, c->op, visitor,
			  &c->counts, &c->bad, &c->r);
}

static int check_told(const struct check *c, bool good)
{
	char text[sizeof(c->r.what) + 64];
	CLEAN_JSON json_object *o = json_object_new_object();

	json_set_bool(o, "ok", good);
	json_set_str(o, "msg", refusal_text(&c->r, text, sizeof(text)));
	if (c->line->dry_run != NULL) {
		json_set_int(o, "inserted", c->counts.inserted);
		json_set_int(o, "updated", c->counts.updated);
		json_set_int(o, "deleted", c->counts.deleted);
		json_set(o, "bad",
			 c->bad != NULL ? json_object_get(c->bad) : json_object_new_array());
	}
	if (c->line->json) {
		dataset_print(o);
		return good ? 0 : 1;
	}
	if (!good) {
		print_bad(c->bad);
		return command_fail("%s%s%s", text, *c->r.reason != '\0' ? "; " : "", c->r.reason);
	}
	if (c->line->dry_run == NULL)
		printf("dataset %s can be written to\n", c->line->words[0]);
	else
		printf("rolled back: inserted=%lld updated=%lld deleted=%lld\n",
		       (long long)c->counts.inserted, (long long)c->counts.updated,
		       (long long)c->counts.deleted);
	return 0;
}

int dataset_check_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	struct check c = {.run = run, .line = &l};
	CLEAN_JSON json_object *record = NULL;
	enum err err;
	bool good;
	int status;

	if (!dataset_line_read(run, "json dry-run account update", 1, 1, &l) ||
	    !receiver_operation(l.update, &c.op) || (l.dry_run == NULL && l.update != NULL))
		return 2;
	err = manage_receiver(&m, l.words[0], &record);
	if (err != ERR_OK)
		return dataset_result("dataset", l.words[0], &m, err);
	c.targets = targets_open(run->config);
	good = receiver_read(record, &c.receiver, &c.r) &&
	       write_prepare(c.targets, c.receiver, &c.r) && (l.dry_run == NULL || try_rows(&c));
	status = check_told(&c, good);
	json_object_put(c.bad);
	receiver_free(c.receiver);
	targets_close(c.targets);
	return status;
}
