#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "http/field.h"

/* Addresses are compared as bytes; IPv4 as its mapped IPv6 form. */
static bool address_read(const char *s, size_t len, struct in6_addr *ret)
{
	char buf[INET6_ADDRSTRLEN];
	struct in_addr v4;

	/* "[::1]:443" and "1.2.3.4:80" carry a port. */
	if (len > 1 && *s == '[') {
		const char *close = memchr(s, ']', len);
		if (close == NULL)
			return false;
		len = (size_t)(close - s) - 1;
		s++;
	} else {
		const char *colon = memchr(s, ':', len);
		if (colon != NULL && memchr(colon + 1, ':', len - (size_t)(colon + 1 - s)) == NULL)
			len = (size_t)(colon - s);
	}
	if (len >= sizeof(buf))
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	if (inet_pton(AF_INET, buf, &v4) == 1) {
		memset(ret, 0, sizeof(*ret));
		ret->s6_addr[10] = ret->s6_addr[11] = 0xFF;
		memcpy(ret->s6_addr + 12, &v4, 4);
		return true;
	}
	return inet_pton(AF_INET6, buf, ret) == 1;
}

/* Is WHO in the range of LEN bytes at RANGE: an address, or one with "/bits"? */
static bool in_range(const struct in6_addr *who, const char *range, size_t len)
{
	const char *slash = memchr(range, '/', len);
	size_t n = slash != NULL ? (size_t)(slash - range) : len;
	const char *colon = memchr(range, ':', n);
	struct in6_addr net;
	int64_t bits = 128;

	/* A port has no place in a range. */
	if (memchr(range, '[', n) != NULL ||
	    (colon != NULL && memchr(colon + 1, ':', n - (size_t)(colon + 1 - range)) == NULL) ||
	    !address_read(range, n, &net))
		return false;
	if (slash != NULL) {
		CLEAN_FREE char *digits = mem_strndup(slash + 1, len - n - 1);
		int64_t most = colon != NULL ? 128 : 32;

		if (!text_int(digits, 0, most, &bits))
			return false;
		bits += 128 - most;
	}
	for (int i = 0; i < 16 && bits > 0; i++, bits -= 8) {
		unsigned mask = bits >= 8 ? 0xFFu : 0xFFu << (8 - bits) & 0xFFu;

		if (((who->s6_addr[i] ^ net.s6_addr[i]) & mask) != 0)
			return false;
	}
	return true;
}

static bool is_listed(const struct in6_addr *who, const char *list)
{
	while (list != NULL && *list != '\0') {
		size_t len;

		list += strspn(list, " ,\t");
		len = strcspn(list, " ,\t");
		if (len > 0 && in_range(who, list, len))
			return true;
		list += len;
	}
	return false;
}

static void address_print(const struct in6_addr *a, char out[64])
{
	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, a->s6_addr + 12, out, 64);
	else
		inet_ntop(AF_INET6, a, out, 64);
}

/* Each trusted proxy appends who asked it: from the right, the first that is not one of ours is the
 * client. */
static void from_forwarded(const char *list, const struct config *config, struct in6_addr *client)
{
	size_t end = strlen(list);

	while (end > 0) {
		size_t start = end;
		while (start > 0 && list[start - 1] != ',')
			start--;
		size_t a = start, b = end;
		while (a < b && (list[a] == ' ' || list[a] == '\t'))
			a++;
		while (b > a && (list[b - 1] == ' ' || list[b - 1] == '\t'))
			b--;
		struct in6_addr next;
		if (!address_read(list + a, b - a, &next))
			return;
		*client = next;
		if (!is_listed(client, config->trusted_proxies))
			return;
		end = start > 0 ? start - 1 : 0;
	}
}

void address_find(struct wire *w, const struct config *config, char out[64], bool *ret_https)
{
	const char *remote = wire_env(w, "REMOTE_ADDR"), *https = wire_env(w, "HTTPS");
	const char *scheme = wire_env(w, "REQUEST_SCHEME");
	struct in6_addr who;

	*ret_https = (https != NULL && (text_ieq(https, "on") || strcmp(https, "1") == 0)) ||
		     text_ieq(scheme, "https");
	out[0] = '\0';
	if (remote != NULL && address_read(remote, strlen(remote), &who)) {
		if (is_listed(&who, config->trusted_proxies)) {
			const char *list = wire_env(w, "HTTP_X_FORWARDED_FOR");
			const char *proto = wire_env(w, "HTTP_X_FORWARDED_PROTO");
			if (list != NULL)
				from_forwarded(list, config, &who);
			if (proto != NULL)
				*ret_https = text_ieq(proto, "https");
		}
		address_print(&who, out);
	}
	/* The setting is the administrator's word for how browsers see us. */
	if (text_starts(config->public_url, "https:"))
		*ret_https = true;
}

bool address_in(const char *address, const char *range)
{
	struct in6_addr who;

	return address_read(address, strlen(address), &who) && in_range(&who, range, strlen(range));
}

bool address_listed(const char *address, const char *list)
{
	struct in6_addr who;

	return address_read(address, strlen(address), &who) && is_listed(&who, list);
}
