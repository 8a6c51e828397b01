"""
After a publish through cargo the index is asked what it lists: cargo sent the bytes itself, so only
there can be seen whether they are what the person approved. What takes minutes of waiting is in
tests/unit/test-witness.c, on a clock of its own.
"""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from closed_play import closed, closed_desk, digest, put_crate
from crate import write_crate
from desk import PASSPHRASE, PATIENCE, TOKEN, publish
from play import APPROVE, ends, lent_pty, readable
from scan import children
from test_cargo import publish_demo

__all__ = ["closed", "closed_desk"]  # Fixtures.

FILE = "GET /index/de/mo/demo"
UPLOAD = "PUT /api/v1/crates/new"
ANOTHER = "ab" * 32
SENTENCE = "the index lists another checksum than the one that was approved"
PUBLISH = ("publish", "--registry", "local", "--allow-dirty")


def listed(desk, n: int = 1) -> list[dict]:
    """So many lines of what was seen in the index afterwards."""
    def lines():
        return [e for e in desk.audit() if e["op"] == "published"]
    desk.wait(lambda: len(lines()) >= n, f"{n} lines 'published'")
    return lines()


def lie(registry, cksum: str = ANOTHER) -> None:
    registry.inject(FILE, times=None, body=json.dumps(
        {"name": "demo", "vers": "0.1.0", "deps": [], "cksum": cksum, "features": {},
         "yanked": False}) + "\n")


def alarms(desk) -> list[tuple]:
    return [(a["code"], a["text"]) for a in desk.status()["alarms"]]


def release(desk, index: str, *crates: str) -> None:
    """Approved and handed out, as if to cargo; those after the first are covered."""
    with lent_pty() as terminal:
        for n, crate in enumerate(crates):
            with desk.line() as line:
                line.send(publish(index, crate), [terminal.lent])
                if n == 0:
                    terminal.answers(APPROVE, PASSPHRASE)
                assert "Ok" in json.loads(line.receive())


def test_what_cargo_published_is_seen_in_the_index_and_written_down(ready_desk, registry):
    publish_demo(ready_desk)
    (line,) = listed(ready_desk)
    published = registry.crates["demo", "0.1.0"]
    assert line["decision"] == "done" and line["cksum"] == published.cksum
    assert (line["crate"], line["vers"], line["account"]) == ("demo", "0.1.0", "default")
    assert line["registry"] == registry.index.rstrip("/")
    assert ready_desk.status()["alarms"] == [] and registry.violations == []
    n_looks = len(registry.requests(FILE))
    publish_demo(ready_desk, "other")
    assert len(listed(ready_desk, 2)) == 2
    assert len(registry.requests(FILE)) == n_looks  # It does not go on when it has seen it.


def test_another_checksum_is_an_alarm_on_the_terminal_while_cargo_runs(ready_desk, registry):
    upload = registry.inject(UPLOAD, deaf=True, hang=True)
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = ready_desk.terminal("cargo", *PUBLISH, cwd=folder)
    terminal.answers(APPROVE, PASSPHRASE)
    assert upload.reached.wait(PATIENCE)
    lie(registry)
    terminal.sees("cpub-agent: ALARM: demo 0.1.0 at ")
    upload.release()
    ends(terminal, 0)
    assert SENTENCE in terminal.seen
    (line,) = listed(ready_desk)
    assert (line["decision"], line["refusal"], line["cksum"]) == (
        "refused", "checksum-differs", ANOTHER)
    assert registry.crates["demo", "0.1.0"].cksum != ANOTHER  # So the approved bytes did go up.
    ((code, text),) = alarms(ready_desk)
    assert code == "checksum-differs" and text.startswith("demo 0.1.0 at ") and SENTENCE in text
    assert f"ALARM {text}" in " ".join(ready_desk.succeed("status").split())
    assert "alarm 'checksum-differs' for 'demo' '0.1.0'" in ready_desk.log.read_text()


def is_at_its_end(terminal: int) -> bool:
    """Reads until nobody has the other end any more; pexpect would wait for the session's leader."""
    until = time.monotonic() + PATIENCE
    while readable(terminal, until):
        try:
            os.read(terminal, 65536)
        except OSError:
            return True
    return False


def test_killed_cargo_frees_the_terminal_and_the_index_is_still_looked_at(ready_desk, registry):
    """The shell stays in its session and has let go of the terminal: whoever reads that sees its
    end as soon as nobody else holds it."""
    upload = registry.inject(UPLOAD, deaf=True, hang=True)
    folder = write_crate(ready_desk.home / "demo", "demo")
    script = f"cargo {' '.join(PUBLISH)}; exec <&- >&- 2>&-; exec sleep 1000"
    terminal = ready_desk.terminal("/bin/bash", "-c", script, cwd=folder)
    terminal.answers(APPROVE, PASSPHRASE)
    assert upload.reached.wait(PATIENCE)
    (cargo,) = children(terminal.pid, "cargo")
    os.kill(cargo, signal.SIGKILL)
    assert is_at_its_end(terminal.child_fd)
    # It was no hang-up of the session that ended it: its leader is there.
    assert "\nState:\tZ" not in Path(f"/proc/{terminal.pid}/status").read_text()
    n_looks = len(registry.requests(FILE))
    registry.wait_for(FILE, n_looks + 1, PATIENCE)
    assert [e for e in ready_desk.audit() if e["op"] == "published"] == []
    lie(registry)
    (line,) = listed(ready_desk)
    assert line["refusal"] == "checksum-differs"
    assert [code for code, _ in alarms(ready_desk)] == ["checksum-differs"]
    assert registry.crates == {}


def test_each_release_that_an_approval_covers_is_looked_after(ready_desk, registry):
    for name in ("demo", "other"):
        put_crate(registry, name)
    release(ready_desk, registry.index, "demo", "other")  # With a checksum that is not theirs.
    lines = listed(ready_desk, 2)
    assert {(e["crate"], e["refusal"], e["cksum"]) for e in lines} == {
        (name, "checksum-differs", registry.crates[name, "0.1.0"].cksum)
        for name in ("demo", "other")}
    assert len(alarms(ready_desk)) == 2


@pytest.mark.parametrize("body", [
    "", "garbage", "\x1b[2J", '{"name":"demo","vers":"0.1.0"}\n',
    '{"name":"demo","vers":"0.1.0","cksum":"\\u001b[2J"}\n',
    '{"name":"demo","vers":"0.1.0","cksum":"' + "0F" * 32 + '"}\n',
    '{"name":"demo","vers":"0.1.1","cksum":"' + "ab" * 32 + '"}\n'], ids=ascii)
def test_what_is_no_checksum_of_that_version_is_no_verdict(ready_desk, registry, body):
    rule = registry.inject(FILE, body=body, times=2)  # For the question, and for the first look.
    release(ready_desk, registry.index, "demo")
    ready_desk.wait(lambda: rule.hits == 2, "the first look")
    lie(registry, "0f" * 32)
    (line,) = listed(ready_desk)
    assert line["decision"] == "done" and alarms(ready_desk) == []


def test_lock_ends_a_look_that_is_under_way_and_not_the_witness(ready_desk, registry):
    registry.inject(FILE)  # That for the question.
    rule = registry.inject(FILE, hang=True)
    release(ready_desk, registry.index, "demo")
    assert rule.reached.wait(PATIENCE)
    lie(registry)
    ready_desk.succeed("lock")
    (line,) = listed(ready_desk)
    assert line["refusal"] == "checksum-differs" and ready_desk.status()["state"] == "locked"


def test_locked_store_gives_the_witness_no_token(closed_desk, closed):
    release(closed_desk, closed.index, "demo")
    looks = closed.wait_for(FILE, 2, PATIENCE)  # For the question, and the first.
    assert [e["token"] for e in looks] == [digest(TOKEN)] * 2
    closed_desk.succeed("lock")
    n = len(closed.requests(FILE))
    assert closed.wait_for(FILE, n + 1, PATIENCE)[-1]["token"] is None
    closed_desk.unlock()
    put_crate(closed)
    (line,) = listed(closed_desk)
    assert line["refusal"] == "checksum-differs"


def test_agent_ends_at_once_with_a_witness_waiting(ready_desk, registry):
    release(ready_desk, registry.index, "demo")
    registry.inject(FILE, hang=True, times=None)
    ready_desk.stop()
    assert not ready_desk.socket.exists()
