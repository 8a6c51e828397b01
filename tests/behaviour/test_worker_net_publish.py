"""worker-net while it uploads: what may go up, how far it came, and what ends it."""

import fcntl
import os
import threading
import time

import pytest

from wire import (
    CRATE, METADATA, SEALS, Wire, act, act_at, answer_bytes, error, files, finish, memory_file,
    saying, task)
from worker_program import PATIENCE, Worker

pytestmark = pytest.mark.release  # Only this build has the sandbox, and starts quickly.

MIB = 1 << 20
LOST = "unknown outcome-unknown"
TOO_MUCH = error("max upload size is 123")
# More than all buffers on the way take, so that the worker has to wait for a server that does.
LARGE = b"x" * (16 * MIB)


# What may go up.

@pytest.mark.both
def test_body_is_both_files_whole(certificate):
    """Case 56, with files of more than one read, over TLS."""
    metadata = METADATA[:-1] + b',"readme":"' + b"r" * 100000 + b'"}'
    crate = os.urandom(3 * MIB + 7)
    with files(metadata, crate) as fds:
        got, wire = act_at(saying(200, "{}"), "PUBLISH", certificate, fds,
                           CA_PEM=certificate.ca.read_bytes())
    assert got.result == "done"
    head, _, body = wire.got.partition(b"\r\n\r\n")
    size = len(metadata).to_bytes(4, "little"), len(crate).to_bytes(4, "little")
    assert body == size[0] + metadata + size[1] + crate
    assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"
    assert b"Expect" not in head and b"Encoding" not in head
    done = [done for done, _ in got.progress]
    assert {total for _, total in got.progress} == {len(body)}
    assert done == sorted(done) and done[-1] == len(body)


def test_place_in_a_file_does_not_matter():
    with files() as fds:
        os.lseek(fds[1], 5, os.SEEK_SET)
        got, wire = act_at(saying(200, "{}"), "PUBLISH", fds=fds)
        assert got.result == "done" and wire.got.endswith(CRATE)
        assert os.lseek(fds[1], 0, os.SEEK_CUR) == 5


@pytest.mark.parametrize("metadata, detail", [
    (METADATA.replace(b"demo", b"dem0"), "the metadata is of another crate or version"),
    (METADATA.replace(b"1.0.0", b"1.0.1"), "the metadata is of another crate or version"),
    (b'{"vers":"1.0.0","name":"demo"}', "the metadata is of another crate or version"),
    (b'{ "name":"demo","vers":"1.0.0","deps":[]}', "the metadata is of another crate or version"),
    (b'{"name":"demo"', "the metadata is of another crate or version"),
    (METADATA[:-1] + b',"name":"other"}', "the metadata is not strict JSON"),
    (METADATA[:-1] + b',"n\\u0061me":"other"}', "the metadata is not strict JSON"),
    (METADATA + b"{}", "the metadata is not strict JSON"),
    (METADATA[:-1], "the metadata is not strict JSON"),
    (METADATA + b" " * MIB, "the metadata is longer than 1024 KiB"),
    (b"", "a file that is to be sent is not sealed, or is empty or too large"),
], ids=["name", "version", "order", "space", "short", "twice", "escaped", "more", "cut", "long",
        "empty"])
def test_metadata_of_something_else_is_sent_nowhere(metadata, detail):
    """It comes from a process that read a stranger's archive."""
    with files(metadata) as fds:
        got, wire = act_at(saying(200, "{}"), "PUBLISH", fds=fds)
    assert (got.result, got.detail) == ("refused crate-invalid", detail)
    assert not wire.peers


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", ["unsealed", "half", "grows", "file", "pipe", "empty"])
def test_file_that_could_still_change_is_sent_nowhere(tmp_path, which, kind):
    content = (METADATA, CRATE)[which]
    if kind == "file":
        (tmp_path / "crate").write_bytes(content)
        odd = os.open(tmp_path / "crate", os.O_RDONLY)
    elif kind == "pipe":
        odd, end = os.pipe()
        os.close(end)
    else:
        seals = {"unsealed": 0, "half": SEALS & ~fcntl.F_SEAL_WRITE,
                 "grows": SEALS & ~fcntl.F_SEAL_GROW, "empty": SEALS}[kind]
        odd = memory_file(b"" if kind == "empty" else content, seals)
    with files() as fds:
        os.dup2(odd, fds[which])
        got, wire = act_at(saying(200, "{}"), "PUBLISH", fds=fds)
    os.close(odd)
    assert got.result == "refused crate-invalid" and not wire.peers


def test_publish_has_exactly_two_files():
    with files() as fds:
        assert act_at(saying(200, "{}"), "PUBLISH", fds=fds[:1])[0].result == "refused internal"


# What ends it.

def closing_early(status, body):
    """As a server that has read enough does in good order: it says so, and waits for the end."""
    def behave(peer):
        peer.head()
        peer.send(answer_bytes(status, body, Connection="close"))
        while peer.receive():
            pass
    return behave


def chunks_early(peer):
    """libcurl stops sending then, and is content."""
    peer.head()
    peer.send(b"HTTP/1.1 200 x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
              b"2\r\n{}\r\n0\r\n\r\n")
    while peer.receive():
        pass


def holding_early(status, body):
    """Reads no more, but keeps the connection."""
    def behave(peer):
        peer.head()
        peer.send(answer_bytes(status, body))
        peer.hold()
    return behave


@pytest.mark.parametrize("behave, result", [
    (closing_early(413, TOO_MUCH), "refused registry-refused"),
    (closing_early(200, TOO_MUCH), "refused registry-refused"), (closing_early(200, "{}"), LOST),
    (chunks_early, LOST),
    (holding_early(403, TOO_MUCH), "refused registry-refused"),
    (holding_early(200, TOO_MUCH), "refused registry-refused"),
    (holding_early(200, "{}"), LOST), (holding_early(500, ""), LOST)],
    ids=["closes", "closes-errors", "closes-success", "chunks", "holds", "errors", "success",
         "trouble"])
def test_answer_before_the_end_of_the_upload(behave, result):
    """A refusal counts; nobody has published what he did not get."""
    with files(crate=LARGE) as fds:
        start = time.monotonic()
        got, wire = act_at(behave, "PUBLISH", fds=fds)
    assert got.result == result
    assert len(wire.got) < len(LARGE) and len(wire.peers) == 1
    assert time.monotonic() - start < 30  # Not when the connection was idle for a minute.


def resetting_early(peer):
    while len(peer.got) < MIB:
        peer.receive()
    peer.reset()


def closing_silently(peer):
    while len(peer.got) < MIB:
        peer.receive()


@pytest.mark.parametrize("behave, fields", [
    (resetting_early, {}), (closing_silently, {}),
    (lambda peer: peer.head() and peer.hold(), {"IDLE_MSEC": 200}),
    (lambda peer: peer.head() and peer.hold(), {"TIMEOUT_MSEC": 400}),
    (lambda peer: peer.request() and peer.reset(), {})],
    ids=["resets", "closes", "idle", "stalls", "no-answer"])
def test_upload_that_breaks_off_leaves_the_outcome_unknown(behave, fields):
    with files(crate=LARGE) as fds:
        got, wire = act_at(behave, "PUBLISH", fds=fds, **fields)
    assert got.result == LOST and len(wire.peers) == 1
    assert got.detail


def test_server_has_time_to_think_and_the_core_hears_of_it():
    """Twice the time without a byte, once all is there; and a frame every two seconds."""
    def thinking(peer):
        peer.request()
        peer.wire.over.wait(2.6)
        peer.send(answer_bytes(200, "{}"))
    with Wire(thinking) as wire:
        got = act("PUBLISH", wire.url, IDLE_MSEC=2000)
    assert got.result == "done"
    total = 8 + len(METADATA) + len(CRATE)
    assert got.progress[-2:] == [(total, total)] * 2


def test_progress_is_told_ten_times_a_second_at_most():
    def slow(peer):
        peer.head()
        while len(peer.got) < len(LARGE) // 2:
            peer.receive(65536)
            peer.wire.over.wait(0.004)
        peer.request()
        peer.send(answer_bytes(200, "{}"))
    with files(crate=LARGE) as fds, Wire(slow) as wire:
        start = time.monotonic()
        got = act("PUBLISH", wire.url, fds)
        seconds = time.monotonic() - start
    assert got.result == "done"
    assert 3 <= len(got.progress) <= 10 * seconds + 3


def test_upload_ends_with_the_core():
    """Nobody is left to hear what became of it: the registry gets half a file, and no more."""
    halfway, gone, sizes = threading.Event(), threading.Event(), []

    def slow(peer):
        while len(peer.got) < MIB:
            peer.receive()
        halfway.set()
        gone.wait(PATIENCE)
        while size := len(peer.socket.recv(MIB)):
            sizes.append(size)
            peer.wire.over.wait(0.02)  # So that there is time to tell how far it came.
    with files(crate=LARGE) as fds, Wire(slow) as wire:
        with Worker("net") as worker:
            worker.start(task("PUBLISH", wire.url), fds)
            assert halfway.wait(PATIENCE)
            worker.socket.close()
            gone.set()
            assert worker.wait() != 0
    assert MIB <= len(wire.got) + sum(sizes) < len(LARGE)


def test_memory_stays_flat_with_a_crate_of_200_mib(certificate):
    def counting(peer):
        head = peer.head()
        left = peer.length() - (len(peer.got) - len(head) - 4)
        while left > 0:
            left -= len(peer.socket.recv(MIB))
        counted.set()
        looked_at.wait(PATIENCE)
        peer.send(answer_bytes(200, "{}"))
    counted, looked_at = threading.Event(), threading.Event()
    fd = memory_file(b"", 0)
    os.truncate(fd, 200 * MIB)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    metadata = memory_file(METADATA)
    with Wire(counting, certificate) as wire, Worker("net") as worker:
        worker.start(task("PUBLISH", wire.url, CA_PEM=certificate.ca.read_bytes(),
                          TIMEOUT_MSEC=60000), [metadata, fd])
        assert counted.wait(PATIENCE)
        assert int(worker.proc_status()["VmHWM"].split()[0]) < 24 * 1024
        looked_at.set()
        assert finish(worker).result == "done"
    os.close(fd)
    os.close(metadata)
