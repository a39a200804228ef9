"""Goal: administrators keep datasets and accounts of the signed APIs on pages and as JSON with a key, by the same rules as the command;
a trial changes nothing; a secret is shown once; the ready-made programs of a dataset's page write to it as they stand."""
import html
import json
import os
import re
import subprocess
import sys

from harness import ADMIN, main
from made import Browser
from signed import accepted, dataset, refused, rows, table
from steps import code

JSON = "application/json"
LIST = "/admin/datasets/"
CONFIG = {"table": "t(a,b)", "columns": {"a": "text", "b": "integer"}, "id": "a", "ops": "CUD"}


def one(name):
    return "/admin/datasets/dataset?name=" + name


def account(name):
    return "/admin/datasets/account?name=" + name


def admin(server, fields, url=LIST, accept=JSON, user="admin"):
    pairs = [(k, v if isinstance(v, str) else json.dumps(v)) for k, v in fields.items() if not isinstance(v, list)]
    pairs += [(k, item) for k, v in fields.items() if isinstance(v, list) for item in v]
    return server.post(url, pairs, accept=accept, user=user)


def add(server, name, config=None):
    a = admin(server, {"do": "add_dataset", "name": name, "config": config or CONFIG})
    assert a.status == 200 and name in [d["name"] for d in a.json["datasets"]], a


def test_only_administrators_come_in(server):
    for url in (LIST, one("x"), account("x")):
        assert server.get(url, accept=JSON, user="mei").status == 403
        assert server.get(url, accept=JSON, user=None).status == 401
        assert server.get(url, accept="text/html", user=None).status == 303
        for user in ("mei", None):
            assert admin(server, {"do": "add_dataset", "name": "sneaky", "config": CONFIG}, url, user=user).status in (401, 403)
        assert server.request("DELETE", url, user="admin").status == 405
    key = server.slipway("key", "add", "admin", "--read-only").split()[-1]
    assert server.get(LIST, accept=JSON, user=None, headers={"Authorization": "Bearer " + key}).status == 403
    # A page of another site cannot send the form: its token is missing.
    cookies = Browser(server, *ADMIN).cookies
    a = server.post(LIST, {"do": "add_dataset", "name": "sneaky", "config": json.dumps(CONFIG)}, accept=JSON, user=None,
                    headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})
    assert a.status == 403 and code(a) == "csrf_failed", a
    assert "sneaky" not in dataset(server, "list")


def test_a_program_with_a_key(server):
    key = server.slipway("key", "add", "admin").split()[-1]

    def call(url, body=None):
        a = server.request("POST" if body else "GET", url, body=json.dumps(body).encode() if body else None, user=None,
                           headers={"Authorization": "Bearer " + key, "Accept": JSON, "Content-Type": JSON})
        assert a.header("Content-Type").startswith(JSON), a
        return a
    assert call(LIST, {"do": "add_dataset", "name": "keyed", "config": CONFIG}).status == 200
    a = call(LIST, {"do": "add_account", "name": "robot", "settings": {"receivers": ["keyed"], "modes": ["sha1", "hmac"]}})
    secret = a.json["token"]
    assert a.status == 200 and len(secret) == 43 and a.json["account"]["modes"] == ["sha1", "hmac"], a
    assert secret not in call(LIST).text and secret not in call(account("robot")).text
    accepted(rows(server, "keyed", ["x", 1], key=secret, visitor="robot"), inserted=1)
    a = call(one("keyed"), {"do": "trial", "ds": [["a", "b"], ["y", 2]], "account": "robot"})
    assert a.status == 200 and a.json["trial"]["ok"] and a.json["trial"]["inserted"] == 1, a
    assert table(server, "keyed", "select count(*) from t") == [(1,)]
    a = call(one("keyed"), {"do": "set", "changes": {"maxRows": 1, "ops": None}})
    assert a.status == 200 and a.json["dataset"]["config"]["maxRows"] == 1 and "ops" not in a.json["dataset"]["config"], a
    a = call(account("robot"), {"do": "set", "changes": {"limit": 5, "host": ["10.0.0.0/8"]}})
    assert a.status == 200 and (a.json["account"]["limit"], a.json["account"]["host"]) == (5, ["10.0.0.0/8"]), a
    refused(rows(server, "keyed", ["x", 1], key=secret, visitor="robot"), 403)
    a = call(account("robot"), {"do": "rotate", "days": 0})
    assert a.status == 200 and a.json["token"] != secret, a
    refused(rows(server, "keyed", ["x", 1], key=secret, visitor="robot"), 401)
    log = call(LIST + "?log=robot").json["log"]
    assert [e["status"] for e in log] == [401, 403] and log[0]["reason"] == "wrong signature", log
    assert call(account("robot"), {"do": "delete"}).status == 200
    assert call(one("keyed"), {"do": "delete"}).status == 200
    assert call(one("keyed")).status == 404 and call(account("robot")).status == 404


def test_the_same_checks_as_the_command(server):
    add(server, "checked")
    before = dataset(server, "list")
    for config, words in (({"table": "t", "authDict": {}}, "authDict: is not offered"), ({"table": "t", "nonsense": 1}, "nonsense: this key is not known"),
                          ({"table": "t", "preSql": ["select $x"]}, "$x is not known"), ({"table": "t", "preSql": ["select 1; select 2"]}, "more than one"),
                          ({"table": "t", "postSql": ["commit"]}, "commit is not allowed"), ({"table": "t", "postSql": ["attach 'x' as y"]}, "attach is not"),
                          ("{", "is no JSON"), ("", "is no JSON"), ({}, "table: is required")):
        for url, fields in ((LIST, {"do": "add_dataset", "name": "wrong"}), (one("checked"), {"do": "save"})):
            a = admin(server, {**fields, "config": config}, url)
            assert a.status == 400 and code(a) == "signed_refused" and words in a.json["details"][0]["message"], a
            page = admin(server, {**fields, "config": config}, url, accept="text/html")
            assert page.status == 400 and 'role="alert"' in page.text and html.escape(words, quote=False) in html.unescape(page.text), page
    assert code(admin(server, {"do": "add_dataset", "name": "checked", "config": CONFIG})) == "signed_exists"
    for name in ("123", "a b", ""):
        assert code(admin(server, {"do": "add_dataset", "name": name, "config": CONFIG})) == "signed_refused"
    assert code(admin(server, {"do": "add_dataset", "name": "wrong"})) == "signed_refused"
    a = admin(server, {"do": "steal"})
    assert code(a) == "bad_choice" and "add_dataset, " in a.json["details"][0]["message"], a
    assert admin(server, {"do": "save", "config": CONFIG}, one("nothing")).status == 404
    assert dataset(server, "list") == before
    # What was typed and refused stands in the form again, harmless.
    evil = '{"table":"</textarea><script>alert(1)</script>"}'
    page = admin(server, {"do": "add_dataset", "name": '"><script>', "config": evil}, accept="text/html")
    assert "<script>alert" not in page.text and "&lt;/textarea&gt;" in page.text and "<script>\"" not in page.text, page


def test_accounts_by_forms(server):
    add(server, "formed")
    a = admin(server, {"do": "add_account", "name": "王五", "receivers": ["formed"]}, accept="text/html")
    secret = re.search(r'class="token">([^<]+)<', a.text)[1]
    assert a.status == 200 and len(secret) == 43 and a.header("Cache-Control") == "no-store", a
    accepted(rows(server, "formed", ["x", 1], key=secret, visitor="王五"), inserted=1)
    for url in (LIST, account("%E7%8E%8B%E4%BA%94")):
        assert secret not in server.get(url, accept="text/html", user="admin").text
    url = account("%E7%8E%8B%E4%BA%94")
    form = {"do": "save", "receivers": ["formed"], "modes": ["sha1", "hmac"], "host": "127.0.0.0/8\r\n::1", "limit": "60", "window": "100",
            "mailMax": "3", "log": "2", "user": "mei", "replay": "1"}
    assert admin(server, form, url, accept="text/html").status == 303
    kept = json.loads(dataset(server, "account", "show", "王五", "--json"))
    assert (kept["receivers"], kept["modes"], kept["host"], kept["limit"], kept["window"], kept["mailMax"], kept["log"], kept["user"], kept["replay"],
            kept["cors"]) == (["formed"], ["sha1", "hmac"], ["127.0.0.0/8", "::1"], 60, 100, 3, 2, "mei", "on", 0), kept
    for change, words in (({"limit": "many"}, "limit: must be a number"), ({"window": "5"}, "window: must be"), ({"host": "example.org"}, "host: 1."),
                          ({"modes": []}, "modes: must be"), ({"receivers": ["unheard of"]}, "there is no dataset"), ({"user": "nobody"}, "there is no user")):
        a = admin(server, {**form, **change}, url)
        assert a.status == 400 and words in a.json["details"][0]["message"], a
        page = admin(server, {**form, **change}, url, accept="text/html")
        assert page.status == 400 and 'role="alert"' in page.text, page
    assert json.loads(dataset(server, "account", "show", "王五", "--json"))["limit"] == 60
    assert code(admin(server, {"do": "rotate", "days": "soon"}, url)) == "signed_days"
    new = re.search(r'class="token">([^<]+)<', admin(server, {"do": "rotate", "days": "7"}, url, accept="text/html").text)[1]
    accepted(rows(server, "formed", ["y", 2], key=secret, visitor="王五"), inserted=1)
    accepted(rows(server, "formed", ["z", 3], key=new, visitor="王五"), inserted=1)
    assert admin(server, {"do": "import_accounts", "settings": {"smart-a": {"token": "a-smartchart-secret"}}}).status == 200
    assert "smart-a" in dataset(server, "account", "list")
    a = admin(server, {"do": "import_accounts", "settings": {"smart-b": {"token": "a-smartchart-secret"}}})
    assert a.status == 400 and "another account" in a.json["details"][0]["message"] and "a-smartchart-secret" not in a.text, a
    assert admin(server, {"do": "delete"}, url, accept="text/html").status == 303
    refused(rows(server, "formed", ["x", 3], key=new, visitor="王五"), 401)


def test_trial(server):
    add(server, "trial", {**CONFIG, "preSql": ["truncate t"], "postSql": ["insert into t values ($username, $rows)"]})
    dataset(server, "account", "add", "tina", config={"token": "tina's own secret", "receivers": ["trial"]})
    accepted(rows(server, "trial", ["kept", 1], key="tina's own secret", visitor="tina"))

    def attempt(ds, accept=JSON, **kw):
        return admin(server, {"do": "trial", "ds": ds, "account": "tina", **kw}, one("trial"), accept=accept)
    a = attempt('[["a","b"],["x",1],["y",2]]')
    assert a.json["trial"]["ok"] and a.json["trial"]["inserted"] == 2, a
    for ds, words in (('[["a","b"],["x",1],["y","no"]]', "row 2"), ("[", "not JSON"), ('[["a"]]', "no rows"), ('{"c":1}', "c"), ("5", "neither an array")):
        a = attempt(ds)
        assert a.status == 200 and not a.json["trial"]["ok"] and words in a.json["trial"]["msg"], a
        page = attempt(ds, accept="text/html")
        assert page.status == 200 and 'role="alert"' in page.text, page
    assert not attempt('["x",1]', update="7").json["trial"]["ok"]
    assert attempt('{"a":"kept"}', update="2").json["trial"]["ok"]
    page = attempt('[["a","b"],["x","</textarea><script>alert(1)</script>"]]', accept="text/html").text
    assert "<script>alert" not in page and page.count("&lt;/textarea&gt;") == 1, page
    assert sorted(table(server, "trial", "select a, b from t")) == [("kept", 1), ("tina", 1)]


def programs(text):
    return {i: html.unescape(c) for i, c in re.findall(r'<pre class="code" id="([^"]+)"[^>]*><code>(.*?)</code></pre>', text, re.S)}


def run(server, name, text, key="a 'secret' of $HOME \"here\""):
    """As a person would: saved to a file, the address put in where the page's script does it, the secret in the environment."""
    text = text.replace("https://slipway.example", f"http://127.0.0.1:{server.port}")
    path = os.path.join(server.dir, name)
    with open(path, "w") as f:
        f.write(text)
    command = [sys.executable, path] if name.startswith("python") else ["bash", path]
    if name.endswith("file"):
        command.append(os.path.join(server.dir, "a; b,c.csv"))
        with open(command[-1], "w") as f:
            f.write("名称,n,o'k\na,7,1.5\n")
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], "SLIPWAY_KEY": key, "LANG": "C.UTF-8"},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and b"success" in done.stdout, (name, text, done)


def test_the_programs_work_as_they_stand(server):
    config = {"table": "t(名称,n,\"o'k\",at)", "columns": {"名称": "text", "n": "integer", "o'k": "real", "who": "text", "at": "date"}, "fDict": {"n\"": "n"},
              "autoDict": {"who": "$username"}, "sFields": ["at"], "missing": "ignore"}
    add(server, "库存-1.x", config)
    who = "it's \"张\" $5 \\ `x`"
    dataset(server, "account", "add", who, config={"token": "a 'secret' of $HOME \"here\"", "receivers": ["库存-1.x"], "modes": ["sha1", "hmac"],
                                                   "replay": "off"})
    page = server.get(one("%E5%BA%93%E5%AD%98-1.x"), accept="text/html", user="admin")
    found = programs(page.text)
    assert set(found) == {"python-sha1", "python-hmac", "curl-sha1", "curl-hmac", "python-file", "curl-file"}, found
    for n, (name, text) in enumerate(found.items(), 1):
        run(server, name, text)
        assert table(server, "库存-1.x", "select count(*) from t") == [(n,)], name
    assert set(table(server, "库存-1.x", "select \"名称\", n, \"o'k\", who from t")) == {("a", 7, 1.5, who)}


def test_the_programs_do_what_a_dataset_allows(server):
    """Where rows may only be changed or deleted they do that: an insert would be forbidden."""
    for ops, left in (("U", [(7, "a")]), ("D", [])):
        name = "only-" + ops
        add(server, name, {"table": "t", "columns": {"id": "integer", "n": "text"}, "id": "id", "ops": ops})
        who, key = f"does-{ops}", f"{ops} is all the owner of this may do"
        dataset(server, "account", "add", who, config={"token": key, "receivers": [name], "modes": ["sha1", "hmac"]})
        page = server.get(f"{one(name)}&account={who}", accept="text/html", user="admin")
        for program, text in programs(page.text).items():
            if program.endswith("file"):
                continue
            table(server, name, "create table if not exists t(id integer primary key, n text)")
            table(server, name, "insert or replace into t values (7, 'old')")
            run(server, program, text, key)
            assert table(server, name, "select id, n from t") == left, (program, text)


def test_programs_only_of_what_is_open(server):
    """A dataset that takes files alone has no program whose rows would be refused, and the other way round."""
    dataset(server, "account", "add", "olga", config={"token": "olga's own secret", "receivers": ["*"]})
    for apis, names in ((["file"], {"python-file", "curl-file"}), (["rows"], {"python-sha1", "python-hmac", "curl-sha1", "curl-hmac"})):
        add(server, "only-" + apis[0], {**CONFIG, "apis": apis})
        page = server.get(one("only-" + apis[0]), accept="text/html", user="admin")
        assert set(programs(page.text)) == names, page


def test_pages_in_both_languages(server):
    add(server, "worded")
    dataset(server, "account", "add", "wendy", config={"token": "wendy's own secret", "receivers": ["*"], "modes": ["unsigned"]})
    refused(rows(server, "worded", ["x"], key="another one than hers", visitor="wendy"), 401)
    for lang, word in (("en", "Refused requests"), ("zh", "被拒绝的请求")):
        for url in (LIST + "?", one("worded") + "&", account("wendy") + "&"):
            a = server.get(url + "lang=" + lang, accept="text/html", user="admin")
            bare = re.sub(r'(href|action|value|id|for|name)="[^"]*"', "", a.text)
            assert a.status == 200 and word in a.text and "signed." not in bare and "title." not in bare, a
            assert "wrong signature" in a.text and 'href="' + server.mount + LIST + '"' in a.text or url.startswith(LIST), a
            assert a.header("Content-Security-Policy").startswith("default-src 'none'") and "onclick" not in a.text and " style=" not in a.text
    assert 'href="' + server.mount + LIST + '"' in server.get("/admin/", accept="text/html", user="admin").text


if __name__ == "__main__":
    import test_admin_datasets
    main(test_admin_datasets)
