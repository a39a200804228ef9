/*
 * The door of SuperMap's clients: which path, method and format a request means.
 */
#include "views/supermap.h"

#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "base/text.h"
#include "views/ctx.h"

#define BIT(f) (1u << (f))
#define DATA   (BIT(SUPERMAP_RJSON) | BIT(SUPERMAP_JSON) | BIT(SUPERMAP_XML))
#define PAGE   (DATA | BIT(SUPERMAP_HTML))
#define EVERY  (PAGE | BIT(SUPERMAP_JSONP))

/* What a resource can be had as: the first row whose START and END fit its canonical path. */
static const struct {
	const char *start, *end;
	unsigned formats;
	bool page; /* without a suffix a GET is a page */
} families[] = {
    {"/iportal/web/datas/", "/thumbnail", BIT(SUPERMAP_PNG), false},
    {"/iportal/web/mycontent/datas/", "/thumbnail", BIT(SUPERMAP_PNG), false},
    /* A download is what it is, whatever it is asked as. */
    {"/iportal/web/datas/", "/download", EVERY | BIT(SUPERMAP_PNG), true},
    {"/iportal/web/mycontent/datas/", "/download", EVERY | BIT(SUPERMAP_PNG), true},
    {"/iportal/web/datas", "", EVERY, true},
    {"/iportal/web/mycontent/datas", "", EVERY, true},
    {"/iserver/services/security/tokens", "", PAGE, false},
    {"/iportal/services/security/tokens", "", PAGE, false},
    {"", "", DATA, false},
};

/* The prefixes and what each stands for. */
static const struct {
	const char *first, *full;
} prefixes[] = {
    {"iserver", "/iserver"},	       {"iportal", "/iportal"}, {"manager", "/iserver/manager"},
    {"services", "/iserver/services"}, {"web", "/iportal/web"},
};

static bool format_by_name(const char *name, size_t len, enum supermap_format *ret)
{
	static const char *const names[SUPERMAP_FORMAT__MAX] = {
	    [SUPERMAP_RJSON] = "rjson", [SUPERMAP_JSON] = "json",   [SUPERMAP_XML] = "xml",
	    [SUPERMAP_HTML] = "html",	[SUPERMAP_JSONP] = "jsonp", [SUPERMAP_PNG] = "png",
	};

	for (int f = 0; f < SUPERMAP_FORMAT__MAX; f++) {
		if (strlen(names[f]) == len && strncasecmp(names[f], name, len) == 0) {
			*ret = (enum supermap_format)f;
			return true;
		}
	}
	return false;
}

/* PATH in its full form, NULL: of another family. */
static char *full_path(const char *path)
{
	size_t len = *path == '/' ? strcspn(path + 1, "/") : 0;

	for (size_t i = 0; len > 0 && i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (strlen(prefixes[i].first) == len &&
		    strncasecmp(prefixes[i].first, path + 1, len) == 0)
			return mem_printf("%s%s", prefixes[i].full, path + 1 + len);
	}
	return NULL;
}

/* Is the last segment a name of the client's own ("…/datasets/a.b")?  Such a name keeps its case
 * and its dots. */
static char *own_name(char *path)
{
	char *last = strrchr(path, '/');

	return last - path >= 9 && strncasecmp(last - 9, "/datasets", 9) == 0 ? last + 1 : NULL;
}

/* Take the suffixes off PATH: one or, on a location that had one already, two. */
static void cut_suffixes(char *path, struct supermap *s)
{
	char *name = own_name(path), *last = strrchr(path, '/') + 1;
	char *dot = name != NULL ? strrchr(last, '.') : strchr(last, '.');

	if (dot == NULL || dot == last)
		return;
	if (name != NULL && !format_by_name(dot + 1, strlen(dot + 1), &s->format))
		return;
	s->named = true;
	*dot = '\0';
	for (char *p = dot + 1; p != NULL;) {
		char *next = strchr(p, '.');
		size_t len = next != NULL ? (size_t)(next - p) : strlen(p);
		s->unknown = s->unknown || !format_by_name(p, len, &s->format);
		p = next != NULL ? next + 1 : NULL;
	}
}

static void lower(char *from, const char *to)
{
	for (; from < to; from++)
		if (*from >= 'A' && *from <= 'Z')
			*from = (char)(*from + 32);
}

/* `_method` of a POST.  HEAD becomes GET: a POST's answer cannot leave its body out. */
static enum method method_named(const char *name)
{
	static const struct {
		const char *name;
		enum method method;
	} names[] = {{"GET", METHOD_GET},
		     {"HEAD", METHOD_GET},
		     {"POST", METHOD_POST},
		     {"PUT", METHOD_PUT},
		     {"DELETE", METHOD_DELETE}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (text_ieq(names[i].name, name))
			return names[i].method;
	}
	return METHOD_OTHER;
}

/* What the path may be had as, and what it is when nobody said. */
static void set_formats(struct call *call)
{
	struct supermap *s = &call->supermap;
	const char *path = call->req->path;
	size_t len = strlen(path), i = 0;
	bool get = call->req->method == METHOD_GET || call->req->method == METHOD_HEAD;

	for (;; i++) {
		size_t end = strlen(families[i].end);
		if (text_starts(path, families[i].start) && len >= end &&
		    strcmp(path + len - end, families[i].end) == 0)
			break;
	}
	s->formats = families[i].formats;
	if (!s->named)
		s->format = families[i].formats == BIT(SUPERMAP_PNG) ? SUPERMAP_PNG
			    : families[i].page && get		     ? SUPERMAP_HTML
								     : SUPERMAP_RJSON;
}

void supermap_begin(struct call *call)
{
	struct req *req = call->req;
	struct supermap *s = &call->supermap;
	char *path = full_path(req->path);

	if (path == NULL)
		return;
	*s = (struct supermap){.on = true};
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	cut_suffixes(path, s);
	char *name = own_name(path);
	lower(path, name != NULL ? name : path + strlen(path));
	free(req->path);
	req->path = path;

	const char *method = supermap_query(call, "_method");
	bool get = req->method == METHOD_GET || req->method == METHOD_HEAD;
	if (method != NULL && req->method == METHOD_POST)
		req->method = method_named(method);
	set_formats(call);
	s->jsonp_write = s->format == SUPERMAP_JSONP &&
			 (!get || (method != NULL && method_named(method) != METHOD_GET));
	call->style = STYLE_SUPERMAP;
	call->mode =
	    s->format == SUPERMAP_HTML && (s->formats & BIT(SUPERMAP_HTML)) != 0 && !s->unknown
		? MODE_HTML
		: MODE_STRICT;
	call->mode_open = false;
}

enum err supermap_check(struct call *call)
{
	struct supermap *s = &call->supermap;

	if (!s->on)
		return ERR_OK;
	if (!s->unknown && s->jsonp_write && (s->formats & BIT(SUPERMAP_JSONP)) != 0) {
		dispatch_allow(call->reply, METHOD_BIT(METHOD_GET));
		/* No script waits for the answer to a PUT: it is told as it is. */
		if (call->req->method != METHOD_GET && call->req->method != METHOD_HEAD)
			s->format = SUPERMAP_JSON;
		return error_set(&call->error, ERR_METHOD, "writing through a script");
	}
	if (s->unknown || (s->formats & BIT(s->format)) == 0) {
		s->format = SUPERMAP_JSON;
		return supermap_fail(call, ERR_FORMAT, "supermap_format", NULL);
	}
	return ERR_OK;
}
