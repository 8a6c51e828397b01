"""
`revoke` ends a token at its registry and says what came of it, and no more. It is removed from the
store only where the registry said that it is revoked, or dead already.
"""

import json

import pytest

from act_play import REVOKE, counter, new_token, shop  # noqa: F401
from desk import PASSPHRASE, TOKEN
from gate import sha256
from grant import trusted_token
from injection import NOT_EVEN_A_STATUS
from play import UNLOCK
from test_probe import alone, crates_io, desk, its_certificate  # noqa: F401

pytestmark = pytest.mark.release

CURRENT = "DELETE /api/v1/tokens/current"
PAGE = "https://crates.io/settings/tokens"


@pytest.fixture
def account(counter):
    counter.log_in()
    return counter


def revoke(counter, *words: str) -> tuple[int, dict]:
    return counter.told("revoke", *words, prompt=REVOKE, answer="y")


def test_case_87_token_is_revoked_there_and_removed_here(account):
    done = account.do("revoke", prompt=REVOKE, answer="y")
    assert done.status == 0
    for row in ("cpub-agent: approve revoking a token at its registry?",
                f"  account   {account.account}", f"  sent to   {account.registry.api}"):
        assert row in done.question
    where = account.registry.index.rstrip("/")
    assert f"Revoked at {where}: the token of account '{account.account}'.\n" in done.text
    assert "Removed from the store.\n" in done.text
    assert not account.registry.knows_token(account.token) and account.stored() == []
    (sent,) = account.requests("DELETE ")
    assert sent["path"] == "/api/v1/tokens/current" and sent["body_length"] == 0
    assert account.audit("revoke", "logout") == [
        ("revoke", "begun", None), ("revoke", "done", None), ("logout", "done", None)]


def test_a_no_or_nobody_to_ask_leaves_all_as_it_is(account):
    assert account.do("revoke", prompt=REVOKE, answer="n").status == 5
    done = account.run("--json", "revoke")
    assert done.returncode == 4 and json.loads(done.stdout)["error"]["code"] == "needs-terminal"
    assert account.registry.knows_token(account.token) and account.stored() == ["all"]
    assert account.requests("DELETE ") == []


def test_locked_store_takes_the_passphrase_first(account):
    account.desk.succeed("lock")
    terminal = account.start("revoke")
    terminal.answers(UNLOCK, PASSPHRASE)
    terminal.answers(REVOKE, "y")
    assert account.end(terminal) == 0 and account.stored() == []


def test_case_88_scoped_token_is_not_revoked_and_stays_unless_it_is_to_be_forgotten(account):
    account.registry.accept_token(account.token, is_scoped=True)
    done = account.do("revoke", prompt=REVOKE, answer="y")
    assert done.status == 6 and "NOT revoked: " in done.text and "Revoked at" not in done.text
    assert "it stays in the store" in done.text and account.stored() == ["all"]
    status, answer = revoke(account, "--forget")
    assert (status, answer["outcome"], answer["code"]) == (6, "not-revoked", "token-scope")
    assert answer["erased"] is True and account.stored() == []
    assert account.registry.knows_token(account.token)


def test_case_88_crates_io_tells_where_to_revoke_it_by_hand(desk, crates_io):
    crates_io.accept_token(TOKEN, is_scoped=True)
    desk.succeed("login", "--with-token", "--account", "scoped", given=TOKEN + "\n")
    terminal = desk.terminal("revoke", "--account", "scoped")
    terminal.answers(REVOKE, "y")
    assert terminal.ends() == 6
    assert "NOT revoked: this token may not revoke itself" in terminal.seen
    assert f"revoke it here: {PAGE}" in terminal.seen and TOKEN not in terminal.seen
    assert crates_io.gate.knows(sha256(TOKEN))


def test_case_89_token_that_is_dead_already_is_removed_and_not_called_revoked(desk, crates_io):
    desk.succeed("login", "--with-token", "--account", "dead", given=TOKEN + "\n")
    crates_io.revoke_token(TOKEN)
    terminal = desk.terminal("revoke", "--account", "dead")
    terminal.answers(REVOKE, "y")
    assert terminal.ends() == 0
    assert "was dead already" in terminal.seen and "Revoked at" not in terminal.seen
    assert '"dead"' not in desk.succeed("--json", "list")


def test_case_89_other_registry_does_not_make_a_token_dead_in_the_words_of_crates_io(account):
    account.registry.revoke_token(account.token)
    status, answer = revoke(account)
    assert (status, answer["outcome"], answer["code"]) == (6, "not-revoked", "registry-refused")
    assert answer["detail"] == "authentication failed"
    assert answer["erased"] is False and account.stored() == ["all"]


# Case 90, and whoever else answers: nothing is erased.

@pytest.mark.parametrize("rule,outcome,refusal,status", [
    (dict(done=True, cut=NOT_EVEN_A_STATUS), "unknown", "outcome-unknown", 7),
    (dict(status=502, body="<html>Bad Gateway</html>"), "unknown", "outcome-unknown", 7),
    (dict(status=200, body="<html>Log in to the network</html>"), "unknown", "answer-invalid", 7),
    (dict(status=200, body={"error": "not implemented"}), "unknown", "answer-invalid", 7),
    (dict(status=200, body=b""), "unknown", "answer-invalid", 7),
    (dict(done=True, status=303, headers=[("Location", "https://localhost:1/")]), "unknown",
     "answer-invalid", 7),
])
def test_where_nobody_knows_it_stays_even_if_it_is_to_be_forgotten(
        account, rule, outcome, refusal, status):
    account.registry.inject(CURRENT, **rule)
    got, answer = revoke(account, "--forget")
    assert (got, answer["outcome"], answer["code"]) == (status, outcome, refusal)
    assert answer["erased"] is False and account.stored() == ["all"]
    assert len(account.requests("DELETE ")) == 1
    assert account.audit("revoke")[-1] == ("revoke", "unknown", refusal)


@pytest.mark.parametrize("rule,refusal,status", [
    (dict(status=401, body="<html>Proxy says no</html>"), "registry-refused", 6),
    (dict(status=401, body={"errors": [{"detail": "authentication failed"}]}), "registry-refused",
     6),
    (dict(status=403, body="authentication failed"), "registry-refused", 6),
    (dict(status=403, body={"errors": [{"detail": "authentication failed for proxy"}]}),
     "registry-refused", 6),
    (dict(status=200, body={"errors": [{"detail": "authentication failed"}]}), "registry-refused",
     6),
    (dict(status=429, retry_after=60, body="slow down"), "rate-limited", 6),
    (dict(redirect="https://localhost:1/"), "redirect", 7),
])
def test_a_gateways_no_does_not_make_a_token_dead(account, rule, refusal, status):
    account.registry.inject(CURRENT, **rule)
    got, answer = revoke(account)
    assert (got, answer["outcome"], answer["code"]) == (status, "not-revoked", refusal)
    assert answer["erased"] is False and account.stored() == ["all"]
    assert account.registry.knows_token(account.token)


def test_registry_that_takes_no_changes_revokes_nothing(account):
    account.registry.announce(read_only=True)
    status, answer = revoke(account)
    assert (status, answer["code"]) == (6, "registry-unavailable") and account.stored() == ["all"]


def test_case_90_without_a_network_nothing_is_erased(counter, tmp_path, certificate):
    from registry import Registry

    with Registry(tmp_path / "gone", tls=certificate, tokens={counter.token}) as gone:
        counter.desk.login(gone, counter.token, "--account", counter.account)
    terminal = counter.desk.terminal(
        "revoke", "--forget", "--index", gone.index, "--account", counter.account)
    terminal.answers(REVOKE, "y")
    assert counter.end(terminal) == 7
    assert "could not be reached" in terminal.seen and counter.stored() == ["all"]


# Only the token that was asked about.

def replace(account, token: str) -> None:
    account.registry.accept_token(token)
    account.tokens.append(token)
    account.desk.confirm_login(
        account.registry, token, "--account", account.account, "--replace")


def test_login_while_the_question_stands_is_not_revoked(account):
    other = new_token()
    terminal = account.start("revoke")
    terminal.sees(REVOKE)
    replace(account, other)
    terminal.types("y")
    assert account.end(terminal) == 1
    assert account.registry.knows_token(account.token) and account.registry.knows_token(other)
    assert account.requests("DELETE ") == [] and account.stored() == ["all"]


def test_login_while_the_registry_is_asked_is_not_removed(account):
    other = new_token()
    rule = account.registry.inject(CURRENT, hang=True)
    terminal = account.start("revoke")
    terminal.answers(REVOKE, "y")
    assert rule.reached.wait(10)
    replace(account, other)
    rule.release()
    assert account.end(terminal) == 9
    assert "Revoked at" in terminal.seen and "could not be removed" in terminal.seen
    assert not account.registry.knows_token(account.token)
    assert account.registry.knows_token(other) and account.stored() == ["all"]


def test_token_for_reads_is_revoked_alone(account):
    reader = new_token()
    account.registry.accept_token(reader)
    account.registry.announce(auth_required=True)
    account.log_in("--for", "read", token=reader)
    status, answer = revoke(account, "--for", "read")
    assert (status, answer["outcome"], answer["for"]) == (0, "revoked", "read")
    assert not account.registry.knows_token(reader) and account.stored() == ["all"]
    assert account.registry.knows_token(account.token)


def test_token_for_reads_that_goes_along_is_told_to_stay_valid(account):
    reader = new_token()
    account.registry.accept_token(reader)
    account.registry.announce(auth_required=True)
    account.log_in("--for", "read", token=reader)
    done = account.do("revoke", prompt=REVOKE, answer="y")
    assert done.status == 0 and account.stored() == []
    assert "with it the token for reads, which stays valid" in done.text
    assert account.registry.knows_token(reader)


def test_case_95_token_of_trusted_publishing_goes_to_its_own_place(counter):
    token = trusted_token(new_token()[3:34])
    counter.registry.trust_token(token, "demo")
    for _ in range(2):  # Repeated, it is told to be revoked as well.
        counter.log_in("--no-check", "--api", counter.registry.api, token=token)
        status, answer = revoke(counter)
        assert (status, answer["outcome"]) == (0, "revoked") and counter.stored() == []
        assert not counter.registry.knows_token(token)
    assert [e["path"] for e in counter.requests("DELETE ")] == [
        "/api/v1/trusted_publishing/tokens"] * 2


def test_account_that_is_pinned_to_nothing_sends_nothing(counter):
    counter.log_in("--no-check")
    done = counter.run("--json", "revoke")
    assert done.returncode == 4 and json.loads(done.stdout)["error"]["code"] == "unpinned"
    assert counter.requests("DELETE ") == []


def test_two_that_revoke_at_once_revoke_once(account):
    rule = account.registry.inject(CURRENT, hang=True)
    first = account.start("revoke")
    first.answers(REVOKE, "y")
    assert rule.reached.wait(10)
    second = account.start("--json", "revoke")
    second.sees(REVOKE)
    rule.release()
    assert account.end(first) == 0
    second.types("y")
    assert account.end(second) == 1 and '"code":"busy"' in second.seen
    assert len(account.requests("DELETE ")) == 1
