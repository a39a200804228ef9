#!/usr/bin/python3
"""All benchmarks with a build directory: bench/run.py BUILD_DIR"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(sys.argv[1])
bad = 0
for command in ([f"{HERE}/front.py", BUILD], [f"{HERE}/catalog.py", BUILD], [f"{HERE}/tus.py", BUILD], [f"{HERE}/signed.py", BUILD], [f"{HERE}/import.py", "--geo", f"{BUILD}/slipway-geo"]):
    bad |= subprocess.run(["/usr/bin/python3", *command]).returncode
sys.exit(bad)
