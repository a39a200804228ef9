"""Goal: each request is one line of the log, in words or as one JSON object, whatever its path holds; a log file that was moved
away is followed by every process; what opens an upload is not told whole."""
import json
import os
import re
import socket
import sys
import time

from harness import Server, main
from transfer import TUS, made

HOSTILE = ["/a%22b%5Cc%0Ad", "/%FF%C0%AF", "/%E2%80%AE%E2%80%A8x", "/%7F%1B%5B31m", "/" + "%22" * 900, "/%F0%9F%98%80", "/</script>", "/upload/%E5%8C%97"]


def ask_raw(server, path):
    """As it stands: http.client would refuse some."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode("latin-1"))
        head = b""
        while piece := s.recv(65536):
            head += piece
    return int(head.split(b" ")[1]), re.search(rb"(?i)X-Request-Id: (\S+)", head)


def asked(server):
    """{request id: status} of requests with hostile paths."""
    answers = {}
    for path in HOSTILE:
        status, id = ask_raw(server, path)
        if id:      # the web server refuses some by itself
            answers[id[1].decode()] = status
    assert len(answers) >= 4, answers
    return answers


def test_text_lines(server):
    answers = asked(server)
    time.sleep(0.2)
    lines = server.log().splitlines()
    for id, status in answers.items():
        own = [l for l in lines if f" {id} GET /" in l]
        assert len(own) == 1 and re.search(rf" {status} \d+ ms \d+ bytes in$", own[0]), (id, own)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2028]", server.log())


def test_json_lines(server):
    file = os.path.join(server.dir, "logs", "slipway.log")
    os.mkdir(os.path.dirname(file))
    os.chmod(os.path.dirname(file), 0o777)
    own = Server(config=f"[log]\nformat = json\nfile = {file}\n")
    try:
        answers = asked(own)
        url = made(own, 5, b"hello")
        own.request("HEAD", url, headers=TUS)
        time.sleep(0.3)
        with open(file, encoding="utf-8") as f:
            rows = [json.loads(line) for line in f]
        for id, status in answers.items():
            row = [r for r in rows if r.get("request") == id]
            assert len(row) == 1 and row[0]["status"] == status and row[0]["path"].startswith("/") and row[0]["method"] == "GET", row
        assert {r["program"] for r in rows} == {"slipway.fcgi", "slipway-worker"}, rows
        assert any(r.get("text", "").startswith("worker: ") for r in rows) and all(r["level"] in ("info", "warn", "error") for r in rows)
        id = url.split("/")[-1]
        text = json.dumps(rows)
        assert id not in text and f"/files/{id[:8]}" in text
        rotate(own, file)
    finally:
        own.close()


def rotate(own, file):
    """As logrotate does it; every process writes to the new file with its next line."""
    os.rename(file, file + ".1")
    for _ in range(20):
        assert own.get("/healthz", user=None).status == 200
    time.sleep(0.3)
    with open(file) as f:
        now = [json.loads(line) for line in f]
    assert len([r for r in now if r.get("path") == "/healthz"]) == 20, now
    with open(file + ".1") as f:
        before = f.read()
    own.get("/healthz", user=None)
    with open(file + ".1") as f:
        assert f.read() == before
    st = os.stat(file)
    assert st.st_mode & 0o777 == 0o600, oct(st.st_mode)


if __name__ == "__main__":
    main(sys.modules[__name__])
