#!/usr/bin/python3
"""Goal: whose program wrote finds on pages what came of it, with the bad rows and their reasons, by WCAG AA, in both languages, on
wide and narrow windows (signed-api.md 8)."""
import os
import sys

from browser import Browser, harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "http"))
from signed import FILE, configure, rows, send, signed  # noqa: E402

CSV = b"n,name\n1,a1\n2,a2\n"
BAD = b"n,name\n" + b"x,<b>bold</b>\n" * 25
WORDS = {"en": ("Writes of programs", "Nothing was written yet.", "Rows that cannot be written: 25", "done", "failed"),
         "zh": ("程序的写入", "还没有写入任何内容。", "有 25 行无法写入", "完成", "失败")}


def empty(server):
    with Browser(server) as b:
        b.login()
        b.go("/account/keys")
        b.click("main a[href$='/tasks/']")
        b.wait_path("/tasks/")
        assert WORDS["en"][1] in b.text(), b.text()
        b.check("tasks-empty")


def filled(server, lang, width, dark):
    title, _, bad, done, failed = WORDS[lang]
    with Browser(server, lang=lang, width=width, dark=dark) as b:
        b.login()
        b.go("/tasks/")
        assert b.text("h1") == title, b.text("h1")
        lines = [r.text for r in b.all("tbody tr")]
        assert len(lines) == 3 and failed in lines[0] and done in lines[1] and "march.csv" in lines[1], lines
        b.check(f"tasks-{lang}-{width}")
        b.click("tbody tr:first-child a")
        b.wait(lambda: b.all("#task-bad"))
        assert b.text("#task-bad") == bad and len(b.all("tbody tr")) == 20, b.text()
        assert "not an integer" in b.text("tbody tr:first-child") and not b.all("tbody b"), b.text()
        assert b.one("a[href$='/report']").is_displayed()
        b.check(f"task-{lang}-{width}")


def main():
    server = harness.Server(config="[mail]\nmethod = none\n")
    try:
        tests = [(lambda: empty(server), "nothing written yet"), (lambda: write(server), "written")]
        for lang, width, dark in (("en", 1200, False), ("zh", 375, True)):
            tests.append((lambda a=(lang, width, dark): filled(server, *a), f"list and one write, {lang}, {width}"))
        for n, (test, name) in enumerate(tests, 1):
            test()
            print(f"ok {n} - {name}", flush=True)
    finally:
        server.close()


def write(server):
    configure(server, {"loader": {"user": "mei"}}, {"ab": {"table": "t(n, name)", "columns": {"n": "integer", "name": "text"}}})
    assert rows(server, "ab", [["h", "h"], [1, "x"]]).json["status"] == 200
    for name, data in (("march.csv", CSV), ('<img src=x onerror="alert(1)">.csv', BAD)):
        send(server, signed("ab"), path=FILE, files=[("file", name, data)])


if __name__ == "__main__":
    main()
