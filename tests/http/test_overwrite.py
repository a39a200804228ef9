"""Goal: overwrite and append switch in one step, keep rights and id, tell the difference before, and leave the old dataset
untouched by whatever goes wrong (wizard.md 13.2, case 30; security.md A34)."""
import concurrent.futures
import json
import os
import time

from harness import main, nothing_left
from made import geojson, geotiff
from steps import code, finished, get, package, points, post, rows, saved, table, wait_state
from test_progress import big, kill

PUBLIC = '{"users":{"AnonymousUser":["view_resourcebase","download_resourcebase"]},"groups":{}}'


def ready(server, name, lines, columns="lat,lng,name", user="mei"):
    """A session of points that only lacks final."""
    session = saved(server, table(f"{name}.csv", columns, *lines), user=user)
    assert post(server, session, "csv", user=user, lat="lat", lng="lng").status == 200
    assert post(server, session, "srs", user=user, source="EPSG:4326").status == 200
    return session


def test_append_adds_rows(server):
    old = points(server, "stops", ["50.1,8.1,a", "50.2,8.2,b"], title="Stops", permissions=PUBLIC)["dataset"]
    session = ready(server, "more", [f"51.{i},9.{i},n{i}" for i in range(10)])
    new = finished(server, session, mode="append", dataset=str(old["id"]))
    assert new["dataset"]["id"] == old["id"] and new["dataset"]["count"] == 12, new
    assert new["dataset"]["name"] == "stops" and new["dataset"]["title"] == "Stops"
    assert [r[0] for r in rows(server, old["id"], "name")] == ["a", "b"] + [f"n{i}" for i in range(10)]
    assert new["dataset"]["bbox"] == [8.1, 50.1, 9.9, 51.9], new["dataset"]["bbox"]
    page = server.get(f"/datasets/{old['id']}", accept="application/json", user=None)
    assert page.status == 200 and page.json["dataset"]["count"] == 12      # everybody may still see it
    # Once more, and by name.
    session = ready(server, "again", ["52,10,z"])
    new = finished(server, session, mode="append", dataset="stops")
    assert new["dataset"]["id"] == old["id"] and new["dataset"]["count"] == 13
    with package(server, old["id"]) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM gpkg_contents").fetchone() == (1,)


def test_append_fills_missing_columns_with_null(server):
    old = points(server, "wide", ["50,8,a,1"], columns="lat,lng,Name,size")["dataset"]
    session = ready(server, "narrow", ["51,9,b"], columns="lat,lng,NAME")      # matched without case
    new = finished(server, session, mode="append", dataset=str(old["id"]))
    assert rows(server, old["id"], "Name", "size") == [("a", 1), ("b", None)]
    assert [c["name"] for c in new["dataset"]["columns"]] == ["lat", "lng", "Name", "size"]


def test_append_refuses_text_in_a_number_column(server):
    old = points(server, "sized", ["50,8,3", "51,9,4"], columns="lat,lng,size")["dataset"]
    session = ready(server, "words", ["50,8,7", "51,9,big"], columns="lat,lng,size")
    a = post(server, session, "final", mode="append", dataset=str(old["id"]))
    assert a.status == 400 and code(a) == "schema_mismatch", a
    d = a.json["details"][0]
    assert d["column"] == "size" and d["row"] == 3 and d["value"] == "big" and d["file"] == "words.csv", d
    assert rows(server, old["id"], "size") == [(3,), (4,)]
    compat = server.post(f"/upload/final?id={session}&force_ajax=true", {"mode": "append", "dataset": str(old["id"])})
    assert compat.json["code"] == "schema_mismatch" and compat.json["success"] is False
    # The same session may still become a dataset of its own.
    assert finished(server, session, mode="create")["dataset"]["id"] != old["id"]


def test_append_refuses_extra_columns_unless_ignored(server):
    old = points(server, "lean", ["50,8,a"])["dataset"]
    session = ready(server, "fat", ["51,9,b,more"], columns="lat,lng,name,colour")
    a = post(server, session, "final", mode="append", dataset=str(old["id"]))
    assert a.status == 400 and code(a) == "schema_mismatch" and a.json["details"][0]["column"] == "colour", a
    new = finished(server, session, mode="append", dataset=str(old["id"]), extra_columns="ignore")
    assert new["dataset"]["count"] == 2 and rows(server, old["id"], "name") == [("a",), ("b",)]


def test_append_reprojects(server):
    old = points(server, "degrees", ["50,8,a"])["dataset"]
    session = saved(server, table("metres.csv", "x,y,name", "1001875.42,6621293.72,b"))
    assert post(server, session, "csv", lat="y", lng="x").status == 200
    assert post(server, session, "srs", source="EPSG:3857").status == 200
    diff = get(server, session, "final", dry_run="true", mode="append", dataset=old["id"], extra_columns="ignore").json["page"]["diff"]
    assert diff["crs"] == {"from": "EPSG:4326", "to": "EPSG:3857", "same": False}, diff
    assert diff["extra"] == ["x", "y"] and diff["missing"] == ["lat", "lng"]
    page = post(server, session, "final", accept="text/html", mode="append", dataset=str(old["id"]), extra_columns="ignore")
    shown = page.text.partition('<section class="diff"')[2].partition("</section>")[0]
    assert page.status == 400 and "EPSG:4326" in shown and "EPSG:3857" not in shown, "the dataset keeps its own: " + shown
    assert "<dt>Columns that are left out</dt><dd>x, y</dd>" in shown and "New columns" not in shown, shown
    new = finished(server, session, mode="append", dataset=str(old["id"]), extra_columns="ignore")["dataset"]
    assert new["crs"] == "EPSG:4326" and abs(new["bbox"][2] - 9) < 1e-4 and abs(new["bbox"][3] - 51.0998) < 0.1, new


def test_append_promotes_single_to_multi_and_refuses_other_geometry(server):
    multi = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"n": 1}, "geometry": {
        "type": "MultiPoint", "coordinates": [[8, 50], [9, 51]]}}]}
    line = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"n": 1}, "geometry": {
        "type": "LineString", "coordinates": [[8, 50], [9, 51]]}}]}
    old = finished(server, saved(server, ("multi.geojson", json.dumps(multi).encode())))["dataset"]
    session = saved(server, geojson("single.geojson", [(10, 52)]))
    new = finished(server, session, mode="append", dataset=str(old["id"]))["dataset"]
    assert new["count"] == 2 and new["geometry"] == "MultiPoint", new
    session = saved(server, ("line.geojson", json.dumps(line).encode()))
    a = post(server, session, "final", mode="append", dataset=str(old["id"]))
    assert a.status == 400 and code(a) == "geometry_mismatch", a
    assert server.get(f"/datasets/{old['id']}", accept="application/json").json["dataset"]["count"] == 2


def test_append_to_a_dataset_with_time(server):
    def timed(name, *days, time=True):
        session = saved(server, table(f"{name}.csv", "lat,lng,day", *(f"1.5,2.5,{d}" for d in days)), time="true")
        assert post(server, session, "csv", lat="lat", lng="lng").status == 200
        assert post(server, session, "srs", source="EPSG:4326").status == 200
        if time:
            assert post(server, session, "time", time_attribute="day", presentation_strategy="CONTINUOUS_INTERVAL").status == 200
        return session
    old = finished(server, timed("days", "2020-01-01", "2020-01-02"))["dataset"]
    new = finished(server, timed("more", "2020-01-05", "2020-01-02"), mode="append", dataset=str(old["id"]))["dataset"]
    assert new["count"] == 4 and new["time"]["positions"] == 3 and new["time"]["presentation"] == "CONTINUOUS_INTERVAL", new["time"]
    assert new["time"]["start"] == "2020-01-01T00:00:00Z" and new["time"]["end"] == "2020-01-05T00:00:00Z", new["time"]
    new = finished(server, timed("none", "2020-02-01", time=False), mode="append", dataset=str(old["id"]))["dataset"]
    assert new["count"] == 5 and new["time"]["attribute"] == "day" and new["time"]["positions"] == 3, new["time"]
    assert [bool(r[0]) for r in rows(server, old["id"], "_time_start")] == [True] * 4 + [False]


def test_append_to_a_plain_table(server):
    def plain(name, *lines):
        session = saved(server, table(f"{name}.csv", "name,age", *lines))
        assert post(server, session, "csv", geometry="none").status == 200
        return session
    old = finished(server, plain("people", "Ada,36"))["dataset"]
    new = finished(server, plain("more", "Alan,41"), mode="append", dataset="people")["dataset"]
    assert new["count"] == 2 and new["type"] == "table" and new["crs"] is None, new
    assert rows(server, old["id"], "name", "age") == [("Ada", 36), ("Alan", 41)]
    columns = {c["name"]: c for c in new["columns"]}
    assert columns["age"]["min"] == 36 and columns["age"]["max"] == 41, columns


def test_overwrite_keeps_id_and_rights(server):
    old = points(server, "parks", ["50,8,a", "51,9,b"], title="Our parks", permissions=PUBLIC)["dataset"]
    session = ready(server, "parks2", ["60,10,x,1"], columns="lat,lng,name,trees")
    new = finished(server, session, mode="overwrite", dataset=str(old["id"]), title="ignored", access="private")["dataset"]
    assert new["id"] == old["id"] and new["count"] == 1 and new["name"] == "parks" and new["title"] == "Our parks", new
    assert new["bbox"] == [10, 60, 10, 60]
    assert rows(server, old["id"], "name", "trees") == [("x", 1)]
    a = server.get(f"/datasets/{old['id']}", accept="application/json", user=None)
    assert a.status == 200 and a.json["may_download"] is True
    for form in ("geojson", "csv"):      # made anew, not the old revision's
        a = server.get(f"/datasets/{old['id']}/download?format={form}", user=None)
        assert a.status == 200 and b"x" in a.body and b"trees" in a.body, a
    # The file is found by later appends and overwrites, too.
    session = ready(server, "parks3", ["61,11,y,2"], columns="lat,lng,name,trees")
    assert finished(server, session, mode="append", dataset=str(old["id"]))["dataset"]["count"] == 2
    assert server.slipway("check", "store").strip().endswith("0 findings")


def test_overwrite_preselected_by_save(server):
    old = points(server, "again_and_again", ["50,8,a"])["dataset"]
    a = server.post(f"/upload/?layer_id={old['id']}", {}, [("files", *table("x.csv", "lat,lng,name", "1,2,q"))],
                    accept="application/json")
    assert a.status == 201, a
    session = a.json["id"]
    post(server, session, "csv", lat="lat", lng="lng")
    post(server, session, "srs", source="EPSG:4326")
    page = server.get(f"/upload/final?id={session}", accept="text/html")
    assert f'value="{old["id"]}" selected' in page.text, page
    model = get(server, session, "final", dry_run="true").json["page"]
    assert model["mode"] == "overwrite" and str(model["dataset"]) == str(old["id"]), model
    assert {"id": old["id"], "name": "again_and_again"} in model["targets"]


def test_overwrite_refuses_another_kind(server):
    old = finished(server, saved(server, geotiff("hill.tif")))["dataset"]
    session = ready(server, "pts", ["50,8,a"])
    a = post(server, session, "final", mode="overwrite", dataset=str(old["id"]))
    assert a.status == 400 and code(a) == "kind_mismatch", a
    a = post(server, session, "final", mode="append", dataset=str(old["id"]))
    assert a.status == 400 and code(a) == "kind_mismatch", a
    session = saved(server, geotiff("hill2.tif"))
    new = finished(server, session, mode="overwrite", dataset=str(old["id"]))["dataset"]
    assert new["id"] == old["id"] and new["type"] == "raster"


def test_dry_run_changes_nothing(server):
    old = points(server, "dry", ["50,8,a", "51,9,b"])["dataset"]
    session = ready(server, "wet", ["52,10,c,5"], columns="lat,lng,name,size")
    before = server.traces()
    a = get(server, session, "final", dry_run="true", mode="append", dataset=old["id"])
    assert a.status == 200, a
    diff = a.json["page"]["diff"]
    assert diff["matched"] == ["lat", "lng", "name"] and diff["extra"] == ["size"] and diff["missing"] == [], diff
    assert diff["rows_before"] == 2 and diff["rows_after"] == 3 and diff["changed"] == []
    assert [e["code"] for e in diff["errors"]] == ["schema_mismatch"]
    over = get(server, session, "final", dry_run="true", mode="overwrite", dataset=old["id"]).json["page"]["diff"]
    assert over["rows_after"] == 1 and over["errors"] == []
    nothing_left(server, before)
    item = server.get(f"/api/v2/uploads/{session}/").json["upload"]
    assert item["state"] == "WAITING", item
    assert server.get(f"/datasets/{old['id']}", accept="application/json").json["dataset"]["count"] == 2


def test_browser_confirms_the_difference(server):
    old = points(server, "shown", ["50,8,a"])["dataset"]
    session = ready(server, "change", ["51,9,b"], columns="lat,lng,label")
    fields = {"mode": "overwrite", "dataset": str(old["id"])}
    a = server.post(f"/upload/final?id={session}", fields, accept="text/html")
    assert a.status == 400 and 'role="alert"' in a.text and 'name="confirm"' in a.text and "label" in a.text, a
    a = server.post(f"/upload/final?id={session}", {**fields, "confirm": "true"}, accept="text/html")
    assert a.status == 303 and a.header("Location") == f"/upload/progress?id={session}", a
    a = server.wait_finished(session)
    assert a.json["dataset"]["id"] == old["id"] and rows(server, old["id"], "label") == [("b",)]


def test_targets_of_others_are_forbidden_or_unknown(server):
    secret = points(server, "secret", ["50,8,a"], user="otto")["dataset"]
    public = points(server, "public", ["50,8,a"], user="otto", permissions=PUBLIC)["dataset"]
    lent = points(server, "lent", ["50,8,a"], user="otto",
                  permissions='{"users":{"mei":["view_resourcebase","change_resourcebase"]},"groups":{}}')["dataset"]
    session = ready(server, "mine", ["51,9,b"])
    for mode in ("overwrite", "append"):
        a = post(server, session, "final", mode=mode, dataset=str(secret["id"]))
        assert a.status == 404 and code(a) == "dataset_unknown", a
        b = post(server, session, "final", mode=mode, dataset="999999")
        assert b.status == 404 and code(b) == "dataset_unknown", b
        a = post(server, session, "final", mode=mode, dataset=str(public["id"]))
        assert a.status == 403 and code(a) == "dataset_forbidden", a
        a = get(server, session, "final", dry_run="true", mode=mode, dataset=public["id"])
        assert a.status == 403, a
        a = get(server, session, "final", dry_run="true", mode=mode, dataset=secret["id"])
        assert a.status == 404, a
    for name in ("pg_catalog", 'public.x"; DROP TABLE dataset;--', "../1"):
        a = post(server, session, "final", mode="overwrite", dataset=name)
        assert a.status == 404 and code(a) == "dataset_unknown", a
    a = post(server, session, "final", mode="overwrite")
    assert a.status == 400 and code(a) == "dataset_unknown", a
    assert rows(server, public["id"], "name", user="otto") == [("a",)]
    new = finished(server, session, mode="append", dataset=str(lent["id"]))["dataset"]
    assert new["id"] == lent["id"] and new["count"] == 2
    assert server.get(f"/datasets/{lent['id']}", accept="application/json", user="otto").json["dataset"]["count"] == 2


def test_two_appends_one_after_the_other_both_count(server):
    old = points(server, "race", ["50,8,a"])["dataset"]
    one, two = ready(server, "one", ["51,9,b"]), ready(server, "two", ["52,10,c"])
    server.post(f"/upload/final?id={one}", {"mode": "append", "dataset": str(old["id"])}, accept="application/json")
    server.post(f"/upload/final?id={two}", {"mode": "append", "dataset": str(old["id"])}, accept="application/json")
    a, b = server.wait_finished(one), server.wait_finished(two)
    assert a.json["status"] == b.json["status"] == "finished", (a, b)
    n = server.get(f"/datasets/{old['id']}", accept="application/json").json["dataset"]["count"]
    assert n == 3, (n, a, b)


def unchanged(server, dataset, before, count):
    d = server.get(f"/datasets/{dataset['id']}", accept="application/json").json["dataset"]
    assert d["revision"] == 1 and d["count"] == count, d
    assert server.get(f"/datasets/{dataset['id']}/download").body == before
    folder = os.path.join(server.data, "datasets", str(dataset["id"]))
    assert len(os.listdir(folder)) == 1, os.listdir(folder)


def test_failure_in_the_middle_leaves_the_old_rows(server):
    old = points(server, "steady", ["50.5,8.5,a", "51.5,9.5,b"])["dataset"]
    before = server.get(f"/datasets/{old['id']}/download").body
    for mode in ("overwrite", "append"):
        session = big(server, f"late_{mode}")
        a = server.post(f"/upload/final?id={session}", {"mode": mode, "dataset": str(old["id"]), "confirm": "true",
                                                         "extra_columns": "ignore"}, accept="text/html")
        assert a.status == 303, a
        wait_state(server, session, "RUNNING")
        kill(server, "slipway-geo")
        wait_state(server, session, "INVALID")
        unchanged(server, old, before, 2)
        a = server.post(f"/upload/final?id={session}", {"mode": mode, "dataset": str(old["id"]), "confirm": "true",
                                                         "extra_columns": "ignore"}, accept="text/html")
        wait_state(server, session, "RUNNING")
        assert post(server, session, "cancel").status == 200
        unchanged(server, old, before, 2)
        end = time.monotonic() + 8
        while get(server, session, "progress").json["state"] == "RUNNING":
            assert time.monotonic() < end
            time.sleep(0.1)
        unchanged(server, old, before, 2)


def test_worker_killed_while_appending_adds_the_rows_once(server):
    old = points(server, "counted", ["50.5,8.5,a"])["dataset"]
    session = big(server, "many", n=60_000)
    server.post(f"/upload/final?id={session}", {"mode": "append", "dataset": str(old["id"]), "confirm": "true",
                                                 "extra_columns": "ignore"}, accept="text/html")
    for _ in range(2):
        wait_state(server, session, "RUNNING")
        kill(server, "slipway-worker")
        get(server, session, "progress")
    a = server.wait_finished(session)
    assert a.json["status"] == "finished" and a.json["dataset"]["count"] == 60_001, a
    # The new revision; and the old one for those who are still reading it.
    folder = os.path.join(server.data, "datasets", str(old["id"]))
    assert sorted(f.partition("-")[0] for f in os.listdir(folder)) == ["1", "2"], os.listdir(folder)


def test_two_appends_at_once_lose_nothing(server):
    old = points(server, "both", ["50,8,a"])["dataset"]
    sessions = [ready(server, f"half{i}", [f"51,9,r{i}{k}" for k in range(50)]) for i in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda s: post(server, s, "final", mode="append", dataset=str(old["id"])), sessions))
    for s in sessions:      # one after the other: nobody has to try again
        a = server.wait_finished(s)
        assert a.json["status"] == "finished", a
    assert len(rows(server, old["id"], "name")) == 1 + 50 * len(sessions)


if __name__ == "__main__":
    import test_overwrite
    main(test_overwrite)
