#include "geo/crs_export.h"

#include <fcntl.h>
#include <proj.h>
#include <sqlite3.h>
#include <string.h>
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/crs_file.h"

/*
 * PROJ's API tells names, kinds and areas, but neither aliases nor replacements: those are read
 * from its database. Texts are kept once each: most entries share their area and unit with others.
 */

#define AREA_BYTES 200

struct builder {
	char *texts;		 /* block of NUL-terminated texts */
	size_t n, size;		 /* bytes */
	json_object *offsets;	 /* text → offset, for texts worth sharing */
	json_object *area_index; /* name and box → index */
	struct crs_file_area *areas;
	size_t n_areas;
	struct crs_file_entry *entries;
	size_t n_entries;
};

/* ---- texts */

static uint32_t put_text(struct builder *b, const char *s)
{
	size_t len = strlen(s) + 1;
	uint32_t at = (uint32_t)b->n;

	if (len == 1)
		return 0;
	while (b->n + len > b->size) {
		b->size = b->size == 0 ? 1 << 20 : 2 * b->size;
		b->texts = mem_resize(b->texts, b->size, 1);
	}
	memcpy(b->texts + b->n, s, len);
	b->n += len;
	return at;
}

static uint32_t put_shared(struct builder *b, const char *s)
{
	json_object *known = json_get(b->offsets, s);

	if (known == NULL) {
		known = json_object_new_int64(put_text(b, s));
		json_set(b->offsets, s, known);
	}
	return (uint32_t)json_object_get_int64(known);
}

static uint32_t put_folded(struct builder *b, const char *s)
{
	CLEAN_FREE char *folded = text_fold_plain(s);

	return folded != NULL ? put_shared(b, folded) : 0;
}

/* Some areas list all countries of the earth: nobody reads that in a list of hits. */
static uint32_t put_shown(struct builder *b, const char *s)
{
	size_t len = strlen(s);
	CLEAN_FREE char *cut = NULL;

	if (len <= AREA_BYTES)
		return put_shared(b, s);
	cut = mem_printf("%.*s…", (int)text_cut(s, len, AREA_BYTES), s);
	return put_shared(b, cut);
}

static uint32_t put_area(struct builder *b, const PROJ_CRS_INFO *info)
{
	const char *name = info->area_name != NULL ? info->area_name : "";
	CLEAN_FREE char *key =
	    mem_printf("%s|%d|%.9g|%.9g|%.9g|%.9g", name, info->bbox_valid, info->west_lon_degree,
		       info->south_lat_degree, info->east_lon_degree, info->north_lat_degree);
	json_object *known = json_get(b->area_index, key);
	struct crs_file_area *a = &b->areas[b->n_areas];

	if (known != NULL)
		return (uint32_t)json_object_get_int64(known);
	a->name = put_shown(b, name);
	a->folded = put_folded(b, name);
	if (info->bbox_valid) {
		a->has_bbox = 1;
		a->bbox[0] = info->west_lon_degree;
		a->bbox[1] = info->south_lat_degree;
		a->bbox[2] = info->east_lon_degree;
		a->bbox[3] = info->north_lat_degree;
	}
	json_set_int(b->area_index, key, (int64_t)b->n_areas);
	return (uint32_t)b->n_areas++;
}

/* ---- entries */

static enum crs_kind kind_of(const PROJ_CRS_INFO *info)
{
	/* PROJ's types are many; all that has no x and y in the plane or on the ellipsoid is of no
	 * use here. */
	if (info->type == PJ_TYPE_GEOGRAPHIC_2D_CRS || info->type == PJ_TYPE_GEOGRAPHIC_3D_CRS)
		return CRS_GEOGRAPHIC;
	if (info->type == PJ_TYPE_PROJECTED_CRS)
		return CRS_PROJECTED;
	if (info->type == PJ_TYPE_COMPOUND_CRS)
		return CRS_COMPOUND;
	if (info->type == PJ_TYPE_VERTICAL_CRS)
		return CRS_VERTICAL;
	return info->type == PJ_TYPE_GEOCENTRIC_CRS ? CRS_GEOCENTRIC : CRS_OTHER;
}

/* Name of the unit of the first axis into BUF. */
static void unit_of(PJ_CONTEXT *ctx, const PROJ_CRS_INFO *info, char *buf, size_t size)
{
	PJ *crs = proj_create_from_database(ctx, info->auth_name, info->code, PJ_CATEGORY_CRS, 0,
					    NULL),
	   *cs;
	const char *name = NULL;

	buf[0] = '\0';
	if (crs != NULL && info->type == PJ_TYPE_COMPOUND_CRS) {
		PJ *horizontal = proj_crs_get_sub_crs(ctx, crs, 0);

		proj_destroy(crs);
		crs = horizontal;
	}
	cs = crs != NULL ? proj_crs_get_coordinate_system(ctx, crs) : NULL;
	if (cs != NULL &&
	    proj_cs_get_axis_info(ctx, cs, 0, NULL, NULL, NULL, NULL, &name, NULL, NULL) &&
	    name != NULL)
		(void)snprintf(buf, size, "%s", name);
	proj_destroy(cs);
	proj_destroy(crs);
}

static int authority_of(const char *name)
{
	for (size_t i = 0; i < CRS_N_AUTHORITIES; i++)
		if (strcmp(crs_authorities[i], name) == 0)
			return (int)i;
	return -1;
}

static void put_entry(struct builder *b, PJ_CONTEXT *ctx, const PROJ_CRS_INFO *info)
{
	int authority = authority_of(info->auth_name);
	struct crs_file_entry *e = &b->entries[b->n_entries];
	CLEAN_FREE char *code = mem_printf("%s:%s", info->auth_name, info->code);
	char unit[80];
	int64_t number;

	if (authority < 0)
		return;
	unit_of(ctx, info, unit, sizeof(unit));
	e->code = put_text(b, code);
	e->number =
	    text_int(info->code, 0, UINT32_MAX - 1, &number) ? (uint32_t)number : UINT32_MAX;
	e->name = put_shared(b, info->name);
	e->folded = put_folded(b, info->name);
	e->unit = put_shared(b, unit);
	e->area = put_area(b, info);
	e->authority = (uint8_t)authority;
	e->kind = (uint8_t)kind_of(info);
	e->deprecated = info->deprecated != 0;
	e->three_d = info->type == PJ_TYPE_GEOGRAPHIC_3D_CRS;
	b->n_entries++;
}

static int compare(const void *pa, const void *pb, void *texts)
{
	const struct crs_file_entry *a = pa, *b = pb;

	if (a->authority != b->authority)
		return a->authority < b->authority ? -1 : 1;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return strcmp((const char *)texts + a->code, (const char *)texts + b->code);
}

static struct crs_file_entry *find(struct builder *b, const char *auth, const char *code)
{
	int authority = authority_of(auth);
	size_t low = 0, high = b->n_entries;
	int64_t number;
	CLEAN_FREE char *full = mem_printf("%s:%s", auth, code);

	if (authority < 0)
		return NULL;
	number = text_int(code, 0, UINT32_MAX - 1, &number) ? number : UINT32_MAX;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct crs_file_entry *e = &b->entries[mid];
		int c = e->authority != authority ? e->authority - authority
			: e->number != number	  ? (e->number < number ? -1 : 1)
						  : strcmp(b->texts + e->code, full);

		if (c == 0)
			return e;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* ---- what only the database tells */

/* Several rows belong to one entry: its aliases are collected here until the next entry's begin. */
struct alias_run {
	struct crs_file_entry *entry;
	char text[4096];
	size_t n;
};

static void end_run(struct builder *b, struct alias_run *run)
{
	if (run->entry != NULL && run->n > 0) {
		run->text[run->n++] = '\n';
		run->text[run->n] = '\0';
		run->entry->aliases = put_text(b, run->text);
	}
	run->n = 0;
}

static void add_alias(struct builder *b, struct alias_run *run, struct crs_file_entry *e,
		      const char *alias)
{
	CLEAN_FREE char *folded = text_fold_plain(alias);
	size_t len = folded != NULL ? strlen(folded) : 0;

	if (e != run->entry)
		end_run(b, run);
	run->entry = e;
	if (e == NULL || len == 0 || run->n + len + 3 > sizeof(run->text))
		return;
	run->text[run->n++] = '\n';
	memcpy(run->text + run->n, folded, len);
	run->n += len;
}

static const char *column(sqlite3_stmt *st, int i)
{
	const unsigned char *s = sqlite3_column_text(st, i);

	return s != NULL ? (const char *)s : "";
}

static enum err prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct error *error)
{
	if (sqlite3_prepare_v2(db, sql, -1, ret, NULL) != SQLITE_OK)
		return error_set(error, ERR_UNAVAILABLE, "PROJ's database: %s", sqlite3_errmsg(db));
	return ERR_OK;
}

static enum err read_aliases(struct builder *b, sqlite3 *db, struct error *error)
{
	struct alias_run run = {0};
	sqlite3_stmt *st;
	enum err e =
	    prepare(db,
		    "SELECT auth_name, code, alt_name FROM alias_name WHERE table_name IN "
		    "('geodetic_crs', 'projected_crs', 'compound_crs') ORDER BY auth_name, code",
		    &st, error);

	if (e != ERR_OK)
		return e;
	while (sqlite3_step(st) == SQLITE_ROW)
		add_alias(b, &run, find(b, column(st, 0), column(st, 1)), column(st, 2));
	end_run(b, &run);
	if (sqlite3_finalize(st) != SQLITE_OK)
		return error_set(error, ERR_UNAVAILABLE, "PROJ's database: %s", sqlite3_errmsg(db));
	return ERR_OK;
}

static enum err read_replacements(struct builder *b, sqlite3 *db, struct error *error)
{
	sqlite3_stmt *st;
	/* The authority's own word comes last, so that it stands. */
	enum err e = prepare(
	    db,
	    "SELECT superseded_auth_name, superseded_code, replacement_auth_name, replacement_code "
	    "FROM supersession WHERE superseded_table_name LIKE '%_crs' UNION ALL "
	    "SELECT deprecated_auth_name, deprecated_code, replacement_auth_name, replacement_code "
	    "FROM deprecation WHERE table_name LIKE '%_crs'",
	    &st, error);

	if (e != ERR_OK)
		return e;
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct crs_file_entry *from = find(b, column(st, 0), column(st, 1));
		struct crs_file_entry *to = find(b, column(st, 2), column(st, 3));

		if (from != NULL && to != NULL && from->deprecated)
			from->replaced_by = to->code;
	}
	if (sqlite3_finalize(st) != SQLITE_OK)
		return error_set(error, ERR_UNAVAILABLE, "PROJ's database: %s", sqlite3_errmsg(db));
	return ERR_OK;
}

static enum err read_database(struct builder *b, const char *path, struct error *error)
{
	sqlite3 *db = NULL;
	enum err e;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		e = error_set(error, ERR_UNAVAILABLE, "%s: %s", path, sqlite3_errmsg(db));
	else if ((e = read_aliases(b, db, error)) == ERR_OK)
		e = read_replacements(b, db, error);
	(void)sqlite3_close(db);
	return e;
}

/* ---- the file */

static enum err write_file(struct builder *b, const char *path, struct error *error)
{
	struct crs_file_header head = {.magic = CRS_FILE_MAGIC, .version = CRS_FILE_VERSION};
	size_t areas = b->n_areas * sizeof(*b->areas), entries = b->n_entries * sizeof(*b->entries);
	size_t at = 0;
	CLEAN_FREE char *source = mem_printf("PROJ %s", proj_info().version);
	CLEAN_FREE char *out = NULL;

	head.source = put_text(b, source);
	if (b->n > UINT32_MAX)
		return error_set(error, ERR_INTERNAL,
				 "too much text for the index of reference systems");
	head.n_entries = (uint32_t)b->n_entries;
	head.n_areas = (uint32_t)b->n_areas;
	head.texts_bytes = (uint32_t)b->n;
	out = mem_alloc(sizeof(head) + areas + entries + b->n);
	memcpy(out, &head, sizeof(head));
	at += sizeof(head);
	memcpy(out + at, b->areas, areas);
	at += areas;
	memcpy(out + at, b->entries, entries);
	at += entries;
	memcpy(out + at, b->texts, b->n);
	return fs_replace(AT_FDCWD, path, out, at + b->n, error);
}

static enum err collect(struct builder *b, PJ_CONTEXT *ctx, struct error *error)
{
	PROJ_CRS_LIST_PARAMETERS *params = proj_get_crs_list_parameters_create();
	PROJ_CRS_INFO **list;
	const char *database;
	int n = 0;

	if (params == NULL)
		mem_die();
	params->allow_deprecated = 1;
	list = proj_get_crs_info_list_from_database(ctx, NULL, params, &n);
	proj_get_crs_list_parameters_destroy(params);
	database = proj_context_get_database_path(ctx);
	if (list == NULL || n <= 0 || database == NULL) {
		proj_crs_info_list_destroy(list);
		return error_set(error, ERR_UNAVAILABLE,
				 "PROJ has no database of reference systems");
	}
	b->areas = mem_array((size_t)n, sizeof(*b->areas));
	b->entries = mem_array((size_t)n, sizeof(*b->entries));
	for (int i = 0; i < n; i++)
		put_entry(b, ctx, list[i]);
	proj_crs_info_list_destroy(list);
	qsort_r(b->entries, b->n_entries, sizeof(*b->entries), compare, b->texts);
	return read_database(b, database, error);
}

enum err crs_export(const char *path, struct error *error)
{
	struct builder b = {.offsets = json_object_new_object(),
			    .area_index = json_object_new_object()};
	PJ_CONTEXT *ctx = proj_context_create();
	enum err e;

	if (ctx == NULL)
		mem_die();
	b.texts = mem_alloc(1 << 20);
	b.size = 1 << 20;
	b.n = 1; /* offset 0 is the empty text */
	e = collect(&b, ctx, error);
	if (e == ERR_OK)
		e = write_file(&b, path, error);
	proj_context_destroy(ctx);
	json_object_put(b.offsets);
	json_object_put(b.area_index);
	free(b.texts);
	free(b.areas);
	free(b.entries);
	return e;
}
