#include "http/multipart_head.h"

#include <string.h>
#include <strings.h>

#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/field.h"
#include "http/represent.h"

/* Names as browsers write them: the three characters that cannot stand in quotes are escaped,
 * nothing else. */
static void undo_browser_escapes(char *s)
{
	static const struct {
		char text[4], c;
	} escapes[] = {{"%22", '"'}, {"%0D", '\r'}, {"%0A", '\n'}};
	char *out = s;

	while (*s != '\0') {
		char c = *s++;
		for (size_t i = 0; c == '%' && i < sizeof(escapes) / sizeof(*escapes); i++) {
			if (strncasecmp(s - 1, escapes[i].text, 3) == 0) {
				c = escapes[i].c;
				s += 2;
				break;
			}
		}
		*out++ = c;
	}
	*out = '\0';
}

/* As UTF-8; what is not may be GB18030, which older Chinese clients send.  Takes S; NULL when it is
 * neither. */
static char *as_utf8(char *s)
{
	size_t bad = 0, len = strlen(s);
	char *decoded;

	if (text_is_utf8(s, len))
		return s;
	decoded = charset_decode("GB18030", s, len, NULL, &bad);
	free(s);
	if (decoded != NULL && (bad > 0 || !text_is_utf8(decoded, strlen(decoded)))) {
		free(decoded);
		decoded = NULL;
	}
	return decoded;
}

/* filename*=UTF-8''na%C3%AFve.csv of RFC 5987, in no other charset. */
static char *extended_value(const char *s)
{
	char *out;

	if (strncasecmp(s, "UTF-8'", 6) != 0 || (s = strchr(s + 6, '\'')) == NULL)
		return NULL;
	s++;
	return field_unescape(s, strlen(s), false, &out) == ERR_OK ? out : NULL;
}

/* The three parameters that count, each at most once. */
struct names {
	char *name, *plain, *extended;
};

static void names_done(struct names *n)
{
	free(n->name);
	free(n->plain);
	free(n->extended);
}

static const char *names_read(const char *p, struct names *n)
{
	for (;;) {
		CLEAN_FREE char *key = NULL;
		char *value;
		int rc = field_param(&p, &key, &value);
		if (rc == 0)
			return NULL;
		if (rc < 0)
			return "malformed parameter";
		char **place = strcmp(key, "name") == 0	       ? &n->name
			       : strcmp(key, "filename") == 0  ? &n->plain
			       : strcmp(key, "filename*") == 0 ? &n->extended
							       : NULL;
		if (place == NULL) {
			free(value);
		} else if (*place != NULL) {
			free(value);
			return "parameter twice";
		} else {
			*place = value;
		}
	}
}

/* Decode the names: NULL when right. */
static const char *names_decode(struct names *n)
{
	if (n->name != NULL) {
		undo_browser_escapes(n->name);
		if ((n->name = as_utf8(n->name)) == NULL)
			return "name in no known encoding";
	}
	if (n->plain != NULL) {
		undo_browser_escapes(n->plain);
		if ((n->plain = as_utf8(n->plain)) == NULL)
			return "file name in no known encoding";
	}
	if (n->extended != NULL) {
		char *decoded = extended_value(n->extended);
		if (decoded == NULL)
			return "filename* broken";
		free(n->extended);
		n->extended = decoded;
	}
	return NULL;
}

static const char *read_disposition(struct multipart_head *h, const char *value)
{
	const char *p, *why;
	CLEAN_FREE char *type = field_type(value, &p);
	struct names n = {0};

	if (h->has_disposition)
		return "two dispositions";
	h->has_disposition = true;
	if (strcmp(type, "form-data") != 0)
		return "not form-data";
	why = names_read(p, &n);
	if (why == NULL)
		why = names_decode(&n);
	if (why == NULL && (n.name == NULL || *n.name == '\0'))
		why = "part without name";
	if (why == NULL) {
		h->name = n.name;
		n.name = NULL;
		if (n.extended != NULL) {
			h->filename = n.extended;
			n.extended = NULL;
		} else {
			h->filename = n.plain;
			n.plain = NULL;
		}
	}
	names_done(&n);
	return why;
}

char *disposition_name(const char *value)
{
	const char *p;
	struct names n = {0};
	char *found = NULL;

	free(field_type(value, &p));
	if (names_read(p, &n) == NULL && names_decode(&n) == NULL) {
		found = n.extended != NULL ? n.extended : n.plain;
		if (n.extended != NULL)
			n.extended = NULL;
		else
			n.plain = NULL;
	}
	names_done(&n);
	return found;
}

static const char *read_type(struct multipart_head *h, const char *value)
{
	if (h->type != NULL)
		return "two types";
	if (strncasecmp(value, "multipart/", 10) == 0)
		return "nested multipart";
	h->type = mem_strdup(value);
	return NULL;
}

/* RFC 7578 gave encodings up; decoding them would give a second way to say everything. */
static const char *read_coding(struct multipart_head *h, const char *value)
{
	if (h->has_coding)
		return "two encodings";
	h->has_coding = true;
	if (text_ieq(value, "7bit") || text_ieq(value, "8bit") || text_ieq(value, "binary"))
		return NULL;
	return "part.encoded";
}

static bool is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] >= 0x7F || strchr("()<>@,;:\\\"/[]?={}", s[i]) != NULL)
			return false;
	return len > 0;
}

const char *multipart_head_line(struct multipart_head *h, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);

	h->n_lines++;
	if (memchr(line, '\0', len) != NULL || memchr(line, '\r', len) != NULL)
		return "control character in a head";
	if (len > 0 && (*line == ' ' || *line == '\t'))
		return "folded head";
	if (colon == NULL)
		return "head without colon";
	size_t name = (size_t)(colon - line);
	while (name > 0 && (line[name - 1] == ' ' || line[name - 1] == '\t'))
		name--;
	if (!is_token(line, name))
		return "odd head name";
	const char *s = colon + 1, *end = line + len;
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	CLEAN_FREE char *value = mem_strndup(s, (size_t)(end - s));
	if (name == 19 && strncasecmp(line, "Content-Disposition", name) == 0)
		return read_disposition(h, value);
	if (name == 12 && strncasecmp(line, "Content-Type", name) == 0)
		return read_type(h, value);
	if (name == 25 && strncasecmp(line, "Content-Transfer-Encoding", name) == 0)
		return read_coding(h, value);
	return NULL;
}

void multipart_head_reset(struct multipart_head *h)
{
	free(h->name);
	free(h->filename);
	free(h->type);
	*h = (struct multipart_head){0};
}
