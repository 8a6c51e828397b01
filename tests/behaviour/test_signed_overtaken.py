"""
What a person agreed to is done with the account that was shown, or not at all: another key, or a
token in its place, came while the question, the look at the index or the signing was under way.
"""

import json

import pytest

from desk import PASSPHRASE, TOKEN, code, publish
from play import LOG_OUT, UNLOCK
from signed_play import APPROVE, Held, new_key, open_claims, paserk, pipe, point, signer
from test_signed_workers import signing_is_held, tree, workshop
from verify import HEADER, decode

__all__ = ["signer", "tree", "workshop"]  # Fixtures.

def to_a_token(signer) -> None:
    """The account sends a token from now on, by the same person's will."""
    request = signer.token_request(replace=True, no_check=True, api=signer.registry.api)
    assert code(signer.ask(request).answer) == "ok"


def to_another_key(signer) -> None:
    signer.renew()


CHANGES = pytest.mark.parametrize("change", [to_a_token, to_another_key])


def owners(signer) -> dict:
    return signer.request("get", operation="owners", name="demo")


def first(signer) -> dict:
    return publish(signer.registry.index, "one", account=signer.account)


def is_refused(signer, answer: dict) -> None:
    """No token, no grant for the next crate of that release, and it is written down."""
    assert code(answer) == "not-approved" and "token" not in json.dumps(answer.get("Ok", {}))
    told = signer.desk.audit()[-1]
    assert (told["account"], told["refusal"]) == (signer.account, "not-approved")
    following = publish(signer.registry.index, "two", account=signer.account)
    assert code(signer.desk.ask(following)) == "needs-terminal"


# `get`.

@CHANGES
@pytest.mark.parametrize("request_of", [owners, first])
def test_approval_is_not_for_what_came_during_the_question(signer, change, request_of):
    signer.log_in()
    with Held(signer.desk, request_of(signer)) as held:
        held.terminal.sees(APPROVE)
        change(signer)
        held.terminal.types(PASSPHRASE)
        is_refused(signer, held.ends())


def test_approval_for_a_token_is_not_for_a_key_that_came_during_the_question(signer):
    assert code(signer.desk.ask(signer.token_request())) == "ok"
    with Held(signer.desk, owners(signer)) as held:
        held.terminal.sees(APPROVE)
        assert code(signer.make(replace=True)) == "ok"
        held.terminal.types(PASSPHRASE)
        is_refused(signer, held.ends())


@CHANGES
def test_approval_is_not_for_what_came_while_the_index_was_compared(signer, change):
    signer.log_in()
    with Held(signer.desk, first(signer)) as held:
        held.terminal.sees(APPROVE)
        rule = signer.registry.inject("GET /index/config.json", hang=True)
        held.terminal.types(PASSPHRASE)
        assert rule.reached.wait(10)
        change(signer)
        rule.release()
        is_refused(signer, held.ends())


def test_account_that_is_gone_when_it_would_be_shown_is_not_asked_about(signer):
    """So that no other one comes in its place under a question that shows none."""
    signer.crate("0.1.0")
    signer.log_in()
    rule = signer.registry.inject("GET /index/de/mo/", hang=True)
    request = publish(signer.registry.index, signer.crate_name, account=signer.account)
    with Held(signer.desk, request) as held:
        assert rule.reached.wait(10)
        assert code(signer.ask(signer.request("logout")).answer) == "ok"
        rule.release()
        assert code(held.ends()) == "account-unknown"
        assert APPROVE not in held.terminal.shown()


def test_grant_is_not_for_what_came_while_the_index_was_compared(signer):
    """Which nobody is asked for, and so nobody sees."""
    signer.log_in()
    assert code(signer.ask(first(signer)).answer) == "ok"
    rule = signer.registry.inject("GET /index/config.json", hang=True)
    with signer.desk.line() as line:
        line.send(publish(signer.registry.index, "two", account=signer.account))
        assert rule.reached.wait(10)
        to_another_key(signer)
        rule.release()
        assert code(json.loads(line.receive())) == "not-approved"


@CHANGES
def test_approval_is_not_for_what_came_during_the_signing(signer, tree, change):
    """What was signed by then goes nowhere, whoever took its time."""
    signer.log_in()
    with signing_is_held(signer, tree) as when, Held(signer.desk, first(signer)) as held:
        held.terminal.answers(APPROVE, PASSPHRASE)
        when.is_begun()
        change(signer)
        when.ends()
        is_refused(signer, held.ends())


def test_what_a_locked_store_holds_when_it_opens_is_what_is_agreed_to(signer):
    """The question could not show it, and the passphrase is for whatever is there."""
    signer.log_in()
    signer.desk.succeed("lock")
    with Held(signer.desk, owners(signer)) as held:
        held.terminal.answers(UNLOCK, PASSPHRASE)
        answer = held.ends()
    assert open_claims(answer["Ok"]["token"], signer.key)

    signer.desk.succeed("lock")
    with Held(signer.desk, owners(signer)) as held:
        held.terminal.sees(UNLOCK)
        signer.desk.unlock()
        signer.renew()
        held.terminal.types(PASSPHRASE)
        answer = held.ends()
    token, (stored,) = answer["Ok"]["token"], signer.stored()
    assert token.startswith(HEADER) and stored["pid"] in decode(token.split(".")[3]).decode()


# `login`, `trust` and `logout`: a key that nobody was shown is never lost.

def test_login_with_a_token_is_not_over_a_key_that_came_meanwhile(signer):
    assert code(signer.desk.ask(signer.token_request())) == "ok"
    with Held(signer.desk, signer.token_request(TOKEN + "x", replace=True)) as held:
        held.terminal.sees(APPROVE)
        told = signer.make(replace=True)["Ok"]
        held.terminal.types(PASSPHRASE)
        assert code(held.ends()) == "busy"
    assert [stored["pid"] for stored in signer.stored()] == [told["pid"]]


def test_login_with_a_key_is_not_over_another_key_than_was_shown(signer):
    signer.log_in()
    other = new_key()
    signer.keys.append(other)
    with pipe(paserk(other)) as reader:
        requests = [(signer.login_request(replace=True), ()),
                    (signer.login_request(replace=True, secret_in_pipe=True), [reader])]
        for request, fds in requests:
            with Held(signer.desk, request, fds) as held:
                held.terminal.sees(APPROVE)
                signer.renew()
                now = signer.stored()
                held.terminal.types(PASSPHRASE)
                assert code(held.ends()) == "busy"
            assert signer.stored() == now


def test_trust_is_not_for_another_account_than_was_shown(signer):
    assert code(signer.desk.ask(signer.token_request())) == "ok"
    signer.registry.announce(dl="https://localhost:5/dl")
    with Held(signer.desk, signer.trust_request()) as held:
        held.terminal.sees(APPROVE)
        signer.registry.announce(dl=f"{signer.registry.api}/api/v1/crates")
        assert code(signer.make(replace=True)) == "ok"
        now = signer.stored()
        held.terminal.types(PASSPHRASE)
        assert code(held.ends()) == "busy"
    assert signer.stored() == now and now[0]["type"] == "asymmetric"


def test_logout_is_not_of_a_key_that_came_meanwhile(signer):
    assert code(signer.desk.ask(signer.token_request())) == "ok"
    with Held(signer.desk, signer.request("logout")) as held:
        held.terminal.sees(LOG_OUT)
        told = signer.make(replace=True)["Ok"]
        held.terminal.types("y")
        assert code(held.ends()) == "busy"
    assert [stored["pid"] for stored in signer.stored()] == [told["pid"]]


@pytest.mark.parametrize("change", ["finish", "cancel", "set"])
def test_change_of_a_key_is_not_of_another_than_was_shown(signer, change):
    signer.log_in()
    assert code(signer.change("rotate")) == "ok"
    more = {"subject": "ci"} if change == "set" else {}
    with Held(signer.desk, signer.request("key", change=change, **more)) as held:
        held.terminal.sees("[y/N] " if change == "cancel" else APPROVE)
        for step in ("cancel", "rotate"):
            assert code(signer.change(step)) == "ok"
        now = signer.stored()
        held.terminal.types("y" if change == "cancel" else PASSPHRASE)
        assert code(held.ends()) == "not-approved"
    assert signer.stored() == now
