/*
 * The XML of a zip member, parsed as it inflates and paused whenever its reader has enough: a pull
 * parser. Members have passed the gate before (no DOCTYPE); here one ends the parse all the same.
 */
#ifndef SLIPWAY_GEO_ZIPXML_H
#define SLIPWAY_GEO_ZIPXML_H

#include <stdbool.h>
#include <stddef.h>

struct zipxml;
enum zipxml_result { ZIPXML_PAUSED, ZIPXML_END, ZIPXML_BROKEN };

/* Names are local names; ATTS as expat gives them, "namespace|local". */
struct zipxml_handler {
	void (*start)(void *user, const char *name, const char **atts);
	void (*end)(void *user, const char *name);
	void (*text)(void *user, const char *s, size_t len); /* NULL: no text wanted */
};

/*
 * Open member NAME (without case) of ZIP, a libzip handle.
 * Owns: caller frees with zipxml_free.  NULL: there is no such member.
 */
struct zipxml *zipxml_new(void *zip, const char *name, const struct zipxml_handler *, void *user);
void zipxml_free(struct zipxml *);
/* Go on until a handler pauses or the document ends. */
enum zipxml_result zipxml_run(struct zipxml *);
/* From a handler: pause behind this event; or give the document up as broken. */
void zipxml_pause(struct zipxml *);
void zipxml_stop(struct zipxml *);
/* A whole member at once; false when missing or broken. */
bool zipxml_all(void *zip, const char *name, const struct zipxml_handler *, void *user);

/* The attribute with this local name (of a namespace that holds NS; NULL = any); NULL = not there.
 */
const char *zipxml_att(const char **atts, const char *ns, const char *local);

#endif
