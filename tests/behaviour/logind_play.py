"""A system bus of the test's own, with a logind on it that does what the test says."""

import contextlib
import os
import shutil
import socket
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dbus
import dbus.bus
import dbus.lowlevel
import pytest

import procfs
from desk import PATIENCE

NAME = "org.freedesktop.login1"
MANAGER_PATH = "/org/freedesktop/login1"
MANAGER = NAME + ".Manager"
SESSION = NAME + ".Session"
PROPERTIES = "org.freedesktop.DBus.Properties"
MOCK = "org.freedesktop.DBus.Mock"
TEMPLATE = Path(__file__).resolve().parent.parent / "fake/logind.py"

# As the system's: whoever connects may send any signal, to all or to one.
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="signal"/>
    <allow send_type="method_call"/>
    <allow send_type="method_return"/>
    <allow send_type="error"/>
    <allow receive_type="signal"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
  </policy>
</busconfig>
"""


def wait(is_true, what: str, patience=PATIENCE) -> None:
    until = time.monotonic() + patience
    while not is_true():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.01)


class SystemBus:
    """dbus-daemon, and logind on it. What ends it is close(); both can end and begin before."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bus-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.path = self.folder / "socket"
        self.address = f"unix:path={self.path}"
        self.config = self.folder / "config"
        self.config.write_text(CONFIG.format(path=self.path))
        self.daemon = self.logind = None

    def start(self) -> "SystemBus":
        self.path.unlink(missing_ok=True)  # What one that was killed has left.
        self.daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={self.config}", "--nofork", "--nopidfile"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(self._takes_calls, "the bus")
        return self

    def _takes_calls(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0

    def end(self) -> None:
        self._end("daemon")

    def _end(self, which: str) -> None:
        process = getattr(self, which)
        setattr(self, which, None)
        if process:
            process.kill()
            process.wait(PATIENCE)

    def close(self) -> None:
        self.end_logind()
        self.end()
        shutil.rmtree(self.folder)

    @contextlib.contextmanager
    def connected(self):
        connection = dbus.bus.BusConnection(self.address)
        try:
            yield connection
        finally:
            connection.close()

    # logind.

    def start_logind(self, **properties) -> "SystemBus":
        """One whose session `mine` is of whoever runs the agent, and `theirs` of another user."""
        self.logind = subprocess.Popen(
            [sys.executable, "-m", "dbusmock", "--system", NAME, MANAGER_PATH, MANAGER],
            env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self.address},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        with self.connected() as bus:
            wait(lambda: bus.name_has_owner(NAME), "logind")
            mock = dbus.Interface(bus.get_object(NAME, MANAGER_PATH), MOCK)
            mock.AddTemplate(str(TEMPLATE), dbus.Dictionary(
                {"folder": str(self.folder), **properties}, signature="sv"))
        return self

    def end_logind(self) -> None:
        self._end("logind")

    def add_session(self, name: str, uid: int) -> None:
        self.call(MANAGER_PATH, MOCK, "AddSession", name, "seat0", dbus.UInt32(uid), "somebody",
                  True)

    def call(self, path: str, interface: str, method: str, *arguments):
        with self.connected() as bus:
            proxy = bus.get_object(NAME, path, introspect=False)
            return proxy.get_dbus_method(method, interface)(*arguments)

    def lock(self, session: str = "mine") -> None:
        self.call(path_of(session), SESSION, "Lock")

    def hint(self, session: str = "mine", is_locked: bool = True) -> None:
        self.call(path_of(session), SESSION, "SetLockedHint", is_locked)

    def prepare_for_sleep(self, begins: bool) -> None:
        self.call(MANAGER_PATH, MOCK, "EmitSignal", MANAGER, "PrepareForSleep", "b",
                  dbus.Array([begins], signature="v"))

    def inhibitors(self) -> list[tuple]:
        return [tuple(map(str, one[:4]))
                for one in self.call(MANAGER_PATH, MANAGER, "ListInhibitors")]

    def deny_inhibitors(self, deny: bool = True) -> None:
        flag = self.folder / "deny"
        flag.touch() if deny else flag.unlink()

    def ask_at_release(self, desk) -> None:
        """When an inhibitor ends, logind asks that agent for its state and notes it."""
        (self.folder / "agent").write_text(str(desk.socket))

    def released(self) -> list[str]:
        """The notes."""
        path = self.folder / "released"
        return path.read_text().splitlines() if path.exists() else []

    # A stranger, who has no name but its own.

    def forge(self, path: str, interface: str, member: str, signature: str, *arguments,
              to: str | None = None) -> None:
        """A signal as logind sends it, to all or to one connection; the bus has passed it on."""
        message = dbus.lowlevel.SignalMessage(path, interface, member)
        message.append(signature=signature, *arguments)
        if to:
            message.set_destination(to)
        with self.connected() as bus:
            bus.send_message(message)
            bus.name_has_owner(NAME)

    def name_of(self, pid: int) -> str:
        """The unique name of that process."""
        with self.connected() as bus:
            for name in bus.list_names():
                if name.startswith(":") and bus.call_blocking(
                        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                        "GetConnectionUnixProcessID", "s", (name,)) == pid:
                    return str(name)
        raise AssertionError(f"{pid} is not on the bus")


def path_of(session: str) -> str:
    return f"{MANAGER_PATH}/session/{session}"


@pytest.fixture
def bus():
    """A bus with a logind; sessions are the test's to add."""
    bus = SystemBus()
    try:
        yield bus.start().start_logind()
    finally:
        bus.close()


def listens(desk) -> bool:
    return desk.status()["locks-with-session"] is True


def watch_desk(desk, bus, *options: str):
    """An unlocked desk whose agent hears that logind."""
    desk.start(*options, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
    desk.init()
    desk.wait(lambda: listens(desk), "the agent to listen to logind")
    return desk


@pytest.fixture
def watching(desk, bus):
    """The same, with a session of its user's and one of another's, and the inhibitor taken."""
    bus.add_session("mine", os.getuid())
    bus.add_session("theirs", os.getuid() + 1)
    watch_desk(desk, bus)
    desk.wait(bus.inhibitors, "the inhibitor")
    return desk


def watcher(desk) -> int:
    """The pid of its one worker-watch."""
    [pid] = procfs.watchers(desk.agent.pid)
    return pid


@contextlib.contextmanager
def stopped(pid: int):
    os.kill(pid, signal.SIGSTOP)
    try:
        wait(lambda: procfs.state(pid) == "T", "it to stop")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
