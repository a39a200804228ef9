"""Goal: the data API writes into PostgreSQL as into its own tables: all or nothing, values exact, one writer a table, once
whatever front or database dies (signed-api.md 2.4, 3.3-3.5, 5; cases 7, 8, 10, 14, 19, 20, 28)."""
import concurrent.futures
import json
import os
import random
import signal
import sys
import threading
import time

import pgserver
from harness import Server, main
from signed import SUCCESS, accepted, configure, dataset, killed_under, now_ms, refused, rows, send, signed, tasks

KILLS = 20
RECEIVERS = {
    "plain": {"table": "plain(id, name, n, at, ok, doc)", "target": "pg", "id": "id", "ops": "CUD", "fDict": {"label": "name"}},
    "full": {"table": "full_t(id)", "target": "pg", "preSql": ["truncate table full_t"], "allowEmpty": True},
    "late": {"table": "late(id, other)", "target": "pg"},
    "made": {"table": "made(a, b)", "target": "pg", "columns": {"a": "text", "b": "real"}, "postSql": ["update made set b = b + 1"]},
    "once": {"table": "once(request)", "target": "pg"},
    "slow": {"table": "slow(request)", "target": "pg", "preSql": ["select pg_sleep(2.5)"]},
    "gone": {"table": "t(a)", "target": "nobody"},
    "made_id": {"table": "made_id", "target": "pg", "id": "id", "ops": "CUD"},
    "pooled": {"table": "pooled", "target": "pg", "id": "id", "upsert": True, "postSql": ["insert into names select name from pg_prepared_statements"]},
    "positive": {"table": "positive", "target": "pg"},
    "settings": {"table": "settings(at)", "target": "serial"},
    "found": {"table": "found(id, words)", "target": "pg", "id": "id"},
    "typed": {"table": "typed", "target": "pg", "id": "id", "ops": "CUD"},
    "staged": {"table": "staged(id, name)", "target": "pg", "id": "id", "upsert": True},
    "ruled": {"table": "ruled(id)", "target": "pg"},
    "nested": {"table": "nested(doc, n)", "target": "pg"},
    "serial": {"table": "serial_t(id, n)", "target": "serial", "id": "id", "upsert": True},
    "alone": {"table": "alone", "target": "alone"},
    "stuck": {"table": "stuck(words)", "target": "pg", "timeout": 1},
    "short": {"table": "locked(id)", "target": "pg", "timeout": 2},
    "naps": {"table": "naps(id)", "target": "pg", "timeout": 2, "preSql": ["select pg_sleep(1.2)"] * 4},
    "forth": {"table": "pair(id, n)", "target": "pg", "id": "id", "ops": "U", "preSql": ["set local deadlock_timeout = '100ms'"]},
    "back": {"table": "pair(id, n)", "target": "pg", "id": "id", "ops": "U", "preSql": ["set local deadlock_timeout = '100ms'"]},
}
TABLES = """
create table plain(id integer primary key, name text, n numeric, at timestamp, ok boolean, doc jsonb);
create table full_t(id integer not null);
insert into full_t values (1), (2);
create table late(id integer primary key, other integer references late(id) deferrable initially deferred);
create table once(request text);
create table slow(request text);
create table slipway_stage(n bigint, c1 integer, c2 text);
create table staged(id integer primary key, name text);
create table ruled(id integer);
create table ruled_log(id integer);
create rule elsewhere as on insert to ruled do instead insert into ruled_log values (new.id);
create domain doc as jsonb;
create domain short_doc as doc check (length(value::text) < 100);
create domain small as integer;
create domain tiny as small;
create table nested(doc short_doc, n tiny);
create table serial_t(id integer primary key, n integer);
create table locked(id integer);
create table stuck(words text);
create table alone(id integer);
create role alone login connection limit 1;
grant insert, select on alone to alone;
create table naps(id integer);
create table pair(id integer primary key, n integer);
create table made_id(id integer generated always as identity primary key, n integer, twice integer generated always as (n * 2) stored);
create table pooled(id integer primary key, n integer);
create table names(name text);
create table found(id integer primary key, words tsquery);
create type mood as enum ('sad', 'ok');
create domain flags as bit(3);
create table typed(id integer primary key, t regclass, r regrole, p regprocedure, ns regnamespace, m mood, b bit(3), v varbit(4), f flags, codes varchar(3)[], trig text);
create function tried() returns trigger language plpgsql as $$ begin perform new.trig::regclass; perform new.trig::bit(3); return new; end $$;
create trigger tried before insert or update on typed for each row when (new.trig is not null) execute function tried();
create table narrow(id serial primary key, n integer);
create table seen(id integer, n integer);
create view positive as select n from seen where n > 0 with check option;
create view sums as select count(*) as n from seen;
create role low login;
grant insert on narrow, seen to low;
create table kept(id integer primary key, n integer);
grant select, insert, update, delete, truncate on kept to low;
insert into pair values (1, 0), (2, 0);
create function nap() returns trigger language plpgsql as $$ begin perform pg_sleep(0.3); return new; end $$;
create trigger nap after update on pair for each row execute function nap();
create trigger dozes before insert on stuck for each row when (new.words = 'nap') execute function nap();
create role serial login superuser;
create table settings(at date, path text default current_setting('search_path'), style text default current_setting('datestyle'));
alter role serial set datestyle = 'SQL, DMY';
alter role serial set search_path = 'elsewhere';
alter role serial set default_transaction_isolation = 'serializable';
"""


def everything(server, sql):
    return server.pg.sql(sql).splitlines()


def until_locked(server, table):
    end = time.monotonic() + 10
    while everything(server, f"select 1 from pg_locks where relation = '{table}'::regclass and mode = 'AccessExclusiveLock' and granted") == []:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_values_are_exact(server):
    long = "123456789012345678901234567890.1230"
    ds = ('[["A"],[1,"li","%s","2026-01-31 08:00:00",true,{"k":[1,2]}],[2,null,0.10,null,false,[1]],[3,"",%s,"",null,null]]' % (long, long))
    accepted(rows(server, "plain", ds.replace('["A"]', "[]", 1)), inserted=3)
    assert everything(server, "select id, name, n, at, ok, doc from plain order by id") == [
        f'1|li|{long}|2026-01-31 08:00:00|t|{{"k": [1, 2]}}', "2||0.10||f|[1]", f"3||{long}|||"]
    # A text column keeps an empty text, others make it NULL.
    assert everything(server, "select count(*) from plain where name = ''") == ["1"]
    accepted(rows(server, "plain", {"id": 1, "label": "wang"}, update="1"), updated=1)
    accepted(rows(server, "plain", {"id": 2}, update="2"), deleted=1)
    assert everything(server, "select id, name from plain order by id") == ["1|wang", "3|"]


def test_bad_values_change_nothing(server):
    before = everything(server, "select * from plain order by id")
    for ds, text in (([[], [7, "a", 1, "2026-01-01", True, None], [8, "b", "many", None, None, None]], "bad request: row 2, column n: "),
                     ([[], [7, "a", 1, "31.31.2026", True, None]], "bad request: row 1, column at: "),
                     ([[], [7, "a", 1, None, None, None], [3, "twice", 1, None, None, None]], "database error: constraint in row 2"),
                     ({"id": 7, "nix": 1}, "bad request: "), ({"id": 7, "label": "'); drop table plain;--\u0000"}, "bad request: ")):
        a = rows(server, "plain", ds)
        assert a.json["msg"].startswith(text), (ds, a)
    accepted(rows(server, "plain", [[], [9, "'); drop table plain;--", 1, None, None, None]]))
    accepted(rows(server, "plain", {"id": 9}, update="2"))
    assert everything(server, "select * from plain order by id") == before


def test_truncate_and_a_failing_row_keep_the_old(server):
    refused(rows(server, "full", [["id"], [5], [None]]), 500, "database error: constraint in row 2")
    assert everything(server, "select id from full_t order by id") == ["1", "2"]
    accepted(rows(server, "full", [["id"], [5]]), inserted=1)
    assert everything(server, "select id from full_t") == ["5"]
    accepted(rows(server, "full", [["id"]]))
    assert everything(server, "select count(*) from full_t") == ["0"]


def test_commit_that_fails(server):
    """A deferred constraint speaks at COMMIT: nothing is there, and the request may come again."""
    fields = signed("late", ds=[["id", "other"], [1, 2]])
    for _ in range(2):
        a = send(server, fields)
        refused(a, 500, "database error: constraint")
        assert a.header("X-Slipway-Replayed") is None
    assert everything(server, "select count(*) from late") == ["0"]
    accepted(rows(server, "late", [["id", "other"], [1, 2], [2, 1]]), inserted=2)


def test_missing_table_is_made(server):
    accepted(rows(server, "made", [["a", "b"], ["x", 1.5]]), inserted=1)
    assert everything(server, "select a, b from made") == ["x|2.5"]


def test_once(server):
    fields = signed("once", ds=["twenty"])
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda _: send(server, fields), range(20)))
    assert all(a.body == SUCCESS or a.json == {"status": 409, "msg": "busy"} for a in done), done
    assert everything(server, "select count(*) from once where request = 'twenty'") == ["1"]


def test_one_writer_a_table(server):
    """signed.lock_wait is a second here: who comes second waits for it and is told busy; nothing of his is left."""
    first = threading.Thread(target=lambda: accepted(rows(server, "slow", ["first"])))
    first.start()
    time.sleep(0.3)
    begin = time.monotonic()
    number = len(tasks(server))
    a = rows(server, "slow", ["second"], stamp=now_ms() + 1)
    assert refused(a, 409) == "busy" and 0.8 < time.monotonic() - begin < 3 and a.header("X-Slipway-Task") is None
    first.join()
    assert everything(server, "select request from slow") == ["first"] and len(tasks(server)) == number


def test_killed_fronts_write_once(server):
    chance = random.Random(5)
    stamp = now_ms() - 60_000
    for k in range(KILLS):
        fields = signed("once", stamp=stamp + k, ds=[["request"], [f"r{k}"]])
        assert killed_under(server, fields, chance.uniform(0, 0.02)).body == SUCCESS, k
    got = everything(server, "select request, count(*) from once where request like 'r%' group by request")
    assert sorted(got) == sorted(f"r{k}|1" for k in range(KILLS)), got


def test_a_table_that_is_called_like_ours(server):
    """Many rows by key go through a temporary table, whatever else has its name."""
    accepted(rows(server, "staged", [[]] + [[i, f"n{i}"] for i in range(300)]), inserted=300)
    assert everything(server, "select count(*) from slipway_stage") == ["0"]
    assert everything(server, "select count(*) from staged") == ["300"]


def test_rules_hold_for_many_rows(server):
    accepted(rows(server, "ruled", [[], [1]]))
    accepted(rows(server, "ruled", [[]] + [[i] for i in range(2, 10)]))
    assert everything(server, "select (select count(*) from ruled), (select count(*) from ruled_log)") == ["0|9"]


def test_domains_of_domains(server):
    accepted(rows(server, "nested", [[], [{"k": [1]}, True]]), inserted=1)
    assert everything(server, "select doc, n from nested") == ['{"k": [1]}|1']
    refused(rows(server, "nested", [[], [None, "x"]]), 400, "bad request: row 1, column n: not an integer")


def test_writers_of_a_role_that_is_serializable(server):
    """One after the other each sees what the one before has written."""
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for a in pool.map(lambda k: rows(server, "serial", [[], [1, k]]), range(12)):
            accepted(a)


def test_rows_are_found_by_a_key_the_database_made(server):
    accepted(rows(server, "made_id", [[], [5], [6], [7]]), inserted=3)
    accepted(rows(server, "made_id", [{"id": 1, "n": 50}], update="1"), updated=1)
    accepted(rows(server, "made_id", [{"id": k, "n": 60} for k in range(2, 300)], update="1"), updated=2)
    assert everything(server, "select * from made_id order by id") == ["1|50|100", "2|60|120", "3|60|120"]
    # It is still the database that makes it, and what it computes.
    refused(rows(server, "made_id", {"id": 9, "n": 1}), 400, 'bad request: row 1: the server fills "id"')
    refused(rows(server, "made_id", {"id": 1, "twice": 1}, update="1"), 400, 'bad request: row 1: the server fills "twice"')
    # A row that comes as it was read goes by its key.
    accepted(rows(server, "made_id", {"id": 1, "n": 50, "twice": 100}, update="2"), deleted=1)
    accepted(rows(server, "made_id", [{"id": k} for k in range(2, 300)], update="2"), deleted=2)


def test_values_that_a_type_of_its_own_cannot_read(server):
    """tsquery has the code of a wrong statement for them, PostGIS that of an internal error."""
    refused(rows(server, "found", [[], [1, "a b"]]), 400, "bad request: row 1, column words: not a valid value")
    refused(rows(server, "found", [[]] + [[k, "a & b"] for k in range(9)] + [[9, "a b"]]), 400, "bad request: row 10, column words: not a valid value")
    refused(rows(server, "found", [{"id": k, "words": "a b"} for k in range(300)], update="1"), 400, "bad request: row 1, column words: not a valid value")


def test_values_of_short_or_unknown_kinds(server):
    """What is not in the database's catalogue is a bad value and no missing table; lengths hold though a cast would cut."""
    for column, good, bad, why in (("t", "plain", "nowhere", "not a valid value"), ("r", "boss", "nobody", "not a valid value"),
                                   ("p", "tried()", "nix(integer)", "not a valid value"), ("ns", "public", "nix", "not a valid value"),
                                   ("m", "ok", "glad", "not a valid value"), ("b", "101", "1", "of another length"), ("v", "1", "11111", "too long"),
                                   ("f", "101", "1010", "of another length"), ("codes", "{abc}", "{a,abcd}", "too long")):
        for count in (1, 6):
            ds = [{"id": k, column: good} for k in range(count)]
            accepted(rows(server, "typed", ds), inserted=count)
            accepted(rows(server, "typed", ds, update="1"), updated=count)
            accepted(rows(server, "typed", ds, update="2"), deleted=count)
            refused(rows(server, "typed", ds + [{"id": 9, column: bad}]), 400, f"bad request: row {count + 1}, column {column}: {why}")
        accepted(rows(server, "typed", {"id": 9}))
        for count in (1, 300):
            refused(rows(server, "typed", [{"id": 9, column: bad}] * count, update="1"), 400, f"bad request: row 1, column {column}: {why}")
        accepted(rows(server, "typed", {"id": 9}, update="2"))
    # What a trigger lacks is no fault of a value.
    for count in (1, 6):
        refused(rows(server, "typed", [{"id": k, "trig": "nowhere"} for k in range(count)]), 500, "database error: missing object in row 1")


def test_the_page_knows_the_columns(server):
    """An example of rows for a table that the configuration says nothing of: what the table says, without kinds nobody can guess."""
    ds = {name: json.loads(server.get(f"/admin/datasets/dataset?name={name}", accept="application/json", user="admin").json["ds"])
          for name in ("made_id", "typed", "found", "plain")}
    assert ds == {"made_id": [{"n": 7}], "typed": [{"id": 7, "trig": "a"}], "found": [{"id": 7}],
                  "plain": [{"id": 7, "label": "a", "n": 1.5, "at": "2026-01-31T12:00:00Z", "ok": True, "doc": {}}]}, ds


def test_a_view_that_checks_its_rows(server):
    refused(rows(server, "positive", [[], [1], [-1]]), 500, "database error: constraint in row 2")
    accepted(rows(server, "positive", [[], [1]]), inserted=1)


def test_sessions_that_others_use_as_well(server):
    """Behind PgBouncer one may go to somebody else after each transaction: no statement has a name there, no setting stays."""
    accepted(rows(server, "pooled", [{"id": 1, "n": 1}, {"id": 2, "n": 2}, {"id": 1, "n": 3}, {"n": 4, "id": 2}, {"id": 3}]), inserted=3, updated=2)
    assert everything(server, "select * from pooled order by id") == ["1|3", "2|4", "3|"]
    assert everything(server, "select name from names") == []
    accepted(rows(server, "settings", [[], ["2026-01-02"]]), inserted=1)
    assert everything(server, "select at, path, style from settings") == ["2026-01-02|public, pg_temp|ISO, DMY"]


def test_check_tells_rights_beforehand(server):
    """All a receiver is for, whatever its role may not; nothing is executed, and with the rights it is content."""
    def check(text, **config):
        dataset(server, "add", "checked", config={"target": "low", **config})
        told = json.loads(dataset(server, "check", "checked", "--json", check=False))
        dataset(server, "remove", "checked")
        assert (told["ok"], told["msg"]) == (text is None, text or "success"), (config, told)
    for config, text in (
            ({"table": "narrow(n)"}, "permission in insert"),                  # the sequence behind the other column
            ({"table": "narrow(id, n)"}, None),
            ({"table": "narrow(id, n)", "id": "id", "ops": "C"}, None),
            ({"table": "narrow(id, n)", "id": "id"}, "permission in update"),
            ({"table": "narrow(id, n)", "id": "id", "ops": "CD"}, "permission in delete"),
            ({"table": "narrow(id, n)", "id": "id", "ops": "C", "mode": "upsert"}, "permission in update"),
            ({"table": "kept", "id": "id", "ops": "C", "upsert": True}, None),
            ({"table": "seen", "mode": "replace"}, "permission in replace"),
            ({"table": "seen", "catalogue": True}, "permission in catalogue"),
            ({"table": "seen", "preSql": ["truncate table seen"]}, "permission in preSql 1"),
            ({"table": "seen", "postSql": ["select 1", "delete from seen where n = $rows"]}, "permission in postSql 2"),
            ({"table": "kept", "target": "frozen"}, "permission in begin"),
            ({"table": "sums", "target": "pg"}, "other in insert"),
            ({"table": "kept", "id": "id", "ops": "CUD", "mode": "replace", "catalogue": True, "preSql": ["truncate kept", "delete from kept"]}, None)):
        check(text and "database error: " + text, **config)
    server.pg.sql("grant usage on sequence narrow_id_seq to low")
    check(None, table="narrow(n)")
    assert everything(server, "select last_value, is_called from narrow_id_seq") == ["1|f"]


def test_timeout_is_of_all_statements(server):
    """Two seconds in all, not for each; a stream that was stopped is not tried again row by row."""
    begin = time.monotonic()
    refused(rows(server, "naps", [[], [1]]), 500, "database error: other in preSql 2")
    assert time.monotonic() - begin < 3
    holder = server.pg.open("begin; lock table locked; select pg_sleep(30)")
    try:
        until_locked(server, "locked")
        begin = time.monotonic()
        refused(rows(server, "short", [[]] + [[i] for i in range(10)]), 500, "database error: other in row")
        assert 1.5 < time.monotonic() - begin < 3
    finally:
        holder.kill()
        holder.wait()
        server.pg.sql("select pg_terminate_backend(pid) from pg_locks where relation = 'locked'::regclass and mode = 'AccessExclusiveLock'")
    accepted(rows(server, "short", [[]] + [[i] for i in range(10)]), inserted=10)


def test_a_deadlock_is_busy(server):
    """The loser may come again as it is; the other one has written."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        one = pool.submit(rows, server, "forth", [{"id": 1, "n": 1}, {"id": 2, "n": 1}], update="1")
        two = pool.submit(rows, server, "back", [{"id": 2, "n": 2}, {"id": 1, "n": 2}], update="1")
        got = sorted((one.result(), two.result()), key=lambda a: a.json["status"])
    accepted(got[0], updated=2)
    assert refused(got[1], 409) == "busy"
    assert len(set(everything(server, "select n from pair"))) == 1


def test_connections_end_when_nobody_uses_them(server):
    """A role that may have one has it for every process: the next one waits until the first one's is given up."""
    def sessions():
        return len(everything(server, "select 1 from pg_stat_activity where usename = 'alone'"))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for a in pool.map(lambda k: rows(server, "alone", [k]), range(8)):
            accepted(a, inserted=1)
    assert sessions() == 1
    dataset(server, "check", "alone")
    assert sessions() == 0
    accepted(rows(server, "alone", [9]), inserted=1)


def test_a_server_that_says_nothing_is_not_waited_for(server):
    """Stopped, its side of the connection stays open: the write takes another one, or is told so."""
    accepted(rows(server, "alone", [1]), inserted=1)
    pid = int(server.pg.sql("select pid from pg_stat_activity where usename = 'alone'"))
    server.pg.sql("alter role alone connection limit 2")
    os.kill(pid, signal.SIGSTOP)
    try:
        accepted(rows(server, "alone", [2]), inserted=1)
    finally:
        os.kill(pid, signal.SIGCONT)
        server.pg.sql("alter role alone connection limit 1")


def test_a_server_that_takes_no_more_rows_is_not_waited_for(server):
    """Stopped in the middle of a COPY, it reads no further: what is on its way fills the socket."""
    napping = "select pid from pg_stat_activity where wait_event = 'PgSleep' and query like 'COPY%'"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        answer = pool.submit(rows, server, "stuck", [["words"], ["nap"]] + [["x" * 1000]] * 3000)
        while not (pid := server.pg.sql(napping)):
            assert time.monotonic() < began + 5
        os.kill(int(pid), signal.SIGSTOP)
        try:
            assert refused(answer.result(20), 503) == "database not reachable"
        finally:
            os.kill(int(pid), signal.SIGCONT)
    assert everything(server, "select 1 from stuck") == [], "all or nothing"


def test_database_not_reachable(server):
    assert refused(rows(server, "gone", [1]), 503) == "database not reachable"
    text = rows(server, "gone", [1], stamp=now_ms() + 1).body.decode()
    assert server.pg.dir not in text and "host" not in text, text


def prepared():
    pg = pgserver.Pg()
    pg.sql(TABLES)
    server = Server(f"[target]\npg = {pg.conninfo}\nserial = {pg.conninfo.replace('=boss', '=serial')}\nlow = {pg.conninfo.replace('=boss', '=low')}\n"
                    f"alone = {pg.conninfo.replace('=boss', '=alone')}\n"
                    f"frozen = {pg.conninfo} options='-c default_transaction_read_only=on'\nnobody = host=/nowhere dbname=x\n[signed]\nlock_wait = 1\n")
    server.pg = pg
    configure(server, {"loader": {}}, RECEIVERS)
    return server


if __name__ == "__main__":
    if not pgserver.installed():
        print("ok 1 # skip PostgreSQL is not installed")
        sys.exit(0)
    site = prepared()
    try:
        main(sys.modules[__name__], site)
    finally:
        site.close()
        site.pg.close()
