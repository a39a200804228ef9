/*
 * What is in a data item: its text, its rows, its features; its layers.
 * Source: contracts/datas.md 8.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "views/datas.h"
#include "views/datas_print.h"
#include "views/wizard.h"
#include "base/charset.h"
#include "base/fs.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/table.h"

#define ROOT	  "DataContent"
#define ROWS	  1000 /* of a page nobody sized */
#define PIECE	  ((size_t)64 * 1024)
#define JSON_DEEP 512 /* levels of nesting: geometries need five */

/* One request for content. */
struct content {
	struct call *call;
	json_object *model; /* borrowed */
	int fd;		    /* owned: the file */
	int64_t size;
	int64_t first, last; /* rows of the page, from 0; last excluded */
};

static enum err unreadable(struct call *call)
{
	call->error = (struct error){0};
	return supermap_fail(call, ERR_BAD_REQUEST, "datas_content", NULL);
}

static enum err begin(const struct content *c, struct printing *p)
{
	enum err err = printing_begin(c->call, ROOT, p);

	if (err != ERR_OK)
		return err;
	printing_text(p, "fileName", json_str(c->model, "fileName", ""));
	printing_text(p, "type", datas_type_told(c->call, json_str(c->model, "type", "UNKNOWN")));
	return ERR_OK;
}

/* ---- JSON: the text itself */

/* The file as it stands is JSON in UTF-8; BYTES are its text without a mark in front. */
static bool is_json(const char *bytes, size_t len)
{
	const struct json_limits limits = {
	    .bytes = SIZE_MAX / 16, .depth = JSON_DEEP, .keys = SIZE_MAX};
	struct json_scan scan;

	return len > 0 && text_is_utf8(bytes, len) &&
	       json_scan_bytes(bytes, len, &limits, &scan) == ERR_OK;
}

static enum err print_whole(struct content *c, const char *bytes, size_t len, const char *head,
			    const char *tail)
{
	struct printing p;
	enum err err = begin(c, &p);

	if (err != ERR_OK)
		return err;
	printing_text(&p, "lineNumber", NULL);
	printing_long_begin(&p, "content");
	printing_long(&p, head, strlen(head));
	for (size_t at = 0; at < len;) {
		size_t n = text_cut(bytes + at, len - at, PIECE);
		printing_long(&p, bytes + at, n);
		at += n;
	}
	printing_long(&p, tail, strlen(tail));
	printing_long_end(&p, "content");
	printing_text(&p, "total", NULL);
	return printing_end(&p, ROOT);
}

/* The whole file as one text between HEAD and TAIL. */
static enum err text_content(struct content *c, const char *head, const char *tail)
{
	if (c->size <= 0)
		return unreadable(c->call);
	/* A stored file never changes: the pages of the map are the kernel's, not ours. */
	char *map = mmap(NULL, (size_t)c->size, PROT_READ, MAP_PRIVATE, c->fd, 0);
	if (map == MAP_FAILED)
		return error_errno(&c->call->error, ERR_IO, "content");
	size_t bom = c->size >= 3 && memcmp(map, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0,
	       len = (size_t)c->size - bom;
	enum err err = is_json(map + bom, len) ? print_whole(c, map + bom, len, head, tail)
					       : unreadable(c->call);
	(void)munmap(map, (size_t)c->size);
	return err;
}

/* ---- tables: a page of rows */

struct rows {
	struct content *c;
	struct printing *p;
	struct table_parser *parser;
	bool head;   /* the first record is the titles */
	bool titled; /* "colTitles" is printed, "rows" is open */
	size_t n_titles;
	int64_t n; /* rows so far, the titles not counted */
};

static void print_titles(struct rows *r, const struct cell *cells, size_t n)
{
	printing_open(r->p, "colTitles", '[');
	for (size_t i = 0; i < n; i++) {
		CLEAN_FREE char *name = mem_printf("Column%zu", i + 1);
		if (r->head)
			printing_item(r->p, cells[i].s, cells[i].len);
		else
			printing_item(r->p, name, strlen(name));
	}
	printing_close(r->p, "colTitles", ']');
	printing_open(r->p, "rows", '[');
	r->titled = true;
	r->n_titles = n;
}

static void take_record(struct rows *r, const struct cell *cells, size_t n)
{
	if (n == 0)
		return;
	if (!r->titled) {
		print_titles(r, cells, n);
		if (r->head)
			return;
	}
	if (r->n >= r->c->first && r->n < r->c->last) {
		printing_open(r->p, "list", '[');
		for (size_t i = 0; i < n || i < r->n_titles; i++)
			printing_item(r->p, i < n ? cells[i].s : "", i < n ? cells[i].len : 0);
		printing_close(r->p, "list", ']');
	}
	r->n++;
}

/* All records that the parser has.  False: the text is no table. */
static bool take_records(struct rows *r)
{
	const struct cell *cells;
	size_t n;

	for (;;) {
		switch (table_parser_next(r->parser, &cells, &n)) {
		case TABLE_ROW:
			take_record(r, cells, n);
			break;
		case TABLE_MORE:
		case TABLE_END:
			return true;
		case TABLE_TOO_WIDE:
		case TABLE_CELL_LONG:
		case TABLE_NUL:
		case TABLE_OPEN_QUOTE:
			return false;
		}
	}
}

/* Is the whole file UTF-8? */
static bool file_is_utf8(int fd)
{
	CLEAN_FREE char *buf = mem_alloc(PIECE);
	size_t have = 0;
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, buf + have, PIECE - have, at)) > 0; at += n) {
		size_t len = have + (size_t)n, whole = text_cut(buf, len, len);
		/* What is cut off at the end may go on in the next piece. */
		if (!text_is_utf8(buf, whole) || len - whole > 3)
			return false;
		memmove(buf, buf + whole, len - whole);
		have = len - whole;
	}
	return n == 0 && have == 0;
}

static const char *encoding_of(const struct content *c)
{
	const char *named = json_str(json_obj(c->model, "dataMetaInfo"), "fileEncoding", NULL);
	const char *canonical = named != NULL ? charset_canonical(named) : NULL;

	if (canonical != NULL)
		return canonical;
	return file_is_utf8(c->fd) ? "UTF-8" : "GB18030";
}

static bool meta_is_false(const struct content *c, const char *name)
{
	json_object *v = json_get(json_obj(c->model, "dataMetaInfo"), name);

	return v != NULL && text_ieq(json_object_get_string(v), "false");
}

/* How the table is written: the separator that was told, else what the first bytes look like. */
static void dialect_of(const struct content *c, const char *text, size_t len, bool whole,
		       struct dialect *ret)
{
	const char *told = json_str(json_obj(c->model, "dataMetaInfo"), "separator", "");

	if (!dialect_guess(text, len, whole, ret))
		*ret = (struct dialect){.delimiter = ",", .quote = '"'};
	if (text_ieq(told, "tab") || strcmp(told, "\\t") == 0)
		told = "\t";
	if (*told != '\0' && text_cut(told, strlen(told), 4) == strlen(told))
		snprintf(ret->delimiter, sizeof(ret->delimiter), "%s", told);
	ret->header_row = 0;
}

/* Decode the file piece by piece and hand its records on. */
static bool read_rows(struct rows *r, struct charset_conv *conv)
{
	const struct config *config = r->c->call->ctx->config;
	CLEAN_FREE char *raw = mem_alloc(PIECE);
	CLEAN_FREE char *text = mem_alloc(4 * PIECE);
	size_t have = 0;
	off_t at = 0;
	bool good = true, end = false;

	while (good && !end) {
		ssize_t n = pread(r->c->fd, raw + have, PIECE - have, at);
		if (n < 0)
			return false;
		at += n;
		have += (size_t)n;
		end = n == 0;
		const char *in = raw;
		size_t len = charset_conv_run(conv, &in, &have, text, 4 * PIECE, end, NULL);
		memmove(raw, in, have);
		if (r->parser == NULL) {
			struct dialect d;
			dialect_of(r->c, text, len, at >= r->c->size, &d);
			r->parser = table_parser_new(&d, (size_t)config->csv_max_columns,
						     (size_t)config->csv_max_cell_bytes);
		}
		table_parser_feed(r->parser, text, len, end);
		good = take_records(r);
	}
	return good;
}

static enum err table_content(struct content *c)
{
	struct printing p;
	struct rows r = {.c = c, .p = &p, .head = !meta_is_false(c, "firstRowIsHead")};
	struct charset_conv *conv = charset_conv_new(encoding_of(c));
	enum err err = begin(c, &p);

	if (err != ERR_OK) {
		charset_conv_free(conv);
		return err;
	}
	printing_int(&p, "lineNumber", 1);
	printing_open(&p, "content", '{');
	bool good = conv != NULL && read_rows(&r, conv);
	if (!r.titled)
		print_titles(&r, NULL, 0);
	printing_close(&p, "rows", ']');
	printing_close(&p, "content", '}');
	printing_int(&p, "total", r.n);
	charset_conv_free(conv);
	table_parser_free(r.parser);
	if (good)
		return printing_end(&p, ROOT);
	printing_drop(&p);
	return unreadable(c->call);
}

/* ---- the view */

static enum err read_page(struct content *c)
{
	int64_t page = 1, size = ROWS;
	enum err err = supermap_query_int(c->call, "currentPage", INT32_MIN, INT32_MAX, 1, &page);

	if (err == ERR_OK)
		err = supermap_query_int(c->call, "pageSize", INT32_MIN, INT32_MAX, ROWS, &size);
	if (page < 1)
		page = 1;
	if (size < 1)
		size = ROWS;
	c->first = (page - 1) * size;
	c->last = c->first + size;
	return err;
}

static enum err open_file(struct content *c, const char *path)
{
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, c->call->ctx->config->data_dir);
	struct stat st;

	c->fd = dir < 0 || path == NULL ? -1 : fs_open_read(dir, path);
	if (c->fd < 0 || fstat(c->fd, &st) != 0)
		return supermap_fail(c->call, ERR_NOT_FOUND, "datas_no_bytes", NULL);
	c->size = st.st_size;
	return ERR_OK;
}

/* What the worker makes of an imported dataset: EXCEL as a table, features as GeoJSON. */
static enum err imported_content(struct content *c, bool table)
{
	struct call *call = c->call;
	struct viewer all = {.user = "", .admin = true};
	CLEAN_JSON json_object *d = NULL;
	CLEAN_FREE char *path = NULL;
	enum err err =
	    catalog_get(call->ctx->catalog, json_int(c->model, "id", 0), &all, &d, &call->error);

	if (err == ERR_OK)
		err = dataset_export(call, d, table ? "csv" : "geojson", &path);
	if (err == ERR_INCOMPLETE) {
		call->error = (struct error){0};
		reply_header(call->reply, "Retry-After", "2");
		return supermap_fail(call, ERR_BUSY, "datas_content_later", NULL);
	}
	if (err == ERR_OK)
		err = open_file(c, path);
	if (err != ERR_OK)
		return err;
	return table ? table_content(c) : text_content(c, "{\"layers\":[", "]}");
}

static enum err content_of(struct content *c)
{
	const char *type = json_str(c->model, "type", "UNKNOWN"),
		   *made = json_str(c->model, "dataset", NULL);
	bool text = strcmp(type, "JSON") == 0 || strcmp(type, "GEOJSON") == 0,
	     csv = strcmp(type, "CSV") == 0;
	enum err err;

	if (text || csv) {
		err = open_file(c, json_str(c->model, "file", NULL));
		if (err == ERR_OK)
			err = text ? text_content(c, "", "") : table_content(c);
		return err;
	}
	/* The front reads no other format itself: what is asked is what the import made of it. */
	if (strcmp(json_str(c->model, "serviceStatus", ""), "PUBLISHING") == 0) {
		reply_header(c->call->reply, "Retry-After", "2");
		return supermap_fail(c->call, ERR_BUSY, "datas_content_later", NULL);
	}
	if (made == NULL || strcmp(made, "raster") == 0)
		return unreadable(c->call);
	return imported_content(c, strcmp(made, "table") == 0 || strcmp(type, "EXCEL") == 0);
}

enum err datas_content_view(struct call *call)
{
	struct content c = {.call = call, .fd = -1};
	enum err err = datas_find(call, ITEM_DOWNLOAD, &c.model);

	if (err == ERR_OK)
		err = read_page(&c);
	if (err == ERR_OK)
		err = content_of(&c);
	if (c.fd >= 0)
		(void)close(c.fd);
	json_object_put(c.model);
	return err;
}

/* ---- layers */

static const char *layer_type(const json_object *d)
{
	static const struct {
		const char *has, *type;
	} types[] = {{"Point", "POINT"}, {"Line", "LINE"}, {"Polygon", "REGION"}};
	const char *kind = json_str(d, "type", ""), *geometry = json_str(d, "geometry", "");

	if (strcmp(kind, "raster") == 0)
		return "IMAGE";
	for (size_t i = 0; strcmp(kind, "vector") == 0 && i < sizeof(types) / sizeof(*types); i++) {
		if (strcasestr(geometry, types[i].has) != NULL)
			return types[i].type;
	}
	return strcmp(kind, "vector") == 0 ? "CAD" : "TABULAR";
}

static json_object *layer_of(const json_object *d)
{
	json_object *o = json_object_new_object(), *fields = json_object_new_array(),
		    *column = NULL;
	const char *code = json_str(json_obj(d, "crs"), "code", "");
	json_object *bbox = json_arr(d, "bbox");
	int64_t epsg = 0;

	JSON_EACH(column, json_arr(d, "columns"))
	{
		json_object *f = json_object_new_object();
		json_set_str(f, "name", json_str(column, "name", ""));
		json_set_str(f, "type", json_str(column, "type", ""));
		json_object_array_add(fields, f);
	}
	json_set_str(o, "name", json_str(d, "name", ""));
	json_set_str(o, "type", layer_type(d));
	json_set(o, "recordCount", json_copy(json_get(d, "count")));
	json_set(o, "epsgCode",
		 text_starts(code, "EPSG:") && text_int(code + 5, 1, INT32_MAX, &epsg)
		     ? json_object_new_int64(epsg)
		     : NULL);
	CLEAN_FREE char *bounds =
	    json_len(bbox) == 4
		? mem_printf("%.17g,%.17g,%.17g,%.17g", json_object_get_double(json_at(bbox, 0)),
			     json_object_get_double(json_at(bbox, 1)),
			     json_object_get_double(json_at(bbox, 2)),
			     json_object_get_double(json_at(bbox, 3)))
		: NULL;
	json_set_str(o, "bounds", bounds);
	json_set(o, "fields", fields);
	return o;
}

enum err datas_layers_view(struct call *call)
{
	CLEAN_JSON json_object *model = NULL;
	CLEAN_JSON json_object *d = NULL;
	CLEAN_JSON json_object *list = json_object_new_array();
	struct viewer all = {.user = "", .admin = true};
	const char *name = pairs_get(&call->params, "name");
	enum err err = datas_find(call, ITEM_DOWNLOAD, &model);

	if (err == ERR_OK && json_str(model, "dataset", NULL) != NULL)
		err = catalog_get(call->ctx->catalog, json_int(model, "id", 0), &all, &d,
				  &call->error);
	if (err != ERR_OK)
		return err;
	if (d != NULL)
		json_object_array_add(list, layer_of(d));
	if (name == NULL)
		return supermap_answer(call, 200, "list/Dataset", json_object_get(list));
	if (d == NULL || strcmp(json_str(d, "name", ""), name) != 0)
		return supermap_fail(call, ERR_NOT_FOUND, "datas_no_layer", NULL);
	return supermap_answer(call, 200, "Dataset", json_object_get(json_at(list, 0)));
}
