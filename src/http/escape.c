#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"

#define PLAIN_URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

/* What stands for a character; NULL: the character itself. */
static const char *const html[128] = {
    ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};

/* A parser would read a bare CR as LF. */
static const char *const xml[128] = {
    ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\r'] = "&#13;"};

static const char *const json[128] = {
    ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f",
    ['\n'] = "\\n", ['\r'] = "\\r",  ['\t'] = "\\t"};

void escape_html(FILE *out, const char *s)
{
	for (;;) {
		size_t n = strcspn(s, "&<>\"'");
		fwrite(s, 1, n, out);
		s += n;
		if (*s == '\0')
			return;
		fputs(html[(unsigned char)*s++], out);
	}
}

static char *percent_dup(const char *s, const char *plain)
{
	static const char hex[] = "0123456789ABCDEF";
	struct buf out = {0};

	while (*s != '\0') {
		size_t n = strspn(s, plain);
		buf_add(&out, s, n);
		s += n;
		if (*s == '\0')
			break;
		unsigned char c = (unsigned char)*s++;
		char e[3] = {'%', hex[c >> 4], hex[c & 15]};
		buf_add(&out, e, 3);
	}
	return buf_take(&out, NULL);
}

void escape_url(FILE *out, const char *s)
{
	CLEAN_FREE char *escaped = escape_url_dup(s);

	fputs(escaped, out);
}

char *escape_url_dup(const char *s)
{
	return percent_dup(s, PLAIN_URL);
}

char *escape_url_path_dup(const char *s)
{
	return percent_dup(s, PLAIN_URL "/:@!$()*+,;=");
}

void escape_xml(FILE *out, const char *s)
{
	size_t len = strlen(s);
	int32_t cp;

	for (size_t i = 0; i < len;) {
		size_t n = text_decode(s + i, len - i, &cp);
		if (n == 0) {
			fputs("\xEF\xBF\xBD", out);
			i++;
			continue;
		}
		if (cp < 0x80 && xml[cp] != NULL)
			fputs(xml[cp], out);
		else if ((cp < 0x20 && cp != '\t' && cp != '\n') || cp == 0xFFFE || cp == 0xFFFF)
			fputs("\xEF\xBF\xBD", out);
		else
			fwrite(s + i, 1, n, out);
		i += n;
	}
}

void escape_json(FILE *out, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if (c < 0x80 && json[c] != NULL) {
			fputs(json[c], out);
		} else if (c < 0x20) {
			fprintf(out, "\\u%04x", c);
		} else if (c == 0xC2 && (unsigned char)s[1] == 0xA0) {
			/* A client compares the text byte for byte (wizard.md 3.2). */
			fputs("\\u00a0", out);
			s++;
		} else {
			fputc(c, out);
		}
	}
}

char *disposition(const char *name)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		mem_die();
	fputs("attachment; filename=\"", out);
	for (const char *s = name; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		/* One underscore a character: the bytes that continue one are dropped. */
		if ((c & 0xC0) == 0x80)
			continue;
		fputc(c < 0x20 || c >= 0x7F || strchr("\"\\%/:*?<>|;", c) != NULL ? '_' : c, out);
	}
	fputs("\"; filename*=UTF-8''", out);
	escape_url(out, name);
	if (fclose(out) != 0)
		mem_die();
	return text;
}
