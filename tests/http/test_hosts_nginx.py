"""Goal: Slipway works behind nginx as front-ends.md says: see hosts.py."""
import sys

from hosts import run

if __name__ == "__main__":
    sys.exit(1 if run("nginx") else 0)
