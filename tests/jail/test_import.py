#!/usr/bin/python3
"""
Goal: every vector and table format comes out of the jail as a GeoPackage that SQLite and GDAL find right, with the rows, the
report and the errors the import job promises; appending continues a dataset; what fails leaves no file.

Run with SLIPWAY_GEO=path/to/slipway-geo.
"""
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import jail

WATER = json.dumps({"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {"name": "湖 %d" % i, "area": i / 4, "n": i},
     "geometry": {"type": "Polygon", "coordinates": [[[i, 0], [i + 1, 0], [i + 1, 1], [i, 0]]]}} for i in range(60)]})
NONE = {"mode": "none"}
POINTS = b"id,lat,lon,extra\n1,10,20,x\n2,11,21,y\n"


def item(layer, **more):
    """What the worker sends for LAYER."""
    it = {k: layer.get(k) for k in ("i", "bundle", "driver", "source_layer", "file", "member", "kind", "sheet", "dialect")}
    it.update(table="t%d" % layer["i"], title="A title", srs={"source": "EPSG:4326", "target": ""}, time=None, decimal=None,
              charset=(layer.get("encoding") or {}).get("charset"), columns=[dict(c, use=True) for c in layer.get("columns") or []],
              bad_rows="keep", mode="create", geometry={"mode": "native"}, target=None, extra_columns="error")
    it.update(more)
    return it


class Import(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="test-import-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def run_import(self, files, target=None, prefix=(), limits=None, **more):
        """Inspect, import all layers; the result's layers, files copied to self.dir, the report's lines."""
        frame, _, log = jail.inspect(files)
        self.assertEqual(frame and frame["type"], "result", (frame, log))
        items = [item(l, **more) for l in frame["layers"]]
        with jail.Jail(files, prefix=prefix) as j:
            if target:
                shutil.copyfile(target, os.path.join(j.dir, "in", "target-0.gpkg"))
                for it in items:
                    it.update(mode="append", target={"file": "target-0.gpkg", "table": "t0"})
            done = j.run(task="import", kind=frame["kind"], layers=items, limits=limits or {})
            self.assertIsNotNone(done, j.log())
            report = []
            for name in os.listdir(j.out):
                if name == "report.jsonl":
                    with open(os.path.join(j.out, name), encoding="utf-8") as f:
                        report = [json.loads(line) for line in f]
                elif name.endswith(".gpkg"):
                    shutil.copyfile(os.path.join(j.out, name), self.path(name))
            self.left = sorted(os.listdir(j.out))
        return done["layers"], report

    def sql(self, question, name="0.gpkg"):
        db = sqlite3.connect(self.path(name))
        try:
            return [row[0] if len(row) == 1 else row for row in db.execute(question)]
        finally:
            db.close()

    def assert_whole(self, layer):
        self.assertEqual(layer["status"], "imported", layer["problems"])
        name, table = layer["file"], layer["table"]
        self.assertEqual(self.sql("PRAGMA integrity_check", name), ["ok"])
        if layer["type"] == "vector":
            self.assertEqual(self.sql("SELECT rtreecheck('rtree_%s_geom')" % table, name), ["ok"])
        out = subprocess.run(["ogrinfo", "-ro", "-so", "-al", self.path(name)], capture_output=True, text=True)
        self.assertIn("Feature Count: %d" % layer["count"], out.stdout)
        self.assertEqual(out.stderr, "")
        check = subprocess.run(["/usr/bin/python3", "-m", "osgeo_utils.samples.validate_gpkg", "-k", self.path(name)],
                               capture_output=True, text=True)
        if "No module" not in check.stderr:      # python3-gdal is there
            self.assertEqual(check.stdout + check.stderr, "")

    def test_formats(self):
        source = self.path("w.geojson")
        with open(source, "w", encoding="utf-8") as f:
            f.write(WATER)
        for driver, ext, more in (("ESRI Shapefile", "shp", {}), ("GeoJSON", "geojson", {}), ("KML", "kml", {}), ("GML", "gml", {}),
                                  ("GPKG", "gpkg", {}), ("FlatGeobuf", "fgb", {}), ("GeoJSONSeq", "geojsonl", {}),
                                  ("XLSX", "xlsx", {"geometry": NONE, "srs": None}),
                                  ("ODS", "ods", {"geometry": NONE, "srs": None})):
            with self.subTest(driver):
                made = os.path.join(self.dir, ext, "water." + ext)
                os.mkdir(os.path.dirname(made))
                options = ["-lco", "ENCODING=UTF-8"] if ext == "shp" else []
                subprocess.run(["ogr2ogr", "-f", driver, made, source] + options, check=True, capture_output=True)
                files = {n: os.path.join(self.dir, ext, n) for n in sorted(os.listdir(os.path.dirname(made)))}
                layers, report = self.run_import(files, **more)
                self.assertEqual(len(layers), 1)
                self.assert_whole(layers[0])
                self.assertEqual(layers[0]["count"], 60)
                self.assertEqual(report, [])
                name = next(c["name"] for c in layers[0]["columns"] if c["name"].lower() == "name")
                self.assertEqual(self.sql('SELECT count(*) FROM t0 WHERE "%s" = \'湖 7\'' % name), [1])
                if "geometry" not in more:
                    self.assertEqual(layers[0]["extent"], [0, 0, 60, 1])
                    self.assertEqual(layers[0]["crs"]["code"], "EPSG:4326")

    def test_gpx_points_and_tracks(self):
        gpx = b"""<?xml version="1.0"?><gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1">
            <wpt lat="1" lon="2"><name>a</name><time>2020-01-02T03:04:05Z</time></wpt>
            <trk><name>t</name><trkseg><trkpt lat="1" lon="2"/><trkpt lat="3" lon="4"/></trkseg></trk></gpx>"""
        layers, _ = self.run_import({"a.gpx": gpx})
        kinds = {l["geometry"] for l in layers}
        self.assertTrue({"Point", "MultiLineString"} <= kinds, kinds)
        for layer in layers:
            self.assert_whole(layer)

    def test_bad_rows_are_reported(self):
        text = b"id,lat,lon\n1,10,20\n2,abc,20\n3,95,20\n4,,\n"
        files, latlng = {"a.csv": text}, {"mode": "latlng", "lat": 1, "lng": 2}
        layers, report = self.run_import(files, geometry=latlng)
        self.assert_whole(layers[0])
        self.assertEqual(layers[0]["rows"], {"total": 4, "imported": 4, "without_geometry": 3, "skipped": 0})
        self.assertEqual([(p["code"], p["row"], p["value"]) for p in report[:-1]],
                         [("csv_not_numeric", 3, "abc"), ("csv_out_of_range", 4, "95")])
        self.assertEqual(report[-1], {"total": 2})
        layers, _ = self.run_import(files, geometry=latlng, bad_rows="skip")
        self.assertEqual(self.sql("SELECT id FROM t0"), [1, 4])
        layers, _ = self.run_import(files, geometry=latlng, bad_rows="fail")
        self.assertEqual((layers[0]["status"], layers[0]["problems"][0]["code"]), ("failed", "csv_not_numeric"))
        self.assertNotIn("0.gpkg", self.left)

    def test_append(self):
        latlng = {"mode": "latlng", "lat": 1, "lng": 2}
        layers, _ = self.run_import({"a.csv": POINTS}, geometry=latlng)
        target = self.path("target.gpkg")
        shutil.copyfile(self.path("0.gpkg"), target)
        layers, _ = self.run_import({"b.csv": b"ID,LAT,lon\n3,12,22\n"}, target=target, geometry=latlng)
        self.assert_whole(layers[0])
        self.assertEqual((layers[0]["count"], layers[0]["extent"]), (3, [20, 10, 22, 12]))
        self.assertEqual(self.sql("SELECT fid, id, extra FROM t0"), [(1, 1, "x"), (2, 2, "y"), (3, 3, None)])
        layers, _ = self.run_import({"b.csv": b"id,lat,lon\nfour,12,22\n"}, target=target, geometry=latlng)
        self.assertEqual([(p["code"], p["column"], p["row"], p["value"]) for p in layers[0]["problems"]],
                         [("schema_mismatch", "id", 2, "four")])
        layers, _ = self.run_import({"b.csv": b"id,lat,lon,new\n4,12,22,z\n"}, target=target, geometry=latlng)
        self.assertEqual(layers[0]["problems"][0]["column"], "new")
        self.assertEqual(self.left, [])
        layers, _ = self.run_import({"b.csv": b"id,lat,lon,new\n4,12,22,z\n"}, target=target, geometry=latlng,
                                    extra_columns="ignore")
        self.assertEqual(layers[0]["count"], 3)

    def test_time_columns(self):
        text = b"d,y\n" + b"".join(b"2020-%02d-%02d,%d\n" % (i // 28 + 1, i % 28 + 1, 1900 + i) for i in range(100))
        for time, positions in (({"start": {"column": 0, "kind": "date"}, "end": None, "zone": "UTC"}, 100),
                                ({"start": {"column": 1, "kind": "year"}, "end": {"column": 1, "kind": "year"}, "zone": "UTC"},
                                 100)):
            layers, _ = self.run_import({"a.csv": text}, geometry=NONE, srs=None, time=time)
            self.assert_whole(layers[0])
            self.assertEqual(layers[0]["time"]["positions"], positions)

    def raster(self, *options):
        where = self.path("r.tif")
        subprocess.run(["gdal_create", "-q", "-a_srs", "EPSG:4326", "-a_ullr", "0", "10", "10", "0", *options, where], check=True)
        return where

    def test_rasters(self):
        layers, _ = self.run_import({"r.tif": self.raster("-outsize", "50", "50", "-ot", "CFloat64")}, columns=[])
        self.assertEqual((layers[0]["status"], layers[0]["raster"]["dtype"]), ("imported", "CFloat64"))

    def test_rasters_that_cannot_be_written_say_why(self):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        cut = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 400, 400, 8, 2, 0, 0, 0)) +
               chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b""))
        for code, files, target in (("import_memory", {"r.tif": self.raster("-outsize", "4", "4", "-bands", "5000")}, ""),
                                    ("format_unreadable", {"r.png": cut, "r.pgw": b"1\n0\n0\n-1\n0\n0\n"}, ""),
                                    ("format_unreadable", {"r.png": cut, "r.pgw": b"1\n0\n0\n-1\n0\n0\n"}, "EPSG:3857")):
            layers, _ = self.run_import(files, columns=[], srs={"source": "EPSG:4326", "target": target})
            self.assertEqual((layers[0]["problems"][0]["code"], layers[0]["problems"][0]["file"]), (code, list(files)[0]))
            self.assertEqual(self.left, [])

    def test_output_limit(self):
        text = b"a,b\n" + b"".join(b"%d,some text to fill the file\n" % i for i in range(200000))
        layers, _ = self.run_import({"a.csv": text}, geometry=NONE, srs=None, limits={"output_max_bytes": 1 << 20},
                                    prefix=["env", "--ignore-signal=XFSZ"])
        self.assertEqual(layers[0]["problems"][0]["code"], "import_output_too_big")
        self.assertEqual(self.left, [])


if __name__ == "__main__":
    unittest.main()
