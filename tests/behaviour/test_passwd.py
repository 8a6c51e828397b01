"""
`passwd`: what a new passphrase opens, what the old one still opens, and what remains as it was when
the person changes their mind on the way.
"""

import json
import secrets
import shutil

import pytest

from desk import PASSPHRASE, PATIENCE, TOKEN, Desk, code, publish
from play import (
    APPROVE, CANCEL, CRATES_IO, OTHER_TOKEN, UNLOCK, accounts, ends, is_locked, lent_pty, provider,
    refused,
)

NEW = "battery-staple-" + secrets.token_hex(8)
CHOOSE = "New passphrase (^C cancels): "
AGAIN = "The same again: "
HEADER = 17 + 4  # of the vault file: its magic and format (PROTOCOL.md, A.2)


def log_in(desk, account: str, token: str) -> None:
    desk.succeed("login", "--with-token", "--no-check", "--account", account, given=token + "\n")


@pytest.fixture
def kept(open_desk):
    """Two accounts, with different tokens."""
    log_in(open_desk, "default", TOKEN)
    log_in(open_desk, "work", OTHER_TOKEN)
    return open_desk


@pytest.fixture(autouse=True)
def nothing_leaks(open_desk):
    yield
    for path in (open_desk.log, open_desk.state / "audit.jsonl", open_desk.vault):
        content = path.read_bytes()
        for secret in (TOKEN, OTHER_TOKEN, PASSPHRASE, NEW):
            assert secret.encode() not in content, path


def unlock(desk, passphrase: str):
    return desk.run("--json", "unlock", "--with-passphrase", given=passphrase + "\n")


def token_of(desk, account: str, passphrase: str) -> str:
    request = publish(CRATES_IO) | {"operation": "owners", "account": account}
    with lent_pty() as terminal, desk.line() as line:
        line.send(request, [terminal.lent])
        terminal.answers(APPROVE, passphrase)
        return json.loads(line.receive())["Ok"]["token"]


def change(desk, ask=APPROVE):
    """`passwd` on a terminal, all the way."""
    terminal = desk.terminal("passwd")
    terminal.answers(ask, PASSPHRASE)
    terminal.answers(CHOOSE, NEW)
    terminal.answers(AGAIN, NEW)
    ends(terminal, 0)
    assert NEW not in terminal.seen
    return terminal


class Vault:
    """The parts of the file, as PROTOCOL.md has them."""

    def __init__(self, bytes_: bytes):
        def number(at):
            return int.from_bytes(bytes_[at:at + 4], "little")

        size = number(HEADER)
        self.header = bytes_[HEADER + 4:HEADER + 4 + size]
        at = HEADER + 4 + size
        self.records, n, at = {}, number(at), at + 4
        for _ in range(n):
            size = number(at + 16)
            self.records[bytes_[at:at + 16]] = bytes_[at + 20:at + 20 + size]
            at += 20 + size
        assert at + 32 == len(bytes_)

    def fields(self) -> dict[int, bytes]:
        found, at = {}, 0
        while at < len(self.header):
            size = int.from_bytes(self.header[at + 1:at + 5], "little")
            found[self.header[at]] = self.header[at + 5:at + 5 + size]
            at += 5 + size
        return found


# Done.

def test_new_passphrase_opens_and_the_old_one_does_not(kept):
    terminal = change(kept)
    assert "Changed the passphrase, and sealed all accounts anew (2)." in terminal.seen
    assert "still opens with the old one" in terminal.seen
    assert not is_locked(kept)
    assert token_of(kept, "default", NEW) == TOKEN
    kept.succeed("lock")
    refused(unlock(kept, PASSPHRASE), "wrong-passphrase", 10)
    assert is_locked(kept)
    assert unlock(kept, NEW).returncode == 0
    assert token_of(kept, "work", NEW) == OTHER_TOKEN

    # And for an agent that has not seen it happen.
    kept.stop()
    kept.start()
    refused(unlock(kept, PASSPHRASE), "wrong-passphrase", 10)
    assert unlock(kept, NEW).returncode == 0
    assert {a["account"] for a in accounts(kept)} == {"default", "work"}
    (entry,) = [e for e in kept.audit() if e["op"] == "passwd"]
    assert "refusal" not in entry


def test_old_passphrase_approves_nothing_any_more(kept):
    change(kept)
    with lent_pty() as terminal, kept.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])
        for _ in range(3):
            terminal.answers(APPROVE, PASSPHRASE)
        assert code(json.loads(line.receive())) == "wrong-passphrase"


def test_old_vault_put_back_is_refused_as_older(kept, tmp_path):
    old = tmp_path / "vault"
    shutil.copy2(kept.vault, old)
    change(kept)
    kept.stop()
    new = kept.vault.read_bytes()
    shutil.copy2(old, kept.vault)
    kept.start()
    refused(unlock(kept, PASSPHRASE), "store-older", 10)
    assert is_locked(kept)
    kept.vault.write_bytes(new)
    assert unlock(kept, NEW).returncode == 0


def test_each_byte_that_is_sealed_is_sealed_anew(kept):
    before = Vault(kept.vault.read_bytes())
    change(kept)
    after = Vault(kept.vault.read_bytes())
    assert before.records.keys() == after.records.keys() and len(after.records) == 3
    old, new = before.fields(), after.fields()
    assert old.keys() == new.keys()
    # The store's name, both salts, the nonce, and the data key that is wrapped.
    for tag in (2, 3, 32, 35, 36):
        assert old[tag] != new[tag], tag
    for id_, record in after.records.items():
        former = before.records[id_]
        for start in range(32 * (not any(id_)), len(record) - 16, 16):  # Both tags of the
            assert record[start:start + 16] not in former, start  # manifest are zero.


def test_ten_accounts_are_all_there_afterwards(open_desk):
    tokens = {f"account-{n}": f"{TOKEN[:-1]}{n}" for n in range(10)}
    for account, token in tokens.items():
        log_in(open_desk, account, token)
    before = accounts(open_desk)
    assert "sealed all accounts anew (10)" in change(open_desk).seen
    open_desk.stop()
    open_desk.start()
    assert unlock(open_desk, NEW).returncode == 0
    assert accounts(open_desk) == before and len(before) == 10
    for account in ("account-0", "account-9"):
        assert token_of(open_desk, account, NEW) == tokens[account]


def test_locked_store_is_opened_by_it(kept):
    kept.succeed("lock")
    change(kept, ask=UNLOCK)
    assert not is_locked(kept)
    kept.succeed("lock")
    assert unlock(kept, NEW).returncode == 0 and len(accounts(kept)) == 2


def test_new_passphrase_may_come_from_standard_input_and_the_old_one_is_asked(kept):
    terminal = kept.terminal("/bin/sh", "-c", 'echo "$P" | "$0" passwd --with-passphrase',
                             kept.program, P=NEW)
    terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 0)
    assert CHOOSE not in terminal.seen and NEW not in terminal.seen
    kept.succeed("lock")
    refused(unlock(kept, PASSPHRASE), "wrong-passphrase", 10)
    assert unlock(kept, NEW).returncode == 0


def test_open_grants_end(kept):
    with lent_pty() as terminal, provider(kept, terminal) as running:
        running.send(publish(CRATES_IO))
        terminal.answers(APPROVE, PASSPHRASE)
        assert "Ok" in json.loads(running.line()) and kept.status()["grants"] == 1
        change(kept)
        assert kept.status()["grants"] == 0
        running.send(publish(CRATES_IO, "another"))
        terminal.answers(APPROVE, NEW)
        assert "Ok" in json.loads(running.line())


def test_accounts_are_changed_and_added_afterwards(kept):
    change(kept)
    log_in(kept, "third", TOKEN)
    terminal = kept.terminal("logout", "--account", "work")
    terminal.answers("Remove? [y/N] ", "y")
    ends(terminal, 0)
    kept.stop()
    kept.start()
    assert unlock(kept, NEW).returncode == 0
    assert {a["account"] for a in accounts(kept)} == {"default", "third"}


# Not done.

@pytest.fixture
def unchanged(kept):
    """Whatever the test does, the vault stays as it is and the old passphrase opens it."""
    before = kept.vault.read_bytes()
    yield kept
    assert kept.vault.read_bytes() == before
    kept.succeed("lock")
    refused(unlock(kept, NEW), "wrong-passphrase", 10)
    assert unlock(kept, PASSPHRASE).returncode == 0 and len(accounts(kept)) == 2
    assert [e for e in kept.audit() if e["op"] == "passwd" and "refusal" not in e] == []


@pytest.mark.parametrize("typed", [
    [(APPROVE, CANCEL)],
    [(APPROVE, PASSPHRASE), (CHOOSE, CANCEL)],
    [(APPROVE, PASSPHRASE), (CHOOSE, NEW), (AGAIN, CANCEL)],
], ids=["the old one", "the new one", "again"])
def test_cancelling_changes_nothing(unchanged, typed):
    terminal = unchanged.terminal("passwd")
    for question, answer in typed:
        terminal.sees(question)
        terminal.send(answer if answer == CANCEL else answer + "\n")
    ends(terminal, 5)
    assert NEW not in terminal.seen
    assert [e["refusal"] for e in unchanged.audit() if e["op"] == "passwd"] == ["denied"]


def test_three_wrong_old_passphrases_change_nothing(unchanged):
    terminal = unchanged.terminal("passwd")
    for _ in range(3):
        terminal.answers(APPROVE, "not the passphrase")
    ends(terminal, 10)
    assert CHOOSE not in terminal.seen


def test_new_passphrase_that_will_not_do_is_asked_again(unchanged):
    terminal = unchanged.terminal("passwd")
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers(CHOOSE, "")
    assert "it is empty" in terminal.answers(CHOOSE, NEW)
    terminal.answers(AGAIN, NEW + "x")
    assert "not the same" in terminal.sees(CHOOSE)
    terminal.send(CANCEL)
    ends(terminal, 5)


@pytest.mark.parametrize("given", ["\n", "x" * 1025 + "\n"], ids=["empty", "long"])
def test_bad_passphrase_from_standard_input_changes_nothing(unchanged, given):
    terminal = unchanged.terminal("/bin/sh", "-c", 'printf %s "$P" | "$0" passwd --with-passphrase',
                                  unchanged.program, P=given)
    terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 2)


def test_without_a_terminal_nobody_can_be_asked_for_the_old_one(unchanged):
    refused(unchanged.run("--json", "passwd"), "needs-terminal", 4)
    done = unchanged.run("--json", "passwd", "--with-passphrase", given=NEW + "\n")
    refused(done, "needs-terminal", 4)


def test_locking_meanwhile_ends_it(unchanged):
    terminal = unchanged.terminal("passwd")
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.sees(CHOOSE)
    unchanged.succeed("lock")
    ends(terminal, 4)


def test_agent_that_ends_meanwhile_leaves_the_old_vault(unchanged):
    terminal = unchanged.terminal("passwd")
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers(CHOOSE, NEW)
    terminal.sees(AGAIN)
    unchanged.agent.kill()
    unchanged.agent.wait(PATIENCE)
    unchanged.agent = None
    # The client starts another agent, which begins anew.
    terminal.sees(UNLOCK)
    terminal.send(CANCEL)
    ends(terminal, 5)
    assert unlock(unchanged, PASSPHRASE).returncode == 0


def test_without_a_store_there_is_nothing_to_change(tmp_path):
    other = Desk(tmp_path / "other").start()
    try:
        refused(other.run("--json", "passwd"), "no-store", 4)
    finally:
        other.stop()
