"""Goal: the reference system is read from the file, asked when it is missing, checked when it is given
(contracts: wizard 10; cases 14, 15, 16, 17 and 21's rows of srs)."""
import concurrent.futures
import fcntl
import sys
import time
import urllib.parse

from harness import USER, main
from made import HTML, WGS84, Browser, Page, drop, flatgeobuf, geojson, geopackage, geotiff, grid, refused, run, shapefile
from steps import finished, get, post, saved, table

JSON = "application/json"
GEOSERVER = ('GEOGCS["WGS 84", DATUM["World Geodetic System 1984", SPHEROID["WGS 84", 6378137.0, 298.257223563, '
             'AUTHORITY["EPSG","7030"]], AUTHORITY["EPSG","6326"]], PRIMEM["Greenwich", 0.0, AUTHORITY["EPSG","8901"]], '
             'UNIT["degree", 0.017453292519943295], AXIS["Geodetic longitude", EAST], AXIS["Geodetic latitude", NORTH], '
             'AUTHORITY["EPSG","4326"]]')
CALIFORNIA6 = ('PROJCS["NAD_1983_StatePlane_California_VI_FIPS_0406_Feet",GEOGCS["GCS_North_American_1983",'
               'DATUM["D_North_American_1983",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],'
               'UNIT["Degree",0.0174532925199433]],PROJECTION["Lambert_Conformal_Conic"],PARAMETER["False_Easting",6561666.666666666],'
               'PARAMETER["False_Northing",1640416.666666667],PARAMETER["Central_Meridian",-116.25],'
               'PARAMETER["Standard_Parallel_1",32.78333333333333],PARAMETER["Standard_Parallel_2",33.88333333333333],'
               'PARAMETER["Latitude_Of_Origin",32.16666666666666],UNIT["Foot_US",0.3048006096012192]]')
LOCAL = 'LOCAL_CS["site grid",UNIT["metre",1]]'
CUSTOM = ('PROJCS["somewhere",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
          'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
          'PARAMETER["False_Easting",123.0],PARAMETER["False_Northing",456.0],PARAMETER["Central_Meridian",7.77],'
          'PARAMETER["Scale_Factor",0.9],PARAMETER["Latitude_Of_Origin",1.0],UNIT["Meter",1.0]]')


def without_crs(server, points=((1, 2), (3, 4)), name="points", **kw):
    a = server.save(*shapefile(name, list(points)), strict=False, **kw)
    assert a.status == 200 and a.json["required_input"] is True, a
    return a


def crs_of(server, session):
    a = server.wait_finished(session)
    assert a.json["status"] == "finished", a
    return a.json["crs"]["properties"]


def search(server, q, **more):
    a = server.get("/upload/crs?" + urllib.parse.urlencode({"q": q, **more}))
    assert a.status == 200 and a.json["query"] == q, a
    return a.json


# ---- what the file says

def test_file_of_geoserver_is_epsg_4326(server):
    a = server.save(*shapefile("geoserver", [(116.4, 39.9)], prj=GEOSERVER), strict=False)
    assert "required_input" not in a.json, a
    final = server.wait_finished(a.json["id"]).json
    assert final["crs"]["properties"] == "EPSG:4326" and final["bbox"] == "116.4,39.9,116.4,39.9", final


def test_esri_file_of_california_is_matched(server):
    a = server.save(*shapefile("california", [(6_500_000, 1_900_000)], prj=CALIFORNIA6), strict=False)
    assert "required_input" not in a.json, a
    assert crs_of(server, a.json["id"]) == "EPSG:2230"


def test_a_perhaps_is_told_with_its_code(server):
    a = server.save(*shapefile("perhaps", [(1, 2)], prj=WGS84.replace("GCS_WGS_1984", "here")), strict=False)
    told = [w["message"] for w in a.json.get("warnings", []) if w["code"] == "crs_uncertain"]
    assert told and "EPSG:" in told[0] and "crs_uncertain" not in told[0], a


UTM50 = (f'PROJCS["WGS_1984_UTM_Zone_50N",{WGS84},PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],'
         'PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",117.0],PARAMETER["Scale_Factor",0.9996],'
         'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]')
HEIGHTS = (',VERTCS["WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PARAMETER["Vertical_Shift",0.0],'
           'PARAMETER["Direction",1.0],UNIT["Meter",1.0]]')


def test_definition_with_heights_has_the_code_of_the_plane(server):
    """ArcGIS writes VERTCS behind the system of data with heights."""
    for prj, want in ((WGS84, "EPSG:4326"), (UTM50, "EPSG:32650")):
        name = "height.geojson"
        files = [run(["ogr2ogr", "-f", "ESRI Shapefile", "height.shp", name], f"height.{ext}", geojson(name, [(1, 2, 3)]))
                 for ext in ("shp", "shx", "dbf")]
        a = server.save(*files, ("height.prj", (prj + HEIGHTS).encode()), strict=False)
        assert "required_input" not in a.json and not [w for w in a.json.get("warnings", []) if w["code"] == "crs_uncertain"], a
        assert crs_of(server, a.json["id"]) == want, prj


def test_definition_in_any_encoding(server):
    for prj, want in ((WGS84.encode("utf-8-sig"), "EPSG:4326"), (CUSTOM.replace("somewhere", "北京地方").encode("gbk"), "北京地方")):
        files = [(n, prj if n.endswith(".prj") else data) for n, data in shapefile("coded", [(100, 39)], prj=WGS84)]
        a = server.save(*files, strict=False)
        assert "required_input" not in a.json, a
        assert crs_of(server, a.json["id"]) == want, want


def test_definition_without_a_code_is_used_as_it_is(server):
    a = server.save(*shapefile("custom", [(10_000, 20_000)], prj=CUSTOM), strict=False)
    assert "required_input" not in a.json, a
    page = server.get(f"/upload/srs?id={a.json['id']}", accept=HTML)
    assert page.status == 200 and "somewhere" in page.text
    final = server.wait_finished(a.json["id"]).json
    assert final["status"] == "finished" and final["crs"]["properties"] == "somewhere", final["crs"]


def test_file_that_says_nothing_usable_is_asked(server):
    for prj in (None, LOCAL, "this is no WKT", ""):
        a = server.save(*shapefile("nothing", [(1, 2)], prj=prj), strict=False)
        assert a.json.get("required_input") is True and "/upload/srs" in a.json["redirect_to"], (prj, a)
        page = server.get(f"/upload/srs?id={a.json['id']}", accept=JSON).json["page"]
        assert page["required"] is True and page["layers"][0]["crs"]["source"] == "none", page
        assert not page["layers"][0]["crs"].get("code")
        drop(server, a)


def test_what_a_user_chose_last_is_suggested_first(server):
    def suggested(**kw):
        a = without_crs(server, [(230_000, 900_000)], **kw)
        page = server.get(f"/upload/srs?id={a.json['id']}", accept=JSON, **kw).json["page"]
        return a.json["id"], [c["code"] for c in page["supported_crs"]]

    session, before = suggested()
    assert "EPSG:2249" not in before, before
    a = server.post(f"/upload/srs?id={session}", {"source": "EPSG:2249"}, accept=JSON)
    assert a.status == 200, a
    session, now = suggested()
    assert now == ["EPSG:2249"] + before, (before, now)
    assert suggested(user="otto")[1] == before      # another user's is no business of theirs
    # What the file said was no choice of the user's.
    a = server.save(*shapefile("own", [(116.4, 39.9)], prj=GEOSERVER))
    server.post(f"/upload/srs?id={a.json['id']}", {"source": "file"}, accept=JSON)
    assert suggested()[1] == now
    server.post(f"/upload/srs?id={session}", {"source": "EPSG:26986"}, accept=JSON)
    assert suggested()[1] == ["EPSG:26986"] + before


def test_an_impossible_place_is_told_in_numbers(server):
    a = without_crs(server, [(230_000, 900_000), (230_100, 900_100)])
    page = server.post(f"/upload/srs?id={a.json['id']}", {"source": "EPSG:4326", "csrfmiddlewaretoken": "x"}, accept=HTML)
    assert page.status == 400 and "230000.00" in page.text and "900100.00" in page.text and " ?," not in page.text, page


def test_a_definition_that_was_typed_stays_on_the_page(server):
    a = without_crs(server, [(10, 20)])
    path = f"/upload/srs?id={a.json['id']}"
    text = 'PROJCS["no such thing"'
    b = server.post(path, {"source_wkt": text}, accept=JSON)
    assert b.status == 400 and b.json["page"]["source_wkt"] == text, b
    b = server.post(path, {"source_wkt": CUSTOM}, accept=JSON)
    assert b.status == 200, b
    page = server.get(path, accept=HTML)
    assert page.status == 200 and "PROJCS[&quot;somewhere&quot;" in page.text.replace("&#34;", "&quot;"), page
    assert server.get(f"/upload/srs?id={without_crs(server).json['id']}", accept=JSON).json["page"]["source_wkt"] == ""


# ---- what is sent

def test_every_spelling_is_taken(server):
    a = without_crs(server)
    n = a.json["id"]
    for text in ("EPSG:4326", "epsg:4326", "EPSG4326", "4326", " EPSG:4326 ", "urn:ogc:def:crs:EPSG::4326",
                 "http://www.opengis.net/def/crs/EPSG/0/4326", "https://www.opengis.net/def/crs/EPSG/0/4326"):
        b = server.post(f"/upload/srs?id={n}", {"source": text, "target": ""})
        assert b.json["status"] == "incomplete" and f"/upload/check?id={n}" in b.json["redirect_to"], (text, b)
        assert server.get(f"/upload/srs?id={n}", accept=JSON).json["page"]["layers"][0]["crs"]["code"] == "EPSG:4326", text
    b = server.post(f"/upload/srs?id={n}", {"srs": "ESRI:54009"})      # the alias, another authority
    assert b.json["success"] is True, b
    b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:3785"})
    w = [x for x in b.json["warnings"] if x["code"] == "crs_deprecated"]
    assert w and "3857" in w[0]["message"], b
    drop(server, a)


def test_wrong_sources_are_named(server):
    a = without_crs(server)
    n = a.json["id"]
    cases = [({"source": "EPSG:999999"}, "srs_unknown"), ({"source": "foo"}, "srs_invalid"), ({"source": "EPSG:4978"}, "srs_kind"),
             ({"source": ""}, "srs_missing"), ({}, "srs_missing"), ({"source": "file"}, "srs_missing"),
             ({"source": "EPSG:5773"}, "srs_kind"), ({"source": "GCJ-02"}, "srs_offset_system"), ({"source": "BD09"}, "srs_offset_system"),
             ({"source_wkt": "GEOGCS[" + "x" * 20000}, "srs_invalid"), ({"source_wkt": "garbage"}, "srs_invalid"),
             ({"source_wkt": 'GEOGCS["broken'}, "srs_invalid"), ({"source": "EPSG:4326", "target": "foo"}, "target_invalid"),
             ({"source": "EPSG:4326", "target": "EPSG:999999"}, "target_unknown"), ({"source": "EPSG:4326", "target": "EPSG:4978"}, "target_kind"),
             ({"source": "EPSG:4326", "layer": "no such"}, "layer_unknown")]
    before = server.traces()
    for fields, code in cases:
        word = "Target SRS is not valid" if code.startswith("target") else "" if code.startswith("layer") else "Source SRS is not valid"
        refused(server.post(f"/upload/srs?id={n}", fields), 200, code, word)
        b = server.post(f"/upload/srs?id={n}", fields, accept=JSON)
        refused(b, 400, code, word)
        assert b.json["page"]["layers"], "the page comes along"
        h = server.post(f"/upload/srs?id={n}", fields, accept=HTML)
        assert h.status == 400 and Page(h.text).alerts, h
    d = refused(server.post(f"/upload/srs?id={n}", {"source": "EPSG:999999"}), 200, "srs_unknown")
    assert d["value"] == "EPSG:999999" and d["field"] == "source" and "EPSG:" in d["message"].split("Near it are")[1], d
    d = refused(server.post(f"/upload/srs?id={n}", {"source": "EPSG:4978"}), 200, "srs_kind", "WGS 84")
    one_mib = urllib.parse.urlencode({"source_wkt": "x" * (1 << 20)}).encode()
    b = server.request("POST", f"/upload/srs?id={n}", body=one_mib, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert b.status in (400, 413) and b.json["success"] is False, b
    assert server.traces() == before and server.get(f"/upload/srs?id={n}&force_ajax=true").json["session"]["rev"] == 0
    drop(server, a)


def test_definition_is_sent_as_text(server):
    a = without_crs(server, name="wkt")
    n = a.json["id"]
    b = server.post(f"/upload/srs?id={n}", {"source_wkt": WGS84})
    assert b.json["status"] == "incomplete", b
    assert crs_of(server, n) in ("EPSG:4326", "GCS_WGS_1984", "WGS 84")
    a = without_crs(server, [(500000, 0)], name="proj")
    b = server.post(f"/upload/srs?id={a.json['id']}", {"source_wkt": "+proj=utm +zone=33 +datum=WGS84 +units=m"})
    assert b.json["status"] == "incomplete", b
    assert server.wait_finished(a.json["id"]).json["status"] == "finished"


def test_target_reprojects(server):
    a = without_crs(server, [(0, 0), (10, 10)], name="target")
    n = a.json["id"]
    b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326", "target": "3857"})
    assert b.json["success"] is True, b
    final = server.wait_finished(n).json
    assert final["crs"]["properties"] == "EPSG:3857", final
    assert [round(float(x)) for x in final["bbox"].split(",")] == [0, 0, 1113195, 1118890], final["bbox"]


def test_file_is_overruled(server):
    a = server.save(*shapefile("overruled", [(116.4, 39.9)], prj=WGS84), strict=False)
    n = a.json["id"]
    b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4490"})
    assert b.json["success"] is True, b
    assert crs_of(server, n) == "EPSG:4490"
    a = server.save(*shapefile("kept", [(116.4, 39.9)], prj=WGS84), strict=False)
    b = server.post(f"/upload/srs?id={a.json['id']}", {"source": "file"})
    assert b.json["success"] is True, b
    assert crs_of(server, a.json["id"]) == "EPSG:4326"
    # Silence is not "file".
    a = server.save(*shapefile("silent", [(116.4, 39.9)], prj=WGS84), strict=False)
    refused(server.post(f"/upload/srs?id={a.json['id']}", {}), 200, "srs_missing", "Source SRS is not valid")
    drop(server, a)


# ---- plausibility

def test_impossible_and_outside_systems_ask_people_and_warn_programs(server):
    millions = [(871_000, 2_900_000), (872_000, 2_901_000)]
    a = without_crs(server, [(-81.7 * 1e5, 12.5 * 1e5)] + millions, name="millions")
    n = a.json["id"]
    page = server.get(f"/upload/srs?id={n}", accept=JSON).json["page"]
    assert "EPSG:4326" not in [c["code"] for c in page["supported_crs"]], page["supported_crs"]
    assert all(c["fit"] != "impossible" for c in page["supported_crs"])
    h = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"}, accept=HTML)
    assert h.status == 400 and 'name="confirm"' in h.text and "beyond what it can hold" in h.text, h
    b = server.post(f"/upload/srs?id={n}", {"source": "EPSG:4326"})
    w = {x["code"]: x for x in b.json["warnings"]}
    assert b.json["success"] is True and "crs_implausible" in w and "impossible" in w["crs_implausible"].get("fit", "impossible"), b
    drop(server, a)
    # A Massachusetts system with Caribbean points: outside, accepted once confirmed.
    a = without_crs(server, [(1_000_000, -8_000_000), (1_000_100, -8_000_100)], name="outside")
    n = a.json["id"]
    h = server.post(f"/upload/srs?id={n}", {"source": "EPSG:2249"}, accept=HTML)
    assert h.status == 400 and 'name="confirm"' in h.text, h
    h = server.post(f"/upload/srs?id={n}", {"source": "EPSG:2249", "confirm": "true"}, accept=HTML)
    assert h.status == 303 and f"/upload/final?id={n}" in h.header("Location"), h
    drop(server, a)
    a = without_crs(server, [(1_000_000, -8_000_000)], name="outside")
    b = server.post(f"/upload/srs?id={a.json['id']}", {"source": "EPSG:2249"})
    assert b.json["success"] is True and "crs_implausible" in [x["code"] for x in b.json["warnings"]], b
    assert crs_of(server, a.json["id"]) == "EPSG:2249"


def test_one_slip_of_the_pen_makes_no_system_wrong(server):
    """The row gets no place: what it says is no part of where the data lie."""
    n = saved(server, table("slip.csv", "lat,lng,name", *(f"{i},{i},row" for i in range(40)), "91,10,slip"))
    a = post(server, n, "csv", lat="lat", lng="lng")
    assert [w["code"] for w in a.json["warnings"]] == ["csv_out_of_range"], a
    assert get(server, n, "srs").json["page"]["source"] == "EPSG:4326"
    assert post(server, n, "srs", accept=HTML, source="EPSG:4326").status == 303
    assert finished(server, n)["rows"] == {"total": 41, "imported": 41, "without_geometry": 1, "skipped": 0}


def test_suggestions_fit_the_extent(server):
    a = without_crs(server, [(116.3, 39.9), (116.5, 40.1)], name="beijing")
    page = server.get(f"/upload/srs?id={a.json['id']}", accept=JSON).json["page"]
    codes = [c["code"] for c in page["supported_crs"]]
    assert "EPSG:4326" in codes and "EPSG:4490" in codes, codes
    assert all(c["fit"] in ("inside", "partly", "outside", "unknown") and c["name"] for c in page["supported_crs"])
    layer = page["layers"][0]
    assert layer["count"] == 2 and layer["extent"] == [116.3, 39.9, 116.5, 40.1] and layer["geometry"] == "Point", layer
    assert layer["selected"] is True and page["name"] == "beijing" and page["target"] == ""
    drop(server, a)
    # Gauss-Kruger coordinates with their zone: the zone is proposed.
    a = without_crs(server, [(39_450_000, 4_420_000), (39_460_000, 4_430_000)], name="zone")
    page = server.get(f"/upload/srs?id={a.json['id']}", accept=JSON).json["page"]
    assert "EPSG:4527" in [c["code"] for c in page["supported_crs"]], page["supported_crs"]
    drop(server, a)


# ---- search

def test_search_by_number(server):
    a = search(server, "4513")
    assert a["results"][0]["code"] == "EPSG:4513" and a["results"][0]["kind"] == "projected", a["results"][:2]
    first = a["results"][0]
    assert {"code", "name", "kind", "unit", "area", "bbox", "deprecated", "replaced_by"} <= first.keys(), first
    assert first["unit"] == "metre" and len(first["bbox"]) == 4 and first["deprecated"] is False and first["replaced_by"] is None
    assert "fit" not in first
    a = search(server, "3785")
    assert a["results"][0]["code"] == "EPSG:3785" and a["results"][0]["deprecated"] is True
    assert a["results"][0]["replaced_by"] == "EPSG:3857", a["results"][0]
    a = search(server, "EPSG:4326")
    assert a["results"][0]["code"] == "EPSG:4326"
    a = search(server, "432", limit=100)
    assert a["total"] >= len(a["results"]) > 1 and all(r["code"].startswith("EPSG:432") for r in a["results"]), a["results"][:3]


def test_search_by_words(server):
    a = search(server, "beijing 1954")
    assert a["results"][0]["code"] == "EPSG:4214" and a["total"] > 20 and len(a["results"]) == 20, a["results"][:2]
    assert all(r["deprecated"] is False for r in a["results"])
    for q, want in (("西安80", "Xian 1980"), ("北京54", "Beijing 1954"), ("国家2000", "2000"), ("墨卡托", "Mercator"), ("香港", "Hong Kong")):
        a = search(server, q)
        assert a["total"] > 0 and want in a["results"][0]["name"], (q, a["results"][:2])
    a = search(server, "三度带 39带")
    assert a["total"] > 0 and all("39" in r["name"] for r in a["results"][:3]), a["results"][:3]
    assert any(r["code"] == "EPSG:4527" for r in search(server, "国家2000 三度带 39带")["results"])
    a = search(server, "no such system anywhere")
    assert a["results"] == [] and a["total"] == 0
    a = search(server, "")
    assert [r["code"] for r in a["results"]][:4] == ["EPSG:3857", "EPSG:4490", "EPSG:4214", "EPSG:4610"], a["results"]
    assert len(search(server, "utm", limit=1000)["results"]) <= 100
    assert len(search(server, "utm", limit=3)["results"]) == 3


def test_search_with_a_session_tells_the_fit(server):
    a = without_crs(server, [(116.3, 39.9)], name="fit")
    r = search(server, "4326", id=a.json["id"])["results"][0]
    assert r["fit"] == "inside", r
    r = search(server, "2249", id=a.json["id"])["results"][0]
    assert r["fit"] in ("outside", "impossible"), r
    refused(server.get(f"/upload/crs?q=4326&id={a.json['id']}", user="otto"), 404, "not_found")
    drop(server, a)


def test_search_without_scripts(server):
    b = Browser(server, *USER)
    b.open("/upload/")
    b.submit("/upload/", files=[("files",) + f for f in shapefile("noscript", [(116.3, 39.9)])])
    b.submit("/upload/srs", action="search", q="beijing 1954")
    assert b.answer.status == 200 and b.url.startswith("/upload/srs") and 'value="EPSG:4214"' in b.answer.text, b.answer
    n = b.url.partition("id=")[2]
    assert server.get(f"/upload/srs?id={n}&force_ajax=true").json["session"]["rev"] == 0, "nothing is stored"


# ---- several layers

def test_geopackage_with_three_layers(server):
    package = geopackage("three.gpkg", [("rivers", [(1, 2), (3, 4)], "EPSG:4326"), ("roads", [(10, 20)], "EPSG:4326"),
                                        ("lost", [(5, 6)], None)])
    a = server.save(package)
    n = a.json["id"]
    assert a.status == 201 and a.json["required_input"] is True and f"/upload/srs?id={n}" in a.json["redirect_to"], a
    page = server.get(f"/upload/srs?id={n}", accept=JSON).json["page"]
    by = {l["name"]: l for l in page["layers"]}
    assert set(by) == {"rivers", "roads", "lost"} and by["lost"]["crs"]["source"] == "none" and by["rivers"]["crs"]["code"] == "EPSG:4326", page
    html = server.get(f"/upload/srs?id={n}", accept=HTML).text
    assert all(name in html for name in by)
    refused(server.post(f"/upload/srs?id={n}", [("layer", "lost"), ("source", "foo")], accept=JSON), 400, "srs_invalid")
    b = server.post(f"/upload/srs?id={n}", [("layer", "rivers"), ("layer", str(by["lost"]["i"])), ("source", "EPSG:4490")], accept=JSON)
    assert b.status == 200 and b.json["success"] is True, b
    f = server.wait_finished(n)
    assert f.json["status"] == "finished" and len(f.json["datasets"]) == 2, f
    got = {d["name"]: d["crs"] for d in f.json["datasets"]}
    assert got == {"rivers": "EPSG:4326", "lost": "EPSG:4490"}, got
    assert all(d["status"] == "imported" for d in f.json["datasets"])
    # Compat clients go to final, which asks.
    c = server.save(package, strict=False)
    assert c.json["status"] == "ready" and "/upload/final" in c.json["redirect_to"], c
    refused(server.get(f"/upload/final?id={c.json['id']}"), 200, "input_missing")
    drop(server, c)


def test_layers_each_with_their_own_source(server):
    package = geopackage("two.gpkg", [("a", [(1, 2)], None), ("b", [(500000, 4000000)], None)])
    a = server.save(package)
    n = a.json["id"]
    page = server.get(f"/upload/srs?id={n}", accept=JSON).json["page"]
    i = {l["name"]: l["i"] for l in page["layers"]}
    b = server.post(f"/upload/srs?id={n}", {f"source_{i['a']}": "EPSG:4326", f"source_{i['b']}": "EPSG:32633"}, accept=JSON)
    assert b.json["success"] is True, b
    d = refused(server.post(f"/upload/srs?id={n}", {f"source_{i['a']}": "EPSG:4326", f"source_{i['b']}": "nonsense"}, accept=JSON),
                400, "srs_invalid")
    assert d["field"] == f"source_{i['b']}" and d["layer"] == "b", d
    f = server.wait_finished(n)
    assert {d["name"]: d["crs"] for d in f.json["datasets"]} == {"a": "EPSG:4326", "b": "EPSG:32633"}, f


def test_html_with_several_layers_asks_which(server):
    a = server.save(geopackage("ask.gpkg", [("x", [(1, 2)], "EPSG:4326"), ("y", [(3, 4)], "EPSG:4326")]), strict=False)
    n = a.json["id"]
    h = server.get(f"/upload/?id={n}", accept=HTML)
    assert h.status == 303 and h.header("Location") == f"/upload/srs?id={n}", h
    b = Browser(server, *USER)
    b.open(f"/upload/srs?id={n}")
    names = [v for k, v in b.page.form("/upload/srs")["fields"] if k == "layer"]
    assert len(names) == 2, "all are preselected"
    b.submit("/upload/srs", action="next")
    assert b.url.startswith("/upload/final"), (b.url, b.answer)
    drop(server, a)


def test_flatgeobuf_without_crs_asks(server):
    a = server.save(flatgeobuf("fgb.fgb", [(1, 2)], crs=None))
    assert a.json.get("required_input") is True and "/upload/srs" in a.json["redirect_to"], a
    drop(server, a)
    a = server.save(flatgeobuf("fgb.fgb", [(1, 2)]))
    assert a.json["status"] == "ready" and "/upload/final" in a.json["redirect_to"], a
    assert crs_of(server, a.json["id"]) == "EPSG:4326"


def test_a_user_who_asks_much_at_once_waits(server):
    """Each question is a process: three of a user's at once, eight wait, others are told to come again; nobody else waits for him."""
    utm = ((500000, 5000000), (500100, 5000100))
    mine, his = (without_crs(server, utm, user=user).json["id"] for user in ("mei", "otto"))

    def preview(n, user="mei"):
        return server.get(f"/upload/preview?id={n}&layer=0&srs=EPSG:32632", accept=JSON, user=user)
    assert preview(mine).status == 200
    owner = 2166136261
    for byte in b"u:mei":
        owner = (owner ^ byte) * 16777619 & 0xffffffff
    with open(f"{server.data}/locks/ask", "r+b") as asked, concurrent.futures.ThreadPoolExecutor(1) as pool:
        fcntl.lockf(asked, fcntl.LOCK_EX, 11, owner * 11)
        a = preview(mine)
        assert (a.status, a.json["code"], a.header("Retry-After")) == (429, "rate", "1"), a
        a = server.get(f"/upload/crs?q=utm&id={mine}", accept=JSON)
        assert a.status == 200 and a.json["results"] and "fit" not in a.json["results"][0], a
        assert preview(his, "otto").status == 200
        fcntl.lockf(asked, fcntl.LOCK_UN, 8, owner * 11 + 3)
        waiting = pool.submit(preview, mine)
        time.sleep(0.3)
        assert not waiting.done(), waiting.result()
        fcntl.lockf(asked, fcntl.LOCK_UN, 1, owner * 11)
        assert waiting.result().status == 200, waiting.result()
    assert server.get(f"/upload/crs?q=utm&id={mine}", accept=JSON).json["results"][0]["fit"]


if __name__ == "__main__":
    main(sys.modules[__name__])
