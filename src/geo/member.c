#include "geo/member.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/content.h"

#define HEAD_BYTES 16384 /* of a member: enough to tell what it is */

enum err members_open(struct job *job, const char *path, const char *label, struct members *ret)
{
	struct members m = {0};
	enum err e = archive_open(job, path, label, &m.archive);
	struct error error = {0};

	if (e != ERR_OK)
		return e;
	m.n = m.archive.dir.n;
	m.files = mem_array(m.n + 1, sizeof(*m.files));
	for (size_t i = 0; i < m.n; i++) {
		m.files[i].name = m.archive.dir.v[i].name;
		m.files[i].size = m.archive.dir.v[i].size;
	}
	if (fs_mkdirs(AT_FDCWD, "out/work", &error) != ERR_OK) {
		members_close(&m);
		return job_fail(job, problem_new("inspect_failed"));
	}
	*ret = m;
	return ERR_OK;
}

void members_close(struct members *m)
{
	for (size_t i = 0; i < m->n; i++)
		free((void *)(uintptr_t)m->files[i].head);
	free(m->files);
	archive_close(&m->archive);
	*m = (struct members){0};
}

enum err members_sort(struct job *job, struct members *m, const char *drivers,
		      struct bundle_set *ret)
{
	bundle_sort(m->files, m->n, true, drivers, ret);
	for (size_t i = 0; i < m->n; i++) {
		struct bundle_file *f = &m->files[i];

		if (f->size == 0 || (f->role == 0 && !text_ends_icase(f->name, ".json")))
			continue;
		f->head = archive_head(job, &m->archive, i, HEAD_BYTES, &f->head_len);
		if (f->head == NULL) {
			bundle_set_done(ret);
			return ERR_BAD_REQUEST;
		}
	}
	/* Again, now that the first bytes are known. */
	bundle_set_done(ret);
	bundle_sort(m->files, m->n, true, drivers, ret);
	return ERR_OK;
}

/*
 * The name of member NAME in our folder: "3.shp", "3.aux.xml".  Only files somebody reads get one:
 * indexes and overviews made by other programs are the least checked corner of every driver.
 */
static bool own_name(const char *name, int bundle, char *buf, size_t size)
{
	static const char *const wanted[] = {
	    "shp", "shx",  "dbf", "prj",  "cpg",   "cst", "xml", "sld", "tfw",
	    "pgw", "pngw", "jgw", "jpgw", "jpegw", "wld", "ige", "rrd",
	};
	const char *dot = strrchr(name, '.');
	char ext[16];
	size_t n = 0;

	if (dot == NULL || text_ends_icase(name, ".aux.xml"))
		return false;
	for (dot++; *dot != '\0' && n < sizeof(ext) - 1; dot++)
		ext[n++] = (char)tolower((unsigned char)*dot);
	ext[n] = '\0';
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strcmp(wanted[i], ext) == 0) {
			(void)snprintf(buf, size, "out/work/%d.%s", bundle, bundle_world_ext(ext));
			return true;
		}
	return false;
}

static char *main_name(const char *name, int bundle)
{
	const char *dot = strrchr(name, '.');
	char *path =
	    mem_printf("out/work/%d%s", bundle, dot != NULL && strlen(dot) < 16 ? dot : ".bin");

	for (char *p = path; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return path;
}

/*
 * Where an overlay's image is looked for: beside the document in the archive, then anywhere by its
 * name.
 */
struct image_search {
	struct members *members;
	const char *document; /* member path of the KML */
	int bundle;
};

static void decode_percent(char *s)
{
	char *out = s;

	for (; *s != '\0'; s++, out++) {
		unsigned v;

		*out = *s;
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]) &&
		    sscanf(s + 1, "%2x", &v) == 1 && v >= 0x20) {
			*out = (char)v;
			s += 2;
		}
	}
	*out = '\0';
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static char *find_member_image(struct job *job, void *user, const char *href)
{
	const struct image_search *s = user;
	CLEAN_FREE char *name = mem_strdup(href);
	CLEAN_FREE char *beside = NULL;
	char *to;
	size_t found = s->members->n;

	decode_percent(name);
	beside = mem_printf("%.*s%s", (int)(base_of(s->document) - s->document), s->document,
			    text_starts(name, "./") ? name + 2 : name);
	for (size_t i = 0; i < s->members->n; i++)
		if (strcmp(s->members->files[i].name, beside) == 0)
			found = i;
	for (size_t i = 0; i < s->members->n && found == s->members->n; i++)
		if (strcmp(base_of(s->members->files[i].name), base_of(name)) == 0)
			found = i;
	if (found == s->members->n)
		return NULL;
	to = mem_printf("out/work/%d.image", s->bundle);
	if (archive_unpack(job, &s->members->archive, found, to) == ERR_OK)
		return to;
	free(to);
	return NULL;
}

/* Documents beside DOC, which is read, belong to its network links, which are not followed. */
static void tell_other_documents(struct job *job, const struct source *src, const struct members *m,
				 size_t doc)
{
	json_object *p = NULL;
	int64_t count = 0;

	for (size_t i = 0; i < m->n; i++) {
		if (i == doc || !text_ends_icase(m->files[i].name, ".kml"))
			continue;
		if (count++ == 0)
			p = problem_arg(
			    problem_str(problem_new("elements_skipped"), "file", src->file),
			    "elements", m->files[i].name);
	}
	if (p != NULL)
		job_warn(job, problem_arg_int(p, "count", count));
}

/* SRC->path is a KMZ, a zip with one document and its images: make it the document. */
static enum err member_open_kmz(struct job *job, struct source *src)
{
	struct members m;
	size_t doc = SIZE_MAX;
	enum err e = members_open(job, src->path, src->file, &m);

	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < m.n; i++) {
		const char *name = m.files[i].name;

		/* doc.kml, else the first at the top, else the first. */
		if (!text_ends_icase(name, ".kml"))
			continue;
		if (doc == SIZE_MAX || text_ieq(name, "doc.kml") ||
		    (strchr(name, '/') == NULL && strchr(m.files[doc].name, '/') != NULL))
			doc = i;
		if (text_ieq(name, "doc.kml"))
			break;
	}
	if (doc == SIZE_MAX) {
		e = job_fail(job, problem_str(problem_new("zip_no_data"), "file", src->file));
	} else {
		struct image_search search = {&m, m.files[doc].name, src->bundle};

		free(src->path);
		src->path = mem_printf("out/work/%d.doc.kml", src->bundle);
		e = archive_unpack(job, &m.archive, doc, src->path);
		if (e == ERR_OK)
			e = content_check(job, src);
		if (e == ERR_OK)
			e = kml_settle(job, src, find_member_image, &search);
		if (e == ERR_OK)
			tell_other_documents(job, src, &m, doc);
	}
	members_close(&m);
	return e;
}

enum err member_settle(struct job *job, struct source *src, kml_find_image *find, void *user)
{
	enum err e;

	if (text_ends_icase(src->file, ".kmz"))
		return member_open_kmz(job, src);
	e = content_check(job, src);
	return e == ERR_OK && src->kind == KIND_KML ? kml_settle(job, src, find, user) : e;
}

enum err member_unpack(struct job *job, struct members *m, struct source *src, int bundle,
		       size_t main)
{
	struct image_search search = {m, m->files[main].name, src->bundle};
	enum err e = ERR_OK;

	for (size_t i = 0; i < m->n && e == ERR_OK; i++) {
		enum source_side side = source_side_of(m->files[i].name);
		char path[64];

		if (m->files[i].bundle != bundle)
			continue;
		if (i == main) {
			src->path = main_name(m->files[i].name, src->bundle);
			e = archive_unpack(job, &m->archive, i, src->path);
			continue;
		}
		/* Two of one kind (roads.xml, roads.shp.xml): the first. */
		if (!own_name(m->files[i].name, src->bundle, path, sizeof(path)) ||
		    fs_size(AT_FDCWD, path) >= 0)
			continue;
		e = archive_unpack(job, &m->archive, i, path);
		if (e == ERR_OK && side != SOURCE_SIDE__MAX && src->side[side] == NULL)
			src->side[side] = mem_strdup(path);
	}
	return e == ERR_OK ? member_settle(job, src, find_member_image, &search) : e;
}

void member_time_regex(struct job *job, struct members *m)
{
	json_object *mosaic = json_obj(job->spec, "mosaic");

	for (size_t i = 0; i < m->n; i++) {
		CLEAN_FREE char *text = NULL;
		char *line;
		size_t len;

		if (!text_ieq(base_of(m->files[i].name), "timeregex.properties") ||
		    json_str(mosaic, "regex", "")[0] != '\0')
			continue;
		text = archive_head(job, &m->archive, i, HEAD_BYTES, &len);
		line = text != NULL ? strstr(text, "regex=") : NULL;
		if (line == NULL || !text_is_utf8(text, len))
			continue;
		line += strlen("regex=");
		line[strcspn(line, "\r\n")] = '\0';
		/* GeoServer's form carries the format behind it. */
		if (strstr(line, ",format=") != NULL)
			*strstr(line, ",format=") = '\0';
		if (mosaic == NULL) {
			mosaic = json_object_new_object();
			json_set(job->spec, "mosaic", mosaic);
		}
		json_set_str(mosaic, "regex", line);
	}
}
