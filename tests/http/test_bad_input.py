"""Goal: refused input is named and leaves nothing behind (contracts: wizard 8, 21 first half; case 39)."""
import http.client
import os
import re
import socket
import struct
import sys
import zipfile

from harness import BUILD, main, multipart, nothing_left, Server
from steps import code, finished, post, saved
from made import HTML, WGS84, Browser, Page, drop, geotiff, refused, shapefile, zipped

JSON = "application/json"
GOOD = shapefile("good", [(1, 2)], prj=WGS84)
CSV = ("good.csv", b"lat,lon\n1,2\n")


def all_clients(server, files, code, *words, fields=(), status=400):
    """Compat, strict and HTML refuse FILES with CODE, and nothing is left; the strict answer's first detail."""
    before = server.traces()
    a = server.save(*files, fields=fields, strict=False)
    refused(a, status, code, *words)
    b = server.save(*files, fields=fields)
    d = refused(b, status, code, *words)
    c = server.post("/upload/", fields, [("files", n, x) for n, x in files], accept=HTML)
    assert c.status == status and c.header("Content-Type").startswith("text/html"), c
    assert Page(c.text).alerts and Page(c.text).form("/upload/"), c
    assert str(server.data) not in a.text + b.text + c.text and "/slipway-" not in a.text + b.text
    nothing_left(server, before)
    return d


# ---- files

def test_no_file(server):
    before = server.traces()
    for fields in ({}, {"charset": "UTF-8"}):
        refused(server.post("/upload/", fields, accept=JSON), 400, "file_missing")
        refused(server.post("/upload/?force_ajax=true", fields), 400, "file_missing")
    # A part with an empty file name is "not chosen".
    refused(server.post("/upload/", {}, [("files", "", b"")], accept=JSON), 400, "file_missing")
    nothing_left(server, before)


def test_empty_files(server):
    d = all_clients(server, [("nothing.csv", b"")], "file_empty", "nothing.csv")
    assert d["file"] == "nothing.csv"
    shp = dict(GOOD)
    all_clients(server, [("good.shp", b""), ("good.shx", shp["good.shx"]), ("good.dbf", shp["good.dbf"])], "file_empty", "good.shp")


def test_kinds_that_are_not_taken(server):
    for name in ("run.py", "setup.exe", "old.xls", "map.dwg", "geo.gdb", "cube.nc", "noext", "style.sld", "meta.xml", "look.qml"):
        a = all_clients(server, [(name, b"some bytes\n")], "kind_unsupported", name)
        assert ".shp" in a["message"] and ".csv" in a["message"], a
    assert ".xlsx" in all_clients(server, [("old.xls", b"\xd0\xcf\x11\xe0" + bytes(600))], "kind_unsupported")["message"]


def test_shapefile_without_its_parts(server):
    d = all_clients(server, [GOOD[0]], "bundle_incomplete", "good.shp", "good.shx", "good.dbf")
    assert d["file"] == "good.shp"
    all_clients(server, [GOOD[0], GOOD[1]], "bundle_incomplete", "good.shp", "good.dbf")


def test_shapefile_with_parts_of_another(server):
    rivers = dict(shapefile("rivers", [(1, 2)]))
    roads = dict(shapefile("roads", [(1, 2)]))
    files = [("roads.shp", roads["roads.shp"]), ("rivers.dbf", rivers["rivers.dbf"]), ("rivers.shx", rivers["rivers.shx"])]
    all_clients(server, files, "bundle_stem_mismatch", "rivers", "roads.shp")
    # Neither a prefix nor a pattern is the same stem.
    old = [("roads.shp", roads["roads.shp"]), ("roads.shx", roads["roads.shx"]), ("roads_old.dbf", roads["roads.dbf"])]
    before = server.traces()
    a = server.save(*old)
    assert a.status == 400 and a.json["code"] in ("bundle_stem_mismatch", "bundle_incomplete") and "roads_old.dbf" in a.text, a
    nothing_left(server, before)


def test_content_that_is_not_what_the_name_says(server):
    d = all_clients(server, [("table.tif", CSV[1])], "content_mismatch", "table.tif")
    assert d["file"] == "table.tif"
    all_clients(server, [("zip.csv", zipped(GOOD)[1])], "content_mismatch", "zip.csv")
    all_clients(server, [("picture.geojson", b"\x89PNG\r\n\x1a\n" + bytes(100))], "content_mismatch", "picture.geojson")


def test_damaged_files(server):
    shp = dict(shapefile("cut", [(i, i) for i in range(50)], prj=WGS84))
    cut = [("cut.shp", shp["cut.shp"][:300]), ("cut.shx", shp["cut.shx"]), ("cut.dbf", shp["cut.dbf"])]
    all_clients(server, cut, "format_unreadable", "cut.shp")
    all_clients(server, [("half.tif", geotiff("half.tif")[1][:200])], "format_unreadable", "half.tif")
    all_clients(server, [("half.geojson", b'{"type":"FeatureCollection","features":[{"type":')], "format_unreadable", "half.geojson")
    a = server.save(("empty.geojson", b'{"type":"FeatureCollection","features":[]}'))
    assert a.status in (201, 400), a
    if a.status == 201:
        drop(server, a)


def test_what_is_too_much_says_what(server):
    line = b",".join([b"[1.5,2.5]"] * 1_000_000)
    feature = b'{"type":"Feature","properties":{},"geometry":{"type":"LineString","coordinates":[' + line + b"]}}"
    collection = b'{"type":"FeatureCollection","features":[' + feature + b"]}"
    all_clients(server, [("coast.geojson", collection)], "format_unreadable", "coast.geojson", "too many points", "GeoPackage")
    wide = ",".join(f'"c{i}":{i}' for i in range(1999)).encode()
    feature = b'{"type":"Feature","properties":{' + wide + b'},"geometry":{"type":"Point","coordinates":[1,2]}}'
    all_clients(server, [("wide.geojson", feature)], "csv_too_many_columns", "wide.geojson has more than 1,998")
    # A table may have as many; a dataset numbers its rows besides.
    wide = ",".join(f"c{i}" for i in range(2000)) + "\n" + ",".join("1" for _ in range(2000)) + "\n"
    a = server.save(("wide.csv", wide.encode()))
    assert [(w["code"], w["message"]) for w in a.json["warnings"]] == [("csv_too_many_columns", "wide.csv has more than 1,998 columns. Leave some out.")], a
    session = a.json["id"]
    assert post(server, session, "csv", geometry="none").status == 200
    a = post(server, session, "final")
    a = server.wait_finished(session) if a.status == 202 else a
    assert code(a) == "csv_too_many_columns" and "1,999" in a.json["error_msg"], a
    assert post(server, session, "csv", geometry="none", col_7_use="false").status == 200
    assert finished(server, session)["dataset"]["count"] == 1


def test_prose_for_a_header_is_a_long_name(server):
    prose = "There is no header here, only words, and a lot of them; " * 200
    for name, data in (("prose.csv", f'"{prose}",b\n1,2\n'),
                       ("prose.geojson", '{"type":"Feature","properties":{"%s":1},"geometry":{"type":"Point","coordinates":[1,2]}}' % prose)):
        session = saved(server, (name, data.encode()))
        if name.endswith("csv"):
            assert post(server, session, "csv", geometry="none").status == 200
        column = finished(server, session)["dataset"]["columns"][0]
        assert len(column["name"]) < 64 and prose.startswith(column["original"]) and len(column["original"]) == 1000, column


def test_long_names_of_layers_and_sheets_are_cut(server):
    place = "<Placemark><name>a</name><Point><coordinates>1,2</coordinates></Point></Placemark>"
    folders = "".join(f"<Folder><name>{n}</name>{place}</Folder>" for n in ("多" * 2000, "b"))
    kml = f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{folders}</Document></kml>'
    assert len(finished(server, saved(server, ("long.kml", kml.encode())))["datasets"]) == 2
    ns = "urn:oasis:names:tc:opendocument:xmlns:"
    cells = "".join(f'<table:table-row><table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell></table:table-row>' for c in "ab")
    ods = zipped([("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", (
        f'<office:document-content xmlns:office="{ns}office:1.0" xmlns:table="{ns}table:1.0" xmlns:text="{ns}text:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="{"多" * 2000}">{cells}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>").encode())], "long.ods", zipfile.ZIP_STORED)
    session = saved(server, ods)
    assert post(server, session, "csv", geometry="none").status == 200
    assert finished(server, session)["dataset"]["count"] == 1


def test_hostile_names_become_labels(server):
    for name, shown in (("../../etc/x.csv", "x.csv"), ("..\\..\\windows\\y.csv", "y.csv"), ("a" * 300 + ".csv", None),
                        ("<img onerror=alert(1)>.csv", None), ("\u202egnp.csv", None)):
        a = server.save((name, CSV[1]))
        assert a.status == 201, (name, a)
        kept = a.json["session"]["files"][0]["name"]
        assert "/" not in kept and "\\" not in kept and len(kept.encode()) <= 255, kept
        assert shown is None or kept == shown, kept
        html = server.get(f"/upload/csv?id={a.json['id']}", accept=HTML)
        assert html.status == 200 and "<img onerror" not in html.text, html
        drop(server, a)
    # In messages quoted angles are harmless even where a script inserts them as HTML.
    d = all_clients(server, [("<b>x.py", b"1")], "kind_unsupported", "‹b›x.py")
    assert d["code"] == "kind_unsupported"
    html = server.post("/upload/", {}, [("files", "<b>x.py", b"1")], accept=HTML)
    assert "<b>x.py" not in html.text


# ---- bodies

def raw(server, head, body, close=True):
    """Status and body of a request sent byte by byte as given."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        s.sendall(head + body)
        if close:
            s.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            try:
                data = s.recv(65536)
            except (ConnectionResetError, TimeoutError):
                break
            if not data:
                break
            got += data
    return got


def head(server, length, kind, extra=""):
    return (f"POST /upload/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.tokens['mei']}\r\nAccept: {JSON}\r\n"
            f"Content-Type: {kind}\r\n" + (f"Content-Length: {length}\r\n" if length is not None else "") + extra +
            "Connection: close\r\n\r\n").encode()


def test_bodies_that_cannot_be_read(server):
    before = server.traces()
    body, kind = multipart([], [("files",) + f for f in GOOD])
    for cut in (10, len(body) // 3, len(body) // 2, len(body) - 3):
        # Complete for HTTP, cut as a form.
        a = server.request("POST", "/upload/", body=body[:cut], headers={"Content-Type": kind, "Accept": JSON})
        refused(a, 400, "bad_body")
    a = server.request("POST", "/upload/", body=body, headers={"Content-Type": "multipart/form-data", "Accept": JSON})
    refused(a, 400, "bad_body")
    for other in ("text/plain", "application/octet-stream", "application/xml"):
        refused(server.request("POST", "/upload/", body=body, headers={"Content-Type": other, "Accept": JSON}), 415, "media_type")
    # A connection that ends in the middle: nobody is there to be told.
    raw(server, head(server, len(body), kind), body[:len(body) // 2])
    nothing_left(server, before)


def test_body_cut_while_a_large_file_arrives(server):
    before = server.traces()
    body, kind = multipart([], [("files", "big.csv", b"a,b\n" + b"1,2\n" * 200000)])
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        s.sendall(head(server, len(body), kind) + body[:500000])
    nothing_left(server, before, seconds=10)


def test_limits_of_size_and_number(server):
    small = Server("[wizard]\nmax_session_bytes = 100K\nmax_files = 4\n")
    try:
        before = small.traces()
        big = ("big.csv", b"a,b\n" + b"1,2\n" * 40000)
        d = refused(small.save(big), 413, "size_limit", "Total upload size exceeds 100.0\u00a0KB. Please try again with smaller files.")
        assert "You sent 156.3\u00a0KB." in d["message"], d
        a = small.save(big, strict=False)
        assert a.status == 413 and rb"exceeds 100.0\u00a0KB. Please" in a.body, a
        h = small.post("/upload/", {}, [("files",) + big], accept=HTML)
        assert h.status == 413 and "100.0" in h.text, h
        # Far over it: refused before the body is read.
        got = raw(small, head(small, 50_000_000, "multipart/form-data; boundary=x"), b"", close=False)
        assert b" 413 " in got.splitlines()[0] and b"size_limit" in got, got[:300]
        # Chunked, growing over it.
        body, kind = multipart([], [("files",) + big])
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 8192]), body[i:i + 8192]) for i in range(0, len(body), 8192)) + b"0\r\n\r\n"
        got = raw(small, head(small, None, kind, "Transfer-Encoding: chunked\r\n"), chunks, close=False)
        # A web server that streams may want to know the length of a body for CGI beforehand.
        assert b" 413 " in got.splitlines()[0] or b" 411 " in got.splitlines()[0], got[:300]
        refused(small.save(*[(f"f{i}.csv", CSV[1]) for i in range(5)]), 413, "files_limit")
        # Files that came before count as those that come with the form.
        ids = [small.request("PUT", f"/files/f{i}.csv", CSV[1]).header("Location").split("/")[-1] for i in range(5)]
        refused(small.post("/upload/", [("upload", i) for i in ids], accept=JSON), 413, "files_limit")
        refused(small.post("/upload/", [("upload", i) for i in ids[:4]], [("files",) + CSV], accept=JSON), 413, "files_limit")
        for i in ids:
            assert small.request("DELETE", f"/files/{i}").status == 204, i
        # The same part under two names counts once.
        half = ("half.csv", b"a,b\n" + b"1,2\n" * 20000)
        twice = small.post("/upload/", {}, [("csv_file",) + half, ("base_file",) + half], accept=JSON)
        assert twice.status == 201 and len(twice.json["session"]["files"]) == 1, twice
        drop(small, twice)
        api = small.post("/api/v2/uploads/upload/", {}, [("base_file",) + big])
        refused(api, 400, "size_limit")
        nothing_left(small, before)
    finally:
        small.close()


def test_limit_of_one_byte(server):
    """The sentence clients compare as raw text (case 38)."""
    tiny = Server("[wizard]\nmax_session_bytes = 1\n")
    try:
        a = tiny.save(CSV, strict=False)
        assert a.status == 413 and b"Total upload size exceeds 1\\u00a0byte. Please try again with smaller files." in a.body, a
    finally:
        tiny.close()


# ---- zip

def test_zip_guards(server):
    many = [(f"f{i}.txt", b"") for i in range(10001)] + GOOD
    bomb = [("bomb.csv", b"a,b\n" + b"0,0\n" * 4_000_000)]
    link = zipfile.ZipInfo("link.shp")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    cases = [("zip_ratio", zipped(bomb), "bomb.csv"), ("zip_entries", zipped(many), "10"),
             ("zip_path", zipped([("../x.shp", b"1")] + GOOD), "../x.shp"), ("zip_path", zipped([("/etc/x.shp", b"1")] + GOOD), "x.shp"),
             ("zip_path", zipped([("C:\\x.shp", b"1")] + GOOD), "x.shp"),
             ("zip_link", zipped([(link, b"/etc/passwd")] + GOOD), "link.shp"),
             ("zip_nested", zipped([zipped(GOOD, "inner.zip")]), "inner.zip"),
             ("zip_no_data", zipped([("readme.md", b"hello")]), "data.zip"),
             ("zip_invalid", ("data.zip", zipped(GOOD)[1][:-30]), "data.zip"),
             ("zip_invalid", ("data.zip", b"PK\x03\x04" + bytes(60)), "data.zip")]
    for code, file, word in cases:
        d = all_clients(server, [file], code, word)
        assert d["file"] or d["value"] or word in d["message"], d


def test_zip_that_is_none_says_why(server):
    """Nothing in it, packed in another way, two files that are one elsewhere: not "damaged"."""
    empty = ("data.zip", b"PK\x05\x06" + bytes(18))
    for file in (empty, zipped([("folder/", b"")]), zipped([("__MACOSX/._a.csv", b"x"), (".DS_Store", b"y")])):
        d = all_clients(server, [file], "zip_no_data", "data.zip")
        assert ".shp" in d["message"], d
    name, data = zipped([CSV])
    other = bytearray(data)
    for sign, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):      # the method: Deflate64
        other[data.find(sign) + at] = 9
    all_clients(server, [(name, bytes(other))], "zip_invalid", "good.csv", "Deflate")
    all_clients(server, [zipped([("A/good.csv", CSV[1]), ("a/Good.csv", CSV[1])])], "zip_invalid", "a/good.csv", "Rename")


def test_zip_encrypted(server):
    name, data = zipped(GOOD, method=zipfile.ZIP_STORED)
    data = bytearray(data)
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):      # the flag of each header
        i = data.find(sign)
        while i >= 0:
            data[i + at] |= 1
            i = data.find(sign, i + 4)
    all_clients(server, [(name, bytes(data))], "zip_encrypted", "data.zip")


def test_zip_lies_about_sizes(server):
    """Declared small, really large: the member's real size counts."""
    name, data = zipped([("lie.csv", b"a,b\n" + os.urandom(200000).hex().encode())])
    data = bytearray(data)
    for sign, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        i = data.find(sign)
        data[i + at:i + at + 4] = struct.pack("<I", 100)
    before = server.traces()
    a = server.save((name, bytes(data)))
    assert a.status == 400 and a.json["code"] in ("zip_too_big", "zip_invalid"), a
    nothing_left(server, before)


# ---- fields of save

def test_fields_of_save(server):
    for fields, code, words in (
            ({"permissions": "{users:"}, "permissions_invalid", ("this field must be valid JSON",)),
            ({"permissions": '{"users":[]}'}, "permissions_invalid", ("this field must be valid JSON",)),
            ({"permissions": '{"users":{"ghost":["view_resourcebase"]}}'}, "permission_subject", ("ghost",)),
            ({"charset": "klingon"}, "charset_unknown", ("klingon",)),
            ({"base_file_path": "/etc/passwd"}, "path_not_allowed", ("base_file_path",)),
            ({"shx_file_path": "x"}, "path_not_allowed", ("shx_file_path",)),
            ({"time": "maybe"}, "bad_boolean", ("time", "maybe")),
            ({"mosaic": "2"}, "bad_boolean", ("mosaic",)),
            ({"metadata_upload_form": "true"}, "mode_unsupported", ("metadata_upload_form",)),
            ({"style_upload_form": "on"}, "mode_unsupported", ("style_upload_form",)),
            ({"layer_title": "x" * 256}, "title_too_long", ("255",)),
            ({"abstract": "x" * 10001}, "abstract_too_long", ())):
        d = all_clients(server, GOOD, code, *words, fields=fields)
        assert d["field"] == next(iter(fields)) or code == "title_too_long", (fields, d)


def test_booleans_of_save(server):
    for word in ("true", "ON", "1", "Yes", "false", "off", "0", "NO", ""):
        a = server.save(*GOOD, fields={"time": word, "geogig": "x", "unheard_of": "y"})
        assert a.status == 201, (word, a)
        drop(server, a)
    a = server.save(*GOOD, fields={"charset": "undefined"})
    assert a.status == 201, a
    drop(server, a)


def test_text_fields_are_utf8(server):
    before = server.traces()
    body, kind = multipart([], [("files",) + f for f in GOOD])
    part = b'Content-Disposition: form-data; name="abstract"\r\n\r\n\xff\xfe bad\r\n--'
    boundary = kind.partition("boundary=")[2].encode()
    body = b"--" + boundary + b"\r\n" + part + boundary + b"\r\n" + body.partition(b"\r\n")[2]
    a = server.request("POST", "/upload/", body=body, headers={"Content-Type": kind, "Accept": JSON})
    refused(a, 400, "bad_text", "abstract")
    nothing_left(server, before)


def test_uploads_by_id(server):
    """upload= takes complete uploads of the same owner; refused ones stay as they are."""
    made = server.request("PUT", "/files/good.csv", body=CSV[1], headers={"Accept": JSON})
    assert made.status in (200, 201), made
    mine = made.json.get("id") or made.header("Location").rpartition("/")[2]
    before = server.traces()
    refused(server.post("/upload/", {"upload": mine}, accept=JSON, user="otto"), 404, "upload_unknown")
    refused(server.post("/upload/", {"upload": "f" * 32}, accept=JSON), 404, "upload_unknown")
    refused(server.post("/upload/", {"upload": "../../x"}, accept=JSON), 404, "upload_unknown")
    nothing_left(server, before)
    a = server.post("/upload/", {"upload": mine}, accept=JSON)
    assert a.status == 201 and a.json["session"]["kind"] == "csv", a
    drop(server, a)


# ---- who sends it

def test_csrf(server):
    b = Browser(server, "mei", "another long phrase")
    cookie = "; ".join(f"{k}={v}" for k, v in b.cookies.items())
    before = server.traces()
    files = [("files",) + f for f in GOOD]
    for fields, headers in (({}, {}), ({"csrfmiddlewaretoken": "0" * 96}, {}), ({}, {"X-CSRFToken": "x"}),
                            ({"csrfmiddlewaretoken": b.cookies["csrftoken"]}, {"Origin": "https://evil.example"})):
        a = server.post("/upload/", fields, files, accept=JSON, user=None, headers={"Cookie": cookie, **headers})
        refused(a, 403, "csrf_failed")
    nothing_left(server, before)
    # After the files is soon enough, and the header does as well.
    body, kind = multipart([], files)
    mark = b"--" + kind.partition("boundary=")[2].encode()
    late = body[:-len(mark + b"--\r\n")] + mark + b'\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n' + \
        b.cookies["csrftoken"].encode() + b"\r\n" + mark + b"--\r\n"
    a = server.request("POST", "/upload/", body=late, user=None, headers={"Content-Type": kind, "Cookie": cookie, "Accept": JSON})
    assert a.status == 201, a
    drop(server, a)
    a = server.post("/upload/", {}, files, accept=JSON, user=None, headers={"Cookie": cookie, "X-CSRFToken": b.cookies["csrftoken"]})
    assert a.status == 201, a
    refused(server.post(f"/upload/delete/{a.json['id']}", {}, accept=JSON, user=None, headers={"Cookie": cookie}), 403, "csrf_failed")
    drop(server, a)


def test_51st_open_session_is_refused(server):
    few = Server("[wizard]\nmax_open_sessions = 3\n")
    try:
        open_ = [few.save(CSV, strict=False) for _ in range(3)]
        before = few.traces()
        a = few.save(CSV)
        refused(a, 429, "open_sessions_limit", "The number of active parallel uploads exceeds 3. Wait for the pending ones to finish.")
        assert a.header("Retry-After") == "60", a.headers
        nothing_left(few, before)
        assert few.save(CSV, user="otto").status == 201, "others are not touched"
        few.post(f"/upload/delete/{open_[0].json['id']}", accept=JSON)
        assert few.save(CSV).status == 201
    finally:
        few.close()


def test_read_only_site(server):
    quiet = Server("")
    try:
        a = quiet.save(CSV)
        quiet.stop()
        with open(quiet.conf, "a") as f:
            f.write("[site]\nread_only = yes\n")
        quiet.start()
        before = quiet.traces()
        refused(quiet.save(CSV), 503, "read_only")
        refused(quiet.post(f"/upload/delete/{a.json['id']}", accept=JSON), 503, "read_only")
        assert quiet.get(f"/upload/csv?id={a.json['id']}", accept=HTML).status == 200
        nothing_left(quiet, before)
    finally:
        quiet.close()


if __name__ == "__main__":
    main(sys.modules[__name__])
