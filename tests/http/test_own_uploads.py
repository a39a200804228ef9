#!/usr/bin/python3
"""Goal: uploads that a page made for one session (upload_own) go with that session, but outlive a refused save; others stay
for another use; folders told with uploads keep equal names apart (transports.md 1.16, 7)."""
import base64
import os
import sys

from harness import main
from made import geojson, shapefile
from steps import code, finished
from tasks import until

ASKED = "application/json"


def sent(server, name, data, path=None):
    """Id of a complete upload made by tus."""
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in (("filename", name), ("relativePath", path)) if v)
    a = server.request("POST", "/files/", data, {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data)), "Upload-Metadata": metadata,
                                                 "Content-Type": "application/offset+octet-stream"})
    assert a.status == 201 and a.header("Upload-Offset") == str(len(data)), a
    return a.header("Location").split("/")[-1]


def save(server, *ids, **fields):
    return server.post("/upload/", [("upload", i) for i in ids] + list(fields.items()), accept=ASKED)


def there(server, upload):
    a = server.get(f"/files/{upload}", accept=ASKED)
    return a.json["state"] if a.status == 200 else a.status


def bytes_there(server, upload):
    return os.path.exists(os.path.join(server.data, "uploads", upload[:2], upload, "data"))


def gone(server, upload):
    """The worker removes what an import needs no more once the session has its dataset, which is when clients hear of it."""
    until(lambda: there(server, upload) in (404, 410) and not bytes_there(server, upload))


def test_own_uploads_go_with_their_session(server):
    own, other = (sent(server, *geojson(f"{n}.geojson", [(1, 2)])) for n in ("own", "other"))
    a, b = save(server, own, upload_own="true"), save(server, other)
    assert a.status == b.status == 201, (a, b)
    for answer in (a, b):
        assert server.post(f"/upload/delete/{answer.json['id']}", accept=ASKED).status == 200
    assert there(server, own) in (404, 410) and not bytes_there(server, own)
    assert there(server, other) == "complete" and bytes_there(server, other)


def test_own_uploads_go_when_the_dataset_is_made(server):
    own = sent(server, *geojson("made.geojson", [(1, 2)]))
    a = save(server, own, upload_own="yes", store_spatial_files="false")
    dataset = finished(server, a.json["id"])["dataset"]
    assert dataset["count"] == 1
    gone(server, own)


def test_own_uploads_outlive_a_refused_save(server):
    shape = dict(shapefile("broken", [(1, 2), (3, 4)]))
    ids = [sent(server, name, data[:150] if name.endswith(".shp") else data) for name, data in shape.items()]
    a = save(server, *ids, upload_own="true")      # found by the inspection
    assert a.status == 400 and code(a) == "format_unreadable", a
    assert [there(server, i) for i in ids] == ["complete"] * 3
    a = save(server, ids[0], upload_own="true")      # found by the names
    assert a.status == 400 and code(a) == "bundle_incomplete", a
    assert [there(server, i) for i in ids] == ["complete"] * 3
    a = save(server, *ids, upload_own="perhaps")
    assert a.status == 400 and code(a) == "bad_boolean" and a.json["details"][0]["field"] == "upload_own", a
    # The next try names the rest of them and one that is good.
    good = sent(server, "broken.shp", shape["broken.shp"])
    a = save(server, good, *ids[1:], upload_own="true")
    assert a.status == 201, a


def test_an_own_upload_of_two_sessions_goes_with_the_last(server):
    own = sent(server, *geojson("twice.geojson", [(1, 2)]))
    first, second = (save(server, own, upload_own="true").json["id"] for _ in range(2))
    assert server.post(f"/upload/delete/{first}", accept=ASKED).status == 200
    assert bytes_there(server, own)
    assert finished(server, second)["dataset"]["count"] == 1
    gone(server, own)


def test_folders_keep_equal_names_apart(server):
    ids = []
    for folder, points in (("east", [(10, 50)]), ("west", [(1, 50), (2, 50)])):
        ids += [sent(server, name, data, f"all/{folder}/{name}") for name, data in shapefile("roads", points)]
    a = save(server, *ids)
    assert a.status == 201 and a.json["session"]["kind"] == "multi", a
    layers = a.json["session"]["layers"]
    assert sorted(layer["count"] for layer in layers) == [1, 2], layers
    # The same without folders is one name twice: told, not mixed.
    flat = [sent(server, name, data) for name, data in shapefile("roads", [(10, 50)])]
    assert save(server, *flat).json["session"]["kind"] == "shp"


def test_a_single_folder_names_nothing(server):
    ids = [sent(server, name, data, f"数据/{name}") for name, data in shapefile("道路", [(10, 50)])]
    a = save(server, *ids)
    assert a.status == 201 and a.json["session"]["name"] == "道路", a


if __name__ == "__main__":
    main(sys.modules[__name__])
