"""Goal: background work can be watched, cancelled, killed and repeated, and yields exactly one dataset or a plain error
(wizard.md 14; cases 5, 32, 33, 34; section 21: import running, already imported, slipway-geo killed)."""
import concurrent.futures
import contextlib
import glob
import json
import os
import re
import resource
import signal
import shutil
import subprocess
import tempfile
import time

from harness import BUILD, USER, Server, main
from made import Browser, geojson, shapefile, WGS84
from steps import code, configured, finished, get, points, post, saved, state, table, wait_state

BIG = 150_000      # rows: an import of some seconds


def big(server, name, n=BIG, user="mei"):
    """A session of N points that only lacks final."""
    text = "lat,lng,name,more\n" + "".join(f"{i % 89}.5,{i % 179}.5,row {i},{'x' * 20}\n" for i in range(n))
    session = saved(server, (f"{name}.csv", text.encode()), user=user)
    wait_state(server, session, "WAITING", user=user)
    assert post(server, session, "csv", user=user, lat="lat", lng="lng").status == 200
    assert post(server, session, "srs", user=user, source="EPSG:4326").status == 200
    return session


def start(server, session, user="mei"):
    """POST final like a browser: it does not wait."""
    a = server.post(f"/upload/final?id={session}", {}, accept="text/html", user=user)
    assert a.status == 303 and a.header("Location") == f"/upload/progress?id={session}", a


def pids(server, name):
    """Our own processes called NAME: children of this server's serve, or their children."""
    parent = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                text = f.read()
            comm, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
            parent[int(pid)] = (comm, int(rest[1]))
        except (FileNotFoundError, ProcessLookupError):
            pass
    found = []
    for pid, (comm, up) in parent.items():
        while comm == name[:15] and up > 1 and up != server.process.pid:
            up = parent.get(up, ("", 0))[1]
        if comm == name[:15] and up == server.process.pid:
            found.append(pid)
    return found


def reads(pid):
    """Has this process an input of a job open?"""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return any("/in/" in os.readlink(fd) for fd in glob.glob(f"/proc/{pid}/fd/*"))
    return False


def kill_job(server, seconds=10):
    """kill -9 of a job as soon as one is at work: one killed before that has seen no file."""
    end = time.monotonic() + seconds
    while not (found := [pid for pid in pids(server, "slipway-geo") if reads(pid)]):
        assert time.monotonic() < end
        time.sleep(0.01)
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def kill(server, name, seconds=10):
    """kill -9 of the process NAME as soon as there is one."""
    end = time.monotonic() + seconds
    while not (found := pids(server, name)):
        assert time.monotonic() < end, name
        time.sleep(0.01)
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def datasets(server, user="mei"):
    return server.get("/datasets/", accept="application/json", user=user).json["total"]


def job_files(server):
    return [os.path.join(b, n) for b, _, names in os.walk(os.path.join(server.data, "jobs")) for n in names]


def test_progress_without_id_is_none(server):
    for query in ("", "?id=", "?id=undefined", "?id=abc", "?id=-1"):
        for user in ("mei", None):
            a = server.get(f"/upload/progress{query}", user=user)
            assert a.status == 200 and a.json == {"state": "NONE"}, (query, a)


def test_progress_is_the_owners(server):
    session = saved(server, geojson("p.geojson", [(1, 2)]))
    assert get(server, session, "progress").json["state"] == "READY"
    for accept in ("application/json", "text/html"):
        foreign = get(server, session, "progress", user="otto", accept=accept)
        unknown = get(server, 999999, "progress", user="otto", accept=accept)
        assert foreign.status == unknown.status == 404, (foreign, unknown)
    assert get(server, session, "progress", user=None).status == 401
    assert get(server, session, "progress", user="admin").status == 200


def test_progress_words_follow_the_session(server):
    session = saved(server, *shapefile("noprj", [(1, 2), (3, 4)]))
    j = get(server, session, "progress").json
    assert j["state"] == "NO_CRS" and j["session_state"] == "WAITING" and j["percent"] == 50 and j["phase"] == "inspect", j
    assert set(j) >= {"progress", "total", "message", "layer", "rows_bad", "poll_after_ms", "redirect_to"}, j
    post(server, session, "srs", source="EPSG:4326")
    assert get(server, session, "progress").json["state"] == "READY"
    finished(server, session)
    a = get(server, session, "progress")
    assert a.json["state"] == "COMPLETE" and a.json["percent"] == 100 and a.json["session_state"] == "PROCESSED", a
    assert a.json["redirect_to"] == f"/upload/final?id={session}" and a.header("Retry-After") == "1"
    page = get(server, session, "progress", accept="text/html")
    assert page.status == 303 and page.header("Location").startswith("/datasets/"), page


def test_percent_never_falls_while_running(server):
    session = big(server, "watched")
    start(server, session)
    seen, states, rows = [], set(), []
    end = time.monotonic() + 60
    while time.monotonic() < end:
        j = get(server, session, "progress").json
        if j.get("unit") == "rows":
            rows.append((j["progress"], j["total"], j["message"]))
        assert j["session_state"] != "COMPLETE" or j["state"] != "RUNNING" or (j["message"], j["unit"]) == ("Publishing", None), j
        seen.append(j["percent"])
        states.add(j["session_state"])
        if j["state"] != "RUNNING":
            assert j["state"] == "COMPLETE" and j["progress"] == j["total"] > 0, j
            break
        assert j["phase"] == "import" and 1000 <= j["poll_after_ms"] <= 5000 and j["message"], j
        time.sleep(0.05)
    assert seen == sorted(seen) and seen[-1] == 100, seen
    assert states <= {"PENDING", "RUNNING", "COMPLETE", "PROCESSED"} and "RUNNING" in states, states
    assert all(0 < done <= BIG and message == "Writing features" for done, _, message in rows), rows


def test_running_import_refuses_other_input(server):
    session = big(server, "busy")
    start(server, session)
    a = post(server, session, "srs", source="EPSG:3857")
    assert a.status == 409 and code(a) == "import_running", a
    a = post(server, session, "final", title="another")
    assert a.status == 409 and code(a) == "import_running", a
    page = server.post(f"/upload/srs?id={session}", {"source": "EPSG:3857"}, accept="text/html")
    assert page.status == 303 and "note=import_running" in page.header("Location"), page
    page = get(server, session, "progress", accept="text/html")
    assert page.status == 200 and page.header("Refresh") == "3" and 'role="status"' in page.text, page
    head = server.request("HEAD", f"/upload/final?id={session}", headers={"Accept": "application/json"})
    assert head.status == 200 and head.body == b"", head
    a = post(server, session, "run")      # equal input: the same import goes on
    if a.status == 202:
        assert a.json["status"] == "pending" and a.json["redirect_to"].startswith(f"/upload/final?id={session}"), a
        assert a.json["progress"] == f"/upload/progress?id={session}"
        a = server.wait_finished(session)
    assert a.json["status"] == "finished", a
    url = a.json["url"]
    a = post(server, session, "srs", source="EPSG:3857")
    assert a.status == 409 and code(a) == "already_imported", a
    a = post(server, session, "final", title="another")
    assert a.status == 409 and code(a) == "already_imported" and a.json["url"] == url, a
    a = post(server, session, "final")
    assert a.status == 200 and a.json["status"] == "finished" and "redirect_to" not in a.json, a


def test_cancel_while_running_keeps_the_inputs(server):
    before = datasets(server)
    session = big(server, "stopped")
    start(server, session)
    wait_state(server, session, "RUNNING")
    a = post(server, session, "cancel")
    assert a.status == 200 and a.json == {"success": True, "status": "canceled", "id": session,
                                          "redirect_to": f"/upload/final?id={session}"}, a
    assert state(server, session)["state"] == "WAITING"
    assert get(server, session, "progress").json["state"] in ("RUNNING", "CANCELED")      # until the job has stopped
    end = time.monotonic() + 5
    while get(server, session, "progress").json["state"] != "CANCELED" or job_files(server):
        assert time.monotonic() < end, (get(server, session, "progress"), job_files(server))
        time.sleep(0.1)
    assert datasets(server) == before and state(server, session)["state"] == "WAITING"
    a = post(server, session, "cancel")
    assert a.status == 409 and code(a) == "nothing_running", a
    assert get(server, session, "srs").json["page"]["source"] == "EPSG:4326"
    done = finished(server, session)
    assert done["dataset"]["count"] == BIG and datasets(server) == before + 1


def test_cancel_before_it_began(server):
    session = big(server, "early", n=100)
    others = [big(server, f"first{i}", n=60_000) for i in range(2)]      # two at a time: the third waits
    for other in others:
        start(server, other)
    start(server, session)
    assert state(server, session)["state"] == "PENDING"
    assert state(server, session)["progress"] == 33
    a = server.post(f"/upload/cancel?id={session}", {}, accept="text/html")
    assert a.status == 303 and a.header("Location").startswith(f"/upload/final?id={session}"), a
    assert state(server, session)["state"] == "WAITING"
    for other in others:
        assert server.wait_finished(other).json["status"] == "finished"
    assert state(server, session)["state"] == "WAITING"
    finished(server, session)


def test_cancel_needs_something_running(server):
    session = saved(server, geojson("idle.geojson", [(1, 2)]))
    assert code(post(server, session, "cancel")) == "nothing_running"
    a = server.get(f"/upload/cancel?id={session}", accept="application/json")
    assert a.status == 405 and "POST" in a.header("Allow") and "GET" not in a.header("Allow"), a
    a = post(server, session, "retry")
    assert a.status == 409, a
    for step in ("cancel", "retry"):
        assert post(server, session, step, user="otto").status == 404
        a = server.post(f"/upload/{step}", {}, accept="application/json")
        assert a.status == 400 and code(a) == "id_missing", a


def test_geo_killed_is_an_error_and_retry_works(server):
    before = datasets(server)
    session = big(server, "shot")
    bystander = saved(server, geojson("by.geojson", [(1, 2)]))
    start(server, session)
    wait_state(server, session, "RUNNING")
    kill_job(server)
    item = wait_state(server, session, "INVALID")
    assert item["progress"] == 0 and item["resume_url"] == f"/upload/?id={session}", item
    a = get(server, session, "final")
    assert a.status == 200 and code(a) == "import_failed" and a.json["success"] is False, a
    j = get(server, session, "progress").json
    assert j["state"] == "ERROR" and j["code"] == "import_failed" and j["message"], j
    page = get(server, session, "final", accept="text/html")
    assert page.status == 200 and 'role="alert"' in page.text and "/upload/retry" in page.text, page
    assert datasets(server) == before and job_files(server) == []
    finished(server, bystander)
    a = post(server, session, "retry")
    assert a.status in (200, 202), a
    a = server.wait_finished(session)
    assert a.json["status"] == "finished" and a.json["dataset"]["count"] == BIG, a
    assert datasets(server) == before + 2


def test_geo_killed_while_inspecting(server):
    with configured(server, "[wizard]\ninspect_wait_s = 0"):
        text = "lat,lng,name\n" + "".join(f"{i % 89}.5,{i % 179}.5,row {i}\n" for i in range(400_000))
        session = saved(server, ("slow.csv", text.encode()))
        kill_job(server)
        wait_state(server, session, "INVALID")
        a = get(server, session, "check")
        assert a.status == 400 and code(a) == "inspect_failed", a
        j = get(server, session, "progress").json
        assert j["state"] == "ERROR" and j["code"] == "inspect_failed" and j["phase"] == "inspect", j
        a = post(server, session, "retry")
        assert a.status in (200, 202) and a.json["success"] is True, a
        wait_state(server, session, "WAITING")
        a = get(server, session, "csv")
        assert a.status == 200 and a.json["page"]["preview"]["total_rows"] == 400_000, a


def test_cancel_and_retry_by_buttons(server):
    browser = Browser(server, *USER)
    session = big(server, "buttons")
    browser.open(f"/upload/final?id={session}")
    browser.submit("/upload/final", follow=False)
    wait_state(server, session, "RUNNING")
    browser._ask("GET", f"/upload/progress?id={session}")
    browser.submit("/upload/cancel")
    assert browser.answer.status == 200 and browser.url.startswith(f"/upload/final?id={session}"), browser.url
    assert 'role="status"' in browser.answer.text
    while get(server, session, "progress").json["state"] == "RUNNING" or pids(server, "slipway-geo"):
        time.sleep(0.05)      # the stopped job is still on its way out
    browser.submit("/upload/final", follow=False)
    wait_state(server, session, "RUNNING")
    kill_job(server)
    wait_state(server, session, "INVALID")
    browser.open(f"/upload/?id={session}")
    assert 'role="alert"' in browser.answer.text, (browser.url, browser.answer)
    browser.submit("/upload/retry")
    assert browser.url.startswith("/datasets/") and set(browser.statuses) == {200, 303}, (browser.url, browser.statuses)


def test_worker_killed_gives_exactly_one_dataset(server):
    before = datasets(server)
    session = big(server, "orphan")
    start(server, session)
    wait_state(server, session, "RUNNING")
    kill(server, "slipway-worker")
    a = get(server, session, "progress")
    assert a.json["state"] == "RUNNING", a
    a = server.wait_finished(session)
    assert a.json["status"] == "finished" and a.json["dataset"]["count"] == BIG, a
    assert datasets(server) == before + 1 and job_files(server) == []
    assert server.slipway("check", "store").strip().endswith("0 findings")


def test_session_that_cannot_be_read_at_the_end_is_not_left_behind(server):
    header = ",".join(["lat", "lng", *(f"column_number_{i:04d}_of_many" for i in range(1000))])      # more than the store takes
    with configured(server, "[wizard]\nfinal_wait_s = 0\n"):
        session = saved(server, table("wide.csv", header, "50,8" + ",a value" * 1000))
        wait_state(server, session, "WAITING")
        assert post(server, session, "csv", lat="lat", lng="lng").status == 200
        assert post(server, session, "srs", source="EPSG:4326").status == 200
        layers, = glob.glob(f"{server.data}/sessions/{session}/layers-*.json")
        worker, = pids(server, "slipway-worker")
        os.kill(worker, signal.SIGSTOP)
        log = len(server.log())
        assert post(server, session, "final").status == 202
        os.rename(layers, layers + ".away")
        os.kill(worker, signal.SIGCONT)
        end = time.monotonic() + 20
        while not re.search(r"task \d+ import: ", server.log()[log:]):
            assert time.monotonic() < end, server.log()
            time.sleep(0.05)
        os.rename(layers + ".away", layers)
        kill(server, "slipway-worker")      # its successor begins with what was left
        a = server.wait_finished(session, seconds=20)
        assert a.json["status"] == "finished" and a.json["dataset"]["count"] == 1, a


UID = 61234      # nobody's


def empty_site(there, slots, idle_s=1):
    """A data directory below THERE for UID, and its configuration: how its worker is started."""
    os.chmod(there, 0o755)
    for folder in ("data", "regions"):
        os.mkdir(f"{there}/{folder}", 0o700)
        os.chown(f"{there}/{folder}", UID, UID)
    with open(f"{there}/slipway.conf", "w") as f:
        f.write(f"[store]\nregions = {there}/regions\n[upload]\nmin_free = 64M\n[worker]\ntasks_total = {slots}\nworker_idle_s = {idle_s}\n")
    os.chmod(f"{there}/slipway.conf", 0o644)
    return [f"{BUILD}/slipway-worker", "--data-dir", f"{there}/data", "--config", f"{there}/slipway.conf"]


def test_worker_where_few_threads_may_be_made(_):
    if os.geteuid() != 0:
        return       # the limit counts all that this user runs
    for most, status, told in ((8, 0, r"worker: [1-7] slots of 64, more threads cannot be made"), (2, 1, "no threads can be made")):
        with tempfile.TemporaryDirectory() as there:
            done = subprocess.run([*empty_site(there, 64), "--once"], user=UID, group=UID, extra_groups=[], stderr=subprocess.PIPE, timeout=60,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (most, most)))
            assert done.returncode == status and re.search(told, done.stderr.decode()), done


def test_worker_of_a_removed_site_ends(_):
    if os.geteuid() != 0:
        return       # only root starts somebody else's
    with tempfile.TemporaryDirectory() as there:
        worker = subprocess.Popen(empty_site(there, 1, idle_s=600), user=UID, group=UID, extra_groups=[], stderr=subprocess.PIPE)
        try:
            while b"slots" not in worker.stderr.readline():
                assert worker.poll() is None
            while os.path.exists(f"{there}/data"):      # it still makes files in it
                shutil.rmtree(f"{there}/data", ignore_errors=True)
            told = worker.communicate(timeout=30)[1].decode()
            assert worker.returncode == 0 and "the data directory was removed" in told, (worker.returncode, told)
        finally:
            worker.kill()


def test_front_killed_loses_nothing(server):
    session = big(server, "front", n=1000)
    kill(server, "slipway.fcgi")
    end = time.monotonic() + 10
    while True:
        try:
            a = get(server, session, "srs")
            if a.status == 200:
                break
        except OSError:
            pass
        assert time.monotonic() < end
        time.sleep(0.1)
    assert a.json["page"]["source"] == "EPSG:4326", a
    finished(server, session)


def test_two_gets_of_final_make_one_dataset(server):
    before = datasets(server)
    session = saved(server, *shapefile("twice", [(1, 2), (3, 4)], prj=WGS84))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: get(server, session, "final"), range(4)))
    assert {a.status for a in answers} == {200}, answers
    a = server.wait_finished(session)
    assert a.json["status"] == "finished"
    ids = {x.json["dataset"]["id"] for x in answers if x.json["status"] == "finished"} | {a.json["dataset"]["id"]}
    assert len(ids) == 1 and datasets(server) == before + 1, (ids, answers)


def test_some_layers_failed_is_incomplete_and_retry_repeats_only_those(server):
    good = geojson("good.geojson", [(1, 2), (3, 4)])
    text = ["lat,lng,n"] + [f"{i % 80},{i % 80},{i}" for i in range(1, 100)] + ["abc,2,100"]
    session = saved(server, good, table("bad.csv", *text))
    assert post(server, session, "csv", lat="lat", lng="lng", bad_rows="keep").status == 200
    assert post(server, session, "srs", source="EPSG:4326").status == 200
    a = post(server, session, "final", bad_rows="fail")
    if a.status == 202:
        a = server.wait_finished(session)
    item = state(server, session)
    assert item["state"] == "INCOMPLETE" and item["progress"] == 0 and item["complete"] is False and item["resume_url"], (item, a)
    assert a.json["success"] is False, a
    n = datasets(server)
    a = post(server, session, "retry")      # with the same inputs: fails again, and makes nothing twice
    assert state(server, session)["state"] == "INCOMPLETE" and datasets(server) == n, a
    a = post(server, session, "final", bad_rows="keep")
    if a.status == 202:
        a = server.wait_finished(session)
    assert a.json["status"] == "finished" and len(a.json["datasets"]) == 2, a
    assert {d["status"] for d in a.json["datasets"]} == {"imported"} and datasets(server) == n + 1


def test_row_report_names_the_rows(server):
    lines = [f"{i % 80},{i % 80},n{i}" for i in range(1, 100)] + ['abc,5,=cmd|" /C calc"!A0']
    done = points(server, "faulty", lines)
    assert done["rows"] == {"total": 100, "imported": 100, "without_geometry": 1, "skipped": 0}, done["rows"]
    assert done["report"] and "csv_bad_rows" in [w["code"] for w in done["warnings"]], done
    a = server.get(done["report"])
    assert a.status == 200 and a.header("Content-Type") == "text/csv; charset=utf-8", a
    assert a.header("Content-Disposition").startswith("attachment; ") and "filename*=UTF-8''" in a.header("Content-Disposition")
    lines = a.text.split("\r\n")
    assert lines[0] == "\ufefffile,layer,row,column,value,code,message", lines
    assert lines[1].startswith("faulty.csv,faulty,101,lat,abc,"), lines
    assert "1" in lines[-2].split(","), lines      # the last line tells the total
    j = server.get(done["report"], accept="application/json").json
    assert j["total"] == 1 and j["rows"][0]["row"] == 101 and j["rows"][0]["column"] == "lat", j
    clean = points(server, "clean", ["1,2,a"])
    assert clean["report"] is None and get(server, clean["id"], "report").status == 404
    assert get(server, done["id"], "report", user="otto").status == 404


def test_task_log_is_the_administrators(server):
    session = points(server, "logged", ["1,2,a"])["id"]
    assert get(server, session, "log", user="mei").status == 403
    a = get(server, session, "log", user="admin")
    assert a.status == 200 and a.header("Content-Type") == "text/plain; charset=utf-8", a
    assert server.data not in a.text


def test_long_poll_answers_when_it_ends(server):
    session = big(server, "polled", n=40_000)
    start(server, session)
    t = time.monotonic()
    while True:
        a = server.get(f"/upload/progress?id={session}&wait=10", accept="application/json")
        assert a.status == 200 and time.monotonic() - t < 30, a
        if a.json["state"] != "RUNNING":
            break
    assert a.json["state"] == "COMPLETE", a


def on_a_disk_of_its_own(test, size):
    """TEST(server, folder) with a server below a tmpfs; nothing where none may be mounted."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "none", folder], stderr=subprocess.DEVNULL).returncode != 0:
            return
        usual, tempfile.tempdir = tempfile.tempdir, folder
        try:
            small = Server()
            try:
                test(small, folder)
            finally:
                small.close()
        finally:
            tempfile.tempdir = usual
            subprocess.run(["umount", "-l", folder], check=True)


def ends_once_there_is_room(server, folder):
    session = big(server, "cramped", n=40_000)
    start(server, session)
    wait_state(server, session, "RUNNING")
    space = os.statvfs(folder)
    with open(os.path.join(folder, "filler"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, space.f_bavail * space.f_bsize - (48 << 20))      # upload.min_free is 64 MiB
    until = time.monotonic() + 30
    while ": end: ERR_NO_SPACE" not in server.log():
        assert time.monotonic() < until, server.log()[-1000:]
        time.sleep(0.05)
    time.sleep(0.5)
    os.unlink(f.name)
    done = server.wait_finished(session, 30)      # less than the minute after which a heartbeat counts as missed
    assert done.json["status"] == "finished" and done.json["rows"]["imported"] == 40_000, done
    assert len(os.listdir(f"{server.data}/jobs")) == 0


def test_a_task_too_full_to_end_goes_on_once_there_is_room(_):
    on_a_disk_of_its_own(ends_once_there_is_room, "400m")


def is_told_by_us(server, folder):
    space = os.statvfs(folder)
    with open(os.path.join(folder, "filler"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, space.f_bavail * space.f_bsize)
    for _ in range(3):
        a = server.save(("large.csv", b"lat,lng\n1,2\n" * 300_000))
        assert (a.status, code(a)) == (507, "disk_full"), a
    os.unlink(f.name)
    assert server.save(("large.csv", b"lat,lng\n1,2\n" * 300_000)).status == 201


def test_a_full_disk_is_told_though_the_web_server_has_no_room_for_the_body(_):
    on_a_disk_of_its_own(is_told_by_us, "160m")


def datasets_can_be_deleted(server, folder):
    dataset = finished(server, saved(server, geojson("doomed.geojson", [(8, 50)])))["dataset"]["id"]
    space = os.statvfs(folder)
    with open(os.path.join(folder, "filler"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, space.f_bavail * space.f_bsize)
    a = server.post(f"/datasets/{dataset}/delete", accept="application/json")
    assert a.status == 200, a
    assert server.get(f"/datasets/{dataset}", accept="application/json").status == 404
    os.unlink(f.name)
    finished(server, saved(server, geojson("next.geojson", [(8, 50)])))
    assert os.path.getsize(f"{server.data}/ballast") > 0


def test_a_dataset_can_be_deleted_to_make_room(_):
    on_a_disk_of_its_own(datasets_can_be_deleted, "160m")


if __name__ == "__main__":
    import test_progress
    main(test_progress)
