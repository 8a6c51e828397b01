"""More than the agent does at once: those who come too late are told so, by name."""

import contextlib
import json
import os
import resource
import select

import pytest

import procfs
from desk import GREETING, code, get
from play import CRATES_IO, ask_provider
from test_agent_connections import (  # noqa: F401 - the fixture is found by name
    NEEDS_ROOT, connect, is_served_quickly, limited, running,
)
from test_agent_workers import login, serving, tree  # noqa: F401

QUICK = 5
WORKERS_MAX = 16
PLACES = 16  # with this few descriptors
UNLOCK = {"v": 1, "kind": "unlock", "secret-in-pipe": True}
pytestmark = NEEDS_ROOT


@contextlib.contextmanager
def silent_pipes(desk, n: int):
    """So many requests whose secret does not come; the connections."""
    reader, writer = os.pipe()
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(desk.line()) for _ in range(n)]
        for line in lines:
            line.send(UNLOCK, [reader])
        desk.wait(lambda: list(procfs.children(desk.agent.pid).values()).count("worker-read") >=
                  min(n, WORKERS_MAX), "the workers to wait")
        yield lines
    os.close(reader)
    os.close(writer)


def test_worker_too_many_is_busy_and_goes_when_one_has_ended(open_desk):
    open_desk.succeed("lock")
    with procfs.nothing_left(open_desk), silent_pipes(open_desk, WORKERS_MAX + 1) as lines:
        by_socket = {line.socket: line for line in lines}
        (late,) = select.select(list(by_socket), [], [], QUICK)[0]
        assert code(json.loads(by_socket.pop(late).receive())) == "busy"
        assert is_served_quickly(open_desk)
        by_socket.popitem()[1].close()
        open_desk.wait(lambda: len(procfs.children(open_desk.agent.pid)) < WORKERS_MAX,
                       "one worker to end")
        open_desk.unlock()
        assert open_desk.status()["state"] == "unlocked"


def test_look_at_an_index_too_many_is_busy(serving, tree):
    tree.misbehave("worker-net", "hang")
    with procfs.nothing_left(serving), contextlib.ExitStack() as stack:
        for _ in range(WORKERS_MAX):
            stack.enter_context(serving.line()).send(login("sparse+https://index.example.com/"))
        serving.wait(lambda: len(procfs.children(serving.agent.pid)) == WORKERS_MAX, "the workers")
        assert code(serving.ask(login("sparse+https://index.example.com/"))) == "busy"
        assert is_served_quickly(serving)


def test_client_without_a_place_is_told_busy_in_place_of_the_greeting(desk, tmp_path):
    desk.start()
    desk.init()
    desk.stop()
    limited(desk, tmp_path, 200)
    with silent_pipes(desk, PLACES):
        with contextlib.closing(connect(desk)) as late:
            answer = late.makefile("rb").readline()
            assert answer != GREETING and code(json.loads(answer)) == "busy"
            assert late.recv(1) == b""
        done = desk.run("--json", "status")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "busy")
        assert code(ask_provider(desk, get(CRATES_IO))) == "busy"
    assert is_served_quickly(desk)


# The audit log of an agent whose disk is as good as full.

@pytest.mark.parametrize("room", [0, 1, 100])
def test_half_a_line_never_stays_in_the_audit_log(open_desk, room):
    open_desk.succeed("lock")
    open_desk.unlock()
    log = open_desk.state / "audit.jsonl"
    before = log.read_bytes()
    resource.prlimit(open_desk.agent.pid, resource.RLIMIT_FSIZE,
                     (len(before) + room, resource.RLIM_INFINITY))
    assert code(open_desk.ask({"v": 1, "kind": "lock"})) == "ok"  # Locking is never refused.
    assert log.read_bytes() == before
    resource.prlimit(open_desk.agent.pid, resource.RLIMIT_FSIZE,
                     (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    open_desk.unlock()
    assert [entry["op"] for entry in open_desk.audit()][-1] == "unlock"
