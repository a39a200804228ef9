#!/usr/bin/python3
"""Goal: from a dataset's page to new content for it, with and without scripts, in both languages: the target is named on
every page, the difference stands on the last one, what does not fit is told there."""
import os
import sys

from browser import Browser
from sending import at, main, write

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from made import geojson
from steps import finished, points, saved

MORE = write(at("more.geojson"), geojson("more.geojson", [(9, 51), (10, 52)])[1])
WORDS = write(at("words.csv"), b"lat,lng,size\n50,8,7\n51,9,big\n")


def test_new_content_from_the_dataset_page(server):
    for lang, script, mode, after in (("en", True, "append", "4"), ("zh", False, "overwrite", "2")):
        old = finished(server, saved(server, geojson("parks.geojson", [(8, 50), (9, 51)])), title="公园 Parks")["dataset"]
        with Browser(server, lang=lang, script=script) as b:
            b.login()
            b.go(f"/datasets/{old['id']}")
            b.check(f"content-dataset-{lang}")
            b.click(f"a[href*='mode={mode}']")
            b.wait_path("/upload/")
            assert "公园 Parks" in b.text(".box.note")
            b.check(f"content-target-{lang}")
            b.click(".who a[hreflang]")      # the target stays in the other language, too
            b.wait(lambda: b.one("html").get_attribute("lang") != ("zh-Hans" if lang == "zh" else "en"))
            assert "公园 Parks" in b.text(".box.note")
            b.choose(MORE)
            b.click("#send")
            b.wait_path("/upload/final")
            assert b.one(f"#m-{mode}").is_selected() and f"2 → {after}" in b.text("section.diff")
            b.check(f"content-final-{lang}")
            b.click("#f-confirm")
            b.click("form.stack > .actions button.primary")
            b.wait_path(f"/datasets/{old['id']}")
        model = server.get(f"/datasets/{old['id']}", accept="application/json").json["dataset"]
        assert str(model["count"]) == after and model["title"] == "公园 Parks", model


def test_what_does_not_fit_is_told_on_the_last_page(server):
    old = points(server, "sized", ["50,8,3"], columns="lat,lng,size")["dataset"]
    with Browser(server, lang="zh") as b:
        b.login()
        b.go(f"/upload/?layer_id={old['id']}&mode=append")
        b.choose(WORDS)
        b.click("#send")
        b.wait_path("/upload/csv")
        b.click("#next")
        b.wait_path("/upload/srs")
        b.click("#next")
        b.wait_path("/upload/final")
        assert "big" in b.text("section.diff .err") and not b.all("#f-confirm")
        b.check("content-misfit-zh")
        # Such rows are left out: the difference is shown anew, then confirmed.
        b.select("#f-bad_rows", "skip")
        b.click("form.stack > .actions button.primary")
        b.wait(lambda: b.all("#f-confirm"))
        b.click("#f-confirm")
        b.click("form.stack > .actions button.primary")
        b.wait_path(f"/datasets/{old['id']}")
    assert server.get(f"/datasets/{old['id']}", accept="application/json").json["dataset"]["count"] == 2


if __name__ == "__main__":
    main(sys.modules["__main__"])
