"""The agent forgets its keys when the session is locked and before the machine sleeps."""

import json
import os
import pwd
import time

import dbus
import pytest

import procfs
from desk import PASSPHRASE, TOKEN, code, publish
from logind_play import (MANAGER, MANAGER_PATH, PROPERTIES, SESSION, bus, listens,  # noqa: F401
                         path_of, stopped, watch_desk, watcher, watching)
from ordinary import Stage, UserDesk
from play import APPROVE, CRATES_IO, is_locked, lent_pty, token_of
from scan import memory_size, memory_traces

pytestmark = [
    pytest.mark.release,  # Only that build has the sandbox.
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a hardened agent")]

INHIBITOR = ("sleep", "cpub-agent", "Forgets its keys first", "delay")
BEAT = 5  # seconds after which a worker says again that it listens
HEED = 1  # seconds that the machine is kept waiting for an agent that does not answer


def locks(desk, why: str) -> None:
    desk.wait(lambda: is_locked(desk), "the agent to lock", 5)
    assert f"locked: {why}" in desk.log.read_text()
    desk.wait(lambda: not procfs.watchers(desk.agent.pid), "the worker to be gone")


def heard_all(desk, bus) -> None:
    """All that was sent before has been heard: a worker without an inhibitor, which waking up takes
    anew, has it now."""
    assert bus.inhibitors() == []
    bus.deny_inhibitors(False)
    bus.prepare_for_sleep(False)
    desk.wait(bus.inhibitors, "the inhibitor")


@pytest.fixture
def denied(desk, bus):
    """An agent that hears logind and may not keep the machine awake."""
    bus.add_session("mine", os.getuid())
    bus.add_session("theirs", os.getuid() + 1)
    bus.deny_inhibitors()
    watch_desk(desk, bus)
    desk.wait(lambda: "AccessDenied" in desk.log.read_text(), "the refusal")
    return desk


def test_locking_the_session_locks_the_agent(watching, bus):
    bus.lock()
    locks(watching, "the session was locked")
    assert watching.status()["locks-with-session"] is None


def test_the_hint_that_the_session_is_locked_locks_the_agent(watching, bus):
    """A desktop that locks by itself tells logind afterwards, and no Lock is sent."""
    bus.hint(is_locked=False)
    bus.hint()
    locks(watching, "the session was locked")


def test_a_session_of_nobody_known_counts_as_ours(watching, bus):
    bus.add_session("gone", os.getuid() + 1)
    bus.call(path_of("gone"), "org.freedesktop.DBus.Mock", "UpdateProperties", SESSION,
             dbus.Dictionary({"User": "nonsense"}, signature="sv"))
    bus.lock("gone")
    locks(watching, "the session was locked")


def test_locking_another_users_session_does_not(denied, bus):
    bus.lock("theirs")
    bus.hint("theirs")
    heard_all(denied, bus)
    assert denied.status()["state"] == "unlocked"
    bus.lock()
    locks(denied, "the session was locked")


def test_unlocking_the_session_and_other_news_do_not(denied, bus):
    bus.call(path_of("mine"), SESSION, "Unlock")
    bus.hint(is_locked=False)
    bus.call(path_of("mine"), "org.freedesktop.DBus.Mock", "UpdateProperties", SESSION,
             dbus.Dictionary({"IdleHint": True}, signature="sv"))
    heard_all(denied, bus)
    assert denied.status()["state"] == "unlocked"


FORGERIES = [
    (path_of("mine"), SESSION, "Lock", ""),
    (MANAGER_PATH, MANAGER, "PrepareForSleep", "b", True),
    (path_of("mine"), PROPERTIES, "PropertiesChanged", "sa{sv}as", SESSION, {"LockedHint": True},
     []),
]


def test_only_logind_is_heard(denied, bus):
    """A stranger's signals, to all and, which no match keeps away, to us."""
    name = bus.name_of(watcher(denied))
    before = watcher(denied)
    for forgery in FORGERIES:
        bus.forge(*forgery)
        bus.forge(*forgery, to=name)
    bus.forge("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss",
              "org.freedesktop.login1", ":1.1", "", to=name)
    heard_all(denied, bus)
    assert denied.status()["state"] == "unlocked"
    assert watcher(denied) == before


# Sleep.

def test_the_key_is_gone_before_the_machine_sleeps(watching, bus):
    assert bus.inhibitors() == [INHIBITOR]
    bus.ask_at_release(watching)
    bus.prepare_for_sleep(True)
    locks(watching, "the machine goes to sleep")
    watching.wait(lambda: not bus.inhibitors(), "the machine to be let go")
    watching.wait(bus.released, "logind's note")
    assert bus.released() == ["locked"]


def test_the_machine_waits_for_the_agent_but_not_for_ever(watching, bus):
    with stopped(watching.agent.pid):
        begin = time.monotonic()
        bus.prepare_for_sleep(True)
        watching.wait(lambda: not bus.inhibitors(), "the machine to be let go")
        assert 0.9 * HEED < time.monotonic() - begin < 4 * HEED
    locks(watching, "the machine goes to sleep")


def test_after_sleep_the_machine_is_asked_to_wait_again(watching, bus):
    """By a worker that was not heeded in time, and so still runs."""
    with stopped(watching.agent.pid):
        bus.prepare_for_sleep(True)
        watching.wait(lambda: not bus.inhibitors(), "the machine to be let go")
        bus.prepare_for_sleep(False)
        watching.wait(lambda: bus.inhibitors() == [INHIBITOR], "the inhibitor")
    locks(watching, "the machine goes to sleep")
    watching.wait(lambda: not bus.inhibitors(), "it to go with the worker")


def test_without_permission_to_delay_sleep_it_locks_all_the_same(denied, bus):
    assert bus.inhibitors() == []
    bus.prepare_for_sleep(True)
    locks(denied, "the machine goes to sleep")


def test_whoever_unlocks_while_the_machine_goes_to_sleep_is_locked_again(desk, bus):
    bus.end_logind()
    bus.start_logind(PreparingForSleep=True)
    desk.start(DBUS_SYSTEM_BUS_ADDRESS=bus.address)
    desk.init()
    locks(desk, "the machine goes to sleep")


# What goes with the key.

def test_the_lock_cancels_a_question(watching, bus):
    watching.succeed("login", "--index", CRATES_IO, "--with-token", given=TOKEN + "\n")
    with lent_pty() as terminal, watching.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.sees(APPROVE)
        bus.lock()
        assert code(json.loads(line.receive())) == "locked"
        watching.wait(lambda: not procfs.children(watching.agent.pid), "the question to end")
        terminal.types(PASSPHRASE)
    locks(watching, "the session was locked")


@pytest.mark.release  # Scans see the sanitizers' quarantine as well.
@pytest.mark.parametrize("how", ["session", "sleep"])
def test_no_token_is_left_in_the_agent_after_such_a_lock(watching, bus, how):
    watching.succeed("login", "--index", CRATES_IO, "--with-token", given=TOKEN + "\n")
    assert token_of(watching, CRATES_IO) == TOKEN
    with lent_pty() as terminal, watching.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])  # One more is under way.
        terminal.sees(APPROVE)
        bus.lock() if how == "session" else bus.prepare_for_sleep(True)
        assert code(json.loads(line.receive())) == "locked"
    assert is_locked(watching)
    assert memory_size(watching.agent.pid) > 1 << 20
    assert memory_traces(watching.agent.pid, TOKEN, PASSPHRASE) == []


# The worker comes and goes with the key.

def test_a_locked_agent_has_no_worker(desk, bus):
    desk.start(DBUS_SYSTEM_BUS_ADDRESS=bus.address)
    assert desk.status()["locks-with-session"] is None
    assert procfs.all_children(desk.agent.pid) == {}
    desk.init()
    for _ in range(2):
        desk.wait(lambda: listens(desk), "the agent to listen")
        desk.wait(bus.inhibitors, "the inhibitor")
        assert len(procfs.watchers(desk.agent.pid)) == 1
        desk.succeed("lock")
        desk.wait(lambda: not procfs.all_children(desk.agent.pid), "the worker to be gone")
        desk.wait(lambda: not bus.inhibitors(), "its inhibitor to be gone")
        desk.unlock()


def test_an_agent_that_leaves_leaves_no_worker(watching):
    worker = watcher(watching)
    watching.stop()
    assert not os.path.exists(f"/proc/{worker}")


def test_a_killed_agent_leaves_no_worker(watching, bus):
    worker = watcher(watching)
    watching.agent.kill()
    watching.agent.wait()
    watching.agent = None
    watching.wait(lambda: not os.path.exists(f"/proc/{worker}") or procfs.state(worker) == "Z",
                  "the worker to be gone", BEAT - 2)  # It need not say anything to notice.
    watching.wait(lambda: not bus.inhibitors(), "its inhibitor to be gone")
    watching.socket.unlink()


def test_the_worker_sees_the_bus_and_nothing_else(watching, bus):
    worker = watcher(watching)
    assert procfs.environment(worker) == {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}
    descriptors = procfs.descriptors(worker)
    assert [descriptors[n] for n in (0, 1)] == ["/dev/null"] * 2
    assert descriptors[2] == str(watching.log)
    others = [what.split(":")[0] for n, what in sorted(descriptors.items()) if n > 2]
    assert others == ["socket", "socket", "pipe"]  # the core, the bus, the inhibitor


def test_status_tells_a_person(watching, bus):
    assert "locks with it, and before sleep" in watching.succeed("status")
    watching.stop()
    watching.start(DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={bus.folder}/nobody")
    watching.unlock()
    assert "logind is not heard" in watching.succeed("status")
    watching.succeed("lock")
    assert "session" not in watching.succeed("status")


# As somebody who is not root: one that every Debian has, as the bus turns away who has no account.

ORDINARY = pwd.getpwnam("games").pw_uid

@pytest.fixture
def user_desk(bus):
    stage = Stage()
    desk = UserDesk(stage, stage.copy_build(), ORDINARY)
    yield desk
    desk.stop()
    stage.remove()


def test_an_ordinary_users_agent_locks_with_that_users_session(user_desk, bus):
    bus.add_session("mine", ORDINARY)
    bus.add_session("roots", 0)
    bus.deny_inhibitors()
    watch_desk(user_desk, bus)
    user_desk.wait(lambda: "AccessDenied" in user_desk.log.read_text(), "the refusal")
    bus.lock("roots")
    heard_all(user_desk, bus)
    assert user_desk.status()["state"] == "unlocked"
    bus.lock()
    locks(user_desk, "the session was locked")
