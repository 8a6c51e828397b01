#!/usr/bin/python3 -I
"""
A client that lends what never lets go. `lender.py SOCKET HOW FILE`: FILE is on a file system that
answers neither READ nor FLUSH. Prints the agent's answer, and stays until it is killed.
"""

import array
import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import sys
import threading
import time

STATUS = {"v": 1, "kind": "status"}
IMPORT = {"v": 1, "kind": "import"}
UNLOCK = {"v": 1, "kind": "unlock", "secret-in-pipe": True}
kept = []  # What must not be closed when its function ends.


def held_pipe(path: str) -> int:
    """The read end of a pipe that stays locked: a write into it waits for a page of the file."""
    libc = ctypes.CDLL(None)
    reader, writer = os.pipe()
    os.write(writer, b"x")
    kept.append(mmap.mmap(os.open(path, os.O_RDONLY), 4096, mmap.MAP_PRIVATE))
    page = ctypes.addressof(ctypes.c_char.from_buffer(kept[0]))
    threading.Thread(
        target=lambda: libc.write(writer, ctypes.c_void_p(page), 4096), daemon=True).start()
    # Nothing tells that the kernel has come so far, but where the thread sleeps.
    while not any(place != b"0" and b"futex" not in place for place in wait_places()):
        time.sleep(0.01)
    return reader


def wait_places():
    for task in os.listdir("/proc/self/task"):
        if int(task) != os.getpid():
            with open(f"/proc/self/task/{task}/wchan", "rb") as place:
                yield place.read()


def lingering_socket() -> int:
    """A TCP socket whose close waits an hour for a peer that takes nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    one = socket.create_connection(server.getsockname())
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    one.setblocking(False)
    try:
        while True:
            one.send(b"x" * 65536)
    except BlockingIOError:
        pass
    kept.append(server)
    return one.detach()


def send(agent, request, fd: int) -> None:
    line = json.dumps(request).encode() + b"\n"
    agent.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def give(agent, request, fd: int) -> None:
    """What is closed then is the last of it."""
    send(agent, request, fd)
    os.close(fd)


def unread(agent, fd: int) -> None:
    """Behind a message that closes the connection: the agent never takes it, and ours is gone."""
    pid = int(os.environ["AGENT"])
    os.kill(pid, signal.SIGSTOP)
    while ") T " not in open(f"/proc/{pid}/stat").read():
        time.sleep(0.01)
    send(agent, STATUS, os.open("/", os.O_RDONLY))
    give(agent, STATUS, fd)
    os.kill(pid, signal.SIGCONT)


def main() -> None:
    path, how, file = sys.argv[1:]
    agent = socket.socket(socket.AF_UNIX)
    agent.connect(path)
    stream = agent.makefile("rb")
    stream.readline()
    if how == "file":
        send(agent, STATUS, os.open(file, os.O_RDONLY))
    elif how == "import":
        send(agent, IMPORT, os.open(file, os.O_RDONLY))
    elif how == "pipe":
        give(agent, STATUS, held_pipe(file))
    elif how == "secret-pipe":
        give(agent, UNLOCK, held_pipe(file))
    elif how == "socket":
        send(agent, STATUS, lingering_socket())
    elif how == "unread":
        unread(agent, lingering_socket())
    print(stream.readline().decode(), end="", flush=True)
    signal.pause()


main()
