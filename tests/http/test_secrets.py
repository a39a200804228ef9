"""Goal: nothing secret is ever written down: logs, answers and the store's dump hold no password, token, cookie or signature, and no
answer tells a path (security.md 3.8, 12.13); full disks and greedy jobs end in plain words (section 21, rows on disk and memory)."""
import base64
import os
import re

from harness import ADMIN, OTHER, USER, main, nothing_left
from made import Browser, HTML, geojson, shapefile
from steps import code, configured, finished, get, points, post, saved, state, table, wait_state


def test_no_secret_is_written_down(server):
    """Use every kind of secret in every way, then look for all of them."""
    secrets = [p for _, p in (ADMIN, USER, OTHER)] + list(server.tokens.values())
    answers = []
    browser = Browser(server, *USER)
    answers.append(browser.answer)
    login, csrf = browser.cookies["slipway_login"], browser.cookies["csrftoken"]
    secrets += [login, csrf]
    wrong = "this password is wrong 4711"
    secrets.append(wrong)
    basic = base64.b64encode(f"{USER[0]}:{USER[1]}".encode()).decode()
    secrets.append(basic)
    for headers in ({"Authorization": "Basic " + basic}, {"Authorization": "Bearer " + server.tokens["mei"] + "x"},
                    {"Authorization": "Basic " + base64.b64encode(f"mei:{wrong}".encode()).decode()},
                    {"Cookie": f"slipway_login={login}; csrftoken={csrf}"}, {"X-Slipway-Key": server.tokens["otto"]},
                    {"X-CSRFToken": csrf, "Cookie": f"slipway_login={login}"}):
        for path in (f"/upload/?token={server.tokens['admin']}&key=sesame", "/upload/nosuch?id=1&stamp=1700000000000", "/nosuch?password=" +
                     wrong.replace(" ", "%20"), "/login?ds=x"):
            for accept in (HTML, "application/json"):
                answers.append(server.get(path, headers={**headers, "Accept": accept}, user=None))
    browser.open("/login")
    browser.submit("/login", username="mei", password=wrong)
    answers.append(browser.answer)
    browser = Browser(server, *USER)
    secrets.append(browser.cookies["slipway_login"])
    body = f'{{"password":"{wrong}","token":"{server.tokens["mei"]}"'      # broken JSON
    answers.append(server.request("POST", "/upload/cancel?id=1", body=body, headers={
        "Content-Type": "application/json", "Accept": "application/json"}))
    answers.append(server.post("/login", {"username": USER[0], "password": USER[1]}, accept="application/json", user=None))
    session = saved(server, table("content.csv", "lat,lng,secret", "1,2,the content of a file 0815"))
    post(server, session, "csv", lat="lat", lng="lng")
    post(server, session, "srs", source="EPSG:4326")
    finished(server, session)
    log = server.log()
    dump = server.slipway("dump")
    for s in secrets + ["the content of a file 0815", "sesame"]:
        assert s not in log, (s, [l for l in log.splitlines() if s in l][:3])
        if s not in ("the content of a file 0815",):
            assert s not in dump, s
    for a in answers:
        text = a.body.decode("utf-8", "replace")
        for s in secrets:
            if s not in (csrf, browser.cookies["slipway_login"]) and not re.fullmatch("[0-9a-f]{96}", s):
                assert s not in text, (s, text[:300])
        assert server.data not in text and server.dir not in text, text[:300]
    for base, _, names in os.walk(server.data):
        assert not [n for n in names if n.startswith("core")], base


def test_log_lines_are_one_line_each(server):
    server.get("/upload/%0a2026-01-01T00:00:00Z%20error%20forged", user=None)
    server.get("/nosuch/%1b%5b31mred", user=None)
    server.get("/upload/?x=1", headers={"User-Agent": "a\tb", "X-Request-Id": "zzz"}, user=None)
    server.save(("new\tline\x1b[31m.csv", b"lat,lng\n1,2\n"))
    for line in server.log().splitlines():
        assert re.match(r"^\d{4}-\d\d-\d\d", line), line
        assert "\x1b" not in line and not line.startswith("2026-01-01T00:00:00Z error forged"), line


def test_request_id_is_in_the_log(server):
    a = server.get("/upload/nosuch?id=1", accept="application/json")
    assert a.json["request_id"] in server.log()


def test_store_and_files_are_private(server):
    for base, folders, names in os.walk(server.data):
        for n in folders + names:
            st = os.lstat(os.path.join(base, n))
            assert st.st_mode & 0o077 == 0 or n == "crs.index", (base, n, oct(st.st_mode))
    for path in ("/uploads/", "/db/log.0000000001", "/catalog.sqlite", "/gate", "/secret", "/slipway.conf", "/.htaccess", "/datasets/1/1/data.gpkg",
                 "/static/../data/secret", "/jobs/", "/__db.001"):
        a = server.get(path, user="admin", accept="application/json")
        assert a.status in (400, 403, 404), (path, a)


def test_status_needs_an_administrator(server):
    for user, status in ((None, 401), ("mei", 403), ("admin", 200)):
        assert server.get("/metrics", user=user).status == status, user
    assert server.get("/healthz", user=None).body == b"ok\n"


def test_full_disk_refuses_new_data_and_serves_the_rest(server):
    done = points(server, "before", ["1,2,a"])
    session = saved(server, *shapefile("full", [(1, 2)]))
    with configured(server, "[upload]\nmin_free = 1000000G"):
        before = server.traces()
        a = server.save(geojson("x.geojson", [(1, 2)]))
        assert a.status == 507 and code(a) == "disk_full", a
        page = server.post("/upload/", {}, [("files", *geojson("x.geojson", [(1, 2)]))], accept=HTML)
        assert page.status == 507 and "text/html" in page.header("Content-Type"), page
        a = server.request("PUT", "/files/x.csv", body=b"a,b\n", headers={"Accept": "application/json"})
        assert a.status == 507, a
        nothing_left(server, before)
        assert server.get(f"/datasets/{done['dataset']['id']}/download").status == 200
        assert get(server, session, "srs").status == 200
        assert server.request("DELETE", f"/upload/delete/{session}", headers={"Accept": "application/json"}).status == 200
    assert server.save(geojson("x.geojson", [(1, 2)])).status == 201


def test_output_over_the_limit_is_told(server):
    rows = "".join(f"{i % 80},{i % 170},{'x' * 40}\n" for i in range(20_000))
    session = saved(server, ("fat.csv", ("lat,lng,name\n" + rows).encode()))
    post(server, session, "csv", lat="lat", lng="lng")
    post(server, session, "srs", source="EPSG:4326")
    with configured(server, "[jail]\noutput_max_bytes = 200K"):
        a = post(server, session, "final")
        if a.status == 202:
            a = server.wait_finished(session)
        item = wait_state(server, session, "INVALID")
        a = get(server, session, "final")
        assert code(a) == "import_output_too_big" and a.json["success"] is False, (item, a)
        assert server.get("/datasets/?q=fat", accept="application/json").json["total"] == 0
    a = post(server, session, "retry")
    assert a.status in (200, 202), a
    assert server.wait_finished(session).json["dataset"]["count"] == 20_000


if __name__ == "__main__":
    import test_secrets
    main(test_secrets)
