/*
 * A small template engine: model in, text out.  Escapes by context; has no word for "raw".
 *
 *   {{name}} {{a.b}} {{item.x}}     value, escaped for where it stands (text or quoted attribute)
 *   {{u name}}                      for a URL argument or path segment (percent-encoded)
 *   {{url "/upload/"}}              mount + path, escaped for an attribute
 *   {{t "key"}} {{t "key" a=b c=d}} words from text.<lang>, with {placeholders} filled from the
 *   model, escaped
 *   {{T name}}                      words whose key is the value of name ({{T "prefix." name}}
 *   joins)
 *   {{problem item}}                the sentence of a problem object; {{hint item}} what to do
 *   {{bytes n}} {{date ms}} {{num n}}  formatted; {{num}} marks thousands of whole numbers and
 *   gives others at most ten digits
 *   {{json name}}                   JSON for <script type="application/json">
 *   {{if a}} {{if a == "x"}} {{if a != b}} {{if not a}} {{elif b}} {{else}} {{end}}      empty
 *   array, "", 0, false, null are false
 *   {{for x in list}} … {{x.y}} {{x_index}} {{x_first}} {{x_last}} … {{end}}      x_index counts
 *   from 0
 *   {{include "head"}}              another template with the same model
 *   {{# comment}}
 *
 * Everything else is copied.  Where a tag stands (text, double-quoted attribute, script block) is
 * tracked while the template is compiled; a tag in an unquoted attribute, inside a tag name, style
 * or comment is a compile error.
 * In attributes href, src, action, formaction a value must be written with {{u}}, {{url}} or after
 * {{url …}}; at the attribute's
 * start it is checked to be https:, http:, mailto: or a path, query or fragment of ours, and "#" is
 * printed instead if not.
 * A line that holds nothing but one of {{if}} {{elif}} {{else}} {{end}} {{for}} {{include}} {{#}}
 * prints no empty line.
 * {{date}} takes milliseconds or ISO 8601 text.
 */
#ifndef SLIPWAY_HTTP_TEMPLATE_H
#define SLIPWAY_HTTP_TEMPLATE_H

#include <stdio.h>
#include "base/words.h"
#include "http/request.h"

/*
 * All templates of a folder, compiled at first use; reloaded when a file changed (development:
 * SLIPWAY_RELOAD=1).
 */
struct pages;
enum err pages_load(const char *dir, struct pages **ret, struct error *);
/*
 * The same, with the words read when the first is wanted: most answers of a CGI process need none.
 */
struct pages *pages_later(const char *dir);
void pages_free(struct pages *);
struct words *pages_words(struct pages *);
/* Errors: ERR_INTERNAL with template, line and reason in ERROR. */
enum err pages_print(struct pages *, const char *name, json_object *model, const char *mount,
		     enum lang, FILE *out, struct error *);

#endif
