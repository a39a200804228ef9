/*
 * Goal: workbooks are read as a spreadsheet shows them: sheets with the hidden ones last, dates as
 * ISO text with their time of day, cached values of formulas, gaps and repetitions counted, and
 * nothing read from what is broken.
 */
#include "geo/jobs.h"

#include <zip.h>
#include "geo/tables.h"

static json_object *layers;

struct part {
	const char *name, *text;
};

static void workbook(enum kind kind, const struct part *parts, size_t n)
{
	char path[640];
	zip_t *z;
	int e;

	source_set(kind, NULL, kind == KIND_ODS ? "1.ods" : "1.xlsx", "", 0);
	snprintf(path, sizeof path, "%s", src.path);
	unlink(path);
	z = zip_open(path, ZIP_CREATE, &e);
	assert_non_null(z);
	for (size_t i = 0; i < n; i++)
		assert_true(
		    zip_file_add(z, parts[i].name,
				 zip_source_buffer(z, parts[i].text, strlen(parts[i].text), 0),
				 0) >= 0);
	assert_int_equal(zip_close(z), 0);
	job_reset("{}");
}

static json_object *look(const char *spec)
{
	json_object_put(layers);
	layers = json_object_new_array();
	job_reset(spec);
	return tables_inspect(&job, &src, layers) == ERR_OK ? json_object_array_get_idx(layers, 0)
							    : NULL;
}

#define MAIN	"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
#define REL	"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#define PACKAGE "http://schemas.openxmlformats.org/package/2006/relationships"

static const char xlsx_sheet[] =
    "<worksheet xmlns='" MAIN "'><dimension ref='A1:H5'/><sheetData>"
    "<row r='1'><c r='A1' t='s'><v>0</v></c><c r='B1' t='s'><v>1</v></c><c r='C1' "
    "t='inlineStr'><is><t>day</t></is></c>"
    "<c r='D1' t='str'><v>at</v></c><c r='E1' t='inlineStr'><is><t>cl</t><t>ock</t></is></c><c "
    "r='F1' t='inlineStr'><is><t>ok</t>"
    "</is></c><c r='G1' t='inlineStr'><is><t>sum</t></is></c><c r='H1' "
    "t='inlineStr'><is><t>own</t></is></c></row>"
    "<row r='2'><c r='A2' t='s'><v>2</v></c><c r='B2'><v>39.899999999999999</v></c><c r='C2' "
    "s='1'><v>43832</v></c>"
    "<c r='D2' s='2'><v>43832.127835648149</v></c><c r='E2' s='3'><v>0.5</v></c><c r='F2' "
    "t='b'><v>1</v></c>"
    "<c r='G2'><f>1+2</f><v>3</v></c><c r='H2' s='4'><v>43832.25</v></c></row>"
    "<row r='4'><c r='A4'><v>7</v></c><c r='C4' s='1'><v>59</v></c><c r='D4' "
    "s='2'><v>43833</v></c><c r='F4' t='b'><v>0</v></c>"
    "<c r='G4' t='e'><v>#DIV/0!</v></c><c r='H4' t='e'><v>#N/A</v></c></row>"
    "<row r='5'><c r='A5' s='5'><v>1.25347222222222</v></c><c r='E5' s='6'><v>0.0625</v></c></row>"
    "<row r='6'><c r='E6' s='7'><v>0.0000578703703703704</v></c></row>"
    "<row><c t='s'><v>2</v></c><c><v>1</v></c></row></sheetData></worksheet>";

static const struct part xlsx[] = {
    {"_rels/.rels", "<Relationships xmlns='" PACKAGE "'><Relationship Id='r1' Type='" REL
		    "/officeDocument' Target='xl/workbook.xml'/>"
		    "</Relationships>"},
    {"xl/workbook.xml", "<workbook xmlns='" MAIN "' xmlns:r='" REL
			"'><sheets><sheet name='Secret' sheetId='1' r:id='rId1' "
			"state='hidden'/><sheet name='数据' sheetId='2' r:id='rId2'/><sheet "
			"name='Two' sheetId='3' r:id='rId3'/>"
			"</sheets></workbook>"},
    {"xl/_rels/workbook.xml.rels",
     "<Relationships xmlns='" PACKAGE "'><Relationship Id='rId1' Type='" REL
     "/worksheet' Target='worksheets/s1.xml'/>"
     "<Relationship Id='rId2' Type='" REL "/worksheet' Target='/xl/worksheets/s2.xml'/>"
     "<Relationship Id='rId3' Type='" REL
     "/worksheet' Target='worksheets/s3.xml'/></Relationships>"},
    {"xl/styles.xml",
     "<styleSheet xmlns='" MAIN
     "'><numFmts><numFmt numFmtId='164' formatCode='yyyy\\-mm\\-dd\\ h:mm:ss'/>"
     "<numFmt numFmtId='165' "
     "formatCode='[$-804]yyyy\"年\"m\"月\"d\"日\";@'/>"
     "<numFmt numFmtId='166' formatCode='[mm]:ss'/>"
     "<numFmt numFmtId='167' formatCode='[Magenta][ss].000'/></numFmts><cellStyleXfs><xf "
     "numFmtId='14'/>"
     "</cellStyleXfs><cellXfs><xf numFmtId='0'/><xf numFmtId='14'/><xf numFmtId='164'/><xf "
     "numFmtId='21'/>"
     "<xf numFmtId='165'/><xf numFmtId='46'/><xf numFmtId='166'/>"
     "<xf numFmtId='167'/></cellXfs></styleSheet>"},
    {"xl/sharedStrings.xml",
     "<sst xmlns='" MAIN "'><si><t>name</t></si><si><r><t>va</t></r><r><t>lue</t></r></si>"
     "<si><t>北京</t><rPh><t>ignored</t></rPh></si></sst>"},
    {"xl/worksheets/s1.xml",
     "<worksheet xmlns='" MAIN
     "'><sheetData><row r='1'><c r='A1'><v>1</v></c></row></sheetData></worksheet>"},
    {"xl/worksheets/s2.xml", xlsx_sheet},
    {"xl/worksheets/s3.xml",
     "<worksheet xmlns='" MAIN
     "'><sheetData><row r='3'><c r='B3' t='str'><v>y</v></c><c r='C3' t='str'>"
     "<v>x</v></c></row><row r='4'><c r='B4'><v>1</v></c><c "
     "r='C4'><v>2</v></c></row></sheetData></worksheet>"},
};

static void test_xlsx_cells(void **state)
{
	json_object *l;

	(void)state;
	workbook(KIND_XLSX, xlsx, sizeof xlsx / sizeof xlsx[0]);
	l = look("{}");
	assert_non_null(l);
	expect_at(l, "sheets.0.name", "数据");
	expect_at(l, "sheets.0.rows", "5");
	expect_at(l, "sheets.2.name", "Secret");
	expect_at(l, "sheets.2.hidden", "true");
	expect_at(l, "sheet", "数据");
	expect_at(l, "dialect.header", "yes");
	expect_at(l, "dialect.delimiter", "null");
	expect_at(l, "preview.columns",
		  "[ \"name\", \"value\", \"day\", \"at\", \"clock\", \"ok\", \"sum\", \"own\" ]");
	expect_at(l, "preview.rows.0.row", "2");
	expect_at(l, "preview.rows.0.cells",
		  "[ \"北京\", \"39.9\", \"2020-01-02\", \"2020-01-02T03:04:05\", \"12:00:00\", "
		  "\"true\", "
		  "\"3\", \"2020-01-02\" ]");
	expect_at(l, "preview.rows.1.row", "4");
	expect_at(l, "preview.rows.1.cells",
		  "[ \"7\", null, \"1900-02-28\", \"2020-01-03T00:00:00\", null, \"false\", "
		  "\"#DIV\\/0!\", null ]");
	/* Elapsed time goes on after a day. */
	expect_at(l, "preview.rows.2.row", "5");
	expect_at(l, "preview.rows.2.cells",
		  "[ \"30:05:00\", null, null, null, \"01:30:00\", null, null, null ]");
	expect_at(l, "preview.rows.3.cells.4", "00:00:05");
	expect_at(l, "preview.rows.4.row", "7");
	expect_at(l, "columns.2.type", "date");
	expect_at(l, "columns.3.type", "datetime");
	expect_at(l, "columns.5.type", "boolean");
	expect_at(l, "count", "5");
}

static void test_xlsx_chooses_sheet(void **state)
{
	json_object *l;

	(void)state;
	workbook(KIND_XLSX, xlsx, sizeof xlsx / sizeof xlsx[0]);
	l = look("{'dialects':{'*':{'sheet':'Two'}}}");
	assert_non_null(l);
	expect_at(l, "dialect.header", "3");
	expect_at(l, "columns.1.name", "y");
	expect_at(l, "columns.0.original", "column_1");
	expect_at(l, "preview.rows.0.row", "4");
	l = look("{'dialects':{'0':{'sheet':'2'}}}");
	expect_at(l, "sheet", "Two");
	assert_null(look("{'dialects':{'*':{'sheet':'Three'}}}"));
	expect_problem("sheet_unknown");
}

static void test_xlsx_import(void **state)
{
	json_object *l, *spec, *r;

	(void)state;
	workbook(KIND_XLSX, xlsx, sizeof xlsx / sizeof xlsx[0]);
	l = look("{'dialects':{'*':{'sheet':'Two'}}}");
	spec = json_copy(l);
	json_set_str(spec, "table", "t");
	json_set(spec, "srs", quoted("{'source':'EPSG:4326','target':''}"));
	json_set(spec, "geometry", quoted("{'mode':'latlng','lat':1,'lng':2}"));
	job_clean_out();
	r = tables_import(&job, &src, spec);
	assert_non_null(r);
	expect_at(r, "count", "1");
	expect_at(r, "extent.0", "2.0");
	expect("SELECT y + x FROM t", "3");
	json_object_put(r);
	json_object_put(spec);
}

#define OFFICE                                                                                     \
	"<office:document-content "                                                                \
	"xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' "                         \
	"xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0' "                           \
	"xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0' "                             \
	"xmlns:style='urn:oasis:names:tc:opendocument:xmlns:style:1.0'>"

static const struct part ods[] = {
    {"content.xml",
     OFFICE "<office:automatic-styles><style:style style:name='ta1' "
	    "style:family='table'><style:table-properties table:display='true'/>"
	    "</style:style><style:style style:name='ta2' "
	    "style:family='table'><style:table-properties table:display='false'/>"
	    "</style:style></office:automatic-styles><office:body><office:spreadsheet>"
	    "<table:table table:name='Gone' "
	    "table:style-name='ta2'><table:table-row><table:table-cell/></table:table-row></"
	    "table:table>"
	    "<table:table table:name='Data' table:style-name='ta1'><table:table-column/>"
	    "<table:table-row><table:table-cell "
	    "office:value-type='string'><text:p>a</text:p></table:table-cell>"
	    "<table:table-cell "
	    "office:value-type='string'><office:annotation><text:p>note</text:p></"
	    "office:annotation><text:p>b<text:s/>c"
	    "</text:p><text:p>d</text:p></table:table-cell><table:table-cell "
	    "office:value-type='string'><text:p>when</text:p>"
	    "</table:table-cell><table:table-cell "
	    "office:value-type='string'><text:p>clock</text:p></table:table-cell></table:table-row>"
	    "<table:table-row table:number-rows-repeated='2'><table:table-cell "
	    "office:value-type='float' office:value='1.5' "
	    "table:number-columns-repeated='2'><text:p>1,50</text:p></"
	    "table:table-cell><table:table-cell office:value-type='date' "
	    "office:date-value='2020-01-02T03:04:04.999999997'><text:p>02.01.20</text:p></"
	    "table:table-cell><table:table-cell "
	    "office:value-type='time' office:time-value='PT27H04M04.999999999S'/><table:table-cell "
	    "table:number-columns-repeated='16380'/>"
	    "</table:table-row><table:table-row "
	    "table:number-rows-repeated='10'><table:table-cell/></table:table-row>"
	    "<table:table-row><table:table-cell/><table:covered-table-cell/><table:table-cell "
	    "office:value-type='date' "
	    "office:date-value='2021-01-02'/></table:table-row><table:table-row "
	    "table:number-rows-repeated='1048562'><table:table-cell/>"
	    "</table:table-row></table:table></office:spreadsheet></office:body></"
	    "office:document-content>"},
};

static void test_ods_cells(void **state)
{
	json_object *l;

	(void)state;
	workbook(KIND_ODS, ods, 1);
	l = look("{}");
	assert_non_null(l);
	expect_at(l, "sheets.0.name", "Data");
	expect_at(l, "sheets.0.rows", "14");
	expect_at(l, "sheets.1.hidden", "true");
	expect_at(l, "columns.1.original", "b c\nd");
	expect_at(l, "count", "3");
	expect_at(l, "preview.rows.1.row", "3");
	expect_at(l, "preview.rows.1.cells",
		  "[ \"1.5\", \"1.5\", \"2020-01-02T03:04:05\", \"27:04:05\" ]");
	expect_at(l, "preview.rows.2.row", "14");
	expect_at(l, "preview.rows.2.cells.2", "2021-01-02");
	expect_at(l, "columns.2.type", "datetime");
}

static void test_broken_workbooks(void **state)
{
	const struct part nothing = {"mimetype", "x"};
	struct part parts[8];

	(void)state;
	workbook(KIND_XLSX, &nothing, 1);
	assert_null(look("{}"));
	expect_problem("format_unreadable");
	workbook(KIND_ODS, &nothing, 1);
	assert_null(look("{}"));
	expect_problem("format_unreadable");
	memcpy(parts, xlsx, sizeof xlsx);
	parts[6].text = "<worksheet><sheetData><row r='1'><c r='A1'><v>1</v></c></row><row "
			"r='2'><c><v>2</v></c></row><row r='1'/>";
	workbook(KIND_XLSX, parts, 8);
	assert_null(look("{}"));
	expect_problem("format_unreadable");
	parts[6].text = "<!DOCTYPE a [<!ENTITY b 'c'>]><worksheet><sheetData><row "
			"r='1'><c><v>1</v></c></row></sheetData></worksheet>";
	workbook(KIND_XLSX, parts, 8);
	assert_null(look("{}"));
	parts[6].text = "<worksheet><sheetData><row r='1'><c "
			"r='ZZZ1'><v>1</v></c></row></sheetData></worksheet>";
	workbook(KIND_XLSX, parts, 8);
	assert_null(look("{}"));
	expect_problem("csv_too_many_columns");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_xlsx_cells),	     cmocka_unit_test(test_xlsx_chooses_sheet),
	    cmocka_unit_test(test_xlsx_import),	     cmocka_unit_test(test_ods_cells),
	    cmocka_unit_test(test_broken_workbooks),
	};
	int rc = cmocka_run_group_tests(tests, jobs_begin, jobs_end);

	json_object_put(layers);
	return rc;
}
