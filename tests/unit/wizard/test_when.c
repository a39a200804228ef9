/*
 * Goal: text becomes the right instants or nothing at all; a column's format is found from its
 * values and never guessed where nothing tells; the time step's fields give the errors of
 * contracts/wizard.md 12.3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/problem.h"
#include "wizard/when.h"

#define DAY 86400000LL

static json_object *parse_json(const char *text)
{
	json_object *o = NULL;
	CLEAN_FREE char *s = mem_strdup(text);

	for (char *p = s; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	assert_int_equal(json_read(s, strlen(s), &json_limits_job, &o), ERR_OK);
	return o;
}

/* The instant of S in FORMAT as ISO text with ms, "-" when it does not parse. */
static const char *parsed(const char *format, const char *s)
{
	static char out[64];
	struct when_format *f = when_format_new(format, NULL);
	int64_t ms;

	assert_non_null(f);
	(void)snprintf(out, sizeof(out), "-");
	if (when_parse(f, s, strlen(s), 0, &ms, NULL)) {
		int64_t y, day = ms >= 0 ? ms / DAY : -((-ms + DAY - 1) / DAY),
			   rest = ms - day * DAY;
		int m, d;

		clock_civil(day, &y, &m, &d);
		(void)snprintf(out, sizeof(out), "%lld-%02d-%02d %02d:%02d:%02d.%03d", (long long)y,
			       m, d, (int)(rest / 3600000), (int)(rest / 60000 % 60),
			       (int)(rest / 1000 % 60), (int)(rest % 1000));
	}
	when_format_free(f);
	return out;
}

static void test_format_reads_java_letters(void **state)
{
	(void)state;
	assert_string_equal(parsed("yyyy-MM-dd", "2017-03-01"), "2017-03-01 00:00:00.000");
	assert_string_equal(parsed("yyyy-MM-dd", "2017-3-1"), "2017-03-01 00:00:00.000");
	assert_string_equal(parsed("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2017-03-01T12:30:15.250Z"),
			    "2017-03-01 12:30:15.250");
	assert_string_equal(parsed("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2017-03-01T12:30:15.2+08:00"),
			    "2017-03-01 04:30:15.200");
	assert_string_equal(parsed("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2017-03-01T12:30:15.123456+08"),
			    "2017-03-01 04:30:15.123");
	assert_string_equal(parsed("yyyy-MM-dd'T'HH:mm:ssZ", "2017-03-01T00:00:00-0330"),
			    "2017-03-01 03:30:00.000");
	assert_string_equal(parsed("yyyy年MM月dd日", "2017年03月05日"), "2017-03-05 00:00:00.000");
	assert_string_equal(parsed("yyyyMMddHHmmss", "20170301123015"), "2017-03-01 12:30:15.000");
	assert_string_equal(parsed("d MMM yyyy", "5 Sept 2017"), "2017-09-05 00:00:00.000");
	assert_string_equal(parsed("d MMMM yyyy", "5 september 2017"), "2017-09-05 00:00:00.000");
	assert_string_equal(parsed("M/d/yyyy h:mm a", "3/14/2015 1:59 PM"),
			    "2015-03-14 13:59:00.000");
	assert_string_equal(parsed("M/d/yyyy h:mm a", "3/14/2015 12:00 AM"),
			    "2015-03-14 00:00:00.000");
	assert_string_equal(parsed("yyyy-DDD", "2016-366"), "2016-12-31 00:00:00.000");
	assert_string_equal(parsed("dd.MM.yy", "01.02.49"), "2049-02-01 00:00:00.000");
	assert_string_equal(parsed("dd.MM.yy", "01.02.50"), "1950-02-01 00:00:00.000");
	assert_string_equal(parsed("yyyy'年''s'", "2017年's"), "2017-01-01 00:00:00.000");
	/* Blanks around a value are nothing. */
	assert_string_equal(parsed("yyyy", " 2017 "), "2017-01-01 00:00:00.000");
	assert_string_equal(parsed("y", "44"), "44-01-01 00:00:00.000");
}

static void test_format_reads_strptime_letters(void **state)
{
	(void)state;
	assert_string_equal(parsed("%Y-%m-%d %H:%M:%S", "2017-03-01 12:30:15"),
			    "2017-03-01 12:30:15.000");
	assert_string_equal(parsed("%d/%m/%y", "5/3/17"), "2017-03-05 00:00:00.000");
	assert_string_equal(parsed("%d %b %Y %I:%M %p %z", "05 Mar 2017 01:30 pm +0800"),
			    "2017-03-05 05:30:00.000");
	assert_string_equal(parsed("%Y%m%d", "20170305"), "2017-03-05 00:00:00.000");
	assert_string_equal(parsed("%Y%j", "2017365"), "2017-12-31 00:00:00.000");
	assert_string_equal(parsed("%Y-%m-%dT%H:%M:%S.%f", "2017-03-05T01:02:03.5"),
			    "2017-03-05 01:02:03.500");
	assert_string_equal(parsed("%B %d, %Y 100%%", "March 5, 2017 100%"),
			    "2017-03-05 00:00:00.000");
}

static void test_format_takes_years_before_christ(void **state)
{
	(void)state;
	assert_string_equal(parsed("yyyy-MM-dd'T'HH:mm:ssX", "-0501-03-01T00:00:00Z"),
			    "-501-03-01 00:00:00.000");
	assert_string_equal(parsed("yyyy", "0000"), "0-01-01 00:00:00.000");
	assert_string_equal(parsed("yyyy-MM-dd", "+12017-03-01"), "12017-03-01 00:00:00.000");
	assert_string_equal(parsed("yyyy-MM-dd", "12017-03-01"), "-");
	assert_string_equal(parsed("yyyy-MM-dd", "-99999999-12-31"),
			    "-99999999-12-31 00:00:00.000");
	assert_string_equal(parsed("yyyy-MM-dd", "-999999999-12-31"), "-");
}

static void test_format_refuses_impossible_values(void **state)
{
	static const char *const wrong[] = {
	    "2017-02-31", "2017-13-01", "2017-00-10",	  "2017-04-31",	 "2017-02-29",
	    "",		  " ",		"2017",		  "2017-03-01x", "x2017-03-01",
	    "2017-03-",	  "2017--3-01", "２０１７-03-01", "17-03-01",	 "2017-003-01"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_string_equal(parsed("yyyy-MM-dd", wrong[i]), "-");
	assert_string_equal(parsed("yyyy-MM-dd", "2016-02-29"), "2016-02-29 00:00:00.000");
	assert_string_equal(parsed("yyyy-MM-dd", "1900-02-29"), "-");
	assert_string_equal(parsed("yyyy-MM-dd HH:mm", "2017-03-01 24:00"),
			    "2017-03-02 00:00:00.000");
	assert_string_equal(parsed("yyyy-MM-dd HH:mm", "2017-03-01 24:01"), "-");
	assert_string_equal(parsed("yyyy-MM-dd HH:mm", "2017-03-01 12:60"), "-");
	assert_string_equal(parsed("yyyy-MM-dd HH:mmX", "2017-03-01 12:00+19:00"), "-");
	assert_string_equal(parsed("yyyy-DDD", "2017-366"), "-");
}

static void test_format_names_bad_letters(void **state)
{
	static const struct {
		const char *pattern, *bad;
	} cases[] = {{"QQQ", "Q"},
		     {"yyyy-kk-QQ", "kQ"},
		     {"%Y %Q", "Q"},
		     {"HH:mm", ""},
		     {"yyyy[", ""},
		     {"yyyy'T", ""},
		     {"yyyy]", ""},
		     {"", ""},
		     {"%Y%", ""},
		     {"yyyy-MM-dd yyyy-MM-dd yyyy-MM-dd yyyy-MM-dd yyyy-MM-dd yyyy-MM-dd", ""},
		     {"yyyy[[[[[[[[[[MM]]]]]]]]]]", ""}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *bad = NULL;

		assert_null(when_format_new(cases[i].pattern, &bad));
		assert_string_equal(bad, cases[i].bad);
		free(bad);
	}
	assert_null(when_format_new("QQQ", NULL));
}

static void test_parse_tells_last_instant(void **state)
{
	static const struct {
		const char *pattern, *value;
		int64_t length;
	} cases[] = {{"yyyy", "2016", 366 * DAY},
		     {"yyyy-MM", "2017-02", 28 * DAY},
		     {"yyyy-MM-dd", "2017-02-01", DAY},
		     {"yyyy-MM-dd HH", "2017-02-01 05", 3600000},
		     {"yyyy-MM-dd HH:mm", "2017-02-01 05:06", 60000},
		     {"yyyy-MM-dd HH:mm:ss", "2017-02-01 05:06:07", 1000},
		     {"yyyy-MM-dd HH:mm:ss.SSS", "2017-02-01 05:06:07.1", 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct when_format *f = when_format_new(cases[i].pattern, NULL);
		int64_t ms, last;

		assert_true(when_parse(f, cases[i].value, strlen(cases[i].value), 0, &ms, &last));
		assert_int_equal(last - ms + 1, cases[i].length);
		assert_true(
		    when_parse(f, cases[i].value, strlen(cases[i].value), 480, &last, NULL));
		assert_int_equal(ms - last, 480 * 60000);
		when_format_free(f);
	}
}

static void test_year_reads_numbers(void **state)
{
	int64_t ms, last;

	(void)state;
	assert_true(when_parse_year("1900.000", 8, &ms, &last));
	assert_int_equal(ms, clock_days(1900, 1, 1) * DAY);
	assert_int_equal(last, clock_days(1901, 1, 1) * DAY - 1);
	assert_true(when_parse_year("-44", 3, &ms, NULL));
	assert_int_equal(ms, clock_days(-44, 1, 1) * DAY);
	assert_false(when_parse_year("1900.5", 6, &ms, NULL));
	assert_false(when_parse_year("12345", 5, &ms, NULL));
	assert_false(when_parse_year("", 0, &ms, NULL));
	assert_false(when_parse_year("-", 1, &ms, NULL));
}

static void test_iso_takes_every_spelling(void **state)
{
	static const char *const right[] = {"2017-03-01",
					    "2017/03/01",
					    "20170301",
					    "2017-03-01T12",
					    "2017-03-01 12:30",
					    "20170301T123015Z",
					    "20170301T12:30",
					    "20170301 12:30:15",
					    "2017-03-01T12:30:15,5+08",
					    "2017-03",
					    "2017/03",
					    "2017",
					    "201703",
					    "20170301123015",
					    "2017-03-01 12:30:15 +0800",
					    "-0501-03-01T00:00:00Z"};
	static const char *const wrong[] = {"",	      "x",	  "1/2/2017", "2017-02-31",
					    "2017年", "20170231", "1234567"};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		assert_true(when_parse_iso(right[i], strlen(right[i]), 0, &ms, NULL));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(when_parse_iso(wrong[i], strlen(wrong[i]), 0, &ms, NULL));
}

static void test_zone_takes_utc_and_offsets(void **state)
{
	int m;

	(void)state;
	assert_true(when_zone("UTC", &m) && m == 0);
	assert_true(when_zone("+08:00", &m) && m == 480);
	assert_true(when_zone("-03:30", &m) && m == -210);
	assert_false(when_zone("Asia/Shanghai", &m));
	assert_false(when_zone("+8", &m));
	assert_false(when_zone("+0800", &m));
	assert_false(when_zone("+08:60", &m));
}

/* ---- guessing */

static json_object *guess(const char *const *values)
{
	struct when_guess *g = when_guess_new();
	json_object *o;
	int64_t row = 1;

	for (; *values != NULL; values++)
		when_guess_feed(g, *values, strlen(*values), ++row);
	o = when_guess_end(g);
	when_guess_free(g);
	return o;
}

#define GUESS(...) guess((const char *const[]){__VA_ARGS__, NULL})

static void assert_format(json_object *o, const char *format, int64_t ok, int64_t bad)
{
	if (format == NULL) {
		assert_null(o);
		return;
	}
	assert_non_null(o);
	assert_string_equal(json_str(o, "format", ""), format);
	assert_int_equal(json_int(o, "ok", -1), ok);
	assert_int_equal(json_int(o, "bad", -1), bad);
	json_object_put(o);
}

static void test_guess_finds_formats(void **state)
{
	(void)state;
	assert_format(GUESS("2017-03-01", "2017-04-05"), "yyyy-MM-dd", 2, 0);
	assert_format(GUESS("2017-03-01T12:30:15.000Z"), "yyyy-MM-dd'T'HH:mm:ss.SSSX", 1, 0);
	assert_format(GUESS("2017-03-01T12:30:15+08:00", "2017-03-01T12:30:15Z"),
		      "yyyy-MM-dd'T'HH:mm:ssX", 2, 0);
	assert_format(GUESS("2017-03-01 12:30", "2017-03-01 12:31"), "yyyy-MM-dd HH:mm", 2, 0);
	assert_format(GUESS("2017-03-01 12:30", "2017-03-01"), "yyyy-MM-dd[ HH:mm]", 2, 0);
	assert_format(GUESS("2017/3/1", "2017/12/31"), "yyyy/MM/dd", 2, 0);
	assert_format(GUESS("20170301", "20171231"), "yyyyMMdd", 2, 0);
	assert_format(GUESS("20170301T1230", "20171231T0001"), "yyyyMMdd'T'HHmm", 2, 0);
	assert_format(GUESS("20170301123015"), "yyyyMMddHHmmss", 1, 0);
	assert_format(GUESS("201703", "201712"), "yyyyMM", 2, 0);
	assert_format(GUESS("2017-03", "2017-12"), "yyyy-MM", 2, 0);
	assert_format(GUESS("2017", "1999", "-0044"), "yyyy", 3, 0);
	assert_format(GUESS("2017年3月1日", "2017年12月31日"), "yyyy年M月d日", 2, 0);
	assert_format(GUESS("2017年3月1日 12时30分15秒"), "yyyy年M月d日 HH时mm分ss秒", 1, 0);
	assert_format(GUESS("2017年3月1日12时"), "yyyy年M月d日HH时", 1, 0);
	assert_format(GUESS("2017年3月"), "yyyy年M月", 1, 0);
	assert_format(GUESS("2017年"), "yyyy年", 1, 0);
	assert_format(GUESS("2017.3.1"), "yyyy.M.d", 1, 0);
	assert_format(GUESS("31/3/2017", "01/04/2017"), "d/M/yyyy", 2, 0);
	assert_format(GUESS("3/31/2017", "04/01/2017"), "M/d/yyyy", 2, 0);
	assert_format(GUESS("31-3-2017"), "d-M-yyyy", 1, 0);
	assert_format(GUESS("31.3.2017 12:30"), "d.M.yyyy HH:mm", 1, 0);
	assert_format(GUESS("3/14/2015 1:59:26 PM"), "M/d/yyyy h:mm:ss a", 1, 0);
	assert_format(GUESS("-0501-03-01T00:00:00Z", "2017-03-01T00:00:00Z"),
		      "yyyy-MM-dd'T'HH:mm:ssX", 2, 0);
	assert_format(GUESS(" 2017-03-01 "), "yyyy-MM-dd", 1, 0);
}

static void test_guess_needs_four_of_five(void **state)
{
	json_object *o;

	(void)state;
	o = GUESS("2017-01-01", "2017-01-02", "2017-02-31", "2017-01-04", "2017-01-01");
	assert_int_equal(json_int(o, "distinct", 0), 3);
	assert_string_equal(json_str(json_obj(o, "first_bad"), "value", ""), "2017-02-31");
	assert_int_equal(json_int(json_obj(o, "first_bad"), "row", 0), 4);
	assert_int_equal(json_int(o, "min", 0), clock_days(2017, 1, 1) * DAY);
	assert_int_equal(json_int(o, "max", 0), clock_days(2017, 1, 4) * DAY);
	assert_format(o, "yyyy-MM-dd", 4, 1);
	assert_format(GUESS("2017-01-01", "2017-01-02", "2017-01-03", "x", "y"), NULL, 0, 0);
	assert_format(GUESS("12 Main Street", "Beijing", "1,2", "$", "4$", ""), NULL, 0, 0);
	assert_null(guess((const char *const[]){NULL}));
}

static void test_guess_leaves_ambiguous_order_open(void **state)
{
	json_object *o = GUESS("03/04/2017", "05/06/2017");

	(void)state;
	assert_true(json_bool(o, "ambiguous", false));
	assert_string_equal(
	    json_object_get_string(json_object_array_get_idx(json_arr(o, "formats"), 0)),
	    "d/M/yyyy");
	assert_string_equal(
	    json_object_get_string(json_object_array_get_idx(json_arr(o, "formats"), 1)),
	    "M/d/yyyy");
	json_object_put(o);
	/* The same day either way: nothing to ask. */
	o = GUESS("03/03/2017", "05/05/2017");
	assert_false(json_bool(o, "ambiguous", true));
	json_object_put(o);
	o = GUESS("03/04/2017", "13/04/2017");
	assert_false(json_bool(o, "ambiguous", true));
	assert_null(json_get(o, "formats"));
	assert_format(o, "d/M/yyyy", 2, 0);
}

static void test_guess_counts_distinct_up_to_its_limit(void **state)
{
	struct when_guess *g = when_guess_new();
	json_object *o;
	char s[32];

	(void)state;
	for (int i = 0; i < 40000; i++) {
		int64_t y;
		int m, d;

		clock_civil(i % 20000, &y, &m, &d);
		(void)snprintf(s, sizeof(s), "%04d-%02d-%02d", (int)y, m, d);
		when_guess_feed(g, s, strlen(s), i + 2);
	}
	o = when_guess_end(g);
	assert_int_equal(json_int(o, "distinct", 0), 16384);
	assert_format(o, "yyyy-MM-dd", 40000, 0);
	when_guess_free(g);
}

/* ---- eligible columns */

static char eligible(const char *text)
{
	CLEAN_JSON json_object *c = parse_json(text);

	return when_eligible(c);
}

static void test_eligible_columns(void **state)
{
	(void)state;
	assert_int_equal(eligible("{'name':'d','type':'date','values':3}"), 'd');
	assert_int_equal(eligible("{'name':'d','type':'datetime','values':3}"), 'd');
	assert_int_equal(eligible("{'name':'id','type':'date','values':3}"), 0);
	assert_int_equal(
	    eligible("{'name':'FID','type':'integer','values':3,'year_range':true,'years_ok':3}"),
	    0);
	assert_int_equal(
	    eligible("{'name':'n','type':'integer','values':100,'year_range':true,'years_ok':95}"),
	    'y');
	assert_int_equal(
	    eligible("{'name':'n','type':'integer','values':100,'year_range':true,'years_ok':94}"),
	    0);
	assert_int_equal(
	    eligible("{'name':'Year','type':'real','values':100,'year_range':true,'years_ok':0}"),
	    'y');
	assert_int_equal(
	    eligible("{'name':'年份','type':'integer','values':9,'year_range':true,'years_ok':0}"),
	    'y');
	assert_int_equal(
	    eligible("{'name':'tEnd','type':'integer','values':9,'year_range':true,'years_ok':0}"),
	    'y');
	assert_int_equal(
	    eligible(
		"{'name':'last_x','type':'integer','values':9,'year_range':true,'years_ok':0}"),
	    'y');
	assert_int_equal(
	    eligible("{'name':'trend','type':'integer','values':9,'year_range':true,'years_ok':0}"),
	    0);
	assert_int_equal(
	    eligible("{'name':'year','type':'real','values':9,'year_range':false,'years_ok':9}"),
	    0);
	assert_int_equal(eligible("{'name':'t','type':'text','values':9,'time':{'ok':8,'bad':1}}"),
			 't');
	assert_int_equal(eligible("{'name':'t','type':'text','values':9,'time':{'ok':7,'bad':2}}"),
			 0);
	assert_int_equal(eligible("{'name':'t','type':'text','values':9,'time':null}"), 0);
	assert_int_equal(eligible("{'name':'t','type':'boolean','values':9}"), 0);
}

/* ---- the form */

static json_object *layer_of_vectors(void)
{
	return parse_json(
	    "{'i':0,'name':'events','kind':'vector','columns':["
	    "{'i':0,'name':'start_date','type':'date','values':3,'min':'2017-01-01','max':'2017-03-"
	    "01'},"
	    "{'i':1,'name':'end_date','type':'date','values':3,'min':'2017-02-01','max':'2017-04-"
	    "01'},"
	    "{'i':2,'name':'start_text','type':'text','values':3,'samples':['2017-01-01'],"
	    " 'time':{'ok':3,'bad':0,'format':'yyyy-MM-dd','ambiguous':false,'min':1483228800000,'"
	    "max':1488326400000}},"
	    "{'i':3,'name':'end_text','type':'text','values':3,'samples':['1/2/2017'],"
	    " 'time':{'ok':9,'bad':1,'format':'d/M/yyyy','ambiguous':true,'formats':['d/M/yyyy','M/"
	    "d/yyyy'],"
	    " 'first_bad':{'row':4,'value':'x'},'min':1485907200000,'max':1491004800000}},"
	    "{'i':4,'name':'start_year','type':'integer','values':3,'year_range':true,'years_ok':3,"
	    "'min':2017,'max':2019},"
	    "{'i':5,'name':'end_year','type':'integer','values':3,'year_range':true,'years_ok':3,'"
	    "min':2018,'max':2020},"
	    "{'i':6,'name':'early','type':'integer','values':3,'year_range':true,'years_ok':3,'min'"
	    ":1900,'max':1901},"
	    "{'i':7,'name':'old','original':'Old "
	    "Name','type':'date','values':3,'min':'2017-01-01','max':'2017-03-01'},"
	    "{'i':8,'name':'name','type':'text','values':3,'time':null}],"
	    "'preview':{'columns':['start_date','end_date','start_text','end_text','start_year','"
	    "end_year','early','old','name'],"
	    "'rows':[{'row':2,'cells':['2017-01-01','2017-02-01','2017-01-01','1/2/"
	    "2017','2017','2018','1900','2017-01-01','a']},"
	    "{'row':3,'cells':['2017-02-01','2017-01-01','2017-02-01','1/2/"
	    "2017','2018','2019','1901',null,'b']},"
	    "{'row':4,'cells':['2017-03-01','2017-04-01','2017-03-01','x','2019','2020','1901','"
	    "2017-03-01','c']}],"
	    "'total_rows':30}}");
}

static struct time_form form_of(const char *fields)
{
	CLEAN_JSON json_object *layer = layer_of_vectors(), *form = parse_json(fields);
	struct time_form f;

	create_time_form(layer, form, &f);
	return f;
}

/* The code of the first error, "" = none. */
static void assert_error(const char *fields, const char *code)
{
	struct time_form f = form_of(fields);
	const char *got =
	    json_len(f.errors) > 0 ? problem_code(json_object_array_get_idx(f.errors, 0)) : "";

	if (strcmp(got, code) != 0)
		print_error("%s: %s\n", fields, got);
	assert_string_equal(got, code);
	time_form_done(&f);
}

static void test_form_vectors_of_the_contract(void **state)
{
	struct time_form f;

	(void)state;
	assert_error("{'time_attribute':'start_date','text_attribute':'start_text'}",
		     "time_multiple_start");
	f = form_of("{'time_attribute':'start_date'}");
	assert_null(f.errors);
	assert_int_equal(f.start, 0);
	assert_int_equal(f.start_kind, 'd');
	assert_int_equal(f.end, -1);
	assert_string_equal(f.presentation, "LIST");
	time_form_done(&f);
	f = form_of("{'text_attribute':'start_text','end_year_attribute':'end_year'}");
	assert_null(f.errors);
	assert_int_equal(f.start, 2);
	assert_int_equal(f.start_kind, 't');
	assert_string_equal(f.start_format, "yyyy-MM-dd");
	assert_int_equal(f.end, 5);
	assert_int_equal(f.end_kind, 'y');
	time_form_done(&f);
	f = form_of("{'time_attribute':'date','presentation_strategy':'x'}");
	time_form_done(&f);
	f = form_of("{'time_attribute':'Old "
		    "Name','presentation_strategy':'discrete_interval','precision_value':'1',"
		    "'precision_step':'months','time_zone':'+08:00'}");
	assert_null(f.errors);
	assert_int_equal(f.start, 7);
	assert_int_equal(f.zone_min, 480);
	assert_int_equal(f.precision_value, 1);
	assert_string_equal(f.precision_step, "months");
	assert_string_equal(f.presentation, "DISCRETE_INTERVAL");
	time_form_done(&f);
}

static void test_form_errors(void **state)
{
	(void)state;
	assert_error("{}", "");
	assert_error("{'time_attribute':'','year_attribute':'<None>','text_attribute':'None','time_"
		     "end_attribute':'x'}",
		     "");
	assert_error("{'time_attribute':'start_date','end_time_attribute':'end_date','end_year_"
		     "attribute':'end_year'}",
		     "time_multiple_end");
	assert_error("{'end_time_attribute':'end_date'}", "time_end_without_start");
	assert_error("{'time_attribute':'start_text'}", "time_bad_column");
	assert_error("{'time_attribute':'nosuch'}", "time_bad_column");
	assert_error("{'text_attribute':'name'}", "time_bad_column");
	assert_error("{'time_attribute':'start_date','presentation_strategy':'SOMETIMES'}",
		     "time_bad_strategy");
	assert_error(
	    "{'time_attribute':'start_date','precision_value':'1.5','precision_step':'days'}",
	    "time_bad_precision");
	assert_error(
	    "{'time_attribute':'start_date','precision_value':'0','precision_step':'days'}",
	    "time_bad_precision");
	assert_error(
	    "{'time_attribute':'start_date','precision_value':'1','precision_step':'moons'}",
	    "time_bad_precision");
	assert_error("{'time_attribute':'start_date','precision_value':'1'}", "time_bad_precision");
	assert_error("{'time_attribute':'start_date','presentation_strategy':'DISCRETE_INTERVAL'}",
		     "time_precision_missing");
	assert_error("{'text_attribute':'start_text','text_attribute_format':'QQQ'}",
		     "time_bad_format");
	assert_error("{'text_attribute':'start_text','end_text_attribute':'end_text'}",
		     "time_ambiguous_format");
	assert_error("{'text_attribute':'start_text','end_text_attribute':'end_text',"
		     "'end_text_attribute_format':'d/M/yyyy'}",
		     "");
	assert_error("{'text_attribute':'start_text','text_attribute_format':'yyyy年M月'}",
		     "time_no_value_parses");
	assert_error("{'time_attribute':'start_date','time_zone':'CST'}", "time_bad_zone");
	assert_error("{'time_attribute':'start_date','end_year_attribute':'early'}",
		     "time_end_before_start");
	assert_error("{'year_attribute':'start_year','end_year_attribute':'start_year'}", "");
}

static void test_form_names_bad_letters_and_both_orders(void **state)
{
	struct time_form f =
	    form_of("{'text_attribute':'start_text','text_attribute_format':'QQQ'}");
	json_object *args = json_obj(json_object_array_get_idx(f.errors, 0), "args");

	(void)state;
	assert_string_equal(json_str(args, "letters", ""), "Q");
	time_form_done(&f);
	f = form_of("{'text_attribute':'end_text'}");
	args = json_obj(json_object_array_get_idx(f.errors, 0), "args");
	assert_string_equal(json_str(args, "first", ""), "d/M/yyyy");
	assert_string_equal(json_str(args, "second", ""), "M/d/yyyy");
	time_form_done(&f);
}

static void test_form_warns_of_bad_rows(void **state)
{
	struct time_form f =
	    form_of("{'time_attribute':'start_date','end_time_attribute':'end_date'}");
	json_object *w = json_object_array_get_idx(f.warnings, 0);

	(void)state;
	assert_null(f.errors);
	assert_string_equal(problem_code(w), "time_bad_rows");
	assert_int_equal(json_int(w, "row", 0), 3);
	time_form_done(&f);
	f = form_of("{'text_attribute':'end_text','text_attribute_format':'d/M/yyyy'}");
	w = json_object_array_get_idx(f.warnings, 0);
	assert_string_equal(problem_code(w), "time_bad_rows");
	assert_int_equal(json_int(json_obj(w, "args"), "count", 0), 1);
	assert_string_equal(json_str(w, "value", ""), "x");
	time_form_done(&f);
}

static void test_form_input_reads_back(void **state)
{
	CLEAN_JSON json_object *layer = layer_of_vectors();
	struct time_form
	    f = form_of("{'text_attribute':'start_text','end_text_attribute':'end_text',"
			"'end_text_attribute_format':'M/d/"
			"yyyy','presentation_strategy':'CONTINUOUS_INTERVAL','precision_value':'2',"
			"'precision_step':'Weeks','time_zone':'-03:30'}"),
	    g;
	CLEAN_JSON json_object *input = time_form_input(&f, layer), *again = NULL;

	(void)state;
	assert_string_equal(json_str(input, "text_attribute", ""), "start_text");
	assert_string_equal(json_str(input, "end_text_attribute_format", ""), "M/d/yyyy");
	create_time_form(layer, input, &g);
	again = time_form_input(&g, layer);
	assert_true(json_equal(input, again));
	assert_int_equal(g.zone_min, -210);
	time_form_done(&f);
	time_form_done(&g);
}

static void test_model_lists_columns(void **state)
{
	CLEAN_JSON json_object *layer = layer_of_vectors(),
			       *form = parse_json("{'time_attribute':'start_date'}"), *m = NULL;

	(void)state;
	m = time_model(NULL, layer, form);
	assert_int_equal(json_len(json_arr(m, "time_names")), 3);
	assert_int_equal(json_len(json_arr(m, "text_names")), 2);
	assert_int_equal(json_len(json_arr(m, "year_names")), 3);
	assert_int_equal(json_len(json_arr(m, "layer_attributes")), 9);
	assert_int_equal(json_len(json_arr(m, "layer_values")), 3);
	assert_string_equal(json_str(json_obj(m, "selected"), "time_attribute", ""), "start_date");
	assert_string_equal(json_str(json_obj(json_obj(m, "parse"), "start_year"), "min", ""),
			    "2017-01-01T00:00:00Z");
	assert_true(json_bool(json_obj(json_obj(m, "parse"), "end_text"), "ambiguous", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_format_reads_java_letters),
	    cmocka_unit_test(test_format_reads_strptime_letters),
	    cmocka_unit_test(test_format_takes_years_before_christ),
	    cmocka_unit_test(test_format_refuses_impossible_values),
	    cmocka_unit_test(test_format_names_bad_letters),
	    cmocka_unit_test(test_parse_tells_last_instant),
	    cmocka_unit_test(test_year_reads_numbers),
	    cmocka_unit_test(test_iso_takes_every_spelling),
	    cmocka_unit_test(test_zone_takes_utc_and_offsets),
	    cmocka_unit_test(test_guess_finds_formats),
	    cmocka_unit_test(test_guess_needs_four_of_five),
	    cmocka_unit_test(test_guess_leaves_ambiguous_order_open),
	    cmocka_unit_test(test_guess_counts_distinct_up_to_its_limit),
	    cmocka_unit_test(test_eligible_columns),
	    cmocka_unit_test(test_form_vectors_of_the_contract),
	    cmocka_unit_test(test_form_errors),
	    cmocka_unit_test(test_form_names_bad_letters_and_both_orders),
	    cmocka_unit_test(test_form_warns_of_bad_rows),
	    cmocka_unit_test(test_form_input_reads_back),
	    cmocka_unit_test(test_model_lists_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
