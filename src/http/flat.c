#include "http/flat.h"

#include <string.h>

#include "base/json_scan.h"
#include "base/text.h"
#include "http/msgpack.h"

/*
 * ---- JSON: json_scan has checked the grammar, so what follows finds its way without looking twice
 */

static char *skip_space(char *p)
{
	return p + strspn(p, " \t\r\n");
}

static int32_t hex4(const char *p)
{
	int32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v * 16 + (p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
	return v;
}

/* The character of the escape whose letter *P stands at; *P moves behind it. */
static int32_t escaped(const char **p)
{
	static const char letters[] = "bfnrt", stand_for[] = "\b\f\n\r\t";
	char c = *(*p)++;
	const char *at = strchr(letters, c);

	if (c != 'u')
		return at != NULL ? stand_for[at - letters] : c;
	int32_t u = hex4(*p);
	*p += 4;
	if (u < 0xD800 || u > 0xDBFF)
		return u;
	int32_t low = hex4(*p + 2);
	*p += 6;
	return 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
}

/* Unescape the string whose quote P stands at, in place.  Returns what is behind it. */
static char *read_string(char *p, char **ret, size_t *ret_len)
{
	const char *in = p + 1;
	char *out = p + 1;

	*ret = out;
	while (*in != '"') {
		if (*in != '\\') {
			*out++ = *in++;
			continue;
		}
		in++;
		out += text_encode(escaped(&in), out);
	}
	*ret_len = (size_t)(out - *ret);
	return p + (in - p) + 1;
}

/* Behind the array or object that begins at P. */
static char *behind(char *p)
{
	size_t open = 0;

	do {
		if (*p == '"') {
			for (p++; *p != '"'; p++)
				p += *p == '\\';
		}
		open += *p == '[' || *p == '{';
		open -= *p == ']' || *p == '}';
		p++;
	} while (open > 0);
	return p;
}

static char *read_number(char *p, struct flat_member *m)
{
	char text[32];
	size_t len = 0;

	m->type = FLAT_INT;
	for (; strchr("+-.0123456789eE", p[len]) != NULL; len++) {
		if (p[len] == '.' || (p[len] | 32) == 'e')
			m->type = FLAT_FLOAT;
		if (len < sizeof(text))
			text[len] = p[len];
	}
	if (m->type == FLAT_INT && len < sizeof(text)) {
		text[len] = '\0';
		if (text_int(text, INT64_MIN, INT64_MAX, &m->number))
			return p + len;
	}
	m->type = FLAT_FLOAT;
	return p + len;
}

static char *read_json_value(char *p, struct flat_member *m)
{
	switch (*p) {
	case '"':
		m->type = FLAT_TEXT;
		return read_string(p, &m->p, &m->len);
	case '[':
	case '{':
		m->type = *p == '[' ? FLAT_LIST : FLAT_OBJECT;
		m->p = p;
		p = behind(p);
		m->len = (size_t)(p - m->p);
		return p;
	case 't':
	case 'f':
		m->type = FLAT_BOOL;
		m->number = *p == 't';
		return p + (*p == 't' ? 4 : 5);
	case 'n':
		m->type = FLAT_NULL;
		return p + 4;
	default:
		return read_number(p, m);
	}
}

/*
 * Only a list of numbers may be long; a key that stands twice deep inside is found by the strict
 * reader.
 */
static bool is_sound(const struct flat_member *m)
{
	static const struct json_limits inner = {1 << 16, FLAT_DEPTH, 1000};
	json_object *o = NULL;

	if (m->type != FLAT_OBJECT && (m->type != FLAT_LIST || memchr(m->p, '{', m->len) == NULL))
		return true;
	bool sound = json_read(m->p, m->len, &inner, &o) == ERR_OK;
	json_object_put(o);
	return sound;
}

/* Room for one more member called NAME, NULL when there is none or one has that name. */
static struct flat_member *add(struct flat *flat, const char *name, size_t len)
{
	for (size_t i = 0; i < flat->n; i++)
		if (flat->v[i].name_len == len && memcmp(flat->v[i].name, name, len) == 0)
			return NULL;
	if (flat->n == FLAT_MEMBERS)
		return NULL;
	flat->v[flat->n] = (struct flat_member){.name = name, .name_len = len};
	return &flat->v[flat->n++];
}

static enum err read_json(char *body, size_t len, bool inside, struct flat *ret)
{
	/* Nothing is built of the text, so it is not charged for what a tree would cost. */
	const struct json_limits limits = {SIZE_MAX / 8, FLAT_DEPTH, SIZE_MAX};
	struct json_scan scan;

	ret->n = 0;
	ret->msgpack = false;
	if (json_scan_bytes(body, len, &limits, &scan) != ERR_OK || body[scan.start] != '{')
		return ERR_BAD_REQUEST;
	char *p = skip_space(body + scan.start + 1);
	while (*p == '"') {
		char *name;
		size_t name_len;
		p = skip_space(read_string(p, &name, &name_len));
		struct flat_member *m = add(ret, name, name_len);
		if (m == NULL)
			return ERR_BAD_REQUEST;
		p = skip_space(read_json_value(skip_space(p + 1), m));
		if (inside && !is_sound(m))
			return ERR_BAD_REQUEST;
		/* A comma, or the end. */
		p = *p == ',' ? skip_space(p + 1) : p;
	}
	return ERR_OK;
}

enum err flat_json(char *body, size_t len, struct flat *ret)
{
	return read_json(body, len, true, ret);
}

enum err flat_json_top(char *body, size_t len, struct flat *ret)
{
	return read_json(body, len, false, ret);
}

/* ---- MessagePack */

static void take_value(struct msgpack_reader *r, struct flat_member *m)
{
	char *start = (char *)(uintptr_t)r->at;
	struct msgpack_reader first = *r;
	struct msgpack_value v = {0};

	(void)msgpack_next(&first, &v);
	msgpack_skip(r);
	switch (v.type) {
	case MSGPACK_NIL:
	case MSGPACK__MAX:
		m->type = FLAT_NULL;
		break;
	case MSGPACK_BOOL:
		m->type = FLAT_BOOL;
		break;
	case MSGPACK_INT:
		m->type = v.big ? FLAT_FLOAT : FLAT_INT;
		break;
	case MSGPACK_FLOAT:
		m->type = FLAT_FLOAT;
		break;
	case MSGPACK_STR:
	case MSGPACK_BIN:
		m->type = v.type == MSGPACK_STR ? FLAT_TEXT : FLAT_BYTES;
		m->p = (char *)(uintptr_t)v.bytes;
		m->len = v.len;
		break;
	case MSGPACK_ARRAY:
	case MSGPACK_MAP:
		m->type = v.type == MSGPACK_ARRAY ? FLAT_LIST : FLAT_OBJECT;
		m->p = start;
		m->len = (size_t)((const char *)r->at - start);
		break;
	}
	m->number = v.number;
}

enum err flat_msgpack(char *body, size_t len, struct flat *ret)
{
	struct msgpack_reader r = {(const unsigned char *)body, (const unsigned char *)body + len};
	struct msgpack_value map, key;
	size_t used;

	ret->n = 0;
	ret->msgpack = true;
	if (msgpack_check(body, len, &used) != ERR_OK || !msgpack_next(&r, &map) ||
	    map.type != MSGPACK_MAP)
		return ERR_BAD_REQUEST;
	for (uint32_t i = 0; i < map.count; i++) {
		(void)msgpack_next(&r, &key);
		struct flat_member *m = add(ret, key.bytes, key.len);
		if (m == NULL)
			return ERR_BAD_REQUEST;
		take_value(&r, m);
	}
	return ERR_OK;
}

/* ---- both */

struct flat_member *flat_find(struct flat *flat, const char *name)
{
	for (size_t i = 0; i < flat->n; i++)
		if (flat->v[i].name_len == strlen(name) &&
		    memcmp(flat->v[i].name, name, strlen(name)) == 0)
			return &flat->v[i];
	return NULL;
}

/*
 * Each item is at least as long as the byte it stands for, so the bytes never overtake the reader.
 */
static bool msgpack_bytes(struct flat_member *m)
{
	struct msgpack_reader r = {(const unsigned char *)m->p,
				   (const unsigned char *)m->p + m->len};
	struct msgpack_value v;
	char *out = m->p;

	(void)msgpack_next(&r, &v);
	for (uint32_t left = v.count; left > 0; left--) {
		if (!msgpack_next(&r, &v) || v.type != MSGPACK_INT || v.number < 0 ||
		    v.number > 255)
			return false;
		*out++ = (char)(unsigned char)v.number;
	}
	m->len = (size_t)(out - m->p);
	return true;
}

static bool json_bytes(struct flat_member *m)
{
	char *p = skip_space(m->p + 1), *out = m->p;

	while (*p != ']') {
		int v = 0;
		if (*p < '0' || *p > '9')
			return false;
		while (*p >= '0' && *p <= '9' && v <= 255)
			v = v * 10 + (*p++ - '0');
		if (v > 255)
			return false;
		/* A fraction or an exponent is neither a comma nor the end. */
		p = skip_space(p);
		if (*p != ',' && *p != ']')
			return false;
		if (*p == ',')
			p = skip_space(p + 1);
		*out++ = (char)(unsigned char)v;
	}
	m->len = (size_t)(out - m->p);
	return true;
}

bool flat_list_bytes(const struct flat *flat, struct flat_member *m)
{
	bool good = flat->msgpack ? msgpack_bytes(m) : json_bytes(m);

	if (good)
		m->type = FLAT_BYTES;
	return good;
}
