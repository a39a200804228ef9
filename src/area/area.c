#include "area/area.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "area/inside.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

/* ---- the area itself */

/* iserver.root with the user's name in it.  NULL: a name that is no folder's. */
static char *root_of(const struct config *c, const char *user)
{
	CLEAN_FREE char *pattern = c->iserver_root != NULL ? mem_strdup(c->iserver_root)
							   : mem_printf("%s/files", c->data_dir);
	char *at = strstr(pattern, "%u");

	if (at == NULL)
		return mem_strdup(pattern);
	if (user[0] == '\0' || user[0] == '.' || strchr(user, '/') != NULL)
		return NULL;
	return mem_printf("%.*s%s%s", (int)(at - pattern), pattern, user, at + 2);
}

/* Of an area that may not be there yet. */
static void sweep_root(const struct config *c, const char *path)
{
	struct area a = {.root = fs_open_dir(AT_FDCWD, path), .config = c};

	if (a.root < 0)
		return;
	area_sweep(&a);
	(void)close(a.root);
}

void area_sweep_all(const struct config *c)
{
	CLEAN_FREE char *pattern = root_of(c, "%u");
	char *at = strstr(pattern, "%u");
	struct dirent *d;
	DIR *dir;

	if (at == NULL) {
		sweep_root(c, pattern);
		return;
	}
	/*
	 * Whose areas there are, their folders tell; a name that is only a part of one is left to
	 * its next upload.
	 */
	if (at == pattern || at[-1] != '/' || (at[2] != '\0' && at[2] != '/'))
		return;
	*at = '\0';
	dir = opendir(pattern);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		CLEAN_FREE char *root = d->d_name[0] != '.' ? root_of(c, d->d_name) : NULL;

		if (root != NULL)
			sweep_root(c, root);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

enum err area_open(const struct config *c, const char *user, struct area *ret, struct error *error)
{
	CLEAN_FREE char *path = root_of(c, user);
	struct stat st;
	enum err err = ERR_OK;
	int fd;

	if (path == NULL)
		return error_set(error, ERR_NOT_FOUND, "no file area for this user");
	fd = fs_open_dir(AT_FDCWD, path);
	if (fd < 0 && errno == ENOENT) {
		err = fs_mkdirs(AT_FDCWD, path, error);
		fd = err == ERR_OK ? fs_open_dir(AT_FDCWD, path) : -1;
		if (fd >= 0)
			(void)fchmod(fd, AREA_FOLDER_MODE);
	}
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			(void)close(fd);
		return err == ERR_NO_SPACE
			   ? err
			   : error_errno(error, ERR_UNAVAILABLE, "file area %s", path);
	}
	*ret = (struct area){.root = fd, .path = path, .config = c};
	path = NULL;
	return ERR_OK;
}

void area_close(struct area *a)
{
	if (a->path == NULL)
		return;
	(void)close(a->root);
	free(a->path);
	*a = (struct area){0};
}

enum err area_target(const struct area *a, const char *given, bool need, char **ret,
		     struct error *error)
{
	char *path = NULL;
	enum err err = area_map(given, a->config->iserver_absolute ? a->path : NULL,
				a->config->iserver_denied, &path, error);

	if (err != ERR_OK)
		return err;
	if (need && *path == '\0') {
		free(path);
		(void)error_set(error, ERR_BAD_REQUEST, "the file area's root is no target");
		return error_code(error, ERR_BAD_REQUEST, "area_path");
	}
	*ret = path;
	return ERR_OK;
}

char *area_shown(const struct config *c, const char *user, const char *path, bool folder)
{
	CLEAN_FREE char *root = c->iserver_absolute ? root_of(c, user) : NULL;

	return mem_printf("%s/%s%s", root != NULL ? root : AREA_WORD, path,
			  folder && *path != '\0' ? "/" : "");
}

enum err area_sync(const struct area *a, int fd, struct error *error)
{
	/* Some file systems cannot sync a folder and say EINVAL: then there is no waiting. */
	if (a->config->upload_sync == UPLOAD_SYNC_FULL && fsync(fd) != 0 && errno != EINVAL)
		return error_errno(error, ERR_IO, "fsync in the file area");
	return ERR_OK;
}

enum err area_refuse(struct error *error, enum err err, const char *code)
{
	(void)error_set(error, err, "%s", code);
	return error_code(error, err, code);
}

enum err area_claim_free(area_claim_fn *claim, void *place, const char *name, bool folder,
			 char **ret_name, struct error *error)
{
	enum err err = claim(place, name);

	if (err == ERR_OK)
		*ret_name = mem_strdup(name);
	for (int n = 0; err == ERR_CONFLICT && n < AREA_NUMBERS; n++) {
		CLEAN_FREE char *numbered = area_number(name, folder, n);

		err = claim(place, numbered);
		if (err == ERR_OK) {
			*ret_name = numbered;
			numbered = NULL;
		}
	}
	return err == ERR_CONFLICT ? area_refuse(error, err, "area_full") : err;
}

/* ---- step by step, without following links */

/* NAME in AT is there and no folder: what is it? */
static enum err wrong_kind(int at, const char *name, struct error *error)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return error_errno(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "file area");
	return S_ISLNK(st.st_mode) ? area_refuse(error, ERR_BAD_REQUEST, "area_link")
				   : area_refuse(error, ERR_CONFLICT, "area_kind");
}

/* A folder that may be there: *RET_MADE when it was not. */
static enum err make_folder(const struct area *a, int at, const char *name, bool *ret_made,
			    struct error *error)
{
	*ret_made = mkdirat(at, name, 0700) == 0;
	if (!*ret_made)
		return errno == EEXIST ? ERR_OK : error_errno(error, ERR_IO, "make folder");
	return area_sync(a, at, error);
}

static enum err step(const struct area *a, int at, const char *name, bool make, int *ret,
		     struct error *error)
{
	bool made = false;
	enum err err = make ? make_folder(a, at, name, &made, error) : ERR_OK;
	int fd;

	if (err != ERR_OK)
		return err;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return wrong_kind(at, name, error);
	if (fd < 0 && errno == ENAMETOOLONG)
		return area_refuse(error, ERR_BAD_REQUEST, "area_path");
	if (fd < 0)
		return error_errno(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "file area");
	/* The umask of a process of ours would leave the group out. */
	if (made)
		(void)fchmod(fd, AREA_FOLDER_MODE);
	*ret = fd;
	return ERR_OK;
}

enum err area_folder(const struct area *a, const char *path, bool make, int *ret,
		     struct error *error)
{
	int at = openat(a->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return error_errno(error, ERR_IO, "file area");
	while (*path != '\0') {
		size_t n = strcspn(path, "/");
		CLEAN_FREE char *name = mem_strndup(path, n);
		int next = -1;
		enum err err = step(a, at, name, make, &next, error);

		(void)close(at);
		if (err != ERR_OK)
			return err;
		at = next;
		path += n + (path[n] == '/');
	}
	*ret = at;
	return ERR_OK;
}

const char *area_split(const char *path, char **ret_folder)
{
	const char *slash = strrchr(path, '/');

	*ret_folder = mem_strndup(path, slash != NULL ? (size_t)(slash - path) : 0);
	return slash != NULL ? slash + 1 : path;
}

/* ---- listing */

static json_object *entry(const char *folder, const char *name, const struct stat *st)
{
	json_object *o = json_object_new_object();
	CLEAN_FREE char *path = mem_printf("%s%s%s", folder, *folder != '\0' ? "/" : "", name);

	json_set_str(o, "name", name);
	json_set_str(o, "path", path);
	json_set_int(o, "size", S_ISDIR(st->st_mode) ? 0 : (int64_t)st->st_size);
	return json_set_bool(o, "folder", S_ISDIR(st->st_mode));
}

static int by_kind_and_name(const void *a, const void *b)
{
	const json_object *x = *(json_object *const *)a, *y = *(json_object *const *)b;
	bool fx = json_bool(x, "folder", false), fy = json_bool(y, "folder", false);

	return fx != fy ? (int)fy - (int)fx
			: strcmp(json_str(x, "name", ""), json_str(y, "name", ""));
}

/* Takes FD. */
static enum err list_folder(int fd, const char *path, const char *filters, size_t max,
			    json_object *list, struct error *error)
{
	DIR *dir = fdopendir(fd);
	struct dirent *d;

	if (dir == NULL) {
		(void)close(fd);
		return error_errno(error, ERR_IO, "read folder");
	}
	while (json_len(list) < max && (d = readdir(dir)) != NULL) {
		struct stat st;

		/* Links and pipes of somebody's are nothing that can be asked for. */
		if (d->d_name[0] == '.' || !text_is_utf8(d->d_name, strlen(d->d_name)) ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) ||
		    (S_ISREG(st.st_mode) && !area_filter(filters, d->d_name)))
			continue;
		json_object_array_add(list, entry(path, d->d_name, &st));
	}
	(void)closedir(dir);
	json_object_array_sort(list, by_kind_and_name);
	return ERR_OK;
}

/* PATH is no folder: a file, or an error. */
static enum err list_file(const struct area *a, const char *path, json_object *list,
			  struct error *error)
{
	CLEAN_FREE char *folder = NULL;
	const char *name = area_split(path, &folder);
	CLEAN_FD int at = -1;
	struct stat st;
	enum err err = area_folder(a, folder, false, &at, error);

	if (err != ERR_OK)
		return err;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return error_errno(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "file area");
	if (!S_ISREG(st.st_mode))
		return area_refuse(error, ERR_BAD_REQUEST, "area_link");
	json_object_array_add(list, entry(folder, name, &st));
	return ERR_OK;
}

enum err area_list(const struct area *a, const char *path, const char *filters, size_t max,
		   json_object **ret, struct error *error)
{
	json_object *list = json_object_new_array();
	struct error why = {0};
	int fd = -1;
	enum err err = area_folder(a, path, false, &fd, &why);

	if (err == ERR_OK)
		err = list_folder(fd, path, filters, max, list, error);
	else if (err == ERR_CONFLICT)
		err = list_file(a, path, list, error);
	else if (error != NULL)
		*error = why;
	if (err != ERR_OK) {
		json_object_put(list);
		/* "a.csv/b": nothing is there. */
		return err == ERR_CONFLICT ? ERR_NOT_FOUND : err;
	}
	*ret = list;
	return ERR_OK;
}

enum err area_delete(const struct area *a, const char *path, struct error *error)
{
	CLEAN_FREE char *folder = NULL;
	const char *name = area_split(path, &folder);
	CLEAN_FD int at = -1;
	struct stat st;
	enum err err;

	if (*path == '\0')
		return area_refuse(error, ERR_BAD_REQUEST, "area_path");
	err = area_folder(a, folder, false, &at, error);
	if (err == ERR_CONFLICT)
		return area_refuse(error, ERR_NOT_FOUND, "not_found");
	if (err != ERR_OK)
		return err;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return error_errno(error, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "file area");
	err = fs_remove_tree(at, name, error);
	return err == ERR_OK ? area_sync(a, at, error) : err;
}
