#!/usr/bin/python3 -I
"""
A worker that misbehaves. It lies in the place of a real one in a copy of the tree; the file
`behaviour` beside it says how. Descriptor 3 is the agent, frames are one type byte and fields.
"""

import os
import signal
import socket
import struct
import sys
import time

FRAME_MAX = 1 << 18
FIELD_REFUSAL = 1
FIELD_KEY = 20
FIELD_SECRET = 37
FIELD_API = 52
FIELD_TOML_KEY = 80
FIELD_WORD = 104
FIELD_FOUND = 128
REFUSAL_MANY = 1 << 40
WORD_SESSION = 1
WORD_UNKNOWN = 99


def field(tag, value):
    return struct.pack("<BI", tag, len(value)) + value


ANSWER = b"a" + field(FIELD_API, b"https://index.example.com")


class Agent:
    def __init__(self):
        self.socket = socket.socket(fileno=3)

    def send(self, frame):
        self.socket.send(frame)

    def take_task(self):
        self.send(b"r")
        self.socket.recv(FRAME_MAX)

    def answer(self, frame):
        self.take_task()
        self.send(frame)


def stay():
    """For ever, whatever is asked politely."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


def progress_for_ever(agent):
    agent.take_task()
    while True:
        agent.send(b"p")
        time.sleep(0.1)


def hang(agent):
    agent.take_task()
    stay()


def answer_and_stay(agent):
    agent.answer(ANSWER)
    stay()


def close_and_stay(agent):
    agent.take_task()
    agent.socket.close()
    stay()


def stop_itself(agent):
    agent.answer(b"z")
    os.kill(os.getpid(), signal.SIGSTOP)


def crash_before_ready(agent):
    os.kill(os.getpid(), signal.SIGSEGV)


def crash_after_task(agent):
    agent.take_task()
    os.kill(os.getpid(), signal.SIGSEGV)


def exit_before_ready(agent):
    pass


def exit_with_failure(agent):
    sys.exit(1)


def exit_after_task(agent):
    agent.take_task()


def answer_before_ready(agent):
    agent.send(ANSWER)


def answer_twice(agent):
    agent.answer(ANSWER)
    agent.send(ANSWER)


def ready_twice(agent):
    agent.answer(b"r")


def progress_before_ready(agent):
    agent.send(b"p")


def progress_after_answer(agent):
    agent.answer(ANSWER)
    agent.send(b"p")


def progress_and_no_answer(agent):
    agent.take_task()
    for _ in range(1000):
        agent.send(b"p")


def send_a_task(agent):
    agent.answer(b"t")


def unknown_type(agent):
    agent.answer(b"z")


def garbage(agent):
    agent.answer(bytes(range(256)))


def fields_cut(agent):
    agent.answer(ANSWER[:-1])


def field_twice(agent):
    agent.answer(ANSWER + ANSWER[1:])


def unknown_refusal(agent):
    agent.answer(b"a" + field(FIELD_REFUSAL, struct.pack("<Q", REFUSAL_MANY)))


def refusal_of_one_byte(agent):
    agent.answer(b"a" + field(FIELD_REFUSAL, b"\1"))


def empty_frame(agent):
    agent.answer(b"")


def oversize(agent):
    agent.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * FRAME_MAX)
    agent.answer(b"a" + field(FIELD_API, b"x" * FRAME_MAX))


def send_a_descriptor(agent):
    agent.take_task()
    socket.send_fds(agent.socket, [ANSWER], [0])


def send_many_descriptors(agent):
    agent.take_task()
    socket.send_fds(agent.socket, [ANSWER], [0] * 20)


def empty_answer(agent):
    agent.answer(b"a")


def long_line(agent):
    agent.answer(b"a" + field(FIELD_SECRET, b"x" * 1025))


def short_key(agent):
    agent.answer(b"a" + field(FIELD_KEY, b"k" * 31))


def long_key(agent):
    agent.answer(b"a" + field(FIELD_KEY, b"k" * 33))


def broken_find(agent):
    agent.answer(b"a" + field(FIELD_FOUND, b"\x50\xff"))


def half_a_find(agent):
    agent.answer(b"a" + field(FIELD_FOUND, field(FIELD_TOML_KEY, b"registry.token")))


# What worker-watch can do wrong.

def word(number):
    return b"p" + field(FIELD_WORD, struct.pack("<Q", number))


def say_done(agent):
    agent.answer(b"d")


def unknown_word(agent):
    agent.answer(word(WORD_UNKNOWN))


def word_of_one_byte(agent):
    agent.answer(b"p" + field(FIELD_WORD, b"\1"))


def word_before_ready(agent):
    agent.send(word(WORD_SESSION))


def lock_and_lock(agent):
    agent.take_task()
    while True:
        agent.send(word(WORD_SESSION))


def main():
    signal.alarm(120)  # Nothing that a test forgot stays.
    with open(os.path.join(os.path.dirname(sys.argv[0]), "behaviour"), encoding="ascii") as file:
        behaviour = globals()[file.read().strip()]
    behaviour(Agent())


main()
