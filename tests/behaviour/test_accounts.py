"""
Several accounts of one registry: which one a request means, which one is replaced and removed, and
what of each is shown. The registry and cargo are real.
"""

import json

import pytest

from crate import write_crate
from desk import PASSPHRASE, PLACEHOLDER, TOKEN, code, get, publish
from gate import sha256
from play import (
    APPROVE, CANCEL, CRATES_IO, LOG_IN, LOG_OUT, OTHER_TOKEN, TOKEN_FOR, accounts, ask_provider,
    ends, lent_pty, network, provider, refused, terminal_login, token_of, with_token,
)
from registry import Registry

WORK = OTHER_TOKEN
READ_TOKEN = "a-token-for-reads-of-the-tests-0123"
UPLOAD = "PUT /api/v1/crates/new"


@pytest.fixture
def two(open_desk, registry):
    """The accounts `default` with TOKEN and `work` with WORK."""
    registry.accept_token(WORK)
    open_desk.login(registry)
    open_desk.login(registry, WORK, "--account", "work")
    return open_desk


@pytest.fixture
def second_registry(tmp_path, certificate):
    with Registry(tmp_path / "second", tls=certificate, tokens={TOKEN, WORK}) as r:
        yield r


def names(desk, registry=None) -> list[tuple[str, str]]:
    index = registry and registry.index.rstrip("/")
    return sorted((a["account"], a["for"]) for a in accounts(desk)
                  if index in (None, a["index"].rstrip("/")))


def is_there(desk, index: str, account: str) -> bool:
    answer = desk.ask(get(index, args=["--account", account]))
    return answer.get("Ok", {}).get("token") == PLACEHOLDER


def used(entry: dict) -> str:
    """Which of the tokens that request carried."""
    known = {sha256(t)[:12]: t for t in (TOKEN, WORK, READ_TOKEN)}
    return known[entry["token"].removeprefix("sha256:")]


# cargo.

@pytest.mark.both
@pytest.mark.parametrize("arguments, account", [
    ("", "default"),
    ("--account work", "work"),
    ("--account=work", "work"),
    ("--account default --account work", "work"),
    ("--account work --account=default", "default"),
])
def test_cargo_publishes_with_the_token_of_the_providers_account(
        two, registry, arguments, account):
    two.set_up_cargo(registry, *arguments.split())
    folder = write_crate(two.home / "demo", "demo")
    terminal = two.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    question = terminal.answers(APPROVE, PASSPHRASE)
    assert f"  account   {account}" in [line.rstrip() for line in question.splitlines()]
    ends(terminal, 0)
    (upload,) = registry.requests(UPLOAD)
    assert used(upload) == {"default": TOKEN, "work": WORK}[account] and registry.violations == []


def test_cargo_login_takes_an_account_behind_two_hyphens(two, registry):
    two.stop()
    two.start(system_ca=registry.ca)  # cargo's login tells us nothing of http.cainfo.
    two.unlock()
    two.set_up_cargo(registry, "--account", "default")
    terminal = two.terminal("cargo", "login", "--registry", "local", "--", "--account", "third")
    assert "  account   third" in terminal.answers(LOG_IN, "y")
    terminal.answers(TOKEN_FOR, WORK)
    ends(terminal, 0)
    assert names(two) == [("default", "all"), ("third", "all"), ("work", "all")]
    assert token_of(two, registry.index, "third") == WORK
    assert token_of(two, registry.index) == TOKEN


def test_cargo_fails_at_an_unknown_account_and_falls_through_to_no_other_provider(two, registry):
    # The plain provider of cargo stands behind ours and would have a token.
    (two.cargo_home / "config.toml").write_text(
        f'[registries.local]\nindex = "{registry.index}"\n[http]\ncainfo = "{registry.ca}"\n'
        f'[registry]\nglobal-credential-providers = '
        f'["cargo:token", "{two.provider} --account nobody"]\n')
    (two.cargo_home / "credentials.toml").write_text(f'[registries.local]\ntoken = "{TOKEN}"\n')
    folder = write_crate(two.home / "demo", "demo")
    terminal = two.terminal("cargo", "publish", "--registry", "local", "--allow-dirty", cwd=folder)
    assert terminal.ends() == 101
    assert "cpub-agent list" in terminal.seen and APPROVE not in terminal.seen
    assert registry.requests(UPLOAD) == [] and registry.crates == {}


@pytest.mark.parametrize("operation", ["read", "publish", "yank", "unyank", "owners"])
def test_unknown_account_is_never_not_found(two, registry, operation):
    request = publish(registry.index) | {"operation": operation}
    for more in ({"args": ["--account", "nobody"]}, {"account": "nobody"},
                 {"args": ["--account=work", "--account=nobody"]}):
        answer = ask_provider(two, request | more)
        assert code(answer) == "account-unknown" and answer["Err"]["kind"] == "other"
    # Of a registry that is not ours it is, whatever account is named.
    foreign = request | {"registry": {"index-url": "sparse+https://elsewhere.example/"}}
    assert ask_provider(two, foreign | {"account": "work"}) == {"Err": {"kind": "not-found"}}


def test_account_is_the_same_by_each_name_of_its_registry(open_desk, registry):
    plain = registry.index.rstrip("/")
    open_desk.login(registry, WORK, "--account", "work")
    assert is_there(open_desk, plain, "work")
    done = with_token(open_desk, registry, "--account", "work", "--index", plain)
    refused(done, "account-exists", 1)

    git = f"https://localhost:{registry.port}/Git/index"
    for index, account in ((git, "one"), (git + ".git", "two"), (git + "/", "three")):
        done = with_token(open_desk, registry, "--index", index, "--api", registry.api,
                          "--account", account)
        assert done.returncode == 0, done.stderr
    assert len({a["index"] for a in accounts(open_desk)}) == 2
    assert is_there(open_desk, git + ".git/", "one")
    assert not is_there(open_desk, git.lower(), "one")  # Not on github.com.

    open_desk.succeed("login", "--with-token", "--no-check", "--account", "both",
                      "--index", "sparse+https://index.crates.io/", given=TOKEN + "\n")
    for index in (CRATES_IO, CRATES_IO + ".git", "https://github.com/Rust-Lang/Crates.io-Index",
                  "sparse+https://index.crates.io"):
        assert is_there(open_desk, index, "both")


# Replacing.

def test_token_for_an_account_that_is_there_is_refused_and_the_old_one_stays(two, registry):
    before = two.vault.read_bytes()
    text = refused(with_token(two, registry, "--account", "work"), "account-exists", 1)
    assert "--replace" in text
    # The word alone is no yes: that takes a person with the passphrase.
    done = with_token(two, registry, "--account", "work", "--replace")
    refused(done, "needs-terminal", 4)
    assert two.vault.read_bytes() == before
    assert token_of(two, registry.index, "work") == WORK


@pytest.mark.parametrize("answer", ["right", "wrong", CANCEL])
def test_token_given_with_replace_needs_the_passphrase(two, registry, answer):
    terminal = two.terminal(
        "/bin/sh", "-c", 'echo "$T" | "$0" login --with-token --replace --account work '
        '--index "$1"', two.program, registry.index, **network(registry), T=TOKEN)
    question = terminal.sees(APPROVE)
    assert "cpub-agent: replace the token of this account?" in question
    assert "  account   work" in [line.rstrip() for line in question.splitlines()]
    if answer == CANCEL:
        terminal.send(CANCEL)
    else:
        terminal.types(PASSPHRASE if answer == "right" else "not it")
        for _ in range(0 if answer == "right" else 2):
            terminal.answers(APPROVE, "not it")
    ends(terminal, {"right": 0, "wrong": 10, CANCEL: 5}[answer])
    assert LOG_IN not in terminal.seen and "Token for" not in terminal.seen
    assert token_of(two, registry.index, "work") == (TOKEN if answer == "right" else WORK)
    assert token_of(two, registry.index) == TOKEN
    if answer == "right":
        assert "replaced the one that was there, which stays valid" in terminal.seen


def test_typed_token_replaces_only_the_account_that_was_named(two, registry):
    terminal = terminal_login(two, registry, "--account", "work")
    assert "replace the token of this account?" in terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers(TOKEN_FOR, "another-one-of-the-tests")
    ends(terminal, 0)
    assert names(two) == [("default", "all"), ("work", "all")]
    assert token_of(two, registry.index, "work") == "another-one-of-the-tests"
    assert token_of(two, registry.index) == TOKEN


def test_replace_of_an_account_that_is_not_there_is_a_login(open_desk, registry):
    done = with_token(open_desk, registry, "--replace")
    assert done.returncode == 0 and json.loads(done.stdout)["replaced"] is False


def test_replacing_ends_what_was_approved_for_the_old_token(two, registry):
    with lent_pty() as terminal, provider(two, terminal) as running:
        running.send(publish(registry.index))
        terminal.answers(APPROVE, PASSPHRASE)
        assert "Ok" in json.loads(running.line())
        assert two.status()["grants"] == 1
        login = terminal_login(two, registry, "--account", "work")
        login.answers(APPROVE, PASSPHRASE)
        login.answers(TOKEN_FOR, TOKEN)
        ends(login, 0)
        assert two.status()["grants"] == 0


# Removing.

def log_out(desk, *words: str, answer="y", **environment) -> str:
    """`logout` on a terminal; returns the question."""
    terminal = desk.terminal("logout", *words, **environment)
    question = terminal.answers(LOG_OUT, answer)
    ends(terminal, 0 if answer == "y" else 5)
    return question


def test_logout_of_an_account_leaves_the_others(two, registry):
    index = registry.index.rstrip("/")
    assert f"  {index} (account work)" in log_out(two, "--index", index, "--account", "work",
                                                 answer="n")
    assert names(two) == [("default", "all"), ("work", "all")]
    question = log_out(two, "--index", index, "--account", "work")
    assert "default" not in question
    assert names(two) == [("default", "all")] and token_of(two, registry.index) == TOKEN
    done = two.run("--json", "logout", "--index", index, "--account", "work")
    refused(done, "account-unknown", 4)


def test_logout_all_of_a_registry_leaves_every_other_registry(two, registry, second_registry):
    two.login(second_registry, TOKEN)
    two.login(second_registry, WORK, "--account", "work")
    (two.cargo_home / "config.toml").write_text(
        f'[registries.first]\nindex = "{registry.index}"\n')
    question = log_out(two, "--all", "--registry", "first")
    assert question.count("(account ") == 2 and second_registry.index.rstrip("/") not in question
    assert names(two, registry) == []
    assert names(two, second_registry) == [("default", "all"), ("work", "all")]
    assert token_of(two, second_registry.index, "work") == WORK
    assert two.ask(get(registry.index)) == {"Err": {"kind": "not-found"}}

    assert log_out(two, "--all").count("(account ") == 2
    assert accounts(two) == []


def test_logout_all_of_a_registry_without_accounts_removes_nothing(two, second_registry):
    done = two.run("--json", "logout", "--all", "--index", second_registry.index)
    refused(done, "not-found", 4)
    assert len(accounts(two)) == 2


# A credential for reads.

@pytest.fixture
def reading(open_desk, registry):
    """At a registry that wants a token for reads: `default` and `work` have one for each use."""
    registry.announce(auth_required=True)
    for token in (WORK, READ_TOKEN):
        registry.accept_token(token)
    for account, token in (("default", TOKEN), ("work", WORK)):
        open_desk.login(registry, token, "--account", account)
        open_desk.login(registry, READ_TOKEN, "--for", "read", "--account", account)
    return open_desk


def test_logout_for_read_keeps_the_other_token(reading, registry):
    question = log_out(reading, "--index", registry.index, "--account", "work", "--for", "read")
    assert "(account work, for reads alone)" in question and "(account work)" not in question
    assert names(reading) == [("default", "all"), ("default", "read"), ("work", "all")]
    registry.announce(auth_required=False)  # Else the account would have to be logged in anew.
    assert token_of(reading, registry.index, "work") == WORK
    done = reading.run("--json", "logout", "--index", registry.index, "--account", "work",
                       "--for", "read")
    assert "work, for reads alone" in refused(done, "account-unknown", 4)


def test_logout_takes_the_credential_for_reads_with_the_account(reading, registry):
    question = log_out(reading, "--index", registry.index, "--account", "work")
    assert "(account work)" in question and "(account work, for reads alone)" in question
    assert names(reading) == [("default", "all"), ("default", "read")]


def test_logout_all_for_read_is_refused(reading, registry):
    done = reading.run("logout", "--all", "--for", "read", "--index", registry.index)
    assert done.returncode == 2 and "--all and --for exclude each other" in done.stderr
    answer = reading.ask({"v": 1, "registry": {"index-url": registry.index}, "kind": "logout",
                          "all": True, "for": "read"})
    assert code(answer) == "bad-request"
    assert len(accounts(reading)) == 4
