/*
 * The log sink: one line per event, control and non-UTF-8 bytes escaped, never a secret.
 */
#ifndef SLIPWAY_BASE_LOG_H
#define SLIPWAY_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* PROGRAM names the writer; PATH NULL = standard error, else appended to (reopened when it moved). */
void log_open(const char *program, const char *path);
void log_line(enum log_level level, const char *request_id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_reopen(void);

#endif
