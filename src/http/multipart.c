#include "http/multipart.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "http/multipart_head.h"

#define TAIL_MOST 64 /* blanks behind a delimiter; more is nobody's padding */

enum state {
	PREAMBLE,
	TAIL, /* behind CRLF -- boundary: what follows decides whether it was a delimiter */
	HEAD,
	DATA,
	PART_OVER, /* a delimiter ended a part: say so, then go on with what it began */
	CLOSED,	   /* the closing delimiter was seen: say so */
	EPILOGUE,
	FAILED,
};

struct multipart {
	const struct config *limits;
	enum state state;
	bool in_part;		      /* the delimiter being looked for ends a part */
	bool closing;		      /* the delimiter found was the closing one */
	enum multipart_event failure; /* in FAILED */
	const char *why;	      /* static: of a failure, for the log; a limit by its name */
	size_t delim_len;	      /* of CRLF -- boundary */
	size_t
	    matched; /* bytes of it seen; the boundary holds no CR, so a mismatch starts afresh */
	size_t
	    unreal;  /* of these, bytes that were not in the body: the CRLF before its first line */
	size_t tail; /* bytes behind the delimiter, held in hold */
	int64_t outside; /* bytes of preamble or epilogue */
	int64_t parts;
	int64_t head_bytes; /* of the current part */
	struct multipart_head head;
	struct multipart_part part;
	char *line; /* a head line as it comes */
	size_t line_len;
	char *hold; /* delimiter and tail, side by side: together they may turn out to be data */
};

struct multipart *multipart_new(const char *boundary, const struct config *limits)
{
	struct multipart *m = mem_alloc(sizeof(*m));
	size_t len = strlen(boundary);

	m->limits = limits;
	m->delim_len = len + 4;
	m->hold = mem_alloc(m->delim_len + TAIL_MOST + 2);
	memcpy(m->hold, "\r\n--", 4);
	memcpy(m->hold + 4, boundary, len);
	m->line = mem_alloc((size_t)limits->part_head_line_bytes + 2);
	/* The first delimiter may be the body's first line. */
	m->matched = m->unreal = 2;
	return m;
}

void multipart_free(struct multipart *m)
{
	if (m == NULL)
		return;
	multipart_head_reset(&m->head);
	free(m->line);
	free(m->hold);
	free(m);
}

static enum multipart_event fail(struct multipart *m, enum multipart_event how, const char *why)
{
	m->state = FAILED;
	m->failure = how;
	m->why = why;
	return how;
}

/* Bytes before the first or after the last delimiter: nobody's, but not many. */
static enum multipart_event outside(struct multipart *m, size_t n)
{
	m->outside += (int64_t)n;
	if (m->outside > m->limits->preamble_bytes)
		return fail(m, MULTIPART_BAD, "too much outside the parts");
	return MULTIPART_MORE;
}

/* Bytes that are no delimiter: the part's, or the preamble's.  MORE: go on. */
static enum multipart_event deliver(struct multipart *m, const char *s, size_t n, const char **data,
				    size_t *data_len)
{
	if (n == 0)
		return MULTIPART_MORE;
	if (!m->in_part)
		return outside(m, n);
	*data = s;
	*data_len = n;
	return MULTIPART_DATA;
}

/* What looked like a delimiter was none: it is data, from our copy. */
static enum multipart_event undeliver(struct multipart *m, const char **data, size_t *data_len)
{
	const char *s = m->hold + m->unreal;
	size_t n = m->matched + m->tail - m->unreal;

	m->state = m->in_part ? DATA : PREAMBLE;
	m->matched = m->tail = m->unreal = 0;
	return deliver(m, s, n, data, data_len);
}

/* PREAMBLE and DATA: up to the next delimiter, or what may become one. */
static enum multipart_event scan(struct multipart *m, const char **p, const char *end,
				 const char **data, size_t *data_len)
{
	const char *s = *p;

	if (m->matched > 0) {
		while (s < end && m->matched < m->delim_len && *s == m->hold[m->matched]) {
			s++;
			m->matched++;
		}
		*p = s;
		if (m->matched == m->delim_len)
			m->state = TAIL;
		else if (s < end)
			return undeliver(m, data, data_len);
		return MULTIPART_MORE;
	}
	for (const char *from = s;;) {
		const char *cr = memchr(from, '\r', (size_t)(end - from));
		if (cr == NULL) {
			*p = end;
			return deliver(m, s, (size_t)(end - s), data, data_len);
		}
		size_t n = 1;
		while (n < m->delim_len && cr + n < end && cr[n] == m->hold[n])
			n++;
		if (n == m->delim_len || cr + n == end) {
			m->matched = n;
			if (n == m->delim_len)
				m->state = TAIL;
			*p = cr + n;
			return deliver(m, s, (size_t)(cr - s), data, data_len);
		}
		from = cr + 1;
	}
}

/* A delimiter is complete. */
static enum multipart_event found(struct multipart *m, bool closing)
{
	m->matched = m->tail = m->unreal = 0;
	m->closing = closing;
	/* Browsers send a bare closing delimiter for a form without fields; behind other bytes it
	 * lost its parts. */
	if (closing && m->parts == 0 && m->outside > 0)
		return fail(m, MULTIPART_BAD, "no part before the closing delimiter");
	if (!closing && ++m->parts > m->limits->multipart_parts)
		return fail(m, MULTIPART_LARGE, "limits.multipart_parts");
	m->head_bytes = 0;
	m->line_len = 0;
	m->state = m->in_part ? PART_OVER : closing ? CLOSED : HEAD;
	return MULTIPART_MORE;
}

/* TAIL: "--" closes, blanks and a line end go on, anything else was data after all. */
static enum multipart_event tail(struct multipart *m, const char **p, const char *end,
				 const char **data, size_t *data_len)
{
	char *t = m->hold + m->delim_len;

	while (*p < end) {
		char c = **p;
		char last = m->tail > 0 ? t[m->tail - 1] : '\0';
		bool fits = last == '-' ? c == '-'
			    : last == '\r'
				? c == '\n'
				: c == ' ' || c == '\t' || c == '\r' || (m->tail == 0 && c == '-');
		if (!fits)
			return undeliver(m, data, data_len);
		if (m->tail >= TAIL_MOST)
			return fail(m, MULTIPART_BAD, "endless delimiter");
		t[m->tail++] = c;
		(*p)++;
		if (c == '\n')
			return found(m, false);
		if (last == '-')
			return found(m, true);
	}
	return MULTIPART_MORE;
}

/* The blank line behind the head. */
static enum multipart_event head_over(struct multipart *m)
{
	if (!m->head.has_disposition)
		return fail(m, MULTIPART_BAD, "part without disposition");
	m->part = (struct multipart_part){m->head.name, m->head.filename, m->head.type};
	m->in_part = true;
	m->state = DATA;
	return MULTIPART_PART;
}

static enum multipart_event head(struct multipart *m, const char **p, const char *end)
{
	/* Only now: the caller may have looked at the last part's name while it ended. */
	if (m->head_bytes == 0)
		multipart_head_reset(&m->head);
	while (*p < end) {
		const char *lf = memchr(*p, '\n', (size_t)(end - *p));
		size_t n = (size_t)((lf != NULL ? lf + 1 : end) - *p);
		m->head_bytes += (int64_t)n;
		if (m->line_len + n > (size_t)m->limits->part_head_line_bytes + 2)
			return fail(m, MULTIPART_BAD, "limits.part_head_line");
		if (m->head_bytes > m->limits->part_head_bytes)
			return fail(m, MULTIPART_BAD, "limits.part_head");
		memcpy(m->line + m->line_len, *p, n);
		m->line_len += n;
		*p += n;
		if (lf == NULL)
			return MULTIPART_MORE;
		if (m->line_len < 2 || m->line[m->line_len - 2] != '\r')
			return fail(m, MULTIPART_BAD, "line end without CR");
		size_t len = m->line_len - 2;
		m->line_len = 0;
		if (len == 0)
			return head_over(m);
		const char *why = multipart_head_line(&m->head, m->line, len);
		if (why == NULL && (int64_t)m->head.n_lines > m->limits->part_heads)
			why = "limits.part_heads";
		if (why != NULL)
			return fail(m, MULTIPART_BAD, why);
	}
	return MULTIPART_MORE;
}

enum multipart_event multipart_next(struct multipart *m, const char **p, const char *end,
				    const char **data, size_t *data_len)
{
	enum multipart_event e = MULTIPART_MORE;

	for (;;) {
		switch (m->state) {
		case PREAMBLE:
		case DATA:
			e = scan(m, p, end, data, data_len);
			break;
		case TAIL:
			e = tail(m, p, end, data, data_len);
			break;
		case HEAD:
			e = head(m, p, end);
			break;
		case PART_OVER:
			m->in_part = false;
			m->state = m->closing ? CLOSED : HEAD;
			return MULTIPART_PART_END;
		case CLOSED:
			m->state = EPILOGUE;
			m->outside = 0;
			return MULTIPART_END;
		case EPILOGUE:
			e = outside(m, (size_t)(end - *p));
			*p = end;
			return e;
		case FAILED:
			return m->failure;
		}
		/* States that need no byte speak even at the end of the input. */
		if (e != MULTIPART_MORE ||
		    (*p == end && m->state != PART_OVER && m->state != CLOSED))
			return e;
	}
}

const struct multipart_part *multipart_part(const struct multipart *m)
{
	return &m->part;
}

const char *multipart_limit(const struct multipart *m)
{
	return m->why;
}

const char *multipart_code(const struct multipart *m)
{
	bool told = text_starts(m->why, "limits.") || text_starts(m->why, "part.");

	return told ? m->why : "bad_body";
}

bool multipart_done(const struct multipart *m)
{
	return m->state == EPILOGUE;
}
