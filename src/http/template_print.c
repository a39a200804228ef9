#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/represent.h"
#include "http/template_int.h"

#define INCLUDES_MOST 16

/* The variable of a loop, innermost first. */
struct scope {
	const char *name;
	json_object *item;
	size_t index, n;
	const struct scope *outer;
};

struct printer {
	const struct template_run *run;
	const struct template *template; /* whose nodes are being printed, for errors */
	const struct scope *scope;
	int includes;
};

/* A value found: a JSON value of the model, or text the engine made. */
struct value {
	json_object *json; /* borrowed */
	char *text;	   /* owned; NULL = take json */
};

static void value_done(struct value *v)
{
	free(v->text);
}

/* ---- finding */

static json_object *member(json_object *o, const char *name)
{
	int64_t i;

	if (json_object_is_type(o, json_type_array))
		return text_int(name, 0, INT32_MAX, &i) && (size_t)i < json_len(o)
			   ? json_object_array_get_idx(o, (size_t)i)
			   : NULL;
	return json_object_is_type(o, json_type_object) ? json_object_object_get(o, name) : NULL;
}

/* "x_index", "x_first", "x_last" of the loop variable x.  Text, or NULL when NAME is none of these.
 */
static char *loop_text(const struct scope *s, const char *name)
{
	size_t len = strlen(s->name);

	if (strncmp(name, s->name, len) != 0 || name[len] != '_')
		return NULL;
	name += len + 1;
	if (strcmp(name, "index") == 0)
		return mem_printf("%zu", s->index);
	if (strcmp(name, "first") == 0)
		return mem_strdup(s->index == 0 ? "true" : "");
	if (strcmp(name, "last") == 0)
		return mem_strdup(s->index + 1 == s->n ? "true" : "");
	return NULL;
}

static struct value evaluate(const struct printer *p, const struct expr *e)
{
	if (e->segment == NULL)
		return (struct value){NULL, mem_strdup(e->text != NULL ? e->text : "")};
	json_object *o = NULL;
	const struct scope *s = p->scope;
	for (; s != NULL; s = s->outer) {
		if (strcmp(s->name, e->segment[0]) == 0) {
			o = s->item;
			break;
		}
		char *text = e->segment[1] == NULL ? loop_text(s, e->segment[0]) : NULL;
		if (text != NULL)
			return (struct value){NULL, text};
	}
	if (s == NULL)
		o = member(p->run->model, e->segment[0]);
	for (char **seg = e->segment + 1; *seg != NULL && o != NULL; seg++)
		o = member(o, *seg);
	return (struct value){o, NULL};
}

/* ---- spelling */

/* Digits of a number people read: millimetres in metres, and in degrees. */
#define READ_DIGITS 10

/*
 * The shortest spelling with at most MOST digits that reads back as the same number; northings are
 * no 5.3e+06.
 */
static char *double_text(double d, int most)
{
	char buf[40];

	for (int digits = 6; digits <= most; digits++) {
		double back;
		(void)snprintf(buf, sizeof(buf), "%.*g", digits, d);
		if (text_double(buf, &back) && !(back < d) && !(back > d))
			break;
	}
	if (strchr(buf, 'e') != NULL && d > -1e15 && d < 1e15 && (d >= 1 || d <= -1))
		(void)snprintf(buf, sizeof(buf), "%.0f", d);
	return mem_strdup(buf);
}

static char *plain_text(json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_string:
	case json_type_int:
	case json_type_boolean:
		return mem_strdup(json_object_get_string(o));
	case json_type_double:
		return double_text(json_object_get_double(o), 17);
	case json_type_null:
	case json_type_object:
	case json_type_array:
		break;
	}
	return mem_strdup("");
}

static char *value_text(const struct value *v)
{
	return v->text != NULL ? mem_strdup(v->text) : plain_text(v->json);
}

/* "2026-11-22 10:00 UTC", of milliseconds or of ISO 8601 text. */
static char *date_text(const struct value *v)
{
	char iso[32] = "";

	if (v->text == NULL && json_object_is_type(v->json, json_type_int)) {
		clock_iso(json_object_get_int64(v->json), iso);
	} else {
		CLEAN_FREE char *text = value_text(v);
		if (strlen(text) < sizeof(iso))
			memcpy(iso, text, strlen(text) + 1);
		if (strlen(iso) < 17 || iso[4] != '-' || iso[10] != 'T' || iso[13] != ':' ||
		    iso[strlen(iso) - 1] != 'Z')
			return mem_strdup(text);
	}
	return mem_printf("%.10s %.5s UTC", iso, iso + 11);
}

/* Mount and path; what is no path of ours leads nowhere. */
static char *url_text(const struct printer *p, const struct value *v)
{
	CLEAN_FREE char *path = value_text(v);

	if (*path != '/' || path[1] == '/' || path[1] == '\\')
		return mem_strdup("#");
	return mem_printf("%s%s", p->run->mount, path);
}

/* In a link, a scheme that could run something becomes "#". */
static bool link_is_safe(const char *s)
{
	static const char *const schemes[] = {"https:", "http:", "mailto:"};

	if (*s == '\0' || *s == '?' || *s == '#' || (*s == '/' && s[1] != '/' && s[1] != '\\'))
		return true;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (strncasecmp(s, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

static char *words_text(const struct printer *p, const struct node *n, const struct value *v)
{
	struct value second = evaluate(p, &n->b);
	CLEAN_FREE char *head = value_text(v);
	CLEAN_FREE char *tail = value_text(&second);
	CLEAN_FREE char *key = mem_printf("%s%s", head, tail);
	CLEAN_JSON json_object *args = json_object_new_object();

	value_done(&second);
	for (size_t i = 0; i < n->n_args; i++) {
		struct value a = evaluate(p, &n->args[i].value);
		json_object *o = a.text == NULL && json_object_is_type(a.json, json_type_int)
				     ? json_object_get(a.json)
				     : NULL;
		if (o == NULL) {
			CLEAN_FREE char *text = value_text(&a);
			o = json_object_new_string(text);
		}
		json_set(args, n->args[i].name, o);
		value_done(&a);
	}
	return words_fill(p->run->words, p->run->lang, key, args);
}

static char *number_or_text(const struct template_run *run, const struct value *v, bool bytes)
{
	if (v->text == NULL && !bytes && json_object_is_type(v->json, json_type_double))
		return double_text(json_object_get_double(v->json), READ_DIGITS);
	if (v->text != NULL || !json_object_is_type(v->json, json_type_int))
		return value_text(v);
	return bytes ? words_bytes(run->words, run->lang, json_object_get_int64(v->json))
		     : words_number(v->json);
}

static char *quoted_json(const char *text)
{
	CLEAN_JSON json_object *o = json_object_new_string(text);

	return json_print_script(o);
}

static char *verb_text(const struct printer *p, const struct node *n, const struct value *v)
{
	const struct template_run *run = p->run;
	char *text = NULL;

	switch (n->verb) {
	case VERB_VALUE:
		return value_text(v);
	case VERB_U:
		text = value_text(v);
		char *escaped = escape_url_dup(text);
		free(text);
		return escaped;
	case VERB_URL:
		return url_text(p, v);
	case VERB_T:
	case VERB_KEY:
		return words_text(p, n, v);
	case VERB_PROBLEM:
		return v->json == NULL ? mem_strdup("")
				       : words_problem(run->words, run->lang, v->json);
	case VERB_HINT:
		text = v->json == NULL ? NULL : words_hint(run->words, run->lang, v->json);
		return text != NULL ? text : mem_strdup("");
	case VERB_BYTES:
		return number_or_text(run, v, true);
	case VERB_DATE:
		return date_text(v);
	case VERB_NUM:
		return number_or_text(run, v, false);
	case VERB_JSON:
		return v->text != NULL ? quoted_json(v->text) : json_print_script(v->json);
	case VERB__MAX:
		break;
	}
	return mem_strdup("");
}

/* ---- walking */

static void print_value(const struct printer *p, const struct node *n)
{
	struct value v = evaluate(p, &n->a);
	CLEAN_FREE char *text = verb_text(p, n, &v);

	value_done(&v);
	switch (n->where) {
	case WHERE_HTML:
		escape_html(p->run->out, text);
		break;
	case WHERE_LINK:
		escape_html(p->run->out, link_is_safe(text) ? text : "#");
		break;
	case WHERE_SCRIPT:
		/* "<" begins both "</script" and "<!--"; inside a JSON string it may be written
		 * otherwise. */
		for (const char *s = text; *s != '\0'; s++) {
			if (*s == '<')
				fputs("\\u003c", p->run->out);
			else
				fputc(*s, p->run->out);
		}
	}
}

static bool is_true(const struct value *v)
{
	if (v->text != NULL)
		return *v->text != '\0' && strcmp(v->text, "0") != 0;
	switch (json_object_get_type(v->json)) {
	case json_type_null:
		return false;
	case json_type_boolean:
		return json_object_get_boolean(v->json);
	case json_type_int:
		return json_object_get_int64(v->json) != 0;
	case json_type_double:
		return json_object_get_double(v->json) < 0 || json_object_get_double(v->json) > 0;
	case json_type_string:
		return json_object_get_string_len(v->json) > 0;
	case json_type_array:
		return json_len(v->json) > 0;
	case json_type_object:
		return true;
	}
	return false;
}

static bool holds(const struct printer *p, const struct branch *b)
{
	if (b->always)
		return true;
	struct value left = evaluate(p, &b->left);
	bool yes = is_true(&left);
	if (b->compare != COMPARE_NONE) {
		struct value right = evaluate(p, &b->right);
		CLEAN_FREE char *l = value_text(&left);
		CLEAN_FREE char *r = value_text(&right);
		yes = (strcmp(l, r) == 0) == (b->compare == COMPARE_SAME);
		value_done(&right);
	}
	value_done(&left);
	return yes != b->negate;
}

static enum err print_nodes(struct printer *p, const struct node *n);

static enum err print_for(struct printer *p, const struct node *n)
{
	struct value list = evaluate(p, &n->a);
	struct scope scope = {.name = n->text, .outer = p->scope};
	const struct scope *outer = p->scope;
	enum err err = ERR_OK;

	scope.n = json_object_is_type(list.json, json_type_array) ? json_len(list.json) : 0;
	p->scope = &scope;
	for (; scope.index < scope.n && err == ERR_OK; scope.index++) {
		scope.item = json_object_array_get_idx(list.json, scope.index);
		err = print_nodes(p, n->body);
	}
	p->scope = outer;
	value_done(&list);
	return err;
}

static enum err print_include(struct printer *p, const struct node *n)
{
	const struct template_run *run = p->run;
	const struct template *outer = p->template;

	if (p->includes >= INCLUDES_MOST)
		return error_set(run->error, ERR_INTERNAL,
				 "%s:%u: {{include \"%s\"}} goes round in a circle", outer->name,
				 n->line, n->text);
	const struct template *inner = run->find(run->arg, n->text, run->error);
	if (inner == NULL)
		return error_set(run->error, ERR_INTERNAL, "%s:%u: no template %s", outer->name,
				 n->line, n->text);
	p->includes++;
	p->template = inner;
	enum err err = print_nodes(p, inner->body);
	p->template = outer;
	p->includes--;
	return err;
}

static enum err print_nodes(struct printer *p, const struct node *n)
{
	enum err err = ERR_OK;

	for (; n != NULL && err == ERR_OK; n = n->next) {
		switch (n->kind) {
		case NODE_TEXT:
			fwrite(n->text, 1, n->len, p->run->out);
			break;
		case NODE_VALUE:
			print_value(p, n);
			break;
		case NODE_IF:
			for (const struct branch *b = n->branches; b != NULL; b = b->next) {
				if (holds(p, b)) {
					err = print_nodes(p, b->body);
					break;
				}
			}
			break;
		case NODE_FOR:
			err = print_for(p, n);
			break;
		case NODE_INCLUDE:
			err = print_include(p, n);
			break;
		}
	}
	return err;
}

enum err template_print(const struct template *t, const struct template_run *run)
{
	struct printer p = {.run = run, .template = t};

	return print_nodes(&p, t->body);
}
