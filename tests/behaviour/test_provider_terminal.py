"""The terminal that cargo-credential-cpub lends, and how it gets it back."""

import fcntl
import os
import pty
import signal
import struct
import termios
import threading

import pytest

from provider_play import (  # noqa: F401 - the fixtures are found by name
    GREETING, OK, PATIENCE, REQUEST, code, environment, place, provider_path, read_line, run,
    start_agent,
)

TIOCGPTN = 0x80045430


class Terminal:
    """
    The program on a terminal of its own, with cargo's pipes beside it. Above it
    is a leader that outlives it, like a shell: the end of a session would reset
    the modes that we want to see.
    """

    def __init__(self, place, in_background=False):
        from_cargo, self.to_provider = os.pipe()
        from_provider, to_cargo = os.pipe()
        from_leader, to_test = os.pipe()
        self.leader, self.fd = pty.fork()
        if self.leader == 0:
            try:
                os.dup2(from_cargo, 0)
                os.dup2(to_cargo, 1)
                os.dup2(to_test, 3)
                os.closerange(4, 256)
                self.lead(place, in_background)
            finally:
                os._exit(127)
        for fd in (from_cargo, to_cargo, to_test):
            os.close(fd)
        self.out = os.fdopen(from_provider, "rb", buffering=0)
        self.news = os.fdopen(from_leader, "rb", buffering=0)
        self.pid = int(read_line(self.news))
        number = struct.unpack("I", fcntl.ioctl(self.fd, TIOCGPTN, bytes(4)))[0]
        self.slave = os.open(f"/dev/pts/{number}", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        self.before = self.modes()
        assert self.before[3] & termios.ECHO

    @staticmethod
    def lead(place, in_background):
        child = os.fork()
        if child == 0:
            if in_background:
                os.setpgid(0, 0)
            os.close(3)
            os.execve(provider_path(), ["p", "--cargo-plugin"], environment(place))
        os.closerange(0, 2)
        os.write(3, b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        os.write(3, b"%d\n" % os.waitstatus_to_exitcode(status))
        signal.pause()

    def write(self, line):
        os.write(self.to_provider, line)

    def end(self):
        os.close(self.to_provider)
        self.to_provider = None
        return self.wait()

    def wait(self):
        """The exit status, or the negative number of the signal."""
        return int(read_line(self.news))

    def modes(self):
        return termios.tcgetattr(self.slave)

    def close(self):
        os.kill(self.leader, signal.SIGKILL)
        os.waitpid(self.leader, 0)
        if self.to_provider is not None:
            os.close(self.to_provider)
        self.out.close()
        self.news.close()
        os.close(self.slave)
        os.close(self.fd)


@pytest.fixture
def open_terminal(place):
    terminals = []

    def start(**options):
        terminals.append(Terminal(place, **options))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def hide_echo(connection):
    """What a prompt does to a lent terminal."""
    modes = termios.tcgetattr(connection.descriptors[0])
    modes[3] &= ~(termios.ECHO | termios.ISIG)
    termios.tcsetattr(connection.descriptors[0], termios.TCSANOW, modes)


def test_terminal_goes_with_the_first_line_only(place, start_agent, open_terminal):
    counts = []

    def script(agent, connection):
        connection.greet()
        while connection.line():
            counts.append(len(connection.descriptors))
            assert os.isatty(connection.descriptors[0])
            os.write(connection.descriptors[0], b"question")
            connection.answer()

    start_agent(script)
    terminal = open_terminal()
    assert read_line(terminal.out) == GREETING
    for _ in range(2):
        terminal.write(REQUEST)
        assert read_line(terminal.out) == OK
    assert terminal.end() == 0
    assert counts == [1, 1]
    assert os.read(terminal.fd, 8) == b"question"


def test_no_terminal_is_lent_from_the_background(place, start_agent, open_terminal):
    counts = []

    def script(agent, connection):
        connection.greet()
        connection.line()
        counts.append(len(connection.descriptors))
        connection.answer()

    start_agent(script)
    terminal = open_terminal(in_background=True)
    assert read_line(terminal.out) == GREETING
    terminal.write(REQUEST)
    assert read_line(terminal.out) == OK
    assert terminal.end() == 0
    assert counts == [0]


def test_without_a_terminal_none_is_lent(place, start_agent):
    counts = []

    def script(agent, connection):
        connection.greet()
        connection.line()
        counts.append(len(connection.descriptors))
        connection.answer()

    start_agent(script)
    assert run(place, REQUEST) == [OK]
    assert counts == [0]


def test_terminal_is_restored_when_the_agent_dies(place, start_agent, open_terminal):
    typed = threading.Event()
    hidden = threading.Event()

    def dying(agent, connection):
        connection.greet()
        connection.line()
        hide_echo(connection)
        hidden.set()
        assert typed.wait(PATIENCE)

    start_agent(dying, lambda agent, connection: None)
    terminal = open_terminal()
    assert read_line(terminal.out) == GREETING
    terminal.write(REQUEST)
    assert hidden.wait(PATIENCE)
    assert terminal.modes() != terminal.before
    os.write(terminal.fd, b"half a passphrase\n")
    typed.set()
    assert code([read_line(terminal.out)]) == "agent-unreachable"
    assert terminal.modes() == terminal.before

    # What was typed into the question is gone: it is not the shell's next command.
    with pytest.raises(BlockingIOError):
        os.read(terminal.slave, 100)
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_terminal_is_restored_when_the_program_is_ended(
        place, start_agent, open_terminal, number):
    hidden = threading.Event()

    def asking(agent, connection):
        connection.greet()
        connection.line()
        hide_echo(connection)
        hidden.set()
        connection.is_left()

    start_agent(asking)
    terminal = open_terminal()
    assert read_line(terminal.out) == GREETING
    terminal.write(REQUEST)
    assert hidden.wait(PATIENCE)
    assert terminal.modes() != terminal.before
    os.kill(terminal.pid, number)
    assert terminal.wait() == -number
    assert terminal.modes() == terminal.before


def test_terminal_is_restored_when_cargo_is_gone(place, start_agent, open_terminal):
    hidden = threading.Event()

    def asking(agent, connection):
        connection.greet()
        connection.line()
        hide_echo(connection)
        hidden.set()
        connection.is_left()

    start_agent(asking)
    terminal = open_terminal()
    assert read_line(terminal.out) == GREETING
    terminal.write(REQUEST)
    assert hidden.wait(PATIENCE)
    terminal.out.close()
    assert terminal.wait() > 0
    assert terminal.modes() == terminal.before
