"""
A key that the registry does not know, or not yet: said as such, and nothing goes where nobody could
say that it may.
"""

import pytest

from desk import PASSPHRASE, code
from signed_play import (
    CRATES_IO, Asked, act, new_key, outcome, paserk, piped, public, signer, workshop,
)

__all__ = ["signer", "workshop"]  # Fixtures.

pytestmark = pytest.mark.release
NOTHING_PINNED = ("told only to who has a registered key: nothing is pinned yet, and no act is "
                  "done, before `cpub-agent trust` with the key registered")


def flat(seen: str) -> str:
    return " ".join(seen.split())


@pytest.fixture
def made(signer):
    """A key was just made, where all reads are signed."""
    signer.registry.announce(auth_required=True)
    signer.crate("0.1.0")
    asked = signer.ask(signer.login_request())
    assert code(asked.answer) == "ok"
    signer.public, signer.seen = asked.answer["Ok"]["public"], asked.seen
    signer.verifier.reset()
    return signer


def test_login_says_that_nothing_is_pinned_before_the_key_is_registered(made):
    assert NOTHING_PINNED in flat(made.seen)
    assert "shown before anything is stored" not in flat(made.seen)


def test_login_with_a_given_key_says_what_the_index_tells_who_has_one(signer):
    signer.registry.announce(auth_required=True)
    signer.verifier.register(public(signer.key))
    asked = signer.ask(signer.login_request())  # One that is made, for the difference.
    assert NOTHING_PINNED in flat(asked.seen)
    assert code(signer.ask(signer.request("logout")).answer) == "ok"
    told = signer.log_in()
    assert told["checked"] == "valid" and told["api"] == signer.registry.api


def test_nothing_is_signed_for_an_act_before_the_registry_was_trusted(made):
    """There is nothing to compare the index with, which could name any API."""
    made.registry.announce(api="https://elsewhere.example")
    for operation in ("publish", "yank", "unyank", "owners"):
        answer = made.get(operation)
        assert code(answer) == "unpinned" and "token" not in answer.get("Ok", {})
    assert made.yank("0.1.0")["Err"]["code"] == "unpinned"
    made.registry.announce(api=made.registry.api)
    made.verifier.register(made.public)
    assert code(made.ask(made.trust_request()).answer) == "ok"
    assert made.verifier(made.token("owners"), act("owners"))
    assert outcome(made.yank("0.1.0")) == ("done", None)


def test_nothing_is_signed_for_an_act_of_a_locked_store_before_the_registry_was_trusted(made):
    made.desk.succeed("lock")
    request = made.request("get", operation="owners", name="demo")
    asked = Asked(made.desk, request, {"(^C cancels): ": PASSPHRASE})
    assert code(asked.answer) == "unpinned"


@pytest.fixture
def forgotten(signer):
    """The registry knew the account's key, and does not any more."""
    signer.registry.announce(auth_required=True)
    signer.crate("0.1.0")
    signer.log_in()
    signer.verifier.register(public(new_key()))
    return signer


def test_trust_without_a_registered_key_says_that_it_is_unknown(made):
    assert code(made.ask(made.trust_request()).answer) == "key-unknown"


def test_look_that_is_refused_says_that_the_key_is_unknown(forgotten):
    """There is no token that could be mistyped, revoked or expired."""
    assert code(forgotten.get("owners")) == code(forgotten.ask(
        forgotten.trust_request()).answer) == "key-unknown"
    answer = forgotten.desk.ask(forgotten.request("check", name=forgotten.crate_name))
    told = {one["what"]: (one["state"], one["text"]) for one in answer["Ok"]["findings"]}
    assert told["index"][0] == "bad" and "does not take what this key signs" in told["index"][1]


def test_act_that_is_refused_says_that_the_key_is_unknown(forgotten):
    assert outcome(forgotten.yank("0.1.0")) == ("refused", "key-unknown")
    told = forgotten.desk.audit()[-1]
    assert (told["op"], told["refusal"]) == ("yank", "key-unknown")


# What is said before a key is lost, or of no use.

def test_key_that_is_there_is_not_replaced_by_the_way(signer):
    signer.log_in()
    before, n = signer.stored(), len(signer.requests("config"))
    for answer in (signer.give(paserk(signer.key)), signer.make(),
                   signer.desk.ask(signer.login_request())):
        assert code(answer) == "account-exists" and "key show" in answer["Err"]["caused-by"][0]
    assert signer.stored() == before and len(signer.requests("config")) == n


def test_crates_io_takes_no_signature(signer):
    request = signer.login_request(registry={"index-url": CRATES_IO})
    del request["ca-pem"]
    assert code(piped(signer.desk, request, paserk(signer.key))) == "signing-not-taken"
    asked = Asked(signer.desk, request, {})
    assert code(asked.answer) == "signing-not-taken" and signer.stored() == []


def test_key_beside_a_token_for_reads_is_refused(signer):
    """Its own reads would go out with that token."""
    reads = {"for": "read"}
    signer.registry.announce(auth_required=True)
    request = signer.token_request(no_check=True, api=signer.registry.api, **reads)
    assert code(signer.desk.ask(request)) == "ok"
    for answer in (signer.make(), signer.give(paserk(signer.key))):
        assert code(answer) == "account-signs" and "for read" in answer["Err"]["caused-by"][0]
    assert [(told["for"], told["type"]) for told in signer.stored()] == [("read", "bearer")]
    assert code(signer.ask(signer.request("logout", **reads)).answer) == "ok"
    assert code(signer.make()) == "ok"
