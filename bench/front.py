#!/usr/bin/python3
"""Speed of the front against named peers, ratios within one run on one machine.

  bench/front.py BUILD_DIR [body] [step] [cgi] [fastcgi] [inspect] [sessions]

body      one 1 GiB PUT through lighttpd and nginx: Slipway / the server's own WebDAV PUT to the same file system, and
          / a FastCGI program behind the same server that forgets every byte (the most the server's FastCGI path allows)
step      GET /upload/srs?id=N as JSON: 10,000 requests over 8 connections, with 1 and with 10,000 sessions in the store
cgi       the same page from plain CGI / a C program that prints "hello" under the same server
fastcgi   GET /upload/?id=N as JSON, logged in / a FastCGI program that prints "hello" behind the same server with as many
          processes, and / a Django view that returns "hello" behind gunicorn with as many workers
inspect   a 1 MB shapefile from POST to answer

The page cache is warmed by writing and removing 2 GB; A and B alternate; medians are quoted.
"""
import http.client
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "http"))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "build"))
os.environ["SLIPWAY_BUILD"] = BUILD
import harness
import wsgi

SIZE = int(os.environ.get("BENCH_BYTES", 1 << 30))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
PROCESSES = 2
BLOCK = os.urandom(1 << 20)


def warm(folder):
    path = os.path.join(folder, "warm")
    with open(path, "wb") as f:
        for _ in range(2048):
            f.write(BLOCK)
    os.unlink(path)


def put(port, path, token=None):
    """Seconds for one PUT of SIZE bytes; the body is sent from memory."""
    head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\nConnection: close\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    s = socket.create_connection(("127.0.0.1", port))
    start = time.perf_counter()
    s.sendall(head.encode() + b"\r\n")
    view = memoryview(BLOCK)
    for _ in range(SIZE >> 20):
        s.sendall(view)
    answer = b""
    while True:
        piece = s.recv(65536)
        if not piece:
            break
        answer += piece
    took = time.perf_counter() - start
    s.close()
    status = answer.split(b" ", 2)[1]
    assert status in (b"201", b"204"), answer[:500]
    return took, answer


class Web:
    """A web server of the test's own, foreground, with the configuration TEXT."""

    def __init__(self, program, text):
        self.dir = tempfile.mkdtemp(prefix="slipway-bench-")
        os.chmod(self.dir, 0o755)
        self.port = harness.free_port()
        conf = os.path.join(self.dir, "conf")
        with open(conf, "w") as f:
            f.write(text.replace("@PORT@", str(self.port)).replace("@DIR@", self.dir).replace("@TOP@", TOP))
        os.makedirs(os.path.join(self.dir, "dav"))
        os.chmod(os.path.join(self.dir, "dav"), 0o777)
        args = ["lighttpd", "-D", "-f", conf] if program == "lighttpd" else ["nginx", "-c", conf, "-p", self.dir, "-g", "daemon off;"]
        self.process = subprocess.Popen(args, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{program} does not start")

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


LIGHTTPD_DAV = """server.modules = ( "mod_webdav" )
server.document-root = "@DIR@"
server.port = @PORT@
server.bind = "127.0.0.1"
server.upload-dirs = ( "@DIR@" )
$HTTP["url"] =~ "^/dav" { webdav.activate = "enable" }
"""

NGINX = """user www-data;
worker_cpu_affinity auto;
pid @DIR@/pid;
error_log stderr crit;
events {}
http {
	access_log off;
	client_body_temp_path @DIR@/body;
	server {
		listen 127.0.0.1:@PORT@;
		root @DIR@;
		location /dav/ { dav_methods PUT; client_max_body_size 0; client_body_buffer_size 1m; }
		location / {
			set $slipway_socket unix:@SOCKET@;
			fastcgi_split_path_info ^()(/.*)$;
			include @TOP@/nginx/slipway.conf;
		}
	}
}
"""


def front_memory(server):
    """Largest resident memory of a front process, MiB."""
    sizes = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if BUILD.encode() + b"/slipway.fcgi" not in f.read():
                    continue
            with open(f"/proc/{pid}/status") as f:
                sizes += [int(l.split()[1]) / 1024 for l in f if l.startswith("VmRSS")]
        except OSError:
            pass
    return max(sizes)


def alternate(*tries):
    """Medians of ROUNDS of each of TRIES in turn."""
    taken = [[] for _ in tries]
    for _ in range(ROUNDS):
        for times, one in zip(taken, tries):
            times.append(one())
    return [statistics.median(times) for times in taken]


def remove_upload(server, answer):
    location = [l for l in answer.decode("latin-1").split("\r\n") if l.lower().startswith("location:")][0].split()[1]
    server.request("DELETE", location)


LIGHTTPD_SWALLOW = """server.modules = ( "mod_fastcgi" )
server.document-root = "@DIR@"
server.port = @PORT@
server.bind = "127.0.0.1"
server.upload-dirs = ( "@DIR@" )
server.stream-request-body = 1
server.chunkqueue-chunk-sz = 65536
server.upload-temp-file-size = 16777216
fastcgi.server = ( "/" => (( "socket" => "@SOCKET@", "check-local" => "disable" )) )
"""


class Swallow:
    """bench/peers/swallow.c on a socket of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="slipway-bench-")
        os.chmod(self.dir, 0o755)
        program = os.path.join(self.dir, "swallow")
        subprocess.run(["cc", "-O2", "-o", program, os.path.join(TOP, "bench/peers/swallow.c"), "-lfcgi"], check=True)
        self.socket = os.path.join(self.dir, "socket")
        self.process = subprocess.Popen([program, self.socket])
        while not os.path.exists(self.socket):
            time.sleep(0.01)

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir)


def body_behind(web, dav, ceiling, swallow, wanted):
    """Ours, durable and not, WebDAV and the program that forgets, in turns behind the same web server."""
    ours = {sync: harness.Server(f"sync = {sync}\n", web=web) for sync in ("full", "none")}
    dav, ceiling = (Web(web, conf.replace("@SOCKET@", swallow.socket)) for conf in (dav, ceiling))
    before = front_memory(ours["full"])

    def put_ours(server):
        took, answer = put(server.port, "/files/big.bin", server.tokens["mei"])
        remove_upload(server, answer)
        return took

    def put_dav():
        took, _ = put(dav.port, "/dav/big.bin")
        os.unlink(os.path.join(dav.dir, "dav", "big.bin"))
        return took

    try:
        a, loose, b, c = alternate(lambda: put_ours(ours["full"]), lambda: put_ours(ours["none"]), put_dav,
                                   lambda: put(ceiling.port, "/swallow")[0])
        print(f"body, {web}: {SIZE / a / 1e6:.0f} MB/s, WebDAV {SIZE / b / 1e6:.0f} MB/s, ratio {b / a:.2f} (wanted >= {wanted}), not durable {b / loose:.2f};"
              f" a FastCGI program that forgets the bytes {SIZE / c / 1e6:.0f} MB/s: ratio to WebDAV {b / c:.2f}, ours to it {c / a:.2f};"
              f" memory of a front {before:.1f} MiB before, {front_memory(ours['full']):.1f} MiB after (wanted <= 16)", flush=True)
    finally:
        dav.close()
        ceiling.close()
        for server in ours.values():
            server.close()


def bench_body(server):
    warm(server.dir)
    swallow = Swallow()
    try:
        body_behind("lighttpd", LIGHTTPD_DAV, LIGHTTPD_SWALLOW, swallow, 0.45)
        body_behind("nginx", NGINX, NGINX, swallow, 0.70)
    finally:
        swallow.close()


def shapefile(n):
    """A point shapefile with N points and one text column, as save files."""
    body, index = b"", b""
    for i in range(n):
        index += struct.pack(">ii", (100 + len(body)) // 2, 10)
        body += struct.pack(">ii", i + 1, 10) + struct.pack("<idd", 1, -80 + i * 1e-4, 12 + i * 1e-4)
    def head(size):
        return struct.pack(">iiiiiii", 9994, 0, 0, 0, 0, 0, size // 2) + struct.pack("<ii", 1000, 1) + \
            struct.pack("<8d", -80, 12, -80 + n * 1e-4, 12 + n * 1e-4, 0, 0, 0, 0)
    dbf = struct.pack("<BBBBIHH20x", 3, 126, 1, 1, n, 65, 17) + b"name".ljust(11, b"\0") + b"C" + b"\0" * 4 + bytes([16, 0]) + \
        b"\0" * 14 + b"\r" + b"".join(b" " + f"point {i}".ljust(16).encode() for i in range(n)) + b"\x1a"
    prj = b'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
    return [("points.shp", head(100 + len(body)) + body), ("points.shx", head(100 + len(index)) + index), ("points.dbf", dbf),
            ("points.prj", prj)]


def wrk(server, path, seconds=8, port=None):
    """p50, p99 in ms and requests per second, measured by wrk: Python's own client is slower than the service."""
    script = os.path.join(server.dir, "wrk.lua")
    with open(script, "w") as f:
        f.write(f'wrk.headers["Authorization"] = "Bearer {server.tokens["mei"]}"\nwrk.headers["Accept"] = "application/json"\n'
                'done = function(summary, latency)\n io.write(string.format("RESULT %.3f %.3f %d %d\\n", latency:percentile(50) / 1000,'
                ' latency:percentile(99) / 1000, summary.requests, summary.errors.status))\nend\n')
    text = subprocess.run(["wrk", "-t2", "-c8", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port or server.port}{path}"],
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    p50, p99, n, bad = [l for l in text.splitlines() if l.startswith("RESULT")][0].split()[1:]
    return float(p50), float(p99), int(n) / seconds, int(bad)


def bench_step(server):
    noprj = shapefile(100)[:3]
    session = server.save(*noprj).json["id"]
    path = f"/upload/srs?id={session}"
    server.get(path, accept="application/json")
    p50, p99, rate, bad = wrk(server, path)
    print(f"step: {path} as JSON, 8 connections: p50 {p50:.2f} ms, p99 {p99:.2f} ms, {rate:.0f}/s, {bad} errors (wanted <= 2, <= 20)")
    return path, p50


def bench_inspect(server):
    files = shapefile(14000)
    size = sum(len(d) for _, d in files)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        a = server.save(*files)
        times.append((time.perf_counter() - start) * 1000)
        assert a.status == 201, a
        server.request("DELETE", f"/upload/delete/{a.json['id']}")
    print(f"inspect: {size / 1e6:.1f} MB shapefile from POST to answer {statistics.median(times):.0f} ms (wanted <= 250)")


def bench_sessions(server):
    """The step again with 10,000 sessions in the store: a dump with one session copied, loaded into a fresh store."""
    path, before = bench_step(server)
    session = int(path.split("=")[1])
    server.stop()
    rows = server.dump()
    pattern = [r for r in rows if r["table"] == "sessions" and r["key"] == session][0]
    for i in range(session + 1, session + 10001):
        copy = json.loads(json.dumps(pattern))
        copy["key"] = copy["value"]["id"] = i
        # Its uploads and task are the first one's: copies of the record alone.
        copy["value"]["uploads"], copy["value"]["task"] = [], None
        rows.append(copy)
    for r in rows:
        if r["table"] == "counters" and r["key"] == "session":
            r["value"] += 10000
    start = time.perf_counter()
    server.load(rows)
    print(f"sessions: 10,000 loaded in {time.perf_counter() - start:.0f} s")
    server.start()
    p50, p99, rate, bad = wrk(server, path)
    print(f"sessions: with 10,000 in the store p50 {p50:.2f} ms, p99 {p99:.2f} ms, {rate:.0f}/s, {bad} errors: "
          f"{p50 / before - 1:+.0%} (wanted within 20 %)")


CGI = """server.modules = ( "mod_cgi", "mod_setenv" )
server.document-root = "@DIR@"
server.port = @PORT@
server.bind = "127.0.0.1"
server.upload-dirs = ( "@DIR@" )
cgi.assign = ( ".cgi" => "" )
$HTTP["url"] =~ "^/slipway" { setenv.set-environment = ( "SLIPWAY_DATA_DIR" => "@DATA@", "SLIPWAY_CONF" => "@CONF@" ) }
"""


def bench_cgi(server):
    session = server.save(*shapefile(100)[:3]).json["id"]
    web = Web("lighttpd", CGI.replace("@DATA@", server.data).replace("@CONF@", server.conf))
    subprocess.run(["cc", "-O2", "-o", os.path.join(web.dir, "hello.cgi"), os.path.join(TOP, "bench/peers/hello.c")], check=True)
    uid = os.stat(server.data).st_uid
    # As the data directory's owner, like the service itself.
    wrapper = os.path.join(web.dir, "slipway.cgi")
    shutil.copy(f"{BUILD}/slipway.fcgi", wrapper)
    os.chmod(wrapper, 0o4755 if uid != os.getuid() else 0o755)
    os.chown(wrapper, uid, -1)
    os.chmod(wrapper, 0o4755 if uid != os.getuid() else 0o755)
    headers = {"Authorization": "Bearer " + server.tokens["mei"], "Accept": "application/json"}

    def one(path, h):
        times = []
        for _ in range(200):
            c = http.client.HTTPConnection("127.0.0.1", web.port)
            start = time.perf_counter()
            c.request("GET", path, headers=h)
            r = c.getresponse()
            body = r.read()
            times.append((time.perf_counter() - start) * 1000)
            assert r.status == 200, (r.status, body[:300])
            c.close()
        return statistics.median(times)

    a, b = alternate(lambda: one(f"/slipway.cgi/upload/srs?id={session}", headers), lambda: one("/hello.cgi", {}))
    print(f"cgi: {a:.1f} ms, hello {b:.1f} ms, ratio {a / b:.1f} (wanted <= 3)")
    web.close()


class HelloFastcgi:
    """bench/peers/hello_fcgi.c, N processes on a socket of its own."""

    def __init__(self, n):
        self.dir = tempfile.mkdtemp(prefix="slipway-bench-")
        os.chmod(self.dir, 0o755)
        program = os.path.join(self.dir, "hello")
        subprocess.run(["cc", "-O2", "-o", program, os.path.join(TOP, "bench/peers/hello_fcgi.c"), "-lfcgi"], check=True)
        self.socket = os.path.join(self.dir, "socket")
        self.process = subprocess.Popen([program, self.socket, str(n)], start_new_session=True)
        while not os.path.exists(self.socket):
            time.sleep(0.01)

    def close(self):
        os.killpg(self.process.pid, 15)
        self.process.wait()
        shutil.rmtree(self.dir)


def cpu_seconds(root):
    """User and system time so far of the processes below ROOT, itself included, which do the answering."""
    ticks, parents, names = {}, {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                head, _, rest = f.read().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        parents[int(pid)], names[int(pid)] = int(fields[1]), head.partition("(")[2]
        ticks[int(pid)] = int(fields[11]) + int(fields[12])
    total = 0
    for pid in ticks:
        p = pid
        while p in parents and p != root:
            p = parents[p]
        if p == root and names[pid] not in ("lighttpd", "slipway", "slipway-worker"[:15]):
            total += ticks[pid]
    return total / os.sysconf("SC_CLK_TCK")


def bench_fastcgi(server):
    session = server.save(*shapefile(100)[:3]).json["id"]
    hello, django = HelloFastcgi(PROCESSES), wsgi.Gunicorn(os.path.join(TOP, "bench/peers"), "django_hello", harness.free_port(), PROCESSES)
    web = Web("lighttpd", LIGHTTPD_SWALLOW.replace("@SOCKET@", hello.socket))
    cpu = {}

    def rate(port, path, process):
        before = cpu_seconds(process.pid)
        _, _, per_second, bad = wrk(server, path, seconds=4, port=port)
        assert bad == 0, (path, bad)
        cpu.setdefault(port, []).append((cpu_seconds(process.pid) - before) / (per_second * 4) * 1e6)
        return per_second

    a, b, c = alternate(lambda: rate(server.port, f"/upload/?id={session}", server.process), lambda: rate(web.port, "/", hello.process),
                        lambda: rate(django.port, "/", django.process))
    x, y, z = (statistics.median(cpu[port]) for port in (server.port, web.port, django.port))
    print(f"fastcgi: {a:.0f}/s, hello by FastCGI {b:.0f}/s, ratio {a / b:.2f} (wanted >= 0.4); Django under gunicorn {c:.0f}/s, "
          f"ratio {a / c:.1f} (wanted >= 2); processor time of a request {x:.0f} µs, {y:.0f} µs, {z:.0f} µs; {PROCESSES} processes each")
    for peer in (web, hello, django):
        peer.close()


def main():
    wanted = sys.argv[2:] or ["body", "inspect", "step", "cgi", "fastcgi", "sessions"]
    server = harness.Server(processes=PROCESSES, config="[wizard]\nmax_open_sessions = 100000\n" + os.environ.get("BENCH_CONFIG", ""))
    try:
        for name in wanted:
            globals()[f"bench_{name}"](server)
    finally:
        server.close()


main()
