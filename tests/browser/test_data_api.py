#!/usr/bin/python3
"""Goal: an administrator makes a dataset and an account, tries rows, sees why a program was refused and has a program to copy, on pages
that work by WCAG AA with and without a script, in both languages, on wide and narrow windows (signed-api.md 6)."""
import json
import os
import subprocess
import sys

from browser import Browser, harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "http"))
from signed import dataset, rows, table  # noqa: E402

LIST = "/admin/datasets/"
CONFIG = '{"table": "sales(day, city, amount)", "columns": {"day": "date", "city": "text", "amount": "real"}, "ops": "CUD", "id": "day"}'



def unfold(b, summary):
    for s in b.all("summary"):
        if s.text == summary:
            s.click()
            return
    raise AssertionError([s.text for s in b.all("summary")])


def makes_all(server):
    with Browser(server) as b:
        b.login(harness.ADMIN)
        b.go("/admin/")
        b.click(f"main a[href$='{LIST}']")
        b.wait_path(LIST)
        b.check("data-api-empty")
        unfold(b, "Add a dataset")
        b.fill("#f-name", "sales")
        b.fill("#f-config", '{"table": "sales", "flowDict": {}}')
        b.click("section:nth-of-type(1) form button")
        b.wait(lambda: b.all("#errors"))
        assert "flowDict: is not offered" in b.text("#errors") and b.one("#f-name").get_attribute("value") == "sales", b.text()
        b.check("data-api-refused")
        b.fill("#f-config", CONFIG)
        b.click("section:nth-of-type(1) form button")
        b.wait(lambda: b.all("a[href*='dataset?name=sales']"))
        unfold(b, "Add an account")
        b.fill("#f-account", "loader")
        b.click("#r-0")
        b.click("form.narrow button")
        b.wait(lambda: b.all("code.token"))
        secret = b.text("code.token")
        assert len(secret) == 43
        b.check("data-api-secret")
        b.go(LIST)
        assert secret not in b.d.page_source
    return secret


def tries_rows(server, secret):
    with Browser(server) as b:
        b.login(harness.ADMIN)
        b.go(LIST)
        b.click("a[href*='dataset?name=sales']")
        b.wait_path("/admin/datasets/dataset")
        assert json.loads(b.one("#f-ds").get_attribute("value")) == [{"day": "2026-01-31", "city": "a", "amount": 1.5}]
        b.click("#trial ~ form button")
        b.wait(lambda: b.all(".box.note"))
        assert "1 inserted" in b.text(".box.note"), b.text()
        b.check("data-api-trial")
        b.fill("#f-ds", '[["day", "city", "amount"], ["2026-02-01", "b", "many"]]')
        b.click("#trial ~ form button")
        b.wait(lambda: b.all("#trial-result"))
        assert "row 1" in b.text("#trial-result") and "amount" in b.text("#trial-result"), b.text()
        b.check("data-api-trial-bad")
        # The program is this site's, and runs as it stands.
        program = b.text("#python-sha1")
        assert b.base + "/echart/dataset_api/" in program and "slipway.example" not in program, program
        done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "SLIPWAY_KEY": secret}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        assert b"success" in done.stdout, done
        assert table(server, "sales", "select day, city, amount from sales") == [("2026-01-31", "a", 1.5)]


def settings(server):
    rows(server, "sales", ["x"], key="not the secret", visitor="loader")
    with Browser(server) as b:
        b.login(harness.ADMIN)
        b.go("/admin/datasets/account?name=loader")
        assert "wrong signature" in b.text("#refused"), b.text()
        b.click("#m-hmac")
        b.fill("#f-limit", "60")
        b.click("#f-any_host")
        b.fill("#f-host", "127.0.0.1\n10.0.0.0/8")
        b.click("#f-settings button.primary")
        b.wait(lambda: b.all(".box.note"))
        kept = json.loads(dataset(server, "account", "show", "loader", "--json"))
        assert (kept["limit"], kept["modes"], kept["host"]) == (60, ["sha1", "hmac"], ["127.0.0.1", "10.0.0.0/8"]), kept
        b.check("data-api-account")
        b.click("section[aria-labelledby=secret] form button")
        b.wait(lambda: b.all("code.token"))
        b.check("data-api-rotated")


def everywhere(server):
    for lang, width, dark, script in (("zh", 1200, False, True), ("en", 375, False, True), ("zh", 375, True, True), ("en", 1200, True, False)):
        with Browser(server, lang=lang, width=width, dark=dark, script=script) as b:
            b.login(harness.ADMIN)
            for n, path in enumerate((LIST, "/admin/datasets/dataset?name=sales", "/admin/datasets/account?name=loader")):
                b.go(path)
                assert ("被拒绝的请求" if lang == "zh" else "Refused requests") in b.text(), b.text()
                if not script:
                    assert n != 1 or "slipway.example" in b.text("#python-sha1")
                b.check(f"data-api-{n}-{lang}-{width}{'-dark' if dark else ''}{'' if script else '-noscript'}")


def main():
    server = harness.Server()
    secret = []
    try:
        tests = ((lambda: secret.append(makes_all(server)), "a dataset and an account are made"),
                 (lambda: tries_rows(server, secret[0]), "rows are tried, the program runs"), (lambda: settings(server), "settings and a new secret"),
                 (lambda: everywhere(server), "both languages, wide and narrow, without a script"))
        bad = 0
        for n, (test, name) in enumerate(tests, 1):
            try:
                test()
                print(f"ok {n} - {name}", flush=True)
            except Exception as e:
                bad = 1
                print(f"not ok {n} - {name}\n# " + str(e).replace("\n", "\n# "), flush=True)
    finally:
        server.close()
    return bad


if __name__ == "__main__":
    sys.exit(main())
