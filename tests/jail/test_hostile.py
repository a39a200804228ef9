#!/usr/bin/python3
"""
Goal: no hostile file of A07-A29 makes slipway-geo open a file it was not given, or a connection, or leave anything
behind; each is refused with the right code, or read, in little time.

Run with SLIPWAY_GEO=path/to/slipway-geo.  SLIPWAY_LEVELS="3 2 1" says which levels of the jail to force (with strace).
"""
import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile
import jail

SECRET = "canary-7c1f9e-secret-row"
# How a lower level is forced: the kernel is made to say that it has no such thing.
FORCE = {3: [], 2: ["inject=landlock_create_ruleset:error=ENOSYS"],
         1: ["inject=landlock_create_ruleset:error=ENOSYS", "inject=prctl:error=EINVAL:when=3+"]}
SECONDS = {"A21": 2.0}


class Listener:
    def __init__(self):
        self.hits = []
        hits = self.hits

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_one_request(self):
                hits.append(self.client_address)
                self.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_port


def strace(level, log):
    argv = ["strace", "-f", "-qq", "-o", log, "-e", "trace=open,openat,socket,connect,execve,landlock_create_ruleset,prctl"]
    for e in FORCE[level]:
        argv += ["-e", e]
    return argv


def judge(case, frame, status, log, canary, trace):
    """What is wrong with the outcome; '' = nothing."""
    _, _, files, expected = case
    text = "" if frame is None else str(frame)
    got = set(jail.codes(frame)) if frame is None or frame["type"] == "failed" else {"ok"}
    if "Sanitizer" in log or "runtime error" in log:
        return log[:2000]
    if SECRET in text or SECRET in log:
        return "the secret is told"
    if "/tmp/" in text.replace(canary, "") and "detail" not in text:
        return "a path is told"
    if "any" not in expected and not got & expected:
        return "got %s, expected %s" % (sorted(got), sorted(expected))
    for line in trace.splitlines():
        if canary in line and "= -1" not in line:
            return "opened the canary: " + line
        # The first connection attempt would be one to libc's resolver or straight to the address.
        if re.search(r"\b(connect|socket)\(", line) and "= -1" not in line:
            return "made a socket: " + line
        if "execve(" in line and "slipway-geo" not in line:
            return "executed: " + line
    return ""


def run_level(level, cases, canary, listener):
    failures, done, slowest = [], 0, (0, "")
    for case in cases:
        with tempfile.NamedTemporaryFile("r", suffix=".strace") as trace:
            started = time.monotonic()
            try:
                prefix = strace(level, trace.name) if level < 3 or case[0] in ("A13", "A15", "A22") else []
                frame, status, log = jail.inspect(case[2], timeout=90, prefix=prefix)
                wrong = judge(case, frame, status, log, canary, trace.read())
            except TimeoutError:
                wrong = "silent for 90 s"
            took = time.monotonic() - started
        if listener.hits:
            wrong = "called home"
            listener.hits.clear()
        if not wrong and not prefix and took > SECONDS.get(case[0], 30):
            wrong = "took %.1f s" % took
        slowest = max(slowest, (took, case[1]))
        done += 1
        if wrong:
            failures.append(case)
            print("FAIL level %d %s %s: %s" % (level, case[0], case[1], wrong))
    print("level %d: %d hostile inputs, %d failures, slowest %.1f s (%s)" % (level, done, len(failures), *slowest))
    return len(failures)


def forced_level(level):
    with jail.Jail({}, prefix=[] if level == 3 else strace(level, "/dev/null")) as j:
        return j.wait_ready()["level"]


def main():
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    listener = Listener()
    failed = 0
    with tempfile.NamedTemporaryFile("w", prefix="canary-", suffix=".csv", delete=False) as f:
        f.write("a,b\n%s,1\n" % SECRET)
    os.chmod(f.name, 0o644)
    try:
        cases = [c for c in hostile.cases(listener.url, f.name) if only in c[0] + " " + c[1]]
        for level in map(int, os.environ.get("SLIPWAY_LEVELS", "3 2 1").split()):
            if forced_level(level) != level:
                print("level %d cannot be had here: it is %d" % (level, forced_level(level)))
                continue
            failed += run_level(level, cases, f.name, listener)
    finally:
        os.unlink(f.name)
    left = [n for n in os.listdir(tempfile.gettempdir()) if n.startswith("SLIP") and not n.startswith("SLIPWAY")]
    if left:
        print("FAIL left behind:", left)
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main())
