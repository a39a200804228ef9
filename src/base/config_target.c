#include "base/config_target.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"

#define PASSWORD       "_password_file"
#define NAME_MAX_BYTES 64
#define EMBEDDED       "default" /* the receivers' own word for the tables beside the data */

bool config_target_is_path(const char *key)
{
	return text_ends_icase(key, PASSWORD);
}

/* Anybody may read what `slipway config` prints: a password has no place in a connection string. */
static bool holds_password(const char *text)
{
	for (const char *at = text; (at = strstr(at, "password")) != NULL; at++)
		if (at[strlen("password") + strspn(at + strlen("password"), " \t")] == '=')
			return true;
	return strstr(text, "://") != NULL;
}

static bool name_ok(const char *name, size_t len)
{
	return len > 0 && len <= NAME_MAX_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") >= len;
}

static struct config_target *target_of(struct config *c, const char *name, size_t len)
{
	struct config_target *t;

	for (size_t i = 0; i < c->n_targets; i++)
		if (strlen(c->targets[i].name) == len && memcmp(c->targets[i].name, name, len) == 0)
			return &c->targets[i];
	c->targets = mem_resize(c->targets, c->n_targets + 1, sizeof(c->targets[0]));
	t = &c->targets[c->n_targets++];
	*t = (struct config_target){.name = mem_strndup(name, len)};
	return t;
}

const char *config_target_set(struct config *c, const char *key, const char *value, int line)
{
	bool password = config_target_is_path(key);
	size_t len = strlen(key) - (password ? strlen(PASSWORD) : 0);
	struct config_target *t;
	char **at;

	if (!name_ok(key, len))
		return "a name is 1 to 64 of a-z, 0-9, '-' and '_'";
	if (len == strlen(EMBEDDED) && memcmp(key, EMBEDDED, len) == 0)
		return "\"default\" is the embedded database";
	if (!text_is_utf8(value, strlen(value)))
		return "not UTF-8";
	if (*value == '\0')
		return "empty";
	if (!password && holds_password(value))
		return "write host=… dbname=…, and the password into the file <name>_password_file "
		       "names";
	t = target_of(c, key, len);
	at = password ? &t->password_file : &t->text;
	if (*at != NULL)
		return "given twice";
	*at = mem_strdup(value);
	*(password ? &t->password_line : &t->line) = line;
	return NULL;
}

const struct config_target *config_target_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_targets; i++)
		if (c->targets[i].text != NULL && strcmp(c->targets[i].name, name) == 0)
			return &c->targets[i];
	return NULL;
}

void config_target_print(const struct config *c, FILE *out)
{
	const char *slash = c->path != NULL ? strrchr(c->path, '/') : NULL;
	const char *file = slash != NULL ? slash + 1 : "slipway.conf";

	if (c->n_targets > 0)
		(void)fputs("\n[target]\n", out);
	for (const struct config_target *t = c->targets; t < c->targets + c->n_targets; t++) {
		if (t->text != NULL)
			(void)fprintf(out, "%s = %s ; %s:%d\n", t->name, t->text, file, t->line);
		if (t->password_file != NULL)
			(void)fprintf(out, "%s" PASSWORD " = %s ; %s:%d\n", t->name,
				      t->password_file, file, t->password_line);
	}
}

void config_target_free(struct config *c)
{
	for (size_t i = 0; i < c->n_targets; i++) {
		free(c->targets[i].name);
		free(c->targets[i].text);
		free(c->targets[i].password_file);
	}
	free(c->targets);
}
