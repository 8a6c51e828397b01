#!/usr/bin/python3 -I
"""
A FUSE file system with one file, `file`, whose READ and FLUSH are never answered: whoever reads or
closes that file waits until this program ends. It says `ready`, then one word for each of the two
that comes. Raw protocol over /dev/fuse (linux/fuse.h, version 7.31); needs root.
"""

import ctypes
import os
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, OPENDIR, RELEASEDIR, ACCESS = (
    1, 2, 3, 14, 15, 18, 25, 26, 27, 29, 34)
INTERRUPT, BATCH_FORGET = 36, 42
SILENT = {FORGET, INTERRUPT, BATCH_FORGET}
STUCK = {READ: "read", FLUSH: "flush"}
ENOENT, ENOSYS = 2, 38
ROOT, FILE = 1, 2
DIRECTORY_MODE, FILE_MODE = 0o40755, 0o100644
SIZE = 1 << 20


def attributes(node: int) -> bytes:
    mode, size = (DIRECTORY_MODE, 0) if node == ROOT else (FILE_MODE, SIZE)
    return struct.pack("<6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode: int, node: int, body: bytes):
    """The answer's body, or a negative errno."""
    if opcode == INIT:
        return struct.pack("<4I2H2I2HI7I", 7, 31, 0, 0, 0, 0, 65536, 1, 0, 0, 0, *[0] * 7)
    if opcode == LOOKUP:
        if body.rstrip(b"\0") != b"file":
            return -ENOENT
        return struct.pack("<4Q2I", FILE, 0, 3600, 3600, 0, 0) + attributes(FILE)
    if opcode == GETATTR:
        return struct.pack("<QII", 3600, 0, 0) + attributes(node)
    if opcode in (OPEN, OPENDIR):
        return struct.pack("<QII", 1, 0, 0)
    if opcode in (RELEASE, RELEASEDIR, ACCESS):
        return b""
    return -ENOSYS


def mount(fd: int, directory: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"hung", directory.encode(), b"fuse", 6, options.encode()) < 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    fd = os.open("/dev/fuse", os.O_RDWR)
    mount(fd, sys.argv[1])
    print("ready", flush=True)
    while True:
        request = os.read(fd, 1 << 18)
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        if opcode in STUCK:
            print(STUCK[opcode], flush=True)
            continue
        if opcode in SILENT:
            continue
        body = answer(opcode, node, request[40:])
        error, body = (body, b"") if isinstance(body, int) else (0, body)
        os.write(fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


main()
