"""Goal: an upload task tells every process what its file is doing, survives cut connections, killed processes and stalled
writers, goes on where it stopped, and shares no name with twenty others (uploadtasks.md 5, 6.3, 8; cases 15-18, 21, 25, 28, 29)."""
import fcntl
import os
import signal
import subprocess
import threading
import time

from harness import main
from steps import configured, restart
from tasks import TASKS, Slow, files, form, listed, look, make, md5, message, placed, raw, send, state, until, zipped
from test_cgi import parse, start, variables
from test_uploadtasks import area, managers, spool

PIECE = 64 << 10


def test_begin(server):
    managers(server)


def test_progress_rises_in_every_process(server):
    data = os.urandom(12 << 20)
    task = make(server, fileSize=len(data))
    slow = Slow(server, f"{TASKS}/{task}.json?toFile=live/rising.bin", len(data))
    seen, done = [], threading.Event()

    def watch():
        while not done.is_set():
            j = look(server, task)      # two processes answer in turn
            entry = [t for t in server.get(TASKS + ".json").json if t["taskID"] == task]
            seen.append((j["state"], j["progress"], j["uploadedByteCount"], entry[0]["progress"] if entry else None))
            time.sleep(0.05)
    watcher = threading.Thread(target=watch)
    watcher.start()
    for at in range(0, len(data), len(data) // 24):
        slow.send(data[at:at + len(data) // 24])
        time.sleep(0.15)
    assert slow.answer()[0] == 200
    done.set()
    watcher.join()
    rising = sorted({p for s, p, _, _ in seen if s == "UPLOADING"})
    assert len(rising) >= 10, rising
    assert [p for _, p, _, _ in seen] == sorted(p for _, p, _, _ in seen), "progress falls"
    assert len({p for _, _, _, p in seen if p}) >= 10, seen
    assert all((s == "COMPLETED") == (p == 100) for s, p, _, _ in seen), seen
    assert all(s in ("NEW", "UPLOADING", "COMPLETED") for s, _, _, _ in seen), {s for s, _, _, _ in seen}
    assert area(server)["live/rising.bin"] == data


def interrupted(server, task, data, keep, query, **kw):
    """Send KEEP bytes of DATA and cut the connection; the task as it is then."""
    slow = Slow(server, f"{TASKS}/{task}.json?{query}", len(data), **kw)
    slow.send(data[:keep])
    until(lambda: (look(server, task)["uploadedByteCount"] or 0) >= keep - PIECE)
    slow.cut()
    until(lambda: state(server, task) == "UPLOADING_ERROR")
    return look(server, task)


def test_cut_and_resumed_both_ways(server):
    data = os.urandom(1 << 20)
    keep = len(data) * 6 // 10
    for how in ("offset", "range", "form"):
        task = make(server, fileSize=len(data), md5=md5(data))
        j = interrupted(server, task, data, keep, "toFile=live/cut.bin")
        assert (j["uploadedByteCount"], j["uploadedDataMD5"]) == (keep, md5(data[:keep])), j
        assert j["progress"] == int(keep / len(data) * 10000) / 100 and j["md5"] == md5(data), j
        assert message(raw(server, task, data[5:], "toFile=live/cut.bin&offset=5"), 409).endswith(str(keep))
        message(raw(server, task, data[keep:], "toFile=x", Content_Range=f"bytes {keep}-{len(data) - 1}/{len(data) + 1}"), 400)
        assert look(server, task) == j
        if how == "offset":
            a = raw(server, task, data[keep:], f"toFile=live/cut.bin&overwrite=true&offset={keep}")
        elif how == "range":
            a = raw(server, task, data[keep:], "toFile=live/cut.bin&overwrite=true", Content_Range=f"bytes {keep}-{len(data) - 1}/{len(data)}")
        else:
            a = send(server, task, data[keep:], f"toFile=live/cut.bin&overwrite=true&offset={keep}")
        assert a.status == 200 and a.json["fileSize"] == len(data), a
        assert area(server)["live/cut.bin"] == data
        j = look(server, task)
        assert (j["state"], j["uploadedDataMD5"], j["progress"]) == ("COMPLETED", md5(data), 100), j


def test_resumed_in_two_steps_without_announcement(server):
    data = os.urandom(700_000)
    task = make(server)
    interrupted(server, task, data, 200_000, "toFile=live/steps.bin")
    assert look(server, task)["progress"] == int(200_000 / 700_000 * 10000) / 100
    a = raw(server, task, data[200_000:500_000], "offset=200000", Content_Range="bytes 200000-599999/*")
    message(a, 400)
    assert look(server, task)["uploadedByteCount"] == 500_000
    assert raw(server, task, data[500_000:], "", Content_Range="bytes 500000-699999/*").status == 200
    assert area(server)["live/steps.bin"] == data
    # In pieces of a told whole, from the first on.
    task = make(server)
    for first in range(0, 700_000, 200_000):
        last = min(first + 200_000, 700_000) - 1
        a = raw(server, task, data[first:last + 1], "toFile=live/pieces.bin", Content_Range=f"bytes {first}-{last}/700000")
        assert a.status == (200 if last == 699_999 else 400), a
        assert look(server, task)["uploadedByteCount"] == last + 1
    assert area(server)["live/pieces.bin"] == data


def test_started_anew_drops_what_came(server):
    data = os.urandom(300_000)
    task = make(server, fileSize=len(data))
    before = len(spool(server))
    interrupted(server, task, data[:100] * 3000, 150_000, "toFile=live/anew.bin")
    assert raw(server, task, data, "toFile=live/anew.bin").status == 200
    assert area(server)["live/anew.bin"] == data and len(spool(server)) == before - 1


def test_second_writer_waits_for_a_stalled_one(server):
    with configured(server, "[iserver]\ntakeover_idle = 2\n"):
        data = os.urandom(500_000)
        task = make(server, fileSize=len(data))
        slow = Slow(server, f"{TASKS}/{task}.json?toFile=live/take.bin", len(data))
        for at in range(0, 300_000, 50_000):
            slow.send(data[at:at + 50_000])
            until(lambda: state(server, task) == "UPLOADING")
            begun = time.monotonic()
            message(raw(server, task, data, "toFile=live/take.bin"), 409)      # while bytes come
            message(raw(server, task, data[at:], f"toFile=live/take.bin&offset={at}"), 409)
            assert time.monotonic() - begun < 1.5
            time.sleep(0.3)
        assert state(server, task) == "UPLOADING"
        time.sleep(2.5)
        a = raw(server, task, data[300_000:], "toFile=live/take.bin&offset=300000")
        assert a.status == 200, a
        assert area(server)["live/take.bin"] == data and state(server, task) == "COMPLETED"
        slow.cut()
        # One that is not disturbed goes on to its end.
        task = make(server)
        slow = Slow(server, f"{TASKS}/{task}.json?toFile=live/first.bin", len(data))
        slow.send(data[:1000])
        until(lambda: state(server, task) == "UPLOADING")
        message(send(server, task, b"x", "toFile=live/first.bin"), 409)
        slow.send(data[1000:])
        assert slow.answer()[0] == 200 and area(server)["live/first.bin"] == data


def test_of_many_starts_one_wins(server):
    data = os.urandom(200_000)
    for fresh in (True, False, False, False, False):
        task = make(server)
        if not fresh:
            message(send(server, task, b"x", "toFile=x.php"), 400)
        answers = []

        def one():
            answers.append(raw(server, task, data, "toFile=live/one.bin&overwrite=true"))
        threads = [threading.Thread(target=one) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(a.status for a in answers) == [200] + [409] * 5, answers
        assert state(server, task) == "COMPLETED" and area(server)["live/one.bin"] == data
    assert all(os.path.getsize(p) != len(data) for p in spool(server)), spool(server)


def fronts(server):
    return [int(p) for p in subprocess.run(["pgrep", "-P", str(server.process.pid), "-f", "slipway.fcgi"], stdout=subprocess.PIPE).stdout.split()]


def test_killed_writer_leaves_what_it_wrote(server):
    data = os.urandom(900_000)
    task = make(server)
    slow = Slow(server, f"{TASKS}/{task}.json?toFile=live/killed.bin", len(data))
    slow.send(data[:600_000])
    until(lambda: look(server, task)["uploadedByteCount"] == 600_000)
    pids = fronts(server)
    assert len(pids) == 2, pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    slow.cut()
    until(lambda: len(set(fronts(server)) - set(pids)) == 2)
    j = until(lambda: (lambda a: a.json if a.status == 200 else None)(server.get(f"{TASKS}/{task}.json")))
    assert (j["state"], j["uploadedByteCount"], j["uploadedDataMD5"]) == ("UPLOADING_ERROR", 600_000, md5(data[:600_000])), j
    assert raw(server, task, data[600_000:], "toFile=live/killed.bin&offset=600000").status == 200
    assert area(server)["live/killed.bin"] == data


def test_killed_while_unpacking(server):
    """All bytes are there and nothing is placed: the client sends the nothing that is missing."""
    members = {f"{i}.bin": os.urandom(3 << 20) for i in range(20)}
    archive = zipped(members)
    task = make(server, fileSize=len(archive))
    slow = Slow(server, f"{TASKS}/{task}.json?toFile=live/unpack.zip&unzip=true", len(archive))
    slow.send(archive)
    until(lambda: os.path.isdir(f"{server.data}/files/.slipway") and os.listdir(f"{server.data}/files/.slipway"), every=0.005)
    j = look(server, task)
    assert j["state"] == "UPLOADING" and j["progress"] <= 99.99, j
    message(send(server, task, archive, "toFile=live/unpack.zip"), 409)
    pids = fronts(server)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    slow.cut()
    until(lambda: len(set(fronts(server)) - set(pids)) == 2)
    j = until(lambda: (lambda a: a.json if a.status == 200 and a.json["state"] != "UPLOADING" else None)(server.get(f"{TASKS}/{task}.json")))
    if j["state"] == "UPLOADING_ERROR":      # else the kill came too late
        assert (j["uploadedByteCount"], j["uploadedDataMD5"]) == (len(archive), md5(archive)), j
        assert "unpack" not in files(server, "live")
        a = raw(server, task, b"", f"toFile=live/unpack.zip&unzip=true&offset={len(archive)}")
        assert a.status == 200 and a.json["fileName"] == "unpack", a
    assert {n: area(server)[f"live/unpack/{n}"] for n in members} == members
    assert os.listdir(f"{server.data}/files/.slipway") == [] and state(server, task) == "COMPLETED"


def test_unpacking_waits_for_its_turn_and_ends_with_the_service(server):
    """As many archives at once as there are slots; who waits is not stalled, and a stopping service keeps the bytes."""
    archive = zipped({"a.csv": b"1" * 1000})
    with open(f"{server.data}/locks/unpack", "wb") as held:
        os.chown(held.name, os.stat(server.data).st_uid, -1)
        fcntl.lockf(held, fcntl.LOCK_EX)
        with configured(server, "[iserver]\ntakeover_idle = 1\n"):
            task = make(server, fileSize=len(archive))
            slow = Slow(server, f"{TASKS}/{task}.json?toFile=live/turn.zip&unzip=true", len(archive))
            slow.send(archive)
            until(lambda: os.path.isdir(f"{server.data}/files/.slipway") and os.listdir(f"{server.data}/files/.slipway"))
            time.sleep(1.5)
            begun = time.monotonic()
            message(send(server, task, archive, "toFile=live/turn.zip"), 409)
            assert time.monotonic() - begun < 1 and state(server, task) == "UPLOADING"
            begun = time.monotonic()
            server.stop()
            assert time.monotonic() - begun < 10
            server.start()
            j = look(server, task)
            assert (j["state"], j["uploadedByteCount"], j["uploadedDataMD5"]) == ("UPLOADING_ERROR", len(archive), md5(archive)), j
    a = raw(server, task, b"", f"toFile=live/turn.zip&unzip=true&offset={len(archive)}")
    assert a.status == 200 and area(server)["live/turn/a.csv"] == b"1" * 1000, a


def test_twenty_uploads_share_no_name(server):
    answers = [None] * 20

    def one(i):
        answers[i] = placed(server, b"%d" % i * 1000, "race/same.csv", "unzip=false" if i % 4 else "")[1]["fileName"]
    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(answers)) == 20 and set(answers) == set(files(server, "race")), answers
    for i, name in enumerate(answers):
        assert area(server)["race/" + name] == b"%d" % i * 1000
    archives = [threading.Thread(target=lambda i=i: placed(server, zipped({"i.txt": b"%d" % i}), "race/tree.zip", "unzip=true")) for i in range(4)]
    for t in archives:
        t.start()
    for t in archives:
        t.join()
    assert {area(server)[f"race/tree{n}/i.txt"] for n in ("", "0", "1", "2")} == {b"0", b"1", b"2", b"3"}


def test_expired_task_is_gone_with_its_bytes(server):
    with configured(server, "[upload]\nidle_ttl = 1\n"):
        task = make(server)
        interrupted(server, task, os.urandom(100_000), 50_000, "toFile=live/late.bin")
        until(lambda: server.get(f"{TASKS}/{task}.json").status == 404, seconds=5)
        message(raw(server, task, b"x", "offset=50000"), 404)
        message(send(server, task, b"x", "toFile=x.csv"), 404)
        assert task not in listed(server)
        server.slipway("gc")
        assert spool(server) == [], spool(server)


def test_finished_tasks_are_kept_for_a_while(server):
    with configured(server, "[iserver]\ntask_keep = 1\n"):
        task, _ = placed(server, b"x", "live/kept.csv")
        assert state(server, task) == "COMPLETED"
        until(lambda: server.get(f"{TASKS}/{task}.json").status == 404, seconds=5)
        server.slipway("gc")
        assert task.split("_")[1] not in server.slipway("dump")
        assert area(server)["live/kept.csv"] == b"x"


def test_fronts_stay_small(server):
    data = os.urandom(40 << 20)
    assert raw(server, make(server, fileSize=len(data)), data, "toFile=live/small.bin").status == 200
    assert placed(server, zipped({"z.bin": data[:20 << 20]}), "live/small.zip", "unzip=true")[1]["isDirectory"]
    for pid in fronts(server):
        with open(f"/proc/{pid}/status") as f:
            peak = [int(line.split()[1]) for line in f if line.startswith("VmHWM:")]
        assert peak[0] < 16 << 10, peak


def test_plain_cgi(server):
    """The whole way with nothing but environment and standard input."""
    def ask(method, path, body=b"", kind=None):
        return parse(start(server, variables(server, method, path, body=body, kind=kind), body))
    a = ask("POST", TASKS + ".rjson")
    assert a.status == 201 and a.json["newResourceLocation"].startswith("http://maps.example/cgi-bin/slipway.fcgi" + TASKS), a
    task = a.json["newResourceID"]
    body, kind = form(b"cgi")
    assert ask("POST", f"{TASKS}/{task}.rjson.Json?toFile=cgi.csv", body, kind).json["fileName"] == "cgi.csv"
    assert ask("GET", f"{TASKS}/{task}").json["state"] == "COMPLETED"
    zipped_body, kind = form(zipped({"a.csv": b"1"}))
    task = ask("POST", TASKS).json["newResourceID"]
    assert ask("POST", f"{TASKS}/{task}.json?toFile=cgi.zip&unzip=1", zipped_body, kind).json["isDirectory"] is True
    assert area(server)["cgi/a.csv"] == b"1"


class Small:
    """FOLDER of the stopped server is a file system of SIZE of its own."""

    def __init__(self, server, folder, size):
        self.server, self.path, self.size = server, os.path.join(server.data, folder), size

    def __enter__(self):
        self.server.stop()
        os.makedirs(self.path, exist_ok=True)
        st = os.stat(self.path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size},uid={st.st_uid},gid={st.st_gid},mode=700", "tmpfs", self.path],
                              stderr=subprocess.DEVNULL)
        self.mounted = done.returncode == 0
        self.server.start()
        return self.mounted

    def __exit__(self, *_):
        self.server.stop()
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)
        self.server.start()


def test_area_in_a_file_system_of_its_own(server):
    with open(server.conf) as f:
        before = f.read()
    restart(server, before.replace("min_free = 64M", "min_free = 0"))
    with Small(server, "files", "4M") as mounted:
        if mounted:
            for want in ("a.bin", "a0.bin"):
                assert placed(server, b"copied" * 1000, "a.bin")[1]["fileName"] == want
            assert placed(server, b"new", "a.bin", "overwrite=true")[1]["fileName"] == "a.bin"
            assert placed(server, zipped({"x/y.csv": b"1"}), "t.zip", "unzip=true")[1]["fileName"] == "t"
            assert {n: v for n, v in area(server).items()} == {"a.bin": b"new", "a0.bin": b"copied" * 1000, "t/x/y.csv": b"1"}
            message(server.request("POST", TASKS + ".json", body=b'{"fileSize":5000000}'), 507)
            task = make(server)
            message(send(server, task, zipped({"big.bin": bytes(6 << 20)}), "toFile=big.zip&unzip=true"), 507)
            assert state(server, task) == "ERROR" and "big" not in files(server)
            assert os.listdir(f"{server.data}/files/.slipway") == []
    restart(server, before)


def test_full_disk_stops_one_upload_only(server):
    """A tmpfs of 8 MiB under the uploads, filled by a body without a length."""
    with open(server.conf) as f:
        before = f.read()
    restart(server, before.replace("min_free = 64M", "min_free = 0\nmin_inodes = 0"))
    with Small(server, "uploads", "8M") as mounted:
        if mounted:
            task, other = make(server), make(server)
            body, kind = form(os.urandom(12 << 20), "full.bin")
            env = variables(server, "POST", f"{TASKS}/{task}.json?toFile=full.bin", kind=kind, CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked")
            message(parse(start(server, env, body)), 507)
            j = look(server, task)
            assert j["state"] == "UPLOADING_ERROR" and 4 << 20 < j["uploadedByteCount"] < 8 << 20, j
            at = body.index(b"\r\n\r\n") + 4
            assert j["uploadedDataMD5"] == md5(body[at:at + j["uploadedByteCount"]])
            message(raw(server, other, bytes(12 << 20), "toFile=x.bin"), 507)      # told by its length, before a byte
            assert state(server, other) == "NEW" and {task, other} <= set(listed(server))
            message(server.request("POST", TASKS + ".json"), 507)
    restart(server, before)
    assert placed(server, b"x", "after.csv")[1]["fileName"] == "after.csv"


if __name__ == "__main__":
    import test_uploadtasks_live
    main(test_uploadtasks_live)
