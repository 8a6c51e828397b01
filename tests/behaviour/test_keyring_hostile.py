"""What other programs of the user, and bad luck, could make of the keyring and what opens without a person."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import dbus
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

import procfs  # noqa: E402
from desk import PASSPHRASE, TOKEN, Desk, Line, build_directory, code, get, publish  # noqa: E402
from keyring import DEFAULT, OURS, SECRETS, dbus_secret, needs_gnome_keyring  # noqa: E402
from play import APPROVE, CRATES_IO, OTHER_TOKEN, UNLOCK, lent_pty  # noqa: E402
from tree import Tree  # noqa: E402

pytestmark = [
    needs_gnome_keyring,
    pytest.mark.release,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a hardened agent"),
]

OTHERS = "https://github.com/somebody/elses-index"
LIST = {"v": 1, "kind": "list"}
ANOTHER = "another-passphrase"


def login(account: str = "default", token: str = TOKEN, index: str = CRATES_IO) -> dict:
    return {"v": 1, "kind": "login", "registry": {"index-url": index}, "token": token,
            "account": account, "url-source": "given", "no-check": True}


def log_in(desk, *words: str, **more: str) -> str:
    return code(desk.ask(login(*words, **more)))


def accounts(desk) -> set[str]:
    return {account["account"] for account in desk.ask(LIST)["Ok"]["accounts"]}


@pytest.fixture
def readable(desk, keyring):
    desk.start()
    assert desk.run("--json", "init", "--store", "keyring", "--no-passphrase").returncode == 0
    assert log_in(desk) == "ok"
    return desk


@contextlib.contextmanager
def another_agent(desk):
    """Of the same user, with the same files, at another socket."""
    folder = desk.runtime / "other"
    folder.mkdir(mode=0o700)
    process = subprocess.Popen([desk.daemon, f"--socket={folder}/s"], env=desk.environment,
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        desk.wait(lambda: (folder / "s").exists(), "another agent")
        yield folder / "s"
    finally:
        process.terminate()
        process.wait(30)


def storing(desk):
    return "worker-keyring" in procfs.children(desk.agent.pid).values()


def change_passphrase(terminal, prompt: str) -> None:
    terminal.answers(prompt, PASSPHRASE)
    terminal.answers("New passphrase (^C cancels): ", ANOTHER)
    terminal.answers("The same again: ", ANOTHER)
    assert terminal.ends() == 0, terminal.seen


def release_asks_for(desk, prompt: str) -> None:
    with lent_pty() as terminal, desk.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.sees(prompt)


# Level 2 stays level 2.

@pytest.fixture
def credential(desk):
    """A vault that opens quickly, and its passphrase as systemd hands it over."""
    subprocess.run([build_directory() / "tests/make-vault", "0"], env=desk.environment,
                   input=PASSPHRASE + "\n", text=True, check=True)
    folder = desk.directory / "credentials"
    folder.mkdir()
    (folder / "cpub-passphrase").write_text(PASSPHRASE + "\n")
    desk.start(CREDENTIALS_DIRECTORY=str(folder))
    assert log_in(desk) == "ok"
    assert desk.status()["level"] == 1
    return desk


def test_a_new_passphrase_ends_what_a_credential_was_good_for(credential):
    change_passphrase(credential.terminal("passwd"), APPROVE)
    assert credential.status()["level"] == 2
    release_asks_for(credential, APPROVE)


def test_a_new_passphrase_by_another_agent_ends_it_as_well(credential):
    with another_agent(credential) as other:
        change_passphrase(credential.terminal("--socket", str(other), "passwd"), UNLOCK)
    assert log_in(credential, "b") == "store-changed"
    assert credential.run("unlock", "--with-passphrase", given=ANOTHER + "\n").returncode == 0
    assert credential.status()["level"] == 2
    release_asks_for(credential, APPROVE)


def test_a_store_that_another_program_put_there_is_not_opened_by_itself(desk, keyring, tmp_path):
    desk.start()
    desk.init()
    assert log_in(desk) == "ok"
    terminal = desk.terminal("move", "--to", "keyring")
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    desk.stop()
    with keyring.items() as items:
        for item in items:
            item.delete()
    stranger = Desk(tmp_path / "stranger")
    stranger.environment["DBUS_SESSION_BUS_ADDRESS"] = keyring.address
    try:
        stranger.start()
        assert stranger.run("init", "--store", "keyring", "--no-passphrase").returncode == 0
        for i in range(4):  # It is newer than what was there.
            assert log_in(stranger, f"a{i}", index=OTHERS) == "ok"
    finally:
        stranger.stop()
    desk.start()
    assert log_in(desk, token=OTHER_TOKEN) == "store-damaged"
    assert desk.status()["state"] == "damaged"
    # And before anything is recorded here, none is taken up that was not asked for.
    shutil.rmtree(desk.state)
    done = desk.run("--json", "init", "--with-passphrase", given=PASSPHRASE + "\n")
    assert json.loads(done.stdout)["error"]["code"] == "store-exists"
    assert log_in(desk, token=OTHER_TOKEN) == "no-store"


# Nothing is forgotten or hidden.

def test_what_another_agent_stored_is_there_when_it_opens_by_itself(readable):
    readable.succeed("lock")
    with another_agent(readable) as other, Line(other) as line:
        assert code(line.ask(login("b"))) == "ok"
    assert accounts(readable) == {"default", "b"}


def test_no_store_is_made_in_a_keyring_that_nothing_would_lead_to(desk, keyring):
    desk.state.mkdir(parents=True, mode=0o700)
    (desk.state / "store.new").mkdir()  # Writing `store` fails.
    desk.start()
    assert desk.run("init", "--store", "keyring", "--no-passphrase").returncode == 1
    assert keyring.parts() == []
    (desk.state / "store.new").rmdir()
    assert desk.run("init", "--store", "keyring", "--no-passphrase").returncode == 0


def test_a_registry_that_could_not_be_noted_is_not_called_a_strangers(readable, keyring):
    (readable.state / "known.new").mkdir()  # Writing `known` fails.
    assert log_in(readable, index=OTHERS) == "ok"
    readable.stop()
    keyring.lock()
    readable.start()
    assert code(readable.ask(get(OTHERS))) == "keyring-locked"


def test_a_registry_of_a_login_that_was_cut_short_is_noted_before(readable, keyring):
    readable.wait(lambda: not procfs.children(readable.agent.pid), "the login to be over")
    with readable.line() as line:
        line.send(login(index=OTHERS))
        readable.wait(lambda: storing(readable), "the save to be under way")
        readable.agent.kill()
        readable.agent.wait(30)
        readable.agent = None
    keyring.lock()
    readable.start()
    assert code(readable.ask(get(OTHERS))) == "keyring-locked"


def test_a_strangers_registry_is_not_found_also_when_the_worker_fails(readable, tmp_path):
    readable.stop()
    tree = Tree(readable.build, tmp_path / "tree")
    tree.put("worker-keyring", "/bin/false")
    readable.daemon = tree.libexec / "cpub-agentd"
    readable.start()
    assert code(readable.ask(get(OTHERS))) == "not-found"
    assert code(readable.ask(get(CRATES_IO))) == "store-failed"


def test_a_save_that_cannot_be_read_back_is_told_as_unknown(readable, tmp_path):
    readable.stop()
    tree = Tree(readable.build, tmp_path / "tree")
    readable.daemon = tree.libexec / "cpub-agentd"
    readable.start()
    assert accounts(readable) == {"default"}
    readable.wait(lambda: not procfs.children(readable.agent.pid), "that look to be over")
    with readable.line() as line:
        line.send(login("b"))
        readable.wait(lambda: storing(readable), "the save to be under way")
        tree.put("worker-keyring", "/bin/false")
        answer = json.loads(line.receive())
    assert code(answer) == "store-unsure" and "not known" in answer["Err"]["message"]
    tree.heal("worker-keyring")
    assert accounts(readable) == {"default", "b"}


def test_items_that_come_and_go_do_not_fail_a_look(readable, keyring):
    stop = threading.Event()

    def churn():
        with keyring.connected() as bus:
            service = dbus.Interface(bus.get_object(SECRETS, "/org/freedesktop/secrets"),
                                     "org.freedesktop.Secret.Service")
            _, session = service.OpenSession("plain", dbus.String("", variant_level=1))
            collection = dbus.Interface(bus.get_object(SECRETS, DEFAULT),
                                        "org.freedesktop.Secret.Collection")
            attributes = {"xdg:schema": OURS, "part": "record", "id": "0" * 32, "hash": "1" * 64}
            while not stop.wait(0.02):
                path, _ = collection.CreateItem(
                    {"org.freedesktop.Secret.Item.Label": dbus.String("x"),
                     "org.freedesktop.Secret.Item.Attributes":
                         dbus.Dictionary(attributes, signature="ss")},
                    dbus_secret(session, b"AAAA"), False)
                stop.wait(0.004)
                with contextlib.suppress(dbus.DBusException):  # A look has removed it already.
                    dbus.Interface(bus.get_object(SECRETS, path),
                                   "org.freedesktop.Secret.Item").Delete()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(15):
            readable.succeed("lock")
            assert accounts(readable) == {"default"}
    finally:
        stop.set()
        thread.join()


def test_an_item_of_the_same_name_beside_ours_is_looked_through(readable, keyring):
    readable.stop()
    with keyring.items(part="record") as [record]:
        attributes = {name: value for name, value in record.attributes.items()
                      if name != "xdg:schema"}
        secret = record.secret()
        record.set_secret(b"AAAA")
    keyring.add(OURS, attributes, "ours", secret)
    readable.start()
    assert accounts(readable) == {"default"}


def test_parts_that_a_move_left_in_the_keyring_are_removed(desk, keyring):
    desk.start()
    desk.init()
    desk.stop()
    keyring.add(OURS, {"part": "record", "id": "0" * 32, "hash": "1" * 64}, "left", b"AAAA")
    store = desk.state / "store"
    store.write_text(store.read_text() + "leftover keyring\n")
    desk.start()
    desk.unlock()
    desk.wait(lambda: "leftover" not in store.read_text(), "what was left to be removed")
    assert keyring.parts() == []


def test_an_init_that_ends_does_not_take_anothers_place(desk, keyring):
    desk.start()
    request = {"v": 1, "kind": "init", "store": "keyring"}
    with lent_pty() as one, lent_pty() as two, desk.line() as first, desk.line() as second:
        first.send(request, [one.lent])
        one.sees("New passphrase (^C cancels): ")
        second.send(request, [two.lent])
        two.sees("New passphrase (^C cancels): ")
        first.close()
        desk.wait(lambda: len(procfs.children(desk.agent.pid)) == 1, "the first to be gone")
        two.types(PASSPHRASE)
        two.answers("The same again: ", PASSPHRASE)
        assert code(json.loads(second.receive())) == "ok"
    assert keyring.parts() == ["root"]


def test_a_log_that_nobody_reads_holds_nobody_up(desk):
    subprocess.run([build_directory() / "tests/make-vault", "0"], env=desk.environment,
                   input=PASSPHRASE + "\n", text=True, check=True)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x")
    os.set_blocking(writer, True)
    ready, theirs = os.pipe()
    agent = subprocess.Popen([desk.daemon, f"--ready-fd={theirs}"], env=desk.environment,
                             stdin=subprocess.DEVNULL, stderr=writer, pass_fds=[theirs])
    try:
        os.close(theirs)
        assert os.read(ready, 1) == b"R"
        secret, end = os.pipe()
        os.write(end, b"wrong\n")
        os.close(end)
        with Line(desk.socket) as line:
            answer = line.ask({"v": 1, "kind": "unlock", "secret-in-pipe": True}, [secret])
        os.close(secret)
        assert code(answer) == "wrong-passphrase"
        with socket.socket(socket.AF_UNIX) as another:
            another.settimeout(5)
            another.connect(str(desk.socket))
            assert another.recv(100) == b'{"v":[1]}\n'
    finally:
        agent.kill()
        agent.wait(30)
        for fd in (reader, writer, ready):
            os.close(fd)
