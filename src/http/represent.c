#include "http/represent.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

const char *represent_type(enum format format)
{
	/* SuperMap's clients know the spelling without the blank. */
	static const char *const types[FORMAT__MAX] = {
	    [FORMAT_HTML] = "text/html; charset=utf-8",
	    [FORMAT_JSON] = "application/json; charset=utf-8",
	    [FORMAT_RJSON] = "application/json;charset=UTF-8",
	    [FORMAT_XML] = "application/xml;charset=UTF-8",
	};

	return types[format];
}

/* ---- RJSON: the same data, indented by four */

static void indent(FILE *out, int depth)
{
	fprintf(out, "\n%*s", 4 * depth, "");
}

static void print_rjson(FILE *out, const json_object *o, int depth)
{
	size_t n = 0;

	switch (json_object_get_type(o)) {
	case json_type_object:
		fputc('{', out);
		json_object_object_foreach((json_object *)o, key, value)
		{
			fputs(n++ > 0 ? "," : "", out);
			indent(out, depth + 1);
			fputc('"', out);
			escape_json(out, key);
			fputs("\": ", out);
			print_rjson(out, value, depth + 1);
		}
		if (n > 0)
			indent(out, depth);
		fputc('}', out);
		return;
	case json_type_array:
		fputc('[', out);
		for (; n < json_len(o); n++) {
			fputs(n > 0 ? "," : "", out);
			indent(out, depth + 1);
			print_rjson(out, json_object_array_get_idx(o, n), depth + 1);
		}
		if (n > 0)
			indent(out, depth);
		fputc(']', out);
		return;
	case json_type_string:
		fputc('"', out);
		escape_json(out, json_object_get_string((json_object *)o));
		fputc('"', out);
		return;
	case json_type_null:
	case json_type_boolean:
	case json_type_double:
	case json_type_int:
		fputs(o == NULL ? "null" : json_object_to_json_string((json_object *)o), out);
	}
}

/* ---- XML */

/* The class of the objects in a list, by the member that holds the list. */
static const struct {
	const char *member, *element;
} classes[] = {
    {"content", "DataItem"},
    {"authorizeSetting", "IportalDataAuthorizeEntity"},
    {"dataItemServices", "DataServiceInfo"},
};

/* A member's name as an element's: what XML does not take becomes '_'. */
static void print_name(FILE *out, const char *name)
{
	int32_t cp;
	size_t len = strlen(name);

	if (len == 0 || (*name >= '0' && *name <= '9') || *name == '-' || *name == '.')
		fputc('_', out);
	for (size_t i = 0; i < len;) {
		size_t n = text_decode(name + i, len - i, &cp);
		bool plain =
		    n > 0 && (cp < 0x80 ? strchr("-._", cp) != NULL || (cp >= '0' && cp <= '9') ||
					      (cp >= 'A' && cp <= 'Z') || (cp >= 'a' && cp <= 'z')
					: text_is_letter(cp));
		if (plain)
			fwrite(name + i, 1, n, out);
		else
			fputc('_', out);
		i += n > 0 ? n : 1;
	}
}

static void print_element(FILE *out, const char *name, const json_object *o,
			  const char *item_class);

/* What the items of a list are called: their type, or CLASS. */
static void print_items(FILE *out, const json_object *list, const char *class)
{
	json_object *item = NULL;

	JSON_EACH(item, list)
	{
		switch (json_object_get_type(item)) {
		case json_type_null:
			break;
		case json_type_boolean:
			print_element(out, "boolean", item, NULL);
			break;
		case json_type_double:
			print_element(out, "double", item, NULL);
			break;
		case json_type_int:
			print_element(out, "int", item, NULL);
			break;
		case json_type_string:
			print_element(out, "string", item, NULL);
			break;
		case json_type_array:
			print_element(out, "list", item, class);
			break;
		case json_type_object:
			print_element(out, class != NULL ? class : "Object", item, NULL);
			break;
		}
	}
}

static void print_element(FILE *out, const char *name, const json_object *o, const char *item_class)
{
	fputc('<', out);
	print_name(out, name);
	fputc('>', out);
	if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach((json_object *)o, key, value)
		{
			const char *class = NULL;
			for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
				if (strcmp(classes[i].member, key) == 0)
					class = classes[i].element;
			if (value != NULL)
				print_element(out, key, value, class);
		}
	} else if (json_object_is_type(o, json_type_array)) {
		print_items(out, o, item_class);
	} else if (o != NULL) {
		escape_xml(out, json_object_get_string((json_object *)o));
	}
	fputs("</", out);
	print_name(out, name);
	fputc('>', out);
}

static void print_xml(FILE *out, const json_object *model, const char *root)
{
	const char *slash = strchr(root, '/');
	CLEAN_FREE char *name =
	    mem_strndup(root, slash != NULL ? (size_t)(slash - root) : strlen(root));

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n", out);
	print_element(out, name, model, slash != NULL ? slash + 1 : NULL);
}

char *represent(const json_object *model, enum format format, const char *root_element,
		size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0;

	if (format == FORMAT_JSON || format == FORMAT_HTML)
		return json_print(model, ret_len);
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		mem_die();
	if (format == FORMAT_RJSON)
		print_rjson(out, model, 0);
	else
		print_xml(out, model, root_element);
	if (fclose(out) != 0)
		mem_die();
	if (ret_len != NULL)
		*ret_len = len;
	return text;
}
