#include "base/words.h"

#include <fcntl.h>
#include <string.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define FILE_BYTES  ((size_t)4 << 20)
#define VALUE_CHARS 80	/* of a user's value in a sentence (wizard.md 6.3) */
#define LIST_CHARS  600 /* of what we say beside it: accepted kinds, columns to choose from */

struct word {
	char *key;  /* owned */
	char *text; /* owned */
};

struct words {
	struct word *v[LANG__MAX]; /* sorted by key */
	size_t n[LANG__MAX];
};

static const char *const suffixes[LANG__MAX] = {[LANG_EN] = "en", [LANG_ZH] = "zh"};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct word *)a)->key, ((const struct word *)b)->key);
}

struct words *words_none(void)
{
	return mem_alloc(sizeof(struct words));
}

/* ---- reading */

/* Chinese runs on without a blank where a line was broken. */
static char *join(char *head, const char *tail)
{
	size_t n = strlen(head);
	bool blank = n > 0 && *tail != '\0' &&
		     !((unsigned char)head[n - 1] >= 0x80 && (unsigned char)*tail >= 0x80);
	char *both = mem_printf("%s%s%s", head, blank ? " " : "", tail);

	free(head);
	return both;
}

static void add_word(struct words *w, enum lang lang, const char *key, size_t key_len,
		     const char *text)
{
	size_t n = w->n[lang];

	if ((n & (n - 1)) == 0)
		w->v[lang] = mem_resize(w->v[lang], n == 0 ? 1 : 2 * n, sizeof(*w->v[lang]));
	w->v[lang][w->n[lang]++] = (struct word){mem_strndup(key, key_len), mem_strdup(text)};
}

/* One line: false when it is none of comment, continuation, "key = words". */
static bool read_line(struct words *w, enum lang lang, char *line)
{
	size_t len = strlen(line), n = w->n[lang];

	while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL)
		line[--len] = '\0';
	if (len == 0 || *line == '#')
		return true;
	if (*line == ' ' || *line == '\t') {
		if (n == 0)
			return false;
		w->v[lang][n - 1].text = join(w->v[lang][n - 1].text, line + strspn(line, " \t"));
		return true;
	}
	size_t key = strcspn(line, " \t=");
	char *eq = line + key + strspn(line + key, " \t");
	if (key == 0 || *eq != '=')
		return false;
	add_word(w, lang, line, key, eq + 1 + strspn(eq + 1, " \t"));
	return true;
}

static enum err read_file(struct words *w, enum lang lang, const char *dir, struct error *error)
{
	CLEAN_FREE char *path = mem_printf("%s/text.%s", dir, suffixes[lang]);
	CLEAN_FREE char *text = NULL;
	size_t len, number = 0;
	enum err err = fs_read_file(AT_FDCWD, path, FILE_BYTES, &text, &len, error);

	if (err != ERR_OK)
		return err;
	if (strlen(text) != len || !text_is_utf8(text, len))
		return error_set(error, ERR_INTERNAL, "%s: not UTF-8 text", path);
	for (char *s = text; s != NULL && *s != '\0';) {
		char *lf = strchr(s, '\n');
		if (lf != NULL)
			*lf = '\0';
		number++;
		if (!read_line(w, lang, s))
			return error_set(error, ERR_INTERNAL, "%s:%zu: not 'key = words'", path,
					 number);
		s = lf != NULL ? lf + 1 : NULL;
	}
	if (w->n[lang] > 1)
		qsort(w->v[lang], w->n[lang], sizeof(*w->v[lang]), by_key);
	for (size_t i = 1; i < w->n[lang]; i++)
		if (strcmp(w->v[lang][i - 1].key, w->v[lang][i].key) == 0)
			return error_set(error, ERR_INTERNAL, "%s: %s stands there twice", path,
					 w->v[lang][i].key);
	return ERR_OK;
}

enum err words_load(const char *dir, struct words **ret, struct error *error)
{
	struct words *w = mem_alloc(sizeof(*w));

	for (int lang = 0; lang < LANG__MAX; lang++) {
		enum err err = read_file(w, (enum lang)lang, dir, error);
		if (err != ERR_OK) {
			words_free(w);
			return err;
		}
	}
	*ret = w;
	return ERR_OK;
}

void words_free(struct words *w)
{
	if (w == NULL)
		return;
	for (int lang = 0; lang < LANG__MAX; lang++) {
		for (size_t i = 0; i < w->n[lang]; i++) {
			free(w->v[lang][i].key);
			free(w->v[lang][i].text);
		}
		free(w->v[lang]);
	}
	free(w);
}

/* ---- finding */

/* Does a sentence filled from ARGS count one of something? */
static bool counts_one(const json_object *args)
{
	static const char *const numbers[] = {"count", "limit"};
	const json_object *inner = json_obj(args, "args");

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		json_object *value = json_get(args, numbers[i]);
		if (value == NULL)
			value = json_get(inner, numbers[i]);
		if (value != NULL)
			return json_object_is_type(value, json_type_int) &&
			       json_object_get_int64(value) == 1;
	}
	return false;
}

static const char *find_in(const struct words *w, enum lang lang, const char *key)
{
	struct word wanted = {(char *)key, NULL};
	const struct word *v = w->v[lang];
	const struct word *found =
	    v == NULL ? NULL : bsearch(&wanted, v, w->n[lang], sizeof(*v), by_key);

	return found != NULL ? found->text : NULL;
}

/* NULL: neither in LANG nor in English. */
static const char *find(const struct words *w, enum lang lang, const char *key,
			const json_object *args)
{
	enum lang order[2] = {lang, LANG_EN};
	CLEAN_FREE char *singular = counts_one(args) ? mem_printf("%s.one", key) : NULL;

	for (size_t i = 0; i < 2; i++) {
		const char *text = singular != NULL ? find_in(w, order[i], singular) : NULL;
		if (text == NULL)
			text = find_in(w, order[i], key);
		if (text != NULL)
			return text;
	}
	return NULL;
}

const char *words_get(const struct words *w, enum lang lang, const char *key)
{
	const char *text = find(w, lang, key, NULL);

	return text != NULL ? text : key;
}

/* ---- filling */

static char *fill(const struct words *, enum lang, const char *text, const json_object *args,
		  bool tame);

char *words_number(json_object *value)
{
	const char *digits = json_object_get_string(value);
	if (digits == NULL)
		return mem_strdup("");
	size_t len = strlen(digits), sign = *digits == '-', at = 0;
	char *out = mem_alloc(2 * len + 1);

	if (!json_object_is_type(value, json_type_int)) {
		memcpy(out, digits, len + 1);
		return out;
	}
	for (size_t i = 0; i < len; i++) {
		if (i > sign && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	return out;
}

char *words_bytes(const struct words *w, enum lang lang, int64_t bytes)
{
	CLEAN_JSON json_object *args = json_object_new_object();
	const char *text = NULL;

	json_set_int(args, "count", bytes);
	if (bytes < 1024)
		text = find(w, lang, "word.bytes", args);
	return text != NULL ? fill(w, lang, text, args, false) : text_bytes(bytes);
}

/* A value as text; a placeholder may ask for a spelling: {size:bytes}, {count:num}.  Caller frees.
 */
static char *value_text(const struct words *w, enum lang lang, json_object *value,
			const char *spelling, size_t spelling_len)
{
	if (spelling_len == 5 && memcmp(spelling, "bytes", 5) == 0)
		return words_bytes(w, lang, json_object_get_int64(value));
	if (spelling_len == 3 && memcmp(spelling, "num", 3) == 0)
		return words_number(value);
	return mem_strdup(json_object_get_string(value));
}

/* In JSON sentences old page scripts insert as HTML, a user's value must stay text. */
static char *tamed(const char *value, size_t most)
{
	char *out = NULL;
	size_t len = strlen(value), size = 0, chars = 0;
	FILE *f = open_memstream(&out, &size);
	int32_t cp;

	if (f == NULL)
		mem_die();
	for (size_t i = 0; i < len; chars++) {
		size_t n = text_decode(value + i, len - i, &cp);
		if (chars == most) {
			fputs("…", f);
			break;
		}
		bool control = n == 0 || cp < 0x20 || (cp >= 0x7F && cp < 0xA0) ||
			       (cp >= 0x2028 && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069);
		if (control)
			fputs("·", f);
		else if (cp == '<')
			fputs("‹", f);
		else if (cp == '>')
			fputs("›", f);
		else
			fwrite(value + i, 1, n, f);
		i += n > 0 ? n : 1;
	}
	if (fclose(f) != 0)
		mem_die();
	return out;
}

static char *fill(const struct words *w, enum lang lang, const char *text, const json_object *args,
		  bool tame)
{
	const json_object *inner = json_obj(args, "args");
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	if (f == NULL)
		mem_die();
	while (*text != '\0') {
		const char *open = strchrnul(text, '{'), *close = strchr(open, '}');
		fwrite(text, 1, (size_t)(open - text), f);
		if (close == NULL) {
			fputs(open, f);
			break;
		}
		size_t len = (size_t)(close - open) - 1, name_len = strcspn(open + 1, ":}");
		CLEAN_FREE char *name = mem_strndup(open + 1, name_len);
		json_object *value = json_get(args, name);
		size_t most = value != NULL ? VALUE_CHARS : LIST_CHARS;
		if (value == NULL)
			value = json_get(inner, name);
		CLEAN_FREE char *plain = value == NULL
					     ? NULL
					     : value_text(w, lang, value, open + 2 + name_len,
							  len > name_len ? len - name_len - 1 : 0);
		CLEAN_FREE char *shown = tame && plain != NULL ? tamed(plain, most) : NULL;
		if (plain != NULL)
			fputs(shown != NULL ? shown : plain, f);
		text = close + 1;
	}
	if (fclose(f) != 0)
		mem_die();
	return out;
}

char *words_fill(const struct words *w, enum lang lang, const char *key, const json_object *args)
{
	const char *text = find(w, lang, key, args);

	return fill(w, lang, text != NULL ? text : key, args, false);
}

/* A code with several causes has a sentence for each: "problem.<code>.<reason>". */
static const char *find_problem(const struct words *w, enum lang lang, const json_object *problem)
{
	const char *code = problem_code(problem),
		   *reason = json_str(json_obj(problem, "args"), "reason", "");
	CLEAN_FREE char *key = mem_printf("problem.%s", code != NULL ? code : "");
	CLEAN_FREE char *closer = mem_printf("%s.%s", key, reason);
	const char *text = *reason != '\0' ? find(w, lang, closer, problem) : NULL;

	return text != NULL ? text : find(w, lang, key, problem);
}

char *words_problem(const struct words *w, enum lang lang, const json_object *problem)
{
	const char *code = problem_code(problem);
	const char *text = find_problem(w, lang, problem);

	return text == NULL ? mem_strdup(code != NULL ? code : "")
			    : fill(w, lang, text, problem, true);
}

char *words_hint(const struct words *w, enum lang lang, const json_object *problem)
{
	const char *code = problem_code(problem);
	CLEAN_FREE char *key = mem_printf("hint.%s", code != NULL ? code : "");
	const char *text = find(w, lang, key, problem);

	return text == NULL ? NULL : fill(w, lang, text, problem, true);
}
