/*
 * The inside of a template: what compile makes and print walks.
 */
#ifndef SLIPWAY_HTTP_TEMPLATE_INT_H
#define SLIPWAY_HTTP_TEMPLATE_INT_H

#include "http/template.h"

/* A value: a path into the model, or text in quotes. */
struct expr {
	char *text;	/* owned: quoted text; NULL = a path */
	char **segment; /* owned, NULL-terminated; NULL = a text */
};

enum verb {
	VERB_VALUE,
	VERB_U,
	VERB_URL,
	VERB_T,
	VERB_KEY,
	VERB_PROBLEM,
	VERB_HINT,
	VERB_BYTES,
	VERB_DATE,
	VERB_NUM,
	VERB_JSON,
	VERB__MAX
};

/* Where a value is printed. */
enum where {
	WHERE_HTML,   /* text or quoted attribute */
	WHERE_LINK,   /* begins an attribute that is a URL: its scheme is checked */
	WHERE_SCRIPT, /* inside <script type="application/json"> */
};

struct arg {
	char *name; /* owned */
	struct expr value;
};

enum compare { COMPARE_NONE, COMPARE_SAME, COMPARE_OTHER };

struct node;

struct branch {
	bool always; /* {{else}} */
	bool negate;
	enum compare compare;
	struct expr left, right;
	struct node *body;
	struct branch *next;
};

enum node_kind { NODE_TEXT, NODE_VALUE, NODE_IF, NODE_FOR, NODE_INCLUDE };

struct node {
	enum node_kind kind;
	unsigned line;
	struct node *next;
	char *text;	  /* owned: TEXT's bytes, FOR's variable, INCLUDE's template */
	size_t len;	  /* of TEXT */
	enum verb verb;	  /* VALUE */
	enum where where; /* VALUE */
	struct expr a, b; /* VALUE: what is printed, second part of {{T a b}}; FOR: the list is a */
	struct arg *args; /* owned: of {{t}} and {{T}} */
	size_t n_args;
	struct branch *branches; /* IF */
	struct node *body;	 /* FOR */
};

struct template
{
	char *name; /* owned */
	struct node *body;
};

/*
 * Compile TEXT, which is the file PATH.
 * Owns:   caller frees *RET with template_free.
 * Errors: ERR_INTERNAL with "PATH:line: reason".
 */
enum err template_compile(const char *name, const char *path, const char *text,
			  struct template **ret, struct error *error);
void template_free(struct template *);

/* Print; FIND gives included templates. */
struct template_run {
	json_object *model;
	const char *mount;
	enum lang lang;
	const struct words *words;
	FILE *out;
	const struct template *(*find)(void *arg, const char *name, struct error *);
	void *arg;
	struct error *error;
};
enum err template_print(const struct template *, const struct template_run *);

/* ---- where in the HTML a tag stands */

enum html_state {
	HTML_TEXT,
	HTML_LESS,
	HTML_TAG_NAME,
	HTML_TAG,
	HTML_ATTR_NAME,
	HTML_ATTR_AFTER,
	HTML_ATTR_EQUALS,
	HTML_QUOTED,
	HTML_QUOTED_SINGLE,
	HTML_UNQUOTED,
	HTML_DECLARATION,
	HTML_COMMENT,
	HTML_RAW
};
enum html_url {
	URL_START,   /* nothing of the URL yet */
	URL_OPEN,    /* something, but a scheme could still come about */
	URL_SETTLED, /* the rest cannot change where it leads */
};

struct html {
	enum html_state state;
	enum html_url url; /* in HTML_QUOTED of a URL attribute */
	bool is_url;	   /* the attribute is a URL */
	bool is_code;	   /* the attribute is script or style */
	bool closing;	   /* the tag is </…> */
	bool json;	   /* the raw text is JSON in a script */
	bool json_type;	   /* the tag said type="application/json" */
	unsigned dashes;   /* of <!-- and --> seen */
	char tag[16];	   /* lower case, cut */
	char attr[16];	   /* lower case, cut */
	char value[24];	   /* of the attribute so far, cut */
	char tail[10];	   /* last bytes of raw text, to find its end */
};

void html_feed(struct html *, const char *s, size_t len);
/* A value stands here: where it is printed.  NULL when it may, else why not (static). */
const char *html_value(struct html *, enum verb, enum where *ret);
/* A block tag ({{if}}, {{end}}, …) stands here: attribute names before it are over.  NULL or why
 * not. */
const char *html_block(struct html *);
/* Two ways led here: true when they fit, *A then holds for both. */
bool html_merge(struct html *a, const struct html *b);

#endif
