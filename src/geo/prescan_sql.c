#include "geo/prescan_sql.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum word_type { WORD_END, WORD_NAME, WORD_QUOTED, WORD_STRING, WORD_OTHER };

struct word {
	enum word_type type;
	const char *s; /* inside the quotes */
	size_t len;
};

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static const char *skip_space(const char *p)
{
	for (;;) {
		while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' || *p == '\f')
			p++;
		if (p[0] == '-' && p[1] == '-') {
			p += strcspn(p, "\n");
		} else if (p[0] == '/' && p[1] == '*') {
			const char *end = strstr(p + 2, "*/");

			p = end != NULL ? end + 2 : p + strlen(p);
		} else {
			return p;
		}
	}
}

/* The next word of *P, which moves behind it.  Tokens as SQLite's own tokenizer cuts them. */
static struct word next_word(const char **p)
{
	const char *s = skip_space(*p);
	struct word w = {WORD_OTHER, s, 1};

	if (*s == '\0') {
		w.type = WORD_END;
		w.len = 0;
		*p = s;
		return w;
	}
	if (*s == '\'' || *s == '"' || *s == '`' || *s == '[') {
		char close = *s == '[' ? ']' : *s;
		const char *e = s + 1;

		while (*e != '\0' && (*e != close || (close != ']' && e[1] == close)))
			e += *e == close ? 2 : 1;
		w = (struct word){*s == '\'' ? WORD_STRING : WORD_QUOTED, s + 1,
				  (size_t)(e - s - 1)};
		*p = *e == '\0' ? e : e + 1;
		return w;
	}
	if (is_name_char(*s)) {
		while (is_name_char(s[w.len]))
			w.len++;
		w.type = WORD_NAME;
	}
	*p = s + w.len;
	return w;
}

static bool is_word(const struct word *w, const char *name)
{
	return w->type == WORD_NAME && strlen(name) == w->len &&
	       strncasecmp(w->s, name, w->len) == 0;
}

static bool in_list(const struct word *w, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strlen(*list) == w->len && strncasecmp(w->s, *list, w->len) == 0)
			return true;
	return false;
}

static bool starts(const struct word *w, const char *prefix)
{
	return w->len >= strlen(prefix) && strncasecmp(w->s, prefix, strlen(prefix)) == 0;
}

/* CREATE VIRTUAL TABLE [IF NOT EXISTS] NAME USING: *RET_MODULE = the word after USING. */
static bool virtual_module(const char *sql, struct word *ret_module)
{
	struct word w = next_word(&sql);

	if (!is_word(&w, "create"))
		return false;
	w = next_word(&sql);
	if (!is_word(&w, "virtual"))
		return false;
	for (w = next_word(&sql); w.type != WORD_END; w = next_word(&sql))
		if (is_word(&w, "using"))
			break;
	*ret_module = next_word(&sql);
	return true;
}

bool prescan_is_virtual(const char *sql)
{
	struct word module;

	return virtual_module(sql, &module);
}

bool prescan_is_rtree(const char *sql)
{
	struct word module;

	/* Quoted names are modules too. */
	return virtual_module(sql, &module) && module.len == 5 &&
	       strncasecmp(module.s, "rtree", 5) == 0;
}

bool prescan_calls_other(const char *sql, const char *const *known)
{
	/* A name before "(" that is no function: clauses, and the types that take a length. */
	static const char *const clauses[] = {
	    "as",	 "check",  "key",      "unique",  "in",	     "values",	 "on",
	    "where",	 "and",	   "or",       "not",	  "default", "varchar",	 "char",
	    "character", "text",   "blob",     "decimal", "numeric", "nvarchar", "nchar",
	    "double",	 "float",  "real",     "integer", "int",     "tinyint",	 "smallint",
	    "mediumint", "bigint", "using",    "when",	  "then",    "else",	 "case",
	    "between",	 "select", "distinct", "from",	  "by",	     "set",	 "limit",
	    "is",	 NULL,
	};
	struct word last = {WORD_OTHER, sql, 0}, before = last, w;

	for (w = next_word(&sql); w.type != WORD_END;
	     before = last, last = w, w = next_word(&sql)) {
		if (w.type != WORD_OTHER || *w.s != '(' ||
		    (last.type != WORD_NAME && last.type != WORD_QUOTED))
			continue;
		/* The table or index that is made, or referred to. */
		if (is_word(&before, "table") || is_word(&before, "exists") ||
		    is_word(&before, "references") || is_word(&before, "on") ||
		    is_word(&before, "into"))
			continue;
		if (last.type == WORD_NAME && in_list(&last, clauses))
			continue;
		if (!in_list(&last, known))
			return true;
	}
	return false;
}

bool prescan_is_gpkg_trigger(const char *sql)
{
	static const char *const functions[] = {
	    "st_isempty", "st_minx", "st_maxx", "st_miny", "st_maxy", "raise", "count", "coalesce",
	    "abs",	  "lower",   "upper",	"typeof",  "length",  "min",   "max",	"like",
	    "strftime",	  "round",   "nullif",	"ifnull",  "cast",    NULL,
	};
	struct word last = {WORD_OTHER, sql, 0}, w;
	bool in_body = false, target = false;

	if (prescan_calls_other(sql, functions))
		return false;
	for (w = next_word(&sql); w.type != WORD_END; last = w, w = next_word(&sql)) {
		in_body = in_body || is_word(&w, "begin");
		if (!in_body)
			continue;
		if (is_word(&w, "with") || is_word(&w, "recursive"))
			return false;
		if (target) {
			target = is_word(&w, "or") || is_word(&w, "replace") ||
				 is_word(&w, "ignore") || is_word(&w, "rollback") ||
				 is_word(&w, "abort") || is_word(&w, "fail") || is_word(&w, "main");
			if (!target && *w.s == '.')
				target = true;
			else if (!target && !starts(&w, "rtree_") && !starts(&w, "gpkg_"))
				return false;
			continue;
		}
		/* What comes next is written to; a FROM of a SELECT only reads. */
		target = is_word(&w, "into") || is_word(&w, "update") ||
			 (is_word(&w, "from") && is_word(&last, "delete"));
	}
	return true;
}
