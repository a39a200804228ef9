#include "store/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/token.h"

#define TICK_MS	 100 /* how often a waiter looks at its deadline */
#define YIELD_MS 5   /* what it takes somebody who waits to wake up */
#define STOP_GRACE_MS                                                                              \
	1000 /* what a waiter still gets after SIGTERM: its request may be nearly done */

static atomic_bool stopping; /* set by a signal handler, on whatever thread it runs */

void gate_stop(void)
{
	atomic_store(&stopping, true);
}

/* ---- signals: a tick that interrupts F_SETLKW, and the watchdog */

static int tick_signal(void)
{
	return SIGRTMIN + 3;
}

static int watchdog_signal(void)
{
	return SIGRTMIN + 4;
}

static void on_tick(int sig)
{
	(void)sig;
}

/* Too long inside: the kernel frees the lock, dirty is 1, and the next one recovers. */
static void on_watchdog(int sig)
{
	static const char text[] =
	    "slipway: a pass took too long, the watchdog ends this process\n";

	(void)sig;
	(void)!write(2, text, sizeof(text) - 1);
	_exit(70);
}

static enum err signals_init(struct gate *g, struct error *error)
{
	struct sigaction tick = {.sa_handler = on_tick};
	struct sigaction dog = {.sa_handler = on_watchdog};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = watchdog_signal()};

	/* No SA_RESTART: the tick is there to end a waiting fcntl. */
	if (sigaction(tick_signal(), &tick, NULL) != 0 ||
	    sigaction(watchdog_signal(), &dog, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &g->watchdog) != 0)
		return error_errno(error, ERR_STORE, "gate: signals and timer");
	g->have_watchdog = true;
	return ERR_OK;
}

void gate_hold(struct gate *g, int seconds)
{
	struct itimerspec when = {.it_value = {.tv_sec = seconds}};

	(void)timer_settime(g->watchdog, 0, &when, NULL);
}

/* A repeating signal to this thread only; false when there is no timer left: then poll. */
static bool tick_start(timer_t *ret)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = tick_signal()};
	struct itimerspec every = {
	    .it_interval = {.tv_nsec = TICK_MS * 1000000L},
	    .it_value = {.tv_nsec = TICK_MS * 1000000L},
	};
	sigset_t set;

	event._sigev_un._tid = gettid();
	sigemptyset(&set);
	sigaddset(&set, tick_signal());
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, ret) != 0)
		return false;
	if (timer_settime(*ret, 0, &every, NULL) != 0) {
		(void)timer_delete(*ret);
		return false;
	}
	return true;
}

/* ---- the file */

/*
 * The only open of the gate file.  It is never opened a second time while a descriptor of it is
 * open in this process: closing any of them would drop the lock.
 */
static enum err gate_reopen(struct gate *g, struct error *error)
{
	if (g->fd >= 0)
		(void)close(g->fd);
	g->fd = openat(g->dir, GATE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (g->fd >= 0 && gate_map_add(g))
		return ERR_OK;
	(void)error_errno(error, ERR_STORE, "gate file");
	/* Changes must not be counted in the file before it: without its map a file is no gate. */
	if (g->fd >= 0)
		(void)close(g->fd);
	g->fd = -1;
	return ERR_STORE;
}

/* Inside: a file shorter than it must be (just made, or cut) gets its length and is on disk once.
 */
static enum err fill_file(struct gate *g, struct error *error)
{
	static const unsigned char zeros[GATE_FILE_BYTES];

	if (pwrite(g->fd, zeros, sizeof(zeros), 0) != (ssize_t)sizeof(zeros) || fsync(g->fd) != 0 ||
	    fsync(g->dir) != 0)
		return error_errno(error, ERR_STORE, "gate file: filling");
	return ERR_OK;
}

enum err gate_init(struct gate *g, int dir, int wait_ms, int hold_s, struct error *error)
{
	pthread_mutexattr_t attr;
	enum err err;

	*g = (struct gate){
	    .dir = dir, .fd = -1, .pid = getpid(), .wait_ms = wait_ms, .hold_s = hold_s};
	(void)pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	(void)pthread_mutex_init(&g->mutex, &attr);
	(void)pthread_mutexattr_destroy(&attr);
	gate_boot_id(g->boot);
	err = gate_reopen(g, error);
	if (err == ERR_OK)
		err = signals_init(g, error);
	if (err != ERR_OK)
		gate_done(g);
	return err;
}

void gate_done(struct gate *g)
{
	if (g->have_watchdog)
		(void)timer_delete(g->watchdog);
	if (g->fd >= 0)
		(void)close(g->fd);
	g->fd = -1;
	g->have_watchdog = false;
	gate_map_done(g);
	(void)pthread_mutex_destroy(&g->mutex);
}

/* ---- in */

static int64_t deadline_of(const struct gate *g, int64_t start_ms, bool last)
{
	int64_t wait = g->wait_ms;

	if (atomic_load(&stopping) && !last && wait > STOP_GRACE_MS)
		wait = STOP_GRACE_MS;
	return start_ms + wait;
}

static enum err too_late(struct error *error)
{
	if (atomic_load(&stopping))
		return error_set(error, ERR_STOPPING, "gate: waiting given up, the process ends");
	return error_set(error, ERR_BUSY, "gate: not free in time");
}

static enum err lock_thread(struct gate *g, int64_t start_ms, bool last, struct error *error)
{
	/* The common case needs no clock. */
	int rc = pthread_mutex_trylock(&g->mutex);

	while (rc == EBUSY || rc == ETIMEDOUT) {
		int64_t left = deadline_of(g, start_ms, last) - clock_mono_ms();
		struct timespec until;

		if (left <= 0)
			return too_late(error);
		if (left > TICK_MS)
			left = TICK_MS;
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += (long)left * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		rc = pthread_mutex_clocklock(&g->mutex, CLOCK_MONOTONIC, &until);
	}
	if (rc != 0)
		return error_set(error, ERR_INTERNAL, "gate: a pass within a pass (%d)", rc);
	return ERR_OK;
}

static enum err lock_file(struct gate *g, int64_t start_ms, bool last, struct error *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	timer_t tick;
	bool ticking, said = false;
	enum err err = ERR_OK;

	if (fcntl(g->fd, F_SETLK, &lock) == 0)
		return ERR_OK;
	ticking = tick_start(&tick);
	while (fcntl(g->fd, ticking ? F_SETLKW : F_SETLK, &lock) != 0) {
		int why = errno;
		int64_t now_ms;

		if (why != EINTR && why != EAGAIN && why != EACCES && why != EDEADLK) {
			err = error_errno(error, ERR_STORE, "gate: lock");
			break;
		}
		now_ms = clock_mono_ms();
		if (now_ms >= deadline_of(g, start_ms, last)) {
			err = too_late(error);
			break;
		}
		if (now_ms - start_ms >= TICK_MS) {
			gate_want(g, now_ms);
			said = true;
		}
		/* EDEADLK is the kernel's guess about locks of other threads: ours are never
		 * nested. */
		if (why != EINTR)
			clock_sleep_ms(5);
	}
	if (ticking)
		(void)timer_delete(tick);
	if (said && err == ERR_OK)
		gate_want(g, 0);
	return err;
}

static void unlock_file(struct gate *g)
{
	struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	(void)fcntl(g->fd, F_SETLK, &lock);
}

/* Is the file we locked still the one the path names?  *RET_BYTES: how long it is. */
static bool still_the_file(const struct gate *g, off_t *ret_bytes)
{
	struct stat ours, named;

	if (fstat(g->fd, &ours) != 0 || ours.st_nlink < 1 ||
	    fstatat(g->dir, GATE_FILE, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
	    named.st_ino != ours.st_ino || named.st_dev != ours.st_dev)
		return false;
	*ret_bytes = ours.st_size;
	return true;
}

/* SIGTERM and friends wait until the pass is over; the watchdog must get through. */
static void block_signals(struct gate *g)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	(void)pthread_sigmask(SIG_BLOCK, &set, &g->old_mask);
	if (sigismember(&g->old_mask, watchdog_signal()) == 1) {
		sigemptyset(&set);
		sigaddset(&set, watchdog_signal());
		(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	}
}

enum err gate_enter(struct gate *g, bool last, struct error *error)
{
	int64_t start_ms = clock_mono_ms();
	off_t bytes = 0;
	enum err err;

	if (getpid() != g->pid)
		return error_set(error, ERR_INTERNAL, "gate: opened before a fork");
	err = lock_thread(g, start_ms, last, error);
	if (err != ERR_OK)
		return err;
	gate_step();
	for (int tries = 0;; tries++) {
		/* Whoever was here before could not open the file that stood there then. */
		if (g->fd < 0)
			err = gate_reopen(g, error);
		if (err == ERR_OK)
			err = lock_file(g, start_ms, last, error);
		if (err != ERR_OK)
			break;
		gate_step();
		if (still_the_file(g, &bytes))
			break;
		unlock_file(g);
		if (tries == 100) {
			err =
			    error_set(error, ERR_STORE, "gate: somebody keeps replacing the file");
			break;
		}
		g->replaced = true;
		err = gate_reopen(g, error);
		if (err != ERR_OK)
			break;
	}
	if (err == ERR_OK) {
		gate_hold(g, g->hold_s);
		block_signals(g);
		atomic_store(&g->inside, true);
		gate_step();
		if (bytes < GATE_FILE_BYTES)
			err = fill_file(g, error);
		if (err != ERR_OK)
			(void)gate_leave(g, false);
		return err;
	}
	(void)pthread_mutex_unlock(&g->mutex);
	return err;
}

static bool regions_differ(const struct gate_header *h, const char *regions)
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/__db.001", regions) >= sizeof(path))
		return true;
	return stat(path, &st) != 0 || (uint64_t)st.st_dev != h->dev ||
	       (uint64_t)st.st_ino != h->ino;
}

enum gate_verdict gate_judge(struct gate *g, const char *regions, bool have_handle)
{
	if (!gate_header_read(g->fd, &g->header) || !gate_header_ok(&g->header)) {
		memset(&g->header, 0, sizeof(g->header));
		return GATE_RECOVER;
	}
	if (g->header.version > GATE_VERSION)
		return GATE_NEWER;
	if (g->header.dirty != 0 || memcmp(g->header.boot, g->boot, 16) != 0 ||
	    (!gate_boot_known(g->boot) && !have_handle) || regions_differ(&g->header, regions))
		return GATE_RECOVER;
	return GATE_CLEAN;
}

enum err gate_mark(struct gate *g, struct error *error)
{
	g->header.dirty = 1;
	g->header.pid = (uint32_t)g->pid;
	gate_step();
	if (!gate_header_write(g->fd, &g->header))
		return error_errno(error, ERR_STORE, "gate: header");
	gate_step();
	return ERR_OK;
}

enum err gate_mark_recovery(struct gate *g, uint64_t old_epoch, struct error *error)
{
	uint64_t epoch = g->header.epoch;

	/* A lost header tells no epoch: take one that no process can remember. */
	if (!gate_header_ok(&g->header)) {
		struct timespec now;

		(void)clock_gettime(CLOCK_REALTIME, &now);
		epoch = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	}
	if (epoch < old_epoch)
		epoch = old_epoch;
	memcpy(g->header.magic, "SLIPGATE", 8);
	g->header.version = GATE_VERSION;
	g->header.epoch = epoch + 1;
	memcpy(g->header.boot, g->boot, 16);
	g->header.dev = 0;
	g->header.ino = 0;
	return gate_mark(g, error);
}

enum err gate_note_regions(struct gate *g, const char *regions, struct error *error)
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/__db.001", regions) >= sizeof(path))
		return error_set(error, ERR_STORE, "regions: path too long");
	if (stat(path, &st) != 0)
		return error_errno(error, ERR_STORE, "regions: __db.001");
	g->header.dev = (uint64_t)st.st_dev;
	g->header.ino = (uint64_t)st.st_ino;
	gate_step();
	if (!gate_header_write(g->fd, &g->header))
		return error_errno(error, ERR_STORE, "gate: header");
	return ERR_OK;
}

/* ---- out */

bool gate_leave(struct gate *g, bool clean)
{
	struct itimerspec never = {0};
	sigset_t mask = g->old_mask;
	bool ok = true, wanted = false;

	if (clean) {
		g->header.dirty = 0;
		g->header.pid = 0;
		gate_step();
		ok = gate_header_write(g->fd, &g->header);
		/* Behind the write: where the header stands there is memory. */
		wanted = ok && gate_is_wanted(g);
	}
	gate_step();
	(void)timer_settime(g->watchdog, 0, &never, NULL);
	atomic_store(&g->inside, false);
	unlock_file(g);
	gate_step();
	/* With the mutex: the other threads of this process would come as fast. */
	if (wanted)
		clock_sleep_ms(YIELD_MS);
	(void)pthread_mutex_unlock(&g->mutex);
	/* Last, so that a handler never runs inside. */
	(void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return ok;
}

bool gate_peek(const struct gate *g, struct gate_header *ret, pid_t *ret_pid, int64_t *ret_since_ms)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;

	*ret_pid = 0;
	*ret_since_ms = 0;
	if (fcntl(g->fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		*ret_pid = lock.l_pid;
	else if (atomic_load(&g->inside))
		*ret_pid = g->pid;
	/* The last write of the file is the one that said dirty. */
	if (*ret_pid != 0 && fstat(g->fd, &st) == 0)
		*ret_since_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return gate_header_read(g->fd, ret) && gate_header_ok(ret);
}
