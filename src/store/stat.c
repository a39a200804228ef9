/* What is going on, without entering: for `slipway store stat` and /metrics. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/inside.h"

static int64_t folder_bytes(int dir, const char *path, json_object *sizes)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int64_t sum = 0;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return 0;
	}
	while ((entry = readdir(d)) != NULL) {
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		sum += st.st_size;
		if (sizes != NULL)
			json_set_int(sizes, entry->d_name, st.st_size);
	}
	(void)closedir(d);
	return sum;
}

json_object *store_stat(const struct store *s)
{
	json_object *o = json_object_new_object();
	json_object *tables = json_object_new_object();
	struct gate_header header;
	int64_t since_ms;
	pid_t pid;
	bool ok = gate_peek(&s->gate, &header, &pid, &since_ms);

	json_set_bool(o, "header_ok", ok);
	json_set_int(o, "epoch", ok ? (int64_t)header.epoch : 0);
	json_set_bool(o, "dirty", ok && header.dirty != 0);
	json_set_int(o, "inside_pid", pid);
	json_set_int(o, "inside_ms", pid != 0 ? clock_now_ms() - since_ms : 0);
	json_set_int(o, "passes", (int64_t)atomic_load(&s->n_passes));
	json_set_int(o, "recalls", (int64_t)atomic_load(&s->n_recalls));
	json_set_int(o, "recoveries", (int64_t)atomic_load(&s->n_recoveries));
	json_set_int(o, "drops", s->n_drops);
	json_set_bool(o, "worn_out", store_worn_out(s));
	json_set_str(o, "regions", s->place.regions);
	json_set_bool(o, "ballast", room_has_ballast(s));
	json_set_int(o, "log_bytes", folder_bytes(s->dir, "db/log", NULL));
	json_set_int(o, "table_bytes", folder_bytes(s->dir, "db/data", tables));
	return json_set(o, "tables", tables);
}
