#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "http/request.h"

/* Digits at *P, too big ones as INT64_MAX; false if there are none. */
static bool digits(const char **p, int64_t *ret)
{
	const char *s = *p;
	int64_t n = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (*s - '0');
	*p = s;
	*ret = n;
	return true;
}

bool range_parse(const char *header, int64_t size, int64_t *ret_first, int64_t *ret_last)
{
	int64_t first = 0, last = INT64_MAX;
	const char *s = header;

	if (s == NULL || strncasecmp(s, "bytes=", 6) != 0)
		return false;
	s += 6;
	s += strspn(s, " \t");
	bool has_first = digits(&s, &first);
	if (*s != '-')
		return false;
	s++;
	bool has_last = digits(&s, &last);
	s += strspn(s, " \t");
	/* Several ranges are answered with the whole: nobody needs multipart/byteranges. */
	if (*s != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
		return false;
	if (!has_first) {
		first = last >= size ? 0 : size - last;
		last = last == 0 ? -1 : size - 1;
	} else if (!has_last || last >= size) {
		last = size - 1;
	}
	if (first >= size || size == 0 || last < first) {
		first = 1;
		last = 0;
	}
	*ret_first = first;
	*ret_last = last;
	return true;
}

bool content_range_parse(const char *s, int64_t *first, int64_t *last, int64_t *total)
{
	CLEAN_FREE char *copy = mem_strdup(s);
	char *dash = strchr(copy, '-'), *slash = strchr(copy, '/'), *p = copy + strspn(copy, " \t");

	if (strncasecmp(p, "bytes", 5) != 0 || dash == NULL || slash == NULL || slash < dash)
		return false;
	p += 5;
	p += strspn(p, " \t=");
	*dash = *slash = '\0';
	*total = -1;
	return text_int(p, 0, INT64_MAX, first) && text_int(dash + 1, *first, INT64_MAX, last) &&
	       (strcmp(slash + 1, "*") == 0 || text_int(slash + 1, *last + 1, INT64_MAX, total));
}
