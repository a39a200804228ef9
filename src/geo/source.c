#include "geo/source.h"

#include <fcntl.h>
#include <string.h>
#include "base/charset.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/content.h"
#include "geo/member.h"
#include "geo/tiles.h"

#define PRJ_MAX_BYTES 65000 /* of a .prj that are looked at */

/* Codes that condemn everything sent with the file, not only its bundle. */
static bool is_hostile(const char *code)
{
	static const char *const codes[] = {"xml_forbidden", "content_mismatch"};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i], code) == 0)
			return true;
	return text_starts(code, "zip_");
}

static bool all_harmless(const json_object *problems)
{
	json_object *p;

	JSON_EACH(p, problems)
	if (is_hostile(problem_code(p)))
		return false;
	return true;
}

static void move_problems(json_object **from, json_object **to)
{
	json_object *p;

	JSON_EACH(p, *from)
	problems_add(to, json_object_get(p));
	json_object_put(*from);
	*from = NULL;
}

static char *stem_of(const char *name)
{
	const char *slash = strrchr(name, '/'), *base = slash != NULL ? slash + 1 : name,
		   *dot = strrchr(base, '.');

	return dot != NULL && dot != base ? mem_strndup(base, (size_t)(dot - base))
					  : mem_strdup(base);
}

enum source_side source_side_of(const char *name)
{
	static const struct {
		const char *end;
		enum source_side side;
	} sides[] = {
	    {".prj", SOURCE_PRJ}, {".cpg", SOURCE_CPG}, {".cst", SOURCE_CPG},
	    {".sld", SOURCE_SLD}, {".dbf", SOURCE_DBF}, {".xml", SOURCE_XML},
	};

	if (text_ends_icase(name, ".aux.xml"))
		return SOURCE_SIDE__MAX;
	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++)
		if (text_ends_icase(name, sides[i].end))
			return sides[i].side;
	return SOURCE_SIDE__MAX;
}

/* An import wants only the bundles its layers come from; a mosaic's are all one layer. */
static bool source_is_wanted(const struct job *job, int bundle)
{
	json_object *layers = json_arr(job->spec, "layers"), *layer;

	if (layers == NULL ||
	    strcmp(json_str(job->spec, "kind", ""), kind_name(KIND_ZIP_MOSAIC)) == 0)
		return true;
	JSON_EACH(layer, layers)
	/*
		 * Raster tables of a GeoPackage are numbered behind all bundles: they can only be
		 * counted once it is open.
		 */
	if (json_int(layer, "bundle", -1) == bundle ||
	    strcmp(json_str(layer, "driver", ""), "GPKG") == 0)
		return true;
	return false;
}

struct source *source_add(struct source_set *set, enum kind kind, const char *stem,
			  const char *file)
{
	struct source *src;

	set->v = mem_resize(set->v, set->n + 1, sizeof(*set->v));
	src = &set->v[set->n];
	*src = (struct source){.bundle = (int)set->n,
			       .kind = kind,
			       .stem = mem_strdup(stem),
			       .file = mem_strdup(file)};
	set->n++;
	return src;
}

/* Take what the sorter found wrong; false when that ends the job. */
static bool take_findings(struct job *job, struct bundle_set *found)
{
	move_problems(&found->warnings, &job->warnings);
	if (json_len(found->problems) == 0)
		return true;
	move_problems(&found->problems, &job->problems);
	return false;
}

/* An archive without anything of ours is what is wrong, not its members. */
static void name_empty_archive(struct bundle_set *found, const char *archive)
{
	json_object *p;

	JSON_EACH(p, found->problems)
	if (strcmp(problem_code(p), "zip_no_data") == 0)
		problem_str(p, "file", archive);
}

/* ---- files as they were sent */

struct loose {
	struct bundle_file *files;
	size_t n;
};

static char *find_loose_image(struct job *job, void *user, const char *href)
{
	const struct loose *l = user;
	const char *slash = strrchr(href, '/');

	/* Loose files have no folders: the name alone decides. */
	for (size_t i = 0; i < l->n; i++)
		if (text_ieq(l->files[i].name, slash != NULL ? slash + 1 : href))
			return mem_strdup(job->files[i].path);
	return NULL;
}

static enum err add_loose_source(struct job *job, struct source_set *set, const struct loose *l,
				 const struct bundle *b, int index)
{
	struct source *src = source_add(set, b->kind, b->stem, l->files[b->main].name);
	bool wanted = source_is_wanted(job, src->bundle);

	for (size_t i = 0; i < l->n && wanted; i++) {
		enum source_side side = source_side_of(l->files[i].name);

		if (l->files[i].bundle != index)
			continue;
		if (i == b->main)
			src->path = mem_strdup(job->files[i].path);
		else if (side != SOURCE_SIDE__MAX && src->side[side] == NULL)
			src->side[side] = mem_strdup(job->files[i].path);
	}
	return wanted ? member_settle(job, src, find_loose_image, (void *)(uintptr_t)l) : ERR_OK;
}

static json_object *bundle_json(const struct source *src, const struct bundle_file *files, size_t n,
				int index)
{
	json_object *o = json_object_new_object(), *names = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		if (files[i].bundle == index)
			json_object_array_add(names, json_object_new_string(files[i].name));
	json_set_int(o, "i", src->bundle);
	json_set_str(o, "kind", kind_name(src->kind));
	json_set_str(o, "stem", src->stem);
	return json_set(o, "files", names);
}

/*
 * A bundle that cannot be read is no reason to refuse its neighbours: its problems wait in SPARED.
 */
static enum err settle(struct job *job, struct source_set *set, enum err e, size_t n_bundles,
		       json_object **spared)
{
	struct source *src = &set->v[set->n - 1];

	if (e == ERR_OK)
		return ERR_OK;
	if (n_bundles < 2 || job->problems == NULL || !all_harmless(job->problems))
		return e;
	move_problems(&job->problems, spared);
	free(src->path);
	src->path = NULL;
	return ERR_OK;
}

/* ---- members of a zip */

static bool is_raster(enum kind k)
{
	return k == KIND_TIF || k == KIND_ASC || k == KIND_PNG || k == KIND_JPG || k == KIND_IMG ||
	       k == KIND_JP2 || k == KIND_NTF;
}

/* Several rasters are one mosaic when somebody says so: the form, a sidecar or a time pattern. */
static bool is_mosaic(const struct job *job, const struct bundle_set *found,
		      const struct members *m)
{
	json_object *mosaic = json_obj(job->spec, "mosaic");
	bool asked = json_bool(mosaic, "wanted", false) || json_str(mosaic, "regex", "")[0] != '\0';

	if (found->n < 2)
		return false;
	for (size_t i = 0; i < found->n; i++)
		if (!is_raster(found->v[i].kind))
			return false;
	for (size_t i = 0; i < m->n && !asked; i++)
		asked = text_ends_icase(m->files[i].name, ".properties");
	return asked;
}

static enum err add_members(struct job *job, struct source_set *set, struct members *m,
			    const struct bundle_set *found, json_object **spared)
{
	enum err e = ERR_OK;

	for (size_t b = 0; e == ERR_OK && b < found->n; b++) {
		/* One bundle takes the archive's name: scripts of GeoNode look for it. */
		const char *stem = found->n == 1 ? set->name : found->v[b].stem;
		struct source *src =
		    source_add(set, found->v[b].kind, stem, m->files[found->v[b].main].name);

		src->in_zip = true;
		if (source_is_wanted(job, src->bundle))
			e = settle(job, set, member_unpack(job, m, src, (int)b, found->v[b].main),
				   found->n, spared);
		if (e == ERR_OK)
			json_object_array_add(
			    set->bundles, bundle_json(&set->v[set->n - 1], m->files, m->n, (int)b));
	}
	return e;
}

static enum err add_archive(struct job *job, struct source_set *set, const struct job_file *file,
			    json_object **spared)
{
	struct members m;
	struct bundle_set found;
	int64_t most = job_limit(job, "max_layers");
	enum err e = members_open(job, file->path, file->name, &m);

	if (e != ERR_OK)
		return e;
	e = members_sort(job, &m, json_str(job->spec, "drivers", ""), &found);
	if (e == ERR_OK)
		name_empty_archive(&found, file->name);
	if (e == ERR_OK && !take_findings(job, &found))
		e = ERR_BAD_REQUEST;
	if (e == ERR_OK && is_mosaic(job, &found, &m)) {
		set->kind = KIND_ZIP_MOSAIC;
		member_time_regex(job, &m);
	} else if (e == ERR_OK && (int64_t)found.n > most) {
		e = job_fail(job, problem_arg_int(
				      problem_str(problem_new("layers_limit"), "file", file->name),
				      "limit", most));
	} else {
		set->kind = found.n == 1 ? found.v[0].kind : KIND_MULTI;
	}
	if (e == ERR_OK)
		e = add_members(job, set, &m, &found, spared);
	/* Only then it is known whether a KML is one overlay. */
	if (e == ERR_OK && set->n == 1)
		set->kind = set->v[0].kind;
	bundle_set_done(&found);
	members_close(&m);
	return e;
}

/* ---- all of it */

static enum err add_all(struct job *job, struct source_set *set, const struct loose *l,
			struct bundle_set *found, json_object **spared)
{
	enum err e = ERR_OK;

	if (found->n == 1 && found->v[0].kind == KIND_ZIP)
		return add_archive(job, set, &job->files[found->v[0].main], spared);
	set->kind = found->n == 1 ? found->v[0].kind : KIND_MULTI;
	for (size_t b = 0; e == ERR_OK && b < found->n; b++) {
		e = settle(job, set, add_loose_source(job, set, l, &found->v[b], (int)b), found->n,
			   spared);
		if (e == ERR_OK)
			json_object_array_add(
			    set->bundles, bundle_json(&set->v[set->n - 1], l->files, l->n, (int)b));
	}
	if (e == ERR_OK && set->n == 1)
		set->kind = set->v[0].kind;
	return e;
}

static bool any_open(const struct source_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].path != NULL)
			return true;
	return false;
}

enum err source_set_open(struct job *job, struct source_set *ret)
{
	struct loose l = {.n = job->n_files};
	struct source_set set = {.kind = KIND_MULTI, .bundles = json_object_new_array()};
	struct bundle_set found;
	json_object *spared = NULL;
	enum err e;

	l.files = mem_array(l.n + 1, sizeof(*l.files));
	for (size_t i = 0; i < l.n; i++) {
		struct bundle_file *f = &l.files[i];

		f->name = job->files[i].name;
		f->size = fs_size(AT_FDCWD, job->files[i].path);
		f->head = content_head(job->files[i].path, &f->head_len);
	}
	bundle_sort(l.files, l.n, false, json_str(job->spec, "drivers", ""), &found);
	set.name =
	    l.n > 0 ? stem_of(l.files[found.n > 0 ? found.v[0].main : 0].name) : mem_strdup("");
	e = take_findings(job, &found) ? ERR_OK : ERR_BAD_REQUEST;
	if (e == ERR_OK)
		e = add_all(job, &set, &l, &found, &spared);
	if (e == ERR_OK)
		tiles_add(&set);
	if (e == ERR_OK && !any_open(&set)) {
		move_problems(&spared, &job->problems);
		e = json_len(job->problems) > 0 ? ERR_BAD_REQUEST
						: job_fail(job, problem_new("format_no_layers"));
	}
	move_problems(&spared, &job->warnings);
	for (size_t i = 0; i < l.n; i++)
		free((void *)(uintptr_t)l.files[i].head);
	free(l.files);
	bundle_set_done(&found);
	if (e != ERR_OK)
		source_set_done(&set);
	else
		*ret = set;
	return e;
}

char *source_prj(const struct source *src)
{
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *decoded = NULL;
	size_t len;

	if (src->side[SOURCE_PRJ] == NULL ||
	    fs_read_file(AT_FDCWD, src->side[SOURCE_PRJ], PRJ_MAX_BYTES, &text, &len, NULL) !=
		ERR_OK)
		return NULL;
	/* Names in it may be Chinese; of what else it is the numbers count. */
	decoded =
	    charset_decode(text_is_utf8(text, len) ? "UTF-8" : "GB18030", text, len, NULL, NULL);
	return text_trim(decoded);
}

void source_set_done(struct source_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct source *src = &set->v[i];

		free(src->stem);
		free(src->file);
		free(src->path);
		for (size_t k = 0; k < sizeof(src->side) / sizeof(src->side[0]); k++)
			free(src->side[k]);
		free(src->raster_table);
		json_object_put(src->overlay);
	}
	free(set->v);
	free(set->name);
	json_object_put(set->bundles);
	*set = (struct source_set){0};
}
