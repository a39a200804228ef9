#!/usr/bin/python3
"""Goal: a lost connection, a server that goes away, a pause and a reload cost no byte of an upload that had arrived; what
is unfinished is told, goes on, or is discarded."""
import glob
import os
import re
import sys
import time

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from sending import (BIG, LARGE, MIB, TABLES, configured, finish, offline, received, requests, sent_mb, sent_text, session_files, slow,
                     start, main)


def test_a_server_that_goes_away_costs_nothing(server):
    since = len(server.log())
    with start(server) as b:
        slow(b, 10 * MIB)
        b.choose(LARGE)
        b.click("#send")
        b.wait(lambda: sent_mb(b) > 10)
        b.check("send-under-way-en")
        server.stop()
        try:
            b.wait(lambda: "connection is lost" in b.text("#transfer-said"))
            b.wait(lambda: re.search(r"next try in \d+ s", b.text("#chosen")))
            b.check("send-waiting-en")
        finally:
            server.start()
        slow(b, 0)
        finish(b)
        assert session_files(server, b) == [("large.csv", BIG)]
    # One creation; what arrived before the cut did not come again, but for what was on its way.
    assert len([r for r in requests(server, since) if r[0] == "POST"]) == 1
    assert [r for r in requests(server, since) if r[0] == "HEAD"], "it asked how much is there"
    assert received(server, since) < BIG + 9 * MIB, received(server, since)


def test_a_lost_connection_is_waited_for(server):
    with start(server, lang="zh") as b:
        slow(b, 10 * MIB)
        b.choose(LARGE)
        b.click("#send")
        b.wait(lambda: sent_mb(b) > 5)
        offline(b, True)
        b.wait(lambda: "连接已断开" in b.text("#transfer-said"))
        b.check("send-offline-zh")
        offline(b, False)
        finish(b)
        assert session_files(server, b) == [("large.csv", BIG)]


def test_a_reload_in_the_middle_goes_on(server):
    since = len(server.log())
    with start(server) as b:
        slow(b, 10 * MIB)
        b.choose(LARGE, TABLES[0])
        b.click("#send")
        b.wait(lambda: sent_mb(b) > 17)
        b.d.refresh()
        b.wait(lambda: b.one("#kept").is_displayed())
        assert "large.csv" in b.text("#kept") and "table 0.csv" in b.text("#kept")
        assert re.search(r"(8|16|24)\.0.MB / 30\.0.MB", b.text("#kept")), b.text("#kept")
        b.check("send-kept-en")
        slow(b, 0)
        b.choose(LARGE)
        b.wait(lambda: "large.csv" not in b.text("#kept"))
        # What had arrived whole needs not even be chosen again.
        b.one("#kept li").find_elements(By.TAG_NAME, "button")[0].click()
        b.wait(lambda: len(b.all("#chosen li")) == 2 and not b.one("#kept").is_displayed())
        b.click("#send")
        finish(b)
        assert session_files(server, b) == [("large.csv", BIG), ("table 0.csv", os.path.getsize(TABLES[0]))]
        assert b.d.execute_script("return Object.keys(localStorage).length") == 0
    assert received(server, since) < BIG + 9 * MIB, received(server, since)
    assert len([r for r in requests(server, since) if r[0] == "POST"]) == 2


def test_what_is_unfinished_can_be_discarded(server):
    with start(server, lang="zh") as b:
        slow(b, 8 * MIB)
        b.choose(LARGE)
        b.click("#send")
        b.wait(lambda: sent_mb(b) > 9)
        b.go("/")      # the start page has the same form
        b.wait(lambda: b.one("#kept").is_displayed())
        b.check("send-kept-start-zh")
        since = len(server.log())
        b.click("#kept-discard")
        b.wait(lambda: not b.one("#kept").is_displayed())
        b.wait(lambda: [r for r in requests(server, since) if r[0] == "DELETE"])
        b.d.refresh()
        time.sleep(0.5)
        assert not b.one("#kept").is_displayed()
        # The same file again is a new upload.
        slow(b, 0)
        b.choose(LARGE)
        b.click("#send")
        finish(b)
        assert received(server, since) >= BIG


def test_what_the_server_has_forgotten_is_not_offered(server):
    with start(server) as b:
        b.d.execute_script("""
            const user = document.getElementById("upload").dataset;
            localStorage.setItem("slipway upload " + user.owner + " " + user.tus + " " + "0".repeat(32), JSON.stringify({
                id: "0".repeat(32), name: "gone.csv", path: "", size: 5, time: 1, sent: 2, made: Date.now(), busy: 0}));
            localStorage.setItem("slipway upload other " + user.tus + " " + "1".repeat(32), JSON.stringify({
                id: "1".repeat(32), name: "not mine.csv", path: "", size: 5, time: 1, sent: 2, made: Date.now(), busy: 0}));
        """)
        b.d.refresh()
        b.wait(lambda: b.d.execute_script("return Object.keys(localStorage).length") == 1)
        b.wait(lambda: not b.one("#kept").is_displayed())
        assert "not mine" not in b.text()


def test_pause_and_continue(server):
    since = len(server.log())
    with start(server) as b:
        slow(b, 10 * MIB)
        b.choose(LARGE, *TABLES[:2])
        b.click("#send")
        b.wait(lambda: sent_mb(b) > 6)
        b.one("#transfer-pause").send_keys(Keys.ENTER)
        b.wait(lambda: "paused" in b.text("#chosen"))
        time.sleep(0.3)
        before = sent_text(b), received(server, since)
        b.check("send-paused-en")
        time.sleep(1)
        assert (sent_text(b), received(server, since)) == before, "nothing moves"
        # A file is taken away meanwhile.
        for li in b.all("#chosen li"):
            if "table 1" in li.text:
                li.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        b.wait(lambda: len(b.all("#chosen li")) == 2)
        slow(b, 0)
        b.one("#transfer-pause").send_keys(Keys.ENTER)
        finish(b)
        assert [n for n, _ in session_files(server, b)] == ["large.csv", "table 0.csv"]
    assert received(server, since) < BIG + 9 * MIB, received(server, since)


def test_cancelled_is_gone(server):
    with start(server) as b:
        slow(b, 10 * MIB)
        b.choose(LARGE)
        b.click("#send")
        b.wait(lambda: sent_mb(b) > 9)
        b.click("#transfer-cancel")
        b.wait(lambda: "cancelled" in b.text("#upload-errors"))
        b.check("send-cancelled-en")
        assert b.one("#send").is_enabled() and len(b.all("#chosen li")) == 1
        assert b.d.execute_script("return Object.keys(localStorage).length") == 0
        b.wait(lambda: not unfinished(server))
        slow(b, 0)
        b.click("#send")
        finish(b)


def unfinished(server):
    """Uploads on disk that nobody has finished."""
    found = []
    for base, _, names in os.walk(os.path.join(server.data, "uploads")):
        found += [base for n in names if n == "part"]
    return found


def test_an_upload_removed_meanwhile_begins_anew(server):
    since = len(server.log())
    with start(server) as b:
        slow(b, 10 * MIB)
        b.choose(LARGE)
        b.click("#send")
        b.wait(lambda: sent_mb(b) > 9)
        b.click("#transfer-pause")
        b.wait(lambda: "paused" in b.text("#chosen"))
        # The log tells but the beginning of its id.
        (path,) = {p for m, p, _ in requests(server, since) if m == "PATCH"}
        (folder,) = glob.glob(f"{server.data}/uploads/*/{os.path.basename(path)}*")
        path = "/files/" + os.path.basename(folder)
        cookies = "; ".join(f"{c['name']}={c['value']}" for c in b.d.get_cookies())
        a = server.request("DELETE", path, headers={"Cookie": cookies, "Tus-Resumable": "1.0.0"}, user=None)
        assert a.status == 204, a
        slow(b, 0)
        b.click("#transfer-pause")
        finish(b)
        assert session_files(server, b) == [("large.csv", BIG)]
    assert len([r for r in requests(server, since) if r[0] == "POST"]) == 2


def test_logged_out_in_the_middle(server):
    since = len(server.log())
    with start(server) as b:
        slow(b, 10 * MIB)
        b.choose(LARGE)
        b.click("#send")
        b.wait(lambda: sent_mb(b) > 9)
        login = b.d.get_cookie("slipway_login")
        b.d.delete_cookie("slipway_login")
        b.wait(lambda: "not logged in any more" in b.text("#upload-errors"))
        assert b.one("#upload-errors a").get_attribute("href").endswith("/login")
        b.check("send-logged-out-en")
        b.d.add_cookie(login)      # as if logged in again in another window
        slow(b, 0)
        b.click("#send")
        finish(b)
        assert session_files(server, b) == [("large.csv", BIG)]
    assert received(server, since) < BIG + 9 * MIB


def test_what_the_server_refuses_is_told_in_its_words(server):
    with configured(server, "[upload]\nquota = 20M"), start(server, lang="zh") as b:
        b.choose(LARGE, TABLES[0])
        b.click("#send")
        b.wait(lambda: "large.csv: " in b.text("#upload-errors"))
        said = b.text("#upload-errors")
        assert "ERR_" not in said and "(413)" not in said, said
        assert "未能发送" in b.text("#chosen") and "已到达" in b.text("#chosen")
        b.check("send-refused-zh")
        b.click("#chosen li button")
        b.click("#send")
        finish(b)
        assert [n for n, _ in session_files(server, b)] == ["table 0.csv"]


if __name__ == "__main__":
    main(sys.modules["__main__"])
