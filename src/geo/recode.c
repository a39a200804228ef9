#include "geo/recode.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/charset.h"
#include "base/fs.h"
#include "base/mem.h"
#include "geo/rows.h"

#define HEAD  512 /* bytes the XML declaration must fit in */
#define BLOCK 65536

/* The charset declared in HEAD, if it needs us; *RET_END = bytes up to behind "?>".  Static. */
static const char *declared(char *head, size_t *ret_end)
{
	static const char *const native[] = {"UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE",
					     "ISO-8859-1"};
	char *end = strstr(head, "?>"), *name, *close;
	const char *charset;

	if (strncmp(head, "<?xml", 5) != 0 || end == NULL)
		return NULL;
	*ret_end = (size_t)(end + 2 - head);
	*end = '\0';
	name = strstr(head, "encoding");
	name = name != NULL ? strpbrk(name, "\"'") : NULL;
	close = name != NULL ? strchr(name + 1, *name) : NULL;
	if (close == NULL)
		return NULL;
	*close = '\0';
	charset = charset_canonical(name + 1);
	for (size_t i = 0; charset != NULL && i < sizeof(native) / sizeof(native[0]); i++)
		if (strcmp(charset, native[i]) == 0)
			return NULL;
	return charset;
}

/* The rest of FROM, decoded, to TO. */
static enum err convert(int from, int to, const char *charset, struct error *error)
{
	struct charset_conv *conv = charset_conv_new(charset);
	CLEAN_FREE char *in = mem_alloc(BLOCK), *out = mem_alloc(4 * BLOCK);
	size_t kept = 0, bad = 0;
	enum err e = ERR_OK;
	ssize_t n;

	do {
		const char *p = in;
		size_t left, made;

		n = read(from, in + kept, BLOCK - kept);
		if (n < 0)
			e = error_errno(error, ERR_IO, "read");
		left = kept + (n > 0 ? (size_t)n : 0);
		do {
			made = e == ERR_OK
				   ? charset_conv_run(conv, &p, &left, out, 4 * BLOCK, n == 0, &bad)
				   : 0;
			if (made > 0)
				e = fs_write_all(to, out, made, error);
		} while (made > 0 && left > 0 && e == ERR_OK);
		/* A character cut at the end of the block waits for its rest. */
		memmove(in, p, left);
		kept = left;
	} while (n > 0 && e == ERR_OK);
	charset_conv_free(conv);
	return e;
}

/* SRC->path becomes HEAD and what stands in FROM behind byte END, decoded. */
static enum err make_utf8(struct job *job, struct source *src, const char *charset, int from,
			  size_t end, const char *head)
{
	CLEAN_FD int to = -1;
	const char *dot = strrchr(src->path, '.');
	CLEAN_FREE char *path =
	    mem_printf("out/work/%d.utf8%s", src->bundle, dot != NULL ? dot : "");
	struct error error = {0};

	if (fs_mkdirs(AT_FDCWD, "out/work", &error) != ERR_OK ||
	    (to = fs_create(AT_FDCWD, path)) < 0 || lseek(from, (off_t)end, SEEK_SET) < 0 ||
	    fs_write_all(to, head, strlen(head), &error) != ERR_OK ||
	    convert(from, to, charset, &error) != ERR_OK)
		return job_fail(
		    job, problem_str(problem_new(error.err == ERR_NO_SPACE ? "disk_full"
									   : "inspect_failed"),
				     "file", src->file));
	free(src->path);
	src->path = path;
	path = NULL;
	return ERR_OK;
}

enum err recode_xml(struct job *job, struct source *src)
{
	CLEAN_FD int from = open(src->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char head[HEAD + 1] = {0};
	const char *charset;
	size_t end;

	if (from < 0 || pread(from, head, HEAD, 0) <= 0 || (charset = declared(head, &end)) == NULL)
		return ERR_OK;
	return make_utf8(job, src, charset, from, end,
			 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
}

enum err recode_json(struct job *job, struct source *src)
{
	CLEAN_FD int from = open(src->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const char *charset, *source, *chosen = json_str(job->spec, "charset", NULL);
	json_object *w;

	if (from < 0 || (charset = rows_guess(from, &source)) == NULL ||
	    strcmp(charset, "UTF-8") == 0)
		return ERR_OK;
	if (strcmp(source, "bom") == 0)
		return make_utf8(job, src, charset, from, 0, "");
	if (chosen != NULL && charset_canonical(chosen) != NULL)
		return make_utf8(job, src, charset_canonical(chosen), from, 0, "");
	/* A detector's word is not enough to take UTF-8 with one bad byte for something else. */
	w = problem_new(strcmp(source, "gb18030") == 0 ? "charset_guessed" : "charset_mismatch");
	problem_str(w, "file", src->file);
	if (strcmp(source, "gb18030") != 0) {
		job_warn(job, problem_arg(problem_arg(w, "declared", "UTF-8"), "charset", "UTF-8"));
		return ERR_OK;
	}
	job_warn(job, problem_arg(w, "charset", charset));
	return make_utf8(job, src, charset, from, 0, "");
}
