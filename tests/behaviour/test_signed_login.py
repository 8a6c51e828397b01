"""`login` with a key instead of a token, over the socket: made or given, stored or refused."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat

from desk import TOKEN, code, get
from signed_play import (
    APPROVE, CRATES_IO, Asked, act, key_id, key_traces, new_key, paserk, pem, piped, public, scalar,
    signer, workshop,
)
from verify import encode

__all__ = ["signer", "workshop"]  # Fixtures.

ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffff"
            "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
TOLD = {"kind", "account", "for", "index", "api", "dl", "replaced", "unchanged", "readable",
        "checked", "check-detail", "shape", "type", "public", "pid", "subject", "footer-key"}
NO_NEXT = {"next-public": None, "next-pid": None}


# A key that is made.

def test_made_key_is_told_by_its_public_half_and_id_and_signs(signer):
    told = signer.make()["Ok"]
    assert told.keys() == TOLD
    assert told["public"].startswith("k3.public.") and told["pid"] == key_id(told["public"])
    assert (told["type"], told["subject"], told["footer-key"]) == ("asymmetric", None, "kip")
    assert (told["checked"], told["readable"], told["replaced"]) == ("none", False, False)
    assert told["api"] == signer.registry.api
    (stored,) = signer.stored()
    assert stored["type"] == "asymmetric" and "token" not in stored
    keys = {name: told[name] for name in ("public", "pid", "subject", "footer-key")} | NO_NEXT
    assert {name: stored[name] for name in keys} == keys

    signer.verifier.register(told["public"])
    for operation in ("publish", "yank", "unyank", "owners"):
        token = signer.token(operation)
        assert signer.verifier(token, act(operation)), signer.verifier.refused


def test_made_keys_are_never_the_same(signer):
    first = signer.make()["Ok"]["public"]
    assert signer.make(replace=True)["Ok"]["public"] != first


def test_made_key_needs_a_yes(signer):
    assert code(signer.desk.ask(signer.login_request())) == "needs-terminal"
    asked = Asked(signer.desk, signer.login_request(), {"[y/N] ": "n"})
    assert code(asked.answer) == "denied" and len(asked.questions) == 1
    assert signer.stored() == []


def test_registry_that_wants_all_reads_signed_cannot_know_a_made_key_yet(signer):
    signer.registry.announce(auth_required=True)
    told = signer.make()["Ok"]
    assert (told["checked"], told["readable"]) == ("unregistered", True)
    assert told["api"] is None and told["dl"] is None
    signer.verifier.register(told["public"])
    answer = signer.ask(signer.request("trust", ca_pem=Path(signer.registry.ca).read_text())).answer
    assert code(answer) == "ok", answer
    trusted = answer["Ok"]
    assert trusted["api"] == signer.registry.api and trusted["changed"] is True
    assert signer.verifier(signer.token("read"), {})
    (stored,) = signer.stored()
    assert stored["api"] == signer.registry.api and stored["readable"] is True


# A key that is given.

GIVEN = {
    "paserk": paserk,
    "a line of it": lambda key: paserk(key) + "\n",
    "PKCS 8": pem,
    "SEC 1": lambda key: pem(key, PrivateFormat.TraditionalOpenSSL),
}


@pytest.mark.parametrize("form", GIVEN)
def test_given_key_is_the_yes_and_signs(signer, form):
    told = signer.give(GIVEN[form](signer.key))["Ok"]
    assert told["public"] == public(signer.key) and told["pid"] == key_id(public(signer.key))
    signer.verifier.register(told["public"])
    assert signer.verifier(signer.token("yank"), act("yank")), signer.verifier.refused


def test_given_key_is_tried_where_all_reads_are_signed(signer):
    signer.registry.announce(auth_required=True)
    told = signer.log_in()
    assert (told["checked"], told["readable"]) == ("valid", True)
    assert told["api"] == signer.registry.api
    assert [claims.keys() for claims, _ in signer.verifier.admitted] == [{"iat"}]
    assert [entry["status"] for entry in signer.requests("config")] == [401, 200]


def test_given_key_that_the_registry_does_not_know_is_not_stored_there(signer):
    signer.registry.announce(auth_required=True)
    assert code(signer.give(paserk(signer.key))) == "key-unknown"
    assert signer.stored() == [] and signer.verifier.refused == ["signature"]


def test_subject_and_the_name_of_the_footers_key_are_kept_and_told(signer):
    told = signer.log_in(subject="alice@laptop", footer_key="kid")
    assert (told["subject"], told["footer-key"]) == ("alice@laptop", "kid")
    (stored,) = signer.stored()
    assert (stored["subject"], stored["footer-key"]) == ("alice@laptop", "kid")


def test_key_for_reads_alone_signs_reads_alone(signer):
    signer.registry.announce(auth_required=True)
    signer.log_in(**{"for": "read"})
    assert [told["for"] for told in signer.stored()] == ["read"]
    assert signer.verifier(signer.token("read"), {})
    assert code(signer.get("publish")) == "account-unknown"


BAD = {
    "zero": "k3.secret." + "A" * 64,
    "the order": "k3.secret." + encode(ORDER.to_bytes(48, "big")),
    "above the order": "k3.secret." + encode((ORDER + 1).to_bytes(48, "big")),
    "the highest": "k3.secret." + "_" * 64,
    "short": "k3.secret." + encode(b"\1" * 47),
    "long": "k3.secret." + encode(b"\1" * 49),
    "version 4": "k4.secret." + encode(b"\1" * 64),
    "version 4, right length": "k4.secret." + encode(b"\1" * 48),
    "a public key": public(new_key()),
    "a token": TOKEN,
    "nothing": "",
    "a line end alone": "\n",
    "trailing garbage": paserk(new_key()) + "x",
    "a second line": paserk(new_key()) + "\nx\n",
    "two line ends": paserk(new_key()) + "\n\n",
    "NUL": paserk(new_key()) + "\0",
    "P-256": pem(ec.generate_private_key(ec.SECP256R1())),
    "P-521": pem(ec.generate_private_key(ec.SECP521R1())),
    "encrypted": pem(new_key(), protection=BestAvailableEncryption(b"pw")),
    "encrypted SEC 1": pem(new_key(), PrivateFormat.TraditionalOpenSSL,
                           BestAvailableEncryption(b"pw")),
    "half a PEM": pem(new_key())[:-40],
    "too much": b"-----BEGIN EC PRIVATE KEY-----\n" + b"x" * 4096,
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_key_of_the_curve_is_refused_and_nothing_stored(signer, what):
    before = signer.desk.vault.read_bytes()
    answer = signer.give(BAD[what])
    assert code(answer) == "bad-key"
    assert len(BAD[what]) < 5 or str(BAD[what])[-5:] not in json.dumps(answer)
    assert signer.stored() == [] and signer.desk.vault.read_bytes() == before


def test_key_in_the_request_is_refused(signer):
    request = signer.login_request(token=paserk(signer.key))
    assert code(signer.desk.ask(request)) == "bad-request" and signer.stored() == []


@pytest.mark.parametrize("more", [
    {"subject": "a b"}, {"subject": ""}, {"subject": "x" * 300}, {"subject": 'a"b'},
    {"footer-key": "jwk"}, {"subject": None}, {"asymmetric": 1}])
def test_claims_that_are_none_are_refused(signer, more):
    wanted = "bad-name" if isinstance(more.get("subject"), str) else "bad-request"
    assert code(piped(signer.desk, signer.login_request() | more, paserk(signer.key))) == wanted
    assert signer.stored() == []


# Over an account that is there.

def test_key_over_a_key_has_to_be_meant_and_approved(signer):
    signer.log_in()
    other = new_key()
    signer.keys.append(other)
    assert code(signer.give(paserk(other))) == "account-exists"
    assert code(signer.give(paserk(other), replace=True)) == "needs-terminal"
    assert signer.stored()[0]["public"] == public(signer.key)
    asked = signer.ask(signer.login_request(replace=True))
    assert APPROVE in asked.seen and asked.answer["Ok"]["replaced"] is True
    assert signer.stored()[0]["public"] == asked.answer["Ok"]["public"] != public(signer.key)


def bearer(signer, **more) -> dict:
    return {name: value for name, value in signer.login_request(**more).items()
            if name != "asymmetric"} | {"token": TOKEN}


def test_token_over_a_key_has_to_be_meant_is_said_and_approved(signer):
    signer.log_in()
    assert code(signer.desk.ask(bearer(signer))) == "account-exists"
    asked = signer.ask(bearer(signer, replace=True))
    assert APPROVE in asked.seen and "sign" in asked.seen
    assert asked.answer["Ok"]["type"] == "bearer"
    for name in ("public", "pid", "subject", "footer-key"):
        assert asked.answer["Ok"][name] is None and signer.stored()[0][name] is None
    # From now on it is a token that goes out, and the key is gone.
    request = get(signer.registry.index, "owners", name="demo", account=signer.account)
    assert signer.ask(request).answer["Ok"]["token"] == TOKEN
    assert code(signer.change("show")) == "no-key"


def test_key_over_a_token_is_said_and_approved(signer):
    assert code(signer.desk.ask(bearer(signer))) == "ok"
    asked = signer.ask(signer.login_request(replace=True))
    assert APPROVE in asked.seen and asked.answer["Ok"]["type"] == "asymmetric"
    signer.verifier.register(asked.answer["Ok"]["public"])
    assert signer.verifier(signer.token("owners"), act("owners"))


def test_token_for_reads_alone_is_refused_where_the_account_signs(signer):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    assert code(signer.desk.ask(bearer(signer, **{"for": "read"}))) == "account-signs"
    assert [told["for"] for told in signer.stored()] == ["all"]


def test_account_that_signs_has_nothing_to_revoke(signer):
    signer.log_in()
    for more in ({}, {"forget": True}):
        assert code(signer.ask(signer.request("revoke", **more)).answer) == "nothing-to-revoke"
    assert len(signer.stored()) == 1 and signer.requests("DELETE ") == []


def test_logout_removes_the_key(signer):
    signer.log_in()
    assert code(signer.ask(signer.request("logout")).answer) == "ok"
    assert signer.stored() == [] and code(signer.get("yank")) == "not-found"


def test_crates_io_takes_a_key_without_being_asked(signer):
    """It knows of no keys yet; whoever tells us not to look shall be able to wait for it."""
    request = signer.login_request(no_check=True, registry={"index-url": CRATES_IO})
    request.pop("ca-pem")
    assert code(piped(signer.desk, request, paserk(signer.key))) == "ok"
    asked = signer.ask(get(CRATES_IO, "owners", name="demo", account=signer.account))
    assert code(asked.answer) == "ok", asked.seen


def test_search_knows_a_key_in_every_form():
    key = new_key()
    raw = scalar(key)
    for some in (raw, raw[::-1], b"x" + paserk(key).encode(), raw.hex().encode(),
                 raw.hex().upper().encode(), b"\0" * 12 + raw[12:], raw[:30]):
        assert key_traces(some, key)
    assert not key_traces(public(key) + key_id(public(key)), key)
