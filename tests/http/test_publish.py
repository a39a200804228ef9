"""Goal: a data item is imported by itself and becomes a dataset under its own number; what the wizard imports is a data item
(datas.md 9, 10, cases 20, 22, 25-27)."""
import hashlib
import io
import json
import time
import zipfile

from datas import DATAS, MINE, ask, entity, good, ids, item, make, query, refused
from harness import main, nothing_left
from made import shapefile, zipped, WGS84, grid
from steps import configured, finished, points, saved

CSV = b"name,lon,lat\nOder,14.5,52.3\nSpree,13.4,52.5\n"
GEO = json.dumps({"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {"n": n}, "geometry": {"type": "Point", "coordinates": [13 + n, 52]}} for n in range(3)]}).encode()


def publish(server, id, query_string="", expected="PUBLISHED", seconds=40, body=b"true"):
    assert good(ask(server, "PUT", f"{MINE}/{id}/publishstatus.json{query_string}", body)) == {"succeed": True, "customResult": str(id)}
    end = time.monotonic() + seconds
    seen = []
    while True:
        a = good(ask(server, "GET", f"{MINE}/{id}/publishstatus.json?dataServiceId={id}&forPublish=true"))
        seen.append(a["serviceStatus"])
        if a["serviceStatus"] != "PUBLISHING":
            break
        assert time.monotonic() < end, a
        time.sleep(0.05)
    assert a["serviceStatus"] == expected, (a, seen, server.log()[-2000:])
    return a


def test_25_publish(server):
    before = server.traces()
    id = make(server, "rivers.csv", CSV, tags=["water"], description="Flüsse", share=[("otto", "DOWNLOAD")])
    assert item(server, id)["serviceStatus"] == "UNPUBLISHED"
    a = publish(server, id)
    assert a["dataServiceId"] == str(id) and a["errorMsg"] is None and a["dataItemServices"] == [], a
    d = item(server, id)
    assert d["serviceStatus"] == "PUBLISHED" and d["dataCheckResult"]["dataCheckInfo"]["checkStatus"] == "SUCCESS", d
    assert d["fileName"] == "rivers.csv" and d["tags"] == ["water"] and d["description"] == "Flüsse" and d["size"] == len(CSV), d
    assert d["thumbnail"].endswith(f"{DATAS}/{id}/thumbnail.png"), d
    png = ask(server, "GET", f"{DATAS}/{id}/thumbnail.png")
    assert png.status == 200 and png.body.startswith(b"\x89PNG") and png.header("Cache-Control") == "private, max-age=3600", png.headers
    assert ask(server, "GET", f"{DATAS}/{id}/download").body == CSV
    result = ask(server, "GET", f"{DATAS}/{id}/download?variant=result")
    assert result.body.startswith(b"SQLite format 3") and "rivers.gpkg" in result.header("Content-Disposition"), result.headers
    layers = good(ask(server, "GET", f"{DATAS}/{id}/datasets.json", user="otto"))
    assert len(layers) == 1 and layers[0]["type"] == "POINT" and layers[0]["recordCount"] == 2 and layers[0]["epsgCode"] == 4326, layers
    name = layers[0]["name"]
    assert good(ask(server, "GET", f"{DATAS}/{id}/datasets/{name}.json")) == layers[0]
    refused(ask(server, "GET", f"{DATAS}/{id}/datasets/nothing.json"), 404)
    assert server.get(f"/datasets/{id}", accept="application/json", user="otto").json["dataset"]["title"] == "rivers"
    assert good(ask(server, "GET", f"{DATAS}/checkImportedToRSS.json?ids={id}")) == {str(id): True}
    publish(server, id, body=b"false", expected="UNPUBLISHED")
    publish(server, id)                                               # nothing is imported twice
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    assert server.get(f"/datasets/{id}", accept="application/json").status == 404
    gone = server.traces()
    assert gone["files"]["datasets"] == before["files"]["datasets"] and gone["files"]["uploads"][1] == before["files"]["uploads"][1], gone


def test_27_deleted_from_the_datasets_page(server):
    before = server.traces()
    id = make(server, "d.geojson", GEO)
    publish(server, id)
    assert server.request("DELETE", f"/datasets/{id}/delete", headers={"Accept": "application/json"}).status == 200
    refused(ask(server, "GET", f"{DATAS}/{id}.json"), 404)
    gone = server.traces()
    assert gone["files"]["datasets"] == before["files"]["datasets"] and gone["files"]["uploads"][1] == before["files"]["uploads"][1], gone


def test_25_vectors_and_their_content(server):
    id = make(server, "p.geojson", GEO)
    publish(server, id)
    assert item(server, id)["coordType"] in (None, "WGS84")
    assert good(ask(server, "GET", f"{DATAS}/{id}/content.json"))["content"].encode() == GEO
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    name, data = zipped(shapefile("wells", [(13.4, 52.5), (14, 53)], prj=WGS84), "wells.shp.zip")
    id = make(server, name, data)
    assert item(server, id)["type"] == "SHP"
    refused(ask(server, "GET", f"{DATAS}/{id}/content.json"), 400)    # not imported: nothing reads it
    publish(server, id)
    a = good(ask(server, "GET", f"{DATAS}/{id}/content.json?currentPage=1&pageSize=9999999"))
    features = json.loads(a["content"])["layers"][0]["features"]
    assert a["type"] == "SHP" and len(features) == 2 and features[0]["geometry"]["coordinates"] == [13.4, 52.5], a
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_25_hints(server):
    data = b"id;east;north\n1;14,5;52,3\n2;13,4;52,5\n"
    id = make(server, "odd.csv", data, dataMetaInfo={"xField": "east", "yField": "north"}, coordType="WGS84")
    publish(server, id)
    assert good(ask(server, "GET", f"{DATAS}/{id}/datasets.json"))[0]["type"] == "POINT"
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    id = make(server, "plain.csv", b"a,b\nx,y\n")
    publish(server, id)
    assert good(ask(server, "GET", f"{DATAS}/{id}/datasets.json"))[0]["type"] == "TABULAR"
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_25_failures(server):
    id = make(server, "broken.geojson", b'{"type":"FeatureCollection","features":[{')
    a = publish(server, id, expected="PUBLISH_FAILED")
    assert a["errorMsg"] and item(server, id)["dataCheckResult"]["dataCheckInfo"]["checkStatus"] == "FAILED", a
    good(ask(server, "POST", f"{MINE}/{id}/update.json", GEO))
    publish(server, id)                                               # another file, another try
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    opaque = make(server, "a.mbtiles", b"x")
    assert item(server, opaque)["serviceStatus"] == "DOES_NOT_INVOLVE"
    refused(ask(server, "PUT", f"{MINE}/{opaque}/publishstatus.json", b"true"), 400)
    empty = make(server, "a.csv", None)
    refused(ask(server, "PUT", f"{MINE}/{empty}/publishstatus.json", b"true"), 409)
    for body in (b"maybe", b'"x"', b"{}", b"", b"[true]"):
        refused(ask(server, "PUT", f"{MINE}/{empty}/publishstatus.json", body), 400)
    refused(ask(server, "PUT", f"{MINE}/{empty}/publishstatus.json?serviceType=NONSENSE", b"true"), 400)
    refused(ask(server, "GET", f"{MINE}/{empty}/publishstatus.json?dataServiceId=77-X"), 404)
    good(ask(server, "POST", MINE + "/delete.json", [opaque, empty]))


def test_23_update_of_a_published_item(server):
    id = make(server, "g.geojson", GEO)
    publish(server, id)
    other = json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [1, 2]}}]}).encode()
    good(ask(server, "POST", f"{MINE}/{id}/update.json", other))
    end = time.monotonic() + 30
    while good(ask(server, "GET", f"{DATAS}/{id}/datasets.json"))[0]["recordCount"] != 1 or item(server, id)["serviceStatus"] != "PUBLISHED":
        assert time.monotonic() < end, (item(server, id), server.log()[-3000:])
        time.sleep(0.1)
    assert ask(server, "GET", f"{DATAS}/{id}/download").body == other
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_20_services(server):
    with configured(server, "[iportal]\nservice = WFS200=https://maps.example.org/ows?map={id} WMS130=https://maps.example.org/wms/{id}"):
        id = make(server, "s.geojson", GEO, share=[("otto", "SEARCH"), ("GUEST", "SEARCH")])
        assert item(server, id)["dataItemServices"] == []
        publish(server, id, "?serviceType=WFS200,RESTDATA")
        services = item(server, id)["dataItemServices"]
        assert len(services) == 1 and services[0]["serviceID"] == f"{id}-WFS200" and services[0]["address"].endswith(f"map={id}"), services
        assert good(ask(server, "GET", f"{MINE}/{id}/services.json")) == services
        assert query(server, ids=[id])["content"][0]["dataItemServices"] == []
        assert query(server, ids=[id], hasServices=True, permissionType="DOWNLOAD")["content"][0]["dataItemServices"] == services
        assert item(server, id, user="otto")["dataItemServices"] == []      # may see, not use
        assert ids(query(server, serviceId=f"{id}-WFS200")) == [id] and ids(query(server, serviceId=f"{id}-WMS130")) == []
        assert ids(query(server, serviceStatuses=["PUBLISHED"])) == [id]
        publish(server, id, body=b"false", expected="UNPUBLISHED")
        assert item(server, id)["dataItemServices"] == []
        good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_26_wizard_datasets_are_items(server):
    done = finished(server, saved(server, *shapefile("wells", [(13.4, 52.5), (14, 53)], prj=WGS84)), access="view")
    d = item(server, done["dataset"]["id"])
    assert (d["fileName"], d["type"], d["serviceStatus"], d["status"], d["coordType"]) == ("wells.zip", "SHP", "PUBLISHED", "OK", "WGS84"), d
    assert d["dataMetaInfo"]["previewURL"].endswith(f"/datasets/{d['id']}"), d
    assert d["dataMetaInfo"]["epsgCode"] == 4326 and d["dataMetaInfo"]["bounds"] == "13.4,52.5,14,53", d
    a = ask(server, "GET", f"{DATAS}/{d['id']}/download")
    files = shapefile("wells", [(13.4, 52.5), (14, 53)], prj=WGS84)
    assert a.status == 200 and hashlib.md5(a.body).hexdigest() == d["MD5"] and d["size"] == len(a.body), d
    with zipfile.ZipFile(io.BytesIO(a.body)) as z:
        assert z.testzip() is None and z.namelist() == sorted(n for n, _ in files)
        assert {n: z.read(n) for n in z.namelist()} == dict(files)
    again = finished(server, saved(server, *files[::-1]))
    assert item(server, again["dataset"]["id"])["MD5"] == d["MD5"]      # the same bundle, the same bytes
    bare = finished(server, saved(server, *files, store_spatial_files="false"))
    f = item(server, bare["dataset"]["id"])
    assert (f["fileName"], f["type"]) == ("wells.gpkg", "SHP"), f
    assert hashlib.md5(ask(server, "GET", f"{DATAS}/{f['id']}/download").body).hexdigest() == f["MD5"], f
    good(ask(server, "POST", MINE + "/delete.json", [again["dataset"]["id"], f["id"]]))
    assert d["thumbnail"] and ids(query(server, user=None, ids=[d["id"]])) == [d["id"]], d
    assert server.get(f"/datasets/{d['id']}", accept="text/html").status == 200
    one = finished(server, saved(server, ("points.geojson", GEO)))
    e = item(server, one["dataset"]["id"])
    assert (e["fileName"], e["type"], e["size"]) == ("points.geojson", "GEOJSON", len(GEO)), e
    assert ask(server, "GET", f"{DATAS}/{e['id']}/download").body == GEO
    assert ids(query(server, user=None, ids=[e["id"]])) == []
    good(ask(server, "POST", MINE + "/delete.json", [d["id"], e["id"]]))


if __name__ == "__main__":
    main(__import__(__name__))
