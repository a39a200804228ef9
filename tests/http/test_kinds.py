"""Goal: every kind of file goes its way from save to a dataset, alone, zipped or with others
(contracts: wizard 5.1, 8.3 to 8.5; cases 13, 17 to 20)."""
import http.server
import io
import json
import os
import sqlite3
import struct
import sys
import tempfile
import threading
import zipfile

from osgeo import gdal

from harness import SHARED, USER, Server, main, nothing_left
from made import (HTML, WGS84, Browser, Page, drop, flatgeobuf, geojson, geopackage, geotiff, grid, png, refused, run, shapefile, world,
                  zipped)

JSON = "application/json"


def strict(server, *files, **fields):
    a = server.save(*files, fields=fields)
    assert a.status == 201, a
    return a


def finished(server, a, source=None, **kw):
    """The finished answer, the CRS given first where one is needed."""
    n = a.json["id"]
    if source is not None:
        b = server.post(f"/upload/srs?id={n}", {"source": source}, accept=JSON)
        assert b.json["success"] is True, b
    f = server.wait_finished(n)
    assert f.json["status"] == "finished", f
    return f.json


def ready(a):
    assert a.json["status"] == "ready" and f"/upload/final?id={a.json['id']}" in a.json["redirect_to"], a
    assert "required_input" not in a.json, a
    return a


def asks_srs(a):
    assert a.json["status"] == "incomplete" and a.json["required_input"] is True, a
    assert f"/upload/srs?id={a.json['id']}" in a.json["redirect_to"], a
    return a


# ---- vectors

def test_geojson(server):
    f = finished(server, ready(strict(server, geojson("places.geojson", [(116.4, 39.9), (121.5, 31.2)]))))
    assert f["crs"]["properties"] == "EPSG:4326" and f["rows"]["imported"] == 2 and f["name"] == "places", f
    old = geojson("old.json", [(500000, 0)], crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}})
    assert finished(server, ready(strict(server, old)))["crs"]["properties"] == "EPSG:32633"
    lines = b"\n".join(json.dumps(f).encode() for f in json.loads(geojson("x", [(1, 2), (3, 4)])[1])["features"]) + b"\n"
    for name in ("lines.geojsonl", "lines.ndjson"):
        f = finished(server, ready(strict(server, (name, lines))))
        assert f["rows"]["imported"] == 2, (name, f)


def test_geojson_numbers_that_do_not_stay_are_told(server):
    """Whole numbers beyond 64 bits, and ids that are numbers: of both GDAL makes something else."""
    def told(*texts):
        features = ",".join('{"type":"Feature",%s,"geometry":{"type":"Point","coordinates":[1,2]}}' % t for t in texts)
        a = ready(strict(server, ("numbers.geojson", ('{"type":"FeatureCollection","features":[%s]}' % features).encode())))
        drop(server, a)
        return {w["code"]: w for w in a.json.get("warnings", [])}
    fine = '"id":"a","properties":{"n":%d,"m":-9223372036854775808,"x":0.12345678901234567890,"t":"12345678901234567890","o":{"id":5}}'
    assert told(fine % 9223372036854775807) == {}
    w = told(fine % 9223372036854775808, fine % 12345678901234567890)["numbers_inexact"]
    assert w["file"] == "numbers.geojson" and w["value"] == "9223372036854775808" and "2 whole numbers" in w["message"], w
    w = told('"id":77,"properties":{"n":1}')
    assert list(w) == ["elements_skipped"] and w["elements_skipped"]["message"].endswith("numbers.geojson id"), w


def test_geojson_parts_that_do_not_come_along_are_told(server):
    """Measures behind the height, members RFC 7946 does not know, ids beside a column "id"."""
    def told(**more):
        feature = {"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [1, 2, 3]}, **more}
        a = ready(strict(server, ("parts.geojson", json.dumps({"type": "FeatureCollection", "name": "x", "features": [feature]}).encode())))
        drop(server, a)
        return [(w["code"], w["message"].partition("parts.geojson ")[2]) for w in a.json.get("warnings", [])]
    assert told() == [] and told(bbox=[1, 2, 1, 2], id="a") == []
    assert told(geometry={"type": "Point", "coordinates": [1, 2, 3, 4]}) == [("elements_skipped", "coordinates[3]")]
    assert told(style={"fill": "red"}, title="x") == [("elements_skipped", "style, title")]
    assert told(id="a", properties={"id": 5}) == [("elements_skipped", "id")]


def test_shapefile_cells_that_do_not_come_along_are_told(server):
    """GDAL makes 12 of 12a4, 1 of 1,50 and nothing of asterisks; it leaves out rows without a place, and the other way round."""
    def told(kind, *cells, places=3, width=4):
        files = dict(shapefile("odd", [(1, 2)] * places, [("v", width, list(cells) + [b""] * (places - len(cells)))], prj=WGS84))
        head = bytearray(files["odd.dbf"])
        head[32 + 11:32 + 12] = kind
        head[32 + 17] = 1 if kind == b"F" else 0
        files["odd.dbf"] = bytes(head)
        if places > len(cells):      # the last rows end in the .shp only
            files["odd.dbf"] = head[:4] + struct.pack("<i", len(cells)) + head[8:]
        a = strict(server, *files.items())
        drop(server, a)
        return [(w["code"], w["column"], w["row"], w["value"]) for w in a.json.get("warnings", [])]
    for kind, cells in ((b"N", (b"1", b"", b"-12")), (b"F", (b"1.5", b"", b"1e3")), (b"D", (b"20200229", b"", b"00000000")), (b"C", (b"a", b"***", b""))):
        assert told(kind, *cells, width=8) == [], kind
    assert told(b"N", b"1", b"12a4", b"1.5") == [("values_odd", "v", 2, "12a4")]
    assert told(b"F", b"1,50", b"x", b"2") == [("values_odd", "v", 1, "1,50")]
    assert told(b"D", b"20200229", b"20190229", b"", width=8) == [("values_odd", "v", 2, "20190229")]
    assert told(b"N", b"1", b"****", b"") == [("values_odd", "v", 2, "****")]
    assert told(b"N", b"1", b"*" * 12, b"2", width=12) == [], "GDAL's own way to write none"
    assert [w[0] for w in told(b"C", b"a", b"b")] == ["rows_unpaired"]


def test_empty_text_is_no_null(server):
    """These formats can say null: what says nothing instead, or a blank, means it."""
    values = ["", " ", None, "x"]
    source = json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"t": v, "n": i}, "geometry": {"type": "Point", "coordinates": [i, i]}}
        for i, v in enumerate(values)]}).encode()
    files = [("in.geojson", source)]
    for driver, name in (("GPKG", "in.gpkg"), ("FlatGeobuf", "in.fgb")):
        files.append(run(["ogr2ogr", "-f", driver, name, "in.geojson"], name, files[0]))
    for file in files:
        f = finished(server, ready(strict(server, file)))
        column = [c for c in f["dataset"]["columns"] if c["name"] == "t"][0]
        assert column["nulls"] == 1, (file[0], column)
        out = json.loads(server.get(f"/datasets/{f['dataset']['id']}/download?format=geojson").body)["features"]
        assert [o["properties"]["t"] for o in sorted(out, key=lambda o: o["properties"]["n"])] == values, (file[0], out)


def test_geojson_in_other_encodings(server):
    """JSON is UTF-8, but not all programs know: nothing turns into question marks."""
    for encoding, text, fields in (("gbk", "中文地名", {}), ("utf-16", "中文", {}), ("big5", "臺北", {"charset": "Big5"})):
        feature = {"type": "Feature", "properties": {"地名": text, "ok": [True, False]}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
        data = json.dumps({"type": "FeatureCollection", "features": [feature]}, ensure_ascii=False).encode(encoding)
        a = strict(server, (f"{encoding}.geojson", data), **fields)
        told = [w["code"] for w in a.json.get("warnings", [])]
        assert told == (["charset_guessed"] if encoding == "gbk" else []), a
        d = finished(server, a)["dataset"]["id"]
        properties = server.get(f"/datasets/{d}/download?format=geojson").json["features"][0]["properties"]
        assert properties["地名"] == text and "true" in str(properties["ok"]).lower(), properties
    a = strict(server, ("bad.geojson", geojson("x", [(1, 2)])[1].replace(b'"n"', b'"n":1,"caf\xe9"')))
    assert {w["code"] for w in a.json.get("warnings", [])} == {"charset_mismatch", "columns_renamed"}, a
    drop(server, a)


def test_geojson_with_a_crs_nobody_knows(server):
    """What names another system than WGS 84 is not taken for WGS 84."""
    named = lambda name: {"type": "name", "properties": {"name": name}}
    for crs in (named("foo:1"), named("urn:ogc:def:crs:EPSG::999999"), "EPSG:3857"):
        a = asks_srs(strict(server, geojson("old.geojson", [(500000, 4000000)], crs=crs)))
        assert finished(server, a, source="EPSG:32633")["crs"]["properties"] == "EPSG:32633", crs
    for name, want in (("http://www.opengis.net/def/crs/EPSG/0/3857", "EPSG:3857"), ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326")):
        a = ready(strict(server, geojson("known.geojson", [(5, 4)], crs=named(name))))
        assert finished(server, a)["crs"]["properties"] == want, name


KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>d</name>{}</Document></kml>"""
PLACE = "<Placemark><name>{}</name><Point><coordinates>{},{}</coordinates></Point></Placemark>"


def test_geometry_is_told_in_the_language_of_the_page(server):
    d = finished(server, ready(strict(server, geojson("wells.geojson", [(1, 2), (3, 4)]))))["dataset"]
    for lang, words in (("en", "Vector · points · "), ("zh", "矢量 · 点 · ")):
        for path in (f"/datasets/{d['id']}?lang={lang}", f"/datasets/?lang={lang}"):
            page = server.get(path, accept=HTML)
            assert page.status == 200 and words in page.text, (path, page.text[:3000])


def test_kml_has_a_layer_for_each_folder(server):
    text = KML.format("<Folder><name>Parks</name>" + PLACE.format("a", 1, 2) + "</Folder><Folder><name>Inns</name>" +
                      PLACE.format("b", 3, 4) + PLACE.format("c", 5, 6) + "</Folder><Folder><name>Empty</name></Folder>")
    a = ready(strict(server, ("tour.kml", text.encode())))
    assert a.json["session"]["kind"] == "kml" and sorted(l["name"] for l in a.json["session"]["layers"]) == ["Inns", "Parks"], a
    f = finished(server, a)
    assert sorted((d["title"], d["count"], d["crs"]) for d in f["datasets"]) == [("Inns", 2, "EPSG:4326"), ("Parks", 1, "EPSG:4326")], f


def placemark(inner, place="<Point><coordinates>1,2</coordinates></Point>"):
    return f"<Placemark><name>p</name>{inner}{place}</Placemark>"


def kml_rows(server, *parts):
    """What is told of a KML of PARTS, and its rows: properties and places."""
    a = ready(strict(server, ("rows.kml", KML.format("".join(parts)).encode())))
    told = [(w["code"], w["column"] or w["message"].partition("rows.kml ")[2]) for w in a.json.get("warnings", [])]
    d = finished(server, a)["dataset"]["id"]
    return told, [(f["properties"], f["geometry"]) for f in server.get(f"/datasets/{d}/download?format=geojson").json["features"]]


def test_kml_data_comes_in(server):
    """Of ExtendedData, times, tracks and placemarks without a place; what GDAL makes besides is no column."""
    told, out = kml_rows(
        server, placemark('<ExtendedData><Data name="n"><value>007</value></Data></ExtendedData><TimeStamp><when>2026-03-01T12:00:00Z</when></TimeStamp>'),
        placemark("", ""), placemark("", '<gx:Track xmlns:gx="urn:gx"><when>2026-03-01T00:00:00Z</when><gx:coord>1 2 3</gx:coord></gx:Track>'))
    assert told == [("elements_skipped", "gx:Track/when")], told
    assert [set(p) for p, _ in out] == [{"Name", "Description", "timestamp", "begin", "end", "n"}] * 3, out
    assert (out[0][0]["n"], out[0][0]["timestamp"]) == ("007", "2026-03-01T12:00:00Z"), out
    assert out[1][1] is None and out[0][1]["coordinates"] == [1, 2], out
    schema = '<Schema name="s" id="s"><SimpleField type="int" name="pop"/><SimpleField type="string" name="who"/></Schema>'
    data = '<ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="pop">5</SimpleData><SimpleData name="who">中</SimpleData></SchemaData></ExtendedData>'
    told, out = kml_rows(server, schema, placemark(data))
    assert (told, out[0][0]) == ([], {"Name": "p", "Description": None, "pop": 5, "who": "中"}), (told, out)
    told, out = kml_rows(server, placemark(""))
    assert told == [] and set(out[0][0]) == {"Name", "Description"}, (told, out)


def test_kml_places_with_blanks(server):
    """"1, 2" is one place, not two; rings are lines."""
    for text, want in (("1, 2, 5", [1, 2, 5]), (" 1 , 2 ", [1, 2]), ("1,2,0, ", [1, 2, 0])):
        told, out = kml_rows(server, placemark("", f"<Point><coordinates>{text}</coordinates></Point>"))
        assert (told, out[0][1]["coordinates"]) == ([], want), (text, told, out)
    line = "<{0}><coordinates>1,2, 3,4, 5,6, 1,2</coordinates></{0}>"
    told, out = kml_rows(server, placemark("", line.format("LineString")))
    assert (told, [p[:2] for p in out[0][1]["coordinates"]]) == ([], [[1, 2], [3, 4], [5, 6], [1, 2]]), (told, out)
    told, out = kml_rows(server, placemark("", line.format("LinearRing").replace(", ", " ")))
    assert (told, out[0][1]["type"], len(out[0][1]["coordinates"])) == ([], "LineString", 4), (told, out)
    before = server.traces()
    both = placemark("", "<LineString><coordinates>1,2, 3, 4</coordinates></LineString>")
    refused(server.save(("both.kml", KML.format(both).encode())), 400, "format_unreadable", "both.kml")
    nothing_left(server, before)


def test_kml_data_left_out_is_told(server):
    told, _ = kml_rows(server, placemark("<address>Main street 1</address>"))
    assert told == [("elements_skipped", "address, phoneNumber")], told
    told, _ = kml_rows(server, placemark('<ExtendedData><SchemaData schemaUrl="#gone"><SimpleData name="a">5</SimpleData></SchemaData></ExtendedData>'))
    assert told == [("elements_skipped", "ExtendedData")], told
    told, _ = kml_rows(server, placemark('<ExtendedData xmlns:c="urn:c"><c:x>5</c:x></ExtendedData><TimeStamp><when>2026</when></TimeStamp>'))
    assert told == [("elements_skipped", "ExtendedData/*"), ("elements_skipped", "TimeSpan, TimeStamp")], told
    schema = '<Schema name="s" id="s"><SimpleField type="int" name="pop"/></Schema>'
    told, _ = kml_rows(server, schema, placemark('<ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="pop">5.7</SimpleData></SchemaData></ExtendedData>'))
    assert told == [("values_odd", "pop")], told


def test_kmz_with_a_folder(server):
    text = KML.format("<Folder><name>Sights</name>" + PLACE.format("a", 1, 2) + "</Folder>")
    f = finished(server, ready(strict(server, zipped([("doc.kml", text)], "trip.kmz"))))
    assert f["rows"]["imported"] == 1 and f["crs"]["properties"] == "EPSG:4326", f


def test_other_documents_of_a_kmz_are_told(server):
    inner = KML.format(PLACE.format("a", 1, 2))
    a = ready(strict(server, zipped([("doc.kml", inner), ("more/b.kml", inner)], "two.kmz")))
    assert [w["message"] for w in a.json["warnings"]] == ["Left out, not needed or not supported: two.kmz more/b.kml"], a
    told = [w["message"] for w in finished(server, a).get("warnings", [])]
    assert len(told) == len(set(told)), told


def test_network_links_are_never_followed(server):
    asked = []

    class Trap(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *args):
            pass
    trap = http.server.HTTPServer(("127.0.0.1", 0), Trap)
    threading.Thread(target=trap.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{trap.server_port}/x.kml"
    try:
        text = KML.format(f"<NetworkLink><Link><href>{url}</href></Link></NetworkLink><Style><IconStyle><Icon><href>{url}</href>"
                          "</Icon></IconStyle></Style><Folder><name>f</name>" + PLACE.format("a", 1, 2) + "</Folder>")
        assert finished(server, ready(strict(server, ("links.kml", text.encode()))))["rows"]["imported"] == 1
        gml = GML.replace("<gml:FeatureCollection ", f'<gml:FeatureCollection xsi:schemaLocation="http://example.com {url}" '
                          'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ')
        a = strict(server, ("schema.gml", gml.encode()))
        drop(server, a)
        assert asked == [], asked
    finally:
        trap.shutdown()


OVERLAY = ("<GroundOverlay><name>o{0}</name><Icon><href>{1}</href></Icon><LatLonBox><north>12.6</north><south>12.5</south>"
           "<east>-81.6</east><west>-81.7</west></LatLonBox></GroundOverlay>")


def test_overlays(server):
    two = KML.format(OVERLAY.format(1, "a.png") + OVERLAY.format(2, "a.png"))
    before = server.traces()
    d = refused(server.save(zipped([("doc.kml", two), png("a.png")], "two.kmz")), 400, "kml_overlays")
    assert d["file"], d
    lonely = KML.format(OVERLAY.format(1, "gone.png"))
    refused(server.save(zipped([("doc.kml", lonely)], "gone.kmz")), 400, "kml_image_missing", "gone.png")
    remote = KML.format(OVERLAY.format(1, "http://127.0.0.1:9/x.png"))
    refused(server.save(("remote.kml", remote.encode())), 400, "kml_image_missing")
    nothing_left(server, before)
    one = KML.format(OVERLAY.format(1, "files/a.png"))
    name, data = png("a.png")
    a = ready(strict(server, zipped([("doc.kml", one), ("files/a.png", data)], "one.kmz")))
    assert a.json["session"]["kind"] == "kml-overlay", a
    f = finished(server, a)
    assert f["dataset"]["type"] == "raster" and f["crs"]["properties"] == "EPSG:4326", f
    box = [round(float(x), 6) for x in f["bbox"].split(",")]
    assert box == [-81.7, 12.5, -81.6, 12.6], "west, south, east, north"
    turned = KML.format(OVERLAY.format(1, "a.png").replace("</LatLonBox>", "<rotation>30</rotation></LatLonBox>"))
    a = strict(server, zipped([("doc.kml", turned), png("a.png")], "turned.kmz"))
    assert [w["code"] for w in a.json.get("warnings", [])] == ["elements_skipped"] and "rotation" in str(a.json["warnings"]), a
    drop(server, a)
    mixed = KML.format("<Folder><name>v</name>" + PLACE.format("p", 1, 2) + "</Folder>" + OVERLAY.format(1, "a.png"))
    a = strict(server, ("mixed.kml", mixed.encode()))
    assert "elements_skipped" in [w["code"] for w in a.json.get("warnings", [])], a
    drop(server, a)


def lines(server, *files):
    """The lines of the thumbnail of what FILES become."""
    f = finished(server, strict(server, *files), source="EPSG:4326")
    gdal.FileFromMemBuffer("/vsimem/a.png", server.get(f"/datasets/{f['dataset']['id']}/thumbnail.png").body)
    picture = gdal.Open("/vsimem/a.png")
    return [bytes(picture.GetRasterBand(1).ReadRaster(0, y, picture.RasterXSize, 1)) for y in range(picture.RasterYSize)]


def test_a_picture_from_south_to_north(server):
    """North is above in the small picture, wherever the file begins."""
    north = lines(server, png("n.png"), world("n.pgw"))
    south = lines(server, png("s.png"), ("s.pgw", b"0.001\n0\n0\n0.001\n-81.7\n12.5\n"))
    assert len(set(north)) == 4 and south == north[::-1], (north, south)


GPX = """<?xml version="1.0"?><gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1">{}</gpx>"""
TRACK = '<trk><name>t</name><trkseg><trkpt lat="1" lon="2"/><trkpt lat="3" lon="4"/></trkseg></trk>'


def test_new_names_of_columns_are_told(server):
    """Names that differ in case only are one to a database; blanks around one are none of its name."""
    two = json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"a": 1, "A": 2, "m²": 3},
                                                                 "geometry": {"type": "Point", "coordinates": [1, 2]}}]})
    for name, data, want in (("two.geojson", two, [(2, "A", "A_2")]), ("dup.csv", "a,a,b c\n1,2,3\n", [(2, "a", "a_2")]),
                             ("one.csv", " a , fid \n1,2\n", [(1, "fid", "fid_")]), ("none.csv", " a , b \n1,2\n", [])):
        a = strict(server, (name, data.encode()))
        told = [w for w in a.json.get("warnings", []) if w["code"] == "columns_renamed"]
        assert [(int(w["message"].split()[0]), w["column"], w["value"]) for w in told] == want, a
        drop(server, a)


def test_gpx(server):
    a = ready(strict(server, ("only.gpx", GPX.format(TRACK).encode())))
    chosen = [l for l in a.json["session"]["layers"] if l["selected"]]
    assert [l["name"] for l in chosen] == ["tracks"], a.json["session"]["layers"]
    assert {l["name"] for l in a.json["session"]["layers"]} <= {"tracks", "track_points"}
    f = finished(server, a)
    assert len(f["datasets"]) == 1 and f["crs"]["properties"] == "EPSG:4326" and f["dataset"]["count"] == 1, f
    a = strict(server, ("both.gpx", GPX.format('<wpt lat="5" lon="6"><name>w</name></wpt>' + TRACK).encode()))
    assert sorted(l["name"] for l in a.json["session"]["layers"] if l["selected"]) == ["tracks", "waypoints"], a
    drop(server, a)


def test_gpx_heights(server):
    """Those of tracks came to nothing.  Where a point has none, zero would be a lie."""
    point = '<trkpt lat="{0}" lon="2">{1}</trkpt>'
    for second, line in (("<ele>8.5</ele>", [[2, 1, 7], [2, 3, 8.5]]), ("", [[2, 1], [2, 3]])):
        segment = point.format(1, "<ele>7</ele>") + point.format(3, second)
        a = ready(strict(server, ("high.gpx", GPX.format(f"<trk><trkseg>{segment}</trkseg></trk>").encode())))
        d = finished(server, a)["dataset"]["id"]
        assert server.get(f"/datasets/{d}/download?format=geojson").json["features"][0]["geometry"]["coordinates"] == line


def test_gpx_extensions(server):
    """Plain ones are columns; of nested ones, heart rates for example, GDAL would make zeros."""
    point = '<wpt lat="1" lon="2" xmlns:x="urn:x"><extensions>{}</extensions></wpt>'
    for inner, columns in (("<x:hr>120</x:hr>", {"x_hr": 120}), ("<x:more><x:hr>120</x:hr></x:more><x:speed>5</x:speed>", {"x_speed": 5})):
        a = ready(strict(server, ("ext.gpx", GPX.format(point.format(inner)).encode())))
        told = [w["code"] for w in a.json.get("warnings", []) if "extensions" in w["message"]]
        assert told == (["elements_skipped"] if "more" in inner else []), a
        d = finished(server, a)["dataset"]["id"]
        properties = server.get(f"/datasets/{d}/download?format=geojson").json["features"][0]["properties"]
        assert {k: v for k, v in properties.items() if k.startswith("x_")} == columns, properties


GML = """<?xml version="1.0"?>
<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" xmlns:ex="http://example.com">
<gml:featureMember><ex:place gml:id="p1"><ex:name>a</ex:name><ex:geom><gml:Point srsName="EPSG:32633"><gml:coordinates>500000,4000000</gml:coordinates></gml:Point></ex:geom></ex:place></gml:featureMember>
</gml:FeatureCollection>"""


def test_gml(server):
    f = finished(server, ready(strict(server, ("places.gml", GML.encode()))))
    assert f["rows"]["imported"] == 1 and f["crs"]["properties"] == "EPSG:32633", f
    link = '<ex:owner xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#p7"/><ex:code codeSpace="town">5</ex:code></ex:place>'
    f = finished(server, ready(strict(server, ("linked.gml", GML.replace("</ex:place>", link).encode()))))
    out = json.loads(server.get(f"/datasets/{f['dataset']['id']}/download?format=geojson").body)["features"][0]["properties"]
    assert (out["owner_href"], out["code"], out["code_codeSpace"]) == ("#p7", 5, "town"), out


def test_gml_places_besides_the_last_are_told(server):
    area = ('<ex:area><gml:Polygon srsName="EPSG:32633"><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>500000,4000000 500009,4000000 '
            "500009,4000009 500000,4000000</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon></ex:area>")
    for more, want in (("", []), (area, ["geom"])):
        a = ready(strict(server, ("places.gml", GML.replace("</ex:place>", more + "</ex:place>").encode())))
        assert [w["message"].partition("places.gml ")[2] for w in a.json.get("warnings", [])] == want, a
        drop(server, a)


def test_entities_are_refused(server):
    before = server.traces()
    dtd = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    for name, text, mark in (("evil.gml", GML.replace(">a<", ">&e;<"), "<gml:FeatureCollection"),
                             ("evil.kml", KML.format(PLACE.format("&e;", 1, 2)), "<kml"), ("evil.gpx", GPX.format(TRACK), "<gpx")):
        data = text.replace(mark, dtd + mark, 1).encode()
        refused(server.save((name, data)), 400, "xml_forbidden", name)
        refused(server.save((name, data), strict=False), 400, "xml_forbidden", name)
        assert b"root:" not in server.save((name, data)).body
    refused(server.save(*shapefile("sld", [(1, 2)], prj=WGS84), ("sld.sld", (dtd + "<StyledLayerDescriptor/>").encode())),
            400, "xml_forbidden", "sld.sld")
    nothing_left(server, before)


def test_flatgeobuf(server):
    f = finished(server, ready(strict(server, flatgeobuf("points.fgb", [(1, 2)]))))
    assert f["rows"]["imported"] == 1 and f["crs"]["properties"] == "EPSG:4326", f


def test_geopackage_of_one_table(server):
    f = finished(server, ready(strict(server, geopackage("one.gpkg", [("inner", [(1, 2)], "EPSG:3857")]))))
    assert f["crs"]["properties"] == "EPSG:3857" and f["rows"]["imported"] == 1, f


# ---- rasters

def test_arcs_become_lines_and_that_is_told(server):
    lines = ["name,shape", 'a,"CURVEPOLYGON (CIRCULARSTRING (0 0,1 1,2 0,1 -1,0 0))"', 'b,"LINESTRING (0 0,1 1)"']
    _, data = run(["ogr2ogr", "-f", "GPKG", "-a_srs", "EPSG:4326", "-oo", "GEOM_POSSIBLE_NAMES=shape", "-oo", "KEEP_GEOM_COLUMNS=NO", "arcs.gpkg",
                   "in.csv"], "arcs.gpkg", ("in.csv", "\n".join(lines).encode()))
    f = finished(server, ready(strict(server, ("arcs.gpkg", data))))
    assert [(w["code"], w["message"][:7]) for w in f["warnings"]] == [("curves_flattened", "1 place")], f
    out = json.loads(server.get(f"/datasets/{f['dataset']['id']}/download?format=geojson").body)["features"]
    assert [(o["geometry"]["type"], len(o["geometry"]["coordinates"][0]) > 20) for o in out] == [("Polygon", True), ("LineString", False)], out


def odd_geopackage(*sql):
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "odd.gpkg")
        with open(path, "wb") as f:
            f.write(geopackage("odd.gpkg", [("odd", [(1, 2), (3, 4), (5, 6)], "EPSG:4326")])[1])
        db = sqlite3.connect(path)
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f'DROP TRIGGER "{name}"')
        for line in sql:
            db.execute(line)
        db.commit()
        db.close()
        with open(path, "rb") as f:
            return "odd.gpkg", f.read()


def test_geopackage_refused_for_what_it_would_run_says_so(server):
    for sql, words in (("CREATE TRIGGER mine AFTER INSERT ON odd BEGIN DELETE FROM odd; END", "trigger, “mine”"),
                       ("CREATE VIEW far AS SELECT ogr_geocode('x')", "view, “far”"), ("CREATE VIRTUAL TABLE f USING fts4(a)", "table, “f”")):
        assert refused(server.save(odd_geopackage(sql)), 400, "format_unreadable", "odd.gpkg", words)["value"] == words.split("“")[1][:-1]


def test_geopackage_tells_what_does_not_come_along(server):
    """SQLite keeps text in columns of numbers; and rows may be numbered as somebody wants them."""
    def changed(*sql):
        a = ready(strict(server, odd_geopackage(*sql)))
        drop(server, a)
        return [(w["code"], w["column"], w["message"]) for w in a.json.get("warnings", [])]
    assert changed() == [] and changed("UPDATE odd SET n = NULL") == []
    (code, column, message), = changed("UPDATE odd SET n = 'many' WHERE fid > 1")
    assert (code, column) == ("values_odd", "n") and message.startswith("2 values"), message
    (code, _, message), = changed("DELETE FROM rtree_odd_geom", "UPDATE odd SET fid = 70 + fid")
    assert code == "elements_skipped" and message.endswith("odd.gpkg odd.fid"), message


def test_grid_without_crs(server):
    a = asks_srs(strict(server, grid("heights.asc")))
    n = a.json["id"]
    h = server.get(f"/upload/?id={n}", accept=HTML)
    assert h.status == 303 and h.header("Location") == f"/upload/srs?id={n}", h
    page = server.get(f"/upload/srs?id={n}", accept=HTML)
    assert page.status == 200 and "heights" in Page(page.text).h2[0]
    refused(server.post(f"/upload/final?id={n}", {}, accept=JSON), 409, "input_missing")
    h = server.post(f"/upload/final?id={n}", {}, accept=HTML)
    assert h.status == 303 and h.header("Location").startswith(f"/upload/srs?id={n}"), h
    f = finished(server, a, "EPSG:4326")
    assert f["dataset"]["type"] == "raster" and f["crs"]["properties"] == "EPSG:4326" and f["name"] == "heights", f
    # With its .prj it needs nobody.
    f = finished(server, ready(strict(server, grid("told.asc"), ("told.prj", WGS84.encode()))))
    assert f["crs"]["properties"] == "EPSG:4326"


def test_grid_with_wrong_cells_is_refused(server):
    """What GDAL would take for zeros, or shift, is told."""
    name, data = grid("cells.asc")
    for change, words in (((b" 15\n", b"\n"), ("15 cells", "16")), ((b" 15\n", b""), ("15 cells", "16")), ((b" 15\n", b" 15 16\n"), ("17 cells", "16")),
                          ((b" 6 ", b" x "), ("row 2", "x"))):
        assert change[0] in data
        before = server.traces()
        a = server.save((name, data.replace(*change)))
        refused(a, 400, "format_unreadable", name)
        assert all(w in a.json["error_msg"] for w in words), a.json["error_msg"]
        nothing_left(server, before)
    for key in (b"yllcorner", b"xllcorner"):      # GDAL would say 0, 0
        refused(server.save((name, data.replace(key, b"zll"))), 400, "no_georeference", name)
        refused(server.save((name, data.replace(key, key[:4] + b"center"))), 400, "no_georeference", name)
    # Some programs write remarks behind the last cell; nobody reads so far.
    assert asks_srs(strict(server, (name, data + b"CRS\nNOTES 1 2 3\n")))


def test_grid_keeps_its_values(server):
    """A fraction behind thousands of whole numbers, and numbers beyond 32 bits."""
    size = 200
    _, whole = grid("late.asc", size=size)
    for last, kind in ((b"0.5", gdal.GDT_Float32), (b"4294967299", gdal.GDT_Float64), (b"7", gdal.GDT_Int32),
                       (b"1234567.89", gdal.GDT_Float64), (b"0.12345679104328156", gdal.GDT_Float32)):
        data = whole[:whole.rindex(b" ") + 1] + last + b"\n"
        f = finished(server, strict(server, ("late.asc", data)), source="EPSG:4326")
        gdal.FileFromMemBuffer("/vsimem/late.tif", server.get(f"/datasets/{f['dataset']['id']}/download").body)
        picture = gdal.Open("/vsimem/late.tif")
        band = picture.GetRasterBand(1)
        assert band.DataType == kind and band.ReadAsArray(size - 1, size - 1, 1, 1)[0, 0] == float(last), (last, band.DataType)


def test_grid_without_crs_in_a_browser(server):
    b = Browser(server, *USER)
    b.open("/upload/")
    b.statuses.clear()
    b.submit("/upload/", files=[("files",) + grid("relief.asc")])
    assert b.url.startswith("/upload/srs?id="), b.url
    b.submit("/upload/srs", source="EPSG:4326", action="next")
    assert b.url.startswith("/upload/final?id="), b.url
    b.submit("/upload/final")
    assert b.url.startswith("/datasets/") and set(b.statuses) <= {200, 303}, (b.url, b.statuses)


def test_geotiff(server):
    a = ready(strict(server, geotiff("relief.tif", crs="EPSG:32617")))
    f = finished(server, a)
    assert f["crs"]["properties"] == "EPSG:32617" and f["dataset"]["type"] == "raster" and f["rows"] is None, f
    asks = asks_srs(strict(server, geotiff("bare.tif", crs=None)))
    drop(server, asks)
    f = finished(server, ready(server.save(geotiff("bare.tif", crs=None), strict=False)), "EPSG:4326")
    assert f["crs"]["properties"] == "EPSG:4326"


def test_pixels_of_odd_bits(server):
    """12 bits, as cameras have them: the format predicts whole bytes only."""
    for bits, kind in (("4", "Byte"), ("12", "UInt16")):
        command = ["gdal_translate", "-q", "-a_srs", "EPSG:4326", "-ot", kind, "-co", f"NBITS={bits}", "in.asc", "odd.tif"]
        d = finished(server, ready(strict(server, run(command, "odd.tif", grid("in.asc")))))["dataset"]["id"]
        assert server.get(f"/datasets/{d}/download?format=tif").body[:2] == b"II"


def test_control_points_alone_are_no_place(server):
    points = [w for p in ("0 0 10 53", "4 0 14 53", "0 4 10 49") for w in ("-gcp", *p.split())]
    a = server.save(run(["gdal_translate", "-q", "-a_srs", "EPSG:4326", *points, "in.asc", "gcp.tif"], "gcp.tif", grid("in.asc")))
    assert a.status == 400 and a.json["code"] == "no_georeference" and "gdalwarp" in a.json["error_msg"], a


def test_a_cut_geotiff_is_refused_at_once(server):
    before = server.traces()
    _, data = tile("whole.tif", 10, [1, 2, 3, 4])
    for most in (300, len(data) - 1):
        refused(server.save(("cut.tif", data[:most])), 400, "format_unreadable", "cut.tif")
        refused(server.save(zipped([("a.tif", data), ("b.tif", data[:most])]), fields={"mosaic": "true"}), 400, "format_unreadable", "b.tif")
    nothing_left(server, before)


def test_pictures_behind_the_first_are_told(server):
    _, one = geotiff("one.tif")
    gdal.FileFromMemBuffer("/vsimem/one.tif", one)
    picture = gdal.Open("/vsimem/one.tif")
    for more in ([], ["APPEND_SUBDATASET=YES"], ["APPEND_SUBDATASET=YES"]):
        gdal.GetDriverByName("GTiff").CreateCopy("/vsimem/three.tif", picture, options=more)
    f = gdal.VSIFOpenL("/vsimem/three.tif", "rb")
    data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL("/vsimem/three.tif").size, f))
    gdal.VSIFCloseL(f)
    for name, content, want in (("one.tif", one, []), ("three.tif", data, ["three.tif IFD 2 - 3"])):
        a = strict(server, (name, content))
        told = [w["message"].partition(": ")[2] for w in a.json.get("warnings", [])]
        assert told == want, told
        drop(server, a)


def values_of(server, f):
    """(the no-data value, all values) of the first band of what was imported."""
    gdal.FileFromMemBuffer("/vsimem/values.tif", server.get(f"/datasets/{f['dataset']['id']}/download").body)
    picture = gdal.Open("/vsimem/values.tif")
    band = picture.GetRasterBand(1)
    return band.GetNoDataValue(), set(band.ReadAsArray().ravel().tolist())


def test_a_no_data_value_out_of_range_marks_nothing(server):
    """Programs write -9999 of bytes, too; zeros stay zeros then."""
    picture = gdal.GetDriverByName("GTiff").Create("/vsimem/in.tif", 4, 3, 1, gdal.GDT_Byte)
    picture.SetGeoTransform((10, 0.5, 0, 51, 0, -0.5))
    picture.SetProjection(WGS84)
    picture.GetRasterBand(1).SetNoDataValue(-9999)
    picture.GetRasterBand(1).WriteRaster(0, 0, 4, 3, bytes(range(12)))
    picture = None
    f = gdal.VSIFOpenL("/vsimem/in.tif", "rb")
    data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL("/vsimem/in.tif").size, f))
    gdal.VSIFCloseL(f)
    for target in ("", "EPSG:3857"):
        a = strict(server, ("bytes.tif", data))
        b = server.post(f"/upload/srs?id={a.json['id']}", {"source": "file", "target": target}, accept=JSON)
        assert b.json["success"] is True, b
        nodata, values = values_of(server, finished(server, a))
        assert nodata is None and 0 in values, (target, nodata, values)


def test_numbers_of_classes_stay_such(server):
    """Reprojected, they are not mixed to classes nobody gave."""
    size = 40
    rows = "\n".join(" ".join("9" if (r // 3 + c // 3) % 2 else "1" for c in range(size)) for r in range(size))
    data = f"ncols {size}\nnrows {size}\nxllcorner 10\nyllcorner 50\ncellsize 0.01\nNODATA_value 0\n{rows}\n".encode()
    a = strict(server, ("classes.asc", data))
    b = server.post(f"/upload/srs?id={a.json['id']}", {"source": "EPSG:4326", "target": "EPSG:32633"}, accept=JSON)
    assert b.json["success"] is True, b
    assert values_of(server, finished(server, a))[1] == {0, 1, 9}


def test_a_reprojected_raster_says_where_it_has_no_values(server):
    """The corners a turned picture leaves are no elevations of zero; what its mask hid stays hidden."""
    size = 40
    for masked in (False, True):
        gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
        picture = gdal.GetDriverByName("GTiff").Create("/vsimem/in.tif", size, size, 1, gdal.GDT_Int16)
        picture.SetGeoTransform((10, 0.01, 0, 51, 0, -0.01))
        picture.SetProjection(WGS84)
        band = picture.GetRasterBand(1)
        band.SetUnitType("m")
        band.WriteRaster(0, 0, size, size, struct.pack("<h", 700) * size * size)
        if masked:
            picture.CreateMaskBand(gdal.GMF_PER_DATASET)
            band.GetMaskBand().WriteRaster(0, 0, size, size, (b"\0" * (size // 2) + b"\xff" * (size // 2)) * size)
        band = picture = None
        gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", None)
        f = gdal.VSIFOpenL("/vsimem/in.tif", "rb")
        data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL("/vsimem/in.tif").size, f))
        gdal.VSIFCloseL(f)
        a = strict(server, ("heights.tif", data))
        b = server.post(f"/upload/srs?id={a.json['id']}", {"source": "file", "target": "EPSG:32633"}, accept=JSON)
        assert b.json["success"] is True, b
        values_of(server, finished(server, a))
        out = gdal.Open("/vsimem/values.tif")
        band = out.GetRasterBand(1)
        assert (out.RasterCount, band.DataType, band.GetMaskFlags()) == (1, gdal.GDT_Int16, gdal.GMF_PER_DATASET), masked
        assert band.GetUnitType() == "m", "the unit"
        shown = [v for v, m in zip(struct.unpack(f"<{band.XSize * band.YSize}h", band.ReadRaster()), band.GetMaskBand().ReadRaster()) if m]
        assert set(shown) == {700}, set(shown)
        assert 0.85 < len(shown) / size ** 2 * (2 if masked else 1) < 1, (masked, len(shown))


def test_mosaic_of_different_colors_is_refused(server):
    """The first one's colours would be painted on the numbers of all others."""
    def tile(name, x, red):
        picture = gdal.GetDriverByName("GTiff").Create("/vsimem/tile.tif", 4, 4, 1, gdal.GDT_Byte)
        picture.SetGeoTransform((x, 0.5, 0, 51, 0, -0.5))
        picture.SetProjection(WGS84)
        colors = gdal.ColorTable()
        colors.SetColorEntry(1, (red, 0, 0, 255))
        picture.GetRasterBand(1).SetColorTable(colors)
        picture = None
        f = gdal.VSIFOpenL("/vsimem/tile.tif", "rb")
        data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL("/vsimem/tile.tif").size, f))
        gdal.VSIFCloseL(f)
        return name, data
    refused(server.save(zipped([tile("a.tif", 10, 200), tile("b.tif", 12, 100)]), fields={"mosaic": "true"}), 400, "mosaic_mismatch", "b.tif")
    a = strict(server, zipped([tile("a.tif", 10, 200), tile("b.tif", 12, 200)]), mosaic="true")
    assert finished(server, a)["dataset"]["type"] == "raster"


def tile(name, x, values, kind=gdal.GDT_Byte, nodata=None, cell=1):
    """A GeoTIFF of two rows and columns at X degrees."""
    picture = gdal.GetDriverByName("GTiff").Create("/vsimem/tile.tif", 2, 2, 1, kind)
    picture.SetGeoTransform((x, cell, 0, 51, 0, -cell))
    picture.SetProjection(WGS84)
    picture.GetRasterBand(1).WriteRaster(0, 0, 2, 2, struct.pack("<4d", *values), buf_type=gdal.GDT_Float64)
    if nodata is not None:
        picture.GetRasterBand(1).SetNoDataValue(nodata)
    picture = None
    f = gdal.VSIFOpenL("/vsimem/tile.tif", "rb")
    data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL("/vsimem/tile.tif").size, f))
    gdal.VSIFCloseL(f)
    return name, data


def shown(server, f):
    """Values of each band, row after row; None where it says there are none."""
    values_of(server, f)
    out = gdal.Open("/vsimem/values.tif")
    bands = [out.GetRasterBand(b + 1) for b in range(out.RasterCount)]
    n = out.RasterXSize * out.RasterYSize
    return [[v if m else None for v, m in zip(struct.unpack(f"<{n}d", b.ReadRaster(buf_type=gdal.GDT_Float64)), b.GetMaskBand().ReadRaster())]
            for b in bands]


def test_gaps_of_a_mosaic_are_no_zeros(server):
    """Nor is what one of its images calls no value a value of the others, or the other way round."""
    one, both = [1, 2, 3, 0], [1, 2, None, 5, 6, 3, 0, None, 7, None]
    for name, tiles, want in (
            ("bytes", [tile("a.tif", 10, one), tile("b.tif", 13, [5, 6, 7, 0], nodata=0)], both),
            ("differ", [tile("a.tif", 10, one, gdal.GDT_Float32, -9), tile("b.tif", 13, [5, 6, 7, 0], gdal.GDT_Float32, 0)], both),
            ("none", [tile("a.tif", 10, one), tile("b.tif", 13, [5, 6, 7, 0])], both[:-1] + [0]),
            ("whole", [tile("a.tif", 10, one), tile("b.tif", 12, [5, 6, 7, 0])], [1, 2, 5, 6, 3, 0, 7, 0])):
        f = finished(server, strict(server, zipped(tiles, name + ".zip"), mosaic="true"))
        assert shown(server, f) == [want], (name, shown(server, f))
    # Of several times each has its own gaps: fractions can say so, whole numbers cannot.
    for kind, gap, told in ((gdal.GDT_Float32, None, []), (gdal.GDT_Int16, 0, ["mosaic_gaps"])):
        a = strict(server, zipped([tile("t_20200101.tif", 10, one, kind), tile("t_20200102.tif", 12, one, kind)], "t.zip"),
                   mosaic="true", mosaic_time_regex="[0-9]{8}")
        f = finished(server, a)
        assert shown(server, f) == [[1, 2, gap, gap, 3, 0, gap, gap], [gap, gap, 1, 2, gap, gap, 3, 0]], shown(server, f)
        assert [w["code"] for w in f.get("warnings", [])] == told, f
    refused(server.save(zipped([tile("t_20200101.tif", 10, one), tile("t_20200102.tif", 12, one, nodata=0)]),
                        fields={"mosaic": "true", "mosaic_time_regex": "[0-9]{8}"}), 400, "mosaic_mismatch", "t_20200102.tif")
    # Other pixels than the first one's: the values are moved, and that is told.
    for x, cell in ((12.5, 1), (12, 2)):
        a = strict(server, zipped([tile("a.tif", 10, one), tile("b.tif", x, one, cell=cell)]), mosaic="true")
        assert [(w["code"], w["file"]) for w in a.json["warnings"]] == [("mosaic_moved", "b.tif")], a
        drop(server, a)


def with_words(file):
    """The same raster, of heights in tenths of a metre."""
    gdal.FileFromMemBuffer("/vsimem/scaled.tif", bytearray(file[1]))
    picture = gdal.Open("/vsimem/scaled.tif", gdal.GA_Update)
    band = picture.GetRasterBand(1)
    band.SetScale(0.1)
    band.SetOffset(5)
    band.SetUnitType("m")
    band.SetDescription("height")
    band = picture = None
    f = gdal.VSIFOpenL("/vsimem/scaled.tif", "rb")
    data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL("/vsimem/scaled.tif").size, f))
    gdal.VSIFCloseL(f)
    return file[0], data


def test_bands_keep_what_they_say(server):
    """Factor, offset, unit and name, of a mosaic and of a raster that is moved; of several times the time is the name."""
    one, two = (with_words(tile(n, x, [1, 2, 3, 4])) for n, x in (("a_20200101.tif", 10), ("a_20200201.tif", 14)))
    for files, target, fields, name in (([one], "EPSG:3857", {}, "height"), ([zipped([one, two])], "", {"mosaic": "true"}, "height"),
                                        ([zipped([one, two])], "EPSG:3857", {"mosaic": "true", "mosaic_time_regex": "[0-9]{8}"}, "2020-01-01T00:00:00Z")):
        a = strict(server, *files, **fields)
        b = server.post(f"/upload/srs?id={a.json['id']}", {"source": "file", "target": target}, accept=JSON)
        assert b.json["success"] is True, b
        values_of(server, finished(server, a))
        picture = gdal.Open("/vsimem/values.tif")
        band = picture.GetRasterBand(1)
        assert (band.GetScale(), band.GetOffset(), band.GetUnitType(), band.GetDescription()) == (0.1, 5, "m", name), (fields, target)


def test_images_added_to_a_mosaic_are_looked_at(server):
    """Those on other pixels are told, those whose numbers mean something else or lie elsewhere are refused."""
    finished(server, strict(server, zipped([tile("a.tif", 10, [1, 2, 3, 4]), tile("b.tif", 12, [1, 2, 3, 4])], "grown.zip"), mosaic="true"))
    more = {"mosaic": "true", "append_to_mosaic_opts": "true", "append_to_mosaic_name": "grown"}
    for x, cell, want in ((14, 1, []), (16.5, 1, [("mosaic_moved", "c.tif")]), (20, 2, [("mosaic_moved", "c.tif")])):
        a = strict(server, zipped([tile("c.tif", x, [5, 6, 7, 8], cell=cell), tile("d.tif", x + 2 * cell, [5, 6, 7, 8], cell=cell)]), **more)
        f = finished(server, a)
        assert [(w["code"], w["file"]) for w in f.get("warnings", [])] == want, f
    _, scaled = with_words(tile("x.tif", 14, [1, 2, 3, 4]))
    refused(server.save(zipped([tile("a.tif", 10, [1, 2, 3, 4]), ("b.tif", scaled)]), fields={"mosaic": "true"}), 400, "mosaic_mismatch", "b.tif")
    other = geotiff("e.tif", crs="EPSG:3857", x=100, y=100, cell=10)[1]
    for data in (scaled, other):
        a = strict(server, zipped([("c.tif", data), ("d.tif", data)]), **more)
        f = server.wait_finished(a.json["id"])
        assert f.json["status"] == "error" and f.json["code"] == "mosaic_mismatch", f
        drop(server, a)


def test_pictures_of_classes_are_open_where_there_are_none(server):
    for mask in (None, bytes([0, 255, 255, 0])):
        _, data = tile("classes.tif", 10, [0, 1, 2, 0], nodata=None if mask else 0)
        gdal.FileFromMemBuffer("/vsimem/classes.tif", bytearray(data))
        picture, colors = gdal.Open("/vsimem/classes.tif", gdal.GA_Update), gdal.ColorTable()
        for i, c in enumerate(((9, 9, 9, 255), (255, 0, 0, 255), (0, 255, 0, 255))):
            colors.SetColorEntry(i, c)
        picture.GetRasterBand(1).SetColorTable(colors)
        if mask:
            gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
            picture.CreateMaskBand(gdal.GMF_PER_DATASET)
            picture.GetRasterBand(1).GetMaskBand().WriteRaster(0, 0, 2, 2, mask)
            gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", None)
        picture = None
        f = gdal.VSIFOpenL("/vsimem/classes.tif", "rb")
        data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL("/vsimem/classes.tif").size, f))
        gdal.VSIFCloseL(f)
        f = finished(server, strict(server, ("classes.tif", data)))
        for name in ("map.png", "thumbnail.png"):
            gdal.FileFromMemBuffer("/vsimem/map.png", server.get(f"/datasets/{f['dataset']['id']}/{name}").body)
            out = gdal.Open("/vsimem/map.png").ReadAsArray()
            points = {tuple(int(v) for v in out[:, y, x]) for y in range(out.shape[1]) for x in range(out.shape[2])}
            assert {p for p in points if p[3]} == {(255, 0, 0, 255), (0, 255, 0, 255)} and any(p[3] == 0 for p in points), (mask, name, points)


def test_raster_with_side_files(server):
    plain = run(["gdal_translate", "-q", "-co", "PROFILE=BASELINE", "in.asc", "plain.tif"], "plain.tif", grid("in.asc"))
    f = finished(server, ready(strict(server, plain, world("plain.tfw"), ("plain.prj", WGS84.encode()))))
    assert f["crs"]["properties"] == "EPSG:4326" and f["bbox"].startswith("-81.7005,"), f["bbox"]
    jpeg = run(["gdal_translate", "-q", "-of", "JPEG", "-ot", "Byte", "in.asc", "photo.jpg"], "photo.jpg", grid("in.asc"))
    for ext in ("jgw", "wld", "jpgw", "jpegw"):
        a = asks_srs(strict(server, jpeg, world("photo." + ext)))
        assert a.json["session"]["kind"] == "jpg"
        drop(server, a)
        a = asks_srs(strict(server, zipped([jpeg, world("photo." + ext)])))
        drop(server, a)
    a = asks_srs(strict(server, grid("relief.grd")))
    drop(server, a)


def test_drivers_the_administrator_enables(server):
    hfa = run(["gdal_translate", "-q", "-of", "HFA", "-a_srs", "EPSG:4326", "in.asc", "old.img"], "old.img", grid("in.asc"))
    refused(server.save(hfa), 400, "kind_unsupported", "old.img")
    site = Server("[jail]\nextra_drivers = HFA\n")
    try:
        assert "img" in {k["id"] for k in site.get("/upload/", accept=JSON).json["page"]["kinds"]}
        f = finished(site, ready(strict(site, hfa)))
        assert f["crs"]["properties"] == "EPSG:4326" and f["dataset"]["type"] == "raster", f
        # A GeoTIFF has no place for names of classes and what else is told of them.
        assert not f.get("warnings"), f
        gdal.FileFromMemBuffer("/vsimem/old.img", bytearray(hfa[1]))
        picture, classes = gdal.Open("/vsimem/old.img", gdal.GA_Update), gdal.RasterAttributeTable()
        classes.CreateColumn("Class_Names", gdal.GFT_String, gdal.GFU_Name)
        classes.SetRowCount(2)
        classes.SetValueAsString(1, 0, "wood")
        picture.GetRasterBand(1).SetDefaultRAT(classes)
        picture = None
        out = gdal.VSIFOpenL("/vsimem/old.img", "rb")
        data = bytes(gdal.VSIFReadL(1, gdal.VSIStatL("/vsimem/old.img").size, out))
        gdal.VSIFCloseL(out)
        a = ready(strict(site, ("named.img", data)))
        assert [w["message"].partition("named.img ")[2] for w in a.json["warnings"]] == ["RasterAttributeTable"], a
    finally:
        site.close()


def test_picture_with_world_file(server):
    a = asks_srs(strict(server, png("photo.png"), world("photo.pgw")))
    f = finished(server, a, "EPSG:4326")
    assert f["dataset"]["type"] == "raster" and f["crs"]["properties"] == "EPSG:4326", f
    box = [round(float(x), 4) for x in f["bbox"].split(",")]
    assert box == [-81.7005, 12.5965, -81.6965, 12.6005], box
    f = finished(server, ready(strict(server, png("told.png"), world("told.pgw"), ("told.prj", WGS84.encode()))))
    assert f["crs"]["properties"] == "EPSG:4326"
    before = server.traces()
    for files in ([png("alone.png")], [png("alone.png"), world("other.pgw")]):
        a = server.save(*files)
        assert a.status == 400 and a.json["code"] in ("no_georeference", "bundle_stem_mismatch"), a
    refused(server.save(png("alone.png")), 400, "no_georeference", "alone.png")
    nothing_left(server, before)


# ---- bundles and archives

def test_cut_pictures_are_refused(server):
    """Half a JPEG is no picture with a grey half."""
    for driver, name in (("JPEG", "half.jpg"), ("PNG", "half.png")):
        _, data = run(["gdal_translate", "-q", "-of", driver, "-ot", "Byte", "in.asc", name], name, grid("in.asc", size=100))
        a = asks_srs(strict(server, (name, data[:len(data) * 3 // 4]), world(name[:-3] + ("jgw" if driver == "JPEG" else "pgw"))))
        server.post(f"/upload/srs?id={a.json['id']}", {"source": "EPSG:4326"}, accept=JSON)
        f = server.wait_finished(a.json["id"])
        assert f.json["status"] == "error" and f.json["code"] == "format_unreadable", f
        drop(server, a)


def test_zip_with_folders_case_and_junk(server):
    roads = [("A/" + n.upper(), d) for n, d in shapefile("roads", [(1, 2)], prj=WGS84)]
    same = [("B/" + n, d) for n, d in shapefile("roads", [(3, 4), (5, 6)], prj=WGS84)]
    junk = [("__MACOSX/A/._ROADS.SHP", b"\0"), ("A/.DS_Store", b"x"), ("Thumbs.db", b"y"), ("desktop.ini", b"z"), ("C/", b"")]
    a = strict(server, zipped(roads + same + junk, "all.zip"))
    s = a.json["session"]
    assert s["kind"] == "multi" and len(s["layers"]) == 2, s
    assert "elements_skipped" not in [w["code"] for w in a.json.get("warnings", [])], "junk is ignored without a word"
    f = finished(server, a)
    assert sorted(d["count"] for d in f["datasets"]) == [1, 2] and len({d["name"] for d in f["datasets"]}) == 2, f


def test_zip_of_one_bundle_is_named_for_the_zip(server):
    a = strict(server, zipped(shapefile("inner", [(1, 2)], prj=WGS84), "harbour.zip"))
    assert a.json["session"]["kind"] == "shp" and "/upload/srs" in a.json["redirect_to"] and "required_input" not in a.json, a
    f = finished(server, a)
    assert f["name"] == "harbour" and "harbour" in f["url"], f
    f = finished(server, ready(strict(server, zipped([geotiff("inner.tif")], "elevation.zip"))))
    assert f["name"] == "elevation", f


def test_zip_with_a_stranger_side_file(server):
    roads = dict(shapefile("roads", [(1, 2)]))
    before = server.traces()
    a = server.save(zipped([("roads.shp", roads["roads.shp"]), ("roads.shx", roads["roads.shx"]), ("roads_old.dbf", roads["roads.dbf"])]))
    assert a.status == 400 and a.json["code"] in ("bundle_stem_mismatch", "bundle_incomplete"), a
    assert "roads" in a.json["error_msg"], a
    nothing_left(server, before)


def test_zip_member_names(server):
    """UTF-8 without its flag, then GB18030."""
    for encoding in ("utf-8", "gb18030"):
        stand_in = "XX" * len("道路".encode(encoding))
        files = [(f"{stand_in[:len('道路'.encode(encoding))]}.{n.rpartition('.')[2]}", d) for n, d in shapefile("r", [(1, 2)], prj=WGS84)]
        files.append((stand_in[:len("道路".encode(encoding))] + "2.csv", b"lat,lon\n1,2\n"))
        name, data = zipped(files, "names.zip")
        data = data.replace(stand_in[:len("道路".encode(encoding))].encode(), "道路".encode(encoding))
        a = strict(server, (name, data))
        assert sorted(l["name"] for l in a.json["session"]["layers"]) == ["道路", "道路2"], (encoding, a.json["session"]["layers"])
        drop(server, a)


def test_several_files_at_once(server):
    a = strict(server, *shapefile("a", [(1, 2)], prj=WGS84), geojson("b.geojson", [(3, 4)]), geotiff("c.tif"))
    assert a.json["session"]["kind"] == "multi" and len(a.json["session"]["layers"]) == 3, a
    f = finished(server, a)
    assert sorted((d["name"], d["type"]) for d in f["datasets"]) == [("a", "vector"), ("b", "vector"), ("c", "raster")], f


def test_extra_files_are_told(server):
    a = strict(server, *shapefile("extra", [(1, 2)], prj=WGS84), ("readme.pdf", b"%PDF-1.4"), ("notes.txt", b"just words\n"))
    told = [w for w in a.json.get("warnings", []) if w["code"] == "elements_skipped"]
    assert a.json["session"]["kind"] == "shp" and told and "readme.pdf" in told[0]["message"], a
    drop(server, a)
    a = strict(server, geotiff("classes.tif"), ("classes.tif.aux.xml", b"<PAMDataset><PAMRasterBand band='1'/></PAMDataset>"))
    assert [w["message"].partition(": ")[2].strip() for w in a.json["warnings"]] == ["classes.tif.aux.xml"], a
    drop(server, a)


def test_side_files_of_every_case(server):
    files = [(n.upper() if i % 2 else n, d) for i, (n, d) in enumerate(shapefile("Mixed", [(1, 2)], prj=WGS84, cpg=b"UTF-8"))]
    f = finished(server, strict(server, *files))
    assert f["name"] == "Mixed" and f["crs"]["properties"] == "EPSG:4326", f


def test_names_of_datasets(server):
    for stem, name in (("foo-bar", "foo_bar"), ("109029_23", "_109029_23"), ("тестирование кириллицы", "тестирование_кириллицы"),
                       ("北京.公园", "北京_公园"), ("junk<y>", "junk_y_")):
        f = finished(server, strict(server, geojson(stem + ".geojson", [(1, 2)])))
        assert f["name"] == name and f["dataset"]["title"] == stem, (stem, f["name"], f["dataset"]["title"])
    f = finished(server, strict(server, geojson("foo-bar.geojson", [(1, 2)])))
    assert f["name"] == "foo_bar_2", f["name"]


def test_real_files(server):
    """The sample data beside the tree, where it is there."""
    vector = os.path.join(SHARED, "vector")
    if not os.path.isdir(vector):
        return
    stems = sorted({n[:-4] for n in os.listdir(vector) if n.endswith(".shp")})
    assert len(stems) >= 5
    for stem in stems:
        a = strict(server, *[os.path.join(vector, f"{stem}.{e}") for e in ("shp", "shx", "dbf", "prj")])
        f = finished(server, a)
        assert f["name"] == stem and f["crs"]["properties"] == "EPSG:4326" and f["rows"]["imported"] > 0, f
    raster = os.path.join(SHARED, "raster")
    f = finished(server, ready(strict(server, os.path.join(raster, "relief_san_andres.tif"))))
    assert f["name"] == "relief_san_andres", f
    f = finished(server, ready(strict(server, *[os.path.join(raster, "classified_flood_20_20." + e) for e in ("asc", "prj")])))
    assert f["dataset"]["type"] == "raster", f
    a = strict(server, *[os.path.join(SHARED, "bad", "points_wgs84_no_prj." + e) for e in ("shp", "shx", "dbf")])
    assert asks_srs(a).json["session"]["kind"] == "shp"
    finished(server, a, "EPSG:4326")
    finished(server, asks_srs(strict(server, os.path.join(SHARED, "bad", "grid_without_projection.asc"))), "EPSG:4326")


if __name__ == "__main__":
    main(sys.modules[__name__])
