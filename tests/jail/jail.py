"""Speaking to slipway-geo as the worker does: frames over pipes, a job directory, the fixed environment."""
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GEO = os.environ.get("SLIPWAY_GEO", os.path.join(ROOT, "build", "slipway-geo"))
# A build with sanitizers maps terabytes: let it.
MEMORY = int(os.environ.get("SLIPWAY_MEMORY", "0"))
ENVIRONMENT = {
    "LANG": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin", "GDAL_DATA": "/usr/share/gdal",
    "PROJ_DATA": "/usr/share/proj", "PROJ_LIB": "/usr/share/proj", "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9", "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
}


def stems(names):
    """Paths below in/: files of one stem share the number of the first, as wizard/message.c gives them."""
    paths, numbers = [], {}
    for n, name in enumerate(names, 1):
        base = os.path.basename(name)
        stem, dot, ext = base.partition(".") if base.lower().endswith((".shp.xml", ".aux.xml")) else \
            (base.rpartition(".")[0], ".", base.rpartition(".")[2])
        number = numbers.setdefault(stem.lower(), n)
        path = "%d.%s" % (number, ext.lower())
        paths.append("%d.%s" % (n, ext.lower()) if path in paths else path)
    return paths


class Jail:
    """One process; use as a context manager.  FILES: {name: bytes or path}."""

    def __init__(self, files=None, prefix=(), env=None, questions=False):
        self.dir = tempfile.mkdtemp(prefix="jail-")
        self.out = os.path.join(self.dir, "out")
        os.mkdir(os.path.join(self.dir, "in"))
        os.mkdir(self.out)
        self.files = []
        names = list(files or {})
        for n, (name, path) in enumerate(zip(names, stems(names)), 1):
            where = os.path.join(self.dir, "in", path)
            if isinstance(files[name], bytes):
                with open(where, "wb") as f:
                    f.write(files[name])
            else:
                shutil.copyfile(files[name], where)
            self.files.append({"n": n, "name": name, "path": path, "size": os.path.getsize(where)})
        self.stderr = open(os.path.join(self.dir, "stderr"), "w+b")
        argv = list(prefix) + [GEO] + ([] if questions else ["--job", self.dir])
        self.started = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr,
                                        env=dict(ENVIRONMENT, **(env or {})), start_new_session=True)
        self.ready = None
        self.progress = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def send_bytes(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def send(self, message):
        text = json.dumps(message).encode()
        self.send_bytes(struct.pack(">I", len(text)) + text)

    def _bytes(self, n, until):
        data = b""
        while len(data) < n:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("slipway-geo is silent")
            piece = os.read(self.process.stdout.fileno(), n - len(data))
            if not piece:
                return None
            data += piece
        return data

    def receive(self, timeout=60):
        """The next frame, None at the end."""
        until = time.monotonic() + timeout
        head = self._bytes(4, until)
        if head is None:
            return None
        body = self._bytes(struct.unpack(">I", head)[0], until)
        return None if body is None else json.loads(body)

    def wait_ready(self):
        if self.ready is None:
            self.ready = self.receive()
        return self.ready

    def run(self, timeout=60, **job):
        """Send one job; the result or failed frame, None when the process died."""
        self.wait_ready()
        if MEMORY:
            job["limits"] = dict({"jail_memory": MEMORY}, **job.get("limits", {}))
        self.send(dict({"type": "job", "files": self.files}, **job))
        while True:
            frame = self.receive(timeout)
            if frame is None or frame["type"] != "progress":
                return frame
            self.progress.append(frame)

    def log(self):
        with open(os.path.join(self.dir, "stderr"), "rb") as f:
            return f.read().decode("utf-8", "replace")


def inspect(files, timeout=60, prefix=(), env=None, **job):
    """Inspect FILES in a fresh jail; (frame, jail's directory is gone, log)."""
    with Jail(files, prefix=prefix, env=env) as jail:
        frame = jail.run(timeout=timeout, task="inspect", **job)
        status = jail.process.wait(10) if frame is None else None
        return frame, status, jail.log()


def codes(frame):
    """Problem codes of a failed frame, or 'died', or [] for a result."""
    if frame is None:
        return ["died"]
    return [p["code"] for p in frame.get("problems", [])] if frame["type"] == "failed" else []
