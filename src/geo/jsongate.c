#include "geo/jsongate.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"

#define MAX_DEPTH 100           /* 32 nested geometry collections and what is around them */
#define MAX_WORD JSON_CRS_NAME  /* the longest key, type or name we look at */
#define BLOCK 65536

struct scan {
	struct json_facts *facts;
	int depth;
	bool in_string, escaped, long_word;
	int unicode;                    /* characters of a \u00.. seen, 0 = none */
	bool object[MAX_DEPTH + 1];     /* what is open at each depth; else an array */
	bool want_value[MAX_DEPTH + 1]; /* after the colon */
	char key[4][MAX_WORD];          /* the last keys of depths 1..3 */
	char word[MAX_WORD];            /* the string at hand */
	size_t word_len;
	char number[JSON_CRS_NAME];	/* the number at hand, its first characters */
	size_t number_len;		/* characters of it */
	int64_t at, word_at;            /* byte offsets */
	bool typed;                     /* this top-level object has told a type we know */
};

static bool is_geojson_type(const char *word)
{
	static const char *const types[] = {
		"FeatureCollection", "Feature", "Point", "LineString", "Polygon", "MultiPoint",
		"MultiLineString", "MultiPolygon", "GeometryCollection",
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], word) == 0)
			return true;
	return false;
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
	if (d < 1 || d > 3 || !s->object[d])
		return;
	if (!s->want_value[d]) {
		memcpy(s->key[d], s->long_word ? "" : s->word, s->long_word ? 1 : MAX_WORD);
		/* A STAC catalogue is a list of links, whatever else it is. */
		if (d != 2 && strcmp(s->key[d], "stac_version") == 0)
			refuse(s, "content_mismatch");
		return;
	}
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
	if (s->depth >= MAX_DEPTH) {
		refuse(s, "format_unreadable");
		return;
	}
	s->depth++;
	s->object[s->depth] = object;
	s->want_value[s->depth] = false;
	if (s->depth <= 3)
		s->key[s->depth][0] = '\0';
}

static void close_value(struct scan *s, bool object)
{
	if (s->depth == 0 || s->object[s->depth] != object) {
		refuse(s, "format_unreadable");
		return;
	}
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
	s->number[len < JSON_CRS_NAME ? len : JSON_CRS_NAME - 1] = '\0';
	if (strspn(s->number + sign, "0123456789") != strlen(s->number + sign))
		return;
	if ((d == 1 || (d == 3 && strcmp(s->key[1], "features") == 0)) && s->object[d] &&
	    strcmp(s->key[d], "id") == 0)
		s->facts->number_ids++;
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
	case ' ': case '\t': case '\r': case '\n':
	case '\x1e':    /* RFC 8142: before each text of a sequence */
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
			s->long_word = true;    /* no word we look for needs an escape */
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
	if (ret->objects == 0)
		refuse(&s, "content_mismatch");
}
