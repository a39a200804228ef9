#include "geo/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Newer than Debian 12's headers; <linux/landlock.h> of Linux 6.12. */
#define FS_TRUNCATE	    (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV	    (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP	    (1ULL << 0)	 /* ABI 4 */
#define NET_CONNECT_TCP	    (1ULL << 1)	 /* ABI 4 */
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)	 /* ABI 6 */
#define SCOPE_SIGNAL	    (1ULL << 1)	 /* ABI 6 */

struct ruleset {
	uint64_t fs;	 /* handled_access_fs */
	uint64_t net;	 /* handled_access_net, ABI 4 */
	uint64_t scoped; /* ABI 6 */
};

#define FS_FILE_READ LANDLOCK_ACCESS_FS_READ_FILE
#define FS_READ	     (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                                                   \
	(FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                 \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

/* What the kernel of this ABI can be told to refuse: everything it knows. */
static void handled(long abi, struct ruleset *r, size_t *size)
{
	r->fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	*size = sizeof(r->fs);
	if (abi >= 2)
		r->fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		r->fs |= FS_TRUNCATE;
	if (abi >= 4) {
		r->net = NET_BIND_TCP | NET_CONNECT_TCP;
		*size = 2 * sizeof(uint64_t);
	}
	if (abi >= 5)
		r->fs |= FS_IOCTL_DEV;
	if (abi >= 6) {
		r->scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
		*size = sizeof(*r);
	}
}

/* A path that is not there needs no rule; anything else that fails is fatal. */
static enum err allow_path(int set, const struct ruleset *r, const char *path, uint64_t rights,
			   struct error *error)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights & r->fs};
	long done;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT ? ERR_OK
				       : error_errno(error, ERR_UNAVAILABLE, "landlock: %s", path);
	done = syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	(void)close(rule.parent_fd);
	return done == 0 ? ERR_OK : error_errno(error, ERR_UNAVAILABLE, "landlock: %s", path);
}

static enum err allow_paths(int set, const struct ruleset *r, const char *dir, struct error *error)
{
	/* On a single file only file rights count: with READ_DIR it stays unreadable. */
	const struct {
		const char *path;
		uint64_t rights;
	} system[] = {
	    {getenv("PROJ_DATA"), FS_READ}, /* as the worker says */
	    {getenv("GDAL_DATA"), FS_READ},
	    {"/usr/share/proj", FS_READ},
	    {"/usr/share/gdal", FS_READ},
	    {"/usr/lib", FS_READ},
	    {"/lib", FS_READ},
	    {"/etc/ld.so.cache", FS_FILE_READ},
	    {"/dev/urandom", FS_FILE_READ},
	};
	char path[600];
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < COUNT(system); i++) {
		if (system[i].path != NULL)
			e = allow_path(set, r, system[i].path, system[i].rights, error);
	}
	if (e != ERR_OK || dir == NULL)
		return e;
	(void)snprintf(path, sizeof(path), "%s/in", dir);
	e = allow_path(set, r, path, FS_READ, error);
	if (e != ERR_OK)
		return e;
	(void)snprintf(path, sizeof(path), "%s/out", dir);
	return allow_path(set, r, path, FS_WRITE, error);
}

/* *RET false: this kernel has no Landlock, or not switched on. */
static enum err enter_landlock(const char *dir, bool *ret, struct error *error)
{
	struct ruleset r = {0};
	size_t size = 0;
	long abi =
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	int set;
	enum err e;

	*ret = false;
	if (abi < 1)
		return ERR_OK;
	handled(abi, &r, &size);
	set = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (set < 0)
		return error_errno(error, ERR_UNAVAILABLE, "landlock");
	e = allow_paths(set, &r, dir, error);
	if (e == ERR_OK && syscall(SYS_landlock_restrict_self, set, 0) != 0)
		e = error_errno(error, ERR_UNAVAILABLE, "landlock_restrict_self");
	(void)close(set);
	*ret = e == ERR_OK;
	return e;
}

/*
 * What GDAL, PROJ, SQLite, libzip, json-c and glibc call while they read and write files.  Anything
 * else gives EPERM, which every library survives; killing would turn each unknown call into a lost
 * job.
 */
static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev2),
    SCMP_SYS(lseek),
    SCMP_SYS(_llseek),
    SCMP_SYS(close),
    SCMP_SYS(creat),
    SCMP_SYS(fstat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(fstat64),
    SCMP_SYS(fstatat64),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(flock),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fadvise64),
    SCMP_SYS(readahead),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(sendfile),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(umask),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(mmap),
    SCMP_SYS(mmap2),
    SCMP_SYS(munmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(msync),
    SCMP_SYS(mincore),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(futex_time64),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_gettime64),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_nanosleep_time64),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(_newselect),
    SCMP_SYS(pselect6),
};

/*
 * Opening may empty only what is opened for writing, which is Landlock's to refuse: before its ABI
 * 3
 * a file anywhere could be emptied by its path alone, as by truncate().  openat2 hides its flags;
 * who asks for it falls back to openat.
 */
static int add_open(scmp_filter_ctx ctx, int call, unsigned flags)
{
	static const struct {
		scmp_datum_t mask, value;
	} modes[] = {
	    {O_ACCMODE | O_TRUNC, O_RDONLY},
	    {O_ACCMODE, O_WRONLY},
	    {O_ACCMODE, O_RDWR},
	};
	int e = 0;

	for (size_t i = 0; e == 0 && i < COUNT(modes); i++)
		e = seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, call, 1,
		    SCMP_CMP(flags, SCMP_CMP_MASKED_EQ, modes[i].mask, modes[i].value));
	return e;
}

/* Not F_SETOWN, F_SETSIG and F_SETFL: they send any signal to any process of our user. */
static int add_fcntl(scmp_filter_ctx ctx, int call)
{
	static const scmp_datum_t commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD,
						F_GETFL, F_GETLK,	  F_SETLK, F_SETLKW};
	int e = 0;

	for (size_t i = 0; e == 0 && i < COUNT(commands); i++)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
				     SCMP_A1(SCMP_CMP_EQ, commands[i]));
	return e;
}

static int add_files(scmp_filter_ctx ctx)
{
	int e = add_open(ctx, SCMP_SYS(open), 1);

	if (e == 0)
		e = add_open(ctx, SCMP_SYS(openat), 2);
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
	if (e == 0)
		e = add_fcntl(ctx, SCMP_SYS(fcntl));
	return e == 0 ? add_fcntl(ctx, SCMP_SYS(fcntl64)) : e;
}

static int add_rules(scmp_filter_ctx ctx)
{
	int e = add_files(ctx);

	/*
	 * A call this architecture does not have is skipped by libseccomp's pseudo numbers: not an
	 * error.
	 */
	for (size_t i = 0; e == 0 && i < COUNT(allowed); i++)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	/*
	 * Threads of our own, no processes.  clone3 hides its flags from a filter: glibc falls back
	 * to clone.
	 */
	if (e == 0)
		e = seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM));
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, TCGETS));
	/* abort() signals its own thread; nobody else is reached. */
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	/* Until sandbox_limits() shuts it: our own limits, and the filter that shuts it. */
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				     SCMP_A0(SCMP_CMP_EQ, 0));
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 0);
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, PR_SET_NO_NEW_PRIVS));
	return e;
}

/*
 * Load the filter made by ADD over DEFAULT_ACTION; *RET false: this kernel has no seccomp filters.
 */
static enum err load_filter(uint32_t default_action, int (*add)(scmp_filter_ctx), bool *ret,
			    struct error *error)
{
	scmp_filter_ctx ctx;
	int e;

	*ret = false;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL)
		return ERR_OK;
	ctx = seccomp_init(default_action);
	if (ctx == NULL)
		return error_set(error, ERR_UNAVAILABLE, "seccomp: out of memory");
	e = add(ctx);
	if (e == 0)
		e = seccomp_load(ctx);
	seccomp_release(ctx);
	if (e == -EINVAL || e == -ENOSYS || e == -EOPNOTSUPP)
		return ERR_OK;
	if (e != 0)
		return error_set(error, ERR_UNAVAILABLE, "seccomp: %s", strerror(-e));
	*ret = true;
	return ERR_OK;
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	(void)syscall(SYS_capset, &head, none);
}

/* GRACE above the soft limit: CPU time ends with SIGXCPU, which the worker can tell from a kill. */
static enum err limit(int resource, rlim_t value, rlim_t grace, struct error *error)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)resource, &r) != 0)
		return error_errno(error, ERR_UNAVAILABLE, "getrlimit");
	if (r.rlim_max == RLIM_INFINITY || r.rlim_max > value + grace)
		r.rlim_max = value + grace;
	r.rlim_cur = value < r.rlim_max ? value : r.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &r) != 0)
		return error_errno(error, ERR_UNAVAILABLE, "setrlimit");
	return ERR_OK;
}

enum err sandbox_enter(const char *dir, int *ret_level, struct error *error)
{
	bool landlock, seccomp;
	enum err e;

	/* Without this landlock_restrict_self gives EPERM. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return error_errno(error, ERR_UNAVAILABLE, "no_new_privs");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	drop_capabilities();
	e = limit(RLIMIT_CORE, 0, 0, error);
	if (e == ERR_OK)
		e = limit(RLIMIT_NOFILE, 64, 0, error);
	if (e == ERR_OK)
		e = limit(RLIMIT_STACK, 8 << 20, 0, error);
	if (e == ERR_OK)
		e = enter_landlock(dir, &landlock, error);
	if (e == ERR_OK)
		e = load_filter(SCMP_ACT_ERRNO(EPERM), add_rules, &seccomp, error);
	if (e != ERR_OK)
		return e;
	/* Landlock alone leaves the network open: that is level 1. */
	*ret_level = !seccomp ? 1 : landlock ? 3 : 2;
	return ERR_OK;
}

static int add_seal(scmp_filter_ctx ctx)
{
	/* Reading a limit passes NULL as the new one. */
	int e = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1,
				 SCMP_A2(SCMP_CMP_NE, 0));

	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0);
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 0);
	return e;
}

/* No limit counts the threads of one process alone: who needs none gets none. */
static int add_seal_alone(scmp_filter_ctx ctx)
{
	int e = add_seal(ctx);

	return e == 0 ? seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 0) : e;
}

enum err sandbox_limits(int64_t memory, int64_t cpu_s, int64_t file_bytes, bool threads,
			struct error *error)
{
	bool sealed;
	enum err e = limit(RLIMIT_AS, (rlim_t)memory, 0, error);

	if (e == ERR_OK)
		e = limit(RLIMIT_CPU, (rlim_t)cpu_s, 2, error);
	if (e == ERR_OK)
		e = limit(RLIMIT_FSIZE, (rlim_t)file_bytes, 0, error);
	if (e != ERR_OK)
		return e;
	return load_filter(SCMP_ACT_ALLOW, threads ? add_seal : add_seal_alone, &sealed, error);
}
