"""What must hold once the killing is over, whatever was killed."""
import json
import time


def store_agrees(server):
    """Store, catalogue and files say the same, and no task waits for ever."""
    time.sleep(2)
    server.slipway("gc")
    text = server.slipway("check", "store")
    assert text.strip().endswith("0 findings"), text[-2000:]
    records = [json.loads(line) for line in server.slipway("dump", "tasks").splitlines()]
    stuck = [r for r in records if r["table"] == "tasks" and r["value"].get("state") in ("running", "queued")]
    assert not stuck, stuck
