"""Two agents that have the same vault, and `init` where a store is or comes meanwhile."""

import contextlib
import json
from pathlib import Path

from desk import TOKEN, Desk, code
from play import CRATES_IO, LOG_OUT, OTHER_TOKEN, lent_pty, token_of
from test_agent_store import accounts, error, leftovers, log_in

NEW_PASSPHRASE = "New passphrase (^C cancels): "
AGAIN = "The same again: "


@contextlib.contextmanager
def second_agent(desk, directory: Path):
    """Another agent of the same home, with a socket of its own."""
    other = Desk(directory)
    other.home, other.vault, other.state = desk.home, desk.vault, desk.state
    other.environment = desk.environment | {"XDG_RUNTIME_DIR": str(other.runtime)}
    other.start()
    try:
        yield other
    finally:
        other.stop()


def test_two_agents_with_one_vault_lose_nothing(open_desk, tmp_path):
    with second_agent(open_desk, tmp_path / "other") as other:
        other.unlock()
        assert log_in(open_desk, "--account", "one").returncode == 0
        done = log_in(other, "--account", "two")
        assert (done.returncode, error(done)) == (10, "store-changed")
        assert other.status()["state"] == "locked"
        other.unlock()
        assert accounts(other) == {"one"}
        assert log_in(other, "--account", "two").returncode == 0
        done = log_in(open_desk, "--account", "three")
        assert (done.returncode, error(done)) == (10, "store-changed")
        open_desk.unlock()
        assert accounts(open_desk) == {"one", "two"}
        assert log_in(open_desk, "--account", "three", token=OTHER_TOKEN).returncode == 0
        assert token_of(open_desk, CRATES_IO, "one") == TOKEN
        assert token_of(open_desk, CRATES_IO, "three") == OTHER_TOKEN
    assert leftovers(open_desk) == []


def test_logout_is_not_undone_by_another_agent_that_had_the_vault_open(open_desk, tmp_path):
    assert log_in(open_desk).returncode == 0
    with second_agent(open_desk, tmp_path / "other") as other:
        other.unlock()
        with lent_pty() as terminal, open_desk.line() as line:
            line.send({"v": 1, "kind": "logout", "registry": {"index-url": CRATES_IO}},
                      [terminal.lent])
            terminal.answers(LOG_OUT, "y")
            assert "Ok" in json.loads(line.receive())
        assert error(log_in(other, "--account", "two")) == "store-changed"
        other.unlock()
        assert accounts(other) == set()


def test_init_where_a_store_is_changes_nothing(open_desk):
    before = open_desk.vault.read_bytes()
    for locked in (False, True):
        if locked:
            open_desk.succeed("lock")
        done = open_desk.run("--json", "init", "--with-passphrase", given="another\n")
        assert (done.returncode, error(done)) == (1, "store-exists")
    assert open_desk.vault.read_bytes() == before
    open_desk.unlock()


def test_init_of_two_agents_at_once_makes_one_store(desk, tmp_path):
    desk.start()
    with second_agent(desk, tmp_path / "other") as other:
        with lent_pty() as terminal, desk.line() as line:
            line.send({"v": 1, "kind": "init"}, [terminal.lent])
            terminal.answers(NEW_PASSPHRASE, "a passphrase that comes too late")
            terminal.sees(AGAIN)
            other.init()
            made = desk.vault.read_bytes()
            terminal.types("a passphrase that comes too late")
            assert code(json.loads(line.receive())) == "store-exists"
        assert desk.vault.read_bytes() == made and leftovers(desk) == []
        desk.unlock()
        assert desk.status()["state"] == other.status()["state"] == "unlocked"
