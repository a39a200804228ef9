/*
 * What clients are told about a session.  Source: contracts/wizard.md 6.1, 16.2.
 */
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "wizard/step.h"

static void set_time(json_object *o, const char *key, int64_t ms)
{
	char iso[32];

	clock_iso(ms, iso);
	json_set_str(o, key, iso);
}

/* A copy of the NAMES members of FROM. */
static json_object *pick(const json_object *from, const char *const *names, size_t n)
{
	json_object *o = json_object_new_object();

	for (size_t i = 0; i < n; i++)
		json_set(o, names[i], json_copy(json_get(from, names[i])));
	return o;
}

json_object *session_summary(const struct session *s, const json_object *task)
{
	static const char *const of_file[] = {"name", "size"};
	static const char *const of_layer[] = {"i",	   "name",  "kind",
					       "geometry", "count", "selected"};
	json_object *o = json_object_new_object();
	json_object *files = json_object_new_array(), *layers = json_object_new_array(), *item;

	json_set_int(o, "id", s->id);
	json_set_str(o, "name", session_title(s));
	json_set_str(o, "kind", kind_name(s->kind));
	json_set_str(o, "state", state_name(s->state));
	json_set_str(o, "step", step_name(step_next_stop(s, MODE_STRICT)));
	json_set_int(o, "percent", session_percent(s, json_obj(task, "progress")));
	json_set_int(o, "rev", s->rev);
	set_time(o, "created", s->created);
	set_time(o, "expires", s->expires);
	JSON_EACH(item, json_arr(s->doc, "uploads"))
	json_object_array_add(files, pick(item, of_file, 2));
	JSON_EACH(item, session_layers(s))
	json_object_array_add(layers, pick(item, of_layer, 6));
	json_set(o, "files", files);
	json_set(o, "layers", layers);
	return o;
}

/* GeoNode's slug of a file name: lower case, everything but letters, digits, '_' and '-' is one
 * '-'. */
static char *slug(const char *name)
{
	CLEAN_FREE char *low = text_fold(name);
	const char *s = low != NULL ? low : "";
	size_t len = strlen(s), out = 0;
	char *r = mem_alloc(len + 1);
	int32_t cp;

	for (size_t i = 0; i < len;) {
		size_t n = text_decode(s + i, len - i, &cp);

		if (text_is_letter(cp) || text_is_digit(cp) || cp == '_') {
			memcpy(r + out, s + i, n);
			out += n;
		} else if (out > 0 && r[out - 1] != '-') {
			r[out++] = '-';
		}
		i += n;
	}
	if (out > 0 && r[out - 1] == '-')
		out--;
	r[out] = '\0';
	return r;
}

static json_object *api_files(const struct session *s)
{
	json_object *files = json_object_new_array(), *u;

	JSON_EACH(u, json_arr(s->doc, "uploads"))
	{
		const char *name = json_str(u, "name", "");
		CLEAN_FREE char *of_name = slug(name);
		json_object *f = json_object_new_object();

		json_set_str(f, "name", name);
		json_set_str(f, "slug", of_name);
		json_set_str(f, "file", NULL);
		json_set_bool(f, "base",
			      json_int(u, "role", 0) == 1 ||
				  strcmp(json_str(u, "role", ""), "main") == 0);
		json_object_array_add(files, f);
	}
	return files;
}

json_object *session_api_item(const struct session *s, const json_object *task, const char *mount)
{
	json_object *o = json_object_new_object();
	json_object *datasets = json_arr(s->doc, "datasets");
	const json_object *first =
	    json_len(datasets) > 0 ? json_object_array_get_idx(datasets, 0) : NULL;
	int64_t dataset = json_int(first, "id", 0);
	/* "u:mei"; an anonymous one's is nobody's business */
	const char *owner = session_owner(s);
	bool done = s->state == STATE_PROCESSED;
	bool resumable =
	    s->state == STATE_WAITING || s->state == STATE_INCOMPLETE || session_retryable(s);
	CLEAN_FREE char *resume = mem_printf("%s/upload/?id=%lld", mount, (long long)s->id);
	CLEAN_FREE char *del = mem_printf("%s/upload/delete/%lld", mount, (long long)s->id);
	CLEAN_FREE char *detail = mem_printf("%s/datasets/%lld", mount, (long long)dataset);

	json_set_int(o, "id", s->id);
	json_set_str(o, "name", session_title(s));
	set_time(o, "date", json_int(s->doc, "changed", s->created));
	set_time(o, "create_date", s->created);
	json_set_str(o, "user", strncmp(owner, "u:", 2) == 0 ? owner + 2 : NULL);
	json_set_str(o, "state", state_name(s->state));
	json_set_int(o, "progress", session_percent(s, json_obj(task, "progress")));
	json_set_bool(o, "complete", done);
	json_set_int(o, "import_id", s->id);
	json_set(o, "uploadfile_set", api_files(s));
	json_set_str(o, "resume_url", resumable ? resume : NULL);
	json_set_str(o, "delete_url", done ? NULL : del);
	json_set_str(o, "import_url", NULL);
	json_set_str(o, "detail_url", done && dataset > 0 ? detail : NULL);
	return o;
}
