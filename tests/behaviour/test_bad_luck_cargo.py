"""
cargo and its provider killed at each stage: nobody is asked further, the terminal is as it was, no
token goes anywhere, and the next run works.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import termios

import pytest

import procfs
from crate import write_crate
from desk import GREETING, PASSPHRASE, PATIENCE, TOKEN, code, publish
from play import APPROVE, CRATES_IO, UNLOCK, Provider, lent_pty
from test_agent_connections import (  # noqa: F401 - the fixture is found by name
    NEEDS_ROOT, is_served_quickly, logged_in,
)

pytestmark = NEEDS_ROOT

# A person's shell, in it cargo (another shell), and in it the provider. The first one stays.
SHELL = ("/bin/sh", "-c", '/bin/sh -c \'"$0" --cargo-plugin; exit $?\' "$0"; exec sleep 100')
QUICK = 5


class Run(Provider):
    """A provider in a cargo that can be killed without its shell."""

    def __init__(self, desk, terminal):
        def take_terminal():
            os.setsid()
            fcntl.ioctl(2, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [*SHELL, desk.provider], env=desk.environment, bufsize=0, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=terminal.lent, preexec_fn=take_terminal)
        self.cargo = self.child(self.process.pid, desk)
        self.provider = self.child(self.cargo, desk)

    @staticmethod
    def child(pid: int, desk) -> int:
        desk.wait(lambda: procfs.children(pid), "it to start")
        (child,) = procfs.children(pid)
        return child

    def kill(self, who: str) -> None:
        """SIGKILL, first to cargo, which then no longer holds the other ends of the pipes."""
        if who in ("cargo", "both"):
            os.kill(self.cargo, signal.SIGKILL)
        if who in ("provider", "both"):
            os.kill(self.provider, signal.SIGKILL)
        self.process.stdin.close()

    def rest(self) -> bytes:
        """What else went to cargo."""
        os.set_blocking(self.process.stdout.fileno(), False)
        return self.process.stdout.read() or b""

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.provider, signal.SIGCONT)
        self.process.kill()
        self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()


@contextlib.contextmanager
def on_terminal(desk):
    """A run on a terminal; at its end all is as it was."""
    with lent_pty() as terminal:
        before = termios.tcgetattr(terminal.lent)
        run = Run(desk, terminal)
        try:
            yield run, terminal
            desk.wait(lambda: not procfs.children(desk.agent.pid), "the workers to be gone", QUICK)
            desk.wait(lambda: not os.path.exists(f"/proc/{run.provider}")
                      or procfs.state(run.provider) == "Z", "the provider to leave", QUICK)
            assert termios.tcgetattr(terminal.lent) == before
            assert TOKEN not in terminal.seen + terminal.shown()
        finally:
            run.close()
    assert is_served_quickly(desk)


def next_run_works(desk, prompt: str) -> None:
    with lent_pty() as terminal:
        run = Run(desk, terminal)
        try:
            assert run.line() == GREETING
            run.send(publish(CRATES_IO, "next"))
            terminal.answers(prompt, PASSPHRASE)
            assert json.loads(run.line())["Ok"]["token"] == TOKEN
        finally:
            run.close()


@pytest.fixture(params=["provider", "cargo", "both"])
def who(request):
    return request.param


def leave(run, who: str) -> None:
    """They go; where only cargo does, the provider finds that nobody reads it."""
    run.kill(who)
    if who == "cargo":
        run.process.stdout.close()


def n_decisions(desk) -> int:
    return len([entry for entry in desk.audit() if entry["op"] == "publish"
                and entry["decision"] == "done"])


def test_killed_before_the_greeting(logged_in, who):
    with on_terminal(logged_in) as (run, _):
        leave(run, who)
    next_run_works(logged_in, APPROVE)


def test_killed_with_its_request_on_the_way(logged_in, who):
    with on_terminal(logged_in) as (run, terminal):
        assert run.line() == GREETING
        logged_in.agent.send_signal(signal.SIGSTOP)
        run.send(publish(CRATES_IO))
        logged_in.wait(lambda: procfs.state(logged_in.agent.pid) == "T", "the agent to stop")
        leave(run, who)
        logged_in.agent.send_signal(signal.SIGCONT)
    next_run_works(logged_in, APPROVE)


@pytest.mark.parametrize("prompt", [UNLOCK, APPROVE], ids=["unlock", "approve"])
def test_killed_while_the_person_is_asked(logged_in, who, prompt):
    if prompt == UNLOCK:
        logged_in.succeed("lock")
    with on_terminal(logged_in) as (run, terminal):
        assert run.line() == GREETING
        run.send(publish(CRATES_IO))
        terminal.sees(prompt)
        leave(run, who)
    assert n_decisions(logged_in) == 0
    assert logged_in.status()["state"] == ("locked" if prompt == UNLOCK else "unlocked")
    next_run_works(logged_in, prompt)


@pytest.fixture
def slowly_logged_in(desk):
    """With an Argon2id that takes long enough to be seen at work."""
    desk.start()
    desk.init_slowly()
    desk.succeed("login", "--with-token", "--no-check", given=TOKEN + "\n")
    return desk


@pytest.mark.parametrize("prompt", [UNLOCK, APPROVE], ids=["unlock", "approve"])
def test_killed_while_the_key_is_derived(slowly_logged_in, who, prompt):
    logged_in = slowly_logged_in
    if prompt == UNLOCK:
        logged_in.succeed("lock")
    with on_terminal(logged_in) as (run, terminal):
        assert run.line() == GREETING
        run.send(publish(CRATES_IO))
        terminal.answers(prompt, PASSPHRASE)
        logged_in.wait(lambda: "worker-kdf" in procfs.children(logged_in.agent.pid).values(),
                       "the derivation")
        (deriving,) = [pid for pid, name in procfs.children(logged_in.agent.pid).items()
                       if name == "worker-kdf"]
        os.kill(deriving, signal.SIGSTOP)  # So that it is in time, always.
        leave(run, who)
        logged_in.wait(lambda: not procfs.children(logged_in.agent.pid), "it to be ended", QUICK)
        if who != "cargo":
            assert TOKEN.encode() not in run.rest()
    assert n_decisions(logged_in) == 0
    next_run_works(logged_in, prompt)


def test_killed_after_the_approval_no_token_goes_further(logged_in, who):
    with on_terminal(logged_in) as (run, terminal):
        assert run.line() == GREETING
        run.send(publish(CRATES_IO))
        terminal.sees(APPROVE)
        os.kill(run.provider, signal.SIGSTOP)
        terminal.types(PASSPHRASE)
        logged_in.wait(lambda: n_decisions(logged_in) == 1, "the decision")
        leave(run, who)
        if who == "cargo":
            os.kill(run.provider, signal.SIGCONT)
        else:
            assert TOKEN.encode() not in run.rest()
    # The grant was that cargo's; killed without its provider's knowledge it is over, too.
    if who != "provider":
        logged_in.wait(lambda: logged_in.status()["grants"] == 0, "the grant to end")
    next_run_works(logged_in, APPROVE)


def test_real_cargo_killed_at_the_approval_publishes_nothing_and_the_next_one_does(
        ready_desk, registry):
    folder = write_crate(ready_desk.home / "demo", "demo")
    words = ("cargo", "publish", "--registry", "local", "--allow-dirty")
    terminal = ready_desk.terminal(*words, cwd=folder)
    terminal.sees(APPROVE)
    terminal.kill(signal.SIGKILL)
    ready_desk.wait(lambda: not procfs.children(ready_desk.agent.pid), "the question to end", QUICK)
    assert registry.crates == {}
    assert [e for e in ready_desk.audit() if e["op"] == "publish" and e["decision"] == "done"] == []
    again = ready_desk.terminal(*words, cwd=folder)
    again.answers(APPROVE, PASSPHRASE)
    assert again.ends() == 0, again.seen
    assert ("demo", "0.1.0") in registry.crates
