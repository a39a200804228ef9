#include "base/config_table.h"

#include <string.h>
#include "base/charset.h"
#include "base/config_word.h"
#include "base/mem.h"
#include "base/text.h"

enum kind {
	KIND_SIZE, /* int64_t, with K, M, G or T by 1024 */
	KIND_BOOL,
	KIND_SYNC,     /* enum upload_sync */
	KIND_SENDFILE, /* enum sendfile */
	KIND_MAIL,     /* enum mail_method */
	KIND_PATHS,    /* bool: placeholder or absolute */
	KIND_TYPES,    /* bool: full or classic */
	KIND_FORMAT,   /* bool: text or json */
	KIND_STATUS,   /* bool: ok or body */
	KIND_TEXT,
	KIND_LIST,    /* text: words with one space between them */
	KIND_PATH,    /* text */
	KIND_URL,     /* text without trailing slash */
	KIND_SMTP,    /* the same of a mail server */
	KIND_MOUNT,   /* text: "" or /path without trailing slash */
	KIND_CHARSET, /* text: "" or a canonical name */
};

static const struct row {
	const char *section;
	const char *key;
	size_t offset; /* in struct config */
	enum kind kind;
	bool nullable;	  /* text: an empty value is NULL, "find out" */
	int64_t number;	  /* default of a number, bool or enum */
	int64_t min, max; /* of a number */
	const char *text; /* default of a text; NULL only when nullable */
} rows[] = {
#define NUMBER(section, key, field, def, min, max)                                                 \
	{                                                                                          \
		section, key, offsetof(struct config, field), KIND_SIZE, false, def, min, max,     \
		    NULL                                                                           \
	}
#define CHOICE(section, key, field, kind, def)                                                     \
	{                                                                                          \
		section, key, offsetof(struct config, field), kind, false, def, 0, 0, NULL         \
	}
#define TEXT(section, key, field, kind, def)                                                       \
	{                                                                                          \
		section, key, offsetof(struct config, field), kind, def == NULL, 0, 0, 0, def      \
	}
#define NONE ((const char *)NULL)

    TEXT("site", "data_dir", data_dir, KIND_PATH, NONE),
    TEXT("site", "public_url", public_url, KIND_URL, ""),
    CHOICE("site", "read_only", read_only, KIND_BOOL, false),
    CHOICE("site", "anonymous_uploads", anonymous_uploads, KIND_BOOL, false),
    CHOICE("site", "anonymous_read", anonymous_read, KIND_BOOL, true),
    CHOICE("login", "remote_user", remote_user, KIND_BOOL, false),
    TEXT("server", "mount", mount, KIND_MOUNT, NONE),
    CHOICE("server", "interim", interim, KIND_BOOL, false),
    CHOICE("server", "sendfile", sendfile, KIND_SENDFILE, SENDFILE_NONE),
    CHOICE("server", "hsts", hsts, KIND_BOOL, false),
    NUMBER("server", "threads", threads, 16, 1, 1024),
    NUMBER("server", "processes", processes, 2, 1, 256),
    TEXT("server", "trusted_proxies", trusted_proxies, KIND_LIST, ""),
    CHOICE("server", "allow_root", allow_root, KIND_BOOL, false),
    TEXT("server", "template_dir", template_dir, KIND_PATH, NONE),
    TEXT("server", "static_dir", static_dir, KIND_PATH, NONE),
    TEXT("server", "leaflet_dir", leaflet_dir, KIND_PATH, "/usr/share/javascript/leaflet"),
    TEXT("server", "program_dir", program_dir, KIND_PATH, NONE),
    TEXT("cors", "origins", cors_origins, KIND_LIST, ""),
    CHOICE("compat", "cors_any", compat_cors_any, KIND_BOOL, true),
    TEXT("store", "regions", store_regions, KIND_TEXT, "auto"),
    CHOICE("store", "below_document_root", below_root, KIND_BOOL, false),
    TEXT("login", "first_token_sha256", first_token, KIND_TEXT, ""),
    CHOICE("upload", "sync", upload_sync, KIND_SYNC, UPLOAD_SYNC_FULL),
    TEXT("gws", "chunk_commands", gws_chunk_commands, KIND_LIST, "uploadChunk"),
    TEXT("gws", "finish_commands", gws_finish_commands, KIND_LIST, "uploadFinish"),
    TEXT("iserver", "root", iserver_root, KIND_PATH, NONE),
    CHOICE("iserver", "file_paths", iserver_absolute, KIND_PATHS, false),
    CHOICE("iserver", "overwrite", iserver_overwrite, KIND_BOOL, false),
    TEXT("iserver", "denied_files", iserver_denied, KIND_LIST,
	 ".jsp .sh .exe .bat .html .js .war .class .jar .shtml .htm .php .aspx .asp .asa .jspx "
	 ".cgi .phtml .phar .pl .py .fcgi"),
    TEXT("iserver", "zip_names", iserver_zip_names, KIND_CHARSET, "GB18030"),
    CHOICE("iportal", "anonymous", iportal_anonymous, KIND_BOOL, true),
    CHOICE("iportal", "types", iportal_classic, KIND_TYPES, false),
    TEXT("iportal", "service", iportal_services, KIND_LIST, ""),
    CHOICE("mail", "method", mail_method, KIND_MAIL, MAIL_SENDMAIL),
    TEXT("mail", "sendmail", mail_sendmail, KIND_PATH, "/usr/sbin/sendmail"),
    TEXT("mail", "smtp_url", mail_smtp_url, KIND_SMTP, ""),
    TEXT("mail", "smtp_user", mail_smtp_user, KIND_TEXT, ""),
    TEXT("mail", "smtp_password_file", mail_smtp_password, KIND_PATH, NONE),
    TEXT("mail", "smtp_ca_file", mail_smtp_ca, KIND_PATH, NONE),
    TEXT("mail", "from", mail_from, KIND_TEXT, ""),
    TEXT("mail", "allow_domains", mail_domains, KIND_LIST, ""),
    CHOICE("signed", "enabled", signed_enabled, KIND_BOOL, true),
    CHOICE("signed", "http_status", signed_status, KIND_STATUS, false),
    TEXT("signed", "path_prefix", signed_path_prefix, KIND_MOUNT, ""),
    TEXT("page", "tile_url", tile_url, KIND_TEXT, ""),
    CHOICE("wizard", "time_enabled", time_enabled, KIND_BOOL, true),
    CHOICE("wizard", "async", async_import, KIND_BOOL, true),
    TEXT("wizard", "crs_favourites", crs_favourites, KIND_LIST,
	 "EPSG:3857 EPSG:4490 EPSG:4214 EPSG:4610"),
    TEXT("wizard", "prefer_charset", prefer_charset, KIND_CHARSET, ""),
    CHOICE("wizard", "compat_get_run", compat_get_run, KIND_BOOL, true),
    CHOICE("wizard", "compat_get_delete", compat_get_delete, KIND_BOOL, false),
    TEXT("wizard", "workspace", compat_workspace, KIND_TEXT, "geonode"),
    NUMBER("jail", "min_level", jail_min_level, 2, 1, 3),
    TEXT("jail", "extra_drivers", extra_drivers, KIND_LIST, ""),
    CHOICE("worker", "spawn", worker_spawn, KIND_BOOL, true),
    TEXT("metrics", "address", metrics_address, KIND_LIST, ""),
    TEXT("log", "file", log_file, KIND_PATH, NONE),
    CHOICE("log", "format", log_json, KIND_FORMAT, false),
#define X(field, section, key, def, least, most) NUMBER(section, key, field, def, least, most),
    LIMITS(X)
#undef X
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct {
	enum kind kind;
	const char *word;
	int value;
} words[] = {
    {KIND_SYNC, "full", UPLOAD_SYNC_FULL},
    {KIND_SYNC, "none", UPLOAD_SYNC_NONE},
    {KIND_PATHS, "placeholder", false},
    {KIND_PATHS, "absolute", true},
    {KIND_TYPES, "full", false},
    {KIND_TYPES, "classic", true},
    {KIND_FORMAT, "text", false},
    {KIND_FORMAT, "json", true},
    {KIND_STATUS, "ok", false},
    {KIND_STATUS, "body", true},
    {KIND_MAIL, "none", MAIL_NONE},
    {KIND_MAIL, "sendmail", MAIL_SENDMAIL},
    {KIND_MAIL, "smtp", MAIL_SMTP},
    {KIND_SENDFILE, "none", SENDFILE_NONE},
    {KIND_SENDFILE, "x-sendfile", SENDFILE_X_SENDFILE},
    {KIND_SENDFILE, "x-accel", SENDFILE_X_ACCEL},
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

size_t config_table_find(const char *section, const char *key)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (strcmp(rows[i].section, section) == 0 && strcmp(rows[i].key, key) == 0)
			return i;
	return SIZE_MAX;
}

bool config_table_is_list(size_t row)
{
	return rows[row].kind == KIND_LIST;
}

bool config_table_is_path(size_t row)
{
	return rows[row].kind == KIND_PATH;
}

static void *field_of(const struct config *c, const struct row *row)
{
	return (char *)(uintptr_t)c + row->offset;
}

static char **text_of(const struct config *c, const struct row *row)
{
	return field_of(c, row);
}

/* Takes TEXT. */
static void put_text(struct config *c, const struct row *row, char *text)
{
	char **at = text_of(c, row);

	free(*at);
	*at = text;
}

static void put_number(struct config *c, const struct row *row, int64_t v)
{
	void *at = field_of(c, row);

	switch (row->kind) {
	case KIND_SIZE:
		*(int64_t *)at = v;
		break;
	case KIND_BOOL:
	case KIND_PATHS:
	case KIND_TYPES:
	case KIND_FORMAT:
	case KIND_STATUS:
		*(bool *)at = v != 0;
		break;
	case KIND_SYNC:
		*(enum upload_sync *)at = (enum upload_sync)v;
		break;
	case KIND_MAIL:
		*(enum mail_method *)at = (enum mail_method)v;
		break;
	case KIND_SENDFILE:
		*(enum sendfile *)at = (enum sendfile)v;
		break;
	case KIND_TEXT:
	case KIND_LIST:
	case KIND_PATH:
	case KIND_URL:
	case KIND_SMTP:
	case KIND_MOUNT:
	case KIND_CHARSET:
		break;
	}
}

void config_table_defaults(struct config *c)
{
	c->origins = mem_array(N_ROWS, sizeof(*c->origins));
	for (const struct row *row = rows; row < rows + N_ROWS; row++) {
		if (row->kind >= KIND_TEXT)
			put_text(c, row, mem_strdup(row->text));
		else
			put_number(c, row, row->number);
	}
}

/* "64M", "10 GiB", "512 KB": all by 1024. */
static bool read_size(const char *value, int64_t *ret)
{
	static const char units[] = "KMGT";
	size_t n = strspn(value, "0123456789");
	CLEAN_FREE char *digits = mem_strndup(value, n);
	const char *rest = value + n;
	const char *unit;
	int64_t v;

	if (!text_int(digits, 0, INT64_MAX, &v))
		return false;
	rest += strspn(rest, " ");
	if (*rest != '\0') {
		char upper = (char)(*rest >= 'a' ? *rest - 'a' + 'A' : *rest);

		unit = strchr(units, upper);
		if (unit == NULL)
			return false;
		for (const char *u = units; u <= unit; u++)
			if (__builtin_mul_overflow(v, KIB, &v))
				return false;
		rest++;
		if (*rest != '\0' && !text_ieq(rest, "B") && !text_ieq(rest, "iB"))
			return false;
	}
	*ret = v;
	return true;
}

/* What a word is not, of those kinds that know some. */
static const char *const wrong_word[] = {
    [KIND_SYNC] = "neither full nor none",
    [KIND_SENDFILE] = "none of none, x-sendfile, x-accel",
    [KIND_MAIL] = "none of none, sendmail, smtp",
    [KIND_PATHS] = "neither placeholder nor absolute",
    [KIND_TYPES] = "neither full nor classic",
    [KIND_FORMAT] = "neither text nor json",
    [KIND_STATUS] = "neither ok nor body",
};

/* "64M": as many of the largest unit as there are whole ones of; V >= 0. */
static char *size_text(int64_t v)
{
	static const char units[] = " KMGT";
	size_t u = 0;

	while (v != 0 && v % KIB == 0 && u + 1 < strlen(units)) {
		v /= KIB;
		u++;
	}
	return mem_printf("%lld%.*s", (long long)v, u > 0, units + u);
}

static char *out_of_range(const struct row *row)
{
	CLEAN_FREE char *least = size_text(row->min), *most = size_text(row->max);

	return mem_printf("out of range: %s to %s", least, most);
}

/* Returns as config_table_set. */
static char *set_number(struct config *c, const struct row *row, const char *value)
{
	int64_t v = 0;
	bool b = false;

	if (row->kind == KIND_SIZE) {
		if (!read_size(value, &v))
			return mem_strdup(
			    "not a whole number, with K, M, G or T for multiples of 1024");
		if (v < row->min || v > row->max)
			return out_of_range(row);
	} else if (row->kind == KIND_BOOL) {
		if (*value == '\0' || !text_bool(value, &b))
			return mem_strdup("neither yes nor no");
		v = b;
	} else {
		size_t i = 0;

		while (i < N_WORDS &&
		       (words[i].kind != row->kind || !text_ieq(words[i].word, value)))
			i++;
		if (i == N_WORDS)
			return mem_strdup(wrong_word[row->kind]);
		v = words[i].value;
	}
	put_number(c, row, v);
	return NULL;
}

/* OLD and the words of VALUE, with one space between words. */
static char *join_words(const char *old, const char *value)
{
	CLEAN_FREE char *copy = mem_strdup(value);
	char *out = mem_alloc(strlen(old) + strlen(value) + 2);
	char *rest = NULL;
	size_t n = strlen(old);

	memcpy(out, old, n);
	for (char *w = strtok_r(copy, " \t,", &rest); w != NULL;
	     w = strtok_r(NULL, " \t,", &rest)) {
		if (n > 0)
			out[n++] = ' ';
		memcpy(out + n, w, strlen(w));
		n += strlen(w);
	}
	out[n] = '\0';
	return out;
}

/* An address or a path in one: no blank, quote or query has a place there. */
static bool is_place(const struct row *row)
{
	return row->kind == KIND_URL || row->kind == KIND_SMTP || row->kind == KIND_MOUNT;
}

static const char *wrong_text(const struct row *row, const char *value)
{
	if (row->kind == KIND_CHARSET && charset_canonical(value) == NULL)
		return "unknown charset";
	if (row->kind == KIND_URL && !text_starts(value, "https://") &&
	    !text_starts(value, "http://"))
		return "does not begin with https:// or http://";
	if (row->kind == KIND_SMTP && !text_starts(value, "smtp://") &&
	    !text_starts(value, "smtps://"))
		return "does not begin with smtp:// or smtps://";
	if (row->kind == KIND_MOUNT && value[0] != '/')
		return "does not begin with /";
	return is_place(row) && strpbrk(value, " \t\"'<>?#\\") != NULL
		   ? "holds a character that has no place in it"
		   : NULL;
}

char *config_table_set(struct config *c, size_t i, const char *value, bool more)
{
	const struct row *row = &rows[i];
	const char *wrong = NULL;
	size_t len = strlen(value);

	if (row->kind < KIND_TEXT)
		return set_number(c, row, value);
	if (!text_is_utf8(value, len))
		return mem_strdup("not UTF-8");
	if (len == 0) {
		/* An empty value is what the default is, where "" has no meaning of its own. */
		bool find_out = row->nullable || row->kind == KIND_PATH;

		put_text(c, row, mem_strdup(find_out ? row->text : ""));
		return NULL;
	}
	wrong = wrong_text(row, value);
	if (wrong == NULL)
		wrong = config_word_wrong(row->section, row->key, value);
	if (wrong != NULL)
		return mem_strdup(wrong);
	if (row->kind == KIND_LIST) {
		put_text(c, row, join_words(more ? *text_of(c, row) : "", value));
		return NULL;
	}
	if (row->kind == KIND_CHARSET) {
		put_text(c, row, mem_strdup(charset_canonical(value)));
		return NULL;
	}
	while (is_place(row) && len > 0 && value[len - 1] == '/')
		len--;
	put_text(c, row, mem_strndup(value, len));
	return NULL;
}

static void print_value(const struct config *c, const struct row *row, FILE *out)
{
	const void *at = field_of(c, row);
	CLEAN_FREE char *size = NULL;
	int64_t v;
	size_t u = 0;

	switch (row->kind) {
	case KIND_SIZE:
		size = size_text(*(const int64_t *)at);
		(void)fputs(size, out);
		break;
	case KIND_BOOL:
		(void)fputs(*(const bool *)at ? "yes" : "no", out);
		break;
	case KIND_SYNC:
	case KIND_SENDFILE:
	case KIND_MAIL:
	case KIND_PATHS:
	case KIND_TYPES:
	case KIND_FORMAT:
	case KIND_STATUS:
		v = row->kind == KIND_SYNC	 ? (int64_t)c->upload_sync
		    : row->kind == KIND_SENDFILE ? (int64_t)c->sendfile
		    : row->kind == KIND_MAIL	 ? (int64_t)c->mail_method
						 : *(const bool *)at;
		while (words[u].kind != row->kind || words[u].value != v)
			u++;
		(void)fputs(words[u].word, out);
		break;
	case KIND_TEXT:
	case KIND_LIST:
	case KIND_PATH:
	case KIND_URL:
	case KIND_SMTP:
	case KIND_MOUNT:
	case KIND_CHARSET:
		if (*text_of(c, row) != NULL)
			(void)fputs(*text_of(c, row), out);
		break;
	}
}

static void print_origin(const struct config *c, int origin, FILE *out)
{
	const char *slash = c->path != NULL ? strrchr(c->path, '/') : NULL;

	if (origin > 0)
		(void)fprintf(out, " ; %s:%d\n", slash != NULL ? slash + 1 : "slipway.conf",
			      origin);
	else
		(void)fprintf(out, " ; %s\n",
			      origin == CONFIG_OPTION  ? "option"
			      : origin == CONFIG_FOUND ? "found"
						       : "default");
}

void config_table_print(const struct config *c, FILE *out)
{
	bool done[N_ROWS] = {false};

	for (size_t i = 0; i < N_ROWS; i++) {
		if (done[i])
			continue;
		(void)fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", rows[i].section);
		for (size_t k = i; k < N_ROWS; k++) {
			if (strcmp(rows[k].section, rows[i].section) != 0)
				continue;
			done[k] = true;
			(void)fprintf(out, "%s = ", rows[k].key);
			print_value(c, &rows[k], out);
			print_origin(c, c->origins[k], out);
		}
	}
}

void config_table_free(struct config *c)
{
	for (const struct row *row = rows; row < rows + N_ROWS; row++)
		if (row->kind >= KIND_TEXT)
			put_text(c, row, NULL);
	free(c->origins);
}
