"""
The list of cases goes on (see test_conformance.py): which credential is meant, what cargo may keep,
and the cases that only the real cargo can show. 41 to 43, which need a registry that wants a token
for every read, are in test_auth_required.py under their numbers.

Decisions where a case leaves a choice: 26 the two names of crates.io are one registry; 34 and 35 no
answer of ours says `expires`; 37 a locked store or an absent agent stops cargo, and no provider
behind us in the list is tried; 44 arguments are received whole, then unknown words are refused.
"""

import json
import shutil

import pytest

from closed_play import digest, put_crate, record, tokens_sent
from desk import PASSPHRASE, PLACEHOLDER, TOKEN, Desk, code, get
from play import (
    APPROVE, CRATES_IO, UNLOCK, accounts, ask_provider, ends, lent_pty, needs_mount, provider,
    token_of,
)
from registry import Registry

pytestmark = pytest.mark.both  # The release build has the static provider.

NOT_FOUND = {"Err": {"kind": "not-found"}}
SPARSE = "sparse+https://index.crates.io/"
CKSUM = "0f" * 32
ENV_TOKEN = "cioOfTheEnvironmentInTheTests0123456"
WORDS = {"read": {}, "owners": {"name": "demo"}, "yank": {"name": "demo", "vers": "0.1.0"},
         "unyank": {"name": "demo", "vers": "0.1.0"},
         "publish": {"name": "demo", "vers": "0.1.0", "cksum": CKSUM}}


@pytest.fixture(scope="module")
def cargo_desk(tmp_path_factory, certificate):
    """An unlocked vault with accounts at crates.io and at a registry, `desk.index`."""
    directory = tmp_path_factory.mktemp("conformance")
    desk = Desk(directory / "desk")
    with Registry(directory / "registry", tls=certificate, tokens={TOKEN}) as registry:
        try:
            desk.start()
            desk.init()
            desk.succeed("login", "--with-token", given=TOKEN + "\n")
            desk.login(registry)
            desk.index = registry.index
            yield desk
        finally:
            desk.stop()


def approved(desk, request) -> dict:
    """The provider's answer to cargo on a terminal, where a person approves."""
    with lent_pty() as terminal, provider(desk, terminal) as running:
        running.send(request)
        terminal.answers(APPROVE, PASSPHRASE)
        answer = json.loads(running.line())
        assert running.end() == (0, b"", b"")
        assert TOKEN not in terminal.seen + terminal.shown()
    return answer


# Which credential.

def test_case_26_both_names_of_crates_io_are_one_registry(cargo_desk):
    for index in (CRATES_IO, SPARSE):
        assert ask_provider(cargo_desk, get(index))["Ok"]["token"] == PLACEHOLDER
        assert token_of(cargo_desk, index) == TOKEN
    assert len([a for a in accounts(cargo_desk) if a["index"] == CRATES_IO]) == 1


@pytest.mark.parametrize("operation", list(WORDS))
def test_case_27_name_does_not_make_a_foreign_index_crates_io(cargo_desk, operation):
    foreign = "sparse+https://elsewhere.example/index/"
    request = get(foreign, operation, registry={"name": "crates-io"}, **WORDS[operation])
    with lent_pty() as terminal, provider(cargo_desk, terminal) as running:
        assert running.ask(request) == NOT_FOUND
        assert terminal.shown() == ""


@pytest.mark.parametrize("more", [{}, {"name": "crates-io"}, {"name": "mine"}, {"name": ""}],
                         ids=str)
def test_case_28_the_url_alone_decides(cargo_desk, more):
    request = get(CRATES_IO, "owners", name="demo", registry=more)
    assert approved(cargo_desk, request)["Ok"]["token"] == TOKEN


def test_case_29_spellings_that_cargo_takes_for_one_are_one(cargo_desk):
    for index in (f"{CRATES_IO}/", f"{CRATES_IO}.git", SPARSE.rstrip("/"),
                  "https://github.com/Rust-Lang/crates.io-index.git/"):
        assert ask_provider(cargo_desk, get(index))["Ok"]["token"] == PLACEHOLDER


def test_case_30_sparse_and_git_of_one_url_are_two(cargo_desk):
    git = cargo_desk.index.removeprefix("sparse+").rstrip("/")
    assert ask_provider(cargo_desk, get(cargo_desk.index))["Ok"]["token"] == PLACEHOLDER
    assert ask_provider(cargo_desk, get(git)) == NOT_FOUND
    assert ask_provider(cargo_desk, get("sparse+" + CRATES_IO)) == NOT_FOUND


# What cargo may keep.

def test_case_31_publish_is_written_down_and_never_kept(cargo_desk):
    answer = approved(cargo_desk, get(CRATES_IO, "publish", **WORDS["publish"]))
    assert answer == {"Ok": {"kind": "get", "token": TOKEN, "cache": "never",
                             "operation_independent": False}}
    line = [e for e in cargo_desk.audit() if e["op"] == "publish"][-1]
    assert (line["crate"], line["vers"], line["cksum"]) == ("demo", "0.1.0", CKSUM)


@pytest.mark.parametrize("operation", list(WORDS))
def test_cases_32_to_35_no_answer_serves_another_operation_or_expires(cargo_desk, operation):
    """cargo asks again for each act, and what it got for one never serves a read."""
    request = get(CRATES_IO, operation, **WORDS[operation])
    answer = ask_provider(cargo_desk, request) if operation == "read" else approved(
        cargo_desk, request)
    assert answer["Ok"].keys() == {"kind", "token", "cache", "operation_independent"}
    assert answer["Ok"]["cache"] == "never" and answer["Ok"]["operation_independent"] is False


# When nothing can be handed out.

def test_case_36_locked_store_is_said_and_is_not_absence(cargo_desk):
    cargo_desk.succeed("lock")
    try:
        answer = ask_provider(cargo_desk, get(CRATES_IO))
    finally:
        cargo_desk.unlock()
    assert code(answer) == "locked" and "cpub-agent unlock" in answer["Err"]["message"]


def test_case_36_agent_that_cannot_be_started_is_said_and_is_not_absence(desk):
    """The provider alone, far from the agent's program."""
    alone = desk.directory / "alone"
    alone.mkdir()
    desk.provider = shutil.copy(desk.provider, alone)
    answer = ask_provider(desk, get(CRATES_IO))
    assert code(answer) == "agent-unreachable" and answer["Err"]["kind"] == "other"


def test_case_38_challenge_is_read_whatever_its_case_and_never_trusted(cargo_desk):
    for header in ('www-authenticate: Cargo login_url="https://x.example/me"',
                   'WWW-AUTHENTICATE: cargo LOGIN_URL="https://x.example/me"',
                   "www-authenticate: Basic realm=x", "date: today"):
        answer = ask_provider(cargo_desk, get(cargo_desk.index, registry={"headers": [header]}))
        assert code(answer) == "read-auth-not-agreed" and "x.example" not in json.dumps(answer)


def test_case_39_provider_whose_cargo_is_gone_ends_without_a_signal(cargo_desk):
    with provider(cargo_desk) as running:
        running.process.stdout.close()
        running.process.stdout = None
        running.send(get(CRATES_IO))
        running.process.stdin.close()
        assert 0 <= running.process.wait(30) < 128  # The shell would say 128 and the signal.


@pytest.mark.parametrize("request_", [
    get(CRATES_IO), get("x"), get(CRATES_IO, args=["--what"]), {"v": 9}, "garbage",
    {"v": 1, "kind": "login", "token": TOKEN + "\t", "registry": {"index-url": CRATES_IO}}],
    ids=lambda r: str(r)[:40])
def test_cases_40_49_50_one_line_nothing_on_stderr_and_status_0(cargo_desk, request_):
    with provider(cargo_desk) as running:
        assert running.ask(request_).keys() in ({"Ok"}, {"Err"})
        assert running.end() == (0, b"", b"")


# With the real cargo.

def act(desk, *words, **environment):
    """A yank, which needs no build, on a terminal; nobody has answered anything yet."""
    return desk.terminal("cargo", "yank", "demo@0.1.0", "--registry", "local", *words,
                         **environment)


def set_providers(desk, registry, *providers: str) -> None:
    """What desk.set_up_cargo() does for one registry, for cargo's list."""
    (desk.cargo_home / "config.toml").write_text(
        f'[registries.local]\nindex = "{registry.index}"\n[http]\ncainfo = "{registry.ca}"\n'
        f'[registry]\nglobal-credential-providers = {json.dumps(list(providers))}\n')


@pytest.fixture
def yankable(ready_desk, registry):
    """A crate to yank; both tokens would do."""
    registry.accept_token(ENV_TOKEN)
    put_crate(registry)
    return ready_desk


def yanked_with(registry) -> set:
    return tokens_sent(registry, "DELETE /api/v1/crates/demo/0.1.0/yank")


def test_case_37_locked_store_stops_cargo_before_a_plain_provider(yankable, registry):
    set_providers(yankable, registry, "cargo:token", str(yankable.provider))
    yankable.succeed("lock")
    done = yankable.cargo("yank", "demo@0.1.0", "--registry", "local",
                          CARGO_REGISTRIES_LOCAL_TOKEN=ENV_TOKEN)
    assert done.returncode == 101 and "cpub-agent unlock" in done.stderr
    assert yanked_with(registry) == set()
    # With a person there it is a question, and then the agent's own token.
    terminal = act(yankable, CARGO_REGISTRIES_LOCAL_TOKEN=ENV_TOKEN)
    terminal.answers(UNLOCK, PASSPHRASE)
    ends(terminal, 0)
    assert yanked_with(registry) == {digest(TOKEN)}


def test_case_37_registry_that_is_not_ours_goes_on_to_the_plain_provider(open_desk, registry):
    registry.accept_token(ENV_TOKEN)
    put_crate(registry)
    set_providers(open_desk, registry, "cargo:token", str(open_desk.provider))
    done = open_desk.cargo("yank", "demo@0.1.0", "--registry", "local",
                           CARGO_REGISTRIES_LOCAL_TOKEN=ENV_TOKEN)
    assert done.returncode == 0, done.stderr
    assert yanked_with(registry) == {digest(ENV_TOKEN)}


def test_case_44_arguments_of_the_configuration_come_before_those_of_login(ready_desk, registry):
    asked = record(ready_desk, registry, "--account", "work")
    done = ready_desk.cargo("login", "--registry", "local", "--", "--extra", "b", given=TOKEN)
    assert done.returncode == 101 and "argument" in done.stderr
    assert asked()[-1]["args"] == ["--account", "work", "--extra", "b"]
    assert len(accounts(ready_desk)) == 1


@needs_mount
def test_case_45_token_on_cargos_standard_input_comes_trimmed(desk, registry):
    desk.start(system_ca=registry.ca)
    desk.init()
    asked = record(desk, registry)
    done = desk.cargo("login", "--registry", "local", given="  abc \nmore\n")
    assert done.returncode == 0, done.stderr
    assert asked()[-1]["token"] == "abc" and asked()[-1]["login-url"] == registry.login_url
    assert token_of(desk, registry.index) == "abc"


def test_case_46_last_of_cargos_list_is_asked_first(yankable, registry):
    asked = record(yankable, registry)
    set_providers(yankable, registry, "cargo:token", str(yankable.directory / "recorder"))
    terminal = act(yankable, CARGO_REGISTRIES_LOCAL_TOKEN=ENV_TOKEN)
    terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 0)
    assert [a["operation"] for a in asked()] == ["yank"]
    assert yanked_with(registry) == {digest(TOKEN)}


def test_case_47_token_of_the_environment_wins_where_it_is_last_in_the_list(yankable, registry):
    asked = record(yankable, registry)
    set_providers(yankable, registry, str(yankable.directory / "recorder"), "cargo:token")
    terminal = act(yankable, CARGO_REGISTRIES_LOCAL_TOKEN=ENV_TOKEN)
    ends(terminal, 0)
    assert APPROVE not in terminal.seen and asked() == []
    assert yanked_with(registry) == {digest(ENV_TOKEN)}


def test_case_48_provider_of_the_registry_makes_cargo_ignore_the_environment(yankable, registry):
    asked = record(yankable, registry)
    terminal = act(yankable, CARGO_REGISTRIES_LOCAL_TOKEN=ENV_TOKEN)
    terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 0)
    assert "will be ignored" in terminal.seen
    assert [a["operation"] for a in asked()] == ["yank"]
    assert yanked_with(registry) == {digest(TOKEN)}
