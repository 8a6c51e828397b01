"""What the verifier lets in, and that it refuses a token for each single thing that is wrong."""

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crate import metadata, pack
from rawclient import Client
from registry import Registry
from verify import (
    HEADER, Verifier, Wrong, authenticated, decode, encode, instant, key_id, open_token,
)

HERE = Path(__file__).resolve().parent
PASETO = Path(os.environ.get("CPUB_PASETO") or HERE.parents[2] / "shared/vectors/paseto")
RECORDED = HERE.parent / "vectors/cargo-asymmetric.jsonl"
KEY = ec.derive_private_key(0x707172737475767778797A7B7C7D7E7F, ec.SECP384R1())
OTHER = ec.derive_private_key(2, ec.SECP384R1())
URL = "sparse+https://registry.example/index/"
NOW = instant("2026-11-22T13:31:08Z")
PUBLISH = {"mutation": "publish", "name": "demo", "vers": "0.1.0", "cksum": "ab" * 32}
YANK = {"mutation": "yank", "name": "demo", "vers": "0.1.0"}
OWNERS = {"mutation": "owners", "name": "demo"}


def point(key) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


PUBLIC = "k3.public." + encode(point(KEY))


def compact(value) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def sign(message: bytes, footer: bytes, key=KEY) -> str:
    made = key.sign(authenticated(point(key), HEADER.encode(), message, footer, b""),
                    ec.ECDSA(SHA384()))
    halves = b"".join(half.to_bytes(48, "big") for half in utils.decode_dss_signature(made))
    return HEADER + encode(message + halves) + "." + encode(footer)


def token(act: dict, *, iat="2026-11-22T13:31:08Z", footer=None, key=KEY, **more) -> str:
    claims = {"iat": iat, "sub": "alice", **act, **more}
    footer = {"url": URL, "kip": key_id(PUBLIC)} | (footer or {})
    return sign(*(compact({k: v for k, v in each.items() if v is not None})
                  for each in (claims, footer)), key)


@pytest.fixture
def verifier():
    return Verifier(PUBLIC, URL, subject="alice", now=lambda: NOW)


@pytest.mark.parametrize("act", [{}, PUBLISH, YANK, YANK | {"mutation": "unyank"}, OWNERS])
def test_verifier_lets_in_what_was_signed_for_the_act(verifier, act):
    assert verifier(token(act), act)
    assert verifier.admitted[0][0]["sub"] == "alice" and not verifier.refused


@pytest.mark.parametrize("act", [{}, PUBLISH, YANK, OWNERS])
@pytest.mark.parametrize("name", ["mutation", "name", "vers", "cksum"])
def test_verifier_refuses_each_claim_that_is_another_or_missing_or_too_much(verifier, act, name):
    wrong = [{name: "other"}] + ([{name: None}] if name in act else [])
    for change in wrong:
        assert not verifier(token(act, **change), act)
    assert verifier.refused == [name] * len(wrong)


@pytest.mark.parametrize("change, word", [
    ({"sub": "mallory"}, "sub"), ({"sub": None}, "sub"), ({"v": "2"}, "v"),
    ({"iat": None}, "iat"), ({"iat": "yesterday"}, "iat"), ({"iat": "2026-13-22T13:31:08Z"}, "iat"),
    ({"iat": "2026-11-22T13:31:08"}, "iat"), ({"iat": 1}, "json"),
    ({"iat": "2026-11-22T13:30:07Z"}, "stale"), ({"iat": "2026-11-22T13:32:09Z"}, "ahead"),
    ({"iat": "2026-11-22T13:31:08+02:00"}, "stale"), ({"iat": "2025-11-22T13:31:08Z"}, "stale"),
    ({"iat": "2027-11-22T13:31:08Z"}, "ahead"),
    ({"footer": {"url": "https://registry.example/index/"}}, "url"),
    ({"footer": {"url": "sparse+https://registry.example/index"}}, "url"),
    ({"footer": {"kip": key_id("k3.public." + encode(point(OTHER)))}}, "kip"),
    ({"footer": {"kip": None, "kid": key_id(PUBLIC)}}, "kip"), ({"footer": {"x": "y"}}, "kip"),
    ({"key": OTHER}, "signature")])
def test_verifier_refuses_each_single_thing_that_is_wrong(verifier, change, word):
    assert not verifier(token(YANK, **change), YANK)
    assert verifier.refused == [word]


@pytest.mark.parametrize("iat", ["2026-11-22T13:30:08Z", "2026-11-22T13:32:08Z",
                                 "2026-11-22T13:31:08.922307774Z", "2026-11-22T15:31:08+02:00"])
def test_verifier_takes_what_is_within_the_window(verifier, iat):
    assert verifier(token(YANK, iat=iat), YANK)


@pytest.mark.parametrize("change, word", [
    (lambda t: "Bearer " + t, "form"), (lambda t: t[len(HEADER):], "form"),
    (lambda t: t.rpartition(".")[0], "signature"), (lambda t: t + ".x", "form"),
    (lambda t: t + "=", "form"), (lambda t: "v4" + t[2:], "form"),
    (lambda t: HEADER + "." + t.rpartition(".")[2], "form"), (lambda t: "", "form"),
    (lambda t: HEADER + "AAAA", "form")])
def test_verifier_refuses_what_is_no_whole_token(verifier, change, word):
    assert not verifier(change(token(YANK)), YANK)
    assert verifier.refused == [word]


def test_verifier_refuses_a_token_with_any_byte_changed(verifier):
    good = token(YANK)
    body, footer = map(decode, good[len(HEADER):].split("."))
    for at in range(0, len(body), 7):
        changed = bytearray(body)
        changed[at] ^= 1
        with pytest.raises(Wrong, match="signature"):
            verifier.check(HEADER + encode(bytes(changed)) + "." + encode(footer), YANK)


@pytest.mark.parametrize("message", [
    b'{"iat": "2026-11-22T13:31:08Z","sub":"alice"}',
    b'{"iat":"2026-11-22T13:31:08Z","sub":"alice","sub":"alice"}',
    b'{"iat":"2026-11-22T13:31:08Z","sub":"ali\\u0063e"}', b"[]", b'"x"', b"", b"{"])
def test_verifier_takes_no_json_that_cargo_would_not_write(verifier, message):
    assert not verifier(sign(message, compact({"url": URL, "kip": key_id(PUBLIC)})), {})
    assert verifier.refused == ["json"]


def test_verifier_refuses_a_url_with_an_escaped_slash(verifier):
    footer = compact({"url": URL, "kip": key_id(PUBLIC)}).replace(b"/", b"\\/")
    assert not verifier(sign(compact({"iat": "2026-11-22T13:31:08Z", "sub": "alice"}), footer), {})
    assert verifier.refused == ["json"]


def test_verifier_of_a_registry_by_the_rfc_wants_kid():
    verifier = Verifier(PUBLIC, URL, footer_key="kid", subject="alice", now=lambda: NOW)
    assert verifier(token(YANK, footer={"kip": None, "kid": key_id(PUBLIC)}), YANK)
    assert not verifier(token(YANK), YANK)


def test_verifier_takes_the_key_that_was_registered_last(verifier):
    verifier.register("k3.public." + encode(point(OTHER)))
    assert not verifier(token(YANK), YANK)
    other = {"kip": key_id("k3.public." + encode(point(OTHER)))}
    assert verifier(token(YANK, key=OTHER, footer=other), YANK)


def test_each_challenge_is_taken_once():
    verifier = Verifier(PUBLIC, URL, subject="alice", with_challenges=True, now=lambda: NOW)
    first, second = verifier.challenge(), verifier.challenge()
    assert first != second
    assert not verifier(token(YANK), YANK)
    assert not verifier(token(YANK, challenge="made up"), YANK)
    assert not verifier(token(YANK, challenge=first, sub="mallory"), YANK)
    assert verifier(token(YANK, challenge=first), YANK)
    assert not verifier(token(YANK, challenge=first), YANK)
    assert verifier(token(YANK, challenge=second), YANK)
    assert verifier.refused == ["challenge", "challenge", "sub", "challenge"]


def challenge_of(reply) -> str:
    return re.fullmatch(r'Cargo login_url="[^"]+", challenge="([\w-]+)"',
                        reply.headers["WWW-Authenticate"]).group(1)


def test_registry_challenges_and_takes_signed_requests_only(tmp_path):
    verifier = Verifier(PUBLIC, "", subject="alice", with_challenges=True, now=lambda: NOW)
    with Registry(tmp_path / "r", verify=verifier, auth_required=True) as r:
        verifier.url = r.index
        here = {"url": r.index}
        client, crate = Client(r), pack("demo")

        asked = client("GET", "/index/config.json")
        assert asked.status == 401
        client.token = token({}, footer=here, challenge=challenge_of(asked))
        assert client.mutate("GET", "/index/config.json").status == 200
        again = client.mutate("GET", "/index/config.json")
        assert again.status == 401
        act = PUBLISH | {"cksum": hashlib.sha256(crate).hexdigest()}
        client.token = token(act, footer=here, challenge=challenge_of(again))
        assert client.publish(metadata("demo"), crate).status == 200
        assert client.publish(metadata("demo"), crate).status == 401
        assert verifier.refused == ["challenge", "challenge"]
        assert [claims.get("mutation") for claims, _ in verifier.admitted] == [None, "publish"]


def test_verifier_lets_in_what_cargo_itself_signed():
    """Recorded from cargo 1.95 with -Z asymmetric-token: reads, and a publish, a yank and more."""
    public = "k3.public.AvvLfGnuHGBXm-ejNBNIeNnFxb811VLatjwBQDl-0UzvY313IJJcRGmeow5yh0xy-w"
    lines = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    assert lines
    for line in lines:
        claims = json.loads(line["payload"])
        act = {name: claims[name] for name in ("mutation", "name", "vers", "cksum")
               if name in claims}
        at = instant(claims["iat"])
        verifier = Verifier(public, json.loads(line["footer"])["url"], subject="alice",
                            now=lambda at=at: at)
        assert verifier(line["authorization"], act), verifier.refused


def vectors(kind: str) -> list[dict]:
    if not PASETO.exists():
        pytest.skip(f"no {PASETO}; set CPUB_PASETO to where PASETO's test vectors are")
    tests = json.loads((PASETO / "v3.json").read_text())["tests"]
    return [test for test in tests if test["name"].startswith(kind)]


def test_signature_holds_whatever_the_json_looks_like():
    """RFC 3231's own samples have blanks, another order and `kid`."""
    message, footer = b'{"vers": "0.1.0", "iat": "x"}', b'{"url": "y", "kid": "z"}'
    assert open_token(sign(message, footer), point(KEY)) == (message, footer)


def test_vectors_of_public_tokens_hold():
    for vector in vectors("3-S-"):
        message, footer = open_token(vector["token"], bytes.fromhex(vector["public-key"]),
                                     vector["implicit-assertion"].encode())
        assert (message.decode(), footer.decode()) == (vector["payload"], vector["footer"])


def test_vectors_that_have_to_fail_do():
    failing = vectors("3-F-")
    assert failing
    for vector in failing:
        with pytest.raises(Wrong):
            open_token(vector["token"], bytes.fromhex(vector.get("public-key") or point(KEY).hex()),
                       vector["implicit-assertion"].encode())
