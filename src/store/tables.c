#include "store/tables.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static const struct table_info infos[TABLE__MAX] = {
    [TABLE_META] = {.value = VALUE_RECORD, .secrets = true},
    [TABLE_COUNTERS] = {.value = VALUE_COUNTER},
    [TABLE_UPLOADS] = {.value = VALUE_RECORD},
    [TABLE_UPLOAD_KEYS] = {.value = VALUE_ENTRY},
    [TABLE_UPLOADS_BY_OWNER] = {.value = VALUE_ENTRY, .derived = true},
    [TABLE_SESSIONS] = {.value = VALUE_RECORD, .number_key = true},
    [TABLE_SESSIONS_BY_OWNER] = {.value = VALUE_ENTRY, .derived = true},
    [TABLE_SESSIONS_BY_STATE] = {.value = VALUE_ENTRY, .derived = true},
    [TABLE_SESSION_NONCES] = {.value = VALUE_ENTRY},
    [TABLE_TASKS] = {.value = VALUE_RECORD, .number_key = true},
    [TABLE_TASKS_BY_STATE] = {.value = VALUE_ENTRY, .derived = true},
    [TABLE_LOGINS] = {.value = VALUE_RECORD, .secret_key = true, .secrets = true},
    [TABLE_USERS] = {.value = VALUE_RECORD, .secrets = true},
    [TABLE_KEYS] = {.value = VALUE_RECORD, .secret_key = true, .secrets = true},
    [TABLE_ACCOUNTS] = {.value = VALUE_RECORD, .secrets = true},
    [TABLE_RECEIVERS] = {.value = VALUE_RECORD},
    [TABLE_REPLAY] = {.value = VALUE_RECORD, .secrets = true},
    [TABLE_MAIL] = {.value = VALUE_RECORD, .number_key = true},
    [TABLE_LOGINS_BY_USER] = {.value = VALUE_ENTRY, .derived = true},
    [TABLE_KEYS_BY_USER] = {.value = VALUE_ENTRY, .derived = true},
    [TABLE_UPLOAD_TASKS] = {.value = VALUE_RECORD},
    [TABLE_UPLOAD_TASKS_BY_OWNER] = {.value = VALUE_ENTRY, .derived = true},
    [TABLE_GROUPS] = {.value = VALUE_RECORD},
    [TABLE_RECEIVERS_BY_ID] = {.value = VALUE_ENTRY, .derived = true},
    [TABLE_MAIL_BY_DUE] = {.value = VALUE_ENTRY, .derived = true},
};

const struct table_info *table_info(enum table table)
{
	return &infos[table];
}

bool table_by_name(const char *name, enum table *ret)
{
	for (enum table t = 0; t < TABLE__MAX; t++) {
		if (strcmp(table_name(t), name) == 0) {
			*ret = t;
			return true;
		}
	}
	return false;
}

json_object *table_hex(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	CLEAN_FREE char *hex = mem_alloc(2 * len + 1);

	for (size_t i = 0; i < len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", p[i]);
	return json_object_new_string(hex);
}

static bool is_text(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] < 0x20 || p[i] == 0x7f)
			return false;
	}
	return n > 0 && text_is_utf8((const char *)p, n);
}

json_object *table_key(enum table table, const void *key, size_t len, bool secrets)
{
	const struct table_info *info = table_info(table);

	if (info->secret_key && !secrets)
		return json_object_new_string(TABLE_HIDDEN);
	if (info->number_key && len == 8)
		return json_object_new_int64((int64_t)key_to_u64(key));
	if (!info->number_key && is_text(key, len))
		return json_object_new_string_len(key, (int)len);
	return json_set(json_object_new_object(), "hex", table_hex(key, len));
}

bool counter_is_derived(const void *key, size_t len)
{
	static const char *const prefixes[] = {"open:",	   "bytes:",	"parts:",
					       "promised", "sessions:", "sessions*",
					       "fail:",	   "fail*",	"rate:"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i]);

		if (len >= n && memcmp(key, prefixes[i], n) == 0)
			return true;
	}
	return false;
}

enum err table_index(struct pass *p, enum table table, const void *key, size_t key_len,
		     json_object *record, bool add)
{
	char digest[65];

	if (table == TABLE_UPLOADS)
		return uploads_index(p, record, add);
	if (table == TABLE_SESSIONS)
		return sessions_index(p, record, add);
	if (table == TABLE_TASKS)
		return tasks_index(p, record, add);
	if (table == TABLE_UPLOAD_TASKS)
		return upload_tasks_index(p, record, add);
	if (table == TABLE_RECEIVERS)
		return receivers_index(p, record, add);
	if (table == TABLE_MAIL)
		return mails_index(p, record, add);
	if ((table != TABLE_LOGINS && table != TABLE_KEYS) || key_len != 64)
		return ERR_OK;
	memcpy(digest, key, 64);
	digest[64] = '\0';
	return table == TABLE_LOGINS ? logins_index(p, record, digest, add)
				     : keys_index(p, record, digest, add);
}
