#!/usr/bin/python3
"""Goal: a data directory of an older version opens and works; one of a newer version is refused with a sentence that says so,
and stays as it is, byte by byte.

  UPGRADE_FROM=COMMIT test_upgrade.py      builds that commit, too, and goes on with what it leaves
"""
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness
import steps
from harness import BUILD, TOP

# Tables that came after the first version.
LATER = ("upload_tasks", "groups", "accounts", "receivers", "replay", "mail")


def run(server, *args):
    done = subprocess.run([f"{BUILD}/slipway", *args, "--data-dir", server.data, "--config", server.conf], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stderr.decode()


def sums(path):
    """Digests of what holds data; the gate and its like change with every look."""
    found = {}
    for base, _, names in os.walk(path):
        for name in names:
            if os.path.isfile(os.path.join(base, name)) and name not in ("gate", "selftest", "backup", "worker", "sessions", "tally", "catalog.sqlite-shm", "catalog.sqlite-wal") and not name.startswith("log."):
                with open(os.path.join(base, name), "rb") as f:
                    found[os.path.relpath(os.path.join(base, name), path)] = hashlib.sha256(f.read()).hexdigest()
    return found


def test_an_older_store_is_taken_on(server):
    """What an older program dumped: without the later tables, records without what came later."""
    done = steps.points(server, "older", ["1,2,a", "3,4,b"])
    session = steps.saved(server, steps.table("open.csv", "name,when", "a,2020-01-01"))
    rows = [row for row in server.dump() if row["table"] not in LATER]
    server.stop()
    for row in rows:
        if isinstance(row["value"], dict):
            for later in ("role", "groups", "nickname", "rates"):
                row["value"].pop(later, None)
            if row["table"] == "users":
                row["value"].pop("v", None)      # what is read without is version 1
                row["value"].setdefault("v", 1)
    server.load(rows)
    server.start()
    assert server.get(f"/datasets/{done['dataset']['id']}", accept=steps.JSON).status == 200
    assert steps.get(server, session, "csv").status == 200
    steps.points(server, "after", ["5,6,c"])
    server.slipway("group", "add", "late")
    server.slipway("check", "store", "--migrate")
    assert server.slipway("check", "store").endswith("0 findings\n")


def refused(server, *words):
    """The command line and the site refuse alike; nothing changes."""
    before = sums(server.data)
    where = tempfile.mkdtemp(dir=server.dir)
    os.chown(where, os.stat(server.data).st_uid, os.stat(server.data).st_gid)
    status, said = run(server, "backup", where)
    assert status != 0 and all(w in said for w in words), said
    env = {"SLIPWAY_CONF": server.conf, "SLIPWAY_DATA_DIR": server.data, "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/x", "PATH_INFO": "/datasets/",
           "REQUEST_URI": "/x/datasets/", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_ACCEPT": "application/json"}
    st = os.stat(server.data)
    who = {"user": st.st_uid, "group": st.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run([f"{BUILD}/slipway.fcgi"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                          timeout=30, **who)
    assert b"Status: 503" in done.stdout and b"Retry-After" in done.stdout, done.stdout[:300]
    assert all(w in done.stderr.decode() for w in words), done.stderr
    after = sums(server.data)
    assert after == before, {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}


def test_a_newer_catalogue_is_refused(server):
    server.stop()
    path = os.path.join(server.data, "catalog.sqlite")
    db = sqlite3.connect(path)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    st = os.stat(server.data)
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.chown(path + end, st.st_uid, st.st_gid)
    try:
        refused(server, "catalogue", "newer than this program")
    finally:
        db = sqlite3.connect(path)
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
        db.close()
        for end in ("", "-wal", "-shm"):
            if os.path.exists(path + end):
                os.chown(path + end, st.st_uid, st.st_gid)
        server.start()


def test_a_newer_backup_is_refused(server):
    where = os.path.join(server.dir, "kept")
    os.mkdir(where)
    st = os.stat(server.data)
    os.chown(where, st.st_uid, st.st_gid)
    server.slipway("backup", where)
    manifest = os.path.join(where, "manifest.json")
    with open(manifest) as f:
        text = f.read()
    with open(manifest, "w") as f:
        f.write(text.replace('"v":1', '"v":2', 1))
    fresh = os.path.join(server.dir, "fresh")
    os.mkdir(fresh, 0o700)
    os.chown(fresh, st.st_uid, st.st_gid)
    done = subprocess.run([f"{BUILD}/slipway", "restore", where, "--data-dir", fresh, "--config", server.conf], stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"of another program" in done.stderr and not os.path.exists(f"{fresh}/catalog.sqlite"), done


class Old(harness.Server):
    """With the options every version has, while it is the older one that is started."""

    def start(self):
        if harness.BUILD == BUILD:
            return super().start()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([f"{harness.BUILD}/slipway", "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", self.data,
                                             "--config", self.conf], stdout=subprocess.PIPE, stderr=log)
        while "is ready" not in (line := self.process.stdout.readline().decode()):
            assert line, self.log()


def test_what_an_older_commit_left(server):
    commit = os.environ.get("UPGRADE_FROM")
    if commit is None:
        print("# UPGRADE_FROM names no commit")
        return
    source = tempfile.mkdtemp(prefix="slipway-old-")
    os.chmod(source, 0o755)
    try:
        tar = subprocess.run(["git", "-C", TOP, "archive", commit], stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "x", "-C", source], input=tar, check=True)
        subprocess.run(["make", "-s", "-j2", "-C", source, f"B={source}/build", "all"], check=True, stdout=subprocess.DEVNULL)
        harness.BUILD, harness.TOP, new = f"{source}/build", source, harness.BUILD
        old = Old()
        try:
            done = steps.points(old, "left", ["1,2,a", "3,4,b"])
            session = steps.saved(old, steps.table("open.csv", "name,when", "a,2020-01-01"))
            old.stop()
            harness.BUILD = new
            # Where it has its templates follows the source, as an installation's would.
            with open(old.conf) as f:
                conf = f.read()
            with open(old.conf, "w") as f:
                f.write(conf.replace(source, TOP))
            old.start()
            assert old.get(f"/datasets/{done['dataset']['id']}", accept=steps.JSON).status == 200
            assert steps.get(old, session, "csv").status == 200
            steps.points(old, "after", ["5,6,c"])
            assert old.slipway("check", "store").endswith("0 findings\n")
        finally:
            harness.BUILD, harness.TOP = new, TOP
            old.close()
    finally:
        shutil.rmtree(source)


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
