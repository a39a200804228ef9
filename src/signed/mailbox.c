#include "signed/mailbox.h"

#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"

#define ADDRESS_MAX 254 /* bytes: RFC 5321, 4.5.3.1.3, without the brackets */

static bool characters_ok(const char *s)
{
	for (size_t i = 0, len = strlen(s), n; i < len; i += n) {
		int32_t cp;

		n = text_decode(s + i, len - i, &cp);
		if (n == 0 || cp <= 0x20 || (cp >= 0x7F && cp <= 0xA0) || cp == 0x2028 ||
		    cp == 0x2029 || cp == 0x3000 ||
		    (cp < 0x7F && strchr("<>,;:\"", (int)cp) != NULL))
			return false;
	}
	return true;
}

static bool domain_ok(const char *domain, const char *domains)
{
	size_t len = strlen(domain);

	if (*domains == '\0')
		return true;
	for (const char *p = domains; *p != '\0'; p += strcspn(p, " ")) {
		p += strspn(p, " ");
		if (strcspn(p, " ") == len && len > 0 && strncasecmp(p, domain, len) == 0)
			return true;
	}
	return false;
}

bool mailbox_ok(const char *address, const char *domains)
{
	const char *at = strchr(address, '@');

	return at != NULL && at > address && at[1] != '\0' && strchr(at + 1, '@') == NULL &&
	       strlen(address) <= ADDRESS_MAX && address[0] != '-' && characters_ok(address) &&
	       domain_ok(at + 1, domains);
}

static bool has(const json_object *array, const char *address)
{
	json_object *item;

	JSON_EACH(item, array)
	if (text_ieq(json_object_get_string(item), address))
		return true;
	return false;
}

bool mailbox_list(const char *list, const char *domains, size_t max, json_object *array)
{
	for (const char *p = list;; p++) {
		size_t n = strcspn(p, ","), from = strspn(p, " \t");
		size_t to = n;

		while (to > from && (p[to - 1] == ' ' || p[to - 1] == '\t'))
			to--;
		CLEAN_FREE char *address =
		    from < to ? mem_strndup(p + from, to - from) : mem_strdup("");

		if (!mailbox_ok(address, domains))
			return false;
		if (!has(array, address))
			json_object_array_add(array, json_object_new_string(address));
		if (json_len(array) > max)
			return false;
		p += n;
		if (*p == '\0')
			return true;
	}
}
