"""worker-net: what the headers of an answer tell beside it, its time and its challenge."""

import json
import threading
import time
from email.utils import formatdate

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from desk import TOKEN
from registry import Registry
from scan import traces
from test_worker_sign import paserk, public, task as sign_task
from verify import Verifier
from web_play import Relay, reply, serving, silent
from wire import act, act_at, answer_bytes, saying
from worker_program import ERRAND, PATIENCE, ask_worker

pytestmark = pytest.mark.both  # Only the release build has the sandboxes.

CONFIG = {"dl": "https://dl.example/crates", "api": "https://api.example"}
THEN = 1700000000
DATE = formatdate(THEN, usegmt=True)
WANTED = 'Cargo login_url="https://x.example/me", challenge="abc-123"'
LOOKS = ["CONFIG", "PROBE", "CRATE"]
CHANGES = ["PUBLISH", "YANK", "UNYANK", "OWNERS_ADD", "OWNERS_REMOVE", "OWNERS_LIST", "REVOKE"]
KEY = ec.derive_private_key(0x909192939495969798999A9B9C9D9E9F, ec.SECP384R1())
# As long as names and texts may be.
SIGNED = "v3.public." + "aZ09_-" * 467 + ".ab"


def dated(status, body=b"", **headers):
    """An answer with this Date, and no other."""
    def answer(handler):
        handler.date_time_string = lambda timestamp=None: DATE
        handler.reply(status, body, **headers)
    return answer


def fetch(answer, errand="CONFIG", **fields):
    if errand == "CRATE":
        fields.setdefault("CRATE", "demo")
    if errand == "PROBE":
        fields.setdefault("TOKEN", TOKEN)
    with serving(answer) as server:
        return ask_worker("net", {"URL": server.url(), "ERRAND": ERRAND[errand], **fields})


def challenge_of(*headers, status=401, **fields):
    """What is told of the WWW-Authenticate headers of one refusal."""
    def answer(handler):
        handler.send_response(status)
        for value in headers:
            handler.send_header("WWW-Authenticate", value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    return fetch(answer, **fields).fields.get("CHALLENGE")


# Challenges.

@pytest.mark.parametrize("headers, challenge", [
    ((WANTED,), b"abc-123"),
    (('cargo CHALLENGE="abc-123"',), b"abc-123"),
    (("Cargo challenge=abc-123",), b"abc-123"),
    (('Basic realm="Cargo challenge=\\"x\\""', 'Cargo challenge="abc-123"'), b"abc-123"),
    (('Cargo challenge="abc-123"', 'Cargo challenge="abc-123"'), b"abc-123"),
    (('Cargo challenge="%s"' % ("x" * 256),), b"x" * 256),
    (('Cargo challenge="%s"' % ("x" * 257),), None),
    (('Cargo challenge="abc-123"', 'Cargo challenge="abc-124"'), None),
    (('Cargo challenge="abc-123", challenge="abc-124"',), None),
    (('Cargo challenge="abc-123"', 'Cargo challenge="a b"'), None),
    (('Cargo challenge=""',), None),
    (('Cargo challenge="a b"',), None),
    (('Cargo challenge="a\\"b"',), None),
    (('Cargo challenge="\u00e4"',), None),
    (("Cargo challenge=abc==",), None),
    (('Basic challenge="abc-123"',), None),
    (('Cargo login_url="https://x.example/me"',), None),
    ((), None),
])
def test_challenge_is_told_if_it_can_be_claimed_and_is_the_only_one(headers, challenge):
    assert challenge_of(*headers) == challenge


@pytest.mark.parametrize("errand", LOOKS)
def test_look_that_is_refused_tells_the_challenge_and_the_time(errand):
    answer = fetch(dated(401, WWW_Authenticate=WANTED), errand, TOKEN=TOKEN)
    assert answer.fields["CHALLENGE"] == b"abc-123"
    assert answer.number("DATE") == THEN
    if errand != "PROBE":  # The verdict on a token has another answer.
        assert answer.refusal == "token-rejected" and answer.detail == "HTTP 401"
        assert set(answer.fields) == {"REFUSAL", "DETAIL", "DATE", "CHALLENGE"}


@pytest.mark.parametrize("errand", CHANGES)
def test_act_that_is_refused_tells_the_challenge_and_the_time(errand):
    got, _ = act_at(saying(401, WWW_Authenticate=WANTED, Date=DATE), errand, TOKEN=TOKEN)
    assert got.fields["CHALLENGE"] == b"abc-123"
    assert got.number("DATE") == THEN and got.number("HTTP_STATUS") == 401


def test_where_to_get_a_token_is_told_beside_the_challenge():
    answer = fetch(reply(401, WWW_Authenticate=WANTED))
    assert (answer.refusal, answer.detail) == ("auth-required", "https://x.example/me")
    assert answer.fields["CHALLENGE"] == b"abc-123"


def test_challenge_counts_in_a_403_as_well():
    """RFC 3231 names both."""
    assert challenge_of(WANTED, status=403) == b"abc-123"
    got, _ = act_at(saying(403, WWW_Authenticate=WANTED), "YANK")
    assert got.fields["CHALLENGE"] == b"abc-123"


@pytest.mark.parametrize("status", [200, 302, 400, 404, 407, 500])
def test_challenge_counts_in_no_other_answer(status):
    assert challenge_of(WANTED, status=status) is None
    got, _ = act_at(saying(status, WWW_Authenticate=WANTED), "YANK")
    assert "CHALLENGE" not in got.fields


def test_challenge_that_repeats_the_token_is_not_told():
    wanted = 'Cargo challenge="%s"'
    for challenge in (TOKEN, "x" + TOKEN[:20]):
        assert challenge_of(wanted % challenge, TOKEN=TOKEN) is None
        got, _ = act_at(saying(401, WWW_Authenticate=wanted % challenge), "YANK", TOKEN=TOKEN)
        assert got.fields.get("CHALLENGE") is None and got.number("HTTP_STATUS") == 401
    assert challenge_of(wanted % SIGNED[40:100], TOKEN=SIGNED) is None


def test_challenge_counts_only_once_all_headers_are_there():
    def answer(handler):
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", WANTED)
        for n in range(70):
            handler.send_header("X-%d" % n, "y" * 1000)
        handler.end_headers()
    got = fetch(answer)
    assert got.refusal == "index-invalid" and "CHALLENGE" not in got.fields


def test_challenge_of_an_answer_before_the_last_one_is_not_told():
    first = answer_bytes(103, WWW_Authenticate=WANTED).replace(b"Content-Length: 0\r\n", b"")
    got, _ = act_at(lambda peer: [peer.request(), peer.send(first + answer_bytes(401))], "YANK")
    assert got.number("HTTP_STATUS") == 401 and "CHALLENGE" not in got.fields


def test_challenge_of_a_proxy_is_not_told(certificate):
    """It says one of its own, with its 200 to CONNECT."""
    with serving(reply(401), (certificate.key, certificate.chain)) as server, \
            Relay(server.port) as relay:
        answer = ask_worker("net", {"URL": server.url(), "PROXY": relay.url,
                                    "CA_PEM": certificate.ca.read_bytes()})
    assert answer.refusal == "auth-required" and "CHALLENGE" not in answer.fields


# What a refusal says beside.

@pytest.mark.parametrize("answer, refusal", [
    (dated(404), "index-refused"), (dated(302, Location="https://x.example"), "redirect"),
    (dated(401), "auth-required"), (dated(200, b"{}"), "index-invalid"),
    (dated(200, b" " * 70000), "index-invalid")])
def test_refused_look_tells_the_time(answer, refusal):
    got = fetch(answer)
    assert got.refusal == refusal and got.number("DATE") == THEN
    assert set(got.fields) - {"DETAIL"} == {"REFUSAL", "DATE"}


def test_refusal_tells_nothing_else_that_was_found_before_it():
    """The API is read, and put into the answer, before `auth-required`, which is no boolean."""
    got = fetch(dated(200, json.dumps({**CONFIG, "auth-required": "no"}).encode()))
    assert got.refusal == "index-invalid"
    assert set(got.fields) == {"REFUSAL", "DETAIL", "DATE"}


def test_look_that_nobody_answered_tells_no_time():
    answer = ask_worker("net", {"URL": "https://127.0.0.1:1/config.json"})
    assert answer.refusal == "network" and set(answer.fields) == {"REFUSAL", "DETAIL"}


# The time alone.

def clock(answer, **fields):
    return fetch(answer, "CLOCK", **fields)


@pytest.mark.parametrize("status", [200, 204, 301, 401, 403, 404, 500, 503])
def test_clock_is_read_whatever_the_answer(status):
    body = b"" if status == 204 else b"x" * 100000
    got = clock(dated(status, body, Location="https://x.example/"))
    assert got.refusal == "none"
    assert (got.number("DATE"), got.number("HTTP_STATUS")) == (THEN, status)
    assert set(got.fields) == {"DATE", "HTTP_STATUS"}


@pytest.mark.parametrize("age, later", [("0", 0), ("3600", 3600), ("99999999", 99999999)])
def test_date_of_an_answer_out_of_a_cache_is_as_old_as_it_says(age, later):
    assert clock(dated(200, Age=age)).number("DATE") == THEN + later
    assert fetch(dated(404, Age=age)).number("DATE") == THEN + later


@pytest.mark.parametrize("age", ["", "-1", "1.5", "1 h", "999999999", "0x10"])
def test_date_of_an_age_that_cannot_be_read_is_none(age):
    assert "DATE" not in clock(dated(200, Age=age)).fields


def test_clock_follows_no_redirect():
    with serving(dated(200)) as second:
        assert clock(dated(307, Location=second.url())).number("HTTP_STATUS") == 307
        assert not second.requests


def test_clock_asks_for_the_url_as_it_is_and_shows_nothing():
    with serving(dated(200)) as server:
        url = server.url().replace("/index/config.json", "/api/root")
        assert ask_worker("net", {"URL": url, "ERRAND": ERRAND["CLOCK"]}).refusal == "none"
        (path, headers), = server.requests
    assert path == "/api/root" and sorted(headers) == ["Accept", "Host", "User-Agent"]


def test_clock_never_has_a_token():
    with serving(dated(200)) as server:
        task = {"URL": server.url(), "ERRAND": ERRAND["CLOCK"], "TOKEN": TOKEN}
        assert ask_worker("net", task).refusal == "internal"
        assert not server.requests


@pytest.mark.parametrize("date", ["", "soon", "1700000000", "Sunday, 06-Nov-94 08:49:37 GMT"])
def test_clock_without_a_date_that_can_be_read_tells_none(date):
    got = clock(lambda handler: [
        handler.send_response_only(200), handler.send_header("Date", date),
        handler.send_header("Content-Length", "0"), handler.end_headers()])
    assert got.refusal == "none" and set(got.fields) == {"HTTP_STATUS"}


def test_clock_tells_the_challenge_too():
    got = clock(dated(401, b"x" * 100000, WWW_Authenticate=WANTED))
    assert got.fields["CHALLENGE"] == b"abc-123"


@pytest.mark.parametrize("behave", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\nDate: %s\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 500\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 500\r\n\r\n{",
    b"HTTP/1.1 200 OK\r\nDate: %s\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n"])
def test_clock_needs_the_headers_only(behave):
    got, _ = act_at(lambda peer: [peer.request(), peer.send(behave % DATE.encode())], "CLOCK",
                    TOKEN=None, CRATE=None)
    assert got.refusal == "none" and got.number("DATE") == THEN


def test_clock_waits_for_no_body():
    """It ends at the second byte; the others never come."""
    over = threading.Event()

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{}")
        over.wait(PATIENCE)
    with serving(answer) as server:
        got = ask_worker("net", {"URL": server.url(), "ERRAND": ERRAND["CLOCK"],
                                 "TIMEOUT_MSEC": 3600000})
        over.set()
    assert got.refusal == "none" and abs(got.number("DATE") - time.time()) < 60


def test_clock_without_an_answer_is_refused(certificate):
    with serving(silent) as server:
        server.gate = threading.Event()
        task = {"URL": server.url(), "ERRAND": ERRAND["CLOCK"], "TIMEOUT_MSEC": 300}
        assert ask_worker("net", task).refusal == "network-timeout"
        server.gate.set()
    with serving(dated(200), (certificate.key, certificate.chain)) as server:
        assert clock_at(server.url()).refusal == "tls"
    assert clock_at("http://192.0.2.1/").refusal == "bad-url"
    assert clock_at("http://192.0.2.1").refusal == "plain-http"


def clock_at(url):
    return ask_worker("net", {"URL": url, "ERRAND": ERRAND["CLOCK"]})


# Signed tokens.

@pytest.mark.parametrize("token, refusal", [
    (SIGNED, "none"), (SIGNED[:1100], "none"), (SIGNED + "x" * (2816 - len(SIGNED)), "none"),
    (SIGNED + "x" * (2817 - len(SIGNED)), "bad-token"), ("v4" + SIGNED[2:], "bad-token"),
    (SIGNED[:-1] + "=", "bad-token"), (SIGNED[:-1] + " ", "bad-token"),
    ("Bearer " + SIGNED, "bad-token")])
def test_signed_token_may_be_longer_than_others(token, refusal):
    with serving(reply(200, CONFIG)) as server:
        answer = ask_worker("net", {"URL": server.url(), "TOKEN": token})
        assert answer.refusal == refusal
        sent = [headers["Authorization"] for _, headers in server.requests]
    assert sent == ([token] if refusal == "none" else [])


def test_signed_token_that_comes_back_is_not_told():
    answer = fetch(dated(302, Location="https://x.example/?t=" + SIGNED), TOKEN=SIGNED)
    assert answer.refusal == "redirect" and answer.detail is None
    for value in answer.fields.values():
        assert traces(value, SIGNED) == []


def signed(registry, operation, **more):
    """A token of worker-sign for this registry, made now."""
    fields = sign_task(operation, key=KEY, INDEX_URL=registry.index, ISSUED=int(time.time()), **more)
    answer = ask_worker("sign", fields)
    assert answer.refusal == "none", answer
    return answer.fields["TOKEN"].decode()


def test_challenge_of_a_registry_is_claimed_in_the_next_request(tmp_path, certificate):
    """By what the workers tell each other: a look without, one with, and an act."""
    verifier = Verifier(public(KEY), "", subject="alice", with_challenges=True)
    with Registry(tmp_path / "registry", tls=certificate, auth_required=True,
                  verify=verifier) as registry:
        verifier.url = registry.index
        url, ca = registry.api + "/index/config.json", certificate.ca.read_bytes()
        before = ask_worker("net", {"URL": url, "CA_PEM": ca})
        assert (before.refusal, before.detail) == ("auth-required", registry.login_url)
        assert abs(before.number("DATE") - time.time()) < 60
        token = signed(registry, "read", SUBJECT="alice",
                       CHALLENGE=before.fields["CHALLENGE"].decode())
        look = {"URL": url, "CA_PEM": ca, "TOKEN": token}
        assert ask_worker("net", look).refusal == "none"
        again = ask_worker("net", look)
        assert again.refusal == "token-rejected" and verifier.refused == ["challenge"]
        token = signed(registry, "owners", SUBJECT="alice",
                       CHALLENGE=again.fields["CHALLENGE"].decode())
        got = act("OWNERS_LIST", registry.api, CA_PEM=ca, TOKEN=token)
        assert verifier.refused == ["challenge"] and got.number("HTTP_STATUS") != 401
        assert registry.violations == []
