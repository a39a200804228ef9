/*
 * Goal: kill -9 in mid body costs nothing that was told: the upload goes on at the length of its
 * file; whatever a crash left half-made is put right by the next opener.
 */
#include "upload/help.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SIZE (3 << 20)

/* What the client was told, in shared memory. */
struct told {
	volatile int64_t offset; /* durable, acknowledged */
	volatile bool complete;
};

static char byte_at(int64_t at)
{
	return (char)('a' + (at * 7 + at / 1000) % 26);
}

/* Requests of growing size, resumed at the server's offset, until complete or killed. */
static _Noreturn void client(const struct scratch *s, const char *id, struct told *told)
{
	struct scratch own = *s;
	char *all = mem_alloc(SIZE);

	for (int64_t i = 0; i < SIZE; i++)
		all[i] = byte_at(i);
	own.store = NULL;
	if (store_open(own.config, true, &own.store, NULL) != ERR_OK ||
	    engine_open(own.config, own.store, &own.engine, NULL) != ERR_OK)
		_exit(2);
	for (int64_t part = 10000;; part += 20000) {
		struct upload *u = NULL;
		struct memory m;
		int64_t at, n;

		if (upload_open(own.engine, id, &ann, UPLOAD_WANT_WRITE, &u, NULL) != ERR_OK)
			_exit(3);
		at = upload_offset(u);
		/* Never less than what was acknowledged. */
		if (at < told->offset)
			_exit(4);
		told->offset = at;
		n = SIZE - at < part ? SIZE - at : part;
		(void)memory_body(&m, all + at, (size_t)n, n, TAIL_END);
		m.piece = 4096;
		m.slow_ms = 1;
		if (upload_append(u, at, &m.body, NULL, false, &at, NULL) != ERR_OK)
			_exit(5);
		told->offset = at;
		upload_close(u);
		if (at == SIZE) {
			told->complete = true;
			_exit(0);
		}
	}
}

static void test_killed_requests_go_on_where_they_were(void **state)
{
	struct scratch *s = *state;
	struct told *told =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct upload *u;
	struct upload_info info = {0};
	CLEAN_FREE char *path = NULL;
	CLEAN_FREE char *text = NULL;
	char id[33];
	unsigned seed = 11;
	size_t len = 0;
	int kills = 0;

	u = create(s, SIZE);
	(void)snprintf(id, sizeof(id), "%s", upload_id(u));
	upload_close(u);
	for (int i = 0; i < 400; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			client(s, id, told);
		clock_sleep_ms(i < 60 ? 10 + rand_r(&seed) % 25 : 5000);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			break;
		}
		kills++;
	}
	print_message("%d kills\n", kills);
	assert_true(kills > 5);
	assert_true(told->complete);
	assert_int_equal(upload_get(s->engine, id, &ann, &info, NULL), ERR_OK);
	path = mem_printf("%s/%s", s->dir, info.path);
	upload_info_done(&info);
	assert_int_equal(fs_read_file(AT_FDCWD, path, SIZE + 1, &text, &len, NULL), ERR_OK);
	assert_int_equal(len, SIZE);
	for (int64_t i = 0; i < SIZE; i++)
		if (text[i] != byte_at(i))
			fail_msg("byte %lld differs", (long long)i);
	(void)munmap(told, 4096);
}

static char *file_of(const struct scratch *s, const char *id, const char *name)
{
	return mem_printf("%s/uploads/%.2s/%s/%s", s->dir, id, id, name);
}

static void write_file(const char *path, const char *text)
{
	CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void started(struct scratch *s, char id[33], const char *text, int64_t length)
{
	struct upload *u = create(s, length);
	int64_t at;

	(void)snprintf(id, 33, "%s", upload_id(u));
	if (*text != '\0')
		assert_int_equal(append(u, 0, text, &at), ERR_OK);
	upload_close(u);
}

/* The crash came between the last byte, the rename and the commit. */
static void test_completion_is_repeated(void **state)
{
	struct scratch *s = *state;
	char id[33], other[33];
	CLEAN_FREE char *part = NULL;
	CLEAN_FREE char *data = NULL;
	CLEAN_FREE char *part2 = NULL;

	started(s, id, "hel", 5);
	part = file_of(s, id, "part");
	data = file_of(s, id, "data");
	write_file(part, "lo");
	assert_int_equal(rename(part, data), 0);
	/* Consumers may be the first to come by. */
	assert_content(s, id, "hello");
	started(s, other, "hel", 5);
	part2 = file_of(s, other, "part");
	write_file(part2, "lo");
	upload_close(reopen(s, other));
	assert_content(s, other, "hello");
}

static void test_leftovers_of_dead_requests_go(void **state)
{
	struct scratch *s = *state;
	struct upload *u;
	char id[33];
	CLEAN_FREE char *in = NULL;
	CLEAN_FREE char *stop = NULL;
	CLEAN_FREE char *lock = NULL;

	started(s, id, "hel", 5);
	in = file_of(s, id, "in.99.0123456789abcdef");
	stop = file_of(s, id, "stop");
	lock = file_of(s, id, "lock");
	write_file(in, "junk");
	write_file(stop, "");
	assert_int_equal(truncate(lock, 0), 0); /* as after a power cut */
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 3);
	assert_false(has_file(s, id, "in.99.0123456789abcdef"));
	assert_false(has_file(s, id, "stop"));
	upload_close(u);
}

struct change {
	const char *id;
	const char *member;
	int64_t value;
};

static enum err change_pass(struct pass *p, void *arg)
{
	const struct change *c = arg;
	CLEAN_JSON json_object *r = NULL;
	enum err e = uploads_get(p, c->id, &r);

	if (e != ERR_OK)
		return e;
	(void)json_set_int(r, c->member, c->value);
	return uploads_put(p, r);
}

static void change(struct scratch *s, const char *id, const char *member, int64_t value)
{
	struct change c = {id, member, value};

	assert_int_equal(store_pass(s->store, PASS_SYNC, "t", change_pass, &c, NULL), ERR_OK);
}

static void test_tentative_bytes_go(void **state)
{
	struct scratch *s = *state;
	CLEAN_JSON json_object *r = NULL;
	struct upload *u;
	int64_t at;
	char id[33];

	started(s, id, "hello", 11);
	change(s, id, "tentative", 2);
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 2);
	assert_int_equal(append(u, 2, "llo wor", &at), ERR_OK);
	upload_close(u);
	/* That word was taken back with the bytes: what came since stays. */
	u = reopen(s, id);
	assert_int_equal(upload_offset(u), 9);
	upload_close(u);
	r = record_of(s, id);
	assert_int_equal(json_int(r, "tentative", 0), -1);
}

static void test_lost_bytes_end_the_upload(void **state)
{
	struct scratch *s = *state;
	struct upload *u = NULL;
	struct upload_info info = {0};
	CLEAN_FREE char *part = NULL;
	CLEAN_FREE char *place = NULL;
	CLEAN_FREE char *data = NULL;
	char id[33], gone[33], done[33];

	started(s, id, "hello", 11);
	change(s, id, "offset", 4);
	part = file_of(s, id, "part");
	assert_int_equal(truncate(part, 3), 0);
	assert_int_equal(upload_open(s->engine, id, &ann, UPLOAD_WANT_WRITE, &u, NULL), ERR_GONE);
	assert_int_equal(upload_status(s->engine, id, &ann, &info, NULL), ERR_GONE);
	assert_false(has_file(s, id, "."));
	started(s, gone, "hello", 11);
	place = file_of(s, gone, "");
	assert_int_equal(fs_remove_tree(AT_FDCWD, place, NULL), ERR_OK);
	assert_int_equal(upload_get(s->engine, gone, &ann, &info, NULL), ERR_INCOMPLETE);
	assert_int_equal(upload_open(s->engine, gone, &ann, UPLOAD_WANT_WRITE, &u, NULL), ERR_GONE);
	started(s, done, "hello", 5);
	data = file_of(s, done, "data");
	assert_int_equal(truncate(data, 1), 0);
	assert_int_equal(upload_get(s->engine, done, &ann, &info, NULL), ERR_NOT_FOUND);
}

/*
 * Killed before its one commit: nobody was told, so nothing is kept but a stray folder for the
 * sweep.
 */
static void test_killed_form_leaves_a_stray_only(void **state)
{
	struct scratch *s = *state;
	char *id = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CLEAN_FREE char *place = NULL;
	struct timespec old[2] = {{.tv_sec = time(NULL) - 4000}, {.tv_sec = time(NULL) - 4000}};
	struct stat st;
	pid_t pid = fork();

	if (pid == 0) {
		struct scratch own = *s;
		struct upload *u;

		own.store = NULL;
		if (store_open(own.config, true, &own.store, NULL) != ERR_OK ||
		    engine_open(own.config, own.store, &own.engine, NULL) != ERR_OK)
			_exit(2);
		u = create_as(&own, &ann, "form", -1);
		(void)upload_push(u, "abc", 3, NULL);
		memcpy(id, upload_id(u), 33);
		(void)pause();
	}
	for (int64_t until = clock_mono_ms() + 20000; id[31] == '\0';) {
		if (clock_mono_ms() > until || waitpid(pid, NULL, WNOHANG) == pid) {
			(void)kill(pid, SIGKILL);
			fail_msg("the other process made no upload");
		}
		clock_sleep_ms(5);
	}
	place = file_of(s, id, "");
	assert_int_equal(utimensat(AT_FDCWD, place, old, 0), 0);
	/* Old, but its request still runs. */
	assert_int_equal(upload_sweep(s->engine, 5000, NULL), ERR_OK);
	assert_int_equal(stat(place, &st), 0);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_null(record_of(s, id));
	assert_int_equal(upload_sweep(s->engine, 5000, NULL), ERR_OK);
	assert_int_equal(stat(place, &st), -1);
	(void)munmap(id, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	    T(test_killed_requests_go_on_where_they_were),
	    T(test_completion_is_repeated),
	    T(test_leftovers_of_dead_requests_go),
	    T(test_tentative_bytes_go),
	    T(test_lost_bytes_end_the_upload),
	    T(test_killed_form_leaves_a_stray_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
