/*
 * Goal: what takes too long for a request is joined or hashed by one task; until then the upload
 * says so and takes nothing more, a crash in the middle begins again, a deletion is obeyed.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include "store/tasks.h"
#include "upload/help.h"

#define SMALL FAST "[upload]\nassemble_inline = 4\n"

static struct upload *create_parts(struct scratch *s, uint32_t parts, const struct checksum *sum)
{
	struct upload_spec spec = {.owner = ann,
				   .adapter = "webuploader",
				   .mode = UPLOAD_PARTS,
				   .name = "a.csv",
				   .length = -1,
				   .parts = parts,
				   .digest = sum,
				   .hash = 1U << DIGEST_MD5,
				   .address = "192.0.2.1"};
	struct upload *u = NULL;

	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	return u;
}

static enum err put(struct upload *u, uint32_t number, const char *text)
{
	struct memory m;

	return upload_put_part(
	    u, number, memory_body(&m, text, strlen(text), (int64_t)strlen(text), TAIL_END), NULL);
}

/* All there; a task joins or hashes it. */
static bool is_assembling(struct scratch *s, const struct upload *u)
{
	struct upload_info info = {0};
	bool assembling;

	assert_int_equal(upload_status(s->engine, upload_id(u), &ann, &info, NULL), ERR_OK);
	assembling = info.assembling;
	upload_info_done(&info);
	return assembling;
}

/* An upload of three parts, all there: "abcdefghi". */
static void parts_there(struct scratch *s, const struct checksum *sum, char id[33])
{
	struct upload *u = create_parts(s, 3, sum);

	(void)snprintf(id, 33, "%s", upload_id(u));
	assert_int_equal(put(u, 0, "abc"), ERR_OK);
	assert_int_equal(put(u, 2, "ghi"), ERR_OK);
	assert_int_equal(put(u, 1, "def"), ERR_OK);
	assert_false(upload_is_complete(u));
	assert_true(is_assembling(s, u));
	/* Whatever comes now is dropped. */
	assert_int_equal(put(u, 1, "xyz"), ERR_OK);
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
	upload_close(u);
}

struct counts {
	size_t queued, running;
};

static enum err count_pass(struct pass *p, void *arg)
{
	struct counts *c = arg;

	return tasks_count(p, &c->queued, &c->running);
}

static size_t queued(struct scratch *s)
{
	struct counts c = {0};

	assert_int_equal(store_pass(s->store, PASS_READ, "test", count_pass, &c, NULL), ERR_OK);
	return c.queued;
}

static void test_long_join_is_a_task(void **state)
{
	struct scratch *s = scratch_in(NULL, SMALL);
	struct upload_info info = {0};
	struct upload *u;
	char id[33];

	(void)state;
	assert_false(engine_wants_worker(s->engine));
	parts_there(s, NULL, id);
	assert_true(engine_wants_worker(s->engine));
	assert_false(engine_wants_worker(s->engine));
	assert_int_equal(queued(s), 1);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_true(info.assembling);
	assert_int_equal(info.received, 9);
	assert_int_equal(info.state, UPLOAD_RECEIVING);
	upload_info_done(&info);
	assert_int_equal(upload_get(s->engine, id, &ann, &info, NULL), ERR_INCOMPLETE);
	/* Asking again queues nothing again. */
	u = reopen(s, id);
	assert_true(is_assembling(s, u));
	assert_int_equal(upload_finish(u, NULL), ERR_OK);
	upload_close(u);
	assert_int_equal(queued(s), 1);
	assert_int_equal(upload_assemble(s->engine, id, NULL, NULL, NULL), ERR_OK);
	assert_content(s, id, "abcdefghi");
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_string_equal(info.md5, "8aa99b1f439ff71293e95357bac6fd94");
	assert_false(info.assembling);
	upload_info_done(&info);
	/* Once more, after its answer was lost. */
	assert_int_equal(upload_assemble(s->engine, id, NULL, NULL, NULL), ERR_OK);
	assert_int_equal(upload_assemble(s->engine, "x", NULL, NULL, NULL), ERR_NOT_FOUND);
	scratch_free(s);
}

static void test_long_hash_is_a_task_and_compared(void **state)
{
	struct scratch *s = scratch_in(NULL, SMALL);
	struct checksum wrong = {.algorithm = DIGEST_SHA256};
	struct upload_info info = {0};
	struct upload *u;
	char id[33];
	int64_t at;

	(void)state;
	parts_there(s, &wrong, id);
	assert_int_equal(upload_assemble(s->engine, id, NULL, NULL, NULL), ERR_DIGEST);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_GONE);
	/* An append upload that was hashed while it came needs no task; one that was not does. */
	struct upload_spec spec = {.owner = ann,
				   .adapter = "tus",
				   .name = "a",
				   .length = 6,
				   .hash = 1U << DIGEST_MD5,
				   .address = "192.0.2.1"};
	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	assert_int_equal(append(u, 0, "abcdef", &at), ERR_OK);
	assert_true(upload_is_complete(u));
	upload_close(u);
	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(append(u, 0, "abc", &at), ERR_OK);
	upload_close(u);
	u = reopen(s, id);
	assert_int_equal(append(u, 3, "def", &at), ERR_OK);
	assert_false(upload_is_complete(u));
	assert_true(is_assembling(s, u));
	upload_close(u);
	/* Its client asks for the offset, and repeats the end. */
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 6);
	assert_int_equal(append(u, 6, "", &at), ERR_OK);
	assert_int_equal(append(u, 6, "x", &at), ERR_EXCEEDED);
	upload_close(u);
	assert_int_equal(upload_assemble(s->engine, id, NULL, NULL, NULL), ERR_OK);
	assert_content(s, id, "abcdef");
	scratch_free(s);
}

static void test_long_final_is_a_task(void **state)
{
	struct scratch *s = scratch_in(NULL, SMALL);
	struct upload_spec spec = {
	    .owner = ann, .adapter = "tus", .name = "a", .length = 3, .partial = true};
	struct upload *a, *b;
	const char *ids[3];
	char id[33];
	int64_t at;

	(void)state;
	assert_int_equal(upload_create(s->engine, &spec, &a, NULL), ERR_OK);
	assert_int_equal(append(a, 0, "abc", &at), ERR_OK);
	ids[0] = ids[2] = upload_id(a);
	assert_int_equal(upload_create(s->engine, &spec, &b, NULL), ERR_OK);
	ids[1] = upload_id(b);
	spec.mode = UPLOAD_CONCAT;
	spec.partial = false;
	spec.length = -1;
	spec.concat = ids;
	spec.n_concat = 3;
	struct upload *u = NULL;
	assert_int_equal(upload_create(s->engine, &spec, &u, NULL), ERR_OK);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	assert_int_equal(queued(s), 0);
	/* The last partial queues it. */
	assert_int_equal(append(b, 0, "def", &at), ERR_OK);
	assert_int_equal(queued(s), 1);
	upload_close(a);
	upload_close(b);
	assert_int_equal(upload_assemble(s->engine, id, NULL, NULL, NULL), ERR_OK);
	assert_content(s, id, "abcdefabc");
	scratch_free(s);
}

/* ---- crashes and deletions in the middle */

static bool die(void *arg, int64_t done, int64_t total)
{
	(void)arg;
	(void)done;
	(void)total;
	(void)kill(getpid(), SIGKILL);
	return true;
}

static void test_killed_join_begins_again(void **state)
{
	enum { SIZE = 3 << 20 };
	struct scratch *s = scratch_in(NULL, FAST "[upload]\nassemble_inline = 1000000\n");
	CLEAN_FREE char *bytes = mem_array(1, SIZE);
	struct upload *u = create_parts(s, 2, NULL);
	struct upload_info info = {0};
	struct memory m;
	char id[33];
	int status = 0;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7919 >> 3);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	assert_int_equal(upload_put_part(u, 0, memory_body(&m, bytes, SIZE, SIZE, TAIL_END), NULL),
			 ERR_OK);
	assert_int_equal(upload_put_part(u, 1, memory_body(&m, bytes, SIZE, SIZE, TAIL_END), NULL),
			 ERR_OK);
	assert_true(is_assembling(s, u));
	upload_close(u);
	scratch_stop(s);
	pid_t pid = fork();
	if (pid == 0) {
		scratch_start(s);
		/* A task that has run for a second already: the first look kills it. */
		clock_sleep_ms(1);
		(void)upload_assemble(s->engine, id, die, NULL, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	scratch_start(s);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_OK);
	assert_int_equal(info.received, 2 * SIZE);
	upload_info_done(&info);
	assert_int_equal(upload_assemble(s->engine, id, NULL, NULL, NULL), ERR_OK);
	char *path = mem_printf("%s/uploads/%.2s/%s/data", s->dir, id, id), *text = NULL;
	size_t len = 0;
	assert_int_equal(fs_read_file(AT_FDCWD, path, 10 << 20, &text, &len, NULL), ERR_OK);
	assert_int_equal(len, 2 * SIZE);
	assert_memory_equal(text, bytes, SIZE);
	assert_memory_equal(text + SIZE, bytes, SIZE);
	free(text);
	free(path);
	assert_false(has_file(s, id, "p.0"));
	scratch_free(s);
}

struct slow {
	struct scratch *s;
	const char *id;
	enum err err;
	atomic_bool begun;
};

static void *assemble_one(void *arg)
{
	struct slow *w = arg;
	struct error error = {0};

	w->err = upload_assemble(w->s->engine, w->id, NULL, NULL, &error);
	return NULL;
}

static void test_two_tasks_at_once_make_one_file(void **state)
{
	struct scratch *s = scratch_in(NULL, SMALL);

	(void)state;
	for (int round = 0; round < 10; round++) {
		char id[33];
		struct slow a = {.s = s, .id = id}, b = {.s = s, .id = id};
		pthread_t x, y;

		parts_there(s, NULL, id);
		assert_int_equal(pthread_create(&x, NULL, assemble_one, &a), 0);
		assert_int_equal(pthread_create(&y, NULL, assemble_one, &b), 0);
		pthread_join(x, NULL);
		pthread_join(y, NULL);
		assert_true(a.err == ERR_OK || a.err == ERR_DISPLACED);
		assert_true(b.err == ERR_OK || b.err == ERR_DISPLACED);
		assert_true(a.err == ERR_OK || b.err == ERR_OK);
		assert_content(s, id, "abcdefghi");
	}
	scratch_free(s);
}

static void test_deleted_upload_is_not_assembled(void **state)
{
	struct scratch *s = scratch_in(NULL, SMALL);
	char id[33];

	(void)state;
	parts_there(s, NULL, id);
	assert_int_equal(remove_id(s, id, &ann), ERR_OK);
	assert_int_equal(upload_assemble(s->engine, id, NULL, NULL, NULL), ERR_GONE);
	assert_false(has_file(s, id, ""));
	scratch_free(s);
}

/* ---- a task that got lost */

static enum err drop_task_pass(struct pass *p, void *arg)
{
	json_object *r = NULL;
	enum err e = uploads_get(p, arg, &r);

	if (e == ERR_OK)
		e = tasks_delete(p, json_int(r, "task", 0));
	if (e == ERR_OK)
		e = uploads_put(p, json_set_int(r, "expires", clock_now_ms() - 1));
	json_object_put(r);
	return e;
}

static void test_lost_task_is_queued_again_by_the_sweep(void **state)
{
	struct scratch *s = scratch_in(NULL, SMALL);
	char id[33];

	(void)state;
	parts_there(s, NULL, id);
	assert_int_equal(store_pass(s->store, PASS_SYNC, "test", drop_task_pass, id, NULL), ERR_OK);
	assert_int_equal(queued(s), 0);
	assert_int_equal(upload_sweep(s->engine, 1000, NULL), ERR_OK);
	assert_int_equal(queued(s), 1);
	assert_true(engine_wants_worker(s->engine));
	assert_int_equal(upload_sweep(s->engine, 1000, NULL), ERR_OK);
	assert_int_equal(queued(s), 1);
	assert_int_equal(upload_assemble(s->engine, id, NULL, NULL, NULL), ERR_OK);
	assert_content(s, id, "abcdefghi");
	scratch_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_long_join_is_a_task),
	    cmocka_unit_test(test_long_hash_is_a_task_and_compared),
	    cmocka_unit_test(test_long_final_is_a_task),
	    cmocka_unit_test(test_killed_join_begins_again),
	    cmocka_unit_test(test_two_tasks_at_once_make_one_file),
	    cmocka_unit_test(test_deleted_upload_is_not_assembled),
	    cmocka_unit_test(test_lost_task_is_queued_again_by_the_sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
