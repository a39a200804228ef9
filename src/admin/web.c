#include "admin/web_int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"

#define MODULES "/usr/lib/apache2/modules"

/* ---- what stands around each included file */

static enum err print_lighttpd(const struct web *web, const struct web_site *s, const char *shipped,
			       FILE *out, struct error *error)
{
	bool v6 = strchr(s->address, ':') != NULL;
	(void)web;
	(void)error;
	fprintf(out,
		"server.document-root = \"%s\"\n"
		"server.bind = \"%s%s%s\"\n"
		"server.port = %s\n"
		"server.tag = \"\"\n"
		"server.max-fds = 4096\n"
		"server.max-keep-alive-requests = 10000\n"
		/* The second one is for a full disk: of a body that is refused little arrives. */
		"server.upload-dirs = ( \"%s/tmp\", \"%s\" )\n"
		"var.slipway_socket = \"%s/front.sock\"\n"
		"var.slipway_mount = \"%s\"\n"
		"var.slipway_data = \"%s\"\n"
		"include \"%s\"\n",
		s->dir, v6 ? "[" : "", s->address, v6 ? "]" : "", s->port, s->config->data_dir,
		s->dir, s->dir, *s->mount != '\0' ? s->mount : "/", s->config->data_dir, shipped);
	return ERR_OK;
}

/* MOUNT as a pattern: of what may stand in it only dots mean something else there. */
static void print_pattern(FILE *out, const char *mount)
{
	for (; *mount != '\0'; mount++)
		fprintf(out, *mount == '.' ? "\\%c" : "%c", *mount);
}

static enum err print_nginx(const struct web *web, const struct web_site *s, const char *shipped,
			    FILE *out, struct error *error)
{
	CLEAN_FREE char *listen = web_listen(s);
	/* Three files that belong together: slipway.conf, slipway-server.conf, slipway-data.conf.
	 */
	CLEAN_FREE char *stem = mem_strndup(shipped, strlen(shipped) - strlen(".conf"));
	/* Their places are compiled in, and only root may write there. */
	static const char *const kinds[] = {"fastcgi", "proxy", "uwsgi", "scgi", NULL};
	const char *mount = s->mount;
	(void)web;
	(void)error;
	/* Root without powers may become no other user; others are not asked. */
	fprintf(out,
		"daemon off;\n"
		"pid \"%s/web.pid\";\n"
		"error_log stderr warn;\n"
		"%s"
		"events { worker_connections 2048; }\n"
		"http {\n"
		"access_log off;\n"
		"server_tokens off;\n"
		"keepalive_requests 10000;\n"
		"client_body_temp_path \"%s/tmp\";\n",
		s->dir, geteuid() == 0 ? "user root root;\n" : "", s->config->data_dir);
	for (const char *const *kind = kinds; *kind != NULL; kind++)
		fprintf(out, "%s_temp_path \"%s/%s\";\n", *kind, s->dir, *kind);
	fprintf(out,
		"server {\n"
		"listen %s;\n"
		"include \"%s-server.conf\";\n"
		"location %s",
		listen, stem, *mount != '\0' ? "~ ^" : "/");
	print_pattern(out, mount);
	fprintf(out,
		"%s {\n"
		"set $slipway_socket unix:%s/front.sock;\n"
		"fastcgi_split_path_info ^(",
		*mount != '\0' ? "(/|$)" : "", s->dir);
	print_pattern(out, mount);
	fprintf(out, ")(/.*%s)$;\ninclude \"%s\";\n}\n", *mount != '\0' ? "|" : "", shipped);
	if (s->config->sendfile == SENDFILE_X_ACCEL)
		fprintf(out,
			"location /slipway-data/ {\nalias \"%s/\";\n"
			"include \"%s-data.conf\";\n}\n",
			s->config->data_dir, stem);
	fputs("}\n}\n", out);
	return ERR_OK;
}

/* ---- the table */

#define APACHE                                                                                     \
	.program = "apache2", .package = "apache2-bin", .not_as_root = true,                       \
	.args = {"-DFOREGROUND", "-f", "%d/web.conf"}

static const struct web webs[] = {
    {.name = "lighttpd",
     .program = "lighttpd",
     .package = "lighttpd",
     .shipped = "lighttpd/slipway.conf",
     .print = print_lighttpd,
     .args = {"-D", "-f", "%d/web.conf"}},
    {.name = "nginx",
     .program = "nginx",
     .package = "nginx-light",
     .shipped = "nginx/slipway.conf",
     .bound = true,
     .print = print_nginx,
     .args = {"-e", "stderr", "-c", "%d/web.conf"}},
    {.name = "apache",
     .module = MODULES "/mod_proxy_fcgi.so",
     .module_package = "apache2-bin",
     .shipped = "apache/slipway.conf",
     .print = web_print_proxy,
     APACHE},
    {.name = "apache-fcgid",
     .module = MODULES "/mod_fcgid.so",
     .module_package = "libapache2-mod-fcgid",
     .shipped = "apache/slipway-fcgid.conf",
     .starts_fronts = true,
     .print = web_print_fcgid,
     APACHE},
    {.name = "cgi",
     .module = MODULES "/mod_cgid.so",
     .module_package = "apache2-bin",
     .shipped = "apache/htaccess",
     .starts_fronts = true,
     .print = web_print_cgi,
     APACHE},
};
#define N_WEBS (sizeof(webs) / sizeof(*webs))

const struct web *web_find(const char *name)
{
	for (size_t i = 0; i < N_WEBS; i++)
		if (strcmp(webs[i].name, name) == 0)
			return &webs[i];
	return NULL;
}

char *web_names(void)
{
	char *all = mem_strdup(webs[0].name);
	for (size_t i = 1; i < N_WEBS; i++) {
		char *more = mem_printf("%s, %s", all, webs[i].name);
		free(all);
		all = more;
	}
	return all;
}

bool web_starts_fronts(const struct web *web)
{
	return web->starts_fronts;
}

bool web_is_bound(const struct web *web)
{
	return web->bound;
}

char *web_mount(const char *said)
{
	size_t len = strlen(said);
	if (*said != '/' || strstr(said, "..") != NULL || strstr(said, "//") != NULL ||
	    strspn(said, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/") !=
		len)
		return NULL;
	while (len > 0 && said[len - 1] == '/')
		len--;
	return mem_strndup(said, len);
}

char *web_listen(const struct web_site *s)
{
	bool v6 = strchr(s->address, ':') != NULL;
	return mem_printf("%s%s%s:%s", v6 ? "[" : "", s->address, v6 ? "]" : "", s->port);
}

/* ---- where things are */

/* A user's PATH often lacks the folders of servers.  Caller frees; NULL = nowhere. */
static char *find_program(const char *name)
{
	const char *own = getenv("PATH");
	CLEAN_FREE char *path =
	    mem_printf("/usr/local/sbin:/usr/sbin:%s", own != NULL ? own : "/usr/bin:/bin");
	char *rest = NULL;
	for (char *dir = strtok_r(path, ":", &rest); dir != NULL;
	     dir = strtok_r(NULL, ":", &rest)) {
		char *file = mem_printf("%s/%s", dir, name);
		if (*dir == '/' && access(file, X_OK) == 0)
			return file;
		free(file);
	}
	return NULL;
}

/* Beside the templates, in the source's folders as where they are installed, or already in /etc.
 * Caller frees; NULL = nowhere. */
static char *find_shipped(const struct config *c, const char *name)
{
	char *places[] = {mem_printf("%s/../%s", c->template_dir, name),
			  mem_printf("%s/../%s", c->program_dir, name),
			  mem_printf("/etc/slipway/%s", name), mem_printf("/etc/%s", name)};
	char *found = NULL;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (found == NULL)
			found = realpath(places[i], NULL);
		free(places[i]);
	}
	return found;
}

/* No quotes, escapes or variables of a web server's language can come in by a path. */
static bool plain_path(const char *path)
{
	return strpbrk(path, "\"\\\n$%{}") == NULL;
}

enum err web_check(const struct web *web, const struct config *c, struct error *error)
{
	CLEAN_FREE char *program = find_program(web->program);
	CLEAN_FREE char *shipped = find_shipped(c, web->shipped);
	bool module = web->module == NULL || access(web->module, R_OK) == 0;
	if (program == NULL || !module)
		return error_set(
		    error, ERR_UNAVAILABLE,
		    "%s is not installed. On Debian: apt-get install %s%s%s",
		    program == NULL ? web->program : web->module, web->package,
		    module || strcmp(web->package, web->module_package) == 0 ? "" : " ",
		    module || strcmp(web->package, web->module_package) == 0 ? ""
									     : web->module_package);
	if (shipped == NULL)
		return error_set(error, ERR_UNAVAILABLE, "%s is missing, which comes with Slipway",
				 web->shipped);
	return ERR_OK;
}

enum err web_prepare(const struct web *web, const struct web_site *s, struct error *error)
{
	CLEAN_FREE char *shipped = find_shipped(s->config, web->shipped);
	CLEAN_FREE char *path = mem_printf("%s/web.conf", s->dir);
	CLEAN_FREE char *text = NULL;
	size_t len = 0;
	if (shipped == NULL)
		return error_set(error, ERR_UNAVAILABLE, "%s", web->shipped);
	if (!plain_path(shipped) || !plain_path(s->config->data_dir) ||
	    !plain_path(s->config->program_dir))
		return error_set(
		    error, ERR_BAD_REQUEST,
		    "a path holds characters that mean something in the configuration of %s",
		    web->program);
	if (web->not_as_root && geteuid() == 0)
		return error_set(error, ERR_UNAVAILABLE,
				 "%s does not run as root: let www-data reach %s and %s, or start "
				 "Slipway as another user",
				 web->program, s->config->data_dir, s->config->program_dir);
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		mem_die();
	enum err err = web->print(web, s, shipped, out, error);
	if (fclose(out) != 0)
		mem_die();
	return err == ERR_OK ? fs_replace(AT_FDCWD, path, text, len, error) : err;
}

void web_command(const struct web *web, const struct web_site *s, char *argv[WEB_ARGS])
{
	char *program = find_program(web->program);
	size_t n = 0;
	argv[n++] = program != NULL ? program : mem_strdup(web->program);
	for (size_t i = 0; i < sizeof(web->args) / sizeof(*web->args) && web->args[i] != NULL; i++)
		argv[n++] = strncmp(web->args[i], "%d", 2) == 0
				? mem_printf("%s%s", s->dir, web->args[i] + 2)
				: mem_strdup(web->args[i]);
	argv[n] = NULL;
}

void web_command_done(char *argv[WEB_ARGS])
{
	for (size_t i = 0; argv[i] != NULL; i++)
		free(argv[i]);
}
