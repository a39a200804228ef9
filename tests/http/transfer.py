"""Requests of upload protocols as their clients send them, whole, cut and hanging; what lies on the disk."""
import base64
import glob
import hashlib
import os
import signal
import socket
import time
import zlib

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}
PART = {"Content-Type": "application/partial-upload"}


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def digest(name, data):
    if name == "crc32":
        return zlib.crc32(data).to_bytes(4, "big")
    return hashlib.new(name, data).digest()


def checksum(name, data):
    return {"Upload-Checksum": f"{name} {b64(digest(name, data))}"}


def create(server, length, body=None, meta=None, user="mei", **extra):
    """A creation by tus; LENGTH None: deferred."""
    headers = {**TUS, **({"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}), **extra}
    if meta is not None:
        headers["Upload-Metadata"] = meta
    if body is not None:
        headers.update(BYTES)
    return server.request("POST", "/files/", body=body if body is not None else b"", headers=headers, user=user)


def made(server, length, body=None, meta=None, **kw):
    a = create(server, length, body, meta, **kw)
    assert a.status == 201, a
    return a.header("Location")


def patch(server, url, offset, body, user="mei", method="PATCH", **extra):
    return server.request(method, url, body=body, headers={**TUS, **BYTES, "Upload-Offset": str(offset), **extra}, user=user)


def head(server, url, user="mei", **extra):
    return server.request("HEAD", url, headers={**TUS, **extra}, user=user)


def offset(server, url):
    a = head(server, url)
    assert a.status == 200, a
    return int(a.header("Upload-Offset"))


def status(server, url, user="mei"):
    a = server.get(url, accept="application/json", user=user)
    assert a.status == 200, a
    return a.json


def content(server, url):
    """The bytes of a complete upload; None when there are none."""
    uid = url.rstrip("/").split("/")[-1]
    try:
        with open(os.path.join(server.data, "uploads", uid[:2], uid, "data"), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def begin(server, method, url, length, headers, first=b"", user="mei"):
    """A request whose head says LENGTH (None: chunked) and whose body begins with FIRST: the open socket."""
    lines = [f"{method} {server.at(url)} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Authorization: Bearer {server.tokens[user]}", "Connection: close"]
    lines += [f"{k}: {v}" for k, v in headers.items()]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    s = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + first)
    return s


def begin_patch(server, url, at, length, first, **extra):
    return begin(server, "PATCH", url, length, {**TUS, **BYTES, "Upload-Offset": str(at), **extra}, first)


def answer_of(s):
    """Status and head of what comes on S until it is closed."""
    out = b""
    try:
        while piece := s.recv(65536):
            out += piece
    except (socket.timeout, ConnectionError):
        pass
    s.close()
    top = out.split(b"\r\n\r\n")[0].decode("latin-1")
    return (int(top.split(" ")[1]) if top else 0), top, out


def settled(server, url, want, seconds=30):
    """Wait until the status tells WANT stored bytes."""
    end = time.monotonic() + seconds
    while True:
        got = status(server, url)["received"]
        if got == want or time.monotonic() > end:
            return got
        time.sleep(0.05)


def part_size(server, url):
    uid = url.split("/")[-1]
    try:
        return os.path.getsize(os.path.join(server.data, "uploads", uid[:2], uid, "part"))
    except FileNotFoundError:
        return -1


def written(server, url, want, seconds=60):
    """Wait until WANT bytes of a running request lie in the file."""
    end = time.monotonic() + seconds
    while part_size(server, url) < want:
        assert time.monotonic() < end, part_size(server, url)
        time.sleep(0.02)


def fronts(server):
    """Process ids of the front."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                text = f.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if name == "slipway.fcgi" and int(rest[1]) == server.process.pid:
            found.append(int(path.split("/")[2]))
    return found


def kill_fronts(server):
    for pid in fronts(server):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
