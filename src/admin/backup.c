/*
 * Backup and restore of a whole site: the store, the catalogue, the server's secret, and with
 * --files the trees of files that records name. Source: contracts/store.md 13.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "admin/command.h"
#include "admin/privilege.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "catalog/catalog.h"
#include "store/maintain.h"

#define CATALOGUE  "catalog.sqlite"
#define SECRET	   "secret"
#define TREE	   "tree" /* below it the trees stand as below the data directory */
#define DEPTH_MOST 256	  /* folders in each other: a user's file area may have many */
#define LOOKS	   5	  /* at a folder whose files are renamed while it is copied */

/* One tree being copied. */
struct tree {
	int64_t files;
	int64_t bytes;
	bool uploads;		   /* it may hold files of requests under way */
	char *from_path, *to_path; /* of a tree of databases that others write to; else NULL */
	struct error *error;
};

/* What only a request under way needs. */
static bool is_passing(const char *name)
{
	return text_starts(name, "in.") || text_starts(name, "spool.") ||
	       strcmp(name, "stop") == 0 || strcmp(name, "sweep") == 0;
}

/* SQLite's own copy; what it keeps beside the file belongs to those who write. */
static enum err copy_database(struct tree *t, const char *name)
{
	CLEAN_FREE char *from = mem_printf("%s/%s", t->from_path, name);
	CLEAN_FREE char *to = mem_printf("%s/%s", t->to_path, name);
	return catalog_copy_database(from, to, t->error);
}

static bool is_beside_database(const char *name)
{
	return text_ends_icase(name, "-wal") || text_ends_icase(name, "-shm") ||
	       text_ends_icase(name, "-journal");
}

static enum err copy_folder(struct tree *t, int from, int to, int depth);

/* *RET_AGAIN: what was listed is there under another name by now. */
static enum err copy_entry(struct tree *t, int from, int to, const char *name, int depth,
			   bool *ret_again)
{
	struct stat st;
	if (faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return ERR_OK; /* the look before had it */
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		*ret_again = true;
		return errno == ENOENT ? ERR_OK : error_errno(t->error, ERR_IO, "%s", name);
	}
	if (S_ISREG(st.st_mode)) {
		enum err err = t->from_path != NULL ? copy_database(t, name)
						    : fs_copy(from, name, to, name, t->error);
		if (err != ERR_OK && faccessat(from, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
			*ret_again = true;
			return ERR_OK;
		}
		int64_t size = fs_size(to, name);
		t->files++;
		t->bytes += size > 0 ? size : 0;
		return err;
	}
	if (!S_ISDIR(st.st_mode))
		return ERR_OK; /* nothing of ours is a link or a device */
	if (depth == DEPTH_MOST)
		return error_set(t->error, ERR_TOO_LARGE, "%s: more than %d folders in each other",
				 name, DEPTH_MOST);
	if (mkdirat(to, name, 0700) != 0)
		return error_errno(t->error, ERR_IO, "%s", name);
	CLEAN_FD int sub_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	CLEAN_FD int sub_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub_from < 0 && errno == ENOENT)
		return ERR_OK;
	if (sub_from < 0 || sub_to < 0)
		return error_errno(t->error, ERR_IO, "%s", name);
	return copy_folder(t, sub_from, sub_to, depth + 1);
}

static enum err copy_folder(struct tree *t, int from, int to, int depth)
{
	enum err err = ERR_OK;
	bool again = true;
	for (int look = 0; err == ERR_OK && again && look < LOOKS; look++) {
		int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *dir = fd < 0 ? NULL : fdopendir(fd);
		struct dirent *d;
		if (dir == NULL) {
			err = error_errno(t->error, ERR_IO, "folder");
			if (fd >= 0)
				(void)close(fd);
			return err;
		}
		again = false;
		while (err == ERR_OK && (d = readdir(dir)) != NULL) {
			if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
			    !(t->uploads && is_passing(d->d_name)) &&
			    !(t->from_path != NULL && is_beside_database(d->d_name)))
				err = copy_entry(t, from, to, d->d_name, depth, &again);
		}
		(void)closedir(dir);
	}
	return err == ERR_OK && fsync(to) != 0 ? error_errno(t->error, ERR_IO, "folder") : err;
}

/* PATH below FROM becomes AS below TO.  A missing one is empty. */
static enum err copy_tree(int from, const char *path, int to, const char *as, struct tree *t)
{
	CLEAN_FD int source = openat(from, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool missing = source < 0 && errno == ENOENT;
	enum err err = fs_mkdirs(to, as, t->error);
	CLEAN_FD int target = fs_open_dir(to, as);
	if (err != ERR_OK || missing)
		return err;
	if (source < 0 || target < 0)
		return error_errno(t->error, ERR_IO, "%s", path);
	return copy_folder(t, source, target, 0);
}

/* ---- which trees there are */

#define TREES_MOST 5

/* The file area below the data directory, up to the first folder that is one user's; NULL: it lies
 * elsewhere. */
static char *area_tree(const struct config *c)
{
	if (c->iserver_root == NULL)
		return mem_strdup("files");
	CLEAN_FREE char *prefix = mem_printf("%s/", c->data_dir);
	if (!text_starts(c->iserver_root, prefix))
		return NULL;
	char *path = mem_strdup(c->iserver_root + strlen(prefix));
	char *user = strstr(path, "%u");
	while (user != NULL && user > path && *user != '/')
		user--;
	if (user != NULL)
		*user = '\0';
	if (*path != '\0')
		return path;
	free(path);
	return NULL;
}

/* Names into PATHS; the area's is *RET_AREA, which the caller frees. */
static size_t tree_paths(const struct config *c, const char *paths[TREES_MOST], char **ret_area)
{
	size_t n = 0;
	paths[n++] = "uploads";
	paths[n++] = "datasets";
	paths[n++] = "sessions";
	paths[n++] = "tables"; /* SQLite targets of signed writes */
	*ret_area = area_tree(c);
	if (*ret_area != NULL)
		paths[n++] = *ret_area;
	return n;
}

/* ---- backup */

struct more {
	const struct config *config;
	bool files;
};

static enum err more_trees(const struct config *c, const char *dir, int to, json_object *told,
			   struct error *error)
{
	const char *paths[TREES_MOST];
	CLEAN_FREE char *area = NULL;
	CLEAN_FD int from = fs_open_dir(AT_FDCWD, c->data_dir);
	json_object *list = json_object_new_array();
	size_t n = tree_paths(c, paths, &area);
	enum err err = from < 0 ? error_errno(error, ERR_IO, "%s", c->data_dir) : ERR_OK;
	for (size_t i = 0; err == ERR_OK && i < n; i++) {
		struct tree t = {.error = error, .uploads = strcmp(paths[i], "uploads") == 0};
		CLEAN_FREE char *as = mem_printf(TREE "/%s", paths[i]);
		bool databases = strcmp(paths[i], "tables") == 0;
		t.from_path = databases ? mem_printf("%s/tables", c->data_dir) : NULL;
		t.to_path = databases ? mem_printf("%s/%s", dir, as) : NULL;
		err = copy_tree(from, paths[i], to, as, &t);
		free(t.from_path);
		free(t.to_path);
		json_object *row = json_set_str(json_object_new_object(), "path", paths[i]);
		json_object_array_add(
		    list, json_set_int(json_set_int(row, "files", t.files), "bytes", t.bytes));
	}
	json_set(told, "trees", list);
	return err;
}

/* After the store's copy, so that what it names is there: the catalogue, the secret, the files. */
static enum err more(const char *dir, json_object **ret_told, void *arg, struct error *error)
{
	const struct more *m = arg;
	struct catalog *catalog = NULL;
	CLEAN_FREE char *path = mem_printf("%s/" CATALOGUE, dir);
	CLEAN_FREE char *secret = mem_printf("%s/" SECRET, m->config->data_dir);
	CLEAN_JSON json_object *told = json_object_new_object();
	CLEAN_FD int to = fs_open_dir(AT_FDCWD, dir);
	char hex[65];
	int64_t size = 0;

	enum err err = to < 0 ? error_errno(error, ERR_IO, "%s", dir)
			      : catalog_open(m->config, &catalog, error);
	if (err == ERR_OK)
		err = catalog_backup(catalog, path, error);
	catalog_close(catalog);
	if (err == ERR_OK)
		err = digest_of_file(to, CATALOGUE, &size, hex, error);
	if (err == ERR_OK)
		json_set_str(json_set_int(told, "catalogue_size", size), "catalogue_sha256", hex);
	if (err == ERR_OK && access(secret, F_OK) == 0)
		err = fs_copy(AT_FDCWD, secret, to, SECRET, error);
	if (err == ERR_OK && m->files)
		err = more_trees(m->config, dir, to, told, error);
	if (err == ERR_OK)
		*ret_told = json_object_get(told);
	return err;
}

int backup_command(struct command_run *r)
{
	static const struct option options[] = {{"files", no_argument, NULL, 'f'},
						{NULL, 0, NULL, 0}};
	struct more m = {.config = r->config};
	struct error error = {0};
	int o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o != 'f')
			return 2;
		m.files = true;
	}
	if (optind != r->argc - 1)
		return 2;
	enum err err = store_backup(r->store, r->argv[optind], more, &m, &error);
	if (err != ERR_OK)
		return command_error("backup", err, &error);
	CLEAN_FREE char *area = area_tree(r->config);
	if (!m.files)
		puts("store and catalogue; the files of uploads, datasets, tables and the file "
		     "area are not in it (--files)");
	else if (area == NULL)
		printf("store, catalogue, uploads, datasets and tables; the file area %s lies "
		       "outside the data directory and is not in it\n",
		       r->config->iserver_root);
	else
		puts("store, catalogue, uploads, datasets, tables and the file area");
	return 0;
}

/* ---- restore */

struct restore {
	const struct config *config;
	const char *dir;
	bool replace;
	int from;	   /* the backup */
	int to;		   /* the data directory */
	json_object *told; /* borrowed: what the backup says of itself */
	char suffix[40];   /* what is kept aside */
};

/* Is there a file, or a folder with something in it? */
static bool has_content(int at, const char *path)
{
	CLEAN_FD int fd = openat(at, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return errno != ENOENT;
	if (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))
		return true;
	DIR *dir = fdopendir(dup(fd));
	bool found = false;
	struct dirent *d;
	while (dir != NULL && !found && (d = readdir(dir)) != NULL)
		found = strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
	if (dir != NULL)
		(void)closedir(dir);
	return found;
}

/* The staged NAME.restored takes the place of NAME, which is kept aside. */
static enum err put_in_place(const struct restore *r, const char *name, struct error *error)
{
	CLEAN_FREE char *staged = mem_printf("%s.restored", name);
	CLEAN_FREE char *aside = mem_printf("%s%s", name, r->suffix);
	if (has_content(r->to, name) && renameat(r->to, name, r->to, aside) != 0)
		return error_errno(error, ERR_IO, "%s", name);
	(void)unlinkat(r->to, name, AT_REMOVEDIR); /* an empty folder */
	return fs_rename_durable(r->to, staged, name, error);
}

static bool is_own_tree(const struct config *c, const char *path)
{
	const char *paths[TREES_MOST];
	CLEAN_FREE char *area = NULL;
	size_t n = tree_paths(c, paths, &area);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(paths[i], path) == 0)
			return true;
	}
	return false;
}

static enum err stage_tree(const struct restore *r, const json_object *row, struct error *error)
{
	struct tree t = {.error = error};
	const char *path = json_str(row, "path", "");
	CLEAN_FREE char *from = mem_printf(TREE "/%s", path);
	CLEAN_FREE char *staged = mem_printf("%s.restored", path);
	if (!is_own_tree(r->config, path))
		return error_set(
		    error, ERR_BAD_REQUEST,
		    "backup: it holds %s, which is no folder of this site (iserver.root?)", path);
	enum err err = fs_remove_tree(r->to, staged, error);
	if (err == ERR_OK)
		err = copy_tree(r->from, from, r->to, staged, &t);
	if (err == ERR_OK &&
	    (t.files != json_int(row, "files", -1) || t.bytes != json_int(row, "bytes", -1)))
		err =
		    error_set(error, ERR_DIGEST, "backup: %s is not what the manifest says", path);
	return err;
}

static enum err stage_catalogue(const struct restore *r, struct error *error)
{
	char hex[65];
	int64_t size = 0;
	(void)unlinkat(r->to, CATALOGUE ".restored", 0);
	enum err err = fs_copy(r->from, CATALOGUE, r->to, CATALOGUE ".restored", error);
	if (err == ERR_OK)
		err = digest_of_file(r->to, CATALOGUE ".restored", &size, hex, error);
	if (err == ERR_OK && (size != json_int(r->told, "catalogue_size", -1) ||
			      !token_equal(json_str(r->told, "catalogue_sha256", ""), hex)))
		err = error_set(error, ERR_DIGEST,
				"backup: the catalogue is not what the manifest says");
	return err;
}

/* Nothing that is there is touched yet: what the backup has stands beside it. */
static enum err stage_all(const struct restore *r, struct error *error)
{
	json_object *row = NULL;
	enum err err = ERR_OK;
	if (!r->replace && has_content(r->to, CATALOGUE))
		return error_set(error, ERR_CONFLICT, "there is a catalogue already (--replace)");
	JSON_EACH(row, json_arr(r->told, "trees"))
	{
		if (!r->replace && has_content(r->to, json_str(row, "path", "")))
			return error_set(error, ERR_CONFLICT, "%s is not empty (--replace)",
					 json_str(row, "path", ""));
	}
	err = stage_catalogue(r, error);
	JSON_EACH(row, json_arr(r->told, "trees"))
	{
		if (err == ERR_OK)
			err = stage_tree(r, row, error);
	}
	return err;
}

/* Nothing of it will be put in place. */
static void unstage_all(const struct restore *r)
{
	json_object *row = NULL;
	(void)unlinkat(r->to, CATALOGUE ".restored", 0);
	JSON_EACH(row, json_arr(r->told, "trees"))
	{
		const char *path = json_str(row, "path", "");
		CLEAN_FREE char *staged = mem_printf("%s.restored", path);
		if (is_own_tree(r->config, path))
			(void)fs_remove_tree(r->to, staged, NULL);
	}
}

static enum err place_all(const struct restore *r, struct error *error)
{
	static const char *const beside[] = {CATALOGUE "-wal", CATALOGUE "-shm"};
	json_object *row = NULL;
	/* What SQLite keeps beside the old file belongs to it. */
	for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		CLEAN_FREE char *aside =
		    mem_printf(CATALOGUE "%s%s", r->suffix, beside[i] + strlen(CATALOGUE));
		if (renameat(r->to, beside[i], r->to, aside) != 0 && errno != ENOENT)
			return error_errno(error, ERR_IO, "%s", beside[i]);
	}
	enum err err = put_in_place(r, CATALOGUE, error);
	JSON_EACH(row, json_arr(r->told, "trees"))
	{
		if (err == ERR_OK)
			err = put_in_place(r, json_str(row, "path", ""), error);
	}
	if (err == ERR_OK && faccessat(r->from, SECRET, F_OK, 0) == 0) {
		(void)unlinkat(r->to, SECRET ".restored", 0);
		err = fs_copy(r->from, SECRET, r->to, SECRET ".restored", error);
		if (err == ERR_OK)
			err = fs_rename_durable(r->to, SECRET ".restored", SECRET, error);
	}
	return err;
}

/* A backup of the store alone has nothing more. */
static enum err restore_all(struct restore *r, struct error *error)
{
	CLEAN_FD int from = fs_open_dir(AT_FDCWD, r->dir);
	CLEAN_FD int to = fs_open_dir(AT_FDCWD, r->config->data_dir);
	CLEAN_JSON json_object *told = NULL;
	if (from < 0 || to < 0)
		return error_errno(error, ERR_IO, "%s", from < 0 ? r->dir : r->config->data_dir);
	if (store_unused(r->config, error) != ERR_OK)
		return ERR_CONFLICT;
	r->from = from;
	r->to = to;
	snprintf(r->suffix, sizeof(r->suffix), ".old-%lld", (long long)clock_now_ms());
	enum err err = store_backup_more(r->dir, &told, error);
	r->told = told;
	if (err == ERR_OK && told != NULL)
		err = stage_all(r, error);
	if (err == ERR_OK)
		err = store_restore(r->config, r->dir, r->replace, error);
	if (err != ERR_OK)
		unstage_all(r);
	if (err == ERR_OK && told != NULL)
		err = place_all(r, error);
	return err == ERR_OK ? store_restored(r->config, error) : err;
}

int restore_command(struct command_run *r)
{
	static const struct option options[] = {{"replace", no_argument, NULL, 'r'},
						{NULL, 0, NULL, 0}};
	struct restore restore = {.config = r->config};
	struct error error = {0};
	int o;
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, NULL)) != -1) {
		if (o != 'r')
			return 2;
		restore.replace = true;
	}
	if (optind != r->argc - 1)
		return 2;
	restore.dir = r->argv[optind];
	enum err err = fs_mkdirs(AT_FDCWD, r->config->data_dir, &error);
	/* What is put in place belongs to whoever the data directory belongs to. */
	if (err == ERR_OK)
		err = privilege_drop(r->config, false, &error);
	if (err == ERR_OK)
		err = restore_all(&restore, &error);
	return err == ERR_OK ? 0 : command_error("restore", err, &error);
}
