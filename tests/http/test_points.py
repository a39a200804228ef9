"""Goal: tables become points, shapes or plain tables, and what does not fit is told with file, row, column and value
(wizard.md 9, 17; cases 23 - 27; section 21, rows on csv)."""
import io
import json
import re
import zipfile

import openpyxl

from harness import main
from made import WGS84, shapefile
from steps import JSON, code, finished, get, package, points, post, rows, saved, state, table


def refused(server, session, want, step="csv", **fields):
    """Strict and compat clients are refused with WANT, the session stays as it was; the first detail."""
    before = state(server, session)
    a = post(server, session, step, **fields)
    assert a.status == 400 and code(a) == want, (want, a)
    b = server.post(f"/upload/{step}?id={session}&force_ajax=true", fields)
    assert b.status == 200 and code(b) == want, (want, b)
    page = server.post(f"/upload/{step}?id={session}", fields, accept="text/html")
    assert page.status == 400 and 'role="alert"' in page.text, page
    after = state(server, session)
    assert {k: v for k, v in after.items() if k != "date"} == {k: v for k, v in before.items() if k != "date"}, (before, after)
    return a.json["details"][0]


def ninety_nine(extra="abc,5,bad"):
    return ["lat,lng,name"] + [f"{i % 80}.5,{i}.25,n{i}" for i in range(1, 100)] + [extra]


# ---- 23: bad rows

def test_one_bad_row_is_imported_without_geometry(server):
    done = points(server, "hundred", ninety_nine()[1:])
    assert done["rows"] == {"total": 100, "imported": 100, "without_geometry": 1, "skipped": 0}, done["rows"]
    assert done["dataset"]["count"] == 100
    warning, = [w for w in done["warnings"] if w["code"] == "csv_bad_rows"]
    assert "1" in warning["message"], warning
    with package(server, done["dataset"]["id"]) as db:
        assert db.execute("SELECT name FROM hundred WHERE geom IS NULL").fetchall() == [("bad",)]
    report = server.get(done["report"], accept="application/json").json
    assert [(r["row"], r["column"], r["value"]) for r in report["rows"]] == [(101, "lat", "abc")], report


def test_bad_rows_skip_and_fail(server):
    done = points(server, "skipped", ninety_nine()[1:], bad_rows="skip")
    assert done["rows"]["skipped"] == 1 and done["dataset"]["count"] == 99, done["rows"]
    session = saved(server, table("failed.csv", *ninety_nine()))
    d = refused(server, session, "csv_bad_rows", lat="lat", lng="lng", bad_rows="fail")
    assert d["row"] == 101 and d["value"] == "abc" and d["file"] == "failed.csv", d
    assert post(server, session, "csv", lat="lat", lng="lng").status == 200


def test_pages_lead_to_the_report(server):
    done = points(server, "reported", ninety_nine()[1:])
    path = f"/datasets/{done['dataset']['id']}"
    assert done["report"] and server.get(path, accept="application/json").json["report"] == done["report"]
    assert f'href="{done["report"]}"' in server.get(path, accept="text/html").text
    clean = points(server, "clean", ["1,2,a"])
    path = f"/datasets/{clean['dataset']['id']}"
    assert clean["report"] is None and server.get(path, accept="application/json").json["report"] is None
    # Whoever may only see the dataset is not led to its owner's session.
    done = points(server, "public", ninety_nine()[1:], access="view")
    path = f"/datasets/{done['dataset']['id']}"
    assert server.get(path, accept="application/json").json["report"] == done["report"]
    for user in ("otto", None):
        a = server.get(path, accept="application/json", user=user)
        assert a.status == 200 and a.json["report"] is None, a


# ---- 24: geometry columns, plain tables

def test_wkt_with_srid_needs_no_srs_page(server):
    session = saved(server, ("shapes.csv", b'name,wkt\na,"SRID=3857;POINT(1001875 6446275)"\nb,SRID=3857;POINT(0 0)\n'))
    page = get(server, session, "csv").json["page"]
    assert [c["column"] for c in page["geometry_candidates"]] == ["wkt"] and page["selected_geometry"] == "wkt", page
    a = post(server, session, "csv", geometry="column", geom_column="wkt")
    assert a.status == 200 and "/upload/check" in a.json["redirect_to"] and "required_input" not in a.json, a
    done = finished(server, session)
    assert done["crs"]["properties"] == "EPSG:3857" and done["bbox"] == "0,0,1001875,6446275", done


def test_geojson_geometry_needs_no_srs_page(server):
    cell = json.dumps({"type": "Point", "coordinates": [8.5, 50.5]}).replace('"', '""')
    session = saved(server, ("gj.csv", f'name,geom\na,"{cell}"\nb,"{cell}"\n'.encode()))
    a = post(server, session, "csv", geometry="column", geom_column="geom")
    assert a.status == 200 and "/upload/check" in a.json["redirect_to"], a
    done = finished(server, session)
    assert done["crs"]["properties"] == "EPSG:4326" and done["bbox"] == "8.5,50.5,8.5,50.5", done


def test_plain_wkt_asks_for_the_srs(server):
    session = saved(server, ("plain.csv", b'name,wkt\na,"LINESTRING(0 0,1 1)"\nb,"LINESTRING(2 2,3 3)"\n'))
    a = post(server, session, "csv", geometry="column", geom_column="wkt")
    assert a.json["required_input"] is True and "/upload/srs" in a.json["redirect_to"], a
    post(server, session, "srs", source="EPSG:4326")
    assert finished(server, session)["dataset"]["geometry"] == "LineString"


def test_no_geometry_makes_a_table(server):
    session = saved(server, table("people.csv", "name,age", "Ada,36", "Alan,41"))
    a = post(server, session, "csv", geometry="none")
    assert a.status == 200 and "/upload/check" in a.json["redirect_to"], a
    a = get(server, session, "srs")
    assert a.status == 409 and code(a) == "step_not_in_list", a
    done = finished(server, session)
    assert done["dataset"]["type"] == "table" and done["crs"] is None and done["bbox"] == "" and done["dataset"]["crs"] is None, done
    assert rows(server, done["dataset"]["id"], "name", "age") == [("Ada", 36), ("Alan", 41)]
    a = server.get(f"/datasets/{done['dataset']['id']}/download?format=csv")
    assert a.status == 200 and a.text.lstrip("\ufeff").splitlines() == ["name,age", "Ada,36", "Alan,41"], a


def test_geometry_column_that_does_not_parse_is_refused(server):
    session = saved(server, ("bad.csv", b"name,wkt\na,POINT(1 2)\nb,POINT(x y)\nc,nonsense\n"))
    d = refused(server, session, "csv_geometry_bad", geometry="column", geom_column="wkt")
    assert d["row"] == 3 and d["column"] == "wkt" and d["value"] == "POINT(x y)" and d["file"] == "bad.csv", d


# ---- 25: Chinese survey order

def test_chinese_survey_order_is_proposed(server):
    session = saved(server, table("kzd.csv", "点号,x,y", "P1,4426789.123,39512345.678", "P2,4426800.5,39512400.25"))
    page = get(server, session, "csv").json["page"]
    assert page["selected_lat"] == "x" and page["selected_lng"] == "y" and page["reason"], page
    assert post(server, session, "csv", lat="x", lng="y").status == 200
    srs = get(server, session, "srs").json["page"]
    assert "EPSG:4527" in [c["code"] for c in srs["layers"][0]["candidates"] + srs["supported_crs"]], srs
    a = post(server, session, "srs", source="EPSG:4527")
    assert a.status == 200 and not any(w["code"] == "crs_implausible" for w in a.json.get("warnings", [])), a
    done = finished(server, session)
    assert done["bbox"].split(",")[0].startswith("39512345") and done["crs"]["properties"] == "EPSG:4527", done


# ---- 26: workbooks

def workbook(name, *sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, lines in sheets:
        sheet = book.create_sheet(title)
        for line in lines:
            sheet.append(line)
    out = io.BytesIO()
    book.save(out)
    return name, out.getvalue()


def ods(name, *sheets):
    """An OpenDocument spreadsheet of text, number and date cells."""
    def cell(v):
        if hasattr(v, "isoformat"):
            return f'<table:table-cell office:value-type="date" office:date-value="{v.isoformat()[:10]}"><text:p>{v}</text:p></table:table-cell>'
        if isinstance(v, (int, float)):
            return f'<table:table-cell office:value-type="float" office:value="{v}"><text:p>{v}</text:p></table:table-cell>'
        return f'<table:table-cell office:value-type="string"><text:p>{v}</text:p></table:table-cell>'
    body = "".join(f'<table:table table:name="{title}">' + "".join(
        "<table:table-row>" + "".join(map(cell, line)) + "</table:table-row>" for line in lines) + "</table:table>"
        for title, lines in sheets)
    ns = "urn:oasis:names:tc:opendocument:xmlns"
    xml = (f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{ns}:office:1.0" '
           f'xmlns:table="{ns}:table:1.0" xmlns:text="{ns}:text:1.0" office:version="1.2"><office:body><office:spreadsheet>'
           f"{body}</office:spreadsheet></office:body></office:document-content>")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr(zipfile.ZipInfo("mimetype"), "application/vnd.oasis.opendocument.spreadsheet")
        z.writestr("content.xml", xml)
        z.writestr("META-INF/manifest.xml", '<?xml version="1.0"?><manifest:manifest xmlns:manifest='
                   f'"{ns}:manifest:1.0"><manifest:file-entry manifest:full-path="/" '
                   'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>')
    return name, out.getvalue()


def check_workbook(server, make, name):
    import datetime
    day = datetime.datetime(2024, 3, 1)
    session = saved(server, make(name, ("Notes", [["what"], ["nothing here"]]),
                                 ("Stations", [["lat", "lng", "name", "since"], [50.5, 8.5, "a", day], [51.5, 9.5, "b", day]])))
    page = get(server, session, "csv").json["page"]
    assert [s["name"] for s in page["sheets"]] == ["Notes", "Stations"], page["sheets"]
    a = post(server, session, "csv", sheet="2", action="preview")
    assert a.status == 200 and a.json["page"]["sheet"] == "Stations", a
    assert a.json["page"]["preview"]["rows"][0]["cells"][:3] == ["50.5", "8.5", "a"], a.json["page"]["preview"]
    d = refused(server, session, "csv_not_numeric", sheet="Stations", lat="since", lng="lng")
    assert d["row"] == 2 and d["column"] == "since" and d["value"].startswith("2024-03-01"), d
    d = refused(server, session, "sheet_unknown", sheet="Nowhere", lat="lat", lng="lng")
    a = post(server, session, "csv", sheet="Stations", lat="lat", lng="lng")
    assert a.status == 200, a
    post(server, session, "srs", source="EPSG:4326")
    done = finished(server, session)
    assert done["dataset"]["count"] == 2 and done["bbox"] == "8.5,50.5,9.5,51.5", done
    since = [c for c in done["dataset"]["columns"] if c["name"] == "since"][0]
    assert since["type"] in ("date", "datetime"), since


def test_xlsx_second_sheet_and_dates(server):
    check_workbook(server, workbook, "book.xlsx")


def test_formulas_without_results_are_told(server):
    """Programs that calculate nothing write the formula alone; a result may be empty text."""
    name, data = workbook("sums.xlsx", ("Sums", [["id", "sum", "note"], [1, "=A2*2", "x"], [2, "=A3*2", "y"], [3, 7, "z"]]))
    for head, cells, want in ((b"", (b"<v></v>", b"<v />"), 2), (b"", (b"<v>2</v>", b"<v>4</v>"), None),
                              (b' t="str"', (b"<v></v>", b"<v>q</v>"), None)):
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
            for member in old.namelist():
                text = old.read(member)
                for n, cell in enumerate(cells, 2):
                    was = re.search(b'<c r="B%d"><f>[^<]*</f><v ?/?>(</v>)?</c>' % n, text)
                    if was:
                        text = text.replace(was[0], was[0][:9] + head + re.sub(b"<v.*", cell + b"</c>", was[0][9:]))
                new.writestr(member, text)
        session = saved(server, (name, out.getvalue()))
        told = server.get(f"/upload/?id={session}", accept=JSON).json.get("warnings", [])
        told = [w for w in told if w["code"] == "formulas_unsolved"]
        assert [w["row"] for w in told] == ([want] if want else []), (cells, told)
        assert not told or told[0]["message"].startswith("2 formulas of sums.xlsx have no result"), told


def test_cells_of_workbooks_that_come_in_otherwise_are_told(server):
    """Errors that mean no value, and times that the format of a day hides."""
    import datetime

    def told(file):
        session = saved(server, file)
        return [(w["code"], w["row"], w["message"].split()[0]) for w in server.get(f"/upload/?id={session}", accept=JSON).json.get("warnings", [])]
    book = openpyxl.Workbook()
    for line in (["id", "day", "v"], [1, datetime.datetime(2020, 1, 2), 5], [2, datetime.datetime(2020, 1, 3, 13, 45), "#N/A"],
                 [3, datetime.datetime(2020, 1, 4, 0, 0, 1), "#N/A"]):
        book.active.append(line)
    for line in range(2, 5):
        book.active.cell(line, 2).number_format = "yyyy-mm-dd"
    out = io.BytesIO()
    book.save(out)
    assert told(("odd.xlsx", out.getvalue())) == [("rows_error_cells", 3, "2"), ("times_hidden", 3, "2")]
    assert told(workbook("fine.xlsx", ("a", [["id", "day"], [1, datetime.datetime(2020, 1, 2, 13, 45)], [2, datetime.date(2020, 1, 3)]]))) == []
    name, data = ods("odd.ods", ("a", [["id", "v"], [1, 5], [2, "WRONG"]]))
    data, was = io.BytesIO(), zipfile.ZipFile(io.BytesIO(data))
    with zipfile.ZipFile(data, "w") as z:
        for member in was.namelist():
            z.writestr(member, was.read(member).replace(b'"string"><text:p>WRONG', b'"string" office:string-value="" '
                       b'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" calcext:value-type="error"><text:p>#N/A'))
    assert told((name, data.getvalue())) == [("rows_error_cells", 3, "1")]


def test_ods_second_sheet_and_dates(server):
    check_workbook(server, ods, "book.ods")


# ---- 27: encodings of DBF files

NAMES = ["北京市", "上海市"]
SPOTS = [(116.4, 39.9), (121.5, 31.2)]


def chinese(stem, encoding, **side):
    return shapefile(stem, SPOTS, [("name", 12, [n.encode(encoding) for n in NAMES])], **side)


def names_of(server, session):
    post(server, session, "srs", source="EPSG:4326")
    done = finished(server, session)
    return [r[0] for r in rows(server, done["dataset"]["id"], "name")], done


def test_dbf_language_byte_tells_the_encoding(server):
    names, _ = names_of(server, saved(server, *chinese("byte", "gbk", language=0x4D)))
    assert names == NAMES


def test_fields_of_a_dbf_stay_what_they_are(server):
    """Ids in fields of 20 digits, as databases write them; texts in a file of their own are not read, and told."""
    files = shapefile("wide", [(1, 2), (3, 4)], [("id", 20, [b" 1234567890123456789", b"7".rjust(20)]),
                                                 ("far", 20, [b"12345678901234567890", b"7".rjust(20)]), ("memo", 10, [b"1", b"2"])], prj=WGS84)
    dbf = bytearray(files[2][1])
    dbf[32 + 11] = dbf[64 + 11] = ord("N")
    dbf[96 + 11] = ord("M")
    session = saved(server, *files[:2], ("wide.dbf", bytes(dbf)), files[3])
    told = server.get(f"/upload/?id={session}", accept=JSON).json["warnings"]
    assert [w["message"].partition(": ")[2] for w in told] == ["wide.shp memo (.dbt)"], told
    done = finished(server, session)
    assert {c["name"]: c["type"] for c in done["dataset"]["columns"]}["id"] == "integer", done
    assert rows(server, done["dataset"]["id"], "id", "far") == [(1234567890123456789, 12345678901234567890.0), (7, 7.0)]


def test_cpg_that_lies_is_overruled(server):
    session = saved(server, *chinese("lie", "gbk", cpg=b"UTF-8"))
    warnings = server.get(f"/upload/?id={session}", accept="application/json").json["warnings"]
    assert "charset_mismatch" in [w["code"] for w in warnings], warnings
    names, done = names_of(server, session)
    assert names == NAMES and done["dataset"]["count"] == 2


def test_encoding_is_corrected_on_the_srs_page(server):
    names = [n.encode("big5") for n in ("臺北市", "高雄市")]
    session = saved(server, *shapefile("tw", SPOTS, [("name", 12, names)], cpg=b"GBK"))
    page = server.get(f"/upload/srs?id={session}", accept="text/html")
    assert page.status == 200 and 'name="charset"' in page.text, page
    a = post(server, session, "srs", source="EPSG:4326", charset="Big5")
    assert a.status == 200, a
    done = finished(server, session)
    assert [r[0] for r in rows(server, done["dataset"]["id"], "name")] == ["臺北市", "高雄市"]
    session = saved(server, *chinese("klingon", "gbk"))
    a = post(server, session, "srs", source="EPSG:4326", charset="klingon")
    assert a.status == 400 and code(a) == "charset_unknown", a


# ---- section 21

def test_column_choices_are_checked(server):
    session = saved(server, table("cities.csv", "a,b,name", "1.5,2.5,Beijing", "3,4,Köln"))
    d = refused(server, session, "csv_same_column", lat="a", lng="a")
    assert d["message"].startswith("You cannot select the same column for latitude and longitude data."), d
    d = refused(server, session, "csv_columns_missing", lat="None", lng="None")
    assert d["message"].startswith("Please choose which columns contain the latitude and longitude data."), d
    d = refused(server, session, "csv_columns_missing", lat="", lng="b")
    d = refused(server, session, "csv_column_unknown", lat="nosuch", lng="b")
    assert d["message"].startswith("Invalid latitude/longitude columns") and "name" in d["message"], d
    d = refused(server, session, "csv_not_numeric", lat="name", lng="b")
    assert (d["file"], d["row"], d["column"], d["value"]) == ("cities.csv", 2, "name", "Beijing"), d
    assert "name" in d["message"] and "Beijing" in d["message"] and d["hint"], d


def test_encoding_and_types_are_checked(server):
    session = saved(server, ("gbk.csv", "lat,lng,名称\n1,2,北京\n3,4,上海\n".encode("gbk")))
    page = get(server, session, "csv").json["page"]
    assert page["columns"][2]["name"] == "名称" and page["dialect"]["charset"] == "GB18030", page["dialect"]
    d = refused(server, session, "csv_encoding", lat="lat", lng="lng", charset="UTF-8")
    assert d["row"] == 1 and d["column"], d
    assert get(server, session, "csv").json["page"]["dialect"]["charset"] == "GB18030"
    session = saved(server, table("n.csv", "lat,lng,n", "1,2,5", "3,4,n/s"))
    d = refused(server, session, "csv_type", lat="lat", lng="lng", col_2_type="integer")
    assert d["row"] == 3 and d["column"] == "n" and d["value"] == "n/s", d


def test_csv_step_is_not_for_shapefiles(server):
    session = saved(server, *shapefile("roads", [(1, 2), (3, 4)]))
    a = get(server, session, "csv")
    assert a.status == 409 and code(a) == "step_not_in_list" and a.json["redirect_to"] == f"/upload/srs?id={session}", a
    page = get(server, session, "csv", accept="text/html")
    assert page.status == 303 and page.header("Location").startswith(f"/upload/srs?id={session}"), page


def test_srs_input_is_checked(server):
    session = saved(server, *shapefile("srs", [(1, 2), (3, 4)]))
    for source, want in (("EPSG:999999", "srs_unknown"), ("foo", "srs_invalid"), ("EPSG:4978", "srs_kind"), ("", "srs_missing")):
        d = refused(server, session, want, step="srs", source=source)
        assert "Source SRS is not valid" in d["message"], d
    d = refused(server, session, "target_invalid", step="srs", source="EPSG:4326", target="foo")
    assert "Target SRS is not valid" in d["message"], d
    a = server.request("POST", f"/upload/srs?id={session}", body=json.dumps({"source_wkt": "G" * 900_000}),
                       headers={"Content-Type": "application/json", "Accept": "application/json"})
    assert a.status == 400 and code(a) == "srs_invalid", a
    assert a.json["error_msg"].count("GGGG") < 30, a.json["error_msg"][:300]


if __name__ == "__main__":
    import test_points
    main(test_points)
