#!/usr/bin/python3
"""Goal: front, worker and jobs are killed with SIGKILL while six clients upload and import; nothing acknowledged is
lost, nobody hangs, every session yields exactly one dataset, and the store agrees with its files afterwards.

  KILLS=40 test_kill.py      default 200
"""
import os
import random
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import aftermath
import harness
from killer import Killer

KILLS = int(os.environ.get("KILLS", "200"))
CLIENTS = 6
PAUSE_S = (0.02, 0.35)    # a worker needs a moment to get anything done at all
SLOWEST_S = 40            # longest request: final_wait_s, the gate, and a recovery


class Client(threading.Thread):
    def __init__(self, server, number, killer):
        super().__init__(daemon=True)
        self.server, self.number, self.killer = server, number, killer
        self.saved, self.finished, self.slowest, self.problems = {}, {}, 0, []

    def ask(self, call, until):
        """Repeat CALL while the service is being shot at."""
        while time.monotonic() < until:
            start = time.monotonic()
            try:
                a = call()
            except OSError:
                a = None
            self.slowest = max(self.slowest, time.monotonic() - start)
            if a is not None and a.status < 500 and a.status != 429:
                return a
            time.sleep(0.05)
        raise AssertionError(f"no answer in time: {a}")

    def one(self, n):
        rows = random.randint(1, 400)
        text = "lat,lon,name\n" + "".join(f"{random.uniform(-80, 80):.6f},{random.uniform(-170, 170):.6f},{self.number}-{i}\n"
                                          for i in range(rows))
        name, nonce = f"c{self.number}n{n}.csv", uuid.uuid4().hex
        until = time.monotonic() + 120
        a = self.ask(lambda: self.server.post("/upload/", {"nonce": nonce}, [("files", name, text.encode())], timeout=SLOWEST_S,
                                              accept="application/json"), until)
        if a.status not in (200, 201):
            # The job that looked at the file was killed three times: said so, and nothing is kept.
            if a.status == 400 and a.json["code"] in ("inspect_failed", "worker_lost"):
                return
            raise AssertionError(f"save: {a}")
        session = a.json["id"]
        self.saved[session] = rows
        self.finish(session, rows, until)

    def finish(self, session, rows, until):
        while True:
            a = self.ask(lambda: self.server.get(f"/upload/final?id={session}&force_ajax=true", timeout=SLOWEST_S), until)
            if a.status == 410 or a.status == 404:
                raise AssertionError(f"session {session} was acknowledged and is gone")
            status = a.json.get("status")
            if status == "finished":
                if a.json["rows"]["imported"] != rows or len(a.json["datasets"]) != 1:
                    raise AssertionError(f"session {session}: {a.json['rows']}, {len(a.json['datasets'])} datasets, {rows} sent")
                self.finished[session] = a.json["dataset"]["id"]
                return
            if status == "error":
                # Its attempts were used up, or its job was shot: trying again is what the message says.
                self.ask(lambda: self.server.post(f"/upload/retry?id={session}&force_ajax=true", timeout=SLOWEST_S), until)
            time.sleep(0.05)

    def run(self):
        n = 0
        while not self.killer.done.is_set():
            try:
                self.one(n)
            except Exception as e:
                self.problems.append(f"client {self.number}: {type(e).__name__}: {e}")
                return
            n += 1


def test_nothing_acknowledged_is_lost(server):
    killer = Killer(server, KILLS, PAUSE_S, ("slipway.fcgi", "slipway-worker", "slipway-geo"))
    clients = [Client(server, i, killer) for i in range(CLIENTS)]
    for c in clients:
        c.start()
    killer.start()
    for c in clients:
        c.join(600)
        assert not c.is_alive(), "a client hangs"
    problems = [p for c in clients for p in c.problems]
    assert not problems, problems
    for c in clients:
        for session, dataset in c.finished.items():
            d = server.get(f"/datasets/{dataset}", accept="application/json").json["dataset"]
            assert d["count"] == c.saved[session], (session, d["count"], c.saved[session])
            a = server.get(f"/datasets/{dataset}/download")
            assert a.status == 200 and a.body[:15] == b"SQLite format 3", a
    finished = [d for c in clients for d in c.finished.values()]
    assert len(set(finished)) == len(finished), "two sessions share a dataset"
    slowest = max(c.slowest for c in clients)
    print(f"# {sum(killer.count.values())} kills {killer.count}, {len(finished)} datasets, slowest request {slowest:.1f} s")
    assert sum(killer.count.values()) >= KILLS, killer.count
    assert slowest < SLOWEST_S, slowest


def test_store_agrees_with_files_afterwards(server):
    """Runs after the kills, on what they left."""
    aftermath.store_agrees(server)


if __name__ == "__main__":
    shot_at = harness.Server(processes=3, config="[wizard]\nmax_open_sessions = 1000\n")
    try:
        harness.main(sys.modules[__name__], shot_at)
    finally:
        shot_at.close()
