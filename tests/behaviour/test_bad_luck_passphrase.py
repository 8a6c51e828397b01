"""Passphrases that are wrong, empty, many: what they cost, whom, and what they never look like."""

import json
import os
import select
import time

import pytest

import procfs
from desk import PASSPHRASE, PATIENCE, TOKEN, code, publish
from play import APPROVE, CANCEL, CRATES_IO, UNLOCK, lent_pty
from test_agent_connections import (  # noqa: F401 - the fixture is found by name
    NEEDS_ROOT, is_served_quickly, logged_in,
)

UNLOCK_BY_PIPE = {"v": 1, "kind": "unlock", "secret-in-pipe": True}
AGAIN = "a passphrase has 1 to 1024 bytes, please try again"
WRONG = "not-the-passphrase"


def send_passphrase(line, passphrase: str) -> None:
    reader, writer = os.pipe()
    os.write(writer, passphrase.encode() + b"\n")
    os.close(writer)
    line.send(UNLOCK_BY_PIPE, [reader])
    os.close(reader)


def unlock(line, passphrase: str) -> tuple[str, float]:
    """The answer's code, and how long it took."""
    begin = time.monotonic()
    send_passphrase(line, passphrase)
    return code(json.loads(line.receive())), time.monotonic() - begin


@pytest.fixture
def locked(open_desk):
    open_desk.succeed("lock")
    return open_desk


# Nothing typed.

def test_empty_line_at_the_unlock_prompt_asks_again(locked):
    with lent_pty() as terminal, locked.line() as line:
        line.send({"v": 1, "kind": "unlock"}, [terminal.lent])
        terminal.answers(UNLOCK, "")
        terminal.sees(AGAIN)
        terminal.answers(UNLOCK, PASSPHRASE)
        assert code(json.loads(line.receive())) == "ok"
    assert locked.status()["state"] == "unlocked"


def test_empty_line_at_the_approval_asks_again_and_says_what_for(logged_in):
    with lent_pty() as terminal, logged_in.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.answers(APPROVE, "")
        terminal.sees(AGAIN)
        assert "demo 0.1.0" in terminal.answers(APPROVE, PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN


def test_empty_and_endless_lines_count_as_tries(locked):
    with lent_pty() as terminal, locked.line() as line:
        line.send({"v": 1, "kind": "unlock"}, [terminal.lent])
        for typed in ("", "x" * 1025, ""):
            terminal.answers(UNLOCK, typed)
        assert code(json.loads(line.receive())) == "wrong-passphrase"
    assert locked.status()["state"] == "locked"


def test_cancel_after_an_empty_line_is_a_no(logged_in):
    with lent_pty() as terminal, logged_in.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.answers(APPROVE, "")
        terminal.sees(APPROVE)
        terminal.types(CANCEL, end="")
        assert code(json.loads(line.receive())) == "denied"


# The price of a wrong one.

@NEEDS_ROOT
def test_each_wrong_passphrase_makes_the_next_one_of_its_connection_wait_longer(locked):
    with procfs.nothing_left(locked), locked.line() as guessing:
        answer, free = unlock(guessing, WRONG)
        assert answer == "wrong-passphrase"
        for delay in (1, 2):
            begin = time.monotonic()
            send_passphrase(guessing, WRONG)
            # Nothing is derived yet, and everybody else is served.
            while time.monotonic() - begin < delay - 0.5:
                assert is_served_quickly(locked)
                assert "worker-kdf" not in procfs.children(locked.agent.pid).values()
            assert code(json.loads(guessing.receive())) == "wrong-passphrase"
            assert time.monotonic() - begin > delay - 0.1
        # Another connection is not punished for it.
        with locked.line() as other:
            answer, took = unlock(other, PASSPHRASE)
            assert answer == "ok" and took < free + 2
        locked.succeed("lock")
        # The right one waits as well, and then all is forgotten.
        answer, took = unlock(guessing, PASSPHRASE)
        assert answer == "ok"
        locked.succeed("lock")
        answer, took = unlock(guessing, WRONG)
        assert answer == "wrong-passphrase" and took < free + 0.9


@NEEDS_ROOT
@pytest.mark.parametrize("how", ["leave", "lock"])
def test_passphrase_that_waits_is_forgotten_with_its_request(locked, how):
    with procfs.nothing_left(locked), locked.line() as line:
        assert unlock(line, WRONG)[0] == "wrong-passphrase"
        send_passphrase(line, PASSPHRASE)
        if how == "lock":
            assert is_served_quickly(locked)
            locked.wait(lambda: not procfs.children(locked.agent.pid), "the line to be read")
            locked.succeed("lock")
            assert code(json.loads(line.receive())) == "locked"
    time.sleep(1.5)  # As long as it would have waited.
    assert locked.status()["state"] == "locked"


@NEEDS_ROOT
def test_one_key_is_derived_at_a_time_for_all(locked):
    lines = [locked.line() for _ in range(6)]
    most = 0
    for line in lines:
        send_passphrase(line, WRONG)
    waiting = {line.socket: line for line in lines}
    begin = time.monotonic()
    while waiting:
        most = max(most, list(procfs.children(locked.agent.pid).values()).count("worker-kdf"))
        for ready in select.select(list(waiting), [], [], 0.005)[0]:
            assert code(json.loads(waiting.pop(ready).receive())) == "wrong-passphrase"
        assert time.monotonic() - begin < PATIENCE
    for line in lines:
        line.close()
    assert most <= 2  # One works, and one that has answered is on its way out.
