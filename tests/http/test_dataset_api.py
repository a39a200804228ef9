"""Goal: the signed data API takes rows in every documented form, once, from whom it may and nobody else, and answers as the
original's clients expect; a refused request changes no table and leaves no task (signed-api.md 2, 3, 10, 11)."""
import concurrent.futures
import hashlib
import json
import os
import re
import socket
import sqlite3
import sys
import time
import urllib.parse

from harness import Server, main, multipart
from signed import (AUTH, FILE, KEY, ROWS, SUCCESS, accepted, configure, dataset, hmac_headers, now_ms, refused, rows, send,
                    send_hmac, send_json, sha1_extended, signed, table, tasks, token)
from test_cgi import MOUNT, cgi, parse, start, variables
from transfer import fronts

CHINESE_KEY = "一个足够长的密钥-0002"
HMAC_KEY = "a-secret-for-hmac-only-7"
ACCOUNTS = {
    "loader": {},
    "张三": {"token": CHINESE_KEY},
    "signer": {"token": HMAC_KEY, "modes": ["hmac"]},
    "both": {"token": "both-kinds-of-secret-1", "modes": ["sha1", "hmac"]},
    "plain": {"token": "an-unsigned-secret-22", "modes": ["unsigned"]},
    "careless": {"token": "replay-is-off-here-33", "replay": "off"},
    "narrow": {"token": "one-receiver-only-444", "receivers": ["库存"]},
    "slow": {"token": "three-calls-a-minute-5", "limit": 3},
    "there": {"token": "from-elsewhere-only-66", "host": ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]},
    "nowhere": {"token": "from-nowhere-at-all-77", "host": []},
    "page": {"token": "called-by-a-page-88888", "cors": 1},
    "quiet": {"token": "counts-only-no-lines-9", "log": 0},
    "talker": {"token": "everything-is-kept-1010", "log": 2},
    "short": {"token": "a-short-window-here-11", "window": 10},
}
AB = {"A": "text", "B": "text"}
RECEIVERS = {
    "ab": {"table": "t(A, B)", "columns": AB},
    "库存": {"table": "k", "columns": {"编号": "text"}},
    "keyed": {"table": "t(id, name, n)", "columns": {"id": "integer", "name": "text", "n": "integer"}, "id": "id",
              "fDict": {"label": "name"}, "ops": "CUD"},
    "keyed_cu": {"table": "t(id, name)", "columns": {"id": "integer", "name": "text"}, "id": "id"},
    "empty": {"table": "t(A, B)", "columns": AB, "allowEmpty": True, "preSql": ["truncate table t"]},
    "auto": {"table": "t(A)", "columns": {"A": "text", "who": "text", "no": "text"}, "autoDict": {"who": "$username"},
             "autoCode": {"no": "SC"}},
    "audit": {"table": "t(A)", "columns": {"A": "text"}, "preSql": ["insert into t(A) values ('pre ' || $username)"]},
    "broken_pre": {"table": "t(A, B)", "columns": AB, "preSql": ["insert into missing values (1)"]},
    "broken_post": {"table": "t(A, B)", "columns": AB, "postSql": ["insert into missing values (1)"]},
    "few": {"table": "t(A)", "columns": {"A": "text"}, "maxRows": 3},
    "file_only": {"table": "t(A)", "columns": {"A": "text"}, "apis": ["file"]},
    "off": {"table": "t(A)", "columns": {"A": "text"}},
    "strict": {"table": "t"},
    "view": {"table": "V", "id": "id", "ops": "CUD"},
    "view_upsert": {"table": "v", "id": "id", "upsert": True},
    "loose": {"table": "t(A, B)", "columns": AB, "ignoreUnknown": True},
}


def ab(server, name="ab"):
    return table(server, name, "select A, B from t order by rowid")


def refreshed(server, name="ab"):
    """A receiver whose table is there and empty."""
    table(server, name, "create table if not exists t(A text, B text)")
    table(server, name, "delete from t")


def unchanged(server, name="ab"):
    """What a refused request must not change."""
    return ab(server, name), len(tasks(server)), sum(1 for l in server.slipway("dump", "replay").splitlines())


# ---- 1, 2: vectors, the documented sample

def test_signed_documented_sample(server):
    """Two rows, the header is not inserted, the receiver's order counts; as the documentation's Python sends it."""
    refreshed(server)
    fields = signed(server.ids["ab"], ds=json.dumps([["A", "B"], ["a1", "b1"], ["a2", "b2"]]), update="0")
    task = accepted(send(server, fields), inserted=2)
    assert ab(server) == [("a1", "b1"), ("a2", "b2")]
    record = tasks(server, id=task)[0]
    assert record["state"] == "done" and record["rows"]["inserted"] == 2, record
    assert (record["account"], record["receiver"], record["owner"]) == ("loader", "ab", "u:loader"), record


def test_signed_token_in_either_case_and_both_paths(server):
    fields = signed("ab", ds=[["A", "B"], ["u", "v"]])
    fields["token"] = fields["token"].upper()
    accepted(send(server, fields), inserted=1)
    a = send(server, signed("ab", ds=[["A", "B"], ["u", "w"]]), path=ROWS.rstrip("/"))
    accepted(a, inserted=1)


def test_signed_vectors_of_the_contract(server):
    assert token(KEY, 1700000000000, "loader", "123") == "0bbc9c722806fd475f3ed6f9d665b6f6a84547d7"
    assert token("密钥-key-0002", 1700000000000, "张三", "库存") == "4745c03ff01fdd30b2d16d6508e359adefc2c3ad"
    headers = hmac_headers(b"", method="GET", path="/slipway" + ROWS, stamp=1700000000000, nonce="9f1c2b7e5b",
                           query="type=uploadlog&param=%7B%22filename%22%3A%22march.xlsx%22%7D")
    assert headers["X-Slipway-Signature"] == "v1=5459e6bbbfb0ca780a9256d17bd3d3867f6ed644ceb2c260dd45ea9aa5ba87a3"


# ---- 3, 4, 5, 6: forms of ds

def test_ds_every_form(server):
    forms = [
        (["a", "b"], [("a", "b")]),
        ({"A": "1", "B": "2"}, [("1", "2")]),
        ([["x", "y"], ["1", "2"]], [("1", "2")]),
        ([[], ["1", "2"], ["3", "4"]], [("1", "2"), ("3", "4")]),
        ([["__A", "B"], ["1", "2"]], [("1", "2")]),
        ([["__B", "A"], ["1", "2"]], [("2", "1")]),
        ([["__B"], ["only"]], [(None, "only")]),
        ([{"A": "1"}, {"B": "2"}], [("1", None), (None, "2")]),
        ([[], {"A": "1", "B": "2"}], [("1", "2")]),
        ([["A", "B"], ["$username", "$visitor"]], [("loader", "$visitor")]),
        ([["A", "B"], ["'); drop table t;--", "x"]], [("'); drop table t;--", "x")]),
    ]
    for ds, want in forms:
        refreshed(server)
        accepted(rows(server, "ab", ds), inserted=len(want))
        assert ab(server) == want, (ds, ab(server))


def test_ds_refused_and_nothing_changed(server):
    accepted(rows(server, "ab", ["keep", "me"]))
    before = unchanged(server)
    for ds in ["", "nonsense", "7", '"text"', "null", "[[\"A\",\"B\"],[\"1\"]]", '[["A","B"],["1",["2"]]]', '[["A","B"],["1",{"x":1}]]',
               '[["A","B"],["1","2"],{"A":"1"}]', '[["A","B"],["1","a\\u0000b"]]', '[["A","B"],["1","\\ud800"]]',
               '[["A","B"],["1",NaN]]', '{"A":"1","A":"2"}', "[" * 9 + "]" * 9, '[["A","B"],["1","2"]] tail', "[]", "[[]]",
               '[["x","y"]]', '{"A":"1","nix":"2"}', '[["__A","nix"],["1","2"]]', '{"A\\"; drop table t;--":"1"}']:
        msg = refused(rows(server, "ab", ds), 400, "bad request: ")
        assert len(msg) > len("bad request: "), ds
    assert refused(rows(server, "ab", [["A", "B"], ["1", "2"], ["3"]]), 400).startswith("bad request: row 2"), "row from 1"
    assert refused(rows(server, "ab", []), 400) == "bad request: no rows"
    assert refused(send(server, signed("ab")), 400) == "bad request: no ds"
    assert refused(rows(server, "few", [["A"], ["1"], ["2"], ["3"], ["4"]]), 413) == "too large"
    assert unchanged(server) == before


def test_ds_empty_only_where_allowed(server):
    """Without allowEmpty no statement is carried out: a faulty client truncates nothing."""
    accepted(rows(server, "empty", ["old", "row"]), inserted=1)
    accepted(rows(server, "empty", [["x", "y"]]))
    assert ab(server, "empty") == []
    accepted(rows(server, "loose", ["old", "row"]))
    refused(rows(server, "loose", [["x", "y"]]), 400, "bad request: no rows")
    assert ab(server, "loose") == [("old", "row")]


def test_username_filled_in(server):
    accepted(rows(server, "auto", [["A"], ["1"], ["2"]]), inserted=2)
    got = table(server, "auto", "select A, who, no from t order by rowid")
    assert [r[:2] for r in got] == [("1", "loader"), ("2", "loader")], got
    assert all(r[2].startswith("SC20") and len(r[2]) == 2 + 8 + 3 for r in got) and got[0][2] != got[1][2], got
    accepted(rows(server, "audit", [["A"], ["x"]]))
    assert table(server, "audit", "select A from t order by rowid") == [("pre loader",), ("x",)]


def test_autocode_never_twice(server):
    """Ten requests at once over two processes: thirty different numbers."""
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda i: rows(server, "auto", [["A"], [f"p{i}"], ["q"], ["r"]], stamp=now_ms() - 1000 * i), range(10)))
    assert all(a.body == SUCCESS for a in done), done
    codes = [r[0] for r in table(server, "auto", "select no from t")]
    assert len(codes) == len(set(codes)), codes


# ---- 7, 8, 10, 11: operations, all or nothing

def test_update_and_delete_by_key(server):
    accepted(rows(server, "keyed", [{"id": 1, "label": "a", "n": 1}, {"id": 2, "label": "b", "n": 2}]), inserted=2)
    everything = lambda: table(server, "keyed", "select id, name, n from t order by id")
    accepted(rows(server, "keyed", {"id": 1, "label": "z"}, update="1"), updated=1)
    assert everything() == [(1, "z", 1), (2, "b", 2)]
    accepted(rows(server, "keyed", [["__id", "label"], [2, "y"]], update="1"), updated=1)
    accepted(rows(server, "keyed", {"id": 99, "label": "nobody"}, update="1"), updated=0)
    assert everything() == [(1, "z", 1), (2, "y", 2)]
    for ds in ([["id", "name"], [1, "q"]], {"label": "no key"}, {"id": None, "label": "null key"}):
        refused(rows(server, "keyed", ds, update="1"), 400, "bad request: ")
    accepted(rows(server, "keyed", {"id": 1}, update="2"), deleted=1)
    assert everything() == [(2, "y", 2)]
    assert refused(rows(server, "keyed_cu", {"id": 1}, update="2"), 403) == "forbidden"
    assert refused(rows(server, "ab", {"A": "1"}, update="1"), 400) == "bad request: dataset has no key"
    for update in ("7", "", "01", "-1", "insert"):
        refused(rows(server, "keyed", {"id": 3, "label": "x"}, update=update), 400, "bad request: ")
    assert everything() == [(2, "y", 2)]


def test_keys_of_a_table_of_ours_are_not_null(server):
    """Nobody could find such a row again.  An integer is numbered by the database."""
    key, pair = {"a": "text", "n": "integer"}, {"a": "text", "b": "integer", "n": "integer"}
    configure(server, receivers={"by_text": {"table": "t(a, n)", "columns": key, "id": "a"},
                                 "by_pair": {"table": "t(a, b, n)", "columns": pair, "id": ["a", "b"], "upsert": True},
                                 "by_number": {"table": "t(n, a)", "columns": key, "id": "n"}})
    refused(rows(server, "by_text", [[], ["x", 1], [None, 2]]), 500, "database error: constraint in row 2")
    refused(rows(server, "by_text", {"n": 1}), 500, "database error: constraint in row 1")
    refused(rows(server, "by_pair", [[], [None, 1, 2]]), 500, "database error: constraint in row 1")
    refused(rows(server, "by_pair", [[], ["x", None, 2]]), 500, "database error: constraint in row 1")
    accepted(rows(server, "by_pair", [[], ["x", 1, None]]), inserted=1)
    accepted(rows(server, "by_number", [[], [7, "x"], [None, "y"]]), inserted=2)
    assert table(server, "by_number", "select n, a from t order by n") == [(7, "x"), (8, "y")]


def test_failures_leave_the_table(server):
    for name, where in (("broken_pre", "preSql 1"), ("broken_post", "postSql 1")):
        before = len(tasks(server, receiver=name, state="done"))
        msg = refused(rows(server, name, [["A", "B"], ["1", "2"]]), 500)
        assert msg == f"database error: missing object in {where}", msg
        assert table(server, name, "select count(*) from sqlite_master where name = 't'") == [(0,)]      # it was made, and unmade
        assert len(tasks(server, receiver=name, state="done")) == before
    accepted(rows(server, "unique", [["A"], ["1"]]))
    msg = refused(rows(server, "unique", [["A"], ["2"], ["3"], ["1"]]), 500)
    assert msg == "database error: constraint in row 3", msg
    assert table(server, "unique", "select A from t") == [("1",)]
    assert [t["message"] for t in tasks(server, receiver="unique", state="failed")] == [msg]


def test_a_table_of_strict_types(server):
    """Made by hand: what SQLite itself refuses is told with its column."""
    table(server, "strict", "create table t(id integer primary key, raw blob, any any) strict")
    accepted(rows(server, "strict", [[], [1, None, "x"], [2, None, 5]]), inserted=2)
    refused(rows(server, "strict", [[], [3, None, 1], [4, "text", 1]]), 400, "bad request: row 2, column raw: not a valid value")
    assert table(server, "strict", "select id, typeof(any) from t") == [(1, "text"), (2, "integer")]


# ---- 15, 16: names and encodings

def test_a_view_that_triggers_write_through(server):
    """Its rows are counted as a table's: an upsert that found one must not add it once more."""
    for name in ("view", "view_upsert"):
        for sql in ("create table t(id integer, n text)", "create view v as select id, n from t",
                    "create trigger a instead of insert on v begin select iif(new.n = 'no', raise(ignore), 0); "
                    "insert into t values (new.id, new.n); insert into t values (new.id + 100, new.n); end",
                    "create trigger b instead of update on v begin update t set n = new.n where id = old.id; end",
                    "create trigger c instead of delete on v begin delete from t where id = old.id; end"):
            table(server, name, sql)
    accepted(rows(server, "view", [[], [1, "a"], [2, "b"], [1, "c"]]), inserted=3)
    accepted(rows(server, "view", [[], [7, "no"]]), inserted=0)
    accepted(rows(server, "view", [{"id": 1, "n": "x"}, {"id": 9, "n": "x"}], update="1"), updated=2)
    accepted(rows(server, "view", [{"id": 1}, {"id": 101}, {"id": 9}], update="2"), deleted=4)
    assert table(server, "view", "select id, n from t order by id") == [(2, "b"), (102, "b")]
    accepted(rows(server, "view_upsert", [{"id": 1, "n": "a"}, {"id": 1, "n": "b"}]), inserted=1, updated=1)
    # What no trigger carries out is not done in silence.
    table(server, "view", "drop trigger c")
    refused(rows(server, "view", {"id": 2}, update="2"), 500, "database error: other in row 1")
    assert table(server, "view_upsert", "select id, n from t order by id") == [(1, "b"), (101, "a")]


def test_type_by_id_and_name(server):
    accepted(rows(server, server.ids["库存"], ["1"], key=CHINESE_KEY, visitor="张三"))
    accepted(rows(server, "库存", ["2"], key=CHINESE_KEY, visitor="张三"))
    assert table(server, "库存", "select 编号 from k order by rowid") == [("1",), ("2",)]
    for type_ in ("0", f"0{server.ids['ab']}", "99999", " ab", "ab ", "AB", "ab/../ab", "-1"):
        assert refused(rows(server, type_, ["1", "2"]), 404) == "dataset not found", type_


def test_encodings_of_the_body(server):
    want = ("a b+c%", "ü 库")
    fields = signed("ab", ds=json.dumps([["A", "B"], list(want)], ensure_ascii=False))
    bodies = [(urllib.parse.urlencode(fields), "application/x-www-form-urlencoded"),
              (urllib.parse.urlencode(fields, quote_via=urllib.parse.quote), "application/x-www-form-urlencoded; charset=UTF-8"),
              multipart(list(fields.items()), []),
              (json.dumps(fields), "application/json"),
              (json.dumps({**fields, "stamp": int(fields["stamp"])}, ensure_ascii=False).encode(), "application/json; charset=utf-8")]
    refreshed(server)
    for i, (body, kind) in enumerate(bodies):
        a = server.request("POST", ROWS, body=body, headers={"Content-Type": kind}, user=None)
        # The same request in whatever body: carried out once.
        assert a.body == SUCCESS and (a.header("X-Slipway-Replayed") == "1") == (i > 0), (kind, a, a.headers)
    assert ab(server) == [want]


def test_encodings_json_ds_as_array(server):
    refreshed(server)
    fields = signed("ab", ds=...)
    fields["ds"] = [["A", "B"], ["1", "2"]]
    fields["type"] = "ab"
    accepted(send_json(server, fields), inserted=1)
    accepted(send_json(server, {**signed("ab"), "ds": {"A": "x"}}), inserted=1)
    assert ab(server) == [("1", "2"), ("x", None)]


def test_ds_in_another_encoding_is_told_as_such(server):
    """What Java sends on a Chinese Windows when nobody named the encoding."""
    refreshed(server)
    before = unchanged(server)
    gbk = json.dumps([["A", "B"], ["编号", "名称"]], ensure_ascii=False)
    fields = urllib.parse.urlencode(signed("ab", ds=...)) + "&ds=" + urllib.parse.quote(gbk, encoding="gbk")
    for kind in ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=GBK"):
        a = server.request("POST", ROWS, body=fields.encode(), headers={"Content-Type": kind}, user=None)
        refused(a, 400, "bad request: ds is not UTF-8 text")
    body, kind = multipart(list(signed("ab", ds="@@").items()), [])
    a = server.request("POST", ROWS, body=body.replace(b"@@", gbk.encode("gbk")), headers={"Content-Type": kind}, user=None)
    refused(a, 400, "bad request: ds is not UTF-8 text")
    body, kind = multipart(list(signed("ab", ds=..., contents="@@").items()), [])
    a = server.request("POST", FILE, body=body.replace(b"@@", gbk.encode("gbk")), headers={"Content-Type": kind}, user=None)
    assert a.status == 200 and a.json == {"result": "error", "data": "bad request: contents is not UTF-8 text"}, a
    assert unchanged(server) == before


def test_ds_longer_than_any_other_field(server):
    ds = [["A", "B"]] + [[f"k{i}", "x" * 900] for i in range(300)]
    fields = signed("ab", ds=ds)
    refreshed(server)
    for body, kind in ((urllib.parse.urlencode(fields), "application/x-www-form-urlencoded"), multipart(list(fields.items()), [])):
        a = server.request("POST", ROWS, body=body, headers={"Content-Type": kind}, user=None)
        accepted(a, inserted=300)
    assert len(ab(server)) == 300


def test_bodies_that_cannot_be_read(server):
    before = unchanged(server)
    fields = signed("ab", ds=["1", "2"])
    body = urllib.parse.urlencode(fields)
    for text, kind in ((body, "text/plain"), ("{", "application/json"), ("[]", "application/json"), (body + "&x=%zz", None),
                       ('{"visitor":"a","visitor":"b"}', "application/json"), (body, "multipart/form-data"),
                       ("--b\r\n", "multipart/form-data; boundary=b")):
        kind = kind or "application/x-www-form-urlencoded"
        refused(server.request("POST", ROWS, body=text, headers={"Content-Type": kind}, user=None), 400, "bad request")
    file_part, kind = multipart(list(fields.items()), [("file", "a.csv", b"x")])
    refused(server.request("POST", ROWS, body=file_part, headers={"Content-Type": kind}, user=None), 400, "bad request")
    # Cut: 100 bytes of 200.
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.sendall(f"POST {ROWS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 99}\r\n"
                  "Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode() + body.encode())
    time.sleep(0.2)
    assert unchanged(server) == before


# ---- 10, 17, 18: who may not

def test_refused_signatures_one_answer(server):
    """Whatever is wrong, the same bytes, and nothing was changed."""
    before = unchanged(server)
    now = now_ms()
    right = signed("ab", ds=["1", "2"])
    wrong = [
        signed("ab", key="another-secret-000", ds=["1", "2"]),
        signed("ab", visitor="nobody", ds=["1", "2"]),
        {**right, "stamp": str(now + 1)},
        {**right, "type": "loose"},
        signed("ab", stamp=now // 1000, ds=["1", "2"]),
        signed("ab", stamp=now - 301_000, ds=["1", "2"]),
        signed("ab", stamp=now + 302_000, ds=["1", "2"]),
        signed("ab", stamp=str(now)[:12], ds=["1", "2"]),
        signed("ab", stamp=str(now) + "0", ds=["1", "2"]),
        signed("ab", stamp="+" + str(now)[:12], ds=["1", "2"]),
        *(signed("ab", stamp=stamp, ds=["1", "2"]) for stamp in ("0", "-1", "9007199254740992", "9214646400000")),
        signed("ab", stamp="tomorrow", ds=["1", "2"]),
        *({k: v for k, v in right.items() if k != name} for name in ("visitor", "token", "stamp", "type")),
        *({**right, name: ""} for name in ("visitor", "token", "stamp", "type")),
        {**right, "token": right["token"][:39]}, {**right, "token": right["token"] + "0"}, {**right, "token": "g" * 40},
        {**right, "token": KEY},
        {k: v for k, v in {**right, "token": KEY}.items() if k != "stamp"},
        signed("ab\n", ds=["1", "2"]), signed("ab", visitor="loader\x00", ds=["1", "2"]), signed("a\x85b", ds=["1", "2"]),
        signed("x" * 256, ds=["1", "2"]),
        signed("ab", key=HMAC_KEY, visitor="signer", ds=["1", "2"]),
        signed("ab", key=ACCOUNTS["plain"]["token"], visitor="plain", ds=["1", "2"]),
        {},
    ]
    for i, fields in enumerate(wrong):
        a = send(server, fields, headers={"X-Forwarded-For": f"10.1.1.{i}"})
        assert a.body == AUTH and a.status == 200, (fields, a)
    for body in (b"visitor=loader&type=%ff&stamp=1&token=x", b"visitor=%c0%ae&type=1&stamp=1&token=x"):
        a = server.request("POST", ROWS, body=body, user=None,
                           headers={"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": "10.1.2.1"})
        assert a.body == AUTH, a
    assert unchanged(server) == before


def test_window_both_ways(server):
    for age in (299_000, -299_000):
        accepted(send(server, signed("ab", stamp=now_ms() - age, ds=["w", str(age)])))
    own = {"key": ACCOUNTS["short"]["token"], "visitor": "short"}
    accepted(send(server, signed("ab", stamp=now_ms() - 8_000, ds=["s", "1"], **own)))
    a = send(server, signed("ab", stamp=now_ms() - 12_000, ds=["s", "2"], **own), headers={"X-Forwarded-For": "10.1.3.1"})
    assert a.body == AUTH, a


def test_forgeries_of_the_contract(server):
    """Length extension and shifted fields: right by the formula, refused by the checks before it."""
    body = ("visitor=loader&stamp=1700000000000&token=be833136c351aba1c5aa28b010e05e87114dc78f&ds=%5B%221%22%2C%222%22%5D&type=123%80"
            + "%00" * 17 + "%01X456")
    stamp = str(now_ms())
    # A fresh one, made of a captured token without knowing the secret: right by the formula, too.
    known = signed("123", stamp=stamp)
    longer, forged = sha1_extended(known["token"], len(KEY), f"{stamp}loader123".encode(), b"X456")
    assert hashlib.sha1(KEY.encode() + longer).hexdigest() == forged
    type_ = urllib.parse.quote_from_bytes(longer[len(stamp) + len("loader"):])
    fresh = f"visitor=loader&stamp={stamp}&token={forged}&ds=%5B%221%22%2C%222%22%5D&type={type_}"
    shifted = {**signed("ab", ds=["1", "2"], stamp=stamp), "stamp": stamp + "l", "visitor": "oader"}
    second = {**signed("ab", ds=["1", "2"], stamp=stamp), "visitor": "loadera", "type": "b"}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": "10.1.4.1"}
    for text in (body, fresh, urllib.parse.urlencode(shifted), urllib.parse.urlencode(second)):
        a = server.request("POST", ROWS, body=text, headers=headers, user=None)
        assert a.body == AUTH, a


def test_repeated_fields(server):
    """Twice in the body, in any case, or in the body and the query: refused before anybody is asked who he is."""
    before = unchanged(server)
    fields = list(signed("ab", ds=["1", "2"], update="0").items())
    for name, value in fields + [("Token", "x"), ("TYPE", "x"), ("stamp", "1")]:
        refused(send(server, fields + [(name, value)]), 400, "bad request")
    for name in ("visitor", "token", "stamp", "type", "ds", "update"):
        refused(send(server, fields, path=f"{ROWS}?{name}=x"), 400, "bad request")
    assert unchanged(server) == before
    # Others are nobody's business, and the query of a POST says nothing.
    accepted(send(server, [*fields, ("x", "1"), ("x", "2")], path=ROWS + "?y=1&force_ajax=true"))


def test_equal_work_for_the_unknown(server):
    """Unknown account and wrong token: the same bytes, the same headers."""
    answers = [send(server, signed("ab", ds=["1"], **who), headers={"X-Forwarded-For": f"10.1.5.{i}"})
               for i, who in enumerate(({"visitor": "nobody"}, {"key": "not-the-key-at-all-0"}))]
    assert answers[0].body == answers[1].body == AUTH
    names = [{k for k in a.headers} for a in answers]
    assert names[0] == names[1], names


# ---- 19, 20, 21: once

def test_replay_answers_again(server):
    refreshed(server)
    fields = signed("ab", ds=[["A", "B"], ["once", "only"]])
    first, second = send(server, fields), send(server, fields)
    assert accepted(first, inserted=1) == accepted(second, inserted=1)
    assert first.header("X-Slipway-Replayed") is None and second.header("X-Slipway-Replayed") == "1"
    assert ab(server) == [("once", "only")]
    for change in ({"ds": '["other","rows"]'}, {"update": "0"}, {"extra": "1"}):
        a = send(server, {**fields, **change}, headers={"X-Forwarded-For": "10.1.6.1"})
        assert a.body == AUTH, a
    assert ab(server) == [("once", "only")]


def test_replay_after_a_refusal_the_corrected_one_passes(server):
    fields = signed("keyed", ds={"id": "x", "label": "bad"})
    refused(send(server, fields), 400, "bad request")
    stamp = fields["stamp"]
    accepted(send(server, signed("keyed", stamp=stamp, ds={"id": 77, "label": "good"})))
    wrong = signed("unique", ds=[["A"], ["twice"], ["twice"]])
    refused(send(server, wrong), 500, "database error: constraint")
    accepted(send(server, signed("unique", stamp=wrong["stamp"], ds=[["A"], ["twice"]])))


def test_replay_off_runs_again(server):
    refreshed(server)
    own = {"key": ACCOUNTS["careless"]["token"], "visitor": "careless"}
    fields = signed("ab", ds=["x", "y"], **own)
    for _ in range(2):
        a = send(server, fields)
        accepted(a, inserted=1)
        assert a.header("X-Slipway-Replayed") is None
    assert len(ab(server)) == 2


def test_replay_twenty_at_once_write_once(server):
    refreshed(server)
    fields = signed("ab", ds=[["A", "B"], ["par", "allel"]])
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda _: send(server, fields), range(20)))
    assert ab(server) == [("par", "allel")]
    # Whoever had no place to wait for the first is told so.
    assert all(a.body == SUCCESS or a.json == {"status": 409, "msg": "busy"} for a in done), done
    assert sum(a.header("X-Slipway-Replayed") is None for a in done if a.body == SUCCESS) == 1


# ---- 22, 23, 27: HMAC, rotation, unsigned

def test_hmac_covers_everything(server):
    refreshed(server)
    own = {"key": HMAC_KEY, "visitor": "signer"}
    fields = {"type": "ab", "ds": '[["A","B"],["h","m"]]'}
    accepted(send_hmac(server, fields, **own), inserted=1)
    body = urllib.parse.urlencode(fields).encode()
    good = lambda **kw: {**hmac_headers(body, **{**own, **kw}), "Content-Type": "application/x-www-form-urlencoded",
                         "X-Forwarded-For": "10.2.0.1"}
    post = lambda headers, body=body, path=ROWS, method="POST": server.request(method, path, body=body, headers=headers, user=None)
    assert post(good()).body == SUCCESS
    once = good()
    assert post(once).body == SUCCESS and post(once).header("X-Slipway-Replayed") == "1"
    other = urllib.parse.urlencode({**fields, "ds": '["x","y"]'}).encode()
    reused = {**hmac_headers(other, nonce=once["X-Slipway-Nonce"], **own), "Content-Type": once["Content-Type"]}
    wrong = [
        (reused, other, ROWS), (good(), body + b"&x=1", ROWS), (good(), other, ROWS), (good(), body, ROWS + "?x=1"),
        (good(path=ROWS.rstrip("/")), body, ROWS), (good(query="a=b"), body, ROWS), (good(method="PUT"), body, ROWS),
        (good(stamp=now_ms() - 301_000), body, ROWS), (good(nonce="short"), body, ROWS), (good(key=KEY), body, ROWS),
        (good(visitor="loader", key=KEY), body, ROWS),
        ({k: v for k, v in good().items() if k != "X-Slipway-Nonce"}, body, ROWS),
        ({**good(), "X-Slipway-Signature": "v1=" + "0" * 64}, body, ROWS),
        ({**good(), "X-Slipway-Content-SHA256": "0" * 64}, body, ROWS),
        (good(), urllib.parse.urlencode({**fields, "visitor": "loader"}).encode(), ROWS),
    ]
    for i, (headers, text, path) in enumerate(wrong):
        a = post({**headers, "X-Forwarded-For": f"10.2.1.{i}"}, text, path)
        assert a.body == AUTH, (i, a)
    two = good()
    two["X-Slipway-Signature"] = "v1=" + "1" * 64 + "," + two["X-Slipway-Signature"]
    assert post(two).body == SUCCESS
    assert len(ab(server)) == 4, ab(server)


def test_hmac_checked_before_the_body(server):
    """A gigabyte is announced; the answer is there before a byte of it was sent."""
    for path, length, told in ((ROWS, 1 << 24, AUTH), (FILE, 1 << 30, b'{"result": "error", "data": "auth failed"}')):
        headers = {**hmac_headers(b"x", key="not-the-key-at-all-0", visitor="signer", path=path), "Content-Length": str(length), "Host": "x",
                   "Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": "10.2.2.1"}
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            s.sendall(f"POST {path} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n")
            s.sendall(b"x" * 1000)
            answer = s.recv(65536)
        assert told in answer, answer


def test_hmac_accounts_with_both_modes(server):
    own = {"key": ACCOUNTS["both"]["token"], "visitor": "both"}
    accepted(send(server, signed("ab", ds=["1", "2"], **own)))
    accepted(send_hmac(server, {"type": "ab", "ds": '["1","2"]'}, **own))


def test_unsigned_where_the_account_says_so(server):
    secret = ACCOUNTS["plain"]["token"]
    fields = {"visitor": "plain", "token": secret, "type": "ab", "ds": '["un","signed"]'}
    refreshed(server)
    for _ in range(2):
        accepted(send(server, fields), inserted=1)
    assert len(ab(server)) == 2
    for change in ({"token": secret[:-1]}, {"token": secret + "x"}, {"visitor": "loader", "token": KEY}):
        a = send(server, {**fields, **change}, headers={"X-Forwarded-For": "10.2.3.1"})
        assert a.body == AUTH, a
    query = urllib.parse.urlencode({"visitor": "plain", "token": secret, "type": "uploadlog"})
    assert server.get(f"{ROWS}?{query}", user=None).json["result"] == "success"
    assert "unsigned" in server.log()


def test_rotation(server):
    old = "the-old-secret-0123456"
    configure(server, accounts={"turning": {"token": old}})
    dataset(server, "account", "rotate", "turning", "--grace", "1h")
    new = dataset(server, "account", "show", "turning", "--secret").strip().splitlines()[-1].split()[-1]
    for key in (old, new):
        accepted(rows(server, "ab", ["r", key], key=key, visitor="turning"))
    dataset(server, "account", "rotate", "turning", "--grace", "0")
    a = rows(server, "ab", ["r", "x"], key=old, visitor="turning", headers={"X-Forwarded-For": "10.2.4.1"})
    assert a.body == AUTH, a


# ---- 24, 25, 26: address, calls, failures

def test_host_lists(server):
    """127.0.0.1 is a trusted proxy of this site: the right-most address that is not one of ours counts."""
    own = {"key": ACCOUNTS["there"]["token"], "visitor": "there"}
    for forwarded, ok in (("192.0.2.77", True), ("192.0.3.1", False), ("2001:db8::5", True), ("2001:db9::5", False),
                          ("198.51.100.7", True), ("198.51.100.8", False), ("192.0.2.77, 192.0.3.1", False),
                          ("192.0.3.1, 192.0.2.77", True), (None, False)):
        a = send(server, signed("ab", ds=["h", "h"], stamp=now_ms(), **own),
                 headers={"X-Forwarded-For": forwarded} if forwarded else {})
        assert a.body == SUCCESS if ok else a.json == {"status": 403, "msg": "forbidden"}, (forwarded, a)
        time.sleep(0.002)
    a = rows(server, "ab", ["1", "2"], key=ACCOUNTS["nowhere"]["token"], visitor="nowhere")
    refused(a, 403, "forbidden")


def test_limit_over_all_processes(server):
    own = {"key": ACCOUNTS["slow"]["token"], "visitor": "slow"}
    seconds = 60 - time.time() % 60
    if seconds < 5:
        time.sleep(seconds + 0.1)      # the minute must not turn meanwhile
    answers = [send(server, signed("ab", ds=["l", str(i)], stamp=now_ms() + i, **own)) for i in range(2)]
    answers += [rows(server, "nix", ["1"], **own)]      # a refused one counts, too
    assert [a.json["status"] for a in answers] == [200, 200, 404]
    a = rows(server, "ab", ["l", "4"], **own)
    assert refused(a, 429) == "too many requests"
    assert 0 < int(a.header("Retry-After")) <= 60, a.headers


def test_failures_of_an_address(server):
    seconds = 60 - time.time() % 60
    if seconds < 8:
        time.sleep(seconds + 0.1)
    at = {"X-Forwarded-For": "10.3.0.1"}
    for i in range(20):
        assert rows(server, "ab", ["1"], key="not-the-key-at-all-0", headers=at).body == AUTH
    a = rows(server, "ab", ["f", "f"], headers=at)
    assert refused(a, 429) == "too many requests" and a.header("Retry-After")
    accepted(rows(server, "ab", ["f", "f"], headers={"X-Forwarded-For": "10.3.0.2"}))


# ---- receivers and permissions

def test_receivers_and_permissions(server):
    own = {"key": ACCOUNTS["narrow"]["token"], "visitor": "narrow"}
    accepted(rows(server, "库存", ["n"], **own))
    assert refused(rows(server, "ab", ["1", "2"], **own), 403) == "forbidden"
    assert refused(rows(server, "nix", ["1", "2"], **own), 404) == "dataset not found"
    assert refused(rows(server, "file_only", ["1"]), 403) == "forbidden"
    dataset(server, "disable", "off")
    assert refused(rows(server, "off", ["1"]), 404) == "dataset not found"
    dataset(server, "enable", "off")
    accepted(rows(server, "off", ["1"]))


# ---- methods, CORS, upload log

def test_methods(server):
    a = server.get(ROWS + "?type=1", user=None)
    assert a.status == 200 and a.body == b'{"result": "error", "data": "query of datasets is not offered"}', a
    for method in ("PUT", "DELETE", "PATCH"):
        a = server.request(method, ROWS, body=b"x", user=None)
        assert a.status == 405 and a.json["status"] == 405, a


def test_cors(server):
    """Any account that wants it is enough for a preflight; the answer itself is the account's."""
    ask = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    a = server.request("OPTIONS", ROWS, headers=ask, user=None)
    assert a.status == 204 and a.header("Access-Control-Allow-Origin") == "*", a.headers
    assert "POST" in a.header("Access-Control-Allow-Methods") and "Content-Type" in a.header("Access-Control-Allow-Headers")
    assert a.header("Access-Control-Allow-Credentials") is None
    a = server.request("OPTIONS", ROWS + "?visitor=loader", headers=ask, user=None)
    assert a.header("Access-Control-Allow-Origin") is None, a.headers
    origin = {"Origin": "https://page.example"}
    a = rows(server, "ab", ["c", "c"], headers=origin, key=ACCOUNTS["page"]["token"], visitor="page")
    assert accepted(a) and a.header("Access-Control-Allow-Origin") == "*"
    a = rows(server, "ab", ["c", "d"], headers=origin)
    assert accepted(a) and a.header("Access-Control-Allow-Origin") is None


def test_uploadlog_asks_for_a_signature(server):
    for type_ in ("uploadlog", "506"):
        query = urllib.parse.urlencode(signed(type_, param=json.dumps({"uptime": str(int(time.time())), "state": "all"})))
        a = server.get(f"{ROWS}?{query}", user=None)
        assert a.json == {"result": "success", "data": [["id", "type", "filename", "state", "rows", "message", "started", "finished"]],
                          "maxpg": 1, "pg": 1}, a
        assert send(server, signed(type_)).json["result"] == "success"
    query = urllib.parse.urlencode(signed("uploadlog", key="not-the-key-at-all-0"))
    assert server.get(f"{ROWS}?{query}", user=None, headers={"X-Forwarded-For": "10.4.0.1"}).body == AUTH
    for param in ("[]", "x", '{"uptime":"soon"}', '{"state":"maybe"}'):
        refused(send(server, signed("uploadlog", param=param)), 400, "bad request")
    # With ds it is a receiver's name like any other.
    refused(rows(server, "uploadlog", ["1"]), 404, "dataset not found")


# ---- 44, 45, 48: tasks, status, size; the log

def test_only_what_was_accepted_is_a_task(server):
    before = len(tasks(server))
    refused(rows(server, "ab", "x"), 400)
    refused(rows(server, "nix", ["1"]), 404)
    rows(server, "ab", ["1"], key="not-the-key-at-all-0", headers={"X-Forwarded-For": "10.5.0.1"})
    assert len(tasks(server)) == before
    accepted(rows(server, "ab", ["1", "2"]))
    assert len(tasks(server)) == before + 1


def memory_peak(server):
    """Bytes of the largest front process so far."""
    return max(int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) * 1024 for pid in fronts(server))


def test_sixteen_mebibytes(server):
    """A body of exactly signed.max_body is taken, one byte more is not; memory stays below 256 MiB."""
    fields = {**signed("ab"), "ds": "DS"}
    frame = json.dumps(fields)
    cell, limit = "x" * 1000, 16 << 20
    row = json.dumps(["k", cell])
    n = (limit - len(frame) - 4096) // (len(row) + 1)
    body = frame.replace('"DS"', "[[]," + ",".join([row] * n) + "]")
    body += " " * (limit - len(body))
    refreshed(server)
    a = server.request("POST", ROWS, body=body.encode(), headers={"Content-Type": "application/json"}, user=None, timeout=120)
    accepted(a, inserted=n)
    assert table(server, "ab", "select count(*) from t") == [(n,)]
    assert 0 < memory_peak(server) < 256 << 20, memory_peak(server)
    a = server.request("POST", ROWS, body=body.encode() + b" ", headers={"Content-Type": "application/json"}, user=None, timeout=120)
    assert refused(a, 413) == "too large"
    refreshed(server)


def test_log_says_who_and_never_the_secret(server):
    own = {"key": ACCOUNTS["talker"]["token"], "visitor": "talker"}
    accepted(rows(server, "ab", ["heard", "kept"], **own))
    folder = f"{server.data}/requests"
    kept = [open(os.path.join(folder, name)).read() for name in os.listdir(folder)]
    mine = [k for k in kept if '"heard' in k or "heard" in k]
    assert len(mine) == 1 and json.loads(mine[0])["account"] == "talker", kept
    accepted(rows(server, "ab", ["not", "heard"], key=ACCOUNTS["quiet"]["token"], visitor="quiet"))
    log = server.log()
    assert "signed request of talker" in log and "signed request of quiet" not in log
    for account in ACCOUNTS.values():
        secret = account.get("token", KEY)
        assert secret not in log and not any(secret in k for k in kept), secret
    assert all(ACCOUNTS["talker"]["token"] not in l and '"token":"***"' in l
               for l in server.slipway("dump", "accounts").splitlines())


def test_site_of_its_own_settings(_):
    """signed.http_status = body, one second of signed.lock_wait, and no proxy that is trusted."""
    other = Server("[signed]\nhttp_status = body\nlock_wait = 1\n")
    try:
        there = {**ACCOUNTS["there"], "host": ["127.0.0.1"]}
        configure(other, {"loader": {}, "there": ACCOUNTS["there"], "here": {**there, "token": "from-here-only-6666-66"}}, {"ab": RECEIVERS["ab"]})
        refused(rows(other, "nix", ["1"]), 404, "dataset not found", http=404)
        a = rows(other, "ab", ["1", "2"], key="not-the-key-at-all-0")
        assert a.status == 401 and a.body == AUTH, a
        accepted(rows(other, "ab", ["1", "2"]))
        # What a client says of its own address counts for nothing.
        for visitor, key, ok in (("there", ACCOUNTS["there"]["token"], False), ("here", "from-here-only-6666-66", True)):
            a = rows(other, "nix", ["1", "2"], visitor=visitor, key=key, headers={"X-Forwarded-For": "192.0.2.77"})
            refused(a, 404 if ok else 403, http=404 if ok else 403)
        one_writer(other)
    finally:
        other.close()


def one_writer(server):
    """Somebody writes into the table: the next one waits, is told busy, and leaves nothing; his repeat goes through."""
    fields = signed("ab", ds=["late", "comer"])
    with sqlite3.connect(f"{server.data}/tables/ab.sqlite", isolation_level=None) as db:
        db.execute("begin immediate")
        begin, records = time.monotonic(), len(tasks(server))
        a = send(server, fields)
        assert refused(a, 409, http=409) == "busy" and 0.8 < time.monotonic() - begin < 5, a
        assert a.header("X-Slipway-Task") is None and len(tasks(server)) == records
        db.execute("rollback")
    db.close()
    accepted(send(server, fields), inserted=1)
    assert ab(server) == [("1", "2"), ("late", "comer")]


def test_plain_cgi_under_a_mount(server):
    """One process a request: written, repeated, and signed over the path as it was called."""
    refreshed(server)
    fields = signed("ab", ds=["c", "gi"])
    for replayed in (None, "1"):
        a = cgi(server, "POST", ROWS, fields, user=None)
        assert a.status == 200 and a.body == SUCCESS and a.header("X-Slipway-Replayed") == replayed, a
    own = {"key": HMAC_KEY, "visitor": "signer"}
    body = urllib.parse.urlencode({"type": "ab", "ds": '["h","mac"]'}).encode()
    for mount, ok in ((MOUNT, True), ("", False)):
        head = hmac_headers(body, path=mount + ROWS, **own)
        names = {"HTTP_" + k.upper().replace("-", "_"): v for k, v in head.items()}
        a = parse(start(server, variables(server, "POST", ROWS, body, "application/x-www-form-urlencoded", user=None, **names), body))
        assert (a.body == SUCCESS) == ok and a.body in (SUCCESS, AUTH), a
    assert ab(server) == [("c", "gi"), ("h", "mac")]


def test_switched_off(_):
    other = Server("[signed]\nenabled = no\n")
    try:
        assert other.post(ROWS, {"visitor": "x"}, user=None).json["status"] == 404
    finally:
        other.close()


def prepared():
    """Its proxy is trusted, so that a test can come from any address."""
    server = Server("[server]\ntrusted_proxies = 127.0.0.1\n")
    table(server, "unique", "create table t(A text primary key)")
    RECEIVERS["unique"] = {"table": "t"}
    server.ids = configure(server, ACCOUNTS, RECEIVERS)
    return server


if __name__ == "__main__":
    site = prepared()
    try:
        main(sys.modules[__name__], site)
    finally:
        site.close()
