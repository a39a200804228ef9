#include "geo/content.h"

#include <fcntl.h>
#include <ogr_srs_api.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/charset.h"
#include "base/fs.h"
#include "base/mem.h"
#include "geo/archive.h"
#include "geo/driver.h"
#include "geo/gpx.h"
#include "geo/gridgate.h"
#include "geo/jsongate.h"
#include "geo/prescan.h"
#include "geo/recode.h"
#include "geo/shpgate.h"
#include "geo/xmlgate.h"

#define HEAD_BYTES 65536

static const char *const kml_roots[] = {"kml", NULL};
static const char *const gpx_roots[] = {"gpx", NULL};
static const char *const gml_roots[] = {"FeatureCollection", NULL};
static const char *const sld_roots[] = {"StyledLayerDescriptor", "UserStyle", NULL};

char *content_head(const char *path, size_t *ret_len)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *head;
	ssize_t n;

	if (fd < 0)
		return NULL;
	head = mem_alloc(HEAD_BYTES + 1);
	n = pread(fd, head, HEAD_BYTES, 0);
	*ret_len = n > 0 ? (size_t)n : 0;
	return head;
}

static enum err fail(struct job *job, const char *code, const struct source *src)
{
	json_object *p = problem_str(problem_new(code), "file", src->file);

	if (strcmp(code, "content_mismatch") == 0) {
		size_t len = 0;
		CLEAN_FREE char *head = content_head(src->path, &len);

		problem_arg(p, "expected", kind_name(src->kind));
		problem_arg(p, "sent", head != NULL ? bundle_magic(head, len) : "");
	}
	return job_fail(job, p);
}

static void warn_skipped(struct job *job, const struct source *src, const char *elements, int64_t n)
{
	json_object *p;

	if (n == 0)
		return;
	p = problem_str(problem_new("elements_skipped"), "file", src->file);
	job_warn(job, problem_arg_int(problem_arg(p, "elements", elements), "count", n));
}

static enum err check_xml(struct job *job, struct source *src, const char *const *roots,
			  const char *namespace)
{
	const char *code;

	if (recode_xml(job, src) != ERR_OK)
		return ERR_BAD_REQUEST;
	code = xml_verdict_code(xml_gate_file(src->path, roots, namespace));
	return code == NULL ? ERR_OK : fail(job, code, src);
}

static enum err check_gpx(struct job *job, struct source *src)
{
	CLEAN_FREE char *name = mem_printf("out/work/%d.plain.gpx", src->bundle);
	CLEAN_FD int fd = -1;
	struct error error = {0};
	struct gpx_facts facts;

	if (check_xml(job, src, gpx_roots, NULL) != ERR_OK)
		return ERR_BAD_REQUEST;
	(void)gpx_survey(src->path, -1, &facts);
	src->heights = facts.heights > 0 && facts.flat == 0;
	if (facts.nested == 0)
		return ERR_OK;
	if (fs_mkdirs(AT_FDCWD, "out/work", &error) != ERR_OK ||
	    fs_copy(AT_FDCWD, src->path, AT_FDCWD, name, &error) != ERR_OK ||
	    (fd = open(name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
	    !gpx_survey(src->path, fd, &facts))
		return fail(job, "inspect_failed", src);
	warn_skipped(job, src, "extensions", facts.nested);
	free(src->path);
	src->path = name;
	name = NULL;
	return ERR_OK;
}

/*
 * A copy whose "type":"link" reads "type":"none": GDAL then knows no CRS instead of asking a URL
 * for it.
 */
static enum err take_out_link(struct job *job, struct source *src, int64_t at)
{
	CLEAN_FREE char *name = mem_printf("out/work/%d.unlinked.json", src->bundle);
	CLEAN_FD int fd = -1;
	struct error error = {0};

	if (fs_mkdirs(AT_FDCWD, "out/work", &error) != ERR_OK ||
	    fs_copy(AT_FDCWD, src->path, AT_FDCWD, name, &error) != ERR_OK ||
	    (fd = open(name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
	    pwrite(fd, "none", 4, at) != 4)
		return fail(job, "inspect_failed", src);
	free(src->path);
	src->path = name;
	name = NULL;
	src->no_crs = true;
	return ERR_OK;
}

/* Whether GDAL makes something of NAME: where it does not, it takes WGS 84. */
static bool is_crs_name(const char *name)
{
	static const char *const long_forms[] = {"urn:", "http://www.opengis.net/def/crs/",
						 "https://www.opengis.net/def/crs/"};
	OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL), by_code = srs_of(name);
	bool known = by_code != NULL || OSRSetWellKnownGeogCS(srs, name) == OGRERR_NONE;

	for (size_t i = 0; i < sizeof(long_forms) / sizeof(long_forms[0]) && !known; i++)
		if (strncasecmp(name, long_forms[i], strlen(long_forms[i])) == 0)
			known = OSRSetFromUserInput(srs, name) == OGRERR_NONE;
	OSRRelease(by_code);
	OSRRelease(srs);
	return known;
}

static enum err check_geojson(struct job *job, struct source *src)
{
	struct json_facts facts;

	if (recode_json(job, src) != ERR_OK)
		return ERR_BAD_REQUEST;
	json_gate_file(src->path, &facts);
	if (facts.code != NULL)
		return fail(job, facts.code, src);
	if (facts.objects > 1)
		src->driver = "GeoJSONSeq";
	if (facts.crs_text || (facts.crs_name[0] != '\0' && !is_crs_name(facts.crs_name)))
		src->no_crs = true;
	warn_skipped(job, src, "id", facts.lost_ids);
	warn_skipped(job, src, "coordinates[3]", facts.measures);
	warn_skipped(job, src, facts.foreign_names, facts.foreign);
	if (facts.huge > 0)
		job_warn(job,
			 problem_arg_int(problem_str(problem_str(problem_new("numbers_inexact"),
								 "file", src->file),
						     "value", facts.huge_first),
					 "count", facts.huge));
	return facts.crs_link ? take_out_link(job, src, facts.crs_link_at) : ERR_OK;
}

static enum err check_gpkg(struct job *job, const struct source *src)
{
	struct error error = {0};
	struct prescan_object found;
	json_object *p;

	if (prescan_gpkg(src->path, &found, &error) == ERR_OK)
		return ERR_OK;
	(void)snprintf(job->detail, sizeof(job->detail), "%s", error.text);
	if (found.type == NULL || strcmp(error.code, "format_unreadable") != 0)
		return fail(job, error.code, src);
	CLEAN_FREE char *name = charset_decode("UTF-8", found.name, strlen(found.name), NULL, NULL);

	p = problem_str(problem_str(problem_new(error.code), "file", src->file), "value", name);
	return job_fail(job, problem_arg(p, "reason", found.type));
}

static enum err check_grid(struct job *job, struct source *src)
{
	json_object *p = problem_str(problem_new("format_unreadable"), "file", src->file);
	struct grid_facts facts;

	grid_gate_file(src->path, &facts);
	src->grid_type = facts.type;
	if (facts.bad[0] != '\0') {
		if (facts.columns > 0)
			problem_int(p, "row", facts.found / facts.columns + 1);
		problem_str(problem_arg(p, "reason", "cell"), "value", facts.bad);
	} else if (facts.expected > 0 && facts.found != facts.expected) {
		problem_arg_int(problem_arg(p, "reason", "cells"), "found", facts.found);
		problem_arg_int(p, "expected", facts.expected);
	} else if (facts.expected > 0 && !facts.placed) {
		problem_str(p, "code", "no_georeference");
	} else {
		json_object_put(p);
		return ERR_OK;
	}
	return job_fail(job, p);
}

static enum err check_shp(struct job *job, const struct source *src)
{
	CLEAN_FREE char *shx = mem_strndup(src->path, strlen(src->path));
	struct shp_fields fields = {0};
	struct error error = {0};

	memcpy(shx + strlen(shx) - 3, "shx", 3);
	if (shp_gate(src->path, shx, src->side[SOURCE_DBF], &error) != ERR_OK) {
		(void)snprintf(job->detail, sizeof(job->detail), "%s", error.text);
		return fail(job, "format_unreadable", src);
	}
	if (src->side[SOURCE_DBF] != NULL)
		shp_fields(src->side[SOURCE_DBF], &fields);
	warn_skipped(job, src, "memo (.dbt)", fields.memos);
	return ERR_OK;
}

/* Workbooks are archives of XML: the guards of archives, and of XML for each part. */
static enum err check_workbook(struct job *job, const struct source *src)
{
	struct archive a;
	enum err e = archive_open(job, src->path, src->file, &a);

	if (e != ERR_OK)
		return e;
	e = archive_check_xml(job, &a);
	archive_close(&a);
	return e;
}

/* What the sender calls the side file at PATH.  Caller frees. */
static char *side_name(const struct job *job, const struct source *src, const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; i < job->n_files; i++)
		if (strcmp(job->files[i].path, path) == 0)
			return mem_strdup(job->files[i].name);
	return mem_printf("%s%s", src->stem, dot != NULL ? dot : "");
}

/* Styles and metadata are XML too; they are attachments, but they will be parsed by somebody. */
static enum err check_sides(struct job *job, struct source *src)
{
	static const struct {
		enum source_side side;
		const char *const *roots;
	} xml[] = {{SOURCE_XML, NULL}, {SOURCE_SLD, sld_roots}};
	int64_t most = job_limit(job, "side_file_bytes");

	for (size_t i = 0; i < SOURCE_SIDE__MAX; i++) {
		if (src->side[i] == NULL || i == SOURCE_DBF || i == SOURCE_IMAGE ||
		    fs_size(AT_FDCWD, src->side[i]) <= most)
			continue;
		/* Too big to be what it says: left out, and said. */
		job_warn(job,
			 problem_arg_int(problem_arg(problem_str(problem_new("side_file_ignored"),
								 "file", src->file),
						     "limit", "jail.side_file"),
					 "bytes", most));
		free(src->side[i]);
		src->side[i] = NULL;
	}
	for (size_t i = 0; i < sizeof(xml) / sizeof(xml[0]); i++) {
		const char *path = src->side[xml[i].side];
		enum xml_verdict v =
		    path == NULL ? XML_FINE : xml_gate_file(path, xml[i].roots, NULL);

		if (v == XML_FORBIDDEN) {
			CLEAN_FREE char *name = side_name(job, src, path);

			return job_fail(job,
					problem_str(problem_new("xml_forbidden"), "file", name));
		}
		if (v != XML_FINE) {
			job_warn(job,
				 problem_str(problem_new("side_file_ignored"), "file", src->file));
			free(src->side[xml[i].side]);
			src->side[xml[i].side] = NULL;
		}
	}
	return ERR_OK;
}

enum err content_check(struct job *job, struct source *src)
{
	enum err e = check_sides(job, src);

	if (e != ERR_OK)
		return e;
	src->driver = driver_of(src->kind);
	switch (src->kind) {
	case KIND_GEOJSON:
		return check_geojson(job, src);
	case KIND_KML:
	case KIND_KML_OVERLAY:
		return check_xml(job, src, kml_roots, NULL);
	case KIND_GPX:
		return check_gpx(job, src);
	case KIND_GML:
		return check_xml(job, src, gml_roots, "opengis.net/gml");
	case KIND_GPKG:
		return check_gpkg(job, src);
	case KIND_SHP:
		return check_shp(job, src);
	case KIND_XLSX:
	case KIND_ODS:
		return check_workbook(job, src);
	case KIND_ASC:
		return check_grid(job, src);
	case KIND_CSV:
	case KIND_FGB:
	case KIND_TIF:
	case KIND_PNG:
	case KIND_JPG:
	case KIND_ZIP_MOSAIC:
	case KIND_MULTI:
	case KIND_IMG:
	case KIND_JP2:
	case KIND_NTF:
	case KIND_ZIP:
	case KIND__MAX:
		break;
	}
	return ERR_OK;
}
