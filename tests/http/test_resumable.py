"""Goal: the IETF's resumable uploads in the four forms its drafts had, row by row of transports.md 4, through a real web
server; the same uploads by tus."""
import os
import re
import sys
import time

import harness
from harness import Server, nothing_left
from transfer import PART, answer_of, b64, begin, content, digest, head, made, patch, settled, status, written

DATA = b"0123456789" * 10
TYPES = "https://iana.org/assignments/http-problem-types#"


class Client:
    """Version 3, 5, 6 or 8 of the protocol; NAMED False: 8 without saying so."""

    def __init__(self, server, version, named=True):
        self.server, self.version, self.named = server, version, named

    def fields(self, last, length=None, at=None):
        h = {"Upload-Draft-Interop-Version": str(self.version)} if self.named else {}
        if last is not None:
            h.update({"Upload-Incomplete": "?0" if last else "?1"} if self.version == 3 else {"Upload-Complete": "?1" if last else "?0"})
        if length is not None:
            h["Upload-Length"] = str(length)
        if at is not None:
            h["Upload-Offset"] = str(at)
        return h

    def create(self, body, last, length=None, method="POST", path="/files/", **extra):
        return self.server.request(method, path, body=body, headers={**self.fields(last, length), **extra})

    def append(self, url, at, body, last, length=None, **extra):
        return self.server.request("PATCH", url, body=body, headers={**PART, **self.fields(last, length, at), **extra})

    def ask(self, method, url, **extra):
        return self.server.request(method, url, headers={**self.fields(None), **extra})

    def marked(self, a, complete):
        """The completeness field says so."""
        name, yes, no = ("Upload-Incomplete", "?0", "?1") if self.version == 3 else ("Upload-Complete", "?1", "?0")
        return a.header(name) == (yes if complete else no)

    def head(self, url, at, complete=False):
        a = self.ask("HEAD", url)
        assert a.status == 204 and a.header("Upload-Offset") == str(at) and self.marked(a, complete), (a, a.headers)
        return a


def versions(server):
    return [Client(server, 3), Client(server, 5), Client(server, 6), Client(server, 8), Client(server, 8, named=False)]


def final(c, a, url, size, name=None):
    assert a.status == 201 and a.header("Upload-Offset") == str(size), (a, a.headers)
    assert c.version == 3 or a.header("Upload-Complete") == "?1", a.headers
    j = a.json
    assert set(j) == {"id", "url", "name", "size", "state"} and (j["url"], j["size"], j["state"]) == (a.header("Location"), size, "complete"), j
    assert url is None or j["url"] == url, (url, j)
    assert name is None or j["name"] == name, j
    return j["url"]


def problem(a, status_want, kind=None, code=None):
    assert a.status == status_want and a.header("Content-Type").startswith("application/problem+json"), (a, a.headers)
    j = a.json
    assert j["status"] == status_want and j["title"], j
    assert j["type"] == (TYPES + kind if kind else "about:blank"), j
    assert kind or j["code"] == a.header("X-Slipway-Error"), j
    assert code is None or a.header("X-Slipway-Error") == code, a.headers
    return j


# ---- whole, in parts, cut, cancelled, empty (29)

def test_whole_upload(server):
    for c in versions(server):
        a = c.create(DATA, True, **{"Content-Type": "text/csv", "Content-Disposition": "attachment; filename=\"b.csv\"; filename*=UTF-8''%E6%95%B0.csv"})
        url = final(c, a, None, 100, "数.csv")
        assert content(server, url) == DATA
        c.head(url, 100, True)
        a = c.create(b"", True, method="PUT", path="/files/empty.txt")
        url = final(c, a, None, 0, "empty.txt")
        assert content(server, url) == b"" and status(server, url)["state"] == "complete"
        assert c.create(DATA, True, 100 if c.version != 3 else None).status == 201


def test_upload_in_parts(server):
    for c in versions(server):
        length = None if c.version == 3 else 100
        a = c.create(DATA[:25], False, length)
        url = a.header("Location")
        assert a.status == 201 and a.header("Upload-Offset") == "25" and c.marked(a, False), (a, a.headers)
        limit = a.header("Upload-Limit")
        assert (limit is not None) == (c.version >= 6), (c.version, limit)
        if c.version >= 6:      # 34
            assert re.fullmatch(r"max-size=10737418240, %s=\d+" % ("expires" if c.version == 6 else "max-age"), limit), limit
        a = c.head(url, 25)
        assert a.header("Upload-Length") == ("100" if c.version >= 6 else None), a.headers
        assert (a.header("Upload-Limit") is not None) == (c.version >= 6)
        a = c.append(url, 25, DATA[25:50], False)
        assert a.status == (204 if c.version == 8 else 201) and a.header("Upload-Offset") == "50" and c.marked(a, False), (c.version, a, a.headers)
        if c.version == 8:
            g = c.ask("GET", url)
            assert (g.status, g.header("Upload-Offset"), g.header("Upload-Complete")) == (204, "50", "?0"), (g, g.headers)
        # the absent field (31)
        if c.version == 3:
            final(c, c.append(url, 50, DATA[50:], None), url, 100)
        else:
            if c.version == 8:
                problem(c.append(url, 50, DATA[50:60], None), 400, code="ERR_BAD_REQUEST")
                c.head(url, 50)
            else:
                assert c.append(url, 50, DATA[50:60], None).status == 201
            final(c, c.append(url, 50 if c.version == 8 else 60, DATA[50 if c.version == 8 else 60:], True), url, 100)
        assert content(server, url) == DATA
        c.head(url, 100, True)
        # begun without a byte
        url = c.create(b"", False).header("Location")
        c.head(url, 0)
        final(c, c.append(url, 0, DATA, True), url, 100)
        assert content(server, url) == DATA


def test_resumed_after_a_cut(server):
    for c in versions(server):
        big = os.urandom(300_000)
        url = c.create(b"", False).header("Location")
        s = begin(server, "PATCH", url, len(big), {**PART, **c.fields(True, at=0)}, big[:50_000])
        written(server, url, 1)
        time.sleep(0.2)
        s.close()
        assert settled(server, url, 50_000) == 50_000
        c.head(url, 50_000)
        final(c, c.append(url, 50_000, big[50_000:], True), url, len(big))
        assert content(server, url) == big


def test_cancelled(server):
    for c in versions(server):
        before = server.traces()
        url = c.create(DATA[:10], False).header("Location")
        assert c.ask("DELETE", url).status == 204
        a = c.ask("HEAD", url)
        assert a.status == (410 if c.version == 8 else 404), (c.version, a)
        a = c.append(url, 10, DATA[10:], True)
        problem(a, 410 if c.version == 8 else 404)
        nothing_left(server, before)
        url = c.create(b"", False).header("Location")
        s = begin(server, "PATCH", url, 300_000, {**PART, **c.fields(False, at=0)}, b"x" * 50_000)
        written(server, url, 50_000)
        assert c.ask("DELETE", url).status == 204      # stops a running request
        assert answer_of(s)[0] in (400, 404, 410)
        nothing_left(server, before)


# ---- what is refused

def test_fields_on_head_and_delete(server):      # 31
    for c in versions(server):
        url = c.create(DATA[:10], False).header("Location")
        for field in ({"Upload-Offset": "10"}, {"Upload-Complete": "?0"} if c.version != 3 else {"Upload-Incomplete": "?1"}):
            for method in ("HEAD", "DELETE"):
                a = c.ask(method, url, **field)
                if c.version == 8:
                    assert a.status in (204, 410), (c.version, method, a)
                    url = c.create(DATA[:10], False).header("Location") if method == "DELETE" else url
                else:
                    assert a.status == 400, (c.version, method, field, a)
                    c.head(url, 10)
        if c.version == 6:
            assert c.ask("HEAD", url, **{"Upload-Length": "100"}).status == 400
        if c.version == 5:
            assert c.ask("HEAD", url, **{"Upload-Length": "100"}).status == 204


def test_wrong_offset(server):      # 32
    for c in versions(server):
        url = c.create(DATA[:10], False).header("Location")
        before = server.traces()
        for at in (0, 9, 11, 200):
            a = c.append(url, at, DATA[:5], True)
            j = problem(a, 409, "mismatching-upload-offset")
            assert list(j.items()) == [("type", TYPES + "mismatching-upload-offset"), ("title", "upload offset does not match"),
                                       ("status", 409), ("expected-offset", 10), ("provided-offset", at)], j
            assert a.header("Upload-Offset") == "10" and c.marked(a, False), a.headers
        for field in ({}, {"Upload-Offset": "x"}, {"Upload-Offset": "-1"}, {"Upload-Offset": "1.5"}):
            a = server.request("PATCH", url, body=b"x", headers={**PART, **c.fields(True), **field})
            problem(a, 400, code="ERR_BAD_REQUEST")
        nothing_left(server, before)
        c.head(url, 10)


def test_inconsistent_lengths(server):      # 32
    for c in versions(server):
        before = server.traces()
        if c.version != 3:
            for length, body, last in ((50, DATA, True), (150, DATA, True), (50, DATA, False)):
                problem(c.create(body, last, length), 400, "inconsistent-upload-length", "ERR_LENGTH")
            nothing_left(server, before)
            url = c.create(DATA[:10], False, 100).header("Location")
            before = server.traces()
            for at, body, last, length in ((10, DATA[:20], True, None), (10, DATA, True, None), (10, DATA, False, None), (10, DATA[:20], False, 99),
                                           (10, DATA[:90], True, 101)):
                problem(c.append(url, at, body, last, length), 400, "inconsistent-upload-length")
            nothing_left(server, before)
            c.head(url, 10)
            final(c, c.append(url, 10, DATA[10:], True, 100), url, 100)
            url = c.create(DATA[:10], False).header("Location")
            assert c.append(url, 10, DATA[10:20], False, 100).status in (201, 204)
            problem(c.append(url, 20, DATA[20:30], False, 101), 400, "inconsistent-upload-length")
            problem(c.append(url, 20, DATA[20:30], True), 400, "inconsistent-upload-length")
            final(c, c.append(url, 20, DATA[20:], True), url, 100)
        else:
            assert c.create(DATA, True, 50).status == 201      # ignored there
        problem(c.create(b"", False, -1) if c.version != 3 else c.create(b"x", True, **{"Upload-Offset": "0"}), 400)
        if c.version != 3:
            problem(c.create(b"", False, (10 << 30) + 1), 413, code="ERR_TOO_LARGE")
            assert "max-size=10737418240" in c.create(b"", False, (10 << 30) + 1).header("Upload-Limit")
        problem(c.create(b"x", False, **{"Upload-Offset": "0"}), 400, code="ERR_BAD_REQUEST")


def test_media_type_of_a_patch(server):      # 31
    for c in versions(server):
        url = c.create(DATA[:10], False).header("Location")
        a = server.request("PATCH", url, body=DATA[10:], headers={**c.fields(True, at=10), "Content-Type": "text/csv"})
        if c.version >= 6:
            problem(a, 415, code="ERR_TYPE")
            c.head(url, 10)
        else:
            final(c, a, url, 100)
    a = server.request("PATCH", url, body=b"x", headers=PART)
    problem(a, 400)      # no field at all


def test_append_to_a_complete_upload(server):      # 31
    for c in versions(server):
        url = c.create(DATA, True).header("Location")
        before = server.traces()
        if c.version == 8:
            final(c, c.append(url, 100, b"", True), url, 100)      # the answer may have been lost
            a = c.append(url, 50, b"", True)
            problem(a, 409, "mismatching-upload-offset")
            assert a.header("Upload-Offset") == "100"
            for body, last in ((b"x", True), (b"", False), (b"x", False)):
                a = c.append(url, 100, body, last)
                problem(a, 400)
                assert a.header("Upload-Complete") == "?0", a.headers
        else:
            for at, body in ((100, b""), (100, b"x"), (50, b"x")):
                problem(c.append(url, at, body, True), 400, "completed-upload" if c.version == 6 else None)
        assert content(server, url) == DATA
        nothing_left(server, before)


def test_complete_by_mark_only(server):      # 36
    for c in versions(server):
        length = None if c.version == 3 else 10
        url = c.create(b"", False, length).header("Location")
        a = c.append(url, 0, b"0123456789", False)
        assert a.status in (201, 204) and c.marked(a, False), a
        c.head(url, 10)
        assert content(server, url) is None
        final(c, c.append(url, 10, b"", True), url, 10)
        assert content(server, url) == b"0123456789"


def test_fields_that_are_none(server):
    for value in ("yes", "1", "?2", "true", "?1, ?1"):
        a = server.request("POST", "/files/", body=DATA, headers={"Upload-Complete": value})      # a plain upload
        assert a.status == 201 and a.header("Upload-Complete") is None and content(server, a.header("Location")) == DATA, a
        url = Client(server, 8).create(DATA[:10], False).header("Location")
        a = server.request("PATCH", url, body=DATA[10:], headers={**PART, "Upload-Draft-Interop-Version": "8", "Upload-Offset": "10", "Upload-Complete": value})
        problem(a, 400)
    a = server.request("POST", "/files/", body=DATA, headers={"Upload-Draft-Interop-Version": "8"})      # a version without a mark
    assert a.status == 201 and a.header("Upload-Complete") is None and a.json["success"], a
    url = server.request("POST", "/files/", body=DATA[:10], headers={"Upload-Complete": "?0;q=1", "Upload-Draft-Interop-Version": "8;x=y"}).header("Location")
    Client(server, 8).head(url, 10)
    for version, acts in (("4", 5), ("7", 8), ("9", 8), ("99", 8), ("-1", 8)):
        a = server.request("POST", "/files/", body=DATA[:10], headers={"Upload-Complete": "?0", "Upload-Draft-Interop-Version": version})
        assert a.status == 201 and a.header("Upload-Offset") == "10" and (a.header("Upload-Limit") is not None) == (acts == 8), a.headers
        a = server.request("HEAD", a.header("Location"), headers={"Upload-Draft-Interop-Version": version})
        assert a.status == 204 and (a.header("Upload-Limit") is not None) == (acts == 8), (version, a.headers)


def test_end_that_cannot_be_known(server):      # chunked
    def chunk(data):
        return b"%x\r\n%s\r\n" % (len(data), data)

    # This web server hands a short chunked body over with its length.  Slipway's own 411 is seen where none is handed over.
    c = Client(server, 8)
    before = server.traces()
    s = begin(server, "POST", "/files/", None, c.fields(True), chunk(DATA) + b"0\r\n\r\n")
    code, top, _ = answer_of(s)
    assert code in (201, 411), top
    s = begin(server, "POST", "/files/", None, c.fields(True), chunk(DATA[:10]))
    time.sleep(0.3)
    s.close()
    url = c.create(b"", False, 100).header("Location")
    s = begin(server, "PATCH", url, None, {**PART, **c.fields(True, at=0)}, chunk(DATA[:50]) + chunk(DATA[50:]) + b"0\r\n\r\n")
    assert answer_of(s)[0] == 201
    assert content(server, url) == DATA
    assert before


# ---- digests (35)

def repr_field(name, data):
    return f"{name}=:{b64(digest(name.replace('-', ''), data))}:"


def test_digests(server):
    for c in versions(server):
        for name in ("sha-256", "sha-512"):
            a = c.create(DATA, True, **{"Content-Digest": repr_field(name, DATA), "Repr-Digest": repr_field(name, DATA)})
            assert content(server, final(c, a, None, 100)) == DATA
            url = c.create(DATA[:50], False, **{"Repr-Digest": repr_field(name, DATA), "Content-Digest": repr_field(name, DATA[:50])}).header("Location")
            before = server.traces()
            a = c.append(url, 50, DATA[50:], True, **{"Content-Digest": repr_field(name, b"other")})
            problem(a, 400, code="ERR_CHECKSUM")
            nothing_left(server, before)
            c.head(url, 50)
            final(c, c.append(url, 50, DATA[50:], True, **{"Content-Digest": "md5=:AAAA:, " + repr_field(name, DATA[50:])}), url, 100)
            before = server.traces()
            a = c.create(DATA, True, **{"Repr-Digest": repr_field(name, b"other")})
            problem(a, 400, code="ERR_DIGEST")
            assert c.marked(a, True), a.headers
            url = c.create(DATA[:50], False, **{"Repr-Digest": repr_field(name, b"other")}).header("Location")
            a = c.append(url, 50, DATA[50:], True)
            problem(a, 400, code="ERR_DIGEST")
            assert c.marked(a, True), a.headers
            nothing_left(server, before)
    for value in ("sha-256=:!!:", "sha-256=AAAA", "sha-1=:AAAA:", "x"):      # no digest that is known: as if absent
        assert c.create(DATA, True, **{"Content-Digest": value, "Repr-Digest": value}).status == 201
    a = c.create(DATA, True, **{"Want-Repr-Digest": "sha-256=5"})
    assert a.header("Repr-Digest") == repr_field("sha-256", DATA), a.headers
    assert c.create(DATA, True, **{"Want-Repr-Digest": "sha-256=0"}).header("Repr-Digest") is None
    url = c.create(DATA[:50], False).header("Location")
    # asked for at any time: each answer follows its own request
    assert c.append(url, 50, DATA[50:], True, **{"Want-Repr-Digest": "sha-256=1"}).header("Repr-Digest") == repr_field("sha-256", DATA)
    url = c.create(DATA[:50], False, **{"Want-Repr-Digest": "sha-256=1"}).header("Location")
    a = c.append(url, 50, DATA[50:], True, **{"Want-Repr-Digest": "sha-256=1"})
    assert a.header("Repr-Digest") == repr_field("sha-256", DATA), a.headers


# ---- beside tus (37), keys (17), metadata

def test_begun_by_one_ended_by_the_other(server):
    for c in versions(server):
        url = made(server, 100, DATA[:40])
        c.head(url, 40)
        final(c, c.append(url, 40, DATA[40:], True), url, 100)
        assert content(server, url) == DATA
        url = c.create(DATA[:40], False, None if c.version == 3 else 100).header("Location")
        if c.version == 3:
            a = patch(server, url, 40, DATA[40:], **{"Upload-Length": "100"})
        else:
            a = patch(server, url, 40, DATA[40:])
        assert a.status == 204, a
        assert content(server, url) == DATA and head(server, url).header("Upload-Offset") == "100"
        url = made(server, 100, DATA[:40])      # reaches the length, but more follows: not complete
        a = c.append(url, 40, DATA[40:], False)
        assert a.status in (201, 204) and c.marked(a, False), a
        c.head(url, 100)
        assert content(server, url) is None
        final(c, c.append(url, 100, b"", True), url, 100)
        a = server.request("HEAD", url)      # no protocol: both speak
        assert a.status == 204 and (a.header("Tus-Resumable"), a.header("Upload-Complete"), a.header("Upload-Offset")) == ("1.0.0", "?1", "100"), a.headers


def test_same_key_same_upload(server):
    c = Client(server, 8)
    key = {"Idempotency-Key": "i-" + os.urandom(8).hex()}
    one, two = c.create(DATA[:10], False, 100, **key), c.create(DATA[:10], False, 100, **key)
    assert one.header("Location") == two.header("Location") and two.status == 201 and two.header("Upload-Offset") == "10", (two, two.headers)
    problem(c.create(DATA[:10], False, 99, **key), 409, code="ERR_CONFLICT")
    key = {"Idempotency-Key": "i-" + os.urandom(8).hex()}
    one, two = c.create(DATA, True, **key), c.create(DATA, True, **key)
    assert final(c, one, None, 100) == final(c, two, None, 100)


def test_content_coding_is_kept_not_undone(server):
    a = Client(server, 8).create(DATA, True, **{"Content-Encoding": "gzip"})
    assert content(server, a.header("Location")) == DATA
    assert head(server, a.header("Location")).header("Upload-Metadata") == "contentEncoding " + b64("gzip")


def test_refusals_are_problems(server):
    a = server.request("POST", "/files/", body=DATA, headers={"Upload-Complete": "?1"}, user=None)
    problem(a, 401, code="ERR_AUTH")
    assert a.header("WWW-Authenticate").startswith("Slipway")
    for method in ("PATCH", "DELETE"):
        problem(server.request(method, "/files/" + "0" * 32, body=b"x", headers={**PART, "Upload-Complete": "?1", "Upload-Offset": "0"}), 404, code="ERR_NOT_FOUND")
    problem(server.request("POST", "/files/" + "0" * 32, body=b"x", headers={"Upload-Complete": "?1"}), 405, code="ERR_METHOD")


# ---- 104 (33)

def interim(server, version, body=DATA, last=True):
    lines = {"Upload-Draft-Interop-Version": version} if version else {}
    lines["Upload-Incomplete" if version == "3" else "Upload-Complete"] = ("?0" if last else "?1") if version == "3" else ("?1" if last else "?0")
    s = begin(server, "POST", "/files/", len(body), lines, body)
    code, top, out = answer_of(s)
    return code, top, out


def test_interim_answer(server):
    assert interim(server, "8")[0] == 201      # off by default
    own = InterimServer()
    try:
        for version in ("3", "4", "5", "6", "7", "8"):
            code, top, out = interim(own, version)
            assert code == 104, (version, out[:400])
            fields = dict(l.split(": ", 1) for l in top.split("\r\n")[1:])
            fields = {k.lower(): v for k, v in fields.items()}
            assert re.fullmatch("/files/[0-9a-f]{32}", fields["location"]) and fields["upload-draft-interop-version"] == version, fields
            assert ("upload-limit" in fields) == (version in ("6", "7", "8")), fields
            rest = out.split(b"\r\n\r\n", 1)[1]
            assert rest.startswith(b"HTTP/1.1 201") and fields["location"].encode() in rest, out
        for version in (None, "9", "2", "99"):
            assert interim(own, version)[0] == 201, version
        # the body is lost: the client knows where to go on
        s = begin(own, "POST", "/files/", 300_000, {"Upload-Draft-Interop-Version": "8", "Upload-Complete": "?1"}, b"x" * 50_000)
        s.settimeout(10)
        text = s.recv(4096).decode()
        assert text.startswith("HTTP/1.1 104"), text
        url = re.search("location: (\\S+)", text, re.I).group(1)
        written(own, url, 50_000)
        s.close()
        assert settled(own, url, 50_000) == 50_000
        c = Client(own, 8)
        c.head(url, 50_000)
        final(c, c.append(url, 50_000, b"y" * 250_000, True), url, 300_000)
    finally:
        own.close()


class InterimServer(Server):
    """With interim answers switched on, in the section the harness writes."""

    def start(self):
        with open(self.conf) as f:
            text = f.read()
        if "interim" not in text:
            with open(self.conf, "w") as f:
                f.write(text.replace("[server]\n", "[server]\ninterim = yes\n", 1))
        super().start()


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
