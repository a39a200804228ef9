"""Goal: `slipway check` tells where store, catalogue and files disagree, `gc` and `check --repair` remove what nothing names,
and both leave alone what is right or perhaps still in work (store.md 13; wizard.md 13)."""
import os
import shutil
import sqlite3
import subprocess
import time

from harness import BUILD, main
from steps import JSON, finished, points, post, saved, table


def check(server, *more):
    """Findings of `check store` and its exit status."""
    done = subprocess.run([f"{BUILD}/slipway", "check", "store", *more, "--data-dir", server.data, "--config", server.conf],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    lines = done.stdout.decode().splitlines()
    assert lines and lines[-1] == f"{len(lines) - 1} findings" or any("rebuilt" in l for l in lines), (lines, done.stderr)
    return lines[:-1], done.returncode


def dataset_of(done):
    return done["dataset"]["id"]


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def owned(server, *paths):
    """What the tests make or move belongs to whoever serves."""
    owner = os.stat(server.data)
    for path in paths:
        os.chown(path, owner.st_uid, owner.st_gid)


def data(server, *names):
    return os.path.join(server.data, *names)


def exported(server, dataset, revision, fmt="csv"):
    end = time.monotonic() + 30
    while True:
        a = server.get(f"/datasets/{dataset}/download?format={fmt}", accept="*/*")
        if a.status == 200 or time.monotonic() > end:
            break
        time.sleep(0.1)
    assert a.status == 200, a
    return data(server, "exports", f"{dataset}-{revision}.{fmt}")


def test_a_clean_site_has_no_findings(server):
    deleted = dataset_of(points(server, "gone", ["1,2,a"]))
    points(server, "kept", ["1,2,a"])
    a = server.request("DELETE", f"/datasets/{deleted}/delete", headers={"Accept": JSON})
    assert a.status in (200, 204), a
    assert check(server) == ([], 0)      # what somebody deleted is not missing


def test_a_dataset_missing_from_the_catalogue_is_told(server):
    server.slipway("backup", data(server, "older"))
    done = points(server, "lost", ["1,2,a"])
    dataset = dataset_of(done)
    server.stop()
    for end in ("", "-wal", "-shm"):
        if os.path.exists(data(server, "catalog.sqlite" + end)):
            shutil.move(data(server, "catalog.sqlite" + end), data(server, "..", "newer" + end))
    shutil.copy(data(server, "older", "catalog.sqlite"), data(server, "catalog.sqlite"))
    owned(server, data(server, "catalog.sqlite"))
    try:
        lines, status = check(server)
        assert status == 1 and lines == [f"session {done['id']}: its dataset {dataset} is missing from the catalogue, restore needed"], lines
        assert check(server, "--repair")[0] == lines and os.path.isdir(data(server, "datasets", str(dataset)))      # young: perhaps in work
    finally:
        for end in ("", "-wal", "-shm"):
            if os.path.exists(data(server, "..", "newer" + end)):
                shutil.move(data(server, "..", "newer" + end), data(server, "catalog.sqlite" + end))
            elif os.path.exists(data(server, "catalog.sqlite" + end)):
                os.remove(data(server, "catalog.sqlite" + end))
        server.start()
    assert check(server) == ([], 0)


def test_a_missing_file_is_told(server):
    dataset = dataset_of(points(server, "file", ["1,2,a"]))
    folder = data(server, "datasets", str(dataset))
    revision = os.listdir(folder)[0]
    path = os.path.join(folder, revision, "data.gpkg")
    os.rename(path, path + ".away")
    lines, status = check(server)
    assert status == 1 and lines == [f"dataset {dataset}: datasets/{dataset}/{revision}/data.gpkg is missing, restore needed"], lines
    os.rename(path + ".away", path)
    assert check(server) == ([], 0)


def test_folders_without_a_dataset_are_told_and_removed(server):
    dataset = dataset_of(points(server, "strays", ["1,2,a"]))
    strays = ["datasets/999999", f"datasets/{dataset}/7-1-1"]
    young = "datasets/999998"
    for way in ("--repair", "gc"):
        for path in [*strays, young]:
            os.makedirs(data(server, path), exist_ok=True)
            with open(data(server, path, "data.gpkg"), "w") as f:
                f.write("x")
            owned(server, data(server, path), data(server, path, "data.gpkg"))
        for path in [*strays, f"datasets/{dataset}"]:
            age(data(server, path), 4000)
        lines, status = check(server)
        assert status == 1 and sorted(lines) == sorted(f"{p}: no dataset's" for p in strays), lines
        assert all(os.path.isdir(data(server, p)) for p in strays)
        if way == "gc":
            server.slipway("gc")
        else:
            assert sorted(check(server, "--repair")[0]) == sorted(f"{p}: no dataset's, removed" for p in strays)
        assert not any(os.path.exists(data(server, p)) for p in strays) and os.path.isdir(data(server, young)), way
        assert check(server) == ([], 0)
    shutil.rmtree(data(server, young))
    assert server.get(f"/datasets/{dataset}/download?format=gpkg", accept="*/*").status == 200


def test_copies_of_a_killed_check_go(server):
    """A check, dump, load or restore works on a copy of the store, secrets and all; killed, it cannot take it away."""
    started = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=unlinkat", "-e", "inject=unlinkat:signal=KILL:when=1",
                              f"{BUILD}/slipway", "check", "store", "--data-dir", server.data, "--config", server.conf])
    left = sorted(name for name in os.listdir(server.data) if name.startswith("check."))
    assert started.returncode == -9 and len(left) == 2, (started, left)
    others = ["check.txt", "dump.0123456789abcdeF", "restore.0123456789abcdef0"]
    for name in others:
        os.mkdir(data(server, name))
        owned(server, data(server, name))
        age(data(server, name), 100000)
    age(data(server, left[0]), 100000)
    server.slipway("gc")
    assert not os.path.exists(data(server, left[0])) and os.path.isdir(data(server, left[1]))
    for name in others + left[1:]:
        shutil.rmtree(data(server, name))


def test_a_damaged_catalogue_is_told(server):
    """Whichever page is damaged, also one that no question of the check's own reads; nothing is mended then."""
    path = data(server, "catalog.sqlite")
    server.stop()
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = [n for (n,) in db.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 1 AND tbl_name IN ('dataset', 'item')")]
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    try:
        assert len(pages) > 5
        for page in pages:
            with open(path, "r+b") as f:
                f.seek((page - 1) * size)
                was = f.read(1)
                f.seek((page - 1) * size)
                f.write(b"\xff")
            done = subprocess.run([f"{BUILD}/slipway", "check", "store", "--repair", "--data-dir", server.data, "--config", server.conf],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
            assert done.returncode == 2 and b"catalogue damaged" in done.stderr and b"restore needed" in done.stderr, (page, done)
            with open(path, "r+b") as f:
                f.seek((page - 1) * size)
                f.write(was)
    finally:
        server.start()
    assert check(server) == ([], 0)


def test_exports_of_replaced_revisions_go(server):
    dataset = dataset_of(points(server, "export", ["1,2,a"]))
    other = dataset_of(points(server, "export_other", ["1,2,a"]))
    old, kept = exported(server, dataset, 1), exported(server, other, 1)
    session = saved(server, table("export.csv", "lat,lng,name", "3,4,b"))
    post(server, session, "csv", lat="lat", lng="lng")
    post(server, session, "srs", source="EPSG:4326")
    finished(server, session, mode="overwrite", dataset=str(dataset))
    assert os.path.exists(old)
    new = exported(server, dataset, 2)
    for path in (old, kept, new):
        age(path, 120)
    lines, status = check(server)
    assert status == 1 and lines == [f"exports/{dataset}-1.csv: no dataset's"], lines
    server.slipway("gc")
    assert not os.path.exists(old) and os.path.exists(kept) and os.path.exists(new)
    assert check(server) == ([], 0)


if __name__ == "__main__":
    import test_check
    main(test_check)
