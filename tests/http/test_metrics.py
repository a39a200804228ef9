"""Goal: /metrics is what a Prometheus server can read, counts what all processes did, survives the end of any of them, and is told
to administrators and the configured addresses alone."""
import json
import os
import signal
import sys
import time

from prometheus_client.parser import text_string_to_metric_families

from harness import main
from steps import JSON, configured, points, saved, table
from transfer import fronts, made, patch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from killer import processes


def scrape(server, user="admin"):
    """{(name, labels): value}, after everything the format demands was looked at."""
    a = server.get("/metrics", user=user)
    assert a.status == 200 and a.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8", a
    samples, families = {}, set()
    for family in text_string_to_metric_families(a.text):
        assert family.name.startswith("slipway_") and family.documentation and family.type in ("counter", "gauge", "histogram"), family
        assert family.name not in families, f"{family.name} twice"
        families.add(family.name)
        for s in family.samples:
            key = (s.name, tuple(sorted(s.labels.items())))
            assert key not in samples, f"{key} twice"
            assert s.value >= 0, s
            assert family.type != "counter" or s.name.endswith("_total"), s
            samples[key] = s.value
        if family.type == "histogram":
            buckets_grow(family)
    return samples


def buckets_grow(family):
    rows = {}
    for s in family.samples:
        kind = rows.setdefault(s.labels["class"], {"buckets": []})
        if s.name.endswith("_bucket"):
            kind["buckets"].append((float(s.labels["le"]), s.value))
        else:
            kind[s.name.rsplit("_", 1)[1]] = s.value
    for kind in rows.values():
        bounds, counts = zip(*kind["buckets"])
        assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), bounds
        assert list(counts) == sorted(counts) and counts[-1] == kind["count"], counts


def value(samples, name, **labels):
    return samples.get((name, tuple(sorted(labels.items()))), 0)


def test_it_is_valid_and_complete(server):
    points(server, "counted", ["1,2,a"])
    now = scrape(server)
    names = {name for name, _ in now}
    for name in ("requests_total", "received_bytes_total", "request_seconds_bucket", "uploads", "upload_events_total", "upload_bytes_total",
                 "sessions", "tasks", "task_queue_age_seconds", "task_results_total", "task_seconds_total", "worker_up", "jail_level",
                 "store_recoveries_total", "store_dirty", "store_log_bytes", "store_ballast", "store_table_bytes", "disk_free_bytes",
                 "disk_reserve_bytes"):
        assert "slipway_" + name in names, name
    assert value(now, "slipway_worker_up") == 1 and value(now, "slipway_jail_level") in (1, 2, 3)
    assert value(now, "slipway_disk_free_bytes") > 0 and value(now, "slipway_store_table_bytes", table="sessions") > 0
    assert value(now, "slipway_disk_reserve_bytes") == 64 << 20


def test_requests_of_all_processes_are_counted(server):
    before = scrape(server)
    for _ in range(40):
        assert server.get("/healthz", user=None).status == 200
        assert server.get("/datasets/999999", accept=JSON).status == 404
    server.request("PUT", "/files/x.bin", body=b"x" * 12345)
    now = scrape(server)

    def grew(name, **labels):
        return value(now, name, **labels) - value(before, name, **labels)

    assert grew("slipway_requests_total", **{"class": "status", "status": "200"}) == 41      # and /metrics itself
    assert grew("slipway_requests_total", **{"class": "datasets", "status": "404"}) == 40
    assert grew("slipway_requests_total", **{"class": "files", "status": "201"}) == 1
    assert grew("slipway_received_bytes_total", **{"class": "files"}) == 12345
    assert grew("slipway_request_seconds_count", **{"class": "datasets"}) == 40


def test_killed_processes_take_no_sum_along(server):
    for _ in range(10):
        server.get("/chunks?x=1")
    before = scrape(server)
    for pid in fronts(server):
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while True:
        try:
            if server.get("/healthz", user=None).status == 200:
                break
        except OSError:
            pass
        assert time.monotonic() < until
        time.sleep(0.05)
    now = scrape(server)
    for key, was in before.items():
        if key[0].endswith(("_total", "_count", "_bucket")):
            assert now.get(key, 0) >= was, key


def test_uploads_sessions_and_tasks(server):
    before = scrape(server)
    url = made(server, 10)
    patch(server, url, 0, b"12345")
    done = made(server, 3, b"abc")
    session = saved(server, table("asked.csv", "name,when", "a,2020-01-01"))
    points(server, "imported", ["1,2,a"])
    now, end = scrape(server), time.monotonic() + 30

    def grew(name, **labels):
        return value(now, name, **labels) - value(before, name, **labels)

    # The worker counts a task after its end can be read.
    while grew("slipway_task_results_total", result="done") < 3 and time.monotonic() < end:
        time.sleep(0.05)
        now = scrape(server)
    assert grew("slipway_uploads", state="created") + grew("slipway_uploads", state="receiving") == 1
    # That of the session still needs its file; the import's is kept or not, as the session wants it.
    assert grew("slipway_uploads", state="complete") in (2, 3), now
    assert grew("slipway_upload_events_total", event="created", adapter="tus") == 2
    assert grew("slipway_upload_events_total", event="completed", adapter="tus") == 1
    assert grew("slipway_upload_bytes_total", adapter="tus") == 3
    assert grew("slipway_sessions", state="waiting") == 1 and grew("slipway_sessions", state="processed") == 1, now
    assert grew("slipway_task_results_total", result="done") >= 3 and grew("slipway_task_results_total", result="failed") == 0
    assert value(now, "slipway_tasks", state="queued") == 0 and value(now, "slipway_task_queue_age_seconds") == 0
    for u in (url, done):
        server.request("DELETE", u, headers={"Tus-Resumable": "1.0.0"})
    server.request("DELETE", f"/upload/delete/{session}", headers={"Accept": JSON})


def test_a_queue_nobody_works_on_grows_old(server):
    """The worker stands still; what is queued meanwhile waits."""
    workers = [p for p, name in processes(server.process.pid).items() if name == "slipway-worker"[:15]]
    assert len(workers) == 1, workers
    # Not inside the store: everybody would wait for it.
    until = time.monotonic() + 20
    while True:
        os.kill(workers[0], signal.SIGSTOP)
        time.sleep(0.05)
        if json.loads(server.slipway("store", "stat"))["inside_pid"] == 0:
            break
        os.kill(workers[0], signal.SIGCONT)
        assert time.monotonic() < until
        time.sleep(0.1)
    try:
        a = server.save(table("waits.csv", "lat,lng,name", "1,2,a"))
        assert a.status in (201, 202), a
        time.sleep(1.1)
        now = scrape(server)
        assert value(now, "slipway_tasks", state="queued") == 1 and value(now, "slipway_task_queue_age_seconds") >= 1
    finally:
        os.kill(workers[0], signal.SIGCONT)
    until = time.monotonic() + 20
    while value(scrape(server), "slipway_tasks", state="queued"):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_who_may_read_it(server):
    for user, status in ((None, 401), ("mei", 403), ("admin", 200)):
        assert server.get("/metrics", user=user).status == status, user
    for addresses, status in (("192.0.2.1 127.0.0.1", 200), ("192.0.2.0/24 127.0.0.0/8", 200), ("192.0.2.0/24", 401)):
        with configured(server, f"[metrics]\naddress = {addresses}"):
            assert server.get("/metrics", user=None).status == status, addresses


def test_readiness_tells_a_full_disk(server):
    """What would be refused for want of space is told before: reading goes on, so the service is still healthy."""
    assert (server.get("/readyz", user=None).status, server.get("/healthz", user=None).status) == (200, 200)
    with configured(server, "[upload]\nmin_free = 900T"):
        a = server.get("/readyz", user=None)
        assert a.status == 507 and a.text.startswith("ERR_NO_SPACE: ") and server.data not in a.text, a
        assert server.get("/healthz", user=None).status == 200
        assert server.request("PUT", "/files/x.csv", body=b"a,b\n").status == 507
    assert server.get("/readyz", user=None).status == 200


if __name__ == "__main__":
    main(sys.modules[__name__])
