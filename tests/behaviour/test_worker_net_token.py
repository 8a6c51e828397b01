"""worker-net with a token: who gets it, who does not, and that it comes back to nobody."""

import socket
import threading

import pytest

from desk import TOKEN
from scan import traces
from web_play import Relay, dripping, raw_server, reply, serving, silent
from worker_program import ERRAND, PATIENCE, ask_worker

pytestmark = pytest.mark.both  # Only the release build has the sandboxes.

CONFIG = {"dl": "https://dl.example/crates", "api": "https://api.example"}
REDIRECTS = [301, 302, 303, 307, 308]


@pytest.fixture(name="tls")
def make_tls(certificate):
    """What a web server needs to be trusted by whoever trusts the registry."""
    return certificate.key, certificate.chain


@pytest.fixture(name="ca")
def read_ca(certificate):
    return certificate.ca.read_bytes()


def ask(errand, url, token=TOKEN, **fields):
    """One errand with a token. Nothing that the worker says may hold it, whatever was asked."""
    if errand == "CRATE":
        fields.setdefault("CRATE", "demo")
    answer = ask_worker("net", {"URL": url, "ERRAND": ERRAND[errand], "TOKEN": token, **fields})
    for value in answer.fields.values():
        assert traces(value, TOKEN) == []
    return answer


def authorization_of(server):
    (_, headers), = server.requests
    return headers.get_all("Authorization")


# Who gets it.

def test_token_opens_the_config_of_a_registry_that_wants_one(registry, ca):
    registry.announce(auth_required=True)
    url = registry.api + "/index/config.json"
    without = ask_worker("net", {"URL": url, "CA_PEM": ca})
    assert (without.refusal, without.detail) == ("auth-required", registry.login_url)
    answer = ask("CONFIG", url, CA_PEM=ca)
    assert answer.refusal == "none"
    assert answer.fields["API"].decode() == registry.api
    assert answer.fields["DL"].decode() == registry.settings.dl
    assert answer.number("AUTH_REQUIRED") == 1
    before, after = registry.requests()
    assert before["token"] is None and after["token"] is not None
    assert registry.violations == []


def test_token_that_the_registry_does_not_know_is_rejected(registry, ca):
    registry.announce(auth_required=True)
    answer = ask("CONFIG", registry.api + "/index/config.json", token=TOKEN + "x", CA_PEM=ca)
    assert (answer.refusal, answer.detail) == ("token-rejected", "HTTP 401")


@pytest.mark.parametrize("errand", ["CONFIG", "CRATE"])
@pytest.mark.parametrize("status, with_token, without", [
    (401, "token-rejected", "auth-required"), (403, "token-rejected", "index-refused"),
    (400, "index-refused", "index-refused"), (500, "index-refused", "index-refused")])
def test_status_of_an_index_is_told_apart_by_the_token(errand, status, with_token, without):
    with serving(reply(status, b"no")) as server:
        answer = ask(errand, server.url())
        assert (answer.refusal, answer.detail) == (with_token, "HTTP %d" % status)
        fields = {"CRATE": "demo"} if errand == "CRATE" else {}
        answer = ask_worker("net", {"URL": server.url(), "ERRAND": ERRAND[errand], **fields})
        assert answer.refusal == without


@pytest.mark.parametrize("errand", ["CONFIG", "PROBE", "CRATE"])
@pytest.mark.parametrize("token", [
    TOKEN, "Bearer " + TOKEN, "bEARER  " + TOKEN, "Basic dTpw", "x", "Token a=\"b, c\"; d: \\e",
    "z" * 1024], ids=["bare", "bearer", "spaces", "basic", "one-byte", "odd", "longest"])
def test_token_is_sent_as_it_is(errand, token):
    """Case 71: a `Bearer ` is kept, not doubled, and none is added."""
    with serving(reply(404)) as server:
        ask(errand, server.url(), token=token)
        assert authorization_of(server) == [token]


@pytest.mark.parametrize("token", [
    "a\r\nX-Injected: 1", "a\nb", "a\0b", "a\tb", "a\x7f", "t\u00f6ken", "z" * 1025],
    ids=["crlf", "lf", "nul", "tab", "del", "utf-8", "long"])
def test_token_that_is_no_header_is_sent_nowhere(token):
    with serving(reply(200, CONFIG)) as server:
        assert ask("CONFIG", server.url(), token=token).refusal == "bad-token"
        assert not server.requests


def test_empty_token_is_no_token_to_go_on_with():
    with serving(reply(200, CONFIG)) as server:
        assert ask("CONFIG", server.url(), token="").refusal == "internal"
        assert not server.requests


def test_no_token_no_header():
    with serving(reply(200, CONFIG)) as server:
        assert ask_worker("net", {"URL": server.url()}).refusal == "none"
        assert authorization_of(server) is None


def test_unknown_errand_is_not_run():
    with serving(reply(200, CONFIG)) as server:
        answer = ask_worker("net", {"URL": server.url(), "ERRAND": ERRAND["_MAX"]})
        assert answer.refusal == "internal"
        assert not server.requests


# Who does not.

@pytest.mark.parametrize("errand", ["CONFIG", "PROBE", "CRATE"])
@pytest.mark.parametrize("status", REDIRECTS)
def test_token_follows_no_redirect(tls, ca, errand, status):
    """Case 65: to another host, or to another path of the same one."""
    with serving(reply(200, CONFIG), tls) as other, serving(None, tls) as server:
        for target in (other.url("localhost"), server.url() + "/x", "http://localhost/x"):
            server.requests.clear()
            server.answer = reply(status, Location=target)
            answer = ask(errand, server.url(), CA_PEM=ca)
            assert (answer.refusal, answer.detail) == ("redirect", target)
            assert authorization_of(server) == [TOKEN]
        assert not other.requests


@pytest.mark.parametrize("errand", ["CONFIG", "PROBE", "CRATE"])
@pytest.mark.parametrize("url", [
    "http://192.0.2.1/index", "http://registry.example/index", "http://localhost.example/x"])
def test_token_never_goes_over_plain_http_to_other_machines(errand, url):
    assert ask(errand, url, TIMEOUT_MSEC=2000).refusal == "plain-http"


def test_token_goes_through_no_proxy_in_the_clear():
    with serving(reply(200, CONFIG)) as proxy, serving(reply(200, CONFIG)) as server:
        proxy_url = "http://127.0.0.1:%d" % proxy.port
        assert ask("CONFIG", server.url(), PROXY=proxy_url).refusal == "plain-http"
        assert not proxy.requests and not server.requests
        # An empty text is no proxy, and what holds no token may go there as ever.
        assert ask("CONFIG", server.url(), PROXY="").refusal == "none"
        ask_worker("net", {"URL": server.url(), "PROXY": proxy_url})
        assert len(proxy.requests) == 1


def test_token_goes_past_a_proxy_that_sees_a_tunnel(tls, ca):
    with serving(reply(200, CONFIG), tls) as server, Relay(server.port) as relay:
        answer = ask("CONFIG", server.url(), CA_PEM=ca, PROXY=relay.url)
        assert answer.refusal == "none"
        assert authorization_of(server) == [TOKEN]
    assert relay.asked.startswith(b"CONNECT 127.0.0.1:")
    assert b"uthorization" not in relay.asked and traces(relay.asked, TOKEN) == []


def test_token_is_not_for_a_proxy_that_asks_for_one(tls, ca):
    listener, thread = raw_server(
        b"HTTP/1.1 407 who\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
    with listener, serving(reply(200, CONFIG), tls) as server:
        answer = ask("CONFIG", server.url(), CA_PEM=ca,
                     PROXY="http://127.0.0.1:%d" % listener.getsockname()[1])
        assert not server.requests
    thread.join(PATIENCE)
    assert answer.refusal == "network"


def test_token_is_not_sent_where_the_certificate_is_not_trusted(tls):
    with serving(reply(200, CONFIG), tls) as server:
        assert ask("CONFIG", server.url()).refusal == "tls"
        assert not server.requests


def test_token_is_not_sent_in_the_clear_where_tls_was_meant():
    received = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            received.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        answer = ask("CONFIG", "https://127.0.0.1:%d/x" % listener.getsockname()[1])
        thread.join(PATIENCE)
    assert answer.refusal == "tls"
    assert traces(received[0], TOKEN) == []


# Nothing of it comes back.

@pytest.mark.parametrize("errand", ["CONFIG", "PROBE", "CRATE"])
@pytest.mark.parametrize("path", [
    "?t=%s", "%s", "x" * 150 + "%s", "x" * 170 + "%s"], ids=["query", "path", "cut", "cut-short"])
def test_redirect_that_repeats_the_token_is_told_without_it(errand, path):
    """Also where cutting would have left only the first half of it, or a few bytes."""
    with serving(reply(302, Location="https://x.example/" + path % TOKEN)) as server:
        answer = ask(errand, server.url())
    assert (answer.refusal, answer.detail) == ("redirect", None)


@pytest.mark.parametrize("errand, body", [
    ("CONFIG", '{"api":"https://%s.example"}' % TOKEN.lower()),
    ("CONFIG", '{"api":"https://api.example/%s"}' % TOKEN),
    ("CONFIG", '{"api":"https://api.example","dl":"https://x.example/%s"}' % TOKEN),
    ("CRATE", '{"name":"demo","vers":"1.0.0+%s"}' % TOKEN),
    ("CRATE", '{"name":"demo","vers":"1.0.0-\\u0063%s"}' % TOKEN[1:]),
], ids=["host", "path", "dl", "version", "escaped"])
def test_answer_that_repeats_the_token_is_not_taken(errand, body):
    with serving(reply(200, body.encode())) as server:
        token = TOKEN.lower() if TOKEN.lower() in body else TOKEN
        answer = ask(errand, server.url(), token=token)
    assert (answer.refusal, answer.detail) == ("index-invalid", "the answer repeats the token")


def test_short_token_is_not_looked_for_in_answers():
    with serving(reply(200, CONFIG)) as server:
        assert ask("CONFIG", server.url(), token="api").refusal == "none"


def garbage(handler):
    handler.wfile.write(b"%s garbage\r\n\r\n" % TOKEN.encode())
    handler.close_connection = True


def closing(handler):
    handler.close_connection = True


@pytest.mark.parametrize("errand", ["CONFIG", "PROBE", "CRATE"])
@pytest.mark.parametrize("behaviour, msec, refusal", [
    (silent, 400, "network-timeout"), (dripping, 400, "network-timeout"),
    (garbage, 60000, "network"), (closing, 60000, "network")])
def test_failure_on_the_way_is_told_without_the_token(errand, behaviour, msec, refusal):
    with serving(behaviour) as server:
        server.gate = threading.Event()
        answer = ask(errand, server.url(), TIMEOUT_MSEC=msec)
        server.gate.set()
    assert answer.refusal == refusal
    assert answer.detail


def test_nobody_there_is_told_for_each_errand():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = "https://127.0.0.1:%d/x" % taken.getsockname()[1]
        for errand in ("CONFIG", "PROBE", "CRATE"):
            assert ask(errand, url).refusal == "network"
