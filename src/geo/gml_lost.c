/*
 * Places of GML features besides the one that is read: without a schema GDAL keeps the last, with
 * one we take the first. Source: OGC 07-036, 9 (features), 10 and 11 (geometries).
 */
#include <expat.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/layer.h"
#include "geo/xmlgate.h"

#define NAME_MOST  100 /* bytes of a property that is told */
#define NAMES_MOST 400

struct survey {
	int depth;
	int feature, geometry;				 /* depth of the one at hand, 0 = outside */
	char parent[NAME_MOST + 1], name[NAME_MOST + 1]; /* of the element at hand, and around it */
	char first[NAME_MOST + 1];			 /* property of the feature's first place */
	int64_t places;					 /* of the feature at hand */
	int64_t more;					 /* features with several */
	char names[NAMES_MOST];				 /* of their first properties, "a, b" */
};

static const char *local_name(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon != NULL ? colon + 1 : name;
}

static bool is_geometry(const char *name)
{
	static const char *const names[] = {"Point",
					    "LineString",
					    "Curve",
					    "OrientableCurve",
					    "CompositeCurve",
					    "LinearRing",
					    "Polygon",
					    "Surface",
					    "PolyhedralSurface",
					    "TriangulatedSurface",
					    "Tin",
					    "CompositeSurface",
					    "OrientableSurface",
					    "Solid",
					    "CompositeSolid",
					    "MultiPoint",
					    "MultiCurve",
					    "MultiLineString",
					    "MultiSurface",
					    "MultiPolygon",
					    "MultiSolid",
					    "MultiGeometry"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_member(const char *name)
{
	return strcmp(name, "featureMember") == 0 || strcmp(name, "featureMembers") == 0 ||
	       strcmp(name, "member") == 0;
}

static void on_start(void *user, const char *qualified, const char **attributes)
{
	struct survey *s = user;
	const char *name = local_name(qualified);

	(void)attributes;
	s->depth++;
	memcpy(s->parent, s->name, sizeof(s->parent));
	(void)snprintf(s->name, sizeof(s->name), "%.*s",
		       (int)text_cut(name, strlen(name), NAME_MOST), name);
	if (s->feature == 0 && is_member(s->parent)) {
		s->feature = s->depth;
		s->places = 0;
	} else if (s->feature > 0 && s->geometry == 0 && is_geometry(name)) {
		s->geometry = s->depth;
		if (s->places++ == 0)
			memcpy(s->first, s->parent, sizeof(s->first));
	}
}

static void add_name(struct survey *s, const char *name)
{
	size_t len = strlen(s->names);

	if (strstr(s->names, name) == NULL && len + strlen(name) + 3 <= sizeof(s->names))
		(void)snprintf(s->names + len, sizeof(s->names) - len, "%s%s", len > 0 ? ", " : "",
			       name);
}

static void end_feature(struct survey *s)
{
	s->feature = 0;
	if (s->places < 2)
		return;
	s->more++;
	add_name(s, s->first);
}

static void on_end(void *user, const char *qualified)
{
	struct survey *s = user;

	(void)qualified;
	/* What comes behind a feature stands in the same member. */
	if (s->depth == s->feature) {
		end_feature(s);
		(void)snprintf(s->name, sizeof(s->name), "featureMembers");
	}
	if (s->depth == s->geometry)
		s->geometry = 0;
	s->depth--;
}

/* Of layers whose schema names several places; how many. */
static int64_t named(struct survey *s, GDALDatasetH ds)
{
	int64_t n = 0;

	for (int i = 0; i < GDALDatasetGetLayerCount(ds); i++) {
		OGRFeatureDefnH defn = OGR_L_GetLayerDefn(GDALDatasetGetLayer(ds, i));

		for (int k = 1; k < OGR_FD_GetGeomFieldCount(defn); k++, n++) {
			const char *name = OGR_GFld_GetNameRef(OGR_FD_GetGeomFieldDefn(defn, k));

			if (text_is_utf8(name, strlen(name)))
				add_name(s, name);
		}
	}
	return n;
}

void gml_tell_lost(struct job *job, const struct source *src, GDALDatasetH ds)
{
	CLEAN_FREE struct survey *s = mem_alloc(sizeof(*s));
	XML_Parser parser = XML_ParserCreate(NULL);
	json_object *p;

	if (parser == NULL)
		mem_die();
	XML_SetUserData(parser, s);
	XML_SetElementHandler(parser, on_start, on_end);
	s->more = named(s, ds);
	if (s->more > 0)
		XML_ParserFree(parser);
	else if (!xml_parse_file(parser, src->path) || s->more == 0)
		return;
	p = problem_str(problem_new("elements_skipped"), "file", src->file);
	job_warn(job, problem_arg_int(problem_arg(p, "elements", s->names), "count", s->more));
}
