#!/usr/bin/python3 -I
"""
A worker-sign that lies well: its frames are in order, what is in them is not. It lies in the place
of the real one in a copy of the tree; the file `behaviour` beside it says how. See worker.py. One
that is held lies when nobody has the FIFO `go` beside it open for writing any more.
"""

import os
import signal
import socket
import struct
import sys

FRAME_MAX = 1 << 18
PASERK, PUBLIC, PID, TOKEN = 22, 23, 24, 57
POINT = "AmDwjlyf8jAV3gm5Z7Kz9xAOcsKslt_Vwp5v-emjFzBHLCtcANzTaVEghTNEMj9PkQ"
KEY = {PASERK: "k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36",
       PUBLIC: "k3.public." + POINT,
       PID: "k3.pid.QB3WNBP-5j-0XQV2MOuvuOcLlJ8uz-pmqtIZus1x3YTu"}


def fields(packed):
    found = {}
    while packed:
        tag, size = struct.unpack_from("<BI", packed)
        found[tag], packed = packed[5:5 + size], packed[5 + size:]
    return found


def token(text):
    return lambda task: {TOKEN: text}


def key(**changes):
    return lambda task: {tag: text for tag, text in
                         (KEY | {globals()[name]: text for name, text in changes.items()}).items()
                         if text is not None}


# Each answers a task; where nothing is asked for that it lies about, it says nothing at all.
LIES = {
    "nothing": lambda task: {},
    "the key itself": lambda task: {TOKEN: task[PASERK]},
    "a token of another kind": token("cioAWordThatIsNoSignature0123456789"),
    "another version": token("v4.public.AAAA"),
    "a purpose that hides": token("v3.local.AAAA"),
    "a scheme before it": token("Bearer v3.public.AAAA"),
    "a line of its own": token("v3.public.AAAA\r\nX-Other: y"),
    "a blank": token("v3.public.AA AA"),
    "an empty one": token(""),
    "a good one, held": token("v3.public.AAAA.AAAA"),
    "its header alone": token("v3.public."),
    "one that is too long": token("v3.public." + "A" * 2900),
    "no key": key(PASERK=None),
    "no public key": key(PUBLIC=None),
    "no id": key(PID=None),
    "a public key of another form": key(PUBLIC="ssh-ed25519 AAAA"),
    "an id of another form": key(PID="k3.sid.AAAA"),
    "a key of another version": key(PASERK=KEY[PASERK].replace("k3", "k4")),
    "a key of another kind": key(PASERK=KEY[PASERK].replace("secret", "local")),
    "a public key as the key": key(PASERK=KEY[PUBLIC]),
    "a key that is no text": key(PUBLIC="k3.public." + POINT[:-2] + "\x1b["),
}


def main():
    signal.alarm(120)  # Nothing that a test forgot stays.
    beside = os.path.dirname(sys.argv[0])
    with open(os.path.join(beside, "behaviour"), encoding="ascii") as file:
        behaviour = file.read().strip()
    agent = socket.socket(fileno=3)
    agent.send(b"r")
    task = fields(agent.recv(FRAME_MAX)[1:])
    if behaviour == "wait for its end":
        agent.recv(1)
        return
    if behaviour.endswith("held"):
        with open(os.path.join(beside, "go"), encoding="ascii") as go:
            go.read()
    answer = b"a"
    for tag, value in LIES[behaviour](task).items():
        value = value.encode() if isinstance(value, str) else value
        answer += struct.pack("<BI", tag, len(value)) + value
    agent.send(answer)


main()
