"""Goal: data items are made, filled, replaced, shared and deleted; interrupted ones go on; nothing is left of what is refused
or deleted (datas.md 9, 13, cases 11-15, 18, 23, 24, 31)."""
import contextlib
import hashlib
import http.client
import os
import signal
import socket
import sqlite3
import threading
import time

from datas import DATAS, MINE, ask, entity, good, ids, item, make, query, refused
from harness import Server, main, multipart, nothing_left
from steps import configured


def md5(data):
    return hashlib.md5(data).hexdigest()


def upload(server, id, data, what="upload", path_query="", user="mei", **headers):
    return ask(server, "POST", f"{MINE}/{id}/{what}.json{path_query}", data, user=user, **headers)


def test_create(server):
    before = server.traces()
    a = ask(server, "POST", MINE + ".json", {"fileName": "a/b\\井.csv", "tags": ["water"], "description": None, "authorizeSetting": [],
                                             "coordType": "wgs84", "dataMetaInfo": {"xField": "lon", "fileEncoding": "GBK"},
                                             "unknown": 1})
    assert good(a, 201) == {"childID": a.json["childID"], "isAsynchronizedReturn": False, "childContent": None, "childUrl": None,
                            "customResult": None} and isinstance(a.json["childID"], str), a
    assert a.header("Location").endswith(f"{MINE}/{a.json['childID']}"), a.headers
    d = item(server, a.json["childID"])
    assert (d["fileName"], d["type"], d["status"], d["size"], d["MD5"]) == ("井.csv", "CSV", "CREATED", 0, None), d
    assert d["coordType"] == "WGS84" and d["dataMetaInfo"] == {"xField": "lon", "fileEncoding": "GBK"} and d["dataCheckResult"] is None, d
    assert good(ask(server, "DELETE", f"{MINE}/{d['id']}.json")) == {"succeed": True}
    refused(ask(server, "GET", f"{DATAS}/{d['id']}.json"), 404)
    nothing_left(server, before)


def test_create_types(server):
    for name, type in (("a.shp.zip", "SHP"), ("a.zip", "UNKNOWN"), ("a.GeoJSON", "GEOJSON"), ("a.json", "JSON"), ("a.tsv", "CSV"),
                       ("a.xlsx", "EXCEL"), ("a.tif", "IMAGE"), ("a.mbtiles", "MBTILES"), ("a.smwu", "WORKSPACE"), ("a.pdf", "PDF"),
                       ("a.kml", "UNKNOWN"), ("noending", "UNKNOWN")):
        d = item(server, make(server, name, None))
        assert d["type"] == type, (name, d)
    d = item(server, make(server, "a.json", None, type="GEOJSON"))
    assert d["type"] == "GEOJSON", d
    good(ask(server, "POST", MINE + "/delete.json", ids(query(server, MINE, pageSize=100))))


def test_create_as_xml(server):
    xml = "<Object><fileName>x&amp;y.csv</fileName><tags><string>a</string><string>b</string></tags><dirId/></Object>"
    a = ask(server, "POST", MINE + ".xml", xml.encode(), X_RequestEntity_ContentType="application/xml")
    assert a.status == 201 and b"<PostResult><childID>" in a.body, a
    d = query(server, MINE, fileName="x&y.csv")["content"][0]
    assert d["tags"] == ["a", "b"], d
    for bad in ("<Object><fileName>x</fileName>", '<!DOCTYPE a [<!ENTITY e "x">]><Object><fileName>&e;</fileName></Object>',
                "<Object><fileName>&e;</fileName></Object>", "<Object><fileName>a</fileName><fileName>b</fileName></Object>"):
        refused(ask(server, "POST", MINE + ".json", bad.encode()), 400)
    good(ask(server, "DELETE", f"{MINE}/{d['id']}.json"))


def test_create_refusals(server):
    before = server.traces()
    count = query(server, MINE)["total"]
    for body in ({}, {"fileName": ""}, {"fileName": ".."}, {"fileName": "."}, {"fileName": "a/"}, {"fileName": "a\nb"}, {"fileName": 7},
                 {"fileName": "x" * 256}, {"fileName": "a", "type": "NOTHING"}, {"fileName": "a", "type": "HDFS"},
                 {"fileName": "a", "tags": ["x", "x"]}, {"fileName": "a", "tags": [""]}, {"fileName": "a", "tags": "x"},
                 {"fileName": "a", "tags": ["x" * 101]}, {"fileName": "a", "tags": [str(n) for n in range(51)]},
                 {"fileName": "a", "coordType": "MOON"}, {"fileName": "a", "dataMetaInfo": "x"}, {"fileName": "a", "md5": "zz"},
                 {"fileName": "a", "fileSize": -1}, {"fileName": "a", "fileSize": 1.5}, {"fileName": "a", "fileSize": "x"},
                 {"fileName": "a", "authorizeSetting": [entity("nobody", "SEARCH")]}, {"fileName": "a", "authorizeSetting": "x"},
                 [], "x", b"{", b"\xff", b""):
        refused(ask(server, "POST", MINE + ".json", body), 400)
    assert ask(server, "POST", MINE + ".json", {"fileName": "a"}, user=None).status == 401
    refused(ask(server, "POST", MINE + ".json", {"fileName": "a", "fileSize": 10 ** 15}), 413)
    assert query(server, MINE)["total"] == count
    nothing_left(server, before)


def test_13_bodies(server):
    data = b'{"type":"FeatureCollection"}\r\n--x\r\n' + bytes(range(256)) * 300
    odd = b"------------------------Sat+Nov+21+23%3A27%3A37+UTC+2026"
    form = (b"--" + odd + b'\r\nContent-Disposition:form-data;name="a.bin";filename="a.bin"\r\n\r\n' + data + b"\r\n--" + odd + b"--\r\n")
    before = server.traces()
    for body, headers in ((data, {"Content_Type": "application/json;charset=utf-8"}), (data, {}), (data, {"Content_Type": "text/plain"}),
                          (form, {"Content_Type": "multipart/form-data; boundary=" + odd.decode()}),
                          multi([("xIndex", "3"), ("fileEncoding", "GBK")], data)):
        id = make(server, "a.bin", None)
        a = upload(server, id, body, **headers)
        assert good(a)["childID"] == str(id), a
        d = item(server, id)
        assert (d["status"], d["size"], d["MD5"]) == ("OK", len(data), md5(data)), d
        assert ask(server, "GET", f"{DATAS}/{id}/download").body == data
        if "boundary=----slipway" in headers.get("Content_Type", ""):
            assert d["dataMetaInfo"] == {"xIndex": 3, "fileEncoding": "GBK"}, d
        good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    nothing_left(server, before)


def multi(fields, data, name="other name.zip"):
    body, kind = multipart(fields, [("file", name, data)])
    return body, {"Content_Type": kind}


def test_upload_refusals(server):
    before = server.traces()
    id = make(server, "a.csv", None, md5="0" * 32, fileSize=4)
    two, kind = multipart([], [("a", "a", b"1234"), ("b", "b", b"5678")])
    cases = ((b"", {}, 400), (two, {"Content_Type": kind}, 400), (b"--x--\r\n", {"Content_Type": "multipart/form-data; boundary=x"}, 400),
             (b"12345", {}, 413), (b"1234", {}, 400))
    for body, headers, status in cases:
        refused(upload(server, id, body, **headers), status)
        assert item(server, id)["status"] == "CREATED", (body, item(server, id))
    refused(upload(server, id, b"12", path_query="?offset=2"), 409)
    refused(upload(server, id, b"12", path_query="?offset=x"), 400)
    refused(upload(server, id, b"12", Content_Range="bytes 0-1/9"), 400)
    refused(upload(server, id, b"12"), 400)                    # fewer than announced: kept
    assert item(server, id)["status"] == "DOEST_NOT_COMPLETE"
    refused(upload(server, id, b"34", path_query="?offset=3"), 409)
    refused(upload(server, 99999, b"x"), 404)
    refused(upload(server, id, b"x", user="otto"), 404)
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    nothing_left(server, before)


def test_limits(server):
    with configured(server, "[upload]\nmax_size = 1000"):
        id = make(server, "a.csv", None)
        refused(upload(server, id, b"x" * 1001), 413)
        body, headers = multi([], b"x" * 1001)
        refused(upload(server, id, body, **headers), 413)
        assert item(server, id)["status"] == "CREATED"
        good(upload(server, id, b"x" * 1000))
        refused(upload(server, id, b"x" * 1001, "update"), 413)
        assert item(server, id)["size"] == 1000 and item(server, id)["status"] == "OK"
        good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def cut_upload(server, id, data, sent, what="upload"):
    """A connection that breaks after SENT bytes of the body."""
    s = socket.create_connection(("127.0.0.1", server.port))
    s.sendall(f"POST {MINE}/{id}/{what}.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.tokens['mei']}\r\n"
              f"Content-Length: {len(data)}\r\n\r\n".encode() + data[:sent])
    return s


def wait_for(probe, seconds=10):
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_14_progress_and_15_resume(server):
    data = bytes(range(256)) * 40000
    id = make(server, "big.bin", None, share=[("otto", "DELETE")])
    assert good(ask(server, "GET", f"{MINE}/{id}/progress.json")) == {"id": "null", "read": -1, "total": -1}
    s = cut_upload(server, id, data, len(data) // 2)
    seen = wait_for(lambda: (p := good(ask(server, "GET", f"{MINE}/{id}/progress.json")))["read"] >= 30 and p)
    assert seen["total"] == 100 and 30 <= seen["read"] <= 60 and seen["id"] == item(server, id)["storageId"], seen
    refused(upload(server, id, b"other"), 409)                 # the first one goes on
    assert item(server, id)["status"] == "DOEST_NOT_COMPLETE"
    s.sendall(data[len(data) // 2:len(data) * 6 // 10])
    more = wait_for(lambda: (p := good(ask(server, "GET", f"{MINE}/{id}/progress.json")))["read"] > seen["read"] and p)
    assert more["read"] <= 61, more
    s.close()
    wait_for(lambda: good(ask(server, "GET", f"{MINE}/{id}/progress.json"))["read"] == -1)
    assert item(server, id)["status"] == "DOEST_NOT_COMPLETE"
    refused(ask(server, "GET", f"{DATAS}/{id}.json", user="otto"), 404)
    message = refused(upload(server, id, b"x", path_query="?offset=1"), 409)
    have = int("".join(c for c in message.split()[-1] if c.isdigit()))
    assert 0 < have <= len(data) * 6 // 10, message
    last = len(data) - 1
    good(upload(server, id, data[have:], Content_Range=f"bytes {have}-{last}/{len(data)}"))
    d = item(server, id, user="otto")
    assert d["status"] == "OK" and d["MD5"] == md5(data), d
    assert ask(server, "GET", f"{DATAS}/{id}/download").body == data
    good(ask(server, "DELETE", f"{MINE}/{id}.json", user="otto"))


def test_restart_from_the_beginning(server):
    data = b"z" * 300000
    before = server.traces()
    id = make(server, "r.bin", None)
    s = cut_upload(server, id, data, 100000)
    wait_for(lambda: good(ask(server, "GET", f"{MINE}/{id}/progress.json"))["read"] >= 0)
    s.close()
    wait_for(lambda: good(ask(server, "GET", f"{MINE}/{id}/progress.json"))["read"] == -1)
    good(upload(server, id, data))
    assert item(server, id)["MD5"] == md5(data)
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    nothing_left(server, before)


def test_chunked_bodies(server):
    data = b"0123456789" * 1000
    id = make(server, "c.bin", None, fileSize=len(data))
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    c.request("POST", f"{MINE}/{id}/upload.json", body=iter([data[:3000], data[3000:]]), encode_chunked=True,
              headers={"Authorization": "Bearer " + server.tokens["mei"], "Transfer-Encoding": "chunked"})
    assert c.getresponse().status == 200
    c.close()
    assert item(server, id)["MD5"] == md5(data)
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_23_update(server):
    before = server.traces()
    id = make(server, "u.csv", b"old\n", share=[("GUEST", "DOWNLOAD")])
    d = item(server, id)
    data = b"new\n" * 5000000
    s = cut_upload(server, id, data, 8000000, "update")
    wait_for(lambda: item(server, id)["status"] == "MODIFYING")
    assert ask(server, "GET", f"{DATAS}/{id}/download", user=None).body == b"old\n"      # readers keep the old file
    refused(upload(server, id, b"x", "update"), 409)
    s.close()
    wait_for(lambda: item(server, id)["status"] == "OK")
    assert ask(server, "GET", f"{DATAS}/{id}/download", user=None).body == b"old\n" and item(server, id)["MD5"] == d["MD5"]
    good(upload(server, id, b"new\n", "update"))
    e = item(server, id)
    assert e["id"] == id and e["MD5"] == md5(b"new\n") and e["lastModfiedTime"] > d["lastModfiedTime"] and e["createTime"] == d["createTime"]
    assert ask(server, "GET", f"{DATAS}/{id}/download", user=None).body == b"new\n"
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    nothing_left(server, before)


def test_file_the_catalogue_does_not_take_is_not_held(server):
    id = make(server, data=b"a,b\n1,2\n")
    before = server.traces()
    with contextlib.closing(sqlite3.connect(f"{server.data}/catalog.sqlite", isolation_level=None)) as db:
        db.execute("CREATE TRIGGER broken BEFORE UPDATE ON item WHEN NEW.upload IS NOT OLD.upload "
                   "BEGIN SELECT abs(-9223372036854775807 - 1); END")      # an error of SQLite's own
        try:
            a = upload(server, id, b"a,b\n3,4\n5,6\n")
        finally:
            db.execute("DROP TRIGGER broken")
    assert a.status >= 500, a
    i = item(server, id)
    assert i["status"] == "OK" and i["MD5"] == md5(b"a,b\n1,2\n"), i
    nothing_left(server, before)
    good(upload(server, id, b"a,b\n7,8\n"))
    assert item(server, id)["MD5"] == md5(b"a,b\n7,8\n")


def writers(root):
    """The fronts among the descendants of ROOT."""
    parents, fronts = {}, []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                head, _, rest = f.read().rpartition(")")
            parents[int(pid)] = int(rest.split()[1])
            if head.partition("(")[2].startswith("slipway.fcgi"):
                fronts.append(int(pid))
        except OSError:
            pass

    def below(pid):
        return pid == root or (pid in parents and below(parents[pid]))
    return [pid for pid in fronts if below(pid)]


def test_31_killed_writer(server):
    before = server.traces()
    data = b"k" * 20000000
    first, second = make(server, "k1.bin", None), make(server, "k2.bin", b"old")
    open_sockets = []
    for id, what in ((first, "upload"), (second, "update")):
        open_sockets.append(cut_upload(server, id, data, 9000000, what))
        wait_for(lambda: good(ask(server, "GET", f"{MINE}/{id}/progress.json"))["read"] > 10)
    for pid in writers(server.process.pid):
        os.kill(pid, signal.SIGKILL)
    server.stop()
    server.start()
    assert good(ask(server, "GET", f"{MINE}/{first}/progress.json"))["read"] == -1
    assert item(server, first)["status"] == "DOEST_NOT_COMPLETE"
    good(ask(server, "GET", f"{MINE}/{second}/progress.json"))
    assert item(server, second)["status"] == "OK" and ask(server, "GET", f"{DATAS}/{second}/download").body == b"old"
    good(ask(server, "POST", MINE + "/delete.json", {"ids": [first, str(second)]}))
    nothing_left(server, before)


def test_change(server):
    id = make(server, "x.csv", b"a\n")
    d = item(server, id)
    a = good(ask(server, "PUT", f"{MINE}/{id}.json", {"fileName": "y.json", "type": "JSON", "tags": [], "description": "D", "coordType": "NONE",
                                                      "dataMetaInfo": None, "MD5": "x", "id": 7, "userName": "otto"}))
    assert a == {"succeed": True, "newResourceID": str(id)}, a
    e = item(server, id)
    assert (e["id"], e["fileName"], e["type"], e["tags"], e["description"], e["coordType"]) == (id, "y.json", "JSON", [], "D", "NONE"), e
    assert e["userName"] == "mei" and e["MD5"] == d["MD5"] and e["lastModfiedTime"] >= d["lastModfiedTime"], e
    for bad in ({"fileName": ".."}, {"type": "HDFS"}, {"tags": [1]}, {"dirId": "x"}, [], b"{"):
        refused(ask(server, "PUT", f"{MINE}/{id}.json", bad), 400)
    assert item(server, id) == e
    # iClient sends the whole item back
    assert good(ask(server, "PUT", f"{DATAS}/{id}/attributes.json", {**e, "description": "E", "authorizeSetting": [entity("otto", "DELETE")]})) == {
        "succeed": True}
    f = good(ask(server, "GET", f"{DATAS}/{id}/attributes.json"))
    assert f == {"fileName": "y.json", "description": "E", "tags": [], "type": "JSON", "coordType": "NONE", "dataMetaInfo": None}, f
    assert len(item(server, id)["authorizeSetting"]) == 1
    reader = {"Authorization": "Bearer " + server.slipway("key", "add", "mei", "--read-only").split()[-1]}
    assert ask(server, "GET", f"{DATAS}/{id}/attributes.json", user=None, **reader).json == f
    for path in (DATAS, MINE):      # who may only read changes nothing, whichever address it has
        refused(ask(server, "PUT", f"{path}/{id}/attributes.json", {"description": "F"}, user=None, **reader), 401)
    assert good(ask(server, "GET", f"{DATAS}/{id}/attributes.json")) == f
    assert good(ask(server, "GET", f"{MINE}/{id}/digest.json")) == {"id": d["storageId"], "MD5": d["MD5"], "size": 2}
    assert good(ask(server, "GET", f"{MINE}/{id}/services.json")) == []
    good(ask(server, "DELETE", f"{MINE}/{id}.json", b"", Content_Type="application/json"))


def test_18_sharing(server):
    id = make(server, "s.csv", b"a\n")
    path = f"{MINE}/{id}/sharesetting.json"
    owner = {"aliasName": "mei", "dataPermissionType": "DELETE", "entityId": None, "entityName": "mei", "entityRoles": None, "entityType": "USER"}
    assert good(ask(server, "GET", path)) == [owner]
    assert good(ask(server, "PUT", path, [entity("otto", "DOWNLOAD"), entity("mei", "SEARCH")])) == {"succeed": True}
    assert good(ask(server, "GET", path)) == [owner, {**owner, "aliasName": "otto", "entityName": "otto", "dataPermissionType": "DOWNLOAD"}]
    good(ask(server, "PUT", path, [{"entityType": "USER", "entityName": "otto", "permissionType": "READ"}]))
    assert [e["dataPermissionType"] for e in good(ask(server, "GET", path))] == ["DELETE", "DOWNLOAD"]
    good(ask(server, "GET", f"{DATAS}/{id}/content.json", user="otto"))
    good(ask(server, "PUT", path, []))
    refused(ask(server, "GET", f"{DATAS}/{id}.json", user="otto"), 404)      # at once
    good(ask(server, "PUT", path, [entity("otto", "DELETE")]))
    for bad in ([entity("GUEST", "DELETE")], [entity("nobody", "SEARCH")], [entity("staff", "SEARCH", "GROUP")], [entity("otto", "READWRITE")],
                [entity("otto", "SEARCH", "ROLE")], [entity("x", "SEARCH", "DEPARTMENT")], [entity("otto", "NONE")], ["otto"], {}, b"[",
                [{"entityType": "USER", "dataPermissionType": "SEARCH"}]):
        refused(ask(server, "PUT", path, bad), 400)
    assert len(good(ask(server, "GET", path))) == 2
    refused(ask(server, "PUT", path, [], user="otto"), 401)                  # DELETE does not share
    good(ask(server, "PUT", path, [], user="admin"))
    two = make(server, "s2.csv", None)
    foreign = make(server, "s3.csv", b"a\n", user="otto", share=[("mei", "DELETE")])
    many = MINE + "/sharesetting.json"
    assert good(ask(server, "PUT", many, {"ids": [id, str(two)], "entities": [entity("GUEST", "SEARCH")]})) == {"succeed": True}
    assert all(len(good(ask(server, "GET", f"{MINE}/{i}/sharesetting.json"))) == 2 for i in (id, two))
    refused(ask(server, "PUT", many, {"ids": [id, foreign], "entities": []}), 401)
    refused(ask(server, "PUT", many, {"ids": [id, 99999], "entities": []}), 404)
    refused(ask(server, "PUT", many, {"ids": [], "entities": []}), 400)
    refused(ask(server, "PUT", many, {"ids": [id]}), 400)
    assert len(good(ask(server, "GET", path))) == 2
    good(ask(server, "POST", MINE + "/delete.json", [id, two, foreign]))


def test_24_delete_many(server):
    before = server.traces()
    a, b, c = (make(server, f"{n}.csv", b"x\n") for n in "abc")
    foreign = make(server, "f.csv", b"x\n", user="otto", share=[("mei", "DOWNLOAD")])
    assert str(foreign) in refused(ask(server, "POST", MINE + "/delete.json", [a, foreign]), 401)
    assert "99999" in refused(ask(server, "POST", MINE + "/delete.json", [a, 99999, b]), 404)
    for bad in ([], {}, ["x"], [0], [1.5], [None], {"ids": "1"}, list(range(1, 1002)), b""):
        refused(ask(server, "POST", MINE + "/delete.json", bad), 400)
    assert ids(query(server, MINE, ids=[a, b, c])) == [a, b, c]
    assert good(ask(server, "POST", MINE + "/delete.json", [str(a), b, a])) == {"succeed": True}
    assert good(ask(server, "POST", MINE + "/delete.rjson", {"ids": [str(c)]})) == {"succeed": True}
    refused(ask(server, "DELETE", f"{MINE}/{foreign}.json"), 401)
    good(ask(server, "DELETE", f"{MINE}/{foreign}.json", user="admin"))
    nothing_left(server, before)


def test_parallel_uploads_to_one_item(server):
    id = make(server, "par.bin", None)
    data = [bytes([n]) * 400000 for n in range(4)]
    status = []
    threads = [threading.Thread(target=lambda d=d: status.append(upload(server, id, d).status)) for d in data]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert 200 in status and set(status) <= {200, 409}, status
    stored = ask(server, "GET", f"{DATAS}/{id}/download").body
    assert stored in data and item(server, id)["MD5"] == md5(stored)
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_downloads_are_counted_once(server):
    id = make(server, "n.bin", b"n" * 5000)
    path = f"{DATAS}/{id}/download"
    ask(server, "GET", path)
    ask(server, "GET", path, Range="bytes=0-9")
    ask(server, "HEAD", path)
    ask(server, "GET", path, If_None_Match='"' + md5(b"n" * 5000) + '"')
    server.slipway("gc")
    assert item(server, id)["downloadCount"] == 1, item(server, id)
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_what_nobody_fills_goes(server):
    with configured(server, "[upload]\nidle_ttl = 1\n[iportal]\ncreated_keep = 4"):
        filled, cut = make(server, "filled.csv", b"x"), make(server, "cut.bin", None)
        s = cut_upload(server, cut, b"c" * 100000, 50000)
        wait_for(lambda: good(ask(server, "GET", f"{MINE}/{cut}/progress.json"))["read"] >= 0)
        s.close()
        wait_for(lambda: item(server, cut)["status"] == "DOEST_NOT_COMPLETE")
        wait_for(lambda: (server.slipway("gc"), item(server, cut)["status"] == "CREATED")[1])
        refused(upload(server, cut, b"x", path_query="?offset=5"), 409)
        wait_for(lambda: (server.slipway("gc"), ask(server, "GET", f"{DATAS}/{cut}.json").status == 404)[1])
        assert item(server, filled)["status"] == "OK"
        good(ask(server, "DELETE", f"{MINE}/{filled}.json"))


if __name__ == "__main__":
    main(__import__(__name__))
