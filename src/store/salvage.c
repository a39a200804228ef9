#include "store/salvage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/token.h"
#include "store/whole.h"

static char *path_of(const char *dir, enum table table, const char *end)
{
	return mem_printf("%s/db/data/%s.%s", dir, table_name(table), end);
}

/* Do the tables fit to the logs?  Those of another time, or none, they would not: ERR_STORE. */
static enum err try_tables(struct env *env, const char *dir, struct error *error)
{
	for (enum table t = 0; t < TABLE__MAX; t++) {
		CLEAN_FREE char *path = path_of(dir, t, "db");
		DB *db;
		int rc;

		if (access(path, F_OK) != 0)
			continue;
		rc = env_table(env, t, ENV_READ, &db);
		if (rc != 0) {
			enum err err = env_error(env, rc, table_name(t), error);

			env_drop(env);
			return err;
		}
	}
	return ERR_OK;
}

enum err salvage_open(struct env *env, const char *dir, bool remains[TABLE__MAX],
		      struct error *error)
{
	struct error why = {0};
	enum err err = ERR_OK;

	for (enum table t = 0; err == ERR_OK && t < TABLE__MAX; t++) {
		CLEAN_FREE char *path = path_of(dir, t, "db");
		CLEAN_FREE char *aside = path_of(dir, t, "damaged");

		remains[t] = whole_damaged(dir, t);
		/* A recovery that meets a bad page ends; of a missing file it asks nothing. */
		if (remains[t] && rename(path, aside) != 0)
			err = error_errno(&why, ERR_IO, "%s", path);
	}
	if (err == ERR_OK)
		err = env_open_copy(env, dir, true, &why);
	if (err == ERR_OK)
		err = try_tables(env, dir, &why);
	/* ERR_BUSY: Berkeley DB asks for a recovery, after one. */
	if (err == ERR_STORE || err == ERR_BUSY) {
		for (enum table t = 0; t < TABLE__MAX; t++)
			remains[t] = true;
		return ERR_OK;
	}
	if (err != ERR_OK)
		return error_set(error, err, "%s", why.text);
	(void)env_close(env);
	for (enum table t = 0; t < TABLE__MAX; t++) {
		CLEAN_FREE char *path = path_of(dir, t, "db");

		/* Logs that reach back to where it was made have made it again, all of it. */
		remains[t] = remains[t] && access(path, F_OK) != 0;
	}
	return copy_open(env, dir, false, error);
}

static void no_message(const DB_ENV *dbenv, const char *prefix, const char *text)
{
	(void)dbenv;
	(void)prefix;
	(void)text;
}

/* A line of Berkeley DB's text: a blank and hex.  Bytes in place; false: it is none. */
static bool line_bytes(char *line, ssize_t n, size_t *ret_len)
{
	if (n < 1 || line[0] != ' ')
		return false;
	line[n - 1] = '\0';
	*ret_len = ((size_t)n - 2) / 2;
	return token_hex_bytes(line + 1, (unsigned char *)line, *ret_len);
}

/* Pairs of lines.  Where one half is lost Berkeley DB writes a word for it. */
static enum err read_pairs(FILE *text, each_fn *fn, void *arg, size_t *ret_entries)
{
	CLEAN_FREE char *key = NULL;
	CLEAN_FREE char *value = NULL;
	size_t key_size = 0, value_size = 0, key_len, len;
	enum err err = ERR_OK;
	ssize_t n;

	while (err == ERR_OK && (n = getline(&key, &key_size, text)) > 0) {
		if (!line_bytes(key, n, &key_len))
			continue; /* the head and the end */
		n = getline(&value, &value_size, text);
		if (!line_bytes(value, n, &len) ||
		    (key_len == 11 && memcmp(key, "UNKNOWN_KEY", 11) == 0) ||
		    (len == 12 && memcmp(value, "UNKNOWN_DATA", 12) == 0))
			++*ret_entries;
		else
			err = fn(key, key_len, value, len, arg);
	}
	return err;
}

enum err salvage_each(const char *dir, enum table table, each_fn *fn, void *arg, size_t *ret_pages,
		      size_t *ret_entries, struct error *error)
{
	CLEAN_FREE char *aside = path_of(dir, table, "damaged");
	CLEAN_FREE char *whole = path_of(dir, table, "db");
	CLEAN_FREE char *text_path = path_of(dir, table, "text");
	const char *path = access(aside, F_OK) == 0 ? aside : whole;
	CLEAN_FILE FILE *text = fopen(text_path, "w+e");
	enum err err;
	DB *db;
	int rc;

	if (text == NULL)
		return error_errno(error, ERR_IO, "%s", text_path);
	/* Berkeley DB would end at the first bad page. */
	err = whole_blank(dir, path, ret_pages, error);
	if (err != ERR_OK)
		return err;
	rc = db_create(&db, NULL, 0);
	if (rc != 0)
		return error_set(error, ERR_STORE, "salvage: %s", db_strerror(rc));
	db->set_errcall(db, no_message);
	/* It takes the handle, whatever it finds. */
	rc = db->verify(db, path, NULL, text, DB_SALVAGE);
	if (rc != 0 && rc != DB_VERIFY_BAD)
		return error_set(error, ERR_STORE, "salvage of %s: %s", table_name(table),
				 db_strerror(rc));
	rewind(text);
	return read_pairs(text, fn, arg, ret_entries);
}
