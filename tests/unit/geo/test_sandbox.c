/*
 * Goal: inside the jail nothing can be reached but the job's two folders and the libraries' data:
 * no network, no other program, no other process, no foreign file, no more memory, time or output
 * than the job was given.
 */
#include "scratch.h"
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "geo/sandbox.h"

#define MIB_ (1024L * 1024)

static int level; /* what this machine gives */

/* Run FN in a process inside the jail; its return value, or 1000 + the signal that ended it. */
static int jailed(int (*fn)(void), bool threads)
{
	char dir[256];
	pid_t pid;
	int status;

	assert_non_null(getcwd(dir, sizeof(dir)));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct error error = {0};
		int got = 0;

		if (sandbox_enter(dir, &got, &error) != ERR_OK ||
		    sandbox_limits(512 * MIB_, 2, 4 * MIB_, threads, &error) != ERR_OK ||
		    got != level)
			_exit(99);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int in_jail(int (*fn)(void))
{
	return jailed(fn, true);
}

static int enter(void **state)
{
	if (scratch_enter(state) != 0 || mkdir("in", 0700) != 0 || mkdir("out", 0700) != 0)
		return -1;
	scratch_text("in/1.csv", "a,b\n");
	scratch_text("secret", "x");
	return 0;
}

static int refused(long result, int want)
{
	return result < 0 && errno == want ? 0 : 1;
}

static int try_socket(void)
{
	return refused(socket(AF_INET, SOCK_STREAM, 0), EPERM) +
	       refused(socket(AF_UNIX, SOCK_STREAM, 0), EPERM) +
	       refused(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (int[2]){0}), EPERM) +
	       refused(syscall(SYS_connect, 0, NULL, 0), EPERM);
}

static int try_programs(void)
{
	char *argv[] = {(char *)(uintptr_t) "/bin/true", NULL};

	return refused(execv(argv[0], argv), EPERM) + refused(fork(), EPERM) +
	       refused(vfork(), EPERM) +
	       refused(syscall(SYS_clone, (long)SIGCHLD, 0, 0, 0, 0), EPERM) +
	       refused(syscall(SYS_clone3, NULL, 0), ENOSYS) +
	       refused(syscall(SYS_execveat, -1, "/bin/true", argv, NULL, 0), EPERM);
}

static int try_kernel(void)
{
	return refused(ptrace(PTRACE_TRACEME, 0, 0, 0), EPERM) +
	       refused(mount("a", "b", "tmpfs", 0, NULL), EPERM) +
	       refused(syscall(SYS_bpf, 0, NULL, 0), EPERM) +
	       refused(syscall(SYS_io_uring_setup, 1, NULL), EPERM) +
	       refused(syscall(SYS_userfaultfd, 0), EPERM) + refused(kill(getppid(), 0), EPERM) +
	       refused(syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM) +
	       refused(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0), EPERM) +
	       refused(syscall(SYS_unshare, CLONE_NEWUSER), EPERM) +
	       refused(syscall(SYS_keyctl, 0, 0, 0), EPERM) +
	       refused(syscall(SYS_setuid, 0), EPERM) +
	       refused(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, ""), EPERM);
}

static int try_files(void)
{
	int bad = refused(open("/etc/passwd", O_RDONLY), EACCES) +
		  refused(open("secret", O_RDONLY), EACCES) +
		  refused(open("/proc/self/environ", O_RDONLY), EACCES) +
		  refused(open("/", O_RDONLY | O_DIRECTORY), EACCES);

	bad += open("in/1.csv", O_RDONLY) < 0;
	bad += refused(open("in/1.csv", O_WRONLY), EACCES) +
	       refused(open("in/2.csv", O_WRONLY | O_CREAT, 0600), EACCES) +
	       refused(unlink("in/1.csv"), EACCES) +
	       refused(rename("in/1.csv", "out/1.csv"), EACCES);
	return bad;
}

/* Landlock before ABI 3 (Linux 6.2) lets everything be emptied by its path: the filter must not. */
static int try_emptying(void)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = {.flags = O_RDONLY | O_TRUNC};
	int fd = open("out/e", O_WRONLY | O_CREAT | O_TRUNC, 0600), bad = fd < 0;

	for (int i = 0; i < 2; i++) {
		const char *path = i == 0 ? "in/1.csv" : "secret";

		bad += refused(truncate(path, 0), EPERM) +
		       refused(open(path, O_RDONLY | O_TRUNC), EPERM) +
		       refused(openat(AT_FDCWD, path, O_RDONLY | O_TRUNC), EPERM) +
		       refused(open(path, O_ACCMODE | O_TRUNC), EPERM) +
		       refused(open(path, O_ACCMODE), EPERM) +
		       refused(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)), ENOSYS);
	}
	return bad + (ftruncate(fd, 10) != 0) + (open("out/e", O_RDWR | O_TRUNC) < 0);
}

/* Who owns a descriptor is sent a signal of choice, SIGKILL too, when something arrives in it. */
static int try_signals(void)
{
	struct flock lock = {.l_type = F_RDLCK};
	int fd = open("in/1.csv", O_RDONLY);

	return refused(fcntl(0, F_SETOWN, getppid()), EPERM) +
	       refused(fcntl(0, F_SETOWN_EX, &(struct f_owner_ex){F_OWNER_PID, getppid()}), EPERM) +
	       refused(fcntl(0, F_SETSIG, SIGKILL), EPERM) +
	       refused(fcntl(0, F_SETFL, O_ASYNC), EPERM) +
	       refused(fcntl(fd, F_SETLEASE, F_RDLCK), EPERM) +
	       refused(fcntl(fd, F_NOTIFY, DN_ACCESS), EPERM) + (fcntl(fd, F_GETFL) < 0) +
	       (fcntl(fd, F_SETLK, &lock) != 0);
}

static int try_output(void)
{
	int fd = open("out/a", O_RDWR | O_CREAT, 0600), bad = fd < 0;

	bad += write(fd, "x", 1) != 1 || ftruncate(fd, 0) != 0 || close(fd) != 0;
	bad += mkdir("out/work", 0700) != 0 || rename("out/a", "out/work/b") != 0 ||
	       unlink("out/work/b") != 0 || rmdir("out/work") != 0;
	/* No links of either kind, no pipes, no devices. */
	return bad + refused(symlink("/etc/passwd", "out/l"), EPERM) +
	       refused(link("in/1.csv", "out/h"), EPERM) +
	       refused(syscall(SYS_mknodat, AT_FDCWD, "out/p", S_IFIFO | 0600, 0), EPERM) +
	       refused(chmod("out", 0777), EPERM);
}

static void *add_one(void *n)
{
	++*(int *)n;
	return NULL;
}

static int try_threads(void)
{
	pthread_t t[4];
	int n[4] = {0}, sum = 0;

	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, add_one, &n[i]) != 0)
			return 1;
	for (int i = 0; i < 4; i++) {
		(void)pthread_join(t[i], NULL);
		sum += n[i];
	}
	return sum == 4 ? 0 : 2;
}

static int try_limits(void)
{
	struct rlimit r;
	int bad = getrlimit(RLIMIT_AS, &r) != 0 || r.rlim_max != 512 * MIB_;

	r.rlim_cur = 256 * MIB_;
	bad += refused(setrlimit(RLIMIT_AS, &r), EPERM);
	bad += refused(syscall(SYS_prlimit64, getppid(), RLIMIT_AS, NULL, &r), EPERM);
	bad += getrlimit(RLIMIT_CORE, &r) != 0 || r.rlim_max != 0;
	bad += getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_max > 64;
	return bad;
}

static int try_memory(void)
{
	void *p = mmap(NULL, 3UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED && errno == ENOMEM ? 0 : 1;
}

static int spin(void)
{
	for (volatile unsigned n = 0;; n++)
		;
	return 0;
}

static int write_much(void)
{
	static char block[1 << 20];
	int fd = open("out/big", O_WRONLY | O_CREAT, 0600);

	(void)signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < 10; i++)
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return i == 4 ? 0 : 1;
	return 2;
}

static int try_libraries(void)
{
	/* A converter is loaded when the first text in its charset is met. */
	return access("/usr/share/proj/proj.db", R_OK) == 0 &&
		       open("/usr/share/proj/proj.db", O_RDONLY) >= 0 &&
		       open("/dev/urandom", O_RDONLY) >= 0
		   ? 0
		   : 1;
}

static void test_sandbox_refuses_network(void **state)
{
	(void)state;
	if (level < 2)
		skip();
	assert_int_equal(in_jail(try_socket), 0);
}

static void test_sandbox_refuses_programs_and_kernel(void **state)
{
	(void)state;
	if (level < 2)
		skip();
	assert_int_equal(in_jail(try_programs), 0);
	assert_int_equal(in_jail(try_kernel), 0);
	assert_int_equal(in_jail(try_signals), 0);
}

static void test_sandbox_empties_no_file_by_its_path(void **state)
{
	(void)state;
	if (level < 2)
		skip();
	assert_int_equal(in_jail(try_emptying), 0);
}

static void test_sandbox_shows_only_the_job(void **state)
{
	(void)state;
	if (level < 3)
		skip();
	assert_int_equal(in_jail(try_files), 0);
	assert_int_equal(in_jail(try_output), 0);
	assert_int_equal(in_jail(try_libraries), 0);
}

static void test_sandbox_allows_threads(void **state)
{
	(void)state;
	assert_int_equal(in_jail(try_threads), 0);
}

static int try_alone(void)
{
	return refused(
		   syscall(SYS_clone, (long)(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND), 0, 0, 0, 0),
		   EPERM) +
	       refused(syscall(SYS_clone3, NULL, 0), ENOSYS) + (try_threads() == 1 ? 0 : 1);
}

static void test_sandbox_refuses_threads_where_none_are_needed(void **state)
{
	(void)state;
	if (level < 2)
		skip();
	assert_int_equal(jailed(try_alone, false), 0);
}

static void test_sandbox_holds_limits(void **state)
{
	(void)state;
	if (level >= 2)
		assert_int_equal(in_jail(try_limits), 0);
	assert_int_equal(in_jail(try_memory), 0);
	assert_int_equal(in_jail(spin), 1000 + SIGXCPU);
	assert_int_equal(in_jail(write_much), 0);
}

static int find_level(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		int got = 0;

		_exit(sandbox_enter(NULL, &got, &(struct error){0}) == ERR_OK ? got : 0);
	}
	(void)waitpid(pid, &status, 0);
	level = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	print_message("jail level %d\n", level);
	return level > 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_sandbox_refuses_network, enter, scratch_leave),
	    cmocka_unit_test_setup_teardown(test_sandbox_refuses_programs_and_kernel, enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_sandbox_empties_no_file_by_its_path, enter,
					    scratch_leave),
	    cmocka_unit_test_setup_teardown(test_sandbox_shows_only_the_job, enter, scratch_leave),
	    cmocka_unit_test_setup_teardown(test_sandbox_allows_threads, enter, scratch_leave),
	    cmocka_unit_test_setup_teardown(test_sandbox_refuses_threads_where_none_are_needed,
					    enter, scratch_leave),
	    cmocka_unit_test_setup_teardown(test_sandbox_holds_limits, enter, scratch_leave),
	};

	return cmocka_run_group_tests(tests, find_level, NULL);
}
