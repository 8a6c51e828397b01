"""
What the tokens of an account say beside the act: changed by `key` with `set`, which keeps the key;
the index as cargo calls it; and which key it was, in the audit log.
"""

import json

import pytest

from desk import code, publish
from signed_play import (
    APPROVE, Asked, act, key_id, open_claims, outcome, public, signer, workshop,
)

__all__ = ["signer", "workshop"]  # Fixtures.


@pytest.fixture
def ready(signer):
    signer.crate("0.1.0")
    signer.log_in()
    return signer


# `set`.

def test_subject_and_the_name_of_the_footers_key_are_changed_and_the_key_stays(ready):
    before = ready.stored()[0]
    asked = ready.ask(ready.request("key", change="set", subject="ci", footer_key="kid"))
    assert APPROVE in asked.seen and asked.answer["Ok"]["changed"] is True
    assert "  subject   ci\n" in asked.seen and "  id as     kid\n" in asked.seen
    assert ready.stored() == [before | {"subject": "ci", "footer-key": "kid"}]
    ready.verifier.reset(subject="ci", footer_key="kid")
    assert ready.verifier(ready.token("owners"), act("owners"))
    assert outcome(ready.yank("0.1.0")) == ("done", None)


@pytest.mark.parametrize("more,told", [
    ({"subject": "ci"}, ("ci", "kid")), ({"footer-key": "kip"}, ("alice", "kip")),
    ({"no-subject": True}, (None, "kid")),
    ({"no-subject": True, "footer-key": "kip"}, (None, "kip"))])
def test_what_is_not_named_stays(signer, more, told):
    signer.verifier.reset(subject="alice", footer_key="kid")
    signer.log_in(subject="alice", footer_key="kid")
    answer = signer.change("set", **more)["Ok"]
    assert (answer["subject"], answer["footer-key"]) == told and answer["pid"] == key_id(
        public(signer.key))
    signer.verifier.reset(subject=told[0], footer_key=told[1])
    assert signer.verifier(signer.token("yank"), act("yank"))


def test_set_needs_the_passphrase(ready):
    before = ready.stored()
    request = ready.request("key", change="set", subject="ci")
    assert code(ready.desk.ask(request)) == "needs-terminal"
    assert code(Asked(ready.desk, request, {APPROVE: "\x03"}).answer) == "denied"
    assert ready.stored() == before


def test_set_keeps_the_next_key(ready):
    told = ready.change("rotate")["Ok"]
    answer = ready.change("set", subject="ci")["Ok"]
    assert answer["next-pid"] == told["next-pid"] and answer["pid"] == told["pid"]
    assert code(ready.change("finish")) == "ok"
    ready.verifier.reset(subject="ci")
    ready.verifier.register(told["next-public"])
    assert ready.verifier(ready.token("owners"), act("owners"))


def test_set_for_reads_is_of_that_credential_alone(signer):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    signer.log_in(**{"for": "read"})
    assert code(signer.change("set", subject="ci", **{"for": "read"})) == "ok"
    assert {told["for"]: told["subject"] for told in signer.stored()} == {
        "all": None, "read": "ci"}
    assert json.loads(signer.signed("read")[0])["sub"] == "ci"


@pytest.mark.parametrize("change", ["finish", "set"])
def test_grant_ends_with_what_was_approved(ready, change):
    """Its tokens would be other ones."""
    def next_crate(name):
        return ready.desk.ask(publish(ready.registry.index, name, account=ready.account))
    assert code(ready.change("rotate")) == "ok"
    first = publish(ready.registry.index, "one", account=ready.account)
    assert code(ready.ask(first).answer) == "ok"
    assert code(next_crate("two")) == "ok"
    more = {"subject": "ci"} if change == "set" else {}
    assert code(ready.change(change, **more)) == "ok"
    assert code(next_crate("three")) == "needs-terminal"


@pytest.mark.parametrize("more,refusal", [
    ({}, "bad-request"), ({"subject": "a b"}, "bad-name"), ({"subject": ""}, "bad-name"),
    ({"footer-key": "jwk"}, "bad-request"), ({"no-subject": True, "subject": "a"}, "bad-request"),
    ({"change": "rotate", "subject": "a"}, "bad-request")])
def test_set_of_nothing_or_of_what_is_none_is_refused(ready, more, refusal):
    assert code(ready.desk.ask(ready.request("key", change="set") | more)) == refusal


# The index.

@pytest.mark.parametrize("operation", ["get", "yank"])
def test_index_given_without_its_last_slash_is_called_as_cargo_calls_it(signer, operation):
    """In requests of our own; cargo says itself how it calls it."""
    without = signer.registry.index.rstrip("/")
    signer.crate("0.1.0")
    signer.log_in(registry={"index-url": without})
    signer.verifier.reset()
    if operation == "yank":
        assert outcome(signer.yank("0.1.0")) == ("done", None), signer.verifier.refused
        return
    for url in (without, signer.registry.index):
        asked = signer.ask(signer.request("get", operation="owners", name="demo",
                                          registry={"index-url": url}))
        _, footer = open_claims(asked.answer["Ok"]["token"], signer.key)
        assert json.loads(footer)["url"] == url


def test_look_at_an_index_given_without_its_last_slash_is_taken_there(signer):
    signer.registry.announce(auth_required=True)
    told = signer.log_in(registry={"index-url": signer.registry.index.rstrip("/")})
    assert told["checked"] == "valid" and signer.verifier.refused == []
    assert signer.verifier(signer.token("read"), {})


# The audit log.

def noted(signer) -> list[tuple[str, str | None]]:
    """Of each line of it that says what was done: the act and the key."""
    return [(told["op"], told.get("key")) for told in signer.desk.audit()
            if told.get("account") == signer.account and told.get("refusal") is None]


def test_audit_says_which_key_it_was(signer):
    signer.registry.announce(auth_required=True)
    signer.crate("0.1.0")
    signer.log_in()
    ours = signer.stored()[0]["pid"]
    for operation in ("read", "owners"):
        signer.token(operation)
    assert outcome(signer.yank("0.1.0")) == ("done", None)
    following = signer.change("rotate")["Ok"]["next-pid"]
    signer.verifier.register(signer.stored()[0]["next-public"])
    assert code(signer.change("finish")) == "ok"
    assert code(signer.change("rotate")) == "ok"
    last = signer.stored()[0]["next-pid"]
    assert code(signer.change("cancel")) == "ok"
    assert noted(signer) == [
        ("login", ours), ("read", ours), ("owners", ours), ("yank", ours), ("yank", ours),
        ("key-rotate", following), ("key-finish", following), ("key-rotate", last),
        ("key-cancel", last)]


def test_audit_of_a_token_names_no_key(signer):
    assert code(signer.desk.ask(signer.token_request())) == "ok"
    assert code(signer.get("owners")) == "ok"
    lines = [told for told in signer.desk.audit() if told.get("account") == signer.account]
    assert [told["op"] for told in lines] == ["login", "owners"]
    assert not any("key" in told for told in lines)


def test_audit_of_what_was_refused_says_which_key_was_not_taken(ready):
    ready.verifier.reset(subject="somebody else")
    assert outcome(ready.yank("0.1.0")) == ("refused", "key-unknown")
    told = ready.desk.audit()[-1]
    assert (told["op"], told["refusal"]) == ("yank", "key-unknown")
    assert told["key"] == ready.stored()[0]["pid"]


def test_audit_of_changed_claims_names_the_key_that_signs(ready):
    ours = ready.stored()[0]["pid"]
    assert code(ready.change("rotate")) == "ok"
    assert code(ready.change("set", subject="bob")) == "ok"
    assert noted(ready)[-1] == ("key-set", ours)


def test_git_index_is_named_as_it_was_given(signer, monkeypatch):
    """cargo compares no slash there; the API has to be said, as nobody asks such an index."""
    signer.crate("0.1.0")
    url = signer.registry.api + "/git/index"
    monkeypatch.setattr(signer.verifier, "url", url)
    signer.log_in(registry={"index-url": url}, api=signer.registry.api)
    releases = [{"name": signer.crate_name, "vers": "0.1.0"}]
    answer = signer.ask(signer.request("yank", registry={"index-url": url}, releases=releases)).answer
    assert outcome(answer) == ("done", None)
    assert signer.verifier.admitted[-1][1]["url"] == url
