#include "signed/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"

static const struct {
	int status;
	const char *text;
} rows[REFUSE__MAX] = {
    [REFUSE_NOTHING] = {200, "success"},
    [REFUSE_BAD] = {400, "bad request"},
    [REFUSE_AUTH] = {401, "auth failed"},
    [REFUSE_FORBIDDEN] = {403, "forbidden"},
    [REFUSE_UNKNOWN] = {404, "dataset not found"},
    [REFUSE_BUSY] = {409, "busy"},
    [REFUSE_LARGE] = {413, "too large"},
    [REFUSE_RATE] = {429, "too many requests"},
    [REFUSE_DATABASE] = {500, "database error"},
    [REFUSE_UNREACHABLE] = {503, "database not reachable"},
    [REFUSE_SPACE] = {507, "no space"},
    [REFUSE_FILE] = {400, "unsupported file"},
    [REFUSE_NO_FILE] = {404, "no such file"},
};

int refusal_status(enum refuse code)
{
	return rows[code].status;
}

const char *refusal_text(const struct refusal *r, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", rows[r->code].text, *r->what != '\0' ? ": " : "", r->what);
	return buf;
}

/* What was cut in the middle of a character loses the rest of it. */
static void end_at_character(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && !text_is_utf8(text, n))
		text[--n] = '\0';
}

bool refuse(struct refusal *r, enum refuse code, const char *fmt, ...)
{
	va_list args;

	if (r->code != REFUSE_NOTHING)
		return false;
	r->code = code;
	va_start(args, fmt);
	vsnprintf(r->what, sizeof(r->what), fmt, args);
	va_end(args);
	end_at_character(r->what);
	return false;
}
