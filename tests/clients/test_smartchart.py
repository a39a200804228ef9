"""Goal: the programs that the original's documentation prints for its two signed APIs do their work here: only the
placeholders in them (address, user, key, ids, file) are replaced (signed-api.md 3, 7; case 32)."""
import ast
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "http"))
import openpyxl  # noqa: E402
import pgserver  # noqa: E402
import requests  # noqa: E402
from harness import Server  # noqa: E402
from signed import KEY, configure, table, tasks  # noqa: E402

# As printed, where the page had lost the lines' indentation.
POST_DATA = """
def post_data():
import requests
import hashlib
url='http://localhost:8000/echart/dataset_api/'
visitor = 'xxx'
key = 'xxxxxx'
chart_type = 123
ContentType="application/x-www-form-urlencoded"
stamp = int(time.time() * 1000)
token = hashlib.sha1(f"{key}{stamp}{visitor}{chart_type}".encode('utf-8')).hexdigest()
ds= json.dumps([["A", "B"],["a1", "b1"],["a2", "b2"]])
data={
"visitor": visitor,
"token": token,
"stamp": stamp,
"type": chart_type,
"ds": ds
}
res = requests.post(url, data=data, headers={'Content-Type': ContentType})
print(res.json())
"""
POST_FILE = """
def post_file():
import requests
import hashlib
url='/etl/api/upload_file_api/'
visitor = 'xxx'
key = 'xxxxxx'
name = 'xxx'
mail = "xxx@xxxx,xxx@xx" #可选,上传后邮件结果
ContentType="application/x-www-form-urlencoded"
stamp = int(time.time() * 1000)
token = hashlib.sha1(f"{key}{stamp}{visitor}{chart_type}".encode('utf-8')).hexdigest()
data={
"visitor": visitor,
"token": token,
"stamp": stamp,
"type": name,
"mail":mail
}
files = {'file': open('xxxx.xlsx', 'rb')}
#上传,https可能需要参数 verify=False
response = requests.post(url, files=files, data=data)
if response.status_code == 200:
response = response.json()
elif response.status_code == 504:
response = {"result":"timeout","data":"Pls wait for mail"}
else:
response = {"result": "error","data": "some thing wrong"}
if response['result'] == 'error':
raise Exception('Upload Error')
return response
"""


def program(text, **values):
    """The function that TEXT defines, with the right-hand sides of VALUES in the place of its own."""
    lines, depth = text.strip().splitlines(), 0
    out = [lines[0]]
    for line in lines[1:]:
        closes = line.startswith(("elif", "else"))
        # What stood under an if is what follows it up to the next word of its kind; each branch is one line.
        out.append("    " + ("" if depth == 0 or closes else "    ") + line)
        depth = 1 if line.startswith(("if ", "elif ", "else:")) else 0
    source = "\n".join(out)
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.targets[0].id in values:
            node.value = ast.copy_location(ast.Constant(values[node.targets[0].id]), node.value)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open":
            node.args[0] = ast.copy_location(ast.Constant(values["file"]), node.args[0])
    import json
    import time
    space = {"json": json, "time": time, "chart_type": values.get("chart_type"), "print": values.get("said", print)}
    exec(compile(ast.fix_missing_locations(tree), "documentation", "exec"), space)
    return space[tree.body[0].name]


class Documentation(unittest.TestCase):
    """Into the embedded database."""
    config, target = "", {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(f"[mail]\nmethod = none\n[signed]\nwait = 20\n{cls.config}")
        columns = {"A": "text", "B": "text"}
        cls.ids = configure(cls.server, {"visitor": {}}, {name: {"table": f"{name}(A, B)", "columns": columns, **cls.target}
                                                         for name in ("filled", "upload")})
        cls.base = f"http://127.0.0.1:{cls.server.port}"
        cls.file = os.path.join(cls.server.dir, "xxxx.xlsx")
        book = openpyxl.Workbook()
        for row in (("A", "B"), ("a1", "b1"), ("a2", "b2")):
            book.active.append(row)
        book.save(cls.file)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def content(self, name):
        return table(self.server, name, f"select A, B from {name}")

    def test_post_data(self):
        said = []
        program(POST_DATA, url=self.base + "/echart/dataset_api/", visitor="visitor", key=KEY, chart_type=self.ids["filled"],
                said=said.append)()
        self.assertEqual(said, [{"status": 200, "msg": "success"}])
        self.assertEqual(self.content("filled"), [("a1", "b1"), ("a2", "b2")])

    def upload(self, **values):
        # The documentation signs a "chart_type" that its function does not set: it is the name that is sent.
        return program(POST_FILE, **{"url": self.base + "/etl/api/upload_file_api/", "visitor": "visitor", "key": KEY, "name": "upload",
                                     "chart_type": "upload", "file": self.file, **values})()

    def test_post_file(self):
        self.assertEqual(self.upload(mail="one@example.org,two@example.org"), {"result": "success", "data": "uploaded"})
        self.assertEqual(self.content("upload"), [("a1", "b1"), ("a2", "b2")])
        self.assertEqual(tasks(self.server, receiver="upload")[0]["mail"], ["one@example.org", "two@example.org"])

    def test_post_file_hears_of_errors(self):
        for wrong in ({"key": "not-the-key-at-all-0"}, {"name": "nobody", "chart_type": "nobody"}, {"mail": "xxx@xxxx,no address"}):
            with self.assertRaisesRegex(Exception, "Upload Error"):
                self.upload(**wrong)


@unittest.skipUnless(pgserver.installed(), "PostgreSQL is not installed")
class DocumentationIntoPostgres(Documentation):
    """The same programs, unchanged: only the dataset's target is another."""
    target = {"target": "pg"}

    @classmethod
    def setUpClass(cls):
        cls.pg = pgserver.Pg()
        cls.config = f"[target]\npg = {cls.pg.conninfo}\n"
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.pg.close()

    def content(self, name):
        return [tuple(line.split("|")) for line in self.pg.sql(f'select "A", "B" from {name}').splitlines()]


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")      # the printed programs leave their files open
