#!/usr/bin/python3
"""Goal: a backup is taken while clients upload, import, replace and delete; restored elsewhere it opens, agrees with itself and
holds everything that was acknowledged before it began, bytes included.  What is there is never overwritten unasked, a damaged
backup is refused before anything is touched.

  BACKUPS=20 test_backup.py      backups; default 4
"""
import glob
import hashlib
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness
import steps
import transfer
from harness import BUILD

BACKUPS = int(os.environ.get("BACKUPS", "4"))


def owner(path):
    st = os.stat(path)
    return st.st_uid, st.st_gid


class Client(threading.Thread):
    """Makes, changes and removes; DONE is what has been acknowledged."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.rng, self.number = server, random.Random(number), number
        self.lock, self.datasets, self.uploads, self.partial = threading.Lock(), {}, {}, {}
        self.over, self.problem, self.n = threading.Event(), None, 0

    def run(self):
        try:
            while not self.over.is_set():
                self.rng.choice([self.dataset, self.upload, self.part, self.drop_dataset, self.drop_upload])()
                self.n += 1
        except Exception as e:
            self.problem = f"client {self.number}: {type(e).__name__} {e}"

    def dataset(self):
        rows = self.rng.randrange(1, 50)
        done = steps.points(self.server, f"b{self.number}x{self.n}", [f"{i % 80},{i},n{i}" for i in range(rows)])
        with self.lock:
            self.datasets[done["dataset"]["id"]] = rows

    def upload(self):
        data = self.rng.randbytes(self.rng.randrange(1, 300_000))
        url = transfer.made(self.server, len(data), data)
        with self.lock:
            self.uploads[url] = hashlib.sha256(data).hexdigest()

    def part(self):
        data = self.rng.randbytes(200_000)
        url = transfer.made(self.server, len(data))
        at = 0
        while at < 150_000:
            n = self.rng.randrange(1, 50_000)
            assert transfer.patch(self.server, url, at, data[at:at + n]).status == 204
            at += n
            with self.lock:
                self.partial[url] = (at, data)

    def drop_dataset(self):
        with self.lock:
            id = next(iter(self.datasets), None)
            self.datasets.pop(id, None)
        if id is not None and self.rng.random() < 0.5:
            a = self.server.request("DELETE", f"/datasets/{id}/delete", headers={"Accept": steps.JSON})
            assert a.status in (200, 204), a

    def drop_upload(self):
        with self.lock:
            url = next(iter(self.uploads), None)
            self.uploads.pop(url, None)
        if url is not None:
            assert self.server.request("DELETE", url, headers=transfer.TUS).status == 204

    def acknowledged(self):
        with self.lock:
            return dict(self.datasets), dict(self.uploads), dict(self.partial)


class Restored(harness.Server):
    """A site that begins with what a backup holds."""

    def __init__(self, server, backup):
        self.origin, self.backup = server, backup
        super().__init__(config="create_rate = 1000000\n")

    def start(self):
        if self.backup is not None:
            shutil.rmtree(self.data)
            os.mkdir(self.data, 0o700)
            os.chown(self.data, *owner(self.origin.data))
            self.slipway("restore", self.backup)
            self.backup = None
            assert self.slipway("check", "store").endswith("0 findings\n")
        super().start()

    def slipway(self, *args, **kw):
        if args[:2] == ("user", "add"):
            return ""      # they came along
        if args[:2] == ("key", "add"):
            return self.origin.tokens[args[2]]
        return super().slipway(*args, **kw)


def take(server, *more):
    where = os.path.join(server.dir, "backups")
    if not os.path.isdir(where):
        os.mkdir(where)
        os.chown(where, *owner(server.data))
    path = os.path.join(where, f"b{len(os.listdir(where))}")
    server.slipway("backup", path, *more)
    return path


def compare(copy, known, gone):
    """Everything of KNOWN is there, but what a client removed later, which may be gone."""
    datasets, uploads, partial = known
    for id, rows in datasets.items():
        a = copy.get(f"/datasets/{id}", accept=steps.JSON)
        assert a.status == 200 or id in gone[0], (id, a)
        if a.status == 200:
            assert copy.get(f"/datasets/{id}/original/1").status in (200, 404)
            a = copy.get(f"/datasets/{id}/download")
            assert a.status == 200 and a.body.startswith(b"SQLite format 3"), a
    for url, digest in uploads.items():
        a = copy.request("HEAD", url, headers=transfer.TUS)
        assert a.status == 200 or (url in gone[1] and a.status in (404, 410)), (url, a)
        if a.status == 200:
            with open(transfer_path(copy, url), "rb") as f:
                assert hashlib.sha256(f.read()).hexdigest() == digest, url
    for url, (at, data) in partial.items():
        got = transfer.offset(copy, url)
        assert got >= at, (url, got, at)
        a = transfer.patch(copy, url, got, data[got:])
        assert a.status == 204, a
        with open(transfer_path(copy, url), "rb") as f:
            assert f.read() == data, url


def transfer_path(server, url):
    id = url.rstrip("/").split("/")[-1]
    return os.path.join(server.data, "uploads", id[:2], id, "data")


def test_backups_under_load(server):
    clients = [Client(server, n) for n in range(3)]
    for c in clients:
        c.start()
    taken = []
    for _ in range(BACKUPS):
        time.sleep(1.5)
        known = [c.acknowledged() for c in clients]
        taken.append((take(server, "--files"), known))
        assert not [c.problem for c in clients if c.problem], [c.problem for c in clients if c.problem]
    for c in clients:
        c.over.set()
    for c in clients:
        c.join(60)
        assert not c.is_alive() and c.problem is None, c.problem
    for path, known in taken:
        # The backup was being made while they went on: what was removed then may be gone.
        ends = [c.acknowledged() for c in clients]
        gone = (set(), set())
        for was, now in zip(known, ends):
            gone[0].update(set(was[0]) - set(now[0]))
            gone[1].update(set(was[1]) - set(now[1]))
        copy = Restored(server, path)
        try:
            for one in known:
                compare(copy, one, gone)
            time.sleep(1)
            copy.slipway("gc")
            text = copy.slipway("check", "store")
            assert text.endswith("0 findings\n"), text
        finally:
            copy.close()
    print(f"# {BACKUPS} backups, {sum(c.n for c in clients)} things done, {sum(len(k[0]) for _, ks in taken for k in ks)} datasets compared",
          flush=True)
    until = time.monotonic() + 10
    while not server.slipway("check", "store").endswith("0 findings\n"):
        assert time.monotonic() < until, server.slipway("check", "store", check=False)
        time.sleep(0.5)


def test_the_file_area_is_in_it(server):
    folder = os.path.join(server.data, "files", "placed", "里")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "stop"), "wb") as f:      # a name that means something elsewhere
        f.write(b"kept")
    os.symlink("/etc/passwd", os.path.join(folder, "link"))
    for base, dirs, names in os.walk(os.path.join(server.data, "files")):
        for n in [base] + [os.path.join(base, n) for n in names]:
            os.chown(n, *owner(server.data), follow_symlinks=False)
    path = take(server, "--files")
    copied = os.path.join(path, "tree/files/placed/里")
    assert os.listdir(copied) == ["stop"] and open(os.path.join(copied, "stop"), "rb").read() == b"kept"
    copy = Restored(server, path)
    try:
        assert open(os.path.join(copy.data, "files/placed/里/stop"), "rb").read() == b"kept"
        assert oct(os.stat(os.path.join(copy.data, "files")).st_mode & 0o777) == "0o700"
    finally:
        copy.close()
    told = server.slipway("backup", os.path.join(server.dir, "backups", "plain"))
    assert "not in it (--files)" in told and not os.path.exists(os.path.join(server.dir, "backups/plain/tree")), told
    with steps.configured(server, "[iserver]\nroot = /srv/elsewhere\n"):
        told = server.slipway("backup", os.path.join(server.dir, "backups", "outside"), "--files")
        assert "/srv/elsewhere lies outside the data directory and is not in it" in told, told


def test_tables_are_copied_while_they_are_written(server):
    """SQLite targets of signed writes: two tables that always agree, whenever they are copied."""
    folder = os.path.join(server.data, "tables")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "sales.sqlite")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE a (n INTEGER)")
    writer.execute("CREATE TABLE b (n INTEGER)")
    for name in [folder] + [os.path.join(folder, n) for n in os.listdir(folder)]:
        os.chown(name, *owner(server.data))
    over = threading.Event()

    def write(n=0):
        mine = sqlite3.connect(path, isolation_level=None, timeout=30)
        while not over.is_set():
            mine.execute("BEGIN IMMEDIATE")
            mine.execute("INSERT INTO a VALUES (?)", (n,))
            mine.execute("INSERT INTO b VALUES (?)", (n,))
            mine.execute("COMMIT")
            n += 1
        mine.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        backups = [take(server, "--files") for _ in range(3)]
    finally:
        over.set()
        thread.join()
        writer.close()
    before = 0
    for backup in backups:
        assert os.listdir(os.path.join(backup, "tree/tables")) == ["sales.sqlite"]
        db = sqlite3.connect(os.path.join(backup, "tree/tables/sales.sqlite"))
        (a,), (b,) = db.execute("SELECT count(*) FROM a").fetchone(), db.execute("SELECT count(*) FROM b").fetchone()
        assert a == b >= before and db.execute("PRAGMA integrity_check").fetchone() == ("ok",), (a, b, before)
        before = a
        db.close()
    assert before > 0


def run(server, *args):
    done = subprocess.run([f"{BUILD}/slipway", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stderr.decode()


def listing(path):
    """Everything below PATH but what opening the store touches."""
    return sorted((os.path.relpath(os.path.join(b, n), path), os.lstat(os.path.join(b, n)).st_size) for b, _, names in os.walk(path) for n in names
                  if n not in ("gate", "selftest", "backup") and "db/run" not in b)


def test_nothing_is_overwritten_unasked(server):
    path = take(server, "--files")
    status, said = run(server, "restore", path, "--data-dir", server.data, "--config", server.conf)
    assert status == 1 and "Slipway is running here: stop it first" in said, said
    status, said = run(server, "backup", path, "--data-dir", server.data, "--config", server.conf)
    assert status == 1 and "is not empty" in said, said
    copy = Restored(server, path)
    try:
        steps.points(copy, "newer", ["1,2,a"])
        copy.stop()
        before = listing(copy.data)
        status, said = run(server, "restore", path, "--data-dir", copy.data, "--config", copy.conf)
        assert status == 1 and "--replace" in said, said
        assert listing(copy.data) == before
        copy.slipway("restore", path, "--replace")
        copy.start()
        assert copy.get("/datasets/?q=newer", accept=steps.JSON).json["total"] == 0
        assert glob.glob(copy.data + "/catalog.sqlite.old-*") and glob.glob(copy.data + "/datasets.old-*"), os.listdir(copy.data)
    finally:
        copy.close()


def test_a_front_alone_is_a_running_site(server):
    """As spawn-fcgi or systemd start it, without a worker: it would go on with the catalogue that was put aside."""
    path = take(server, "--files")
    server.stop()
    st = os.stat(server.data)
    with socket.socket(socket.AF_UNIX) as s, tempfile.TemporaryDirectory() as d:
        s.bind(f"{d}/front")
        s.listen(8)
        who = {"user": st.st_uid, "group": st.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        env = {"SLIPWAY_CONF": server.conf, "SLIPWAY_DATA_DIR": server.data, "SLIPWAY_SUPERVISED": "1"}
        front = subprocess.Popen([f"{BUILD}/slipway.fcgi"], stdin=s, env=env, stderr=subprocess.DEVNULL, cwd="/", **who)
        try:
            until = time.monotonic() + 10
            while not any(os.path.realpath(f) == f"{server.data}/backup" for f in glob.glob(f"/proc/{front.pid}/fd/*")):
                assert time.monotonic() < until and front.poll() is None
                time.sleep(0.05)
            status, said = run(server, "restore", path, "--replace", "--data-dir", server.data, "--config", server.conf)
            assert status == 1 and f"stop it first (process {front.pid})" in said, said
            assert not glob.glob(f"{server.data}/*.old-*"), os.listdir(server.data)
        finally:
            front.terminate()
            front.wait(20)
    server.slipway("restore", path, "--replace")
    server.start()
    assert server.get("/healthz").status == 200


def test_a_load_takes_nobodys_place(server):
    """Into an empty store, the service stopped: what others wrote meanwhile is theirs."""
    rows = server.slipway("dump", "--secrets")
    copy = harness.Server()
    try:
        dump = copy.dir + "/dump"
        with open(dump, "w") as f:
            f.write(rows)
        os.chmod(dump, 0o644)
        status, said = run(copy, "load", dump, "--data-dir", copy.data, "--config", copy.conf)
        assert status == 1 and "Slipway is running here: stop it first" in said, said
        copy.stop()
        for name in ("db", "gate", "ballast"):
            path = os.path.join(copy.data, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        pipe = copy.dir + "/pipe"
        os.mkfifo(pipe, 0o644)
        load = subprocess.Popen([f"{BUILD}/slipway", "load", pipe, "--data-dir", copy.data, "--config", copy.conf], stderr=subprocess.PIPE)
        with open(pipe, "w") as f:
            f.write(rows[:rows.index("\n") + 1])
            f.flush()
            until = time.monotonic() + 10
            while not glob.glob(copy.data + "/load.*/db/data/users.db"):
                assert time.monotonic() < until and load.poll() is None
                time.sleep(0.02)
            copy.slipway("user", "add", "late", "--password-stdin", stdin="a long enough password\n")
            f.write(rows[rows.index("\n") + 1:])
        assert b"has written to the store meanwhile" in load.communicate(timeout=60)[1] and load.returncode == 1
        assert "late" in copy.slipway("user", "list")
        assert not glob.glob(copy.data + "/load.*") and not glob.glob(copy.data + "/db.old-*"), os.listdir(copy.data)
    finally:
        copy.close()


def test_a_service_started_meanwhile_stops_a_restore(server):
    path = take(server, "--files")
    server.stop()
    before, there = server.dump(), set(os.listdir(server.data))
    trace = server.dir + "/late"
    restore = [f"{BUILD}/slipway", "restore", path, "--replace", "--data-dir", server.data, "--config", server.conf]
    # The mark's first step takes its time, while the service starts.
    late = subprocess.Popen(["strace", "-f", "-qq", "-o", trace, "-P", f"{server.data}/restoring", "-P", "restoring", "-e", "trace=renameat",
                             "-e", "inject=renameat:delay_enter=2000000", *restore], stderr=subprocess.PIPE)
    until = time.monotonic() + 30
    while not (os.path.exists(trace) and os.path.getsize(trace)) and late.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
        if glob.glob(server.data + "/restore.*/db/data/users.db") and not server.process:
            server.start()
    said = late.communicate(timeout=60)[1].decode()
    assert late.returncode == 1 and "Slipway is running here: stop it first" in said, (late.returncode, said)
    assert not [n for n in set(os.listdir(server.data)) - there if n == "restoring" or ".old-" in n or ".restore" in n], os.listdir(server.data)
    assert [r for r in server.dump() if r["table"] == "users"] == [r for r in before if r["table"] == "users"]
    assert server.get("/healthz").status == 200


def calls(path, name):
    """The lines of a trace that are calls of NAME."""
    with open(path) as f:
        return [line for line in f if f" {name}(" in line]


def test_a_restore_cut_off_is_no_site(server):
    """Killed at each step of putting in place: what it was before, or nobody gets in until it was done again."""
    path = take(server, "--files")
    kept, trace = server.dir + "/kept", server.dir + "/trace"
    copy = Restored(server, path)
    restore = [f"{BUILD}/slipway", "restore", path, "--replace", "--data-dir", copy.data, "--config", copy.conf]
    traced = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=rename,renameat"]
    try:
        steps.points(copy, "newer", ["1,2,a"])
        copy.stop()
        before = copy.dump()
        shutil.move(copy.data, kept)
        subprocess.run(["cp", "-a", kept, copy.data], check=True)
        subprocess.run([*traced, *restore], check=True)
        after = copy.dump()
        assert before != after
        first = next(i for i, line in enumerate(calls(trace, "renameat"), 1) if '"restoring"' in line)
        cuts = [("rename", n) for n in range(1, len(calls(trace, "rename")) + 1)]
        cuts += [("renameat", n) for n in range(first, len(calls(trace, "renameat")) + 1)]
        untouched = 0
        for call, n in cuts:
            shutil.rmtree(copy.data)
            subprocess.run(["cp", "-a", kept, copy.data], check=True)
            subprocess.run([*traced, "-e", f"inject={call}:signal=KILL:when={n}", *restore])
            status, said = run(copy, "dump", "--data-dir", copy.data, "--config", copy.conf)
            if status == 0:
                assert copy.dump() == before, (call, n)
                untouched += 1
                continue
            assert "slipway restore --replace again" in said, (call, n, said)
            status, said = run(copy, "gc", "--data-dir", copy.data, "--config", copy.conf)
            assert status == 1 and "slipway restore --replace again" in said, (call, n, said)
            status, said = run(copy, "serve", "--listen", f"127.0.0.1:{copy.port}", "--data-dir", copy.data, "--config", copy.conf)
            assert status == 1 and "slipway restore --replace again" in said, (call, n, said)
            subprocess.run(restore, check=True)
            assert copy.dump() == after and copy.slipway("check", "store").endswith("0 findings\n"), (call, n)
        assert untouched <= 1 and len(cuts) > 12, (untouched, len(cuts))
    finally:
        copy.close()
        shutil.rmtree(kept, ignore_errors=True)


def test_a_damaged_backup_is_refused(server):
    path = take(server, "--files")
    for damage in ("catalog.sqlite", "db/data/uploads.db", "manifest.json", "tree"):
        broken = path + ".broken"
        shutil.copytree(path, broken, symlinks=True)
        at = os.path.join(broken, damage)
        if os.path.isdir(at):
            victim = glob.glob(at + "/datasets/**/data*", recursive=True) or glob.glob(at + "/**/data", recursive=True)
            os.unlink(victim[0])
        else:
            with open(at, "r+b") as f:
                f.seek(100)
                byte = f.read(1)
                f.seek(100)
                f.write(bytes([byte[0] ^ 1]))
        data = os.path.join(server.dir, "fresh")
        os.mkdir(data, 0o700)
        os.chown(data, *owner(server.data))
        for base, dirs, names in os.walk(broken):
            for n in [base] + [os.path.join(base, n) for n in names]:
                os.chown(n, *owner(server.data), follow_symlinks=False)
        status, said = run(server, "restore", broken, "--data-dir", data, "--config", server.conf)
        assert status == 1 and "backup" in said, (damage, said)
        assert not os.path.exists(os.path.join(data, "catalog.sqlite")) and not os.path.exists(os.path.join(data, "datasets")), damage
        shutil.rmtree(data)
        shutil.rmtree(broken)


if __name__ == "__main__":
    server = harness.Server(config="create_rate = 1000000\n")
    try:
        harness.main(sys.modules[__name__], server)
    finally:
        server.close()
