#include "wizard/bundle_type.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"

#define BIT(kind) (UINT32_C(1) << (kind))
#define RASTERS                                                                                    \
	(BIT(KIND_TIF) | BIT(KIND_ASC) | BIT(KIND_PNG) | BIT(KIND_JPG) | BIT(KIND_IMG) |           \
	 BIT(KIND_JP2) | BIT(KIND_NTF))
#define ALL UINT32_MAX

/* contracts/wizard.md 5.1 */
static const struct main_type mains[] = {
    {"shp", KIND_SHP, NULL, "shp"},
    {"csv", KIND_CSV, NULL, "text binary"}, /* NUL bytes are told with their row: csv_binary */
    {"tsv", KIND_CSV, NULL, "text binary"},
    {"tab", KIND_CSV, NULL, "text binary"},
    {"txt", KIND_CSV, NULL, "text binary"},
    {"xlsx", KIND_XLSX, NULL, "xlsx zip"},
    {"ods", KIND_ODS, NULL, "ods zip"},
    {"geojson", KIND_GEOJSON, NULL, "json"},
    {"json", KIND_GEOJSON, NULL, "json"},
    {"geojsonl", KIND_GEOJSON, NULL, "json"},
    {"ndjson", KIND_GEOJSON, NULL, "json"},
    {"kml", KIND_KML, NULL, "kml xml-cut"},
    {"kmz", KIND_KML, NULL, "kmz zip"},
    {"gpx", KIND_GPX, NULL, "gpx xml-cut"},
    {"gml", KIND_GML, NULL, "gml xml-cut"},
    {"gpkg", KIND_GPKG, NULL, "gpkg sqlite"},
    {"fgb", KIND_FGB, NULL, "fgb"},
    {"tif", KIND_TIF, NULL, "tiff"},
    {"tiff", KIND_TIF, NULL, "tiff"},
    {"geotif", KIND_TIF, NULL, "tiff"},
    {"geotiff", KIND_TIF, NULL, "tiff"},
    {"asc", KIND_ASC, NULL, "asc"},
    {"grd", KIND_ASC, NULL, "asc"},
    {"png", KIND_PNG, NULL, "png"},
    {"jpg", KIND_JPG, NULL, "jpeg"},
    {"jpeg", KIND_JPG, NULL, "jpeg"},
    {"zip", KIND_ZIP, NULL, "zip kmz"},
    {"img", KIND_IMG, "HFA", "img"},
    {"jp2", KIND_JP2, "JP2OpenJPEG", "jp2"},
    {"ntf", KIND_NTF, "NITF", "ntf"},
    {"nitf", KIND_NTF, "NITF", "ntf"},
    {NULL, KIND__MAX, NULL, NULL},
};

const struct side_type bundle_sides[] = {
    {"shx", BIT(KIND_SHP), true, false, "shp"},
    {"dbf", BIT(KIND_SHP), true, false, "dbf"},
    {"prj", BIT(KIND_SHP) | BIT(KIND_CSV) | RASTERS, false, false, NULL},
    {"cpg", BIT(KIND_SHP), false, false, NULL},
    {"cst", BIT(KIND_SHP), false, false, NULL},
    {"qpj", BIT(KIND_SHP), false, false, NULL},
    {"sbn", BIT(KIND_SHP), false, false, NULL},
    {"sbx", BIT(KIND_SHP), false, false, NULL},
    {"qix", BIT(KIND_SHP), false, false, NULL},
    {"csvt", BIT(KIND_CSV), false, false, NULL},
    {"xsd", BIT(KIND_GML), false, false, NULL},
    {"tfw", BIT(KIND_TIF), false, false, NULL},
    {"pgw", BIT(KIND_PNG), false, false, NULL},
    {"pngw", BIT(KIND_PNG), false, false, NULL},
    {"jgw", BIT(KIND_JPG), false, false, NULL},
    {"jpgw", BIT(KIND_JPG), false, false, NULL},
    {"jpegw", BIT(KIND_JPG), false, false, NULL},
    {"wld", BIT(KIND_PNG) | BIT(KIND_JPG) | BIT(KIND_TIF), false, false, NULL},
    {"aux.xml", RASTERS, false, false, NULL},
    {"ovr", RASTERS, false, false, NULL},
    {"ige", BIT(KIND_IMG), false, false, NULL},
    {"rrd", BIT(KIND_IMG), false, false, NULL},
    {"xml", ALL, false, true, NULL},
    {"sld", ALL, false, true, NULL},
    {"qml", ALL, false, true, NULL},
    {NULL, 0, false, false, NULL},
};

static const struct {
	const char *ext, *save_as;
} legacy[] = {
    {"xls", "xlsx"}, {"xlsm", "xlsx"}, {"xlsb", "xlsx"},     {"dwg", "gpkg"}, {"dxf", "gpkg"},
    {"mdb", "gpkg"}, {"gdb", "gpkg"},  {"gdbtable", "gpkg"}, {"nc", "tif"},
};

const char *bundle_save_as(const char *ext)
{
	for (size_t i = 0; i < sizeof(legacy) / sizeof(legacy[0]); i++)
		if (strcmp(legacy[i].ext, ext) == 0)
			return legacy[i].save_as;
	return NULL;
}

bool bundle_is_archive(const char *ext)
{
	static const char *const archives[] = {"zip", "7z",  "rar", "tar", "gz",
					       "tgz", "bz2", "xz",  "zst", "lzma"};

	for (size_t i = 0; i < sizeof(archives) / sizeof(archives[0]); i++)
		if (strcmp(archives[i], ext) == 0)
			return true;
	return false;
}

/* Is WORD one of LIST's, which are separated by blanks? */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p != NULL && (p = strstr(p, word)) != NULL; p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
			return true;
	return false;
}

/* Is the driver of T enabled? */
static bool main_enabled(const struct main_type *t, const char *extra_drivers)
{
	return t->driver == NULL || has_word(extra_drivers, t->driver);
}

/* ---- names */

static char *folded(const char *s)
{
	char *f = text_fold(s);

	return f != NULL ? f : mem_strdup(s);
}

static const struct main_type *main_of(const char *ext, const char *extra_drivers)
{
	for (const struct main_type *t = mains; t->ext != NULL; t++)
		if (strcmp(t->ext, ext) == 0)
			return main_enabled(t, extra_drivers) ? t : NULL;
	return NULL;
}

static const struct side_type *side_of(const char *ext)
{
	for (const struct side_type *t = bundle_sides; t->ext != NULL; t++)
		if (strcmp(t->ext, ext) == 0)
			return t;
	return NULL;
}

/* roads.shp.xml, relief.tif.aux.xml and relief.tif.ovr carry the main file's whole name. */
static void strip_main_ext(char *stem)
{
	char *dot = strrchr(stem, '.');

	if (dot == NULL || dot == stem)
		return;
	for (const struct main_type *t = mains; t->ext != NULL; t++) {
		if (text_ieq(t->ext, dot + 1)) {
			*dot = '\0';
			return;
		}
	}
}

void name_parts_init(const char *name, const char *extra_drivers, struct name_parts *ret)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash != NULL ? slash + 1 : name;
	CLEAN_FREE char *folder = mem_strndup(name, (size_t)(base - name));
	CLEAN_FREE char *stem_key = NULL;
	const char *dot = strrchr(base, '.');
	bool double_ext = text_ends_icase(base, ".aux.xml");

	if (double_ext)
		dot = base + strlen(base) - strlen(".aux.xml");
	*ret = (struct name_parts){0};
	ret->folder = folded(folder);
	ret->stem = dot != NULL ? mem_strndup(base, (size_t)(dot - base)) : mem_strdup(base);
	ret->ext = folded(dot != NULL ? dot + 1 : "");
	ret->main = main_of(ret->ext, extra_drivers);
	ret->side = side_of(ret->ext);
	if (ret->side != NULL &&
	    (double_ext || strcmp(ret->ext, "xml") == 0 || strcmp(ret->ext, "ovr") == 0))
		strip_main_ext(ret->stem);
	stem_key = folded(ret->stem);
	ret->key = mem_printf("%s%s", ret->folder, stem_key);
}

void name_parts_done(struct name_parts *p)
{
	free(p->folder);
	free(p->stem);
	free(p->key);
	free(p->ext);
}

bool bundle_is_accepted(const char *name, const char *extra_drivers)
{
	struct name_parts parts;
	bool known;

	name_parts_init(name, extra_drivers != NULL ? extra_drivers : "", &parts);
	known = parts.main != NULL || parts.side != NULL;
	name_parts_done(&parts);
	return known;
}

const char *bundle_world_ext(const char *ext)
{
	if (strcmp(ext, "jpgw") == 0 || strcmp(ext, "jpegw") == 0)
		return "jgw";
	return strcmp(ext, "pngw") == 0 ? "pgw" : ext;
}

/* ---- what the save page tells */

/* The name of each kind, which no language translates, in the page's order; NULL ends. */
static const struct {
	enum kind kind;
	const char *label;
} labels[] = {
    {KIND_SHP, "Shapefile"},
    {KIND_CSV, "CSV, TSV"},
    {KIND_XLSX, "Excel (.xlsx)"},
    {KIND_ODS, "OpenDocument (.ods)"},
    {KIND_GEOJSON, "GeoJSON"},
    {KIND_KML, "KML, KMZ"},
    {KIND_GPX, "GPX"},
    {KIND_GML, "GML"},
    {KIND_GPKG, "GeoPackage"},
    {KIND_FGB, "FlatGeobuf"},
    {KIND_TIF, "GeoTIFF"},
    {KIND_ASC, "ASCII grid"},
    {KIND_PNG, "PNG"},
    {KIND_JPG, "JPEG"},
    {KIND_IMG, "Erdas Imagine"},
    {KIND_JP2, "JPEG 2000"},
    {KIND_NTF, "NITF"},
    {KIND_ZIP, "ZIP"},
};

static void add_ext(json_object *list, const char *ext)
{
	char dotted[16];

	(void)snprintf(dotted, sizeof(dotted), ".%s", ext);
	json_object_array_add(list, json_object_new_string(dotted));
}

json_object *bundle_kinds(const char *extra_drivers)
{
	json_object *kinds = json_object_new_array();

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		json_object *k = json_object_new_object();
		json_object *required = json_object_new_array(),
			    *optional = json_object_new_array();
		bool enabled = false;

		for (const struct main_type *t = mains; t->ext != NULL; t++) {
			if (t->kind == labels[i].kind && main_enabled(t, extra_drivers)) {
				add_ext(required, t->ext);
				enabled = true;
			}
		}
		for (const struct side_type *t = bundle_sides; t->ext != NULL; t++)
			if ((t->kinds & BIT(labels[i].kind)) != 0)
				add_ext(t->required ? required : optional, t->ext);
		json_set_str(k, "id", kind_name(labels[i].kind));
		json_set_str(k, "label", labels[i].label);
		json_set(k, "required_ext", required);
		json_set(k, "optional_ext", optional);
		if (enabled)
			json_object_array_add(kinds, k);
		else
			json_object_put(k);
	}
	return kinds;
}

/* Is there an enabled kind that side files of T belong to? */
static bool is_side_enabled(const struct side_type *t, const char *extra_drivers)
{
	for (const struct main_type *m = mains; m->ext != NULL; m++)
		if ((t->kinds & BIT(m->kind)) != 0 && main_enabled(m, extra_drivers))
			return true;
	return false;
}

static char *extensions(const char *extra_drivers, bool sides)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		mem_die();
	for (const struct main_type *t = mains; t->ext != NULL; t++)
		if (main_enabled(t, extra_drivers))
			fprintf(f, "%s.%s", t == mains ? "" : ", ", t->ext);
	for (const struct side_type *t = bundle_sides; sides && t->ext != NULL; t++)
		if (is_side_enabled(t, extra_drivers))
			fprintf(f, ", .%s", t->ext);
	if (fclose(f) != 0)
		mem_die();
	return text;
}

char *bundle_extensions(const char *extra_drivers)
{
	return extensions(extra_drivers, true);
}

char *bundle_main_extensions(const char *extra_drivers)
{
	return extensions(extra_drivers, false);
}
