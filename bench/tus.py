#!/usr/bin/python3
"""tus against @tus/server with @tus/file-store on Node: ratios within one run on one machine, one client for both.

  bench/tus.py BUILD_DIR [big] [small] [many]

big       1 GiB in PATCHes of 8 MiB, with durability (every PATCH on disk before its answer) and without (upload.sync = none);
          the peer has none
small     5,000 files of 1 KiB, each created and filled by one request, over 1 and 16 connections
many      1,000 uploads of 1 MiB in chunks of 64 KiB, all at once, through one server with 4 front processes: all complete, every
          SHA-256 right, no answer but 2xx or 503 with Retry-After, no descriptor left, memory flat

Slipway is measured behind each of BENCH_WEB (nginx and lighttpd); the peer both ways: by itself, which is "the peer" of all ratios, and
behind nginx as its authors recommend for production, which is like with like.  A and B alternate; medians are quoted.
"""
import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
for folder in ("http", "clients"):
    sys.path.insert(0, os.path.join(TOP, "tests", folder))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "build"))
os.environ["SLIPWAY_BUILD"] = BUILD
import harness
import npm

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
SIZE = int(os.environ.get("BENCH_BYTES", 1 << 30))
FILES = int(os.environ.get("BENCH_FILES", 5000))
WEB = os.environ.get("BENCH_WEB", "nginx lighttpd").split()
CLIENT = os.path.join(BUILD, "tus_client")
FREE = "create_rate = 1000000000\nmax_open = 1000000\nquota = 1T\n"


def client(*args):
    done = subprocess.run([CLIENT, *map(str, args)], stdout=subprocess.PIPE, check=True, timeout=600)
    lines = [l.split() for l in done.stdout.decode().splitlines()]
    statuses = {int(l[1]): int(l[2]) for l in lines if l[0] == "status"}
    return float(lines[0][1]), statuses, [l[1:] for l in lines if l[0] == "upload"]


def family(pid):
    """PID and what it started: {pid: name}."""
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    text = f.read()
            except OSError:
                continue
            parents[int(entry)] = int(text[text.rindex(")") + 2:].split()[1])
            names[int(entry)] = text[text.index("(") + 1:text.rindex(")")]
    found = {pid}
    while more := {p for p, parent in parents.items() if parent in found and p not in found}:
        found |= more
    return {p: names.get(p, "") for p in found}


def peak_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024


class Slipway:
    def __init__(self, sync, processes=2, web="lighttpd"):
        self.server = harness.Server(f"sync = {'full' if sync else 'none'}\n{FREE}", processes=processes, web=web)
        self.port, self.token = self.server.port, [self.server.tokens["mei"]]

    def fronts(self):
        return [p for p, name in family(self.server.process.pid).items() if name == "slipway.fcgi"]

    def peaks(self):
        return {name: peak_mib(p) for p, name in family(self.server.process.pid).items() if name in ("slipway.fcgi", *WEB)}

    def stop(self):
        self.server.stop()

    def close(self):
        self.server.close()


class Peer:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="slipway-bench-")
        self.port, self.token = harness.free_port(), []
        self.process = subprocess.Popen(["node", f"{TOP}/bench/peers/tus_server.mjs", npm.modules(), str(self.port), self.dir], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"

    def peaks(self):
        return {"node": peak_mib(self.process.pid)}

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


PROXY = """daemon off;
worker_cpu_affinity auto;
{user}pid {dir}/web.pid;
error_log stderr warn;
events {{ worker_connections 2048; }}
http {{
access_log off;
keepalive_requests 10000;
client_body_temp_path {dir}/body;
proxy_temp_path {dir}/proxy;
fastcgi_temp_path {dir}/fastcgi;
uwsgi_temp_path {dir}/uwsgi;
scgi_temp_path {dir}/scgi;
upstream peer {{ server 127.0.0.1:{peer}; keepalive 32; keepalive_requests 1000000; }}
server {{
listen 127.0.0.1:{port};
client_max_body_size 0;
client_body_buffer_size 1m;
location / {{
proxy_pass http://peer;
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_set_header Host $http_host;
proxy_request_buffering off;
proxy_buffering off;
}}
}}
}}
"""


class PeerBehindNginx(Peer):
    """The peer behind the web server and with the settings that Slipway has."""

    def __init__(self):
        super().__init__()
        self.web_dir = tempfile.mkdtemp(prefix="slipway-bench-")
        conf, port = os.path.join(self.web_dir, "web.conf"), harness.free_port()
        with open(conf, "w") as f:
            f.write(PROXY.format(user="user root root;\n" if os.geteuid() == 0 else "", dir=self.web_dir, peer=self.port, port=port))
        self.port = port
        self.web = subprocess.Popen(["nginx", "-e", "stderr", "-c", conf])

    def peaks(self):
        worker = max(peak_mib(p) for p in family(self.web.pid))
        return {**super().peaks(), "nginx": worker}

    def stop(self):
        if self.web.poll() is None:
            self.web.terminate()
            self.web.wait()
        super().stop()

    def close(self):
        super().close()
        shutil.rmtree(self.web_dir, ignore_errors=True)


def compare(title, args, check, unit, keep=False):
    """
    Median seconds of both in turns; fresh servers every round, so that none works through what another left.  KEEP: files are
    removed when all is measured, because ext4 passes over what was deleted lately, to the cost of whoever makes files next.
    """
    kinds = {f"{web}, {'durable' if sync else 'not durable'}": lambda web=web, sync=sync: Slipway(sync, web=web) for web in WEB for sync in (True, False)}
    kinds["peer"] = Peer
    if "nginx" in WEB:
        kinds["peer behind nginx"] = PeerBehindNginx
    times, peaks, done = {k: [] for k in kinds}, {k: {} for k in kinds}, []
    for _ in range(ROUNDS):
        for kind, make in kinds.items():
            s = make()
            try:
                client("small", s.port, 50, 1024, 4, *s.token)
                seconds, statuses, _ = client(*[s.port if a == "PORT" else a for a in args], *s.token)
                check(statuses)
                times[kind].append(seconds)
                for name, mib in s.peaks().items():
                    peaks[kind][name] = max(mib, peaks[kind].get(name, 0))
            finally:
                s.stop()
                if keep:
                    done.append(s)
                else:
                    s.close()
            subprocess.run(["sync"], check=False)
    for s in done:
        s.close()
    peer = statistics.median(times["peer"])
    for kind, list_ in times.items():
        middle = statistics.median(list_)
        memory = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in peaks[kind].items())
        like = f", {statistics.median(times['peer behind nginx']) / middle:.2f} times the peer behind nginx" if kind.startswith("nginx") else ""
        print(f"{title}, {kind}: {middle:.2f} s ({unit / middle:.0f}/s), {peer / middle:.2f} times the peer{like}; {memory}"
              f"   [{' '.join(f'{t:.2f}' for t in list_)}]", flush=True)


def exactly(want):
    def check(statuses):
        assert statuses == want, statuses
    return check


def big():
    n = -(-SIZE // (8 << 20))
    compare("1 GiB in 8 MiB PATCHes (MiB)", ["big", "PORT", SIZE, 8 << 20], exactly({201: 1, 204: n}), SIZE >> 20)


def small():
    for connections in (1, 16):
        compare(f"{FILES} creations with 1 KiB, {connections} connections", ["small", "PORT", FILES, 1024, connections], exactly({201: FILES}), FILES, keep=True)


def descriptors(pids):
    return sum(len(os.listdir(f"/proc/{p}/fd")) for p in pids)


def many():
    s = Slipway(True, processes=4)
    try:
        client("many", s.port, 64, 1 << 18, 1 << 16, *s.token)      # everything that is opened once is open
        fronts = s.fronts()
        assert len(fronts) == 4, fronts
        time.sleep(1)
        before, at_first = descriptors(fronts), max(peak_mib(p) for p in fronts)
        seconds, statuses, uploads = client("many", s.port, 1000, 1 << 20, 1 << 16, *s.token)
        assert set(statuses) <= {200, 201, 204, 503}, statuses
        wrong = 0
        for url, want in uploads:
            uid = url.split("/")[-1]
            with open(os.path.join(s.server.data, "uploads", uid[:2], uid, "data"), "rb") as f:
                wrong += hashlib.sha256(f.read()).hexdigest() != want
        time.sleep(1)
        after, at_last = descriptors(fronts), max(peak_mib(p) for p in fronts)
        assert s.fronts() == fronts, "a front process died"
        assert not wrong and len(uploads) == 1000, wrong
        assert after <= before, (before, after)
        assert at_last < at_first + 8, (at_first, at_last)
        print(f"1,000 uploads of 1 MiB at once in 64 KiB chunks, durable, 4 front processes: {seconds:.1f} s, all 1,000 complete, SHA-256 right, "
              f"answers {statuses}, descriptors {before} before and {after} after, memory {at_first:.0f} and {at_last:.0f} MiB a process", flush=True)
    finally:
        s.close()


def main():
    os.makedirs(BUILD, exist_ok=True)
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-pthread", "-o", CLIENT, f"{TOP}/bench/peers/tus_client.c", "-lcrypto"], check=True)
    wanted = sys.argv[2:] or ["big", "small", "many"]
    for name in wanted:
        {"big": big, "small": small, "many": many}[name]()


if __name__ == "__main__":
    main()
