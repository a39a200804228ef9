#!/usr/bin/python3
"""
Goal: what inspection tells of real files: bundles in zips whatever their names' encoding, KMZ and overlays, CRS and
text encodings, several layers, metadata; and that the protocol of wizard/message.h is kept.

Run with SLIPWAY_GEO=path/to/slipway-geo.
"""
import io
import json
import os
import struct
import sys
import tempfile
import unittest
import zipfile
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile
import jail

PRJ = ('GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],'
       'UNIT["Degree",0.0174532925199433]]').encode()
POINT = {"type": "Feature", "properties": {"name": "a"}, "geometry": {"type": "Point", "coordinates": [116, 39]}}


def geojson(*features, **members):
    return json.dumps(dict({"type": "FeatureCollection", "features": list(features) or [POINT]}, **members)).encode()


def shp(stem="roads", folder="", upper=False, **extra):
    parts = dict(hostile.shapefile(), **{k: v for k, v in extra.items()})
    return {folder + stem + "." + (e.upper() if upper else e).replace("_", "."): b for e, b in parts.items()}


def kml(body, head='<?xml version="1.0" encoding="UTF-8"?>'):
    return head + '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>' + body + "</Document></kml>"


def place(name="a"):
    return "<Placemark><name>%s</name><Point><coordinates>1,2</coordinates></Point></Placemark>" % name


def overlay(href="o.png"):
    return ("<GroundOverlay><name>o</name><Icon><href>%s</href></Icon><LatLonBox><north>4</north><south>3</south>"
            "<east>2</east><west>1</west></LatLonBox></GroundOverlay>" % href)


def png(width=4, height=4):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress((b"\0" + b"\x40\x80\xc0" * width) * height)) + chunk(b"IEND", b""))


class Inspect(unittest.TestCase):
    def inspect(self, files, **job):
        frame, status, log = jail.inspect(files, **job)
        self.assertIsNotNone(frame, "died with %s: %s" % (status, log))
        self.assertEqual(log, "")
        return frame

    def good(self, files, **job):
        frame = self.inspect(files, **job)
        self.assertEqual(frame["type"], "result", frame)
        return frame

    def bad(self, files, code, **job):
        frame = self.inspect(files, **job)
        self.assertEqual(frame["type"], "failed", frame)
        self.assertIn(code, jail.codes(frame))
        return frame

    def one(self, files, **job):
        layers = self.good(files, **job)["layers"]
        self.assertEqual(len(layers), 1)
        return layers[0]

    # ---- bundles

    def test_loose_shapefile(self):
        r = self.good(shp(prj=PRJ))
        layer = r["layers"][0]
        self.assertEqual((r["kind"], r["name"], layer["name"], layer["file"], layer["member"]),
                         ("shp", "roads", "roads", "roads.shp", None))
        self.assertEqual((layer["geometry"], layer["count"], layer["crs"]["code"]), ("Point", 3, "EPSG:4326"))
        self.assertEqual(layer["native_crs"], PRJ.decode())
        self.assertEqual(r["bundles"][0]["files"], ["roads.shp", "roads.shx", "roads.dbf", "roads.prj"])

    def test_zip_takes_the_zips_name(self):
        r = self.good({"My data.zip": hostile.plain_zip(shp(folder="a/b/", upper=True))})
        self.assertEqual((r["kind"], r["name"], r["layers"][0]["name"], r["layers"][0]["member"]),
                         ("shp", "My data", "My data", "a/b/roads.SHP"))

    def test_zip_of_two_folders(self):
        files = dict(shp(folder="one/", upper=True), **shp(folder="two/"))
        files.update({"__MACOSX/one/._roads.shp": b"junk", ".DS_Store": b"x", "one/": b""})
        r = self.good({"x.zip": hostile.plain_zip(files)})
        self.assertEqual(r["kind"], "multi")
        self.assertEqual([l["member"] for l in r["layers"]], ["one/roads.SHP", "two/roads.shp"])

    def test_zip_needs_the_exact_stem(self):
        files = {k.replace("roads", "roads_old"): v for k, v in shp().items() if not k.endswith("shp")}
        files["roads.shp"] = shp()["roads.shp"]
        self.bad({"x.zip": hostile.plain_zip(files)}, "bundle_stem_mismatch")

    def test_zip_names_in_gb18030(self):
        z = hostile.Zip()
        for name, data in shp("道路").items():
            z.add(name.encode("gb18030"), data)
        r = self.good({"x.zip": z.bytes()})
        self.assertEqual(r["layers"][0]["member"], "道路.shp")

    def test_zip_with_descriptors_and_zip64(self):
        class Stream(io.RawIOBase):
            def writable(self):
                return True

            def write(self, b):
                self.data = getattr(self, "data", b"") + bytes(b)
                return len(b)
        s = Stream()
        with zipfile.ZipFile(s, "w", zipfile.ZIP_DEFLATED) as z:
            for name, data in shp().items():
                with z.open(name, "w", force_zip64=True) as f:
                    f.write(data)
        self.assertEqual(self.good({"x.zip": s.data})["kind"], "shp")

    def test_one_broken_of_two_is_a_warning(self):
        r = self.good(dict(shp(), **{"bad.geojson": b'{"type":"FeatureCollection","features":['}))
        self.assertEqual([l["file"] for l in r["layers"]], ["roads.shp"])
        self.assertIn("format_unreadable", [w["code"] for w in r["warnings"]])

    def test_limits_are_the_jobs(self):
        data = hostile.plain_zip({"a.csv": b"a,b\n" * 1000})
        self.bad({"x.zip": data}, "zip_too_big", limits={"zip_max_bytes": 1000})
        self.bad({"x.zip": hostile.plain_zip(dict(shp()))}, "zip_entries", limits={"zip_max_entries": 2})

    # ---- KML

    def test_kml_folders_are_layers(self):
        body = "".join("<Folder><name>%s</name>%s</Folder>" % (n, place(n)) for n in ("x", "y"))
        r = self.good({"k.kml": kml(body + "<NetworkLink><Link><href>http://127.0.0.1:9/</href></Link></NetworkLink>" +
                                    overlay()).encode()})
        self.assertEqual([l["name"] for l in r["layers"]], ["x", "y"])
        self.assertEqual(sorted(w["args"]["elements"] for w in r["warnings"] if w["code"] == "elements_skipped"),
                         ["GroundOverlay", "NetworkLink"])
        self.assertEqual(r["layers"][0]["crs"]["code"], "EPSG:4326")

    def test_kmz(self):
        r = self.good({"k.kmz": hostile.plain_zip({"files/a.png": png(), "doc.kml": kml(place())})})
        self.assertEqual((r["kind"], r["layers"][0]["count"]), ("kml", 1))
        self.bad({"k.kmz": hostile.plain_zip({"files/a.png": png()})}, "zip_no_data")

    def test_kmz_in_a_zip(self):
        inner = hostile.plain_zip({"doc.kml": kml(place())})
        self.assertEqual(self.good({"x.zip": hostile.plain_zip({"k.kmz": inner})})["kind"], "kml")

    def test_overlay(self):
        for files in ({"k.kml": kml(overlay()).encode(), "o.png": png()},
                      {"k.kmz": hostile.plain_zip({"doc.kml": kml(overlay("files/o.png")), "files/o.png": png()})},
                      {"k.zip": hostile.plain_zip({"a/k.kml": kml(overlay("o.png")), "a/o.png": png()})}):
            r = self.good(files)
            layer = r["layers"][0]
            self.assertEqual((r["kind"], layer["kind"], layer["crs"]["code"]), ("kml-overlay", "raster", "EPSG:4326"))
            self.assertEqual(layer["overlay"]["bounds"], [1, 3, 2, 4])

    def test_overlays_refused(self):
        self.bad({"k.kml": kml(overlay() * 2).encode(), "o.png": png()}, "kml_overlays")
        self.bad({"k.kml": kml(overlay()).encode()}, "kml_image_missing")
        self.bad({"k.kml": kml(overlay("http://127.0.0.1:9/o.png")).encode()}, "kml_image_missing")
        self.bad({"k.kmz": hostile.plain_zip({"doc.kml": kml(overlay()), "o.png": b"GIF89a" + b"x" * 100})},
                 "content_mismatch")

    def test_kml_layers_of_one_name_are_told_apart(self):
        body = "".join("<Folder><name>%s</name>%s</Folder>" % (n, place("p%d" % i) * (i + 1))
                       for i, n in enumerate(["x", "x", "y" * 5000]))
        files = {"k.kml": kml(body).encode()}
        layers = self.good(files)["layers"]
        self.assertEqual([l["count"] for l in layers], [1, 2, 3])
        self.assertEqual(len({l["source_layer"] for l in layers}), 3)
        self.assertLessEqual(max(len(l["name"]) for l in layers), 255)
        items = [{"i": l["i"], "bundle": 0, "driver": "KML", "source_layer": l["source_layer"], "file": "k.kml",
                  "member": None, "kind": "vector", "table": "t%d" % l["i"], "title": "t", "srs": {
                      "source": "EPSG:4326", "target": ""}, "columns": [dict(
                          {k: c[k] for k in ("i", "name", "original", "type")}, use=True) for c in l["columns"]],
                  "geometry": {"mode": "native"}, "bad_rows": "keep", "mode": "create"} for l in layers]
        with jail.Jail(files) as j:
            result = j.run(task="import", kind="kml", layers=items)
            self.assertEqual([l.get("count") for l in result["layers"]], [1, 2, 3])

    def test_gpkg_raster_tables(self):
        data = hostile.geopackage("""
            CREATE TABLE gpkg_tile_matrix_set (table_name TEXT PRIMARY KEY, srs_id INTEGER, min_x DOUBLE, min_y DOUBLE,
             max_x DOUBLE, max_y DOUBLE);
            CREATE TABLE gpkg_tile_matrix (table_name TEXT, zoom_level INTEGER, matrix_width INTEGER, matrix_height INTEGER,
             tile_width INTEGER, tile_height INTEGER, pixel_x_size DOUBLE, pixel_y_size DOUBLE);
            CREATE TABLE t (id INTEGER PRIMARY KEY, zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB);
            INSERT INTO gpkg_contents (table_name, data_type, identifier, min_x, min_y, max_x, max_y, srs_id)
             VALUES ('t', 'tiles', 't', 0, 0, 4, 4, 4326);
            INSERT INTO gpkg_tile_matrix_set VALUES ('t', 4326, 0, 0, 4, 4);
            INSERT INTO gpkg_tile_matrix VALUES ('t', 0, 1, 1, 256, 256, 0.015625, 0.015625);
            INSERT INTO t VALUES (1, 0, 0, 0, x'%s');""" % png(256, 256).hex())
        layers = self.good({"g.gpkg": data})["layers"]
        self.assertEqual([(l["kind"], l["name"], l["bundle"]) for l in layers], [("vector", "g", 0), ("raster", "t", 1)])

    def test_kml_too_big_for_its_driver(self):
        self.bad({"k.kml": kml(place() * 3000).encode()}, "kml_too_big", limits={"jail_memory": 257 << 20})

    def test_kml_without_anything(self):
        self.bad({"k.kml": kml("<name>x</name>").encode()}, "format_no_layers")

    def test_kml_in_other_encodings(self):
        for charset in ("GBK", "gb2312", "windows-1251", "Big5", "Shift_JIS"):
            text = "мир" if charset == "windows-1251" else "山"
            data = kml(place(text), '<?xml version="1.0" encoding="%s"?>' % charset).encode(charset)
            layer = self.one({"k.kml": data})
            self.assertIn(text, json.dumps(layer["preview"], ensure_ascii=False), charset)

    # ---- other formats

    def test_gpx_with_only_tracks(self):
        gpx = ('<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><name>t</name><trkseg><trkpt lat="1" '
               'lon="2"/><trkpt lat="2" lon="2"/></trkseg></trk></gpx>')
        layers = self.good({"g.gpx": gpx.encode()})["layers"]
        self.assertEqual([(l["source_layer"], l["selected"]) for l in layers], [("tracks", True), ("track_points", False)])

    def test_geojson_variants(self):
        self.assertEqual(self.one({"a.geojson": geojson()})["crs"]["code"], "EPSG:4326")
        self.assertEqual(self.one({"a.json": b"\xef\xbb\xbf" + geojson()})["count"], 1)
        self.assertEqual(self.one({"a.geojson": geojson(crs={"type": "name", "properties": {
            "name": "urn:ogc:def:crs:EPSG::3857"}})})["crs"]["code"], "EPSG:3857")
        lines = b"\n".join(json.dumps(POINT).encode() for _ in range(3))
        self.assertEqual(self.one({"a.geojsonl": lines})["count"], 3)
        self.assertEqual(self.one({"a.json": json.dumps(POINT).encode()})["count"], 1)
        link = self.one({"a.geojson": geojson(crs={"type": "link", "properties": {"href": "http://127.0.0.1:9/"}})})
        self.assertEqual((link["crs"]["usable"], link["crs"]["source"]), (False, "none"))

    def test_gpkg_layers(self):
        data = hostile.geopackage("""
            CREATE TABLE q (fid INTEGER PRIMARY KEY, geom POINT); CREATE TABLE u (fid INTEGER PRIMARY KEY, geom POINT);
            CREATE TABLE plain (fid INTEGER PRIMARY KEY, n TEXT); INSERT INTO plain VALUES (1, 'x');
            INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('plain', 'attributes', 'plain');
            INSERT INTO u VALUES (1, NULL);""", tables=("p", "q", "u"))
        layers = self.good({"g.gpkg": data})["layers"]
        self.assertEqual(sorted(l["name"] for l in layers), ["p", "plain", "q", "u"])
        self.assertEqual({l["name"]: l["kind"] for l in layers}["plain"], "table")
        self.assertEqual({l["name"]: l["crs"]["code"] for l in layers if l["kind"] == "vector"}["p"], "EPSG:4326")

    def test_gpkg_with_wal(self):
        data = bytearray(hostile.geopackage())
        data[18] = data[19] = 2         # written in WAL mode, log folded back
        self.assertEqual(self.one({"g.gpkg": bytes(data)})["count"], 3)

    def test_gml_without_schema(self):
        gml = ('<x:city xmlns:x="http://x" xmlns:gml="http://www.opengis.net/gml"><gml:featureMember><x:p><x:g><gml:Point '
               'srsName="EPSG:4326"><gml:coordinates>1,2</gml:coordinates></gml:Point></x:g><x:n>1</x:n></x:p>'
               '</gml:featureMember></x:city>')
        self.assertEqual(self.one({"g.gml": gml.encode()})["count"], 1)

    # ---- encodings, metadata

    def dbf(self, value, language=0):
        parts = hostile.shapefile(n=1)
        dbf = bytearray(parts["dbf"])
        dbf[29] = language
        dbf[66:76] = value.ljust(10)
        return dict(parts, dbf=bytes(dbf))

    def test_dbf_encodings(self):
        for value, language, cpg, want, source in (
                ("北京".encode("gbk"), 0x4d, None, "GB18030", "dbf"), ("北京".encode("gbk"), 0, b"UTF-8", "GB18030", None),
                ("北京".encode(), 0, b"UTF-8", "UTF-8", "cpg"), (b"caf\xe9", 0x03, None, "windows-1252", "dbf"),
                ("北京".encode("big5"), 0, b"950", "Big5", "cpg"), ("東京".encode("cp932"), 0x13, None, "Shift_JIS", "dbf")):
            files = {"r." + k: v for k, v in self.dbf(value, language).items()}
            if cpg:
                files["r.cpg"] = cpg
            layer = self.one(files)
            self.assertEqual(layer["encoding"]["charset"], want)
            if source:
                self.assertEqual(layer["encoding"]["source"], source)
            charset = {"windows-1252": "cp1252", "Shift_JIS": "cp932"}.get(want, want)
            self.assertIn(value.decode(charset), layer["preview"]["rows"][0]["cells"])
        mismatch = {"r." + k: v for k, v in self.dbf("北京".encode("gbk")).items()}
        layer = self.one(dict(mismatch, **{"r.cpg": b"UTF-8"}))
        self.assertEqual([w["code"] for w in layer["warnings"]], ["charset_mismatch"])
        self.assertEqual(self.one(mismatch, charset="Big5")["encoding"], {"charset": "Big5", "source": "user"})

    def test_metadata(self):
        xml = (b'<metadata><idinfo><citation><citeinfo><title>T</title></citeinfo></citation><descript><abstract>A</abstract>'
               b'</descript></idinfo></metadata>')
        self.assertEqual(self.good(shp(shp_xml=xml))["metadata"], {"title": "T", "abstract": "A"})

    def test_digests(self):
        r = self.good({"a.geojson": geojson()}, digests=True)
        import hashlib
        self.assertEqual(r["digests"], [{"n": 1, "md5": hashlib.md5(geojson()).hexdigest(),
                                         "sha256": hashlib.sha256(geojson()).hexdigest()}])

    # ---- the protocol

    def test_output_folder_holds_only_results(self):
        with jail.Jail({"x.zip": hostile.plain_zip(shp())}) as j:
            self.assertEqual(j.run(task="inspect")["type"], "result")
            self.assertEqual(j.process.wait(10), 0)
            self.assertTrue(set(os.listdir(j.out)) <= {"preview-0.json"}, os.listdir(j.out))

    def test_ready_tells_the_level(self):
        with jail.Jail({}) as j:
            self.assertIn(j.wait_ready()["level"], (1, 2, 3))
            j.process.stdin.close()
            self.assertEqual(j.process.wait(10), 0)
            j.process.stdin = open(os.devnull, "wb")

    def test_bad_frames_end_it(self):
        for data in (b"\0\0\0\2{", b"\xff\xff\xff\xff", b"\0\0\0\1x", struct.pack(">I", 2) + b"[]",
                     struct.pack(">I", 4000) + b"[" * 4000):
            with jail.Jail({}) as j:
                j.wait_ready()
                j.send_bytes(data)
                j.process.stdin.close()
                # A frame cut short is the worker's end, anything else a fault.
                self.assertEqual(j.process.wait(10), 0 if data == b"\0\0\0\2{" else 1)
                self.assertIsNone(j.receive())
                j.process.stdin = open(os.devnull, "wb")

    def test_paths_do_not_lead_out(self):
        for path in ("../x", "/etc/passwd", "a/b", "", ".", "x" * 100):
            with jail.Jail({}) as j:
                j.wait_ready()
                j.send({"type": "job", "task": "inspect", "files": [{"n": 1, "name": "a.csv", "path": path, "size": 1}]})
                self.assertIsNone(j.receive())
                self.assertEqual(j.process.wait(10), 1)

    def test_memory_ends_with_the_limit(self):
        big = json.dumps({"type": "FeatureCollection", "features": [dict(POINT, properties={"t": "x" * 40_000_000})]})
        frame, status, _ = jail.inspect({"a.geojson": big.encode()}, limits={"jail_memory": 450 << 20})
        self.assertTrue(frame is None or frame["type"] == "failed", frame)

    @unittest.skipIf(jail.MEMORY, "questions have a fixed limit")
    def test_questions(self):
        with jail.Jail(questions=True) as j:
            self.assertIn(j.wait_ready()["level"], (1, 2, 3))
            for _ in range(3):
                j.send({"type": "job", "task": "srs", "codes": ["EPSG:4326"], "extent": [0, 0, 1, 1], "target": ""})
                r = j.receive()
                self.assertEqual((r["type"], r["answers"][0]["fit"]), ("result", "inside"))
            j.send({"type": "job", "task": "preview", "geojson": dict(POINT), "srs": "EPSG:4326"})
            self.assertEqual(j.receive()["type"], "result")
            j.process.stdin.close()
            self.assertEqual(j.process.wait(10), 0)
            j.process.stdin = open(os.devnull, "wb")


if __name__ == "__main__":
    unittest.main()
