"""Goal: `slipway upload list|show|delete|gc` tells what is there and takes it away, also while the service runs."""
import os
import subprocess

import harness
from harness import main, nothing_left
from transfer import begin_patch, made, patch, written


def slipway(server, *args):
    done = subprocess.run([f"{harness.BUILD}/slipway", "upload", *args, "--data-dir", server.data, "--config", server.conf],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_list_show_delete(server):
    before = server.traces()
    a, b = made(server, 11, b"hello", "filename 5pWw5o2uLmNzdg=="), made(server, 5, b"other", user="otto")
    code, out, _ = slipway(server, "list")
    lines = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and [(x[1], x[2], x[3], x[4]) for x in lines] == [
        ("complete", "5/5", "tus", "u:otto"), ("receiving", "5/11", "tus", "u:mei")], out
    assert lines[1][0] == a.split("/")[-1] and lines[1][5] == "数据.csv", out
    assert slipway(server, "list", "--owner", "mei")[1].count("\n") == 1
    assert slipway(server, "list", "--owner", "nobody")[1] == ""
    code, out, _ = slipway(server, "show", lines[1][0])
    shown = dict(line.split(None, 1) for line in out.splitlines())
    assert code == 0 and shown["state"] == "receiving" and shown["length"] == "11" and shown["received"] == "5", out
    assert shown["filled"] == "append by tus" and server.data not in out, out
    # A running writer is shown, and ended by the deletion.
    s = begin_patch(server, a, 5, 6, b"wor")
    written(server, a, 8)
    assert "\treceiving*\t" in slipway(server, "list")[1]
    code, out, _ = slipway(server, "delete", lines[1][0], lines[0][0])
    assert code == 0 and out.count(" deleted\n") == 2, out
    s.close()
    assert patch(server, a, 5, b"x").status == 410
    nothing_left(server, before)


def test_bad_words(server):
    for args in (("list", "x"), ("show",), ("show", "a", "b"), ("delete",), ("gc", "x"), ("list", "--nobody")):
        code, out, err = slipway(server, *args)
        assert code == 2 and out == "" and "usage:" in err, (args, code, err)
    for args in (("show", "0" * 32), ("show", "../../etc"), ("delete", "x")):
        code, out, err = slipway(server, *args)
        assert code == 1 and out == "" and "no such upload" in err, (args, code, err)


def make_stray(server, stray):
    st = os.stat(server.data)
    os.makedirs(stray, mode=0o700)
    with open(f"{stray}/part", "wb") as f:
        f.write(b"x")
    for path in (os.path.dirname(stray), stray, f"{stray}/part"):
        os.chown(path, st.st_uid, st.st_gid)


def test_gc(server):
    before = server.traces()
    stray = f"{server.data}/uploads/ab/{'ab' * 16}"
    make_stray(server, stray)
    slipway(server, "gc")
    assert os.path.exists(stray)      # young: its record may be on its way
    os.utime(stray, (1, 1))
    assert slipway(server, "gc")[0] == 0
    assert not os.path.exists(stray)
    make_stray(server, stray)
    os.utime(stray, (1, 1))
    server.slipway("gc")
    assert not os.path.exists(stray)
    nothing_left(server, before)


if __name__ == "__main__":
    import test_upload_command
    main(test_upload_command)
