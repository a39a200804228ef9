/*
 * A tus client that is never the limit: raw sockets, one thread a connection, bodies from memory.
 * The same for every server it is pointed at.
 *
 *   tus_client small PORT COUNT BYTES CONNECTIONS [TOKEN]      creation with upload, COUNT files
 *   tus_client big   PORT BYTES CHUNK [TOKEN]                  one upload in CHUNK-byte PATCHes
 *   tus_client many  PORT COUNT BYTES CHUNK [TOKEN]            COUNT uploads at once, each on its
 *   own connection
 *
 * Prints "seconds S", "status N COUNT" of each status, and of each chunked upload "upload URL
 * SHA256" of what was sent ("-" for one that failed).  A 503 with Retry-After is obeyed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEAD 4096

struct answer {
	int status;
	char location[256];
	int64_t offset; /* Upload-Offset, -1 = none */
	int retry_s;	/* Retry-After, 0 = none */
	bool close;
};

static int port;
static char token_line[256] = "";
static long statuses[1000];
static long retried;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)port),
				.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int one = 1;

	for (int i = 0; i < 200; i++) {
		int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (s >= 0 && connect(s, (struct sockaddr *)&a, sizeof(a)) == 0) {
			setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			return s;
		}
		if (s >= 0)
			close(s);
		usleep(20000);
	}
	return -1;
}

static bool send_all(int s, const void *head, size_t n, const void *body, size_t m)
{
	struct iovec v[2] = {{(void *)(uintptr_t)head, n}, {(void *)(uintptr_t)body, m}};
	struct iovec *p = v;
	int left = m > 0 ? 2 : 1;

	while (left > 0) {
		struct msghdr msg = {.msg_iov = p, .msg_iovlen = (size_t)left};
		ssize_t w = sendmsg(s, &msg, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return false;
		while (left > 0 && (size_t)w >= p->iov_len) {
			w -= (ssize_t)p->iov_len;
			p++;
			left--;
		}
		if (left > 0) {
			p->iov_base = (char *)p->iov_base + w;
			p->iov_len -= (size_t)w;
		}
	}
	return true;
}

static const char *field(const char *head, const char *name)
{
	const char *at = strcasestr(head, name);

	return at == NULL ? NULL : at + strlen(name) + strspn(at + strlen(name), " ");
}

static bool read_answer(int s, struct answer *a)
{
	char buf[16384];
	size_t n = 0;
	char *end = NULL;
	const char *f;

	*a = (struct answer){.offset = -1};
	while (end == NULL) {
		ssize_t r = n < sizeof(buf) - 1 ? recv(s, buf + n, sizeof(buf) - 1 - n, 0) : -1;

		if (r <= 0)
			return false;
		n += (size_t)r;
		buf[n] = '\0';
		end = strstr(buf, "\r\n\r\n");
	}
	size_t body = n - (size_t)(end + 4 - buf);
	end[2] = '\0';
	a->status = atoi(buf + 9);
	if ((f = field(buf, "\nlocation:")) != NULL)
		(void)snprintf(a->location, sizeof(a->location), "%.*s", (int)strcspn(f, "\r"), f);
	if ((f = field(buf, "\nupload-offset:")) != NULL)
		a->offset = atoll(f);
	if ((f = field(buf, "\nretry-after:")) != NULL)
		a->retry_s = atoi(f);
	if ((f = field(buf, "\nconnection:")) != NULL)
		a->close = strncasecmp(f, "close", 5) == 0;
	size_t want = (f = field(buf, "\ncontent-length:")) != NULL ? (size_t)atoll(f) : 0;
	while (body < want) {
		ssize_t r = recv(s, buf, sizeof(buf), 0);

		if (r <= 0)
			return false;
		body += (size_t)r;
	}
	return true;
}

/* One request on *S, which is opened when it is not; again when the server had closed it before. */
static bool ask(int *s, const char *head, size_t n, const void *body, size_t m, struct answer *a)
{
	for (int i = 0; i < 3; i++) {
		bool fresh = *s < 0;

		if (fresh)
			*s = dial();
		if (*s < 0)
			return false;
		if (send_all(*s, head, n, body, m) && read_answer(*s, a)) {
			if (a->close) {
				close(*s);
				*s = -1;
			}
			__atomic_add_fetch(&statuses[a->status % 1000], 1, __ATOMIC_RELAXED);
			return true;
		}
		close(*s);
		*s = -1;
		if (fresh)
			return false;
	}
	return false;
}

/* The path of a Location that may be absolute. */
static const char *path_of(const char *location)
{
	const char *host = strstr(location, "://");

	return host == NULL ? location : strchr(host + 3, '/');
}

/* ---- creation with upload */

static long todo;
static size_t small_bytes;
static char *block;

static void *small_thread(void *arg)
{
	int s = -1;
	char head[HEAD];
	struct answer a;
	int n = snprintf(head, sizeof(head),
			 "POST /files/ HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: "
			 "1.0.0\r\nUpload-Length: %zu\r\n"
			 "Upload-Metadata: filename YS5jc3Y=\r\nContent-Type: "
			 "application/offset+octet-stream\r\n"
			 "Content-Length: %zu\r\n%s\r\n",
			 small_bytes, small_bytes, token_line);

	(void)arg;
	while (__atomic_sub_fetch(&todo, 1, __ATOMIC_RELAXED) >= 0)
		if (!ask(&s, head, (size_t)n, block, small_bytes, &a) || a.status != 201)
			fprintf(stderr, "creation: %d\n", a.status);
	if (s >= 0)
		close(s);
	return NULL;
}

/* ---- uploads in chunks */

struct job {
	uint64_t seed;
	size_t bytes, chunk;
	bool random; /* bytes from the generator instead of BLOCK */
	char url[256];
	char sum[65]; /* SHA-256 of what was acknowledged */
};

/* splitmix64: the bytes of upload SEED from OFFSET, both multiples of 8. */
static void generate(uint64_t seed, size_t offset, char *out, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t z =
		    seed * 0x2545F4914F6CDD1DULL + ((offset + i) / 8 + 1) * 0x9E3779B97F4A7C15ULL;

		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
		z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
		z ^= z >> 31;
		memcpy(out + i, &z, 8);
	}
}

/* True when the server asked to come again, which was done. */
static bool again(const struct answer *a)
{
	if (a->status != 503 || a->retry_s == 0)
		return false;
	__atomic_add_fetch(&retried, 1, __ATOMIC_RELAXED);
	sleep((unsigned)a->retry_s);
	return true;
}

static void *chunks_thread(void *arg)
{
	struct job *j = arg;
	int s = -1;
	char head[HEAD], *own = j->random ? malloc(j->chunk) : NULL;
	struct answer a = {0};
	EVP_MD_CTX *sum = j->random ? EVP_MD_CTX_new() : NULL;
	unsigned char out[32];

	if (sum != NULL && EVP_DigestInit(sum, EVP_sha256()) != 1)
		exit(1);
	int n = snprintf(head, sizeof(head),
			 "POST /files/ HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n"
			 "Upload-Length: %zu\r\nContent-Length: 0\r\n%s\r\n",
			 j->bytes, token_line);

	while (ask(&s, head, (size_t)n, NULL, 0, &a) && again(&a))
		;
	if (a.status != 201)
		fprintf(stderr, "creation: %d\n", a.status);
	(void)snprintf(j->url, sizeof(j->url), "%s", a.status == 201 ? path_of(a.location) : "");
	for (size_t at = 0; at < j->bytes && *j->url != '\0';) {
		size_t m = j->bytes - at < j->chunk ? j->bytes - at : j->chunk;

		if (own != NULL)
			generate(j->seed, at, own, m);
		n = snprintf(head, sizeof(head),
			     "PATCH %s HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: "
			     "1.0.0\r\nUpload-Offset: %zu\r\n"
			     "Content-Type: application/offset+octet-stream\r\nContent-Length: "
			     "%zu\r\n%s\r\n",
			     j->url, at, m, token_line);
		if (!ask(&s, head, (size_t)n, own != NULL ? own : block, m, &a))
			a.status = 0;
		if (a.status == 204 && a.offset == (int64_t)(at + m)) {
			at += m;
			if (sum != NULL)
				EVP_DigestUpdate(sum, own, m);
		} else if (!again(&a)) {
			fprintf(stderr, "PATCH at %zu: %d\n", at, a.status);
			*j->url = '\0';
		}
	}
	if (s >= 0)
		close(s);
	free(own);
	if (sum != NULL && EVP_DigestFinal(sum, out, NULL) == 1)
		for (size_t i = 0; i < sizeof(out); i++)
			(void)snprintf(j->sum + 2 * i, 3, "%02x", out[i]);
	EVP_MD_CTX_free(sum);
	return NULL;
}

static void run(size_t n, void *(*thread)(void *), struct job *jobs)
{
	pthread_t *t = calloc(n, sizeof(*t));
	pthread_attr_t attr;
	double start = now();

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	for (size_t i = 0; i < n; i++)
		if (pthread_create(&t[i], &attr, thread, jobs == NULL ? NULL : &jobs[i]) != 0)
			exit(1);
	for (size_t i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	printf("seconds %.4f\n", now() - start);
	free(t);
}

int main(int argc, char **argv)
{
	const char *what = argc > 4 ? argv[1] : "";
	bool small = strcmp(what, "small") == 0, big = strcmp(what, "big") == 0,
	     many = strcmp(what, "many") == 0;
	int last = big ? 5 : 6;

	if ((!small && !big && !many) || argc < last) {
		fprintf(stderr, "usage: tus_client small|big|many PORT …\n");
		return 2;
	}
	port = atoi(argv[2]);
	if (argc > last)
		(void)snprintf(token_line, sizeof(token_line), "Authorization: Bearer %s\r\n",
			       argv[last]);
	size_t chunk = (size_t)atoll(argv[big ? 4 : many ? 5 : 4]);
	block = malloc(chunk);
	generate(7, 0, block, chunk & ~(size_t)7);
	if (small) {
		todo = atol(argv[3]);
		small_bytes = chunk;
		run((size_t)atol(argv[5]), small_thread, NULL);
	} else {
		size_t n = big ? 1 : (size_t)atol(argv[3]);
		struct job *jobs = calloc(n, sizeof(*jobs));

		for (size_t i = 0; i < n; i++)
			jobs[i] = (struct job){.seed = i + 1,
					       .bytes = (size_t)atoll(argv[big ? 3 : 4]),
					       .chunk = chunk,
					       .random = many};
		run(n, chunks_thread, jobs);
		for (size_t i = 0; i < n; i++)
			printf("upload %s %s\n", *jobs[i].url != '\0' ? jobs[i].url : "-",
			       jobs[i].sum);
		free(jobs);
	}
	for (int i = 0; i < 1000; i++)
		if (statuses[i] > 0)
			printf("status %d %ld\n", i, statuses[i]);
	printf("retried %ld\n", retried);
	free(block);
	return 0;
}
