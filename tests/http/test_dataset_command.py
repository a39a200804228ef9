"""Goal: `slipway dataset` and `slipway task list` do what the contract says of each subcommand, with exit status 0, 1 or 2, also while
the service runs; what `sign` prints is accepted by the server; no secret is printed that was not asked for (contracts/signed-api.md 6, 8)."""
import json
import os
import subprocess
import uuid

import harness
from harness import main
from signed import KEY, ROWS, accepted, refused, rows, send, signed, table

CONFIG = {"table": "t(a,b)", "columns": {"a": "text", "b": "integer"}, "id": "a", "ops": "CUD"}


def slipway(server, *args, stdin=""):
    done = subprocess.run([f"{harness.BUILD}/slipway", *args, "--data-dir", server.data, "--config", server.conf], input=stdin.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def dataset(server, *args, **kw):
    return slipway(server, "dataset", *args, **kw)


def file(server, content):
    path = os.path.join(server.dir, uuid.uuid4().hex)
    with open(path, "w") as f:
        f.write(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))
    os.chmod(path, 0o644)
    return path


def done(answer):
    assert answer[0] == 0, answer
    return answer[1]


def fails(answer, status, words):
    assert answer[0] == status and answer[1] == "" and words in answer[2], answer


def add(server, name, config=None):
    return json.loads(done(dataset(server, "add", name, "--config", file(server, config or CONFIG), "--json")))


def test_add_list_show_remove(server):
    a = add(server, "sales")
    assert (a["name"], a["enabled"], a["config"]) == ("sales", True, CONFIG) and a["id"] >= 1, a
    b = json.loads(done(dataset(server, "add", "库存-1", "--config", "-", "--json", stdin='dataset={"table":"s"}')))
    assert b["id"] == a["id"] + 1
    assert "dataset third added, id %d" % (b["id"] + 1) in done(dataset(server, "add", "third", "--config", file(server, {"table": "x"})))
    fails(dataset(server, "add", "sales", "--config", file(server, CONFIG)), 1, "“sales” exists already")
    listed = {r["name"]: r for r in json.loads(done(dataset(server, "list", "--json")))}
    assert {"sales", "库存-1", "third"} <= set(listed) and listed["sales"]["id"] == a["id"]
    assert f"{a['id']}\tsales\tenabled\tdefault\tt(a,b)\n" in done(dataset(server, "list"))
    assert json.loads(done(dataset(server, "show", str(b["id"]), "--json")))["name"] == "库存-1"
    assert '"table": "t(a,b)"' in done(dataset(server, "show", "sales"))
    done(dataset(server, "remove", "third"))
    fails(dataset(server, "show", "third"), 1, "there is no dataset “third”")
    fails(dataset(server, "remove", "third"), 1, "there is no dataset “third”")
    # The id of one that was removed is not given again: what was signed for it must not reach another.
    assert add(server, "fourth", {"table": "x"})["id"] == b["id"] + 2


def test_wrong_configurations_are_refused(server):
    before = done(dataset(server, "list"))
    for config, words in (({"table": "t", "authDict": {}}, "authDict: is not offered"), ({"table": "t", "tabel": 1}, "tabel: this key is not known"),
                          ({"table": "t", "preSql": ["delete from t where a=$x"]}, "$x is not known"),
                          ({"table": "t", "preSql": ["delete from t; delete from t"]}, "more than one statement"),
                          ({"table": "t", "postSql": ["COMMIT"]}, "COMMIT is not allowed"), ({"table": "t", "postSql": ["attach 'x' as y"]}, "attach is not"),
                          ("nonsense", "is no JSON"), ("[1]", "is no JSON object"), ('{"table":"t"', "is no JSON"), ({}, "table: is required")):
        fails(dataset(server, "add", "wrong", "--config", file(server, config)), 1, words)
    for name in ("123", "", "a b", "a/b", "x" * 65):
        fails(dataset(server, "add", name, "--config", file(server, CONFIG)), 1, "name: 1 to 64 letters")
    fails(dataset(server, "add", "wrong", "--config", "/nowhere"), 1, "/nowhere: ")
    assert done(dataset(server, "list")) == before


def test_set(server):
    add(server, "changing")
    changed = json.loads(done(dataset(server, "set", "changing", "maxRows=5", 'ops="C"', 'preSql=["truncate t"]', "id=null", "--json")))["config"]
    assert changed == {"table": "t(a,b)", "columns": CONFIG["columns"], "ops": "C", "maxRows": 5, "preSql": ["truncate t"]}, changed
    # One wrong key: nothing is changed.
    fails(dataset(server, "set", "changing", "maxRows=7", "upsert=true"), 1, 'upsert: needs "id"')
    fails(dataset(server, "set", "changing", "table=null"), 1, "table: is required")
    fails(dataset(server, "set", "changing", "table=t"), 1, "the value is no JSON; a text needs its quotes")
    assert json.loads(done(dataset(server, "show", "changing", "--json")))["config"] == changed
    fails(dataset(server, "set", "nothing", "maxRows=5"), 1, "there is no dataset")


def test_accounts(server):
    path = file(server, {"token": "a secret of this test", "receivers": ["*"], "host": ["127.0.0.1", "::1"], "window": 100})
    code, out, err = dataset(server, "account", "add", "alice", "--config", path, "--json")
    assert code == 0 and err == "" and "a secret of" not in out, (out, err)
    a = json.loads(out)
    assert (a["user"], a["modes"], a["window"], a["replay"], a["host"]) == ("alice", ["sha1"], 100, "on", ["127.0.0.1", "::1"]), a
    # Without settings a secret is made, and told this once.
    code, out, err = dataset(server, "account", "add", "bob", "--json")
    secret = json.loads(out)["token"]
    assert code == 0 and len(secret) == 43 and "may write to nothing yet" in err, err
    fails(dataset(server, "account", "add", "bob"), 1, "“bob” exists already")
    for command in (("list",), ("list", "--json"), ("show", "bob"), ("show", "bob", "--json"), ("show", "alice")):
        shown = done(dataset(server, "account", *command))
        assert secret not in shown and "a secret of" not in shown and ("bob" in shown or "alice" in shown), shown
    assert secret in done(dataset(server, "account", "show", "bob", "--secret"))
    # A secret may not be another's, nor begin with it, nor be its beginning.
    for token in (secret, secret + "x", secret[:-1], "a secret of this test, longer"):
        fails(dataset(server, "account", "add", "mallory", "--config", file(server, {"token": token, "receivers": []})), 1, "token: another account")
        fails(dataset(server, "account", "set", "alice" if token.startswith(secret[:9]) else "bob", "token=" + json.dumps(token)), 1, "another account")
    fails(dataset(server, "account", "add", "mallory", "--config", file(server, {"token": "short", "receivers": []})), 1, "token: must be")
    fails(dataset(server, "account", "add", "mallory", "--config", file(server, {})), 1, "receivers: is required")
    fails(dataset(server, "account", "add", "a\tb"), 1, "name: 1 to 255")
    assert "mallory" not in done(dataset(server, "account", "list"))


def test_account_set_and_remove(server):
    add(server, "target")
    done(dataset(server, "account", "add", "carol"))
    changed = json.loads(done(dataset(server, "account", "set", "carol", 'receivers=["target"]', 'modes=["hmac"]', "limit=60", "host=[]", "--json")))
    assert (changed["receivers"], changed["modes"], changed["limit"], changed["host"]) == (["target"], ["hmac"], 60, []), changed
    fails(dataset(server, "account", "set", "carol", 'receivers=["nothing"]'), 1, 'there is no dataset "nothing"')
    fails(dataset(server, "account", "set", "carol", "limit=5", 'user="nobody here"'), 1, "user: there is no user")
    fails(dataset(server, "account", "set", "carol", 'name="x"'), 1, "name: this setting is not known")
    back = json.loads(done(dataset(server, "account", "set", "carol", "host=null", "limit=null", 'user="mei"', "--json")))
    assert "host" not in back and back["limit"] == 0 and back["user"] == "mei", back
    code, _, err = dataset(server, "account", "set", "carol", 'modes=["sha1","unsigned"]')
    assert code == 0 and "sends its secret with each request" in err, err
    # A dataset that is made later under the same name is not hers.
    done(dataset(server, "remove", "target"))
    add(server, "target")
    assert json.loads(done(dataset(server, "account", "show", "carol", "--json")))["receivers"] == []
    assert "account carol removed" in done(dataset(server, "account", "remove", "carol"))
    fails(dataset(server, "account", "remove", "carol"), 1, "there is no account “carol”")


def test_account_import(server):
    path = file(server, {"smart1": {"token": "smartchart-secret-1", "host": ["10.0.0.1"], "limit": 5, "log": True, "cors": False},
                         "张三": {"token": "smartchart-secret-2"}})
    assert "account 张三 added" in done(dataset(server, "account", "import", path))
    a = json.loads(done(dataset(server, "account", "show", "smart1", "--json")))
    assert (a["receivers"], a["log"], a["cors"], a["limit"], a["host"]) == (["*"], 1, 0, 5, ["10.0.0.1"]), a
    # All or none.
    path = file(server, {"new one": {"token": "smartchart-secret-3"}, "张三": {"token": "smartchart-secret-4"}})
    fails(dataset(server, "account", "import", path), 1, 'account "张三": it exists already')
    path = file(server, {"new one": {"token": "smartchart-secret-3"}, "other": {"token": "smartchart-secret-3x"}})
    fails(dataset(server, "account", "import", path), 1, 'account "other": token: another account')
    path = file(server, {"new one": {"token": "smartchart-secret-3"}, "other": {"tokens": "x"}})
    fails(dataset(server, "account", "import", path), 1, "tokens: this setting is not known")
    assert "new one" not in done(dataset(server, "account", "list"))


def test_sign_is_accepted(server):
    add(server, "signing")
    done(dataset(server, "account", "add", "签名者", "--config", file(server, {"receivers": ["signing"], "modes": ["sha1", "hmac"]})))
    fields = dict(line.split("=", 1) for line in done(dataset(server, "sign", "签名者", "signing")).splitlines())
    assert list(fields) == ["visitor", "type", "stamp", "token"] and len(fields["token"]) == 40 and len(fields["stamp"]) == 13, fields
    accepted(send(server, {**fields, "ds": '["x",1]'}), inserted=1)
    number = json.loads(done(dataset(server, "show", "signing", "--json")))["id"]
    accepted(send(server, {**json.loads(done(dataset(server, "sign", "签名者", str(number), "--json"))), "ds": '["y",2]'}), inserted=1)
    body = "type=signing&ds=%5B%22z%22%2C3%5D"
    path = server.mount + ROWS
    out = done(dataset(server, "sign", "签名者", "signing", "--hmac", "POST", path, file(server, body)))
    headers = dict(line.split(": ", 1) for line in out.splitlines())
    assert headers["X-Slipway-Visitor"] == "%E7%AD%BE%E5%90%8D%E8%80%85", headers
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    accepted(server.request("POST", ROWS, body=body.encode(), headers=headers, user=None), inserted=1)
    assert sorted(table(server, "signing", "select a, b from t")) == [("x", 1), ("y", 2), ("z", 3)]
    # A GET with a query, an empty body.
    query = "type=uploadlog&param=%7B%7D"
    headers = json.loads(done(dataset(server, "sign", "签名者", "uploadlog", "--hmac", "GET", f"{path}?{query}", "-", "--json")))
    a = server.request("GET", f"{ROWS}?{query}", headers=headers, user=None)
    assert a.status == 200 and a.json["result"] == "success", a
    done(dataset(server, "account", "set", "签名者", 'modes=["hmac"]'))
    fails(dataset(server, "sign", "签名者", "signing"), 1, "does not take such signatures")
    fails(dataset(server, "sign", "nobody", "signing"), 1, "there is no account")
    fails(dataset(server, "sign", "签名者", "signing", "--hmac", "POST", path, "/nowhere"), 1, "/nowhere: cannot be read")


def test_changes_take_effect_with_the_next_request(server):
    add(server, "switch")
    done(dataset(server, "account", "add", "dave", "--config", file(server, {"token": "dave's first secret", "receivers": ["switch"]})))

    def call(key="dave's first secret"):
        return rows(server, "switch", ["x", 1], key=key, visitor="dave")
    accepted(call(), inserted=1)
    done(dataset(server, "disable", "switch"))
    assert "\tdisabled\t" in done(dataset(server, "list"))
    refused(call(), 404, "dataset not found")
    done(dataset(server, "enable", "switch"))
    done(dataset(server, "set", "switch", 'ops="U"'))
    refused(call(), 403, "forbidden")
    done(dataset(server, "set", "switch", 'ops="CU"', "id=null", 'preSql=["delete from t"]'))
    accepted(call(), inserted=1)
    assert table(server, "switch", "select count(*) from t") == [(1,)]
    # Both secrets hold during the grace time, then the new one alone.
    new = json.loads(done(dataset(server, "account", "rotate", "dave", "--grace", "1h", "--json")))
    assert new["rotating"] and len(new["token"]) == 43
    accepted(call(), inserted=1)
    accepted(call(new["token"]), inserted=1)
    newest = json.loads(done(dataset(server, "account", "rotate", "dave", "--grace", "0", "--json")))
    assert not newest["rotating"]
    refused(call(), 401)
    refused(call(new["token"]), 401)
    accepted(call(newest["token"]), inserted=1)
    done(dataset(server, "account", "set", "dave", "disabled=true"))
    refused(call(newest["token"]), 401)


def test_check(server):
    add(server, "tried", {**CONFIG, "autoCode": {"no": "SC"}, "columns": {**CONFIG["columns"], "no": "text", "who": "text"},
                          "autoDict": {"who": "$username"}})
    assert "dataset tried can be written to" in done(dataset(server, "check", "tried"))
    assert json.loads(done(dataset(server, "check", "tried", "--json"))) == {"ok": True, "msg": "success"}
    good, wrong = file(server, [["A", "B"], ["x", 1], ["y", 2]]), file(server, [["A", "B"], ["x", 1], ["y", "many"], ["z", "few"]])
    assert "rolled back: inserted=2 updated=0 deleted=0" in done(dataset(server, "check", "tried", "--dry-run", good))
    code, out, err = dataset(server, "check", "tried", "--dry-run", wrong)
    assert code == 1 and "row 2, column b: " in out and "row 3, column b: " in out and "row 2" in err, (out, err)
    code, out, _ = dataset(server, "check", "tried", "--dry-run", "-", "--json", stdin="[[1,2]")
    assert code == 1 and json.loads(out)["ok"] is False and json.loads(out)["msg"].startswith("bad request: "), out
    code, out, _ = dataset(server, "check", "tried", "--dry-run", "-", "--json", "--update", "1", "--account", "me", stdin='{"a":"x","b":2}')
    assert code == 0 and json.loads(out)["inserted"] == 0, out
    fails(dataset(server, "check", "tried", "--dry-run", "/nowhere"), 1, "/nowhere")
    assert not os.path.exists(f"{server.data}/tables/tried.sqlite") or \
        table(server, "tried", "select count(*) from sqlite_master where name = 't'") == [(0,)] or table(server, "tried", "select count(*) from t") == [(0,)]
    # A table that is not there, and a statement the database does not know.
    add(server, "absent", {"table": "nothing_there"})
    assert dataset(server, "check", "absent")[0] == 1
    add(server, "unknown", {**CONFIG, "preSql": ["delte from t"]})
    assert dataset(server, "check", "unknown")[0] == 1
    # A table nothing can be written into.
    add(server, "seen", {"table": "v"})
    table(server, "seen", "create view v as select 1 as a")
    code, _, err = dataset(server, "check", "seen")
    assert code == 1 and "database error: other in insert" in err, err
    add(server, "elsewhere", {**CONFIG, "target": "nowhere"})
    assert dataset(server, "check", "elsewhere")[0] == 1
    fails(dataset(server, "check", "no such"), 1, "there is no dataset")
    # A map of columns the table does not have would be a table without one.
    for name, geometry, missing in (("mapless", {"lon": "x", "lat": "y"}, "y"), ("shapeless", {"wkt": "shape"}, "shape"), ("mapped", {"lon": "x", "lat": "z"}, None)):
        add(server, name, {"table": "t", "columns": {"x": "real", "z": "real"}, "catalogue": True, "geometry": geometry})
        if missing is None:
            done(dataset(server, "check", name))
        else:
            fails(dataset(server, "check", name), 1, f'no column "{missing}"')


def test_log_and_tasks(server):
    add(server, "logged")
    done(dataset(server, "account", "add", "erin", "--config", file(server, {"token": "erin's only secret", "receivers": ["logged"], "user": "mei"})))
    task = accepted(rows(server, "logged", ["x", 1], key="erin's only secret", visitor="erin"), inserted=1)
    refused(rows(server, "logged", ["x", 1], key="another secret", visitor="erin"), 401)
    refused(rows(server, "logged", ["x"], key="erin's only secret", visitor="erin"), 400)
    refused(rows(server, "sales-of-nobody", ["x"], key="erin's only secret", visitor="erin"), 404)
    log = json.loads(done(dataset(server, "log", "erin", "--json")))
    assert [(e.get("status"), e["receiver"]) for e in log] == [(404, "sales-of-nobody"), (400, "logged"), (401, "logged"), (None, "logged")], log
    assert log[2]["reason"] == "wrong signature" and log[2]["msg"] == "auth failed" and log[2]["address"] == "127.0.0.1", log[2]
    assert (log[3]["task"], log[3]["inserted"], log[3]["state"]) == (task, 1, "success"), log[3]
    out = done(dataset(server, "log", "logged"))
    assert out.count("\n") == 3 and "refused 401\tauth failed (wrong signature)" in out and f"task {task} success +1 ~0 -0" in out, out
    assert "secret" not in out + json.dumps(log) and done(dataset(server, "log", "nobody at all")) == ""
    listed = json.loads(done(slipway(server, "task", "list", "--account", "erin", "--json")))
    assert [t["id"] for t in listed] == [task] and listed[0]["owner"] == "u:mei" and "mark" not in listed[0], listed
    line = done(slipway(server, "task", "list", "--owner", "mei")).splitlines()[0].split("\t")
    assert line[0] == str(task) and line[2:7] == ["receive", "success", "erin", "logged", "+1 ~0 -0"], line


def test_usage(server):
    for args in ((), ("lst",), ("list", "x"), ("show",), ("show", "a", "b"), ("show", "a", "--secret"), ("add",), ("set",), ("set", "a"), ("set", "a", "b"),
                 ("set", "a", "=5"), ("enable",), ("disable", "a", "b"), ("remove",), ("check",), ("check", "a", "--update", "1"),
                 ("check", "a", "--dry-run", "x", "--update", "3"), ("account",), ("account", "show"), ("account", "add"), ("account", "set", "a"),
                 ("account", "rotate", "a", "--grace", "soon"), ("account", "rotate", "a", "--grace", "-1d"), ("account", "remove"), ("account", "import"),
                 ("sign",), ("sign", "a"), ("sign", "a", "b", "c"), ("sign", "a", "b", "--hmac"), ("log", "a", "b"), ("list", "--nobody")):
        code, out, err = dataset(server, *args)
        assert code == 2 and out == "" and "usage:" in err, (args, code, out, err)
    assert dataset(server, "add", "x")[0] in (1, 2) and "x" not in [r["name"] for r in json.loads(done(dataset(server, "list", "--json")))]
    assert slipway(server, "task", "list", "x")[0] == 2
    assert "dataset account rotate" in slipway(server, "--help")[1]
    # Slipway's own --config may stand before the words.
    first = subprocess.run([f"{harness.BUILD}/slipway", "--config", server.conf, "--data-dir", server.data, "dataset", "add", "early", "--config",
                            file(server, CONFIG)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert first.returncode == 0, first


def test_secrets_stay_secret(server):
    done(dataset(server, "account", "add", "frank", "--config", file(server, {"token": KEY + " of frank", "receivers": []})))
    fields = signed("x", key=KEY + " of frank", visitor="frank", ds=["x"])
    refused(send(server, fields), 404)
    with open(server.log_path, errors="replace") as f:
        text = f.read()
    assert KEY not in text and fields["token"] not in text
    assert KEY not in done(dataset(server, "log")) and fields["token"] not in done(dataset(server, "log", "--json"))


if __name__ == "__main__":
    import test_dataset_command
    main(test_dataset_command)
