#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"

/* All a child gets (security.md 4.2): nothing of ours or a request's, no way out by a proxy. */
static char *const environment[] = {
    (char[]){"LANG=C.UTF-8"},
    (char[]){"TZ=UTC"},
    (char[]){"PATH=/usr/bin:/bin"},
    (char[]){"http_proxy=http://127.0.0.1:9"},
    (char[]){"https_proxy=http://127.0.0.1:9"},
};
#define N_FIXED (sizeof(environment) / sizeof(environment[0]))

/* What GDAL and PROJ read besides: came with PROGRAM (share/ beside it), else Debian's. */
static const struct {
	const char *name;
	const char *folder;
} data_dirs[] = {{"GDAL_DATA", "gdal"}, {"PROJ_DATA", "proj"}, {"PROJ_LIB", "proj"}};
#define N_DATA (sizeof(data_dirs) / sizeof(data_dirs[0]))

static char *data_dir_of(const char *program, size_t i)
{
	const char *slash = strrchr(program, '/');
	CLEAN_FREE char *beside =
	    mem_printf("%.*s/share/%s", slash != NULL ? (int)(slash - program) : 0, program,
		       data_dirs[i].folder);

	if (access(beside, X_OK) == 0)
		return mem_printf("%s=%s", data_dirs[i].name, beside);
	return mem_printf("%s=/usr/share/%s", data_dirs[i].name, data_dirs[i].folder);
}

struct spawn {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int err; /* the first errno of the calls that prepare */
};

static void check(struct spawn *s, int err)
{
	if (s->err == 0)
		s->err = err;
}

/* Default signals, none blocked; FLAG makes the group or the session. */
static void spawn_init(struct spawn *s, short flag)
{
	sigset_t all, none;

	s->err = 0;
	check(s, posix_spawn_file_actions_init(&s->actions));
	check(s, posix_spawnattr_init(&s->attr));
	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	check(s, posix_spawnattr_setsigdefault(&s->attr, &all));
	check(s, posix_spawnattr_setsigmask(&s->attr, &none));
	check(s, posix_spawnattr_setpgroup(&s->attr, 0));
	check(s, posix_spawnattr_setflags(
		     &s->attr, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | flag)));
}

/* Close what else is open (libraries do not always say O_CLOEXEC), start, forget S. */
static enum err spawn_run(struct spawn *s, const char *program, char *const argv[], pid_t *ret_pid,
			  struct error *error)
{
	char *env[N_FIXED + N_DATA + 1] = {NULL};
	pid_t pid = 0;

	memcpy(env, environment, sizeof(environment));
	for (size_t i = 0; i < N_DATA; i++)
		env[N_FIXED + i] = data_dir_of(program, i);
	check(s, posix_spawn_file_actions_addclosefrom_np(&s->actions, 3));
	if (s->err == 0)
		s->err = posix_spawn(&pid, program, &s->actions, &s->attr, argv, env);
	for (size_t i = 0; i < N_DATA; i++)
		free(env[N_FIXED + i]);
	(void)posix_spawn_file_actions_destroy(&s->actions);
	(void)posix_spawnattr_destroy(&s->attr);
	if (s->err != 0) {
		errno = s->err;
		/* A program that is not there is a half-made installation, no request's fault. */
		return error_errno(error, errno == EAGAIN ? ERR_SHORT : ERR_UNAVAILABLE, "start %s",
				   program);
	}
	*ret_pid = pid;
	return ERR_OK;
}

/* A pipe whose ends are above 2, so that the child's dup2 cannot hit one of them. */
static bool pipe_high(int ends[2])
{
	int raw[2];

	if (pipe2(raw, O_CLOEXEC) != 0)
		return false;
	for (int i = 0; i < 2; i++) {
		ends[i] = raw[i];
		if (raw[i] <= STDERR_FILENO) {
			ends[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
			(void)close(raw[i]);
		}
	}
	return ends[0] >= 0 && ends[1] >= 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

enum err child_start(const char *program, char *const argv[], bool capture_log, struct child *ret,
		     struct error *error)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, log[2] = {-1, -1};
	struct spawn s;
	pid_t pid;
	enum err e;

	if (!pipe_high(in) || !pipe_high(out) || (capture_log && !pipe_high(log))) {
		e = error_errno(error, ERR_SHORT, "pipe");
		goto out;
	}
	/*
	 * Both ends of the log: what nobody reads is lost and stops nobody, neither a child with
	 * much to say nor a reader who wants what there is.
	 */
	if (capture_log) {
		(void)fcntl(log[0], F_SETFL, O_NONBLOCK);
		(void)fcntl(log[1], F_SETFL, O_NONBLOCK);
	}
	spawn_init(&s, POSIX_SPAWN_SETPGROUP);
	check(&s, posix_spawn_file_actions_adddup2(&s.actions, in[0], 0));
	check(&s, posix_spawn_file_actions_adddup2(&s.actions, out[1], 1));
	if (capture_log)
		check(&s, posix_spawn_file_actions_adddup2(&s.actions, log[1], 2));
	e = spawn_run(&s, program, argv, &pid, error);
	if (e != ERR_OK)
		goto out;
	/* A child that stops reading must not stop us: frame_write waits with a limit instead. */
	(void)fcntl(in[1], F_SETFL, O_NONBLOCK);
	*ret = (struct child){.pid = pid, .to = in[1], .from = out[0], .log = log[0]};
	in[1] = out[0] = log[0] = -1;
out:
	for (int i = 0; i < 2; i++) {
		close_fd(&in[i]);
		close_fd(&out[i]);
		close_fd(&log[i]);
	}
	return e;
}

enum err child_detach(const char *program, char *const argv[], const char *log_path,
		      struct error *error)
{
	struct spawn s;
	pid_t pid;

	spawn_init(&s, POSIX_SPAWN_SETSID);
	check(&s, posix_spawn_file_actions_addopen(&s.actions, 0, "/dev/null", O_RDONLY, 0));
	check(&s, posix_spawn_file_actions_addopen(&s.actions, 1, "/dev/null", O_WRONLY, 0));
	check(&s, posix_spawn_file_actions_addopen(&s.actions, 2,
						   log_path != NULL ? log_path : "/dev/null",
						   O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0600));
	return spawn_run(&s, program, argv, &pid, error);
}

bool child_of_web(void)
{
	return getenv("GATEWAY_INTERFACE") != NULL || getenv("REQUEST_METHOD") != NULL;
}

bool child_refuses_web(const char *name)
{
	if (!child_of_web())
		return false;
	(void)fprintf(stderr, "%s: this is no program for a web server to start\n", name);
	return true;
}

enum err child_send(struct child *child, const json_object *message, struct error *error)
{
	if (child->to < 0)
		return error_set(error, ERR_CUT, "the child's input is closed");
	return frame_write(child->to, message, error);
}

enum err child_receive(struct child *child, int timeout_ms, json_object **ret, struct error *error)
{
	if (child->from < 0)
		return error_set(error, ERR_CUT, "the child's output is closed");
	return frame_read_on(child->from, &child->in, timeout_ms, ret, error);
}

void child_end(struct child *child, int *ret_status)
{
	int status = 0;

	if (ret_status != NULL)
		*ret_status = 0;
	if (child->pid <= 0)
		return; /* never started, or ended before */
	(void)kill(-child->pid, SIGKILL);
	close_fd(&child->to);
	close_fd(&child->from);
	close_fd(&child->log);
	frame_done(&child->in);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	child->pid = 0;
	if (ret_status != NULL)
		*ret_status = status;
}

void child_finish(struct child *child, int timeout_ms, int *ret_status)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	int64_t nap = 1;

	if (child->pid > 0) {
		close_fd(&child->to);
		for (;;) {
			siginfo_t info = {0};
			/* WNOWAIT keeps the zombie, and so the group's number, for child_end. */
			int rc =
			    waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT);

			if (rc != 0 && errno != EINTR)
				break;
			if (info.si_pid != 0 || clock_mono_ms() >= until)
				break;
			clock_sleep_ms(nap);
			nap = nap < 32 ? nap * 2 : 50;
		}
	}
	child_end(child, ret_status);
}
