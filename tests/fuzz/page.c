/*
 * Goal: no model can change what a page is made of, and JSON and XML of any model are read as such:
 * the page of a hostile model has as many tags and quoted attributes as the page of the same model
 * with nothing special in its texts.
 * The input is a line with the template's name, then the model in JSON.
 */
#include <expat.h>
#include <stdio.h>

#include "fuzz.h"

#include "base/json.h"
#include "base/text.h"
#include "http/represent.h"
#include "http/template.h"

static const struct json_limits limits = {1 << 20, 32, 100000};

/*
 * A copy whose texts have letters for what means something in HTML; member names are the templates'
 * own.
 */
static json_object *harmless(const json_object *o)
{
	json_object *copy, *item;

	if (json_object_is_type(o, json_type_string)) {
		char *s = mem_strdup(json_object_get_string((json_object *)(uintptr_t)o));

		for (char *p = s; *p != '\0'; p++)
			if (strchr("<>\"'&", *p) != NULL)
				*p = 'x';
		copy = json_object_new_string(s);
		free(s);
		return copy;
	}
	if (json_object_is_type(o, json_type_array)) {
		copy = json_object_new_array();
		JSON_EACH(item, o) json_object_array_add(copy, harmless(item));
		return copy;
	}
	if (!json_object_is_type(o, json_type_object))
		return json_copy(o);
	copy = json_object_new_object();
	json_object_object_foreach(o, key, value) json_set(copy, key, harmless(value));
	return copy;
}

struct shape {
	size_t tags, quotes, scripts;
};

/* What is in a script is JSON, whose quotes are its own. */
static struct shape shape_of(const char *html)
{
	struct shape s = {0};

	for (const char *p = html; *p != '\0'; p++) {
		s.tags += *p == '<';
		s.quotes += *p == '"';
		if (strncmp(p, "<script type=\"application/json\"", 31) == 0) {
			p = strstr(p, "</script>");
			fuzz_check(p != NULL);
			s.scripts++;
		}
	}
	return s;
}

static char *print(struct pages *pages, const char *name, json_object *model, enum lang lang)
{
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	struct error error = {0};
	enum err err = pages_print(pages, name, model, "/m", lang, f, &error);

	fuzz_check(fclose(f) == 0);
	if (err != ERR_OK) {
		fuzz_check(error.text[0] != '\0');
		free(out);
		return NULL;
	}
	fuzz_check(text_is_utf8(out, len));
	return out;
}

static void check_page(const char *name, json_object *model)
{
	static struct pages *pages;
	json_object *plain = harmless(model);
	struct error error = {0};

	if (pages == NULL)
		fuzz_check(pages_load("templates", &pages, &error) == ERR_OK);
	for (int lang = 0; lang < LANG__MAX; lang++) {
		char *a = print(pages, name, model, (enum lang)lang),
		     *b = print(pages, name, plain, (enum lang)lang);

		fuzz_check((a == NULL) == (b == NULL));
		if (a != NULL) {
			struct shape x = shape_of(a), y = shape_of(b);

			fuzz_check(x.tags == y.tags && x.quotes == y.quotes &&
				   x.scripts == y.scripts);
		}
		free(a);
		free(b);
	}
	json_object_put(plain);
}

static void check_prints(json_object *model)
{
	for (int i = FORMAT_JSON; i < FORMAT__MAX; i++) {
		size_t len = 0;
		char *text = represent(model, (enum format)i, "Object", &len);
		json_object *again = NULL;

		if (i != FORMAT_XML) {
			fuzz_check(json_read(text, len, &limits, &again) == ERR_OK &&
				   json_equal(model, again));
			json_object_put(again);
		} else if (json_object_is_type(model, json_type_object)) {
			XML_Parser parser = XML_ParserCreate(NULL);

			fuzz_check(XML_Parse(parser, text, (int)len, 1) == XML_STATUS_OK);
			XML_ParserFree(parser);
		}
		free(text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const char *text = (const char *)input, *eol = size > 0 ? memchr(text, '\n', size) : NULL;
	json_object *model = NULL;

	if (eol == NULL || size > 1 << 16)
		return 0;
	size_t name_len = (size_t)(eol - text);
	/* Names of templates are ours. */
	for (size_t i = 0; i < name_len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz_", text[i]) == NULL || text[i] == '\0')
			return 0;
	if (json_read(eol + 1, size - name_len - 1, &limits, &model) == ERR_OK) {
		char *name = mem_strndup(text, name_len);

		check_page(name, model);
		check_prints(model);
		free(name);
	}
	json_object_put(model);
	return 0;
}
