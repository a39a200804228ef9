/*
 * Task "refresh-table": the table of a receiver as a dataset of the catalogue.  The table is read
 * whole into a CSV of our own, which goes the way of every table: jailed job, files, catalogue.
 * Source: contracts/signed-api.md 4, "catalogue".
 */
#include <fcntl.h>
#include <string.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/accounts.h"
#include "wizard/message.h"
#include "wizard/names.h"
#include "worker/revision.h"
#include "worker/signed.h"
#include "worker/stored.h"

#define BUF_BYTES   ((size_t)256 << 10)
#define OWNER_TASKS 100 /* looked at for whose the table is */
#define SRS_DEFAULT "EPSG:4326"
#define SRID_MOST   999999
#define EWKB_SRID   0x20 /* of the highest byte of the type: four bytes of SRID follow it */

struct refresh {
	struct work *work;
	struct signed_target target;
	json_object *columns;  /* of the job; its own once it is made */
	json_object *geometry; /* of the job's layer */
	int64_t srid; /* the column's that is the geometry, or its first value's; 0 = none */
	size_t place; /* of that column; SIZE_MAX = there is none */
	FILE *csv;
	struct refusal refusal;
	int64_t dataset;
	char *owner; /* user; NULL = nobody */
};

/* ---- the table as CSV */

static void put_cell(FILE *f, const char *s, size_t len)
{
	(void)fputc('"', f);
	for (size_t from = 0; from < len;) {
		const char *quote = memchr(s + from, '"', len - from);
		size_t n = quote == NULL ? len - from : (size_t)(quote - s) - from + 1;

		(void)fwrite(s + from, 1, n, f);
		if (quote != NULL)
			(void)fputc('"', f);
		from += n;
	}
	(void)fputc('"', f);
}

/* What a geometry says of itself: "SRID=4326;POINT(…)", or PostGIS's own form in hex. */
static int64_t srid_of(const char *s, size_t len)
{
	static const char begins[] = "SRID=";
	char head[19];
	unsigned char b[9];
	int64_t srid = 0;
	bool big;

	(void)snprintf(head, sizeof(head), "%.*s", (int)(len < 18 ? len : 18), s);
	if (strncasecmp(head, begins, sizeof(begins) - 1) == 0) {
		head[strcspn(head, ";")] = '\0';
		return text_int(head + sizeof(begins) - 1, 1, SRID_MOST, &srid) ? srid : 0;
	}
	if (strlen(head) < 18 || strspn(head, "0123456789ABCDEFabcdef") < 18)
		return 0;
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] =
		    (unsigned char)strtoul((char[]){head[2 * i], head[2 * i + 1], '\0'}, NULL, 16);
	big = b[0] == 0;
	if ((b[big ? 1 : 4] & EWKB_SRID) == 0)
		return 0;
	for (size_t i = 0; i < 4; i++)
		srid = srid << 8 | b[big ? 5 + i : 8 - i];
	return srid <= SRID_MOST ? srid : 0;
}

static bool begin(void *arg, const struct receiver_column *columns, size_t n)
{
	static const char *const types[TYPE__MAX] = {
	    [TYPE_TEXT] = "text",	[TYPE_INTEGER] = "integer", [TYPE_REAL] = "real",
	    [TYPE_BOOLEAN] = "boolean", [TYPE_DATE] = "date",	    [TYPE_TIMESTAMP] = "datetime",
	    [TYPE_JSON] = "text",
	};
	struct refresh *r = arg;
	CLEAN_FREE const char **originals = mem_array(n + 1, sizeof(*originals));

	for (size_t i = 0; i < n; i++)
		originals[i] = columns[i].name;
	char **cleaned = names_columns(originals, n);

	r->columns = json_object_new_array();
	for (size_t i = 0; i < n; i++) {
		json_object *c = json_object_new_object();

		if (strcmp(columns[i].name, json_str(r->target.receiver->geometry, "wkt", "")) ==
		    0) {
			r->srid = columns[i].srid;
			r->place = i;
		}
		json_set_str(json_set_str(c, "name", cleaned[i]), "original", columns[i].name);
		json_object_array_add(r->columns, json_set_str(c, "type", types[columns[i].type]));
		if (i > 0)
			(void)fputc(',', r->csv);
		put_cell(r->csv, columns[i].name, strlen(columns[i].name));
		free(cleaned[i]);
	}
	free(cleaned);
	(void)fputc('\n', r->csv);
	return n > 0 && ferror(r->csv) == 0;
}

static bool row(void *arg, const struct value *cells, size_t n)
{
	struct refresh *r = arg;

	if (r->srid == 0 && r->place < n && cells[r->place].kind == VALUE_TEXT)
		r->srid = srid_of(cells[r->place].text, cells[r->place].len);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)fputc(',', r->csv);
		if (cells[i].kind == VALUE_TRUE || cells[i].kind == VALUE_FALSE)
			(void)fputs(cells[i].kind == VALUE_TRUE ? "true" : "false", r->csv);
		else if (cells[i].kind != VALUE_NULL)
			put_cell(r->csv, cells[i].text, cells[i].len);
	}
	(void)fputc('\n', r->csv);
	return ferror(r->csv) == 0;
}

static bool write_csv(struct refresh *r)
{
	struct work *work = r->work;
	const struct table_reader reader = {.begin = begin, .row = row, .arg = r};
	CLEAN_FREE char *in = mem_printf("%s/in", work->folder);
	CLEAN_FREE char *path = mem_printf("%s/1.csv", in);
	int fd;
	bool good;

	if (fs_mkdirs(work->w->data_fd, in, &work->error) != ERR_OK)
		return false;
	fd = fs_create(work->w->data_fd, path);
	r->csv = fd < 0 ? NULL : fdopen(fd, "w");
	if (r->csv == NULL)
		return error_errno(&work->error, ERR_IO, "1.csv") == ERR_OK;
	(void)setvbuf(r->csv, NULL, _IOFBF, BUF_BYTES);
	good = write_read_table(work->w->targets, r->target.receiver, &reader, &r->refusal);
	if (ferror(r->csv) != 0)
		good = error_errno(&work->error, ERR_IO, "1.csv") == ERR_OK;
	if (fclose(r->csv) != 0 && good)
		good = error_errno(&work->error, ERR_IO, "1.csv") == ERR_OK;
	if (!good && *r->refusal.reason != '\0')
		(void)error_set(&work->error, ERR_UNAVAILABLE, "%s", r->refusal.reason);
	return good;
}

/* ---- geometry */

static int64_t place_of(const json_object *columns, const char *name)
{
	json_object *c = NULL;
	int64_t i = 0;

	JSON_EACH(c, columns)
	{
		if (strcmp(json_str(c, "original", ""), name) == 0)
			return i;
		i++;
	}
	return -1;
}

/* A column that is not there any more: a table without a map. */
static json_object *geometry_of(const struct refresh *r)
{
	const json_object *wanted = r->target.receiver->geometry;
	int64_t lat = place_of(r->columns, json_str(wanted, "lat", "")),
		lng = place_of(r->columns, json_str(wanted, "lon", "")),
		wkt = place_of(r->columns, json_str(wanted, "wkt", ""));
	json_object *g = json_object_new_object();

	json_set_str(g, "mode", lat >= 0 && lng >= 0 ? "latlng" : wkt >= 0 ? "column" : "none");
	json_set_int(json_set_int(json_set_int(g, "lat", lat), "lng", lng), "column", wkt);
	return json_set_bool(json_set_bool(g, "dms", false), "tell", true);
}

static void plan(struct refresh *r)
{
	const struct receiver *receiver = r->target.receiver;
	CLEAN_FREE char *name = name_dataset(receiver->name);
	json_object *geometry = geometry_of(r);
	/* What the column or its values say of themselves is so. */
	CLEAN_FREE char *own = mem_printf("EPSG:%lld", (long long)r->srid);
	const char *srs = r->srid > 0 ? own : json_str(receiver->geometry, "srs", SRS_DEFAULT);
	bool none = strcmp(json_str(geometry, "mode", ""), "none") == 0;

	json_set(r->work->task, "spec",
		 message_table(r->work->w->config, name, r->columns, geometry, none ? NULL : srs));
	r->columns = NULL;
}

/* ---- the catalogue */

static json_object *model_of(const struct refresh *r, const json_object *item, const char *folder,
			     int64_t revision)
{
	static const char *const same[] = {"type",    "geometry", "crs", "bbox_wgs84", "count",
					   "columns", "raster",	  "map", "map_bounds", "size"};
	json_object *m = json_object_new_object();
	const json_object *warnings = json_arr(r->work->result, "warnings");
	CLEAN_FREE char *file =
	    mem_printf("%s/%s", folder + strlen("datasets/"), revision_data_name(item));
	CLEAN_FREE char *name = name_dataset(r->target.receiver->name);
	int64_t now = clock_now_ms();

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		json_set(m, same[i], json_copy(json_get(item, same[i])));
	json_set(m, "bbox", json_copy(json_get(item, "extent")));
	json_set(m, "rows", json_copy(json_get(item, "sample_rows")));
	json_set_int(json_set_int(m, "id", r->dataset), "revision", revision);
	json_set_str(json_set_str(m, "owner", r->owner != NULL ? r->owner : ""), "name", name);
	json_set_str(m, "title", r->target.receiver->name);
	json_set(m, "keywords", json_object_new_array());
	json_set(m, "source", json_object_new_array());
	json_set(m, "warnings", warnings != NULL ? json_copy(warnings) : json_object_new_array());
	json_set_bool(m, "originals", false);
	json_set_str(json_set_str(m, "file", file), "access", "private");
	json_set_int(json_set_int(m, "created", now), "changed", now);
	json_set(m, "time", NULL);
	return json_set_int(m, "downloads", 0);
}

struct note {
	const struct refresh *r;
};

static enum err note_pass(struct pass *p, void *arg)
{
	const struct refresh *r = ((struct note *)arg)->r;
	json_object *record = NULL;
	enum err err = receivers_get(p, r->target.receiver->name, &record);

	if (err == ERR_OK)
		err = receivers_put(p, json_set_int(record, "dataset", r->dataset));
	json_object_put(record);
	return err;
}

/* Whose it is: the user of who wrote last; not of one whose rows were refused since. */
static enum err owner_pass(struct pass *p, void *arg)
{
	struct refresh *r = arg;
	json_object *tasks = NULL, *t = NULL;
	enum err err = tasks_signed(p, NULL, NULL, 0, OWNER_TASKS, &tasks);

	JSON_EACH(t, tasks)
	{
		const char *owner = json_str(t, "owner", "");

		if (r->owner == NULL && strcmp(json_str(t, "state", ""), "done") == 0 &&
		    json_int(t, "receiver_id", 0) == r->target.receiver->id)
			r->owner = mem_strdup(strncmp(owner, "u:", 2) == 0 ? owner + 2 : owner);
	}
	json_object_put(tasks);
	return err;
}

/* Files first, the catalogue last.  OLD: the dataset as it is; NULL = a new one. */
static enum err publish(struct refresh *r, json_object *item, const json_object *old)
{
	struct work *work = r->work;
	int64_t revision = old == NULL ? 1 : json_int(old, "revision", 1) + 1, made = 0;
	CLEAN_FREE char *attempts =
	    mem_printf("%lld-t%lld-", (long long)revision, (long long)work->id);
	CLEAN_FREE char *folder =
	    mem_printf("datasets/%lld/%s%lld", (long long)r->dataset, attempts,
		       (long long)json_int(work->task, "attempt", 1));
	enum err err = revision_begin(work, folder, item);

	if (err == ERR_OK)
		err = revision_move_in(work, folder, json_str(item, "file", ""),
				       revision_data_name(item));
	if (err == ERR_OK) {
		json_object *m = model_of(r, item, folder, revision);

		json_set(m, "stored", stored_of(work->w, folder, revision_data_name(item), m));
		err = old == NULL ? catalog_publish(work->w->catalog, m, &made, &work->error)
				  : catalog_replace(work->w->catalog, r->dataset, m, revision - 1,
						    &work->error);
		json_object_put(m);
	}
	if (err == ERR_OK)
		revision_drop_earlier(work->w, r->dataset, revision - 1, folder, attempts);
	else
		(void)fs_remove_tree(work->w->data_fd, folder, NULL);
	return err;
}

/* A new dataset's number is the receiver's before the dataset is there: a crash makes no second
 * one. */
static enum err create(struct refresh *r, json_object *item)
{
	struct work *work = r->work;
	struct note note = {r};
	enum err err = store_pass(work->w->store, PASS_READ, "owner", owner_pass, r, &work->error);

	if (err == ERR_OK)
		err = catalog_reserve(work->w->catalog, &r->dataset, &work->error);
	if (err == ERR_OK)
		err = store_pass(work->w->store, PASS_SYNC, "dataset", note_pass, &note,
				 &work->error);
	return err == ERR_OK ? publish(r, item, NULL) : err;
}

/* A table that got a map, or lost it, is another kind of dataset; its rights go over. */
static enum err change_type(struct refresh *r, json_object *item, const json_object *old)
{
	static const char *const kept[] = {"title", "abstract", "keywords", "permissions"};
	json_object *changes = json_object_new_object();
	struct work *work = r->work;
	enum err err;

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (json_get(old, kept[i]) != NULL)
			json_set(changes, kept[i], json_copy(json_get(old, kept[i])));
	err = catalog_delete(work->w->catalog, r->dataset, &work->error);
	if (err == ERR_OK)
		err = create(r, item);
	if (err == ERR_OK)
		err = catalog_update(work->w->catalog, r->dataset, changes, &work->error);
	json_object_put(changes);
	return err;
}

static enum err bring_up(struct refresh *r, json_object *item)
{
	struct viewer all = {.user = "", .admin = true};
	struct work *work = r->work;
	json_object *old = NULL;
	enum err err = r->dataset == 0
			   ? ERR_NOT_FOUND
			   : catalog_get(work->w->catalog, r->dataset, &all, &old, NULL);

	if (err == ERR_NOT_FOUND)
		err = create(r, item);
	else if (err == ERR_OK &&
		 strcmp(json_str(old, "type", ""), json_str(item, "type", "")) != 0)
		err = change_type(r, item, old);
	else if (err == ERR_OK)
		err = publish(r, item, old);
	json_object_put(old);
	return err;
}

static void refresh(struct refresh *r)
{
	struct work *work = r->work;
	json_object *item;
	enum err err = ERR_OK;

	if (!write_csv(r)) {
		problems_add(
		    &work->problems,
		    problem_new(work->error.err == ERR_NO_SPACE ? "disk_full" : "import_failed"));
		return;
	}
	plan(r);
	work_run(work);
	item = json_at(json_arr(work->result, "layers"), 0);
	if (work->problems != NULL || strcmp(json_str(item, "status", ""), "imported") != 0) {
		if (work->problems == NULL)
			work->problems = json_copy(json_arr(item, "problems"));
		return;
	}
	/* The file is moved away by the first try: only its failure before that can be repeated. */
	err = bring_up(r, item);
	if (err != ERR_OK)
		problems_add(&work->problems, problem_new(err == ERR_NO_SPACE	? "disk_full"
							  : err == ERR_CONFLICT ? "dataset_changed"
										: "import_failed"));
}

/* Written while it was read, locked, or the dataset was replaced by somebody else: once more, on
 * top of that. */
static enum err again_pass(struct pass *p, void *arg)
{
	const struct refresh *r = arg;
	CLEAN_JSON json_object *task = NULL;
	enum err err = tasks_get(p, r->work->id, &task);

	if (err != ERR_OK || r->target.record == NULL)
		return err;
	return json_bool(task, "again", false) || r->refusal.code == REFUSE_BUSY ||
		       problems_have(r->work->problems, "dataset_changed")
		   ? tasks_refresh(p, r->target.record)
		   : ERR_OK;
}

void work_refresh_table(struct work *work)
{
	struct refresh r = {.work = work, .place = SIZE_MAX};
	int64_t id = json_int(work->task, "receiver_id", 0);

	/* That of a worker thought lost may still be at it: the later one has read the table later.
	 */
	if (work->problems == NULL && work_lock(work, "locks/refresh", id) != ERR_OK)
		problems_add(&work->problems, problem_new("import_failed"));
	if (work->problems == NULL && signed_target_open(work, &r.target) &&
	    r.target.receiver->catalogue) {
		r.dataset = json_int(r.target.record, "dataset", 0);
		refresh(&r);
	}
	work->told = json_set(json_object_new_object(), "spec", NULL);
	if (r.dataset > 0)
		json_set_int(work->told, "dataset", r.dataset);
	if (!work->lost)
		(void)work_end(work, again_pass, &r);
	signed_target_close(&r.target);
	json_object_put(r.columns);
	free(r.owner);
}
