"""`move`: the store goes to another medium as it is, or stays whole where it was."""

import json

import pytest

from desk import PASSPHRASE, TOKEN, code, publish
from keyring import OURS, needs_gnome_keyring
from play import (
    APPROVE, CANCEL, CRATES_IO, OTHER_TOKEN, UNLOCK, accounts, ends, is_locked, lent_pty, provider,
    refused, token_of,
)

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


# Moved, to a real keyring and back.

def move(desk, to: str, ask=APPROVE):
    """`move` on a terminal, all the way."""
    terminal = desk.terminal("move", "--to", to)
    question = terminal.answers(ask, PASSPHRASE)
    ends(terminal, 0)
    assert "the same ciphertext, which only your passphrase opens" in question
    return terminal


def unlock_anew(desk) -> None:
    """For an agent that has not seen it happen."""
    desk.stop()
    desk.start()
    desk.unlock()


def assert_is_in(desk, keyring, where: str) -> None:
    """All of it is there, none of it at the other place, and an agent that starts knows."""
    status = desk.status()
    assert (status["store"], status["level"]) == (where, 2)
    assert desk.vault.exists() == (where == "vault")
    assert set(keyring.parts()) == ({"record", "root"} if where == "keyring" else set())
    assert (desk.state / "store").read_text().startswith(f"store {where}\ngeneration ")
    assert "leftover" not in (desk.state / "store").read_text()
    assert {a["account"] for a in accounts(desk)} == {"default", "work"}


@pytest.fixture
def two(kept):
    """… with two accounts."""
    log_in(kept, "work", OTHER_TOKEN)
    return kept


@needs_gnome_keyring
@pytest.mark.parametrize("locked", [False, True], ids=["open", "locked"])
def test_store_goes_to_the_keyring_and_back(keyring, two, locked):
    for place, told in (("keyring", "from the vault to the keyring (2 accounts)."),
                        ("vault", f"from the keyring to the vault, '{two.vault}' (2 accounts).")):
        if locked:
            two.succeed("lock")
        terminal = move(two, place, UNLOCK if locked else APPROVE)
        assert f"Moved the store {told}" in terminal.seen
        assert_is_in(two, keyring, place)
        unlock_anew(two)
        assert_is_in(two, keyring, place)
        assert token_of(two, CRATES_IO, "work") == OTHER_TOKEN
    done = [e for e in two.audit() if e["op"] == "move"]
    assert len(done) == 2 and not any("refusal" in e for e in done)


@needs_gnome_keyring
def test_store_in_the_keyring_is_used_and_changed(keyring, kept):
    move(kept, "keyring")
    log_in(kept, "work", OTHER_TOKEN)
    assert_is_in(kept, keyring, "keyring")
    with keyring.items() as items:
        for item in items:
            for secret in (TOKEN, OTHER_TOKEN, CRATES_IO):
                assert secret.encode() not in item.raw()
    assert json.loads(kept.succeed("--json", "move", "--to", "keyring")) == {
        "schema": 1, "kind": "move", "from": "keyring", "to": "keyring", "path": None,
        "accounts": 2, "unchanged": True, "leftover": None}


# … or not, and then all is as it was.

@pytest.fixture
def unchanged(two):
    """Whatever the test does, the vault stays, and is used."""
    before = two.vault.read_bytes()
    yield two
    assert two.vault.read_bytes() == before
    assert two.status()["store"] == "vault"
    unlock_anew(two)
    assert {a["account"] for a in accounts(two)} == {"default", "work"}


def cannot_move(desk, refusal: str) -> None:
    """A person agrees, and it fails so."""
    with lent_pty() as terminal, desk.line() as line:
        line.send(MOVE | {"to": "keyring"}, [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        assert code(json.loads(line.receive())) == refusal
    assert desk.audit()[-1]["refusal"] == refusal


def test_without_a_keyring_nothing_is_moved(unchanged):
    cannot_move(unchanged, "keyring-unreachable")


@needs_gnome_keyring
def test_locked_keyring_whose_question_cannot_be_shown_gets_nothing(keyring, unchanged):
    keyring.lock()
    cannot_move(unchanged, "keyring-denied")
    keyring.unlock()
    assert keyring.parts() == []


@needs_gnome_keyring
def test_keyring_that_holds_a_store_is_left(keyring, unchanged):
    keyring.add(OURS, {"part": "root"}, "another", b"bm90aGluZyBvZiBvdXJz")
    cannot_move(unchanged, "store-exists")
    assert keyring.parts() == ["root"]


@needs_gnome_keyring
@pytest.mark.parametrize("typed", ["", "not the passphrase"], ids=["cancelled", "wrong"])
def test_nothing_is_moved_that_nobody_approved(keyring, unchanged, typed):
    terminal = unchanged.terminal("move", "--to", "keyring")
    for _ in range(3 if typed else 1):
        terminal.sees(APPROVE)
        terminal.send(typed + "\n" if typed else CANCEL)
    ends(terminal, 10 if typed else 5)
    refused(unchanged.run("--json", "move", "--to", "keyring"), "needs-terminal", 4)
    assert keyring.parts() == []


@needs_gnome_keyring
def test_store_that_another_program_changed_meanwhile_stays_and_is_locked(keyring, two):
    """Its change is on the vault alone, which must not be erased then."""
    theirs = two.vault.with_name("theirs")
    theirs.write_bytes(two.vault.read_bytes())
    theirs.chmod(0o600)
    log_in(two, "third")
    with lent_pty() as terminal, provider(two, terminal) as running, two.line() as line:
        running.send(publish(CRATES_IO))
        terminal.answers(APPROVE, PASSPHRASE)
        assert "Ok" in json.loads(running.line()) and two.status()["grants"] == 1
        line.send(MOVE | {"to": "keyring"}, [terminal.lent])
        terminal.sees(APPROVE)
        content = theirs.read_bytes()
        theirs.rename(two.vault)
        terminal.types(PASSPHRASE)
        assert code(json.loads(line.receive())) == "store-changed"
        assert is_locked(two) and two.status()["grants"] == 0
    assert two.vault.read_bytes() == content and keyring.parts() == []


@needs_gnome_keyring
def test_store_without_a_passphrase_is_bound(keyring, desk):
    desk.start()
    desk.succeed("init", "--store", "keyring", "--no-passphrase")
    refused(desk.run("--json", "move", "--to", "vault"), "store-bound", 1)
    assert not desk.vault.exists()
