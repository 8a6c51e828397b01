"""The agent as a service of a real `systemd --user`: activated, watched, ended, taken over."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from crate import write_crate
from desk import PASSPHRASE, PATIENCE, TOKEN, code, publish
from keyring import needs_gnome_keyring
from manager import SERVICE, SOCKET, ManagedDesk
from ordinary import Stage
from play import APPROVE, CRATES_IO, UNLOCK, lent_pty, needs_mount
from procfs import children
from registry import Registry
from test_cargo import BUILD_SCRIPT
from test_readme import blocks

pytestmark = [
    pytest.mark.release,  # The sandboxes of the workers are in it.
    needs_mount,  # As root, for the session of a user.
    pytest.mark.skipif(not Path("/lib/systemd/systemd").exists(), reason="no systemd is installed"),
]

UNITS = "/usr/local/lib/systemd/user"
# Ten times what `systemd-analyze security` says, which takes a user's unit for one of root's.
EXPOSURE_MAX = 67
# Of systemd's variables, those that are about this service.
OF_SYSTEMD = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC",
              "WATCHDOG_PID", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "INVOCATION_ID"}


@pytest.fixture(scope="module")
def session():
    stage = Stage()
    try:
        managed = ManagedDesk(stage)
        yield managed
        managed.end()
    finally:
        stage.remove()


@pytest.fixture
def managed(session):
    return session.start_over()


@pytest.fixture
def enabled(managed):
    """The socket listens, as the README says; there is an empty vault, locked."""
    managed.make_vault()
    managed.must("enable", "--now", SOCKET)
    return managed


@pytest.fixture
def user_registry(session, certificate, tmp_path):
    with Registry(tmp_path / "registry", tls=certificate, tokens={TOKEN}) as registry:
        ca = session.home / "ca.pem"
        ca.write_bytes(Path(registry.ca).read_bytes())
        registry.user_ca = str(ca)
        yield registry


def log_in(desk, registry) -> None:
    desk.succeed("login", "--index", registry.index, "--with-token", given=TOKEN + "\n",
                 CARGO_HTTP_CAINFO=registry.user_ca)
    desk.set_up_cargo(registry)
    config = desk.cargo_home / "config.toml"
    config.write_text(config.read_text().replace(registry.ca, registry.user_ca))


def publishing(desk, name: str = "demo"):
    folder = desk.give(write_crate(desk.home / name, name, build=BUILD_SCRIPT))
    return desk.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)


def main_pid(desk) -> int:
    return int(desk.shows("MainPID"))


def environment_of(desk, pid) -> set[str]:
    return {entry.split("=")[0] for entry in
            (desk.proc(pid) / "environ").read_text().split("\0") if entry}


# The units themselves.

def test_units_are_without_fault(session):
    done = session.inside(
        f"systemd-analyze verify --user --recursive-errors=yes {UNITS}/{SERVICE} {UNITS}/{SOCKET}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_exposure_of_the_service_is_no_worse_than_it_was(session):
    done = session.inside(f"systemd-analyze security --user --offline=true --no-pager "
                          f"--threshold={EXPOSURE_MAX} {UNITS}/{SERVICE}")
    print(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr


# What it tries, and what it finds set; each prints a word.
PROBE = r"""
import ctypes, errno, json, mmap, os, resource, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
said = {}
def call(name, *arguments):
    ctypes.set_errno(0)
    r = libc.syscall(*[ctypes.c_long(a) for a in arguments])
    said[name] = "done" if r >= 0 else errno.errorcode[ctypes.get_errno()]
    return r
def attempt(name, function):
    try:
        function()
        said[name] = "done"
    except OSError as error:
        said[name] = errno.errorcode[error.errno]
status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
said["NoNewPrivileges"] = status["NoNewPrivs"].strip()
said["UMask"] = oct(os.umask(0))
said["LimitCORE"] = resource.getrlimit(resource.RLIMIT_CORE)[0]
soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
said["LimitMEMLOCK"] = "all" if soft == hard else "less"
path = sys.argv[1] + "/probe"
open(path, "w").close()
attempt("RestrictSUIDSGID", lambda: os.chmod(path, 0o4700))
attempt("RestrictAddressFamilies", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
attempt("MemoryDenyWriteExecute", lambda: mmap.mmap(-1, 4096, prot=7))
call("SystemCallFilter", 250, 3, 0, 0, 0)  # keyctl
call("LockPersonality", 135, 0x0008)
call("RestrictNamespaces", 272, 0x10000000)  # unshare, CLONE_NEWUSER: last, it changes who we are
print(json.dumps(said))
"""
HELD = {"NoNewPrivileges": "1", "UMask": "0o77", "LimitCORE": 0, "LimitMEMLOCK": "all",
        "RestrictSUIDSGID": "EPERM", "RestrictAddressFamilies": "EAFNOSUPPORT",
        "MemoryDenyWriteExecute": "EPERM", "SystemCallFilter": "EPERM", "LockPersonality": "EPERM",
        "RestrictNamespaces": "EPERM"}
# Of these the outcome is the same here without them: no real-time priority is a user's, and
# another machine's calls cannot be made from Python.
UNSEEN = {"RestrictRealtime", "SystemCallArchitectures", "SystemCallErrorNumber"}


def test_each_setting_of_the_sandbox_holds_and_no_other_is_listed(managed):
    unit = (managed.installed / "lib/systemd/user" / SERVICE).read_text()
    listed = set(re.findall(r"^(\w+)=", unit.split("# What follows holds")[1].split("[Install]")[0],
                            flags=re.M))
    assert listed == set(HELD) | UNSEEN
    script = managed.home / "probe.py"
    script.write_text(PROBE)
    run = f"Type=oneshot\nExecStart=\nExecStart=/usr/bin/python3 {script} %t\nStandardOutput=file:"
    # The control: without the settings each of them ends otherwise.
    control = managed.home / ".config/systemd/user/control.service"
    control.parent.mkdir(parents=True, exist_ok=True)
    control.write_text(f"[Service]\n{run}%t/control\n"
                       "LimitMEMLOCK=4K:8M\nLimitCORE=1M\nUMask=022\n")
    managed.configure(f"[Service]\n{run}%t/held\n")
    managed.must("start", SERVICE, "control.service")
    held, control = (json.loads((managed.runtime / name).read_text())
                     for name in ("held", "control"))
    assert held == HELD
    assert {name for name in HELD if control[name] == HELD[name]} == set(), control


# Being started.

def test_first_cargo_starts_the_agent_which_publishes_from_its_sandbox(managed, user_registry):
    desk = managed
    [enabling], _ = blocks("systemd")
    done = desk.inside(enabling)
    assert done.returncode == 0, done.stderr
    assert desk.socket.is_socket() and desk.socket.stat().st_mode & 0o777 == 0o600
    assert desk.socket.parent.stat().st_mode & 0o777 == 0o700
    assert not desk.is_active()
    desk.make_vault()
    desk.unlock()
    assert desk.is_active()
    log_in(desk, user_registry)
    desk.must("stop", SERVICE)
    assert not desk.is_active() and desk.is_active(SOCKET)

    terminal = publishing(desk)
    terminal.answers(UNLOCK, PASSPHRASE)
    terminal.sees(APPROVE)
    terminal.types(PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert ("demo", "0.1.0") in user_registry.crates and user_registry.violations == []
    assert desk.status()["pid"] == main_pid(desk)
    assert desk.shows("StatusText") == "Serving."


def test_sandbox_has_room_for_what_init_needs(managed):
    """Argon2id's memory, the files of the vault, locked pages."""
    managed.must("start", SOCKET)
    managed.init_slowly()
    assert managed.status()["pid"] == main_pid(managed)
    assert managed.status()["memory-locked"] is True


def test_program_that_asks_runs_in_the_sandbox(enabled):
    desk = enabled
    askpass = desk.home / "askpass"
    askpass.write_text(f"#!/bin/sh\necho {PASSPHRASE}\n")
    askpass.chmod(0o755)
    desk.configure(f"[Service]\nEnvironment=CPUB_ASKPASS={askpass}\n")
    assert "Unlocked" in desk.succeed("unlock")
    assert desk.status()["pid"] == main_pid(desk)


def test_no_worker_sees_a_variable_of_systemds(enabled):
    desk = enabled
    credential = desk.home / "passphrase"
    credential.write_text(PASSPHRASE + "\n")
    desk.configure(f"[Service]\nLoadCredential=cpub-passphrase:{credential}\n")
    desk.unlock()
    agent = main_pid(desk)
    with desk.line() as line, lent_pty() as terminal:
        line.send({"v": 1, "kind": "passwd"}, [terminal.lent])
        terminal.sees(APPROVE)
        [worker] = desk.children(agent)
        assert (desk.proc(worker) / "comm").read_text() == "worker-ask\n"
        assert environment_of(desk, agent) >= OF_SYSTEMD
        assert environment_of(desk, worker) & OF_SYSTEMD == set()
        assert "HOME" in environment_of(desk, worker)


def test_decisions_are_in_the_journal_and_no_secret_is(enabled, user_registry):
    desk = enabled
    began = time.time()
    desk.unlock()
    log_in(desk, user_registry)
    terminal = publishing(desk)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    desk.succeed("lock")
    assert desk.run("unlock", "--with-passphrase", given="wrong\n").returncode == 10

    entries = desk.journal(f"--since=@{began:.3f}")
    told = [entry for entry in entries if "CPUB_OP" in entry]
    assert [(e["CPUB_OP"], e["CPUB_DECISION"], e.get("CPUB_REFUSAL")) for e in told] == [
        ("unlock", "done", None), ("login", "done", None), ("publish", "done", None),
        ("lock", "done", None), ("unlock", "refused", "wrong-passphrase")]
    [published] = [entry for entry in told if entry["CPUB_OP"] == "publish"]
    url = user_registry.index.rstrip("/")
    assert {name: published[name] for name in published if name.startswith("CPUB_")} == {
        "CPUB_OP": "publish", "CPUB_REGISTRY": url, "CPUB_ACCOUNT": "default",
        "CPUB_CRATE": "demo", "CPUB_VERSION": "0.1.0", "CPUB_DECISION": "done"}
    assert published["MESSAGE"] == f"publish of demo 0.1.0 at {url} as default: done"
    assert published["_SYSTEMD_USER_UNIT"] == SERVICE and published["PRIORITY"] == "6"
    assert desk.journal("CPUB_CRATE=demo", f"MESSAGE_ID={published['MESSAGE_ID']}")
    _, [looking] = blocks("systemd")
    assert published["MESSAGE"] in desk.inside(looking).stdout
    # A line of the log, with its level taken off.
    assert any(e["MESSAGE"] == "locked: asked to" and e["PRIORITY"] == "5" for e in entries)
    for secret in (TOKEN, PASSPHRASE):
        assert secret not in json.dumps(entries)


# Leaving.

def test_idle_agent_leaves_and_the_next_client_has_another(enabled):
    desk = enabled
    desk.configure(f"[Service]\nExecStart=\nExecStart=/usr/local/libexec/cpub-agent/cpub-agentd "
             "--idle-exit=1\n")
    first = desk.status()["pid"]
    before = desk.socket.stat().st_ino
    desk.wait(lambda: not desk.is_active(), "the idle agent to leave")
    assert desk.shows("Result") == "success"
    assert desk.socket.stat().st_ino == before and desk.is_active(SOCKET)
    assert desk.status()["pid"] != first


def waits_for_greeting(pid: int) -> bool:
    """Of the client that nsenter has started."""
    return any(name == "cpub-agent" and "poll" in Path(f"/proc/{child}/wchan").read_text()
               for child, name in children(pid).items())


def test_client_that_comes_while_the_agent_leaves_is_served_by_the_next(enabled):
    desk = enabled
    pids = set()
    for _ in range(3):
        desk.succeed("status")
        pids.add(main_pid(desk))
        desk.must("kill", "--kill-whom=main", "--signal=STOP", SERVICE)
        client = subprocess.Popen(
            [desk.program, "--json", "status"], env=desk.environment, cwd=desk.home, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        desk.wait(lambda: waits_for_greeting(client.pid), "the client to be in the queue")
        desk.must("kill", "--kill-whom=main", "--signal=TERM", SERVICE)
        desk.must("kill", "--kill-whom=main", "--signal=CONT", SERVICE)
        out, err = client.communicate(timeout=PATIENCE)
        assert client.returncode == 0, err
        assert json.loads(out)["pid"] == main_pid(desk)
    assert len(pids) == 3


def test_restart_and_stop_lock_and_leave_nothing(enabled):
    desk = enabled
    desk.unlock()
    first = main_pid(desk)
    desk.must("restart", SERVICE)
    assert main_pid(desk) != first
    assert desk.status()["state"] == "locked"

    desk.unlock()
    began = time.time()
    with desk.line() as idle, desk.line() as asking, lent_pty() as terminal:
        asking.send({"v": 1, "kind": "passwd"}, [terminal.lent])
        terminal.sees(APPROVE)
        assert desk.processes() == {"cpub-agentd", "worker-ask"}
        desk.must("stop", SERVICE)
        assert idle.receive() == asking.receive() == b""
    assert desk.processes() == set() and desk.shows("Result") == "success"
    messages = [e["MESSAGE"] for e in desk.journal(f"--since=@{began:.3f}")]
    assert "locked: leaving" in messages
    assert {path.name for path in desk.socket.parent.iterdir()} == {"agent.lock", "agent.sock"}
    assert desk.status()["state"] == "locked"  # by another, for whoever comes

    desk.must("stop", SOCKET)
    assert not desk.is_active() and not desk.socket.exists()


def test_agent_that_stands_still_is_ended_by_the_watchdog(enabled):
    desk = enabled
    desk.configure("[Service]\nWatchdogSec=1\n")
    desk.unlock()
    first = main_pid(desk)
    pings = {0}

    def has_pinged():
        pings.add(int(desk.shows("WatchdogTimestampMonotonic")))
        return len(pings) > 3

    desk.wait(has_pinged, "signs of life")
    assert main_pid(desk) == first
    desk.must("kill", "--kill-whom=main", "--signal=STOP", SERVICE)
    desk.wait(lambda: main_pid(desk) not in (0, first), "another in its place")
    assert "watchdog" in "\n".join(
        e["MESSAGE"].lower() for e in desk.journal() if e.get("_PID") != str(first))
    assert desk.status()["state"] == "locked"
    assert desk.shows("NRestarts") == "1"


# Who had the socket before, and who takes it away.

def test_agent_of_a_client_gives_way_to_the_socket_of_systemd(managed):
    desk = managed
    desk.make_vault()
    desk.unlock()
    first = desk.status()["pid"]
    assert main_pid(desk) == 0  # Started by the command line.
    desk.must("enable", "--now", SOCKET)
    status = desk.status()
    assert status["pid"] == main_pid(desk) != first and status["state"] == "locked"
    assert not desk.proc(first).exists()


def test_agent_leaves_when_the_file_of_systemds_socket_is_deleted(enabled):
    desk = enabled
    desk.unlock()
    first = main_pid(desk)
    desk.socket.unlink()
    desk.wait(lambda: not desk.is_active(), "the agent to leave")
    # A client starts one; then systemd takes its place again.
    assert desk.succeed("status") and main_pid(desk) == 0
    desk.must("restart", SOCKET)
    assert desk.status()["pid"] == main_pid(desk) != first


def test_service_with_an_open_socket_says_so_and_serves_nobody(enabled):
    desk = enabled
    desk.must("stop", SERVICE, SOCKET)
    settings = desk.settings.parent.parent / "cpub-agent.socket.d/test.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("[Socket]\nSocketMode=0666\n")
    try:
        desk.configure("[Unit]\nStartLimitBurst=2\n")
        desk.must("start", SOCKET)
        # systemd gives up, and the client starts an agent by itself.
        assert json.loads(desk.succeed("--json", "status"))["state"] == "locked"
        assert desk.shows("ActiveState") == "failed" and main_pid(desk) == 0
        assert desk.shows("ExecMainStatus") == "1"
        assert "SocketMode=0600" in desk.journal_text()
    finally:
        settings.unlink()


# A machine without a person.

def give_credential(desk, passphrase: str) -> None:
    file = desk.home / "passphrase"
    file.write_text(passphrase + "\n")
    file.chmod(0o600)
    desk.give(desk.home)
    desk.configure(f"[Service]\nLoadCredential=cpub-passphrase:{file}\n")


def test_credential_opens_the_vault_which_is_then_of_level_one(enabled):
    desk = enabled
    give_credential(desk, PASSPHRASE)
    assert (desk.status()["state"], desk.status()["level"]) == ("locked", 1)
    with lent_pty() as terminal, desk.line() as line:
        assert json.loads(desk.succeed("--json", "list"))["level"] == 1
        assert desk.status()["level"] == 1
        assert "any program of yours can read these" in desk.succeed("status")
        assert "opens by itself" in desk.succeed("lock")
        # A new account is stored without a question, a release still asks y/N.
        desk.succeed("login", "--index", CRATES_IO, "--with-token", "--no-check",
                     given=TOKEN + "\n")
        line.send(publish(CRATES_IO))
        assert code(json.loads(line.receive())) == "needs-terminal"
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.answers("Approve? [y/N] ", "y")
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
    assert PASSPHRASE not in desk.journal_text()
    unlocks = [entry for entry in desk.audit() if entry["op"] == "unlock"]
    assert {entry["decision"] for entry in unlocks} == {"done"} and len(unlocks) == 2


def test_credential_that_does_not_fit_opens_nothing_and_lowers_no_level(enabled):
    desk = enabled
    give_credential(desk, "not-the-passphrase")
    assert code(desk.ask({"v": 1, "kind": "list"})) == "locked"
    assert desk.status()["level"] == 2
    desk.unlock()
    assert desk.status()["level"] == 2
    with lent_pty() as terminal, desk.line() as line:
        desk.succeed("login", "--index", CRATES_IO, "--with-token", "--no-check",
                     given=TOKEN + "\n")
        line.send(publish(CRATES_IO), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)  # As without one: y is not enough.
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
    assert desk.journal_text().count("the credential does not open the store") == 1


# The keyring, from the service's sandbox.

KEYRING = """
dbus-daemon --session --nopidfile --fork --address=unix:path=$XDG_RUNTIME_DIR/bus &&
printf %s a-password | gnome-keyring-daemon --unlock --components=secrets --daemonize >&2 &&
gdbus wait --session --timeout 20 org.freedesktop.secrets
"""


@needs_gnome_keyring
def test_service_keeps_its_store_in_the_keyring_and_cargo_publishes(managed, user_registry):
    desk = managed
    started = desk.inside(KEYRING)
    assert started.returncode == 0, started.stderr
    try:
        desk.must("enable", "--now", SOCKET)
        made = json.loads(desk.succeed("--json", "init", "--no-passphrase"))
        assert (made["store"], made["level"]) == ("keyring", 1)
        log_in(desk, user_registry)
        desk.must("restart", SERVICE)
        terminal = publishing(desk)
        terminal.answers("Approve? [y/N] ", "y")
        assert terminal.ends() == 0, terminal.seen
        assert ("demo", "0.1.0") in user_registry.crates
        assert TOKEN not in terminal.seen + desk.journal_text()
    finally:
        desk.inside("pkill -u $(id -u) gnome-keyring; pkill -u $(id -u) dbus-daemon; "
                    "rm -rf $XDG_RUNTIME_DIR/bus $HOME/.local/share/keyrings")
