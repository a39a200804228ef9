/*
 * Lists of datasets.  The statement is put together from the fragments below and nothing else;
 * values are bound.
 *
 * Every form walks an index from the newest dataset on and stops when the page is full:
 *   words      the word index by descending row id, each hit checked for the viewer
 *   one owner  dataset_by_owner
 *   admin      the table itself, or dataset_by_type
 *   a viewer   public ∪ shared to him: two disjoint ranges of dataset_share, merged
 */
#include "catalog/catalog.h"

#include <assert.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "catalog/item_db.h"
#include "catalog/model.h"
#include "catalog/share.h"
#include "catalog/words.h"

#define MAX_BINDS 64 /* groups of a viewer, runs of a keyword */

struct ask {
	struct buf sql; /* the statement that yields ids */
	struct {
		const char *text; /* NULL: number */
		int64_t number;
	} binds[MAX_BINDS];
	int n;
	const char *id; /* how the statement calls the dataset's id */
	bool where;	/* a condition was written */
	bool exact;	/* `total` stands in table scope */
};

static void ask_put(struct ask *a, const char *sql)
{
	buf_str(&a->sql, sql);
}

static void ask_bind(struct ask *a, const char *before, const char *after, const char *text,
		     int64_t number)
{
	if (a->n ==
	    MAX_BINDS) /* only more than 16 long runs of characters could: the pairs still filter */
		return;
	buf_printf(&a->sql, "%s?%d%s", before, a->n + 1, after);
	a->binds[a->n].text = text;
	a->binds[a->n++].number = number;
}

static void ask_and(struct ask *a)
{
	ask_put(a, a->where ? " AND " : " WHERE ");
	a->where = true;
}

/* The right that is asked for, as the index dataset_share_editable has it: a constant. */
static const char *right_of(const struct catalog_query *q)
{
	static_assert(RIGHT(DATASET_SEE) == 1 && RIGHT(DATASET_EDIT) == 4,
		      "the schema has these numbers");
	return q->editable ? "(rights & 4) <> 0" : "(rights & 1) <> 0";
}

/* The dataset may be seen (edited) by the viewer. */
static void ask_visible(struct ask *a, const struct catalog_query *q, const char *subjects)
{
	if (q->viewer.admin)
		return;
	if (q->owner != NULL && q->viewer.user != NULL && q->viewer.user[0] != '\0' &&
	    strcmp(q->owner, q->viewer.user) == 0)
		return;
	ask_and(a);
	buf_printf(&a->sql, "EXISTS (SELECT 1 FROM dataset_share s WHERE s.dataset = %s AND %s",
		   a->id, right_of(q));
	ask_bind(a, " AND (s.subject = '' OR s.subject IN (SELECT value FROM json_each(", "))))",
		 subjects, 0);
}

static void ask_filters(struct ask *a, const struct catalog_query *q, const char *subjects)
{
	if (q->owner != NULL) {
		ask_and(a);
		ask_bind(a, "d.owner = ", "", q->owner, 0);
	}
	if (q->type != NULL) {
		ask_and(a);
		/* The unary plus keeps the planner on the index that leads with the owner. */
		ask_bind(a, q->owner != NULL ? "+d.type = " : "d.type = ", "", q->type, 0);
	}
	ask_visible(a, q, subjects);
}

static void ask_words(struct ask *a, const struct catalog_query *q, const char *subjects,
		      const char *match, char *const *runs)
{
	bool join = q->owner != NULL || q->type != NULL;

	a->id = "w.rowid";
	ask_put(a, "SELECT w.rowid AS id FROM dataset_words w");
	ask_put(a, join ? " CROSS JOIN dataset d ON d.id = w.rowid" : "");
	ask_bind(a, " WHERE w.dataset_words MATCH ", "", match, 0);
	a->where = true;
	ask_filters(a, q, subjects);
	for (size_t i = 0; runs != NULL && runs[i] != NULL && a->n < MAX_BINDS - 2; i++)
		ask_bind(
		    a,
		    " AND EXISTS (SELECT 1 FROM dataset_text t WHERE t.id = w.rowid"
		    " AND instr(t.title || char(10) || t.name || char(10) || t.abstract || char(10)"
		    " || t.keywords || char(10) || t.files || char(10) || t.owner, ",
		    ") > 0)", runs[i], 0);
	ask_put(a, " ORDER BY w.rowid DESC");
}

/* One range of dataset_share. */
static void ask_range(struct ask *a, const struct catalog_query *q, const char *fixed,
		      const char *subject)
{
	ask_put(a, "SELECT dataset AS id FROM dataset_share WHERE ");
	if (subject != NULL)
		ask_bind(a, "subject = ", "", subject, 0);
	ask_put(a, fixed);
	if (q->editable) {
		ask_put(a, " AND ");
		ask_put(a, right_of(q));
	}
	if (q->type != NULL)
		ask_bind(a, " AND type = ", "", q->type, 0);
}

static void ask_shared(struct ask *a, const struct catalog_query *q, const char *subject,
		       const json_object *subjects)
{
	size_t n = json_len(subjects);

	ask_range(a, q, q->editable ? "subject = ''" : "subject = '' AND public = 1", NULL);
	for (size_t i = 0; i < n; i++) {
		/*
		 * A public dataset may be editable for him alone, or shared with two groups of
		 * his: the ranges overlap then.
		 */
		ask_put(a, q->editable || n > 1 ? " UNION " : " UNION ALL ");
		ask_range(a, q, q->editable ? "" : " AND public = 0",
			  n > 1 ? json_object_get_string(json_at(subjects, i)) : subject);
	}
	ask_put(a, " ORDER BY id DESC");
	a->exact = !q->editable && n < 2;
}

static void ask_all(struct ask *a, const struct catalog_query *q, const char *subjects)
{
	a->id = "d.id";
	ask_put(a, "SELECT d.id AS id FROM dataset d");
	ask_filters(a, q, subjects);
	ask_put(a, " ORDER BY d.id DESC");
	a->exact = q->viewer.admin && q->owner == NULL;
}

static enum err bind_all(struct conn *conn, const struct ask *a, const char *sql,
			 sqlite3_stmt **ret, struct error *error)
{
	enum err e = conn_prepare(conn, sql, ret, error);

	for (int i = 0; e == ERR_OK && i < a->n; i++) {
		if (a->binds[i].text != NULL)
			conn_bind_text(*ret, i + 1, a->binds[i].text);
		else
			(void)sqlite3_bind_int64(*ret, i + 1, a->binds[i].number);
	}
	return e;
}

static enum err total(struct conn *conn, struct ask *a, const struct catalog_query *q,
		      const char *subject, size_t *ret, struct error *error)
{
	CLEAN_FREE char *sql = mem_printf("SELECT count(*) FROM (%s)", buf_text(&a->sql));
	sqlite3_stmt *stmt;
	int64_t n = 0;
	enum err e;

	if (a->exact) {
		e = conn_prepare(conn,
				 "SELECT sum(n) FROM scope WHERE ((subject = ?1 AND public = ?2)"
				 " OR (subject = ?3 AND public = 0)) AND type = ifnull(?4, type)",
				 &stmt, error);
		if (e != ERR_OK)
			return e;
		conn_bind_text(stmt, 1, q->viewer.admin ? "*" : "");
		(void)sqlite3_bind_int(stmt, 2, !q->viewer.admin);
		conn_bind_text(stmt, 3, q->viewer.admin ? "*" : subject);
		conn_bind_text(stmt, 4, q->type);
	} else {
		e = bind_all(conn, a, sql, &stmt, error);
	}
	if (e == ERR_OK)
		e = conn_number(conn, stmt, &n, error);
	if (e == ERR_OK)
		*ret = (size_t)n;
	return e;
}

static enum err page(struct conn *conn, struct ask *a, const struct catalog_query *q,
		     json_object *list, struct error *error)
{
	CLEAN_FREE char *sql = mem_printf(
	    "SELECT d.brief, ifnull(n.n, 0) + ifnull(t.downloads, 0) FROM (%s LIMIT ?%d OFFSET "
	    "?%d) i"
	    " CROSS JOIN dataset d ON d.id = i.id LEFT JOIN dataset_downloads n ON n.id = i.id"
	    " LEFT JOIN item t ON t.id = i.id ORDER BY i.id DESC",
	    buf_text(&a->sql), a->n + 1, a->n + 2);
	sqlite3_stmt *stmt;
	bool row;
	enum err e = bind_all(conn, a, sql, &stmt, error);

	if (e != ERR_OK)
		return e;
	(void)sqlite3_bind_int64(stmt, a->n + 1, (int64_t)q->max);
	(void)sqlite3_bind_int64(stmt, a->n + 2, (int64_t)q->skip);
	while ((e = conn_step(conn, stmt, &row, error)) == ERR_OK && row) {
		json_object *model = model_brief(stmt, 0, 1);

		if (model == NULL) {
			(void)sqlite3_reset(stmt);
			return error_set(error, ERR_STORE, "dataset's model is damaged");
		}
		json_object_array_add(list, model);
	}
	return e;
}

/* Total and page see the same moment. */
static enum err read_both(struct catalog *c, struct ask *a, const struct catalog_query *q,
			  const char *subject, json_object *list, size_t *ret_total,
			  struct error *error)
{
	struct conn *conn;
	enum err e = conn_take(c, &conn, error);

	if (e != ERR_OK)
		return e;
	e = conn_begin_read(conn, error);
	if (e == ERR_OK) {
		e = total(conn, a, q, subject, ret_total, error);
		if (e == ERR_OK && q->max > 0 && q->skip < *ret_total)
			e = page(conn, a, q, list, error);
		e = conn_end(conn, e, error);
	}
	conn_give(c, conn);
	return e;
}

enum err catalog_list(struct catalog *c, const struct catalog_query *q, json_object **ret,
		      size_t *ret_total, struct error *error)
{
	const char *user = q->viewer.user == NULL ? "" : q->viewer.user;
	CLEAN_FREE char *subject = user[0] == '\0' ? mem_strdup("") : mem_printf("u:%s", user);
	CLEAN_JSON json_object *subject_list = item_subjects(&q->viewer);
	CLEAN_FREE char *subjects = json_print(subject_list, NULL);
	CLEAN_FREE char *folded = words_fold(q->keyword);
	char **runs = NULL;
	CLEAN_FREE char *match = words_match(folded, &runs);
	bool nothing =
	    q->keyword != NULL && match[0] == '\0' && folded[strspn(folded, " \t\r\n")] != '\0';
	CLEAN_JSON json_object *list = json_object_new_array();
	struct ask a = {0};
	size_t n = 0;
	enum err e = ERR_OK;

	if (match[0] != '\0')
		ask_words(&a, q, subjects, match, runs);
	else if (q->viewer.admin || q->owner != NULL)
		ask_all(&a, q, subjects);
	else
		ask_shared(&a, q, subject, subject_list);
	/* Signs alone are a question that nothing answers, not the question for everything. */
	if (!nothing)
		e = read_both(c, &a, q, subject, list, &n, error);
	buf_done(&a.sql);
	words_runs_free(runs);
	if (e != ERR_OK)
		return e;
	*ret = json_object_get(list);
	if (ret_total != NULL)
		*ret_total = n;
	return ERR_OK;
}
