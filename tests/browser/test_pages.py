#!/usr/bin/python3
"""People's way through the pages: five kinds of files from the drop to the dataset's page.

Goal: every page works with and without JavaScript, in both languages, by keyboard, on a small screen and in the dark; an
automatic WCAG 2.2 AA checker finds nothing; nothing breaks the content policy.  Pictures go to BUILD/screenshots.
"""
import glob
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import zipfile

from selenium.webdriver.common.keys import Keys

from browser import Browser, harness, make_files, run

FOLDER = tempfile.mkdtemp(prefix="slipway-browser-")
FILE = make_files(FOLDER)
SHAPE = [FILE("fields" + e) for e in (".shp", ".shx", ".dbf")]


def send(b, *paths, time_step=False):
    b.go("/upload/")
    if time_step:
        b.click("details.more summary")
        b.click("#f-time")
    if b.script:
        b.drop(*paths)
    else:
        b.choose(*paths)
    b.click("#send")


def through_csv(b):
    send(b, FILE("公园.csv"))
    b.wait_path("/upload/csv")
    assert "公园" in b.text("h2"), b.text("h2")
    assert "公园0" in b.text("#preview-table") and "GB18030" in b.text("#preview")
    assert b.one("#f-lat").get_attribute("value") == "纬度"
    yield "csv"
    b.click("#next")
    b.wait_path("/upload/srs")
    assert b.one("input.source").get_attribute("value") == "EPSG:4326"
    yield "srs"
    b.click("#next")
    yield from through_final(b)


def through_shape(b):
    send(b, *SHAPE)
    b.wait_path("/upload/srs")
    assert "fields" in b.text("h2")
    b.fill("input.source", "EPSG:4326")
    b.click("#next")
    b.wait(lambda: b.all("#errors"))
    assert b.one("input.source").get_attribute("value") == "EPSG:4326", "typed values are kept"
    assert b.one("input.source").get_attribute("aria-invalid") == "true"
    assert b.all("input[name=confirm]"), "it can be taken although it looks wrong"
    yield "srs-wrong"
    if b.script:
        box = b.one("input.source")
        box.clear()
        box.send_keys("etrs89 utm 32n")
        b.wait(lambda: b.all(".options li"))
        yield "srs-search"
        box.send_keys(Keys.ARROW_DOWN)
        assert box.get_attribute("aria-activedescendant")
        box.send_keys(Keys.ESCAPE)
        assert not b.all(".options:not([hidden]) li")
        b.fill("input.source", "EPSG:25832")
    else:
        b.fill("#f-q", "25832")
        b.click("#search button")
        b.wait(lambda: b.all("input[type=radio][value='EPSG:25832']"))
        yield "srs-search"
        b.click("input[type=radio][value='EPSG:25832']")
    b.click("#next")
    yield from through_final(b)


def through_geojson(b):
    send(b, FILE("areas.geojson"), time_step=True)
    b.wait_path("/upload/time")
    b.select("#f-time_attribute", "date")
    b.click("input[value=DISCRETE_INTERVAL]")
    b.click("form.stack button.primary")
    b.wait(lambda: b.all("#errors"))
    assert b.one("#f-time_attribute").get_attribute("value") == "date", "typed values are kept"
    yield "time"
    b.fill("#f-precision_value", "1")
    b.select("#f-precision_step", "months")
    b.click("form.stack button.primary")
    yield from through_final(b)


def through_tiff(b):
    send(b, FILE("relief.tif"))
    yield from through_final(b)


def through_package(b):
    send(b, FILE("two.gpkg"))
    b.wait_path("/upload/srs")
    assert len(b.all("fieldset.layer")) == 2
    yield "srs-layers"
    b.click("input[name=layer][value='1']")
    b.click("#next")
    yield from through_final(b)


def through_final(b):
    b.wait_path("/upload/final")
    b.fill("#f-keywords", "传输, test")
    b.click("#a-view")
    yield "final"
    b.click("form.stack > .actions button.primary")
    b.wait_path("/datasets/")
    if b.script and b.all("#map"):
        b.wait(lambda: b.all("#map path, #map .leaflet-image-layer"))
        assert not b.all("#map.failed")
    assert "test" in b.text(".tags")
    yield "dataset"


KINDS = {"csv": through_csv, "shape": through_shape, "geojson": through_geojson, "tiff": through_tiff,
         "package": through_package}


def five_kinds(server, lang, script):
    with Browser(server, lang=lang, script=script) as b:
        b.login()
        assert b.one("html").get_attribute("lang") == ("zh-Hans" if lang == "zh" else "en")
        for kind, way in KINDS.items():
            for page in way(b):
                b.check(f"{kind}-{page}-{lang}{'' if script else '-plain'}")


def test_five_kinds_in_english_with_script(server):
    five_kinds(server, "en", True)


def test_five_kinds_in_english_without_script(server):
    five_kinds(server, "en", False)


def test_five_kinds_in_chinese_with_script(server):
    five_kinds(server, "zh", True)


def test_five_kinds_in_chinese_without_script(server):
    five_kinds(server, "zh", False)


PAGES = ("/", "/upload/", "/datasets/", "/datasets/{dataset}", "/datasets/{dataset}/delete", "/about", "/account/password", "/nowhere",
         "/upload/delete/{open}", "/upload/csv?id={open}", "/upload/final?id={open}", "/upload/?note=welcome")


def more_kinds():
    """Files of the kinds that KINDS leaves out, each with a word its dataset's page must have."""
    area = FILE("areas.geojson")
    for driver, ext in (("KML", "kml"), ("GML", "gml"), ("FlatGeobuf", "fgb"), ("GeoJSONSeq", "geojsonl")):
        run(["ogr2ogr", "-f", driver, FILE("more." + ext), area, "-nln", "more"])
    run(["ogr2ogr", "-f", "GPX", FILE("more.gpx"), area, "-nln", "waypoints", "-nlt", "POINT", "-dialect", "sqlite",
         "-sql", "SELECT st_centroid(geometry) AS geometry, name FROM areas"])
    run(["ogr2ogr", "-f", "ODS", FILE("more.ods"), area, "-nln", "more", "-dialect", "sqlite",
         "-sql", "SELECT name, st_x(st_centroid(geometry)) AS lon, st_y(st_centroid(geometry)) AS lat FROM areas"])
    run(["gdal_create", "-of", "PNG", "-outsize", "60", "40", "-bands", "3", "-ot", "Byte", "-burn", "200 90 40", FILE("photo.png")])
    with open(FILE("photo.pgw"), "w") as f:
        f.write("0.01\n0\n0\n-0.01\n10\n50\n")
    with open(FILE("grid.asc"), "w") as f:
        f.write("ncols 3\nnrows 2\nxllcorner 10\nyllcorner 50\ncellsize 1\n1 2 3\n4 5 6\n")
    with open(FILE("over.kml"), "w") as f:
        f.write('<kml xmlns="http://www.opengis.net/kml/2.2"><GroundOverlay><Icon><href>photo.png</href></Icon><LatLonBox><north>47</north>'
                "<south>46</south><east>9</east><west>8</west></LatLonBox></GroundOverlay></kml>")
    for name, members in (("more.kmz", {"doc.kml": "more.kml"}), ("over.kmz", {"doc.kml": "over.kml", "photo.png": "photo.png"})):
        with zipfile.ZipFile(FILE(name), "w") as z:
            for member, path in members.items():
                z.write(FILE(path), member)
    vector, raster = "60 rows", "Raster"
    return [(["more." + ext], vector) for ext in ("kml", "gml", "fgb", "geojsonl", "gpx", "ods", "kmz")] + [
        (["photo.png", "photo.pgw"], raster), (["grid.asc"], raster), (["over.kml", "photo.png"], raster), (["over.kmz"], raster)]


def test_more_kinds_from_the_drop_to_the_dataset(server):
    with Browser(server) as b:
        b.login()
        for names, word in more_kinds():
            send(b, *[FILE(n) for n in names])
            for _ in range(3):
                b.wait_path("/upload/csv", "/upload/srs", "/upload/final")
                if b.path().startswith("/upload/final"):
                    break
                here = b.path()
                for field in b.all("input.source"):
                    if not field.get_attribute("value"):
                        field.send_keys("EPSG:4326", Keys.ESCAPE)
                b.click("#next")
                b.wait(lambda: b.path() != here)
            b.click("form.stack > .actions button.primary")
            b.wait_path("/datasets/")
            assert word in b.text("main > p.help"), (names, b.text("main > p.help"))
            b.wait(lambda: b.all("#map path, #map .leaflet-image-layer"))
            assert not b.all("#map.failed"), names


def all_pages(server, name, **kw):
    with Browser(server, **kw) as b:
        b.go("/login?next=/upload/")
        b.check(f"login-{name}")
        b.login()
        send(b, FILE("公园.csv"))
        b.wait_path("/upload/csv")
        number = b.path().partition("id=")[2]
        b.click("#next")
        b.wait_path("/upload/srs")
        b.click("#next")
        b.wait_path("/upload/final")
        send(b, FILE("areas.geojson"))
        b.wait_path("/upload/final")
        b.click("form.stack > .actions button.primary")
        b.wait_path("/datasets/")
        dataset = b.path().split("/")[2]
        for page in PAGES:
            b.go(page.format(open=number, dataset=dataset))
            b.check(page.partition("?")[0].strip("/").replace("/", "-").format(open="open", dataset="one") + f"-page-{name}")
        b.go(f"/upload/delete/{number}")
        b.click("button.danger")
        b.wait_path("/upload/?note=deleted")
        assert b.all(".box.note")


def test_every_page_on_a_small_screen(server):
    all_pages(server, "small", width=360, height=740)


def test_every_page_in_the_dark(server):
    all_pages(server, "dark", dark=True, lang="zh")


def test_refused_files_are_told_beside_the_form(server):
    path = FILE("tool.exe")
    with open(path, "wb") as f:
        f.write(b"MZ" + bytes(200))
    with Browser(server) as b:
        b.login()
        b.go("/upload/")
        b.click("#send")
        b.wait(lambda: b.one("#upload-errors").is_displayed())
        b.choose(path)
        b.click("#send")
        b.wait(lambda: "tool.exe" in b.text("#upload-errors"))
        assert b.one("#send").is_enabled() and len(b.all("#chosen li")) == 1
        assert b.one("#transfer-said").get_attribute("textContent") == "", "nothing is being looked at any more"
        b.check("refused")
        b.click("#chosen li button")
        assert not b.all("#chosen li")
    with Browser(server, script=False) as b:
        b.login()
        b.go("/upload/")
        b.choose(path)
        b.click("#send")
        b.wait(lambda: b.all("#errors"))
        assert "tool.exe" in b.text("#errors") and ".gpkg" in b.text("table")
        b.check("refused-plain")


def test_the_preview_is_read_again_in_place(server):
    path = FILE("header.csv")
    with open(path, "w") as f:
        f.write("Our stations;;\nid;north;east\n" + "".join(f"{i};{40 + i / 10};{5 + i / 10}\n" for i in range(30)))
    with Browser(server) as b:
        b.login()
        send(b, path)
        b.wait_path("/upload/csv")
        assert "Our_stations" in b.text("#preview-table")
        b.select("#f-header", "2")
        b.click("#again")
        b.wait(lambda: "north" in b.text("#preview-table thead"))
        rev = b.one("input[name=rev]").get_attribute("value")
        assert rev == "0", "looking changes nothing: the form may still be sent"
        b.select("#f-lat", b.all("#f-lat option")[2].get_attribute("value"))
        b.select("#f-lng", b.all("#f-lng option")[3].get_attribute("value"))
        assert b.all("#preview-table td.is-lat") and b.all("#preview-table td.is-lng")
        b.click("#next")
        b.wait_path("/upload/srs")


def test_same_column_twice_is_told_at_both_places(server):
    with Browser(server, script=False) as b:
        b.login()
        send(b, FILE("公园.csv"))
        b.wait_path("/upload/csv")
        b.select("#f-lng", "纬度")
        b.click("#next")
        b.wait(lambda: b.all("#errors"))
        assert "You cannot select the same column" in b.text("#errors")
        assert "You cannot select the same column" in b.text("#e-lng")
        assert b.one("#f-lng").get_attribute("aria-invalid") == "true"
        link = b.one("#errors a").get_attribute("href")
        assert link.endswith("#f-lng")
        b.check("csv-same-column")


def workers(server):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                words = f.read().decode(errors="replace")
        except OSError:
            continue
        if "slipway-worker" in words and server.data in words:
            yield int(path.split("/")[2])


def test_progress_is_not_loaded_anew_under_the_reader(server):
    with Browser(server) as b:
        b.login()
        send(b, FILE("relief.tif"))
        b.wait_path("/upload/final")
        stopped = list(workers(server))
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            b.click("form.stack > .actions button.primary")
            b.wait_path("/upload/progress")
            b.d.execute_script("window.still = true")
            b.check("progress-import")
            time.sleep(4)
            assert b.d.execute_script("return window.still"), "the page asks for news; it is not loaded again"
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        b.wait_path("/datasets/")


def test_progress_moves_by_itself(server):
    for script in (True, False):
        with Browser(server, script=script) as b:
            b.login()
            b.go("/upload/")
            b.choose(FILE("many.csv"))
            b.click("#send")
            b.wait_path("/upload/csv", seconds=90)
            b.click("#next")
            b.wait_path("/upload/srs")
            b.click("#next")
            b.wait_path("/upload/final")
            b.click("form.stack > .actions button.primary")
            b.wait_path("/upload/progress", "/datasets/")
            if b.path().startswith("/upload/progress"):
                assert b.all("#bar") and b.one("#said").get_attribute("role") == "status"
                b.shot(f"progress{'' if script else '-plain'}")
            b.wait_path("/datasets/", seconds=120)


def test_the_whole_way_by_keyboard(server):
    with Browser(server) as b:
        b.go("/login")
        first = b.d.switch_to.active_element
        first.send_keys(Keys.TAB)
        assert "skip" in b.d.switch_to.active_element.get_attribute("class"), "the first stop skips to the content"
        b.one("#f-username").send_keys(harness.USER[0], Keys.TAB, harness.USER[1], Keys.ENTER)
        b.wait(lambda: b.path() == "/")
        b.go("/upload/")
        b.choose(FILE("relief.tif"))
        b.one("#send").send_keys(Keys.ENTER)
        b.wait_path("/upload/final")
        b.one("#f-title").send_keys("!", Keys.ENTER)
        b.wait_path("/datasets/")
        assert b.text("h1").endswith("!")


def test_the_language_stays(server):
    with Browser(server) as b:
        b.login()
        b.go("/datasets/?q=test")
        b.click(".who a[hreflang]")
        b.wait(lambda: b.one("html").get_attribute("lang") == "zh-Hans")
        assert b.one("#f-q").get_attribute("value") == "test", "the search goes along"
        b.go("/upload/")
        assert b.one("html").get_attribute("lang") == "zh-Hans"


def test_overwriting_shows_what_changes(server):
    with Browser(server) as b:
        b.login()
        for turn in range(2):
            send(b, FILE("areas.geojson"))
            b.wait_path("/upload/final")
            if turn == 0:
                b.click("form.stack > .actions button.primary")
                b.wait_path("/datasets/")
                number = b.path().split("/")[2].partition("?")[0]
        b.click("#m-append")
        b.select("#f-dataset", number)
        b.click("form.stack > .actions button.primary")
        b.wait(lambda: b.all("section.diff"))
        assert "60 → 120" in b.text("section.diff"), b.text("section.diff")
        b.check("final-append")
        b.click("#f-confirm")
        b.click("form.stack > .actions button.primary")
        b.wait_path("/datasets/" + number)
        assert "120" in b.text("main > p.help")


def test_another_tab_is_told_that_the_import_is_done(server):
    with Browser(server) as b:
        b.login()
        send(b, FILE("relief.tif"))
        b.wait_path("/upload/final")
        final, first = b.path(), b.d.current_window_handle
        b.d.switch_to.new_window("tab")
        b.go(final)
        b.click("form.stack > .actions button.primary")
        b.wait_path("/datasets/")
        here = b.path()
        b.d.close()
        b.d.switch_to.window(first)
        b.fill("#f-title", "Something else")
        b.click("form.stack > .actions button.primary")
        b.wait_path(here)
        assert "This upload is imported already." in b.text(".box.note") and "Something else" not in b.text("h1")


def test_a_session_goes_on_from_the_list(server):
    with Browser(server) as b:
        b.login()
        send(b, *SHAPE)
        b.wait_path("/upload/srs")
        here = b.path()
        b.go("/upload/")
        b.check("save-open")
        b.click(".rows .name")
        b.wait_path(here)
        time.sleep(0.2)


def test_each_table_of_a_zip_has_its_page(server):
    path = FILE("both.zip")
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("a.csv", "id,lat,lon\n1,40,5\n2,41,6\n")
        z.writestr("b.csv", "nr,y,x\n1,40,5\n2,41,6\n")
    with Browser(server) as b:
        b.login()
        send(b, path)
        b.wait_path("/upload/csv")
        assert b.text(".tabs [aria-current]") == "a"
        b.check("csv-tables")
        b.click("#next")
        b.wait(lambda: b.text(".tabs [aria-current]") == "b")
        b.click("#next")
        b.wait_path("/upload/srs")


def test_more_columns_than_a_form_has_fields(server):
    """Without the script names and types stay as they are; the table still goes its way."""
    path = FILE("broad.csv")
    with open(path, "w") as f:
        f.write(",".join(f"column {i}" for i in range(600)) + "\n")
        for row in range(20):
            f.write(",".join(f"{row}.{i}" for i in range(600)) + "\n")
    for script in (False, True):
        with Browser(server, script=script) as b:
            b.login()
            send(b, path)
            b.wait_path("/upload/csv")
            here = b.path()
            b.go("/upload/")
            assert "next: Table" in b.text(".rows li"), b.text(".rows li")
            b.go(here)
            b.check(f"csv-broad{'' if script else '-plain'}")
            assert b.one("#f-col_599_name").is_enabled() == script
            b.click("#g-none")
            if script:
                b.click("#columns-more summary")
                b.fill("#f-col_599_name", "last")
            b.click("#next")
            b.wait_path("/upload/final")
            assert ("last" in b.text()) == script


def test_one_of_something_is_told_as_one(server):
    path = FILE("single.csv")
    with open(path, "w") as f:
        f.write("id,lat,lon\n" + "".join(f"{i},{'?' if i == 4 else 40 + i},5\n" for i in range(20)))
    for lang, said in (("en", "1 row has no readable place in column “lat”: row 6 with “?”."), ("zh", "列“lat”有 1 行没有可识别的位置，第一处在第 6 行：“?”。")):
        with Browser(server, lang=lang) as b:
            b.login()
            send(b, path)
            b.wait_path("/upload/csv")
            b.click("#next")
            b.wait_path("/upload/srs")
            assert said in b.text(".box.warning"), b.text()
            single = FILE("alone.geojson")
            with open(single, "w") as f:
                f.write('{"type": "Point", "coordinates": [7, 50]}')
            send(b, single)
            b.wait_path("/upload/final")
            b.click("form.stack > .actions button.primary")
            b.wait_path("/datasets/")
            assert ("· 1 row ·" if lang == "en" else "· 1 行 ·") in b.text("main > p.help")


def test_a_dataset_without_places_has_no_map(server):
    path = FILE("nowhere.geojson")
    with open(path, "w") as f:
        f.write('{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"a": 1}, "geometry": null}]}')
    with Browser(server) as b:
        b.login()
        send(b, path)
        b.wait_path("/upload/final")
        b.click("form.stack > .actions button.primary")
        b.wait_path("/datasets/")
        assert not b.all("#map") and "nothing to show on a map" in b.text()
        b.check("dataset-nowhere")
        b.go("/datasets/?q=nowhere")
        assert not b.all(".cards img")
        assert not [line for line in b.d.get_log("browser") if "404" in line["message"]]


def test_coordinates_have_no_exponent(server):
    with Browser(server) as b:
        b.login()
        send(b, FILE("relief.tif"))
        b.wait_path("/upload/final")
        b.click("form.stack > .actions button.primary")
        b.wait_path("/datasets/")
        facts = b.text("#facts + dl")
        assert "500000, 5270000" in facts and "540000, 5300000" in facts, facts
        degrees = re.findall(r"\d+\.\d+", facts.partition("degrees")[2].partition("Pixels")[0])
        assert degrees and all(len(d) <= 11 for d in degrees), degrees


def test_a_login_that_ends_in_the_middle_is_asked_for_by_the_page(server):
    """No script's request makes the browser ask for a password; after the login the upload goes on."""
    with Browser(server) as b:
        b.login()
        send(b, *SHAPE)
        b.wait_path("/upload/srs")
        here = b.path()
        b.d.delete_cookie("slipway_login")
        b.fill("input.source", "EPSG:25832")
        time.sleep(1)      # the field has searched by now
        b.click("#next")
        b.wait_path("/login")
        b.fill("#f-username", harness.USER[0])
        b.fill("#f-password", harness.USER[1])
        b.click("main button[type=submit]")
        b.wait_path("/upload/")
        b.click(".rows .name")
        b.wait_path(here)
        b.go("/upload/")
        b.d.delete_cookie("slipway_login")
        b.choose(FILE("relief.tif"))
        b.click("#send")
        b.wait(lambda: "You are not logged in any more" in b.text("#upload-errors"))


class Fresh(harness.Server):
    """Nobody has an account here yet."""

    def slipway(self, *args, **kw):
        return "no token"


def test_the_first_account_is_made_on_a_page(_):
    server = Fresh()
    try:
        link = re.search(r"(/first\?\S+)", server.banner)[1]
        for lang in ("en", "zh"):
            with Browser(server, lang=lang) as b:
                b.go(link)
                b.check(f"first-{lang}")
                b.d.execute_script("document.querySelector('form.card').noValidate = true")
                b.fill("#f-password", "short")
                b.click("main button.primary")
                b.wait(lambda: b.all("#errors"))
                b.check(f"first-short-{lang}")
                if lang == "zh":
                    b.fill("#f-password", "correct horse battery")
                    b.click("main button.primary")
                    b.wait_path("/upload/")
                    assert b.all(".box.note")
    finally:
        server.close()


if __name__ == "__main__":
    try:
        harness.main(sys.modules["__main__"])
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
