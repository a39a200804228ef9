#include "geo/jsongate.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/text.h"

#define MAX_DEPTH 100		/* 32 nested geometry collections and what is around them */
#define MAX_WORD  JSON_CRS_NAME /* the longest key, type or name we look at */
#define BLOCK	  65536

struct scan {
	struct json_facts *facts;
	int depth;
	bool in_string, escaped, long_word;
	int unicode;			   /* characters of a \u00.. seen, 0 = none */
	bool object[MAX_DEPTH + 1];	   /* what is open at each depth; else an array */
	bool want_value[MAX_DEPTH + 1];	   /* after the colon */
	char key[MAX_DEPTH + 1][MAX_WORD]; /* the last one at each depth */
	int64_t numbers[MAX_DEPTH + 1];	   /* of the array open at each depth */
	struct strangers {
		int64_t n; /* members that GeoJSON does not know */
		char names[JSON_FOREIGN];
		bool lost; /* a feature's without "properties" are taken for these */
			   /* of the object at depth 1, and of a feature of a collection */
	} strangers[2];
	char word[MAX_WORD]; /* the string at hand */
	size_t word_len;
	char number[JSON_CRS_NAME]; /* the number at hand, its first characters */
	size_t number_len;	    /* characters of it */
	int64_t at, word_at;	    /* byte offsets */
	int64_t text_ids, own_ids;  /* features whose "id" is a text; properties of that name */
	bool typed;		    /* this top-level object has told a type we know */
};

static bool is_geojson_type(const char *word)
{
	static const char *const types[] = {
	    "FeatureCollection", "Feature",	    "Point",	    "LineString",	  "Polygon",
	    "MultiPoint",	 "MultiLineString", "MultiPolygon", "GeometryCollection",
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], word) == 0)
			return true;
	return false;
}

/* Depth of the feature at hand. */
static int feature_depth(const struct scan *s)
{
	return s->depth >= 3 && strcmp(s->key[1], "features") == 0 ? 3 : 1;
}

static void add_name(char names[JSON_FOREIGN], const char *name)
{
	size_t len = strlen(names), n = strlen(name);

	for (const char *at = names; n > 0 && (at = strstr(at, name)) != NULL; at++)
		if ((at == names || at[-1] == ' ') && (at[n] == '\0' || at[n] == ','))
			return;
	if (n > 0 && len + n + 3 <= JSON_FOREIGN && text_is_utf8(name, n))
		(void)snprintf(names + len, JSON_FOREIGN - len, "%s%s", len > 0 ? ", " : "", name);
}

/*
 * A member of a collection or feature: one of RFC 7946, or GDAL's or a server's word on the file
 * itself?
 */
static void take_member(struct scan *s, const char *name)
{
	static const char *const known[] = {
	    "type",
	    "features",
	    "geometry",
	    "properties",
	    "id",
	    "bbox",
	    "crs",
	    "name",
	    "coordinates",
	    "geometries",
	    "geometry_name",
	    "totalFeatures",
	    "numberMatched",
	    "numberReturned",
	    "timeStamp",
	    "xy_coordinate_resolution",
	    "z_coordinate_resolution",
	};
	struct strangers *o = &s->strangers[s->depth == 3];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], name) == 0)
			return;
	o->n++;
	add_name(o->names, s->long_word ? "" : name);
}

static void end_member_object(struct scan *s)
{
	struct strangers *o = &s->strangers[s->depth == 3];
	char *rest = NULL;

	if (!o->lost || o->n == 0)
		return;
	s->facts->foreign += o->n;
	for (char *name = strtok_r(o->names, ",", &rest); name != NULL;
	     name = strtok_r(NULL, ",", &rest))
		add_name(s->facts->foreign_names, name + strspn(name, " "));
}

/* An array of numbers ended: is it a position of more than three? */
static void end_numbers(struct scan *s)
{
	int at = feature_depth(s), d = s->depth;

	while (d > 0 && !s->object[d])
		d--;
	if (d >= at && strcmp(s->key[d], "coordinates") == 0 &&
	    (d == at || strcmp(s->key[at], "geometry") == 0 ||
	     strcmp(s->key[at], "geometries") == 0))
		s->facts->measures++;
}

static void refuse(struct scan *s, const char *code)
{
	if (s->facts->code == NULL)
		s->facts->code = code;
}

/* A string ended: a key, or a value we may care about. */
static void end_string(struct scan *s)
{
	int d = s->depth;

	s->word[s->word_len < MAX_WORD ? s->word_len : MAX_WORD - 1] = '\0';
	if (d < 1 || !s->object[d])
		return;
	if (!s->want_value[d]) {
		memcpy(s->key[d], s->long_word ? "" : s->word, s->long_word ? 1 : MAX_WORD);
		if (d == feature_depth(s) || d == 1)
			take_member(s, s->key[d]);
		s->own_ids += d > 1 && d == feature_depth(s) + 1 &&
			      strcmp(s->key[d - 1], "properties") == 0 &&
			      strcmp(s->key[d], "id") == 0;
		/* A STAC catalogue is a list of links, whatever else it is. */
		if (d != 2 && d <= 3 && strcmp(s->key[d], "stac_version") == 0)
			refuse(s, "content_mismatch");
		return;
	}
	s->text_ids += d == feature_depth(s) && strcmp(s->key[d], "id") == 0;
	if (d == 1 && strcmp(s->key[1], "type") == 0) {
		if (is_geojson_type(s->word))
			s->typed = true;
		else
			refuse(s, "content_mismatch");
	}
	if (d == 2 && strcmp(s->key[1], "crs") == 0 && strcmp(s->key[2], "type") == 0 &&
	    strcasecmp(s->word, "link") == 0) {
		s->facts->crs_link = true;
		s->facts->crs_link_at = s->word_at;
	}
	if (d == 1 && strcmp(s->key[1], "crs") == 0)
		s->facts->crs_text = true;
	if (d == 3 && strcmp(s->key[1], "crs") == 0 && strcmp(s->key[2], "properties") == 0 &&
	    strcmp(s->key[3], "name") == 0 && !s->long_word)
		memcpy(s->facts->crs_name, s->word, sizeof(s->facts->crs_name));
}

static void open_value(struct scan *s, bool object)
{
	if (s->depth == 0) {
		s->facts->objects++;
		s->typed = false;
		if (!object)
			refuse(s, "content_mismatch");
	}
	if ((s->depth == 1 || s->depth == feature_depth(s)) && s->object[s->depth] &&
	    strcmp(s->key[s->depth], object ? "properties" : "features") == 0)
		s->strangers[s->depth == 3].lost = true;
	if (s->depth >= MAX_DEPTH) {
		refuse(s, "format_unreadable");
		return;
	}
	s->depth++;
	s->object[s->depth] = object;
	s->want_value[s->depth] = false;
	s->key[s->depth][0] = '\0';
	s->numbers[s->depth] = 0;
	if (s->depth == 1 || s->depth == 3)
		s->strangers[s->depth == 3] = (struct strangers){0};
}

static void close_value(struct scan *s, bool object)
{
	if (s->depth == 0 || s->object[s->depth] != object) {
		refuse(s, "format_unreadable");
		return;
	}
	if (s->numbers[s->depth] > 3 && !object)
		end_numbers(s);
	if (object && (s->depth == 1 || s->depth == feature_depth(s)))
		end_member_object(s);
	s->depth--;
	if (s->depth == 0 && !s->typed)
		refuse(s, "content_mismatch");
}

/* A number ended: is it the id of a feature, or more than 64 bits hold? */
static void end_number(struct scan *s)
{
	size_t len = s->number_len, sign = s->number[0] == '-';
	int d = s->depth;

	s->number_len = 0;
	s->numbers[d]++;
	s->number[len < JSON_CRS_NAME ? len : JSON_CRS_NAME - 1] = '\0';
	if (strspn(s->number + sign, "0123456789") != strlen(s->number + sign))
		return;
	if ((d == 1 || (d == 3 && strcmp(s->key[1], "features") == 0)) && s->object[d] &&
	    strcmp(s->key[d], "id") == 0)
		s->facts->lost_ids++;
	if (len - sign < 19 ||
	    (len - sign == 19 &&
	     strcmp(s->number + sign, sign ? "9223372036854775808" : "9223372036854775807") <= 0))
		return;
	if (s->facts->huge++ == 0)
		memcpy(s->facts->huge_first, s->number, sizeof(s->facts->huge_first));
}

static void outside_string(struct scan *s, char c)
{
	if (strchr("0123456789+-.eE", c) != NULL && c != '\0' && s->depth > 0) {
		if (s->number_len < JSON_CRS_NAME - 1)
			s->number[s->number_len] = c;
		s->number_len++;
		return;
	}
	if (s->number_len > 0)
		end_number(s);
	switch (c) {
	case '"':
		s->in_string = true;
		s->long_word = false;
		s->word_len = 0;
		s->word_at = s->at + 1;
		break;
	case '{':
	case '[':
		open_value(s, c == '{');
		break;
	case '}':
	case ']':
		close_value(s, c == '}');
		break;
	case ':':
		s->want_value[s->depth] = true;
		break;
	case ',':
		s->want_value[s->depth] = false;
		break;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case '\x1e': /* RFC 8142: before each text of a sequence */
		break;
	default:
		/* Numbers and words are welcome inside values only. */
		if (s->depth == 0)
			refuse(s, "content_mismatch");
		break;
	}
}

/*
 * ASCII written as \u00.. where we look for words hides them: nobody writes that but to get past
 * us.
 */
static bool is_disguise(const struct scan *s)
{
	return (s->depth == 1 && (!s->want_value[1] || strcmp(s->key[1], "type") == 0)) ||
	       (s->depth == 2 && strcmp(s->key[1], "crs") == 0);
}

static void scan_block(struct scan *s, const char *p, size_t n)
{
	for (size_t i = 0; i < n && s->facts->code == NULL; i++, s->at++) {
		char c = p[i];

		if (!s->in_string) {
			outside_string(s, c);
		} else if (s->unicode > 0) {
			s->unicode = c == '0' ? s->unicode + 1 : 0;
			if (s->unicode == 3)
				refuse(s, "content_mismatch");
		} else if (s->escaped) {
			s->escaped = false;
			s->unicode = c == 'u' && is_disguise(s);
			s->long_word = true; /* no word we look for needs an escape */
		} else if (c == '\\') {
			s->escaped = true;
		} else if (c == '"') {
			s->in_string = false;
			end_string(s);
		} else if (s->word_len < MAX_WORD - 1) {
			s->word[s->word_len++] = c;
		} else {
			s->long_word = true;
		}
	}
}

void json_gate_file(const char *path, struct json_facts *ret)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct scan s = {.facts = ret};
	char block[BLOCK];
	ssize_t n = -1;

	*ret = (struct json_facts){0};
	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0 && ret->code == NULL) {
		char *p = block;

		if (s.at == 0 && n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
			p += 3;
			n -= 3;
			s.at = 3;
		}
		scan_block(&s, p, (size_t)n);
	}
	if (n < 0 || s.depth != 0 || s.in_string)
		refuse(&s, "format_unreadable");
	/* A text of a feature's is GDAL's property "id", where the file has none. */
	ret->lost_ids += s.own_ids > 0 ? s.text_ids : 0;
	if (ret->objects == 0)
		refuse(&s, "content_mismatch");
}
