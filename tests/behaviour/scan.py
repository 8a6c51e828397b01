"""
Looks for a secret where none may be: in the memory of a process, in files, in what was printed.

Not only the whole secret counts. A freed block of the heap loses its first bytes to the
allocator, so pieces from the middle and the end are looked for as well; and so are base64, at
each of its three alignments, and hex.
"""

import base64
import ctypes
import os
import signal
import time
from pathlib import Path

import pytest

from desk import PATIENCE

CHUNK = 1 << 24
PAGE = 4096
PIECE = 12  # bytes: 71 bits of a random secret

# Whoever is not dumpable shows its memory to root alone.
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the agent")


def forms(secret: str) -> dict[bytes, str]:
    """What to look for, each with a name for the message of a failed test."""
    plain = secret.encode()
    found = {plain: "whole"}
    for at in {*range(0, len(plain) - PIECE, PIECE), len(plain) - PIECE}:
        found.setdefault(plain[at:at + PIECE], f"piece at {at}")
    found.setdefault(plain.hex().encode()[:4 * PIECE], "hex")
    found.setdefault(plain.hex().upper().encode()[:4 * PIECE], "HEX")
    for shift in range(3):
        # The characters at both ends are made of neighbours' bits.
        encoded = base64.b64encode(b"\0" * shift + plain)[4:-4]
        found.setdefault(encoded, f"base64 ({shift})")
        found.setdefault(base64.urlsafe_b64encode(b"\0" * shift + plain)[4:-4],
                         f"base64 for URLs ({shift})")
    return found


def traces(bytes_: bytes | str, *secrets: str) -> list[str]:
    """Which forms of the secrets are in there."""
    if isinstance(bytes_, str):
        bytes_ = bytes_.encode(errors="surrogateescape")
    return [f"secret {number}: {name}" for number, secret in enumerate(secrets)
            for form, name in forms(secret).items() if form in bytes_]


def mappings(pid: int):
    """Each readable mapping: start, end, name."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, _, _, _, *name = line.split(None, 5)
        if rights[0] == "r" and name[:1] not in (["[vvar]"], ["[vvar_vclock]"], ["[vsyscall]"]):
            start, end = (int(number, 16) for number in span.split("-"))
            yield start, end, name[0] if name else "anonymous"


def memory(pid: int):
    """Each readable mapping's bytes with its name, in chunks that overlap by a page."""
    fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for start, end, name in mappings(pid):
            while start < end:
                try:
                    some = os.pread(fd, min(CHUNK, end - start), start)
                except OSError:
                    some = b""  # A page of a file that has shrunk.
                if some:
                    yield name, some
                start += CHUNK - PAGE if len(some) == CHUNK else max(len(some), PAGE)
    finally:
        os.close(fd)


def memory_traces(pid: int, *secrets: str) -> list[str]:
    return [f"{name}: {trace}" for name, some in memory(pid) for trace in traces(some, *secrets)]


def memory_size(pid: int) -> int:
    """How much a scan can see: none would be a scan of nothing."""
    return sum(len(some) for _, some in memory(pid))


def disk_traces(directory: Path, *secrets: str) -> list[str]:
    """All regular files below, names included."""
    found = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                found += [f"{path}: {trace}" for trace in
                          traces(path.read_bytes() + os.fsencode(path), *secrets)]
    return found


def children(pid: int, program: str) -> list[int]:
    """The children of a process that run this program."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            before, after = (entry / "stat").read_text().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(after.split()[1]) == pid and before.split("(", 1)[1] == program[:15]:
            found.append(int(entry.name))
    return found


class Stepped:
    """
    A process held still at the moment when it makes a system call with a given secret in the
    call's buffer. For x86-64 and aarch64; all calls must come from one thread.
    """

    SEIZE, SYSCALL, DETACH, INTERRUPT = 0x4206, 24, 17, 0x4207
    TRACESYSGOOD = 1
    ALL = 0x40000000  # __WALL

    def __init__(self, pid: int):
        self.pid = pid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                                     ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long

    def _ask(self, request: int, data: int = 0) -> None:
        if self.libc.ptrace(request, self.pid, None, data) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")

    def __enter__(self):
        self._ask(self.SEIZE, self.TRACESYSGOOD)
        self._ask(self.INTERRUPT)
        self._wait()
        return self

    def _wait(self) -> int:
        until = time.monotonic() + PATIENCE
        while True:
            pid, status = os.waitpid(self.pid, self.ALL | os.WNOHANG)
            if pid:
                break
            assert time.monotonic() < until, "the process made no system call"
            time.sleep(0.0002)
        assert os.WIFSTOPPED(status), "the process that was looked at has ended"
        return status >> 8

    def run_to(self, secret: str) -> None:
        """Goes on until a system call takes the secret."""
        stop = 0
        while True:
            # A signal of its own is handed on; the stops of tracing are not.
            own = stop if 0 < stop < 0x80 and stop != signal.SIGTRAP else 0
            self._ask(self.SYSCALL, own)
            stop = self._wait()
            if stop == signal.SIGTRAP | 0x80 and self._buffer_has(secret.encode()):
                return

    def _buffer_has(self, secret: bytes) -> bool:
        words = Path(f"/proc/{self.pid}/syscall").read_text().split()
        if len(words) < 4 or words[0] == "running" or int(words[3], 16) > CHUNK:
            return False
        fd = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY)
        try:
            return secret in os.pread(fd, int(words[3], 16), int(words[2], 16))
        except (OSError, OverflowError):
            return False
        finally:
            os.close(fd)

    def __exit__(self, *_):
        self._ask(self.DETACH)
