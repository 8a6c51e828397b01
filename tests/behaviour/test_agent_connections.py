"""The agent's socket under good, slow, wrong and hostile clients."""

import contextlib
import json
import os
import resource
import select
import socket
import termios
import time

import pytest

import procfs
from desk import GREETING, PASSPHRASE, PATIENCE, TOKEN, code, get, publish
from play import APPROVE, CRATES_IO, UNLOCK, lent_pty

STATUS = {"v": 1, "kind": "status"}
STATUS_LINE = json.dumps(STATUS).encode() + b"\n"
LINE_MAX = 64 * 1024
LINE_DEADLINE = 30
QUICK = 1.0
NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may look into a hardened agent")


@pytest.fixture
def running(desk):
    """An agent without a store."""
    return desk.start()


@pytest.fixture
def logged_in(open_desk):
    open_desk.succeed("login", "--index", CRATES_IO, "--with-token", given=TOKEN + "\n")
    return open_desk


def limited(desk, folder, n: int) -> None:
    """The agent may have so many descriptors, from its first moment on."""
    program = folder / "cpub-agentd"
    program.write_text(f'#!/bin/sh\nulimit -n {n} && exec "{desk.daemon}" "$@"\n')
    program.chmod(0o755)
    desk.daemon = program
    desk.start()


def is_served_quickly(desk) -> bool:
    before = time.monotonic()
    assert desk.status()["pid"] == desk.agent.pid
    return time.monotonic() - before < QUICK


def is_closed(line) -> bool:
    return line.receive() == b""


def refused_and_closed(line, name: str) -> None:
    assert code(json.loads(line.receive())) == name
    assert is_closed(line)


# Lines.

def test_line_that_comes_byte_by_byte_is_answered(running):
    with running.line() as line:
        for byte in STATUS_LINE:
            line.send(bytes([byte]))
        assert json.loads(line.receive())["Ok"]["kind"] == "status"
        assert line.ask(STATUS)["Ok"]["kind"] == "status"


def padded(size: int) -> bytes:
    """A request of so many bytes, its newline included."""
    frame = json.dumps(STATUS | {"more": ""}).encode()
    return frame[:-2] + b"x" * (size - len(frame) - 1) + frame[-2:] + b"\n"


def test_line_of_64_kib_is_answered(running):
    with running.line() as line:
        line.send(padded(LINE_MAX))
        assert json.loads(line.receive())["Ok"]["kind"] == "status"
        # Behind another one, and in pieces, it is no longer than that either.
        line.send(STATUS_LINE + padded(LINE_MAX)[:100])
        line.send(padded(LINE_MAX)[100:])
        assert [json.loads(line.receive())["Ok"]["kind"] for _ in range(2)] == ["status"] * 2


@pytest.mark.parametrize("in_front", [b"", STATUS_LINE], ids=["alone", "behind-another"])
def test_line_over_64_kib_is_refused_and_the_connection_closed(running, in_front):
    with running.line() as line:
        line.socket.sendall(in_front + padded(LINE_MAX + 1))
        if in_front:
            assert json.loads(line.receive())["Ok"]["kind"] == "status"
        refused_and_closed(line, "line-too-long")
    assert is_served_quickly(running)


@pytest.mark.parametrize("bad", [
    b'{"v":1,"kind":"status"\0}\n',
    b'{"v":1,"kind":"status\0"}\n',
    b'{"v":1,"kind":"status\\u0000"}\n',
    b'{"v":1,"kind":"stat\xffus"}\n',
    b'{"v":1,"kind":"stat\xc0\xafus"}\n',
    b'{"v":1,"kind":"stat\\ud800us"}\n',
    b'{"v":1,"kind":"status","kind":"lock"}\n',
    b'{"v":1,"kind":"status","\\u006bind":"lock"}\n',
    b'{"v":1,"kind":"status","a":' + b"[" * 16 + b"]" * 16 + b"}\n",
    b'{"v":1,"kind":"status"} {}\n',
    b'{"v":1,"kind":"status"}x\n',
    b'{"v":1,"kind":"status",}\n',
    b"{'v':1,'kind':'status'}\n",
    b'[{"v":1,"kind":"status"}]\n',
    b'{"v":"1","kind":"status"}\n',
    b'{"v":1,"kind":7}\n',
    b'{"v":1}\n',
    b"status\n",
    b"\n",
], ids=["nul", "nul-in-text", "nul-escaped", "no-utf8", "overlong-utf8", "lone-surrogate",
        "key-twice", "key-twice-escaped", "depth-17", "trailing-value", "trailing-text", "comma",
        "quotes", "no-object", "version-as-text", "kind-as-number", "no-kind", "no-json",
        "empty"])
def test_anything_but_strict_json_is_refused_and_the_connection_closed(running, bad):
    with running.line() as line:
        line.send(bad + STATUS_LINE)
        refused_and_closed(line, "bad-request")
    assert is_served_quickly(running)


def test_depth_of_16_and_unknown_fields_are_fine(running):
    with running.line() as line:
        line.send(b'{"v":1,"kind":"status","a":' + b"[" * 15 + b"]" * 15 + b"}\n")
        assert json.loads(line.receive())["Ok"]["kind"] == "status"


def test_unknown_kind_is_refused_and_the_connection_goes_on(running):
    with running.line() as line:
        assert code(line.ask({"v": 1, "kind": "sing"})) == "operation-not-supported"
        assert code(line.ask(get(CRATES_IO, "sing"))) == "operation-not-supported"
        assert line.ask(STATUS)["Ok"]["kind"] == "status"


def test_unknown_version_is_refused_and_the_connection_closed(running):
    with running.line() as line:
        line.send({"v": 2, "kind": "status"})
        refused_and_closed(line, "bad-version")


def test_lines_sent_at_once_are_answered_in_their_order(open_desk):
    kinds = ["status", "lock", "sing", "status", "list", "lock"]
    lines = b"".join(json.dumps({"v": 1, "kind": kind}).encode() + b"\n" for kind in kinds)
    with open_desk.line() as line:
        line.send(lines)
        answers = [json.loads(line.receive()) for _ in kinds]
    assert [code(a) for a in answers] == [
        "ok", "ok", "operation-not-supported", "ok", "locked", "ok"]
    assert [answers[i]["Ok"].get("was") for i in (1, 5)] == ["unlocked", "locked"]
    assert [answers[i]["Ok"]["state"] for i in (0, 3)] == ["unlocked", "locked"]


def test_client_that_has_said_all_gets_its_answers(open_desk):
    with open_desk.line() as line:
        line.send(STATUS_LINE * 2)
        line.socket.shutdown(socket.SHUT_WR)
        assert [json.loads(line.receive())["Ok"]["kind"] for _ in range(2)] == ["status"] * 2
        assert is_closed(line)
    # One for which a worker runs for a while, too.
    open_desk.succeed("lock")
    with open_desk.line() as line, lent_pty() as terminal:
        line.send({"v": 1, "kind": "unlock"}, [terminal.lent])
        line.socket.shutdown(socket.SHUT_WR)
        terminal.answers(UNLOCK, PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["was"] == "locked"
        assert is_closed(line)


def test_line_that_is_not_ended_in_time_is_refused(running):
    with running.line() as silent, running.line() as slow, running.line() as idle:
        begin = time.monotonic()
        silent.send(STATUS_LINE[:10])
        # Every byte of the slow one is a sign of life, and changes nothing.
        while not select.select([slow.socket], [], [], 0.5)[0]:
            assert time.monotonic() - begin < LINE_DEADLINE + 10
            slow.send(b" ")
        assert time.monotonic() - begin > LINE_DEADLINE - 2
        refused_and_closed(slow, "line-incomplete")
        refused_and_closed(silent, "line-incomplete")
        # Who has begun nothing may stay.
        assert idle.ask(STATUS)["Ok"]["kind"] == "status"


# Clients that leave, that do not read, that are many.

@NEEDS_ROOT
def test_question_ends_when_its_client_has_left(logged_in):
    pid = logged_in.agent.pid
    with procfs.nothing_left(logged_in), lent_pty() as terminal:
        before = termios.tcgetattr(terminal.lent)
        with logged_in.line() as line:
            line.send(publish(CRATES_IO), [terminal.lent])
            terminal.sees(APPROVE)
            assert list(procfs.children(pid).values()) == ["worker-ask"]
            assert termios.tcgetattr(terminal.lent) != before
        logged_in.wait(lambda: not procfs.children(pid), "the question to end", 5)
        assert termios.tcgetattr(terminal.lent) == before
        assert is_served_quickly(logged_in)


def test_question_of_a_client_that_left_makes_place_for_the_next(logged_in):
    with lent_pty() as terminal, logged_in.line() as first, logged_in.line() as second:
        first.send(publish(CRATES_IO), [terminal.lent])
        terminal.sees(APPROVE)
        second.send(publish(CRATES_IO, "other"), [terminal.lent])
        assert is_served_quickly(logged_in)
        first.close()
        assert "other 0.1.0" in terminal.sees(APPROVE)
        terminal.types(PASSPHRASE)
        assert json.loads(second.receive())["Ok"]["token"] == TOKEN


def test_client_that_never_reads_holds_nobody_up_and_loses_nothing(running):
    with running.line() as line:
        line.socket.setblocking(False)
        n, rest = 0, b""
        # Until nothing more fits into the two directions and what the agent keeps.
        while select.select([], [line.socket], [], 1)[1]:
            rest = rest or STATUS_LINE
            n += len(rest) == len(STATUS_LINE)
            with contextlib.suppress(BlockingIOError):
                rest = rest[line.socket.send(rest):]
        assert n > 100
        assert is_served_quickly(running)
        line.socket.setblocking(True)
        line.socket.settimeout(PATIENCE)
        for _ in range(n - bool(rest)):
            assert json.loads(line.receive())["Ok"]["kind"] == "status"


def raise_own_limit(n: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        pytest.skip(f"this process may have {hard} descriptors, the test needs {n}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n), hard))


def connect(desk) -> socket.socket:
    silent = socket.socket(socket.AF_UNIX)
    silent.settimeout(PATIENCE)
    silent.connect(str(desk.socket))
    return silent


@pytest.mark.both
def test_a_thousand_silent_connections_cost_a_new_client_nothing(desk, tmp_path):
    raise_own_limit(2000)
    limited(desk, tmp_path, 1024)
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(desk.line())
        for i in range(1000):
            stack.enter_context(connect(desk))
            if i % 100 == 0:  # This one is not silent, so it is not the first to go.
                assert worker.ask(STATUS)["Ok"]["kind"] == "status"
            if i % 10 == 0:
                assert is_served_quickly(desk)
        assert is_served_quickly(desk)
        assert worker.ask(STATUS)["Ok"]["kind"] == "status"
        # Enough is left for a worker, a terminal, a file.
        desk.init()
        assert desk.status()["state"] == "unlocked"


@contextlib.contextmanager
def free_descriptors(pid: int, n: int):
    """The agent can open so many more, as if others had taken the rest."""
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = procfs.descriptors(pid)
    free = [fd for fd in range(len(used) + n + 1) if fd not in used]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[n], limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


@NEEDS_ROOT
def test_agent_without_free_descriptors_waits_without_spinning(logged_in):
    pid = logged_in.agent.pid
    with contextlib.ExitStack() as stack:
        terminal = stack.enter_context(lent_pty())
        line = stack.enter_context(logged_in.line())
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.sees(APPROVE)
        with free_descriptors(pid, 0):
            waiting = [stack.enter_context(connect(logged_in)) for _ in range(50)]
            begin, used = time.monotonic(), procfs.cpu_seconds(pid)
            while time.monotonic() - begin < 3:
                assert not select.select(waiting, [], [], 0.5)[0]
            assert procfs.cpu_seconds(pid) - used < 0.5
        # Others have gone: those who waited are greeted, and nothing was lost.
        for one in waiting:
            assert one.recv(100) == GREETING
        terminal.types(PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
    assert "no descriptors left" in logged_in.log.read_text()


@NEEDS_ROOT
@pytest.mark.parametrize("n", range(9))
def test_agent_short_of_descriptors_refuses_and_leaves_nothing_behind(logged_in, n):
    pid = logged_in.agent.pid
    with procfs.nothing_left(logged_in), lent_pty() as terminal, logged_in.line() as line:
        line.send(STATUS, [terminal.lent])
        assert json.loads(line.receive())["Ok"]["kind"] == "status"
        with free_descriptors(pid, n):
            line.send(get(CRATES_IO, "yank", name="demo", vers="0.1.0"))
            ready = select.select([terminal.ours, line.socket], [], [], PATIENCE)[0]
            if ready == [terminal.ours]:
                terminal.answers(APPROVE, PASSPHRASE)
            answer = json.loads(line.receive())
            assert "Ok" in answer or code(answer) in ("busy", "worker-failed")
        logged_in.wait(lambda: not procfs.children(pid), "the workers to be gone")
        line.send(get(CRATES_IO, "yank", name="demo", vers="0.1.0"))
        terminal.answers(APPROVE, PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
