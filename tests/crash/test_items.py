#!/usr/bin/python3
"""Goal: data items are made, filled, shared, changed and deleted while front and worker are killed with SIGKILL: what was
acknowledged holds, what was not is whole or not there, and `slipway check` finds no difference between catalogue, store and
files (datas.md, case 31).

  KILLS=200 test_items.py      default 12
"""
import hashlib
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import aftermath
import harness
from datas import DATAS, MINE, entity
from killer import Killer
from test_replace import PAUSE_S, Worker, ask as patient

KILLS = int(os.environ.get("KILLS", "12"))
GUESTS = [entity("GUEST", "DOWNLOAD")]


class Owner:
    """Makes items, gives them to everybody, takes some away; knows what was acknowledged."""

    def __init__(self, server, name):
        self.server, self.name, self.number = server, name, 0
        self.items = {}          # id: {"md5", "public"}; None while a request about it has no answer
        self.deleted = set()

    def send(self, method, path, body=None, **headers):
        """An answer, or None when the one who should give it was killed: the state is then unknown."""
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        try:
            a = self.server.request(method, path, headers=headers, body=body)
        except (OSError, harness.http.client.HTTPException):
            return None
        return a if a.status < 500 and a.status != 429 else None

    def turn(self):
        self.number += 1
        made = self.send("POST", MINE + ".json", {"fileName": f"{self.name} {self.number}.csv", "tags": [self.name, "crash"]})
        if made is None:
            return
        item = int(made.json["childID"])
        data = f"a,b\n{self.name},{self.number}\n".encode() * random.randint(1, 5000)
        self.items[item] = {}
        for _ in range(200):
            filled = self.send("POST", f"{MINE}/{item}/upload.json", data, Content_Type="text/csv")
            if filled is not None:
                break
            time.sleep(0.05)
        assert filled is not None and filled.status == 200, filled
        self.items[item]["md5"] = hashlib.md5(data).hexdigest()
        shared = self.send("PUT", f"{MINE}/sharesetting.json", {"ids": [item], "entities": GUESTS})
        if shared is not None:
            assert shared.status == 200, shared
            self.items[item]["public"] = True
        if self.number % 3 == 0 and len(self.items) > 2:
            victim = random.choice(sorted(self.items))
            del self.items[victim]
            gone = self.send("POST", MINE + "/delete.json", [victim])
            if gone is not None:
                assert gone.status == 200, gone
                self.deleted.add(victim)

    def look(self):
        for item, known in self.items.items():
            a = patient(lambda: self.server.get(f"{DATAS}/{item}.json"))
            assert a.status == 200, (item, a)
            if "md5" in known:
                assert a.json["status"] == "OK" and a.json["MD5"] == known["md5"], (item, a.text)
                file = patient(lambda: self.server.get(f"{DATAS}/{item}/download"))
                assert file.status == 200 and hashlib.md5(file.body).hexdigest() == known["md5"], (item, file.status)
            if known.get("public"):
                stranger = patient(lambda: self.server.request("GET", f"{DATAS}/{item}.json", headers={}, user=None))
                assert stranger.status == 200, (item, stranger)
        for item in self.deleted:
            a = patient(lambda: self.server.get(f"{DATAS}/{item}.json"))
            assert a.status == 404, (item, a)


def test_items_whatever_is_killed(server):
    owners = [Owner(server, name) for name in ("larch", "birch", "rowan")]
    killer = Killer(server, KILLS, PAUSE_S, ("slipway.fcgi", "slipway.fcgi", "slipway-worker"))
    threads = [Worker(o.turn, killer) for o in owners]
    for t in threads + [killer]:
        t.start()
    for t in threads:
        t.join(600)
        assert not t.is_alive(), "somebody hangs"
    problems = [t.problem for t in threads if t.problem]
    assert not problems, problems
    for o in owners:
        o.look()
    print(f"# {sum(killer.count.values())} kills {killer.count}; {sum(o.number for o in owners)} items, "
          f"{sum(len(o.deleted) for o in owners)} deletions acknowledged")


def test_check_finds_nothing_afterwards(server):
    """Runs after the kills, on what they left."""
    aftermath.store_agrees(server)


if __name__ == "__main__":
    shot_at = harness.Server(processes=3, config="[upload]\ncreate_rate = 1000000\n")
    try:
        harness.main(sys.modules[__name__], shot_at)
    finally:
        shot_at.close()
