"""What a person reads before an account signs, or becomes one that does or does not."""

import time
from pathlib import Path

import pytest

from act_play import elsewhere
from desk import TOKEN, code
from signed_play import Asked, key_id, new_key, paserk, pipe, public, signer, workshop

__all__ = ["signer", "workshop"]  # Fixtures.


def rows(seen: str) -> list[str]:
    return [line.rstrip() for line in seen.splitlines()]


def flat(seen: str) -> str:
    return " ".join(seen.split())


def bearer(signer, **more) -> dict:
    request = signer.login_request(token=TOKEN, **more)
    del request["asymmetric"]
    return request


@pytest.fixture
def ready(signer):
    signer.crate("0.1.0")
    signer.log_in()
    return signer


def pid(signer) -> str:
    return key_id(public(signer.key))


def test_approval_names_the_key_that_will_sign(ready):
    for request in (
            ready.request("get", operation="yank", name="demo", vers="0.1.0"),
            ready.request("yank", releases=[{"name": ready.crate_name, "vers": "0.1.0"}]),
            ready.request("owner", name=ready.crate_name, add=["bob"])):
        asked = ready.ask(request)
        assert code(asked.answer) == "ok"
        assert f"  signed    with the key {pid(ready)}" in rows(asked.seen)


def test_login_says_that_a_key_is_made_and_what_its_tokens_claim(signer):
    asked = signer.ask(signer.login_request(subject="alice"))
    assert code(asked.answer) == "ok"
    shown = rows(asked.seen)
    assert "  signs     with a key that is made now" in shown and "  subject   alice" in shown
    assert f"  api       {signer.registry.api}" in shown


def test_login_says_which_key_is_lost(ready):
    other = new_key()
    ready.keys.append(other)
    with pipe(paserk(other)) as reader:
        asked = ready.ask(ready.login_request(replace=True, secret_in_pipe=True), [reader])
    assert asked.answer["Ok"]["public"] == public(other)
    assert "  signs     with a key that is given" in rows(asked.seen)
    assert f"  before    signed, with the key {pid(ready)}, which is lost then" in rows(asked.seen)


def test_login_with_a_token_says_that_it_would_be_sent_from_then_on(ready):
    asked = ready.ask(bearer(ready, replace=True))
    assert code(asked.answer) == "ok"
    assert f"  before    signed, with the key {pid(ready)}, which is lost then" in rows(asked.seen)
    assert "This account SIGNS its requests. From then on it would send a token" in flat(asked.seen)


def test_login_with_a_key_says_that_the_token_stays_good(signer):
    assert code(signer.desk.ask(bearer(signer))) == "ok"
    asked = signer.ask(signer.login_request(replace=True))
    assert code(asked.answer) == "ok"
    assert "a token, which is removed here and stays good at the registry" in flat(asked.seen)


def test_login_says_who_reads_with_it(signer):
    signer.registry.announce(auth_required=True)
    asked = signer.ask(signer.login_request())
    assert code(asked.answer) == "ok"
    assert ("any program of yours can have one signed for reads, build scripts too. None is good "
            "for anything else.") in flat(asked.seen)


def test_change_of_the_key_names_both(ready):
    asked = ready.ask(ready.request("key", change="rotate"))
    assert pid(ready) in asked.seen
    following = asked.answer["Ok"]["next-pid"]
    for change in ("finish", "cancel"):
        refused = Asked(ready.desk, ready.request("key", change=change),
                        {"[y/N] ": "n", "(^C denies): ": "\x03"})
        assert code(refused.answer) == "denied"
        assert pid(ready) in refused.seen and following in refused.seen


def test_trust_says_that_signed_requests_go_elsewhere(ready, tmp_path, certificate):
    with elsewhere(tmp_path, certificate) as other:
        ready.registry.announce(api=other.api)
        asked = ready.ask(ready.request("trust", ca_pem=Path(ready.registry.ca).read_text()))
        assert code(asked.answer) == "ok" and "the signed requests" in asked.seen
        assert other.api in asked.seen and other.requests() == []


def test_check_names_the_key_and_asks_for_no_scope(ready):
    answer = ready.desk.ask(ready.request("check", name=ready.crate_name))
    told = {one["what"]: (one["state"], one["text"]) for one in answer["Ok"]["findings"]}
    assert told["token"][0] == "unknown" and pid(ready) in told["token"][1]
    assert "nothing tells whether the registry knows it" in told["token"][1]
    assert told["expiry"][0] == "good" and "scope" not in told
    assert told["crate"][0] == told["clock"][0] == "good"


def test_check_reads_with_a_signature_where_that_is_wanted(signer):
    signer.registry.announce(auth_required=True)
    signer.crate("0.1.0")
    signer.log_in()
    signer.verifier.reset()
    answer = signer.desk.ask(signer.request("check", name=signer.crate_name))
    told = {one["what"]: one["state"] for one in answer["Ok"]["findings"]}
    assert told["index"] == told["crate"] == told["token"] == "good"
    assert signer.verifier.refused == [] and all(
        claims.keys() == {"iat"} for claims, _ in signer.verifier.admitted)


def test_check_says_nothing_good_of_a_key_by_whose_reader_the_index_was_seen(signer):
    """The index has looked at another key than the one that signs acts."""
    signer.registry.announce(auth_required=True)
    signer.crate("0.1.0")
    signer.log_in()
    other = new_key()
    signer.keys.append(other)
    signer.verifier.register(public(other))
    assert code(signer.give(paserk(other), **{"for": "read"})) == "ok"
    answer = signer.desk.ask(signer.request("check", name=signer.crate_name))
    told = {one["what"]: one["state"] for one in answer["Ok"]["findings"]}
    assert (told["index"], told["token"]) == ("good", "unknown")


def test_key_that_is_over_soon_is_called_a_key(signer):
    signer.crate("0.1.0")
    signer.log_in(expires=int(time.time()) + 3 * 86400 - 60)
    asked = signer.ask(signer.request("get", operation="owners", name="demo"))
    assert "  key       expires in 2 days: make a new one soon" in rows(asked.seen)
    answer = signer.desk.ask(signer.request("check"))
    told = {one["what"]: one["text"] for one in answer["Ok"]["findings"]}
    assert told["expiry"] == "the key expires in 2 days, as told at login"


def test_login_says_that_the_next_key_is_lost_too(ready):
    following = ready.change("rotate")["Ok"]["next-pid"]
    asked = ready.ask(ready.login_request(replace=True))
    assert code(asked.answer) == "ok"
    assert f"  and       the next key {following}, too" in rows(asked.seen)


def test_login_asks_for_a_key_where_the_index_names_an_api_elsewhere(
        ready, tmp_path, certificate):
    """To who has a key alone, as to one that did not name the registry himself."""
    ready.confirm()
    with elsewhere(tmp_path, certificate) as other, pipe(paserk(ready.key)) as reader:
        ready.registry.announce(auth_required=True, api=other.api)
        request = ready.request("login", asymmetric=True, secret_in_pipe=True)
        asked = ready.ask(request, [reader])
    assert code(asked.answer) == "ok" and asked.answer["Ok"]["api"] == other.api
    assert "the index took the signed token, and names" in asked.seen
    assert "Store the key for this API?" in asked.seen and "token for this" not in asked.seen


def test_read_that_is_not_agreed_to_names_the_way_to_have_it_signed(ready):
    ready.registry.announce(auth_required=True)
    answer = ready.get("read", registry={"headers": ["www-authenticate: Cargo"]})
    assert code(answer) == "read-auth-not-agreed"
    assert answer["Err"]["caused-by"] == ["cpub-agent login --for read --asymmetric"]
