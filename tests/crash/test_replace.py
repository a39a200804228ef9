#!/usr/bin/python3
"""Goal: while a dataset's content is replaced or rows are appended, and front, worker and job are killed with SIGKILL
in turn, the dataset is the old one or the new one, never neither and never half; readers get whole files; what was
acknowledged is there, once; the store agrees with its files afterwards (wizard.md 13.2, 14.1).

  KILLS=200 test_replace.py      default 15
"""
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import aftermath
import harness
from killer import Killer
from made import run

KILLS = int(os.environ.get("KILLS", "15"))
PATIENCE_S = 120
PAUSE_S = (0.1, 0.9)      # time for a replacement now and then
ASKED = {"Accept": "application/json"}


class Worker(threading.Thread):
    """Repeats TURN until the killer has finished; the first exception is its result."""

    def __init__(self, turn, killer):
        super().__init__(daemon=True)
        self.turn, self.killer, self.problem, self.turns = turn, killer, None, 0

    def run(self):
        try:
            while not self.killer.done.is_set():
                self.turn()
                self.turns += 1
        except Exception as e:
            self.problem = f"{type(e).__name__}: {e}"


def ask(call):
    """Repeat CALL while the service is being shot at."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            a = call()
        except (OSError, harness.http.client.HTTPException):
            a = None
        if a is not None and a.status < 500 and a.status != 429:
            return a
        time.sleep(0.05)
    raise AssertionError("no answer in time")


class Dataset:
    """One dataset and the only one who changes it."""
    mode = "overwrite"

    def __init__(self, server):
        self.server, self.number, self.id = server, 0, None
        self.acknowledged = 0
        self.sent = {}              # batch: rows
        self.id = self.import_one(first=True)

    def save(self, name, data, fields):
        nonce = uuid.uuid4().hex
        for _ in range(20):
            a = ask(lambda: self.server.post("/upload/", {"nonce": nonce, **fields}, [("files", name, data)], accept="application/json"))
            if a.status == 201:
                return a.json["id"]
            # The job that looked at the file was killed three times: said so, and nothing is kept.
            assert a.status == 400 and a.json["code"] in ("inspect_failed", "worker_lost"), a
        raise AssertionError("the inspection is killed every time")

    def import_one(self, first=False):
        self.number += 1
        name, data = self.content(self.number)
        target = {} if first else {"layer_id": str(self.id), "mode": self.mode}
        session = self.save(name, data, target)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self.steps(session)
            a = ask(lambda: self.server.get(f"/upload/final?id={session}", headers=ASKED))
            status = a.json.get("status")
            if status == "finished":
                found = a.json["dataset"]["id"]
                assert first or found == self.id, a
                self.acknowledged = self.number
                return found
            if status == "error" and a.json["code"] != "input_missing":
                assert a.json["code"] in ("import_failed", "worker_lost", "inspect_failed", "job_not_started"), a
                ask(lambda: self.server.post(f"/upload/retry?id={session}", headers=ASKED))
            time.sleep(0.05)
        raise AssertionError(f"session {session} does not end: {a}")

    def steps(self, session):
        pass

    def download(self, extra=""):
        a = ask(lambda: self.server.get(f"/datasets/{self.id}/download{extra}"))
        assert a.status == 200, a
        return a.body

    def rows(self, what):
        with tempfile.NamedTemporaryFile(suffix=".gpkg") as f:
            f.write(self.download())
            f.flush()
            db = sqlite3.connect(f.name)
            try:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                (table,), = db.execute("SELECT table_name FROM gpkg_contents")
                return db.execute(f'SELECT {what} FROM "{table}"').fetchall()
            finally:
                db.close()

    def model(self):
        a = ask(lambda: self.server.get(f"/datasets/{self.id}", headers=ASKED))
        assert a.status == 200, a
        return a.json["dataset"]


class Points(Dataset):
    """A vector dataset replaced again and again: all rows of one download are of one version."""

    def content(self, n):
        features = [{"type": "Feature", "properties": {"version": n}, "geometry": {"type": "Point", "coordinates": [i % 170, n % 80]}}
                    for i in range(n * 37 % 400 + 1)]
        self.sent[n] = len(features)
        return f"points{n}.geojson", json.dumps({"type": "FeatureCollection", "features": features}).encode()

    def read(self):
        before = self.acknowledged
        rows = self.rows("version")
        versions = {v for v, in rows}
        assert len(versions) == 1, f"versions {versions} in one file"
        version, = versions
        assert len(rows) == self.sent[version], f"{len(rows)} of {self.sent[version]} rows of version {version}"
        assert version >= before, f"version {before} was acknowledged, {version} is shown"
        m = self.model()
        assert m["count"] in self.sent.values(), m["count"]


class Batches(Dataset):
    """A table without geometry that grows: every batch is there whole or not at all, and never twice."""
    mode = "append"

    def content(self, n):
        self.sent[n] = n * 53 % 300 + 1
        return f"batch{n}.csv", ("batch,word\n" + "".join(f"{n},row {i}\n" for i in range(self.sent[n]))).encode()

    def steps(self, session):
        # Again after a kill: the same answer changes nothing.
        ask(lambda: self.server.post(f"/upload/csv?id={session}", {"geometry": "none"}, headers=ASKED))

    def read(self):
        before = self.acknowledged
        batches = self.counted()
        for n, rows in batches.items():
            assert rows == self.sent[n], f"{rows} of {self.sent[n]} rows of batch {n}"
        missing = [n for n in range(1, before + 1) if n not in batches]
        assert not missing, f"batches {missing} were acknowledged and are not there"

    def counted(self):
        found = {}
        for n, in self.rows("batch"):
            found[n] = found.get(n, 0) + 1
        return found


class Picture(Dataset):
    """A raster replaced again and again: all pixels of one value."""

    def content(self, n):
        rows = "\n".join(" ".join([str(n % 250 + 1)] * 40) for _ in range(40))
        grid = f"ncols 40\nnrows 40\nxllcorner 5\nyllcorner 45\ncellsize 0.1\nNODATA_value -9999\n{rows}\n"
        name, data = run(["gdal_translate", "-q", "-a_srs", "EPSG:4326", "in.asc", "out.tif"], "out.tif", ("in.asc", grid.encode()))
        return f"picture{n}.tif", data

    def read(self):
        with tempfile.NamedTemporaryFile(suffix=".tif") as f:
            f.write(self.download())
            f.flush()
            text = subprocess.run(["gdal_translate", "-q", "-of", "XYZ", f.name, "/vsistdout/"], check=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL).stdout.decode()
        values = {line.split()[2] for line in text.splitlines()}
        assert len(values) == 1, f"{len(values)} versions in one picture: {sorted(values)[:5]}"


def test_old_or_new_whatever_is_killed(server):
    datasets = [Points(server), Batches(server), Picture(server)]
    killer = Killer(server, KILLS, PAUSE_S)
    threads = [Worker(d.import_one, killer) for d in datasets]
    threads += [Worker(d.read, killer) for d in datasets for _ in range(2)]
    for t in threads:
        t.start()
    killer.start()
    for t in threads:
        t.join(600)
        assert not t.is_alive(), "somebody hangs"
    problems = [t.problem for t in threads if t.problem]
    assert not problems, problems
    for d in datasets:
        d.read()
    points, batches, picture = datasets
    assert len(points.rows("version")) == points.model()["count"] == points.sent[points.number]
    assert batches.model()["count"] == sum(batches.sent.values())
    print(f"# {sum(killer.count.values())} kills {killer.count}; {points.number} and {picture.number} replacements, "
          f"{batches.number} appends, {sum(t.turns for t in threads[3:])} readings")
    assert sum(killer.count.values()) >= KILLS, killer.count
    for d in datasets:
        folder = os.path.join(server.data, "datasets", str(d.id))
        # The one in use, the one before it, and what killed attempts left to the sweep.
        used = [f for f in os.listdir(folder) if os.path.exists(os.path.join(folder, f, "data.tif" if d is picture else "data.gpkg"))]
        assert 1 <= len(used) <= 2 + killer.count.get("slipway-worker", 0), used


def test_store_agrees_with_files_afterwards(server):
    """Runs after the kills, on what they left."""
    aftermath.store_agrees(server)


if __name__ == "__main__":
    shot_at = harness.Server(processes=3, config="[wizard]\nmax_open_sessions = 1000\n")
    try:
        harness.main(sys.modules[__name__], shot_at)
    finally:
        shot_at.close()
