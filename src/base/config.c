#include "base/config.h"

#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/config_table.h"
#include "base/fs.h"
#include "base/mem.h"

#define CONF_BYTES  (1 << 20)   /* of a configuration file */
#define SYSTEM_CONF "/etc/slipway/slipway.conf"

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

/* templates/ or static/: beside the source's folders, else where `make install` puts them. */
static char *find_shared(const char *program_dir, const char *name)
{
	static const char *const places[] = {
	    "../%s", "../share/slipway/%s", "../../share/slipway/%s"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char relative[64];
		char *path;

		(void)snprintf(relative, sizeof(relative), "%.*s%s", (int)strlen(places[i]) - 2,
		    places[i], name);
		path = absolute(program_dir, relative);
		if (is_dir(path))
			return path;
		free(path);
	}
	return mem_printf("/usr/share/slipway/%s", name);
}

/* ---- reading */

struct reading {
	struct config *config;
	char *base;            /* relative paths start here: the file's folder */
	bool *seen;            /* rows that were given */
	const char *rest;      /* of the file's text */
	int line;              /* number of the last line taken from it */
	struct error *error;
	enum err err;
};

static void bad(struct reading *r, const char *section, const char *key, const char *why)
{
	r->err = error_set(r->error, ERR_BAD_REQUEST, "%s:%d: [%s] %s: %s", r->config->path,
	    r->line, section, key, why);
}

/* inih tells its handler no line number, so lines are counted where it takes them. */
static char *next_line(char *out, int size, void *user)
{
	struct reading *r = user;
	const char *end = strchrnul(r->rest, '\n');
	size_t n = (size_t)(end - r->rest);

	if (*r->rest == '\0' || r->err != ERR_OK)
		return NULL;
	r->line++;
	if (n + 2 > (size_t)size) {
		r->err = error_set(r->error, ERR_BAD_REQUEST,
		    "%s:%d: line longer than %d bytes (a list may go on in indented lines)",
		    r->config->path, r->line, size - 2);
		return NULL;
	}
	memcpy(out, r->rest, n);
	out[n++] = '\n';
	out[n] = '\0';
	r->rest = *end == '\n' ? end + 1 : end;
	return out;
}

static int on_value(void *user, const char *section, const char *key, const char *value)
{
	struct reading *r = user;
	size_t row = config_table_find(section, key);
	CLEAN_FREE char *path = NULL;
	const char *why;

	if (r->err != ERR_OK)
		return 0;
	if (row == SIZE_MAX) {
		bad(r, section, key, "unknown setting");
		return 0;
	}
	/* An indented line goes on with a list; anything else given twice is a slip. */
	if (r->seen[row] && !config_table_is_list(row)) {
		bad(r, section, key, "given twice");
		return 0;
	}
	if (config_table_is_path(row) && *value != '\0')
		value = path = absolute(r->base, value);
	why = config_table_set(r->config, row, value, r->seen[row]);
	r->seen[row] = true;
	if (why != NULL)
		bad(r, section, key, why);
	return why == NULL;
}

static enum err read_conf(struct config *c, struct error *error)
{
	/* The file may be a link, as in /etc it often is; the reader of files takes none. */
	CLEAN_FREE char *real = realpath(c->path, NULL);
	CLEAN_FREE char *text = NULL;
	CLEAN_FREE char *base = parent_of(c->path);
	CLEAN_FREE bool *seen = mem_array(config_table_size(), sizeof(bool));
	struct reading r = {.config = c, .base = base, .seen = seen, .error = error};
	size_t len;
	int line;

	if (real == NULL || fs_read_file(AT_FDCWD, real, CONF_BYTES, &text, &len, NULL) != ERR_OK)
		return error_set(error, ERR_BAD_REQUEST, "%s: cannot be read", c->path);
	if (strlen(text) != len)
		return error_set(error, ERR_BAD_REQUEST, "%s: not a text file", c->path);
	r.rest = text;
	line = ini_parse_stream(next_line, &r, on_value, &r);
	if (r.err == ERR_OK && line != 0)
		r.err = error_set(error, ERR_BAD_REQUEST,
		    "%s:%d: not \"key = value\" or \"[section]\"", c->path, line);
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
	return access(SYSTEM_CONF, F_OK) == 0 ? mem_strdup(SYSTEM_CONF) : NULL;
}

/* Fill in what was not given and depends on where the program stands. */
static void find_paths(struct config *c, const char *program_dir, const char *data_dir)
{
	if (c->program_dir == NULL)
		c->program_dir = mem_strdup(program_dir);
	if (data_dir != NULL) {
		free(c->data_dir);
		c->data_dir = absolute(NULL, data_dir);
	} else if (c->data_dir == NULL) {
		c->data_dir = absolute(program_dir, "../var");
	}
	if (c->template_dir == NULL)
		c->template_dir = find_shared(program_dir, "templates");
	if (c->static_dir == NULL)
		c->static_dir = find_shared(program_dir, "static");
}

enum err config_load(const char *file, const char *data_dir, const char *argv0, struct config **ret,
    struct error *error)
{
	CLEAN_FREE char *program_dir = find_program_dir(argv0);
	struct config *c = mem_alloc(sizeof(*c));

	config_table_defaults(c);
	c->path = find_conf(file, program_dir);
	if (c->path != NULL) {
		enum err e = read_conf(c, error);

		if (e != ERR_OK) {
			config_free(c);
			return e;
		}
	}
	find_paths(c, program_dir, data_dir);
	*ret = c;
	return ERR_OK;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	config_table_free(c);
	free(c->path);
	free(c);
}

void config_print(const struct config *c, void *file)
{
	FILE *out = file;

	(void)fprintf(out, "; %s\n", c->path != NULL ? c->path : "no configuration file: defaults");
	config_table_print(c, out);
}
