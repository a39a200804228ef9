"""Goal: what save is told reaches the dataset, slow inspections are waited for elsewhere, the answers have their members
(contracts: wizard 2, 3.2, 6, 8, 13.1, 16.2)."""
import json
import re
import sys
import time
import urllib.parse

from harness import OTHER, USER, Server, main, nothing_left
from made import HTML, WGS84, Browser, Page, drop, geojson, geotiff, grid, refused, shapefile, zipped
from steps import saved, table

JSON = "application/json"
CSV = ("points.csv", b"lat,lon,name\n39.9,116.4,x\n31.2,121.5,y\n")


def done(server, n, **kw):
    f = server.wait_finished(n, **kw)
    assert f.json["status"] == "finished", f
    return f.json


def dataset(server, f, **kw):
    a = server.get(f["dataset"]["detail_url"], accept=JSON, **kw)
    assert a.status == 200, a
    return a.json["dataset"]


# ---- defaults given with the files

def test_save_fields_reach_the_dataset(server):
    fields = {"layer_title": "Roads 道路", "abstract": "All <b>roads</b>.", "keywords": "roads, 传输；path", "tags": "ROADS\nrail",
              "permissions": '{"users":{"AnonymousUser":["view_resourcebase"]},"groups":{}}'}
    a = server.save(*shapefile("told", [(1, 2)], prj=WGS84), fields=fields)
    page = server.get(f"/upload/final?id={a.json['id']}&dry_run=true", accept=JSON).json["page"]
    assert page["layers"][0]["title"] == "Roads 道路" and page["abstract"] == fields["abstract"] and page["access"] == "view", page
    f = done(server, a.json["id"])
    d = dataset(server, f, user=None)
    assert d["title"] == "Roads 道路" and d["abstract"] == fields["abstract"] and d["name"] == "told", d
    assert d["keywords"] == ["roads", "传输", "path", "rail"], d["keywords"]
    html = server.get(f["dataset"]["detail_url"], accept=HTML, user=None)
    assert html.status == 200 and "<b>roads" not in html.text and "Roads 道路" in html.text


def test_private_is_the_default(server):
    a = server.save(*shapefile("mine", [(1, 2)], prj=WGS84))
    f = done(server, a.json["id"])
    for user in (None, "otto"):
        for path in (f["dataset"]["detail_url"], f["dataset"]["detail_url"] + "/download?format=gpkg"):
            b = server.get(path, accept=JSON, user=user)
            assert b.status in (401, 404), (user, path, b)
        assert "mine" not in [d["name"] for d in server.get("/datasets/", accept=JSON, user=user).json["datasets"]]
    assert server.get(f["url"], user="otto").status == 404
    assert dataset(server, f, user="admin")["name"] == "mine"


def test_final_fields_win(server):
    a = server.save(*shapefile("wins", [(1, 2)], prj=WGS84), fields={"layer_title": "old", "abstract": "old", "keywords": "old"})
    b = server.post(f"/upload/final?id={a.json['id']}", {"title": "new", "keywords": "a;b、c", "name_0": "my name", "access": "download"},
                    accept=JSON)
    assert b.status in (200, 202), b
    f = done(server, a.json["id"])
    d = dataset(server, f, user=None)
    assert (d["title"], d["abstract"], d["keywords"], d["name"]) == ("new", "old", ["a", "b", "c"], "my_name"), d
    assert server.get(f["dataset"]["detail_url"] + "/download?format=gpkg", user=None).status in (200, 202, 303)


def test_final_refuses_bad_fields(server):
    a = server.save(*shapefile("badfinal", [(1, 2)], prj=WGS84))
    n = a.json["id"]
    before = server.traces()
    for fields, code in (({"title": "x" * 256}, "title_too_long"), ({"abstract": "x" * 10001}, "abstract_too_long"),
                         ({"keywords": "x" * 101}, "keyword_too_long"), ({"keywords": ",".join(map(str, range(51)))}, "keywords_too_many"),
                         ({"permissions": "[]"}, "permissions_invalid"), ({"permissions": '{"users":{"ghost":["view_resourcebase"]}}'}, "permission_subject"),
                         ({"mode": "replace"}, "bad_choice"), ({"access": "everybody"}, "bad_choice"),
                         ({"mode": "overwrite", "dataset": "99999"}, "dataset_unknown")):
        b = server.post(f"/upload/final?id={n}", fields, accept=JSON)
        refused(b, 404 if code == "dataset_unknown" else 400, code)
        h = server.post(f"/upload/final?id={n}", fields, accept=HTML)
        assert h.status == b.status and Page(h.text).alerts, (fields, h)
    assert server.traces() == before
    w = server.post(f"/upload/final?id={n}", {"permissions": '{"users":{"AnonymousUser":["fly_resourcebase"]}}'}, accept=JSON)
    assert w.json["success"] is True and "permission_unknown" in [x["code"] for x in w.json.get("warnings", [])], w
    done(server, n)


def test_metadata_file_fills_what_is_empty(server):
    xml = ("""<?xml version="1.0"?><gmd:MD_Metadata xmlns:gmd="http://www.isotc211.org/2005/gmd" xmlns:gco="http://www.isotc211.org/2005/gco">
<gmd:fileIdentifier><gco:CharacterString>0b3a6a50-0000-4000-8000-{:012d}</gco:CharacterString></gmd:fileIdentifier>
<gmd:identificationInfo><gmd:MD_DataIdentification><gmd:citation><gmd:CI_Citation><gmd:title><gco:CharacterString>From the file</gco:CharacterString>
</gmd:title></gmd:CI_Citation></gmd:citation><gmd:abstract><gco:CharacterString>Its words.</gco:CharacterString></gmd:abstract>
</gmd:MD_DataIdentification></gmd:identificationInfo></gmd:MD_Metadata>""")
    files = shapefile("meta", [(1, 2)], prj=WGS84)
    a = server.save(*files, ("meta.xml", xml.format(1).encode()))
    d = dataset(server, done(server, a.json["id"]))
    assert d["title"] == "From the file" and d["abstract"] == "Its words.", d
    a = server.save(*files, ("meta.xml", xml.format(2).encode()), fields={"layer_title": "Mine"})
    assert dataset(server, done(server, a.json["id"]))["title"] == "Mine"
    a = server.save(*files, ("meta.xml", xml.format(3).encode()), fields={"layer_title": "Mine", "metadata_uploaded_preserve": "true"})
    assert dataset(server, done(server, a.json["id"]))["title"] == "From the file"
    a = server.save(*files, ("meta.xml", xml.format(1).encode()))
    b = server.post(f"/upload/final?id={a.json['id']}", {}, accept=JSON)
    if b.status == 202:
        b = server.wait_finished(a.json["id"])
    assert b.json["success"] is False and b.json["code"] == "uuid_in_use", b
    drop(server, a)


def test_originals_are_kept_or_not(server):
    for keep, n in (("true", 4), ("false", 0)):
        a = server.save(*shapefile("orig", [(1, 2)], prj=WGS84), fields={"store_spatial_files": keep})
        f = done(server, a.json["id"])
        b = server.get(f"{f['dataset']['detail_url']}/original/1")
        assert b.status == (200 if n else 404), (keep, b)
        if n:
            assert b.body == dict(shapefile("orig", [(1, 2)]))["orig.shp"]


# ---- the shapes of the answers

def test_session_member(server):
    a = server.save(*shapefile("shape", [(1, 2)]))
    s = a.json["session"]
    assert {"id", "name", "kind", "state", "step", "percent", "rev", "created", "expires", "files", "layers"} <= s.keys(), s
    assert s["name"] == "shape" and s["kind"] == "shp" and s["state"] == "WAITING" and s["step"] == "srs" and s["percent"] == 50 and s["rev"] == 0
    for t in (s["created"], s["expires"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", t), t
    assert isinstance(a.json["id"], int) and a.json["url"] == f"/upload/?id={a.json['id']}"
    drop(server, a)


def test_finished_member(server):
    a = server.save(CSV, fields={"non_interactive": "false"})
    n = a.json["id"]
    server.post(f"/upload/csv?id={n}", {"lat": "lat", "lng": "lon", "col_2_name": "the name"})
    server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"})
    f = done(server, n)
    assert {"success", "status", "id", "url", "name", "bbox", "crs", "info", "rows", "report", "layer", "dataset", "datasets"} <= f.keys(), f
    assert f["crs"] == {"type": "name", "properties": "EPSG:4326"} and f["bbox"] == "116.4,31.2,121.5,39.9"
    assert f["info"] == {"name": "the_name"}, f["info"]
    assert f["rows"] == {"total": 2, "imported": 2, "without_geometry": 0, "skipped": 0} and f["report"] is None
    d = f["dataset"]
    assert {"id", "name", "title", "url", "detail_url", "type", "geometry", "crs", "bbox", "count", "columns", "time", "status"} <= d.keys(), d
    assert (d["type"], d["geometry"], d["count"], d["status"], d["time"]) == ("vector", "Point", 2, "imported", None), d
    assert str(server.data) not in json.dumps(f) and "/slipway-test" not in json.dumps(f), "no path of the server"


def test_no_break_space_is_escaped(server):
    a = server.save(*shapefile("nbsp\u00a0here", [(1, 2)], prj=WGS84))
    assert b"\\u00a0" in a.body and "\u00a0".encode() not in a.body, a
    drop(server, a)


def test_public_url_makes_redirects_absolute(server):
    site = Server("[site]\npublic_url = https://geo.example/slip\n")
    try:
        a = site.save(*shapefile("public", [(1, 2)]), strict=False, headers={"Host": "evil.example"})
        n = a.json["id"]
        assert a.json["redirect_to"] == f"https://geo.example/slip/upload/srs?id={n}", a
        assert a.json["url"].endswith(f"/upload/?id={n}") and "evil" not in a.text
    finally:
        site.close()
    a = server.save(*shapefile("host", [(1, 2)]), strict=False, headers={"Host": "evil.example"})
    assert "evil" not in a.text + str(a.headers) and a.json["redirect_to"].startswith("/upload/srs"), a
    drop(server, a)


# ---- inspections that take longer than a request

def test_inspection_is_waited_for_elsewhere(server):
    slow = Server("[wizard]\ninspect_wait_s = 0\n")
    try:
        loose = slow.save(*shapefile("loose", [(1, 2)]), strict=False)
        assert loose.json["status"] == "incomplete" and f"/upload/srs?id={loose.json['id']}" in loose.json["redirect_to"], loose
        table = slow.save(CSV, strict=False)
        assert f"/upload/csv?id={table.json['id']}" in table.json["redirect_to"], table
        other = slow.save(geotiff("other.tif"), strict=False)
        n = other.json["id"]
        assert other.json["status"] == "incomplete" and f"/upload/check?id={n}" in other.json["redirect_to"], other
        assert "required_input" not in other.json, other
        for _ in range(200):
            c = slow.get(f"/upload/check?id={n}&force_ajax=true")
            assert c.status == 200 and c.json["success"] is True, c
            if "/upload/check" not in c.json["redirect_to"]:
                break
            time.sleep(0.05)
        assert c.json["status"] == "ready" and c.json["redirect_to"] == f"/upload/final?id={n}", c
        # final before the inspection is through: the import follows by itself.
        hasty = slow.save(*shapefile("hasty", [(1, 2)], prj=WGS84), strict=False)
        f = slow.get(f"/upload/final?id={hasty.json['id']}&force_ajax=true")
        assert f.json["status"] in ("pending", "finished"), f
        assert slow.wait_finished(hasty.json["id"]).json["status"] == "finished"
        # People land on the progress page, which goes on by itself.
        b = Browser(slow, *USER)
        b.open("/upload/")
        a = b.submit("/upload/", files=[("files",) + geotiff("page.tif")], follow=False)
        assert a.status == 303 and a.header("Location").startswith("/upload/progress?id="), a
        b.open(a.header("Location"))
        assert b.url.startswith("/upload/final?id="), b.url
        # What is wrong with the file is told by check, progress and the way back.
        shp = dict(shapefile("cut", [(i, i) for i in range(50)], prj=WGS84))
        bad = slow.save(("cut.shp", shp["cut.shp"][:300]), ("cut.shx", shp["cut.shx"]), ("cut.dbf", shp["cut.dbf"]), strict=False)
        n = bad.json["id"]
        for _ in range(200):
            c = slow.get(f"/upload/check?id={n}")
            if c.json["status"] == "error":
                break
            time.sleep(0.05)
        refused(c, 200, "format_unreadable", "cut.shp")
        refused(slow.get(f"/upload/check?id={n}", accept=JSON), 400, "format_unreadable", "cut.shp")
        item = slow.get(f"/api/v2/uploads/{n}/").json["upload"]
        assert item["state"] == "INVALID" and item["progress"] == 0 and item["complete"] is False, item
        p = slow.get(f"/upload/progress?id={n}")
        assert p.json["state"] == "ERROR" and p.json["code"] == "format_unreadable" and "cut.shp" in p.json["message"], p
        assert slow.get(f"/upload/?id={n}", accept=JSON).json["code"] == "format_unreadable"
        h = slow.get(f"/upload/?id={n}", accept=HTML)
        assert h.status in (200, 400) and "cut.shp" in h.text, h
    finally:
        slow.close()


# ---- the adapter for one file and GeoNode 3's API

def test_upload_new_and_remove(server):
    a = server.post("/upload/new/", {}, [("file",) + CSV])
    assert a.status == 200 and a.header("Content-Disposition") == "inline; filename=files.json", a
    item, = a.json
    assert item["name"] == "points.csv" and item["thumbnail_url"] is None and item["delete_type"] == "DELETE", item
    uid = item["url"].partition("upload=")[2]
    assert item["url"] == f"/upload/?upload={uid}" and item["delete_url"] == f"/upload/remove/{uid}", item
    refused(server.request("DELETE", item["delete_url"], headers={"Accept": JSON}, user="otto"), 404, "not_found")
    s = server.post("/upload/", {"upload": uid}, accept=JSON)
    assert s.status == 201 and s.json["session"]["files"][0]["name"] == "points.csv", s
    drop(server, s)
    before = server.traces()
    b = server.post("/upload/new/", {}, [("file",) + CSV]).json[0]
    c = server.request("DELETE", b["delete_url"], headers={"Accept": JSON})
    assert c.status == 200 and c.json is True, c
    nothing_left(server, before)
    for files in ([("file", "x.py", b"1")], [("file", "empty.csv", b"")]):
        d = server.post("/upload/new/", {}, files)
        assert d.status == 400 and d.json == [{}], d
    nothing_left(server, before)


def test_api_upload_in_one_request(server):
    a = server.post("/api/v2/uploads/upload/", {"layer_title": "One"}, [("base_file" if n.endswith("shp") else n[-3:] + "_file", n, d)
                                                                      for n, d in shapefile("one", [(1, 2)], prj=WGS84)])
    assert a.json["success"] is True, a
    f = done(server, a.json["id"])
    assert f["name"] == "one" and f["dataset"]["title"] == "One"
    b = server.post("/api/v2/uploads/upload/", {}, [("base_file" if n.endswith("shp") else n[-3:] + "_file", n, d)
                                                  for n, d in shapefile("nocrs", [(1, 2)])])
    assert b.json["status"] == "incomplete" and b.json["required_input"] is True and "/upload/srs" in b.json["redirect_to"], b
    assert server.get(f"/api/v2/uploads/{b.json['id']}/").json["upload"]["state"] == "WAITING"
    refused(server.post("/api/v2/uploads/upload/", {}, [("base_file",) + CSV], user=None), 401, "login_required")
    drop(server, b)


def test_degrees_minutes_seconds(server):
    a = server.save(("dms.csv", "lat,lon,name\n\"39°54'20\"\"N\",\"116°23'29\"\"E\",x\n39 54 20 N,116 23 29 E,y\n北39°54′20″,东116°23′29″,z\n".encode()))
    n = a.json["id"]
    b = server.post(f"/upload/csv?id={n}", {"lat": "lat", "lng": "lon"}, accept=JSON)
    assert b.json["success"] is True, b
    server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"})
    box = [round(float(x), 4) for x in done(server, n)["bbox"].split(",")]
    assert box == [116.3914, 39.9056, 116.3914, 39.9056], box


def test_wait_slots_never_block_the_site(server):
    """Two may wait; the third is answered at once."""
    site = Server("[wizard]\nwait_slots = 0\n")
    try:
        t = time.monotonic()
        a = site.save(geotiff("busy.tif"))
        assert a.status == 201 and time.monotonic() - t < 4, a
    finally:
        site.close()


def test_anonymous_owners_where_the_site_allows_them(server):
    """The owner is the browser's own session: nobody else sees it."""
    site = Server("[site]\nanonymous_uploads = yes\n")
    try:
        b = Browser.__new__(Browser)
        b.server, b.cookies, b.statuses, b.url, b.answer = site, {}, [], "/", None
        b.open("/upload/")
        assert b.answer.status == 200, b.answer
        b.submit("/upload/", files=[("files",) + f for f in shapefile("guest", [(1, 2)], prj=WGS84)])
        assert b.url.startswith("/upload/final?id="), (b.url, b.answer)
        n = b.url.partition("id=")[2]
        for other in ({"user": None}, {"user": "otto"}):
            a = site.get(f"/upload/srs?id={n}", accept=JSON, **other)
            assert a.status in (401, 404), a
        assert re.fullmatch("[0-9a-f]{32}", b.cookies["slipway_anon"]) and b.cookies["slipway_anon"] not in site.slipway("dump")
        second = site.post("/upload/", {}, [("files",) + f for f in shapefile("other", [(1, 2)])], accept=JSON, user=None)
        refused(second, 403, "csrf_failed")
        b.submit("/upload/final")
        assert b.url.startswith("/datasets/"), (b.url, b.answer)
        assert b.answer.status == 200 and b.cookies["slipway_anon"] not in b.answer.text, b.answer
        assert site.get(b.url, accept=JSON, user=None).status == 404
        assert site.get(b.url, accept=JSON, user="otto").status == 404
        assert site.get("/api/v2/uploads/", user=None).json["total"] == 0
    finally:
        site.close()


def test_old_unfinished_uploads_stay_on_the_pages(server):
    """However many finished ones came after them."""
    old = saved(server, table("old.csv", "lat,lng", "1,2"))
    done = saved(server, table("done.csv", "name,count", "a,2"))
    server.stop()
    rows = server.dump()
    pattern = [r for r in rows if r["table"] == "sessions" and r["key"] == done][0]
    for i in range(done + 1, done + 121):
        copy = json.loads(json.dumps(pattern))
        copy["key"] = copy["value"]["id"] = i
        copy["value"].update(uploads=[], task=None, state="PROCESSED")
        rows.append(copy)
    for r in rows:
        if r["table"] == "counters" and r["key"] == "session":
            r["value"] += 200
    server.load(rows)
    server.start()
    for path, member in (("/upload/", "incomplete"), ("/", "sessions")):
        a = server.get(path, accept="application/json")
        assert [s["id"] for s in a.json["page"][member]][-2:] == [done, old], (path, a)


if __name__ == "__main__":
    main(sys.modules[__name__])
