"""The socket's file: taken over from systemd, kept, lost, and left to whoever has it now."""

import contextlib
import fcntl
import json
import os
import socket
import subprocess

import pytest

import procfs
from desk import PATIENCE, code
from play import UNLOCK, lent_pty

LEAVES_IN = 10  # seconds; a second and what a loaded machine adds


@pytest.fixture
def place(desk):
    """The directory of the socket, as systemd makes it."""
    desk.socket.parent.mkdir(mode=0o700)
    return desk.socket.parent


def listening(path, kind=socket.SOCK_STREAM, mode=0o600) -> socket.socket:
    """A socket with that file, as systemd's is: it listens before anybody serves."""
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(str(path))
    os.chmod(path, mode)
    if kind == socket.SOCK_STREAM:
        server.listen(64)
    return server


def inherit(desk, *sockets, options=()) -> subprocess.Popen:
    """The agent, with these sockets handed over as sd_listen_fds(3) says."""
    def hand_over():
        for n, inherited in enumerate(sockets):
            # High first, so that no number is overwritten before it is copied.
            os.dup2(inherited.fileno(), 100 + n)
        for n in range(len(sockets)):
            os.dup2(100 + n, 3 + n)

    script = f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$@"'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", desk.daemon, "--verbose", *options], env=desk.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        pass_fds=range(3, 3 + len(sockets)), preexec_fn=hand_over, start_new_session=True)


@contextlib.contextmanager
def serving(desk, *sockets, options=()):
    agent = inherit(desk, *sockets, options=options)
    try:
        yield agent
    finally:
        agent.terminate()
        agent.communicate(timeout=PATIENCE)


# What systemd hands over.

def test_inherited_socket_is_served_and_left_as_it_is(desk, place):
    with listening(desk.socket) as server:
        before = os.stat(desk.socket)
        with serving(desk, server, options=["--idle-exit=1"]) as agent:
            assert desk.status()["state"] == "absent"
            assert agent.wait(PATIENCE) == 0
        # The file stays, the socket listens; whoever comes now is the next one's.
        assert os.stat(desk.socket).st_ino == before.st_ino
        early = socket.socket(socket.AF_UNIX)
        early.settimeout(PATIENCE)
        early.connect(str(desk.socket))
        with serving(desk, server), early:
            assert early.recv(64) == b'{"v":[1]}\n'
        assert os.stat(desk.socket).st_ino == before.st_ino


def test_agent_with_an_inherited_socket_waits_for_one_that_is_leaving(desk, place):
    """Its own queue takes connections all the time, and is no other agent."""
    with listening(desk.socket) as server, open(place / "agent.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with serving(desk, server) as agent:
            if os.geteuid() == 0:
                desk.wait(lambda: str(place / "agent.lock") in procfs.descriptors(
                    agent.pid).values(), "the agent to wait for the lock")
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert desk.status()["pid"] == agent.pid

        fcntl.flock(lock, fcntl.LOCK_EX)
        agent = inherit(desk, server)
        _, said = agent.communicate(timeout=PATIENCE)
        assert agent.returncode == 1 and "cannot start: " in said


WRONG = {
    "datagram": "no listening stream socket with a path",
    "not-listening": "no listening stream socket with a path",
    "internet": "no listening stream socket with a path",
    "abstract": "no listening stream socket with a path",
    "file": "no listening stream socket with a path",
    "two": "2 sockets were handed over",
    "open-socket": "SocketMode=0600",
    "open-directory": "chmod 700",
    "gone": "is gone",
    "option": "leave out one of them",
}


@pytest.mark.parametrize("fault", WRONG)
def test_agent_refuses_to_start_with_anything_but_one_private_listening_socket(desk, place, fault):
    options = []
    if fault == "datagram":
        sockets = [listening(desk.socket, socket.SOCK_DGRAM)]
    elif fault == "not-listening":
        sockets = [socket.socket(socket.AF_UNIX)]
        sockets[0].bind(str(desk.socket))
    elif fault == "internet":
        sockets = [socket.create_server(("127.0.0.1", 0))]
    elif fault == "abstract":
        sockets = [socket.socket(socket.AF_UNIX)]
        sockets[0].bind(f"\0cpub-agent-{os.getpid()}")
        sockets[0].listen()
    elif fault == "file":
        sockets = [open(place / "file", "w")]
    elif fault == "open-socket":
        sockets = [listening(desk.socket, mode=0o644)]
    else:
        sockets = [listening(desk.socket)]
    if fault == "two":
        sockets.append(listening(place / "other.sock"))
    elif fault == "open-directory":
        place.chmod(0o755)
    elif fault == "gone":
        desk.socket.unlink()
    elif fault == "option":
        options = ["--socket", str(desk.socket)]
    agent = inherit(desk, *sockets, options=options)
    _, said = agent.communicate(timeout=PATIENCE)
    for one in sockets:
        one.close()
    assert agent.returncode == 1
    assert WRONG[fault] in said and said.count("\n") <= 2, said


def test_agent_that_is_started_by_hand_leaves_systemds_socket_alone(desk, place):
    """Nobody has the lock, yet whoever connects there is served: an agent is started for them."""
    with listening(desk.socket):
        before = os.stat(desk.socket).st_ino
        done = subprocess.run([desk.daemon], env=desk.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        assert os.stat(desk.socket).st_ino == before


# A file that is lost.

def lose(desk, how: str):
    """Takes the agent's file away; returns what listens there then."""
    if how == "directory":
        desk.socket.parent.rename(desk.runtime / "elsewhere")
    elif how == "moved":
        desk.socket.rename(desk.socket.with_name("elsewhere.sock"))
    else:
        desk.socket.unlink()
    return listening(desk.socket) if how == "replaced" else None


def left(desk) -> str:
    """Waits until the agent has left in order; returns its log."""
    assert desk.agent.wait(LEAVES_IN) == 0, desk.log.read_text()
    desk.agent = None
    return desk.log.read_text()


@pytest.mark.parametrize("how", ["removed", "replaced", "moved", "directory"])
def test_unlocked_agent_that_cannot_be_reached_any_more_locks_and_leaves(open_desk, how):
    with open_desk.line() as idle:
        server = lose(open_desk, how)
        log = left(open_desk)
        assert "locked: leaving" in log and "removed or replaced" in log
        assert idle.receive() == b""
    if server:
        # It is not the agent's to remove.
        with server, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(open_desk.socket))


def test_agent_with_an_inherited_socket_leaves_without_its_file_too(desk, place):
    with listening(desk.socket) as server, serving(desk, server) as agent:
        assert desk.status()["state"] == "absent"
        desk.socket.unlink()
        assert agent.wait(LEAVES_IN) == 0


def test_other_files_beside_the_socket_are_nobodys_business(open_desk):
    pid = open_desk.pid()
    other = open_desk.socket.with_name("other")
    for _ in range(3):
        other.write_text("")
        other.rename(other.with_name("another"))
        other.with_name("another").unlink()
    assert open_desk.status()["pid"] == pid and open_desk.agent.poll() is None
    assert open_desk.status()["state"] == "unlocked"


def test_request_that_runs_has_its_answer_before_an_unreachable_agent_leaves(open_desk):
    open_desk.succeed("lock")
    ours, theirs = os.pipe()
    with open_desk.line() as line:
        line.send({"v": 1, "kind": "unlock", "secret-in-pipe": True}, [ours])
        if os.geteuid() == 0:
            open_desk.wait(lambda: procfs.children(open_desk.agent.pid), "the pipe to be read")
        open_desk.socket.unlink()
        os.write(theirs, b"\n")
        assert code(json.loads(line.receive())) == "bad-passphrase"
    left(open_desk)
    os.close(ours)
    os.close(theirs)


def test_question_that_waits_for_a_person_does_not_keep_an_unreachable_agent(open_desk):
    open_desk.succeed("lock")
    with lent_pty() as terminal, open_desk.line() as line:
        line.send({"v": 1, "kind": "unlock"}, [terminal.lent])
        terminal.sees(UNLOCK)
        open_desk.socket.unlink()
        left(open_desk)
        assert line.receive() == b""


def test_next_agent_is_served_at_once_where_the_file_was_removed(open_desk):
    """Whoever starts one need not know of the other: it is on its way out."""
    before = open_desk.pid()
    open_desk.socket.unlink()
    status = json.loads(open_desk.succeed("--json", "status"))
    assert status["pid"] != before and status["state"] == "locked"
    left(open_desk)
