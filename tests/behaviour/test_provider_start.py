"""How cargo-credential-cpub starts an agent where none is: here a script in its place."""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import textwrap
import time

import pytest

from provider_play import (  # noqa: F401 - the fixtures are found by name
    GREETING, OK, REQUEST, TOKEN, code, environment, place, provider, provider_path,
    read_line, refusal, run,
)

SERVE = """\
    server = socket.socket(socket.AF_UNIX)
    path = os.environ["XDG_RUNTIME_DIR"] + "/cpub-agent/agent.sock"
    if os.path.lexists(path):
        os.unlink(path)
    server.bind(path)
    server.listen(1)
    os.write(3, b"R")
    os.close(3)
    peer, _ = server.accept()
    peer.sendall(b'{"v":[1]}\\n')
    while peer.recv(65536):
        peer.sendall(%r)
""" % OK

REPORT = """\
    import json
    descriptors = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptors[name] = os.readlink("/proc/self/fd/" + name)
        except FileNotFoundError:
            pass  # The one that lists them.
    with open("/proc/self/status") as status:
        signals = dict(line.split(":", 1) for line in status if line.startswith("Sig"))
    with open("/proc/self/environ", "rb") as environ:
        variables = sorted(environ.read().decode().rstrip("\\0").split("\\0"))
    report = dict(
        arguments=sys.argv[1:], cwd=os.getcwd(), descriptors=descriptors, pid=os.getpid(),
        parent=os.getppid(), group=os.getpgrp(), session=os.getsid(0), variables=variables,
        blocked=int(signals["SigBlk"], 16), ignored=int(signals["SigIgn"], 16))
    with open(os.path.dirname(sys.argv[0]) + "/report", "w") as file:
        json.dump(report, file)
"""


@pytest.fixture
def tree(tmp_path):
    """An installed tree with our program and room for a daemon."""
    (tmp_path / "tree" / "bin").mkdir(parents=True)
    (tmp_path / "tree" / "libexec" / "cpub-agent").mkdir(parents=True)
    shutil.copy(provider_path(), tmp_path / "tree" / "bin" / "cargo-credential-cpub")
    return tmp_path / "tree"


def program(tree):
    return str(tree / "bin" / "cargo-credential-cpub")


def put_daemon(tree, *parts):
    path = tree / "libexec" / "cpub-agent" / "cpub-agentd"
    start = "    import os, signal, socket, sys, time\n    signal.alarm(30)\n"
    text = "".join(textwrap.dedent(part) for part in (start, *parts))
    path.write_text("#!/usr/bin/python3 -I\n" + text)
    path.chmod(0o755)


def test_agent_is_started_where_none_is(place, tree):
    os.rmdir(place / "cpub-agent")
    put_daemon(tree, SERVE)
    assert run(place, REQUEST + REQUEST, program(tree)) == [OK, OK]
    assert stat.S_IMODE(os.stat(place / "cpub-agent").st_mode) == 0o700


def test_agent_is_started_over_a_stale_socket(place, tree):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(place / "cpub-agent" / "agent.sock"))
    stale.close()
    put_daemon(tree, SERVE)
    assert run(place, REQUEST, program(tree)) == [OK]


def test_started_agent_inherits_nothing(place, tree):
    put_daemon(tree, REPORT, SERVE)
    env = environment(
        place, XDG_STATE_HOME="/s", XDG_DATA_HOME="/d", LANG="C.UTF-8", LC_ALL="C",
        PATH="/evil", LD_LIBRARY_PATH="/evil", CARGO_REGISTRY_TOKEN=TOKEN.decode(),
        CPUB_ASKPASS="/evil", DISPLAY=":0", WAYLAND_DISPLAY="w", XDG_CONFIG_HOME="/c",
        DBUS_SESSION_BUS_ADDRESS="unix:path=/bus", XAUTHORITY="/evil")
    spare = os.open("/etc/passwd", os.O_RDONLY)

    def spoil():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})

    with provider(place, program(tree), env=env, pass_fds=(spare,), preexec_fn=spoil) as process:
        process.stdin.write(REQUEST)
        assert read_line(process.stdout) == GREETING
        assert read_line(process.stdout) == OK
        client = process.pid  # Which leads a session of its own.
    os.close(spare)

    report = json.loads((tree / "libexec" / "cpub-agent" / "report").read_text())
    assert report["arguments"] == ["--ready-fd=3"]
    assert report["cwd"] == "/"
    assert report["variables"] == sorted([
        f"HOME={place}", f"XDG_RUNTIME_DIR={place}", "XDG_STATE_HOME=/s", "XDG_DATA_HOME=/d",
        "LANG=C.UTF-8", "PATH=/usr/bin:/bin", "DISPLAY=:0", "WAYLAND_DISPLAY=w",
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/bus"])
    descriptors = report["descriptors"]
    assert descriptors.pop("3").startswith("pipe:")
    assert descriptors == {"0": "/dev/null", "1": "/dev/null", "2": "/dev/null"}
    assert report["session"] == report["group"]
    assert report["session"] not in (report["pid"], client)
    assert report["blocked"] == 0
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
        assert not report["ignored"] & 1 << number - 1


def test_starting_leaves_the_client_no_child(place, tree):
    put_daemon(tree, SERVE)
    with provider(place, program(tree)) as process:
        process.stdin.write(REQUEST)
        assert read_line(process.stdout) == GREETING
        assert read_line(process.stdout) == OK
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        with open(children, encoding="ascii") as file:
            assert file.read() == ""


@pytest.mark.parametrize("daemon", [
    "    sys.exit(0)\n",
    "    os.write(3, b'R')\n",
    "    os.write(3, b'X')\n    time.sleep(25)\n",
    "    time.sleep(25)\n"], ids=("ends", "does-not-serve", "says-no", "hangs"))
def test_start_that_fails_is_unreachable(place, tree, daemon):
    put_daemon(tree, REPORT, daemon)
    began = time.monotonic()
    error = refusal(run(place, REQUEST, program(tree)))
    assert error["code"] == "agent-unreachable"
    assert error["caused-by"]
    assert time.monotonic() - began < 10
    report = json.loads((tree / "libexec" / "cpub-agent" / "report").read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(report["pid"], signal.SIGKILL)


def test_slow_start_that_serves_without_saying_so_is_used(place, tree):
    put_daemon(tree, SERVE.replace('os.write(3, b"R")', "pass").replace("os.close(3)", "pass"))
    assert run(place, REQUEST, program(tree)) == [OK]


def test_no_agent_is_started_for_a_named_socket(place, tree):
    put_daemon(tree, REPORT, SERVE)
    env = environment(place, CPUB_AGENT_SOCK=str(place / "cpub-agent" / "agent.sock"))
    assert code(run(place, REQUEST, program(tree), env=env)) == "agent-unreachable"
    assert not (tree / "libexec" / "cpub-agent" / "report").exists()


@pytest.mark.skipif(
    any(os.path.exists(p + "/libexec/cpub-agent") for p in ("/usr", "/usr/local")),
    reason="an installed agent would be started")
def test_missing_program_is_unreachable(place, tree):
    error = refusal(run(place, REQUEST, program(tree)))
    assert error["code"] == "agent-unreachable"
    assert "cpub-agentd" in error["caused-by"][0]
