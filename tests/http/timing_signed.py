#!/usr/bin/python3
"""Does the time of a refusal tell what was wrong?  Not part of the tests: minutes on a quiet machine, where means settle.

  SLIPWAY_BUILD=build tests/http/timing_signed.py [REQUESTS]      of each class; default 10000

Classes are asked in turn, so that whatever else the machine does is spread over all of them: an account that does not exist, and
tokens whose first 0, 1, 20 and 39 digits are right.  Fails when two means differ by more than a tenth, or when they grow with the
number of right digits (contracts: signed-api.md case 18, security.md A55).
"""
import http.client
import statistics
import sys
import time
import urllib.parse

from harness import Server
from signed import AUTH, ROWS, configure, now_ms, signed

PREFIXES = (0, 1, 20, 39)


def wrong(token, right):
    """TOKEN with its first RIGHT digits kept and the next one changed."""
    return token[:right] + ("0" if token[right] != "0" else "1") + token[right + 1:]


def classes():
    yield "unknown account", lambda: signed("ab", visitor="nobody", ds='["1"]')
    for n in PREFIXES:
        def fields(n=n):
            f = signed("ab", ds='["1"]')
            return {**f, "token": wrong(f["token"], n)}
        yield f"{n} digits right", fields


def main():
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    server = Server("[server]\ntrusted_proxies = 127.0.0.1\n", processes=1)
    times = {name: [] for name, _ in classes()}
    try:
        configure(server, {"loader": {}}, {"ab": {"table": "t(A)", "columns": {"A": "text"}}})
        c = http.client.HTTPConnection("127.0.0.1", server.port)
        for i in range(requests + 50):
            # An address is refused after twenty failures in a minute.
            address = f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"
            for name, fields in classes():
                body = urllib.parse.urlencode(fields())
                headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": address}
                begin = time.perf_counter_ns()
                c.request("POST", ROWS, body, headers)
                answer = c.getresponse().read()
                if i >= 50:      # the first ones warm up
                    times[name].append(time.perf_counter_ns() - begin)
                assert answer == AUTH, answer
    finally:
        server.close()
    # What the machine did besides is cut off alike at both ends.
    means = {}
    for name, all_of in times.items():
        middle = sorted(all_of)[len(all_of) // 20:len(all_of) - len(all_of) // 20]
        means[name] = statistics.fmean(middle) / 1000
        print(f"{name:16} {means[name]:8.1f} us  +- {statistics.stdev(middle) / len(middle) ** 0.5 / 1000:.2f}")
    spread = max(means.values()) / min(means.values())
    growing = [means[f"{n} digits right"] for n in PREFIXES]
    slope = growing[-1] / growing[0]
    print(f"largest to smallest {spread:.3f}; 39 digits right to none {slope:.3f}")
    sys.exit(0 if spread < 1.1 and abs(slope - 1) < 0.02 else 1)


if __name__ == "__main__":
    main()
