"""Goal: Slipway works behind Apache with mod_proxy_fcgi as front-ends.md says: see hosts.py; and what Apache does with other settings."""
import sys

from hosts import differing, kept_back, run, says_set_mount
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


if __name__ == "__main__":
    sys.exit(1 if run(WEB, sys.modules["__main__"]) else 0)
