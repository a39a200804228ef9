"""Goal: the read API of GeoNode 3.3 over the sessions, its one-request upload, its limits, and the single-file adapter
(wizard.md 2, 16.2; cases 40, 41)."""
from harness import main, nothing_left
from made import geojson, geotiff, shapefile, WGS84
from steps import code, finished, get, points, post, saved, state, table, wait_state

KEYS = {"id", "name", "date", "create_date", "user", "state", "progress", "complete", "import_id", "uploadfile_set", "resume_url",
        "delete_url", "import_url", "detail_url"}


def upload(server, *files, user="mei", accept=None, **fields):
    return server.post("/api/v2/uploads/upload/", fields, [("base_file" if i == 0 else "xml_file", *f) for i, f in enumerate(files)],
                       accept=accept, user=user)


def test_list_has_exactly_five_keys(server):
    for user in (None, "mei", "admin"):
        a = server.get("/api/v2/uploads/", user=user)
        assert a.status == 200 and a.header("Content-Type") == "application/json; charset=utf-8", a
        assert set(a.json) == {"links", "total", "page", "page_size", "uploads"} and set(a.json["links"]) == {"next", "previous"}
    a = server.get("/api/v2/uploads/", user=None)
    assert a.json["total"] == 0 and a.json["uploads"] == [], a


def test_list_shows_own_and_administrators_all(server):
    mine = [saved(server, geojson(f"m{i}.geojson", [(1, 2)])) for i in range(3)]
    other = saved(server, geojson("o.geojson", [(1, 2)]), user="otto")
    j = server.get("/api/v2/uploads/?page_size=100").json
    ids = [u["id"] for u in j["uploads"]]
    assert ids == sorted(ids, reverse=True) and set(mine) <= set(ids) and other not in ids, ids      # newest first
    assert other in [u["id"] for u in server.get("/api/v2/uploads/?page_size=100", user="admin").json["uploads"]]
    j = server.get("/api/v2/uploads/?page_size=2").json
    assert j["page"] == 1 and j["page_size"] == 2 and len(j["uploads"]) == 2 and j["total"] >= 3, j
    assert j["links"]["previous"] is None and j["links"]["next"], j
    assert "127.0.0.1" not in j["links"]["next"], j["links"]      # the Host header makes no URL
    j2 = server.get(j["links"]["next"]).json
    assert j2["page"] == 2 and j2["links"]["previous"] and not {u["id"] for u in j2["uploads"]} & {u["id"] for u in j["uploads"]}
    assert server.get("/api/v2/uploads/?page_size=5000").json["page_size"] == 100
    assert server.get("/api/v2/uploads/?page=-1&page_size=abc").status in (200, 400)
    behind = server.get("/api/v2/uploads/?page=5000&page_size=2").json
    last = (behind["total"] + 1) // 2
    assert behind["uploads"] == [] and behind["links"]["next"] is None and f"page={last}&" in behind["links"]["previous"], behind
    j = server.get(f"/api/v2/uploads/?filter%7Bimport_id%7D={mine[1]}").json
    assert j["total"] == 1 and j["uploads"][0]["id"] == mine[1], j
    j = server.get("/api/v2/uploads/?filter%7Bstate%7D=WAITING&page_size=100").json
    assert j["total"] >= 3 and {u["state"] for u in j["uploads"]} == {"WAITING"}, j
    assert server.get("/api/v2/uploads/?filter%7Bstate%7D=NOSUCH").json["total"] == 0


def test_links_keep_the_filter(server):
    """A script that follows them sees what it asked for, to the end."""
    saved(server, geojson("kept.geojson", [(1, 2)]), user="otto")
    n = points(server, "kept", ["1,2,a"], user="otto")["id"]
    saved(server, geojson("kept.geojson", [(1, 2)]), user="otto")
    for query in ("filter{state}=WAITING", "filter%7Bstate%7D=waiting", f"filter%7Bimport_id%7D={n}", "filter{state}=a%26b%3D%20c"):
        whole = server.get(f"/api/v2/uploads/?{query}&page_size=100", user="otto").json
        url, seen = f"/api/v2/uploads/?{query}&page_size=1", []
        while url is not None:
            j = server.get(url, user="otto").json
            assert j["total"] == whole["total"], (query, url, j)
            seen += [u["id"] for u in j["uploads"]]
            url = j["links"]["next"]
        assert seen == [u["id"] for u in whole["uploads"]], (query, seen)
        back = server.get(f"/api/v2/uploads/?{query}&page=3&page_size=1", user="otto").json["links"]["previous"]
        assert server.get(back, user="otto").json["total"] == whole["total"], (query, back)


def test_each_address_with_and_without_the_last_slash(server):
    """GeoNode's router takes both, and scripts are written in both ways."""
    for path in ("/api/v2/uploads/", "/api/v2/upload-size-limits/", "/api/v2/upload-size-limits/total_upload_size_sum/",
                 "/api/v2/upload-parallelism-limits/"):
        one, two = server.get(path), server.get(path[:-1])
        assert (one.status, one.json) == (two.status, two.json), (path, one, two)
    files = [("base_file", *geojson("slashless.geojson", [(1, 2)]))]
    a = server.post("/api/v2/uploads/upload", {}, files)
    assert a.status == 200 and a.json["status"] == "finished" and a.json["name"] == "slashless", a
    assert server.get(f"/api/v2/uploads/{a.json['id']}").json == server.get(f"/api/v2/uploads/{a.json['id']}/").json
    assert server.get("/api/v2/uploads/upload").status == 405 and server.get("/api/v2/uploads/0", accept="application/json").status == 404


def test_item_of_a_waiting_session(server):
    session = saved(server, *shapefile("Stadt Plan", [(1, 2), (3, 4)]))
    item = state(server, session)
    assert set(item) == KEYS, set(item) ^ KEYS
    assert item["import_id"] == session and item["name"] == "Stadt Plan" and item["user"] == "mei" and item["progress"] == 50, item
    assert item["state"] == "WAITING" and item["complete"] is False and item["import_url"] is None and item["detail_url"] is None
    assert item["resume_url"] == f"/upload/?id={session}" and item["delete_url"] == f"/upload/delete/{session}", item
    files = item["uploadfile_set"]
    assert [f["name"] for f in files] == ["Stadt Plan.shp", "Stadt Plan.shx", "Stadt Plan.dbf"], files
    assert all(set(f) == {"name", "slug", "file", "base"} and f["file"] is None for f in files), files
    assert [f["base"] for f in files] == [True, False, False] and files[0]["slug"] == "stadt-plan-shp", files
    assert item["date"].endswith("Z") and item["create_date"].endswith("Z")


def test_item_of_a_finished_session(server):
    done = points(server, "done", ["1,2,a"])
    item = server.get(f"/api/v2/uploads/{done['id']}/?full=true").json["upload"]
    assert item["state"] == "PROCESSED" and item["progress"] == 100 and item["complete"] is True, item
    assert item["delete_url"] is None and item["resume_url"] is None, item
    assert item["detail_url"] == f"/datasets/{done['dataset']['id']}", item
    assert item["layer"]["name"] == "done" and item["resource"]["id"] == done["dataset"]["id"], item
    assert item["session"]["state"] == "PROCESSED"
    assert set(item) == KEYS | {"layer", "resource", "session"}


def test_no_server_path_in_any_answer(server):
    session = saved(server, *shapefile("paths", [(1, 2), (3, 4)], prj=WGS84))
    done = points(server, "paths2", ["1,2,a"])
    for url in ("/api/v2/uploads/", f"/api/v2/uploads/{session}/?full=true", f"/api/v2/uploads/{done['id']}/?full=true",
                f"/upload/?id={session}", f"/upload/srs?id={session}", f"/upload/final?id={done['id']}", "/datasets/",
                f"/datasets/{done['dataset']['id']}", f"/upload/progress?id={session}", "/upload/?force_ajax=1"):
        for accept in ("application/json", "text/html"):
            a = server.get(url, accept=accept)
            for word in (server.data, server.dir, "/var/", "uploads/0", "data.gpkg", "/jobs", "locks/"):
                assert word not in a.text, (url, word)


def test_foreign_item_is_not_found(server):
    session = saved(server, geojson("x.geojson", [(1, 2)]))
    a = server.get(f"/api/v2/uploads/{session}/", user="otto", accept="application/json")
    assert a.status == 404 and code(a) == "not_found", a
    assert server.get(f"/api/v2/uploads/{session}/", user=None, accept="application/json").status == 401
    for bad in ("abc", "0", "-1", "1.5", "99999999999999999999"):
        assert server.get(f"/api/v2/uploads/{bad}/", accept="application/json").status == 404, bad


def test_upload_in_one_request(server):
    a = upload(server, geotiff("relief.tif"))
    assert a.status == 200, a
    j = a.json if a.json["status"] != "pending" else server.wait_finished(a.json["id"]).json
    assert j["status"] == "finished" and j["success"] is True and "relief" in j["url"], j
    a = upload(server, ("roads.geojson", geojson("x", [(1, 2)])[1]), accept="application/json")
    assert a.status in (200, 201, 202), a
    assert server.wait_finished(a.json["id"]).json["status"] == "finished"


def test_upload_stops_where_input_is_missing(server):
    files = shapefile("nocrs", [(1, 2), (3, 4)])
    a = server.post("/api/v2/uploads/upload/", {}, [("base_file", *files[0]), ("shx_file", *files[1]), ("dbf_file", *files[2])])
    assert a.status == 200 and a.json["status"] == "incomplete" and "/upload/srs?id=" in a.json["redirect_to"], a
    assert a.json["required_input"] is True and state(server, a.json["id"])["state"] == "WAITING"
    a = upload(server, table("t.csv", "a,b", "1,2"))
    assert a.json["status"] == "incomplete" and "/upload/csv?id=" in a.json["redirect_to"], a


def test_upload_refuses_and_leaves_nothing(server):
    before = server.traces()
    a = upload(server, ("x.py", b"print(1)\n"))
    assert a.status == 400 and code(a) == "kind_unsupported", a
    a = upload(server, geojson("y.geojson", [(1, 2)]), user=None, accept="application/json")
    assert a.status == 401, a
    a = server.post("/api/v2/uploads/upload/", {"permissions": "{users:"}, [("base_file", *geojson("y.geojson", [(1, 2)]))])
    assert a.status == 400 and code(a) == "permissions_invalid", a
    nothing_left(server, before)
    assert server.get("/api/v2/uploads/upload/").status == 405
    assert server.post("/api/v2/uploads/").status == 405


def test_non_interactive_finishes_by_itself(server):
    a = server.save(table("sites.csv", "name,lat,lon", "a,50.1,8.1", "b,50.2,8.2"), fields={"non_interactive": "true"})
    assert a.status in (200, 201, 202), a
    j = server.wait_finished(a.json["id"]).json
    assert j["status"] == "finished" and j["dataset"]["count"] == 2 and j["crs"]["properties"] == "EPSG:4326", j
    assert {"guessed_columns", "guessed_crs"} <= {w["code"] for w in j["warnings"]}, j["warnings"]
    # Unsure: somebody must look.
    a = server.save(table("unsure.csv", "name,y,x", "a,50.1,8.1"), fields={"non_interactive": "true"})
    assert wait_state(server, a.json["id"], "WAITING", "PROCESSED")["state"] == "WAITING"
    a = server.save(*shapefile("unsure", [(1, 2), (3, 4)]), fields={"non_interactive": "true"})
    assert wait_state(server, a.json["id"], "WAITING", "PROCESSED")["state"] == "WAITING"
    a = server.save(*shapefile("sure", [(1, 2), (3, 4)], prj=WGS84), fields={"non_interactive": "true"})
    assert server.wait_finished(a.json["id"]).json["status"] == "finished"


def test_size_limits_are_read_only(server):
    a = server.get("/api/v2/upload-size-limits/", user=None)
    assert a.status == 200, a
    rows = a.json["upload-size-limits"]
    assert [r["slug"] for r in rows] == ["total_upload_size_sum", "file_upload_handler"], rows
    assert all(set(r) == {"slug", "description", "max_size", "max_size_label"} for r in rows)
    assert rows[0]["max_size"] == 2 << 30 and rows[0]["max_size_label"] == "2.0\u00a0GB" and b"2.0\\u00a0GB" in a.body, rows
    assert server.get("/api/v2/upload-size-limits/total_upload_size_sum/").json["upload-size-limit"] == rows[0]
    assert server.get("/api/v2/upload-size-limits/nosuch/", accept="application/json").status == 404
    row, = server.get("/api/v2/upload-parallelism-limits/").json["upload-parallelism-limits"]
    assert set(row) == {"slug", "description", "max_number"} and row["max_number"] == 50, row
    for url in ("/api/v2/upload-size-limits/", "/api/v2/upload-size-limits/total_upload_size_sum/",
                "/api/v2/upload-parallelism-limits/"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            a = server.request(method, url, user="admin")
            assert a.status == 405 and "GET" in a.header("Allow"), (method, url, a)


def test_new_fills_one_upload_and_remove_empties_it(server):
    before = server.traces()
    a = server.post("/upload/new/", {}, [("file", *geojson("single.geojson", [(1, 2)]))])
    assert a.status == 200 and a.header("Content-Disposition") == "inline; filename=files.json", a
    one, = a.json
    upload_id = one["url"].rpartition("=")[2]
    assert one == {"name": "single.geojson", "url": f"/upload/?upload={upload_id}", "thumbnail_url": None,
                   "delete_url": f"/upload/remove/{upload_id}", "delete_type": "DELETE"}, one
    assert len(upload_id) == 32
    assert server.request("DELETE", one["delete_url"], user="otto").status == 404
    a = server.request("DELETE", one["delete_url"])
    assert a.status == 200 and a.json is True, a
    assert server.request("DELETE", one["delete_url"]).status in (404, 410)      # gone, and for a while known as gone
    nothing_left(server, before)
    for files in ([("file", "empty.csv", b"")], [("other", "a.csv", b"a\n1\n")],
                  [("file", "a.csv", b"a\n1\n"), ("file", "b.csv", b"a\n1\n")]):
        a = server.post("/upload/new/", {}, files)
        assert a.status == 400 and a.json == [{}], (files, a)
    nothing_left(server, before)
    assert server.request("POST", "/upload/remove/" + "0" * 32).status == 404
    assert server.request("POST", "/upload/remove/../../etc/passwd").status in (400, 404)


def test_new_then_save_by_id(server):
    one, = server.post("/upload/new/", {}, [("file", *geojson("later.geojson", [(1, 2)]))]).json
    a = server.post("/upload/", {"upload": one["url"].rpartition("=")[2]}, accept="application/json")
    assert a.status == 201 and finished(server, a.json["id"])["dataset"]["name"] == "later", a


if __name__ == "__main__":
    import test_api
    main(test_api)
