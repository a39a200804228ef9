"""Goal: a file goes into PostgreSQL as into the embedded tables: whole or not at all, once whatever worker dies, values exact; and
its table is a dataset, too (signed-api.md 5, 7.1; cases 39, 43)."""
import os
import signal
import sys
import threading
import time

import pgserver
from harness import Server, main
from signed import configure, repeat, send, signed, tasks
from test_import_table import Peaks, a_million_rows_in_the_memory_of_a_fifth, datasets, ended, put, refreshes, refused, task, until, worker_of

TABLES = """
create table sales(id integer primary key, name text not null, n numeric, at timestamp, ok boolean);
create table many(n integer, name text);
create table million(n integer, name text);
create table pieces(n integer primary key, name text not null, code text);
create table days(id integer primary key, d date, at timestamp, x double precision, old timestamptz);
create table lagging(id integer);
create table severed(a integer);
create table long_rows(id integer primary key, wkt text);
create role logged login superuser;
alter role logged set log_statement = 'all';
create role dmy login superuser;
alter role dmy set datestyle = 'SQL, DMY';
alter role dmy set extra_float_digits = -12;
alter role dmy set timezone = 'Asia/Shanghai';
"""
RECEIVERS = {
    "sales": {"table": "sales(id, name, n, at, ok)", "target": "pg", "id": "id", "mode": "upsert", "decimal": ",", "catalogue": True},
    "many": {"table": "many(n, name)", "target": "pg", "maxRows": 1000000},
    "million": {"table": "million(n, name)", "target": "pg", "maxRows": 1000000},
    "days": {"table": "days", "target": "dmy", "catalogue": True},
    "lagging": {"table": "lagging", "target": "pg", "catalogue": True, "postSql": ["select pg_sleep(1.4)"]},
    "long": {"table": "long_rows", "target": "pg", "catalogue": True},
    "severed": {"table": "severed", "target": "severed"},
    "pieces": {"table": "pieces", "target": "logged", "autoCode": {"code": "P"}},
    "pieces_by_key": {"table": "pieces", "target": "logged", "id": "n", "mode": "upsert"},
    "hasty": {"table": "many(n, name)", "target": "pg", "timeout": 2},
    "slow": {"table": "many(n, name)", "target": "pg", "postSql": ["select pg_sleep(1.5)"]},
}
SALES = "id;name;n;at;ok\n1;Köln;1.234,50;2026-01-31 08:00:00;yes\n2;北京;0,10;;no\n"


def test_values_and_upsert(server):
    put(server, "sales", SALES.encode(), visitor="meis", key="a-secret-of-mei-alone-1")
    assert server.pg.sql("select * from sales order by id").splitlines() == ["1|Köln|1234.50|2026-01-31 08:00:00|t", "2|北京|0.10||f"]
    _, number = put(server, "sales", b"id;name;n;at;ok\n2;new;7;;\n3;three;8;;\n", visitor="meis", key="a-secret-of-mei-alone-1")
    assert task(server, number)["rows"] == {"inserted": 1, "updated": 1, "deleted": 0, "bad": 0}
    assert server.pg.sql("select id, name from sales order by id").splitlines() == ["1|Köln", "2|new", "3|three"]
    d = until(lambda: datasets(server, "sales"))[0]
    until(lambda: server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]["count"] == 3)


def test_bad_rows_keep_the_table(server):
    before = server.pg.sql("select * from sales order by id")
    refused(server, "sales", b"id;name;n;at;ok\n7;x;1;;\n8;y;many;;\n", "row 3, column n: not a number")
    refused(server, "sales", b"id;name;n;at;ok\n7;x;1;;\n8;y;1;31.31.2026;\n", "row 3, column at: out of range")
    a, _ = put(server, "sales", b"id;name;n;at;ok\n7;x;1;;\n8;;1;;\n", want=None)
    assert a.json["result"] == "error" and "row 3" in a.json["data"], a
    assert server.pg.sql("select * from sales order by id") == before


def test_a_bad_row_behind_many_is_told_in_time(server):
    """Streamed, it is found at once; who then looks at each row by itself has no time to get there."""
    raw = b"n,name\n" + b"1,a\n" * 80000 + b"x,b\n"
    _, number = put(server, "hasty", raw, want=None)
    t = ended(server, number)
    assert (t["state"], t["message"]) == ("failed", "row 80002, column n: not an integer"), t
    assert server.pg.sql("select count(*) from many where name = 'a'") == "0\n"


def test_bad_rows_among_many_are_found_by_pieces(server):
    """Only the rows near a bad one are looked at one by one; codes go on, whatever is written twice on the way."""
    def file(changed, behind=""):
        lines = [f"{n},a{behind}" for n in range(30000)]
        for row, text in changed.items():
            lines[row - 2] = text + behind
        return ("n,name" + (",code" if behind else "") + "\n" + "\n".join(lines) + "\n").encode()

    def looked_at():
        with open(f"{server.pg.dir}/log") as f:
            return sum("SAVEPOINT slipway_row\n" in line for line in f)

    bad = {2: "x,a", 20000: "19990,twice", 20001: "19999,", 20002: "3,twice", 29999: "1.5,a", 30000: "y,a"}
    _, number = put(server, "pieces", file(bad), want=None)
    t = ended(server, number)
    assert t["state"] == "failed" and t["rows"]["bad"] == 6, t
    assert t["message"].startswith("row 2, column n: not an integer; row 20000: already there; row 20001, column name: a value is missing; "
                                   "row 20002: already there; row 29999, column n: not an integer; and 1 more"), t
    assert 0 < looked_at() < 2000, looked_at()
    _, number = put(server, "pieces_by_key", file({2: "x,a", 20001: "19999,", 30000: "y,a"}, ",c"), want=None)
    t = ended(server, number)
    assert (t["state"], t["rows"]["bad"]) == ("failed", 3), t
    assert "row 20001, column name: a value is missing; row 30000, column n: not an integer" in t["message"], t
    assert looked_at() < 4000, looked_at()
    assert server.pg.sql("select count(*) from pieces") == "0\n"
    put(server, "pieces", file({}), want=None)
    until(lambda: server.pg.sql("select count(*), count(distinct code) from pieces") == "30000|30000\n")


def test_dates_are_listed_whatever_the_role_prefers(server):
    """The table is read for its dataset: not as 31/01/2026, nor in a zone that was 08:05:43 east of Greenwich."""
    put(server, "days", b"id,d,at,x,old\n1,2026-01-31,2026-01-31 08:00:00,0.1234567890123,1900-01-01T00:00:00Z\n", visitor="meis", key="a-secret-of-mei-alone-1")
    d = until(lambda: datasets(server, "days"))[0]
    got = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]
    assert [c["type"] for c in got["columns"]] == ["integer", "date", "datetime", "real", "datetime"], got["columns"]
    assert got["rows"] == [["1", "2026-01-31", got["rows"][0][2], "0.1234567890123", "1900-01-01T00:00:00Z"]] and got["rows"][0][2][:10] == "2026-01-31", got["rows"]


def test_a_geometry_is_where_its_column_says(server):
    """With PostGIS, where it is installed: the map is made of the geometry itself, in the reference system of the column."""
    if server.pg.sql("select 1 from pg_available_extensions where name = 'postgis'") == "":
        return
    server.pg.sql("create schema gis; create extension postgis schema gis; create table here(id integer primary key, g gis.geometry(Point,3857))")
    configure(server, receivers={"here": {"table": "here", "target": "pg", "catalogue": True, "geometry": {"wkt": "g"}}})
    put(server, "here", b"id,g\n1,POINT(1113194.9079 0)\n", visitor="meis", key="a-secret-of-mei-alone-1")
    refused(server, "here", b"id,g\n2,POINT(3 4)\n3,nowhere\n", "row 3, column g: not a valid value")
    d = until(lambda: datasets(server, "here"))[0]
    got = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]
    assert got["crs"]["code"] == "EPSG:3857" and got["geometry"] == "Point" and abs(got["bbox_wgs84"][0] - 10) < 1e-6, got


def test_geometries_that_say_where_they_are(server):
    """A column of any kind of geometry has no reference system: that of its values counts, as PostGIS writes it and as text."""
    server.pg.sql("create table in_hex(id integer primary key, g text); create table in_words(id integer primary key, g text)")
    geometry = {"wkt": "g", "srs": "EPSG:4326"}
    configure(server, receivers={n: {"table": n, "target": "pg", "catalogue": True, "geometry": geometry} for n in ("in_hex", "in_words")})
    arc = "SRID=3857;COMPOUNDCURVE(CIRCULARSTRING(1113194.9079 0,1113204.9079 10,1113214.9079 0))"
    put(server, "in_hex", b"id,g\n1,\n2,0101000020110F000068226CE86AFC30410000000000000000\n", visitor="meis", key="a-secret-of-mei-alone-1")
    put(server, "in_words", f'id,g\n1,\n2,"{arc}"\n'.encode(), visitor="meis", key="a-secret-of-mei-alone-1")
    for name, warnings in (("in_hex", []), ("in_words", ["curves_flattened"])):
        d = until(lambda: datasets(server, name))[0]
        got = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]
        assert got["crs"]["code"] == "EPSG:3857" and abs(got["bbox_wgs84"][0] - 10) < 1e-4, got
        # What was done to them on the way is said as for any other dataset.
        assert [w["code"] for w in got["warnings"]] == warnings, got["warnings"]


def test_rows_without_a_place_are_told(server):
    """Nobody looks at them before, as the wizard does: two places went with their SRID, one with its value."""
    server.pg.sql("create table lost(id integer primary key, g text)")
    configure(server, receivers={"lost": {"table": "lost", "target": "pg", "catalogue": True, "geometry": {"wkt": "g"}}})
    values = ("SRID=3857;POINT(1 2)", "", "SRID=4326;POINT(10 0)", "SRID=4326;POINT(11 0)", "nowhere")
    put(server, "lost", "".join(["id,g\n", *(f"{i},{v}\n" for i, v in enumerate(values))]).encode(), visitor="meis", key="a-secret-of-mei-alone-1")
    d = until(lambda: datasets(server, "lost"))[0]
    told = server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]["warnings"]
    assert [(w["code"], w["args"]["count"], w["value"]) for w in told] == [("csv_srid_other", 2, values[2]), ("csv_bad_rows", 1, "nowhere")], told


def test_a_foreign_tables_server_blames_no_column(server):
    """What it was sent is told with "$1" in it: that is no column of ours."""
    server.pg.sql(f"""create extension postgres_fdw; create schema far; create table far.src(id integer, name varchar(3));
        create server self foreign data wrapper postgres_fdw options (host '{server.pg.dir}', dbname 'postgres');
        create user mapping for boss server self options (user 'boss');
        create foreign table away(id integer, name text) server self options (schema_name 'far', table_name 'src')""")
    configure(server, receivers={"away": {"table": "away", "target": "pg"}})
    put(server, "away", b"id,name\n1,abc\n")
    refused(server, "away", b"id,name\n2,abcd\n", "row 2: too long")
    server.pg.sql("drop table far.src")
    _, number = put(server, "away", b"id,name\n2,abc\n", want=None)
    assert "column" not in ended(server, number)["message"], number


def test_a_locked_table_is_read_when_it_is_free(server):
    """Meanwhile it keeps no worker: each look ends after signed.lock_wait."""
    one = threading.Thread(target=put, args=(server, "lagging", b"id\n1\n"), kwargs=dict(visitor="meis", key="a-secret-of-mei-alone-1", want=None))
    one.start()
    until(lambda: server.pg.sql("select 1 from pg_stat_activity where query like '%pg_sleep(1.4)%' and state = 'active' and pid <> pg_backend_pid()"))
    holder = server.pg.open("begin; lock table lagging; select pg_sleep(60)")     # granted when the write is committed
    try:
        one.join()
        # Whose rows were refused meanwhile is not who wrote last.
        refused(server, "lagging", b"other\n1\n", "bad request: row 1, column id: missing")
        until(lambda: [t for t in refreshes(server, "lagging") if t["state"] == "failed"], seconds=30)
    finally:
        holder.kill()
        holder.wait()
        server.pg.sql("select pg_terminate_backend(pid) from pg_locks where relation = 'lagging'::regclass and mode = 'AccessExclusiveLock'")
    until(lambda: datasets(server, "lagging"), seconds=30)


def test_long_rows_are_read_few_at_a_time(server):
    """60 MB of them, in a worker that stays half as large."""
    server.pg.sql("insert into long_rows select n, repeat('x', 200000) from generate_series(2, 300) n")
    peaks = Peaks(server, lambda: None)
    peaks.start()
    try:
        put(server, "long", b"id,wkt\n1,a\n", visitor="meis", key="a-secret-of-mei-alone-1")
        d = until(lambda: datasets(server, "long"), seconds=60)[0]
    finally:
        peaks.over.set()
        peaks.join()
    assert server.get(f"/datasets/{d['id']}", accept="application/json").json["dataset"]["count"] == 300
    assert 0 < peaks.worker < 32 << 20, peaks.worker


def test_a_million_rows(server):
    """Streamed into the server by COPY, not one statement a row."""
    copied = set()
    a_million_rows_in_the_memory_of_a_fifth(
        server, "million", meanwhile=lambda: copied.update(server.pg.sql("select command || ' ' || type from pg_stat_progress_copy where type <> ''").splitlines()))
    assert copied == {"COPY FROM PIPE"}, copied
    assert server.pg.sql("select count(*), count(distinct n), max(length(name)) from million") == "1200000|1000000|14\n"


def test_killed_in_the_middle_it_is_written_once(server):
    raw = b"n,name\n" + b"".join(b"%d,name of %d\n" % (i, i) for i in range(100000))
    count = lambda: int(server.pg.sql("select count(*) from many"))
    for wait in (0.1, 0.4, 0.8):
        before = count()
        _, number = put(server, "many", raw, want=None)
        pid = next((int(t["worker"].split(".")[0]) for t in tasks(server, id=number) if t["state"] == "running"), 0)
        if pid:
            time.sleep(wait)
            os.kill(pid, signal.SIGKILL)
        assert ended(server, number, 60)["state"] == "success"
        assert count() == before + 100000


def test_killed_behind_the_rows_it_is_written_once(server):
    before = int(server.pg.sql("select count(*) from many"))
    a, number = put(server, "slow", b"n,name\n1,a\n", want=None)
    os.kill(worker_of(server, number), signal.SIGKILL) if a.status == 504 else None
    assert ended(server, number, 60)["state"] == "success"
    assert int(server.pg.sql("select count(*) from many")) == before + 1


def test_an_answer_to_commit_that_is_lost(server):
    """The rows are there: said to be an error, they would be sent once more."""
    server.severed.armed = True
    _, number = put(server, "severed", b"a\n1\n2\n", want=None)
    assert ended(server, number, 30)["state"] == "success" and server.severed.cuts == 1
    assert task(server, number)["rows"]["inserted"] == 2
    assert server.pg.sql("select a from severed order by a").split() == ["1", "2"]
    server.severed.armed = True
    fields = signed("severed", ds=[["h"], [3]])
    assert send(server, fields).json == {"status": 503, "msg": "database not reachable"}
    assert repeat(server, fields, 30).json["status"] == 200 and server.severed.cuts == 2
    assert server.pg.sql("select count(*) from severed where a = 3") == "1\n"


if __name__ == "__main__":
    if not pgserver.installed():
        print("ok 1 # skip PostgreSQL is not installed")
        sys.exit(0)
    pg = pgserver.Pg()
    pg.sql(TABLES)
    severed = pgserver.Severed(pg)
    site = Server(f"[target]\nsevered = {severed.conninfo}\nlogged = {pg.conninfo.replace('=boss', '=logged')}\npg = {pg.conninfo}\ndmy = {pg.conninfo.replace('=boss', '=dmy')}\n[signed]\nwait = 1\nlock_wait = 5\n[mail]\nmethod = none\n")
    site.pg, site.severed = pg, severed
    try:
        configure(site, {"loader": {}, "meis": {"token": "a-secret-of-mei-alone-1", "user": "mei"}}, RECEIVERS)
        main(sys.modules[__name__], site)
    finally:
        site.close()
        severed.close()
        pg.close()
