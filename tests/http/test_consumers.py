"""Goal: an upload that any transport filled is a file for the wizard, by its id: alone, with others, beside posted files; what is
not complete or not one's own is refused and stays as it is (transports.md 7; 10: 60-62)."""
import base64
import json
import os
import subprocess
import tempfile
import time
import urllib.parse

from harness import main, nothing_left
from steps import JSON, finished, rows
from test_chunks import check, contentrange, fine, flow, plupload, put_all, send, stored, uploads_by_id, webuploader

ROWS = b"lat,lng,name\n" + b"".join(b"%d,%d,row %d\n" % (i % 80, i % 170, i) for i in range(300))


def by_tus(server, name, data, user="mei", parts=2):
    meta = "filename " + base64.b64encode(name.encode()).decode()
    a = server.request("POST", "/files/", body=b"", user=user, headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data)), "Upload-Metadata": meta})
    assert a.status == 201, a
    place, step = a.header("Location"), -(-len(data) // parts)
    for at in range(0, len(data), step):
        a = server.request("PATCH", place, body=data[at:at + step], user=user, headers={
            "Tus-Resumable": "1.0.0", "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"})
        assert a.status == 204, a
    return place.rsplit("/", 1)[1]


def by_ietf(server, name, data, user="mei"):
    a = server.request("POST", "/files/", body=data[:100], user=user, headers={
        "Upload-Draft-Interop-Version": "6", "Upload-Complete": "?0", "Content-Disposition": f"inline; filename*=UTF-8''{urllib.parse.quote(name)}"})
    assert a.status == 201, a
    place = a.header("Location")
    a = server.request("PATCH", place, body=data[100:], user=user, headers={
        "Upload-Draft-Interop-Version": "6", "Upload-Complete": "?1", "Upload-Offset": "100", "Content-Type": "application/partial-upload"})
    assert a.status in (200, 201), a
    return place.rsplit("/", 1)[1]


def by_gws(server, name, data, user="mei"):
    uid = ""
    for i, piece in enumerate((data[:100], data[100:])):
        body = {"uploadUid": uid, "fileName": name, "totalSize": len(data), "chunkNumber": i, "chunkCount": 2,
                "contentBase64": base64.b64encode(piece).decode()}
        a = server.request("POST", "/_/uploadChunk", body=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, user=user)
        assert a.status == 200, a
        uid = a.json["uploadUid"]
    return uid      # no uploadFinish: whoever uses it finishes it


def by_put(server, name, data, user="mei"):
    return server.request("PUT", "/files/" + urllib.parse.quote(name), body=data, user=user, headers={"Accept": JSON}).json["id"]


def by_library(library):
    return lambda server, name, data, user="mei": put_all(server, library(data, 1500, name), user=user)["id"]


TRANSPORTS = {"put": by_put, "tus": by_tus, "ietf": by_ietf, "gws": by_gws, **{f.__name__: by_library(f) for f in
                                                                             (flow, fine, plupload, webuploader, contentrange)}}


def save(server, *ids, files=(), user="mei", **fields):
    return server.post("/upload/", [("upload", i) for i in ids] + list(fields.items()), files, accept=JSON, user=user)


def session_of(server, *ids, **kw):
    a = save(server, *ids, **kw)
    assert a.status == 201, a
    return a.json["id"]


def refused(a, status, code):
    assert a.status == status and a.json["success"] is False and code in json.dumps(a.json), a
    return a.json


def data_there(server, ident):
    return os.path.exists(os.path.join(server.data, "uploads", ident[:2], ident, "data"))


def gone(server, ident, seconds=10):
    end = time.monotonic() + seconds
    while data_there(server, ident):
        assert time.monotonic() < end, "the bytes are still there"
        time.sleep(0.1)


def shapefile():
    """The four files of a small shapefile by name."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "in.csv")
        with open(source, "wb") as f:
            f.write(ROWS)
        out = os.path.join(folder, "places.shp")
        subprocess.run(["ogr2ogr", "-f", "ESRI Shapefile", out, source, "-oo", "X_POSSIBLE_NAMES=lng", "-oo", "Y_POSSIBLE_NAMES=lat", "-a_srs", "EPSG:4326"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        return {n: open(os.path.join(folder, n), "rb").read() for n in os.listdir(folder) if n.startswith("places.") and not n.endswith(".cpg")}


def test_every_transport(server):
    """60: one file by each; imported, it has all its rows."""
    for way, upload in TRANSPORTS.items():
        ident = upload(server, f"{way} 数据.csv", ROWS)
        session = session_of(server, ident)
        assert uploads_by_id(server, ident)["refs"] == 1, way
        m = finished(server, session, lat_field="lat", lng_field="lng", title=way) if way in ("gws", "fine") else None
        if m is not None:
            assert m["datasets"][0]["title"] == way, m
        assert stored(server, ident) == ROWS, way


def test_a_bundle_of_four_uploads(server):
    """60: each side file by another transport; and two of them posted beside two ids."""
    files = shapefile()
    assert len(files) == 4, files
    ways = [by_tus, by_library(flow), by_library(webuploader), by_gws]
    ids = [way(server, name, data) for way, (name, data) in zip(ways, files.items())]
    for chosen, posted in ((ids, []), (ids[:2], [("files", n, d) for n, d in list(files.items())[2:]])):
        session = session_of(server, *chosen, files=posted)
        item = server.get(f"/api/v2/uploads/{session}/?full=true", accept=JSON).json["upload"]
        assert item["session"]["kind"] == "shp", item
        m = finished(server, session)
        assert len(rows(server, m["datasets"][0]["id"], "name")) == 300


def test_folders_told_with_the_upload(server):
    """relativePath keeps two files of one name apart."""
    one, two = ROWS, ROWS.replace(b"row", b"line")
    ids = [put_all(server, flow(d, 1500, "same.csv", f"{folder}/same.csv"))["id"] for folder, d in (("a", one), ("b", two))]
    assert [uploads_by_id(server, i)["rel_path"] for i in ids] == ["a/same.csv", "b/same.csv"]
    a = save(server, *ids)
    assert a.status in (201, 400), a      # two tables at once may be refused, two equal names are no reason
    assert "same.csv" in json.dumps(a.json)


def test_the_same_twice(server):
    ident = by_tus(server, "twice.csv", ROWS)
    one, two = session_of(server, ident, ident), session_of(server, ident)
    assert one != two and uploads_by_id(server, ident)["refs"] == 2
    for session in (one, two):
        a = server.request("POST", f"/upload/delete/{session}", headers={"Accept": JSON, "Content-Type": "application/x-www-form-urlencoded"}, body=b"")
        assert a.status in (200, 204, 303), a
    assert uploads_by_id(server, ident).get("refs", 0) == 0 and data_there(server, ident)


def test_unfinished_and_foreign(server):
    """61"""
    begun = server.request("POST", "/files/", body=b"", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "5000", "Upload-Metadata": "filename " + base64.b64encode(b"a.csv").decode()})
    tus = begun.header("Location").rsplit("/", 1)[1]
    server.request("PATCH", f"/files/{tus}", body=ROWS[:1000], headers={"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"})
    requests = list(flow(ROWS, 1000, "open.csv"))
    ranged = [check(send(server, f, p)) for f, p, _ in requests[1:3]][-1]["id"]
    parts = check(send(server, {"name": "parts.csv", "chunk": 0, "chunks": 3}, ROWS[:700]))["id"]
    partial = server.request("POST", "/files/", body=ROWS[:10], headers={
        "Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Concat": "partial", "Content-Type": "application/offset+octet-stream"})
    partial = partial.header("Location").rsplit("/", 1)[1]
    whole = by_put(server, "good.csv", ROWS)
    before = server.traces()
    for ident, received, total in ((tus, 1000, "5000"), (ranged, 2000, str(len(ROWS))), (parts, 700, "?")):
        m = refused(save(server, ident), 409, "upload_incomplete")
        text = json.dumps(m)
        assert f"{received} of {total} bytes" in text and ident in text, m
        refused(save(server, whole, ident), 409, "upload_incomplete")
        refused(save(server, ident, files=[("files", "b.csv", ROWS)]), 409, "upload_incomplete")
        zh = server.post("/upload/?lang=zh", {"upload": ident}, accept=JSON)
        assert str(received) in json.dumps(zh.json, ensure_ascii=False) and "字节" in json.dumps(zh.json, ensure_ascii=False), zh
    for ident, user in ((whole, "otto"), (tus, "otto"), (partial, "mei"), ("f" * 32, "mei"), ("../../x", "mei"), (whole.upper() + "A", "mei"), ("x" * 300, "mei")):
        refused(save(server, ident, user=user), 404, "upload_unknown")
        refused(save(server, whole if user == "mei" else "e" * 32, ident, user=user), 404, "upload_unknown")
    nothing_left(server, before)
    assert uploads_by_id(server, whole).get("refs", 0) == 0
    assert server.request("DELETE", f"/files/{whole}").status == 204
    refused(save(server, whole), 404, "upload_unknown")


def test_deleted_after_binding(server):
    """62: its address is gone at once, its bytes with the last session."""
    for upload in (by_tus, by_library(plupload)):
        ident = upload(server, "kept.csv", ROWS)
        one, two = session_of(server, ident), session_of(server, ident)
        assert server.request("DELETE", f"/files/{ident}").status == 204
        assert server.get(f"/files/{ident}").status == 410
        refused(save(server, ident), 404, "upload_unknown")
        assert data_there(server, ident)
        m = finished(server, one, lat_field="lat", lng_field="lng")
        assert len(rows(server, m["datasets"][0]["id"], "name")) == 300
        for session in (one, two):
            assert data_there(server, ident)
            a = server.request("POST", f"/upload/delete/{session}", headers={"Accept": JSON, "Content-Type": "application/x-www-form-urlencoded"}, body=b"")
            assert a.status in (200, 204, 303), a
        gone(server, ident)


if __name__ == "__main__":
    import test_consumers
    main(test_consumers)
