/*
 * The files of the tables, looked at without Berkeley DB: is each that was made still there, and
 * what was written to it? DIR is a data directory or a copy.  Private to store/.
 */
#ifndef SLIPWAY_STORE_WHOLE_H
#define SLIPWAY_STORE_WHOLE_H

#include <dirent.h>
#include <sys/stat.h>

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

/*
 * The next log file of the open folder LOGS (may be NULL); false: no more.  One without a byte is
 * one whose maker was killed: it is passed over.
 */
bool whole_next_log(DIR *logs, char ret[32], struct stat *ret_st);

/* Are there tables, and no logs? */
bool whole_without_logs(const char *dir);
/*
 * A log file that is shorter than it was made: recovery takes its end for the end of what was
 * committed.  RET: its name; false: there is none.
 */
bool whole_cut_log(const char *dir, char ret[32]);
/* Give such files their length: what they lost stays lost.  Inside. */
enum err whole_accept_logs(const char *dir, struct error *);

/*
 * Is a page of TABLE's file not what Berkeley DB wrote there, or the file cut?  None at all is not
 * looked at here.
 */
bool whole_damaged(const char *dir, enum table table);

/*
 * In the copy DIR: every page of the table's file PATH that is not what Berkeley DB wrote is made
 * empty; the first becomes that of another table.  *RET_PAGES: how many.
 */
enum err whole_blank(const char *dir, const char *path, size_t *ret_pages, struct error *);

/* Say what became of TABLE and what is to be done.  Returns ERR_STORE. */
enum err whole_tell(enum table table, bool lost, struct error *);

/* The same of the log file NAME. */
enum err whole_tell_cut(const char *name, struct error *);

/* ERR_STORE for the first table that is lost, or damaged, or a log that is cut. */
enum err whole_check_lost(const char *dir, struct error *);
enum err whole_check_damaged(const char *dir, struct error *);
enum err whole_check_logs(const char *dir, struct error *);

#endif
