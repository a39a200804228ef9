#include "geo/gpx.h"

#include <expat.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "geo/xmlgate.h"

struct survey {
	XML_Parser parser;
	int depth;
	int at;	       /* depth of the <extensions> at hand, 0 = outside */
	int64_t begin; /* of the child of it, bytes */
	bool counted;  /* this child */
	bool flat;     /* the point at hand has no height so far */
	struct gpx_facts facts;
	int copy;    /* -1 = none */
	bool failed; /* to write to it */
};

static bool is_line_point(const char *local)
{
	return strcmp(local, "trkpt") == 0 || strcmp(local, "rtept") == 0;
}

static const char *local_name(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon != NULL ? colon + 1 : name;
}

static void on_start(void *user, const char *name, const char **attributes)
{
	struct survey *s = user;
	const char *local = local_name(name);

	(void)attributes;
	s->depth++;
	if (s->at == 0) {
		if (strcmp(local, "extensions") == 0)
			s->at = s->depth;
		if (is_line_point(local))
			s->flat = true;
		if (strcmp(local, "ele") == 0) {
			s->facts.heights++;
			s->flat = false;
		}
	} else if (s->depth == s->at + 1) {
		s->counted = false;
		s->begin = XML_GetCurrentByteIndex(s->parser);
	} else if (!s->counted) {
		s->counted = true;
		s->facts.nested++;
	}
}

static void blank(struct survey *s, int64_t from, int64_t to)
{
	char blanks[256];

	memset(blanks, ' ', sizeof(blanks));
	while (from < to && !s->failed) {
		size_t n =
		    to - from < (int64_t)sizeof(blanks) ? (size_t)(to - from) : sizeof(blanks);

		s->failed = pwrite(s->copy, blanks, n, from) != (ssize_t)n;
		from += (int64_t)n;
	}
}

static void on_end(void *user, const char *name)
{
	struct survey *s = user;

	if (s->at == 0 && is_line_point(local_name(name)))
		s->facts.flat += s->flat;
	if (s->at > 0 && s->depth == s->at + 1 && s->counted && s->copy >= 0)
		blank(s, s->begin,
		      XML_GetCurrentByteIndex(s->parser) + XML_GetCurrentByteCount(s->parser));
	if (s->depth-- == s->at)
		s->at = 0;
}

bool gpx_survey(const char *path, int copy, struct gpx_facts *ret)
{
	struct survey s = {.parser = XML_ParserCreate(NULL), .copy = copy};

	if (s.parser == NULL)
		mem_die();
	XML_SetUserData(s.parser, &s);
	XML_SetElementHandler(s.parser, on_start, on_end);
	/* What is told of a file that breaks off is what was met up to there. */
	(void)xml_parse_file(s.parser, path);
	*ret = s.facts;
	return !s.failed;
}
