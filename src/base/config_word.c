#include "base/config_word.h"

#include <arpa/inet.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

#define DIGEST_HEX 64 /* SHA-256 */
#define HOST_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]"

/* "https://host" with LEN bytes of host after SCHEME; 0 = none. */
static size_t host_after(const char *value, const char *scheme)
{
	return text_starts(value, scheme) ? strspn(value + strlen(scheme), HOST_CHARS) : 0;
}

static size_t web_host(const char *value, size_t *ret_at)
{
	size_t n = host_after(value, "https://");

	*ret_at = n > 0 ? strlen("https://") : strlen("http://");
	return n > 0 ? n : host_after(value, "http://");
}

static bool is_address(const char *word)
{
	const char *slash = strchr(word, '/');
	CLEAN_FREE char *address = mem_strndup(word, strcspn(word, "/"));
	unsigned char raw[sizeof(struct in6_addr)];
	bool v4 = inet_pton(AF_INET, address, raw) == 1;
	int64_t bits;

	return (v4 || inet_pton(AF_INET6, address, raw) == 1) &&
	       (slash == NULL || text_int(slash + 1, 0, v4 ? 32 : 128, &bits));
}

/* As browsers send it: scheme, host and port, nothing behind. */
static bool is_origin(const char *word)
{
	size_t at, n = web_host(word, &at);

	return n > 0 && word[at + n] == '\0';
}

static bool is_ending(const char *word)
{
	return word[0] == '.' && word[1] != '\0';
}

static bool is_driver(const char *word)
{
	return strcmp(word, "HFA") == 0 || strcmp(word, "JP2OpenJPEG") == 0 ||
	       strcmp(word, "NITF") == 0;
}

static bool is_service(const char *word)
{
	const char *equals = strchr(word, '=');
	size_t at;

	return equals != NULL && equals > word && web_host(equals + 1, &at) > 0;
}

/* A host in any script, without a name and password before it. */
static bool is_url(const char *value)
{
	const char *host = strstr(value, "://");
	size_t n = host != NULL ? strcspn(host + 3, "/@") : 0;

	return n > 0 && host[3 + n] != '@';
}

static bool is_smtp(const char *value)
{
	size_t at = strlen("smtps://"), n = host_after(value, "smtps://");

	if (n == 0) {
		at = strlen("smtp://");
		n = host_after(value, "smtp://");
	}
	return n > 0 && value[at + n] == '\0';
}

static bool is_tiles(const char *value)
{
	return (text_starts(value, "https://") || text_starts(value, "http://")) &&
	       strstr(value, "{x}") != NULL && strstr(value, "{y}") != NULL &&
	       strstr(value, "{z}") != NULL;
}

static bool is_digest(const char *value)
{
	return strlen(value) == DIGEST_HEX && strspn(value, "0123456789abcdef") == DIGEST_HEX;
}

static bool is_regions(const char *value)
{
	return value[0] == '/' || strcmp(value, "auto") == 0;
}

static const struct {
	const char *section;
	const char *key;
	bool list; /* each word is looked at */
	bool (*fits)(const char *word);
	const char *wrong;
} words[] = {
    {"server", "trusted_proxies", true, is_address, "not addresses or ranges like 192.0.2.0/24"},
    {"metrics", "address", true, is_address, "not addresses or ranges like 192.0.2.0/24"},
    {"cors", "origins", true, is_origin, "not origins like https://maps.example.org"},
    {"iserver", "denied_files", true, is_ending, "not endings like .php"},
    {"jail", "extra_drivers", true, is_driver, "none of HFA, JP2OpenJPEG, NITF"},
    {"iportal", "service", true, is_service, "not services like WFS200=https://…"},
    {"site", "public_url", false, is_url, "not an address like https://maps.example.org/slipway"},
    {"mail", "smtp_url", false, is_smtp, "not an address like smtp://host:587"},
    {"page", "tile_url", false, is_tiles, "not an address like https://host/{z}/{x}/{y}.png"},
    {"login", "first_token_sha256", false, is_digest, "not a SHA-256 of 64 hexadecimal digits"},
    {"store", "regions", false, is_regions, "neither auto nor the path of a directory"},
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

const char *config_word_wrong(const char *section, const char *key, const char *value)
{
	size_t i = 0;
	CLEAN_FREE char *copy = NULL;
	char *rest = NULL;

	while (i < N_WORDS &&
	       (strcmp(words[i].section, section) != 0 || strcmp(words[i].key, key) != 0))
		i++;
	if (i == N_WORDS)
		return NULL;
	if (!words[i].list)
		return words[i].fits(value) ? NULL : words[i].wrong;
	copy = mem_strdup(value);
	for (char *w = strtok_r(copy, " \t,", &rest); w != NULL; w = strtok_r(NULL, " \t,", &rest))
		if (!words[i].fits(w))
			return words[i].wrong;
	return NULL;
}
