import os
import sys
from pathlib import Path

import pytest

# The registry that the tests talk to lies beside.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "registry"))

from certificate import Certificate  # noqa: E402
from desk import TOKEN, Desk  # noqa: E402
from registry import Registry  # noqa: E402


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
def open_desk(desk):
    """A desk with an unlocked, empty vault."""
    desk.start()
    desk.init()
    return desk


@pytest.fixture
def ready_desk(open_desk, registry):
    """… and logged in to the registry, with cargo set up for it."""
    open_desk.login(registry)
    open_desk.set_up_cargo(registry)
    return open_desk
