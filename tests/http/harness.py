"""A running Slipway for tests: a fresh data directory, a real web server, real store, and the "nothing left behind" oracle."""
import glob
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLIPWAY_BUILD", os.path.join(TOP, "build"))
DATA = os.path.join(TOP, "tests", "data")
SHARED = os.path.join(os.path.dirname(TOP), "shared", "data")
ADMIN = ("admin", "correct horse battery")
USER = ("mei", "another long phrase")
OTHER = ("otto", "somebody else entirely")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    def header(self, name):
        return self.headers.get(name)

    def __repr__(self):
        return f"<{self.status} {self.body[:3000]!r}>"


def multipart(fields, files):
    """Body and content type; FILES: (field, filename, bytes)."""
    boundary = "----slipway" + uuid.uuid4().hex
    out = []
    for name, value in fields:
        out.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value.encode() + b"\r\n")
    for field, filename, data in files:
        quoted = filename.replace("\\", "\\\\").replace('"', "%22")
        out.append((f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{quoted}"\r\n'
                    "Content-Type: application/octet-stream\r\n\r\n").encode() + data + b"\r\n")
    out.append(f"--{boundary}--\r\n".encode())
    return b"".join(out), f"multipart/form-data; boundary={boundary}"


# Making the CRS index takes seconds and always yields the same: the first server's is kept beside the build.
CRS_INDEX = os.path.join(BUILD, "crs.index")


def crs_index_lend(data):
    os.mkdir(data)
    try:
        if os.path.getmtime(CRS_INDEX) > os.path.getmtime(f"{BUILD}/slipway-geo"):
            shutil.copy(CRS_INDEX, os.path.join(data, "crs.index"))
    except FileNotFoundError:
        pass


def crs_index_keep(data):
    fresh = os.path.exists(CRS_INDEX) and os.path.getmtime(CRS_INDEX) > os.path.getmtime(f"{BUILD}/slipway-geo")
    if not fresh and os.access(BUILD, os.W_OK):
        temp = f"{CRS_INDEX}.{os.getpid()}"
        shutil.copy(os.path.join(data, "crs.index"), temp)
        os.replace(temp, CRS_INDEX)


def edited(folder, changes):
    """The templates in FOLDER, and beside them the web servers' files with CHANGES: {"nginx/slipway.conf": [(old, new), …]}."""
    for name in ("templates", "lighttpd", "nginx", "apache"):
        shutil.copytree(os.path.join(TOP, name), os.path.join(folder, name))
    for name, pairs in changes.items():
        with open(os.path.join(folder, name)) as f:
            text = f.read()
        for old, new in pairs:
            assert old in text, (name, old)
            text = text.replace(old, new)
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)
    return os.path.join(folder, "templates")


class Server:
    """
    `slipway serve` in a temporary data directory, with three users and their tokens.  WEB: the web server; MOUNT: where it is
    found; CHANGES: to the files for web servers, see edited().
    """

    def __init__(self, config="", processes=2, web=None, mount=None, changes=None):
        self.web = web or os.environ.get("SLIPWAY_WEB", "lighttpd")
        self.mount = (mount if mount is not None else os.environ.get("SLIPWAY_MOUNT", "")).rstrip("/")
        self.dir = tempfile.mkdtemp(prefix="slipway-test-")
        os.chmod(self.dir, 0o711)
        templates = edited(self.dir, changes) if changes else f"{TOP}/templates"
        self.data = os.path.join(self.dir, "data")
        self.port = free_port()
        self.conf = os.path.join(self.dir, "slipway.conf")
        with open(self.conf, "w") as f:
            # Named, because BUILD may stand anywhere.
            f.write(f"[server]\nprocesses = {processes}\ntemplate_dir = {templates}\nstatic_dir = {TOP}/static\n[upload]\nmin_free = 64M\n{config}\n")
        os.chmod(self.conf, 0o644)
        self.log_path = os.path.join(self.dir, "log")
        self.process = None
        self.tokens = {}
        crs_index_lend(self.data)
        try:
            self.start()
            crs_index_keep(self.data)
            for (name, password), admin in ((ADMIN, True), (USER, False), (OTHER, False)):
                self.slipway("user", "add", name, "--password-stdin", *(["--admin"] if admin else []), stdin=password + "\n")
                self.tokens[name] = self.slipway("key", "add", name).split()[-1]
        except BaseException:
            self.stop()
            raise

    def slipway(self, *args, stdin="", check=True):
        done = subprocess.run([f"{BUILD}/slipway", *args, "--data-dir", self.data, "--config", self.conf], input=stdin.encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"slipway {' '.join(args)}: {done.returncode} {done.stderr.decode()}")
        return done.stdout.decode()

    def dump(self):
        """The rows of the store, secrets included."""
        return [json.loads(line) for line in self.slipway("dump", "--secrets").splitlines()]

    def load(self, rows):
        """While it is stopped: a fresh store with ROWS in place of its own."""
        for name in ("db", "gate", "ballast"):
            target = os.path.join(self.data, name)
            shutil.rmtree(target) if os.path.isdir(target) else os.path.exists(target) and os.unlink(target)
        self.slipway("load", "-", stdin="".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))

    def start(self):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([f"{BUILD}/slipway", "serve", "--web", self.web, "--mount", self.mount or "/", "--listen",
                                         f"127.0.0.1:{self.port}", "--data-dir", self.data, "--config", self.conf], stdout=subprocess.PIPE, stderr=log)
        log.close()
        self.banner = ""
        while True:
            line = self.process.stdout.readline().decode()
            if line == "":
                raise AssertionError("serve ended: " + self.log())
            self.banner += line
            if "is ready" in line:
                return

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process is not None:
            self.process.stdout.close()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
        for regions in glob.glob("/dev/shm/slipway-*-" + hashlib.sha256(self.data.encode()).hexdigest()[:8]):
            shutil.rmtree(regions, ignore_errors=True)

    def log(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode("utf-8", "replace")

    # ---- requests

    def at(self, path):
        """PATH as clients name it: below the mount, unless it is already."""
        return path if path.startswith(self.mount + "/") else self.mount + path

    def request(self, method, path, body=None, headers=None, user="mei", timeout=60):
        headers = dict(headers or {})
        if user is not None and "Authorization" not in headers:
            headers["Authorization"] = "Bearer " + self.tokens[user]
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, self.at(path), body=body, headers=headers)
            r = c.getresponse()
            return Answer(r.status, r.headers, r.read())
        finally:
            c.close()

    def get(self, path, accept=None, **kw):
        headers = kw.pop("headers", {})
        if accept:
            headers["Accept"] = accept
        return self.request("GET", path, headers=headers, **kw)

    def post(self, path, fields=(), files=(), accept=None, **kw):
        """FIELDS: dict or pairs; FILES: (field, filename, bytes)."""
        pairs = list(fields.items()) if isinstance(fields, dict) else list(fields)
        headers = kw.pop("headers", {})
        if accept:
            headers["Accept"] = accept
        if files:
            body, headers["Content-Type"] = multipart(pairs, files)
        else:
            body = urllib.parse.urlencode(pairs).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.request("POST", path, body=body, headers=headers, **kw)

    def save(self, *paths, fields=(), strict=True, **kw):
        """POST the save step with files from disk (path or (name, bytes))."""
        files = []
        for p in paths:
            name, data = p if isinstance(p, tuple) else (os.path.basename(p), open(p, "rb").read())
            files.append(("files", name, data))
        path = "/upload/" if strict else "/upload/?force_ajax=true"
        return self.post(path, fields, files, accept="application/json" if strict else None, **kw)

    def wait_finished(self, session, seconds=60, **kw):
        """GET final until it is neither pending nor incomplete; returns the last answer."""
        end = time.monotonic() + seconds
        while True:
            a = self.get(f"/upload/final?id={session}", accept="application/json", **kw)
            if a.json.get("status") != "pending" or time.monotonic() > end:
                return a
            time.sleep(0.1)

    # ---- the oracle (security.md 2): what is there besides the store's own logs

    def jobs_settle(self, seconds=2):
        """A job's folder goes just after its result was told: give it that moment."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if not os.listdir(os.path.join(self.data, "jobs")):
                    return
            except FileNotFoundError:
                pass      # a worker that has just begun makes it anew
            time.sleep(0.01)

    def traces(self):
        """Counts of what a refused request must not change."""
        self.jobs_settle()
        files = {}
        for folder in ("uploads", "sessions", "jobs", "datasets", "exports"):
            root = os.path.join(self.data, folder)
            n = size = 0
            for base, _, names in os.walk(root):
                for name in names:
                    if name == "sweep":
                        continue      # where the last search for expired uploads ended
                    try:
                        size += os.lstat(os.path.join(base, name)).st_size
                        n += 1
                    except FileNotFoundError:
                        pass
            files[folder] = (n, size)
        records = {}
        for line in self.slipway("dump").splitlines():
            row = json.loads(line)
            value = row.get("value")
            if isinstance(value, dict) and (value.get("state") == "expired" or "gone" in value):
                continue      # tombstones without bytes are meant to stay
            if row["table"] in ("sessions", "uploads"):
                records[row["table"]] = records.get(row["table"], 0) + 1
        return {"files": files, "records": records}


class LeftBehind(AssertionError):
    pass


def nothing_left(server, before, seconds=20):
    """Compare with the traces taken BEFORE; background removal gets a moment."""
    end = time.monotonic() + seconds
    while True:
        now = server.traces()
        if now == before:
            return
        if time.monotonic() > end:
            raise LeftBehind(f"before {before}, now {now}")
        time.sleep(0.2)


def tell(tests, server):
    """Run TESTS, (name, function of SERVER) each, that the command line wants; TAP on standard output.  How many failed."""
    wanted = sys.argv[1:]
    failed = 0
    for i, (name, test) in enumerate(tests, 1):
        if wanted and not any(w in name for w in wanted):
            continue
        try:
            test(server)
            print(f"ok {i} - {name}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {i} - {name}", flush=True)
            print("\n".join("# " + l for l in traceback.format_exc().splitlines()), flush=True)
    if failed and isinstance(server, Server):
        print("\n".join("# log: " + l for l in server.log().splitlines()[-15:]))
    return failed


def main(module, server=None):
    """Run the test_* functions of MODULE (each takes the server when it has a parameter); TAP on standard output."""
    own = server is None
    server = server or Server()
    try:
        failed = tell([(n, f) for n, f in vars(module).items() if n.startswith("test_") and callable(f)], server)
    finally:
        if own:
            server.close()
    sys.exit(1 if failed else 0)
