/*
 * Goal: a table is understood as contracts/wizard.md 9 and 17.1 say (dialect, charset, header,
 * types, warnings, errors with their row) and imported as it was understood: values by type,
 * geometry from columns, bad rows kept, skipped or refused.
 */
#include "geo/jobs.h"

#include "geo/tables.h"

static json_object *layers;

/* Inspect TEXT; the layer, borrowed until the next call.  NULL: refused. */
static json_object *look_bytes(const char *text, size_t len, const char *spec)
{
	json_object_put(layers);
	layers = json_object_new_array();
	job_reset(spec == NULL ? "{}" : spec);
	source_set(KIND_CSV, NULL, "1.csv", text, len);
	return tables_inspect(&job, &src, layers) == ERR_OK ? json_object_array_get_idx(layers, 0)
							    : NULL;
}

static json_object *look(const char *text)
{
	json_object *l = look_bytes(text, strlen(text), NULL);

	if (l == NULL)
		fail_msg("%s", json_object_to_json_string(job.problems));
	return l;
}

static void refused(const char *text, const char *spec, const char *code)
{
	assert_null(look_bytes(text, strlen(text), spec));
	expect_problem(code);
}

static void warned(json_object *layer, const char *code)
{
	if (!problems_have(json_arr(layer, "warnings"), code))
		fail_msg("no %s but %s", code,
			 json_object_to_json_string(json_arr(layer, "warnings")));
}

static void test_inspect_plain(void **state)
{
	json_object *l =
	    look("name,lat,lon,when,n\n\"a, \"\"b\"\"\",1.5,-2,2020-02-29,7\n\nc,NULL,3e2,,00\n");

	(void)state;
	expect_at(l, "count", "2");
	expect_at(l, "dialect.delimiter", ",");
	expect_at(l, "dialect.header", "yes");
	expect_at(l, "encoding.charset", "UTF-8");
	expect_at(l, "columns.0.type", "text");
	expect_at(l, "columns.0.samples.0", "a, \"b\"");
	expect_at(l, "columns.1.type", "real");
	expect_at(l, "columns.1.nulls", "1");
	expect_at(l, "columns.1.values", "1");
	expect_at(l, "columns.2.max", "300.0");
	expect_at(l, "columns.3.type", "date");
	expect_at(l, "columns.3.min", "2020-02-29");
	expect_at(l, "columns.4.type", "text");
	expect_at(l, "columns.4.type_bad.integer.value", "00");
	expect_at(l, "preview.rows.1.row", "4");
	expect_at(l, "preview.rows.1.cells.3", "null");
	expect_at(l, "preview.total_rows", "2");
	expect_at(l, "extent.0", "-2.0");
}

static void test_inspect_types_of_all_rows(void **state)
{
	json_object *l = look("i,r,d,t,b,x,big\n1,1,2020-01-01,2020-01-01,true,1,1\n-2,1.5,2020-01-"
			      "02,2020-01-02T03:04:05Z,"
			      "FALSE,n/s,1234567890123456789\n");

	(void)state;
	expect_at(l, "columns.0.type", "integer");
	expect_at(l, "columns.0.min", "-2");
	expect_at(l, "columns.1.type", "real");
	expect_at(l, "columns.2.type", "date");
	expect_at(l, "columns.3.type", "datetime");
	expect_at(l, "columns.4.type", "boolean");
	expect_at(l, "columns.5.type", "text");
	expect_at(l, "columns.5.type_bad.integer.row", "3");
	expect_at(l, "columns.5.type_bad.integer.value", "n/s");
	expect_at(l, "columns.5.first_bad.value", "n/s");
	expect_at(l, "columns.6.type", "text");
	expect_at(l, "columns.2.time.format", "yyyy-MM-dd");
}

static void test_inspect_dialects(void **state)
{
	json_object *l = look("\xEF\xBB\xBFname;x;y\r\na;1,5;1.234,5\r\nb;2,5;1.000,25\r\n");

	(void)state;
	expect_at(l, "dialect.delimiter", ";");
	expect_at(l, "encoding.source", "bom");
	expect_at(l, "columns.1.decimal_comma", "true");
	expect_at(l, "columns.1.type", "real");
	expect_at(l, "columns.1.min", "1.5");
	expect_at(l, "columns.2.max", "1234.5");
	l = look("sep=|\na|b,c\n1|2,3\n");
	expect_at(l, "dialect.delimiter", "|");
	expect_at(l, "preview.rows.0.row", "2");
	l = look("a\tb\r1\t2\r3\t4");
	expect_at(l, "dialect.delimiter", "tab");
	expect_at(l, "count", "2");
	l = look("only\none\ncolumn\n");
	warned(l, "csv_one_column");
	expect_at(l, "count", "2");
	l = look("a;b\n1.5;2\n1,5;3\n"); /* a decimal point alone: no decimal comma */
	expect_at(l, "columns.0.decimal_comma", "false");
	expect_at(l, "columns.0.type", "text");
}

static void test_inspect_headers(void **state)
{
	json_object *l = look("a,1\nb,2\n");

	(void)state;
	warned(l, "csv_suspicious_header");
	expect_at(l, "warnings.0.args.cells", "1");
	expect_at(l, "columns.0.name", "column_1");
	expect_at(l, "count", "2");
	expect_at(l, "preview.rows.0.row", "1");
	l = look("a,A,,fid,1st\nu,v,w,x,1\nu,v,w,x,2\n");
	expect_at(l, "columns.1.original", "A");
	expect_at(l, "columns.1.name", "A_2");
	expect_at(l, "columns.2.original", "column_3");
	expect_at(l, "columns.3.name", "fid_");
	expect_at(l, "columns.4.name", "_1st");
	l = look_bytes("title\n\nx,y\n1,2\n", 15,
		       "{'dialects':{'*':{'header':'3','delimiter':','}}}");
	expect_at(l, "columns.1.name", "y");
	expect_at(l, "preview.rows.0.row", "4");
	expect_at(l, "dialect.header", "3");
	l = look_bytes("a,b\nc,d\n", 8, "{'dialects':{'0':{'header':'no'}}}");
	expect_at(l, "count", "2");
	l = look(
	    "a,b\n1,2,3\n4,5\n6,7,\n8\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n");
	warned(l, "row_length");
	expect_at(l, "warnings.0.row", "2");
	expect_at(l, "warnings.0.args.count", "1");
	expect_at(l, "columns.1.nulls", "1");
}

static void test_inspect_quoted_line_breaks(void **state)
{
	json_object *l = look("a,b\n\"x\ny\nz\",1\nq,bad\nr,3\n");

	(void)state;
	expect_at(l, "columns.1.first_bad.row", "3");
	expect_at(l, "columns.1.first_bad.line", "5");
	expect_at(l, "preview.rows.0.cells.0", "x\ny\nz");
}

static void test_inspect_charsets(void **state)
{
	static const char gbk[] = "\xbe\xad\xb6\xc8,\xce\xb3\xb6\xc8,\xb5\xd8\xc3\xfb\n116.4,39.9,"
				  "\xb1\xb1\xbe\xa9\n121.5,31.2,\xc9\xcf\xba\xa3\n";
	static const char utf16[] = "\xff\xfe"
				    "a\0,\0b\0\n\0"
				    "1\0,\0\x2d\x4e\n\0";
	json_object *l = look_bytes(gbk, sizeof gbk - 1, NULL);

	(void)state;
	assert_non_null(l);
	expect_at(l, "encoding.charset", "GB18030");
	expect_at(l, "columns.0.name", "经度");
	expect_at(l, "preview.rows.1.cells.2", "上海");
	l = look_bytes(utf16, sizeof utf16 - 1, NULL);
	assert_non_null(l);
	expect_at(l, "preview.rows.0.cells.1", "中");
	assert_null(look_bytes(gbk, sizeof gbk - 1, "{'dialects':{'*':{'charset':'UTF-8'}}}"));
	expect_problem("csv_encoding");
	expect_at(job.problems, "0.row", "1");
	l = look_bytes("a,b\n1,\xe9\n", 8, "{'charset':'windows-1252'}");
	expect_at(l, "preview.rows.0.cells.1", "é");
	expect_at(l, "encoding.source", "save");
	l = look_bytes("\xEF\xBB\xBF"
		       "a,b\n1,\xc3\xa9\n",
		       12, "{'charset':'windows-1252'}");
	expect_at(l, "preview.rows.0.cells.1", "é");
	assert_null(look_bytes("a,b\n1,2\n", 8, "{'dialects':{'*':{'charset':'klingon'}}}"));
	expect_problem("charset_unknown");
}

/* One byte in the last row of many decides; the stream must not lose its place at buffer borders.
 */
static void test_inspect_late_bad_byte(void **state)
{
	size_t rows = 60000, len = 0;
	char *text = mem_alloc(rows * 40);
	json_object *l;

	(void)state;
	len += (size_t)sprintf(text, "name,n\n");
	for (size_t i = 0; i < rows; i++)
		len += (size_t)sprintf(text + len, "\xe5\x9f\x8e\xe5\xb8\x82 %zu,%zu\n", i, i);
	l = look_bytes(text, len, NULL);
	expect_at(l, "encoding.charset", "UTF-8");
	expect_at(l, "columns.1.max", "59999");
	expect_at(l, "columns.1.numeric", "60000");
	text[len - 3] = (char)0xff;
	l = look_bytes(text, len, "{'charset':'GB18030'}");
	assert_non_null(l);
	expect_at(l, "encoding.charset", "GB18030");
	assert_null(look_bytes(text, len, "{'dialects':{'*':{'charset':'utf-8'}}}"));
	expect_at(job.problems, "0.code", "csv_encoding");
	expect_at(job.problems, "0.row", "60001");
	expect_at(job.problems, "0.column", "n");
	free(text);
}

static void test_inspect_refuses(void **state)
{
	(void)state;
	refused("", NULL, "csv_no_rows");
	refused("\n\n\n", NULL, "csv_no_rows");
	refused("a,b,c\n", NULL, "csv_no_rows");
	assert_null(look_bytes("a,b\n1,2\n3,\0\n", 12, NULL));
	expect_problem("csv_binary");
	expect_at(job.problems, "0.row", "3");
	refused("a,b\n1,\"2\n3,4\n", NULL, "csv_open_quote");
	refused("a,b,c,d\n1,2,3,4\n", "{'limits':{'csv_max_columns':3}}", "csv_too_many_columns");
	refused("a,b\n1,xxxxxxxxxxx\n", "{'limits':{'csv_max_cell_bytes':10}}",
		"csv_cell_too_long");
}

static void test_inspect_geometry_columns(void **state)
{
	json_object *l =
	    look("id;wkt\n1;SRID=4490;POINT(1 2)\n2;\"SRID=4490;LINESTRING (0 0,5 6)\"\n");

	(void)state;
	l = look("id;wkt\n1;\"SRID=4490;POINT(1 2)\"\n2;\"SRID=4490;LINESTRING (0 0,5 6)\"\n");
	expect_at(l, "columns.1.geom.format", "EWKT");
	expect_at(l, "columns.1.geom.ok", "2");
	expect_at(l, "columns.1.geom.srid", "4490");
	expect_at(l, "extent.3", "6.0");
	l = look("id;shape\n1;{\"type\":\"Point\",\"coordinates\":[1,2]}\n2;oops\n");
	expect_at(l, "columns.1.geom.format", "GeoJSON");
	expect_at(l, "columns.1.geom.first_bad.row", "3");
	l = look("id,g\n1,0101000000000000000000F03F0000000000000040\n2,"
		 "0101000020E6100000000000000000F03F0000000000000040\n");
	expect_at(l, "columns.1.geom.format", "WKB");
	expect_at(l, "columns.1.geom.ok", "2");
	l = look("id,g\n1,pointless\n2,Tiny\n");
	expect_at(l, "columns.1.geom", "null");
}

static void test_inspect_times_in_text(void **state)
{
	json_object *l =
	    look("d,x\nsoon,1\n03/04/2017,2\n31/12/2016,3\n05/06/2015,4\n07/08/2014,5\n");
	size_t columns = 2000, len = 0;
	char *text = mem_alloc(columns * 40);

	(void)state;
	expect_at(l, "columns.0.time.format", "d/M/yyyy");
	expect_at(l, "columns.0.time.ok", "4");
	expect_at(l, "columns.0.time.bad", "1");
	expect_at(l, "columns.0.time.first_bad.value", "soon");
	expect_at(l, "columns.0.time.first_bad.row", "2");
	expect_at(l, "columns.1.time", "null");
	/* far more columns of dates than are searched at once */
	for (int row = 0; row < 3; row++)
		for (size_t i = 0; i < columns; i++)
			len += (size_t)sprintf(text + len, row == 0 ? "c%zu%c" : "2020-01-0%zu%c",
					       row == 0 ? i : i % 9 + 1,
					       i + 1 == columns ? '\n' : ',');
	l = look_bytes(text, len, NULL);
	assert_non_null(l);
	expect_at(l, "columns.0.time.ok", "2");
	expect_at(l, "columns.1999.type", "date");
	expect_at(l, "columns.1999.time", "null");
	free(text);
}

static void test_inspect_survey_order(void **state)
{
	json_object *l = look("pt,x,y\n1,4401234.5,39512345.6\n2,4401334.5,39512445.6\n");

	(void)state;
	expect_at(l, "columns.1.survey_x", "2");
	expect_at(l, "columns.2.survey_zone.zone", "39");
	expect_at(l, "columns.2.survey_zone.ok", "2");
}

static void test_inspect_leaves_a_preview(void **state)
{
	char path[640], *text;
	size_t len;

	(void)state;
	look("lat,lon\n1.5,2\nx,3\n\n4,5\n");
	snprintf(path, sizeof path, "%s/out/preview-0.json", job.dir);
	assert_int_equal(fs_read_file(AT_FDCWD, path, 1 << 18, &text, &len, NULL), ERR_OK);
	json_object *o = parse(text);
	expect_at(o, "features.0.geometry.coordinates", "[ 2, 1.5 ]");
	expect_at(o, "features.1.geometry.coordinates", "[ 5, 4 ]");
	json_object_put(o);
	free(text);
	unlink(path);
	look("a,b\n1.5,2\n");
	assert_int_not_equal(access(path, F_OK), 0);
}

/* ---- import */

/* Import what was inspected last; MORE: further members of the job's layer.  Caller frees; NULL:
 * refused. */
static json_object *take(const char *more)
{
	json_object *l = json_object_array_get_idx(layers, 0), *spec = json_copy(l),
		    *extra = quoted(more), *result;

	job_clean_out();
	json_set_str(spec, "table", "t");
	json_set_int(spec, "i", 0);
	json_set(spec, "charset", json_object_new_string(at(l, "encoding.charset")));
	json_set(spec, "srs", quoted("{'source':'EPSG:4326','target':''}"));
	json_object_object_foreach(extra, key, value) json_set(spec, key, json_object_get(value));
	json_object_put(extra);
	result = tables_import(&job, &src, spec);
	json_object_put(spec);
	return result;
}

static void test_import_points_and_types(void **state)
{
	json_object *r;

	(void)state;
	look("name,lat,lon,d,t,n,b,v\né,1.5,-2,2020-02-29,2020-02-29 "
	     "12:00:00+02:00,7,true,1e3\n=1+1,,,,,,,\nc,2,3,2021-01-01,"
	     "2021-01-01T00:00:00,NA,false,-\n");
	r = take("{'geometry':{'mode':'latlng','lat':1,'lng':2},'title':'Title'}");
	assert_non_null(r);
	expect_at(r, "rows.total", "3");
	expect_at(r, "rows.without_geometry", "1");
	expect_at(r, "geometry", "Point");
	expect_at(r, "type", "vector");
	expect_at(r, "crs.code", "EPSG:4326");
	expect_at(r, "extent.0", "-2.0");
	expect_at(r, "columns.5.nulls", "2");
	expect_at(r, "columns.3.min", "2020-02-29");
	expect("SELECT name || '|' || lat || '|' || d || '|' || t || '|' || n || '|' || b || '|' "
	       "|| v FROM t WHERE fid = 1",
	       "é|1.5|2020-02-29|2020-02-29T10:00:00.000Z|7|1|1000.0");
	expect("SELECT name FROM t WHERE fid = 2", "=1+1");
	expect("SELECT count(*) FROM t WHERE n IS NULL", "2");
	expect("SELECT typeof(n) || typeof(lat) || typeof(b) FROM t WHERE fid = 1",
	       "integerrealinteger");
	expect("SELECT hex(geom) FROM t WHERE fid = 1",
	       "47500001E6100000010100000000000000000000C0000000000000F83F");
	expect("SELECT identifier FROM gpkg_contents", "Title");
	assert_int_equal(job.report_total, 0);
	json_object_put(r);
}

static void test_import_bad_rows(void **state)
{
	json_object *r;
	char *text;

	(void)state;
	look("lat,lon,n\n1,2,a\nabc,2,b\n95,2,c\n4,5,d\n");
	r = take("{'geometry':{'mode':'latlng','lat':0,'lng':1}}");
	assert_non_null(r);
	expect_at(r, "rows.imported", "4");
	expect_at(r, "rows.without_geometry", "2");
	text = report();
	assert_non_null(strstr(text, "\"code\":\"csv_not_numeric\""));
	assert_non_null(strstr(text, "\"row\":3"));
	assert_non_null(strstr(text, "\"value\":\"abc\""));
	assert_non_null(strstr(text, "csv_out_of_range"));
	free(text);
	json_object_put(r);
	r = take("{'geometry':{'mode':'latlng','lat':0,'lng':1},'bad_rows':'skip'}");
	expect_at(r, "rows.imported", "2");
	expect_at(r, "rows.skipped", "2");
	expect("SELECT group_concat(n) FROM t", "a,d");
	json_object_put(r);
	assert_null(take("{'geometry':{'mode':'latlng','lat':0,'lng':1},'bad_rows':'fail'}"));
	expect_problem("csv_not_numeric");
	expect_at(job.problems, "0.row", "3");
	/* projected coordinates know no ±90 */
	r = take("{'geometry':{'mode':'latlng','lat':0,'lng':1},'srs':{'source':'EPSG:3857','"
		 "target':''}}");
	expect_at(r, "rows.without_geometry", "1");
	json_object_put(r);
}

static void test_import_without_geometry(void **state)
{
	json_object *r;

	(void)state;
	look("a,b\n1,x\n2,y\n");
	r = take("{'geometry':{'mode':'none'},'srs':null,'columns':[{'i':1,'name':'B "
		 "b','original':'b','type':'text','use':true},"
		 "{'i':0,'name':'a','type':'integer','use':false}]}");
	assert_non_null(r);
	expect_at(r, "type", "table");
	expect_at(r, "geometry", "None");
	expect_at(r, "crs", "null");
	expect_at(r, "info.b", "B b");
	expect("SELECT data_type FROM gpkg_contents", "attributes");
	expect("SELECT group_concat(\"B b\") FROM t", "x,y");
	expect("SELECT count(*) FROM pragma_table_info('t')", "2");
	json_object_put(r);
}

static void test_import_angles_and_commas(void **state)
{
	json_object *r;

	(void)state;
	look("n;lat;lon;v\n1;39°54'20\"N;116,5;1,25\n2;北纬39度54分20秒;W 10 "
	     "30;2,5\n3;-1,5;\"7\";\n");
	r = take("{'geometry':{'mode':'latlng','lat':1,'lng':2,'dms':true},'decimal':','}");
	assert_non_null(r);
	expect_at(r, "rows.without_geometry", "0");
	expect_at(r, "extent.0", "-10.5");
	expect_at(r, "extent.1", "-1.5");
	expect_at(r, "extent.2", "116.5");
	expect("SELECT group_concat(v) FROM t", "1.25,2.5");
	json_object_put(r);
}

static void test_import_geometry_column(void **state)
{
	json_object *r;

	(void)state;
	look("id;g\n1;POINT(1 2)\n2;\"MULTIPOINT(3 4,5 6)\"\n3;\n4;POINT(nan 3)\n5;POLYGON((0 "
	     "0)\n6;\"SRID=4326;POINT(7 8)\"\n"
	     "7;\"SRID=3857;POINT(7 8)\"\n");
	r = take("{'geometry':{'mode':'column','column':1}}");
	assert_non_null(r);
	expect_at(r, "geometry", "MultiPoint");
	expect_at(r, "rows.imported", "7");
	expect_at(r, "rows.without_geometry", "4");
	assert_int_equal(job.report_total, 3);
	expect("SELECT rtreecheck('rtree_t_geom')", "ok");
	expect("SELECT count(*) FROM rtree_t_geom", "3");
	json_object_put(r);
}

static void test_import_reprojects(void **state)
{
	json_object *r;

	(void)state;
	look("lat,lon\n0,0\n45,90\n90,0\n");
	r = take("{'geometry':{'mode':'latlng','lat':0,'lng':1},'srs':{'source':'EPSG:4326','"
		 "target':'EPSG:3857'}}");
	assert_non_null(r);
	expect_at(r, "crs.code", "EPSG:3857");
	expect("SELECT srs_id FROM gpkg_geometry_columns", "3857");
	expect("SELECT round(minx) || ' ' || round(miny) FROM rtree_t_geom WHERE id = 2",
	       "10018754.0 5621521.0");
	json_object_put(r);
	job_reset("{}");
	assert_null(take("{'geometry':{'mode':'latlng','lat':0,'lng':1},'srs':{'source':'EPSG:4326'"
			 ",'target':'EPSG:999999'}}"));
	expect_problem("target_invalid");
}

static void test_import_times(void **state)
{
	json_object *r;

	(void)state;
	look("d,e,y,t\n2020-01-01,2020-01-03,1999,03/04/2017\n2020-01-02,2020-01-01,-44,31/12/"
	     "2016\n2020-01-02,,2000,soon\n");
	r = take("{'geometry':{'mode':'none'},'time':{'start':{'column':0,'kind':'date','format':"
		 "null},'end':{'column':1,'kind':"
		 "'date'},'zone':'+08:00'}}");
	assert_non_null(r);
	expect_at(r, "time.positions", "2");
	expect_at(r, "time.bad", "1");
	expect_at(r, "time.start", "1577808000000");
	expect("SELECT _time_start FROM t WHERE fid = 1", "1577808000000");
	expect("SELECT _time_start IS NULL AND _time_end IS NULL FROM t WHERE fid = 2", "1");
	expect("SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name LIKE 'idx%'", "2");
	json_object_put(r);
	r = take("{'geometry':{'mode':'none'},'time':{'start':{'column':2,'kind':'year'},'end':{'"
		 "column':2,'kind':'year'}}}");
	expect("SELECT _time_end - _time_start FROM t WHERE fid = 3", "31622399999");
	expect("SELECT _time_start FROM t WHERE fid = 2", "-63555753600000");
	json_object_put(r);
	r = take("{'geometry':{'mode':'none'},'time':{'start':{'column':3,'kind':'text','format':'"
		 "d/M/yyyy'}}}");
	expect_at(r, "time.bad", "1");
	expect_at(r, "time.positions", "2");
	expect("SELECT _time_start FROM t WHERE fid = 1", "1491177600000");
	json_object_put(r);
}

static void test_import_retyped_columns(void **state)
{
	json_object *r;

	(void)state;
	look("a,b\n1,2\nx,3\n");
	r = take(
	    "{'geometry':{'mode':'none'},'columns':[{'i':0,'name':'a','type':'integer','use':true},"
	    "{'i':1,'name':'b','type':'text','use':true}]}");
	assert_non_null(r);
	expect("SELECT typeof(b) || coalesce(a, 'null') FROM t WHERE fid = 2", "textnull");
	assert_int_equal(job.report_total, 1);
	json_object_put(r);
}

static void test_import_same_text_as_inspected(void **state)
{
	static const char latin[] = "a,b\n1,\xe9t\xe9\n2,\x81\n";
	json_object *r;

	(void)state;
	assert_non_null(look_bytes(latin, sizeof latin - 1, "{'charset':'windows-1252'}"));
	r = take("{'geometry':{'mode':'none'}}");
	assert_non_null(r);
	expect("SELECT b FROM t WHERE fid = 1", "été");
	expect("SELECT b FROM t WHERE fid = 2", "\xEF\xBF\xBD");
	assert_int_equal(job.report_total, 1);
	json_object_put(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_inspect_plain),
	    cmocka_unit_test(test_inspect_types_of_all_rows),
	    cmocka_unit_test(test_inspect_dialects),
	    cmocka_unit_test(test_inspect_headers),
	    cmocka_unit_test(test_inspect_quoted_line_breaks),
	    cmocka_unit_test(test_inspect_charsets),
	    cmocka_unit_test(test_inspect_late_bad_byte),
	    cmocka_unit_test(test_inspect_refuses),
	    cmocka_unit_test(test_inspect_geometry_columns),
	    cmocka_unit_test(test_inspect_times_in_text),
	    cmocka_unit_test(test_inspect_survey_order),
	    cmocka_unit_test(test_inspect_leaves_a_preview),
	    cmocka_unit_test(test_import_points_and_types),
	    cmocka_unit_test(test_import_bad_rows),
	    cmocka_unit_test(test_import_without_geometry),
	    cmocka_unit_test(test_import_angles_and_commas),
	    cmocka_unit_test(test_import_geometry_column),
	    cmocka_unit_test(test_import_reprojects),
	    cmocka_unit_test(test_import_times),
	    cmocka_unit_test(test_import_retyped_columns),
	    cmocka_unit_test(test_import_same_text_as_inspected),
	};
	int rc = cmocka_run_group_tests(tests, jobs_begin, jobs_end);

	json_object_put(layers);
	return rc;
}
