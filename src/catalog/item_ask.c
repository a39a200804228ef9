/*
 * Statements of lists of data items.
 */
#include "catalog/item_ask.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>
#include "base/mem.h"

void ask_open(struct ask_text *a)
{
	a->sql = (struct buf){0};
	a->n = 0;
}

void ask_free(struct ask_text *a)
{
	buf_done(&a->sql);
}

void ask_add(struct ask_text *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&a->sql, fmt, ap);
	va_end(ap);
}

static void bind(struct ask_text *a, const char *text, int64_t number)
{
	for (int i = 0; i < a->n; i++) {
		if (a->binds[i].text == text && a->binds[i].number == number) {
			ask_add(a, "?%d", i + 1);
			return;
		}
	}
	assert(a->n < ASK_BINDS);
	a->binds[a->n].text = text;
	a->binds[a->n++].number = number;
	ask_add(a, "?%d", a->n);
}

void ask_bind_text(struct ask_text *a, const char *text)
{
	bind(a, text, 0);
}

void ask_bind_number(struct ask_text *a, int64_t number)
{
	bind(a, NULL, number);
}

enum err ask_prepare(struct conn *conn, struct ask_text *a, sqlite3_stmt **ret, struct error *error)
{
	enum err e = conn_prepare(conn, buf_text(&a->sql), ret, error);

	for (int i = 0; e == ERR_OK && i < a->n; i++) {
		if (a->binds[i].text != NULL)
			conn_bind_text(*ret, i + 1, a->binds[i].text);
		else
			(void)sqlite3_bind_int64(*ret, i + 1, a->binds[i].number);
	}
	return e;
}

/* ---- filters */

/* COLUMN is one of LIST; one value keeps the order of an index behind it. */
static void among(struct ask_text *a, const char *column, const char *list, struct item_texts texts)
{
	if (list == NULL)
		return;
	if (texts.n == 1) {
		ask_add(a, " AND i.%s = ", column);
		ask_bind_text(a, texts.v[0]);
		return;
	}
	ask_add(a, " AND i.%s IN (SELECT value FROM json_each(", column);
	ask_bind_text(a, list);
	ask_add(a, "))");
}

static void in_list(struct ask_text *a, const char *before, const char *list, const char *after)
{
	if (list == NULL)
		return;
	ask_add(a, "%s (SELECT value FROM json_each(", before);
	ask_bind_text(a, list);
	ask_add(a, "))%s", after);
}

static void in_dirs(struct ask_text *a, const struct ask_plan *p)
{
	if (p->dirs == NULL)
		return;
	if (!p->q->sub_dirs) {
		in_list(a, " AND i.dir IN", p->dirs, " AND i.dir <> 0");
		return;
	}
	ask_add(a, " AND i.dir <> 0 AND i.dir IN (WITH RECURSIVE below (id) AS (SELECT value FROM "
		   "json_each(");
	ask_bind_text(a, p->dirs);
	ask_add(a, ") UNION SELECT c.id FROM directory c JOIN below b ON c.parent = b.id) SELECT "
		   "id FROM below)");
}

static void compare_words(struct ask_text *a, const struct ask_plan *p)
{
	static const char *const names[] = {"file", "owner", "nick", "description", "tags"};
	unsigned fields = p->q->fields == 0 ? ITEM_FIELD_ALL : p->q->fields;

	for (size_t i = 0; p->words != NULL && p->words[i] != NULL; i++) {
		bool first = true;

		ask_add(a, " AND EXISTS (SELECT 1 FROM item_text t WHERE t.id = i.id AND (");
		for (size_t f = 0; f < sizeof(names) / sizeof(names[0]); f++) {
			if (!(fields & (1u << f)))
				continue;
			ask_add(a, "%sinstr(t.%s, ", first ? "" : " OR ", names[f]);
			ask_bind_text(a, p->words[i]);
			ask_add(a, ") > 0");
			first = false;
		}
		ask_add(a, "%s))", first ? "0" : "");
	}
}

/* Filters by columns that index item_scan holds. */
static void scanned_filters(struct ask_text *a, const struct ask_plan *p)
{
	const struct item_query *q = p->q;

	among(a, "type", p->types, q->types);
	among(a, "status", p->statuses, q->statuses);
	among(a, "service", p->services, q->service_statuses);
	if (p->owner == NULL && p->drive != DRIVE_OWNERS)
		in_list(a, " AND i.owner IN", p->owners, "");
	if (p->drive != DRIVE_DIRS)
		in_dirs(a, p);
	if (q->not_in_dir)
		ask_add(a, " AND i.dir = 0");
	if (q->with_created_from) {
		ask_add(a, " AND i.created >= ");
		ask_bind_number(a, q->created_from);
	}
	if (q->with_created_to) {
		ask_add(a, " AND i.created <= ");
		ask_bind_number(a, q->created_to);
	}
}

/* The conditions that are asked for, each with " AND " before it.  SET: those of item_scan are
 * known. */
static void filters(struct ask_text *a, const struct ask_plan *p, bool set)
{
	if (p->known) {
		ask_add(a, " AND item_in(i.id)");
		return;
	}
	if (p->drive != DRIVE_IDS)
		in_list(a, " AND i.id IN", p->ids, "");
	if (p->drive != DRIVE_TAGS)
		in_list(a, " AND EXISTS (SELECT 1 FROM item_tag g WHERE g.item = i.id AND g.tag IN",
			p->tags, ")");
	if (set)
		ask_add(a, " AND item_in(i.id)");
	else
		scanned_filters(a, p);
	if (p->name != NULL && p->drive != DRIVE_NAME) {
		ask_add(a, " AND i.file_name = ");
		ask_bind_text(a, p->name);
	}
	if (p->match != NULL && p->drive != DRIVE_WORDS) {
		ask_add(a, " AND i.id IN (SELECT rowid FROM item_words WHERE item_words MATCH ");
		ask_bind_text(a, p->match);
		ask_add(a, ")");
	}
	compare_words(a, p);
}

void ask_scan(struct ask_text *a, const struct ask_plan *p, int vis)
{
	ask_add(a, "SELECT i.id FROM item i INDEXED BY item_scan WHERE i.vis");
	if (vis >= 0)
		ask_add(a, " = %d", vis);
	else
		ask_add(a, " IN (0, 1)");
	scanned_filters(a, p);
}

/* ---- rights, item by item */

static void shared_to_viewer(struct ask_text *a, const struct ask_plan *p, int level)
{
	ask_add(a,
		"EXISTS (SELECT 1 FROM item_share x WHERE x.item = i.id AND x.level >= %d"
		" AND x.subject IN (SELECT value FROM json_each(",
		level);
	ask_bind_text(a, p->subjects_text);
	ask_add(a, ")))");
}

static void allowed(struct ask_text *a, const struct ask_plan *p)
{
	int level = p->q->permission < ITEM_SEARCH ? ITEM_SEARCH : (int)p->q->permission;

	if (p->q->viewer.admin)
		return;
	ask_add(a, " AND (i.vis = 1 AND i.guest >= %d", level);
	if (*p->user != '\0') {
		ask_add(a, " OR i.owner = ");
		ask_bind_text(a, p->user);
		ask_add(a, " OR i.ready = 1 AND ");
		shared_to_viewer(a, p, level);
	}
	ask_add(a, ")");
}

static void in_scope(struct ask_text *a, const struct ask_plan *p)
{
	enum item_scope scope = p->q->mine ? ITEM_SCOPE_MINE : p->q->scope;

	if (p->q->is_public || scope == ITEM_SCOPE_PUBLIC)
		ask_add(a, " AND i.guest > 0");
	if (scope == ITEM_SCOPE_MINE) {
		ask_add(a, " AND i.owner = ");
		ask_bind_text(a, p->user);
	} else if (scope == ITEM_SCOPE_MYGROUPS || scope == ITEM_SCOPE_SHARED) {
		ask_add(a,
			" AND EXISTS (SELECT 1 FROM item_share x WHERE x.item = i.id AND x.live > 0"
			" AND x.subject %s 'u:%%' AND x.subject IN (SELECT value FROM json_each(",
			scope == ITEM_SCOPE_SHARED ? "LIKE" : "NOT LIKE");
		ask_bind_text(a, p->subjects_text);
		ask_add(a, ")))");
	}
}

/* ---- branches */

static void selected(struct ask_text *a, const struct reading *r, const char *alias, const char *id)
{
	if (r->count)
		ask_add(a, "SELECT count(*)");
	else if (r->order == ITEM_BY_ID)
		ask_add(a, "SELECT %s.%s AS id", alias, id);
	else
		ask_add(a, "SELECT %s.%s AS k, %s.%s AS id", alias, ask_column(r->order), alias,
			id);
}

static bool same_key(enum item_order order, const struct anchor *a, const struct anchor *b)
{
	return ask_is_number(order) ? a->number == b->number : strcmp(a->text, b->text) == 0;
}

size_t ask_pieces(enum item_order order, const struct anchor *from, const struct anchor *before,
		  struct piece ret[PIECES_MAX])
{
	size_t n = 0;

	if (order == ITEM_BY_ID) {
		ret[0] = (struct piece){.id_from = from, .id_before = before};
		return 1;
	}
	if (from != NULL && before != NULL && same_key(order, from, before)) {
		ret[0] = (struct piece){.equal = from, .id_from = from, .id_before = before};
		return 1;
	}
	if (from != NULL)
		ret[n++] = (struct piece){.equal = from, .id_from = from};
	ret[n++] = (struct piece){.after = from, .until = before};
	if (before != NULL)
		ret[n++] = (struct piece){.equal = before, .id_before = before};
	return n;
}

static void compare_key(struct ask_text *a, const struct reading *r, const char *alias,
			const char *sign, const struct anchor *at)
{
	if (at == NULL)
		return;
	ask_add(a, " AND %s.%s %s ", alias, ask_column(r->order), sign);
	if (ask_is_number(r->order))
		ask_bind_number(a, at->number);
	else
		ask_bind_text(a, at->text);
}

static void compare_id(struct ask_text *a, const char *alias, const char *id, const char *sign,
		       const struct anchor *at)
{
	if (at == NULL)
		return;
	ask_add(a, " AND %s.%s %s ", alias, id, sign);
	ask_bind_number(a, at->id);
}

static void within_piece(struct ask_text *a, const struct reading *r, const char *alias,
			 const char *id)
{
	const struct piece *p = r->piece;

	if (p == NULL)
		return;
	compare_key(a, r, alias, "=", p->equal);
	compare_key(a, r, alias, r->descending ? "<" : ">", p->after);
	compare_key(a, r, alias, r->descending ? ">" : "<", p->until);
	compare_id(a, alias, id, r->descending ? "<=" : ">=", p->id_from);
	compare_id(a, alias, id, r->descending ? ">" : "<", p->id_before);
}

static void branch_seen(struct ask_text *a, bool filtered, const struct branch *b,
			const struct reading *r)
{
	const char *family = r->family != NULL ? r->family : ask_column(r->order);

	selected(a, r, "i", "id");
	if (strcmp(family, "dir") == 0)
		ask_add(a, " FROM item i INDEXED BY item_by_dir WHERE i.vis = %d", b->vis);
	else if (strcmp(family, "id") == 0)
		ask_add(a, " FROM item i INDEXED BY %s WHERE i.vis = %d",
			filtered ? "item_scan" : "item_v_id", b->vis);
	else
		ask_add(a, " FROM item i INDEXED BY item_v_%s WHERE i.vis = %d", family, b->vis);
	if (b->least > 0)
		ask_add(a, " AND item_open(i.id)");
}

static void branch_own(struct ask_text *a, const struct ask_plan *p, const struct branch *b,
		       const struct reading *r)
{
	const char *family = ask_column(r->count && r->piece == NULL ? ITEM_BY_ID : r->order);

	selected(a, r, "i", "id");
	ask_add(a, " FROM item i INDEXED BY item_o_%s WHERE i.owner = ", family);
	ask_bind_text(a, p->owner != NULL ? p->owner : p->user);
	ask_add(a, " AND i.vis = %d", b->vis);
	if (b->below > 0)
		ask_add(a, " AND i.guest < %d", b->below);
	if (p->q->is_public && b->vis == 0)
		ask_add(a, " AND i.guest > 0");
	if (b->check) {
		ask_add(a, " AND i.ready = 1 AND ");
		shared_to_viewer(a, p, ITEM_SEARCH);
	}
}

static void branch_shared(struct ask_text *a, const struct ask_plan *p, const struct branch *b,
			  const struct reading *r)
{
	const struct item_query *q = p->q;
	int level = q->permission < ITEM_SEARCH ? ITEM_SEARCH : (int)q->permission;
	bool narrow = q->scope == ITEM_SCOPE_MYGROUPS || q->scope == ITEM_SCOPE_SHARED;

	selected(a, r, "s", "item");
	ask_add(a, " FROM item_share s INDEXED BY item_s_%s",
		ask_column(r->count && r->piece == NULL ? ITEM_BY_ID : r->order));
	if (p->n_filters > 0 || b->below > 0 || q->is_public || (narrow && level > ITEM_SEARCH))
		ask_add(a, " CROSS JOIN item i ON i.id = s.item");
	ask_add(a, " WHERE s.subject = ");
	ask_bind_text(a, json_object_get_string(json_at(p->subjects, b->subject)));
	ask_add(a, " AND s.live = %d", b->vis);
	if (level > ITEM_SEARCH && !narrow)
		ask_add(a, " AND s.level >= %d", level);
	if (!narrow) {
		ask_add(a, " AND s.owner <> ");
		ask_bind_text(a, p->user);
	}
	if (b->below > 0)
		ask_add(a, " AND i.guest < %d", b->below);
	if (q->is_public)
		ask_add(a, " AND i.guest > 0");
	if (narrow && level > ITEM_SEARCH)
		allowed(a, p);
	if (p->earlier[b - p->branches] != NULL) {
		ask_add(a,
			" AND NOT EXISTS (SELECT 1 FROM item_share x WHERE x.item = s.item AND "
			"x.level >= %d"
			" AND x.subject IN (SELECT value FROM json_each(",
			narrow ? ITEM_SEARCH : level);
		ask_bind_text(a, p->earlier[b - p->branches]);
		ask_add(a, ")))");
	}
}

void ask_branch(struct ask_text *a, const struct ask_plan *p, const struct branch *b,
		const struct reading *r)
{
	bool shared = b->kind == BRANCH_SHARED;

	switch (b->kind) {
	case BRANCH_SEEN:
		branch_seen(a, p->n_filters > 0 && !p->by_set, b, r);
		break;
	case BRANCH_UNREADY:
		selected(a, r, "i", "id");
		ask_add(a, " FROM item i INDEXED BY item_unready WHERE i.vis = 0 AND i.guest > 0");
		if (!p->q->viewer.admin) {
			ask_add(a, " AND i.owner = ");
			ask_bind_text(a, p->user);
		}
		break;
	case BRANCH_OWN:
		branch_own(a, p, b, r);
		break;
	case BRANCH_SHARED:
		branch_shared(a, p, b, r);
		break;
	}
	within_piece(a, r, shared ? "s" : "i", shared ? "item" : "id");
	filters(a, p, p->by_set && b->kind == BRANCH_SEEN);
}

/* Is nothing of an item asked but its id? */
static bool only_id(const struct ask_plan *p, const struct reading *r)
{
	const struct item_query *q = p->q;

	return (r->count || r->order == ITEM_BY_ID) && (q->viewer.admin || p->visible) &&
	       q->permission <= ITEM_SEARCH && (p->by_set || p->n_scanned == 0) &&
	       p->name == NULL && !q->is_public && q->scope != ITEM_SCOPE_PUBLIC && !q->mine &&
	       q->scope != ITEM_SCOPE_MINE;
}

static void from_words(struct ask_text *a, const struct ask_plan *p, bool join)
{
	ask_add(
	    a,
	    join
		? " FROM item_words w CROSS JOIN item i ON i.id = w.rowid WHERE w.item_words MATCH "
		: " FROM (SELECT rowid AS id FROM item_words WHERE item_words MATCH ");
	ask_bind_text(a, p->match);
	if (!join)
		ask_add(a, ") i WHERE 1");
}

static void from_tags(struct ask_text *a, const struct ask_plan *p, bool join)
{
	bool one = p->q->tags.n == 1;

	ask_add(a,
		" FROM (SELECT %sitem%s FROM item_tag WHERE tag IN (SELECT value FROM json_each(",
		one ? "" : "DISTINCT ", join ? "" : " AS id");
	ask_bind_text(a, p->tags);
	ask_add(a, join ? "))) g CROSS JOIN item i ON i.id = g.item WHERE 1" : "))) i WHERE 1");
}

void ask_candidates(struct ask_text *a, const struct ask_plan *p, const struct reading *r)
{
	bool join = !only_id(p, r);

	/* The word index hands its rows out by id: then nothing is left to sort. */
	if (p->drive == DRIVE_WORDS && r->order == ITEM_BY_ID && join)
		selected(a, r, "w", "rowid");
	else
		selected(a, r, "i", "id");
	switch (p->drive) {
	case DRIVE_NONE:
	case DRIVE_IDS:
		ask_add(a, " FROM item i WHERE 1");
		in_list(a, " AND i.id IN", p->ids, "");
		break;
	case DRIVE_NAME:
		ask_add(a, " FROM item i INDEXED BY item_by_name WHERE i.file_name = ");
		ask_bind_text(a, p->name);
		break;
	case DRIVE_WORDS:
		from_words(a, p, join);
		break;
	case DRIVE_TAGS:
		from_tags(a, p, join);
		break;
	case DRIVE_DIRS:
		ask_add(a, " FROM item i INDEXED BY item_by_dir WHERE 1");
		in_dirs(a, p);
		break;
	case DRIVE_OWNERS:
		ask_add(a, " FROM item i INDEXED BY item_o_id WHERE 1");
		in_list(a, " AND i.owner IN", p->owners, "");
		break;
	}
	if (p->visible)
		ask_add(a, " AND item_visible(i.id)");
	if (!p->visible || p->q->permission > ITEM_SEARCH)
		allowed(a, p);
	in_scope(a, p);
	filters(a, p, p->by_set);
}
