#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/token.h"
#include "geo/layer.h"
#include "geo/output.h"
#include "geo/tables.h"
#include "geo/xmlmeta.h"

#define BLOCK (256 << 10)

static enum err inspect_source(struct job *job, const struct source *src, json_object *layers)
{
	if (src->raster_table != NULL)
		return raster_inspect(job, src, layers);
	switch (src->kind) {
	case KIND_CSV:
	case KIND_XLSX:
	case KIND_ODS:
		return tables_inspect(job, src, layers);
	case KIND_TIF:
	case KIND_ASC:
	case KIND_PNG:
	case KIND_JPG:
	case KIND_IMG:
	case KIND_JP2:
	case KIND_NTF:
	case KIND_KML_OVERLAY:
		return raster_inspect(job, src, layers);
	case KIND_SHP:
	case KIND_GEOJSON:
	case KIND_KML:
	case KIND_GPX:
	case KIND_GML:
	case KIND_GPKG:
	case KIND_FGB:
		return layers_of_vector(job, src, layers);
	case KIND_ZIP_MOSAIC:
	case KIND_MULTI:
	case KIND_ZIP:
	case KIND__MAX:
		break;
	}
	return job_fail(job, problem_str(problem_new("kind_unsupported"), "file", src->file));
}

/* A source among several that cannot be read becomes a warning; alone it is why the job fails. */
static enum err inspect_sources(struct job *job, const struct source_set *set, json_object *layers)
{
	json_object *spared = NULL, *p;

	for (size_t i = 0; i < set->n; i++) {
		if (set->v[i].path == NULL || inspect_source(job, &set->v[i], layers) == ERR_OK)
			continue;
		JSON_EACH(p, job->problems)
		problems_add(&spared, json_object_get(p));
		json_object_put(job->problems);
		job->problems = NULL;
	}
	if (json_len(layers) == 0) {
		job->problems = spared;
		return json_len(spared) > 0 ? ERR_BAD_REQUEST
					    : job_fail(job, problem_new("format_no_layers"));
	}
	JSON_EACH(p, spared)
	job_warn(job, json_object_get(p));
	json_object_put(spared);
	return ERR_OK;
}

static json_object *digest_file(struct job *job, const struct job_file *file)
{
	static const enum digest kinds[] = {DIGEST_MD5, DIGEST_SHA256};
	CLEAN_FD int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEAN_FREE char *block = mem_alloc(BLOCK);
	struct digest_run *run[2] = {digest_new(kinds[0]), digest_new(kinds[1])};
	json_object *o = json_object_new_object();
	int64_t done = 0;
	ssize_t n = 0;

	while (fd >= 0 && (n = read(fd, block, BLOCK)) > 0) {
		digest_feed(run[0], block, (size_t)n);
		digest_feed(run[1], block, (size_t)n);
		done += n;
		job_progress(job, "inspect", "hashing", NULL, done, file->size, 0, false);
	}
	json_set_int(o, "n", file->n);
	for (int k = 0; k < 2; k++) {
		unsigned char sum[64];
		char hex[2 * sizeof(sum) + 1];

		digest_end(run[k], sum);
		for (size_t i = 0; i < digest_size(kinds[k]); i++)
			(void)snprintf(hex + 2 * i, 3, "%02x", sum[i]);
		json_set_str(o, digest_name(kinds[k]), fd >= 0 && n == 0 ? hex : NULL);
	}
	return o;
}

static json_object *digests(struct job *job)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < job->n_files; i++)
		json_object_array_add(list, digest_file(job, &job->files[i]));
	return list;
}

/* Metadata of the first source that has some. */
static json_object *metadata(const struct source_set *set)
{
	json_object *found = NULL;

	for (size_t i = 0; i < set->n && found == NULL; i++)
		if (set->v[i].side[SOURCE_XML] != NULL)
			found = xmlmeta_read(set->v[i].side[SOURCE_XML]);
	return found;
}

json_object *inspect_run(struct job *job)
{
	json_object *result, *layers = json_object_new_array();
	struct source_set set;
	enum err e;

	job_progress(job, "inspect", "opening", NULL, 0, 1, 0, true);
	if (source_set_open(job, &set) != ERR_OK) {
		json_object_put(layers);
		return NULL;
	}
	e = set.kind == KIND_ZIP_MOSAIC ? mosaic_inspect(job, &set, layers)
					: inspect_sources(job, &set, layers);
	if (e != ERR_OK) {
		json_object_put(layers);
		source_set_done(&set);
		return NULL;
	}
	result = json_object_new_object();
	json_set_str(result, "kind", kind_name(set.kind));
	json_set_str(result, "name", set.name);
	json_set(result, "bundles", json_object_get(set.bundles));
	json_set(result, "layers", layers);
	json_set(result, "metadata", metadata(&set));
	if (json_bool(job->spec, "digests", false))
		json_set(result, "digests", digests(job));
	source_set_done(&set);
	return result;
}
