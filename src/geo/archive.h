/*
 * A zip that passed zipdir.h, opened for reading: heads, whole members to files of our own names,
 * counted.
 */
#ifndef SLIPWAY_GEO_ARCHIVE_H
#define SLIPWAY_GEO_ARCHIVE_H

#include "geo/job.h"
#include "geo/xmlgate.h"
#include "geo/zipdir.h"

struct archive {
	struct zip_dir dir;
	void *zip;	   /* libzip's handle */
	const char *label; /* display name for problems; borrowed */
	int64_t written;   /* bytes unpacked so far */
	int64_t most;	   /* zip_max_bytes */
};

/*
 * Open and check PATH.
 * Owns:   caller closes with archive_close; LABEL is borrowed until then.
 * Errors: job->problems has the zip_* code with file and member.
 */
enum err archive_open(struct job *, const char *path, const char *label, struct archive *ret);
/* The limits of the job that archive_open applies; and the same with other ones. */
struct zip_limits archive_limits(const struct job *);
enum err archive_open_within(struct job *, const char *path, const char *label,
			     const struct zip_limits *, struct archive *ret);
void archive_close(struct archive *);
/* First bytes of member I, up to SIZE.  Owns: caller frees; NULL: problem added. */
char *archive_head(struct job *, struct archive *, size_t i, size_t size, size_t *ret_len);
/* Member I to the new file TO: exactly its declared size, CRC checked. */
enum err archive_unpack(struct job *, struct archive *, size_t i, const char *to);
/* Problem CODE about member NAME: `return archive_fail(job, &a, "zip_path", name)`. */
enum err archive_fail(struct job *, const struct archive *, const char *code, const char *name);
/* The same for a member packed in a way that is not read here. */
enum err archive_fail_method(struct job *, const struct archive *, const char *name);
/* Every XML part of a workbook through the gate: no DOCTYPE anywhere.  Problem added otherwise. */
enum err archive_check_xml(struct job *, struct archive *);

#endif
