#include "wizard/bundle.h"

#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wizard/bundle_type.h"

#define NAMES_TOLD    10 /* file names in one sentence */
#define PROBLEMS_TOLD 50 /* in one answer */

/* The sorting under way. */
struct sorting {
	struct bundle_file *files;
	struct name_parts *parts; /* of each file */
	bool *told;		  /* each file: a problem names it already */
	uint32_t *sides;	  /* each bundle: bits of its side files (side_bit) */
	size_t n;
	bool in_zip;
	const char *extra_drivers;
	struct bundle_set *set;
};

/* ---- what people are told */

/* A text that grows by names: "a.dbf, b.dbf". */
static void name_add(char **list, const char *name)
{
	char *longer = *list == NULL ? mem_strdup(name) : mem_printf("%s, %s", *list, name);

	free(*list);
	*list = longer;
}

static void error_add(struct sorting *s, json_object *p)
{
	if (json_len(s->set->problems) < PROBLEMS_TOLD)
		problems_add(&s->set->problems, p);
	else
		json_object_put(p);
}

/* Names of the files FN picks, the first few. */
static char *names_of(const struct sorting *s, bool (*pick)(const struct sorting *, size_t))
{
	char *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (!pick(s, i))
			continue;
		if (n++ < NAMES_TOLD)
			name_add(&list, s->files[i].name);
	}
	if (n > NAMES_TOLD)
		name_add(&list, "…");
	return list;
}

static void unsupported(struct sorting *s, const char *code, const char *file, const char *save_as)
{
	CLEAN_FREE char *accepted = bundle_main_extensions(s->extra_drivers);
	json_object *p = problem_str(problem_new(code), "file", file);

	problem_arg(p, "accepted", accepted);
	if (file != NULL)
		problem_arg(p, "sent", file);
	if (save_as != NULL)
		problem_arg(p, "save_as", save_as);
	error_add(s, p);
}

/* ---- which files matter */

bool bundle_is_junk(const char *name)
{
	static const char *const names[] = {".DS_Store", "Thumbs.db", "desktop.ini"};
	const char *slash = strrchr(name, '/');
	const char *base = slash != NULL ? slash + 1 : name;

	if (*base == '\0' || strncmp(base, "._", 2) == 0 || strncmp(base, "~$", 2) == 0)
		return true;
	if (strncmp(name, "__MACOSX/", 9) == 0 || strstr(name, "/__MACOSX/") != NULL)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (text_ieq(base, names[i]))
			return true;
	return false;
}

static bool is_text_table(const struct name_parts *p)
{
	return p->main != NULL && strcmp(p->ext, "txt") == 0;
}

static bool is_picture(const struct name_parts *p)
{
	return p->main != NULL && (p->main->kind == KIND_PNG || p->main->kind == KIND_JPG);
}

/* Is there a world file (or .aux.xml) beside picture I? */
static bool has_georeference(const struct sorting *s, size_t i)
{
	const struct name_parts *p = &s->parts[i];

	for (size_t j = 0; j < s->n; j++) {
		const struct name_parts *q = &s->parts[j];

		if (q->side == NULL || q->side->any_stem || strcmp(q->ext, "prj") == 0 ||
		    strcmp(q->ext, "ovr") == 0)
			continue;
		if ((q->side->kinds & UINT32_C(1) << p->main->kind) != 0 &&
		    strcmp(q->key, p->key) == 0)
			return true;
	}
	return false;
}

/* In an archive .json may be anything; what is plainly no GeoJSON is no source there. */
static bool is_other_json(const struct sorting *s, size_t i)
{
	static const char *const words[] = {"\"FeatureCollection\"", "\"Feature\"",
					    "\"coordinates\"", "\"geometries\""};
	const struct bundle_file *f = &s->files[i];

	if (!s->in_zip || strcmp(s->parts[i].ext, "json") != 0 || f->head == NULL)
		return false;
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
		if (memmem(f->head, f->head_len, words[w], strlen(words[w])) != NULL)
			return false;
	return true;
}

/* Can file I be a source whatever lies beside it? */
static bool is_plain_source(const struct sorting *s, size_t i)
{
	const struct name_parts *p = &s->parts[i];

	if (p->main == NULL || is_text_table(p) || is_other_json(s, i))
		return false;
	return !is_picture(p) || has_georeference(s, i);
}

static void bundle_add(struct sorting *s, size_t i)
{
	struct bundle_set *set = s->set;

	set->v = mem_resize(set->v, set->n + 1, sizeof(*set->v));
	set->v[set->n] = (struct bundle){
	    .kind = s->parts[i].main->kind, .stem = mem_strdup(s->parts[i].stem), .main = i};
	s->files[i].role = 1;
	s->files[i].bundle = (int)set->n++;
}

/* Sources first; a text file or a bare picture only when there is nothing better. */
static void find_mains(struct sorting *s)
{
	bool only_text = true;

	for (size_t i = 0; i < s->n; i++) {
		if (is_plain_source(s, i)) {
			bundle_add(s, i);
			only_text = false;
		}
	}
	for (size_t i = 0; i < s->n && only_text; i++)
		if (is_text_table(&s->parts[i]))
			bundle_add(s, i);
}

/* ---- side files */

static bool fits(const struct bundle *b, const struct side_type *side)
{
	return (side->kinds & UINT32_C(1) << b->kind) != 0;
}

static uint32_t side_bit(const struct side_type *side)
{
	return UINT32_C(1) << (side - bundle_sides);
}

static void attach(struct sorting *s, size_t i, size_t bundle)
{
	s->files[i].role = 2;
	s->files[i].bundle = (int)bundle;
	if (s->parts[i].side != NULL)
		s->sides[bundle] |= side_bit(s->parts[i].side);
}

/* The bundle file I belongs to by its name. */
static bool attach_by_stem(struct sorting *s, size_t i)
{
	for (size_t b = 0; b < s->set->n; b++) {
		if (fits(&s->set->v[b], s->parts[i].side) &&
		    strcmp(s->parts[s->set->v[b].main].key, s->parts[i].key) == 0) {
			attach(s, i, b);
			return true;
		}
	}
	return false;
}

static bool has_side(const struct sorting *s, size_t bundle, const struct side_type *side)
{
	return (s->sides[bundle] & side_bit(side)) != 0;
}

/* The first bundle a stray side file may have been meant for; -1 = none. */
static int meant_for(const struct sorting *s, size_t i)
{
	const struct side_type *side = s->parts[i].side;
	int first = -1;

	for (size_t b = 0; b < s->set->n; b++) {
		if (!fits(&s->set->v[b], side))
			continue;
		if (!has_side(s, b, side))
			return (int)b;
		if (first < 0)
			first = (int)b;
	}
	/* In an archive a leftover that nobody misses is no reason to refuse the rest. */
	return s->in_zip ? -1 : first;
}

/* An image in the company of a KML file may be what its overlay or its icons name. */
static bool attach_to_kml(struct sorting *s, size_t i)
{
	for (size_t b = 0; b < s->set->n; b++) {
		if (s->set->v[b].kind == KIND_KML) {
			attach(s, i, b);
			return true;
		}
	}
	return false;
}

/* Side files of a foreign stem: one problem for each stem. */
static void mismatch_add(struct sorting *s, size_t i, int bundle)
{
	CLEAN_FREE char *names = NULL;
	json_object *p = problem_new("bundle_stem_mismatch");

	for (size_t j = i; j < s->n; j++) {
		if (s->files[j].role != 0 || s->parts[j].side == NULL ||
		    s->parts[j].side->any_stem || strcmp(s->parts[j].key, s->parts[i].key) != 0 ||
		    meant_for(s, j) < 0)
			continue;
		name_add(&names, s->files[j].name);
		s->told[j] = true;
	}
	problem_str(p, "file", names);
	problem_arg(p, "main", s->files[s->set->v[bundle].main].name);
	error_add(s, p);
}

static void find_sides(struct sorting *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->files[i].role == 0 && s->parts[i].side != NULL)
			(void)attach_by_stem(s, i);
	for (size_t i = 0; i < s->n; i++) {
		const struct side_type *side = s->parts[i].side;
		int b;

		if (s->files[i].role != 0 || s->told[i])
			continue;
		if (is_picture(&s->parts[i])) {
			(void)attach_to_kml(s, i);
		} else if (s->in_zip && strcmp(s->parts[i].ext, "properties") == 0) {
			/* A mosaic's sidecar belongs to the whole. */
			s->files[i].role = 2;
		} else if (side != NULL && side->any_stem && s->set->n == 1) {
			attach(s, i, 0);
		} else if (side != NULL && (!side->any_stem || !s->in_zip) &&
			   (b = meant_for(s, i)) >= 0) {
			mismatch_add(s, i, b);
		}
	}
}

/* ---- judging */

/* Name what shapefile STEM lacks; BUNDLE -1: it has no main file either. */
static void incomplete(struct sorting *s, const char *file, const char *stem, int bundle)
{
	CLEAN_FREE char *missing = NULL;

	if (bundle < 0)
		missing = mem_printf("%s.shp", stem);
	for (const struct side_type *t = bundle_sides; t->ext != NULL; t++) {
		CLEAN_FREE char *name = mem_printf("%s.%s", stem, t->ext);
		bool there = bundle >= 0 ? has_side(s, (size_t)bundle, t) : false;

		for (size_t i = 0; bundle < 0 && i < s->n; i++)
			there = there || (strcmp(s->parts[i].ext, t->ext) == 0 &&
					  strcmp(s->parts[i].stem, stem) == 0);
		if (t->required && !there)
			name_add(&missing, name);
	}
	if (missing != NULL)
		error_add(s,
			  problem_arg(problem_str(problem_new("bundle_incomplete"), "file", file),
				      "missing", missing));
}

static void judge_bundles(struct sorting *s)
{
	bool mismatch = problems_have(s->set->problems, "bundle_stem_mismatch");

	for (size_t b = 0; b < s->set->n; b++) {
		const struct bundle *bundle = &s->set->v[b];
		const char *name = s->files[bundle->main].name;

		/* What is missing is there under another name: said already. */
		if (bundle->kind == KIND_SHP && !mismatch)
			incomplete(s, name, bundle->stem, (int)b);
		if (bundle->kind == KIND_ZIP && s->set->n > 1)
			error_add(s, problem_str(problem_new("zip_alone"), "file", name));
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct bundle_file *f = &s->files[i];
		json_object *p = f->role == 0
				     ? NULL
				     : bundle_check_content(f->name, f->size, f->head, f->head_len);

		if (p != NULL)
			error_add(s, p);
	}
}

/* Archives inside the archive, formats we do not read, pictures nobody can place. */
static void judge_others(struct sorting *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct name_parts *p = &s->parts[i];
		const char *name = s->files[i].name, *save_as = bundle_save_as(p->ext);

		if (bundle_is_junk(name))
			continue;
		if (s->in_zip && bundle_is_archive(p->ext)) {
			error_add(s, problem_str(problem_new("zip_nested"), "file", name));
			s->told[i] = true;
		} else if (save_as != NULL && (!s->in_zip || s->set->n == 0) && !s->told[i]) {
			unsupported(s, "kind_unsupported", name, save_as);
			s->told[i] = true;
		} else if (is_picture(p) && s->files[i].role == 0 &&
			   (!s->in_zip || s->set->n == 0)) {
			error_add(s, problem_str(problem_new("no_georeference"), "file", name));
			s->told[i] = true;
		}
	}
}

static bool is_ignored(const struct sorting *s, size_t i)
{
	return s->files[i].role == 0 && !s->told[i] && !bundle_is_junk(s->files[i].name);
}

/*
 * No-data values, names of classes … that GDAL keeps beside a raster belong to it, but are not
 * read.
 */
static bool is_left_out(const struct sorting *s, size_t i)
{
	return is_ignored(s, i) ||
	       (s->files[i].role == 2 && strcmp(s->parts[i].ext, "aux.xml") == 0);
}

/* Nothing is a source: the parts of a shapefile, or nothing of ours at all. */
static void judge_nothing(struct sorting *s)
{
	CLEAN_FREE char *sent = names_of(s, is_ignored);

	for (size_t i = 0; i < s->n; i++) {
		if (s->parts[i].side != NULL && s->parts[i].side->required) {
			incomplete(s, s->files[i].name, s->parts[i].stem, -1);
			return;
		}
	}
	if (s->set->problems == NULL)
		unsupported(s, s->in_zip ? "zip_no_data" : "kind_unsupported", sent, NULL);
}

void bundle_sort(struct bundle_file *files, size_t n, bool in_zip, const char *extra_drivers,
		 struct bundle_set *ret)
{
	struct sorting s = {.files = files, .n = n, .in_zip = in_zip, .set = ret};

	s.extra_drivers = extra_drivers != NULL ? extra_drivers : "";
	s.parts = mem_array(n > 0 ? n : 1, sizeof(*s.parts));
	s.told = mem_array(n > 0 ? n : 1, sizeof(*s.told));
	*ret = (struct bundle_set){.kind = KIND_MULTI};
	for (size_t i = 0; i < n; i++) {
		files[i].role = 0;
		files[i].bundle = -1;
		name_parts_init(files[i].name, s.extra_drivers, &s.parts[i]);
		/* An archive member of that name is refused below; it is never looked into. */
		if (bundle_is_junk(files[i].name) ||
		    (in_zip && bundle_is_archive(s.parts[i].ext))) {
			s.parts[i].main = NULL;
			s.parts[i].side = NULL;
		}
	}
	find_mains(&s);
	s.sides = mem_array(ret->n + 1, sizeof(*s.sides));
	find_sides(&s);
	judge_others(&s);
	if (ret->n == 0) {
		judge_nothing(&s);
	} else {
		CLEAN_FREE char *ignored = names_of(&s, is_left_out);

		judge_bundles(&s);
		if (ignored != NULL)
			problems_add(&ret->warnings,
				     problem_str(problem_new("elements_skipped"), "file", ignored));
		ret->kind = ret->n == 1 ? ret->v[0].kind : KIND_MULTI;
	}
	for (size_t i = 0; i < n; i++)
		name_parts_done(&s.parts[i]);
	free(s.parts);
	free(s.told);
	free(s.sides);
}

void bundle_set_done(struct bundle_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->v[i].stem);
	free(set->v);
	json_object_put(set->problems);
	json_object_put(set->warnings);
	*set = (struct bundle_set){0};
}
