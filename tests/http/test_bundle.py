"""Goal: what `make bundle` makes runs where nothing can be installed or configured: under a real Apache with mod_cgid, as an
unprivileged user, with nothing but its .htaccess; from the first login to datasets, with its data out of reach, and also where
no process may outlive a request (front-ends.md 2 and 5, store.md 11, wizard.md 14.1)."""
import contextlib
import fcntl
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
import urllib.parse

from harness import BUILD, TOP, Server, free_port, main, multipart, nothing_left
from made import WGS84, Browser, shapefile
from test_cgi import parse

MODULES = "/usr/lib/apache2/modules"
ADMIN = ("lin", "a phrase of my own")
APACHE = """
ServerRoot {dir}
PidFile {dir}/pid
ErrorLog {dir}/error.log
Listen 127.0.0.1:{port}
ServerName localhost
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule rewrite_module {modules}/mod_rewrite.so
LoadModule cgid_module {modules}/mod_cgid.so
ScriptSock {dir}/cgid.sock
TypesConfig /dev/null
{user}
DocumentRoot {dir}/htdocs
<Directory "/">
  AllowOverride None
  Require all denied
</Directory>
<Directory "{dir}/htdocs">
  AllowOverride All
  Require all granted
</Directory>
"""


def bundle(folder, *more):
    return subprocess.run(["make", "--no-print-directory", "-C", TOP, f"B={BUILD}", f"BUNDLE={folder}", *more, "bundle"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)


class Host(Server):
    """A folder uploaded to htdocs/maps of an Apache nobody can configure."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="slipway-host-")
        os.chmod(self.dir, 0o755)
        os.mkdir(self.dir + "/htdocs")
        self.folder = self.dir + "/htdocs/maps"
        self.data, self.conf = self.folder + "/data", self.folder + "/slipway.conf"
        self.web, self.mount = "apache", "/maps"
        self.log_path, self.port, self.process, self.tokens = self.dir + "/error.log", free_port(), None, {}
        done = bundle(self.folder)
        assert done.returncode == 0, done.stdout.decode()
        with open(self.folder + ".first-login.txt") as f:
            self.first = re.search(r"\?token=([0-9a-f]{32})$", f.read(), re.M)[1]
        os.rename(self.folder + ".first-login.txt", self.dir + "/first-login.txt")      # it is not uploaded
        user = ""
        if os.geteuid() == 0:      # as suexec would have it: files and programs are one user's
            self.user = pwd.getpwnam("www-data")
            for base, _, names in os.walk(self.dir):
                for path in [base, *(os.path.join(base, n) for n in names)]:
                    os.lchown(path, self.user.pw_uid, self.user.pw_gid)
            user = f"User #{self.user.pw_uid}\nGroup #{self.user.pw_gid}"
        with open(self.dir + "/apache.conf", "w") as f:
            f.write(APACHE.format(dir=self.dir, port=self.port, modules=MODULES, user=user))
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        # Apache ends its whole process group, not itself alone.
        self.process = subprocess.Popen(["apache2", "-f", self.dir + "/apache.conf", "-DFOREGROUND"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self.process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.05)

    def slipway(self, *args, stdin="", check=True):
        done = subprocess.run([self.folder + "/slipway", *args], input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"slipway {' '.join(args)}: {done.returncode} {done.stderr.decode()}")
        return done.stdout.decode()

    def self_test(self):
        """Exit status and {title: (verdict, what it says)}."""
        done = subprocess.run([self.folder + "/slipway", "check", "--url", f"http://127.0.0.1:{self.port}/maps/"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, env={**os.environ, "LANG": "C"})
        lines = re.findall(r"^(ok|warn|fail) +([^:]+): (.*)$", done.stdout.decode(), re.M)
        assert lines, done
        return done.returncode, {title: (verdict, text) for verdict, title, text in lines}

    @contextlib.contextmanager
    def configured(self, *pairs):
        """slipway.conf with each OLD replaced by NEW."""
        with open(self.conf) as f:
            before = text = f.read()
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new)
        with open(self.conf, "w") as f:
            f.write(text)
        try:
            yield
        finally:
            with open(self.conf, "w") as f:
                f.write(before)


class Visitor(Browser):
    def __init__(self, server):
        self.server, self.cookies, self.statuses, self.url, self.answer = server, {}, [], "/", None


@contextlib.contextmanager
def worker_lock(server):
    """As if a worker lived.  Yields nothing; the lock is what struct flock says, owned by the open file."""
    path = server.data + "/locks/worker"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        os.chown(path, server.user.pw_uid, server.user.pw_gid)
    fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))      # F_OFD_SETLK
    try:
        yield
    finally:
        os.close(fd)


def workers(server):
    """Processes of this bundle's worker and jobs."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, "rb") as f:
            if f.read().startswith((server.folder + "/slipway-").encode()):
                found.append(int(path.split("/")[2]))
    return found


def wait_idle(server, seconds=45):
    """A worker on demand ends by itself: worker.worker_idle_s after its last task.  We do not wait that long."""
    for pid in workers(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + seconds
    while workers(server) and time.monotonic() < end:
        time.sleep(0.1)
    assert not workers(server)


def admin(server):
    """The administrator's browser; the first call makes him."""
    b = Visitor(server)
    if getattr(server, "made", False):
        b.open("/maps/login")
        b.submit("/maps/login", username=ADMIN[0], password=ADMIN[1])
    else:
        assert b.open(f"/maps/first?token={server.first}").status == 200, b.answer
        b.submit("/maps/first", username=ADMIN[0], password=ADMIN[1])
        server.made = True
    assert b.answer.status == 200 and b.url.startswith("/maps/"), (b.url, b.answer)
    return b


def token(server):
    admin(server) if not getattr(server, "made", False) else None
    if ADMIN[0] not in server.tokens:
        server.tokens[ADMIN[0]] = server.slipway("key", "add", ADMIN[0]).split()[-1]
    return ADMIN[0]


def csv(n=3):
    return "places.csv", b"name,lat,lng\n" + b"".join(b"p%d,%d,%d\n" % (i, i % 80, i % 170) for i in range(n))


def test_first_login_then_csv_and_shapefile_become_datasets(server):
    b = Visitor(server)
    a = b.open("/maps/first?token=" + "0" * 32)
    assert a.status == 410, a
    b = admin(server)
    for answer, files in (({}, [("files", *csv())]),
                          ({}, [("files", n, d) for n, d in shapefile("roads", [(1, 2), (3, 4)], prj=WGS84)])):
        b.open("/maps/upload/")
        b.submit("/maps/upload/", files=files, **answer)
        for _ in range(6):
            form = next((f for f in b.page.forms if re.search(r"/upload/(csv|srs|time|final)", f["action"])), None)
            if form is None:
                break
            b.submit(form["action"].partition("?")[0])
        assert b.answer.status == 200 and re.search(r"/maps/datasets/\d+", b.url + b.answer.text), (b.url, b.answer)
    a = b.open("/maps/datasets/")
    assert "places" in a.text and "roads" in a.text, a
    assert set(b.statuses) <= {200, 302, 303}, b.statuses
    # The map's script comes from the bundle, not from the host.
    a = server.get("/maps/static/leaflet/leaflet.js", user=None)
    assert a.status == 200 and b"Leaflet" in a.body[:300], a.status
    # The link has done its work.
    assert Visitor(server).open(f"/maps/first?token={server.first}").status == 410


def test_nothing_but_the_program_answers(server):
    token(server)
    for path, wanted in (("data/", 403), ("data", 403), ("data/gate", 403), ("data/secret", 403), ("data/db/data/users.db", 403),
                         ("data/.htaccess", 403), (".htaccess", 403), ("slipway.conf", 403), ("slipway", 403), ("slipway-worker", 403),
                         ("lib/libdb-5.3.so", 403), ("share/templates/text.en", 403)):
        a = server.get("/maps/" + path, user=None)
        assert a.status in (wanted, 301 if path == "data" else wanted), (path, a.status)
        assert b"first_token" not in a.body, path
    for name in ("slipway.conf~", "slipway.conf.bak", "slipway.conf-old", "#slipway.conf#", "slipway.ini.save", "catalog.sqlite-wal"):
        with open(f"{server.folder}/{name}", "w") as f:      # what editors and careful people leave there
            f.write("first_token")
        os.chmod(f"{server.folder}/{name}", 0o644)
        a = server.get("/maps/" + urllib.parse.quote(name), user=None)
        os.unlink(f"{server.folder}/{name}")
        assert a.status == 403, (name, a.status)
    a = server.get("/maps/healthz", user=None)
    assert a.status == 200 and a.header("X-Slipway") == "1", a


def test_self_test_says_what_this_host_can_do(server):
    token(server)
    before, keys = server.traces(), server.slipway("key", "list", ADMIN[0])
    status, lines = server.self_test()
    verdicts = {title: verdict for title, (verdict, _) in lines.items()}
    assert status == 0 and "fail" not in verdicts.values(), lines
    assert verdicts["How requests arrive"] == "warn" and "Plain CGI" in lines["How requests arrive"][1], lines
    assert verdicts["Data directory and document root"] == "warn" and "site.data_dir" in lines["Data directory and document root"][1], lines
    for title in ("Locks and shared memory", "Starting programs", "Reading geodata", "Mount and path", "Streaming", "A connection that breaks",
                  "A body of 128 KiB", "A body of 64 MiB", "Method PATCH", "Method DELETE", "The Authorization header",
                  "The data directory from outside", "A process that outlives its request", "Search for coordinate reference systems"):
        assert verdicts[title] == "ok", (title, lines[title])
    nothing_left(server, before)
    assert server.slipway("key", "list", ADMIN[0]) == keys
    assert glob.glob(server.data + "/**/self-test*", recursive=True) == []
    a = server.get("/maps/admin/self-test", accept="application/json", user=ADMIN[0])
    assert a.status == 200 and {c["id"] for c in a.json["checks"]} >= {"locks", "geo", "jail", "spawn"}, a
    b = admin(server)
    a = b.open("/maps/admin/self-test?lang=zh")
    assert a.status == 200 and "自检" in a.text and "数据目录位于文档根目录之下" in a.text, a
    a = server.get("/maps/admin/self-test", accept="text/html", user=None)
    assert a.status == 303 and "/maps/login" in a.header("Location"), a


def test_self_test_finds_data_that_everybody_can_read(server):
    token(server)
    rule = server.data + "/.htaccess"
    with open(rule) as f:
        before = f.read()
    try:
        with open(rule, "w") as f:
            f.write("Require all granted\n")
        if os.geteuid() == 0:
            os.chmod(server.data, 0o700)
        status, lines = server.self_test()
        verdict, text = lines["The data directory from outside"]
        assert status == 1 and verdict == "fail" and "/maps/data/self-test-" in text and "site.data_dir" in text, lines
    finally:
        with open(rule, "w") as f:
            f.write(before)
    status, lines = server.self_test()
    assert status == 0 and lines["The data directory from outside"][0] == "ok", lines


def test_a_missing_rule_is_made_again(server):
    token(server)
    os.unlink(server.data + "/.htaccess")
    assert server.get("/maps/healthz", user=None).status == 200
    assert server.get("/maps/data/gate", user=None).status == 403
    with server.configured(("below_document_root = yes", "below_document_root = no")):
        a = server.get("/maps/healthz", user=None)
        assert a.status == 503 and server.data.encode() not in a.body, a
    assert "under the document root" in server.log()
    assert server.get("/maps/healthz", user=None).status == 200


def test_without_lasting_processes_progress_requests_do_the_import(server):
    who = token(server)
    wait_idle(server)
    with server.configured(("spawn = yes", "spawn = no\n[wizard]\nfinal_wait_s = 1\ninspect_wait_s = 1")):
        verdict, text = server.self_test()[1]["Who does the work"]
        assert verdict == "warn" and "worker.slice_s" in text, text
        a = server.post("/maps/upload/", {}, [("files", n, d) for n, d in shapefile("lakes", [(5, 6), (7, 8)], prj=WGS84)],
                        accept="application/json", user=who)
        assert a.status == 201 and a.json["status"] == "incomplete", a      # looked at within the request
        n = a.json["id"]
        a = server.post(f"/maps/upload/srs?id={n}", {"source": "EPSG:4326"}, accept="application/json", user=who)
        assert a.status == 200, a
        with worker_lock(server):      # nobody can work on it yet
            a = server.post(f"/maps/upload/final?id={n}", {}, accept="application/json", user=who)
            assert a.json["status"] == "pending", a
            a = server.get(f"/maps/upload/progress?id={n}", user=who)
            assert a.json["state"] == "RUNNING", a
        assert workers(server) == []
        a = server.get(f"/maps/upload/progress?id={n}", user=who)
        assert a.json["state"] == "COMPLETE" and a.json["percent"] == 100, a
        assert workers(server) == []      # it ended with the request
        a = server.get(f"/maps/upload/final?id={n}", accept="application/json", user=who)
        assert a.json["status"] == "finished" and a.json["rows"]["imported"] == 2, a
        # An export is made while its first request waits.
        d = a.json["dataset"]["id"]
        a = server.get(f"/maps/datasets/{d}/download?format=geojson", user=who)
        assert a.status == 200 and len(a.json["features"]) == 2, a
        # Two pages that wait for the same work: one does it, the other sees it done.
        b = admin(server)
        b.open("/maps/upload/")
        b.submit("/maps/upload/", files=[("files", *csv(50))])
        assert b.answer.status == 200, b.answer
    wait_idle(server)


@contextlib.contextmanager
def ends_all_with_the_request(server):
    """slipway.cgi is a script that runs the program and then ends what it left running, as such hosts do."""
    program, hidden = server.folder + "/slipway.cgi", server.folder + "/slipway-front"
    os.rename(program, hidden)
    with open(program, "w") as f:
        f.write("""#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
"$here/slipway-front"
for p in /proc/[0-9]*; do
	grep -q "^$here/slipway-worker" "$p/cmdline" 2>/dev/null && kill -9 "${p#/proc/}"
done
exit 0
""")
    os.chmod(program, 0o755)
    try:
        yield
    finally:
        os.rename(hidden, program)


def test_a_host_that_ends_all_processes_with_the_request(server):
    who = token(server)
    wait_idle(server)
    with ends_all_with_the_request(server):
        status, lines = server.self_test()
        verdict, text = lines["A process that outlives its request"]
        assert status == 1 and verdict == "fail" and "worker.spawn = no" in text, lines
        with server.configured(("spawn = yes", "spawn = no")):      # as it says
            status, lines = server.self_test()
            assert status == 0 and lines["A process that outlives its request"][0] == "ok", lines
            a = server.post("/maps/upload/", {}, [("files", n, d) for n, d in shapefile("ponds", [(5, 6)])], accept="application/json", user=who)
            n = a.json["id"]
            a = server.post(f"/maps/upload/srs?id={n}", {"source": "EPSG:4326"}, accept="application/json", user=who)
            a = server.post(f"/maps/upload/final?id={n}", {}, accept="application/json", user=who)
            assert a.json["status"] == "finished" and a.json["rows"]["imported"] == 1, a
    assert glob.glob(server.data + "/**/self-test*", recursive=True) == []


def test_what_needs_longer_than_a_slice_is_refused_and_may_be_tried_again(server):
    who = token(server)
    wait_idle(server)
    n_rows = 2_000_000
    files = [("files", "stars.csv", b"name,lat,lng\n" + b"star,1.25,2.5\nmoon,3.5,4.25\n" * (n_rows // 2))]
    a = server.post("/maps/upload/", {}, files, accept="application/json", user=who)      # looked at by a worker
    n = a.json["id"]
    end = time.monotonic() + 60
    while a.json["status"] == "pending" and time.monotonic() < end:
        a = server.get(f"/maps/upload/?id={n}", accept="application/json", user=who)
    wait_idle(server)
    with server.configured(("spawn = yes", "spawn = no\nslice_s = 1")):
        a = server.post(f"/maps/upload/final?id={n}", {}, accept="application/json", user=who)
        assert a.json["code"] == "slice_exceeded", a
        assert "1 s" in a.json["error_msg"] and "worker.slice_s" in a.json["error_msg"], a
        a = server.get(f"/maps/upload/progress?id={n}", user=who)
        assert a.json["state"] == "ERROR" and a.json["code"] == "slice_exceeded", a
    server.jobs_settle()
    assert os.listdir(server.data + "/jobs") == [] and workers(server) == []
    with server.configured(("spawn = yes", "spawn = no\nslice_s = 25")):
        a = server.post(f"/maps/upload/retry?id={n}", {}, accept="application/json", user=who)
        a = server.get(f"/maps/upload/progress?id={n}", user=who)
        assert a.json["state"] == "COMPLETE", a
    a = server.get(f"/maps/upload/final?id={n}", accept="application/json", user=who)
    assert a.json["rows"]["imported"] == n_rows, a


def test_a_host_without_our_programs_says_so(server):
    who = token(server)
    wait_idle(server)
    for name in ("slipway-worker", "slipway-geo"):
        os.chmod(f"{server.folder}/{name}", 0o644)
    try:
        status, lines = server.self_test()
        assert status == 1 and lines["Starting programs"][0] == "fail" and "755" in lines["Starting programs"][1], lines
        assert lines["Reading geodata"][0] == "fail" and "GEO_LIBS=1" in lines["Reading geodata"][1], lines
        with server.configured(("spawn = yes", "spawn = yes\n[wizard]\ninspect_wait_s = 0")):
            a = server.post("/maps/upload/", {}, [("files", *csv())], accept="application/json", user=who)
            a = server.get(f"/maps/upload/progress?id={a.json['id']}", user=who)
            assert a.json["state"] == "RUNNING" and "could not start the program" in a.json["message"], a
    finally:
        for name in ("slipway-worker", "slipway-geo"):
            os.chmod(f"{server.folder}/{name}", 0o755)


def test_a_host_without_gdal_says_so(server):
    who = token(server)
    wait_idle(server)
    program, kept = server.folder + "/slipway-geo", server.dir + "/slipway-geo"
    os.rename(program, kept)
    try:
        with open(kept, "rb") as f, open(program, "wb") as out:      # a library that is nowhere
            out.write(f.read().replace(b"libgdal.so.", b"libnone.so."))
        os.chmod(program, 0o755)
        status, lines = server.self_test()
        verdict, text = lines["Reading geodata"]
        assert status == 1 and verdict == "fail" and "libnone.so" in text and "GEO_LIBS=1" in text, lines
        a = server.post("/maps/upload/", {}, [("files", *csv())], accept="application/json", user=who)
        assert a.json["code"] == "jail_unavailable" and "Tell the administrator" in a.json["error_msg"], a
    finally:
        os.replace(kept, program)


def test_programs_need_nothing_but_the_c_library(server):
    for name in ("slipway.cgi", "slipway", "slipway-worker"):
        out = subprocess.run(["ldd", f"{server.folder}/{name}"], stdout=subprocess.PIPE, check=True).stdout.decode()
        assert "not found" not in out, out
        for lib, path in re.findall(r"(\S+) => (\S+)", out):
            assert path.startswith(server.folder + "/lib/") or re.fullmatch(r"lib(c|m|resolv|pthread|dl|rt)\.so\.\d+", lib), (name, lib, path)


class BareHost:
    """A root of its own with the C library, two devices, what the loader wants of /proc, and the bundle: CGI without a server."""

    def __init__(self, user):
        self.root, self.user = tempfile.mkdtemp(prefix="slipway-root-"), user
        os.chmod(self.root, 0o755)
        done = bundle(self.root + "/maps", "GEO_LIBS=1")
        assert done.returncode == 0, done.stdout.decode()
        libs = subprocess.run(["ldd", self.root + "/maps/slipway-geo"], stdout=subprocess.PIPE, check=True).stdout.decode()
        for path in re.findall(r"(/\S*/(?:ld-linux\S*|lib(?:c|m|resolv|pthread|dl|rt|mvec)\.so\.\d+)) ", libs):
            if not path.startswith(self.root):
                os.makedirs(self.root + os.path.dirname(path), exist_ok=True)
                shutil.copy(path, self.root + path)
        for folder in ("/proc/self", "/dev"):
            os.makedirs(self.root + folder)
        os.symlink("/maps/slipway.cgi", self.root + "/proc/self/exe")
        for name, minor in (("null", 3), ("urandom", 9)):
            os.mknod(f"{self.root}/dev/{name}", stat.S_IFCHR | 0o666, os.makedev(1, minor))
            os.chmod(f"{self.root}/dev/{name}", 0o666)
        os.chown(self.root + "/maps/data", user.pw_uid, user.pw_gid)
        os.chown(self.root + "/maps/data/crs.index", user.pw_uid, user.pw_gid)

    def run(self, argv, env, body=b""):
        def enter():
            os.chroot(self.root)
            os.chdir("/")
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)
        return subprocess.run(argv, env=env, input=body, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=enter, timeout=60)

    def ask(self, method, path, body=b"", kind="", accept="application/json", token=None):
        path, _, query = path.partition("?")
        env = {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": method, "SCRIPT_NAME": "/maps/slipway.cgi",
               "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_URI": f"/maps{path}?{query}", "HTTP_ACCEPT": accept, "REMOTE_ADDR": "192.0.2.7"}
        if token:
            env["HTTP_AUTHORIZATION"] = "Bearer " + token
        if body:
            env.update(CONTENT_LENGTH=str(len(body)), CONTENT_TYPE=kind)
        return parse(self.run(["/maps/slipway.cgi"], env, body))


def test_a_host_with_nothing_but_the_c_library_does_it_all(server):
    if os.geteuid() != 0:
        return
    bare = BareHost(server.user)
    try:
        with open(bare.root + "/maps/slipway.conf") as f:
            text = f.read()
        with open(bare.root + "/maps/slipway.conf", "w") as f:
            f.write(text.replace("spawn = yes", "spawn = no"))
        a = bare.ask("GET", "/", accept="text/html")
        assert a.status == 200 and b"Slipway</title>" in a.body, a
        done = bare.run(["/maps/slipway", "user", "add", ADMIN[0], "--password-stdin", "--admin"], {}, ADMIN[1].encode() + b"\n")
        assert done.returncode == 0, done
        key = bare.run(["/maps/slipway", "key", "add", ADMIN[0]], {}).stdout.decode().split()[-1]
        checks = {c["id"]: c for c in bare.ask("GET", "/admin/self-test", token=key).json["checks"]}
        assert [c for c in checks.values() if c["verdict"] == "fail"] == [], checks
        assert checks["geo"]["verdict"] == "ok" and checks["regions"]["verdict"] == "warn", checks      # there is no /dev/shm
        body, kind = multipart([], [("files", *csv(5))])
        a = bare.ask("POST", "/upload/", body, kind, token=key)
        assert a.status == 201, a
        a = bare.ask("GET", f"/upload/final?id={a.json['id']}", token=key)
        assert a.json["status"] == "finished" and a.json["rows"]["imported"] == 5, a
        assert a.json["dataset"]["crs"] == "EPSG:4326", a      # which PROJ's database, brought along, knows
    finally:
        shutil.rmtree(bare.root)


def test_bringing_up_to_date_keeps_settings_and_data(server):
    token(server)
    with open(server.conf) as f:
        conf = f.read()
    with open(server.conf, "a") as f:
        f.write("; mine\n")
    listing = server.slipway("user", "list")
    try:
        done = bundle(server.folder)
        assert done.returncode == 0, done.stdout.decode()
        with open(server.conf) as f:
            assert f.read() == conf + "; mine\n"
        assert not os.path.exists(server.folder + ".first-login.txt")
        assert server.slipway("user", "list") == listing and server.get("/maps/healthz", user=None).status == 200
    finally:
        with open(server.conf, "w") as f:
            f.write(conf)
    other = tempfile.mkdtemp(prefix="slipway-other-")
    try:
        with open(other + "/precious", "w") as f:
            f.write("x")
        done = bundle(other)
        assert done.returncode != 0 and b"is no bundle" in done.stdout and os.listdir(other) == ["precious"], done
    finally:
        shutil.rmtree(other)


if __name__ == "__main__":
    import test_bundle
    if not shutil.which("apache2") or not os.path.exists(MODULES + "/mod_cgid.so"):
        print("ok 1 - left out: no apache2 with mod_cgid")
    else:
        host = Host()
        try:
            main(test_bundle, host)
        finally:
            host.close()
