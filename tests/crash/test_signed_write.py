#!/usr/bin/python3
"""Goal: a signed write whose program is killed with SIGKILL anywhere between preSql and postSql is there wholly or not at
all, on SQLite and on PostgreSQL, and what is told of it afterwards is true (signed-api.md 2.4, 3.5, cases 7 and 9).

  KILLS=100 test_signed_write.py      on each database
"""
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "http"))
import pgserver

PROGRAM = os.path.join(os.environ.get("SLIPWAY_BUILD", os.path.join(TOP, "build")), "crash", "signed_write")
KILLS = int(os.environ.get("KILLS", 100))
ROWS = 300
# One number says how many writes there were: before the rows, by the rows, and behind them.
TABLES = ["create table t (id integer, batch integer)", "create table begun (n integer)", "create table ended (n integer)",
          "insert into begun values (0)", "insert into ended values (0)"]
RECEIVER = {"table": "t", "preSql": ["update begun set n = n + 1"], "postSql": ["update ended set n = n + 1"], "timeout": 60}
COUNTS = "select (select n from begun), (select count(*) from t), (select n from ended)"


class Sqlite:
    target = "default"

    def __init__(self, folder):
        os.makedirs(f"{folder}/data/tables")
        self.conf = ""
        self.db = sqlite3.connect(f"{folder}/data/tables/bench.sqlite", isolation_level=None, timeout=20)
        for sql in TABLES:
            self.db.execute(sql)

    def counts(self):
        return self.db.execute(COUNTS).fetchone()

    def check(self):
        assert self.db.execute("pragma integrity_check").fetchall() == [("ok",)]

    def close(self):
        self.db.close()


class Postgres:
    target = "pg"

    def __init__(self, folder):
        self.server = pgserver.Pg()
        self.conf = f"[target]\npg = {self.server.conninfo}\n"
        for sql in TABLES:
            self.server.sql(sql)

    def counts(self):
        return tuple(int(n) for n in self.server.sql(COUNTS).strip().split("|"))

    def check(self):
        pass

    def close(self):
        self.server.close()


class Writes:
    def __init__(self, folder, base):
        self.folder, self.base = folder, base
        for name, text in (("conf", base.conf), ("receiver", json.dumps({**RECEIVER, "target": base.target})),
                           ("rows", json.dumps([[]] + [[i, 1] for i in range(ROWS)]))):
            with open(f"{folder}/{name}", "w") as f:
                f.write(text)

    def command(self, number, *options):
        return [PROGRAM, *options, "-m", f"mark {number}", "-k", f"{self.folder}/kept", f"{self.folder}/conf", f"{self.folder}/data",
                f"{self.folder}/receiver", f"{self.folder}/rows"]

    def one(self, number, after):
        """Killed AFTER seconds from the middle of the rows; returns what the program had answered, if it had."""
        if os.path.exists(f"{self.folder}/kept"):
            os.unlink(f"{self.folder}/kept")
        process = subprocess.Popen(self.command(number, "-p"), stdout=subprocess.PIPE)
        line = process.stdout.readline()
        assert line == b"rows\n", line
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        answer = process.stdout.read()
        process.wait()
        return b"inserted" in answer

    def outcome(self, number):
        return subprocess.run(self.command(number, "-o"), stdout=subprocess.PIPE, check=True).stdout.decode().strip()


def trial(kind):
    name = kind.__name__.lower()
    with tempfile.TemporaryDirectory(prefix="slipway-crash-") as folder:
        base = kind(folder)
        try:
            writes = Writes(folder, base)
            done, seen = 0, {"committed": 0, "rolled back": 0}
            assert base.counts() == (0, 0, 0)
            for number in range(KILLS):
                answered = writes.one(number, random.uniform(0, 0.03))
                outcome = writes.outcome(number)
                counts = base.counts()
                seen[outcome] += 1
                done += outcome == "committed"
                assert not answered or outcome == "committed", f"write {number} was answered, then {outcome}"
                assert counts == (done, done * ROWS, done), f"write {number}, {outcome}: {counts}, {done} before"
            base.check()
            assert min(seen.values()) > 0, f"the kills did not meet both sides of the commit: {seen}"
            print(f"ok - {name}: {KILLS} kills, {seen}")
        finally:
            base.close()


def main():
    bad = 0
    for kind in (Sqlite, Postgres):
        if kind is Postgres and not pgserver.installed():
            print("ok - postgres # SKIP not installed")
            continue
        try:
            trial(kind)
        except Exception as e:
            print(f"not ok - {kind.__name__.lower()}: {type(e).__name__}: {e}")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
