#!/usr/bin/python3
"""Goal: what `make install` puts somewhere works there without configuration, `make uninstall` takes exactly that away again and
leaves data and changed configuration, `make dist` yields the same bytes each time, and the shipped files are right: units as
systemd reads them and as the programs need them, every line of the example configuration."""
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
import harness
import steps
from harness import BUILD, TOP

PLACES = {"/usr": "/etc", "/usr/local": "/usr/local/etc", "/opt/slipway": "/opt/slipway/etc"}


def make(*words, **kw):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    done = subprocess.run(["make", "-s", "-C", kw.get("top", TOP), f"B={BUILD}", *words], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, done.stdout.decode()[-2000:]
    return done.stdout.decode()


def files(root):
    return sorted(os.path.relpath(os.path.join(base, n), root) for base, _, names in os.walk(root) for n in names)


class Installed:
    def __init__(self, prefix):
        self.root = tempfile.mkdtemp(prefix="slipway-install-")
        os.chmod(self.root, 0o755)
        self.prefix = prefix
        self.told = make("install", f"DESTDIR={self.root}", f"prefix={prefix}")

    def path(self, *names):
        return os.path.join(self.root, *(n.lstrip("/") for n in names))

    def make(self, what):
        return make(what, f"DESTDIR={self.root}", f"prefix={self.prefix}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)


def test_uninstall_leaves_nothing(_):
    for prefix, etc in PLACES.items():
        with Installed(prefix) as i:
            for name in ("bin/slipway", "libexec/slipway/slipway-worker", "libexec/slipway/slipway-geo", "lib/cgi-bin/slipway.fcgi",
                         "share/slipway/templates/text.zh", "share/slipway/static/upload.js", "share/slipway/lighttpd/slipway.conf",
                         "share/slipway/apache/slipway.conf", "share/slipway/nginx/slipway.conf", "lib/systemd/system/slipway.socket"):
                assert os.path.isfile(i.path(prefix, name)), name
            assert os.path.isfile(i.path(etc, "slipway/slipway.conf")) and os.path.isfile(i.path(etc, "logrotate.d/slipway"))
            i.make("uninstall")
            assert files(i.root) == [], files(i.root)
            left = [d for d, _, _ in os.walk(i.root) if "slipway" in os.path.relpath(d, i.root).replace("opt/slipway", "")]
            assert left == [], left


def test_readme_leads_somewhere(_):
    """Every page README links to that is not source is installed beside it, and speaks of this installation's places."""
    with Installed("/opt/slipway") as i:
        docs = i.path("/opt/slipway/share/doc/slipway")
        with open(f"{docs}/README.md", encoding="utf-8") as f:
            linked = re.findall(r"\]\((doc/[^)]+[^)/])\)", f.read())
        assert "doc/deploy/nginx.md" in linked and "doc/openapi.json" in linked, linked
        assert [name for name in linked if not os.path.isfile(f"{docs}/{name}")] == []
        for name in (f"{docs}/doc/deploy/nginx.md", i.path("/opt/slipway/share/man/man5/slipway.conf.5")):
            with open(name, encoding="utf-8") as f:
                assert "/usr/share/slipway" not in f.read(), name


def test_changed_configuration_and_data_stay(_):
    with Installed("/usr") as i:
        with open(i.path("/etc/slipway/slipway.conf"), "a") as f:
            f.write("[upload]\nmax_size = 1G\n")
        os.makedirs(i.path("/var/lib/slipway/datasets"))
        open(i.path("/var/lib/slipway/datasets/1.gpkg"), "w").close()
        assert "is there and stays" in i.make("install")
        assert open(i.path("/etc/slipway/slipway.conf")).read().endswith("max_size = 1G\n")
        assert "was changed and stays" in i.make("uninstall")
        assert files(i.root) == ["etc/slipway/slipway.conf", "var/lib/slipway/datasets/1.gpkg"], files(i.root)


def test_every_file_names_the_places_of_its_installation(_):
    with Installed("/opt/slipway") as i:
        for name in files(i.root):
            if "/slipway/slipway" in name and name.endswith((".service", ".conf")):
                text = open(i.path(name)).read()
                for strange in ("/usr/lib/cgi-bin", "/usr/libexec", "/usr/bin/slipway", "/etc/slipway", "/etc/lighttpd"):
                    assert strange not in text.replace("/opt/slipway" + strange, ""), (name, strange)


class At(harness.Server):
    """The harness, with the programs of an installation."""

    def __init__(self, installed):
        self.program = installed.path(installed.prefix, "bin/slipway")
        super().__init__()

    def slipway(self, *args, stdin="", check=True):
        done = subprocess.run([self.program, *args, "--data-dir", self.data], input=stdin.encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120, env=self.env())
        assert not check or done.returncode == 0, (args, done.stderr)
        return done.stdout.decode()

    def env(self):
        return {k: v for k, v in os.environ.items() if k not in ("SLIPWAY_CONF", "HOME")}

    def start(self):
        os.unlink(self.conf)      # nothing is told but where the data are
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program, "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", self.data],
                                            stdout=subprocess.PIPE, stderr=log, env=self.env())
        while "is ready" not in (line := self.process.stdout.readline().decode()):
            assert line, self.log()


def test_it_works_where_it_is_installed(_):
    for prefix in PLACES:
        with Installed(prefix) as i:
            server = At(i)
            try:
                found = dict(line.split(" ;")[0].split(" = ", 1) for line in server.slipway("config").splitlines() if " = " in line)
                assert found["template_dir"] == i.path(prefix, "share/slipway/templates"), found["template_dir"]
                assert found["program_dir"] == i.path(prefix, "libexec/slipway"), found["program_dir"]
                assert "<html" in server.get("/", accept="text/html").text
                assert server.get("/static/upload.js", user=None).status == 200
                done = steps.points(server, "installed", ["1,2,a", "3,4,b"])
                assert done["rows"]["imported"] == 2
                # As plain CGI, from its own place.
                env = {"SLIPWAY_DATA_DIR": server.data, "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/cgi-bin/slipway.fcgi", "PATH_INFO": "/login",
                       "REQUEST_URI": "/cgi-bin/slipway.fcgi/login", "HTTP_ACCEPT": "text/html", "SERVER_PROTOCOL": "HTTP/1.1"}
                st = os.stat(server.data)
                who = {"user": st.st_uid, "group": st.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
                out = subprocess.run([i.path(prefix, "lib/cgi-bin/slipway.fcgi")], env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                     timeout=30, cwd="/", **who).stdout
                assert b"<form" in out and b"503" not in out[:20], out[:300]
            finally:
                server.close()


def test_without_data_dir_it_is_below_var(_):
    with Installed("/usr") as i:
        os.unlink(i.path("/etc/slipway/slipway.conf"))
        env = {"PATH": os.environ["PATH"], "HOME": i.root}
        out = subprocess.run([i.path("/usr/bin/slipway"), "config"], env=env, stdout=subprocess.PIPE, check=True).stdout.decode()
        assert "data_dir = /var/lib/slipway ; found" in out, out[:300]


def test_the_prefix_has_its_own_configuration(_):
    with Installed("/opt/slipway") as i:
        out = subprocess.run([i.path("/opt/slipway/bin/slipway"), "config"], env={"PATH": os.environ["PATH"], "HOME": i.root},
                             stdout=subprocess.PIPE, check=True).stdout.decode()
        assert out.startswith("; " + i.path("/opt/slipway/etc/slipway/slipway.conf")), out[:200]
        assert re.search(r"^data_dir = /var/lib/slipway ; slipway.conf:\d+$", out, re.M), out[:300]


def test_dist_is_reproducible(_):
    if not os.path.exists(os.path.join(TOP, ".git")):
        print("# not a git checkout: nothing to make a distribution of")
        return
    sums = []
    for _ in range(2):
        path = make("dist").split()[-1]
        with open(path, "rb") as f:
            sums.append(hashlib.sha256(f.read()).hexdigest())
        listed = subprocess.run(["tar", "tzf", path], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
        os.unlink(path)
        time.sleep(1.1)      # a time of day in it would show
    assert sums[0] == sums[1], sums
    assert all(n.startswith("slipway-") for n in listed) and any(n.endswith("/cgi-bin/slipway.c") for n in listed)


def test_the_example_configuration_is_right(_):
    with open(os.path.join(TOP, "etc/slipway.conf")) as f:
        text = f.read()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(re.sub(r"^;(\w+ =)", r"\1", text, flags=re.M).replace("mount =\n", "mount = /slipway\n"))
        f.flush()
        done = subprocess.run([f"{BUILD}/slipway", "config", "check", f.name], stdout=subprocess.PIPE)
        assert done.returncode == 0 and done.stdout == b"0 errors\n", done.stdout
        shown = subprocess.run([f"{BUILD}/slipway", "config", "--config", f.name], stdout=subprocess.PIPE, check=True).stdout.decode()
    default = subprocess.run([f"{BUILD}/slipway", "config"], stdout=subprocess.PIPE, check=True, env={"PATH": os.environ["PATH"]}).stdout.decode()
    for row in re.findall(r"^;(\w+ = \S+)$", text, re.M):
        assert f"\n{row} ;" in shown, row
        if not re.search(r"example|/|127\.", row):      # those show how, not what
            assert f"\n{row} ; default" in default, f"{row} is no default"


def test_check_install_says_what_it_needs(_):
    if os.geteuid() != 0:
        return
    done = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "tests/install/check_install.py")], user=65534, group=65534, extra_groups=[],
                          env={"B": BUILD, "PATH": os.environ["PATH"]}, stderr=subprocess.PIPE, cwd="/")
    assert done.returncode == 2 and b"check-install: needs root" in done.stderr, done


# ---- systemd

def test_units_are_right(_):
    if shutil.which("systemd-analyze") is None:
        print("# systemd-analyze is not installed")
        return
    with Installed("/usr") as i:
        for unit in glob.glob(i.path("/usr/lib/systemd/system/slipway*")):
            out = subprocess.run(["systemd-analyze", "verify", f"--root={i.root}", "--man=no", os.path.basename(unit)], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT).stdout.decode()
            # The root holds nothing but Slipway.
            assert not [l for l in out.splitlines() if l and "/bin/kill" not in l and "sysinit.target not found" not in l], out
            if unit.endswith(".service"):
                # One that is given up takes the socket with it, and is not started again once what kept it is mended.
                with open(unit) as f:
                    assert "\nStartLimitIntervalSec=0\n" in f.read(), unit
                out = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", unit], stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
                assert out.returncode == 0, out.stdout.decode()[-300:]


def allowed():
    """System calls of the units' filter."""
    with open(os.path.join(TOP, "systemd/slipway.service")) as f:
        words = re.search(r"^SystemCallFilter=(.*)$", f.read(), re.M)[1].split()
    done, found = set(), set()
    while words:
        word = words.pop()
        if not word.startswith("@"):
            found.add(word)
        elif word not in done:
            done.add(word)
            text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], stdout=subprocess.PIPE, check=True).stdout.decode()
            words += [l.strip() for l in text.splitlines()[1:] if l.strip() and not l.strip().startswith("#")]
    return found


def test_the_programs_need_no_call_the_units_forbid(_):
    """Front, worker and jail at work, every call of theirs noted."""
    if os.geteuid() != 0 or shutil.which("systemd-analyze") is None or shutil.which("strace") is None:
        print("# root, systemd-analyze and strace are needed")
        return
    server = harness.Server()
    try:
        notes = os.path.join(server.dir, "calls")
        tracers = []
        for pid in subprocess.run(["pgrep", "-P", str(server.process.pid), "slipway"], stdout=subprocess.PIPE, check=True).stdout.split():
            tracers.append(subprocess.Popen(["strace", "-f", "-qq", "-o", f"{notes}.{pid.decode()}", "-p", pid.decode()], stderr=subprocess.DEVNULL))
        time.sleep(1)
        steps.points(server, "traced", [f"{n % 80},{n},a" for n in range(170)])
        assert server.get("/", accept="text/html").status == 200
        for t in tracers:
            t.send_signal(signal.SIGINT)
            t.wait(20)
        used = set()
        for path in glob.glob(f"{notes}.*"):
            with open(path, errors="replace") as f:
                used |= set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed)", f.read(), re.M))
    finally:
        server.close()
    assert {"execve", "landlock_restrict_self", "accept4", "fdatasync"} <= used, sorted(used)
    assert not used - allowed(), sorted(used - allowed())


if __name__ == "__main__":
    # Each test has a server of its own, or none.
    harness.main(sys.modules[__name__], types.SimpleNamespace(log=str))
