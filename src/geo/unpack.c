/*
 * Job "unpack": an archive becomes a tree of files under the names it gives them, for the file
 * area.  Everything is known to be right from the directory before the first byte is written.
 * Source: contracts/uploadtasks.md 6.5.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "area/path.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/archive.h"

#define TREE	   "out/tree"
#define RATIO_FROM (100LL << 20) /* bytes unpacked: below, an archive may be as dense as it likes */
#define STORED	   0		 /* methods of APPNOTE 4.4.5 */
#define DEFLATED   8

/* Every name in NAME (folders and file) may be one. */
static enum err check_names(struct job *job, const struct archive *a, const char *name)
{
	const char *denied = json_str(job->spec, "denied", "");

	for (const char *p = name; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return archive_fail(job, a, "zip_path", name);
	for (const char *p = name; *p != '\0';) {
		size_t n = strcspn(p, "/");
		CLEAN_FREE char *part = mem_strndup(p, n);
		struct error error = {0};

		if (area_name_check(part, denied, &error) != ERR_OK)
			return archive_fail(job, a,
					    strcmp(error.code, "area_denied") == 0 ? "zip_denied"
										   : "zip_path",
					    name);
		p += n + (p[n] == '/');
	}
	return ERR_OK;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Is a folder on the way to NAME one of the N sorted FILES? */
static bool below_file(const char *name, char **files, size_t n)
{
	CLEAN_FREE char *copy = mem_strdup(name);

	for (char *slash = strrchr(copy, '/'); slash != NULL; slash = strrchr(copy, '/')) {
		const char *key = copy;

		*slash = '\0';
		if (bsearch(&key, files, n, sizeof(*files), by_text) != NULL)
			return true;
	}
	return false;
}

/* No member is a file here and a folder there. */
static enum err check_kinds(struct job *job, const struct archive *a)
{
	CLEAN_FREE char **folded = mem_array(a->dir.n + 1, sizeof(*folded));
	CLEAN_FREE char **files = mem_array(a->dir.n + 1, sizeof(*files));
	size_t n = 0;
	enum err err = ERR_OK;

	for (size_t i = 0; i < a->dir.n; i++) {
		folded[i] = text_fold(a->dir.v[i].name);
		if (folded[i] == NULL)
			folded[i] = mem_strdup(a->dir.v[i].name);
		if (!a->dir.v[i].folder)
			files[n++] = folded[i];
	}
	qsort(files, n, sizeof(*files), by_text);
	for (size_t i = 0; i < a->dir.n && err == ERR_OK; i++)
		if (below_file(folded[i], files, n))
			err = archive_fail(job, a, "zip_invalid", a->dir.v[i].name);
	for (size_t i = 0; i < a->dir.n; i++)
		free(folded[i]);
	return err;
}

/* The whole of it: how dense, and is there room? */
static enum err check_sums(struct job *job, const struct archive *a, int64_t ratio)
{
	int64_t size = 0, packed = 0, min_free = job_limit(job, "upload_min_free");
	struct fs_space space;
	CLEAN_FD int out = fs_open_dir(AT_FDCWD, "out");

	/* Each is below the limit on their sum, which zipdir has checked. */
	for (size_t i = 0; i < a->dir.n; i++) {
		size += a->dir.v[i].size;
		packed += a->dir.v[i].packed;
	}
	if (size > RATIO_FROM && size / (packed > 0 ? packed : 1) >= ratio) {
		json_object *p = problem_str(problem_new("zip_ratio"), "file", a->label);

		problem_arg(problem_arg(p, "member", a->label), "key", "zip_max_ratio");
		return job_fail(job, problem_arg_int(p, "limit", ratio));
	}
	if (out < 0 || fs_space(out, &space, NULL) != ERR_OK)
		return archive_fail(job, a, "inspect_failed", "");
	return space.bytes - min_free < size ? archive_fail(job, a, "disk_full", "") : ERR_OK;
}

static enum err check_members(struct job *job, const struct archive *a, int64_t ratio)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < a->dir.n && err == ERR_OK; i++) {
		const struct zip_member *m = &a->dir.v[i];

		if (m->method != STORED && m->method != DEFLATED)
			err = archive_fail_method(job, a, m->name);
		else if (m->folder && m->size > 0)
			err = archive_fail(job, a, "zip_invalid", m->name);
		if (err == ERR_OK)
			err = check_names(job, a, m->name);
	}
	if (err == ERR_OK)
		err = check_kinds(job, a);
	return err == ERR_OK ? check_sums(job, a, ratio) : err;
}

/* The folders of PATH below TREE, all but its last name. */
static bool make_folders(char *path)
{
	for (char *p = path + strlen(TREE) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		bool there = mkdir(path, 0700) == 0 || errno == EEXIST;
		*p = '/';
		if (!there)
			return false;
	}
	return true;
}

static enum err unpack_members(struct job *job, struct archive *a)
{
	if (mkdir(TREE, 0700) != 0)
		return archive_fail(job, a, errno == ENOSPC ? "disk_full" : "inspect_failed", "");
	for (size_t i = 0; i < a->dir.n; i++) {
		const struct zip_member *m = &a->dir.v[i];
		CLEAN_FREE char *path = mem_printf(TREE "/%s", m->name);
		enum err err;

		/* A folder's own entry ends in a slash: then its last name is made too. */
		if (!make_folders(path))
			return archive_fail(
			    job, a, errno == ENOSPC ? "disk_full" : "inspect_failed", m->name);
		if (m->folder)
			continue;
		err = archive_unpack(job, a, i, path);
		if (err != ERR_OK)
			return err;
	}
	return ERR_OK;
}

json_object *unpack_run(struct job *job)
{
	struct zip_limits limits = archive_limits(job);
	int64_t ratio = limits.ratio;
	json_object *result = NULL;
	struct archive a;

	limits.names = json_str(job->spec, "names", NULL);
	limits.backslash = true;
	/* Here the archive counts as a whole. */
	limits.ratio = INT64_MAX;
	if (job->n_files != 1) {
		(void)job_fail(job, problem_new("inspect_failed"));
		return NULL;
	}
	if (archive_open_within(job, job->files[0].path, job->files[0].name, &limits, &a) != ERR_OK)
		return NULL;
	if (check_members(job, &a, ratio) == ERR_OK && unpack_members(job, &a) == ERR_OK) {
		result = json_object_new_object();
		json_set_int(result, "entries", (int64_t)a.dir.n);
		json_set_int(result, "bytes", a.written);
	}
	archive_close(&a);
	return result;
}
