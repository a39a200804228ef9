"""Goal: the front works as a plain CGI program with environment and standard input alone, mounted anywhere, with every address
carrying the mount, and refuses to start where its data are not safe (style 37; case 43; security.md 9, 12.16)."""
import html
import json
import os
import re
import socket
import subprocess
import time
import urllib.parse

from harness import BUILD, USER, Answer, main, multipart, nothing_left
from made import HTML, geojson, shapefile
from steps import configured

FRONT = f"{BUILD}/slipway.fcgi"
MOUNT = "/cgi-bin/slipway.fcgi"


class Headers(dict):
    def get_all(self, name):
        return [v for k, v in self.pairs if k.lower() == name.lower()]


def owner(server):
    st = os.stat(server.data)
    return {"user": st.st_uid, "group": st.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def start(server, env, body=b"", stdin=None, program=FRONT, words=(), **kw):
    full = {"PATH": "/usr/bin:/bin", "SLIPWAY_CONF": server.conf, "SLIPWAY_DATA_DIR": server.data, **env}
    return subprocess.run([program, *words], env=full, input=None if stdin is not None else body, stdin=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, cwd="/", **{**owner(server), **kw})


def parse(done):
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = Headers()
    headers.pairs = [tuple(line.split(": ", 1)) for line in head.decode("latin-1").split("\r\n")]
    headers.update(headers.pairs)
    status = int(headers.get("Status", "200").split()[0])
    return Answer(status, headers, body)


def variables(server, method, path, body=b"", kind=None, accept="application/json", user="mei", mount=MOUNT, **more):
    path, _, query = path.partition("?")
    env = {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "maps.example", "SERVER_PORT": "80",
           "REQUEST_METHOD": method, "SCRIPT_NAME": mount, "PATH_INFO": urllib.parse.unquote(path), "QUERY_STRING": query,
           "REQUEST_URI": mount + path + ("?" + query if query else ""), "REMOTE_ADDR": "192.0.2.7", "HTTP_HOST": "maps.example"}
    if accept:
        env["HTTP_ACCEPT"] = accept
    if user:
        env["HTTP_AUTHORIZATION"] = "Bearer " + server.tokens[user]
    if method in ("POST", "PUT"):
        env["CONTENT_LENGTH"] = str(len(body))
    if kind:
        env["CONTENT_TYPE"] = kind
    env.update(more)
    return {k: v for k, v in env.items() if v is not None}


def cgi(server, method, path, fields=None, files=(), **more):
    body, kind = b"", None
    if files:
        body, kind = multipart(list((fields or {}).items()), files)
    elif fields is not None:
        body, kind = urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"
    body = more.pop("body", body)
    kind = more.pop("kind", kind)
    return parse(start(server, variables(server, method, path, body, kind, **more), body))


def addresses(answer):
    """Every address in an answer: links, forms, pictures, scripts; members of JSON that begin with a slash; Location."""
    found = [answer.header("Location")] if answer.header("Location") else []
    kind = answer.header("Content-Type") or ""
    if kind.startswith("text/html"):
        found += [html.unescape(v) for v in re.findall(r'\s(?:href|src|action|data-[a-z-]*url)="([^"]*)"', answer.text)]
        found = [v for v in found if not v.startswith(("#", "?", "data:", "https:", "mailto:")) and v]
    elif kind.startswith("application/json"):
        def walk(v):
            for x in (v.values() if isinstance(v, dict) else v if isinstance(v, list) else []):
                walk(x)
            if isinstance(v, str) and re.match(r"^/[a-z]", v):
                found.append(v)
        walk(answer.json)
    return found


def check(where, answer, mount=MOUNT):
    for url in addresses(answer):
        assert url.startswith(mount + "/"), (where, url)
    for cookie in answer.headers.get_all("Set-Cookie") or []:
        assert f"Path={mount}/" in cookie or f"Path={mount};" in cookie + ";" or not mount and "Path=/" in cookie, (where, cookie)
    return answer


def test_environment_and_stdin_alone(server):
    a = cgi(server, "GET", "/healthz", accept=None, user=None)
    assert a.status == 200 and a.body == b"ok\n", a
    a = cgi(server, "GET", "/upload/progress", user=None)
    assert a.status == 200 and a.json == {"state": "NONE"}, a
    a = cgi(server, "HEAD", "/upload/", accept=HTML)
    assert a.status == 200 and a.body == b"", a
    a = cgi(server, "GET", "/nosuch")
    assert a.status == 404 and a.json["code"] == "not_found", a


def test_whole_wizard_under_a_mount(server):
    with open(server.conf) as f:
        before = f.read()
    server.stop()
    try:
        with open(server.conf, "w") as f:
            f.write(before + "[worker]\nworker_idle_s = 2\n")
        check("save page", cgi(server, "GET", "/upload/", accept=HTML))
        a = check("save", cgi(server, "POST", "/upload/", {}, [("files", n, d) for n, d in shapefile("städte", [(1, 2), (3, 4)])]))
        assert a.status == 201 and a.header("Location") == f"{MOUNT}/upload/?id={a.json['id']}", (a, a.headers)
        n = a.json["id"]
        assert a.json["redirect_to"].startswith(f"{MOUNT}/upload/srs?id={n}"), a
        for step in ("srs", "check", "final", "progress", "run"):
            for accept in (HTML, "application/json"):
                check(step, cgi(server, "GET", f"/upload/{step}?id={n}", accept=accept))
        a = check("wrong", cgi(server, "POST", f"/upload/srs?id={n}", {"source": "foo"}))
        assert a.status == 400 and a.json["code"] == "srs_invalid", a
        check("wrong", cgi(server, "POST", f"/upload/srs?id={n}", {"source": "foo"}, accept=HTML))
        a = check("srs", cgi(server, "POST", f"/upload/srs?id={n}", {"source": "EPSG:4326"}, accept=HTML))
        assert a.status == 303, a
        a = check("final", cgi(server, "POST", f"/upload/final?id={n}", {"access": "view"}))
        end = time.monotonic() + 30
        while a.json["status"] == "pending" and time.monotonic() < end:
            a = check("final", cgi(server, "GET", f"/upload/final?id={n}"))
        assert a.json["status"] == "finished" and a.json["url"] == f"{MOUNT}/layers/geonode:st%C3%A4dte", a
        d = a.json["dataset"]["id"]
        for path in ("/", "/upload/", "/datasets/", f"/datasets/{d}", f"/datasets/{d}/delete", "/about", f"/upload/delete/{n}",
                     f"/upload/?id={n}", "/api/v2/uploads/", f"/api/v2/uploads/{n}/?full=true", "/nosuch", "/upload",
                     "/layers/geonode:st%C3%A4dte", f"/upload/progress?id={n}", "/account/password", "/upload/csv?id=999999"):
            for accept in (HTML, "application/json"):
                for user in ("mei", None):
                    check(path, cgi(server, "GET", path, accept=accept, user=user))
        a = cgi(server, "GET", f"/datasets/{d}/download", HTTP_RANGE="bytes=0-15")
        assert a.status == 206 and a.body == b"SQLite format 3\0", a
        a = check("login", cgi(server, "GET", "/login?next=%2Felsewhere", accept=HTML, user=None))
        assert a.status == 200 and a.headers.get_all("Set-Cookie"), a
        login(server)
    finally:
        end = time.monotonic() + 15      # the worker that CGI started ends by itself
        while open_lock(server) and time.monotonic() < end:
            time.sleep(0.2)
        assert not open_lock(server)
        with open(server.conf, "w") as f:
            f.write(before)
        server.start()


def login(server):
    page = cgi(server, "GET", "/login", accept=HTML, user=None)
    token = re.search(r'name="csrfmiddlewaretoken" value="([0-9a-f]{96})"', page.text)[1]
    cookies = [v.partition(";")[0] for v in page.headers.get_all("Set-Cookie")]
    a = check("login", cgi(server, "POST", "/login", {"username": USER[0], "password": USER[1], "csrfmiddlewaretoken": token}, user=None,
                           accept=HTML, HTTP_COOKIE="; ".join(cookies), HTTP_ORIGIN="http://maps.example"))
    assert a.status == 303 and a.header("Location") == f"{MOUNT}/", a.headers.pairs


def open_lock(server):
    """Does a worker hold its lock?  /proc/locks names the file by device and inode."""
    try:
        st = os.stat(os.path.join(server.data, "locks/worker"))
    except FileNotFoundError:
        return False
    with open("/proc/locks") as f:
        return any(f":{st.st_ino} " in line for line in f)


def test_other_mounts(server):
    for mount in ("", "/slipway", "/~mei/cgi-bin/s.cgi", "/a b"):
        quoted = urllib.parse.quote(mount)
        a = cgi(server, "GET", "/upload/", accept=HTML, mount=quoted if " " not in mount else mount)
        check(mount, a, quoted)
        assert a.status == 200, (mount, a)


def test_public_url_makes_incomplete_redirects_absolute(server):
    with configured(server, "[site]\npublic_url = https://maps.example/gis"):
        a = cgi(server, "POST", "/upload/", {}, [("files", n, d) for n, d in shapefile("pub", [(1, 2)])], HTTP_HOST="evil.example")
        assert a.status == 201 and a.json["redirect_to"].startswith("https://maps.example/gis/upload/srs?id="), a
        assert "evil.example" not in a.text and a.json["url"].startswith("/"), a
    a = cgi(server, "POST", "/upload/", {}, [("files", *geojson("h.geojson", [(1, 2)]))], HTTP_HOST="evil.example",
            HTTP_X_FORWARDED_HOST="evil.example")
    assert a.status == 201 and "evil.example" not in a.text, a


def test_bad_requests_by_environment(server):
    before = server.traces()
    form = {"kind": "application/x-www-form-urlencoded"}
    for query in ("q=%zz", "q=%", "q=%u0041", "q=%00", "q=%c0%ae", "q=%ed%a0%80"):
        a = cgi(server, "GET", "/upload/crs?" + query)
        assert a.status == 400 and a.json["code"] in ("bad_body", "bad_text"), (query, a)
    for length, want in (("-1", 400), ("+3", 400), ("0x3", 400), ("18446744073709551619", 400), ("12x", 400), ("3, 3", 400)):
        a = cgi(server, "POST", "/upload/", body=b"a=b", CONTENT_LENGTH=length, **form)
        assert a.status == want, (length, a)
    a = cgi(server, "POST", "/upload/", body=b"a=b", CONTENT_LENGTH="100", **form)      # fewer bytes than announced
    assert a.status == 400 and a.json["code"] == "bad_body", a
    a = cgi(server, "PUT", "/files/x.csv", body=b"a,b\n", CONTENT_LENGTH="100")
    assert a.status == 400, a
    nothing_left(server, before)
    a = cgi(server, "PUT", "/files/x.csv", body=b"a,b\nrest", CONTENT_LENGTH="4")      # what comes after is not read
    assert a.status == 201 and a.json["size"] == 4, a
    for path in ("/upload/../../etc/passwd", "/static/../slipway.conf"):
        a = cgi(server, "GET", path)
        assert a.status in (400, 404), (path, a)
    a = cgi(server, "GET", "/upload/progress", HTTP_PROXY="http://127.0.0.1:1", HTTP_EXPECT="999-x", HTTP_X_HTTP_METHOD_OVERRIDE="DELETE")
    assert a.status == 200, a
    for method in ("A" * 300, "get", "", "G E T"):
        assert cgi(server, method, "/upload/").status in (400, 405, 501), method
    a = cgi(server, "GET", "/upload/progress", body=b"x=1", CONTENT_LENGTH="3")
    assert a.status == 200, a
    a = cgi(server, "POST", "/upload/final?id=1", fields={}, user=None, accept="application/json")
    assert a.status == 401, a


def test_unsafe_places_are_refused(server):
    env = variables(server, "GET", "/healthz", accept=None, user=None)
    if os.geteuid() == 0:
        done = start(server, env, user=0, group=0)
        assert parse(done).status == 503 and b"root" in done.stderr, done
    for root, status in ((server.dir, 503), (server.data, 503), ("/usr/share", 200), (server.data + "x", 200), ("", 200)):
        done = start(server, {**env, "DOCUMENT_ROOT": root})
        assert parse(done).status == status, (root, done)
        assert status == 200 or b"document root" in done.stderr, done
        assert server.data.encode() not in done.stdout, done
    mode = os.stat(server.data).st_mode & 0o777
    for bad in (0o777, 0o770):
        os.chmod(server.data, bad)
        try:
            done = start(server, env)
            assert parse(done).status == 503 and b"writable" in done.stderr, done
            done = subprocess.run([f"{BUILD}/slipway", "dump", "--data-dir", server.data, "--config", server.conf],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert done.returncode == 1 and b"writable" in done.stderr, done
        finally:
            os.chmod(server.data, mode)
    assert parse(start(server, env)).status == 200


def test_words_of_the_address_are_no_options(server):
    """A web server may hand the words of an address without "=" to the program as its arguments (RFC 3875 4.4): they are the
    client's, who must not choose our settings by them, nor give orders to the programs beside."""
    mine = os.path.join(server.dir, "mine")
    os.makedirs(mine, exist_ok=True)
    os.chmod(mine, 0o777)
    conf = os.path.join(mine, "slipway.conf")
    with open(conf, "w") as f:
        f.write(f"[log]\nfile = {mine}/log\n[iserver]\nroot = {mine}\n")
    os.chmod(conf, 0o644)
    path = f"/healthz?--config+{conf}"
    env = variables(server, "GET", path, accept=None, user=None)
    for words in (["--config", conf], ["--config"], ["--help"], ["--data-dir", mine]):
        done = start(server, env, words=words)
        a = parse(done)
        assert (a.status, a.body, done.returncode) == (200, b"ok\n", 0), (words, done)
    assert os.listdir(mine) == ["slipway.conf"], os.listdir(mine)
    for name, *words in (["slipway", "user", "add", "mallory", "--password-stdin", "--admin"], ["slipway", "--version"],
                         ["slipway-worker", "--config", conf, "--once"], ["slipway-geo", "--crs-index", f"{mine}/index"]):
        done = start(server, env, b"a long enough password\n", program=f"{BUILD}/{name}", words=words)
        assert done.returncode == 2 and done.stdout == b"" and b"no program for a web server" in done.stderr, (name, done)
    assert os.listdir(mine) == ["slipway.conf"] and "mallory" not in server.slipway("user", "list")


def test_wrong_arguments_and_settings_are_told(server):
    done = subprocess.run([FRONT, "--bogus"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    assert done.returncode == 2 and b"usage: slipway.fcgi [--config FILE]" in done.stderr and done.stdout == b"", done
    conf = os.path.join(server.dir, "wrong.conf")
    with open(conf, "w") as f:
        f.write("[site]\nread_only = maybe\n")
    os.chmod(conf, 0o644)
    env = variables(server, "GET", "/healthz", accept=None, user=None)
    done = start(server, {**env, "SLIPWAY_CONF": conf})
    assert parse(done).status == 503 and b"wrong.conf:2: [site] read_only" in done.stderr and b"wrong.conf" not in done.stdout, done


def test_socket_open_to_the_network_is_refused(server):
    for host, refused in (("0.0.0.0", True), ("127.0.0.1", False)):
        with socket.socket() as s:
            s.bind((host, 0))
            s.listen(1)
            p = subprocess.Popen([FRONT], env={"SLIPWAY_CONF": server.conf, "SLIPWAY_DATA_DIR": server.data}, stdin=s,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, **owner(server))
            try:
                code = p.wait(1.5 if not refused else 10)
                err = p.stderr.read()
                assert refused and code == 2 and b"open to the network" in err, (host, code, err)
            except subprocess.TimeoutExpired:
                assert not refused, host
                p.terminate()
                assert p.wait(10) == 0
            finally:
                p.stdout.close()
                p.stderr.close()


def test_missing_store_says_sorry(server):
    env = variables(server, "GET", "/", accept=HTML, user=None)
    done = start(server, {**env, "SLIPWAY_DATA_DIR": "/proc/nosuch"})
    a = parse(done)
    assert a.status == 503 and a.headers["Retry-After"] and a.headers["X-Content-Type-Options"] == "nosniff", a
    assert b"/proc" not in done.stdout and b"cannot start" in done.stderr, done


if __name__ == "__main__":
    import test_cgi
    main(test_cgi)
