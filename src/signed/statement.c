#include "signed/statement.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"

enum lexeme {
	LEX_END,
	LEX_WRONG, /* the refusal says why */
	LEX_SPACE, /* white space, or a comment */
	LEX_WORD,  /* name or number, not quoted */
	LEX_NAME,  /* quoted name */
	LEX_TEXT,  /* literal */
	LEX_VALUE, /* $name */
	LEX_OTHER, /* one character */
};

struct lexer {
	const char *at;
	enum statement_dialect dialect;
	const char *token; /* the last one: LEN bytes */
	size_t len;
	struct refusal *r;
};

static const char *const value_names[STATEMENT__MAX] = {
    [STATEMENT_USERNAME] = "$username",
    [STATEMENT_VISITOR] = "$visitor",
    [STATEMENT_STAMP] = "$stamp",
    [STATEMENT_ROWS] = "$rows",
};

/* What a statement must not begin with: it leaves the transaction, the files or the session. */
static const char *const never_first[] = {
    "abort",   "attach", "begin",   "close",	"commit",    "copy",  "deallocate", "detach",
    "discard", "end",	 "execute", "fetch",	"listen",    "load",  "move",	    "pragma",
    "prepare", "reset",	 "release", "rollback", "savepoint", "start", "vacuum",
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (c & 0x80) != 0;
}

static bool is_space(char c)
{
	return c != '\0' && strchr(" \t\r\n\f\v", c) != NULL;
}

static bool word_is(const char *word, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(word, name, len) == 0;
}

/* A quoted run at the lexer that ends with CLOSE; CLOSE twice stands for itself. */
static enum lexeme quoted(struct lexer *l, char close, bool backslash, enum lexeme kind)
{
	for (l->at++; *l->at != '\0'; l->at++) {
		if (backslash && *l->at == '\\' && l->at[1] != '\0') {
			l->at++;
		} else if (*l->at == close) {
			if (l->at[1] != close || close == ']') {
				l->at++;
				return kind;
			}
			l->at++;
		}
	}
	refuse(l->r, REFUSE_BAD, "a quote is not closed");
	return LEX_WRONG;
}

/* PostgreSQL nests these comments, SQLite lets the end of the text close them. */
static enum lexeme comment(struct lexer *l)
{
	int open = 0;

	while (*l->at != '\0') {
		if (l->at[0] == '*' && l->at[1] == '/') {
			l->at += 2;
			if (--open == 0)
				return LEX_SPACE;
		} else if (l->at[0] == '/' && l->at[1] == '*' &&
			   (open == 0 || l->dialect == STATEMENT_POSTGRES)) {
			l->at += 2;
			open++;
		} else {
			l->at++;
		}
	}
	refuse(l->r, REFUSE_BAD, "a comment is not closed");
	return LEX_WRONG;
}

/* $tag$ … $tag$ at the lexer; false: it is none. */
static bool dollar_quoted(struct lexer *l, enum lexeme *ret)
{
	const char *tag = l->at, *end = tag + 1;
	size_t len;

	if (l->dialect != STATEMENT_POSTGRES || (*end >= '0' && *end <= '9'))
		return false;
	while (is_word(*end))
		end++;
	if (*end != '$')
		return false;
	len = (size_t)(end - tag) + 1;
	for (end++; *end != '\0'; end++)
		if (*end == '$' && strncmp(end, tag, len) == 0) {
			l->at = end + len;
			*ret = LEX_TEXT;
			return true;
		}
	refuse(l->r, REFUSE_BAD, "a quote is not closed");
	*ret = LEX_WRONG;
	return true;
}

static enum lexeme dollar(struct lexer *l)
{
	enum lexeme kind;

	if (dollar_quoted(l, &kind))
		return kind;
	l->at++;
	while (is_word(*l->at))
		l->at++;
	return LEX_VALUE;
}

static enum lexeme word(struct lexer *l)
{
	const char *first = l->at;

	while (is_word(*l->at) || *l->at == '$')
		l->at++;
	/* E'it\'s': the only literals of PostgreSQL in which a backslash means something. */
	if (l->dialect == STATEMENT_POSTGRES && *l->at == '\'' && l->at - first == 1 &&
	    (*first | 32) == 'e')
		return quoted(l, '\'', true, LEX_TEXT);
	return LEX_WORD;
}

static enum lexeme next_at(struct lexer *l)
{
	char c = *l->at;
	bool sqlite = l->dialect == STATEMENT_SQLITE;

	if (c == '\0')
		return LEX_END;
	if (is_space(c)) {
		while (is_space(*l->at))
			l->at++;
		return LEX_SPACE;
	}
	if (c == '-' && l->at[1] == '-') {
		l->at += strcspn(l->at, "\r\n");
		return LEX_SPACE;
	}
	if (c == '/' && l->at[1] == '*')
		return comment(l);
	if (c == '\'')
		return quoted(l, '\'', false, LEX_TEXT);
	if (c == '"' || (sqlite && (c == '`' || c == '[')))
		return quoted(l, (char)(c == '[' ? ']' : c), false, LEX_NAME);
	if (c == '$')
		return dollar(l);
	if (is_word(c))
		return word(l);
	/* SQLite's other spellings of a parameter; nobody would bind them. */
	if (sqlite && strchr("?:@#", c) != NULL) {
		refuse(l->r, REFUSE_BAD,
		       "'%c' is not offered; values are $username, $visitor, "
		       "$stamp and $rows",
		       c);
		return LEX_WRONG;
	}
	l->at++;
	return LEX_OTHER;
}

static enum lexeme next(struct lexer *l)
{
	enum lexeme kind;

	l->token = l->at;
	kind = next_at(l);
	l->len = (size_t)(l->at - l->token);
	return kind;
}

/* The next token that means something. */
static enum lexeme next_real(struct lexer *l)
{
	enum lexeme kind;

	do
		kind = next(l);
	while (kind == LEX_SPACE);
	return kind;
}

static bool check_first(struct lexer l)
{
	enum lexeme kind = next_real(&l);

	if (kind == LEX_WRONG)
		return false;
	if (kind == LEX_END || (kind == LEX_OTHER && *l.token == ';'))
		return refuse(l.r, REFUSE_BAD, "the statement is empty");
	if (kind != LEX_WORD)
		return true;
	for (size_t i = 0; i < sizeof(never_first) / sizeof(*never_first); i++)
		if (word_is(l.token, l.len, never_first[i]))
			return refuse(l.r, REFUSE_BAD, "%.*s is not allowed here", (int)l.len,
				      l.token);
	if (!word_is(l.token, l.len, "set"))
		return true;
	/* What would outlive the transaction would change the next request's. */
	if (next_real(&l) == LEX_WORD &&
	    (word_is(l.token, l.len, "local") || word_is(l.token, l.len, "constraints")))
		return true;
	return refuse(l.r, REFUSE_BAD, "SET is allowed as SET LOCAL only");
}

/* Is the token a value's name, with OFFSET characters of quotes around it? */
static bool value_of(const struct lexer *l, size_t offset, enum statement_value *ret)
{
	for (int v = 0; v < STATEMENT__MAX; v++) {
		size_t len = strlen(value_names[v]);

		if (l->len == len + 2 * offset &&
		    memcmp(l->token + offset, value_names[v], len) == 0) {
			*ret = (enum statement_value)v;
			return true;
		}
	}
	return false;
}

/* A literal that holds the name of a value besides other text: it would not be replaced. */
static bool check_literal(const struct lexer *l)
{
	for (int v = 0; v < STATEMENT__MAX; v++) {
		const char *name = value_names[v];
		const char *hit = memmem(l->token, l->len, name, strlen(name));

		if (hit != NULL && !is_word(hit[strlen(name)]))
			return refuse(l->r, REFUSE_BAD,
				      "%s inside a literal is not replaced; write '…' || %s", name,
				      name);
	}
	return true;
}

static void mark(struct statement *s, FILE *out, enum statement_dialect dialect,
		 enum statement_value v)
{
	s->values = mem_resize(s->values, s->n_values + 1, sizeof(*s->values));
	s->values[s->n_values++] = v;
	fprintf(out, "%c%zu", dialect == STATEMENT_SQLITE ? '?' : '$', s->n_values);
}

/* Only white space, comments and further ';' may follow the end. */
static bool check_rest(struct lexer *l)
{
	enum lexeme kind;

	do
		kind = next_real(l);
	while (kind == LEX_OTHER && *l->token == ';');
	if (kind == LEX_END || kind == LEX_WRONG)
		return kind == LEX_END;
	return refuse(l->r, REFUSE_BAD, "more than one statement in a string");
}

static bool copy(struct lexer *l, struct statement *s, FILE *out)
{
	for (;;) {
		enum lexeme kind = next(l);
		enum statement_value v;

		if (kind == LEX_WRONG)
			return false;
		if (kind == LEX_END)
			return true;
		if (kind == LEX_OTHER && *l->token == ';')
			return check_rest(l);
		if (kind == LEX_VALUE && !value_of(l, 0, &v))
			return refuse(l->r, REFUSE_BAD,
				      "%.*s is not known; values are $username, $visitor, $stamp "
				      "and $rows",
				      (int)l->len, l->token);
		if (kind == LEX_VALUE || (kind == LEX_TEXT && value_of(l, 1, &v)))
			mark(s, out, l->dialect, v);
		else if (kind == LEX_TEXT && !check_literal(l))
			return false;
		else if (kind == LEX_SPACE && !is_space(*l->token))
			fputc(' ', out); /* a comment */
		else
			fwrite(l->token, 1, l->len, out);
	}
}

/* A name as SQL for SQLite; an unquoted one gets quotes. */
static void put_name(FILE *out, const struct lexer *l, enum lexeme kind)
{
	const char *quote = kind == LEX_WORD ? "\"" : "";

	fprintf(out, "%s%.*s%s", quote, (int)l->len, l->token, quote);
}

/* "truncate [table] [s.]t" as DELETE; false with no refusal when it is something else. */
static bool copy_truncate(struct lexer l, FILE *out, bool *ret_is)
{
	enum lexeme kind = next_real(&l);

	*ret_is = kind == LEX_WORD && word_is(l.token, l.len, "truncate");
	if (!*ret_is)
		return true;
	kind = next_real(&l);
	if (kind == LEX_WORD && word_is(l.token, l.len, "table"))
		kind = next_real(&l);
	fputs("DELETE FROM ", out);
	for (;;) {
		if (kind != LEX_WORD && kind != LEX_NAME)
			return refuse(l.r, REFUSE_BAD, "truncate names no table");
		put_name(out, &l, kind);
		kind = next_real(&l);
		if (kind != LEX_OTHER || *l.token != '.')
			break;
		fputc('.', out);
		kind = next_real(&l);
	}
	if (kind == LEX_END)
		return true;
	if (kind == LEX_OTHER && *l.token == ';')
		return check_rest(&l);
	return refuse(l.r, REFUSE_BAD, "truncate takes one table here and no options");
}

bool statement_read(const char *sql, enum statement_dialect dialect, struct statement *ret,
		    struct refusal *r)
{
	struct lexer l = {.at = sql, .dialect = dialect, .r = r};
	struct statement s = {0};
	bool good, truncate = false;
	size_t size;
	FILE *out;

	if (!check_first(l))
		return false;
	out = open_memstream(&s.text, &size);
	if (out == NULL)
		mem_die();
	good = dialect != STATEMENT_SQLITE || copy_truncate(l, out, &truncate);
	if (good && !truncate)
		good = copy(&l, &s, out);
	if (fclose(out) != 0)
		mem_die();
	if (good)
		*ret = s;
	else
		statement_done(&s);
	return good;
}

void statement_done(struct statement *s)
{
	free(s->text);
	free(s->values);
	*s = (struct statement){0};
}
