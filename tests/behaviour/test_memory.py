"""No secret stays: not in the agent, its workers and clients, and nowhere on disk."""

import base64
import json
import os
import pty
import resource
import select

import pytest

import scan
from crate import write_crate
from desk import PASSPHRASE, PATIENCE, TOKEN, Line, code, publish
from scan import children, disk_traces, memory_size, memory_traces, needs_root, traces
from test_cargo import APPROVE, UNLOCK, publish_demo

pytestmark = [pytest.mark.release, needs_root]  # Scans see the sanitizers' quarantine as well.

SECRETS = (TOKEN, PASSPHRASE)


class Person:
    """A terminal that the test itself lends to the agent, and types on."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.seen = b""

    def sees(self, text: str) -> None:
        while text.encode() not in self.seen:
            assert select.select([self.master], [], [], PATIENCE)[0], self.seen
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen.split(text.encode(), 1)[1]

    def types(self, text: str) -> None:
        os.write(self.master, text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.master)
        os.close(self.slave)


def left_in_agent(desk) -> list[str]:
    """What a scan finds once the agent has gone on: the last answer is wiped after it is sent."""
    pid = desk.pid()
    assert memory_size(pid) > 1 << 20
    return memory_traces(pid, *SECRETS)


def test_search_knows_a_secret_in_every_form():
    secret = "correct-horse-battery-staple-of-some-length"
    for form, name in scan.forms(secret).items():
        assert traces(b"\0\1" + form + b"\0", secret), name
    assert traces(b"eA" + base64.b64encode(b"x" + secret.encode()), secret)
    assert traces(b"....." + secret.encode()[16:], secret), "freed and overwritten in part"
    assert not traces(b"correct-hors" + b"rse-battery", secret[3:])


def test_agent_holds_the_token_only_while_it_answers(ready_desk, registry):
    with Person() as person, Line(ready_desk.socket) as line:
        pid = ready_desk.pid()
        line.send(publish(registry.index), [person.slave])
        person.sees(APPROVE)
        assert left_in_agent(ready_desk) == [], "unlocked and asking, it needs no token yet"
        with scan.Stepped(pid) as agent:
            person.types(PASSPHRASE + "\r")
            agent.run_to(TOKEN)
            found = memory_traces(pid, *SECRETS)
        # The scanner works: here the token has to be.
        assert any("secret 0: whole" in trace for trace in found)
        assert not any("secret 1" in trace for trace in found), "the passphrase has done its work"
        assert TOKEN in line.receive().decode()
        assert left_in_agent(ready_desk) == []


def test_agent_holds_no_secret_after_a_publish_a_lock_and_a_logout(desk, registry):
    """The whole life of a store, each secret given in each way that there is."""
    desk.start()
    terminal = desk.terminal("init", "--store", "vault")
    terminal.answers("New passphrase (^C cancels): ", PASSPHRASE)
    terminal.answers("The same again: ", PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert left_in_agent(desk) == []

    desk.login(registry)  # through a pipe
    assert left_in_agent(desk) == []
    terminal = desk.terminal("login", "--index", registry.index, CARGO_HTTP_CAINFO=registry.ca)
    terminal.answers(APPROVE, PASSPHRASE)  # by a person, whose CA then holds for cargo's login
    terminal.answers("Token for localhost", TOKEN)
    assert terminal.ends() == 0, terminal.seen
    assert left_in_agent(desk) == []
    desk.set_up_cargo(registry)
    done = desk.cargo("login", "--registry", "local", given=TOKEN + "\n")  # in the request
    assert done.returncode != 0 and "terminal" in done.stderr
    assert left_in_agent(desk) == []
    terminal = desk.terminal("cargo", "login", "--registry", "local")  # typed, replacing
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers("Token for localhost", TOKEN)
    assert terminal.ends() == 0, terminal.seen
    assert left_in_agent(desk) == []

    publish_demo(desk)
    assert left_in_agent(desk) == []
    desk.succeed("lock")
    assert left_in_agent(desk) == []
    desk.unlock()
    assert left_in_agent(desk) == []
    desk.succeed("lock")
    folder = write_crate(desk.home / "demo", "demo", "0.2.0")
    terminal = desk.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    terminal.answers(UNLOCK, "not-the-passphrase")
    terminal.answers(UNLOCK, PASSPHRASE)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    assert left_in_agent(desk) == []
    terminal = desk.terminal("logout", "--index", registry.index)
    terminal.answers("Remove? [y/N] ", "y")
    assert terminal.ends() == 0, terminal.seen
    assert left_in_agent(desk) == []


def test_refused_requests_leave_no_secret_in_the_agent(ready_desk, registry):
    """A token that comes with a request which is then not done, whole or in part."""
    login = {"v": 1, "registry": {"index-url": registry.index}, "kind": "login", "token": TOKEN}
    for change, said in (
            ({}, "needs-terminal"),
            ({"v": 2}, "bad-version"),
            ({"kind": "nonsense"}, "operation-not-supported"),
            ({"kind": "get", "operation": "read"}, "ok"),
            ({"args": [TOKEN]}, "argument-unknown"),
            ({"registry": {"index-url": "https://localhost:1/" + "x" * 2000}}, "bad-url")):
        assert code(ready_desk.ask(login | change)) == said, change
        assert left_in_agent(ready_desk) == [], change
    with Line(ready_desk.socket) as line:
        line.send(b'{"v":1,"kind":"login","token":"%s' % TOKEN.encode())
        assert left_in_agent(ready_desk) != [], "the line is not whole: it waits"
    ready_desk.wait(lambda: left_in_agent(ready_desk) == [], "the agent to forget half a line")
    with Line(ready_desk.socket) as line:
        assert code(line.ask(b'{"v":1,"kind":"login","token":"%s"}}\n' % TOKEN.encode())) != "ok"
    assert left_in_agent(ready_desk) == []


def test_worker_that_waits_holds_nothing_and_the_agent_nothing_of_what_is_typed(
        ready_desk, registry):
    with Person() as person, Line(ready_desk.socket) as line:
        line.send(publish(registry.index), [person.slave])
        person.sees(APPROVE)
        pid = ready_desk.pid()
        [worker] = children(pid, "worker-ask")
        assert memory_size(worker) > 1 << 20
        assert memory_traces(worker, *SECRETS) == []
        person.types(PASSPHRASE)  # and no Enter
        ready_desk.wait(lambda: any("secret 1: whole" in trace
                                    for trace in memory_traces(worker, *SECRETS)),
                        "the worker to have read it, which shows that the scan sees it there")
        assert left_in_agent(ready_desk) == []
        person.types("\x03")
        assert code(json.loads(line.receive())) == "denied"
        assert left_in_agent(ready_desk) == []


def test_client_never_holds_a_secret_that_it_passes_on(open_desk, registry):
    """`--with-token` moves it from pipe to pipe; a typed one goes to the worker."""
    secret = open_desk.directory / "secret"
    secret.write_text(TOKEN + "\n")
    hanging = registry.inject("GET /index/config.json", hang=True)
    terminal = open_desk.terminal(
        "/bin/sh", "-c", 'cat "$1" | "$0" login --index "$2" --with-token', open_desk.program,
        secret, registry.index, CARGO_HTTP_CAINFO=registry.ca)
    assert hanging.reached.wait(30)
    [client] = children(terminal.pid, "cpub-agent")
    assert memory_size(client) > 1 << 20
    assert memory_traces(client, TOKEN) == []
    hanging.release()
    assert terminal.ends() == 0, terminal.seen

    open_desk.succeed("lock")
    terminal = open_desk.terminal("unlock")
    terminal.sees(UNLOCK)
    [worker] = children(open_desk.pid(), "worker-ask")
    terminal.send(PASSPHRASE)
    open_desk.wait(lambda: memory_traces(worker, PASSPHRASE) != [], "the worker to have read it")
    assert memory_traces(terminal.pid, PASSPHRASE) == []
    terminal.send("\r")
    assert terminal.ends() == 0, terminal.seen


def test_no_secret_is_written_or_printed(ready_desk, registry):
    printed = [publish_demo(ready_desk).seen]
    ready_desk.succeed("lock")
    ready_desk.unlock()
    for words in (["list"], ["list", "--json"], ["status"], ["status", "--json"], ["-v", "status"]):
        printed.append(ready_desk.succeed(*words))
    terminal = ready_desk.terminal("cargo", "yank", "demo@0.1.0", "--registry", "local")
    terminal.answers(APPROVE, "not-the-passphrase")
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    printed.append(terminal.seen)
    done = ready_desk.cargo("login", "--registry", "local", given=TOKEN + "\n")
    printed += [done.stdout, done.stderr]
    terminal = ready_desk.terminal("logout", "--all")
    terminal.answers("Remove? [y/N] ", "y")
    assert terminal.ends() == 0, terminal.seen
    printed.append(terminal.seen)

    for text in printed:
        assert traces(text, *SECRETS) == []
    places = [ready_desk.vault, ready_desk.state / "audit.jsonl", ready_desk.log,
              ready_desk.cargo_home / "config.toml", ready_desk.home / "demo-0.1.0/target"]
    assert all(path.exists() for path in places)
    assert disk_traces(ready_desk.directory, *SECRETS) == []
    assert disk_traces(ready_desk.directory.parent / "registry", *SECRETS) == []
    # The search works: a file with one in base64 is found.
    (ready_desk.home / "note").write_bytes(base64.b64encode(TOKEN.encode()))
    assert len(disk_traces(ready_desk.directory, *SECRETS)) > 0


def test_no_core_can_be_made_of_agent_and_worker(ready_desk, registry, monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("no core is allowed here in any case: the limit of this shell is 0")
    ready_desk.stop()
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # The agent inherits it.
    try:
        ready_desk.start()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    ready_desk.unlock()
    with Person() as person, Line(ready_desk.socket) as line:
        line.send(publish(registry.index), [person.slave])
        person.sees(APPROVE)
        pid = ready_desk.pid()
        for process in (pid, *children(pid, "worker-ask")):
            assert core_limit(process) == ["0", "0"]
        assert core_limit(os.getpid()) != ["0", "0"]


def core_limit(pid: int) -> list[str]:
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        [row] = [line for line in limits if line.startswith("Max core file size")]
    return row.split()[4:6]
