/*
 * The files of the tables, looked at without Berkeley DB: is each that was made still there, and
 * what was written to it? DIR is a data directory or a copy.  Private to store/.
 */
#ifndef SLIPWAY_STORE_WHOLE_H
#define SLIPWAY_STORE_WHOLE_H

#include "store/record.h"

/*
 * Was TABLE made once, and has no file any more?  The file db/tables names those that were made: a
 * table that is not in it is one that an older program did not have.
 */
bool whole_lost(const char *dir, enum table table);
/*
 * Name every table that has a file in db/tables; those named there stay.  Inside, with what is to
 * be replayed on disk.
 */
enum err whole_note(const char *dir, struct error *);
/*
 * A table is to be made anew: its file and its name in db/tables go.  Inside; whoever comes next
 * recovers.
 */
enum err whole_forget(const char *dir, enum table table, struct error *);

/* Are there tables, and no logs? */
bool whole_without_logs(const char *dir);

/*
 * Is a page of TABLE's file not what Berkeley DB wrote there, or the file cut?  None at all is not
 * looked at here.
 */
bool whole_damaged(const char *dir, enum table table);

/* Say what became of TABLE and what is to be done.  Returns ERR_STORE. */
enum err whole_tell(enum table table, bool lost, struct error *);

/* ERR_STORE for the first table that is lost, or damaged. */
enum err whole_check_lost(const char *dir, struct error *);
enum err whole_check_damaged(const char *dir, struct error *);

#endif
