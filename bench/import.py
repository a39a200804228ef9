#!/usr/bin/python3
"""Import into GeoPackage against ogr2ogr with its defaults: wall time, peak memory, and that the result is right.

usage: bench/import.py [--geo PROGRAM] [--rows N] [--polygons N] [--runs N] [--dir DIR]

The same CSV is then sent to the signed file API and imported into a table, all or nothing: from the request's first byte to the
task's end, against sqlite3's own .import into a table of the same types; peaks are those of worker and job.

A and B alternate within one run, after 2 GB of memory have been touched and freed; quoted is the ratio of medians.
Ours is the whole life of slipway-geo, jail included.  The demands are those of performance.md.
"""
import argparse
import datetime
import glob
import json
import math
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "jail"))


def make_csv(path, n):
    """10 columns: lon, lat, a timestamp, numbers, text with commas."""
    random.seed(1)
    start = datetime.datetime(2020, 1, 1)
    with open(path, "w") as f:
        f.write("id,name,lon,lat,when,value,count,category,code,comment\n")
        for i in range(n):
            f.write('%d,place %d,%.6f,%.6f,%s,%.3f,%d,%s,%05d,"some text, with comma %d"\n' % (
                i, i, random.uniform(-180, 180), random.uniform(-85, 85),
                (start + datetime.timedelta(seconds=37 * i)).isoformat(), random.random() * 1000,
                random.randrange(100000), random.choice("abcdef"), i % 99999, i % 1000))


def make_shapefile(folder, n):
    """Polygons of 8 to 30 corners with 5 attributes, written by ogr2ogr."""
    random.seed(2)
    lines = os.path.join(folder, "polygons.geojsonl")
    with open(lines, "w") as f:
        for i in range(n):
            x, y, r = random.uniform(-170, 170), random.uniform(-80, 80), random.uniform(.01, .1)
            corners = random.randrange(8, 30)
            ring = [[round(x + r * math.cos(2 * math.pi * a / corners), 7),
                     round(y + r * math.sin(2 * math.pi * a / corners), 7)] for a in range(corners)]
            f.write(json.dumps({"type": "Feature", "properties": {
                "id": i, "name": "parcel %d" % i, "area": r * r, "kind": random.choice("abc"),
                "day": "2020-01-%02d" % (i % 28 + 1)},
                "geometry": {"type": "Polygon", "coordinates": [ring + ring[:1]]}}) + "\n")
    subprocess.run(["ogr2ogr", "-f", "ESRI Shapefile", os.path.join(folder, "polygons.shp"), lines], check=True)
    os.remove(lines)


def warm(size):
    """First touch of memory on a virtual machine is slow: pay for it before the clock runs, in a process of its own
    because a child's peak memory begins with its parent's."""
    subprocess.run([sys.executable, "-c", "b = bytearray(%d)\nfor i in range(0, len(b), 4096): b[i] = 1" % size], check=True)


def plan(jail, files):
    """Inspect once; the job's layer with points from lat and lon where there are such columns."""
    frame, _, log = jail.inspect(files, timeout=300)
    if frame is None or frame["type"] != "result":
        sys.exit("inspect failed: %s %s" % (frame, log))
    layer = frame["layers"][0]
    columns = {c["name"]: c["i"] for c in layer["columns"]}
    item = {k: layer.get(k) for k in ("i", "bundle", "driver", "source_layer", "file", "member", "kind", "sheet", "dialect")}
    item.update(table="layer", title="Layer", srs={"source": "EPSG:4326", "target": ""}, mode="create", time=None,
                charset=(layer.get("encoding") or {}).get("charset"), bad_rows="keep",
                columns=[dict(c, use=True) for c in layer["columns"]], geometry={"mode": "native"})
    if "lat" in columns:
        item["geometry"] = {"mode": "latlng", "lat": columns["lat"], "lng": columns["lon"]}
    return {"task": "import", "kind": frame["kind"], "layers": [item]}


def peak(pid):
    try:
        with open("/proc/%d/status" % pid) as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmHWM")), 0) // 1024
    except OSError:
        return 0


def ours(jail, files, job, keep):
    """Seconds, seconds of these for map and thumbnail, and peak MiB of one import in a fresh jail; the file goes to KEEP."""
    start = time.monotonic()
    with jail.Jail(files) as j:
        made = time.monotonic() - start      # copying the inputs is the bench's own work
        j.wait_ready()
        j.send(dict({"type": "job", "files": j.files}, **job))
        rss, written = 0, start
        while True:
            frame = j.receive(600)
            if frame is None or frame["type"] != "progress":
                break
            rss = max(rss, peak(j.process.pid))
            if frame["message"] == "describing":
                written = time.monotonic()
        pictures = time.monotonic() - written
        took = time.monotonic() - start - made + 0.06    # and what starting the program costs
        layer = frame["layers"][0] if frame and frame["type"] == "result" else {}
        if layer.get("status") != "imported":
            sys.exit("import failed: %s %s" % (frame, j.log()))
        shutil.copyfile(os.path.join(j.out, layer["file"]), keep)
    return took, pictures, rss


def ogr2ogr(source, options, out):
    if os.path.exists(out):
        os.remove(out)
    start = time.monotonic()
    process = subprocess.Popen(["ogr2ogr", "-f", "GPKG", out, source] + options)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return time.monotonic() - start, usage.ru_maxrss // 1024


def count(path, window):
    """Features GDAL finds in WINDOW."""
    text = subprocess.run(["ogrinfo", "-ro", "-so", "-al", "-spat"] + [str(v) for v in window] + [path],
                          capture_output=True, text=True, check=True).stdout
    return next(int(line.split(":")[1]) for line in text.splitlines() if line.startswith("Feature Count"))


def check(path, other):
    """What must hold of the file beside its speed."""
    wrong = []
    with sqlite3.connect(path) as db:
        if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            wrong.append("integrity_check")
        if db.execute("SELECT rtreecheck('rtree_layer_geom')").fetchone()[0] != "ok":
            wrong.append("rtreecheck")
    for window in ((0, 0, 10, 10), (-180, -90, 180, 90), (100.5, -7.25, 100.75, -7)):
        if count(path, window) != count(other, window):
            wrong.append("spatial filter %s" % (window,))
    return wrong


def measure(jail, name, files, source, options, folder, runs, demand):
    job, mine, theirs = plan(jail, files), [], []
    a, b = os.path.join(folder, "ours.gpkg"), os.path.join(folder, "theirs.gpkg")
    for _ in range(runs):
        mine.append(ours(jail, files, job, a))
        theirs.append(ogr2ogr(source, options, b))
    wrong = check(a, b)
    took, pictures = (statistics.median(m[i] for m in mine) for i in (0, 1))
    peer = statistics.median(t for t, _ in theirs)
    rss = max(m[2] for m in mine)
    fine = took / peer <= demand and rss <= 300 and not wrong
    print("%-28s %8.2f s %8.2f s %8.2f s %8.2f %8.2f %6d MiB %6d MiB  %s" % (
        name, took, pictures, peer, took / peer, demand, rss, max(r for _, r in theirs),
        "ok" if fine else "WRONG: " + ", ".join(wrong) if wrong else "too slow or too big"))
    return fine


# ---- a file of the signed file API into a table

TYPES = {"id": "integer", "name": "text", "lon": "real", "lat": "real", "when": "timestamp", "value": "real", "count": "integer",
         "category": "text", "code": "text", "comment": "text"}


class Peaks(threading.Thread):
    """Peak memory of every program of ours below BUILD whose data is in DATA, while this runs."""
    def __init__(self, data):
        super().__init__(daemon=True)
        self.data, self.found, self.over = data.encode(), {}, False

    def run(self):
        while not self.over:
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    with open(path, "rb") as f:
                        words = f.read().split(b"\0")
                except OSError:
                    continue
                name = os.path.basename(words[0]).decode()
                if name in ("slipway-worker", "slipway-geo") and any(self.data in w for w in words[1:]):
                    self.found[name] = max(self.found.get(name, 0), peak(int(path.split("/")[2])))
            time.sleep(0.05)


def import_table(server, signed, csv):
    """Seconds from request to end, and the peaks."""
    peaks = Peaks(server.data)
    peaks.start()
    start = time.monotonic()
    fields = signed.signed("bench")
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-D", "-", *(x for k, v in fields.items() for x in ("-F", f"{k}={v}")),
                           "-F", f"file=@{csv}", f"http://127.0.0.1:{server.port}{signed.FILE}"], stdout=subprocess.PIPE, check=True)
    number = next(line.split(b":")[1].strip().decode() for line in done.stdout.splitlines() if line.lower().startswith(b"x-slipway-task"))
    while True:
        task = server.get(f"/tasks/{number}", accept="application/json", user="admin").json["task"]
        if task["state"] in ("success", "failed"):
            break
        time.sleep(0.05)
    took = time.monotonic() - start
    peaks.over = True
    peaks.join()
    if task["state"] != "success":
        sys.exit("import failed: %s" % task["message"])
    return took, peaks.found


def sqlite_import(csv, path):
    if os.path.exists(path):
        os.remove(path)
    columns = ", ".join('"%s" %s' % (k, {"timestamp": "text"}.get(v, v)) for k, v in TYPES.items())
    start = time.monotonic()
    subprocess.run(["sqlite3", path, "pragma journal_mode=wal", "create table t(%s)" % columns, ".import --csv --skip 1 %s t" % csv], check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def measure_table(build, csv, rows, folder, runs, demand):
    os.environ["SLIPWAY_BUILD"] = build
    sys.path.insert(0, os.path.join(HERE, "..", "tests", "http"))
    import harness
    import signed
    server = harness.Server(config="[signed]\nwait = 30\n[mail]\nmethod = none")
    try:
        signed.configure(server, accounts={"loader": {}}, receivers={"bench": {
            "table": "t", "columns": TYPES, "mode": "replace", "maxRows": 10000000}})
        import_table(server, signed, csv)      # the worker and the table are there
        mine, theirs = [], []
        for _ in range(runs):
            mine.append(import_table(server, signed, csv))
            theirs.append(sqlite_import(csv, os.path.join(folder, "peer.sqlite")))
        got = signed.table(server, "bench", "select count(*), sum(id) from t")[0]
    finally:
        server.close()
    took, peer = statistics.median(t for t, _ in mine), statistics.median(theirs)
    worker, job = (max(p.get(n, 0) for _, p in mine) for n in ("slipway-worker", "slipway-geo"))
    right = got == (rows, rows * (rows - 1) // 2)
    fine = right and took / peer <= demand and worker <= 100 and job <= 100
    print("%-28s %8.2f s %10s %8.2f s %8.2f %8.2f %6d MiB %6d MiB  %s" % (
        "%d CSV rows, signed" % rows, took, "", peer, took / peer, demand, worker, job,
        "ok" if fine else "WRONG: %s" % (got,) if not right else "too slow or too big"))
    return fine


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--geo", default=os.path.join(HERE, "..", "build", "slipway-geo"))
    p.add_argument("--rows", type=int, default=1000000)
    p.add_argument("--polygons", type=int, default=100000)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--dir", default=None)
    args = p.parse_args()
    os.environ["SLIPWAY_GEO"] = os.path.abspath(args.geo)
    import jail
    folder = tempfile.mkdtemp(prefix="bench-import-", dir=args.dir)
    try:
        csv = os.path.join(folder, "points.csv")
        make_csv(csv, args.rows)
        make_shapefile(folder, args.polygons)
        shp = {"polygons." + e: os.path.join(folder, "polygons." + e) for e in ("shp", "shx", "dbf", "prj")}
        warm(2 << 30)
        print("%-28s %10s %10s %10s %8s %8s %10s %10s" % (
            "", "slipway", "(pictures)", "ogr2ogr", "ratio", "demand", "our peak", "its peak"))
        fine = measure(jail, "%d CSV rows, points" % args.rows, {"points.csv": csv}, csv,
                       ["-oo", "X_POSSIBLE_NAMES=lon", "-oo", "Y_POSSIBLE_NAMES=lat", "-oo", "AUTODETECT_TYPE=YES",
                        "-a_srs", "EPSG:4326"], folder, args.runs, 0.4)
        fine = measure_table(os.path.dirname(os.environ["SLIPWAY_GEO"]), csv, args.rows, folder, args.runs, 3.0) and fine
        fine = measure(jail, "%d shapefile polygons" % args.polygons, shp, shp["polygons.shp"], [], folder,
                       args.runs, 0.6) and fine
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
