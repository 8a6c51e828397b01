"""The clients over bad luck of their own: silent input, a home that is not there, a long path."""

import contextlib
import json
import os
import select
import socket
import subprocess
import time

import pytest

from desk import PASSPHRASE, PATIENCE, TOKEN
from play import CRATES_IO, UNLOCK

QUICK = 5


@contextlib.contextmanager
def fed(desk, *words: str, stdin):
    """A client without a terminal whose standard input is ours to write."""
    with subprocess.Popen([desk.program, "--json", *words], env=desk.environment, stdin=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def refused(out: str) -> str:
    return json.loads(out)["error"]["code"]


# Secrets on standard input.

def test_client_takes_the_first_line_although_its_input_stays_open(open_desk):
    open_desk.succeed("lock")
    reader, writer = os.pipe()
    os.write(writer, PASSPHRASE.encode() + b"\n")
    with fed(open_desk, "unlock", "--with-passphrase", stdin=reader) as client:
        os.close(reader)
        out, err = client.communicate(timeout=QUICK)
        assert client.returncode == 0, out + err
    os.close(writer)
    assert open_desk.status()["state"] == "unlocked"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_client_with_a_silent_standard_input_gives_up(open_desk, kind):
    open_desk.succeed("lock")
    reader, writer = os.pipe() if kind == "pipe" else [
        end.detach() for end in socket.socketpair()]
    begin = time.monotonic()
    with fed(open_desk, "--timeout", "2", "unlock", "--with-passphrase", stdin=reader) as client:
        os.close(reader)
        _, err = client.communicate(timeout=QUICK)
        assert client.returncode == 2
        assert "the secret did not come on standard input in time" in err
        assert time.monotonic() - begin > 1.5
    os.close(writer)


def test_client_with_half_a_line_on_standard_input_is_refused_in_time(open_desk):
    open_desk.succeed("lock")
    reader, writer = os.pipe()
    os.write(writer, PASSPHRASE.encode())
    with fed(open_desk, "unlock", "--with-passphrase", stdin=reader) as client:
        os.close(reader)
        out, _ = client.communicate(timeout=PATIENCE)
        assert (client.returncode, refused(out)) == (2, "bad-passphrase")
    os.close(writer)
    assert open_desk.status()["state"] == "locked"
