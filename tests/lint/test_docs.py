#!/usr/bin/python3
"""Goal: the man pages are true: mandoc has nothing to say about them, every command of the program and every setting of the
configuration is in them, and nothing that is not there."""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLIPWAY_BUILD", os.path.join(TOP, "build"))


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def pages_are_well_formed():
    pages = sorted(glob.glob(os.path.join(TOP, "doc", "*.[158]")))
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return [] if len(pages) >= 5 and done.returncode == 0 else done.stdout.decode().splitlines() or ["too few pages"]


def commands_are_told():
    usage = subprocess.run([f"{BUILD}/slipway", "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()
    real = {re.sub(r"\s+", " ", line.strip()) for line in usage.splitlines() if re.match(r"  \S", line)}
    told = set(re.findall(r"^\.It Ic (.+)$", read("doc", "slipway.1"), re.M))
    spell = lambda s: re.sub(r"\s+", " ", s.replace("\\e", "\\").replace("...", "…")).strip()
    told = {spell(t) for t in told}
    plain = lambda s: s.strip().rstrip(".").lower()
    helps = {spell(c): plain(h) for c, h in re.findall(r"^  (\S.*)\n      (.+)$", usage, re.M)}
    texts = {spell(c): plain(h) for c, h in re.findall(r"^\.It Ic (.+)\n(.+)$", read("doc", "slipway.1"), re.M)}
    return [f"not in slipway.1: {c}" for c in sorted(real - told)] + [f"no such command: {c}" for c in sorted(told - real)] + \
        [f"{c}: --help says “{h}”, slipway.1 says “{texts[c]}”" for c, h in helps.items() if c in texts and texts[c] != h]


def settings_are_told():
    text = subprocess.run([f"{BUILD}/slipway", "config", "--data-dir", "/nonexistent"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    real, section = {}, ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        elif section and "=" in line and not line.startswith(";"):
            key, _, rest = line.partition("=")
            value, _, source = rest.rpartition(";")
            real[section, key.strip()] = value.strip() if source.strip() == "default" else None
    told, section = {}, ""
    for line in read("doc", "slipway.conf.5").splitlines():
        if line.startswith(".Ss ["):
            section = line[4:]
        elif line.startswith(".It Ic ") and section != "[target]":
            key, _, default = line[len(".It Ic "):].partition(" = ")
            told[section, key] = default
    wrong = [f"{s} {k} = {told[s, k]} in slipway.conf.5, {v} in the program" for (s, k), v in real.items()
             if (s, k) in told and v is not None and told[s, k] != v and not told[s, k].endswith("…")]
    real, told = set(real), {t for t in told if t[0].startswith("[")}
    return wrong + [f"not in slipway.conf.5: {s} {k}" for s, k in sorted(real - told)] + [f"no such setting: {s} {k}" for s, k in sorted(told - real)] + \
        ([] if len(real) > 100 else ["slipway config says nothing"])


def main():
    failed = 0
    for n, check in enumerate((pages_are_well_formed, commands_are_told, settings_are_told), 1):
        wrong = check()
        print(f"{'not ok' if wrong else 'ok'} {n} - {check.__name__}")
        for line in wrong[:40]:
            print("# " + line)
        failed += bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
