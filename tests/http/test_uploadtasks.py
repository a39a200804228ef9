"""Goal: upload tasks of SuperMap's file manager answer what their clients read, a file lands where the root rule says and
nowhere else, and every bad input leaves nothing (uploadtasks.md 1-8, 11; cases 1-14, 19-27)."""
import contextlib
import fcntl
import json
import os
import socket
import urllib.parse
import xml.etree.ElementTree
import zlib

import tasks
from harness import main
from steps import configured
from tasks import LIST, MANAGER, TASKS, files, form, listed, look, make, md5, message, placed, raw, send, state, zipped
from test_cgi import parse, start, variables


def area(server):
    """{path below the area: bytes}, what is hidden left out."""
    root, found = f"{server.data}/files", {}
    for base, _, names in os.walk(root):
        for name in names:
            path = os.path.join(base, name)
            rel = os.path.relpath(path, root)
            if not rel.startswith(".slipway") and not os.path.islink(path) and name != ".slipway":
                with open(path, "rb") as f:
                    found[rel] = f.read()
    return found


def spool(server):
    """Bytes of uploads."""
    return sorted(os.path.join(b, n) for b, _, ns in os.walk(f"{server.data}/uploads") for n in ns if n in ("part", "data"))


@contextlib.contextmanager
def nothing_changes(server):
    """Neither tasks nor bytes nor files of the area come or go."""
    def traces():
        return listed(server), spool(server), area(server)
    before = traces()
    yield
    assert traces() == before, (before, traces())
    assert not os.path.isdir(f"{server.data}/files/.slipway") or os.listdir(f"{server.data}/files/.slipway") == []


def managers(server):
    for user in ("mei", "otto"):
        server.slipway("user", "manager", user, "yes")


# ---- the resources

def test_only_managers_come_in(server):
    for path in (TASKS, MANAGER, LIST, TASKS + "/" + "0" * 32 + "_" + "0" * 32):
        message(server.get(path + ".json", user="mei"), 401)
        message(server.get(path + ".json", user=None), 401)
        message(server.get(path + ".json?token=nonsense..", user="admin"), 401)
    message(server.request("POST", TASKS + ".json", user="mei"), 401)
    assert server.get(TASKS + ".json", user="admin").json == []
    managers(server)
    assert server.get(TASKS + ".json").json == []


def test_create_answers_in_each_format(server):
    for suffix, body in ((".json", None), (".json", b"{}"), (".rjson", b'{"path":"a/b.zip"}'), ("", b""), (".JSON", None)):
        a = server.request("POST", TASKS + suffix, body=body)
        assert a.status == 201 and a.header("Content-Type") == "application/json;charset=UTF-8", a
        j = a.json
        assert j["succeed"] is True and j["postResultType"] == "CreateChild", j
        first, _, second = j["newResourceID"].partition("_")
        assert len(first) == len(second) == 32 and set(first + second) <= set("0123456789abcdef"), j
        assert a.header("Location") == j["newResourceLocation"], a
        want = suffix.lower() or ".rjson"
        assert j["newResourceLocation"] == f"http://127.0.0.1:{server.port}{TASKS}/{j['newResourceID']}{want}", j
        assert (b"\n" in a.body) == (want == ".rjson"), a
    a = server.request("POST", TASKS + ".xml", body=b"<Object><path>x/&lt;y&gt;.zip</path></Object>", headers={"X-RequestEntity-ContentType": "application/xml"})
    x = xml.etree.ElementTree.fromstring(a.body)
    assert a.status == 201 and x.tag == "MethodResult" and x.find("succeed").text == "true", a
    assert look(server, x.find("newResourceID").text)["path"] == "${fileManagerWorkDir}/x/<y>.zip"
    with configured(server, "[site]\npublic_url = https://maps.example.org/gis"):
        a = server.request("POST", TASKS + ".rjson", headers={"Host": "evil.example"})
        assert a.json["newResourceLocation"].startswith("https://maps.example.org/gis" + TASKS + "/"), a


def test_body_of_any_type(server):
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", "application/json;charset=utf-8"):
        a = server.request("POST", TASKS + ".json", body=b'\xef\xbb\xbf{"path":"t.csv","unknown":[1]}', headers={"Content-Type": kind})
        assert a.status == 201 and look(server, a.json["newResourceID"])["path"].endswith("/t.csv"), a
    sizes = [look(server, make(server, fileSize=size, md5=m))["md5"] for size, m in (("22970384", ""), (22970384, None), (5, "A" * 32))]
    assert sizes == [None, None, "a" * 32]


def test_list_holds_what_is_not_finished(server):
    before = listed(server)
    task = make(server, path="l.csv")
    assert listed(server) == before + [task]
    entry = server.get(TASKS + ".json").json[-1]
    assert entry == {"path": "${fileManagerWorkDir}/l.csv", "progress": 0, "taskID": task}, entry
    assert send(server, task, b"x").status == 200
    assert listed(server) == before
    j = look(server, task)
    assert j == {"md5": None, "path": "${fileManagerWorkDir}/l.csv", "progress": 100, "state": "COMPLETED", "taskID": task,
                 "uploadedByteCount": 1, "uploadedDataMD5": md5(b"x")}, j


def test_head_is_get_without_body(server):
    task = make(server, path="h.csv")
    for path in (TASKS, f"{TASKS}/{task}", MANAGER, LIST, "/manager/fileManager/uploadTasks", "//iserver//manager/filemanager/"):
        for suffix in (".json", ".rjson", ".xml", ".png", "", ".JSON", ".Rjson.XML"):
            if path.endswith("/") and suffix:
                continue
            get, head = server.get(path + suffix), server.request("HEAD", path + suffix)
            assert get.status == head.status == (406 if suffix == ".png" else 200), (path, suffix, get, head)
            assert head.body == b"" and int(head.header("Content-Length")) == len(get.body), (path, suffix, head.headers)
            assert head.header("Content-Type") == get.header("Content-Type")
            for name, value in (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")):
                assert get.header(name) == value, get.headers


def test_three_formats_say_the_same(server):
    name = '数据 &<>"]]>.csv'
    task = make(server, path=name)
    a = [server.get(f"{TASKS}/{task}{s}") for s in (".json", ".rjson", ".xml")]
    assert a[0].json == a[1].json and a[0].json["path"] == "${fileManagerWorkDir}/" + name, a
    x = xml.etree.ElementTree.fromstring(a[2].body)
    assert x.tag == "UploadTaskInfo" and a[2].header("Content-Type") == "application/xml;charset=UTF-8"
    said = {e.tag: e.text for e in x}
    assert said == {"path": a[0].json["path"], "progress": "0", "taskID": task, "state": "NEW", "uploadedByteCount": "0"}, said
    x = xml.etree.ElementTree.fromstring(server.get(TASKS + ".xml").body)
    assert x.tag == "list" and x[-1].tag == "UploadTaskInfo" and x[-1].find("taskID").text == task


def test_methods(server):
    task = make(server, path="m.csv")
    for path in (TASKS, f"{TASKS}/{task}"):
        for method, query in (("DELETE", ""), ("PUT", ""), ("POST", "?_method=DELETE"), ("POST", "?_method=put")):
            a = server.request(method, path + ".json" + query, body=b"{}")
            message(a, 405)
            assert {"GET", "HEAD", "POST"} <= set(a.header("Allow").split(", ")), a.headers
    a = server.request("POST", TASKS + ".json?_method=GET&t=1&_t=2&returnContent=true")
    assert a.status == 200 and task in [t["taskID"] for t in a.json], a
    assert server.get(TASKS + ".json?_method=DELETE").status == 200
    placed(server, b"x", "body/b.csv")
    a = server.request("POST", LIST + ".json?_method=GET", body=json.dumps({"path": "body", "filters": ["*.csv", "*.smwu"]}).encode())
    assert [f["fileName"] for f in a.json] == ["b.csv"], a


def test_unknown_and_foreign_tasks(server):
    task = make(server, user="otto", path="o.csv")
    own = task.split("_")[0]
    for id in (task, "0" * 65, "x", own + "_" + "0" * 32, "0" * 32 + "_" + task.split("_")[1], task[:-1], task + "0"):
        message(server.get(f"{TASKS}/{id}.json"), 404)
        message(send(server, id, b"x"), 404)
    a = server.get(f"{TASKS}/{task}.json", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert message(a, 404) == "没有这个上传任务。" and a.header("X-Slipway-Error") == "ERR_NOT_FOUND", a
    assert task not in listed(server) and task in listed(server, "otto") and task in listed(server, "admin")
    assert look(server, task.upper(), user="otto") == look(server, task, user="admin")
    message(send(server, task, b"x", user="admin"), 404)      # may look, not write
    assert send(server, task, b"x", user="otto").status == 200


# ---- where files go

def test_paths_stay_below_the_root(server):
    for to, want in (("../../Desktop/World-5.csv", "Desktop/World-5.csv"), ("./p1.csv", "p1.csv"), ("/etc/p2.csv", "etc/p2.csv"),
                     ("d:\\data\\p3.csv", "data/p3.csv"), ("a/../../../p4.csv", "p4.csv"), ("${fileManagerWorkDir}/Welt/./p5.csv", "Welt/p5.csv"),
                     ("../../../../../../etc/x.csv", "etc/x.csv"), ("河流/数据.csv", "河流/数据.csv"), ("..%2F..%2Fp6.csv", "p6.csv")):
        _, j = placed(server, to.encode(), urllib.parse.quote(to, safe="/%.${}") if "%" not in to else to)
        assert j == {"fileName": want.rpartition("/")[2], "filePath": "${fileManagerWorkDir}/" + want, "fileSize": len(to.encode()),
                     "isDirectory": False}, j
        assert area(server)[want] == to.encode()
    assert not os.path.exists("/etc/x.csv") and not os.path.exists("/etc/p2.csv")
    # What was told is taken again.
    assert files(server, urllib.parse.quote("${fileManagerWorkDir}/Desktop")) == {"World-5.csv": 25}


def test_bad_targets_end_the_task(server):
    outside = os.path.join(server.dir, "outside")
    os.makedirs(outside, exist_ok=True)
    os.chmod(outside, 0o777)
    placed(server, b"x", "here.csv")
    if not os.path.islink(f"{server.data}/files/link"):
        os.symlink(outside, f"{server.data}/files/link")
        os.symlink("/etc/passwd", f"{server.data}/files/loose.csv")
    for to in ("/", "..", "a" * 256 + ".csv", "shell.php", "a/.htaccess", ".slipway/x.csv", "link/x.csv", "link/sub/x.csv", "loose.csv"):
        for overwrite in ("false", "true"):
            task = make(server)
            with nothing_changes_but_task(server, task):
                message(send(server, task, b"evil", f"toFile={to}&overwrite={overwrite}"), 400)
            j = look(server, task)
            assert (j["state"], j["uploadedByteCount"]) == ("ERROR", None), j
    # lighttpd takes no control character in an address.
    task = make(server)
    message(send(server, task, b"evil", extra=[("toFile", "a\ty.csv")]), 400)
    assert state(server, task) == "ERROR"
    assert os.listdir(outside) == []
    # It may start again.
    assert send(server, task, b"good", "toFile=again.csv").status == 200 and area(server)["again.csv"] == b"good"


@contextlib.contextmanager
def nothing_changes_but_task(server, task):
    """TASK may leave the list with its bytes."""
    before = [t for t in listed(server) if t != task], area(server)
    others = len(spool(server)) - 1
    yield
    assert ([t for t in listed(server) if t != task], area(server)) == before
    assert len(spool(server)) == others, spool(server)


def test_numbers_instead_of_overwriting(server):
    for i, want in enumerate(("rivers.csv", "rivers0.csv", "rivers1.csv")):
        _, j = placed(server, b"%d" % i, "n/rivers.csv")
        assert j["fileName"] == want and j["filePath"].endswith("/n/" + want), j
    _, j = placed(server, b"new", "n/rivers.csv", "overwrite=True")
    assert j["fileName"] == "rivers.csv"
    assert {k: v for k, v in area(server).items() if k.startswith("n/")} == {"n/rivers.csv": b"new", "n/rivers0.csv": b"1", "n/rivers1.csv": b"2"}
    task = make(server)
    message(send(server, task, b"x", "toFile=n&overwrite=true"), 409)
    assert state(server, task) == "ERROR"
    with configured(server, "[iserver]\noverwrite = yes"):
        assert placed(server, b"newer", "n/rivers.csv")[1]["fileName"] == "rivers.csv"
        assert placed(server, b"x", "n/rivers.csv", "overwrite=0")[1]["fileName"] == "rivers2.csv"


def test_target_from_the_best_source(server):
    task = make(server, path="s/of-task.csv")
    assert send(server, task, b"x", name="dir\\of-part.csv").json["fileName"] == "of-task.csv"
    assert send(server, make(server), b"x", name="C:\\dir/../of-part.csv").json["filePath"] == "${fileManagerWorkDir}/of-part.csv"
    a = send(server, make(server), b"x", extra=[("toFile", "s/of-field.csv"), ("overwrite", "true")])
    assert a.json["filePath"] == "${fileManagerWorkDir}/s/of-field.csv", a
    a = send(server, make(server), b"x", "toFile=s/of-query.csv", extra=[("toFile", "s/of-field.csv")])
    assert a.json["fileName"] == "of-query.csv", a
    body, kind = form(b"x", "p.csv")
    late = body.replace(b"--\r\n", b"\r\nContent-Disposition: form-data; name=\"toFile\"\r\n\r\ns/late.csv\r\n------b0und4ry--\r\n")
    a = server.request("POST", f"{TASKS}/{make(server)}.json", body=late, headers={"Content-Type": kind})
    assert a.json["fileName"] == "late.csv", a


# ---- bodies

def test_part_heads_of_all_clients(server):
    task = make(server)
    b = "------------------------Sat+Nov+21+23%3A27%3A37+UTC+2026"
    data = b"PK not really\r\n--" + b.encode()[:-1] + b"\r\n" + b"--" + b.encode() + b" inside\r\n"
    body = ("--%s\r\nContent-Disposition:form-data;name=\"World.zip\";filename=\"World.zip\"\r\n\r\n" % b).encode() + data + \
        ("\r\n--%s--\r\n" % b).encode()
    for kind in ("multipart/form-data; boundary=" + b, "Multipart/Form-Data;boundary=\"%s\"" % b, "multipart/form-data;   charset=utf-8;BOUNDARY=" + b):
        a = server.request("POST", f"{TASKS}/{make(server)}.json?toFile=heads.zip&overwrite=true", body=body, headers={"Content-Type": kind})
        assert a.status == 200 and a.json["fileSize"] == len(data), (kind, a)
        assert area(server)["heads.zip"] == data
    for head, want in (("name=\"f\"; filename=\"plain.csv\"; filename*=UTF-8''%E6%B2%B3.csv", "河.csv"),
                       ("name=\"f\"; filename=\"q%22uote.csv\"", 'q"uote.csv'), ("NAME=f;FILENAME=bare.csv", "bare.csv")):
        body = ("--b\r\ncontent-disposition: form-data; %s\r\n\r\nx\r\n--b--\r\n" % head).encode()
        a = server.request("POST", f"{TASKS}/{make(server)}.json", body=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
        assert a.status == 200 and a.json["fileName"] == want, a
    body = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"".encode() + "河流.csv".encode("gb18030") + b"\"\r\n\r\nx\r\n--b--\r\n"
    a = server.request("POST", f"{TASKS}/{make(server)}.json", body=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert a.json["fileName"] == "河流.csv", a
    # The only part is the file though it has no file name, short or long.
    for data in (b"\0\xff short", os.urandom(200_000)):
        body = b"--b\r\nContent-Disposition: form-data; name=\"anything\"\r\n\r\n" + data + b"\r\n--b--\r\n"
        a = server.request("POST", f"{TASKS}/{make(server)}.json?toFile=only.bin&overwrite=true", body=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
        assert a.status == 200 and area(server)["only.bin"] == data, a


def test_raw_body_is_the_file(server):
    data = b'{"this":"is not JSON for us"}\r\n'
    for kind in ("application/json;charset=utf-8", "application/x-www-form-urlencoded", "text/xml", "multipart/mixed; boundary=x"):
        a = server.request("POST", f"{TASKS}/{make(server)}.json?toFile=raw.json&overwrite=true", body=data, headers={"Content-Type": kind})
        assert a.status == 200 and area(server)["raw.json"] == data, (kind, a)


def test_large_file_keeps_memory_small_and_bytes_whole(server):
    data = os.urandom(30 << 20)
    task = make(server, fileSize=len(data), md5=md5(data).upper())
    a = send(server, task, data, "toFile=large.bin")
    assert a.status == 200 and area(server)["large.bin"] == data, a
    j = look(server, task)
    assert (j["state"], j["uploadedDataMD5"], j["uploadedByteCount"]) == ("COMPLETED", md5(data), len(data))
    assert spool(server) == [p for p in spool(server) if os.path.getsize(p) < 1 << 20]


def test_empty_files(server):
    assert placed(server, b"", "e/empty.csv")[1]["fileSize"] == 0
    a = raw(server, make(server, fileSize=0), b"", "toFile=e/raw.csv")
    assert a.status == 200 and a.json["fileSize"] == 0, a
    _, j = placed(server, zipped({}), "e/none.zip", "unzip=true")
    assert j == {"fileName": "none", "filePath": "${fileManagerWorkDir}/e/none/", "fileSize": 0, "isDirectory": True}, j
    assert files(server, "e/none") == {}


def test_refused_bodies_leave_the_task_as_it_was(server):
    task = make(server)
    as_it_was = look(server, task)
    two, kind = form(b"one")
    two = two.replace(b"--\r\n", b"\r\nContent-Disposition: form-data; name=\"g\"; filename=\"b.csv\"\r\n\r\ntwo\r\n------b0und4ry--\r\n")
    part = b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.csv\"\r\n"
    for query, body, headers in (
            ("", None, {}), ("toFile=x.csv", b"", {}), ("toFile=x.csv", b"", {"Content-Type": "multipart/form-data; boundary=b"}),
            ("", b"raw without a name", {}),
            ("toFile=x.csv", b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}),
            ("toFile=x.csv", b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\n2\r\n--b--\r\n",
             {"Content-Type": "multipart/form-data; boundary=b"}),
            ("toFile=x.csv", two, {"Content-Type": kind}),
            ("toFile=x.csv", two, {"Content-Type": "multipart/form-data"}),
            ("toFile=x.csv", two, {"Content-Type": "multipart/form-data; boundary=" + "b" * 201}),
            ("toFile=x.csv", part + b"X-Long: " + b"x" * 17000 + b"\r\n\r\nx\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}),
            ("toFile=x.csv", part + b"Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}),
            ("toFile=x.csv", b"x", {"Content-Encoding": "gzip"}),
            ("toFile=x.csv&overwrite=maybe", b"x", {}), ("toFile=x.csv&unzip=2", b"x", {}), ("toFile=x.csv&offset=-1", b"x", {}),
            ("toFile=x.csv&offset=1x", b"x", {}), ("toFile=x.csv", b"x", {"Content-Range": "bytes */10"}),
            ("toFile=x.csv", b"x", {"Content-Range": "bytes 5-4/10"}), ("toFile=x.csv&offset=3", b"x", {"Content-Range": "bytes 4-4/10"})):
        with nothing_of_files_changes(server):
            message(server.request("POST", f"{TASKS}/{task}.json?{query}", body=body, headers=headers), 400)
        j = look(server, task)
        assert {k: j[k] for k in ("state", "uploadedByteCount", "uploadedDataMD5", "progress")} == \
            {k: as_it_was[k] for k in ("state", "uploadedByteCount", "uploadedDataMD5", "progress")}, (query, body, j)
    # each is told what is wrong with it; none is "cut on the way"
    for body, headers, words in ((two, {"Content-Type": kind}, "more than one file"), (None, {}, "No file"), (b"x", {"Content-Encoding": "gzip"}, "gzip")):
        assert words in message(server.request("POST", f"{TASKS}/{task}.json?toFile=x.csv", body=body, headers=headers), 400), words
    message(raw(server, task, b"x", "toFile=x.csv&offset=5"), 409)
    assert state(server, task) == "NEW"


@contextlib.contextmanager
def nothing_of_files_changes(server):
    before = listed(server), len(spool(server)), area(server)
    yield
    assert (listed(server), len(spool(server)), area(server)) == before


# ---- promises

def test_size_and_digest_are_kept(server):
    placed(server, b"old", "k/file.csv")
    task = make(server, md5="0" * 32)
    assert "MD5" in message(send(server, task, b"data", "toFile=k/file.csv&overwrite=true"), 400)
    j = look(server, task)
    assert (j["state"], j["uploadedDataMD5"], j["uploadedByteCount"], j["md5"]) == ("ERROR", md5(b"data"), None, "0" * 32), j
    task = make(server, fileSize=3)
    message(send(server, task, b"data", "toFile=k/file.csv&overwrite=true"), 413)
    assert look(server, task)["state"] == "ERROR"
    message(raw(server, make(server, fileSize=3), b"data", "toFile=k/file.csv"), 413)
    task = make(server, fileSize=5)
    message(send(server, task, b"data", "toFile=k/file.csv"), 400)
    j = look(server, task)
    assert (j["state"], j["uploadedByteCount"], j["uploadedDataMD5"], j["progress"]) == ("UPLOADING_ERROR", 4, md5(b"data"), 80), j
    assert {k: v for k, v in area(server).items() if k.startswith("k/")} == {"k/file.csv": b"old"}
    assert raw(server, task, b"!", "toFile=k/file.csv&offset=4&overwrite=true").status == 200
    assert area(server)["k/file.csv"] == b"data!"
    message(send(server, task, b"more", "toFile=k/file.csv"), 409)


def test_bad_creations_leave_nothing(server):
    with nothing_changes(server):
        for body in (b"{", b"[]", b"7", b"null x", b"\xff", b"{\"a\":1}{", b"<Object><path>&x;</path></Object>",
                     b"<!DOCTYPE Object [<!ENTITY x \"y\">]><Object><path>&x;</path></Object>", b"<Object>"):
            message(server.request("POST", TASKS + ".json", body=body), 400)
        a = server.request("POST", TASKS + ".json", body=b'{"path":"' + b"x" * (1 << 20) + b'"}')
        message(a, 400)
        for name, value in (("md5", "0" * 31), ("md5", "g" * 32), ("fileSize", -1), ("fileSize", 1.5), ("fileSize", "many"), ("fileSize", "-1"),
                            ("fileSize", [1]), ("path", ".."), ("path", "a\nb"), ("path", "x.php"), ("path", {"a": 1})):
            assert name in message(server.request("POST", TASKS + ".json", body=json.dumps({name: value}).encode()), 400), (name, value)
        message(server.request("POST", TASKS + ".json", body=b'{"path":"a\\u0000b"}'), 400)
        message(server.request("POST", TASKS + ".json", body=b'{"fileSize":1000000000000000}'), 413)
        message(server.request("POST", TASKS + ".json", body=b'{"fileSize":99999999999999999999}'), 400)
        for suffix in (".png", ".html", ".jsonp", ".foo"):
            for method in ("GET", "HEAD", "POST"):
                assert server.request(method, TASKS + suffix).status == 406, (suffix, method)


def test_too_many_and_too_large(server):
    with configured(server, "[upload]\nmax_open = 3\nmax_size = 1000\nquota = 1500\n"):
        made = [make(server, user="otto") for _ in range(3 - len(listed(server, "otto")))]
        message(server.request("POST", TASKS + ".json", user="otto"), 429)
        with nothing_of_files_changes(server):
            message(raw(server, made[0], b"x" * 1001, "toFile=x.csv", user="otto"), 413)
            assert server.request("POST", TASKS + ".json", body=b'{"fileSize":1001}', user="admin").status == 413
        assert look(server, made[0], "otto")["state"] == "NEW"
        # Without a length only the bytes tell.
        path, body = f"{TASKS}/{made[0]}.json?toFile=x.csv", form(b"x" * 2000)
        env = variables(server, "POST", path, kind=body[1], user="otto", CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked")
        a = parse(start(server, env, body[0]))
        message(a, 413)
        assert look(server, made[0], "otto")["state"] == "ERROR"
        assert send(server, made[1], b"x" * 900, "toFile=q.csv", user="otto").status == 200
    with configured(server, "[upload]\nmin_free = 900T\n"):
        with nothing_changes(server):
            message(server.request("POST", TASKS + ".json", body=b'{"fileSize":10}'), 507)


def test_chunked_by_environment(server):
    """What nginx unbuffered and Apache's CGI hand over: no length, and the end of input."""
    def ask(task, body, kind, query="toFile=chunked.csv&overwrite=true"):
        env = variables(server, "POST", f"{TASKS}/{task}.json?{query}", kind=kind, CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked")
        return parse(start(server, env, body))
    body, kind = form(b"a,b\n1,2\n")
    assert ask(make(server), body, kind).status == 200 and area(server)["chunked.csv"] == b"a,b\n1,2\n"
    task = make(server)
    message(ask(task, body[:-22], kind), 400)
    j = look(server, task)
    assert (j["state"], j["uploadedByteCount"], j["uploadedDataMD5"]) == ("UPLOADING_ERROR", 6, md5(b"a,b\n1,")), j
    # What may be the beginning of a delimiter is not counted.
    task = make(server)
    message(ask(task, body[:-10], kind), 400)
    assert look(server, task)["uploadedByteCount"] == 8
    task = make(server)
    message(ask(task, b"raw", "text/csv"), 411)
    assert state(server, task) == "NEW"
    task = make(server, fileSize=6)
    message(ask(task, b"raw", "text/csv"), 400)
    assert look(server, task)["uploadedByteCount"] == 3
    assert ask(make(server, fileSize=3), b"raw", "text/csv").status == 200 and area(server)["chunked.csv"] == b"raw"
    # Neither length nor chunks: no body.
    env = variables(server, "POST", f"{TASKS}/{make(server)}.json?toFile=x.csv", kind="text/csv", CONTENT_LENGTH=None)
    message(parse(start(server, env, b"")), 400)


def test_idesktop_byte_for_byte(server):
    """Chunked, a boundary with % and +, heads without blanks, a location with two suffixes, a path from its desktop."""
    location = server.request("POST", TASKS + ".rjson", body=b"{}", headers={"Content-Type": "application/x-www-form-urlencoded"}).json["newResourceLocation"]
    assert location.endswith(".rjson")
    path = urllib.parse.urlsplit(location).path + ".Json?overwrite=true&unzip=true&toFile=../../Desktop/X-1.zip"
    b = "------------------------Sat+Nov+21+23%3A27%3A37+UTC+2026"
    data = zipped({"X-1/World.udb": os.urandom(100_000), "X-1/World.smwu": b"<xml/>"})
    body = ("--%s\r\nContent-Disposition:form-data;name=\"newfile\";filename=\"X-1.zip\"\r\nContent-Type:application/octet-stream\r\n\r\n" % b).encode() + \
        data + ("\r\n--%s--\r\n" % b).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as s:
        s.sendall((f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.tokens['mei']}\r\nTransfer-Encoding: chunked\r\n"
                   f"Content-Type: multipart/form-data; boundary={b}\r\nConnection: close\r\n\r\n").encode())
        for at in range(0, len(body), 4096):
            piece = body[at:at + 4096]
            s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        s.sendall(b"0\r\n\r\n")
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["filePath"] == "${fileManagerWorkDir}/Desktop/X-1/"
    assert area(server)["Desktop/X-1/X-1/World.smwu"] == b"<xml/>"


def test_iclient_python_request_for_request(server):
    """Its Management: create, upload with overwrite and unzip, look until COMPLETED, then read what is there."""
    token = server.request("POST", "/iserver/services/security/tokens.rjson", user=None, body=json.dumps(
        {"userName": "mei", "password": "another long phrase", "clientType": "RequestIP", "expiration": 60}).encode()).text
    world = zipped({"World/World.sxwu": b"<w/>", "World/World.udb": b"u" * 5000})
    for overwrite, want in ((True, "World"), (True, "World"), (False, "World0"), (False, "World1")):
        made = server.request("POST", f"/manager/filemanager/uploadtasks.rjson?token={token}", body=b"{}", user=None).json
        assert made["succeed"] is True
        body, kind = form(world, "World.zip", "file")
        a = server.request("POST", f"/manager/filemanager/uploadtasks/{made['newResourceID']}.rjson?toFile=.%2FWorld.zip&overwrite={overwrite}&unzip=True&token={token}",
                           body=body, headers={"Content-Type": kind, "Accept": "*/*"}, user=None)
        assert a.status == 200 and a.json == {"fileName": want, "filePath": "${fileManagerWorkDir}/%s/" % want, "fileSize": 0, "isDirectory": True}, a
        j = server.get(f"/manager/filemanager/uploadtasks/{made['newResourceID']}.rjson?token={token}", user=None).json
        assert (j["state"], j["progress"]) == ("COMPLETED", 100), j
        assert files(server, urllib.parse.quote(a.json["filePath"] + "World")) == {"World.sxwu": 4, "World.udb": 5000}
    assert {f"{w}/World/World.udb" for w in ("World", "World0", "World1")} <= set(area(server))


# ---- archives

def test_hostile_archives_leave_no_folder(server):
    def bomb(size):
        c = zlib.compressobj(9, zlib.DEFLATED, -15)
        return tasks.hostile.Zip().add("a.csv", b"", raw=c.compress(bytes(size)) + c.flush(), size=size, crc=zlib.crc32(bytes(size))).bytes()
    Zip = tasks.hostile.Zip
    many = Zip()
    for i in range(10_001):
        many.add("%d.csv" % i, method=0)
    for data, status in ((b"no zip", 400), (bomb(150 << 20), 413), (many.bytes(), 413), (Zip().add("a.csv", b"x").add("b.csv", b"x", at=0).bytes(), 400),
                         (Zip().add("a.csv", b"x" * 100, size=10).bytes(), 400), (Zip().add("../../x.csv", b"x").bytes(), 400),
                         (Zip().add("/abs.csv", b"x").bytes(), 400), (Zip().add("a\\..\\..\\x.csv", b"x").bytes(), 400),
                         (Zip().add("l", b"/etc", mode=0o120777).bytes(), 400), (Zip().add("A.csv", b"1").add("a.csv", b"2").bytes(), 400),
                         (Zip().add("x/shell.php", b"<?php").bytes(), 400), (Zip().add("e.csv", b"x", flags=1).bytes(), 400)):
        task = make(server)
        with nothing_changes_but_task(server, task):
            text = message(send(server, task, data, "toFile=bad/h.zip&unzip=true", "h.zip"), status)
        assert state(server, task) == "ERROR" and not os.path.exists(f"{server.data}/files/bad/h"), text
    assert "x/shell.php" in message(send(server, task, Zip().add("x/shell.php", b"").bytes(), "toFile=bad/h.zip&unzip=true"), 400)
    assert os.listdir(f"{server.data}/files/.slipway") == []
    with configured(server, "[iserver]\nunzip_size = 1000\n"):
        assert "1000\u00a0bytes" in message(send(server, make(server), zipped({"a.csv": b"x" * 1001}), "toFile=bad/h.zip&unzip=true"), 413)
        assert send(server, make(server), zipped({"a.csv": b"x" * 1000}), "toFile=good/h.zip&unzip=true").status == 200
    with configured(server, "[iserver]\nunzip_timeout = 1\n"), open(f"{server.data}/locks/unpack", "a") as others:
        task = make(server)
        # Others unpack and leave it none of the places.
        os.chown(others.fileno(), os.stat(server.data).st_uid, -1)
        fcntl.lockf(others, fcntl.LOCK_EX)
        with nothing_changes_but_task(server, task):
            message(send(server, task, zipped({"a.csv": b"x"}), "toFile=bad/h.zip&unzip=true"), 500)
        assert state(server, task) == "ERROR"


def test_archive_names_in_their_encodings(server):
    z = tasks.hostile.Zip().add("河流.csv".encode("gb18030"), b"1").add("数据/点.csv".encode(), b"2", flags=0x800)
    placed(server, z.bytes(), "enc/names.zip", "unzip=true")
    assert files(server, "enc/names") == {"数据": None, "河流.csv": 1}
    placed(server, z.bytes(), "enc/kept.zip")
    assert area(server)["enc/kept.zip"] == z.bytes()


def test_unzip_replaces_only_what_unzip_made(server):
    placed(server, zipped({"old.csv": b"old", "same.csv": b"old"}), "u/world.zip", "unzip=true&overwrite=true")
    placed(server, zipped({"new.csv": b"new", "same.csv": b"new"}), "u/world.ZIP", "unzip=true&overwrite=true")
    assert files(server, "u/world") == {"new.csv": 3, "same.csv": 3}
    placed(server, b"mine", "u/own/mine.csv")
    for to in ("u/own", "u/own/mine.csv"):
        task = make(server)
        message(send(server, task, zipped({"x.csv": b"x"}), f"toFile={to}.zip&unzip=true&overwrite=true" if to == "u/own" else
                     f"toFile={to}&unzip=true&overwrite=true"), 409)
    assert area(server)["u/own/mine.csv"] == b"mine"
    assert placed(server, zipped({"x.csv": b"x"}), "u/own.zip", "unzip=true")[1]["fileName"] == "own0"
    message(send(server, make(server), zipped({}), "toFile=u/.zip&unzip=true"), 400)


# ---- the area

def test_area_is_listed_and_emptied(server):
    assert server.get(MANAGER + ".json?path=./&mode=editRelativePath").json == {"Path": "${fileManagerWorkDir}/"}
    for name in ("b.csv", "A.CSV", "c.txt", ".hidden.csv", "sub/d.csv"):
        placed(server, name.encode(), "ls/" + name)
    a = server.get(LIST + ".json?path=ls")
    assert a.json == [
        {"fileName": "sub", "filePath": "${fileManagerWorkDir}/ls/sub/", "fileSize": 0, "isDirectory": True},
        {"fileName": "A.CSV", "filePath": "${fileManagerWorkDir}/ls/A.CSV", "fileSize": 5, "isDirectory": False},
        {"fileName": "b.csv", "filePath": "${fileManagerWorkDir}/ls/b.csv", "fileSize": 5, "isDirectory": False},
        {"fileName": "c.txt", "filePath": "${fileManagerWorkDir}/ls/c.txt", "fileSize": 5, "isDirectory": False}], a
    assert files(server, "ls", filters="*.csv;*.smwu") == files(server, "ls", filters='["*.csv"]') == {"sub": None, "A.CSV": 5, "b.csv": 5}
    assert files(server, "ls/b.csv") == {"b.csv": 5}
    x = xml.etree.ElementTree.fromstring(server.get(LIST + ".xml?path=ls").body)
    assert x.tag == "list" and x[0].tag == "FileInfo" and x[0].find("isDirectory").text == "true"
    for path in ("ls/none", "ls/b.csv/x"):
        message(server.get(LIST + ".json?path=" + path), 404)
    assert set(files(server)) == set(files(server, "..")) and "ls" in files(server)
    for path in ("", "/", ".."):
        message(server.request("DELETE", LIST + ".json?path=" + path), 400)
    message(server.request("DELETE", LIST + ".json?path=ls/none"), 404)
    assert server.request("DELETE", LIST + ".json?path=ls/b.csv").json == {"succeed": True}
    assert server.request("POST", LIST + ".json?_method=DELETE&path=ls/sub").json == {"succeed": True}
    assert files(server, "ls") == {"A.CSV": 5, "c.txt": 5}
    assert server.request("DELETE", LIST + ".json?path=ls").status == 200
    assert not os.path.exists(f"{server.data}/files/ls")
    message(server.request("POST", LIST + ".json"), 405)
    assert server.get(LIST + ".json?path=link").status == 400      # made by a test above


def test_root_of_ones_own_and_real_paths(server):
    root = os.path.join(server.dir, "roots")
    os.makedirs(root, exist_ok=True)
    os.chmod(root, 0o777)
    with configured(server, f"[iserver]\nroot = {root}/%u\nfile_paths = absolute\n"):
        _, j = placed(server, b"x", "own/a.csv")
        assert j["filePath"] == f"{root}/mei/own/a.csv", j
        assert server.get(MANAGER + ".json").json == {"Path": f"{root}/mei/"}
        assert files(server, j["filePath"]) == {"a.csv": 1}
        assert files(server, user="otto") == {}
        assert set(files(server)) == {"own"} and oct(os.stat(f"{root}/mei").st_mode & 0o777) == "0o750"


if __name__ == "__main__":
    import test_uploadtasks
    main(test_uploadtasks)
