/*
 * The last signed requests that were refused, with the reasons clients are not told: for the
 * operator's page and command.  Two files below data_dir, each of bounded size; losing them loses
 * nothing else. Source: contracts/signed-api.md 6.
 */
#ifndef SLIPWAY_SIGNED_JOURNAL_H
#define SLIPWAY_SIGNED_JOURNAL_H

#include "base/json.h"
#include "signed/refusal.h"

#define JOURNAL_FILE_MAX  (1 << 20) /* bytes of one file; then it becomes the older one */
#define JOURNAL_ENTRY_MAX 2048	    /* bytes of a line */

struct journal_entry {
	int64_t time_ms;
	const char *account, *receiver; /* as the request named them; NULL = not known */
	const char *address;
	const char *request; /* id of the request, as in the log */
};
/* Note a refusal.  WHY: what the log says; NULL = the refusal's own reason.  Never fails a request.
 */
void journal_add(const char *data_dir, const struct journal_entry *, const struct refusal *,
		 const char *why);
/*
 * The newest MAX entries that name NAME as account or receiver (NULL: all), newest first:
 * {"time":ms,"account","receiver","address","request","status","msg","reason"}.
 * Owns:   caller frees.
 */
json_object *journal_read(const char *data_dir, const char *name, size_t max);

#endif
