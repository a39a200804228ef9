"""The clients of package.json, installed once into the build directory."""
import fcntl
import hashlib
import os
import shutil
import subprocess

# Debian's own (9.2) fails at an override of a dependency that is an address: it is asked for a newer one.
NPM = ["npx", "--yes", "npm@10.9.2"]
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("SLIPWAY_BUILD", os.path.join(HERE, "..", "..", "build")))


def installed(stamp, wanted):
    if not os.path.exists(stamp):
        return False
    with open(stamp) as f:
        return f.read() == wanted


def modules():
    """The node_modules folder, filled.  Raises when the packages cannot be fetched: then nothing here is proved."""
    folder = os.path.join(BUILD, "clients")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(HERE, "package.json"), "rb") as f:
        text = f.read()
    stamp = os.path.join(folder, "installed")
    wanted = hashlib.sha256(text).hexdigest()
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed(stamp, wanted):
            with open(os.path.join(folder, "package.json"), "wb") as f:
                f.write(text)
            shutil.rmtree(os.path.join(folder, "node_modules"), ignore_errors=True)
            subprocess.run([*NPM, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"],
                           cwd=folder, check=True, timeout=600)
            with open(stamp, "w") as f:
                f.write(wanted)
    return os.path.join(folder, "node_modules")


if __name__ == "__main__":
    print(modules())
