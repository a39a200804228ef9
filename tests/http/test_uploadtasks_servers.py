"""Goal: an upload task goes its way behind nginx (buffering and not) and Apache's CGI too: chunked and with a length, whole and
cut (uploadtasks.md 6.2, case 28).  lighttpd is what the other tests run behind; a server that is not installed is left out."""
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

from harness import BUILD, Answer, free_port, main
from tasks import TASKS, form, md5, until, zipped
from test_cgi import owner
from test_uploadtasks import area, managers

FRONT = f"{BUILD}/slipway.fcgi"
MODULES = "/usr/lib/apache2/modules"
NGINX = """
pid {dir}/pid; error_log {dir}/error.log; daemon off; {user}
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {dir}/body; fastcgi_temp_path {dir}/fcgi; proxy_temp_path {dir}/p; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            client_max_body_size 0; fastcgi_request_buffering {buffering};
            fastcgi_split_path_info ^()(/.*)$;
            include /etc/nginx/fastcgi_params; fastcgi_param PATH_INFO $fastcgi_path_info;
            fastcgi_pass unix:{dir}/front.sock;
        }}
    }}
}}
"""
APACHE = """
ServerRoot {dir}
PidFile {dir}/pid
ErrorLog {dir}/error.log
Listen 127.0.0.1:{port}
ServerName localhost
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule env_module {modules}/mod_env.so
LoadModule cgi_module {modules}/mod_cgi.so
{user}
LimitRequestBody 0
SetEnv SLIPWAY_CONF {conf}
SetEnv SLIPWAY_DATA_DIR {data}
ScriptAlias /gis {front}
<Directory />
  Require all granted
  CGIPassAuth On
</Directory>
"""


def as_server(server):
    return owner(server).get("user")


@contextlib.contextmanager
def running(argv, port, **kw):
    # Apache ends its whole process group, not itself alone.
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, **kw)
    try:
        def there():
            assert p.poll() is None, p.stderr.read()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        until(there)
        yield
    finally:
        p.terminate()
        p.wait(10)
        p.stderr.close()


@contextlib.contextmanager
def scratch(server):
    folder = tempfile.mkdtemp(prefix="slipway-web-")
    os.chmod(folder, 0o755)
    if as_server(server) is not None:
        os.chown(folder, as_server(server), -1)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def front(server, folder):
    """A front of its own at FOLDER's front.sock; the file its log goes to."""
    with socket.socket(socket.AF_UNIX) as listening, open(folder + "/front.log", "wb") as log:
        listening.bind(folder + "/front.sock")
        listening.listen(64)
        os.chmod(folder + "/front.sock", 0o666)
        env = {"PATH": "/usr/bin:/bin", "SLIPWAY_CONF": server.conf, "SLIPWAY_DATA_DIR": server.data}
        p = subprocess.Popen([FRONT], stdin=listening, env=env, stderr=log, cwd="/", **owner(server))
        try:
            yield log.name
        finally:
            p.terminate()
            p.wait(15)


@contextlib.contextmanager
def nginx(server, buffering, text=NGINX):
    with scratch(server) as folder, front(server, folder) as log:
        port = free_port()
        with open(folder + "/nginx.conf", "w") as f:
            f.write(text.format(dir=folder, port=port, buffering=buffering, user="user www-data;" if os.geteuid() == 0 else ""))
        with running(["nginx", "-p", folder, "-c", folder + "/nginx.conf", "-e", folder + "/error.log"], port):
            yield (port, "") if text == NGINX else (port, log)


@contextlib.contextmanager
def apache(server, text=APACHE):
    with scratch(server) as folder, front(server, folder) as log:
        port = free_port()
        user = "User #%d\nGroup #%d" % (as_server(server), owner(server)["group"]) if as_server(server) is not None else ""
        with open(folder + "/apache.conf", "w") as f:
            f.write(text.format(dir=folder, port=port, modules=MODULES, user=user, conf=server.conf, data=server.data, front=FRONT))
        with running(["apache2", "-f", folder + "/apache.conf", "-DFOREGROUND"], port):
            yield (port, "/gis") if text == APACHE else (port, log)


def ask(server, port, method, path, body=None, **headers):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": "Bearer " + server.tokens["mei"], **{k.replace("_", "-"): v for k, v in headers.items()}}
    try:
        c.request(method, path, body=body, headers=headers, encode_chunked=not isinstance(body, (bytes, type(None))))
        r = c.getresponse()
        return Answer(r.status, r.headers, r.read())
    finally:
        c.close()


def pieces(data, pause=0.0):
    for at in range(0, len(data), 50_000):
        yield data[at:at + 50_000]
        time.sleep(pause)


def whole_way(server, port, mount, name):
    def make(**members):
        a = ask(server, port, "POST", f"{mount}{TASKS}.json", json.dumps(members).encode())
        assert a.status == 201 and f"{mount}{TASKS}/" in a.json["newResourceLocation"], a
        return f"{mount}{TASKS}/{a.json['newResourceID']}"
    data = os.urandom(400_000)
    body, kind = form(data)
    # With a length; in chunks, as iDesktop sends; raw in chunks of an announced size.
    for way, sent, more, members in (("length", body, {"Content_Type": kind}, {}),
                                     ("chunks", pieces(body, 0.05), {"Content_Type": kind, "Transfer_Encoding": "chunked"}, {}),
                                     ("raw", pieces(data, 0.05), {"Content_Type": "text/csv", "Transfer_Encoding": "chunked"}, {"fileSize": len(data)})):
        task = make(**members)
        a = ask(server, port, "POST", f"{task}.rjson.Json?toFile={name}/{way}.bin", sent, **more)
        assert a.status == 200 and a.json["fileSize"] == len(data), (way, a)
        assert area(server)[f"{name}/{way}.bin"] == data, way
        j = ask(server, port, "GET", task + ".json").json
        assert (j["state"], j["uploadedDataMD5"]) == ("COMPLETED", md5(data)), j
    task = make()
    body, kind = form(zipped({"in/a.csv": b"1"}))
    assert ask(server, port, "POST", f"{task}.json?toFile={name}/z.zip&unzip=true", body, Content_Type=kind).json["isDirectory"] is True
    assert area(server)[f"{name}/z/in/a.csv"] == b"1"
    assert ask(server, port, "POST", f"{task}.json?toFile=x", b"x").status == 409
    assert ask(server, port, "GET", f"{mount}{TASKS}.png").status == 406
    return make


def cut_and_resumed(server, port, make, name, streaming):
    """A connection that ends at 60 %: what arrived is kept where the server hands it on."""
    data = os.urandom(500_000)
    task = make(fileSize=len(data))
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall((f"POST {task}.json?toFile={name}/cut.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.tokens['mei']}\r\n"
                   f"Content-Length: {len(data)}\r\n\r\n").encode() + data[:300_000])
        look = lambda: ask(server, port, "GET", task + ".json").json      # noqa: E731
        if streaming:
            until(lambda: look()["state"] == "UPLOADING" and look()["uploadedByteCount"] >= 250_000)
        else:
            time.sleep(0.3)
    if not streaming:
        time.sleep(0.3)
        assert look()["state"] == "NEW"
        return
    j = until(lambda: (lambda j: j if j["state"] == "UPLOADING_ERROR" else None)(look()))
    n = j["uploadedByteCount"]
    assert 250_000 <= n <= 300_000 and j["uploadedDataMD5"] == md5(data[:n]), j
    a = ask(server, port, "POST", f"{task}.json?toFile={name}/cut.bin&offset={n}", data[n:])
    assert a.status == 200 and area(server)[f"{name}/cut.bin"] == data, a


def test_nginx_buffering(server):
    managers(server)
    if shutil.which("nginx"):
        with nginx(server, "on") as (port, mount):
            cut_and_resumed(server, port, whole_way(server, port, mount, "nginx-on"), "nginx-on", False)


def test_nginx_streaming(server):
    if shutil.which("nginx"):
        with nginx(server, "off") as (port, mount):
            cut_and_resumed(server, port, whole_way(server, port, mount, "nginx-off"), "nginx-off", True)


def test_apache_cgi(server):
    if shutil.which("apache2") and os.path.exists(MODULES + "/mod_cgi.so"):
        with apache(server) as (port, mount):
            cut_and_resumed(server, port, whole_way(server, port, mount, "apache"), "apache", True)


if __name__ == "__main__":
    import test_uploadtasks_servers
    main(test_uploadtasks_servers)
