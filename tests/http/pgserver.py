"""A PostgreSQL server of a test's own, from Debian's package `postgresql`, on a Unix socket only."""
import glob
import os
import pwd
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time


def installed():
    return bool(glob.glob("/usr/lib/postgresql/*/bin/initdb"))


class Severed:
    """A way to PG's socket that is cut behind the next COMMIT once it is ARMED: nobody hears its answer, nobody is let in for DOWN_S."""

    def __init__(self, pg, down_s=2):
        self.pg, self.down_s, self.armed, self.until, self.cuts = pg, down_s, False, 0, 0
        self.dir = tempfile.mkdtemp(prefix="slipway-pg-")
        os.chmod(self.dir, 0o755)
        self.conninfo = pg.conninfo.replace(pg.dir, self.dir)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.dir}/.s.PGSQL.5432")
        os.chmod(f"{self.dir}/.s.PGSQL.5432", 0o777)
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client,), daemon=True).start()

    def pass_on(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            if time.monotonic() < self.until:
                return
            server.connect(f"{self.pg.dir}/.s.PGSQL.5432")
            while True:
                for s in select.select([client, server], [], [])[0]:
                    data = s.recv(65536)
                    if not data:
                        return
                    (server if s is client else client).sendall(data)
                    if s is client and self.armed and b"COMMIT\0" in data:
                        server.recv(65536)
                        self.armed, self.until, self.cuts = False, time.monotonic() + self.down_s, self.cuts + 1
                        return

    def close(self):
        self.listener.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Pg:
    """FSYNC: as durable as a server is by default.  The superuser is "boss"; nobody needs a password."""

    def __init__(self, fsync=False):
        self.bin = os.path.dirname(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))[-1])
        self.dir = tempfile.mkdtemp(prefix="slipway-pg-")
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.dir, user.pw_uid, user.pw_gid)
        os.chmod(self.dir, 0o755)      # clients of other users find the socket
        self.data = f"{self.dir}/data"
        self.run(f"{self.bin}/initdb", "-D", self.data, "-A", "trust", "-U", "boss", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.fsync = "on" if fsync else "off"
        self.conninfo = f"host={self.dir} dbname=postgres user=boss"
        self.start()

    def start(self):
        self.run(f"{self.bin}/pg_ctl", "-D", self.data, "-l", f"{self.dir}/log", "-w", "-s",
                 "-o", f"-k {self.dir} -c listen_addresses= -c fsync={self.fsync}", "start")

    def secure(self):
        """Started again so that it is reached over TCP, by TLS only.  The connection string, but for the user."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.stop()
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                 "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{self.data}/server.key", "-out", f"{self.data}/server.crt")
        shutil.copy(f"{self.data}/server.crt", f"{self.dir}/ca.crt")
        os.chmod(f"{self.dir}/ca.crt", 0o644)
        with open(f"{self.data}/pg_hba.conf", "w") as f:
            f.write("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        self.run(f"{self.bin}/pg_ctl", "-D", self.data, "-l", f"{self.dir}/log", "-w", "-s", "-o",
                 f"-k {self.dir} -c fsync={self.fsync} -c ssl=on -c listen_addresses=127.0.0.1 -c port={port}", "start")
        self.conninfo = f"host={self.dir} port={port} dbname=postgres user=boss"
        return f"host=127.0.0.1 port={port} dbname=postgres sslmode=verify-full sslrootcert={self.dir}/ca.crt"

    def stop(self, mode="fast"):
        self.run(f"{self.bin}/pg_ctl", "-D", self.data, "-w", "-s", "-m", mode, "stop")

    def run(self, *command):
        """It refuses to run as root."""
        prefix = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
        done = subprocess.run([*prefix, *command], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"{command[0]}: {done.stderr.decode()}")

    def sql(self, text):
        """The rows as lines of cells separated by |."""
        done = subprocess.run([f"{self.bin}/psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-c", text, self.conninfo], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        return done.stdout.decode()

    def open(self, text):
        """A session that runs TEXT; the caller ends it."""
        return subprocess.Popen([f"{self.bin}/psql", "-X", "-q", "-c", text, self.conninfo], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def postmaster(self):
        with open(f"{self.data}/postmaster.pid") as f:
            return int(f.readline())

    def close(self):
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
