#include "geo/zipxml.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>
#include "base/mem.h"

#define BLOCK 65536

struct zipxml {
	zip_file_t *file;
	XML_Parser parser;
	struct zipxml_handler on;
	void *user;
	bool paused; /* the parser holds unread input */
	bool last;   /* all bytes have been given */
	bool broken;
};

static const char *local(const char *name)
{
	const char *bar = strrchr(name, '|');

	return bar == NULL ? name : bar + 1;
}

static void on_start(void *user, const char *name, const char **atts)
{
	struct zipxml *z = user;

	if (!z->broken)
		z->on.start(z->user, local(name), atts);
}

static void on_end(void *user, const char *name)
{
	struct zipxml *z = user;

	if (!z->broken)
		z->on.end(z->user, local(name));
}

static void on_text(void *user, const char *s, int len)
{
	struct zipxml *z = user;

	if (!z->broken)
		z->on.text(z->user, s, (size_t)len);
}

static void on_doctype(void *user, const char *name, const char *system, const char *public,
		       int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	zipxml_stop(user);
}

struct zipxml *zipxml_new(void *zip, const char *name, const struct zipxml_handler *on, void *user)
{
	zip_int64_t at = zip_name_locate(zip, name, ZIP_FL_NOCASE);
	zip_file_t *file = at < 0 ? NULL : zip_fopen_index(zip, (zip_uint64_t)at, 0);
	struct zipxml *z;

	if (file == NULL)
		return NULL;
	z = mem_alloc(sizeof *z);
	z->file = file;
	z->on = *on;
	z->user = user;
	z->parser = XML_ParserCreateNS(NULL, '|');
	if (z->parser == NULL)
		mem_die();
	XML_SetUserData(z->parser, z);
	XML_SetElementHandler(z->parser, on_start, on_end);
	if (on->text != NULL)
		XML_SetCharacterDataHandler(z->parser, on_text);
	XML_SetStartDoctypeDeclHandler(z->parser, on_doctype);
	return z;
}

void zipxml_free(struct zipxml *z)
{
	if (z == NULL)
		return;
	XML_ParserFree(z->parser);
	(void)zip_fclose(z->file);
	free(z);
}

void zipxml_pause(struct zipxml *z)
{
	(void)XML_StopParser(z->parser, XML_TRUE);
}

void zipxml_stop(struct zipxml *z)
{
	z->broken = true;
	(void)XML_StopParser(z->parser, XML_FALSE);
}

static enum XML_Status feed(struct zipxml *z)
{
	void *buf = XML_GetBuffer(z->parser, BLOCK);
	zip_int64_t n;

	if (buf == NULL)
		mem_die();
	n = zip_fread(z->file, buf, BLOCK);
	if (n < 0)
		return XML_STATUS_ERROR;
	z->last = n == 0;
	return XML_ParseBuffer(z->parser, (int)n, z->last);
}

enum zipxml_result zipxml_run(struct zipxml *z)
{
	while (!z->broken && (z->paused || !z->last)) {
		enum XML_Status s = z->paused ? XML_ResumeParser(z->parser) : feed(z);

		z->paused = s == XML_STATUS_SUSPENDED;
		if (z->paused)
			return ZIPXML_PAUSED;
		z->broken = z->broken || s != XML_STATUS_OK;
	}
	return z->broken ? ZIPXML_BROKEN : ZIPXML_END;
}

bool zipxml_all(void *zip, const char *name, const struct zipxml_handler *on, void *user)
{
	struct zipxml *z = zipxml_new(zip, name, on, user);
	enum zipxml_result r = z == NULL ? ZIPXML_BROKEN : zipxml_run(z);

	zipxml_free(z);
	return r == ZIPXML_END;
}

const char *zipxml_att(const char **atts, const char *ns, const char *name)
{
	for (; *atts != NULL; atts += 2) {
		const char *bar = strrchr(*atts, '|');

		if (strcmp(bar == NULL ? *atts : bar + 1, name) == 0 &&
		    (ns == NULL || (bar != NULL && strstr(*atts, ns) != NULL)))
			return atts[1];
	}
	return NULL;
}
