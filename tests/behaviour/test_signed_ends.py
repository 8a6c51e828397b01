"""
An act of the agent's own ends before its request has left: while the registry is asked for its
time, or while worker-sign works. Then nothing was done, and that is what is written down.
"""

import json
import os
import signal

import pytest

from crate import pack
from desk import PASSPHRASE
from play import lent_pty
from procfs import descriptors
from scan import children, needs_root
from signed_play import APPROVE, Held, Signer, SigningRegistry, outcome, signer
from test_signed_workers import SOON, signing_is_held, tree, workshop

__all__ = ["signer", "tree", "workshop"]  # Fixtures.


def yank(signer, *versions: str) -> dict:
    return signer.request("yank", releases=[{"name": signer.crate_name, "vers": version}
                                            for version in versions or ["0.1.0"]])


class AskingForTheTime:
    """The API is asked for its time, and does not tell."""

    def __init__(self, signer, _tree):
        self.rule = signer.registry.inject("GET /$", times=None, hang=True)

    def is_begun(self) -> None:
        assert self.rule.reached.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.rule.release()


STAGES = pytest.mark.parametrize("stage", [AskingForTheTime, signing_is_held])


@pytest.fixture
def ready(signer):
    signer.crate("0.1.0", "0.2.0")
    signer.log_in()
    return signer


def decisions(signer) -> list[tuple[str, str | None]]:
    return [(told["decision"], told.get("refusal")) for told in signer.desk.audit()
            if told["op"] == "yank" and told.get("account") == signer.account]


def nothing_was_done(signer, why: str) -> None:
    assert decisions(signer) == [("begun", None), ("refused", why)]
    assert signer.requests("DELETE ") == [] and signer.verifier.admitted == []


@STAGES
def test_lock_ends_an_act_that_is_not_signed_yet(ready, tree, stage):
    with stage(ready, tree) as step, Held(ready.desk, yank(ready)) as held:
        held.terminal.answers(APPROVE, PASSPHRASE)
        step.is_begun()
        ready.desk.succeed("lock")
        assert outcome(held.ends()) == ("err", "locked")
    nothing_was_done(ready, "locked")


@needs_root
@STAGES
def test_who_leaves_before_the_act_is_signed_has_the_terminal_back_at_once(ready, tree, stage):
    pid = ready.desk.pid()
    with stage(ready, tree) as step, Held(ready.desk, yank(ready)) as held:
        held.terminal.answers(APPROVE, PASSPHRASE)
        step.is_begun()
        assert terminals(pid)
        held.line.close()
        ready.desk.wait(lambda: not terminals(pid) and not children(pid, "worker-sign")
                        and not children(pid, "worker-net"), "the act to end", 1)
    nothing_was_done(ready, "denied")


def terminals(pid: int) -> list[str]:
    return [what for what in descriptors(pid).values() if what.startswith("/dev/pts/")]


@STAGES
def test_agent_that_ends_before_the_act_is_signed_says_that_it_was_not_done(
        tree, desk, tmp_path, certificate, stage):
    desk.program, desk.daemon = tree.bin / "cpub-agent", tree.libexec / "cpub-agentd"
    with SigningRegistry(tmp_path / "registry", certificate) as registry:
        desk.start()
        desk.init()
        signer = Signer(desk, registry, registry.verifier)
        signer.log_in()
        with stage(signer, tree) as step, Held(desk, yank(signer)) as held:
            held.terminal.answers(APPROVE, PASSPHRASE)
            step.is_begun()
            desk.agent.send_signal(signal.SIGTERM)
            assert desk.agent.wait(SOON) == 0
            desk.agent = None
        nothing_was_done(signer, "locked")


@needs_root
def test_who_leaves_once_the_act_is_on_its_way_has_the_terminal_back_at_once(ready):
    pid = ready.desk.pid()
    rule = ready.registry.inject("DELETE ", hang=True, done=True)
    with Held(ready.desk, yank(ready)) as held:
        held.terminal.answers(APPROVE, PASSPHRASE)
        assert rule.reached.wait(10)
        held.line.close()
        ready.desk.wait(lambda: not terminals(pid), "the terminal to be given back", 1)
        assert decisions(ready) == [("begun", None)]
        rule.release()
        ready.desk.wait(lambda: len(decisions(ready)) == 2, "what came of it")
    assert decisions(ready)[-1] == ("done", None)


def test_release_behind_a_lock_is_not_signed_any_more(ready):
    rule = ready.registry.inject("DELETE ", hang=True, done=True)
    with Held(ready.desk, yank(ready, "0.1.0", "0.2.0")) as held:
        held.terminal.answers(APPROVE, PASSPHRASE)
        assert rule.reached.wait(10)
        ready.desk.succeed("lock")
        rule.release()
        told = held.ends()["Ok"]["results"]
    assert [one["outcome"] for one in told] == ["done", "refused"] and told[1]["code"] == "locked"
    assert len(ready.requests("DELETE ")) == 1
    assert not ready.registry.crates[ready.crate_name, "0.2.0"].yanked


def test_release_behind_one_whose_client_has_left_is_not_sent_any_more(ready, tree):
    rule = ready.registry.inject("DELETE ", hang=True, done=True)
    with Held(ready.desk, yank(ready, "0.1.0", "0.2.0")) as held:
        held.terminal.answers(APPROVE, PASSPHRASE)
        assert rule.reached.wait(10)
        with signing_is_held(ready, tree) as step:
            rule.release()
            step.is_begun()
            held.line.close()
        ready.desk.wait(lambda: len(decisions(ready)) == 4, "what came of both")
    assert decisions(ready)[1::2] == [("done", None), ("refused", "denied")]
    assert len(ready.requests("DELETE ")) == 1


def test_publish_that_a_lock_stopped_before_it_was_signed_goes_up_when_approved_again(ready, tree):
    def propose(line, terminal, lent=()):
        line.send(ready.request("propose"), lent)
        terminal.answers(APPROVE, PASSPHRASE)
        assert "Ok" in json.loads(line.receive())

    publish = ready.request("publish", name=ready.crate_name, vers="0.3.0")
    path = ready.desk.directory / "held.crate"
    path.write_bytes(pack(ready.crate_name, "0.3.0"))
    file = os.open(path, os.O_RDONLY)
    with lent_pty() as terminal, ready.desk.line() as line:
        assert "Ok" in line.ask(ready.request("seal"), [file])
        propose(line, terminal, [terminal.lent])
        with signing_is_held(ready, tree) as step:
            line.send(publish)
            step.is_begun()
            ready.desk.succeed("lock")
            assert json.loads(line.receive())["Err"]["code"] == "locked"
        ready.desk.unlock()
        propose(line, terminal)
        assert line.ask(publish)["Ok"]["outcome"] == "done"
    os.close(file)
    assert [entry["status"] for entry in ready.requests("PUT ")] == [200]
