#include "http/xmlbody.h"

#include <expat.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define MAX_LEVELS 64

/* One open element: what it holds is known when it ends. */
struct level {
	char *name;
	char *text;
	size_t len;
	json_object *members; /* NULL: none yet */
	json_object *items;   /* NULL: none yet */
};

struct reading {
	XML_Parser parser;
	const struct json_limits *limits;
	struct level levels[MAX_LEVELS];
	int depth;
	size_t elements;
	json_object *result;
	enum err err;
};

static void stop(struct reading *r, enum err err)
{
	if (r->err == ERR_OK) {
		r->err = err;
		(void)XML_StopParser(r->parser, XML_FALSE);
	}
}

/* Names of list items, not of members: values by their type, objects by their class. */
static bool is_item(const char *name)
{
	static const char *const types[] = {"string",  "int",  "long",	 "double", "boolean",
					    "Integer", "Long", "String", "Double", "Boolean"};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i], name) == 0)
			return true;
	return *name >= 'A' && *name <= 'Z' && strcmp(name, "MD5") != 0;
}

static void level_done(struct level *l)
{
	free(l->name);
	free(l->text);
	json_object_put(l->members);
	json_object_put(l->items);
	*l = (struct level){0};
}

static void on_start(void *user, const char *name, const char **attributes)
{
	struct reading *r = user;

	(void)attributes;
	if (r->err != ERR_OK)
		return;
	if (r->depth >= MAX_LEVELS || r->depth >= r->limits->depth ||
	    ++r->elements > r->limits->keys) {
		stop(r, ERR_TOO_LARGE);
		return;
	}
	r->levels[r->depth++] = (struct level){.name = mem_strdup(name)};
}

/* What an ended element stands for.  Owned by the caller. */
static json_object *value_of(struct level *l, bool is_list)
{
	if (l->members != NULL)
		return json_object_get(l->members);
	if (l->items != NULL)
		return json_object_get(l->items);
	if (is_list)
		return json_object_new_array();
	CLEAN_FREE char *trimmed = text_trim(l->text != NULL ? l->text : "");
	return trimmed == NULL || *trimmed == '\0' ? NULL : json_object_new_string(trimmed);
}

static void add_to_parent(struct reading *r, const char *name, json_object *value)
{
	struct level *parent = &r->levels[r->depth - 1];
	bool item = is_item(name) || strcmp(parent->name, "list") == 0;

	if ((item && parent->members != NULL) || (!item && parent->items != NULL) ||
	    (!item && parent->members != NULL &&
	     json_object_object_get_ex(parent->members, name, NULL))) {
		json_object_put(value);
		stop(r, ERR_BAD_REQUEST);
		return;
	}
	if (item) {
		if (parent->items == NULL)
			parent->items = json_object_new_array();
		json_object_array_add(parent->items, value);
		return;
	}
	if (parent->members == NULL)
		parent->members = json_object_new_object();
	json_set(parent->members, name, value);
}

static void on_end(void *user, const char *name)
{
	struct reading *r = user;

	if (r->err != ERR_OK)
		return;
	struct level *l = &r->levels[r->depth - 1];
	json_object *value = value_of(l, r->depth == 1 && strcmp(name, "list") == 0);
	level_done(l);
	r->depth--;
	if (r->depth == 0)
		r->result = value != NULL ? value : json_object_new_object();
	else
		add_to_parent(r, name, value);
}

static void on_text(void *user, const char *s, int len)
{
	struct reading *r = user;

	if (r->err != ERR_OK || r->depth == 0)
		return;
	struct level *l = &r->levels[r->depth - 1];
	l->text = mem_resize(l->text, l->len + (size_t)len + 1, 1);
	memcpy(l->text + l->len, s, (size_t)len);
	l->len += (size_t)len;
	l->text[l->len] = '\0';
}

static void on_doctype(void *user, const char *name, const char *system, const char *public,
		       int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	stop(user, ERR_BAD_REQUEST);
}

enum err xmlbody_read(const char *text, size_t len, const struct json_limits *limits,
		      json_object **ret)
{
	struct reading r = {.limits = limits};

	if (len > limits->bytes || len > INT32_MAX)
		return ERR_TOO_LARGE;
	r.parser = XML_ParserCreate(NULL);
	if (r.parser == NULL)
		mem_die();
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	if (XML_Parse(r.parser, text, (int)len, 1) != XML_STATUS_OK && r.err == ERR_OK)
		r.err = ERR_BAD_REQUEST;
	XML_ParserFree(r.parser);
	while (r.depth > 0)
		level_done(&r.levels[--r.depth]);
	if (r.err != ERR_OK) {
		json_object_put(r.result);
		return r.err;
	}
	*ret = r.result;
	return ERR_OK;
}
