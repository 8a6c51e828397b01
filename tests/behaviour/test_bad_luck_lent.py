"""
What a client lends, and what waits when it is closed or read: a file of a FUSE server that does
not answer, a pipe that another holds, a socket that lingers. Only the lender may feel it.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import procfs
from desk import PATIENCE, code
from test_agent_connections import (  # noqa: F401 - the fixture is found by name
    NEEDS_ROOT, is_served_quickly, running,
)

FAKE = Path(__file__).resolve().parent.parent / "fake"
LENT_DEADLINE = 10
pytestmark = NEEDS_ROOT


def line_of(process) -> str:
    assert select.select([process.stdout], [], [], 15)[0], "nothing came"
    return process.stdout.readline().decode().strip()


@contextlib.contextmanager
def hung_file(tmp_path):
    """A file whose READ and FLUSH are never answered while this lasts; with its server."""
    directory = tmp_path / "hung"
    directory.mkdir()
    with subprocess.Popen([sys.executable, "-I", FAKE / "fuse.py", directory],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            said = line_of(server)
            if said != "ready":
                pytest.skip(f"no FUSE here: {said}")
            yield directory / "file", server
        finally:
            server.kill()  # Which ends every wait for it.
            server.wait(PATIENCE)
            subprocess.run(["umount", "--lazy", directory], check=False, capture_output=True)


@contextlib.contextmanager
def lender(desk, how: str, file="-"):
    process = subprocess.Popen([sys.executable, "-I", FAKE / "lender.py", desk.socket, how, file],
                               stdout=subprocess.PIPE, env={"AGENT": str(desk.agent.pid)})
    try:
        yield process
    finally:
        process.kill()
        process.stdout.close()


def refusal(process) -> str:
    return code(json.loads(line_of(process)))


def test_lent_file_that_cannot_be_closed_holds_nobody_up(running, tmp_path):
    with hung_file(tmp_path) as (file, server), lender(running, "file", file) as one:
        assert refusal(one) == "bad-descriptor"
        assert line_of(server) == "flush"  # So somebody waits in close now.
        assert is_served_quickly(running)
        assert str(file) not in procfs.descriptors(running.agent.pid).values()
        # And the agent can leave, and another can come.
        running.agent.terminate()
        assert running.agent.wait(PATIENCE) == 0
        running.start()
        assert is_served_quickly(running)


def test_pipe_that_another_holds_holds_nobody_up(running, tmp_path):
    with hung_file(tmp_path) as (file, server), lender(running, "pipe", file) as one:
        assert line_of(server) == "read"
        assert refusal(one) == "ok"  # `status` has no use for it; it is closed with the request.
        assert is_served_quickly(running)


def test_pipe_that_cannot_be_read_is_refused_in_time_and_holds_nobody_up(open_desk, tmp_path):
    open_desk.succeed("lock")
    with hung_file(tmp_path) as (file, server):
        with lender(open_desk, "secret-pipe", file) as one:
            assert line_of(server) == "read"
            begin = time.monotonic()
            while not select.select([one.stdout], [], [], 0.2)[0]:
                assert is_served_quickly(open_desk)
                assert time.monotonic() - begin < LENT_DEADLINE + 5
            assert LENT_DEADLINE - 1 < time.monotonic() - begin
            assert refusal(one) == "bad-passphrase"
            assert is_served_quickly(open_desk)
            # Not even the worker that waits for ever keeps the agent.
            open_desk.agent.terminate()
            assert open_desk.agent.wait(PATIENCE) == 0
            open_desk.agent = None


def test_file_that_cannot_be_closed_keeps_no_worker_from_starting(open_desk, tmp_path):
    open_desk.succeed("lock")
    with hung_file(tmp_path) as (file, server), lender(open_desk, "import", file) as one:
        assert line_of(server) == "flush"
        open_desk.unlock()  # For which a worker derives the key, another reads the passphrase.
        open_desk.succeed("list")
        assert refusal(one) == "worker-timeout"


@pytest.mark.parametrize("how", ["socket", "unread"])
def test_socket_that_lingers_holds_nobody_up(running, how):
    with lender(running, how) as one:
        assert refusal(one) == "bad-descriptor"
        assert is_served_quickly(running)


def test_thousand_lent_files_leave_nothing_behind(running):
    with procfs.nothing_left(running), open(__file__, encoding="utf-8") as file:
        for _ in range(200):
            with running.line() as line:
                line.send({"v": 1, "kind": "status"}, [file.fileno()] * 5)
                assert code(json.loads(line.receive())) == "bad-descriptor"
        assert is_served_quickly(running)
    assert not [d for d in procfs.descriptors(running.agent.pid).values()
                if d == os.path.realpath(__file__)]
