"""Goal: signed writes reach a PostgreSQL target as they reach the embedded database; libpq is loaded when the first one does,
not before; a server that was started again or is away is met with a clear answer, and no password is shown (signed-api.md 5)."""
import contextlib
import json
import os
import sys

import pgserver
from harness import Server, main
from signed import SUCCESS, accepted, configure, dataset, refused, rows, send, signed, tasks
from transfer import fronts

RECEIVERS = {
    "shop": {"table": "t(id, name, price)", "columns": {"id": "integer", "name": "text", "price": "real"}, "id": "id", "ops": "CUD", "target": "pg"},
    "lost": {"table": "t", "target": "nowhere"},
}


def maps_libpq(server):
    out = []
    for pid in fronts(server):
        with open(f"/proc/{pid}/maps") as f:
            out.append("libpq" in f.read())
    return out


def test_libpq_is_loaded_on_first_use(s):
    root = os.geteuid() == 0      # nobody else may look into a front
    if root:
        assert maps_libpq(s) == [False] * len(maps_libpq(s)), "a front starts with libpq"
    accepted(rows(s, "shop", [["id", "name", "price"], [1, "a", 0.10], [2, "b", None]]), inserted=2)
    assert not root or any(maps_libpq(s))
    assert s.pg.sql("select id, name, price from t order by id") == "1|a|0.1\n2|b|\n"


def test_every_operation(s):
    accepted(rows(s, "shop", [{"id": 2, "name": "B"}], update="1"), updated=1)
    accepted(rows(s, "shop", [["__id"], [1]], update="2"), deleted=1)
    assert s.pg.sql("select * from t") == "2|B|\n"


def test_all_or_nothing(s):
    many = [[]] + [[i, "n", 1] for i in range(10, 500)]
    assert refused(rows(s, "shop", many + [["x", "n", 1]]), 400) == "bad request: row 491, column id: not an integer"
    assert refused(rows(s, "shop", many + [[2, "n", 1]]), 500) == "database error: constraint in row 491"
    assert s.pg.sql("select count(*) from t") == "1\n"
    accepted(rows(s, "shop", many), inserted=490)


def test_a_repeat_writes_once(s):
    fields = signed("shop", ds=[[], [1000, "once", 1]])
    first, second = send(s, fields), send(s, fields)
    assert first.body == second.body == SUCCESS and second.header("X-Slipway-Replayed") == "1", second
    assert s.pg.sql("select count(*) from t where id = 1000") == "1\n"


def test_a_server_that_was_started_again(s):
    s.pg.stop()
    before = len(tasks(s, state="success"))
    assert refused(rows(s, "shop", [[], [2000, "away", 1]]), 503) == "database not reachable"
    assert len(tasks(s, state="success")) == before
    s.pg.start()
    accepted(rows(s, "shop", [[], [2000, "back", 1]]), inserted=1)
    assert s.pg.sql("select name from t where id = 2000") == "back\n"


def test_an_unknown_target(s):
    assert refused(rows(s, "lost", [[], [1]]), 503) == "database not reachable"


def test_the_password_is_not_shown(s):
    shown = s.slipway("config")
    assert "pg_password_file = " in shown and "geheim" not in shown + s.log(), shown


def test_a_server_that_wants_tls_and_a_password(_):
    """Over IP as over the socket; also for root, whose home is closed to the one Slipway runs as.  A wrong password is no more than
    a database that cannot be reached; it is in no answer and no log."""
    pg = pgserver.Pg()
    try:
        pg.sql("create table t(id integer); create role slip login password 'gute-geheime'; grant insert on t to slip")
        tls = pg.secure()
        with contextlib.closing(Server(f"[target]\nright = {tls} user=slip\nright_password_file = {pg.dir}/right\nwrong = {tls} user=slip\n"
                    f"wrong_password_file = {pg.dir}/wrong\nplain = {tls.replace('verify-full', 'disable')} user=slip\nplain_password_file = {pg.dir}/right\n")) as s:
            owner = os.stat(s.data)
            for name, text in (("right", "gute-geheime"), ("wrong", "faule-geheime")):
                with open(f"{pg.dir}/{name}", "w") as f:
                    f.write(text + "\n")
                os.chown(f"{pg.dir}/{name}", owner.st_uid, owner.st_gid)
                os.chmod(f"{pg.dir}/{name}", 0o600)
            configure(s, {"loader": {}}, {name: {"table": "t(id)", "target": name} for name in ("right", "wrong", "plain")})
            accepted(rows(s, "right", [[], [1]]), inserted=1)
            told = {name: json.loads(dataset(s, "check", name, "--json", check=False))["msg"] for name in ("right", "wrong", "plain")}
            assert told == {"right": "success", "wrong": "database not reachable", "plain": "database not reachable"}, told
            for name in ("wrong", "plain"):
                assert refused(rows(s, name, [[], [2]]), 503) == "database not reachable"
            assert "password authentication failed" in s.log() and "no encryption" in s.log() and "geheime" not in s.log()
        assert pg.sql("select id from t") == "1\n"
    finally:
        pg.close()


def prepared(pg):
    password = os.path.join(pg.dir, "password")
    with open(password, "w") as f:
        f.write("geheim\n")
    os.chmod(password, 0o600)
    server = Server(f"[target]\npg = {pg.conninfo}\npg_password_file = {password}\n")
    owner = os.stat(server.data)
    os.chown(password, owner.st_uid, owner.st_gid)
    server.pg = pg
    configure(server, {"loader": {}}, RECEIVERS)
    return server


if __name__ == "__main__":
    if not pgserver.installed():
        print("ok 1 # SKIP postgresql is not installed")
        sys.exit(0)
    database = pgserver.Pg()
    try:
        site = prepared(database)
        try:
            main(sys.modules[__name__], site)
        finally:
            site.close()
    finally:
        database.close()
