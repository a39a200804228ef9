#!/usr/bin/python3
"""Goal: a dataset's owner describes and shares it on its page, an administrator looks after users, groups and keys; with and
without scripts, in both languages, on a phone and in the dark; every page passes the accessibility checks."""
import os
import sys

from browser import Browser
from sending import main

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness
from made import geojson
from steps import finished, saved


def open_all(b):
    """Folded parts of the page are checked, too."""
    for summary in b.all("details:not([open]) > summary"):
        summary.click()


def test_the_owner_describes_and_shares(server):
    server.slipway("group", "add", "测量队")
    server.slipway("dir", "add", "--parent", server.slipway("dir", "add", "水文").strip(), "wells")
    for lang, script, more in (("en", True, {}), ("zh", False, {"width": 390, "height": 844})):
        n = finished(server, saved(server, geojson("parks.geojson", [(8, 50), (9, 51)])), title="公园 Parks")["dataset"]["id"]
        with Browser(server, lang=lang, script=script, **more) as b:
            b.login()
            b.go(f"/datasets/{n}/edit")
            b.check(f"sharing-edit-{lang}")
            b.fill("#f-title", "公园 and parks")
            b.fill("#f-keywords", "green, 绿地")
            b.select("#f-dir", "2")
            b.click("#describe button.primary")
            b.wait(lambda: b.path().startswith(f"/datasets/{n}?") and "公园 and parks" in b.text("h1"))
            assert "公园 and parks" in b.text("h1") and "水文 / wells" in b.text("dl.facts")
            b.go(f"/datasets/{n}/edit")
            b.click("#a-view")
            b.fill("#f-name_0", "otto")
            b.select("#f-right_0", "edit")
            b.select("#f-kind_1", "group")
            b.fill("#f-name_1", "nosuch")
            b.click("#sharing button.primary")
            b.wait(lambda: b.all("#errors"))
            b.check(f"sharing-wrong-{lang}")
            b.fill("#f-name_1", "测量队")
            b.click("#sharing button.primary")
            b.wait_path(f"/datasets/{n}?")
            b.check(f"sharing-shared-{lang}")
        assert server.get(f"/datasets/{n}", accept="application/json", user=None).status == 200
        permissions = server.get(f"/iportal/web/mycontent/datas/{n}/sharesetting.json").json
        assert [e["entityName"] for e in permissions][1:] and {e["entityName"] for e in permissions} >= {"otto", "测量队"}, permissions


def test_the_administrator_looks_after_users(server):
    for lang, script, more in (("en", True, {"dark": True}), ("zh", False, {"width": 390, "height": 844})):
        name, group = f"person{lang}", f"group-{lang}"
        with Browser(server, lang=lang, script=script, **more) as b:
            b.login(harness.ADMIN)
            b.go("/admin/")
            b.check(f"admin-{lang}")
            open_all(b)
            b.fill("#f-name", name)
            b.fill("#f-password", "short")
            b.d.execute_script("document.getElementById('f-password').removeAttribute('minlength')") if script else None
            if script:
                b.click("details button.primary")
                b.wait(lambda: b.all("#errors"))
                b.check(f"admin-wrong-{lang}")
                open_all(b)
            b.fill("#f-password", "a phrase for tests")
            b.click("details button.primary")
            b.wait(lambda: name in b.text("main"))
            b.fill("#f-group", group)
            b.click("form:not(.search) > .actions > button:not(.primary)")
            b.wait(lambda: group in b.text("#all-groups"))
            b.check(f"admin-filled-{lang}")
            b.go("/admin/user?name=" + name)
            b.click("input[name=in][value='%s']" % group)
            b.click("#f-groups ~ .actions button")
            b.wait(lambda: b.one("input[name=in][value='%s']" % group).is_selected())
            open_all(b)
            b.fill("#f-key_name", "scripts")
            b.fill("#f-days", "30")
            b.click("#all-keys button.primary")
            b.wait(lambda: b.all("code.token"))
            assert len(b.text("code.token")) == 40
            b.check(f"admin-user-{lang}")
        assert f"{group}\t{name}" in server.slipway("group", "list")


if __name__ == "__main__":
    main(sys.modules[__name__])
