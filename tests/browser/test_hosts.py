#!/usr/bin/python3
"""Goal: behind a web server with its own limits on bodies (nginx: 1 MiB, answered with 413; mod_fcgid: 128 KiB, answered with 500)
the upload page finds by itself how large its pieces may be, finishes, and knows it the next time (front-ends.md 4, cases 6, 7)."""
import sys

from browser import harness
from sending import BIG, LARGE, MIB, finish, requests, session_files, start, write, at

LIMITS = {
    "nginx": (MIB, {"nginx/slipway.conf": [("client_max_body_size 0;\n", "")]}),
    "apache-fcgid": (128 << 10, {"apache/slipway-fcgid.conf": [("FcgidMaxRequestLen 1073741824\n", "")]}),
}


def behind(web):
    """A server whose configuration leaves its limit as it is; None: it is not installed."""
    try:
        return harness.Server(web=web, changes=LIMITS[web][1])
    except AssertionError as e:
        if "is not installed" not in str(e):
            raise
        print(f"# {web} is not installed")
        return None


def sends(web):
    server = behind(web)
    if server is None:
        return
    most = LIMITS[web][0]
    try:
        with start(server) as b:
            b.choose(LARGE)
            b.click("#send")
            finish(b)
            assert session_files(server, b) == [("large.csv", BIG)]
            sizes = [n for method, _, n in requests(server) if method == "PATCH"]
            assert max(sizes) == most, sorted(set(sizes))[-5:]
            assert b.d.execute_script("return JSON.parse(localStorage.getItem('slipway largest request')).size") == most
            # The next time nothing is tried that was refused.
            since = len(server.log())
            b.go("/upload/")
            b.choose(write(at("again.csv"), b"id,lat,lon\n" + b"1,40,7\n" * 400_000))
            b.click("#send")
            finish(b)
            again = [n for method, _, n in requests(server, since) if method in ("PATCH", "POST")]
            assert max(again) == most, sorted(set(again))[-5:]
            assert sum(again) == 11 + 7 * 400_000, sum(again)
    finally:
        server.close()


def test_nginx_default_limit(_):
    sends("nginx")


def test_fcgid_default_limit(_):
    sends("apache-fcgid")


if __name__ == "__main__":
    harness.main(sys.modules["__main__"], "each test has its own")
