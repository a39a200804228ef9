#include "http/wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* ---- what all wires have in common */

static const char *env_value(const char *const *env, const char *name)
{
	/* Of repeated variables the first counts, as in libfcgi. */
	for (; *env != NULL; env++) {
		const char *at = *env, *want = name;

		while (*want != '\0' && *at == *want) {
			at++;
			want++;
		}
		if (*want == '\0' && *at == '=')
			return at + 1;
	}
	return NULL;
}

/* The declared length of the body: without a length only a chunked marker promises one. */
static int64_t body_length(const char *const *env)
{
	const char *s = env_value(env, "CONTENT_LENGTH");
	const char *chunked = env_value(env, "HTTP_TRANSFER_ENCODING");
	int64_t n;

	if (s != NULL && *s != '\0')
		return text_int(s, 0, INT64_MAX, &n) ? n : 0;
	return chunked != NULL && strcasestr(chunked, "chunked") != NULL ? -1 : 0;
}

void wire_init(struct wire *w, const struct wire_kind *kind, const char *const *env, void *source)
{
	*w = (struct wire){.kind = kind, .env = env, .source = source, .length = body_length(env)};
}

const char *wire_env(struct wire *w, const char *name)
{
	/* HTTP_PROXY is a client's "Proxy:" header that many libraries take for a setting. */
	return strcmp(name, "HTTP_PROXY") == 0 ? NULL : env_value(w->env, name);
}

void wire_each(struct wire *w, const char *prefix,
	       void (*fn)(const char *name, const char *value, void *arg), void *arg)
{
	for (const char *const *e = w->env; *e != NULL; e++) {
		const char *eq = strchr(*e, '=');
		if (eq == NULL || !text_starts(*e, prefix) || text_starts(*e, "HTTP_PROXY="))
			continue;
		CLEAN_FREE char *name = mem_strndup(*e, (size_t)(eq - *e));
		fn(name, eq + 1, arg);
	}
}

bool wire_is_cgi(const struct wire *w)
{
	return w->cgi;
}

ssize_t wire_read(struct wire *w, void *buf, size_t size, int wait_ms)
{
	if (w->length >= 0) {
		int64_t left = w->length - w->received;
		if (left <= 0)
			return 0;
		if ((uint64_t)left < size)
			size = (size_t)left;
	}
	ssize_t n = w->kind->read(w, buf, size, wait_ms);
	if (n > 0)
		w->received += n;
	return n;
}

void wire_settle(struct wire *w)
{
	if (w->kind->settle != NULL)
		w->kind->settle(w);
}

bool wire_write(struct wire *w, const void *p, size_t n)
{
	if (!w->broken && n > 0 && !w->kind->write(w, p, n))
		w->broken = true;
	return !w->broken;
}

bool wire_write_now(struct wire *w, const void *p, size_t n)
{
	if (wire_write(w, p, n) && w->kind->flush != NULL && !w->kind->flush(w))
		w->broken = true;
	return !w->broken;
}

bool wire_crowded_out(const struct wire *w)
{
	return w->crowded_out;
}

int64_t wire_received(const struct wire *w)
{
	return w->received;
}

/* ---- a request made of memory */

struct memory {
	struct wire wire;
	const char *body; /* borrowed */
	size_t len, pos;
	size_t first, step; /* most bytes of the first and of later reads */
	bool lose;
	FILE *out; /* borrowed, NULL = nowhere */
};

static ssize_t memory_read(struct wire *w, void *buf, size_t size, int wait_ms)
{
	struct memory *m = w->source;
	size_t most = m->pos == 0 ? m->first : m->step;
	size_t n = m->len - m->pos;

	(void)wait_ms;
	if (n == 0)
		return m->lose ? -2 : 0;
	if (n > size)
		n = size;
	if (most > 0 && n > most)
		n = most;
	memcpy(buf, m->body + m->pos, n);
	m->pos += n;
	return (ssize_t)n;
}

static bool memory_write(struct wire *w, const void *p, size_t n)
{
	struct memory *m = w->source;

	return m->out == NULL || fwrite(p, 1, n, m->out) == n;
}

static const struct wire_kind memory_kind = {memory_read, memory_write, NULL, NULL};

struct wire *wire_of_memory(const char *const *env, const void *body, size_t len, FILE *out)
{
	struct memory *m = mem_alloc(sizeof(*m));

	wire_init(&m->wire, &memory_kind, env, m);
	m->body = body;
	m->len = len;
	m->out = out;
	return &m->wire;
}

void wire_memory_split(struct wire *w, size_t first, size_t step)
{
	struct memory *m = w->source;

	m->first = first;
	m->step = step;
}

void wire_memory_lose(struct wire *w)
{
	struct memory *m = w->source;

	m->lose = true;
}

void wire_free(struct wire *w)
{
	if (w != NULL)
		free(w->source);
}
