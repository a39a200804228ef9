#!/usr/bin/python3
"""Every word people read stands in both languages.

Goal: text.en and text.zh have the same keys with the same placeholders; every key that a template or the C
names is there; every problem code that C can make has its sentence; no key is there that nobody names.
One TAP line a finding.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"

# Families whose second half is a value: {{T "state." o.state}}; the values they can have.
FAMILIES = {
    "title": "selftest start login first password save csv srs time final failed later progress delete error dataset datasets "
             "dataset_delete export about tasks task datas datas_mine datas_item datas_model supermap_tokens admin admin_user "
             "admin_datasets admin_dataset admin_account",
    "signed.warned": "unsigned no_receivers",
    "verdict": "ok warn fail",
    "selftest": "transport transport.ok transport.warn https https.ok https.warn locks locks.ok locks.fail disk disk.ok "
                "disk.warn regions regions.ok regions.warn root root.ok root.warn space space.ok space.warn space.fail spawn "
                "spawn.ok spawn.fail work work.ok work.warn geo geo.ok geo.fail jail jail.ok jail.warn jail.fail crs crs.ok "
                "crs.warn cpu cpu.ok cpu.warn memory memory.ok memory.warn processes processes.ok processes.warn filesize "
                "filesize.ok filesize.warn mount mount.ok mount.fail streaming streaming.ok streaming.warn cut cut.ok cut.warn "
                "cut.fail body_128k body_128k.ok body_128k.fail body_1m body_1m.ok body_1m.fail body_8m body_8m.ok body_8m.fail "
                "body_64m body_64m.ok body_64m.warn chunked chunked.ok chunked.warn put put.ok put.fail patch patch.ok "
                "patch.fail delete delete.ok delete.fail head head.ok head.fail authorization authorization.ok "
                "authorization.warn header_4k header_4k.ok header_4k.fail header_8k header_8k.ok header_8k.warn header_16k "
                "header_16k.ok header_16k.warn early early.ok early.warn interim interim.ok interim.fail sendfile sendfile.ok "
                "sendfile.fail data data.ok data.warn data.fail outlives outlives.ok outlives.warn outlives.fail clock clock.ok "
                "clock.warn",
    "role": "user manager administrator",
    "step": "save csv srs check time run final",
    "trail": "done current todo skipped",
    "state": "READY PENDING WAITING RUNNING COMPLETE PROCESSED INCOMPLETE INVALID",
    "kind": "shp csv xlsx ods geojson kml kml-overlay gpx gml gpkg fgb tif asc png jpg zip-mosaic multi img jp2 ntf zip",
    "type": "vector raster table",
    "geometry": "Unknown None Point LineString Polygon MultiPoint MultiLineString MultiPolygon GeometryCollection CircularString "
                "CompoundCurve CurvePolygon MultiCurve MultiSurface Curve Surface PolyhedralSurface TIN Triangle",
    "coltype": "text integer real date datetime boolean time binary",
    "csv.reason": "name_and_values name_only survey_order swapped content none",
    "crs.source": "file match user none",
    "fit": "inside partly outside impossible unknown",
    "strategy": "LIST DISCRETE_INTERVAL CONTINUOUS_INTERVAL",
    "unit": "years months weeks days hours minutes seconds",
    "datas.type": "AUDIO COLOR COLORSCHEME CSV EXCEL FILLSYMBOL GEOJSON HBASE HDFS IMAGE JSON LAYERTEMPLATE LAYOUTTEMPLATE LINESYMBOL "
                  "MAPBOXSTYLE MAPTEMPLATE MARKERSYMBOL MBTILES PDF PHOTOS SHP SMTILES STRUCTUREDDATA SVTILES THEMETEMPLATE "
                  "TPK UDB UGCV5 UGCV5_MVT UNKNOWN VIDEO WORKENVIRONMENT WORKSPACE",
    "datas.order": "ID FILENAME LASTMODIFIEDTIME CREATETIME SIZE TYPE USERNAME DOWNLOADCOUNT",
    "datas.status": "CREATED DOEST_NOT_COMPLETE DOEST_NOT_EXIST MODIFYING OK",
    "datas.service": "DOES_NOT_INVOLVE PUBLISHED PUBLISHING PUBLISH_FAILED UNPUBLISHED UNPUBLISHED_FAILED DISENGAGED",
    "supermap_tokens.type": "RequestIP IP Referer NONE",
    "mail": "head.done head.failed receiver file rows message bad bad.more warning link",
    "tasks.kind": "receive import-table",
    "tasks.state": "queued running success failed",
    "access.word": "private view download",
    "phase": "inspect import export",
    "format": "gpkg geojson csv shp fgb kml xlsx tif",
    "progress": "queued READY NO_CRS ERROR COMPLETE CANCELED",
}
# Words that only the C asks for, by a key it puts together.
NOTES = ("admin_saved dataset_changed dataset_shared welcome deleted canceled logged_out password_changed dataset_deleted input_missing step_not_in_list "
         "step_out_of_order already_imported import_running stale_page")
# Sentences that clients of other systems compare (contracts' exact words), in English.
EXACT = {
    "problem.size_limit": "Total upload size exceeds {limit}. Please try again with smaller files.",
    "problem.open_sessions_limit": "The number of active parallel uploads exceeds ",
    "problem.bundle_incomplete": "{file} needs {missing}. Choose all files of the shapefile together, or zip them.",
    "problem.csv_columns_missing": "Please choose which columns contain the latitude and longitude data.",
    "problem.csv_column_unknown": "Invalid latitude/longitude columns",
    "problem.csv_same_column": "You cannot select the same column for latitude and longitude data.",
    "problem.permissions_invalid": "this field must be valid JSON",
    **{f"problem.{c}": "Source SRS is not valid" for c in
       "srs_missing srs_invalid srs_unknown srs_kind srs_offset_system srs_transform".split()},
    **{f"problem.{c}": "Target SRS is not valid" for c in "target_invalid target_unknown target_kind".split()},
}


def read(path):
    words, key = {}, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t":
            words[key] += " " + line.strip()
            continue
        key, eq, text = line.partition("=")
        key = key.strip()
        if not eq:
            yield_finding(f"{path.name}:{number}: not 'key = words'")
        elif key in words:
            yield_finding(f"{path.name}:{number}: {key} stands there twice")
        elif not text.strip():
            yield_finding(f"{path.name}:{number}: {key} says nothing")
        words[key] = text.strip()
    return words


ONE = ".one"      # the words where {count}, or without it {limit}, is 1
findings = []


def yield_finding(text):
    findings.append(text)


def placeholders(text):
    return sorted(re.findall(r"\{([^}]*)\}", text))


def template_keys():
    """Keys named in templates, and the heads of joined keys."""
    keys, heads = {}, {}
    for path in sorted(TEMPLATES.glob("*.html")):
        text = path.read_text(encoding="utf-8")
        for m in re.finditer(r'\{\{t "([^"]+)"([^}]*)\}\}', text):
            keys.setdefault(m[1], []).append((path.name, sorted(re.findall(r"(\w+)=", m[2]))))
        for m in re.finditer(r'\{\{T "([^"]+)"', text):
            heads.setdefault(m[1].rstrip("."), path.name)
    return keys, heads


def c_sources():
    for folder in ("src", "cgi-bin"):
        for path in sorted((ROOT / folder).rglob("*.c")):
            text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
            # A long string is written in pieces.
            yield path.relative_to(ROOT), re.sub(r'"\s+"', "", text)


def c_codes():
    """Problem codes by how C writes them, with the place."""
    code = r'"([a-z][a-z0-9_.]*)"'
    patterns = [
        rf'problem_new\({code}', rf'problem_new\([^;"]*\? {code} : {code}', rf'problem_new\([^;"]*: {code}',
        rf'error_code\([^;"]*{code}\)', rf'field_fail\([^;"]*, {code},', rf'problem_at\([^;]*?, {code}',
        rf'\bfail\([a-z_>&.-]+, {code}',
        rf'\bfail\([a-z_]+, [^;"]*\? {code} : {code}', rf'return {code};',
        rf'refuse\(c, {code}', rf'\bbad\(error, {code}', rf'too_large\(error, {code}\)',
    ]
    for path, text in c_sources():
        folder = path.parts[1] if path.parts[0] == "src" else ""
        for n, pattern in enumerate(patterns):
            # These two are words for codes only where problems are made.
            if n == 8 and path.name not in ("passwords.c",):
                continue
            for m in re.finditer(pattern, text):
                for c in m.groups():
                    # "field" and "wkt" are members that stand where a code could.
                    if c and c not in ("field", "wkt") and not (folder in ("http", "base") and path.name.startswith(("template", "words", "json"))):
                        yield c, f"{path}:{text.count(chr(10), 0, m.start()) + 1}"
        if path.name == "err.c":
            for m in re.finditer(r'\{"ERR_\w+", "([a-z_]+)"', text):
                yield m[1], str(path)


def main():
    en, zh = read(TEMPLATES / "text.en"), read(TEMPLATES / "text.zh")
    for words, name in ((en, "text.en"), (zh, "text.zh")):
        for key in sorted(words):
            if key.endswith(ONE) and (placeholders(words[key]) != placeholders(words.get(key[:-4], "")) or not re.search(r"\{(count|limit)\b", words[key])):
                yield_finding(f"{name}: {key} counts something else than {key[:-4]}")
    # A language without plurals has no words for one of something.
    en, zh = ({k: v for k, v in words.items() if not k.endswith(ONE)} for words in (en, zh))
    for key in sorted(set(en) ^ set(zh)):
        yield_finding(f"{key}: only in {'text.en' if key in en else 'text.zh'}")
    for key in sorted(set(en) & set(zh)):
        if placeholders(en[key]) != placeholders(zh[key]):
            yield_finding(f"{key}: placeholders differ: {placeholders(en[key])} {placeholders(zh[key])}")
    wanted = set()
    keys, heads = template_keys()
    for key, places in keys.items():
        wanted.add(key)
        for place, args in places:
            if key not in en:
                yield_finding(f"{place}: no words for {key}")
            elif args != sorted({p.partition(":")[0] for p in placeholders(en[key])}):
                yield_finding(f"{place}: {key} is given {args}, its words want {placeholders(en[key])}")
    for head, place in heads.items():
        if head not in FAMILIES:
            yield_finding(f"{place}: tell tests/lint/test_words.py which values {head}.* can have")
    for head, values in FAMILIES.items():
        wanted.update(f"{head}.{v}" for v in values.split())
    wanted.update(f"note.{n}" for n in NOTES.split())
    for path, text in c_sources():
        for m in re.finditer(r'(?:words_(?:get|fill)\([^;]*?|\bfind\(w, lang, )"([a-z_.]+[a-z_])"', text):
            wanted.add(m[1])
        for m in re.finditer(r'"(api\.limit\.[a-z]+|about\.[a-z]+)"', text):
            wanted.add(m[1])
        for m in re.finditer(r'[?&]note=([a-z_]+)"', text):
            if f"note.{m[1]}" not in en:
                yield_finding(f"{path}: no words for note.{m[1]}")
        if path.parts[1] in ("geo", "worker"):
            for m in re.finditer(r'job_progress\([^;"]*"[a-z]+", "([a-z_]+)"', text):
                wanted.add(f"progress.{m[1]}")
    places = {}
    for code, place in c_codes():
        places.setdefault(f"problem.{code}", place)
    wanted.update(places)
    for key in sorted(wanted - set(en)):
        yield_finding(f"{places.get(key, 'wanted')}: no words for {key}")
    for key, start in EXACT.items():
        if start not in en.get(key, ""):
            yield_finding(f"{key}: must hold “{start}”")
    for key in sorted(set(en) - wanted):
        family = key.partition(".")[0]
        if family == "hint" and "problem." + key[5:] not in en:
            yield_finding(f"{key}: there is no such problem")
        elif family not in ("hint", "problem", "progress", "coltype", "format"):
            yield_finding(f"{key}: nobody names it")
    for n, text in enumerate(findings, 1):
        print(f"not ok {n} - {text}")
    if not findings:
        print(f"ok 1 - {len(en)} keys in both languages, {len(wanted)} of them named")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
