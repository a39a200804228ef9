#include "geo/colstats.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "geo/colstats_impl.h"

#define VALUE_BYTES  200  /* of a value shown to people */
#define JUDGE_EVERY  1024 /* values after which a hopeless search for times ends */
#define TIME_COLUMNS 128  /* columns searched for times at once: a search may take 1 MB */
#define TIME_TRIES   100 /* values without one that may be a time, after which none is looked for */
#define GEOM_TRIES   100 /* text cells without one geometry after which it is none */

static const unsigned char fits[CELL__MAX] = {
    [CELL_EMPTY] = FIT_ALL,
    [CELL_INTEGER] = FIT_INTEGER | FIT_REAL,
    [CELL_REAL] = FIT_REAL,
    [CELL_DATE] = FIT_DATE | FIT_DATETIME,
    [CELL_DATETIME] = FIT_DATETIME,
    [CELL_BOOLEAN] = FIT_BOOLEAN,
    [CELL_TEXT] = 0,
};

struct colstats *colstats_new(size_t n, char decimal, bool comma_possible)
{
	struct colstats *c = mem_alloc(sizeof *c);

	c->n = n;
	c->v = mem_array(n > 0 ? n : 1, sizeof *c->v);
	c->decimal = decimal;
	c->comma_possible = decimal == 0 && comma_possible;
	return c;
}

void colstats_free(struct colstats *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++) {
		struct column *col = &c->v[i];

		for (size_t k = 0; k < SAMPLES; k++)
			free(col->samples[k]);
		for (size_t m = 0; m < 2; m++) {
			free(col->as[m].not_number.value);
			for (size_t k = 0; k < FIT__N; k++)
				free(col->as[m].misfit[k].value);
		}
		if (col->geom != NULL)
			free(col->geom->bad.value);
		free(col->geom);
		when_guess_free(col->guess);
		free(col->odd.value);
	}
	free(c->v);
	free(c);
}

static void find(struct found *f, const char *s, size_t len, struct place at)
{
	if (f->value != NULL)
		return;
	f->at = at;
	f->value = mem_strndup(s, text_cut(s, len, VALUE_BYTES));
}

/* ---- numbers */

static void number(struct reading *r, double v)
{
	double whole = trunc(v);

	if (r->numeric++ == 0)
		r->min = r->max = v;
	r->min = v < r->min ? v : r->min;
	r->max = v > r->max ? v : r->max;
	r->lat += v >= -90 && v <= 90;
	r->lng += v >= -180 && v <= 360;
	if (whole == v && v >= -9999 && v <= 9999)
		r->years += v >= 1000 && v <= 2999;
	else
		r->not_year++;
	r->survey += v >= 2.0e6 && v <= 6.0e6;
	if (v >= 13e6 && v < 46e6)
		r->zones[(int)(v / 1e6)]++;
}

/* Plain digits, the usual case, without looking at every cell three times. */
static bool plain_number(const char *s, size_t len, double *ret, bool *ret_integer)
{
	static const double powers[] = {1,   1e1, 1e2,	1e3,  1e4,  1e5,  1e6,	1e7,
					1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	bool negative = len > 0 && *s == '-';
	size_t i = negative, point = 0;
	int64_t m = 0;

	if (len > 15 || i == len || (s[i] == '0' && i + 1 < len && s[i + 1] != '.') || s[i] == '.')
		return false;
	for (; i < len; i++) {
		unsigned d = (unsigned)(s[i] - '0');

		if (d <= 9)
			m = m * 10 + (int64_t)d;
		else if (s[i] == '.' && point == 0)
			point = i + 1;
		else
			return false;
	}
	if (point == len)
		return false;
	*ret = (double)(negative ? -m : m);
	if (negative && m == 0)
		*ret = -0.0;
	if (point > 0)
		*ret /= powers[len - point];
	*ret_integer = point == 0;
	return true;
}

/* One cell under one reading.  Returns what it is. */
static enum cell_type judge(struct reading *r, const char *s, size_t len, bool comma,
			    struct place at)
{
	enum cell_type t;
	bool is_number, is_integer, is_word = false;
	unsigned fit;
	double v;

	if (plain_number(s, len, &v, &is_integer) && (is_integer || !comma)) {
		t = is_integer ? CELL_INTEGER : CELL_REAL;
		is_number = true;
	} else {
		t = cell_classify(s, len, comma);
		is_number = (t == CELL_INTEGER || t == CELL_REAL || t == CELL_TEXT) &&
			    number_parse(s, len, comma, &v);
		if (!is_number && t == CELL_TEXT) {
			is_word = number_is_null_word(s, len);
			is_number = !is_word && number_angle(s, len, 0, comma, &v);
			r->angles += is_number;
		}
	}
	r->types[t]++;
	fit = fits[t];
	if (is_word) {
		r->words++;
		fit |= FIT_INTEGER | FIT_REAL;
	} else if (is_number) {
		number(r, v);
		if (t == CELL_INTEGER && (v == 0 || v == 1))
			fit |= FIT_BOOLEAN;
	} else {
		find(&r->not_number, s, len, at);
	}
	if ((~fit & ~r->missed & FIT_ALL) != 0) {
		for (unsigned k = 0; k < FIT__N; k++)
			if ((fit >> k & 1) == 0)
				find(&r->misfit[k], s, len, at);
		r->missed |= ~fit & FIT_ALL;
	}
	return t;
}

/* [+-]?\d+,\d+ or [+-]?\d{1,3}(\.\d{3})+,\d+ */
static bool is_comma_number(const char *s, size_t len)
{
	double v;

	return memchr(s, ',', len) != NULL && number_parse(s, len, true, &v) &&
	       memchr(s, 'e', len) == NULL && memchr(s, 'E', len) == NULL;
}

static enum cell_type judge_both(struct colstats *c, struct column *col, const char *s, size_t len,
				 struct place at)
{
	enum cell_type t;

	if (c->decimal == ',')
		return judge(&col->as[1], s, len, true, at);
	t = judge(&col->as[0], s, len, false, at);
	if (!c->comma_possible || col->point)
		return t;
	if (is_comma_number(s, len))
		col->commas++;
	else if (t == CELL_REAL)
		col->point = memchr(s, '.', len) != NULL;
	if (!col->point)
		(void)judge(&col->as[1], s, len, true, at);
	return t;
}

/* ---- geometries and times in text */

static void look_for_geometry(struct column *col, enum cell_type t, const char *s, size_t len,
			      struct place at)
{
	struct geom *g = col->geom;
	enum geom_format f = t == CELL_TEXT ? geomcell_sniff(s, len) : GEOM_NONE;
	OGRGeometryH parsed = NULL;
	OGREnvelope e;
	int srid = 0;

	if (g == NULL) {
		if (f == GEOM_NONE && col->values < GEOM_TRIES)
			return;
		g = col->geom = mem_alloc(sizeof *g);
		g->tried = col->values - 1; /* cells before were none */
	}
	g->tried++;
	if (f != GEOM_NONE)
		parsed = geomcell_parse(s, len, &srid);
	if (parsed == NULL) {
		find(&g->bad, s, len, at);
		col->no_geom = g->tried >= GEOM_TRIES && g->ok * 2 < g->tried;
		return;
	}
	if (g->ok++ == 0) {
		g->format = f;
		g->srid = srid;
	}
	g->mixed_srid = g->mixed_srid || g->srid != srid;
	if (!OGR_G_IsEmpty(parsed)) {
		OGR_G_GetEnvelope(parsed, &e);
		if (!g->has_extent)
			memcpy(g->extent, (const double[4]){e.MinX, e.MinY, e.MaxX, e.MaxY},
			       sizeof g->extent);
		g->has_extent = true;
		g->extent[0] = fmin(g->extent[0], e.MinX);
		g->extent[1] = fmin(g->extent[1], e.MinY);
		g->extent[2] = fmax(g->extent[2], e.MaxX);
		g->extent[3] = fmax(g->extent[3], e.MaxY);
	}
	OGR_G_DestroyGeometry(parsed);
}

/* Whether a cell may be a time at all; numbers must look like years or compact dates. */
static bool may_be_time(enum cell_type t, const char *s, size_t len)
{
	if (t == CELL_DATE || t == CELL_DATETIME)
		return true;
	if (len < 4 || len > 40 || t == CELL_REAL || t == CELL_BOOLEAN)
		return false;
	if (t == CELL_INTEGER)
		return (len == 4 || len == 6 || len == 8) && (*s == '1' || *s == '2');
	return (*s >= '0' && *s <= '9') || *s == '-' || *s == '+' || *s == ' ';
}

/* The first value that may be a time: those before it are told to the guess now. */
static bool begin_guess(struct colstats *c, struct column *col, bool is_plausible, const char *s,
			size_t len, struct place at)
{
	if (!is_plausible) {
		find(&col->odd, s, len, at);
		col->no_time = ++col->before >= TIME_TRIES;
		return false;
	}
	if (c->guesses >= TIME_COLUMNS) {
		col->no_time = true;
		return false;
	}
	c->guesses++;
	col->guess = when_guess_new();
	for (int64_t i = 0; i < col->before; i++)
		when_guess_feed(col->guess, col->odd.value, strlen(col->odd.value),
				col->odd.at.row);
	col->fed = col->before;
	return true;
}

static void look_for_time(struct colstats *c, struct column *col, enum cell_type t, const char *s,
			  size_t len, struct place at)
{
	bool is_plausible = may_be_time(t, s, len);

	if (col->guess == NULL && !begin_guess(c, col, is_plausible, s, len, at))
		return;
	when_guess_feed(col->guess, s, len, at.row);
	col->plausible += is_plausible;
	col->fed++;
	if (col->fed % JUDGE_EVERY == 0 && col->plausible * 2 < col->fed) {
		when_guess_free(col->guess);
		col->guess = NULL;
		col->no_time = true;
		c->guesses--;
	}
}

/* ---- feeding */

void colstats_null(struct colstats *c, size_t i)
{
	c->v[i].nulls++;
}

void colstats_opaque(struct colstats *c, size_t i)
{
	c->v[i].values++;
}

static void sample(struct column *col, const char *s, size_t len)
{
	size_t cut = text_cut(s, len, VALUE_BYTES);

	for (size_t k = 0; k < col->n_samples; k++)
		if (strlen(col->samples[k]) == cut && memcmp(col->samples[k], s, cut) == 0)
			return;
	col->samples[col->n_samples++] = mem_strndup(s, cut);
}

static void remember_day(struct column *col, const char *s, size_t len)
{
	char day[40];

	while (len > 0 && *s == ' ') {
		s++;
		len--;
	}
	if (len >= sizeof day)
		return;
	memcpy(day, s, len);
	day[len] = '\0';
	if (col->first_day[0] == '\0' || strcmp(day, col->first_day) < 0)
		memcpy(col->first_day, day, sizeof day);
	if (col->last_day[0] == '\0' || strcmp(day, col->last_day) > 0)
		memcpy(col->last_day, day, sizeof day);
}

/* White space only; a look at the first byte spares most cells the question. */
static bool is_blank(const char *s, size_t len)
{
	unsigned char first = len == 0 ? ' ' : (unsigned char)*s;

	return len == 0 || ((first <= ' ' || first == 0xC2 || first == 0xE3) &&
			    cell_classify(s, len, false) == CELL_EMPTY);
}

void colstats_cell(struct colstats *c, size_t i, const char *s, size_t len, struct place at)
{
	struct column *col = &c->v[i];
	enum cell_type t;

	if (is_blank(s, len)) {
		col->nulls++;
		return;
	}
	col->values++;
	t = judge_both(c, col, s, len, at);
	if (t == CELL_DATE || t == CELL_DATETIME)
		remember_day(col, s, len);
	if (col->n_samples < SAMPLES)
		sample(col, s, len);
	if (!col->no_geom && (col->geom != NULL || t == CELL_TEXT))
		look_for_geometry(col, t, s, len, at);
	if (!col->no_time)
		look_for_time(c, col, t, s, len, at);
}

void colstats_number(struct colstats *c, size_t i, double v, bool is_integer, struct place at)
{
	struct column *col = &c->v[i];
	struct reading *r = &col->as[c->decimal == ','];
	char text[40];

	col->values++;
	r->types[is_integer ? CELL_INTEGER : CELL_REAL]++;
	if (isfinite(v))
		number(r, v);
	if (col->n_samples < SAMPLES || !isfinite(v)) {
		int n = snprintf(text, sizeof text, is_integer ? "%.0f" : "%.15g", v);

		if (!isfinite(v))
			find(&r->not_number, text, (size_t)n, at);
		if (col->n_samples < SAMPLES)
			sample(col, text, (size_t)n);
	}
}
