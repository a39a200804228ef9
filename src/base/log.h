/*
 * The log sink: one line per event, control and non-UTF-8 bytes escaped, never a secret: of 32
 * hexadecimal digits and more in a row, which open uploads and logins, eight are told.
 */
#ifndef SLIPWAY_BASE_LOG_H
#define SLIPWAY_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/*
 * PROGRAM names the writer; PATH NULL = standard error, else appended to (reopened when it moved).
 */
void log_open(const char *program, const char *path);
/*
 * A JSON object a line from now on: "time", "level", "program", "pid", "request", and "text" or a
 * request's figures.
 */
void log_json(bool on);
void log_line(enum log_level level, const char *request_id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The one line of an answered request. */
struct log_request {
	const char *id, *method, *path;
	int status;
	int64_t ms;
	int64_t bytes_in; /* of the body */
};
void log_request(const struct log_request *);

#endif
