"""
What was sealed and approved on a connection, at the socket: it is for exactly these bytes, this
account and this connection, once, and ends when it has to. And what is told of a publish whose
client, worker, agent or answer is lost.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fake"))

import procfs  # noqa: E402
from crate import metadata, pack  # noqa: E402
from desk import PASSPHRASE, TOKEN, code  # noqa: E402
from play import CRATES_IO  # noqa: E402
from rawclient import Client  # noqa: E402
from test_agent_connections import NEEDS_ROOT  # noqa: E402
from test_agent_workers import tree  # noqa: E402, F401 - a fixture
from test_protocol_text import APPROVE, Paper  # noqa: E402
from tree import Tree  # noqa: E402

pytestmark = pytest.mark.release
NEW = "^PUT /registry/api/v1/crates/new|^PUT .*/crates/new"
GARBAGE = b"\x1f\x8b, and no more of a crate"


class Publisher:
    """One connection, with a terminal of its own at which a person approves."""

    def __init__(self, desk, registry, line):
        self.desk, self.registry, self.line, self.paper = desk, registry, line, Paper()
        self.file = desk.directory / "file.crate"

    def close(self):
        self.paper.close()

    def request(self, kind: str, **members) -> dict:
        return {"v": 1, "kind": kind, "registry": {"index-url": self.registry.index}, **members}

    def lend(self, kind: str, content: bytes, **members) -> dict:
        self.file.write_bytes(content)
        fd = os.open(self.file, os.O_RDONLY)
        try:
            return self.line.ask(self.request(kind, **members), [fd])
        finally:
            os.close(fd)

    def seal(self, name: str = "demo", version: str = "0.1.0", **members) -> dict:
        return self.lend("seal", pack(name, version), **members)

    def propose(self, **members) -> dict:
        self.line.send(self.request("propose", **members), [self.paper.lent])
        self.paper.answer(*APPROVE)
        self.paper.seen = ""
        answer = json.loads(self.line.receive())
        assert answer["Ok"]["approved"], answer
        return answer

    def named(self, kind: str, name: str = "demo", version: str = "0.1.0", **members) -> dict:
        return self.request(kind, name=name, vers=version, **members)

    def publish(self, *which: str) -> dict:
        return self.line.ask(self.named("publish", *which))


@contextlib.contextmanager
def publishing(desk, registry):
    with desk.line() as line:
        publisher = Publisher(desk, registry, line)
        try:
            yield publisher
        finally:
            publisher.close()


@pytest.fixture
def publisher(open_desk, registry):
    open_desk.login(registry)
    with publishing(open_desk, registry) as one:
        yield one


def published(registry) -> dict:
    return {f"{name} {version}": crate for (name, version), crate in registry.crates.items()}


def decisions(desk, op: str) -> list[str]:
    return [entry["decision"] for entry in desk.audit() if entry["op"] == op]


def outcome(answer: dict) -> tuple:
    return answer["Ok"]["outcome"], answer["Ok"]["code"]


# An approval is for what was shown, and for nothing else.

def test_nothing_goes_up_that_was_not_sealed_approved_and_if_announced_verified(
        publisher, registry):
    assert code(publisher.publish()) == "not-sealed"
    assert code(publisher.line.ask(publisher.request("propose"))) == "not-sealed"
    assert code(publisher.lend("verify", pack("demo"))) == "not-sealed"
    publisher.seal()
    assert code(publisher.publish()) == "not-approved"
    assert code(publisher.line.ask(publisher.named("await"))) == "not-approved"
    publisher.propose(verify=True)
    assert code(publisher.publish("demo", "0.2.0")) == "not-sealed"
    assert code(publisher.publish("other")) == "not-sealed"
    assert code(publisher.publish()) == "not-verified"
    assert code(publisher.line.ask(publisher.named("await"))) == "not-approved"
    assert published(registry) == {}
    # Each of them that names a crate is written down.
    assert decisions(publisher.desk, "publish") == ["refused"] * 5
    assert publisher.lend("verify", pack("demo"))["Ok"]["same"]
    assert outcome(publisher.publish()) == ("done", None)
    assert list(published(registry)) == ["demo 0.1.0"]


def test_sealed_bytes_go_up_whatever_becomes_of_the_file(publisher, registry):
    content = pack("demo")
    publisher.seal()
    publisher.file.write_bytes(GARBAGE)
    publisher.propose()
    publisher.file.unlink()
    assert outcome(publisher.publish()) == ("done", None)
    assert published(registry)["demo 0.1.0"].file.read_bytes() == content
    assert not registry.violations


def test_build_that_packages_another_file_ends_the_approval_and_names_what_differs(
        publisher, registry):
    publisher.seal()
    publisher.propose(verify=True)
    answer = publisher.lend("verify", pack("demo", files={"src/lib.rs": "// not that\n", "x": ""}))
    assert code(answer) == "crate-differs"
    assert answer["Err"]["caused-by"] == ["src/lib.rs (changed), x (added)"]
    assert code(publisher.publish()) == "not-approved"
    assert code(publisher.lend("verify", pack("demo"))) == "ok"  # Too late.
    assert code(publisher.publish()) == "not-approved"
    for other in (pack("other"), GARBAGE, pack("demo", "0.2.0")):
        assert code(publisher.lend("verify", other)) == "crate-differs"
    assert "refused" in decisions(publisher.desk, "verify")
    assert published(registry) == {}


@pytest.mark.parametrize("how", ["lock", "seal", "propose", "connection", "login", "logout"])
def test_approval_ends(publisher, registry, how):
    desk = publisher.desk
    publisher.seal()
    publisher.propose()
    refusal = "not-approved"
    with contextlib.ExitStack() as stack:
        if how == "lock":
            desk.succeed("lock")
            desk.unlock()
        elif how == "seal":
            publisher.seal("second")
        elif how == "propose":  # Another question, to which nobody says yes.
            publisher.line.ask(publisher.request("propose", **{"dry-run": True}))
        elif how == "connection":
            publisher = stack.enter_context(publishing(desk, registry))
            refusal = "not-sealed"
        elif how == "login":
            desk.wait(lambda: desk.ask({"v": 1, "kind": "list"})["Ok"]["accounts"][0]["added"]
                      != int(time.time()), "the next second")
            terminal = desk.terminal("login", "--index", registry.index, "--replace",
                                     CARGO_HTTP_CAINFO=str(registry.ca))
            terminal.answers(APPROVE[0], PASSPHRASE)
            terminal.answers("Token", TOKEN)
            assert terminal.ends() == 0, terminal.seen
        elif how == "logout":
            terminal = desk.terminal("logout", "--index", registry.index)
            terminal.answers("Remove? [y/N] ", "y")
            assert terminal.ends() == 0
            refusal = "account-unknown"
        assert code(publisher.publish()) == refusal
    assert published(registry) == {}


def test_one_approval_sends_each_crate_once(publisher, registry):
    publisher.seal()
    publisher.seal("second")
    publisher.propose()
    assert outcome(publisher.publish()) == ("done", None)
    assert code(publisher.publish()) == "release-repeated"
    assert outcome(publisher.publish("second")) == ("done", None)
    assert len(registry.requests(NEW)) == 2
    assert publisher.line.ask(publisher.named("await", "second"))["Ok"]["listed"]


def test_refused_is_not_sent_a_second_time_either(publisher, registry):
    registry.inject(NEW, status=400, body={"errors": [{"detail": "not like that"}]})
    publisher.seal()
    publisher.propose()
    answer = publisher.publish()
    assert outcome(answer) == ("refused", "registry-refused")
    assert answer["Ok"]["detail"] == "not like that"
    assert code(publisher.publish()) == "release-repeated"
    assert len(registry.requests(NEW)) == 1


def test_another_registry_begins_anew(publisher, registry):
    publisher.seal()
    publisher.propose()
    publisher.file.write_bytes(pack("third"))
    fd = os.open(publisher.file, os.O_RDONLY)
    publisher.line.ask({"v": 1, "kind": "seal", "registry": {"index-url": CRATES_IO}}, [fd])
    os.close(fd)
    assert code(publisher.publish()) == "not-sealed"
    assert published(registry) == {}


def test_a_file_that_is_no_crate_for_it_is_not_sealed(publisher):
    def refused(content, **members):
        answer = publisher.lend("seal", content, **members)
        return code(answer), answer["Err"]["caused-by"]

    crate = pack("demo")
    assert refused(GARBAGE)[0] == "crate-invalid"
    assert refused(b"")[0] == "crate-invalid"
    assert refused(crate, **{"size-max": len(crate) - 1})[0] == "crate-too-large"
    assert publisher.lend("seal", crate, **{"size-max": len(crate)})["Ok"]["size"] == len(crate)
    assert code(publisher.line.ask(publisher.request("seal"))) == "bad-descriptor"
    registry = publisher.registry
    publisher.registry = type("CratesIo", (), {"index": CRATES_IO})
    manifest = '[package]\nname = "demo"\nversion = "0.1.0"\n'
    assert refused(pack("demo", manifest=manifest))[0] == "crate-incomplete"
    publisher.registry = registry


# Whoever is lost meanwhile: what came of it is told and written down as it is.

def test_lost_answer_is_done_if_the_index_lists_what_was_sent(publisher, registry):
    registry.inject(NEW, done=True, cut=-1)
    publisher.seal()
    publisher.propose()
    assert outcome(publisher.publish()) == ("done", None)
    assert decisions(publisher.desk, "publish") == ["begun", "unknown"]
    assert decisions(publisher.desk, "published") == ["done"]


def test_lost_answer_is_refused_if_the_index_lists_another_file(publisher, registry):
    rule = registry.inject(NEW, hang=True, deaf=True, cut=-1)
    publisher.seal()
    publisher.propose()
    publisher.line.send(publisher.named("publish"), [])
    assert rule.reached.wait(30)
    with contextlib.closing(Client(registry, TOKEN)) as client:
        assert client.publish(metadata("demo"), pack("demo", files={"other": ""})).status == 200
    rule.release()
    assert outcome(json.loads(publisher.line.receive())) == ("refused", "version-exists")


def test_lost_answer_is_unknown_if_the_index_lists_nothing(publisher, registry):
    registry.inject(NEW, status=200, cut=-1)
    publisher.seal()
    publisher.propose()
    assert outcome(publisher.publish()) == ("unknown", "outcome-unknown")
    assert code(publisher.publish()) == "release-repeated"
    assert len(registry.requests(NEW)) == 1


def test_client_that_dies_during_the_upload_leaves_a_record_and_nothing_else(
        open_desk, registry):
    open_desk.login(registry)
    with procfs.nothing_left(open_desk):
        with publishing(open_desk, registry) as publisher:
            rule = registry.inject(NEW, hang=True, done=True)
            publisher.seal()
            publisher.propose()
            publisher.line.send(publisher.named("publish"))
            assert rule.reached.wait(30)
        rule.release()
        open_desk.wait(lambda: decisions(open_desk, "publish") == ["begun", "done"], "the record")
    assert list(published(registry)) == ["demo 0.1.0"]


@pytest.mark.parametrize("kind", ["seal", "propose", "verify"])
def test_client_that_dies_before_leaves_nothing(open_desk, registry, kind):
    open_desk.login(registry)
    with procfs.nothing_left(open_desk):
        with publishing(open_desk, registry) as publisher:
            if kind != "seal":
                publisher.seal()
            file = os.open(publisher.file, os.O_RDONLY | os.O_CREAT)
            lent = [publisher.paper.lent] if kind == "propose" else [file]
            publisher.line.send(publisher.request(kind), lent)
            os.close(file)
    assert decisions(open_desk, "publish") == [] and published(registry) == {}


def test_sigterm_during_the_upload_records_that_nobody_knows(publisher, registry):
    rule = registry.inject(NEW, hang=True)
    publisher.seal()
    publisher.propose()
    publisher.line.send(publisher.named("publish"))
    assert rule.reached.wait(30)
    publisher.desk.agent.terminate()
    assert publisher.desk.agent.wait(30) == 0
    publisher.desk.agent = None
    assert decisions(publisher.desk, "publish") == ["begun", "unknown"]


def test_lock_during_the_upload_does_not_make_it_uncertain(publisher, registry):
    rule = registry.inject(NEW, hang=True, done=True)
    publisher.seal()
    publisher.seal("second")
    publisher.propose()
    publisher.line.send(publisher.named("publish"))
    assert rule.reached.wait(30)
    publisher.desk.succeed("lock")
    rule.release()
    assert outcome(json.loads(publisher.line.receive())) == ("done", None)
    assert code(publisher.publish("second")) == "not-approved"


@NEEDS_ROOT
@pytest.mark.parametrize("worker, behaviour, kind, expected", [
    ("worker-seal", "crash_after_task", "seal", "worker-failed"),
    ("worker-seal", "empty_answer", "seal", "worker-failed"),
    ("worker-inspect", "crash_after_task", "seal", "worker-failed"),
    ("worker-inspect", "empty_answer", "seal", "worker-failed"),
    ("worker-seal", "send_a_descriptor", "verify", "worker-failed"),
    # Of a file that is another one: that this could not be found out is no proof of it.
    ("worker-inspect", "crash_after_task", "verify", "worker-failed"),
    # It had the task, and so perhaps has sent it.
    ("worker-net", "crash_after_task", "publish", ("unknown", "outcome-unknown")),
])
def test_wrong_worker_is_an_ordinary_event(
        desk, tree: Tree, registry, worker, behaviour, kind, expected):  # noqa: F811
    desk.start()
    desk.init()
    desk.login(registry)
    with procfs.nothing_left(desk), publishing(desk, registry) as publisher:
        if kind != "seal":
            publisher.seal()
        if kind == "publish":
            publisher.propose()
        tree.misbehave(worker, behaviour)
        if kind == "publish":
            assert outcome(publisher.publish()) == expected
            assert decisions(desk, "publish") == ["begun", "unknown"]
        else:
            other = pack("demo", files={"other": ""} if worker == "worker-inspect" else None)
            assert code(publisher.lend(kind, other)) == expected
            assert decisions(desk, "verify") == []
        tree.heal(worker)
        assert "Ok" in publisher.seal("after")
    assert published(registry) == {}
