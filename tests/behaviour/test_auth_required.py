"""
A registry that wants a token for every read (`auth-required`): what login asks and pins there, and
all that the real cargo does with it afterwards.
"""

import json
import termios
import time
from pathlib import Path

import pytest

from closed_play import (
    CONFIG, READ_TOKEN, STORE_FOR, closed, closed_desk, digest, put_crate, record, tokens_sent,
)
from crate import write_crate
from desk import PASSPHRASE, TOKEN, code, get, publish
from play import (
    APPROVE, LOG_IN, TOKEN_FOR, UNLOCK, accounts, ends, index_config, lent_pty, needs_mount, project,
    readable, refused, terminal_login, token_of, with_token,
)
from registry import Registry
from test_cargo import BUILD_SCRIPT, cargo_version
from test_login import HOST

__all__ = ["closed", "closed_desk"]  # Fixtures.

PUBLISH = ("publish", "--registry", "local", "--allow-dirty")
WARNING = ("This registry wants a token for every read: then build scripts can read your\n"
           "publish token.")
TOLD_LATER = "told only to who has a token; shown before anything is stored"


@pytest.fixture
def elsewhere(tmp_path, certificate):
    """A second origin that the client trusts as well."""
    with Registry(tmp_path / "elsewhere", tls=certificate, tokens={TOKEN}) as r:
        yield r


def rows(text: str) -> list[str]:
    return [line.rstrip() for line in text.replace("\r", "").splitlines()]


# Login.

def test_login_warns_asks_the_token_and_shows_the_api_before_storing(open_desk, closed):
    terminal = terminal_login(open_desk, closed)
    question = terminal.answers(LOG_IN, "y").replace("\r", "")
    assert f"  index     {closed.index.rstrip('/')}" in rows(question)
    assert f"  token at  {closed.login_url} (claimed)" in rows(question)
    assert f"  api, dl   {TOLD_LATER}" in rows(question)
    assert WARNING in question and "login --for read" in question
    assert tokens_sent(closed) == {None}
    assert f"Token for localhost:{closed.port} " in terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0)
    shown = rows(terminal.seen.partition("the index took the token, and names")[2])
    assert f"  api       {closed.api}" in shown
    assert f"  dl        {closed.api}/api/v1/crates" in shown

    asked = [(e["method"], e["path"], e["status"], e["token"]) for e in closed.requests()]
    assert asked == [("GET", "/index/config.json", 401, None),
                     ("GET", "/index/config.json", 200, digest(TOKEN))]
    (account,) = accounts(open_desk)
    assert account["readable"] is True and account["api"] == closed.api
    assert account["dl"] == f"{closed.api}/api/v1/crates"
    assert "any program of yours can read this one" in open_desk.succeed("list")


def test_nothing_is_stored_before_the_api_was_shown(open_desk, closed):
    request = {"v": 1, "kind": "login", "registry": {"index-url": closed.index}, "token": TOKEN,
               "url-source": "given", "ca-pem": Path(closed.ca).read_text()}
    with lent_pty() as terminal, open_desk.line() as line:
        termios.tcflow(terminal.lent, termios.TCOOFF)  # As ^S does.
        line.send(request, [terminal.lent])
        assert closed.wait_for(CONFIG, 2)[-1]["token"] == digest(TOKEN)
        assert not readable(line.socket.fileno(), time.monotonic() + 1)
        assert accounts(open_desk) == []
        termios.tcflow(terminal.lent, termios.TCOON)
        assert "Ok" in json.loads(line.receive())
        assert "the index took the token" in terminal.shown()


def test_login_where_the_configuration_is_for_all_knows_what_it_says(open_desk, closed):
    closed.announce(open_config=True)
    terminal = terminal_login(open_desk, closed)
    question = terminal.answers(LOG_IN, "y").replace("\r", "")
    assert f"  api       {closed.api}" in rows(question) and WARNING in question
    terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0)
    assert [e["token"] for e in closed.requests()] == [None, digest(TOKEN)]
    assert accounts(open_desk)[0]["readable"] is True


def test_login_without_a_yes_asks_for_no_token(open_desk, closed):
    terminal = terminal_login(open_desk, closed)
    terminal.answers(LOG_IN, "n")
    ends(terminal, 5)
    assert "Token for" not in terminal.seen and accounts(open_desk) == []
    assert tokens_sent(closed) == {None}


@pytest.mark.parametrize("open_config", [False, True])
def test_login_with_a_token_that_the_index_refuses_stores_nothing(open_desk, closed, open_config):
    closed.announce(open_config=open_config)
    closed.revoke_token(TOKEN)
    if open_config:  # A server that looks at a token where it needs none.
        closed.inject(CONFIG)
        closed.inject(CONFIG, status=401, times=None)
    refused(with_token(open_desk, closed), "token-rejected", 6)
    assert accounts(open_desk) == []
    if not open_config:
        terminal = terminal_login(open_desk, closed)
        terminal.answers(LOG_IN, "y")
        terminal.answers(TOKEN_FOR, TOKEN)
        ends(terminal, 6)
        assert accounts(open_desk) == []


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_login_asks_again_where_the_api_is_on_another_host(open_desk, closed, elsewhere, answer):
    closed.announce(api=elsewhere.api)
    terminal = terminal_login(open_desk, closed)
    terminal.answers(LOG_IN, "y")
    terminal.answers(TOKEN_FOR, TOKEN)
    shown = terminal.answers(STORE_FOR, answer)
    assert f"  api       {elsewhere.api}   (on ANOTHER HOST than the index)" in rows(shown)
    ends(terminal, 0 if answer == "y" else 5)
    assert [a["api"] for a in accounts(open_desk)] == [elsewhere.api] * (answer == "y")
    assert elsewhere.requests() == []


def test_token_given_is_no_yes_to_an_api_on_another_host(open_desk, closed, elsewhere):
    closed.announce(api=elsewhere.api)
    assert elsewhere.api in refused(with_token(open_desk, closed), "api-elsewhere", 5)
    refused(with_token(open_desk, closed, "--api", closed.api), "api-elsewhere", 5)
    assert accounts(open_desk) == []
    done = with_token(open_desk, closed, "--api", elsewhere.api)
    assert done.returncode == 0, done.stderr
    assert accounts(open_desk)[0]["api"] == elsewhere.api and elsewhere.requests() == []


def test_login_by_a_name_of_the_project_has_the_host_typed_first(open_desk, closed):
    folder = project(open_desk, index_config(closed))
    refused(with_token(open_desk, closed, "--registry", "local", cwd=folder), "name-untrusted", 5)
    assert closed.requests() == []
    terminal = terminal_login(open_desk, closed, "--registry", "local", cwd=folder)
    assert WARNING in terminal.answers(HOST, f"localhost:{closed.port}").replace("\r", "")
    assert tokens_sent(closed) == {None}
    terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0)
    assert len(accounts(open_desk)) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_carries_the_token_of_a_login_nowhere(open_desk, closed, elsewhere, status):
    closed.inject(CONFIG)  # The first look, without a token, is answered as always.
    closed.inject(CONFIG, status=status, redirect=f"{elsewhere.api}/index/config.json")
    refused(with_token(open_desk, closed), "redirect", 7)
    assert closed.requests()[-1]["token"] == digest(TOKEN)
    assert elsewhere.requests() == [] and elsewhere.handshake_failures == []
    assert accounts(open_desk) == []


# The real cargo.

def releases(desk, op: str) -> list[dict]:
    return [e for e in desk.audit() if e["op"] == op and e["decision"] == "done"]


@pytest.mark.parametrize("open_config", [False, True])
def test_build_asks_once_and_reads_all_with_the_token(closed_desk, closed, open_config):
    closed.announce(open_config=open_config)
    for name in ("demo", "other"):
        put_crate(closed, name)
    asked = record(closed_desk, closed)
    n_before = len(closed.requests())
    folder = write_crate(closed_desk.home / "user", "user",
                         deps={"demo": "0.1.0", "other": "0.1.0"})
    done = closed_desk.cargo("build", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [a["operation"] for a in asked()] == ["read"]
    assert len(releases(closed_desk, "read")) == 1
    ours = closed.requests()[n_before:]
    assert [e["path"] for e in ours if not e["token"]] == ["/index/config.json"]
    assert ours[0]["status"] == (200 if open_config else 401)
    assert {e["token"] for e in ours} == {None, digest(TOKEN)}
    assert len([e for e in ours if e["path"].endswith("/download")]) == 2
    assert closed.violations == []


def test_case_41_publish_asks_read_with_headers_then_publish(closed_desk, closed):
    asked = record(closed_desk, closed)
    folder = write_crate(closed_desk.home / "demo", "demo", build=BUILD_SCRIPT)
    terminal = closed_desk.terminal("cargo", *PUBLISH, cwd=folder)
    before = terminal.answers(APPROVE, PASSPHRASE)
    assert "Compiling demo" in before and "FIRST publish of this crate" in before
    ends(terminal, 0)
    read, publish = asked()
    assert read["operation"] == "read" and publish["operation"] == "publish"
    challenge = f'www-authenticate: Cargo login_url="{closed.login_url}"'
    assert challenge.lower() in [h.lower() for h in read["registry"]["headers"]]
    assert "headers" not in publish["registry"]
    published = closed.crates["demo", "0.1.0"]
    assert (publish["name"], publish["vers"], publish["cksum"]) == (
        "demo", "0.1.0", published.cksum)
    assert [e["op"] for e in closed_desk.audit() if e["op"] in ("read", "publish")] == [
        "read", "publish"]
    assert closed.violations == []


def test_case_42_yank_undo_and_owner_ask_read_then_the_act_with_its_fields(closed_desk, closed):
    put_crate(closed)
    asked = record(closed_desk, closed)

    def act(*words) -> dict:
        n = len(asked())
        terminal = closed_desk.terminal("cargo", *words, "--registry", "local")
        terminal.answers(APPROVE, PASSPHRASE)
        ends(terminal, 0)
        read, last = asked()[n:]
        assert read["operation"] == "read"
        assert last["registry"]["index-url"] == closed.index
        return {k: last[k] for k in ("operation", "name", "vers", "cksum") if k in last}

    assert act("yank", "demo@0.1.0") == {"operation": "yank", "name": "demo", "vers": "0.1.0"}
    assert closed.crates["demo", "0.1.0"].yanked
    assert act("yank", "--undo", "demo@0.1.0") == {
        "operation": "unyank", "name": "demo", "vers": "0.1.0"}
    assert not closed.crates["demo", "0.1.0"].yanked
    owners = {"operation": "owners", "name": "demo"}
    assert act("owner", "--list", "demo") == act("owner", "--add", "bob", "demo") == owners
    closed.owners.accept("demo", "bob")
    assert act("owner", "--remove", "bob", "demo") == owners
    assert len(closed.requests("PUT /api/v1/crates/demo/owners")) == 1
    assert closed.violations == []


@needs_mount
@pytest.mark.parametrize("answer", ["y", "n"])
def test_case_43_cargo_login_with_nothing_stored(desk, closed, answer):
    desk.start(system_ca=closed.ca)
    desk.init()
    asked = record(desk, closed)
    terminal = desk.terminal("cargo", "login", "--registry", "local")
    question = terminal.answers(LOG_IN, answer)
    assert f"  token at  {closed.login_url} (claimed)" in rows(question)
    assert WARNING in question.replace("\r", "")
    if answer == "y":
        terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0 if answer == "y" else 101)
    read, login = asked()
    assert (read["kind"], read["operation"], login["kind"]) == ("get", "read", "login")
    assert login["login-url"] == closed.login_url and "token" not in login
    assert [a["readable"] for a in accounts(desk)] == [True] * (answer == "y")
    assert releases(desk, "read") == []  # Not found; nothing went out.


def test_cargo_login_and_build_end_where_reads_were_never_agreed_to(ready_desk, registry):
    put_crate(registry)
    registry.announce(auth_required=True)
    folder = write_crate(ready_desk.home / "user", "user", deps={"demo": "0.1.0"})
    for words, cwd in ((("login", "--registry", "local"), None), (("build",), folder)):
        terminal = ready_desk.terminal("cargo", *words, cwd=cwd)
        ends(terminal, 101)
        assert "cpub-agent login" in terminal.seen and LOG_IN not in terminal.seen
    assert registry.violations == [] and tokens_sent(registry, "GET /index/de") <= {None}
    assert code(ready_desk.ask(get(registry.index, registry={"headers": ["x: y"]}))) == (
        "read-auth-not-agreed")
    # And what it says to do helps.
    terminal = terminal_login(ready_desk, registry, "--replace")
    assert WARNING in terminal.answers(APPROVE, PASSPHRASE).replace("\r", "")
    terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0)
    assert accounts(ready_desk)[0]["readable"] is True
    assert ready_desk.cargo("build", cwd=folder).returncode == 0


def test_account_of_an_open_registry_never_gives_its_token_to_reads(ready_desk, registry):
    """Nor when the registry wants one since; row by row in the table of `get`."""
    registry.announce(auth_required=True)
    for more in ({}, {"registry": {"headers": [f'www-authenticate: Cargo login_url="{TOKEN}"']}}):
        assert TOKEN not in str(ready_desk.ask(get(registry.index, **more)))
    assert releases(ready_desk, "read") == []


# Locked.

def test_locked_store_asks_the_passphrase_before_the_build_or_says_locked(closed_desk, closed):
    put_crate(closed)
    folder = write_crate(closed_desk.home / "user", "user", deps={"demo": "0.1.0"})
    closed_desk.succeed("lock")
    done = closed_desk.cargo("build", cwd=folder)
    assert done.returncode == 101 and "cpub-agent unlock" in done.stderr
    assert "no token found" not in done.stderr and closed.requests("download") == []
    assert releases(closed_desk, "read") == []

    terminal = closed_desk.terminal("cargo", "build", cwd=folder)
    assert "Compiling" not in terminal.answers(UNLOCK, PASSPHRASE)
    ends(terminal, 0)
    assert terminal.seen.count(UNLOCK) == 1
    assert tokens_sent(closed, "download") == {digest(TOKEN)}


def test_locked_store_and_no_passphrase_reads_nothing(closed_desk, closed):
    put_crate(closed)
    closed_desk.succeed("lock")
    folder = write_crate(closed_desk.home / "user", "user", deps={"demo": "0.1.0"})
    terminal = closed_desk.terminal("cargo", "build", cwd=folder)
    terminal.sees(UNLOCK)
    terminal.send("\x03")
    ends(terminal, 101)
    assert closed.requests("download") == []


# What the agent itself asks of such a registry.

def test_redirect_carries_the_token_for_reads_nowhere_and_ends_a_release(closed_desk, closed,
                                                                         elsewhere):
    for match in (CONFIG, "GET /index/de/mo/demo"):
        closed.inject(match, redirect=f"{elsewhere.api}/index/x", times=None)
    with lent_pty() as terminal, closed_desk.line() as line:
        line.send(publish(closed.index), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        assert code(json.loads(line.receive())) == "redirect"
    assert closed.requests()[-1]["token"] == digest(TOKEN)
    assert elsewhere.requests() == [] and elsewhere.handshake_failures == []


@pytest.mark.skipif(cargo_version() < (1, 90), reason="this cargo publishes no workspaces (< 1.90)")
def test_workspace_is_published_with_one_passphrase_there_too(closed_desk, closed):
    root = closed_desk.home / "workspace"
    root.mkdir()
    (root / "Cargo.toml").write_text('[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n')
    write_crate(root / "one", "one")
    write_crate(root / "two", "two",
                deps={"one": {"version": "0.1.0", "path": "../one", "registry": "local"}})
    terminal = closed_desk.terminal("cargo", *PUBLISH, "--workspace", cwd=root)
    terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 0)
    assert terminal.seen.count(APPROVE) == 1
    assert set(closed.crates) == {("one", "0.1.0"), ("two", "0.1.0")}
    assert READ_TOKEN not in terminal.seen and closed.violations == []
