"""Goal: a file sent to the file API is imported whole or not at all, exactly once, whatever dies meanwhile; what is wrong with
it is told with row and column; the table is a dataset of the catalogue when its receiver says so (signed-api.md 7, 8, cases 31,
38, 39, 43)."""
import csv
import io
import json
import os
import re
import signal
import sqlite3
import sys
import threading
import time
import zipfile

import openpyxl
import xlwt

from harness import Server, main
from signed import FILE, configure, dataset, rows, send, signed, table, tasks

AB = {"n": "integer", "name": "text"}
CSV = b"n,name\n1,a1\n2,a2\n3,a3\n"
ROWS = [(1, "a1"), (2, "a2"), (3, "a3")]
DONE = {"result": "success", "data": "uploaded"}


def receiver(server, name, **config):
    configure(server, receivers={name: config})


def put(server, type_, data, name="march.csv", want=DONE, **fields):
    """Send a file; its answer must be WANT (None: any).  (answer, task)"""
    a = send(server, signed(type_, **fields), path=FILE, files=[("file", name, data)])
    if want is not None:
        assert a.status == 200 and a.json == want, a
    return a, int(a.header("X-Slipway-Task") or 0)


def refused(server, type_, data, text, name="march.csv", **fields):
    a, number = put(server, type_, data, name, None, **fields)
    assert a.status == 200 and a.json["result"] == "error", a
    assert a.json["data"] == text, a.json["data"]
    return number


def content(server, name):
    return table(server, name, "select n, name from t order by rowid")


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got or time.monotonic() > end:
            assert got, "it did not happen"
            return got
        time.sleep(0.1)


def task(server, number):
    return server.get(f"/tasks/{number}", accept="application/json", user="admin").json["task"]


def ended(server, number, seconds=40):
    return until(lambda: (t := task(server, number))["state"] in ("success", "failed") and t, seconds)


def worker_of(server, number):
    """Pid of the worker at this task, once it is at it."""
    def pid():
        for t in tasks(server, id=number):
            if t["state"] == "running":
                return int(t["worker"].split(".")[0])
    return until(pid)


class held:
    """Somebody else writes into the receiver's database."""
    def __init__(self, server, name):
        self.db = sqlite3.connect(f"{server.data}/tables/{name}.sqlite", timeout=30, isolation_level=None)

    def __enter__(self):
        self.db.execute("begin immediate")

    def __exit__(self, *_):
        self.db.execute("rollback")
        self.db.close()


def xlsx(*rows_):
    wb = openpyxl.Workbook()
    for row in rows_:
        wb.active.append(row)
    out = io.BytesIO()
    wb.save(out)
    return out.getvalue()


def xls(*rows_):
    wb = xlwt.Workbook()
    ws = wb.add_sheet("d")
    for r, row in enumerate(rows_):
        for c, v in enumerate(row):
            ws.write(r, c, v)
    out = io.BytesIO()
    wb.save(out)
    return out.getvalue()


def zipped(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members:
            z.writestr(name, data)
    return out.getvalue()


# ---- kinds

def test_every_kind_fills_the_table(server):
    receiver(server, "kinds", table="t(n, name)", columns=AB, mode="replace")
    for name, data in (("a.csv", CSV), ("a.dat", b"\xef\xbb\xbf" + CSV.replace(b",", b";")), ("a.tsv", CSV.replace(b",", b"\t")),
                       ("a.xlsx", xlsx(["n", "name"], *ROWS)), ("a.xls", xls(["n", "name"], *ROWS)), ("a.zip", zipped(("x/a.csv", CSV), ("__MACOSX/a", b"1")))):
        _, number = put(server, "kinds", data, name)
        assert content(server, "kinds") == ROWS, name
        t = task(server, number)
        assert (t["state"], t["rows"]["inserted"], t["filename"], t["kind"]) == ("success", 3, name, "import-table"), t
    put(server, "kinds", "n,name\n7,北京\n".encode("gb18030"))
    assert content(server, "kinds") == [(7, "北京")]


def test_rows_of_contents(server):
    receiver(server, "contents", table="t(n, name)", columns=AB)
    a = send(server, signed("contents", contents=[["__name", "n"], ["x", 1], ["y", 2]], filename="label"), path=FILE)
    assert a.json == DONE, a
    assert content(server, "contents") == [(1, "x"), (2, "y")]
    assert task(server, int(a.header("X-Slipway-Task")))["filename"] == "label"


def test_append_replace_upsert(server):
    receiver(server, "append", table="t(n, name)", columns=AB)
    put(server, "append", CSV)
    put(server, "append", CSV)
    assert content(server, "append") == ROWS * 2
    table(server, "upsert", "create table t(n integer primary key, name text)")
    receiver(server, "upsert", table="t(n, name)", id="n", mode="upsert")
    put(server, "upsert", CSV)
    _, number = put(server, "upsert", b"name,n\nnew,2\nx,9\n")
    assert content(server, "upsert") == [(1, "a1"), (2, "new"), (3, "a3"), (9, "x")]
    assert task(server, number)["rows"] == {"inserted": 1, "updated": 1, "deleted": 0, "bad": 0}


def test_header_alone_is_no_rows(server):
    receiver(server, "none", table="t(n, name)", columns=AB, mode="replace")
    put(server, "none", CSV)
    refused(server, "none", b"n,name\n", "bad request: no rows")
    assert content(server, "none") == ROWS
    receiver(server, "may_be_none", table="t(n, name)", columns=AB, mode="replace", allowEmpty=True)
    put(server, "may_be_none", CSV)
    put(server, "may_be_none", b"n,name\n")
    assert content(server, "may_be_none") == []


# ---- what is wrong

def test_files_that_are_none(server):
    receiver(server, "strict", table="t(n, name)", columns=AB)
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
    for name, data, text in (
            ("a.xlsx", CSV, "unsupported file: named xlsx, its content is text"),
            ("a.xlsx", ole + "EncryptedPackage".encode("utf-16le"), "unsupported file: it is encrypted"),
            ("a.xls", ole, "unsupported file: it is damaged"),
            ("a.zip", zipped(("a.csv", CSV), ("b.csv", CSV)), "unsupported file: 2 tables in the archive"),
            ("a.zip", zipped(("a.csv", b"n,name\n" + b"1,a\n" * 2000000)), "unsupported file: packed too densely"),
            ("a.csv", b"", "unsupported file: it is empty"),
            ("a.pdf", b"%PDF-1.4\n", "unsupported file: its content is pdf"),
            ("a.csv", b"n,other\n1,2\n", "bad request: row 1, column name: missing"),
            ("a.csv", b"n,name,name\n1,2,3\n", "bad request: row 1, column name: more than once"),
            ("a.csv", b'n,name\n1,"x\n', "bad request: row 2: a quote is not closed")):
        assert task(server, refused(server, "strict", data, text, name))["message"] == text


def test_bad_rows_are_told_and_nothing_is_written(server):
    receiver(server, "bad", table="t(n, name)", columns=AB, mode="replace")
    put(server, "bad", CSV)
    # Rows are numbered as a spreadsheet numbers them; 25 of them are bad.
    raw = b"n,name\n1,a\n\n" + b"".join(b"x%d,b\n" % i for i in range(25)) + b"2,c\n"
    a, number = put(server, "bad", raw, want=None)
    assert a.json["result"] == "error", a
    text = a.json["data"]
    assert text.startswith("row 4, column n: not an integer; row 5, column n: not an integer; "), text
    assert text.count("; row") == 4 and text.endswith("; and 20 more"), text
    assert content(server, "bad") == ROWS
    t = task(server, number)
    assert t["state"] == "failed" and len(t["bad"]) == 20 and t["rows"]["bad"] == 25 and t["bad"][0] == {"row": 4, "column": "n", "reason": "not an integer"}, t
    report = server.get(t["report"], user="admin")
    lines = list(csv.reader(io.StringIO(report.body.decode("utf-8-sig"))))
    assert report.header("Content-Type").startswith("text/csv") and len(lines) == 22 and lines[1][:4] == ["march.csv", "", "4", "n"], lines


def test_bad_rows_found_in_the_jail(server):
    receiver(server, "dates", table="t(n, d)", columns={"n": "integer", "d": "date"}, dateFormat="dd.MM.yyyy")
    put(server, "dates", b"n,d\n1,31.12.2020\n")
    assert table(server, "dates", "select n, d from t") == [(1, "2020-12-31")]
    refused(server, "dates", b"n,d\n1,31.12.2020\n2,tomorrow\n", "row 3, column d: not a date like dd.MM.yyyy")


def test_a_failing_row_keeps_the_old_ones(server):
    table(server, "unique", "create table t(n integer primary key, name text not null)")
    receiver(server, "unique", table="t(n, name)", mode="replace")
    put(server, "unique", CSV)
    a, _ = put(server, "unique", b"n,name\n1,a\n1,b\n", want=None)
    assert a.json["result"] == "error" and "row 3" in a.json["data"], a
    assert content(server, "unique") == ROWS


# ---- size

class Peaks(threading.Thread):
    """The most memory, in bytes, that the worker of SERVER and any of its jobs has used, until it is stopped."""
    def __init__(self, server, meanwhile):
        super().__init__()
        self.data, self.meanwhile, self.over, self.worker, self.job = server.data, meanwhile, threading.Event(), 0, 0

    def look(self, pid):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().decode("utf-8", "replace").split("\0")
        with open(f"/proc/{pid}/status") as f:
            status = f.read()
        program, peak = os.path.basename(words[0]), int(re.search(r"VmHWM:\s+(\d+)", status)[1]) << 10
        if program == "slipway-worker" and self.data in words:
            self.worker = max(self.worker, peak)
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children") as f:
                    for child in f.read().split():
                        self.look(child)
        elif program == "slipway-geo":
            self.job = max(self.job, peak)

    def run(self):
        while not self.over.wait(0.02):
            for pid in os.listdir("/proc"):
                try:
                    if pid.isdigit() and open(f"/proc/{pid}/comm").read() == "slipway-worker\n":
                        self.look(pid)
                except (OSError, TypeError):
                    continue      # it has ended
            self.meanwhile()


def import_of(server, name, n, meanwhile=lambda: None):
    """Send N rows and wait until they are in; the memory of worker and job."""
    raw = b"n,name\n" + b"".join(b"%d,name of %d\n" % (i, i) for i in range(n))
    peaks = Peaks(server, meanwhile)
    peaks.start()
    try:
        _, number = put(server, name, raw, want=None)
        t = ended(server, number, 240)
    finally:
        peaks.over.set()
        peaks.join()
    assert t["state"] == "success" and t["rows"]["inserted"] == n, t
    return peaks.worker, peaks.job


def a_million_rows_in_the_memory_of_a_fifth(server, name, **kw):
    small, large = import_of(server, name, 200_000), import_of(server, name, 1_000_000, **kw)
    # A short job may have ended between two looks: it begins with 40 MiB of libraries.
    for less, more in zip((small[0], max(small[1], 40 << 20)), large):
        assert 0 < more < less + (8 << 20) and more < 64 << 20, (small, large)


def test_a_million_rows(server):
    receiver(server, "million", table="t(n, name)", columns=AB, maxRows=1_000_000)
    a_million_rows_in_the_memory_of_a_fifth(server, "million")
    assert table(server, "million", "select count(*), count(distinct n), max(length(name)) from t") == [(1_200_000, 1_000_000, 14)]


# ---- time and death

def test_an_answer_late_and_the_import_goes_on(server):
    receiver(server, "late", table="t(n, name)", columns=AB)
    put(server, "late", CSV)
    fields = signed("late")
    with held(server, "late"):
        start = time.monotonic()
        a = send(server, fields, path=FILE, files=[("file", "april.csv", CSV)])
        assert a.status == 504 and a.json == {"result": "timeout", "data": "Pls wait for mail"}, a
        assert time.monotonic() - start < 15
        number = int(a.header("X-Slipway-Task"))
        assert task(server, number)["state"] == "running"
        # The same request meanwhile waits as long, and begins nothing.
        again = send(server, fields, path=FILE, files=[("file", "april.csv", CSV)])
        assert again.status == 504 and int(again.header("X-Slipway-Task")) == number, (again, again.headers)
    assert ended(server, number)["state"] == "success"
    assert content(server, "late") == ROWS * 2
    # The answer is recorded: the same request again is told it, and imports nothing.
    again = send(server, fields, path=FILE, files=[("file", "april.csv", CSV)])
    assert again.status == 200 and again.json == DONE and again.header("X-Slipway-Replayed") == "1", again
    assert content(server, "late") == ROWS * 2


def test_a_killed_worker_begins_again_once(server):
    receiver(server, "killed", table="t(n, name)", columns=AB)
    put(server, "killed", CSV)
    with held(server, "killed"):
        a, number = put(server, "killed", CSV, want=None)
        assert a.status == 504, a
        os.kill(worker_of(server, number), signal.SIGKILL)
        until(lambda: tasks(server, id=number)[0]["attempt"] == 2)
    assert ended(server, number)["state"] == "success"
    assert content(server, "killed") == ROWS * 2


def test_killed_while_it_writes_it_writes_once(server):
    receiver(server, "many", table="t(n, name)", columns=AB, maxRows=1000000)
    raw = b"n,name\n" + b"".join(b"%d,name of %d\n" % (i, i) for i in range(200000))
    for wait in (0.3, 0.6, 1.0):
        before = table(server, "many", "select count(*) from t")[0][0] if os.path.exists(f"{server.data}/tables/many.sqlite") else 0
        a, number = put(server, "many", raw, want=None)
        pid = next((int(t["worker"].split(".")[0]) for t in tasks(server, id=number) if t["state"] == "running"), 0)
        if pid:
            time.sleep(wait)
            os.kill(pid, signal.SIGKILL)
        assert ended(server, number, 60)["state"] == "success"
        assert table(server, "many", "select count(*) from t")[0][0] == before + 200000


def test_killed_twice_it_fails(server):
    receiver(server, "dead", table="t(n, name)", columns=AB)
    put(server, "dead", CSV)
    with held(server, "dead"):
        _, number = put(server, "dead", CSV, want=None)
        for attempt in (1, 2):
            until(lambda: tasks(server, id=number)[0]["attempt"] == attempt)
            os.kill(worker_of(server, number), signal.SIGKILL)
            until(lambda: tasks(server, id=number)[0]["attempt"] == 2 if attempt == 1 else task(server, number)["state"] == "failed")
    t = task(server, number)
    # As long as somebody else writes nobody can tell what the dead ones did.
    assert t["state"] == "failed" and t["message"] == "database not reachable", t
    assert content(server, "dead") == ROWS


def test_the_front_ends_and_the_import_does_not(server):
    receiver(server, "front", table="t(n, name)", columns=AB)
    put(server, "front", CSV)
    with held(server, "front"):
        _, number = put(server, "front", CSV, want=None)
        for pid in os.popen(f"pgrep -f '{server.conf}'").read().split():
            with open(f"/proc/{pid}/comm") as f:
                if f.read().startswith("slipway.fcgi"):
                    os.kill(int(pid), signal.SIGKILL)
    until(lambda: send_ok(server))
    assert ended(server, number)["state"] == "success"
    assert content(server, "front") == ROWS * 2


def send_ok(server):
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


# ---- the task page

def test_tasks_are_for_owner_and_administrators(server):
    receiver(server, "seen", table="t(n, name)", columns=AB)
    _, number = put(server, "seen", CSV, visitor="meis", key="a-secret-of-mei-alone-1")
    a = rows(server, "seen", [["h", "h"], [4, "<b>"]], visitor="meis", key="a-secret-of-mei-alone-1")
    second = int(a.header("X-Slipway-Task"))
    for user in ("mei", "admin"):
        listed = server.get("/tasks/", accept="application/json", user=user).json["tasks"]
        assert [t["id"] for t in listed[:2]] == [second, number] and [t["kind"] for t in listed[:2]] == ["receive", "import-table"], listed
        assert server.get(f"/tasks/{number}", user=user, accept="application/json").json["task"]["user"] == "mei"
    assert all(t["user"] == "mei" for t in server.get("/tasks/", accept="application/json").json["tasks"])
    unknown = server.get("/tasks/99999999", user="otto", accept="application/json")
    foreign = server.get(f"/tasks/{number}", user="otto", accept="application/json")
    assert foreign.status == 404 and {**foreign.json, "request_id": 0} == {**unknown.json, "request_id": 0}, foreign
    assert server.get("/tasks/", user=None, accept="application/json").status == 401
    for lang, word in (("en", "Writes of programs"), ("zh", "程序的写入")):
        page = server.get(f"/tasks/?lang={lang}", accept="text/html").text
        assert word in page and f'/tasks/{number}"' in page, page
    assert server.get(f"/tasks/{number}", accept="text/html").status == 200


# ---- the catalogue

def datasets(server, name, user="mei"):
    return [d for d in server.get("/datasets/", accept="application/json", user=user).json["datasets"] if d["title"] == name]


def test_a_table_is_a_dataset(server):
    receiver(server, "shops", table="t(id, name, lon, lat)", id="id", ops="CUD", catalogue=True,
             columns={"id": "integer", "name": "text", "lon": "real", "lat": "real"}, geometry={"lon": "lon", "lat": "lat"})
    secret = dict(visitor="meis", key="a-secret-of-mei-alone-1")
    put(server, "shops", b"id,name,lon,lat\n1,one,10.5,50\n2,two,11,51\n", **secret)
    d = until(lambda: datasets(server, "shops"))[0]
    full = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]
    assert (full["count"], full["geometry"], full["crs"]["code"], full["owner"]) == (2, "Point", "EPSG:4326", "mei"), full
    assert not datasets(server, "shops", "otto")

    def exported(format_):
        def ask():
            a = server.get(f"/datasets/{d['id']}/download?format={format_}")
            return a if a.status == 200 and "json" not in a.header("Content-Type") or format_ == "geojson" and a.status == 200 else None
        return until(ask)
    got = exported("geojson").body
    if got[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(got)) as z:
            got = z.read(z.namelist()[0])
    assert len(json.loads(got)["features"]) == 2
    # Shared with everybody, then written to by the other API: the same dataset, still shared.
    changed = server.post(f"/datasets/{d['id']}/edit", {"access": "view"}, accept="application/json")
    assert changed.status == 200, changed
    rows(server, "shops", [{"id": 3, "name": "three", "lon": 12, "lat": 52}], **secret)
    until(lambda: server.get(f"/datasets/{d['id']}", accept="application/json", user="otto").json["dataset"]["count"] == 3)
    rows(server, "shops", [1], update="2", **secret)
    rows(server, "shops", [2], update="2", **secret)
    rows(server, "shops", [3], update="2", **secret)
    until(lambda: server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]["count"] == 0)
    assert len(datasets(server, "shops")) == 1


def features(server, number):
    """Geometries of a dataset by its GeoJSON, once that is made."""
    def ask():
        a = server.get(f"/datasets/{number}/download?format=geojson")
        return a if a.status == 200 and (a.body[:2] == b"PK" or '"features"' in a.text) else None
    got = until(ask).body
    if got[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(got)) as z:
            got = z.read(z.namelist()[0])
    return [f["geometry"] for f in json.loads(got)["features"]]


def test_a_column_of_wkt_is_a_map(server):
    """In the CRS the receiver names; a cell that is no geometry keeps its row, without one."""
    secret = dict(visitor="meis", key="a-secret-of-mei-alone-1")
    receiver(server, "areas", table="t(id, shape)", catalogue=True, columns={"id": "integer", "shape": "text"},
             geometry={"wkt": "shape", "srs": "EPSG:3857"})
    put(server, "areas", b'id,shape\n1,"POLYGON((0 0,111319.49 0,111319.49 111325.14,0 0))"\n2,\n', **secret)
    d = until(lambda: datasets(server, "areas"))[0]
    full = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]
    assert (full["type"], full["count"], full["crs"]["code"]) == ("vector", 2, "EPSG:3857"), full
    assert "Polygon" in full["geometry"] and [round(v) for v in full["bbox_wgs84"]] == [0, 0, 1, 1], full
    found = [g for g in features(server, d["id"]) if g is not None]
    assert len(found) == 1 and "Polygon" in found[0]["type"], found
    assert max(abs(v) for ring in json.dumps(found[0]["coordinates"]).replace("[", " ").replace("]", " ").split(",") for v in [float(ring)]) < 1.01


def test_a_table_gets_a_map_and_loses_it(server):
    """Another kind of dataset under the same name, with its title and rights; nothing of the former is left."""
    secret = dict(visitor="meis", key="a-secret-of-mei-alone-1")
    receiver(server, "turning", table="t(id, lon, lat)", catalogue=True, columns={"id": "integer", "lon": "real", "lat": "real"})
    put(server, "turning", b"id,lon,lat\n1,10.5,50\n", **secret)
    first = until(lambda: datasets(server, "turning"))[0]
    assert first["type"] == "table", first
    for fields in ({"access": "view"}, {"abstract": "shops by day"}):
        assert server.post(f"/datasets/{first['id']}/edit", fields, accept="application/json").status == 200
    previous = first["id"]
    for key, kind in (('geometry={"lon":"lon","lat":"lat"}', "vector"), ("geometry=null", "table")):
        dataset(server, "set", "turning", key)
        rows(server, "turning", ["2", 11, 51], **secret)
        d = until(lambda: [x for x in datasets(server, "turning", "otto") if x["type"] == kind])[0]
        full = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]
        assert full["type"] == kind and full["abstract"] == "shops by day" and full["owner"] == "mei", full
        assert len(datasets(server, "turning")) == 1, datasets(server, "turning")
        if d["id"] != previous:
            until(lambda: server.get(f"/datasets/{previous}", accept="application/json").status == 404)
        previous = d["id"]
    assert server.get(f"/datasets/{previous}/download?format=csv").status in (200, 202)


def test_a_table_without_a_map(server):
    receiver(server, "plain", table="t(n, name)", columns=AB, catalogue=True)
    put(server, "plain", b'n,name\n1,"a ""quoted"", text"\n2,\n', visitor="meis", key="a-secret-of-mei-alone-1")
    d = until(lambda: datasets(server, "plain"))[0]
    full = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]
    assert (full["type"], full["count"]) == ("table", 2) and full["rows"] == [["1", 'a "quoted", text'], ["2", None]], full


def refreshes(server, name):
    tasks = [json.loads(line)["value"] for line in server.slipway("dump", "tasks").splitlines()]
    return [t for t in tasks if t["kind"] == "refresh-table" and t["receiver"] == name]


def test_many_writes_one_refresh(server):
    receiver(server, "busy", table="t(n, name)", columns=AB, catalogue=True)
    for i in range(15):
        rows(server, "busy", [["h", "h"], [i, "x"]], visitor="meis", key="a-secret-of-mei-alone-1")
    d = until(lambda: datasets(server, "busy"))[0]
    # Other tests' tasks may stand before them.
    until(lambda: all(t["state"] not in ("queued", "running") for t in refreshes(server, "busy")), seconds=90)
    tasks = refreshes(server, "busy")
    count = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]["count"]
    assert count == 15, (count, tasks)
    n = len(tasks)
    assert 1 <= n < 15, n
    assert len(os.listdir(f"{server.data}/datasets/{d['id']}")) <= 2


def test_check_finds_nothing(server):
    server.jobs_settle()
    server.slipway("check")


if __name__ == "__main__":
    s = Server(config="[signed]\nwait = 2\nlock_wait = 8\n[worker]\ntasks_per_user = 4\n[mail]\nmethod = none")
    try:
        configure(s, accounts={"loader": {}, "meis": {"token": "a-secret-of-mei-alone-1", "user": "mei"}})
        main(sys.modules[__name__], s)
    finally:
        s.close()
