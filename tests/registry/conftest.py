import pytest

from certificate import Certificate
from rawclient import TOKEN, Client
from registry import Registry


@pytest.fixture
def token():
    return TOKEN


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(tmp_path, certificate):
    with Registry(tmp_path / "registry", tls=certificate, tokens={TOKEN}) as r:
        yield r
    assert not r.threads()


@pytest.fixture
def client(registry):
    client = Client(registry, TOKEN)
    yield client
    client.close()
