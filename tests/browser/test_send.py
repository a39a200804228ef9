#!/usr/bin/python3
"""Goal: the upload page sends files by tus: several at once and folders with their paths; without tus or without scripts
the plain form does the work; mounted anywhere, both languages, by keyboard, read aloud sensibly, nothing for an
accessibility checker to find."""
import http.server
import json
import os
import subprocess
import sys
import threading

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Browser, harness
from sending import (BIG, LARGE, MIB, SHAPE, TABLES, at, configured, finish, received, requests, sent_mb, session_files, slow, start,
                     write, main)


def test_several_files_go_side_by_side(server):
    since = len(server.log())
    with start(server) as b:
        b.drop(*TABLES[:3])
        b.choose(TABLES[3])
        b.wait(lambda: len(b.all("#chosen li")) == 4)
        b.choose(TABLES[3])      # chosen twice: one file
        assert len(b.all("#chosen li")) == 4
        b.check("send-chosen-en")
        b.click("#send")
        finish(b)
        assert [n for n, _ in session_files(server, b)] == [f"table {i}.csv" for i in range(4)]
        assert b.d.execute_script("return Object.keys(localStorage).length") == 0, "nothing is unfinished"
    made = [r for r in requests(server, since) if r[0] == "POST"]
    assert len(made) == 4, requests(server, since)


def test_a_folder_keeps_its_paths(server):
    with start(server, lang="zh") as b:
        b.one("#folder-input").send_keys(at("道路"))
        b.wait(lambda: len(b.all("#chosen li")) == len(SHAPE))
        assert "道路/道路.shp" in b.text("#chosen")
        b.check("send-folder-zh")
        b.click("#send")
        finish(b)
        assert "道路" in b.text("h2")
        assert {n for n, _ in session_files(server, b)} == {"道路/道路" + e for e in (".shp", ".shx", ".dbf")}


def test_a_dropped_folder_is_walked_through(server):
    with start(server) as b:
        b.d.execute_script("""
            const file = (path, text) => ({isFile: true, fullPath: path,
                file: (ok) => ok(new File([text], path.split("/").pop(), {lastModified: 1e12}))});
            const folder = (path, parts) => ({isFile: false, fullPath: path, createReader: () => {
                const left = [parts.slice(0, 1), parts.slice(1), []];
                return {readEntries: (ok) => ok(left.shift())};
            }});
            const text = "id,lat,lon\\n1,2,3\\n";
            const top = folder("/数据", [file("/数据/甲.csv", text), folder("/数据/更多", [file("/数据/更多/甲.csv", text),
                file("/数据/更多/.DS_Store", "x")]), file("/数据/乙.csv", text)]);
            const e = new Event("drop", {bubbles: true, cancelable: true});
            e.dataTransfer = {types: ["Files"], files: [], items: [{webkitGetAsEntry: () => top}]};
            document.getElementById("drop").dispatchEvent(e);
        """)
        b.wait(lambda: len(b.all("#chosen li")) == 3)
        b.click("#send")
        finish(b)
        assert [n for n, _ in session_files(server, b)] == ["数据/乙.csv", "数据/更多/甲.csv", "数据/甲.csv"], session_files(server, b)


def test_a_refused_file_is_told_and_the_rest_stays(server):
    path = write(at("tool.exe"), b"MZ" + bytes(3000))
    with start(server) as b:
        since = len(server.log())
        b.choose(path)
        b.click("#send")
        b.wait(lambda: "tool.exe" in b.text("#upload-errors"))
        sent = received(server, since)
        b.choose(TABLES[1])
        b.click("#chosen li button")
        b.wait(lambda: len(b.all("#chosen li")) == 1)
        b.click("#send")
        finish(b)
        assert sent >= 3002 and received(server, since) == sent + os.path.getsize(TABLES[1])


def test_too_much_is_told_before_it_is_sent(server):
    with configured(server, "[wizard]\nmax_session_bytes = 1000000"):
        since = len(server.log())
        with start(server) as b:
            b.choose(LARGE)
            b.click("#send")
            b.wait(lambda: "more than can be uploaded" in b.text("#upload-errors"))
        assert requests(server, since) == []


def test_what_another_program_sent_is_imported(server):
    def sent():
        body, kind = harness.multipart([], [("file", "甲.csv", b"id,lat,lon\n1,2,3\n2,3,4\n")])
        cookies = "; ".join(f"{c['name']}={c['value']}" for c in b.d.get_cookies())
        token = b.d.get_cookie("csrftoken")["value"]
        a = server.request("POST", "/upload/new/", body, {"Cookie": cookies, "Content-Type": kind, "X-CSRFToken": token}, user=None)
        assert a.status == 200, a
        return a.json[0]["url"]
    for script in (True, False):
        with start(server, script=script) as b:
            b.go(sent())
            assert "甲.csv" in b.text("#chosen" if script else "#there")
            b.check("send-there" + ("" if script else "-plain"))
            b.click("#send")
            finish(b)
            assert [n for n, _ in session_files(server, b)] == ["甲.csv"]
    with start(server) as b:
        url = sent()
        b.go(url)
        b.click("#chosen li button")      # off the list, not off the server
        b.wait(lambda: not b.all("#chosen li"))
        b.go(url)
        assert "甲.csv" in b.text("#chosen")


def test_an_anonymous_visitor_sends_several(server):
    with configured(server, "[site]\nanonymous_uploads = on"), Browser(server) as b:
        b.go("/upload/")
        b.choose(*TABLES)
        b.click("#send")
        finish(b)
        assert all(f"table {i}.csv" in b.text("h2.about") for i in range(4)), b.text("h2.about")


class Mount(http.server.BaseHTTPRequestHandler):
    """The front as a plain CGI program below /some/where/slipway.fcgi."""
    name, server_under_test = "/some/where/slipway.fcgi", None
    protocol_version = "HTTP/1.1"

    def answer(self):
        path, _, query = self.path.partition("?")
        if not path.startswith(self.name):
            self.send_error(404)
            return
        length = int(self.headers.get("Content-Length") or 0)
        env = {"PATH": "/usr/bin:/bin", "SLIPWAY_CONF": self.server_under_test.conf, "SLIPWAY_DATA_DIR": self.server_under_test.data,
               "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": self.command, "SCRIPT_NAME": self.name,
               "PATH_INFO": path[len(self.name):], "QUERY_STRING": query, "REQUEST_URI": self.path, "REMOTE_ADDR": "127.0.0.1",
               "SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(self.server.server_port), "CONTENT_LENGTH": str(length),
               "CONTENT_TYPE": self.headers.get("Content-Type") or ""}
        env.update({"HTTP_" + k.upper().replace("-", "_"): v for k, v in self.headers.items()})
        body = self.rfile.read(length)
        st = os.stat(self.server_under_test.data)
        who = {"user": st.st_uid, "group": st.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run([f"{harness.BUILD}/slipway.fcgi"], env=env, input=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=60, cwd="/", **who)
        head, _, out = done.stdout.partition(b"\r\n\r\n")
        pairs = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")]
        status = [v for k, v in pairs if k == "Status"] or ["200"]
        self.send_response(int(status[0].split()[0]))
        for k, v in pairs:
            if k not in ("Status", "Content-Length"):
                self.send_header(k, v)
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(out)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        pass


def test_as_a_cgi_program_below_a_mount(server):
    Mount.server_under_test = server
    below = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mount)
    threading.Thread(target=below.serve_forever, daemon=True).start()
    try:
        with Browser(server) as b:
            b.base = f"http://127.0.0.1:{below.server_port}{Mount.name}"
            b.login()
            b.go("/upload/")
            b.choose(LARGE, TABLES[0])
            b.click("#send")
            finish(b)
            assert session_files(server, b) == [("large.csv", BIG), ("table 0.csv", os.path.getsize(TABLES[0]))]
            left = b.d.execute_script("return performance.getEntriesByType('resource').map(r => r.name)")
            assert all(name.startswith(b.base) for name in left), left
    finally:
        below.shutdown()


def test_where_tus_is_refused_the_form_sends_the_files(server):
    with start(server) as b:
        b.d.execute_script("document.getElementById('upload').dataset.tus = '/nowhere/'")
        b.choose(*TABLES[:2])
        b.click("#send")
        finish(b)
        assert [n for n, _ in session_files(server, b)] == ["table 0.csv", "table 1.csv"]


def test_without_scripts_the_form_is_as_ever(server):
    since = len(server.log())
    with start(server, script=False) as b:
        b.choose(*TABLES[:2])
        b.click("#send")
        finish(b)
        assert not requests(server, since)


def test_something_on_the_way_knows_no_patch(server):
    with start(server) as b:
        b.d.execute_script("""
            const open = XMLHttpRequest.prototype.open;
            window.used = {};
            XMLHttpRequest.prototype.open = function (method, url) {
                const sent = method === "PATCH" ? "PROPFIND" : method;
                window.used[sent] = (window.used[sent] || 0) + 1;
                return open.call(this, sent, url);
            };
            window.addEventListener("pagehide", () => sessionStorage.setItem("used", JSON.stringify(window.used)));
        """)
        b.choose(LARGE)
        b.click("#send")
        finish(b)
        assert session_files(server, b) == [("large.csv", BIG)]
        used = json.loads(b.d.execute_script("return sessionStorage.getItem('used')"))
        assert used["PROPFIND"] == 1 and used["POST"] >= 1 + BIG // (8 * MIB), used


def test_what_is_said_is_said_sparingly(server):
    with start(server) as b:
        b.d.execute_script("""
            window.heard = [];
            const said = document.getElementById("transfer-said");
            new MutationObserver(() => window.heard.push(said.textContent)).observe(said, {childList: true, characterData: true, subtree: true});
        """)
        assert b.one("#transfer-said").get_attribute("role") == "status"
        slow(b, 8 * MIB)
        b.choose(LARGE)
        b.one("#send").send_keys(Keys.ENTER)
        b.wait(lambda: sent_mb(b) > 25)
        heard = b.d.execute_script("return window.heard")
        assert 3 <= len(heard) <= 12 and heard[0] == "0 % sent", heard
        assert all(p.get_attribute("aria-label") for p in b.all("#chosen progress"))
        slow(b, 0)
        finish(b)


if __name__ == "__main__":
    main(sys.modules["__main__"])
