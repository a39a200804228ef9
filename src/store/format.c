/* The record meta/format: which programs may read this store.  Source: contracts/store.md 5. */
#include "store/env.h"

#include <stdio.h>
#include <string.h>

#define FORMAT 1 /* what this program writes */

/* Read or make the format record inside TXN.  *RET_MIN: the oldest reader it allows. */
static int format_in(DB *db, DB_TXN *txn, bool create, int64_t *ret_min)
{
	static char key_text[] = "format";
	char fresh[64];
	DBT key = {.data = key_text, .size = sizeof(key_text) - 1};
	DBT value = {0};
	json_object *format = NULL;
	int rc = db->get(db, txn, &key, &value, 0);

	*ret_min = 1;
	if (rc == DB_NOTFOUND && create) {
		int n = snprintf(fresh, sizeof(fresh), "{\"v\":%d,\"format\":%d,\"min_reader\":%d}",
				 RECORD_VERSION, FORMAT, FORMAT);

		value = (DBT){.data = fresh, .size = (u_int32_t)n};
		return db->put(db, txn, &key, &value, 0);
	}
	if (rc != 0)
		return rc;
	if (json_read(value.data, value.size, &json_limits_form, &format) != ERR_OK)
		return DB_KEYEMPTY;
	*ret_min = json_int(format, "min_reader", INT64_MAX);
	json_object_put(format);
	return 0;
}

enum err format_check(struct env *env, bool create, struct error *error)
{
	int64_t min_reader = 1;
	DB_TXN *txn;
	DB *db;
	int rc;

	if (env->broken[TABLE_META])
		return ERR_OK;
	rc = env_table(env, TABLE_META, create ? ENV_WRITE : ENV_READ, &db);
	if (env->lost[TABLE_META])
		return ERR_OK; /* whoever asks for it is told */
	if (rc != 0)
		return env_error(env, rc, "table meta", error) == ERR_NO_SPACE ? ERR_NO_SPACE
									       : ERR_STORE;
	rc = env->dbenv->txn_begin(env->dbenv, NULL, &txn, DB_TXN_NOWAIT | DB_TXN_WRITE_NOSYNC);
	if (rc == 0) {
		rc = format_in(db, txn, create, &min_reader);
		if (rc != 0)
			(void)txn->abort(txn);
		else
			rc = txn->commit(txn, 0);
	}
	if (rc == DB_KEYEMPTY)
		return error_set(error, ERR_STORE,
				 "the record meta/format is damaged, restore needed");
	if (rc != 0) {
		enum err err = env_error(env, rc, "meta/format", error);

		return err == ERR_NO_SPACE ? err : ERR_STORE;
	}
	if (min_reader > FORMAT)
		return error_set(error, ERR_VERSION,
				 "store is newer than this program (it wants format %lld)",
				 (long long)min_reader);
	return ERR_OK;
}
