"""Challenges (RFC 3231): what a registry wants to see signed with the act, once and never again."""

import contextlib
import json
import secrets
import time

import pytest

from answer import Refused
from crate import pack
from desk import PASSPHRASE, TOKEN, code
from signed_play import ACTS, APPROVE, act, outcome, signer, workshop
from verify import encode

__all__ = ["signer", "workshop"]  # Fixtures.

REFUSED = {"errors": [{"detail": "no"}]}


def headers(*lines: str) -> dict:
    """What cargo passes on of a 401."""
    return {"headers": ["content-type: application/json", *lines]}


def challenge(signer, text: str) -> dict:
    return headers(f'WWW-Authenticate: Cargo login_url="{signer.registry.login_url}", '
                   f'challenge="{text}"')


# What cargo passes on.

@pytest.mark.parametrize("operation", ACTS)
def test_challenge_that_cargo_passes_on_is_signed_behind_all_other_claims(signer, operation):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    text = secrets.token_urlsafe(9)
    claims = json.loads(signer.signed(operation, registry=challenge(signer, text))[0])
    assert list(claims.items())[1:] == [*act(operation).items(), ("challenge", text)]


@pytest.mark.parametrize("operation, then", [("yank", "yank"), ("yank", "owners"), ("read", "read"),
                                             ("read", "owners")])
def test_challenge_is_signed_once(signer, operation, then):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    text = secrets.token_urlsafe(9)
    signer.token(operation, registry=challenge(signer, text))
    answer = signer.get(then, registry=challenge(signer, text))
    assert code(answer) == "challenge-repeated"
    assert text not in json.dumps(answer) and "Ok" not in answer
    # Another one is no reason to refuse, and none is none.
    assert "challenge" in signer.signed(then, registry=challenge(signer, text + "x"))[0]
    assert "challenge" not in signer.signed(then)[0]


def test_challenge_is_signed_for_one_of_those_who_ask_at_once(signer):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    request = signer.request("get", operation="read",
                             registry=challenge(signer, secrets.token_urlsafe(9)))
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(signer.desk.line()) for _ in range(6)]
        for line in lines:
            line.send(request)
        told = sorted(code(json.loads(line.receive())) for line in lines)
    assert told == ["challenge-repeated"] * 5 + ["ok"]


@pytest.mark.parametrize("line", [
    "WWW-Authenticate: Cargo login_url=\"https://localhost/me\"",
    "WWW-Authenticate: Bearer challenge=\"abc\"",
    "WWW-Authenticate: Cargo challenge=\"\"",
    "X-Other: Cargo challenge=\"abc\"",
    "WWW-Authenticate: Cargo x=\"challenge=abc\""])
def test_what_is_no_challenge_is_not_signed(signer, line):
    signer.log_in()
    assert "challenge" not in signer.signed("owners", registry=headers(line))[0]


def test_names_in_the_header_are_read_in_any_case(signer):
    signer.log_in()
    text = secrets.token_urlsafe(9)
    line = f'www-authenticate: CARGO Challenge="{text}"'
    assert json.loads(signer.signed("owners", registry=headers(line))[0])["challenge"] == text


# What the agent itself does.

@pytest.fixture
def challenged(signer):
    """Logged in at a registry that lets nothing be done without a challenge of its own."""
    signer.crate("0.1.0", "0.2.0")
    signer.log_in()
    signer.verifier.reset(with_challenges=True)
    return signer


def claims_of(signer) -> list[dict]:
    return [claims for claims, _ in signer.verifier.admitted]


def sent(signer, match: str) -> list[int]:
    return [entry["status"] for entry in signer.requests(match) if entry["token"]]


def test_agents_own_acts_answer_a_challenge_each(challenged):
    signer, name = challenged, challenged.crate_name
    assert outcome(signer.yank("0.1.0")) == ("done", None)
    assert signer.registry.crates[name, "0.1.0"].yanked
    assert outcome(signer.yank("0.1.0", kind="unyank")) == ("done", None)
    asked = signer.ask(signer.request("owner", name=name, add=["bob"]))
    assert outcome(asked.answer) == ("done", None) and asked.seen.count(APPROVE) == 1
    for match in ("DELETE ", "/unyank", "/owners"):
        assert sent(signer, match) == [401, 200]
    assert [claims["mutation"] for claims in claims_of(signer)] == ["yank", "unyank", "owners"]
    assert len({claims["challenge"] for claims in claims_of(signer)}) == 3
    assert set(signer.verifier.refused) == {"challenge"}


def test_several_releases_have_a_challenge_each(challenged):
    answer = challenged.yank("0.1.0", "0.2.0")
    assert [told["outcome"] for told in answer["Ok"]["results"]] == ["done", "done"]
    claims = claims_of(challenged)
    assert [told["vers"] for told in claims] == ["0.1.0", "0.2.0"]
    assert claims[0]["challenge"] != claims[1]["challenge"]


def test_publish_of_our_own_answers_a_challenge(challenged, tmp_path):
    signer, file = challenged, tmp_path / "file.crate"
    file.write_bytes(pack(signer.crate_name, "0.3.0"))
    terminal = signer.desk.terminal("publish", "--index", signer.registry.index, "--account",
                                    signer.account, str(file))
    terminal.answers(APPROVE, PASSPHRASE)
    assert terminal.ends() == 0, terminal.seen
    (claims,) = claims_of(signer)
    published = signer.registry.crates[signer.crate_name, "0.3.0"]
    assert (claims["mutation"], claims["cksum"]) == ("publish", published.cksum)
    assert claims["challenge"] and terminal.seen.count(APPROVE) == 1
    assert sent(signer, "PUT /api/v1/crates/new") == [401, 200]


def test_registry_that_repeats_a_challenge_gets_it_signed_once(challenged):
    signer, text = challenged, secrets.token_urlsafe(9)
    signer.registry.inject("DELETE ", times=None, status=401, body=REFUSED,
                           headers=[("WWW-Authenticate", f'Cargo challenge="{text}"')])
    first, code_of_first = outcome(signer.yank("0.1.0"))
    assert first == "refused" and code_of_first in ("challenge-repeated", "key-unknown")
    assert sent(signer, "DELETE ") == [401, 401]
    # It is known still, whatever comes of another act.
    assert outcome(signer.yank("0.2.0"))[1] == "challenge-repeated"
    assert sent(signer, "DELETE ") == [401, 401, 401]
    assert not signer.registry.crates[signer.crate_name, "0.1.0"].yanked


def test_registry_that_challenges_for_ever_is_not_followed_for_ever(challenged, monkeypatch):
    def admit(*_, **__):
        raise Refused(401, "again", [
            ("WWW-Authenticate", f'Cargo challenge="{secrets.token_urlsafe(9)}"')])
    monkeypatch.setattr(challenged.registry.gate, "admit", admit)
    assert outcome(challenged.yank("0.1.0")) == ("refused", "key-unknown")
    assert sent(challenged, "DELETE ") == [401, 401]


def test_token_is_not_sent_again_for_a_challenge(signer):
    """An account with a token has no signature to add."""
    signer.crate("0.1.0")
    request = signer.login_request() | {"token": TOKEN}
    del request["asymmetric"]
    assert code(signer.desk.ask(request)) == "ok"
    signer.registry.inject("DELETE ", times=None, status=401, body=REFUSED,
                           headers=[("WWW-Authenticate", 'Cargo challenge="abc"')])
    assert outcome(signer.yank("0.1.0")) == ("refused", "token-unknown")
    assert sent(signer, "DELETE ") == [401]


def test_challenge_that_looks_like_a_signed_token_is_answered(challenged):
    """It begins as our own token does, whose claims are public and no secret."""
    signer = challenged
    signer.verifier.reset()
    claims = '{"iat":"%s","n":"1"}' % time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = "v4.public." + encode(claims.encode() + secrets.token_bytes(64))
    signer.registry.inject("DELETE ", status=401, body=REFUSED,
                           headers=[("WWW-Authenticate", f'Cargo challenge="{text}"')])
    assert outcome(signer.yank("0.1.0")) == ("done", None)
    assert sent(signer, "DELETE ") == [401, 200]
    assert [told["challenge"] for told in claims_of(signer)] == [text]


# An index that is asked before an act.

def test_act_is_not_signed_where_the_index_repeats_a_challenge(signer):
    signer.registry.announce(auth_required=True)
    signer.log_in()
    header = ("WWW-Authenticate", f'Cargo challenge="{secrets.token_urlsafe(9)}"')
    signer.registry.inject("GET /index/config.json", times=None, status=401, headers=[header])
    assert code(signer.get("owners")) == "key-unknown"  # It was signed, and not taken.
    for operation in ("owners", "yank", "publish"):
        assert code(signer.get(operation)) == "challenge-repeated"
    signer.registry.injections.clear()
    assert code(signer.get("owners")) == "ok"
