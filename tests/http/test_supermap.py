"""Goal: what all resources of SuperMap's clients share: spellings of paths, formats, _method, errors, and their logins, tokens
and keys (uploadtasks.md 2, 9, 11, cases 30-33; datas.md 2)."""
import json
import re
import socket
import time
import urllib.parse
import xml.etree.ElementTree

from harness import ADMIN, OTHER, USER, main
from made import Browser
from steps import configured

LOGIN = "/iserver/services/security/login"
TOKENS = "/iserver/services/security/tokens"
ACCOUNT = "/iportal/web/mycontent/account"


def ask(server, method, path, body=None, cookie=None, **headers):
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    if cookie:
        headers["Cookie"] = cookie
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    return server.request(method, path, body=body, headers=headers, user=None)


def login(server, user=USER, path=LOGIN, **more):
    a = ask(server, "POST", path + ".json", {"username": user[0], "password": user[1], **more})
    assert a.status == 200, a
    return re.match(r"JSESSIONID=([0-9A-F]{32});", a.header("Set-Cookie")).group(1)


def token(server, user=USER, **more):
    a = ask(server, "POST", TOKENS + ".rjson", {"userName": user[0], "password": user[1], **more})
    assert a.status == 200, a
    return a.text


def code(a):
    return a.json["error"]["code"]


def test_login_sets_one_cookie(server):
    for path, referer in ((LOGIN, "/iserver/"), ("/services/security/LOGIN", "/iserver/"), ("/iportal/web/login", "/iportal/"),
                          ("/web/login", "/iportal/")):
        a = ask(server, "POST", path + ".json", {"username": USER[0], "password": USER[1]})
        assert a.status == 200 and a.json == {"succeed": True, "reason": None, "referer": referer}, a
        cookies = a.headers.get_all("Set-Cookie")
        assert len(cookies) == 1, cookies
        assert re.fullmatch(r"JSESSIONID=[0-9A-F]{32}; Path=/; HttpOnly; SameSite=Lax", cookies[0]), cookies
    a = ask(server, "POST", LOGIN, {"userName": USER[0], "password": USER[1], "rememberme": "true"})
    assert "; Max-Age=1209600" in a.header("Set-Cookie"), a.headers


def test_login_is_valid_everywhere_and_ends(server):
    id = login(server)
    cookie = "JSESSIONID=" + id
    for path in (ACCOUNT, "/web/mycontent/account.json"):
        a = ask(server, "GET", path, cookie=cookie)
        assert a.status == 200 and a.json == {"name": "mei", "nickname": "mei", "email": None, "roles": []}, a
    assert ask(server, "GET", "/upload/", cookie=cookie, Accept="text/html").status == 200
    assert id.lower() not in server.slipway("dump")
    a = ask(server, "GET", "/iportal/web/logout.json", cookie=cookie, Origin="http://evil.example")
    assert a.status == 401 and code(a) == 401, a
    assert ask(server, "GET", ACCOUNT, cookie=cookie).status == 200
    a = ask(server, "GET", "/iportal/web/logout.json", cookie=cookie)
    assert a.status == 200 and a.json == {"succeed": True} and "Max-Age=0" in a.header("Set-Cookie"), a
    assert ask(server, "GET", ACCOUNT, cookie=cookie).status == 401


def test_each_address_to_log_out_ends_a_login(server):
    """iClient for JavaScript logs out of both products under services/security."""
    for where in ("/iserver/services/security/logout", "/iportal/services/security/logout", "/services/security/logout", "/iportal/web/logout"):
        for method in ("GET", "POST"):
            cookie = "JSESSIONID=" + login(server)
            a = ask(server, method, where, cookie=cookie)
            assert a.status == 200 and a.json == {"succeed": True} and "Max-Age=0" in a.header("Set-Cookie"), (where, a)
            assert ask(server, "GET", ACCOUNT, cookie=cookie).status == 401, where


def test_login_of_before_ends(server):
    first = login(server)
    a = ask(server, "POST", LOGIN, {"username": USER[0], "password": USER[1]}, cookie="JSESSIONID=" + first)
    assert a.status == 200 and first not in a.header("Set-Cookie")
    assert ask(server, "GET", ACCOUNT, cookie="JSESSIONID=" + first).status == 401
    invented = "0" * 32
    a = ask(server, "POST", LOGIN, {"username": USER[0], "password": USER[1]}, cookie="JSESSIONID=" + invented)
    assert a.status == 200 and invented not in a.header("Set-Cookie")


def test_one_browser_with_both_cookies(server):
    """The wizard's pages and these clients know one login under two names: it ends under both, and a dead one hides no living one."""
    browser = Browser(server, *USER)
    own = f"slipway_login={browser.cookies['slipway_login']}"
    theirs = "JSESSIONID=" + login(server)
    a = ask(server, "GET", ACCOUNT, cookie=f"slipway_login={'0' * 32}; {theirs}")
    assert a.status == 200, a
    referer = {"Referer": f"http://127.0.0.1:{server.port}/"}
    a = ask(server, "GET", "/logout", cookie=theirs, **referer)      # a login of theirs, ended on a page of ours
    assert a.status == 303 and any(c.startswith("JSESSIONID=;") for c in a.headers.get_all("Set-Cookie")), a.headers
    assert ask(server, "GET", ACCOUNT, cookie=theirs).status == 401
    theirs = "JSESSIONID=" + login(server)
    assert ask(server, "GET", "/logout", cookie=f"{own}; {theirs}", **referer).status == 303
    assert [ask(server, "GET", ACCOUNT, cookie=c).status for c in (own, theirs)] == [401, 401]
    own, theirs = f"slipway_login={Browser(server, *USER).cookies['slipway_login']}", "JSESSIONID=" + login(server)
    assert ask(server, "GET", "/iportal/web/logout.json", cookie=f"{own}; {theirs}").status == 200
    assert [ask(server, "GET", ACCOUNT, cookie=c).status for c in (own, theirs)] == [401, 401]


def test_login_form_and_xml(server):
    form = urllib.parse.urlencode({"username": USER[0], "password": USER[1]}).encode()
    assert ask(server, "POST", LOGIN, form, Content_Type="application/x-www-form-urlencoded").status == 200
    xml = f"<Object><username>{USER[0]}</username><password>{USER[1]}</password></Object>".encode()
    a = ask(server, "POST", LOGIN + ".xml", xml)
    assert a.status == 200, a
    root = xml_of(a)
    assert root.tag == "MethodResult" and root.find("succeed").text == "true" and root.find("reason") is None, a


def xml_of(a):
    assert a.header("Content-Type") == "application/xml;charset=UTF-8", a.headers
    assert a.text.startswith('<?xml version="1.0" encoding="UTF-8" standalone="no"?>')
    return xml.etree.ElementTree.fromstring(a.body)


def test_cookies_for_other_sites(server):
    with configured(server, "[server]\ntrusted_proxies = 127.0.0.1\n[cors]\norigins = https://maps.example"):
        body = {"username": USER[0], "password": USER[1]}
        a = ask(server, "POST", LOGIN, body, X_Forwarded_Proto="https", Origin="https://maps.example")
        cookie = a.header("Set-Cookie")
        assert "; SameSite=None" in cookie and "; Secure" in cookie and "; HttpOnly" in cookie, cookie
        assert a.header("Access-Control-Allow-Origin") == "https://maps.example"
        assert a.header("Access-Control-Allow-Credentials") == "true"
        cookie = ask(server, "POST", LOGIN, body, X_Forwarded_Proto="https").header("Set-Cookie")
        assert "; SameSite=Lax" in cookie and "; Secure" in cookie, cookie
        a = ask(server, "GET", ACCOUNT, Origin="https://other.example")
        assert a.header("Access-Control-Allow-Origin") == "*" and a.header("Access-Control-Allow-Credentials") is None, a.headers


def test_own_addresses_behind_proxies(server):
    made = "/iportal/web/mycontent/datas.json"
    forwarded = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "data.example:444", "X_Forwarded_Prefix": "/geo/"}

    def where(**headers):
        a = server.request("POST", made, body=b'{"fileName":"a.csv"}', headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert a.status == 201, a
        server.request("DELETE", made[:-5] + "/" + a.json["childID"])
        return a.header("Location").rpartition("/")[0]
    assert where(Host="maps.example", **forwarded) == "http://maps.example/iportal/web/mycontent/datas"
    with configured(server, "[server]\ntrusted_proxies = 127.0.0.1"):
        assert where(Host="maps.example", **forwarded) == "https://data.example:444/geo/iportal/web/mycontent/datas"
        odd = where(Host="maps.example", X_Forwarded_Host="evil/<x>", X_Forwarded_Prefix="//evil")
        assert odd == "http://maps.example/iportal/web/mycontent/datas", odd


def test_own_addresses_without_a_host(server):
    """HTTP/1.0 knows no Host: the address that was called is what is left."""
    body = b'{"fileName":"old.csv"}'
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as s:
        s.sendall(f"POST {server.mount}/iportal/web/mycontent/datas.json HTTP/1.0\r\nAuthorization: Bearer {server.tokens['mei']}\r\n"
                  f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b"".join(iter(lambda: s.recv(65536), b""))
    where = re.search(rb"(?im)^Location: (\S+)", answer)[1].decode()
    assert answer.split()[1] == b"201" and re.fullmatch(r"http://[\w.-]+:\d+/.*/mycontent/datas/\d+", where), answer
    address = urllib.parse.urlsplit(where)
    assert address.hostname and (address.port == server.port or server.web != "lighttpd"), where      # Apache tells its name's port
    assert server.request("DELETE", address.path).status == 200


def test_login_refusals(server):
    wrong = ask(server, "POST", LOGIN, {"username": "otto", "password": "not this one"})
    nobody = ask(server, "POST", LOGIN, {"username": "nobody", "password": "not this one"})
    assert wrong.status == nobody.status == 401 and wrong.json == nobody.json, (wrong, nobody)
    for body in ({}, {"username": "mei"}, [1], {"username": 7, "password": "x"}, b"{", b"<a>", b"<!DOCTYPE a><a/>"):
        a = ask(server, "POST", LOGIN, body)
        assert a.status == 400 and code(a) == 400 and a.json["succeed"] is False, (body, a)
    a = ask(server, "POST", LOGIN, {"username": USER[0], "password": USER[1]}, Origin="http://evil.example")
    assert a.status == 401 and a.header("Set-Cookie") is None, a
    a = ask(server, "GET", LOGIN)
    assert a.status == 405 and "POST" in a.header("Allow"), a


def test_guessing_is_stopped_as_401(server):
    with configured(server, "[login]\nfailures = 3"):
        for _ in range(3):
            assert ask(server, "POST", LOGIN, {"username": "otto", "password": "guess after guess"}).status == 401
        a = ask(server, "POST", LOGIN, {"username": OTHER[0], "password": OTHER[1]})
        assert a.status == 401, a


def test_token_is_the_whole_body(server):
    a = ask(server, "POST", TOKENS + ".rjson", {"userName": USER[0], "password": USER[1], "clientType": "NONE", "expiration": "60"})
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\.\.", a.text) and a.header("Content-Type") == "text/plain;charset=UTF-8", a
    assert a.header("Set-Cookie") is None
    for path in (ACCOUNT + ".json?token=", "/web/mycontent/account?token="):
        assert ask(server, "GET", path + a.text).json["name"] == "mei"
    assert a.text not in server.slipway("dump") and a.text not in server.log()
    x = ask(server, "POST", "/iportal/services/security/tokens.xml", {"userName": USER[0], "password": USER[1]})
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\.\.", xml_of(x).text) and xml_of(x).tag == "string", x


def test_token_bounds(server):
    here = token(server)                                    # RequestIP is the default
    assert ask(server, "GET", f"{ACCOUNT}?token={here}").status == 200
    there = token(server, clientType="ip", ip="192.0.2.7")
    assert ask(server, "GET", f"{ACCOUNT}?token={there}").status == 401
    page = token(server, clientType="Referer", referer="http://maps.example.org/app")
    for referer, status in (("http://maps.example.org/app", 200), ("http://maps.example.org/app/x?y", 200),
                            ("http://maps.example.org/apple", 401), ("http://evil.example/", 401), (None, 401)):
        a = ask(server, "GET", f"{ACCOUNT}?token={page}", **({"Referer": referer} if referer else {}))
        assert a.status == status, (referer, a)
    assert ask(server, "GET", f"{ACCOUNT}?token={token(server, clientType='NONE')}").status == 200


def test_token_from_another_address(server):
    with configured(server, "[server]\ntrusted_proxies = 127.0.0.1"):
        t = token(server)
        assert ask(server, "GET", f"{ACCOUNT}?token={t}").status == 200
        assert ask(server, "GET", f"{ACCOUNT}?token={t}", X_Forwarded_For="192.0.2.9").status == 401


def test_token_refusals(server):
    good = {"userName": USER[0], "password": USER[1]}
    for body in ({**good, "password": "wrong wrong"}, {**good, "userName": "nobody"}, {**good, "clientType": "MAYBE"},
                 {**good, "clientType": "IP"}, {**good, "clientType": "Referer"}, {**good, "expiration": 0},
                 {**good, "expiration": -1}, {**good, "expiration": 525601}, {**good, "expiration": 1.5},
                 {**good, "expiration": "x"}, {"userName": "mei"}, [good]):
        a = ask(server, "POST", TOKENS, body)
        assert a.status == 400 and code(a) == 400, (body, a)


def test_tokens_page_and_help(server):
    a = ask(server, "GET", TOKENS + ".html")
    assert a.status == 200 and "<form" in a.text and "script" not in a.header("Content-Security-Policy"), a
    expected = {"clientTypes": ["RequestIP", "IP", "Referer", "NONE"], "maxExpiration": 525600}
    assert ask(server, "GET", TOKENS + ".json").json == expected
    head = ask(server, "HEAD", TOKENS + ".json")
    assert head.status == 200 and head.body == b"" and int(head.header("Content-Length")) > 20, head.headers


def test_wrong_tokens_are_401_everywhere(server):
    for where in (ACCOUNT, TOKENS, "/iportal/web/logout"):
        for query in ("token=nonsense", "key=nonsense", "token=" + "a" * 43 + ".."):
            assert ask(server, "GET", f"{where}?{query}").status == 401, (where, query)
    cookie = "JSESSIONID=" + login(server)
    assert ask(server, "GET", ACCOUNT + "?token=nonsense", cookie=cookie).status == 401       # the first that is there decides
    assert ask(server, "GET", ACCOUNT + "?token=", cookie=cookie).status == 200
    assert ask(server, "GET", ACCOUNT, cookie="JSESSIONID=" + "A" * 32).status == 401


def test_keys_read_items_only(server):
    key = server.slipway("key", "add", "mei", "--read-only").split()[-1]
    full = server.tokens["mei"]
    assert ask(server, "GET", f"{ACCOUNT}?key={key}").status == 401
    assert ask(server, "GET", f"{ACCOUNT}?token={key}").status == 200      # as a token it is what it is elsewhere
    assert ask(server, "GET", f"{ACCOUNT}?key={full}").status == 401
    bounded = server.slipway("key", "add", "mei", "--read-only", "--referer", "http://maps.example.org/").split()[-1]
    assert ask(server, "GET", "/upload/", Authorization="Bearer " + bounded, Accept="text/html").status == 401
    assert ask(server, "GET", "/datasets/", Authorization="Bearer " + bounded, Referer="http://maps.example.org/x").status == 200


def test_manager_role(server):
    assert ask(server, "GET", ACCOUNT, cookie="JSESSIONID=" + login(server)).json["roles"] == []
    server.slipway("user", "manager", "mei", "yes")
    assert ask(server, "GET", ACCOUNT, cookie="JSESSIONID=" + login(server)).json["roles"] == ["manager"]
    server.slipway("user", "manager", "mei", "no")
    assert ask(server, "GET", ACCOUNT, cookie="JSESSIONID=" + login(server, ADMIN)).json["roles"] == ["admin"]


def test_spellings_of_one_path(server):
    t = token(server, clientType="NONE")
    for path in (ACCOUNT, "/IPORTAL/Web/MyContent/Account", "/iportal//web///mycontent/account/", "/web/mycontent/account/",
                 ACCOUNT + ".rjson", ACCOUNT + ".RJSON", ACCOUNT + ".rjson.Json", "//iportal/web/mycontent/account.xml.json"):
        a = ask(server, "GET", f"{path}?token={t}&t=123&_t=9&returnContent=true")
        assert a.status == 200 and a.json["name"] == "mei", (path, a)
    for path in ("/iportal/web/mycontent/accounts", "/iportal", "/web", "/iportal/web/mycontent", "/iserver/nothing/here.xml"):
        a = ask(server, "GET", f"{path}?token={t}")
        assert a.status == 404, (path, a)
    x = xml_of(ask(server, "GET", "/iserver/nothing/here.xml"))
    assert x.tag == "MethodResult" and x.find("succeed").text == "false" and x.find("error/code").text == "404"


def test_formats(server):
    t = "?token=" + token(server, clientType="NONE")
    plain = ask(server, "GET", ACCOUNT + ".json" + t)
    pretty = ask(server, "GET", ACCOUNT + t)
    assert plain.json == pretty.json and "\n    " in pretty.text and "\n" not in plain.text
    for a in (plain, pretty):
        assert a.header("Content-Type") == "application/json;charset=UTF-8" and a.header("X-Content-Type-Options") == "nosniff"
    x = xml_of(ask(server, "GET", ACCOUNT + ".xml" + t))
    assert x.find("name").text == "mei" and x.find("email") is None and x.find("roles") is not None
    for suffix in (".png", ".html", ".jsonp", ".bmp", ".json.bmp", ".bmp.json", "."):
        a = ask(server, "GET", ACCOUNT + suffix + t)
        assert a.status == 406 and code(a) == 406, (suffix, a)
    for suffix in ("", ".json", ".rjson", ".xml", ".png", ".JSON"):
        g, h = ask(server, "GET", ACCOUNT + suffix + t), ask(server, "HEAD", ACCOUNT + suffix + t)
        assert (g.status, g.header("Content-Type"), g.header("Content-Length")) == \
               (h.status, h.header("Content-Type"), h.header("Content-Length")) and h.body == b"", suffix


def test_order_of_checks(server):
    assert ask(server, "DELETE", "/iportal/web/mycontent/nothing.bmp?token=x").status == 404
    a = ask(server, "DELETE", ACCOUNT + ".bmp?token=x")
    assert a.status == 405 and a.header("Allow").startswith("GET, HEAD"), a.headers
    assert ask(server, "GET", ACCOUNT + ".bmp?token=x").status == 406
    assert ask(server, "GET", ACCOUNT + "?token=x").status == 401


def test_method_override(server):
    t = "token=" + token(server, clientType="NONE")
    for method in ("GET", "get", "HEAD"):
        a = ask(server, "POST", f"{ACCOUNT}?_method={method}&{t}", b"{}")
        assert a.status == 200 and a.json["name"] == "mei", a
    for method in ("DELETE", "put", "POST", "PATCH", "nonsense"):
        assert ask(server, "POST", f"{ACCOUNT}?_method={method}&{t}").status == 405, method
    assert ask(server, "GET", f"{ACCOUNT}?_method=DELETE&{t}").status == 200       # ignored: a GET must not write


def test_languages(server):
    zh = ask(server, "GET", ACCOUNT, Accept_Language="zh-CN").json["error"]["errorMsg"]
    en = ask(server, "GET", ACCOUNT, Accept_Language="de").json["error"]["errorMsg"]
    assert re.search("[一-鿿]", zh) and en == "Please log in first.", (zh, en)


def test_read_only_tokens_do_not_write(server):
    ro = server.slipway("key", "add", "mei", "--read-only").split()[-1]
    a = ask(server, "POST", f"{ACCOUNT}?token={ro}&_method=GET")
    assert a.status == 200, a


if __name__ == "__main__":
    main(__import__(__name__))
