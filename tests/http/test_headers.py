"""Goal: the headers of security.md 3.6 and wizard.md 3.2 stand on every answer of every route, whatever its status; no page holds
inline script, style or handler (12.8)."""
import html.parser
import re

from harness import USER, main
from made import Browser, HTML, geojson, geotiff
from steps import points, saved, table

CSP_PAGE = {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "font-src": "'self'",
            "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'"}
CSP_DATA = {"default-src": "'none'", "frame-ancestors": "'none'"}
VARY = {"accept", "x-requested-with", "cookie", "accept-language"}
HEX32 = re.compile("^[0-9a-f]{32}$")


def policy(answer):
    text = answer.header("Content-Security-Policy") or ""
    return {p.split(None, 1)[0]: (p.split(None, 1) + [""])[1].strip() for p in text.split(";") if p.strip()}


class Inline(html.parser.HTMLParser):
    """What a policy without 'unsafe-inline' would stop."""

    def __init__(self, text):
        super().__init__()
        self.found, self.script = [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.found += [(tag, n) for n in a if n.startswith("on") or n == "style"]
        self.found += [(tag, v) for v in a.values() if v and v.strip().lower().startswith("javascript:")]
        if tag == "style":
            self.found.append((tag, ""))
        if tag == "script" and "src" not in a and a.get("type") != "application/json":
            self.script = tag
        self.found += [(tag, a[n]) for n in ("src", "href") if n in a and tag in ("script", "img", "link", "iframe")
                       and not (a[n].startswith("/") and not a[n].startswith("//")) and not a[n].startswith("data:image/")]

    def handle_data(self, data):
        if self.script and data.strip():
            self.found.append(("script", data[:40]))

    def handle_endtag(self, tag):
        self.script = None


def check_common(where, a):
    assert a.header("X-Content-Type-Options") == "nosniff", (where, a.status, dict(a.headers))
    assert a.header("X-Slipway") == "1" and a.header("Referrer-Policy") == "same-origin", (where, dict(a.headers))
    assert HEX32.match(a.header("X-Request-Id") or ""), (where, dict(a.headers))
    assert not a.header("Server") and not a.header("X-Powered-By"), (where, dict(a.headers))
    for name in set(k.lower() for k in a.headers):
        assert name in ("set-cookie", "vary") or len(a.headers.get_all(name)) == 1, (where, name, a.headers.get_all(name))


def check(where, a):
    check_common(where, a)
    kind = a.header("Content-Type") or ""
    if a.status in (204, 303, 304, 308):
        assert a.status == 304 or not a.body or kind, (where, a)
    elif kind.startswith("text/html"):
        assert kind == "text/html; charset=utf-8", (where, kind)
        assert policy(a) == CSP_PAGE and a.header("X-Frame-Options") == "DENY", (where, policy(a))
        assert a.header("Cross-Origin-Opener-Policy") == "same-origin" and a.header("Cache-Control") == "no-store", (where, dict(a.headers))
        assert not Inline(a.text).found, (where, Inline(a.text).found)
        assert a.text.startswith("<!doctype html>") and re.search(r'<html lang="(en|zh-Hans)">', a.text), where
    else:
        assert kind, (where, a)
        if kind.startswith(("application/json", "text/plain", "text/csv")) and not a.header("Content-Disposition"):
            assert policy(a) == CSP_DATA, (where, policy(a))
            assert "charset=utf-8" in kind, (where, kind)
    if kind.startswith(("text/html", "application/json")) and "/static/" not in where[1]:
        assert a.header("Cache-Control") == "no-store", (where, dict(a.headers))
        assert VARY <= {v.strip().lower() for v in (a.header("Vary") or "").split(",")}, (where, a.header("Vary"))
    return a.status // 100


def test_every_route_and_status_class(server):
    session = saved(server, geojson("h.geojson", [(1, 2)]))
    csv = saved(server, table("h.csv", "lat,lng,d", "1,2,2020-01-01"), time="true")
    n = points(server, "headers", ["1,2,a", "abc,2,b"] + [f"1,{i},c" for i in range(20)], bad_rows="keep")
    d = n["dataset"]["id"]
    gets = ["/", "/healthz", "/readyz", "/metrics", "/about", "/static/slipway.css", "/static/logo.svg", "/static/nosuch.js",
            "/static/../slipway.conf", "/login", "/account/login/", "/logout", "/first", "/first?token=x", "/account/password",
            "/upload", "/upload/", f"/upload/?id={session}", "/upload/?id=abc", "/upload/?id=999999", "/upload/nosuch?id=1",
            "/upload/srs/?id=1", f"/upload/csv?id={csv}", f"/upload/srs?id={session}", f"/upload/check?id={session}",
            f"/upload/time?id={csv}", f"/upload/run?id={session}", f"/upload/progress?id={session}", "/upload/progress",
            f"/upload/cancel?id={session}", "/upload/crs?q=4326", "/upload/crs", f"/upload/preview?id={session}&layer=0",
            f"/upload/report?id={n['id']}", f"/upload/report?id={session}", f"/upload/log?id={session}", f"/upload/delete/{session}",
            "/upload/delete/abc", "/upload/new/", "/upload/remove/x", "/api/v2/uploads/", f"/api/v2/uploads/{session}/",
            "/api/v2/uploads/abc/", "/api/v2/uploads/upload/", "/api/v2/upload-size-limits/", "/api/v2/upload-size-limits/x/",
            "/api/v2/upload-parallelism-limits/", "/files/", "/files/" + "0" * 32, "/datasets/", f"/datasets/{d}", "/datasets/999999",
            "/datasets/abc", f"/datasets/{d}/download", f"/datasets/{d}/download?format=csv", f"/datasets/{d}/download?format=x",
            f"/datasets/{d}/delete", f"/datasets/{d}/original/1", f"/datasets/{d}/original/9", f"/datasets/{d}/thumbnail.png",
            f"/datasets/{d}/map.json", f"/datasets/{d}/nosuch", "/layers/geonode:headers", "/layers/x", "/nosuch", "/%2e%2e/x", "/a//b"]
    seen = set()
    for path in gets:
        for user in ("mei", None, "admin"):
            for accept in (HTML, "application/json", None):
                a = server.get(path, accept=accept, user=user)
                seen.add(check(("GET", path, user, accept), a))
                if (a.header("Content-Type") or "").startswith("text/html"):
                    assert accept != "application/json", (path, accept)
        h = server.request("HEAD", path, headers={"Accept": HTML})
        check_common(("HEAD", path), h)
        assert h.body == b"", path
        o = server.request("OPTIONS", path)
        check_common(("OPTIONS", path), o)
        for method in ("PUT", "PATCH", "TRACE"):
            a = server.request(method, path, headers={"Accept": "application/json"})
            check_common((method, path), a)
            assert a.status in (400, 404, 405, 411, 501) or (method, path[:7]) == ("PUT", "/files/"), (method, path, a)
            assert a.status != 405 or a.header("Allow"), (method, path, dict(a.headers))
    for path in gets:
        for accept in (HTML, "application/json"):
            a = server.post(path.replace(str(d), "999998") if "/datasets/" in path else path, {"x": "y"}, accept=accept, user=None)
            seen.add(check(("POST", path, accept), a))
    assert {2, 3, 4} <= seen, seen


def test_wizard_answers_vary_and_carry_ids(server):
    a = server.get("/upload/progress", accept="application/json")
    assert a.header("Content-Type") == "application/json; charset=utf-8"
    ids = {server.get("/upload/progress").header("X-Request-Id") for _ in range(5)}
    assert len(ids) == 5
    mine = "0123456789abcdef0123456789abcdef"
    a = server.get("/upload/progress", headers={"X-Request-Id": "x\ty<script>"})
    assert HEX32.match(a.header("X-Request-Id")), a.headers
    a = server.post("/upload/", {}, headers={"Accept": "application/json"})
    assert a.status == 400 and a.json["request_id"] == a.header("X-Request-Id") and a.header("X-Request-Id") in server.log(), mine


def test_user_content_is_never_shown(server):
    evil = b"<html><script>alert(1)</script></html>"
    names = [("page.html.csv", b"lat,lng,name\n1,2,<script>alert(1)</script>\n"), ('q"uo\\te.csv', b"lat,lng\n1,2\n"),
             ("中文 名字.csv", b"lat,lng\n1,2\n"), ("svg.csv", b"lat,lng,x\n1,2,<svg onload=alert(1)>\n")]
    for name, data in names:
        session = saved(server, (name, data))
        server.post(f"/upload/csv?id={session}", {"lat": "lat", "lng": "lng"})
        server.post(f"/upload/srs?id={session}", {"source": "EPSG:4326"})
        d = server.wait_finished(session).json["dataset"]["id"]
        a = server.get(f"/datasets/{d}/original/1")
        assert a.status == 200 and a.body == data, (name, a)
        for path in (f"/datasets/{d}/original/1", f"/datasets/{d}/download?format=csv", f"/datasets/{d}/download?format=geojson",
                     f"/datasets/{d}/download?format=kml", f"/datasets/{d}/download"):
            a = server.get(path)
            check_common(path, a)
            shown = a.header("Content-Disposition")
            assert a.status == 200 and shown.startswith("attachment; filename=\"") and "; filename*=UTF-8''" in shown, (path, shown)
            assert re.fullmatch(r"attachment; filename=\"[ !#-\[\]-~]*\"; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*", shown), shown
            assert policy(a).get("default-src") == "'none'" and "sandbox" in policy(a), (path, policy(a))
            assert a.header("Cross-Origin-Resource-Policy") == "same-origin", (path, dict(a.headers))
            assert not a.header("Content-Type").startswith(("text/html", "image/svg", "application/xhtml", "text/xml")), (path, a.headers)
    assert evil not in server.get("/").body


def test_pictures_are_ours(server):
    session = saved(server, geotiff("pic.tif"))
    d = server.wait_finished(session).json["dataset"]["id"]
    a = server.get(f"/datasets/{d}/thumbnail.png")
    assert a.status == 200 and a.header("Content-Type") == "image/png" and a.body.startswith(b"\x89PNG"), a
    check_common("thumbnail", a)


def test_nothing_in_a_header_ends_it(server):
    session = saved(server, ("a%0D%0ASet-Cookie: x=1.csv", b"lat,lng\n1,2\n"))
    browser = Browser(server, *USER)
    for a in (server.get(f"/upload/?id={session}", accept="application/json"), browser.open(f"/upload/csv?id={session}"),
              server.get("/login?next=%0d%0aSet-Cookie:%20x=1", accept=HTML), server.get("/upload/csv?id=1&lang=%0d%0aX-Y:1", accept=HTML),
              server.get("/upload?x=%0d%0aX-Evil:1"), server.get("/layers/%0d%0aX-Evil:1")):
        assert "X-Evil" not in a.headers and not any("x=1" in c for c in a.headers.get_all("Set-Cookie") or []), a.headers


def test_language_follows_the_request(server):
    zh = server.get("/login", headers={"Accept": HTML, "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}, user=None)
    en = server.get("/login", headers={"Accept": HTML, "Accept-Language": "de,en;q=0.5"}, user=None)
    assert '<html lang="zh-Hans">' in zh.text and '<html lang="en">' in en.text
    a = server.get("/login?lang=zh", accept=HTML, user=None)
    assert '<html lang="zh-Hans">' in a.text and any(c.startswith("lang=zh") for c in a.headers.get_all("Set-Cookie")), a.headers
    a = server.get("/login", headers={"Accept": HTML, "Cookie": "lang=zh", "Accept-Language": "en"}, user=None)
    assert '<html lang="zh-Hans">' in a.text
    j = server.post("/upload/?lang=zh", {}, accept="application/json").json
    assert re.search("[\u4e00-\u9fff]", j["error_msg"]), j
    j = server.post("/upload/", {}, accept="application/json").json
    assert not re.search("[\u4e00-\u9fff]", j["error_msg"]), j


if __name__ == "__main__":
    import test_headers
    main(test_headers)
