/*
 * Goal: files of imports go when their time is over, not before; a write whose front died ends as
 * what became of it in the table.
 */
#include "upload/help.h"
#include "base/token.h"
#include "base/words.h"
#include "signed/ds.h"
#include "store/accounts.h"
#include "store/replay.h"
#include "worker/signed.h"

struct site {
	struct scratch *s;
	struct worker w;
};

static int set_up(void **state)
{
	struct site *site = mem_alloc(sizeof(*site));
	struct worker *w = &site->w;

	site->s = scratch_in(NULL, FAST);
	w->config = site->s->config;
	w->store = site->s->store;
	w->engine = site->s->engine;
	w->data_fd = fs_open_dir(AT_FDCWD, site->s->dir);
	w->words = words_none();
	w->tally = tally_open(site->s->dir);
	w->targets = targets_open(w->config);
	(void)snprintf(w->name, sizeof(w->name), "1.test");
	*state = site;
	return 0;
}

static int tear_down(void **state)
{
	struct site *site = *state;

	targets_close(site->w.targets);
	tally_close(site->w.tally);
	words_free(site->w.words);
	(void)close(site->w.data_fd);
	scratch_free(site->s);
	free(site);
	return 0;
}

static void run(struct site *site, pass_fn *fn, void *arg)
{
	struct error error = {0};

	if (store_pass(site->w.store, PASS_SYNC, "test", fn, arg, &error) != ERR_OK)
		fail_msg("%s", error.text);
}

/* ---- files */

struct kept {
	const char *upload;
	int64_t until, id;
	json_object *task;
};

static enum err keep_pass(struct pass *p, void *arg)
{
	struct kept *k = arg;
	CLEAN_JSON json_object *task = json_object_new_object();
	json_object *uploads = json_object_new_array();
	enum err err = upload_hold(p, k->upload, 1);

	json_object_array_add(uploads, json_object_new_string(k->upload));
	json_set(json_set_str(task, "kind", "import-table"), "uploads", uploads);
	json_set_str(json_set_str(task, "owner", "u:ann"), "account", "x");
	json_set_str(json_set_int(task, "until", k->until), "filename", "a.csv");
	json_set_bool(json_set_int(task, "receiver_id", 1), "own", true);
	return err == ERR_OK ? tasks_add(p, task, &k->id) : err;
}

static enum err get_pass(struct pass *p, void *arg)
{
	struct kept *k = arg;

	return tasks_get(p, k->id, &k->task);
}

static void test_files_go_when_their_time_is_over(void **state)
{
	struct site *site = *state;
	struct upload *u = create(site->s, 5);
	CLEAN_FREE char *id = mem_strdup(upload_id(u));
	struct kept early = {.upload = id, .until = clock_now_ms() - 1000},
		    late = {.upload = id, .until = clock_now_ms() + 3600000};

	assert_int_equal(append(u, 0, "12345", &(int64_t){0}), ERR_OK);
	upload_close(u);
	run(site, keep_pass, &early);
	run(site, keep_pass, &late);
	signed_sweep(&site->w);
	/* Two tasks kept it: one still does. */
	assert_content(site->s, id, "12345");
	run(site, get_pass, &early);
	assert_null(json_get(early.task, "until"));
	json_object_put(early.task);
	run(site, get_pass, &late);
	assert_non_null(json_get(late.task, "until"));
	json_object_put(late.task);
}

static void test_the_last_one_takes_the_file_along(void **state)
{
	struct site *site = *state;
	struct upload *u = create(site->s, 5);
	CLEAN_FREE char *id = mem_strdup(upload_id(u));
	struct kept k = {.upload = id, .until = clock_now_ms() - 1000};

	assert_int_equal(append(u, 0, "12345", &(int64_t){0}), ERR_OK);
	upload_close(u);
	run(site, keep_pass, &k);
	signed_sweep(&site->w);
	assert_false(has_file(site->s, id, "data"));
}

/* ---- requests of a front that died */

#define NAME "rows"

struct lost {
	const char *hex;
	int64_t id;
	json_object *task, *entry;
	enum err replay;
};

static enum err receiver_pass(struct pass *p, void *arg)
{
	CLEAN_JSON json_object *record = json_object_new_object();

	(void)arg;
	json_set_bool(json_set_str(record, "name", NAME), "enabled", true);
	json_set(record, "config",
		 json_tokener_parse("{\"table\":\"t(a)\",\"columns\":{\"a\":\"text\"}}"));
	return receivers_add(p, record);
}

static enum err lose_pass(struct pass *p, void *arg)
{
	struct lost *l = arg;
	CLEAN_JSON json_object *task = json_object_new_object(), *entry = json_object_new_object();
	unsigned char key[32];
	enum err err;

	json_set_str(json_set_str(task, "kind", "receive"), "owner", "u:ann");
	json_set_str(json_set_str(task, "mark", l->hex), "replay", l->hex);
	json_set_int(json_set_int(task, "receiver_id", 1), "heartbeat", 0);
	json_set_str(task, "account", "x");
	err = tasks_begin(p, task, &l->id);
	json_set_str(json_set_str(entry, "state", "running"), "content", l->hex);
	json_set_int(json_set_int(entry, "task", l->id), "expires", clock_now_ms() + 3600000);
	if (err == ERR_OK && token_hex_bytes(l->hex, key, sizeof(key)))
		err = replay_begin(p, key, entry);
	return err;
}

static enum err look_lost_pass(struct pass *p, void *arg)
{
	struct lost *l = arg;
	unsigned char key[32];

	if (!token_hex_bytes(l->hex, key, sizeof(key)))
		return ERR_INTERNAL;
	l->replay = replay_get(p, key, &l->entry);
	return tasks_get(p, l->id, &l->task);
}

static void write_one(struct site *site, const unsigned char mark[32])
{
	struct work work = {.w = &site->w, .task = json_tokener_parse("{\"receiver_id\":1}")};
	struct signed_target target;
	struct write_counts counts;
	struct refusal r = {0};
	struct ds *ds = NULL;

	assert_true(signed_target_open(&work, &target));
	assert_true(ds_open("[\"x\"]", 5, 10, &ds, &r));
	if (!write_rows(site->w.targets,
			&(struct write_order){.receiver = target.receiver,
					      .mark = mark,
					      .visitor = "x",
					      .rows = ds_rows(ds),
					      .lock_wait_ms = 1000,
					      .max_bad = 1},
			&counts, &r))
		fail_msg("%s %s", r.what, r.reason);
	assert_int_equal(counts.inserted, 1);
	ds_free(ds);
	signed_target_close(&target);
	json_object_put(work.task);
}

static void slice(struct site *site)
{
	site->w.slice_ms = 20000;
	site->w.start = clock_mono_ms();
	worker_slice(&site->w);
}

static void test_a_write_that_committed_succeeds_late(void **state)
{
	struct site *site = *state;
	unsigned char mark[32];
	char hex[65];
	struct lost l = {.hex = hex};

	token_bytes(mark, sizeof(mark));
	token_print_hex(mark, sizeof(mark), hex);
	run(site, receiver_pass, NULL);
	write_one(site, mark);
	run(site, lose_pass, &l);
	slice(site);
	run(site, look_lost_pass, &l);
	assert_string_equal(json_str(l.task, "state", ""), "done");
	assert_int_equal(l.replay, ERR_OK);
	assert_string_equal(json_str(l.entry, "state", ""), "done");
	assert_int_equal(json_int(json_obj(l.entry, "answer"), "status", 0), 200);
	json_object_put(l.task);
	json_object_put(l.entry);
}

static void test_a_write_that_did_not_may_come_again(void **state)
{
	struct site *site = *state;
	unsigned char mark[32];
	char hex[65];
	struct lost l = {.hex = hex};

	token_bytes(mark, sizeof(mark));
	run(site, receiver_pass, NULL);
	write_one(site, mark);
	mark[0] ^= 1;
	token_print_hex(mark, sizeof(mark), hex);
	run(site, lose_pass, &l);
	slice(site);
	run(site, look_lost_pass, &l);
	assert_string_equal(json_str(l.task, "state", ""), "failed");
	assert_int_equal(l.replay, ERR_NOT_FOUND);
	json_object_put(l.task);
}

int main(void)
{
#define SITE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    SITE_TEST(test_files_go_when_their_time_is_over),
	    SITE_TEST(test_the_last_one_takes_the_file_along),
	    SITE_TEST(test_a_write_that_committed_succeeds_late),
	    SITE_TEST(test_a_write_that_did_not_may_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
