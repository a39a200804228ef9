#include "geo/xmlgate.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/charset.h"
#include "base/mem.h"
#include "base/text.h"

#define MAX_DEPTH 512
#define MAX_TOKEN (16 << 20) /* bytes expat may hold back before it reports something */
#define BLOCK	  65536

struct xml_gate {
	XML_Parser parser;
	const char *const *roots; /* borrowed */
	const char *namespace;	  /* borrowed */
	int depth;
	long long fed; /* bytes */
	bool rooted;   /* the root element has been seen */
	bool done;
	enum xml_verdict verdict;
};

static void stop(struct xml_gate *g, enum xml_verdict v)
{
	if (!g->done) {
		g->verdict = v;
		g->done = true;
		(void)XML_StopParser(g->parser, XML_FALSE);
	}
}

static bool root_is_welcome(const struct xml_gate *g, const char *name, const char **attributes)
{
	const char *colon = strchr(name, ':');

	if (g->roots == NULL)
		return true;
	for (size_t i = 0; g->roots[i] != NULL; i++)
		if (strcmp(colon != NULL ? colon + 1 : name, g->roots[i]) == 0)
			return true;
	for (size_t i = 0; g->namespace != NULL && attributes[i] != NULL; i += 2)
		if (strstr(attributes[i + 1], g->namespace) != NULL)
			return true;
	return false;
}

static void on_start(void *user, const char *name, const char **attributes)
{
	struct xml_gate *g = user;

	if (!g->rooted) {
		g->rooted = true;
		if (!root_is_welcome(g, name, attributes))
			stop(g, XML_FOREIGN);
	}
	if (++g->depth > MAX_DEPTH)
		stop(g, XML_BROKEN);
}

static void on_end(void *user, const char *name)
{
	struct xml_gate *g = user;

	(void)name;
	g->depth--;
}

static void on_doctype(void *user, const char *name, const char *system, const char *public,
		       int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	stop(user, XML_FORBIDDEN);
}

int xml_unknown_encoding(void *unused, const char *name, XML_Encoding *map)
{
	const char *charset = charset_canonical(name);

	(void)unused;
	if (charset == NULL)
		return XML_STATUS_ERROR;
	for (int b = 0; b < 256; b++) {
		char byte = (char)b;
		size_t len, bad;
		int32_t cp = -1;
		CLEAN_FREE char *utf8 = charset_decode(charset, &byte, 1, &len, &bad);

		if (utf8 == NULL)
			return XML_STATUS_ERROR;
		map->map[b] = bad == 0 && len > 0 && text_decode(utf8, len, &cp) == len ? cp : -1;
		/* A multi-byte encoding: its lead bytes decode to nothing alone. */
		if (b == 0x81 && map->map[b] == -1 && strncmp(charset, "windows", 7) != 0)
			return XML_STATUS_ERROR;
	}
	map->data = NULL;
	map->convert = NULL;
	map->release = NULL;
	return XML_STATUS_OK;
}

struct xml_gate *xml_gate_new(const char *const *roots, const char *namespace)
{
	struct xml_gate *g = mem_alloc(sizeof(*g));

	g->parser = XML_ParserCreate(NULL);
	if (g->parser == NULL)
		mem_die();
	g->roots = roots;
	g->namespace = namespace;
	XML_SetUserData(g->parser, g);
	XML_SetElementHandler(g->parser, on_start, on_end);
	XML_SetStartDoctypeDeclHandler(g->parser, on_doctype);
	XML_SetUnknownEncodingHandler(g->parser, xml_unknown_encoding, NULL);
	return g;
}

void xml_gate_free(struct xml_gate *g)
{
	if (g == NULL)
		return;
	XML_ParserFree(g->parser);
	free(g);
}

bool xml_gate_feed(struct xml_gate *g, const char *bytes, size_t len, bool last)
{
	if (g->done)
		return false;
	g->fed += (long long)len;
	if (XML_Parse(g->parser, bytes, (int)len, last) != XML_STATUS_OK)
		stop(g, XML_BROKEN);
	else if (last)
		g->done = true;
	else if (g->fed - XML_GetCurrentByteIndex(g->parser) > MAX_TOKEN)
		stop(g, XML_BROKEN);
	return !g->done;
}

enum xml_verdict xml_gate_verdict(const struct xml_gate *g)
{
	return g->verdict;
}

const char *xml_verdict_code(enum xml_verdict v)
{
	static const char *const codes[] = {
	    [XML_FINE] = NULL,
	    [XML_FORBIDDEN] = "xml_forbidden",
	    [XML_FOREIGN] = "content_mismatch",
	    [XML_BROKEN] = "format_unreadable",
	};

	return codes[v];
}

enum xml_verdict xml_gate_file(const char *path, const char *const *roots, const char *namespace)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct xml_gate *g = xml_gate_new(roots, namespace);
	enum xml_verdict v;
	char block[BLOCK];
	ssize_t n;

	do {
		n = fd < 0 ? -1 : read(fd, block, sizeof(block));
	} while (n >= 0 && xml_gate_feed(g, block, (size_t)n, n == 0));
	v = n < 0 ? XML_BROKEN : xml_gate_verdict(g);
	xml_gate_free(g);
	return v;
}

bool xml_parse_file(XML_Parser parser, const char *path)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum XML_Status status = XML_STATUS_OK;
	char block[BLOCK];
	ssize_t n;

	XML_SetUnknownEncodingHandler(parser, xml_unknown_encoding, NULL);
	do {
		n = fd < 0 ? -1 : read(fd, block, sizeof(block));
		if (n >= 0)
			status = XML_Parse(parser, block, (int)n, n == 0);
	} while (n > 0 && status == XML_STATUS_OK);
	XML_ParserFree(parser);
	return n >= 0 && status == XML_STATUS_OK;
}
