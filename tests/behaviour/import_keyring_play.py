"""What tests of `import --from keyring` share: cargo's items in a real keyring, and the verb."""

import json

import pytest

from desk import PASSPHRASE, TOKEN
from keyring import CARGOS
from play import OTHER_TOKEN, network
from registry import Registry

IMPORT = {"v": 1, "kind": "import", "from": "keyring"}


@pytest.fixture
def other(tmp_path, certificate):
    with Registry(tmp_path / "other", tls=certificate, tokens={OTHER_TOKEN}) as r:
        yield r


@pytest.fixture
def nothing_leaks(desk):
    yield
    for path in (desk.log, desk.state / "audit.jsonl", desk.vault):
        content = path.read_bytes() if path.exists() else b""
        for secret in (TOKEN, OTHER_TOKEN, PASSPHRASE):
            assert secret.encode() not in content, path


def cargo_stores(desk, keyring, registry, token: str = TOKEN) -> None:
    """The real cargo, with its own provider, as the user has set it up."""
    config = desk.cargo_home / "config.toml"
    before = config.read_text() if config.exists() else None
    config.write_text(f'[registries.local]\nindex = "{registry.index}"\n'
                      'credential-provider = "cargo:libsecret"\n'
                      f'[http]\ncainfo = "{registry.ca}"\n')
    done = desk.cargo("login", "--registry", "local", given=token + "\n",
                      DBUS_SESSION_BUS_ADDRESS=keyring.address)
    assert done.returncode == 0, done.stderr
    if before is None:
        config.unlink()
    else:
        config.write_text(before)


def put(keyring, url: str, token: str = TOKEN) -> None:
    """As cargo stores one (cargo-credential-libsecret, lib.rs)."""
    keyring.add(CARGOS, {"url": url}, f"cargo-registry:{url}", token.encode())


def kept(keyring) -> dict[str, bytes]:
    """What cargo has there, by URL."""
    with keyring.items(CARGOS) as items:
        return {item.attributes["url"]: item.secret() for item in items}


def take_over(desk, registry, *words: str, **more):
    return desk.run("import", "--from", "keyring", *words,
                    **(network(registry) if registry else {}) | more)


def told(desk, registry, *words: str, **more) -> tuple[int, dict[str, dict], dict]:
    """As JSON: exit status, tokens by key, and all of it."""
    done = take_over(desk, registry, "--json", *words, **more)
    answer = json.loads(done.stdout)
    assert "tokens" in answer, done.stdout + done.stderr
    for secret in (TOKEN, OTHER_TOKEN):
        assert secret not in done.stdout + done.stderr
    return done.returncode, {token["key"]: token for token in answer["tokens"]}, answer
