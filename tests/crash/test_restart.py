#!/usr/bin/python3
"""Goal: SIGHUP to `slipway serve` exchanges front and worker processes while clients work, and no request is lost: every
answer is the one of a quiet site, bodies sent slowly across several exchanges included.  A configuration that is wrong, or a
program that does not come up, changes nothing.

  RESTARTS=500 test_restart.py      exchanges; default 50
"""
import concurrent.futures
import hashlib
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import aftermath
import harness
import steps
import transfer
from killer import processes

RESTARTS = int(os.environ.get("RESTARTS", "50"))
PIECE = 64 << 10


class Client(threading.Thread):
    """Does ONE(n) again and again until told to stop; the first thing that goes wrong ends it."""

    def __init__(self, name, one):
        super().__init__(daemon=True)
        self.name, self.one, self.count, self.problem, self.over = name, one, 0, None, threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                self.one(self.count)
                self.count += 1
        except Exception as e:
            self.problem = f"{self.name}: {type(e).__name__}: {e}"


def fronts(server):
    return {p for p, name in processes(server.process.pid).items() if name == "slipway.fcgi"}


def workers(server):
    return {p for p, name in processes(server.process.pid).items() if name == "slipway-worker"[:15]}


def settle(server, old, seconds=30):
    """Wait until two fronts serve, none of them among OLD."""
    until = time.monotonic() + seconds
    while True:
        now = fronts(server)
        if len(now) == 2 and not now & old:
            return now
        assert time.monotonic() < until, (now, old)
        time.sleep(0.02)


def exchange(server):
    old = fronts(server)
    server.process.send_signal(signal.SIGHUP)
    return old


def wizard(server):
    """Save, ask, answer, import, read: each answer at its first try."""
    def one(n):
        session = steps.saved(server, steps.table(f"r{n}.csv", "name,when", "a,2020-01-01"))
        a = steps.get(server, session, "csv")
        assert a.status == 200, a
        a = server.request("DELETE", f"/upload/delete/{session}", headers={"Accept": steps.JSON})
        assert a.status in (200, 204), a
        done = steps.points(server, f"p{n}", ["1,2,a", "3,4,b"])
        a = server.get(f"/datasets/{done['dataset']['id']}", accept=steps.JSON)
        assert a.status == 200, a
    return one


def upload(server):
    """tus in pieces of 64 KiB."""
    def one(n):
        data = random.Random(n).randbytes(10 * PIECE)
        url = transfer.made(server, len(data))
        for at in range(0, len(data), PIECE):
            a = transfer.patch(server, url, at, data[at:at + PIECE])
            assert a.status == 204, a
        kept(server, url, data)
    return one


def slow(server):
    """One body that takes longer than several exchanges."""
    def one(n):
        data = random.Random(n).randbytes(30 * PIECE)
        url = transfer.made(server, len(data))
        s = transfer.begin(server, "PATCH", url, len(data), {**transfer.TUS, **transfer.BYTES, "Upload-Offset": "0"}, b"")
        for at in range(0, len(data), PIECE):
            s.sendall(data[at:at + PIECE])
            time.sleep(0.1)
        status = transfer.answer_of(s)[0]
        assert status == 204, status
        kept(server, url, data)
    return one


def kept(server, url, data):
    path = os.path.join(server.data, "uploads", url.rstrip("/").split("/")[-1][:2], url.rstrip("/").split("/")[-1], "data")
    with open(path, "rb") as f:
        assert hashlib.sha256(f.read()).digest() == hashlib.sha256(data).digest(), url
    a = server.request("DELETE", url, headers=transfer.TUS)
    assert a.status == 204, a


def progress(server):
    """A watcher that waits for news of a session where there are none."""
    session = steps.saved(server, steps.table("watched.csv", "name,when", "a,2020-01-01"))

    def one(n):
        start = time.monotonic()
        a = server.get(f"/upload/progress?id={session}&wait=3", accept=steps.JSON)
        assert a.status == 200 and a.json["state"] != "ERROR", a
        assert time.monotonic() - start > 2.5, "the answer came early"
    return one


def test_no_request_is_lost(server):
    seen = fronts(server)
    clients = [Client("wizard", wizard(server)), Client("wizard too", wizard(server)), Client("upload", upload(server)),
               Client("slow body", slow(server)), Client("progress", progress(server))]
    for c in clients:
        c.start()
    for n in range(RESTARTS):
        old = exchange(server)
        # A front ends with its last request: the slow body may keep one of each generation.
        until = time.monotonic() + 10
        while not fronts(server) - old:
            assert time.monotonic() < until, "no new front"
            time.sleep(0.02)
        seen |= fronts(server)
        time.sleep(random.uniform(0.4, 0.7))
        assert not [c.problem for c in clients if c.problem], [c.problem for c in clients if c.problem]
    for c in clients:
        c.over.set()
    for c in clients:
        c.join(60)
        assert not c.is_alive(), f"{c.name} hangs"
        assert c.problem is None and c.count > 0, (c.name, c.problem, c.count)
    print(f"# {RESTARTS} exchanges, {len(seen)} fronts, " + ", ".join(f"{c.name} {c.count}" for c in clients), flush=True)
    assert len(seen) >= RESTARTS, seen
    settle(server, set())
    aftermath.store_agrees(server)


def test_a_worker_finishes_its_task_first(server):
    old = workers(server)
    session = steps.saved(server, steps.table("long.csv", "lat,lng,name", *(f"{i % 80},{i % 170},n{i}" for i in range(200_000))))
    steps.post(server, session, "final")
    exchange(server)
    done = server.wait_finished(session)
    assert done.json["status"] == "finished" and done.json["rows"]["imported"] == 200_000, done
    until = time.monotonic() + 10
    while not workers(server) or workers(server) & old:
        assert time.monotonic() < until, (workers(server), old)
        time.sleep(0.05)
    row = [t for t in server.slipway("dump", "tasks").splitlines() if f'"session":{session}' in t and '"import"' in t]
    assert len(row) == 1 and '"attempt":1' in row[0], row


def test_a_wrong_configuration_changes_nothing(server):
    with open(server.conf) as f:
        conf = f.read()
    before = settle(server, set())
    with open(server.conf, "a") as f:
        f.write("[server]\nthraeds = 4\n")
    line = conf.count("\n") + 2
    exchange(server)
    until = time.monotonic() + 5
    while f"slipway.conf:{line}: [server] thraeds: unknown setting" not in server.log():
        assert time.monotonic() < until, server.log()[-500:]
        time.sleep(0.05)
    with open(server.conf, "w") as f:
        f.write(conf)
    assert fronts(server) == before
    exchange(server)
    settle(server, before)


def test_fronts_that_cannot_work_replace_nobody(server):
    before = settle(server, set())
    with open(server.conf) as f:
        conf = f.read()
    with open(server.conf, "w") as f:
        f.write(conf.replace("template_dir = ", "template_dir = /nonexistent"))
    exchange(server)
    until = time.monotonic() + 5
    while "reload: the new processes end at once, the old ones stay" not in server.log():
        assert time.monotonic() < until, server.log()[-500:]
        time.sleep(0.05)
    assert fronts(server) == before
    assert server.get("/", accept="text/html").status == 200
    with open(server.conf, "w") as f:
        f.write(conf)
    exchange(server)
    settle(server, before)


def test_fronts_that_could_not_start_do_so_later(server):
    """The data directory cannot be reached for a while: its disk was not mounted yet, say.  Nobody has to start them again."""
    settle(server, set())
    os.chmod(server.data, 0)
    try:
        for pid in fronts(server):
            os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 10
        while server.log().count("cannot start: data_dir") < 2 or (a := server.get("/healthz")).status != 503:
            assert time.monotonic() < until, server.log()[-500:]
            time.sleep(0.1)
        assert a.header("Retry-After") == "5" and "cannot work just now" in a.text, a
        started = fronts(server)
    finally:
        os.chmod(server.data, 0o700)
    until = time.monotonic() + 15
    while server.log().count("started after all") < 2:
        assert time.monotonic() < until, server.log()[-500:]
        time.sleep(0.1)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: server.get("/healthz"), range(16)))
    for _ in range(8):
        assert server.get("/", accept="text/html").status == 200
    steps.points(server, "late", ["1,2,a"])
    assert fronts(server) == started


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_outlives_a_serve_that_is_killed(server):
    """Its web server would keep the port, and the next `serve` could not begin until somebody ended it by hand."""
    settle(server, set())
    url = transfer.create(server, 10, b"01234", "filename " + transfer.b64("a.csv")).header("Location")
    of_serve = processes(server.process.pid)
    assert {"slipway.fcgi", "slipway-worker"} < set(of_serve.values()), of_serve
    server.process.kill()
    server.process.wait()
    server.process.stdout.close()
    until = time.monotonic() + 15
    while left := {pid: name for pid, name in of_serve.items() if is_alive(pid)}:
        assert time.monotonic() < until, left
        time.sleep(0.02)
    server.start()
    settle(server, set(of_serve))
    assert transfer.offset(server, url) == 5
    steps.points(server, "next", ["1,2,a"])


if __name__ == "__main__":
    # No limit is to answer in the place of a lost request.
    server = harness.Server(config="create_rate = 1000000\n[wizard]\nwait_slots = 50\n")
    try:
        harness.main(sys.modules[__name__], server)
    finally:
        server.close()
