#!/usr/bin/python3
"""Speed of signed writes against named peers, ratios within one run on one machine.

  bench/signed.py BUILD_DIR [sqlite] [pg] [million] [rate]

sqlite    one ds of 100,000 rows x 5 columns into the embedded database / `sqlite3 .import` of the same rows with the same settings
pg        the same into PostgreSQL / `psql \\copy` of the same rows
million   memory while 1,000,000 rows are written, on both
rate      signed inserts of 10 rows each over 4 connections through lighttpd / two Django views behind gunicorn: one that does what the API
          must (peers/django_signed.py), and the smallest that checks the signature and inserts

Wall clock and processor time (of the database server, too) are quoted: the second is what counts on a machine that has other work.
"""
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "build"))
os.environ["SLIPWAY_BUILD"] = BUILD
sys.path.insert(0, os.path.join(TOP, "tests", "http"))
import harness
import pgserver
import signed
import wsgi

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
ROWS = int(os.environ.get("BENCH_ROWS", 100_000))
SECONDS = int(os.environ.get("BENCH_SECONDS", 3))
COLUMNS = {"id": "integer", "name": "text", "n": "real", "d": "date", "x": "text"}
TICK = os.sysconf("SC_CLK_TCK")


def row(i):
    return [i, f"name {i}", i * .25, f"2026-01-{i % 28 + 1:02}", f'some text of row {i}, with "quotes"']


def measured(command, server=None, stdin=None):
    """(seconds, processor seconds with the database SERVER's, output)"""
    before = server_cpu(server)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if stdin:
        process.stdin.write(stdin.encode())
    process.stdin.close()
    out = process.stdout.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - start
    process.returncode = 0
    assert status == 0, (command, out)
    return took, used.ru_utime + used.ru_stime + server_cpu(server) - before, out


def server_cpu(server):
    """Processor seconds of a PostgreSQL server, its ended sessions included."""
    if server is None:
        return 0
    total = 0
    parent = server.postmaster()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(pid) == parent:
            total += sum(int(n) for n in fields[11:15])
        elif int(fields[1]) == parent:
            total += sum(int(n) for n in fields[11:13])
    return total / TICK


def tool():
    """tests/crash/signed_write.c at work: one write without a web server."""
    subprocess.run(["make", "-s", "-C", TOP, f"B={BUILD}", f"{BUILD}/crash/signed_write"], check=True, stdout=subprocess.DEVNULL)
    return f"{BUILD}/crash/signed_write"


class Files:
    def __init__(self, folder, target, conf):
        self.folder = folder
        self.write("conf", conf)
        self.write("receiver", json.dumps({"table": "t", "columns": COLUMNS, "target": target, "maxRows": 1_000_000, "timeout": 600}))
        self.write("ds", json.dumps([[]] + [row(i) for i in range(ROWS)], separators=(",", ":")))
        self.write("csv", "".join(f'{a},{b},{c},{d},"{e}"\n' for a, b, c, d, e in
                                  ((*row(i)[:4], row(i)[4].replace('"', '""')) for i in range(ROWS))))

    def write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as f:
            f.write(text)

    def ours(self, rows, server=None):
        took, cpu, out = measured([tool(), *(f"{self.folder}/{n}" for n in ("conf", "data", "receiver", rows))], server)
        assert "inserted=" in out, out
        return took, cpu, json.loads(out)["rss_kib"] / 1024


def compare(name, ours, theirs, goal):
    a, b = [], []
    for _ in range(ROUNDS):
        a.append(ours())
        b.append(theirs())
    wall = [statistics.median(t[0] for t in x) for x in (a, b)]
    cpu = [statistics.median(t[1] for t in x) for x in (a, b)]
    memory = max(t[2] for t in a)
    print(f"{name}: {wall[0]:.2f} s against {wall[1]:.2f} s, {wall[0] / wall[1]:.2f} times; processor {cpu[0]:.2f} s against {cpu[1]:.2f} s, "
          f"{cpu[0] / cpu[1]:.2f} times, goal {goal}; {memory:.1f} MiB, goal 64", flush=True)
    return cpu[0] <= goal * cpu[1] and memory <= 64


SETTINGS = "pragma journal_mode=wal; pragma synchronous=full;"
CREATE = "create table t (id integer, name text, n real, d date, x text);"


def bench_sqlite():
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        files = Files(folder, "default", "")
        path = f"{folder}/data/tables/bench.sqlite"

        def fresh(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            for end in ("", "-wal", "-shm"):
                if os.path.exists(path + end):
                    os.unlink(path + end)
            sqlite3.connect(path).executescript(SETTINGS + CREATE)

        def ours():
            fresh(path)
            result = files.ours("ds")
            assert sqlite3.connect(path).execute("select count(*) from t").fetchone() == (ROWS,)
            return result

        def theirs():
            fresh(f"{folder}/peer.sqlite")
            return measured(["sqlite3", "-batch", f"{folder}/peer.sqlite"], stdin=f"{SETTINGS}\n.import --csv {folder}/csv t\n")
        return compare(f"{ROWS} rows into SQLite / .import", ours, theirs, 1.5)


def bench_pg():
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        server = pgserver.Pg(fsync=True)
        try:
            files = Files(folder, "pg", f"[target]\npg = {server.conninfo}\n")

            def fresh():
                server.sql("drop table if exists t; create table t (id bigint, name text, n double precision, d date, x text); checkpoint")

            def ours():
                fresh()
                result = files.ours("ds", server)
                assert server.sql("select count(*) from t") == f"{ROWS}\n"
                return result

            def theirs():
                fresh()
                return measured([f"{server.bin}/psql", "-X", "-q", "-c", f"\\copy t from '{folder}/csv' csv", server.conninfo], server)
            return compare(f"{ROWS} rows into PostgreSQL / \\copy", ours, theirs, 1.5)
        finally:
            server.close()


def bench_million():
    good = True
    server = pgserver.Pg()
    try:
        for target in ("default", "pg"):
            with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
                server.sql("drop table if exists t")
                files = Files(folder, target, f"[target]\npg = {server.conninfo}\n")
                with open(f"{folder}/rows.lines", "w") as f:
                    for i in range(1_000_000):
                        f.write(json.dumps(row(i)) + "\n")
                took, _, memory = files.ours("rows.lines")
                print(f"1,000,000 rows into {target}: {took:.1f} s, {memory:.1f} MiB, goal 64", flush=True)
                good = good and memory <= 64
    finally:
        server.close()
    return good


# ---- requests

# Python's own client is slower than the service.
WRK = """
local bodies, at, told = {}, 0, false
for line in io.lines(BODIES) do bodies[#bodies + 1] = line end
local headers = {["Content-Type"] = "application/x-www-form-urlencoded"}
function request()
	at = at + 1
	return wrk.format("POST", "/echart/dataset_api/", headers, bodies[at])
end
function response(status, headers, body)
	if not told and not body:find('"status": 200', 1, true) then io.stderr:write(body, "\\n") told = true end
end
"""


def send(port, folder, rows, turn):
    """Requests a second over four connections for SECONDS; each is signed now and has a stamp and ten rows of its own.  ROWS counts."""
    first = signed.now_ms()
    # No stamp comes twice: each round has its own minute within the window.
    stamp = first + (turn % 5 - 2) * 60_000
    with open(f"{folder}/bodies", "w") as f:
        for call in range(6000 * SECONDS):
            ds = json.dumps([[]] + [row(first * 1000 + call * 10 + i) for i in range(10)])
            f.write(urllib.parse.urlencode(signed.signed("rate", stamp=stamp - call, ds=ds)) + "\n")
    with open(f"{folder}/wrk.lua", "w") as f:
        f.write(f"BODIES = {folder + '/bodies'!r}\n{WRK}")
    done = subprocess.run(["wrk", "-t", "1", "-c", "4", "-d", f"{SECONDS}s", "--timeout", "30s", "-s", f"{folder}/wrk.lua",
                           f"http://127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.returncode == 0 and not done.stderr, done.stderr
    time.sleep(1)        # for those that were cut off
    return rows() / 10


def group_cpu(root):
    """Processor seconds of ROOT and all below it."""
    stats = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            stats[int(pid)] = (int(fields[1]), sum(int(n) for n in fields[11:15]))
        except OSError:
            pass
    found, total = {root}, stats[root][1]
    while True:
        new = {pid for pid, (parent, _) in stats.items() if parent in found} - found
        if not new:
            return total / TICK
        found |= new
        total += sum(stats[pid][1] for pid in new)


class Peer:
    """The Django project behind gunicorn, with one of its views."""

    def __init__(self, base, view):
        self.path = f"{base}/{view}.sqlite"
        env = {**os.environ, "PEER_DB": self.path, "PEER_VIEW": view, "PEER_KEY": signed.KEY}
        folder = os.path.join(TOP, "bench", "peers")
        # Django may be Debian's alone, as gunicorn is.
        subprocess.run(["/usr/bin/python3", "-B", f"{folder}/django_signed.py", signed.KEY], env=env, check=True)
        with open(f"{base}/{view}.log", "w") as log:
            gunicorn = wsgi.Gunicorn(folder, "django_signed", harness.free_port(), options=wsgi.THREADS,
                                     env={**env, "PYTHONDONTWRITEBYTECODE": "1"}, log=log)
        self.port, self.process, self.close = gunicorn.port, gunicorn.process, gunicorn.close

    def sql(self, text):
        with sqlite3.connect(self.path, timeout=30) as db:
            return db.execute(text).fetchall()


class Ours:
    """The front behind lighttpd."""

    def __init__(self):
        self.server = harness.Server(processes=2)
        signed.configure(self.server, {"loader": {}}, {"rate": {"table": "t", "columns": COLUMNS, "id": "id"}})
        self.port, self.process, self.close = self.server.port, self.server.process, self.server.close

    def sql(self, text):
        return signed.table(self.server, "rate", text)


def bench_rate():
    who, cpu, got = {}, {}, {}
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as base:
        try:
            who["ours"] = Ours()
            who["ours"].sql("create table t (id integer primary key, name text, n real, d date, x text)")
            for view in ("full", "bare"):
                who[view] = Peer(base, view)
            time.sleep(3)
            for turn in range(ROUNDS):
                for name, one in who.items():
                    before = group_cpu(one.process.pid)
                    n = send(one.port, base, lambda: one.sql("select count(*) from t")[0][0], turn)
                    cpu.setdefault(name, []).append((group_cpu(one.process.pid) - before) / n * 1000)
                    got.setdefault(name, []).append(n / SECONDS)
                    one.sql("delete from t")
        finally:
            for one in who.values():
                one.close()
    rate, ms = ({name: statistics.median(figures) for name, figures in all_of.items()} for all_of in (got, cpu))
    print(f"signed inserts of 10 rows, 4 connections: {rate['ours']:.0f}/s through lighttpd, {ms['ours']:.2f} ms of processor a request")
    for view, what in (("full", "that does the same"), ("bare", "that only checks the signature and inserts")):
        print(f"  a Django view {what}: {rate[view]:.0f}/s, {rate['ours'] / rate[view]:.1f} times; {ms[view]:.2f} ms, "
              f"{ms[view] / ms['ours']:.1f} times" + (", goal 10" if view == "full" else ""), flush=True)
    return rate["ours"] >= 10 * rate["full"]


def main():
    parts = {"sqlite": bench_sqlite, "pg": bench_pg, "million": bench_million, "rate": bench_rate}
    good = [parts[name]() for name in sys.argv[2:] or parts]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
