"""Goal: pages of other sites are told exactly what they may: listed origins are echoed with credentials, SuperMap's paths
answer others without, nobody else is told anything; a cookie alone writes for no other site (transports.md 2,
uploadtasks.md 9, security.md 3.5, A41)."""
import sys

import harness
from harness import Server, nothing_left
from transfer import BYTES, TUS, made

OURS = "https://pages.example:8443"
EVIL = (None, "null", "https://pages.example", "http://pages.example:8443", "https://evil.pages.example:8443", "https://pages.example:8443.evil.example",
        "https://pages.example:84430", "https://PAGES.example:8443", "https://trusted.evil.example")
ROUTES = ("/files/", "/files/" + "0" * 32, "/upload/", "/api/v2/uploads/", "/datasets/")
SUPERMAP = ("/iserver/manager/filemanager/uploadtasks.rjson", "/iportal/web/datas.json")


def preflight(server, path, origin, method="POST", headers="tus-resumable,upload-length"):
    fields = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    if origin is not None:
        fields["Origin"] = origin
    return server.request("OPTIONS", path, headers=fields, user=None)


def told(a):
    return {k.lower(): v for k, v in a.headers.items() if k.lower().startswith("access-control-")}


def varies(a):
    return "origin" in [v.strip().lower() for v in (a.header("Vary") or "").split(",")]


def test_nothing_without_setting(server):
    for path in ROUTES:
        for origin in (OURS, None, "null", f"http://127.0.0.1:{server.port}"):
            a = preflight(server, path, origin)
            assert a.status == 204 and told(a) == {} and not varies(a), (path, a.headers)
    a = server.request("POST", "/files/", body=b"", headers={**TUS, "Upload-Length": "3", "Origin": OURS})
    assert a.status == 201 and told(a) == {}, a.headers      # a token in a header: no browser sends it unasked


def test_supermap_answers_everybody_without_credentials(server):
    for path in SUPERMAP:
        for origin in EVIL[1:]:
            a = preflight(server, path, origin, "GET")
            assert a.status == 204 and varies(a), (path, a, a.headers)
            t = told(a)
            assert t["access-control-allow-origin"] == "*" and "access-control-allow-credentials" not in t, t
            assert "GET" in t["access-control-allow-methods"] and t["access-control-max-age"] == "600", t
            for name in ("Content-Type", "Content-Range", "X-RequestEntity-ContentType", "X-Requested-With", "Authorization", "X-Slipway-Key", "Range"):
                assert name in t["access-control-allow-headers"].split(", "), t
        a = server.get(path, headers={"Origin": "https://x.example"})
        assert told(a)["access-control-allow-origin"] == "*", a.headers
        for name in ("Location", "Content-Range", "Content-Disposition", "ETag", "X-Slipway-Error"):
            assert name in told(a)["access-control-expose-headers"].split(", "), told(a)
        a = server.get(path)      # no origin: a cache must still keep the answers apart
        assert varies(a) and told(a) == {}, a.headers




def test_listed_origins(server):
    own = Server(f"[cors]\norigins = https://other.example {OURS}\n")
    try:
        for path in ROUTES + SUPERMAP:
            a = preflight(own, path, OURS)
            t = told(a)
            assert a.status == 204 and varies(a), (path, a, a.headers)
            assert (t["access-control-allow-origin"], t["access-control-allow-credentials"]) == (OURS, "true"), (path, t)
            assert t["access-control-allow-methods"] == a.header("Allow"), (t, a.headers)
        a = told(preflight(own, "/files/" + "0" * 32, OURS, "PATCH"))
        assert "PATCH" in a["access-control-allow-methods"] and "HEAD" in a["access-control-allow-methods"], a
        for name in ("Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Defer-Length", "Upload-Concat", "Upload-Checksum",
                     "Upload-Complete", "Upload-Incomplete", "Upload-Draft-Interop-Version", "X-HTTP-Method-Override", "X-Requested-With", "Content-Type",
                     "Content-Range", "Authorization", "Idempotency-Key", "X-Slipway-Key"):
            assert name in a["access-control-allow-headers"].split(", "), (name, a)
        for origin in EVIL:
            for path in ROUTES:
                a = preflight(own, path, origin)
                assert told(a) == {} and varies(a), (origin, path, a.headers)
        # answers, errors too
        a = own.request("POST", "/files/", body=b"", headers={**TUS, "Upload-Length": "3", "Origin": OURS})
        assert a.status == 201 and told(a)["access-control-allow-origin"] == OURS, a.headers
        for name in ("Location", "Upload-Offset", "Upload-Length", "Upload-Complete", "Upload-Limit", "Upload-Expires", "Upload-Metadata", "Upload-Concat",
                     "Tus-Resumable", "Tus-Version", "Tus-Max-Size", "Tus-Extension", "X-Slipway-Error"):
            assert name in told(a)["access-control-expose-headers"].split(", "), (name, told(a))
        for a, status in ((own.request("HEAD", "/files/" + "0" * 32, headers={**TUS, "Origin": OURS}), 404),
                          (own.request("POST", "/files/", body=b"", headers={**TUS, "Origin": OURS}, user=None), 401),
                          (own.request("POST", "/files/", body=b"", headers={**TUS, "Origin": OURS}), 400),
                          (own.request("PATCH", "/files/", body=b"", headers={**TUS, "Origin": OURS}), 405)):
            assert a.status == status and told(a)["access-control-allow-origin"] == OURS, (a, a.headers)
        a = own.request("HEAD", "/files/" + "0" * 32, headers={**TUS, "Origin": "null"})
        assert told(a) == {}, a.headers
    finally:
        own.close()


def test_supermap_switched_off(server):
    own = Server("[compat]\ncors_any = no\n")
    try:
        for path in SUPERMAP:
            a = preflight(own, path, "https://x.example", "GET")
            assert a.status == 204 and told(a) == {}, a.headers
    finally:
        own.close()


def login_cookie(server, who=harness.USER):
    a = server.get("/login", user=None)
    cookies = dict(c.split(";")[0].split("=", 1) for c in a.headers.get_all("Set-Cookie") or [])
    a = server.post("/login", {"username": who[0], "password": who[1], "csrfmiddlewaretoken": cookies["csrftoken"]}, user=None,
                    headers={"Cookie": "csrftoken=" + cookies["csrftoken"]})
    found = [c.split(";")[0] for c in a.headers.get_all("Set-Cookie") or [] if c.startswith("slipway_login=")]
    assert found, a
    return found[0]


def test_a_cookie_writes_for_no_other_site(server):      # transports.md 9
    cookie = login_cookie(server)
    url = made(server, 5)
    own = f"http://127.0.0.1:{server.port}"
    before = server.traces()
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Referer": "https://evil.example/page"}, {"Sec-Fetch-Site": "cross-site"},
                    {"Origin": own + "0"}):
        for method, path, more in (("POST", "/files/", {**TUS, "Upload-Length": "3"}), ("PATCH", url, {**TUS, **BYTES, "Upload-Offset": "0"}),
                                   ("DELETE", url, TUS), ("POST", "/files/", {}), ("PUT", "/files/x", {}),
                                   ("POST", url, {**TUS, **BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"})):
            a = server.request(method, path, body=b"hello", headers={"Cookie": cookie, **headers, **more}, user=None)
            assert (a.status, a.header("X-Slipway-Error")) == (403, "ERR_FORBIDDEN"), (headers, method, a)
    nothing_left(server, before)
    for headers in ({"Origin": own}, {"Referer": own + "/upload/"}, {"Sec-Fetch-Site": "same-origin"}, {}):
        a = server.request("POST", "/files/", body=b"", headers={"Cookie": cookie, **headers, **TUS, "Upload-Length": "3"}, user=None)
        assert a.status == 201, (headers, a)
    a = server.request("HEAD", url, headers={"Cookie": cookie, "Origin": "https://evil.example", **TUS}, user=None)
    assert a.status == 200 and told(a) == {}, a      # reading is the browser's to forbid


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
