/* Backup and restore of the store's part of a site.  Source: contracts/store.md 13. */
#include "store/maintain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"
#include "store/tables.h"
#include "store/whole.h"

#define MANIFEST     "manifest.json"
#define MANIFEST_MAX (1U << 20)
#define RESTORING    "restoring" /* below data_dir while a restore is half done */

/* ---- the manifest: every file with size and SHA-256 */

/* Sync one file and note it. */
static enum err note_file(int at, const char *folder, const char *name, json_object *files,
			  struct error *error)
{
	CLEAN_FREE char *path = mem_printf("%s/%s", folder, name);
	CLEAN_FD int fd = fs_open_read(at, path);
	json_object *file;
	char hex[65];
	int64_t size = 0;
	enum err err;

	if (fd < 0 || fsync(fd) != 0)
		return error_errno(error, ERR_IO, "%s", path);
	err = digest_of_file(at, path, &size, hex, error);
	if (err != ERR_OK)
		return err;
	file = json_object_new_object();
	json_set_str(file, "name", path);
	json_set_int(file, "size", size);
	json_set_str(file, "sha256", hex);
	json_object_array_add(files, file);
	return ERR_OK;
}

static enum err note_folder(int at, const char *folder, json_object *files, struct error *error)
{
	int fd = fs_open_dir(at, folder);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	enum err err = ERR_OK;

	if (dir == NULL) {
		err = error_errno(error, ERR_IO, "%s", folder);
		if (fd >= 0)
			(void)close(fd);
		return err;
	}
	while (err == ERR_OK && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			err = note_file(at, folder, entry->d_name, files, error);
	}
	if (err == ERR_OK && fsync(dirfd(dir)) != 0)
		err = error_errno(error, ERR_IO, "%s", folder);
	(void)closedir(dir);
	return err;
}

static enum err write_manifest(const char *dir, json_object *more, struct error *error)
{
	CLEAN_JSON json_object *manifest = json_object_new_object();
	CLEAN_FD int at = fs_open_dir(AT_FDCWD, dir);
	json_object *files = json_object_new_array();
	CLEAN_FREE char *text = NULL;
	size_t len;
	enum err err;

	json_set_int(manifest, "v", 1);
	json_set_int(manifest, "created", clock_now_ms());
	json_set(manifest, "files", files);
	if (more != NULL)
		json_set(manifest, "more", json_object_get(more));
	if (at < 0)
		return error_errno(error, ERR_IO, "%s", dir);
	err = note_folder(at, "db/data", files, error);
	if (err == ERR_OK)
		err = note_folder(at, "db/log", files, error);
	if (err == ERR_OK)
		err = fs_sync_dir(at, "db", error);
	if (err != ERR_OK)
		return err;
	text = json_print(manifest, &len);
	/* Last: a folder without it is no backup. */
	return fs_replace(at, MANIFEST, text, len, error);
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool empty = true;

	if (dir == NULL)
		return errno == ENOENT;
	while (empty && (entry = readdir(dir)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	(void)closedir(dir);
	return empty;
}

enum err store_backup(struct store *store, const char *dir, backup_more_fn *more, void *arg,
		      struct error *error)
{
	CLEAN_JSON json_object *told = NULL;
	enum err err;

	if (!is_empty(dir))
		return error_set(error, ERR_CONFLICT, "backup: %s is not empty", dir);
	err = fs_mkdirs(AT_FDCWD, dir, error);
	if (err == ERR_OK)
		err = copy_lock(store, F_WRLCK, BACKUP_FILES, error);
	if (err != ERR_OK)
		return err;
	err = copy_take(store, dir, error);
	/* Nobody shall throw his good backups away for one that cannot be put back. */
	if (err == ERR_OK)
		err = whole_check_lost(store->place.data_dir, error);
	if (err == ERR_OK)
		err = whole_check_damaged(dir, error);
	if (err == ERR_OK)
		err = whole_check_logs(dir, error);
	if (err == ERR_OK && more != NULL)
		err = more(dir, &told, arg, error);
	if (err == ERR_OK)
		err = write_manifest(dir, told, error);
	(void)copy_lock(store, F_UNLCK, BACKUP_FILES, NULL);
	return err;
}

/* ---- restore */

/* A name of the manifest: db/data/X or db/log/X, X without slashes and not hidden. */
static bool name_ok(const char *name)
{
	size_t n = strncmp(name, "db/data/", 8) == 0 ? 8 : strncmp(name, "db/log/", 7) == 0 ? 7 : 0;

	return n > 0 && name[n] != '\0' && name[n] != '.' && strchr(name + n, '/') == NULL;
}

static enum err stage_file(int from, int to, const json_object *file, struct error *error)
{
	const char *name = json_str(file, "name", "");
	char hex[65];
	int64_t size = 0;
	enum err err;

	if (!name_ok(name))
		return error_set(error, ERR_BAD_REQUEST, "backup: manifest names a strange file");
	err = fs_copy(from, name, to, name, error);
	if (err == ERR_OK)
		err = digest_of_file(to, name, &size, hex, error);
	if (err == ERR_OK &&
	    (size != json_int(file, "size", -1) || !token_equal(json_str(file, "sha256", ""), hex)))
		err =
		    error_set(error, ERR_DIGEST, "backup: %s is not what the manifest says", name);
	return err;
}

static enum err read_manifest(int from, const char *dir, json_object **ret, struct error *error)
{
	CLEAN_FREE char *text = NULL;
	json_object *manifest = NULL;
	size_t len;
	enum err err;

	if (faccessat(from, MANIFEST, F_OK, 0) != 0 && errno == ENOENT)
		return error_set(error, ERR_NOT_FOUND, "%s is no backup: it has no " MANIFEST, dir);
	err = fs_read_file(from, MANIFEST, MANIFEST_MAX, &text, &len, error);
	if (err == ERR_OK && json_read(text, len, &json_limits_form, &manifest) != ERR_OK)
		err = error_set(error, ERR_BAD_REQUEST, "backup: the manifest is damaged");
	if (err == ERR_OK &&
	    (json_int(manifest, "v", 0) != 1 || json_len(json_arr(manifest, "files")) == 0))
		err =
		    error_set(error, ERR_BAD_REQUEST, "backup: the manifest is of another program");
	if (err == ERR_OK)
		*ret = manifest;
	else
		json_object_put(manifest);
	return err;
}

enum err store_backup_more(const char *dir, json_object **ret, struct error *error)
{
	CLEAN_FD int from = fs_open_dir(AT_FDCWD, dir);
	CLEAN_JSON json_object *manifest = NULL;
	enum err err;

	if (from < 0)
		return error_errno(error, ERR_IO, "backup %s", dir);
	err = read_manifest(from, dir, &manifest, error);
	if (err == ERR_OK)
		*ret = json_object_get(json_obj(manifest, "more"));
	return err;
}

/* Copy what the manifest lists to STAGE, checking it on the way. */
static enum err stage_backup(const char *dir, const char *stage, struct error *error)
{
	CLEAN_FREE char *data = mem_printf("%s/db/data", stage);
	CLEAN_FREE char *logs = mem_printf("%s/db/log", stage);
	CLEAN_FD int from = fs_open_dir(AT_FDCWD, dir);
	CLEAN_FD int to = -1;
	CLEAN_JSON json_object *manifest = NULL;
	json_object *file;
	enum err err;

	if (from < 0)
		return error_errno(error, ERR_IO, "backup %s", dir);
	err = read_manifest(from, dir, &manifest, error);
	if (err == ERR_OK)
		err = fs_mkdirs(AT_FDCWD, data, error);
	if (err == ERR_OK)
		err = fs_mkdirs(AT_FDCWD, logs, error);
	to = fs_open_dir(AT_FDCWD, stage);
	if (err == ERR_OK && to < 0)
		err = error_errno(error, ERR_IO, "%s", stage);
	JSON_EACH(file, json_arr(manifest, "files"))
	{
		if (err == ERR_OK)
			err = stage_file(from, to, file, error);
	}
	return err;
}

/* Recover the staged copy and look at it: nothing of the present store has been touched yet. */
static enum err prove(const char *stage, struct error *error)
{
	struct env env = {0};
	int findings = 0;
	enum err err = copy_open(&env, stage, true, error);

	if (err == ERR_OK)
		err = copy_close(&env, error);
	if (err == ERR_OK)
		err = copy_verify(stage, NULL, &findings, error);
	if (err == ERR_OK && findings > 0)
		err = error_set(error, ERR_BAD_REQUEST, "backup: %d tables are damaged", findings);
	return err;
}

enum err store_restore(const struct config *config, const char *dir, bool replace,
		       struct error *error)
{
	struct place place = {0};
	CLEAN_FD int data_dir = -1;
	CLEAN_FD int backup = -1;
	CLEAN_FREE char *stage = NULL;
	struct gate gate;
	enum err err = place_open(config, &place, &data_dir, error);

	if (err != ERR_OK)
		return err;
	err = copy_scratch(place.data_dir, "restore", &stage, error);
	if (err == ERR_OK)
		err = stage_backup(dir, stage, error);
	if (err == ERR_OK)
		err = prove(stage, error);
	backup = openat(data_dir, "backup", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (err == ERR_OK && backup < 0)
		err = error_errno(error, ERR_IO, "data_dir: backup");
	if (err == ERR_OK)
		err = gate_init(&gate, data_dir, (int)config->store_wait_ms,
				(int)config->store_hold_s, error);
	if (err == ERR_OK) {
		struct install i = {.data_dir = place.data_dir,
				    .dir = stage,
				    .replace = replace,
				    .mark = RESTORING,
				    .backup_fd = backup};

		err = copy_install(&gate, NULL, &i, error);
		free(i.old);
		gate_done(&gate);
	}
	copy_remove(stage);
	place_done(&place);
	return err;
}

enum err store_unused(const struct config *config, struct error *error)
{
	CLEAN_FREE char *path = mem_printf("%s/backup", config->data_dir);
	CLEAN_FD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? copy_unused(fd, error) : ERR_OK;
}

enum err store_restored(const struct config *config, struct error *error)
{
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, config->data_dir);

	if (dir < 0 || (unlinkat(dir, RESTORING, 0) != 0 && errno != ENOENT) ||
	    (unlinkat(dir, STORE_LOADING, 0) != 0 && errno != ENOENT))
		return error_errno(error, ERR_IO, RESTORING);
	return fs_sync_dir(dir, ".", error);
}

enum err restore_check(const struct store *store, bool load, struct error *error)
{
	static const char *const marks[] = {RESTORING, STORE_LOADING};
	static const char *const commands[] = {"restore", "load"};

	for (size_t i = 0; i < (load ? 1 : 2); i++) {
		if (faccessat(store->dir, marks[i], F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
		    errno == ENOENT)
			continue;
		return error_set(error, ERR_STORE,
				 "a %s is under way or was cut off: run slipway %s --replace again",
				 commands[i], commands[i]);
	}
	return ERR_OK;
}
