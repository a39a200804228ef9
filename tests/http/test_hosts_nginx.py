"""Goal: Slipway works behind nginx as front-ends.md says: see hosts.py; and what nginx does with settings of its own."""
import os
import sys

from hosts import MIB, descendants, differing, kept_nothing, run, says_set_mount, sent_by_the_server
from tasks import until
from test_uploadtasks_servers import NGINX, nginx
from transfer import begin, fronts

WEB = "nginx"


def test_default_limits(_):
    """1 MiB, 8 KiB of a header field, bodies stored first."""
    with differing(WEB, slipway_conf=[("client_max_body_size 0;", ""), ("fastcgi_request_buffering off;", "")],
                   slipway_server_conf=[("large_client_header_buffers 4 36k;", "")]) as server:
        a = server.request("PUT", "/files/x", body=bytes(MIB))
        assert a.status == 201, a
        a = server.request("PUT", "/files/x", body=bytes(MIB + 1))
        assert a.status == 413 and a.header("X-Slipway") is None, a
        assert server.get("/healthz", headers={"X-Long": "x" * 8000}).status == 200
        a = server.get("/healthz", headers={"X-Long": "x" * 9000})
        assert a.status == 400 and a.header("X-Slipway") is None, a
        kept_nothing(server)


def test_stock_parameters(server):
    """fastcgi_params as Debian ships it, and nothing else: the advice of section 3; then following it."""
    text = NGINX.replace("fastcgi_split_path_info ^()(/.*)$;", "").replace("fastcgi_param PATH_INFO $fastcgi_path_info;", "")
    with nginx(server, "off", text) as (port, log):
        says_set_mount(port, log, server)
    with differing(WEB, config="[server]\nmount = /", slipway_conf=[("fastcgi_param PATH_INFO $fastcgi_path_info;", ""),
                                                                   ("SCRIPT_NAME $fastcgi_script_name", "SCRIPT_NAME $document_uri")]) as own:
        assert own.get("/upload/", accept="application/json").status == 200


def test_files_sent_by_nginx(_):
    with differing(WEB) as server:
        sent_by_the_server(server, "x-accel")


def processors(pids):
    """For each thread of these processes, where it may run."""
    return [os.sched_getaffinity(int(thread)) for pid in pids for thread in os.listdir(f"/proc/{pid}/task")]


def test_long_bodies_are_read_where_nginx_is(_):
    """nginx stays on one processor; the thread that reads a long body is there, too, and no other."""
    with differing(WEB) as server:
        where, *others = processors(descendants(server.process.pid, "nginx"))
        assert len(where) == 1 and all(cpus == where for cpus in others), (where, others)
        everywhere = os.sched_getaffinity(0)

        def there():
            return sum(cpus == where != everywhere for cpus in processors(fronts(server)))
        assert there() == 0
        body = begin(server, "PUT", "/files/x", 16 * MIB, {}, bytes(8 * MIB))
        until(lambda: there() == (len(everywhere) > 1))
        body.close()
        until(lambda: there() == 0)


if __name__ == "__main__":
    sys.exit(1 if run(WEB, sys.modules["__main__"]) else 0)
