/*
 * The catalogue as iPortal's clients read it: lists and single items.
 * Source: contracts/datas.md 4, 5, 8.
 */
#include "views/datas_print.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"
#include "views/views.h"

#define STRETCH 200 /* items in memory at once */

/* ---- the list as a page */

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
	static const char *const quiet[] = {"currentPage", "pageSize", "orderBy", "orderType",
					    "keywords",	   "types",    "type"};
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

static enum err list_page(struct call *call, const struct datas_query *d, bool mine, json_object *m)
{
	static const char *const types[] = {"CSV",   "EXCEL",	"GEOJSON", "JSON",   "SHP",
					    "IMAGE", "MBTILES", "PDF",	   "UNKNOWN"};
	static const char *const orders[] = {"ID",	   "FILENAME",	   "LASTMODIFIEDTIME",
					     "CREATETIME", "SIZE",	   "TYPE",
					     "USERNAME",   "DOWNLOADCOUNT"};
	static const char *const in_form[] = {"keywords",  "types",	  "type", "orderBy",
					      "orderType", "currentPage", "lang", NULL};
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
	bool narrowed = *keywords != '\0' || json_len(json_arr(m, "filters")) > 0 ||
			json_arr(d->echo, "types") != NULL || json_get(d->echo, "type") != NULL;
	json_set_bool(m, "narrowed", narrowed);
	return supermap_page(call, 200, "datas", mine ? "title.datas_mine" : "title.datas", m);
}

/* ---- lists */

/* One stretch of the page, as clients read it.  Caller frees *RET. */
static enum err stretch(struct call *call, struct datas_query *d, json_object **ret,
			size_t *ret_total)
{
	json_object *items = NULL, *item = NULL;
	enum err err = catalog_items(call->ctx->catalog, &d->q, &items, ret_total, &call->error);

	JSON_EACH(item, items)
	{
		if (err == ERR_OK)
			err = datas_item_tell(call, item, d->services);
	}
	if (err == ERR_OK)
		*ret = items;
	else
		json_object_put(items);
	return err;
}

/* The members beside "content". */
static json_object *frame(const struct datas_query *d, size_t total)
{
	json_object *m = json_object_new_object();
	size_t size = (size_t)d->size;

	json_set_int(m, "total", (int64_t)total);
	json_set_int(m, "totalPage", (int64_t)((total + size - 1) / size));
	json_set_int(m, "pageSize", d->size);
	json_set_int(m, "currentPage", d->page);
	json_set(m, "searchParameter", json_object_get(d->echo));
	return m;
}

/* A page too long for memory goes through a file, stretch by stretch. */
static enum err long_list(struct call *call, struct datas_query *d, json_object *first,
			  size_t total)
{
	CLEAN_JSON json_object *m = frame(d, total);
	struct printing p;
	size_t end = d->q.skip + (size_t)d->size;
	json_object *items = first, *item = NULL;
	enum err err = printing_begin(call, "Page", &p);

	if (err != ERR_OK)
		return err;
	json_object_object_foreach(m, name, value) printing_model(&p, name, false, value);
	printing_open(&p, "content", '[');
	while (err == ERR_OK && json_len(items) > 0) {
		JSON_EACH(item, items)
		printing_model(&p, "DataItem", true, item);
		if (items != first)
			json_object_put(items);
		items = NULL;
		d->q.skip += d->q.max;
		if (d->q.skip >= end)
			break;
		if (d->q.max > end - d->q.skip)
			d->q.max = end - d->q.skip;
		err = stretch(call, d, &items, &total);
	}
	if (items != first)
		json_object_put(items);
	printing_close(&p, "content", ']');
	if (err == ERR_OK)
		return printing_end(&p, "Page");
	printing_drop(&p);
	return err;
}

static enum err list(struct call *call, bool mine)
{
	bool page = call->supermap.format == SUPERMAP_HTML;
	json_object *items = NULL;
	struct datas_query d;
	size_t total = 0;
	enum err err = datas_query_read(call, mine, &d);

	if (d.q.max > STRETCH)
		d.q.max = STRETCH;
	if (err == ERR_OK)
		err = stretch(call, &d, &items, &total);
	if (err == ERR_OK && (size_t)d.size > d.q.max && json_len(items) == d.q.max) {
		err = long_list(call, &d, items, total);
		json_object_put(items);
	} else if (err == ERR_OK) {
		json_object *m = frame(&d, total);
		json_set(m, "content", items);
		err = page ? list_page(call, &d, mine, m) : supermap_answer(call, 200, "Page", m);
	}
	datas_query_done(&d);
	return err;
}

enum err datas_view(struct call *call)
{
	return list(call, false);
}

enum err mycontent_list_view(struct call *call)
{
	return list(call, true);
}

/* ---- one item */

static enum err item_page(struct call *call, json_object *model, bool download)
{
	json_object *m = json_object_new_object();

	json_set_bool(m, "may_download",
		      download && strcmp(json_str(model, "status", ""), "OK") == 0);
	json_set(m, "item", model);
	return supermap_page(call, 200, "datas_item", "title.datas_item", m);
}

enum err datas_item_view(struct call *call)
{
	json_object *model = NULL;
	enum err err = datas_find(
	    call,
	    text_starts(call->req->path, "/iportal/web/mycontent/") ? ITEM_DELETE : ITEM_SEARCH,
	    &model);

	if (err != ERR_OK)
		return err;
	bool download = strcmp(json_str(model, "permission", "SEARCH"), "SEARCH") != 0;
	bool page = call->supermap.format == SUPERMAP_HTML;
	const char *dataset = json_str(model, "dataset", NULL);
	bool imported = dataset != NULL;
	err = datas_item_tell(call, model, true);
	if (err != ERR_OK) {
		json_object_put(model);
		return err;
	}
	if (page)
		json_set_bool(model, "imported", imported);
	return page ? item_page(call, model, download)
		    : supermap_answer(call, 200, "DataItem", model);
}

/* ---- {"1":true}: is it imported? */

enum err datas_imported_view(struct call *call)
{
	struct datas_query d;
	json_object *items = NULL, *item = NULL, *m = NULL;
	enum err err = datas_query_read(call, false, &d);

	if (err == ERR_OK && json_arr(d.echo, "ids") == NULL)
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", "ids");
	if (err == ERR_OK) {
		d.q.skip = 0;
		d.q.max = DATAS_LIST_MAX;
		size_t total = 0;
		err = catalog_items(call->ctx->catalog, &d.q, &items, &total, &call->error);
	}
	if (err == ERR_OK) {
		m = json_object_new_object();
		JSON_EACH(item, items)
		{
			CLEAN_FREE char *id =
			    mem_printf("%lld", (long long)json_int(item, "id", 0));
			json_set_bool(m, id, json_str(item, "dataset", NULL) != NULL);
		}
		err = supermap_answer(call, 200, "map", m);
	}
	json_object_put(items);
	datas_query_done(&d);
	return err;
}
