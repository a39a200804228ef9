/*
 * What a write does, on whichever database (contracts/signed-api.md 3.2-3.5, 11).
 */
#ifndef TESTS_SIGNED_WRITER_CASES_H
#define TESTS_SIGNED_WRITER_CASES_H

#include <time.h>
#include "signed/writer_bed.h"

#define PEOPLE "create table t (id integer primary key, name text, age integer)"

static void test_writer_positions_and_names(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, "create table t (a text, b text, c text default 'dflt')");
	/* The documented sample: the header is not inserted, the configured order counts. */
	bed_gives(bed, "{'table':'t(b, a)'}", OP_INSERT,
		  "[[\"A\",\"B\"],[\"a1\",\"b1\"],[\"a2\",\"b2\"]]",
		  "inserted=2 updated=0 deleted=0");
	bed_is(bed, "select a, b, c from t order by a", "b1|a1|dflt\nb2|a2|dflt\n");
	bed_run(bed, "delete from t");
	/* A header that begins with __ reorders and leaves out. */
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[[\"__b\",\"a\"],[\"1\",\"2\"]]",
		  "inserted=1 updated=0 deleted=0");
	bed_gives(bed, "{'table':'t','fDict':{'x':'c'}}", OP_INSERT,
		  "[{\"a\":\"3\",\"x\":\"4\"},{\"b\":\"5\"},{\"x\":\"6\",\"a\":\"7\"}]",
		  "inserted=3 updated=0 deleted=0");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[\"8\",\"9\",null]",
		  "inserted=1 updated=0 deleted=0");
	bed_is(bed, "select a, b, c from t order by coalesce(a, b)",
	       "2|1|dflt\n3|~|4\n~|5|dflt\n7|~|6\n8|9|~\n");
}

static void test_writer_refuses_what_does_not_fit(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, PEOPLE);
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[[],[1,\"a\",2],[1,\"a\"]]",
		  "bad request: row 2: 2 cells for 3 columns");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[{\"id\":1},{\"id\":2,\"x\\\"\":1}]",
		  "bad request: row 2: no column for \"x\"\"");
	bed_gives(bed, "{'table':'t','ignoreUnknown':true}", OP_INSERT, "{\"id\":2,\"x\":1}",
		  "inserted=1 updated=0 deleted=0");
	bed_gives(bed, "{'table':'t(id)'}", OP_INSERT, "{\"id\":1,\"name\":\"n\"}",
		  "bad request: row 1: no column for \"name\"");
	bed_gives(bed, "{'table':'t','autoDict':{'name':'$username'}}", OP_INSERT,
		  "{\"id\":1,\"name\":\"n\"}", "bad request: row 1: the server fills \"name\"");
	bed_gives(bed, "{'table':'t','fDict':{'n':'name'}}", OP_INSERT,
		  "{\"n\":\"n\",\"name\":\"m\"}",
		  "bad request: row 1: two fields for one column: \"name\"");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[[\"x\",\"y\"]]", "bad request: no rows");
	bed_gives(bed, "{'table':'nowhere'}", OP_INSERT, "[1]",
		  "database error: missing object in table");
	bed_gives(bed, "{'table':'t(id, nowhere)'}", OP_INSERT, "[1,2]",
		  "database error: missing object in table");
	bed_gives(bed, "{'table':'t','maxRows':2}", OP_UPDATE, "[{\"id\":1}]",
		  "bad request: dataset has no key");
	bed_gives(bed, "{'table':'t','id':'id'}", OP_DELETE, "[{\"id\":1}]", "forbidden");
	bed_gives(bed, "{'table':'t','ops':'D','id':'id'}", OP_INSERT, "[1,2,3]", "forbidden");
	bed_is(bed, "select id from t", "2\n");
}

static void test_writer_names_are_not_sql(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, "create table \"t\"\"); drop table x;--\" (\"a\"\"b\" text, \"select\" text)");
	bed_gives(bed, "{'table':'t(a, b)'}", OP_INSERT, "[[\"__a'); drop table t;--\"],[\"1\"]]",
		  "database error: missing object in table");
	bed_run(bed, "create table t (a text)");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[[\"__a'); drop table t;--\"],[\"1\"]]",
		  "bad request: row 1: no column for \"a'); drop table t;--\"");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[\"'); drop table t;--\"]",
		  "inserted=1 updated=0 deleted=0");
	bed_is(bed, "select a from t", "'); drop table t;--\n");
}

static void test_writer_values(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, bed->postgres
			 ? "create table t (n integer, i bigint, r numeric, b boolean, d date, "
			   "s timestamp, j json, x text)"
			 : "create table t (n integer, i integer, r real, b boolean, d date, "
			   "s timestamp, j json, x text)");
	bed_gives(bed, "{'table':'t'}", OP_INSERT,
		  "[[],[1,9223372036854775807,0.10,true,\"2026-02-28\",\"2026-02-28 10:00:00\","
		  "{\"k\":[1]},\"\"],"
		  "[\"\",\"-9\",\"1e2\",false,\"\",\"\",null,true],"
		  "[null,\" 7\",null,\"yes\",null,null,\"[2]\",1.50]]",
		  bed->postgres ? "inserted=3 updated=0 deleted=0"
				: "bad request: row 3, column i: not an integer");
	bed_gives(bed, "{'table':'t'}", OP_INSERT,
		  "[[],[1,9223372036854775807,0.10,true,\"2026-02-28\",\"2026-02-28 10:00:00\","
		  "{\"k\":[1]},\"\"],"
		  "[\"\",\"-9\",\"1e2\",false,\"\",\"\",null,true]]",
		  "inserted=2 updated=0 deleted=0");
	bed_is(bed,
	       "select n, i, r, b, d, s, j, x from t where i = -9 or n = 1 order by i desc limit 2",
	       bed->postgres
		   ? "1|9223372036854775807|0.10|t|2026-02-28|2026-02-28 10:00:00|{\"k\":[1]}|\n"
		     "1|9223372036854775807|0.10|t|2026-02-28|2026-02-28 10:00:00|{\"k\":[1]}|\n"
		   : "1|9223372036854775807|0.1|1|2026-02-28|2026-02-28 10:00:00|{\"k\":[1]}|\n"
		     "~|-9|100.0|0|~|~|~|1\n");
	bed_gives(bed, "{'table':'t(x)','emptyIsNull':false}", OP_INSERT, "[[1]]",
		  "bad request: no rows");
	bed_gives(bed, "{'table':'t(x)'}", OP_INSERT, "[{\"x\":[1]}]",
		  "bad request: row 1, column x: an array or object");
	bed_gives(bed, "{'table':'t(x)'}", OP_INSERT, "[\"$username\"]",
		  "inserted=1 updated=0 deleted=0");
	bed_is(bed, "select count(*) from t where x = 'loader'", "1\n");
}

static void test_writer_thirty_digits(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, bed->postgres ? "create table t (r numeric)" : "create table t (r text)");
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[[],[123456789012345678901234567890.10]]",
		  "inserted=1 updated=0 deleted=0");
	bed_is(bed, "select r from t",
	       bed->postgres ? "123456789012345678901234567890.10\n" : "1.23456789012346e+29\n");
	/* Beyond all doubles: kept where there is room for it, never an infinity. */
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[[],[1e309]]",
		  bed->postgres ? "inserted=1 updated=0 deleted=0"
				: "bad request: row 1, column r: not a number");
}

static void test_writer_types_are_refused_with_row_and_column(void **state)
{
	static const struct {
		const char *column, *cell, *why;
	} rows[] = {
	    {"n", "\"abc\"", "not an integer"},
	    {"n", "1.5", "not an integer"},
	    {"n", "99999999999999999999999", NULL},
	    {"r", "\"1,5\"", "not a number"},
	    {"r", "1e999", NULL},
	    {"b", "\"perhaps\"", "not a boolean"},
	    {"d", "\"2026-02-30\"", NULL},
	    {"d", "\"soon\"", "not a date"},
	    {"s", "\"2026-02-01 xx\"", "not a date and time"},
	    {"j", "\"{\"", "not JSON"},
	};
	struct bed *bed = *state;

	bed_run(bed, "create table t (id integer, n integer, r real, b boolean, d date, "
		     "s timestamp, j json)");
	for (size_t many = 0; many < 2; many++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			/* Six rows are streamed where the database can, two are not. */
			CLEAN_FREE char *ds = mem_printf(
			    "[%s{\"id\":1,\"%s\":null},{\"id\":2,\"%s\":%s}]",
			    many ? "{\"id\":1,\"n\":1,\"b\":null},{\"id\":1,\"n\":2,\"b\":null},"
				   "{\"id\":1,\"n\":1,\"b\":null},{\"id\":1,\"n\":2,\"b\":null},"
				 : "",
			    rows[i].column, rows[i].column, rows[i].cell);
			CLEAN_FREE char *got = bed_write(bed, "{'table':'t'}", OP_INSERT, ds);
			CLEAN_FREE char *want =
			    mem_printf("bad request: row %d, column %s: %s", many ? 6 : 2,
				       rows[i].column, rows[i].why != NULL ? rows[i].why : "");

			if (rows[i].why == NULL)
				got[strlen(want)] = '\0';
			assert_string_equal(got, want);
		}
	}
	bed_gives(bed, "{'table':'t(id,n)'}", OP_INSERT,
		  "[[],[1,1],[2,2],[3,3],[4,4],[5,5],[6,\"x\"],[7,7]]",
		  "bad request: row 6, column n: not an integer");
	bed_is(bed, "select count(*) from t", "0\n");
}

static void test_writer_s_fields(void **state)
{
	struct bed *bed = *state;
	const char *config = "{'table':'t(id, n, at, u)','sFields':['n','at','u']}";

	bed_run(bed, bed->postgres ? "create table t (id int, n real, at timestamptz, u text)"
				   : "create table t (id int, n real, at timestamp, u text)");
	bed_gives(bed, config, OP_INSERT,
		  "[[],[1,\"5\",\"now()\",\"UUID()\"],[2,\"null\",null,"
		  "\"curdate()\"],[3,\"1.5\",\"current_date\",\"$username\"]]",
		  "inserted=3 updated=0 deleted=0");
	bed_is(bed, "select id, n from t order by id",
	       bed->postgres ? "1|5\n2|~\n3|1.5\n" : "1|5.0\n2|~\n3|1.5\n");
	bed_is(bed, "select length(u) from t order by id", "36\n10\n6\n");
	if (bed->postgres)
		bed_is(bed, "select abs(extract(epoch from now() - at)) < 60 from t where id = 1",
		       "t\n");
	else
		bed_is(bed,
		       "select abs(julianday('now','localtime') - julianday(at)) < 0.001 from t "
		       "where id = 1",
		       "1\n");
	bed_gives(bed, config, OP_INSERT, "[1,\"now(); drop table t\",null,null]",
		  "bad request: row 1, column n: neither a number nor one of the words allowed "
		  "here");
}

static void test_writer_fills(void **state)
{
	struct bed *bed = *state;
	time_t now = time(NULL);
	struct tm tm;
	char want[128], day[16];

	(void)localtime_r(&now, &tm);
	(void)strftime(day, sizeof(day), "%Y%m%d", &tm);
	bed_run(bed, "create table t (no text, who text, at bigint, k text, name text, u text)");
	bed->next_code = 7;
	bed_gives(bed,
		  "{'table':'t','autoCode':{'no':'SCDD'},'autoDict':{'who':'$username',"
		  "'at':'$stamp','k':'fixed','u':'uuid()'}}",
		  OP_INSERT, "[[],[\"a\"],[\"b\"],[\"c\"],[\"d\"],[\"e\"]]",
		  "inserted=5 updated=0 deleted=0");
	(void)snprintf(want, sizeof(want),
		       "SCDD%s007|loader|1700000000000|fixed|a\nSCDD%s008|loader|1700000000000|"
		       "fixed|b\n",
		       day, day);
	bed_is(bed, "select no, who, at, k, name from t order by no limit 2", want);
	bed_is(bed, "select count(distinct u), min(length(u)) from t", "5|36\n");
	assert_int_equal(bed->next_code, 12);
}

static void test_writer_updates(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, PEOPLE);
	bed_run(bed, "insert into t values (1,'a',10),(2,'b',20),(3,'c',30)");
	bed_gives(bed, "{'table':'t','id':'id','fDict':{'key':'id'}}", OP_UPDATE,
		  "[{\"key\":1,\"age\":11},{\"key\":9,\"age\":99},{\"age\":null,\"key\":2}]",
		  "inserted=0 updated=2 deleted=0");
	bed_gives(bed, "{'table':'t','id':'id'}", OP_UPDATE, "[[\"__id\",\"name\"],[3,\"C\"]]",
		  "inserted=0 updated=1 deleted=0");
	bed_is(bed, "select * from t order by id", "1|a|11\n2|b|~\n3|C|30\n");
	bed_gives(bed, "{'table':'t','id':'id'}", OP_UPDATE, "[[],[3,\"C\",1]]",
		  "bad request: an update needs field names");
	bed_gives(bed, "{'table':'t','id':'id'}", OP_UPDATE, "[{\"id\":1},{\"name\":\"x\"}]",
		  "bad request: row 2: without its key");
	bed_gives(bed, "{'table':'t','id':'id'}", OP_UPDATE, "[{\"id\":null,\"name\":\"x\"}]",
		  "bad request: row 1, column id: the key is null");
	bed_gives(bed, "{'table':'t','id':'id','upsert':true}", OP_UPDATE,
		  "[{\"id\":1,\"age\":12},{\"id\":4,\"age\":40},{\"id\":4,\"name\":\"d\"}]",
		  "inserted=1 updated=2 deleted=0");
	bed_is(bed, "select * from t where id in (1, 4) order by id", "1|a|12\n4|d|40\n");
	bed_gives(bed, "{'table':'t','id':'id','upsert':true}", OP_INSERT,
		  "[[],[5,\"e\",50],[1,\"A\",null]]", "inserted=1 updated=1 deleted=0");
	bed_is(bed, "select * from t where id in (1, 5) order by id", "1|A|~\n5|e|50\n");
	bed_gives(bed, "{'table':'t','id':'id'}", OP_INSERT, "[[],[6,\"f\",60],[1,\"x\",1]]",
		  "database error: constraint in row 2");
	bed_is(bed, "select count(*) from t", "5\n");
}

static void test_writer_keys_of_several_columns(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, "create table t (a text, b integer, v text)");
	bed_run(bed, "insert into t values ('x',1,'old'),('x',2,'old'),('y',1,'old')");
	bed_gives(bed, "{'table':'t','id':['a','b']}", OP_UPDATE,
		  "[{\"a\":\"x\",\"b\":2,\"v\":\"new\"}]", "inserted=0 updated=1 deleted=0");
	bed_gives(bed, "{'table':'t','id':'concat(a,b)','fDict':{'pk':'concat(a,b)'}}", OP_UPDATE,
		  "[{\"pk\":\"y1\",\"v\":\"joined\"}]", "inserted=0 updated=1 deleted=0");
	bed_gives(bed, "{'table':'t','id':'concat(a,b)'}", OP_UPDATE,
		  "[{\"a\":\"x\",\"b\":1,\"v\":\"parts\"}]", "inserted=0 updated=1 deleted=0");
	/* Where no row has a joined key, one is added only with the columns it is made of. */
	bed_gives(
	    bed, "{'table':'t','id':'concat(a,b)','upsert':true,'fDict':{'pk':'concat(a,b)'}}",
	    OP_UPDATE, "[{\"pk\":\"y1\",\"v\":\"joined\"},{\"pk\":\"z3\",\"b\":3,\"v\":\"?\"}]",
	    "bad request: row 2, column a: not given, and no row has this key");
	bed_gives(
	    bed, "{'table':'t','id':'concat(a,b)','upsert':true,'fDict':{'pk':'concat(a,b)'}}",
	    OP_UPDATE, "[{\"pk\":\"y1\",\"v\":\"joined\"}]", "inserted=0 updated=1 deleted=0");
	bed_is(bed, "select a, b, v from t order by a, b", "x|1|parts\nx|2|new\ny|1|joined\n");
	bed_gives(bed, "{'table':'t','id':['a','b'],'ops':'D'}", OP_DELETE,
		  "[[],[\"x\",1],[\"x\",7]]", "inserted=0 updated=0 deleted=1");
	bed_gives(bed, "{'table':'t','id':'concat(a,b)','ops':'D'}", OP_DELETE, "[[],[\"y1\"]]",
		  "inserted=0 updated=0 deleted=1");
	bed_gives(bed, "{'table':'t','id':['a','b'],'ops':'D'}", OP_DELETE,
		  "[{\"b\":2,\"a\":\"x\",\"other\":1}]", "inserted=0 updated=0 deleted=1");
	bed_gives(bed, "{'table':'t','id':['a','b'],'ops':'D'}", OP_DELETE, "[[],[\"x\"]]",
		  "bad request: row 1: 1 cells for 2 columns");
	bed_is(bed, "select count(*) from t", "0\n");
}

static void test_writer_surrounding_statements(void **state)
{
	struct bed *bed = *state;

	bed_run(bed, "create table t (a text)");
	bed_run(bed, "create table log (who text, n integer, at bigint)");
	bed_run(bed, "insert into t values ('old')");
	bed_gives(bed,
		  "{'table':'t','preSql':['truncate table t'],'postSql':"
		  "['insert into log values ($username, $rows, $stamp)']}",
		  OP_INSERT, "[[],[\"1\"],[\"2\"]]", "inserted=2 updated=0 deleted=0");
	bed_is(bed, "select a from t order by a", "1\n2\n");
	bed_is(bed, "select who, n, at from log", "loader|2|1700000000000\n");
	/* No rows: preSql runs where that is allowed only. */
	bed_gives(bed, "{'table':'t','preSql':['truncate t']}", OP_INSERT, "[[\"x\"]]",
		  "bad request: no rows");
	bed_is(bed, "select count(*) from t", "2\n");
	bed_gives(bed, "{'table':'t','preSql':['truncate t'],'allowEmpty':true}", OP_INSERT,
		  "[[\"x\"]]", "inserted=0 updated=0 deleted=0");
	bed_is(bed, "select count(*) from t", "0\n");
}

static void test_writer_all_or_nothing(void **state)
{
	static const struct {
		const char *config, *ds, *answer;
	} rows[] = {
	    {"{'table':'t','preSql':['delete from t','delete from nowhere']}", "[[],[9,\"z\",1]]",
	     "database error: missing object in preSql 2"},
	    {"{'table':'t','preSql':['truncate table t']}",
	     "[[],[7,\"x\",1],[8,\"y\",2],[9,null,\"z\"]]",
	     "bad request: row 3, column age: not an integer"},
	    {"{'table':'t','preSql':['truncate table t']}",
	     "[[],[7,\"x\",1],[8,\"y\",2],[7,null,3]]", "database error: constraint in row 3"},
	    {"{'table':'t','preSql':['delete from t where id = 1']}",
	     "[[],[2,\"x\",1],[8,\"y\",2],[7,null,3]]", "database error: constraint in row 1"},
	    {"{'table':'t','preSql':['delete from t where id = 1']}",
	     "[[],[7,\"x\",1],[2,\"y\",2],[8,null,3]]", "database error: constraint in row 2"},
	    {"{'table':'t','preSql':['delete from t where id = 1']}",
	     "[[],[7,\"x\",1],[8,\"y\",1],[9,\"y\",1],[10,\"y\",1],[11,\"y\",1],[2,\"y\",2]]",
	     "database error: constraint in row 6"},
	    {"{'table':'t','postSql':['delete from t','insert into t values (1, null, null),"
	     " (1, null, null)']}",
	     "[[],[9,\"z\",1]]", "database error: constraint in postSql 2"},
	    {"{'table':'t','postSql':['insert into child values (99)']}", "[[],[9,\"z\",1]]",
	     "database error: constraint in commit"},
	};
	struct bed *bed = *state;

	bed_run(bed, PEOPLE);
	bed_run(bed, "create table parent (id integer primary key)");
	bed_run(bed, "create table child (id integer references parent (id) deferrable initially "
		     "deferred)");
	bed_run(bed, "insert into t values (1,'a',10),(2,'b',20)");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bed_gives(bed, rows[i].config, OP_INSERT, rows[i].ds, rows[i].answer);
		bed_is(bed, "select * from t order by id", "1|a|10\n2|b|20\n");
		bed_is(bed, "select count(*) from child", "0\n");
	}
	/* The connection still works. */
	bed_gives(bed, "{'table':'t'}", OP_INSERT, "[3,\"c\",30]",
		  "inserted=1 updated=0 deleted=0");
}

static void test_writer_dry_run_and_replace(void **state)
{
	struct bed *bed = *state;
	struct receiver *receiver;
	CLEAN_FREE char *dry = NULL, *late = NULL, *replaced = NULL, *kept = NULL;

	bed_run(bed, PEOPLE);
	bed_run(bed, "create table child (parent integer references t (id) deferrable initially "
		     "deferred)");
	bed_run(bed, "insert into t values (1,'a',10),(2,'b',20)");
	receiver = bed_receiver(bed, "{'table':'t'}");
	dry = bed_order(bed, (struct write_order){.receiver = receiver, .dry_run = true},
			"[[],[3,\"c\",1],[4,\"d\",1]]");
	assert_string_equal(dry, "inserted=2 updated=0 deleted=0");
	bed_is(bed, "select count(*) from t", "2\n");
	replaced = bed_order(bed, (struct write_order){.receiver = receiver, .replace = true},
			     "[[],[3,\"c\",1]]");
	assert_string_equal(replaced, "inserted=1 updated=0 deleted=2");
	kept = bed_order(bed, (struct write_order){.receiver = receiver, .replace = true},
			 "[[],[4,\"c\",1],[5,\"c\",\"x\"]]");
	assert_string_equal(kept, "bad request: row 2, column age: not an integer");
	bed_is(bed, "select id from t", "3\n");
	receiver_free(receiver);
	receiver = bed_receiver(bed, "{'table':'child'}");
	late = bed_order(bed, (struct write_order){.receiver = receiver, .dry_run = true}, "[99]");
	assert_string_equal(late, "database error: constraint in commit");
	receiver_free(receiver);
}

static void test_writer_collects_bad_rows(void **state)
{
	struct bed *bed = *state;
	struct receiver *receiver;
	CLEAN_JSON json_object *bad = json_object_new_array();
	CLEAN_FREE char *got = NULL, *again = NULL;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	bed_run(bed, PEOPLE);
	bed_run(bed, "insert into t values (1000,'a',10)");
	receiver = bed_receiver(bed, "{'table':'t'}");
	(void)fputs("[[]", out);
	for (int i = 1; i <= 100; i++)
		(void)fprintf(out, ",[%d,\"n\",%s]", i, i % 3 == 0 ? "\"x\"" : "1");
	(void)fputs("]", out);
	(void)fclose(out);
	got = bed_order(
	    bed,
	    (struct write_order){.receiver = receiver, .max_bad = 20, .bad = bad, .replace = true},
	    text);
	free(text);
	assert_string_equal(got, "bad request: row 3, column age: not an integer");
	assert_int_equal(json_len(bad), 20);
	assert_int_equal(json_int(json_at(bad, 19), "row", 0), 60);
	assert_string_equal(json_str(json_at(bad, 19), "column", ""), "age");
	assert_string_equal(json_str(json_at(bad, 19), "reason", ""), "not an integer");
	bed_is(bed, "select * from t", "1000|a|10\n");
	/* What only the database can tell is collected, too. */
	json_object_array_del_idx(bad, 0, 20);
	again =
	    bed_order(bed, (struct write_order){.receiver = receiver, .max_bad = 20, .bad = bad},
		      "[[],[1,\"a\",1],[1000,\"b\",2],[2,\"c\",3],[1,\"d\",4],[3,\"e\",5]]");
	assert_string_equal(again, "database error: constraint in row 2");
	assert_int_equal(json_len(bad), 2);
	assert_int_equal(json_int(json_at(bad, 1), "row", 0), 4);
	assert_string_equal(json_str(json_at(bad, 1), "reason", ""), "already there");
	bed_is(bed, "select * from t", "1000|a|10\n");
	receiver_free(receiver);
}

static void test_writer_missing_table_is_made(void **state)
{
	struct bed *bed = *state;
	const char *config = "{'table':'made','columns':{'id':'integer','name':'text',"
			     "'at':'timestamp','ok':'boolean','j':'json'},'id':'id'}";
	struct refusal r = {0};
	struct receiver *receiver = bed_receiver(bed, config);

	assert_true(write_prepare(bed->targets, receiver, &r));
	receiver_free(receiver);
	bed_gives(bed, config, OP_INSERT, "[[],[1,\"a\",\"x\",true,null]]",
		  "bad request: row 1, column at: not a date and time");
	bed_gives(bed, "{'table':'made'}", OP_INSERT, "[1]",
		  "database error: missing object in table");
	bed_gives(bed, config, OP_INSERT, "[[],[1,\"a\",\"2026-01-02T03:04:05Z\",true,[1]]]",
		  "inserted=1 updated=0 deleted=0");
	bed_gives(bed, config, OP_INSERT, "[[],[1,\"b\",null,null,null]]",
		  "database error: constraint in row 1");
	bed_is(bed, "select id, name, ok, j from made",
	       bed->postgres ? "1|a|t|[1]\n" : "1|a|1|[1]\n");
}

static void test_writer_prepares(void **state)
{
	static const struct {
		const char *config, *answer;
	} rows[] = {
	    {"{'table':'t','preSql':['truncate t'],'postSql':['update t set age = $rows']}", ""},
	    {"{'table':'nowhere'}", "database error: missing object in table"},
	    {"{'table':'t','id':'nokey'}", "database error: missing object in table"},
	    {"{'table':'t','fDict':{'x':'nowhere'}}", "database error: missing object in table"},
	    {"{'table':'t','fDict':{'x':'concat(id,age)'}}",
	     "database error: missing object in table"},
	    {"{'table':'t','postSql':['delete from t','delete from nowhere']}",
	     "database error: missing object in postSql 2"},
	    {"{'table':'t','preSql':['delete frm t']}", "database error: other in preSql 1"},
	};
	struct bed *bed = *state;

	bed_run(bed, PEOPLE);
	bed_run(bed, "insert into t values (1,'a',10)");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct receiver *receiver = bed_receiver(bed, rows[i].config);
		struct refusal r = {0};
		char text[600];

		assert_int_equal(write_prepare(bed->targets, receiver, &r),
				 rows[i].answer[0] == '\0');
		if (rows[i].answer[0] != '\0')
			assert_string_equal(refusal_text(&r, text, sizeof(text)), rows[i].answer);
		receiver_free(receiver);
	}
	bed_is(bed, "select * from t", "1|a|10\n");
}

static void test_writer_outcome_of_a_mark(void **state)
{
	static const unsigned char mark[32] = "the mark of a write that is kept";
	static const unsigned char other[32] = "the mark of a write of which no ";
	struct bed *bed = *state;
	struct receiver *receiver;
	struct write_order order;
	CLEAN_FREE char *done = NULL, *failed = NULL;

	bed_run(bed, PEOPLE);
	receiver = bed_receiver(bed, "{'table':'t'}");
	order = (struct write_order){.receiver = receiver, .mark = mark, .keep = bed_keep};
	done = bed_order(bed, order, "[1,\"a\",1]");
	assert_string_equal(done, "inserted=1 updated=0 deleted=0");
	assert_int_equal(bed->kept, bed->postgres ? 1 : 0);
	assert_int_equal(
	    write_outcome(bed->targets, receiver, mark, bed->postgres ? bed->kept_text : NULL),
	    MARK_COMMITTED);
	order.mark = other;
	failed = bed_order(bed, order, "[1,\"a\",1]");
	assert_string_equal(failed, "database error: constraint in row 1");
	assert_int_equal(bed->kept, bed->postgres ? 1 : 0);
	assert_int_equal(write_outcome(bed->targets, receiver, other, NULL), MARK_ROLLED_BACK);
	receiver_free(receiver);
}

struct read_table {
	char text[512];
	size_t n;
};

static bool read_begin(void *arg, const struct receiver_column *columns, size_t n)
{
	struct read_table *to = arg;

	for (size_t i = 0; i < n; i++)
		to->n += (size_t)snprintf(to->text + to->n, sizeof(to->text) - to->n, "%s:%d ",
					  columns[i].name, (int)columns[i].type);
	return true;
}

static bool read_row(void *arg, const struct value *cells, size_t n)
{
	struct read_table *to = arg;

	for (size_t i = 0; i < n; i++)
		to->n += (size_t)snprintf(to->text + to->n, sizeof(to->text) - to->n, "%s%.*s",
					  i > 0 ? "|" : "\n", (int)cells[i].len,
					  cells[i].kind == VALUE_NULL ? "" : cells[i].text);
	return true;
}

static void test_writer_reads_the_table(void **state)
{
	struct bed *bed = *state;
	struct receiver *receiver = bed_receiver(bed, "{'table':'t','id':'id'}");
	struct read_table got = {0};
	struct refusal r = {0};
	const struct table_reader reader = {.begin = read_begin, .row = read_row, .arg = &got};

	bed_run(bed, PEOPLE);
	bed_run(bed, "insert into t values (2,'b',null),(1,'a',10)");
	assert_true(write_read_table(bed->targets, receiver, &reader, &r));
	assert_string_equal(got.text, "id:1 name:0 age:1 \n1|a|10\n2|b|");
	receiver_free(receiver);
}

static void test_writer_hostile_cells(void **state)
{
	static const char *const cells[] = {
	    "\\\\.",	    "\\\\N",	      "\\\\\\\\",	"a\\tb\\nc\\rd",
	    "=HYPERLINK()", "\\\\copy t",     "\\u0001\\u007f", "~",
	    "PROGRAM 'x'",  "\\ud83d\\ude00", "\\\"\\\"",	" x "};
	struct bed *bed = *state;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	size_t n = sizeof(cells) / sizeof(cells[0]);

	bed_run(bed, "create table t (id integer, a text)");
	(void)fputs("[[]", out);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(out, ",[%zu,\"%s\"]", i, cells[i]);
	(void)fputs("]", out);
	(void)fclose(out);
	bed_gives(bed, "{'table':'t'}", OP_INSERT, text, "inserted=12 updated=0 deleted=0");
	free(text);
	for (size_t i = 0; i < n; i++) {
		CLEAN_FREE char *json = mem_printf("[%zu,\"%s\"]", i, cells[i]);
		CLEAN_FREE char *sql = mem_printf("select a from t where id = %zu", i);
		CLEAN_FREE char *got = bed->ask(bed, sql);
		CLEAN_FREE char *want = NULL;
		CLEAN_JSON json_object *parsed = NULL;

		assert_int_equal(json_read(json, strlen(json), &json_limits_form, &parsed), ERR_OK);
		want = mem_printf("%s\n", json_object_get_string(json_at(parsed, 1)));
		assert_string_equal(got, want);
	}
}

/* Many rows: streamed where the database can, by way of a temporary table with a key. */
static void test_writer_many_rows(void **state)
{
	struct bed *bed = *state;
	char *text[3];
	size_t size;

	bed_run(bed, PEOPLE);
	for (int k = 0; k < 3; k++) {
		FILE *out = open_memstream(&text[k], &size);

		(void)fputs("[[\"__id\",\"age\"]", out);
		for (int i = 0; i < 3000; i++)
			(void)fprintf(out, ",[%d,%d]", i + k * 1000, i * (k + 1));
		(void)fputs("]", out);
		(void)fclose(out);
	}
	bed_gives(bed, "{'table':'t'}", OP_INSERT, text[0], "inserted=3000 updated=0 deleted=0");
	bed_gives(bed, "{'table':'t','id':'id'}", OP_UPDATE, text[1],
		  "inserted=0 updated=2000 deleted=0");
	bed_is(bed, "select age from t where id in (999, 1000, 2999) order by id",
	       "999\n0\n3998\n");
	bed_gives(bed, "{'table':'t','id':'id','upsert':true}", OP_INSERT, text[2],
		  "inserted=2000 updated=1000 deleted=0");
	bed_is(bed, "select age from t where id in (1999, 2000, 4999) order by id",
	       "1998\n0\n8997\n");
	bed_gives(bed, "{'table':'t','id':'id','ops':'D'}", OP_DELETE, text[1],
		  "inserted=0 updated=0 deleted=3000");
	bed_is(bed, "select count(*), min(id), max(id) from t", "2000|0|4999\n");
	for (int k = 0; k < 3; k++)
		free(text[k]);
}

#define WRITER_CASES(X)                                                                            \
	X(test_writer_positions_and_names)                                                         \
	X(test_writer_refuses_what_does_not_fit)                                                   \
	X(test_writer_names_are_not_sql)                                                           \
	X(test_writer_values)                                                                      \
	X(test_writer_thirty_digits)                                                               \
	X(test_writer_types_are_refused_with_row_and_column)                                       \
	X(test_writer_s_fields)                                                                    \
	X(test_writer_fills)                                                                       \
	X(test_writer_updates)                                                                     \
	X(test_writer_keys_of_several_columns)                                                     \
	X(test_writer_surrounding_statements)                                                      \
	X(test_writer_all_or_nothing)                                                              \
	X(test_writer_dry_run_and_replace)                                                         \
	X(test_writer_collects_bad_rows)                                                           \
	X(test_writer_missing_table_is_made)                                                       \
	X(test_writer_prepares)                                                                    \
	X(test_writer_outcome_of_a_mark)                                                           \
	X(test_writer_reads_the_table)                                                             \
	X(test_writer_hostile_cells)                                                               \
	X(test_writer_many_rows)

#endif
