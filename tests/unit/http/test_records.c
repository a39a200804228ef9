/* Bodies out of FastCGI records of every shape, in every rhythm: what comes out is what went in. */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "helper.h"
#include "http/records.h"

#define STREAM_MOST (4u << 20)
#define READ_MOST   (256u << 10)

/* What a web server sends, and the body in it. */
struct stream {
	unsigned seed;
	unsigned char *bytes, *body;
	size_t n, n_body;
	int fd; /* to send it on */
};

static unsigned next(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % below;
}

static void put(struct stream *s, unsigned type, unsigned id, size_t n, size_t pad)
{
	unsigned char *p = s->bytes + s->n;
	const unsigned char head[8] = {1,
				       (unsigned char)type,
				       (unsigned char)(id >> 8),
				       (unsigned char)id,
				       (unsigned char)(n >> 8),
				       (unsigned char)n,
				       (unsigned char)pad,
				       0};

	memcpy(p, head, sizeof(head));
	for (size_t i = 0; i < n + pad; i++)
		p[8 + i] = (unsigned char)next(&s->seed, 256);
	if (type == 5 && id == 1) {
		memcpy(s->body + s->n_body, p + 8, n);
		s->n_body += n;
	}
	s->n += 8 + n + pad;
}

/* Records of one size and padding, as servers make them; now and then another, or a stranger's. */
static void make(struct stream *s, unsigned seed, size_t size)
{
	size_t pad;

	s->seed = seed;
	s->n = s->n_body = 0;
	pad = next(&s->seed, 3) == 0 ? next(&s->seed, 256) : next(&s->seed, 8);
	for (unsigned i = 0; i < 200 && s->n < STREAM_MOST - 3 * 66000; i++) {
		switch (next(&s->seed, 12)) {
		case 0:
			put(s, 5, 1, 1 + next(&s->seed, 65535), pad);
			break;
		case 1:
			put(s, 5, 1, 1 + next(&s->seed, 20), next(&s->seed, 256));
			break;
		case 2:
			put(s, next(&s->seed, 2) == 0 ? 5 : 8, 2, next(&s->seed, 40000),
			    next(&s->seed, 9));
			break;
		case 3:
			put(s, 5, 1, size, next(&s->seed, 8));
			break;
		default:
			put(s, 5, 1, size, pad);
		}
	}
	put(s, 5, 1, 0, pad);
}

static void *send_stream(void *arg)
{
	struct stream *s = arg;
	unsigned seed = s->seed;

	for (size_t at = 0; at < s->n;) {
		size_t n = next(&seed, 4) == 0 ? 1 + next(&seed, 20) : 1 + next(&seed, 300000);
		ssize_t w = send(s->fd, s->bytes + at, n < s->n - at ? n : s->n - at, MSG_NOSIGNAL);
		if (w <= 0)
			break;
		at += (size_t)w;
	}
	(void)shutdown(s->fd, SHUT_WR);
	return NULL;
}

static void read_stream(struct stream *s, unsigned seed)
{
	CLEAN_FREE struct records *r = mem_alloc(sizeof(*r));
	CLEAN_FREE unsigned char *got = mem_alloc(READ_MOST);
	pthread_t sender;
	size_t at = 0;
	ssize_t n;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	s->fd = fds[0];
	records_init(r, fds[1], 1000);
	if (seed % 3 == 0)
		records_settle(r);
	assert_int_equal(pthread_create(&sender, NULL, send_stream, s), 0);
	for (;;) {
		size_t size =
		    next(&seed, 5) == 0 ? 1 + next(&seed, 30) : 1 + next(&seed, READ_MOST);
		/* Of its own size, so that a checker sees what is written behind it. */
		unsigned char *end = got + READ_MOST - size;
		n = records_body(r, 1, end, size, 2000);
		if (n <= 0)
			break;
		assert_true((size_t)n <= size && at + (size_t)n <= s->n_body);
		assert_memory_equal(end, s->body + at, (size_t)n);
		at += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, s->n_body);
	(void)close(fds[1]);
	(void)pthread_join(sender, NULL);
	(void)close(fds[0]);
}

static void test_records_of_every_shape(void **state)
{
	static const size_t sizes[] = {3, 500, 8184, 8192, 16384, 32768, 65528, 65535};
	struct stream s = {.bytes = mem_alloc(STREAM_MOST), .body = mem_alloc(STREAM_MOST)};

	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		make(&s, seed, sizes[seed % 8]);
		read_stream(&s, seed);
	}
	free(s.bytes);
	free(s.body);
}

/* An abort or a foreign version behind expected records is seen, and the bytes before it are not
 * lost. */
static void test_records_end_badly(void **state)
{
	CLEAN_FREE struct records *r = mem_alloc(sizeof(*r));
	CLEAN_FREE unsigned char *got = mem_alloc(READ_MOST);
	struct stream s = {.bytes = mem_alloc(STREAM_MOST), .body = mem_alloc(STREAM_MOST)};

	(void)state;
	for (int abort = 0; abort < 2; abort++) {
		int fds[2];
		size_t at = 0;
		ssize_t n;
		s.n = s.n_body = 0;
		for (int i = 0; i < 6; i++)
			put(&s, 5, 1, 8192, 0);
		put(&s, 2, 1, 0, 0);
		if (!abort)
			s.bytes[s.n - 8] = 'H';
		put(&s, 5, 1, 8192, 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		assert_int_equal(write(fds[0], s.bytes, s.n), s.n);
		records_init(r, fds[1], 1000);
		while ((n = records_body(r, 1, got + at, READ_MOST - at, 100)) > 0)
			at += (size_t)n;
		assert_int_equal(n, -2);
		assert_int_equal(at, 6 * 8192);
		assert_memory_equal(got, s.body, at);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
	free(s.bytes);
	free(s.body);
}

/* The processors a thread of its own may use after it has begun to read from this process. */
static void *settle(void *arg)
{
	cpu_set_t *cpus = arg;
	CLEAN_FREE struct records *r = mem_alloc(sizeof(*r));
	int fds[2];

	assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof(*cpus), cpus), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	records_init(r, fds[0], 1000);
	records_settle(r);
	assert_int_equal(sched_getaffinity(0, sizeof(*cpus), cpus), 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return NULL;
}

/* Who only reads goes where the sender is bound, and stays where it may be if it is not. */
static void test_records_settle(void **state)
{
	cpu_set_t all, one, now;
	pthread_t reader;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	now = all;
	assert_int_equal(pthread_create(&reader, NULL, settle, &now), 0);
	(void)pthread_join(reader, NULL);
	assert_true(CPU_EQUAL(&now, &all));
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		now = all;
		assert_int_equal(pthread_create(&reader, NULL, settle, &now), 0);
		(void)pthread_join(reader, NULL);
		assert_true(CPU_EQUAL(&now, &one));
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_records_of_every_shape),
	    cmocka_unit_test(test_records_end_badly),
	    cmocka_unit_test(test_records_settle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
