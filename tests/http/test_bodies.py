"""Goal: malformed, cut, mislabelled and oversized bodies are refused before they do anything, through a real web server
(security.md 3.1, 5, 8, 9; wizard.md 3.2)."""
import gzip
import json
import re
import socket
import time
import urllib.parse

import transfer
from harness import USER, main, nothing_left
from steps import code, configured, post, saved, state, table

CSV = b"lat,lng,name\n1,2,a\n"
GOOD = b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.csv"\r\n\r\n' + CSV + b"\r\n--b--\r\n"


def send(server, body, kind="multipart/form-data; boundary=b", path="/upload/", method="POST", **headers):
    return server.request(method, path, body=body, headers={"Accept": "application/json", "Content-Type": kind, **headers})


def raw(server, head, body=b"", cut=False, wait=10):
    """Bytes on a socket; the whole answer.  CUT: our side closes after the body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as s:
        s.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        if cut:
            s.shutdown(socket.SHUT_WR)
        out = b""
        try:
            while part := s.recv(65536):
                out += part
        except socket.timeout:
            pass
    return out


def head_of(server, method, path, *lines):
    return "\n".join([f"{method} {server.at(path)} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Authorization: Bearer {server.tokens['mei']}",
                      "Accept: application/json", "Connection: close", *lines])


def refused(server, body, want_status=400, want="bad_body", kind="multipart/form-data; boundary=b", **headers):
    a = send(server, body, kind, **headers)
    assert a.status == want_status, (kind, body[:200], a)
    assert code(a) == want, (kind, body[:200], a)
    return a


def part(head, data=CSV, tail=b"--b--\r\n"):
    return b"--b\r\n" + head + b"\r\n\r\n" + data + b"\r\n" + tail


FILE = b'Content-Disposition: form-data; name="files"; filename="x.csv"'


def test_multipart_that_is_none(server):
    before = server.traces()
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 201,
                 'multipart/form-data; boundary="a"b"', "multipart/form-data; boundary=b; boundary=c"):      # 1 - 4, 6
        refused(server, GOOD, kind=kind)
    for kind in ("multipart/mixed; boundary=b", "multipart/related; boundary=b"):      # 7
        refused(server, GOOD, 415, "media_type", kind)
    nested = part(b'Content-Disposition: form-data; name="files"\r\nContent-Type: multipart/mixed; boundary=c')
    bodies = {9: b"", 10: GOOD.replace(b"--b\r\n", b"", 1), 11: b"x" * 5000 + b"\r\n" + GOOD, 12: GOOD + b"y" * 5000,
              13: GOOD[:-len(b"--b--\r\n")], 14: GOOD[:40], 15: GOOD[:-4], 16: GOOD.replace(b"\r\n", b"\n"),
              17: GOOD.replace(b"\r\n", b"\r"), 21: b"--b\r\n" + CSV + b"\r\n--b--\r\n", 22: part(b"Content-Type: text/csv"),
              23: part(FILE.replace(b"form-data", b"attachment")), 24: part(b'Content-Disposition: form-data; filename="x.csv"'),
              25: part(FILE.replace(b'"files"', b'""')), 27: part(FILE + b"\r\n" + FILE), 28: part(FILE + b'; filename="y.csv"'),
              29: part(FILE + b"; filename*=KOI8-R''x.csv"), 290: part(FILE + b"; filename*=UTF-8''%zz.csv"),
              31: part(b'Content-Disposition: form-data; name="files; filename=x.csv'), 33: part(FILE + b"\r\nX-Y: " + b"z" * 9000),
              330: part(FILE + b"\r\nno colon here"), 331: part(FILE + b"\r\nX-Y: a\r\n folded"), 332: part(FILE + b"\r\nX-Y: a\0b"),
              34: part(FILE + b"".join(b"\r\nX-%d: y" % i for i in range(17))), 37: nested,
              38: part(FILE + b"\r\nContent-Transfer-Encoding: base64"), 380: part(FILE + b"\r\nContent-Transfer-Encoding: quoted-printable")}
    for n, body in bodies.items():
        a = send(server, body)
        want = ("bad_body", "file_missing") if n == 9 else ("bad_body",) if n not in (11, 12, 33, 34, 38, 380) else (
            "part.encoded", "bad_body", "limits.preamble", "limits.part_head_line", "limits.part_heads")
        assert a.status == 400 and code(a) in want, (n, a)
    nothing_left(server, before)


def test_multipart_that_is_fine(server):
    other = GOOD.replace(b"--b", b"--a b")
    for body, kind in ((GOOD, "Multipart/Form-Data; BOUNDARY=b"), (other, 'multipart/form-data; boundary="a b"'),
                       (GOOD.replace(b"--b", b"--" + b"c" * 150), "multipart/form-data; boundary=" + "c" * 150),
                       (b"preamble\r\n" + GOOD + b"epilogue", "multipart/form-data; boundary=b"),
                       (GOOD.replace(b"--b\r\n", b"--b  \t\r\n", 1), "multipart/form-data; boundary=b"),
                       (part(FILE + b"\r\nContent-Transfer-Encoding: binary"), "multipart/form-data; boundary=b"),
                       (part(FILE + b"\r\nContent-Type: text/csv; charset=utf-7"), "multipart/form-data; boundary=b")):
        a = send(server, body, kind)
        assert a.status == 201, (kind, body[:100], a)


def test_data_that_looks_like_a_delimiter_stays(server):
    for inner in (b"\r\n--bX", b"--b", b"\r\n--", b"\r\n-", b"\n--b--\n", b"\r\n--\r\n--\r\n--c"):
        data = b'lat,lng,name\n1,2,"' + inner + b'"\n'
        a = send(server, part(FILE, data))
        assert a.status == 201 and a.json["session"]["files"][0]["size"] == len(data), (inner, a)
    for size in (8191, 8192, 8193, 65535, 65536, 65537):      # the delimiter across every buffer's edge
        data = b"lat,lng,name\n1,2,a\n"
        data += b"1,2," + b"x" * (size - len(data) - 5 - len(GOOD.split(b"\r\n\r\n")[0])) + b"\n"
        a = send(server, part(FILE, data))
        assert a.status == 201 and a.json["session"]["files"][0]["size"] == len(data), (size, a)


def test_names_in_part_heads(server):
    for head, name in ((b'name="files"; filename="a\\"b.csv"', 'a"b.csv'), (b'name="files"; filename="a%22b.csv"', 'a"b.csv'),
                       (b"name=\"files\"; filename=\"x.csv\"; filename*=UTF-8''%E5%8C%97.csv", "北.csv"),
                       ('name="files"; filename="北京.csv"'.encode(), "北京.csv"), (b"name=files; filename=y.csv", "y.csv")):
        a = send(server, part(b"Content-Disposition: form-data; " + head))
        assert a.status == 201 and a.json["session"]["files"][0]["name"] == name, (head, a)


def test_many_parts_and_fields_are_refused_early(server):
    before = server.traces()
    field = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n'
    a = send(server, field * 1001 + b"--b--\r\n")
    assert a.status == 413, a
    session = saved(server, table("n.csv", "lat,lng", "1,2"))
    a = send(server, "&".join(f"f{i}=1" for i in range(1001)), "application/x-www-form-urlencoded", f"/upload/csv?id={session}")
    assert a.status == 413, a
    a = send(server, b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", f"/upload/csv?id={session}")
    assert a.status == 413, a
    a = send(server, json.dumps({"a": "x" * (1 << 20)}), "application/json", f"/upload/csv?id={session}")
    assert a.status == 413, a
    a = send(server, b'--b\r\nContent-Disposition: form-data; name="abstract"\r\n\r\n' + b"x" * 70_000 + b"\r\n" + GOOD)
    assert a.status == 413, a
    server.request("DELETE", f"/upload/delete/{session}")
    nothing_left(server, before)


def test_delimiter_rain_is_linear(server):
    data = b"lat,lng,name\n1,2,a\n" + b"\r\n--" * 1_000_000
    t = time.monotonic()
    a = send(server, part(FILE, data))
    assert time.monotonic() - t < 20, time.monotonic() - t
    assert a.status in (201, 400), a


def test_media_types(server):
    before = server.traces()
    for kind in ("text/plain", "text/csv", "application/octet-stream", "application/xml", "x", ""):
        refused(server, CSV, 415, "media_type", kind)
    refused(server, gzip.compress(GOOD), 415, "form_packed", **{"Content-Encoding": "gzip"})
    nothing_left(server, before)


def test_media_types_that_are_none_are_left_out(server):
    """What is no text in a record would end each dump of the store, and reach a terminal by `slipway upload`."""
    chunk = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: %s\r\n\r\na,b\n1,2\n\r\n--b--\r\n'
    flow = "flowChunkNumber=1&flowChunkSize=8&flowTotalSize=8&flowTotalChunks=1&flowFilename=a&flowIdentifier=type"
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    for i, kind in enumerate((b"te\xb5t/plain", b"a/" + b"b" * 126, b"a/\xc2\x9b31m")):
        text, before = kind.decode("latin1"), server.dump()
        for method, path, body, headers in (
                ("POST", "/files/?name=a", b"abc", {"Content-Type": text}),
                ("PUT", "/files/", b"abc", {"Content-Type": text}),
                ("POST", "/files/", b"abc", {"Content-Type": text, "Upload-Draft-Interop-Version": "6", "Upload-Complete": "?1"}),
                ("POST", f"/chunks?{flow}{i}", chunk % kind, form),
                ("POST", "/upload/?force_ajax=true", chunk.replace(b'"file"', b'"files"').replace(b'"a"', b'"a.csv"') % kind, form)):
            a = server.request(method, path, body=body, headers=headers)
            assert a.status in (200, 201), (path, a)
        made = [r["value"] for r in server.dump() if r["table"] == "uploads" and r not in before]
        assert len(made) == 5 and all("media_type" not in v for v in made), made


def test_json_bodies(server):
    session = saved(server, table("j.csv", "lat,lng", "1,2"))
    path = f"/upload/csv?id={session}"
    before = state(server, session)
    deep = '{"a":' * 40 + "1" + "}" * 40
    for body in ("{", "[]", "1", '"x"', "null", '{"a":1}{"b":2}', '{"a":1,"a":2}', "{'a':1}", '{"a":NaN}', '{"a":1e400}',
                 '{"a":99999999999999999999}', '{"a":"\\u0000"}', '{"a":"\\ud800"}', '{"a":"\t"}', deep, '{"a":1} trailing', "",
                 b'{"a":"\xc0\xaf"}', b'{"a":"\xff"}', '{"lat":{"x":1}}'):
        a = send(server, body, "application/json", path)
        assert a.status == 400 and code(a) in ("bad_body", "bad_text", "csv_columns_missing", "csv_column_unknown"), (body, a)
    after = state(server, session)
    assert {k: v for k, v in after.items() if k != "date"} == {k: v for k, v in before.items() if k != "date"}
    a = send(server, '{"lat":"lat","lng":"lng"}', "application/json; charset=utf-8", path)
    assert a.status == 200 and a.json["status"] == "incomplete", a


def test_percent_encoding(server):
    session = saved(server, table("p.csv", "lat,lng,a b", "1,2,3"))
    path = f"/upload/csv?id={session}"
    form = "application/x-www-form-urlencoded"
    for body in ("lat=%zz", "lat=%", "lat=%4", "lat=%u0041", "lat=%00", "lat=%c0%ae", "lat=%ed%a0%80", "lat=%ff", "lat\xff=1".encode("latin-1"),
                 "%00=1"):
        a = send(server, body, form, path)
        assert a.status == 400 and code(a) in ("bad_body", "bad_text"), (body, a)
    for query in ("%00", "%c0%ae", "%ff"):
        a = server.get(f"/upload/srs?id={session}&q={query}", accept="application/json")
        assert a.status == 400, (query, a)
    a = send(server, "lat=lat&lng=a+b", form, path)      # + is a space here
    assert a.status == 200, a
    for path in ("/upload/..%2f..%2fetc/passwd", "/upload/%2e%2e/%2e%2e/etc/passwd", "/static/..%2fslipway.conf", "/static/%2e%2e%2fx",
                 "/files/..%2f..%2fetc%2fpasswd", "/datasets/..%2f1", "/layers/..%2f..%2fx", "/upload/%00", "/upload/%c0%ae%c0%ae/"):
        a = server.get(path, accept="application/json")
        assert a.status in (400, 404) and "root:" not in a.text, (path, a)
    assert server.get("/upload/%252e%252e/x", accept="application/json").status == 404      # literal text
    a = server.get("/files/..%2f..%2fx", accept="application/json")
    assert a.status == 400 and code(a) == "bad_address" and "“”" not in a.text, a


def test_lengths(server):
    before = server.traces()
    kind = "Content-Type: multipart/form-data; boundary=b"
    for length in ("-1", "+3", "0x3", "18446744073709551619", "3, 3", "12x"):
        out = raw(server, head_of(server, "POST", "/upload/", kind, f"Content-Length: {length}"), GOOD)
        assert out.split(b" ")[1] in (b"400", b"411", b"413"), (length, out[:200])
    out = raw(server, head_of(server, "POST", "/upload/", kind, "Content-Length: 3", "Content-Length: 4"), GOOD)
    assert out.split(b" ")[1] in (b"400", b"411"), out[:200]
    out = raw(server, head_of(server, "POST", "/upload/", kind, f"Content-Length: {len(GOOD)}", "Transfer-Encoding: chunked"), GOOD)
    assert out.split(b" ")[1] in (b"400", b"411"), out[:200]
    out = raw(server, head_of(server, "POST", "/upload/", kind, "Transfer-Encoding: chunked"), b"zz\r\nabc\r\n0\r\n\r\n")
    assert out.split(b" ")[1] in (b"400", b"411"), out[:200]
    # Cut: fewer bytes than announced.
    raw(server, head_of(server, "POST", "/upload/", kind, f"Content-Length: {len(GOOD) + 100}"), GOOD, cut=True)
    raw(server, head_of(server, "POST", "/upload/", kind, f"Content-Length: {len(GOOD)}"), GOOD[:60], cut=True)
    raw(server, head_of(server, "PUT", "/files/cut.csv", "Content-Length: 1000"), b"a,b\n", cut=True)
    nothing_left(server, before, seconds=10)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (GOOD[:10], GOOD[10:])) + b"0\r\n\r\n"
    out = raw(server, head_of(server, "POST", "/upload/", kind, "Transfer-Encoding: chunked"), chunks)
    assert b" 201 " in out.split(b"\r\n")[0], out[:300]


def test_announced_over_the_limit_is_refused_before_reading(server):
    with configured(server, "[wizard]\nmax_session_bytes = 10K"):
        before = server.traces()
        kind = "Content-Type: multipart/form-data; boundary=b"
        t = time.monotonic()
        out = raw(server, head_of(server, "POST", "/upload/", kind, f"Content-Length: {50 << 20}"), b"--b\r\n", wait=5)
        assert b" 413 " in out.split(b"\r\n")[0] and b"size_limit" in out and time.monotonic() - t < 4, (out[:300], time.monotonic() - t)
        big = part(FILE, b"lat,lng,name\n" + b"1,2,abcdefgh\n" * 2000)
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(big[i:i + 4096]), big[i:i + 4096]) for i in range(0, len(big), 4096)) + b"0\r\n\r\n"
        out = raw(server, head_of(server, "POST", "/upload/", kind, "Transfer-Encoding: chunked"), chunks)
        assert b" 413 " in out.split(b"\r\n")[0] and b"size_limit" in out, out[:300]
        nothing_left(server, before)


def test_slow_bodies_keep_nobody_out(server):
    """A43: many more of them than there are threads, none ever silent for long; who gives way goes on where he was."""
    urls = [transfer.made(server, 100_000) for _ in range(60)]
    slow = [transfer.begin_patch(server, url, 0, 100_000, b"x" * 10) for url in urls]
    slow += [transfer.begin(server, "POST", "/login", 1000, {"Content-Type": "application/x-www-form-urlencoded"}, b"user") for _ in range(200)]
    worst = 0
    end = time.monotonic() + 9
    while time.monotonic() < end:
        t = time.monotonic()
        a = server.request("GET", "/healthz", user=None, timeout=30)
        assert a.status == 200, a
        worst = max(worst, time.monotonic() - t)
        for s in slow:
            try:
                s.sendall(b"y")
            except OSError:
                pass
        time.sleep(0.5)
    assert worst < 8, worst
    gave_way = 0
    for i, s in enumerate(slow):
        s.settimeout(0.02)
        status, top, _ = transfer.answer_of(s)
        assert status in (0, 503), top
        if status == 503:
            gave_way += 1
            assert "Retry-After: 1" in top and "ERR_BUSY" in top, top
    assert gave_way >= 20, gave_way
    for url in urls:
        at = transfer.offset(server, url)
        assert at == 0 or transfer.patch(server, url, at, b"z" * (100_000 - at)).status == 204, (url, at)
        assert server.request("DELETE", url).status == 204


def test_odd_methods_and_heads(server):
    for method in ("PUT", "PATCH", "TRACE"):
        a = server.request(method, "/upload/", body=b"" if method != "TRACE" else None, headers={"Accept": "application/json"})
        assert a.status == 405 and {"GET", "POST"} <= set(a.header("Allow").split(", ")), (method, a)
    a = server.request("POST", "/upload/", body=b"", headers={"X-HTTP-Method-Override": "DELETE", "Accept": "application/json",
                                                             "Content-Type": "application/x-www-form-urlencoded"})
    assert a.status == 400 and code(a) == "file_missing", a      # the override means nothing
    out = raw(server, head_of(server, "post", "/upload/", "Content-Length: 0"))
    assert b" 400 " in out.split(b"\r\n")[0] or b" 405 " in out.split(b"\r\n")[0] or b" 501 " in out.split(b"\r\n")[0], out[:200]
    out = raw(server, head_of(server, "GET", "/upload/?" + "x" * 20_000))
    assert out.split(b"\r\n")[0].split(b" ")[1] in (b"414", b"431", b"400"), out[:200]
    a = server.request("OPTIONS", "/upload/srs?id=1")
    assert a.status == 204 and "POST" in a.header("Allow") and a.body == b"", a
    a = server.get("/upload", accept="text/html")
    assert a.status == 308 and a.header("Location") == "/upload/", a


if __name__ == "__main__":
    import test_bodies
    main(test_bodies)
