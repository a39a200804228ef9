"""Goal: deleting removes a session and everything it held, only by POST or DELETE, only for its owner, in every state; sessions
survive restarts and end by expiry (wizard.md 14.4, 15; cases 35, 36, 37, 38)."""
import time

from harness import USER, main, nothing_left
from made import Browser, geojson, shapefile, WGS84
from steps import code, configured, finished, get, points, post, saved, state, table, wait_state
from test_progress import big, job_files, start


def delete(server, session, method="POST", user="mei", accept="application/json"):
    return server.request(method, f"/upload/delete/{session}", headers={"Accept": accept} if accept else {}, user=user)


def test_get_shows_a_page_and_changes_nothing(server):
    session = saved(server, geojson("kept.geojson", [(1, 2)]))
    before = server.traces()
    page = delete(server, session, "GET", accept="text/html")
    assert page.status == 200 and "kept" in page.text and "csrfmiddlewaretoken" in page.text, page
    assert delete(server, session, "GET", accept=None).status == 200      # a page is what clients get that name nothing
    a = delete(server, session, "GET")
    assert a.status == 405 and code(a) == "method", a
    assert sorted(a.header("Allow").split(", ")) >= ["DELETE"] and "GET" not in a.header("Allow"), a.header("Allow")
    assert delete(server, session, "HEAD", accept="text/html").status == 200
    nothing_left(server, before)
    assert state(server, session)["state"] == "WAITING"


def test_delete_removes_session_and_files(server):
    before = server.traces()
    one = saved(server, *shapefile("one", [(1, 2), (3, 4)]))
    two = saved(server, *shapefile("two", [(1, 2), (3, 4)]))
    a = delete(server, one)
    assert a.status == 200 and a.json == {"success": True}, a
    a = delete(server, two, "DELETE")
    assert a.status == 200 and a.json == {"success": True}, a
    nothing_left(server, before)
    for session in (one, two):      # second time, and everything else of it
        assert delete(server, session).status == 404
        for step in ("srs", "final", "progress", "check", "time"):
            assert get(server, session, step).status == 404, step
        assert server.get(f"/api/v2/uploads/{session}/").status == 404
    a = delete(server, saved(server, geojson("p.geojson", [(1, 2)])), accept="text/html")
    assert a.status == 303 and a.header("Location").startswith("/upload/?note=deleted"), a
    assert server.slipway("check", "store").strip().endswith("0 findings")


def test_foreign_is_404_and_administrators_may(server):
    session = saved(server, geojson("mine.geojson", [(1, 2)]))
    for method in ("GET", "POST", "DELETE"):
        for accept in ("text/html", "application/json"):
            if (method, accept) != ("GET", "application/json"):
                assert delete(server, session, method, user="otto", accept=accept).status == 404, (method, accept)
    assert delete(server, session, user=None).status == 401
    assert state(server, session)["state"] == "WAITING"
    assert delete(server, session, user="admin").status == 200
    for bad in ("abc", "-1", "0", "1e3", "99999999999999999999"):
        assert delete(server, bad).status in (400, 404), bad


def test_delete_during_import_stops_it(server):
    before = server.traces()
    n = server.get("/datasets/", accept="application/json").json["total"]
    session = big(server, "gone")
    start(server, session)
    wait_state(server, session, "RUNNING")
    a = delete(server, session)
    assert a.status == 200 and get(server, session, "progress").status == 404, a
    end = time.monotonic() + 6
    while job_files(server):
        assert time.monotonic() < end, job_files(server)
        time.sleep(0.1)
    nothing_left(server, before)
    assert server.get("/datasets/", accept="application/json").json["total"] == n


def test_dataset_outlives_its_session(server):
    done = points(server, "stays", ["1,2,a"])
    assert delete(server, done["id"]).status == 200
    a = server.get(f"/datasets/{done['dataset']['id']}", accept="application/json")
    assert a.status == 200 and a.json["dataset"]["count"] == 1, a
    assert server.get(f"/datasets/{done['dataset']['id']}/download").status == 200
    # And the dataset goes only by POST or DELETE of somebody who may.
    url = f"/datasets/{done['dataset']['id']}/delete"
    assert server.get(url, accept="text/html").status == 200
    assert server.post(url, user="otto", accept="application/json").status == 404
    a = server.post(url, accept="application/json")
    assert a.status == 200 and a.json["success"] is True, a
    assert server.get(f"/datasets/{done['dataset']['id']}", accept="application/json").status == 404
    assert server.post(url, accept="application/json").status == 404


def test_compat_get_delete_only_from_our_pages(server):
    with configured(server, "[wizard]\ncompat_get_delete = on"):
        host = {"Host": f"127.0.0.1:{server.port}"}
        session = saved(server, geojson("old.geojson", [(1, 2)]))
        browser = Browser(server, *USER)
        cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items()), "Accept": "application/json", **host}
        a = server.request("GET", f"/upload/delete/{session}", headers={**cookie, "Sec-Fetch-Site": "cross-site"}, user=None)
        assert a.status in (403, 405), a
        a = server.request("GET", f"/upload/delete/{session}", headers={**cookie, "Origin": "https://evil.example"}, user=None)
        assert a.status in (403, 405), a
        assert state(server, session)["state"] == "WAITING"
        a = server.request("GET", f"/upload/delete/{session}", headers={**cookie, "Sec-Fetch-Site": "same-origin"}, user=None)
        assert a.status == 200 and a.json == {"success": True}, a


def test_session_resumes_in_another_browser_and_after_a_restart(server):
    first = Browser(server, *USER)
    session = saved(server, table("cities.csv", "Lat;Lng;name", "50,5;8,25;Frankfurt"), abstract="Some places")
    assert post(server, session, "csv", lat="Lat", lng="Lng").status == 200
    model = get(server, session, "csv").json["page"]
    a = first.open(f"/upload/?id={session}")
    assert a.status == 200 and first.url == f"/upload/srs?id={session}", first.url
    server.stop()
    server.start()
    second = Browser(server, *USER)
    a = second.open(f"/upload/?id={session}")
    assert a.status == 200 and second.url == f"/upload/srs?id={session}", second.url
    assert first.open(f"/upload/?id={session}").status == 200      # logins live through it, too
    again = get(server, session, "csv").json["page"]
    assert again == model and again["selected_lat"] == "Lat" and again["dialect"]["delimiter"] == ";", again
    second.open(f"/upload/srs?id={session}")
    a = second.submit("/upload/srs", source="EPSG:4326")
    assert second.url == f"/upload/final?id={session}" and "Some places" in a.text, second.url
    j = server.get(f"/upload/?id={session}", accept="application/json").json
    assert j["status"] == "incomplete" and j["redirect_to"] == f"/upload/check?id={session}&force_ajax=true", j
    assert "required_input" not in j and get(server, session, "check").json["redirect_to"] == f"/upload/final?id={session}"
    done = finished(server, session)
    assert done["dataset"]["bbox"] == [8.25, 50.5, 8.25, 50.5]
    j = server.get(f"/upload/?id={session}", accept="application/json").json
    assert j["status"] == "finished" and "redirect_to" not in j, j


def test_expired_session_is_gone_and_its_files_too(server):
    done = points(server, "forever", ["1,2,a"])
    session = saved(server, *shapefile("brief", [(1, 2), (3, 4)]))
    assert post(server, session, "srs", source="EPSG:4326").status == 200      # its last sign of life
    server.stop()
    rows = server.dump()
    for row in rows:
        if row["table"] == "sessions" and row["key"] == session:
            row["value"]["expires"] = 1
    server.load(rows)
    server.start()
    for path in (f"/upload/srs?id={session}", f"/upload/?id={session}", f"/upload/final?id={session}",
                 f"/upload/progress?id={session}"):
        a = server.get(path, accept="application/json")
        assert a.status == 410 and code(a) == "session_expired", (path, a)
    assert server.get(f"/upload/srs?id={session}", accept="application/json", user="otto").status == 404
    server.slipway("gc")
    a = server.get(f"/upload/srs?id={session}", accept="application/json")      # the files are removed, the word stays
    assert a.status == 410 and code(a) == "session_expired", a
    page = server.get(f"/upload/srs?id={session}", accept="text/html")
    assert page.status == 410 and page.header("Content-Type").startswith("text/html"), page
    assert server.get(f"/upload/srs?id={session}", accept="application/json", user="otto").status == 404
    assert post(server, session, "retry").status == 410
    listed = server.get("/api/v2/uploads/?page_size=100").json["uploads"]
    assert session not in [u["id"] for u in listed]
    assert server.get(f"/datasets/{done['dataset']['id']}", accept="application/json").status == 200
    assert server.slipway("check", "store").strip().endswith("0 findings")


def truncated(name):
    """A shapefile with a good head and no body."""
    files = dict(shapefile(name, [(1, 2), (3, 4)]))
    files[f"{name}.shp"] = files[f"{name}.shp"][:110]
    return list(files.items())


def test_failed_inspection_is_told_and_does_not_count_as_open(server):
    with configured(server, "[wizard]\nmax_open_sessions = 1\ninspect_wait_s = 0"):
        for u in server.get("/api/v2/uploads/?page_size=100", user="otto").json["uploads"]:
            delete(server, u["id"], user="otto")
        a = server.save(*truncated("cut"), user="otto")      # found out only after the answer
        assert a.status == 201 and a.json["redirect_to"].startswith("/upload/srs?id="), a
        session = a.json["id"]
        item = wait_state(server, session, "INVALID", user="otto")
        assert item["progress"] == 0, item
        for step, accept, status in (("check", "application/json", 400), ("progress", "application/json", 200)):
            b = get(server, session, step, user="otto", accept=accept)
            assert b.status in (200, status) and b.json.get("code") in ("format_unreadable", "inspect_failed"), (step, b)
        b = server.get(f"/upload/?id={session}", user="otto", accept="application/json")
        assert b.json["success"] is False and b.json["code"] in ("format_unreadable", "inspect_failed"), b
        page = server.get(f"/upload/?id={session}", user="otto", accept="text/html")
        assert page.status in (200, 303, 400), page
        a = server.save(geojson("fine.geojson", [(1, 2)]), user="otto")
        assert a.status == 201, a      # an INVALID session is not an open one


def test_open_sessions_are_limited(server):
    with configured(server, "[wizard]\nmax_open_sessions = 3"):
        for u in server.get("/api/v2/uploads/?page_size=100", user="otto").json["uploads"]:
            delete(server, u["id"], user="otto")
        mine = [saved(server, geojson(f"s{i}.geojson", [(1, 2)]), user="otto") for i in range(3)]
        before = server.traces()
        a = server.save(geojson("s9.geojson", [(1, 2)]), user="otto")
        assert a.status == 429 and code(a) == "open_sessions_limit" and a.header("Retry-After") == "60", a
        assert a.json["error_msg"].startswith("The number of active parallel uploads exceeds 3. Wait for the pending ones to finish."), a
        nothing_left(server, before)
        assert server.save(geojson("s9.geojson", [(1, 2)]), user="mei").status in (201, 429)      # counted per user
        finished(server, mine[0], user="otto")      # a finished one is not open
        saved(server, geojson("s9.geojson", [(1, 2)]), user="otto")
        assert server.save(geojson("s10.geojson", [(1, 2)]), user="otto").status == 429
        limits = server.get("/upload/", accept="application/json", user="otto").json["page"]["limits"]
        assert limits["max_open_sessions"] == 3, limits


def test_size_limit_tells_the_words_clients_compare(server):
    with configured(server, "[wizard]\nmax_session_bytes = 1"):
        before = server.traces()
        a = server.post("/upload/?force_ajax=true", {}, [("base_file", *geojson("a.geojson", [(1, 2)]))])
        assert a.status == 413 and code(a) == "size_limit", a
        assert b"Total upload size exceeds 1\\u00a0byte. Please try again with smaller files." in a.body, a
        a = server.post("/api/v2/uploads/upload/", {}, [("base_file", *geojson("a.geojson", [(1, 2)]))])
        assert a.status == 400 and b"Total upload size exceeds 1\\u00a0byte. Please try again with smaller files." in a.body, a
        page = server.post("/upload/", {}, [("files", *geojson("a.geojson", [(1, 2)]))], accept="text/html")
        assert page.status == 413 and 'role="alert"' in page.text, page
        nothing_left(server, before)


if __name__ == "__main__":
    import test_delete
    main(test_delete)
