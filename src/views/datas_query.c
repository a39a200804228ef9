/*
 * The question of `datas` and `mycontent/datas`: every parameter in every spelling clients have for
 * it. Source: contracts/datas.md 3, 4.
 */
#include <string.h>
#include <time.h>
#include "views/datas.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define TEXT_MAX     200 /* characters of one string */
#define KEYWORDS_MAX 20
#define PAGE_SIZE    9
#define PAGE_ROWS    200 /* on a page for people */
#define DAY_MS	     86400000LL

enum reading {
	READ_INTS,
	READ_TEXTS,
	READ_WORDS,
	READ_INT,
	READ_LONG,
	READ_TEXT,
	READ_WORD,
	READ_WORD_OR_WORDS, /* one, or several: both are told back as they came */
	READ_BOOL,
	READ_IGNORED, /* the original server's own: told back as null */
};

static const struct param {
	const char *name;
	enum reading kind;
	enum datas_enum words;
} params[] = {
    {"createEnd", READ_LONG, 0},
    {"createStart", READ_LONG, 0},
    {"currentPage", READ_INT, 0},
    {"currentUser", READ_IGNORED, 0},
    {"departmentIds", READ_IGNORED, 0},
    {"dirIds", READ_INTS, 0},
    {"fileName", READ_TEXT, 0},
    {"filterFields", READ_WORDS, DATAS_FIELD},
    {"groupIds", READ_IGNORED, 0},
    {"hasServices", READ_BOOL, 0},
    {"ids", READ_INTS, 0},
    {"isNotInDir", READ_BOOL, 0},
    {"isPublic", READ_BOOL, 0},
    {"keywords", READ_TEXTS, 0},
    {"md5s", READ_IGNORED, 0},
    {"orderBy", READ_WORD, DATAS_ORDER_BY},
    {"orderType", READ_WORD, DATAS_ORDER_TYPE},
    {"pageSize", READ_INT, 0},
    {"permissionType", READ_WORD, DATAS_PERMISSION},
    {"resourceIds", READ_IGNORED, 0},
    {"returnSubDir", READ_BOOL, 0},
    {"searchScope", READ_WORD, DATAS_SCOPE},
    {"serviceId", READ_TEXT, 0},
    {"serviceStatuses", READ_WORDS, DATAS_SERVICE_STATUS},
    {"shareToMe", READ_BOOL, 0},
    {"status", READ_WORD_OR_WORDS, DATAS_STATUS},
    {"tags", READ_TEXTS, 0},
    {"type", READ_WORD, DATAS_TYPE},
    {"types", READ_WORDS, DATAS_TYPE},
    {"userName", READ_TEXT, 0},
    {"userNames", READ_TEXTS, 0},
};
#define N_PARAMS (sizeof(params) / sizeof(*params))

static bool is_list(enum reading k)
{
	return k == READ_INTS || k == READ_TEXTS || k == READ_WORDS || k == READ_WORD_OR_WORDS;
}

static enum err refuse(struct call *call, const struct param *p)
{
	return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", p->name);
}

/* ---- spellings become a list of texts */

static void add_text(json_object *list, const char *s, size_t len)
{
	CLEAN_FREE char *cut = mem_strndup(s, len);
	CLEAN_FREE char *trimmed = text_trim(cut);

	json_object_array_add(list, json_object_new_string(trimmed != NULL ? trimmed : cut));
}

/* "a, b" without the quotes a list in JSON has. */
static void split(json_object *list, const char *s, size_t len)
{
	for (size_t i = 0; i <= len;) {
		const char *comma = memchr(s + i, ',', len - i);
		size_t n = comma != NULL ? (size_t)(comma - s) - i : len - i;
		if (n > 0 || comma != NULL || i > 0)
			add_text(list, s + i, n);
		i += n + 1;
	}
}

/* Items of a JSON list: numbers and booleans become their text. */
static bool add_items(json_object *list, json_object *items)
{
	json_object *item = NULL;

	JSON_EACH(item, items)
	{
		if (json_object_is_type(item, json_type_object) ||
		    json_object_is_type(item, json_type_array))
			return false;
		if (item != NULL)
			json_object_array_add(list,
					      json_object_new_string(json_object_get_string(item)));
	}
	return true;
}

static bool add_value(json_object *list, enum reading kind, const char *value)
{
	CLEAN_FREE char *s = text_trim(value);
	CLEAN_JSON json_object *items = NULL;
	size_t len = s != NULL ? strlen(s) : 0;

	if (len == 0 || (kind != READ_TEXT && strcmp(s, "null") == 0))
		return s != NULL;
	if (!is_list(kind)) {
		json_object_array_add(list, json_object_new_string(s));
		return true;
	}
	if (*s == '[') {
		if (s[len - 1] != ']')
			return false;
		if (json_read(s, len, &json_limits_form, &items) == ERR_OK)
			return add_items(list, items);
		split(list, s + 1, len - 2);
	} else if (kind == READ_TEXTS) {
		json_object_array_add(list, json_object_new_string(s));
	} else {
		split(list, s, len);
	}
	return true;
}

/* An older client's name for it. */
static const char *alias_of(const struct param *p)
{
	return strcmp(p->name, "serviceStatuses") == 0 ? "serviceStatus" : p->name;
}

/* Was anything said about P? */
static bool is_said(const struct call *call, const json_object *body, const struct param *p)
{
	const struct pairs *q = &call->req->query;
	bool said = body != NULL;

	for (size_t i = 0; i < q->n && !said; i++)
		said = strcmp(q->v[i].name, p->name) == 0 || strcmp(q->v[i].name, alias_of(p)) == 0;
	return said;
}

/* All that was said about P: the body's word wins over the address's. */
static bool gather(struct call *call, const json_object *body, const struct param *p,
		   json_object *list)
{
	const struct pairs *q = &call->req->query;
	json_object *v = json_get(body, p->name);
	const char *alias = alias_of(p);

	if (v == NULL)
		v = json_get(body, alias);
	if (v != NULL && json_object_is_type(v, json_type_array))
		return is_list(p->kind) && add_items(list, v);
	if (v != NULL)
		return !json_object_is_type(v, json_type_object) &&
		       add_value(list, p->kind, json_object_get_string(v));
	for (size_t i = 0; i < q->n; i++) {
		bool ours = strcmp(q->v[i].name, p->name) == 0 || strcmp(q->v[i].name, alias) == 0;
		if (ours && !add_value(list, p->kind, q->v[i].value))
			return false;
	}
	return true;
}

/* ---- texts become values */

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

/* One value as it is told back.  NULL: it is none.  Caller frees. */
static json_object *value_of(const struct param *p, const char *s)
{
	int64_t n = 0;
	bool yes;

	switch (p->kind) {
	case READ_INTS:
	case READ_INT:
		return text_int(s, INT32_MIN, INT32_MAX, &n) ? json_object_new_int64(n) : NULL;
	case READ_LONG:
		return text_int(s, INT64_MIN, INT64_MAX, &n) ? json_object_new_int64(n) : NULL;
	case READ_BOOL:
		yes = text_ieq(s, "true") || strcmp(s, "1") == 0;
		return yes || text_ieq(s, "false") || strcmp(s, "0") == 0
			   ? json_object_new_boolean(yes)
			   : NULL;
	case READ_WORD:
	case READ_WORDS:
	case READ_WORD_OR_WORDS: {
		const char *word = datas_word(p->words, s);
		return word != NULL ? json_object_new_string(word) : NULL;
	}
	case READ_TEXT:
	case READ_TEXTS: {
		CLEAN_FREE char *nfc = text_nfc(s);
		return nfc != NULL && characters(nfc) <= TEXT_MAX ? json_object_new_string(nfc)
								  : NULL;
	}
	case READ_IGNORED:
		break;
	}
	return NULL;
}

static enum err read_param(struct call *call, const json_object *body, const struct param *p,
			   json_object *echo)
{
	CLEAN_JSON json_object *texts = NULL, *values = NULL;
	json_object *text = NULL;

	json_add(echo, p->name, NULL);
	if (p->kind == READ_IGNORED || !is_said(call, body, p))
		return ERR_OK;
	texts = json_object_new_array();
	values = json_object_new_array();
	if (!gather(call, body, p, texts) || json_len(texts) > DATAS_LIST_MAX)
		return refuse(call, p);
	JSON_EACH(text, texts)
	{
		const char *s = json_object_get_string(text);
		/* An empty string in a list asks for nothing. */
		if (*s == '\0' && p->kind == READ_TEXTS)
			continue;
		json_object *v = value_of(p, s);
		if (v == NULL)
			return refuse(call, p);
		json_object_array_add(values, v);
	}
	size_t n = json_len(values);
	if (n == 0)
		return ERR_OK;
	if (strcmp(p->name, "keywords") == 0 && n > KEYWORDS_MAX)
		return refuse(call, p);
	/* A repeated scalar: the last. */
	bool one = !is_list(p->kind) || (p->kind == READ_WORD_OR_WORDS && n == 1);
	json_set(echo, p->name, json_object_get(one ? json_at(values, n - 1) : values));
	return ERR_OK;
}

/* ---- values become the catalogue's question */

/* The texts of members A and B of the echo as one list that lives as long as the query. */
static struct item_texts texts_of(struct datas_query *d, const char *a, const char *b)
{
	json_object *both[2] = {json_get(d->echo, a), b != NULL ? json_get(d->echo, b) : NULL},
		    *item = NULL;
	const char **v;
	size_t n = 0;

	if (both[0] == NULL && both[1] == NULL)
		return (struct item_texts){0};
	v = mem_array(json_len(both[0]) + json_len(both[1]) + 2, sizeof(*v));
	for (int i = 0; i < 2; i++) {
		if (json_object_is_type(both[i], json_type_string))
			v[n++] = json_object_get_string(both[i]);
		JSON_EACH(item, both[i])
		{
			v[n++] = json_object_get_string(item);
		}
	}
	d->blocks[d->n_blocks++] = v;
	return (struct item_texts){.v = v, .n = n};
}

static struct item_numbers numbers_of(struct datas_query *d, const json_object *list)
{
	json_object *item = NULL;
	int64_t *v;
	size_t n = 0;

	if (json_len(list) == 0)
		return (struct item_numbers){0};
	v = mem_array(json_len(list), sizeof(*v));
	JSON_EACH(item, list)
	{
		v[n++] = json_object_get_int64(item);
	}
	d->blocks[d->n_blocks++] = v;
	return (struct item_numbers){.v = v, .n = n};
}

static void set_scope(struct datas_query *d)
{
	const char *word = json_str(d->echo, "searchScope", NULL);

	d->q.scope = ITEM_SCOPE_ALL;
	if (word != NULL)
		(void)item_scope_of(word, &d->q.scope);
	if (!json_bool(d->echo, "shareToMe", false))
		return;
	/* What is one's own is not shared to one. */
	d->q.is_public = d->q.is_public || d->q.scope == ITEM_SCOPE_PUBLIC;
	if (d->q.scope != ITEM_SCOPE_MINE && d->q.scope != ITEM_SCOPE_NONE)
		d->q.scope = ITEM_SCOPE_SHARED;
	else
		d->q.scope = ITEM_SCOPE_NONE;
}

static void set_fields(struct datas_query *d)
{
	static const struct {
		const char *word;
		unsigned bit;
	} fields[] = {{"FILENAME", ITEM_FIELD_FILENAME}, {"RESTITLE", ITEM_FIELD_FILENAME},
		      {"MAPTITLE", ITEM_FIELD_FILENAME}, {"USERNAME", ITEM_FIELD_USERNAME},
		      {"NICKNAME", ITEM_FIELD_NICKNAME}, {"DESCRIPTION", ITEM_FIELD_DESCRIPTION},
		      {"TAGS", ITEM_FIELD_TAGS}};
	json_object *list = json_arr(d->echo, "filterFields"), *item = NULL;

	JSON_EACH(item, list)
	{
		for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
			if (strcmp(fields[i].word, json_object_get_string(item)) == 0)
				d->q.fields |= fields[i].bit;
		}
	}
	if (json_len(list) > 0 && d->q.fields == 0)
		d->q.fields = ITEM_NO_FIELD;
}

static void set_times(struct datas_query *d)
{
	d->q.created_from = json_int(d->echo, "createStart", -1);
	d->q.created_to = json_int(d->echo, "createEnd", -1);
	d->q.with_created_from = d->q.created_from >= 0;
	d->q.with_created_to = d->q.created_to >= 0;
	json_set_int(d->echo, "createStart", d->q.created_from);
	json_set_int(d->echo, "createEnd", d->q.created_to);
}

/* A day of the page's form in ms since 1970, its first moment in UTC.  False: there is no such day.
 */
static bool day_of(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	char back[32] = "";
	const char *end = strptime(text, "%Y-%m-%d", &tm);

	if (end == NULL || *end != '\0' || strlen(text) != 10)
		return false;
	*ret = (int64_t)timegm(&tm) * 1000;
	clock_iso(*ret, back);
	return strncmp(back, text, 10) == 0; /* 30 February is 2 March */
}

/* People choose days, from the first moment of one to the last of another; programs give
 * createStart and createEnd. */
static enum err set_days(struct call *call, struct datas_query *d)
{
	static const char *const names[2] = {"from", "to"};
	char *fields[2] = {d->from, d->to};
	int64_t days[2] = {-1, -1};

	for (int i = 0; i < 2; i++) {
		const char *text = pairs_get(&call->req->query, names[i]);
		if (text == NULL || *text == '\0')
			continue;
		if (!day_of(text, &days[i]) || days[i] < 0)
			return supermap_fail(call, ERR_BAD_REQUEST, "supermap_parameter", names[i]);
		memcpy(fields[i], text, sizeof(d->from));
	}
	if (days[0] >= 0)
		json_set_int(d->echo, "createStart", days[0]);
	if (days[1] >= 0)
		json_set_int(d->echo, "createEnd", days[1] + DAY_MS - 1);
	return ERR_OK;
}

static void set_page(const struct call *call, struct datas_query *d)
{
	int64_t most = call->ctx->config->iportal_page_max;

	/* People turn pages; their lists are put together in memory. */
	if (call->supermap.format == SUPERMAP_HTML && most > PAGE_ROWS)
		most = PAGE_ROWS;

	d->page = json_int(d->echo, "currentPage", 1);
	d->size = json_int(d->echo, "pageSize", PAGE_SIZE);
	if (d->page < 1)
		d->page = 1;
	if (d->size < 1)
		d->size = PAGE_SIZE;
	if (d->size > most)
		d->size = most;
	json_set_int(d->echo, "currentPage", d->page);
	json_set_int(d->echo, "pageSize", d->size);
	d->q.skip = (size_t)(d->page - 1) * (size_t)d->size;
	d->q.max = (size_t)d->size;
}

/* The item that owns service ID ("12-WFS200"), -1: none that the viewer may see. */
static enum err service_owner(struct call *call, const struct datas_query *d, const char *id,
			      int64_t *ret)
{
	CLEAN_FREE char *number = mem_strndup(id, strcspn(id, "-"));
	CLEAN_JSON json_object *model = NULL;
	CLEAN_JSON json_object *services = NULL;
	json_object *s = NULL;
	int64_t item = -1;
	enum err err = ERR_NOT_FOUND;

	*ret = -1;
	if (text_int(number, 1, DATAS_ID_MAX, &item))
		err =
		    catalog_item_get(call->ctx->catalog, item, &d->q.viewer, &model, &call->error);
	if (err != ERR_OK) {
		call->error = err == ERR_NOT_FOUND ? (struct error){0} : call->error;
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	}
	services = datas_services(call, model);
	JSON_EACH(s, services)
	{
		if (strcmp(json_str(s, "serviceID", ""), id) == 0)
			*ret = item;
	}
	return ERR_OK;
}

/* Only ids that are asked for, own the service, and may be read with this key; none left is an id
 * that never is. */
static enum err set_ids(struct call *call, struct datas_query *d)
{
	CLEAN_JSON json_object *kept = json_object_new_array();
	const char *service = json_str(d->echo, "serviceId", NULL);
	json_object *asked = json_arr(d->echo, "ids"), *item = NULL;
	CLEAN_JSON json_object *list =
	    json_copy(asked != NULL ? asked : json_arr(call->limits, "ids"));
	int64_t owner = 0;
	enum err err = service != NULL ? service_owner(call, d, service, &owner) : ERR_OK;

	if (err == ERR_OK && list == NULL && service != NULL)
		json_object_array_add(list = json_object_new_array(), json_object_new_int64(owner));
	JSON_EACH(item, list)
	{
		int64_t n = json_object_get_int64(item);
		if (datas_key_allows(call, n) && (service == NULL || n == owner))
			json_object_array_add(kept, json_object_new_int64(n));
	}
	if (list != NULL && json_len(kept) == 0)
		json_object_array_add(kept, json_object_new_int64(-1));
	d->q.ids = numbers_of(d, kept);
	return err;
}

static enum err make_question(struct call *call, bool mine, struct datas_query *d)
{
	json_object *e = d->echo;
	const char *permission = json_str(e, "permissionType", NULL);
	enum err err;

	d->q.mine = mine;
	d->q.tags = texts_of(d, "tags", NULL);
	d->q.owners = texts_of(d, "userNames", "userName");
	d->q.types = texts_of(d, "types", "type");
	d->q.statuses = texts_of(d, "status", NULL);
	d->q.service_statuses = texts_of(d, "serviceStatuses", NULL);
	d->q.keywords = texts_of(d, "keywords", NULL);
	d->q.dirs = numbers_of(d, json_arr(e, "dirIds"));
	d->q.file_name = json_str(e, "fileName", NULL);
	d->q.sub_dirs = json_bool(e, "returnSubDir", false);
	d->q.not_in_dir = json_bool(e, "isNotInDir", false);
	d->q.is_public = json_bool(e, "isPublic", false);
	set_scope(d);
	set_fields(d);
	if (call->supermap.format == SUPERMAP_HTML && (err = set_days(call, d)) != ERR_OK)
		return err;
	set_times(d);
	set_page(call, d);
	if (permission != NULL)
		(void)item_permission_of(permission, &d->q.permission);
	if (json_get(e, "orderBy") != NULL)
		(void)item_order_of(json_str(e, "orderBy", ""), &d->q.order);
	if (json_get(e, "orderType") == NULL)
		json_set_str(e, "orderType", "ASC");
	d->q.descending = strcmp(json_str(e, "orderType", ""), "DESC") == 0;
	d->services = json_bool(e, "hasServices", false);
	if (d->services && d->q.permission < ITEM_DOWNLOAD)
		return supermap_fail(call, ERR_BAD_REQUEST, "datas_services_permission",
				     "hasServices");
	return set_ids(call, d);
}

enum err datas_query_read(struct call *call, bool mine, struct datas_query *d)
{
	CLEAN_JSON json_object *body = NULL;
	enum err err = datas_body(call, &body);

	*d = (struct datas_query){.echo = json_new(N_PARAMS)};
	if (err == ERR_OK && body != NULL && !json_object_is_type(body, json_type_object))
		err = supermap_fail(call, ERR_BAD_REQUEST, "supermap_object", NULL);
	for (size_t i = 0; err == ERR_OK && i < N_PARAMS; i++)
		err = read_param(call, body, &params[i], d->echo);
	if (err == ERR_OK)
		err = datas_viewer(call, &d->q.viewer);
	return err == ERR_OK ? make_question(call, mine, d) : err;
}

void datas_query_done(struct datas_query *d)
{
	for (size_t i = 0; i < d->n_blocks; i++)
		free(d->blocks[i]);
	json_object_put(d->echo);
	*d = (struct datas_query){0};
}
