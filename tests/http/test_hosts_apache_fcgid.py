"""Goal: Slipway works behind Apache with mod_fcgid as front-ends.md says: see hosts.py; and what mod_fcgid does with other settings."""
import sys

from hosts import differing, kept_back, run

WEB = "apache-fcgid"


def test_default_body_limit(_):
    """128 KiB, answered by the server's own page with 500."""
    with differing(WEB, slipway_fcgid_conf=[("FcgidMaxRequestLen 1073741824", "")]) as server:
        assert server.request("PUT", "/files/x", body=bytes(128 << 10)).status == 201
        a = server.request("PUT", "/files/x", body=bytes(200_000))
        assert a.status == 500 and a.header("X-Slipway") is None, a


def test_authorization_kept_back(_):
    with differing(WEB, slipway_fcgid_conf=[("\tCGIPassAuth On\n", "")]) as server:
        kept_back(server)


if __name__ == "__main__":
    sys.exit(1 if run(WEB, sys.modules["__main__"]) else 0)
