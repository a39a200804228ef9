"""Goal: hostile names of files, layers, columns and values are labels: shown escaped, never a path, never SQL, never script
(security.md A01 - A03, A30, A32, A33, A36; wizard.md 6.3, 17.4; case 39; section 21, rows on names)."""
import html
import json
import os
import re
import urllib.parse

from harness import main, nothing_left
from made import HTML, geojson, shapefile
from steps import code, finished, get, package, points, post, rows, saved, state, table

SCRIPTS = ["<img src=x onerror=alert(1)>", '"><svg/onload=alert(1)>', "javascript:alert(1)", "</script><script>alert(1)</script>",
           "+ADw-script+AD4-", "'-alert(1)-'", "{{7*7}}", "&lt;b&gt;", "</textarea><b>", "<!--"]


def sent(server, filename, data=b"lat,lng,name\n1,2,a\n", **fields):
    """POST save with FILENAME's bytes as they are in the part's head."""
    if isinstance(filename, str):
        filename = filename.encode()
    body = b"".join(b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (k.encode(), v.encode()) for k, v in fields.items())
    body += b'--b\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n--b--\r\n' % (filename, data)
    return server.request("POST", "/upload/", body=body, headers={"Content-Type": "multipart/form-data; boundary=b",
                                                                  "Accept": "application/json"})


def everywhere(server, session, dataset=None):
    """Every page that shows a session's or a dataset's names, as HTML; and as JSON."""
    urls = ["/", "/upload/", f"/upload/csv?id={session}", f"/upload/srs?id={session}", f"/upload/time?id={session}",
            f"/upload/final?id={session}", f"/upload/progress?id={session}", f"/upload/delete/{session}", f"/upload/report?id={session}",
            "/datasets/", "/datasets/?q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"]
    if dataset:
        urls += [f"/datasets/{dataset}", f"/datasets/{dataset}/delete"]
    for url in urls:
        yield url, server.get(url, accept=HTML), server.get(url, accept="application/json")


def check_escaped(server, session, dataset=None):
    for url, page, data in everywhere(server, session, dataset):
        kind = page.header("Content-Type") or ""
        if kind.startswith("text/html"):
            for word in ("<img src=x", "<svg/onload", "<script>alert", "</textarea><b>", 'href="javascript:', "<b>x"):
                assert word not in page.text, (url, word)
            assert "49" not in re.sub(r"[0-9a-f]{32,}|\d+", "", page.text)
        if (data.header("Content-Type") or "").startswith("application/json"):
            json.loads(data.body)


def test_climbing_names_become_labels(server):
    outside = os.path.join(os.path.dirname(server.data), "pwn.csv")
    for name, label in (("../../../../tmp/pwn.csv", "pwn.csv"), ("..\\\\..\\\\tmp\\\\pwn.csv", "pwn.csv"),
                        ("%2e%2e%2fpwn.csv", "%2e%2e%2fpwn.csv"), ("%252e%252e%252fpwn.csv", "%252e%252e%252fpwn.csv"),
                        ("\u2025\u2025/pwn.csv", "pwn.csv"), ("/etc/passwd.csv", "passwd.csv"), ("C:\\\\a\\\\b.csv", "b.csv"),
                        ("CON.csv", "CON.csv"), (".hidden.csv", ".hidden.csv"), ("-rf.csv", "-rf.csv")):
        a = sent(server, name)
        assert a.status == 201 and a.json["session"]["files"][0]["name"] == label, (name, a)
    assert not os.path.exists(outside) and not os.path.exists("/tmp/pwn.csv")
    for base, _, names in os.walk(server.data):
        assert not [n for n in names if "pwn" in n or n in ("CON.csv", ".hidden.csv", "-rf.csv", "passwd.csv")], (base, names)


def test_store_names_are_no_names(server):
    before = sorted(os.listdir(os.path.join(server.data, "db")))
    for name in ("DB_CONFIG", "__db.register", ".htaccess", "log.0000000001", "gate"):
        a = sent(server, name)
        assert a.status in (201, 400), (name, a)      # no extension: text that is a table, or refused
        a = sent(server, name + ".csv")
        assert a.status == 201 and a.json["session"]["files"][0]["name"] == name + ".csv", (name, a)
    assert [n for n in sorted(os.listdir(os.path.join(server.data, "db"))) if not n.startswith("log.")] == [
        n for n in before if not n.startswith("log.")]


def test_names_that_are_none(server):
    before = server.traces()
    for name in (".", "..", "/", "a/", "..\\\\"):
        a = sent(server, name)
        assert a.status == 400 and code(a), (name, a)
    a = sent(server, "")
    assert a.status == 400 and code(a) == "file_missing", a      # an empty name is "not chosen"
    nothing_left(server, before)


def test_control_characters_and_length(server):
    for name, label in ((b"a\x01b\x1fc\x7f.csv", "abc.csv"), ("a\u202egnp.csv".encode(), "agnp.csv"), ("\u2066x\u2069.csv".encode(), "x.csv"),
                        (b"a%0D%0ASet-Cookie: x=1.csv", "aSet-Cookie: x=1.csv")):
        a = sent(server, name)
        assert a.status == 201 and a.json["session"]["files"][0]["name"] == label, (name, a)
        assert "x=1" not in str(a.headers.get_all("Set-Cookie")), a.headers
    a = sent(server, "n" * 300 + ".csv")
    assert a.status == 201 and len(a.json["session"]["files"][0]["name"].encode()) <= 255, a
    assert a.json["session"]["files"][0]["name"].endswith(".csv"), a
    a = sent(server, "ü" * 200 + ".csv")
    assert a.status == 201 and len(a.json["session"]["files"][0]["name"].encode()) <= 255, a
    before = server.traces()
    for name in (b"a\0b.csv", b"\xff\xfe.csv", b"a\xc0\xae.csv"):
        a = sent(server, name)
        assert a.status in (201, 400), (name, a)
        if a.status == 201:
            assert "\0" not in a.json["session"]["files"][0]["name"], a
            server.request("DELETE", f"/upload/delete/{a.json['id']}")
    nothing_left(server, before)


def test_markup_in_names_is_escaped(server):
    a = sent(server, "<b>x.csv", b"lat,lng,name\n1,2,a\nabc,2,b\n")
    session = a.json["id"]
    assert a.json["session"]["files"][0]["name"] == "<b>x.csv", a
    a = post(server, session, "csv", lat="name", lng="lng")
    assert "‹b›x.csv" in a.json["error_msg"] and "<" not in a.json["error_msg"], a.json["error_msg"]
    page = server.post(f"/upload/csv?id={session}", {"lat": "name", "lng": "lng"}, accept=HTML)
    assert "<b>x" not in page.text and ("&lt;b&gt;x" in page.text or "‹b›x" in page.text), page
    check_escaped(server, session)


def test_scripts_in_columns_values_and_texts(server):
    columns = ",".join('"' + s.replace('"', '""') + '"' for s in SCRIPTS)
    a = sent(server, "<img src=x onerror=alert(1)>.csv", f"lat,lng,{columns}\n1,2,{columns}\nabc,2,{columns}\n".encode(),
             abstract=SCRIPTS[0], layer_title=SCRIPTS[1], keywords=SCRIPTS[3])
    assert a.status == 201, a
    session = a.json["id"]
    check_escaped(server, session)
    assert post(server, session, "csv", lat="lat", lng="lng", bad_rows="keep").status in (200, 400)
    a = sent(server, "<img src=x onerror=alert(1)>.csv", f"lat,lng,{columns}\n1,2,{columns}\n".encode(), abstract=SCRIPTS[0],
             layer_title=SCRIPTS[1], keywords=SCRIPTS[3])
    session = a.json["id"]
    assert post(server, session, "csv", lat="lat", lng="lng").status == 200
    assert post(server, session, "srs", source="EPSG:4326").status == 200
    done = finished(server, session, access="view")
    d = server.get(f"/datasets/{done['dataset']['id']}", accept="application/json").json["dataset"]
    assert d["title"] == SCRIPTS[1] and d["abstract"] == SCRIPTS[0] and d["keywords"] == [SCRIPTS[3].lower()] or d["keywords"], d
    assert "<" not in d["name"] and "<" not in "".join(c["name"] for c in d["columns"]), d
    check_escaped(server, session, d["id"])
    with package(server, d["id"]) as db:
        (name,), = db.execute("SELECT table_name FROM gpkg_contents")
        values = db.execute(f'SELECT * FROM "{name}"').fetchone()
    assert set(SCRIPTS) <= set(values), values      # stored as sent


def test_wrong_values_are_shown_escaped(server):
    session = saved(server, *shapefile("esc", [(1, 2)]))
    for text in SCRIPTS:
        for step, field in (("srs", "source"), ("srs", "target"), ("final", "mode"), ("final", "dataset")):
            fields = {field: text}
            if field == "target":
                fields["source"] = "EPSG:4326"
            if field == "dataset":
                fields["mode"] = "overwrite"
            page = server.post(f"/upload/{step}?id={session}", fields, accept=HTML)
            if page.header("Content-Type", ):
                for word in ("<img src=x", "<svg/onload", "<script>alert", "</textarea><b>"):
                    assert word not in page.text, (step, field, text)
            a = post(server, session, step, **fields)
            assert a.status in (400, 404, 409), (step, field, a)
            assert "<" not in a.json["error_msg"] and ">" not in a.json["error_msg"], a.json["error_msg"]
    long = post(server, session, "srs", source="x" * 5000)
    assert long.status == 400 and len(long.json["error_msg"]) < 1000, long


def test_columns_never_become_sql(server):
    names = ['a"; DROP TABLE users;--', "a' OR 1=1", "$$", "\\", "fid", "ogc_fid", "rowid", "select", "x" * 200, "Ａ", "a", "A",
             "geom", "_time_start", "", "b" * 62 + "é" + "c" * 10, "名称（米）"]
    header = ",".join('"' + n.replace('"', '""') + '"' for n in names)
    lines = ["lat,lng," + header, "1,2," + ",".join(f"v{i}" for i in range(len(names)))]
    session = saved(server, table("sql.csv", *lines))
    assert post(server, session, "csv", lat="lat", lng="lng").status == 200
    post(server, session, "srs", source="EPSG:4326")
    done = finished(server, session)
    got = [c["name"] for c in done["dataset"]["columns"]][2:]
    assert len(got) == len(names) == len({n.lower() for n in got}), got
    assert all(len(n.encode()) <= 63 for n in got) and "fid" not in got and "geom" not in got, got
    assert done["info"]["fid"] == "fid_" and done["info"]["geom"] == "geom_" and done["info"]["_time_start"] == "_time_start_", done["info"]
    with package(server, done["dataset"]["id"]) as db:
        assert [t for t, in db.execute("SELECT table_name FROM gpkg_contents")] == ["sql"]
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'users'").fetchone() == (0,)
        cursor = db.execute("SELECT * FROM sql")
        have = [c[0] for c in cursor.description]
        values = dict(zip(have, cursor.fetchone()))
    assert [values[n] for n in got] == [f"v{i}" for i in range(len(names))], values


def test_searches_never_become_sql(server):
    points(server, "needle", ["1,2,a"], title="It's a needle", access="view")
    total = server.get("/datasets/", accept="application/json").json["total"]
    for q in ("' OR '1'='1", '" OR "1"="1', "needle'; DROP TABLE dataset;--", "%", "_", "*", "a*", '"', "NEAR(a b)", "title:x", "-x", "(", "\\",
              "x AND y", "{", "\u0000x".replace("\u0000", "%00")):
        a = server.get("/datasets/?q=" + urllib.parse.quote(q), accept="application/json")
        assert a.status in (200, 400), (q, a)
        assert a.status == 400 or "OR" not in q and "DROP" not in q or a.json["total"] == 0, (q, a)      # words like others
    assert server.get("/datasets/?q=needle", accept="application/json").json["total"] == 1
    assert server.get("/datasets/", accept="application/json").json["total"] == total
    for page in ("-1", "0", "1e9", "9999999999999999999999", "1;--", "abc"):
        assert server.get(f"/datasets/?page={page}", accept="application/json").status in (200, 400), page
    behind = server.get("/datasets/?page=1000", accept="application/json").json      # the last page, not "there are none"
    assert behind["datasets"] and behind["page_number"] == (total - 1) // 24 + 1 and behind["next"] == 0 and behind["total"] == total, behind
    for name in ("x'; DROP TABLE dataset;--", "%", "geonode:' OR 1=1"):
        assert server.get("/layers/" + urllib.parse.quote(name), accept="application/json").status == 404, name


def test_formulas_stay_text(server):
    cells = ['=HYPERLINK("http://x")', "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1", "x"]
    lines = ["1,2,\"" + c.replace('"', '""') + '"' for c in cells]
    n = points(server, "formulas", lines)["dataset"]["id"]
    assert [r[0] for r in rows(server, n, "name")] == cells      # stored as sent
    import csv
    import io
    out = list(csv.DictReader(io.StringIO(server.get(f"/datasets/{n}/download?format=csv").body.decode("utf-8-sig"))))
    assert [r["name"] for r in out] == ["'" + c if c[0] in "=+-@\t" else c for c in cells], out
    assert [r["lat"] for r in out] == ["1"] * len(cells)


if __name__ == "__main__":
    import test_names
    main(test_names)
