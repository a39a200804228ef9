"""Goal: tus 1.0.0 on /files/ as its clients expect it, through a real web server: nothing acknowledged is lost, a wrong
request changes nothing (transports.md 1, 3, 9, 10)."""
import concurrent.futures
import email.utils
import os
import re
import signal
import subprocess
import sys
import threading
import time

import harness
from harness import Server, nothing_left
from test_cgi import parse, start, variables
from transfer import (BYTES, TUS, answer_of, b64, begin, begin_patch, checksum, content, create, fronts, head, made, offset, patch,
                      settled, status, written)

HELLO = b"hello world"
META = "filename " + b64("数据.csv")


def refused(server, a, code, status_want, before, version=True):
    assert a.status == status_want, a
    assert a.header("X-Slipway-Error") == code, (code, a.header("X-Slipway-Error"), a)
    assert not version or a.header("Tus-Resumable") == "1.0.0", a
    assert a.body == b"" or a.text.startswith(code + ": ") and a.text.endswith("\n"), a
    nothing_left(server, before)


# ---- creation, HEAD, PATCH, DELETE

def test_options_names_exactly_what_is_there(server):      # 18
    for path in ("/files/", "/files", "/files/" + "a" * 32):
        a = server.request("OPTIONS", path, user=None)
        assert a.status == 204, a
        got = {k: a.header(k) for k in ("Tus-Resumable", "Tus-Version", "Tus-Max-Size", "Tus-Extension", "Tus-Checksum-Algorithm", "Upload-Limit")}
        assert got == {"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Tus-Max-Size": str(10 << 30), "Tus-Extension":
                       "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation,concatenation-unfinished",
                       "Tus-Checksum-Algorithm": "sha1,sha256,sha512,md5,crc32", "Upload-Limit": f"max-size={10 << 30}"}, got
        assert "OPTIONS" in a.header("Allow"), a


def test_upload_in_two_parts(server):
    a = create(server, 11, b"hello ", META)
    url = a.header("Location")
    assert a.status == 201 and re.fullmatch(server.at("/files/[0-9a-f]{32}"), url), a
    assert a.header("Upload-Offset") == "6" and a.header("Tus-Resumable") == "1.0.0", a
    assert a.header("Cache-Control") == "no-store" and a.header("X-Content-Type-Options") == "nosniff", a
    first = email.utils.parsedate_to_datetime(a.header("Upload-Expires"))      # 26
    h = head(server, url)
    assert (h.status, h.header("Upload-Offset"), h.header("Upload-Length"), h.header("Upload-Metadata")) == (200, "6", "11", META), h.headers
    assert h.body == b"" and h.header("Upload-Expires") is not None
    time.sleep(1.1)
    p = patch(server, url, 6, b"wor")
    assert (p.status, p.header("Upload-Offset")) == (204, "9"), p
    assert email.utils.parsedate_to_datetime(p.header("Upload-Expires")) > first, p.headers
    p = patch(server, url, 9, b"")
    assert (p.status, p.header("Upload-Offset")) == (204, "9"), p
    p = patch(server, url, 9, b"ld")
    assert (p.status, p.header("Upload-Offset"), p.header("Upload-Expires")) == (204, "11", None), p
    assert content(server, url) == HELLO
    s = status(server, url)
    assert (s["name"], s["size"], s["received"], s["state"], s["adapter"]) == ("数据.csv", 11, 11, "complete", "tus"), s
    p = patch(server, url, 11, b"")
    assert p.status == 204, p
    assert head(server, url).header("Upload-Offset") == "11"


def test_trailing_slash_makes_no_difference(server):
    a = server.request("POST", "/files", body=b"", headers={**TUS, "Upload-Length": "3"})
    assert a.status == 201, a
    url = a.header("Location")
    assert head(server, url + "/").status == 200
    assert patch(server, url + "/", 0, b"abc").status == 204
    assert server.request("DELETE", url + "/", headers=TUS).status == 204


def test_empty_upload_is_complete_at_once(server):      # 22
    for kw in ({}, {"body": b""}):
        url = made(server, 0, **kw)
        assert content(server, url) == b"" and status(server, url)["state"] == "complete"
        assert head(server, url).header("Upload-Offset") == "0"


def test_length_told_later(server):
    url = made(server, None, b"hello")
    h = head(server, url)
    assert h.header("Upload-Defer-Length") == "1" and h.header("Upload-Length") is None, h.headers
    before = server.traces()
    refused(server, patch(server, url, 5, b"", **{"Upload-Length": "4"}), "ERR_LENGTH", 400, before)
    refused(server, patch(server, url, 5, b"", **{"Upload-Length": "x"}), "ERR_LENGTH", 400, before)
    refused(server, patch(server, url, 5, b"", **{"Upload-Length": str(1 << 50)}), "ERR_TOO_LARGE", 413, before)
    refused(server, patch(server, url, 6, b"", **{"Upload-Length": "11"}), "ERR_OFFSET", 409, before)
    refused(server, patch(server, url, 5, b" world!", **{"Upload-Length": "11"}), "ERR_EXCEEDED", 413, before)
    assert head(server, url).header("Upload-Defer-Length") == "1"
    assert patch(server, url, 5, b" wor", **{"Upload-Length": "11"}).status == 204
    assert head(server, url).header("Upload-Length") == "11"
    refused(server, patch(server, url, 9, b"", **{"Upload-Length": "12"}), "ERR_LENGTH", 400, server.traces())
    assert patch(server, url, 9, b"ld", **{"Upload-Length": "11"}).status == 204
    assert content(server, url) == HELLO
    url = made(server, None)
    assert patch(server, url, 0, b"abc").status == 204
    assert patch(server, url, 3, b"", **{"Upload-Length": "3"}).status == 204
    assert content(server, url) == b"abc"


def test_metadata_comes_back_byte_for_byte(server):      # 25, A44
    for meta in ("filename " + b64("a b.csv"), "  filename   " + b64("x") + " , is_confidential,k AAAA", "empty ,filename " + b64("y"),
                 "name " + b64("z") + ",type " + b64("text/csv") + ",relativePath " + b64("一/二/z"), "filename " + b64("../../etc/passwd")):
        url = made(server, 3, meta=meta)
        assert head(server, url).header("Upload-Metadata").strip() == meta.strip(), head(server, url).headers
    assert status(server, url)["name"] == "passwd"
    url = made(server, 3, meta="")      # 20: python tuspy
    assert head(server, url).header("Upload-Metadata") is None and status(server, url)["name"] == "upload"
    url = made(server, 3, meta="filename " + b64("a") + ",relativePath " + b64("null"))      # Uppy's word for none
    assert status(server, url)["name"] == "a"


def test_declared_digests_of_the_whole_file(server):
    good = harness.hashlib.sha256(HELLO).hexdigest()
    url = made(server, 11, HELLO, "filename YQ==,sha256 " + b64(good.upper()))
    assert content(server, url) == HELLO
    before = server.traces()
    a = create(server, 11, HELLO, "sha256 " + b64(good[:-1] + ("0" if good[-1] != "0" else "1")))
    assert (a.status, a.header("X-Slipway-Error")) == (460, "ERR_DIGEST"), a
    nothing_left(server, before)
    url = made(server, 11, b"hello", "md5 " + b64("0" * 32))
    a = patch(server, url, 5, b" world")
    assert (a.status, a.header("X-Slipway-Error")) == (460, "ERR_DIGEST"), a
    assert head(server, url).status == 410 and content(server, url) is None
    nothing_left(server, before)


def test_checksums_of_bodies(server):      # 23, the vectors of transports.md 3
    vectors = {"sha1": "Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "md5": "XrY7u+Ae7tCTyyK7j1rNww==", "crc32": "DUoRhQ==",
               "sha256": "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="}
    for name in ("sha1", "sha256", "sha512", "md5", "crc32"):
        good = {"Upload-Checksum": f"{name} {vectors[name]}"} if name in vectors else checksum(name, HELLO)
        url = made(server, 22)
        assert patch(server, url, 0, HELLO, **good).status == 204
        before = server.traces()
        a = patch(server, url, 11, b"hello World", **good)
        assert (a.status, a.header("X-Slipway-Error"), a.header("Upload-Offset")) == (460, "ERR_CHECKSUM", "11"), a
        nothing_left(server, before)
        assert offset(server, url) == 11
        s = begin_patch(server, url, 11, 11, b"hello", **good)      # cut
        time.sleep(0.2)
        s.close()
        time.sleep(0.3)
        assert offset(server, url) == 11
        nothing_left(server, before)
        assert patch(server, url, 11, HELLO, **good).status == 204
        assert content(server, url) == HELLO * 2
    url = made(server, 11)
    before = server.traces()
    for value, code in (("foo AAAA", "ERR_ALGORITHM"), ("sha1 !!!!", "ERR_BAD_REQUEST"), ("sha1 AAAA", "ERR_BAD_REQUEST"), ("sha1", "ERR_BAD_REQUEST"),
                        ("", "ERR_BAD_REQUEST")):
        if value:
            refused(server, patch(server, url, 0, HELLO, **{"Upload-Checksum": value}), code, 400, before)
            refused(server, create(server, 11, HELLO, **{"Upload-Checksum": value}), code, 400, before)
    assert offset(server, url) == 0
    a = create(server, 11, HELLO, **checksum("sha1", b"other"))      # the upload is there, without bytes
    assert a.status == 460 and a.header("Upload-Offset") == "0", a
    assert patch(server, a.header("Location"), 0, HELLO).status == 204
    big = os.urandom(9 << 20)      # written past the offset, then verified
    url = made(server, 2 * len(big))
    assert patch(server, url, 0, big, **checksum("sha256", big)).status == 204
    assert patch(server, url, len(big), big, **checksum("sha256", b"")).status == 460
    assert offset(server, url) == len(big)
    assert patch(server, url, len(big), big, **checksum("sha256", big)).status == 204
    assert content(server, url) == big * 2


def test_creation_refuses_what_is_wrong(server):      # the rows of transports.md 9; 13
    before = server.traces()
    for value in ("-1", "1.5", "abc", "99999999999999999999", "0x10", "1 2", "-0", "1e3"):
        refused(server, server.request("POST", "/files/", body=b"", headers={**TUS, "Upload-Length": value}), "ERR_LENGTH", 400, before)
    refused(server, create(server, (10 << 30) + 1), "ERR_TOO_LARGE", 413, before)
    refused(server, create(server, (1 << 63) - 1), "ERR_TOO_LARGE", 413, before)
    refused(server, server.request("POST", "/files/", body=b"", headers=TUS), "ERR_LENGTH", 400, before)
    for value in ("0", "2", "true"):
        refused(server, server.request("POST", "/files/", body=b"", headers={**TUS, "Upload-Defer-Length": value}), "ERR_LENGTH", 400, before)
    refused(server, create(server, 5, **{"Upload-Defer-Length": "1"}), "ERR_LENGTH", 400, before)
    for meta in ("a " + b64("1") + ",a " + b64("2"), "a !!!", "a AAA", "a AAAA,,b AAAA", ",", " , ", "a AAAA,", "é AAAA", "a  AAAA AAAA",
                 "filename " + b64(b"\xff\xfe"), "filename " + b64(b"a\0b"), "relativePath " + b64("../x"), "relativePath " + b64("/x"),
                 "relativePath " + b64("a//b"), "relativePath " + b64("C:\\x"), "sha256 " + b64("00"), "md5 " + b64("0" * 31),
                 "sha1 " + b64("g" * 40), "k " + b64("x" * 4000)):
        refused(server, create(server, 5, meta=meta.encode("utf-8").decode("latin-1")), "ERR_METADATA", 400, before)
    refused(server, create(server, 3, b"abcd"), "ERR_EXCEEDED", 413, before)
    a = server.request("POST", "/files/", body=b"abc", headers={**TUS, "Upload-Length": "3", "Content-Type": "text/plain"})
    refused(server, a, "ERR_TYPE", 415, before)
    for version in ("0.2.2", "1.0", "2.0.0", ""):
        a = server.request("POST", "/files/", body=b"", headers={"Tus-Resumable": version, "Upload-Length": "3"})
        refused(server, a, "ERR_VERSION", 412, before)
        assert a.header("Tus-Version") == "1.0.0", a
    a = server.request("POST", "/files/", body=b"", headers={"Upload-Length": "3", "Upload-Metadata": META})      # forgot its version
    refused(server, a, "ERR_VERSION", 412, before)
    a = server.request("PUT", "/files/", body=b"", headers={**TUS, "Upload-Length": "3"})
    refused(server, a, "ERR_METHOD", 405, before)


def test_patch_refuses_what_is_wrong(server):
    url = made(server, 11, b"hello")
    before = server.traces()
    for version in ("0.2.2", "1"):
        refused(server, patch(server, url, 5, b" world", **{"Tus-Resumable": version}), "ERR_VERSION", 412, before)
    a = server.request("PATCH", url, body=b" world", headers={**BYTES, "Upload-Offset": "5"})
    refused(server, a, "ERR_VERSION", 412, before)
    refused(server, patch(server, url, 5, b" world", **{"Content-Type": "text/plain"}), "ERR_TYPE", 415, before)
    refused(server, patch(server, url, 5, b" world", **{"Content-Encoding": "gzip"}), "ERR_TYPE", 415, before)
    a = server.request("PATCH", url, body=b" world", headers={**TUS, "Upload-Offset": "5"})
    refused(server, a, "ERR_TYPE", 415, before)
    for value in ("-1", "x", "5.0", "99999999999999999999", "5 5"):
        refused(server, patch(server, url, value, b" world"), "ERR_BAD_REQUEST", 400, before)
    a = server.request("PATCH", url, body=b" world", headers={**TUS, **BYTES})
    refused(server, a, "ERR_BAD_REQUEST", 400, before)
    for at in (0, 4, 6, 11, 12, (1 << 62)):
        a = patch(server, url, at, b"w")
        refused(server, a, "ERR_OFFSET", 409, before)
        assert a.header("Upload-Offset") == "5", a
    a = patch(server, url, 5, b" world!")
    refused(server, a, "ERR_EXCEEDED", 413, before)
    assert "announced" in a.text, a      # not that the request is too large
    refused(server, patch(server, url, 5, b" world", **{"Upload-Length": "12"}), "ERR_LENGTH", 400, before)
    assert offset(server, url) == 5
    assert patch(server, url, 5, b" world").status == 204
    after = server.traces()
    refused(server, patch(server, url, 5, b" world"), "ERR_OFFSET", 409, after)      # A48
    refused(server, patch(server, url, 11, b"!"), "ERR_EXCEEDED", 413, after)
    assert content(server, url) == HELLO


def test_ids_that_are_none(server):
    before = server.traces()
    for word in ("a" * 31, "a" * 33, "A" * 32, "g" * 32, "a" * 255, "a" * 300, "..%2f..%2fetc", "%2e%2e", "a" * 30 + "%2F", "x/y"):
        for method in ("HEAD", "PATCH", "GET", "DELETE"):
            a = server.request(method, "/files/" + word, body=b"x" if method == "PATCH" else None,
                               headers={**TUS, **BYTES, "Upload-Offset": "0"} if method == "PATCH" else TUS)
            assert a.status in (404, 400), (word, method, a)
            assert a.status == 404 or ".." in word or "%2e" in word, (word, a)
    for method in ("HEAD", "DELETE"):
        assert server.request(method, "/files/" + "a" * 16 + "%00" + "a" * 15, headers=TUS).status in (400, 404)
    nothing_left(server, before)
    assert not any(len(n) != 2 and n != "sweep" for n in os.listdir(os.path.join(server.data, "uploads")))


def test_foreign_and_unknown_look_the_same(server):      # 12
    url = made(server, 11, b"hello")
    unknown = "/files/" + "0" * 32
    for ask in (lambda u: head(server, u, user="otto"), lambda u: patch(server, u, 5, b" world", user="otto"),
                lambda u: server.get(u, user="otto"), lambda u: server.request("DELETE", u, headers=TUS, user="otto")):
        foreign, none = ask(url), ask(unknown)
        assert (foreign.status, foreign.body) == (404, none.body) and none.status == 404, (foreign, none)
    a = server.post("/upload/", {"upload": url.split("/")[-1]}, accept="application/json", user="otto")
    assert a.status in (400, 404), a
    assert patch(server, url, 5, b" world", user="admin").status == 404      # not even an administrator writes
    assert offset(server, url) == 5
    a = server.get("/files/", accept="application/json", user="otto")
    assert url not in [u["url"] for u in a.json], a
    for method in ("POST", "HEAD", "PATCH", "GET", "DELETE"):      # nobody
        a = server.request(method, "/files/" if method == "POST" else url, headers={**TUS, **BYTES, "Upload-Length": "3", "Upload-Offset": "5"}, user=None)
        assert a.status == 401 and a.header("WWW-Authenticate").startswith("Slipway"), a
    assert server.get("/files/", user=None).status == 401


def test_removal(server):      # 27
    url = made(server, 11, b"hello")
    before = server.traces()
    for _ in (0,):
        assert server.request("DELETE", url, headers=TUS).status == 204
    assert head(server, url).status == 410 and patch(server, url, 5, b"x").status == 410
    a = server.request("DELETE", url, headers=TUS)
    assert (a.status, a.header("X-Slipway-Error")) == (410, "ERR_GONE"), a
    assert server.get(url, user="otto").status == 404
    url = made(server, 11, HELLO)
    assert server.request("DELETE", url).status == 204      # without a protocol
    assert server.get(url).status == 410 and content(server, url) is None
    url = made(server, 5, b"hello")
    assert server.request("DELETE", url, headers=TUS, user="admin").status == 204
    assert before["files"]["uploads"][0] >= server.traces()["files"]["uploads"][0]


def test_removal_of_an_upload_in_use(server):      # 27, 62
    table = "名,x,y\nA,1,2\nB,3,4\n".encode()
    url = made(server, len(table), table, "filename " + b64("a.csv"))
    a = server.post("/upload/", {"upload": url.split("/")[-1]}, accept="application/json")
    assert a.status == 201 and a.json["success"], a
    session = a.json["id"] if "id" in a.json else int(re.search(r"id=(\d+)", str(a.json)).group(1))
    assert server.request("DELETE", url, headers=TUS).status == 204
    assert head(server, url).status == 410 and content(server, url) == table
    assert server.get(f"/upload/csv?id={session}", accept="application/json").status == 200
    a = server.request("DELETE", f"/upload/delete/{session}", headers={"Accept": "application/json"})
    assert a.status == 200, a
    for _ in range(50):
        if content(server, url) is None:
            break
        time.sleep(0.1)
    assert content(server, url) is None


def test_methods_overridden(server):      # 28, A59
    url = made(server, 11, b"hello")
    for method in ("POST", "GET"):
        a = server.request(method, url, headers={**TUS, "X-HTTP-Method-Override": "HEAD"})
        assert (a.status, a.header("Upload-Offset"), a.body) == (200, "5", b""), a
    a = patch(server, url, 5, b" world", method="POST", **{"X-HTTP-Method-Override": "PATCH"})
    assert (a.status, a.header("Upload-Offset")) == (204, "11"), a
    before = server.traces()
    for value in ("BREW", "patch", "PATCH, PATCH", "A" * 300):
        a = server.request("POST", url, headers={**TUS, "X-HTTP-Method-Override": value})
        refused(server, a, "ERR_BAD_REQUEST", 400, before)
    a = server.request("POST", "/upload/progress?id=1", headers={"X-HTTP-Method-Override": "GET"})
    assert a.status == 405, a      # only where it is defined
    assert server.request("POST", url, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status == 204
    assert head(server, url).status == 410


def test_list_of_uploads(server):
    urls = [made(server, 3) for _ in range(3)]
    a = server.get("/files/")
    assert a.status == 200 and [u["url"] for u in a.json[:3]] == urls[::-1], a
    assert set(a.json[0]) >= {"id", "name", "size", "received", "state", "assembling", "expires", "adapter"}, a.json[0]
    assert server.get("/files?page=1000").json == []
    for page in ("0", "-1", "x", "99999999999999999999"):
        assert server.get("/files/?page=" + page).status == 400
    assert server.get(urls[0]).status == 204 and server.get(urls[0]).header("Upload-Offset") == "0"


def test_same_key_same_upload(server):      # 17
    key = {"Idempotency-Key": "k-" + os.urandom(8).hex()}
    first = create(server, 11, b"hello", META, **key)
    again = create(server, 11, b"hello", META, **key)
    assert first.status == again.status == 201 and first.header("Location") == again.header("Location"), (first, again)
    assert again.header("Upload-Offset") == "5", again.headers
    before = server.traces()
    refused(server, create(server, 12, b"hello", META, **key), "ERR_CONFLICT", 409, before)
    refused(server, create(server, 11, b"hello", META + ",a", **key), "ERR_CONFLICT", 409, before)
    assert create(server, 11, None, META, user="otto", **key).header("Location") != first.header("Location")
    for value in ("a b", "x" * 129):
        refused(server, create(server, 3, None, **{"Idempotency-Key": value}), "ERR_BAD_REQUEST", 400, server.traces())
    assert patch(server, first.header("Location"), 5, b" world").status == 204
    assert content(server, first.header("Location")) == HELLO
    key = {"Idempotency-Key": "k-" + os.urandom(8).hex()}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        urls = {a.header("Location") for a in pool.map(lambda _: create(server, 11, None, META, **key), range(8))}
    assert len(urls) == 1, urls
    key = {"Idempotency-Key": "k-" + os.urandom(8).hex()}
    one = server.request("POST", "/files/", body=b"plain", headers=key)
    two = server.request("POST", "/files/", body=b"plain", headers=key)
    assert (one.status, two.status) == (201, 201) and one.json["id"] == two.json["id"], (one, two)


def test_anonymous_clients(server):
    own = Server("[site]\nanonymous_uploads = yes\n" if "anonymous_uploads" in server.slipway("config").split("[site]")[1].split("\n[")[0]
                 else "[wizard]\nanonymous_uploads = yes\n")
    try:
        url = made(own, 11, b"hello", user=None)      # keeps no cookie: reached by id alone
        assert patch(own, url, 5, b" world", user=None).status == 204
        assert own.get("/files/", user=None).status == 401
        cookie = create(own, 3, user=None).header("Set-Cookie").split(";")[0]
        mine = create(own, 3, user=None, Cookie=cookie).header("Location")
        assert head(own, mine, user=None).status == 404 and head(own, mine, user=None, Cookie=cookie).status == 200
        assert [u["url"] for u in own.get("/files/", user=None, headers={"Cookie": cookie}).json] == [mine]
    finally:
        own.close()


# ---- cut, hanging and killed

def test_cut_body_is_resumed(server):      # 1
    data = os.urandom(300_000)
    url = made(server, len(data))
    s = begin_patch(server, url, 0, len(data), data[:50_000])
    written(server, url, 1)
    time.sleep(0.3)
    s.close()
    assert settled(server, url, 50_000) == 50_000
    assert offset(server, url) == 50_000
    assert patch(server, url, 50_000, data[50_000:]).status == 204
    assert content(server, url) == data


def test_head_ends_a_hanging_patch(server):      # 5, A48
    url = made(server, 300_000)
    s = begin_patch(server, url, 0, 300_000, b"x" * 50_000)
    written(server, url, 50_000)
    start = time.monotonic()
    at = offset(server, url)
    assert time.monotonic() - start < 2 and at == 50_000, (at, time.monotonic() - start)
    code, top, _ = answer_of(s)
    assert code == 400 and "ERR_DISPLACED" in top, top
    assert patch(server, url, at, b"y" * 250_000).status == 204
    assert content(server, url) == b"x" * 50_000 + b"y" * 250_000


def test_status_disturbs_nobody(server):
    url = made(server, 300_000)
    s = begin_patch(server, url, 0, 300_000, b"x" * 50_000)
    written(server, url, 50_000)
    assert status(server, url)["state"] in ("created", "receiving")
    s.sendall(b"x" * 250_000)
    assert answer_of(s)[0] == 204


def test_delete_ends_a_hanging_patch(server):
    url = made(server, 300_000)
    before = server.traces()
    s = begin_patch(server, url, 0, 300_000, b"x" * 50_000)
    written(server, url, 50_000)
    assert server.request("DELETE", url, headers=TUS).status == 204
    assert answer_of(s)[0] in (400, 410)
    assert head(server, url).status == 410 and before["records"].get("uploads", 0) - 1 == server.traces()["records"].get("uploads", 0)


def test_deletions_at_once(server):
    """Exactly one of them did it; for the others it is gone, also when its folder goes while they look into it."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for _ in range(150):
            url = made(server, 5)
            found = sorted(a.status for a in pool.map(lambda _: server.request("DELETE", url, headers=TUS), range(6)))
            assert found == [204] + [410] * 5, found


def test_two_patches_at_once(server):      # 6
    for _ in range(3):
        url = made(server, 200_000)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            both = [a.status for a in pool.map(lambda _: patch(server, url, 0, b"z" * 200_000), range(2))]
        assert both.count(204) <= 1 and set(both) <= {204, 400, 409, 423}, both
        at = offset(server, url)
        assert at == 200_000 or patch(server, url, at, b"z" * (200_000 - at)).status == 204
        assert content(server, url) == b"z" * 200_000
        url = made(server, 300_000)
        s = begin_patch(server, url, 0, 300_000, b"z" * 50_000)
        written(server, url, 50_000)
        a = patch(server, url, 0, b"z" * 300_000)
        assert a.status == 409 and answer_of(s)[0] == 400, a
        at = offset(server, url)
        assert patch(server, url, at, b"z" * (300_000 - at)).status == 204


def test_chunked_bodies(server):
    def chunk(data):
        return b"%x\r\n%s\r\n" % (len(data), data)

    url = made(server, 11)
    s = begin(server, "PATCH", url, None, {**TUS, **BYTES, "Upload-Offset": "0"}, chunk(b"hello ") + chunk(b"world") + b"0\r\n\r\n")
    assert answer_of(s)[0] == 204
    assert content(server, url) == HELLO
    url = made(server, 11)
    s = begin(server, "PATCH", url, None, {**TUS, **BYTES, "Upload-Offset": "0"}, chunk(b"hello ") + chunk(b"world and more") + b"0\r\n\r\n")
    code, top, _ = answer_of(s)
    assert code == 413, top
    # lighttpd had the whole body before: its length was known, so nothing was stored.  A server that streams stores up to the length.
    assert content(server, url) in (None, HELLO)


def test_no_bytes_of_unknown_length(server):
    """What Apache's CGI makes of a chunked body without chunks, as Node sends it: nothing came, which no end of an upload forbids."""
    def ask(method, path, body=b"", **fields):
        return parse(start(server, variables(server, method, path, kind=BYTES["Content-Type"], HTTP_TUS_RESUMABLE="1.0.0",
                                             HTTP_TRANSFER_ENCODING="chunked", **{"CONTENT_LENGTH": None, **fields}), body))
    a = ask("POST", "/files/", HTTP_UPLOAD_LENGTH="0")
    assert a.status == 201 and a.header("Upload-Offset") == "0", a
    url = "/files/" + a.header("Location").split("/")[-1]
    assert status(server, url)["state"] == "complete"
    assert ask("PATCH", url, HTTP_UPLOAD_OFFSET="0").status == 204
    url = made(server, 11, HELLO)
    assert ask("PATCH", url, HTTP_UPLOAD_OFFSET="11").status == 204
    for method, path, fields in (("PATCH", url, {"HTTP_UPLOAD_OFFSET": "11"}), ("POST", "/files/", {"HTTP_UPLOAD_LENGTH": "0"})):
        a = ask(method, path, b"x", **fields)
        assert a.status == 413 and a.header("X-Slipway-Error") == "ERR_EXCEEDED", a


def test_front_killed_in_mid_body(server):      # 3
    own = Server()
    try:
        url = made(own, 300_000)
        s = begin_patch(own, url, 0, 300_000, b"k" * 50_000)
        written(own, url, 50_000)
        for pid in fronts(own):
            os.kill(pid, signal.SIGKILL)
        answer_of(s)
        end = time.monotonic() + 20
        while True:      # `serve` starts new ones
            a = head(own, url)
            if a.status == 200 or time.monotonic() > end:
                break
            time.sleep(0.1)
        assert a.status == 200 and a.header("Upload-Offset") == "50000", a
        assert patch(own, url, 50_000, b"l" * 250_000).status == 204
        assert content(own, url) == b"k" * 50_000 + b"l" * 250_000
    finally:
        own.close()


def test_front_ends_in_mid_body(server):      # 16
    own = Server()
    try:
        url = made(own, 300_000)
        s = begin_patch(own, url, 0, 300_000, b"k" * 50_000)
        written(own, url, 50_000)
        for pid in fronts(own):
            os.kill(pid, signal.SIGTERM)
        code, top, _ = answer_of(s)
        assert code == 503 and "retry-after: 1" in top.lower() and "ERR_STOPPING" in top, top
        end = time.monotonic() + 20
        while (a := head(own, url)).status != 200 and time.monotonic() < end:
            time.sleep(0.1)
        assert a.header("Upload-Offset") == "50000", a
        assert patch(own, url, 50_000, b"l" * 250_000).status == 204
    finally:
        own.close()


def test_file_that_could_not_be_made(server):
    """What is answered with a place can be gone on with there, although the first file of the request failed."""
    if os.geteuid() != 0:
        print("# only root may look into a front")
        return
    own = Server(processes=1)
    try:
        made(own, 40_000, b"x" * 10_000)
        for name in ("ENOSPC", "EMFILE"):
            for n in (1, 2, 3):
                t = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=openat", "-e", f"inject=openat:error={name}:when={n}",
                                      *[a for p in fronts(own) for a in ("-p", str(p))]], stderr=subprocess.DEVNULL)
                time.sleep(1)
                a = create(own, 40_000, body=b"x" * 10_000)
                t.send_signal(signal.SIGINT)
                t.wait()
                url = a.header("Location")
                assert (a.status == 201 or a.status == (507 if name == "ENOSPC" else 503)) and (a.status != 201 or url), (name, n, a)
                if url is not None:
                    at = int(head(own, url).header("Upload-Offset"))
                    assert patch(own, url, at, b"x" * (40_000 - at)).status == 204, (name, n)
                assert own.slipway("check", "store") == "0 findings\n", (name, n)
    finally:
        own.close()


def test_order_of_what_reaches_the_disk(server):      # 9
    if os.geteuid() != 0:
        print("# only root may look into a front")
        return
    own = Server(processes=1)
    try:
        url = made(own, 40_000, b"x" * 10_000)
        trace = os.path.join(own.dir, "trace")
        t = subprocess.Popen(["strace", "-f", "-q", "-s", "64", "-e", "trace=fdatasync,fsync,rename,renameat,renameat2,write,pwrite64,mkdirat,openat",
                              "-o", trace, *[a for p in fronts(own) for a in ("-p", str(p))]], stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        assert patch(own, url, 10_000, b"x" * 10_000).status == 204
        time.sleep(0.3)
        one = len(open(trace).read())
        assert patch(own, url, 20_000, b"x" * 20_000).status == 204
        time.sleep(0.3)
        two = len(open(trace).read())
        assert patch(own, url, 20_000, b"x").status == 409
        assert create(own, -1).status == 400
        time.sleep(0.3)
        t.send_signal(signal.SIGINT)
        t.wait()
        text = open(trace).read()
        first, second, third = text[:one], text[one:two], text[two:]

        def at(part, pattern):
            found = [m.start() for m in re.finditer(pattern, part)]
            assert found, (pattern, part[-3000:])
            return found

        assert at(first, "fdatasync")[0] < at(first, "Status: 204")[0]
        assert at(second, "fdatasync")[0] < at(second, r"rename\w*\(.*\"data\"")[0] < at(second, "fsync")[-1] < at(second, "Status: 204")[0]
        assert "fdatasync" not in third and "mkdirat" not in third and "rename" not in third, third
    finally:
        own.close()


def test_expiry(server):      # 10
    own = Server("idle_ttl = 2\ncomplete_ttl = 2\ntombstone_ttl = 3\n")
    try:
        table = b"a,x,y\nA,1,2\n"
        bound = made(own, len(table), table, "filename " + b64("a.csv"))
        assert own.post("/upload/", {"upload": bound.split("/")[-1]}, accept="application/json").status == 201
        url, done = made(own, 11, b"hello"), made(own, 3, b"abc")
        other = made(own, 11, b"hello")
        end = time.monotonic() + 2.3
        while time.monotonic() < end:
            head(own, url)      # asking holds nothing open
            patch(own, url, 5, b"")
            time.sleep(0.2)
        for u in (url, other):
            a = head(own, u)
            assert (a.status, a.header("X-Slipway-Error")) == (410, "ERR_GONE"), a
        assert patch(own, url, 5, b"x").status == 410 and server.get(url).status in (401, 404)
        assert content(own, bound) == table
        end = time.monotonic() + 15
        while (head(own, url).status, head(own, done).status) != (404, 404) and time.monotonic() < end:
            own.slipway("gc")
            time.sleep(0.5)
        assert (head(own, url).status, head(own, done).status) == (404, 404)
        assert content(own, bound) == table and content(own, done) is None
    finally:
        own.close()


def test_limits(server):      # 11
    own = Server("max_size = 1M\nmax_open = 3\ncreate_rate = 12\nquota = 2M\n")
    try:
        before = own.traces()
        a = create(own, (1 << 20) + 1)
        refused(own, a, "ERR_TOO_LARGE", 413, before)
        assert "a file may have 1.0 MB (upload.max_size)" in a.text.replace("\u00a0", " "), a
        urls = [made(own, 1 << 19) for _ in range(3)]
        a = create(own, 1)
        assert (a.status, a.header("X-Slipway-Error"), a.header("Retry-After")) == (429, "ERR_RATE", "60"), a
        for u in urls:
            assert own.request("DELETE", u, headers=TUS).status == 204
        urls = [made(own, 1 << 20), made(own, 1 << 20)]
        a = create(own, 1)
        assert (a.status, a.header("X-Slipway-Error")) == (413, "ERR_QUOTA"), a
        assert own.request("DELETE", urls[0], headers=TUS).status == 204
        while (a := create(own, 1, b"x")).status == 201:
            own.request("DELETE", a.header("Location"), headers=TUS)
        assert (a.status, a.header("X-Slipway-Error")) == (429, "ERR_RATE"), a
    finally:
        own.close()


def test_many_ids_and_flat_memory(server):      # 12, 14 in a short form
    own = Server("sync = none\ncreate_rate = 1000000\nmax_open = 100000\n")
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            urls = list(pool.map(lambda _: made(own, 5), range(1000)))
        assert len(set(urls)) == 1000 and all(re.fullmatch("/files/[0-9a-f]{32}", u) for u in urls)
        block, n = b"\0" * (64 << 20), 6
        url = made(own, n * len(block))
        for i in range(n):
            assert patch(own, url, i * len(block), block).status == 204
        for pid in fronts(own):
            with open(f"/proc/{pid}/status") as f:
                peak = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))
            assert peak < 32 * 1024, peak
        assert status(own, url)["state"] == "complete"
    finally:
        own.close()


# ---- concatenation

def partial(server, data, whole=True):
    url = made(server, len(data), data if whole else None, **{"Upload-Concat": "partial"})
    return url


def final(server, urls, meta=None, joint=" ", **extra):
    headers = {**TUS, "Upload-Concat": "final;" + joint.join(urls), **extra}
    if meta is not None:
        headers["Upload-Metadata"] = meta
    return server.request("POST", "/files/", body=b"", headers=headers)


def test_concatenation(server):      # 24
    a, b = partial(server, b"hello "), partial(server, b"world")
    assert head(server, a).header("Upload-Concat") == "partial"
    full = f"http://somewhere.example:99/elsewhere{b}"
    for urls, joint, want in (([a, b], " ", HELLO), ([b, a], " ", b"worldhello "), ([a, a, b, a], "   ", b"hello hello worldhello "),
                              (["", a, full], " ", HELLO), ([a.lstrip("/"), b.split("/")[-1]], " ", HELLO)):
        f = final(server, urls, META, joint)
        assert f.status == 201, (urls, f)
        url = f.header("Location")
        assert content(server, url) == want, (urls, content(server, url))
        h = head(server, url)
        assert h.header("Upload-Concat") == "final;" + joint.join(urls) and h.header("Upload-Metadata") == META, h.headers
        assert (h.header("Upload-Length"), h.header("Upload-Offset")) == (str(len(want)), str(len(want))), h.headers
        refused(server, patch(server, url, len(want), b"x"), "ERR_FINAL", 403, server.traces())
    before = server.traces()
    own = made(server, 3, b"abc")
    foreign = made(server, 3, b"abc", user="otto", **{"Upload-Concat": "partial"})
    gone = partial(server, b"x")
    assert server.request("DELETE", gone, headers=TUS).status == 204
    before = server.traces()
    for urls in ([], [own], [foreign], ["/files/" + "0" * 32], ["/files/x"], ["http://x/"], [url], [gone], [a, own], ["/other/" + a.split("/")[-1]]):
        refused(server, final(server, urls), "ERR_CONCAT", 400, before)
    refused(server, final(server, [a, b], **{"Upload-Length": "11"}), "ERR_CONCAT", 400, before)
    refused(server, final(server, [a, b], **{"Upload-Defer-Length": "1"}), "ERR_CONCAT", 400, before)
    refused(server, server.request("POST", "/files/", body=b"x", headers={**TUS, **BYTES, "Upload-Concat": f"final;{a}"}), "ERR_CONCAT", 400, before)
    for value in ("final", "final:", "Partial", "part", "final ;" + a, ""):
        x = server.request("POST", "/files/", body=b"", headers={**TUS, "Upload-Concat": value, **({} if value else {"Upload-Length": "1"})})
        if value:
            refused(server, x, "ERR_CONCAT", 400, before)
    # never usable by a consumer
    p = server.post("/upload/", {"upload": a.split("/")[-1]}, accept="application/json")
    assert p.status in (400, 404), p


def test_concatenation_before_its_parts_are_there(server):      # 24
    a, b = partial(server, b"hello ", whole=False), partial(server, b"world", whole=False)
    f = final(server, [a, b])
    assert f.status == 201, f
    url = f.header("Location")
    h = head(server, url)
    assert h.header("Upload-Offset") is None and h.header("Upload-Length") == "11", h.headers
    refused(server, patch(server, url, 0, b"x"), "ERR_FINAL", 403, server.traces())
    assert patch(server, a, 0, b"hello ").status == 204
    assert content(server, url) is None
    assert patch(server, b, 0, b"world").status == 204
    end = time.monotonic() + 5
    while content(server, url) is None and time.monotonic() < end:
        time.sleep(0.05)
    assert content(server, url) == HELLO and head(server, url).header("Upload-Offset") == "11"
    a, b = partial(server, b"hello "), partial(server, b"world", whole=False)
    url = final(server, [a, b]).header("Location")
    assert server.request("DELETE", b, headers=TUS).status == 204
    assert head(server, url).status == 410, head(server, url)


def test_a_thousand_partials(server):      # 24
    own = Server("sync = none\ncreate_rate = 1000000\nmax_open = 100000\n[limits]\nheader = 64K\nheaders = 128K\n")
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            urls = list(pool.map(lambda i: partial(own, b"%d," % i), range(1000)))
        ids = [u.split("/")[-1] for u in urls]
        f = final(own, ids)
        if f.status == 431:      # the web server's own limit of a header field
            f = final(own, ids[:900])
            ids = ids[:900]
        assert f.status == 201, f
        url = f.header("Location")
        end = time.monotonic() + 10
        while content(own, url) is None and time.monotonic() < end:
            time.sleep(0.1)
        assert content(own, url) == b"".join(b"%d," % i for i in range(len(ids)))
        a = final(own, ["a" * 32] * 1001)
        assert a.status in (400, 431), a
    finally:
        own.close()


if __name__ == "__main__":
    harness.main(sys.modules["__main__"])
