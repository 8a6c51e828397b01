"""
A private key is in no process that has no business with it: not in cargo, the provider and the
client, not in the workers that talk to others, and in the agent only while it hands it on.
"""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

from crate import write_crate  # noqa: E402
from desk import PASSPHRASE, PATIENCE, code  # noqa: E402
from play import lent_pty, provider  # noqa: E402
from scan import children, memory, memory_size, needs_root  # noqa: E402
from signed_play import (  # noqa: E402
    APPROVE, Signer, SigningRegistry, act, key_traces, new_key, outcome, paserk, pem, pipe, public,
    scalar, signer, workshop,
)
from tree import FAKE, Tree  # noqa: E402

__all__ = ["signer", "workshop"]  # Fixtures.

pytestmark = [pytest.mark.release, needs_root]  # Scans see the sanitizers' quarantine as well.


def found(pid: int, signer) -> list[str]:
    """Traces of the key, in a process of which something can be seen at all."""
    assert memory_size(pid) > 1 << 16
    return [f"{name}: {trace}" for name, some in memory(pid)
            for trace in key_traces(some, signer.key)]


def left_in_agent(signer) -> list[str]:
    """Once it has gone on: what has passed is wiped behind the answer."""
    return found(signer.desk.pid(), signer)


@pytest.fixture
def closed(signer):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    signer.desk.set_up_cargo(signer.registry, "--account", signer.account)
    return signer


def test_search_finds_a_key_in_another_process():
    key = new_key()
    program = "import sys; key = bytes.fromhex(sys.stdin.readline()); print(flush=True); input()"
    with subprocess.Popen(["/usr/bin/python3", "-c", program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        process.stdin.write(scalar(key).hex() + "\n")
        process.stdin.flush()
        process.stdout.readline()
        traces = [trace for _, some in memory(process.pid) for trace in key_traces(some, key)]
        process.stdin.close()
    assert "bytes at 0" in traces and "hex at 0" in traces


def test_agent_holds_no_key_once_it_has_answered(signer):
    signer.registry.announce(auth_required=True)
    assert code(signer.give(paserk(signer.key))) == "key-unknown"
    assert left_in_agent(signer) == []
    signer.log_in()  # through a pipe
    assert left_in_agent(signer) == []
    for operation in ("read", "publish", "yank", "owners"):
        assert signer.token(operation)
        assert left_in_agent(signer) == [], operation
    assert outcome(signer.yank("0.1.0"))[0] != "done"  # There is no such crate.
    assert left_in_agent(signer) == []
    assert code(signer.change("rotate")) == code(signer.change("cancel")) == "ok"
    assert left_in_agent(signer) == []
    signer.desk.succeed("lock")
    assert left_in_agent(signer) == []
    signer.desk.unlock()
    assert signer.token("yank") and left_in_agent(signer) == []
    assert code(signer.ask(signer.request("logout")).answer) == "ok"
    assert left_in_agent(signer) == []


def test_key_is_in_worker_sign_alone_while_that_signs(desk, tmp_path, certificate):
    """A signer that keeps still: the key is there by now, and the agent has it no more."""
    tree = Tree(desk.build, tmp_path / "tree")
    desk.daemon = tree.libexec / "cpub-agentd"
    with SigningRegistry(tmp_path / "registry", certificate) as registry:
        desk.start()
        desk.init()
        signer = Signer(desk, registry, registry.verifier)
        registry.announce(auth_required=True)
        signer.log_in()
        (tree.libexec / "behaviour").write_text("wait for its end")
        tree.put("worker-sign", FAKE.with_name("signer.py"))
        with desk.line() as line:
            line.send(signer.request("get", operation="read"))
            desk.wait(lambda: children(desk.pid(), "worker-sign"), "the worker")
            [worker] = children(desk.pid(), "worker-sign")
            desk.wait(lambda: found(worker, signer), "it to have its task")
            assert any("text at 0" in trace for trace in found(worker, signer))
            assert left_in_agent(signer) == []
        desk.stop()


def test_agent_that_waits_for_an_answer_holds_no_key(signer):
    signer.log_in()
    with lent_pty() as terminal, signer.desk.line() as line:
        line.send(signer.request("get", operation="yank", **{
            "name": "demo", "vers": "0.1.0"}), [terminal.lent])
        terminal.sees(APPROVE)
        assert left_in_agent(signer) == []
        [worker] = children(signer.desk.pid(), "worker-ask")
        assert found(worker, signer) == []


def test_key_that_is_refused_leaves_nothing(signer):
    for change in (lambda key: key + "x", lambda key: key + "\n\n", lambda key: "k4" + key[2:]):
        assert code(signer.give(change(paserk(signer.key)))) == "bad-key"
        assert left_in_agent(signer) == []


def the_worker(desk) -> int:
    """The worker-net that is at work; one before it may have ended and not be reaped yet."""
    def workers() -> list[int]:
        return children(desk.pid(), "worker-net")
    desk.wait(lambda: len(workers()) == 1, "the worker-nets before to be reaped")
    return workers()[0]


def test_cargo_provider_and_registrys_worker_never_hold_the_key(closed):
    """In cargo while it asks, and while it sends; in the client of an act of our own."""
    base = closed.crate("0.1.0")
    folder = write_crate(closed.desk.home / closed.account, closed.account + "-new",
                         deps={base: "0.1.0"})
    hanging = closed.registry.inject("PUT /api/v1/crates/new", hang=True)
    terminal = closed.desk.terminal("cargo", "publish", "--allow-dirty", "--no-verify",
                                    "--registry", "local", cwd=folder)
    terminal.sees(APPROVE)
    cargo = terminal.pid
    [relay] = children(cargo, "cargo-credential-cpub")
    assert found(relay, closed) == [] and found(cargo, closed) == []
    terminal.types(PASSPHRASE)
    assert hanging.reached.wait(PATIENCE)
    assert any(b"v3.public." in some for _, some in memory(cargo)), "the scan sees what it sends"
    assert found(cargo, closed) == [] and left_in_agent(closed) == []
    hanging.release()
    assert terminal.ends() == 0, terminal.seen


def test_worker_that_sends_holds_the_token_and_no_key(closed):
    name = closed.crate("0.1.0")
    hanging = closed.registry.inject("DELETE ", hang=True)
    terminal = closed.desk.terminal("yank", f"{name}@0.1.0", "--registry", "local",
                                    "--account", closed.account)
    terminal.answers(APPROVE, PASSPHRASE)
    assert hanging.reached.wait(PATIENCE)
    worker = the_worker(closed.desk)
    assert any(b"v3.public." in some for _, some in memory(worker)), "the scan sees what it sends"
    assert found(worker, closed) == found(terminal.pid, closed) == left_in_agent(closed) == []
    hanging.release()
    assert terminal.ends() == 0, terminal.seen
    assert closed.verifier.admitted[-1][0].items() >= act("yank", name=name).items()


def test_relay_holds_no_key_while_it_waits_for_more(closed):
    with provider(closed.desk) as running:
        answer = running.ask(closed.request("get", operation="read"))
        assert code(answer) == "ok"
        [relay] = children(running.process.pid, "cargo-credential-cpub")
        assert found(relay, closed) == [] and left_in_agent(closed) == []


def test_worker_that_tries_the_key_at_the_index_holds_none(signer):
    signer.registry.announce(auth_required=True)
    signer.registry.inject("GET /index/config.json")  # The first look, without a token.
    hanging = signer.registry.inject("GET /index/config.json", hang=True)
    with pipe(paserk(signer.key)) as reader, signer.desk.line() as line:
        line.send(signer.login_request(secret_in_pipe=True), [reader])
        assert hanging.reached.wait(PATIENCE)
        worker = the_worker(signer.desk)
        assert any(b"v3.public." in some for _, some in memory(worker))
        assert found(worker, signer) == [] and children(signer.desk.pid(), "worker-sign") == []
        hanging.release()
        line.receive()


@pytest.mark.parametrize("form", [paserk, lambda key: pem(key).decode()])
def test_client_never_holds_a_key_that_it_passes_on(signer, form):
    """`--with-token` moves it from pipe to pipe."""
    secret = signer.desk.directory / "secret"
    secret.write_text(form(signer.key))
    hanging = signer.registry.inject("GET /index/config.json", hang=True)
    terminal = signer.desk.terminal(
        "/bin/sh", "-c", 'cat "$1" | "$0" login --asymmetric --with-token --index "$2" '
        '--account "$3"', signer.desk.program, secret, signer.registry.index, signer.account,
        CARGO_HTTP_CAINFO=signer.registry.ca)
    assert hanging.reached.wait(PATIENCE)
    [client] = children(terminal.pid, "cpub-agent")
    assert found(client, signer) == []
    hanging.release()
    assert terminal.ends() == 0, terminal.seen
    assert public(signer.key) in terminal.seen and key_traces(terminal.seen, signer.key) == []
    secret.unlink()


def test_key_is_on_no_disk(closed):
    assert closed.token("yank") and code(closed.change("rotate")) == "ok"
    files = [path for path in closed.desk.directory.rglob("*")
             if path.is_file() and not path.is_symlink()]
    assert closed.desk.vault in files and closed.desk.log in files
    assert [path for path in files if key_traces(path.read_bytes(), closed.key)] == []
    (closed.desk.home / "note").write_text(paserk(closed.key))
    assert key_traces((closed.desk.home / "note").read_bytes(), closed.key)
