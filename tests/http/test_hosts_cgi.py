"""Goal: Slipway works as a plain CGI program under Apache with mod_cgid and nothing but .htaccess as front-ends.md says: see hosts.py;
rewritten addresses, and hosts that allow less."""
import socket
import sys

from hosts import HTML, MOUNT, differing, head, kept_back, made, run
from test_cgi import check
from transfer import BYTES, TUS

WEB = "cgi"
REWRITTEN = [("\tRewriteCond %{HTTP:Authorization} .\n\tRewriteRule ^ - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\n", "")]


def test_authorization_by_rewriting(_):
    with differing(WEB, htaccess=[("CGIPassAuth On\n", "")], mount="/ht") as server:
        assert server.get("/upload/", accept="application/json").status == 200


def test_authorization_kept_back(_):
    with differing(WEB, htaccess=[("CGIPassAuth On\n", ""), *REWRITTEN]) as server:
        kept_back(server)


def test_without_rewriting(_):
    """Without mod_rewrite's rules the program's name is part of every address."""
    with differing(WEB, htaccess=[("RewriteEngine On", "RewriteEngine Off")], mount="/cgi-bin/slipway.cgi") as server:
        check("page", server.get("/upload/", accept=HTML), server.mount)
        assert server.request("PUT", "/files/x.csv", body=b"a,b\n").header("Location").startswith("/cgi-bin/slipway.cgi/files/")


def test_what_lies_beside_the_program_is_not_read(_):
    with differing(WEB) as server:
        for path in ("/.htaccess", "/slipway.conf", "/slipway-worker"):
            assert server.get(path).status in (403, 404), path


def test_words_of_the_address_are_no_options(_):
    """Apache hands them to the program as its arguments."""
    with differing(WEB) as server:
        assert server.get("/healthz?--config+/dev/null/none", user=None).body == b"ok\n"


def test_default_body_limit(_):
    with differing(WEB, htaccess=[("LimitRequestBody 0\n", "")], config="max_size = 1T") as server:
        url = made(server, 2 << 30)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            s.sendall(head(server, "PATCH", url, f"Content-Length: {2 << 30}", "Upload-Offset: 0",
                           *(f"{k}: {v}" for k, v in {**TUS, **BYTES}.items())) + b"x")
            out = s.recv(65536)
        assert b" 413 " in out.split(b"\r\n")[0] and b"X-Slipway" not in out, out[:300]


if __name__ == "__main__":
    sys.exit(1 if run(WEB, sys.modules["__main__"], mounts=("", MOUNT, "/ht")) else 0)
