/*
 * slipway dataset sign, log: a signature to try with, and what was sent and refused.
 * Source: contracts/signed-api.md 2, 6.
 */
#include <stdio.h>
#include <string.h>
#include "admin/dataset.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/token.h"
#include "signed/account.h"
#include "signed/journal.h"
#include "signed/signature.h"
#include "store/tasks.h"

#define LOG_MAX 100
#define PIECE	65536

static bool has_mode(const json_object *account, const char *mode)
{
	json_object *item;

	JSON_EACH(item, json_arr(account, "modes"))
	if (strcmp(json_object_get_string(item), mode) == 0)
		return true;
	return false;
}

/* SHA-256 of FILE's bytes, "-" of standard input. */
static bool hash_file(const char *file, char ret_hex[65])
{
	CLEAN_FILE FILE *opened = strcmp(file, "-") == 0 ? NULL : fopen(file, "rbe");
	FILE *in = strcmp(file, "-") == 0 ? stdin : opened;
	struct digest_run *run;
	unsigned char sum[32];
	char piece[PIECE];
	size_t n;

	if (in == NULL)
		return false;
	run = digest_new(DIGEST_SHA256);
	while ((n = fread(piece, 1, sizeof(piece), in)) > 0)
		digest_feed(run, piece, n);
	digest_end(run, sum);
	token_print_hex(sum, sizeof(sum), ret_hex);
	return ferror(in) == 0;
}

static int sign_sha1(const struct dataset_line *l, const json_object *account)
{
	const char *visitor = l->words[0], *type = l->words[1];
	CLEAN_JSON json_object *o = json_object_new_object();
	char stamp[32], token[41];

	if (!signature_text_ok(type, strlen(type)))
		return command_fail("“%s” cannot be signed: 1 to 255 bytes of text", type);
	(void)snprintf(stamp, sizeof(stamp), "%lld", (long long)clock_now_ms());
	signature_sha1(json_str(account, "token", ""), stamp, visitor, type, token);
	json_set_str(o, "visitor", visitor);
	json_set_str(o, "type", type);
	json_set_str(o, "stamp", stamp);
	json_set_str(o, "token", token);
	dataset_print_texts(l, o, "=");
	return 0;
}

static int sign_hmac(const struct dataset_line *l, const json_object *account)
{
	const char *query = strchr(l->words[3], '?');
	CLEAN_FREE char *path = mem_strndup(
	    l->words[3], query == NULL ? strlen(l->words[3]) : (size_t)(query - l->words[3]));
	CLEAN_FREE char *visitor = signature_visitor(l->words[0]);
	CLEAN_JSON json_object *o = json_object_new_object();
	char stamp[32], nonce[25], hash[65], sum[65], header[70];
	struct hmac_request q = {.timestamp = stamp,
				 .nonce = nonce,
				 .visitor = visitor,
				 .method = l->words[2],
				 .path = path,
				 .query = query != NULL ? query + 1 : "",
				 .content_sha256 = hash};

	if (*path != '/')
		return 2;
	if (!hash_file(l->words[4], hash))
		return command_fail("%s: cannot be read", l->words[4]);
	(void)snprintf(stamp, sizeof(stamp), "%lld", (long long)clock_now_ms());
	token_letters(nonce, sizeof(nonce) - 1);
	signature_hmac(json_str(account, "token", ""), &q, sum);
	(void)snprintf(header, sizeof(header), "v1=%s", sum);
	json_set_str(o, "X-Slipway-Visitor", visitor);
	json_set_str(o, "X-Slipway-Timestamp", stamp);
	json_set_str(o, "X-Slipway-Nonce", nonce);
	json_set_str(o, "X-Slipway-Content-SHA256", hash);
	json_set_str(o, "X-Slipway-Signature", header);
	dataset_print_texts(l, o, ": ");
	return 0;
}

int dataset_sign_command(struct command_run *run)
{
	struct manage m = {.store = run->store};
	struct dataset_line l;
	CLEAN_JSON json_object *account = NULL;
	enum err err;

	if (!dataset_line_read(run, "json hmac", 2, 5, &l) || l.n != (l.hmac ? 5 : 2))
		return 2;
	err = manage_account(&m, l.words[0], &account);
	if (err != ERR_OK)
		return dataset_result("account", l.words[0], &m, err);
	if (!has_mode(account, l.hmac ? "hmac" : "sha1"))
		return command_fail(
		    "account “%s” does not take such signatures: its \"modes\" are %s", l.words[0],
		    json_object_to_json_string_ext(json_arr(account, "modes"),
						   JSON_C_TO_STRING_PLAIN));
	return l.hmac ? sign_hmac(&l, account) : sign_sha1(&l, account);
}

/* ---- log */

struct log {
	const char *name; /* account or receiver; NULL = all */
	json_object *tasks;
};

static enum err tasks_pass(struct pass *p, void *arg)
{
	struct log *g = arg;

	json_object_put(g->tasks);
	g->tasks = NULL;
	return tasks_signed(p, NULL, NULL, 0, 10 * LOG_MAX, &g->tasks);
}

/* The state as the contract names it. */
static const char *state_of(const json_object *task)
{
	const char *state = json_str(task, "state", "");

	return strcmp(state, "done") == 0 ? "success" : state;
}

/* A task as a line of the log; NULL: it concerns somebody else. */
static json_object *entry_of(const json_object *task, const char *name)
{
	const json_object *rows = json_obj(task, "rows");
	json_object *o;

	if (name != NULL && strcmp(json_str(task, "account", ""), name) != 0 &&
	    strcmp(json_str(task, "receiver", ""), name) != 0)
		return NULL;
	o = json_object_new_object();
	json_set_int(o, "time", json_int(task, "queued", 0));
	json_set_str(o, "account", json_str(task, "account", ""));
	json_set_str(o, "receiver", json_str(task, "receiver", ""));
	json_set_str(o, "address", json_str(task, "address", ""));
	json_set_int(o, "task", json_int(task, "id", 0));
	json_set_str(o, "state", state_of(task));
	json_set_int(o, "inserted", json_int(rows, "inserted", 0));
	json_set_int(o, "updated", json_int(rows, "updated", 0));
	json_set_int(o, "deleted", json_int(rows, "deleted", 0));
	json_set_str(o, "msg", json_str(task, "message", ""));
	return o;
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = json_int(*(json_object *const *)a, "time", 0);
	int64_t y = json_int(*(json_object *const *)b, "time", 0);

	return (x < y) - (x > y);
}

static void print_entry(const json_object *o)
{
	char when[32];

	clock_iso(json_int(o, "time", 0), when);
	printf("%s\t", when);
	dataset_put(json_str(o, "account", ""));
	putchar('\t');
	dataset_put(json_str(o, "receiver", ""));
	printf("\t%s\t", json_str(o, "address", ""));
	if (json_get(o, "task") != NULL)
		printf("task %lld %s +%lld ~%lld -%lld\t", (long long)json_int(o, "task", 0),
		       json_str(o, "state", ""), (long long)json_int(o, "inserted", 0),
		       (long long)json_int(o, "updated", 0), (long long)json_int(o, "deleted", 0));
	else
		printf("refused %lld\t", (long long)json_int(o, "status", 0));
	dataset_put(json_str(o, "msg", ""));
	if (*json_str(o, "reason", "") != '\0') {
		printf(" (");
		dataset_put(json_str(o, "reason", ""));
		putchar(')');
	}
	putchar('\n');
}

int dataset_log_command(struct command_run *run)
{
	struct error error = {0};
	struct dataset_line l;
	struct log g = {0};
	json_object *item;
	CLEAN_JSON json_object *all = NULL;
	enum err err;

	if (!dataset_line_read(run, "json", 0, 1, &l))
		return 2;
	g.name = l.n > 0 ? l.words[0] : NULL;
	err = store_pass(run->store, PASS_READ, "log", tasks_pass, &g, &error);
	if (err != ERR_OK)
		return command_error("log", err, &error);
	all = journal_read(run->config->data_dir, g.name, LOG_MAX);
	JSON_EACH(item, g.tasks)
	{
		json_object *o = entry_of(item, g.name);

		if (o != NULL)
			json_object_array_add(all, o);
	}
	json_object_put(g.tasks);
	json_object_array_sort(all, newest_first);
	if (json_len(all) > LOG_MAX)
		(void)json_object_array_del_idx(all, LOG_MAX, json_len(all) - LOG_MAX);
	if (l.json)
		dataset_print(all);
	JSON_EACH(item, all)
	if (!l.json)
		print_entry(item);
	return 0;
}

/* ---- slipway task list */

struct task_list {
	const char *owner, *account;
	json_object *list;
};

static enum err task_list_pass(struct pass *p, void *arg)
{
	struct task_list *t = arg;

	json_object_put(t->list);
	t->list = NULL;
	return tasks_signed(p, t->owner, t->account, 0, 10 * LOG_MAX, &t->list);
}

/* A record without what is the store's own. */
static void clean_task(json_object *task)
{
	static const char *const own[] = {"v",	   "mark",   "replay", "heartbeat",
					  "alive", "worker", "attempt"};

	json_set_str(task, "state", state_of(task));
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		json_object_object_del(task, own[i]);
}

int task_list_command(struct command_run *run)
{
	struct error error = {0};
	struct dataset_line l;
	struct task_list t = {0};
	CLEAN_FREE char *owner = NULL;
	json_object *item;
	enum err err;

	if (!dataset_line_read(run, "json account owner", 0, 0, &l))
		return 2;
	if (l.owner != NULL)
		owner = mem_printf("u:%s", l.owner);
	t.account = l.account;
	t.owner = owner;
	err = store_pass(run->store, PASS_READ, "tasks", task_list_pass, &t, &error);
	if (err != ERR_OK)
		return command_error("task list", err, &error);
	JSON_EACH(item, t.list)
	clean_task(item);
	if (l.json)
		dataset_print(t.list);
	JSON_EACH(item, t.list)
	{
		const json_object *rows = json_obj(item, "rows");
		char when[32];

		if (l.json)
			break;
		clock_iso(json_int(item, "queued", 0), when);
		printf("%lld\t%s\t%s\t%s\t", (long long)json_int(item, "id", 0), when,
		       json_str(item, "kind", ""), json_str(item, "state", ""));
		dataset_put(json_str(item, "account", ""));
		putchar('\t');
		dataset_put(json_str(item, "receiver", ""));
		printf("\t+%lld ~%lld -%lld\t", (long long)json_int(rows, "inserted", 0),
		       (long long)json_int(rows, "updated", 0),
		       (long long)json_int(rows, "deleted", 0));
		dataset_put(json_str(item, "filename", ""));
		putchar('\t');
		dataset_put(json_str(item, "message", ""));
		putchar('\n');
	}
	json_object_put(t.list);
	return 0;
}
