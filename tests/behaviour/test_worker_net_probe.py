"""worker-net asks crates.io what it thinks of a token, and believes only words that it knows."""

import threading

import pytest

from desk import TOKEN
from scan import traces
from web_play import endless, reply, serving, silent
from worker_program import ERRAND, VERDICT, ask_worker

pytestmark = pytest.mark.both  # Only the release build has the sandboxes.

WEBSITE = "this action can only be performed on the crates.io website"
FAILED = "authentication failed"
FORMAT = "The given API token does not match the format used by crates.io. Tokens generated …"
LOCKED = "This account is indefinitely locked. Reason: spam"
UNTIL = "This account is locked until 2099-12-12 at 12:12:12 UTC. Reason: spam"


def probe(url, token=TOKEN, **fields):
    return ask_worker("net", {"URL": url, "ERRAND": ERRAND["PROBE"], "TOKEN": token, **fields})


def answered(status, body, **headers):
    """What the worker makes of one answer, as (verdict, detail)."""
    with serving(reply(status, body, **headers)) as server:
        answer = probe(server.url())
    return verdict_of(answer, status)


def verdict_of(answer, status):
    assert answer.refusal == "none"
    assert answer.number("HTTP_STATUS") == status
    assert answer.fields.keys() <= {"HTTP_STATUS", "VERDICT", "DETAIL", "DATE"}
    assert traces(answer.fields.get("DETAIL", b""), TOKEN) == []
    return VERDICT[answer.number("VERDICT")], answer.detail


def error(*details):
    return {"errors": [{"detail": detail} for detail in details]}


# Case 91: the four answers, from a registry that words them as crates.io does.

def probe_registry(registry, certificate, token):
    answer = probe(registry.api + "/api/v1/me", token, CA_PEM=certificate.ca.read_bytes())
    (request,) = registry.requests()
    assert (request["method"], request["path"]) == ("GET", "/api/v1/me")
    assert request["headers"]["user-agent"].startswith("cpub-agent/")
    assert "origin" not in request["headers"] and request["body_length"] == 0
    assert registry.violations == []
    return verdict_of(answer, request["status"])


def test_case_91_known_token_is_valid(registry, certificate):
    assert probe_registry(registry, certificate, TOKEN) == ("valid", None)


def test_case_91_unknown_token_is_dead(registry, certificate):
    registry.announce(cio_only=True)
    assert probe_registry(registry, certificate, TOKEN[:-1] + "_") == ("dead", None)


def test_case_91_token_of_another_form_is_malformed(registry, certificate):
    registry.announce(cio_only=True)
    assert probe_registry(registry, certificate, "ghp_1234567890") == ("malformed", None)


@pytest.mark.parametrize("words", [LOCKED, UNTIL])
def test_case_91_token_of_a_locked_account_is_locked(registry, certificate, words):
    registry.announce(locked=words)
    assert probe_registry(registry, certificate, TOKEN) == ("locked", words)


def test_case_91_another_scheme_is_malformed():
    words = "Invalid `Authorization` header: Found unexpected authentication scheme `Basic`"
    assert answered(401, error(words)) == ("malformed", None)


# Anything else is unknown, which is never "dead".

@pytest.mark.parametrize("status, words", [
    (200, WEBSITE), (200, FAILED), (401, FAILED), (401, WEBSITE), (401, LOCKED), (403, FORMAT),
    (400, FAILED), (404, "Not Found"), (403, "Authentication failed"), (500, FAILED),
    (403, "this action requires authentication"),
    (403, "this token does not have the required permissions to perform this action"),
    (403, "We require that all requests include a `User-Agent` header."),
    (403, "We are unable to process your request at this time."),
    (429, "You have published too many new crates in a short period of time"),
    (500, "Internal Server Error"), (503, "crates.io is currently in read-only mode."),
])
def test_words_that_are_not_known_with_that_status_are_no_verdict(status, words):
    verdict, detail = answered(status, error(words))
    assert verdict == "unknown"
    assert detail == words.replace("…", "???")


@pytest.mark.parametrize("status", [200, 204, 401, 403, 500])
def test_status_alone_is_no_verdict(status):
    assert answered(status, b"") == ("unknown", None)


@pytest.mark.parametrize("body", [
    b"authentication failed", b"<html>authentication failed</html>", b"{}", b"[]", b"null",
    b'{"errors":[]}', b'{"errors":{}}', b'{"errors":"authentication failed"}',
    b'{"errors":["authentication failed"]}', b'{"errors":[{"detail":["authentication failed"]}]}',
    b'{"errors":[{"detail":null}]}', b'{"detail":"authentication failed"}',
    b'{"errors":[{"detail":"authentication failed"}]',
    b'{"errors":[{"detail":"authentication failed"}]} {}',
    b'{"errors":[{"detail":"x","detail":"authentication failed"}]}',
    b'{"errors":[{"detail":"x"}],"errors":[{"detail":"authentication failed"}]}',
    b'{"errors":[{"detail":"authentication failed\\u0000"}]}',
    b'\xff{"errors":[{"detail":"authentication failed"}]}',
])
def test_body_of_another_shape_is_no_verdict(body):
    verdict, detail = answered(403, body)
    assert verdict == "unknown"
    assert detail == body.decode("latin-1").replace("\xff", "?")[:200]


def test_several_errors_are_no_verdict():
    assert answered(403, error(FAILED, WEBSITE))[0] == "unknown"
    assert answered(403, error(FAILED, FAILED))[0] == "unknown"


@pytest.mark.parametrize("words", [WEBSITE, FAILED])
def test_reason_of_a_lock_is_no_verdict_of_its_own(words):
    said = "This account is indefinitely locked. Reason: " + words
    assert answered(403, error(said)) == ("locked", said)


@pytest.mark.parametrize("start, status, verdict", [
    ("", 403, "unknown"), ("This account is locked until ", 403, "locked")])
def test_words_of_the_server_are_cleaned_and_cut(start, status, verdict):
    said = start + "\x1b[31m\r\n\u00e4\u202e" + "x" * 1000
    expected = (start + "?[31m  ?????" + "x" * 200)[:200]
    assert answered(status, error(said)) == (verdict, expected)


@pytest.mark.parametrize("said", [
    "no such token: %s", "%s", "x" * 180 + "%s", "x" * 190 + "%s"],
    ids=["inside", "alone", "cut", "cut-short"])
def test_words_that_repeat_the_token_are_kept_back(said):
    assert answered(403, error(said % TOKEN)) == ("unknown", None)
    assert answered(403, (said % TOKEN).encode()) == ("unknown", None)


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1 << 20])
def test_answer_that_is_too_long_is_no_verdict(size):
    body = b'{"errors":[{"detail":"authentication failed"}]}'
    assert answered(403, body + b" " * (64 * 1024 - len(body)))[0] == "dead"
    assert answered(403, body + b" " * (size - len(body))) == ("unknown", None)


def test_endless_answer_is_no_verdict():
    with serving(endless) as server:
        assert verdict_of(probe(server.url()), 200) == ("unknown", None)


# No answer at all.

def test_probe_gives_up_on_a_slow_server():
    with serving(silent) as server:
        server.gate = threading.Event()
        answer = probe(server.url(), TIMEOUT_MSEC=400)
        server.gate.set()
    assert answer.refusal == "network-timeout"


def test_probe_without_a_token_is_a_mistake_of_ours():
    with serving(reply(403, error(FAILED))) as server:
        answer = ask_worker("net", {"URL": server.url(), "ERRAND": ERRAND["PROBE"]})
        assert answer.refusal == "internal"
        assert not server.requests
