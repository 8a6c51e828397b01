"""worker-net on an errand that changes something: what it asks, whom, and what came of it."""

import socket
import time

import pytest

from desk import TOKEN
from scan import traces
from wire import Wire, act, act_at, answer_bytes, error, saying, task
from worker_program import PATIENCE, Worker
from web_play import Relay, raw_server

pytestmark = pytest.mark.release  # Only this build has the sandbox, and starts quickly.

TRUSTED = "cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOOd"
PERMISSIONS = "this token does not have the required permissions to perform this action"
READ_ONLY = "crates.io is currently in read-only mode. Please check https://status.crates.io/"
OK = '{"ok":true}'
# All that change something, and how each is told that it was done.
WRITES = {"PUBLISH": "{}", "YANK": OK, "UNYANK": OK, "OWNERS_ADD": OK, "OWNERS_REMOVE": OK,
          "REVOKE": OK}
LOST = "unknown outcome-unknown"


@pytest.fixture(name="ca")
def read_ca(certificate):
    return certificate.ca.read_bytes()


# What is asked.

@pytest.mark.both
@pytest.mark.parametrize("errand, request_line, content_type, body", [
    ("PUBLISH", "PUT /registry/api/v1/crates/new", "application/octet-stream",
     b'\x28\0\0\0{"name":"demo","vers":"1.0.0","deps":[]}\x16\0\0\0\x1f\x8b not much of a crate'),
    ("YANK", "DELETE /registry/api/v1/crates/demo/1.0.0/yank", None, None),
    ("UNYANK", "PUT /registry/api/v1/crates/demo/1.0.0/unyank", None, b""),
    ("OWNERS_ADD", "PUT /registry/api/v1/crates/demo/owners", "application/json",
     b'{"users":["a","github:o:t"]}'),
    ("OWNERS_REMOVE", "DELETE /registry/api/v1/crates/demo/owners", "application/json",
     b'{"users":["a","github:o:t"]}'),
    ("OWNERS_LIST", "GET /registry/api/v1/crates/demo/owners", None, None),
    ("REVOKE", "DELETE /registry/api/v1/tokens/current", None, None),
])
def test_request_is_what_cargo_sends(errand, request_line, content_type, body):
    """Cases 56, 67, 69 and 71, each byte: nothing less, and no header more."""
    users = {"USERS": "a\ngithub:o:t"} if errand.startswith("OWNERS") else {}
    for token in (TOKEN, "Bearer " + TOKEN):
        done = saying(200, WRITES.get(errand, '{"users":[]}'))
        got, wire = act_at(done, errand, TOKEN=token, **users)
        assert got.result == "done"
        head, _, sent = wire.got.partition(b"\r\n\r\n")
        first, *headers = head.decode().split("\r\n")
        assert first == request_line + " HTTP/1.1"
        expected = {"Host: " + wire.host, "Accept: application/json", "Authorization: " + token}
        if content_type:
            expected.add("Content-Type: " + content_type)
        if body is not None:
            expected.add("Content-Length: %d" % len(body))
        agent, = set(headers) - expected
        assert agent.startswith("User-Agent: cpub-agent/") and len(headers) == len(expected) + 1
        assert sent == (body or b"")


def test_version_goes_into_the_path_as_it_is():
    _, wire = act_at(saying(200, OK), "YANK", CRATE="De-mo_1", VERSION="1.0.0-rc.1+b-2")
    assert wire.got.startswith(b"DELETE /registry/api/v1/crates/De-mo_1/1.0.0-rc.1+b-2/yank HTTP")


def test_list_of_owners_is_asked_without_a_token_as_well():
    got, wire = act_at(saying(200, '{"users":[]}'), "OWNERS_LIST", TOKEN=None)
    assert got.result == "done" and b"uthorization" not in wire.got


@pytest.mark.parametrize("errand, fields", [
    *(("YANK", {"VERSION": version}) for version in ("1.0.0/../2.0.0", "1.0.0%2f", "")),
    ("UNYANK", {"CRATE": "a/b"}), ("OWNERS_LIST", {"CRATE": ".."}), ("REVOKE", {"CRATE": "a b"}),
    *(("OWNERS_ADD", {"USERS": users}) for users in ("", "a b", "a\n", "a\n\nb", 'a"')),
])
def test_case_73_name_that_is_none_is_sent_nowhere(errand, fields):
    got, wire = act_at(saying(200, OK), errand, **fields)
    assert got.result == "refused bad-name" and not wire.peers


@pytest.mark.parametrize("errand, missing", [
    ("REVOKE", "TOKEN"), ("YANK", "CRATE"), ("PUBLISH", "VERSION"), ("OWNERS_ADD", "USERS")])
def test_task_that_lacks_something_is_a_mistake_of_ours(errand, missing):
    got, wire = act_at(saying(200, OK), errand, **{missing: None})
    assert got.result == "refused internal" and not wire.peers


def test_case_68_eleven_logins_are_the_registry_s_to_refuse():
    words = "too many invites for this request - maximum 10"
    users = "\n".join("user%d" % n for n in range(11))
    got, wire = act_at(saying(400, error(words)), "OWNERS_ADD", USERS=users)
    assert (got.result, got.detail) == ("refused registry-refused", words)
    assert wire.got.endswith(b'"user9","user10"]}')


# Trusted-publishing tokens.

@pytest.mark.parametrize("errand", ["YANK", "UNYANK", "OWNERS_ADD", "OWNERS_REMOVE"])
@pytest.mark.parametrize("scheme", ["", "beaReR     "], ids=["bare", "scheme"])
def test_case_94_trusted_publishing_token_is_not_sent_for_what_it_cannot_do(errand, scheme):
    got, wire = act_at(saying(200, OK), errand, TOKEN=scheme + TRUSTED)
    assert (got.result, got.hint) == ("refused token-scope", "account-token")
    assert not wire.peers


@pytest.mark.parametrize("scheme", ["", "Bearer "], ids=["bare", "scheme"])
def test_case_95_trusted_publishing_token_is_revoked_where_it_was_given_out(scheme):
    got, wire = act_at(saying(204), "REVOKE", TOKEN=scheme + TRUSTED)
    assert got.result == "done"
    assert wire.got.startswith(b"DELETE /registry/api/v1/trusted_publishing/tokens HTTP/1.1\r\n")


# What the answer means.

@pytest.mark.parametrize("errand", ["PUBLISH", "OWNERS_ADD"])
def test_answer_of_each_kind_is_told_apart(errand):
    """Cases 57, 58, 60, 61, 62, 64 and 66, over the wire; the tables are unit tests."""
    done, ask = WRITES[errand], lambda *how, **more: act_at(saying(*how, **more), errand)[0]
    assert ask(200, done).result == "done"
    said = ask(200, error("max upload size is 123"))
    assert (said.result, said.detail) == ("refused registry-refused", "max upload size is 123")
    assert ask(200, '{"ok":false}').result == "refused registry-refused"
    away = ask(400, b"go away")
    assert (away.result, away.detail) == ("refused registry-refused", "HTTP 400: go away")
    assert away.number("HTTP_STATUS") == 400
    assert ask(403, error("authentication failed")).result == "refused token-unknown"
    scope = ask(403, error(PERMISSIONS))
    assert (scope.result, scope.hint) == ("refused token-scope", "scope")
    assert ask(503, error(READ_ONLY)).result == "refused registry-unavailable"
    for status in (500, 503, 408):
        assert ask(status, b"").result == LOST
    for status, body in ((200, b"<html>log in</html>"), (202, '{"status":"queued"}'), (202, done),
                         (201, '{"error":"quota"}'), (200, '{"ok":"false"}'), (303, b"")):
        assert ask(status, body).result == "unknown answer-invalid"


def test_case_59_warnings_are_shown():
    got, _ = act_at(saying(200, '{"warnings":{"other":["x"]}}'), "PUBLISH")
    assert (got.result, got.text("WARNINGS")) == ("done", "x")


@pytest.mark.parametrize("retry_after", ["Fri, 18 Jul 2036 20:00:34 GMT", "3600", "soon"])
def test_case_63_time_of_the_next_try_is_told(retry_after):
    before = int(time.time())
    got, _ = act_at(saying(429, error("slow down"), Retry_After=retry_after), "PUBLISH")
    assert (got.result, got.detail) == ("refused rate-limited", "slow down")
    if retry_after == "3600":
        assert before + 3600 <= got.number("RETRY_AFTER") <= int(time.time()) + 3600
    else:  # Years ahead, and no time at all.
        assert got.number("RETRY_AFTER") is None


def test_clock_of_the_registry_is_told():
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    for status in (200, 403, 500):
        assert act_at(saying(status, OK, Date=date), "YANK")[0].number("DATE") == 784111777
    assert act_at(saying(200, OK, Date="now"), "YANK")[0].number("DATE") is None


def test_case_67_message_is_shown():
    got, _ = act_at(saying(200, '{"ok":true,"msg":"user u has been invited"}'), "OWNERS_ADD")
    assert (got.result, got.text("MESSAGE")) == ("done", "user u has been invited")


def test_owners_are_listed():
    users = ('{"users":[{"login":"a","kind":"user","name":"\\u00c4 B\\u0007"},{"kind":"user"},'
             '{"login":"github:o:t","kind":"team","name":null},{"login":"b","kind":"x"},7]}')
    got, _ = act_at(saying(200, users), "OWNERS_LIST")
    assert got.result == "done" and got.text("WARNINGS") == "2 more cannot be shown"
    assert got.number("TOTAL") == 5
    assert got.finds() == [
        {"LOGIN": b"a", "OWNER_KIND": b"user", "NAME": b"?? B?"},
        {"LOGIN": b"github:o:t", "OWNER_KIND": b"team"}, {"LOGIN": b"b"}]


def test_list_of_owners_has_an_end():
    for n, warning in ((150, "50 more cannot be shown"), (100, None), (0, None)):
        users = '{"users":[%s]}' % ",".join('{"login":"u%d"}' % i for i in range(n))
        got, _ = act_at(saying(200, users), "OWNERS_LIST")
        assert len(got.finds()) == min(n, 100) and got.number("TOTAL") == n
        assert got.text("WARNINGS") == warning


def test_login_that_is_too_long_is_nobodys():
    """Cut, it could be another's."""
    users = '{"users":[{"login":"%s"},{"login":"%s"}]}' % ("a" * 128, "b" * 129)
    got, _ = act_at(saying(200, users), "OWNERS_LIST")
    assert got.finds() == [{"LOGIN": b"a" * 128}] and got.number("TOTAL") == 2
    assert got.text("WARNINGS") == "1 more cannot be shown"


@pytest.mark.parametrize("status, with_token, result", [
    (401, False, "refused auth-required"), (403, False, "refused auth-required"),
    (401, True, "refused token-unknown"), (403, True, "refused registry-refused"),
    (404, False, "refused registry-refused"), (500, False, "refused registry-unavailable")])
def test_owners_that_are_not_listed(status, with_token, result):
    fields = {} if with_token else {"TOKEN": None}
    assert act_at(saying(status), "OWNERS_LIST", **fields)[0].result == result


@pytest.mark.parametrize("status, body, result", [
    (204, "", "done"), (200, OK, "done"), (200, "", "unknown answer-invalid"),
    (200, "{}", "unknown answer-invalid"), (200, '{"error":"no"}', "unknown answer-invalid"),
    (403, error("authentication failed"), "refused registry-refused"),  # As it is not crates.io.
    (403, error(PERMISSIONS), "refused token-scope"), (403, "", "refused registry-refused"),
    (401, "", "refused registry-refused"), (404, "", "refused registry-refused"),
    (405, "", "refused registry-refused"),
    (403, "authentication failed", "refused registry-refused"),
    (401, error("authentication failed"), "refused registry-refused"), (502, "", LOST)])
def test_cases_87_to_89_revoked_only_if_the_registry_said_so(status, body, result):
    assert act_at(saying(status, body), "REVOKE")[0].result == result


def test_case_90_nothing_is_revoked_where_nobody_answers():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = "https://127.0.0.1:%d" % taken.getsockname()[1]
        for errand in [*WRITES, "OWNERS_LIST"]:
            assert act(errand, url).result == "refused network"


@pytest.mark.parametrize("errand, status, body, result", [
    ("PUBLISH", 200, error("no " + TOKEN), "refused registry-refused"),
    ("PUBLISH", 400, TOKEN, "refused registry-refused"),
    ("PUBLISH", 200, '{"warnings":{"other":["%s"]}}' % TOKEN, "done"),
    ("PUBLISH", 200, TOKEN, "unknown answer-invalid"),
    ("OWNERS_ADD", 200, '{"ok":true,"msg":"%s"}' % TOKEN, "done"),
    ("OWNERS_LIST", 200, '{"users":[{"login":"%s"},{"login":"a","name":"%s"}]}' % (TOKEN, TOKEN),
     "done")], ids=["error", "body", "warning", "nonsense", "message", "owner"])
def test_answer_that_repeats_the_token_is_told_without_it(errand, status, body, result):
    """act looks for it in every field. What came of it is told all the same."""
    got, _ = act_at(saying(status, body), errand)
    assert got.result == result
    assert got.detail in (None, "HTTP %d" % status) and not got.text("MESSAGE")
    assert errand != "OWNERS_LIST" or got.finds() == [{"LOGIN": b"a"}]


# What is lost.

def closing(peer):
    peer.request()


def resetting(peer):
    peer.request()
    peer.reset()


def cut(peer):
    peer.request()
    peer.send(answer_bytes(200, '{"ok":true', Content_Length=100))


def raw(data):
    def behave(peer):
        peer.request()
        peer.send(data)
    return behave


def endless_interim(peer):
    peer.request()
    while True:
        peer.send(b"HTTP/1.1 102 Processing\r\nX: %s\r\n\r\n" % (b"y" * 1000))


def endless_body(peer):
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        peer.send(b" " * 65536)


@pytest.mark.parametrize("errand", ["REVOKE"])
@pytest.mark.parametrize("behave", [
    closing, resetting, cut, endless_interim, endless_body,
    raw(b"garbage\r\n\r\n"), raw(b"HTTP/1.1 200 OK\r\nContent-Le"), raw(b"HTTP/1.1 403 no\r\n"),
    raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n{}"),
    raw(b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"y" * 1000) * 70 + b"\r\n"),
    raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + OK.encode()),
], ids=["closes", "resets", "cut", "1xx", "endless", "garbage", "half-head", "status-only", "5gb",
        "headers", "upgrade"])
def test_answer_that_is_lost_leaves_the_outcome_unknown(errand, behave):
    got, wire = act_at(behave, errand)
    assert got.result == LOST
    assert len(wire.peers) == 1  # It was not asked again.


def test_tls_that_is_cut_is_no_end_of_an_answer(certificate, ca):
    """Whoever sits in between can end it early, and an empty answer is a success of a publish."""
    close = b"Connection: close\r\n\r\n"
    wholes = {"PUBLISH": (b"Content-Length: 0\r\n\r\n", close + b"{}",
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              "REVOKE": (close + OK.encode(),)}
    for errand in wholes:
        got, _ = act_at(raw(b"HTTP/1.1 200 OK\r\n\r\n"), errand, certificate, CA_PEM=ca)
        assert got.result == LOST
        for whole in wholes[errand]:
            got, _ = act_at(raw(b"HTTP/1.1 200 OK\r\n" + whole), errand, certificate, CA_PEM=ca)
            assert got.result == "done"


@pytest.mark.parametrize("status, result", [(403, "refused registry-refused"), (503, LOST)])
def test_status_stands_where_the_body_is_cut_or_too_long(status, result):
    assert act_at(raw(answer_bytes(status, "no", Content_Length=100)), "YANK")[0].result == result
    long = act_at(saying(status, b"x" * ((1 << 20) + 1)), "YANK")[0]
    assert long.result == result


def test_interim_answers_are_passed_over():
    early = b"HTTP/1.1 103 Early Hints\r\nLocation: https://x.example\r\nRetry-After: 5\r\n\r\n"
    got, _ = act_at(raw(early * 3 + answer_bytes(429)), "YANK")
    assert got.result == "refused rate-limited" and got.number("RETRY_AFTER") is None
    assert act_at(raw(early + answer_bytes(200, OK)), "YANK")[0].result == "done"


def trickle(peer):
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    while not peer.wire.over.wait(0.02):
        peer.send(b"X: y\r\n")


@pytest.mark.parametrize("behave, fields", [
    (lambda peer: peer.hold(), {"IDLE_MSEC": 100}), (lambda peer: peer.hold(), {}),
    (trickle, {})], ids=["idle", "stall", "trickle"])
def test_server_that_never_ends_leaves_the_outcome_unknown(behave, fields):
    msec = {} if fields else {"TIMEOUT_MSEC": 400}
    assert act_at(behave, "YANK", **fields, **msec)[0].result == LOST
    # Of a list nothing is unknown.
    assert act_at(behave, "OWNERS_LIST", **fields, **msec)[0].result == "refused network-timeout"


# Whom.

@pytest.mark.both
@pytest.mark.parametrize("errand", [*WRITES, "OWNERS_LIST"])
def test_case_65_second_listener_gets_not_one_byte(certificate, ca, errand):
    """A redirect to another host, to another path and to plain http."""
    with Wire(saying(200, OK), certificate) as other, Wire(saying(200, OK)) as plain, \
            Wire(None, certificate) as wire:
        for status, target in ((302, other.url), (307, wire.url + "/x"), (308, plain.url)):
            wire.behave = saying(status, Location=target)
            got = act(errand, wire.url, CA_PEM=ca)
            assert (got.result, got.detail) == ("refused redirect", target)
        assert len(wire.peers) == 3
        assert not other.peers and not plain.peers


@pytest.mark.parametrize("errand", ["PUBLISH", "REVOKE"])
def test_request_that_cannot_have_left_is_surely_not_done(certificate, ca, errand):
    with Wire(saying(200, OK), certificate) as wire, Wire(saying(200, OK)) as plain:
        # Nobody vouches for it, or nobody at all.
        assert act(errand, wire.url).result == "refused tls"
        assert act(errand, wire.url.replace("127.0.0.1", "localhost"), CA_PEM=ca[:0]).result \
            == "refused tls"
        # A proxy that opens no tunnel, and one that would see all.
        listener, thread = raw_server(b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n")
        with listener:
            proxy = "http://127.0.0.1:%d" % listener.getsockname()[1]
            assert act(errand, wire.url, CA_PEM=ca, PROXY=proxy).result == "refused network"
        thread.join(PATIENCE)
        assert act(errand, plain.url, PROXY=wire.url).result == "refused plain-http"
        assert traces(wire.got + plain.got, TOKEN) == []
    for url in ("http://192.0.2.1/x", "http://registry.example/x"):
        assert act(errand, url).result == "refused plain-http"
    for url in ("https://127.0.0.1/x/", "https://u@127.0.0.1/x", "file:///x"):
        assert act(errand, url).result == "refused bad-url"
    with Wire(lambda peer: peer.receive() and peer.send(answer_bytes(200, OK))) as wire:
        assert act(errand, wire.url.replace("http:", "https:")).result == "refused tls"
        assert traces(wire.got, TOKEN) == []
    # A handshake that never ends.
    with Wire(lambda peer: peer.hold()) as wire:
        assert act(errand, wire.url.replace("http:", "https:"), TIMEOUT_MSEC=300).result \
            == "refused network-timeout"


def test_act_goes_through_a_proxy_that_sees_a_tunnel(certificate, ca):
    with Wire(saying(200, OK), certificate) as wire, Relay(wire.port) as relay:
        assert act("YANK", wire.url, CA_PEM=ca, PROXY=relay.url).result == "done"
        assert TOKEN.encode() in wire.got
    assert traces(relay.asked, TOKEN) == []


def test_act_runs_in_the_sandbox():
    with Wire(lambda peer: peer.request() and peer.hold()) as wire, Worker("net") as worker:
        worker.start(task("YANK", wire.url, TIMEOUT_MSEC=60000))
        end = time.monotonic() + PATIENCE
        while not wire.got and time.monotonic() < end:
            time.sleep(0.005)
        assert worker.proc_status()["Seccomp"] == "2"
