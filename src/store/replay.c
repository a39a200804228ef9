#include "store/replay.h"

#include "base/mem.h"
#include "store/inside.h"

#define KEY_LEN 32
#define LOCKS	"locks/requests"

enum err replay_get(struct pass *p, const unsigned char key[32], json_object **ret)
{
	return record_get(p, TABLE_REPLAY, key, KEY_LEN, ret);
}

enum err replay_begin(struct pass *p, const unsigned char key[32], json_object *record)
{
	return record_insert(p, TABLE_REPLAY, key, KEY_LEN, record);
}

enum err replay_put(struct pass *p, const unsigned char key[32], json_object *record)
{
	CLEAN_JSON json_object *old = NULL;
	enum err err = replay_get(p, key, &old);

	return err == ERR_OK ? record_replace(p, TABLE_REPLAY, key, KEY_LEN, record) : err;
}

enum err replay_end(struct pass *p, const unsigned char key[32], json_object *record,
		    json_object *answer)
{
	json_set_str(record, "state", "done");
	json_set(record, "answer", json_object_get(answer));
	return record_replace(p, TABLE_REPLAY, key, KEY_LEN, record);
}

enum err replay_forget(struct pass *p, const unsigned char key[32])
{
	enum err err = record_delete(p, TABLE_REPLAY, key, KEY_LEN);

	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err replay_lock(struct store *s, int64_t number, struct replay_lock *ret, struct error *error)
{
	ret->fd = -1;
	return byte_lock(s, LOCKS, number, 0, &ret->fd, error);
}

void replay_unlock(struct replay_lock *lock)
{
	if (lock->fd >= 0)
		(void)close(lock->fd);
	lock->fd = -1;
}

bool replay_locked(struct store *s, int64_t number)
{
	return byte_lock_held(s, LOCKS, number);
}
