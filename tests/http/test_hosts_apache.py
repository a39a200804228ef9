"""Goal: Slipway works behind Apache with mod_proxy_fcgi as front-ends.md says: see hosts.py; and what Apache does with other settings."""
import contextlib
import os
import socket
import sys
import time

from hosts import differing, kept_back, run, says_set_mount
from steps import points
from test_uploadtasks_servers import APACHE, apache

WEB = "apache"
PROXYPASS = APACHE.replace("LoadModule cgi_module {modules}/mod_cgi.so", """LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_fcgi_module {modules}/mod_proxy_fcgi.so""").replace("ScriptAlias /gis {front}", 'ProxyPass "/" "unix:{dir}/front.sock|fcgi://localhost/"')


def test_authorization_kept_back(_):
    with differing(WEB, slipway_conf=[("\tCGIPassAuth On\n", "")]) as server:
        kept_back(server)


def test_proxypass(server):
    with apache(server, PROXYPASS) as (port, log):
        says_set_mount(port, log, server)


def test_default_header_limit(_):
    with differing(WEB, slipway_conf=[("LimitRequestFieldSize 16000", "")]) as server:
        assert server.get("/healthz", headers={"X-Long": "x" * 8100}).status == 200
        a = server.get("/healthz", headers={"X-Long": "x" * 9000})
        assert a.status == 400 and a.header("X-Slipway") is None, a


def test_answers_nobody_takes_give_way(_):
    """Apache reads no more of an answer than its client: those that take nothing do not keep the others out for a minute."""
    with differing(WEB, config="[server]\nthreads = 2") as server, contextlib.ExitStack() as open_ones:
        done = points(server, "big", [f"{n % 80},{n % 170},{os.urandom(50).hex()}" for n in range(80000)])
        path = f"/datasets/{done['dataset']['id']}/download"
        whole = server.get(path)
        assert whole.status == 200 and len(whole.body) > 10 << 20, whole
        for _ in range(5):      # two processes of two threads
            s = open_ones.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", server.port))
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.tokens['mei']}\r\n\r\n".encode())
        time.sleep(2)
        start = time.monotonic()
        assert server.get("/healthz").status == 200 and time.monotonic() - start < 15, time.monotonic() - start


if __name__ == "__main__":
    sys.exit(1 if run(WEB, sys.modules["__main__"]) else 0)
