"""
What a test plays around the agent: a person at a pseudo-terminal that is lent over the socket, and
cargo, which starts the provider and speaks to it through pipes.
"""

import contextlib
import fcntl
import json
import os
import pty
import select
import socket
import subprocess
import termios
import time

import pytest

from desk import GREETING, PASSPHRASE, PATIENCE, TOKEN, Terminal, get

UNLOCK = "Passphrase to unlock cpub-agent (^C cancels): "
APPROVE = "Passphrase to approve (^C denies): "
LOG_IN = "Log in there? [y/N] "
LOG_OUT = "Remove? [y/N] "
TOKEN_FOR = "(not shown, ^C cancels): "
CANCEL = "\x03"
OTHER_TOKEN = "cioAnotherTokenOfTheTests012345678a"
CRATES_IO = "https://github.com/rust-lang/crates.io-index"
MUTATIONS = ("publish", "yank", "unyank", "owners")


def can_mount() -> bool:
    """Root can, in a mount namespace of its own, unless / is no mount point (a plain chroot)."""
    words = ["unshare", "--mount", "--propagation", "private", "true"]
    return os.geteuid() == 0 and subprocess.run(words, stderr=subprocess.DEVNULL).returncode == 0


needs_mount = pytest.mark.skipif(
    not can_mount(), reason="nothing can be mounted here: not root, or / is no mount point")

# A shell between the test and the provider: each run has a parent of its own, as each cargo is one.
CARGO = ("/bin/sh", "-c", '"$0" --cargo-plugin; exit $?')


def readable(fd: int, until: float) -> bool:
    return bool(select.select([fd], [], [], max(0.0, until - time.monotonic()))[0])


class Pty:
    """A pseudo-terminal: `lent` is the end for a program, the other is the person's. Lines end
    with a newline alone in what is `seen`."""

    def __init__(self):
        self.ours, self.lent = pty.openpty()
        self.seen = ""
        self.n_read = 0
        self.n_marks = 0

    def sees(self, text: str) -> str:
        """Waits for the text behind what was waited for last; returns what came before it."""
        until = time.monotonic() + PATIENCE
        while text not in self.seen[self.n_read:]:
            assert readable(self.ours, until), f"no {text!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.ours, 65536).decode().replace("\r", "")
            except OSError:  # The other end was closed.
                raise AssertionError(f"no {text!r} in {self.seen!r}") from None
        at = self.seen.index(text, self.n_read)
        before, self.n_read = self.seen[self.n_read:at], at + len(text)
        return before

    def types(self, text: str, end: str = "\n") -> None:
        os.write(self.ours, (text + end).encode())

    def answers(self, prompt: str, text: str) -> str:
        before = self.sees(prompt)
        self.types(text)
        return before

    def shown(self) -> str:
        """What was shown since, whole: what is written now comes after all of it."""
        self.n_marks += 1
        mark = f"<mark {self.n_marks}>"
        os.write(self.lent, mark.encode())
        return self.sees(mark)

    def close(self) -> None:
        for fd in (self.ours, self.lent):
            if fd >= 0:
                os.close(fd)
        self.ours = self.lent = -1


@contextlib.contextmanager
def lent_pty():
    terminal = Pty()
    try:
        yield terminal
    finally:
        terminal.close()


class Provider:
    """The provider as cargo runs it: on that terminal, or in a session without one."""

    def __init__(self, desk, terminal: Pty | None = None):
        def take_terminal():
            os.setsid()
            fcntl.ioctl(2, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [*CARGO, desk.provider], env=desk.environment, bufsize=0, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=terminal.lent if terminal else subprocess.PIPE,
            start_new_session=terminal is None,
            preexec_fn=take_terminal if terminal else None)

    def line(self) -> bytes:
        """The next line of its output, or what came before the end."""
        until = time.monotonic() + PATIENCE
        line = b""
        while not line.endswith(b"\n"):
            assert readable(self.process.stdout.fileno(), until), f"nothing came after {line!r}"
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                break
            line += byte
        return line

    def send(self, request) -> None:
        if isinstance(request, dict):
            request = json.dumps(request)
        if isinstance(request, str):
            request = request.encode() + b"\n"
        view = memoryview(request)
        while view:
            view = view[self.process.stdin.write(view):]

    def ask(self, request) -> dict:
        self.send(request)
        return json.loads(self.line())

    def end(self) -> tuple[int, bytes, bytes]:
        """Closes its input; returns its status and what it still wrote to both its outputs."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err or b""

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


@contextlib.contextmanager
def provider(desk, terminal: Pty | None = None, greeted: bool = True):
    """The provider, its greeting taken off."""
    running = Provider(desk, terminal)
    try:
        if greeted:
            assert running.line() == GREETING
        yield running
    finally:
        running.close()


def ask_provider(desk, request) -> dict:
    """One request of a cargo without a terminal, and what always holds: status 0, nothing else."""
    with provider(desk) as running:
        answer = running.ask(request)
        assert running.end() == (0, b"", b"")
    return answer


def is_locked(desk) -> bool:
    return desk.status()["state"] == "locked"


def token_of(desk, index: str, account: str = "default") -> str | None:
    """What the agent hands out for that account when a person approves."""
    with lent_pty() as terminal, desk.line() as line:
        # Not publish: an approval of that covers the next one.
        line.send(get(index, "owners", name="demo", args=["--account", account]), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        return json.loads(line.receive())["Ok"]["token"]


def accounts(desk) -> list[dict]:
    """What `list` tells, without the index's final slash, as the agent writes it."""
    return desk.ask({"v": 1, "kind": "list"})["Ok"]["accounts"]


def log_out(desk, index: str, account: str = "default") -> None:
    with lent_pty() as terminal, desk.line() as line:
        line.send({"v": 1, "registry": {"index-url": index}, "kind": "logout",
                   "account": account}, [terminal.lent])
        terminal.answers(LOG_OUT, "y")
        assert "Ok" in json.loads(line.receive())


@contextlib.contextmanager
def listener(host: str = "127.0.0.1"):
    """A port that takes connections and never looks at them."""
    with socket.create_server((host, 0)) as server:
        server.setblocking(False)
        yield server


def was_called(server: socket.socket) -> bool:
    """Whether anybody ever connected there."""
    try:
        server.accept()[0].close()
        return True
    except BlockingIOError:
        return False


def network(registry) -> dict[str, str]:
    """What tells a client to trust it."""
    return {"CARGO_HTTP_CAINFO": registry.ca} if registry and registry.ca else {}


def log_in(desk, registry, *words: str, given=TOKEN + "\n", cwd=None, **environment: str):
    """`login` without a terminal; the registry by its URL unless the words name another."""
    which = [] if {"--registry", "--index"} & set(words) else ["--index", registry.index]
    done = desk.run("--json", "login", *which, *words, given=given, cwd=cwd,
                    **network(registry) | environment)
    for secret in (TOKEN, OTHER_TOKEN):
        assert secret not in done.stdout + done.stderr
    return done


def with_token(desk, registry, *words: str, **more):
    return log_in(desk, registry, "--with-token", *words, **more)


@contextlib.contextmanager
def login_under_way(desk, registry, **environment: str):
    """The process of a `login --with-token` that has its token and goes on by itself."""
    login = subprocess.Popen(
        [desk.program, "--json", "login", "--index", registry.index, "--with-token"],
        env=desk.environment | network(registry) | environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, text=True)
    try:
        login.stdin.write(TOKEN + "\n")
        login.stdin.close()
        yield login
    finally:
        login.kill()
        login.wait(PATIENCE)
        login.stdout.close()


def refused(done, code: str, status: int) -> str:
    """It was refused so; returns all that a person reads."""
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}{done.stderr}"
    assert json.loads(done.stdout)["error"]["code"] == code
    return done.stderr


def terminal_login(desk, registry, *words: str, cwd=None, **environment: str) -> Terminal:
    """`login` on a terminal of its own."""
    which = [] if {"--registry", "--index"} & set(words) else ["--index", registry.index]
    return desk.terminal("login", *which, *words, cwd=cwd, **network(registry) | environment)


def ends(terminal: Terminal, status: int) -> None:
    """It ends so, and has shown no secret."""
    assert terminal.ends() == status, terminal.seen
    for secret in (TOKEN, OTHER_TOKEN, PASSPHRASE):
        assert secret not in terminal.seen


def project(desk, text: str):
    """A checked-out project whose own cargo configuration says so."""
    folder = desk.home / "project"
    (folder / ".cargo").mkdir(parents=True)
    (folder / ".cargo/config.toml").write_text(text)
    return folder


def index_config(registry, name="local") -> str:
    return f'[registries.{name}]\nindex = "{registry.index}"\n'
