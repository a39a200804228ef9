#include "wizard/when.h"

#include <string.h>
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wizard/when_format.h"

/*
 * Every value is counted against every format, yet few formats are tried: the length of the first
 * run of digits and the byte behind it tell which can match at all.  So a column of a million dates
 * costs two or three matches a row, a column of addresses none.
 */

#define ISO_TIME(t) "[" t "HH[:mm[:ss[.SSS][,SSS]]]"

static const struct candidate {
	const char *pattern;
	int run_min, run_max; /* digits at the start */
	const char *behind;   /* bytes that may follow them; "$" = the end */
} candidates[] = {
    {"yyyy-MM-dd" ISO_TIME("'T'") "[X]]", 4, 8, "-"},
    {"yyyy-MM-dd" ISO_TIME(" ") "[[ ]X]]", 4, 8, "-"},
    {"yyyy/MM/dd" ISO_TIME("'T'") "[X]]", 4, 8, "/"},
    {"yyyy/MM/dd" ISO_TIME(" ") "[[ ]X]]", 4, 8, "/"},
    {"yyyyMMdd['T'HH[mm[ss[.SSS][,SSS]]][X]]", 8, 8, "$T"},
    {"yyyyMMdd" ISO_TIME("'T'") "[X]]", 8, 8, "$T"},
    {"yyyyMMdd" ISO_TIME(" ") "[[ ]X]]", 8, 8, "$ "},
    {"yyyyMMdd[ HHmm[ss]]", 8, 8, "$ "},
    {"yyyy-MM", 4, 8, "-"},
    {"yyyy/MM", 4, 8, "/"},
    {"yyyy", 4, 8, "$"},
    {"yyyyMM", 6, 6, "$"},
    {"yyyyMMddHHmmss[.SSS]", 14, 14, "$."},
    {"yyyy年M月d日[[ ]HH时[mm分[ss秒]]][ HH:mm[:ss]]", 4, 8, "\xE5"},
    {"yyyy年M月", 4, 8, "\xE5"},
    {"yyyy年", 4, 8, "\xE5"},
    {"yyyy.M.d[ HH:mm[:ss]]", 4, 8, "."},
    /* Day and month: each pair stands together, the day first. */
    {"d/M/yyyy[ HH:mm[:ss]][ h:mm[:ss][ ]a]", 1, 2, "/"},
    {"M/d/yyyy[ HH:mm[:ss]][ h:mm[:ss][ ]a]", 1, 2, "/"},
    {"d-M-yyyy[ HH:mm[:ss]]", 1, 2, "-"},
    {"M-d-yyyy[ HH:mm[:ss]]", 1, 2, "-"},
    {"d.M.yyyy[ HH:mm[:ss]]", 1, 2, "."},
    {"M.d.yyyy[ HH:mm[:ss]]", 1, 2, "."},
};

#define N_CANDIDATES  (sizeof(candidates) / sizeof(*candidates))
#define FIRST_PAIR    (N_CANDIDATES - 6)
#define N_ISO	      13 /* the first of them are spellings of ISO 8601 */
#define DISTINCT_MAX  16384
#define DISTINCT_SIZE (2 * DISTINCT_MAX) /* slots: a power of two */
#define VALUE_BYTES   320		 /* of a bad value that is kept for the message */

struct tally {
	struct when_format *format; /* made when it is tried first */
	int64_t ok;
	int64_t min, max; /* ms */
	int64_t first_bad_row;
	char *first_bad;		 /* owned */
	int64_t used[WHEN_OPTIONAL_MAX]; /* values that used each optional part */
	int64_t *distinct;		 /* hash set of ms, DISTINCT_SIZE slots, 0 = free; owned */
	int64_t n_distinct;
	bool has_zero; /* the one instant the set cannot hold */
};

struct when_guess {
	int64_t total;
	uint32_t has_bad;  /* bit per candidate: first_bad is known */
	int64_t differ[3]; /* per pair: values that mean different days */
	struct tally tally[N_CANDIDATES];
};

struct when_guess *when_guess_new(void)
{
	return mem_alloc(sizeof(struct when_guess));
}

void when_guess_free(struct when_guess *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < N_CANDIDATES; i++) {
		when_format_free(g->tally[i].format);
		free(g->tally[i].first_bad);
		free(g->tally[i].distinct);
	}
	free(g);
}

/* Which candidates can match S at all, as a bit set. */
static uint32_t possible(const char *s, size_t len)
{
	size_t i = 0, start;
	uint32_t set = 0;
	char behind;

	while (i < len && (s[i] == ' ' || s[i] == '\t'))
		i++;
	while (len > i && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	if (i < len && (s[i] == '-' || s[i] == '+'))
		i++;
	start = i;
	while (i < len && s[i] >= '0' && s[i] <= '9')
		i++;
	if (i == start)
		return 0;
	behind = i < len ? s[i] : '$';
	if (i < len && (behind == '$' || behind == '\0'))
		return 0;
	for (size_t c = 0; c < N_CANDIDATES; c++)
		if ((int)(i - start) >= candidates[c].run_min &&
		    (int)(i - start) <= candidates[c].run_max &&
		    strchr(candidates[c].behind, behind) != NULL)
			set |= 1U << c;
	return set;
}

static void add_distinct(struct tally *t, int64_t ms)
{
	uint64_t h;

	if (t->n_distinct >= DISTINCT_MAX)
		return;
	if (ms == 0) {
		t->n_distinct += !t->has_zero;
		t->has_zero = true;
		return;
	}
	if (t->distinct == NULL)
		t->distinct = mem_array(DISTINCT_SIZE, sizeof(int64_t));
	h = ((uint64_t)ms * 0x9E3779B97F4A7C15ULL) >> 49; /* Fibonacci hashing: the upper 15 bits */
	while (t->distinct[h] != 0 && t->distinct[h] != ms)
		h = (h + 1) % DISTINCT_SIZE;
	if (t->distinct[h] == 0) {
		t->distinct[h] = ms;
		t->n_distinct++;
	}
}

static void count(struct tally *t, const struct when_match *m)
{
	if (t->ok == 0)
		t->min = t->max = m->ms;
	t->ok++;
	t->min = m->ms < t->min ? m->ms : t->min;
	t->max = m->ms > t->max ? m->ms : t->max;
	for (size_t i = 0; i < WHEN_OPTIONAL_MAX; i++)
		t->used[i] += m->used >> i & 1;
	add_distinct(t, m->ms);
}

static bool try_candidate(struct when_guess *g, size_t c, const char *s, size_t len,
			  struct when_match *ret)
{
	struct tally *t = &g->tally[c];

	if (t->format == NULL)
		t->format = when_format_new(candidates[c].pattern, NULL);
	return when_format_match(t->format, s, len, 0, ret);
}

void when_guess_feed(struct when_guess *g, const char *s, size_t len, int64_t row)
{
	uint32_t try = len <= WHEN_FORMAT_MAX ? possible(s, len) : 0, matched = 0, fresh;
	int64_t ms[N_CANDIDATES];

	g->total++;
	for (size_t c = 0; try != 0; c++, try >>= 1) {
		struct when_match m;

		if ((try & 1) == 0 || !try_candidate(g, c, s, len, &m))
			continue;
		count(&g->tally[c], &m);
		ms[c] = m.ms;
		matched |= 1U << c;
	}
	for (size_t i = 0; i < 3; i++) {
		size_t c = FIRST_PAIR + 2 * i;

		if ((matched >> c & 3) == 3 && ms[c] != ms[c + 1])
			g->differ[i]++;
	}
	fresh = ~(matched | g->has_bad) & ((1U << N_CANDIDATES) - 1);
	for (size_t c = 0; fresh != 0; c++, fresh >>= 1) {
		if ((fresh & 1) == 0)
			continue;
		g->tally[c].first_bad_row = row;
		g->tally[c].first_bad = mem_strndup(s, text_cut(s, len, VALUE_BYTES));
		g->has_bad |= 1U << c;
	}
}

/*
 * The candidate's pattern without the parts no value used and without the brackets that were always
 * used together with what is around them: people see "yyyy-MM-dd", not everything that could have
 * been there.
 */
static void simplify(const char *pattern, const struct tally *t, char out[WHEN_FORMAT_MAX + 1])
{
	int64_t around[WHEN_OPTIONAL_MAX + 1] = {
	    t->ok}; /* by depth: values that used the part we are in */
	bool shown[WHEN_OPTIONAL_MAX + 1] = {true}; /* by depth: are the part's brackets kept? */
	size_t n = 0, depth = 0, next = 0,
	       skip = 0; /* skip: depth from which all is dropped, 0 = none */

	for (const char *p = pattern; *p != '\0'; p++) {
		bool keep = skip == 0;

		if (*p == '[') {
			int64_t used = t->used[next++];

			depth++;
			around[depth] = used;
			shown[depth] = used < around[depth - 1];
			if (skip == 0 && used == 0)
				skip = depth;
			keep = skip == 0 && shown[depth];
		} else if (*p == ']') {
			keep = skip == 0 && shown[depth];
			if (skip == depth)
				skip = 0;
			depth--;
		}
		if (keep)
			out[n++] = *p;
	}
	out[n] = '\0';
}

static json_object *pattern_of(const struct when_guess *g, size_t c)
{
	char pattern[WHEN_FORMAT_MAX + 1];

	simplify(candidates[c].pattern, &g->tally[c], pattern);
	return json_object_new_string(pattern);
}

json_object *when_guess_end(struct when_guess *g)
{
	const struct tally *t;
	json_object *o, *formats;
	size_t best = 0, first;
	bool ambiguous = false;

	for (size_t c = 1; c < N_CANDIDATES; c++)
		if (g->tally[c].ok > g->tally[best].ok)
			best = c;
	t = &g->tally[best];
	if (t->ok == 0 || t->ok * 5 < g->total * 4)
		return NULL;
	first = best >= FIRST_PAIR ? best - (best - FIRST_PAIR) % 2 : best;
	if (best >= FIRST_PAIR)
		ambiguous = g->tally[first].ok == g->tally[first + 1].ok &&
			    g->differ[(first - FIRST_PAIR) / 2] > 0;
	o = json_object_new_object();
	json_set_int(o, "ok", t->ok);
	json_set_int(o, "bad", g->total - t->ok);
	json_set(o, "format", pattern_of(g, best));
	json_set_bool(o, "ambiguous", ambiguous);
	if (ambiguous) {
		formats = json_object_new_array();
		json_object_array_add(formats, pattern_of(g, first));
		json_object_array_add(formats, pattern_of(g, first + 1));
		json_set(o, "formats", formats);
	}
	json_set(o, "first_bad", NULL);
	if (t->ok < g->total)
		json_set(
		    o, "first_bad",
		    json_set_str(json_set_int(json_object_new_object(), "row", t->first_bad_row),
				 "value", t->first_bad));
	json_set_int(o, "min", t->min);
	json_set_int(o, "max", t->max);
	json_set_int(o, "distinct", t->n_distinct);
	return o;
}

bool when_parse_iso(const char *s, size_t len, int zone_min, int64_t *ret_ms, int64_t *ret_last)
{
	uint32_t try = len <= WHEN_FORMAT_MAX ? possible(s, len) : 0;

	for (size_t c = 0; c < N_ISO && try != 0; c++, try >>= 1) {
		struct when_format *f;
		bool ok;

		if ((try & 1) == 0)
			continue;
		f = when_format_new(candidates[c].pattern, NULL);
		ok = when_parse(f, s, len, zone_min, ret_ms, ret_last);
		when_format_free(f);
		if (ok)
			return true;
	}
	return false;
}
