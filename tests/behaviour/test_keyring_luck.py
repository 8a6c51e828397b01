"""The keyring that is killed in mid-store, other keyrings, other users, workers that misbehave."""

import contextlib
import json
import os
import pwd
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

import procfs  # noqa: E402
from desk import PASSPHRASE, TOKEN, build_directory, code, get, publish  # noqa: E402
from keyring import OURS, KeePassXC, Keyring, needs_gnome_keyring, needs_keepassxc  # noqa: E402
from ordinary import Stage, UserDesk  # noqa: E402
from play import CRATES_IO, OTHER_TOKEN, lent_pty, token_of  # noqa: E402
from tree import Tree  # noqa: E402

IN_TIME = 5
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def login(account: str = "default", token: str = TOKEN) -> dict:
    return {"v": 1, "kind": "login", "registry": {"index-url": CRATES_IO}, "token": token,
            "account": account, "url-source": "given", "no-check": True}


def accounts(desk) -> set[str]:
    answer = desk.ask({"v": 1, "kind": "list"})
    assert code(answer) == "ok", answer
    return {account["account"] for account in answer["Ok"]["accounts"]}


def make_readable(desk) -> None:
    done = desk.run("--json", "init", "--store", "keyring", "--no-passphrase")
    assert done.returncode == 0, done.stdout


def workers(desk) -> list[int]:
    return [pid for pid, name in procfs.children(desk.agent.pid).items()
            if name == "worker-keyring"]


@contextlib.contextmanager
def storing(desk, account: str):
    """A login whose worker is at the keyring."""
    with desk.line() as line:
        line.send(login(account))
        until = time.monotonic() + 10
        while not workers(desk) and time.monotonic() < until:
            pass
        yield line


@needs_gnome_keyring
@NEEDS_ROOT
@pytest.mark.release
@pytest.mark.parametrize("victim", ["keyring", "worker"])
def test_nothing_is_lost_when_one_is_killed_in_mid_store(desk, keyring, victim):
    n_kills = {"keyring": 100, "worker": 50}[victim]
    desk.start()
    make_readable(desk)
    stored, outcomes = set(), set()
    for i in range(n_kills):
        with storing(desk, f"a{i}") as line:
            time.sleep(random.uniform(0, 0.3))  # Somewhere in the save, or just after it.
            if victim == "keyring":
                keyring.service.kill()
            else:
                for pid in workers(desk):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, 9)
            outcome = code(json.loads(line.receive()))
        if victim == "keyring":
            keyring.service.wait(10)
            keyring.services = []
            desk.wait(lambda: not keyring.has("org.freedesktop.secrets"), "the keyring to go")
            keyring.start()
        outcomes.add(outcome)
        now = accounts(desk)
        assert stored <= now, f"lost {stored - now} after {i} kills"
        assert now <= stored | {f"a{i}"}
        assert outcome != "ok" or f"a{i}" in now
        stored = now
    assert "ok" in outcomes or victim == "worker"
    assert outcomes - {"ok"}, "no kill hit a save"
    # Nothing is left of what was cut short: one more save, one more look.
    assert code(desk.ask(login("last"))) == "ok"
    assert keyring.parts() == ["key"] + ["record"] * (len(stored) + 1) + ["root"]


@needs_gnome_keyring
def test_the_suite_of_all_media_passes_over_the_keyring(desk, keyring):
    done = subprocess.run([build_directory() / "tests/test-store", "keyring"], text=True,
                          env=keyring.environment | desk.environment |
                          {"DBUS_SESSION_BUS_ADDRESS": keyring.address},
                          capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[  PASSED  ] 21 test(s)." in done.stdout + done.stderr
    assert keyring.parts() == []


@needs_gnome_keyring
def test_leftovers_of_a_save_are_removed_by_the_next_look(desk, keyring):
    desk.start()
    make_readable(desk)
    assert code(desk.ask(login())) == "ok"
    keyring.add(OURS, {"part": "record", "id": "0" * 32, "hash": "1" * 64}, "left", b"AAAA")
    desk.stop()
    desk.start()
    assert accounts(desk) == {"default"}
    assert keyring.parts() == ["key", "record", "root"]


# KeePassXC, a second witness.

@pytest.fixture
def keepassxc(desk):
    keepassxc = KeePassXC(desk)
    yield keepassxc
    desk.stop()
    keepassxc.stop()


@needs_keepassxc
@NEEDS_ROOT
@pytest.mark.release
def test_keepassxc_holds_a_store_as_well(desk, keepassxc):
    keepassxc.start()
    desk.start()
    done = desk.run("--json", "init", "--with-passphrase", given=PASSPHRASE + "\n")
    assert json.loads(done.stdout)["store"] == "keyring"
    assert code(desk.ask(login())) == "ok"
    assert code(desk.ask(login("b", OTHER_TOKEN))) == "ok"
    desk.stop()
    desk.start()
    assert desk.status()["state"] == "locked"
    assert code(desk.ask(publish(CRATES_IO))) == "locked"
    desk.unlock()
    assert token_of(desk, CRATES_IO) == TOKEN
    assert token_of(desk, CRATES_IO, "b") == OTHER_TOKEN
    terminal = desk.terminal("logout", "--index", CRATES_IO, "--all")
    terminal.answers("Remove? [y/N] ", "y")
    assert terminal.ends() == 0, terminal.seen
    assert accounts(desk) == set()


@needs_keepassxc
@NEEDS_ROOT
@pytest.mark.release
def test_a_keyring_that_asks_about_each_access_is_not_waited_for_too_long(desk, keepassxc):
    """KeePassXC as it comes: each program that reads an item has to be let in, in a dialogue."""
    keepassxc.start(confirm=True)
    desk.start()
    start = time.monotonic()
    done = desk.run("--json", "init", "--store", "keyring", "--no-passphrase")
    assert json.loads(done.stdout)["error"]["code"] == "store-unsure"
    assert time.monotonic() - start < IN_TIME
    assert code(desk.ask({"v": 1, "kind": "list"})) == "keyring-locked"


# An ordinary user; as root every permission check passes.

@needs_gnome_keyring
@NEEDS_ROOT
@pytest.mark.release
def test_an_ordinary_user_has_a_store_in_the_keyring():
    stage = Stage()
    try:
        desk = UserDesk(stage, stage.install(), pwd.getpwnam("games").pw_uid)
        keyring = Keyring(desk).start()
        try:
            desk.start()
            make_readable(desk)
            assert code(desk.ask(login())) == "ok"
            assert accounts(desk) == {"default"}
            desk.succeed("lock")
            with lent_pty() as terminal, desk.line() as line:
                line.send(publish(CRATES_IO), [terminal.lent])
                terminal.answers("Approve? [y/N] ", "y")
                assert json.loads(line.receive())["Ok"]["token"] == TOKEN
        finally:
            desk.stop()
            keyring.stop()
    finally:
        stage.remove()


# The worker.

@pytest.fixture
def tree(desk, tmp_path):
    tree = Tree(desk.build, tmp_path / "tree")
    desk.program, desk.daemon = tree.bin / "cpub-agent", tree.libexec / "cpub-agentd"
    return tree


@needs_gnome_keyring
@NEEDS_ROOT
@pytest.mark.parametrize("behaviour", ["crash_after_task", "garbage", "send_a_descriptor"])
def test_a_worker_that_misbehaves_is_a_refusal_and_changes_nothing(desk, keyring, tree, behaviour):
    desk.start()
    make_readable(desk)
    assert code(desk.ask(login())) == "ok"
    tree.misbehave("worker-keyring", behaviour)
    assert code(desk.ask(login("b"))) == "store-unsure"
    assert code(desk.ask({"v": 1, "kind": "list"})) == "store-failed"
    tree.heal("worker-keyring")
    assert accounts(desk) == {"default"}
    desk.wait(lambda: not procfs.children(desk.agent.pid), "the workers to be gone")


@needs_gnome_keyring
@NEEDS_ROOT
@pytest.mark.release
def test_a_worker_that_tells_progress_for_ever_is_ended(desk, keyring, tree):
    desk.start()
    make_readable(desk)
    tree.misbehave("worker-keyring", "progress_for_ever")
    with desk.line() as line:
        line.send(login())
        line.socket.settimeout(90)
        assert code(json.loads(line.receive())) == "keyring-timeout"
