"""
The same cases behind every web server Slipway is at home on (front-ends.md 1, 7): what each does differently stands in one table.
A file test_hosts_<server>.py runs them behind that server, mounted at / and elsewhere.
"""
import concurrent.futures
import contextlib
import fcntl
import http.client
import json
import os
import re
import select
import signal
import socket
import threading
import time
import types
import typing

import test_chunks
import test_gws
import test_resumable
import test_tus
from harness import USER, Server, nothing_left, tell
from made import HTML, WGS84, Browser, geotiff, shapefile, zipped
from steps import configured, finished, points, rows, saved
from test_cgi import check as check_addresses
from test_uploadtasks import managers
from test_uploadtasks_servers import ask, cut_and_resumed, whole_way
from transfer import BYTES, TUS, begin, checksum, content, fronts, made, offset, part_size, patch, settled, status, written

MIB = 1 << 20
MOUNT = "/geo/upload.cgi"
BODY = bytes(range(256)) * 1200      # 307 200 bytes


class Host(typing.NamedTuple):
    streams: bool          # a body reaches Slipway while it comes
    told: bool             # of a chunked body the length is told: all of it is waited for
    phrase: bool           # the phrase of an unusual status is kept
    slash: bool            # %2F in a path is handed on
    header: int            # longest header field tried that is handed on


HOSTS = {
    "lighttpd": Host(streams=True, told=True, phrase=False, slash=True, header=20_000),
    "nginx": Host(streams=True, told=False, phrase=True, slash=True, header=20_000),
    "apache": Host(streams=True, told=False, phrase=True, slash=False, header=15_900),
    "apache-fcgid": Host(streams=False, told=True, phrase=True, slash=False, header=20_000),
    "cgi": Host(streams=True, told=False, phrase=True, slash=False, header=8000),
}


def host(server):
    return HOSTS[server.web]


# ---- requests that ordinary clients do not send

def head(server, method, path, *lines, user="mei"):
    return "\r\n".join([f"{method} {server.at(path)} HTTP/1.1", f"Host: 127.0.0.1:{server.port}",
                        *([f"Authorization: Bearer {server.tokens[user]}"] if user else []), "Connection: close", *lines, "", ""]).encode()


def exchange(server, request, seconds=60):
    """Send all of REQUEST, read at the same time; what came, and how much went."""
    out, sent = b"", 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as s:
        s.setblocking(False)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            readable, writable, _ = select.select([s], [s] if sent < len(request) else [], [], 1)
            try:
                if readable:
                    piece = s.recv(65536)
                    if not piece:
                        break
                    out += piece
                if writable:
                    sent += s.send(request[sent:sent + 65536])
            except BlockingIOError:
                pass
            except ConnectionError:
                break
    return out, sent


def parsed(out):
    """(status line, {header: value}, body) of one whole answer."""
    top, _, body = out.partition(b"\r\n\r\n")
    line, *lines = top.decode("latin-1").split("\r\n")
    fields = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines)}
    if fields.get("transfer-encoding") == "chunked":
        whole = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            n = int(size, 16)
            whole, body = whole + body[:n], body[n + 2:]
            if n == 0:
                break
        body = whole
    elif "content-length" in fields:
        assert len(body) == int(fields["content-length"]), (line, fields, len(body))
    return line, fields, body


def cut(server, url, total, keep):
    """A PATCH whose connection ends after KEEP of TOTAL bytes."""
    s = begin(server, "PATCH", url, total, {**TUS, **BYTES, "Upload-Offset": "0"}, BODY[:keep])
    if host(server).streams and keep:
        written(server, url, 1)
    s.close()


# ---- each kind of file, each protocol

def test_table(server):
    n = points(server, "host", ["1,2,a", "3,4,b"])["dataset"]["id"]
    assert rows(server, n, "name") == [("a",), ("b",)]


def test_zipped_shapefile(server):
    n = finished(server, saved(server, zipped(shapefile("roads", [(1, 2), (3, 4)], prj=WGS84), "roads.zip")))
    assert n["rows"]["imported"] == 2 and n["url"] == server.at("/layers/geonode:roads"), n


def test_geotiff(server):
    n = finished(server, saved(server, geotiff("dem.tif")))["dataset"]["id"]
    a = server.get(f"/datasets/{n}/thumbnail.png")
    assert a.status == 200 and a.body.startswith(b"\x89PNG"), a


def test_put(server):
    data = os.urandom(2 * MIB)      # more than any server's default
    a = server.request("PUT", "/files/big.bin", body=data)
    assert a.status == 201 and a.header("Location").startswith(server.mount + "/files/"), a
    assert content(server, a.header("Location")) == data
    assert server.request("DELETE", a.header("Location")).status == 204
    assert server.request("OPTIONS", "/files/").status == 204


def test_lengths_of_answers(server):
    for path in ("/static/slipway.css", "/login"):
        whole, top = server.get(path), server.request("HEAD", path)
        assert whole.header("Content-Length") == str(len(whole.body)), (path, whole.headers)
        assert (top.status, top.header("Content-Length"), top.body) == (200, str(len(whole.body)), b""), (path, top.headers)


def test_chunk_libraries(server):
    data = test_chunks.content(25_000)
    for library in (test_chunks.resumable, test_chunks.dropzone, test_chunks.fine, test_chunks.plupload):
        for fields, piece, extra in library(data, 10_000, test_chunks.NAME):
            m = test_chunks.check(test_chunks.send(server, fields, piece, **extra))
        test_chunks.complete(server, m, data)


def test_upload_tasks(server):
    managers(server)
    make = whole_way(server, server.port, server.mount, "host")
    cut_and_resumed(server, server.port, make, "host", host(server).streams)


test_tus_upload = test_tus.test_upload_in_two_parts
test_ietf_upload = test_resumable.test_upload_in_parts
test_gws_vectors = test_gws.test_vectors_both_ways
test_gws_example = test_gws.test_the_contracts_example


# ---- cut, streamed, chunked

def test_cuts_keep_what_arrived(server):
    keeps = (0, 1, 49_999, 299_999)
    urls = [made(server, 300_000) for _ in keeps]
    for url, keep in zip(urls, keeps):
        cut(server, url, 300_000, keep)
    for url, keep in zip(urls, keeps):
        want = keep if host(server).streams else 0
        assert settled(server, url, want) == want, (keep, status(server, url))
        assert patch(server, url, want, BODY[want:300_000]).status == 204, keep
        assert content(server, url) == BODY[:300_000], keep


def test_cuts_of_forms_leave_nothing(server):
    before = server.traces()
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.csv"\r\n\r\n' + b"lat,lng\n" * 20_000 + b"\r\n--b--\r\n"
    for keep in (0, 1, 49_999, len(body) - 1):
        for method, path, kind in (("POST", "/upload/", "multipart/form-data; boundary=b"), ("PUT", "/files/cut.csv", "text/csv")):
            lines = [f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Accept: application/json"]
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as s:
                s.sendall(head(server, method, path, *lines) + body[:keep])
    nothing_left(server, before, seconds=10)


def test_body_reaches_us_while_it_is_sent(server):
    url = made(server, 300_000)
    with begin(server, "PATCH", url, 300_000, {**TUS, **BYTES, "Upload-Offset": "0"}, BODY[:150_000]) as s:
        if host(server).streams:
            written(server, url, 100_000)
        else:
            time.sleep(0.5)
            assert part_size(server, url) <= 0
        s.sendall(BODY[150_000:300_000])
        assert s.recv(100).split(b" ")[1] == b"204"
    assert content(server, url) == BODY[:300_000]


def test_chunked_bodies_that_come_slowly(server):
    def send(method, path, pieces, *lines):
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as s:
            s.sendall(head(server, method, path, "Transfer-Encoding: chunked", "Accept: application/json", *lines))
            for piece in [*pieces, b""]:
                time.sleep(0.3 if piece else 0)
                s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            out = b""
            while piece := s.recv(65536):
                out += piece
        return parsed(out)
    # An inner end: the form's last delimiter.
    form = (b'--b\r\nContent-Disposition: form-data; name="files"; filename="slow.csv"\r\n\r\n', b"lat,lng\n1,2\n", b"\r\n--b--\r\n")
    line, fields, body = send("POST", "/upload/", form, "Content-Type: multipart/form-data; boundary=b")
    assert " 201 " in line and json.loads(body)["success"], (line, body)
    # A length declared besides.
    url = made(server, 30)
    line, fields, _ = send("PATCH", url, (b"x" * 10, b"y" * 20), "Tus-Resumable: 1.0.0", "Upload-Offset: 0", "Content-Type: application/offset+octet-stream")
    assert " 204 " in line and fields["upload-offset"] == "30", (line, fields)
    assert content(server, url) == b"x" * 10 + b"y" * 20
    # Nothing tells the end from a cut, unless the server does.
    line, fields, body = send("PUT", "/files/slow.csv", (b"a,b\n", b"1,2\n"))
    assert (" 201 " if host(server).told else " 411 ") in line and fields["x-slipway"] == "1", (line, body)


def test_announced_beyond_a_gigabyte(server):
    """No early 413 of the server's own: what it hands on, Slipway judges.  mod_fcgid stores bodies: it has a limit."""
    big = 2 << 30
    with configured(server, "[upload]\nmin_free = 1M\nmax_size = 1T"):
        url = made(server, big)
        s = begin(server, "PATCH", url, big, {**TUS, **BYTES, "Upload-Offset": "0"}, BODY[:100_000])
        if host(server).streams:
            written(server, url, 50_000)
        s.close()
        want = 100_000 if host(server).streams else 0
        assert settled(server, url, want) == want
        assert server.request("DELETE", url, headers=TUS).status == 204


# ---- answers before the body is read

def refusals(server):
    """(status, method, path, user, headers) of requests that are refused whatever their body."""
    done = made(server, 0)
    tus = ("Tus-Resumable: 1.0.0", "Upload-Offset: 7", "Content-Type: application/offset+octet-stream")
    return ((401, "PUT", "/files/x.csv", None, ()), (404, "PATCH", "/files/" + "0" * 32, "mei", tus), (409, "PATCH", done, "mei", tus),
            (413, "PUT", "/files/x.csv", "mei", ()), (404, "POST", "/nosuch", "mei", ()), (405, "PUT", "/upload/", "mei", ()))


def test_early_answers_arrive_whole(server):
    # mod_cgid loses those of programs that leave their input: four kinds, fifty times each.
    times, kinds = (50, 4) if server.web == "cgi" else (8, None)
    side_by_side = 1 if server.web == "apache-fcgid" else 4      # it lets a request wait a second for another process
    with configured(server, "[upload]\nmax_size = 500"), concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
        for want, method, path, user, lines in refusals(server)[:kinds]:
            for size in (1000, 100_000, MIB):
                request = head(server, method, path, f"Content-Length: {size}", "Accept: application/json", *lines, user=user) + bytes(size)
                for out, _ in pool.map(lambda _: exchange(server, request), range(times)):
                    line, fields, body = parsed(out)
                    assert int(line.split(" ")[1]) == want and fields["x-slipway"] == "1" and "x-request-id" in fields, (want, size, line, fields)


def test_too_large_is_told_early(server):
    with configured(server, "[wizard]\nmax_session_bytes = 10K\n[upload]\nmax_size = 20K"):
        before = server.traces()
        for size in (100_000, MIB, 20 * MIB):
            for method, path in (("POST", "/upload/"), ("PUT", "/files/x.bin")):
                body = (b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.csv"\r\n\r\n').ljust(size, b"x")
                request = head(server, method, path, f"Content-Length: {size}", "Accept: application/json",
                               "Content-Type: multipart/form-data; boundary=b") + body
                out, sent = exchange(server, request)
                line, fields, body = parsed(out)
                assert " 413 " in line and fields["x-slipway"] == "1" and body, (method, size, line)
                assert server.web not in ("lighttpd", "nginx") or size < 20 * MIB or sent < size, (method, "all of it was taken")
        nothing_left(server, before)


def test_limits_of_forms(server):
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    n = saved(server, ("limits.csv", b"lat,lng\n1,2\n"))
    for body in ("&".join(f"f{i}=1" for i in range(1001)), "a=" + "x" * 70_000):
        a = server.request("POST", f"/upload/csv?id={n}", body=body, headers=kind)
        assert a.status == 413 and a.json["code"].startswith("limits."), a
    a = server.request("POST", f"/upload/csv?id={n}", body=json.dumps({"a": "x" * MIB}), headers={**kind, "Content-Type": "application/json"})
    assert a.status == 413 and a.header("X-Slipway") == "1", a


# ---- headers, paths, who is asking

def test_long_and_foreign_headers(server):
    for size in (4000, host(server).header, 17_000, 33_000):
        parts = " ".join("/files/" + "0" * 32 for _ in range((size - 25) // 40))
        a = server.request("POST", "/files/", body=b"", headers={**TUS, "Upload-Concat": "final;" + parts})
        if size <= host(server).header:
            assert a.status == 400 and a.header("X-Slipway-Error") == "ERR_CONCAT", (size, a, a.headers)
        # Refused, or handed on: what is wrong is told of the list, not of its absence.
        assert a.status in (400, 431) and a.header("X-Slipway-Error") != "ERR_LENGTH", (size, a, a.headers)
    out, _ = exchange(server, head(server, "GET", "/upload/progress", "X-Long: " + "x" * 70_000))
    assert not out or out.split(b" ")[1] in (b"400", b"413", b"431"), out[:200]
    out, _ = exchange(server, head(server, "GET", "/upload/progress", "X-Name: ").replace(b"X-Name: ", "X-Name: 数据".encode()))
    assert parsed(out)[0].split(" ")[1] == "200", out[:200]
    out, _ = exchange(server, head(server, "GET", "/upload/progress?" + "x" * 30_000))
    assert out.split(b" ")[1] in (b"400", b"414", b"431"), out[:200]


def test_statuses_and_their_phrases(server):
    url = made(server, 11)
    a = patch(server, url, 0, b"hello world", **checksum("sha1", b"other"))
    assert a.status == 460 and a.header("X-Slipway-Error") == "ERR_CHECKSUM", a
    request = head(server, "PATCH", url, *(f"{k}: {v}" for k, v in {**TUS, **BYTES, **checksum("sha1", b"x")}.items()),
                   "Upload-Offset: 0", "Content-Length: 5")
    line, fields, _ = parsed(exchange(server, request + b"hello")[0])
    assert (line == "HTTP/1.1 460 Checksum Mismatch") is host(server).phrase and " 460" in line, line
    for want, path in ((200, "/healthz"), (200, "/readyz"), (308, "/upload"), (404, "/nosuch"), (405, "/files/")):
        a = server.request("TRACE" if want == 405 and server.web == "lighttpd" else "PATCH" if want == 405 else "GET", path)
        assert a.status == want and a.header("X-Slipway") == "1", (want, a)


def test_paths(server):
    assert server.get("/upload//progress").status == 200 and server.get("/./upload/progress").status == 200
    for path in ("/../../etc/passwd", "/upload/..%2f..%2fetc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/upload/%00", "/files/%c0%ae"):
        out, _ = exchange(server, head(server, "GET", path))
        assert out.split(b" ")[1] in (b"400", b"403", b"404") and b"root:" not in out, (path, out[:200])
    a = server.get("/layers/a%2Fb")
    assert a.status == 404 and (a.header("X-Slipway") == "1") is host(server).slash, a
    assert server.get("/layers/st%C3%A4dte%20x").header("X-Slipway") == "1"


def test_ways_to_say_who_one_is(server):
    token = server.tokens["mei"]
    for headers, want in (({"Authorization": "Bearer " + token}, 200), ({"X-Slipway-Key": token}, 200), ({"X-Slipway-Key": "x" * 40}, 401), ({}, 401)):
        a = server.get("/upload/", accept="application/json", headers=headers, user=None)
        assert a.status == want and a.header("X-Slipway") == "1", (headers, a)


def test_no_interim_answer_unless_it_was_asked_for(server):
    request = head(server, "POST", "/files/", "Upload-Draft-Interop-Version: 8", "Upload-Complete: ?1", "Content-Length: 5") + b"hello"
    line, fields, _ = parsed(exchange(server, request)[0])
    assert " 201 " in line and fields["location"].startswith(server.mount + "/files/"), (line, fields)


# ---- links and cookies

def test_every_address_carries_the_mount(server):
    n = saved(server, *shapefile("mounted", [(1, 2)]))
    for path in ("/", "/upload/", "/login", "/about", "/datasets/", f"/upload/?id={n}", f"/upload/srs?id={n}", "/nosuch", "/upload"):
        for accept in (HTML, "application/json"):
            for user in ("mei", None):
                check_addresses(path, server.get(path, accept=accept, user=user), server.mount)
    assert server.get("/static/slipway.css").header("Content-Type").startswith("text/css")
    if server.mount:
        for path in ("/healthz", "/"):
            out, _ = exchange(server, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b" 200 " not in out.split(b"\r\n")[0] or b"ok\n" not in out, (path, out[:200])
        # What only begins like it belongs to somebody else.
        out, _ = exchange(server, b"GET " + server.mount.encode() + b"x/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"X-Slipway" not in out, out[:200]


# ---- processes come and go

def test_client_leaves_while_we_work(server):
    before = fronts(server) if server.web in ("lighttpd", "nginx", "apache") else []
    with open(os.path.join(server.data, "gate"), "r+b") as gate:
        fcntl.lockf(gate, fcntl.LOCK_EX)      # nobody gets at the store
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(head(server, "PUT", "/files/gone.csv", "Content-Length: 5") + b"hello")
        time.sleep(1)
        s.close()
        time.sleep(1)
    end = time.monotonic() + 60
    while not any(u["name"] == "gone.csv" for u in server.get("/files/", accept="application/json").json):
        assert time.monotonic() < end, "what was begun is not finished"
        time.sleep(0.1)
    assert server.get("/healthz").status == 200
    assert not before or sorted(fronts(server)) == sorted(before), "a front has died"


def descendants(pid, name="slipway.fcgi"):
    """Processes of that NAME below PID, whoever started them; "" = all."""
    parents, names = {}, {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat") as f:
                text = f.read()
        except OSError:
            continue
        state, parent = text[text.rindex(")") + 2:].split()[:2]
        if state != "Z":
            names[int(p)], parents[int(p)] = text[text.index("(") + 1:text.rindex(")")], int(parent)

    def below(p):
        while p in parents:
            p = parents[p]
            if p == pid:
                return True
        return False
    return [p for p, n in names.items() if n.startswith(name) and below(p)]


def test_fronts_are_killed_while_clients_work(server):
    """100 uploads over 4 processes, one of them killed again and again: a client that tries again loses nothing."""
    pause = 3 if server.web == "apache-fcgid" else 0.5      # it starts few processes anew in a short time
    with configured(server, "[server]\nprocesses = 4"):
        stop, failed, urls, killed = threading.Event(), [], [], set()

        def client(numbers):
            for n in numbers:
                data = b"%d;" % n * 5000
                url, at, end = None, 0, time.monotonic() + 120
                while at < len(data):
                    try:
                        if url is None:
                            url = made(server, len(data), **{"Idempotency-Key": f"host-{n}"})
                        at = offset(server, url)
                        time.sleep(0.1)
                        if at < len(data) and patch(server, url, at, data[at:at + 10_000]).status == 204:
                            at = min(at + 10_000, len(data))
                    except (AssertionError, OSError, http.client.HTTPException) as e:      # lost with its front; asked again
                        if time.monotonic() > end:
                            failed.append((n, url, e))
                            return
                        time.sleep(0.05)
                urls.append((url, data))

        def killer():
            while not stop.wait(pause):
                for pid in descendants(server.process.pid)[:1]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed.add(pid)
        threads = [threading.Thread(target=client, args=(range(i, 100, 8),)) for i in range(8)]
        killing = threading.Thread(target=killer)
        for t in [*threads, killing]:
            t.start()
        for t in threads:
            t.join()
        stop.set()
        killing.join()
        assert not failed, failed
        assert len(killed) > (3 if pause < 1 else 0) or server.web == "cgi", killed
        assert len(urls) == 100 and all(content(server, url) == data for url, data in urls)
        assert server.get("/upload/", accept="application/json").status == 200


def test_settings_are_read_again(server):
    """SIGHUP: whoever starts the fronts, new ones come with new settings, and no request fails meanwhile."""
    with open(server.conf) as f:
        before = f.read()

    def reload(text, want):
        with open(server.conf, "w") as f:
            f.write(text)
        server.process.send_signal(signal.SIGHUP)
        end, status_of = time.monotonic() + 60, None
        while status_of != want:
            assert time.monotonic() < end, status_of
            status_of = server.request("PUT", "/files/again.bin", body=bytes(30_000)).status
            assert status_of in (201, 413), status_of
            time.sleep(0.05)
    reload(before + "[upload]\nmax_size = 20K\n", 413)
    reload(before, 201)


def test_all_of_it_ends(server):
    """SIGTERM ends the web server with all its children, and the private folder goes."""
    processes = descendants(server.process.pid, "")
    mine = set()
    for pid in processes:
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/cmdline") as f:
            mine.update(re.findall("/tmp/slipway-[^/]{6}/web.conf", f.read()))
    assert len(processes) >= 3 and len(mine) == 1, (processes, mine)
    server.stop()
    end = time.monotonic() + 20
    while left := [p for p in processes if os.path.exists(f"/proc/{p}")]:
        assert time.monotonic() < end, [open(f"/proc/{p}/cmdline").read() for p in left]
        time.sleep(0.05)
    assert not os.path.exists(os.path.dirname(*mine)), mine
    server.start()


# ---- what one server or another does with files and settings that differ from the shipped ones

@contextlib.contextmanager
def differing(web, mount="", config="", **changes):
    """A server behind WEB whose shipped files are changed: slipway_conf=[(old, new), …] stands for slipway.conf."""
    folder = "nginx" if web == "nginx" else "lighttpd" if web == "lighttpd" else "apache"
    files = {f"{folder}/{name.replace('_conf', '.conf').replace('_', '-')}": pairs for name, pairs in changes.items()}
    server = Server(web=web, mount=mount, changes=files, config=config)
    try:
        yield server
    finally:
        server.close()


def kept_back(server):
    """Authorization does not arrive: that is told, and everything else that says who one is serves."""
    token = server.tokens["mei"]
    for path, headers in (("/upload/", {"Accept": "application/json"}), ("/files/", {"Tus-Resumable": "1.0.0"}), ("/files/", {})):
        a = server.request("POST", path, body=b"", headers=headers)
        assert a.status == 401 and "CGIPassAuth On" in a.text and "X-Slipway-Key" in a.text, a
        a = server.request("POST", path, body=b"", headers={**headers, "X-Slipway-Key": token}, user=None)
        assert a.status in (201, 400), a
    assert Browser(server, *USER).open("/upload/").status == 200
    assert "CGIPassAuth" not in server.get("/upload/", accept=HTML, user=None).text


def kept_nothing(server):
    """Bodies are stored before they are handed on: one that is cut is never heard of."""
    url = made(server, 300_000)
    with begin(server, "PATCH", url, 300_000, {**TUS, **BYTES, "Upload-Offset": "0"}, BODY[:150_000]):
        time.sleep(0.5)
        assert part_size(server, url) <= 0
    time.sleep(0.3)
    assert offset(server, url) == 0


def sent_by_the_server(server, setting):
    """Files come out right when the web server sends them: whole, in part, or told of."""
    n = finished(server, saved(server, geotiff("sent.tif")))["dataset"]["id"]
    paths = [f"/datasets/{n}/download", f"/datasets/{n}/original/1"]
    plain = [server.get(p) for p in paths]
    with configured(server, f"[server]\nsendfile = {setting}"):
        for path, a in zip(paths, plain):
            b = server.get(path)
            assert (b.status, b.body) == (200, a.body) and len(b.body) > 300, (path, b.status, b.headers)
            assert b.header("X-Slipway") == "1" and not b.header("X-Sendfile") and not b.header("X-Accel-Redirect"), b.headers
            for name in ("Content-Disposition", "Content-Security-Policy", "X-Content-Type-Options", "Content-Type", "Vary"):
                assert b.header(name) == a.header(name), (name, b.headers)
            c = server.get(path, headers={"Range": "bytes=10-109"})
            assert (c.status, c.body) == (206, a.body[10:110]), (path, c)
            h = server.request("HEAD", path)
            assert (h.status, h.header("Content-Length"), h.body) == (200, str(len(a.body)), b""), (path, h.headers)
        assert server.get("/slipway-data/secret").status == 404


def says_set_mount(port, log, server):
    """Nothing tells Slipway where it is mounted: it says so, in the log once."""
    for path in ("/upload/", "/files/", "/healthz"):
        a = ask(server, port, "GET", path, Accept="application/json")
        assert a.status == 500 and "server.mount" in a.text and a.header("X-Slipway") == "1", (path, a)
    with open(log) as f:
        assert f.read().count("set server.mount") == 4, "one line of advice, and one for each failed request"


# ---- running them

MOUNTED = ("test_table", "test_put", "test_chunk_libraries", "test_upload_tasks", "test_tus_upload", "test_ietf_upload", "test_gws_example",
           "test_paths", "test_ways_to_say_who_one_is", "test_every_address_carries_the_mount", "test_cuts_keep_what_arrived",
           "test_no_interim_answer_unless_it_was_asked_for")


# At a mount that differs from MOUNT only in how its addresses are found.
BRIEF = ("test_table", "test_put", "test_tus_upload", "test_paths", "test_ways_to_say_who_one_is", "test_every_address_carries_the_mount")


def run(web, more=None, mounts=("", MOUNT)):
    """All cases behind WEB, with those of the module MORE, and at each of MOUNTS those that have to do with it."""
    own = [(n, f) for n, f in globals().items() if n.startswith("test_") and isinstance(f, types.FunctionType)]
    failed = 0
    for mount in mounts:
        tests = [(n, f) for n, f in own if not mount or n in (MOUNTED if mount == MOUNT else BRIEF)]
        try:
            server = Server(web=web, mount=mount)
        except AssertionError as e:
            if "is not installed" not in str(e):
                raise
            print(f"ok 1 - {web} # SKIP {str(e).strip().splitlines()[-1]}")
            return 0
        try:
            failed += tell([(f"{n} {web} {mount or '/'}", f) for n, f in tests], server)
        finally:
            server.close()
    own = [(n, f) for n, f in vars(more).items() if n.startswith("test_") and callable(f)] if more is not None else []
    if own:
        server = Server()
        try:
            failed += tell(own, server)
        finally:
            server.close()
    return failed
