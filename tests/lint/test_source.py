#!/usr/bin/python3
"""What the source promises about itself.

Goal: includes go downwards only; each foreign header has one home; headers compile alone; no program links both
Berkeley DB and GDAL; functions that cannot be used safely are not used; both build inputs and text hold no secrets of
one machine; lines, functions and files stay short and laid out alike.  One TAP line a rule.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLIPWAY_BUILD", ROOT / "build"))

# What each folder may include from src/.
MAY = {
    "base": "base", "http": "base http", "wizard": "base wizard", "catalog": "base catalog", "store": "base store",
    "upload": "base store upload", "area": "base area", "signed": "base store wizard signed",
    "views": "base http store upload wizard catalog signed area views",
    "worker": "base store upload wizard catalog signed area worker", "geo": "base wizard area geo",
    "admin": "base store upload wizard catalog signed area worker admin", "cgi-bin": "base http store upload wizard catalog signed views",
}
# A foreign header's homes: folder, or one file.
HOMES = {
    r"db\.h": ["src/store"], r"fcgi\w*\.h": ["src/http/transport.c", "src/http/records"],
    r"sqlite3\.h": ["src/catalog", "src/geo", "src/signed/"], r"libpq-fe\.h": ["src/signed/"],
    r"(gdal|ogr|cpl_)\w*\.h": ["src/geo"], r"proj\.h": ["src/geo"], r"seccomp\.h": ["src/geo"], r"zip\.h": ["src/geo"],
    r"expat\.h": ["src/geo", "src/http/xmlbody.c"], r"ini\.h": ["src/base"], r"utf8proc\.h": ["src/base"], r"uchardet\S*\.h": ["src/base"],
    r"crypt\.h": ["src/store"], r"(pack|sbuffer)\.h": ["src/http/msgpack.c"], r"zlib\.h": ["src/http/inflate.c"],
    r"curl\.h": ["src/admin", "src/worker"],
}
FORBIDDEN = r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|alloca|strtok|tmpnam|mktemp)\s*\("


def sources():
    for pattern in ("src/**/*.c", "src/**/*.h", "cgi-bin/*.c"):
        yield from sorted(ROOT.glob(pattern))


def folder_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "src" else parts[0]


def includes_go_downwards():
    for path in sources():
        for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M):
            if name.split("/")[0] not in MAY[folder_of(path)].split():
                yield f"{path.relative_to(ROOT)} includes {name}"


def foreign_headers_have_one_home():
    for path in sources():
        rel = str(path.relative_to(ROOT))
        for name in re.findall(r"^#include <([^>]+)>", path.read_text(), re.M):
            for pattern, homes in HOMES.items():
                if re.fullmatch(pattern, name.split("/")[-1]) and not any(rel.startswith(h) for h in homes):
                    yield f"{rel} includes <{name}>"


def unsafe_functions_are_not_used():
    for path in sources():
        text = re.sub(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"", "", path.read_text(), flags=re.S)
        for hit in re.findall(FORBIDDEN, text):
            yield f"{path.relative_to(ROOT)} calls {hit}"


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")
    return [ROOT / n for n in names if n and (ROOT / n).exists()]


def lines_are_100_columns_wide():
    for path in tracked("*.c", "*.h"):
        table = False      # laid out by hand
        for n, line in enumerate(path.read_text().splitlines(), 1):
            table = (table or "clang-format off" in line) and "clang-format on" not in line
            if not table and len(line.expandtabs(8)) > 100:
                yield f"{path.relative_to(ROOT)}:{n} has {len(line.expandtabs(8))} columns"


def functions_and_files_are_short():
    for path in sources():
        lines = path.read_text().splitlines()
        if len(lines) > 600:
            yield f"{path.relative_to(ROOT)} has {len(lines)} lines"
        start = 0
        for n, line in enumerate(lines, 1):
            if line == "{":
                start = n
            elif line == "}" and n - start > 90:
                yield f"{path.relative_to(ROOT)}:{start} is a function of {n - start} lines"


def the_format_is_clang_formats():
    """Where it is there: versions differ in what they make of the same settings, this is Debian 12's."""
    if shutil.which("clang-format-14") is None:
        return
    names = [str(p) for p in tracked("*.c", "*.h")]
    done = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *names], cwd=ROOT, stderr=subprocess.PIPE)
    yield from sorted({f"{l.split(':')[0]}: make format" for l in done.stderr.decode().splitlines() if " error: " in l})


def headers_compile_alone():
    for path in sorted(ROOT.glob("src/**/*.h")):
        done = subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-Isrc", "-isystem", "/usr/include/gdal", "-isystem", "/usr/include/postgresql", "-fsyntax-only", "-x", "c",
                               "-Wall", "-Wno-unused-function", str(path)], cwd=ROOT, stderr=subprocess.PIPE)
        if done.returncode != 0 or b"error" in done.stderr:
            yield f"{path.relative_to(ROOT)}: {done.stderr.decode().splitlines()[0]}"


def programs_link_what_they_may():
    """front: no GDAL; jail: no store, no network client; nothing links both."""
    rules = {"slipway.fcgi": ["libgdal", "libproj", "libcurl"], "slipway-worker": ["libgdal"], "slipway": ["libgdal"],
             "slipway-geo": ["libdb-5", "libfcgi"]}
    for program, never in rules.items():
        needed = subprocess.run(["readelf", "-d", str(BUILD / program)], stdout=subprocess.PIPE, check=True).stdout.decode()
        for lib in never:
            if lib in needed:
                yield f"{program} links {lib}"
        everything = subprocess.run(["ldd", str(BUILD / program)], stdout=subprocess.PIPE, check=True).stdout.decode()
        if "libdb-5" in everything.replace("libdb-5.3.so", "libdb-5") and "libgdal" in everything and program != "slipway-geo":
            yield f"{program} maps both libdb and libgdal"


def the_gate_is_opened_in_one_place():
    hits = [str(p.relative_to(ROOT)) for p in sources() if re.search(r'open(at)?\([^;]*"gate"', p.read_text())]
    if len(hits) > 1:
        yield f"the gate file is opened in {hits}"


def text_names_no_machine():
    done = subprocess.run(["git", "grep", "-nIE", r"(^|[^A-Za-z0-9_.])/(work|home|root)/[a-z.]+", "--", ".", ":!tests/lint"], cwd=ROOT,
                          stdout=subprocess.PIPE)
    yield from done.stdout.decode().splitlines()[:5]


def main():
    rules = [includes_go_downwards, foreign_headers_have_one_home, unsafe_functions_are_not_used, headers_compile_alone,
             programs_link_what_they_may, the_gate_is_opened_in_one_place, text_names_no_machine, lines_are_100_columns_wide,
             functions_and_files_are_short, the_format_is_clang_formats]
    bad = 0
    for n, rule in enumerate(rules, 1):
        findings = list(rule())
        print(f"{'not ok' if findings else 'ok'} {n} - {rule.__name__}")
        for f in findings[:20]:
            print(f"# {f}")
        bad |= bool(findings)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
