#include "http/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <fcgiapp.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/records.h"
#include "http/turns.h"
#include "http/wire.h"

#define LISTEN_FD   0	   /* FCGI_LISTENSOCK_FILENO */
#define RESPONDER   1	   /* FCGI_RESPONDER */
#define RECORD_MOST 65528U /* longest content of a record that needs no padding */
/* Shorter writes go through libfcgi's buffer of 8 KiB, in one packet with the end. */
#define PUT_MOST       7680U
#define THREAD_STACK   ((size_t)1 << 20)
#define LINGER_IDLE_MS 2000 /* as libfcgi: wait for the server to take the answer and close */
#define LINGER_MS      30000
/* A process killed when it was woken leaves its connection to whoever looks by himself. */
#define LOOK_MS 5000
/* A body for whose next SLOW_BYTES its thread waits longer is slow. */
#define SLOW_BYTES 2048
#define SLOW_MS	   3000
/* An answer of which the server takes nothing for so long is stuck; looked at each SEND_MS. */
#define STUCK_MS 5000
#define SEND_MS	 1000
/* What waits for its peer looks this often whether others need its thread more. */
#define STEP_MS 250
/* For so long after one has given way the others have an eighth of that time. */
#define PRESSED_MS 10000

struct server {
	const struct config *config;
	wire_fn *handle;
	void *arg;
	struct turns *turns;
	atomic_int threads;
	atomic_int serving;	     /* of them, a connection each */
	_Atomic int64_t gave_way_ms; /* when a slow one last did, 0 = never */
};

/*
 * Set by the signal handler, on whatever thread it runs; the eventfd wakes those that wait.
 * Lock-free atomics are what both a handler and other threads may use.
 */
_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "atomics serve in a signal handler");
static atomic_bool finishing; /* no more connections */
static atomic_bool stopping;  /* and those that are there hurry */
static int stop_fd = -1;

void transport_finish(void)
{
	int saved = errno;
	uint64_t one = 1;

	atomic_store(&finishing, true);
	if (stop_fd >= 0 && write(stop_fd, &one, sizeof(one)) < 0) {
		/* The counter is full: it is readable anyway. */
	}
	errno = saved;
}

void transport_stop(void)
{
	atomic_store(&stopping, true);
	transport_finish();
}

bool transport_stopping(void)
{
	return atomic_load(&stopping);
}

static void on_signal(int signal)
{
	if (signal == SIGTERM || signal == SIGINT)
		transport_stop();
	else
		transport_finish();
}

/* A program that stops more than us has its own handlers, which call transport_stop. */
static void set_signals(void)
{
	static const int stops[] = {SIGTERM, SIGINT, SIGUSR1 /* libfcgi's word for "finish" */,
				    SIGHUP};
	struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, now;

	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		if (sigaction(stops[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			sigaction(stops[i], &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

/* ---- FastCGI: libfcgi makes the request, this file moves the bytes */

struct fastcgi {
	struct wire wire;
	FCGX_Request request;
	struct records records;
	struct server *server;
	struct turn *turn;	/* of the thread */
	int64_t slow_bytes;	/* of the body: fewer than SLOW_BYTES have come … */
	int64_t slow_waited_ms; /* … while the thread waited so long */
};

/* The connection libfcgi reads from on this thread. */
static _Thread_local struct records *reading;

/*
 * libfcgi's own reading function, replaced: the program's definition wins over the library's.  It
 * would read 8 KiB ahead into a buffer nobody else can see; this one stops at record ends.
 */
int OS_Read(int fd, char *buf, size_t len);
int OS_Read(int fd, char *buf, size_t len)
{
	if (reading != NULL && reading->fd == fd)
		return (int)records_raw(reading, buf, len);
	return (int)read(fd, buf, len);
}

/* Has this process no thread left, and does somebody stand at the door? */
static bool crowded(const struct server *s)
{
	struct pollfd door = {.fd = LISTEN_FD, .events = POLLIN};

	return atomic_load(&s->serving) >= atomic_load(&s->threads) && poll(&door, 1, 0) > 0;
}

/*
 * Must who is slow since MS, of MOST that are his, make room for others?  Where many are slow, one
 * round after the other would have all threads for so long: then they get less.
 */
static bool must_give_way(struct server *s, int64_t ms, int64_t most)
{
	int64_t last = atomic_load(&s->gave_way_ms);

	if (last != 0 && clock_mono_ms() - last < PRESSED_MS)
		most /= 8;
	if (ms < most || !crowded(s))
		return false;
	atomic_store(&s->gave_way_ms, clock_mono_ms());
	return true;
}

/*
 * Who sends a body slowly has a thread for it as long as nobody else needs one; else a few of them
 * would keep all others out.
 */
static ssize_t fastcgi_read(struct wire *w, void *buf, size_t size, int wait_ms)
{
	struct fastcgi *f = w->source;
	ssize_t n;

	do {
		int64_t begun = clock_mono_ms();
		if (f->slow_waited_ms > 0 && must_give_way(f->server, f->slow_waited_ms, SLOW_MS)) {
			w->crowded_out = true;
			return -2;
		}
		int step = wait_ms < STEP_MS ? wait_ms : STEP_MS;
		n = records_body(&f->records, (unsigned)f->request.requestId, buf, size, step);
		f->slow_waited_ms += clock_mono_ms() - begun;
		wait_ms -= step;
	} while (n == -1 && wait_ms > 0);
	f->slow_bytes += n > 0 ? n : 0;
	if (f->slow_bytes >= SLOW_BYTES)
		f->slow_bytes = f->slow_waited_ms = 0;
	return n;
}

static void send_timeout(int fd, int64_t ms)
{
	struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/*
 * Apache, for one, reads no more of an answer than its client takes.  Who takes nothing has a
 * thread as long as nobody else needs one, as who sends slowly.
 */
static bool may_be_stuck(const struct fastcgi *f, int64_t ms)
{
	return f != NULL && ms < f->server->config->upload_body_idle_s * 1000 &&
	       !must_give_way(f->server, ms, STUCK_MS);
}

/* F: the connection, whose writes end after SEND_MS; NULL: plain CGI. */
static bool write_all(const struct fastcgi *f, int fd, struct iovec *iov, int n_iov)
{
	int64_t stuck_ms = 0;

	while (n_iov > 0) {
		ssize_t n = writev(fd, iov, n_iov);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			stuck_ms += SEND_MS;
			if (may_be_stuck(f, stuck_ms))
				continue;
		}
		if (n <= 0)
			return false;
		stuck_ms = 0;
		while (n_iov > 0 && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			n_iov--;
		}
		if (n_iov > 0) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return true;
}

/* Big pieces bypass libfcgi's 8 KiB buffer: one record each, written from where the bytes are. */
static bool write_records(struct fastcgi *f, const void *p, size_t n)
{
	static const char zeros[8];

	for (size_t at = 0; at < n;) {
		size_t len = n - at < RECORD_MOST ? n - at : RECORD_MOST;
		size_t pad = (8 - len % 8) % 8;
		unsigned id = (unsigned)f->request.requestId;
		unsigned char head[8] = {1,
					 6 /* FCGI_STDOUT */,
					 (unsigned char)(id >> 8),
					 (unsigned char)id,
					 (unsigned char)(len >> 8),
					 (unsigned char)len,
					 (unsigned char)pad,
					 0};
		struct iovec iov[3] = {
		    {head, sizeof(head)}, {(char *)p + at, len}, {(char *)zeros, pad}};
		if (!write_all(f, f->request.ipcFd, iov, pad > 0 ? 3 : 2))
			return false;
		at += len;
	}
	return true;
}

static bool fastcgi_write(struct wire *w, const void *p, size_t n)
{
	struct fastcgi *f = w->source;
	bool good;

	if (n <= PUT_MOST)
		return FCGX_PutStr(p, (int)n, f->request.out) == (int)n;
	if (FCGX_FFlush(f->request.out) != 0)
		return false;
	send_timeout(f->request.ipcFd, SEND_MS);
	good = write_records(f, p, n);
	/* What libfcgi still writes into a full socket would wait as long once more. */
	send_timeout(f->request.ipcFd,
		     good ? f->server->config->upload_body_idle_s * 1000 : SEND_MS);
	return good;
}

static bool fastcgi_flush(struct wire *w)
{
	struct fastcgi *f = w->source;

	return FCGX_FFlush(f->request.out) == 0;
}

static void fastcgi_settle(struct wire *w)
{
	struct fastcgi *f = w->source;

	records_settle(&f->records);
}

static const struct wire_kind fastcgi_kind = {fastcgi_read, fastcgi_write, fastcgi_flush,
					      fastcgi_settle};

/* Take what the server still sends, so that closing does not destroy the answer on its way. */
static void linger(struct fastcgi *f)
{
	char trash[16384];
	unsigned id = (unsigned)f->request.requestId;
	int64_t until = clock_mono_ms() + LINGER_MS;
	ssize_t n;

	do
		n = records_body(&f->records, id, trash, sizeof(trash), 0);
	while (n > 0 && clock_mono_ms() < until);
	if (n == 0 || n == -2 || shutdown(f->request.ipcFd, SHUT_WR) != 0)
		return;
	for (int idle_ms = 0; idle_ms < LINGER_IDLE_MS && clock_mono_ms() < until;) {
		if (transport_stopping() || (idle_ms > 0 && crowded(f->server)))
			return;
		n = records_body(&f->records, id, trash, sizeof(trash), STEP_MS);
		if (n == 0 || n == -2)
			return;
		idle_ms = n > 0 ? 0 : idle_ms + STEP_MS;
	}
}

/* Is it answered from what is there?  Others wait for their bodies, and for the disk. */
static bool only_reads(struct wire *w)
{
	const char *method = wire_env(w, "REQUEST_METHOD");

	return w->length == 0 && method != NULL &&
	       (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
}

/* One connection is one request: keeping connections would tie a thread to each. */
static void serve_connection(struct server *s, struct fastcgi *f, int fd)
{
	send_timeout(fd, s->config->upload_body_idle_s * 1000);
	records_init(&f->records, fd, (int)(s->config->upload_body_idle_s * 1000));
	/*
	 * With a connection already in place libfcgi does not accept.  Should it refuse what comes
	 * over it, it closes it and turns to the listening socket, which is none: it returns.
	 */
	FCGX_InitRequest(&f->request, -1, 0);
	f->slow_bytes = f->slow_waited_ms = 0;
	f->request.ipcFd = fd;
	f->request.keepConnection = 1;
	reading = &f->records;
	int rc = FCGX_Accept_r(&f->request);
	reading = NULL;
	if (rc < 0)
		return;
	f->request.keepConnection = 0;
	if (f->records.type == 0) {
		/* A libfcgi that binds its own OS_Read keeps body bytes where we cannot see them.
		 */
		log_line(LOG_LEVEL_ERROR, NULL,
			 "this libfcgi does not read through OS_Read: stopping");
		transport_stop();
	} else if (f->request.role == RESPONDER) {
		wire_init(&f->wire, &fastcgi_kind, (const char *const *)f->request.envp, f);
		if (!only_reads(&f->wire))
			turns_pass_on(f->turn);
		s->handle(&f->wire, s->arg);
	}
	(void)FCGX_FClose(f->request.err);
	(void)FCGX_FClose(f->request.out);
	linger(f);
	f->request.detached = 1; /* close at once: the lingering is done */
	FCGX_Finish_r(&f->request);
}

/*
 * What a thread waits with: for connections, each of which wakes one thread of all processes, and
 * for the end, which wakes every one.  -1: it cannot be had.
 */
static int listener_open(void)
{
	struct epoll_event connection = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	struct epoll_event stop = {.events = EPOLLIN};
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd >= 0 && (epoll_ctl(fd, EPOLL_CTL_ADD, LISTEN_FD, &connection) != 0 ||
			epoll_ctl(fd, EPOLL_CTL_ADD, stop_fd, &stop) != 0)) {
		(void)close(fd);
		fd = -1;
	}
	if (fd < 0)
		log_line(LOG_LEVEL_ERROR, NULL, "wait for connections: %s", strerror(errno));
	return fd;
}

/* The next connection, -1 when finishing.  The listening socket is shared with other processes:
 * never shut down. */
static int next_connection(int listener)
{
	bool told = false;

	while (!atomic_load(&finishing)) {
		struct epoll_event e;
		int fd = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			if (!told)
				log_line(LOG_LEVEL_ERROR, NULL, "accept: %s", strerror(errno));
			told = true;
			clock_sleep_ms(100);
		} else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
			log_line(LOG_LEVEL_ERROR, NULL, "accept: %s: stopping", strerror(errno));
			transport_stop();
		} else if (epoll_wait(listener, &e, 1, LOOK_MS) < 0 && errno != EINTR) {
			break;
		}
	}
	return -1;
}

static void *serve_thread(void *arg)
{
	struct server *s = arg;
	struct fastcgi *f = mem_alloc(sizeof(*f));
	int listener = listener_open(), fd;

	f->server = s;
	(void)atomic_fetch_add(&s->threads, 1);
	f->turn = turns_join(s->turns);
	for (;;) {
		turns_take(f->turn);
		fd = listener >= 0 ? next_connection(listener) : -1;
		if (fd < 0)
			break;
		turns_begin(f->turn);
		(void)atomic_fetch_add(&s->serving, 1);
		serve_connection(s, f, fd);
		(void)atomic_fetch_sub(&s->serving, 1);
	}
	turns_pass_on(f->turn);
	if (listener >= 0)
		(void)close(listener);
	free(f);
	return NULL;
}

/*
 * glibc would give each thread an arena of its own and keep what big requests freed.  With two of
 * them threads wait for each other at every few requests.
 */
static void keep_memory_small(void)
{
	mallopt(M_ARENA_MAX, 8);
	/* Freed pieces are joined one by one; else each larger request joins all of them first. */
	mallopt(M_MXFAST, 0);
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

/* Of slipway serve's processes each has its share of the processors; who else starts some does not
 * say how many. */
static size_t turns_at_once(const struct config *c)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	long processes = getenv("SLIPWAY_SUPERVISED") != NULL ? (long)c->processes : 1;

	return processors > processes ? (size_t)((processors + processes - 1) / processes) : 1;
}

static enum err serve_fastcgi(struct server *s, struct error *error)
{
	size_t n = s->config->threads > 1 ? (size_t)s->config->threads - 1 : 0, made = 0;
	pthread_attr_t attr;
	pthread_t *threads;
	int flags = fcntl(LISTEN_FD, F_GETFL);

	/* Several processes wake for one connection; those that come late must not block in accept.
	 */
	if (flags < 0 || fcntl(LISTEN_FD, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_errno(error, ERR_IO, "listening socket");
	log_line(LOG_LEVEL_INFO, NULL, "server.interim = %s",
		 s->config->interim ? "yes: answers with 104, which only lighttpd passes on"
				    : "no");
	keep_memory_small();
	s->turns = turns_new(n + 1, turns_at_once(s->config));
	threads = mem_array(n + 1, sizeof(*threads));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	while (made < n && pthread_create(&threads[made], &attr, serve_thread, s) == 0)
		made++;
	pthread_attr_destroy(&attr);
	if (made < n)
		log_line(LOG_LEVEL_WARN, NULL, "only %zu of %zu threads could be made", made + 1,
			 n + 1);
	serve_thread(s);
	for (size_t i = 0; i < made; i++)
		pthread_join(threads[i], NULL);
	turns_free(s->turns);
	free(threads);
	return ERR_OK;
}

/* ---- plain CGI: standard input and output */

static ssize_t cgi_read(struct wire *w, void *buf, size_t size, int wait_ms)
{
	(void)w;
	if (!records_wait(STDIN_FILENO, wait_ms))
		return -1;
	ssize_t n = read(STDIN_FILENO, buf, size);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? -1 : -2;
	return n;
}

static bool cgi_write(struct wire *w, const void *p, size_t n)
{
	struct iovec iov = {(void *)p, n};

	(void)w;
	return write_all(NULL, STDOUT_FILENO, &iov, 1);
}

static const struct wire_kind cgi_kind = {cgi_read, cgi_write, NULL, NULL};

enum err transport_serve(const struct config *config, wire_fn *handle, void *arg,
			 struct error *error)
{
	struct server s = {.config = config, .handle = handle, .arg = arg};

	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0)
		return error_errno(error, ERR_IO, "eventfd");
	set_signals();
	if (FCGX_IsCGI()) {
		struct wire w;
		wire_init(&w, &cgi_kind, (const char *const *)environ, NULL);
		w.cgi = true;
		handle(&w, arg);
		return ERR_OK;
	}
	return serve_fastcgi(&s, error);
}

bool transport_is_cgi(void)
{
	return FCGX_IsCGI() != 0;
}
