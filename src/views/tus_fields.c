#include "views/tus_fields.h"

#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"

/* ---- metadata */

/* One "key base64" or "key", without blanks around it. */
static bool read_pair(const char *s, size_t len, struct pairs *pairs)
{
	size_t key = 0;

	while (key < len && s[key] > ' ' && s[key] < 0x7F)
		key++;
	size_t value = key;
	while (value < len && s[value] == ' ')
		value++;
	if (key == 0 || (value == key && key < len))
		return false;
	CLEAN_FREE char *name = mem_strndup(s, key);
	CLEAN_FREE char *encoded = mem_strndup(s + value, len - value);
	CLEAN_FREE char *decoded = NULL;
	size_t n;
	if (pairs_get(pairs, name) != NULL || !base64_decode(encoded, len - value, &decoded, &n))
		return false;
	pairs_add(pairs, name, encoded);
	return true;
}

static bool read_pairs(const char *s, struct pairs *pairs)
{
	for (;;) {
		s += strspn(s, " \t");
		size_t len = strcspn(s, ","), end = len;
		while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
			len--;
		if (!read_pair(s, len, pairs))
			return false;
		if (s[end] == '\0')
			return true;
		s += end + 1;
	}
}

/* The decoded value of KEY or, failing that, OTHER; NULL = not there, or not chosen.  Caller frees.
 */
static char *value_of(const struct pairs *pairs, const char *key, const char *other,
		      size_t *ret_len)
{
	const char *encoded = pairs_get(pairs, key);
	char *text = NULL;

	if (encoded == NULL && other != NULL)
		encoded = pairs_get(pairs, other);
	if (encoded == NULL || !base64_decode(encoded, strlen(encoded), &text, ret_len))
		return NULL;
	return text;
}

static bool read_name(struct tus_metadata *m)
{
	size_t len = 0;
	CLEAN_FREE char *sent = value_of(&m->pairs, "filename", "name", &len);

	if (sent == NULL)
		return true;
	if (strlen(sent) != len)
		return false;
	m->name = text_display_name(sent);
	return m->name != NULL;
}

static bool read_path(struct tus_metadata *m)
{
	size_t len = 0;
	CLEAN_FREE char *sent = value_of(&m->pairs, "relativePath", NULL, &len);

	/* Browser libraries write a path that is not there as the word for nothing. */
	if (sent == NULL || len == 0 || strcmp(sent, "null") == 0 || strcmp(sent, "undefined") == 0)
		return true;
	if (strlen(sent) != len)
		return false;
	m->rel_path = text_relative_path(sent);
	return m->rel_path != NULL;
}

static void read_type(struct tus_metadata *m)
{
	size_t len = 0;
	CLEAN_FREE char *sent = value_of(&m->pairs, "filetype", "type", &len);

	if (sent != NULL && len > 0 && strlen(sent) == len)
		m->media_type = mem_strdup(sent);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digest(struct tus_metadata *m, enum digest algorithm)
{
	size_t len = 0, size = digest_size(algorithm);
	CLEAN_FREE char *hex = value_of(&m->pairs, digest_name(algorithm), NULL, &len);
	struct checksum *sum = &m->digests[m->n_digests];

	if (hex == NULL || len == 0)
		return true;
	if (len != 2 * size)
		return false;
	sum->algorithm = algorithm;
	for (size_t i = 0; i < size; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		sum->value[i] = (unsigned char)(high << 4 | low);
	}
	m->n_digests++;
	return true;
}

enum err tus_metadata_read(const char *text, struct tus_metadata *ret)
{
	*ret = (struct tus_metadata){0};
	if (text == NULL || text[strspn(text, " \t")] == '\0')
		return ERR_OK;
	if (strlen(text) > TUS_METADATA_BYTES || !read_pairs(text, &ret->pairs) ||
	    !read_name(ret) || !read_path(ret) || !read_digest(ret, DIGEST_SHA256) ||
	    !read_digest(ret, DIGEST_SHA1) || !read_digest(ret, DIGEST_MD5))
		return ERR_METADATA;
	read_type(ret);
	return ERR_OK;
}

void tus_metadata_done(struct tus_metadata *m)
{
	pairs_done(&m->pairs);
	free(m->name);
	free(m->rel_path);
	free(m->media_type);
	*m = (struct tus_metadata){0};
}

/* ---- checksum */

enum err tus_checksum_read(const char *text, struct checksum *ret)
{
	size_t name_len = strcspn(text, " "), len = 0;
	CLEAN_FREE char *name = mem_strndup(text, name_len);
	CLEAN_FREE char *value = NULL;

	if (!digest_by_name(name, &ret->algorithm))
		return text[name_len] == ' ' ? ERR_ALGORITHM : ERR_BAD_REQUEST;
	text += name_len;
	text += strspn(text, " ");
	if (!base64_decode(text, strlen(text), &value, &len) || len != digest_size(ret->algorithm))
		return ERR_BAD_REQUEST;
	memcpy(ret->value, value, len);
	return ERR_OK;
}

/* ---- concatenation */

/* The id at the end of a URL of ours: host, scheme and mount differ behind proxies and are not
 * compared. */
static bool id_of_url(const char *url, size_t len, char id[33])
{
	static const char above[] = "files/";

	while (len > 0 && url[len - 1] == '/')
		len--;
	if (len < 32)
		return false;
	memcpy(id, url + len - 32, 32);
	id[32] = '\0';
	if (len == 32 || !token_is_hex(id, 32))
		return len == 32 && token_is_hex(id, 32);
	if (len < sizeof(above) - 1 + 32)
		return false;
	const char *folder = url + len - 32 - (sizeof(above) - 1);
	return memcmp(folder, above, sizeof(above) - 1) == 0 &&
	       (folder == url || folder[-1] == '/');
}

enum err tus_concat_read(const char *text, struct tus_concat *ret)
{
	*ret = (struct tus_concat){0};
	if (text == NULL)
		return ERR_OK;
	if (strcmp(text, "partial") == 0) {
		ret->partial = true;
		return ERR_OK;
	}
	if (!text_starts(text, "final;"))
		return ERR_CONCAT;
	ret->final = true;
	ret->ids = mem_array(TUS_CONCAT_MOST, sizeof(*ret->ids));
	ret->list = mem_array(TUS_CONCAT_MOST, sizeof(*ret->list));
	for (const char *p = text + strlen("final;"); *(p += strspn(p, " ")) != '\0';) {
		size_t len = strcspn(p, " ");
		if (ret->n == TUS_CONCAT_MOST || !id_of_url(p, len, ret->ids[ret->n]))
			return ERR_CONCAT;
		ret->list[ret->n] = ret->ids[ret->n];
		ret->n++;
		p += len;
	}
	return ret->n > 0 ? ERR_OK : ERR_CONCAT;
}

void tus_concat_done(struct tus_concat *c)
{
	free(c->ids);
	free(c->list);
	*c = (struct tus_concat){0};
}
