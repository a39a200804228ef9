"""Goal: GBD WebSuite's chunk sender works against /_ as against the original, in JSON and MessagePack, in any order and at
once; what the contract forbids is refused in its envelope and leaves nothing behind (transports.md 5, 9, cases 38-49)."""
import base64
import concurrent.futures
import contextlib
import gzip
import hashlib
import json
import os
import random
import re
import socket
import time

import msgpack

from harness import Server, main, multipart, nothing_left
from steps import configured
from transfer import fronts

GENERIC = "The browser (or proxy) sent a request that this server could not understand."
VECTOR = bytes.fromhex("86a975706c6f6164556964a0aa6368756e6b436f756e7402a9746f74616c53697a650ba866696c654e616d65a5612e747874"
                       "ab6368756e6b4e756d62657200a7636f6e74656e74c40668656c6c6f20")
BAD = bytes.fromhex("82a6737461747573cd0190a56572726f7282a4636f6465cd0190a4696e666fd94c5468652062726f7773657220286f722070726f7879292073656e"
                    "7420612072657175657374207468617420746869732073657276657220636f756c64206e6f7420756e6465727374616e642e")
UID = re.compile(r"[0-9a-f]{32}")
INFOS = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 411: "Length Required", 413: "Content Too Large",
         415: "Unsupported Media Type", 429: "Too Many Requests", 507: "Insufficient Storage"}


def fields(**changes):
    """The fields of a first chunk; None drops one."""
    all_of = {"uploadUid": "", "fileName": "plan.txt", "totalSize": 11, "chunkNumber": 0, "chunkCount": 2, "content": "hello ", **changes}
    return {k: v for k, v in all_of.items() if v is not ...}


def send(server, command, body, kind="application/json", user="mei", method="POST", **headers):
    if isinstance(body, dict):
        body = json.dumps(body) if kind == "application/json" else msgpack.packb(body)
    return server.request(method, f"/_/{command}" if command else "/_", body=body, headers={"Content-Type": kind, **headers}, user=user)


def chunk(server, user="mei", kind="application/json", **changes):
    a = send(server, "uploadChunk", fields(**changes), kind, user)
    assert a.status == 200, a
    got = a.json if kind == "application/json" else msgpack.unpackb(a.body)
    assert list(got) == ["uploadUid"] and UID.fullmatch(got["uploadUid"]), a
    return got["uploadUid"]


def finish(server, uid, user="mei", **more):
    return send(server, "uploadFinish", {"uploadUid": uid, **more}, user=user)


def refused(a, status=400, info=None, code=None):
    """The envelope, byte for byte."""
    info = info or INFOS.get(status, GENERIC)
    assert a.status == status, a
    assert a.body.decode() == '{"status": %d, "error": {"code": %d, "info": "%s"}}' % (status, status, info), a
    assert a.header("Content-Type") == "application/json" and a.header("X-Slipway-Error").startswith("ERR_"), a.headers
    if code is not None:
        assert a.header("X-Slipway-Error") == code, a.headers
    return a


def folder(server, uid):
    return os.path.join(server.data, "uploads", uid[:2], uid)


def stored(server, uid):
    """The bytes of a complete upload."""
    with open(os.path.join(folder(server, uid), "data"), "rb") as f:
        return f.read()


def parts(server, uid):
    return sorted(n for n in os.listdir(folder(server, uid)) if n.startswith("p."))


def drop(server, *uids):
    for uid in uids:
        assert server.request("DELETE", f"/files/{uid}").status == 204


def test_vectors_both_ways(server):      # 38
    a = send(server, "uploadChunk", VECTOR, "application/msgpack")
    assert a.status == 200 and a.header("Content-Type") == "application/msgpack", a
    assert a.body[:13] == bytes.fromhex("81a975706c6f6164556964d920")[:13] and UID.fullmatch(a.body[13:].decode()), a
    uid = a.body[13:].decode()
    a = send(server, "uploadChunk", VECTOR.replace(b"\xa7content\xc4\x06hello ", b"\xa7content\xc3"), "application/msgpack")
    assert a.status == 400 and a.body == BAD, a
    second = VECTOR.replace(b"uploadUid\xa0", b"uploadUid\xd9\x20" + uid.encode()).replace(b"chunkNumber\x00", b"chunkNumber\x01")
    a = send(server, "uploadChunk", second.replace(b"\xc4\x06hello ", b"\xc4\x05world"), "application/msgpack")
    assert a.body == bytes.fromhex("81a975706c6f6164556964d920") + uid.encode(), a
    a = send(server, "uploadFinish", {"uploadUid": uid}, "application/msgpack")
    assert a.status == 200 and a.body == (b"\x83\xa9uploadUid\xd9\x20" + uid.encode() + b"\xa8fileName\xa5a.txt\xa9totalSize\x0b"), a
    assert stored(server, uid) == b"hello world"


def test_the_contracts_example(server):
    a = send(server, "uploadChunk", '{"uploadUid":"","fileName":"plan.txt","totalSize":11,"chunkNumber":1,"chunkCount":2,"content":"world"}')
    assert a.status == 200 and re.fullmatch(r'\{"uploadUid": "[0-9a-f]{32}"\}', a.text), a
    assert a.header("Content-Type") == "application/json" and a.header("Cache-Control") == "no-store", a.headers
    assert a.header("X-Content-Type-Options") == "nosniff" and a.header("X-Slipway-Error") is None, a.headers
    uid = a.json["uploadUid"]
    a = send(server, "", {"cmd": "uploadChunk", **fields(uploadUid=uid, content=list(b"hello "))})
    assert a.status == 200 and a.text == '{"uploadUid": "%s"}' % uid, a
    a = finish(server, uid)
    assert a.status == 200 and a.text == '{"uploadUid": "%s", "fileName": "plan.txt", "totalSize": 11}' % uid, a
    assert stored(server, uid) == b"hello world" and parts(server, uid) == []
    item = server.get(f"/files/{uid}", accept="application/json").json
    assert item["state"] == "complete" and item["adapter"] == "gws" and item["size"] == 11 and item["name"] == "plan.txt", item


def test_eighteen_chunks_in_any_order(server):      # 39
    data = b"0123456789abcdefgh"
    orders = [list(range(18)), list(range(17, -1, -1)), random.Random(7).sample(range(18), 18)]
    for kind, wrap in (("application/json", lambda b: b.decode()), ("application/msgpack", bytes)):
        for order in orders + ["parallel"]:
            one = lambda n, uid: chunk(server, kind=kind, uploadUid=uid, totalSize=18, chunkCount=18, chunkNumber=n, content=wrap(data[n:n + 1]))
            first, *rest = range(18) if order == "parallel" else order
            uid = one(first, "")
            if order == "parallel":
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    assert set(pool.map(lambda n: one(n, uid), rest)) == {uid}
            else:
                assert {one(n, uid) for n in rest} == {uid}
            a = finish(server, uid)
            assert a.status == 200 and a.json["totalSize"] == 18, (kind, order, a)
            assert stored(server, uid) == data, (kind, order)


def test_large_chunks_at_once(server):
    data = random.Random(3).randbytes(5_000_000)
    size = 1 << 20
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    one = lambda n, uid: chunk(server, kind="application/msgpack", uploadUid=uid, totalSize=len(data), chunkCount=len(pieces), chunkNumber=n,
                               content=pieces[n])
    uid = one(2, None)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: one(n, uid), [0, 1, 3, 4, 3, 0]))
    a = finish(server, uid, sha256=hashlib.sha256(data).hexdigest().upper())
    assert a.status == 200 and stored(server, uid) == data, a
    as_list = list(data[:size])      # three letters and more for a byte
    uid = chunk(server, totalSize=size, chunkCount=1, content=as_list)
    assert finish(server, uid).status == 200 and stored(server, uid) == data[:size]
    drop(server, uid)


def test_schema_row_by_row(server):      # 40
    before = server.traces()
    changes = [{"fileName": ...}, {"totalSize": ...}, {"chunkNumber": ...}, {"chunkCount": ...}, {"content": ...}, {"extra": 1}, {"FileName": "x"},
               {"cmd": "uploadChunk"}, {"params": {}}, {"uploadUid": 1}, {"uploadUid": []}, {"uploadUid": True}, {"projectUid": 1}, {"localeUid": {}},
               {"contentBase64": "aGVsbG8g"}, {"content": ..., "contentBase64": None}, {"content": ..., "contentBase64": 5},
               {"chunkNumber": 2}, {"chunkNumber": -1}, {"chunkCount": 0}, {"chunkCount": -1}, {"chunkCount": 100_001}, {"totalSize": -1}, {"sha256": "0" * 64}]
    changes += [{name: v} for name in ("totalSize", "chunkNumber", "chunkCount") for v in (None, True, 1.0, 1.5, "1", "", [], {})]
    changes += [{"fileName": v} for v in (None, 1, True, [], {}, 1.5)]
    for change in changes:
        refused(send(server, "uploadChunk", fields(**change)))
        a = send(server, "uploadChunk", fields(**change), "application/msgpack")
        assert a.status == 400 and a.body == BAD, (change, a)
    a = send(server, "uploadChunk", msgpack.packb(fields(fileName=b"x")), "application/msgpack")
    assert a.body == BAD, a      # bytes are no name
    a = send(server, "uploadChunk", msgpack.packb(fields(fileName="a\0b")), "application/msgpack")
    assert a.body == BAD, a
    nothing_left(server, before)
    uids = [chunk(server, **change) for change in ({"uploadUid": None}, {"uploadUid": ...}, {"fileName": ""}, {"projectUid": None, "localeUid": "de"},
                                                   {"projectUid": "p", "uid": {"a": [1.5, None]}}, {"uid": None}, {"totalSize": 0})]
    assert len(set(uids)) == len(uids)      # without an id each is an upload of its own
    a = refused(send(server, "uploadChunk", fields(totalSize=11 << 30)), 413, code="ERR_TOO_LARGE")
    # On later chunks the types still count, the values do not.
    uid = uids[0]
    for change in ({"totalSize": "11"}, {"fileName": ...}, {"chunkCount": None}, {"chunkNumber": 2}, {"chunkNumber": -1}, {"content": ...}):
        refused(send(server, "uploadChunk", fields(uploadUid=uid, **change)))
    assert chunk(server, uploadUid=uid, totalSize=-5, chunkCount=900, fileName="other", chunkNumber=1, content="world") == uid
    a = finish(server, uid)
    assert a.json == {"uploadUid": uid, "fileName": "plan.txt", "totalSize": 11} and stored(server, uid) == b"hello world", a
    drop(server, *uids)
    nothing_left(server, before)


def test_finish_schema(server):
    uid = chunk(server, chunkCount=1, totalSize=6)
    for body in ({}, {"uploadUid": None}, {"uploadUid": ""}, {"uploadUid": 1}, {"uploadUid": uid, "fileName": "x"}, {"uploadUid": uid, "content": "x"},
                 {"uploadUid": uid, "sha256": 5}, {"uploadUid": uid, "sha256": "00"}, {"uploadUid": uid, "sha256": "g" * 64},
                 {"uploadUid": uid, "cmd": "uploadFinish"}):
        refused(send(server, "uploadFinish", body))
    a = send(server, "", {"cmd": "uploadFinish", "uploadUid": uid, "sha256": None, "uid": 1, "projectUid": "x", "localeUid": None})
    assert a.status == 200, a
    drop(server, uid)


def test_content_row_by_row(server):      # 40
    def content_of(content, kind, size, key="content"):
        f = fields(chunkCount=1, totalSize=size, **({key: content} if key == "content" else {"content": ..., key: content}))
        a = send(server, "uploadChunk", f, kind)
        assert a.status == 200, (content, kind, a)
        uid = (a.json if kind.endswith("json") else msgpack.unpackb(a.body))["uploadUid"]
        assert finish(server, uid).status == 200
        got = stored(server, uid)
        drop(server, uid)
        return got

    for kind in ("application/json", "application/msgpack"):
        assert content_of("aGVsbG8g", kind, 8) == b"aGVsbG8g"      # a string is never decoded
        assert content_of("中\n\0\x7f😀", kind, 10) == "中\n\0\x7f😀".encode()
        assert content_of([0, 255, 10], kind, 3) == b"\x00\xff\x0a"
        assert content_of([], kind, 0) == b"" and content_of("", kind, 0) == b""
        assert content_of("AP8K", kind, 3, "contentBase64") == b"\x00\xff\x0a"
        assert content_of("AP8KCg==", kind, 4, "contentBase64") == b"\x00\xff\x0a\x0a"
        assert content_of("", kind, 0, "contentBase64") == b""
    assert content_of(bytes(range(256)) * 300, "application/msgpack", 76800) == bytes(range(256)) * 300
    before = server.traces()
    for bad in (5, 0, True, False, {}, {"0": 104}, 1.5, None, [256], [-1], [1.0], ["a"], [None], [True], [[1]], [{}]):
        refused(send(server, "uploadChunk", fields(content=bad)))
        assert send(server, "uploadChunk", fields(content=bad), "application/msgpack").body == BAD, bad
    for bad in ("AP8", "AP8K=", "AP 8K", "AP8K\n", "A", "AP8K====", "-_-_", "=", "AP8=K"):
        refused(send(server, "uploadChunk", fields(content=..., contentBase64=bad)))
    nothing_left(server, before)


def test_answer_follows_accept(server):      # 41
    for accept, kind, want in (("application/json", "application/msgpack", "application/json"), ("application/msgpack", "application/json", "application/msgpack"),
                               ("*/*", "application/msgpack", "application/msgpack"), ("*/*", "application/json", "application/json"),
                               ("Application/MSGPACK, */*", "application/json", "application/msgpack"),
                               ("text/html, application/msgpack", "application/json", "application/json")):
        for command, body, status in (("uploadChunk", fields(), 200), ("uploadChunk", fields(content=1), 400), ("other", fields(), 404)):
            a = send(server, command, body, kind, Accept=accept)
            assert a.status == status and a.header("Content-Type") == want, (accept, kind, command, a, a.headers.items())
            got = a.json if want == "application/json" else msgpack.unpackb(a.body)
            assert got.get("status", 200) == status, a
            if status == 200:
                drop(server, got["uploadUid"])


def test_content_type_is_matched_by_prefix(server):
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/json-patch"):
        drop(server, send(server, "uploadChunk", json.dumps(fields()), kind).json["uploadUid"])
    drop(server, msgpack.unpackb(send(server, "uploadChunk", VECTOR, "application/MSGPACK;x=y").body)["uploadUid"])
    before = server.traces()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/x-msgpack", "text/json", ""):
        refused(send(server, "uploadChunk", json.dumps(fields()), kind), 404, code="ERR_NOT_FOUND")
    nothing_left(server, before)


def test_commands_and_methods(server):      # 42
    before = server.traces()
    refused(send(server, "uploadChunk", {"cmd": "uploadChunk", **fields()}))
    for command, body in (("other", fields()), ("uploadchunk", fields()), ("uploadChunk/x", fields()), ("uploadChun", fields()), ("", fields()),
                          ("", {"cmd": "other", **fields()}), ("", {"cmd": 1, **fields()}), ("", {"cmd": None, **fields()}), ("", {"cmd": "", **fields()})):
        refused(send(server, command, body), 404, code="ERR_NOT_FOUND")
    for path in ("/_", "/_/", "/_/uploadChunk", "/_/uploadChunk/", "/_/nothing"):
        a = refused(server.request("GET", path, user=None), 404)
        for method in ("HEAD", "OPTIONS"):
            a = server.request(method, path, user=None)
            assert a.status == 200 and a.body == b"" and a.header("Content-Type").startswith("text/plain"), (method, path, a)
        for method in ("PUT", "DELETE", "PATCH"):
            a = refused(server.request(method, path, body=b"{}", headers={"Content-Type": "application/json"}), 405)
            assert "POST" in a.header("Allow"), a.headers
    nothing_left(server, before)
    for path in ("/_/", "/_/uploadChunk/"):      # with a slash as without, and never a redirect
        body = fields() if path != "/_/" else {"cmd": "uploadChunk", **fields()}
        a = server.request("POST", path, body=json.dumps(body), headers={"Content-Type": "application/json"})
        assert a.status == 200, a
        drop(server, a.json["uploadUid"])


def test_repeats_and_corrections(server):      # 43
    uid = chunk(server, content="hello big ")
    assert parts(server, uid) == ["p.0"]
    refused(finish(server, uid), code="ERR_INCOMPLETE")
    chunk(server, uploadUid=uid, chunkNumber=1, content="world")
    refused(finish(server, uid), code="ERR_INCOMPLETE")      # 15 bytes for 11
    assert parts(server, uid) == ["p.0", "p.1"]
    assert chunk(server, uploadUid=uid, content="hello ") == uid      # a repeated number replaces, whatever its length
    for _ in range(2):
        assert finish(server, uid).status == 200
    assert stored(server, uid) == b"hello world"
    assert chunk(server, uploadUid=uid, chunkNumber=1, content="WORLD and more") == uid      # dropped
    assert finish(server, uid).status == 200 and stored(server, uid) == b"hello world"
    refused(send(server, "uploadChunk", fields(uploadUid=uid, chunkNumber=2)))      # still no such number
    short = chunk(server, chunkCount=1, totalSize=7)
    refused(finish(server, short))
    chunk(server, uploadUid=short, content="hello 1")
    assert finish(server, short).status == 200 and stored(server, short) == b"hello 1"
    drop(server, uid, short)


def test_one_chunk_may_go_over_the_total(server):
    uid = chunk(server, chunkCount=4, totalSize=5, content="hello ")
    before = server.traces()
    refused(send(server, "uploadChunk", fields(uploadUid=uid, chunkNumber=1, content="x")), code="ERR_LENGTH")
    nothing_left(server, before)
    chunk(server, uploadUid=uid, content="abc")
    chunk(server, uploadUid=uid, chunkNumber=1, content="de")
    chunk(server, uploadUid=uid, chunkNumber=2, content="")
    chunk(server, uploadUid=uid, chunkNumber=3, content="f")
    refused(finish(server, uid))
    chunk(server, uploadUid=uid, chunkNumber=3, content="")
    assert finish(server, uid).status == 200 and stored(server, uid) == b"abcde"
    drop(server, uid)


def test_empty_files(server):      # 44
    for kind, content in (("application/json", ""), ("application/json", []), ("application/msgpack", b"")):
        uid = chunk(server, kind=kind, fileName="empty.txt", totalSize=0, chunkCount=1, content=content)
        a = finish(server, uid, sha256=hashlib.sha256(b"").hexdigest())
        assert a.status == 200 and a.json["totalSize"] == 0 and stored(server, uid) == b"", a
        drop(server, uid)


def test_total_size_of_every_width(server):      # 45
    for coded, size in ((b"\xd3\x00\x00\x00\x01\x00\x00\x00\x00", 1 << 32), (b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 1 << 32),
                        (b"\xd3\x00\x00\x00\x00\x00\x00\x00\x0b", 11), (b"\xce\x00\x00\x00\x0b", 11), (b"\xcd\x00\x0b", 11), (b"\xd0\x0b", 11)):
        a = send(server, "uploadChunk", VECTOR.replace(b"totalSize\x0b", b"totalSize" + coded), "application/msgpack")
        assert a.status == 200, (coded, a)
        uid = msgpack.unpackb(a.body)["uploadUid"]
        assert server.get(f"/files/{uid}", accept="application/json").json["size"] == size
        drop(server, uid)
    for coded in (b"\xd3" + b"\xff" * 8, b"\xcf" + b"\xff" * 8, b"\xca\x41\x30\x00\x00", b"\xcb\x40\x26" + b"\0" * 6):
        a = send(server, "uploadChunk", VECTOR.replace(b"totalSize\x0b", b"totalSize" + coded), "application/msgpack")
        assert a.status == 400 and a.body == BAD, (coded, a)


def test_gzip_bodies(server):      # 46
    for kind, body in (("application/json", json.dumps(fields()).encode()), ("application/msgpack", VECTOR)):
        a = send(server, "uploadChunk", gzip.compress(body), kind, **{"Content-Encoding": "gzip"})
        assert a.status == 200, a
    before = server.traces()
    for body, info in ((b"no gzip", None), (gzip.compress(VECTOR)[:-9], None), (gzip.compress(json.dumps(fields()).encode())[:20], None)):
        refused(send(server, "uploadChunk", body, **{"Content-Encoding": "gzip"}), info="malformed json request")
    bomb = gzip.compress(b'{"content":"' + b"\0" * (200 << 20), 9)
    assert len(bomb) < 1 << 20
    refused(send(server, "uploadChunk", bomb, **{"Content-Encoding": "gzip"}), 413, code="ERR_TOO_LARGE")
    refused(send(server, "uploadChunk", b"x", **{"Content-Encoding": "br"}), 415)
    nothing_left(server, before)


def test_bodies_over_the_limit(server):
    before = server.traces()
    big = json.dumps(fields(content="x" * (10 << 20)))
    a = send(server, "uploadChunk", big)
    refused(a, 413, code="ERR_TOO_LARGE")
    a = send(server, "uploadChunk", msgpack.packb(fields(content=b"x" * (10 << 20))), "application/msgpack")
    assert a.status == 413 and msgpack.unpackb(a.body) == {"status": 413, "error": {"code": 413, "info": "Content Too Large"}}, a
    body, kind = multipart([(k, str(v)) for k, v in fields(content=...).items()], [("content", "x", b"x" * (10 << 20))])
    refused(send(server, "uploadChunk", body, kind), 413)
    refused(server.request("POST", "/_/uploadChunk?fileName=x&totalSize=11000000&chunkNumber=0&chunkCount=1", body=b"x" * 11_000_000,
                           headers={"Content-Type": "application/octet-stream"}), 413)
    nothing_left(server, before)
    fits = msgpack.packb(fields(totalSize=(10 << 20) - 200, chunkCount=1, content=b"x" * ((10 << 20) - 200)))
    a = send(server, "uploadChunk", fits, "application/msgpack")
    assert a.status == 200, a
    drop(server, msgpack.unpackb(a.body)["uploadUid"])


def test_broken_bodies(server):      # 47
    before = server.traces()
    for body in ("", " ", "{", "[]", "1", "null", '"x"', "{'a':1}", '{"fileName":"a","fileName":"b"}', '{"uid":{"a":1,"a":2}}', '{"a":1}{}',
                 '{"content":"\\ud800"}', b'{"content":"\xff"}', '{"a":NaN}', '{"uid":' + "[" * 16 + "]" * 16 + "}"):
        refused(send(server, "uploadChunk", body), info="malformed json request")
    malformed = msgpack.packb({"status": 400, "error": {"code": 400, "info": "malformed msgpack request"}})
    for body in (b"", VECTOR[:-1], VECTOR[:20], b"\xc1", b"\x81\xa1a\xc1", b"\x82\xa1a\x01\xa1a\x01", b"\x90", b"\xa1a", b"\x81\xa1a\xd4\x01\x01",
                 b"\x81\xa1a\xa1\xff", b"\x81\xa1a" + b"\x91" * 16 + b"\x01", b"\x81\xa1a\xdd\xff\xff\xff\xff\x01", b"\x81\x01\x01"):
        a = send(server, "uploadChunk", body, "application/msgpack")
        assert a.status == 400 and a.body == malformed, (body, a)
    nothing_left(server, before)
    a = send(server, "uploadChunk", VECTOR + b"\xc1 anything", "application/msgpack")      # bytes behind the first object do not count
    assert a.status == 200, a


def test_text_in_answers_is_ascii(server):
    uid = chunk(server, fileName='数据 😀 "a"\\b/计划.txt', chunkCount=1, totalSize=6)
    a = finish(server, uid)
    assert a.body == json.dumps({"uploadUid": uid, "fileName": "计划.txt", "totalSize": 6}).encode() and b"\\u8ba1" in a.body, a
    uid = chunk(server, fileName='😀"\x7f.txt', chunkCount=1, totalSize=6)
    a = finish(server, uid)
    assert a.body == json.dumps(a.json).encode() and b'\\ud83d\\ude00\\"' in a.body, a


def test_multipart_and_raw(server):      # 48
    values = fields(content=..., chunkCount=2)
    for order in ("first", "last"):
        body, kind = multipart([(k, str(v)) for k, v in values.items()], [("content", "blob", b"hello ")])
        if order == "last":      # the data before the fields
            head, tail = body.rsplit(b"------slipway", 2)[0], body.rsplit(b"------slipway", 2)
            file_part = b"------slipway" + tail[1]
            body = file_part + head + b"------slipway" + tail[2]
        a = send(server, "uploadChunk", body, kind)
        assert a.status == 200 and a.header("Content-Type") == "application/json", (order, a)
        uid = a.json["uploadUid"]
        query = f"uploadUid={uid}&fileName=x&totalSize=0&chunkNumber=1&chunkCount=1"
        a = server.request("POST", f"/_/uploadChunk?{query}", body=b"world", headers={"Content-Type": "application/octet-stream"})
        assert a.status == 200 and a.json == {"uploadUid": uid}, a
        body, kind = multipart([("uploadUid", uid), ("sha256", hashlib.sha256(b"hello world").hexdigest())], [])
        a = send(server, "uploadFinish", body, kind, Accept="application/msgpack")
        assert a.status == 200 and msgpack.unpackb(a.body)["totalSize"] == 11 and stored(server, uid) == b"hello world", a
    a = server.request("POST", "/_?cmd=uploadChunk&fileName=e.bin&totalSize=3&chunkNumber=0&chunkCount=1", body=b"\0\xff\n",
                       headers={"Content-Type": "application/octet-stream"})
    uid = a.json["uploadUid"]
    a = server.request("POST", f"/_?cmd=uploadFinish&uploadUid={uid}", body=b"", headers={"Content-Type": "application/octet-stream"})
    assert a.status == 200 and stored(server, uid) == b"\0\xff\n", a
    body, kind = multipart([("cmd", "uploadChunk")] + [(k, str(v)) for k, v in fields(content=..., chunkCount=1, totalSize=1).items()], [("content", "b", b"x")])
    uid = send(server, "", body, kind).json["uploadUid"]
    drop(server, uid)
    a = server.request("POST", "/_/uploadChunk?fileName=z&totalSize=5&chunkNumber=0&chunkCount=1", body=gzip.compress(b"hello"),
                       headers={"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"})
    uid = a.json["uploadUid"]
    assert finish(server, uid).status == 200 and stored(server, uid) == b"hello"


def pieces(body):
    """Sent without a length, so slowly that the web server cannot find it out."""
    for part in (body[:4], body[4:]):
        yield part
        time.sleep(0.5)


def test_bodies_without_a_length(server):
    for kind, body in (("application/json", json.dumps(fields()).encode()), ("application/msgpack", VECTOR),
                       multipart([(k, str(v)) for k, v in fields(content=...).items()], [("content", "b", b"hello ")])[::-1]):
        a = send(server, "uploadChunk", pieces(body), kind, Accept="application/json")
        assert a.status == 200, (kind, a)
        drop(server, a.json["uploadUid"])
    before = server.traces()
    query = "fileName=x&totalSize=6&chunkNumber=0&chunkCount=1"      # where does it end?
    a = server.request("POST", f"/_/uploadChunk?{query}", body=pieces(b"hello "), headers={"Content-Type": "application/octet-stream"})
    if a.status == 200:      # a busy web server had all of it before it asked us, and told its length
        drop(server, a.json["uploadUid"])
    else:
        refused(a, 411)
    nothing_left(server, before)


def test_bodies_that_are_cut(server):
    form, form_kind = multipart([(k, str(v)) for k, v in fields(content=...).items()], [("content", "b", b"hello " * 50)])
    query = "fileName=x&totalSize=600&chunkNumber=0&chunkCount=1"
    kinds = (("application/json", json.dumps(fields()).encode(), ""), ("application/msgpack", VECTOR, ""), (form_kind, form, ""),
             ("application/octet-stream", b"hello " * 50, "?" + query))
    before = server.traces()
    for kind, body, more in kinds:
        for sent in (0, 1, len(body) // 2, len(body) - 1):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
                s.sendall((f"POST /_/uploadChunk{more} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.tokens['mei']}\r\n"
                           f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode() + body[:sent])
                s.shutdown(socket.SHUT_WR)
                answer = b""
                with contextlib.suppress(OSError):
                    while part := s.recv(65536):
                        answer += part
            assert b" 200 " not in answer.split(b"\r\n")[0], (kind, sent, answer)
    nothing_left(server, before, seconds=10)
    # A part that was there stays when its replacement is cut.
    uid = chunk(server, chunkCount=1, totalSize=6)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall((f"POST /_/uploadChunk?uploadUid={uid}&{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.tokens['mei']}\r\n"
                   "Content-Type: application/octet-stream\r\nContent-Length: 600\r\nConnection: close\r\n\r\n").encode() + b"HELL")
        s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while s.recv(65536):
                pass
    assert finish(server, uid).status == 200 and stored(server, uid) == b"hello "
    drop(server, uid)


def test_multipart_and_raw_refusals(server):
    before = server.traces()
    good = [(k, str(v)) for k, v in fields(content=...).items()]
    data = [("content", "b", b"x")]
    for pairs, files in ((good, []), (good, data * 2), (good, [("file", "b", b"x")]), (good + [("totalSize", "11")], data), (good + [("extra", "1")], data),
                         (good[:-1], data), (good + [("content", "y")], data), (good + [("contentBase64", "eQ==")], data)):
        refused(send(server, "uploadChunk", *multipart(pairs, files)))
    for name in ("totalSize", "chunkNumber", "chunkCount"):
        for bad in ("", "x", "1.0", "+1", " 1", "0x1", "99999999999999999999", "-1"):
            refused(send(server, "uploadChunk", *multipart([(k, bad if k == name else v) for k, v in good], data)))
            query = "&".join(f"{k}={(bad if k == name else v).replace('+', '%2B').replace(' ', '%20')}" for k, v in good)
            refused(server.request("POST", f"/_/uploadChunk?{query}", body=b"x", headers={"Content-Type": "application/octet-stream"}))
    body, kind = multipart(good, data)
    refused(send(server, "uploadChunk", body[:-20], kind))      # no closing delimiter
    refused(send(server, "uploadChunk", gzip.compress(body), kind, **{"Content-Encoding": "gzip"}), 415)
    query = "&".join(f"{k}={v}" for k, v in good)
    for more in ("&extra=1", "&chunkCount=2", "&content=x", "&contentBase64=eA=="):
        refused(server.request("POST", f"/_/uploadChunk?{query}{more}", body=b"x", headers={"Content-Type": "application/octet-stream"}))
    nothing_left(server, before)


def test_the_older_form_is_not_served(server):      # 49
    before = server.traces()
    params = {"uploadUid": "", "fileName": "a", "totalSize": 1, "chunkNumber": 1, "chunkCount": 1, "content": "x"}
    refused(send(server, "", {"cmd": "uploadChunk", "params": params}))
    refused(send(server, "uploadChunk", {"params": params}))
    refused(send(server, "uploadChunk", fields(chunkNumber=1, chunkCount=1)))      # numbers begin with 0
    nothing_left(server, before)


def test_uids_of_others(server):
    uid = chunk(server, chunkCount=1, totalSize=6)
    put = server.request("PUT", "/files/a.txt", body=b"hello ").json["id"]
    for other in (uid.upper(), uid[:-1], uid + "0", "../" + uid, "0" * 32, "x", "." * 32, uid[:31] + "/", put, "\0", "%2e%2e"):
        refused(finish(server, other), code="ERR_NOT_FOUND")
        refused(send(server, "uploadChunk", fields(uploadUid=other)), code="ERR_NOT_FOUND")
    a = refused(finish(server, uid, user="otto"), code="ERR_NOT_FOUND")
    unknown = refused(finish(server, "0" * 32, user="otto"))
    assert a.body == unknown.body
    refused(send(server, "uploadChunk", fields(uploadUid=uid), user="otto"), code="ERR_NOT_FOUND")
    a = send(server, "uploadFinish", {"uploadUid": uid}, user=None)
    refused(a, 401)
    assert a.header("WWW-Authenticate").startswith("Slipway"), a.headers
    refused(send(server, "uploadChunk", fields(), user=None), 401)
    assert finish(server, uid).status == 200
    assert server.request("DELETE", f"/files/{uid}").status == 204
    refused(finish(server, uid))      # a tombstone
    refused(send(server, "uploadChunk", fields(uploadUid=uid)))


def test_finish_twice_at_once(server):
    data = random.Random(5).randbytes(3_000_000)
    pieces = [data[i:i + 1_000_000] for i in range(0, len(data), 1_000_000)]
    for _ in range(5):
        uid = None
        for n, piece in enumerate(pieces):
            uid = chunk(server, kind="application/msgpack", uploadUid=uid, totalSize=len(data), chunkCount=3, chunkNumber=n, content=piece)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: finish(server, uid), range(4)))
        assert [a.status for a in answers] == [200] * 4 and len({a.body for a in answers}) == 1, answers
        assert stored(server, uid) == data and parts(server, uid) == []
        drop(server, uid)


def test_finish_with_a_digest(server):
    right, wrong = hashlib.sha256(b"hello ").hexdigest(), hashlib.sha256(b"x").hexdigest()
    uid = chunk(server, chunkCount=1, totalSize=6)
    assert finish(server, uid, sha256=right).status == 200
    assert finish(server, uid, sha256=right).status == 200      # and again
    refused(finish(server, uid, sha256=wrong), code="ERR_DIGEST")
    assert stored(server, uid) == b"hello "      # what is complete stays
    uid = chunk(server, chunkCount=1, totalSize=6)
    assert finish(server, uid).status == 200
    assert finish(server, uid, sha256=right).status == 200
    refused(finish(server, uid, sha256=wrong), code="ERR_DIGEST")
    before = server.traces()
    uid = chunk(server, chunkCount=1, totalSize=6)
    refused(finish(server, uid, sha256=wrong), code="ERR_DIGEST")
    refused(finish(server, uid, sha256=right), code="ERR_GONE")      # it is not what was sent: invalid, its bytes are gone
    nothing_left(server, before)


def test_cross_site_requests_are_refused(server):
    with configured(server, "[site]\nanonymous_uploads = yes"):
        cookie = {"Cookie": "slipway_anon=" + "0" * 31 + "1"}
        a = send(server, "uploadChunk", fields(), user=None, Origin="https://elsewhere.example", **cookie)
        refused(a, 403, code="ERR_FORBIDDEN")
        a = send(server, "uploadChunk", fields(chunkCount=1, totalSize=6), user=None)
        assert a.status == 200, a
        uid = a.json["uploadUid"]      # without a cookie it is found by its id
        a = send(server, "uploadFinish", {"uploadUid": uid}, user=None)
        assert a.status == 200, a
    key = server.slipway("key", "add", "mei", "--read-only").split()[-1]
    refused(send(server, "uploadChunk", fields(), Authorization=f"Bearer {key}"), 403)


def test_pages_of_other_sites(server):
    with configured(server, "[cors]\norigins = https://maps.example"):
        a = server.request("OPTIONS", "/_/uploadChunk", headers={"Origin": "https://maps.example", "Access-Control-Request-Method": "POST"}, user=None)
        assert a.status == 200 and a.header("Access-Control-Allow-Origin") == "https://maps.example", a.headers
        assert "POST" in a.header("Access-Control-Allow-Methods") and "Content-Type" in a.header("Access-Control-Allow-Headers"), a.headers
        a = send(server, "uploadChunk", fields(), Origin="https://maps.example")
        assert a.status == 200 and a.header("Access-Control-Allow-Origin") == "https://maps.example", a.headers
        assert "X-Slipway-Error" in a.header("Access-Control-Expose-Headers"), a.headers
    assert server.request("OPTIONS", "/_", headers={"Origin": "https://maps.example"}, user=None).header("Access-Control-Allow-Origin") is None


def test_long_files_are_joined_by_the_worker(server):
    data = random.Random(9).randbytes(300_000)
    with configured(server, "[upload]\nassemble_inline = 100K"):
        uid = None
        for n in range(3):
            uid = chunk(server, kind="application/msgpack", uploadUid=uid, totalSize=len(data), chunkCount=3, chunkNumber=n,
                        content=data[n * 100_000:(n + 1) * 100_000])
        for _ in range(2):      # all of it is there: told at once, and again
            a = finish(server, uid, sha256=hashlib.sha256(data).hexdigest())
            assert a.status == 200 and a.json == {"uploadUid": uid, "fileName": "plan.txt", "totalSize": len(data)}, a
        end = time.monotonic() + 20
        while server.get(f"/files/{uid}", accept="application/json").json["state"] != "complete" and time.monotonic() < end:
            time.sleep(0.1)
        assert stored(server, uid) == data
        a = finish(server, uid)
        assert a.status == 200, a
        drop(server, uid)


def test_memory_does_not_grow_with_bodies(server):
    """Ten megabytes as a list of numbers, four at once: no tree is made of them."""
    data = bytes(range(250)) * 10_000
    body = json.dumps(fields(chunkCount=1, totalSize=len(data), content=list(data)), separators=(",", ":"))
    assert len(body) > 8 << 20
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        uids = [a.json["uploadUid"] for a in pool.map(lambda _: send(server, "uploadChunk", body), range(8))]
    most = 0
    for pid in fronts(server):
        with open(f"/proc/{pid}/status") as f:
            most = max(most, int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]))
    assert 0 < most < 80 << 10, most      # kB: four bodies and a front
    for uid in uids:
        assert finish(server, uid).status == 200
    assert stored(server, uids[0]) == data
    drop(server, *uids)


def test_other_names_of_the_commands(server):
    with configured(server, "[gws]\nchunk_commands = datenHochladen uploadChunk2\nfinish_commands = fertig"):
        refused(send(server, "uploadChunk", fields()), 404)
        uid = send(server, "datenHochladen", fields()).json["uploadUid"]
        assert send(server, "uploadChunk2", fields(uploadUid=uid, chunkNumber=1, content="world")).json == {"uploadUid": uid}
        refused(send(server, "datenHochladen%20uploadChunk2", fields()), 404)
        assert send(server, "", {"cmd": "fertig", "uploadUid": uid}).json["totalSize"] == 11


def test_limits_of_the_engine(server):
    with configured(server, "[upload]\nmax_open = 2\nmax_parts = 3\nmax_size = 1M"):
        before = server.traces()
        refused(send(server, "uploadChunk", fields(chunkCount=4)))
        refused(send(server, "uploadChunk", fields(totalSize=(1 << 20) + 1)), 413)
        nothing_left(server, before)
        uids = [chunk(server, user="otto") for _ in range(2)]
        a = refused(send(server, "uploadChunk", fields(), user="otto"), 429, code="ERR_RATE")
        assert a.header("Retry-After") == "60", a.headers
        for uid in uids:
            server.request("DELETE", f"/files/{uid}", user="otto")
    with configured(server, "[upload]\nquota = 20"):
        refused(send(server, "uploadChunk", fields(totalSize=21), user="otto"), 413, code="ERR_QUOTA")


if __name__ == "__main__":
    import test_gws
    main(test_gws)
