#include "signed/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define FILE_NEW "refused.jsonl"
#define FILE_OLD "refused.old.jsonl"

static const struct json_limits limits_entry = {JOURNAL_ENTRY_MAX, 2, 20};

/* Of a client's text: enough to recognise it. */
static void set_short(json_object *o, const char *key, const char *text)
{
	CLEAN_FREE char *part = mem_strndup(text, strlen(text) < 200 ? strlen(text) : 200);

	while (*part != '\0' && !json_object_is_type(json_get(o, key), json_type_string)) {
		size_t n = strlen(part);

		if (text_is_utf8(part, n))
			json_set_str(o, key, part);
		else
			part[n - 1] = '\0';
	}
}

static char *line_of(const struct journal_entry *e, const struct refusal *r, const char *why,
		     size_t *ret_len)
{
	CLEAN_JSON json_object *o = json_object_new_object();
	char msg[sizeof(r->what) + 64];
	CLEAN_FREE char *text = NULL;

	json_set_int(o, "time", e->time_ms);
	set_short(o, "account", e->account != NULL ? e->account : "");
	set_short(o, "receiver", e->receiver != NULL ? e->receiver : "");
	set_short(o, "address", e->address != NULL ? e->address : "");
	set_short(o, "request", e->request != NULL ? e->request : "");
	json_set_int(o, "status", refusal_status(r->code));
	set_short(o, "msg", refusal_text(r, msg, sizeof(msg)));
	set_short(o, "reason", why != NULL ? why : r->reason);
	text = json_print(o, ret_len);
	*ret_len += 1;
	return mem_printf("%s\n", text);
}

void journal_add(const char *data_dir, const struct journal_entry *e, const struct refusal *r,
		 const char *why)
{
	size_t len;
	CLEAN_FREE char *line = line_of(e, r, why, &len);
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, data_dir);
	CLEAN_FD int fd =
	    dir < 0 ? -1
		    : openat(dir, FILE_NEW, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			     0600);
	struct stat st;

	/* One write a line: several processes append, and none waits for another. */
	if (fd < 0 || len > JOURNAL_ENTRY_MAX || write(fd, line, len) < 0 || fstat(fd, &st) != 0)
		return;
	if (st.st_size > JOURNAL_FILE_MAX)
		(void)renameat(dir, FILE_NEW, dir, FILE_OLD);
}

static bool concerns(const json_object *o, const char *name)
{
	return name == NULL || strcmp(json_str(o, "account", ""), name) == 0 ||
	       strcmp(json_str(o, "receiver", ""), name) == 0;
}

/* Add FILE's entries to LIST, the last line first. */
static void add_file(int dir, const char *file, const char *name, size_t max, json_object *list)
{
	struct error error = {0};
	char *text = NULL, *end;
	size_t len;

	if (fs_read_file(dir, file, 2 * JOURNAL_FILE_MAX, &text, &len, &error) != ERR_OK)
		return;
	end = text + len;
	while (end > text && json_len(list) < max) {
		char *from, *stop = end - (end[-1] == '\n');
		json_object *o = NULL;

		from = memrchr(text, '\n', (size_t)(stop - text));
		from = from == NULL ? text : from + 1;
		if (json_read(from, (size_t)(stop - from), &limits_entry, &o) == ERR_OK &&
		    concerns(o, name))
			json_object_array_add(list, json_object_get(o));
		json_object_put(o);
		end = from;
	}
	free(text);
}

json_object *journal_read(const char *data_dir, const char *name, size_t max)
{
	json_object *list = json_object_new_array();
	CLEAN_FD int dir = fs_open_dir(AT_FDCWD, data_dir);

	if (dir < 0)
		return list;
	add_file(dir, FILE_NEW, name, max, list);
	add_file(dir, FILE_OLD, name, max, list);
	return list;
}
