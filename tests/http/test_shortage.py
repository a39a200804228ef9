#!/usr/bin/python3
"""Goal: what the operating system refuses (processes, descriptors, memory, writing) is told as the server's trouble, with when
to try again; nobody's file is blamed for it or lost, and once there is enough again, all goes on (security.md R7; store.md 12)."""
import contextlib
import os
import pwd
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import signed
from harness import BUILD, TOP, Server, crs_index_lend, free_port, main
from steps import JSON, code, finished, get, post, saved, state, table, wait_state
from test_cgi import FRONT, owner, parse, start, variables
from test_progress import pids

CSV = table("good.csv", "lat,lng,name", "1,2,a")


@contextlib.contextmanager
def limited(server, name, limit, most):
    """The processes NAME may have no more than MOST of LIMIT, a word of prlimit's."""
    found = pids(server, name)
    assert found

    def set_all(value):
        for pid in found:      # as the one it belongs to: root in a container may not
            subprocess.run(["prlimit", f"--pid={pid}", f"--{limit}={value}:"], stderr=subprocess.DEVNULL, **owner(server))

    before = subprocess.run(["prlimit", f"--pid={found[0]}", f"--{limit}", "--output=SOFT", "--noheadings"], stdout=subprocess.PIPE, check=True,
                            **owner(server)).stdout.decode().strip()
    set_all(most)
    try:
        yield
    finally:
        set_all(before)


def test_a_job_that_cannot_be_started_is_no_fault_of_the_file(server):
    for accept, query in ((JSON, ""), (None, "?force_ajax=true"), ("text/html", "")):
        with limited(server, "slipway-worker", "nproc", 1):
            a = server.post("/upload/" + query, {}, [("files", *CSV)], accept=accept)
            assert a.status == 503 and a.header("Retry-After") == "1" and "Your files are kept" in a.text, a
            assert "damaged" not in a.text and "cannot be used" not in a.text, a
            if accept == "text/html":
                assert "/upload/retry?id=" in a.text, a
                continue
            assert code(a) == "job_not_started" and a.json["url"] == f"/upload/?id={a.json['id']}", a
            session = a.json["id"]
            for again in (get(server, session, "csv"), get(server, session, "check"), post(server, session, "retry")):
                assert again.status == 503 and code(again) == "job_not_started", again
            assert state(server, session)["state"] == "INVALID"
        a = get(server, session, "csv")      # what was short is there again: asking again is enough
        assert a.status == 200 and a.json["page"], a
        for step, fields in (("csv", {"lat": "lat", "lng": "lng"}), ("srs", {"source": "EPSG:4326"})):
            a = post(server, session, step, **fields)
            assert a.status == 200, a
        with limited(server, "slipway-worker", "nproc", 1):
            a = post(server, session, "final")
            assert a.status == 200 and code(a) == "job_not_started", a
        assert finished(server, session)["dataset"]["count"] == 1


def test_the_same_save_again_is_the_same_session(server):
    with limited(server, "slipway-worker", "nproc", 1):
        a = server.save(CSV, fields={"nonce": "once"})
        assert a.status == 503, a
    again = server.save(CSV, fields={"nonce": "once"})
    assert again.status == 201 and again.json["id"] == a.json["id"], again


def refused(server, path, error, method, where, body=b"", kind=None, when="1+", **more):
    """The answer of a CGI process that cannot open PATH; WHEN: the first time, every time."""
    me = pwd.getpwuid(os.stat(server.data).st_uid).pw_name      # only root may look at the names it opens
    words = ["-qq", "-u", me, "-o", "/dev/null", "-P", path, "-e", "trace=openat", "-e", f"inject=openat:error={error}:when={when}", FRONT]
    return parse(start(server, variables(server, method, where, body, kind, **more), body, program="/usr/bin/strace", words=words, user=0, group=0))


def test_a_disk_that_may_only_be_read_is_told(server):
    """So is a lack of descriptors: 503 with when to try again, by every client's way, and not our fault (500)."""
    if os.geteuid() != 0:
        print("# only root may look into a front")
        return
    tus = {"accept": None, "HTTP_TUS_RESUMABLE": "1.0.0"}
    a = server.request("POST", "/files/", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "10"})
    url = a.header("Location")
    session = saved(server, CSV)
    wait_state(server, session, "WAITING")
    patch = {"CONTENT_TYPE": "application/offset+octet-stream", "HTTP_UPLOAD_OFFSET": "0", "CONTENT_LENGTH": "10"}
    for error, name, wait in (("EROFS", "ERR_STORE", "5"), ("EMFILE", "ERR_SHORT", "1")):
        answers = [refused(server, "lock", error, "HEAD", url, **tus), refused(server, "lock", error, "PATCH", url, b"0123456789", **patch, **tus),
                   refused(server, "locks/sessions", error, "GET", f"/upload/final?id={session}"),
                   refused(server, "locks/sessions", error, "GET", f"/upload/check?id={session}", accept="text/html"),
                   refused(server, f"{server.data}/catalog.sqlite", error, "GET", "/datasets/")]
        told = [(a.status, a.header("X-Slipway-Error"), a.header("Retry-After")) for a in answers]
        assert set(told) == {(503, name, wait)}, told


def count_open(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_a_front_without_descriptors_holds_nobody_up(_):
    """Berkeley DB waits twelve seconds for one, inside the gate: so none may be missing there (store.md 4.5)."""
    own = Server(processes=1)
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
    try:
        front, = pids(own, "slipway.fcgi")
        answers = []
        for spare in (1, 2, 3, 5):
            with limited(own, "slipway.fcgi", "nofile", count_open(front) + spare):
                for ask in (lambda: own.request("POST", "/files/", headers=tus), lambda: own.save(CSV), lambda: own.get("/upload/", accept="text/html"),
                            lambda: own.get("/static/slipway.css"), lambda: own.get("/api/v2/uploads/", accept=JSON)):
                    began = time.monotonic()
                    a = ask()
                    answers.append((spare, a.status, a.header("Retry-After")))
                    assert a.status in (200, 201) or a.status == 503 and a.header("Retry-After"), (answers, a)
                    assert time.monotonic() - began < 4, answers
        assert 503 in [a[1] for a in answers], answers
        assert own.save(CSV).status == 201 and pids(own, "slipway.fcgi") == [front]
        assert "not free in time" not in own.log() and own.log().count("accept: ") < 30, own.log()
    finally:
        own.close()


def test_as_many_descriptors_as_the_host_allows(server):
    """Most begin with 1024, which two forms of 200 files have open; with too few for anything the start is refused."""
    for soft, hard, status, told in ((64, 4096, 200, ""), (64, 64, 503, "may have 64 files open"), (200, 200, 200, "")):
        done = start(server, variables(server, "GET", "/datasets/"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
        a = parse(done)
        assert a.status == status and told in done.stderr.decode(), (soft, hard, a, done.stderr)
        assert status == 200 or a.header("Retry-After"), a.headers
    front = pids(server, "slipway.fcgi")[0]
    with open(f"/proc/{front}/limits") as f:
        soft, hard = re.search(r"Max open files +(\d+) +(\d+)", f.read()).groups()
    assert int(soft) == min(int(hard), 65536), (soft, hard)


def test_what_a_killed_serve_left_goes_with_the_next(_):
    own = Server(processes=1)
    try:
        serves = [line for line in os.listdir(own.data + "/run") if line.startswith("serve-")]
        folder = "/tmp/slipway-" + serves[0].partition("-")[2]
        assert len(serves) == 1 and os.path.exists(folder + "/front.sock"), serves
        body, young = own.data + "/tmp/lighttpd-upload-abcdef", own.data + "/tmp/lighttpd-upload-ghijkl"
        own.process.kill()
        own.process.wait()
        for path, age in ((body, 7200), (young, 60)):
            with open(path, "w") as f:
                os.utime(f.fileno(), (time.time() - age,) * 2)
        assert os.path.exists(folder)
        end = time.monotonic() + 15
        while True:      # whoever outlived it frees the port
            try:
                own.start()
                break
            except AssertionError:
                assert time.monotonic() < end
        assert not os.path.exists(folder) and not os.path.exists(body) and os.path.exists(young), os.listdir(own.data + "/tmp")
        now, = [line for line in os.listdir(own.data + "/run") if line.startswith("serve-")]
        assert own.save(CSV).status == 201
        own.stop()
        assert not os.path.exists("/tmp/slipway-" + now.partition("-")[2]) and not os.path.exists(f"{own.data}/run/{now}")
    finally:
        own.close()


def test_serve_where_tmp_takes_nothing(_):
    """Its socket then lies below the data."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as there:
        os.chmod(there, 0o711)
        crs_index_lend(there + "/data")
        port = free_port()
        with open(there + "/slipway.conf", "w") as f:
            f.write(f"[server]\ntemplate_dir = {TOP}/templates\nstatic_dir = {TOP}/static\n[upload]\nmin_free = 64M\n")
        closed = "mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp && exec \"$@\""
        serve = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", closed, "sh", f"{BUILD}/slipway", "serve", "--listen",
                                  f"127.0.0.1:{port}", "--data-dir", there + "/data", "--config", there + "/slipway.conf"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            for line in serve.stdout:
                if b"is ready" in line:
                    run = os.listdir(there + "/data/run")
                    assert [n for n in run if n.startswith("slipway-")], run
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
                        assert answer.status == 200
                    break
            else:
                assert os.geteuid() != 0, "serve ended"      # only root has a /tmp of its own
        finally:
            serve.terminate()
            serve.wait(20)
        left = os.listdir(there + "/data/run") if os.path.exists(there + "/data/run") else []
        assert not [n for n in left if "-" in n], left


def test_a_table_that_could_not_be_written_to_once_is_opened_again(server):
    """SQLite opens for reading what it cannot open for writing, whatever the reason: no process may keep that (signed-api.md 3.6)."""
    signed.configure(server, {"loader": {}}, {name: {"table": "t(a)", "columns": {"a": "text"}} for name in ("closed", "crowded")})
    for name in ("closed", "crowded"):
        signed.table(server, name, "create table t(a)")
    path = server.data + "/tables/%s.sqlite"
    if os.stat(server.data).st_uid != 0:      # root may write anywhere
        os.chmod(path % "closed", 0o400)
        told = [signed.rows(server, "closed", [["a"], ["x"]]).json for _ in range(6)]
        assert {t["status"] for t in told} == {500} and all("permission" in t["msg"] for t in told), told
        os.chmod(path % "closed", 0o600)
    told = [signed.rows(server, "closed", [["a"], ["x"]]) for _ in range(6)]
    assert [t.body for t in told if t.body != signed.SUCCESS] == [], told
    if os.geteuid() == 0:
        for error in ("EMFILE", "EROFS"):      # no lack of rights
            body = urllib.parse.urlencode(signed.signed("crowded", ds=[["a"], ["x"]])).encode()
            form = "application/x-www-form-urlencoded"
            a = refused(server, path % "crowded", error, "POST", signed.ROWS, body, form, when="1", user=None)
            assert a.json == {"status": 503, "msg": "database not reachable"}, a
        assert signed.table(server, "crowded", "select count(*) from t") == [(0,)]
        assert signed.rows(server, "crowded", [["a"], ["x"]]).body == signed.SUCCESS


if __name__ == "__main__":
    main(sys.modules[__name__])
