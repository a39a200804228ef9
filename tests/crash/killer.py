"""Whoever shoots at a server's processes, for the tests that look at what is left."""
import os
import random
import signal
import threading
import time


def processes(root):
    """{pid: name} of ROOT's descendants."""
    parents, names = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                head, _, rest = f.read().rpartition(")")
            parents[int(pid)], names[int(pid)] = int(rest.split()[1]), head.partition("(")[2]
        except OSError:
            pass
    found = {}
    for pid in parents:
        p = pid
        while p in parents and p != root:
            p = parents[p]
        if p == root and pid != root:
            found[pid] = names[pid]
    return found


class Killer(threading.Thread):
    """Kills processes of KINDS in turn, whichever is there, until there were KILLS; PAUSE seconds, from and to, between two."""

    def __init__(self, server, kills, pause, kinds=("slipway-worker", "slipway-geo", "slipway.fcgi")):
        super().__init__(daemon=True)
        self.server, self.kills, self.pause, self.kinds, self.done, self.count = server, kills, pause, kinds, threading.Event(), {}

    def run(self):
        for n in range(100 * self.kills):
            if sum(self.count.values()) >= self.kills:
                break
            kind = self.kinds[n % len(self.kinds)]
            victims, until = [], time.monotonic() + 1
            while not victims and time.monotonic() < until:      # jobs are short-lived: wait for one
                victims = [p for p, name in processes(self.server.process.pid).items() if name == kind[:15]]
            if victims:
                try:
                    os.kill(random.choice(victims), signal.SIGKILL)
                    self.count[kind] = self.count.get(kind, 0) + 1
                except ProcessLookupError:
                    pass
            time.sleep(random.uniform(*self.pause))
        self.done.set()
