"""What tests of `import` share: cargo's own files on a desk, and the verb over them."""

import json

import pytest

from desk import TOKEN
from play import index_config
from play import network as network_of

MINE = f'[registries.local]\ntoken = "{TOKEN}"\n'


@pytest.fixture
def serving(desk):
    """A desk with an empty store that takes no time to make."""
    return desk.start("--store=memory")


def keep(desk, text, name: str = "credentials.toml"):
    """The file in which cargo keeps tokens."""
    path = desk.cargo_home / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


def configure(desk, **registries) -> None:
    """The user's own cargo configuration, with registries by name."""
    (desk.cargo_home / "config.toml").write_text(
        "".join(index_config(registry, name) for name, registry in registries.items()))


def take_over(desk, registry, *words: str, **more):
    """`import --from cargo` without a terminal."""
    return desk.run("import", "--from", "cargo", *words,
                    **(network_of(registry) if registry else {}) | more)


def told(desk, registry, *words: str, **more) -> tuple[int, dict[str, dict], dict]:
    """The same as JSON: exit status, tokens by key, and all of it."""
    done = take_over(desk, registry, "--json", *words, **more)
    answer = json.loads(done.stdout)
    assert "tokens" in answer, done.stdout + done.stderr
    assert answer["kind"] == "import" and answer["schema"] == 1
    return done.returncode, {token["key"]: token for token in answer["tokens"]}, answer
