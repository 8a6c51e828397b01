"""worker-read: the first line of a pipe, or all of it, exactly."""

import contextlib
import fcntl
import os
import struct
import termios
import threading

import pytest

from test_worker_sign import KEY, errand, paserk, pem
from worker_program import Worker, ask_worker

pytestmark = pytest.mark.both  # Only the release build has the sandbox.

KEY_TEXT_MAX = 4096


def read(content, pieces=1, **task):
    """What the worker makes of a pipe that brings this in so many pieces, and then ends."""
    ours, theirs = os.pipe()

    def write():
        with os.fdopen(theirs, "wb", buffering=0) as pipe, contextlib.suppress(BrokenPipeError):
            for n in range(pieces):
                pipe.write(content[n * len(content) // pieces:(n + 1) * len(content) // pieces])
    thread = threading.Thread(target=write)
    thread.start()
    try:
        return ask_worker("read", task, [ours])
    finally:
        os.close(ours)  # A writer that has more than the worker took goes on.
        thread.join()


def waiting(pipe):
    """How many bytes nobody has read."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.parametrize("content, line", [
    (b"token", b"token"), (b"token\n", b"token"), (b"token\r\n", b"token"),
    (b"token\nmore\n", b"token"), (b" to ken \n", b" to ken "), (b"x" * 1024 + b"\r\n", b"x" * 1024)])
def test_line_is_the_first_one_without_its_end(content, line):
    answer = read(content)
    assert answer.refusal == "none" and answer.fields == {"SECRET": line}


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"x" * 1025, b"x" * 1025 + b"\n"])
def test_line_that_is_empty_or_too_long_is_no_token(content):
    answer = read(content)
    assert answer.refusal == "bad-token" and set(answer.fields) == {"REFUSAL"}


@pytest.mark.parametrize("content", [
    b"k", b"key\n", b"key\r\n", b"two\nlines\n", b"\n", b"\0\xff\n\n", pem(KEY),
    b"x" * KEY_TEXT_MAX, b"\n" * KEY_TEXT_MAX])
@pytest.mark.parametrize("pieces", [1, 3])
def test_key_is_all_of_the_pipe_exactly(content, pieces):
    answer = read(content, pieces, SIZE_MAX=KEY_TEXT_MAX)
    assert answer.refusal == "none" and answer.fields == {"SECRET": content}


@pytest.mark.parametrize("content, size_max", [
    (b"", KEY_TEXT_MAX), (b"x" * (KEY_TEXT_MAX + 1), KEY_TEXT_MAX), (b"x" * 60000, KEY_TEXT_MAX),
    (b"four\n", 4), (b"x", 0), (b"", 0)])
def test_key_that_is_empty_or_longer_than_wanted_is_none(content, size_max):
    answer = read(content, SIZE_MAX=size_max)
    assert answer.refusal == "bad-key" and set(answer.fields) == {"REFUSAL"}


@pytest.mark.parametrize("size_max", [KEY_TEXT_MAX + 1, (1 << 64) - 1, b"\0" * 4, b""])
def test_more_than_a_key_has_is_not_read(size_max):
    assert read(b"key", SIZE_MAX=size_max).refusal == "internal"


def test_key_is_not_read_before_the_pipe_ends():
    """Half of a key, in a pipe that whoever holds it does not close, is no key yet."""
    ours, theirs = os.pipe()
    try:
        with Worker("read") as worker:
            worker.start({"SIZE_MAX": KEY_TEXT_MAX}, [ours])
            os.write(theirs, b"half\n")
            while waiting(ours) > 0:
                assert os.path.exists("/proc/%d" % worker.pid)
            os.write(theirs, b"the rest")
            os.close(theirs)
            theirs = None
            answer = worker.answer()
    finally:
        os.close(ours)
        if theirs is not None:
            os.close(theirs)
    assert answer.fields == {"SECRET": b"half\nthe rest"}


@pytest.mark.parametrize("text", [paserk(KEY).encode() + b"\n", pem(KEY)], ids=["paserk", "pem"])
def test_what_is_read_is_a_key_for_the_worker_that_signs(text):
    key = read(text, SIZE_MAX=KEY_TEXT_MAX).fields["SECRET"]
    assert errand("READ_KEY", key).fields["PASERK"].decode() == paserk(KEY)
