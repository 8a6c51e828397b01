"""
`key` with `finish` where all reads are signed: the index is shown what the next key signs, and only
one that cannot be reached does not have to know it.
"""

import secrets

import pytest

from desk import PASSPHRASE, code
from injection import NOT_EVEN_A_STATUS
from signed_play import APPROVE, Held, signer, workshop

__all__ = ["signer", "workshop"]  # Fixtures.

pytestmark = pytest.mark.release
CONFIG = "GET /index/config.json"
UNREACHED = "The index cannot be reached, to ask whether it knows the next key."
REFUSED = {
    "401": ("key-unknown", {"status": 401}),
    "403": ("key-unknown", {"status": 403, "body": "no such key"}),
    "404": ("index-refused", {"status": 404}),
    "500": ("index-refused", {"status": 500, "body": "x"}),
    "503": ("index-refused", {"status": 503}),
    "a redirect": ("redirect", {"redirect": "https://localhost:1/"}),
    "no JSON": ("index-invalid", {"body": "hello"}),
    "no configuration": ("index-invalid", {"body": {"dl": 1}}),
}


@pytest.fixture
def ready(signer):
    """All reads are signed there, and there is a next key, which the registry knows."""
    signer.registry.announce(auth_required=True)
    signer.log_in()
    signer.verifier.register(signer.change("rotate")["Ok"]["next-public"])
    signer.verifier.reset()
    return signer


def finish(signer) -> tuple[str, list[str]]:
    """What came of it, and what was asked."""
    asked = signer.ask(signer.request("key", change="finish"))
    return code(asked.answer), asked.questions


@pytest.mark.parametrize("how", REFUSED)
def test_index_that_does_not_take_the_next_key_keeps_the_old_one(ready, how):
    before, (refusal, rule) = ready.stored(), REFUSED[how]
    ready.registry.inject(CONFIG, times=None, **rule)
    assert finish(ready) == (refusal, []) and ready.stored() == before
    ready.registry.injections.clear()
    assert finish(ready)[0] == "ok"


def test_index_that_repeats_a_challenge_keeps_the_old_key(ready):
    before = ready.stored()
    header = ("WWW-Authenticate", f'Cargo challenge="{secrets.token_urlsafe(9)}"')
    ready.registry.inject(CONFIG, times=None, status=401, headers=[header])
    assert finish(ready) == ("key-unknown", [])
    assert finish(ready) == ("challenge-repeated", []) and ready.stored() == before


def test_index_that_challenges_is_shown_the_next_key_with_it(ready):
    ready.verifier.reset(with_challenges=True)
    assert finish(ready)[0] == "ok"
    assert [sorted(claims) for claims, _ in ready.verifier.admitted] == [["challenge", "iat"]]


def test_index_that_cannot_be_reached_is_said_and_decided_by_the_person(ready):
    following = ready.stored()[0]["next-pid"]
    ready.registry.inject(CONFIG, times=None, cut=NOT_EVEN_A_STATUS)
    with Held(ready.desk, ready.request("key", change="finish")) as held:
        assert UNREACHED in held.terminal.sees(APPROVE)
        held.terminal.types(PASSPHRASE)
        assert code(held.ends()) == "ok"
    assert ready.stored()[0]["pid"] == following
