#!/usr/bin/python3
"""Goal: kill -9 of worker and job at any moment of signed imports: what a task says is what the table holds, whole or not at all, and
never twice.

KILLS (15) says how many; each import is of 20,000 rows, in append mode, into one table.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "http"))
from harness import Server  # noqa: E402
from killer import Killer  # noqa: E402
from signed import FILE, configure, send, signed, table, tasks  # noqa: E402

KILLS = int(os.environ.get("KILLS", "15"))
ROWS = 20000
PROGRAMS = ("slipway-worker", "slipway-geo")
PAUSE_S = (0.2, 1.2)


def main():
    server = Server(config="[signed]\nwait = 1\n[mail]\nmethod = none\n")
    killer = Killer(server, KILLS, PAUSE_S, PROGRAMS)
    try:
        configure(server, {"loader": {"user": "mei"}}, {"many": {"table": "t(k, n)", "columns": {"k": "integer", "n": "integer"}}})
        killer.start()
        sent, k = {}, 0
        while not killer.done.is_set():
            k += 1
            raw = b"k,n\n" + b"".join(b"%d,%d\n" % (k, n) for n in range(ROWS))
            a = send(server, signed("many"), path=FILE, files=[("file", f"{k}.csv", raw)])
            number = a.header("X-Slipway-Task")
            assert number, a
            sent[k] = int(number)
        end = time.monotonic() + 120
        while any(t["state"] in ("queued", "running") for t in tasks(server)):
            assert time.monotonic() < end, "a task does not end"
            time.sleep(0.5)
        states = {t["id"]: t for t in tasks(server)}
        there = dict(table(server, "many", "select k, count(*) from t group by k"))
        done = 0
        for k, number in sent.items():
            t = states[number]
            want = ROWS if t["state"] == "done" else 0
            assert there.get(k, 0) == want, f"{k}: {t['state']} {t.get('message')}, {there.get(k, 0)} rows"
            assert t["state"] == "failed" or t["rows"]["inserted"] == ROWS, t
            done += t["state"] == "done"
        print(f"ok 1 - {len(sent)} imports, {done} done, the rest failed whole")
        server.slipway("check")
        print("ok 2 - check finds nothing")
    finally:
        server.close()


if __name__ == "__main__":
    main()
