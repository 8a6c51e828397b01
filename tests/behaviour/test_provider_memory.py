"""What cargo-credential-cpub leaves behind and shows to others: nothing."""

import contextlib
import ctypes
import os
import resource
import threading
import time

import pytest

from provider_play import (  # noqa: F401 - the fixtures are found by name
    GREETING, LINE_MAX, OK, PATIENCE, REQUEST, TOKEN, needs_root, place, provider, read_line,
    run, start_agent, well_behaved,
)

PR_CAPBSET_DROP = 24
CAP_IPC_LOCK = 14


def memory_of(pid):
    """Each readable mapping's bytes; the address sanitizer's huge ones are left out."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        rows = [line.split() for line in maps]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for row in rows:
            start, end = (int(number, 16) for number in row[0].split("-"))
            if "r" not in row[1] or end - start > 64 << 20 or row[-1] in ("[vvar]", "[vsyscall]"):
                continue
            memory.seek(start)
            with contextlib.suppress(OSError):
                yield memory.read(end - start)


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def copies(pid, needle):
    return sum(piece.count(needle) for piece in memory_of(pid))


@needs_root  # Nobody else may look: the program is not dumpable.
def test_no_copy_of_a_line_stays_in_memory(place, start_agent):
    asked = threading.Event()
    go_on = threading.Event()

    def script(agent, connection):
        connection.greet()
        connection.line()
        asked.set()
        assert go_on.wait(PATIENCE)
        connection.answer(OK.replace(b'"T"', b'"%s"' % TOKEN[::-1]))
        connection.is_left()

    start_agent(script)
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        process.stdin.write(b'{"kind":"login","token":"%s"}\n' % TOKEN)
        assert asked.wait(PATIENCE)
        assert copies(process.pid, TOKEN) == 1
        go_on.set()
        assert TOKEN[::-1] in read_line(process.stdout)
        # It wipes after the write that we have just read.
        deadline = time.monotonic() + PATIENCE
        while copies(process.pid, TOKEN) + copies(process.pid, TOKEN[::-1]) > 0:
            assert time.monotonic() < deadline, "a token stays in memory"


def test_lines_lie_in_locked_memory_that_no_core_holds(place, start_agent):
    start_agent(well_behaved)
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        try:
            with open(f"/proc/{process.pid}/smaps", encoding="ascii") as smaps:
                flags = [line.split()[1:] for line in smaps if line.startswith("VmFlags:")]
        except PermissionError:
            pytest.skip("only root may look at the mappings of a program that is not dumpable")
        assert any({"lo", "dd", "dc"} <= set(row) for row in flags)


def test_program_is_closed_to_others(place):
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        status = status_of(process.pid)
        assert status["NoNewPrivs"] == "1"
        assert status["Umask"] == "0077"
        if os.geteuid() != 0:
            with pytest.raises(PermissionError):
                open(f"/proc/{process.pid}/mem", "rb").close()


def test_small_limit_on_locked_memory_is_no_obstacle(place, start_agent):
    start_agent(well_behaved)
    libc = ctypes.CDLL(None)

    def limit():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        libc.prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0)  # It frees root from the limit.

    with provider(place, preexec_fn=limit) as process:
        assert read_line(process.stdout) == GREETING
        assert status_of(process.pid)["VmLck"].split() == ["0", "kB"]
        process.stdin.write(REQUEST)
        assert read_line(process.stdout) == OK


def test_no_byte_of_a_line_goes_to_standard_error(place, start_agent):
    """Whatever goes wrong; run() checks that standard error is empty."""
    request = b'{"kind":"login","token":"%s"}\n' % TOKEN

    def script(agent, connection):
        connection.greet()
        connection.line()
        connection.answer(b"garbage %s\n" % TOKEN)

    start_agent(script)
    lines = run(place, request)
    assert TOKEN not in b"".join(lines)
    assert TOKEN not in b"".join(run(place, b"x" * LINE_MAX + TOKEN))
