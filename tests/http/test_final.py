"""Goal: the final step takes title, text, keywords, names and rights, starts the import once, tells what is missing, and says what
came out; mosaics become one dataset (wizard.md 6.2, 8.6, 13; case 42; section 21, row on final without CRS)."""
import contextlib
import json
import os
import sqlite3
import subprocess
import tempfile

from harness import main, nothing_left
from made import geojson, geotiff, grid, shapefile, zipped, WGS84
from steps import code, configured, finished, get, post, rows, saved, state, table

LONG = "x" * 256


def test_fields_reach_the_dataset(server):
    session = saved(server, geojson("roads.geojson", [(8, 50), (9, 51)]))
    done = finished(server, session, title="Roads of “Köln”", abstract="Two\nlines", keywords="roads, 传输；Roads、bus\nrail",
                    permissions='{"users":{"AnonymousUser":["view_resourcebase"]},"groups":{}}')
    d = server.get(f"/datasets/{done['dataset']['id']}", accept="application/json").json["dataset"]
    assert d["title"] == "Roads of “Köln”" and d["abstract"] == "Two\nlines" and d["name"] == "roads", d
    assert d["keywords"] == ["roads", "传输", "bus", "rail"], d["keywords"]      # one list, unique without case
    assert d["access"] == "view" and d["owner"] == "mei"


def test_save_gives_the_defaults(server):
    session = saved(server, geojson("plan b.geojson", [(8, 50)]), layer_title="Plan B", abstract="old", keywords="a;b")
    page = get(server, session, "final", dry_run="true").json["page"]
    assert page["layers"] == [{"i": 0, "name": "plan_b", "title": "Plan B"}] and page["abstract"] == "old", page
    assert page["keywords"] == ["a", "b"] and page["mode"] == "create" and page["diff"] is None and page["access"] == "private", page
    assert set(page) >= {"permissions", "targets", "info", "time", "summary"} and page["summary"]["rows"] == 1, page
    done = finished(server, session, abstract="new")
    d = server.get(f"/datasets/{done['dataset']['id']}", accept="application/json").json["dataset"]
    assert d["title"] == "Plan B" and d["abstract"] == "new" and d["keywords"] == ["a", "b"], d
    assert finished(server, saved(server, geojson("Ärger mit Ümlaut.geojson", [(1, 2)])))["dataset"]["title"] == "Ärger mit Ümlaut"


def test_names_are_cleaned_and_unique(server):
    names = [finished(server, saved(server, geojson(f"{stem}.geojson", [(1, 2)])))["dataset"]["name"]
             for stem in ("junk<y>", "109029_23", "foo-bar", "тестирование кириллицы", "北京.公园", "foo-bar", "foo bar")]
    assert names == ["junk_y_", "_109029_23", "foo_bar", "тестирование_кириллицы", "北京_公园", "foo_bar_2", "foo_bar_3"], names
    session = saved(server, geojson("x.geojson", [(1, 2)]))
    done = finished(server, session, name_0="my own-name")
    assert done["dataset"]["name"] == "my_own_name" and done["url"] == "/layers/geonode:my_own_name", done
    assert server.get(done["url"]).header("Location") == done["dataset"]["detail_url"]


def test_bad_fields_are_refused(server):
    session = saved(server, geojson("bad.geojson", [(1, 2)]))
    before = server.traces()
    for want, field, fields in (
            ("title_too_long", "title", {"title": LONG}),
            ("bad_choice", "mode", {"mode": "replace"}),
            ("dataset_unknown", "dataset", {"mode": "overwrite"}),
            ("bad_choice", "bad_rows", {"bad_rows": "eat"}),
            ("bad_boolean", "store_spatial_files", {"store_spatial_files": "maybe"})):
        a = post(server, session, "final", **fields)
        assert a.status == 400 and code(a) == want and a.json["details"][0]["field"] == field, (want, a)
        page = server.post(f"/upload/final?id={session}", fields, accept="text/html")
        assert page.status == 400 and 'role="alert"' in page.text, page
    for fields in ({"abstract": "y" * 10_001}, {"keywords": ",".join(f"k{i}" for i in range(51))}, {"keywords": "k" * 101}):
        a = post(server, session, "final", **fields)
        assert a.status == 400 and code(a), (fields, a)
    a = server.request("POST", f"/upload/final?id={session}", body=b"title=%ff%fe", headers={
        "Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"})
    assert a.status == 400 and code(a) in ("bad_text", "bad_body"), a
    nothing_left(server, before)
    assert state(server, session)["state"] == "WAITING"
    finished(server, session)


def test_missing_crs_is_told_and_nothing_starts(server):
    session = saved(server, *shapefile("nocrs", [(1, 2), (3, 4)]))
    a = post(server, session, "final", title="t")
    assert a.status == 409 and code(a) == "input_missing" and a.json["redirect_to"] == f"/upload/srs?id={session}", a
    assert a.json["url"] == f"/upload/srs?id={session}" and a.json["required_input"] is True and a.json["input_required"] is True
    a = server.get(f"/upload/final?id={session}")
    assert a.status == 200 and a.json["success"] is False and a.json["code"] == "input_missing", a
    a = server.post(f"/upload/final?id={session}", {}, accept="text/html")
    assert a.status == 303 and a.header("Location").startswith(f"/upload/srs?id={session}&note="), a
    note = server.get(a.header("Location"), accept="text/html")
    assert note.status == 200 and 'role="status"' in note.text, note
    assert state(server, session)["state"] == "WAITING" and get(server, session, "progress").json["state"] == "NO_CRS"


def test_cross_site_get_and_head_start_nothing(server):
    session = saved(server, geojson("still.geojson", [(1, 2)]))
    a = server.request("HEAD", f"/upload/final?id={session}", headers={"Accept": "application/json"})
    assert a.status == 200 and state(server, session)["state"] == "WAITING", a
    for site in ("cross-site", "same-site"):
        a = server.get(f"/upload/final?id={session}", headers={"Accept": "application/json", "Sec-Fetch-Site": site})
        assert a.status == 403 and code(a) == "cross_site" and state(server, session)["state"] == "WAITING", a
    page = get(server, session, "final", accept="text/html")
    assert page.status == 200 and state(server, session)["state"] == "WAITING", page
    a = server.get(f"/upload/final?id={session}", headers={"Accept": "application/json", "Sec-Fetch-Site": "same-origin"})
    assert a.json["status"] in ("finished", "pending"), a


def test_get_may_only_report(server):
    with configured(server, "[wizard]\ncompat_get_run = off"):
        session = saved(server, geojson("asked.geojson", [(1, 2)]))
        a = get(server, session, "final")
        assert a.status == 200 and a.json["status"] == "ready" and state(server, session)["state"] == "WAITING", a
        finished(server, session)
        assert get(server, session, "final").json["status"] == "finished"


def test_read_only_site(server):
    session = saved(server, geojson("frozen.geojson", [(1, 2)]))
    with configured(server, "[site]\nread_only = on"):
        before = server.traces()
        for a in (post(server, session, "final"), server.save(geojson("x.geojson", [(1, 2)])), post(server, session, "srs"),
                  server.request("DELETE", f"/upload/delete/{session}", headers={"Accept": "application/json"})):
            assert a.status == 503 and code(a) == "read_only" and a.header("Retry-After"), a
        a = server.request("PUT", "/files/x.csv", body=b"a")      # told as transports tell errors
        assert a.status == 503 and a.text.startswith("ERR_UNAVAILABLE: ") and a.header("Retry-After"), a
        page = server.post(f"/upload/final?id={session}", {}, accept="text/html")
        assert page.status == 503 and "text/html" in page.header("Content-Type"), page
        nothing_left(server, before)
        assert server.get(f"/upload/?id={session}", accept="application/json").status == 200
        assert get(server, session, "final", accept="text/html").status == 200
        a = get(server, session, "final")      # nothing starts by a GET, either
        assert state(server, session)["state"] == "WAITING", a
    finished(server, session)


def test_finished_answer_has_its_shape(server):
    session = saved(server, table("poi.csv", "lat,lng,my name,fid", "50,8,a,1"))
    post(server, session, "csv", lat="lat", lng="lng")
    post(server, session, "srs", source="EPSG:4326")
    j = finished(server, session)
    assert j["success"] is True and "redirect_to" not in j and "required_input" not in j and "progress" not in j, j
    assert j["bbox"] == "8,50,8,50" and j["crs"] == {"type": "name", "properties": "EPSG:4326"}, j
    assert j["info"] == {"my name": "my_name", "fid": "fid_"}, j["info"]
    assert j["layer"] == j["dataset"] == j["datasets"][0] and j["datasets"][0]["status"] == "imported", j
    assert set(j["dataset"]) >= {"id", "name", "title", "url", "detail_url", "type", "geometry", "crs", "bbox", "count", "columns",
                                 "time"}, j["dataset"]
    assert rows(server, j["dataset"]["id"], "my_name", "fid_") == [("a", 1)]
    assert b"\xc2\xa0" not in json.dumps(j).encode()


def test_layers_become_one_dataset_each(server):
    name, data = zipped(shapefile("a/one", [(1, 2), (3, 4)], prj=WGS84) + shapefile("b/two", [(5, 6)], prj=WGS84), "both.zip")
    session = saved(server, (name, data))
    done = finished(server, session, title_0="First", title_1="Second", access="view")
    assert [d["title"] for d in done["datasets"]] == ["First", "Second"] and [d["count"] for d in done["datasets"]] == [2, 1], done
    a = post(server, saved(server, (name, data)), "final", mode="append", dataset=str(done["dataset"]["id"]))
    assert a.status == 400 and code(a) == "target_one_layer", a      # which of the two would be a guess


UTM17 = ('PROJCS["WGS_1984_UTM_Zone_17N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
         'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],'
         'PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",-81.0],PARAMETER["Scale_Factor",0.9996],'
         'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]')


def dated(*names, crs="EPSG:4326", **more):
    return [(n, geotiff("g.tif", crs=crs, x=-81.7 + 0.04 * i, **more)[1]) for i, n in enumerate(names)]


def test_mosaic_with_dates_is_one_dataset(server):
    name, data = zipped(dated("flood_20200101.tif", "flood_20200201.tif", "flood_20200301.tif"), "flood.zip")
    session = saved(server, (name, data), mosaic="true", mosaic_time_regex="[0-9]{8}", time_presentation="LIST")
    done = finished(server, session)
    assert len(done["datasets"]) == 1 and done["dataset"]["type"] == "raster" and done["dataset"]["name"] == "flood", done
    t = done["dataset"]["time"]
    assert t["positions"] == 3 and t["presentation"] == "LIST", t
    assert t["start"] == "2020-01-01T00:00:00Z" and t["end"] == "2020-03-01T00:00:00Z", t


def test_mosaic_without_dates_is_one_raster(server):
    name, data = zipped(dated("a.tif", "b.tif"), "tiles.zip")
    done = finished(server, saved(server, (name, data), mosaic="true"))
    assert len(done["datasets"]) == 1 and done["dataset"]["time"] is None, done
    box = [float(v) for v in done["bbox"].split(",")]
    assert abs(box[0] + 81.7) < 1e-6 and abs(box[2] + 81.62) < 1e-6, box      # both tiles
    done = finished(server, saved(server, (name, data)))      # not called a mosaic: one dataset each
    assert len(done["datasets"]) == 2, done


def info(server, dataset):
    """What gdalinfo says of a raster."""
    with tempfile.NamedTemporaryFile(suffix=".tif") as f:
        f.write(server.get(f"/datasets/{dataset}/download").body)
        f.flush()
        return json.loads(subprocess.run(["gdalinfo", "-json", "-mm", f.name], stdout=subprocess.PIPE, check=True).stdout)


def test_granules_are_added_to_a_mosaic(server):
    name, data = zipped(dated("rain_20200101.tif", "rain_20200201.tif"), "rain.zip")
    old = finished(server, saved(server, (name, data), mosaic="true", mosaic_time_regex="[0-9]{8}"))["dataset"]
    before = server.get(f"/datasets/{old['id']}/download").body
    name, data = zipped(dated("rain_20200401.tif", "rain_20200501.tif"), "more.zip")
    more = {"mosaic": "true", "mosaic_time_regex": "[0-9]{8}", "append_to_mosaic_opts": "true"}
    a = server.save((name, data), fields={**more, "append_to_mosaic_name": "nosuch"})
    if a.status == 201:
        a = post(server, a.json["id"], "final")
    assert a.status in (400, 404) and code(a) == "dataset_unknown", a
    assert server.get(f"/datasets/{old['id']}/download").body == before
    session = saved(server, (name, data), append_to_mosaic_name="rain", **more)
    new = finished(server, session)["dataset"]
    assert new["id"] == old["id"] and new["time"]["positions"] == 4, new
    assert new["time"]["start"] == old["time"]["start"] and new["time"]["end"] > old["time"]["end"], new["time"]
    bands = info(server, new["id"])["bands"]
    assert [b["description"][:10] for b in bands] == ["2020-01-01", "2020-02-01", "2020-04-01", "2020-05-01"], bands
    assert all(b["computedMin"] == 0 and b["computedMax"] == 15 for b in bands), bands      # each its own granule
    # Without times, or of another CRS, they do not fit: the mosaic stays as it is.
    session = saved(server, zipped(dated("a.tif", "b.tif"), "plain.zip"), mosaic="true", append_to_mosaic_opts="true",
                    append_to_mosaic_name="rain")
    a = post(server, session, "final")
    if a.status == 202:
        a = server.wait_finished(session)
    assert code(a) == "mosaic_mismatch" and state(server, session)["state"] == "INVALID", a
    assert info(server, new["id"])["bands"] == bands
    session = saved(server, (name, data), append_to_mosaic_name="rain", user="otto", **more)
    a = post(server, session, "final", user="otto")
    assert a.status == 404 and code(a) == "dataset_unknown", a


def test_mosaic_refuses_what_does_not_fit(server):
    before = server.traces()
    other = geotiff("g.tif", crs="EPSG:3857", x=100, y=100, cell=10)[1]
    name, data = zipped(dated("a_20200101.tif") + [("b_20200201.tif", other)], "mixed.zip")
    a = server.save((name, data), fields={"mosaic": "true", "mosaic_time_regex": "[0-9]{8}"})
    assert a.status == 400 and code(a) == "mosaic_mismatch" and "b_20200201.tif" in json.dumps(a.json["details"][0]), a
    # The same when the CRS stands in a file beside each.
    bare = [(n, d) for n, d in dated("a_20200101.tif", "b_20200201.tif", crs=None)]
    for prjs, fits in (((WGS84, WGS84), True), ((WGS84, UTM17), False), ((WGS84, None), False)):
        files = bare + [(n.replace(".tif", ".prj"), p.encode()) for (n, _), p in zip(bare, prjs) if p]
        name, data = zipped(files, "beside.zip")
        a = server.save((name, data), fields={"mosaic": "true", "mosaic_time_regex": "[0-9]{8}"})
        if fits:
            assert a.status == 201, a
            server.request("DELETE", f"/upload/delete/{a.json['id']}")
        else:
            assert a.status == 400 and code(a) == "mosaic_mismatch" and "b_20200201.tif" in json.dumps(a.json["details"][0]), a
    name, data = zipped(dated("a_20200101.tif", "undated.tif"), "half.zip")
    a = server.save((name, data), fields={"mosaic": "true", "mosaic_time_regex": "[0-9]{8}"})
    assert a.status == 400 and code(a) == "mosaic_time_missing" and "undated.tif" in json.dumps(a.json["details"][0]), a
    nothing_left(server, before)


def test_a_catalogue_that_does_not_answer_is_no_missing_dataset(server):
    """Nobody is told that it is finished, with nothing to show for it."""
    session = saved(server, geojson("gone.geojson", [(1, 2)]))
    d = finished(server, session)["dataset"]

    def detail(text):
        with contextlib.closing(sqlite3.connect(os.path.join(server.data, "catalog.sqlite"), timeout=10)) as db, db:
            (old,), = db.execute("select detail from dataset_detail where id = ?", (d["id"],))
            db.execute("update dataset_detail set detail = ? where id = ?", (text, d["id"]))
        return old
    old = detail("{")
    try:
        for path, accept in ((f"/upload/final?id={session}", "application/json"), (f"/api/v2/uploads/{session}?full=true", "application/json"),
                             (f"/upload/progress?id={session}", "text/html")):
            a = server.get(path, accept=accept)
            assert a.status == 503, (path, a)
    finally:
        detail(old)
    a = server.get(f"/api/v2/uploads/{session}?full=true", accept="application/json")
    assert a.status == 200 and a.json["upload"]["layer"]["id"] == d["id"], a


if __name__ == "__main__":
    import test_final
    main(test_final)
