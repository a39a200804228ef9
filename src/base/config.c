#include "base/config.h"

#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/config_table.h"
#include "base/config_target.h"
#include "base/fs.h"
#include "base/mem.h"

#define CONF_BYTES  (1 << 20) /* of a configuration file */
#define SYSTEM_CONF "/etc/slipway/slipway.conf"
#define SYSTEM_DATA "/var/lib/slipway"

/* ---- paths */

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static char *find_program_dir(const char *argv0)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		return parent_of(self);
	}
	/* Some shared hosts have no /proc; there the web server starts us by an absolute path. */
	if (argv0 != NULL && strchr(argv0, '/') != NULL && realpath(argv0, self) != NULL)
		return parent_of(self);
	return mem_strdup("/usr/bin");
}

/* PATH made absolute below BASE (NULL: the working folder), without "." and "..". */
static char *absolute(const char *base, const char *path)
{
	CLEAN_FREE char *cwd = base == NULL ? getcwd(NULL, 0) : NULL;
	CLEAN_FREE char *joined = NULL;
	char *rest = NULL, *out;
	size_t n = 0;

	if (path[0] == '/')
		joined = mem_strdup(path);
	else
		joined = mem_printf("%s/%s", base != NULL ? base : cwd != NULL ? cwd : "", path);
	out = mem_alloc(strlen(joined) + 2);
	for (char *part = strtok_r(joined, "/", &rest); part != NULL;
	     part = strtok_r(NULL, "/", &rest)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			while (n > 0 && out[--n] != '/')
				continue;
			continue;
		}
		out[n++] = '/';
		memcpy(out + n, part, strlen(part));
		n += strlen(part);
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Beside the source's folders, else where `make install` puts it; *RET_INSTALLED says which. */
static char *find_shared(const char *program_dir, const char *name, bool *ret_installed)
{
	static const char *const places[] = {"../%s", "../share/slipway/%s",
					     "../../share/slipway/%s"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char relative[64];
		char *path;

		(void)snprintf(relative, sizeof(relative), "%.*s%s", (int)strlen(places[i]) - 2,
			       places[i], name);
		path = absolute(program_dir, relative);
		*ret_installed = i > 0;
		if (is_dir(path))
			return path;
		free(path);
	}
	*ret_installed = false;
	return mem_printf("/usr/share/slipway/%s", name);
}

/* Where slipway-geo and slipway-worker stand: beside us, or where `make install` puts them. */
static char *find_programs(const char *program_dir)
{
	static const char *const places[] = {
	    ".",	  "../libexec/slipway",	 "../../libexec/slipway", "../lib/slipway",
	    "../slipway", "/usr/libexec/slipway"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *path = absolute(program_dir, places[i]);
		CLEAN_FREE char *geo = mem_printf("%s/slipway-geo", path);

		if (access(geo, X_OK) == 0)
			return path;
		free(path);
	}
	return mem_strdup(program_dir);
}

char *config_front(const struct config *c)
{
	static const char *const places[] = {"slipway.fcgi", "../../lib/cgi-bin/slipway.fcgi",
					     "../cgi-bin/slipway.fcgi"};

	for (size_t i = 1; i < sizeof(places) / sizeof(places[0]); i++) {
		CLEAN_FREE char *beside = absolute(c->program_dir, places[0]);
		char *path = absolute(c->program_dir, places[i]);

		if (access(beside, X_OK) != 0 && access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return absolute(c->program_dir, places[0]);
}

/* ---- reading */

struct reading {
	struct config *config;
	char *base;	  /* relative paths start here: the file's folder */
	const char *rest; /* of the file's text */
	int line;	  /* number of the last line taken from it */
	bool cut;	  /* it was too long */
	/* slips are printed here and reading goes on; NULL: the first one ends it */
	FILE *out;
	int n_slips; /* printed ones */
	struct error *error;
	enum err err;
};

__attribute__((format(printf, 3, 4))) static void slip(struct reading *r, int line, const char *fmt,
						       ...)
{
	CLEAN_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		mem_die();
	va_end(ap);
	r->n_slips++;
	if (r->out != NULL)
		(void)fprintf(r->out, "%s:%d: %s\n", r->config->path, line, text);
	else
		r->err =
		    error_set(r->error, ERR_BAD_REQUEST, "%s:%d: %s", r->config->path, line, text);
}

static int bad(struct reading *r, const char *section, const char *key, const char *why)
{
	slip(r, r->line, "[%s] %s: %s", section, key, why);
	return r->out != NULL;
}

/* inih tells its handler no line number, so lines are counted where it takes them. */
static char *take_line(char *out, int size, void *user)
{
	struct reading *r = user;
	const char *end = strchrnul(r->rest, '\n');
	size_t n = (size_t)(end - r->rest);

	if (*r->rest == '\0' || r->err != ERR_OK)
		return NULL;
	r->line++;
	r->cut = n + 2 > (size_t)size;
	if (r->cut)
		n = 0;
	memcpy(out, r->rest, n);
	out[n++] = '\n';
	out[n] = '\0';
	r->rest = *end == '\n' ? end + 1 : end;
	return out;
}

static char *next_line(char *out, int size, void *user)
{
	struct reading *r = user;
	char *line = take_line(out, size, user);

	if (line != NULL && r->cut)
		slip(r, r->line, "line longer than %d bytes (a list may go on in indented lines)",
		     size - 2);
	return r->err == ERR_OK ? line : NULL;
}

/* The one section whose keys are names of the administrator's. */
static int on_target(struct reading *r, const char *key, const char *value)
{
	CLEAN_FREE char *path = NULL;
	const char *why;

	if (config_target_is_path(key) && *value != '\0')
		value = path = absolute(r->base, value);
	why = config_target_set(r->config, key, value, r->line);
	return why == NULL ? 1 : bad(r, "target", key, why);
}

static int on_value(void *user, const char *section, const char *key, const char *value)
{
	struct reading *r = user;
	size_t row = config_table_find(section, key);
	CLEAN_FREE char *path = NULL, *why = NULL;
	int *origin;

	if (r->err != ERR_OK)
		return 0;
	if (strcmp(section, "target") == 0)
		return on_target(r, key, value);
	if (row == SIZE_MAX)
		return bad(r, section, key, "unknown setting");
	origin = &r->config->origins[row];
	/* An indented line goes on with a list; anything else given twice is a slip. */
	if (*origin != CONFIG_DEFAULT && !config_table_is_list(row))
		return bad(r, section, key, "given twice");
	if (config_table_is_path(row) && *value != '\0')
		value = path = absolute(r->base, value);
	why = config_table_set(r->config, row, value, *origin != CONFIG_DEFAULT);
	if (*origin == CONFIG_DEFAULT)
		*origin = r->line;
	return why == NULL ? 1 : bad(r, section, key, why);
}

/* For a pass that looks for lines that are no settings at all. */
static int on_nothing(void *user, const char *section, const char *key, const char *value)
{
	(void)user;
	(void)section;
	(void)key;
	(void)value;
	return 1;
}

/* Each line that is no setting is told and blanked, so that the others are read. */
static void tell_lines(struct reading *r, char *text)
{
	int line;

	do {
		struct reading again = {.rest = text};
		char *at = text;

		line = ini_parse_stream(take_line, &again, on_nothing, &again);
		if (line <= 0)
			return;
		slip(r, line, "not \"key = value\" or \"[section]\"");
		for (int i = 1; i < line; i++)
			at = strchrnul(at, '\n') + 1;
		memset(at, ' ', strcspn(at, "\n"));
	} while (r->err == ERR_OK);
}

/* OUT: see struct reading. */
static enum err read_conf(struct config *c, FILE *out, int *ret_slips, struct error *error)
{
	/* The file may be a link, as in /etc it often is; the reader of files takes none. */
	CLEAN_FREE char *real = realpath(c->path, NULL);
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *base = parent_of(c->path);
	struct reading r = {.config = c, .base = base, .out = out, .error = error};
	struct error why = {0};
	size_t len;

	if (real == NULL)
		return error_errno(error, ERR_BAD_REQUEST, "%s: cannot be read", c->path);
	if (fs_read_file(AT_FDCWD, real, CONF_BYTES, &text, &len, &why) != ERR_OK)
		return error_set(error, ERR_BAD_REQUEST, "%s: cannot be read: %s", c->path,
				 why.text);
	if (strlen(text) != len)
		return error_set(error, ERR_BAD_REQUEST, "%s: not a text file", c->path);
	tell_lines(&r, text);
	r.rest = text;
	if (r.err == ERR_OK)
		(void)ini_parse_stream(next_line, &r, on_value, &r);
	*ret_slips = r.n_slips;
	return r.err;
}

/* The home of the account we run as: suexec starts us with nearly no environment. */
static char *home_conf(void)
{
	const char *home = getenv("HOME");
	struct passwd *pw;

	if (home == NULL || home[0] != '/') {
		/* Asked only here, before there are threads: NSS may have to load libraries. */
		pw = getpwuid(geteuid());
		home = pw != NULL ? pw->pw_dir : NULL;
	}
	return home != NULL ? mem_printf("%s/.slipway.conf", home) : NULL;
}

/* The file to read by the order of config.h, NULL when there is none.  Caller frees. */
static char *find_conf(const char *file, const char *program_dir)
{
	const char *env = getenv("SLIPWAY_CONF");
	char *path;

	if (file != NULL)
		return absolute(NULL, file);
	if (env != NULL && *env != '\0')
		return absolute(NULL, env);
	path = mem_printf("%s/slipway.conf", program_dir);
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	path = home_conf();
	if (path != NULL && access(path, F_OK) == 0)
		return path;
	free(path);
	if (access(SYSTEM_CONF, F_OK) == 0)
		return mem_strdup(SYSTEM_CONF);
	/*
	 * Installed below /usr/local or a home: PREFIX/bin, PREFIX/lib/cgi-bin,
	 * PREFIX/libexec/slipway.
	 */
	for (int up = 0; up < 2; up++) {
		path = absolute(program_dir, up == 0 ? "../etc/slipway/slipway.conf"
						     : "../../etc/slipway/slipway.conf");
		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* Set *AT, which row [section] key holds, unless it was given.  Takes PATH. */
static void put_found(struct config *c, const char *section, const char *key, char **at, char *path)
{
	if (*at != NULL) {
		free(path);
		return;
	}
	*at = path;
	c->origins[config_table_find(section, key)] = CONFIG_FOUND;
}

/* Fill in what was not given and depends on where the program stands. */
static void find_paths(struct config *c, const char *program_dir, const char *data_dir)
{
	bool installed = false;
	char *templates = find_shared(program_dir, "templates", &installed);

	put_found(c, "server", "program_dir", &c->program_dir, find_programs(program_dir));
	put_found(c, "server", "template_dir", &c->template_dir, templates);
	if (data_dir != NULL) {
		free(c->data_dir);
		c->data_dir = absolute(NULL, data_dir);
		c->origins[config_table_find("site", "data_dir")] = CONFIG_OPTION;
	}
	put_found(c, "site", "data_dir", &c->data_dir,
		  installed ? mem_strdup(SYSTEM_DATA) : absolute(program_dir, "../var"));
	put_found(c, "server", "static_dir", &c->static_dir,
		  find_shared(program_dir, "static", &installed));
}

enum err config_load(const char *file, const char *data_dir, const char *argv0, struct config **ret,
		     struct error *error)
{
	CLEAN_FREE char *program_dir = find_program_dir(argv0);
	struct config *c = mem_alloc(sizeof(*c));
	int slips = 0;

	config_table_defaults(c);
	c->path = find_conf(file, program_dir);
	if (c->path != NULL) {
		enum err e = read_conf(c, NULL, &slips, error);

		if (e != ERR_OK) {
			config_free(c);
			return e;
		}
	}
	find_paths(c, program_dir, data_dir);
	*ret = c;
	return ERR_OK;
}

enum err config_check(const char *file, FILE *out, int *ret_slips, struct error *error)
{
	struct config *c = mem_alloc(sizeof(*c));
	enum err e;

	config_table_defaults(c);
	c->path = mem_strdup(file);
	e = read_conf(c, out, ret_slips, error);
	config_free(c);
	return e;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	config_table_free(c);
	config_target_free(c);
	free(c->path);
	free(c);
}

void config_print(const struct config *c, FILE *out)
{
	(void)fprintf(out, "; %s\n", c->path != NULL ? c->path : "no configuration file: defaults");
	config_table_print(c, out);
	config_target_print(c, out);
}
