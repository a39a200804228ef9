"""Goal: a signed write happens exactly once, whenever the front that takes it is killed: before it, in the middle of its
transaction, between COMMIT and the record of its answer; the client repeats the same request until it is told
(signed-api.md 2.4, 3.5; cases 9, 19, 20, 39)."""
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "http"))
from harness import Server, main  # noqa: E402
from signed import FILE, SUCCESS, attempt, configure, killed_under, now_ms, repeat, send, signed, table, tasks  # noqa: E402
from transfer import kill_fronts  # noqa: E402

KILLS = int(os.environ.get("KILLS", "60"))
RECEIVERS = {
    "once": {"table": "t(request, n)", "columns": {"request": "text", "n": "integer"}},
    # Seconds of work before the first row.
    "slow": {"table": "t(request, n)", "columns": {"request": "text", "n": "integer"},
             "preSql": ["insert into t(request, n) with recursive c(n) as (select 1 union all select n + 1 from c where n < 9000000) "
                        "select 'filler', max(n) from c"]},
}


def test_killed_at_any_moment_written_once(server):
    chance = random.Random(7)
    stamp = now_ms() - 100_000
    for k in range(KILLS):
        fields = signed("once", stamp=stamp + k, ds=[["request", "n"], [f"r{k}", 1], [f"r{k}", 2]])
        a = killed_under(server, fields, chance.uniform(0, 0.012))
        assert a.body == SUCCESS, (k, a)
    counts = dict(table(server, "once", "select request, count(*) from t group by request"))
    assert counts == {f"r{k}": 2 for k in range(KILLS)}, {k: v for k, v in counts.items() if v != 2}
    # Each accepted request is one task, and all have ended well.
    records = tasks(server, receiver="once")
    assert len(records) == KILLS and {t["state"] for t in records} == {"done"}, [t for t in records if t["state"] != "done"]


def test_killed_in_mid_transaction_nothing_is_there(server):
    fields = signed("slow", ds=[["request", "n"], ["s", 1]])
    first = threading.Thread(target=attempt, args=(server, fields))
    first.start()
    time.sleep(0.4)
    running = tasks(server, receiver="slow")
    assert [t["state"] for t in running] == ["running"], running
    kill_fronts(server)
    first.join()
    assert table(server, "slow", "select count(*) from sqlite_master where name = 't'") == [(0,)]
    # Repeated: what died did nothing, so it is done now, under the task that is there already.
    a = repeat(server, fields)
    assert a.body == SUCCESS and int(a.header("X-Slipway-Task")) == running[0]["id"], (a, a.headers)
    assert table(server, "slow", "select request, n from t order by n") == [("s", 1), ("filler", 9000000)]
    assert [t["state"] for t in tasks(server, receiver="slow")] == ["done"]
    again = send(server, fields)
    assert again.body == SUCCESS and again.header("X-Slipway-Replayed") == "1"


def test_repeat_while_the_first_is_at_work_waits(server):
    fields = signed("slow", ds=[["request", "n"], ["w", 1]])
    got = []
    both = [threading.Thread(target=lambda: got.append(send(server, fields, timeout=60))) for _ in range(2)]
    for t in both:
        t.start()
        time.sleep(0.2)
    for t in both:
        t.join()
    assert [a.body for a in got] == [SUCCESS] * 2 and sorted(str(a.header("X-Slipway-Replayed")) for a in got) == ["1", "None"], got
    assert table(server, "slow", "select count(*) from t where request = 'w'") == [(1,)]


def test_file_accepted_before_the_kill_is_imported_once(server):
    """The file API: whatever the client was told, one import for each request."""
    chance = random.Random(11)
    stamp = now_ms() - 50_000
    n = max(KILLS // 6, 5)
    for k in range(n):
        fields = signed("once", stamp=stamp + k)
        files = [("file", f"f{k}.csv", f"request,n\nf{k},1\n".encode())]
        a = killed_under(server, fields, chance.uniform(0, 0.03), path=FILE, files=files)
        assert a.json == {"result": "success", "data": "uploaded"}, (k, a)
    counts = dict(table(server, "once", "select request, count(*) from t where request like 'f%' group by request"))
    assert counts == {f"f{k}": 1 for k in range(n)}, counts


def prepared():
    server = Server("[mail]\nmethod = none\n")
    configure(server, {"loader": {}}, RECEIVERS)
    return server


if __name__ == "__main__":
    site = prepared()
    try:
        main(sys.modules[__name__], site)
    finally:
        site.close()
