"""Goal: no other site can change anything under somebody's cookie: every encoding, every origin, every token, every kind of
identity (security.md 3.4, A38, A41, 12.9)."""
import base64
import http.client
import json
import re
import urllib.parse

from harness import OTHER, USER, main, multipart, nothing_left
from made import Browser, geojson
from steps import code, saved, state

EVIL = "https://evil.example"
WORDS = ("form", "multipart", "json")
FORMS = {"form": "application/x-www-form-urlencoded", "json": "application/json"}


class Client:
    """Somebody with an identity, who can send a form in any encoding with any origin and token."""

    def __init__(self, server, name, password):
        self.server = server
        self.browser = Browser(server, name, password)
        self.cookies = dict(self.browser.cookies)
        self.token = self.cookies["csrftoken"]
        self.own = f"http://127.0.0.1:{server.port}"

    def cookie(self, **more):
        return "; ".join(f"{k}={v}" for k, v in {**self.cookies, **more}.items() if v is not None)

    def send(self, path, encoding="form", token=None, header_token=None, headers=None, fields=None, files=(), method="POST",
             identity="cookie", accept="application/json"):
        fields = dict(fields or {})
        if token is not None:
            fields["csrfmiddlewaretoken"] = token
        send = {"Accept": accept, **(headers or {})}
        if identity == "cookie":
            send.setdefault("Cookie", self.cookie())
        elif identity is not None:
            send["Authorization"] = identity
        if header_token is not None:
            send["X-CSRFToken"] = header_token
        if encoding == "multipart":
            body, send["Content-Type"] = multipart(list(fields.items()), list(files))
        elif encoding == "json":
            body, send["Content-Type"] = json.dumps(fields).encode(), FORMS["json"]
        else:
            body, send["Content-Type"] = urllib.parse.urlencode(fields).encode(), FORMS["form"]
        return self.server.request(method, path, body=body, headers=send, user=None)


def origins(own):
    """(headers, is it ours?)"""
    return [({}, True), ({"Origin": own}, True), ({"Origin": EVIL}, False), ({"Origin": "null"}, False),
            ({"Origin": own + ".evil.example"}, False), ({"Origin": own.replace("http:", "https:")}, False),
            ({"Sec-Fetch-Site": "same-origin"}, True), ({"Sec-Fetch-Site": "none"}, True), ({"Sec-Fetch-Site": "cross-site"}, False),
            ({"Sec-Fetch-Site": "same-site"}, False), ({"Referer": own + "/upload/"}, True), ({"Referer": EVIL + "/x"}, False),
            ({"Referer": EVIL + "/?" + own}, False), ({"Origin": own, "Sec-Fetch-Site": "cross-site"}, True),
            ({"Origin": EVIL, "Referer": own + "/"}, False), ({"Referer": "test-client"}, True),      # no address: no browser's
            ({"Origin": EVIL, "Referer": "test-client"}, False), ({"Sec-Fetch-Site": "cross-site", "Referer": "test-client"}, False)]


def test_matrix_of_encodings_origins_and_tokens(server):
    mei, otto = Client(server, *USER), Client(server, *OTHER)
    session = saved(server, geojson("matrix.geojson", [(1, 2)]))
    tokens = [(mei.token, True), (otto.token, False), ("0" * 96, False), (mei.token[:-1], False), (mei.token.upper(), False),
              ("", False), (None, False)]
    for encoding in WORDS:
        for headers, ours in origins(mei.own):
            # Every origin with the right token, every token with our own origin.
            a = mei.send(f"/upload/cancel?id={session}", encoding, mei.token, headers={"Host": mei.own[7:], **headers})
            if ours:
                assert a.status == 409 and code(a) == "nothing_running", (encoding, headers, a)      # went through
            else:
                assert a.status == 403 and code(a) == "csrf_failed", (encoding, headers, a)
        for token, right in tokens:
            a = mei.send(f"/upload/cancel?id={session}", encoding, token, headers={"Host": mei.own[7:], "Origin": mei.own})
            want = (409, "nothing_running") if right else (403, "csrf_failed")
            assert (a.status, a.json["code"]) == want, (encoding, token, a)
    for token, right in tokens:
        a = mei.send(f"/upload/cancel?id={session}", header_token=token)
        assert a.status == (409 if right else 403), (token, a)


def test_token_must_equal_the_cookie_and_belong_to_the_login(server):
    mei, otto = Client(server, *USER), Client(server, *OTHER)
    session = saved(server, geojson("cookie.geojson", [(1, 2)]))
    path = f"/upload/cancel?id={session}"
    for cookie, token in ((mei.cookie(csrftoken=None), mei.token), (mei.cookie(csrftoken=otto.token), otto.token),
                          (mei.cookie(csrftoken=otto.token), mei.token), (mei.cookie(csrftoken="1" * 96), "1" * 96)):
        a = mei.send(path, token=token, headers={"Cookie": cookie})
        assert a.status == 403 and code(a) == "csrf_failed", (cookie, a)
    again = Client(server, *USER)      # a token of an earlier login of the same person
    assert again.send(path, token=mei.token, headers={"Cookie": again.cookie(csrftoken=mei.token)}).status == 403
    assert again.send(path, token=again.token).status == 409
    a = again.send(path + "&csrfmiddlewaretoken=" + again.token)      # a token in the address is none
    assert a.status == 403, a


def test_error_pages_leave_open_forms_usable(server):
    """Nobody's token in place of the login's made every form in other tabs too old; and the reader stays who they are."""
    mei = Client(server, *USER)
    session = saved(server, geojson("open.geojson", [(1, 2)]))
    html = {"Accept": "text/html", "Cookie": mei.cookie()}
    for method, path, status in (("GET", "/nowhere", 404), ("GET", "/upload/..%2f", 400), ("PUT", "/about", 405), ("GET", "/datasets/999999", 404),
                                 ("GET", "/admin/", 403), ("GET", "/upload/srs?id=abc", 400)):
        a = server.request(method, path, headers=html, user=None)
        assert a.status == status, (path, a)
        assert not [c for c in a.headers.get_all("Set-Cookie") or [] if c.startswith("csrftoken")], (path, a.headers.items())
        assert status == 400 or f">{USER[0]}</a>" in a.text, (path, a)
    assert mei.send(f"/upload/cancel?id={session}", token=mei.token).status == 409
    stale = server.request("GET", "/nowhere", headers={**html, "Cookie": "slipway_login=" + "0" * 32}, user=None)
    assert stale.status == 404 and "/login" in stale.text, stale


def test_text_plain_is_no_form(server):
    mei = Client(server, *USER)
    session = saved(server, geojson("plain.geojson", [(1, 2)]))
    body = json.dumps({"csrfmiddlewaretoken": mei.token, "x": "="})
    for kind in ("text/plain", "text/plain;charset=UTF-8", "application/xml"):
        a = server.request("POST", f"/upload/cancel?id={session}", body=body, user=None,
                           headers={"Cookie": mei.cookie(), "Content-Type": kind, "Accept": "application/json"})
        assert a.status == 415 and code(a) == "media_type", (kind, a)


def test_save_with_wrong_token_leaves_nothing(server):
    mei = Client(server, *USER)
    before = server.traces()
    files = [("files", *geojson("forged.geojson", [(1, 2)]))]
    for token, headers in ((None, {}), ("0" * 96, {}), (mei.token, {"Origin": EVIL}), (mei.token, {"Origin": "null"})):
        a = mei.send("/upload/", "multipart", token, files=files, headers=headers)
        assert a.status == 403 and code(a) == "csrf_failed", (token, headers, a)
        a = mei.send("/api/v2/uploads/upload/", "multipart", token, files=files, headers=headers)
        assert a.status == 403, a
        a = mei.send("/upload/new/", "multipart", token, files=[("file", *files[0][1:])], headers=headers)
        assert a.status == 403, a
    # The token may come after the files, and then decides about them.
    def late(token):
        body, kind = multipart([], files)
        boundary = kind.rpartition("=")[2]
        tail = f'--{boundary}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n--{boundary}--\r\n'
        return server.request("POST", "/upload/", body=body[:-len(f"--{boundary}--\r\n")] + tail.encode(), user=None,
                              headers={"Cookie": mei.cookie(), "Content-Type": kind, "Accept": "application/json"})
    assert late("0" * 96).status == 403
    nothing_left(server, before)
    assert late(mei.token).status == 201


def test_every_changing_route_asks_under_a_cookie(server):
    mei = Client(server, *USER)
    session = saved(server, geojson("routes.geojson", [(1, 2)]))
    n = server.wait_finished(saved(server, geojson("kept.geojson", [(1, 2)]))).json["dataset"]["id"]
    upload = server.post("/upload/new/", {}, [("file", *geojson("u.geojson", [(1, 2)]))]).json[0]["url"].rpartition("=")[2]
    before = server.traces()
    item = state(server, session)
    routes = [("POST", f"/upload/{step}?id={session}") for step in ("csv", "srs", "check", "time", "run", "final", "cancel", "retry")]
    routes += [("POST", "/upload/"), ("POST", f"/upload/delete/{session}"), ("DELETE", f"/upload/delete/{session}"),
               ("POST", "/upload/new/"), ("POST", f"/upload/remove/{upload}"), ("DELETE", f"/upload/remove/{upload}"),
               ("POST", "/api/v2/uploads/upload/"), ("POST", f"/datasets/{n}/delete"), ("DELETE", f"/datasets/{n}/delete"),
               ("POST", "/account/password"), ("POST", "/logout"), ("POST", "/login"), ("POST", "/account/login/")]
    for method, path in routes:
        for encoding in WORDS:
            for token, headers in ((None, {}), (mei.token, {"Origin": EVIL}), (mei.token, {"Origin": "null"}),
                                   (mei.token, {"Sec-Fetch-Site": "cross-site"})):
                a = mei.send(path, encoding, token, headers=headers, method=method, fields={"username": "mei", "password": "x"})
                assert a.status == 403 and code(a) == "csrf_failed", (method, path, encoding, token, headers, a)
    for method in ("PUT", "POST", "DELETE"):      # plain uploads: no form, but the origin counts
        path = {"PUT": "/files/x.csv", "POST": "/files/", "DELETE": f"/files/{upload}"}[method]
        for headers in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            a = server.request(method, path, body=b"a\n" if method != "DELETE" else None, user=None,
                               headers={"Cookie": mei.cookie(), "Accept": "application/json", **headers})
            assert a.status == 403, (method, headers, a)
    nothing_left(server, before)
    assert state(server, session) == item


def test_basic_checks_origin_but_no_token(server):
    mei = Client(server, *USER)
    session = saved(server, geojson("basic.geojson", [(1, 2)]))
    basic = "Basic " + base64.b64encode(f"{USER[0]}:{USER[1]}".encode()).decode()
    bearer = "Bearer " + server.tokens["mei"]
    for encoding in WORDS:
        for headers, ours in origins(mei.own):
            send = {"Host": mei.own[7:], **headers}
            a = mei.send(f"/upload/cancel?id={session}", encoding, headers=send, identity=basic)
            assert a.status == (409 if ours else 403), (encoding, headers, a)
            a = mei.send(f"/upload/cancel?id={session}", encoding, headers=send, identity=bearer)
            assert a.status == 409, (encoding, headers, a)      # no browser sends a token unasked


def test_login_itself_is_protected(server):
    browser = Browser(server, *USER)      # only for its own address
    own = f"http://127.0.0.1:{server.port}"
    a = server.get("/login", accept="text/html", user=None)
    token = re.search(r'name="csrfmiddlewaretoken" value="([0-9a-f]{96})"', a.text)[1]
    cookie = [v for v in a.headers.get_all("Set-Cookie") if v.startswith("csrftoken=")][0].partition(";")[0]
    fields = {"username": USER[0], "password": USER[1], "csrfmiddlewaretoken": token}

    def login(headers, **change):
        return server.post("/login", {**fields, **change}, user=None, headers={"Accept": "text/html", "Host": own[7:], **headers})
    assert login({"Cookie": cookie, "Origin": EVIL}).status == 403
    assert login({"Cookie": cookie}, csrfmiddlewaretoken="0" * 96).status == 403
    assert login({}).status == 403      # without the cookie
    assert login({"Cookie": f"csrftoken={browser.cookies['csrftoken']}"}, csrfmiddlewaretoken=browser.cookies["csrftoken"]).status == 403
    assert login({"Cookie": cookie, "Origin": own}).status == 303


def test_no_cross_origin_words(server):
    session = saved(server, geojson("cors.geojson", [(1, 2)]))
    for origin in (EVIL, "null", f"http://127.0.0.1:{server.port}.evil.example", f"http://127.0.0.1:{server.port}"):
        for path in ("/", "/upload/", f"/upload/srs?id={session}", "/datasets/", "/api/v2/uploads/", "/static/slipway.css", "/nosuch"):
            for method in ("GET", "OPTIONS"):
                a = server.request(method, path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
                named = [h for h in a.headers if h.lower().startswith("access-control-")]
                assert not named, (origin, path, named)


def test_repeated_security_fields_are_refused(server):
    mei = Client(server, *USER)
    session = saved(server, geojson("twice.geojson", [(1, 2)]))
    kind = {"Content-Type": FORMS["form"], "Cookie": mei.cookie(), "Accept": "application/json"}
    for body in (f"csrfmiddlewaretoken={mei.token}&csrfmiddlewaretoken={mei.token}",
                 f"csrfmiddlewaretoken={mei.token}&id={session}&id={session}", f"csrfmiddlewaretoken={mei.token}&rev=0&rev=0",
                 f"csrfmiddlewaretoken={mei.token}&nonce=a&nonce=b"):
        a = server.request("POST", f"/upload/cancel?id={session}", body=body, headers=kind, user=None)
        assert a.status == 400 and code(a) == "bad_body", (body, a)
    a = server.request("POST", f"/upload/cancel?id={session}&id=1", body=f"csrfmiddlewaretoken={mei.token}", headers=kind, user=None)
    assert a.status == 400, a
    # Also where nothing is changed, whatever the method, and before anybody is asked who he is.
    token = server.tokens["mei"]
    for method, path in (("GET", f"/upload/srs?id={session}&id={session}"), ("GET", f"/upload/final?id={session}&ID=1"), ("GET", "/upload/?id=1&id=1"),
                         ("GET", f"/upload/progress?id={session}&id=1"), ("GET", f"/upload/preview?id={session}&layer=0&id=1"),
                         ("GET", f"/iportal/web/datas.json?token={token}&token={token}"), ("GET", f"/iportal/web/mycontent/datas.rjson?key=a&key=b"),
                         ("GET", f"/iserver/manager/filemanager/uploadtasks.json?token={token}&Token=x"), ("DELETE", "/files/" + "0" * 32 + "?key=1&key=2"),
                         ("POST", f"/iserver/manager/filemanager/uploadtasks.json?token={token}&token={token}")):
        for user in ("mei", None):
            a = server.request(method, path, headers={"Accept": "application/json"}, user=user)
            assert a.status == 400, (method, path, a)
    assert server.get(f"/upload/srs?id={session}&layer=0&layer=0", accept="application/json").status == 200      # others are nobody's business


if __name__ == "__main__":
    import test_csrf
    main(test_csrf)
