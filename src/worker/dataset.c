/*
 * From a job's output to datasets: files are made durable under the dataset's folder first, the
 * catalogue's row comes last.  Run again after a crash at any point, it yields exactly one dataset
 * per layer.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "worker/append.h"
#include "worker/revision.h"
#include "worker/stored.h"
#include "worker/work_item.h"
#include "worker/worker.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/earlier.h"
#include "wizard/choice.h"
#include "wizard/final.h"

/* One layer on its way into the catalogue. */
struct entry {
	struct work *work;
	struct session *s;
	json_object *item;  /* the job's result for the layer */
	json_object *layer; /* the job's order for it */
	json_object *base;  /* the dataset that rows are appended to; NULL = none; borrowed */
	int64_t id;	    /* dataset */
	int64_t revision;
	/* "datasets/<id>/<revision>-<session>-<attempt>": two at work at once never share one */
	char folder[96];
};

static json_object *order_of(const json_object *spec, int64_t i)
{
	json_object *layer = NULL;
	JSON_EACH(layer, json_arr(spec, "layers"))
	{
		if (json_int(layer, "i", -1) == i)
			return layer;
	}
	return NULL;
}

/* ---- files */

/* The folder of a dataset's files. */
static char *folder_of(const json_object *model)
{
	const char *file = json_str(model, "file", ""), *slash = strrchr(file, '/');
	return mem_printf("datasets/%.*s", slash == NULL ? 0 : (int)(slash - file), file);
}

/* Those of the rows appended to come along.  *RET: how many there are. */
static enum err keep_earlier(struct entry *e, const char *folder, int64_t *ret)
{
	struct worker *w = e->work->w;
	enum err err = ERR_OK;
	CLEAN_FREE char *before = folder_of(e->base);
	*ret = (int64_t)json_len(json_arr(e->base, "source"));
	for (int64_t i = 1; i <= *ret && err == ERR_OK; i++) {
		CLEAN_FREE char *from = mem_printf("%s/original/%lld", before, (long long)i);
		CLEAN_FREE char *to = mem_printf("%s/%lld", folder, (long long)i);
		if (fs_size(w->data_fd, from) >= 0)
			err = fs_link_or_copy(w->data_fd, from, w->data_fd, to, &e->work->error);
	}
	return err;
}

/* The files as they were sent stay for download, when wanted. */
static enum err keep_originals(struct entry *e)
{
	struct worker *w = e->work->w;
	CLEAN_FREE char *folder = mem_printf("%s/original", e->folder);
	enum err err = fs_mkdirs(w->data_fd, folder, &e->work->error);
	int64_t n = 0;
	json_object *u = NULL;
	if (err == ERR_OK)
		err = keep_earlier(e, folder, &n);
	JSON_EACH(u, json_arr(e->s->doc, "uploads"))
	{
		struct upload_info info = {0};
		n++;
		if (err != ERR_OK)
			break;
		err = upload_get(w->engine, json_str(u, "id", ""), NULL, &info, &e->work->error);
		if (err == ERR_OK) {
			CLEAN_FREE char *to = mem_printf("%s/%lld", folder, (long long)n);
			err =
			    fs_link_or_copy(w->data_fd, info.path, w->data_fd, to, &e->work->error);
		}
		upload_info_done(&info);
	}
	return err;
}

/* All of a dataset's originals or none: rows appended to one follow its choice. */
static bool wants_originals(const struct entry *e)
{
	const struct session *s = e->s;
	if (e->base != NULL)
		return json_bool(e->base, "originals", false);
	const json_object *final = session_input(s, STEP_FINAL),
			  *save = session_input(s, STEP_SAVE);
	return json_bool(final, "store_spatial_files",
			 json_bool(save, "store_spatial_files", true));
}

static enum err place_files(struct entry *e)
{
	enum err err = revision_begin(e->work, e->folder, e->item);

	if (err == ERR_OK && wants_originals(e))
		err = keep_originals(e);
	return err == ERR_OK ? revision_move_in(e->work, e->folder, json_str(e->item, "file", ""),
						revision_data_name(e->item))
			     : err;
}

/* ---- the model (catalog/catalog.h) */

static json_object *sources(const struct session *s)
{
	static const char *const members[] = {"name", "size", "md5", "sha256"};
	json_object *list = json_object_new_array(), *u = NULL;
	JSON_EACH(u, json_arr(s->doc, "uploads"))
	{
		json_object *o = json_object_new_object();
		for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
			json_set(o, members[i], json_copy(json_get(u, members[i])));
		json_set_int(o, "n", (int64_t)json_len(list) + 1); /* its original's address */
		json_object_array_add(list, o);
	}
	return list;
}

/* The column chosen for one end: the form has a field for each kind of column. */
static const char *time_column(const json_object *input, const char *prefix)
{
	static const char *const kinds[] = {"time", "text", "year"};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		CLEAN_FREE char *key = mem_printf("%s%s_attribute", prefix, kinds[i]);
		const char *column = json_str(input, key, "");
		if (*column != '\0')
			return column;
	}
	return NULL;
}

static void set_time(json_object *m, const struct session *s, const json_object *item)
{
	const json_object *input = session_input(s, STEP_TIME), *save = session_input(s, STEP_SAVE),
			  *found = json_obj(item, "time");
	static const char *const same[] = {"precision_value", "precision_step"},
				 *const measured[] = {"start", "end", "positions"};
	if (found == NULL) {
		json_set(m, "time", NULL);
		return;
	}
	json_object *t = json_object_new_object();
	json_set_str(t, "attribute", time_column(input, ""));
	json_set_str(t, "end_attribute", time_column(input, "end_"));
	/* A mosaic's times come from file names; how they are shown was said with the upload. */
	json_set_str(
	    t, "presentation",
	    json_str(input, "presentation_strategy", json_str(save, "time_presentation", "LIST")));
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		json_set(t, same[i], json_copy(json_get(input, same[i])));
	for (size_t i = 0; i < sizeof(measured) / sizeof(*measured); i++)
		json_set(t, measured[i], json_copy(json_get(found, measured[i])));
	json_set(m, "time", t);
}

static void set_access(json_object *m, const struct session *s)
{
	const char *access = json_str(session_input(s, STEP_FINAL), "access", NULL);
	json_object *permissions = final_given(s, "permissions");
	json_object *given = permissions != NULL
				 ? json_copy(permissions)
				 : permissions_of_access(access != NULL ? access : "private");
	json_set(m, "permissions", given != NULL ? given : json_object_new_object());
	json_set_str(m, "access", access != NULL ? access : "private");
}

static json_object *model_of(struct entry *e)
{
	static const char *const same[] = {"type",    "geometry", "crs", "bbox_wgs84", "count",
					   "columns", "raster",	  "map", "map_bounds", "size"};
	struct session *s = e->s;
	json_object *m = json_object_new_object(), *keywords = final_given(s, "keywords");
	const char *owner = session_owner(s);
	int64_t now = clock_now_ms();

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		json_set(m, same[i], json_copy(json_get(e->item, same[i])));
	json_set(m, "bbox", json_copy(json_get(e->item, "extent")));
	json_set(m, "rows", json_copy(json_get(e->item, "sample_rows")));
	json_set_int(m, "id", e->id);
	json_set_str(m, "owner", strncmp(owner, "u:", 2) == 0 ? owner + 2 : owner);
	json_set_str(m, "name", json_str(e->layer, "table", ""));
	json_set_str(m, "title", json_str(e->layer, "title", json_str(e->layer, "table", "")));
	json_set(m, "abstract", json_copy(final_given(s, "abstract")));
	if (final_uuid(s) != NULL)
		json_set_str(m, "uuid", final_uuid(s));
	json_set(m, "keywords", keywords != NULL ? json_copy(keywords) : json_object_new_array());
	json_set(m, "source", sources(s));
	json_set_bool(m, "originals", wants_originals(e));
	json_set(m, "answers", earlier_answers(s, e->layer));
	json_set_int(m, "session", s->id);
	json_set_int(m, "layer", json_int(e->item, "i", 0));
	CLEAN_FREE char *file =
	    mem_printf("%s/%s", e->folder + strlen("datasets/"), revision_data_name(e->item));
	json_set_str(m, "file", file);
	json_set_int(m, "revision", e->revision);
	json_set_int(m, "created", now);
	json_set_int(m, "changed", now);
	json_set_int(m, "downloads", 0);
	json_set(m, "warnings", json_copy(json_arr(s->doc, "warnings")));
	set_time(m, s, e->item);
	set_access(m, s);
	return m;
}

/* ---- create, or put in place of an older revision */

static void set_folder(struct entry *e, int64_t id, int64_t revision)
{
	e->id = id;
	e->revision = revision;
	snprintf(e->folder, sizeof(e->folder), "datasets/%lld/%lld-%lld-%lld", (long long)id,
		 (long long)revision, (long long)e->s->id,
		 (long long)json_int(e->work->task, "attempt", 1));
}

/* Two datasets never carry one identifier; who was first has it. */
static enum err claim_uuid(struct entry *e)
{
	const char *uuid = final_uuid(e->s);
	int64_t id = 0;
	enum err err = uuid == NULL
			   ? ERR_OK
			   : catalog_by_uuid(e->work->w->catalog, uuid, &id, &e->work->error);
	if (err != ERR_OK || id == 0)
		return err;
	problems_add(&e->work->problems, problem_str(problem_new("uuid_in_use"), "value", uuid));
	return error_set(&e->work->error, ERR_CONFLICT, "dataset %lld has the same identifier",
			 (long long)id);
}

/*
 * Does the catalogue show this entry's files?  When that cannot be told they are left to the sweep:
 * "yes".
 */
static bool is_published(const struct entry *e)
{
	struct viewer all = {.user = "", .admin = true};
	json_object *now = NULL;
	CLEAN_FREE char *file =
	    mem_printf("%s/%s", e->folder + strlen("datasets/"), revision_data_name(e->item));
	enum err err = catalog_get(e->work->w->catalog, e->id, &all, &now, NULL);
	bool ours =
	    err == ERR_OK ? strcmp(json_str(now, "file", ""), file) == 0 : err != ERR_NOT_FOUND;
	json_object_put(now);
	return ours;
}

static void drop_earlier(struct entry *e, int64_t replaced)
{
	CLEAN_FREE char *attempts =
	    mem_printf("%lld-%lld-", (long long)e->revision, (long long)e->s->id);

	revision_drop_earlier(e->work->w, e->id, replaced, e->folder, attempts);
}

/* The first layer that is imported. */
static int64_t first_layer(const struct session *s)
{
	json_object *chosen = choice_layers(s);
	int64_t i = json_int(json_at(chosen, 0), "i", 0);
	json_object_put(chosen);
	return i;
}

static enum err create(struct entry *e)
{
	struct worker *w = e->work->w;
	int64_t id = 0, made = 0;
	enum err err = catalog_by_session(w->catalog, e->s->id, json_int(e->item, "i", 0), &made,
					  &e->work->error);
	if (err != ERR_OK || made != 0) {
		e->id = made; /* an earlier attempt came this far */
		return err;
	}
	/*
	 * A data item has its number already; further layers of its file are datasets of their own.
	 */
	bool item = work_item_of(e->s) != 0 && json_int(e->item, "i", 0) == first_layer(e->s);
	err = claim_uuid(e);
	if (err == ERR_OK && item)
		id = work_item_of(e->s);
	else if (err == ERR_OK)
		err = catalog_reserve(w->catalog, &id, &e->work->error);
	if (err != ERR_OK)
		return err;
	set_folder(e, id, 1);
	err = place_files(e);
	if (err == ERR_OK) {
		json_object *m = model_of(e);
		if (item)
			json_set_bool(m, "item", true);
		else
			json_set(m, "stored",
				 stored_of(w, e->folder, revision_data_name(e->item), m));
		err = catalog_publish(w->catalog, m, &made, &e->work->error);
		json_object_put(m);
	}
	if (err != ERR_OK ? !is_published(e) : made != id)
		(void)fs_remove_tree(w->data_fd, e->folder, NULL);
	else if (err == ERR_OK)
		drop_earlier(e, 0);
	e->id = made;
	return err;
}

static enum err replace(struct entry *e, const json_object *target)
{
	struct worker *w = e->work->w;
	struct viewer all = {.user = "", .admin = true};
	json_object *old = NULL;
	int64_t id = json_int(target, "dataset", 0), expected = json_int(target, "revision", 1),
		made = 0;
	e->id = id;
	enum err err = catalog_by_session(w->catalog, e->s->id, json_int(e->item, "i", 0), &made,
					  &e->work->error);
	if (err != ERR_OK || made == id)
		return err; /* this very import was cut short after its last action */
	err = catalog_get(w->catalog, id, &all, &old, &e->work->error);
	if (err != ERR_OK)
		return err;
	if (json_int(old, "revision", 1) != expected) {
		json_object_put(old);
		return error_set(&e->work->error, ERR_CONFLICT, "dataset %lld changed meanwhile",
				 (long long)id);
	}
	set_folder(e, id, expected + 1);
	e->base = strcmp(json_str(target, "mode", ""), "append") == 0 ? old : NULL;
	err = place_files(e);
	if (err == ERR_OK) {
		json_object *m = model_of(e);
		if (e->base != NULL)
			append_model(m, e->base, e->item);
		if (work_item_of(e->s) == 0)
			json_set(m, "stored",
				 stored_of(w, e->folder, revision_data_name(e->item), m));
		static const char *const kept[] = {"name",	  "title",   "owner",
						   "permissions", "access",  "abstract",
						   "keywords",	  "created", "downloads"};
		for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
			json_set(m, kept[i], json_copy(json_get(old, kept[i])));
		err = catalog_replace(w->catalog, id, m, expected, &e->work->error);
		json_object_put(m);
	}
	if (err == ERR_OK)
		drop_earlier(e, expected);
	else if (!is_published(e))
		(void)fs_remove_tree(w->data_fd, e->folder, NULL);
	e->base = NULL;
	json_object_put(old);
	return err;
}

/* What the session remembers of a dataset. */
static json_object *reference(const struct entry *e)
{
	json_object *ref = json_object_new_object();
	json_set_int(ref, "i", json_int(e->item, "i", 0));
	json_set_str(ref, "status", json_str(e->item, "status", "failed"));
	if (e->id != 0)
		json_set_int(ref, "id", e->id);
	json_set(ref, "info", json_copy(json_obj(e->item, "info")));
	json_set(ref, "rows", json_copy(json_obj(e->item, "rows")));
	if (json_len(json_arr(e->item, "problems")) > 0)
		json_set(ref, "problems", json_copy(json_arr(e->item, "problems")));
	return ref;
}

enum err work_datasets(struct work *work, struct session *s, json_object **ret)
{
	const json_object *spec = json_obj(work->task, "spec");
	json_object *list = json_object_new_array(), *item = NULL;

	JSON_EACH(item, json_arr(work->result, "layers"))
	{
		struct entry e = {.work = work,
				  .s = s,
				  .item = item,
				  .layer = order_of(spec, json_int(item, "i", -1))};
		if (e.layer != NULL && strcmp(json_str(item, "status", ""), "imported") == 0) {
			const json_object *target = json_obj(work->task, "target");
			enum err err = target != NULL ? replace(&e, target) : create(&e);
			if (err != ERR_OK) {
				json_object_put(list);
				return err;
			}
		}
		json_object_array_add(list, reference(&e));
	}
	*ret = list;
	return ERR_OK;
}
