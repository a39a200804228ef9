"""Goal: the signed file API takes a file from any client of the original and from whom it may: fields before or behind the file,
a name of before, rows, an upload made elsewhere; whatever is refused is HTTP 200 with its text and leaves no upload, no task and
no file behind (signed-api.md 7, 10; cases 32-37, 40, 41, 44)."""
import base64
import json
import socket
import sys
import time
import urllib.parse

from harness import Server, main, multipart, nothing_left
from signed import FILE, KEY, ROWS, configure, hmac_headers, now_ms, refused, rows, send, signed, table, tasks
from steps import configured

AB = {"A": "text", "B": "text"}
CSV = b"A,B\r\na1,b1\r\na2,b2\r\n"
TWO = [("a1", "b1"), ("a2", "b2")]
HMAC_KEY = "a-secret-for-hmac-only-7"
PLAIN_KEY = "an-unsigned-secret-22"
ACCOUNTS = {
    "loader": {"user": "mei"},
    "other": {"token": "another-account-here-1"},
    "signer": {"token": HMAC_KEY, "modes": ["hmac"]},
    "plain": {"token": PLAIN_KEY, "modes": ["unsigned"]},
    "narrow": {"token": "one-receiver-only-444", "receivers": ["月报"]},
    "there": {"token": "from-elsewhere-only-66", "host": ["192.0.2.0/24"]},
    "slow": {"token": "two-calls-a-minute-555", "limit": 2},
}
RECEIVERS = {
    "ab": {"table": "t(A, B)", "columns": AB},
    "月报": {"table": "t(A, B)", "columns": AB},
    "empty": {"table": "t(A, B)", "columns": AB, "allowEmpty": True},
    "rows_only": {"table": "t(A, B)", "columns": AB, "apis": ["rows"]},
    "brief": {"table": "t(A, B)", "columns": AB, "keep": 1},
}


def put(server, type_, data=CSV, name="march.csv", headers=None, **fields):
    files = [("file", name, data)] if data is not None else []
    return send(server, signed(type_, **fields), path=FILE, files=files, headers=headers)


def imported(a):
    assert a.status == 200 and a.body == b'{"result": "success", "data": "uploaded"}', a
    return int(a.header("X-Slipway-Task"))


def error(a, text=None, http=200):
    """A refusal: HTTP 200, because clients read the body only then."""
    assert a.status == http and a.header("Content-Type") == "application/json; charset=utf-8", a
    got = a.json
    assert list(got) == ["result", "data"] and got["result"] == "error", a
    if text is not None:
        assert got["data"].startswith(text), a
    return got["data"]


def content(server, name="ab"):
    return table(server, name, "select A, B from t order by rowid")


def fresh(server, name="ab"):
    table(server, name, "create table if not exists t(A text, B text)")
    table(server, name, "delete from t")


def refused_of(server, sends):
    """Each of SENDS, (text, function), is refused with that text, and nothing is left of any."""
    before, records = server.traces(), len(tasks(server))
    for text, call in sends:
        got = error(call())
        assert got.startswith(text), (text, got)
    assert len(tasks(server)) == records
    nothing_left(server, before)


# ---- 32, 33, 34: clients and names

def test_fields_before_and_behind_the_file(server):
    fresh(server)
    fields = list(signed("ab").items())
    imported(send(server, fields, path=FILE, files=[("file", "x.csv", CSV)]))
    boundary = "behind"
    body = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n').encode() + CSV + b"\r\n"
    for name, value in signed("ab").items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    body += f"--{boundary}--\r\n".encode()
    a = server.request("POST", FILE.rstrip("/"), body=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}, user=None)
    imported(a)
    assert content(server) == TWO + TWO


def test_file_names(server):
    """The last component, quotes and Chinese kept; control characters and nothing at all are refused."""
    for sent, kept in (("3月 \"报表\".csv", "3月 \"报表\".csv"), ("../../../../tmp/pwn.csv", "pwn.csv"), ("C:\\a\\b.csv", "b.csv")):
        number = imported(put(server, "ab", name=sent))
        assert tasks(server, id=number)[0]["filename"] == kept, tasks(server, id=number)
    refused_of(server, [("bad request", lambda: put(server, "ab", name="..")), ("bad request", lambda: put(server, "ab", name="a\x01.csv"))])


def test_title_is_type(server):
    fresh(server, "月报")
    fields = signed("月报")
    fields["title"] = fields.pop("type")
    imported(send(server, fields, path=FILE, files=[("file", "x.csv", CSV)]))
    refused_of(server, [("bad request", lambda: put(server, "月报", title="月报"))])
    number = imported(put(server, server.ids["月报"]))
    assert tasks(server, id=number)[0]["receiver"] == "月报"


# ---- 35, 36, 37: other sources

def test_filename_again_newest_wins(server):
    fresh(server)
    imported(put(server, "ab", b"A,B\r\nold,1\r\n", "again.csv"))
    imported(put(server, "ab", b"A,B\r\nnew,2\r\n", "again.csv"))
    fresh(server)
    imported(put(server, "ab", None, filename="again.csv"))
    assert content(server) == [("new", "2")]
    # An empty file part is none.
    imported(send(server, signed("ab", filename="again.csv"), path=FILE, files=[("file", "", b"")]))
    assert content(server) == [("new", "2")] * 2
    other = {"key": ACCOUNTS["other"]["token"], "visitor": "other"}
    refused_of(server, [
        ("no such file", lambda: put(server, "ab", None, filename="unknown.csv")),
        ("no such file", lambda: put(server, "ab", None, filename="../again.csv")),
        ("no such file", lambda: put(server, "ab", None, filename="../../etc/passwd")),
        ("no such file", lambda: put(server, "ab", None, filename="AGAIN.csv")),
        ("no such file", lambda: put(server, "月报", None, filename="again.csv")),
        ("no such file", lambda: put(server, "ab", None, filename="again.csv", **other)),
        ("bad request", lambda: put(server, "ab", filename="again.csv")),
    ])


def test_contents_instead_of_a_file(server):
    fresh(server)
    number = imported(put(server, "ab", None, contents=[["__B", "A"], ["1", "2"]], filename="label only"))
    assert content(server) == [("2", "1")] and tasks(server, id=number)[0]["filename"] == "label only"
    imported(put(server, "ab", None, contents='{"A":"x"}'))
    assert content(server) == [("2", "1"), ("x", None)]
    refused_of(server, [
        *(("bad request", lambda ds=ds: put(server, "ab", None, contents=ds))
          for ds in ("x", "7", "[]", '[["A","B"]]', '[["A","B"],["1","2"],{"A":1}]', '[["A","B"],["1",["2"]]]', '[["A"],["\\u0000"]]')),
        ("bad request", lambda: put(server, "ab", contents='[["A","B"],["1","2"]]')),
    ])
    imported(put(server, "empty", None, contents='[["A","B"]]'))


def test_upload_of_another_transport(server):
    """A file that came by tus: the account's user's, complete, and nobody else's."""
    def made(user, finish=True):
        head = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(CSV)), "Content-Type": "application/offset+octet-stream",
                "Upload-Metadata": "filename " + base64.b64encode("来.csv".encode()).decode()}
        a = server.request("POST", "/files/", body=CSV if finish else CSV[:5], headers=head, user=user)
        assert a.status == 201, a
        return a.header("Location").rstrip("/").rsplit("/", 1)[-1]
    fresh(server)
    mine = made("mei")
    number = imported(put(server, "ab", None, upload=mine))
    assert content(server) == TWO and tasks(server, id=number)[0]["filename"] == "来.csv"
    theirs, half = made("otto"), made("mei", finish=False)
    for text, fields in (("no such file", {"upload": theirs}), ("no such file", {"upload": "0" * 32}), ("no such file", {"upload": "../x"}),
                         ("bad request", {"upload": half}), ("bad request", {"upload": mine, "filename": "x.csv"})):
        assert error(put(server, "ab", None, **fields)).startswith(text), fields
    error(put(server, "ab", upload=mine), "bad request")


# ---- 10, 41: refusals

def test_refusals_leave_nothing(server):
    right = signed("ab")
    own = {"key": ACCOUNTS["narrow"]["token"], "visitor": "narrow"}
    file = [("file", "x.csv", CSV)]
    at = iter(range(1000))
    bad = lambda fields, files=file: send(server, fields, path=FILE, files=files, headers={"X-Forwarded-For": f"10.6.0.{next(at)}"})
    refused_of(server, [
        ("auth failed", lambda: bad(signed("ab", key="not-the-key-at-all-0"))),
        ("auth failed", lambda: bad(signed("ab", visitor="nobody"))),
        ("auth failed", lambda: bad(signed("ab", stamp=now_ms() - 301_000))),
        ("auth failed", lambda: bad(signed("ab", stamp=now_ms() // 1000))),
        *(("auth failed", lambda n=n: bad({k: v for k, v in right.items() if k != n})) for n in ("visitor", "token", "stamp", "type")),
        ("auth failed", lambda: bad({**right, "token": ""})),
        ("auth failed", lambda: bad({})),
        ("auth failed", lambda: bad({"visitor": "loader", "token": KEY, "type": "ab"})),
        ("auth failed", lambda: bad(signed("ab\n"))),
        ("auth failed", lambda: bad(signed("ab", key=HMAC_KEY, visitor="signer"))),
        ("bad request", lambda: bad([*right.items(), ("type", "x")])),
        ("bad request", lambda: bad(right, [])),
        ("bad request", lambda: bad(right, [*file, ("file", "y.csv", CSV)])),
        ("dataset not found", lambda: put(server, "nix")),
        ("dataset not found", lambda: put(server, 99999)),
        ("forbidden", lambda: put(server, "ab", **own)),
        ("forbidden", lambda: put(server, "rows_only")),
    ])


def test_address_and_calls_of_an_account(server):
    if time.time() % 60 > 55:
        time.sleep(5.1)      # the minute must not turn meanwhile
    there = {"key": ACCOUNTS["there"]["token"], "visitor": "there"}
    slow = {"key": ACCOUNTS["slow"]["token"], "visitor": "slow"}
    imported(put(server, "ab", headers={"X-Forwarded-For": "192.0.2.1"}, **there))
    for _ in range(2):
        imported(put(server, "ab", **slow))
    refused_of(server, [("forbidden", lambda: put(server, "ab", headers={"X-Forwarded-For": "192.0.3.1"}, **there)),
                        ("too many requests", lambda: put(server, "ab", **slow))])


def test_mail_addresses(server):
    refused_of(server, [("bad request: mail", lambda text=text: put(server, "ab", mail=text)) for text in (
        "nobody", "a@b@c", "a@b\r\nBcc: x@y", "a@b c", "<a@b>", "a@b;c@d", "-oQ/tmp", ",".join(f"u{i}@x.example" for i in range(11)), ",".join(f"u{i}@x.example" for i in range(10_000)),
        "a@" + "b" * 300)])
    imported(put(server, "ab", mail=""))
    number = imported(put(server, "ab", mail="a@x.example, b@x.example"))
    assert tasks(server, id=number)[0]["mail"] == ["a@x.example", "b@x.example"]


def test_methods_and_size(server):
    for method in ("GET", "PUT", "DELETE"):
        a = server.request(method, FILE, body=None if method == "GET" else b"x", user=None)
        assert a.status == 405 and a.json["result"] == "error", a
    before = server.traces()
    a = put(server, "ab", b"x" * (3 << 20))      # signed.max_file is 2 MiB here
    assert error(a, "too large", http=413)
    nothing_left(server, before)


def test_cut_in_the_body(server):
    before, records = server.traces(), len(tasks(server))
    body, kind = multipart(list(signed("ab").items()), [("file", "x.csv", CSV * 1000)])
    for cut in (200, len(body) // 2, len(body) - 5):
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.sendall(f"POST {FILE} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nContent-Type: {kind}\r\n\r\n".encode() + body[:cut])
    time.sleep(0.3)
    assert len(tasks(server)) == records
    nothing_left(server, before)


def test_no_space(server):
    """Both APIs say so, keep nothing, and go on when there is room again."""
    with configured(server, "[upload]\nmin_free = 1000000G"):
        refused_of(server, [("no space", lambda: put(server, "ab")), ("no space", lambda: put(server, "ab", None, contents='[["A","B"],["1","2"]]'))])
        refused(rows(server, "ab", ["1", "2"]), 507, "no space")
    imported(put(server, "ab"))


# ---- HMAC, unsigned, replay

def test_hmac_is_checked_before_the_file(server):
    """A file is announced and never sent: the answer to its wrong signature is there all the same."""
    before = server.traces()
    headers = {**hmac_headers(b"x", key="not-the-key-at-all-0", visitor="signer", path=FILE), "Content-Length": str(2 << 20), "Host": "x",
               "Content-Type": "multipart/form-data; boundary=b", "X-Forwarded-For": "10.7.2.1"}
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        s.sendall(f"POST {FILE} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n")
        s.sendall(b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n' + b"x" * 1000)
        answer = s.recv(65536)
    assert b'{"result": "error", "data": "auth failed"}' in answer, answer
    nothing_left(server, before)


def test_hmac_and_unsigned(server):
    fresh(server)
    body, kind = multipart([("type", "ab")], [("file", "h.csv", CSV)])
    good = lambda text=body: {**hmac_headers(text, key=HMAC_KEY, visitor="signer", path=FILE), "Content-Type": kind}
    imported(server.request("POST", FILE, body=body, headers=good(), user=None))
    assert content(server) == TWO
    before = server.traces()
    headers = {**good(), "X-Forwarded-For": "10.7.0.1"}
    error(server.request("POST", FILE, body=body.replace(b"a1,b1", b"zz,b1"), headers=headers, user=None), "auth failed")
    nothing_left(server, before)
    imported(send(server, {"visitor": "plain", "token": PLAIN_KEY, "type": "ab"}, path=FILE, files=[("file", "p.csv", CSV)]))


def test_repeat_gets_the_first_answer(server):
    fresh(server)
    fields = signed("ab")
    first = send(server, fields, path=FILE, files=[("file", "r.csv", CSV)])
    again = send(server, fields, path=FILE, files=[("file", "r.csv", CSV)])
    assert imported(first) == imported(again) and again.header("X-Slipway-Replayed") == "1" and content(server) == TWO
    wrong = signed("ab")
    texts = [error(send(server, wrong, path=FILE, files=[("file", "w.csv", b"A,C\r\n1,2\r\n")])) for _ in range(2)]
    assert texts[0] == texts[1] and len(tasks(server, filename="w.csv")) == 1
    before = server.traces()
    a = send(server, {**fields, "mail": "thief@x.example"}, path=FILE, files=[("file", "r.csv", CSV)], headers={"X-Forwarded-For": "10.7.1.2"})
    error(a, "auth failed")
    for files in ([("file", "r.csv", CSV + b"x,y\r\n")], [("file", "other.csv", CSV)], []):
        a = send(server, fields if files else {**fields, "filename": "r.csv"}, path=FILE, files=files,
                 headers={"X-Forwarded-For": "10.7.1.1"})
        error(a, "auth failed")
    nothing_left(server, before)
    assert content(server) == TWO


# ---- 38, 44: the log of uploads, tasks

def uploadlog(server, **param):
    query = urllib.parse.urlencode(signed("uploadlog", param=json.dumps(param)))
    got = server.get(f"{ROWS}?{query}", user=None).json
    assert got["result"] == "success" and got["data"][0][0] == "id", got
    return got["data"][1:]


def test_uploadlog_tells_imports(server):
    since = int(time.time())
    good = imported(put(server, "ab", name="log.csv"))
    text = error(put(server, "ab", b"A,C\r\n1,2\r\n", "bad.csv"))
    row = uploadlog(server, uptime=str(since), filename="log.csv")
    assert [r[:6] for r in row] == [[good, "ab", "log.csv", "success", 2, "uploaded"]], row
    assert since <= row[0][6] <= row[0][7] <= time.time(), row
    assert uploadlog(server, uptime=str(since), filename="bad.csv") == []
    assert [r[2:6] for r in uploadlog(server, filename="bad.csv", state="all")] == [["bad.csv", "error", 0, text]]
    assert [r[2] for r in uploadlog(server, uptime=since, state="all")][:2] == ["bad.csv", "log.csv"]
    assert uploadlog(server, uptime=str(int(time.time()) + 60)) == []
    assert all(r[3] == "error" for r in uploadlog(server, state="error")) and len(uploadlog(server, state="error")) > 0


def test_tasks_name_account_owner_and_file(server):
    number = imported(put(server, "ab", name="who.csv"))
    record = tasks(server, id=number)[0]
    assert (record["owner"], record["account"], record["receiver"], record["filename"]) == ("u:mei", "loader", "ab", "who.csv"), record
    assert record["rows"]["inserted"] == 2 and len(record["uploads"]) == 1 and record["address"] == "127.0.0.1", record
    assert abs(record["until"] - now_ms() - 30 * 86400_000) < 60_000, record
    brief = tasks(server, id=imported(put(server, "brief", name="who.csv")))[0]
    assert abs(brief["until"] - now_ms() - 86400_000) < 60_000, brief


# ---- 39: the client leaves

def test_client_gone_after_the_body(server):
    fresh(server)
    body, kind = multipart(list(signed("ab").items()), [("file", "gone.csv", CSV)])
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.sendall(f"POST {FILE} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nContent-Type: {kind}\r\n\r\n".encode() + body)
    end = time.monotonic() + 15
    while content(server) != TWO:
        assert time.monotonic() < end, content(server)
        time.sleep(0.05)
    assert [t["state"] for t in tasks(server, filename="gone.csv")] == ["done"]


def prepared():
    """Its proxy is trusted, so that a test can come from any address."""
    server = Server("[server]\ntrusted_proxies = 127.0.0.1\n[mail]\nmethod = none\n[signed]\nmax_file = 2M\nwait = 20\n")
    server.ids = configure(server, ACCOUNTS, RECEIVERS)
    return server


if __name__ == "__main__":
    site = prepared()
    try:
        main(sys.modules[__name__], site)
    finally:
        site.close()
