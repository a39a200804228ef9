/*
 * Sums shared by all processes of a site, plain CGI's included: a small file of 64-bit cells below
 * the data directory, mapped.  They are figures for the operator: kill -9 loses none, a power cut
 * the last seconds.
 */
#ifndef SLIPWAY_BASE_TALLY_H
#define SLIPWAY_BASE_TALLY_H

#include <stddef.h>
#include <stdint.h>

/* What requests are summed by: families of addresses. */
enum tally_class {
	TALLY_PAGES,  /* start page, login, administration, static files */
	TALLY_WIZARD, /* /upload/, /api/v2/ */
	TALLY_FILES,  /* tus and its kin */
	TALLY_CHUNKS,
	TALLY_GWS,
	TALLY_DATASETS,
	TALLY_ISERVER,
	TALLY_IPORTAL,
	TALLY_SIGNED,
	TALLY_STATUS, /* /healthz, /readyz, /metrics */
	TALLY__MAX    /* new ones go before this line, and TALLY_VERSION up */
};
#define TALLY_STATUSES 500 /* 100..599 */
#define TALLY_BUCKETS  14  /* upper bounds of durations; the last one is infinite */

enum tally_task {
	TALLY_DONE,
	TALLY_FAILED,
	TALLY_CANCELED,
	TALLY_LOST, /* its worker died, or was stopped while it ran */
	TALLY_TASK__MAX
};

/* What happens to uploads. */
enum tally_event {
	TALLY_CREATED,
	TALLY_COMPLETED,
	TALLY_TERMINATED, /* by its owner */
	TALLY_EXPIRED,
	TALLY_EVENT__MAX
};
#define TALLY_ADAPTERS 18 /* protocols that make uploads, and one row for all others */

/* Sums of uploads: those of a site, or what one commit adds to them. */
struct tally_uploads {
	int64_t events[TALLY_ADAPTERS][TALLY_EVENT__MAX];
	int64_t bytes[TALLY_ADAPTERS]; /* of completed ones */
};

/* Every field is a sum of 64-bit cells, changed by tally_add alone. */
struct tally_cells {
	int64_t requests[TALLY__MAX][TALLY_STATUSES];
	int64_t bytes_in[TALLY__MAX];
	int64_t took[TALLY__MAX][TALLY_BUCKETS];
	int64_t took_ms[TALLY__MAX];
	int64_t tasks[TALLY_TASK__MAX];
	int64_t task_ms;    /* of ended ones */
	int64_t jail_level; /* that of the latest job, 0 = none yet */
	struct tally_uploads uploads;
};

/*
 * Open or make DATA_DIR's tally.  Never fails: where there is none (a full disk), sums go nowhere.
 * Owns: caller frees with tally_close.
 */
struct tally;
struct tally *tally_open(const char *data_dir);
void tally_close(struct tally *);

/* The cells to add to; for reading, too. */
struct tally_cells *tally_cells(struct tally *);
void tally_add(int64_t *cell, int64_t by);
void tally_set(int64_t *cell, int64_t value);
int64_t tally_get(const int64_t *cell);
/* A request of CLASS that was answered with STATUS (others than 100..599 count as 500) after MS. */
void tally_request(struct tally *, enum tally_class, int status, int64_t ms, int64_t bytes_in);

/* The row of the protocol that an upload's record calls its adapter, and that row's word. */
size_t tally_adapter(const char *word);
const char *tally_adapter_word(size_t row);
/* What a commit was about is added when it has succeeded. */
void tally_add_uploads(struct tally *, const struct tally_uploads *by);

/* Upper bound of bucket I in milliseconds; INT64_MAX for the last. */
int64_t tally_bound_ms(size_t i);
const char *tally_class_word(enum tally_class);

#endif
