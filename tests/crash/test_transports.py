#!/usr/bin/python3
"""Goal: whatever happens to a request in the middle of its body - the connection cut, the front killed with SIGKILL, another
writer, a full disk - what was acknowledged is there, the client goes on, the file is the one it sent (SHA-256), and after its
deletion nothing is left.  Over every transport, through the real web server.

  KILLS=100 test_transports.py      kills and cuts a transport; default 10
"""
import base64
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness
import test_chunks as chunks
import transfer
from test_uploadtasks_live import Small, restart
from transfer import BYTES, PART, TUS

KILLS = int(os.environ.get("KILLS", "10"))
SIZE = 900_000
PIECE = 100_000
RNG = random.Random(int(os.environ.get("SEED", "4711")))
TAKE_S = 60            # one request, with all its repetitions


class Mishap:
    """What happens in the middle of a request's body, COUNT times; then nothing."""

    def __init__(self, server, count):
        self.server, self.left = server, count

    def strike(self):
        pass

    def now(self):
        """Every second request or so."""
        if self.left == 0 or RNG.random() < 0.3:
            return False
        self.left -= 1
        return True


class Cut(Mishap):
    pass


class Kill(Mishap):
    def strike(self):
        # Somewhere between the first byte and the last write.
        time.sleep(RNG.uniform(0, 0.05))
        transfer.kill_fronts(self.server)


def parse(out):
    """Answer out of the bytes of a closed connection; None = none."""
    head, _, body = out.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) < 2 or not words[1].isdigit():
        return None
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked":
        whole, rest = b"", body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            n = int(size.split(b";")[0] or b"0", 16)
            whole, rest = whole + rest[:n], rest[n + 2:]
            if n == 0:
                break
        body = whole
    a = harness.Answer(int(words[1]), headers, body)
    a.header = lambda name: headers.get(name.lower())
    return a


def send(mishap, method, url, headers, body):
    """One request; None when it came to nothing."""
    server = mishap.server
    try:
        if body and mishap.now():
            keep = RNG.randrange(len(body))
            s = transfer.begin(server, method, url, len(body), headers, body[:keep])
            mishap.strike()
            s.close()
            return None
        s = transfer.begin(server, method, url, len(body), headers, body)
        return parse(transfer.answer_of(s)[2])
    except OSError:
        return None


def persist(mishap, method, url, headers, body, good=(200, 201, 204)):
    """The same until it is answered well; anything but trouble of ours is an error."""
    until = time.monotonic() + TAKE_S
    while True:
        a = send(mishap, method, url, headers, body)
        if a is not None and a.status in good:
            return a
        # 400: the answer to the cut request of before; 423: it is still being put away.
        assert a is None or a.status >= 500 or a.status in (423,), (method, url, a)
        assert time.monotonic() < until, (method, url, a)
        time.sleep(0.02)


def bearer(server):
    return {"Authorization": "Bearer " + server.tokens["mei"]}


# ---- clients, one a transport; each sends DATA and returns the URL of the upload

def resume(mishap, url, offset_of, piece_of, acknowledged, size):
    """Offset transports: ask where to go on after every failure."""
    at = acknowledged
    until = time.monotonic() + TAKE_S * 4
    while at < size:
        assert time.monotonic() < until, (url, at)
        a = piece_of(at)
        if a is not None and a.status in (200, 201, 204):
            at = int(a.header("Upload-Offset"))
            acknowledged = at
            continue
        assert a is None or a.status >= 500 or a.status in (400, 409, 423), a
        got = offset_of()
        if got is None:
            time.sleep(0.05)
            continue
        assert got >= acknowledged, f"{got} of {acknowledged} acknowledged bytes are there"
        at = acknowledged = got


def ask_offset(mishap, url, headers):
    a = send(Mishap(mishap.server, 0), "HEAD", url, headers, b"")
    if a is None or a.status >= 500 or a.status == 423:
        return None
    assert a.status in (200, 204), a
    return int(a.header("Upload-Offset"))


def tus(mishap, data, length=None, **extra):
    size = len(data)
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": "filename YS5jc3Y=", **extra}
    url = persist(mishap, "POST", "/files/", headers, b"").header("Location")

    def piece(at):
        return send(mishap, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": str(at)}, data[at:at + RNG.randrange(1, 3 * PIECE)])

    resume(mishap, url, lambda: ask_offset(mishap, url, TUS), piece, 0, size)
    return url


def tus_checked(mishap, data):
    """Every body with its checksum: of a cut one nothing counts."""
    url = persist(mishap, "POST", "/files/", {**TUS, "Upload-Length": str(len(data))}, b"").header("Location")

    def piece(at):
        body = data[at:at + RNG.randrange(1, 3 * PIECE)]
        return send(mishap, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": str(at), **transfer.checksum("sha256", body)}, body)

    resume(mishap, url, lambda: ask_offset(mishap, url, TUS), piece, 0, len(data))
    return url


def tus_parallel(mishap, data):
    """Three partial uploads at once, the final made before they are complete."""
    third = len(data) // 3
    shares = [data[:third], data[third:2 * third], data[2 * third:]]
    urls = [persist(mishap, "POST", "/files/", {**TUS, "Upload-Length": str(len(s)), "Upload-Concat": "partial"}, b"").header("Location")
            for s in shares]
    final = persist(mishap, "POST", "/files/", {**TUS, "Upload-Concat": "final;" + " ".join(urls)}, b"").header("Location")
    for url, share in zip(urls, shares):
        def piece(at):
            return send(mishap, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": str(at)}, share[at:at + RNG.randrange(1, PIECE)])

        resume(mishap, url, lambda: ask_offset(mishap, url, TUS), piece, 0, len(share))
    return final


def ietf(mishap, data):
    say = {"Upload-Draft-Interop-Version": "8"}
    url = persist(mishap, "POST", "/files/", {**say, "Upload-Complete": "?0", "Upload-Length": str(len(data))}, b"").header("Location")

    def piece(at):
        body = data[at:at + RNG.randrange(1, 3 * PIECE)]
        last = "?1" if at + len(body) == len(data) else "?0"
        return send(mishap, "PATCH", url, {**say, **PART, "Upload-Offset": str(at), "Upload-Complete": last}, body)

    resume(mishap, url, lambda: ask_offset(mishap, url, say), piece, 0, len(data))
    return url


def library(make, shuffled=True, force=""):
    """A browser library: pieces in any order, each until it is answered."""
    def client(mishap, data):
        requests = list(make(data, PIECE, "数据.csv"))
        if shuffled:
            RNG.shuffle(requests)
        last = None
        for fields, piece, more in requests:
            field, filename = more.get("field", "file"), more.get("filename", "blob")
            headers = {k: v for k, v in more.items() if k not in ("field", "filename")}
            body, kind = chunks.form(list(fields.items()) + [(field, filename, piece)])
            last = persist(mishap, "POST", "/chunks" + force, {"Content-Type": kind, **headers}, body)
        j = json.loads(last.body)
        # All were acknowledged, so nothing may be missing.
        assert j["complete"], j
        return j["url"]
    return client


def gws(mishap, data):
    pieces = [data[i:i + PIECE] for i in range(0, len(data), PIECE)]
    order = RNG.sample(range(len(pieces)), len(pieces))
    uid = ""
    for n in order:
        body = json.dumps({"uploadUid": uid, "fileName": "a.csv", "totalSize": len(data), "chunkNumber": n, "chunkCount": len(pieces),
                           "contentBase64": base64.b64encode(pieces[n]).decode()}).encode()
        uid = json.loads(persist(mishap, "POST", "/_/uploadChunk", {"Content-Type": "application/json"}, body).body)["uploadUid"]
    end = json.dumps({"uploadUid": uid, "sha256": hashlib.sha256(data).hexdigest()}).encode()
    a = json.loads(persist(mishap, "POST", "/_/uploadFinish", {"Content-Type": "application/json"}, end).body)
    assert a["totalSize"] == len(data), a
    return "/files/" + uid


def filepond(mishap, data):
    body, kind = chunks.form([("filepond", "{}")])
    a = persist(mishap, "POST", "/chunks", {"Content-Type": kind, "Upload-Length": str(len(data))}, body)
    ident = a.body.decode()
    headers = {"Content-Type": "application/offset+octet-stream", "Upload-Length": str(len(data)), "Upload-Name": "a.csv"}
    at = 0
    while at < len(data):
        piece = data[at:at + PIECE]
        persist(mishap, "PATCH", "/chunks?patch=" + ident, {**headers, "Upload-Offset": str(at)}, piece)
        at += len(piece)
    return "/files/" + ident


CLIENTS = {"tus": tus, "tus with checksums": tus_checked, "tus in parallel": tus_parallel, "ietf": ietf,
           "dropzone": library(chunks.dropzone), "resumable": library(chunks.resumable), "contentrange": library(chunks.contentrange),
           "webuploader": library(chunks.webuploader), "plupload": library(chunks.plupload, shuffled=False), "gws": gws,
           "filepond": filepond}


def verify(server, url, data):
    until = time.monotonic() + 20
    while True:
        j = transfer.status(server, url)
        if j["state"] == "complete" or time.monotonic() > until:
            break
        time.sleep(0.05)
    assert j["state"] == "complete" and j["size"] == len(data), j
    assert hashlib.sha256(transfer.content(server, url)).digest() == hashlib.sha256(data).digest()


def delete_all(server):
    """Everything of this user, as its client would: what was begun and lost its answer, too."""
    while True:
        j = server.get("/files/", accept="application/json").json
        mine = [u for u in (j if isinstance(j, list) else j["uploads"]) if u["state"] != "expired"]
        if not mine:
            return
        for u in mine:
            a = server.request("DELETE", "/files/" + u["id"])
            assert a.status in (204, 404, 410), a


def data_of(name):
    return random.Random(name).randbytes(SIZE)


def each_transport(server, kind):
    before = server.traces()
    for name, client in CLIENTS.items():
        began = time.monotonic()
        mishap, files = kind(server, KILLS), 0
        while mishap.left > 0 or files == 0:
            url = client(mishap, data_of(name))
            verify(server, url, data_of(name))
            # Gone with its key: the same file again would be taken for a repetition.
            assert server.request("DELETE", url).status == 204
            files += 1
            assert files < 10 * KILLS + 10
        delete_all(server)
        print(f"# {name}: {KILLS} times, {files} files, {time.monotonic() - began:.1f} s", flush=True)
    harness.nothing_left(server, before)
    assert server.slipway("check", "store").endswith("0 findings\n")


def test_cut_connections(server):
    each_transport(server, Cut)


def test_killed_fronts(server):
    each_transport(server, Kill)


# ---- two at once

def together(n, one):
    results = [None] * n

    def run(i):
        try:
            results[i] = one(i)
        except Exception as e:      # told by the assertion on the results
            results[i] = e

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
        assert not t.is_alive(), "a writer hangs"
    bad = [r for r in results if isinstance(r, Exception)]
    assert not bad, bad
    return results


def test_two_writers_on_one_upload(server):
    """Append: never two successes at one offset, and each goes on until all is there."""
    before = server.traces()
    data = data_of("two")
    calm = Mishap(server, 0)
    url = persist(calm, "POST", "/files/", {**TUS, "Upload-Length": str(len(data))}, b"").header("Location")
    taken, lock = set(), threading.Lock()

    def writer(i):
        rng = random.Random(i)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            a = send(calm, "HEAD", url, TUS, b"")
            if a is None or a.status == 423:
                continue
            assert a.status == 200, a
            at = int(a.header("Upload-Offset"))
            if at == len(data):
                return
            body = data[at:at + rng.randrange(1, PIECE)]
            a = send(calm, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": str(at)}, body)
            assert a is None or a.status in (204, 400, 409, 423, 413), a
            if a is not None and a.status == 204:
                with lock:
                    assert at not in taken, f"two successes at {at}"
                    taken.add(at)
        raise AssertionError("no progress")

    together(2, writer)
    verify(server, url, data)
    delete_all(server)
    harness.nothing_left(server, before)


def test_pieces_sent_twice_at_once(server):
    """Range and parts: both copies are answered well, one upload comes of it."""
    before = server.traces()
    data = data_of("twice")
    for make in (chunks.dropzone, chunks.resumable, chunks.webuploader):
        requests = list(make(data, PIECE, "twice.csv"))

        def one(i):
            rng, calm, urls = random.Random(i), Mishap(server, 0), set()
            # The first piece first: behind the end it would begin the next upload (transports.md 1.15).
            for fields, piece, more in requests[:1] + rng.sample(requests[1:], len(requests) - 1):
                body, kind = chunks.form(list(fields.items()) + [(more.get("field", "file"), more.get("filename", "blob"), piece)])
                a = persist_displaced(calm, kind, body)
                urls.add(json.loads(a.body)["url"])
            return urls

        urls = set().union(*together(3, one))
        assert len(urls) == 1, urls
        verify(server, urls.pop(), data)
        delete_all(server)
    harness.nothing_left(server, before)


def persist_displaced(calm, kind, body):
    """A duplicate still under way when the upload is completed is told so, and is there when it is sent again."""
    for _ in range(20):
        a = send(calm, "POST", "/chunks", {"Content-Type": kind}, body)
        if a is not None and a.status == 200:
            return a
        assert a is None or a.status >= 500 or a.status == 423 or (a.status == 400 and b"ERR_DISPLACED" in a.body), a
        time.sleep(0.05)
    raise AssertionError(a)


# ---- wrong digests

def test_wrong_checksums(server):
    before = server.traces()
    data = data_of("sums")
    calm = Mishap(server, 0)
    big = random.Random(1).randbytes(9 << 20)      # over what is verified before it is appended
    for body in (data[:50_000], big):
        url = persist(calm, "POST", "/files/", {**TUS, "Upload-Length": str(len(body) + 5)}, b"").header("Location")
        persist(calm, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": "0"}, b"hello")
        wrong = transfer.checksum("sha1", b"something else")
        a = send(calm, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": "5", **wrong}, body)
        assert a.status == 460, a
        assert transfer.offset(server, url) == 5 and transfer.part_size(server, url) == 5
        a = send(Cut(server, 1), "PATCH", url, {**TUS, **BYTES, "Upload-Offset": "5", **transfer.checksum("sha1", body)}, body)
        assert transfer.offset(server, url) in (5, 5 + len(body))
        persist(calm, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": str(transfer.offset(server, url)), **transfer.checksum("sha1", body)},
                body if transfer.offset(server, url) == 5 else b"", good=(204, 460))
        verify(server, url, b"hello" + body)
    # Of the whole file: it is gone.
    promised = transfer.b64(hashlib.sha256(b"another file").hexdigest())
    url = persist(calm, "POST", "/files/", {**TUS, "Upload-Length": str(len(data)), "Upload-Metadata": "sha256 " + promised}, b"").header("Location")
    a = send(calm, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": "0"}, data)
    assert a.status == 460, a
    assert server.request("HEAD", url, headers=TUS).status == 410
    delete_all(server)
    harness.nothing_left(server, before)


# ---- a worker that joins, and dies of it

def test_killed_worker_joins_again(server):
    before = server.traces()
    with open(server.conf) as f:
        conf = f.read()
    restart(server, conf.replace("min_free = 64M", "min_free = 64M\nassemble_inline = 100k"))
    data = random.Random(5).randbytes(30 << 20)
    calm = Mishap(server, 0)
    for _ in range(max(1, KILLS // 5)):
        requests = list(chunks.webuploader(data, 3 << 20, "long.csv"))
        for fields, piece, more in requests:
            body, kind = chunks.form(list(fields.items()) + [("file", "long.csv", piece)])
            a = persist(calm, "POST", "/chunks", {"Content-Type": kind}, body)
        j = json.loads(a.body)
        assert j.get("assembling") and not j["complete"], j
        until = time.monotonic() + RNG.uniform(0, 0.3)
        while time.monotonic() < until:
            kill_workers(server)
        # Any request wakes a new worker once there is work; the sweep would, a minute later.
        until = time.monotonic() + 90
        while transfer.status(server, j["url"])["state"] != "complete":
            assert time.monotonic() < until, transfer.status(server, j["url"])
            wake(server)
            time.sleep(0.2)
        verify(server, j["url"], data)
        delete_all(server)
    restart(server, conf)
    harness.nothing_left(server, before)


def kill_workers(server):
    for path in os.listdir("/proc"):
        if not path.isdigit():
            continue
        try:
            with open(f"/proc/{path}/cmdline", "rb") as f:
                line = f.read().split(b"\0")
        except OSError:
            continue
        if line[0].endswith(b"slipway-worker") and server.data.encode() in line:
            try:
                os.kill(int(path), signal.SIGKILL)
            except ProcessLookupError:
                pass


def wake(server):
    """As a web server's user would start it: it ends at once when there is one."""
    subprocess.run([f"{harness.BUILD}/slipway-worker", "--data-dir", server.data, "--config", server.conf, "--once"], timeout=60,
                   stderr=subprocess.DEVNULL, check=False)


# ---- full disks

def test_full_disk(server):
    with open(server.conf) as f:
        conf = f.read()
    restart(server, conf.replace("min_free = 64M", "min_free = 0\nmin_inodes = 0\nidle_ttl = 86400"))
    with Small(server, "uploads", "6M") as mounted:
        if mounted:
            fill(server)
    restart(server, conf)


def fill(server):
    """6 MiB: what fits is kept and told, 507 for the rest; a deletion makes room, and all goes on."""
    calm = Mishap(server, 0)
    data = random.Random(9).randbytes(3 << 20)
    hog = persist(calm, "POST", "/files/", {**TUS, "Upload-Defer-Length": "1"}, b"").header("Location")
    # Three uploads begun while there is room.
    url = persist(calm, "POST", "/files/", {**TUS, "Upload-Defer-Length": "1"}, b"").header("Location")
    ranged = list(chunks.dropzone(data[:2 << 20], 1 << 20, "r.csv"))
    parts = [({"name": "p.csv", "chunk": i, "chunks": 2}, data[i << 19:(i + 1) << 19], {}) for i in range(2)]

    def chunk(request):
        fields, piece, more = request
        body, kind = chunks.form(list(fields.items()) + [("file", more.get("filename", "blob"), piece)])
        return send(calm, "POST", "/chunks", {"Content-Type": kind}, body)

    a = chunk(ranged[1])
    assert a.status == 200, a
    a = chunk(parts[0])
    assert a.status == 200, a
    persist(calm, "PATCH", hog, {**TUS, **BYTES, "Upload-Offset": "0"}, bytes(3 << 20))
    # What is known to be too long is refused before a byte.
    a = send(calm, "POST", "/files/", {**TUS, "Upload-Length": str(5 << 20)}, b"")
    assert a.status == 507, a
    a = send(calm, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": "0"}, data)
    assert a.status == 507, a
    kept = transfer.offset(server, url)
    a = chunk(ranged[0])
    assert a.status in (200, 400, 507), a
    persist(calm, "DELETE", hog, TUS, b"")
    a = persist(calm, "PATCH", url, {**TUS, **BYTES, "Upload-Offset": str(kept), "Upload-Length": str(1 << 20)}, data[kept:1 << 20])
    verify(server, url, data[:1 << 20])
    a = persist(calm, "POST", "/chunks", *body_of(ranged[0]))
    verify(server, json.loads(a.body)["url"], data[:2 << 20])
    a = persist(calm, "POST", "/chunks", *body_of(parts[1]))
    verify(server, json.loads(a.body)["url"], data[:1 << 20])
    delete_all(server)
    assert not any(files for _, _, files in os.walk(f"{server.data}/uploads") if files != ["sweep"])


def body_of(request):
    fields, piece, more = request
    body, kind = chunks.form(list(fields.items()) + [("file", more.get("filename", "blob"), piece)])
    return {"Content-Type": kind}, body


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
