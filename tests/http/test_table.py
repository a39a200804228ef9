"""Goal: tables of any dialect and encoding are read as a spreadsheet shows them, columns are guessed, checked and told apart
(contracts: wizard 9, 17.1; cases 21, 22 and 21's rows of csv)."""
import io
import os
import re
import sys

import openpyxl

from harness import main, multipart
from made import HTML, Browser, Page, drop, refused, shapefile, zipped

JSON = "application/json"


def table(server, data, name="t.csv", strict=False, **fields):
    if isinstance(data, str):
        data = data.encode()
    a = server.save((name, data), fields=fields, strict=strict)
    assert a.status in (200, 201), a
    return a


def page_of(server, a):
    got = server.get(f"/upload/csv?id={a.json['id']}", accept=JSON)
    assert got.status == 200, got
    return got.json["page"]


def read(server, data, name="t.csv", **fields):
    """The csv page of DATA; the session is gone again."""
    a = table(server, data, name, **fields)
    page = page_of(server, a)
    drop(server, a)
    return page


def cells(page):
    return [r["cells"] for r in page["preview"]["rows"]]


def names(page):
    return [c["name"] for c in page["columns"]]


def types(page):
    return {c["name"]: c["type"] for c in page["columns"]}


def finish(server, a, **columns):
    """Through csv and srs to the finished answer."""
    n = a.json["id"]
    b = server.post(f"/upload/csv?id={n}", columns)
    assert b.json["success"] is True, b
    if "/upload/srs" in b.json["redirect_to"] and "required_input" in b.json:
        b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"})
        assert b.json["success"] is True, b
    f = server.wait_finished(n)
    assert f.json["status"] == "finished", f
    return f.json


def download(server, dataset, fmt="csv"):
    for _ in range(100):
        a = server.get(f"/datasets/{dataset}/download?format={fmt}")
        if a.status == 200:
            return a
        import time
        time.sleep(0.1)
    raise AssertionError(a)


# ---- dialects

def test_semicolon_decimal_comma_and_mark(server):
    data = "\ufefflat;lon;name\n52,5;13,4;Berlin\n48,1;11,6;München\n".encode()
    page = read(server, data)
    d = page["dialect"]
    assert d["delimiter"] == ";" and d["decimal"] in ("auto", ",") and d["charset"] == "UTF-8" and d["header"] == "yes", d
    assert names(page) == ["lat", "lon", "name"], "the mark is no part of the name"
    assert types(page) == {"lat": "real", "lon": "real", "name": "text"}, page["columns"]
    assert cells(page)[1][2] == "München"
    a = table(server, data)
    f = finish(server, a, lat="lat", lng="lon")
    assert f["bbox"] == "11.6,48.1,13.4,52.5", f["bbox"]


def test_sep_line_pipe_tab_and_space(server):
    page = read(server, "sep=|\nlat|lon\n1|2\n3|4\n")
    assert page["dialect"]["delimiter"] == "|" and names(page) == ["lat", "lon"] and cells(page) == [["1", "2"], ["3", "4"]], page
    page = read(server, "lat\tlon\n1\t2\n3\t4\n", name="t.tsv")
    assert page["dialect"]["delimiter"] == "tab" and names(page) == ["lat", "lon"], page["dialect"]
    page = read(server, "lat\tlon\n1\t2\n", name="t.txt")
    assert names(page) == ["lat", "lon"]
    page = read(server, "one\ntwo\nthree\n")
    assert names(page) == ["one"] and page["preview"]["total_rows"] == 2, page


def test_one_column_is_told(server):
    a = table(server, "name\nx\ny\n")
    assert "csv_one_column" in [w["code"] for w in a.json.get("warnings", [])], a
    drop(server, a)
    a = table(server, "a,b,c\n1,2\n3,4,5\n6,7,8,\n")      # ragged, but not one column
    assert "csv_one_column" not in [w["code"] for w in a.json.get("warnings", [])], a
    drop(server, a)


def test_rows_are_numbered_as_a_spreadsheet_does(server):
    data = 'lat,lon,note\n1,2,"first\nsecond line"\n\n3,4,x\nbad,6,y\n' + "7,8,z\n" * 9
    page = read(server, data)
    rows = page["preview"]["rows"]
    assert [r["row"] for r in rows[:3]] == [2, 4, 5], rows[:3]
    assert rows[0]["cells"][2] == "first\nsecond line" and page["preview"]["total_rows"] == 12, page["preview"]
    lat = page["columns"][0]
    assert lat["first_bad"]["row"] == 5 and lat["first_bad"]["value"] == "bad", lat
    a = table(server, data)
    b = server.post(f"/upload/csv?id={a.json['id']}", {"lat": "lat", "lng": "lon", "bad_rows": "fail"})
    d = b.json["details"][0]
    assert b.json["success"] is False and d["row"] == 5 and d["line"] == 6 and d["column"] == "lat" and d["value"] == "bad", b
    drop(server, a)


def test_headers(server):
    page = read(server, "a,a,A,,a\n1,2,3,4,5\n")
    assert names(page)[0] == "a" and len(set(n.lower() for n in names(page))) == 5, names(page)
    page = read(server, "id,name,name\n1,x,y\n")
    assert names(page) == ["id", "name", "name_2"], names(page)
    a = table(server, "1,2,x\n3,4,y\n")
    page = page_of(server, a)
    assert page["dialect"]["header"] == "no" and names(page) == ["column_1", "column_2", "column_3"], page
    assert page["preview"]["rows"][0] == {"row": 1, "cells": ["1", "2", "x"]} and page["preview"]["total_rows"] == 2
    w = [x for x in a.json.get("warnings", []) if x["code"] == "csv_suspicious_header"]
    assert w, a
    drop(server, a)
    a = table(server, "Report of today,,\n\nlat,lon,name\n1,2,x\n3,4,y\n")
    b = server.post(f"/upload/csv?id={a.json['id']}", {"header": "3", "lat": "lat", "lng": "lon"})
    assert b.json["success"] is True, b
    page = page_of(server, a)
    assert names(page) == ["lat", "lon", "name"] and page["preview"]["rows"][0] == {"row": 4, "cells": ["1", "2", "x"]}, page["preview"]
    drop(server, a)


def test_trailing_rows_and_line_ends(server):
    page = read(server, "lat,lon\r\n1,2\r3,4\n\n\r\n\n")
    assert page["preview"]["total_rows"] == 2 and cells(page) == [["1", "2"], ["3", "4"]], page["preview"]
    page = read(server, "lat,lon\n1,2\n3,4\n,,\n,\n")
    assert cells(page)[:2] == [["1", "2"], ["3", "4"]]
    page = read(server, "a,b,c\n1\n1,2,3,4\n5,6,7\n")
    assert [[c or "" for c in row] for row in cells(page)] == [["1", "", ""], ["1", "2", "3"], ["5", "6", "7"]], cells(page)


def test_surplus_cells_are_reported(server):
    a = table(server, "a,b\n1,2\n3,4,5\n6,7\n")
    w = {x["code"]: x for x in a.json.get("warnings", [])}
    assert "row_length" in w and w["row_length"]["row"] == 3, a
    drop(server, a)


def test_types_come_from_all_rows(server):
    rows = "".join(f"{i},{i}.5,0{i},2024-01-{i % 28 + 1:02d},true,{i}\n" for i in range(10, 2000))
    page = read(server, "n,r,zip,day,flag,late\n" + rows + "5,1.5,007,2024-02-01,false,n/s\n")
    assert types(page) == {"n": "integer", "r": "real", "zip": "text", "day": "date", "flag": "boolean", "late": "text"}, types(page)
    page = read(server, "n,big,empty\n1,1234567890123456789,\nNULL,2,-\n3,4,n/a\n")
    assert types(page)["n"] == "integer" and types(page)["big"] == "text", types(page)
    assert page["columns"][0]["nulls"] == 1, page["columns"][0]
    page = read(server, "who,tel,diff\na,+4930123456,+5\nb,+8613900000000,-3\n")      # telephone numbers keep their sign
    assert types(page) == {"who": "text", "tel": "text", "diff": "integer"}, types(page)


def test_unusable_tables(server):
    before = server.traces()
    for data, code in ((b"lat,lon\n", "csv_no_rows"), (b"lat,lon\n1,\x00\n", "csv_binary"),
                       (",".join(f"c{i}" for i in range(2001)).encode() + b"\n" + b"1," * 2000 + b"1\n", "csv_too_many_columns")):
        a = server.save(("bad.csv", data))
        d = refused(a, 400, code, "bad.csv")
        assert d["file"] == "bad.csv" and (code != "csv_binary" or d["row"] == 2), d
        assert server.save(("bad.csv", data), strict=False).status == 400
    from harness import nothing_left
    nothing_left(server, before)


# ---- encodings

CHINESE = "名称,经度,纬度\n故宫,116.39,39.92\n外滩,121.49,31.24\n泰山,117.1,36.25\n"


def test_encodings_are_found(server):
    cases = [(CHINESE.encode("gb18030"), "GB18030"), (CHINESE.encode(), "UTF-8"), (CHINESE.encode("utf-16"), "UTF-16"),
             (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "UTF-16"), (CHINESE.encode("utf-16-le"), "UTF-16LE"),
             (CHINESE.encode("utf-16-be"), "UTF-16BE")]
    for data, charset in cases:
        for fields in ({}, {"charset": "UTF-8"}, {"charset": "undefined"}):
            a = table(server, data, **fields)
            page = page_of(server, a)
            assert page["dialect"]["charset"].startswith(charset), (charset, page["dialect"])
            assert names(page) == ["名称", "经度", "纬度"] and cells(page)[0][0] == "故宫", (charset, fields, page)
            assert page["selected_lat"] == "纬度" and page["selected_lng"] == "经度", page
            drop(server, a)


def test_big5_is_found_or_chosen(server):
    text = "名稱,經度,緯度\n" + "".join(f"臺北市政府第{i}辦公室與圖書館,121.5{i % 10},25.0{i % 10}\n" for i in range(40))
    page = read(server, text.encode("big5"))
    assert page["dialect"]["charset"] == "Big5" and cells(page)[0][0] == "臺北市政府第0辦公室與圖書館", (page["dialect"], cells(page)[0])
    page = read(server, text.encode("big5"), charset="Big5")
    assert page["dialect"]["charset"] == "Big5" and names(page) == ["名稱", "經度", "緯度"]


def test_gbk_sent_as_utf8_is_imported_right(server):
    """GeoNode's scripts always say UTF-8."""
    a = table(server, CHINESE.encode("gbk"), charset="UTF-8", name="景点.csv")
    f = finish(server, a, lat="纬度", lng="经度")
    assert f["name"] == "景点" and [c["name"] for c in f["dataset"]["columns"]] == ["名称", "经度", "纬度"], f
    assert "故宫" in download(server, f["dataset"]["id"]).text


def test_charset_of_the_page_decides(server):
    a = table(server, "n,lat,lon\nMünchen,48,11\nÅrhus,56,10\n".encode("latin-1"))
    n = a.json["id"]
    b = server.post(f"/upload/csv?id={n}", {"charset": "UTF-8", "lat": "lat", "lng": "lon"})
    d = refused(b, 200, "csv_encoding", "t.csv")
    assert d["row"] == 2 and d["column"] == "n", d
    c = server.post(f"/upload/csv?id={n}", {"charset": "ISO-8859-1", "action": "preview"}, accept=JSON)
    assert c.status == 200 and cells(c.json["page"])[0][0] == "München", c
    refused(server.post(f"/upload/csv?id={n}", {"charset": "klingon", "lat": "lat", "lng": "lon"}), 200, "charset_unknown", "klingon")
    d = server.post(f"/upload/csv?id={n}", {"charset": "windows-1252", "lat": "lat", "lng": "lon"})
    assert d.json["success"] is True, d
    drop(server, a)


def test_gbk_read_as_utf8_is_an_error_with_its_place(server):
    a = table(server, CHINESE.encode("gbk"))
    d = refused(server.post(f"/upload/csv?id={a.json['id']}", {"charset": "UTF-8", "lat": "纬度", "lng": "经度"}), 200, "csv_encoding")
    assert d["row"] == 1 and d["file"] == "t.csv", d
    # Nothing has changed.
    assert page_of(server, a)["dialect"]["charset"] == "GB18030"
    drop(server, a)


def front_memory(server):
    """Peak resident KiB of the largest front of SERVER."""
    parents, peaks = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status") as f:
                text = f.read()
            parents[int(pid)] = int(re.search(r"PPid:\s+(\d+)", text)[1])
            if text.startswith("Name:\tslipway.fcgi"):
                peaks[int(pid)] = int(re.search(r"VmHWM:\s+(\d+)", text)[1])
        except (FileNotFoundError, ProcessLookupError):
            pass

    def ours(pid):
        while pid > 1 and pid != server.process.pid:
            pid = parents.get(pid, 0)
        return pid == server.process.pid
    return max(kib for pid, kib in peaks.items() if ours(pid))


def test_large_file_with_a_last_odd_byte(server):
    """UTF-8 to the last row but one: found, and the front's memory does not grow with the file."""
    size = 96 << 20
    line = b"116.39,39.92,some text that fills the line up to a hundred bytes or so, nothing to see here at all......\n"
    data = b"lon,lat,name,rest\n" + line * (size // len(line)) + "116.4,39.9,故宫,x\n".encode("gbk")
    a = table(server, data)
    assert a.json["status"] == "incomplete", a
    n = a.json["id"]
    for _ in range(100):
        b = server.get(f"/upload/check?id={n}", accept=JSON)
        if "/upload/check" not in b.json.get("redirect_to", ""):
            break
    page = page_of(server, a)
    assert page["dialect"]["charset"] != "UTF-8" and page["preview"]["total_rows"] == size // len(line) + 1, page["dialect"]
    assert front_memory(server) < 16 * 1024, front_memory(server)
    drop(server, a)


# ---- columns

def test_column_guess_and_reason(server):
    page = read(server, "population,lat,lon,plate\n5,39.9,116.4,x\n6,31.2,121.5,y\n")
    assert page["selected_lat"] == "lat" and page["selected_lng"] == "lon" and page["guessed_lat_or_lng"] is True, page
    assert page["present_choices"] is True and page["reason"], page
    by = {c["name"]: c for c in page["columns"]}
    assert (by["lat"]["is_latitude"], by["lon"]["is_longitude"], by["population"]["is_latitude"], by["plate"]["is_latitude"]) == (3, 3, 0, 0)
    page = read(server, "a,b\n1,2\n3,4\n")
    assert not page["selected_lat"] and page["guessed_lat_or_lng"] is False
    page = read(server, "start_lat,end_lat,start_lon,end_lon\n1,2,3,4\n5,6,7,8\n")
    assert (page["selected_lat"], page["selected_lng"]) == ("start_lat", "start_lon"), page["selected_lat"]
    page = read(server, "ＬＡＴ,经度(°)\n1,2\n")
    assert (page["selected_lat"], page["selected_lng"]) == ("ＬＡＴ", names(page)[1]), page["columns"]


def test_page_model_has_its_members(server):
    page = read(server, "lat,lon,name\n1,2,x\n", name="cities.csv")
    assert page["layer"] == "cities" and page["file"] == "cities.csv", page
    assert {"layer", "file", "sheets", "sheet", "dialect", "columns", "point_candidates", "geometry_candidates", "selected_lat", "selected_lng",
            "selected_geometry", "guessed_lat_or_lng", "present_choices", "reason", "possible_data_problems", "preview"} <= page.keys(), page.keys()
    assert {"charset", "charset_source", "delimiter", "header", "decimal", "quote"} <= page["dialect"].keys()
    assert {"i", "name", "original", "type", "nulls", "min", "max", "is_latitude", "is_longitude", "first_bad"} <= page["columns"][0].keys()
    long = read(server, "a,b\n" + "".join(f"{i},{'y' * 500}\n" for i in range(100)))
    assert len(long["preview"]["rows"]) == 20 and long["preview"]["total_rows"] == 100
    assert all(len(r["cells"][1]) <= 201 for r in long["preview"]["rows"])


def test_wrong_columns_are_named(server):
    a = table(server, "lat,lon,name,mixed\n39.9,116.4,Beijing,1\n31.2,121.5,Shanghai,2\n22.5,114.1,Shenzhen,x\n", name="cities.csv")
    n = a.json["id"]
    cases = [({"lat": "lat", "lng": "lat"}, "csv_same_column", "You cannot select the same column for latitude and longitude data."),
             ({"lat": "None", "lng": "None"}, "csv_columns_missing", "Please choose which columns contain the latitude and longitude data."),
             ({"lat": "", "lng": "lon"}, "csv_columns_missing", "Please choose which columns contain"),
             ({"lat": "lat"}, "csv_columns_missing", "Please choose which columns contain"),
             ({"lat": "nosuch", "lng": "lon"}, "csv_column_unknown", "Invalid latitude/longitude columns"),
             ({"lat": "name", "lng": "lon"}, "csv_not_numeric", "cities.csv"), ({"lat": "lat", "lng": "mixed"}, "csv_not_numeric", "mixed"),
             ({"geometry": "column", "geom_column": "name"}, "csv_geometry_bad", "cities.csv"),
             ({"lat": "lat", "lng": "lon", "col_2_type": "integer"}, "csv_type", "Beijing")]
    before = server.traces()
    for fields, code, start in cases:
        a1 = server.post(f"/upload/csv?id={n}", fields)
        refused(a1, 200, code, start)
        if start.endswith(".") or start[0] in "PIY":
            assert a1.json["error_msg"].startswith(start), a1.json["error_msg"]
        a2 = server.post(f"/upload/csv?id={n}", fields, accept=JSON)
        refused(a2, 400, code)
        assert a2.json["page"]["columns"], "the page comes along"
        h = server.post(f"/upload/csv?id={n}", fields, accept=HTML)
        assert h.status == 400 and Page(h.text).alerts, h
    d = refused(server.post(f"/upload/csv?id={n}", {"lat": "name", "lng": "lon"}), 200, "csv_not_numeric")
    assert (d["file"], d["row"], d["column"], d["value"], d["field"]) == ("cities.csv", 2, "name", "Beijing", "lat"), d
    d = refused(server.post(f"/upload/csv?id={n}", {"lat": "lat", "lng": "lon", "col_2_type": "integer"}), 200, "csv_type")
    assert (d["row"], d["column"]) == (2, "name"), d
    d = refused(server.post(f"/upload/csv?id={n}", {"lat": "nosuch", "lng": "lon"}), 200, "csv_column_unknown")
    assert "lat" in d["message"] and "lon" in d["message"] and "name" in d["message"], "lists the columns"
    assert server.traces() == before
    assert server.get(f"/upload/csv?id={n}&force_ajax=true").json["session"]["rev"] == 0
    drop(server, a)


def test_aliases_and_html_answer(server):
    a = table(server, "纬度;经度;名\n39,9;116,4;x\n31,2;121,5;y\n".encode())
    n = a.json["id"]
    h = server.post(f"/upload/csv?id={n}", {"lat": "纬度", "lng": "经度", "delimiter": ";"}, accept=HTML)
    assert h.status == 303 and h.header("Location") == f"/upload/srs?id={n}", h
    for lat, lng in (("latitude", "longitude"), ("y", "x"), ("latitude", "lon")):
        b = server.post(f"/upload/csv?id={n}", {lat: "纬度", lng: "经度"})
        assert b.json["success"] is True and b.json["redirect_to"] == f"/upload/srs?id={n}&force_ajax=true", b
    drop(server, a)


def test_changed_dialect_reads_the_file_again(server):
    a = table(server, "lat|lon;name\n1|2;x\n3|4;y\n", name="odd.csv")
    n = a.json["id"]
    first = page_of(server, a)
    p = server.post(f"/upload/csv?id={n}", {"delimiter": "|", "action": "preview"}, accept=JSON)
    assert p.status == 200 and names(p.json["page"])[0] == "lat", p
    q = server.post(f"/upload/csv?id={n}", {"delimiter": ";", "action": "preview"}, accept=JSON)
    assert names(q.json["page"])[1] == "name", q
    r = server.post(f"/upload/csv?id={n}", {"delimiter": "x", "header": "no", "decimal": ",", "action": "preview"}, accept=JSON)
    assert r.status == 200 and r.json["page"]["dialect"]["delimiter"] == "x" and r.json["page"]["dialect"]["header"] == "no", r
    s = server.post(f"/upload/csv?id={n}", {"delimiter": "toolong", "action": "preview"}, accept=JSON)
    assert s.status == 400 and s.json["details"][0]["field"] == "delimiter", s
    assert first["dialect"]["delimiter"] in ("|", ";")
    drop(server, a)


def test_columns_are_renamed_retyped_and_dropped(server):
    a = table(server, "lat,lon,code,secret,when\n1,2,3,x,2024\n3,4,5,y,2025\n")
    f = finish(server, a, lat="lat", lng="lon", col_2_name="Kennung", col_2_type="text", col_3_use="false")
    got = {c["name"]: c["type"] for c in f["dataset"]["columns"]}
    assert got == {"lat": "integer", "lon": "integer", "Kennung": "text", "when": "integer"}, got


def test_table_without_geometry(server):
    a = table(server, "a,b\n1,x\n2,y\n")
    b = server.post(f"/upload/csv?id={a.json['id']}", {"geometry": "none"})
    assert b.json["success"] is True and "/upload/srs" not in b.json["redirect_to"], b
    f = server.wait_finished(a.json["id"]).json
    assert f["status"] == "finished" and f["crs"] is None and f["bbox"] == "" and f["dataset"]["type"] == "table", f


def test_workbook_asks_like_a_table(server):
    book = openpyxl.Workbook()
    book.active.title = "Stations"
    for row in (("lat", "lon", "name"), (39.9, 116.4, "北京"), (31.2, 121.5, "上海")):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    a = table(server, out.getvalue(), name="stations.xlsx")
    assert "/upload/csv" in a.json["redirect_to"] and a.json["required_input"] is True and a.json["session"]["kind"] == "xlsx", a
    page = page_of(server, a)
    assert page["sheet"] == "Stations" and page["selected_lat"] == "lat" and cells(page)[0][2] == "北京", page
    refused(server.post(f"/upload/csv?id={a.json['id']}", {"sheet": "nosuch", "lat": "lat", "lng": "lon"}), 200, "sheet_unknown", "nosuch")
    f = finish(server, a, lat="lat", lng="lon")
    assert f["name"] in ("stations", "Stations") and f["rows"]["imported"] == 2, f


def test_multi_asks_each_table(server):
    """Two tables and a shapefile in one zip: the step is done when each table has its columns."""
    members = [("a.csv", b"lat,lon\n1,2\n"), ("b.csv", b"y,x,name\n3,4,n\n")] + shapefile("c", [(5, 6)], prj=None)
    a = server.save(zipped(members, "all.zip"))
    n = a.json["id"]
    assert a.status == 201 and a.json["session"]["kind"] == "multi" and f"/upload/csv?id={n}" in a.json["redirect_to"], a
    page = server.get(f"/upload/csv?id={n}", accept=JSON).json["page"]
    assert page["layer"] == "a", page["layer"]
    b = server.post(f"/upload/csv?id={n}", {"layer": "a", "lat": "lat", "lng": "lon"}, accept=JSON)
    assert f"/upload/csv?id={n}" in b.json["redirect_to"] and b.json["required_input"] is True, b
    assert server.get(f"/upload/csv?id={n}", accept=JSON).json["page"]["layer"] == "b"
    b = server.post(f"/upload/csv?id={n}", {"layer": "b", "lat": "y", "lng": "x"}, accept=JSON)
    assert f"/upload/srs?id={n}" in b.json["redirect_to"], b
    b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"}, accept=JSON)
    assert b.json["success"] is True, b
    f = server.wait_finished(n)
    assert f.json["status"] == "finished" and sorted(d["name"] for d in f.json["datasets"]) == ["a", "b", "c"], f


def told(answer):
    return [(w["code"], w["layer"], w["column"]) for w in answer.json.get("warnings", [])]


def test_warnings_belong_to_the_last_answer(server):
    """What was said of the columns chosen first is not said of the next; each column and each table has its own."""
    a = server.save(("swap.csv", b"lat,lon\n116.4,39.9\n121.4,31.2\n"))
    path = f"/upload/csv?id={a.json['id']}"
    wrong = [("csv_out_of_range", "swap", "lat"), ("latlng_swapped", "swap", "lat")]
    for _ in range(2):
        assert told(server.post(path, {"lat": "lat", "lng": "lon"}, accept=JSON)) == wrong
    b = server.post(path, {"lat": "lon", "lng": "lat"}, accept=JSON)
    assert b.json["success"] is True and told(b) == [], b
    drop(server, a)

    good = "1,2\n" * 40
    members = [("a.csv", f"lat,lon\n{good}x,1\n1,y\n".encode()), ("b.csv", f"lat,lon\n{good}z,1\n".encode())]
    a = server.save(zipped(members, "bad.zip"))
    for name in ("a", "b", "a"):
        b = server.post(f"/upload/csv?id={a.json['id']}", {"layer": name, "lat": "lat", "lng": "lon"}, accept=JSON)
    assert sorted(told(b)) == [("csv_bad_rows", "a", "lat"), ("csv_bad_rows", "a", "lon"), ("csv_bad_rows", "b", "lat")], told(b)
    drop(server, a)


def test_a_look_with_other_settings_leaves_the_revision(server):
    a = server.save(("look.csv", b"lat;lng;name\n1;2;a\n"), strict=True)
    path, api = f"/upload/csv?id={a.json['id']}", f"/api/v2/uploads/{a.json['id']}/?full=true"
    rev = lambda: server.get(api, accept=JSON).json["upload"]["session"]["rev"]
    before = rev()
    for charset in ("GB18030", "UTF-8"):
        b = server.post(path, {"charset": charset, "action": "preview"}, accept=JSON)
        assert b.status == 200 and b.json["page"]["dialect"]["charset"] == charset, b
    assert rev() == before
    b = server.post(path, {"lat": "lat", "lng": "lng", "rev": str(before)}, accept=JSON)      # a page shown before is not stale
    assert b.status == 200, b
    assert rev() == before + 1


if __name__ == "__main__":
    main(sys.modules[__name__])
