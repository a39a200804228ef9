"""Goal: `slipway check --url` tells of each web server what it does with requests, with the right verdicts also where it is set
up wrong, names the setting to change, and leaves nothing behind (front-ends.md 5, cases 2, 6, 7, 12, 13)."""
import glob
import json
import os
import re
import shutil
import subprocess

from harness import BUILD, TOP, Server, main, nothing_left

STREAMED = ("Streaming", "A connection that breaks")
ALWAYS = ("Locks and shared memory", "File system of the data directory", "Free space", "Starting programs", "Reading geodata",
          "Mount and path", "Clock", "A body of 128 KiB", "Method PUT", "Method PATCH", "Method DELETE", "Method HEAD",
          "A header of 4 kB", "The data directory from outside", "A process that outlives its request")


def check(server, *more, stdin="", url=None, lang="C"):
    """Exit status, {title: (verdict, what it says)}, and all that was said."""
    url = url or f"http://127.0.0.1:{server.port}{server.mount}/"
    done = subprocess.run([f"{BUILD}/slipway", "check", "--url", url, *more, "--data-dir", server.data, "--config", server.conf],
                          input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200, env={**os.environ, "LANG": lang})
    text = done.stdout.decode()
    lines = {title: (verdict, said) for verdict, title, said in re.findall(r"^(ok|warn|fail) +(.*?): (.*)$", text, re.M)}
    failed = [t for t, (verdict, _) in lines.items() if verdict == "fail"]
    assert not lines or text.endswith(f"\n{len(failed)} failed\n") and (done.returncode == 0) == (not failed), text
    return done.returncode, lines, text + done.stderr.decode()


def right(lines, *titles):
    for title in titles:
        assert lines[title][0] == "ok", (title, lines[title])


def has(program, *modules):
    return shutil.which(program) and all(os.path.exists(f"/usr/lib/apache2/modules/{m}.so") for m in modules)


def elsewhere(web, *needs, changes=None, config="", mount=""):
    """A server of its own behind WEB; None where it is not installed."""
    return Server(config, 2, web=web, mount=mount, changes=changes) if has(*needs) else None


def test_lighttpd_does_all(server):
    before, keys = server.traces(), server.slipway("key", "list", "admin")
    status, lines, text = check(server)
    assert status == 0, text
    right(lines, *ALWAYS, *STREAMED, "A body of 64 MiB", "A body without a length", "A header of 16 kB", "The Authorization header",
          "An answer before the body was read")
    assert lines["Encryption"][0] == "warn" and "site.public_url" in lines["Encryption"][1], lines
    assert "Interim answers (104)" not in lines and "Files sent by the web server" not in lines, lines
    nothing_left(server, before)
    assert server.slipway("key", "list", "admin") == keys
    assert glob.glob(server.data + "/**/self-test*", recursive=True) == []


def test_words_in_chinese_and_a_given_token(server):
    before = server.slipway("key", "list", "admin")
    status, lines, text = check(server, "--token-stdin", stdin=server.tokens["admin"] + "\n", lang="zh_CN.UTF-8")
    assert status == 0 and lines["流式传输"][0] == "ok" and "锁与共享内存" in lines, text
    assert server.slipway("key", "list", "admin") == before
    for given, sentence in ((server.tokens["mei"], "administrator's is needed"), ("0" * 40, "administrator's is needed"), ("", "no token")):
        status, lines, text = check(server, "--token-stdin", stdin=given + "\n")
        assert status == 1 and lines == {} and sentence in text, text
        assert given == "" or given not in text, text


def test_nobody_there_or_somebody_else(server):
    for url, sentence in (("http://127.0.0.1:1/", "Couldn't connect"), (f"http://127.0.0.1:{server.port}/elsewhere/", "404"),
                          ("http://no.such.host.invalid/", "resolve")):
        status, lines, text = check(server, url=url)
        assert status == 1 and lines == {} and sentence in text, (url, text)
    for url in ("ftp://127.0.0.1/", "127.0.0.1", "file:///etc/passwd"):
        status, lines, text = check(server, url=url)
        assert status == 2 and "usage:" in text, (url, text)


def test_only_administrators_may_ask(server):
    for user, status in ((None, 401), ("mei", 403)):
        for method, path in (("GET", "/admin/self-test"), ("POST", "/admin/self-test"), ("GET", "/admin/self-test/echo"),
                             ("PUT", "/admin/self-test/echo")):
            a = server.request(method, path, user=user, headers={"Accept": "application/json"}, body=b"" if method != "GET" else None)
            assert a.status == status, (user, method, path, a)
    a = server.post("/admin/self-test", {"do": "probe_end", "word": "../../secret"}, accept="application/json", user="admin")
    assert a.status == 400 and os.path.exists(server.data + "/secret"), a
    a = server.post("/admin/self-test", {"do": "nonsense"}, accept="application/json", user="admin")
    assert a.status == 400 and a.json["code"] == "bad_choice", a
    a = server.get("/admin/self-test/echo?file=../../secret", user="admin")
    assert a.status == 404, a


def test_a_page_asks_by_itself(server):
    a = server.get("/admin/self-test", accept="text/html", user="admin")
    assert a.status == 200 and "Seen from inside" in a.text and "slipway check --url" in a.text, a
    assert re.search(r'<script src="[^"]*/static/selftest.js" defer></script>', a.text)
    words = json.loads(re.search(r'<script type="application/json" id="probe-words">(.*?)</script>', a.text, re.S)[1])
    with open(f"{TOP}/static/selftest.js") as f:
        script = f.read()
    known = {w["id"]: w for w in words}
    assert len(known) > 15
    for probe in re.findall(r'(?:line\(|\[)"([a-z_0-9]+)",', script):
        assert probe in known, probe
        assert "ok" in known[probe] and ("warn" in known[probe] or "fail" in known[probe]), known[probe]


def test_what_an_early_test_left_is_removed(server):
    a = server.post("/admin/self-test", {"do": "probe_begin"}, accept="application/json", user="admin")
    old = glob.glob(server.data + "/self-test-*") + glob.glob(server.data + "/datasets/self-test-*")
    assert len(old) == 2 and a.json["word"] in old[0], (a, old)
    for path in old:
        os.utime(path, (1, 1))
    b = server.post("/admin/self-test", {"do": "probe_begin"}, accept="application/json", user="admin")
    assert not any(os.path.exists(p) for p in old)
    server.post("/admin/self-test", {"do": "probe_end", "word": b.json["word"]}, accept="application/json", user="admin")
    assert glob.glob(server.data + "/**/self-test*", recursive=True) == []


def test_lighttpd_hands_on_interim_answers_and_sends_files(server):
    other = elsewhere("lighttpd", "lighttpd", config="[server]\ninterim = yes\nsendfile = x-sendfile")
    try:
        status, lines, text = check(other)
        right(lines, "Interim answers (104)", "Files sent by the web server")
        assert status == 0, text
    finally:
        other.close()
    # nginx knows nothing of X-Sendfile: what it sends is empty.
    other = elsewhere("nginx", "nginx", config="[server]\nsendfile = x-sendfile")
    if other is None:
        return
    try:
        status, lines, text = check(other)
        verdict, said = lines["Files sent by the web server"]
        assert status == 1 and verdict == "fail" and "server.sendfile = none" in said, text
    finally:
        other.close()


def right_behind(web, needs, mount, long_headers=True):
    other = elsewhere(web, *needs, mount=mount)
    if other is None:
        return
    try:
        before = other.traces()
        status, lines, text = check(other)
        assert status == 0, text
        right(lines, *ALWAYS, *STREAMED, "A body of 64 MiB", "The Authorization header")
        assert lines["A header of 16 kB"][0] == ("ok" if long_headers else "warn"), text
        nothing_left(other, before)
        assert glob.glob(other.data + "/**/self-test*", recursive=True) == []
    finally:
        other.close()


def test_nginx(server):
    right_behind("nginx", ("nginx",), "")


def test_nginx_below_a_mount(server):
    right_behind("nginx", ("nginx",), "/gis")


def test_apache(server):
    right_behind("apache", ("apache2", "mod_proxy_fcgi"), "/gis")


def test_plain_cgi(server):
    right_behind("cgi", ("apache2", "mod_cgid"), "/gis", long_headers=False)      # .htaccess cannot raise that limit


def test_nginx_with_a_limit_and_buffering(server):
    other = elsewhere("nginx", "nginx", changes={"nginx/slipway.conf": [("client_max_body_size 0;", "client_max_body_size 128k;"),
                                                                        ("fastcgi_request_buffering off;", "fastcgi_request_buffering on;")]})
    if other is None:
        return
    try:
        status, lines, text = check(other)
        assert status == 1 and lines["A body of 128 KiB"][0] == "ok", text
        verdict, said = lines["A body of 1 MiB"]
        assert verdict == "fail" and "413" in said and "client_max_body_size 0" in said, said
        assert "A body of 8 MiB" not in lines, text      # it would be refused as well
        for title in STREAMED:
            assert lines[title][0] != "ok" and "fastcgi_request_buffering off" in lines["Streaming"][1], lines[title]
    finally:
        other.close()


def test_apache_that_drops_authorization_and_limits_headers(server):
    other = elsewhere("apache", "apache2", "mod_proxy_fcgi", changes={"apache/slipway.conf": [
        ("\tCGIPassAuth On\n", ""), ("LimitRequestFieldSize 16000", "LimitRequestFieldSize 8190")]})
    if other is None:
        return
    try:
        status, lines, text = check(other)
        verdict, said = lines["The Authorization header"]
        assert verdict == "warn" and "CGIPassAuth On" in said and "X-Slipway-Key" in said, text
        right(lines, "A header of 4 kB", "A header of 8 kB", "A body of 128 KiB")
        verdict, said = lines["A header of 16 kB"]
        assert verdict == "warn" and "400" in said and "LimitRequestFieldSize 16000" in said, said
        assert status == 0, text
    finally:
        other.close()


def test_mod_fcgid_as_it_comes(server):
    other = elsewhere("apache-fcgid", "apache2", "mod_fcgid", mount="/gis",
                      changes={"apache/slipway-fcgid.conf": [("FcgidMaxRequestLen 1073741824", "FcgidMaxRequestLen 131072")]})
    if other is None:
        return
    try:
        status, lines, text = check(other)
        verdict, said = lines["A body of 1 MiB"]
        assert status == 1 and verdict == "fail" and "500" in said and "FcgidMaxRequestLen 1073741824" in said, said
        assert lines["A body of 128 KiB"][0] == "ok" and lines["Streaming"][0] == "warn" and "mod_fcgid" in lines["Streaming"][1], text
    finally:
        other.close()


if __name__ == "__main__":
    import test_selftest
    main(test_selftest)
