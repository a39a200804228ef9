#include "store/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/env.h"

#define REGIONS	 8 /* regions, log files: what an environment has open besides its tables */
#define LENT	 8 /* folders and files that a recovery looks at itself */
#define WANTED	 (TABLE__MAX + REGIONS + LENT)
#define PAUSE_MS 5 /* instead of the seconds that Berkeley DB waits for a descriptor or for room */

/* Berkeley DB's hooks belong to the process and know no handle; there is one gate in each. */
static struct {
	pthread_mutex_t mutex; /* of what follows */
	int fds[WANTED];       /* of /dev/null */
	int n;
	int used;	  /* by Berkeley DB: these and the reserve are WANTED together */
	atomic_bool full; /* nothing is missing: no pass need look */
} spare = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void tell_full(void)
{
	atomic_store(&spare.full, spare.n + spare.used >= WANTED);
}

/* With the mutex held.  False: none is left. */
static bool give_one(void)
{
	if (spare.n == 0)
		return false;
	(void)close(spare.fds[--spare.n]);
	return true;
}

static int open_one(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;
	int fd, why;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	(void)pthread_mutex_lock(&spare.mutex);
	do
		fd = open(path, flags | O_CLOEXEC, mode);
	while (fd < 0 && (errno == EMFILE || errno == ENFILE) && give_one());
	why = errno;
	if (fd >= 0) {
		spare.used++;
		while (spare.n + spare.used > WANTED && give_one())
			;
	}
	tell_full();
	(void)pthread_mutex_unlock(&spare.mutex);
	errno = why;
	return fd;
}

/* What is given back becomes the reserve again in one step: no other thread gets in between. */
static int close_one(int fd)
{
	int rc = 0;

	(void)pthread_mutex_lock(&spare.mutex);
	spare.used--;
	if (spare.n > 0 && spare.n + spare.used < WANTED && dup3(spare.fds[0], fd, O_CLOEXEC) == fd)
		spare.fds[spare.n++] = fd;
	else
		rc = close(fd);
	tell_full();
	(void)pthread_mutex_unlock(&spare.mutex);
	return rc;
}

static int yield(u_long seconds, u_long microseconds)
{
	clock_sleep_ms(seconds > 0 || microseconds > PAUSE_MS * 1000UL ? PAUSE_MS : 1);
	return 0;
}

void spare_init(void)
{
	(void)db_env_set_func_open(open_one);
	(void)db_env_set_func_close(close_one);
	(void)db_env_set_func_yield(yield);
}

enum err spare_fill(struct error *error)
{
	enum err err = ERR_OK;

	if (atomic_load(&spare.full))
		return ERR_OK;
	(void)pthread_mutex_lock(&spare.mutex);
	while (err == ERR_OK && spare.n + spare.used < WANTED) {
		int fd = spare.n > 0 ? fcntl(spare.fds[0], F_DUPFD_CLOEXEC, 0)
				     : open("/dev/null", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			err = error_errno(error, ERR_IO, "descriptors for a pass");
		else
			spare.fds[spare.n++] = fd;
	}
	tell_full();
	(void)pthread_mutex_unlock(&spare.mutex);
	return err;
}

void spare_lend(void)
{
	(void)pthread_mutex_lock(&spare.mutex);
	for (int i = 0; i < LENT && give_one(); i++)
		;
	tell_full();
	(void)pthread_mutex_unlock(&spare.mutex);
}
