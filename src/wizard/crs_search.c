#include "wizard/crs_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

/*
 * A query becomes terms; each term is one or more texts of which one must occur in an entry's name,
 * aliases or area. Everything in the file is folded already, so a term costs one strstr per text.
 */

#define TERMS_MAX   16
#define OPTIONS_MAX 3
#define QUERY_BYTES 256
#define RANKS	    5

struct term {
	char text[OPTIONS_MAX][64]; /* folded */
	size_t n;
	bool whole_number; /* "zone 3" must not be found in "zone 33" */
	uint8_t *areas;	   /* per area: 0 not looked at, 1 no, 2 yes; owned */
};

struct query {
	struct term term[TERMS_MAX];
	size_t n;
	char folded[QUERY_BYTES]; /* the whole, for "name equal" and "name prefix" */
};

/* Chinese as people write it → names of the database, folded.  Longer words first. */
static const struct {
	const char *chinese;
	const char *text[OPTIONS_MAX];
} translations[] = {
    {"北京1954", {"beijing 1954"}},
    {"北京54", {"beijing 1954"}},
    {"西安1980", {"xian 1980"}},
    {"西安80", {"xian 1980"}},
    {"国家2000", {"china geodetic coordinate system 2000", "cgcs2000", "cgcs 2000"}},
    {"大地2000", {"china geodetic coordinate system 2000", "cgcs2000", "cgcs 2000"}},
    {"2000坐标系", {"china geodetic coordinate system 2000", "cgcs2000", "cgcs 2000"}},
    {"高斯-克吕格", {"gauss-kruger", "gauss kruger", "gk_"}},
    {"高斯克吕格", {"gauss-kruger", "gauss kruger", "gk_"}},
    {"高斯", {"gauss-kruger", "gauss kruger", "gk_"}},
    {"三度带", {"3-degree", "3_degree"}},
    {"3度带", {"3-degree", "3_degree"}},
    {"六度带", {"6-degree", "gauss-kruger zone"}},
    {"6度带", {"6-degree", "gauss-kruger zone"}},
    {"墨卡托", {"mercator"}},
    {"香港", {"hong kong"}},
    {"台湾", {"twd"}},
    {"臺灣", {"twd"}},
    {"澳门", {"macau", "macao"}},
    {"澳門", {"macau", "macao"}},
    {"中国", {"china"}},
    {"坐标系", {""}},
    {"投影", {""}},
};

static void add_text(struct query *q, const char *s, size_t len)
{
	if (len == 0 || q->n == TERMS_MAX)
		return;
	(void)snprintf(q->term[q->n].text[0], sizeof(q->term->text[0]), "%.*s",
		       (int)text_cut(s, len, 63), s);
	q->term[q->n++].n = 1;
}

/* A Chinese word at S: its term is added and its length returned. */
static size_t translate(struct query *q, const char *s)
{
	size_t digits = strspn(s, "0123456789");

	for (size_t i = 0; i < sizeof(translations) / sizeof(*translations); i++) {
		size_t n = strlen(translations[i].chinese);

		if (strncmp(s, translations[i].chinese, n) != 0)
			continue;
		for (size_t k = 0;
		     k < OPTIONS_MAX && translations[i].text[k] != NULL && q->n < TERMS_MAX; k++)
			if (*translations[i].text[k] != '\0')
				(void)snprintf(q->term[q->n].text[q->term[q->n].n++], 64, "%s",
					       translations[i].text[k]);
		if (q->n < TERMS_MAX && q->term[q->n].n > 0)
			q->n++;
		return n;
	}
	if (digits > 0 && digits <= 3 && strncmp(s + digits, "带", strlen("带")) == 0) {
		if (q->n < TERMS_MAX) {
			struct term *t = &q->term[q->n++];

			(void)snprintf(t->text[0], 64, "zone %.*s", (int)digits, s);
			(void)snprintf(t->text[1], 64, "zone_%.*s", (int)digits, s);
			t->n = 2;
			t->whole_number = true;
		}
		return digits + strlen("带");
	}
	return 0;
}

static void parse(struct query *q, const char *folded)
{
	const char *p = folded, *start = folded;

	while (*p != '\0' && q->n < TERMS_MAX) {
		size_t n;

		if (*p == ' ' || *p == '\t' || *p == ',' || *p == ';') {
			add_text(q, start, (size_t)(p - start));
			start = ++p;
			continue;
		}
		n = q->n;
		if (translate(q, p) == 0) {
			p++;
			continue;
		}
		/* A word stood before it without a blank: take both, in the order written. */
		q->n = n;
		memset(&q->term[n], 0, (TERMS_MAX - n) * sizeof(q->term[0]));
		add_text(q, start, (size_t)(p - start));
		p += translate(q, p);
		start = p;
	}
	add_text(q, start, (size_t)(p - start));
}

/* ---- matching */

static bool occurs(const char *hay, const char *needle, bool whole_number)
{
	size_t n = strlen(needle);

	for (const char *p = hay; (p = strstr(p, needle)) != NULL; p++)
		if (!whole_number || p[n] < '0' || p[n] > '9')
			return true;
	return false;
}

static bool term_in(const struct term *t, const char *hay)
{
	for (size_t i = 0; i < t->n; i++)
		if (occurs(hay, t->text[i], t->whole_number))
			return true;
	return false;
}

static bool term_in_area(const struct crs_index *ix, struct term *t, uint32_t area)
{
	if (area >= crs_index_areas(ix))
		return false;
	if (t->areas[area] == 0)
		t->areas[area] =
		    term_in(t, crs_index_text(ix, crs_index_area(ix, area)->folded)) ? 2 : 1;
	return t->areas[area] == 2;
}

/* 0 TEXT is the name or an alias, 1 the same in 3D, 2 the name begins with it; -1 none of these. */
static int rank_name(const struct crs_file_entry *e, const char *name, const char *aliases,
		     const char *text)
{
	size_t len = strlen(text);
	const char *p;

	if (strncmp(name, text, len) == 0)
		return name[len] != '\0' ? 2 : e->three_d ? 1 : 0;
	/* "cgcs2000" is what people call EPSG:4490. */
	for (p = aliases; (p = strstr(p, text)) != NULL; p++)
		if (p > aliases && p[-1] == '\n' && p[len] == '\n')
			return e->three_d ? 1 : 0;
	return -1;
}

/* 0-2 as above, 3 all words in the name, 4 rest; -1 no hit. */
static int rank_of(const struct crs_index *ix, struct query *q, const struct crs_file_entry *e)
{
	const char *name = crs_index_text(ix, e->folded), *aliases = crs_index_text(ix, e->aliases);
	bool in_name = true;
	int best;

	for (size_t i = 0; i < q->n; i++) {
		if (term_in(&q->term[i], name))
			continue;
		in_name = false;
		if (!(*aliases != '\0' && term_in(&q->term[i], aliases)) &&
		    !term_in_area(ix, &q->term[i], e->area))
			return -1;
	}
	best = rank_name(e, name, aliases, q->folded);
	/* A query of one Chinese word is the name it stands for. */
	for (size_t i = 0; q->n == 1 && i < q->term[0].n; i++) {
		int r = rank_name(e, name, aliases, q->term[0].text[i]);

		if (r >= 0 && (best < 0 || r < best))
			best = r;
	}
	if (best >= 0)
		return best;
	return in_name ? 3 : 4;
}

/* ---- results */

struct hits {
	uint32_t *v;
	size_t n;
};

static void by_words(const struct crs_index *ix, struct query *q, struct hits *hits)
{
	size_t n = crs_index_size(ix), counts[RANKS] = {0}, at[RANKS] = {0};
	int8_t *rank = mem_alloc(n + 1);

	for (size_t i = 0; i < q->n; i++)
		q->term[i].areas = mem_alloc(crs_index_areas(ix) + 1);
	for (size_t i = 0; i < n; i++) {
		const struct crs_file_entry *e = crs_index_entry(ix, i);

		rank[i] = -1;
		if (!e->deprecated && crs_is_searchable(e))
			rank[i] = (int8_t)rank_of(ix, q, e);
		if (rank[i] >= 0)
			counts[rank[i]]++;
	}
	for (size_t r = 1; r < RANKS; r++)
		at[r] = at[r - 1] + counts[r - 1];
	hits->n = at[RANKS - 1] + counts[RANKS - 1];
	/* The file's order is EPSG first, then by number: a stable distribution keeps it. */
	for (size_t i = 0; i < n; i++)
		if (rank[i] >= 0)
			hits->v[at[rank[i]]++] = (uint32_t)i;
	for (size_t i = 0; i < q->n; i++)
		free(q->term[i].areas);
	free(rank);
}

/* Q is digits or AUTH:digits: the exact code (also a deprecated one), then codes that begin so. */
static void by_code(const struct crs_index *ix, const char *q, struct hits *hits)
{
	char wanted[48];
	const char *digits = q;
	bool any = strspn(q, "0123456789") == strlen(q);

	if (!srs_spelling(q, wanted))
		return;
	if (any)
		digits = strchr(wanted, ':') + 1;
	for (int exact = 1; exact >= 0; exact--)
		for (size_t i = 0; i < crs_index_size(ix); i++) {
			const struct crs_file_entry *e = crs_index_entry(ix, i);
			const char *code = crs_index_text(ix, e->code), *number = strchr(code, ':');
			const char *a = any && number != NULL ? number + 1 : code,
				   *b = any ? digits : wanted;

			if (!crs_is_searchable(e) || !text_starts(a, b) ||
			    (strcmp(a, b) == 0) != (exact == 1) || (exact == 0 && e->deprecated))
				continue;
			hits->v[hits->n++] = (uint32_t)i;
		}
}

static json_object *favourites_of(const struct crs_index *ix, const char *list)
{
	json_object *results = json_object_new_array();

	if (list == NULL)
		return results;
	for (const char *p = list; *p != '\0';) {
		size_t n = strcspn(p, " ,");
		char word[48], code[48];
		json_object *o;

		(void)snprintf(word, sizeof(word), "%.*s", (int)(n < 47 ? n : 47), p);
		if (n > 0 && srs_spelling(word, code) && (o = crs_index_get(ix, code)) != NULL)
			json_object_array_add(results, o);
		p += n + strspn(p + n, " ,");
	}
	return results;
}

static json_object *answer(const char *q, size_t total, json_object *results)
{
	json_object *o = json_set_str(json_object_new_object(), "query", q);

	return json_set(json_set_int(o, "total", (int64_t)total), "results", results);
}

json_object *crs_index_search(const struct crs_index *ix, const char *q, size_t limit,
			      const char *favourites)
{
	CLEAN_FREE char *trimmed = text_trim(q),
			*folded = trimmed != NULL ? text_fold_plain(trimmed) : NULL;
	json_object *results;
	struct query query = {0};
	struct hits hits = {0};

	if (ix == NULL || folded == NULL)
		return answer(q, 0, json_object_new_array());
	if (*folded == '\0') {
		results = favourites_of(ix, favourites);
		return answer(q, json_len(results), results);
	}
	hits.v = mem_array(crs_index_size(ix) + 1, sizeof(*hits.v));
	by_code(ix, trimmed, &hits);
	if (hits.n == 0) {
		(void)snprintf(query.folded, sizeof(query.folded), "%.*s",
			       (int)text_cut(folded, strlen(folded), QUERY_BYTES - 1), folded);
		parse(&query, query.folded);
		if (query.n > 0)
			by_words(ix, &query, &hits);
	}
	results = json_object_new_array();
	for (size_t i = 0; i < hits.n && i < limit; i++)
		json_object_array_add(results, crs_index_json(ix, crs_index_entry(ix, hits.v[i])));
	free(hits.v);
	return answer(q, hits.n, results);
}
