/*
 * What databases say, as the signed APIs answer it.
 */
#include "signed/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool fault_set(struct fault *fault, enum fault_kind kind, const char *why, const char *fmt, ...)
{
	va_list args;

	if (fault->kind != FAULT_NONE)
		return false;
	fault->kind = kind;
	fault->why = why;
	va_start(args, fmt);
	(void)vsnprintf(fault->text, sizeof(fault->text), fmt, args);
	va_end(args);
	/* One failure is one line of the log. */
	for (char *at = fault->text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	return false;
}

const char *fault_not_a(enum column_type type)
{
	static const char *const texts[TYPE__MAX] = {
	    [TYPE_TEXT] = "not a valid value", [TYPE_INTEGER] = "not an integer",
	    [TYPE_REAL] = "not a number",      [TYPE_BOOLEAN] = "not a boolean",
	    [TYPE_DATE] = "not a date",	       [TYPE_TIMESTAMP] = "not a date and time",
	    [TYPE_JSON] = "not JSON",
	};

	return texts[type];
}

bool fault_refuse(const struct fault *fault, const char *place, struct refusal *r)
{
	static const char *const classes[FAULT__MAX] = {
	    [FAULT_VALUE] = "other",	       [FAULT_CONSTRAINT] = "constraint",
	    [FAULT_PERMISSION] = "permission", [FAULT_MISSING] = "missing object",
	    [FAULT_OTHER] = "other",
	};

	if (r->code == REFUSE_NOTHING)
		(void)snprintf(r->reason, sizeof(r->reason), "%s: %s", place, fault->text);
	switch (fault->kind) {
	case FAULT_BUSY:
		return refuse(r, REFUSE_BUSY, "%s", "");
	case FAULT_GONE:
		return refuse(r, REFUSE_UNREACHABLE, "%s", "");
	case FAULT_SPACE:
		return refuse(r, REFUSE_SPACE, "%s", "");
	case FAULT_NONE:
	case FAULT_VALUE:
	case FAULT_CONSTRAINT:
	case FAULT_PERMISSION:
	case FAULT_MISSING:
	case FAULT_OTHER:
	case FAULT__MAX:
		break;
	}
	return refuse(r, REFUSE_DATABASE, "%s in %s", classes[fault->kind], place);
}
