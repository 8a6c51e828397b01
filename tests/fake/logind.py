"""
logind as python3-dbusmock plays it, and what its own template lacks: inhibitors that can be denied,
and a note of what the agent said of itself in the moment in which one ended. It is told so by files
in its folder: `deny` is there or not; `agent` holds the path of a socket; it writes `released`.
"""

import json
import os
import socket

import dbus
from dbusmock import mockobject
from dbusmock.templates.logind import *  # noqa: F401,F403
from dbusmock.templates.logind import MAIN_IFACE, load as load_theirs
from gi.repository import GLib

FOLDER = None


def load(mock, parameters):
    global FOLDER
    FOLDER = str(parameters["folder"])
    mockobject.inhibitors = []
    load_theirs(mock, parameters)


def state_of_the_agent() -> str:
    try:
        with open(os.path.join(FOLDER, "agent"), encoding="utf-8") as file:
            path = file.read()
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(path)
            stream = line.makefile("rwb", buffering=0)
            stream.readline()
            stream.write(b'{"v":1,"kind":"status"}\n')
            return json.loads(stream.readline())["Ok"]["state"]
    except (OSError, ValueError) as error:
        return str(error)


@dbus.service.method(MAIN_IFACE, in_signature="ssss", out_signature="h")
def Inhibit(_, what, who, why, mode):
    if os.path.exists(os.path.join(FOLDER, "deny")):
        raise dbus.exceptions.DBusException(
            "not for you", name="org.freedesktop.DBus.Error.AccessDenied")
    ours, theirs = os.pipe()
    inhibitor = (what, who, why, mode, dbus.UInt32(0), dbus.UInt32(0))
    mockobject.inhibitors.append(inhibitor)

    def ended(fd, _):
        os.close(fd)
        mockobject.inhibitors.remove(inhibitor)
        with open(os.path.join(FOLDER, "released"), "a", encoding="utf-8") as file:
            file.write(state_of_the_agent() + "\n")
        return False

    GLib.unix_fd_add_full(GLib.PRIORITY_HIGH, ours, GLib.IO_HUP, ended)
    handed_out = dbus.types.UnixFd(theirs)  # A copy, closed when it is sent.
    os.close(theirs)
    return handed_out
