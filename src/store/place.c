#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"

#define REGIONS_MIN_FREE (32 * MIB)

/*
 * Is this type of file system (statfs) one that several hosts share or that emulates locks?  Its
 * name or NULL.
 */
static const char *bad_filesystem(long type)
{
	static const struct {
		unsigned int magic;
		const char *name;
	} bad[] = {
	    {0x6969, "NFS"},	    /* NFS_SUPER_MAGIC */
	    {0x517b, "SMB"},	    /* SMB_SUPER_MAGIC */
	    {0xfe534d42, "SMB"},    /* SMB2_SUPER_MAGIC */
	    {0xff534d42, "SMB"},    /* CIFS_SUPER_MAGIC */
	    {0x01021997, "9p"},	    /* V9FS_MAGIC */
	    {0x65735546, "FUSE"},   /* FUSE_SUPER_MAGIC; virtiofs has it too */
	    {0x00c36400, "Ceph"},   /* CEPH_SUPER_MAGIC */
	    {0x5346414f, "AFS"},    /* OPENAFS_FS_MAGIC */
	    {0x6b414653, "AFS"},    /* AFS_FS_MAGIC */
	    {0x73757245, "Coda"},   /* CODA_SUPER_MAGIC */
	    {0x01161970, "GFS2"},   /* GFS2_MAGIC */
	    {0x7461636f, "OCFS2"},  /* OCFS2_SUPER_MAGIC */
	    {0x0bd00bd0, "Lustre"}, /* LUSTRE_SUPER_MAGIC */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if ((unsigned int)type == bad[i].magic)
			return bad[i].name;
	}
	return NULL;
}

static enum err check_filesystem(const char *path, const char *what, struct error *error)
{
	struct statfs fs;
	const char *bad;

	if (statfs(path, &fs) != 0)
		return error_errno(error, ERR_STORE, "%s %s", what, path);
	bad = bad_filesystem((long)fs.f_type);
	if (bad != NULL)
		return error_set(
		    error, ERR_STORE,
		    "%s %s is on %s: it must be on a disk of this host (set data_dir to one, such "
		    "as "
		    "a 0700 directory in /var/tmp)",
		    what, path, bad);
	return ERR_OK;
}

/*
 * Root reads and writes everything: refuse, unless that power was dropped or the administrator
 * insists.
 */
static enum err check_root(const struct config *config, struct error *error)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (geteuid() != 0 || config->allow_root)
		return ERR_OK;
	if (syscall(SYS_capget, &head, data) == 0 &&
	    (data[0].effective & (1U << CAP_DAC_OVERRIDE)) == 0)
		return ERR_OK;
	return error_set(error, ERR_STORE,
			 "the store is not opened as root: run as the user who owns data_dir");
}

/* Is PATH the directory UNDER or inside it? */
static bool is_inside(const char *path, const char *under)
{
	size_t n = strlen(under);

	while (n > 1 && under[n - 1] == '/')
		n--;
	return n > 1 && strncmp(path, under, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/*
 * A data directory that a web server could hand out: only where the site says so, and with a rule
 * against it that Apache reads.  Others need one in their own configuration; the self-test asks
 * from outside.
 */
static enum err check_below_root(const struct config *config, const char *data_dir, int dir,
				 struct error *error)
{
	static const char deny[] = "# Nothing in here is for browsers.\nRequire all denied\n";

	const char *root = getenv("DOCUMENT_ROOT");
	CLEAN_FREE char *real_root = root != NULL && root[0] == '/' ? realpath(root, NULL) : NULL;

	if (real_root == NULL || !is_inside(data_dir, real_root))
		return ERR_OK;
	if (!config->below_root)
		return error_set(error, ERR_STORE, "data_dir %s lies under the document root %s",
				 data_dir, real_root);
	if (faccessat(dir, ".htaccess", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return ERR_OK;
	return fs_replace(dir, ".htaccess", deny, sizeof(deny) - 1, error);
}

static enum err check_directory(const struct config *config, const struct place *place, int dir,
				struct error *error)
{
	struct stat st;
	enum err err;

	if (fstat(dir, &st) != 0)
		return error_errno(error, ERR_STORE, "data_dir %s", place->data_dir);
	if (st.st_uid != geteuid())
		return error_set(error, ERR_STORE, "data_dir %s belongs to uid %u, not to us (%u)",
				 place->data_dir, (unsigned)st.st_uid, (unsigned)geteuid());
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return error_set(error, ERR_STORE, "data_dir %s is writable for others: chmod 0700",
				 place->data_dir);
	err = check_below_root(config, place->data_dir, dir, error);
	return err != ERR_OK ? err : check_filesystem(place->data_dir, "data_dir", error);
}

enum err place_open(const struct config *config, struct place *ret, int *ret_dir,
		    struct error *error)
{
	struct place place = {0};
	bool changed;
	int dir = -1;
	enum err err;

	err = check_root(config, error);
	if (err != ERR_OK)
		return err;
	if (config->data_dir == NULL || config->data_dir[0] != '/')
		return error_set(error, ERR_STORE, "data_dir is not an absolute path");
	if (access(config->data_dir, F_OK) != 0 && errno == ENOENT) {
		err = fs_mkdirs(AT_FDCWD, config->data_dir, error);
		if (err != ERR_OK)
			return err;
	}
	place.data_dir = realpath(config->data_dir, NULL);
	if (place.data_dir != NULL)
		dir = open(place.data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		err = error_errno(error, ERR_STORE, "data_dir %s", config->data_dir);
	else
		err = check_directory(config, &place, dir, error);
	if (err == ERR_OK)
		err = place_regions(&place, config, &changed, error);
	if (err == ERR_OK)
		err = place_no_db_config(&place, error);
	if (err != ERR_OK) {
		if (dir >= 0)
			(void)close(dir);
		place_done(&place);
		return err;
	}
	*ret = place;
	*ret_dir = dir;
	return ERR_OK;
}

void place_done(struct place *place)
{
	free(place->data_dir);
	free(place->regions);
	*place = (struct place){0};
}

/* A directory of ours that nobody else can enter?  lstat: a link somebody put there is not one. */
static bool is_ours(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/*
 * /dev/shm/slipway-<uid>-<hash>, or NULL when it cannot serve.  The free space is asked only before
 * the directory is made: afterwards all processes must come to the same answer.  Caller frees.
 */
static char *shm_regions(const char *data_dir)
{
	char hash[65];
	struct statfs fs;
	CLEAN_FREE char *path = NULL;

	token_sha256_hex(data_dir, strlen(data_dir), hash);
	path = mem_printf("/dev/shm/slipway-%u-%.8s", (unsigned)geteuid(), hash);
	if (statfs("/dev/shm", &fs) != 0 || fs.f_type != TMPFS_MAGIC)
		return NULL;
	if (!is_ours(path)) {
		if ((int64_t)fs.f_bavail * (int64_t)fs.f_bsize < REGIONS_MIN_FREE)
			return NULL;
		/* Somebody else's: mkdir says EEXIST and the second look says no. */
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return NULL;
		if (!is_ours(path)) {
			log_line(LOG_LEVEL_WARN, NULL,
				 "store: %s is not ours, regions go to the data directory", path);
			return NULL;
		}
	}
	char *ret = path;
	path = NULL;
	return ret;
}

enum err place_regions(struct place *place, const struct config *config, bool *ret_changed,
		       struct error *error)
{
	const char *wish = config->store_regions;
	CLEAN_FREE char *path = NULL;
	struct statfs fs;

	if (wish != NULL && wish[0] == '/')
		path = mem_strdup(wish);
	else
		path = shm_regions(place->data_dir);
	if (path == NULL)
		path = mem_printf("%s/db/run", place->data_dir);
	if (access(path, F_OK) != 0) {
		enum err err = fs_mkdirs(AT_FDCWD, path, error);

		if (err != ERR_OK)
			return err;
	}
	if (!is_ours(path))
		return error_set(error, ERR_STORE,
				 "store.regions %s is not a directory of ours with mode 0700",
				 path);
	if (statfs(path, &fs) != 0)
		return error_errno(error, ERR_STORE, "store.regions %s", path);
	if (bad_filesystem((long)fs.f_type) != NULL)
		return check_filesystem(path, "store.regions", error);
	place->region_init = fs.f_type != TMPFS_MAGIC;
	*ret_changed = place->regions == NULL || strcmp(place->regions, path) != 0;
	if (*ret_changed) {
		free(place->regions);
		place->regions = path;
		path = NULL;
	}
	return ERR_OK;
}

enum err place_no_db_config(const struct place *place, struct error *error)
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/DB_CONFIG", place->regions) >= sizeof(path))
		return error_set(error, ERR_STORE, "store.regions: path too long");
	/* lstat: a dangling link counts too. */
	if (lstat(path, &st) == 0)
		return error_set(error, ERR_STORE,
				 "%s exists: it would override the store's settings; remove it",
				 path);
	if (errno != ENOENT)
		return error_errno(error, ERR_STORE, "%s", path);
	return ERR_OK;
}
