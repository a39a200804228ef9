#!/usr/bin/python3
"""Goal: hours of mixed load leave memory, descriptors and the store's logs where they were (security.md 10, R13).

Clients upload, walk through the steps, import, export, delete and log in; every few seconds they hold still for a moment and
front and worker are measured.  After a warm-up nothing may grow: RSS by no more than 1 % in ten minutes, descriptors not at all.  Runs below 200 s show memory
without judging it.

  SECONDS=1800 SLIPWAY_BUILD=build tests/crash/soak.py
"""
import contextlib
import glob
import os
import random
import re
import statistics
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness
import made
import steps

SECONDS = int(os.environ.get("SECONDS", "1800"))
EVERY_S = 10 if SECONDS >= 120 else 5
CLIENTS = 4
WARM_S = min(SECONDS * 0.6, max(120, SECONDS / 3))      # allocators fill, every kind of request has met every other
SETTLED_S = 120                       # a shorter warm-up leaves memory growing: then it is shown, not judged
RSS_SHARE, RSS_PER_S = 0.01, 600      # R13: growth by this share of the start in this time
STEP_KIB = 256                        # M_TOP_PAD of two arenas: no trend when it happens once in a short run
LOG_MAX = 4 << 20                     # store.md 9: in steady load
LOG_SLACK = 1 << 20                   # the file being begun while the old ones go
ROLES = {"slipway.fcgi": "front", "slipway-worker": "worker"}


class Gate:
    """Lets requests through, except while somebody measures."""

    def __init__(self):
        self.cond, self.inside, self.shut = threading.Condition(), 0, False

    @contextlib.contextmanager
    def request(self):
        with self.cond:
            self.cond.wait_for(lambda: not self.shut)
            self.inside += 1
        try:
            yield
        finally:
            with self.cond:
                self.inside -= 1
                self.cond.notify_all()

    @contextlib.contextmanager
    def quiet(self):
        with self.cond:
            self.shut = True
            assert self.cond.wait_for(lambda: self.inside == 0, 90), "a request takes over 90 s"
        try:
            yield
        finally:
            with self.cond:
                self.shut = False
                self.cond.notify_all()


class Soaked(harness.Server):
    def __init__(self, *args, **kw):
        self.gate, self.requests = Gate(), 0
        super().__init__(*args, **kw)

    def request(self, *args, **kw):
        with self.gate.request():
            self.requests += 1
            a = super().request(*args, **kw)
        assert a.status < 500, a
        return a


# ---- the load

def rows_of(rng, n):
    return [f"{rng.uniform(-60, 60):.6f},{rng.uniform(-170, 170):.6f},name {i} ä" for i in range(n)]


def points_of(rng, n):
    return [(rng.uniform(-170, 170), rng.uniform(-60, 60)) for _ in range(n)]


class Client(threading.Thread):
    """One user's wizard sessions, one kind after the other in random order."""

    def __init__(self, server, number, until):
        super().__init__(daemon=True)
        self.server, self.number, self.until = server, number, until
        self.user = ("mei", "otto")[number % 2]
        self.rng = random.Random(number)
        self.datasets, self.done, self.failures = {}, {}, []

    def run(self):
        kinds = [self.csv, self.geojson, self.zip, self.export, self.given_up, self.refused, self.browse]
        while time.monotonic() < self.until and len(self.failures) < 5:
            self.rng.shuffle(kinds)
            for kind in kinds:
                try:
                    kind()
                    self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1
                except Exception:
                    self.failures.append(traceback.format_exc())
                if time.monotonic() > self.until:
                    return

    def import_and_drop(self, session, kind):
        """Finish as a new dataset the first time, later over it, so that the catalogue stays as it is."""
        over = {"mode": "overwrite", "dataset": self.datasets[kind]} if kind in self.datasets else {"title": f"{kind} {self.number}"}
        done = steps.finished(self.server, session, user=self.user, **over)
        self.datasets[kind] = done["dataset"]["id"]
        self.drop(session)

    def drop(self, session):
        a = self.server.post(f"/upload/delete/{session}", accept=steps.JSON, user=self.user)
        assert a.status == 200, a

    def csv(self):
        name = f"soak_csv_{self.number}.csv"
        session = steps.saved(self.server, steps.table(name, "lat,lng,name", *rows_of(self.rng, 400)), user=self.user)
        steps.wait_state(self.server, session, "WAITING", user=self.user)
        a = steps.post(self.server, session, "csv", user=self.user, lat="lat", lng="lng")
        assert a.status == 200, a
        a = steps.post(self.server, session, "srs", user=self.user, source="EPSG:4326")
        assert a.status == 200, a
        self.import_and_drop(session, "csv")

    def geojson(self):
        name = f"soak_json_{self.number}.geojson"
        self.import_and_drop(steps.saved(self.server, made.geojson(name, points_of(self.rng, 200)), user=self.user), "geojson")

    def zip(self):
        members = made.shapefile(f"soak_shp_{self.number}", points_of(self.rng, 100), prj=made.WGS84)
        session = steps.saved(self.server, made.zipped(members, f"soak_shp_{self.number}.zip"), user=self.user)
        self.import_and_drop(session, "zip")

    def export(self):
        for kind, dataset in self.datasets.items():
            for wanted in ("gpkg", "geojson", "csv"):
                a = self.server.get(f"/datasets/{dataset}/download?format={wanted}", user=self.user)
                assert a.status in (200, 202), (kind, wanted, a)
            a = self.server.get(f"/datasets/{dataset}", user=self.user)
            assert a.status == 200, a

    def given_up(self):
        """Steps looked at, wrong fields, then deleted."""
        session = steps.saved(self.server, steps.table("later.csv", "lat,lng,when", *rows_of(self.rng, 20)), user=self.user)
        a = steps.post(self.server, session, "csv", user=self.user, lat="nothing", lng="lng")
        assert a.status in (200, 400), a      # 200: still inspected, and says so
        steps.post(self.server, session, "srs", user=self.user, source="EPSG:0")
        for step in ("csv", "srs", "time", "progress"):
            for accept in (steps.JSON, made.HTML):
                self.server.get(f"/upload/{step}?id={session}", accept=accept, user=self.user)
        steps.get(self.server, session, "final", user=self.user, dry_run="true")
        self.drop(session)

    def refused(self):
        """Nothing of these may stay, in memory or on the disk."""
        s = self.server
        for a in (s.save(("x.zip", b"PK\x05\x06" + bytes(18)), user=self.user), s.save(("x.exe", b"MZ" + bytes(500)), user=self.user),
                  s.save(("x.shp", b"\0" * 200), user=self.user), s.save(user=self.user),
                  s.get("/upload/final?id=99999999", accept=steps.JSON, user=self.user), s.get("/nowhere", user=None),
                  s.request("POST", "/upload/", body=b'{"a":[1,', headers={"Content-Type": "application/json"}, user=self.user)):
            if a.status == 201:      # inspection takes longer than the answer may
                self.drop(a.json["id"])
            else:
                assert 400 <= a.status < 500, a

    def browse(self):
        browser = made.Browser(self.server, *(harness.USER, harness.OTHER)[self.number % 2])
        for path in ("/", "/upload/", "/datasets", "/api/v2/uploads/?page_size=5", "/upload/srs?q=gauss"):
            browser.open(path)
        assert browser.statuses[2] == 200 and max(browser.statuses) < 500, browser.statuses
        token = browser.cookies["csrftoken"]
        browser._ask("POST", "/logout", fields={"csrfmiddlewaretoken": token})


# ---- the measures

def process_table(root):
    """
    {pid: (role, private KiB, descriptors, RSS in KiB)} of front and worker processes below ROOT.  Growth is looked for in the
    private part of RSS: the rest is the programs' own pages and the store's regions, of fixed size but touched bit by bit.
    """
    found, parents, names = {}, {}, {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            with open(stat) as f:
                head, _, rest = f.read().rpartition(")")
            pid = int(head.split()[0])
            parents[pid], names[pid] = int(rest.split()[1]), head.partition("(")[2]
    for pid, name in names.items():
        role = next((r for n, r in ROLES.items() if n[:15] == name), None)
        above = pid
        while role and above in parents and above != root:
            above = parents[above]
        if role and above == root:
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/status") as f:
                    size = dict(re.findall(r"^(VmRSS|RssAnon):\s+(\d+)", f.read(), re.M))
                found[pid] = role, int(size["RssAnon"]), len(os.listdir(f"/proc/{pid}/fd")), int(size["VmRSS"])
    return found


def sizes_below(root):
    """Number and bytes of the files there; not of exports, which are meant to stay for a week."""
    count = total = 0
    for base, folders, names in os.walk(root):
        if "exports" in folders:
            folders.remove("exports")
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(base, name)).st_size
                count += 1
    return count, total


def sample(server, start):
    with server.gate.quiet():
        time.sleep(0.2)      # what a request leaves to do after its answer
        return {"at": time.monotonic() - start, "processes": process_table(server.process.pid), "requests": server.requests,
                "log": sizes_below(f"{server.data}/db/log")[1], "files": sizes_below(server.data)[0]}


def slope(at, values):
    """Theil-Sen: the median of all pairs' slopes, which a few spikes do not move."""
    pairs = [(values[j] - values[i]) / (at[j] - at[i]) for i in range(len(at)) for j in range(i + 1, len(at))]
    return statistics.median(pairs) if pairs else 0.0


def table(samples):
    first = samples[0]["processes"]
    names = [f"{p[0]}:{pid}" for pid, p in sorted(first.items(), key=lambda x: x[1][0])]
    print("      s requests  log KiB  files  " + "  ".join(f"{n:>18}" for n in names) + "   (private KiB / descriptors)")
    for s in samples[:: max(1, len(samples) // 40)]:
        cells = []
        for name in names:
            p = s["processes"].get(int(name.partition(":")[2]))
            cells.append(f"{p[1]:>12} / {p[2]:>3}" if p else f"{'gone':>18}")
        print(f"{s['at']:7.0f} {s['requests']:8} {s['log'] // 1024:8} {s['files']:6}  " + "  ".join(cells))


def verdict(samples):
    """What grew; also prints each process's figures."""
    warm = [s for s in samples if s["at"] >= WARM_S]
    bad = []
    if len(warm) < 4:
        return [f"only {len(warm)} samples after the warm-up"]
    half, at = len(warm) // 2, [s["at"] for s in warm]
    pids = set(samples[0]["processes"])
    if any(set(s["processes"]) != pids for s in samples):
        bad.append("processes ended or began")
    for pid in sorted(pids.intersection(*(s["processes"] for s in warm))):
        role = warm[0]["processes"][pid][0]
        rss, fds = ([s["processes"][pid][i] for s in warm] for i in (1, 2))
        # A short run is allowed what ten minutes may bring, and a single step of the allocator.
        whole, seconds = warm[0]["processes"][pid][3], at[-1] - at[0]
        grown, allowed = slope(at, rss) * seconds, RSS_SHARE * whole * max(1, seconds / RSS_PER_S)
        allowed += STEP_KIB if seconds < RSS_PER_S else 0
        print(f"{role}:{pid}: RSS {whole} KiB, its private part {rss[0]} to {rss[-1]}, trend {grown:+.0f} of {allowed:.0f} in {seconds:.0f} s; "
              f"descriptors at rest {min(fds[:half])}, then {min(fds[half:])}")
        if grown > allowed and WARM_S >= SETTLED_S:
            bad.append(f"{role} {pid} grows")
        if min(fds[half:]) > min(fds[:half]):
            bad.append(f"{role} {pid} holds more descriptors")
    most = max(s["log"] for s in samples)
    print(f"store logs: at most {most / (1 << 20):.2f} MiB; files: {min(s['files'] for s in warm[:half])}, "
          f"then {min(s['files'] for s in warm[half:])}")
    if most > LOG_MAX + LOG_SLACK:
        bad.append("the store's logs grow")
    if min(s["files"] for s in warm[half:]) > min(s["files"] for s in warm[:half]) + 8 * CLIENTS:
        bad.append("files stay behind")
    return bad


def main():
    server = Soaked(config="create_rate = 1000000000")
    failed = True
    try:
        start = time.monotonic()
        clients = [Client(server, n, start + SECONDS) for n in range(CLIENTS)]
        samples = []
        for c in clients:
            c.start()
        while time.monotonic() < start + SECONDS and any(c.is_alive() for c in clients):
            time.sleep(EVERY_S)
            samples.append(sample(server, start))
        for c in clients:
            c.join(120)
        table(samples)
        print("done: " + ", ".join(f"{sum(c.done.get(k, 0) for c in clients)} {k}" for k in sorted({k for c in clients for k in c.done})))
        bad = verdict(samples)
        for c in clients:
            bad += c.failures[:1]
        for line in bad:
            print("# " + line.replace("\n", "\n# "))
        failed = bool(bad)
        if failed:
            print("\n".join("# log: " + l for l in server.log().splitlines()[-15:]))
        print(f"{'not ok' if failed else 'ok'} 1 - soak of {SECONDS} s: {server.requests} requests")
    finally:
        if failed and os.environ.get("KEEP"):
            server.stop()
            print("# kept: " + server.dir)
        else:
            server.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
