"""Peers in Python: a WSGI application behind Debian's gunicorn."""
import os
import socket
import subprocess
import time

# Workers that answer several kept connections each: what a site behind a web server has.
THREADS = ("-k", "gthread", "--threads", "4", "--keep-alive", "30")


class Gunicorn:
    """The `application` of MODULE in FOLDER, on PORT of this machine; ENV besides ours, complaints to the file LOG."""

    def __init__(self, folder, module, port, workers=2, options=(), env=None, log=None):
        self.port = port
        self.process = subprocess.Popen(["/usr/bin/gunicorn", "-w", str(workers), *options, "-b", f"127.0.0.1:{port}", "--chdir", folder,
                                         "--log-level", "error", f"{module}:application"], env={**os.environ, **(env or {})}, stderr=log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                time.sleep(0.05)
        self.close()
        raise SystemExit("gunicorn does not start")

    def close(self):
        self.process.terminate()
        self.process.wait()
