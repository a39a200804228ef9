/*
 * The gate every XML document passes before GDAL sees it: root element on a list, no DOCTYPE, not
 * too deep, well-formed to the end.  Streaming, so that members of a zip pass it while they are
 * inflated.
 */
#ifndef SLIPWAY_GEO_XMLGATE_H
#define SLIPWAY_GEO_XMLGATE_H

#include <expat.h>
#include <stdbool.h>
#include <stddef.h>

enum xml_verdict {
	XML_FINE,
	XML_FORBIDDEN, /* a DOCTYPE or entity declaration */
	XML_FOREIGN,   /* well-formed so far, but the root element is none of those asked for */
	XML_BROKEN,    /* not well-formed, cut, too deep, or a token of more than 16 MiB */
};

struct xml_gate;
/*
 * ROOTS: local names that are welcome, NULL-terminated; NULL = any.  NAMESPACE (may be NULL): a
 * root of another name is welcome when one of its attributes holds this text.
 * Owns: caller frees with xml_gate_free; borrows ROOTS and NAMESPACE.
 */
struct xml_gate *xml_gate_new(const char *const *roots, const char *namespace);
void xml_gate_free(struct xml_gate *);
/* Feed bytes; false when there is no need for more.  LAST ends the document. */
bool xml_gate_feed(struct xml_gate *, const char *bytes, size_t len, bool last);
enum xml_verdict xml_gate_verdict(const struct xml_gate *);
/*
 * The code users are told: "xml_forbidden", "content_mismatch", "format_unreadable"; NULL for
 * XML_FINE.
 */
const char *xml_verdict_code(enum xml_verdict);

/* A whole file. */
enum xml_verdict xml_gate_file(const char *path, const char *const *roots, const char *namespace);
/*
 * PARSER, its handlers set by the caller, reads a whole file in any encoding we know and is freed.
 * False: the file cannot be read or is not well-formed.
 */
bool xml_parse_file(XML_Parser parser, const char *path);
/* Expat's handler for encodings it does not know (the single-byte ones of base/charset.h). */
int xml_unknown_encoding(void *unused, const char *name, XML_Encoding *info);

#endif
