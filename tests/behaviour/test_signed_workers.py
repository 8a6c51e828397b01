"""worker-sign that dies, lies or stalls: ordinary refusals, and nothing goes out unsigned."""

import contextlib
import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

from desk import PASSPHRASE, Desk, code  # noqa: E402
from play import lent_pty  # noqa: E402
from scan import children  # noqa: E402
from signed_play import (  # noqa: E402
    APPROVE, act, key_traces, opened, outcome, paserk, signer,
)
from tree import FAKE, Tree  # noqa: E402

__all__ = ["signer"]  # A fixture.

SIGNER = FAKE.with_name("signer.py")
WRONG = ["crash_before_ready", "crash_after_task", "exit_before_ready", "exit_with_failure",
         "exit_after_task", "answer_before_ready", "answer_twice", "progress_and_no_answer",
         "garbage", "fields_cut", "unknown_refusal", "empty_frame", "oversize",
         "send_a_descriptor", "close_and_stay"]
BAD_TOKENS = ["nothing", "the key itself", "a token of another kind", "another version",
              "a purpose that hides", "a scheme before it", "a line of its own", "a blank",
              "an empty one", "its header alone", "one that is too long"]
BAD_KEYS = ["nothing", "no key", "no public key", "no id", "a public key of another form",
            "an id of another form", "a key that is no text", "a key of another version",
            "a key of another kind", "a public key as the key"]
SIGN_DEADLINE = 10
SOON = 8


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, certificate):
    """As elsewhere, but the programs are copies, so that one may be swapped."""
    folder = tmp_path_factory.mktemp("workshop")
    desk = Desk(folder / "desk")
    tree = Tree(desk.build, folder / "tree")
    desk.program, desk.daemon = tree.bin / "cpub-agent", tree.libexec / "cpub-agentd"
    desk.tree = tree
    with opened(desk, folder, certificate) as both:
        yield both


@pytest.fixture
def tree(workshop):
    tree = workshop[0].tree
    yield tree
    tree.heal("worker-sign")


@pytest.fixture
def ready(signer):
    signer.crate("0.1.0")
    signer.log_in()
    return signer


def lie(tree, behaviour: str) -> None:
    (tree.libexec / "behaviour").write_text(behaviour)
    tree.put("worker-sign", SIGNER)


class SigningHeld:
    """A worker-sign that has its task and answers, well or not, when it is told to."""

    def __init__(self, signer, tree, behaviour: str):
        self.signer, self.tree, self.end = signer, tree, -1
        self.go = tree.libexec / "go"
        os.mkfifo(self.go)
        lie(tree, behaviour)

    def is_begun(self) -> None:
        """Waits for that, and lets the next one be the real one."""
        self.signer.desk.wait(self._is_open, "worker-sign to have its task")
        self.tree.heal("worker-sign")

    def _is_open(self) -> bool:
        try:
            self.end = os.open(self.go, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            assert error.errno == errno.ENXIO
            return False
        return True

    def ends(self) -> None:
        if self.end >= 0:
            os.close(self.end)
        self.end = -1


@contextlib.contextmanager
def signing_is_held(signer, tree, behaviour: str = "a good one, held"):
    held = SigningHeld(signer, tree, behaviour)
    try:
        yield held
    finally:
        held.ends()
        held.go.unlink()


def nothing_goes_out(signer, refusal: str = "worker-failed") -> None:
    """Neither to cargo nor to the registry; and the agent lives on."""
    pid, begin = signer.desk.pid(), time.monotonic()
    answer = signer.get("owners")
    assert code(answer) == refusal and "token" not in answer
    assert refusal in outcome(signer.yank("0.1.0"))
    assert time.monotonic() - begin < SOON
    assert [entry for entry in signer.requests() if entry["token"]] == []
    assert signer.desk.pid() == pid


@pytest.mark.parametrize("behaviour", WRONG)
def test_worker_that_does_wrong_is_a_refusal(ready, tree, behaviour):
    tree.misbehave("worker-sign", behaviour)
    nothing_goes_out(ready)
    tree.heal("worker-sign")
    assert outcome(ready.yank("0.1.0")) == ("done", None)


@pytest.mark.parametrize("behaviour", BAD_TOKENS)
def test_what_is_no_signed_token_goes_nowhere(ready, tree, behaviour):
    lie(tree, behaviour)
    nothing_goes_out(ready)


@pytest.mark.parametrize("behaviour", BAD_TOKENS)
def test_what_is_no_signed_token_is_not_shown_to_an_index(signer, tree, behaviour):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    signer.crate("0.1.0")
    lie(tree, behaviour)
    assert code(signer.get("read")) == "worker-failed"
    nothing_goes_out(signer)


@pytest.mark.parametrize("behaviour", BAD_KEYS)
def test_key_that_is_none_is_not_stored(signer, tree, behaviour):
    lie(tree, behaviour)
    assert code(signer.make()) == "worker-failed"
    assert code(signer.give(paserk(signer.key))) == "worker-failed"
    assert signer.stored() == []


@pytest.mark.parametrize("behaviour", BAD_KEYS)
def test_next_key_that_is_none_is_not_kept(ready, tree, behaviour):
    lie(tree, behaviour)
    assert code(ready.change("rotate")) == "worker-failed"
    assert ready.stored()[0]["next-public"] is None


def test_missing_worker_is_a_refusal(ready, tree):
    tree.remove("worker-sign")
    nothing_goes_out(ready)
    assert code(ready.change("rotate")) == "worker-failed"


def test_worker_that_stalls_is_ended_at_its_deadline_and_others_are_served(ready, tree):
    tree.misbehave("worker-sign", "hang")
    with lent_pty() as terminal, ready.desk.line() as line:
        line.send(ready.request("get", operation="owners", name="demo"), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        ready.desk.wait(lambda: children(ready.desk.pid(), "worker-sign"), "the worker")
        begin = time.monotonic()
        assert len(ready.stored()) == 1 and time.monotonic() - begin < 1
        assert code(json.loads(line.receive())) == "worker-timeout"
        assert SIGN_DEADLINE - 2 < time.monotonic() - begin < SIGN_DEADLINE + SOON
    ready.desk.wait(lambda: not children(ready.desk.pid(), "worker-sign"), "its end", SOON)
    assert [entry for entry in ready.requests() if entry["token"]] == []


@pytest.mark.parametrize("how", ["leave", "lock"])
def test_signing_ends_with_its_request_and_with_a_lock(signer, tree, how):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    tree.misbehave("worker-sign", "hang")
    line = signer.desk.line()
    line.send(signer.request("get", operation="read"))
    signer.desk.wait(lambda: children(signer.desk.pid(), "worker-sign"), "the worker")
    if how == "leave":
        line.close()
    else:
        signer.desk.succeed("lock")
        assert code(json.loads(line.receive())) == "locked"
        line.close()
    signer.desk.wait(lambda: not children(signer.desk.pid(), "worker-sign"), "its end", SOON)


def test_agent_that_is_killed_while_it_signs_loses_nothing(signer, tree):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    lie(tree, "wait for its end")
    desk = signer.desk
    with desk.line() as line:
        line.send(signer.request("get", operation="read"))
        desk.wait(lambda: children(desk.agent.pid, "worker-sign"), "the worker")
        [worker] = children(desk.agent.pid, "worker-sign")
        os.kill(desk.agent.pid, signal.SIGKILL)
        desk.agent.wait()
        assert line.receive() == b""
    desk.wait(lambda: not Path(f"/proc/{worker}").exists(), "the worker to leave", SOON)
    tree.heal("worker-sign")
    desk.start()
    desk.unlock()
    (stored,) = signer.stored()
    assert stored["type"] == "asymmetric"
    assert signer.verifier(signer.token("yank"), act("yank"))
    assert key_traces(desk.vault.read_bytes(), signer.key) == []
