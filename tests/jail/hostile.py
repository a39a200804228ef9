"""
The hostile files of contracts/security.md A07-A29, made with the standard library alone.

Each case is (id, name, {file name: bytes}, expectation).  An expectation is a set of codes of which the job must
fail with one; OK means it must succeed; ANY that it may end in whatever way, if only nothing else happens.  "died"
stands for a process that ended itself (a limit, a crash inside the driver).
"""
import io
import json
import os
import random
import sqlite3
import struct
import tempfile
import zipfile
import zlib

OK = frozenset(["ok"])
UNREADABLE = frozenset(["format_unreadable", "inspect_failed", "died"])
ANY = frozenset(["any"])
CSV = b"name,lat,lon\nA,1,2\nB,3,4\n"


# ---- zips, by hand: zipfile would not write these

class Zip:
    def __init__(self):
        self.body, self.central, self.count = io.BytesIO(), io.BytesIO(), 0

    def add(self, name, data=b"", local_name=None, mode=0o100644, flags=0, method=8, crc=None, size=None, packed=None,
            host=3, at=None, descriptor=None, extra=b"", local_extra=b"", raw=None):
        name = name if isinstance(name, bytes) else name.encode()
        local_name = name if local_name is None else local_name
        if raw is None:
            c = zlib.compressobj(9, zlib.DEFLATED, -15)
            raw = c.compress(data) + c.flush() if method == 8 else data
        crc = zlib.crc32(data) if crc is None else crc
        size = len(data) if size is None else size
        packed = len(raw) if packed is None else packed
        start = self.body.tell() if at is None else at
        if at is None:
            local = (0, 0, 0) if descriptor is not None else (crc, packed, size)
            self.body.write(struct.pack("<IHHHHHIIIHH", 0x04034b50, 20, flags, method, 0, 0x21, *local,
                                        len(local_name), len(local_extra)) + local_name + local_extra + raw)
            if descriptor is not None:
                self.body.write(descriptor)
        self.central.write(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, host << 8 | 20, 20, flags, method, 0, 0x21,
                                       crc, packed, size, len(name), len(extra), 0, 0, 0, mode << 16, start) +
                           name + extra)
        self.count += 1
        return self

    def bytes(self, comment=b"", count=None):
        at, directory = self.body.tell(), self.central.getvalue()
        count = self.count if count is None else count
        return self.body.getvalue() + directory + struct.pack(
            "<IHHHHIIH", 0x06054b50, 0, 0, min(count, 65535), min(count, 65535), len(directory), at,
            len(comment)) + comment


def plain_zip(members):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members.items():
            z.writestr(name, data)
    return f.getvalue()


def zip_cases():
    def bad(id_, name, data, *codes):
        return (id_, name, {"x.zip": data}, frozenset(codes))

    for name in ["../../../../tmp/SLIP.csv", "/abs.csv", "C:\\x.csv", "a/../../b.csv", "a\\..\\b.csv", "C:x.csv",
                 "a//b.csv", "./a.csv", "a\x00.csv"]:
        yield bad("A07", "zip slip %r" % name, Zip().add("ok.csv", CSV).add(name, CSV).bytes(), "zip_path")
    for mode, what in [(0o120777, "link"), (0o010644, "fifo"), (0o060644, "block device"), (0o020644, "device"),
                       (0o140644, "socket")]:
        yield bad("A08", what, Zip().add("ok.csv", CSV).add("l.csv", b"/etc/passwd", mode=mode).bytes(), "zip_link")
    yield bad("A09", "flat bomb", plain_zip({"bomb.csv": b"a" * 300_000_000}), "zip_ratio")
    big = os.urandom(3000) * 1000
    yield bad("A09", "declares 10 GB", Zip().add("b.csv", big, size=0xfffffff0, method=8, raw=big * 10).add(
        "c.csv", big, size=0xfffffff0, raw=big * 10).add("d.csv", big, size=0xfffffff0, raw=big * 10).bytes(), "zip_too_big")
    yield bad("A09", "more than it declares", Zip().add("b.csv", CSV * 100_000, size=1000).bytes(),
              "zip_too_big", "zip_invalid")
    z = Zip().add("a.csv", CSV)
    yield bad("A10", "overlapping members", z.add("b.csv", CSV, at=0).bytes(), "zip_invalid")
    inner = plain_zip({"a.csv": CSV})
    for _ in range(4):
        inner = plain_zip({"a.zip": inner})
    yield bad("A10", "zip in zip", inner, "zip_nested")
    z, kernel = Zip(), zlib.compress(b"0" * 1000)[2:-4]
    z.add("0.csv", b"0" * 1000, raw=kernel)
    for i in range(1, 50):
        z.add("%d.csv" % i, b"0" * 1000, raw=kernel, at=0)
    yield bad("A10", "one kernel, fifty names", z.bytes(), "zip_invalid")
    z = Zip()
    for i in range(100_000):
        z.add("d%d/" % i, method=0)
    data = z.bytes()
    yield bad("A11", "100000 directories", data, "zip_entries", "zip_invalid")
    z = Zip()
    for i in range(10_001):
        z.add("%d.csv" % i, method=0)
    yield bad("A11", "10001 entries", z.bytes(), "zip_entries")
    yield bad("A11", "counts more than it has", Zip().add("a.csv", CSV).bytes(count=9000), "zip_invalid")
    yield bad("A11", "depth 500", Zip().add("d/" * 500 + "a.csv", CSV).bytes(), "zip_path")
    yield bad("A11", "name of 65535 bytes", Zip().add("a" * 65531 + ".csv", CSV).bytes(), "zip_path")
    one = Zip().add("a.csv", CSV).bytes()
    yield bad("A12", "second end record in the comment", two_ends(), "zip_invalid")
    yield bad("A12", "bytes behind the end", one + b"junk", "zip_invalid")
    yield bad("A12", "bytes in front", b"junk" + one, "zip_invalid", "content_mismatch")
    yield bad("A12", "local name differs", Zip().add("a.csv", CSV, local_name=b"b.csv").bytes(), "zip_invalid")
    yield bad("A12", "duplicate names", Zip().add("a.csv", CSV).add("a.csv", CSV).bytes(), "zip_invalid")
    yield bad("A12", "equal but for case", Zip().add("a.csv", CSV).add("A.CSV", CSV).bytes(), "zip_invalid")
    yield bad("A12", "encrypted", Zip().add("a.csv", CSV, flags=1).bytes(), "zip_encrypted")
    yield bad("A12", "AES", Zip().add("a.csv", CSV, method=99, raw=CSV).bytes(), "zip_encrypted")
    lie = struct.pack("<IIII", 0x08074b50, zlib.crc32(CSV), 5, 5_000_000)
    yield bad("A12", "lying descriptor", Zip().add("a.csv", CSV, flags=8, descriptor=lie).bytes(), "zip_invalid")
    z64 = struct.pack("<HHQQ", 1, 16, 2**64 - 1, 2**64 - 1)
    yield bad("A12", "ZIP64 of 2^64-1", Zip().add("a.csv", CSV, size=0xffffffff, packed=0xffffffff, extra=z64).bytes(),
              "zip_invalid", "zip_too_big")
    yield bad("A12", "wrong CRC", Zip().add("a.csv", CSV, crc=1).bytes(), "zip_invalid")
    yield bad("A12", "unknown method", Zip().add("a.csv", CSV, method=77, raw=CSV).bytes(), "zip_invalid")
    for cut in (1, 10, 21, 22, 40, len(one) - 5):
        yield bad("A12", "cut by %d" % cut, one[:-cut], "zip_invalid", "content_mismatch")
    yield bad("A12", "nothing usable", plain_zip({"a.py": b"print()"}), "zip_no_data")


def two_ends():
    """Two directories, two end records: the second lies in the comment of the first."""
    first = Zip().add("a.csv", CSV)
    second = Zip()
    second.body = io.BytesIO()
    inner = first.bytes()
    second.body.write(inner)
    second.add("b.csv", CSV)
    tail = second.bytes()[len(inner):]
    return first.bytes(comment=tail)


# ---- XML

def xml_cases(url, canary):
    kml = '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>%s</Document></kml>'
    place = "<Placemark><name>%s</name><Point><coordinates>1,2</coordinates></Point></Placemark>"
    gpx = '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><wpt lat="1" lon="2"><name>%s</name></wpt></gpx>'
    gml = ('<ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/" xmlns:gml="http://www.opengis.net/gml" '
           'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xlink="http://www.w3.org/1999/xlink" %s>'
           '<gml:featureMember><ogr:p fid="p.0"><ogr:geometryProperty>%s</ogr:geometryProperty><ogr:n>%s</ogr:n></ogr:p>'
           '</gml:featureMember></ogr:FeatureCollection>')
    point = '<gml:Point srsName="EPSG:4326"><gml:coordinates>1,2</gml:coordinates></gml:Point>'
    xxe = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file://%s">]>' % canary
    dtd = '<?xml version="1.0"?><!DOCTYPE a SYSTEM "%s/d" [<!ENTITY %% p SYSTEM "%s/p"> %%p;]>' % (url, url)
    lol = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY l0 "lol">' + "".join(
        '<!ENTITY l%d "%s">' % (i, "&l%d;" % (i - 1) * 10) for i in range(1, 10)) + "]>"
    big = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "%s">]>' % ("A" * 1_000_000)
    forbidden = frozenset(["xml_forbidden"])
    mismatch = frozenset(["content_mismatch", "xml_forbidden"])
    documents = {"k.kml": kml % (place % "&x;"), "g.gpx": gpx % "&x;", "m.gml": gml % ("", point, "&x;")}
    for name, text in documents.items():
        yield ("A19", "XXE in " + name, {name: (xxe + text).encode()}, forbidden)
        yield ("A20", "external DTD in " + name, {name: (dtd + text.replace("&x;", "x")).encode()}, forbidden)
        yield ("A21", "nine levels of ten in " + name, {name: (lol + text.replace("&x;", "&l9;")).encode()}, forbidden)
        yield ("A21", "a megabyte, a lot in " + name, {name: (big + text.replace("&x;", "&x;" * 1000)).encode()}, forbidden)
    yield ("A21", "100000 nested elements", {"n.kml": (kml % ("<Folder>" * 100_000 + "</Folder>" * 100_000)).encode()},
           frozenset(["format_unreadable"]))
    yield ("A19", "XXE in a KMZ", {"z.kmz": plain_zip({"doc.kml": xxe + kml % (place % "&x;")})}, forbidden)
    yield ("A19", "SVG", {"s.kml": (xxe + '<svg xmlns="http://www.w3.org/2000/svg">&x;</svg>').encode()}, mismatch)
    sheet = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData/></worksheet>'
    yield ("A19", "XXE in an XLSX", {"w.xlsx": plain_zip({
        "[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>",
        "xl/worksheets/sheet1.xml": xxe + sheet})}, forbidden)
    ods = io.BytesIO()
    with zipfile.ZipFile(ods, "w") as z:
        z.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        z.writestr("content.xml", xxe + "<office:document-content>&x;</office:document-content>")
    yield ("A19", "XXE in an ODS", {"w.ods": ods.getvalue()}, forbidden)
    shp = shapefile()
    for side, root in [("sld", "StyledLayerDescriptor"), ("shp.xml", "MD_Metadata")]:
        files = {"r.%s" % e: b for e, b in shp.items()}
        files["r." + side] = (xxe + "<%s>&x;</%s>" % (root, root)).encode()
        yield ("A19", "XXE in " + side, files, forbidden)
    yield ("A13", "VRT as CSV", {"v.csv": (
        '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/vsicurl/%s/x</SrcDataSource></OGRVRTLayer>'
        "</OGRVRTDataSource>" % url).encode()}, frozenset(["content_mismatch"]))
    vrt = ('<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>CSV:%s</SrcDataSource></OGRVRTLayer>'
           "</OGRVRTDataSource>" % canary)
    yield ("A14", "VRT as GeoJSON", {"v.geojson": vrt.encode()}, frozenset(["content_mismatch"]))
    raw = ('<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
           "<SourceFilename>%s</SourceFilename></VRTRasterBand></VRTDataset>" % canary).encode()
    for name in ("v.tif", "v.asc", "v.png"):
        files = {name: raw}
        if name == "v.png":
            files["v.pgw"] = b"1\n0\n0\n-1\n0\n0\n"
        yield ("A14", "raster VRT as " + name, files, frozenset(["content_mismatch"]))
    for text in ("<OGRWFSDataSource><URL>%s/wfs</URL></OGRWFSDataSource>", "<GDAL_WMS><Service name='WMS'><ServerUrl>%s"
                 "</ServerUrl></Service></GDAL_WMS>", "<WCS_GDAL><ServiceURL>%s</ServiceURL></WCS_GDAL>",
                 "<GDAL_WMTS><GetCapabilitiesUrl>%s</GetCapabilitiesUrl></GDAL_WMTS>"):
        for name in ("d.gml", "d.kml", "d.tif"):
            yield ("A15", text[1:10] + " as " + name, {name: (text % url).encode()}, frozenset(["content_mismatch"]))
    stac = {"type": "FeatureCollection", "stac_version": "1.0.0", "features": [{
        "type": "Feature", "stac_version": "1.0.0", "geometry": None, "properties": {},
        "assets": {"a": {"href": url + "/a.tif"}}}]}
    yield ("A15", "STACIT", {"s.geojson": json.dumps(stac).encode()}, frozenset(["content_mismatch"]))
    yield ("A17", "GML schema", {"m.gml": (gml % (
        'xsi:schemaLocation="http://x %s/?SERVICE=WFS&amp;REQUEST=DescribeFeatureType&amp;TYPENAME=p"' % url, point,
        "n")).encode()}, OK)
    yield ("A18", "GML xlink", {"m.gml": (gml % ("", '<gml:pointProperty xlink:href="%s/p"/>' % url + point, "n")).encode()},
           OK)


# ---- JSON

def json_cases(url, canary):
    feature = {"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    unreadable = frozenset(["format_unreadable"])
    for kind in ("proj4", "ogcwkt", "esriwkt"):
        yield ("A16", "crs link " + kind, {"l.geojson": json.dumps({
            "type": "FeatureCollection", "crs": {"type": "link", "properties": {"href": url + "/c", "type": kind}},
            "features": [feature]}).encode()}, OK)
    yield ("A16", "crs link in disguise", {"l.geojson": (
        '{"type":"FeatureCollection","\\u0063rs":{"type":"l\\u0069nk","properties":{"href":"%s/c"}},"features":[%s]}'
        % (url, json.dumps(feature))).encode()}, frozenset(["content_mismatch"]))
    deep = "[" * 100_000 + "1" + "]" * 100_000
    yield ("A28", "depth 100000", {"d.geojson": ('{"type":"Point","coordinates":%s}' % deep).encode()}, unreadable)
    collections = '{"type":"GeometryCollection","geometries":[' * 4096 + "]}" * 4096
    yield ("A28", "4096 collections", {"d.geojson": collections.encode()}, unreadable)
    yield ("A14", "service address", {"s.geojson": json.dumps({"type": "Service", "url": url}).encode()},
           frozenset(["content_mismatch"]))
    yield ("A25", "cut GeoJSON", {"c.geojson": json.dumps({"type": "FeatureCollection", "features": [feature] * 50}).encode()
                                  [:-30]}, unreadable)
    for number in ("1e400", "-0", "99999999999999999999", "1e-400"):
        text = json.dumps({"type": "FeatureCollection", "features": [feature]}).replace("[1, 2]", "[%s, 2]" % number)
        yield ("A29", "coordinate " + number, {"n.geojson": text.encode()}, OK | UNREADABLE)
    text = json.dumps({"type": "FeatureCollection", "features": [feature]}).replace("[1, 2]", "[NaN, Infinity]")
    yield ("A29", "NaN", {"n.geojson": text.encode()}, OK | UNREADABLE)
    yield ("A27", "connection string", {"PG:host=127.0.0.1 dbname=x.geojson": b"PG:host=127.0.0.1"},
           frozenset(["content_mismatch"]))


# ---- SQLite

GPKG = """
PRAGMA application_id=1196444487;
PRAGMA user_version=10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
 organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined', -1, 'NONE', -1, 'undefined', ''), ('Undefined', 0, 'NONE', 0,
 'undefined', ''), ('WGS 84', 4326, 'EPSG', 4326,
 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]', '');
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
 description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
 min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER);
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
 srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL, CONSTRAINT pk PRIMARY KEY (table_name, column_name));
CREATE TABLE p (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POINT, n TEXT);
"""


def gpkg_point(x=1.0, y=2.0, wkb=None):
    wkb = struct.pack("<BIdd", 1, 1, x, y) if wkb is None else wkb
    return b"GP\0\1" + struct.pack("<i", 4326) + wkb


def geopackage(script="", tables=("p",), views=(), schema=(), points=3, wkb=None):
    """SCRIPT is executed; SCHEMA rows (type, name, sql) are written into sqlite_master as they are."""
    path = tempfile.mktemp(suffix=".gpkg")
    db = sqlite3.connect(path)
    db.executescript(GPKG)
    db.executemany("INSERT INTO p (geom, n) VALUES (?, ?)", [(gpkg_point(i, i, wkb), "n%d" % i) for i in range(points)])
    db.executescript(script)
    if schema:
        db.execute("PRAGMA writable_schema=ON")
        for type_, name, sql in schema:
            db.execute("INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)",
                       (type_, name, name, sql))
    for t in tuple(tables) + tuple(views):
        db.execute("INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES (?, 'features', ?, 4326)",
                   (t, t))
        db.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'POINT', 4326, 0, 0)", (t,))
    db.commit()
    db.close()
    with open(path, "rb") as f:
        data = f.read()
    os.unlink(path)
    return data


def torn_geopackage():
    """2000 points, and in the middle of them a page of something else."""
    data = bytearray(geopackage(points=2000))
    with tempfile.NamedTemporaryFile(suffix=".gpkg") as f:
        f.write(data)
        f.flush()
        db = sqlite3.connect(f.name)
        (root,), (size,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'p'").fetchone(), db.execute("PRAGMA page_size").fetchone()
        db.close()
    at = (root - 1) * size      # an inner page: behind its head of 12 bytes where its cells are, each with a child's number first
    cells = struct.unpack_from(">H", data, at + 3)[0]
    cell = struct.unpack_from(">H", data, at + 12 + cells // 2 * 2)[0]
    child = (struct.unpack_from(">I", data, at + cell)[0] - 1) * size
    data[child:child + 100] = b"\xff" * 100
    return bytes(data)


def sqlite_cases(url, canary):
    refused = frozenset(["format_unreadable"])
    virtual = {
        "VirtualText": "VirtualText('%s', 'utf-8', 0)" % canary, "VirtualXL": "VirtualXL('%s')" % canary,
        "VirtualOGR": "VirtualOGR('%s')" % canary, "VirtualOGR URL": "VirtualOGR('%s/x')" % url,
        "VirtualShape": "VirtualShape('%s', 'utf-8', 4326)" % canary, "VirtualDbf": "VirtualDbf('%s', 'utf-8')" % canary,
        "csv": "csv(filename='%s')" % canary, "fts4": "fts4(a)", "quoted": "\"VirtualText\"('%s','utf-8',0)" % canary,
    }
    for name, module in virtual.items():
        for using in ("USING", "/* rtree */ using"):
            sql = "CREATE VIRTUAL TABLE v %s %s" % (using, module)
            yield ("A22", "%s, %s" % (name, using), {"v.gpkg": geopackage(schema=[("table", "v", sql)], views=["v"])}, refused)
    views = {
        "recursive view": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000000000) "
                          "SELECT n AS fid, NULL AS geom FROM c",
        "recursive view without the word": "WITH c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS fid FROM c",
        "zeroblob": "SELECT 1 AS fid, NULL AS geom, hex(zeroblob(400000000)) AS h",
        "randomblob": "SELECT 1 AS fid, NULL AS geom, randomblob(400000000) AS h",
        "load_extension": "SELECT 1 AS fid, load_extension('/tmp/x.so') AS geom",
        "ogr_datasource_load_layers": "SELECT 1 AS fid, ogr_datasource_load_layers('%s/x') AS geom" % url,
        "ogr_geocode": "SELECT 1 AS fid, ogr_geocode('x') AS geom",
        "readfile": "SELECT 1 AS fid, readfile('%s') AS geom" % canary,
        "BlobFromFile": "SELECT 1 AS fid, BlobFromFile('%s') AS geom" % canary,
        "pragma table": "SELECT 1 AS fid, NULL AS geom, file FROM pragma_database_list",
        "json_each": "SELECT 1 AS fid, NULL AS geom FROM json_each('[1]')",
        "printf": "SELECT 1 AS fid, NULL AS geom, printf('%1000000000d', 1) AS t",
    }
    for name, sql in views.items():
        yield ("A23" if "blob" in name or "view" in name else "A24", name,
               {"v.gpkg": geopackage(schema=[("view", "v", "CREATE VIEW v AS " + sql)], views=["v"])}, refused)
    yield ("A23", "recursive contents", {"v.gpkg": geopackage(
        "DROP TABLE gpkg_contents;", tables=(), schema=[("view", "gpkg_contents", "CREATE VIEW gpkg_contents AS "
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS table_name FROM c")])}, refused)
    triggers = {
        "insert": "CREATE TRIGGER t AFTER INSERT ON p BEGIN INSERT INTO p (n) SELECT n FROM p; END",
        "load": "CREATE TRIGGER rtree_p_geom_insert AFTER INSERT ON p BEGIN SELECT load_extension('x'); END",
        "recursive": "CREATE TRIGGER t AFTER INSERT ON p BEGIN INSERT INTO gpkg_contents WITH RECURSIVE c(n) AS (SELECT 1 "
                     "UNION ALL SELECT n + 1 FROM c) SELECT n FROM c; END",
        "delete": "CREATE TRIGGER rtree_x AFTER INSERT ON p BEGIN DELETE FROM p; END",
    }
    for name, sql in triggers.items():
        yield ("A23", "trigger " + name, {"t.gpkg": geopackage(sql + ";") if "load" not in name else
                                          geopackage(schema=[("trigger", "t", sql)])}, refused)
    yield ("A23", "generated column", {"g.gpkg": geopackage(
        "CREATE TABLE g (fid INTEGER PRIMARY KEY, geom POINT, h AS (hex(zeroblob(400000000))));", tables=("p", "g"))}, refused)
    yield ("A23", "1001 tables", {"m.gpkg": geopackage("".join("CREATE TABLE t%d (a);" % i for i in range(1001)))}, refused)
    yield ("A24", "no GeoPackage", {"s.gpkg": geopackage("PRAGMA application_id=0;")}, frozenset(["content_mismatch"]))
    for count in (0xffffffff, 0x7fffffff, 0x10000000):
        wkb = struct.pack("<BII", 1, 2, count) + b"\0" * 64
        yield ("A28", "WKB of %d points" % count, {"w.gpkg": geopackage(wkb=wkb)}, OK | UNREADABLE)
    nested = b"".join(struct.pack("<BII", 1, 7, 1) for _ in range(4096)) + struct.pack("<BIdd", 1, 1, 1, 2)
    yield ("A28", "4096 collections as WKB", {"w.gpkg": geopackage(wkb=nested)}, OK | UNREADABLE)
    # What OGR reads of it looks like all there is.
    yield ("A25", "GeoPackage with a torn page", {"t.gpkg": torn_geopackage()}, refused)
    good = geopackage()
    yield ("A22", "a GeoPackage without tricks", {"ok.gpkg": good}, OK)
    rnd = random.Random(1)
    for cut in [100, 512, 1024, 4096, 5000, len(good) // 2, len(good) - 1]:
        yield ("A25", "GeoPackage cut at %d" % cut, {"c.gpkg": good[:cut]}, OK | UNREADABLE | {"content_mismatch"})
    for i in range(12):
        data = bytearray(good)
        for _ in range(1 + i * 4):
            data[rnd.randrange(100, len(data))] = rnd.randrange(256)
        yield ("A25", "GeoPackage with %d wrong bytes" % (1 + i * 4), {"f.gpkg": bytes(data)},
               OK | UNREADABLE | {"content_mismatch"})


# ---- shapefiles and other binaries

def shapefile(n=3, length=None, shx_length=None, dbf_fields=None, record=None, rows=None, shape=None):
    def head(words):
        return struct.pack(">7i", 9994, 0, 0, 0, 0, 0, words) + struct.pack("<2i4d4d", 1000, 1, 0, 0, 9, 9, 0, 0, 0, 0)
    body, index = b"", b""
    for i in range(n):
        content = struct.pack("<i2d", 1, i, i) if shape is None else shape
        words = len(content) // 2
        index += struct.pack(">2i", (100 + len(body)) // 2, words if shx_length is None else shx_length)
        body += struct.pack(">2i", i + 1, words if length is None else length) + content
    fields = dbf_fields if dbf_fields is not None else [(b"name", b"C", 10)]
    width = 1 + sum(f[2] for f in fields) if record is None else record
    dbf = struct.pack("<4BIHH20x", 3, 120, 1, 1, n if rows is None else rows, 33 + 32 * len(fields), width)
    for f in fields:
        dbf += struct.pack("<11sc4xBB14x", f[0], f[1], f[2], 0)
    dbf += b"\r" + b"".join(b" " + b"x" * (1 + sum(f[2] for f in fields) - 1) for _ in range(n)) + b"\x1a"
    return {"shp": head((100 + len(body)) // 2) + body, "shx": head((100 + len(index)) // 2) + index, "dbf": dbf}


def named(parts, stem="r"):
    return {"%s.%s" % (stem, e): b for e, b in parts.items()}


def binary_cases():
    good = shapefile()
    yield ("A25", "a shapefile without tricks", named(good), OK)
    yield ("A25", "record of 2^31-1 words", named(shapefile(length=0x7fffffff, shx_length=0x7fffffff)), UNREADABLE)
    yield ("A25", "lying .shx", named(shapefile(shx_length=0x3fffffff)), UNREADABLE)
    yield ("A25", "dbf of 2046 fields", named(shapefile(dbf_fields=[(b"f%d" % i, b"C", 1) for i in range(2046)])),
           OK | UNREADABLE | {"csv_too_many_columns"})
    yield ("A25", "dbf record 0", named(shapefile(record=0)), UNREADABLE | {"content_mismatch"})
    yield ("A25", "dbf of 2^32-1 rows", named(shapefile(rows=0xffffffff)), UNREADABLE)
    for count in (100_000_000, 0x7fffffff):
        shape = struct.pack("<i4dii", 5, 0, 0, 1, 1, 1, count) + struct.pack("<i", 0) + b"\0" * 64
        yield ("A28", "polygon of %d points" % count, named(shapefile(shape=shape)), OK | UNREADABLE)
        shape = struct.pack("<i4dii", 5, 0, 0, 1, 1, count, 4) + b"\0" * 64
        yield ("A28", "polygon of %d rings" % count, named(shapefile(shape=shape)), OK | UNREADABLE)
    nan = struct.pack("<i2d", 1, float("nan"), float("inf"))
    yield ("A29", "NaN and Inf in a shapefile", named(shapefile(shape=nan)), OK | UNREADABLE)
    for ext in ("shp", "shx", "dbf"):
        step = max(1, len(good[ext]) // 12)
        for cut in range(0, len(good[ext]), step):
            yield ("A25", "%s cut at %d" % (ext, cut), named(dict(good, **{ext: good[ext][:cut]})),
                   OK | UNREADABLE | {"file_empty", "content_mismatch"})
    yield ("A26", ".shp without .dbf and .shx", {"r.shp": good["shp"]}, frozenset(["bundle_incomplete"]))
    yield ("A26", "upper case", {"R.SHP": good["shp"], "r.Shx": good["shx"], "R.dbf": good["dbf"]}, OK)
    yield ("A26", "foreign stem", {"a.shp": good["shp"], "b.shx": good["shx"], "b.dbf": good["dbf"]},
           frozenset(["bundle_stem_mismatch"]))
    yield ("A26", "a big .prj", named(dict(good, prj=b" " * (3 << 20))), OK)
    yield ("A26", ".prj with a URL", named(dict(good, prj=b"http://127.0.0.1:9/x")), OK)
    yield ("A26", ".cpg that lies", named(dict(good, cpg=b"KLINGON")), OK)
    yield ("A27", "Access", {"a.mdb": b"\0\1\0\0Standard Jet DB\0" + b"\0" * 4096}, frozenset(["kind_unsupported"]))
    yield ("A27", "GPSBabel", {"GPSBabel:garmin:usb:.gpx": b"x"}, frozenset(["content_mismatch"]))
    tiff = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", 3) + b"".join(
        struct.pack("<HHII", t, 4, 1, v) for t, v in [(256, 0x7fffffff), (257, 0x7fffffff), (273, 8)]) + b"\0" * 4
    yield ("A25", "TIFF of 2^62 pixels", {"t.tif": tiff}, OK | UNREADABLE | {"no_georeference"})
    fgb = b"fgb\3fgb\0" + struct.pack("<I", 0x7fffffff) + b"\xff" * 64
    yield ("A25", "FlatGeobuf head of 2 GB", {"f.fgb": fgb}, UNREADABLE)
    rnd = random.Random(2)
    for i in range(10):
        yield ("A25", "random FlatGeobuf %d" % i, {"f.fgb": b"fgb\3fgb\0" + rnd.randbytes(400)}, OK | UNREADABLE)
        yield ("A25", "random TIFF %d" % i, {"t.tif": b"II*\0" + rnd.randbytes(400)},
               OK | UNREADABLE | {"no_georeference"})
        yield ("A25", "random PNG %d" % i, {"p.png": b"\x89PNG\r\n\x1a\n" + rnd.randbytes(400),
                                            "p.pgw": b"1\n0\n0\n-1\n0\n0\n"}, OK | UNREADABLE)
    yield ("A25", "ASCII grid of 2^60 cells", {"a.asc": b"ncols 1073741824\nnrows 1073741824\nxllcorner 0\nyllcorner 0\n"
                                               b"cellsize 1\n1 2 3\n"}, OK | UNREADABLE)


def cases(url, canary):
    yield from zip_cases()
    yield from xml_cases(url, canary)
    yield from json_cases(url, canary)
    yield from sqlite_cases(url, canary)
    yield from binary_cases()
