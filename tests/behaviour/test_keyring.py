"""The store in the desktop's keyring: a real gnome-keyring, headless."""

import contextlib
import json
import os
import shutil
import time

import pytest

import procfs
from crate import write_crate
from desk import PASSPHRASE, TOKEN, Desk, code, get, publish
from keyring import OURS, Bus, Keyring, needs_gnome_keyring
from play import APPROVE, CRATES_IO, OTHER_TOKEN, UNLOCK, lent_pty, log_out, provider, token_of

pytestmark = [needs_gnome_keyring, pytest.mark.release]

OTHERS = "https://github.com/somebody/elses-index"
IN_TIME = 5  # seconds for a refusal, whatever the keyring does
READABLE = "any program of yours can read these while the keyring is unlocked"
NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may look into a hardened agent")


def log_in(desk, account: str = "default", token: str = TOKEN, index: str = CRATES_IO) -> dict:
    """Without a network; the token that comes with the request is the yes."""
    return desk.ask({"v": 1, "kind": "login", "registry": {"index-url": index}, "token": token,
                     "account": account, "url-source": "given", "no-check": True})


def init(desk, *words: str, given: str | None = None):
    return desk.run("--json", "init", *words, given=given)


def take_into_keyring(desk) -> None:
    """A store with the cheapest key derivation there is; the agent's own takes a second a try."""
    desk.init()
    assert code(log_in(desk)) == "ok"
    terminal = desk.terminal("move", "--to", "keyring")
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen


def unlock(desk):
    return desk.run("--json", "unlock", "--with-passphrase", given=PASSPHRASE + "\n")


def error(done) -> str:
    assert done.returncode != 0, done.stdout
    return json.loads(done.stdout)["error"]["code"]


@pytest.fixture
def sealed(desk, keyring):
    """An unlocked store in the keyring, sealed with a passphrase, with one account."""
    desk.start()
    take_into_keyring(desk)
    return desk


@pytest.fixture
def readable(desk, keyring):
    """The same of level 1."""
    desk.start()
    assert init(desk, "--store", "keyring", "--no-passphrase").returncode == 0
    assert code(log_in(desk)) == "ok"
    return desk


def restart(desk) -> None:
    """A new agent, which has read nothing yet."""
    desk.stop()
    desk.start()


# Made, used, and closed.

def test_a_store_in_the_keyring_lives_through_lock_restart_and_a_new_keyring(desk, keyring):
    desk.start()
    done = init(desk, "--store", "keyring", "--with-passphrase", given=PASSPHRASE + "\n")
    assert json.loads(done.stdout) == {
        "schema": 1, "kind": "init", "store": "keyring", "path": None, "level": 2}
    assert code(log_in(desk)) == "ok"
    assert token_of(desk, CRATES_IO) == TOKEN
    assert keyring.parts() == ["record", "root"]
    restart(desk)
    assert (desk.status()["store"], desk.status()["state"], desk.status()["level"]) == (
        "keyring", "locked", 2)
    keyring.restart()
    assert unlock(desk).returncode == 0
    assert token_of(desk, CRATES_IO) == TOKEN
    log_out(desk, CRATES_IO)
    assert keyring.parts() == ["root"]
    assert not desk.vault.exists()
    assert init(desk, "--store", "vault").returncode == 1


def test_other_programs_read_nothing_useful_in_the_keyring(sealed, keyring):
    words = [word.encode() for word in (TOKEN, PASSPHRASE, CRATES_IO, "crates.io", "default")]
    with keyring.items() as items:
        assert len(items) == 2
        for item in items:
            shown = json.dumps([item.label, item.attributes]).encode()
            for word in words:
                assert word not in shown + item.secret() + item.raw(), item.attributes
    found = keyring.run("secret-tool", "search", "--all", "xdg:schema", OURS)
    assert found.stdout.count("secret = ") == 2
    for word in words:
        assert word.decode() not in found.stdout + found.stderr
    for path in [*sealed.home.rglob("*"), *sealed.directory.glob("*.log")]:
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path


def test_a_locked_store_says_locked_and_no_worker_stays(sealed, keyring):
    sealed.succeed("lock")
    assert code(sealed.ask(publish(CRATES_IO))) == "locked"
    assert code(sealed.ask(get(OTHERS))) == "not-found"
    with lent_pty() as terminal, sealed.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.answers(UNLOCK, PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
    sealed.wait(lambda: not procfs.children(sealed.agent.pid), "the workers to be gone")


def test_cargo_publishes_with_the_token_in_the_keyring(desk, keyring, registry):
    desk.start()
    assert init(desk, "--store", "keyring", "--with-passphrase",
                given=PASSPHRASE + "\n").returncode == 0
    desk.login(registry)
    desk.set_up_cargo(registry)
    desk.succeed("lock")
    folder = write_crate(desk.home / "demo", "demo")
    words = ("cargo", "publish", "--registry", "local", "--allow-dirty")
    terminal = desk.terminal(*words, cwd=folder)
    terminal.answers(UNLOCK, PASSPHRASE)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert ("demo", "0.1.0") in registry.crates and TOKEN not in terminal.seen
    # Locked keyring, fresh agent: cargo is told so, and that it is no missing token.
    keyring.lock()
    restart(desk)
    done = desk.cargo(*words[1:], cwd=folder)
    assert done.returncode != 0
    assert "the keyring is locked" in done.stderr, done.stderr
    assert "no token found" not in done.stderr


# Which one.

def test_init_takes_the_keyring_where_one_answers(desk, keyring):
    desk.start()
    assert json.loads(init(desk, "--with-passphrase", given=PASSPHRASE + "\n").stdout)[
        "store"] == "keyring"


@pytest.mark.parametrize("bus", ["no bus", "nobody on the bus", "no such bus"])
def test_init_takes_the_vault_where_no_keyring_can_be_reached(desk, bus):
    running = Bus(desk).start() if bus == "nobody on the bus" else None
    try:
        desk.start(**({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
                      if bus == "no such bus" else {}))
        assert error(init(desk, "--store", "keyring", "--with-passphrase",
                          given=PASSPHRASE + "\n")) == "keyring-unreachable"
        assert error(init(desk, "--no-passphrase")) == "keyring-unreachable"
        assert desk.status()["state"] == "absent"
        done = init(desk, "--store", "auto", "--with-passphrase", given=PASSPHRASE + "\n")
        assert json.loads(done.stdout)["store"] == "vault"
        # Chosen once: a keyring that comes later changes nothing.
        assert error(init(desk, "--store", "keyring")) == "store-exists"
    finally:
        desk.stop()
        if running:
            running.stop()


@pytest.mark.parametrize("trouble,expected", [
    ("locked", "keyring-locked"), ("frozen", "keyring-timeout")])
def test_init_never_takes_the_vault_because_a_keyring_is_busy(desk, keyring, trouble, expected):
    desk.start()
    if trouble == "locked":
        keyring.lock()
    with keyring.frozen() if trouble == "frozen" else contextlib.nullcontext():
        done = init(desk, "--with-passphrase", given=PASSPHRASE + "\n")
        assert error(done) == expected
    assert desk.status()["state"] == "absent" and not desk.vault.exists()


def test_init_takes_up_a_store_that_is_there_already(sealed, keyring):
    sealed.stop()
    shutil.rmtree(sealed.state)
    sealed.start()
    assert sealed.status()["state"] == "absent"
    done = init(sealed, "--with-passphrase", given="another\n")
    assert error(done) == "store-exists"
    assert unlock(sealed).returncode == 0
    assert token_of(sealed, CRATES_IO) == TOKEN


def test_the_agent_that_a_client_starts_finds_the_session_s_bus(desk, tmp_path):
    bus = Keyring(desk)
    bus.path = tmp_path / "elsewhere"
    bus.address = f"unix:path={bus.path}"
    bus.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address
    bus.start()
    try:
        done = desk.run("--json", "init", "--no-passphrase",
                        DBUS_SESSION_BUS_ADDRESS=bus.address)
        assert json.loads(done.stdout)["store"] == "keyring"
    finally:
        desk.stop()
        bus.stop()


# Level 1.

def test_a_store_without_a_passphrase_says_that_it_is_of_level_one(desk, keyring):
    desk.start()
    made = desk.succeed("init", "--store", "keyring", "--no-passphrase")
    assert READABLE in made
    assert code(log_in(desk)) == "ok"
    assert desk.status()["level"] == 1
    for verb in ("status", "list"):
        assert READABLE in desk.succeed(verb), verb
    assert keyring.parts() == ["key", "record", "root"]
    assert "opens by itself" in desk.succeed("lock")


def test_a_store_without_a_passphrase_opens_by_itself_and_asks_yes_or_no(readable):
    restart(readable)
    assert readable.status()["state"] == "locked"  # Looking opens nothing.
    assert code(readable.ask(get(OTHERS))) == "not-found"
    assert readable.status()["state"] == "locked"
    assert code(readable.ask(publish(CRATES_IO))) == "needs-terminal"
    with lent_pty() as terminal, readable.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.answers("Approve? [y/N] ", "n")
        assert code(json.loads(line.receive())) == "denied"
        line.send(publish(CRATES_IO))
        terminal.answers("Approve? [y/N] ", "y")
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN


def test_many_at_once_open_a_store_without_a_passphrase(readable):
    readable.succeed("lock")
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(readable.line()) for _ in range(20)]
        for line in lines:
            line.send({"v": 1, "kind": "list"})
        assert [code(json.loads(line.receive())) for line in lines] == ["ok"] * 20


def test_a_lock_while_the_key_is_on_its_way_holds(readable, keyring):
    readable.succeed("lock")
    readable.wait(lambda: not procfs.children(readable.agent.pid), "what came before to be over")
    with keyring.frozen(), readable.line() as line:
        line.send({"v": 1, "kind": "list"})
        readable.wait(lambda: "worker-keyring" in procfs.children(readable.agent.pid).values(),
                      "the key to be asked for")
        readable.succeed("lock")
        assert code(json.loads(line.receive())) == "locked"
    readable.wait(lambda: not procfs.children(readable.agent.pid), "the key to arrive")
    assert readable.status()["state"] == "locked"


def test_a_passphrase_set_later_seals_it_and_the_key_is_gone(readable, keyring):
    terminal = readable.terminal("passwd")
    terminal.answers("Choose one? [y/N] ", "y")
    terminal.answers("New passphrase (^C cancels): ", PASSPHRASE)
    terminal.answers("The same again: ", PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert keyring.parts() == ["record", "root"]
    assert readable.status()["level"] == 2
    readable.succeed("lock")
    assert code(readable.ask({"v": 1, "kind": "list"})) == "locked"
    assert unlock(readable).returncode == 0
    assert token_of(readable, CRATES_IO) == TOKEN


def test_a_store_whose_key_is_gone_is_damaged(readable, keyring):
    with keyring.items(part="key") as [key]:
        key.delete()
    readable.succeed("lock")
    assert code(readable.ask({"v": 1, "kind": "list"})) == "store-damaged"


@NEEDS_ROOT
@pytest.mark.release
def test_a_locked_store_of_level_one_leaves_no_secret_in_the_agent(readable):
    from scan import memory_traces
    with lent_pty() as terminal, readable.line() as line:
        line.send(get(CRATES_IO, "owners", name="demo"), [terminal.lent])
        terminal.answers("Approve? [y/N] ", "y")
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
    readable.succeed("lock")
    readable.wait(lambda: not memory_traces(readable.agent.pid, TOKEN), "the token to be gone")


# What can be wrong with it.

@contextlib.contextmanager
def in_trouble(desk, keyring, trouble: str):
    """The keyring in that state; the agent has looked at nothing yet."""
    desk.stop()
    with contextlib.ExitStack() as stack:
        if trouble == "keyring-locked":
            keyring.lock()
        elif trouble == "keyring-timeout":
            stack.enter_context(keyring.frozen())
        elif trouble == "keyring-unreachable":
            keyring.end()
        elif trouble == "store-gone":
            with keyring.items() as items:
                for item in items:
                    item.delete()
        desk.start()
        yield


TROUBLES = ["keyring-locked", "keyring-timeout", "keyring-unreachable", "store-gone"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_keyring_in_trouble_is_told_apart_in_time_and_never_not_found(sealed, keyring, trouble):
    with in_trouble(sealed, keyring, trouble):
        requests = [get(CRATES_IO), publish(CRATES_IO), {"v": 1, "kind": "list"},
                    {"v": 1, "kind": "unlock"}]
        # Each waits for the keyring's time.
        for request in requests[:2] if trouble == "keyring-timeout" else requests:
            start = time.monotonic()
            assert code(sealed.ask(request)) == trouble, request
            assert time.monotonic() - start < IN_TIME
        if trouble != "store-gone":  # Of that nobody knows whose a URL was.
            assert code(sealed.ask(get(OTHERS))) == "not-found"
            status = sealed.status()
            assert (status["state"], status["level"]) == (trouble, None)
            assert "not known" in sealed.succeed("status")


def test_cargo_gets_a_frozen_keyring_s_refusal_from_the_provider(sealed, keyring):
    with in_trouble(sealed, keyring, "keyring-timeout"):
        with provider(sealed) as cargo:
            start = time.monotonic()
            answer = cargo.ask(get(CRATES_IO))
            assert time.monotonic() - start < IN_TIME
    assert answer["Err"]["kind"] == "other" and answer["Err"]["code"] == "keyring-timeout"


def test_a_frozen_keyring_holds_up_nobody_who_does_not_need_it(sealed, keyring):
    sealed.wait(lambda: not procfs.children(sealed.agent.pid), "what came before to be over")
    with keyring.frozen(), sealed.line() as saving:
        saving.send({"v": 1, "kind": "login", "registry": {"index-url": CRATES_IO},
                     "token": OTHER_TOKEN, "account": "b", "url-source": "given",
                     "no-check": True})
        sealed.wait(lambda: "worker-keyring" in procfs.children(sealed.agent.pid).values(),
                    "the save to be under way")
        start = time.monotonic()
        assert token_of(sealed, CRATES_IO) == TOKEN  # Its records are in memory.
        assert sealed.status()["state"] == "unlocked"
        assert time.monotonic() - start < 3
        assert code(json.loads(saving.receive())) == "keyring-timeout"
    # Whether that one was stored is looked for, not guessed.
    assert unlock(sealed).returncode == 0
    assert token_of(sealed, CRATES_IO) == TOKEN


def test_a_save_into_a_locked_keyring_changes_nothing_and_says_so(sealed, keyring):
    keyring.lock()
    assert code(log_in(sealed, "b", OTHER_TOKEN)) == "keyring-locked"
    assert token_of(sealed, CRATES_IO) == TOKEN
    keyring.unlock()
    assert code(log_in(sealed, "b", OTHER_TOKEN)) == "ok"
    assert token_of(sealed, CRATES_IO, "b") == OTHER_TOKEN


@pytest.mark.parametrize("who", ["terminal", "display"])
def test_a_locked_keyring_asks_only_where_somebody_is_there(desk, keyring, who):
    """No prompter is on this bus, so that asking ends at once like a dismissed question."""
    desk.start(**({"DISPLAY": ":9"} if who == "display" else {}))
    take_into_keyring(desk)
    keyring.lock()
    desk.stop()
    desk.start(**({"DISPLAY": ":9"} if who == "display" else {}))
    with lent_pty() as terminal, desk.line() as line:
        line.send({"v": 1, "kind": "unlock"}, [terminal.lent] if who == "terminal" else [])
        assert code(json.loads(line.receive())) == "keyring-denied"
    # Nobody is asked because of a URL that is not ours, nor because somebody looks.
    assert code(desk.ask(get(OTHERS))) == "not-found"
    assert desk.status()["state"] in ("keyring-locked", "keyring-denied")


# What other programs do to it.

def edit(items):
    record = next(item for item in items if item.attributes["part"] == "record")
    secret = bytearray(record.secret())
    secret[40] = ord("A") if secret[40] != ord("A") else ord("B")
    record.set_secret(bytes(secret))


def edit_root(items):
    root = next(item for item in items if item.attributes["part"] == "root")
    root.set_secret(root.secret()[:-8] + b"AAAAAA==")


def no_text(items):
    next(item for item in items if item.attributes["part"] == "root").set_secret(b"\xff\0!")


def empty(items):
    next(item for item in items if item.attributes["part"] == "record").set_secret(b"")


def remove(items):
    next(item for item in items if item.attributes["part"] == "record").delete()


@pytest.mark.parametrize("harm", [edit, edit_root, no_text, empty, remove])
def test_an_item_that_another_program_changed_is_seen(sealed, keyring, harm):
    sealed.stop()
    with keyring.items() as items:
        harm(items)
    sealed.start()
    assert error(unlock(sealed)) == "store-damaged"
    assert code(sealed.ask(publish(CRATES_IO))) == "store-damaged"
    assert error(init(sealed, "--store", "keyring", "--no-passphrase")) == "store-damaged"


def test_a_second_root_makes_the_store_damaged(sealed, keyring):
    sealed.stop()
    with keyring.items(part="root") as [root]:
        keyring.add(OURS, {"part": "root"}, "another", root.secret())
    sealed.start()
    assert error(unlock(sealed)) == "store-damaged"


def test_a_store_that_was_put_back_whole_is_older(sealed, keyring):
    with keyring.items() as items:
        old = [(item.attributes, item.label, item.secret()) for item in items]
    assert code(log_in(sealed, "b", OTHER_TOKEN)) == "ok"
    sealed.stop()
    with keyring.items() as items:
        for item in items:
            item.delete()
    for attributes, label, secret in old:
        attributes.pop("xdg:schema")
        keyring.add(OURS, attributes, label, secret)
    sealed.start()
    assert error(unlock(sealed)) == "store-older"


def test_a_record_swapped_for_an_older_one_is_seen(sealed, keyring):
    with keyring.items(part="record") as items:
        old = {item.attributes["id"]: item.secret() for item in items}
    # The token of the one account changes, its record's id does not.
    with lent_pty() as terminal, sealed.line() as line:
        line.send({"v": 1, "kind": "login", "registry": {"index-url": CRATES_IO},
                   "token": OTHER_TOKEN, "url-source": "given", "no-check": True,
                   "replace": True}, [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        assert code(json.loads(line.receive())) == "ok"
    sealed.stop()
    with keyring.items(part="record") as items:
        for item in items:
            item.set_secret(old[item.attributes["id"]])
    sealed.start()
    assert error(unlock(sealed)) == "store-damaged"


def test_what_another_agent_stored_meanwhile_is_not_undone(readable, keyring, tmp_path):
    other = Desk(tmp_path / "other")
    shutil.copytree(readable.state, other.state, dirs_exist_ok=True)
    try:
        other.start(DBUS_SESSION_BUS_ADDRESS=keyring.address)
        assert code(log_in(other, "b", OTHER_TOKEN)) == "ok"
        assert code(log_in(readable, "c")) == "store-changed"
        accounts = {account["account"] for account in
                    readable.ask({"v": 1, "kind": "list"})["Ok"]["accounts"]}
        assert accounts == {"default", "b"}
        assert code(log_in(readable, "c")) == "ok"
        assert code(log_in(other, "d")) == "store-changed"
    finally:
        other.stop()


def test_two_agents_that_store_at_once_lose_nothing(readable, keyring, tmp_path):
    other = Desk(tmp_path / "other")
    shutil.copytree(readable.state, other.state, dirs_exist_ok=True)
    stored = {"default"}
    try:
        other.start(DBUS_SESSION_BUS_ADDRESS=keyring.address)
        for i in range(8):
            with readable.line() as one, other.line() as two:
                for line, name in ((one, f"one-{i}"), (two, f"two-{i}")):
                    line.send({"v": 1, "kind": "login", "registry": {"index-url": CRATES_IO},
                               "token": TOKEN, "account": name, "url-source": "given",
                               "no-check": True})
                for line, name in ((one, f"one-{i}"), (two, f"two-{i}")):
                    answer = code(json.loads(line.receive()))
                    assert answer in ("ok", "store-changed")
                    stored |= {name} if answer == "ok" else set()
        restart(readable)
        accounts = {account["account"] for account in
                    readable.ask({"v": 1, "kind": "list"})["Ok"]["accounts"]}
        assert stored <= accounts and len(stored) > 8
    finally:
        other.stop()
