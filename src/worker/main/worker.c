/*
 * slipway-worker [--data-dir DIR] [--config FILE] [--once | --slice | --self-test]
 * Drains the queue; with --once it ends after worker.worker_idle_s without work, with --slice as
 * soon as there is none or worker.slice_s is over: how a request does the work where nothing may
 * outlive it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "worker/mail.h"
#include "worker/worker.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/token.h"
#include "base/words.h"
#include "signed/writer.h"

#define SWEEP_MS       60000
#define SLICE_SWEEP_MS 600000
#define HOLD_MS	       20000

static atomic_bool stopping; /* set by a signal handler, on whatever thread it runs */

static void on_term(int sig)
{
	(void)sig;
	atomic_store(&stopping, true);
	store_stop();
}

/* The tasks at hand are finished and stored, no new one is begun. */
static void on_finish(int sig)
{
	(void)sig;
	atomic_store(&stopping, true);
}

static void set_up_process(void)
{
	struct rlimit none = {0, 0};
	struct sigaction term = {.sa_handler = on_term}, finish = {.sa_handler = on_finish},
			 ignore = {.sa_handler = SIG_IGN};
	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGINT, &term, NULL);
	sigaction(SIGUSR1, &finish, NULL);
	sigaction(SIGHUP, &finish, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

/* The one worker of this site holds this lock for as long as it lives.  -1: another one does. */
static int worker_lock(const struct worker *w)
{
	int fd =
	    openat(w->data_fd, "locks/worker", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &l) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/*
 * The pipe the front writes a byte to when it queued something.  Opened for both so that it never
 * ends.
 */
static int wake_pipe(const struct worker *w)
{
	(void)fs_mkdirs(w->data_fd, "run", NULL);
	if (mkfifoat(w->data_fd, "run/worker.wake", 0600) != 0 && errno != EEXIST)
		return -1;
	return openat(w->data_fd, "run/worker.wake", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
}

static void wait_for_wake(int fd, int ms)
{
	char buf[64];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (poll(&p, 1, ms) > 0) {
		while (read(fd, buf, sizeof(buf)) > 0)
			;
	}
}

static bool is_idle(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	bool idle = w->busy == 0;
	pthread_mutex_unlock(&w->lock);
	return idle && !worker_has_work(w) && !mail_waits(w);
}

static void wake_all(struct worker *w, bool stop)
{
	pthread_mutex_lock(&w->lock);
	w->stop = w->stop || stop;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

/* Is the site no more?  Nobody comes back to a folder without a name. */
static bool site_removed(const struct worker *w)
{
	struct stat st;
	if (fstat(w->data_fd, &st) != 0 || st.st_nlink > 0)
		return false;
	log_line(LOG_LEVEL_WARN, NULL, "worker: the data directory was removed");
	return true;
}

static void serve(struct worker *w, int pipe_fd, bool once)
{
	int64_t active = clock_mono_ms(), swept = 0;
	while (!atomic_load(&stopping) && !store_worn_out(w->store) && !site_removed(w)) {
		wait_for_wake(pipe_fd, 500);
		wake_all(w, false);
		int64_t now = clock_mono_ms();
		if (!once || now - active > 250) {
			if (!is_idle(w))
				active = now;
			else if (once && now - active > w->config->worker_idle_s * 1000)
				return;
		}
		if (now - swept > SWEEP_MS) {
			swept = now;
			worker_sweep(w);
		}
	}
}

/*
 * Sweeps, too, are up to requests where nobody else lives: now and then, when this one has time
 * left.
 */
static void slice_sweep(struct worker *w)
{
	if (clock_mono_ms() - w->start > w->slice_ms / 4 ||
	    fs_is_fresh(w->data_fd, "run/swept", SLICE_SWEEP_MS))
		return;
	(void)fs_replace(w->data_fd, "run/swept", "", 0, NULL);
	worker_sweep(w);
}

static enum err slice(struct worker *w, struct error *error)
{
	CLEAN_FD int lock = worker_lock(w);
	if (lock < 0)
		return ERR_OK;
	w->slice_ms = w->config->slice_s * 1000;
	w->start = clock_mono_ms();
	(void)fs_mkdirs(w->data_fd, "run", NULL);
	enum err err = worker_take_over(w);
	if (err != ERR_OK)
		return error_set(error, err, "cannot take over");
	worker_slice(w);
	while (clock_mono_ms() - w->start < w->slice_ms / 2 && mail_one(w))
		;
	slice_sweep(w);
	return ERR_OK;
}

/*
 * For the self-test: does a process outlive the request that started it?  This one holds a lock
 * until its file is removed.
 */
static enum err hold(const struct config *c, struct error *error)
{
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, c->data_dir);
	CLEAN_FD int fd =
	    openat(dir, "locks/self-test", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;

	if (fd < 0)
		return error_errno(error, ERR_IO, "locks/self-test");
	if (fcntl(fd, F_OFD_SETLK, &l) != 0)
		return ERR_OK; /* another test is under way */
	for (int64_t until = clock_mono_ms() + HOLD_MS;
	     clock_mono_ms() < until && !atomic_load(&stopping); clock_sleep_ms(100)) {
		if (fstat(fd, &st) != 0 || st.st_nlink == 0)
			return ERR_OK;
	}
	(void)unlinkat(dir, "locks/self-test", 0);
	return ERR_OK;
}

/* The second one sends mails.  How many could be made: hosts have limits of their own. */
static size_t start_threads(struct worker *w, pthread_t *threads, size_t n)
{
	size_t made = 0;

	while (made < n &&
	       pthread_create(&threads[made], NULL, made == 1 ? mail_loop : worker_loop, w) == 0)
		made++;
	return made;
}

static enum err run(struct worker *w, bool once, struct error *error)
{
	CLEAN_FD int lock = worker_lock(w);
	if (lock < 0)
		return ERR_OK; /* somebody else works already */
	CLEAN_FD int wake = wake_pipe(w);
	int64_t n =
	    w->config->tasks_total > 0 ? w->config->tasks_total : sysconf(_SC_NPROCESSORS_ONLN);
	if (wake < 0)
		return error_errno(error, ERR_IO, "run/worker.wake");
	enum err err = worker_take_over(w);
	if (err != ERR_OK)
		return error_set(error, err, "cannot take over");
	n = n < 1 ? 1 : n > 64 ? 64 : n;
	pthread_t *threads = mem_array((size_t)n + 1, sizeof(*threads));
	size_t made = start_threads(w, threads, (size_t)n + 1);
	if (made < 2)
		err = error_set(error, ERR_BUSY, "no threads can be made");
	else if (made <= (size_t)n)
		log_line(LOG_LEVEL_WARN, NULL,
			 "worker: %zu slots of %lld, more threads cannot be made", made - 1,
			 (long long)n);
	else
		log_line(LOG_LEVEL_INFO, NULL, "worker: %lld slots", (long long)n);
	if (err == ERR_OK)
		serve(w, wake, once);
	wake_all(w, true);
	for (size_t i = 0; i < made; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return err;
}

static enum err open_all(struct worker *w, struct error *error)
{
	char random[9];
	int64_t limit = 0;
	token_hex(random, 8);
	snprintf(w->name, sizeof(w->name), "%d.%s", (int)getpid(), random);
	enum err err = descriptors_allow(&limit, error);
	if (err == ERR_OK)
		err = store_open(w->config, true, &w->store, error);
	if (err == ERR_OK)
		err = engine_open(w->config, w->store, &w->engine, error);
	if (err == ERR_OK)
		err = catalog_open(w->config, &w->catalog, error);
	if (err == ERR_OK && words_load(w->config->template_dir, &w->words, NULL) != ERR_OK)
		w->words = words_none(); /* mails say less then, but work goes on */
	w->targets = targets_open(w->config);
	w->data_fd = fs_open_dir(AT_FDCWD, w->config->data_dir);
	w->tally = tally_open(w->config->data_dir);
	return err == ERR_OK && w->data_fd < 0 ? error_errno(error, ERR_IO, "data_dir") : err;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"data-dir", required_argument, NULL, 'd'},
						{"config", required_argument, NULL, 'c'},
						{"once", no_argument, NULL, 'o'},
						{"slice", no_argument, NULL, 's'},
						{"self-test", no_argument, NULL, 't'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct worker w = {
	    .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .data_fd = -1};
	struct config *config = NULL;
	struct error error = {0};
	const char *dir = NULL, *file = NULL;
	bool once = false, sliced = false, test = false;
	int c;

	if (child_refuses_web("slipway-worker"))
		return 2;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			dir = optarg;
			break;
		case 'c':
			file = optarg;
			break;
		case 'o':
			once = true;
			break;
		case 's':
			sliced = true;
			break;
		case 't':
			test = true;
			break;
		default:
			fprintf(c == 'h' ? stdout : stderr,
				"usage: slipway-worker [--data-dir DIR] [--config FILE] [--once | "
				"--slice | --self-test]\n");
			return c == 'h' ? 0 : 2;
		}
	}
	set_up_process();
	log_open("slipway-worker", NULL);
	enum err err = config_load(file, dir, argv[0], &config, &error);
	if (err == ERR_OK) {
		log_json(config->log_json);
		if (config->log_file != NULL)
			log_open("slipway-worker", config->log_file);
		w.config = config;
		err = test ? hold(config, &error) : open_all(&w, &error);
	}
	if (err == ERR_OK && !test)
		err = sliced ? slice(&w, &error) : run(&w, once, &error);
	if (err != ERR_OK)
		log_line(LOG_LEVEL_ERROR, NULL, "%s: %s", err_name(err), error.text);
	tally_close(w.tally);
	targets_close(w.targets);
	words_free(w.words);
	catalog_close(w.catalog);
	engine_close(w.engine);
	store_close(w.store);
	config_free(config);
	return err == ERR_OK ? 0 : 1;
}
