#include "http/path.h"

#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/field.h"
#include "http/represent.h"

bool path_normalise(char *path)
{
	char *out = path;

	for (const char *s = path; *s != '\0';) {
		const char *seg = s + strspn(s, "/");
		size_t len = strcspn(seg, "/");
		bool slash = seg > s;
		if (len == 2 && memcmp(seg, "..", 2) == 0)
			return false;
		s = seg + len;
		if (slash && (out == path || out[-1] != '/'))
			*out++ = '/';
		if (len == 1 && *seg == '.')
			continue;
		memmove(out, seg, len);
		out += len;
	}
	*out = '\0';
	return true;
}

static enum err bad_path(struct error *error, const char *what)
{
	return field_fail(error, ERR_BAD_REQUEST, "bad_address", "path: %s", what);
}

/* The path of REQUEST_URI as it was sent; rebuilt when the server does not tell it. */
static char *raw_path(struct wire *w)
{
	const char *uri = wire_env(w, "REQUEST_URI");

	if (uri == NULL || *uri == '\0') {
		const char *script = wire_env(w, "SCRIPT_NAME"), *info = wire_env(w, "PATH_INFO");
		CLEAN_FREE char *joined =
		    mem_printf("%s%s", script != NULL ? script : "", info != NULL ? info : "");
		return escape_url_path_dup(*joined != '\0' ? joined : "/");
	}
	/* A client may name the host as well: "GET http://host/path". */
	if (*uri != '/') {
		const char *host = strstr(uri, "://");
		if (host != NULL && memchr(uri, '/', (size_t)(host - uri)) == NULL)
			uri = host + 3 + strcspn(host + 3, "/?");
	}
	size_t len = strcspn(uri, "?#");
	return *uri == '/' ? mem_strndup(uri, len) : mem_printf("/%.*s", (int)len, uri);
}

/* Decoded and normalised: what mounts are compared with. */
static enum err decoded_path(const char *raw, char **ret, struct error *error)
{
	char *path;

	if (field_unescape(raw, strlen(raw), false, &path) != ERR_OK)
		return bad_path(error, "broken escape, NUL or not UTF-8");
	if (!path_normalise(path)) {
		free(path);
		return bad_path(error, "..");
	}
	*ret = path;
	return ERR_OK;
}

/* Rule 3 of front-ends.md: does a URL of ours hide in what the server calls the script's name? */
static bool holds_our_segment(const char *path)
{
	static const char *const ours[] = {
	    "upload", "files", "chunks",   "_",	      "iserver", "manager", "iportal", "web",
	    "echart", "etl",   "datasets", "healthz", "readyz",	 "metrics", "login",   "logout",
	    "static", "api",   "account",  "layers",  "admin",	 "status"};

	while (*path != '\0') {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
			if (strlen(ours[i]) == len && memcmp(path, ours[i], len) == 0)
				return true;
		path += len;
	}
	return false;
}

static enum err below_setting(const char *setting, const char *whole, char **ret_mount,
			      char **ret_path, struct error *error)
{
	size_t len = strlen(setting);

	while (len > 0 && setting[len - 1] == '/')
		len--;
	CLEAN_FREE char *mount = mem_strndup(setting, len);
	if (strncmp(whole, mount, len) != 0 || (whole[len] != '\0' && whole[len] != '/'))
		return error_set(error, ERR_NOT_FOUND, "outside the mount");
	*ret_mount = escape_url_path_dup(mount);
	*ret_path = mem_strdup(whole[len] == '\0' ? "/" : whole + len);
	return ERR_OK;
}

static enum err by_path_info(const char *info, const char *script, const char *whole,
			     char **ret_mount, char **ret_path, struct error *error)
{
	CLEAN_FREE char *path = mem_printf("%s%s", *info == '/' ? "" : "/", info);
	size_t len, whole_len = strlen(whole);

	if (!text_is_utf8(path, strlen(path)))
		return bad_path(error, "not UTF-8");
	if (!path_normalise(path))
		return bad_path(error, "..");
	len = strlen(path);
	if (whole_len >= len && strcmp(whole + whole_len - len, path) == 0) {
		CLEAN_FREE char *mount = mem_strndup(whole, whole_len - len);
		*ret_mount = escape_url_path_dup(mount);
	} else {
		*ret_mount = escape_url_path_dup(script);
	}
	*ret_path = path;
	path = NULL;
	return ERR_OK;
}

enum err path_find(struct wire *w, const struct config *config, char **ret_mount, char **ret_path,
		   char **ret_raw, struct error *error)
{
	CLEAN_FREE char *whole = NULL;
	CLEAN_FREE char *mount = NULL;
	CLEAN_FREE char *path = NULL;
	const char *info = wire_env(w, "PATH_INFO"), *script = wire_env(w, "SCRIPT_NAME");
	/* The web server's own configuration may say it; no client can set this variable. */
	const char *told = wire_env(w, "SLIPWAY_MOUNT");
	const char *setting = config->mount != NULL	      ? config->mount
			      : told != NULL && *told != '\0' ? told
							      : NULL;
	char *raw = raw_path(w);
	enum err err = decoded_path(raw, &whole, error);

	if (script == NULL || strcmp(script, "/") == 0)
		script = "";
	if (err == ERR_OK && setting != NULL) {
		err = below_setting(setting, whole, &mount, &path, error);
	} else if (err == ERR_OK && info != NULL && *info != '\0') {
		err = by_path_info(info, script, whole, &mount, &path, error);
	} else if (err == ERR_OK && strcmp(whole, script) == 0 && holds_our_segment(script)) {
		static atomic_bool said;
		if (!atomic_exchange(&said, true))
			log_line(LOG_LEVEL_ERROR, NULL,
				 "the web server does not tell PATH_INFO: set server.mount");
		err = field_fail(error, ERR_INTERNAL, "set_server_mount", "set server.mount");
	} else if (err == ERR_OK) {
		mount = escape_url_path_dup(script);
	}
	*ret_mount = mount != NULL ? mount : mem_strdup("");
	*ret_path = path != NULL ? path : mem_strdup("/");
	*ret_raw = raw;
	mount = path = NULL;
	return err;
}
