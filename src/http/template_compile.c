#include <string.h>

#include "base/mem.h"
#include "http/template_int.h"

#define WORDS_MOST 32 /* in one tag */
#define DEPTH_MOST 32 /* of blocks */

/* A piece of a tag: a name, a text in quotes, or one of = == !=. */
struct token {
	const char *s;
	size_t len;
	bool quoted;
};

struct compiler {
	const char *path;
	const char *begin; /* of the template */
	const char *at;	   /* next byte of it */
	unsigned line;	   /* of at */
	unsigned tag_line; /* of the current tag, or of the end: what errors name */
	struct html html;
	struct error *error;
	bool failed;
	int depth;
	struct token token[WORDS_MOST]; /* of the current tag */
	size_t n_tokens;
	size_t next; /* token to be read */
};

static const char *const verb_names[VERB__MAX] = {
    [VERB_U] = "u",	    [VERB_URL] = "url",		[VERB_T] = "t",
    [VERB_KEY] = "T",	    [VERB_PROBLEM] = "problem", [VERB_HINT] = "hint",
    [VERB_BYTES] = "bytes", [VERB_DATE] = "date",	[VERB_NUM] = "num",
    [VERB_JSON] = "json",
};

static void fail(struct compiler *c, const char *why)
{
	if (!c->failed)
		error_set(c->error, ERR_INTERNAL, "%s:%u: %s", c->path, c->tag_line, why);
	c->failed = true;
}

/* ---- the pieces of a tag */

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-';
}

/* Split the tag between S and END.  False: it holds something odd. */
static bool split(struct compiler *c, const char *s, const char *end)
{
	c->n_tokens = c->next = 0;
	for (;;) {
		while (s < end && strchr(" \t\r\n", *s) != NULL)
			s++;
		if (s == end)
			return true;
		if (c->n_tokens == WORDS_MOST)
			return false;
		struct token *t = &c->token[c->n_tokens++];
		*t = (struct token){s, 1, false};
		if (*s == '"') {
			const char *close = memchr(s + 1, '"', (size_t)(end - s - 1));
			if (close == NULL)
				return false;
			*t = (struct token){s + 1, (size_t)(close - s - 1), true};
			s = close + 1;
		} else if (*s == '=' || *s == '!') {
			t->len = end - s > 1 && s[1] == '=' ? 2 : 1;
			s += t->len;
		} else if (is_name(*s)) {
			while (s < end && is_name(*s))
				s++;
			t->len = (size_t)(s - t->s);
		} else {
			return false;
		}
	}
}

static bool token_is(const struct token *t, const char *word)
{
	return !t->quoted && t->len == strlen(word) && memcmp(t->s, word, t->len) == 0;
}

/* Take the next token if it is WORD. */
static bool take(struct compiler *c, const char *word)
{
	if (c->next >= c->n_tokens || !token_is(&c->token[c->next], word))
		return false;
	c->next++;
	return true;
}

static void segments(struct expr *e, const char *s, size_t len)
{
	size_t n = 1, at = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == '.';
	e->segment = mem_array(n + 1, sizeof(*e->segment));
	for (size_t i = 0; i < n; i++) {
		const char *dot = memchr(s + at, '.', len - at);
		size_t seg = dot != NULL ? (size_t)(dot - s) - at : len - at;
		e->segment[i] = mem_strndup(s + at, seg);
		at += seg + 1;
	}
}

/* The next token as a value. */
static bool read_expr(struct compiler *c, struct expr *ret)
{
	if (c->next >= c->n_tokens)
		return false;
	const struct token *t = &c->token[c->next];
	if (!t->quoted && (!is_name(*t->s) || *t->s == '.' || t->s[t->len - 1] == '.'))
		return false;
	c->next++;
	/* A number is a text: it is compared and printed as one. */
	if (t->quoted || (*t->s >= '0' && *t->s <= '9') || *t->s == '-')
		ret->text = mem_strndup(t->s, t->len);
	else
		segments(ret, t->s, t->len);
	return true;
}

static void expr_done(struct expr *e)
{
	free(e->text);
	for (char **s = e->segment; s != NULL && *s != NULL; s++)
		free(*s);
	free(e->segment);
}

/* ---- nodes */

static struct node *node_new(struct compiler *c, enum node_kind kind)
{
	struct node *n = mem_alloc(sizeof(*n));

	n->kind = kind;
	n->line = c->tag_line;
	return n;
}

static void nodes_free(struct node *n)
{
	while (n != NULL) {
		struct node *next = n->next;
		for (struct branch *b = n->branches; b != NULL;) {
			struct branch *after = b->next;
			expr_done(&b->left);
			expr_done(&b->right);
			nodes_free(b->body);
			free(b);
			b = after;
		}
		nodes_free(n->body);
		expr_done(&n->a);
		expr_done(&n->b);
		for (size_t i = 0; i < n->n_args; i++) {
			free(n->args[i].name);
			expr_done(&n->args[i].value);
		}
		free(n->args);
		free(n->text);
		free(n);
		n = next;
	}
}

void template_free(struct template *t)
{
	if (t == NULL)
		return;
	nodes_free(t->body);
	free(t->name);
	free(t);
}

static struct node *block(struct compiler *c, const char **ret_end);

/* name=value pairs up to the end of the tag. */
static bool read_args(struct compiler *c, struct node *n)
{
	n->args = mem_array(WORDS_MOST, sizeof(*n->args));
	while (c->next < c->n_tokens) {
		const struct token *name = &c->token[c->next++];
		if (name->quoted || !is_name(*name->s) || !take(c, "="))
			return false;
		struct arg *arg = &n->args[n->n_args++];
		arg->name = mem_strndup(name->s, name->len);
		if (!read_expr(c, &arg->value))
			return false;
	}
	return true;
}

/* {{name}} or {{verb name}}. */
static struct node *value_node(struct compiler *c)
{
	struct node *n = node_new(c, NODE_VALUE);
	const char *why;

	n->verb = VERB_VALUE;
	if (c->n_tokens > 1)
		for (int v = 0; v < VERB__MAX; v++)
			if (verb_names[v] != NULL && token_is(&c->token[0], verb_names[v]))
				n->verb = (enum verb)v;
	c->next = n->verb == VERB_VALUE ? 0 : 1;
	if (!read_expr(c, &n->a)) {
		fail(c, "a name is wanted here");
	} else if (n->verb == VERB_T || n->verb == VERB_KEY) {
		/* {{T a b}} joins two values; what follows with '=' are arguments. */
		bool two = c->next < c->n_tokens && n->verb == VERB_KEY &&
			   (c->next + 1 >= c->n_tokens || !token_is(&c->token[c->next + 1], "="));
		if (two && !read_expr(c, &n->b))
			fail(c, "a name is wanted here");
		if (!read_args(c, n))
			fail(c, "arguments are written name=value");
	}
	if (n->verb == VERB_T && n->a.text == NULL)
		fail(c, "{{t}} takes a key in quotes; {{T}} takes a name");
	if (c->next < c->n_tokens)
		fail(c, n->verb == VERB_VALUE ? "no such verb" : "too many words in this tag");
	why = html_value(&c->html, n->verb, &n->where);
	if (why != NULL)
		fail(c, why);
	return n;
}

/* The condition behind {{if}} or {{elif}}. */
static void condition(struct compiler *c, struct branch *b)
{
	b->negate = c->n_tokens > c->next + 1 && take(c, "not");
	if (!read_expr(c, &b->left)) {
		fail(c, "a name is wanted here");
		return;
	}
	b->compare = take(c, "==") ? COMPARE_SAME : take(c, "!=") ? COMPARE_OTHER : COMPARE_NONE;
	if (b->compare != COMPARE_NONE && !read_expr(c, &b->right))
		fail(c, "nothing to compare with");
	if (c->next < c->n_tokens)
		fail(c, "a condition is a name, or two values with == or !=");
}

static struct node *if_node(struct compiler *c)
{
	struct node *n = node_new(c, NODE_IF);
	struct branch **place = &n->branches;
	struct html before = c->html, after = {0};
	bool has_after = false, has_else = false;
	const char *end = "if";

	while (!c->failed && end != NULL && strcmp(end, "end") != 0) {
		struct branch *b = *place = mem_alloc(sizeof(*b));
		place = &b->next;
		if (has_else)
			fail(c, "nothing follows {{else}} but {{end}}");
		b->always = has_else = strcmp(end, "else") == 0;
		if (!b->always)
			condition(c, b);
		c->html = before;
		b->body = block(c, &end);
		if (c->failed)
			break;
		if (has_after && !html_merge(&after, &c->html))
			fail(c, "the branches end in different places of the HTML");
		if (!has_after)
			after = c->html;
		has_after = true;
	}
	if (!c->failed && end == NULL) {
		c->tag_line = n->line;
		fail(c, "{{if}} without {{end}}");
	}
	/* Without {{else}} nothing may be printed at all. */
	if (!c->failed && !has_else && !html_merge(&after, &before))
		fail(c, "the branches end in different places of the HTML");
	c->html = after;
	return n;
}

static struct node *for_node(struct compiler *c)
{
	struct node *n = node_new(c, NODE_FOR);
	struct html before;
	const char *end = NULL;

	if (c->n_tokens != 4 || c->token[1].quoted || !token_is(&c->token[2], "in") ||
	    memchr(c->token[1].s, '.', c->token[1].len) != NULL) {
		fail(c, "written {{for x in list}}");
		return n;
	}
	n->text = mem_strndup(c->token[1].s, c->token[1].len);
	c->next = 3;
	if (!read_expr(c, &n->a) || n->a.text != NULL)
		fail(c, "a name is wanted here");
	/* The second round does not stand at a URL's start any more. */
	if (c->html.is_url && c->html.url == URL_START)
		c->html.url = URL_OPEN;
	before = c->html;
	n->body = block(c, &end);
	if (!c->failed && (end == NULL || strcmp(end, "end") != 0)) {
		c->tag_line = n->line;
		fail(c, "{{for}} without {{end}}");
	}
	if (!c->failed && !html_merge(&c->html, &before))
		fail(c, "a round of {{for}} ends in another place of the HTML than it began");
	return n;
}

static struct node *include_node(struct compiler *c)
{
	struct node *n = node_new(c, NODE_INCLUDE);

	if (c->n_tokens != 2 || !c->token[1].quoted)
		fail(c, "written {{include \"name\"}}");
	else if (c->html.state != HTML_TEXT)
		fail(c, "{{include}} inside a tag, script or style");
	else
		n->text = mem_strndup(c->token[1].s, c->token[1].len);
	return n;
}

/* ---- text and tags in turn */

static bool is_block_word(const struct compiler *c)
{
	static const char *const words[] = {"if", "elif", "else", "end", "for", "include"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (c->n_tokens > 0 && token_is(&c->token[0], words[i]))
			return true;
	return false;
}

/*
 * A block tag alone on its line leaves no line behind: cut the blanks before it, of TEXT, and step
 * over the rest of the line.
 */
static size_t drop_line(struct compiler *c, const char *text, size_t len)
{
	size_t n = len;
	const char *after = c->at;

	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	/* TEXT may begin in the middle of a line: behind another tag. */
	if (n > 0 ? text[n - 1] != '\n' : text != c->begin && text[-1] != '\n')
		return len;
	after += strspn(after, " \t\r");
	if (*after != '\n' && *after != '\0')
		return len;
	c->at = *after == '\n' ? after + 1 : after;
	c->line += *after == '\n';
	return n;
}

static void append(struct node ***place, struct node *n)
{
	**place = n;
	*place = &n->next;
}

static unsigned lines_in(const char *s, const char *end)
{
	unsigned n = 0;

	while ((s = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		n++;
		s++;
	}
	return n;
}

/* The text up to the next tag, and the tag's pieces.  False: no tag follows. */
static bool next_tag(struct compiler *c, struct node ***place, bool *ret_comment)
{
	const char *text = c->at, *open = strstr(text, "{{");
	const char *stop = open != NULL ? open : text + strlen(text);
	size_t len = (size_t)(stop - text);

	c->line += lines_in(text, stop);
	c->tag_line = c->line;
	*ret_comment = false;
	if (open != NULL) {
		const char *close = strstr(open, "}}");
		if (close == NULL) {
			fail(c, "{{ without }}");
			return false;
		}
		c->at = close + 2;
		*ret_comment = open[2] == '#';
		if (!*ret_comment && (!split(c, open + 2, close) || c->n_tokens == 0))
			fail(c, "a tag that cannot be read");
		c->line += lines_in(open, close);
		if (!c->failed && (*ret_comment || is_block_word(c)))
			len = drop_line(c, text, len);
	} else {
		c->at = stop;
	}
	if (len > 0) {
		struct node *n = node_new(c, NODE_TEXT);
		n->text = mem_strndup(text, len);
		n->len = len;
		append(place, n);
		html_feed(&c->html, text, len);
	}
	return open != NULL && !c->failed;
}

/* Nodes up to {{end}}, {{else}} or {{elif}}, whose word *RET_END becomes; NULL at the end of the
 * template. */
static struct node *block(struct compiler *c, const char **ret_end)
{
	struct node *first = NULL, **place = &first;
	bool comment;

	*ret_end = NULL;
	if (++c->depth > DEPTH_MOST)
		fail(c, "blocks nested too deep");
	while (!c->failed && next_tag(c, &place, &comment)) {
		if (comment)
			continue;
		if (is_block_word(c)) {
			const char *why = html_block(&c->html);
			if (why != NULL)
				fail(c, why);
		}
		c->next = 1;
		if (token_is(&c->token[0], "elif")) {
			*ret_end = "elif";
			break;
		} else if (token_is(&c->token[0], "else") || token_is(&c->token[0], "end")) {
			*ret_end = token_is(&c->token[0], "else") ? "else" : "end";
			if (c->n_tokens > 1)
				fail(c, "too many words in this tag");
			break;
		} else if (token_is(&c->token[0], "if")) {
			append(&place, if_node(c));
		} else if (token_is(&c->token[0], "for")) {
			append(&place, for_node(c));
		} else if (token_is(&c->token[0], "include")) {
			append(&place, include_node(c));
		} else {
			append(&place, value_node(c));
		}
	}
	c->depth--;
	return first;
}

enum err template_compile(const char *name, const char *path, const char *text,
			  struct template **ret, struct error *error)
{
	struct compiler c = {
	    .path = path, .begin = text, .at = text, .line = 1, .tag_line = 1, .error = error};
	struct template *t = mem_alloc(sizeof(*t));
	const char *end;

	t->name = mem_strdup(name);
	t->body = block(&c, &end);
	if (!c.failed && end != NULL)
		fail(&c, "{{end}}, {{else}} or {{elif}} without {{if}} or {{for}}");
	if (!c.failed && c.html.state != HTML_TEXT)
		fail(&c, "the template ends inside a tag, attribute, script or comment");
	if (c.failed) {
		template_free(t);
		return ERR_INTERNAL;
	}
	*ret = t;
	return ERR_OK;
}
