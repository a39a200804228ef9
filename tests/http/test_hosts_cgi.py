"""Goal: Slipway works behind cgi as front-ends.md says: see hosts.py."""
import sys

from hosts import run

if __name__ == "__main__":
    sys.exit(1 if run("cgi") else 0)
