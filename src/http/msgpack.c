#include "http/msgpack.h"

#include <msgpack/pack.h>
#include <msgpack/sbuffer.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* ---- reading */

/* The N bytes at P as a number, the most significant first. */
static uint64_t big_endian(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static double real_of(const unsigned char *p, size_t n)
{
	uint64_t bits = big_endian(p, n);
	double d;

	if (n == 4) {
		uint32_t half = (uint32_t)bits;
		float f;
		memcpy(&f, &half, sizeof(f));
		return (double)f;
	}
	memcpy(&d, &bits, sizeof(d));
	return d;
}

/* The codes that announce a number of N bytes: what that number is. */
enum head {
	HEAD_BAD,
	HEAD_NIL,
	HEAD_FALSE,
	HEAD_TRUE,
	HEAD_UINT,
	HEAD_SINT,
	HEAD_REAL,
	HEAD_LEN_STR,
	HEAD_LEN_BIN,
	HEAD_LEN_ARRAY,
	HEAD_LEN_MAP
};

static const struct {
	unsigned char head; /* enum head */
	unsigned char n;    /* bytes behind the code */
} heads[32] = {
    /* 0xc0 and on; 0xc1 is never used, ext (0xc7-0xc9, 0xd4-0xd8) is not taken */
    {HEAD_NIL, 0},	 {HEAD_BAD, 0},	      {HEAD_FALSE, 0},	 {HEAD_TRUE, 0},
    {HEAD_LEN_BIN, 1},	 {HEAD_LEN_BIN, 2},   {HEAD_LEN_BIN, 4}, {HEAD_BAD, 0},
    {HEAD_BAD, 0},	 {HEAD_BAD, 0},	      {HEAD_REAL, 4},	 {HEAD_REAL, 8},
    {HEAD_UINT, 1},	 {HEAD_UINT, 2},      {HEAD_UINT, 4},	 {HEAD_UINT, 8},
    {HEAD_SINT, 1},	 {HEAD_SINT, 2},      {HEAD_SINT, 4},	 {HEAD_SINT, 8},
    {HEAD_BAD, 0},	 {HEAD_BAD, 0},	      {HEAD_BAD, 0},	 {HEAD_BAD, 0},
    {HEAD_BAD, 0},	 {HEAD_LEN_STR, 1},   {HEAD_LEN_STR, 2}, {HEAD_LEN_STR, 4},
    {HEAD_LEN_ARRAY, 2}, {HEAD_LEN_ARRAY, 4}, {HEAD_LEN_MAP, 2}, {HEAD_LEN_MAP, 4},
};

/* What a code from 0xc0 on and the N bytes behind it say. */
static void head_value(enum head head, const unsigned char *p, size_t n, struct msgpack_value *v)
{
	uint64_t u = big_endian(p, n);

	switch (head) {
	case HEAD_BAD:
	case HEAD_NIL:
		v->type = MSGPACK_NIL;
		break;
	case HEAD_FALSE:
	case HEAD_TRUE:
		v->type = MSGPACK_BOOL;
		v->number = head == HEAD_TRUE;
		break;
	case HEAD_UINT:
		v->type = MSGPACK_INT;
		v->big = u > INT64_MAX;
		v->number = v->big ? INT64_MAX : (int64_t)u;
		break;
	case HEAD_SINT:
		v->type = MSGPACK_INT;
		/* The sign stands in the first bit of N bytes. */
		v->number = n == 1   ? (int8_t)u
			    : n == 2 ? (int16_t)u
			    : n == 4 ? (int32_t)u
				     : (int64_t)u;
		break;
	case HEAD_REAL:
		v->type = MSGPACK_FLOAT;
		v->real = real_of(p, n);
		break;
	case HEAD_LEN_STR:
	case HEAD_LEN_BIN:
		v->type = head == HEAD_LEN_STR ? MSGPACK_STR : MSGPACK_BIN;
		v->len = (size_t)u;
		break;
	case HEAD_LEN_ARRAY:
	case HEAD_LEN_MAP:
		v->type = head == HEAD_LEN_ARRAY ? MSGPACK_ARRAY : MSGPACK_MAP;
		v->count = (uint32_t)u;
		break;
	}
}

/* The forms that hold their number in the code itself. */
static void short_value(unsigned char c, struct msgpack_value *v)
{
	if (c < 0x80 || c >= 0xe0) {
		v->type = MSGPACK_INT;
		v->number = (int8_t)c;
	} else if (c >= 0xa0) {
		v->type = MSGPACK_STR;
		v->len = c & 0x1f;
	} else {
		v->type = c < 0x90 ? MSGPACK_MAP : MSGPACK_ARRAY;
		v->count = c & 0x0f;
	}
}

bool msgpack_next(struct msgpack_reader *r, struct msgpack_value *ret)
{
	const unsigned char *p = r->at;
	struct msgpack_value v = {0};

	if (p == r->end)
		return false;
	unsigned char c = *p++;
	if (c >= 0xc0 && c < 0xe0) {
		enum head head = (enum head)heads[c - 0xc0].head;
		size_t n = heads[c - 0xc0].n;
		if (head == HEAD_BAD || (size_t)(r->end - p) < n)
			return false;
		head_value(head, p, n, &v);
		p += n;
	} else {
		short_value(c, &v);
	}
	if (v.type == MSGPACK_STR || v.type == MSGPACK_BIN) {
		if ((size_t)(r->end - p) < v.len)
			return false;
		v.bytes = (const char *)p;
		p += v.len;
	}
	r->at = p;
	*ret = v;
	return true;
}

/* ---- checking */

struct check {
	struct msgpack_reader reader;
	/* of the maps that are open, the inner ones behind the outer ones; owned */
	struct msgpack_value *keys;
	size_t n_keys, max_keys; /* of them; that there is room for */
	size_t seen;		 /* keys of all maps so far */
};

static bool check_value(struct check *c, int depth); /* inside DEPTH arrays and maps */

static bool check_key(struct check *c, size_t first)
{
	struct msgpack_value key;

	if (c->seen++ == MSGPACK_KEYS || !msgpack_next(&c->reader, &key) ||
	    key.type != MSGPACK_STR || !text_is_utf8(key.bytes, key.len))
		return false;
	for (size_t i = first; i < c->n_keys; i++)
		if (c->keys[i].len == key.len && memcmp(c->keys[i].bytes, key.bytes, key.len) == 0)
			return false;
	if (c->n_keys == c->max_keys) {
		c->max_keys = c->max_keys == 0 ? 16 : 2 * c->max_keys;
		c->keys = mem_resize(c->keys, c->max_keys, sizeof(*c->keys));
	}
	c->keys[c->n_keys++] = key;
	return true;
}

static bool check_map(struct check *c, uint32_t count, int depth)
{
	size_t first = c->n_keys;

	for (uint32_t i = 0; i < count; i++)
		if (!check_key(c, first) || !check_value(c, depth))
			return false;
	c->n_keys = first;
	return true;
}

/* Each item takes a byte at least, so items that are not there end this soon. */
static bool check_array(struct check *c, uint32_t count, int depth)
{
	for (uint32_t i = 0; i < count; i++)
		if (!check_value(c, depth))
			return false;
	return true;
}

static bool check_value(struct check *c, int depth)
{
	struct msgpack_value v;

	if (!msgpack_next(&c->reader, &v))
		return false;
	switch (v.type) {
	case MSGPACK_STR:
		return text_is_utf8(v.bytes, v.len);
	case MSGPACK_ARRAY:
		return depth < MSGPACK_DEPTH && check_array(c, v.count, depth + 1);
	case MSGPACK_MAP:
		return depth < MSGPACK_DEPTH && check_map(c, v.count, depth + 1);
	case MSGPACK_NIL:
	case MSGPACK_BOOL:
	case MSGPACK_INT:
	case MSGPACK_FLOAT:
	case MSGPACK_BIN:
	case MSGPACK__MAX:
		break;
	}
	return true;
}

enum err msgpack_check(const void *bytes, size_t len, size_t *ret_used)
{
	const unsigned char *start = bytes;
	struct check c = {.reader = {start, start + len}};
	bool good = check_value(&c, 0);

	free(c.keys);
	if (!good)
		return ERR_BAD_REQUEST;
	*ret_used = (size_t)(c.reader.at - start);
	return ERR_OK;
}

void msgpack_skip(struct msgpack_reader *r)
{
	struct msgpack_value v;

	/* Values still to come: an array or map adds its own. */
	for (uint64_t left = 1; left > 0 && msgpack_next(r, &v); left--)
		left += v.type == MSGPACK_ARRAY ? v.count
			: v.type == MSGPACK_MAP ? 2 * (uint64_t)v.count
						: 0;
}

/* ---- printing */

static void print_value(msgpack_packer *pk, const json_object *o);

static void print_text(msgpack_packer *pk, const char *s, size_t len)
{
	(void)msgpack_pack_str_with_body(pk, s, len);
}

static void print_object(msgpack_packer *pk, const json_object *o)
{
	(void)msgpack_pack_map(pk, (size_t)json_object_object_length(o));
	json_object_object_foreach((json_object *)(uintptr_t)o, key, value)
	{
		print_text(pk, key, strlen(key));
		print_value(pk, value);
	}
}

static void print_value(msgpack_packer *pk, const json_object *o)
{
	json_object *item;

	switch (json_object_get_type(o)) {
	case json_type_null:
		(void)msgpack_pack_nil(pk);
		break;
	case json_type_boolean:
		(void)(json_object_get_boolean(o) ? msgpack_pack_true(pk) : msgpack_pack_false(pk));
		break;
	case json_type_int:
		(void)msgpack_pack_int64(pk, json_object_get_int64(o));
		break;
	case json_type_double:
		(void)msgpack_pack_double(pk, json_object_get_double(o));
		break;
	case json_type_string:
		print_text(pk, json_object_get_string((json_object *)(uintptr_t)o),
			   (size_t)json_object_get_string_len(o));
		break;
	case json_type_array:
		(void)msgpack_pack_array(pk, json_len(o));
		JSON_EACH(item, o)
		print_value(pk, item);
		break;
	case json_type_object:
		print_object(pk, o);
		break;
	}
}

static int print_bytes(void *buffer, const char *bytes, size_t n)
{
	if (msgpack_sbuffer_write(buffer, bytes, n) != 0)
		mem_die();
	return 0;
}

char *msgpack_print(const json_object *model, size_t *ret_len)
{
	msgpack_sbuffer buffer;
	msgpack_packer pk;

	msgpack_sbuffer_init(&buffer);
	msgpack_packer_init(&pk, &buffer, print_bytes);
	print_value(&pk, model);
	*ret_len = buffer.size;
	return msgpack_sbuffer_release(&buffer);
}
