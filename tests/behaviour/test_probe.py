"""
How `login` tries a token for crates.io: by the real URL, which leads to a registry on this machine
that answers in crates.io's own words (case 91 of the list that test_conformance.py keeps to).
"""

import fcntl
import itertools
import json
import os
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificate import Certificate
from desk import PASSPHRASE, TOKEN, Desk
from gate import sha256
from play import (
    APPROVE, CRATES_IO, LOG_IN, OTHER_TOKEN, TOKEN_FOR, accounts, ask_provider, ends, listener,
    refused, terminal_login, token_of,
)
from registry import Registry

NAMES = ("crates.io", "index.crates.io", "static.crates.io")
SPARSE = "sparse+https://index.crates.io/"
PROBE = "GET /api/v1/me"
WEBSITE = "this action can only be performed on the crates.io website"
FORMAT = "The given API token does not match the format used by crates.io. Tokens generated ..."


@contextmanager
def alone():
    """Nobody else on this machine plays crates.io meanwhile, nor wants it to be absent."""
    with open(Path(tempfile.gettempdir()) / f"cpub-crates-io-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def its_certificate(tmp_path_factory):
    return Certificate.make(tmp_path_factory.mktemp("crates-io-tls"), NAMES)


@pytest.fixture(scope="module")
def desk(tmp_path_factory, its_certificate):
    """An unlocked vault on a machine that trusts what plays crates.io here. Each test has an
    account of its own name."""
    for name in NAMES:
        try:
            address = socket.gethostbyname(name)
        except OSError:
            address = "unknown"
        if address != "127.0.0.1":
            pytest.skip(f"{name} is not this machine but {address}: that takes root")
    desk = Desk(tmp_path_factory.mktemp("probe") / "desk")
    try:
        desk.start(system_ca=str(its_certificate.ca))
        desk.init()
        yield desk
    finally:
        desk.stop()


@pytest.fixture
def crates_io(tmp_path, desk, its_certificate):
    with alone():
        try:
            registry = Registry(tmp_path / "crates-io", tls=its_certificate, port=443,
                                tokens={TOKEN})
        except OSError as error:
            pytest.skip(f"port 443 cannot be bound: {error}")
        registry.hosts |= set(NAMES)
        registry.announce(cio_only=True)
        with registry:
            yield registry


NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    return f"account-{next(NUMBERS)}"


@pytest.fixture(autouse=True)
def nothing_leaks(desk):
    yield
    for path in (desk.log, desk.state / "audit.jsonl", desk.vault):
        content = path.read_bytes() if path.exists() else b""
        assert TOKEN.encode() not in content and OTHER_TOKEN.encode() not in content, path


def log_in(desk, name, *words, token=TOKEN, **environment):
    which = () if "--index" in words else ("--index", CRATES_IO)
    done = desk.run("--json", "login", *which, "--account", name, "--with-token", *words,
                    given=token + "\n", **environment)
    assert token.removeprefix("Bearer ") not in done.stdout + done.stderr
    return done


def stored(desk, name) -> list[str]:
    return [a["index"] for a in accounts(desk) if a["account"] == name]


def checked(done) -> tuple[str, str | None]:
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["checked"], answer["check-detail"]


# The answers.

@pytest.mark.parametrize("index", [CRATES_IO, SPARSE])
def test_case_91_valid_token_is_stored_as_valid(desk, crates_io, name, index):
    assert checked(log_in(desk, name, "--index", index)) == ("valid", None)
    (entry,) = crates_io.requests()
    assert (entry["method"], entry["path"], entry["query"]) == ("GET", "/api/v1/me", "")
    assert entry["token"] == f"sha256:{sha256(TOKEN)[:12]}"
    assert entry["headers"]["host"] == "crates.io"
    assert crates_io.violations == [] and stored(desk, name) == [CRATES_IO]
    assert token_of(desk, index, name) == TOKEN


def test_case_91_text_for_people_says_that_the_registry_accepts_it(desk, crates_io, name):
    text = desk.succeed("login", "--with-token", "--account", name, given=TOKEN + "\n")
    assert "checked    the registry accepts it" in text


def test_case_91_unknown_token_is_rejected_and_not_stored(desk, crates_io, name):
    crates_io.revoke_token(TOKEN)
    text = refused(log_in(desk, name), "token-rejected", 6)
    assert "crates.io does not know it: revoked, expired or mistyped" in text
    assert "nothing was stored" in text
    assert len(crates_io.requests(PROBE)) == 1 and stored(desk, name) == []


@pytest.mark.parametrize("words", [
    "This account is indefinitely locked. Reason: spam",
    "This account is locked until 2027-02-20 at 12:00:00 UTC. Reason: authentication failed",
])
def test_case_91_locked_owner_is_told_and_nothing_stored(desk, crates_io, name, words):
    crates_io.announce(locked=words)
    text = refused(log_in(desk, name), "owner-locked", 6)
    assert words in text and "ask its operators" in text
    assert stored(desk, name) == []


@pytest.mark.parametrize("words", [FORMAT, "Invalid `Authorization` header: unknown scheme"])
def test_case_91_malformed_token_is_rejected_and_not_stored(desk, crates_io, name, words):
    crates_io.inject(PROBE, status=401, body={"errors": [{"detail": words}]})
    refused(log_in(desk, name), "token-rejected", 6)
    assert stored(desk, name) == []


def says(*details: str) -> dict:
    return {"errors": [{"detail": text} for text in details]}


@pytest.mark.parametrize("rule", [
    {"status": 403, "body": says("something that nobody has heard")},
    {"status": 403, "body": says("Authentication Failed")},
    {"status": 403, "body": says("authentication failed", "and more")},
    {"status": 403, "body": "authentication failed"},
    {"status": 403, "body": {"detail": "authentication failed"}},
    {"status": 403, "body": b"\xff\xfe"},
    {"status": 200, "body": says("authentication failed")},
    {"status": 200, "body": {"user": {"login": "somebody"}}},
    {"status": 200, "body": says(WEBSITE)},
    {"status": 401, "body": says("authentication failed")},
    {"status": 401, "body": ""},
    {"status": 404, "body": says("Not Found")},
    {"status": 429, "body": says("slow down"), "retry_after": 60},
    {"status": 500, "body": "Internal Server Error"},
    {"status": 503, "body": "<html>maintenance</html>"},
    {"huge": 10_000_000},
], ids=lambda rule: ascii(rule)[:60])
def test_case_91_other_words_are_no_verdict(desk, crates_io, name, rule):
    crates_io.inject(PROBE, **rule)
    done = log_in(desk, name)
    verdict, detail = checked(done)
    assert verdict == "unknown"
    assert stored(desk, name) == [CRATES_IO] and len(crates_io.requests()) == 1
    for word in ("rejected", "dead", "revoked", "expired"):
        assert word not in done.stdout + done.stderr
    for word in ("something that nobody has heard", "slow down", "maintenance"):
        if word in ascii(rule):
            assert word in detail


def test_case_91_text_for_people_says_that_it_is_not_known(desk, crates_io, name):
    crates_io.inject(PROBE, status=403, body=says("a word of tomorrow\x1b[2J"))
    text = desk.succeed("login", "--with-token", "--account", name, given=TOKEN + "\n")
    assert "not known whether the registry accepts it: a word of tomorrow" in text
    assert "\x1b" not in text and "accepts it\n" not in text


def test_token_that_the_answer_repeats_is_withheld(desk, crates_io, name):
    crates_io.inject(PROBE, status=403, body=says(f"the token {TOKEN} is unknown to us"))
    verdict, detail = checked(log_in(desk, name))
    assert verdict == "unknown" and TOKEN not in (detail or "")


# No answer.

@pytest.mark.parametrize("rule", [
    {"cut": -1}, {"cut": 10}, {"status": 302, "redirect": "https://crates.io/login"},
], ids=ascii)
def test_no_answer_is_no_verdict_and_its_reason_is_told(desk, crates_io, name, rule):
    crates_io.inject(PROBE, **rule)
    verdict, detail = checked(log_in(desk, name))
    assert verdict == "unknown" and detail
    assert ("redirect" in detail) == ("redirect" in rule)
    assert ("could not be reached" in detail) == ("cut" in rule)
    assert "index" not in detail and "config.json" not in detail
    assert len(crates_io.requests()) == 1 and stored(desk, name) == [CRATES_IO]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_token_does_not_travel_with_a_redirect(desk, crates_io, name, tmp_path, its_certificate,
                                               status):
    with Registry(tmp_path / "elsewhere", tls=its_certificate) as elsewhere:
        elsewhere.hosts.add(f"static.crates.io:{elsewhere.port}")
        target = f"https://static.crates.io:{elsewhere.port}/api/v1/me"
        crates_io.inject(PROBE, status=status, redirect=target)
        assert checked(log_in(desk, name))[0] == "unknown"
        assert elsewhere.requests() == [] and elsewhere.handshake_failures == []
    assert len(crates_io.requests()) == 1


def test_unreachable_registry_is_no_verdict(desk, name):
    with alone():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 443)) == 0:
                pytest.skip("somebody listens on port 443 of this machine")
        verdict, detail = checked(log_in(desk, name))
    assert verdict == "unknown" and "could not be reached" in detail
    assert stored(desk, name) == [CRATES_IO]


def test_foreign_certificate_gets_no_token_and_is_no_verdict(desk, crates_io, name, tmp_path):
    other = Certificate.make(tmp_path / "other-tls")
    verdict, detail = checked(log_in(desk, name, CARGO_HTTP_CAINFO=str(other.ca)))
    assert verdict == "unknown" and "certificate" in detail
    assert crates_io.requests() == [] and stored(desk, name) == [CRATES_IO]


def test_probe_goes_through_the_proxy(desk, crates_io, name):
    with listener() as proxy:
        proxy.setblocking(True)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        child = os.fork()
        if child == 0:  # A proxy that takes one request and hangs up.
            connection, _ = proxy.accept()
            asked = connection.recv(4096)
            os._exit(0 if asked.startswith(b"CONNECT crates.io:443 ") else 1)
        done = log_in(desk, name, https_proxy=address)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert checked(done)[0] == "unknown"
    assert crates_io.requests() == []


# Unasked.

def test_no_check_sends_nothing_and_says_so(desk, crates_io, name):
    crates_io.revoke_token(TOKEN)
    assert checked(log_in(desk, name, "--no-check")) == ("skipped", None)
    text = desk.succeed("login", "--with-token", "--no-check", "--account", name + "-2",
                        given=TOKEN + "\n")
    assert "checked    no, as you asked" in text
    assert crates_io.requests() == [] and crates_io.handshake_failures == []
    (account,) = [a for a in accounts(desk) if a["account"] == name]
    assert account["api"] == "https://crates.io"  # It is known all the same.


def test_login_by_cargo_tries_the_token_whatever_the_request_says(desk, crates_io, name):
    request = {"v": 1, "registry": {"index-url": CRATES_IO, "name": "crates-io"}, "kind": "login",
               "token": TOKEN, "no-check": True, "args": ["--account", name]}
    crates_io.revoke_token(TOKEN)
    assert ask_provider(desk, request)["Err"]["code"] == "token-rejected"
    assert stored(desk, name) == [] and len(crates_io.requests(PROBE)) == 1


def test_typed_token_is_tried_before_it_is_stored(desk, crates_io, name):
    crates_io.revoke_token(TOKEN)
    terminal = terminal_login(desk, None, "--index", CRATES_IO, "--account", name)
    terminal.answers(LOG_IN, "y")
    assert crates_io.requests() == []
    terminal.answers(TOKEN_FOR, TOKEN)
    ends(terminal, 6)
    assert "does not accept this token" in terminal.seen and stored(desk, name) == []


def test_dead_token_does_not_replace_a_good_one(desk, crates_io, name):
    assert checked(log_in(desk, name))[0] == "valid"
    terminal = terminal_login(desk, None, "--index", CRATES_IO, "--account", name)
    terminal.answers(APPROVE, PASSPHRASE)
    terminal.answers(TOKEN_FOR, OTHER_TOKEN)
    ends(terminal, 6)
    assert token_of(desk, CRATES_IO, name) == TOKEN


# Its shape.

def test_case_71_bearer_prefix_is_kept_as_given_on_the_wire_and_in_the_store(
        desk, crates_io, name):
    given = "Bearer " + TOKEN
    crates_io.revoke_token(TOKEN)
    crates_io.accept_token(given)
    assert checked(log_in(desk, name, token=given))[0] == "valid"
    (entry,) = crates_io.requests()
    assert entry["token"] == f"sha256:{sha256(given)[:12]}"
    assert token_of(desk, CRATES_IO, name) == given


@pytest.mark.parametrize("token", [
    "cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOOd", "cio_tp_0000000000000000000000000000000w",
])
def test_case_92_and_93_trusted_publishers_token_with_its_check_character_is_tried(
        desk, crates_io, name, token):
    crates_io.accept_token(token)
    assert checked(log_in(desk, name, token=token)) == ("valid", None)
    assert len(crates_io.requests(PROBE)) == 1


@pytest.mark.parametrize("token, why", [
    ("cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOOe", "its check character does not fit"),
    ("cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOPd", "its check character does not fit"),
    ("cio_tp_00000000000000000000000000000000", "its check character does not fit"),
    ("cio_tp_000000000000000000000000000000w", "it is not 39 characters long"),
    (TOKEN[:-1], "it is not 35 characters long"),
    (TOKEN + "a", "it is not 35 characters long"),
    (TOKEN[:-1] + "-", "it has other characters than letters and digits"),
    ("Cio" + TOKEN[3:], "it does not begin with `cio`"),
    ("ghp_" + "a" * 36, "it does not begin with `cio`"),
    ("Bearer " + TOKEN[:-1], "it is not 35 characters long"),
], ids=["last", "before last", "zeros", "short publisher", "short", "long", "hyphen", "Cio",
        "another site", "Bearer short"])
def test_case_92_and_93_token_of_another_shape_is_sent_nowhere(
        desk, crates_io, name, token, why):
    text = refused(log_in(desk, name, token=token), "token-shape", 2)
    assert why in text and "--no-check" in text
    assert crates_io.requests() == [] and crates_io.handshake_failures == []
    assert stored(desk, name) == []

    done = log_in(desk, name, "--no-check", token=token)
    assert checked(done) == ("skipped", None)
    assert json.loads(done.stdout)["shape"].startswith(why)
    assert crates_io.requests() == [] and token_of(desk, CRATES_IO, name) == token
    assert token.encode() not in desk.log.read_bytes()
    text = desk.succeed("login", "--with-token", "--no-check", "--account", name + "-2",
                        given=token + "\n")
    assert f"warning    no token of crates.io looks like this: {why}" in text
