"""Small files that tests upload, made from nothing, and what reads the answers: a browser without JavaScript."""
import html.parser
import io
import json
import os
import sqlite3
import struct
import subprocess
import tempfile
import urllib.parse
import zipfile
import zlib

WGS84 = ('GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
         'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]')


# ---- files

def shapefile(stem, points, fields=(), prj=None, **side):
    """Point shapefile as [(name, bytes)…].  FIELDS: (name, width, [bytes per point]); SIDE: cpg=b"…", and language=byte of the DBF."""
    language = side.pop("language", 0)
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    box = struct.pack("<4d", min(xs), min(ys), max(xs), max(ys)) + bytes(32)

    def head(words):
        return struct.pack(">i20xi", 9994, words) + struct.pack("<2i", 1000, 1) + box
    n = len(points)
    shp = head(50 + n * 14) + b"".join(struct.pack(">2i", i + 1, 10) + struct.pack("<i2d", 1, x, y)
                                       for i, (x, y) in enumerate(points))
    shx = head(50 + n * 4) + b"".join(struct.pack(">2i", 50 + i * 14, 10) for i in range(n))
    fields = list(fields) or [("name", 8, [b"p%d" % i for i in range(n)])]
    width = 1 + sum(f[1] for f in fields)
    dbf = struct.pack("<4B i 2H 17x B 2x", 3, 126, 1, 1, n, 33 + 32 * len(fields), width, language)
    for name, w, _ in fields:
        dbf += name.encode().ljust(11, b"\0") + b"C" + bytes(4) + bytes([w, 0]) + bytes(14)
    dbf += b"\r" + b"".join(b" " + b"".join(v[i][:w].ljust(w) for _, w, v in fields) for i in range(n)) + b"\x1a"
    out = [(f"{stem}.shp", shp), (f"{stem}.shx", shx), (f"{stem}.dbf", dbf)]
    if prj is not None:
        out.append((f"{stem}.prj", prj.encode()))
    return out + [(f"{stem}.{ext}", data) for ext, data in side.items()]


def zipped(members, name="data.zip", method=zipfile.ZIP_DEFLATED):
    """One zip file as (name, bytes)."""
    buf = io.BytesIO()
    with zipfile.ZipFile(buf, "w", method) as z:
        for member, data in members:
            z.writestr(member, data)
    return name, buf.getvalue()


def png(name, size=4):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes([(x * y * 9) % 256 for x in range(size)]) for y in range(size))
    return name, (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", size, size, 8, 0, 0, 0, 0)) +
                  chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def world(name, x=-81.7, y=12.6, step=0.001):
    return name, f"{step}\n0\n0\n-{step}\n{x}\n{y}\n".encode()


def grid(name, x=-81.7, y=12.5, cell=0.01, size=4):
    """ASCII grid."""
    rows = "\n".join(" ".join(str(r * size + c) for c in range(size)) for r in range(size))
    return name, (f"ncols {size}\nnrows {size}\nxllcorner {x}\nyllcorner {y}\ncellsize {cell}\n"
                  f"NODATA_value -9999\n{rows}\n").encode()


def geojson(name, points, **more):
    features = [{"type": "Feature", "properties": {"n": i}, "geometry": {"type": "Point", "coordinates": list(p)}}
                for i, p in enumerate(points)]
    return name, json.dumps({"type": "FeatureCollection", "features": features, **more}).encode()


def run(command, want, *inputs):
    """Output file WANT of a GDAL COMMAND run in a scratch folder with INPUTS (name, bytes); (name, bytes)."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, data in inputs:
            with open(os.path.join(scratch, name), "wb") as f:
                f.write(data)
        subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(os.path.join(scratch, want), "rb") as f:
            return want, f.read()


def geotiff(name, crs="EPSG:4326", **more):
    command = ["gdal_translate", "-q", *(["-a_srs", crs] if crs else []), "in.asc", name]
    return run(command, name, grid("in.asc", **more))


def flatgeobuf(name, points, crs="EPSG:4326"):
    if crs is not None:
        return run(["ogr2ogr", "-f", "FlatGeobuf", "-a_srs", crs, name, "in.geojson"], name, geojson("in.geojson", points))
    return run(["ogr2ogr", "-f", "FlatGeobuf", name, "in.shp"], name, *shapefile("in", points))


def geopackage(name, layers):
    """LAYERS: (table, points, crs or None)."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, name)
        for i, (table, points, crs) in enumerate(layers):
            source = os.path.join(scratch, f"{table}.geojson")
            with open(source, "wb") as f:
                f.write(geojson("x", points)[1])
            subprocess.run(["ogr2ogr", "-f", "GPKG", *(["-update"] if i else []), "-nln", table, "-a_srs", crs or "EPSG:4326",
                            out, source], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        db = sqlite3.connect(out)
        for table, _, crs in layers:
            if crs is None:      # GeoPackage's own word for "undefined"
                db.execute("UPDATE gpkg_contents SET srs_id = 0 WHERE table_name = ?", (table,))
                db.execute("UPDATE gpkg_geometry_columns SET srs_id = 0 WHERE table_name = ?", (table,))
        db.commit()
        db.close()
        with open(out, "rb") as f:
            return name, f.read()


# ---- a browser without JavaScript

class Page(html.parser.HTMLParser):
    """Forms, links and headings of one page."""
    VOID = {"input", "img", "br", "meta", "link", "hr"}

    def __init__(self, text):
        super().__init__()
        self.forms, self.links, self.h2, self.scripts, self.alerts = [], [], [], [], []
        self._form = self._select = self._area = self._heading = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            self._form = {"action": a.get("action", ""), "method": a.get("method", "get").lower(), "fields": [], "files": []}
            self.forms.append(self._form)
        elif tag == "a" and "href" in a:
            self.links.append(a["href"])
        elif tag == "script":
            self.scripts.append(a.get("src"))
        elif tag == "h2":
            self._heading = []
        elif self._form is not None and a.get("name"):
            kind = a.get("type", "text")
            if tag == "input" and kind == "file":
                self._form["files"].append(a["name"])
            elif tag == "input" and (kind not in ("checkbox", "radio", "submit", "button") or "checked" in a):
                self._form["fields"].append((a["name"], a.get("value", "on" if kind in ("checkbox", "radio") else "")))
            elif tag == "select":
                self._select = {"name": a["name"], "first": None, "value": None}
            elif tag == "textarea":
                self._area = (a["name"], [])
        if tag == "option" and self._select is not None:
            self._option = a.get("value")
            self._selected = "selected" in a
            if self._option is not None:
                self._choose(self._option)
        if a.get("role") == "alert":
            self.alerts.append(a)

    def _choose(self, value):
        if self._select["first"] is None:
            self._select["first"] = value
        if self._selected and self._select["value"] is None:
            self._select["value"] = value

    def handle_data(self, data):
        if self._heading is not None:
            self._heading.append(data)
        if self._area is not None:
            self._area[1].append(data)
        if self._select is not None and getattr(self, "_option", "") is None:
            self._choose(data)
            self._option = ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        elif tag == "h2" and self._heading is not None:
            self.h2.append("".join(self._heading))
            self._heading = None
        elif tag == "select" and self._select is not None:
            value = self._select["value"] if self._select["value"] is not None else self._select["first"]
            if value is not None:
                self._form["fields"].append((self._select["name"], value))
            self._select = None
        elif tag == "textarea" and self._area is not None:
            self._form["fields"].append((self._area[0], "".join(self._area[1]).lstrip("\n")))
            self._area = None

    def form(self, action):
        for f in self.forms:
            if urllib.parse.urlsplit(f["action"]).path == action:
                return f
        raise AssertionError(f"no form for {action}: {[f['action'] for f in self.forms]}")


HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Browser:
    """Keeps cookies, follows redirects, fills forms; remembers every status it met."""

    def __init__(self, server, name, password):
        self.server, self.cookies, self.statuses, self.url, self.answer = server, {}, [], "/", None
        self.open("/login")
        self.submit("/login", username=name, password=password)

    def _ask(self, method, url, **kw):
        headers = {"Accept": HTML, **kw.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        if method == "POST":
            a = self.server.post(url, accept=HTML, user=None, headers=headers, **kw)
        else:
            a = self.server.get(url, user=None, headers=headers, **kw)
        for line in a.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        self.statuses.append(a.status)
        self.url, self.answer = url, a
        return a

    def _follow(self, a, seconds=30):
        import time
        end = time.monotonic() + seconds
        while True:
            if a.status in (301, 302, 303, 307, 308):
                a = self._ask("GET", a.header("Location"))
            elif a.status == 200 and a.header("Refresh") and time.monotonic() < end:
                time.sleep(0.2)      # the page asks for itself again, or for another
                a = self._ask("GET", a.header("Refresh").partition("url=")[2] or self.url)
            else:
                return a

    @property
    def page(self):
        return Page(self.answer.text)

    def open(self, url):
        return self._follow(self._ask("GET", url))

    def submit(self, where, files=(), follow=True, **values):
        """Send the page's form for WHERE as it stands, with VALUES put in (None: left out)."""
        form = self.page.form(where)
        fields = [(k, v) for k, v in form["fields"] if k not in values]
        for k, v in values.items():
            fields += [(k, x) for x in (v if isinstance(v, list) else [v]) if x is not None]
        a = self._ask("POST", form["action"], fields=fields, files=files)
        return self._follow(a) if follow else a


# ---- sessions

def drop(server, *answers, **kw):
    """Delete the sessions of ANSWERS; nobody may have more than 50 open ones."""
    for a in answers:
        got = server.post(f"/upload/delete/{a.json['id']}", accept="application/json", **kw)
        assert got.status == 200, got


def refused(a, status, code, *words):
    """The error shape of wizard.md 6.3 with STATUS and CODE; every one of WORDS stands in the message."""
    assert a.status == status, a
    j = a.json
    assert j["success"] is False and j["status"] == "error" and j["code"] == code, a
    assert j["errors"] and j["errors"] == j["errormsgs"] and j["request_id"], a
    assert j["error_msg"] == j["details"][0]["message"] and j["details"][0]["code"] == code, a
    assert {"field", "file", "layer", "row", "column", "value", "hint"} <= j["details"][0].keys(), a
    for w in words:
        assert w in j["error_msg"], (w, j["error_msg"])
    return j["details"][0]
