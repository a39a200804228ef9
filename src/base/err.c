#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Codes are the words of wizard.md 18; where it has none, the name in lower case. */
static const struct row {
	const char *name; /* as in the enum */
	const char *code; /* for users of the wizard */
	short status;	  /* HTTP */
	bool ours;	  /* logged as our fault */
} rows[ERR__MAX] = {
    [ERR_OK] = {"ERR_OK", "ok", 200, false},
    [ERR_BAD_REQUEST] = {"ERR_BAD_REQUEST", "bad_body", 400, false},
    [ERR_AUTH] = {"ERR_AUTH", "login_required", 401, false},
    [ERR_FORBIDDEN] = {"ERR_FORBIDDEN", "forbidden", 403, false},
    [ERR_NOT_FOUND] = {"ERR_NOT_FOUND", "not_found", 404, false},
    [ERR_METHOD] = {"ERR_METHOD", "method", 405, false},
    [ERR_FORMAT] = {"ERR_FORMAT", "supermap_format", 406, false},
    [ERR_CONFLICT] = {"ERR_CONFLICT", "conflict", 409, false},
    [ERR_GONE] = {"ERR_GONE", "session_expired", 410, false},
    [ERR_NEED_LENGTH] = {"ERR_NEED_LENGTH", "need_length", 411, false},
    [ERR_VERSION] = {"ERR_VERSION", "version", 412, false},
    [ERR_TOO_LARGE] = {"ERR_TOO_LARGE", "too_large", 413, false},
    [ERR_URI_LONG] = {"ERR_URI_LONG", "uri_long", 414, false},
    [ERR_TYPE] = {"ERR_TYPE", "media_type", 415, false},
    [ERR_LOCKED] = {"ERR_LOCKED", "busy", 423, false},
    [ERR_RATE] = {"ERR_RATE", "rate", 429, false},
    [ERR_HEADERS] = {"ERR_HEADERS", "headers", 431, false},
    [ERR_OFFSET] = {"ERR_OFFSET", "offset", 409, false},
    [ERR_LENGTH] = {"ERR_LENGTH", "length", 400, false},
    [ERR_EXCEEDED] = {"ERR_EXCEEDED", "exceeded", 413, false},
    [ERR_QUOTA] = {"ERR_QUOTA", "quota", 413, false},
    [ERR_NO_SPACE] = {"ERR_NO_SPACE", "disk_full", 507, true},
    [ERR_CUT] = {"ERR_CUT", "bad_body", 400, false},
    [ERR_DISPLACED] = {"ERR_DISPLACED", "displaced", 400, false},
    [ERR_INCOMPLETE] = {"ERR_INCOMPLETE", "upload_incomplete", 409, false},
    [ERR_FINAL] = {"ERR_FINAL", "final", 403, false},
    [ERR_ALGORITHM] = {"ERR_ALGORITHM", "algorithm", 400, false},
    [ERR_CHECKSUM] = {"ERR_CHECKSUM", "checksum", 400, false},
    [ERR_DIGEST] = {"ERR_DIGEST", "digest", 400, false},
    [ERR_METADATA] = {"ERR_METADATA", "metadata", 400, false},
    [ERR_CONCAT] = {"ERR_CONCAT", "concat", 400, false},
    [ERR_STOPPING] = {"ERR_STOPPING", "busy", 503, false},
    [ERR_BUSY] = {"ERR_BUSY", "busy", 503, false},
    [ERR_SHORT] = {"ERR_SHORT", "short", 503, true},
    [ERR_STORE] = {"ERR_STORE", "unavailable", 503, true},
    [ERR_UNAVAILABLE] = {"ERR_UNAVAILABLE", "unavailable", 503, true},
    [ERR_TIMEOUT] = {"ERR_TIMEOUT", "timeout", 504, true},
    [ERR_IO] = {"ERR_IO", "internal", 500, true},
    [ERR_INTERNAL] = {"ERR_INTERNAL", "internal", 500, true},
};

/* A number that is no error of ours is a bug of ours: it reads as one. */
static const struct row *row_of(enum err err)
{
	if ((size_t)err >= ERR__MAX)
		return &rows[ERR_INTERNAL];
	return &rows[err];
}

const char *err_name(enum err err)
{
	return row_of(err)->name;
}

const char *err_code(enum err err)
{
	return row_of(err)->code;
}

int err_status(enum err err)
{
	return row_of(err)->status;
}

bool err_is_ours(enum err err)
{
	return row_of(err)->ours;
}

enum err err_of_errno(int number, enum err otherwise)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return ERR_NO_SPACE;
	case EROFS:
		return ERR_STORE;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return ERR_SHORT;
	default:
		return otherwise;
	}
}

enum err error_set(struct error *error, enum err err, const char *fmt, ...)
{
	va_list ap;

	if (error == NULL || error->err != ERR_OK)
		return err;
	error->err = err;
	va_start(ap, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, ap);
	va_end(ap);
	return err;
}

enum err error_errno(struct error *error, enum err err, const char *fmt, ...)
{
	int saved = errno;
	size_t used;
	va_list ap;

	err = err_of_errno(saved, err);
	if (error == NULL || error->err != ERR_OK)
		return err;
	error->err = err;
	va_start(ap, fmt);
	(void)vsnprintf(error->text, sizeof(error->text), fmt, ap);
	va_end(ap);
	used = strlen(error->text);
	(void)snprintf(error->text + used, sizeof(error->text) - used, ": %s",
		       strerrordesc_np(saved) != NULL ? strerrordesc_np(saved) : "unknown error");
	errno = saved;
	return err;
}

enum err error_code(struct error *error, enum err err, const char *code)
{
	if (error != NULL) {
		if (error->err == ERR_OK)
			error->err = err;
		(void)snprintf(error->code, sizeof(error->code), "%s", code);
	}
	return err;
}
