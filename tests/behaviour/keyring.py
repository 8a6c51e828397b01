"""
A session's bus of one's own with a real keyring on it, gnome-keyring or KeePassXC, headless.

The bus lies where a session has it, at $XDG_RUNTIME_DIR/bus, and starts no services by itself.
"""

import base64
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import uuid
from pathlib import Path

import dbus
import pytest

from desk import PATIENCE, Desk
from procfs import state

PASSWORD = "login-password-of-the-keyring"
SECRETS = "org.freedesktop.secrets"
OURS = "org.cpub_agent.Store"
CARGOS = "org.rust-lang.cargo.registry"
DEFAULT = "/org/freedesktop/secrets/aliases/default"

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  {services}
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

needs_gnome_keyring = pytest.mark.skipif(
    not shutil.which("gnome-keyring-daemon"), reason="gnome-keyring is not installed")
needs_keepassxc = pytest.mark.skipif(
    not shutil.which("keepassxc"), reason="KeePassXC is not installed")


class Bus:
    """The session's bus of a desk; nobody else is on it at first."""

    def __init__(self, desk: Desk):
        self.desk = desk
        self.path = desk.runtime / "bus"
        self.address = f"unix:path={self.path}"
        self.environment = desk.environment | {
            "DBUS_SESSION_BUS_ADDRESS": self.address, "XDG_RUNTIME_DIR": str(desk.runtime),
            "XDG_DATA_HOME": str(desk.home / ".local/share"),
            "XDG_CONFIG_HOME": str(desk.home / ".config"),
            "XDG_CACHE_HOME": str(desk.home / ".cache")}
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "ASAN_OPTIONS"):
            self.environment.pop(name, None)
        self.daemon = None
        self.services = []

    def spawn(self, words, **how) -> subprocess.Popen:
        """A program of the desk's user, on this bus."""
        uid = getattr(self.desk, "uid", None)
        if uid is not None:
            words = ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
                     "--", *words]
        return subprocess.Popen(
            words, **{"env": self.environment, "stdin": subprocess.DEVNULL, "cwd": "/",
                      "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | how)

    def start(self) -> "Bus":
        config = self.desk.directory / "bus.conf"
        config.write_text(BUS_CONFIG.format(path=self.path, services=""))
        config.chmod(0o644)
        self.daemon = self.spawn(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
        self.desk.wait(lambda: self._takes_calls(), "the bus to be there")
        return self

    def _takes_calls(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess:
        """A program on this bus, to its end."""
        process = self.spawn(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(given, timeout=PATIENCE)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def has(self, name: str) -> bool:
        done = self.run("dbus-send", f"--bus={self.address}", "--print-reply=literal",
                        "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner",
                        f"string:{name}")
        return "true" in done.stdout

    @contextlib.contextmanager
    def connected(self):
        """A connection as the desk's user has it; the kernel tells the bus who connects."""
        uid = getattr(self.desk, "uid", os.geteuid())
        os.seteuid(uid)
        try:
            connection = dbus.bus.BusConnection(self.address)
        finally:
            os.seteuid(0 if uid != os.geteuid() or os.getuid() == 0 else uid)
        try:
            yield connection
        finally:
            connection.close()

    def is_locked(self) -> bool:
        with self.connected() as bus:
            collection = dbus.Interface(bus.get_object(SECRETS, DEFAULT),
                                        "org.freedesktop.DBus.Properties")
            return bool(collection.Get("org.freedesktop.Secret.Collection", "Locked"))

    def stop(self) -> None:
        for process in [*self.services, self.daemon]:
            if not process:
                continue
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(PATIENCE)
        self.services = []
        self.daemon = None


class Keyring(Bus):
    """… with gnome-keyring."""

    def start(self, locked: bool = False) -> "Keyring":
        if not self.daemon:
            super().start()
        words = ["gnome-keyring-daemon", "--foreground", "--components=secrets"]
        if locked:
            self.service = self.spawn(words)
        else:
            self.service = self.spawn([*words, "--unlock"], stdin=subprocess.PIPE)
            self.service.stdin.write(PASSWORD.encode())
            self.service.stdin.close()
        self.services = [self.service]
        self.desk.wait(lambda: self.has(SECRETS), "the keyring to be there")
        return self

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ends the keyring alone; the bus stays."""
        self.service.send_signal(number)
        self.service.wait(PATIENCE)
        self.services = []
        self.desk.wait(lambda: not self.has(SECRETS), "the keyring to be gone")

    def restart(self, locked: bool = False) -> None:
        self.end()
        self.start(locked)

    @contextlib.contextmanager
    def frozen(self):
        self.service.send_signal(signal.SIGSTOP)
        self.desk.wait(lambda: state(self.service.pid) == "T", "the keyring to stand still")
        try:
            yield
        finally:
            self.service.send_signal(signal.SIGCONT)

    def lock(self) -> None:
        with self.connected() as bus:
            service = dbus.Interface(bus.get_object(SECRETS, "/org/freedesktop/secrets"),
                                     "org.freedesktop.Secret.Service")
            service.Lock([dbus.ObjectPath(DEFAULT)])
        assert self.is_locked()

    def unlock(self) -> None:
        """As logging in does, by the daemon's control socket."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(PATIENCE)
            control.connect(str(self.desk.runtime / "keyring/control"))
            control.sendall(b"\0")
            word = struct.pack(">II", 1, len(PASSWORD)) + PASSWORD.encode()
            control.sendall(struct.pack(">I", len(word) + 4) + word)
            assert struct.unpack(">II", control.recv(8))[1] == 0
        assert not self.is_locked()

    @contextlib.contextmanager
    def items(self, schema: str = OURS, **attributes: str):
        """The items of a schema, as any program of the user has them."""
        with self.connected() as bus:
            service = dbus.Interface(bus.get_object(SECRETS, "/org/freedesktop/secrets"),
                                     "org.freedesktop.Secret.Service")
            _, session = service.OpenSession("plain", dbus.String("", variant_level=1))
            paths, locked = service.SearchItems({"xdg:schema": schema} | attributes)
            yield [Item(bus, path, session) for path in [*paths, *locked]]

    def parts(self) -> list[str]:
        """What of our store lies there."""
        with self.items() as items:
            return sorted(item.attributes["part"] for item in items)

    def add(self, schema: str, attributes: dict[str, str], label: str, secret: bytes) -> None:
        with self.connected() as bus:
            service = dbus.Interface(bus.get_object(SECRETS, "/org/freedesktop/secrets"),
                                     "org.freedesktop.Secret.Service")
            _, session = service.OpenSession("plain", dbus.String("", variant_level=1))
            collection = dbus.Interface(bus.get_object(SECRETS, DEFAULT),
                                        "org.freedesktop.Secret.Collection")
            properties = {
                "org.freedesktop.Secret.Item.Label": dbus.String(label),
                "org.freedesktop.Secret.Item.Attributes": dbus.Dictionary(
                    {"xdg:schema": schema} | attributes, signature="ss")}
            # Without replacing: two items may have the same attributes.
            collection.CreateItem(properties, dbus_secret(session, secret), False)


class Item:
    """An item of a keyring, as any program of the user sees it."""

    def __init__(self, bus, path, session):
        self.object = bus.get_object(SECRETS, path)
        self.item = dbus.Interface(self.object, "org.freedesktop.Secret.Item")
        self.session = session
        self.attributes = {
            str(name): str(value) for name, value in self._get("Attributes").items()}
        self.label = str(self._get("Label"))

    def _get(self, name: str):
        properties = dbus.Interface(self.object, "org.freedesktop.DBus.Properties")
        return properties.Get("org.freedesktop.Secret.Item", name)

    def secret(self) -> bytes:
        return bytes(self.item.GetSecret(self.session)[2])

    def raw(self) -> bytes:
        """What the agent stored there."""
        return base64.b64decode(self.secret())

    def set_secret(self, secret: bytes) -> None:
        self.item.SetSecret(dbus_secret(self.session, secret))

    def delete(self) -> None:
        self.item.Delete()


def dbus_secret(session, secret: bytes):
    return dbus.Struct((session, dbus.ByteArray(b""), dbus.ByteArray(secret), "text/plain"),
                       signature="oayays")


class KeePassXC(Bus):
    """… with KeePassXC, whose database serves one group. `confirm` asks about each access."""

    DATABASE_PASSWORD = "pw-of-the-database"

    def start(self, confirm: bool = False) -> "KeePassXC":
        super().start()
        self.environment["QT_QPA_PLATFORM"] = "offscreen"
        config = self.desk.home / ".config/keepassxc"
        config.mkdir(parents=True, exist_ok=True)
        (config / "keepassxc.ini").write_text(
            "[General]\nConfigVersion=2\nSingleInstance=false\nUpdateCheckMessageShown=true\n"
            "AutoSaveAfterEveryChange=true\n[GUI]\nCheckForUpdates=false\n"
            "[FdoSecrets]\nEnabled=true\nShowNotification=false\n"
            f"ConfirmAccessItem={str(confirm).lower()}\nConfirmDeleteItem=false\n"
            "UnlockBeforeSearch=false\n")
        database = self._make_database()
        self.service = self.spawn(["keepassxc", "--pw-stdin", str(database)],
                                  stdin=subprocess.PIPE)
        self.service.stdin.write(self.DATABASE_PASSWORD.encode() + b"\n")
        self.service.stdin.close()
        self.services = [self.service]
        self.desk.wait(lambda: self._serves(), "KeePassXC to serve its database")
        return self

    def _make_database(self) -> Path:
        group = uuid.uuid4()
        xml, database = self.desk.home / "database.xml", self.desk.home / "database.kdbx"
        # FDO_SECRETS_EXPOSED_GROUP names the group that is served as a collection.
        xml.write_text(
            '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<KeePassFile><Meta>'
            "<Generator>test</Generator><DatabaseName>test</DatabaseName><CustomData><Item>"
            f"<Key>FDO_SECRETS_EXPOSED_GROUP</Key><Value>{{{group}}}</Value></Item></CustomData>"
            f"</Meta><Root><Group><UUID>{base64.b64encode(group.bytes).decode()}</UUID>"
            "<Name>Root</Name><IsExpanded>True</IsExpanded></Group></Root></KeePassFile>\n")
        word = self.DATABASE_PASSWORD + "\n"
        done = self.run("keepassxc-cli", "import", "-q", "-p", str(xml), str(database),
                        given=word * 2)
        assert done.returncode == 0, done.stderr
        return database

    def _serves(self) -> bool:
        if not self.has(SECRETS):
            return False
        with self.connected() as bus:
            service = dbus.Interface(bus.get_object(SECRETS, "/org/freedesktop/secrets"),
                                     "org.freedesktop.DBus.Properties")
            if not service.Get("org.freedesktop.Secret.Service", "Collections"):
                return False
        # It is there a moment before it is the default one, and unlocked.
        try:
            return not self.is_locked()
        except dbus.DBusException:
            return False

