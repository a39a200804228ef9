#include "base/log.h"

#include <ctype.h>
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

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: up to here a line stays whole in a pipe of many */
#define ID_MAX_BYTES   100  /* of a request id, escaped */
#define TEXT_MAX_BYTES 3000 /* of the message before escaping */
#define JSON_MAX_BYTES 1500 /* of one text in JSON, before its own escapes: they may double it */
#define SECRET_DIGITS  32   /* so many hexadecimal digits are an upload's id, a login, a token */
#define SHOWN_DIGITS   8    /* of which these are told */

/* The sink.  Set by log_open before there are threads; a reopen exchanges what FD means, not FD. */
static struct {
	char *program;
	char *path; /* NULL: standard error */
	int fd;
	bool json; /* an object a line */
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

void log_json(bool on)
{
	sink.json = on;
}

static void log_reopen(void)
{
	int fd;

	if (sink.path == NULL)
		return;
	fd = open(sink.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return; /* the old file still takes lines */
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

/* A line in the making. */
struct line {
	size_t n;
	char bytes[LINE_MAX_BYTES];
};

static void add(struct line *l, const char *bytes, size_t n)
{
	if (l->n + n <= sizeof(l->bytes)) {
		memcpy(l->bytes + l->n, bytes, n);
		l->n += n;
	}
}

/* The beginning of S that is no secret and needs no escape: letters beyond F, blanks, marks. */
static size_t harmless(const char *s)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7F && !isxdigit((unsigned char)s[n]))
		n++;
	return n;
}

static size_t hex_digits(const char *s)
{
	size_t n = 0;

	while (isxdigit((unsigned char)s[n]))
		n++;
	return n;
}

static void add_byte_escape(struct line *l, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	const char text[4] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};

	add(l, text, sizeof(text));
}

/*
 * Append S, escaped; what would make LINE longer than MAX is cut off with dots.  Ids that open
 * something are cut unless WHOLE.
 */
static void add_escaped(struct line *l, size_t max, const char *s, bool whole)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len;) {
		size_t digits = hex_digits(s + i), plain = harmless(s + i), n;
		int32_t cp;

		if (l->n + SECRET_DIGITS + 3 > max) { /* the next digits or escape, and the dots */
			add(l, "...", 3);
			return;
		}
		if (plain > 0) {
			plain = plain < SECRET_DIGITS ? plain : SECRET_DIGITS;
			add(l, s + i, plain);
			i += plain;
			continue;
		}
		n = text_decode(s + i, len - i, &cp);
		if (digits >= SECRET_DIGITS && !whole) {
			add(l, s + i, SHOWN_DIGITS);
			i += digits;
		} else if (digits > 0 && digits < SECRET_DIGITS) {
			add(l, s + i, digits);
			i += digits;
		} else if (n > 0 && is_plain(cp)) {
			add(l, s + i, n);
			i += n;
		} else {
			add_byte_escape(l, (unsigned char)s[i++]);
		}
	}
}

/*
 * "NAME":"VALUE", at most MAX bytes escaped as in plain lines, then as JSON: no byte a parser or a
 * terminal could take amiss.
 */
static void add_json(struct line *l, const char *name, size_t max, const char *value, bool whole)
{
	struct line plain = {0};

	add_escaped(&plain, max, value, whole);
	add(l, l->n == 0 ? "{\"" : ",\"", 2);
	add(l, name, strlen(name));
	add(l, "\":\"", 3);
	for (size_t i = 0; i < plain.n; i++) {
		if (plain.bytes[i] == '"' || plain.bytes[i] == '\\')
			add(l, "\\", 1);
		add(l, plain.bytes + i, 1);
	}
	add(l, "\"", 1);
}

static void add_json_number(struct line *l, const char *name, int64_t value)
{
	char text[64];
	int n = snprintf(text, sizeof(text), ",\"%s\":%lld", name, (long long)value);

	add(l, text, (size_t)n);
}

static const char *const levels[] = {"debug", "info", "warn", "error"};

static const char *program_name(void)
{
	return sink.program != NULL ? sink.program : "slipway";
}

/* When, how bad, who, for which request: what all lines begin with. */
static void begin(struct line *l, enum log_level level, const char *id)
{
	char when[32], head[128];

	clock_iso_ms(clock_now_ms(), when);
	l->n = 0;
	if (sink.json) {
		add_json(l, "time", ID_MAX_BYTES, when, true);
		add_json(l, "level", ID_MAX_BYTES, levels[level], true);
		add_json(l, "program", ID_MAX_BYTES, program_name(), true);
		add_json_number(l, "pid", getpid());
		if (id != NULL && *id != '\0')
			add_json(l, "request", ID_MAX_BYTES, id, true);
		return;
	}
	(void)snprintf(head, sizeof(head), "%s %s %s[%ld] ", when, levels[level], program_name(),
		       (long)getpid());
	add_escaped(l, sizeof(head) + SECRET_DIGITS, head, true);
	add_escaped(l, l->n + ID_MAX_BYTES, id != NULL && *id != '\0' ? id : "-", true);
	add(l, " ", 1);
}

static void end(struct line *l)
{
	ssize_t n;

	if (sink.json)
		add(l, "}", 1);
	add(l, "\n", 1);
	if (moved())
		log_reopen();
	do {
		n = write(sink.fd, l->bytes, l->n);
	} while (n < 0 && errno == EINTR);
}

void log_line(enum log_level level, const char *request_id, const char *fmt, ...)
{
	int saved = errno;
	char text[TEXT_MAX_BYTES];
	struct line l;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	begin(&l, level, request_id);
	if (sink.json)
		add_json(&l, "text", JSON_MAX_BYTES, text, false);
	else
		add_escaped(&l, sizeof(l.bytes) - 1, text, false);
	end(&l);
	errno = saved;
}

void log_request(const struct log_request *r)
{
	int saved = errno;
	char figures[128];
	struct line l;

	begin(&l, LOG_LEVEL_INFO, r->id);
	if (sink.json) {
		add_json(&l, "method", ID_MAX_BYTES, r->method, false);
		add_json(&l, "path", JSON_MAX_BYTES, r->path, false);
		add_json_number(&l, "status", r->status);
		add_json_number(&l, "ms", r->ms);
		add_json_number(&l, "bytes_in", r->bytes_in);
	} else {
		(void)snprintf(figures, sizeof(figures), " %d %lld ms %lld bytes in", r->status,
			       (long long)r->ms, (long long)r->bytes_in);
		add_escaped(&l, l.n + ID_MAX_BYTES, r->method, false);
		add(&l, " ", 1);
		add_escaped(&l, sizeof(l.bytes) - sizeof(figures), r->path, false);
		add(&l, figures, strlen(figures));
	}
	end(&l);
	errno = saved;
}
