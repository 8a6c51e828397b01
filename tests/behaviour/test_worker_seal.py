"""worker-seal: what it copies is what it sums up and seals, whatever the lent file does meanwhile."""

import hashlib
import os
import struct

import pytest

from inspect_play import SEALS, MemoryFile
from worker_program import Worker, ask_worker, encode

pytestmark = pytest.mark.both  # Only the release build has the sandbox.

MIB = 1 << 20


def seal(fd, size_max=64 * MIB):
    with MemoryFile() as to:
        return ask_worker("seal", {"SIZE_MAX": size_max}, [fd, to.fd]), to.content(), to.seals


def seal_file(path, size_max=64 * MIB, flags=os.O_RDONLY):
    fd = os.open(path, flags)
    try:
        return seal(fd, size_max)
    finally:
        os.close(fd)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.crate"
    path.write_bytes(os.urandom(300_000))
    return path


def test_seal_copies_sums_up_and_seals(file):
    answer, content, seals = seal_file(file)
    assert answer.refusal == "none"
    assert content == file.read_bytes()
    assert answer.fields["CHECKSUM"].decode() == hashlib.sha256(content).hexdigest()
    assert answer.number("SIZE") == len(content)
    assert seals == SEALS


def test_seal_tells_first_how_many_bytes_there_are(file):
    fd = os.open(file, os.O_RDONLY)
    with MemoryFile() as to, Worker("seal") as worker:
        worker.start({"SIZE_MAX": MIB}, [fd, to.fd])
        assert worker.answer().refusal == "none"
        assert struct.unpack("<Q", worker.told[0]["TOTAL"])[0] == 300_000
    os.close(fd)


def test_sealed_bytes_cannot_be_changed(file):
    fd = os.open(file, os.O_RDONLY)
    with MemoryFile() as to:
        assert ask_worker("seal", {"SIZE_MAX": MIB}, [fd, to.fd]).refusal == "none"
        for change in (lambda: os.pwrite(to.fd, b"x", 0), lambda: os.ftruncate(to.fd, 1),
                       lambda: os.ftruncate(to.fd, MIB)):
            with pytest.raises(PermissionError):
                change()
        assert to.content() == file.read_bytes()
    os.close(fd)


def test_seal_reads_from_the_start_wherever_the_descriptor_stands(file):
    fd = os.open(file, os.O_RDONLY)
    os.lseek(fd, 1000, os.SEEK_SET)
    assert seal(fd)[1] == file.read_bytes()
    assert os.lseek(fd, 0, os.SEEK_CUR) == 1000
    os.close(fd)


@pytest.mark.parametrize("size_max, refusal", [(300_000, "none"), (299_999, "crate-too-large"),
                                               (0, "crate-too-large")])
def test_seal_takes_so_many_bytes_and_no_more(file, size_max, refusal):
    answer, content, seals = seal_file(file, size_max)
    assert answer.refusal == refusal
    if refusal != "none":
        assert answer.detail == f"it has 300000 bytes; {size_max} are allowed"
        assert (content, seals) == (b"", 0)


@pytest.mark.parametrize("what, detail", [
    ("directory", "it is no regular file"), ("pipe", "it is no regular file"),
    ("device", "it is no regular file"), ("empty", "the file is empty"),
    ("write-only", "the file cannot be read")])
def test_seal_wants_a_file_with_something_in_it(tmp_path, what, detail):
    (tmp_path / "f").write_bytes(b"x" if what == "write-only" else b"")
    fds = {"directory": lambda: [os.open(tmp_path, os.O_RDONLY)], "pipe": os.pipe,
           "device": lambda: [os.open("/dev/zero", os.O_RDONLY)],
           "empty": lambda: [os.open(tmp_path / "f", os.O_RDONLY)],
           "write-only": lambda: [os.open(tmp_path / "f", os.O_WRONLY)]}[what]()
    answer, content, seals = seal(fds[0])
    assert (answer.refusal, answer.detail) == ("crate-invalid", detail)
    assert (content, seals) == (b"", 0)
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("fds", ["none", "one", "sealed", "ordinary"])
def test_seal_wants_an_empty_file_in_memory(file, tmp_path, fds):
    lent, plain = os.open(file, os.O_RDONLY), os.open(tmp_path / "n", os.O_RDWR | os.O_CREAT)
    with MemoryFile(b"") as sealed:
        given = {"none": [], "one": [lent], "sealed": [lent, sealed.fd],
                 "ordinary": [lent, plain]}[fds]
        assert ask_worker("seal", {"SIZE_MAX": MIB}, given).refusal == "internal"
    os.close(lent)
    os.close(plain)


def change_under_way(path, change):
    """Changes the file when the worker has said that it copies, which it does before the end."""
    fd = os.open(path, os.O_RDONLY)
    with MemoryFile() as to, Worker("seal") as worker:
        assert worker.receive() == ("r", {})
        worker.send(b"t" + encode({"SIZE_MAX": 4096 * MIB}), [fd, to.fd])
        kind, fields = worker.receive()  # How many bytes there are.
        assert kind == "p" and "TOTAL" in fields
        assert worker.receive() == ("p", {})  # It copies.
        change(path)
        kind = "p"
        while kind == "p":
            kind, fields = worker.receive()
        assert (kind, worker.wait()) == ("a", 0)
    os.close(fd)
    return fields


@pytest.mark.release  # Many bytes: long under a sanitizer.
@pytest.mark.parametrize("how", ["grows", "shrinks"])
def test_seal_refuses_a_file_that_changes_its_size_under_it(tmp_path, how):
    path = tmp_path / "x.crate"
    with open(path, "wb") as file:
        file.truncate(128 * MIB)
    size = 129 * MIB if how == "grows" else 1
    fields = change_under_way(path, lambda p: os.truncate(p, size))
    assert fields["DETAIL"].decode() == (
        "the file grew while it was read" if how == "grows" else "the file shrank while it was read")


@pytest.mark.release
def test_seal_needs_little_memory_for_a_large_file(tmp_path):
    path, peak = tmp_path / "x.crate", 0
    with open(path, "wb") as file:
        file.truncate(200 * MIB)
    fd = os.open(path, os.O_RDONLY)
    with MemoryFile() as to, Worker("seal") as worker:
        worker.start({"SIZE_MAX": 256 * MIB}, [fd, to.fd])
        kind, _ = worker.receive()
        while kind == "p":
            peak = int(worker.proc_status()["VmHWM"].split()[0])
            kind, _ = worker.receive()
        assert (kind, worker.wait()) == ("a", 0)
    os.close(fd)
    assert 0 < peak < 8 * 1024
