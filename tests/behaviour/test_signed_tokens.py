"""
The tokens that `get` answers for an account that signs: cargo's own, claim by claim, each for its
act alone. Verified by programs that are not ours.
"""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from desk import code, get
from signed_play import (
    ACTS, CRATES_IO, act, key_id, open_claims, paserk, piped, public, signer, workshop,
)
from verify import HEADER, Verifier, decode, instant

__all__ = ["signer", "workshop"]  # Fixtures.

TESTS = Path(__file__).resolve().parent.parent
RECORDED = [json.loads(line) for line in
            (TESTS / "vectors/cargo-asymmetric.jsonl").read_text().splitlines()]
NAMES = {"read": [], "publish": ["mutation", "name", "vers", "cksum"],
         "yank": ["mutation", "name", "vers"], "unyank": ["mutation", "name", "vers"],
         "owners": ["mutation", "name"]}
SECONDS = 5


@pytest.fixture
def closed(signer):
    """Logged in where the index wants all reads signed."""
    signer.registry.announce(auth_required=True)
    signer.log_in()
    signer.verifier.reset()
    return signer


# What is in them.

@pytest.mark.parametrize("subject", [None, "alice"])
@pytest.mark.parametrize("operation", ACTS)
def test_claims_are_those_of_the_operation_in_cargos_order(signer, operation, subject):
    signer.registry.announce(auth_required=True)
    signer.verifier.subject = subject
    signer.log_in(**{"subject": subject} if subject else {})
    message, footer = signer.signed(operation)
    claims = json.loads(message)
    assert list(claims) == ["iat", *["sub"] * bool(subject), *NAMES[operation]]
    assert claims.items() >= act(operation).items() and claims.get("sub") == subject
    assert abs(instant(claims["iat"]) - time.time()) < SECONDS
    pid = key_id(public(signer.key))
    assert footer == '{"url":"%s","kip":"%s"}' % (signer.registry.index, pid)
    assert " " not in message and "\\" not in message + footer  # Case 82.


@pytest.mark.parametrize("line", range(len(RECORDED)))
def test_token_is_cargos_own_but_for_time_place_and_key(signer, line):
    recorded = RECORDED[line]
    theirs, around = json.loads(recorded["payload"]), json.loads(recorded["footer"])
    signer.registry.announce(auth_required=True)
    signer.verifier.subject = theirs["sub"]
    signer.log_in(subject=theirs["sub"])
    message, footer = signer.signed(
        theirs.get("mutation", "read"),
        **{name: theirs[name] for name in ("name", "vers", "cksum") if name in theirs})
    assert message == recorded["payload"].replace(theirs["iat"], json.loads(message)["iat"])
    assert footer == recorded["footer"].replace(around["url"], signer.registry.index).replace(
        around["kip"], key_id(public(signer.key)))


def test_footer_names_the_key_as_the_rfc_does_where_that_was_said(signer):
    signer.log_in(footer_key="kid")
    footer = json.loads(signer.signed("yank")[1])
    assert list(footer) == ["url", "kid"] and footer["kid"] == key_id(public(signer.key))


def test_footer_has_the_url_exactly_as_it_was_sent(signer):
    signer.log_in()
    for url in (signer.registry.index, signer.registry.index.rstrip("/")):
        asked = signer.ask(get(url, "owners", name="demo", account=signer.account))
        _, footer = open_claims(asked.answer["Ok"]["token"], signer.key)
        assert json.loads(footer)["url"] == url


def test_case_81_footer_for_crates_io_has_the_url_that_cargo_sends(signer):
    request = signer.login_request(no_check=True, registry={"index-url": CRATES_IO})
    request.pop("ca-pem")
    assert code(piped(signer.desk, request, paserk(signer.key))) == "ok"
    asked = signer.ask(get(CRATES_IO, "owners", name="demo", account=signer.account))
    _, footer = open_claims(asked.answer["Ok"]["token"], signer.key)
    assert footer == '{"url":"%s","kip":"%s"}' % (CRATES_IO, key_id(public(signer.key)))


def test_case_86_reads_are_kept_for_the_session_and_nothing_else_is_kept(closed):
    for operation in ACTS:
        told = closed.get(operation)["Ok"]
        assert told["cache"] == ("session" if operation == "read" else "never")
        assert told["operation_independent"] is False
        assert told.keys() == {"kind", "token", "cache", "operation_independent"}


def test_reads_of_an_open_registry_are_not_signed(signer):
    signer.log_in()
    told = signer.get("read")["Ok"]
    assert told["token"] == "cpub-placeholder-not-a-token" and told["cache"] == "never"


def test_two_requests_get_two_tokens(closed):
    for operation in ("read", "owners"):
        first, second = (closed.token(operation) for _ in range(2))
        halves = {decode(token[len(HEADER):].split(".")[0])[-96:-48] for token in (first, second)}
        assert first != second and len(halves) == 2


def test_signed_act_is_approved_like_any_other(signer):
    signer.log_in()
    request = get(signer.registry.index, "yank", account=signer.account, **ACTS["yank"])
    assert code(signer.desk.ask(request)) == "needs-terminal"
    asked = signer.ask(request)
    assert len(asked.questions) == 1 and "demo 0.1.0" in asked.seen
    decisions = [entry["decision"] for entry in signer.desk.audit()
                 if entry.get("account") == signer.account and entry["op"] == "yank"]
    assert decisions == ["refused", "done"]


# That others take them, each for its act alone.

def verdict(signer, token: str, operation: str, *, url=None, registered=None, **how) -> str:
    """What the registry, which knows the public key alone, says of it; "" if it is let in."""
    verifier = Verifier(registered or public(signer.key), url or signer.registry.index)
    changes = {name: how.pop(name) for name in list(how)
               if name in ("mutation", "name", "vers", "cksum")}
    verifier.reset(**how)
    verifier(token, act(operation) | changes)
    return "".join(verifier.refused)


@pytest.mark.parametrize("operation", ACTS)
def test_case_84_verifier_takes_each_for_its_own_act_and_no_other(closed, operation):
    token = closed.token(operation)
    assert verdict(closed, token, operation) == ""
    for other in ACTS.keys() - {operation}:
        assert verdict(closed, token, other) == "mutation"
    for name in act(operation):
        assert verdict(closed, token, operation, **{name: "another"}) == name
    now = time.time()
    assert verdict(closed, token, operation, now=lambda: now + 61 + SECONDS) == "stale"
    assert verdict(closed, token, operation, now=lambda: now - 61 - SECONDS) == "ahead"
    assert verdict(closed, token, operation, url=closed.registry.index[:-1]) == "url"
    assert verdict(closed, token, operation, subject="alice") == "sub"
    assert verdict(closed, token, operation, footer_key="kid") == "kid"
    other = "k3.public.AmDwjlyf8jAV3gm5Z7Kz9xAOcsKslt_Vwp5v-emjFzBHLCtcANzTaVEghTNEMj9PkQ"
    assert verdict(closed, token, operation, registered=other) == "signature"
    assert verdict(closed, token, operation, with_challenges=True) == "challenge"


def flags(version: str) -> list[str]:
    """Of Node, whose 18 has what the package needs behind a flag."""
    return ["--experimental-global-webcrypto"] if version.startswith("v18.") else []


@pytest.fixture(scope="module")
def other_program():
    """paseto, of npm: what it says of public keys and tokens."""
    node, folder = shutil.which("node"), TESTS / "verifier"
    if not node:
        pytest.skip("there is no node")
    if not (folder / "node_modules/paseto").exists():
        pytest.skip("there is no npm package paseto in tests/verifier: run tests/install")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout

    def ask(*pairs: tuple[str, str]) -> list[dict]:
        given = "".join(json.dumps({"public": key, "token": token}) + "\n" for key, token in pairs)
        done = subprocess.run([node, *flags(version), folder / "verify.mjs"], input=given,
                              text=True, capture_output=True, timeout=60, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]
    return ask


def test_program_of_others_takes_them_and_calls_the_key_the_same(closed, other_program):
    key = public(closed.key)
    tokens = {operation: closed.token(operation) for operation in ACTS}
    told = other_program(*((key, token) for token in tokens.values()))
    for answer, (operation, token) in zip(told, tokens.items(), strict=True):
        claims, footer = open_claims(token, closed.key)
        assert answer == {"claims": json.loads(claims), "footer": footer, "pid": key_id(key)}
        assert act(operation).items() <= answer["claims"].items()
    changed = tokens["yank"][:-1] + ("A" if tokens["yank"][-1] != "A" else "B")
    other = "k3.public.AmDwjlyf8jAV3gm5Z7Kz9xAOcsKslt_Vwp5v-emjFzBHLCtcANzTaVEghTNEMj9PkQ"
    assert [set(answer) for answer in other_program((key, changed), (other, tokens["yank"]))] == [
        {"error"}] * 2
