"""
One worker program of the agent, driven as the core drives it: a SOCK_SEQPACKET
pair whose other end is descriptor 3, frames of one type byte and fields.

The programs are $CPUB_BUILD/libexec/cpub-agent/worker-NAME.
"""

import array
import os
import re
import select
import signal
import socket
import struct
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOCKET = 3
# Long enough for a slow machine under a sanitizer or valgrind; nothing waits for it that goes well.
PATIENCE = 60
FOUND_MAX = 100


def enumerators(header, name):
    """The names and values of one enum in a header of ours."""
    with open(os.path.join(SOURCE, header), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    body = re.search(r"enum %s \{(.*?)\}" % name, text, flags=re.DOTALL).group(1)
    values, value = {}, -1
    for item in filter(None, (part.strip() for part in body.split(","))):
        word, _, given = (part.strip() for part in item.partition("="))
        value = int(given) if given else value + 1
        values[word] = value
    return values


FIELD = {name[len("FIELD_"):]: value
         for name, value in enumerators("agent/work/frame.h", "field").items()}
QUESTION = {name[len("QUESTION_"):]: value
            for name, value in enumerators("agent/work/frame.h", "question").items()}
ERRAND = {name[len("ERRAND_"):]: value
          for name, value in enumerators("agent/work/frame.h", "errand").items()}
VERDICT = {value: name[len("VERDICT_"):].lower()
           for name, value in enumerators("agent/work/frame.h", "verdict").items()}
OUTCOME = {value: name[len("OUTCOME_"):].lower()
           for name, value in enumerators("agent/work/frame.h", "outcome").items()}
HINT = {value: name[len("HINT_"):].lower().replace("_", "-")
        for name, value in enumerators("agent/work/frame.h", "hint").items()}
REFUSAL = {value: name[len("REFUSAL_"):].lower().replace("_", "-")
           for name, value in enumerators("protocol/refusal.h", "refusal").items()}


def encode(fields):
    encoded = b""
    for name, value in fields.items():
        if isinstance(value, int):
            value = struct.pack("<Q", value)
        elif isinstance(value, str):
            value = value.encode()
        encoded += struct.pack("<BI", FIELD[name], len(value)) + value
    return encoded


def decode(encoded):
    names = {value: name for name, value in FIELD.items()}
    names.update({FIELD["FOUND"] + n: "FOUND%03d" % n for n in range(1, FOUND_MAX)})
    fields, at = {}, 0
    while at < len(encoded):
        tag, size = struct.unpack_from("<BI", encoded, at)
        at += 5
        assert at + size <= len(encoded), "the worker sent a field that is cut"
        assert names[tag] not in fields, "the worker sent a field twice"
        fields[names[tag]] = encoded[at:at + size]
        at += size
    return fields


class Answer:
    def __init__(self, fields):
        self.fields = fields
        number = fields.get("REFUSAL", b"\0" * 8)
        self.refusal = REFUSAL[struct.unpack("<Q", number)[0]]
        self.detail = fields["DETAIL"].decode() if "DETAIL" in fields else None

    def number(self, name):
        return struct.unpack("<Q", self.fields[name])[0]

    def __repr__(self):
        return "<%s %r %s>" % (self.refusal, self.detail, sorted(self.fields))


class Worker:
    """Started when made; ended, whatever it does, when the block is left."""

    def __init__(self, name, env=None, through=(), inherit=None):
        self.program = os.path.join(
            os.environ["CPUB_BUILD"], "libexec", "cpub-agent", "worker-" + name)
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.errors = tempfile.TemporaryFile()
        self.status = None
        self.told = []
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, self.errors.fileno(), 2),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), SOCKET),
        ]
        if inherit:
            actions.append((os.POSIX_SPAWN_DUP2, inherit[0], inherit[1]))
        argv = [*through, self.program]
        self.pid = os.posix_spawn(argv[0], argv, {} if env is None else env,
                                  file_actions=actions, setsid=True)
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        self.errors.close()

    def wait(self):
        """The exit code, or the negative number of the signal that ended it."""
        end = time.monotonic() + PATIENCE
        pidfd = os.pidfd_open(self.pid)
        readable, _, _ = select.select([pidfd], [], [], PATIENCE)
        os.close(pidfd)
        assert readable and time.monotonic() < end, "the worker did not end"
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    def receive(self):
        """Type and fields of the next frame; (None, {}) at the end."""
        self.socket.settimeout(PATIENCE)
        try:
            frame, ancillary, flags, _ = self.socket.recvmsg(1 << 18, 1024)
        except ConnectionResetError:
            return None, {}
        assert not ancillary and not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        return (chr(frame[0]), decode(frame[1:])) if frame else (None, {})

    def send(self, frame, fds=()):
        ancillary = []
        if fds:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        self.socket.sendmsg([frame], ancillary)

    def start(self, fields, fds=()):
        """Waits for "ready" and gives the task."""
        assert self.receive() == ("r", {})
        self.send(b"t" + encode(fields), fds)

    def answer(self):
        """The one answer, after which the worker ends in order. What it told before is in `told`."""
        kind, fields = self.receive()
        while kind == "p":
            self.told.append(fields)
            kind, fields = self.receive()
        assert kind == "a", "the worker ended without an answer: " + self.stderr()
        assert self.receive() == (None, {})
        assert self.wait() == 0
        assert self.stderr() == ""
        return Answer(fields)

    def is_sanitized(self):
        with open(self.program, "rb") as file:
            return b"__asan_init" in file.read()

    def proc_status(self):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def ask_worker(name, fields, fds=(), **how):
    """One whole life of a worker."""
    with Worker(name, **how) as worker:
        worker.start(fields, fds)
        return worker.answer()
