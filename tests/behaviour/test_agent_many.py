"""Ten thousand accounts. How fast that is, tests/bench/accounts tells."""

import json
import subprocess

import pytest

from desk import PASSPHRASE, TOKEN, code, get
from play import CRATES_IO, token_of
from test_agent_store import error, log_in, unlock

# Sanitizers make the vault's making slow; what they would see, they see with 2000 accounts in
# tests/store/test-forged.c.
pytestmark = pytest.mark.release

MANY = 10000


def registry_of(i: int) -> str:
    return f"https://registry-{i}.example/index"


@pytest.fixture
def many(desk):
    """An agent that has just started, with a vault as tests/store/make-vault.c says."""
    subprocess.run([desk.build / "tests/make-vault", str(MANY)], env=desk.environment, check=True,
                   input=PASSPHRASE + "\n", text=True)
    return desk.start()


def test_ten_thousand_accounts_are_known_while_locked(many):
    assert (many.status()["state"], many.status()["accounts"]) == ("locked", MANY)
    with many.line() as line:
        for i in (0, MANY // 2, MANY - 1):
            assert code(line.ask(get(registry_of(i)))) == "locked"
        assert code(line.ask(get(registry_of(MANY)))) == "not-found"
    assert error(unlock(many, "wrong")) == "wrong-passphrase"


def test_ten_thousand_accounts_are_found_and_listed(many):
    many.unlock()
    for i in (0, 4711, MANY - 1):
        assert token_of(many, registry_of(i)) == f"cio-token-{i}"
    with many.line() as line:
        assert code(line.ask(get(registry_of(MANY)))) == "not-found"
    listed = json.loads(many.succeed("--json", "list"))["accounts"]
    assert [account["index"] for account in listed] == [registry_of(i) for i in range(MANY)]


def test_ten_thousand_accounts_are_kept_when_one_is_added(many):
    many.unlock()
    assert log_in(many).returncode == 0
    many.stop()
    many.start()
    many.unlock()
    assert many.status()["accounts"] == MANY + 1
    assert token_of(many, CRATES_IO) == TOKEN
    for i in (0, 4711, MANY - 1):
        assert token_of(many, registry_of(i)) == f"cio-token-{i}"
