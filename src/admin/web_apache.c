#include "admin/web_int.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"

#define HTACCESS_BYTES 65536

/* What Debian's Apache has on by default, as far as it matters here, and what the included files
 * need. */
static const char modules[] = "<IfModule !mpm_event_module>\n"
			      "LoadModule mpm_event_module ${SLIPWAY_MODULES}/mod_mpm_event.so\n"
			      "</IfModule>\n"
			      "LoadModule authz_core_module ${SLIPWAY_MODULES}/mod_authz_core.so\n"
			      "LoadModule alias_module ${SLIPWAY_MODULES}/mod_alias.so\n"
			      "LoadModule dir_module ${SLIPWAY_MODULES}/mod_dir.so\n"
			      "LoadModule env_module ${SLIPWAY_MODULES}/mod_env.so\n"
			      "LoadModule mime_module ${SLIPWAY_MODULES}/mod_mime.so\n"
			      "LoadModule reqtimeout_module ${SLIPWAY_MODULES}/mod_reqtimeout.so\n"
			      "LoadModule rewrite_module ${SLIPWAY_MODULES}/mod_rewrite.so\n";

/* What all three have in common: a small server of its own, which logs where we log. */
static enum err print_head(const struct web *web, const struct web_site *s, FILE *out,
			   struct error *error)
{
	CLEAN_FREE char *listen = web_listen(s);
	CLEAN_FREE char *www = mem_printf("%s/www", s->dir);
	CLEAN_FREE char *folder =
	    mem_strndup(web->module, (size_t)(strrchr(web->module, '/') - web->module));
	fprintf(out,
		"Define SLIPWAY_MODULES \"%s\"\n"
		"%s"
		"ServerRoot \"%s\"\n"
		"ServerName localhost\n"
		"ServerTokens Prod\n"
		"Listen %s\n"
		"PidFile \"%s/web.pid\"\n"
		"ErrorLog \"|$exec cat >&2\"\n"
		"ErrorLogFormat \"%%M\"\n"
		"LogLevel warn\n"
		"TypesConfig /dev/null\n"
		"MaxKeepAliveRequests 0\n"
		"DocumentRoot \"%s\"\n",
		folder, modules, s->dir, listen, s->dir, www);
	return fs_mkdirs(AT_FDCWD, www, error);
}

enum err web_print_proxy(const struct web *web, const struct web_site *s, const char *shipped,
			 FILE *out, struct error *error)
{
	enum err err = print_head(web, s, out, error);
	fprintf(out,
		"LoadModule proxy_module ${SLIPWAY_MODULES}/mod_proxy.so\n"
		"LoadModule proxy_fcgi_module ${SLIPWAY_MODULES}/mod_proxy_fcgi.so\n"
		"Define SLIPWAY_SOCKET \"%s/front.sock\"\n"
		"Define SLIPWAY_MOUNT %s\n"
		"Include \"%s\"\n",
		s->dir, *s->mount != '\0' ? s->mount : "/", shipped);
	return err;
}

enum err web_print_fcgid(const struct web *web, const struct web_site *s, const char *shipped,
			 FILE *out, struct error *error)
{
	const struct config *c = s->config;
	CLEAN_FREE char *front = config_front(c);
	enum err err = print_head(web, s, out, error);
	fprintf(out,
		"LoadModule fcgid_module ${SLIPWAY_MODULES}/mod_fcgid.so\n"
		"FcgidIPCDir \"%s/fcgid\"\n"
		"FcgidProcessTableFile \"%s/fcgid_shm\"\n"
		"FcgidInitialEnv SLIPWAY_SUPERVISED 1\n"
		"FcgidInitialEnv SLIPWAY_DATA_DIR \"%s\"\n",
		s->dir, s->dir, c->data_dir);
	if (c->path != NULL)
		fprintf(out, "FcgidInitialEnv SLIPWAY_CONF \"%s\"\n", c->path);
	fprintf(out,
		"Define SLIPWAY_PROGRAM \"%s\"\n"
		"Define SLIPWAY_MOUNT %s\n"
		"Include \"%s\"\n",
		front, *s->mount != '\0' ? s->mount : "/", shipped);
	return err;
}

/*
 * A host as one rents it: the folder of the mount holds the program and the .htaccess, as it was
 * shipped, and nothing else.  A mount that ends with ".cgi" is the program itself.
 */
static enum err make_site(const struct web_site *s, const char *shipped, struct error *error)
{
	size_t len = strlen(s->mount);
	bool program = len > 4 && strcmp(s->mount + len - 4, ".cgi") == 0;
	size_t folder_len = program ? (size_t)(strrchr(s->mount, '/') - s->mount) : len;
	CLEAN_FREE char *folder = mem_printf("%s/www%.*s", s->dir, (int)folder_len, s->mount);
	CLEAN_FREE char *link = program ? mem_printf("%s/www%s", s->dir, s->mount)
					: mem_printf("%s/slipway.cgi", folder);
	CLEAN_FREE char *target = config_front(s->config);
	CLEAN_FREE char *rules = mem_printf("%s/.htaccess", folder);
	CLEAN_FREE char *text = NULL;
	size_t text_len = 0;
	enum err err = fs_mkdirs(AT_FDCWD, folder, error);
	if (err == ERR_OK)
		err = fs_read_file(AT_FDCWD, shipped, HTACCESS_BYTES, &text, &text_len, error);
	if (err == ERR_OK)
		err = fs_replace(AT_FDCWD, rules, text, text_len, error);
	if (err == ERR_OK && symlink(target, link) != 0)
		err = error_errno(error, ERR_IO, "%s", link);
	return err;
}

enum err web_print_cgi(const struct web *web, const struct web_site *s, const char *shipped,
		       FILE *out, struct error *error)
{
	const struct config *c = s->config;
	enum err err = print_head(web, s, out, error);
	fprintf(out,
		"LoadModule cgid_module ${SLIPWAY_MODULES}/mod_cgid.so\n"
		"ScriptSock \"%s/cgid.sock\"\n"
		"SetEnv SLIPWAY_SUPERVISED 1\n"
		"SetEnv SLIPWAY_DATA_DIR \"%s\"\n",
		s->dir, c->data_dir);
	if (c->path != NULL)
		fprintf(out, "SetEnv SLIPWAY_CONF \"%s\"\n", c->path);
	fprintf(out,
		"<Directory \"%s/www\">\n"
		"\tOptions FollowSymLinks\n"
		"\tAllowOverride All\n"
		"\tRequire all granted\n"
		"</Directory>\n",
		s->dir);
	return err == ERR_OK ? make_site(s, shipped, error) : err;
}
