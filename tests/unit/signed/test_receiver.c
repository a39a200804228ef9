/*
 * Goal: each key of a receiver's configuration is read as the contract says, and every value that
 * would be used only in part, or would open what it protected, makes the whole receiver unusable
 * with a text that names the key.
 */
#include "signed/receiver.h"
#include "base/unit.h"

static struct receiver *made(const char *config, struct refusal *r)
{
	json_object *record = json_object_new_object(), *parsed = NULL;
	struct receiver *v = NULL;

	if (!receiver_text(config, strlen(config), &parsed, r)) {
		json_object_put(record);
		return NULL;
	}
	json_set_int(record, "id", 3);
	json_set_str(record, "name", "sales");
	json_set(record, "config", parsed);
	if (!receiver_read(record, &v, r))
		assert_null(v);
	json_object_put(record);
	return v;
}

static struct receiver *good(const char *config)
{
	struct refusal r = {0};
	struct receiver *v = made(config, &r);

	if (v == NULL)
		fail_msg("%s: %s", config, r.what);
	return v;
}

static void bad(const char *config, const char *part)
{
	struct refusal r = {0};
	struct receiver *v = made(config, &r);

	if (v != NULL)
		fail_msg("taken: %s", config);
	assert_int_equal(r.code, REFUSE_BAD);
	if (strstr(r.what, part) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", config, r.what, part);
}

static void names_are(char **list, size_t n, const char *expected)
{
	char got[256] = "";

	for (size_t i = 0; i < n; i++)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s",
			       i > 0 ? "," : "", list[i]);
	assert_string_equal(got, expected);
}

static void test_receiver_defaults(void **state)
{
	struct receiver *v = good("{\"table\":\"t\"}");

	(void)state;
	assert_int_equal(v->id, 3);
	assert_string_equal(v->name, "sales");
	assert_true(v->enabled);
	assert_string_equal(v->target, "default");
	assert_string_equal(v->table, "t");
	assert_null(v->schema);
	assert_int_equal(v->n_columns + v->n_types + v->n_key + v->n_pre + v->n_post + v->n_fields +
			     v->n_s_fields + v->n_autos,
			 0);
	assert_int_equal(v->ops, 1u << OP_INSERT | 1u << OP_UPDATE);
	assert_true(v->empty_is_null && !v->upsert && !v->allow_empty && !v->ignore_unknown &&
		    !v->catalogue);
	assert_int_equal(v->max_rows, 100000);
	assert_int_equal(v->timeout_s, 60);
	assert_true(v->api_rows && v->api_file);
	assert_null(v->geometry);
	assert_string_equal(json_str(v->file, "mode", ""), "append");
	assert_int_equal(json_int(v->file, "headerRow", 0), 1);
	assert_int_equal(json_int(v->file, "firstRow", 0), 2);
	assert_int_equal(json_int(v->file, "keep", 0), 30);
	assert_int_equal(json_len(json_arr(v->file, "fileTypes")), 6);
	assert_string_equal(json_str(v->config, "table", ""), "t");
	receiver_free(v);
}

static void table_is(const char *text, const char *schema, const char *table, const char *columns)
{
	char config[256];
	struct receiver *v;

	(void)snprintf(config, sizeof(config), "{\"table\":\"%s\"}", text);
	v = good(config);
	assert_string_equal(v->table, table);
	assert_string_equal(v->schema == NULL ? "" : v->schema, schema);
	names_are(v->columns, v->n_columns, columns);
	receiver_free(v);
}

static void test_receiver_table(void **state)
{
	(void)state;
	table_is("t", "", "t", "");
	table_is("s.t(f1, f2)", "s", "t", "f1,f2");
	table_is(" 销售 ( 编号 ,名称 ) ", "", "销售", "编号,名称");
	table_is("\\\"a.b\\\".\\\"t \\\"\\\"x\\\"(\\\"f,1\\\",f2)", "a.b", "t \"x", "f,1,f2");
	bad("{}", "table: is required");
	bad("{\"table\":\"\"}", "table: must be a text");
	bad("{\"table\":5}", "table: must be a text");
	bad("{\"table\":\"t()\"}", "table:");
	bad("{\"table\":\"t(a\"}", "table: expected names");
	bad("{\"table\":\"t(a,)\"}", "table:");
	bad("{\"table\":\"t(a,a)\"}", "\"a\" is there twice");
	bad("{\"table\":\"t(a) where 1\"}", "table:");
	bad("{\"table\":\"t; drop table u\"}", "table:");
	bad("{\"table\":\"a.b.c\"}", "table:");
	bad("{\"table\":\".t\"}", "table:");
	bad("{\"table\":\"\\\"t\"}", "quote is not closed");
	bad("{\"table\":\"\\\"t\\u0007\\\"\"}", "control characters");
	bad("{\"table\":\"ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\"}",
	    "63 bytes");
}

static void test_receiver_columns_and_key(void **state)
{
	struct receiver *v = good(
	    "{\"table\":\"t(a,b)\",\"columns\":{\"a\":\"text\",\"b\":\"timestamp\",\"c\":\"json\"},"
	    "\"id\":[\"a\",\"b\"],\"upsert\":true,\"ops\":\"DC\"}");

	(void)state;
	assert_int_equal(v->n_types, 3);
	assert_int_equal(v->types[1].type, TYPE_TIMESTAMP);
	assert_int_equal(v->types[2].type, TYPE_JSON);
	names_are(v->key, v->n_key, "a,b");
	assert_false(v->key_is_concat);
	assert_int_equal(v->ops, 1u << OP_INSERT | 1u << OP_DELETE);
	receiver_free(v);
	v = good("{\"table\":\"t\",\"id\":\"concat( a , b "
		 ")\",\"fDict\":{\"key\":\"concat(a,b)\",\"name\":\"full_name\"}}");
	names_are(v->key, v->n_key, "a,b");
	assert_true(v->key_is_concat);
	assert_int_equal(v->n_fields, 2);
	assert_string_equal(v->fields[1].field, "name");
	assert_string_equal(v->fields[1].column, "full_name");
	receiver_free(v);
	v = good("{\"table\":\"t\",\"id\":\"id\"}");
	names_are(v->key, v->n_key, "id");
	receiver_free(v);
	bad("{\"table\":\"t\",\"columns\":{\"a\":\"varchar\"}}", "columns: the type of \"a\"");
	bad("{\"table\":\"t\",\"columns\":[]}", "columns: must be an object");
	bad("{\"table\":\"t\",\"columns\":{}}", "columns: 1 to");
	bad("{\"table\":\"t(a,b)\",\"columns\":{\"a\":\"text\"}}", "columns: no type for \"b\"");
	bad("{\"table\":\"t\",\"id\":\"concat(a,b\"}", "id:");
	bad("{\"table\":\"t\",\"id\":\"concat(a,lower(b))\"}", "id:");
	bad("{\"table\":\"t\",\"id\":\"a; drop table t\"}", "id: must be a column");
	bad("{\"table\":\"t\",\"id\":[]}", "id: names no column");
	bad("{\"table\":\"t\",\"id\":[\"a\",\"a\"]}", "id: \"a\" is there twice");
	bad("{\"table\":\"t\",\"id\":[1]}", "id: must be a text");
	bad("{\"table\":\"t\",\"upsert\":true}", "upsert: needs \"id\"");
	bad("{\"table\":\"t\",\"fDict\":{\"a\":\"x\",\"b\":\"x\"}}", "fDict: two fields");
	bad("{\"table\":\"t\",\"fDict\":{\"a\":\"concat(x\"}}", "fDict:");
	bad("{\"table\":\"t\",\"fDict\":[\"a\"]}", "fDict: must be an object");
	bad("{\"table\":\"t\",\"ops\":\"\"}", "ops:");
	bad("{\"table\":\"t\",\"ops\":\"CC\"}", "ops: must be letters");
	bad("{\"table\":\"t\",\"ops\":\"R\"}", "ops: must be letters");
	bad("{\"table\":\"t\",\"ops\":\"CUDC\"}", "ops:");
}

static void test_receiver_filled_columns(void **state)
{
	static const enum auto_kind kinds[] = {AUTO_USERNAME, AUTO_NOW,	 AUTO_CONSTANT,
					       AUTO_CONSTANT, AUTO_NULL, AUTO_UUID,
					       AUTO_STAMP,    AUTO_CODE};
	struct receiver *v = good("{\"table\":\"t\",\"autoDict\":{\"a\":\"$username\",\"b\":\"NOW()"
				  "\",\"c\":\"x'y\",\"d\":1.50,\"e\":null,"
				  "\"f\":\"uuid()\",\"g\":\"$stamp\"},\"autoCode\":{\"no\":"
				  "\"SCDD\"},\"sFields\":[\"n\",\"updated\"]}");

	(void)state;
	assert_int_equal(v->n_autos, 8);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(v->autos[i].kind, kinds[i]);
	assert_string_equal(v->autos[2].text, "x'y");
	assert_string_equal(v->autos[3].text, "1.50");
	assert_string_equal(v->autos[7].text, "SCDD");
	names_are(v->s_fields, v->n_s_fields, "n,updated");
	receiver_free(v);
	bad("{\"table\":\"t\",\"autoDict\":{\"a\":\"$rows\"}}", "autoDict: $rows is not known");
	bad("{\"table\":\"t\",\"autoDict\":{\"a\":\"$group\"}}", "autoDict: $group is not known");
	bad("{\"table\":\"t\",\"autoDict\":{\"a\":[1]}}", "autoDict: \"a\" must be");
	bad("{\"table\":\"t\",\"autoDict\":{\"a\":1},\"autoCode\":{\"a\":\"X\"}}",
	    "\"a\" is filled twice");
	bad("{\"table\":\"t\",\"autoCode\":{\"no\":\"select max(no) from t\"}}",
	    "a query is not offered");
	bad("{\"table\":\"t\",\"autoCode\":{\"no\":7}}", "autoCode: must be a text");
	bad("{\"table\":\"t\",\"sFields\":{\"a\":1}}", "sFields:");
}

static void test_receiver_statements(void **state)
{
	struct receiver *v =
	    good("{\"table\":\"t\",\"preSql\":[\"truncate table t\",\"delete from u where "
		 "a='$username'\"],"
		 "\"postSql\":\"insert into log values ($username,$rows,$stamp,$visitor)\"}");

	(void)state;
	assert_int_equal(v->n_pre, 2);
	assert_int_equal(v->n_post, 1);
	assert_string_equal(v->pre_sql[0], "truncate table t");
	receiver_free(v);
	/* Dollar quotes are PostgreSQL's. */
	receiver_free(good("{\"table\":\"t\",\"target\":\"pg\",\"preSql\":[\"select $$ ; $$\"]}"));
	bad("{\"table\":\"t\",\"preSql\":[\"select $$ ; $$\"]}",
	    "preSql: statement 1: $ is not known");
	bad("{\"table\":\"t\",\"preSql\":[\"select 1\",\"delete from t where a = $x\"]}",
	    "preSql: statement 2: $x is not known");
	bad("{\"table\":\"t\",\"postSql\":[\"delete from t; delete from u\"]}",
	    "postSql: statement 1: more than one");
	bad("{\"table\":\"t\",\"postSql\":[\"COMMIT\"]}",
	    "postSql: statement 1: COMMIT is not allowed");
	bad("{\"table\":\"t\",\"postSql\":[\"attach 'x' as y\"]}", "attach is not allowed");
	bad("{\"table\":\"t\",\"postSql\":[\"pragma writable_schema=1\"]}",
	    "pragma is not allowed");
	bad("{\"table\":\"t\",\"target\":\"pg\",\"postSql\":[\"copy t to program 'id'\"]}",
	    "copy is not allowed");
	bad("{\"table\":\"t\",\"preSql\":[\"\"]}", "preSql: must be a text");
	bad("{\"table\":\"t\",\"preSql\":[5]}", "preSql: must be a text");
	bad("{\"table\":\"t\",\"preSql\":{\"a\":1}}", "preSql: must be a text");
}

static void test_receiver_limits_and_target(void **state)
{
	struct receiver *v = good("{\"table\":\"t\",\"maxRows\":5,\"timeout\":3600,\"target\":\"pg-"
				  "1\",\"apis\":[\"file\"],\"catalogue\":true,"
				  "\"geometry\":{\"lon\":\"x\",\"lat\":\"y\",\"srs\":\"EPSG:4490\"}"
				  ",\"allowEmpty\":true,\"ignoreUnknown\":true,"
				  "\"emptyIsNull\":false}");

	(void)state;
	assert_int_equal(v->max_rows, 5);
	assert_int_equal(v->timeout_s, 3600);
	assert_string_equal(v->target, "pg-1");
	assert_true(!v->api_rows && v->api_file && v->catalogue && v->allow_empty &&
		    v->ignore_unknown && !v->empty_is_null);
	assert_string_equal(json_str(v->geometry, "lon", ""), "x");
	receiver_free(v);
	receiver_free(good("{\"table\":\"t\",\"geometry\":{\"wkt\":\"g\"}}"));
	bad("{\"table\":\"t\",\"maxRows\":0}", "maxRows: must be a number from 1");
	bad("{\"table\":\"t\",\"maxRows\":\"5\"}", "maxRows:");
	bad("{\"table\":\"t\",\"timeout\":1e3}", "timeout:");
	bad("{\"table\":\"t\",\"timeout\":3601}", "timeout: must be a number from 1 to 3600");
	bad("{\"table\":\"t\",\"target\":\"../x\"}", "target:");
	bad("{\"table\":\"t\",\"target\":\"host=db\"}", "target:");
	bad("{\"table\":\"t\",\"apis\":[]}", "apis:");
	bad("{\"table\":\"t\",\"apis\":[\"mail\"]}", "apis:");
	bad("{\"table\":\"t\",\"apis\":\"rows\"}", "apis:");
	bad("{\"table\":\"t\",\"allowEmpty\":1}", "allowEmpty: must be true or false");
	bad("{\"table\":\"t\",\"catalogue\":\"yes\"}", "catalogue: must be true or false");
	bad("{\"table\":\"t\",\"geometry\":{\"lon\":\"x\"}}", "geometry: either lon and lat");
	bad("{\"table\":\"t\",\"geometry\":{\"lon\":\"x\",\"lat\":\"y\",\"wkt\":\"g\"}}",
	    "geometry: either");
	bad("{\"table\":\"t\",\"geometry\":{\"wkt\":\"g\",\"srs\":\"4326\"}}", "geometry: srs");
	bad("{\"table\":\"t\",\"geometry\":{\"wkb\":\"g\"}}", "geometry: \"wkb\" is not known");
}

static void test_receiver_file_keys(void **state)
{
	struct receiver *v = good("{\"table\":\"t(a,b)\",\"id\":\"a\",\"fileTypes\":[\"csv\"],"
				  "\"sheet\":2,\"headerRow\":3,\"map\":{\"a\":\"Name\","
				  "\"b\":3},\"missing\":\"ignore\",\"extra\":\"error\","
				  "\"delimiter\":\";\",\"quote\":\"'\",\"encoding\":\"gb2312\","
				  "\"decimal\":\",\",\"dateFormat\":\"dd.MM.yyyy\",\"nullText\":["
				  "\"\",\"NA\"],\"trim\":false,"
				  "\"skipEmptyRows\":false,\"mode\":\"upsert\",\"keep\":7,"
				  "\"mailTo\":\"a@b.org, c@d.org\"}");

	(void)state;
	assert_int_equal(json_int(v->file, "firstRow", 0), 4);
	assert_int_equal(json_int(v->file, "sheet", 0), 2);
	assert_string_equal(json_str(v->file, "mode", ""), "upsert");
	assert_int_equal(json_len(json_arr(v->file, "mailTo")), 2);
	assert_string_equal(json_object_get_string(json_at(json_arr(v->file, "mailTo"), 1)),
			    "c@d.org");
	receiver_free(v);
	receiver_free(
	    good("{\"table\":\"t\",\"headerRow\":0,\"map\":{\"a\":1},\"sheet\":\"März\"}"));
	bad("{\"table\":\"t\",\"fileTypes\":[\"exe\"]}", "fileTypes: \"exe\"");
	bad("{\"table\":\"t\",\"fileTypes\":[]}", "fileTypes:");
	bad("{\"table\":\"t\",\"sheet\":0}", "sheet:");
	bad("{\"table\":\"t\",\"headerRow\":-1}", "headerRow:");
	bad("{\"table\":\"t\",\"headerRow\":3,\"firstRow\":3}",
	    "firstRow: must come after headerRow");
	bad("{\"table\":\"t(a)\",\"map\":{\"b\":\"B\"}}", "map: \"b\" is no column");
	bad("{\"table\":\"t\",\"map\":{\"b\":0}}", "map:");
	bad("{\"table\":\"t\",\"headerRow\":0,\"map\":{\"b\":\"B\"}}", "map: \"b\" needs a number");
	bad("{\"table\":\"t\",\"missing\":\"warn\"}", "missing: \"warn\"");
	bad("{\"table\":\"t\",\"delimiter\":\"ab\"}", "delimiter:");
	receiver_free(good("{\"table\":\"t\",\"dateFormat\":\"ISO\"}"));
	receiver_free(good("{\"table\":\"t\",\"dateFormat\":\"%d.%m.%Y\"}"));
	bad("{\"table\":\"t\",\"dateFormat\":\"DD.MM.YYYY\"}",
	    "dateFormat: \"DD.MM.YYYY\" is no format of dates");
	bad("{\"table\":\"t\",\"dateFormat\":\"xx\"}", "dateFormat: \"xx\" is no format");
	bad("{\"table\":\"t\",\"encoding\":\"klingon\"}", "encoding: \"klingon\" is not known");
	bad("{\"table\":\"t\",\"mode\":\"upsert\"}", "mode: upsert needs \"id\"");
	bad("{\"table\":\"t\",\"mode\":\"drop\"}", "mode:");
	bad("{\"table\":\"t\",\"keep\":0}", "keep:");
	bad("{\"table\":\"t\",\"mailTo\":\"a@b\\r\\nBcc: x@y\"}", "mailTo:");
	bad("{\"table\":\"t\",\"nullText\":\"NA\"}", "nullText:");
}

static void test_receiver_refuses_what_it_does_not_know(void **state)
{
	(void)state;
	bad("{\"table\":\"t\",\"authDict\":{\"a\":\"b\"}}", "authDict: is not offered");
	bad("{\"table\":\"t\",\"flowDict\":{}}", "flowDict: is not offered");
	bad("{\"table\":\"t\",\"Table\":\"t\"}", "Table: this key is not known");
	bad("{\"table\":\"t\",\"presql\":[]}", "presql: this key is not known");
	bad("{\"table\":null}", "table: must be a text");
}

static void test_receiver_pasted_text(void **state)
{
	(void)state;
	receiver_free(good("dataset={\"table\":\"t\"}"));
	receiver_free(good(" \n dataset = {\"table\":\"t\"} \n"));
	bad("datasets={\"table\":\"t\"}", "expected dataset={…}");
	bad("dataset", "expected dataset={…}");
	bad("{'table':'t'}", "is no JSON");
	bad("{\"table\":\"t\"} x", "is no JSON");
	bad("{\"table\":\"t\",\"table\":\"u\"}", "is no JSON");
	bad("[\"table\"]", "no JSON object");
	bad("", "is no JSON");
	bad("{\"table\":\"\xFF\"}", "not UTF-8");
}

static void test_receiver_names(void **state)
{
	char name[130] = "";

	(void)state;
	assert_true(receiver_name_ok("sales_upload") && receiver_name_ok("库存-2.1") &&
		    receiver_name_ok("1a") && receiver_name_ok("٣"));
	assert_false(receiver_name_ok("") || receiver_name_ok("123") || receiver_name_ok("a b") ||
		     receiver_name_ok("a/b") || receiver_name_ok("a\nb") ||
		     receiver_name_ok("\xFF") || receiver_name_ok("a$"));
	for (int i = 0; i < 64; i++)
		name[i] = 'n';
	assert_true(receiver_name_ok(name));
	name[64] = 'n';
	assert_false(receiver_name_ok(name));
}

static void test_receiver_operation_of_a_request(void **state)
{
	static const char *const wrong[] = {"", "3", "7", "00", "0 ", " 1", "-1", "one", "1.0"};
	enum operation op = OP__MAX;

	(void)state;
	assert_true(receiver_operation(NULL, &op) && op == OP_INSERT);
	assert_true(receiver_operation("0", &op) && op == OP_INSERT);
	assert_true(receiver_operation("1", &op) && op == OP_UPDATE);
	assert_true(receiver_operation("2", &op) && op == OP_DELETE);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(receiver_operation(wrong[i], &op));
	assert_int_equal(op, OP_DELETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_receiver_defaults),
	    cmocka_unit_test(test_receiver_table),
	    cmocka_unit_test(test_receiver_columns_and_key),
	    cmocka_unit_test(test_receiver_filled_columns),
	    cmocka_unit_test(test_receiver_statements),
	    cmocka_unit_test(test_receiver_limits_and_target),
	    cmocka_unit_test(test_receiver_file_keys),
	    cmocka_unit_test(test_receiver_refuses_what_it_does_not_know),
	    cmocka_unit_test(test_receiver_pasted_text),
	    cmocka_unit_test(test_receiver_names),
	    cmocka_unit_test(test_receiver_operation_of_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
