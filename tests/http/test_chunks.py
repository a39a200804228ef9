"""Goal: the requests of every browser upload library, written by hand, fill the right upload at /chunks: in any order, twice,
cut, with the fields behind the data; and are answered in the form each library reads (transports.md 6, 9, 10: 50-59)."""
import concurrent.futures
import gzip
import json
import os
import random
import subprocess
import tempfile
import time
import urllib.parse
import uuid

from harness import Server, main, nothing_left
from steps import configured
from test_bodies import head_of, raw

MIB = 1 << 20
NAME = "数据 a.csv"


def quote(s):
    return urllib.parse.quote(s)


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


# ---- multipart bodies in any order of their parts

def form(parts):
    """PARTS: (name, value) or (field, filename, bytes)."""
    b = "----b" + uuid.uuid4().hex
    out = []
    for p in parts:
        if len(p) == 2:
            out.append(f'--{b}\r\nContent-Disposition: form-data; name="{p[0]}"\r\n\r\n{p[1]}\r\n'.encode())
        else:
            out.append((f'--{b}\r\nContent-Disposition: form-data; name="{p[0]}"; filename="{p[1]}"\r\n'
                        "Content-Type: application/octet-stream\r\n\r\n").encode() + p[2] + b"\r\n")
    return b"".join(out) + f"--{b}--\r\n".encode(), "multipart/form-data; boundary=" + b


def send(server, fields, piece=None, field="file", filename="blob", path="/chunks", order="before", method="POST", user="mei", **headers):
    """One multipart request: FIELDS (dict) before, after or around the data."""
    parts = list(fields.items())
    data = [(field, filename, piece)] if piece is not None else []
    if order == "before":
        parts = parts + data
    elif order == "after":
        parts = data + parts
    else:
        parts = parts + data
        random.Random(order).shuffle(parts)
    body, kind = form(parts)
    return server.request(method, path, body=body, headers={"Content-Type": kind, **headers}, user=user)


def octets(server, fields, piece, path="/chunks", method="POST", user="mei", **headers):
    """The same with the fields in the query and the bytes as the body."""
    return server.request(method, path + "?" + urllib.parse.urlencode(fields), body=piece,
                          headers={"Content-Type": "application/octet-stream", **headers}, user=user)


# ---- the libraries: what they send for each piece of a file: (fields, bytes, headers)

def sliced(data, size, last_larger):
    n = max(1, len(data) // size if last_larger else -(-len(data) // size))
    return [data[i * size:(i + 1) * size if i < n - 1 or not last_larger else len(data)] for i in range(n)]


def numbered(names, data, size, name, path=None):
    pieces = sliced(data, size, True)
    # What Resumable.js and its like make of a name: no letter but ASCII's is left.
    ident = f"{len(data)}-" + "".join(c for c in (path or name) if c.isascii() and (c.isalnum() or c in "-_"))
    for i, piece in enumerate(pieces):
        values = [i + 1, size, len(piece), len(data), ident, name, path or name, len(pieces)]
        yield dict(zip(names, values)), piece, {}


def resumable(data, size, name, path=None):
    words = "ChunkNumber ChunkSize CurrentChunkSize TotalSize Identifier Filename RelativePath TotalChunks".split()
    return numbered(["resumable" + w for w in words], data, size, name, path)


def flow(data, size, name, path=None):
    words = "ChunkNumber ChunkSize CurrentChunkSize TotalSize Identifier Filename RelativePath TotalChunks".split()
    return numbered(["flow" + w for w in words], data, size, name, path)


def simple(data, size, name, path=None):
    words = "chunkNumber chunkSize currentChunkSize totalSize identifier filename relativePath totalChunks".split()
    return numbered(words, data, size, name, path)


def dropzone(data, size, name, ident=None):
    pieces = sliced(data, size, False)
    ident = ident or str(uuid.uuid4())
    for i, piece in enumerate(pieces):
        yield {"dzuuid": ident, "dzchunkindex": i, "dztotalfilesize": len(data), "dzchunksize": size,
               "dztotalchunkcount": len(pieces), "dzchunkbyteoffset": i * size}, piece, {"filename": name}


def fine(data, size, name, ident=None):
    pieces = sliced(data, size, False)
    ident = ident or str(uuid.uuid4())
    for i, piece in enumerate(pieces):
        yield {"qqpartindex": i, "qqpartbyteoffset": i * size, "qqchunksize": len(piece), "qqtotalparts": len(pieces),
               "qqtotalfilesize": len(data), "qqfilename": name, "qquuid": ident}, piece, {"field": "qqfile"}


def webuploader(data, size, name, changed="Sun Nov 22 2026 10:00:00 GMT+0000"):
    pieces = sliced(data, size, False)
    for i, piece in enumerate(pieces):
        yield {"id": "WU_FILE_0", "name": name, "type": "text/csv", "lastModifiedDate": changed, "size": len(data),
               "chunks": len(pieces), "chunk": i}, piece, {"filename": name}


def plupload(data, size, name):
    pieces = sliced(data, size, False)
    for i, piece in enumerate(pieces):
        yield {"name": name, "chunk": i, "chunks": len(pieces)}, piece, {}


def plupload_offset(data, size, name):
    for i, piece in enumerate(sliced(data, size, False)):
        yield {"name": name, "offset": i * size, "total": len(data)}, piece, {}


def contentrange(data, size, name):
    for i, piece in enumerate(sliced(data, size, False)):
        a = i * size
        yield {}, piece, {"field": "files[]", "filename": name, "Content-Range": f"bytes {a}-{a + len(piece) - 1}/{len(data)}",
                          "Content-Disposition": f'attachment; filename="{quote(name)}"'}


RANGED = [resumable, flow, simple, dropzone, fine, plupload_offset, contentrange]
SEQUENTIAL = [plupload]
ALL = RANGED + [webuploader, plupload]
# Names of their own making that two clients may share.
UNSURE = [resumable, flow, simple, webuploader, plupload, plupload_offset, contentrange]
FORCED = {plupload_offset: "plupload"}


def forced(library):
    return "/chunks/" + FORCED.get(library, library.__name__)


# ---- what is there

def stored(server, ident):
    with open(os.path.join(server.data, "uploads", ident[:2], ident, "data"), "rb") as f:
        return f.read()


def uploads(server):
    """Records that are no tombstones."""
    rows = [json.loads(l) for l in server.slipway("dump").splitlines()]
    return [r["value"] for r in rows if r["table"] == "uploads" and r["value"].get("state") != "expired"]


def status(server, ident, user="mei"):
    return server.get(f"/files/{ident}", accept="application/json", user=user).json


def check(answer, code=200):
    assert answer.status == code, answer
    assert answer.json["success"] is True, answer
    return answer.json


def put_all(server, requests, **kw):
    """Send all; the last answer."""
    a = None
    for fields, piece, extra in requests:
        a = send(server, fields, piece, **{**extra, **kw})
        check(a)
    return a.json


def complete(server, m, data, name=NAME):
    assert m["complete"] is True and m["id"] == m["uploadUid"] and m["url"] == server.at(f"/files/{m['id']}"), m
    assert m["size"] == m["received"] == len(data) and m["name"] == name, m
    assert stored(server, m["id"]) == data, m
    return m["id"]


# ---- each library, in order and out of order

def test_every_library_in_order(server):
    data = content(25_000)
    for library in ALL:
        for path in ("/chunks", "/chunks/", forced(library), forced(library) + "/"):
            requests = list(library(data, 10_000, NAME))
            ids = set()
            for i, (fields, piece, extra) in enumerate(requests):
                a = send(server, fields, piece, path=path, **extra)
                m = check(a)
                ids.add(m["id"])
                assert m["name"] == NAME, m
                assert m["complete"] is (i == len(requests) - 1), (library, i, m)
                assert m["received"] == sum(len(r[1]) for r in requests[:i + 1]), (library, i, m)
                assert a.header("Cache-Control") == "no-store" and a.header("Content-Type").startswith("application/json")
            assert len(ids) == 1, (library, ids)
            complete(server, m, data)


def test_any_order_of_chunks(server):
    for seed, library in enumerate(l for l in ALL if l not in SEQUENTIAL):
        for turn in range(3):
            data = content(55_000, seed * 10 + turn)
            requests = list(library(data, 10_000, f"{library.__name__} {turn}.csv"))
            requests = requests[::-1] if turn == 0 else random.Random(turn).sample(requests, len(requests))
            m = put_all(server, requests)
            complete(server, m, data, f"{library.__name__} {turn}.csv")


def test_any_order_of_fields(server):
    """58: fields behind the data, and around it."""
    for seed, library in enumerate(ALL):
        for order in ["after"] + list(range(12)):
            data = content(25_000, seed)
            m = put_all(server, library(data, 10_000, NAME), order=order)
            complete(server, m, data)


def test_raw_bodies(server):
    for seed, library in enumerate(l for l in ALL if l is not contentrange):
        data = content(25_000, seed)
        for fields, piece, extra in library(data, 10_000, NAME):
            if library is dropzone:
                extra = {"X-File-Name": quote(NAME)}
            a = octets(server, fields, piece, **{k: v for k, v in extra.items() if k.startswith("X")})
            m = check(a)
        complete(server, m, data)
        # one byte less than the fields say, or one more
        if library in (resumable, flow, simple, dropzone, fine):
            before = server.traces()
            fields, piece, extra = next(iter(library(content(25_000, 99), 10_000, "short.csv")))
            for wrong in (piece[:-1], piece + b"x"):
                assert octets(server, fields, wrong).status == 400
            nothing_left(server, before)


def test_every_chunk_twice(server):
    def twice(library):
        data = content(35_000)
        ids = set()
        for fields, piece, extra in library(data, 10_000, f"twice {library.__name__}"):
            for _ in range(2):
                m = check(send(server, fields, piece, **extra))
                ids.add(m["id"])
        assert len(ids) == 1, (library, ids)      # 56: the last one's repetition is answered too, and is no second upload
        complete(server, m, data, f"twice {library.__name__}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:      # such a repetition takes a moment
        list(pool.map(twice, ALL))


def test_sizes_at_the_edges(server):
    for library in ALL:
        for size in (0, 1, 9_999, 10_000, 10_001, 20_000):
            if size == 0 and library is contentrange:
                continue      # "bytes 0--1/0" is none: such files come as forms
            data = content(size, size)
            m = put_all(server, library(data, 10_000, f"{size}.bin"))
            complete(server, m, data, f"{size}.bin")


def test_larger_chunks(server):
    """2 MiB exactly, and the contract's 2 500 000 bytes in 1 MiB chunks."""
    for library in ALL:
        for size in (2 * MIB, 2_500_000):
            data = content(size, size)
            complete(server, put_all(server, library(data, MIB, NAME)), data)


def test_parallel_chunks_are_one_upload(server):
    """7, and three at a time as libraries do."""
    data = content(200_000)
    for library in (resumable, flow, simple, dropzone, fine, webuploader):
        requests = list(library(data, 10_000, f"parallel {library.__name__}"))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda r: check(send(server, r[0], r[1], **r[2])), requests))
        ids = {m["id"] for m in answers}
        assert len(ids) == 1, (library, ids)
        assert stored(server, ids.pop()) == data
    before = len(uploads(server))
    fields, piece, extra = next(iter(dropzone(content(25_000), 10_000, "first.csv")))
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: send(server, fields, piece, **extra), range(20)))
    assert len({check(a)["id"] for a in answers}) == 1
    assert len(uploads(server)) == before + 1


# ---- one client key, several files

def test_names_users_and_edits(server):
    for library in (resumable, flow, simple):
        # 53: equal sizes, names without a letter that counts: one identifier
        a, b = content(25_000, 1), content(25_000, 2)
        one, two = list(library(a, 10_000, "甲.csv")), list(library(b, 10_000, "乙.csv"))
        for pair in zip(one, two):
            m, n = [check(send(server, f, p, **e)) for f, p, e in pair]
        assert complete(server, m, a, "甲.csv") != complete(server, n, b, "乙.csv")
        # the same name in two folders
        one, two = list(library(a, 10_000, "x.csv", "d1/x.csv")), list(library(b, 10_000, "x.csv", "d2/x.csv"))
        for pair in zip(one, two):
            m, n = [check(send(server, f, p, **e)) for f, p, e in pair]
        assert complete(server, m, a, "x.csv") != complete(server, n, b, "x.csv")
    for library in ALL:
        name = f"shared {library.__name__}"
        a, b, c = content(25_000, 3), content(25_000, 4), content(25_000, 5)
        kw = {"ident": str(uuid.uuid4())} if library in (dropzone, fine) else {}
        # 55: the same key by two users
        for x, y in zip(library(a, 10_000, name, **kw), library(b, 10_000, name, **kw)):
            m = check(send(server, x[0], x[1], **x[2]))
            n = check(send(server, y[0], y[1], user="otto", **y[2]))
        assert complete(server, m, a, name) != complete(server, n, b, name)
        assert server.get(f"/files/{n['id']}").status == 404
        # 54: the same file edited, of the same size (Dropzone and Fine Uploader give it another id)
        last = put_all(server, library(c, 10_000, name))
        assert complete(server, last, c, name) != m["id"]
        assert stored(server, m["id"]) == a


def test_get_tells_what_is_there(server):
    data = content(35_000)
    for library in (resumable, flow, simple):
        requests = list(library(data, 10_000, f"ask {library.__name__}"))

        def there(i):
            return server.get("/chunks?" + urllib.parse.urlencode(requests[i][0]))
        assert [there(i).status for i in range(3)] == [204, 204, 204]
        for i in (2, 0):
            check(send(server, *requests[i][:2]))
        answers = [there(i) for i in range(3)]
        assert [a.status for a in answers] == [200, 204, 200], answers
        assert answers[0].json["complete"] is False and answers[1].body == b""
        m = check(send(server, *requests[1][:2]))
        ident = complete(server, m, data, f"ask {library.__name__}")
        # who asks after the end begins anew
        assert there(0).status == 204
        again = put_all(server, requests)
        assert complete(server, again, data, f"ask {library.__name__}") != ident
        assert server.get("/chunks?" + urllib.parse.urlencode(requests[0][0]), user="otto").status == 204
    before = server.traces()
    for query in ("", "?a=b", "?flowIdentifier=x", "?flowIdentifier=x&flowChunkNumber=0&flowChunkSize=1&flowTotalSize=1"):
        assert server.get("/chunks" + query).status == 400, query
    nothing_left(server, before)


# ---- cut, wrong, unknown

def cut(server, fields, piece, keep, path="/chunks", **extra):
    """Send the head of a request and KEEP bytes of the piece, then go."""
    headers = {k: v for k, v in extra.items() if "-" in k}
    body, kind = form(list(fields.items()) + [(extra.get("field", "file"), extra.get("filename", "blob"), piece)])
    at = body.index(piece)
    lines = [f"{k}: {v}" for k, v in headers.items()]
    raw(server, head_of(server, "POST", path, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines), body[:at + keep], cut=True, wait=3)


def until(what, seconds=5):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_cut_chunks(server):
    """Range mode keeps what came, parts are dropped; the repetition completes both."""
    data = content(400_000)
    for library in (resumable, flow, simple, dropzone, fine, webuploader, plupload):
        requests = list(library(data, 200_000, f"cut {library.__name__}"))
        fields, piece, extra = requests[0]
        cut(server, fields, piece, 150_000, **extra)
        want = library.__name__

        def mine():
            return [u for u in uploads(server) if u["name"] == f"cut {want}"]
        if library in RANGED:
            until(mine)
        m = put_all(server, requests)
        complete(server, m, data, f"cut {library.__name__}")
        assert len(mine()) == 1, mine()


def test_cut_range_is_remembered(server):
    data = content(400_000)
    requests = list(flow(data, 200_000, "kept.csv"))
    check(send(server, *requests[1][:2]))
    cut(server, *requests[0][:2], 150_000)
    m = None

    def progress():
        nonlocal m
        m = [u for u in uploads(server) if u["name"] == "kept.csv"][0]
        return check(send(server, *requests[1][:2]))["received"] > 200_000
    until(progress)
    complete(server, put_all(server, requests), data, "kept.csv")


def test_wrong_sizes_leave_nothing(server):
    data = content(25_000)
    before = server.traces()
    for library in (resumable, flow, simple, dropzone, fine, contentrange):
        for fields, piece, extra in library(data, 10_000, "wrong.csv"):
            for wrong in (piece[:-1], piece + b"x", b""):
                a = send(server, fields, wrong, **extra)
                assert a.status == 400 and a.header("X-Slipway-Error") == "ERR_LENGTH", (library, a)
                a = send(server, fields, wrong, order="after", **extra)
                assert a.status == 400, (library, a)
    nothing_left(server, before)
    for field, values in (("flowChunkNumber", ["0", "-1", "9", "x", "", "1.0", "99999999999999999999"]),
                          ("flowChunkSize", ["0", "-1", "x", "9223372036854775807"]), ("flowTotalSize", ["-1", "x", "9999999"]),
                          ("flowTotalChunks", ["0", "x", "-1"]), ("flowCurrentChunkSize", ["9", "x", "-1"]),
                          ("flowRelativePath", ["/etc/x", "../x", "a//b"])):
        for value in values:
            fields, piece, _ = next(iter(flow(data, 10_000, "wrong.csv")))
            a = send(server, {**fields, field: value}, piece)
            assert a.status == 400, (field, value, a)
            assert a.json["success"] is False and a.json["code"].startswith("ERR_") and a.json["error"], a
    for fields in ({"name": "x", "chunk": "2", "chunks": "2"}, {"name": "x", "chunk": "-1", "chunks": "2"},
                   {"name": "x", "chunk": "0", "chunks": "999999999"}, {"name": "x", "offset": "5", "total": "4"},
                   {"dzuuid": "x", "dztotalfilesize": "10"}, {"qquuid": "x", "qqpartbyteoffset": "5", "qqchunksize": "1"}):
        a = send(server, fields, b"abc")
        assert a.status == 400, (fields, a)
    nothing_left(server, before)


def test_wrong_sum_of_parts(server):
    """WebUploader's size says what the parts must come to; a corrected part mends it."""
    data = content(25_000)
    requests = list(webuploader(data, 10_000, "sum.csv"))
    check(send(server, *requests[0][:2]))
    check(send(server, requests[1][0], requests[1][1][:-1]))
    a = send(server, *requests[2][:2])
    assert a.status == 400, a
    m = check(send(server, *requests[1][:2]))
    complete(server, m, data, "sum.csv")


def test_requests_without_sense(server):
    before = server.traces()
    for a in (send(server, {}), send(server, {"a": "b"}), send(server, {"flowIdentifier": "x"}),
              server.request("POST", "/chunks", body=b""), server.post("/chunks", {"a": "b"}),
              send(server, {}, path="/chunks/flow"), send(server, {"x": "y"}, b"abc", path="/chunks/flow"),
              send(server, {"x": "y"}, b"abc", path="/chunks/raw"), octets(server, {}, b"abc", path="/chunks/form"),
              server.request("PATCH", "/chunks", body=b""), server.request("PATCH", "/chunks", body=b"abc"), server.request("DELETE", "/chunks")):
        assert a.status == 400, a
        assert a.json["success"] is False and a.json["error"], a
    data = content(25_000)
    fields, piece, _ = next(iter(flow(data, 10_000, "x.csv")))
    assert send(server, fields).status == 400      # no file part
    body, kind = form(list(fields.items()) + [("file", "a", piece), ("file", "b", piece)])
    assert server.request("POST", "/chunks", body=body, headers={"Content-Type": kind}).status == 400
    body, kind = form([("file", "a", piece)] + list(fields.items()) + [("file", "b", piece)])
    assert server.request("POST", "/chunks", body=body, headers={"Content-Type": kind}).status == 400
    # said once before the data, otherwise behind it
    body, kind = form(list(fields.items()) + [("file", "a", piece), ("resumableIdentifier", "x")])
    assert server.request("POST", "/chunks", body=body, headers={"Content-Type": kind}).status == 400
    assert server.request("TRACE", "/chunks").status in (400, 405, 501)
    # base64
    for words in ("data:text/csv;base64,eA==", "data:text/csv;base64," + "A" * 100_000):
        a = send(server, {**next(iter(resumable(data, 10_000, "x.csv")))[0], "file": words})
        assert a.status == 415, a
    nothing_left(server, before)


def test_who_may(server):
    data = content(5_000)
    before = server.traces()
    for library in ALL:
        fields, piece, extra = next(iter(library(data, 10_000, "who.csv")))
        a = send(server, fields, piece, user=None, **extra)
        assert a.status == 401 and a.header("WWW-Authenticate").startswith("Slipway"), (library, a)
        assert a.json["success"] is False, a
    # Resumable.js has its fields in the query too, and would repeat a 401 for ever
    fields, piece, _ = next(iter(resumable(data, 10_000, "who.csv")))
    a = send(server, fields, piece, path="/chunks?" + urllib.parse.urlencode(fields), user=None)
    assert a.status == 400 and a.json["code"] == "ERR_AUTH", a
    assert send(server, fields, piece, path="/chunks/resumable", user=None).status == 400
    a = send(server, {}, b"x", user=None, Accept="text/html")
    assert a.status == 401 and a.header("Location") is None, a
    nothing_left(server, before)


def test_text_for_frames(server):
    data = content(5_000)
    for accept, kind in (("text/html", "text/plain"), ("text/html,*/*;q=0.8", "application/json"), ("application/json", "application/json"),
                         ("*/*", "application/json"), ("text/plain", "text/plain")):
        for fields in ({}, {"flowIdentifier": "x"}):
            a = send(server, fields, data, Accept=accept)
            assert a.header("Content-Type").split(";")[0] == kind, (accept, fields, a.headers)
            assert json.loads(a.body)["success"] is (fields == {}), a


# ---- Dropzone, Fine Uploader

def test_fine_uploader(server):
    data = content(25_000)
    ident = str(uuid.uuid4())
    requests = list(fine(data, 10_000, NAME, ident))

    def done():
        return server.post("/chunks", {"qquuid": ident, "qqfilename": NAME, "qqtotalfilesize": len(data), "qqtotalparts": 3})
    a = done()
    assert a.status == 404 and a.json["success"] is False and a.json["reset"] is True, a
    a = send(server, {**requests[1][0], "qqresume": "true"}, requests[1][1])
    assert a.status == 404 and a.json["reset"] is True and "preventRetry" not in a.json, a
    check(send(server, *requests[0][:2]))
    check(send(server, {**requests[1][0], "qqresume": "true"}, requests[1][1]))
    a = done()
    assert a.status == 409 and a.json["success"] is False and "preventRetry" not in a.json, a
    m = check(send(server, *requests[2][:2]))
    complete(server, m, data)
    m = check(done())
    assert complete(server, m, data) == m["newUuid"]
    assert check(server.post("/chunks", {"qquuid": m["newUuid"]}))["id"] == m["id"]
    # deletion: by its own id, by ours, by POST; once
    assert server.request("DELETE", f"/chunks/{ident}", user="otto").status == 404
    assert check(server.request("DELETE", f"/chunks/{ident}"))["id"] == m["id"]
    assert server.request("DELETE", f"/chunks/{ident}").status in (404, 410)
    assert server.get(f"/files/{m['id']}").status == 410
    m = put_all(server, fine(data, 10_000, NAME))
    check(server.request("DELETE", f"/chunks/fine/{m['newUuid']}"))
    ident = str(uuid.uuid4())
    m = put_all(server, fine(data, 10_000, NAME, ident))
    check(server.post("/chunks", {"_method": "DELETE", "qquuid": ident}))
    assert server.get(f"/files/{m['id']}").status == 410
    # a deleted one is begun anew under the same id
    complete(server, put_all(server, fine(data, 10_000, NAME, ident)), data)
    # whole files: with their length, without it
    for fields in ({"qqtotalfilesize": len(data)}, {}):
        for order in ("before", "after"):
            m = check(send(server, {"qquuid": str(uuid.uuid4()), "qqfilename": NAME, **fields}, data, field="qqfile", order=order))
            complete(server, m, data)
    m = check(octets(server, {"qquuid": str(uuid.uuid4())}, data, **{"X-File-Name": quote(NAME)}))
    complete(server, m, data)


def test_dropzone_whole_files(server):
    data = content(5_000)
    m = check(send(server, {}, data, filename=NAME, path="/chunks/dropzone"))
    complete(server, m, data)
    assert m["files"][0]["name"] == NAME


# ---- FilePond

def pond(server, method, ident, piece=b"", **headers):
    return server.request(method, f"/chunks?patch={ident}", body=piece if method == "PATCH" else None,
                          headers={"Content-Type": "application/offset+octet-stream", **{k.replace("_", "-"): str(v) for k, v in headers.items()}})


def test_filepond(server):
    name = NAME.encode().decode("latin-1")      # raw UTF-8 in a header
    for size in (25_000, 20_000, 0):
        data = content(size)
        a = send(server, {"filepond": "{}"}, **{"Upload-Length": str(size)})
        assert a.status == 201 and a.header("Content-Type").startswith("text/plain"), a
        ident = a.text
        assert len(ident) == 32 and status(server, ident)["size"] == size
        for at in range(0, size + 1, 10_000):      # one piece more when the size is a multiple: empty
            piece = data[at:at + 10_000]
            a = pond(server, "HEAD", ident)
            assert a.status == 200 and a.header("Upload-Offset") == str(at), a
            a = pond(server, "PATCH", ident, piece, Upload_Offset=at, Upload_Length=size, Upload_Name=name)
            assert a.status == 204 and a.header("Upload-Offset") == str(at + len(piece)), a
        s = status(server, ident)
        assert s["state"] == "complete" and s["name"] == (NAME if size else "upload"), s
        assert stored(server, ident) == data
        a = pond(server, "PATCH", ident, data[:10_000], Upload_Offset=0, Upload_Length=size, Upload_Name=name)
        assert a.status == 204, a      # a repetition
        assert stored(server, ident) == data
        a = server.request("DELETE", "/chunks", body=ident.encode(), headers={"Content-Type": "text/plain"})
        assert a.status == 200 and a.body == b"", a
        assert pond(server, "HEAD", ident).status == 410


def test_filepond_refusals(server):
    before = server.traces()
    for length in ("-1", "1.5", "abc", "99999999999999999999"):
        a = send(server, {"filepond": "{}"}, **{"Upload-Length": length})
        assert a.status == 400 and a.header("Content-Type").startswith("text/plain") and a.text.startswith("ERR_LENGTH: "), a
    assert send(server, {"filepond": "{}"}, **{"Upload-Length": str(1 << 40)}).status == 413
    nothing_left(server, before)
    ident = send(server, {"filepond": "{}"}, **{"Upload-Length": "100"}).text
    for headers in ({}, {"Upload_Offset": -1}, {"Upload_Offset": "x"}, {"Upload_Offset": 101}, {"Upload_Offset": 95},
                    {"Upload_Offset": 0, "Upload_Length": 99}, {"Upload_Offset": 0, "Upload_Length": "x"}):
        a = pond(server, "PATCH", ident, b"0123456789", **headers)
        assert a.status == 400, (headers, a)
        assert status(server, ident)["received"] == 0, headers
    for bad in ("../../../etc/passwd", "A" * 32, "0" * 31, "0" * 32, "0" * 300, "", "%E6%95%B0"):
        assert pond(server, "PATCH", bad, b"x", Upload_Offset=0, Upload_Length=1).status == 404, bad
        assert pond(server, "HEAD", bad).status == 404, bad
    assert pond(server, "PATCH", "%00", b"x", Upload_Offset=0, Upload_Length=1).status == 400      # no query can be that
    assert server.request("HEAD", f"/chunks?patch={ident}", user="otto").status == 404
    assert server.request("DELETE", "/chunks", body=ident.encode(), user="otto").status == 404
    assert server.request("DELETE", "/chunks", body=ident.encode()).status == 200
    nothing_left(server, before)


def test_filepond_pieces_count_when_whole(server):
    """FilePond takes every piece as sent that begins before the offset it is told."""
    data = content(400_000)
    ident = send(server, {"filepond": "{}"}, **{"Upload-Length": str(len(data))}).text
    assert pond(server, "PATCH", ident, data[:200_000], Upload_Offset=0, Upload_Length=len(data)).status == 204
    for keep in (0, 1, 150_000):
        head = head_of(server, "PATCH", f"/chunks?patch={ident}", "Content-Type: application/offset+octet-stream", "Content-Length: 200000",
                       "Upload-Offset: 200000", f"Upload-Length: {len(data)}")
        raw(server, head, data[200_000:200_000 + keep], cut=True, wait=3)
        assert pond(server, "HEAD", ident).header("Upload-Offset") == "200000"
    assert pond(server, "PATCH", ident, data[200_000:], Upload_Offset=200_000, Upload_Length=len(data)).status == 204
    assert stored(server, ident) == data


def test_filepond_whole_files(server):
    data = content(5_000)
    body, kind = form([("filepond", '{"a":1}'), ("filepond", NAME, data)])
    a = server.request("POST", "/chunks", body=body, headers={"Content-Type": kind})
    assert a.status == 201 and a.header("Content-Type").startswith("text/plain"), a
    assert stored(server, a.text) == data and status(server, a.text)["name"] == NAME
    a = send(server, {}, data, path="/chunks/filepond", filename=NAME)
    assert a.status == 201 and stored(server, a.text) == data


# ---- Plupload, WebUploader

def test_plupload_begins_anew(server):
    """Chunk 0 discards what an abandoned upload of the same name left."""
    a, b = content(35_000, 1), content(35_000, 2)
    one, two = list(plupload(a, 10_000, "anew.csv")), list(plupload(b, 10_000, "anew.csv"))
    for r in one[:3]:
        m = check(send(server, *r[:2]))
    assert m["received"] == 30_000 and m["size"] is None
    n = check(send(server, *two[0][:2]))
    assert n["received"] == 10_000 and n["id"] == m["id"], n
    complete(server, put_all(server, two[1:]), b, "anew.csv")
    # small files come whole, called "blob" or not
    m = check(send(server, {"name": NAME}, b"abc", filename="blob"))
    complete(server, m, b"abc")
    m = check(send(server, {"name": NAME}, b"abc", filename="blob", order="after"))
    complete(server, m, b"abc")


def test_plupload_with_length_unknown_counts(server):
    data = content(25_000)
    requests = list(plupload(data, 10_000, "unknown.csv"))
    m = check(send(server, *requests[0][:2]))
    assert m["size"] is None and m["complete"] is False, m


def test_plupload_without_names(server):
    """Pieces of a file that has no name can be put together with nothing: they were kept as a whole file each, and called a success."""
    before = server.traces()
    for library in (plupload, plupload_offset):
        for path in ("/chunks", "/chunks/plupload"):
            for fields, piece, _ in library(content(25_000), 10_000, ""):
                nameless = {k: v for k, v in fields.items() if k != "name"}
                for a in (send(server, nameless, piece, path=path), send(server, nameless, piece, path=path, order="after"), octets(server, nameless, piece, path=path)):
                    assert a.status == 400 and "name" in a.json["error"], a
    nothing_left(server, before)
    m = check(send(server, {"chunk": 0, "chunks": 1}, b"whole", filename="w.csv"))
    assert m["complete"] is True and m["size"] == 5, m
    server.request("DELETE", m["url"])


# ---- blueimp and other clients of Content-Range

def test_contentrange(server):
    data = content(25_000)
    requests = list(contentrange(data, 10_000, "a " + NAME))
    a = send(server, *requests[1][:2], **requests[1][2])
    assert a.status == 200 and a.header("Range") is None, a      # nothing from the beginning
    a = send(server, *requests[0][:2], **requests[0][2])
    assert a.header("Range") == "0-19999", a
    a = send(server, *requests[2][:2], **requests[2][2])
    complete(server, check(a), data, "a " + NAME)
    for fields, piece, extra in (requests := list(contentrange(data, 10_000, NAME))):
        a = send(server, fields, piece, **extra)
        assert a.json["files"][0]["name"] == NAME
    ident = complete(server, check(a), data)
    f = a.json["files"][0]
    assert f == {"name": NAME, "size": 25_000, "id": ident, "url": f"/files/{ident}", "deleteUrl": f"/files/{ident}", "deleteType": "DELETE"}
    # what its page asks before it resumes: from the first piece on, whose answer leads behind all that is here
    fields, piece, extra = requests[0]
    again = {**extra, "Content-Disposition": 'attachment; filename="again.csv"'}
    check(send(server, fields, piece, **again))
    assert server.get("/chunks?file=again.csv").json == {"file": None}
    assert server.get("/chunks?file=never%20seen.csv").json == {"file": None}
    assert server.get("/chunks?file=again.csv", user=None).status == 401
    assert server.get("/chunks").status == 400
    fields, piece, extra = requests[1]
    check(send(server, fields, piece, **{**extra, **{"Content-Disposition": again["Content-Disposition"]}}))
    assert send(server, requests[0][0], requests[0][1], **again).header("Range") == "0-19999"
    # small files: no Content-Range
    m = check(send(server, {}, b"abc", field="files[]", filename=NAME))
    assert m["files"][0]["size"] == 3
    # raw, and PUT
    for method, path in (("POST", "/chunks"), ("PUT", "/chunks/" + quote(NAME)), ("PUT", "/chunks/contentrange/" + quote(NAME))):
        for i, (_, piece, extra) in enumerate(requests):
            headers = {"Content-Range": extra["Content-Range"], "Content-Type": "application/octet-stream"}
            if method == "POST":
                headers["Content-Disposition"] = extra["Content-Disposition"]
            a = server.request(method, path, body=piece, headers=headers)
            assert a.status == (201 if method == "PUT" and i == 2 else 200), a
            assert a.header("Range") == (f"0-{(i + 1) * 10_000 - 1}" if i < 2 else None), a
        ident = complete(server, a.json, data)
        assert a.header("Location") == (f"/files/{ident}" if method == "PUT" else None)
    before = server.traces()
    for value in ("bytes 0-9/*", "bytes 9-0/10", "bytes 0-10/10", "bytes 5-/10", "0-9/10", "bytes 0-9/10x"):
        a = send(server, {}, b"0123456789", **{"Content-Range": value})
        assert a.status == 400 and a.json["files"][0]["error"] == a.json["error"], (value, a)
    for size in (9, 11):
        a = server.request("PUT", "/chunks/x", body=b"x" * size, headers={"Content-Range": "bytes 0-9/20"})
        assert a.status == 400, a
    nothing_left(server, before)


# ---- forms and bodies

def test_forms(server):
    a, b = content(70_000, 1), content(30_000, 2)
    body, kind = form([("x", "y"), ("f", NAME, a), ("g", "b.csv", b), ("h", "", b""), ("z", "")])
    answer = server.request("POST", "/chunks", body=body, headers={"Content-Type": kind})
    m = check(answer)
    assert [f["name"] for f in m["files"]] == [NAME, "b.csv"] and m["id"] == m["files"][0]["id"], m
    assert stored(server, m["files"][0]["id"]) == a and stored(server, m["files"][1]["id"]) == b
    assert server.request("DELETE", m["files"][1]["deleteUrl"]).status == 204
    m = check(send(server, {"relativePath": "d/e/x.csv"}, b"abc", filename="x.csv"))
    assert uploads_by_id(server, m["id"])["rel_path"] == "d/e/x.csv"
    m = check(send(server, {"relativePath": "null", "name": "n"}, b"abc", filename="x.csv"))      # as Uppy
    assert m["name"] == "x.csv"
    before = server.traces()
    body, kind = form([("f", "a.csv", a), ("g", "b.csv", b)])
    for end in (100, 50_000, 70_100, len(body) - 5):      # all or none
        raw(server, head_of(server, "POST", "/chunks", f"Content-Type: {kind}", f"Content-Length: {len(body)}"), body[:end], cut=True, wait=3)
    body, kind = form([("f", "", b"")])
    assert server.request("POST", "/chunks", body=body, headers={"Content-Type": kind}).status == 400
    x = send(server, {"relativePath": "../x"}, b"abc", filename="x.csv")
    assert x.status == 400 and x.json["files"][0]["name"] == "x.csv" and x.json["files"][0]["error"], x
    nothing_left(server, before)


def uploads_by_id(server, ident):
    return [u for u in uploads(server) if u["id"] == ident][0]


def test_bodies(server):
    data = content(70_000)
    for method, path, headers in (
            ("PUT", "/chunks/" + quote(NAME), {}), ("PUT", "/chunks/raw/" + quote(NAME), {}), ("POST", "/chunks?name=" + quote(NAME), {}),
            ("POST", "/chunks", {"X-File-Name": quote(NAME)}), ("POST", "/chunks/raw", {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(NAME)}"}),
            ("PUT", "/chunks", {"Content-Disposition": f'attachment; filename="{quote(NAME)}"'})):
        a = server.request(method, path, body=data, headers={"Content-Type": "text/csv", **headers})
        ident = complete(server, check(a, 201), data)
        assert a.header("Location") == f"/files/{ident}", a
    complete(server, check(server.request("PUT", "/chunks/empty.csv", body=b""), 201), b"", "empty.csv")
    complete(server, check(server.request("POST", "/chunks", body=b"{}", headers={"Content-Type": "application/json"}), 201), b"{}", "upload")
    before = server.traces()
    for end in (0, 1, 50_000):
        raw(server, head_of(server, "PUT", "/chunks/cut.csv", f"Content-Length: {len(data)}"), data[:end], cut=True, wait=3)
    nothing_left(server, before)


def test_packed_bodies_are_not_files(server):
    """aiohttp's compress=True, a curl script with a .gz: the file's name would stand on other bytes (security.md 9)."""
    before = server.traces()
    packed = gzip.compress(b"lon,lat\n1,2\n")
    for method, path, headers in (("PUT", "/chunks/a.csv", {}), ("POST", "/chunks?name=a.csv", {}), ("PUT", "/files/a.csv", {}), ("POST", "/files/", {}),
                                  ("PUT", "/chunks/a.csv", {"Content-Range": f"bytes 0-{len(packed) - 1}/{len(packed)}"})):
        for coding in ("gzip", "deflate", "br", "identity, gzip"):
            a = server.request(method, path, body=packed, headers={"Content-Type": "text/csv", "Content-Encoding": coding, **headers})
            assert a.status == 415 and a.header("X-Slipway-Error") == "ERR_TYPE" and coding in a.text, (method, path, coding, a)
    nothing_left(server, before)
    a = server.request("PUT", "/chunks/a.csv", body=packed, headers={"Content-Type": "text/csv", "Content-Encoding": "identity"})
    complete(server, check(a, 201), packed, "a.csv")


def test_location_is_the_public_address(server):
    with configured(server, "[site]\npublic_url = https://maps.example/gis"):
        for path, headers in (("/chunks/a.csv", {}), ("/chunks/a.csv", {"Content-Range": "bytes 0-2/3"}), ("/files/a.csv", {})):
            a = server.request("PUT", path, body=b"abc", headers=headers)
            assert a.status == 201 and a.header("Location") == f"https://maps.example/gis/files/{a.json['id']}", a


def test_curl(server):
    """59"""
    data = content(70_000)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, NAME)
        with open(path, "wb") as f:
            f.write(data)
        url = f"http://127.0.0.1:{server.port}/chunks"
        key = ["-H", f"Authorization: Bearer {server.tokens['mei']}"]

        def curl(*args, code):
            done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *key, *args], stdout=subprocess.PIPE, timeout=30, check=True)
            body, status = done.stdout.rsplit(b"\n", 1)
            assert int(status) == code, (args, done.stdout)
            return json.loads(body)
        complete(server, curl("-F", f"file=@{path}", url, code=200), data)
        complete(server, curl("-T", path, url + "/", code=201), data)
        before = server.traces()
        with open(path, "rb") as f:
            done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *key, "-T", "-", url + "/x.csv"], stdin=f, stdout=subprocess.PIPE, timeout=30)
        assert done.stdout.endswith(b"\n411") or done.stdout.endswith(b"\n201"), done.stdout      # a web server may add the length
        if done.stdout.endswith(b"\n411"):
            nothing_left(server, before)


def test_anonymous_clients(server):
    """Where the site takes them: all pieces of a file reach one upload, whoever keeps no cookie finds it by its id."""
    data = content(25_000)
    with configured(server, "[site]\nanonymous_uploads = yes"):
        for library in ALL:
            complete_of(server, put_all(server, library(data, 10_000, NAME), user=None), data)
        ident = send(server, {"filepond": "{}"}, user=None, **{"Upload-Length": "10"}).text
        a = server.request("PATCH", f"/chunks?patch={ident}", body=b"0123456789", headers={"Upload-Offset": "0", "Upload-Length": "10"}, user=None)
        assert a.status == 204 and stored(server, ident) == b"0123456789", a
        a = send(server, {}, data, filename=NAME, user=None)
        assert a.header("Set-Cookie").startswith("slipway_anon="), a.headers
        complete_of(server, check(a), data)
        complete_of(server, check(server.request("PUT", "/chunks/" + quote(NAME), body=data, user=None), 201), data)
        # a cookie's own
        mine = {"Cookie": "slipway_anon=" + "0" * 31 + "1"}
        requests = list(flow(data, 10_000, "mine.csv"))
        for fields, piece, _ in requests:
            m = check(send(server, fields, piece, user=None, **mine))
        assert server.get(f"/files/{m['id']}", user=None).status == 404
        assert server.get(f"/files/{m['id']}", user=None, headers=mine).status == 204
        before = server.traces()
        for headers in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Referer": "https://elsewhere.example/x"}):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                a = server.request(method, f"/chunks/{m['id']}", body=b"x", headers={**mine, **headers}, user=None)
                assert a.status == 403 and a.json["success"] is False, (method, headers, a)
        nothing_left(server, before)


def test_neighbours_do_not_mix(server):
    """Guests without cookies behind one address, whose libraries call two files the same: nobody is told of success for another one's bytes."""
    a, b, size = content(25_000, 1), content(25_000, 2), 10_000
    c = a[:20_000] + b[20_000:]      # differs from A in its last piece only
    with configured(server, "[site]\nanonymous_uploads = yes"):
        for library in UNSURE:
            def pieces(data, name):
                return [lambda f=f, p=p, e=e, **kw: send(server, f, p, user=None, **{**e, **kw}) for f, p, e in library(data, size, name)]
            name = f"turns {library.__name__}"
            mine, others = pieces(a, name), pieces(b, name)
            for own, other in zip(mine, others):
                last = check(own())
                refused = other()
                assert refused.status == 400 and refused.json["success"] is False and "another name" in refused.json["error"], (library, refused)
            complete(server, last, a, name)
            # a repetition of what arrived is no other file, not even after the end
            assert check(mine[-1]())["id"] == last["id"]
            assert others[0]().status == 400      # a piece of the first one may still be on its way
            server.request("DELETE", f"/files/{last['id']}", user=None)
            for other in others:
                second = check(other())
            complete(server, second, b, name)
            # what one has begun is not gone on with by another, wherever they part
            name = f"left {library.__name__}"
            mine, others = pieces(a, name), pieces(c, name)
            check(mine[0]())
            first = others[0]()
            assert check(first)["complete"] is False
            for own in mine[1:]:
                last = check(own())
            assert others[-1]().status == 400
            assert others[1]().status == (200 if len(others) > 2 else 400)
            complete(server, last, a, name)
            if library is contentrange:
                name = "jumps"
                mine, others = pieces(a, name), pieces(c, name)
                check(mine[0]())
                check(mine[1]())
                assert others[0]().header("Range") == "0-9999"      # blueimp goes on behind it
            # bodies that are the bytes, and fields behind them
        a, b = content(35_000, 1), content(35_000, 2)
        requests = list(flow(a, size, "asked"))
        check(send(server, *requests[0][:2], user=None))
        assert server.get("/chunks?" + urllib.parse.urlencode(requests[0][0]), user=None).status == 204
        assert octets(server, requests[0][0], b[:size], user=None).status == 400
        assert send(server, requests[0][0], b[:size], order="after", user=None).status == 400
        check(octets(server, requests[1][0], requests[1][1], user=None))
        check(send(server, requests[2][0], requests[2][1], order="after", user=None))


def test_neighbours_at_once(server):
    """The same, all pieces of several guests at the same moment."""
    files = [content(50_000, seed) for seed in range(4)]
    with configured(server, "[site]\nanonymous_uploads = yes"):
        for library in UNSURE:
            name = f"crowd {library.__name__}"
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                sent = [[pool.submit(send, server, f, p, user=None, **e) for f, p, e in library(data, 10_000, name)] for data in files]
            for data, answers in zip(files, sent):
                answers = [x.result() for x in answers]
                assert {x.status for x in answers} <= {200, 400, 423}, answers
                whole = {x.json["id"] for x in answers if x.status == 200 and x.json["complete"]}
                if all(x.status == 200 for x in answers):
                    assert len(whole) == 1 and stored(server, whole.pop()) == data, (library, answers)


def complete_of(server, m, data):
    assert m["complete"] is True and stored(server, m["id"]) == data, m


def test_read_only_keys_and_sites(server):
    data = content(25_000)
    key = {"Authorization": "Bearer " + server.slipway("key", "add", "mei", "--read-only").split()[-1]}
    requests = list(flow(data, 10_000, "ro.csv"))
    ident = complete(server, put_all(server, requests), data, "ro.csv")
    there = "/chunks?" + urllib.parse.urlencode(requests[0][0])
    # Asking with such a key ends nothing.
    assert server.get(there, headers=key).status == 200 and server.get(there, headers=key).status == 200
    assert check(send(server, *requests[1][:2]))["id"] == ident
    before = server.traces()
    a = send(server, *requests[0][:2], **key)
    assert a.status == 403 and a.json["success"] is False, a
    with configured(server, "[site]\nread_only = yes"):
        a = send(server, *requests[0][:2])
        assert a.status == 503 and a.json["code"] == "ERR_UNAVAILABLE" and a.header("Retry-After"), a
        assert server.get(there).status == 200
    nothing_left(server, before)


def test_methods_overridden(server):
    """For clients that can only GET and POST."""
    data = content(5_000)
    a = server.request("POST", "/chunks/" + quote(NAME), body=data, headers={"X-HTTP-Method-Override": "PUT"})
    ident = complete(server, check(a, 201), data)
    a = server.request("POST", f"/chunks/{ident}", body=b"", headers={"X-HTTP-Method-Override": "DELETE"})
    assert a.status == 200 and server.get(f"/files/{ident}").status == 410, a
    assert server.request("POST", "/chunks", body=data, headers={"X-HTTP-Method-Override": "BREW"}).status == 400
    a = server.request("OPTIONS", "/chunks")
    assert a.status == 204 and {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(a.header("Allow").replace(",", "").split()), a.headers


# ---- limits

def test_quota(_):
    """57"""
    server = Server("quota = 100000\nmax_size = 200000\n[wizard]\nmax_files = 3")
    try:
        data = content(90_000)
        before = server.traces()
        for library in (resumable, flow, fine, dropzone, webuploader):
            fields, piece, extra = next(iter(library(content(150_000), 60_000, "large.csv")))
            a = send(server, fields, piece, **extra)
            assert a.status == (400 if library is resumable else 413) and a.json["code"] == "ERR_QUOTA", a
            assert a.json.get("preventRetry") is (True if library is fine else None), a
            fields, piece, extra = next(iter(library(content(250_000), 60_000, "large.csv")))
            a = send(server, fields, piece, **extra)
            assert a.status == (400 if library is resumable else 413) and a.json["code"] == "ERR_TOO_LARGE", a
        nothing_left(server, before)
        complete(server, put_all(server, flow(data, 40_000, "fits.csv")), data, "fits.csv")
        for library in (plupload, contentrange):
            fields, piece, extra = next(iter(library(content(60_000), 30_000, "more.csv")))
            a = send(server, fields, piece, **extra)
            assert a.status == 413, a
        body, kind = form([("f", f"{i}.csv", b"x") for i in range(4)])
        a = server.request("POST", "/chunks", body=body, headers={"Content-Type": kind})
        assert a.status == 413 and len(a.json["files"]) == 3, a
    finally:
        server.close()


if __name__ == "__main__":
    import test_chunks
    main(test_chunks)
