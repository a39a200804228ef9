/*
 * Goal: whatever a web server, or somebody in its place, sends over the FastCGI socket, the body
 * arrives byte for byte, a cut is told from an end, the process lives, and it leaves when told to.
 */
#include "http/helper.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define BIG	    (3u << 20)
#define PATIENCE_MS 20000 /* however busy the machine is */
/* Told to end, a thread does so at once: by itself it looks whether it should in 5 s. */
#define STOPS_MS 4000

static char dir[] = "/tmp/slipway-test-XXXXXX";
static char sock[64];
static pid_t child;
static char big[BIG]; /* what /big answers: the program's threads only read it */
static int came[2];   /* a byte for each request that is held … */
static int go[2];     /* … and one for each that may go on */

/* ---- the program under test: what it read, how it ended, how often it waited in vain */

/* Each read waits WAIT_MS. */
static void echo(struct wire *w, int wait_ms)
{
	char buf[70000], *text = NULL;
	size_t size;
	ssize_t n;
	int waits = 0;
	FILE *out = open_memstream(&text, &size);

	fputs("Content-Type: text/plain\r\n\r\n", out);
	while ((n = wire_read(w, buf, sizeof(buf), wait_ms)) > 0 || (n == -1 && ++waits < 500))
		if (n > 0)
			fwrite(buf, 1, (size_t)n, out);
	fprintf(out, "|%zd|%s|%lld", n, waits > 0 ? "waited" : "", (long long)wire_received(w));
	(void)fclose(out);
	(void)wire_write(w, text, size);
	free(text);
}

static void sum(struct wire *w)
{
	char buf[50000], answer[100];
	unsigned long total = 0;
	ssize_t n;

	while ((n = wire_read(w, buf, sizeof(buf), 2000)) > 0)
		for (ssize_t i = 0; i < n; i++)
			total = total * 31 + (unsigned char)buf[i];
	(void)snprintf(answer, sizeof(answer), "Status: 200\r\n\r\n%lu|%zd|%lld", total, n,
		       (long long)wire_received(w));
	(void)wire_write(w, answer, strlen(answer));
}

/* Until the test lets it go on. */
static void hold(void)
{
	char c = 'c';

	if (write(came[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
		abort();
}

static void handle(struct wire *w, void *arg)
{
	const char *path = wire_env(w, "PATH_INFO");

	(void)arg;
	if (path == NULL || strcmp(path, "/echo") == 0) {
		echo(w, PATIENCE_MS);
	} else if (strcmp(path, "/hurry") == 0) {
		echo(w, 50);
	} else if (strcmp(path, "/sum") == 0) {
		sum(w);
	} else if (strcmp(path, "/early") == 0) {
		(void)wire_write(w, "Status: 413\r\n\r\nearly", 20);
	} else if (strcmp(path, "/held") == 0) {
		hold();
		(void)wire_write(w, "Status: 200\r\n\r\nfreed", 20);
	} else if (strcmp(path, "/big") == 0) {
		(void)wire_write(w, "Status: 200\r\n\r\n", 15);
		for (size_t at = 0, step = 1; at < BIG; step = step * 3 + 1) {
			size_t n = BIG - at < step ? BIG - at : step;
			(void)wire_write(w, big + at, n);
			at += n;
		}
	} else if (strcmp(path, "/interim") == 0) {
		(void)wire_write_now(w, "Status: 104\r\n\r\n", 15);
		hold();
		(void)wire_write(w, "Status: 200\r\n\r\nfinal", 20);
	} else {
		(void)wire_write(w, "Status: 404\r\n\r\n", 15);
	}
}

static void start(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", sock);
	(void)unlink(sock);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 64), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* A test that fails leaves no process behind. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		const struct config defaults = TEST_CONFIG;
		struct config config = defaults;
		struct error error = {0};
		config.upload_body_idle_s = 2;
		/* One thread at a time waits for connections: the hardest case. */
		(void)setenv("SLIPWAY_SUPERVISED", "1", 1);
		config.processes = 1000;
		(void)dup2(fd, 0);
		(void)close(fd);
		_exit(transport_serve(&config, handle, NULL, &error) == ERR_OK ? 0 : 1);
	}
	(void)close(fd);
}

/* The child's exit status once it is told to stop; -1 if it takes longer than MS. */
static int stop_within(int ms)
{
	int status;

	for (int64_t until = clock_mono_ms() + ms; clock_mono_ms() < until; clock_sleep_ms(5)) {
		if (waitpid(child, &status, WNOHANG) == child) {
			child = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
		}
	}
	return -1;
}

static int set_up(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 % 251);
	assert_int_equal(pipe(came), 0);
	assert_int_equal(pipe(go), 0);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(sock, sizeof(sock), "%s/s", dir);
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (child > 0) {
		(void)kill(child, SIGTERM);
		assert_int_equal(stop_within(PATIENCE_MS), 0);
	}
	(void)unlink(sock);
	return rmdir(dir);
}

/* ---- the web server */

static int dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", sock);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* What is sent is gathered first, so that a test can cut it anywhere. */
struct bytes {
	unsigned char *v;
	size_t n;
};

static void put(struct bytes *b, const void *p, size_t n)
{
	b->v = mem_resize(b->v, b->n + n + 1, 1);
	if (n > 0)
		memcpy(b->v + b->n, p, n);
	b->n += n;
}

static void put_record_of(struct bytes *b, unsigned version, unsigned type, unsigned id,
			  const void *p, size_t n, size_t pad)
{
	unsigned char head[8] = {(unsigned char)version,   (unsigned char)type,
				 (unsigned char)(id >> 8), (unsigned char)id,
				 (unsigned char)(n >> 8),  (unsigned char)n,
				 (unsigned char)pad,	   0};
	static const unsigned char padding[255] = {1, 5, 0, 1, 0, 0, 0, 0};

	put(b, head, 8);
	put(b, p, n);
	put(b, padding, pad);
}

static void put_record(struct bytes *b, unsigned type, const void *p, size_t n, size_t pad)
{
	put_record_of(b, 1, type, 1, p, n, pad);
}

static void put_param(struct bytes *b, const char *name, const char *value)
{
	unsigned char len[2] = {(unsigned char)strlen(name), (unsigned char)strlen(value)};

	put(b, len, 2);
	put(b, name, len[0]);
	put(b, value, len[1]);
}

/* Begin and parameters; LENGTH NULL: no CONTENT_LENGTH. */
static struct bytes begin_as(unsigned role, const char *method, const char *path,
			     const char *length)
{
	struct bytes b = {0}, params = {0};
	unsigned char body[8] = {0, (unsigned char)role, 0};

	put_param(&params, "REQUEST_METHOD", method);
	put_param(&params, "PATH_INFO", path);
	put_param(&params, "PATH_INFO", "/repeated");
	if (length != NULL)
		put_param(&params, "CONTENT_LENGTH", length);
	put_record(&b, 1, body, 8, 0);
	put_record(&b, 4, params.v, params.n, 3);
	put_record(&b, 4, "", 0, 5);
	free(params.v);
	return b;
}

static struct bytes begin(unsigned role, const char *path, const char *length)
{
	return begin_as(role, "PUT", path, length);
}

static void send_all(int fd, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t m = send(fd, (const char *)p + at, n - at, MSG_NOSIGNAL);
		if (m <= 0)
			return;
		at += (size_t)m;
	}
}

/* The content of all STDOUT records up to the end; NULL-terminated.  Caller frees. */
static char *answer(int fd, size_t *ret_len)
{
	struct bytes raw = {0}, out = {0};
	unsigned char buf[65536];
	bool ended = false;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, PATIENCE_MS) <= 0)
			break;
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		put(&raw, buf, (size_t)n);
	}
	for (size_t at = 0; at + 8 <= raw.n;) {
		size_t n = (size_t)raw.v[at + 4] << 8 | raw.v[at + 5];
		if (raw.v[at + 1] == 6)
			put(&out, raw.v + at + 8, n);
		ended = ended || raw.v[at + 1] == 3;
		at += 8 + n + raw.v[at + 6];
	}
	(void)close(fd);
	free(raw.v);
	put(&out, "", 0);
	out.v[out.n] = '\0';
	if (!ended) {
		free(out.v);
		return mem_strdup("no end");
	}
	if (ret_len != NULL)
		*ret_len = out.n;
	return (char *)out.v;
}

static void expect_answer(int fd, const char *want)
{
	CLEAN_FREE char *got = answer(fd, NULL);
	const char *body = strstr(got, "\r\n\r\n");

	assert_string_equal(body != NULL ? body + 4 : got, want);
}

static void still_serves(void)
{
	struct bytes b = begin(1, "/echo", "5");
	int fd = dial();

	put_record(&b, 5, "hello", 5, 0);
	put_record(&b, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	free(b.v);
	expect_answer(fd, "hello|0||5");
}

static void test_transport_serves_a_request(void **state)
{
	(void)state;
	still_serves();
}

/* One byte in each record, each record in pieces of one byte. */
static void test_transport_one_byte_at_a_time(void **state)
{
	struct bytes b = begin(1, "/echo", "5");
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < 5; i++)
		put_record(&b, 5, &"hello"[i], 1, i * 50);
	put_record(&b, 5, "", 0, 0);
	for (size_t i = 0; i < b.n; i++)
		send_all(fd, b.v + i, 1);
	free(b.v);
	expect_answer(fd, "hello|0||5");
}

static void test_transport_cut_anywhere_into_two(void **state)
{
	struct bytes b = begin(1, "/echo", "11");

	(void)state;
	put_record(&b, 5, "hello ", 6, 7);
	put_record(&b, 5, "world", 5, 0);
	put_record(&b, 5, "", 0, 0);
	for (size_t i = 1; i < b.n; i++) {
		int fd = dial();
		send_all(fd, b.v, i);
		clock_sleep_ms(2);
		send_all(fd, b.v + i, b.n - i);
		expect_answer(fd, "hello world|0||11");
	}
	free(b.v);
}

/* Records of every size, with padding, sent as fast as the socket takes them. */
static void test_transport_large_bodies_are_intact(void **state)
{
	static const size_t sizes[] = {1, 7, 4096, 8184, 16384, 32768, 65535};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		size_t total = sizes[s] < 4096 ? 20000 : BIG;
		char *data = mem_alloc(total), number[24], want[100];
		unsigned long sum_wanted = 0;
		for (size_t i = 0; i < total; i++) {
			data[i] = (char)(i * 13 % 255);
			sum_wanted = sum_wanted * 31 + (unsigned char)data[i];
		}
		(void)snprintf(number, sizeof(number), "%zu", total);
		(void)snprintf(want, sizeof(want), "%lu|0|%zu", sum_wanted, total);
		struct bytes b = begin(1, "/sum", number);
		for (size_t at = 0; at < total;) {
			size_t n = total - at < sizes[s] ? total - at : sizes[s];
			put_record(&b, 5, data + at, n, at % 8);
			at += n;
		}
		put_record(&b, 5, "", 0, 0);
		int fd = dial();
		send_all(fd, b.v, b.n);
		free(b.v);
		free(data);
		expect_answer(fd, want);
	}
}

static void test_transport_waits_no_longer_than_asked(void **state)
{
	struct bytes b = begin(1, "/hurry", "2"), c = {0};
	int fd = dial();

	(void)state;
	put_record(&c, 5, "ab", 2, 0);
	put_record(&c, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	clock_sleep_ms(200);
	send_all(fd, c.v, 4); /* half a head is still nothing */
	clock_sleep_ms(200);
	send_all(fd, c.v + 4, c.n - 4);
	free(b.v);
	free(c.v);
	expect_answer(fd, "ab|0|waited|2");
}

static void test_transport_end_before_the_length(void **state)
{
	struct bytes b = begin(1, "/echo", "100");
	int fd = dial();

	(void)state;
	/* The end of input is an end; that it came early, the reader sees by counting. */
	put_record(&b, 5, "abc", 3, 0);
	put_record(&b, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	free(b.v);
	expect_answer(fd, "abc|0||3");
}

static void test_transport_bytes_past_the_length_stay(void **state)
{
	struct bytes b = begin(1, "/echo", "3");
	int fd = dial();

	(void)state;
	put_record(&b, 5, "abcdef", 6, 0);
	put_record(&b, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	free(b.v);
	expect_answer(fd, "abc|0||3");
}

static void test_transport_no_length_no_body(void **state)
{
	struct bytes b = begin(1, "/echo", NULL);
	int fd = dial();

	(void)state;
	put_record(&b, 5, "abcdef", 6, 0);
	put_record(&b, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	free(b.v);
	expect_answer(fd, "|0||0");
}

/* An abort and a half-closed connection are losses; the answer to a half-closed one can still be
 * read. */
static void test_transport_losses(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct bytes b = begin(1, "/echo", "100");
		int fd = dial();
		put_record(&b, 5, "abc", 3, 0);
		if (how == 0)
			put_record(&b, 2, "", 0, 0);
		else if (how == 1)
			put_record_of(&b, 7, 5, 1, "abc", 3, 0);
		send_all(fd, b.v, b.n);
		if (how == 2)
			assert_int_equal(shutdown(fd, SHUT_WR), 0);
		free(b.v);
		expect_answer(fd, "abc|-2||3");
	}
}

static void test_transport_skips_foreign_records(void **state)
{
	struct bytes b = begin(1, "/echo", "6");
	int fd = dial();

	(void)state;
	put_record_of(&b, 1, 5, 2, "another request's", 17, 3);
	put_record(&b, 5, "abc", 3, 2);
	put_record_of(&b, 1, 9, 0, "\x0e\0FCGI_MAX_CONNS", 16, 0);
	put_record(&b, 8, "data of a filter", 16, 0);
	put_record(&b, 5, "def", 3, 0);
	put_record(&b, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	free(b.v);
	expect_answer(fd, "abcdef|0||6");
}

/* Everything wrong before a request stands: the connection ends, the process does not. */
static void test_transport_survives_nonsense(void **state)
{
	static const char *const junk[] = {
	    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",    "\x01\x01\x00\x01\x00\x08\x00\x00", "", "\x01",
	    "\x01\x04\x00\x01\xff\xff\x00\x00zzzz", "\x01\x05\x00\x00\x00\x00\x00\x00"};

	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		int fd = dial();
		send_all(fd, junk[i], i == 1 || i == 4 || i == 5 ? 8 : strlen(junk[i]));
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		CLEAN_FREE char *got = answer(fd, NULL);
		assert_string_equal(got, "no end");
		still_serves();
	}
	/* Roles that are not ours: no answer, but an orderly end. */
	for (unsigned role = 2; role < 5; role++) {
		struct bytes b = begin(role, "/echo", "0");
		int fd = dial();
		put_record(&b, 5, "", 0, 0);
		send_all(fd, b.v, b.n);
		free(b.v);
		CLEAN_FREE char *got = answer(fd, NULL);
		assert_null(strstr(got, "Content-Type"));
		still_serves();
	}
	/* Parameters that promise more than comes. */
	struct bytes b = {0};
	put_record(&b, 1, "\0\x01\0\0\0\0\0\0", 8, 0);
	put_record(&b, 4, "\x90\0\0\0\x90\0\0\0abc", 11, 0);
	put_record(&b, 4, "", 0, 0);
	int fd = dial();
	send_all(fd, b.v, b.n);
	free(b.v);
	(void)shutdown(fd, SHUT_WR);
	CLEAN_FREE char *got = answer(fd, NULL);
	assert_string_equal(got, "no end");
	still_serves();
}

/* Somebody connects and says nothing: others are served, and the connection ends by itself. */
static void test_transport_silent_peers_hold_no_thread_for_long(void **state)
{
	int silent[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		silent[i] = dial();
	still_serves();
	clock_sleep_ms(2500);
	for (size_t i = 0; i < 3; i++) {
		char c;
		struct pollfd p = {.fd = silent[i], .events = POLLIN};
		assert_int_equal(poll(&p, 1, 3000), 1);
		assert_int_equal(read(silent[i], &c, 1), 0);
		(void)close(silent[i]);
	}
}

static void test_transport_answers_before_the_body(void **state)
{
	struct bytes b = begin(1, "/early", "1000000");
	int fd = dial();
	char *data = mem_alloc(60000);

	(void)state;
	for (int i = 0; i < 16; i++)
		put_record(&b, 5, data, 60000, 0);
	/* The server sends on for a while before it looks. */
	send_all(fd, b.v, b.n);
	free(b.v);
	free(data);
	expect_answer(fd, "early");
	still_serves();
}

static void test_transport_large_answers_are_intact(void **state)
{
	struct bytes b = begin(1, "/big", "0");
	int fd = dial();
	size_t len;

	(void)state;
	put_record(&b, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	free(b.v);
	CLEAN_FREE char *got = answer(fd, &len);
	assert_int_equal(len, BIG + 15);
	for (size_t i = 0; i < BIG; i++)
		if (got[15 + i] != (char)(i * 7 % 251))
			fail_msg("byte %zu", i);
}

static void test_transport_client_leaves_early(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct bytes b = begin(1, "/big", "0");
		int fd = dial();
		put_record(&b, 5, "", 0, 0);
		send_all(fd, b.v, b.n);
		free(b.v);
		(void)close(fd);
	}
	still_serves();
}

/* Wait until N requests are held. */
static void until_held(size_t n)
{
	struct pollfd p = {.fd = came[0], .events = POLLIN};
	char c;

	for (; n > 0; n--) {
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_int_equal(read(came[0], &c, 1), 1);
	}
}

static void release(size_t n)
{
	for (; n > 0; n--)
		assert_int_equal(write(go[1], "g", 1), 1);
}

static void test_transport_interim_goes_out_at_once(void **state)
{
	struct bytes b = begin(1, "/interim", "0");
	int fd = dial();
	struct pollfd p = {.fd = fd, .events = POLLIN};

	(void)state;
	put_record(&b, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	free(b.v);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	until_held(1);
	release(1);
	CLEAN_FREE char *got = answer(fd, NULL);
	assert_string_equal(got, "Status: 104\r\n\r\nStatus: 200\r\n\r\nfinal");
}

/* A request of METHOD whose body does not come to its end. */
static int dial_slow(const char *method, const char *path, const char *length)
{
	struct bytes b = begin_as(1, method, path, length);
	int fd = dial();

	if (length == NULL)
		put_record(&b, 5, "", 0, 0);
	send_all(fd, b.v, b.n);
	free(b.v);
	return fd;
}

/* Requests are served at once.  A machine that has other things to do may hold up one or the other:
 * not all of them. */
static void serves_at_once(void)
{
	int64_t ms = 500;

	for (int i = 0; i < 20 && ms >= 500; i++) {
		int64_t start = clock_mono_ms();
		still_serves();
		ms = clock_mono_ms() - start;
	}
	assert_in_range(ms, 0, 499);
}

/* There are four threads, of which one waits for connections. */
static void test_transport_slow_answers_hold_up_nobody(void **state)
{
	static const char *const methods[] = {"GET", "HEAD", "POST"};
	int slow[5];

	(void)state;
	for (size_t m = 0; m < 3; m++) {
		for (size_t i = 0; i < 3; i++)
			slow[i] = dial_slow(methods[m], "/held", NULL);
		until_held(3);
		serves_at_once();
		release(3);
		for (size_t i = 0; i < 3; i++)
			expect_answer(slow[i], "freed");
	}
	/* With all four in requests the next one waits. */
	for (size_t i = 0; i < 4; i++)
		slow[i] = dial_slow("GET", "/held", NULL);
	until_held(4);
	slow[4] = dial_slow("GET", "/early", NULL);
	struct pollfd p = {.fd = slow[4], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 200), 0);
	release(4);
	for (size_t i = 0; i < 4; i++)
		expect_answer(slow[i], "freed");
	expect_answer(slow[4], "early");
}

static void test_transport_slow_bodies_hold_up_nobody(void **state)
{
	int slow[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		slow[i] = dial_slow("PUT", "/echo", "5");
	serves_at_once();
	for (size_t i = 0; i < 3; i++) {
		struct bytes b = {0};
		put_record(&b, 5, "later", 5, 0);
		put_record(&b, 5, "", 0, 0);
		send_all(slow[i], b.v, b.n);
		free(b.v);
		CLEAN_FREE char *got = answer(slow[i], NULL);
		assert_non_null(strstr(got, "later|0|"));
	}
}

static void test_transport_stops_when_idle(void **state)
{
	(void)state;
	assert_int_equal(kill(child, SIGTERM), 0);
	assert_int_equal(stop_within(STOPS_MS), 0);
	start();
	still_serves();
}

/* Told by SIGNAL while N requests are held, it answers them and ends. */
static void finishes_held(int signal, size_t n)
{
	int slow[4];

	for (size_t i = 0; i < n; i++)
		slow[i] = dial_slow("GET", "/held", NULL);
	until_held(n);
	assert_int_equal(kill(child, signal), 0);
	assert_int_equal(stop_within(200), -1);
	release(n);
	for (size_t i = 0; i < n; i++)
		expect_answer(slow[i], "freed");
	assert_int_equal(stop_within(STOPS_MS), 0);
	start();
	still_serves();
}

static void test_transport_finishes_what_it_began(void **state)
{
	(void)state;
	finishes_held(SIGTERM, 1);
	/* The thread whose turn it is among them, and the one that would be the next. */
	finishes_held(SIGUSR1, 4);
}

/* ---- plain CGI: environment, standard input and output */

static char *run_cgi(const char *path, const char *length, const char *body, size_t len)
{
	int in[2], out[2];
	struct bytes got = {0};
	unsigned char buf[4096];
	ssize_t n;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	pid_t pid = fork();
	if (pid == 0) {
		const struct config config = TEST_CONFIG;
		struct error error = {0};
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)close(in[1]);
		(void)close(out[0]);
		(void)clearenv();
		(void)setenv("REQUEST_METHOD", "PUT", 1);
		(void)setenv("PATH_INFO", path, 1);
		(void)setenv("HTTP_PROXY", "evil", 1);
		if (length != NULL)
			(void)setenv("CONTENT_LENGTH", length, 1);
		_exit(transport_serve(&config, handle, NULL, &error) == ERR_OK ? 0 : 1);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)!write(in[1], body, len);
	(void)close(in[1]);
	while ((n = read(out[0], buf, sizeof(buf))) > 0)
		put(&got, buf, (size_t)n);
	(void)close(out[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	put(&got, "", 1);
	return (char *)got.v;
}

static void test_transport_plain_cgi(void **state)
{
	CLEAN_FREE char *whole = run_cgi("/echo", "5", "hello", 5);
	CLEAN_FREE char *cut = run_cgi("/echo", "9", "hello", 5);
	CLEAN_FREE char *more = run_cgi("/echo", "2", "hello", 5);
	CLEAN_FREE char *none = run_cgi("/echo", NULL, "hello", 5);

	(void)state;
	assert_string_equal(whole, "Content-Type: text/plain\r\n\r\nhello|0||5");
	assert_string_equal(cut, "Content-Type: text/plain\r\n\r\nhello|0||5");
	assert_string_equal(more, "Content-Type: text/plain\r\n\r\nhe|0||2");
	assert_string_equal(none, "Content-Type: text/plain\r\n\r\n|0||0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_transport_serves_a_request),
	    cmocka_unit_test(test_transport_one_byte_at_a_time),
	    cmocka_unit_test(test_transport_cut_anywhere_into_two),
	    cmocka_unit_test(test_transport_large_bodies_are_intact),
	    cmocka_unit_test(test_transport_waits_no_longer_than_asked),
	    cmocka_unit_test(test_transport_end_before_the_length),
	    cmocka_unit_test(test_transport_bytes_past_the_length_stay),
	    cmocka_unit_test(test_transport_no_length_no_body),
	    cmocka_unit_test(test_transport_losses),
	    cmocka_unit_test(test_transport_skips_foreign_records),
	    cmocka_unit_test(test_transport_survives_nonsense),
	    cmocka_unit_test(test_transport_silent_peers_hold_no_thread_for_long),
	    cmocka_unit_test(test_transport_answers_before_the_body),
	    cmocka_unit_test(test_transport_large_answers_are_intact),
	    cmocka_unit_test(test_transport_client_leaves_early),
	    cmocka_unit_test(test_transport_interim_goes_out_at_once),
	    cmocka_unit_test(test_transport_slow_answers_hold_up_nobody),
	    cmocka_unit_test(test_transport_slow_bodies_hold_up_nobody),
	    cmocka_unit_test(test_transport_stops_when_idle),
	    cmocka_unit_test(test_transport_finishes_what_it_began),
	    cmocka_unit_test(test_transport_plain_cgi),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
