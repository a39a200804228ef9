/*
 * What a request brings: a form or a body, and after an error nothing but what came of a piece.
 */
#include "views/chunks_work.h"

#include "base/mem.h"
#include "base/text.h"

/* What the answer to an error says of the files: their names, and what was the matter. */
static void note_files(struct chunks_work *w)
{
	json_object *files = json_object_new_array();

	for (size_t i = 0; i < w->n; i++) {
		json_object *f = json_object_new_object();
		CLEAN_FREE char *name = text_display_name(w->parts[i].name);
		json_set_str(f, "name", name);
		json_set_int(f, "size", w->parts[i].size);
		json_object_array_add(files, f);
	}
	json_object_put(w->call->told);
	w->call->told = files;
}

enum err chunks_receive(struct call *call, struct chunks_result *ret)
{
	struct chunks_work w = {.call = call, .request = chunks_request(call)};
	enum err err;

	err = w.request.multipart ? work_form(&w, ret) : work_body(&w, ret);
	/* All parts are there and are not as long as the file was said to be. */
	if (err == ERR_INCOMPLETE) {
		call->error = (struct error){0};
		err = error_set(&call->error, ERR_LENGTH, "sum of the parts");
	}
	if (err != ERR_OK) {
		work_abandon(&w, err);
		note_files(&w);
	}
	upload_close(w.upload);
	ret->dialect = w.chunk.dialect;
	ret->kind = w.chunk.kind;
	ret->upto = work_is_guest(call, &w.chunk) ? w.chunk.first + w.chunk.len : -1;
	chunk_done(&w.chunk);
	work_parts_free(&w);
	return err;
}

void chunks_result_done(struct chunks_result *r)
{
	free(r->ids);
	r->ids = NULL;
	r->n = 0;
}
