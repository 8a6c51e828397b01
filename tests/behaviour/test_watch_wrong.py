"""Locking with the session where bus, logind or worker fail: the agent goes on and recovers."""

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

import procfs  # noqa: E402
from desk import code  # noqa: E402
from logind_play import (SystemBus, bus, listens, stopped, watch_desk, watcher,  # noqa: E402,F401
                         watching)
from play import is_locked  # noqa: E402
from tree import Tree  # noqa: E402
from worker_program import Worker  # noqa: E402

pytestmark = [
    pytest.mark.release,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a hardened agent")]

SYSTEM_BUS = "/run/dbus/system_bus_socket"
SILENCE = 10  # seconds until a worker counts as hanging
WARNING = "not locking with the session until it works"


def warnings(desk) -> list[str]:
    return [line for line in desk.log.read_text().splitlines() if WARNING in line]


def is_unheard(desk) -> bool:
    return desk.status()["locks-with-session"] is False


def recovers(desk, bus) -> None:
    """It listens again, with another worker, and locks."""
    desk.wait(lambda: listens(desk), "the agent to listen again")
    bus.lock()
    desk.wait(lambda: is_locked(desk), "the agent to lock", 5)


@pytest.mark.both
def test_logind_may_restart(watching, bus):
    before = watcher(watching)
    bus.end_logind()
    watching.wait(lambda: is_unheard(watching), "its end to be heard")
    bus.start_logind()
    bus.add_session("mine", os.getuid())
    watching.wait(lambda: listens(watching), "the agent to listen again")
    assert watcher(watching) != before
    recovers(watching, bus)
    assert "locking with the session works again" in watching.log.read_text()


def test_the_bus_may_restart(watching, bus):
    bus.end_logind()
    bus.end()
    watching.wait(lambda: is_unheard(watching), "its end to be heard")
    assert watching.status()["state"] == "unlocked"
    bus.start().start_logind()
    bus.add_session("mine", os.getuid())
    recovers(watching, bus)


def test_a_killed_worker_is_started_again(watching, bus):
    before = watcher(watching)
    os.kill(before, signal.SIGKILL)
    watching.wait(lambda: is_unheard(watching), "its end to be heard")
    watching.wait(lambda: listens(watching), "another")
    assert watcher(watching) != before
    recovers(watching, bus)


def test_a_worker_that_hangs_is_ended_and_another_started(watching, bus):
    before = watcher(watching)
    begin = time.monotonic()
    with stopped(before):
        watching.wait(lambda: is_unheard(watching), "its silence to be noticed", SILENCE + 10)
        assert SILENCE / 2 - 1 < time.monotonic() - begin
        watching.wait(lambda: not os.path.exists(f"/proc/{before}"), "it to be gone")
    assert "is silent, ending it" in warnings(watching)[0]
    recovers(watching, bus)


def test_a_stopped_worker_does_not_hold_up_a_lock(watching, bus):
    before = watcher(watching)
    with stopped(before):
        watching.succeed("lock")
        watching.wait(lambda: not os.path.exists(f"/proc/{before}"), "it to be gone", 5)
    watching.unlock()
    recovers(watching, bus)


def test_a_worker_says_from_time_to_time_that_it_listens(bus):
    with Worker("watch", env={"DBUS_SYSTEM_BUS_ADDRESS": bus.address}) as worker:
        assert worker.receive() == ("r", {})
        begin = time.monotonic()
        worker.send(b"t")
        for _ in range(2):
            assert worker.receive() == ("p", {"WORD": bytes(8)})
        assert SILENCE / 2 - 1 < time.monotonic() - begin < SILENCE
        assert procfs.cpu_seconds(worker.pid) < 1, "it waits and does not spin"


def test_a_bus_that_hangs_holds_up_nobody(desk, bus):
    with stopped(bus.daemon.pid):
        desk.start(DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        desk.init()
        desk.wait(lambda: procfs.watchers(desk.agent.pid), "the worker")
        begin = time.monotonic()
        assert is_unheard(desk)
        desk.succeed("lock")
        assert time.monotonic() - begin < 2
        desk.wait(lambda: not procfs.watchers(desk.agent.pid), "the worker to be gone", 5)


def test_a_bus_that_is_not_there_is_tried_less_and_less_often(desk, tmp_path):
    desk.start(DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={tmp_path}/nobody")
    desk.init()

    def n_tries():
        return desk.log.read_text().count("'worker-watch' gave up: no system bus: No such file")

    desk.wait(n_tries, "the first try")
    begin = time.monotonic()
    desk.wait(lambda: n_tries() == 3, "two more tries")
    assert 2.5 < time.monotonic() - begin < 15  # after 1 s, then after 2 s
    assert is_unheard(desk)


def test_a_bus_without_logind_is_tried_again(desk):
    bus = SystemBus().start()
    try:
        desk.start(DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        desk.init()
        desk.wait(lambda: warnings(desk), "the warning")
        assert "logind cannot be heard" in warnings(desk)[0]
        assert is_unheard(desk)
        bus.start_logind()
        bus.add_session("mine", os.getuid())
        recovers(desk, bus)
    finally:
        bus.close()


@pytest.mark.parametrize("address", [
    "unixexec:path=/bin/touch,argv1={}", "tcp:host=127.0.0.1,port=1",
    "unix:path=/nobody;unixexec:path=/bin/touch,argv1={}"])
def test_an_address_that_is_no_socket_is_not_followed(desk, tmp_path, address):
    touched = tmp_path / "touched"
    desk.start(DBUS_SYSTEM_BUS_ADDRESS=address.format(touched))
    desk.init()
    desk.wait(lambda: warnings(desk), "the warning")
    assert "Address family not supported" in warnings(desk)[0]
    assert not touched.exists()


@pytest.mark.skipif(Path(SYSTEM_BUS).exists(), reason="this machine has a system bus")
def test_where_no_bus_can_be_nothing_is_started(desk):
    desk.start()
    desk.init()
    assert is_unheard(desk)
    assert procfs.all_children(desk.agent.pid) == {}
    assert "no system bus, not locking with the session" in desk.log.read_text()
    assert not warnings(desk)


# Workers that lie.

@pytest.fixture
def tree(desk, tmp_path):
    tree = Tree(desk.build, tmp_path / "tree")
    desk.program = tree.bin / "cpub-agent"
    desk.daemon = tree.libexec / "cpub-agentd"
    return tree


WRONG = {
    "crash_before_ready": "has ended", "crash_after_task": "has ended",
    "exit_with_failure": "has ended", "close_and_stay": "has ended",
    "stop_itself": "sent a malformed frame", "answer_before_ready": "answered out of turn",
    "answer_twice": "gave up", "ready_twice": "said twice that it is ready",
    "progress_before_ready": "spoke out of turn", "progress_and_no_answer": "said nothing",
    "send_a_task": "sent an unknown frame", "say_done": "sent an unknown frame",
    "unknown_type": "sent a malformed frame", "garbage": "sent a malformed frame",
    "fields_cut": "sent a malformed frame", "field_twice": "sent a malformed frame",
    "empty_frame": "has ended",
    "oversize": "sent a malformed frame", "send_a_descriptor": "sent a descriptor",
    "unknown_word": "said an unknown word", "word_of_one_byte": "said nothing",
    "word_before_ready": "spoke out of turn",
}


@pytest.mark.parametrize("behaviour", WRONG)
def test_a_wrong_worker_is_ended_with_a_warning_and_locks_nothing(desk, tree, bus, behaviour):
    # The store in memory is open and takes no time to make.
    tree.misbehave("worker-watch", behaviour)
    desk.start("--store=memory", DBUS_SYSTEM_BUS_ADDRESS=bus.address)
    desk.wait(lambda: warnings(desk), "the warning")
    assert re.search(WRONG[behaviour], warnings(desk)[0]), warnings(desk)
    tree.heal("worker-watch")
    assert desk.status()["state"] == "unlocked"
    desk.wait(lambda: listens(desk), "a right one")
    assert len(procfs.watchers(desk.agent.pid)) == 1


def test_a_missing_worker_is_only_a_warning(desk, tree, bus):
    tree.remove("worker-watch")
    watch = desk.start("--store=memory", DBUS_SYSTEM_BUS_ADDRESS=bus.address)
    watch.wait(lambda: warnings(desk), "the warning")
    assert "could not be started" in warnings(desk)[0]
    tree.heal("worker-watch")
    desk.wait(lambda: listens(desk), "it to be there again")


def test_a_worker_that_says_lock_without_end_locks_and_is_gone(desk, tree, bus):
    tree.misbehave("worker-watch", "lock_and_lock")
    desk.start(DBUS_SYSTEM_BUS_ADDRESS=bus.address)
    desk.init()
    desk.wait(lambda: is_locked(desk), "the agent to lock")
    desk.wait(lambda: not procfs.all_children(desk.agent.pid), "it to be gone")
    assert code(desk.ask({"v": 1, "kind": "list"})) == "locked"
