"""Goal: Slipway works behind lighttpd as front-ends.md says: see hosts.py; interim answers, files lighttpd sends itself, its defaults."""
import re
import sys

from harness import BUILD, free_port
from hosts import configured, differing, kept_nothing, run, sent_by_the_server
from test_cgi import owner
from test_resumable import interim
from test_uploadtasks_servers import running, scratch

WEB = "lighttpd"
CGI = """server.modules = ( "mod_cgi", "mod_setenv", "mod_alias" )
server.document-root = "{dir}"
server.port = {port}
server.bind = "127.0.0.1"
server.upload-dirs = ( "{dir}" )
server.stream-request-body = 1
alias.url = ( "/gis" => "{build}/slipway.fcgi" )
cgi.assign = ( "slipway.fcgi" => "" )
setenv.set-environment = ( "SLIPWAY_DATA_DIR" => "{data}", "SLIPWAY_CONF" => "{conf}", "SLIPWAY_SUPERVISED" => "1" )
"""


class Elsewhere:
    """The same SERVER at another port and mount."""

    def __init__(self, server, port, mount):
        self.server, self.port, self.mount, self.tokens = server, port, mount, server.tokens

    def at(self, path):
        return self.mount + path


def test_interim_answers_where_they_are_switched_on(_):
    """By FastCGI see test_resumable; here by plain CGI."""
    with differing(WEB) as server, configured(server, "[server]\ninterim = yes"), scratch(server) as folder:
        port = free_port()
        with open(folder + "/cgi.conf", "w") as f:
            f.write(CGI.format(dir=folder, port=port, build=BUILD, data=server.data, conf=server.conf))
        with running(["lighttpd", "-D", "-f", folder + "/cgi.conf"], port, cwd="/", **owner(server)):
            code, top, out = interim(Elsewhere(server, port, "/gis"), "8")
            assert code == 104 and "location: /gis/files/" in top.lower(), out[:500]
            rest = out.split(b"\r\n\r\n", 1)[1]
            assert re.match(b"HTTP/1.1 201 ", rest), out[:500]
        assert "server.interim = yes: " in server.log()


def test_default_limits(_):
    """8 KiB of header fields; bodies stored first."""
    with differing(WEB, slipway_conf=[("server.stream-request-body = 1", "server.stream-request-body = 0"),
                                      ("server.max-request-field-size = 32768\n", "")]) as server:
        assert server.get("/healthz", headers={"X-Long": "x" * 7000}).status == 200
        a = server.get("/healthz", headers={"X-Long": "x" * 9000})
        assert a.status == 431 and a.header("X-Slipway") is None, a
        kept_nothing(server)


def test_files_sent_by_lighttpd(_):
    with differing(WEB) as server:
        sent_by_the_server(server, "x-sendfile")


if __name__ == "__main__":
    sys.exit(1 if run(WEB, sys.modules["__main__"]) else 0)
