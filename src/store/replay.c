#include "store/replay.h"

#include "base/mem.h"
#include "store/inside.h"

#define KEY_LEN 32

enum err replay_get(struct pass *p, const unsigned char key[32], json_object **ret)
{
	return record_get(p, TABLE_REPLAY, key, KEY_LEN, ret);
}

enum err replay_begin(struct pass *p, const unsigned char key[32], json_object *record,
		      json_object **ret)
{
	enum err err = record_insert(p, TABLE_REPLAY, key, KEY_LEN, record);

	if (err != ERR_CONFLICT)
		return err;
	err = replay_get(p, key, ret);
	return err == ERR_OK ? ERR_CONFLICT : err;
}

enum err replay_done(struct pass *p, const unsigned char key[32], json_object *answer)
{
	CLEAN_JSON json_object *record = NULL;
	enum err err = replay_get(p, key, &record);

	if (err != ERR_OK)
		return err;
	json_set_str(record, "state", "done");
	json_set(record, "answer", json_copy(answer));
	return record_replace(p, TABLE_REPLAY, key, KEY_LEN, record);
}

enum err replay_forget(struct pass *p, const unsigned char key[32])
{
	enum err err = record_delete(p, TABLE_REPLAY, key, KEY_LEN);

	return err == ERR_NOT_FOUND ? ERR_OK : err;
}
