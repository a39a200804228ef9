/*
 * Goal: what was acknowledged is there after a power cut.  A file system on a loop device is shut
 * down without flushing its log while processes write; it is mounted again under another boot id
 * and looked at.  Case 12 of contracts/store.md 16.
 *
 *   gate_power [--cycles 5] [--kills]
 *
 * --kills: processes are killed as well.  Needs root, a loop device and ext4: else it says so and
 * exits with 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/gate.h"
#include "store/maintain.h"
#include "store/record.h"

#define N_PROCESSES		    4
#define EXT4_IOC_SHUTDOWN	    _IOR('X', 125, uint32_t) /* linux: fs/ext4/ext4.h */
#define EXT4_GOING_FLAGS_NOLOGFLUSH 2

struct shared {
	atomic_bool cut; /* answers that return from now on do not count */
	atomic_llong acknowledged[N_PROCESSES];
};

struct world {
	struct config config;
	struct shared *shared;
	char image[96], mount[64], data_dir[96], regions[96];
};

struct job {
	int number;
	int64_t value;
};

static enum err write_once(struct pass *p, void *arg)
{
	struct job *j = arg;
	CLEAN_JSON json_object *record = json_object_new_object();
	char name[16], filler[513];
	int64_t all;
	enum err err;

	(void)snprintf(name, sizeof(name), "w%d", j->number);
	err = counter_add(p, name, 1, &j->value);
	if (err == ERR_OK)
		err = counter_add(p, "all", 1, &all);
	memset(filler, 'x', 512);
	filler[512] = '\0';
	json_set_str(record, "filler", filler);
	json_set_int(record, "last", j->value);
	return err == ERR_OK ? record_put(p, TABLE_GROUPS, name, strlen(name), record) : err;
}

static void run_process(struct world *w, int number)
{
	struct job job = {.number = number};
	struct store *store;

	if (store_open(&w->config, true, &store, NULL) != ERR_OK)
		_exit(1);
	while (store_pass(store, PASS_SYNC, "power", write_once, &job, NULL) == ERR_OK) {
		if (atomic_load(&w->shared->cut))
			break;
		atomic_store(&w->shared->acknowledged[number], job.value);
	}
	_exit(0);
}

static int command(const char *fmt, const char *a, const char *b)
{
	char line[256];
	char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", line, NULL};
	int status = -1;
	pid_t pid;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(line, sizeof(line), fmt, a, b);
#pragma GCC diagnostic pop
	pid = fork();
	if (pid == 0) {
		(void)execv("/bin/sh", argv);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What a new boot changes: the boot id, and memory. */
static void new_boot(struct world *w)
{
	CLEAN_FREE char *path = mem_printf("%s/gate", w->data_dir);
	struct gate_header h;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) && gate_header_ok(&h)) {
		h.boot[0] ^= 0xff;
		h.crc = gate_header_crc(&h);
		(void)!pwrite(fd, &h, sizeof(h), 0);
	}
	if (fd >= 0)
		(void)close(fd);
	(void)fs_remove_tree(AT_FDCWD, w->regions, NULL);
}

struct account {
	int64_t stored[N_PROCESSES];
	int64_t torn, sum, all;
};

static enum err take_account(struct pass *p, void *arg)
{
	struct account *a = arg;
	struct account fresh = {0};

	*a = fresh;
	for (int i = 0; i < N_PROCESSES; i++) {
		CLEAN_JSON json_object *record = NULL;
		char name[16];
		enum err err;

		(void)snprintf(name, sizeof(name), "w%d", i);
		err = counter_add(p, name, 0, &a->stored[i]);
		if (err != ERR_OK)
			return err;
		a->sum += a->stored[i];
		err = a->stored[i] > 0 ? record_get(p, TABLE_GROUPS, name, strlen(name), &record)
				       : ERR_NOT_FOUND;
		if (err == ERR_OK && json_int(record, "last", -1) != a->stored[i])
			a->torn++;
	}
	return counter_add(p, "all", 0, &a->all);
}

static bool look_at(struct world *w, int64_t *ret_lost)
{
	struct account a = {{0}, 0, 0, 0};
	struct error error = {0};
	struct store *store;
	int64_t lost = 0;

	if (store_open(&w->config, true, &store, &error) != ERR_OK) {
		(void)printf("after the cut: %s\n", error.text);
		return false;
	}
	if (store_pass(store, PASS_READ, "account", take_account, &a, &error) != ERR_OK)
		(void)printf("after the cut: %s\n", error.text);
	store_close(store);
	for (int i = 0; i < N_PROCESSES; i++) {
		int64_t wanted = atomic_load(&w->shared->acknowledged[i]);

		lost += a.stored[i] < wanted ? wanted - a.stored[i] : 0;
		atomic_store(&w->shared->acknowledged[i], a.stored[i]);
	}
	*ret_lost += lost;
	return error.text[0] == '\0' && lost == 0 && a.torn == 0 && a.sum == a.all;
}

static bool cycle(struct world *w, bool kills, int64_t *ret_lost)
{
	uint32_t how = EXT4_GOING_FLAGS_NOLOGFLUSH;
	pid_t pids[N_PROCESSES];
	bool good;
	int fd;

	atomic_store(&w->shared->cut, false);
	for (int i = 0; i < N_PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			run_process(w, i);
	}
	clock_sleep_ms(100 + random() % 300);
	if (kills)
		(void)kill(pids[random() % N_PROCESSES], SIGKILL);
	fd = open(w->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atomic_store(&w->shared->cut, true);
	good = ioctl(fd, EXT4_IOC_SHUTDOWN, &how) == 0;
	(void)close(fd);
	for (int i = 0; i < N_PROCESSES; i++) {
		clock_sleep_ms(5);
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	good = umount(w->mount) == 0 && good;
	good = command("mount -o loop %s %s", w->image, w->mount) == 0 && good;
	new_boot(w);
	return look_at(w, ret_lost) && good;
}

static bool prepare(struct world *w)
{
	(void)snprintf(w->mount, sizeof(w->mount), "/tmp/gate-power-XXXXXX");
	if (geteuid() != 0 || mkdtemp(w->mount) == NULL)
		return false;
	(void)snprintf(w->image, sizeof(w->image), "%s.img", w->mount);
	(void)snprintf(w->data_dir, sizeof(w->data_dir), "%s/data", w->mount);
	(void)snprintf(w->regions, sizeof(w->regions), "/dev/shm/%s", strrchr(w->mount, '/') + 1);
	return command("truncate -s 96M %s && mkfs.ext4 -q %s", w->image, w->image) == 0 &&
	       command("mount -o loop %s %s", w->image, w->mount) == 0;
}

int main(int argc, char **argv)
{
	struct world w = {.mount = ""};
	int64_t cycles = 5, lost = 0, commits = 0;
	bool kills = false, good = true, ready;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--kills") == 0)
			kills = true;
		else if (strcmp(argv[i], "--cycles") == 0 && i + 1 < argc)
			cycles = strtoll(argv[++i], NULL, 10);
	}
	w.shared = mmap(NULL, sizeof(*w.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	ready = prepare(&w);
	w.config = (struct config){.data_dir = w.data_dir,
				   .store_regions = w.regions,
				   .allow_root = true,
				   .store_wait_ms = 5000,
				   .store_hold_s = 30,
				   .store_ballast = 16 * MIB};
	srandom((unsigned int)getpid());
	if (!ready)
		(void)printf("skipped: no ext4 on a loop device here\n");
	for (int64_t i = 0; ready && good && i < cycles; i++) {
		good = cycle(&w, kills, &lost);
		if (!good)
			(void)printf("FAILED in cycle %lld: %lld lost\n", (long long)i,
				     (long long)lost);
	}
	for (int i = 0; i < N_PROCESSES; i++)
		commits += atomic_load(&w.shared->acknowledged[i]);
	if (ready)
		(void)printf("%lld power cuts, %lld commits, %lld lost\n", (long long)cycles,
			     (long long)commits, (long long)lost);
	if (w.mount[0] != '\0' && w.image[0] != '\0') {
		(void)umount2(w.mount, MNT_DETACH);
		(void)rmdir(w.mount);
		(void)unlink(w.image);
		(void)fs_remove_tree(AT_FDCWD, w.regions, NULL);
	}
	return good ? 0 : 1;
}
