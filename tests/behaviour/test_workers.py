"""What all workers have in common, and worker-kdf."""

import os
import signal
import subprocess

import pytest

from worker_program import FIELD, SOCKET, Worker, ask_worker, encode

pytestmark = pytest.mark.both  # Only the release build has the sandboxes.

NAMES = ["kdf", "ask", "net", "read", "import", "seal", "inspect", "sign", "watch"]
NEED_A_TASK = NAMES[:-1]  # The last one has none but to listen.


@pytest.mark.parametrize("name", NAMES)
def test_worker_started_by_hand_says_one_sentence(name):
    program = os.path.join(
        os.environ["CPUB_BUILD"], "libexec", "cpub-agent", "worker-" + name)
    done = subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert b"by hand" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_worker_whose_descriptor_is_no_socket_says_the_same(name, tmp_path):
    path = tmp_path / "file"
    path.touch()
    fd = os.open(path, os.O_RDWR)
    with Worker(name, inherit=(fd, SOCKET)) as worker:
        assert worker.wait() == 2
        assert "by hand" in worker.stderr()
    os.close(fd)


@pytest.mark.parametrize("name", NAMES)
def test_worker_ends_when_the_core_goes_away(name):
    with Worker(name) as worker:
        assert worker.receive() == ("r", {})
        worker.socket.close()
        assert worker.wait() == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frame", [
    b"t\x01", b"t" + encode({"SALT": b"x"}) * 2, b"x", b"r", b"a" + encode({"REFUSAL": 1}),
    b"t" + encode({"SALT": bytes(128 * 1024)}),
], ids=["cut", "twice", "unknown", "ready", "answer", "oversize"])
def test_worker_gives_no_answer_to_what_is_no_task(name, frame):
    with Worker(name) as worker:
        assert worker.receive() == ("r", {})
        worker.send(frame)
        assert worker.receive() == (None, {})
        assert worker.wait() == 1
        assert worker.stderr().count("\n") == 1


@pytest.mark.parametrize("name", NEED_A_TASK)
def test_worker_with_an_empty_task_refuses(name):
    assert ask_worker(name, {}).refusal == "internal"


@pytest.mark.parametrize("name", NAMES)
def test_worker_closes_what_it_inherits(name):
    reader, writer = os.pipe()
    with Worker(name, inherit=(writer, 20)) as worker:
        os.close(writer)
        assert worker.receive() == ("r", {})
        os.set_blocking(reader, False)
        assert os.read(reader, 1) == b""
    os.close(reader)


@pytest.mark.parametrize("name", NAMES)
def test_worker_ends_at_sigterm_even_if_its_parent_ignored_it(name):
    ignoring = ["/bin/sh", "-c", "trap '' TERM PIPE; exec \"$0\""]
    with Worker(name, through=ignoring) as worker:
        assert worker.receive() == ("r", {})
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait() == -signal.SIGTERM


@pytest.mark.parametrize("name", NAMES)
def test_worker_is_hardened_before_it_is_ready(name):
    with Worker(name) as worker:
        assert worker.receive() == ("r", {})
        assert worker.proc_status()["NoNewPrivs"] == "1"
        # The files of a process that is not dumpable belong to root.
        assert os.stat("/proc/%d/environ" % worker.pid).st_uid == 0
        with open("/proc/%d/limits" % worker.pid, encoding="ascii") as file:
            core = next(line for line in file if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]


PASSPHRASE = b"correct horse"
SALT = bytes(range(16))


def kdf(passphrase=PASSPHRASE, salt=SALT, opslimit=1, memlimit=8192, **how):
    return ask_worker("kdf", {"PASSPHRASE": passphrase, "SALT": salt, "OPSLIMIT": opslimit,
                              "MEMLIMIT": memlimit}, **how)


# Made with libargon2, argon2id_hash_raw with one lane; the workers use libsodium.
@pytest.mark.parametrize("passphrase, salt, opslimit, memlimit, key", [
    (PASSPHRASE, SALT, 1, 8192,
     "3bfa796a86260b73457e1290b51695931a17e266f601d0fb45563e282fb6865b"),
    ("p\u00e4ss w\u00f6rd".encode(), b"\xff" * 16, 3, 1 << 20,
     "5d694adb27b2c85eabc98b10f25fea368cac420ba155ec96560e07c47a4bdcbe"),
])
def test_kdf_derives_the_known_key(passphrase, salt, opslimit, memlimit, key):
    answer = kdf(passphrase, salt, opslimit, memlimit)
    assert answer.refusal == "none"
    assert answer.fields["KEY"].hex() == key
    assert set(answer.fields) == {"KEY"}


@pytest.mark.parametrize("bounds", [
    {"opslimit": 0}, {"opslimit": 11}, {"opslimit": 1 << 32}, {"opslimit": (1 << 64) - 1},
    {"memlimit": 0}, {"memlimit": 8191}, {"memlimit": (1 << 30) + 1},
    {"memlimit": (1 << 64) - 1}, {"salt": b""}, {"salt": SALT[:15]}, {"salt": SALT + b"x"},
], ids=str)
def test_kdf_refuses_parameters_out_of_bounds(bounds):
    answer = kdf(**bounds)
    assert answer.refusal == "store-damaged"
    assert "KEY" not in answer.fields


def test_kdf_takes_the_largest_number_of_passes():
    assert kdf(opslimit=10).refusal == "none"


def test_kdf_refuses_an_empty_passphrase():
    assert kdf(passphrase=b"").refusal == "bad-passphrase"


@pytest.mark.parametrize("absent", ["PASSPHRASE", "SALT", "OPSLIMIT", "MEMLIMIT"])
def test_kdf_refuses_a_task_with_a_hole(absent):
    task = {"PASSPHRASE": PASSPHRASE, "SALT": SALT, "OPSLIMIT": 1, "MEMLIMIT": 8192}
    del task[absent]
    assert ask_worker("kdf", task).refusal == "internal"


def test_kdf_tells_that_memory_is_out():
    with Worker("kdf") as probe:
        if probe.is_sanitized():
            pytest.skip("a sanitizer needs more address space than any limit here")
    limited = ["/bin/sh", "-c", "ulimit -v 200000; exec \"$0\""]
    answer = kdf(memlimit=1 << 30, through=limited)
    assert answer.refusal == "no-memory"


def test_field_numbers_are_each_used_once():
    assert len(set(FIELD.values())) == len(FIELD)
