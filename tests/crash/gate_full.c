/*
 * Goal: on a file system that is full to the last byte, writes are refused with ERR_NO_SPACE,
 * reading and deleting go on, nobody dies of SIGBUS, and within five seconds of space coming back
 * everything works again with nothing lost and the ballast in place.  Case 21 of contracts/store.md
 * 16.
 *
 *   gate_full [--rounds 2]
 *
 * Needs a tmpfs of its own, thus root: else it says so and exits with 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/maintain.h"
#include "store/record.h"

#define WRITERS	    2
#define N_PROCESSES 4 /* two that write, one that reads, one that deletes */

struct shared {
	atomic_bool stop;
	atomic_int phase; /* 0 room, 1 filling up, 2 full, 3 room again, waiting */
	atomic_llong acknowledged[N_PROCESSES];
	atomic_llong good[N_PROCESSES][4], full[N_PROCESSES][4], bad[N_PROCESSES][4];
};

struct world {
	struct config config;
	struct shared *shared;
	char mount[64];
	char data_dir[96];
	char regions[96];
};

struct job {
	int number;
	int64_t value;
};

/* Grows: what is full shall get fuller. */
static enum err write_once(struct pass *p, void *arg)
{
	struct job *j = arg;
	CLEAN_JSON json_object *record = json_object_new_object();
	char name[32], filler[3001];
	enum err err;

	(void)snprintf(name, sizeof(name), "n%d", j->number);
	err = counter_add(p, name, 1, &j->value);
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	json_set_str(record, "filler", filler);
	(void)snprintf(name, sizeof(name), "r%d-%lld", j->number, (long long)(j->value % 2000));
	return err == ERR_OK ? record_put(p, TABLE_GROUPS, name, strlen(name), record) : err;
}

static enum err read_once(struct pass *p, void *arg)
{
	struct job *j = arg;

	return counter_add(p, "n0", 0, &j->value);
}

static enum err delete_once(struct pass *p, void *arg)
{
	struct job *j = arg;
	char name[32];
	enum err err;

	(void)snprintf(name, sizeof(name), "n%d", j->number);
	err = counter_add(p, name, 1, &j->value);
	(void)snprintf(name, sizeof(name), "r0-%lld", (long long)(j->value % 2000));
	if (err == ERR_OK)
		err = record_delete(p, TABLE_GROUPS, name, strlen(name));
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void run_process(struct world *w, int number)
{
	static const struct {
		enum pass_kind kind;
		pass_fn *fn;
	} work[N_PROCESSES] = {{PASS_SYNC, write_once},
			       {PASS_SYNC, write_once},
			       {PASS_READ, read_once},
			       {PASS_DELETE, delete_once}};
	struct shared *s = w->shared;
	struct store *store = NULL;

	while (!atomic_load(&s->stop)) {
		struct job job = {.number = number};
		struct error error = {0};
		int phase = atomic_load(&s->phase);
		enum err err;

		/* A process that is worn out makes room for another, as a server would. */
		if (store != NULL && store_worn_out(store)) {
			store_close(store);
			store = NULL;
		}
		if (store == NULL &&
		    (err = store_open(&w->config, true, &store, &error)) != ERR_OK) {
			store = NULL;
			(void)atomic_fetch_add(err == ERR_NO_SPACE ? &s->full[number][phase]
								   : &s->bad[number][phase],
					       1);
			(void)fprintf(stderr, "open: %s\n", error.text);
			clock_sleep_ms(20);
			continue;
		}
		err = store_pass(store, work[number].kind, "full", work[number].fn, &job, &error);
		if (err == ERR_OK && work[number].kind != PASS_READ)
			atomic_store(&s->acknowledged[number], job.value);
		if (atomic_load(&s->phase) != phase)
			continue;
		(void)atomic_fetch_add(err == ERR_OK	     ? &s->good[number][phase]
				       : err == ERR_NO_SPACE ? &s->full[number][phase]
							     : &s->bad[number][phase],
				       1);
		if (err != ERR_OK && err != ERR_NO_SPACE)
			(void)fprintf(stderr, "process %d: %s: %s\n", number, err_name(err),
				      error.text);
		clock_sleep_ms(err == ERR_OK ? 1 : 5);
	}
	store_close(store);
	_exit(0);
}

/* Take every free byte. */
static void fill_up(struct world *w)
{
	CLEAN_FREE char *path = mem_printf("%s/filler", w->mount);
	char block[4096] = {1};
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	while (write(fd, block, sizeof(block)) > 0)
		;
	(void)close(fd);
}

static bool want(const char *what, bool good)
{
	if (!good)
		(void)printf("FAILED: %s\n", what);
	return good;
}

static bool one_round(struct world *w, struct store *care)
{
	struct shared *s = w->shared;
	CLEAN_FREE char *filler = mem_printf("%s/filler", w->mount);
	CLEAN_FREE char *ballast = mem_printf("%s/ballast", w->data_dir);
	int64_t until;
	bool good = true;

	memset(s->good, 0, sizeof(s->good));
	memset(s->full, 0, sizeof(s->full));
	memset(s->bad, 0, sizeof(s->bad));
	atomic_store(&s->phase, 0);
	clock_sleep_ms(500);
	atomic_store(&s->phase, 1);
	fill_up(w);
	clock_sleep_ms(1500);
	atomic_store(&s->phase, 2);
	clock_sleep_ms(1500);
	atomic_store(&s->phase, 3);
	(void)unlink(filler);
	for (until = clock_mono_ms() + 5000;
	     clock_mono_ms() < until && access(ballast, F_OK) != 0;) {
		(void)store_sweep(care, NULL);
		clock_sleep_ms(100);
	}
	good = want("the ballast is there again", access(ballast, F_OK) == 0) && good;
	atomic_store(&s->phase, 0);
	clock_sleep_ms(500);
	for (int i = 0; i < N_PROCESSES; i++) {
		bool writes = i < WRITERS;

		(void)printf("process %d: room %lld good %lld full; full disk %lld good %lld full "
			     "%lld bad\n",
			     i, atomic_load(&s->good[i][0]), atomic_load(&s->full[i][0]),
			     atomic_load(&s->good[i][2]), atomic_load(&s->full[i][2]),
			     atomic_load(&s->bad[i][2]));
		good = want("with room everything works", atomic_load(&s->good[i][0]) > 0 &&
							      atomic_load(&s->full[i][0]) == 0 &&
							      atomic_load(&s->bad[i][0]) == 0) &&
		       good;
		good = want("on a full disk there is no other error",
			    atomic_load(&s->bad[i][2]) == 0) &&
		       good;
		if (writes)
			good = want("on a full disk writing is refused",
				    atomic_load(&s->good[i][2]) == 0 &&
					atomic_load(&s->full[i][2]) > 0) &&
			       good;
		else
			good = want("on a full disk reading and deleting go on",
				    atomic_load(&s->good[i][2]) > 0 &&
					atomic_load(&s->full[i][2]) == 0) &&
			       good;
	}
	return good;
}

static enum err account(struct pass *p, void *arg)
{
	int64_t *stored = arg;
	enum err err = ERR_OK;

	for (int i = 0; err == ERR_OK && i < N_PROCESSES; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n%d", i);
		err = counter_add(p, name, 0, &stored[i]);
	}
	return err;
}

static bool run_all(struct world *w, int64_t rounds)
{
	pid_t pids[N_PROCESSES];
	int64_t stored[N_PROCESSES];
	struct store *care = NULL;
	struct error error = {0};
	int findings = -1;
	bool good = true;

	for (int i = 0; i < N_PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			run_process(w, i);
	}
	if (store_open(&w->config, true, &care, &error) != ERR_OK)
		return want(error.text, false);
	for (int64_t i = 0; i < rounds; i++)
		good = one_round(w, care) && good;
	atomic_store(&w->shared->stop, true);
	for (int i = 0; i < N_PROCESSES; i++) {
		int status;

		(void)waitpid(pids[i], &status, 0);
		good = want("every process ends well",
			    WIFEXITED(status) && WEXITSTATUS(status) == 0) &&
		       good;
	}
	good = want("the account is taken",
		    store_pass(care, PASS_READ, "account", account, stored, &error) == ERR_OK) &&
	       good;
	for (int i = 0; i < N_PROCESSES; i++)
		good = want("nothing is lost",
			    stored[i] >= atomic_load(&w->shared->acknowledged[i])) &&
		       good;
	good = want("the check finds nothing",
		    store_check(care, false, false, stdout, &findings, &error) == ERR_OK &&
			findings == 0) &&
	       good;
	if (error.text[0] != '\0')
		(void)printf("%s\n", error.text);
	store_close(care);
	return good;
}

int main(int argc, char **argv)
{
	int64_t rounds =
	    argc == 3 && strcmp(argv[1], "--rounds") == 0 ? strtoll(argv[2], NULL, 10) : 2;
	struct world w = {0};
	bool good;

	(void)snprintf(w.mount, sizeof(w.mount), "/tmp/gate-full-XXXXXX");
	if (mkdtemp(w.mount) == NULL)
		return 2;
	if (mount("tmpfs", w.mount, "tmpfs", 0, "size=80m,mode=0700") != 0) {
		(void)printf("skipped: no tmpfs of its own (%s)\n", strerror(errno));
		(void)rmdir(w.mount);
		return 0;
	}
	(void)snprintf(w.data_dir, sizeof(w.data_dir), "%s/data", w.mount);
	(void)snprintf(w.regions, sizeof(w.regions), "/dev/shm/%s", strrchr(w.mount, '/') + 1);
	w.shared = mmap(NULL, sizeof(*w.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	w.config = (struct config){.data_dir = w.data_dir,
				   .store_regions = w.regions,
				   .allow_root = true,
				   .store_wait_ms = 5000,
				   .store_hold_s = 30,
				   .store_ballast = 24 * MIB};
	good = run_all(&w, rounds);
	(void)umount2(w.mount, MNT_DETACH);
	(void)rmdir(w.mount);
	(void)fs_remove_tree(AT_FDCWD, w.regions, NULL);
	(void)printf(good ? "full disk: well\n" : "full disk: FAILED\n");
	return good ? 0 : 1;
}
