"""
What passes through cargo-credential-cpub, and what does not when the agent, the
socket's place or cargo is not as it should be.
"""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from provider_play import (  # noqa: F401 - the fixtures are found by name
    GREETING, LINE_MAX, NOBODY, OK, PATIENCE, REQUEST, code, environment, needs_root, place,
    provider, provider_path, read_line, refusal, run, start_agent, well_behaved,
)

# The greeting, the end, and what passes through.


def test_hello_comes_before_anything_is_read(place):
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        assert process.poll() is None
        assert not (place / "cpub-agent" / "agent.sock").exists()


def test_end_of_input_after_hello_ends_it_silently(place, start_agent):
    agent = start_agent(well_behaved)
    assert run(place, b"") == []
    assert agent.n_connections == 0


def test_line_and_answer_pass_unchanged(place, start_agent):
    agent = start_agent(well_behaved)
    odd = b'  { "args" : [ "\\u0061", "b" ],\t"v":1 , "kind":"g\\"et" }\r\n'
    assert run(place, odd) == [OK]
    assert agent.lines == [odd]


def test_line_that_is_not_json_is_the_agents_to_refuse(place, start_agent):
    answer = b'{"Err":{"kind":"other","message":"m","caused-by":[],"code":"bad-request"}}\n'

    def script(agent, connection):
        connection.greet()
        agent.lines.append(connection.line())
        connection.answer(answer)

    agent = start_agent(script)
    assert run(place, b"not json \xff\x00\n") == [answer]
    assert agent.lines == [b"not json \xff\x00\n"]


def test_requests_of_one_process_are_answered_in_order(place, start_agent):
    def script(agent, connection):
        connection.greet()
        while line := connection.line():
            connection.answer(b'{"Ok":{"kind":"%s"}}\n' % line.strip())

    agent = start_agent(script)
    assert run(place, b"one\ntwo\nthree\n") == [
        b'{"Ok":{"kind":"one"}}\n', b'{"Ok":{"kind":"two"}}\n', b'{"Ok":{"kind":"three"}}\n']
    assert agent.n_connections == 1


def test_last_line_without_newline_is_a_request(place, start_agent):
    agent = start_agent(well_behaved)
    assert run(place, REQUEST.rstrip(b"\n")) == [OK]
    assert agent.lines == [REQUEST]


def test_empty_lines_are_ignored(place, start_agent):
    agent = start_agent(well_behaved)
    assert run(place, b"\n\r\n \t\n" + REQUEST + b"\n") == [OK]
    assert agent.lines == [REQUEST]


def test_answer_in_small_pieces_is_put_together(place, start_agent):
    def script(agent, connection):
        for i in range(len(GREETING)):
            connection.answer(GREETING[i:i + 1])
        connection.line()
        for i in range(len(OK)):
            connection.answer(OK[i:i + 1])

    start_agent(script)
    assert run(place, REQUEST) == [OK]


def test_answer_goes_out_while_cargo_keeps_its_input_open(place, start_agent):
    start_agent(well_behaved)
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        process.stdin.write(REQUEST)
        assert read_line(process.stdout) == OK
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read() == b""
        assert process.stderr.read() == b""


# Lines that are too long.


def test_longest_line_passes(place, start_agent):
    agent = start_agent(well_behaved)
    longest = b"x" * (LINE_MAX - 1) + b"\n"
    assert run(place, longest) == [OK]
    assert agent.lines == [longest]


@pytest.mark.parametrize("given", [
    b"x" * LINE_MAX + b"\n", b"x" * LINE_MAX, b"x" * (1 << 20) + b"\n", b"x" * (1 << 20)],
    ids=("one-over", "no-newline", "1-MiB", "1-MiB-no-newline"))
def test_longer_line_is_refused_and_nobody_is_asked(place, start_agent, given):
    agent = start_agent(well_behaved)
    assert code(run(place, given)) == "line-too-long"
    assert agent.n_connections == 0


def test_longer_line_is_refused_while_the_input_stays_open(place):
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        left = memoryview(b"x" * (1 << 20))
        while left:  # All of it is taken: no broken pipe for cargo.
            left = left[os.write(process.stdin.fileno(), left):]
        assert code([read_line(process.stdout)]) == "line-too-long"
        assert process.wait(PATIENCE) == 0


def test_endless_line_takes_no_more_memory(place):
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        with contextlib.suppress(BrokenPipeError):
            for _ in range(64):
                process.stdin.write(b"x" * (1 << 20))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
    with provider(place) as process:
        process.stdin.close()
        _, status, idle = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert usage.ru_maxrss - idle.ru_maxrss < 1024  # KiB


# Agents that misbehave.


def test_agent_that_does_not_greet_is_unreachable(place, start_agent):
    agent = start_agent(lambda agent, connection: connection.is_left())
    began = time.monotonic()
    assert code(run(place, REQUEST)) == "agent-unreachable"
    assert 1.5 < time.monotonic() - began < 10
    assert agent.n_connections == 1


@pytest.mark.parametrize("greeting", [
    b'{"v":[2]}\n', b'{"v":[]}\n', b'{"v":[11]}\n', b'{"v":1}\n', b"SSH-2.0-x\n", b"\n",
    b"x" * 100000, b'{"v":[1]' + b" " * 1000 + b"}\n"], ids=lambda greeting: repr(greeting[:16]))
def test_agent_with_another_greeting_gets_no_request(place, start_agent, greeting):
    def script(agent, connection):
        connection.answer(greeting)
        agent.lines.append(connection.line())

    agent = start_agent(script)
    assert code(run(place, REQUEST)) == "agent-unreachable"
    agent.threads[1].join(PATIENCE)
    assert b"".join(agent.lines) == b""


@pytest.mark.parametrize("greeting", [b'{"v":[1,2]}\n', b'{"v":[2,1],"name":"x"}\n'])
def test_greeting_of_a_later_agent_is_fine(place, start_agent, greeting):
    def script(agent, connection):
        connection.answer(greeting)
        connection.line()
        connection.answer()

    start_agent(script)
    assert run(place, REQUEST) == [OK]


def test_agent_that_closes_at_once_is_tried_twice(place, start_agent):
    agent = start_agent(lambda agent, connection: None)
    assert code(run(place, REQUEST)) == "agent-unreachable"
    assert agent.n_connections == 2


def test_agent_that_was_just_leaving_is_asked_again(place, start_agent):
    def leaving(agent, connection):
        connection.greet()
        connection.line()

    agent = start_agent(leaving, well_behaved)
    assert run(place, REQUEST) == [OK]
    assert agent.lines == [REQUEST]


def test_agent_that_left_between_two_lines_is_asked_again(place, start_agent):
    gone = threading.Event()

    def leaving(agent, connection):
        connection.greet()
        connection.line()
        connection.answer()
        connection.peer.close()
        gone.set()

    agent = start_agent(leaving, well_behaved)
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        process.stdin.write(REQUEST)
        assert read_line(process.stdout) == OK
        assert gone.wait(PATIENCE)
        process.stdin.write(b"second\n")
        assert read_line(process.stdout) == OK
    assert agent.lines == [b"second\n"]


def test_agent_that_dies_twice_is_unreachable(place, start_agent):
    def leaving(agent, connection):
        connection.greet()
        agent.lines.append(connection.line())

    agent = start_agent(leaving)
    error = refusal(run(place, REQUEST))
    assert error["code"] == "agent-unreachable"
    assert "went away" in error["caused-by"][0]
    assert agent.lines == [REQUEST, REQUEST]


def test_agent_that_dies_after_it_worked_is_not_asked_again(place, start_agent):
    """It may have asked a person, who must not be asked twice."""
    def working(agent, connection):
        connection.greet()
        connection.line()
        time.sleep(2.5)

    agent = start_agent(working)
    assert code(run(place, REQUEST)) == "agent-unreachable"
    assert agent.n_connections == 1


def test_agent_that_refuses_without_reading_all_is_heard(place, start_agent):
    answer = b'{"Err":{"kind":"other","message":"busy","caused-by":[],"code":"busy"}}\n'

    def refusing(agent, connection):
        connection.answer(GREETING)
        connection.peer.recv(1)
        connection.answer(answer)

    start_agent(refusing)
    assert run(place, b"x" * 60000 + b"\n") == [answer]


@pytest.mark.parametrize("half", [OK[:1], OK[:20], OK[:-1]])
def test_half_an_answer_never_reaches_cargo(place, start_agent, half):
    def script(agent, connection):
        connection.greet()
        connection.line()
        connection.answer(half)

    agent = start_agent(script)
    assert code(run(place, REQUEST)) == "agent-unreachable"
    assert agent.n_connections == 1


@pytest.mark.parametrize("garbage", [
    b"\n", b"}}\n", b"garbage\n", b"null\n", b'{"Ok":null}\n', b'{"Progress":{}}\n', b"\x00\xff\n",
    b'{"Err":{"kind":"not-found"}\n', b'{"Ok":{"token":"' + b"x" * LINE_MAX + b'"}}\n',
    b"x" * (8 << 20)], ids=lambda garbage: repr(garbage[:32]))
def test_answer_that_is_none_never_reaches_cargo(place, start_agent, garbage):
    def script(agent, connection):
        connection.greet()
        connection.line()
        connection.answer(garbage)
        connection.is_left()

    start_agent(script)
    assert code(run(place, REQUEST)) == "internal"


def test_surplus_answer_is_not_taken_for_the_next_one(place, start_agent):
    said = threading.Event()

    def surplus(agent, connection):
        connection.greet()
        connection.line()
        connection.answer(OK + b'{"Ok":{"kind":"surplus"}}\n')
        said.set()
        connection.is_left()

    start_agent(surplus, well_behaved)
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        process.stdin.write(REQUEST)
        assert read_line(process.stdout) == OK
        assert said.wait(PATIENCE)
        process.stdin.write(REQUEST)
        assert code([read_line(process.stdout)]) == "internal"
        process.stdin.write(REQUEST)
        assert read_line(process.stdout) == OK


def test_agent_is_left_when_cargo_is_gone(place, start_agent):
    asked = threading.Event()
    left = threading.Event()

    def silent(agent, connection):
        connection.greet()
        connection.line()
        asked.set()
        if connection.is_left():
            left.set()

    start_agent(silent)
    with provider(place) as process:
        assert read_line(process.stdout) == GREETING
        process.stdin.write(REQUEST)
        assert asked.wait(PATIENCE)
        process.stdout.close()
        assert left.wait(PATIENCE)
        assert process.wait(PATIENCE) >= 0  # Not by SIGPIPE.


def test_cargo_gone_before_the_hello_is_no_signal(place):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = subprocess.Popen(
        [provider_path(), "--cargo-plugin"], stdin=subprocess.DEVNULL, stdout=write_end,
        env=environment(place))
    os.close(write_end)
    assert process.wait(PATIENCE) >= 0


# Where the socket is.


def loosen(place):
    os.chmod(place / "cpub-agent", 0o750)


def link(place):
    os.rename(place / "cpub-agent", place / "elsewhere")
    os.symlink(place / "elsewhere", place / "cpub-agent")


def give_away(place):
    os.chown(place / "cpub-agent", NOBODY, NOBODY)


def replace_by_file(place):
    os.rmdir(place / "cpub-agent")
    (place / "cpub-agent").touch()


@pytest.mark.parametrize("spoil", [
    loosen, link, pytest.param(give_away, marks=needs_root), replace_by_file])
def test_unsafe_directory_is_refused(place, start_agent, spoil):
    agent = start_agent(well_behaved)
    if spoil is replace_by_file:
        os.unlink(place / "cpub-agent" / "agent.sock")
    spoil(place)
    error = refusal(run(place, REQUEST))
    assert error["code"] == "socket-unsafe"
    assert any(str(place / "cpub-agent") in cause for cause in error["caused-by"])
    assert agent.n_connections == 0


def test_odd_bytes_of_a_path_do_not_break_the_answer(place):
    directory = os.fsencode(place) + b'/q"\\\n\xff'
    os.mkdir(directory)
    os.mkdir(directory + b"/cpub-agent")
    os.chmod(directory + b"/cpub-agent", 0o777)
    env = {b"XDG_RUNTIME_DIR": directory}
    assert code(run(place, REQUEST, env=env)) == "socket-unsafe"


@needs_root
def test_socket_of_another_user_gets_no_byte(place):
    read_end, write_end = os.pipe()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(place / "cpub-agent" / "agent.sock"))
    child = os.fork()
    if child == 0:
        # Nothing may escape: this is a copy of the whole test run.
        try:
            # Who calls listen(2) is whom the kernel names.
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            server.listen(4)
            os.write(write_end, b"ready")
            got = b""
            peer, _ = server.accept()
            with contextlib.suppress(OSError):
                peer.sendall(GREETING)
                got = peer.recv(100)
            os.write(write_end, b"got:" + got)
        finally:
            os._exit(0)
    os.close(write_end)
    try:
        assert os.read(read_end, 5) == b"ready"
        assert code(run(place, REQUEST)) == "agent-foreign"
        assert os.read(read_end, 100) == b"got:"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read_end)
        server.close()


@pytest.mark.parametrize("env", [
    {}, {"HOME": "relative"}, {"XDG_RUNTIME_DIR": "/nonexistent"}, {"CPUB_AGENT_SOCK": "relative"},
    {"CPUB_AGENT_SOCK": "/nonexistent/agent.sock"}])
def test_no_usable_place_is_unreachable(place, env):
    error = refusal(run(place, REQUEST, env=env or {"LANG": "C"}))
    assert error["code"] == "agent-unreachable"
    assert error["caused-by"]


def test_named_socket_is_used(place, start_agent):
    agent = start_agent(well_behaved)
    env = {"CPUB_AGENT_SOCK": str(place / "cpub-agent" / "agent.sock")}
    assert run(place, REQUEST, env=env) == [OK]
    assert agent.lines == [REQUEST]


# By hand.


def by_hand(*arguments):
    return subprocess.run(
        [provider_path(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE, env={}, check=False)


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_help_names_the_command_that_sets_cargo_up(arguments):
    result = by_hand(*arguments)
    assert result.returncode == 0
    assert "    cpub-agent setup cargo\n" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version_is_one_line(option):
    result = by_hand(option)
    assert result.returncode == 0
    name, version = result.stdout.split()
    assert name == "cargo-credential-cpub"
    assert version[0].isdigit()


@pytest.mark.parametrize("arguments", [
    ("get",), ("--cargo-plugin", "--account", "x"), ("--help", "x"), ("",)])
def test_wrong_arguments_are_a_usage_error(arguments):
    result = by_hand(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Usage:" in result.stderr
