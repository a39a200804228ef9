#!/usr/bin/python3
"""Goal: the catalogue of data items for people: searching, filtering, sorting and paging by form and links alone, without a
script, in both languages, on wide and narrow windows, by WCAG AA (datas.md 2)."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "http"))
import browser  # noqa: E402
import harness  # noqa: E402
from datas import DATAS, make  # noqa: E402


def rows(b):
    return b.d.execute_script("return [...document.querySelectorAll('tbody tr td:nth-child(3)')].map(e => e.innerText.trim())")


def use_list(b):
    b.go(DATAS + ".html")
    b.check("datas")
    assert len(rows(b)) == 9 and len(b.all("a[rel=next]")) == 1, rows(b)
    b.click("a[rel=next]")
    b.wait(lambda: len(rows(b)) == 3)
    assert len(rows(b)) == 3 and len(b.all("a[rel=prev]")) == 1, rows(b)
    b.fill("#f-keywords", "wells")
    b.select("#f-types", "CSV")
    b.select("#f-order", "FILENAME")
    b.select("#f-direction", "DESC")
    b.click("form[role=search] button")
    b.wait(lambda: len(rows(b)) == 4)
    assert rows(b) == ["wells 3.csv", "wells 2.csv", "wells 1.csv", "wells 0.csv"], rows(b)
    assert b.one("#f-keywords").get_attribute("value") == "wells"
    b.check("datas-filtered")
    b.fill("#f-tags", "nothing has this tag")
    b.click("form[role=search] button")
    b.wait(lambda: len(rows(b)) == 0)
    assert b.one("#f-tags").get_attribute("value") == "nothing has this tag"
    b.fill("#f-tags", "water")
    b.click("form[role=search] button")
    b.wait(lambda: len(rows(b)) == 4)
    b.click("tbody a")
    b.wait(lambda: b.text("h1") == "wells 3.csv")
    assert b.text("h1") == "wells 3.csv", b.text()
    b.check("datas-item")


def empty_states(b):
    for path, name in ((DATAS + ".html?keywords=nowhere", "datas-none"), (DATAS + ".html?currentPage=99", "datas-behind"),
                       (DATAS + "/99999.html", "datas-unknown"), ("/iserver/services/security/tokens.html", "datas-tokens")):
        b.go(path)
        assert b.text("h1"), path
        b.check(name)


def main():
    server = harness.Server()
    try:
        for n in range(4):
            make(server, f"wells {n}.csv", b"a,b\n1,2\n", description="Brunnen", tags=["water"], share=[("GUEST", "DOWNLOAD")])
        for n in range(8):
            make(server, f"机场 a-rather-long-name-of-a-file-that-goes-on-and-on {n}.json", b"{}", share=[("GUEST", "SEARCH")])
        ok = 0
        for lang, width, dark in (("en", 1200, False), ("zh", 390, False), ("en", 390, True)):
            with browser.Browser(server, lang=lang, width=width, dark=dark, script=False) as b:
                use_list(b)
                empty_states(b)
            ok += 1
            print(f"ok {ok} - catalogue in {lang}, {width} px{', dark' if dark else ''}", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
