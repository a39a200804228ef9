/*
 * The jail itself: all rules of what slipway-geo may do once it has seen a byte of a user.
 * Source: contracts/security.md 4.1, 4.2.
 */
#ifndef SLIPWAY_GEO_SANDBOX_H
#define SLIPWAY_GEO_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

/*
 * Enter: no new privileges, no capabilities, Landlock, seccomp.  DIR is the job directory (NULL: no
 * files at all). *RET_LEVEL = 3, 2 (no Landlock here) or 1 (no seccomp either).
 * Errors: ERR_UNAVAILABLE when something failed that this system has: fatal for the caller.
 */
enum err sandbox_enter(const char *dir, int *ret_level, struct error *);

/*
 * The job's own limits, then the door behind them is shut: no limit can be changed any more.
 * THREADS:
 * it may have some; the worker counts them.
 * Units:  bytes, seconds.
 */
enum err sandbox_limits(int64_t memory, int64_t cpu_s, int64_t file_bytes, bool threads,
			struct error *);

#endif
