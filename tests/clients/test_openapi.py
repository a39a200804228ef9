"""Goal: doc/openapi.json is true: a validator of its own finds nothing, every row of the route table is in it and nothing else, and
what a running service answers is of the shapes it tells."""
import json
import os
import re
import subprocess
import sys
import unittest
import urllib.parse

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "http"))
import harness  # noqa: E402
import npm  # noqa: E402
from datas import DATAS, MINE, ask, make  # noqa: E402
from steps import points  # noqa: E402

TOP = os.path.dirname(os.path.dirname(HERE))
JSON = "application/json"
ROW = re.compile(r'^\t\{ "(/[^"]*)",\s*([A-Z |]+),\s*LOGIN_', re.M)
CHECK = """
import { Validator } from "@seriousme/openapi-schema-validator";
import { readFileSync } from "node:fs";
const result = await new Validator().validate(JSON.parse(readFileSync(process.argv[2], "utf8")));
if (!result.valid) {
	console.log(JSON.stringify(result.errors, null, 1).slice(0, 4000));
	process.exit(1);
}
"""


def described():
    with open(os.path.join(TOP, "doc", "openapi.json"), encoding="utf-8") as f:
        return json.load(f)


def plain(path):
    """The address as both name it: parameters without their kind, no last slash."""
    return re.sub(r"\{(\w+)(:\w+)?\}", r"{\1}", path).rstrip("/") or "/"


def routes():
    """{address: methods} of the route table."""
    with open(os.path.join(TOP, "cgi-bin", "slipway.c"), encoding="utf-8") as f:
        text = f.read()
    words = {name: methods.split() for name, methods in re.findall(r"#define (\w+)\s+\(?((?:[A-Z]+ \| )+[A-Z]+)\)?", text)}
    words = {k: [m for m in v if m != "|"] for k, v in words.items()}
    found = {}
    for path, methods in ROW.findall(text):
        for method in methods.replace("|", " ").split():
            found.setdefault(plain(path), set()).update(m.lower() for m in words.get(method, [method]))
    return found


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.doc = described()
        cls.server = harness.Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_is_valid(self):
        script = os.path.join(npm.modules(), "..", "openapi-check.mjs")
        with open(script, "w", encoding="utf-8") as f:
            f.write(CHECK)
        done = subprocess.run(["node", script, os.path.join(TOP, "doc", "openapi.json")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout.decode())

    def test_every_route_and_nothing_else(self):
        table = routes()
        self.assertGreater(len(table), 80)
        documented = {}
        for path, operations in self.doc["paths"].items():
            documented.setdefault(plain(path), set()).update(m for m in operations if m in ("get", "post", "put", "patch", "delete", "options", "head"))
        # An address that only catches mistakes has nothing to describe.
        table.pop("/upload/{rest}")
        self.assertEqual(sorted(set(table) - set(documented)), [], "not described")
        self.assertEqual(sorted(set(documented) - set(table)), [], "described, but not there")
        for path, methods in table.items():
            told = documented[path] - {"head"}
            self.assertTrue(methods - {"head"} <= told or methods - {"head", "options"} <= told, (path, methods, told))
            self.assertTrue(told <= methods | {"options"}, (path, methods, told))

    def fields(self, schema):
        """The names of a body's members."""
        if "$ref" in schema:
            schema = self.doc["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        yield from schema.get("properties", {})
        for part in schema.get("anyOf", []):
            yield from self.fields(part)

    def test_what_may_be_sent_is_read(self):
        """A parameter or field that no line of the source asks for would be a promise nobody keeps."""
        source = ""
        for folder, _, names in os.walk(os.path.join(TOP, "src")):
            for name in names:
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    source += f.read()
        unread = []
        for path, operations in self.doc["paths"].items():
            for method, operation in operations.items():
                named = [self.doc["components"]["parameters"][p["$ref"].rpartition("/")[2]] if "$ref" in p else p for p in operation.get("parameters", [])]
                names = [p["name"] for p in named if p["in"] != "path"]
                for content in operation.get("requestBody", {}).get("content", {}).values():
                    names += self.fields(content.get("schema", {}))
                # Files are named by their extension, numbered fields by their stem.
                unread += [(method, path, n) for n in names if not n.endswith("_file") and '"%s"' % n.removesuffix("_0") not in source]
        self.assertEqual(unread, [])

    def test_operations_have_names_of_their_own(self):
        names = [o["operationId"] for p in self.doc["paths"].values() for o in p.values() if isinstance(o, dict) and "operationId" in o]
        self.assertEqual(len(names), len(set(names)))

    def fits(self, path, method, answer):
        operation = self.doc["paths"][path][method]
        told = operation["responses"].get(str(answer.status))
        self.assertIsNotNone(told, (path, method, answer))
        if "$ref" in told:
            told = self.doc["components"]["responses"][told["$ref"].rpartition("/")[2]]
        content = told.get("content", {})
        kind = answer.header("Content-Type").partition(";")[0]
        self.assertTrue(kind in content or "*/*" in content, (path, kind, list(content)))
        if kind == JSON and kind in content:
            schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": self.doc["components"], **content[kind]["schema"]}
            jsonschema.validate(answer.json, schema)

    def body_schema(self, path):
        content = self.doc["paths"][path]["post"]["requestBody"]["content"][JSON]
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": self.doc["components"], **content["schema"]}

    def test_answers_are_as_described(self):
        s = self.server
        d = points(s, "wells", ["1,2,a", "3,4,b"])["dataset"]["id"]
        made = s.post("/upload/", {}, [("files", "a.csv", b"x,y\n1,2\n")], accept=JSON)
        self.fits("/upload/", "post", made)
        n = made.json["id"]
        for path, url in (("/upload/", "/upload/"), ("/upload/", f"/upload/?id={n}"), ("/upload/{step}", f"/upload/csv?id={n}"),
                          ("/upload/{step}", "/upload/csv?id=99999"), ("/upload/{step}", "/upload/csv"), ("/upload/progress", f"/upload/progress?id={n}"),
                          ("/upload/crs", "/upload/crs?q=4326"), ("/", "/"), ("/about", "/about"), ("/datasets/", "/datasets/"), ("/datasets/{id}", f"/datasets/{d}"),
                          ("/datasets/{id}", "/datasets/99999"), ("/datasets/{id}/edit", f"/datasets/{d}/edit"), ("/api/v2/uploads/", "/api/v2/uploads/"),
                          ("/api/v2/uploads/{id}/", f"/api/v2/uploads/{n}/"), ("/api/v2/upload-size-limits/", "/api/v2/upload-size-limits/"),
                          ("/account/keys", "/account/keys"), ("/files/", "/files/"), ("/healthz", "/healthz"), ("/readyz", "/readyz"), ("/metrics", "/metrics")):
            self.fits(path, "get", s.get(url, accept=JSON))
        for path, url in (("/admin/", "/admin/"), ("/admin/user", "/admin/user?name=mei"), ("/metrics", "/metrics"), ("/admin/self-test", "/admin/self-test")):
            self.fits(path, "get", s.get(url, accept=JSON, user="admin"))
        put = s.request("PUT", "/files/?name=x.bin", body=b"abc")
        self.fits("/files/", "put", put)
        self.fits("/files/{id}", "get", s.get(put.header("Location"), accept=JSON))
        self.fits("/files/{id}", "get", s.get("/files/" + "0" * 32, accept=JSON))
        self.fits("/chunks", "post", s.request("POST", "/chunks", body=b""))
        self.fits("/_", "post", s.request("POST", "/_", body=b'{"cmd":"uploadChunk","params":{}}', headers={"Content-Type": JSON}))
        chunk = {"uploadUid": "", "fileName": "a.txt", "totalSize": 2, "chunkNumber": 0, "chunkCount": 1, "content": "hi"}
        for path, command in (("/_", {"cmd": "uploadChunk"}), ("/_/{command}", {})):
            jsonschema.validate({**command, **chunk}, self.body_schema(path))
            a = s.request("POST", path.replace("{command}", "uploadChunk"), body=json.dumps({**command, **chunk}), headers={"Content-Type": JSON})
            self.fits(path, "post", a)
            self.assertEqual(a.status, 200, a)
            finish = {"uploadUid": a.json["uploadUid"], **({"cmd": "uploadFinish"} if command else {})}
            jsonschema.validate(finish, self.body_schema(path))
            a = s.request("POST", path.replace("{command}", "uploadFinish"), body=json.dumps(finish), headers={"Content-Type": JSON})
            self.fits(path, "post", a)
            self.assertEqual(a.status, 200, a)
        self.fits("/upload/{step}", "post", s.post(f"/upload/csv?id={n}", {"geometry": "latlng", "lat": "y", "lng": "x"}, accept=JSON))

    def test_refusals_are_as_described(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for path, method, users in (("/_", "post", (None, "mei")), ("/_", "options", (None,)), ("/_/{command}", "post", (None, "mei")),
                                    ("/_/{command}", "options", (None,)), ("/files/{id}", "head", (None, "mei")), ("/files/{id}", "patch", (None, "mei")),
                                    ("/files/{id}", "put", (None, "mei")), ("/first", "get", (None,)), ("/first", "post", (None,)), ("/logout", "get", ("mei",)),
                                    ("/logout", "post", ("mei",)), ("/upload/delete/{id}", "get", (None, "mei")), ("/upload/remove/{id}", "post", (None, "mei")),
                                    ("/upload/remove/{id}", "delete", (None, "mei")), ("/upload/new/", "post", (None, "mei")),
                                    ("/iserver/services/security/tokens", "get", (None,)), (DATAS + "/{id}", "get", (None,)), (MINE, "get", (None,))):
            url = path.replace("{id}", "99999").replace("{command}", "nothing")
            for user in users:
                for kind, body in ((form, b"a=1"), ({"Content-Type": JSON}, b"{nonsense")):
                    body, kind = (None, {}) if method in ("get", "head", "options") else (body, kind)
                    answer = self.server.request(method.upper(), url, body=body, headers={"Accept": JSON, **kind}, user=user)
                    if answer.body:
                        self.fits(path, method, answer)
                    else:
                        self.assertIn(str(answer.status), self.doc["paths"][path][method]["responses"], (path, method, user))

    def told(self, path, method, answer):
        """As fits(), for answers that may have no body."""
        if answer.body:
            self.fits(path, method, answer)
        else:
            self.assertIn(str(answer.status), self.doc["paths"][path][method]["responses"], (path, method, answer.headers))

    def test_whoever_asks_any_address(self):
        """A browser that is not logged in, and a body of a type that nobody takes: at every address."""
        for path, operations in self.doc["paths"].items():
            url = urllib.parse.quote(re.sub(r"\{\w+\}", "1", path))
            for method in [m for m in operations if m in ("get", "post", "put", "patch", "delete")]:
                writes = method != "get"
                for user, headers in ((None, {"Accept": "text/html"}), ("mei", {"Accept": JSON}), ("mei", {"Accept": JSON, "Tus-Resumable": "0.2"})):
                    if writes:
                        headers = {**headers, "Content-Type": "text/plain"}
                    with self.subTest(path=path, method=method, headers=headers):
                        self.told(path, method, self.server.request(method.upper(), url, body=b"abc" if writes else None, headers=headers, user=user))

    def test_supermap_answers_are_as_described(self):
        s = self.server
        item = make(s, "b.csv")
        tasks = "/iserver/manager/filemanager/uploadtasks"
        self.fits(tasks, "post", s.request("POST", tasks + ".json", body=b'{"path":"a.bin"}', user="admin"))
        self.fits(tasks, "get", s.request("GET", tasks + ".json", user="admin"))
        self.fits(tasks, "get", s.request("GET", tasks + ".json", user="mei"))
        for path, url in ((DATAS, DATAS + ".json"), (DATAS, DATAS + ".json?orderBy=COLOR"), (DATAS + "/{id}", f"{DATAS}/{item}.json"), (DATAS + "/{id}", f"{DATAS}/99999.json"),
                          (DATAS + "/{id}/content", f"{DATAS}/{item}/content.json"), (MINE, MINE + ".json"), (MINE + "/{id}/sharesetting", f"{MINE}/{item}/sharesetting.json"),
                          (MINE + "/{id}/digest", f"{MINE}/{item}/digest.json"), (MINE + "/{id}/progress", f"{MINE}/{item}/progress.json")):
            self.fits(path, "get", ask(s, "GET", url))
        self.fits(MINE, "post", ask(s, "POST", MINE + ".json", {"fileName": "c.csv"}))
        self.fits(MINE + "/delete", "post", ask(s, "POST", MINE + "/delete.json", [item]))


if __name__ == "__main__":
    unittest.main()
