"""Goal: scripts written for GeoNode 2.10 and 3.3 keep working unchanged (contracts: wizard 13.5, 20; cases 3, 4, 5, 11)."""
import base64
import concurrent.futures
import json
import re
import sys
import urllib.parse

from harness import OTHER, USER, main, nothing_left
from made import Browser, Page, drop, geojson, geotiff, grid, refused, shapefile, WGS84

PERMISSIONS = '{"users":{"AnonymousUser":["view_resourcebase"]},"groups":{}}'


def upload(server, files, force_ajax=True, user="mei", headers=None, **fields):
    """What GeoNode's test client sends: side files by extension, base_file last, no Accept header."""
    main_name, main_data = files[0]
    parts = [(name.rpartition(".")[2] + "_file", name, data) for name, data in files[1:]]
    if main_name.endswith(".tif"):
        parts.append(("tif_file", main_name, main_data))      # GeoNode's page sends a raster twice
    parts.append(("base_file", main_name, main_data))
    form = {"permissions": PERMISSIONS, "csrfmiddlewaretoken": "x", "time": "true", "charset": "UTF-8", **fields}
    path = "/upload/?force_ajax=true" if force_ajax else "/upload/"
    return server.post(path, form, parts, user=user, headers=dict(headers or {}))


def ajax(url):
    return url if "force_ajax" in url else url + ("&" if "?" in url else "?") + "force_ajax=true"


def test_csv_script_runs_literally(server):
    a = upload(server, [("san.csv", b"lat,lon,name\n-100,-40,foo\n")])
    j = a.json
    assert a.status == 200 and j["success"] is True and j["status"] == "incomplete" and j["required_input"] is True, a
    assert j["input_required"] is True and "/upload/csv?id=" in j["redirect_to"], a
    assert isinstance(j["id"], int) and re.search(r"id=(\d+)", j["url"])[1] == str(j["id"])
    n = j["id"]

    page = server.get(f"/upload/csv?id={n}")
    assert page.status == 200 and page.header("Content-Type") == "text/html; charset=utf-8"
    assert "san" in Page(page.text).h2[0]

    a = server.post(f"/upload/csv?id={n}", {"lat": "lat", "lng": "lon", "csrfmiddlewaretoken": "x"})
    assert a.status == 200 and a.json["status"] == "incomplete" and a.json["success"] is True, a
    assert a.json["required_input"] is True and f"/upload/srs?id={n}" in a.json["redirect_to"], a
    assert "csv_out_of_range" in [w["code"] for w in a.json["warnings"]], a

    a = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326", "target": ""})
    assert a.status == 200 and a.json["status"] == "incomplete" and "required_input" not in a.json, a
    assert "input_required" not in a.json and f"/upload/check?id={n}" in a.json["redirect_to"], a

    a = server.get(f"/upload/check?id={n}")
    assert a.status == 200 and a.json["success"] is True and f"/upload/final?id={n}" in a.json["redirect_to"], a
    assert "required_input" not in a.json and "redirect_to" in a.json

    listed = server.get(f"/api/v2/uploads/?filter%7Bimport_id%7D={n}").json["uploads"]
    assert len(listed) == 1 and listed[0]["state"] == "WAITING" and listed[0]["complete"] is False, listed
    assert listed[0]["import_id"] == n

    a = server.get(f"/upload/final?id={n}")
    if a.json["status"] == "pending":
        a = server.wait_finished(n)
    assert a.status == 200 and a.json["status"] == "finished" and a.json["success"] is True, a
    assert "redirect_to" not in a.json and "san" in a.json["url"], a
    one = server.get(f"/api/v2/uploads/{n}/").json["upload"]
    assert one["complete"] is True and one["state"] == "PROCESSED" and one["progress"] == 100, one
    assert one["delete_url"] is None and one["detail_url"] == f"/datasets/{a.json['dataset']['id']}"


def test_final_straight_after_save_imports(server):
    a = upload(server, shapefile("coast", [(-81.7, 12.5), (-81.6, 12.6)], prj=WGS84))
    assert a.status == 200 and a.json["success"] is True and "/upload/srs" in a.json["redirect_to"], a
    assert "required_input" not in a.json, a
    final = a.json["redirect_to"].replace("srs", "final")
    b = server.get(final)
    assert b.status == 200 and b.json["status"] == "finished" and "coast" in b.json["url"], b
    assert b.json["url"] == "/layers/geonode:coast" and b.json["name"] == "coast"
    assert b.json["crs"] == {"type": "name", "properties": "EPSG:4326"} and b.json["bbox"] == "-81.7,12.5,-81.6,12.6"
    assert b.json["layer"] == b.json["dataset"] == b.json["datasets"][0] and "redirect_to" not in b.json
    assert b.json["rows"] == {"total": 2, "imported": 2, "without_geometry": 0, "skipped": 0}
    c = server.get(final)
    assert c.json["dataset"]["id"] == b.json["dataset"]["id"] and c.json["status"] == "finished"
    again = server.get(b.json["url"])
    assert again.status == 303 and again.header("Location") == f"/datasets/{b.json['dataset']['id']}", again


def test_final_needs_no_step_before(server):
    a = upload(server, shapefile("direct", [(1, 2)], prj=WGS84))
    b = server.get(f"/upload/final?id={a.json['id']}")
    assert b.json["status"] == "finished" and b.json["name"] == "direct", b


def test_final_in_parallel_imports_once(server):
    a = upload(server, shapefile("parallel", [(1, 2), (3, 4)], prj=WGS84))
    url = f"/upload/final?id={a.json['id']}"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _: server.get(url), range(4)))
    for g in got:
        assert g.status == 200 and g.json["status"] in ("finished", "pending"), g
    last = server.wait_finished(a.json["id"])
    assert last.json["status"] == "finished"
    rows = [json.loads(l) for l in server.slipway("dump").splitlines()]
    tasks = [r["value"] for r in rows if r["table"] == "tasks" and r["value"].get("session") == a.json["id"]]
    assert [t["kind"] for t in tasks].count("import") == 1, tasks
    listed = server.get("/datasets/?q=parallel", accept="application/json").json
    assert len(listed["datasets"]) == 1, listed


def test_final_is_not_started_from_another_site_or_by_head(server):
    a = upload(server, shapefile("cross", [(1, 2)], prj=WGS84))
    n = a.json["id"]
    refused(server.get(f"/upload/final?id={n}", headers={"Sec-Fetch-Site": "cross-site"}), 403, "cross_site")
    refused(server.get(f"/upload/final?id={n}", headers={"Sec-Fetch-Site": "same-site"}), 403, "cross_site")
    head = server.request("HEAD", f"/upload/final?id={n}")
    assert head.status == 200 and head.body == b"", head
    html = server.get(f"/upload/final?id={n}", accept="text/html")
    assert html.status == 200 and "<form" in html.text
    assert server.get(f"/api/v2/uploads/{n}/").json["upload"]["state"] == "WAITING"
    b = server.get(f"/upload/final?id={n}", headers={"Sec-Fetch-Site": "same-origin"})
    assert b.json["status"] == "finished", b


def test_srs_without_source_is_an_error_with_status_200(server):
    a = upload(server, shapefile("nosource", [(1, 2)]))
    n = a.json["id"]
    assert a.json["required_input"] is True and "/upload/srs" in a.json["redirect_to"]
    d = refused(server.post(f"/upload/srs?id={n}", {"csrfmiddlewaretoken": "x"}), 200, "srs_missing", "Source SRS is not valid")
    assert d["field"] == "source"
    # The scripts' time fields go to the srs address, too.
    refused(server.post(f"/upload/srs?id={n}", {"time_attribute": "date", "time_end_attribute": "x",
                                                "presentation_strategy": "LIST"}), 200, "srs_missing", "Source SRS is not valid")
    page = server.get(f"/upload/srs?id={n}")
    assert page.status == 200 and "nosource" in Page(page.text).h2[0]
    drop(server, a)


def test_time_page_without_id_is_a_page(server):
    a = server.get("/upload/time")
    assert a.status == 200 and a.header("Content-Type").startswith("text/html")
    refused(server.get("/upload/time", accept="application/json"), 400, "id_missing")
    refused(server.post("/upload/time"), 400, "id_missing")


def test_force_ajax_travels_exactly_once(server):
    with_it = upload(server, shapefile("ajax", [(1, 2)]))
    without = upload(server, shapefile("ajax", [(1, 2)]), force_ajax=False)
    assert "force_ajax" not in with_it.json["redirect_to"], with_it
    assert without.json["redirect_to"].endswith("&force_ajax=true"), without
    n = with_it.json["id"]
    twice = server.post(f"/upload/srs?id={n}&force_ajax=true&force_ajax=true", {"source": "EPSG:4326"})
    assert twice.status == 200 and twice.json["redirect_to"] == f"/upload/check?id={n}", twice
    bare = server.post(f"/upload/srs?id={without.json['id']}", {"source": "EPSG:4326"})
    assert bare.json["redirect_to"] == f"/upload/check?id={without.json['id']}&force_ajax=true", bare
    assert without.json["id"] > with_it.json["id"]
    drop(server, with_it, without)


def test_ready_and_finished_have_no_input_members(server):
    a = upload(server, [geotiff("relief.tif")])
    j = a.json
    assert a.status == 200 and j["status"] == "ready" and j["success"] is True, a
    assert j["redirect_to"] == f"/upload/final?id={j['id']}" and j["progress"] == f"/upload/progress?id={j['id']}", a
    assert "required_input" not in j and "input_required" not in j
    assert len(j["session"]["files"]) == 1, "the same file sent twice is one file"
    b = server.wait_finished(j["id"])
    assert b.json["status"] == "finished" and "redirect_to" not in b.json and "required_input" not in b.json, b
    assert "relief" in b.json["url"] and b.json["rows"] is None and b.json["dataset"]["type"] == "raster", b


def test_grid_without_crs_is_ready_and_final_tells_what_is_missing(server):
    a = upload(server, [grid("heights.asc")])
    n = a.json["id"]
    assert a.status == 200 and a.json["status"] == "ready" and a.json["redirect_to"] == f"/upload/final?id={n}", a
    b = server.get(f"/upload/final?id={n}")
    refused(b, 200, "input_missing")
    assert b.json["redirect_to"] == b.json["url"] == f"/upload/srs?id={n}", b
    assert b.json["required_input"] is True and b.json["input_required"] is True
    assert server.get(f"/api/v2/uploads/{n}/").json["upload"]["state"] == "WAITING"
    c = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"})
    assert c.json["status"] == "ready" and "/upload/final" in c.json["redirect_to"], c
    d = server.wait_finished(n)
    assert d.json["status"] == "finished" and d.json["crs"]["properties"] == "EPSG:4326", d


def test_python_file_is_refused(server):
    before = server.traces()
    a = upload(server, [("virus.py", b"import os\n")])
    refused(a, 400, "kind_unsupported", "virus.py", ".shp", ".csv")
    nothing_left(server, before)


def test_login_form_of_geonode_opens_a_session(server):
    """The scripts GET /, keep the csrftoken cookie and post `login`, `password`, `next`."""
    first = server.get("/", user=None)
    cookies = {}
    for _ in range(3):
        for line in first.headers.get_all("Set-Cookie") or []:
            k, _, v = line.partition(";")[0].partition("=")
            cookies[k] = v
        if first.status not in (302, 303):
            break
        first = server.get(first.header("Location"), user=None)
    assert first.status == 200 and "csrftoken" in cookies, (first, cookies)
    cookie = "; ".join(f"{k}={v}" for k, v in cookies.items())
    a = server.post("/account/login/", {"csrfmiddlewaretoken": cookies["csrftoken"], "login": USER[0], "password": USER[1],
                                        "next": "/"}, user=None, headers={"Cookie": cookie})
    assert a.status in (302, 303), a
    for line in a.headers.get_all("Set-Cookie"):
        k, _, v = line.partition(";")[0].partition("=")
        cookies[k] = v
    cookie = "; ".join(f"{k}={v}" for k, v in cookies.items())
    b = upload(server, shapefile("cookie", [(1, 2)], prj=WGS84), user=None, headers={"Cookie": cookie},
               csrfmiddlewaretoken=cookies["csrftoken"])
    assert b.status == 200 and b.json["success"] is True, b
    drop(server, b)


def test_every_page_tells_the_form_token(server):
    """The scripts read it from the head of the answer to GET /, each time anew, and take its parts for name=value."""
    browser = Browser(server, *USER)
    cookie = "; ".join(f"{k}={v}" for k, v in browser.cookies.items())
    for path in ("/", "/", "/upload/", "/datasets/"):
        a = server.get(path, user=None, headers={"Cookie": cookie})
        parts = dict(part.split("=") for part in a.header("Set-Cookie").split(";"))
        assert a.status == 200 and parts["csrftoken"] == browser.cookies["csrftoken"], (path, a.headers)


def test_documented_script_logs_in(server):
    """GeoNode's own example for scripts says it comes from "test-client": no address, so no browser and no other site."""
    cookies = {c.partition("=")[0]: c.partition(";")[0].partition("=")[2]
               for c in server.get("/account/login/", user=None).headers.get_all("Set-Cookie")}
    form = {"username": USER[0], "password": USER[1], "csrfmiddlewaretoken": cookies["csrftoken"]}
    headers = lambda referer: {"Referer": referer, "Cookie": "csrftoken=" + cookies["csrftoken"]}
    assert server.post("/account/login/", form, user=None, headers=headers("test-client")).status == 303
    for foreign in ("https://evil.example/", "android-app://com.example", "//evil.example/test-client"):
        assert server.post("/account/login/", form, user=None, headers=headers(foreign)).status == 403, foreign
    bare = {k: v for k, v in form.items() if k != "csrfmiddlewaretoken"}
    assert server.post("/account/login/", bare, user=None, headers=headers("test-client")).status == 403


def test_basic_authentication_works(server):
    basic = base64.b64encode(f"{OTHER[0]}:{OTHER[1]}".encode()).decode()
    a = upload(server, shapefile("basic", [(1, 2)], prj=WGS84), headers={"Authorization": "Basic " + basic})
    assert a.status == 200, a
    drop(server, a, user="otto")


def test_polling_undefined_is_harmless(server):
    for q in ("?id=undefined", "", "?id="):
        a = server.get("/upload/progress" + q, user=None)
        assert a.status == 200 and a.json == {"state": "NONE"}, (q, a)


def test_layer_preselected_by_address(server):
    a = upload(server, shapefile("base", [(1, 2)], prj=WGS84))
    done = server.get(f"/upload/final?id={a.json['id']}").json["dataset"]
    files = [("files", n, d) for n, d in shapefile("base", [(3, 4)], prj=WGS84)]
    b = server.post(f"/upload/?force_ajax=true&layer_id={done['id']}", {}, files)
    page = server.get(f"/upload/final?id={b.json['id']}&dry_run=true", accept="application/json").json["page"]
    assert page["mode"] == "overwrite" and str(page.get("dataset")) == str(done["id"]), page
    c = server.get(f"/upload/final?id={b.json['id']}")
    assert c.json["status"] == "finished" and c.json["dataset"]["id"] == done["id"], c
    assert c.json["bbox"] == "3,4,3,4", c
    # Everybody may see it (permissions of the save), its owner alone may change it.
    d = server.post(f"/upload/?force_ajax=true&layer_id={done['id']}", {}, files, user="otto")
    refused(d, 403, "dataset_forbidden")


if __name__ == "__main__":
    main(sys.modules[__name__])
