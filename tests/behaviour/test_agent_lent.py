"""What a client lends to the agent: terminals, pipes with a secret, and what it must not lend."""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

import procfs
from desk import PASSPHRASE, PATIENCE, TOKEN, code, get, publish
from play import APPROVE, CRATES_IO, UNLOCK, lent_pty
from test_agent_connections import (  # noqa: F401 - the fixtures are found by name
    NEEDS_ROOT, STATUS, STATUS_LINE, is_served_quickly, logged_in, refused_and_closed, running,
)

LENT_DEADLINE = 10
INIT = {"v": 1, "kind": "init", "secret-in-pipe": True}
UNLOCK_REQUEST = {"v": 1, "kind": "unlock", "secret-in-pipe": True}
LOGIN = {"v": 1, "kind": "login", "secret-in-pipe": True, "url-source": "given", "no-check": True,
         "registry": {"index-url": CRATES_IO}}


@contextlib.contextmanager
def a_pipe(content: bytes | None = None):
    """The ends of a pipe; with content, what is in it, and its writer is closed."""
    reader, writer = os.pipe()
    ends = {reader, writer}

    def close(fd):
        ends.discard(fd)
        os.close(fd)

    if content is not None:
        os.write(writer, content)
        close(writer)
    try:
        yield reader, writer, close
    finally:
        for fd in ends:
            os.close(fd)


def test_lent_terminal_belongs_to_the_whole_connection(logged_in):
    with lent_pty() as terminal, logged_in.line() as line:
        line.send(STATUS, [terminal.lent])
        assert json.loads(line.receive())["Ok"]["kind"] == "status"
        for crate in ("one", "two"):
            line.send(get(CRATES_IO, "yank", name=crate, vers="0.1.0"))
            terminal.answers(APPROVE, PASSPHRASE)
            assert json.loads(line.receive())["Ok"]["token"] == TOKEN


def test_lent_pipe_belongs_to_one_request(running):
    with running.line() as line:
        with a_pipe(PASSPHRASE.encode() + b"\n") as (reader, _, _):
            line.send(STATUS, [reader])
            assert json.loads(line.receive())["Ok"]["kind"] == "status"
        assert code(line.ask(INIT)) == "bad-descriptor"
        with a_pipe(PASSPHRASE.encode() + b"\n") as (reader, _, _):
            assert code(line.ask(INIT, [reader])) == "ok"


def things_to_lend(stack, what: str) -> list[int]:
    def opened(path, flags=os.O_RDWR):
        fd = os.open(path, flags)
        stack.callback(os.close, fd)
        return fd

    def terminal():
        return stack.enter_context(lent_pty()).lent

    def pipe(end):
        return stack.enter_context(a_pipe())[end]

    if what == "file":
        return [opened(__file__, os.O_RDONLY)]
    if what == "directory":
        return [opened("/", os.O_RDONLY)]
    if what == "path-only":
        return [opened("/etc/passwd", os.O_PATH)]
    if what == "null":
        return [opened("/dev/null")]
    if what == "socket":
        return [stack.enter_context(socket.socket(socket.AF_UNIX)).fileno()]
    if what == "epoll":
        return [stack.enter_context(select.epoll()).fileno()]
    if what == "terminal-to-read":
        return [opened(os.ttyname(terminal()), os.O_RDONLY | os.O_NOCTTY)]
    return {"two-terminals": lambda: [terminal(), terminal()],
            "two-pipes": lambda: [pipe(0), pipe(0)],
            "pipe-to-write": lambda: [pipe(1)],
            "good-and-bad": lambda: [terminal(), opened("/", os.O_RDONLY)],
            "nine": lambda: [pipe(0) for _ in range(9)],
            "many": lambda: [terminal()] * 250}[what]()


@NEEDS_ROOT
@pytest.mark.parametrize("what", [
    "file", "directory", "path-only", "null", "socket", "epoll", "terminal-to-read",
    "two-terminals", "two-pipes", "pipe-to-write", "good-and-bad", "nine", "many"])
def test_descriptor_that_has_no_place_ends_the_connection(running, what):
    with procfs.nothing_left(running), contextlib.ExitStack() as stack:
        fds = things_to_lend(stack, what)
        line = stack.enter_context(running.line())
        line.send(STATUS, fds)
        refused_and_closed(line, "bad-descriptor")
    assert is_served_quickly(running)


@NEEDS_ROOT
def test_second_terminal_of_a_connection_ends_it(running):
    with procfs.nothing_left(running), lent_pty() as one, lent_pty() as two:
        with running.line() as line:
            line.send(STATUS, [one.lent])
            assert json.loads(line.receive())["Ok"]["kind"] == "status"
            line.send(STATUS, [two.lent])
            refused_and_closed(line, "bad-descriptor")


@NEEDS_ROOT
def test_descriptor_whose_line_cannot_be_told_ends_the_connection(running):
    with procfs.nothing_left(running), lent_pty() as terminal:
        with running.line() as line:  # Two lines in one message.
            line.send(STATUS_LINE * 2, [terminal.lent])
            refused_and_closed(line, "bad-descriptor")
        with running.line() as line:  # In the middle of a line.
            line.send(STATUS_LINE[:5])
            assert is_served_quickly(running)  # So it has taken the first bytes.
            line.send(STATUS_LINE[5:], [terminal.lent])
            refused_and_closed(line, "bad-descriptor")
        with running.line() as line:  # Two messages that the agent finds as one.
            running.agent.send_signal(signal.SIGSTOP)
            running.wait(lambda: procfs.state(running.agent.pid) == "T", "the agent to stop")
            line.send(STATUS_LINE)
            line.send(STATUS_LINE, [terminal.lent])
            running.agent.send_signal(signal.SIGCONT)
            refused_and_closed(line, "bad-descriptor")


@NEEDS_ROOT
def test_lent_descriptors_are_closed_with_the_connection(running):
    with procfs.nothing_left(running), lent_pty() as terminal, a_pipe() as (reader, _, _):
        with running.line() as line:
            line.send(STATUS, [terminal.lent, reader])
            assert json.loads(line.receive())["Ok"]["kind"] == "status"
        with running.line() as line:  # And with half a line.
            line.send(STATUS_LINE[:5], [terminal.lent, reader])


def test_lent_descriptors_are_never_made_nonblocking(logged_in):
    seen = set()
    with lent_pty() as terminal, a_pipe() as (reader, writer, _), logged_in.line() as line:
        before = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (terminal.lent, reader)]

        def look():
            seen.add(tuple(fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (terminal.lent, reader)))

        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.sees(APPROVE)
        look()
        terminal.types(PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
        look()
        line.send(LOGIN | {"account": "second"}, [reader])
        assert is_served_quickly(logged_in)  # So it has begun to wait for the pipe.
        look()
        os.write(writer, TOKEN.encode() + b"\n")
        assert code(json.loads(line.receive())) == "ok"
        look()
    assert seen == {tuple(before)}


# Secrets from a pipe.

@NEEDS_ROOT
@pytest.mark.parametrize("content, wanted", [
    (TOKEN.encode(), "ok"), (TOKEN.encode() + b"\r\nmore\n", "ok"), (b"x" * 1024 + b"\n", "ok"),
    (b"x" * 1025 + b"\n", "bad-token"), (b"", "bad-token"), (b"\n" + TOKEN.encode(), "bad-token"),
    (b"with\ttab\n", "bad-token"), (b"with\0nul\n", "bad-token"), (b"\xff\n", "bad-token"),
], ids=["no-newline", "crlf-and-more", "longest", "too-long", "nothing", "empty-line", "tab",
        "nul", "binary"])
def test_token_from_a_pipe_is_its_first_line(open_desk, content, wanted):
    with procfs.nothing_left(open_desk):
        with a_pipe(content) as (reader, _, _):
            assert code(open_desk.ask(LOGIN, [reader])) == wanted
    assert open_desk.status()["accounts"] == (wanted == "ok")


@NEEDS_ROOT
def test_pipe_that_never_ends_and_line_of_a_mebibyte_are_refused(open_desk):
    def pour(writer, close, n):
        with contextlib.suppress(BrokenPipeError):
            while n > 0:
                n -= os.write(writer, b"x" * 4096)
        close(writer)

    for n in (1 << 20, 1 << 60):
        with procfs.nothing_left(open_desk):
            with a_pipe() as (reader, writer, close):
                pouring = threading.Thread(target=pour, args=(writer, close, n))
                pouring.start()
                assert code(open_desk.ask(LOGIN, [reader])) == "bad-token"
                close(reader)
                pouring.join(PATIENCE)  # Ours was the last reader: the agent has let go.
                assert not pouring.is_alive()


def test_client_refuses_a_standard_input_that_never_ends(open_desk):
    with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as pouring:
        done = subprocess.run(
            [open_desk.program, "--json", "login", "--index", CRATES_IO, "--with-token"],
            env=open_desk.environment, stdin=pouring.stdout, capture_output=True, text=True,
            timeout=PATIENCE, start_new_session=True)
        pouring.stdout.close()
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "bad-token"


@NEEDS_ROOT
def test_silent_pipe_is_refused_in_time_and_its_client_may_leave(open_desk):
    with procfs.nothing_left(open_desk), a_pipe() as (reader, _, _):
        with open_desk.line() as line:
            begin = time.monotonic()
            line.send(LOGIN, [reader])
            with open_desk.line() as leaving:
                leaving.send(LOGIN, [reader])
            assert is_served_quickly(open_desk)
            assert code(json.loads(line.receive())) == "bad-token"
            assert LENT_DEADLINE - 1 < time.monotonic() - begin < LENT_DEADLINE + 10
    assert open_desk.status()["accounts"] == 0


def test_unlock_on_a_connection_with_both_takes_the_pipe(open_desk):
    open_desk.succeed("lock")
    with lent_pty() as terminal, open_desk.line() as line:
        with a_pipe(PASSPHRASE.encode() + b"\n") as (reader, _, _):
            line.send(UNLOCK_REQUEST, [terminal.lent, reader])
            assert json.loads(line.receive())["Ok"]["was"] == "locked"
        assert UNLOCK not in terminal.shown()
