/*
 * Goal: an account's settings are taken only as the contract says, no two accounts can have secrets
 * that make their signatures alike, and what is shown of one holds no secret; refused requests are
 * kept in files of bounded size.
 */
#include <sys/stat.h>
#include "base/unit.h"
#include "signed/account.h"
#include "signed/journal.h"

static json_object *parsed(const char *text)
{
	json_object *o = NULL;

	if (json_read(text, strlen(text), &json_limits_form, &o) != ERR_OK)
		fail_msg("test: %s", text);
	return o;
}

static json_object *made(const char *settings, bool compat)
{
	json_object *given = settings != NULL ? parsed(settings) : NULL, *account = NULL;
	struct refusal r = {0};

	if (!account_new("loader", given, compat, &account, &r))
		fail_msg("%s: %s", settings, r.what);
	json_object_put(given);
	return account;
}

static void refused(const char *settings, const char *part)
{
	json_object *given = parsed(settings), *account = NULL;
	struct refusal r = {0};

	assert_false(account_new("loader", given, false, &account, &r));
	assert_null(account);
	if (strstr(r.what, part) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", settings, r.what, part);
	json_object_put(given);
}

static void is(const json_object *account, const char *key, const char *json)
{
	json_object *expected = parsed(json);

	if (!json_equal(json_get(account, key), expected))
		fail_msg("%s is not %s", key, json);
	json_object_put(expected);
}

static void test_account_defaults(void **state)
{
	json_object *a = made(NULL, false), *b = made(NULL, false);

	(void)state;
	is(a, "limit", "0");
	is(a, "log", "1");
	is(a, "cors", "0");
	is(a, "modes", "[\"sha1\"]");
	is(a, "window", "300");
	is(a, "replay", "\"on\"");
	is(a, "receivers", "[]");
	is(a, "mailMax", "100");
	is(a, "user", "\"loader\"");
	assert_null(json_get(a, "host"));
	assert_int_equal(strlen(json_str(a, "token", "")), 43);
	assert_int_equal(strspn(json_str(a, "token", ""),
				"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
			 43);
	assert_string_not_equal(json_str(a, "token", ""), json_str(b, "token", ""));
	json_object_put(a);
	json_object_put(b);
}

static void test_account_settings(void **state)
{
	json_object *a = made("{\"token\":\"0123456789abcdef\",\"host\":[\"10.0.0.0/"
			      "8\",\"::1\",\"2001:db8::/32\"],\"limit\":60,"
			      "\"log\":2,\"cors\":1,\"modes\":[\"hmac\",\"unsigned\"],\"window\":"
			      "10,\"replay\":\"off\",\"user\":\"mei\","
			      "\"receivers\":[\"sales\"],\"mailMax\":0,\"disabled\":true}",
			      false),
		    *w = account_warnings(a);

	(void)state;
	is(a, "token", "\"0123456789abcdef\"");
	is(a, "window", "10");
	assert_int_equal(json_len(w), 1);
	assert_string_equal(json_object_get_string(json_at(w, 0)), "unsigned");
	json_object_put(w);
	json_object_put(a);
	refused("{}", "receivers: is required");
	refused("[]", "no JSON object");
	refused("{\"receivers\":[],\"token\":\"short\"}", "token:");
	refused("{\"receivers\":[],\"token\":\"0123456789abcde\\n\"}",
		"token: must not hold control");
	refused("{\"receivers\":[],\"host\":\"10.0.0.1\"}", "host: must be a list");
	refused("{\"receivers\":[],\"host\":[\"10.0.0.1\",\"10.0.0.0/33\"]}",
		"host: 2. is no address");
	refused("{\"receivers\":[],\"host\":[\"example.org\"]}", "host: 1.");
	refused("{\"receivers\":[],\"host\":[\"10.0.0.0/\"]}", "host: 1.");
	refused("{\"receivers\":[],\"limit\":-1}", "limit:");
	refused("{\"receivers\":[],\"limit\":\"5\"}", "limit:");
	refused("{\"receivers\":[],\"log\":3}", "log:");
	refused("{\"receivers\":[],\"cors\":true}", "cors:");
	refused("{\"receivers\":[],\"modes\":[]}", "modes:");
	refused("{\"receivers\":[],\"modes\":[\"md5\"]}", "modes:");
	refused("{\"receivers\":[],\"modes\":[\"sha1\",\"sha1\"]}", "modes:");
	refused("{\"receivers\":[],\"window\":9}", "window: must be a number from 10 to 86400");
	refused("{\"receivers\":[],\"window\":86401}", "window:");
	refused("{\"receivers\":[],\"replay\":true}", "replay:");
	refused("{\"receivers\":\"*\"}", "receivers:");
	refused("{\"receivers\":[\"a\",\"a\"]}", "receivers:");
	refused("{\"receivers\":[],\"admin\":true}", "admin: this setting is not known");
	refused("{\"receivers\":[],\"oldToken\":\"0123456789abcdef\"}",
		"oldToken: this setting is not known");
	refused("{\"receivers\":[],\"name\":\"x\"}", "name: this setting is not known");
}

static void test_account_names(void **state)
{
	json_object *a = NULL;
	struct refusal r = {0};

	(void)state;
	assert_true(account_name_ok("张三") && account_name_ok("a b@c"));
	assert_false(account_name_ok("") || account_name_ok("a\nb") || account_name_ok("\xFF"));
	assert_false(account_new("a\tb", NULL, false, &a, &r));
	assert_non_null(strstr(r.what, "name:"));
}

static void test_account_of_the_original(void **state)
{
	json_object *a = made("{\"token\":\"0123456789abcdef\",\"host\":\"10.0.0.1\",\"log\":true,"
			      "\"cors\":false,\"limit\":100}",
			      true);

	(void)state;
	is(a, "host", "[\"10.0.0.1\"]");
	is(a, "log", "1");
	is(a, "cors", "0");
	is(a, "receivers", "[\"*\"]");
	json_object_put(a);
}

static void test_account_set_and_back(void **state)
{
	json_object *a = made(NULL, false), *v = parsed("120"), *wrong = parsed("\"x\"");
	struct refusal r = {0};

	(void)state;
	assert_true(account_set(a, "window", v, &r));
	is(a, "window", "120");
	assert_true(account_set(a, "window", NULL, &r));
	is(a, "window", "300");
	assert_false(account_set(a, "window", wrong, &r));
	is(a, "window", "300");
	json_object_put(a);
	json_object_put(v);
	json_object_put(wrong);
}

static bool fits(const char *own, const char *other, int64_t now_ms)
{
	json_object *a = parsed(own), *list = json_object_new_array();
	struct refusal r = {0};
	bool ok;

	json_object_array_add(list, parsed(other));
	ok = account_fits(a, list, now_ms, &r);
	assert_true(ok == (r.code == REFUSE_NOTHING));
	assert_true(ok || (strstr(r.what, "token:") != NULL && strstr(r.what, "other") != NULL));
	json_object_put(a);
	json_object_put(list);
	return ok;
}

static void test_account_secrets_apart(void **state)
{
	static const char other[] =
	    "{\"name\":\"b\",\"token\":\"0123456789abcdef\",\"oldToken\":\"fedcba9876543210\","
	    "\"oldUntil\":1000}";

	(void)state;
	assert_true(fits("{\"name\":\"a\",\"token\":\"0123456789abcdeX\"}", other, 0));
	assert_false(fits("{\"name\":\"a\",\"token\":\"0123456789abcdef\"}", other, 0));
	assert_false(fits("{\"name\":\"a\",\"token\":\"0123456789abcdefX\"}", other, 0));
	assert_false(fits("{\"name\":\"a\",\"token\":\"0123456789abcde\"}", other, 0));
	assert_false(fits("{\"name\":\"a\",\"token\":\"fedcba9876543210\"}", other, 999));
	assert_true(fits("{\"name\":\"a\",\"token\":\"fedcba9876543210\"}", other, 1000));
	assert_true(fits("{\"name\":\"b\",\"token\":\"0123456789abcdef\"}", other, 0));
	assert_false(fits("{\"name\":\"a\",\"token\":\"xxxxxxxxxxxxxxxx\",\"oldToken\":"
			  "\"0123456789abcdef\",\"oldUntil\":5}",
			  other, 0));
}

static void test_account_rotation_and_what_is_shown(void **state)
{
	json_object *a = made("{\"token\":\"0123456789abcdef\",\"receivers\":[\"*\"]}", false),
		    *shown;

	(void)state;
	account_rotate(a, 5000);
	is(a, "oldToken", "\"0123456789abcdef\"");
	is(a, "oldUntil", "5000");
	assert_string_not_equal(json_str(a, "token", ""), "0123456789abcdef");
	shown = account_shown(a, 4999);
	assert_null(json_get(shown, "token"));
	assert_null(json_get(shown, "oldToken"));
	is(shown, "rotating", "true");
	json_object_put(shown);
	shown = account_shown(a, 5000);
	is(shown, "rotating", "false");
	assert_null(json_get(shown, "oldUntil"));
	json_object_put(shown);
	account_rotate(a, 0);
	assert_null(json_get(a, "oldToken"));
	json_object_put(a);
}

static void test_journal_keeps_the_newest(void **state)
{
	const char *dir = *state;
	struct refusal r = {0};
	char path[128];
	struct stat st;
	json_object *list;

	refuse(&r, REFUSE_AUTH, "%s", "");
	for (int i = 0; i < 20000; i++) {
		struct journal_entry e = {.time_ms = i,
					  .account = i % 2 ? "odd" : "even",
					  .receiver = "sales",
					  .address = "192.0.2.1",
					  .request = "0123456789abcdef"};

		journal_add(dir, &e, &r,
			    "wrong signature, and words enough to fill more than one file of it in "
			    "a short test");
	}
	list = journal_read(dir, NULL, 3);
	assert_int_equal(json_len(list), 3);
	is(json_at(list, 0), "time", "19999");
	is(json_at(list, 2), "time", "19997");
	is(json_at(list, 0), "status", "401");
	is(json_at(list, 0), "msg", "\"auth failed\"");
	json_object_put(list);
	list = journal_read(dir, "odd", 20000);
	assert_true(json_len(list) > 1000 && json_len(list) < 10000);
	is(json_at(list, 1), "time", "19997");
	json_object_put(list);
	list = journal_read(dir, "nobody", 10);
	assert_int_equal(json_len(list), 0);
	json_object_put(list);
	(void)snprintf(path, sizeof(path), "%s/refused.jsonl", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= JOURNAL_FILE_MAX && (st.st_mode & 077) == 0);
}

static void test_journal_takes_any_text(void **state)
{
	const char *dir = *state;
	struct refusal r = {0};
	char long_name[5000];
	struct journal_entry e = {.time_ms = 30000, .account = long_name};
	json_object *list;

	memset(long_name, 0xE4, sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	refuse(&r, REFUSE_BAD, "%s", "a \"quoted\"\ntext");
	journal_add(dir, &e, &r, NULL);
	e.account = "x\n{\"time\":1}";
	journal_add(dir, &e, &r, NULL);
	journal_add("/nowhere/at/all", &e, &r, NULL);
	list = journal_read(dir, NULL, 2);
	is(json_at(list, 0), "account", "\"x\\n{\\\"time\\\":1}\"");
	is(json_at(list, 1), "msg", "\"bad request: a \\\"quoted\\\"\\ntext\"");
	json_object_put(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_account_defaults),
	    cmocka_unit_test(test_account_settings),
	    cmocka_unit_test(test_account_names),
	    cmocka_unit_test(test_account_of_the_original),
	    cmocka_unit_test(test_account_set_and_back),
	    cmocka_unit_test(test_account_secrets_apart),
	    cmocka_unit_test(test_account_rotation_and_what_is_shown),
	    cmocka_unit_test(test_journal_keeps_the_newest),
	    cmocka_unit_test(test_journal_takes_any_text),
	};

	return cmocka_run_group_tests(tests, unit_folder_make, unit_folder_remove);
}
