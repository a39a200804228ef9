#!/usr/bin/python3
"""Goal: a dataset's page leads to new content for it: the target goes along from the first step, over pages and over
JSON, for vectors, tables and rasters; what does not fit is told or left out with a report; who read the old content a
moment ago still may (wizard.md 8.1, 13.2)."""
import os
import re
import sys

from harness import USER, main, nothing_left
from made import Browser, geojson, geotiff
from steps import code, finished, get, points, post, rows, saved, table, wait_state
from test_progress import big, kill

ASKED = "application/json"


def into(server, dataset, mode, *files, user="mei", **fields):
    """The answer of a save that has DATASET as its target."""
    return server.post(f"/upload/?layer_id={dataset}&mode={mode}", fields, [("files", *f) for f in files], accept=ASKED, user=user)


def count(server, dataset):
    return server.get(f"/datasets/{dataset}", accept=ASKED).json["dataset"]["count"]


def test_rows_are_added_over_json(server):
    old = finished(server, saved(server, geojson("stops.geojson", [(1, 2), (3, 4)])))["dataset"]
    a = into(server, old["id"], "append", geojson("more.geojson", [(5, 6)]))
    assert a.status == 201, a
    # A script's next request starts the import, into that dataset.
    a = server.get(f"/upload/final?id={a.json['id']}&force_ajax=true")
    assert a.json["status"] == "finished" and a.json["dataset"]["id"] == old["id"] and a.json["dataset"]["count"] == 3, a
    # As fields of the form, and named by it alone.
    a = server.post("/upload/", {"layer_id": str(old["id"]), "mode": "append"}, [("files", *geojson("x.geojson", [(7, 8)]))], accept=ASKED)
    assert finished(server, a.json["id"])["dataset"]["count"] == 4
    # A mode without a dataset means nothing.
    a = server.post("/upload/", {"mode": "append"}, [("files", *geojson("y.geojson", [(7, 8)]))], accept=ASKED)
    assert finished(server, a.json["id"])["dataset"]["id"] != old["id"]


def test_content_is_replaced_over_json(server):
    old = finished(server, saved(server, geotiff("hill.tif")))["dataset"]
    a = into(server, old["id"], "overwrite", geotiff("hill2.tif", x=10.0))
    a = server.get(f"/upload/final?id={a.json['id']}&force_ajax=true")
    assert a.json["status"] == "finished" and a.json["dataset"]["id"] == old["id"], a
    assert a.json["dataset"]["type"] == "raster" and a.json["bbox"].startswith("10,"), a.json["bbox"]
    plain = saved(server, table("people.csv", "name,age", "Ada,36"))
    assert post(server, plain, "csv", geometry="none").status == 200
    plain = finished(server, plain)["dataset"]
    a = into(server, plain["id"], "overwrite", table("people2.csv", "name,age,town", "Alan,41,Manchester", "Grace,85,New York"))
    assert post(server, a.json["id"], "csv", geometry="none").status == 200
    new = finished(server, a.json["id"])["dataset"]
    assert new["id"] == plain["id"] and new["count"] == 2 and new["type"] == "table", new
    assert rows(server, new["id"], "town") == [("Manchester",), ("New York",)]


def test_one_request_adds_rows(server):
    old = finished(server, saved(server, geojson("one.geojson", [(1, 2)])))["dataset"]
    a = server.post("/api/v2/uploads/upload/", {"layer_id": str(old["id"]), "mode": "append"},
                    [("base_file", *geojson("two.geojson", [(3, 4)]))])
    if a.json["status"] != "finished":
        a = server.wait_finished(a.json["id"])
    assert a.json["dataset"]["id"] == old["id"] and a.json["dataset"]["count"] == 2, a


def test_a_target_is_judged_before_anything_is_kept(server):
    secret = points(server, "secret", ["50,8,a"], user="otto")["dataset"]
    public = points(server, "public", ["50,8,a"], user="otto", permissions='{"users":{"AnonymousUser":["view_resourcebase"]},"groups":{}}')
    before = server.traces()
    for which, status, word in ((secret["id"], 404, "dataset_unknown"), (99999, 404, "dataset_unknown"),
                                (public["dataset"]["id"], 403, "dataset_forbidden"), ("x", 400, "dataset_unknown")):
        for mode in ("append", "overwrite"):
            a = into(server, which, mode, geojson("x.geojson", [(1, 2)]))
            assert a.status == status and a.json["code"] == word, a
            if which != "x":
                a = server.get(f"/upload/?layer_id={which}&mode={mode}", accept="text/html")
                assert a.status == status, a
    a = into(server, secret["id"], "delete", geojson("x.geojson", [(1, 2)]), user="otto")
    assert a.status == 400 and a.json["code"] == "bad_choice", a
    nothing_left(server, before)


def test_the_pages_lead_from_dataset_to_dataset(server):
    old = finished(server, saved(server, geojson("parks.geojson", [(1, 2)])), title="Our parks")["dataset"]
    b = Browser(server, *USER)
    for mode, word, after in (("append", "Add rows", 3), ("overwrite", "Replace the content", 2)):
        b.open(f"/datasets/{old['id']}")
        link = f"/upload/?layer_id={old['id']}&mode={mode}"
        assert link in b.page.links and word in b.answer.text, b.answer.text[-3000:]
        b.open(link)
        assert "Our parks" in b.answer.text, "the page says where it goes"
        b.submit("/upload/", files=[("files", *geojson("new.geojson", [(3, 4), (5, 6)]))])
        assert b.url.startswith("/upload/final"), b.url
        # Target, mode and difference stand there; one confirmation is all it takes.
        assert re.search(rf'value="{mode}" checked', b.answer.text) and f'value="{old["id"]}" selected' in b.answer.text
        assert 'name="confirm"' in b.answer.text and "1 → 3" in b.answer.text or "3 → 2" in b.answer.text, b.answer.text
        b.submit("/upload/final", confirm="true")
        assert b.url.startswith(f"/datasets/{old['id']}"), b.url
        assert count(server, old["id"]) == after and "Our parks" in b.answer.text
    assert b.statuses.count(400) == 0, b.statuses
    # A raster takes no rows; who may not change a dataset is offered nothing.
    hill = finished(server, saved(server, geotiff("hill3.tif")))["dataset"]
    b.open(f"/datasets/{hill['id']}")
    assert f"/upload/?layer_id={hill['id']}&mode=overwrite" in b.page.links
    assert not [l for l in b.page.links if "mode=append" in l]
    other = points(server, "seen", ["1,2,a"], user="otto", permissions='{"users":{"AnonymousUser":["view_resourcebase"]},"groups":{}}')
    b.open(f"/datasets/{other['dataset']['id']}")
    assert b.answer.status == 200 and not [l for l in b.page.links if "layer_id" in l]


def ready(server, name, lines, columns="lat,lng,size"):
    session = saved(server, table(f"{name}.csv", columns, *lines))
    assert post(server, session, "csv", lat="lat", lng="lng").status == 200
    assert post(server, session, "srs", source="EPSG:4326").status == 200
    return session


def test_rows_that_do_not_fit_are_left_out_and_reported(server):
    old = points(server, "sized", ["50,8,3", "51,9,4"], columns="lat,lng,size")["dataset"]
    session = ready(server, "mixed", ["52,10,7", "53,11,big", "54,12,9", "55,13,huge"])
    a = post(server, session, "final", mode="append", dataset=str(old["id"]))
    assert a.status == 400 and code(a) == "schema_mismatch" and a.json["details"][0]["value"] == "big", a
    assert "row 3" in a.json["error_msg"] and "mixed.csv" in a.json["error_msg"], a.json["error_msg"]
    diff = get(server, session, "final", dry_run="true", mode="append", dataset=old["id"], bad_rows="skip").json["page"]["diff"]
    assert diff["errors"] == [] and diff["changed"] == [{"name": "size", "from": "integer", "to": "text"}], diff
    new = finished(server, session, mode="append", dataset=str(old["id"]), bad_rows="skip")
    assert new["dataset"]["id"] == old["id"] and rows(server, old["id"], "size") == [(3,), (4,), (7,), (9,)]
    assert new["rows"] == {"total": 4, "imported": 2, "without_geometry": 0, "skipped": 2}, new["rows"]
    report = server.get(f"/upload/report?id={session}").text.splitlines()
    assert len(report) == 4 and ",3,size,big,csv_type," in report[1] and ",5,size,huge,csv_type," in report[2], report


def test_columns_without_values_are_of_any_type(server):
    old = points(server, "dated", ["50,8,3,2020-01-01", "51,9,4,2020-01-02"], columns="lat,lng,size,day")["dataset"]
    session = ready(server, "undated", ["52,10,,", "53,11,,"], columns="lat,lng,size,day")
    f = finished(server, session, mode="append", dataset=str(old["id"]), confirm="true")
    assert f["rows"]["imported"] == 2 and not f["report"], f
    assert rows(server, old["id"], "size", "day") == [(3, "2020-01-01"), (4, "2020-01-02"), (None, None), (None, None)]


def test_each_mismatch_has_its_sentence(server):
    old = points(server, "typed", ["50,8,3"], columns="lat,lng,size")["dataset"]
    said = []
    for lines, columns in ((["50,8,3,x"], "lat,lng,size,colour"), (["50,8,2020-01-01"], "lat,lng,size"), (["50,8,tall"], "lat,lng,size")):
        session = ready(server, f"t{len(said)}", lines, columns)
        a = post(server, session, "final", mode="append", dataset=str(old["id"]))
        assert a.status == 400 and code(a) == "schema_mismatch", a
        said.append(a.json["error_msg"])
    assert len(set(said)) == 3 and "no column “colour”" in said[0] and "tall" in said[2], said


def test_the_old_content_is_read_to_its_end(server):
    old = finished(server, saved(server, geojson("slow.geojson", [(1, 2)])))["dataset"]
    folder = os.path.join(server.data, "datasets", str(old["id"]))
    first = os.listdir(folder)
    for n in range(2, 5):
        finished(server, saved(server, geojson(f"slow{n}.geojson", [(1, 2)] * n)), mode="overwrite", dataset=str(old["id"]))
        # The revision before stays for whoever has just asked for it; older ones go.
        assert sorted(f.partition("-")[0] for f in os.listdir(folder)) == [str(n - 1), str(n)], os.listdir(folder)
        assert count(server, old["id"]) == n
    assert first[0] not in os.listdir(folder)
    # A sweep an hour later takes it.
    for name in os.listdir(folder):
        os.utime(os.path.join(folder, name), (1, 1))
    os.utime(folder, (1, 1))
    server.slipway("gc")
    assert [f.partition("-")[0] for f in os.listdir(folder)] == ["4"], os.listdir(folder)
    assert server.get(f"/datasets/{old['id']}/download").status == 200


def test_the_pages_begin_with_the_last_answers(server):
    lines = ["4550000,38420000,00123,2020-01-0%d,x" % i for i in range(1, 4)]
    session = saved(server, table("survey.csv", "first,second,code,day,junk", *lines), time="true")
    # Nothing of this can be guessed.
    a = post(server, session, "csv", lat="first", lng="second", col_2_name="postcode", col_2_type="text", col_4_use="false")
    assert a.status == 200, a
    assert post(server, session, "srs", source="EPSG:4526", confirm="true").status == 200
    a = post(server, session, "time", time_attribute="day", presentation_strategy="LIST")
    assert a.status == 200, a
    old = finished(server, session)["dataset"]
    model = server.get(f"/datasets/{old['id']}", accept=ASKED).json["dataset"]
    assert "answers" not in model and [c["name"] for c in model["columns"]][:4] == ["first", "second", "postcode", "day"], model
    a = into(server, old["id"], "append", table("survey2.csv", "first,second,code,day,junk", "4551000,38421000,00456,2020-01-09,y"))
    session = a.json["id"]
    page = get(server, session, "csv").json["page"]
    assert page["selected_lat"] == "first" and page["selected_lng"] == "second" and page["geometry"] == "latlng", page
    columns = {c["name"]: c for c in page["columns"]}
    assert columns["code"]["new_name"] == "postcode" and columns["code"]["new_type"] == "text" and not columns["junk"]["use"], columns
    b = Browser(server, *USER)
    b.open(f"/upload/csv?id={session}")
    b.submit("/upload/csv")
    assert b.url.startswith("/upload/srs"), b.url
    assert get(server, session, "srs").json["page"]["source"] == "EPSG:4526"
    b.submit("/upload/srs", confirm="true")
    assert b.url.startswith("/upload/time"), b.url
    assert get(server, session, "time").json["page"]["selected"]["time_attribute"] == "day"
    b.submit("/upload/time")
    assert b.url.startswith("/upload/final"), (b.url, b.answer.text)
    b.submit("/upload/final", confirm="true")
    assert b.url.startswith(f"/datasets/{old['id']}"), (b.url, b.answer.text)
    assert rows(server, old["id"], "postcode")[-1] == ("00456",) and count(server, old["id"]) == 4
    # Other columns than the last time: guessed as ever.
    a = into(server, old["id"], "overwrite", table("other.csv", "lat,lng,name", "1,2,a"))
    page = get(server, a.json["id"], "csv").json["page"]
    assert page["selected_lat"] == "lat" and page["selected_lng"] == "lng", page


def test_the_data_item_is_the_same_one(server):
    def item():
        a = server.get(f"/iportal/web/datas/{old['id']}.json")
        assert a.status == 200, a
        return a.json
    old = points(server, "measured", ["50.5,8.5,3"], columns="lat,lng,size")["dataset"]
    before = item()
    assert before["status"] == "OK" and before["fileName"] == "measured.csv", before
    session = big(server, "measured2", n=150_000)
    fields = {"mode": "append", "dataset": str(old["id"]), "extra_columns": "ignore"}
    for end in ("killed", "finished"):
        server.post(f"/upload/final?id={session}", fields, accept="text/html")
        server.post(f"/upload/final?id={session}", {**fields, "confirm": "true"}, accept="text/html")
        wait_state(server, session, "RUNNING")
        seen = {item()["status"] for _ in range(5)}
        assert "MODIFYING" in seen, seen
        if end == "killed":
            kill(server, "slipway-geo")
            wait_state(server, session, "INVALID")
            # Not even a moment later does anything say that it is being changed.
            assert item()["status"] == "OK" and count(server, old["id"]) == 1
    assert server.wait_finished(session).json["dataset"]["count"] == 150_001
    after = item()
    assert after["status"] == "OK" and after["id"] == before["id"] and after["lastModfiedTime"] > before["lastModfiedTime"], after


if __name__ == "__main__":
    main(sys.modules[__name__])
