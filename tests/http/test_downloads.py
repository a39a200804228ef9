"""Goal: datasets come out in every format with ranges and tags, originals byte for byte, pictures; plain PUT and POST fill an
upload and tell about it (security.md 3.6, transports.md 1, 2; A37)."""
import hashlib
import io
import json
import os
import subprocess
import tempfile
import zipfile

from harness import main, nothing_left
from made import geojson, geotiff, shapefile, WGS84
from steps import code, configured, finished, points, post, saved, table

PUBLIC = '{"users":{"AnonymousUser":["view_resourcebase","download_resourcebase"]},"groups":{}}'


def ogr_rows(data, name, member=""):
    """Rows GDAL finds in a file of these bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, name)
        with open(path, "wb") as f:
            f.write(data)
        source = "/vsizip/" + path + member if name.endswith(".zip") else path
        done = subprocess.run(["ogr2ogr", "-f", "GeoJSON", "/vsistdout/", source], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        return json.loads(done.stdout)["features"]


def test_every_vector_format_holds_the_rows(server):
    n = points(server, "städte", ["50.5,8.25,Köln", '51.5,9.5,"=1+1"', "52,10,北京"])["dataset"]["id"]
    page = server.get(f"/datasets/{n}", accept="application/json").json
    formats = [d["format"] for d in page["downloads"]]
    assert formats == ["gpkg", "geojson", "csv", "shp", "fgb", "kml", "xlsx"], formats
    assert "A shapefile cuts texts after 254 bytes" in server.get(f"/datasets/{n}", accept="text/html").text
    for d in page["downloads"]:
        a = server.get(d["url"])
        assert a.status == 200, (d, a)
        name = {"shp": "x.zip"}.get(d["format"], "x." + d["format"])
        disposition = a.header("Content-Disposition")
        assert disposition.endswith("filename*=UTF-8''st%C3%A4dte." + name.split(".")[1]), disposition
        if d["format"] == "csv":
            text = a.body.decode("utf-8-sig")
            assert "lat,lng,name" in text.splitlines()[0] and "Köln" in text and "北京" in text, text
            assert "'=1+1" in text and ",=1+1" not in text, text      # a spreadsheet must not calculate it
        elif d["format"] == "xlsx":
            import openpyxl
            cells = [c for row in openpyxl.load_workbook(io.BytesIO(a.body)).active.iter_rows() for c in row]
            assert "北京" in [c.value for c in cells] and not [c for c in cells if c.data_type == "f"], cells
        else:
            features = ogr_rows(a.body, name)
            assert len(features) == 3, (d, features)
            names = [v for f in features for v in f["properties"].values()]
            assert "北京" in names and "=1+1" in names, (d, names)      # stored as sent
            assert [8.25, 50.5] in [f["geometry"]["coordinates"][:2] for f in features], (d, features)


def test_odd_geometries_go_out_whole(server):
    one = {"type": "Point", "coordinates": [1, 2]}
    both = {"type": "GeometryCollection", "geometries": [one, {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}]}

    def dataset(name, *geometries):
        features = [{"type": "Feature", "properties": {"n": i}, "geometry": g} for i, g in enumerate(geometries)]
        text = json.dumps({"type": "FeatureCollection", "features": features})
        return finished(server, saved(server, (name, text.encode())))["dataset"]["id"]
    a = server.get(f"/datasets/{dataset('both.geojson', both, one)}/download?format=geojson")
    first = a.json["features"][0]["geometry"]
    assert [g["type"] for g in first["geometries"]] == ["Point", "LineString"], a
    for name, geometries, rows in (("some.geojson", (one, None, {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}), 3),
                                   ("none.geojson", (), 0), ("bare.geojson", (None, None), 2)):
        a = server.get(f"/datasets/{dataset(name, *geometries)}/download?format=shp")
        assert a.status == 200, (name, a)
        with zipfile.ZipFile(io.BytesIO(a.body)) as z:
            tables = [n for n in z.namelist() if n.endswith(".dbf")]
            assert all(n[:-3] + "shp" in z.namelist() for n in tables), (name, z.namelist())
            assert sum(int.from_bytes(z.read(n)[4:8], "little") for n in tables) == rows, (name, tables)


def test_collections_go_out_in_parts(server):
    """A shapefile holds one kind of geometry: of a collection each of the three gets its part, and no row is lost."""
    box = {"type": "Polygon", "coordinates": [[[0, 0], [0, 2], [2, 2], [2, 0], [0, 0]]]}
    line = {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}
    some = {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}, line,
                                                         {"type": "GeometryCollection", "geometries": [box, {"type": "Point", "coordinates": [7, 8]}]}]}
    high = {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2, 3]}]}
    for name, geometries, want in (
            ("only.geojson", (some,), {"_points": [[[1, 2], [7, 8]]], "_lines": [[[1, 2], [3, 4]]], "_polygons": [box["coordinates"]]}),
            ("points.geojson", (high,), {"": [[[1, 2, 3]]]}),
            ("more.geojson", (line, some, None), {"_points": [None, [[1, 2], [7, 8]]], "_lines": [[[1, 2], [3, 4]]] * 2, "_polygons": [box["coordinates"]]})):
        features = [{"type": "Feature", "properties": {"n": i, "text": f"字{i}"}, "geometry": g} for i, g in enumerate(geometries)]
        n = finished(server, saved(server, (name, json.dumps({"type": "FeatureCollection", "features": features}).encode())))["dataset"]["id"]
        a = server.get(f"/datasets/{n}/download?format=shp")
        assert a.status == 200, a
        with zipfile.ZipFile(io.BytesIO(a.body)) as z:
            stems = sorted(m[:-4] for m in z.namelist() if m.endswith(".shp"))
            assert stems == sorted(name[:-8] + suffix for suffix in want), z.namelist()
            for suffix, coordinates in want.items():
                alone = io.BytesIO()
                with zipfile.ZipFile(alone, "w") as one:
                    for m in z.namelist():
                        if m.startswith(name[:-8] + suffix + "."):
                            one.writestr(m, z.read(m))
                rows = ogr_rows(alone.getvalue(), "one.zip")
                assert all(f["properties"]["text"] == f"字{f['properties']['n']}" for f in rows), rows
                found = [f["geometry"] and f["geometry"]["coordinates"] for f in rows]
                assert len(found) == len(coordinates) and all(c in found for c in coordinates), (name, suffix, found)


def test_long_names_of_columns_end_with_a_character(server):
    columns = ["行政区划代码", "行政区划名称", "行政区", "a_long_name_of_ascii"]
    feature = {"type": "Feature", "properties": {c: i for i, c in enumerate(columns)}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    data = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
    n = finished(server, saved(server, ("wide.geojson", data)))["dataset"]["id"]
    row, = ogr_rows(server.get(f"/datasets/{n}/download?format=shp").body, "x.zip")
    names = {v: k for k, v in row["properties"].items()}
    assert len(names) == 4 and names[2] == "行政区" and names[3] == "a_long_nam", row
    assert all(names[i].startswith("行政") and len(names[i].encode()) <= 10 for i in (0, 1)), row


def test_moments_go_out_whole(server):
    session = saved(server, table("moments.csv", "lat,lng,at", "1,2,2026-03-01T12:30:15.123Z", "3,4,2026-03-02T00:00:00Z"))
    post(server, session, "csv", lat="lat", lng="lng")
    post(server, session, "srs", source="EPSG:4326")
    n = finished(server, session)["dataset"]["id"]
    text = server.get(f"/datasets/{n}/download?format=csv").text
    assert "2026-03-01T12:30:15.123Z" in text and "2026-03-02T00:00:00Z" in text, text
    for fmt, name in (("shp", "x.zip"), ("geojson", "x.geojson"), ("fgb", "x.fgb"), ("kml", "x.kml"), ("xlsx", "x.xlsx")):
        values = [f["properties"]["at"] for f in ogr_rows(server.get(f"/datasets/{n}/download?format={fmt}").body, name)]
        assert any("12:30:15.123" in v for v in values), (fmt, values)


def test_moments_that_do_not_stay_are_told(server):
    """A GeoPackage's times are of thousandths of a second and of four digits' years."""
    lines = ["lat,lng,at", "1,2,2026-03-01T12:30:15.123456Z", "3,4,2026-03-02T00:00:00.5Z", "5,6,2026-03-02T00:00:00.0009Z", "7,8,9999-12-31T23:30:00-05:00"]
    source = json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"at": at}, "geometry": {"type": "Point", "coordinates": [1, 2]}} for at in (l.split(",")[2] for l in lines[1:4])]})
    for file, far in ((table("finer.csv", *lines), True), (("finer.geojson", source.encode()), False)):
        session = saved(server, file)
        if far:
            post(server, session, "csv", lat="lat", lng="lng")
            post(server, session, "srs", source="EPSG:4326")
        done = finished(server, session)
        told = [w for w in done.get("warnings", []) if w["code"] == "times_cut"]
        assert [(w["column"], w["message"][:7]) for w in told] == [("at", "2 times")], done
        assert told[0]["value"] in ("2026-03-01T12:30:15.123456Z", "2026-03-01T12:30:15.123456"), told
        out = [f["properties"]["at"] for f in server.get(f"/datasets/{done['dataset']['id']}/download?format=geojson").json["features"]]
        assert out[:3] == ["2026-03-01T12:30:15.123Z", "2026-03-02T00:00:00.500Z", "2026-03-02T00:00:00Z"] and (out[3:] or [None]) == [None], out
        # That year would have become 9999 again, a year early.
        assert ("csv_type" in server.get(f"/upload/report?id={session}").text) is far


def test_numbers_wider_than_a_shapefiles_columns(server):
    """-3.4e+38, which many grids have for none, became -3.4e+22: the first digits of it."""
    values = [1.5, -3.4028234663852886e+38, 1e30, None, -1.7976931348623157e+308, 12345678.25]
    places = ['{"type":"Point","coordinates":[1,2]}', '{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]},'
              '{"type":"LineString","coordinates":[[1,2],[3,4]]}]}']
    for place, files in zip(places, (1, 2)):
        data = '{"type":"FeatureCollection","features":[%s]}' % ",".join(
            '{"type":"Feature","properties":{"s":"x","a_very_long_name":%s},"geometry":%s}' % (json.dumps(v), place) for v in values)
        n = finished(server, saved(server, ("wide.geojson", data.encode())))["dataset"]["id"]
        data = server.get(f"/datasets/{n}/download?format=shp").body
        members = ["/" + m for m in zipfile.ZipFile(io.BytesIO(data)).namelist() if m.endswith(".shp")]
        assert len(members) == files, members
        for member in members:
            out = [f["properties"]["a_very_lon"] for f in ogr_rows(data, "x.zip", member)]
            assert out == values, (member, out)


def test_truth_stays_such_in_csv(server):
    session = saved(server, table("truth.csv", "n,ok", "1,TRUE", "2,false", "3,"))
    assert post(server, session, "csv", geometry="none").status == 200
    n = finished(server, session)["dataset"]["id"]
    data = server.get(f"/datasets/{n}/download?format=csv").body
    assert data == b"n,ok\r\n1,true\r\n2,false\r\n3,\r\n", data
    assert "apostrophe" in server.get(f"/datasets/{n}", accept="text/html").text, "what becomes of =1+1 is told"


def test_times_without_a_zone_are_told(server):
    """They count as UTC, and say so when they go out."""
    for lines, want in ((["n,at", "1,2026-03-01T12:30:15", "2,2026-03-02T00:00:00Z", "3,2026-03-01 08:00"], (2, 2, "2026-03-01T12:30:15")),
                        (["n,at", "1,2026-03-01T12:30:15+08:00", "2,2026-03-02T00:00:00Z"], None), (["n,at", "1,2026-03-01", "2,2026-03-02"], None)):
        session = saved(server, table("zones.csv", *lines))
        assert post(server, session, "csv", geometry="none").status == 200
        told = [w for w in finished(server, session).get("warnings", []) if w["code"] == "times_local"]
        assert [(int(w["message"].split()[0]), w["row"], w["value"]) for w in told] == ([want] if want else []), (lines, told)


def test_values_go_out_whole(server):
    """Numbers of sixteen digits, days that workbooks do not count, millimetres; a character XML does not know spoils no file."""
    rows = [{"n": 7, "big": 1234567890123456, "day": "1900-02-28", "late": "2024-02-29", "part": 0.30000000000000004, "odd": "a\ufffeb\uffffc"},
            {"n": -5, "big": -12, "day": "1850-05-05", "late": "1999-12-31", "part": 12.5, "odd": "<&>"}]
    data = {"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": r, "geometry": {"type": "Point", "coordinates": [8.123456789, 50.5]}} for r in rows]}
    n = finished(server, saved(server, ("whole.geojson", json.dumps(data, ensure_ascii=False).encode())))["dataset"]["id"]
    place = server.get(f"/datasets/{n}/download?format=geojson").json["features"][0]["geometry"]["coordinates"]
    assert place == [8.123456789, 50.5], place
    lines = server.get(f"/datasets/{n}/download?format=csv").text
    assert "0.30000000000000004," in lines and ",12.5," in lines, lines
    for fmt, name in (("kml", "x.kml"), ("xlsx", "x.xlsx")):
        body = server.get(f"/datasets/{n}/download?format={fmt}").body
        out = [f["properties"] for f in ogr_rows(body, name)]
        assert [(int(o["n"]), int(o["big"])) for o in out] == [(r["n"], r["big"]) for r in rows], (fmt, out)
        assert [o["day"] for o in out] == ["1900-02-28", "1850-05-05"] and out[0]["late"].replace("/", "-") == "2024-02-29", (fmt, out)
        assert [o["odd"] for o in out] == ["abc", "<&>"] and [float(o["part"]) for o in out] == [0.3, 12.5], (fmt, out)
    import openpyxl
    cells = list(openpyxl.load_workbook(io.BytesIO(body)).active.iter_rows(values_only=True))
    assert cells[1][2] == "1900-02-28" and cells[1][3].isoformat()[:10] == "2024-02-29", cells


def test_rows_without_a_place_are_in_every_format_or_told(server):
    """FlatGeobuf cannot hold them: that is said, not a file without them given."""
    features = [{"type": "Feature", "properties": {"a": i}, "geometry": {"type": "Point", "coordinates": [i, 2]} if i else None} for i in range(3)]
    for name, some in (("some", features), ("none", features[:1])):
        data = json.dumps({"type": "FeatureCollection", "features": some}).encode()
        n = finished(server, saved(server, (f"{name}.geojson", data)))["dataset"]["id"]
        for fmt, file in (("gpkg", "x.gpkg"), ("geojson", "x.geojson"), ("csv", "x.csv"), ("shp", "x.zip"), ("kml", "x.kml"), ("xlsx", "x.xlsx")):
            assert len(ogr_rows(server.get(f"/datasets/{n}/download?format={fmt}").body, file)) == len(some), (name, fmt)
        a = server.get(f"/datasets/{n}/download?format=fgb", accept="application/json")
        assert a.status == 409 and code(a) == "export_places" and a.json["error_msg"].startswith("1 row has no place"), a
        page = server.get(f"/datasets/{n}/download?format=fgb", accept="text/html")
        assert page.status == 409 and "Choose another format" in page.text, page


def test_places_beyond_the_poles_go_out_as_they_are(server):
    """Metres that somebody called degrees, and confirmed: GDAL's RFC 7946 refuses the whole layer for one of them."""
    session = saved(server, *shapefile("far", [(500_000, 5_500_000), (10, 50)], prj=WGS84))
    post(server, session, "srs", source="EPSG:4326", confirm="true")
    n = finished(server, session)["dataset"]["id"]
    for fmt in ("geojson", "gpkg", "csv", "shp", "fgb", "kml", "xlsx"):
        a = server.get(f"/datasets/{n}/download?format={fmt}", accept="application/json")
        assert a.status == 200, (fmt, a)
    a = server.get(f"/datasets/{n}/download?format=geojson").json
    assert [f["geometry"]["coordinates"] for f in a["features"]] == [[500_000, 5_500_000], [10, 50]], a


def test_tables_and_rasters_have_their_formats(server):
    session = saved(server, table("t.csv", "a,b", "1,x"))
    post(server, session, "csv", geometry="none")
    n = finished(server, session)["dataset"]["id"]
    assert [d["format"] for d in server.get(f"/datasets/{n}", accept="application/json").json["downloads"]] == ["gpkg", "csv", "xlsx"]
    a = server.get(f"/datasets/{n}/download?format=shp", accept="application/json")
    assert a.status == 400 and code(a) == "format_unknown", a
    n = finished(server, saved(server, geotiff("relief.tif")))["dataset"]["id"]
    a = server.get(f"/datasets/{n}/download")
    assert a.status == 200 and a.body[:4] in (b"II*\0", b"II+\0", b"MM\0*") and "relief.tif" in a.header("Content-Disposition"), a
    assert [d["format"] for d in server.get(f"/datasets/{n}", accept="application/json").json["downloads"]] == ["tif"]


def test_ranges(server):
    n = points(server, "ranged", [f"{i % 80},{i % 170},r{i}" for i in range(3000)])["dataset"]["id"]
    url = f"/datasets/{n}/download"
    whole = server.get(url)
    size = len(whole.body)
    assert whole.header("Accept-Ranges") == "bytes" and whole.header("Content-Length") == str(size) and size > 100_000, whole.headers

    def part(value, **headers):
        return server.get(url, headers={"Range": value, **headers})
    for value, first, last in (("bytes=0-0", 0, 0), ("bytes=0-99", 0, 99), ("bytes=100-", 100, size - 1), ("bytes=-100", size - 100, size - 1),
                               (f"bytes={size - 1}-{size + 50}", size - 1, size - 1), ("bytes=4096-70000", 4096, 70000)):
        a = part(value)
        assert a.status == 206 and a.header("Content-Range") == f"bytes {first}-{last}/{size}", (value, a.status, a.headers)
        assert a.body == whole.body[first:last + 1] and a.header("Content-Length") == str(last - first + 1), value
    for value in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
        a = part(value)
        assert a.status == 416 and a.header("Content-Range") == f"bytes */{size}", (value, a)
    for value in ("bytes=9-5", "bytes=a-b", "lines=1-2", "bytes=", "bytes=99999999999999999999-", "bytes=0-1,4-5"):
        a = part(value)      # nonsense and lists are ignored
        assert a.status in (200, 416) and (a.status == 416 or a.body == whole.body), (value, a.status)
    head = server.request("HEAD", url)
    assert head.status == 200 and head.header("Content-Length") == str(size) and head.body == b"", head
    assert whole.body == server.get(url, headers={"Range": "bytes=0-", "If-Range": '"other"'}).body
    assert server.get(url, headers={"Range": "bytes=0-9", "If-Range": whole.header("ETag")}).status == 206


def test_tags(server):
    n = points(server, "tagged", ["1,2,a"], permissions=PUBLIC)["dataset"]["id"]
    for path in ("download", "download?format=csv", "thumbnail.png", "map.json", "original/1"):
        url = f"/datasets/{n}/{path}"
        a = server.get(url, user=None)
        tag = a.header("ETag")
        assert a.status == 200 and tag and tag.startswith('"') and tag.endswith('"'), (path, a.headers)
        b = server.get(url, headers={"If-None-Match": tag}, user=None)
        assert b.status == 304 and b.body == b"" and b.header("ETag") == tag, (path, b)
        assert server.get(url, headers={"If-None-Match": f'"x", W/{tag}'}, user=None).status == 304, path
        assert server.get(url, headers={"If-None-Match": "*"}, user=None).status == 304, path
        assert server.get(url, headers={"If-None-Match": '"x"'}, user=None).status == 200, path
        for meant in (tag, f'"x", {tag}', "*"):
            assert server.get(url, headers={"If-Match": meant}, user=None).status == 200, (path, meant)
        for meant in ('"x"', "W/" + tag, f'"x", W/{tag}', tag[:-1]):
            b = server.get(url, headers={"If-Match": meant, "Range": "bytes=0-1"}, user=None)
            assert b.status == 412 and b.body == b"" and b.header("ETag") == tag, (path, meant, b)
    d = server.get(f"/datasets/{n}", accept="application/json").json["dataset"]
    assert d["created"].endswith("Z") and d["changed"].endswith("Z") and d["time"] is None, d
    tags = {server.get(f"/datasets/{n}/download?format={f}").header("ETag") for f in ("gpkg", "csv", "geojson")}
    assert len(tags) == 3, tags
    session = saved(server, table("tagged2.csv", "lat,lng,name", "3,4,b"))
    post(server, session, "csv", lat="lat", lng="lng")
    post(server, session, "srs", source="EPSG:4326")
    finished(server, session, mode="overwrite", dataset=str(n))
    a = server.get(f"/datasets/{n}/download?format=csv", headers={"If-None-Match": ", ".join(tags)})
    assert a.status == 200 and b",b" in a.body, a      # new content, new tag


def test_originals_are_the_bytes_that_were_sent(server):
    files = shapefile("orig", [(1, 2), (3, 4)], prj=WGS84)
    n = finished(server, saved(server, *files))["dataset"]["id"]
    d = server.get(f"/datasets/{n}", accept="application/json").json["dataset"]
    assert [s["name"] for s in d["source"]] == [name for name, _ in files] and d["originals"] is True, d["source"]
    for s, (name, data) in zip(d["source"], files):
        a = server.get(f"/datasets/{n}/original/{s['n']}")
        assert a.status == 200 and a.body == data and name in a.header("Content-Disposition"), (s, a)
        assert s["md5"] == hashlib.md5(data).hexdigest() and s["sha256"] == hashlib.sha256(data).hexdigest() and s["size"] == len(data)
    for number in ("0", "5", "99999999", "-1", "x"):
        assert server.get(f"/datasets/{n}/original/{number}").status == 404, number
    n = finished(server, saved(server, *shapefile("bare", [(1, 2)], prj=WGS84)), store_spatial_files="false")["dataset"]["id"]
    d = server.get(f"/datasets/{n}", accept="application/json").json["dataset"]
    assert d["originals"] is False and server.get(f"/datasets/{n}/original/1").status == 404, d


def test_append_keeps_all_originals(server):
    n = points(server, "first", ["1,2,a"])["dataset"]["id"]
    session = saved(server, table("second.csv", "lat,lng,name", "3,4,b"))
    post(server, session, "csv", lat="lat", lng="lng")
    post(server, session, "srs", source="EPSG:4326")
    finished(server, session, mode="append", dataset=str(n))
    d = server.get(f"/datasets/{n}", accept="application/json").json["dataset"]
    assert [(s["name"], s["n"]) for s in d["source"]] == [("first.csv", 1), ("second.csv", 2)], d["source"]
    assert server.get(f"/datasets/{n}/original/1").body == b"lat,lng,name\n1,2,a\n"
    assert server.get(f"/datasets/{n}/original/2").body == b"lat,lng,name\n3,4,b\n"


def test_downloads_are_counted_once_a_download(server):
    n = points(server, "counted", ["1,2,a"])["dataset"]["id"]
    for _ in range(3):
        server.get(f"/datasets/{n}/download")
    server.request("HEAD", f"/datasets/{n}/download")
    server.get(f"/datasets/{n}/download", headers={"Range": "bytes=10-20"})
    assert server.get(f"/datasets/{n}", accept="application/json").json["dataset"]["downloads"] == 3


def test_export_is_made_once(server):
    n = points(server, "exported", ["1,2,a"])["dataset"]["id"]
    one, two = server.get(f"/datasets/{n}/download?format=kml"), server.get(f"/datasets/{n}/download?format=kml")
    assert one.status == two.status == 200 and one.body == two.body
    assert one.header("Last-Modified") == two.header("Last-Modified")
    tasks = [json.loads(l)["value"] for l in server.slipway("dump", "tasks").splitlines() if '"table":"tasks"' in l]
    assert len([t for t in tasks if t.get("kind") == "export" and t.get("dataset") == n]) == 1
    server.request("DELETE", f"/datasets/{n}/delete")
    assert server.get(f"/datasets/{n}/download?format=kml", accept="application/json").status == 404
    left = [name for name in os.listdir(os.path.join(server.data, "exports")) if name.startswith(f"{n}-")]
    assert not left, left


# ---- plain uploads

def test_put_makes_an_upload(server):
    data = table("x", "lat,lng", "1,2")[1]
    a = server.request("PUT", "/files/my%20file.csv", body=data)
    assert a.status == 201 and a.header("Location") == a.json["url"] == f"/files/{a.json['id']}", a
    j = a.json
    assert j["name"] == "my file.csv" and j["size"] == j["received"] == len(data) and j["state"] == "complete", j
    h = server.request("HEAD", j["url"])
    assert h.status in (200, 204) and h.header("Upload-Offset") == h.header("Upload-Length") == str(len(data)), h.headers
    assert server.get(j["url"]).status == 204
    g = server.get(j["url"], accept="application/json")
    assert g.status == 200 and g.json["expires"] and all(j.get(k, v) == v for k, v in g.json.items()), (g, j)
    saved_answer = server.post("/upload/", {"upload": j["id"]}, accept="application/json")
    assert saved_answer.status == 201 and saved_answer.json["session"]["files"][0]["name"] == "my file.csv", saved_answer


def test_post_names_come_from_the_disposition(server):
    for disposition, name in (('attachment; filename="a.csv"', "a.csv"), ("attachment; filename*=UTF-8''%E5%8C%97.csv", "北.csv"),
                              ('attachment; filename="../../x.csv"', "x.csv"), (None, "upload")):
        headers = {"Content-Disposition": disposition} if disposition else {}
        a = server.request("POST", "/files/", body=b"a\n", headers=headers)
        assert a.status == 201 and a.json["name"] == name, (disposition, a)
        assert server.request("DELETE", a.json["url"]).status == 204
        assert server.get(a.json["url"]).status in (404, 410)


def test_put_refuses_what_it_cannot_keep(server):
    before = server.traces()
    a = server.request("PUT", "/files/x.csv", body=iter([b"a,b\n", b"1,2\n"]))      # chunked
    assert a.status in (201, 411), a      # a server that buffers tells the length
    if a.status == 201:
        assert a.json["size"] == 8
        server.request("DELETE", a.json["url"])
    assert server.request("PUT", "/files/x.csv", body=b"a", user=None).status == 401
    assert server.request("PUT", "/files/a/b.csv", body=b"a").status in (400, 404)
    assert server.request("PUT", "/files/%ff.csv", body=b"a").status == 400
    a = server.request("PUT", "/files/", body=b"a")      # without a name it is called "upload"
    assert a.status == 201 and a.json["name"] == "upload" and server.request("DELETE", a.json["url"]).status == 204, a
    nothing_left(server, before)
    a = server.request("GET", "/files/x.csv")
    assert a.status in (400, 404), a


def test_put_over_the_limit_takes_no_space(server):
    with configured(server, "[upload]\nmax_size = 1K"):
        before = server.traces()
        a = server.request("PUT", "/files/big.csv", body=b"x" * 2000, headers={"Accept": "application/json"})
        assert a.status == 413 and code(a), a
        nothing_left(server, before)
        assert server.request("PUT", "/files/small.csv", body=b"x" * 1024).status == 201


if __name__ == "__main__":
    import test_downloads
    main(test_downloads)
