"""Signing and sending for the tests of the signed APIs, and accounts and receivers for them."""
import hashlib
import hmac
import http.client
import json
import os
import secrets
import sqlite3
import struct
import threading
import time
import urllib.parse
import uuid

from transfer import kill_fronts

ROWS = "/echart/dataset_api/"
FILE = "/etl/api/upload_file_api/"
KEY = "slipway-demo-key-0001"
SUCCESS = b'{"status": 200, "msg": "success"}'
AUTH = b'{"status": 401, "msg": "auth failed"}'


def now_ms():
    return int(time.time() * 1000)


def own_stamp(last=[0], lock=threading.Lock()):
    """Now, in ms; never the same twice, because a second request with the stamp of the first is refused."""
    with lock:
        last[0] = max(now_ms(), last[0] + 1)
        return last[0]


def token(key, stamp, visitor, type_):
    return hashlib.sha1(f"{key}{stamp}{visitor}{type_}".encode()).hexdigest()


def sha1_extended(digest, secret_len, message, tail):
    """What a forger sends who knows a token but not the secret: (bytes behind the secret, their SHA-1) for MESSAGE, the
    padding SHA-1 itself put behind it, and TAIL.  Source: FIPS 180-4, 6.1."""
    rotate = lambda x, n: (x << n | x >> (32 - n)) & 0xFFFFFFFF
    pad = lambda n: b"\x80" + bytes(-(n + 9) % 64) + struct.pack(">Q", n * 8)
    glue = pad(secret_len + len(message))
    total = secret_len + len(message) + len(glue) + len(tail)
    data, h = tail + pad(total), list(struct.unpack(">5I", bytes.fromhex(digest)))
    for at in range(0, len(data), 64):
        w = list(struct.unpack(">16I", data[at:at + 64]))
        for i in range(16, 80):
            w.append(rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1))
        a, b, c, d, e = h
        for i in range(80):
            f, k = ((b & c | ~b & d, 0x5A827999) if i < 20 else (b ^ c ^ d, 0x6ED9EBA1) if i < 40 else
                    (b & c | b & d | c & d, 0x8F1BBCDC) if i < 60 else (b ^ c ^ d, 0xCA62C1D6))
            a, b, c, d, e = (rotate(a, 5) + (f & 0xFFFFFFFF) + e + k + w[i]) & 0xFFFFFFFF, a, rotate(b, 30), c, d
        h = [(x + y) & 0xFFFFFFFF for x, y in zip(h, (a, b, c, d, e))]
    return message + glue + tail, struct.pack(">5I", *h).hex()


def signed(type_, key=KEY, visitor="loader", stamp=None, **fields):
    """Fields of a SHA-1 request; a field of ... is left out."""
    stamp = own_stamp() if stamp is None else stamp
    all_of = {"visitor": visitor, "token": token(key, stamp, visitor, type_), "stamp": str(stamp), "type": str(type_), **fields}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in all_of.items() if v is not ...}


def send(server, fields, path=ROWS, files=(), headers=None, **kw):
    """POST a form: FIELDS is a dict or pairs."""
    return server.post(path, fields, files, headers=dict(headers or {}), user=None, **kw)


def rows(server, type_, ds, headers=None, **fields):
    return send(server, signed(type_, ds=ds, **fields), headers=headers)


def send_json(server, fields, path=ROWS):
    return server.request("POST", path, body=json.dumps(fields, ensure_ascii=False).encode(),
                          headers={"Content-Type": "application/json"}, user=None)


def attempt(server, fields, **kw):
    """As send; None when the connection broke."""
    try:
        return send(server, fields, timeout=60, **kw)
    except (http.client.HTTPException, OSError):
        return None


def repeat(server, fields, seconds=60, **kw):
    """As a client does whose answer was lost: the very same request, until there is one."""
    end = time.monotonic() + seconds
    while True:
        a = attempt(server, fields, **kw)
        try:
            told = a is not None and a.status == 200 and a.json
        except json.JSONDecodeError:
            told = None       # the web server's own page
        if told and told.get("status") not in (409, 503):
            return a
        assert time.monotonic() < end, a
        time.sleep(0.1)


def killed_under(server, fields, delay_s, **kw):
    """The answer in the end, when the fronts are killed DELAY_S after the request was sent."""
    first = threading.Thread(target=attempt, args=(server, fields), kwargs=kw)
    first.start()
    time.sleep(delay_s)
    kill_fronts(server)
    first.join()
    return repeat(server, fields, **kw)


def hmac_headers(body, key=KEY, visitor="loader", method="POST", path=ROWS, query="", stamp=None, nonce=None, digest=None):
    stamp = str(now_ms() if stamp is None else stamp)
    nonce = nonce or secrets.token_hex(8)
    digest = digest or hashlib.sha256(body).hexdigest()
    name = urllib.parse.quote(visitor, safe="")
    text = "\n".join(("slipway-v1", stamp, nonce, name, method, path, query, digest))
    mac = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"X-Slipway-Visitor": name, "X-Slipway-Timestamp": stamp, "X-Slipway-Nonce": nonce, "X-Slipway-Content-SHA256": digest,
            "X-Slipway-Signature": "v1=" + mac}


def send_hmac(server, fields, method="POST", **kw):
    body = urllib.parse.urlencode(fields).encode()
    headers = {**hmac_headers(body, method=method, **kw), "Content-Type": "application/x-www-form-urlencoded"}
    return server.request(method, ROWS, body=body, headers=headers, user=None)


def refused(answer, status, msg=None, http=200):
    """The dataset API's own form of a refusal; MSG may be the beginning of the text."""
    assert answer.status == http, answer
    assert answer.header("Content-Type") == "application/json; charset=utf-8", answer.headers
    got = answer.json
    assert list(got) == ["status", "msg"] and got["status"] == status, answer
    if msg is not None:
        assert got["msg"].startswith(msg), answer
    return got["msg"]


def accepted(answer, **counts):
    assert answer.status == 200 and answer.body == SUCCESS, answer
    want = " ".join(f"{k}={counts.get(k, 0)}" for k in ("inserted", "updated", "deleted"))
    if counts:
        assert answer.header("X-Slipway-Rows") == want, (answer.header("X-Slipway-Rows"), want)
    return int(answer.header("X-Slipway-Task"))


# ---- accounts, receivers, tables

def dataset(server, *args, config=None, **kw):
    """`slipway dataset …`; CONFIG is written to a file for --config."""
    if config is None:
        return server.slipway("dataset", *args, **kw)
    path = os.path.join(server.dir, f"config-{uuid.uuid4().hex}.json")
    with open(path, "w") as f:
        json.dump(config, f, ensure_ascii=False)
    try:
        return server.slipway("dataset", *args, "--config", path, **kw)
    finally:
        os.unlink(path)


def configure(server, accounts=None, receivers=None):
    """Accounts and receivers, {name: configuration}; the receivers' ids by name."""
    for name, config in (receivers or {}).items():
        dataset(server, "add", name, config=config)
    for name, config in (accounts or {}).items():
        dataset(server, "account", "add", name, config={"token": KEY, "receivers": ["*"], **config})
    return {name: json.loads(dataset(server, "show", name, "--json"))["id"] for name in receivers or {}}


def table(server, name, sql, *values):
    """Run SQL in a receiver's embedded database, as whoever Slipway runs as: files made on the way are his."""
    owner, me = os.stat(server.data), (os.geteuid(), os.getegid())
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        os.makedirs(f"{server.data}/tables", mode=0o700, exist_ok=True)
        db = sqlite3.connect(f"{server.data}/tables/{name}.sqlite", timeout=30, isolation_level=None)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()
    finally:
        os.seteuid(me[0])
        os.setegid(me[1])


def tasks(server, **wanted):
    """Records of writes, oldest first."""
    out = []
    for line in server.slipway("dump", "tasks").splitlines():
        value = json.loads(line)["value"]
        if value["kind"] in ("receive", "import-table") and all(value.get(k) == v for k, v in wanted.items()):
            out.append(value)
    return out
