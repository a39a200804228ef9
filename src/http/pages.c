#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "http/template_int.h"

#define TEMPLATE_BYTES ((size_t)1 << 20)

/* A compiled template and the state of its file when it was. */
struct page {
	struct template *template;
	struct timespec changed;
	off_t size;
	struct page *next;
};

struct pages {
	char *dir;
	bool reload;	      /* look whether files changed, before each page */
	pthread_mutex_t lock; /* of the two lists; what stands in them never changes */
	struct page *current;
	struct page *retired; /* replaced, but perhaps still being printed */
	struct words *words;
	struct words *old_words; /* the last ones replaced, perhaps still in use */
	struct timespec words_changed[2];
};

static void page_free(struct page *p)
{
	template_free(p->template);
	free(p);
}

static void words_stat(const struct pages *pages, struct timespec ret[2])
{
	static const char *const names[] = {"text.en", "text.zh"};

	for (size_t i = 0; i < 2; i++) {
		CLEAN_FREE char *path = mem_printf("%s/%s", pages->dir, names[i]);
		struct stat st;
		ret[i] = stat(path, &st) == 0 ? st.st_mtim : (struct timespec){0};
	}
}

struct pages *pages_later(const char *dir)
{
	const char *reload = getenv("SLIPWAY_RELOAD");
	struct pages *pages = mem_alloc(sizeof(*pages));

	pages->dir = mem_strdup(dir);
	pages->reload = reload != NULL && strcmp(reload, "1") == 0;
	pthread_mutex_init(&pages->lock, NULL);
	words_stat(pages, pages->words_changed);
	return pages;
}

enum err pages_load(const char *dir, struct pages **ret, struct error *error)
{
	struct pages *pages = pages_later(dir);
	enum err err = words_load(dir, &pages->words, error);

	if (err != ERR_OK) {
		pages_free(pages);
		return err;
	}
	*ret = pages;
	return ERR_OK;
}

void pages_free(struct pages *pages)
{
	if (pages == NULL)
		return;
	struct page *lists[] = {pages->current, pages->retired};
	for (size_t i = 0; i < 2; i++) {
		for (struct page *p = lists[i]; p != NULL;) {
			struct page *next = p->next;
			page_free(p);
			p = next;
		}
	}
	words_free(pages->words);
	words_free(pages->old_words);
	pthread_mutex_destroy(&pages->lock);
	free(pages->dir);
	free(pages);
}

struct words *pages_words(struct pages *pages)
{
	pthread_mutex_lock(&pages->lock);
	/* Words that cannot be read leave their keys to be shown: an answer all the same. */
	if (pages->words == NULL && words_load(pages->dir, &pages->words, NULL) != ERR_OK)
		pages->words = words_none();
	struct words *w = pages->words;
	pthread_mutex_unlock(&pages->lock);
	return w;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Development: words that changed are read again; a broken file leaves the old ones. */
static void reload_words(struct pages *pages)
{
	struct timespec now[2];
	struct words *fresh;

	words_stat(pages, now);
	if (same_time(&now[0], &pages->words_changed[0]) &&
	    same_time(&now[1], &pages->words_changed[1]))
		return;
	pages->words_changed[0] = now[0];
	pages->words_changed[1] = now[1];
	if (words_load(pages->dir, &fresh, NULL) != ERR_OK)
		return;
	words_free(pages->old_words);
	pages->old_words = pages->words;
	pages->words = fresh;
}

static struct page *compile(const struct pages *pages, const char *name, struct error *error)
{
	CLEAN_FREE char *path = mem_printf("%s/%s.html", pages->dir, name);
	CLEAN_FREE char *text = NULL;
	struct template *t;
	struct stat st = {0};
	size_t len;

	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(name) ||
	    *name == '\0') {
		error_set(error, ERR_INTERNAL, "no template can be called that");
		return NULL;
	}
	/* Before reading: a file that changes meanwhile is then read again, not missed. */
	(void)stat(path, &st);
	if (fs_read_file(AT_FDCWD, path, TEMPLATE_BYTES, &text, &len, error) != ERR_OK)
		return NULL;
	if (strlen(text) != len) {
		error_set(error, ERR_INTERNAL, "%s: NUL in it", path);
		return NULL;
	}
	if (template_compile(name, path, text, &t, error) != ERR_OK)
		return NULL;
	struct page *p = mem_alloc(sizeof(*p));
	*p = (struct page){t, st.st_mtim, st.st_size, NULL};
	return p;
}

static bool is_stale(const struct pages *pages, const struct page *p)
{
	CLEAN_FREE char *path = mem_printf("%s/%s.html", pages->dir, p->template->name);
	struct stat st;

	return stat(path, &st) == 0 &&
	       (!same_time(&st.st_mtim, &p->changed) || st.st_size != p->size);
}

/* Under the lock. */
static const struct template *find(struct pages *pages, const char *name, struct error *error)
{
	struct page **place = &pages->current;

	while (*place != NULL && strcmp((*place)->template->name, name) != 0)
		place = &(*place)->next;
	if (*place != NULL && !(pages->reload && is_stale(pages, *place)))
		return (*place)->template;
	struct page *fresh = compile(pages, name, error);
	if (fresh == NULL)
		return NULL;
	if (*place != NULL) {
		struct page *old = *place;
		*place = old->next;
		old->next = pages->retired;
		pages->retired = old;
	}
	fresh->next = pages->current;
	pages->current = fresh;
	return fresh->template;
}

static const struct template *find_locked(void *arg, const char *name, struct error *error)
{
	struct pages *pages = arg;

	pthread_mutex_lock(&pages->lock);
	const struct template *t = find(pages, name, error);
	pthread_mutex_unlock(&pages->lock);
	return t;
}

enum err pages_print(struct pages *pages, const char *name, json_object *model, const char *mount,
		     enum lang lang, FILE *out, struct error *error)
{
	struct template_run run = {.model = model,
				   .mount = mount,
				   .lang = lang,
				   .out = out,
				   .find = find_locked,
				   .arg = pages,
				   .error = error};

	if (pages->reload) {
		pthread_mutex_lock(&pages->lock);
		reload_words(pages);
		pthread_mutex_unlock(&pages->lock);
	}
	run.words = pages_words(pages);
	const struct template *t = find_locked(pages, name, error);
	if (t == NULL)
		return error_set(error, ERR_INTERNAL, "no template %s", name);
	enum err err = template_print(t, &run);
	if (err == ERR_OK && ferror(out))
		err = error_errno(error, ERR_IO, "printing %s", name);
	return err;
}
