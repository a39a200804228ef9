#include "area/path.h"

#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"

static enum err refuse(struct error *error, const char *code, const char *what)
{
	(void)error_set(error, ERR_BAD_REQUEST, "file area: %.200s", what);
	return error_code(error, ERR_BAD_REQUEST, code);
}

/* Is EXT one of the words of LIST? */
static bool listed(const char *ext, const char *list)
{
	size_t len = strlen(ext);

	while (*list != '\0') {
		size_t n = strcspn(list, " ");
		CLEAN_FREE char *word = mem_strndup(list, n);

		if (n == len && text_ieq(word, ext))
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

enum err area_name_check(const char *name, const char *denied, struct error *error)
{
	const char *dot = strrchr(name, '.');

	if (strlen(name) > AREA_NAME_MAX || text_starts(name, AREA_HIDDEN))
		return refuse(error, "area_path", name);
	/* What a web server would take as orders or run, should somebody put the area below one. */
	if (strncasecmp(name, ".ht", 3) == 0 || text_ieq(name, ".user.ini") ||
	    text_ieq(name, "web.config") || (dot != NULL && listed(dot, denied)))
		return refuse(error, "area_denied", name);
	return ERR_OK;
}

/* S behind PREFIX when it stands there as whole names, else S. */
static const char *without_root(const char *s, const char *prefix)
{
	size_t n = prefix != NULL ? strlen(prefix) : 0;

	return n > 0 && strncmp(s, prefix, n) == 0 && (s[n] == '\0' || s[n] == '/') ? s + n : s;
}

/* What stands in front of a path without being part of it. */
static const char *without_front(const char *s, const char *real)
{
	static const char *const words[] = {AREA_WORD, "${uploadDir}"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_starts(s, words[i]))
			return s + strlen(words[i]);
	s = without_root(s, real);
	if ((s[0] | 0x20) >= 'a' && (s[0] | 0x20) <= 'z' && s[1] == ':')
		s += 2;
	return s;
}

static bool is_text(const char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return len <= AREA_PATH_MAX && (len == 0 || text_is_utf8(s, len));
}

enum err area_map(const char *given, const char *real, const char *denied, char **ret,
		  struct error *error)
{
	CLEAN_FREE char *copy = mem_strdup(given);
	CLEAN_FREE char *out = mem_alloc(strlen(given) + 2);
	size_t len = 0;
	const char *s;

	if (!is_text(given))
		return refuse(error, "area_path", "no text, or too long");
	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\\')
			*p = '/';
	s = without_front(copy, real);
	while (*s != '\0') {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.') {
			/* One up; at the root there is nothing above, as in a chroot. */
			while (len > 0 && out[--len] != '/')
				continue;
		} else if (n > 0 && !(n == 1 && s[0] == '.')) {
			if (len > 0)
				out[len++] = '/';
			memcpy(out + len, s, n);
			len += n;
		}
		s += n + (s[n] == '/');
	}
	out[len] = '\0';
	for (const char *p = out; *p != '\0';) {
		size_t n = strcspn(p, "/");
		CLEAN_FREE char *name = mem_strndup(p, n);
		enum err err = area_name_check(name, denied, error);

		if (err != ERR_OK)
			return err;
		p += n + (p[n] == '/');
	}
	*ret = out;
	out = NULL;
	return ERR_OK;
}

char *area_number(const char *name, bool folder, int n)
{
	const char *dot = folder ? NULL : strrchr(name, '.');
	size_t stem = dot != NULL && dot > name ? (size_t)(dot - name) : strlen(name);

	return mem_printf("%.*s%d%s", (int)stem, name, n, name + stem);
}

/* Bytes of the character at S. */
static size_t char_len(const char *s)
{
	int32_t cp;
	size_t n = *s != '\0' ? text_decode(s, strlen(s), &cp) : 0;

	return n > 0 ? n : 1;
}

/* '*' and '?' and nothing else; only the last '*' is ever tried again, so nobody waits long. */
static bool glob_fits(const char *glob, const char *name)
{
	const char *star = NULL, *from = NULL;

	while (*name != '\0') {
		if (*glob == '*') {
			star = ++glob;
			from = name;
		} else if (*glob == '?') {
			glob++;
			name += char_len(name);
		} else if (*glob == *name) {
			glob++;
			name++;
		} else if (star != NULL) {
			from += char_len(from);
			name = from;
			glob = star;
		} else {
			return false;
		}
	}
	return glob[strspn(glob, "*")] == '\0';
}

bool area_filter(const char *filters, const char *name)
{
	CLEAN_FREE char *folded = text_fold(name);

	if (filters == NULL || filters[strspn(filters, "; ")] == '\0')
		return true;
	while (*filters != '\0') {
		size_t n = strcspn(filters, ";");
		CLEAN_FREE char *word = mem_strndup(filters, n);
		CLEAN_FREE char *trimmed = text_trim(word);
		CLEAN_FREE char *glob = trimmed != NULL ? text_fold(trimmed) : NULL;

		if (glob != NULL && *glob != '\0' &&
		    glob_fits(glob, folded != NULL ? folded : name))
			return true;
		filters += n + (filters[n] == ';');
	}
	return false;
}
