/*
 * Goal: a receiver's own SQL reaches the database with its values bound; what leaves the
 * transaction, hides a second statement or names an unknown value is refused, whatever quotes and
 * comments stand round it.
 */
#include "signed/statement.h"
#include "base/unit.h"

#define LITE STATEMENT_SQLITE
#define PG   STATEMENT_POSTGRES

static void becomes(const char *sql, enum statement_dialect dialect, const char *text,
		    const char *values)
{
	struct statement s = {0};
	struct refusal r = {0};
	char got[32] = "";

	if (!statement_read(sql, dialect, &s, &r))
		fail_msg("%s: %s", sql, r.what);
	assert_string_equal(s.text, text);
	for (size_t i = 0; i < s.n_values; i++)
		got[i] = "uvsr"[s.values[i]];
	assert_string_equal(got, values);
	statement_done(&s);
}

static void refused(const char *sql, enum statement_dialect dialect, const char *part)
{
	struct statement s = {0};
	struct refusal r = {0};

	if (statement_read(sql, dialect, &s, &r))
		fail_msg("taken: %s", sql);
	assert_null(s.text);
	assert_int_equal(r.code, REFUSE_BAD);
	if (strstr(r.what, part) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", sql, r.what, part);
}

static void refused_by_both(const char *sql, const char *part)
{
	refused(sql, LITE, part);
	refused(sql, PG, part);
}

static void test_values_become_markers(void **state)
{
	(void)state;
	becomes("insert into log values ($username, $stamp, $rows, $visitor)", LITE,
		"insert into log values (?1, ?2, ?3, ?4)", "usrv");
	becomes("insert into log values ($username, $username)", PG,
		"insert into log values ($1, $2)", "uu");
	becomes("insert into log values ('$username', '$rows')", PG,
		"insert into log values ($1, $2)", "ur");
	becomes("select 1", PG, "select 1", "");
	becomes("insert into t values ('$5', 'it''s', \"a\"\"b\")", LITE,
		"insert into t values ('$5', 'it''s', \"a\"\"b\")", "");
	becomes("update t set a$username = 1", PG, "update t set a$username = 1", "");
}

static void test_quotes_and_comments_hide_their_content(void **state)
{
	(void)state;
	becomes("insert into t values (';', 'commit; --') -- ; drop table t", LITE,
		"insert into t values (';', 'commit; --')  ", "");
	becomes("delete from t /* ; $x */ ;  ; -- done", PG, "delete from t   ", "");
	becomes("delete from \"a;b\" where [c;d] = `e;f`", LITE,
		"delete from \"a;b\" where [c;d] = `e;f`", "");
	becomes("select $$ ; $user $$, $q$ $$;$x $q$", PG, "select $$ ; $user $$, $q$ $$;$x $q$",
		"");
	becomes("select E'it\\'s;', 'a\\'", PG, "select E'it\\'s;', 'a\\'", "");
	becomes("select 'a'\n 'b', x::text, y @> z, j ? 'k' from t", PG,
		"select 'a'\n 'b', x::text, y @> z, j ? 'k' from t", "");
	becomes("select 1 /* a /* b */ ; */", PG, "select 1  ", "");
	refused("select 1 /* a /* b */ ; */ select 2", LITE, "more than one");
}

static void test_truncate_is_delete_for_sqlite(void **state)
{
	(void)state;
	becomes("truncate table abc", LITE, "DELETE FROM \"abc\"", "");
	becomes("TRUNCATE abc;", LITE, "DELETE FROM \"abc\"", "");
	becomes(" /* all */ truncate\ttable main.\"a\"\"b\" -- x", LITE,
		"DELETE FROM \"main\".\"a\"\"b\"", "");
	becomes("truncate table 表", LITE, "DELETE FROM \"表\"", "");
	becomes("truncate table abc", PG, "truncate table abc", "");
	refused("truncate table a, b", LITE, "one table");
	refused("truncate table a cascade", LITE, "one table");
	refused("truncate table", LITE, "names no table");
	refused("truncate table a; drop table b", LITE, "more than one");
	refused("truncate table 'a'", LITE, "names no table");
}

static void test_what_leaves_the_transaction_is_refused(void **state)
{
	static const char *const wrong[] = {"begin",
					    "BEGIN IMMEDIATE",
					    "start transaction",
					    "commit",
					    "END",
					    "rollback",
					    "abort",
					    "savepoint a",
					    "release a",
					    "rollback to a",
					    "prepare transaction 'x'",
					    "attach 'x' as y",
					    "/**/ Attach database 'x' as y",
					    "detach y",
					    "pragma journal_mode = off",
					    "vacuum",
					    "vacuum into 'x'",
					    "copy t to program 'rm'",
					    "copy t from stdin",
					    "load 'x'",
					    "discard all",
					    "reset all",
					    "-- x\ncommit"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		refused_by_both(wrong[i], "not allowed here");
	refused_by_both("set search_path = x", "SET LOCAL");
	refused_by_both("set session authorization x", "SET LOCAL");
	becomes("set local work_mem = '64MB'", PG, "set local work_mem = '64MB'", "");
	becomes("set constraints all deferred", PG, "set constraints all deferred", "");
}

static void test_a_second_statement_is_refused(void **state)
{
	(void)state;
	refused_by_both("delete from a; delete from b", "more than one");
	refused_by_both("delete from a;;commit", "more than one");
	refused_by_both("delete from a; -- x\n select 1", "more than one");
	refused_by_both("delete from a; 'x'", "more than one");
	refused("select '\\'; delete from b --'", PG, "more than one");
	refused("select $$a$$; delete from b", PG, "more than one");
	refused_by_both("", "empty");
	refused_by_both(" -- only this", "empty");
	refused_by_both(";", "empty");
}

static void test_unknown_values_and_open_ends_are_refused(void **state)
{
	(void)state;
	refused_by_both("delete from t where a = $x", "$x is not known");
	refused_by_both("delete from t where a = $usernames", "$usernames is not known");
	refused_by_both("delete from t where a = $USERNAME", "is not known");
	refused_by_both("delete from t where a = $1", "$1 is not known");
	refused_by_both("delete from t where a = $", "is not known");
	refused_by_both("insert into t values ('by $username')", "inside a literal");
	refused("select $$ $stamp $$", PG, "inside a literal");
	refused("delete from t where a = ?", LITE, "not offered");
	refused("delete from t where a = :x or b = @y", LITE, "not offered");
	refused_by_both("select 'a", "quote is not closed");
	refused_by_both("select \"a", "quote is not closed");
	refused("select [a", LITE, "quote is not closed");
	refused("select $a$ $b$", PG, "quote is not closed");
	refused("select E'a\\'", PG, "quote is not closed");
	refused_by_both("select 1 /* a", "comment is not closed");
	refused_by_both("select 1; /* a", "comment is not closed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values_become_markers),
	    cmocka_unit_test(test_quotes_and_comments_hide_their_content),
	    cmocka_unit_test(test_truncate_is_delete_for_sqlite),
	    cmocka_unit_test(test_what_leaves_the_transaction_is_refused),
	    cmocka_unit_test(test_a_second_statement_is_refused),
	    cmocka_unit_test(test_unknown_values_and_open_ends_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
