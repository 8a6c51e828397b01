"""
Before a token goes out for an act, the index is asked again whether it still names what was pinned
at login: cargo sends the token wherever the index says.
"""

import json
import time

import pytest

from certificate import Certificate
from closed_play import CONFIG, closed, closed_desk, digest, tokens_sent
from crate import write_crate
from desk import PASSPHRASE, PATIENCE, TOKEN, code, get
from play import (
    APPROVE, ends, lent_pty, listener, network, terminal_login, token_of, was_called, with_token,
)
from registry import Registry
from test_cargo import cargo_version, publish_demo

__all__ = ["closed", "closed_desk"]  # Fixtures.

PUBLISH = ("publish", "--registry", "local", "--allow-dirty")
WARNING = "could not be compared with what was pinned"


@pytest.fixture
def elsewhere(tmp_path, certificate):
    """Another origin that cargo trusts, and that would take the token."""
    with Registry(tmp_path / "elsewhere", tls=certificate, tokens={TOKEN}) as r:
        yield r


def approve(desk, index: str, operation: str = "owners", **members) -> dict:
    """The answer to an act that a person approves."""
    with lent_pty() as terminal, desk.line() as line:
        line.send(get(index, operation, name="demo", **members), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        answer = json.loads(line.receive())
        assert TOKEN not in terminal.seen
    return answer


def decisions(desk, op: str) -> list:
    return [e.get("refusal", e["decision"]) for e in desk.audit() if e["op"] == op]


def warnings(desk) -> int:
    return desk.log.read_text().count(WARNING)


# Another origin: refused.

@pytest.mark.parametrize("what", ["api", "dl"])
def test_publish_ends_where_the_index_names_another_origin(ready_desk, registry, elsewhere, what):
    new = elsewhere.api if what == "api" else f"{elsewhere.api}/api/v1/crates"
    registry.announce(**{what: new})
    folder = write_crate(ready_desk.home / "demo", "demo")
    terminal = ready_desk.terminal("cargo", *PUBLISH, cwd=folder)
    terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 101)
    assert f"{what} {new}" in terminal.seen and "trust" in terminal.seen
    assert tokens_sent(registry) == {None} and registry.crates == {}
    assert [e["token"] for e in elsewhere.requests()] == [] == elsewhere.handshake_failures
    assert decisions(ready_desk, "publish") == ["origin-changed"]
    assert ready_desk.status()["grants"] == 0


@pytest.mark.parametrize("operation, members", [
    ("yank", {"vers": "0.1.0"}), ("unyank", {"vers": "0.1.0"}), ("owners", {}),
    ("publish", {"vers": "0.1.0", "cksum": "0f" * 32})])
def test_every_act_is_compared(ready_desk, registry, operation, members):
    registry.announce(api="https://evil.example")
    answer = approve(ready_desk, registry.index, operation, **members)
    assert code(answer) == "origin-changed"
    assert "https://evil.example" in json.dumps(answer) and TOKEN not in json.dumps(answer)
    assert decisions(ready_desk, operation) == ["origin-changed"]


GOOD = '{"dl":"https://localhost/d","api":"https://localhost"'


@pytest.mark.parametrize("body", [
    '{"dl":"https://localhost/d"}', '{"dl":"https://localhost/d","api":null}', "[]", "", "hello",
    '{"api":"http://localhost"}', GOOD + ',"api":"https://evil.example"}', GOOD + "} trailing",
    "x" * 70_000], ids=lambda body: body[:40])
def test_index_that_answers_without_a_usable_api_is_refused(ready_desk, registry, body):
    registry.inject(CONFIG, body=body, times=None)
    assert code(approve(ready_desk, registry.index)) == "origin-changed"
    assert decisions(ready_desk, "owners") == ["origin-changed"]


def test_download_url_that_is_gone_is_another(ready_desk, registry):
    registry.inject(CONFIG, body={"api": registry.api}, times=None)
    assert code(approve(ready_desk, registry.index)) == "origin-changed"


@pytest.mark.skipif(cargo_version() < (1, 90), reason="this cargo publishes no workspaces (< 1.90)")
def test_releases_that_an_approval_covers_are_compared_as_well(ready_desk, registry, elsewhere):
    root = ready_desk.home / "workspace"
    root.mkdir()
    (root / "Cargo.toml").write_text('[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n')
    write_crate(root / "one", "one")
    write_crate(root / "two", "two",
                deps={"one": {"version": "0.1.0", "path": "../one", "registry": "local"}})
    first = registry.inject("PUT /api/v1/crates/new", done=True, hang=True)
    terminal = ready_desk.terminal("cargo", *PUBLISH, "--workspace", cwd=root)
    terminal.answers(APPROVE, PASSPHRASE)
    assert first.reached.wait(PATIENCE)
    registry.announce(api=elsewhere.api)
    first.release()
    ends(terminal, 101)
    assert terminal.seen.count(APPROVE) == 1 and f"api {elsewhere.api}" in terminal.seen
    assert set(registry.crates) == {("one", "0.1.0")} and elsewhere.requests() == []
    assert decisions(ready_desk, "publish") == ["done", "origin-changed"]
    assert len(registry.requests("PUT /api/v1/crates/new")) == 1


@pytest.mark.parametrize("what", ["api", "dl"])
def test_publish_works_again_after_trust(ready_desk, registry, what):
    other = f"https://127.0.0.1:{registry.port}"  # The same server by another name.
    registry.announce(**{what: other if what == "api" else f"{other}/api/v1/crates"})
    assert code(approve(ready_desk, registry.index)) == "origin-changed"
    terminal = ready_desk.terminal("trust", "--index", registry.index, **network(registry))
    shown = terminal.answers(APPROVE, PASSPHRASE)
    assert other in shown and registry.api in shown
    ends(terminal, 0)
    publish_demo(ready_desk)
    assert registry.crates.keys() == {("demo", "0.1.0")}
    assert registry.requests("PUT")[0]["headers"]["host"] == (
        other.removeprefix("https://") if what == "api" else f"localhost:{registry.port}")


# No answer: cargo reads the index by itself, so the agent goes on, and says so in its log.

@pytest.mark.parametrize("rule", [
    {"status": 500}, {"status": 404}, {"status": 403}, {"cut": -1}, {"cut": 5}], ids=str)
def test_index_that_does_not_answer_well_is_no_obstacle(ready_desk, registry, rule):
    registry.inject(CONFIG, times=None, **rule)
    n_before = len(registry.requests())
    assert token_of(ready_desk, registry.index) == TOKEN
    assert len(registry.requests()) == n_before + 1 and warnings(ready_desk) == 1


@pytest.mark.parametrize("rule, refusal", [
    ({"status": 401}, "auth-required"),
    ({"redirect": "https://evil.example/config.json"}, "redirect")], ids=str)
def test_index_that_wants_something_else_than_at_login_is_refused(
        ready_desk, registry, rule, refusal):
    registry.inject(CONFIG, times=None, **rule)
    assert code(approve(ready_desk, registry.index)) == refusal
    assert decisions(ready_desk, "owners") == [refusal]


def test_a_planted_credential_for_reads_does_not_switch_the_comparison_off(ready_desk, registry):
    done = with_token(ready_desk, registry, "--for", "read", "--no-check", given="junk\n")
    assert done.returncode == 0, done.stderr
    registry.announce(api="https://evil.example")
    registry.inject(CONFIG, status=401, times=None)
    assert code(approve(ready_desk, registry.index)) == "token-rejected"


def test_publish_goes_on_where_the_index_fails_only_for_the_agent(ready_desk, registry):
    registry.inject(CONFIG)  # cargo's own look.
    rule = registry.inject(CONFIG, status=500)
    publish_demo(ready_desk)
    assert rule.hits == 1 and warnings(ready_desk) == 1
    assert ("demo", "0.1.0") in registry.crates


@pytest.mark.parametrize("slow", [{"hang": True}, {"trickle": (1, 0.5)}], ids=str)
def test_slow_index_is_waited_for_two_seconds(ready_desk, registry, slow):
    rule = registry.inject(CONFIG, **slow)
    with lent_pty() as terminal, ready_desk.line() as line:
        line.send(get(registry.index, "owners", name="demo"), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        assert rule.reached.wait(PATIENCE)
        since = time.monotonic()
        assert ready_desk.status()["accounts"] == 1  # Nobody else waits.
        assert json.loads(line.receive())["Ok"]["token"] == TOKEN
        # Worker, sanitizers and a busy machine included; the worker's own end would be at four.
        assert 1 < time.monotonic() - since < 8
    assert warnings(ready_desk) == 1 and "network-timeout" in ready_desk.log.read_text()


def test_index_that_is_down_or_has_another_certificate_is_no_obstacle(open_desk, tmp_path,
                                                                      certificate):
    with Registry(tmp_path / "first", tls=certificate) as first:
        open_desk.login(first)
    assert token_of(open_desk, first.index) == TOKEN
    assert warnings(open_desk) == 1
    strange = Certificate.make(tmp_path / "strange")
    with Registry(tmp_path / "second", tls=strange, port=first.port) as second:
        second.announce(api="https://evil.example")
        assert token_of(open_desk, first.index) == TOKEN
        assert len(second.handshake_failures) == 1 and second.requests() == []
    assert warnings(open_desk) == 2 and "(tls)" in open_desk.log.read_text()


# What is not compared, and how the index is reached.

def test_account_that_was_never_pinned_is_not_compared(open_desk, registry):
    assert with_token(open_desk, registry, "--no-check").returncode == 0
    registry.announce(api="https://evil.example")
    assert token_of(open_desk, registry.index) == TOKEN
    assert registry.requests() == [] and warnings(open_desk) == 0


def test_account_of_a_git_index_is_not_compared(open_desk, registry):
    index = f"https://localhost:{registry.port}/git/index"
    done = with_token(open_desk, registry, "--index", index, "--api", registry.api)
    assert done.returncode == 0, done.stderr
    assert token_of(open_desk, index) == TOKEN
    assert registry.requests() == [] and warnings(open_desk) == 0


def test_index_is_reached_by_the_proxy_of_the_account(open_desk, registry):
    with listener() as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        done = with_token(open_desk, registry, "--no-check", "--api", registry.api,
                          https_proxy=address)
        assert done.returncode == 0 and not was_called(proxy)
        with lent_pty() as terminal, open_desk.line() as line:
            line.send(get(registry.index, "owners", name="demo"), [terminal.lent])
            terminal.answers(APPROVE, PASSPHRASE)
            proxy.settimeout(PATIENCE)
            connection, _ = proxy.accept()
            with connection:
                asked = connection.recv(4096)
                assert asked.startswith(b"CONNECT localhost:%d " % registry.port)
            assert json.loads(line.receive())["Ok"]["token"] == TOKEN
    assert registry.requests() == [] and warnings(open_desk) == 1


def test_index_is_trusted_by_the_ca_of_the_account_alone(open_desk, registry):
    """Others of this file find out about another API: with the CA that was sealed at login."""
    words = ("--no-check", "--api", registry.api)
    assert with_token(open_desk, None, "--index", registry.index, *words).returncode == 0
    registry.announce(api="https://evil.example")
    assert token_of(open_desk, registry.index) == TOKEN
    assert len(registry.handshake_failures) == 1 and "(tls)" in open_desk.log.read_text()
    terminal = terminal_login(open_desk, registry, *words)  # The same with the CA.
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers("(not shown, ^C cancels): ", TOKEN)
    ends(terminal, 0)
    assert code(approve(open_desk, registry.index)) == "origin-changed"


def test_index_that_wants_a_token_is_compared_with_it(closed_desk, closed, elsewhere):
    closed.announce(api=elsewhere.api)
    assert code(approve(closed_desk, closed.index)) == "origin-changed"
    assert closed.requests()[-1]["token"] == digest(TOKEN) and elsewhere.requests() == []
