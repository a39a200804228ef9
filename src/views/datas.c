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

/* ---- lists */

/* One stretch of the page, as clients read it.  Caller frees *RET. */
static enum err stretch(struct call *call, struct datas_query *d, json_object **ret,
			size_t *ret_total)
{
	json_object *items = NULL, *item = NULL;
	enum err err;

	d->q.brief = !d->services;
	err = catalog_items(call->ctx->catalog, &d->q, &items, ret_total, &call->error);
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
		err = page ? datas_page(call, &d, mine, m) : supermap_answer(call, 200, "Page", m);
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
