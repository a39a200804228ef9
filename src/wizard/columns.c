#include "wizard/columns.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "wizard/columns_form.h"
#include "wizard/srs.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* ---- names: contracts/wizard.md 9.3 */

static const char *const lat_exact[] = {"lat",
					"latitude",
					"latitud",
					"latitudine",
					"lat_deg",
					"lat_dd",
					"lat_wgs84",
					"wgs84_lat",
					"gps_lat",
					"gpslat",
					"decimallatitude",
					"decimal_latitude",
					"breite",
					"breitengrad",
					"enlem",
					"широта",
					"纬度",
					"纬",
					"北纬",
					"緯度",
					"緯",
					"北緯",
					"위도"};
static const char *const lng_exact[] = {"lon",
					"lng",
					"long",
					"longitude",
					"longitud",
					"longitudine",
					"lon_deg",
					"lng_deg",
					"lon_dd",
					"lon_wgs84",
					"lng_wgs84",
					"wgs84_lon",
					"wgs84_lng",
					"gps_lon",
					"gps_lng",
					"gpslon",
					"gpslng",
					"decimallongitude",
					"decimal_longitude",
					"laenge",
					"länge",
					"laengengrad",
					"längengrad",
					"boylam",
					"долгота",
					"经度",
					"经",
					"东经",
					"經度",
					"經",
					"東經",
					"経度",
					"東経",
					"경도"};
static const char *const lat_axis[] = {"y",	  "ycoord", "y_coord", "coord_y", "coordy",
				       "point_y", "pointy", "utm_y",   "utm_n",	  "northing",
				       "north",	  "y坐标",  "y座標",   "北坐标",  "纵坐标"};
static const char *const lng_axis[] = {"x",	  "xcoord", "x_coord", "coord_x", "coordx",
				       "point_x", "pointx", "utm_x",   "utm_e",	  "easting",
				       "east",	  "x坐标",  "x座標",   "东坐标",  "横坐标"};
static const char *const lat_words[] = {"lat", "latitude"};
static const char *const lng_words[] = {"lon", "lng", "longitude"};
/* Counts only beside a latitude: "long_name" is none. */
static const char *const long_word[] = {"long"};
static const char *const lat_parts[] = {"纬度", "緯度", "위도"};
static const char *const lng_parts[] = {"经度", "經度", "経度", "경도"};
static const char *const both_parts[] = {"经纬", "經緯", "経緯"};

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, list[i]) == 0)
			return true;
	return false;
}

static bool has_part(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(s, list[i]) != NULL)
			return true;
	return false;
}

/* Drop what stands behind the name: "(°)", "[deg]", ":", ".". */
static void drop_tail(char *s)
{
	for (;;) {
		size_t len = strlen(s);
		char *open = NULL;

		while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t' || s[len - 1] == '.' ||
				   s[len - 1] == ':'))
			s[--len] = '\0';
		if (len > 0 && s[len - 1] == ')')
			open = strrchr(s, '(');
		else if (len > 0 && s[len - 1] == ']')
			open = strrchr(s, '[');
		if (open == NULL)
			return;
		*open = '\0';
	}
}

/* Trimmed, full-width folded to ASCII, without tail, in its own case.  NULL: not UTF-8. */
static char *normalised(const char *name)
{
	CLEAN_FREE char *trimmed = text_trim(name);
	char *out, *result;
	size_t len, n = 0;
	int32_t cp;

	if (trimmed == NULL)
		return NULL;
	len = strlen(trimmed);
	out = mem_alloc(len + 1);
	for (size_t i = 0; i < len;) {
		size_t step = text_decode(trimmed + i, len - i, &cp);

		if (cp == 0x3000)
			cp = ' ';
		else if (cp >= 0xFF01 && cp <= 0xFF5E)
			cp -= 0xFEE0;
		n += text_encode(cp, out + n); /* never longer than it was */
		i += step;
	}
	out[n] = '\0';
	drop_tail(out);
	result = text_trim(out);
	free(out);
	return result;
}

enum glyph { OTHER, LOWER, UPPER, LETTER, DIGIT };

static enum glyph glyph_of(int32_t cp)
{
	if (cp >= 'a' && cp <= 'z')
		return LOWER;
	if (cp >= 'A' && cp <= 'Z')
		return UPPER;
	return text_is_digit(cp) ? DIGIT : text_is_letter(cp) ? LETTER : OTHER;
}

/*
 * The next word of *S, folded; NULL = no more.  Words end at anything that is no letter or digit,
 * before a capital that follows a small letter, and between letters and digits.  Caller frees.
 */
static char *next_word(const char **s)
{
	const char *begin = NULL, *p = *s;
	enum glyph before = OTHER;
	int32_t cp;

	while (*p != '\0') {
		size_t n = text_decode(p, strlen(p), &cp);
		enum glyph now = glyph_of(cp);

		if (begin != NULL && (now == OTHER || (now == DIGIT) != (before == DIGIT) ||
				      (before == LOWER && now == UPPER)))
			break;
		if (begin == NULL && now != OTHER)
			begin = p;
		before = now;
		p += n;
	}
	*s = p;
	if (begin == NULL)
		return NULL;
	CLEAN_FREE char *word = mem_strndup(begin, (size_t)(p - begin));

	return text_fold(word);
}

static bool has_word(const char *name, const char *const *list, size_t n)
{
	char *word;
	bool found = false;

	while (!found && (word = next_word(&name)) != NULL) {
		found = is_one_of(word, list, n);
		free(word);
	}
	return found;
}

/* What one direction's names are. */
struct direction {
	const char *const *exact, *const *axis, *const *words, *const *parts;
	size_t n_exact, n_axis, n_words, n_parts;
};
static const struct direction latitude = {lat_exact,	lat_axis,    lat_words,	   lat_parts,
					  N(lat_exact), N(lat_axis), N(lat_words), N(lat_parts)};
static const struct direction longitude = {lng_exact,	 lng_axis,    lng_words,    lng_parts,
					   N(lng_exact), N(lng_axis), N(lng_words), N(lng_parts)};

static int name_result(const char *colname, const struct direction *d)
{
	CLEAN_FREE char *name = normalised(colname);
	CLEAN_FREE char *low = name != NULL ? text_fold(name) : NULL;
	bool lat, lng;

	if (low == NULL || *low == '\0')
		return 0;
	lat = has_word(name, lat_words, N(lat_words)) || has_part(low, lat_parts, N(lat_parts));
	lng = has_word(name, lng_words, N(lng_words)) || has_word(name, long_word, N(long_word)) ||
	      has_part(low, lng_parts, N(lng_parts));
	if ((lat && lng) || has_part(low, both_parts, N(both_parts)))
		return 0;
	if (is_one_of(low, d->exact, d->n_exact))
		return 3;
	if (has_word(name, d->words, d->n_words) || has_part(low, d->parts, d->n_parts))
		return 2;
	return is_one_of(low, d->axis, d->n_axis) ? 1 : 0;
}

int is_latitude(const char *colname)
{
	return name_result(colname, &latitude);
}

int is_longitude(const char *colname)
{
	return name_result(colname, &longitude);
}

/* ---- pairs: contracts/wizard.md 9.4 */

/* The name without what makes it a coordinate: "start_lat" and "start_lng" leave the same. */
static char *remainder_of(const char *colname)
{
	static const char *const drop[] = {"lat",	"latitude", "lon",   "lng",	"long",
					   "longitude", "x",	    "y",     "n",	"e",
					   "north",	"northing", "east",  "easting", "latitud",
					   "longitud",	"breite",   "länge", "laenge"};
	static const char *const parts[] = {"纬度", "緯度", "위도", "经度", "經度", "経度", "경도",
					    "北纬", "北緯", "东经", "東經", "東経", "纵",   "横",
					    "北",   "东",   "纬",   "緯",   "经",   "經"};
	CLEAN_FREE char *name = normalised(colname);
	const char *p = name != NULL ? name : "";
	char *text = NULL, *word;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		mem_die();
	while ((word = next_word(&p)) != NULL) {
		size_t len = strlen(word);

		for (size_t i = 0; i < N(parts); i++) {
			char *at = strstr(word, parts[i]);
			size_t n = strlen(parts[i]);

			if (at != NULL) {
				memmove(at, at + n, strlen(at + n) + 1);
				break;
			}
		}
		/* ycoord, pointx */
		if (len > 1 && (strcmp(word + 1, "coord") == 0 || strncmp(word, "coord", 5) == 0 ||
				strncmp(word, "point", 5) == 0))
			fprintf(f, "coord ");
		else if (!is_one_of(word, drop, N(drop)))
			fprintf(f, "%s ", word);
		free(word);
	}
	if (fclose(f) != 0)
		mem_die();
	return text;
}

struct candidate {
	int lat, lng; /* results of the name */
	int64_t values, numeric, lat_ok, lng_ok, survey, zone_ok;
	int zone;
	char *remainder; /* owned; NULL when the name says nothing */
};

/* Are at least PERCENT of ALL in SOME, and is there any? */
static bool share(int64_t some, int64_t all, int percent)
{
	return all > 0 && some * 100 >= all * percent;
}

static struct candidate *candidates_new(const json_object *columns, size_t n)
{
	struct candidate *v = mem_array(n > 0 ? n : 1, sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		const json_object *c = json_object_array_get_idx(columns, i);
		const json_object *zone = json_obj(c, "survey_zone");
		const char *name = json_str(c, "original", json_str(c, "name", ""));

		v[i].lat = is_latitude(name);
		v[i].lng = is_longitude(name);
		v[i].values = json_int(c, "values", 0);
		v[i].numeric = json_int(c, "numeric", 0);
		v[i].lat_ok = json_int(c, "lat_ok", 0);
		v[i].lng_ok = json_int(c, "lng_ok", 0);
		v[i].survey = json_int(c, "survey_x", 0);
		v[i].zone = (int)json_int(zone, "zone", 0);
		v[i].zone_ok = json_int(zone, "ok", 0);
		if (v[i].lat > 0 || v[i].lng > 0)
			v[i].remainder = remainder_of(name);
	}
	return v;
}

static int score(const struct candidate *v, size_t lat, size_t lng)
{
	const struct candidate *y = &v[lat], *x = &v[lng];
	int s = y->lat + x->lng;

	if (strcmp(y->remainder, x->remainder) == 0)
		s++;
	if (lat + 1 == lng || lng + 1 == lat)
		s++;
	if ((y->lat >= 2 && !share(y->lat_ok, y->values, 90)) ||
	    (x->lng >= 2 && !share(x->lng_ok, x->values, 90)))
		s -= 6;
	s -= share(y->numeric, y->values, 90) ? 0 : 3;
	s -= share(x->numeric, x->values, 90) ? 0 : 3;
	return s;
}

static bool is_northing(const struct candidate *c)
{
	return share(c->survey, c->numeric, 90);
}

static bool is_zoned_easting(const struct candidate *c)
{
	return srs_survey_zone(c->zone) != 0 && share(c->zone_ok, c->numeric, 90);
}

static void exchange(struct column_guess *g)
{
	int lat = g->lat;

	g->lat = g->lng;
	g->lng = lat;
}

/* Percent of C's values that are not what they should be, rounded up. */
static int bad_percent(const struct candidate *c, int name, int64_t ok)
{
	int64_t good = name >= 2 ? ok : c->numeric;

	return c->values == 0 ? 100 : (int)((100 * (c->values - good) + c->values - 1) / c->values);
}

/* The values have a say in what the names proposed. */
static void look_at_values(const struct candidate *v, struct column_guess *g)
{
	const struct candidate *y = &v[g->lat], *x = &v[g->lng];
	bool turned = is_northing(x) && is_zoned_easting(y);
	int bad_y, bad_x;

	if (turned || (is_northing(y) && is_zoned_easting(x))) {
		int zone = turned ? y->zone : x->zone;

		(void)snprintf(g->crs, sizeof(g->crs), "EPSG:%d", srs_survey_zone(zone));
		if (turned)
			exchange(g);
		g->reason = "survey_order";
		return;
	}
	if (share(y->numeric - y->lat_ok, y->numeric, 90) && share(y->lng_ok, y->numeric, 90) &&
	    share(x->lat_ok, x->numeric, 90)) {
		exchange(g);
		g->swapped = true;
		g->reason = "swapped";
		return;
	}
	bad_y = bad_percent(y, y->lat, y->lat_ok);
	bad_x = bad_percent(x, x->lng, x->lng_ok);
	g->percent_bad = bad_y > bad_x ? bad_y : bad_x;
	g->reason = g->percent_bad == 0 ? "name_and_values" : "name_only";
}

/* contracts/wizard.md 9.5 */
static bool is_certain_pair(const struct candidate *v, size_t n, const struct column_guess *g)
{
	const struct candidate *y = &v[g->lat], *x = &v[g->lng];
	size_t lats = 0, lngs = 0;

	for (size_t i = 0; i < n; i++) {
		lats += v[i].lat == 3;
		lngs += v[i].lng == 3;
	}
	return !g->swapped && y->lat == 3 && x->lng == 3 && lats == 1 && lngs == 1 &&
	       share(y->lat_ok, y->values, 99) && share(x->lng_ok, x->values, 99);
}

static void guess_pair(const json_object *columns, size_t n, struct column_guess *g)
{
	struct candidate *v = candidates_new(columns, n);
	int best = 0;

	for (size_t lat = 0; lat < n; lat++) {
		for (size_t lng = 0; v[lat].lat > 0 && lng < n; lng++) {
			int s;

			if (lng == lat || v[lng].lng == 0)
				continue;
			s = score(v, lat, lng);
			if (g->lat < 0 || s > best) {
				best = s;
				g->lat = (int)lat;
				g->lng = (int)lng;
			}
		}
	}
	if (g->lat >= 0) {
		look_at_values(v, g);
		g->certain = is_certain_pair(v, n, g);
	}
	for (size_t i = 0; i < n; i++)
		free(v[i].remainder);
	free(v);
}

/* A column of geometries, by content; a usual name breaks ties. */
static void guess_geometry(const json_object *columns, size_t n, struct column_guess *g)
{
	static const char *const names[] = {"wkt",	"geom",	    "geometry",
					    "the_geom", "wkt_geom", "shape"};
	bool named = false;

	for (size_t i = 0; i < n; i++) {
		const json_object *c = json_object_array_get_idx(columns, i),
				  *geom = json_obj(c, "geom");
		CLEAN_FREE char *low = text_fold(json_str(c, "original", json_str(c, "name", "")));
		int64_t values = json_int(c, "values", 0), ok = json_int(geom, "ok", 0);
		bool usual = low != NULL && is_one_of(low, names, N(names));

		if (!share(ok, values, 90) || (g->geometry >= 0 && (named || !usual)))
			continue;
		g->geometry = (int)i;
		g->reason = "content";
		g->percent_bad = (int)((100 * (values - ok) + values - 1) / values);
		g->certain = share(ok, values, 99);
		named = usual;
	}
}

void columns_guess(const json_object *layer, struct column_guess *ret)
{
	const json_object *columns = json_arr(layer, "columns");
	size_t n = json_len(columns);

	*ret = (struct column_guess){.lat = -1, .lng = -1, .geometry = -1, .reason = "none"};
	guess_pair(columns, n, ret);
	guess_geometry(columns, n, ret);
}
