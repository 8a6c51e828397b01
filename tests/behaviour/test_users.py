"""Everything as an ordinary user, and closed to all others and to the user's other programs."""

import json
import os
import pty
import select
import subprocess
from pathlib import Path

import pytest

from crate import write_crate
from desk import GREETING, PASSPHRASE, PATIENCE, TOKEN, code, publish
from ordinary import OTHER, USER, Stage, UserDesk, as_user
from registry import Registry
from scan import children
from test_cargo import APPROVE, BUILD_SCRIPT, UNLOCK

pytestmark = [
    pytest.mark.release,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]


READ = "import sys; open(sys.argv[1], 'rb').read(1)"


@pytest.fixture(scope="session")
def stage():
    stage = Stage()
    yield stage
    stage.remove()


@pytest.fixture(params=["built", "installed"])
def user_desk(request, stage):
    """Once as it comes out of the build, once as it is installed."""
    desk = UserDesk(stage, stage.copy_build() if request.param == "built" else stage.install())
    yield desk
    desk.stop()


@pytest.fixture
def user_registry(stage, certificate):
    """The registry of the other tests, with a CA that the user may read."""
    folder = stage.directory / f"registry-{stage.n_desks}"
    with Registry(folder, tls=certificate, tokens={TOKEN}) as registry:
        yield registry


@pytest.fixture
def user_ready(user_desk, user_registry):
    user_desk.start()
    user_desk.init()
    ca = user_desk.home / "ca.pem"
    ca.write_bytes(Path(user_registry.ca).read_bytes())
    user_desk.succeed("login", "--index", user_registry.index, "--with-token", given=TOKEN + "\n",
                      CARGO_HTTP_CAINFO=str(ca))
    user_desk.set_up_cargo(user_registry)
    config = user_desk.cargo_home / "config.toml"
    config.write_text(config.read_text().replace(user_registry.ca, str(ca)))
    return user_desk


def uid_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("\nUid:\t")[1].split()[0])


def asking(desk, registry):
    """A connection on which the agent asks for approval; the worker waits at the prompt."""
    master, slave = pty.openpty()
    line = desk.line()
    line.send(publish(registry.index), [slave])
    seen = b""
    while APPROVE.encode() not in seen:
        assert select.select([master], [], [], PATIENCE)[0], seen
        seen += os.read(master, 4096)
    [worker] = children(desk.agent.pid, "worker-ask")
    return line, worker, (master, slave)


def test_ordinary_user_publishes(user_ready, user_registry):
    desk, registry = user_ready, user_registry
    assert uid_of(desk.agent.pid) == USER
    assert desk.status()["memory-locked"] is True
    desk.succeed("lock")
    folder = desk.give(write_crate(desk.home / "demo", "demo", build=BUILD_SCRIPT))
    terminal = desk.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    terminal.answers(UNLOCK, PASSPHRASE)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert ("demo", "0.1.0") in registry.crates
    assert registry.violations == []
    assert {path.stat().st_uid for path in (desk.vault, desk.socket, folder / "target")} == {USER}


def test_ordinary_user_needs_no_agent_that_runs_already(user_desk):
    """The command line starts it, and finds it beside itself, readable or not."""
    user_desk.init()
    pid = user_desk.pid()
    assert uid_of(pid) == USER
    assert user_desk.succeed("lock")


def test_installed_programs_that_hold_secrets_are_unreadable_for_users(stage):
    """So the kernel closes their processes from the first instruction on."""
    programs = list((stage.install() / "libexec/cpub-agent").iterdir())
    assert {"cpub-agentd", "worker-ask", "worker-kdf"} <= {path.name for path in programs}
    for program in programs:
        assert (program.stat().st_mode & 0o7777, program.stat().st_uid) == (0o711, 0), program
        assert "PermissionError" in as_user(USER, READ, program).stderr
    assert as_user(USER, READ, stage.copy_build() / "bin/cpub-agent").stderr == ""


# Prints all bytes that come, whatever is sent.
STRANGER = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.settimeout(30)
line.connect(sys.argv[1])
got = b""
try:
    line.sendall(b'{"v":1,"kind":"status"}\\n')
    while some := line.recv(4096):
        got += some
except (BrokenPipeError, ConnectionResetError):
    pass
print(got.hex() or "closed")
"""


@pytest.mark.parametrize("stranger", [OTHER, 0, 65534])
def test_other_user_gets_no_byte(user_desk, stranger):
    desk = user_desk
    desk.start()
    if stranger != 0:
        assert "PermissionError" in as_user(stranger, STRANGER, desk.socket).stderr
    # The directories stop them; without these, the agent itself has to.
    for path in (desk.runtime, desk.socket.parent, desk.socket):
        path.chmod(0o777)
    assert as_user(stranger, STRANGER, desk.socket).stdout == "closed\n"
    assert f"closed a connection of uid {stranger}" in desk.log.read_text()
    done = as_user(USER, STRANGER.replace("while some :=", "if some :="), desk.socket)
    assert bytes.fromhex(done.stdout).startswith(GREETING), "the owner gets one"


# Tries all ways to another process's memory, environment and descriptors. For each: what the
# kernel said; "done", or EFAULT (nothing lies at that address), is the attacker's.
ATTACK = """
import ctypes, errno, json, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
word = ctypes.c_long
said = {}

def attempt(name, way, *arguments):
    try:
        way(f"/proc/{pid}/{name}", *arguments)
        said[name] = "done"
    except OSError as error:
        said[name] = errno.errorcode[error.errno]

def call(name, function, *arguments):
    ctypes.set_errno(0)
    r = function(*map(word, arguments))
    said[name] = "done" if r >= 0 else errno.errorcode[ctypes.get_errno()]
    return r

for name in ("mem", "environ", "maps", "auxv", "syscall"):
    attempt(name, os.open, os.O_RDONLY)
for name in ("fd", "map_files"):
    attempt(name, os.listdir)
for name in ("exe", "cwd", "root"):
    attempt(name, os.readlink)
buffer = (word * 4)()
buffer[:] = [ctypes.addressof(buffer), 8, 0x400000, 8]
call("process_vm_readv", libc.process_vm_readv, pid, ctypes.addressof(buffer), 1,
     ctypes.addressof(buffer) + 16, 1, 0)
call("pidfd_getfd", libc.syscall, 438, os.pidfd_open(pid), 0, 0)
if call("PTRACE_SEIZE", libc.ptrace, 0x4206, pid, 0, 0) < 0:  # once is enough
    call("PTRACE_ATTACH", libc.ptrace, 16, pid, 0, 0)
print(json.dumps(said))
"""
CLOSED = {"mem": "EACCES", "environ": "EACCES", "maps": "EACCES", "auxv": "EACCES",
          "syscall": "EACCES", "fd": "EACCES", "map_files": "EACCES", "exe": "EACCES",
          "cwd": "EACCES", "root": "EACCES", "process_vm_readv": "EPERM",
          "pidfd_getfd": "EPERM", "PTRACE_SEIZE": "EPERM", "PTRACE_ATTACH": "EPERM"}


def attack(pid: int) -> dict[str, str]:
    done = as_user(USER, ATTACK, pid)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_programs_of_the_same_user_can_neither_trace_nor_read(user_ready, user_registry):
    """The agent and a worker at its prompt."""
    line, worker, fds = asking(user_ready, user_registry)
    for pid in (user_ready.agent.pid, worker):
        assert uid_of(pid) == USER
        assert attack(pid) == CLOSED
        # The kernel gives the files of a process that is not dumpable to root.
        assert Path(f"/proc/{pid}/mem").stat().st_uid == 0
    os.write(fds[0], b"\x03")
    assert code(json.loads(line.receive())) == "denied"
    for fd in fds:
        os.close(fd)


def test_client_and_relay_are_closed_as_well(user_ready, user_registry):
    """What reads a terminal's answers, or carries cargo's lines with a token in them."""
    desk = user_ready
    folder = desk.give(write_crate(desk.home / "demo", "demo"))
    terminal = desk.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    terminal.sees(APPROVE)
    [relay] = children(terminal.pid, "cargo-credential-cpub")
    assert attack(relay) == CLOSED
    # And cargo itself is open, as any program: that is why it gets no token before.
    assert attack(terminal.pid)["mem"] == "done"
    terminal.send("\x03")
    assert terminal.ends() != 0

    desk.succeed("lock")
    terminal = desk.terminal("unlock")
    terminal.sees(UNLOCK)
    assert attack(terminal.pid) == CLOSED
    terminal.send("\x03")
    assert terminal.ends() == 5


def test_attack_succeeds_on_an_ordinary_program():
    """The control: what is refused above is refused by us, not by this machine."""
    sleeper = subprocess.Popen(["/usr/bin/sleep", "60"], user=USER, group=USER, extra_groups=[])
    try:
        said = attack(sleeper.pid)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert said.pop("process_vm_readv") in ("done", "EFAULT")
    # Of all users only root may list that one.
    assert said.pop("map_files") in ("done", "EPERM")
    assert set(said.values()) == {"done"}, said
