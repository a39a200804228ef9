#include "geo/archive.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define BLOCK 65536

enum err archive_fail(struct job *job, const struct archive *a, const char *code,
		      const char *member)
{
	return job_fail(
	    job, problem_arg(problem_str(problem_new(code), "file", a->label), "member", member));
}

/* The problem for an error of zipdir, with the limit it names. */
static enum err fail_dir(struct job *job, const char *label, const struct error *error)
{
	static const char *const limits[][2] = {
	    {"zip_entries", "zip_max_entries"},
	    {"zip_too_big", "zip_max_bytes"},
	    {"zip_ratio", "zip_max_ratio"},
	};
	const char *dot = strchr(error->code, '.');
	CLEAN_FREE char *code = mem_strndup(error->code, strcspn(error->code, "."));
	json_object *p = problem_str(problem_new(code), "file", label);

	problem_arg(p, "member", error->text);
	if (dot != NULL)
		problem_arg(p, "reason", dot + 1);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strcmp(error->code, limits[i][0]) == 0)
			problem_arg_int(problem_arg(p, "key", limits[i][1]), "limit",
					job_limit(job, limits[i][1]));
	return job_fail(job, p);
}

/* Both readers must see the same members in the same order. */
static bool readers_agree(zip_t *z, const struct zip_dir *d)
{
	if (zip_get_num_entries(z, ZIP_FL_UNCHANGED) != (zip_int64_t)d->n)
		return false;
	for (size_t i = 0; i < d->n; i++) {
		zip_stat_t st;

		if (zip_stat_index(z, i, ZIP_FL_UNCHANGED, &st) != 0 ||
		    (int64_t)st.size != d->v[i].size || (int64_t)st.comp_size != d->v[i].packed ||
		    st.crc != d->v[i].crc)
			return false;
	}
	return true;
}

struct zip_limits archive_limits(const struct job *job)
{
	return (struct zip_limits){
	    .entries = job_limit(job, "zip_max_entries"),
	    .bytes = job_limit(job, "zip_max_bytes"),
	    .ratio = job_limit(job, "zip_max_ratio"),
	    .name_bytes = job_limit(job, "zip_name_bytes"),
	    .depth = job_limit(job, "zip_depth"),
	};
}

enum err archive_open(struct job *job, const char *path, const char *label, struct archive *ret)
{
	struct zip_limits limits = archive_limits(job);

	return archive_open_within(job, path, label, &limits, ret);
}

enum err archive_open_within(struct job *job, const char *path, const char *label,
			     const struct zip_limits *limits, struct archive *ret)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct archive a = {.label = label, .most = limits->bytes};
	struct error error = {0};

	if (fd < 0)
		return archive_fail(job, &a, "zip_invalid", "");
	if (zip_dir_read(fd, limits, &a.dir, &error) != ERR_OK)
		return fail_dir(job, label, &error);
	a.zip = zip_open(path, ZIP_RDONLY, NULL);
	if (a.zip == NULL || !readers_agree(a.zip, &a.dir)) {
		archive_close(&a);
		return archive_fail(job, &a, "zip_invalid", "");
	}
	*ret = a;
	return ERR_OK;
}

void archive_close(struct archive *a)
{
	if (a->zip != NULL)
		zip_discard(a->zip);
	a->zip = NULL;
	zip_dir_done(&a->dir);
}

enum err archive_fail_method(struct job *job, const struct archive *a, const char *member)
{
	json_object *p = problem_str(problem_new("zip_invalid"), "file", a->label);

	return job_fail(job, problem_arg(problem_arg(p, "member", member), "reason", "method"));
}

/* A method libzip was built without cannot be told from damage by its error; ask before. */
static zip_file_t *open_member(struct job *job, struct archive *a, size_t i)
{
	zip_file_t *f;

	if (!zip_compression_method_supported(a->dir.v[i].method, 0)) {
		(void)archive_fail_method(job, a, a->dir.v[i].name);
		return NULL;
	}
	f = zip_fopen_index(a->zip, i, ZIP_FL_UNCHANGED);
	if (f == NULL)
		(void)archive_fail(job, a, "zip_invalid", a->dir.v[i].name);
	return f;
}

char *archive_head(struct job *job, struct archive *a, size_t i, size_t size, size_t *ret_len)
{
	zip_file_t *f = open_member(job, a, i);
	zip_int64_t n = 0, more;
	char *head;

	if (f == NULL)
		return NULL;
	head = mem_alloc(size + 1);
	while ((size_t)n < size && (more = zip_fread(f, head + n, size - (size_t)n)) > 0)
		n += more;
	(void)zip_fclose(f);
	*ret_len = (size_t)n;
	return head;
}

/* Give the bytes of member I to SINK, which says no to end it. */
static enum err read_member(struct job *job, struct archive *a, size_t i,
			    bool (*sink)(void *, const char *, size_t), void *user)
{
	const struct zip_member *m = &a->dir.v[i];
	zip_file_t *f = open_member(job, a, i);
	char block[BLOCK];
	zip_int64_t n, size = 0;
	enum err e = ERR_OK;

	if (f == NULL)
		return ERR_BAD_REQUEST;
	while ((n = zip_fread(f, block, sizeof(block))) > 0) {
		size += n;
		a->written += n;
		/* What was declared is a promise; the sum of all promises was checked. */
		if (size > m->size || a->written > a->most) {
			e = archive_fail(job, a, "zip_invalid", m->name);
			break;
		}
		if (!sink(user, block, (size_t)n))
			break;
	}
	if (n < 0 || (n == 0 && size != m->size))
		e = archive_fail(job, a, "zip_invalid", m->name);
	(void)zip_fclose(f);
	return e;
}

struct file_sink {
	int fd;
	struct error error;
};

static bool to_file(void *user, const char *bytes, size_t n)
{
	struct file_sink *s = user;

	return fs_write_all(s->fd, bytes, n, &s->error) == ERR_OK;
}

enum err archive_unpack(struct job *job, struct archive *a, size_t i, const char *to)
{
	struct file_sink sink = {.fd = fs_create(AT_FDCWD, to)};
	enum err e;

	if (sink.fd < 0)
		return archive_fail(job, a, "inspect_failed", a->dir.v[i].name);
	e = read_member(job, a, i, to_file, &sink);
	if (close(sink.fd) != 0 && sink.error.err == ERR_OK)
		(void)error_errno(&sink.error, ERR_IO, "close");
	if (e == ERR_OK && sink.error.err != ERR_OK)
		e = archive_fail(job, a,
				 sink.error.err == ERR_NO_SPACE ? "disk_full" : "inspect_failed",
				 a->dir.v[i].name);
	if (e != ERR_OK)
		(void)unlink(to);
	return e;
}

static bool to_gate(void *user, const char *bytes, size_t n)
{
	return xml_gate_feed(user, bytes, n, false);
}

enum err archive_check_xml(struct job *job, struct archive *a)
{
	for (size_t i = 0; i < a->dir.n; i++) {
		const struct zip_member *m = &a->dir.v[i];
		struct xml_gate *gate;
		const char *code;
		enum err e;

		if (m->folder || m->size == 0 ||
		    !(text_ends_icase(m->name, ".xml") || text_ends_icase(m->name, ".rels") ||
		      text_ends_icase(m->name, ".rdf")))
			continue;
		gate = xml_gate_new(NULL, NULL);
		e = read_member(job, a, i, to_gate, gate);
		(void)xml_gate_feed(gate, "", 0, true);
		code = xml_verdict_code(xml_gate_verdict(gate));
		xml_gate_free(gate);
		if (e == ERR_OK && code != NULL)
			e = archive_fail(job, a, code, m->name);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}
