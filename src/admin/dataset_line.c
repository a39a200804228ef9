/*
 * Words, files and answers of `slipway dataset …`.
 */
#include "admin/dataset.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "signed/receiver.h"

#define CONFIG_BYTES (1 << 20)

enum {
	OPTION_JSON = 1,
	OPTION_SECRET,
	OPTION_HMAC,
	OPTION_CONFIG,
	OPTION_GRACE,
	OPTION_DRY_RUN,
	OPTION_ACCOUNT,
	OPTION_OWNER,
	OPTION_UPDATE
};

static const struct option options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"secret", no_argument, NULL, OPTION_SECRET},
    {"hmac", no_argument, NULL, OPTION_HMAC},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"grace", required_argument, NULL, OPTION_GRACE},
    {"dry-run", required_argument, NULL, OPTION_DRY_RUN},
    {"account", required_argument, NULL, OPTION_ACCOUNT},
    {"owner", required_argument, NULL, OPTION_OWNER},
    {"update", required_argument, NULL, OPTION_UPDATE},
    {NULL, 0, NULL, 0},
};

static bool is_allowed(const char *allowed, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = allowed; (at = strstr(at, name)) != NULL; at += len)
		if ((at == allowed || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

static void take(struct dataset_line *l, int option)
{
	l->json = l->json || option == OPTION_JSON;
	l->secret = l->secret || option == OPTION_SECRET;
	l->hmac = l->hmac || option == OPTION_HMAC;
	if (option == OPTION_CONFIG)
		l->config = optarg;
	if (option == OPTION_GRACE)
		l->grace = optarg;
	if (option == OPTION_DRY_RUN)
		l->dry_run = optarg;
	if (option == OPTION_ACCOUNT)
		l->account = optarg;
	if (option == OPTION_OWNER)
		l->owner = optarg;
	if (option == OPTION_UPDATE)
		l->update = optarg;
}

bool dataset_line_read(const struct command_run *r, const char *allowed, size_t min, size_t max,
		       struct dataset_line *ret)
{
	int o, index = -1;

	*ret = (struct dataset_line){0};
	optind = 1;
	while ((o = getopt_long(r->argc, r->argv, "", options, &index)) != -1) {
		if (o == '?' || index < 0 || !is_allowed(allowed, options[index].name))
			return false;
		take(ret, o);
	}
	for (int i = optind; i < r->argc; i++) {
		if (ret->n == max || ret->n == DATASET_WORDS_MAX)
			return false;
		ret->words[ret->n++] = r->argv[i];
	}
	return ret->n >= min;
}

/* Whole IN, at most MAX bytes. */
static char *read_all(FILE *in, const char *file, size_t max, size_t *ret_len)
{
	size_t room = 65536, n = 0, got;
	char *text = mem_alloc(room);

	while ((got = fread(text + n, 1, room - n, in)) > 0 && n <= max) {
		n += got;
		if (n == room)
			text = mem_resize(text, room *= 2, 1);
	}
	if (n <= max && ferror(in) == 0) {
		*ret_len = n;
		return text;
	}
	free(text);
	if (n > max)
		(void)command_fail("%s: over %zu bytes", file, max);
	else
		(void)command_fail("%s: %s", file, strerror(errno));
	return NULL;
}

char *dataset_file(const char *file, size_t max, size_t *ret_len)
{
	CLEAN_FILE FILE *opened = NULL;

	if (strcmp(file, "-") == 0)
		return read_all(stdin, "standard input", max, ret_len);
	opened = fopen(file, "rbe");
	if (opened != NULL)
		return read_all(opened, file, max, ret_len);
	(void)command_fail("%s: %s", file, strerror(errno));
	return NULL;
}

json_object *dataset_config(const char *file)
{
	struct refusal r = {0};
	json_object *config = NULL;
	size_t len;
	CLEAN_FREE char *text = dataset_file(file, CONFIG_BYTES, &len);

	if (text != NULL && !receiver_text(text, len, &config, &r))
		command_fail("%s: %s", file, r.what);
	return config;
}

json_object *dataset_changes(const struct command_run *run, struct dataset_line *l, int *ret_status)
{
	json_object *changes;

	*ret_status = 2;
	if (!dataset_line_read(run, "json", 2, DATASET_WORDS_MAX, l))
		return NULL;
	changes = json_object_new_object();
	for (size_t i = 1; i < l->n; i++) {
		const char *equals = strchr(l->words[i], '=');
		json_object *value = NULL;
		size_t len = equals == NULL ? 0 : (size_t)(equals - l->words[i]);
		CLEAN_FREE char *key = mem_strndup(l->words[i], len);

		*ret_status = 2;
		if (len == 0) {
			json_object_put(changes);
			return NULL;
		}
		*ret_status = 1;
		if (strcmp(equals + 1, "null") != 0 &&
		    json_read(equals + 1, strlen(equals + 1), &json_limits_form, &value) !=
			ERR_OK) {
			command_fail("%s: the value is no JSON; a text needs its quotes: "
				     "%s='\"text\"'",
				     key, key);
			json_object_put(changes);
			return NULL;
		}
		json_set(changes, key, value);
	}
	return changes;
}

int dataset_result(const char *what, const char *name, const struct manage *m, enum err err)
{
	if (err == ERR_OK)
		return 0;
	if (err == ERR_BAD_REQUEST && m->refusal.code != REFUSE_NOTHING)
		return command_fail("%s", m->refusal.what);
	if (err == ERR_NOT_FOUND)
		return command_fail("there is no %s “%s”", what, name);
	if (err == ERR_CONFLICT)
		return command_fail("%s “%s” exists already", what, name);
	return command_error(what, err, &m->error);
}

void dataset_print(const json_object *o)
{
	CLEAN_FREE char *text = json_print(o, NULL);

	puts(text);
}

void dataset_print_texts(const struct dataset_line *l, const json_object *o, const char *separator)
{
	if (l->json) {
		dataset_print(o);
		return;
	}
	json_object_object_foreach(o, key, value)
	    printf("%s%s%s\n", key, separator, json_object_get_string(value));
}

void dataset_put(const char *text)
{
	for (; *text != '\0'; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text);
}
