"""An approval of the agent's own acts: for whom it is, when it ends, and what is told of the rest."""

import contextlib
import json
import os
import resource

import pytest

import procfs
from act_play import Counter, counter, elsewhere, new_token, shop  # noqa: F401 - fixtures
from closed_play import closed, closed_desk  # noqa: F401 - fixtures
from crate import pack
from desk import PASSPHRASE, TOKEN, code
from play import APPROVE, UNLOCK, lent_pty, log_out
from scan import memory_traces

pytestmark = pytest.mark.release
NEW = "PUT /api/v1/crates/new"


class Desk:
    """One connection to the agent, with a terminal of its own."""

    def __init__(self, counter: Counter, line, terminal):  # noqa: F811
        self.counter, self.line, self.terminal, self.is_lent = counter, line, terminal, False

    def request(self, kind: str, **members) -> dict:
        return {"v": 1, "kind": kind, "account": self.counter.account,
                "registry": {"index-url": self.counter.registry.index}, **members}

    def send(self, kind: str, **members) -> None:
        self.line.send(self.request(kind, **members), [] if self.is_lent else [self.terminal.lent])
        self.is_lent = True

    def receive(self) -> dict:
        return json.loads(self.line.receive())

    def seal(self, name: str, content: bytes | None = None) -> dict:
        fd = os.memfd_create("crate")
        os.write(fd, pack(name) if content is None else content)
        lent = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
        try:
            return self.line.ask(self.request("seal"), [lent])
        finally:
            os.close(lent)
            os.close(fd)

    def propose(self, prompt: str = APPROVE, **members) -> tuple[str, dict]:
        self.send("propose", **members)
        question = self.terminal.answers(prompt, PASSPHRASE)
        return question, self.receive()

    def publish(self, name: str) -> dict:
        return self.line.ask(self.request("publish", name=name, vers="0.1.0"))

    def yank(self, *versions: str) -> None:
        releases = [{"name": self.counter.name(), "vers": version} for version in versions]
        self.send("yank", releases=releases)
        self.terminal.answers(APPROVE, PASSPHRASE)


@contextlib.contextmanager
def connected(counter):  # noqa: F811
    with lent_pty() as terminal, counter.desk.line() as line:
        yield Desk(counter, line, terminal)


@pytest.fixture
def account(counter):  # noqa: F811
    counter.log_in()
    return counter


def outcomes(answer: dict) -> list[tuple]:
    return [(result["outcome"], result["code"]) for result in answer["Ok"]["results"]]


def replace(account: Counter, other) -> str:
    """The same name, without a passphrase: another token for another API."""
    token = new_token()
    account.tokens.append(token)
    log_out(account.desk, account.registry.index, account.account)
    account.registry.announce(api=other.api)
    account.desk.succeed("login", "--index", account.registry.index, "--api", other.api,
                         "--with-token", "--account", account.account, given=token + "\n",
                         CARGO_HTTP_CAINFO=str(account.registry.ca))
    return token


# Several acts under one approval.

def test_approval_does_not_follow_a_name_to_another_account(account, tmp_path, certificate):
    account.crate("0.1.0", "0.1.1")
    rule = account.registry.inject("DELETE .*0.1.0", hang=True)
    with elsewhere(tmp_path, certificate) as other, connected(account) as one:
        one.yank("0.1.0", "0.1.1")
        assert rule.reached.wait(10)
        replace(account, other)
        rule.release()
        assert outcomes(one.receive()) == [("done", None), ("refused", "not-approved")]
        assert other.requests("DELETE") == []


def test_approval_ends_with_the_lock_but_for_what_is_under_way(account):
    account.crate("0.1.0", "0.1.1")
    rule = account.registry.inject("DELETE .*0.1.0", hang=True, done=True)
    with connected(account) as one:
        one.yank("0.1.0", "0.1.1")
        assert rule.reached.wait(10)
        account.desk.succeed("lock")
        account.desk.unlock()
        rule.release()
        assert outcomes(one.receive()) == [("done", None), ("refused", "locked")]
    assert len(account.requests("DELETE ")) == 1


def test_who_leaves_means_all_that_is_not_sent_yet(account):
    account.crate("0.1.0", "0.1.1", "0.1.2")
    rule = account.registry.inject("DELETE .*0.1.0", hang=True, done=True)
    with connected(account) as one:
        one.yank("0.1.0", "0.1.1", "0.1.2")
        assert rule.reached.wait(10)
        one.line.close()
        # The terminal is given up at once: who waits for its end does not wait for the registry.
        account.desk.wait(lambda: "/dev/pts" not in str(terminals(account.desk.pid())), "that")
        rule.release()
        account.desk.wait(lambda: len(account.audit("yank")) == 2, "the record")
    account.desk.succeed("status")
    assert account.audit("yank") == [("yank", "begun", None), ("yank", "done", None)]
    assert len(account.requests("DELETE ")) == 1


def terminals(pid: int) -> list[str]:
    links = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            links.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return links


def test_audit_log_names_who_became_an_owner(account):
    account.crate("0.1.0")
    with connected(account) as one:
        one.send("owner", name=account.name(), add=["bob", "github:org:team"])
        one.terminal.answers(APPROVE, PASSPHRASE)
        one.receive()
    lines = [entry for entry in account.desk.audit() if entry["op"] == "owner-add"
             and entry["account"] == account.account]
    assert [entry["users"] for entry in lines] == [["bob", "github:org:team"]] * 2
    assert lines[0]["claimed-peer"] == lines[1]["claimed-peer"]


def test_audit_log_names_who_was_to_be_and_what_was_not_yanked(account):
    account.crate("0.1.0", "0.1.1")
    name = account.name()
    assert account.do("owner", name, "--add", "mallory", answer="\x03").status == 5
    words = [f"{name}@{version}" for version in ("0.1.0", "0.1.1")]
    assert account.do("yank", *words, answer="\x03").status == 5
    lines = [entry for entry in account.desk.audit() if entry.get("crate") == name]
    assert [(line["op"], line.get("users"), line.get("vers")) for line in lines] == [
        ("owner-add", ["mallory"], None), ("yank", None, "0.1.0"), ("yank", None, "0.1.1")]
    assert {line["refusal"] for line in lines} == {"denied"}


def test_owners_that_are_not_shown_are_counted(account):
    name = account.crate("0.1.0")
    users = [{"id": i, "login": f"u{i}", "kind": "user", "name": None} for i in range(150)]
    account.registry.inject("GET .*owners", status=200, body={"users": users})
    done = account.run("--json", "owner", name, "--list")
    answer = json.loads(done.stdout)
    assert len(answer["owners"]) == 100
    assert len(answer["warnings"]) == 1 and "50" in answer["warnings"][0]


# A publish.

def test_approval_that_unlocked_is_for_the_account_that_was_there_then(
        account, tmp_path, certificate):
    with elsewhere(tmp_path, certificate) as other, connected(account) as one:
        one.seal(account.name())
        rule = account.registry.inject("GET /index/", hang=True)
        account.desk.succeed("lock")
        one.send("propose")
        one.terminal.answers(UNLOCK, PASSPHRASE)
        assert rule.reached.wait(10)
        other.accept_token(replace(account, other))
        rule.release()
        assert code(one.receive()) == "not-approved"
        assert code(one.publish(account.name())) == "not-approved"
        assert other.requests(NEW) == []


def test_approval_is_for_the_token_that_was_there_even_within_a_second(account):
    other = new_token()
    account.registry.accept_token(other)
    with connected(account) as one:
        one.seal(account.name())
        assert one.propose()[1]["Ok"]["approved"]
        log_out(account.desk, account.registry.index, account.account)
        account.log_in(token=other)
        assert code(one.publish(account.name())) == "not-approved"
    assert account.requests(NEW) == []


def test_question_after_a_lock_shows_nothing_of_an_earlier_look(account):
    name = account.name()
    with connected(account) as one:
        one.seal(name)
        one.propose()
        assert one.publish(name)["Ok"]["outcome"] == "done"
    with connected(account) as one:
        one.seal(name)
        listed = one.line.ask(one.request("propose", **{"dry-run": True, "resume": True}))
        assert listed["Ok"]["crates"][0]["listed"]
        account.registry.inject("GET /index/", times=None, status=404)
        account.desk.succeed("lock")
        question, answer = one.propose(UNLOCK, resume=True)
        assert "history   unknown" in question and "passed over" not in question
        assert not answer["Ok"]["crates"][0]["listed"]


def test_refused_can_be_tried_again_under_another_approval(account):
    name = account.name()
    account.registry.inject(NEW, status=429, retry_after=60)
    with connected(account) as one:
        one.seal(name)
        one.propose()
        assert one.publish(name)["Ok"]["code"] == "rate-limited"
        assert code(one.publish(name)) == "release-repeated"
        one.propose()
        assert one.publish(name)["Ok"]["outcome"] == "done"


def test_what_was_sent_is_awaited_also_after_a_lock(account):
    name = account.name()
    with connected(account) as one:
        one.seal(name)
        one.propose()
        assert one.publish(name)["Ok"]["outcome"] == "done"
        account.desk.succeed("lock")
        assert one.line.ask(one.request("await", name=name, vers="0.1.0"))["Ok"]["listed"]
        account.desk.unlock()


def test_done_after_a_lost_answer_says_nothing_of_the_failure(account):
    account.registry.inject(NEW, done=True, status=500, body="oops", retry_after=9)
    with connected(account) as one:
        one.seal(account.name())
        one.propose()
        answer = one.publish(account.name())["Ok"]
    assert answer["outcome"] == "done"
    assert [answer[member] for member in ("code", "detail", "hint", "retry-after")] == [None] * 4


def test_seal_that_fails_ends_the_approval_too(account):
    with connected(account) as one:
        one.seal(account.name())
        one.propose()
        assert code(one.seal("x", b"no crate")) == "crate-invalid"
        assert code(one.publish(account.name())) == "not-approved"


@contextlib.contextmanager
def few_places(desk):
    """For 25 crates in all: an eighth of the descriptors that the agent may have."""
    limit = resource.prlimit(desk.pid(), resource.RLIMIT_NOFILE)
    resource.prlimit(desk.pid(), resource.RLIMIT_NOFILE, (200, limit[1]))
    try:
        yield
    finally:
        resource.prlimit(desk.pid(), resource.RLIMIT_NOFILE, limit)


def test_one_connection_has_no_more_crates_than_there_are_places(account):
    with procfs.nothing_left(account.desk), connected(account) as one, few_places(account.desk):
        for i in range(25):
            assert code(one.seal(f"{account.name('x')}-{i}")) == "ok"
        assert code(one.seal(account.name("more"))) == "busy"


def test_crates_that_nobody_approves_make_place_for_others(account):
    with contextlib.ExitStack() as stack:
        first, second, honest = (stack.enter_context(connected(account)) for _ in range(3))
        honest.seal(account.name("approved"))
        honest.propose()
        stack.enter_context(few_places(account.desk))
        for one in (first, second):
            for i in range(12):
                assert code(one.seal(f"{account.name('x')}-{i}")) == "ok"
        late = stack.enter_context(connected(account))
        assert code(late.seal(account.name("late"))) == "ok"
        assert code(first.publish(f"{account.name('x')}-0")) == "not-sealed"
        assert honest.publish(account.name("approved"))["Ok"]["outcome"] == "done"


def test_larger_than_the_wire_allows_is_no_size(account):
    with connected(account) as one:
        assert code(one.line.ask(one.request("seal", **{"size-max": 1 << 32}))) == "bad-request"


@pytest.mark.skipif(os.geteuid() != 0, reason="reading a closed process' memory needs root")
def test_no_token_is_in_the_core_after_a_lock_while_an_upload_goes_on(closed_desk, closed):  # noqa: F811
    desk = closed_desk
    rule = closed.inject(NEW, hang=True)
    stand_in = type("Counter", (), {"account": "default", "registry": closed, "desk": desk})
    with connected(stand_in) as one:
        one.seal("demo")
        one.propose()
        one.line.send(one.request("publish", name="demo", vers="0.1.0"))
        assert rule.reached.wait(10)
        desk.succeed("lock")
        assert memory_traces(desk.agent.pid, TOKEN) == []
        rule.release()
        assert one.receive()["Ok"]["outcome"] in ("done", "unknown")
