/*
 * What a question for data items comes down to.
 */
#include "catalog/item_ask.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "catalog/item_words.h"

static char *list_of_texts(struct item_texts texts, bool nfc)
{
	CLEAN_JSON json_object *list = NULL;

	if (texts.n == 0)
		return NULL;
	list = json_object_new_array();
	for (size_t i = 0; i < texts.n; i++) {
		CLEAN_FREE char *normal = nfc ? text_nfc(texts.v[i]) : NULL;

		json_object_array_add(list,
				      json_object_new_string(normal != NULL ? normal : texts.v[i]));
	}
	return json_print(list, NULL);
}

static char *list_of_numbers(struct item_numbers numbers)
{
	CLEAN_JSON json_object *list = NULL;

	if (numbers.n == 0)
		return NULL;
	list = json_object_new_array();
	for (size_t i = 0; i < numbers.n; i++)
		json_object_array_add(list, json_object_new_int64(numbers.v[i]));
	return json_print(list, NULL);
}

/* ---- keywords */

static void put_fields(struct buf *match, unsigned fields, const char *term)
{
	static const char *const names[] = {"file", "owner", "nick", "description", "tags"};

	buf_str(match, "{");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fields & (1u << i))
			buf_printf(match, " %s", names[i]);
	buf_printf(match, " } : (%s)", term);
}

static void keywords(struct ask_plan *p)
{
	unsigned fields = p->q->fields == 0 ? ITEM_FIELD_ALL : p->q->fields & ITEM_FIELD_ALL;
	size_t n_words = 0, n = 0;
	struct buf match = {0};

	for (size_t i = 0; i < p->q->keywords.n; i++) {
		CLEAN_FREE char *folded = text_fold(p->q->keywords.v[i]);
		bool exact = false;
		CLEAN_FREE char *term = item_words_match(folded != NULL ? folded : "", &exact);

		if (*term == '\0')
			continue;
		if (n++ > 0)
			buf_str(&match, " AND ");
		if (fields ==
		    ITEM_FIELD_ALL) /* asked of each hit, columns cost as much as the hit */
			buf_printf(&match, "(%s)", term);
		else
			put_fields(&match, fields, term);
		if (exact)
			continue;
		p->words = mem_resize(p->words, n_words + 2, sizeof(*p->words));
		p->words[n_words++] = mem_strdup(folded);
		p->words[n_words] = NULL;
	}
	if (n > 0)
		p->match = buf_take(&match, NULL);
	p->nothing = p->nothing || (n > 0 && fields == 0);
}

/* ---- the whole */

static enum ask_drive drive_of(const struct ask_plan *p)
{
	/* Whoever asks for a narrow scope is served best by its ranges. */
	bool narrow = p->q->mine || p->q->scope == ITEM_SCOPE_MINE ||
		      p->q->scope == ITEM_SCOPE_MYGROUPS || p->q->scope == ITEM_SCOPE_SHARED;

	if (p->ids != NULL)
		return DRIVE_IDS;
	if (p->name != NULL)
		return DRIVE_NAME;
	if (p->match != NULL)
		return DRIVE_WORDS;
	if (narrow || p->owner != NULL)
		return DRIVE_NONE;
	if (p->owners != NULL)
		return DRIVE_OWNERS;
	if (p->tags != NULL)
		return DRIVE_TAGS;
	return p->dirs != NULL ? DRIVE_DIRS : DRIVE_NONE;
}

void plan_open(struct ask_plan *p, const struct item_query *q)
{
	const char *user = q->viewer.user == NULL ? "" : q->viewer.user;

	*p = (struct ask_plan){.q = q, .user = user};
	p->subjects = item_subjects(&q->viewer);
	p->subjects_text = json_print(p->subjects, NULL);
	p->ids = list_of_numbers(q->ids);
	p->dirs = list_of_numbers(q->dirs);
	p->tags = list_of_texts(q->tags, true);
	p->owners = list_of_texts(q->owners, false);
	p->types = list_of_texts(q->types, false);
	p->statuses = list_of_texts(q->statuses, false);
	p->services = list_of_texts(q->service_statuses, false);
	if (q->file_name != NULL) {
		p->name = text_nfc(q->file_name);
		if (p->name == NULL)
			p->name = mem_strdup(q->file_name);
	}
	keywords(p);
	p->nothing =
	    p->nothing || q->scope == ITEM_SCOPE_NONE || (q->not_in_dir && q->dirs.n > 0) ||
	    (q->with_created_from && q->with_created_to && q->created_from > q->created_to) ||
	    (*user == '\0' && (q->mine || q->scope == ITEM_SCOPE_MINE ||
			       q->scope == ITEM_SCOPE_MYGROUPS || q->scope == ITEM_SCOPE_SHARED));
	p->owner = q->owners.n == 1 && q->scope == ITEM_SCOPE_ALL && !q->mine && !q->is_public &&
			   q->permission < ITEM_DOWNLOAD && p->ids == NULL && p->name == NULL &&
			   p->match == NULL
		       ? q->owners.v[0]
		       : NULL;
	bool filters[] = {p->ids != NULL,	p->dirs != NULL,
			  p->tags != NULL,	p->owners != NULL && p->owner == NULL,
			  p->types != NULL,	p->statuses != NULL,
			  p->services != NULL,	p->name != NULL,
			  p->match != NULL,	q->not_in_dir,
			  q->with_created_from, q->with_created_to};

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		p->n_filters += filters[i];
	p->drive = drive_of(p);
	p->n_scanned = (unsigned)(p->types != NULL) + (p->statuses != NULL) +
		       (p->services != NULL) + q->not_in_dir + q->with_created_from +
		       q->with_created_to +
		       (p->owners != NULL && p->owner == NULL && p->drive != DRIVE_OWNERS) +
		       (p->dirs != NULL && p->drive != DRIVE_DIRS);
}

void plan_close(struct ask_plan *p)
{
	char *texts[] = {p->subjects_text, p->ids,	p->tags, p->owners, p->types,
			 p->statuses,	   p->services, p->dirs, p->name,   p->match};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	for (size_t i = 0; i < ASK_BRANCHES; i++)
		free(p->earlier[i]);
	for (size_t i = 0; p->words != NULL && p->words[i] != NULL; i++)
		free(p->words[i]);
	free(p->words);
	json_object_put(p->subjects);
}

/* ---- branches */

static void add(struct ask_plan *p, struct branch b)
{
	if (p->n_branches == ASK_BRANCHES)
		return;
	b.n = -1;
	p->branches[p->n_branches++] = b;
}

/* The subjects from FIRST on that stand before WHICH. */
static void note_earlier(struct ask_plan *p, size_t branch, size_t first, size_t which)
{
	CLEAN_JSON json_object *list = json_object_new_array();

	for (size_t i = first; i < which; i++)
		json_object_array_add(list, json_object_get(json_at(p->subjects, i)));
	p->earlier[branch] = json_print(list, NULL);
}

static void add_shared(struct ask_plan *p, int live, int below, size_t first, size_t last)
{
	for (size_t i = first; i < last && p->n_branches < ASK_BRANCHES; i++) {
		if (i > first)
			note_earlier(p, p->n_branches, first, i);
		add(p, (struct branch){.kind = BRANCH_SHARED,
				       .vis = live,
				       .below = below,
				       .subject = i,
				       .first = first});
	}
}

static void everything(struct ask_plan *p, bool hidden, int level)
{
	bool known = *p->user != '\0';

	if (p->q->viewer.admin) {
		add(p, (struct branch){.kind = BRANCH_SEEN, .vis = 1});
		if (hidden)
			add(p, (struct branch){.kind = BRANCH_SEEN, .vis = 0});
		return;
	}
	if (level < ITEM_DELETE)
		add(p, (struct branch){.kind = BRANCH_SEEN,
				       .vis = 1,
				       .least = level > ITEM_SEARCH ? level : 0});
	if (!known)
		return;
	if (hidden)
		add(p, (struct branch){.kind = BRANCH_OWN, .vis = 0});
	if (level > ITEM_SEARCH)
		add(p, (struct branch){.kind = BRANCH_OWN, .vis = 1, .below = level});
	if (hidden)
		add_shared(p, 1, 0, 0, json_len(p->subjects));
	if (level > ITEM_SEARCH)
		add_shared(p, 2, level, 0, json_len(p->subjects));
}

void plan_known(struct ask_plan *p)
{
	p->drive = DRIVE_NONE;
	p->known = p->by_set = true;
	p->n_branches = 0;
	add(p, (struct branch){.kind = BRANCH_SEEN, .vis = 1});
	add(p, (struct branch){.kind = BRANCH_SEEN, .vis = 0});
}

void plan_branches(struct ask_plan *p)
{
	const struct item_query *q = p->q;
	int level = q->permission < ITEM_SEARCH ? ITEM_SEARCH : (int)q->permission;
	enum item_scope scope = q->mine ? ITEM_SCOPE_MINE : q->scope;
	size_t n = json_len(p->subjects);

	if (q->is_public && scope == ITEM_SCOPE_ALL)
		scope = ITEM_SCOPE_PUBLIC;
	if (p->owner != NULL) {
		bool check = !q->viewer.admin && strcmp(p->owner, p->user) != 0;

		add(p, (struct branch){.kind = BRANCH_OWN, .vis = 1});
		if (!check || n > 0)
			add(p, (struct branch){.kind = BRANCH_OWN, .vis = 0, .check = check});
		return;
	}
	switch (scope) {
	case ITEM_SCOPE_NONE:
		return;
	case ITEM_SCOPE_ALL:
		everything(p, true, level);
		return;
	case ITEM_SCOPE_PUBLIC:
		everything(p, false, level);
		if (q->viewer.admin || *p->user != '\0')
			add(p, (struct branch){.kind = BRANCH_UNREADY});
		return;
	case ITEM_SCOPE_MINE:
		add(p, (struct branch){.kind = BRANCH_OWN, .vis = 0});
		add(p, (struct branch){.kind = BRANCH_OWN, .vis = 1});
		return;
	case ITEM_SCOPE_MYGROUPS:
	case ITEM_SCOPE_SHARED:
		/* The viewer's own name is the first of his subjects. */
		for (int live = 1; live <= 2; live++)
			add_shared(p, live, 0, scope == ITEM_SCOPE_SHARED ? 0 : 1,
				   scope == ITEM_SCOPE_SHARED ? 1 : n);
		return;
	}
}
