"""Upload tasks as clients see them: for the tests of the file area."""
import hashlib
import io
import json
import socket
import sys
import time
import zipfile

from harness import TOP

sys.path.insert(0, f"{TOP}/tests/jail")
import hostile      # noqa: E402  (the maker of broken archives)

MANAGER = "/iserver/manager/filemanager"
TASKS = MANAGER + "/uploadtasks"
LIST = MANAGER + "/list"


def md5(data):
    return hashlib.md5(data).hexdigest()


def make(server, user="mei", suffix=".json", **members):
    """A new task's id."""
    a = server.request("POST", TASKS + suffix, body=json.dumps(members).encode(), user=user)
    assert a.status == 201, a
    return a.json["newResourceID"]


def look(server, task, user="mei"):
    a = server.get(f"{TASKS}/{task}.json", user=user)
    assert a.status == 200, a
    return a.json


def state(server, task):
    return look(server, task)["state"]


def listed(server, user="mei"):
    a = server.get(TASKS + ".json", user=user)
    assert a.status == 200, a
    return [t["taskID"] for t in a.json]


def files(server, path="", user="mei", **query):
    """{name: size, or None for a folder} of a folder of the area."""
    more = "".join(f"&{k}={v}" for k, v in query.items())
    a = server.get(f"{LIST}.json?path={path}{more}", user=user)
    assert a.status == 200, a
    return {f["fileName"]: None if f["isDirectory"] else f["fileSize"] for f in a.json}


def form(data, name="a.csv", field="file", extra=(), boundary="----b0und4ry"):
    """Body and type of a form with one file."""
    b = boundary.encode()
    out = b"".join(b"--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n" % (b, k.encode(), v.encode()) for k, v in extra)
    out += b"--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n" % (
        b, field.encode(), name.encode())
    return out + data + b"\r\n--%s--\r\n" % b, "multipart/form-data; boundary=" + boundary


def send(server, task, data, query="", name="a.csv", user="mei", suffix=".json", **kw):
    body, kind = form(data, name, **kw)
    return server.request("POST", f"{TASKS}/{task}{suffix}?{query}", body=body, headers={"Content-Type": kind}, user=user)


def raw(server, task, data, query="", user="mei", **headers):
    return server.request("POST", f"{TASKS}/{task}.json?{query}", body=data, user=user,
                          headers={"Content-Type": "application/octet-stream", **{k.replace("_", "-"): v for k, v in headers.items()}})


def placed(server, data, to, query="", **kw):
    """A file on its way to its end; (task, answer's JSON)."""
    task = make(server)
    a = send(server, task, data, f"toFile={to}&{query}", **kw)
    assert a.status == 200, a
    return task, a.json


def message(a, status):
    """The sentence of an error's answer, once its shape is right."""
    assert a.status == status, a
    assert a.json["succeed"] is False and a.json["error"]["code"] == status, a
    text = a.json["error"]["errorMsg"]
    assert text and "problem." not in text and "/tmp" not in text, a
    return text


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members.items():
            z.writestr(name, data)
    return out.getvalue()


class Slow:
    """A request whose body goes out as the test says: raw, LENGTH bytes of body promised."""

    def __init__(self, server, path, length, user="mei", kind="application/octet-stream", head=""):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self.socket.sendall((f"POST {server.at(path)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.tokens[user]}\r\n"
                             f"Content-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n{head}\r\n").encode())

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """(status, JSON)"""
        data = b""
        while True:
            piece = self.socket.recv(65536)
            if not piece:
                break
            data += piece
        self.socket.close()
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body) if body.strip() else None

    def cut(self):
        self.socket.close()


def until(check, seconds=10, every=0.05):
    """What CHECK says once it is true."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, "it does not come"
        time.sleep(every)
