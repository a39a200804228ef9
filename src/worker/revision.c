#include "worker/revision.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "worker/output.h"

enum err revision_move_in(struct work *work, const char *folder, const char *from_name,
			  const char *to_name)
{
	CLEAN_FREE char *to = mem_printf("%s/%s", folder, to_name);
	CLEAN_FD int fd = output_open(work, from_name, 0);

	if (fd < 0 || fsync(fd) != 0)
		return error_errno(&work->error, ERR_IO, "%s", from_name);
	return output_move(work, from_name, 0, to, &work->error);
}

const char *revision_data_name(const json_object *item)
{
	return strcmp(json_str(item, "type", ""), "raster") == 0 ? "data.tif" : "data.gpkg";
}

enum err revision_begin(struct work *work, const char *folder, const json_object *item)
{
	struct worker *w = work->w;
	const char *map = json_str(item, "map", NULL),
		   *thumbnail = json_str(item, "thumbnail", NULL);
	enum err err = fs_remove_tree(w->data_fd, folder, &work->error);

	if (err == ERR_OK)
		err = fs_mkdirs(w->data_fd, folder, &work->error);
	if (err == ERR_OK && thumbnail != NULL)
		err = revision_move_in(work, folder, thumbnail, "thumbnail.png");
	if (err == ERR_OK && map != NULL)
		err = revision_move_in(work, folder, map,
				       strstr(map, ".png") != NULL ? "map.png" : "map.json");
	return err;
}

void revision_drop_earlier(struct worker *w, int64_t id, int64_t replaced, const char *folder,
			   const char *attempts)
{
	CLEAN_FREE char *path = mem_printf("datasets/%lld", (long long)id);
	int fd = store_keeps_files(w->store) ? -1 : fs_open_dir(w->data_fd, path);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d = NULL;

	if (dir == NULL && fd >= 0)
		(void)close(fd);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		CLEAN_FREE char *number = mem_strndup(d->d_name, strcspn(d->d_name, "-"));
		int64_t revision = 0;

		if (!text_int(number, 1, INT64_MAX, &revision))
			continue;
		bool attempt = text_starts(d->d_name, attempts) &&
			       strcmp(d->d_name, strrchr(folder, '/') + 1) != 0;
		if (revision < replaced || attempt)
			(void)fs_remove_tree(dirfd(dir), d->d_name, NULL);
		else if (revision == replaced)
			/* The hour begins. */
			(void)utimensat(dirfd(dir), d->d_name, NULL, AT_SYMLINK_NOFOLLOW);
	}
	if (dir != NULL)
		(void)closedir(dir);
}
