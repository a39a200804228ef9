#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define LINE_MAX_BYTES 4096   /* PIPE_BUF: up to here a line stays whole in a pipe of many */
#define ID_MAX_BYTES   100    /* of a request id, escaped */
#define TEXT_MAX_BYTES 3000   /* of the message before escaping */

/* The sink.  Set by log_open before there are threads; a reopen exchanges what FD means, not FD. */
static struct {
	char *program;
	char *path;   /* NULL: standard error */
	int fd;
} sink = {.fd = STDERR_FILENO};

void log_open(const char *program, const char *path)
{
	free(sink.program);
	free(sink.path);
	if (sink.fd != STDERR_FILENO)
		(void)close(sink.fd);
	sink.program = mem_strdup(program);
	sink.path = mem_strdup(path);
	sink.fd = STDERR_FILENO;
	if (path == NULL)
		return;
	sink.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (sink.fd < 0) {
		int saved = errno;

		sink.fd = STDERR_FILENO;
		free(sink.path);
		sink.path = NULL;
		log_line(LOG_LEVEL_ERROR, NULL, "cannot open the log file %s: %s", path,
		    strerrordesc_np(saved));
	}
}

void log_reopen(void)
{
	int fd;

	if (sink.path == NULL)
		return;
	fd = open(sink.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return;   /* the old file still takes lines */
	(void)dup3(fd, sink.fd, O_CLOEXEC);
	(void)close(fd);
}

/* logrotate has moved the file away, or somebody deleted it. */
static bool moved(void)
{
	struct stat here, there;

	if (sink.path == NULL || fstat(sink.fd, &here) != 0)
		return false;
	return stat(sink.path, &there) != 0 || here.st_ino != there.st_ino ||
	    here.st_dev != there.st_dev;
}

static bool is_plain(int32_t cp)
{
	return cp >= 0x20 && !(cp >= 0x7F && cp < 0xA0) && cp != 0x2028 && cp != 0x2029 &&
	    !(cp >= 0x202A && cp <= 0x202E) && !(cp >= 0x2066 && cp <= 0x2069);
}

/* Append S to LINE (AT bytes used), escaped; what goes over MAX is cut off with dots. */
static size_t escape(char *line, size_t at, size_t max, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = strlen(s);

	for (size_t i = 0; i < len;) {
		int32_t cp;
		size_t n = text_decode(s + i, len - i, &cp);

		if (at + 4 + 3 > max) {   /* one more character and the dots */
			memcpy(line + at, "...", 3);
			return at + 3;
		}
		if (n > 0 && is_plain(cp)) {
			memcpy(line + at, s + i, n);
			at += n;
			i += n;
			continue;
		}
		line[at++] = '\\';
		line[at++] = 'x';
		line[at++] = hex[(unsigned char)s[i] >> 4];
		line[at++] = hex[s[i] & 15];
		i++;
	}
	return at;
}

void log_line(enum log_level level, const char *request_id, const char *fmt, ...)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	int saved = errno;
	char text[TEXT_MAX_BYTES], when[32], head[128], line[LINE_MAX_BYTES];
	int64_t now = clock_now_ms();
	size_t at;
	ssize_t n;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clock_iso(now, when);
	when[strlen(when) - 1] = '\0';   /* the Z goes behind the milliseconds */
	(void)snprintf(head, sizeof(head), "%s.%03dZ %s %s[%ld] ", when, (int)(now % 1000),
	    levels[level], sink.program != NULL ? sink.program : "slipway", (long)getpid());
	at = escape(line, 0, sizeof(head), head);
	at = escape(line, at, at + ID_MAX_BYTES,
	    request_id != NULL && *request_id != '\0' ? request_id : "-");
	line[at++] = ' ';
	at = escape(line, at, sizeof(line) - 1, text);
	line[at++] = '\n';
	if (moved())
		log_reopen();
	do {
		n = write(sink.fd, line, at);
	} while (n < 0 && errno == EINTR);
	errno = saved;
}
