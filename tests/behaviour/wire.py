"""
A server that keeps every byte it gets and answers as a test says, byte by byte;
and worker-net on an errand that goes to a registry's API.
"""

import contextlib
import fcntl
import os
import socket
import ssl
import struct
import threading

from desk import TOKEN
from scan import traces
from worker_program import ERRAND, HINT, OUTCOME, PATIENCE, REFUSAL, Answer, Worker, decode

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Wire:
    """Each connection is given to `behave`, and is closed when that is done with it."""

    def __init__(self, behave, tls=None):
        self.behave = behave
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls.chain, tls.key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.host = "127.0.0.1:%d" % self.port
        self.url = "%s://%s/registry" % ("https" if tls else "http", self.host)
        self.over = threading.Event()
        self.peers = []
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        with contextlib.suppress(OSError):  # Wakes up a thread that still waits for a client.
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                connection.settimeout(PATIENCE)
                peer = Peer(self, connection)
                self.peers.append(peer)
                if self.context:
                    peer.socket = self.context.wrap_socket(connection, server_side=True)
                with contextlib.suppress(OSError), peer.socket:
                    self.behave(peer)

    @property
    def got(self):
        """All bytes of all connections."""
        return b"".join(peer.got for peer in self.peers)


class Peer:
    def __init__(self, wire, connection):
        self.wire = wire
        self.socket = connection
        self.got = b""

    def receive(self, size=65536):
        data = self.socket.recv(size)
        self.got += data
        return data

    def head(self):
        while b"\r\n\r\n" not in self.got:
            if not self.receive():
                raise ConnectionResetError
        return self.got.partition(b"\r\n\r\n")[0].decode()

    def length(self):
        sizes = [line for line in self.head().split("\r\n") if line.startswith("Content-Length:")]
        return int(sizes[0].partition(":")[2]) if sizes else 0

    def request(self):
        """Waits for all of it. Returns head and body."""
        head, size = self.head(), self.length()
        chunks, at = [self.got], len(self.got) - len(head) - 4
        while at < size:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionResetError
            chunks.append(data)
            at += len(data)
        self.got = b"".join(chunks)
        return head, self.got[len(head) + 4:]

    def send(self, data):
        self.socket.sendall(data)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def hold(self):
        """Keeps the connection, and reads nothing from it, until the test is over."""
        self.wire.over.wait(PATIENCE)


def answer_bytes(status, body=b"", **headers):
    body = body.encode() if isinstance(body, str) else body
    headers = {"Content_Length": len(body), **headers}
    lines = ["HTTP/1.1 %d x" % status]
    lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def saying(status, body=b"", **headers):
    """Answers a whole request."""
    def behave(peer):
        peer.request()
        peer.send(answer_bytes(status, body, **headers))
    return behave


def error(words):
    return '{"errors":[{"detail":"%s"}]}' % words


def memory_file(content, seals=SEALS):
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


class Act:
    """What the worker says of one errand at the API; never the token."""

    def __init__(self, fields, progress):
        self.answer = Answer(fields)
        self.progress = progress
        self.refusal = self.answer.refusal
        self.fields = fields
        for value in fields.values():
            assert traces(value, TOKEN) == []

    def text(self, name):
        return self.fields[name].decode() if name in self.fields else None

    def number(self, name):
        return self.answer.number(name) if name in self.fields else None

    @property
    def result(self):
        """`refused network` where there is no outcome: it was surely not done."""
        if self.refusal != "none":
            return "refused " + self.refusal
        outcome, code = OUTCOME[self.number("OUTCOME")], REFUSAL[self.number("CODE")]
        return outcome if code == "none" else "%s %s" % (outcome, code)

    @property
    def hint(self):
        return HINT[self.number("HINT")]

    @property
    def detail(self):
        return self.text("DETAIL")

    def finds(self):
        names = [name for name in self.fields if name.startswith("FOUND")]
        return [decode(self.fields[tag]) for tag in names]

    def __repr__(self):
        return "<%s %r>" % (self.result, self.fields)


def finish(worker):
    """The frames up to the answer, after which the worker ends in order."""
    progress = []
    while True:
        kind, fields = worker.receive()
        assert kind in ("p", "a"), "the worker ended without an answer: " + worker.stderr()
        if kind == "a":
            break
        progress.append(tuple(struct.unpack("<Q", fields[name])[0] for name in ("DONE", "TOTAL")))
    assert worker.receive() == (None, {})
    assert worker.wait() == 0 and worker.stderr() == ""
    return Act(fields, progress)


def task(errand, url, **fields):
    needed = {"URL": url, "ERRAND": ERRAND[errand], "TOKEN": TOKEN, "CRATE": "demo"}
    if errand in ("PUBLISH", "YANK", "UNYANK"):
        needed["VERSION"] = "1.0.0"
    if errand in ("OWNERS_ADD", "OWNERS_REMOVE"):
        needed["USERS"] = "someone"
    needed.update(fields)
    return {name: value for name, value in needed.items() if value is not None}


METADATA = b'{"name":"demo","vers":"1.0.0","deps":[]}'
CRATE = b"\x1f\x8b not much of a crate"


@contextlib.contextmanager
def files(metadata=METADATA, crate=CRATE, seals=SEALS):
    fds = [memory_file(metadata, seals), memory_file(crate, seals)]
    try:
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def act(errand, url, fds=(), **fields):
    with contextlib.ExitStack() as stack:
        if errand == "PUBLISH" and not fds:
            fds = stack.enter_context(files())
        worker = stack.enter_context(Worker("net"))
        worker.start(task(errand, url, **fields), fds)
        return finish(worker)


def act_at(behave, errand, tls=None, fds=(), **fields):
    """One errand at a server that behaves so; with what it got."""
    with Wire(behave, tls) as wire:
        return act(errand, wire.url, fds, **fields), wire
