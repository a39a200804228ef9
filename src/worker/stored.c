/*
 * The file that stands for a dataset when it is downloaded as it came: the source itself, a bundle
 * packed, or the result where the source is not kept. Source: contracts/datas.md 10.
 */
#include <string.h>
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "worker/pack.h"
#include "worker/stored.h"

/* Names inside the zip: without folders, and no two alike. */
static struct pack_member *members_of(const json_object *sources, const char *folder)
{
	struct pack_member *v = mem_array(json_len(sources) + 1, sizeof(*v));
	json_object *source = NULL;
	size_t n = 0;

	JSON_EACH(source, sources)
	{
		const char *name = json_str(source, "name", "file"), *slash = strrchr(name, '/');
		bool twice = false;
		name = slash != NULL ? slash + 1 : name;
		for (size_t i = 0; i < n; i++)
			twice = twice || strcmp(v[i].name, name) == 0;
		v[n].name = twice ? mem_printf("%zu_%s", n + 1, name) : mem_strdup(name);
		v[n].path = mem_printf("%s/original/%zu", folder, n + 1);
		n++;
	}
	return v;
}

static enum err pack_sources(int at, const json_object *sources, const char *folder,
			     const char *out, int64_t *size, char md5[33], struct error *error)
{
	size_t n = json_len(sources);
	struct pack_member *v = members_of(sources, folder);
	enum err err = pack_zip(at, out, v, n, size, md5, error);

	for (size_t i = 0; i < n; i++) {
		free(v[i].name);
		free(v[i].path);
	}
	free(v);
	return err;
}

json_object *stored_of(struct worker *w, const char *folder, const char *data,
		       const json_object *model)
{
	json_object *sources = json_arr(model, "source"), *stored = NULL;
	const char *first = json_str(json_at(sources, 0), "name", "data"),
		   *slash = strrchr(first, '/');
	bool originals = json_bool(model, "originals", false);
	struct error error = {0};
	char md5[33] = "";
	int64_t size = 0;

	/* The one file as it came needs no second one. */
	if (originals && json_len(sources) <= 1)
		return NULL;
	first = slash != NULL ? slash + 1 : first;
	const char *dot = strrchr(first, '.');
	int stem = dot != NULL && dot > first ? (int)(dot - first) : (int)strlen(first);
	CLEAN_FREE char *path = mem_printf("%s/%s", folder, originals ? "source.zip" : data);
	CLEAN_FREE char *name =
	    mem_printf("%.*s%s", stem, first, originals ? ".zip" : strrchr(data, '.'));
	enum err err = originals
			   ? pack_sources(w->data_fd, sources, folder, path, &size, md5, &error)
			   : pack_digest(w->data_fd, path, &size, md5, &error);
	if (err != ERR_OK) {
		/* The dataset is good all the same: only the way back to its sources is longer. */
		log_line(LOG_LEVEL_WARN, NULL, "%s: %s: %s", path, err_name(err), error.text);
		return NULL;
	}
	stored = json_object_new_object();
	json_set_str(stored, "name", name);
	json_set_int(stored, "size", size);
	json_set_str(stored, "md5", md5);
	json_set_str(stored, "file", path);
	return stored;
}
