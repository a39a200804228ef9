#!/usr/bin/python3
"""Installs Slipway into a fresh Debian 12, starts each web server there as its own user with the files that were shipped, asks
the core of what it does, and takes it away again.

  B=build check_install.py         needs root, debootstrap and the mirror apt uses here
  ROOT=/somewhere                  a Debian 12 made earlier, kept afterwards: the second run takes a minute

What is installed: the packages the programs' libraries belong to, and the servers.  systemd's fragments make user and folders;
the sockets are made as systemd would make them.
"""
import base64
import ctypes
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("B", os.path.join(TOP, "build")))
PROGRAMS = ("slipway", "slipway.fcgi", "slipway-worker", "slipway-geo")
SERVERS = ["lighttpd", "nginx-light", "apache2", "libapache2-mod-fcgid"]
DATA_PACKAGES = ["proj-data", "gdal-data", "libjs-leaflet"]
PASSWORD = "correct horse battery"
CLONE_NEWNS = 0x00020000


def refuse(why):
    print(f"check-install: {why}", file=sys.stderr)
    sys.exit(2)


def sh(*command, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    if done.returncode != 0:
        raise SystemExit(f"check-install: {' '.join(command)}: {done.returncode}\n{done.stdout.decode('utf-8', 'replace')[-3000:]}")
    return done.stdout.decode()


def mirror():
    """Where apt gets this machine's Debian 12, and by which proxy."""
    sites = sh("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm").split()
    if not sites:
        refuse("apt knows no mirror of Debian 12 (bookworm) here")
    env = dict(os.environ)
    for scheme in ("http", "https"):
        proxy = re.search(r"='?([^'\n]+)'?$", sh("apt-config", "shell", "P", f"Acquire::{scheme}::Proxy").strip() or "")
        if proxy and proxy[1] != "DIRECT":
            env[f"{scheme}_proxy"] = proxy[1]
    return sites[0], env


def packages():
    """Of the libraries the programs are linked with."""
    found = set()
    for program in PROGRAMS:
        for path in re.findall(r"=> (/\S+)", sh("ldd", os.path.join(BUILD, program))):
            done = subprocess.run(["dpkg", "-S", os.path.realpath(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            found.update(line.split(":")[0] for line in done.stdout.decode().splitlines())
    return sorted(found)


class Root:
    """A Debian 12 in a folder."""

    def __init__(self):
        self.kept = os.environ.get("ROOT")
        self.path = self.kept or tempfile.mkdtemp(prefix="slipway-debian-")
        os.chmod(self.path, 0o755)
        self.children = []
        site, env = mirror()
        if not os.path.exists(self.at("/etc/debian_version")):
            print(f"# Debian 12 from {site}", flush=True)
            sh("debootstrap", "--variant=minbase", "bookworm", self.path, site, env=env)
        # What is mounted here is mounted for this process and its children alone.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            refuse(f"mounts of its own are not possible here: {os.strerror(ctypes.get_errno())}")
        sh("mount", "--make-rprivate", "/")
        sh("mount", "-t", "proc", "proc", self.at("/proc"))
        sh("mount", "--rbind", "/dev", self.at("/dev"))
        sh("mount", "-t", "tmpfs", "tmpfs", self.at("/run"))
        for name in ("/etc/resolv.conf", "/etc/hosts"):
            if os.path.exists(name):
                shutil.copy(name, self.at(name))
        self.apt(env)

    def at(self, path):
        return self.path + path

    def apt(self, env):
        wanted = packages() + SERVERS + DATA_PACKAGES
        # Nothing starts by itself in there.
        with open(self.at("/usr/sbin/policy-rc.d"), "w") as f:
            f.write("#!/bin/sh\nexit 101\n")
        os.chmod(self.at("/usr/sbin/policy-rc.d"), 0o755)
        conf = sh("apt-config", "dump", "Acquire")
        with open(self.at("/etc/apt/apt.conf.d/99host"), "w") as f:
            f.write("\n".join(l for l in conf.splitlines() if re.match(r'Acquire::https?::(Proxy|Timeout|CaInfo)', l)) + "\n")
        have = self.run("dpkg-query", "-W", "-f", "${Package}\n").split()
        if not set(wanted) <= set(have):
            print(f"# {len(wanted)} packages", flush=True)
            env = dict(env, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
            self.run("apt-get", "update", "-q", env=env)
            self.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *wanted, env=env)

    def run(self, *command, **kw):
        return sh("chroot", self.path, *command, **kw)

    def start(self, command, user=None, group=None, stdin=subprocess.DEVNULL, env=None):
        """A process in there, as USER."""
        full = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **(env or {})}
        words = ["chroot", *([f"--userspec={user}:{group or user}"] if user else []), self.path, *command]
        log = open(self.at("/tmp/") + os.path.basename(command[0]) + ".log", "ab")
        p = subprocess.Popen(words, env=full, stdin=stdin, stdout=log, stderr=log)
        log.close()
        self.children.append(p)
        return p

    def end(self, *processes):
        for p in processes:
            p.terminate()
        for p in processes:
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            self.children.remove(p)

    def files(self):
        """Everything in there but what running things write."""
        skip = ("/proc", "/dev", "/run", "/tmp", "/var/lib/slipway", "/var/log", "/var/cache", "/var/lib/apt", "/var/lib/nginx", "/var/lib/apache2")
        found = set()
        for base, dirs, names in os.walk(self.path):
            inside = base[len(self.path):]
            dirs[:] = [d for d in dirs if f"{inside}/{d}" not in skip]
            found.update(f"{inside}/{n}" for n in names + dirs)
        return found

    def close(self):
        self.end(*list(self.children))
        for name in ("/run", "/dev", "/proc"):
            subprocess.run(["umount", "-R", "-l", self.at(name)], stderr=subprocess.DEVNULL)
        if not self.kept:
            shutil.rmtree(self.path, ignore_errors=True)


# ---- the site in there

def make(what, root):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    sh("make", "-s", "-C", TOP, f"B={BUILD}", what, f"DESTDIR={root.path}", "prefix=/usr", env=env)


def listening(root, name, uid, gid):
    """A socket as slipway.socket describes it."""
    folder = root.at("/run/slipway")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    s = socket.socket(socket.AF_UNIX)
    # The whole path may be longer than a socket's address can be.
    here = os.open(folder, os.O_PATH)
    s.bind(f"/proc/self/fd/{here}/{name}")
    os.close(here)
    os.chown(path, uid, gid)
    os.chmod(path, 0o660)
    s.listen(1024)
    return s


def ids(root, name, database="passwd"):
    with open(root.at(f"/etc/{database}")) as f:
        row = [l.split(":") for l in f if l.startswith(name + ":")]
    return int(row[0][2])


def token(root, data, conf, user):
    """A data directory of USER's, with an administrator; the token of one."""
    run = ["/usr/bin/slipway"]
    tail = ["--data-dir", data, "--config", conf]
    root.run(*run, "user", "add", "admin", "--password-stdin", "--admin", *tail, input=(PASSWORD + "\n").encode())
    root.run(*run, "crs-index", *tail)
    uid = ids(root, user)
    os.chown(root.at(data) + "/crs.index", uid, uid)
    return root.run(*run, "key", "add", "admin", *tail).split()[-1]


# ---- what is asked of each server

class Site:
    def __init__(self, port, token):
        self.port, self.token = port, token

    def ask(self, method, path, body=None, headers=None, token=True, timeout=60):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {**({"Authorization": "Bearer " + self.token} if token else {}), **(headers or {})}
        c.request(method, path, body=body, headers=headers)
        r = c.getresponse()
        answer = r.status, r.headers, r.read()
        c.close()
        return answer


def form(fields, file=None):
    if file is None:
        return urllib.parse.urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    body = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{file[0]}"\r\n\r\n{file[1]}\r\n--b--\r\n'
    return body, {"Content-Type": "multipart/form-data; boundary=b", "Accept": "application/json"}


def ask_health(site):
    status, headers, body = site.ask("GET", "/healthz", token=False)
    assert (status, body, headers["X-Slipway"]) == (200, b"ok\n", "1"), (status, body)


def ask_login(site):
    status, headers, body = site.ask("GET", "/login", headers={"Accept": "text/html"}, token=False)
    assert status == 200 and b"slipway.css" in body, (status, body[:300])
    csrf = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', body)[1].decode()
    cookies = "; ".join(c.split(";")[0] for c in headers.get_all("Set-Cookie"))
    body, head = form({"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": csrf})
    status, headers, _ = site.ask("POST", "/login", body, {**head, "Cookie": cookies, "Accept": "text/html"}, token=False)
    assert status == 303 and "slipway_login=" in str(headers), (status, str(headers))
    login = re.search(r"slipway_login=[0-9a-f]+", str(headers))[0]
    status, _, body = site.ask("GET", "/upload/", headers={"Cookie": login, "Accept": "text/html"}, token=False)
    assert status == 200 and b"admin" in body, (status, body[:300])
    assert site.ask("GET", "/static/upload.js", token=False)[0] == 200
    assert site.ask("GET", "/static/leaflet/leaflet.js", token=False)[0] == 200


def ask_dataset(site):
    status, _, body = site.ask("POST", "/upload/", *form({}, ("points.csv", "lat,lng,name\n1,2,a\n3,4,b\n")))
    assert status in (201, 202), (status, body)
    session = json.loads(body)["id"]
    for step, fields in (("csv", {"lat": "lat", "lng": "lng"}), ("srs", {"source": "EPSG:4326"}), ("final", {})):
        status, _, body = site.ask("POST", f"/upload/{step}?id={session}", *form(fields))
        assert status in (200, 202), (step, status, body)
    until = time.monotonic() + 60
    while json.loads(body)["status"] != "finished":
        assert time.monotonic() < until and json.loads(body)["status"] == "pending", body
        time.sleep(0.2)
        status, _, body = site.ask("GET", f"/upload/final?id={session}", headers={"Accept": "application/json"})
    answer = json.loads(body)
    assert answer["rows"]["imported"] == 2, answer
    status, _, body = site.ask("GET", f"/datasets/{answer['dataset']['id']}/download")
    assert status == 200 and body.startswith(b"SQLite format 3"), (status, body[:100])


def ask_tus(site):
    data = os.urandom(300_000)
    tus = {"Tus-Resumable": "1.0.0"}
    name = base64.b64encode(b"x.bin").decode()
    status, headers, body = site.ask("POST", "/files/", b"", {**tus, "Upload-Length": str(len(data)), "Upload-Metadata": f"filename {name}"})
    assert status == 201, (status, body)
    url = urllib.parse.urlsplit(headers["Location"]).path
    for at in range(0, len(data), 100_000):
        status, headers, body = site.ask("PATCH", url, data[at:at + 100_000], {**tus, "Upload-Offset": str(at),
                                         "Content-Type": "application/offset+octet-stream"})
        assert status == 204, (status, body)
    assert int(headers["Upload-Offset"]) == len(data)
    assert site.ask("DELETE", url, headers=tus)[0] == 204


ASKED = [ask_health, ask_login, ask_dataset, ask_tus]


# ---- the servers, each with its shipped file

LIGHTTPD = """server.document-root = "/var/www/html"
server.bind = "127.0.0.1"
server.port = @PORT@
server.username = "www-data"
server.groupname = "www-data"
server.upload-dirs = ( "/var/tmp" )
var.slipway_socket = "/run/slipway/front.sock"
var.slipway_mount = "/"
var.slipway_data = "/var/lib/slipway"
include "/usr/share/slipway/lighttpd/slipway.conf"
"""

NGINX = """user www-data;
pid /run/nginx-check.pid;
error_log stderr warn;
daemon off;
events {}
http {
	access_log off;
	server {
		listen 127.0.0.1:@PORT@;
		include /usr/share/slipway/nginx/slipway-server.conf;
		location / {
			set $slipway_socket unix:/run/slipway/front.sock;
			fastcgi_split_path_info ^()(/.*)$;
			include /usr/share/slipway/nginx/slipway.conf;
		}
	}
}
"""

APACHE = """ServerRoot /etc/apache2
ServerName localhost
Listen 127.0.0.1:@PORT@
PidFile /run/apache-check.pid
ErrorLog /dev/stderr
User www-data
Group www-data
TypesConfig /dev/null
DocumentRoot /var/www/html
""" + "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in
              ("mpm_event", "authz_core", "alias", "env", "setenvif", "mime", "reqtimeout", "rewrite"))

APACHE_PROXY = APACHE + """LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_fcgi_module /usr/lib/apache2/modules/mod_proxy_fcgi.so
Define SLIPWAY_SOCKET /run/slipway/front.sock
Define SLIPWAY_MOUNT /
Include /usr/share/slipway/apache/slipway.conf
"""

APACHE_FCGID = APACHE + """LoadModule fcgid_module /usr/lib/apache2/modules/mod_fcgid.so
FcgidIPCDir /run/fcgid-check
FcgidProcessTableFile /run/fcgid-check.shm
FcgidInitialEnv SLIPWAY_CONF /etc/slipway-www.conf
Define SLIPWAY_PROGRAM /usr/lib/cgi-bin/slipway.fcgi
Define SLIPWAY_MOUNT /
Include /usr/share/slipway/apache/slipway-fcgid.conf
"""

# Shared hosting: the folder holds the program and the .htaccess, and nothing else.
APACHE_CGI = APACHE.replace("/var/www/html", "/var/www/check") + """LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
ScriptSock /run/cgid-check.sock
SetEnv SLIPWAY_CONF /etc/slipway-www.conf
<Directory /var/www/check>
	AllowOverride All
	Options FollowSymLinks
	Require all granted
</Directory>
"""

WEB = [("lighttpd", LIGHTTPD, ["/usr/sbin/lighttpd", "-D", "-f"], False),
       ("nginx", NGINX, ["/usr/sbin/nginx", "-c"], False),
       ("Apache, mod_proxy_fcgi", APACHE_PROXY, ["/usr/sbin/apache2", "-DFOREGROUND", "-f"], False),
       ("Apache, mod_fcgid", APACHE_FCGID, ["/usr/sbin/apache2", "-DFOREGROUND", "-f"], True),
       ("Apache, mod_cgid", APACHE_CGI, ["/usr/sbin/apache2", "-DFOREGROUND", "-f"], True)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check_server(root, name, text, command, token):
    """True when everything asked was answered well."""
    port = free_port()
    with open(root.at("/tmp/web.conf"), "w") as f:
        f.write(text.replace("@PORT@", str(port)))
    server = root.start([*command, "/tmp/web.conf"])
    good = True
    try:
        until = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > until or server.poll() is not None:
                    print(f"not ok - {name} does not start\n{open(root.at('/tmp/') + os.path.basename(command[0]) + '.log').read()[-1500:]}")
                    return False
                time.sleep(0.05)
        for ask in ASKED:
            try:
                ask(Site(port, token))
                print(f"ok - {name}: {ask.__name__[4:]}", flush=True)
            except Exception as e:
                good = False
                print(f"not ok - {name}: {ask.__name__[4:]}: {type(e).__name__} {e}", flush=True)
    finally:
        root.end(server)
    return good


def check(root):
    before = root.files()
    make("install", root)
    sh("systemd-sysusers", f"--root={root.path}", "slipway.conf")
    sh("systemd-tmpfiles", f"--root={root.path}", "--create", "slipway.conf")
    uid, www = ids(root, "slipway"), ids(root, "www-data", "group")
    own = token(root, "/var/lib/slipway", "/etc/slipway/slipway.conf", "slipway")
    # mod_fcgid and mod_cgid run the program as their own user: a second site, below which that user may write.
    data = root.at("/var/lib/slipway-www")
    os.makedirs(data, mode=0o700, exist_ok=True)
    os.chown(data, ids(root, "www-data"), www)
    with open(root.at("/etc/slipway-www.conf"), "w") as f:
        f.write("[site]\ndata_dir = /var/lib/slipway-www\n")
    foreign = token(root, "/var/lib/slipway-www", "/etc/slipway-www.conf", "www-data")
    os.makedirs(root.at("/var/www/check"), exist_ok=True)
    shutil.copy(root.at("/usr/lib/cgi-bin/slipway.fcgi"), root.at("/var/www/check/slipway.cgi"))
    shutil.copy(root.at("/usr/share/slipway/apache/htaccess"), root.at("/var/www/check/.htaccess"))
    with listening(root, "front.sock", uid, www) as s:
        front = root.start(["/usr/lib/cgi-bin/slipway.fcgi"], "slipway", stdin=s, env={"SLIPWAY_SUPERVISED": "1"})
        worker = root.start(["/usr/libexec/slipway/slipway-worker"], "slipway")
        good = [check_server(root, name, text, command, foreign if theirs else own) for name, text, command, theirs in WEB]
        root.end(front, worker)
    shutil.rmtree(root.at("/var/www/check"))
    os.unlink(root.at("/etc/slipway-www.conf"))
    # A worker started on demand ends when it is idle; here it is ended.
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/root") == root.path and "slipway" in os.readlink(f"/proc/{pid}/exe"):
                os.kill(int(pid), 15)
        except OSError:
            pass
    time.sleep(1)
    shutil.rmtree(data)
    shutil.rmtree(root.at("/var/lib/slipway"))
    make("uninstall", root)
    left = {f for f in root.files() - before if not f.startswith(("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/.pwd.lock"))}
    print(f"{'not ok' if left else 'ok'} - uninstalled: nothing stays{': ' + ', '.join(sorted(left)[:10]) if left else ''}")
    return all(good) and not left


def main():
    if os.geteuid() != 0:
        refuse("needs root: it makes a Debian 12 of its own and changes into it")
    for program in ("debootstrap", "apt-get", "systemd-sysusers"):
        if shutil.which(program) is None:
            refuse(f"needs {program} (apt-get install debootstrap systemd)")
    root = Root()
    try:
        sys.exit(0 if check(root) else 1)
    finally:
        root.close()


main()
