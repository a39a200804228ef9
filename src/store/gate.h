/*
 * The gate: one kernel lock and one dirty flag round every call of Berkeley DB.  Knows the header
 * file and the place of the regions, not Berkeley DB.  Private to store/. Source:
 * contracts/store.md 4.
 */
#ifndef SLIPWAY_STORE_GATE_H
#define SLIPWAY_STORE_GATE_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include "base/err.h"

#define GATE_FILE	     "gate"
#define GATE_FILE_BYTES	     4096
#define GATE_VERSION	     1
#define GATE_RECOVERY_HOLD_S 300

/* The first 64 bytes of the file, host byte order (store.md 4.1). */
struct gate_header {
	char magic[8];		/* "SLIPGATE" */
	uint32_t version;	/* GATE_VERSION; higher: refuse */
	uint32_t dirty;		/* 1 = somebody is inside, or died there */
	uint64_t epoch;		/* differs after each recovery */
	unsigned char boot[16]; /* the kernel's boot id, zeros = unknown */
	uint64_t dev;		/* of <regions>/__db.001 */
	uint64_t ino;
	uint32_t pid; /* who is inside: diagnosis only */
	uint32_t crc; /* CRC-32 of the 60 bytes before */
};

#define GATE_CHANGES 500

/*
 * The whole file.  Whoever is about to change a record counts one of CHANGES first, inside; what a
 * process read while it was where it is now is still so (memo.h).
 */
struct gate_file {
	struct gate_header header;
	int64_t wanted_ms; /* CLOCK_MONOTONIC: somebody had waited long then; 0 = nobody */
	uint64_t unused[3];
	uint64_t changes[GATE_CHANGES];
};

/* The file as it is mapped; kept until the end, because readers outside look at it. */
struct gate_map {
	struct gate_map *before; /* of a file that was replaced */
	struct gate_file *file;
	dev_t dev;
	ino_t ino;
};

struct gate {
	pthread_mutex_t mutex; /* POSIX locks belong to the process, so threads need this as well */
	int dir;	       /* data_dir; owned by the store */
	int fd;		       /* the gate file: opened once, see gate_reopen */
	_Atomic(struct gate_map *) map; /* of it */
	pid_t pid;			/* who opened it: a forked child must not use it */
	int wait_ms;			/* bound of waiting to get in */
	int hold_s;			/* bound of being inside */
	unsigned char boot[16];
	timer_t watchdog;
	bool have_watchdog;
	bool replaced;	   /* the file was another one since the last pass: drop the handle */
	sigset_t old_mask; /* the thread's, while inside */
	struct gate_header header; /* as in the file, while inside */
	atomic_bool inside;	   /* this process is, for store_stat */
};

/* Must the environment be recovered before it is used? */
enum gate_verdict {
	GATE_CLEAN,   /* no: keep or join it */
	GATE_RECOVER, /* yes */
	GATE_NEWER,   /* the file belongs to a newer Slipway: refuse to work */
};

/*
 * Make or open the gate file below DIR (borrowed until gate_done).
 * Errors: ERR_STORE, ERR_NO_SPACE.
 */
enum err gate_init(struct gate *, int dir, int wait_ms, int hold_s, struct error *);
void gate_done(struct gate *);

/*
 * Wait for the gate and go in; LAST also while the process is being stopped.  Nothing is written
 * yet. Errors: ERR_BUSY after wait_ms, ERR_STOPPING, ERR_STORE; then the caller is outside.
 */
enum err gate_enter(struct gate *, bool last, struct error *);

/* Read the header and judge it; HAVE_HANDLE: this process has the environment open. */
enum gate_verdict gate_judge(struct gate *, const char *regions, bool have_handle);

/* Write dirty = 1: must succeed before the first call of Berkeley DB. */
enum err gate_mark(struct gate *, struct error *);
/* The same for a recovery: with the next epoch and our boot id. */
enum err gate_mark_recovery(struct gate *, uint64_t old_epoch, struct error *);
/* Note the regions of the environment that was just recovered (in the header, written by
 * gate_leave). */
enum err gate_note_regions(struct gate *, const char *regions, struct error *);
/* Allow this many more seconds inside. */
void gate_hold(struct gate *, int seconds);

/* Go out.  CLEAN writes dirty = 0; else the file stays as it is.  False: that write failed, dirty
 * is still 1. */
bool gate_leave(struct gate *, bool clean);

/* Inside: something that is counted by CHANGES[counter] is about to change. */
void gate_change(struct gate *, size_t counter);

/* The state of a counter; the same again: nothing was changed in between. */
struct gate_stamp {
	uint64_t epoch; /* each recovery counts as a change of everything */
	uint64_t changes;
};

/* Inside or outside: the file, for gate_stamp.  NULL: it is not the one we know, or was cut. */
const struct gate_file *gate_view(const struct gate *);
struct gate_stamp gate_stamp(const struct gate_file *, size_t counter);
/*
 * Whoever has waited long says so (NOW_MS), and that he is in (0); whoever leaves asks inside, and
 * does not come again at once: POSIX locks have no order, and who wakes up is slower than who runs.
 */
void gate_want(const struct gate *, int64_t now_ms);
bool gate_is_wanted(const struct gate *);
/* For gate.c: map the file that was just opened (false and errno), and unmap all. */
bool gate_map_add(struct gate *);
void gate_map_done(struct gate *);

/* Read the header without entering, and ask the kernel who holds the lock (*RET_PID, 0 = nobody we
 * can see). */
bool gate_peek(const struct gate *, struct gate_header *ret, pid_t *ret_pid, int64_t *ret_since_ms);

/* Is the header whole and of our version? */
bool gate_header_ok(const struct gate_header *);
uint32_t gate_header_crc(const struct gate_header *);
/* One read, one write of the first 64 bytes; the write fills in the CRC.  False and errno. */
bool gate_header_read(int fd, struct gate_header *ret);
bool gate_header_write(int fd, struct gate_header *);
/* The kernel's boot id; zeros where there is none to read. */
void gate_boot_id(unsigned char boot[16]);
bool gate_boot_known(const unsigned char boot[16]);

/*
 * SIGTERM came: whoever waits gives up soon.
 */
void gate_stop(void);

/*
 * A test may define this function; it is called at every step of enter, recovery, commit and leave,
 * so that a test can kill the process at each of them in the very build that is delivered.
 */
void gate_hook(void) __attribute__((weak));

static inline void gate_step(void)
{
	if (gate_hook)
		gate_hook();
}

#endif
