"""
Plays both sides of cargo-credential-cpub: cargo, and an agent that does what a
test tells it. The agent is a thread that plays a script for each connection.
The program is $CPUB_BUILD/bin/cargo-credential-cpub.
"""

import array
import contextlib
import json
import os
import select
import socket
import subprocess
import threading

import pytest

GREETING = b'{"v":[1]}\n'
REQUEST = (
    b'{"v":1,"registry":{"index-url":"https://r.example/i"},"kind":"get","operation":"read"}\n'
)
OK = b'{"Ok":{"kind":"get","token":"T","cache":"never","operation_independent":false}}\n'
TOKEN = b"cioTESTONLYtestonlyTESTONLYtestonly0"
LINE_MAX = 64 * 1024
NOBODY = 65534
# Long enough for a slow machine, and for the two seconds that some cases wait on purpose.
PATIENCE = 20

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def provider_path():
    build = os.environ.get("CPUB_BUILD")
    assert build, "set CPUB_BUILD to the build folder that has bin/cargo-credential-cpub"
    return os.path.join(build, "bin", "cargo-credential-cpub")


class Connection:
    """One client as the agent sees it."""

    def __init__(self, peer):
        self.peer = peer
        self.peer.settimeout(PATIENCE)
        self.descriptors = []
        self.waiting = b""

    def greet(self):
        self.peer.sendall(GREETING)

    def line(self):
        """The next line, or what came before the end."""
        while b"\n" not in self.waiting:
            size = array.array("i").itemsize * 4
            got, ancillary, _, _ = self.peer.recvmsg(65536, socket.CMSG_SPACE(size))
            for level, kind, payload in ancillary:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                numbers = array.array("i")
                numbers.frombytes(payload)
                self.descriptors += list(numbers)
            if not got:
                break
            self.waiting += got
        line, newline, self.waiting = self.waiting.partition(b"\n")
        return line + newline

    def answer(self, line=OK):
        self.peer.sendall(line)

    def is_left(self):
        """Waits until the client has closed."""
        return self.line() == b""

    def close(self):
        for fd in self.descriptors:
            os.close(fd)
        self.peer.close()


class Agent:
    """Plays one script a connection; the last one again for all that come later."""

    def __init__(self, path, *scripts):
        self.scripts = scripts
        self.n_connections = 0
        self.lines = []
        self.failures = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(8)
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            script = self.scripts[min(self.n_connections, len(self.scripts) - 1)]
            self.n_connections += 1
            thread = threading.Thread(target=self.play, args=(script, peer), daemon=True)
            self.threads.append(thread)
            thread.start()

    def play(self, script, peer):
        connection = Connection(peer)
        try:
            script(self, connection)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The client may go whenever it likes.
        except Exception as failure:
            self.failures.append(failure)
        finally:
            connection.close()

    def stop(self):
        # shutdown wakes the thread in accept; close alone does not.
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the agent's script did not end"
        assert not self.failures, self.failures


def well_behaved(agent, connection):
    connection.greet()
    while line := connection.line():
        agent.lines.append(line)
        connection.answer()


@pytest.fixture
def place(tmp_path):
    """A runtime directory with our private directory in it."""
    directory = tmp_path / "cpub-agent"
    directory.mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def start_agent(place):
    agents = []

    def start(*scripts):
        agents.append(Agent(str(place / "cpub-agent" / "agent.sock"), *scripts))
        return agents[-1]

    yield start
    for agent in agents:
        agent.stop()


def environment(place, **more):
    return {"HOME": str(place), "XDG_RUNTIME_DIR": str(place), **more}


@contextlib.contextmanager
def provider(place, program=None, **options):
    """The program as cargo runs it, but in a session without a terminal."""
    env = options.pop("env", None) or environment(place)
    process = subprocess.Popen(
        [program or provider_path(), "--cargo-plugin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=env,
        start_new_session=True,
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def run(place, given, program=None, **options):
    """Greeting off, the answers that came for `given`; checks what is always true."""
    with provider(place, program, **options) as process:
        out, err = process.communicate(given, timeout=PATIENCE)
        assert process.returncode == 0
        assert err == b""
        assert out.startswith(GREETING)
        return out[len(GREETING):].splitlines(keepends=True)


def refusal(lines):
    """The one answer, an Err of our own, as cargo would read it."""
    assert len(lines) == 1
    assert lines[0].endswith(b"\n")
    error = json.loads(lines[0])["Err"]
    assert error["kind"] == "other"
    assert error["message"]
    assert isinstance(error["caused-by"], list)
    return error


def code(lines):
    return refusal(lines)["code"]


def read_line(stream):
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], PATIENCE)
        assert ready, f"nothing came after {line!r}"
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        line += byte
    return line
