/*
 * Goal: a list of data items holds exactly what its viewer may see and what was asked for, in the
 * asked order, with the right total on every page: checked against a plain walk over all items, for
 * random catalogues and questions.
 */
#include "catalog/items.h"

#include <sqlite3.h>
#include "base/text.h"
#include "catalog/db.h"

#define N_ITEMS 300

static const char *const owners[] = {"ann", "bob", "Zoe", "eve"};
static const char *const types[] = {"CSV", "SHP", "GEOJSON", "IMAGE"};
static const char *const statuses[] = {"OK", "CREATED", "DOEST_NOT_COMPLETE", "MODIFYING"};
static const char *const tag_words[] = {"water", "水", "a,b", "Water"};
static const char *const names[] = {"wells.csv", "Straße.csv", "北京市公园.shp", "a_b-c.tif",
				    "RIVER 2024.json"};
static const char *const group_names[] = {"staff", "survey", "guests"};

/* What the test knows of an item. */
struct known {
	int64_t id, created, changed, size, dir;
	const char *owner, *type, *status, *file;
	unsigned tags;
	int guest, user[4], group[3]; /* levels */
};
static struct known known[N_ITEMS];
static int64_t dirs[4]; /* dirs[0] = none; 2 lies in 1, 3 in 2 */
static unsigned seed;

static unsigned pick(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

/* One of fifty moments on eleven days. */
static int64_t pick_time(void)
{
	return (1000 + pick(50)) * 20000000LL;
}

static void add_entity(json_object *list, const char *kind, const char *name, int level)
{
	json_object *o = json_object_new_object();

	(void)json_set_str(o, "kind", kind);
	(void)json_set_str(o, "name", name);
	(void)json_set_str(o, "permission", item_permission_word((enum item_permission)level));
	json_object_array_add(list, o);
}

static json_object *random_shares(struct known *k)
{
	json_object *list = json_object_new_array();

	if (pick(3) == 0)
		add_entity(list, "GUEST", "", k->guest = 1 + (int)pick(2));
	for (int i = 0; i < 4; i++)
		if (pick(5) == 0)
			add_entity(list, "USER", owners[i], k->user[i] = 1 + (int)pick(3));
	for (int i = 0; i < 3; i++)
		if (pick(5) == 0)
			add_entity(list, "GROUP", group_names[i], k->group[i] = 1 + (int)pick(3));
	return list;
}

static void make_one(struct scratch *s, struct known *k)
{
	CLEAN_JSON json_object *model = json_object_new_object();
	CLEAN_JSON json_object *shares = random_shares(k);
	json_object *tags = json_object_new_array();
	struct error error = {0};

	k->owner = owners[pick(4)];
	k->type = types[pick(4)];
	k->status = statuses[pick(8) < 5 ? 0 : pick(4)];
	k->file = names[pick(5)];
	k->size = pick(20);
	k->dir = dirs[pick(4)];
	for (unsigned i = 0; i < 4; i++) {
		if (pick(4) == 0) {
			k->tags |= 1u << i;
			json_object_array_add(tags, json_object_new_string(tag_words[i]));
		}
	}
	(void)json_set_str(model, "userName", k->owner);
	(void)json_set_str(model, "fileName", k->file);
	(void)json_set_str(model, "type", k->type);
	(void)json_set_str(model, "status", k->status);
	(void)json_set_int(model, "size", k->size);
	(void)json_set(model, "tags", tags);
	if (k->dir != 0)
		(void)json_set_int(model, "dirId", k->dir);
	if (catalog_item_create(s->catalog, model, shares, &k->id, &error) != ERR_OK)
		fail_msg("create: %s", error.text);
}

/* Times that differ: the catalogue's own clock would make them all alike. */
static void set_times(struct scratch *s)
{
	struct conn *conn = NULL;

	assert_int_equal(conn_take(s->catalog, &conn, NULL), ERR_OK);
	for (size_t i = 0; i < N_ITEMS; i++) {
		struct known *k = &known[i];
		CLEAN_FREE char *sql = NULL;

		k->created = pick_time();
		k->changed = 5000 + pick(50);
		sql = mem_printf("UPDATE item SET created = %lld, changed = %lld WHERE id = %lld",
				 (long long)k->created, (long long)k->changed, (long long)k->id);
		assert_int_equal(sqlite3_exec(conn->db, sql, NULL, NULL, NULL), SQLITE_OK);
	}
	conn_give(s->catalog, conn);
}

static void make_catalogue(struct scratch *s, unsigned from)
{
	seed = from;
	memset(known, 0, sizeof(known));
	for (int i = 1; i < 4; i++)
		assert_int_equal(
		    catalog_dir_add(s->catalog, i == 1 ? 0 : dirs[i - 1], "d", &dirs[i], NULL),
		    ERR_OK);
	for (size_t i = 0; i < N_ITEMS; i++)
		make_one(s, &known[i]);
	set_times(s);
}

/* ---- the plain way */

struct asked {
	struct item_query q;
	int user;	  /* index, -1 = nobody */
	unsigned groups;  /* bits */
	const char *word; /* keyword, folded by hand */
};

static int shared_level(const struct asked *a, const struct known *k)
{
	int level = a->user >= 0 ? k->user[a->user] : 0;

	for (int i = 0; i < 3; i++)
		if ((a->groups & (1u << i)) && k->group[i] > level)
			level = k->group[i];
	return level;
}

static bool owned(const struct asked *a, const struct known *k)
{
	return a->user >= 0 && strcmp(owners[a->user], k->owner) == 0;
}

static int level_on(const struct asked *a, const struct known *k)
{
	int level = shared_level(a, k);

	if (a->q.viewer.admin || owned(a, k))
		return 3;
	if (strcmp(k->status, "CREATED") == 0 || strcmp(k->status, "DOEST_NOT_COMPLETE") == 0)
		return 0;
	return level > k->guest ? level : k->guest;
}

static bool in_scope(const struct asked *a, const struct known *k)
{
	bool group = false, unready = strcmp(k->status, "CREATED") == 0 ||
				      strcmp(k->status, "DOEST_NOT_COMPLETE") == 0;

	for (int i = 0; i < 3; i++)
		group = group || ((a->groups & (1u << i)) && k->group[i] > 0);
	if (a->q.is_public && k->guest == 0)
		return false;
	if (a->q.mine && !owned(a, k))
		return false;
	switch (a->q.mine ? ITEM_SCOPE_ALL : a->q.scope) {
	case ITEM_SCOPE_ALL:
		return true;
	case ITEM_SCOPE_PUBLIC:
		return k->guest > 0;
	case ITEM_SCOPE_MINE:
		return owned(a, k);
	case ITEM_SCOPE_MYGROUPS:
		return group && a->user >= 0 && !unready;
	case ITEM_SCOPE_SHARED:
		return a->user >= 0 && k->user[a->user] > 0 && !owned(a, k) && !unready;
	case ITEM_SCOPE_NONE:
		break;
	}
	return false;
}

static bool has_text(struct item_texts texts, const char *value)
{
	for (size_t i = 0; i < texts.n; i++)
		if (strcmp(texts.v[i], value) == 0)
			return true;
	return texts.n == 0;
}

static bool has_tag(struct item_texts texts, unsigned tags)
{
	for (size_t i = 0; i < texts.n; i++)
		for (unsigned t = 0; t < 4; t++)
			if ((tags & (1u << t)) && strcmp(texts.v[i], tag_words[t]) == 0)
				return true;
	return texts.n == 0;
}

static bool in_dir(const struct item_query *q, int64_t dir)
{
	if (q->dirs.n == 0)
		return true;
	for (size_t i = 0; i < q->dirs.n && dir != 0; i++) {
		if (q->dirs.v[i] == dir)
			return true;
		/* Each lies in the one before it. */
		for (int d = 1; q->sub_dirs && d < 4; d++)
			if (dirs[d] == q->dirs.v[i] && dir > dirs[d])
				return true;
	}
	return false;
}

static bool has_word(const struct asked *a, const struct known *k)
{
	CLEAN_FREE char *file = text_fold(k->file);
	CLEAN_FREE char *owner = text_fold(k->owner);

	if (a->word == NULL || strstr(file, a->word) != NULL || strstr(owner, a->word) != NULL)
		return true;
	for (unsigned t = 0; t < 4; t++) {
		CLEAN_FREE char *tag = text_fold(tag_words[t]);

		if ((k->tags & (1u << t)) && strstr(tag, a->word) != NULL)
			return true;
	}
	return false;
}

static bool matches(const struct asked *a, const struct known *k)
{
	const struct item_query *q = &a->q;
	int least = q->permission == ITEM_NOTHING ? 1 : (int)q->permission;

	return level_on(a, k) >= least && in_scope(a, k) && has_text(q->types, k->type) &&
	       has_text(q->statuses, k->status) && has_text(q->owners, k->owner) &&
	       has_tag(q->tags, k->tags) && in_dir(q, k->dir) && has_word(a, k) &&
	       (q->file_name == NULL || strcmp(q->file_name, k->file) == 0) &&
	       (!q->not_in_dir || (k->dir == 0 && q->dirs.n == 0)) &&
	       (!q->with_created_from || k->created >= q->created_from) &&
	       (!q->with_created_to || k->created <= q->created_to);
}

static const struct item_query *sorting;

static int by_text(const char *a, const char *b)
{
	CLEAN_FREE char *x = text_fold(a);
	CLEAN_FREE char *y = text_fold(b);

	return strcmp(x, y);
}

static int compare(const void *a, const void *b)
{
	const struct known *x = *(const struct known *const *)a,
			   *y = *(const struct known *const *)b;
	int64_t d = 0;

	switch (sorting->order) {
	case ITEM_BY_CREATETIME:
		d = x->created - y->created;
		break;
	case ITEM_BY_LASTMODIFIEDTIME:
		d = x->changed - y->changed;
		break;
	case ITEM_BY_SIZE:
		d = x->size - y->size;
		break;
	case ITEM_BY_FILENAME:
		d = by_text(x->file, y->file);
		break;
	case ITEM_BY_NICKNAME:
	case ITEM_BY_USERNAME:
		d = by_text(x->owner, y->owner);
		break;
	case ITEM_BY_STATUS:
		d = strcmp(x->status, y->status);
		break;
	case ITEM_BY_TYPE:
		d = strcmp(x->type, y->type);
		break;
	case ITEM_BY_ID:
	case ITEM_BY_DOWNLOADCOUNT:
	case ITEM_BY_SERVICESTATUS:
	case ITEM_ORDER__MAX:
		break;
	}
	if (d == 0)
		d = x->id - y->id;
	return (d < 0 ? -1 : d > 0) * (sorting->descending ? -1 : 1);
}

static char *expected_text(const struct asked *a)
{
	const struct known *found[N_ITEMS];
	size_t n = 0, len = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < N_ITEMS; i++)
		if (matches(a, &known[i]))
			found[n++] = &known[i];
	sorting = &a->q;
	qsort(found, n, sizeof(found[0]), compare);
	for (size_t i = a->q.skip; i < n && i < a->q.skip + a->q.max; i++)
		fprintf(f, "%lld ", (long long)found[i]->id);
	fprintf(f, ": %zu", n);
	(void)fclose(f);
	return text;
}

/* ---- random questions */

struct store {
	const char *texts[4][4];
	int64_t numbers[4];
	char groups[64];
};

static struct item_texts some(struct store *st, int slot, const char *const *from)
{
	size_t n = 1 + pick(2);

	for (size_t i = 0; i < n; i++)
		st->texts[slot][i] = from[pick(4)];
	return (struct item_texts){st->texts[slot], n};
}

static void random_viewer(struct asked *a, struct store *st)
{
	a->user = (int)pick(5) - 1;
	a->groups = a->user >= 0 ? pick(8) : 0;
	st->groups[0] = '\0';
	for (int i = 0; i < 3; i++)
		if (a->groups & (1u << i))
			(void)strcat(strcat(st->groups, group_names[i]), "\n");
	a->q.viewer = (struct viewer){a->user < 0 ? "" : owners[a->user],
				      a->user >= 0 && pick(6) == 0, st->groups};
}

static void random_question(struct asked *a, struct store *st)
{
	static const char *const words[][2] = {
	    {"公园", "公园"}, {"园", "园"},	      {"市公园", "市公园"},
	    {"ell", "ell"},   {"RIVER", "river"},     {"v", "v"},
	    {"_", "_"},	      {"b-c", "b-c"},	      {"r 2024", "r 2024"},
	    {"er", "er"},     {"strasse", "strasse"}, {",", ","}};

	*a = (struct asked){0};
	random_viewer(a, st);
	a->q.order = (enum item_order)pick(ITEM_ORDER__MAX);
	a->q.descending = pick(2);
	a->q.skip = pick(3) == 0 ? 0 : pick(120);
	a->q.max = 1 + pick(40);
	a->q.mine = pick(8) == 0;
	a->q.scope = pick(3) == 0 ? (enum item_scope)pick(5) : ITEM_SCOPE_ALL;
	a->q.is_public = pick(8) == 0;
	a->q.permission = pick(3) == 0 ? (enum item_permission)pick(4) : ITEM_NOTHING;
	if (pick(4) == 0)
		a->q.types = some(st, 0, types);
	if (pick(6) == 0)
		a->q.statuses = some(st, 1, statuses);
	if (pick(5) == 0)
		a->q.owners = some(st, 2, owners);
	if (pick(6) == 0)
		a->q.tags = some(st, 3, tag_words);
	if (pick(8) == 0)
		a->q.file_name = names[pick(5)];
	if (pick(5) == 0) {
		unsigned w = pick(sizeof(words) / sizeof(words[0]));

		a->q.keywords = (struct item_texts){&words[w][0], 1};
		a->word = words[w][1];
	}
	if (pick(6) == 0) {
		st->numbers[0] = dirs[1 + pick(3)];
		a->q.dirs = (struct item_numbers){st->numbers, 1};
		a->q.sub_dirs = pick(2);
	}
	a->q.not_in_dir = pick(9) == 0;
	a->q.with_created_from = pick(6) == 0;
	a->q.created_from = pick_time();
	a->q.with_created_to = pick(6) == 0;
	a->q.created_to = pick_time();
}

static void test_items_are_what_a_plain_walk_finds(void **state)
{
	struct scratch *s = *state;

	make_catalogue(s, 7);
	/* What is meant for a million items is taken for these, too. */
	s->catalog->many = 20;
	s->catalog->far = 20;
	for (unsigned i = 0; i < 6000; i++) {
		struct store st = {0};
		struct asked a;
		CLEAN_FREE char *want = NULL;
		CLEAN_FREE char *got = NULL;
		unsigned at = seed;

		random_question(&a, &st);
		want = expected_text(&a);
		got = items_text(s, &a.q);
		if (strcmp(want, got) != 0)
			fail_msg(
			    "question %u (seed %u): user %d groups %u admin %d mine %d scope %d "
			    "public %d permission %d order %d"
			    " %s types %zu statuses %zu owners %zu tags %zu name %s word %s dirs "
			    "%zu sub %d not %d from %d to %d"
			    " skip %zu\n want %s\n got  %s",
			    i, at, a.user, a.groups, a.q.viewer.admin, a.q.mine, a.q.scope,
			    a.q.is_public, a.q.permission, a.q.order,
			    a.q.descending ? "desc" : "asc", a.q.types.n, a.q.statuses.n,
			    a.q.owners.n, a.q.tags.n, a.q.file_name == NULL ? "-" : a.q.file_name,
			    a.word == NULL ? "-" : a.word, a.q.dirs.n, a.q.sub_dirs, a.q.not_in_dir,
			    a.q.with_created_from, a.q.with_created_to, a.q.skip, want, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_items_are_what_a_plain_walk_finds, scratch_setup,
					    scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
