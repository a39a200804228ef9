"""Goal: who may see what: rights are in force from a dataset's first instant, and with an id of somebody else's every address
answers exactly as with an id that nobody has (wizard.md 13.1; case 31; security.md 3.2, 12.14)."""
import re
import threading

from harness import main, nothing_left
from made import geojson, shapefile
from steps import code, finished, points, post, saved, state, table

VIEW = '{"users":{"AnonymousUser":["view_resourcebase"]},"groups":{}}'
NOBODY = '{"users":{"AnonymousUser":[]},"groups":{}}'


def addresses(n):
    """Every address of a dataset."""
    return [f"/datasets/{n}", f"/datasets/{n}/download", f"/datasets/{n}/download?format=csv", f"/datasets/{n}/thumbnail.png",
            f"/datasets/{n}/map.json", f"/datasets/{n}/original/1", f"/datasets/{n}/nosuch"]


def same(one, two, n, m):
    """Equal answers apart from request id, the number asked for, and this page's own token."""
    def plain(a, number):
        text = re.sub(r"[0-9a-f]{96}|[0-9a-f]{32}", "#", a.text)
        return a.status, a.header("Content-Type"), text.replace(str(number), "N")
    return plain(one, n) == plain(two, m)


def test_no_rights_hide_from_the_first_instant(server):
    last = server.get("/datasets/", accept="application/json", user="admin").json["datasets"]
    first = max([d["id"] for d in last] or [0]) + 1
    seen, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            for n in range(first, first + 3):
                for url in addresses(n)[:4]:
                    a = server.get(url, accept="application/json", user=None)
                    if a.status != 404:
                        seen.append((url, a))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        made = [points(server, f"hidden{i}", ["1,2,a"], permissions=NOBODY)["dataset"]["id"] for i in range(3)]
    finally:
        stop.set()
        watcher.join()
    assert not seen, seen[:2]
    assert set(made) <= set(range(first, first + 3)), (made, first)
    for n in made:
        for url in addresses(n):
            assert server.get(url, accept="application/json", user=None).status == 404, url
            assert server.get(url, accept="application/json", user="otto").status == 404, url
        assert server.get(f"/datasets/{n}", accept="application/json").status == 200
        assert server.get("/layers/geonode:hidden0", user=None).status == 404


def test_owner_only_is_the_default(server):
    n = points(server, "own", ["1,2,a"])["dataset"]["id"]
    assert server.get(f"/datasets/{n}", accept="application/json", user="otto").status == 404
    assert server.get(f"/datasets/{n}", accept="application/json", user="admin").status == 200
    assert "own" not in [d["name"] for d in server.get("/datasets/", accept="application/json", user=None).json["datasets"]]


def test_named_rights_are_granted(server):
    rights = '{"users":{"AnonymousUser":["view_resourcebase"],"otto":["view_resourcebase","download_resourcebase"]},"groups":{}}'
    n = points(server, "lent", ["1,2,a"], permissions=rights)["dataset"]["id"]
    anyone = server.get(f"/datasets/{n}", accept="application/json", user=None)
    assert anyone.status == 200 and anyone.json["may_download"] is False and anyone.json["downloads"] == [], anyone
    a = server.get(f"/datasets/{n}/download", accept="application/json", user=None)
    assert a.status == 403 and code(a) == "download_forbidden", a
    assert server.get(f"/datasets/{n}/original/1", accept="application/json", user=None).status in (403, 404)
    assert server.get(f"/datasets/{n}/download", user="otto").status == 200
    a = server.post(f"/datasets/{n}/delete", accept="application/json", user="otto")
    assert a.status == 403 and code(a) == "dataset_forbidden", a
    assert "lent" in [d["name"] for d in server.get("/datasets/", accept="application/json", user=None).json["datasets"]]
    a = server.get("/layers/geonode:lent", user=None)
    assert a.status == 303 and a.header("Location") == f"/datasets/{n}", a


def test_access_words(server):
    for word, see, load in (("private", 404, 404), ("view", 200, 403), ("download", 200, 200)):
        n = points(server, f"word_{word}", ["1,2,a"], access=word)["dataset"]["id"]
        assert server.get(f"/datasets/{n}", accept="application/json", user=None).status == see, word
        assert server.get(f"/datasets/{n}/download", accept="application/json", user=None).status == load, word


def test_bad_permissions_are_refused(server):
    session = saved(server, geojson("perm.geojson", [(1, 2)]))
    before = state(server, session)
    for text in ("{users:", "[]", '"x"', "1", '{"users":[]}', '{"users":{"mei":"all"}}', '{"users":{},"groups":[]}', "null"):
        a = post(server, session, "final", permissions=text)
        assert a.status == 400 and code(a) == "permissions_invalid", (text, a)
        assert a.json["error_msg"].lower().startswith("this field must be valid json"), a
    a = post(server, session, "final", permissions='{"users":{"ghost":["view_resourcebase"]},"groups":{}}')
    assert a.status == 400 and code(a) == "permission_subject" and "ghost" in a.json["error_msg"], a
    a = post(server, session, "final", permissions='{"users":{},"groups":{"ghosts":["view_resourcebase"]}}')
    assert a.status == 400 and code(a) == "permission_subject", a
    assert state(server, session) == before
    done = finished(server, session, permissions='{"users":{"otto":["view_resourcebase","fly_resourcebase"]},"groups":{}}')
    warning, = [w for w in done["warnings"] if w["code"] == "permission_unknown"]
    assert "fly_resourcebase" in warning["message"], warning
    assert server.get(f"/datasets/{done['dataset']['id']}", accept="application/json", user="otto").status == 200


def test_foreign_sessions_answer_like_unknown_ones(server):
    mine = saved(server, *shapefile("foreign", [(1, 2), (3, 4)]))
    unknown = 987_654
    before = server.traces()
    urls = ["/upload/?id=%d", "/upload/csv?id=%d", "/upload/srs?id=%d", "/upload/time?id=%d", "/upload/check?id=%d",
            "/upload/run?id=%d", "/upload/final?id=%d", "/upload/progress?id=%d", "/upload/report?id=%d", "/upload/log?id=%d",
            "/upload/preview?id=%d&layer=0", "/upload/crs?q=4326&id=%d", "/upload/delete/%d", "/api/v2/uploads/%d/",
            "/upload/final?id=%d&dry_run=true&mode=append&dataset=1"]
    for url in urls:
        for accept in ("application/json", "text/html", None):
            a = server.get(url % mine, accept=accept, user="otto")
            b = server.get(url % unknown, accept=accept, user="otto")
            assert same(a, b, mine, unknown), (url, accept, a, b)
            assert a.status in (403, 404, 405) or url.startswith("/upload/crs"), (url, a)
    for url in ("/upload/csv?id=%d", "/upload/srs?id=%d", "/upload/time?id=%d", "/upload/check?id=%d", "/upload/run?id=%d",
                "/upload/final?id=%d", "/upload/cancel?id=%d", "/upload/retry?id=%d", "/upload/delete/%d"):
        for accept in ("application/json", "text/html"):
            a = server.post(url % mine, {"source": "EPSG:4326"}, accept=accept, user="otto")
            b = server.post(url % unknown, {"source": "EPSG:4326"}, accept=accept, user="otto")
            assert a.status == 404 and same(a, b, mine, unknown), (url, a, b)
    nothing_left(server, before)


def test_foreign_datasets_answer_like_unknown_ones(server):
    n, unknown = points(server, "theirs", ["1,2,a"])["dataset"]["id"], 987_654
    for url, other in zip(addresses(n) + [f"/datasets/{n}/delete"], addresses(unknown) + [f"/datasets/{unknown}/delete"]):
        for user in (None, "otto"):
            for accept in ("application/json", "text/html"):
                a, b = server.get(url, accept=accept, user=user), server.get(other, accept=accept, user=user)
                assert same(a, b, n, unknown), (url, a, b)
    a, b = server.get("/layers/geonode:theirs", user="otto"), server.get("/layers/geonode:nosuch", user="otto")
    assert a.status == b.status == 404
    a = server.post(f"/datasets/{n}/delete", accept="application/json", user="otto")
    b = server.post(f"/datasets/{unknown}/delete", accept="application/json", user="otto")
    assert a.status == 404 and same(a, b, n, unknown), (a, b)


def test_foreign_uploads_answer_like_unknown_ones(server):
    one, = server.post("/upload/new/", {}, [("file", *table("u.csv", "a", "1"))]).json
    mine, unknown = one["url"].rpartition("=")[2], "f" * 32
    before = server.traces()
    for method, url in (("DELETE", "/upload/remove/%s"), ("POST", "/upload/remove/%s"), ("GET", "/files/%s"), ("HEAD", "/files/%s"),
                        ("DELETE", "/files/%s")):
        for accept in ("application/json", "text/html"):
            a = server.request(method, url % mine, headers={"Accept": accept}, user="otto")
            b = server.request(method, url % unknown, headers={"Accept": accept}, user="otto")
            assert a.status == 404 and same(a, b, mine, unknown), (method, url, a, b)
    a = server.post("/upload/", {"upload": mine}, accept="application/json", user="otto")
    b = server.post("/upload/", {"upload": unknown}, accept="application/json", user="otto")
    assert a.status == 404 and code(a) == "upload_unknown" and same(a, b, mine, unknown), (a, b)
    nothing_left(server, before)
    assert server.get(f"/files/{mine}").status in (200, 204)


if __name__ == "__main__":
    import test_rights
    main(test_rights)
