/*
 * slipway serve: front processes, worker and web server as one foreground program.  Whatever dies
 * is started again; SIGTERM or Ctrl-C ends them all; SIGHUP exchanges fronts and worker without
 * losing a request.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "admin/command.h"
#include "admin/privilege.h"
#include "admin/serve_dir.h"
#include "admin/serve_first.h"
#include "admin/web.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define STOP_MS	  12000 /* a front finishes its requests within 10 s */
#define READY_MS  20000
#define PROCS_MAX 1024 /* with those that are still busy with an upload after a reload */
#define PROVE_MS  300  /* a new front that lives so long does not fail at its beginning */

enum role { ROLE_FRONT, ROLE_WORKER, ROLE_WEB };

struct proc {
	enum role role;
	pid_t pid;	 /* 0 = not running */
	int64_t started; /* clock_mono_ms */
	bool leaving;	 /* finishes its requests; nothing takes its place */
	/* came with a reload; those before it wait to see whether it lives */
	bool proving;
};

struct serve {
	const struct config *config;
	const struct web *web;
	struct web_site site; /* what the web server must know; its dir is ours */
	char *mount;	      /* owned: "" or "/slipway" */
	char *listen;	      /* owned: ADDR:PORT, split in place; NULL = as `site` has it */
	struct serve_dir dir; /* private folder for socket and generated configuration */
	int socket;	      /* listening; the fronts' descriptor 0 */
	struct proc procs[PROCS_MAX];
	size_t n;
	int64_t reloaded; /* clock_mono_ms of a reload under way, 0 = none */
};

static volatile sig_atomic_t stop_signal, reload_signal;

static void on_stop(int sig)
{
	stop_signal = sig;
}

static void on_reload(int sig)
{
	reload_signal = sig;
}

/* ---- what is started */

/*
 * The child's side of start(): its own group, so that Ctrl-C reaches us alone, and we end the
 * others in order.
 */
static void become(char **argv, char **env, int in, int tell, pid_t parent)
{
	sigset_t none;
	int failed;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	/* Who outlived a `serve` that was killed would keep the port from the next one. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent && setpgid(0, 0) == 0 &&
	    dup2(in, 0) == 0 && fcntl(0, F_SETFD, 0) == 0 &&
	    /* What they have to say is for the log; Apache's goes by its standard output. */
	    dup2(2, 1) == 1 && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
		(void)execvpe(argv[0], argv, env);
	failed = errno;
	(void)!write(tell, &failed, sizeof(failed));
	_exit(127);
}

/*
 * As posix_spawnp, with IN as its standard input, of a child that ends when we do: 0, or the errno.
 */
static int start(pid_t *ret, char **argv, char **env, int in)
{
	int pipe_fd[2], failed = 0;
	pid_t self = getpid();
	sigset_t all, before;

	if (pipe2(pipe_fd, O_CLOEXEC) != 0)
		return errno;
	/* No signal of ours is handled in the child. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		become(argv, env, in, pipe_fd[1], self);
	failed = pid < 0 ? errno : 0;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	(void)close(pipe_fd[1]);
	/* Closed without a word by exec. */
	while (pid > 0 && read(pipe_fd[0], &failed, sizeof(failed)) < 0 && errno == EINTR)
		;
	(void)close(pipe_fd[0]);
	if (failed != 0 && pid > 0)
		(void)waitpid(pid, NULL, 0);
	if (failed == 0)
		*ret = pid;
	return failed;
}

/*
 * nginx stays on the processor it is started on, and long bodies are read there, too (wire_settle):
 * a third less time for each byte.
 */
static int start_web(const struct web *web, pid_t *pid, char **argv, char **env, int in)
{
	cpu_set_t all, one;
	int here = sched_getcpu();
	bool bound = web_is_bound(web) && here >= 0 && here < CPU_SETSIZE &&
		     sched_getaffinity(0, sizeof(all), &all) == 0;

	CPU_ZERO(&one);
	if (bound)
		CPU_SET((unsigned)here, &one);
	bound = bound && sched_setaffinity(0, sizeof(one), &one) == 0;
	int bad = start(pid, argv, env, in);
	if (bound)
		(void)sched_setaffinity(0, sizeof(all), &all);
	return bad;
}

static bool spawn(struct serve *s, struct proc *p)
{
	const struct config *c = s->config;
	CLEAN_FREE char *front = config_front(c);
	CLEAN_FREE char *worker = mem_printf("%s/slipway-worker", c->program_dir);
	CLEAN_FREE char *env_dir = mem_printf("SLIPWAY_DATA_DIR=%s", c->data_dir);
	CLEAN_FREE char *env_conf = c->path != NULL ? mem_printf("SLIPWAY_CONF=%s", c->path) : NULL;
	/*
	 * The worker is ours to start again: fronts that started one themselves would leave it
	 * behind when we stop.
	 */
	char path[] = "PATH=/usr/sbin:/usr/bin:/bin", lang[] = "LANG=C.UTF-8",
	     supervised[] = "SLIPWAY_SUPERVISED=1", proving[] = "SLIPWAY_SUPERVISED=proving",
	     data_dir[] = "--data-dir", config_word[] = "--config";
	/*
	 * A model is some hundred small pieces, freed at once: so many a thread keeps for its next
	 * one, 140 KiB at most.
	 */
	char pieces[] = "GLIBC_TUNABLES=glibc.malloc.tcache_count=64:glibc.malloc.tcache_max=256";
	char *env[] = {path,	 lang, p->proving ? proving : supervised, env_dir, pieces,
		       env_conf, NULL};
	char *argv_front[] = {front, NULL};
	char *argv_worker[] = {worker,	data_dir, c->data_dir, c->path == NULL ? NULL : config_word,
			       c->path, NULL};
	char *argv_web[WEB_ARGS];
	char **argv = p->role == ROLE_FRONT    ? argv_front
		      : p->role == ROLE_WORKER ? argv_worker
					       : argv_web;

	web_command(s->web, &s->site, argv_web);
	CLEAN_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int in = p->role == ROLE_FRONT ? s->socket : null;
	int bad = p->role == ROLE_WEB ? start_web(s->web, &p->pid, argv, env, in)
				      : start(&p->pid, argv, env, in);
	p->started = clock_mono_ms();
	if (bad != 0) {
		p->pid = 0;
		(void)command_fail("%s does not start: %s", argv[0], strerror(bad));
	}
	web_command_done(argv_web);
	return bad == 0;
}

static void add(struct serve *s, enum role role)
{
	if (s->n < PROCS_MAX)
		s->procs[s->n++] = (struct proc){.role = role};
}

/* ---- sockets, files */

static enum err make_socket(struct serve *s, struct error *error)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/front.sock", s->dir.path);
	s->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->socket < 0 || bind(s->socket, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(s->socket, 1024) != 0)
		return error_errno(error, ERR_IO, "%s", sun.sun_path);
	return ERR_OK;
}

/*
 * What the web server needs, in /tmp; below the data where that takes nothing.  Of both failures
 * the first is told.
 */
static enum err make_dir(struct serve *s, struct error *error)
{
	bool taken = false;
	serve_dir_sweep(s->config->data_dir);
	for (size_t i = 0; !taken && i < SERVE_DIR_PLACES; i++) {
		struct error why = {0};
		enum err err = serve_dir_make(s->config->data_dir, i, &s->dir, &why);
		if (err == ERR_OK)
			err = make_socket(s, &why);
		if (err == ERR_OK)
			err = web_prepare(s->web, &s->site, &why);
		if (err == ERR_OK)
			return err;
		taken = err != ERR_IO && err != ERR_NO_SPACE && err != ERR_STORE;
		(void)error_set(error, err, "%s%s%s", taken ? "" : s->dir.path,
				taken || *s->dir.path == '\0' ? "" : ": ", why.text);
		if (s->socket >= 0)
			(void)close(s->socket);
		s->socket = -1;
		serve_dir_remove(s->config->data_dir, &s->dir);
	}
	return error->err;
}

/* ---- ready, running, stopping */

static bool answers(const struct serve *s)
{
	const char *address = s->site.address;
	CLEAN_FREE char *get = mem_printf("GET %s/healthz HTTP/1.0\r\n\r\n", s->mount);
	ssize_t len = (ssize_t)strlen(get);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
			*ai = NULL;
	const char *to = strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1"
			 : strcmp(address, "::") == 0	 ? "::1"
							 : address;
	char buf[64] = "";
	if (getaddrinfo(to, s->site.port, &hints, &ai) != 0)
		return false;
	CLEAN_FD int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 5};
	bool good =
	    fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
	    connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 && write(fd, get, (size_t)len) == len &&
	    read(fd, buf, sizeof(buf) - 1) > 12 && strncmp(buf + 8, " 200", 4) == 0;
	freeaddrinfo(ai);
	return good;
}

/* Note which ended; those that were leaving are struck off.  False: the web server is gone. */
static bool reap(struct serve *s)
{
	int status;
	pid_t pid;
	bool web = true;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < s->n; i++) {
			if (s->procs[i].pid != pid)
				continue;
			s->procs[i].pid = 0;
			web = web && s->procs[i].role != ROLE_WEB;
			if (s->procs[i].leaving)
				s->procs[i] = s->procs[--s->n];
			break;
		}
	}
	return web;
}

/* Reap what ended and start it again.  False: the web server is gone, and with it the point. */
static bool look_after(struct serve *s)
{
	if (!reap(s) && stop_signal == 0)
		return false;
	for (size_t i = 0; i < s->n; i++) {
		struct proc *p = &s->procs[i];
		/* Not faster than twice a second, however it dies. */
		if (p->pid == 0 && p->role != ROLE_WEB && !p->proving &&
		    clock_mono_ms() - p->started > 500)
			(void)spawn(s, p);
	}
	return true;
}

/* ---- reload: new fronts beside the old ones, which then accept nothing more, finish and end */

static void reload_begin(struct serve *s)
{
	struct config *fresh = NULL;
	struct error error = {0};
	size_t old = s->n;
	if (config_load(s->config->path, s->config->data_dir, NULL, &fresh, &error) != ERR_OK) {
		(void)command_error("reload: nothing changed", ERR_BAD_REQUEST, &error);
		return;
	}
	config_free(fresh);
	if (web_starts_fronts(s->web)) {
		for (size_t i = 0; i < old; i++) {
			if (s->procs[i].pid > 0)
				(void)kill(s->procs[i].pid,
					   SIGUSR1); /* a graceful restart, to Apache too */
		}
		return;
	}
	s->reloaded = clock_mono_ms();
	for (size_t i = 0; i < old; i++) {
		if (s->procs[i].role != ROLE_FRONT || s->procs[i].leaving || s->n == PROCS_MAX)
			continue;
		struct proc *p = &s->procs[s->n++];
		*p = (struct proc){.role = ROLE_FRONT, .proving = true};
		(void)spawn(s, p);
	}
}

/*
 * Those who came live: those before them go.  One of them does not: they go again, and all stays as
 * it was.
 */
static void reload_end(struct serve *s)
{
	size_t came = 0, alive = 0, keep = 0;
	for (size_t i = 0; i < s->n; i++) {
		came += s->procs[i].proving;
		alive += s->procs[i].proving && s->procs[i].pid > 0;
	}
	bool good = came > 0 && alive == came;
	s->reloaded = 0;
	if (!good)
		(void)command_fail("reload: the new processes end at once, the old ones stay");
	for (size_t i = 0; i < s->n; i++) {
		struct proc p = s->procs[i];
		if (p.role == ROLE_FRONT && !p.leaving && p.proving != good) {
			p.leaving = true;
			if (p.pid > 0)
				(void)kill(p.pid, SIGUSR1);
		} else if (p.role == ROLE_WORKER && good && p.pid > 0) {
			/* look_after starts the next one when its tasks are done */
			(void)kill(p.pid, SIGUSR1);
		}
		p.proving = false;
		if (p.pid > 0 || !p.leaving)
			s->procs[keep++] = p;
	}
	s->n = keep;
}

static void reload(struct serve *s)
{
	if (s->reloaded != 0 && clock_mono_ms() - s->reloaded > PROVE_MS)
		reload_end(s);
	if (s->reloaded != 0 || reload_signal == 0)
		return;
	reload_signal = 0;
	reload_begin(s);
}

/* Each leads a group of its own; who has to be killed takes its children along. */
static void stop_role(struct serve *s, bool web, int sig)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->procs[i].pid > 0 && (s->procs[i].role == ROLE_WEB) == web)
			(void)kill(sig == SIGKILL ? -s->procs[i].pid : s->procs[i].pid, sig);
	}
}

static bool any_alive(struct serve *s)
{
	bool alive = false;
	(void)reap(s);
	for (size_t i = 0; i < s->n; i++)
		alive = alive || s->procs[i].pid > 0;
	return alive;
}

static void stop_all(struct serve *s)
{
	int64_t deadline = clock_mono_ms() + STOP_MS;
	stop_role(s, true, SIGTERM);
	stop_role(s, false, SIGTERM);
	while (any_alive(s) && clock_mono_ms() < deadline)
		clock_sleep_ms(20);
	stop_role(s, true, SIGKILL);
	stop_role(s, false, SIGKILL);
	while (any_alive(s))
		clock_sleep_ms(5);
	serve_dir_remove(s->config->data_dir, &s->dir);
}

static void say_ready(const struct serve *s, const struct serve_first *f)
{
	CLEAN_FREE char *listen = web_listen(&s->site);
	CLEAN_FREE char *url = *s->config->public_url != '\0'
				   ? mem_strdup(s->config->public_url)
				   : mem_printf("http://%s%s", listen, s->mount);
	if (f->needed)
		printf("First login (once, makes the administrator): %s/first?token=%s\n", url,
		       f->token);
	printf("Slipway is ready: %s/\n", url);
	(void)fflush(stdout);
}

static int run(struct serve *s, const struct serve_first *f)
{
	int64_t deadline = clock_mono_ms() + READY_MS;
	bool ready = false, good = true;
	for (size_t i = 0; i < s->n; i++)
		good = good && spawn(s, &s->procs[i]);
	while (good && stop_signal == 0) {
		good = look_after(s);
		if (ready)
			reload(s);
		if (good && !ready && answers(s)) {
			ready = true;
			say_ready(s, f);
		} else if (good && !ready && clock_mono_ms() > deadline) {
			good = false;
		}
		clock_sleep_ms(ready ? 200 : 50);
	}
	stop_all(s);
	if (good)
		return 0;
	return command_fail(ready ? "the web server ended"
				  : "the service did not come up: is %s:%s in use?",
			    s->site.address, s->site.port);
}

/* ---- the command */

/* ADDR:PORT, [v6]:PORT or PORT; splits LISTEN in place. */
static bool parse_listen(struct web_site *site, char *listen)
{
	int64_t port = 0;
	char *colon = strrchr(listen, ':');
	if (colon == NULL) {
		site->port = listen;
	} else {
		*colon = '\0';
		site->port = colon + 1;
		site->address = listen;
		if (listen[0] == '[' && listen[strlen(listen) - 1] == ']') {
			listen[strlen(listen) - 1] = '\0';
			site->address = listen + 1;
		}
	}
	struct in6_addr v6;
	struct in_addr v4;
	return text_int(site->port, 1, 65535, &port) &&
	       (inet_pton(AF_INET, site->address, &v4) == 1 ||
		inet_pton(AF_INET6, site->address, &v6) == 1);
}

static enum err prepare(struct serve *s, struct serve_first *f, struct error *error)
{
	const struct config *c = s->config;
	static const char *const folders[] = {"tmp",	 "run",	     "locks",	 "jobs",
					      "exports", "datasets", "sessions", "uploads"};
	enum err err = web_check(s->web, c, error);
	if (err == ERR_OK)
		err = fs_mkdirs(AT_FDCWD, c->data_dir, error);
	if (err == ERR_OK)
		err = privilege_drop(c, true, error);
	/* Root could; the processes are started by whom we are now. */
	if (err == ERR_OK && c->path != NULL && access(c->path, R_OK) != 0)
		err = error_errno(error, ERR_IO, "%s: the owner of %s cannot read it", c->path,
				  c->data_dir);
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, c->data_dir);
	if (err == ERR_OK && dir < 0)
		err = error_errno(error, ERR_IO, "%s", c->data_dir);
	for (size_t i = 0; err == ERR_OK && i < sizeof(folders) / sizeof(*folders); i++)
		err = fs_mkdirs(dir, folders[i], error);
	if (err == ERR_OK && chdir("/") != 0)
		err = error_errno(error, ERR_IO, "/");
	if (err == ERR_OK)
		err = crs_index_make(c, false, error);
	if (err == ERR_OK)
		err = serve_first(s->config, f, error);
	return err == ERR_OK ? make_dir(s, error) : err;
}

/* The command's own options.  0, or the exit status. */
static int read_options(struct serve *s, struct command_run *r)
{
	static const struct option options[] = {{"web", required_argument, NULL, 'w'},
						{"listen", required_argument, NULL, 'l'},
						{"mount", required_argument, NULL, 'm'},
						{NULL, 0, NULL, 0}};
	const char *web = "lighttpd", *mount = r->config->mount;
	int o;

	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o == 'l') {
			/* Not in argv: `ps` shows what was typed. */
			free(s->listen);
			s->listen = mem_strdup(optarg);
		} else if (o == 'w') {
			web = optarg;
		} else if (o == 'm') {
			mount = optarg;
		} else {
			return 2;
		}
	}
	if (optind != r->argc || (s->listen != NULL && !parse_listen(&s->site, s->listen)))
		return 2;
	s->web = web_find(web);
	s->mount = web_mount(mount != NULL && *mount != '\0' ? mount : "/");
	s->site.mount = s->mount;
	s->site.dir = s->dir.path;
	if (s->web == NULL) {
		CLEAN_FREE char *names = web_names();
		return command_fail("--web %s: it is one of %s", web, names);
	}
	if (s->mount == NULL)
		return command_fail("--mount %s: a path of letters, digits, and - _ . ~ /", mount);
	/* What the settings say is what the front believes. */
	CLEAN_FREE char *said = r->config->mount != NULL
				    ? web_mount(*r->config->mount != '\0' ? r->config->mount : "/")
				    : NULL;
	if (said != NULL && strcmp(said, s->mount) != 0)
		return command_fail("--mount %s: server.mount in %s says %s", mount,
				    r->config->path, r->config->mount);
	return 0;
}

int serve_command(struct command_run *r)
{
	struct serve s = {.config = r->config,
			  .site = {.config = r->config, .address = "127.0.0.1", .port = "8080"},
			  .dir = {.lock = -1},
			  .socket = -1};
	struct serve_first f = {0};
	struct error error = {0};
	struct sigaction stop = {.sa_handler = on_stop};
	int status = read_options(&s, r);

	if (status == 0) {
		sigaction(SIGTERM, &stop, NULL);
		sigaction(SIGINT, &stop, NULL);
		sigaction(SIGHUP, &(struct sigaction){.sa_handler = on_reload}, NULL);
		enum err err = prepare(&s, &f, &error);
		if (err != ERR_OK)
			status = command_error("serve", err, &error);
	}
	if (status == 0) {
		for (int64_t i = 0; i < r->config->processes && !web_starts_fronts(s.web); i++)
			add(&s, ROLE_FRONT);
		add(&s, ROLE_WORKER);
		add(&s, ROLE_WEB);
		status = run(&s, &f);
	}
	free(s.mount);
	free(s.listen);
	return status;
}
