/*
 * What a job leaves in its folder out/: the job may have been taken over by the file it read.
 * Source: contracts/security.md 4.3.
 */
#ifndef SLIPWAY_WORKER_OUTPUT_H
#define SLIPWAY_WORKER_OUTPUT_H

#include "worker/worker.h"

/*
 * The file NAME, for reading: a regular one, under no second name, of at most MAX bytes (0: what a
 * job may write).  -1 with errno: there is no such file.
 */
int output_open(struct work *, const char *name, int64_t max);
/*
 * Move it to the path TO, below the data directory; its content is made durable by who needs it so.
 * Errors: those of output_open, and of renaming.
 */
enum err output_move(struct work *, const char *name, int64_t max, const char *to,
		     struct error *error);
/*
 * Is all of it within what a job may take while it works?  The limits of its files one by one are
 * the jail's; this counts them together.
 */
bool output_fits(struct work *);

#endif
