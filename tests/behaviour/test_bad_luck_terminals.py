"""Terminals that are stopped, hung up, in the background, and clients that leave mid-answer."""

import contextlib
import json
import os
import termios

import pytest

import procfs
from desk import PASSPHRASE, TOKEN, code, get, publish
from play import APPROVE, CRATES_IO, lent_pty
from test_agent_connections import (  # noqa: F401 - the fixtures are found by name
    NEEDS_ROOT, STATUS, STATUS_LINE, connect, is_served_quickly, logged_in, refused_and_closed,
    running,
)

YANK = get(CRATES_IO, "yank", name="demo", vers="0.1.0")  # Leaves no grant.
STOP, GO = "\x13", "\x11"
QUICK = 5
pytestmark = NEEDS_ROOT


def test_terminal_stopped_by_a_person_holds_nobody_up_and_goes_on_when_it_may(logged_in):
    with procfs.nothing_left(logged_in), lent_pty() as terminal, logged_in.line() as line:
        terminal.types(STOP, end="")
        line.send(YANK, [terminal.lent])
        logged_in.wait(lambda: "worker-ask" in procfs.children(logged_in.agent.pid).values(),
                       "the question")
        assert is_served_quickly(logged_in)
        terminal.types(GO, end="")
        terminal.answers(APPROVE, PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN


def test_client_of_a_stopped_terminal_may_leave(logged_in):
    with procfs.nothing_left(logged_in), lent_pty() as terminal:
        before = termios.tcgetattr(terminal.lent)
        terminal.types(STOP, end="")
        with logged_in.line() as line:
            line.send(publish(CRATES_IO), [terminal.lent])
            logged_in.wait(lambda: "worker-ask" in procfs.children(logged_in.agent.pid).values(),
                           "the question")
        logged_in.wait(lambda: not procfs.children(logged_in.agent.pid), "it to end", QUICK)
        assert termios.tcgetattr(terminal.lent) == before


@pytest.mark.parametrize("when", ["before", "while"])
def test_terminal_that_hangs_up_is_a_refusal(logged_in, when):
    with procfs.nothing_left(logged_in), lent_pty() as terminal, logged_in.line() as line:
        if when == "while":
            line.send(publish(CRATES_IO), [terminal.lent])
            terminal.sees(APPROVE)
        else:
            line.send(STATUS, [terminal.lent])
            assert code(json.loads(line.receive())) == "ok"
        os.close(terminal.ours)
        terminal.ours = -1
        if when == "before":
            line.send(publish(CRATES_IO))
        # The end of input is a no; so is a hang-up that is seen first.
        assert code(json.loads(line.receive())) in ("prompt-failed", "denied")
        assert code(line.ask(get(CRATES_IO))) == "ok"
    assert [e["decision"] for e in logged_in.audit() if e["op"] == "publish"] == ["refused"]


def test_run_in_the_background_is_told_what_it_needs_and_touches_no_terminal(logged_in):
    shell = logged_in.terminal("/bin/bash", "--norc", "-i")
    request = logged_in.directory / "request"
    request.write_text(json.dumps(publish(CRATES_IO)) + "\n")
    answer = logged_in.directory / "answer"
    shell.types(f"{logged_in.provider} --cargo-plugin <{request} >{answer} & wait; echo over-$?")
    shell.sees("over-0")
    lines = answer.read_text().splitlines()
    assert code(json.loads(lines[1])) == "needs-terminal"
    assert APPROVE not in shell.seen


def test_client_that_leaves_in_the_middle_of_an_answer_costs_nobody_anything(running):
    with procfs.nothing_left(running):
        for _ in range(50):
            leaving = connect(running)
            leaving.sendall(STATUS_LINE * 20)
            leaving.recv(20)
            # A reset, not an end: the rest is unread.
            leaving.close()
        assert is_served_quickly(running)


def test_mebibyte_without_a_newline_is_refused_and_takes_no_memory(running):
    def resident() -> int:
        with open(f"/proc/{running.agent.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1])

    before = resident()
    with procfs.nothing_left(running):
        for _ in range(10):
            with running.line() as line:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    line.socket.sendall(b"x" * (1 << 20))
                    raise AssertionError("all of it was taken")
        assert is_served_quickly(running)
    assert resident() - before < 512  # pages


def test_line_too_long_is_told_before_the_close(running):
    with running.line() as line:
        line.socket.sendall(b"x" * (64 * 1024 + 1))
        refused_and_closed(line, "line-too-long")
