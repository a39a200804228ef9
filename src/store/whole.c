#include "store/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/tables.h"

#define LIST	   "tables" /* below db/ */
#define LIST_MAX   (16U << 10)
#define PAGE_BYTES 4096
#define READ_BYTES (64 * PAGE_BYTES)
#define AT_TYPE	   25 /* offsets in a page of Berkeley DB's Btree with DB_CHKSUM */
#define AT_SUM	   28
#define META_TYPE  9 /* P_BTREEMETA: its sum stands elsewhere, and is of the first bytes only */
#define META_SUM   492
#define META_BYTES 512

static int open_db(const char *dir, const char *below)
{
	CLEAN_FREE char *path = mem_printf("%s/db%s", dir, below);

	return fs_open_dir(AT_FDCWD, path);
}

/* ---- which tables were made */

static char *file_name(enum table table)
{
	return mem_printf("%s.db", table_name(table));
}

/* Is there a line NAME in TEXT?  NULL: no; else where it begins. */
static char *find_line(char *text, const char *name)
{
	size_t n = strlen(name);

	for (char *line = text; line != NULL && *line != '\0';) {
		char *end = strchr(line, '\n');

		if (strncmp(line, name, n) == 0 && (line[n] == '\n' || line[n] == '\0'))
			return line;
		line = end != NULL ? end + 1 : NULL;
	}
	return NULL;
}

/* An empty text when there is no such file yet.  Caller frees *RET. */
static enum err read_list(int db, char **ret, struct error *error)
{
	size_t len;

	if (db < 0 || (faccessat(db, LIST, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)) {
		*ret = mem_strdup("");
		return ERR_OK;
	}
	return fs_read_file(db, LIST, LIST_MAX, ret, &len, error);
}

bool whole_lost(const char *dir, enum table table)
{
	CLEAN_FD int db = open_db(dir, "");
	CLEAN_FREE char *path = mem_printf("data/%s.db", table_name(table));
	CLEAN_FREE char *list = NULL;

	return db >= 0 && faccessat(db, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT &&
	       read_list(db, &list, NULL) == ERR_OK && find_line(list, table_name(table)) != NULL;
}

enum err whole_note(const char *dir, struct error *error)
{
	CLEAN_FD int db = open_db(dir, "");
	CLEAN_FD int data = open_db(dir, "/data");
	CLEAN_FREE char *list = NULL;
	bool more = false;
	enum err err;

	if (db < 0 || data < 0)
		return error_errno(error, ERR_STORE, "db");
	err = read_list(db, &list, error);
	for (enum table t = 0; err == ERR_OK && t < TABLE__MAX; t++) {
		CLEAN_FREE char *name = file_name(t);
		char *longer;

		if (find_line(list, table_name(t)) != NULL ||
		    faccessat(data, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		longer = mem_printf("%s%s\n", list, table_name(t));
		free(list);
		list = longer;
		more = true;
	}
	if (err != ERR_OK || !more)
		return err;
	/* A name here says that the file is there to stay. */
	err = fs_sync_dir(data, ".", error);
	return err == ERR_OK ? fs_replace(db, LIST, list, strlen(list), error) : err;
}

enum err whole_forget(const char *dir, enum table table, struct error *error)
{
	CLEAN_FD int db = open_db(dir, "");
	CLEAN_FD int data = open_db(dir, "/data");
	CLEAN_FREE char *name = file_name(table);
	CLEAN_FREE char *list = NULL;
	char *line;
	enum err err;

	if (db < 0 || data < 0)
		return error_errno(error, ERR_STORE, "db");
	err = read_list(db, &list, error);
	line = err == ERR_OK ? find_line(list, table_name(table)) : NULL;
	if (line != NULL) {
		size_t n = strcspn(line, "\n");

		n += line[n] == '\n';
		memmove(line, line + n, strlen(line + n) + 1);
		err = fs_replace(db, LIST, list, strlen(list), error);
	}
	if (err == ERR_OK && unlinkat(data, name, 0) != 0 && errno != ENOENT)
		err = error_errno(error, ERR_IO, "db/data/%s", name);
	return err == ERR_OK ? fs_sync_dir(data, ".", error) : err;
}

/* ---- logs */

bool whole_next_log(DIR *logs, char ret[32], struct stat *ret_st)
{
	struct dirent *entry;

	while (logs != NULL && (entry = readdir(logs)) != NULL) {
		if (strncmp(entry->d_name, "log.", 4) == 0 &&
		    (size_t)snprintf(ret, 32, "%s", entry->d_name) < 32 &&
		    fstatat(dirfd(logs), ret, ret_st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    ret_st->st_size > 0)
			return true;
	}
	return false;
}

static DIR *open_logs(const char *dir)
{
	CLEAN_FREE char *path = mem_printf("%s/db/log", dir);

	return opendir(path);
}

static void close_logs(DIR *logs)
{
	if (logs != NULL)
		(void)closedir(logs);
}

bool whole_without_logs(const char *dir)
{
	CLEAN_FD int data = open_db(dir, "/data");
	DIR *logs = open_logs(dir);
	char name[32];
	struct stat st;
	bool any = whole_next_log(logs, name, &st);

	close_logs(logs);
	for (enum table t = 0; !any && data >= 0 && t < TABLE__MAX; t++) {
		CLEAN_FREE char *table = file_name(t);

		if (faccessat(data, table, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

bool whole_cut_log(const char *dir, char ret[32])
{
	DIR *logs = open_logs(dir);
	struct stat st;
	bool cut = false;

	while (!cut && whole_next_log(logs, ret, &st))
		cut = st.st_size < ENV_LOG_BYTES;
	close_logs(logs);
	return cut;
}

enum err whole_accept_logs(const char *dir, struct error *error)
{
	DIR *logs = open_logs(dir);
	enum err err = ERR_OK;
	char name[32];
	struct stat st;

	while (err == ERR_OK && whole_next_log(logs, name, &st)) {
		CLEAN_FD int fd = -1;

		if (st.st_size >= ENV_LOG_BYTES)
			continue;
		fd = openat(dirfd(logs), name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || ftruncate(fd, ENV_LOG_BYTES) != 0 || fsync(fd) != 0)
			err = error_errno(error, ERR_IO, "db/log/%s", name);
	}
	close_logs(logs);
	return err;
}

/* ---- pages */

/* Berkeley DB's sum of a page, with the sum's own place taken as zeros. */
static uint32_t sum_of(const unsigned char *page, size_t len, size_t at)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = sum * 33 + (i >= at && i < at + 4 ? 0 : page[i]);
	return sum;
}

static bool page_ok(const unsigned char *page)
{
	static const unsigned char zeros[PAGE_BYTES];
	bool meta = page[AT_TYPE] == META_TYPE;
	uint32_t told;

	memcpy(&told, page + (meta ? META_SUM : AT_SUM), sizeof(told));
	if (told == (meta ? sum_of(page, META_BYTES, META_SUM) : sum_of(page, PAGE_BYTES, AT_SUM)))
		return true;
	/* Behind the last page that was written a file is grown without one. */
	return memcmp(page, zeros, PAGE_BYTES) == 0;
}

bool whole_damaged(const char *dir, enum table table)
{
	CLEAN_FD int data = open_db(dir, "/data");
	CLEAN_FREE char *name = file_name(table);
	CLEAN_FD int fd = data >= 0 ? fs_open_read(data, name) : -1;
	CLEAN_FREE unsigned char *bytes = NULL;
	off_t at = 0;
	bool bad = false;
	ssize_t n;

	if (fd < 0)
		return false;
	bytes = mem_alloc(READ_BYTES);
	/* A read that fails is damage, too: the disk's. */
	while (!bad && (n = pread(fd, bytes, READ_BYTES, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		bad = n < 0 || n % PAGE_BYTES != 0;
		for (ssize_t i = 0; !bad && i < n; i += PAGE_BYTES)
			bad = !page_ok(bytes + i);
		at += n;
	}
	return bad || at == 0;
}

/* The first page of any sound table: how pages are laid out is the same in all.  Else zeros. */
static void read_head(const char *dir, unsigned char head[PAGE_BYTES])
{
	CLEAN_FD int data = open_db(dir, "/data");
	bool found = false;

	for (enum table t = 0; data >= 0 && !found && t < TABLE__MAX; t++) {
		CLEAN_FREE char *name = file_name(t);
		CLEAN_FD int fd = fs_open_read(data, name);

		found = fd >= 0 && pread(fd, head, PAGE_BYTES, 0) == PAGE_BYTES && page_ok(head);
	}
	if (!found)
		memset(head, 0, PAGE_BYTES);
}

enum err whole_blank(const char *dir, const char *path, size_t *ret_pages, struct error *error)
{
	static const unsigned char zeros[PAGE_BYTES];
	CLEAN_FD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	unsigned char head[PAGE_BYTES];
	unsigned char page[PAGE_BYTES];
	struct stat st;

	*ret_pages = 0;
	if (fd < 0 || fstat(fd, &st) != 0)
		return error_errno(error, ERR_IO, "%s", path);
	read_head(dir, head);
	for (off_t at = 0; at < st.st_size; at += PAGE_BYTES) {
		if (pread(fd, page, PAGE_BYTES, at) == PAGE_BYTES && page_ok(page))
			continue;
		if (pwrite(fd, at == 0 ? head : zeros, PAGE_BYTES, at) != PAGE_BYTES)
			return error_errno(error, ERR_IO, "%s", path);
		++*ret_pages;
	}
	return ERR_OK;
}

/* ---- in words */

enum err whole_tell(enum table table, bool lost, struct error *error)
{
	return error_set(error, ERR_STORE, "db/data/%s.db is %s, %s", table_name(table),
			 lost ? "missing" : "damaged",
			 table_info(table)->derived
			     ? "slipway check store --repair makes it anew"
			     : "restore needed: slipway restore BACKUP --replace (no backup: "
			       "slipway dump and load, doc/operations.md)");
}

enum err whole_tell_cut(const char *name, struct error *error)
{
	return error_set(
	    error, ERR_STORE,
	    "db/log/%s is cut short, what was committed last may be missing: slipway "
	    "restore BACKUP --replace, or go on as it is: slipway check store --repair",
	    name);
}

enum err whole_check_logs(const char *dir, struct error *error)
{
	char name[32];

	return whole_cut_log(dir, name) ? whole_tell_cut(name, error) : ERR_OK;
}

enum err whole_check_lost(const char *dir, struct error *error)
{
	for (enum table t = 0; t < TABLE__MAX; t++) {
		if (whole_lost(dir, t))
			return whole_tell(t, true, error);
	}
	return ERR_OK;
}

enum err whole_check_damaged(const char *dir, struct error *error)
{
	for (enum table t = 0; t < TABLE__MAX; t++) {
		if (whole_damaged(dir, t))
			return whole_tell(t, false, error);
	}
	return ERR_OK;
}
