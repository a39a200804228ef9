"""Goal: the upload libraries of browsers, as published, in a real browser, end with the very bytes that were chosen; across
reloads, lost answers and refusals, from our own origin and from another (transports.md 6, 10: 50-57)."""
import http.client
import http.server
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("http", "browser"):
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), folder))
import browser  # noqa: E402
import harness  # noqa: E402
import npm  # noqa: E402

MIB = 1 << 20
NAME = "数据 a.csv"
SCRIPTS = {
    "resumable": ["resumablejs/resumable.js"],
    "flow": ["@flowjs/flow.js/dist/flow.js"],
    "simple": ["simple-uploader.js/dist/uploader.js"],
    "dropzone": ["dropzone/dist/dropzone-min.js"],
    "filepond": ["filepond/dist/filepond.js"],
    "plupload": ["plupload/js/moxie.js", "plupload/js/plupload.dev.js"],
    "fine": ["fine-uploader/fine-uploader/fine-uploader.core.js"],
    "webuploader": ["jquery/dist/jquery.js", "webuploader/dist/webuploader.html5only.js"],
    "blueimp": ["jquery/dist/jquery.js", "blueimp-file-upload/js/vendor/jquery.ui.widget.js", "blueimp-file-upload/js/jquery.fileupload.js"],
    "uppy": ["uppy-xhr.js"],
}


def content(size, seed):
    return random.Random(seed).randbytes(size)


def bundle(modules):
    """Uppy comes as modules: one script of them, made beside the packages."""
    out = os.path.join(modules, "uppy-xhr.js")
    if not os.path.exists(out):
        entry = os.path.join(modules, "uppy-xhr.entry.js")
        with open(entry, "w") as f:
            f.write('export { default as Uppy } from "@uppy/core";\nexport { default as XHRUpload } from "@uppy/xhr-upload";\n')
        subprocess.run([os.path.join(modules, ".bin", "esbuild"), entry, "--bundle", "--format=iife", "--global-name=UppyXhr", f"--outfile={out}.new",
                        "--log-level=error"], check=True, timeout=120)
        os.replace(out + ".new", out)


class Pages(http.server.ThreadingHTTPServer):
    """Pages with one library each; anything below /chunks and /files goes to Slipway, past what a test does to it."""
    daemon_threads = True

    def __init__(self, port, slipway, modules):
        super().__init__(("127.0.0.1", port), Handler)
        self.slipway, self.modules = slipway, modules
        self.forget()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def forget(self):
        self.log = []              # (method, path, status) of what went to Slipway
        self.hold_after = None     # POSTs beyond this many wait until their client is gone
        self.lose_answer = False   # the first answer that says "complete" is lost
        self.cut_patches = ()      # PATCHes of these numbers come half, and have no answer
        self.patches = 0
        self.posts = 0

    def handle_error(self, request, client_address):
        pass      # browsers go away in the middle of things: that is the test


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def page(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/page":
            scripts = "".join(f'<script src="/lib/{s}"></script>' for s in SCRIPTS[query["library"]])
            body = f'<!doctype html><meta charset="utf-8"><title>{query["library"]}</title><body>{scripts}<script src="/drive.js"></script>'
            return self.answer(200, "text/html; charset=utf-8", body.encode())
        if url.path == "/bytes":
            return self.answer(200, "application/octet-stream", content(int(query["size"]), int(query["seed"])))
        path = os.path.join(HERE, "libraries.js") if url.path == "/drive.js" else \
            os.path.join(self.server.modules, os.path.normpath(urllib.parse.unquote(url.path[5:])).lstrip("/"))
        if not os.path.isfile(path):
            return self.answer(404, "text/plain", b"")
        with open(path, "rb") as f:
            return self.answer(200, "text/javascript; charset=utf-8", f.read())

    def wait_for_client(self):
        """Until the browser has given the request up."""
        self.connection.settimeout(0.1)
        for _ in range(300):
            try:
                if self.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.close_connection = True

    def forward(self):
        s = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:
            if self.command == "POST":
                s.posts += 1
            if self.command == "PATCH":
                s.patches += 1
            cut = self.command == "PATCH" and s.patches in s.cut_patches
            held = self.command == "POST" and s.hold_after is not None and s.posts > s.hold_after
        if held:
            return self.wait_for_client()
        if cut:
            with socket.create_connection(("127.0.0.1", s.slipway.port)) as half:
                lines = [f"{self.command} {self.path} HTTP/1.1"] + [f"{k}: {v}" for k, v in self.headers.items() if k.lower() != "origin"]
                half.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body[:len(body) // 2])
                half.shutdown(socket.SHUT_WR)
                half.recv(1000)
            self.close_connection = True
            return None
        c = http.client.HTTPConnection("127.0.0.1", s.slipway.port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "host", "origin", "referer")}
        c.request(self.command, self.path, body=body, headers=headers)
        r = c.getresponse()
        data = r.read()
        with self.lock:
            s.log.append((self.command, self.path, r.status))
            lose = s.lose_answer and b'"complete":true' in data
            if lose:
                s.lose_answer = False
        if lose:
            self.close_connection = True
            return None
        self.send_response(r.status)
        for k, v in r.getheaders():
            if k.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(k, v)
        if r.status != 204:
            self.send_header("Content-Length", str(len(data)) if self.command != "HEAD" else r.getheader("Content-Length", "0"))
        self.end_headers()
        self.wfile.write(data)
        c.close()
        return None

    def any(self):
        if self.path.startswith(("/chunks", "/files")):
            return self.forward()
        return self.page()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = any


class Libraries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        modules = npm.modules()
        bundle(modules)
        port = harness.free_port()
        cls.elsewhere = f"http://127.0.0.1:{port}"
        cls.server = harness.Server(f"quota = 60M\n[cors]\norigins = {cls.elsewhere}")
        cls.pages = Pages(port, cls.server, modules)
        cls.chrome = browser.Browser(cls.server)
        cls.chrome.d.set_script_timeout(60)

    @classmethod
    def tearDownClass(cls):
        cls.chrome.d.quit()
        cls.pages.shutdown()
        cls.pages.server_close()
        cls.server.close()

    def setUp(self):
        self.pages.forget()

    # ---- in the browser

    def open(self, library):
        self.chrome.d.get(f"{self.elsewhere}/page?library={library}")

    def how(self, library, size, seed=1, name=NAME, chunk=MIB, direct=False, url="/chunks", user="mei", **options):
        base = f"http://127.0.0.1:{self.server.port}" if direct else self.elsewhere
        return {"library": library, "url": base + url, "token": self.server.tokens[user], "chunk": chunk, "size": size, "seed": seed, "name": name,
                "options": options}

    def start(self, how):
        self.chrome.d.execute_script("window.result = null; upload(arguments[0]).then(m => { window.result = {ok: m}; }, "
                                     "e => { window.result = {error: String(e)}; })", how)

    def end(self, seconds=40):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            result = self.chrome.d.execute_script("return window.result")
            if result is not None:
                return result
            time.sleep(0.05)
        raise AssertionError(f"not finished: {self.pages.log[-20:]} {self.server.log()[-1500:]}")

    def upload(self, library, size, **kw):
        """On a fresh page; the id."""
        self.open(library)
        how = self.how(library, size, **kw)
        self.start(how)
        result = self.end()
        self.assertIn("ok", result, (library, result, self.pages.log))
        return self.stored(json.loads(result["ok"])["id"], how)

    def stored(self, ident, how):
        with open(os.path.join(self.server.data, "uploads", ident[:2], ident, "data"), "rb") as f:
            self.assertEqual(f.read(), content(how["size"], how["seed"]), how)
        s = self.server.get(f"/files/{ident}", accept="application/json").json
        self.assertEqual((s["name"], s["state"], s["size"]), (how["name"], "complete", how["size"]), how)
        return ident

    def count(self):
        rows = [json.loads(l) for l in self.server.slipway("dump").splitlines()]
        return sum(r["table"] == "uploads" and r["value"].get("state") != "expired" for r in rows)

    def clear(self):
        """The quota is for this test file's files one after the other."""
        rows = [json.loads(l) for l in self.server.slipway("dump").splitlines()]
        for r in rows:
            if r["table"] == "uploads" and r["value"].get("state") != "expired":
                self.server.request("DELETE", "/files/" + r["value"]["id"])

    # ---- 50, 51

    def every(self, size, direct, seed):
        before = self.count()
        for library in SCRIPTS:
            with self.subTest(library=library, size=size, direct=direct):
                self.upload(library, size, direct=direct, seed=seed)
        self.assertEqual(self.count(), before + len(SCRIPTS))
        for library, options in (("plupload", {"multipart": False}), ("plupload", {"send_chunk_number": False}), ("webuploader", {"sendAsBinary": True}),
                                 ("blueimp", {"multipart": False}), ("resumable", {"method": "octet"}), ("flow", {"method": "octet"}),
                                 ("simple", {"method": "octet"}), ("fine", {"request": {"forceMultipart": False, "paramsInBody": False}}),
                                 ("fine", {"chunking": {"concurrent": {"enabled": True}}}), ("dropzone", {"parallelChunkUploads": True}),
                                 ("resumable", {"forceChunkSize": True, "testChunks": False})):
            with self.subTest(library=library, size=size, direct=direct, options=options):
                self.upload(library, size, direct=direct, seed=seed, **options)
        self.clear()

    def test_every_library(self):
        self.every(2_500_000, False, 1)

    def test_every_library_from_elsewhere_with_two_chunks_exactly(self):
        self.every(2 * MIB, True, 2)

    def test_small_files_and_named_addresses(self):
        names = {"blueimp": "contentrange", "uppy": "form"}
        for library in SCRIPTS:
            with self.subTest(library=library):
                self.upload(library, 1000, url="/chunks/" + names.get(library, library), seed=3)
        self.clear()

    # ---- 52

    def test_reload_in_the_middle(self):
        for library in ("resumable", "flow", "simple"):
            with self.subTest(library=library):
                self.pages.forget()
                self.open(library)
                how = self.how(library, 2_500_000, chunk=256 * 1024, seed=4)
                self.pages.hold_after = 5
                self.start(how)
                end = time.monotonic() + 20
                while self.pages.posts < 6 or len([l for l in self.pages.log if l[0] == "POST"]) < 5:
                    self.assertLess(time.monotonic(), end, self.pages.log)
                    time.sleep(0.05)
                before = self.count()
                self.open(library)
                self.pages.forget()
                self.start(how)
                result = self.end()
                self.assertIn("ok", result)
                posts = [l for l in self.pages.log if l[0] == "POST"]
                self.assertEqual(len(posts), 9 - 5, self.pages.log)
                self.assertEqual(self.count(), before)
                self.assertIn(200, [l[2] for l in self.pages.log if l[0] == "GET"])
                # Chunks that the test found stored have no answer of their own: the last one's may be any.
                ident = json.loads(result["ok"])["id"]
                self.stored(ident, how)
        self.clear()

    # ---- 53, 54

    def test_two_names_of_one_size_at_once(self):
        for library in ("resumable", "flow", "simple"):
            with self.subTest(library=library):
                self.open(library)
                one, two = [self.how(library, 700_000, chunk=256 * 1024, seed=s, name=n) for s, n in ((5, "甲.csv"), (6, "乙.csv"))]
                self.chrome.d.execute_script("window.result = null; Promise.all([upload(arguments[0]), upload(arguments[1])])"
                                             ".then(m => { window.result = {ok: m}; }, e => { window.result = {error: String(e)}; })", one, two)
                result = self.end()
                self.assertIn("ok", result)
                self.assertNotEqual(*[self.stored(json.loads(m)["id"], h) for m, h in zip(result["ok"], (one, two))])
        self.clear()

    def test_the_file_was_edited(self):
        for library in SCRIPTS:
            with self.subTest(library=library):
                one = self.upload(library, 700_000, chunk=256 * 1024, seed=7)
                if library == "webuploader":      # tells files apart by the second they were changed
                    self.server.request("DELETE", f"/files/{one}")
                self.assertNotEqual(one, self.upload(library, 700_000, chunk=256 * 1024, seed=8))
        self.clear()

    # ---- 56, 57

    def test_the_last_answer_is_lost(self):
        # One piece at a time, so that the last to come is the last of the file.
        single = {"simultaneousUploads": 1}
        for library, options in (("resumable", single), ("flow", single), ("simple", single), ("dropzone", {}), ("plupload", {}), ("fine", {}),
                                 ("webuploader", {"threads": 1})):
            with self.subTest(library=library):
                self.pages.forget()
                self.pages.lose_answer = True
                before = self.count()
                self.upload(library, 700_000, chunk=256 * 1024, seed=9, **options)
                self.assertFalse(self.pages.lose_answer, "nothing was lost")
                self.assertEqual(self.count(), before + 1)
        self.clear()

    def test_over_the_quota_they_give_up(self):
        filler = self.server.request("PUT", "/chunks/filler", body=bytes(59 * MIB)).json["id"]
        for library in ("resumable", "fine", "flow", "dropzone", "filepond"):
            with self.subTest(library=library):
                self.pages.forget()
                self.open(library)
                self.start(self.how(library, 2_500_000, chunk=256 * 1024))
                result = self.end(20)
                self.assertIn("error", result)
                time.sleep(0.5)
                sent = [l for l in self.pages.log if l[0] == "POST"]
                self.assertTrue(sent and all(400 <= l[2] < 500 for l in sent), sent)
                if library == "resumable":
                    self.assertEqual({l[2] for l in sent}, {400})
                if library == "fine":
                    self.assertEqual(len(sent), 1, sent)
                if library == "dropzone":
                    self.assertIn("room", result["error"])      # our sentence, from "error"
        self.server.request("DELETE", f"/files/{filler}")
        self.clear()

    def test_filepond_goes_on(self):
        """It asks how far it got and skips all pieces that begin before that: one that was cut must not count."""
        self.pages.cut_patches = range(2, 100)      # browsers repeat by themselves, too
        self.open("filepond")
        how = self.how("filepond", 700_000, chunk=256 * 1024, seed=10, chunkRetryDelays=[10])
        self.start(how)
        self.assertIn("error", self.end())
        self.pages.cut_patches = ()
        self.chrome.d.execute_script("window.result = null; pond.processFile().then(f => { window.result = {ok: f.serverId}; }, "
                                     "e => { window.result = {error: String(e)}; })")
        result = self.end()
        self.assertIn("ok", result)
        self.assertIn("HEAD", [l[0] for l in self.pages.log])
        self.stored(result["ok"], how)

    # ---- taking back

    def test_taken_back(self):
        ident = self.upload("fine", 700_000, chunk=256 * 1024)
        self.chrome.d.execute_script("fine.deleteFile(0)")
        self.chrome.wait(lambda: self.chrome.d.execute_script("return window.deleted"), 10)
        self.assertEqual(self.server.get(f"/files/{ident}").status, 410)
        ident = self.upload("filepond", 700_000, chunk=256 * 1024)
        self.chrome.d.execute_script("pond.removeFile({revert: true})")
        self.chrome.wait(lambda: self.server.get(f"/files/{ident}").status == 410, 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
