"""Where there is no desktop: a container, over ssh, under su, in WSL. The vault does, and words help."""

import json
import os
import pwd
import subprocess

import pytest

from desk import PASSPHRASE, TOKEN, code, publish
from keyring import Bus
from ordinary import Stage, UserDesk, as_user
from play import APPROVE, CRATES_IO, lent_pty

pytestmark = [
    pytest.mark.release,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else"),
]

NOBODY_S_UID = 2000  # no account has it, as in a container


@pytest.fixture(scope="module")
def stage():
    stage = Stage()
    yield stage
    stage.remove()


@pytest.fixture
def somewhere(stage):
    """A desk of a user, which starts its own agents as clients do."""
    desk = UserDesk(stage, stage.copy_build(), NOBODY_S_UID)
    yield desk
    as_user(NOBODY_S_UID, "import os, signal, sys; os.kill(int(sys.argv[1]), signal.SIGTERM)",
            json.loads(desk.succeed("--json", "status"))["pid"])
    desk.stop()


def container(desk):
    del desk.environment["XDG_RUNTIME_DIR"]
    desk.socket = desk.state / f"run-{os.uname().nodename}/agent.sock"


def ssh(desk):
    """A runtime directory, a display that ssh forwards, and nobody's bus."""
    desk.environment["DISPLAY"] = "localhost:10.0"


def wsl(desk):
    """Everybody may write in the runtime directory there."""
    desk.runtime.chmod(0o777)
    desk.environment |= {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}


@pytest.mark.parametrize("place", [container, ssh, wsl])
def test_the_vault_works_where_there_is_no_keyring(somewhere, place):
    desk = somewhere
    place(desk)
    asked = desk.run("--json", "init", "--store", "keyring", "--with-passphrase",
                     given=PASSPHRASE + "\n")
    assert (asked.returncode, json.loads(asked.stdout)["error"]["code"]) == (
        1, "keyring-unreachable")
    assert "init --store vault" in asked.stderr
    made = desk.run("--json", "init", "--with-passphrase", given=PASSPHRASE + "\n")
    assert json.loads(made.stdout)["store"] == "vault", made.stderr
    desk.succeed("login", "--index", CRATES_IO, "--with-token", "--no-check", given=TOKEN + "\n")
    with lent_pty() as terminal, desk.line() as line:
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
        desk.succeed("lock")
        assert code(desk.ask(publish(CRATES_IO))) == "locked"


def test_su_keeps_another_users_environment_and_is_told_what_to_do(stage):
    """`su` without `-` leaves the runtime directory and the bus of whoever typed it."""
    desk = UserDesk(stage, stage.copy_build(), NOBODY_S_UID)
    other = UserDesk(stage, stage.copy_build(), pwd.getpwnam("games").pw_uid)
    bus = Bus(other).start()
    try:
        inherited = {"XDG_RUNTIME_DIR": str(other.runtime),
                     "DBUS_SESSION_BUS_ADDRESS": bus.address}
        done = desk.run("--json", "init", **inherited)
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (3, "socket-unsafe")
        assert "changed users" in done.stderr
        # With the directory put right, the bus that is left turns us away: no keyring, so the vault.
        inherited["XDG_RUNTIME_DIR"] = str(desk.runtime)
        done = desk.run("--json", "init", "--store", "keyring", "--with-passphrase",
                        given=PASSPHRASE + "\n", **inherited)
        assert json.loads(done.stdout)["error"]["code"] == "keyring-unreachable"
        done = desk.run("--json", "init", "--with-passphrase", given=PASSPHRASE + "\n",
                        **inherited)
        assert json.loads(done.stdout)["store"] == "vault"
        subprocess.run(["kill", str(json.loads(desk.succeed("--json", "status"))["pid"])])
    finally:
        bus.stop()
        desk.stop()
