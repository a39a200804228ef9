/*
 * Goal: whatever comes over a FastCGI connection, the body that is read is the one that a plain
 * reading of the specification finds, however the bytes are cut on their way and however many are
 * asked for; a connection that breaks is told as lost, never as a body that is complete.
 * The first three bytes of the input say how it is cut, how much is read at once, and how long the
 * first piece is; the rest is the connection.  One that begins with "hex" is hexadecimal text
 * (hex.h), as the seeds are.
 */
#include "fuzz.h"
#include "hex.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/records.h"

#define ID	   1
#define INPUT_MOST 65536 /* what a socket takes at once */
#define STDIN	   5	 /* FCGI_STDIN */
#define ABORT	   2	 /* FCGI_ABORT_REQUEST */
#define HEAD	   8

struct body {
	uint8_t bytes[INPUT_MOST];
	size_t n;
	bool ended, lost;
};

/* One record after the other, from memory. */
static void plain(const uint8_t *p, size_t len, struct body *b)
{
	while (len >= HEAD && !b->ended && !b->lost) {
		size_t content = (size_t)p[4] << 8 | p[5], padding = p[6];
		bool ours = p[2] == 0 && p[3] == ID, stdin_record = ours && p[1] == STDIN;

		b->lost = p[0] != 1 || (ours && p[1] == ABORT);
		b->ended = !b->lost && stdin_record && content == 0;
		p += HEAD;
		len -= HEAD;
		if (b->lost || b->ended)
			return;
		content = content < len ? content : len;
		if (stdin_record) {
			memcpy(b->bytes + b->n, p, content);
			b->n += content;
		}
		p += content;
		len -= content;
		padding = padding < len ? padding : len;
		p += padding;
		len -= padding;
	}
	b->lost = !b->ended;
}

static void real(const uint8_t *p, size_t len, const uint8_t how[3], struct body *b)
{
	size_t piece = how[0] < 255 ? how[0] + 1u : INPUT_MOST,
	       room = how[1] < 128 ? how[1] + 1u : INPUT_MOST;
	struct records *r = mem_alloc(sizeof(*r));
	ssize_t n = -1;
	size_t sent = 0;
	int fd[2];

	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	records_init(r, fd[0], 0);
	while (n > 0 || n == -1) {
		if (n == -1) {
			/*
			 * Nothing is there: the next piece, the first of which has the length asked
			 * for.
			 */
			size_t some = sent == 0 ? how[2] + 1u : piece;

			some = some < len - sent ? some : len - sent;
			fuzz_check(sent == len || write(fd[1], p + sent, some) == (ssize_t)some);
			if (some == 0)
				(void)shutdown(fd[1], SHUT_WR);
			sent += some;
		}
		/* Just as many bytes as may be written, so that one more shows. */
		uint8_t *to = mem_alloc(room);

		n = records_body(r, ID, to, room, 0);
		fuzz_check(n <= (ssize_t)room && (n <= 0 || b->n + (size_t)n <= INPUT_MOST));
		if (n > 0) {
			memcpy(b->bytes + b->n, to, (size_t)n);
			b->n += (size_t)n;
		}
		free(to);
	}
	b->ended = n == 0;
	b->lost = n == -2;
	(void)close(fd[0]);
	(void)close(fd[1]);
	free(r);
}

/* What libfcgi is given is the connection, byte for byte, as far as there are whole heads. */
static void check_raw(const uint8_t *p, size_t len, size_t room)
{
	struct records *r = mem_alloc(sizeof(*r));
	uint8_t *to = mem_alloc(room);
	size_t at = 0;
	ssize_t n;
	int fd[2];

	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	fuzz_check(write(fd[1], p, len) == (ssize_t)len && shutdown(fd[1], SHUT_WR) == 0);
	records_init(r, fd[0], 0);
	while ((n = records_raw(r, to, room)) > 0) {
		fuzz_check((size_t)n <= room && (size_t)n <= len - at &&
			   memcmp(to, p + at, (size_t)n) == 0);
		at += (size_t)n;
	}
	fuzz_check(n == 0);
	(void)close(fd[0]);
	(void)close(fd[1]);
	free(to);
	free(r);
}

static void check(const uint8_t *input, size_t size)
{
	static struct body want, got;

	if (size < 3 || size - 3 > INPUT_MOST)
		return;
	want.n = got.n = 0;
	want.ended = want.lost = got.ended = got.lost = false;
	plain(input + 3, size - 3, &want);
	real(input + 3, size - 3, input, &got);
	fuzz_check(want.ended == got.ended && want.lost == got.lost);
	fuzz_check(want.n == got.n && memcmp(want.bytes, got.bytes, got.n) == 0);
	if (size > 3)
		check_raw(input + 3, size - 3, input[1] + 1u);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint8_t *bytes = mem_alloc(size + 1);
	size_t n = size;

	if (size > 3 && memcmp(input, "hex", 3) == 0)
		n = from_hex(input + 3, size - 3, bytes);
	else if (size > 0)
		memcpy(bytes, input, size);
	check(bytes, n);
	free(bytes);
	return 0;
}
