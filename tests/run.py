#!/usr/bin/python3
"""Run every test of the tree and count: tests/run.py BUILD_DIR [GROUP…].

Programs of the groups in SIDE_BY_SIDE run two at a time: each has a server, folders and ports of its own.

Groups: lint, install, unit, fuzz, jail, http, clients, browser, crash.  Each program prints TAP lines ("ok 1 - …", "not ok 2 - …");
one that ends badly without a "not ok" counts as a failure.  The last line is "N passed, N failed".
"""
import concurrent.futures
import glob
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time

SIDE_BY_SIDE = ("unit", "fuzz", "jail", "http", "clients", "browser", "crash")
# Of two at a time the longest ones begin first, so that none is left alone at the end.
LONGEST = ("test_pages.py", "test_hostile.py", "test_libraries.py", "test_mail.py", "test_selftest.py", "test_bundle.py", "test_resume.py",
           "test_transports.py", "test_backup.py")
PYTHON = "/usr/bin/python3"      # Debian's: the test packages are installed for it
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def programs(build, group):
    """(name, command, seconds allowed) of each test program of GROUP."""
    py = lambda pattern: sorted(glob.glob(os.path.join(TOP, pattern)))
    if group == "unit":
        for path in sorted(glob.glob(f"{build}/unit/*/test_*")):
            if not path.endswith(".d") and os.access(path, os.X_OK):
                yield os.path.relpath(path, build), [path], 300
    elif group == "fuzz":
        yield "tests/fuzz corpora", ["sh", os.path.join(TOP, "tests/fuzz/run.sh"), "replay"], 600
    else:
        limit = {"lint": 120, "jail": 600, "http": 900, "clients": 900, "browser": 900, "crash": 900, "install": 600}[group]
        if group == "crash":
            yield "tests/crash/gate_kill", [f"{build}/crash/gate_kill", "--seconds", "15", "--kills", "60"], 120
        for path in sorted(py(f"tests/{group}/test_*.py"), key=lambda path: not path.endswith(LONGEST)):
            yield os.path.relpath(path, TOP), [PYTHON, path], limit


def run(name, command, limit, env):
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=TOP, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit)
        text, status = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text, status = (late.stdout or b"").decode("utf-8", "replace") + f"\n(over {limit} s)", -1
    good = len(re.findall(r"^ok\b", text, re.M))
    bad = len(re.findall(r"^not ok\b(?! \d+ # SKIP)", text, re.M))      # as cmocka tells of those left out
    ran = re.search(r"^Ran (\d+) tests?", text, re.M)      # Python's unittest counts by itself
    if ran:
        worse = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", text))
        skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", text))
        good, bad = good + max(int(ran[1]) - worse - skipped, 0), bad + worse      # a class that fails to begin ran no test
    if status != 0 and bad == 0:
        bad = 1
    if status == 0 and good + bad == 0:
        good = 1
    report = (f"{'FAIL' if bad else 'ok  '} {name}  {good} passed{f', {bad} failed' if bad else ''}"
              f"  ({time.monotonic() - start:.1f} s)")
    if bad:
        lines = [l for l in text.splitlines() if not re.match(r"^ok\b", l)]
        report += "".join("\n    " + l for l in lines[-60:])
    print(report, flush=True)
    return good, bad


def seen_elsewhere(build):
    """
    Servers that root starts become www-data.  Where he may not enter, as below /root, all runs once more in a place that
    shows the tree, and what lies beside it, to everybody.  Returns when there is no need.
    """
    if os.geteuid() != 0 or subprocess.run(["test", "-x", TOP], user="www-data", group="www-data", extra_groups=[]).returncode == 0:
        return
    if subprocess.run(["unshare", "--mount", "true"]).returncode != 0:
        sys.exit(f"www-data may not enter {TOP}: put it where everybody may, or run this as another user")
    place = tempfile.mkdtemp(prefix="slipway-tree-")
    os.chmod(place, 0o755)
    tree, shared = f"{place}/tree", f"{place}/shared"
    os.mkdir(tree)
    os.mkdir(shared)
    if os.path.commonpath([build, TOP]) == TOP:
        build = os.path.join(tree, os.path.relpath(build, TOP))
    script = 'mount --bind "$1" "$2" && { [ ! -d "$3" ] || mount --bind "$3" "$4"; } && cd "$2" && shift 4 && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", TOP, tree, os.path.join(os.path.dirname(TOP), "shared"), shared,
                           PYTHON, f"{tree}/tests/run.py", build, *sys.argv[2:]])
    for there in (tree, shared, place):
        os.rmdir(there)
    sys.exit(done.returncode)


def main():
    build = os.path.abspath(sys.argv[1])
    seen_elsewhere(build)
    groups = sys.argv[2:] or ["lint", "install", "unit", "fuzz", "jail", "http", "clients", "browser", "crash"]
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", SLIPWAY_BUILD=build, SLIPWAY_GEO=f"{build}/slipway-geo", B=build, PYTHONDONTWRITEBYTECODE="1")
    good = bad = 0
    leave_out = os.environ.get("EXCEPT", "").split()
    for beside, some in itertools.groupby(groups, lambda group: group in SIDE_BY_SIDE):
        with concurrent.futures.ThreadPoolExecutor(2 if beside else 1) as pool:
            tries = [pool.submit(run, name, command, limit, env) for group in some for name, command, limit in programs(build, group)
                     if not any(name.endswith(e) for e in leave_out)]
            for done in tries:
                good, bad = good + done.result()[0], bad + done.result()[1]
    print(f"{good} passed, {bad} failed")
    sys.exit(1 if bad or good == 0 else 0)


main()
