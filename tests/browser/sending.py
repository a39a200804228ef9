"""Files to send, a browser whose way out can be made slow, and what the log says of it."""
import os
import re
import shutil
import sys
import tempfile

from browser import Browser, harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from made import shapefile
from steps import configured  # noqa: F401

FOLDER = tempfile.mkdtemp(prefix="slipway-send-")
MIB = 1024 * 1024
BIG = 30 * MIB


def at(*parts):
    return os.path.join(FOLDER, *parts)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    return path


def big(name, size=BIG):
    """A table of SIZE bytes and few rows, quickly looked at."""
    rows, width = size // 10000, 10000 - 40
    lines = [b"id,lat,lon,text"] + [b"%d,%.4f,%.4f,%s" % (i, 40 + i % 100 / 50, 7 + i / 1000, b"x" * width) for i in range(rows)]
    data = b"\n".join(lines)
    return write(at(name), data + b"x" * (size - len(data) - 1) + b"\n")


SHAPE = [write(at("道路", name), data) for name, data in shapefile("道路", [(8.1, 50.1), (8.2, 50.2)])]
TABLES = [write(at(f"table {i}.csv"), b"id,lat,lon\n1,40.5,7.5\n2,41.5,8.5\n") for i in range(4)]
LARGE = big("large.csv")


def slow(b, bytes_per_second):
    """The browser's way out; 0 = as fast as it goes."""
    b.d.execute_cdp_cmd("Network.enable", {})
    b.d.execute_cdp_cmd("Network.emulateNetworkConditions", {
        "offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second or -1})


def offline(b, is_off):
    b.d.execute_cdp_cmd("Network.enable", {})
    b.d.execute_cdp_cmd("Network.emulateNetworkConditions", {
        "offline": is_off, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})


def start(server, **kw):
    b = Browser(server, **kw)
    b.login()
    b.go("/upload/")
    return b


def requests(server, since=0):
    """(method, path, bytes in) of requests for /files/ in the log, from its byte SINCE."""
    found = re.findall(r" (POST|PATCH|HEAD|DELETE|GET) (/files/\S*) \d+ \d+ ms (\d+) bytes in", server.log()[since:])
    return [(m, p, int(n)) for m, p, n in found]


def received(server, since):
    return sum(n for _, _, n in requests(server, since))


def sent_text(b):
    return b.d.execute_script("return document.getElementById('transfer-text').textContent")


def sent_mb(b):
    m = re.match(r"([\d.]+).(KB|MB|B)\b", sent_text(b))
    return 0 if m is None else float(m[1]) * {"B": 1e-6, "KB": 1e-3, "MB": 1}[m[2]]


def finish(b):
    """From any page behind the upload to what was sent."""
    b.wait_path("/upload/csv", "/upload/srs", "/upload/final", seconds=120)


def session_files(server, b):
    """Names and sizes of the session's files."""
    number = re.search(r"id=(\d+)", b.path())[1]
    a = server.get(f"/upload/?id={number}", accept="application/json")
    return sorted((f["name"], f["size"]) for f in a.json["session"]["files"])


def main(module):
    try:
        harness.main(module)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
