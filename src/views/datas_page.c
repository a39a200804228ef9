/*
 * The catalogue's list as a page for people: search, filters, order, pages; by form and links
 * alone. Source: contracts/datas.md 2.
 */
#include <string.h>
#include "views/datas.h"
#include "base/mem.h"

/* Query parameters but SKIP, as the pairs a template puts into links and forms. */
static json_object *kept(const struct call *call, const char *const *skip)
{
	const struct pairs *q = &call->req->query;
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < q->n; i++) {
		bool out = *q->v[i].value == '\0';
		for (const char *const *s = skip; *s != NULL; s++)
			out = out || strcmp(*s, q->v[i].name) == 0;
		if (out)
			continue;
		json_object *p = json_object_new_object();
		json_set_str(p, "name", q->v[i].name);
		json_set_str(p, "value", q->v[i].value);
		json_object_array_add(list, p);
	}
	return list;
}

/* What was asked for, but paging and order: told above the list. */
static json_object *filters_told(const struct datas_query *d)
{
	static const char *const quiet[] = {"currentPage", "pageSize",	  "orderBy",   "orderType",
					    "keywords",	   "types",	  "type",      "userName",
					    "tags",	   "createStart", "createEnd", "dirIds",
					    "returnSubDir"};
	json_object *list = json_object_new_array();

	json_object_object_foreach(d->echo, name, value)
	{
		bool out = value == NULL || (json_object_is_type(value, json_type_int) &&
					     json_object_get_int64(value) < 0);
		for (size_t i = 0; i < sizeof(quiet) / sizeof(*quiet); i++)
			out = out || strcmp(quiet[i], name) == 0;
		if (out)
			continue;
		json_object *f = json_object_new_object();
		CLEAN_FREE char *text = json_object_is_type(value, json_type_string)
					    ? mem_strdup(json_object_get_string(value))
					    : json_print(value, NULL);
		json_set_str(f, "name", name);
		json_set_str(f, "value", text);
		json_object_array_add(list, f);
	}
	return list;
}

/* The words of the search field: the keywords as they were given, with blanks between them. */
static char *keywords_told(const struct datas_query *d)
{
	char *text = mem_strdup("");
	json_object *k = NULL;

	JSON_EACH(k, json_arr(d->echo, "keywords"))
	{
		char *longer =
		    mem_printf("%s%s%s", text, *text != '\0' ? " " : "", json_object_get_string(k));
		free(text);
		text = longer;
	}
	return text;
}

static json_object *choices(const char *const *words, size_t n, const char *chosen)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		json_object *o = json_object_new_object();
		json_set_str(o, "word", words[i]);
		json_set_bool(o, "chosen", chosen != NULL && strcmp(words[i], chosen) == 0);
		json_object_array_add(list, o);
	}
	return list;
}

/* What the field of a list parameter holds: its one text, or all of them as they are written in a
 * query. */
static char *field_text(const json_object *list)
{
	const char *only = json_len(list) == 1 ? json_object_get_string(json_at(list, 0)) : "[";

	if (json_len(list) == 0)
		return mem_strdup("");
	return *only != '[' ? mem_strdup(only) : json_print(list, NULL);
}

/* The directories to choose from, each under the names above it: 1 = "top / low".  Caller frees. */
static enum err directories(struct call *call, const struct datas_query *d, json_object **ret)
{
	CLEAN_JSON json_object *paths = json_object_new_object();
	CLEAN_JSON json_object *all = NULL;
	int64_t chosen = json_object_get_int64(json_at(json_arr(d->echo, "dirIds"), 0));
	json_object *list = json_object_new_array(), *dir = NULL;
	enum err err = catalog_dir_list(call->ctx->catalog, &all, &call->error);

	JSON_EACH(dir, all)
	{
		CLEAN_FREE char *id = mem_printf("%lld", (long long)json_int(dir, "id", 0));
		CLEAN_FREE char *above = mem_printf("%lld", (long long)json_int(dir, "parent", 0));
		const char *path = json_str(paths, above, NULL);
		CLEAN_FREE char *name =
		    mem_printf("%s%s%s", path != NULL ? path : "", path != NULL ? " / " : "",
			       json_str(dir, "name", ""));
		json_object *o = json_object_new_object();
		json_set_str(paths, id, name);
		json_set_str(json_set_str(o, "id", id), "name", name);
		json_object_array_add(list,
				      json_set_bool(o, "chosen", json_int(dir, "id", 0) == chosen));
	}
	*ret = list;
	return err;
}

/* What stands in the form's filters beside words and type. */
static enum err filter_fields(struct call *call, const struct datas_query *d, json_object *m)
{
	CLEAN_FREE char *tags = field_text(json_arr(d->echo, "tags"));
	json_object *dirs = NULL;
	enum err err = directories(call, d, &dirs);

	json_set_str(m, "owner", json_str(d->echo, "userName", ""));
	json_set_str(m, "tags", tags);
	json_set_str(m, "from", d->from);
	json_set_str(m, "to", d->to);
	json_set(m, "dirs", dirs);
	return err;
}

/* Was anything asked for that leaves items out? */
static bool is_narrowed(const struct datas_query *d)
{
	static const char *const lists[] = {"keywords", "types", "tags", "dirIds"};
	bool narrowed = json_get(d->echo, "type") != NULL ||
			json_get(d->echo, "userName") != NULL || d->q.with_created_from ||
			d->q.with_created_to;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		narrowed = narrowed || json_len(json_arr(d->echo, lists[i])) > 0;
	return narrowed;
}

enum err datas_page(struct call *call, const struct datas_query *d, bool mine, json_object *m)
{
	static const char *const types[] = {"CSV",   "EXCEL",	"GEOJSON", "JSON",   "SHP",
					    "IMAGE", "MBTILES", "PDF",	   "UNKNOWN"};
	static const char *const orders[] = {"ID",	   "FILENAME",	   "LASTMODIFIEDTIME",
					     "CREATETIME", "SIZE",	   "TYPE",
					     "USERNAME",   "DOWNLOADCOUNT"};
	static const char *const in_form[] = {
	    "keywords",	 "types",    "type", "orderBy", "orderType",	"currentPage",
	    "lang",	 "userName", "tags", "dirIds",	"returnSubDir", "createStart",
	    "createEnd", "from",     "to",   NULL};
	static const char *const in_links[] = {"currentPage", "lang", NULL};
	static const char *const in_formats[] = {"lang", NULL};
	CLEAN_FREE char *keywords = keywords_told(d);
	json_object *type = json_at(json_arr(d->echo, "types"), 0);
	int64_t pages = json_int(m, "totalPage", 0);

	json_set_bool(m, "mine", mine);
	json_set_str(m, "place", mine ? "/iportal/web/mycontent/datas" : "/iportal/web/datas");
	json_set_str(m, "keywords", keywords);
	json_set(
	    m, "type_choices",
	    choices(types, sizeof(types) / sizeof(*types),
		    type != NULL ? json_object_get_string(type) : json_str(d->echo, "type", NULL)));
	json_set(
	    m, "order_choices",
	    choices(orders, sizeof(orders) / sizeof(*orders), json_str(d->echo, "orderBy", "ID")));
	json_set_bool(m, "descending", d->q.descending);
	json_set(m, "filters", filters_told(d));
	json_set(m, "form_keep", kept(call, in_form));
	json_set(m, "link_keep", kept(call, in_links));
	json_set(m, "keep", kept(call, in_formats));
	json_set_int(m, "previous", d->page > 1 ? (d->page - 1 < pages ? d->page - 1 : pages) : 0);
	json_set_int(m, "next", d->page < pages ? d->page + 1 : 0);
	json_set_bool(m, "narrowed", is_narrowed(d) || json_len(json_arr(m, "filters")) > 0);
	enum err err = filter_fields(call, d, m);
	if (err != ERR_OK) {
		json_object_put(m);
		return err;
	}
	return supermap_page(call, 200, "datas", mine ? "title.datas_mine" : "title.datas", m);
}
