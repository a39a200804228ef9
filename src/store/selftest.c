/* Do locks and shared memory work between processes here?  Source: contracts/store.md 11. */
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"

#define SELFTEST_VERSION 1

/* A nameless file in the directory: nobody else can be in the way of the test.  -1 and errno. */
static int nameless_file(const char *dir)
{
	char hex[17];
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(at, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 && at >= 0) {
		char name[32];

		token_hex(hex, 16);
		(void)snprintf(name, sizeof(name), "test.%s", hex);
		fd = openat(at, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0)
			(void)unlinkat(at, name, 0);
	}
	if (at >= 0)
		(void)close(at);
	return fd;
}

static bool try_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_SETLK, &lock) == 0;
}

/* The child: only async-signal-safe calls, since the parent may have threads. */
_Noreturn static void child_run(int lock_fd, volatile unsigned char *shared, int to_parent)
{
	char answer = 'y';

	shared[0] = 42;
	if (!try_lock(lock_fd))
		answer = 'n';
	(void)!write(to_parent, &answer, 1);
	for (;;)
		(void)pause();
}

static const char *run_child(int lock_fd, volatile unsigned char *shared, bool want_lock)
{
	int pipe_fd[2];
	const char *wrong = NULL;
	char answer = 0;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC) != 0)
		return "no pipe";
	shared[0] = 0;
	pid = fork();
	if (pid == 0)
		child_run(lock_fd, shared, pipe_fd[1]);
	(void)close(pipe_fd[1]);
	if (pid > 0) {
		struct pollfd poll_fd = {.fd = pipe_fd[0], .events = POLLIN};

		if (poll(&poll_fd, 1, 5000) != 1 || read(pipe_fd[0], &answer, 1) != 1)
			wrong = "a child does not answer";
		else if (shared[0] != 42)
			wrong = "shared memory is not seen by another process";
		else if (want_lock && (answer != 'y' || try_lock(lock_fd)))
			wrong = "a lock held by another process does not hold";
		else if (!want_lock && answer != 'n')
			wrong = "a second process gets a lock that is held";
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (wrong == NULL && !try_lock(lock_fd))
			wrong = "the lock of a killed process is not freed";
	} else {
		wrong = "no child";
	}
	(void)close(pipe_fd[0]);
	return wrong;
}

static enum err run(const struct place *place, struct error *error)
{
	CLEAN_FD int lock_fd = nameless_file(place->data_dir);
	CLEAN_FD int map_fd = nameless_file(place->regions);
	struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	const char *wrong;
	void *map;

	if (lock_fd < 0 || map_fd < 0 || ftruncate(map_fd, 4096) != 0)
		return error_errno(error, ERR_STORE,
				   "self-test: no file in data_dir or store.regions");
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (map == MAP_FAILED)
		return error_errno(error, ERR_STORE, "self-test: store.regions cannot be mapped");
	wrong = run_child(lock_fd, map, true);
	if (wrong == NULL)
		wrong = run_child(lock_fd, map, false);
	(void)fcntl(lock_fd, F_SETLK, &none);
	(void)munmap(map, 4096);
	if (wrong != NULL)
		return error_set(error, ERR_STORE, "self-test: %s (data_dir %s, regions %s)", wrong,
				 place->data_dir, place->regions);
	return ERR_OK;
}

/*
 * What the remembered result holds for: another boot, device or place needs another test.  Caller
 * frees.
 */
static char *marker_text(const struct place *place)
{
	CLEAN_FREE char *boot = NULL;
	struct stat data = {0}, regions = {0};

	(void)fs_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot, NULL, NULL);
	(void)stat(place->data_dir, &data);
	(void)stat(place->regions, &regions);
	return mem_printf("%d %s %llu %llu %s\n", SELFTEST_VERSION, boot != NULL ? boot : "?",
			  (unsigned long long)data.st_dev, (unsigned long long)regions.st_dev,
			  place->regions);
}

enum err place_selftest(const struct place *place, int dir, struct error *error)
{
	CLEAN_FREE char *want = marker_text(place);
	CLEAN_FREE char *have = NULL;
	enum err err;

	if (fs_read_file(dir, "selftest", PATH_MAX, &have, NULL, NULL) == ERR_OK &&
	    strcmp(have, want) == 0)
		return ERR_OK;
	err = run(place, error);
	/* Not remembering it is no failure: a full disk may still be read from. */
	if (err == ERR_OK)
		(void)fs_replace(dir, "selftest", want, strlen(want), NULL);
	return err;
}

/* File systems that never show a file's new size before its bytes (store.md 8). */
static const char *filesystem_name(const char *path)
{
	static const struct {
		unsigned int magic;
		const char *name;
	} good[] = {
	    {0xef53, "ext4"},	 {0x58465342, "XFS"},	{0x9123683e, "Btrfs"},
	    {0x2fc12fc1, "ZFS"}, {0x01021994, "tmpfs"}, {0x794c7630, "overlay"},
	};
	struct statfs fs;

	for (size_t i = 0; statfs(path, &fs) == 0 && i < sizeof(good) / sizeof(good[0]); i++) {
		if ((unsigned int)fs.f_type == good[i].magic)
			return good[i].name;
	}
	return "other";
}

enum err store_selftest(const struct store *s, json_object **ret, struct error *error)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "filesystem", filesystem_name(s->place.data_dir));
	json_set_bool(o, "regions_in_memory", !s->place.region_init);
	*ret = o;
	return run(&s->place, error);
}
