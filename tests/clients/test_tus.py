"""Goal: tus clients as published end with the very bytes that were sent, whatever way they take; IETF forms of tus-js-client
too (transports.md 10: 19, 20, 21, 30)."""
import http.server
import io
import json
import os
import random
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("http", "browser"):
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), folder))
import browser  # noqa: E402
import harness  # noqa: E402
import npm  # noqa: E402
from transfer import content, head, status  # noqa: E402

MIB = 1 << 20
SIZE = 2_500_000
NAME = "数据 a.csv"
UPPY = """import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
window.upload = ({ endpoint, token, name, relative, bytes, options }) => new Promise((resolve) => {
	const uppy = new Uppy({ autoProceed: false });
	uppy.use(Tus, { endpoint, headers: { Authorization: "Bearer " + token }, retryDelays: null, ...options });
	const data = new Uint8Array(bytes);
	for (let i = 0; i < bytes; i++)
		data[i] = (i * 7 + (i >> 8)) & 255;
	uppy.addFile({ name, type: "text/csv", data: new File([data], name, { type: "text/csv" }), meta: relative ? { relativePath: relative } : {} });
	uppy.upload().then((r) => resolve({ urls: r.successful.map((f) => f.uploadURL), failed: r.failed.map((f) => String(f.error)) }));
});
"""


class Page(http.server.BaseHTTPRequestHandler):
    """One page with one script, on an origin of its own."""
    script = b""

    def log_message(self, *_):
        pass

    def do_GET(self):
        body, kind = (self.script, "text/javascript") if self.path == "/uppy.js" else \
            (b'<!doctype html><meta charset="utf-8"><title>uppy</title><body><script src="/uppy.js"></script>', "text/html")
        self.send_response(200)
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.modules = npm.modules()
        cls.pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=cls.pages.serve_forever, daemon=True).start()
        cls.elsewhere = f"http://127.0.0.1:{cls.pages.server_port}"
        cls.server = harness.Server(f"[cors]\norigins = {cls.elsewhere}\n")
        cls.endpoint = f"http://127.0.0.1:{cls.server.port}/files/"
        cls.data = random.Random(1).randbytes(SIZE)
        cls.file = os.path.join(cls.server.dir, "data.bin")
        with open(cls.file, "wb") as f:
            f.write(cls.data)

    @classmethod
    def tearDownClass(cls):
        cls.pages.shutdown()
        cls.pages.server_close()
        cls.server.close()

    # ---- tus-js-client in Node

    def node(self, options, stop_at=0, terminate=False):
        task = {"endpoint": self.endpoint, "token": self.server.tokens["mei"], "file": self.file, "options": options, "stopAt": stop_at,
                "terminate": terminate}
        done = subprocess.run(["node", os.path.join(HERE, "tus.mjs"), self.modules, json.dumps(task)], stdout=subprocess.PIPE, timeout=60, check=True)
        result = json.loads(done.stdout)
        self.assertNotIn("error", result, (options, result))
        for method, code in result["requests"]:
            self.assertIn(code, (200, 201, 204), result)
        return result

    def path(self, url):
        self.assertRegex(url, r"/files/[0-9a-f]{32}$")
        return "/files/" + url.split("/")[-1]

    def whole(self, url, name=None):
        self.assertEqual(content(self.server, self.path(url)), self.data)
        s = status(self.server, self.path(url))
        self.assertEqual(s["state"], "complete")
        if name is not None:
            self.assertEqual(s["name"], name)

    def test_node_one_patch(self):
        r = self.node({"metadata": {"filename": NAME, "filetype": "text/csv"}})
        self.assertEqual([m for m, _ in r["requests"]], ["POST", "PATCH"])
        self.whole(r["url"], NAME)

    def test_node_chunks(self):
        r = self.node({"chunkSize": MIB, "metadata": {"filename": NAME}})
        self.assertEqual([m for m, _ in r["requests"]], ["POST", "PATCH", "PATCH", "PATCH"])
        self.whole(r["url"], NAME)

    def test_node_length_told_later(self):
        r = self.node({"uploadLengthDeferred": True, "chunkSize": MIB})
        self.whole(r["url"])
        r = self.node({"uploadLengthDeferred": True, "uploadDataDuringCreation": True, "chunkSize": MIB})
        self.whole(r["url"])

    def test_node_data_in_creation(self):
        r = self.node({"uploadDataDuringCreation": True, "metadata": {"filename": NAME}})
        self.assertEqual([m for m, _ in r["requests"]], ["POST"])
        self.whole(r["url"], NAME)
        r = self.node({"uploadDataDuringCreation": True, "chunkSize": MIB})
        self.assertEqual([m for m, _ in r["requests"]], ["POST", "PATCH", "PATCH"])
        self.whole(r["url"])

    def test_node_parallel(self):
        r = self.node({"parallelUploads": 4, "chunkSize": MIB, "metadata": {"filename": NAME}})
        self.assertEqual([m for m, _ in r["requests"]].count("POST"), 5)
        self.whole(r["url"], NAME)

    def test_node_method_override(self):
        r = self.node({"overridePatchMethod": True, "chunkSize": MIB})
        self.assertEqual({m for m, _ in r["requests"]}, {"POST"})
        self.whole(r["url"])

    def test_node_resumes_after_abort(self):
        r = self.node({"chunkSize": MIB // 4}, stop_at=MIB)
        self.assertGreaterEqual(r["stopped"], MIB)
        self.assertIn("HEAD", [m for m, _ in r["requests"]])
        self.whole(r["url"])

    def test_node_terminates(self):
        r = self.node({"chunkSize": MIB // 4}, stop_at=MIB, terminate=True)
        self.assertEqual(head(self.server, self.path(r["url"])).status, 410)
        self.assertIsNone(content(self.server, self.path(r["url"])))

    def test_node_ietf(self):
        for protocol in ("ietf-draft-03", "ietf-draft-05"):
            for options, stop in (({}, 0), ({"chunkSize": MIB}, 0), ({"uploadDataDuringCreation": True}, 0), ({"uploadDataDuringCreation": True, "chunkSize": MIB}, 0),
                                  ({"chunkSize": MIB // 4}, MIB), ({"uploadLengthDeferred": True, "chunkSize": MIB}, 0)):
                with self.subTest(protocol=protocol, options=options, stop=stop):
                    self.whole(self.node({"protocol": protocol, **options}, stop_at=stop)["url"])

    # ---- python tuspy

    def test_tuspy(self):
        from tusclient import client
        tus = client.TusClient(self.endpoint, headers={"Authorization": "Bearer " + self.server.tokens["mei"]})
        for kw in ({}, {"metadata": {"filename": NAME}}, {"upload_checksum": True}, {"metadata": {"filename": NAME, "empty": ""}, "upload_checksum": True}):
            for chunk in (MIB, SIZE):
                with self.subTest(chunk=chunk, **kw):
                    up = tus.uploader(file_stream=io.BytesIO(self.data), chunk_size=chunk, **kw)
                    up.upload()
                    self.whole(up.url, NAME if "metadata" in kw else "upload")
        up = tus.uploader(file_stream=io.BytesIO(self.data), chunk_size=MIB)
        up.upload_chunk()
        again = tus.uploader(file_stream=io.BytesIO(self.data), chunk_size=MIB, url=up.url)      # resumed by another
        self.assertEqual(again.get_offset(), MIB)
        again.upload()
        self.whole(up.url)

    # ---- Uppy in a browser, from another site

    def test_uppy_in_a_browser(self):
        entry, out = os.path.join(self.modules, "uppy-tus.entry.js"), os.path.join(self.modules, "uppy-tus.js")
        with open(entry, "w") as f:
            f.write(UPPY)
        subprocess.run([os.path.join(self.modules, ".bin", "esbuild"), entry, "--bundle", "--format=iife", "--outfile=" + out, "--log-level=error"], check=True, timeout=120)
        with open(out, "rb") as f:
            Page.script = f.read()
        want = bytes((i * 7 + (i >> 8)) & 255 for i in range(SIZE))
        with browser.Browser(self.server) as chrome:
            chrome.d.set_script_timeout(60)
            for options, relative in (({}, None), ({"chunkSize": MIB}, "甲/乙/" + NAME), ({"chunkSize": MIB, "overridePatchMethod": True}, None),
                                      ({"parallelUploads": 3}, None), ({"uploadDataDuringCreation": True}, None)):
                with self.subTest(options=options):
                    chrome.d.get(self.elsewhere + "/")
                    r = chrome.d.execute_async_script("const done = arguments[1]; upload(arguments[0]).then(done, (e) => done({failed: [String(e)]}))", {
                        "endpoint": self.endpoint, "token": self.server.tokens["mei"], "name": NAME, "relative": relative, "bytes": SIZE, "options": options})
                    self.assertEqual(r["failed"], [], r)
                    path = self.path(r["urls"][0])
                    self.assertEqual(content(self.server, path), want)
                    self.assertEqual(status(self.server, path)["name"], NAME)
                    if relative:
                        stored = [json.loads(l)["value"] for l in self.server.slipway("dump").splitlines() if path.split("/")[-1] in l]
                        self.assertIn(relative, [v.get("rel_path") for v in stored if isinstance(v, dict)])


if __name__ == "__main__":
    unittest.main()
