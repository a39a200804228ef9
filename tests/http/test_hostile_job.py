#!/usr/bin/python3
"""Goal: a job that a hostile file has taken over cannot mislead, stop or fill anything by what it says and leaves: its file
is refused, the worker lives, the next file is taken (security.md 4.3, 12.6, 12.7).  In slipway-geo's place stands a program
that plays such a job when a test has written one, and else starts the real one."""
import contextlib
import os
import shutil
import sys
import tempfile
import time

import harness
from harness import BUILD, Server, main, nothing_left
from steps import JSON, finished, post, saved, table, wait_state

FAKE = r'''#!/usr/bin/python3
import json, os, struct, sys, time
part = os.path.join(os.path.dirname(os.path.abspath(__file__)), "part")
if "--job" not in sys.argv or not os.path.exists(part):
    os.execv(%r, ["slipway-geo"] + sys.argv[1:])
def write(data):
    while data:
        data = data[os.write(1, data):]
def say(message):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    write(struct.pack(">I", len(text)) + text)
with open(part) as f:
    text = f.read()
say({"type": "ready", "level": 1 if "level 1" in text else 3, "gdal": "3", "proj": "9"})
job = json.loads(os.read(0, struct.unpack(">I", os.read(0, 4))[0]))
os.chdir(sys.argv[sys.argv.index("--job") + 1] + "/out")
column = {"i": 0, "name": "a", "original": "a", "type": "text", "nulls": 0, "values": 1}
bundle = {"i": 0, "kind": "csv", "stem": "x", "files": ["x.csv"]}
layer = {"i": 0, "bundle": 0, "name": "x", "kind": "table", "columns": [column], "selected": True}
found = {"type": "result", "kind": "csv", "name": "x", "bundles": [bundle], "layers": [layer], "warnings": []}
made = {"i": 0, "status": "imported", "type": "table", "file": "0.gpkg", "columns": []}
exec(text)
'''
# What a job may not say instead of what it found.
LIES = {
    "a frame of 4 GB": 'write(b"\\xff" * 64)',
    "a frame of 17 MiB": 'say(b" " * (17 << 20))',
    "half a head": 'write(b"\\0\\0")',
    "half a frame": 'write(b"\\0\\0\\1\\0{")',
    "no JSON": 'say(b"hello")',
    "JSON and more": 'say(b"{} {}")',
    "bytes that are no text": 'say(b\'{"type":"result","kind":"\\xc3\\x28"}\')',
    "depth 33": 'say(b"[" * 33 + b"]" * 33)',
    "eight million lists": 'say(b"[" + b"[]," * 5000000 + b"[]]")',
    "one name twice": 'say(b\'{"type":"result","type":"failed","problems":[]}\')',
    "no type": "say({})",
    "a list": "say([])",
    "another type": 'say(dict(found, type="done"))',
    "another kind": 'say(dict(found, kind="exe"))',
    "no layers": 'say({"type": "result", "kind": "csv", "bundles": []})',
    "a layer of no bundle": 'say(dict(found, layers=[dict(layer, bundle=1)]))',
    "a layer out of order": 'say(dict(found, layers=[dict(layer, i=1)]))',
    "a negative count": 'say(dict(found, layers=[dict(layer, count=-2)]))',
    "a count of 2^62": 'say(dict(found, layers=[dict(layer, count=1 << 62)]))',
    "a number as a name": 'say(dict(found, layers=[dict(layer, name=7)]))',
    "a name of 1 MB": 'say(dict(found, layers=[dict(layer, name="n" * 1000000)]))',
    "an extent of three": 'say(dict(found, layers=[dict(layer, extent=[1, 2, 3])]))',
    "a digest of another file": 'say(dict(found, digests=[{"n": 9, "md5": "0" * 32, "sha256": "0" * 64}]))',
    "a problem with a path for a code": 'say({"type": "failed", "problems": [{"code": "../../etc/passwd"}]})',
    "a failure without a problem": 'say({"type": "failed", "problems": []})',
    "100000 problems": 'say({"type": "failed", "problems": [{"code": "a"}] * 100000})',
    "progress without end": 'while True: say({"type": "progress", "phase": "inspect", "message": "writing", "done": 1, "total": 2})',
    "log without end": """
[os.fork() for _ in range(3)]
while True:
	try:
		os.write(2, b"all is well " * 5000)
	except BlockingIOError:
		pass
""",
    "threads without end": """
import threading
threading.stack_size(65536)
for _ in range(400):
	threading.Thread(target=time.sleep, args=(1000,)).start()
""",
    "nothing, for ever": "time.sleep(1000)",
    "nothing, its answers shut": "os.close(1); time.sleep(1000)",
    "killed": "os.kill(os.getpid(), 9)",
    "ended": "pass",
}
# Nor instead of what it made.
MADE = {
    "no layers": 'say({"type": "result", "layers": []})',
    "a layer more": 'say({"type": "result", "layers": [dict(made), dict(made, i=1, file="1.gpkg")]})',
    "another layer": 'say({"type": "result", "layers": [dict(made, i=1, file="1.gpkg")]})',
    "another layer's file": 'open("1.gpkg", "w"); say({"type": "result", "layers": [dict(made, file="1.gpkg")]})',
    "a file elsewhere": 'say({"type": "result", "layers": [dict(made, file="../in/1.csv")]})',
    "a file by its whole path": 'say({"type": "result", "layers": [dict(made, file="/etc/passwd")]})',
    "no file named": 'say({"type": "result", "layers": [dict(made, file=None)]})',
    "no file there": 'say({"type": "result", "layers": [made]})',
    "a folder": 'os.mkdir("0.gpkg"); say({"type": "result", "layers": [made]})',
    "a pipe": 'os.mkfifo("0.gpkg"); say({"type": "result", "layers": [made]})',
    "a symbolic link": 'os.symlink("/etc/passwd", "0.gpkg"); say({"type": "result", "layers": [made]})',
    "a hard link": 'os.link("../../../secret", "0.gpkg"); say({"type": "result", "layers": [made]})',
    "a linked picture": 'open("0.gpkg", "w"); os.link("../../../secret", "0.png"); say({"type": "result", "layers": [dict(made, thumbnail="0.png")]})',
    "a linked map": 'open("0.gpkg", "w"); os.symlink("../../../secret", "0.map.json"); say({"type": "result", "layers": [dict(made, map="0.map.json")]})',
    "a linked report": 'os.symlink("/etc/passwd", "report.jsonl"); say({"type": "result", "layers": [made], "report": "report.jsonl"})',
    "20000 folders deep": """
at = os.open(".", os.O_RDONLY)
for _ in range(20000):
	os.mkdir("d", dir_fd=at)
	inner = os.open("d", os.O_RDONLY, dir_fd=at)
	os.close(at)
	at = inner
time.sleep(1000)
""",
    "file after file": """
for i in range(100):
	with open("%d" % i, "wb") as f:
		f.write(b"x" * (1 << 20))
time.sleep(1000)
""",
    "50000 empty files": """
for i in range(50000):
	open("%d" % i, "w").close()
time.sleep(1000)
""",
}


@contextlib.contextmanager
def part(text):
    path = os.path.join(harness.BUILD, "part")
    with open(path, "w") as f:
        f.write(text)
    try:
        yield
    finally:
        os.unlink(path)


def honest(server):
    """The same site takes an ordinary file at once."""
    session = saved(server, table("good.csv", "lat,lng,name", "1,2,a"))
    assert wait_state(server, session, "WAITING", "INVALID", seconds=20)["state"] == "WAITING"
    server.post(f"/upload/delete/{session}", {}, accept=JSON)


def test_what_an_inspection_says_is_not_believed(server):
    for what, text in LIES.items():
        before, started = server.traces(), time.monotonic()
        with part(text):
            a = server.save(table("x.csv", "a,b", "1,2"))
        took = time.monotonic() - started
        assert a.status == 400 and a.json["code"] in ("inspect_failed", "inspect_timeout"), (what, a)
        assert took < 15, (what, took)
        assert what != "threads without end" or a.json["code"] == "inspect_failed", a
        nothing_left(server, before)
    honest(server)


def test_a_jail_that_is_not_tight_gets_no_file(server):
    """It is the server's fault, and said so (security.md 4.1): jail.min_level is 2."""
    before = server.traces()
    with part("# level 1"):
        for accept, query in ((JSON, ""), (None, "?force_ajax=true"), ("text/html", "")):
            a = server.post("/upload/" + query, {}, [("files", *table("x.csv", "a,b", "1,2"))], accept=accept)
            assert a.status == 503 and "Tell the administrator" in a.text, a
            assert accept == "text/html" or a.json["code"] == "jail_unavailable", a
            nothing_left(server, before)
    honest(server)


def test_what_an_inspection_leaves_is_no_way_out(server):
    for leave in ('open("preview-0.json", "w").truncate(1 << 30); os.symlink("/etc/passwd", "preview-0.png")',
                  'os.symlink("/etc/passwd", "preview-0.json"); os.link("../../../secret", "preview-0.png")',
                  'os.mkdir("preview-0.json"); os.mkfifo("preview-0.png")'):
        with part(leave + "; say(found)"):
            session = saved(server, table("x.csv", "a,b", "1,2"))
        for query in ("", "&image=1"):
            a = server.get(f"/upload/preview?id={session}&layer=0{query}", accept=JSON)
            assert a.status == 404, (leave, query, a)
        server.post(f"/upload/delete/{session}", {}, accept=JSON)
    honest(server)


def test_what_an_import_says_and_leaves_is_not_believed(server):
    session = saved(server, table("x.csv", "a,b", "1,2"))
    assert post(server, session, "csv", geometry="none").status == 200
    before = server.traces()
    for what, text in MADE.items():
        started = time.monotonic()
        with part(text):
            a = post(server, session, "final", title=what)
            if a.status == 202:
                a = server.wait_finished(session)
        much = what in ("20000 folders deep", "file after file", "50000 empty files")
        assert a.json["status"] == "error" and a.json["code"] == ("import_output_too_big" if much else "import_failed"), (what, a)
        assert time.monotonic() - started < 15, what
        nothing_left(server, before)
    assert finished(server, session)["dataset"]["count"] == 1
    honest(server)


if __name__ == "__main__":
    # Programs find each other by their own place.
    folder = tempfile.mkdtemp(prefix="slipway-programs-")
    try:
        os.chmod(folder, 0o755)
        for name in ("slipway", "slipway-worker", "slipway.fcgi"):
            shutil.copy2(f"{BUILD}/{name}", folder)
        with open(f"{folder}/slipway-geo", "w") as f:
            f.write(FAKE % os.path.abspath(f"{BUILD}/slipway-geo"))
        os.chmod(f"{folder}/slipway-geo", 0o755)
        os.utime(f"{folder}/slipway-geo", (1, 1))      # an index that another test made still counts
        harness.BUILD = folder
        own = Server("[worker]\ninspect_s = 3\n[wizard]\ninspect_wait_s = 14\n[jail]\noutput_max_bytes = 8M\nzip_max_bytes = 8M")
        try:
            main(sys.modules[__name__], own)
        finally:
            own.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
