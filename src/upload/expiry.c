/*
 * When uploads end (transports.md 1.10).
 *
 * A record's `expires` is only when the sweep should look: while bytes arrive nothing is committed,
 * so the truth is the time of the file's last change.
 */
#include "upload/engine.h"

#include <fcntl.h>
#include <sys/stat.h>

int64_t mtime_ms(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

int64_t touched_in(int dir)
{
	static const char *const names[] = {"part", "data", "sizes"};
	int64_t touched = 0;
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    mtime_ms(&st) > touched)
			touched = mtime_ms(&st);
	return touched;
}

int64_t touched_at(const struct upload *u)
{
	int64_t created = json_int(u->record, "created", 0);
	int64_t touched = u->dir < 0 ? 0 : touched_in(u->dir);

	return touched > created ? touched : created;
}

int64_t expires_at(const struct engine *e, const json_object *record, int64_t touched)
{
	int64_t idle, age;

	if (json_int(record, "refs", 0) > 0)
		return 0;
	switch (state_of(record)) {
	case UPLOAD_COMPLETE:
	case UPLOAD_EXPIRED:
		return json_int(record, "expires", 0);
	case UPLOAD_CREATED:
	case UPLOAD_RECEIVING:
	case UPLOAD_STATE__MAX:
		break;
	}
	idle = touched + e->config->upload_idle_ttl_s * 1000;
	age = json_int(record, "created", 0) + e->config->upload_max_ttl_s * 1000;
	return idle < age ? idle : age;
}
