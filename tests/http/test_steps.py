"""Goal: a POST belongs to the step of its URL, equal POSTs are harmless, every client gets its status and shape
(contracts: wizard 3, 4, 5.4, 6, 7; cases 6 to 12)."""
import concurrent.futures
import contextlib
import fcntl
import json
import os
import re
import signal
import sys
import uuid

from harness import OTHER, USER, Server, main, multipart, nothing_left
from made import HTML, WGS84, Browser, Page, drop, geojson, geotiff, grid, refused, shapefile, zipped

JSON = "application/json"
CSV = ("points.csv", "lat,lon,a,b,name\n39.9,116.4,1,2,x\n31.2,121.5,3,4,y\n".encode())


def at_srs(server):
    """A table whose columns are chosen: waits at srs."""
    a = server.save(CSV, strict=False)
    b = server.post(f"/upload/csv?id={a.json['id']}", {"lat": "lat", "lng": "lon"})
    assert b.json["status"] == "incomplete" and "/upload/srs" in b.json["redirect_to"], b
    return a


def rev(server, n):
    return server.get(f"/upload/srs?id={n}&force_ajax=true").json["session"]["rev"]


def same(a, b):
    """Equal answers, but for the number of the request."""
    x, y = dict(a.json), dict(b.json)
    x.pop("request_id", None), y.pop("request_id", None)
    return a.status == b.status and x == y


# ---- 5.4

def test_equal_post_changes_nothing(server):
    a = at_srs(server)
    n = a.json["id"]
    before = server.traces()
    first = server.post(f"/upload/csv?id={n}", {"lat": "lat", "lng": "lon"})
    again = server.post(f"/upload/csv?id={n}", {"lng": "lon", "lat": "lat", "csrfmiddlewaretoken": "other"})
    assert same(first, again) and first.json["session"]["rev"] == 1, (first, again)
    assert "/upload/srs" in again.json["redirect_to"], "no step was skipped"
    nothing_left(server, before)
    drop(server, a)


def test_other_columns_ask_srs_again_with_the_old_value(server):
    a = at_srs(server)
    n = a.json["id"]
    b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4490"})
    assert "/upload/check" in b.json["redirect_to"], b
    c = server.post(f"/upload/csv?id={n}", {"lat": "a", "lng": "b"})
    assert "/upload/srs" in c.json["redirect_to"] and c.json["required_input"] is True, c
    page = server.get(f"/upload/srs?id={n}", accept=JSON).json["page"]
    assert page["source"] == "EPSG:4490", page
    html = server.get(f"/upload/srs?id={n}", accept=HTML)
    assert html.status == 200 and "EPSG:4490" in html.text
    f = server.get(f"/upload/final?id={n}")
    refused(f, 200, "input_missing")
    assert f.json["redirect_to"] == f"/upload/srs?id={n}"
    drop(server, a)


def test_step_out_of_order_names_the_first_missing(server):
    a = server.save(CSV, strict=False)
    n = a.json["id"]
    b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"})
    refused(b, 409, "step_out_of_order")
    assert b.json["redirect_to"] == f"/upload/csv?id={n}", b
    html = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"}, accept=HTML)
    assert html.status == 303 and html.header("Location").startswith(f"/upload/csv?id={n}"), html
    drop(server, a)


def test_stale_page_changes_nothing(server):
    a = at_srs(server)
    n = a.json["id"]
    r = rev(server, n)
    ok = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326", "rev": str(r)})
    assert ok.json["success"] is True, ok
    for mode in (JSON, None):
        b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4490", "rev": str(r)}, accept=mode)
        refused(b, 409, "stale_page")
    html = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4490", "rev": str(r)}, accept=HTML)
    assert html.status == 409 and "EPSG:4326" in html.text and Page(html.text).alerts, html
    assert server.get(f"/upload/srs?id={n}&force_ajax=true").json["session"]["rev"] == r + 1
    # A script that sends none is not asked.
    assert server.post(f"/upload/srs?id={n}", {"source": "EPSG:4490"}).json["success"] is True
    drop(server, a)


def test_nonce_makes_one_session(server):
    nonce = uuid.uuid4().hex
    one = shapefile("nonce", [(1, 2)], prj=WGS84)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda _: server.save(*one, fields={"nonce": nonce}, strict=False), range(2)))
    assert [g.status for g in got] == [200, 200] and got[0].json["id"] == got[1].json["id"], got
    assert got[0].json["redirect_to"] == got[1].json["redirect_to"]
    before = server.traces()
    third = server.save(*one, fields={"nonce": nonce}, strict=False)
    assert third.json["id"] == got[0].json["id"], third
    nothing_left(server, before)
    other = server.save(*one, fields={"nonce": nonce}, strict=False, user="otto")
    assert other.json["id"] != got[0].json["id"], "somebody else's nonce is another one"
    by_header = server.save(*one, strict=False, headers={"Idempotency-Key": nonce})
    assert by_header.json["id"] == got[0].json["id"], by_header
    drop(server, got[0])
    drop(server, other, user="otto")


def test_finished_session_takes_no_other_input(server):
    a = server.save(*shapefile("done", [(1, 2)], prj=WGS84), strict=False)
    n = a.json["id"]
    f = server.get(f"/upload/final?id={n}")
    assert f.json["status"] == "finished"
    b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:3857"})
    refused(b, 409, "already_imported")
    assert b.json["url"] == f.json["url"], b
    c = server.post(f"/upload/final?id={n}", {})
    assert c.json["status"] == "finished" and c.json["dataset"]["id"] == f.json["dataset"]["id"], c
    d = server.post(f"/upload/final?id={n}", {"title": "another"})
    refused(d, 409, "already_imported")
    assert d.json["url"] == f.json["url"], d
    page = server.get(f"/upload/srs?id={n}", accept="text/html")      # no form that nobody can send
    assert page.status == 303 and page.header("Location").endswith(f"/upload/?id={n}&note=already_imported"), page
    e = server.get(f"/upload/?id={n}", accept=JSON)
    assert e.json["status"] == "finished"
    h = server.get(f"/upload/?id={n}", accept=HTML)
    assert h.status == 303 and h.header("Location") == f"/datasets/{f.json['dataset']['id']}", h


def test_get_of_a_page_changes_nothing(server):
    a = at_srs(server)
    n = a.json["id"]
    before = rev(server, n)
    for step in ("csv", "srs"):
        for accept in (HTML, JSON, None):
            assert server.get(f"/upload/{step}?id={n}", accept=accept).status == 200
    assert rev(server, n) == before
    assert server.get(f"/upload/?id={n}", accept=JSON).json["redirect_to"].startswith(f"/upload/srs?id={n}")
    drop(server, a)


# ---- who is asked what

def test_dispatcher_refuses_in_order(server):
    a = server.save(*shapefile("order", [(1, 2)], prj=WGS84), strict=False)
    n = a.json["id"]
    refused(server.get(f"/upload/mosaic?id={n}"), 404, "step_unknown")
    refused(server.get(f"/upload/undefined?id={n}"), 404, "step_unknown")
    refused(server.get(f"/upload/srs/?id={n}"), 404, "step_unknown")
    for bad in ("abc", "-1", "99999999999999999999", "1.5", "", f"0{n}", "0"):
        refused(server.get(f"/upload/srs?id={bad}", accept=JSON), 400, "id_invalid")
    refused(server.get("/upload/srs", accept=JSON), 400, "id_missing")
    refused(server.get("/upload/srs?id=9007199254740991", accept=JSON), 404, "not_found")
    mine = server.get(f"/upload/srs?id={n}", accept=JSON, user="otto")
    none = server.get("/upload/srs?id=999999", accept=JSON, user="otto")
    refused(mine, 404, "not_found")
    x, y = mine.json, none.json
    x.pop("request_id"), y.pop("request_id")
    assert x == y, "another's session looks like none"
    assert server.get(f"/upload/srs?id={n}", accept=HTML, user="admin").status == 200, "administrators see all"
    b = server.get(f"/upload/csv?id={n}", accept=JSON)
    refused(b, 409, "step_not_in_list")
    assert b.json["redirect_to"] == f"/upload/srs?id={n}", b
    h = server.get(f"/upload/csv?id={n}", accept=HTML)
    assert h.status == 303 and h.header("Location").split("&")[0] in (f"/upload/srs?id={n}", f"/upload/final?id={n}"), h
    drop(server, a)


def test_methods(server):
    for method, path in (("PUT", "/upload/"), ("DELETE", "/upload/"), ("PATCH", "/upload/srs?id=1"), ("GET", "/upload/cancel?id=7"),
                         ("GET", "/upload/retry?id=7"), ("POST", "/upload/crs?q=1")):
        a = server.request(method, path, headers={"Accept": JSON})
        refused(a, 405, "method")
        assert a.header("Allow"), a
    a = server.request("OPTIONS", "/upload/")
    assert a.status == 204 and "POST" in a.header("Allow") and a.body == b"", a
    for path in ("/upload", "/datasets", "/tasks", "/admin", "/admin/datasets"):      # as people type them
        a = server.get(path)
        assert a.status == 308 and a.header("Location") == path + "/", a
    a = server.request("POST", "/upload?force_ajax=true&layer_id=1")
    assert a.status == 308 and a.header("Location") == "/upload/?force_ajax=true&layer_id=1", a
    a = server.request("HEAD", "/upload/", headers={"Accept": HTML})
    assert a.status == 200 and a.body == b"", a


def test_identity_is_asked_for(server):
    a = server.get("/upload/", accept=HTML, user=None)
    assert a.status == 303 and a.header("Location") == "/login?next=%2Fupload%2F", a
    a = server.get("/upload/srs?id=1&lang=en", accept=HTML, user=None)
    assert a.status == 303 and a.header("Location") == "/login?next=%2Fupload%2Fsrs%3Fid%3D1%26lang%3Den", a
    a = server.get("/upload/srs?id=1", accept=JSON, user=None)
    refused(a, 401, "login_required")
    assert a.header("WWW-Authenticate").startswith('Basic realm="Slipway"'), a.headers
    a = server.get("/upload/srs?id=1", user=None, headers={"X-Requested-With": "XMLHttpRequest"})
    refused(a, 401, "login_required")
    assert a.header("WWW-Authenticate").startswith("Slipway"), a.headers
    before = server.traces()
    a = server.save(CSV, user=None)
    refused(a, 401, "login_required")
    nothing_left(server, before)


def test_headers_of_every_answer(server):
    for accept in (HTML, JSON):
        a = server.get("/upload/", accept=accept)
        assert a.status == 200 and a.header("Cache-Control") == "no-store" and a.header("X-Request-Id"), a.headers
        assert a.header("Vary") == "Accept, X-Requested-With, Cookie, Accept-Language", a.headers
        assert a.header("X-Content-Type-Options") == "nosniff"
    assert a.header("Content-Type") == "application/json; charset=utf-8"
    html = server.get("/upload/", accept=HTML)
    csp = html.header("Content-Security-Policy")
    assert "unsafe-inline" not in csp and "default-src 'none'" in csp, csp
    assert html.header("Referrer-Policy") == "same-origin"
    assert not re.search(r"<script(?![^>]* src=)(?![^>]*application/json)", html.text), "no inline script"


def test_representation_rules(server):
    html, js = "text/html", "application/json"
    cases = [({}, "/upload/", html), ({"Accept": "*/*"}, "/upload/", html), ({"Accept": "image/png"}, "/upload/", html),
             ({"Accept": "application/json"}, "/upload/", js), ({"Accept": "application/json;q=0.5, text/html;q=0.4"}, "/upload/", js),
             ({"Accept": "application/json;q=0.3, text/html"}, "/upload/", html), ({"Accept": "application/json;q=0"}, "/upload/", html),
             ({"Accept": HTML}, "/upload/?force_ajax=TRUE", js), ({"Accept": HTML}, "/upload/?force_ajax=0", html),
             ({"Accept": HTML, "X-Requested-With": "xmlhttprequest"}, "/upload/", js),
             ({"Accept": "application/xhtml+xml"}, "/upload/", html)]
    for headers, path, want in cases:
        a = server.get(path, headers=headers)
        assert a.status == 200 and a.header("Content-Type").startswith(want), (headers, path, a)
    a = server.save(CSV, strict=False)
    n = a.json["id"]
    for step in ("csv", "run", "final", "check"):
        got = server.get(f"/upload/{step}?id={n}", headers={"Accept": "*/*"})
        page = got.header("Content-Type", ) or ""
        assert page.startswith(js) == (step in ("final", "check")) or got.status == 303, (step, got)
    drop(server, a)


# ---- strict, compat, HTML

def test_strict_client_gets_strict_statuses(server):
    a = server.save(*shapefile("strict", [(1, 2)]))
    n = a.json["id"]
    assert a.status == 201 and a.header("Location") == f"/upload/?id={n}", a
    assert a.json["status"] == "incomplete" and a.json["required_input"] is True
    refused(server.post(f"/upload/srs?id={n}", {"source": "foo"}, accept=JSON), 400, "srs_invalid", "Source SRS is not valid")
    b = server.post(f"/upload/final?id={n}", {}, accept=JSON)
    refused(b, 409, "input_missing")
    assert b.json["redirect_to"] == b.json["url"] == f"/upload/srs?id={n}"
    c = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"}, accept=JSON)
    assert c.status == 200 and c.json["status"] == "incomplete", c
    d = server.post(f"/upload/final?id={n}", {"title": "Strict"}, accept=JSON)
    assert (d.status, d.json["status"]) in ((202, "pending"), (200, "finished")), d
    e = server.wait_finished(n)
    assert e.status == 200 and e.json["status"] == "finished" and e.json["dataset"]["title"] == "Strict", e


def test_pending_of_a_long_import_is_202_for_strict_posts(server):
    slow = Server("[wizard]\nfinal_wait_s = 0\n")
    try:
        a = slow.save(*shapefile("pending", [(1, 2)], prj=WGS84))
        n = a.json["id"]
        b = slow.post(f"/upload/final?id={n}", {}, accept=JSON)
        assert b.status == 202 and b.json["status"] == "pending" and b.json["success"] is True, b
        assert b.json["redirect_to"] == f"/upload/final?id={n}&force_ajax=true", b
        assert b.json["progress"] == f"/upload/progress?id={n}" and "required_input" not in b.json
        again = slow.post(f"/upload/final?id={n}", {}, accept=JSON)
        assert again.json["status"] in ("pending", "finished"), again
        assert slow.wait_finished(n).json["status"] == "finished"
        c = slow.save(*shapefile("compat", [(1, 2)], prj=WGS84), strict=False)
        d = slow.get(f"/upload/final?id={c.json['id']}&force_ajax=true")
        assert d.status == 200 and d.json["status"] == "pending" and d.json["redirect_to"] == f"/upload/final?id={c.json['id']}", d
        other = slow.post(f"/upload/srs?id={c.json['id']}", {"source": "EPSG:3857"})
        assert other.json["code"] in ("import_running", "already_imported") and other.status == 409, other
        assert slow.wait_finished(c.json["id"]).json["status"] == "finished"
    finally:
        slow.close()


@contextlib.contextmanager
def stopped_worker(server):
    """While it lasts, nothing that is queued begins: the worker holds its place but does not run."""
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status") as f:
                text = f.read()
            children[int(pid)] = (int(re.search(r"PPid:\s+(\d+)", text)[1]), text.partition("Name:\t")[2].partition("\n")[0])
        except (FileNotFoundError, ProcessLookupError):
            pass

    def ours(pid):
        while pid > 1 and pid != server.process.pid:
            pid = children.get(pid, (0, ""))[0]
        return pid == server.process.pid
    pids = [pid for pid, (_, name) in children.items() if name.startswith("slipway-worker") and ours(pid)]
    assert pids, "no worker"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_import_under_way_takes_no_other_input(server):
    site = Server("[wizard]\nfinal_wait_s = 1\n")
    try:
        a = site.save(*shapefile("queued", [(1, 2)], prj=WGS84))
        n = a.json["id"]
        with stopped_worker(site):
            b = site.post(f"/upload/final?id={n}", {"title": "Queued"}, accept=JSON)
            assert b.status == 202 and b.json["status"] == "pending", b
            c = site.post(f"/upload/final?id={n}", {"title": "Queued"}, accept=JSON)
            assert c.status == 202 and c.json["status"] == "pending", c
            c = site.post(f"/upload/run?id={n}", {}, accept=JSON)
            assert c.status == 202 and c.json["status"] == "pending", c
            g = site.get(f"/upload/final?id={n}", accept=JSON)
            assert g.status == 200 and g.json["status"] == "pending", g
            refused(site.post(f"/upload/final?id={n}", {"title": "Other"}, accept=JSON), 409, "import_running")
            refused(site.post(f"/upload/srs?id={n}", {"source": "EPSG:4490"}), 409, "import_running")
            h = site.post(f"/upload/srs?id={n}", {"source": "EPSG:4490"}, accept=HTML)
            assert h.status == 303 and h.header("Location").startswith(f"/upload/progress?id={n}"), h
            h = site.get(f"/upload/final?id={n}", accept=HTML)
            assert h.status == 303 and h.header("Location") == f"/upload/progress?id={n}", h
            p = site.get(f"/upload/progress?id={n}")
            assert p.json["state"] == "RUNNING" and p.json["session_state"] == "PENDING" and p.json["percent"] == 33, p
            assert p.json["progress"] == 0 and p.json["redirect_to"] == f"/upload/final?id={n}" and int(p.header("Retry-After")) >= 1
            page = site.get(f"/upload/progress?id={n}", accept=HTML)
            assert page.status == 200 and page.header("Refresh") == "3" and 'role="status"' in page.text, page
            item = site.get(f"/api/v2/uploads/{n}/").json["upload"]
            assert item["state"] == "PENDING" and item["progress"] == 33 and item["complete"] is False, item
            tasks = [r["value"] for r in map(json.loads, site.slipway("dump").splitlines()) if r["table"] == "tasks"]
            assert [t["kind"] for t in tasks].count("import") == 1, tasks
        f = site.wait_finished(n)
        assert f.json["status"] == "finished" and f.json["dataset"]["title"] == "Queued", f
    finally:
        site.close()


def test_locked_session_is_busy(server):
    a = at_srs(server)
    n = a.json["id"]
    with open(os.path.join(server.data, "locks", "sessions"), "r+b") as f:
        fcntl.lockf(f, fcntl.LOCK_EX, 1, n)      # each session is one byte of the file
        b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"}, accept=JSON)
        refused(b, 503, "busy")
        assert b.header("Retry-After") == "1", b.headers
        assert server.get(f"/upload/srs?id={n}", accept=JSON).status == 200, "reading waits for nobody"
    assert server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"}, accept=JSON).status == 200
    drop(server, a)


def test_html_flow_without_scripts(server):
    """Zipped shapefile without .prj, from the save page to the dataset's page: 200 and 303 only."""
    b = Browser(server, *USER)
    b.open("/upload/")
    assert b.answer.status == 200
    b.statuses.clear()
    b.submit("/upload/", files=[("files",) + zipped(shapefile("inner", [(-81.7, 12.5), (-81.6, 12.6)]), "harbour.zip")])
    assert b.url.startswith("/upload/srs?id="), b.url
    assert "harbour" in b.page.h2[0]
    b.submit("/upload/srs", source="EPSG:4326", action="next")
    assert b.url.startswith("/upload/final?id="), (b.url, b.answer)
    assert "harbour" in b.page.h2[0]
    b.submit("/upload/final", title="The harbour", access="view")
    assert re.fullmatch(r"/datasets/\d+", b.url), (b.url, b.answer)
    assert set(b.statuses) <= {200, 303}, b.statuses
    assert "The harbour" in b.answer.text
    assert server.get(b.url, accept=HTML, user=None).status == 200, "everybody may see it"


def test_html_flow_of_a_table(server):
    b = Browser(server, *USER)
    b.open("/upload/")
    b.statuses.clear()
    b.submit("/upload/", files=[("files",) + CSV])
    assert b.url.startswith("/upload/csv?id="), b.url
    form = dict(b.page.form("/upload/csv")["fields"])
    assert form["lat"] == "lat" and form["lng"] == "lon" and form["geometry"] == "latlng", form
    b.submit("/upload/csv")
    assert b.url.startswith("/upload/srs?id="), b.url
    b.submit("/upload/srs", source="EPSG:4326", action="next")
    assert b.url.startswith("/upload/final?id="), b.url
    b.submit("/upload/final")
    assert re.fullmatch(r"/datasets/\d+", b.url), b.url
    assert set(b.statuses) <= {200, 303}, b.statuses


def test_html_errors_keep_what_was_typed(server):
    b = Browser(server, *USER)
    b.open("/upload/")
    b.submit("/upload/", files=[("files",) + f for f in shapefile("typed", [(1, 2)])])
    assert b.url.startswith("/upload/srs?id=")
    a = b.submit("/upload/srs", source="EPSG:99999", target="foo", action="next", follow=False)
    assert a.status == 400 and "EPSG:99999" in a.text and 'value="foo"' in a.text, a
    assert Page(a.text).alerts, "the summary is announced"
    assert a.text.count("Source SRS is not valid") >= 2, "above and beside the field"
    assert a.header("Content-Type").startswith("text/html")
    before = server.traces()
    b.open("/upload/")
    a = b.submit("/upload/", files=[("files", "x.py", b"1")], follow=False)
    assert a.status == 400 and "x.py" in a.text and Page(a.text).alerts and Page(a.text).form("/upload/"), a
    nothing_left(server, before)


def test_models_of_html_and_json_are_equal(server):
    """What the page shows stands in the JSON model (case 10)."""
    a = at_srs(server)
    n = a.json["id"]
    for step in ("csv", "srs"):
        html = server.get(f"/upload/{step}?id={n}", accept=HTML)
        model = server.get(f"/upload/{step}?id={n}", accept=JSON).json
        fields = dict(Page(html.text).form(f"/upload/{step}")["fields"])
        page = model["page"]
        assert model["session"]["name"] in Page(html.text).h2[0]
        assert fields["rev"] == str(model["session"]["rev"]), (fields, model["session"])
        if step == "csv":
            assert fields["lat"] == page["selected_lat"] and fields["lng"] == page["selected_lng"]
            assert fields["delimiter"] == page["dialect"]["delimiter"] and fields["charset"] == page["dialect"]["charset"]
            for row in page["preview"]["rows"]:
                for cell in row["cells"]:
                    assert f">{cell}</td>" in html.text, cell
            for c in page["columns"]:
                assert f'value="{c["name"]}"' in html.text
        else:
            for c in page["supported_crs"]:
                assert c["code"] in html.text, c
            assert fields["target"] == page["target"]
    final = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"})
    html = server.get(f"/upload/final?id={n}", accept=HTML)
    page = server.get(f"/upload/final?id={n}&dry_run=true", accept=JSON).json["page"]
    fields = dict(Page(html.text).form("/upload/final")["fields"])
    assert fields["title"] == page["layers"][0]["title"] and fields["access"] == page["access"], (fields, page)
    assert page["summary"]["crs"] in html.text and page["summary"]["crs"] == "EPSG:4326"
    assert final.json["status"] == "incomplete"
    drop(server, a)


def test_save_page_model(server):
    page = server.get("/upload/", accept=JSON).json["page"]
    assert page["limits"] == {"max_session_bytes": 2 * 1024 ** 3, "max_files": 200, "max_open_sessions": 50, "expiry_hours": 168}, page["limits"]
    assert "<dd>7 days</dd>" in server.get("/upload/", accept="text/html").text
    kinds = {k["id"]: k for k in page["kinds"]}
    assert set(kinds["shp"]["required_ext"]) == {".shp", ".shx", ".dbf"} and ".prj" in kinds["shp"]["optional_ext"], kinds["shp"]
    assert "img" not in kinds and "GB18030" in page["charsets"] and page["time_enabled"] is True and page["async_upload"] in (True, False)
    assert re.fullmatch(r"[0-9a-f]{32}", page["nonce"])
    a = server.save(*shapefile("listed", [(1, 2)]), strict=False)
    open_ = {i["id"]: i for i in server.get("/upload/", accept=JSON).json["page"]["incomplete"]}
    item = open_[a.json["id"]]
    assert {"id", "name", "state", "percent", "step", "date", "resume_url", "delete_url"} <= item.keys()
    assert item["state"] == "WAITING" and item["percent"] == 50 and item["step"] == "srs", item
    assert item["resume_url"] == f"/upload/?id={a.json['id']}" and item["delete_url"] == f"/upload/delete/{a.json['id']}"
    assert a.json["id"] not in [i["id"] for i in server.get("/upload/", accept=JSON, user="otto").json["page"]["incomplete"]]
    assert f"/upload/?id={a.json['id']}" in server.get("/upload/", accept=HTML).text
    r = server.get(item["resume_url"], accept=HTML)
    assert r.status == 303 and r.header("Location") == f"/upload/srs?id={a.json['id']}", r
    drop(server, a)


def test_step_list_shows_the_way(server):
    a = at_srs(server)
    n = a.json["id"]
    html = server.get(f"/upload/srs?id={n}", accept=HTML).text
    assert 'aria-current="step"' in html and f'href="/upload/csv?id={n}"' in html, "done steps are links"
    drop(server, a)


def test_run_pseudo_step(server):
    a = server.save(*shapefile("run", [(1, 2)], prj=WGS84), strict=False)
    n = a.json["id"]
    g = server.get(f"/upload/run?id={n}&force_ajax=true")
    assert g.json["status"] == "ready" and g.json["redirect_to"] == f"/upload/final?id={n}", g
    assert server.get(f"/api/v2/uploads/{n}/").json["upload"]["state"] == "WAITING", "GET never starts anything"
    h = server.get(f"/upload/run?id={n}", accept=HTML)
    assert h.status == 303 and h.header("Location") == f"/upload/final?id={n}"
    p = server.post(f"/upload/run?id={n}", {})
    assert p.json["status"] in ("finished", "pending"), p
    assert server.wait_finished(n).json["status"] == "finished"


def test_check_pseudo_step(server):
    a = server.save(*shapefile("check", [(1, 2)], prj=WGS84), strict=False)
    n = a.json["id"]
    for _ in range(2):
        g = server.get(f"/upload/check?id={n}")
        assert g.status == 200 and g.json["success"] is True and "/upload/final" in g.json["redirect_to"], g
    h = server.get(f"/upload/check?id={n}", accept=HTML)
    assert h.status == 303 and h.header("Location") == f"/upload/final?id={n}", h
    drop(server, a)


def test_srs_of_a_script_that_needs_none_answers_the_next_step(server):
    a = server.save(*shapefile("known", [(1, 2)], prj=WGS84), strict=False)
    n = a.json["id"]
    for path, accept in ((f"/upload/srs?id={n}&force_ajax=true", None), (f"/upload/srs?id={n}", JSON), (f"/upload/srs?id={n}", "*/*")):
        g = server.get(path, accept=accept)
        assert g.status == 200 and g.json["success"] is True and "required_input" not in g.json, (path, accept, g)
        assert f"/upload/check?id={n}" in g.json["redirect_to"], g
    assert server.get(f"/upload/srs?id={n}", accept=HTML).status == 200, "a person sees it for review"
    drop(server, a)


def test_language_of_messages(server):
    for headers, word in (({}, "There is nothing"), ({"Accept-Language": "zh-CN,zh;q=0.9"}, None), ({"Accept-Language": "fr"}, "There is nothing")):
        a = server.get("/upload/srs?id=999999", accept=JSON, headers=headers)
        message = refused(a, 404, "not_found")["message"]
        assert (word in message) if word else re.search("[\u4e00-\u9fff]", message), (headers, message)
    a = server.get("/upload/?lang=zh", accept=HTML)
    assert 'lang="zh' in a.text and re.search("[\u4e00-\u9fff]", a.text)


def test_bodies_of_other_types(server):
    a = server.save(*shapefile("json", [(1, 2)]), strict=False)
    n = a.json["id"]
    b = server.request("POST", f"/upload/srs?id={n}", body=json.dumps({"source": "EPSG:4326"}).encode(),
                       headers={"Content-Type": "application/json", "Accept": JSON})
    assert b.status == 200 and b.json["status"] == "incomplete", b
    refused(server.request("POST", f"/upload/srs?id={n}", body=b"source=EPSG:4326", headers={"Content-Type": "text/plain"}), 415, "media_type")
    big = b"source_wkt=" + b"A" * (70 * 1024)
    c = server.request("POST", f"/upload/srs?id={n}", body=big, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert c.status in (400, 413) and c.json["success"] is False, c
    body, kind = multipart([("source", "EPSG:4490")], [])
    d = server.request("POST", f"/upload/srs?id={n}", body=body, headers={"Content-Type": kind})
    assert d.json["success"] is True, d
    drop(server, a)


if __name__ == "__main__":
    main(sys.modules[__name__])
