"""The wizard as tests drive it: short words for its steps, and a look into the datasets that come out."""
import contextlib
import os
import sqlite3
import tempfile
import time

JSON = "application/json"


def table(name, *lines):
    """A text file as (name, bytes)."""
    return name, ("\n".join(lines) + "\n").encode()


def saved(server, *files, user="mei", **fields):
    """Id of a new session."""
    a = server.save(*files, fields=fields, user=user)
    assert a.status == 201, a
    return a.json["id"]


def post(server, session, step, user="mei", accept=JSON, **fields):
    """POST of a step by a strict client; the answer."""
    return server.post(f"/upload/{step}?id={session}", fields, accept=accept, user=user)


def get(server, session, step, user="mei", accept=JSON, **query):
    more = "".join(f"&{k}={v}" for k, v in query.items())
    return server.get(f"/upload/{step}?id={session}{more}", accept=accept, user=user)


def state(server, session, user="mei"):
    """The session's item of the read API."""
    return server.get(f"/api/v2/uploads/{session}/", accept=JSON, user=user).json["upload"]


def wait_state(server, session, *wanted, seconds=30, user="mei"):
    """The API item once its state is one of WANTED."""
    end = time.monotonic() + seconds
    while True:
        item = state(server, session, user)
        if item["state"] in wanted:
            return item
        assert time.monotonic() < end, item
        time.sleep(0.05)


def finished(server, session, user="mei", **fields):
    """POST final, wait; the finished answer."""
    a = post(server, session, "final", user=user, **fields)
    if a.status == 202:
        a = server.wait_finished(session, user=user)
    assert a.status in (200, 202) and a.json["status"] == "finished", a
    return a.json


def points(server, name, rows, columns="lat,lng,name", user="mei", **final):
    """A point dataset from CSV rows; the finished answer."""
    session = saved(server, table(f"{name}.csv", columns, *rows), user=user)
    wait_state(server, session, "WAITING", user=user)      # looked at, however busy the machine is
    a = post(server, session, "csv", user=user, lat="lat", lng="lng")
    assert a.status == 200, a
    a = post(server, session, "srs", user=user, source="EPSG:4326")
    assert a.status == 200, a
    return finished(server, session, user=user, **final)


def code(answer):
    """The first error code, once the error's shape is right (wizard.md 6.3)."""
    j = answer.json
    assert j["success"] is False and j["status"] == "error", answer
    assert j["errors"] and j["errors"][0] == j["error_msg"] and j["errormsgs"] == j["errors"], answer
    assert j["details"] and j["details"][0]["code"] == j["code"] and j["request_id"], answer
    assert j["error_msg"].strip() and answer.header("X-Request-Id") == j["request_id"], answer
    return j["code"]


@contextlib.contextmanager
def package(server, dataset, user="mei"):
    """The dataset's GeoPackage, opened."""
    a = server.get(f"/datasets/{dataset}/download?format=gpkg", user=user)
    assert a.status == 200, a
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "data.gpkg")
        with open(path, "wb") as f:
            f.write(a.body)
        db = sqlite3.connect(path)
        try:
            yield db
        finally:
            db.close()


def rows(server, dataset, *columns, user="mei"):
    """All rows of the dataset's only table, as tuples of COLUMNS, in file order."""
    with package(server, dataset, user) as db:
        (name,), = db.execute("SELECT table_name FROM gpkg_contents")
        names = ", ".join('"%s"' % c for c in columns)
        return db.execute(f'SELECT {names} FROM "{name}" ORDER BY fid').fetchall()


def restart(server, config):
    server.stop()
    with open(server.conf, "w") as f:
        f.write(config)
    server.start()


@contextlib.contextmanager
def configured(server, text):
    """The same server, started again with TEXT added to its configuration."""
    with open(server.conf) as f:
        before = f.read()
    keys = {line.partition("=")[0].strip() for line in text.splitlines() if "=" in line}
    kept = [line for line in before.splitlines() if line.partition("=")[0].strip() not in keys]
    try:
        restart(server, "\n".join(kept) + "\n" + text + "\n")
        yield
    finally:
        restart(server, before)
