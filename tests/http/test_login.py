"""Goal: logins: cookies and their flags, no fixation, equal answers for all that is wrong, limits on guessing, no record for
strangers (security.md 3.3, A39, A40, 12.11, 12.12)."""
import base64
import concurrent.futures
import json
import re
import time

from harness import ADMIN, OTHER, USER, Server, main
from made import Browser, HTML
from steps import code, configured

HEX32 = re.compile(r"^[0-9a-f]{32}$")


def set_cookies(answer):
    """{name: (value, {attributes})}"""
    out = {}
    for line in answer.headers.get_all("Set-Cookie") or []:
        first, *rest = [p.strip() for p in line.split(";")]
        name, _, value = first.partition("=")
        out[name] = (value, {r.partition("=")[0].lower(): r.partition("=")[2] for r in rest})
    return out


def ask(server, method, path, cookies=None, headers=None, **kw):
    headers = {"Accept": HTML, **(headers or {})}
    if cookies:
        headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in cookies.items())
    if method == "POST":
        return server.post(path, kw.pop("fields", {}), headers=headers, user=None, **kw)
    return server.request(method, path, headers=headers, user=None, **kw)


def try_login(server, name, password, accept=HTML, **more):
    """One POST of the login form with a fresh token; the answer."""
    token = set_cookies(ask(server, "GET", "/login"))["csrftoken"][0]
    return ask(server, "POST", "/login", {"csrftoken": token}, {"Accept": accept},
               fields={"username": name, "password": password, "csrfmiddlewaretoken": token, **more})


def logins(server):
    return sum('"table":"logins"' in line for line in server.slipway("dump").splitlines())


def test_login_sets_its_cookies(server):
    a = try_login(server, *USER)
    assert a.status == 303 and a.header("Location") == "/", a
    cookies = set_cookies(a)
    value, flags = cookies["slipway_login"]
    assert HEX32.match(value) and "httponly" in flags and flags["samesite"] == "Lax" and flags["path"] == "/", cookies
    assert "secure" not in flags and "domain" not in flags      # plain http
    value, flags = cookies["csrftoken"]
    assert re.match("^[0-9a-f]{96}$", value) and "httponly" not in flags and flags["samesite"] == "Lax", cookies
    for line in server.slipway("dump").splitlines():
        assert cookies["slipway_login"][0] not in line, line      # only its digest is kept


def test_cookies_are_secure_on_https(server):
    with configured(server, "[site]\npublic_url = https://maps.example\n[server]\nhsts = on"):
        a = ask(server, "GET", "/login")
        token, flags = set_cookies(a)["csrftoken"]
        assert "secure" in flags, flags
        assert a.header("Strict-Transport-Security"), a.headers
        a = ask(server, "POST", "/login", {"csrftoken": token}, {"Origin": "https://maps.example"},
                fields={"username": USER[0], "password": USER[1], "csrfmiddlewaretoken": token})
        assert a.status == 303 and "secure" in set_cookies(a)["slipway_login"][1], a


def test_login_by_geonodes_form(server):
    a = ask(server, "GET", "/", headers={"Accept": "*/*"})
    token = set_cookies(a)["csrftoken"][0]
    a = ask(server, "POST", "/account/login/", {"csrftoken": token},
            fields={"login": USER[0], "password": USER[1], "csrfmiddlewaretoken": token, "next": "/upload/"})
    assert a.status == 303 and a.header("Location") == "/upload/", a


def test_login_as_json(server):
    a = try_login(server, *USER, accept="application/json")
    assert a.status == 200 and a.json == {"success": True, "user": "mei"}, a
    a = try_login(server, USER[0], "wrong wrong wrong", accept="application/json")
    assert a.status == 401 and code(a) == "login_wrong", a


def test_pages_with_forms_as_json(server):
    a = ask(server, "GET", "/login?next=/upload/", headers={"Accept": "application/json"})
    token = set_cookies(a)["csrftoken"][0]
    assert a.status == 200 and a.json == {"success": True, "page": {"next": "/upload/", "name": ""}, "csrf": token}, a
    a = ask(server, "POST", "/login", {"csrftoken": token}, {"Accept": "application/json"},
            fields={"username": USER[0], "password": USER[1], "csrfmiddlewaretoken": token})
    assert a.status == 200 and a.json == {"success": True, "user": "mei"}, a
    cookies = {k: v[0] for k, v in set_cookies(a).items()}
    a = ask(server, "GET", "/account/password", cookies, {"Accept": "application/json"})
    assert a.json == {"success": True, "page": {"name": "mei"}, "csrf": cookies["csrftoken"]} and not set_cookies(a), a
    assert ask(server, "GET", "/account/password", headers={"Accept": "application/json"}).status == 401
    a = ask(server, "GET", "/about", headers={"Accept": "application/json"})
    assert a.json["success"] is True and {x["url"]: x["method"] for x in a.json["page"]["addresses"]}["/upload/"] == "POST", a
    assert all(x["text"] for x in a.json["page"]["addresses"]) and not set_cookies(a), a
    page = ask(server, "GET", "/about")
    assert all(x["text"] in page.text for x in a.json["page"]["addresses"]), page


def test_password_as_json(server):
    server.slipway("user", "add", "jo", "--password-stdin", stdin="first password of jo\n")
    a = try_login(server, "jo", "first password of jo", accept="application/json")
    cookies = {k: v[0] for k, v in set_cookies(a).items()}
    def change(old, new):
        return ask(server, "POST", "/account/password", cookies, {"Accept": "application/json"},
                   fields={"old": old, "password": new, "csrfmiddlewaretoken": cookies["csrftoken"]})
    a = change("wrong", "second password of jo")
    assert a.status == 400 and code(a) == "login_wrong", a
    a = change("first password of jo", "short")
    assert a.status == 400 and code(a) == "password_short", a
    a = change("first password of jo", "second password of jo")
    assert a.status == 200 and a.json == {"success": True, "user": "jo"} and "slipway_login" in set_cookies(a), a


class Fresh(Server):
    """Without users."""

    def slipway(self, *args, **kw):
        return "no token"


def test_first_login_as_json(_):
    server = Fresh()
    try:
        first_login(server)
    finally:
        server.close()


def first_login(server):
    link = re.search(r"(/first\?token=(\S+))", server.banner)
    a = ask(server, "GET", link[1], headers={"Accept": "application/json"})
    token = set_cookies(a)["csrftoken"][0]
    assert a.status == 200 and a.json == {"success": True, "page": {"token": link[2], "name": "admin"}, "csrf": token}, a
    def first(**fields):
        return ask(server, "POST", "/first", {"csrftoken": token}, {"Accept": "application/json"},
                   fields={"first": link[2], "csrfmiddlewaretoken": token, **fields})
    for fields, status, want in (({"username": "a b", "password": "long enough for all"}, 400, "user_name_bad"),
                                 ({"username": "zoe", "password": "short"}, 400, "password_short")):
        a = first(**fields)
        assert a.status == status and code(a) == want, a
    a = first(username="zoe", password="long enough for all")
    assert a.status == 200 and a.json == {"success": True, "user": "zoe"} and "slipway_login" in set_cookies(a), a
    a = ask(server, "GET", link[1], headers={"Accept": "application/json"})
    assert a.status == 410 and code(a) == "first_used", a


def test_next_never_leads_away(server):
    for target in ("//evil.example/", "https://evil.example/", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)",
                   "/%0d%0aSet-Cookie:x=1", "\r\nSet-Cookie: x=1", ""):
        a = try_login(server, *USER, next=target)
        assert a.status == 303 and a.header("Location").startswith("/") and "evil" not in a.header("Location").split("/")[1:2], (target, a)
        assert not a.header("Location").startswith(("//", "/\\")) and "x" not in set_cookies(a), (target, a.headers)


def test_old_logins_are_not_adopted(server):
    mine = "a" * 32
    for cookie in ({"slipway_login": mine}, {"JSESSIONID": mine.upper()}):
        a = ask(server, "GET", "/upload/", cookie, {"Accept": "application/json"})
        assert a.status == 401, (cookie, a)
    before = logins(server)
    browser = Browser(server, *USER)
    token = browser.cookies["slipway_login"]
    assert token != mine and logins(server) == before + 1
    # A second login takes the first one's place.
    browser.open("/login")
    browser.submit("/login", username=USER[0], password=USER[1])
    assert browser.cookies["slipway_login"] != token and logins(server) == before + 1
    assert ask(server, "GET", "/upload/", {"slipway_login": token}, {"Accept": "application/json"}).status == 401


def test_logout_ends_it_everywhere(server):
    browser = Browser(server, *USER)
    token = browser.cookies["slipway_login"]
    assert ask(server, "GET", "/upload/", {"slipway_login": token}).status == 200
    a = ask(server, "GET", "/logout", browser.cookies)      # a foreign image could ask for this
    assert a.status == 403 and ask(server, "GET", "/upload/", {"slipway_login": token}).status == 200, a
    a = ask(server, "GET", "/logout", browser.cookies, {"Referer": "https://evil.example/"})
    assert a.status == 403, a
    a = ask(server, "POST", "/logout", browser.cookies, fields={})
    assert a.status == 403, a
    browser.open("/")
    browser.submit("/logout", follow=False)
    assert browser.answer.status == 303 and "slipway_login" not in browser.cookies, browser.answer
    for _ in range(4):      # every front process knows
        a = ask(server, "GET", "/upload/", {"slipway_login": token}, {"Accept": "application/json"})
        assert a.status == 401, a
    browser = Browser(server, *USER)
    a = ask(server, "GET", "/logout", browser.cookies, {"Referer": f"http://127.0.0.1:{server.port}/", "Host": f"127.0.0.1:{server.port}"})
    assert a.status == 303 and ask(server, "GET", "/upload/", browser.cookies, {"Accept": "application/json"}).status == 401, a


def test_strange_cookies_are_no_login(server):
    token = Browser(server, *USER).cookies["slipway_login"]
    api = {"Accept": "application/json"}
    good = [f"slipway_login={token}", f"a=b; slipway_login={token}; c=d", f"JSESSIONID={token.upper()}",
            f"slipway_login={token}; slipway_login={token}"]
    bad = [f"slipway_login={token[:-1]}", f"slipway_login={token}0", f"slipway_login={token.upper()}", f"JSESSIONID={token}",
           f"slipway_login={token}; slipway_login={'0' * 32}", f"slipway_login={'0' * 32}; slipway_login={token}",
           f'slipway_login="{token}x"', f"slipway_login=../{token}", "slipway_login="]
    for cookie in good:
        assert server.get("/upload/", headers={**api, "Cookie": cookie}, user=None).status == 200, cookie
    for cookie in bad:
        assert server.get("/upload/", headers={**api, "Cookie": cookie}, user=None).status == 401, cookie
    for url in (f"/upload/?slipway_login={token}", f"/upload/;jsessionid={token}", f"/upload/?JSESSIONID={token.upper()}"):
        assert server.get(url, headers=api, user=None).status in (401, 404), url
    a = server.get("/upload/", headers={**api, "Cookie": "x=" + "y" * 20_000}, user=None)
    assert a.status in (400, 401, 431), a
    a = server.get("/upload/", headers={**api, "Cookie": "; ".join(f"c{i}=1" for i in range(60))}, user=None)
    assert a.status in (400, 431), a


def test_wrong_logins_look_alike(server):
    server.slipway("user", "add", "idle", "--password-stdin", stdin="a password of idle\n")
    server.slipway("user", "delete", "idle")

    def plain(a):
        return a.status, re.sub(r"[0-9a-f]{96}|[0-9a-f]{32}", "#", a.text)
    answers = [try_login(server, "mei", "wrong wrong wrong"), try_login(server, "nobody", "wrong wrong wrong"),
               try_login(server, "idle", "a password of idle"), try_login(server, "idle", "wrong wrong wrong")]
    shown = {plain(a)[1].replace("nobody", "NAME").replace("mei", "NAME").replace("idle", "NAME") for a in answers}
    assert {a.status for a in answers} == {401} and len(shown) == 1, answers
    assert all("slipway_login" not in set_cookies(a) for a in answers)


def test_unknown_users_cost_the_same_time(server):
    def median(name):
        times = []
        for i in range(5):
            t = time.monotonic()
            assert try_login(server, name if i % 2 else name + "x", "wrong wrong wrong").status in (401, 429)
            times.append(time.monotonic() - t)
        return sorted(times)[2]
    known, unknown = median("otto"), median("nobody2")
    assert unknown > known * 0.3 and known > unknown * 0.3, (known, unknown)      # coarse: other work runs beside


def test_guessing_is_limited(server):
    with configured(server, "[login]\nfailures = 3"):
        statuses = [try_login(server, "admin", f"wrong password {i}").status for i in range(5)]
        assert statuses == [401, 401, 401, 401, 429] or statuses == [401, 401, 401, 429, 429], statuses
        a = try_login(server, *ADMIN)      # not even looked at now, in no process
        assert a.status == 429 and a.header("Retry-After") is None or a.status == 429, a
        basic = base64.b64encode(f"{ADMIN[0]}:{ADMIN[1]}".encode()).decode()
        a = server.get("/upload/", headers={"Authorization": "Basic " + basic, "Accept": "application/json"}, user=None)
        assert a.status == 429, a
        assert try_login(server, *OTHER).status == 303      # others are not locked out
        server.slipway("user", "add", "uma", "--password-stdin", stdin="first password of uma\n")
        browser = Browser(server, "uma", "first password of uma")      # nor may the page that asks for the old one be asked for ever
        answers = []
        for i in range(5):
            browser.open("/account/password")
            browser.submit("/account/password", old=f"wrong password {i}", password="a new long phrase", again="a new long phrase")
            answers.append(browser.answer.status)
        assert answers[:3] == [400] * 3 and answers[4] == 429, answers


def test_basic_and_tokens(server):
    def status(header, path="/upload/", **more):
        return server.get(path, headers={"Authorization": header, "Accept": "application/json", **more}, user=None).status

    def basic(name, password):
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
    for _ in range(2):      # the second time from memory
        assert status(basic(*USER)) == 200
    assert status(basic(USER[0], USER[1] + "x")) == 401
    assert status(basic(USER[0], server.tokens["mei"])) == 200      # a token is a password, too
    assert status(basic("otto", server.tokens["mei"])) == 401
    for bad in ("Basic", "Basic !!!", "Basic " + "A" * 5000, "Bearer", "Bearer x", "Bearer " + "0" * 64, "Negotiate abc"):
        assert status(bad) == 401, bad
    assert server.get("/upload/", headers={"X-Slipway-Key": server.tokens["mei"], "Accept": "application/json"}, user=None).status == 200
    a = server.get("/upload/", headers={"Accept": "application/json"}, user=None)
    assert a.status == 401 and a.header("WWW-Authenticate").startswith('Basic realm="Slipway"') and code(a) == "login_required", a
    a = server.get("/upload/", headers={"X-Requested-With": "XMLHttpRequest"}, user=None)
    assert a.status == 401 and a.header("WWW-Authenticate").startswith("Slipway"), a.headers
    a = server.get("/upload/csv?id=7", accept=HTML, user=None)
    assert a.status == 303 and a.header("Location") == "/login?next=%2Fupload%2Fcsv%3Fid%3D7", a.headers


def test_read_only_and_revoked_tokens(server):
    made = server.slipway("key", "add", "mei", "--read-only", "--name", "reader").split()
    token = made[-1]
    api = {"Authorization": "Bearer " + token, "Accept": "application/json"}
    assert server.get("/upload/", headers=api, user=None).status == 200
    a = server.request("POST", "/upload/", body=b"", headers={**api, "Content-Type": "application/x-www-form-urlencoded"}, user=None)
    assert a.status == 403 and code(a) == "key_read_only", a
    session = server.save(("k.geojson", b'{"type":"Point","coordinates":[1,2]}')).json["id"]
    server.get(f"/upload/final?id={session}", headers=api, user=None)      # not even where a GET starts something
    assert server.get(f"/api/v2/uploads/{session}/").json["upload"]["state"] == "WAITING"
    for line in server.slipway("dump").splitlines():
        assert token not in line
    listed = server.slipway("key", "list", "mei")
    assert token not in listed and "reader" in listed, listed
    row = [l for l in listed.splitlines() if "reader" in l][0]
    server.slipway("key", "delete", "mei", row.split()[0])
    assert server.get("/upload/", headers=api, user=None).status == 401


def test_many_logins_at_once_wait_for_each_other(server):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: try_login(server, *USER).status, range(12)))
    assert set(statuses) <= {303, 429} and 303 in statuses, statuses


def test_strangers_leave_no_record(server):
    before = server.slipway("dump")
    for i in range(100):
        server.get("/", user=None, headers={"Accept": HTML, "Cookie": f"slipway_login={i:032x}"})
        server.get("/login", user=None, accept=HTML)
        server.get("/api/v2/uploads/", user=None)
        server.get("/upload/progress", user=None)
        server.get("/upload/", user=None, accept=HTML)
    assert server.slipway("dump") == before


def test_password_change_ends_other_logins(server):
    server.slipway("user", "add", "pia", "--password-stdin", stdin="first password of pia\n")
    one, two = Browser(server, "pia", "first password of pia"), Browser(server, "pia", "first password of pia")

    def basic(password):      # in every front process
        header = {"Authorization": "Basic " + base64.b64encode(f"pia:{password}".encode()).decode(), "Accept": "application/json"}
        return {server.get("/upload/", headers=header, user=None).status for _ in range(8)}
    assert basic("first password of pia") == {200}
    one.open("/account/password")
    one.submit("/account/password", old="wrong old password", password="second password of pia", again="second password of pia")
    assert one.answer.status == 400, one.answer
    one.submit("/account/password", old="first password of pia", password="short", again="short")
    assert one.answer.status == 400, one.answer
    one.submit("/account/password", old="first password of pia", password="second password of pia", again="second password of pia")
    assert one.answer.status == 200 and one.url.startswith("/"), (one.url, one.answer)
    assert ask(server, "GET", "/upload/", one.cookies, {"Accept": "application/json"}).status == 200
    assert ask(server, "GET", "/upload/", two.cookies, {"Accept": "application/json"}).status == 401
    assert try_login(server, "pia", "first password of pia").status == 401
    assert try_login(server, "pia", "second password of pia").status == 303
    assert basic("second password of pia") == {200} and basic("first password of pia") <= {401, 429}      # nor is the old one remembered
    server.slipway("user", "disable", "pia")
    assert basic("second password of pia") <= {401, 429}


if __name__ == "__main__":
    import test_login
    main(test_login)
