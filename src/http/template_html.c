#include <string.h>
#include <strings.h>

#include "http/template_int.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void add(char *buf, size_t size, char c)
{
	size_t n = strlen(buf);

	if (n + 1 < size)
		buf[n] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static void clear(char *buf, size_t size)
{
	memset(buf, 0, size);
}

static bool one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

/* An attribute's value begins. */
static void begin_value(struct html *h, enum html_state state)
{
	static const char *const urls[] = {"href",     "src",	     "action",	 "formaction",
					   "cite",     "poster",     "data",	 "ping",
					   "manifest", "background", "longdesc", NULL};
	static const char *const code[] = {"style", "srcdoc", "srcset", "http-equiv", NULL};

	h->state = state;
	h->is_url = one_of(h->attr, urls);
	h->is_code = one_of(h->attr, code) || strncmp(h->attr, "on", 2) == 0;
	h->url = URL_START;
	clear(h->value, sizeof(h->value));
}

static void end_value(struct html *h)
{
	if (strcmp(h->tag, "script") == 0 && strcmp(h->attr, "type") == 0)
		h->json_type = strcmp(h->value, "application/json") == 0;
	h->state = HTML_TAG;
	h->is_url = h->is_code = false;
}

static void end_tag(struct html *h)
{
	bool raw = !h->closing && (strcmp(h->tag, "script") == 0 || strcmp(h->tag, "style") == 0);

	h->state = raw ? HTML_RAW : HTML_TEXT;
	h->json = raw && strcmp(h->tag, "script") == 0 && h->json_type;
	clear(h->tail, sizeof(h->tail));
}

static void feed_value(struct html *h, char c)
{
	add(h->value, sizeof(h->value), c);
	if (h->is_url && h->url != URL_SETTLED)
		h->url = strchr("/?#:", c) != NULL ? URL_SETTLED : URL_OPEN;
}

/* Script and style end at their closing tag only. */
static void feed_raw(struct html *h, char c)
{
	char end[sizeof(h->tag) + 4];

	memmove(h->tail, h->tail + 1, sizeof(h->tail) - 2);
	h->tail[sizeof(h->tail) - 2] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a'
					      : c == '\0'	   ? ' '
								   : c);
	(void)snprintf(end, sizeof(end), "</%s", h->tag);
	size_t n = strlen(end);
	if (n < sizeof(h->tail) && memcmp(h->tail + sizeof(h->tail) - 1 - n, end, n) == 0) {
		h->state = HTML_TAG;
		h->closing = true;
		h->json = false;
	}
}

static void feed_less(struct html *h, char c)
{
	clear(h->tag, sizeof(h->tag));
	h->closing = c == '/';
	h->json_type = false;
	if (c == '!') {
		h->state = HTML_DECLARATION;
		h->dashes = 0;
	} else if (c == '/') {
		h->state = HTML_TAG_NAME;
	} else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
		h->state = HTML_TAG_NAME;
		add(h->tag, sizeof(h->tag), c);
	} else {
		h->state = c == '<' ? HTML_LESS : HTML_TEXT;
	}
}

/* Between attributes, and in their names. */
static void feed_tag(struct html *h, char c)
{
	if (c == '>') {
		end_tag(h);
	} else if (is_blank(c) || c == '/') {
		if (h->state == HTML_TAG_NAME)
			h->state = HTML_TAG;
		else if (h->state == HTML_ATTR_NAME)
			h->state = HTML_ATTR_AFTER;
	} else if (h->state == HTML_TAG_NAME) {
		add(h->tag, sizeof(h->tag), c);
	} else if (c == '=') {
		h->state = HTML_ATTR_EQUALS;
	} else {
		if (h->state != HTML_ATTR_NAME)
			clear(h->attr, sizeof(h->attr));
		h->state = HTML_ATTR_NAME;
		add(h->attr, sizeof(h->attr), c);
	}
}

static void feed_equals(struct html *h, char c)
{
	if (is_blank(c))
		return;
	if (c == '"') {
		begin_value(h, HTML_QUOTED);
	} else if (c == '\'') {
		begin_value(h, HTML_QUOTED_SINGLE);
	} else if (c == '>') {
		end_tag(h);
	} else {
		begin_value(h, HTML_UNQUOTED);
		feed_value(h, c);
	}
}

static void feed_declaration(struct html *h, char c)
{
	if (c == '-' && ++h->dashes == 2) {
		h->state = HTML_COMMENT;
		h->dashes = 0;
	} else if (c == '>') {
		h->state = HTML_TEXT;
	}
}

void html_feed(struct html *h, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = s[i];
		switch (h->state) {
		case HTML_TEXT:
			if (c == '<')
				h->state = HTML_LESS;
			break;
		case HTML_LESS:
			feed_less(h, c);
			break;
		case HTML_TAG_NAME:
		case HTML_TAG:
		case HTML_ATTR_NAME:
		case HTML_ATTR_AFTER:
			feed_tag(h, c);
			break;
		case HTML_ATTR_EQUALS:
			feed_equals(h, c);
			break;
		case HTML_QUOTED:
		case HTML_QUOTED_SINGLE:
			if (c == (h->state == HTML_QUOTED ? '"' : '\''))
				end_value(h);
			else
				feed_value(h, c);
			break;
		case HTML_UNQUOTED:
			if (is_blank(c) || c == '>') {
				end_value(h);
				feed_tag(h, c);
			} else {
				feed_value(h, c);
			}
			break;
		case HTML_DECLARATION:
			feed_declaration(h, c);
			break;
		case HTML_COMMENT:
			if (c == '>' && h->dashes >= 2)
				h->state = HTML_TEXT;
			h->dashes = c == '-' ? h->dashes + 1 : 0;
			break;
		case HTML_RAW:
			feed_raw(h, c);
			break;
		}
	}
}

static const char *attribute_value(struct html *h, enum verb verb, enum where *ret)
{
	if (h->is_code)
		return "a value inside script, style or srcset";
	/* What {{url}} and {{u}} print cannot name a scheme. */
	if (h->is_url && verb != VERB_URL && verb != VERB_U) {
		if (h->url == URL_OPEN)
			return "a value in the middle of a URL: write {{u …}}";
		if (h->url == URL_START)
			*ret = WHERE_LINK;
	}
	if (h->is_url) {
		if (verb == VERB_URL && h->url != URL_START)
			return "{{url}} begins a URL";
		if (verb == VERB_URL)
			h->url = URL_SETTLED;
		else if (h->url == URL_START)
			h->url = URL_OPEN;
	}
	add(h->value, sizeof(h->value), '?');
	return NULL;
}

const char *html_value(struct html *h, enum verb verb, enum where *ret)
{
	*ret = WHERE_HTML;
	switch (h->state) {
	case HTML_TEXT:
		return NULL;
	case HTML_QUOTED:
		return attribute_value(h, verb, ret);
	case HTML_RAW:
		if (!h->json)
			return "a value inside script or style";
		if (verb != VERB_JSON)
			return "only {{json …}} may stand in a JSON script";
		*ret = WHERE_SCRIPT;
		return NULL;
	case HTML_LESS:
	case HTML_TAG_NAME:
		return "a value in a tag's name";
	case HTML_TAG:
	case HTML_ATTR_NAME:
	case HTML_ATTR_AFTER:
		return "a value in place of an attribute";
	case HTML_ATTR_EQUALS:
	case HTML_QUOTED_SINGLE:
	case HTML_UNQUOTED:
		return "a value in an attribute without double quotes";
	case HTML_DECLARATION:
	case HTML_COMMENT:
		return "a value in a comment or declaration";
	}
	return NULL;
}

const char *html_block(struct html *h)
{
	switch (h->state) {
	case HTML_TAG_NAME:
	case HTML_ATTR_NAME:
	case HTML_ATTR_AFTER:
		h->state = HTML_TAG;
		return NULL;
	case HTML_UNQUOTED:
		end_value(h);
		return NULL;
	case HTML_TEXT:
	case HTML_TAG:
	case HTML_QUOTED:
	case HTML_RAW:
	case HTML_QUOTED_SINGLE:
	case HTML_COMMENT:
		return NULL;
	case HTML_LESS:
	case HTML_ATTR_EQUALS:
	case HTML_DECLARATION:
		return "a block tag in the middle of HTML syntax";
	}
	return NULL;
}

bool html_merge(struct html *a, const struct html *b)
{
	bool in_tag =
	    a->state == HTML_TAG || a->state == HTML_QUOTED || a->state == HTML_QUOTED_SINGLE;

	if (a->state != b->state || a->is_url != b->is_url || a->is_code != b->is_code)
		return false;
	if (in_tag && (a->json_type != b->json_type || strcmp(a->tag, b->tag) != 0))
		return false;
	if (a->state == HTML_RAW && a->json != b->json)
		return false;
	if (a->url != b->url)
		a->url = URL_OPEN;
	return true;
}
