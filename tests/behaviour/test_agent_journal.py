"""The journal's copy of each decision: fields for programs, a sentence for people, never a wait."""

import json
import os
import socket
import struct
import subprocess

import pytest

from desk import PASSPHRASE, PATIENCE, TOKEN, code, publish
from play import APPROVE, CANCEL, CRATES_IO, lent_pty, needs_mount

pytestmark = needs_mount

# A journal in a mount namespace of the agent's own: all of /run is ours there.
IN_OUR_RUN = ('mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && '
              'mount --bind "$0" /run/systemd/journal && exec "$@"')
MANY = 300  # Far more than any queue takes (net.unix.max_dgram_qlen).


class Journal:
    """What journald is to the agent: a socket for entries, and a stream on standard error. Nobody
    reads either, unless `entries` or `lines` does."""

    def __init__(self, directory):
        directory.mkdir()
        self.directory = directory
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(directory / "socket"))
        self.stream, self.stderr = socket.socketpair()
        for reading in (self.socket, self.stream):
            reading.setblocking(False)

    def name(self) -> str:
        status = os.fstat(self.stderr.fileno())
        return f"{status.st_dev}:{status.st_ino}"

    def start(self, desk, stream: str) -> None:
        """desk.start, with that for JOURNAL_STREAM."""
        ready, theirs = os.pipe()
        desk.agent = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", IN_OUR_RUN,
             self.directory, desk.daemon, "--verbose", f"--ready-fd={theirs}"],
            env=desk.environment | {"JOURNAL_STREAM": stream}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.stderr, pass_fds=[theirs],
            start_new_session=True)
        os.close(theirs)
        desk.log.touch()
        with open(ready, "rb") as end:
            assert end.read(1) == b"R", self.lines()

    def entries(self) -> list[dict[str, str]]:
        found = []
        while True:
            try:
                found.append(decode(self.socket.recv(1 << 16)))
            except BlockingIOError:
                return found

    def lines(self) -> list[str]:
        text = b""
        while True:
            try:
                text += self.stream.recv(1 << 16)
            except BlockingIOError:
                return text.decode().splitlines()

    def close(self) -> None:
        for one in (self.socket, self.stream, self.stderr):
            one.close()


def decode(entry: bytes) -> dict[str, str]:
    """The fields, each of which must come in the form that tells its length."""
    fields = {}
    while entry:
        name, rest = entry.split(b"\n", 1)
        assert b"=" not in name and name.decode() not in fields
        (size,) = struct.unpack("<Q", rest[:8])
        value, end, entry = rest[8:8 + size], rest[8 + size:9 + size], rest[9 + size:]
        assert end == b"\n"
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


def ask_for_publish(desk, answer: str) -> dict:
    with lent_pty() as terminal, desk.line() as line:
        line.send(publish(CRATES_IO, "demo", "0.1.0"), [terminal.lent])
        terminal.sees(APPROVE)
        terminal.types(answer, end="" if answer == CANCEL else "\n")
        return json.loads(line.receive())


def test_journal_has_every_entry_of_the_audit_log_with_its_fields(desk, journal):
    journal.start(desk, journal.name())
    desk.init()
    desk.succeed("login", "--index", CRATES_IO, "--with-token", "--no-check", given=TOKEN + "\n")
    assert code(ask_for_publish(desk, CANCEL)) == "denied"
    assert ask_for_publish(desk, PASSPHRASE)["Ok"]["token"] == TOKEN
    desk.succeed("lock")
    assert desk.run("unlock", "--with-passphrase", given="wrong\n").returncode == 10

    entries, audit = journal.entries(), desk.audit()
    names = {"op": "CPUB_OP", "registry": "CPUB_REGISTRY", "account": "CPUB_ACCOUNT",
             "crate": "CPUB_CRATE", "vers": "CPUB_VERSION", "decision": "CPUB_DECISION",
             "refusal": "CPUB_REFUSAL"}
    assert [{name: entry[field] for name, field in names.items() if field in entry}
            for entry in entries] == [{name: line[name] for name in names if name in line}
                                      for line in audit]
    assert {entry["SYSLOG_IDENTIFIER"] for entry in entries} == {"cpub-agentd"}
    assert len({entry["MESSAGE_ID"] for entry in entries}) == 1
    assert all(entry["PRIORITY"] == ("4" if "CPUB_REFUSAL" in entry else "6")
               for entry in entries)
    denied, released = [e for e in entries if e["CPUB_OP"] == "publish"]
    place = f"at {CRATES_IO} as default"
    assert denied["MESSAGE"] == f"publish of demo 0.1.0 {place}: refused, denied"
    assert released["MESSAGE"] == f"publish of demo 0.1.0 {place}: done"
    assert entries[-1]["MESSAGE"] == "unlock: refused, wrong-passphrase"

    lines = journal.lines()
    assert "<5>locked: asked to" in lines  # The level in front, as sd-daemon(3) says.
    for secret in (TOKEN, PASSPHRASE):
        assert secret not in json.dumps(entries) and secret not in "\n".join(lines)


def test_journal_that_reads_nothing_holds_nobody_up(desk, journal):
    """Both its queues are full: entries and lines are lost, but no answer and no audit line."""
    journal.start(desk, journal.name())
    with desk.line() as line:
        for _ in range(MANY):
            assert code(line.ask({"v": 1, "kind": "lock"})) == "ok"
        # With `--verbose` each of these is a line on standard error.
        for _ in range(10 * MANY):
            assert code(line.ask({"v": 1, "kind": "unlock"})) == "no-store"
    assert len(desk.audit()) == MANY
    assert 0 < len(journal.entries()) < MANY
    assert 0 < len(journal.lines()) < 10 * MANY
    desk.agent.terminate()
    assert desk.agent.wait(PATIENCE) == 0
    desk.agent = None


@pytest.mark.parametrize("stream", ["1:2", "", "rubbish"])
def test_journal_is_told_nothing_where_standard_error_is_another(desk, journal, stream):
    """A shell that systemd has started passes the variable on; what it starts is no service."""
    journal.start(desk, stream)
    desk.succeed("lock")
    assert code(desk.ask({"v": 1, "kind": "unlock"})) == "no-store"
    assert len(desk.audit()) == 1 and journal.entries() == []
    lines = journal.lines()
    assert lines and all(line.startswith("cpub-agentd: ") for line in lines)
