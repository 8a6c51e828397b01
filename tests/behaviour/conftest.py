import ctypes
import os
import socket
import sys
from pathlib import Path

import pytest

# The registry that the tests talk to lies beside.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "registry"))

from certificate import Certificate  # noqa: E402
from desk import TOKEN, Desk  # noqa: E402
from keyring import Keyring  # noqa: E402
from registry import Registry  # noqa: E402


CRATES_IO_HOSTS = ("crates.io", "index.crates.io", "static.crates.io")
HOSTS = "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 " + " ".join(CRATES_IO_HOSTS) + "\n"


def keep_crates_io_at_home(directory: Path) -> bool:
    """For this process and all it starts, the names of crates.io are this machine: no test may
    send anything to the real one. In a mount namespace of its own; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, ms_bind, ms_rec, ms_private = 0x20000, 4096, 16384, 1 << 18
    file = directory / f"cpub-hosts-{os.getpid()}"
    file.write_text(HOSTS)
    file.chmod(0o644)
    try:
        if os.getuid() == 0 and not os.path.exists("/etc/hosts"):
            Path("/etc/hosts").touch()
        return (libc.unshare(clone_newns) == 0
                and libc.mount(b"none", b"/", None, ms_rec | ms_private, None) == 0
                and libc.mount(str(file).encode(), b"/etc/hosts", None, ms_bind, None) == 0)
    finally:
        file.unlink()


def pytest_configure(config):
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        is_kept = keep_crates_io_at_home(Path("/tmp"))
        if not is_kept:
            try:
                socket.getaddrinfo("crates.io", 443)
            except OSError:
                return  # There is no network to be kept from.
            pytest.exit("run the tests as root, or without a network: they must not reach the "
                        "real crates.io", 2)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(tmp_path, certificate):
    """An open registry over TLS that accepts TOKEN."""
    with Registry(tmp_path / "registry", tls=certificate, tokens={TOKEN}) as r:
        yield r


@pytest.fixture
def desk(tmp_path):
    """A desk without a store and without an agent."""
    desk = Desk(tmp_path / "desk")
    yield desk
    desk.stop()


@pytest.fixture
def keyring(desk):
    """The desk's unlocked gnome-keyring; the agent that the desk starts finds its bus."""
    keyring = Keyring(desk).start()
    yield keyring
    desk.stop()
    keyring.stop()


@pytest.fixture
def open_desk(desk):
    """A desk with an unlocked, empty vault."""
    desk.start()
    desk.init()
    return desk


@pytest.fixture
def agreed_desk(open_desk, registry):
    """As ready_desk, but the passphrase has confirmed the account's CA."""
    open_desk.login(registry)
    open_desk.confirm_login(registry)
    open_desk.set_up_cargo(registry)
    return open_desk


@pytest.fixture
def ready_desk(open_desk, registry):
    """… and logged in to the registry, with cargo set up for it."""
    open_desk.login(registry)
    open_desk.set_up_cargo(registry)
    return open_desk
