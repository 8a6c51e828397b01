"""`move`: the store goes to another medium as it is, or stays whole where it was."""

import json

import pytest

from desk import TOKEN, code
from play import accounts, is_locked, lent_pty, refused

MOVE = {"v": 1, "kind": "move"}


def log_in(desk, account: str = "default", token: str = TOKEN) -> None:
    desk.succeed("login", "--with-token", "--no-check", "--account", account, given=token + "\n")


@pytest.fixture
def kept(open_desk):
    """A vault with one account."""
    log_in(open_desk)
    return open_desk


# Not moved.

@pytest.mark.parametrize("locked", [False, True], ids=["open", "locked"])
def test_store_that_is_there_already_is_left_and_nothing_is_asked(kept, locked):
    if locked:
        kept.succeed("lock")
    before = kept.vault.read_bytes(), kept.vault.stat()
    done = kept.run("--json", "move", "--to", "vault")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "schema": 1, "kind": "move", "from": "vault", "to": "vault", "path": str(kept.vault),
        "accounts": 1, "unchanged": True, "leftover": None}
    assert "is in the vault already" in kept.succeed("move", "--to", "vault")
    assert (kept.vault.read_bytes(), kept.vault.stat().st_mtime_ns) == (
        before[0], before[1].st_mtime_ns)
    assert is_locked(kept) == locked


@pytest.mark.parametrize("to", [None, "", "memory", "auto", "Vault", 7, "vault\n"])
def test_place_that_does_not_last_is_no_request(kept, to):
    request = MOVE if to is None else MOVE | {"to": to}
    assert code(kept.ask(request)) == "bad-request"
    assert len(accounts(kept)) == 1


@pytest.mark.parametrize("words", [(), ("--to",), ("--to", "memory"), ("keyring",)], ids=str)
def test_words_are_strict(kept, words):
    refused(kept.run("--json", "move", *words), "usage", 2)


@pytest.mark.parametrize("to", ["vault", "keyring"])
def test_store_in_memory_is_bound_to_its_agent(desk, to):
    desk.start("--store=memory")
    log_in(desk)
    with lent_pty() as terminal:
        assert code(desk.ask(MOVE | {"to": to}, [terminal.lent])) == "store-bound"
        assert terminal.shown() == ""
    assert len(accounts(desk)) == 1


def test_without_a_store_there_is_nothing_to_move(desk):
    desk.start()
    refused(desk.run("--json", "move", "--to", "vault"), "no-store", 4)
