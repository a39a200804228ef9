#include <fcntl.h>
#include "wizard/spill.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/token.h"

char *session_folder(int64_t id)
{
	return mem_printf("sessions/%lld", (long long)id);
}

enum err spill_write(const struct config *c, struct session *s, struct error *error)
{
	size_t len = 0;
	json_object *layers = session_layers(s);
	CLEAN_FREE char *text = json_print(layers, &len);

	json_object_object_del(s->doc, "layers_file");
	if (layers == NULL || len <= SPILL_BYTES)
		return ERR_OK;
	char random[9];
	token_hex(random, 8);
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, c->data_dir);
	CLEAN_FREE char *folder = session_folder(s->id);
	CLEAN_FREE char *path = mem_printf("%s/layers-%s.json", folder, random);
	enum err err =
	    dir < 0 ? error_errno(error, ERR_IO, "data_dir") : fs_mkdirs(dir, folder, error);
	if (err == ERR_OK)
		err = fs_replace(dir, path, text, len, error);
	if (err == ERR_OK)
		json_set_str(s->doc, "layers_file", path);
	return err;
}

enum err spill_load(const struct config *c, struct session *s, struct error *error)
{
	static const struct json_limits limits = {
	    .bytes = 256 * 1024 * 1024, .depth = 32, .keys = 10000};
	const char *path = json_str(s->doc, "layers_file", NULL);
	CLEAN_FREE char *text = NULL;
	size_t len = 0;
	json_object *layers = NULL;

	if (path == NULL)
		return ERR_OK;
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, c->data_dir);
	enum err err = fs_read_file(dir, path, limits.bytes, &text, &len, error);
	if (err == ERR_OK)
		err = json_read(text, len, &limits, &layers);
	if (err != ERR_OK)
		return error_set(error, ERR_IO, "session %lld: layers file unreadable",
				 (long long)s->id);
	json_set(s->doc, "layers", layers);
	return ERR_OK;
}

json_object *spill_record(struct session *s, int64_t now_ms)
{
	json_object *doc = session_to_json(s, now_ms);
	if (json_str(doc, "layers_file", NULL) == NULL)
		return json_copy(doc);
	/* Everything but the layers: they are as they were written. */
	json_object *layers = json_object_get(json_get(doc, "layers"));
	json_object_object_del(doc, "layers");
	json_object *record = json_copy(doc);
	json_set(doc, "layers", layers);
	return record;
}
