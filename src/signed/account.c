#include "signed/account.h"

#include <arpa/inet.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "signed/signature.h"

#define SECRET_BYTES  32
#define SECRET_MIN    16
#define SECRET_MAX    256
#define HOSTS_MAX     1000
#define RECEIVERS_MAX 1000
#define CALLS_MOST    1000000 /* a minute */
#define MAILS_MOST    100000  /* a day */
#define WINDOW_MIN_S  10
#define WINDOW_MAX_S  86400

static bool bad(struct refusal *r, const char *key, const char *what)
{
	return refuse(r, REFUSE_BAD, "%s: %s", key, what);
}

bool account_name_ok(const char *name)
{
	return signature_text_ok(name, strlen(name));
}

/* A new secret: 43 characters of base64url. */
static void account_secret(char ret[44])
{
	unsigned char raw[SECRET_BYTES];
	CLEAN_FREE char *text = NULL;
	size_t n = 0;

	token_bytes(raw, sizeof(raw));
	text = base64_encode(raw, sizeof(raw));
	for (const char *at = text; *at != '\0' && *at != '='; at++)
		ret[n++] = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
	ret[n] = '\0';
}

/* ---- one key each */

static bool check_token(const char *key, json_object *v, struct refusal *r)
{
	size_t len = (size_t)json_object_get_string_len(v);

	if (!json_object_is_type(v, json_type_string) || len < SECRET_MIN || len > SECRET_MAX)
		return bad(r, key, "must be a text of 16 to 256 bytes");
	for (const char *at = json_object_get_string(v); *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7F)
			return bad(r, key, "must not hold control characters");
	return true;
}

/* An address, or a range "10.0.0.0/8". */
static bool is_host(const char *text)
{
	unsigned char raw[16];
	size_t n = strcspn(text, "/");
	CLEAN_FREE char *address = mem_strndup(text, n);
	bool v4 = inet_pton(AF_INET, address, raw) == 1;
	int64_t bits;

	if (!v4 && inet_pton(AF_INET6, address, raw) != 1)
		return false;
	return text[n] == '\0' || text_int(text + n + 1, 0, v4 ? 32 : 128, &bits);
}

static bool check_host(const char *key, json_object *v, struct refusal *r)
{
	json_object *item;

	if (!json_object_is_type(v, json_type_array) || json_len(v) > HOSTS_MAX)
		return bad(r, key, "must be a list of addresses and ranges");
	JSON_EACH(item, v)
	if (!json_object_is_type(item, json_type_string) || !is_host(json_object_get_string(item)))
		return refuse(r, REFUSE_BAD, "%s: %zu. is no address or range", key,
			      json_i_item + 1);
	return true;
}

static bool check_number(const char *key, json_object *v, int64_t min, int64_t max,
			 struct refusal *r)
{
	if (json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= min &&
	    json_object_get_int64(v) <= max)
		return true;
	return refuse(r, REFUSE_BAD, "%s: must be a number from %lld to %lld", key, (long long)min,
		      (long long)max);
}

static bool check_limit(const char *key, json_object *v, struct refusal *r)
{
	return check_number(key, v, 0, CALLS_MOST, r);
}

static bool check_log(const char *key, json_object *v, struct refusal *r)
{
	return check_number(key, v, 0, 2, r);
}

static bool check_cors(const char *key, json_object *v, struct refusal *r)
{
	return check_number(key, v, 0, 1, r);
}

static bool check_window(const char *key, json_object *v, struct refusal *r)
{
	return check_number(key, v, WINDOW_MIN_S, WINDOW_MAX_S, r);
}

static bool check_mail_max(const char *key, json_object *v, struct refusal *r)
{
	return check_number(key, v, 0, MAILS_MOST, r);
}

static bool is_one_of(json_object *v, const char *const *words)
{
	for (; json_object_is_type(v, json_type_string) && *words != NULL; words++)
		if (strcmp(json_object_get_string(v), *words) == 0)
			return true;
	return false;
}

static bool is_twice(json_object *list, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (json_object_equal(json_at(list, j), json_at(list, i)))
			return true;
	return false;
}

static bool check_modes(const char *key, json_object *v, struct refusal *r)
{
	static const char *const words[] = {"sha1", "hmac", "unsigned", NULL};
	json_object *item;

	if (!json_object_is_type(v, json_type_array) || json_len(v) == 0)
		return bad(r, key, "must be a list of sha1, hmac, unsigned");
	JSON_EACH(item, v)
	if (!is_one_of(item, words) || is_twice(v, json_i_item))
		return bad(r, key, "must be a list of sha1, hmac, unsigned, each once");
	return true;
}

static bool check_replay(const char *key, json_object *v, struct refusal *r)
{
	static const char *const words[] = {"on", "off", NULL};

	return is_one_of(v, words) || bad(r, key, "must be \"on\" or \"off\"");
}

static bool check_user(const char *key, json_object *v, struct refusal *r)
{
	return (json_object_is_type(v, json_type_string) &&
		account_name_ok(json_object_get_string(v))) ||
	       bad(r, key, "must be a user's name");
}

static bool check_receivers(const char *key, json_object *v, struct refusal *r)
{
	json_object *item;

	if (!json_object_is_type(v, json_type_array) || json_len(v) > RECEIVERS_MAX)
		return bad(r, key, "must be a list of datasets, or [\"*\"]");
	JSON_EACH(item, v)
	if (!json_object_is_type(item, json_type_string) || is_twice(v, json_i_item) ||
	    json_object_get_string_len(item) == 0)
		return bad(r, key, "must be a list of datasets, each once, or [\"*\"]");
	return true;
}

static bool check_disabled(const char *key, json_object *v, struct refusal *r)
{
	return json_object_is_type(v, json_type_boolean) || bad(r, key, "must be true or false");
}

static const struct setting {
	const char *key;
	bool (*check)(const char *key, json_object *value, struct refusal *);
	const char *def; /* JSON; NULL: absent */
} settings[] = {
    {"token", check_token, NULL},	{"host", check_host, NULL},
    {"limit", check_limit, "0"},	{"log", check_log, "1"},
    {"cors", check_cors, "0"},		{"modes", check_modes, "[\"sha1\"]"},
    {"window", check_window, "300"},	{"replay", check_replay, "\"on\""},
    {"user", check_user, NULL},		{"receivers", check_receivers, "[]"},
    {"mailMax", check_mail_max, "100"}, {"disabled", check_disabled, NULL},
};
#define N_SETTINGS (sizeof(settings) / sizeof(*settings))

/* ---- records */

static void set_default(json_object *account, const struct setting *s)
{
	json_object *value = NULL;
	char secret[44];

	if (strcmp(s->key, "token") == 0) {
		account_secret(secret);
		json_set_str(account, s->key, secret);
	} else if (strcmp(s->key, "user") == 0) {
		json_set_str(account, s->key, json_str(account, "name", ""));
	} else if (s->def == NULL) {
		json_object_object_del(account, s->key);
	} else if (json_read(s->def, strlen(s->def), &json_limits_form, &value) == ERR_OK) {
		json_set(account, s->key, value);
	}
}

bool account_set(json_object *account, const char *key, json_object *value, struct refusal *r)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		if (strcmp(settings[i].key, key) != 0)
			continue;
		if (value == NULL) {
			set_default(account, &settings[i]);
			return true;
		}
		if (!settings[i].check(key, value, r))
			return false;
		json_set(account, key, json_copy(value));
		return true;
	}
	return refuse(r, REFUSE_BAD, "%.64s: this setting is not known", key);
}

/* What SmartChart writes otherwise.  Caller frees. */
static json_object *translated(const char *key, json_object *value)
{
	if (json_object_is_type(value, json_type_boolean) && strcmp(key, "disabled") != 0)
		return json_object_new_int(json_object_get_boolean(value));
	if (strcmp(key, "host") == 0 && json_object_is_type(value, json_type_string)) {
		json_object *list = json_object_new_array();

		json_object_array_add(list, json_copy(value));
		return list;
	}
	return json_copy(value);
}

static bool set_all(json_object *account, const json_object *given, bool compat, struct refusal *r)
{
	json_object_object_foreach((json_object *)(uintptr_t)given, key, value)
	{
		CLEAN_JSON json_object *own = value == NULL ? NULL
					      : compat	    ? translated(key, value)
							    : json_copy(value);

		if (value != NULL && !account_set(account, key, own, r))
			return false;
	}
	return true;
}

bool account_new(const char *name, const json_object *given, bool compat, json_object **ret,
		 struct refusal *r)
{
	json_object *account, *receivers;

	if (!account_name_ok(name))
		return refuse(r, REFUSE_BAD,
			      "name: 1 to 255 bytes of text without control characters");
	if (given != NULL && !json_object_is_type(given, json_type_object))
		return refuse(r, REFUSE_BAD, "the settings are no JSON object");
	account = json_object_new_object();
	json_set_str(account, "name", name);
	for (size_t i = 0; i < N_SETTINGS; i++)
		set_default(account, &settings[i]);
	if (compat && json_get(given, "receivers") == NULL) {
		receivers = json_object_new_array();
		json_object_array_add(receivers, json_object_new_string("*"));
		json_set(account, "receivers", receivers);
	} else if (given != NULL && json_get(given, "receivers") == NULL) {
		json_object_put(account);
		return bad(r, "receivers", "is required: a list of datasets, or [\"*\"]");
	}
	if (given != NULL && !set_all(account, given, compat, r)) {
		json_object_put(account);
		return false;
	}
	*ret = account;
	return true;
}

void account_rotate(json_object *account, int64_t until_ms)
{
	char secret[44];

	if (until_ms > 0) {
		json_set_str(account, "oldToken", json_str(account, "token", ""));
		json_set_int(account, "oldUntil", until_ms);
	} else {
		json_object_object_del(account, "oldToken");
		json_object_object_del(account, "oldUntil");
	}
	account_secret(secret);
	json_set_str(account, "token", secret);
}

/* The secrets of ACCOUNT that hold at NOW_MS. */
static size_t secrets_of(const json_object *account, int64_t now_ms, const char *ret[2])
{
	size_t n = 0;

	ret[n++] = json_str(account, "token", "");
	if (json_int(account, "oldUntil", 0) > now_ms &&
	    json_str(account, "oldToken", NULL) != NULL)
		ret[n++] = json_str(account, "oldToken", "");
	return n;
}

bool account_fits(const json_object *account, json_object *others, int64_t now_ms,
		  struct refusal *r)
{
	const char *own[2], *theirs[2];
	size_t n = secrets_of(account, now_ms, own);
	json_object *other;

	JSON_EACH(other, others)
	{
		size_t m = secrets_of(other, now_ms, theirs);

		if (strcmp(json_str(other, "name", ""), json_str(account, "name", "")) == 0)
			continue;
		for (size_t i = 0; i < n * m; i++)
			if (!signature_secrets_apart(own[i / m], theirs[i % m]))
				/* Whose secret it is nobody learns here. */
				return bad(r, "token",
					   "another account has this secret, or one that begins "
					   "with it; choose another");
	}
	return true;
}

json_object *account_shown(const json_object *account, int64_t now_ms)
{
	json_object *o = json_copy(account);
	const char *secrets[2];

	json_object_object_del(o, "v");
	json_object_object_del(o, "token");
	json_object_object_del(o, "oldToken");
	if (secrets_of(account, now_ms, secrets) < 2)
		json_object_object_del(o, "oldUntil");
	json_set_bool(o, "rotating", json_get(o, "oldUntil") != NULL);
	return o;
}

json_object *account_warnings(const json_object *account)
{
	json_object *list = json_object_new_array(), *mode;

	JSON_EACH(mode, json_arr(account, "modes"))
	if (strcmp(json_object_get_string(mode), "unsigned") == 0)
		json_object_array_add(list, json_object_new_string("unsigned"));
	if (json_len(json_arr(account, "receivers")) == 0)
		json_object_array_add(list, json_object_new_string("no_receivers"));
	return list;
}
