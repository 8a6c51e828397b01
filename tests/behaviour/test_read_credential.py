"""
`login --for read`: a credential of its own for the reads of a registry that wants a token for each.
Reads get that one and never the publish token, which nobody gets without an approval then.
"""

import json

import pytest

from closed_play import (
    CONFIG, READ_TOKEN, closed, closed_desk, digest, put_crate, record, tokens_sent,
)
from crate import write_crate
from desk import PASSPHRASE, TOKEN, code, get, publish
from play import (
    APPROVE, CRATES_IO, LOG_IN, LOG_OUT, TOKEN_FOR, UNLOCK, accounts, ask_provider, ends, refused,
    terminal_login, token_of, with_token,
)
from test_auth_required import PUBLISH, releases

__all__ = ["closed", "closed_desk"]  # Fixtures.

READ_ANSWER = {"Ok": {"kind": "get", "token": READ_TOKEN, "cache": "session",
                      "operation_independent": False}}


def log_in_for_read(desk, registry, *words: str):
    return with_token(desk, registry, "--for", "read", *words, given=READ_TOKEN + "\n")


@pytest.fixture
def both_desk(open_desk, closed):
    """First the credential for reads, then the account."""
    assert log_in_for_read(open_desk, closed).returncode == 0
    open_desk.login(closed)
    open_desk.set_up_cargo(closed)
    return open_desk


def user(desk):
    """A project that depends on what lies in the registry."""
    return write_crate(desk.home / "user", "user", deps={"demo": "0.1.0"})


def log_out_for_read(desk, registry) -> None:
    terminal = desk.terminal("logout", "--for", "read", "--index", registry.index)
    terminal.answers(LOG_OUT, "y")
    ends(terminal, 0)
    assert "(for reads alone)" in terminal.seen


# Login.

def test_login_for_read_says_what_it_is_for_and_who_can_read_it(open_desk, closed):
    terminal = terminal_login(open_desk, closed, "--for", "read")
    question = terminal.answers(LOG_IN, "y").replace("\r", "")
    assert "  account   default, for reads alone" in question
    assert "any program of yours can read this token, build scripts too" in question
    assert "publish token" not in question
    terminal.answers(TOKEN_FOR, READ_TOKEN)
    ends(terminal, 0)
    assert tokens_sent(closed) == {None, digest(READ_TOKEN)}
    (account,) = accounts(open_desk)
    assert (account["account"], account["for"], account["readable"]) == ("default", "read", True)
    text = open_desk.succeed("list")
    assert ", for reads alone" in text and "any program of yours can read this one" in text


def test_account_beside_a_credential_for_reads_is_not_readable(both_desk):
    by_use = {a["for"]: a["readable"] for a in accounts(both_desk)}
    assert by_use == {"read": True, "all": False}
    assert both_desk.succeed("list").count("any program of yours can read this one") == 1


def test_login_beside_a_credential_for_reads_says_that_reads_go_on_with_it(open_desk, closed):
    assert log_in_for_read(open_desk, closed).returncode == 0
    terminal = terminal_login(open_desk, closed)
    question = terminal.answers(LOG_IN, "y")
    assert "Reads go on with the credential of `login --for read`." in question
    assert "build scripts can read" not in question
    terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 0)
    done = json.loads(with_token(open_desk, closed, "--account", "second").stdout)
    assert done["readable"] is True  # That account has no such credential.


def test_login_for_read_with_a_token_that_the_index_refuses_stores_nothing(open_desk, closed):
    closed.revoke_token(READ_TOKEN)
    refused(log_in_for_read(open_desk, closed), "token-rejected", 6)
    assert accounts(open_desk) == []


def test_login_for_read_where_reads_are_open_is_not_needed(open_desk, registry):
    refused(log_in_for_read(open_desk, registry), "read-not-needed", 2)
    assert tokens_sent(registry) == {None}
    refused(with_token(open_desk, None, "--index", CRATES_IO, "--for", "read"),
            "read-not-needed", 2)
    assert accounts(open_desk) == []


# What is handed out.

@pytest.mark.parametrize("more", [
    {}, {"registry": {"headers": ['www-authenticate: Cargo login_url="https://x.example/me"']}}],
    ids=["without headers", "with headers"])
def test_read_gets_the_one_and_an_act_the_other(both_desk, closed, more):
    assert ask_provider(both_desk, get(closed.index, **more)) == READ_ANSWER
    assert token_of(both_desk, closed.index) == TOKEN


def test_read_of_an_account_that_was_readable_gets_the_new_one(closed_desk, closed):
    assert closed_desk.ask(get(closed.index))["Ok"]["token"] == TOKEN
    assert log_in_for_read(closed_desk, closed).returncode == 0
    assert closed_desk.ask(get(closed.index)) == READ_ANSWER


def test_publish_reads_with_the_one_and_uploads_with_the_other(both_desk, closed):
    put_crate(closed)
    asked = record(both_desk, closed)
    n_before = len(closed.requests())
    folder = write_crate(both_desk.home / "next", "next", deps={"demo": "0.1.0"})
    terminal = both_desk.terminal("cargo", *PUBLISH, cwd=folder)
    terminal.answers(APPROVE, PASSPHRASE)
    ends(terminal, 0)
    assert READ_TOKEN not in terminal.seen
    assert [a["operation"] for a in asked()] == ["read", "publish"]
    ours = closed.requests()[n_before:]
    with_publish_token = [(e["method"], e["path"]) for e in ours if e["token"] == digest(TOKEN)]
    assert with_publish_token == [("PUT", "/api/v1/crates/new")]
    assert {e["token"] for e in ours if e["method"] == "GET"} <= {None, digest(READ_TOKEN)}
    assert closed.violations == []


def test_locked_store_asks_once_and_gives_reads_the_one_for_them(both_desk, closed):
    put_crate(closed)
    folder = user(both_desk)
    both_desk.succeed("lock")
    assert code(both_desk.ask(get(closed.index))) == "locked"
    terminal = both_desk.terminal("cargo", "build", cwd=folder)
    terminal.answers(UNLOCK, PASSPHRASE)
    ends(terminal, 0)
    assert tokens_sent(closed, "download") == {digest(READ_TOKEN)}


def test_agents_own_looks_before_and_after_a_release_use_the_one_for_reads(both_desk, closed):
    n_before = len(closed.requests())
    assert token_of(both_desk, closed.index) == TOKEN
    assert [(e["path"], e["token"]) for e in closed.requests()[n_before:]] == [
        ("/index/config.json", digest(READ_TOKEN))]


# Without the one, without the other.

def test_reads_end_once_the_credential_for_them_is_removed(both_desk, closed):
    put_crate(closed)
    folder = user(both_desk)
    assert both_desk.cargo("build", cwd=folder).returncode == 0
    log_out_for_read(both_desk, closed)
    assert [a["for"] for a in accounts(both_desk)] == ["all"]
    n_before = len(closed.requests())
    for headers in ([], ["www-authenticate: Cargo"]):
        answer = both_desk.ask(get(closed.index, registry={"headers": headers}))
        assert code(answer) == "read-auth-not-agreed"
    # Also where cargo still knows from its cache that a token is wanted, and sends no headers.
    done = both_desk.cargo("update", cwd=folder)
    assert done.returncode == 101 and "cpub-agent login" in done.stderr
    assert tokens_sent(closed, "GET ") <= {None, digest(READ_TOKEN), digest(TOKEN)}
    assert all(e["token"] is None for e in closed.requests()[n_before:])
    assert closed.violations == []


def test_credential_for_reads_alone_builds_and_publishes_nothing(open_desk, closed):
    assert log_in_for_read(open_desk, closed).returncode == 0
    open_desk.set_up_cargo(closed)
    put_crate(closed)
    done = open_desk.cargo("build", cwd=user(open_desk))
    assert done.returncode == 0, done.stderr
    assert code(open_desk.ask(publish(closed.index))) == "account-unknown"
    folder = write_crate(open_desk.home / "next", "next")
    terminal = open_desk.terminal("cargo", *PUBLISH, cwd=folder)
    ends(terminal, 101)
    assert APPROVE not in terminal.seen and "has no account of that name" in terminal.seen
    assert closed.requests("PUT /api/v1/crates/new") == closed.requests("PUT")[:1]


def test_logging_out_of_the_account_takes_its_credential_for_reads_along(both_desk, closed):
    terminal = both_desk.terminal("logout", "--index", closed.index)
    terminal.answers(LOG_OUT, "y")
    ends(terminal, 0)
    assert accounts(both_desk) == []
    assert both_desk.ask(get(closed.index)) == {"Err": {"kind": "not-found"}}
    assert releases(both_desk, "read") == []


def test_credential_for_reads_that_the_index_no_longer_takes_is_no_way_to_the_other(both_desk,
                                                                                    closed):
    """cargo is told by the registry; the publish token is not tried in its place."""
    closed.revoke_token(READ_TOKEN)
    n_before = len(closed.requests())
    put_crate(closed)
    done = both_desk.cargo("build", cwd=user(both_desk))
    assert done.returncode == 101 and "token rejected" in done.stderr
    ours = [e for e in closed.requests()[n_before:] if e["method"] == "GET"]
    assert ours and {e["token"] for e in ours} <= {None, digest(READ_TOKEN)}
    assert closed.requests(CONFIG)[-1]["status"] == 401
