"""worker-ask on a terminal of its own, and with dialogue programs that lie, stall and die."""

import contextlib
import fcntl
import os
import select
import signal
import stat
import struct
import sys
import termios
import time
import urllib.parse

import pytest

from worker_program import PATIENCE, QUESTION, Worker, ask_worker

pytestmark = pytest.mark.both  # Only the release build has the sandboxes.

LIMIT = 1024
IFLAG, OFLAG, LFLAG, CC = 0, 1, 3, 6
QUIET = termios.ECHO | termios.ICANON | termios.ISIG


class Terminal:
    """A pty: the test sits at the screen and the keyboard, the worker gets the other end."""

    def __init__(self):
        self.keyboard, self.fd = os.openpty()
        self.screen = b""
        self.modes = termios.tcgetattr(self.fd)

    def close(self):
        for fd in (self.keyboard, self.fd):
            with contextlib.suppress(OSError):
                os.close(fd)

    def read(self, patience=PATIENCE):
        readable, _, _ = select.select([self.keyboard], [], [], patience)
        if not readable:
            return False
        self.screen += os.read(self.keyboard, 4096)
        return True

    def wait_for(self, text):
        while text not in self.screen:
            assert self.read(), "the screen shows only %r" % self.screen

    def all_shown(self):
        while self.read(patience=0):
            pass
        return self.screen

    def type(self, keys):
        os.write(self.keyboard, keys)

    def is_quiet(self):
        return termios.tcgetattr(self.fd)[LFLAG] & QUIET == 0

    def is_as_before(self):
        return termios.tcgetattr(self.fd) == self.modes

    def n_pending(self):
        """Bytes that the next program on this terminal would read."""
        modes = termios.tcgetattr(self.fd)
        raw = termios.tcgetattr(self.fd)
        raw[LFLAG] &= ~termios.ICANON
        termios.tcsetattr(self.fd, termios.TCSANOW, raw)
        count = struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, b"\0" * 4))[0]
        termios.tcsetattr(self.fd, termios.TCSANOW, modes)
        return count


@pytest.fixture(name="terminal")
def make_terminal():
    terminal = Terminal()
    yield terminal
    terminal.close()


def task(question, **fields):
    words = {"QUESTION": QUESTION[question], "TEXT": "some words", "PROMPT": "answer:"}
    words.update(fields)
    return {name: value for name, value in words.items() if value is not None}


def answer_by_keys(terminal, fields, *keys):
    """Types each of `keys` when the prompt has come once more, and gives the answer."""
    with Worker("ask") as worker:
        worker.start(fields, [terminal.fd])
        for n, line in enumerate(keys, 1):
            while terminal.screen.count(b"answer: ") + terminal.screen.count(b"again: ") < n:
                assert terminal.read()
            terminal.type(line)
        answer = worker.answer()
    terminal.all_shown()
    assert terminal.is_as_before()
    assert terminal.n_pending() == 0
    return answer


def secret_by_keys(terminal, keys):
    return answer_by_keys(terminal, task("SECRET"), keys)


# The terminal: what is shown, and its modes.

def test_ask_shows_nothing_of_a_secret(terminal):
    answer = secret_by_keys(terminal, b"hunter2 \xc3\xa4\r")
    assert answer.refusal == "none"
    assert answer.fields == {"SECRET": b"hunter2 \xc3\xa4"}
    assert terminal.screen == b"\a\r\r\nsome words\r\r\nanswer: \r\r\n"


def test_ask_has_echo_signals_and_line_editing_off_while_it_asks(terminal):
    with Worker("ask") as worker:
        worker.start(task("SECRET"), [terminal.fd])
        terminal.wait_for(b"answer: ")
        assert terminal.is_quiet()
        assert fcntl.fcntl(terminal.fd, fcntl.F_GETFL) & os.O_NONBLOCK == 0
        terminal.type(b"x\r")
        worker.answer()
    assert terminal.is_as_before()


def test_ask_throws_away_what_was_typed_before(terminal):
    terminal.type(b"typed ahead\r")
    with Worker("ask") as worker:
        worker.start(task("SECRET"), [terminal.fd])
        terminal.wait_for(b"answer: ")
        terminal.type(b"answer\r")
        assert worker.answer().fields["SECRET"] == b"answer"


def test_ask_leaves_nothing_of_a_paste_to_the_shell(terminal):
    assert secret_by_keys(terminal, b"secret\rrest of it\r").fields["SECRET"] == b"secret"


@pytest.mark.parametrize("enter", [b"\r", b"\n"])
def test_ask_works_on_a_terminal_in_raw_mode(terminal, enter):
    modes = termios.tcgetattr(terminal.fd)
    modes[IFLAG] = termios.IGNCR if enter == b"\r" else 0
    modes[OFLAG] &= ~termios.OPOST
    modes[LFLAG] = 0
    modes[CC][termios.VMIN] = 1
    termios.tcsetattr(terminal.fd, termios.TCSANOW, modes)
    terminal.modes = termios.tcgetattr(terminal.fd)
    answer = answer_by_keys(terminal, task("SECRET", TEXT="one\ntwo\n"), b"x" + enter)
    assert answer.fields["SECRET"] == b"x"
    assert terminal.screen == b"\a\r\none\r\ntwo\r\nanswer: \r\n"


def test_ask_shows_no_control_bytes(terminal):
    answer_by_keys(terminal, task("SECRET", TEXT="a\x1b[31mb\tc\x7f \u00e4"), b"x\r")
    assert "\na?[31mb?c? \u00e4\r".encode() in terminal.screen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ask_restores_the_modes_when_it_is_ended(terminal, number):
    with Worker("ask") as worker:
        worker.start(task("SECRET"), [terminal.fd])
        terminal.wait_for(b"answer: ")
        terminal.type(b"half a passphr")
        os.kill(worker.pid, number)
        assert worker.wait() == -number
        assert worker.receive() == (None, {})
    assert terminal.is_as_before()
    assert terminal.n_pending() == 0


def test_ask_restores_the_modes_when_the_core_goes_away(terminal):
    with Worker("ask") as worker:
        worker.start(task("SECRET"), [terminal.fd])
        terminal.wait_for(b"answer: ")
        worker.socket.close()
        assert worker.wait() == 1
    assert terminal.is_as_before()


def test_ask_gives_up_at_its_deadline(terminal):
    answer = answer_by_keys(terminal, task("SECRET", TIMEOUT_MSEC=200), b"no enter")
    assert answer.refusal == "prompt-timeout"
    assert b"no answer in time\r" in terminal.screen


def test_ask_does_not_hang_on_a_stopped_terminal(terminal):
    termios.tcflow(terminal.fd, termios.TCOOFF)
    with Worker("ask") as worker:
        worker.start(task("SECRET", TIMEOUT_MSEC=200), [terminal.fd])
        assert worker.answer().refusal == "prompt-timeout"
    assert terminal.is_as_before()


def test_ask_ends_when_the_terminal_hangs_up(terminal):
    with Worker("ask") as worker:
        worker.start(task("SECRET"), [terminal.fd])
        terminal.wait_for(b"answer: ")
        terminal.close()
        assert worker.answer().refusal == "prompt-failed"


def test_ask_refuses_a_descriptor_that_is_no_terminal():
    reader, writer = os.pipe()
    assert ask_worker("ask", task("SECRET"), [writer]).refusal == "prompt-failed"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY])
def test_ask_refuses_half_a_terminal(terminal, flags):
    half = os.open(os.ttyname(terminal.fd), flags | os.O_NOCTTY)
    assert ask_worker("ask", task("SECRET"), [half]).refusal == "prompt-failed"
    os.close(half)


def test_ask_refuses_two_terminals(terminal):
    answer = ask_worker("ask", task("SECRET"), [terminal.fd, terminal.fd])
    assert answer.refusal == "internal"


@pytest.mark.parametrize("question", sorted(set(QUESTION) - {"_MAX"}))
def test_ask_needs_a_terminal_or_a_program(question):
    answer = ask_worker("ask", task(question, EXPECT="x"))
    assert answer.refusal == "needs-terminal"


@pytest.mark.parametrize("fields", [
    task("SECRET", PROMPT=None), task("TYPE"), task("SECRET", QUESTION=99),
    task("SECRET", QUESTION=(1 << 64) - 1), task("SECRET", QUESTION=None),
    task("SECRET", PROMPT=b"a\0b"), task("SECRET", TIMEOUT_MSEC=b"short"),
], ids=["no-prompt", "no-expect", "question", "large", "no-question", "nul", "timeout"])
def test_ask_refuses_a_malformed_task(terminal, fields):
    assert ask_worker("ask", fields, [terminal.fd]).refusal == "internal"
    assert terminal.all_shown() == b""


def test_ask_says_without_asking(terminal):
    with Worker("ask") as worker:
        worker.start(task("SAY", TEXT="one\ntwo", PROMPT=None), [terminal.fd])
        answer = worker.answer()
    assert answer.refusal == "none"
    assert not answer.fields
    assert terminal.all_shown() == b"\r\r\none\r\r\ntwo\r\r\n"
    assert terminal.is_as_before()


def test_ask_is_in_its_sandbox_while_it_asks(terminal):
    with Worker("ask") as worker:
        if worker.is_sanitized():
            pytest.skip("sanitized builds have no sandbox")
        worker.start(task("SECRET"), [terminal.fd])
        terminal.wait_for(b"answer: ")
        assert worker.proc_status()["Seccomp"] == "2"


# Keys.

@pytest.mark.parametrize("keys", [b"\x03", b"abc\x03", b"\x1b[\x03", b"\x04", b"ab\x15\x04"])
def test_ask_takes_ctrl_c_and_ctrl_d_as_a_no(terminal, keys):
    answer = secret_by_keys(terminal, keys)
    assert answer.refusal == "denied"
    assert "SECRET" not in answer.fields


@pytest.mark.parametrize("keys, secret", [
    (b"ab\x7fc\r", b"ac"),
    (b"ab\x08c\r", b"ac"),
    (b"\x7f\x7fa\r", b"a"),
    ("a\u00e4\u20ac\x7f\x7fb\r".encode(), b"ab"),
    (b"abc def\x15x\r", b"x"),
    (b"abc def \x17x\r", b"abc x"),
    (b"abc\x17\x17x\r", b"x"),
    (b"ab\x04c\r", b"abc"),
    (b"a\x1b[Db\x1bOCc\x1b[1;5Dd\r", b"abcd"),
    (b"\x1b[200~pasted\x1b[201~\r", b"pasted"),
    (b"a\x1b\r", b"a"),
    (b"a\x1bxb\r", b"ab"),
    (b"a\x1ab\x1cc\x00d\r", b"abcd"),
    (b"a\tb\r", b"a\tb"),
    (b"\xff\xfe\r", b"\xff\xfe"),
    (b"x" * LIMIT + b"\r", b"x" * LIMIT),
    (b"x" * (LIMIT + 1) + b"\x15short\r", b"short"),
], ids=repr)
def test_ask_edits_the_hidden_line(terminal, keys, secret):
    answer = secret_by_keys(terminal, keys)
    assert answer.refusal == "none"
    assert answer.fields["SECRET"] == secret


@pytest.mark.parametrize("keys", [b"x" * (LIMIT + 1), b"x" * 3000, b"x" * 1500 + b"\x7f"])
def test_ask_refuses_a_secret_that_is_too_long(terminal, keys):
    answer = secret_by_keys(terminal, keys + b"\r")
    assert answer.refusal == "bad-token"
    assert not b"xx" in terminal.screen


def test_ask_refuses_an_empty_secret(terminal):
    assert secret_by_keys(terminal, b"\r").refusal == "bad-token"


# The other questions.

@pytest.mark.parametrize("keys", [b"y", b"Y", b"yes", b"YES", b"yEs", b"n\x7fy"])
def test_ask_takes_a_yes(terminal, keys):
    answer = answer_by_keys(terminal, task("YES_NO"), keys + b"\r")
    assert answer.refusal == "none"
    assert not answer.fields


@pytest.mark.parametrize("keys", [
    b"", b"n", b"no", b"ye", b"yess", b"y ", b" y", b"yes please", b"j", b"y" * 2000])
def test_ask_takes_all_else_as_a_no(terminal, keys):
    assert answer_by_keys(terminal, task("YES_NO"), keys + b"\r").refusal == "denied"


def test_ask_shows_what_is_typed_to_yes_or_no(terminal):
    answer_by_keys(terminal, task("YES_NO"), b"no\x7f\x7f\x01\xc3\xa4yes\r")
    assert terminal.screen.endswith(b"answer: no\b \b\b \byes\r\r\n")


@pytest.mark.parametrize("keys, refusal", [
    (b"crates.io", "none"), (b"", "denied"), (b"crates.i", "denied"), (b"Crates.io", "denied"),
    (b"crates.io ", "denied"), (b"y", "denied")])
def test_ask_wants_the_text_exactly(terminal, keys, refusal):
    fields = task("TYPE", EXPECT="crates.io")
    answer = answer_by_keys(terminal, fields, keys + b"\r")
    assert answer.refusal == refusal
    assert not "SECRET" in answer.fields


def new_passphrase(terminal, *keys):
    fields = task("NEW_PASSPHRASE", PROMPT_AGAIN="again:")
    return answer_by_keys(terminal, fields, *keys)


def test_ask_takes_a_new_passphrase_typed_twice(terminal):
    answer = new_passphrase(terminal, b"one two\r", b"one two\r")
    assert answer.refusal == "none"
    assert answer.fields == {"SECRET": b"one two"}
    assert b"answer: \r\r\nagain: \r\r\n" in terminal.screen
    assert b"one" not in terminal.screen


@pytest.mark.parametrize("first", [
    [b"right\r", b"wrong\r"], [b"right\r", b"\r"], [b"\r"], [b"x" * 1025 + b"\r"]],
    ids=["differs", "second-empty", "empty", "long"])
def test_ask_asks_for_a_new_passphrase_again(terminal, first):
    answer = new_passphrase(terminal, *first, b"good\r", b"good\r")
    assert answer.refusal == "none"
    assert answer.fields["SECRET"] == b"good"


def test_ask_gives_up_on_a_new_passphrase_after_three_rounds(terminal):
    answer = new_passphrase(terminal, *[b"a\r", b"b\r"] * 3)
    assert answer.refusal == "bad-passphrase"
    assert "not the same" in answer.detail
    assert "SECRET" not in answer.fields


def test_ask_takes_ctrl_c_at_the_second_passphrase_as_a_no(terminal):
    assert new_passphrase(terminal, b"one\r", b"\x03").refusal == "denied"


# Dialogue programs.

def program(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    path.chmod(0o700)
    return str(path)


def ask_program(path, question="SECRET", **fields):
    return ask_worker("ask", task(question, ASKPASS=path, **fields))


def is_gone(pid):
    """Ended, if perhaps not yet reaped by whoever inherited it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with open("/proc/%d/stat" % pid, encoding="ascii") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_askpass_gives_a_secret(tmp_path):
    path = program(tmp_path, "askpass", """#!/bin/sh
printf '%s|%s' "$1" "${SSH_ASKPASS_PROMPT-unset}" > "$0.log"
printf 'from a dialogue\\nsecond line\\n'
""")
    answer = ask_program(path)
    assert answer.refusal == "none"
    assert answer.fields["SECRET"] == b"from a dialogue"
    assert (tmp_path / "askpass.log").read_text() == "some words\nanswer:|unset"


@pytest.mark.parametrize("script, refusal", [
    ("printf secret; exit 1", "denied"),
    ("exit 1", "denied"),
    ("exit 127", "prompt-failed"),
    ("kill -9 $$", "prompt-failed"),
    ("exit 0", "bad-token"),
    ("echo", "bad-token"),
    ("head -c 1025 /dev/zero | tr '\\0' x", "bad-token"),
    ("head -c 100000 /dev/zero | tr '\\0' x", "bad-token"),
])
def test_askpass_that_gives_no_secret(tmp_path, script, refusal):
    path = program(tmp_path, "askpass", "#!/bin/sh\n" + script + "\n")
    answer = ask_program(path)
    assert answer.refusal == refusal
    assert "SECRET" not in answer.fields


@pytest.mark.parametrize("end", ["", "\\n", "\\r\\n"])
def test_askpass_gives_the_longest_secret(tmp_path, end):
    path = program(tmp_path, "askpass",
                   "#!/bin/sh\nhead -c 1024 /dev/zero | tr '\\0' x\nprintf '%s'\n" % end)
    assert ask_program(path).fields["SECRET"] == b"x" * LIMIT


@pytest.mark.parametrize("script, refusal", [
    ("exit 0", "none"), ("echo yes", "none"), ("echo YES", "none"),
    ("exit 1", "denied"), ("echo no", "denied"), ("echo yes; exit 1", "denied")])
def test_askpass_confirms(tmp_path, script, refusal):
    path = program(tmp_path, "askpass",
                   "#!/bin/sh\n[ \"$SSH_ASKPASS_PROMPT\" = confirm ] || exit 9\n" + script + "\n")
    answer = ask_program(path, "YES_NO")
    assert answer.refusal == refusal
    assert not set(answer.fields) - {"REFUSAL"}


def test_askpass_takes_the_expected_text(tmp_path):
    path = program(tmp_path, "askpass", "#!/bin/sh\necho crates.io\n")
    assert ask_program(path, "TYPE", EXPECT="crates.io").refusal == "none"
    assert ask_program(path, "TYPE", EXPECT="example.com").refusal == "denied"


def test_askpass_is_asked_twice_for_a_new_passphrase(tmp_path):
    same = program(tmp_path, "same", "#!/bin/sh\necho \"$1\" >> \"$0.log\"; echo one\n")
    answer = ask_program(same, "NEW_PASSPHRASE", PROMPT_AGAIN="again:")
    assert answer.fields["SECRET"] == b"one"
    assert (tmp_path / "same.log").read_text() == "some words\nanswer:\nsome words\nagain:\n"

    other = program(tmp_path, "other", "#!/bin/sh\necho $$\n")
    assert ask_program(other, "NEW_PASSPHRASE").refusal == "bad-passphrase"


def test_askpass_that_is_no_program(tmp_path):
    assert ask_program(str(tmp_path / "absent")).refusal == "prompt-failed"
    assert ask_program("relative").refusal == "prompt-failed"
    garbage = program(tmp_path, "garbage", "\x7fELF but not really")
    assert ask_program(garbage).refusal == "prompt-failed"
    plain = program(tmp_path, "plain", "#!/bin/sh\necho x\n")
    os.chmod(plain, stat.S_IRUSR)
    assert ask_program(plain).refusal == "prompt-failed"


HANGING = """#!/bin/sh
echo $$ > "$0.new" && mv "$0.new" "$0.pid"
exec sleep 1000
"""


def wait_for_file(path):
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    return path.read_text()


def test_askpass_that_hangs_is_ended_at_the_deadline(tmp_path):
    path = program(tmp_path, "askpass", HANGING)
    assert ask_program(path, TIMEOUT_MSEC=500).refusal == "prompt-timeout"
    pid = tmp_path / "askpass.pid"
    assert not pid.exists() or is_gone(int(pid.read_text()))


def test_askpass_that_hangs_is_ended_with_its_own_children(tmp_path):
    path = program(tmp_path, "askpass", """#!/bin/sh
sleep 1000 &
echo $! > "$0.new" && mv "$0.new" "$0.pid"
wait
""")
    with Worker("ask") as worker:
        worker.start(task("SECRET", ASKPASS=path))
        pid = int(wait_for_file(tmp_path / "askpass.pid"))
        worker.socket.close()
        assert worker.wait() == 1
    assert is_gone(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_askpass_does_not_outlive_the_worker(tmp_path, number):
    path = program(tmp_path, "askpass", HANGING)
    with Worker("ask") as worker:
        worker.start(task("SECRET", ASKPASS=path))
        pid = int(wait_for_file(tmp_path / "askpass.pid"))
        os.kill(worker.pid, number)
        assert worker.wait() == -number
    assert is_gone(pid)


def test_askpass_is_ended_when_the_core_goes_away(tmp_path):
    path = program(tmp_path, "askpass", HANGING)
    with Worker("ask") as worker:
        worker.start(task("SECRET", ASKPASS=path))
        pid = int(wait_for_file(tmp_path / "askpass.pid"))
        worker.socket.close()
        assert worker.wait() == 1
    assert is_gone(pid)


def test_askpass_that_closes_its_output_and_stays_is_not_waited_for(tmp_path):
    path = program(tmp_path, "askpass", "#!/bin/sh\nexec >&-\nexec sleep 1000\n")
    assert ask_program(path).refusal == "prompt-timeout"


def test_askpass_inherits_no_descriptor_but_three(tmp_path):
    path = program(tmp_path, "askpass", "#!/bin/sh\nls /proc/$$/fd > \"$0.fds\"\necho x\n")
    assert ask_program(path).refusal == "none"
    # The shell itself holds its script open, as 10 or above.
    fds = [int(fd) for fd in (tmp_path / "askpass.fds").read_text().split()]
    assert [fd for fd in fds if fd < 10] == [0, 1, 2]


# A pinentry that does as it is told by its first lines.
PINENTRY = """#!%s
import sys
def say(line):
    sys.stdout.buffer.write(line + b"\\n")
    sys.stdout.flush()
answers = %r
log = open(sys.argv[0] + ".log", "w")
say(answers.get("hello", b"OK Pleased to meet you"))
for line in sys.stdin:
    log.write(line)
    log.flush()
    command = line.split()[0]
    if command == "BYE":
        break
    say(answers.get(command, b"OK"))
"""


def pinentry(tmp_path, **answers):
    return program(tmp_path, "pinentry-fake", PINENTRY % (sys.executable, answers))


def pinentry_log(tmp_path):
    return (tmp_path / "pinentry-fake.log").read_text().splitlines()


def test_pinentry_gives_a_secret(tmp_path):
    said = b"S PASSWORD_FROM_CACHE\n# hello\nD 100%25 s%c3%A4cr\nD et\nOK"
    path = pinentry(tmp_path, GETPIN=said)
    answer = ask_program(path, TEXT="50% of\nthe words")
    assert answer.refusal == "none"
    assert answer.fields["SECRET"] == "100% s\u00e4cret".encode()

    log = pinentry_log(tmp_path)
    assert "SETDESC 50%25 of%0Athe words" in log
    assert "SETPROMPT answer:" in log
    assert log[-1] == "GETPIN"


def test_pinentry_is_known_by_its_base_name(tmp_path):
    directory = tmp_path / "pinentry-1.2"
    directory.mkdir()
    path = program(directory, "askpass", "#!/bin/sh\necho plain\n")
    assert ask_program(path).fields["SECRET"] == b"plain"


@pytest.mark.parametrize("reply, refusal", [
    (b"ERR 83886179 Operation cancelled <Pinentry>", "denied"),
    (b"ERR 83886278 Operation fully cancelled <Pinentry>", "denied"),
    (b"ERR 83886142 Timeout <Pinentry>", "prompt-timeout"),
    (b"ERR 83886340 No curses <Pinentry>", "prompt-failed"),
    (b"ERR", "prompt-failed"),
    (b"OK", "bad-token"),
    (b"D \nOK", "bad-token"),
    (b"D " + b"x" * 900 + b"\nD " + b"x" * 125 + b"\nOK", "bad-token"),
    (b"D bad%2", "prompt-failed"),
    (b"D bad%zz", "prompt-failed"),
    (b"INQUIRE QUALITY x", "prompt-failed"),
    (b"OKAY", "prompt-failed"),
    (b"D " + b"x" * 1200, "prompt-failed"),
], ids=lambda value: value if isinstance(value, str) else repr(value[:30]))
def test_pinentry_that_gives_no_secret(tmp_path, reply, refusal):
    answer = ask_program(pinentry(tmp_path, GETPIN=reply))
    assert answer.refusal == refusal
    assert "SECRET" not in answer.fields


@pytest.mark.parametrize("reply, refusal", [
    (b"OK", "none"),
    (b"ERR 83886179 Operation cancelled <Pinentry>", "denied"),
    (b"ERR 83886194 Not confirmed <Pinentry>", "denied"),
    (b"BUTTON_INFO close\nOK", "prompt-failed"),
])
def test_pinentry_confirms(tmp_path, reply, refusal):
    answer = ask_program(pinentry(tmp_path, CONFIRM=reply), "YES_NO")
    assert answer.refusal == refusal
    assert "SETDESC some words%0Aanswer:" in pinentry_log(tmp_path)
    assert pinentry_log(tmp_path)[-1] == "CONFIRM"


def test_pinentry_never_shows_half_a_question(tmp_path):
    answer = ask_program(pinentry(tmp_path, GETPIN=b"D x\nOK"), TEXT="w" * 1000)
    assert answer.refusal == "prompt-failed"
    text = "%" * 300
    answer = ask_program(pinentry(tmp_path, GETPIN=b"D x\nOK"), TEXT=text)
    assert answer.refusal == "none"
    described = next(x for x in pinentry_log(tmp_path) if x.startswith("SETDESC "))
    assert urllib.parse.unquote(described[len("SETDESC "):]) == text


def test_pinentry_that_knows_no_options_is_used_without(tmp_path):
    path = pinentry(tmp_path, OPTION=b"ERR 83886254 Unknown option <Pinentry>", GETPIN=b"D x\nOK")
    assert ask_program(path).fields["SECRET"] == b"x"


@pytest.mark.parametrize("script", [
    "exit 0", "echo hello", "echo ERR 1 no", "exec >&-; sleep 1000"])
def test_pinentry_that_does_not_greet(tmp_path, script):
    path = program(tmp_path, "pinentry-dead", "#!/bin/sh\n" + script + "\n")
    assert ask_program(path).refusal == "prompt-failed"


def test_pinentry_that_hangs_is_ended_at_the_deadline(tmp_path):
    path = program(tmp_path, "pinentry-hangs", HANGING)
    assert ask_program(path, TIMEOUT_MSEC=500).refusal == "prompt-timeout"
    pid = tmp_path / "pinentry-hangs.pid"
    assert not pid.exists() or is_gone(int(pid.read_text()))
