"""
What an account is pinned to, and how that changes: unpinned accounts, an API that moves, a CA that
is replaced. `trust` shows old and new, and takes the passphrase.
"""

import json

import pytest

from certificate import Certificate
from crate import write_crate
from desk import PASSPHRASE, TOKEN, code, publish
from play import (
    APPROVE, CANCEL, CRATES_IO, OTHER_TOKEN, accounts, ends, lent_pty, listener, network, provider,
    refused, token_of, was_called, with_token,
)
from registry import Registry

FIELDS = {"index", "account", "for", "api", "dl", "type", "subject", "footer-key", "public", "pid",
          "next-public", "next-pid", "added", "expires", "scope", "crates",
          "readable", "plain-http", "private-ca", "proxy"}


@pytest.fixture
def elsewhere(tmp_path, certificate):
    """A second origin that the client trusts as well."""
    with Registry(tmp_path / "elsewhere", tls=certificate, tokens={TOKEN}) as r:
        yield r


@pytest.fixture(autouse=True)
def nothing_leaks(open_desk):
    yield
    for path in (open_desk.log, open_desk.state / "audit.jsonl", open_desk.vault):
        content = path.read_bytes() if path.exists() else b""
        for secret in (TOKEN, OTHER_TOKEN, PASSPHRASE):
            assert secret.encode() not in content, path


def trust(desk, registry, *words: str, **environment: str):
    """`trust` without a terminal."""
    which = () if "--index" in words else ("--index", registry.index)
    return desk.run("--json", "trust", *which, *words, **network(registry) | environment)


def trust_on_terminal(desk, registry, *words: str, **environment: str):
    which = () if "--index" in words else ("--index", registry.index)
    return desk.terminal("trust", *which, *words, **network(registry) | environment)


def only_account(desk) -> dict:
    (account,) = accounts(desk)
    return account


def rows_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.replace("\r", "").splitlines()]


def ask_yank(desk, registry) -> dict:
    """What the agent answers to an act that the person approves, and that no approval covers."""
    with lent_pty() as terminal, desk.line() as line:
        line.send(publish(registry.index) | {"operation": "yank"}, [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        return json.loads(line.receive())


# Unpinned.

def test_git_index_without_an_api_is_refused_and_unpinned_with_no_check(open_desk, registry):
    index = ("--index", f"https://localhost:{registry.port}/git/index")
    text = refused(with_token(open_desk, registry, *index), "needs-api", 2)
    assert "--api" in text and accounts(open_desk) == []
    done = with_token(open_desk, registry, *index, "--no-check")
    assert done.returncode == 0 and json.loads(done.stdout)["api"] is None
    listed = open_desk.succeed("list")
    assert f"api        unpinned; `cpub-agent trust {' '.join(index)}` asks the index" in listed

    # A git index tells nothing: trust wants the API as well.
    refused(trust(open_desk, registry, *index), "needs-api", 2)
    terminal = trust_on_terminal(open_desk, registry, *index, "--api", registry.api)
    question = terminal.answers(APPROVE, PASSPHRASE)
    assert f"  api       {registry.api}" in rows_of(question)
    assert "    before  (none)" in rows_of(question)
    ends(terminal, 0)
    assert only_account(open_desk)["api"] == registry.api and registry.requests() == []
    assert token_of(open_desk, index[1]) == TOKEN


def test_no_check_of_a_sparse_index_asks_nobody_and_trust_pins_it(open_desk, registry):
    done = with_token(open_desk, registry, "--no-check")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["api"], answer["dl"], answer["checked"]) == (None, None, "skipped")
    assert registry.requests() == [] and registry.handshake_failures == []
    assert "api        unpinned" in open_desk.succeed("list")
    assert token_of(open_desk, registry.index) == TOKEN  # cargo is served all the same.
    assert registry.requests() == []

    terminal = trust_on_terminal(open_desk, registry)
    question = rows_of(terminal.answers(APPROVE, PASSPHRASE))
    assert f"  api       {registry.api}" in question
    assert f"  dl        {registry.api}/api/v1/crates" in question
    assert question.count("    before  (none)") == 2
    ends(terminal, 0)
    account = only_account(open_desk)
    assert (account["api"], account["dl"]) == (registry.api, f"{registry.api}/api/v1/crates")
    assert "unpinned" not in open_desk.succeed("list")
    assert [e["path"] for e in registry.requests()] == ["/index/config.json"]
    assert registry.requests()[0]["token"] is None


def test_no_check_works_without_any_network(open_desk):
    with listener() as server:
        index = f"sparse+https://127.0.0.1:{server.getsockname()[1]}/index/"
        done = with_token(open_desk, None, "--index", index, "--no-check")
        assert done.returncode == 0, done.stderr
        assert not was_called(server)
    done = with_token(open_desk, None, "--index", index, "--account", "named", "--no-check",
                      "--api", "https://api.example")
    assert done.returncode == 0, done.stderr
    assert {a["api"] for a in accounts(open_desk)} == {None, "https://api.example"}


# Another API.

@pytest.mark.both
def test_moved_api_stops_a_publish_until_it_is_trusted(ready_desk, registry, elsewhere):
    registry.announce(api=elsewhere.api)
    folder = write_crate(ready_desk.home / "demo", "demo", registry=None)
    terminal = ready_desk.terminal(
        "cargo", "publish", "--registry", "local", "--allow-dirty", "--no-verify", cwd=folder)
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 101
    assert "cpub-agent trust" in " ".join(terminal.seen.split())
    assert elsewhere.requests("PUT ") == [] and registry.requests("PUT ") == []
    assert only_account(ready_desk)["api"] == registry.api

    terminal = trust_on_terminal(ready_desk, registry)
    question = terminal.answers(APPROVE, PASSPHRASE)
    rows = rows_of(question)
    assert "cpub-agent: let the token of this account go there from now on?" in rows
    at = rows.index(f"  api       {elsewhere.api}")
    assert rows[at + 1] == f"    before  {registry.api}"
    assert "on ANOTHER HOST than the index" in rows[at + 2]
    assert f"  dl        {registry.api}/api/v1/crates, as before" in rows
    ends(terminal, 0)
    shown = rows_of(terminal.seen)
    assert f"  api        {elsewhere.api}" in shown and f"    before   {registry.api}" in shown

    terminal = ready_desk.terminal(
        "cargo", "publish", "--registry", "local", "--allow-dirty", "--no-verify", cwd=folder)
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.sees("Uploaded demo")
    assert len(elsewhere.requests("PUT /api/v1/crates/new")) == 1
    assert registry.requests("PUT ") == []


@pytest.mark.parametrize("answer", [CANCEL, "wrong"])
def test_trust_without_the_passphrase_changes_nothing(ready_desk, registry, elsewhere, answer):
    registry.announce(api=elsewhere.api)
    before = ready_desk.vault.read_bytes()
    terminal = trust_on_terminal(ready_desk, registry)
    terminal.sees(APPROVE)
    if answer == CANCEL:
        terminal.send(CANCEL)
    else:
        terminal.types("not it")
        terminal.answers(APPROVE, "not it")
        terminal.answers(APPROVE, "not it")
    ends(terminal, 5 if answer == CANCEL else 10)
    assert ready_desk.vault.read_bytes() == before
    refusals = [e["refusal"] for e in ready_desk.audit() if e["op"] == "trust"]
    assert refusals == ["denied" if answer == CANCEL else "wrong-passphrase"]


def test_trust_without_a_terminal_is_refused_where_something_changes(
        ready_desk, registry, elsewhere):
    before = ready_desk.vault.read_bytes()
    registry.announce(api=elsewhere.api)
    refused(trust(ready_desk, registry), "needs-terminal", 4)
    assert ready_desk.vault.read_bytes() == before


def test_trust_where_nothing_has_changed_asks_nobody(ready_desk, registry):
    before = ready_desk.vault.read_bytes()
    done = trust(ready_desk, registry)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["changed"] is False and answer["api"] == answer["old-api"] == registry.api
    assert answer["dl"] == answer["old-dl"] and answer["account"] == "default"
    terminal = trust_on_terminal(ready_desk, registry)
    ends(terminal, 0)
    assert "Nothing has changed for account 'default'" in terminal.seen
    assert ready_desk.vault.read_bytes() == before


def test_trust_takes_only_the_api_that_is_named(ready_desk, registry, elsewhere):
    registry.announce(api=elsewhere.api)
    text = refused(trust(ready_desk, registry, "--api", registry.api), "api-elsewhere", 5)
    assert elsewhere.api in text
    refused(trust(ready_desk, registry, "--api", "elsewhere"), "bad-url", 2)
    terminal = trust_on_terminal(ready_desk, registry, "--api", elsewhere.api)
    assert "ANOTHER HOST" not in terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 0)
    assert only_account(ready_desk)["api"] == elsewhere.api


def test_trust_is_for_one_account_and_keeps_its_token_and_what_was_told(
        open_desk, registry, elsewhere):
    registry.announce(dl=f"{registry.api}/other")
    told = ("--expires", "2099-02-20", "--scope", "yank", "--crates", "demo")
    open_desk.login(registry)
    open_desk.login(registry, OTHER_TOKEN, "--account", "work", *told)
    before = {a["account"]: a for a in accounts(open_desk)}
    registry.announce(api=elsewhere.api)
    terminal = trust_on_terminal(open_desk, registry, "--account", "work")
    assert "  account   work" in rows_of(terminal.answers(APPROVE, PASSPHRASE))
    ends(terminal, 0)
    after = {a["account"]: a for a in accounts(open_desk)}
    assert after["default"] == before["default"]
    assert after["work"] == before["work"] | {"api": elsewhere.api}
    with lent_pty() as terminal, open_desk.line() as line:
        line.send(publish(registry.index, args=["--account=work"]), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        assert json.loads(line.receive())["Ok"]["token"] == OTHER_TOKEN
    refused(trust(open_desk, registry, "--account", "nobody"), "account-unknown", 4)


def test_trust_ends_what_was_approved_for_the_old_origin(ready_desk, registry, elsewhere):
    with lent_pty() as terminal, provider(ready_desk, terminal) as running:
        running.send(publish(registry.index))
        terminal.answers(APPROVE, PASSPHRASE)
        assert "Ok" in json.loads(running.line()) and ready_desk.status()["grants"] == 1
        registry.announce(api=elsewhere.api)
        other = trust_on_terminal(ready_desk, registry)
        other.answers(APPROVE, PASSPHRASE)
        ends(other, 0)
        assert ready_desk.status()["grants"] == 0


def test_trust_of_an_unreachable_or_foreign_registry_is_refused(ready_desk, registry):
    registry.inject("GET /index/config.json", cut=-1)
    refused(trust(ready_desk, registry), "network", 7)
    registry.inject("GET /index/config.json", redirect="https://evil.example/config.json")
    refused(trust(ready_desk, registry), "redirect", 7)
    refused(trust(ready_desk, registry, "--index", "sparse+https://elsewhere.example/"),
            "not-found", 4)
    assert only_account(ready_desk)["api"] == registry.api


# Another CA.

def test_replaced_ca_is_pinned_by_trust_and_publishes_are_compared_again(
        ready_desk, tmp_path, registry):
    port = registry.port
    registry.close()
    certificate = Certificate.make(tmp_path / "new-tls")
    with Registry(tmp_path / "renewed", tls=certificate, port=port, tokens={TOKEN}) as renewed:
        # The index cannot be compared, which is logged, and cargo looks by itself.
        assert "Ok" in ask_yank(ready_desk, renewed)
        assert renewed.requests() == [] and renewed.handshake_failures
        assert "could not be compared with what was pinned (tls)" in ready_desk.log.read_text()

        refused(trust(ready_desk, registry), "tls", 7)  # With the old CA.
        terminal = trust_on_terminal(ready_desk, renewed)
        question = terminal.answers(APPROVE, PASSPHRASE)
        assert "CA        another than the one that was sealed: the one above" in question
        assert f"  CA        {renewed.ca} (" in question
        assert f"  api       {renewed.api}, as before" in rows_of(question)
        ends(terminal, 0)
        n_requests = len(renewed.requests())
        assert "Ok" in ask_yank(ready_desk, renewed)
        assert "/index/config.json" in [e["path"] for e in renewed.requests()[n_requests:]]
        renewed.announce(api="https://evil.example")
        assert code(ask_yank(ready_desk, renewed)) == "origin-changed"


def test_ca_that_is_given_up_is_shown_as_that(ready_desk, registry):
    ready_desk.stop()
    ready_desk.start(system_ca=registry.ca)
    ready_desk.unlock()
    assert only_account(ready_desk)["private-ca"] is True
    terminal = trust_on_terminal(ready_desk, registry, CARGO_HTTP_CAINFO="",
                                 CARGO_HOME=str(ready_desk.home / "none"))
    question = terminal.answers(APPROVE, PASSPHRASE)
    assert "CA        another than the one that was sealed: the system's" in question
    ends(terminal, 0)
    assert only_account(ready_desk)["private-ca"] is False


# What is told of accounts.

def test_list_and_status_have_the_fields_of_the_protocol(open_desk, registry):
    open_desk.login(registry)
    listed = json.loads(open_desk.succeed("--json", "list"))
    assert listed["schema"] == 1 and {*listed} == {"schema", "kind", "level", "store", "accounts"}
    (account,) = listed["accounts"]
    assert {*account} == FIELDS
    assert account["for"] == "all" and account["type"] == "bearer"
    assert account["readable"] is account["plain-http"] is False and account["private-ca"] is True
    status = json.loads(open_desk.succeed("--json", "status"))
    assert {*status} == {"schema", "kind", "version", "pid", "store", "path", "state", "level",
                         "accounts", "locks-in", "locks-with-session", "memory-locked", "grants", "expiring", "alarms"}
    assert status["accounts"] == 1 and status["expiring"] == status["alarms"] == []


@pytest.mark.parametrize("verb, options", [
    ("login", ["--account", "--replace", "--for read", "--expires", "--scope", "--crates", "--api",
               "--no-check", "--with-token"]),
    ("logout", ["--account", "--for read", "--all"]),
    ("trust", ["--account", "--api", "--registry", "--index"]),
    ("passwd", ["--with-passphrase"]),
])
def test_help_names_each_option_with_what_it_does(open_desk, verb, options):
    text = open_desk.succeed(verb, "--help")
    assert max(map(len, text.splitlines())) <= 90
    for option in options:
        explained = [line for line in text.splitlines() if line.startswith(f"  {option}")]
        assert explained and len(explained[0].split("  ")[-1]) > 10, option


def test_wrong_words_for_the_new_verbs_are_usage_errors(open_desk):
    for words in (["passwd", "--account", "x"], ["trust", "--all"], ["trust", "--account", "a b"],
                  ["login", "--for", "write"], ["logout", "--for", ""],
                  ["trust", "--expires", "1d"], ["trust", "--registry", "a", "--index", "https://b/"]):
        done = open_desk.run(*words)
        assert done.returncode == 2 and done.stdout == "", words
    refused(with_token(open_desk, None, "--index", CRATES_IO, "--for", "all"), "usage", 2)
