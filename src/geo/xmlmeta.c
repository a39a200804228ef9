#include "geo/xmlmeta.h"

#include <expat.h>
#include <fcntl.h>
#include <string.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/xmlgate.h"

/* bytes; the gate has let pass what the limit of side files allows */
#define MAX_FILE     (16 << 20)
#define MAX_PATH     1024  /* of "/a/b/c" */
#define MAX_VALUE    10000 /* bytes kept of one text: the abstract's limit */
#define MAX_UUID     128   /* bytes */
#define MAX_TITLE    255   /* bytes: within the final step's limits in characters */
#define MAX_KEYWORD  100   /* bytes */
#define MAX_KEYWORDS 50

/* Ends of paths of local names, and where their text goes.  The first value of a member counts. */
static const struct {
	const char *end;
	const char *member;
} rules[] = {
    {"/MD_Metadata/fileIdentifier/CharacterString", "uuid"},
    {"/identificationInfo/MD_DataIdentification/citation/CI_Citation/title/CharacterString",
     "title"},
    {"/identificationInfo/MD_DataIdentification/abstract/CharacterString", "abstract"},
    {"/MD_Keywords/keyword/CharacterString", "keywords"},
    {"/MD_Keywords/keyword/Anchor", "keywords"},
    {"/metadata/idinfo/citation/citeinfo/title", "title"},
    {"/metadata/idinfo/descript/abstract", "abstract"},
    {"/keywords/theme/themekey", "keywords"},
    {"/keywords/place/placekey", "keywords"},
    {"/metadata/Esri/ArcGISProfile/uuid", "uuid"},
    {"/metadata/mdFileID", "uuid"},
    {"/metadata/dataIdInfo/idCitation/resTitle", "title"},
    {"/metadata/dataIdInfo/idAbs", "abstract"},
    {"/metadata/dataIdInfo/searchKeys/keyword", "keywords"},
};

/* Dublin Core stands in many wrappings: its elements are known by their prefix. */
static const struct {
	const char *name;
	const char *member;
} dublin[] = {
    {"dc:title", "title"},	  {"dc:description", "abstract"},
    {"dct:abstract", "abstract"}, {"dcterms:abstract", "abstract"},
    {"dc:subject", "keywords"},	  {"dc:identifier", "uuid"},
};

struct reader {
	json_object *found;
	char path[MAX_PATH];
	size_t len;
	size_t lost;	    /* elements deeper than the path can say */
	const char *member; /* where the text at hand goes; NULL = nowhere */
	char text[MAX_VALUE + 1];
	size_t text_len;
};

static const char *member_of(const struct reader *r, const char *name)
{
	for (size_t i = 0; i < sizeof(dublin) / sizeof(dublin[0]); i++)
		if (strcmp(dublin[i].name, name) == 0)
			return dublin[i].member;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		size_t n = strlen(rules[i].end);

		if (r->len >= n && strcmp(r->path + r->len - n, rules[i].end) == 0)
			return rules[i].member;
	}
	return NULL;
}

static void on_start(void *user, const char *name, const char **attributes)
{
	struct reader *r = user;
	const char *colon = strchr(name, ':'), *local = colon != NULL ? colon + 1 : name;
	size_t n = strlen(local);

	(void)attributes;
	if (r->lost > 0 || r->len + n + 2 > sizeof(r->path)) {
		r->lost++;
		return;
	}
	r->path[r->len] = '/';
	memcpy(r->path + r->len + 1, local, n + 1);
	r->len += n + 1;
	r->member = member_of(r, name);
	r->text_len = 0;
}

static void on_text(void *user, const char *s, int len)
{
	struct reader *r = user;
	size_t n = (size_t)len;

	if (r->member == NULL || r->lost > 0)
		return;
	if (n > MAX_VALUE - r->text_len)
		n = text_cut(s, (size_t)len, MAX_VALUE - r->text_len);
	memcpy(r->text + r->text_len, s, n);
	r->text_len += n;
}

static size_t most_bytes(const char *member)
{
	return strcmp(member, "abstract") == 0	 ? MAX_VALUE
	       : strcmp(member, "uuid") == 0	 ? MAX_UUID
	       : strcmp(member, "keywords") == 0 ? MAX_KEYWORD
						 : MAX_TITLE;
}

static void keep(struct reader *r)
{
	CLEAN_FREE char *value = NULL;
	json_object *list;

	r->text[r->text_len] = '\0';
	value = text_trim(r->text);
	if (value == NULL || value[0] == '\0')
		return;
	value[text_cut(value, strlen(value), most_bytes(r->member))] = '\0';
	if (strcmp(r->member, "keywords") != 0) {
		if (json_get(r->found, r->member) == NULL)
			json_set_str(r->found, r->member, value);
		return;
	}
	list = json_arr(r->found, "keywords");
	if (list == NULL) {
		list = json_object_new_array();
		json_set(r->found, "keywords", list);
	}
	if (json_len(list) < MAX_KEYWORDS)
		json_object_array_add(list, json_object_new_string(value));
}

static void on_end(void *user, const char *name)
{
	struct reader *r = user;

	(void)name;
	if (r->lost > 0) {
		r->lost--;
		return;
	}
	if (r->member != NULL)
		keep(r);
	r->member = NULL;
	while (r->len > 0 && r->path[--r->len] != '/')
		;
	r->path[r->len] = '\0';
}

json_object *xmlmeta_read(const char *path)
{
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE struct reader *r = mem_alloc(sizeof(*r));
	XML_Parser parser;
	size_t len;
	bool fine;

	if (fs_read_file(AT_FDCWD, path, MAX_FILE, &text, &len, NULL) != ERR_OK)
		return NULL;
	parser = XML_ParserCreate(NULL);
	if (parser == NULL)
		mem_die();
	r->found = json_object_new_object();
	XML_SetUserData(parser, r);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	XML_SetUnknownEncodingHandler(parser, xml_unknown_encoding, NULL);
	fine = XML_Parse(parser, text, (int)len, 1) == XML_STATUS_OK;
	XML_ParserFree(parser);
	if (fine && json_object_object_length(r->found) > 0)
		return r->found;
	json_object_put(r->found);
	return NULL;
}
