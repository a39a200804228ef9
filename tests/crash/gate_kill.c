/*
 * Goal: processes of all kinds are killed inside and outside the gate for a while; afterwards no
 * acknowledged commit is missing, no record is torn, the shared counter is the sum of the others,
 * nobody waited too long, and `check` finds nothing.  Cases 1-7, 9, 10 and 26 of contracts/store.md
 * 16.
 *
 *   gate_kill [--seconds 20] [--processes 12] [--threads 3] [--bytes 200] [--nosync] [--disk]
 *   [--every 15-100]
 *             [--kills 200] [--max-wait 5000] [--max-recovery 1000]
 *             [--cut-gate MS] [--cut-regions MS] [--backup MS]
 *
 * --cut-gate, --cut-regions: spoil the gate file or delete regions every so often; --backup: take
 * one every so often and prove that it holds all that was acknowledged before.  --kills: fewer than
 * that is a failure; --every: milliseconds between kills; --disk: regions in the data directory.
 * Exit status 0 = all is well.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/maintain.h"
#include "store/record.h"

#define WRITERS_MAX 128

enum kind { KIND_FRONT, KIND_CGI, KIND_WORKER, KIND__MAX };
static const char *const kind_names[] = {"front", "cgi", "worker"};

struct options {
	int64_t seconds, processes, threads, bytes, kills, max_wait_ms, max_recovery_ms;
	int64_t every_min_ms, every_max_ms;
	int64_t cut_gate_ms, cut_regions_ms, backup_ms; /* 0 = never */
	bool nosync, disk;
};

/* What survives the processes. */
struct shared {
	atomic_llong acknowledged[WRITERS_MAX];
	atomic_llong commits, errors, busy, worn, backups;
	atomic_llong longest_ms;	  /* of any pass */
	atomic_llong longest_recovery_ms; /* of a pass that recovered */
	atomic_bool stop;
};

struct world {
	struct options options;
	struct config config;
	struct shared *shared;
	char dir[64];
	char regions[128];
};

/* One thread of a process. */
struct writer {
	struct world *world;
	struct store *store;
	int number;
	int64_t value; /* of its counter, as the pass left it */
};

static void raise_to(atomic_llong *most, long long value)
{
	long long now = atomic_load(most);

	while (value > now && !atomic_compare_exchange_weak(most, &now, value))
		;
}

/*
 * ---- what each transaction does: an own counter, a record that says its number twice, one counter
 * of all
 */

static enum err write_once(struct pass *p, void *arg)
{
	struct writer *w = arg;
	size_t bytes = (size_t)w->world->options.bytes;
	CLEAN_FREE char *filler = mem_alloc(bytes + 1);
	CLEAN_JSON json_object *record = json_object_new_object();
	char name[32];
	int64_t all;
	enum err err;

	(void)snprintf(name, sizeof(name), "w%d", w->number);
	err = counter_add(p, name, 1, &w->value);
	if (err != ERR_OK)
		return err;
	memset(filler, 'a' + (int)(w->value % 26), bytes);
	json_set_int(record, "first", w->value);
	json_set_str(record, "filler", filler);
	json_set_int(record, "last", w->value);
	err = record_put(p, TABLE_GROUPS, name, strlen(name), record);
	return err == ERR_OK ? counter_add(p, "all", 1, &all) : err;
}

static enum err read_once(struct pass *p, void *arg)
{
	struct writer *w = arg;
	json_object *record = NULL;
	char name[32];
	enum err err;

	(void)snprintf(name, sizeof(name), "w%d", w->number);
	err = record_get(p, TABLE_GROUPS, name, strlen(name), &record);
	json_object_put(record);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void one_pass(struct writer *w, bool write)
{
	struct shared *shared = w->world->shared;
	enum pass_kind kind = !write			 ? PASS_READ
			      : w->world->options.nosync ? PASS_WRITE_NOSYNC
							 : PASS_SYNC;
	struct error error = {0};
	int64_t start = clock_mono_ms();
	enum err err =
	    store_pass(w->store, kind, "crash", write ? write_once : read_once, w, &error);
	int64_t took = clock_mono_ms() - start;

	raise_to(&shared->longest_ms, took);
	if (err == ERR_OK && write) {
		atomic_store(&shared->acknowledged[w->number], w->value);
		(void)atomic_fetch_add(&shared->commits, 1);
	} else if (err != ERR_OK) {
		(void)atomic_fetch_add(err == ERR_BUSY ? &shared->busy : &shared->errors, 1);
		(void)fprintf(stderr, "pass: %s: %s\n", err_name(err), error.text);
	}
}

static int64_t recoveries_of(struct store *store)
{
	CLEAN_JSON json_object *stat = store_stat(store);

	return json_int(stat, "recoveries", 0);
}

static void *write_thread(void *arg)
{
	struct writer *w = arg;
	unsigned int n = 0;

	while (!atomic_load(&w->world->shared->stop) && !store_worn_out(w->store))
		one_pass(w, ++n % 4 != 0);
	return NULL;
}

static struct store *open_store(struct world *world, bool keep)
{
	struct error error = {0};
	struct store *store;

	if (store_open(&world->config, keep, &store, &error) == ERR_OK)
		return store;
	(void)fprintf(stderr, "store_open: %s\n", error.text);
	(void)atomic_fetch_add(&world->shared->errors, 1);
	_exit(3);
}

/* Each recovery of anybody adds one. */
static int64_t epoch_of(struct world *world)
{
	struct store *store = open_store(world, true);
	struct writer w = {.world = world, .store = store};
	CLEAN_JSON json_object *stat = NULL;

	one_pass(&w, false);
	stat = store_stat(store);
	store_close(store);
	return json_int(stat, "epoch", 0);
}

static void close_store(struct world *world, struct store *store)
{
	if (store_worn_out(store))
		(void)atomic_fetch_add(&world->shared->worn, 1);
	store_close(store);
}

/* A process that keeps its handle: the first pass shows what joining or recovering costs. */
static void run_keeping(struct world *world, int first, int n_threads)
{
	struct store *store = open_store(world, true);
	struct writer writers[16] = {0};
	pthread_t threads[16];
	int64_t start = clock_mono_ms();

	for (int i = 0; i < n_threads; i++)
		writers[i] = (struct writer){.world = world, .store = store, .number = first + i};
	one_pass(&writers[0], false);
	if (recoveries_of(store) > 0)
		raise_to(&world->shared->longest_recovery_ms, clock_mono_ms() - start);
	for (int i = 1; i < n_threads; i++)
		(void)pthread_create(&threads[i], NULL, write_thread, &writers[i]);
	(void)write_thread(&writers[0]);
	for (int i = 1; i < n_threads; i++)
		(void)pthread_join(threads[i], NULL);
	close_store(world, store);
}

/* One request a store, many times: what CGI processes do, without the cost of starting them. */
static void run_cgi(struct world *world, int number)
{
	struct writer w = {.world = world, .number = number};
	unsigned int n = 0;

	while (!atomic_load(&world->shared->stop)) {
		w.store = open_store(world, false);
		one_pass(&w, ++n % 2 != 0);
		one_pass(&w, false);
		close_store(world, w.store);
	}
}

static pid_t start(struct world *world, int slot)
{
	int threads = (int)world->options.threads, first = slot * threads;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	switch ((enum kind)(slot % KIND__MAX)) {
	case KIND_FRONT:
		run_keeping(world, first, threads);
		break;
	case KIND_CGI:
		run_cgi(world, first);
		break;
	case KIND_WORKER:
	case KIND__MAX:
		run_keeping(world, first, 1);
		break;
	}
	_exit(0);
}

/* ---- spoiling what the gate relies on */

static void cut_gate(struct world *world, int n)
{
	CLEAN_FREE char *path = mem_printf("%s/gate", world->dir);
	CLEAN_FREE char *other = mem_printf("%s/gate.other", world->dir);

	if (n % 3 == 0) {
		(void)!truncate(path, 10);
	} else if (n % 3 == 1) {
		(void)unlink(path);
	} else {
		int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		(void)!write(fd, "not a gate", 10);
		(void)close(fd);
		(void)rename(other, path);
	}
}

static void cut_regions(struct world *world, int n)
{
	CLEAN_FREE char *path = mem_printf("%s/__db.00%d", world->regions, n % 3 + 1);

	(void)unlink(path);
}

/* ---- the account */

struct account {
	struct world *world;
	int64_t wanted[WRITERS_MAX]; /* what was acknowledged */
	int64_t lost, torn, sum, all;
};

static void note_acknowledged(struct account *a)
{
	for (int i = 0; i < WRITERS_MAX; i++)
		a->wanted[i] = atomic_load(&a->world->shared->acknowledged[i]);
}

static enum err take_account(struct pass *p, void *arg)
{
	struct account *a = arg;

	a->lost = a->torn = a->sum = 0;
	for (int i = 0; i < WRITERS_MAX; i++) {
		CLEAN_JSON json_object *record = NULL;
		char name[32];
		int64_t stored;
		enum err err;

		(void)snprintf(name, sizeof(name), "w%d", i);
		err = counter_add(p, name, 0, &stored);
		if (err != ERR_OK)
			return err;
		a->sum += stored;
		if (stored < a->wanted[i])
			a->lost += a->wanted[i] - stored;
		if (stored == 0)
			continue;
		err = record_get(p, TABLE_GROUPS, name, strlen(name), &record);
		if (err != ERR_OK)
			return err;
		if (json_int(record, "first", -1) != stored ||
		    json_int(record, "last", -1) != stored)
			a->torn++;
	}
	return counter_add(p, "all", 0, &a->all);
}

/* ---- backups while all this goes on */

/* Restore DIR into a store of its own and take its account. */
static bool prove_backup(struct world *world, struct account *a, const char *dir)
{
	CLEAN_FREE char *restored = mem_printf("%s.restored", dir);
	CLEAN_FREE char *regions = mem_printf("%s/regions", restored);
	struct config config = world->config;
	struct error error = {0};
	struct store *store = NULL;
	bool good = false;

	config.data_dir = restored;
	config.store_regions = regions;
	config.store_ballast = 0;
	if (store_restore(&config, dir, false, &error) == ERR_OK &&
	    store_restored(&config, &error) == ERR_OK &&
	    store_open(&config, true, &store, &error) == ERR_OK) {
		good = store_pass(store, PASS_READ, "account", take_account, a, &error) == ERR_OK &&
		       a->lost == 0 && a->torn == 0 && a->sum == a->all;
		store_close(store);
	}
	if (!good)
		(void)fprintf(stderr, "backup: %lld lost, %lld torn, sum %lld of %lld; %s\n",
			      (long long)a->lost, (long long)a->torn, (long long)a->sum,
			      (long long)a->all, error.text);
	(void)fs_remove_tree(AT_FDCWD, restored, NULL);
	return good;
}

/* A process of its own: passes of the killer must not hold it up. */
static void run_backups(struct world *world)
{
	int status = 0;

	while (!atomic_load(&world->shared->stop)) {
		CLEAN_FREE char *dir =
		    mem_printf("/dev/shm/%s.backup", strrchr(world->dir, '/') + 1);
		struct account *a = mem_alloc(sizeof(*a));
		struct store *store = open_store(world, true);
		struct error error = {0};

		a->world = world;
		note_acknowledged(a);
		if (store_backup(store, dir, NULL, NULL, &error) != ERR_OK) {
			(void)fprintf(stderr, "backup: %s\n", error.text);
			status = 4;
		} else if (prove_backup(world, a, dir)) {
			(void)atomic_fetch_add(&world->shared->backups, 1);
		} else {
			status = 5;
		}
		store_close(store);
		(void)fs_remove_tree(AT_FDCWD, dir, NULL);
		free(a);
		clock_sleep_ms(world->options.backup_ms);
	}
	_exit(status);
}

/* ---- killing */

static int64_t between(int64_t min, int64_t max)
{
	return min + random() % (max - min + 1);
}

/* Start again whoever ended.  False: somebody ended with an error. */
static bool respawn(struct world *world, pid_t *pids, int64_t *ret_kills)
{
	bool good = true;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < (int)world->options.processes; i++) {
			if (pids[i] != pid)
				continue;
			if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
				++*ret_kills;
			} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
				(void)fprintf(stderr, "%s ended with status %x\n",
					      kind_names[i % KIND__MAX], (unsigned)status);
				good = false;
			}
			pids[i] = start(world, i);
		}
	}
	return good;
}

static bool kill_for_a_while(struct world *world, int64_t *ret_kills)
{
	const struct options *o = &world->options;
	int64_t start_ms = clock_mono_ms(), until = start_ms + o->seconds * 1000, patience;
	int64_t n_gate = 0, n_regions = 0;
	pid_t pids[WRITERS_MAX] = {0}, backup = 0;
	bool good = true;
	int status = 0;

	for (int i = 0; i < (int)o->processes; i++)
		pids[i] = start(world, i);
	if (o->backup_ms > 0 && (backup = fork()) == 0)
		run_backups(world);
	while (clock_mono_ms() < until) {
		int64_t gone_ms = clock_mono_ms() - start_ms;

		if (o->cut_gate_ms > 0 && gone_ms / o->cut_gate_ms > n_gate)
			cut_gate(world, (int)n_gate++);
		if (o->cut_regions_ms > 0 && gone_ms / o->cut_regions_ms > n_regions)
			cut_regions(world, (int)n_regions++);
		clock_sleep_ms(between(o->every_min_ms, o->every_max_ms));
		(void)kill(pids[random() % o->processes], SIGKILL);
		good = respawn(world, pids, ret_kills) && good;
	}
	atomic_store(&world->shared->stop, true);
	patience = clock_mono_ms() + 10000;
	for (int i = 0; i < (int)o->processes; i++) {
		while (waitpid(pids[i], NULL, WNOHANG) == 0) {
			if (clock_mono_ms() > patience) {
				(void)fprintf(stderr, "process %d (%s) hangs\n", i,
					      kind_names[i % KIND__MAX]);
				(void)kill(pids[i], SIGKILL);
				good = false;
			}
			clock_sleep_ms(5);
		}
	}
	if (backup > 0 && waitpid(backup, &status, 0) == backup && status != 0)
		good = false;
	return good;
}

static bool report(struct world *world, int64_t kills, int64_t first_epoch, bool good)
{
	const struct options *o = &world->options;
	struct shared *s = world->shared;
	struct account a = {.world = world};
	struct error error = {0};
	struct store *store = open_store(world, true);
	int findings = -1;
	int64_t recoveries;

	note_acknowledged(&a);
	if (store_pass(store, PASS_READ, "account", take_account, &a, &error) != ERR_OK ||
	    store_check(store, false, false, stderr, &findings, &error) != ERR_OK) {
		(void)fprintf(stderr, "account: %s\n", error.text);
		good = false;
	}
	store_close(store);
	/* A lost gate file begins a new count. */
	recoveries = world->options.cut_gate_ms > 0 ? -1 : epoch_of(world) - first_epoch;
	(void)printf("%lld kills, %lld commits, %lld recoveries, %lld worn out, %lld backups: %lld "
		     "lost, %lld torn, sum %lld of "
		     "%lld, %lld busy, %lld errors, longest pass %lld ms, slowest recovery %lld "
		     "ms, %d findings\n",
		     (long long)kills, atomic_load(&s->commits), (long long)recoveries,
		     atomic_load(&s->worn), atomic_load(&s->backups), (long long)a.lost,
		     (long long)a.torn, (long long)a.sum, (long long)a.all, atomic_load(&s->busy),
		     atomic_load(&s->errors), atomic_load(&s->longest_ms),
		     atomic_load(&s->longest_recovery_ms), findings);
	return good && a.lost == 0 && a.torn == 0 && a.sum == a.all && a.all > 0 && findings == 0 &&
	       atomic_load(&s->errors) == 0 && atomic_load(&s->busy) == 0 && kills >= o->kills &&
	       atomic_load(&s->longest_ms) <= o->max_wait_ms &&
	       atomic_load(&s->longest_recovery_ms) <= o->max_recovery_ms;
}

static bool read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
	    {"seconds", required_argument, NULL, 's'},
	    {"processes", required_argument, NULL, 'p'},
	    {"threads", required_argument, NULL, 't'},
	    {"bytes", required_argument, NULL, 'b'},
	    {"kills", required_argument, NULL, 'k'},
	    {"max-wait", required_argument, NULL, 'w'},
	    {"max-recovery", required_argument, NULL, 'r'},
	    {"every", required_argument, NULL, 'e'},
	    {"cut-gate", required_argument, NULL, 'G'},
	    {"cut-regions", required_argument, NULL, 'R'},
	    {"backup", required_argument, NULL, 'B'},
	    {"nosync", no_argument, NULL, 'n'},
	    {"disk", no_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		int64_t n = optarg != NULL ? strtoll(optarg, NULL, 10) : 0;

		switch (c) {
		case 's':
			o->seconds = n;
			break;
		case 'p':
			o->processes = n;
			break;
		case 't':
			o->threads = n;
			break;
		case 'b':
			o->bytes = n;
			break;
		case 'k':
			o->kills = n;
			break;
		case 'w':
			o->max_wait_ms = n;
			break;
		case 'r':
			o->max_recovery_ms = n;
			break;
		case 'G':
			o->cut_gate_ms = n;
			break;
		case 'R':
			o->cut_regions_ms = n;
			break;
		case 'B':
			o->backup_ms = n;
			break;
		case 'n':
			o->nosync = true;
			break;
		case 'd':
			o->disk = true;
			break;
		case 'e':
			if (sscanf(optarg, "%ld-%ld", &o->every_min_ms, &o->every_max_ms) != 2)
				return false;
			break;
		default:
			return false;
		}
	}
	return o->processes > 0 && o->threads > 0 && o->threads <= 16 &&
	       o->processes * o->threads <= WRITERS_MAX && o->every_max_ms >= o->every_min_ms;
}

int main(int argc, char **argv)
{
	struct world world = {.options = {.seconds = 20,
					  .processes = 12,
					  .threads = 3,
					  .bytes = 200,
					  .kills = 200,
					  .max_wait_ms = 5000,
					  .max_recovery_ms = 1000,
					  .every_min_ms = 15,
					  .every_max_ms = 100}};
	int64_t kills = 0, first_epoch;
	bool good;

	if (!read_options(argc, argv, &world.options)) {
		(void)fprintf(stderr,
			      "gate_kill: see the first comment of tests/crash/gate_kill.c\n");
		return 2;
	}
	(void)snprintf(world.dir, sizeof(world.dir), "/tmp/gate-kill-XXXXXX");
	world.shared = mmap(NULL, sizeof(*world.shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mkdtemp(world.dir) == NULL || world.shared == MAP_FAILED)
		return 2;
	(void)snprintf(world.regions, sizeof(world.regions),
		       world.options.disk ? "%s/db/run" : "/dev/shm/%s",
		       world.options.disk ? world.dir : world.dir + 5);
	world.config = (struct config){.data_dir = world.dir,
				       .store_regions = world.regions,
				       .allow_root = true,
				       .store_wait_ms = 5000,
				       .store_hold_s = 30,
				       .store_ballast = MIB};
	srandom((unsigned int)getpid());
	first_epoch = epoch_of(&world);
	good = kill_for_a_while(&world, &kills);
	good = report(&world, kills, first_epoch, good);
	if (good) {
		(void)fs_remove_tree(AT_FDCWD, world.dir, NULL);
		(void)fs_remove_tree(AT_FDCWD, world.regions, NULL);
	} else {
		(void)printf("FAILED; kept %s\n", world.dir);
	}
	return good ? 0 : 1;
}
