/*
 * Goal: a flat object, as MessagePack or as JSON, is read without a fault and never beyond its end;
 * what is taken the libraries take as well, with the same values.  An input that begins with '{' or
 * white space is JSON.
 */
#include "fuzz.h"

#include <msgpack/unpack.h>

#include "base/text.h"
#include "http/flat.h"
#include "http/msgpack.h"

/* The library's pointer to nothing is NULL. */
static bool same_bytes(const void *a, const void *b, size_t n)
{
	return n == 0 || memcmp(a, b, n) == 0;
}

static const msgpack_object *find(const msgpack_object *map, const struct flat_member *m)
{
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *kv = &map->via.map.ptr[i];
		if (kv->key.via.str.size == m->name_len &&
		    same_bytes(kv->key.via.str.ptr, m->name, m->name_len))
			return &kv->val;
	}
	return NULL;
}

static void same_msgpack(const struct flat_member *m, const msgpack_object *o)
{
	fuzz_check(o != NULL);
	switch (m->type) {
	case FLAT_INT:
		fuzz_check(o->type == MSGPACK_OBJECT_POSITIVE_INTEGER
			       ? o->via.u64 == (uint64_t)m->number
			       : o->via.i64 == m->number);
		break;
	case FLAT_TEXT:
		fuzz_check(o->type == MSGPACK_OBJECT_STR && o->via.str.size == m->len &&
			   same_bytes(o->via.str.ptr, m->p, m->len) && text_is_utf8(m->p, m->len));
		break;
	case FLAT_BYTES:
		fuzz_check(o->type == MSGPACK_OBJECT_BIN && o->via.bin.size == m->len &&
			   same_bytes(o->via.bin.ptr, m->p, m->len));
		break;
	case FLAT_BOOL:
		fuzz_check(o->type == MSGPACK_OBJECT_BOOLEAN && o->via.boolean == (m->number != 0));
		break;
	case FLAT_NULL:
	case FLAT_FLOAT:
	case FLAT_LIST:
	case FLAT_OBJECT:
	case FLAT__MAX:
		break;
	}
}

static bool check_msgpack(char *body, size_t size, struct flat *flat)
{
	msgpack_unpacked theirs;
	size_t used = 0, off = 0;

	if (flat_msgpack(body, size, flat) != ERR_OK)
		return false;
	msgpack_unpacked_init(&theirs);
	fuzz_check(msgpack_unpack_next(&theirs, body, size, &off) == MSGPACK_UNPACK_SUCCESS);
	fuzz_check(msgpack_check(body, size, &used) == ERR_OK && used == off);
	fuzz_check(theirs.data.type == MSGPACK_OBJECT_MAP && theirs.data.via.map.size == flat->n);
	for (size_t i = 0; i < flat->n; i++)
		same_msgpack(&flat->v[i], find(&theirs.data, &flat->v[i]));
	msgpack_unpacked_destroy(&theirs);
	return true;
}

/* BEFORE is the same text, which nothing was unescaped in. */
static bool check_json(char *body, size_t size, const char *before, struct flat *flat)
{
	const struct json_limits limits = {1 << 24, FLAT_DEPTH, 100000};
	json_object *theirs = NULL, *o = NULL;

	if (flat_json(body, size, flat) != ERR_OK)
		return false;
	if (json_read(before, size, &limits, &theirs) != ERR_OK)
		return true; /* a NUL in a string is ours alone */
	fuzz_check(json_object_is_type(theirs, json_type_object) &&
		   (size_t)json_object_object_length(theirs) == flat->n);
	for (size_t i = 0; i < flat->n; i++) {
		const struct flat_member *m = &flat->v[i];
		char *name = mem_strndup(m->name, m->name_len);
		fuzz_check(json_object_object_get_ex(theirs, name, &o));
		if (m->type == FLAT_INT)
			fuzz_check(json_object_get_int64(o) == m->number);
		if (m->type == FLAT_TEXT)
			fuzz_check((size_t)json_object_get_string_len(o) == m->len &&
				   memcmp(json_object_get_string(o), m->p, m->len) == 0);
		free(name);
	}
	json_object_put(theirs);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct flat flat;
	char *body = malloc(size > 0 ? size : 1);

	memcpy(body, input, size);
	bool json = size > 0 && input[0] != '\0' && strchr("{ \t\r\n", (char)input[0]) != NULL;
	bool taken = json ? check_json(body, size, (const char *)input, &flat)
			  : check_msgpack(body, size, &flat);
	/* Whatever stands in the list, reading it stays inside. */
	for (size_t i = 0; taken && i < flat.n; i++)
		if (flat.v[i].type == FLAT_LIST)
			(void)flat_list_bytes(&flat, &flat.v[i]);
	free(body);
	return 0;
}
