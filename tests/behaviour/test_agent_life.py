"""How an agent is started, shared, locked, and how it leaves."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import termios
import time

import pexpect
import pytest

import procfs
from desk import PASSPHRASE, PATIENCE, TOKEN, code, get, publish
from play import APPROVE, CRATES_IO, LOG_IN, UNLOCK, lent_pty

HOLD = 5  # seconds for which something must not happen
IS_ROOT = os.geteuid() == 0
NEEDS_ROOT = pytest.mark.skipif(not IS_ROOT, reason="only root may look into a hardened agent")


def log_in(desk, *words: str) -> None:
    """An account that needs no network."""
    desk.succeed("login", "--index", CRATES_IO, "--with-token", *words, given=TOKEN + "\n")


def started(desk) -> int:
    """The pid of the agent that `status` finds or starts."""
    return json.loads(desk.succeed("--json", "status"))["pid"]


def leave_stale_socket(desk) -> None:
    pid = started(desk)
    os.kill(pid, signal.SIGKILL)
    desk.wait(lambda: procfs.n_agents(desk.runtime) == 0, "the killed agent to be gone")
    assert stat.S_ISSOCK(os.stat(desk.socket).st_mode)


def run_provider(desk, *requests: dict, **environment: str) -> list[dict]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        [desk.provider, "--cargo-plugin"], env=desk.environment | environment, input=lines,
        capture_output=True, text=True, timeout=PATIENCE, start_new_session=True)
    assert done.returncode == 0, done.stderr
    greeting, *answers = done.stdout.splitlines()
    assert json.loads(greeting) == {"v": [1]}
    return [json.loads(answer) for answer in answers]


def lock_notices(desk) -> int:
    return desk.log.read_text().count("locked: idle")


def is_echoing(fd: int) -> bool:
    return bool(termios.tcgetattr(fd)[3] & termios.ECHO)


@contextlib.contextmanager
def asking(desk, request: dict, prompt: str):
    """A connection whose question is open on a terminal."""
    with lent_pty() as terminal, desk.line() as line:
        line.send(request, [terminal.lent])
        terminal.sees(prompt)
        yield line, terminal


# Starting.

@pytest.mark.parametrize("stale", [False, True], ids=["no-socket", "stale-socket"])
def test_cpub_agent_starts_an_agent_where_none_serves(desk, stale):
    if stale:
        leave_stale_socket(desk)
    pid = started(desk)
    assert started(desk) == pid
    mode = os.stat(desk.socket)
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600
    assert stat.S_IMODE(os.stat(desk.socket.parent).st_mode) == 0o700


@pytest.mark.parametrize("stale", [False, True], ids=["no-socket", "stale-socket"])
def test_provider_starts_an_agent_where_none_serves(desk, stale):
    if stale:
        leave_stale_socket(desk)
    assert [code(a) for a in run_provider(desk, get(CRATES_IO))] == ["not-found"]
    assert desk.status()["pid"] == started(desk)


@NEEDS_ROOT
@pytest.mark.parametrize("client", ["cpub-agent", "cargo-credential-cpub"])
@pytest.mark.both
def test_started_agent_takes_nothing_from_its_starter(desk, tmp_path, client):
    evil = {"LD_PRELOAD": "/nonexistent/evil.so", "LD_LIBRARY_PATH": "/nonexistent",
            "HTTPS_PROXY": "http://evil.example", "SSL_CERT_FILE": "/evil.pem",
            "SSL_CERT_DIR": "/evil", "CURL_CA_BUNDLE": "/evil.pem", "CPUB_ASKPASS": "/evil",
            "CARGO_REGISTRY_TOKEN": TOKEN, "PATH": f"/evil:{os.environ['PATH']}"}
    with open(tmp_path / "inherited", "w") as inherited:
        os.set_inheritable(inherited.fileno(), True)
        words = [desk.program, "--json", "status"] if client == "cpub-agent" else [
            desk.provider, "--cargo-plugin"]
        subprocess.run(words, env=desk.environment | evil, cwd=tmp_path, timeout=PATIENCE,
                       input=json.dumps(get(CRATES_IO)) + "\n", text=True, close_fds=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    pid = desk.pid()
    environment = procfs.environment(pid)
    assert environment.pop("LANG", "") == desk.environment.get("LANG", "")
    assert environment == {"HOME": str(desk.home), "XDG_RUNTIME_DIR": str(desk.runtime),
                           "PATH": "/usr/bin:/bin"}
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert procfs.session(pid) not in (os.getsid(0), pid)  # Its own, but never its leader.
    assert procfs.terminal(pid) == 0
    descriptors = procfs.descriptors(pid)
    assert [descriptors[n] for n in range(3)] == ["/dev/null"] * 3
    assert str(tmp_path / "inherited") not in descriptors.values()
    assert not [d for d in descriptors.values() if d.startswith("pipe:")]


@NEEDS_ROOT
def test_clients_that_start_at_once_get_one_agent(desk):
    for _ in range(20):
        clients = [subprocess.Popen(
            [desk.program, "--json", "status"], env=desk.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True) for _ in range(3)]
        answers = [client.communicate(timeout=PATIENCE) for client in clients]
        assert [client.returncode for client in clients] == [0] * 3, answers
        (pid,) = {json.loads(out)["pid"] for out, _ in answers}
        desk.wait(lambda: procfs.n_agents(desk.runtime) == 1, "the agents too many to leave")
        assert desk.pid() == pid
        os.kill(pid, signal.SIGKILL)  # Its socket stays, for the next round.
        desk.wait(lambda: procfs.n_agents(desk.runtime) == 0, "the killed agent to be gone")


def test_second_agent_on_the_same_socket_leaves_the_first_alone(open_desk):
    pid = open_desk.pid()
    second = subprocess.run([open_desk.daemon], env=open_desk.environment, timeout=PATIENCE,
                            stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    status = open_desk.status()
    assert status["pid"] == pid and status["state"] == "unlocked"


@pytest.mark.parametrize("how", ["option", "variable"])
def test_given_socket_never_starts_an_agent(desk, how):
    path = desk.socket.parent / "other.sock"
    path.parent.mkdir(mode=0o700)
    words = ["--socket", str(path)] if how == "option" else []
    variables = {"CPUB_AGENT_SOCK": str(path)} if how == "variable" else {}
    done = desk.run("--json", *words, "status", **variables)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "agent-unreachable"
    assert not path.exists() and not desk.socket.exists()
    if how == "variable":
        assert code(run_provider(desk, get(CRATES_IO), **variables)[0]) == "agent-unreachable"
        assert not path.exists() and not desk.socket.exists()


@pytest.mark.parametrize("fault", ["loose", "foreign", "symlink", "file"])
def test_agent_and_clients_refuse_a_socket_directory_that_is_not_ours_alone(desk, fault):
    directory = desk.socket.parent
    if fault == "loose":
        directory.mkdir()
        directory.chmod(0o711)
    elif fault == "foreign":
        if not IS_ROOT:
            pytest.skip("only root can give a directory away")
        directory.mkdir(mode=0o700)
        os.chown(directory, 12345, 12345)
    elif fault == "symlink":
        (desk.runtime / "elsewhere").mkdir(mode=0o700)
        directory.symlink_to("elsewhere")
    else:
        directory.write_text("")
    daemon = subprocess.run([desk.daemon], env=desk.environment, capture_output=True, text=True,
                            timeout=PATIENCE, stdin=subprocess.DEVNULL)
    assert daemon.returncode == 1
    assert str(directory) in daemon.stderr
    client = desk.run("--json", "status")
    assert client.returncode == 3
    assert json.loads(client.stdout)["error"]["code"] == "socket-unsafe"
    assert code(run_provider(desk, get(CRATES_IO))[0]) == "socket-unsafe"
    assert not directory.is_dir() or list(directory.iterdir()) == []


def test_client_of_an_agent_that_is_just_leaving_gets_the_next_one(desk):
    for round in range(6):
        pid = started(desk)
        os.kill(pid, signal.SIGSTOP)
        client = subprocess.Popen(
            [desk.program, "--json", "status"], env=desk.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True)
        # It has connected and waits for the greeting: ppoll or poll.
        desk.wait(lambda: "poll" in open(f"/proc/{client.pid}/wchan").read(),
                  "the client to wait for the greeting")
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        out, err = client.communicate(timeout=PATIENCE)
        assert client.returncode == 0, (round, out, err)


# Leaving.

@pytest.mark.parametrize("state", ["absent", "locked"])
def test_idle_agent_leaves_while_nothing_is_unlocked(desk, state):
    if state == "locked":
        desk.start()
        desk.init()
        desk.stop()
    desk.start("--idle-exit=1")
    assert desk.status()["state"] == state
    assert desk.agent.wait(PATIENCE) == 0
    desk.agent = None
    assert not desk.socket.exists()


def test_idle_agent_never_leaves_while_it_is_unlocked(desk):
    desk.start("--idle-exit=3")
    desk.init()
    with pytest.raises(subprocess.TimeoutExpired):
        desk.agent.wait(HOLD)
    assert desk.status()["state"] == "unlocked"
    desk.succeed("lock")
    assert desk.agent.wait(PATIENCE) == 0
    desk.agent = None


def test_idle_agent_locks_each_time_it_was_unlocked(desk):
    desk.start("--lock-after=3")
    desk.init()
    desk.wait(lambda: lock_notices(desk) == 1, "the agent to lock")
    assert desk.status()["state"] == "locked"
    desk.unlock()
    assert desk.status()["state"] == "unlocked"
    desk.wait(lambda: lock_notices(desk) == 2, "the agent to lock again")
    assert desk.status()["state"] == "locked"


def test_looking_at_the_status_does_not_put_off_the_idle_lock(desk):
    desk.start("--lock-after=2")
    desk.init()
    desk.wait(lambda: desk.status()["state"] == "locked", "the agent to lock")


def test_idle_lock_waits_while_a_question_is_open(desk):
    desk.start("--lock-after=3")
    desk.init()
    log_in(desk)
    request = get(CRATES_IO, "yank", name="demo", vers="0.1.0")
    with asking(desk, request, APPROVE) as (line, terminal):
        notices = lock_notices(desk)
        until = time.monotonic() + HOLD
        while time.monotonic() < until:
            assert lock_notices(desk) == notices
            time.sleep(0.1)
        terminal.types(PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
    desk.wait(lambda: lock_notices(desk) == notices + 1, "the agent to lock")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_agent_leaves_no_socket_behind(open_desk, number):
    with open_desk.line() as line:
        open_desk.agent.send_signal(number)
        assert open_desk.agent.wait(PATIENCE) == 0
        assert line.receive() == b""
    open_desk.agent = None
    assert not open_desk.socket.exists()
    assert "locked: leaving" in open_desk.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_terminal_is_restored_when_the_agent_ends_during_a_question(open_desk, number):
    open_desk.succeed("lock")
    # No agent is started for a given socket, so the client ends.
    terminal = open_desk.terminal("--socket", str(open_desk.socket), "unlock")
    terminal.sees(UNLOCK)
    assert not is_echoing(terminal.child_fd)
    (worker,) = procfs.children(open_desk.agent.pid)
    open_desk.agent.send_signal(number)
    assert open_desk.agent.wait(PATIENCE) == (-number if number == signal.SIGKILL else 0)
    open_desk.agent = None
    terminal.expect(pexpect.EOF)
    assert is_echoing(terminal.child_fd)
    assert terminal.ends() == 3, terminal.seen
    open_desk.wait(lambda: not os.path.exists(f"/proc/{worker}"), "the question to end")


# Locking.

def test_hangup_signal_locks(open_desk):
    open_desk.agent.send_signal(signal.SIGHUP)
    open_desk.wait(lambda: open_desk.status()["state"] == "locked", "the agent to lock")
    assert open_desk.agent.poll() is None


def test_lock_cancels_a_question_of_another_and_restores_its_terminal(open_desk):
    log_in(open_desk)
    with asking(open_desk, publish(CRATES_IO), APPROVE) as (line, terminal):
        assert not is_echoing(terminal.lent)
        assert "Locked" in open_desk.succeed("lock")
        assert code(json.loads(line.receive())) == "locked"
        open_desk.wait(lambda: is_echoing(terminal.lent), "the echo to be back")
        # The connection goes on; the next question unlocks and approves.
        line.send(publish(CRATES_IO))
        terminal.answers(UNLOCK, PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN


def test_lock_cancels_a_login_that_asks_and_nothing_is_stored(open_desk):
    with asking(open_desk, {"v": 1, "kind": "login", "registry": {"index-url": CRATES_IO}},
                LOG_IN) as (line, _):
        open_desk.succeed("lock")
        assert code(json.loads(line.receive())) == "locked"
    open_desk.unlock()
    assert open_desk.status()["accounts"] == 0


def test_unlock_takes_the_passphrase_from_a_pipe(open_desk):
    open_desk.succeed("lock")
    assert "Unlocked" in open_desk.succeed("unlock", "--with-passphrase", given=PASSPHRASE + "\n")
    assert open_desk.status()["state"] == "unlocked"
    # Already unlocked: said so, and what was given is not even looked at.
    assert "already" in open_desk.succeed("unlock", "--with-passphrase", given="wrong\n")


def test_unlock_asks_on_the_terminal(open_desk):
    open_desk.succeed("lock")
    terminal = open_desk.terminal("unlock")
    terminal.answers(UNLOCK, "wrong")
    terminal.sees("wrong passphrase")
    terminal.answers(UNLOCK, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert PASSPHRASE not in terminal.seen and "wrong\r\n" not in terminal.seen
    assert open_desk.status()["state"] == "unlocked"


def test_unlock_without_pipe_and_terminal_says_what_it_needs(open_desk):
    open_desk.succeed("lock")
    done = open_desk.run("--json", "unlock")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "needs-terminal"


def test_wrong_passphrase_ends_with_ten_and_leaves_it_locked(open_desk):
    open_desk.succeed("lock")
    done = open_desk.run("--json", "unlock", "--with-passphrase", given="wrong\n")
    assert done.returncode == 10
    assert json.loads(done.stdout)["error"]["code"] == "wrong-passphrase"
    assert open_desk.status()["state"] == "locked"
    terminal = open_desk.terminal("unlock")
    for _ in range(3):
        terminal.answers(UNLOCK, "wrong")
    assert terminal.ends() == 10, terminal.seen
    refusals = [entry.get("refusal") for entry in open_desk.audit() if entry["op"] == "unlock"]
    assert refusals == [None] + ["wrong-passphrase"] * 2  # The first one made this desk.


# What `status` tells.

def test_status_tells_the_truth(desk):
    desk.start("--lock-after=600")
    assert desk.status() | {"store": None, "path": None, "locks-in": None} == desk.status()
    assert desk.status()["state"] == "absent" and desk.status()["level"] == 0
    desk.init()
    log_in(desk)
    status = desk.status()
    assert status["state"] == "unlocked" and status["level"] == 2 and status["accounts"] == 1
    assert status["store"] == "vault" and status["path"] == str(desk.vault)
    assert 570 <= status["locks-in"] <= 600
    assert status["pid"] == desk.agent.pid
    assert status["grants"] == 0
    with asking(desk, publish(CRATES_IO), APPROVE) as (line, terminal):
        terminal.types(PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
    assert desk.status()["grants"] == 1
    desk.succeed("lock")
    status = desk.status()
    assert (status["state"], status["locks-in"], status["grants"]) == ("locked", None, 0)
    assert status["accounts"] == 1


@pytest.mark.release  # AddressSanitizer makes mlock a promise without a deed.
@pytest.mark.parametrize("limit", [0, 8 << 20], ids=["no-locked-memory", "some-locked-memory"])
def test_status_tells_whether_secrets_are_locked_into_memory(desk, tmp_path, limit):
    if not IS_ROOT:
        pytest.skip("the limit is set for root without its capabilities")
    real = desk.daemon
    desk.daemon = tmp_path / "cpub-agentd"
    desk.daemon.write_text(
        f'#!/bin/sh\nulimit -l {limit >> 10}\n'
        f'exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock "{real}" "$@"\n')
    desk.daemon.chmod(0o755)
    desk.start()
    assert desk.status()["memory-locked"] is (limit > 0)
