#!/usr/bin/python3
"""Goal: the self-test page asks its own web server by itself, one request after the other, tells each verdict in both languages,
and without a script still shows what is seen from inside (front-ends.md 5); nothing is left behind."""
import glob

from browser import Browser, harness

OUTSIDE = {"mount", "clock", "body_128k", "body_1m", "body_8m", "body_64m", "put", "patch", "delete", "head", "authorization", "header_4k",
           "header_8k", "header_16k", "early", "data", "outlives"}


def asks(server, lang, width, done, fine, dark=False):
    with Browser(server, lang=lang, width=width, dark=dark) as b:
        b.login(harness.ADMIN)
        b.go("/admin/")
        b.click("main a[href$='/admin/self-test']")
        b.wait_path("/admin/self-test")
        b.wait(lambda: b.text("#state") == done, 90)
        rows = b.all("#probes tbody tr")
        assert len(rows) == len(OUTSIDE), [r.text for r in rows]
        wrong = [r.text for r in rows if r.get_attribute("class") != "ok"]
        assert not wrong, wrong
        assert fine in rows[0].text, rows[0].text
        assert not b.all("tr.fail") and len(b.all("section:first-of-type tbody tr")) > 12
        b.check(f"selftest-{lang}-{width}")
    assert glob.glob(server.data + "/**/self-test*", recursive=True) == []


def without_a_script(server):
    with Browser(server, script=False) as b:
        b.login(harness.ADMIN)
        b.go("/admin/self-test")
        assert "slipway check --url" in b.text("#state") and len(b.all("tbody tr.ok")) > 10
        assert not b.one("#probes").is_displayed()
        b.check("selftest-noscript")


def finds_a_limit():
    try:
        server = harness.Server(web="nginx", changes={"nginx/slipway.conf": [("client_max_body_size 0;", "client_max_body_size 128k;")]})
    except AssertionError as e:
        if "is not installed" not in str(e):
            raise
        return
    try:
        with Browser(server) as b:
            b.login(harness.ADMIN)
            b.go("/admin/self-test")
            b.wait(lambda: b.text("#state") == "The self-test is done.", 90)
            failed = [r.text for r in b.all("#probes tr.fail")]
            assert len(failed) == 1 and "1 MiB" in failed[0] and "413" in failed[0] and "client_max_body_size 0" in failed[0], failed
            b.check("selftest-limit")
    finally:
        server.close()


def main():
    server = harness.Server()
    try:
        tests = ((lambda: asks(server, "en", 1200, "The self-test is done.", "ok"), "asked in English"),
                 (lambda: asks(server, "zh", 390, "自检完成。", "正常", dark=True), "asked in Chinese, narrow and dark"),
                 (lambda: without_a_script(server), "without a script"), (finds_a_limit, "a limit on bodies is found"))
        for n, (test, name) in enumerate(tests, 1):
            test()
            print(f"ok {n} - {name}", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
