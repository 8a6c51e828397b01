"""worker-sign: keys in and out, and tokens that others than us take for cargo's own."""

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat,
)

from verify import HEADER, Verifier, decode, encode, instant, key_id, open_token
from worker_program import Worker, ask_worker, enumerators

pytestmark = pytest.mark.both  # Only the release build has the sandbox.

SIGN = {name[len("SIGN_"):]: value
        for name, value in enumerators("agent/work/frame.h", "sign_errand").items()}
OPERATION = {name[len("OPERATION_"):].lower(): value
             for name, value in enumerators("protocol/kind.h", "operation").items()}
FOOTER = {"kip": 0, "kid": 1}
RECORDED = Path(__file__).parent.parent / "vectors/cargo-asymmetric.jsonl"
URL = "sparse+https://registry.example/index/"
ISSUED = int(instant("2026-11-22T13:31:08Z"))
ACTS = {
    "read": {},
    "publish": {"name": "demo", "vers": "0.1.0", "cksum": "ab" * 32},
    "yank": {"name": "demo", "vers": "0.1.0"},
    "unyank": {"name": "demo", "vers": "0.1.0"},
    "owners": {"name": "demo"},
}
TAG = {"name": "CRATE", "vers": "VERSION", "cksum": "CHECKSUM"}

KEY = ec.derive_private_key(0x707172737475767778797A7B7C7D7E7F, ec.SECP384R1())


def point(key) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def paserk(key) -> str:
    return "k3.secret." + encode(key.private_numbers().private_value.to_bytes(48, "big"))


def public(key) -> str:
    return "k3.public." + encode(point(key))


def pem(key, form=PrivateFormat.PKCS8, protection=NoEncryption()) -> bytes:
    return key.private_bytes(Encoding.PEM, form, protection)


def errand(name, key=None, **how):
    task = {"SIGN_ERRAND": SIGN[name]} | ({"PASERK": key} if key is not None else {})
    return ask_worker("sign", task, **how)


def task(operation="yank", footer="kip", key=KEY, **more):
    """A task to sign; None takes a field away."""
    fields = {"SIGN_ERRAND": SIGN["REQUEST"], "PASERK": paserk(key), "PUBLIC": public(key),
              "OPERATION": OPERATION[operation], "ISSUED": ISSUED, "FOOTER_KEY": FOOTER[footer],
              "INDEX_URL": URL}
    fields |= {TAG[name]: value for name, value in ACTS[operation].items()} | more
    return {name: value for name, value in fields.items() if value is not None}


def sign(*args, **how) -> str:
    answer = ask_worker("sign", task(*args, **how))
    assert answer.refusal == "none", answer
    assert set(answer.fields) == {"TOKEN"}
    return answer.fields["TOKEN"].decode()


def act(operation):
    return ACTS[operation] | ({} if operation == "read" else {"mutation": operation})


def verifier(**how):
    return Verifier(public(KEY), URL, now=lambda: ISSUED, **how)


# Keys.

def test_made_key_is_new_each_time_and_whole():
    made = [errand("MAKE_KEY") for _ in range(2)]
    for answer in made:
        assert answer.refusal == "none" and set(answer.fields) == {"PASERK", "PUBLIC", "PID"}
        scalar = decode(answer.fields["PASERK"].decode().removeprefix("k3.secret."))
        key = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP384R1())
        assert answer.fields["PUBLIC"].decode() == public(key)
        assert answer.fields["PID"].decode() == key_id(public(key))
    assert made[0].fields["PASERK"] != made[1].fields["PASERK"]


@pytest.mark.parametrize("form", ["paserk", "pkcs8", "sec1", "crlf", "text around", "openssl",
                                  "line", "line of DOS"])
def test_key_is_read_in_every_form(form):
    text = {
        "paserk": lambda: paserk(KEY),
        "line": lambda: paserk(KEY) + "\n",
        "line of DOS": lambda: paserk(KEY) + "\r\n",
        "pkcs8": lambda: pem(KEY),
        "sec1": lambda: pem(KEY, PrivateFormat.TraditionalOpenSSL),
        "crlf": lambda: pem(KEY).replace(b"\n", b"\r\n"),
        "text around": lambda: b"Bag Attributes: none\n" + pem(KEY) + b"\nthe end",
        # As `openssl ecparam -genkey` writes it: parameters first.
        "openssl": lambda: b"-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n"
                           b"-----END EC PARAMETERS-----\n"
                           + pem(KEY, PrivateFormat.TraditionalOpenSSL),
    }[form]()
    answer = errand("READ_KEY", text)
    assert answer.refusal == "none"
    assert {name: value.decode() for name, value in answer.fields.items()} == {
        "PASERK": paserk(KEY), "PUBLIC": public(KEY), "PID": key_id(public(KEY))}


def test_public_key_comes_without_the_private_one():
    answer = errand("PUBLIC_KEY", paserk(KEY))
    assert {name: value.decode() for name, value in answer.fields.items()} == {
        "PUBLIC": public(KEY), "PID": key_id(public(KEY))}


ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffff"
            "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)


def mixed_up() -> bytes:
    """SEC 1 with one key's scalar and another's point."""
    ours, others = (k.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
                    for k in (KEY, ec.derive_private_key(2, ec.SECP384R1())))
    text = subprocess.run(["openssl", "base64"], input=ours[:-97] + others[-97:],
                          capture_output=True, check=True).stdout
    return b"-----BEGIN EC PRIVATE KEY-----\n" + text + b"-----END EC PRIVATE KEY-----\n"


BAD_KEYS = {
    "zero": "k3.secret." + "A" * 64,
    "the order": "k3.secret." + encode(ORDER.to_bytes(48, "big")),
    "the highest": "k3.secret." + "_" * 64,
    "short": "k3.secret." + encode(b"\1" * 47),
    "long": "k3.secret." + encode(b"\1" * 49),
    "version 4": "k4.secret." + encode(b"\1" * 64),
    "version 4, right length": "k4." + paserk(KEY)[3:],
    "padding": paserk(KEY) + "==",
    "two line ends": paserk(KEY) + "\n\n",
    "return": paserk(KEY) + "\r",
    "two returns": paserk(KEY) + "\r\r\n",
    "blank": paserk(KEY) + " \n",
    "blank in front": " " + paserk(KEY),
    "line in front": "\n" + paserk(KEY),
    "a line end": "\n",
    "a line end of DOS": "\r\n",
    "plus": paserk(KEY)[:-1] + "+",
    "its public key": public(KEY),
    "a word": "secret",
    "NUL": paserk(KEY).encode() + b"\0",
    "too much": b"-----BEGIN " + b"x" * 5000,
    "cut PEM": pem(KEY)[:-40],
    "damaged PEM": pem(KEY).replace(b"M", b"N", 1),
    "empty PEM": b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
    "encrypted PEM": pem(KEY, protection=BestAvailableEncryption(b"pw")),
    "encrypted SEC 1": pem(KEY, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"pw")),
    "P-256": pem(ec.derive_private_key(5, ec.SECP256R1())),
    "P-521": pem(ec.derive_private_key(5, ec.SECP521R1())),
    "brainpool": pem(ec.derive_private_key(5, ec.BrainpoolP384R1())),
    "Ed25519": pem(ed25519.Ed25519PrivateKey.generate()),
    "RSA": pem(rsa.generate_private_key(65537, 1024)),
    "public PEM": KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "mixed up": mixed_up(),
}


@pytest.mark.release  # Many; the fuzz target is built with the sanitizers.
@pytest.mark.parametrize("what", BAD_KEYS)
def test_what_is_no_key_of_the_curve_is_refused(what):
    answer = errand("READ_KEY", BAD_KEYS[what])
    assert answer.refusal == "bad-key" and set(answer.fields) == {"REFUSAL"}


def test_only_a_key_that_a_person_gives_may_be_pem_or_end_its_line():
    for key in (pem(KEY), paserk(KEY) + "\n"):
        assert errand("PUBLIC_KEY", key).refusal == "bad-key"
        assert ask_worker("sign", task(PASERK=key)).refusal == "bad-key"


def test_no_configuration_of_openssl_counts(tmp_path):
    """One that leaves out the default provider, so that whoever reads it signs nothing."""
    path = tmp_path / "openssl.cnf"
    path.write_text("openssl_conf = all\n[all]\nproviders = few\n[few]\nbase = on\n"
                    "[on]\nactivate = 1\n")
    done = subprocess.run(["openssl", "dgst", "-sha384", "/dev/null"], capture_output=True,
                          env={"OPENSSL_CONF": str(path)}, check=False)
    assert done.returncode != 0
    assert errand("MAKE_KEY", env={"OPENSSL_CONF": str(path)}).refusal == "none"


# Tokens.

@pytest.mark.parametrize("operation", ACTS)
@pytest.mark.parametrize("footer", FOOTER)
def test_verifier_that_is_not_ours_takes_the_token(operation, footer):
    plain, full = verifier(footer_key=footer), verifier(
        footer_key=footer, subject="alice", with_challenges=True)
    assert plain(sign(operation, footer), act(operation)), plain.refused
    challenge = full.challenge()
    token = sign(operation, footer, SUBJECT="alice", CHALLENGE=challenge)
    assert full(token, act(operation)), full.refused
    assert not full(token, act(operation)) and full.refused == ["challenge"]


@pytest.mark.release
@pytest.mark.parametrize("change, word", [
    ({"CRATE": "other"}, "name"), ({"VERSION": "0.1.1"}, "vers"),
    ({"CHECKSUM": "cd" * 32}, "cksum"),
    ({"SUBJECT": "mallory"}, "sub"), ({"ISSUED": ISSUED - 61}, "stale"),
    ({"ISSUED": ISSUED + 61}, "ahead"), ({"INDEX_URL": URL[:-1]}, "url"),
    ({"INDEX_URL": URL.removeprefix("sparse+")}, "url"), ({"FOOTER_KEY": 1}, "kip"),
    ({"PASERK": paserk(ec.derive_private_key(2, ec.SECP384R1()))}, "signature")])
def test_verifier_that_is_not_ours_refuses_one_that_says_another_thing(change, word):
    check = verifier()
    assert not check(sign("publish", **change), act("publish")) and check.refused == [word]


P = 2 ** 384 - 2 ** 128 - 2 ** 96 + 2 ** 32 - 1
B = int("b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875a"
        "c656398d8a2ed19d2a85c8edd3ec2aef", 16)


def is_on_curve(x: int) -> bool:
    return pow(x ** 3 - 3 * x + B, (P - 1) // 2, P) == 1


def public_text(first: int, x: int) -> str:
    return "k3.public." + encode(bytes([first]) + x.to_bytes(48, "big"))


BAD_PUBLIC = {
    "not on the curve": public_text(2, next(x for x in range(P) if not is_on_curve(x))),
    # As a number modulo p it would be one.
    "too high": public_text(2, next(x for x in range(P, 2 ** 384) if is_on_curve(x - P))),
    "form 0": public_text(0, 0), "form 4": public_text(4, int.from_bytes(point(KEY)[1:], "big")),
    "form 6": public_text(6, int.from_bytes(point(KEY)[1:], "big")),
    "not compressed": "k3.public." + encode(KEY.public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint)),
    "short": public(KEY)[:-4], "long": public(KEY) + "AAAA", "padding": public(KEY) + "==",
    "newline": public(KEY) + "\n", "NUL": public(KEY) + "\0", "empty": "",
    "version 4": "k4" + public(KEY)[2:], "the private key": paserk(KEY),
    "the id": key_id(public(KEY)), "a bit too many": public(KEY)[:-1] + "B",
}


@pytest.mark.parametrize("what", BAD_PUBLIC)
def test_public_key_that_is_no_point_signs_nothing(what):
    answer = ask_worker("sign", task(PUBLIC=BAD_PUBLIC[what]))
    assert answer.refusal == "bad-key" and set(answer.fields) == {"REFUSAL"}


def test_both_points_of_one_x_are_taken():
    """Half of all keys have the one form, half the other."""
    forms = set()
    for number in range(1, 9):
        key = ec.derive_private_key(number, ec.SECP384R1())
        token = sign("yank", key=key)
        assert Verifier(public(key), URL, now=lambda: ISSUED)(token, act("yank"))
        forms.add(point(key)[0])
    assert forms == {2, 3}


def test_nonces_are_not_the_same_twice():
    """One nonce for two messages would give the key away; here not even one has it twice."""
    tokens = [sign("read") for _ in range(3)]
    halves = {decode(token[len(HEADER):].split(".")[0])[-96:-48] for token in tokens}
    assert len(halves) == 3


def test_token_is_cargos_field_by_field():
    """Against tokens of cargo 1.95: the order, what is there and how it is written, all but iat's
    fraction of a second."""
    seen = set()
    for line in map(json.loads, RECORDED.read_text().splitlines()):
        claims = json.loads(line["payload"])
        issued = claims["iat"].partition(".")[0] + "Z"
        operation = claims.get("mutation", "read")
        fields = {TAG[name]: claims.get(name) for name in TAG}
        url = json.loads(line["footer"])["url"]
        token = sign(operation, **fields, ISSUED=int(instant(issued)), SUBJECT=claims["sub"],
                     INDEX_URL=url)
        message, footer = open_token(token, point(KEY))
        assert message.decode() == line["payload"].replace(claims["iat"], issued)
        theirs = json.loads(line["footer"])["kip"]
        assert footer.decode() == line["footer"].replace(theirs, key_id(public(KEY)))
        seen.add(operation)
    assert seen == {"read", "publish", "yank"}


def test_footer_of_crates_io_has_the_url_that_cargo_sends():
    url = "https://github.com/rust-lang/crates.io-index"
    _, footer = open_token(sign("publish", INDEX_URL=url), point(KEY))
    assert footer.decode() == '{"url":"%s","kip":"%s"}' % (url, key_id(public(KEY)))


@pytest.mark.parametrize("change, refusal, detail", [
    ({"CRATE": "de\"mo"}, "bad-name", "the crate's name"),
    ({"CRATE": ""}, "bad-name", "the crate's name"),
    ({"VERSION": "1"}, "bad-name", "the version"),
    ({"CHECKSUM": "AB" * 32}, "bad-name", "the checksum"),
    ({"SUBJECT": ""}, "bad-name", "the subject"), ({"SUBJECT": "a b"}, "bad-name", "the subject"),
    ({"SUBJECT": "a\"b"}, "bad-name", "the subject"),
    ({"SUBJECT": "x" * 257}, "bad-name", "the subject"),
    ({"CHALLENGE": "a\\b"}, "bad-name", "the registry's challenge"),
    ({"CHALLENGE": "\u00e9"}, "bad-name", "the registry's challenge"),
    ({"INDEX_URL": "https://a b/"}, "bad-url", None), ({"INDEX_URL": ""}, "bad-url", None),
    ({"INDEX_URL": "https://u:p@h/"}, "bad-url", None),
    ({"SUBJECT": b"a\0b"}, "internal", None), ({"ISSUED": 253402300800}, "internal", None),
    ({"ISSUED": (1 << 64) - 1}, "internal", None), ({"OPERATION": 5}, "internal", None),
    ({"FOOTER_KEY": 2}, "internal", None), ({"SIGN_ERRAND": 4}, "internal", None),
    ({"PASERK": "k3.secret."}, "bad-key", None)])
def test_what_is_not_well_formed_is_not_signed(change, refusal, detail):
    answer = ask_worker("sign", task("publish", **change))
    assert (answer.refusal, answer.detail) == (refusal, detail)
    assert set(answer.fields) <= {"REFUSAL", "DETAIL"}


@pytest.mark.release
@pytest.mark.parametrize("operation", ACTS)
@pytest.mark.parametrize("name", TAG)
def test_claims_are_those_of_the_operation_no_more_and_no_less(operation, name):
    other = None if name in ACTS[operation] else ACTS["publish"][name]
    assert ask_worker("sign", task(operation, **{TAG[name]: other})).refusal == "internal"


@pytest.mark.parametrize("absent", ["PASERK", "PUBLIC", "OPERATION", "ISSUED", "FOOTER_KEY", "INDEX_URL"])
def test_task_with_a_hole_is_refused(absent):
    assert ask_worker("sign", task(**{absent: None})).refusal == "internal"


def test_key_is_looked_at_after_the_claims():
    assert ask_worker("sign", task(CRATE="-", PASERK="nonsense")).refusal == "bad-name"


def test_worker_says_nothing_of_a_key_when_it_refuses():
    with Worker("sign") as worker:
        worker.start({"SIGN_ERRAND": SIGN["READ_KEY"], "PASERK": paserk(KEY) + "="})
        kind, fields = worker.receive()
        assert kind == "a" and b"k3." not in b"".join(fields.values())
        assert worker.wait() == 0 and worker.stderr() == ""
