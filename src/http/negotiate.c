#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "http/request.h"

/* "0.85" as 850; anything odd is 0. */
static int thousandths(const char *s, size_t len)
{
	int n = 0, scale = 1000;

	if (len == 0 || (*s != '0' && *s != '1') || (len > 1 && s[1] != '.') || len > 5)
		return 0;
	n = (*s - '0') * 1000;
	for (size_t i = 2; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 0;
		scale /= 10;
		n += (s[i] - '0') * scale;
	}
	return n > 1000 ? 1000 : n;
}

/* The next element of "a;x=1;q=0.5, b" at *P: its name, *RET_Q in thousandths.  NULL at the end. */
static const char *next_element(const char **p, size_t *ret_len, int *ret_q)
{
	const char *s = *p + strspn(*p, " \t,");
	size_t len = strcspn(s, ",");
	size_t name = strcspn(s, ";, \t");

	if (*s == '\0')
		return NULL;
	*ret_q = 1000;
	for (const char *semi = memchr(s, ';', len); semi != NULL;) {
		const char *a = semi + 1 + strspn(semi + 1, " \t");
		const char *end = memchr(a, ';', len > (size_t)(a - s) ? len - (size_t)(a - s) : 0);
		size_t n = (size_t)((end != NULL ? end : s + len) - a);
		while (n > 0 && (a[n - 1] == ' ' || a[n - 1] == '\t'))
			n--;
		if (n >= 2 && (*a == 'q' || *a == 'Q') && a[1] == '=')
			*ret_q = thousandths(a + 2, n - 2);
		semi = end;
	}
	*p = s + len;
	*ret_len = name;
	return s;
}

int negotiate_q(const char *accept, const char *type)
{
	int best = -1, q;
	const char *s;
	size_t len;

	if (accept == NULL)
		return -1;
	while ((s = next_element(&accept, &len, &q)) != NULL)
		if (len == strlen(type) && strncasecmp(s, type, len) == 0 && q > best)
			best = q;
	return best;
}

/* "zh", "zh-CN", "zh_Hans": the language is what stands before the region. */
static bool lang_of(const char *s, size_t len, enum lang *ret)
{
	size_t n = strcspn(s, "-_;, \t");

	if (n > len)
		n = len;
	if (n != 2)
		return false;
	if (strncasecmp(s, "en", 2) == 0)
		*ret = LANG_EN;
	else if (strncasecmp(s, "zh", 2) == 0)
		*ret = LANG_ZH;
	else
		return false;
	return true;
}

enum lang negotiate_lang(const struct req *req)
{
	const char *asked[] = {req_query(req, "lang"), req_cookie(req, "lang")};
	const char *accept = req_header(req, "Accept-Language"), *s;
	enum lang best = LANG_EN, lang;
	int best_q = 0, q;
	size_t len;

	for (size_t i = 0; i < 2; i++)
		if (asked[i] != NULL && lang_of(asked[i], strlen(asked[i]), &lang))
			return lang;
	if (accept == NULL)
		return LANG_EN;
	while ((s = next_element(&accept, &len, &q)) != NULL) {
		if (q > best_q && lang_of(s, len, &lang)) {
			best = lang;
			best_q = q;
		}
	}
	return best;
}
