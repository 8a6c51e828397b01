"""worker-net against servers on loopback that answer well, badly, slowly or not at all."""

import json
import os
import socket
import subprocess
import threading

import pytest

from web_play import Relay, dripping, endless, raw_server, reply, serving, silent
from worker_program import PATIENCE, Worker, ask_worker

pytestmark = pytest.mark.both  # Only the release build has the sandboxes.

CONFIG = {"dl": "https://dl.example/crates/{crate}/{version}", "api": "https://api.example"}


@pytest.fixture(name="certificate", scope="session")
def make_certificate(tmp_path_factory):
    """Paths of a key and of a certificate that signs itself, for loopback."""
    return certificate_for(tmp_path_factory.mktemp("ca"), "IP:127.0.0.1,DNS:localhost")


def certificate_for(directory, names):
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=test",
         "-addext", "subjectAltName=" + names],
        check=True, capture_output=True)
    return key, certificate


def fetch(answer, **fields):
    """What the worker makes of one answer over plain http on loopback."""
    with serving(answer) as server:
        return ask_worker("net", {"URL": server.url(), **fields})


def pem(certificate):
    return certificate[1].read_bytes()


# What config.json says.

def test_net_reads_config_over_tls(certificate):
    with serving(reply(200, CONFIG), certificate) as server:
        answer = ask_worker("net", {"URL": server.url(), "CA_PEM": pem(certificate)})
    assert answer.refusal == "none"
    assert answer.fields["API"] == b"https://api.example"
    assert answer.fields["DL"] == b"https://dl.example/crates/{crate}/{version}"
    assert answer.number("AUTH_REQUIRED") == 0
    assert answer.number("HTTP_STATUS") == 200


def test_net_looks_names_up(certificate):
    with serving(reply(200, CONFIG), certificate) as server:
        answer = ask_worker(
            "net", {"URL": server.url("localhost"), "CA_PEM": pem(certificate)})
    assert answer.refusal == "none"


def test_net_asks_for_one_document_and_says_who_it_is():
    with serving(reply(200, CONFIG)) as server:
        assert ask_worker("net", {"URL": server.url()}).refusal == "none"
        (path, headers), = server.requests
    assert path == "/index/config.json"
    assert headers["User-Agent"].startswith("cpub-agent/")
    assert headers["Accept"] == "application/json"
    assert sorted(headers) == ["Accept", "Host", "User-Agent"]


def test_net_gives_urls_in_canonical_form():
    answer = fetch(reply(200, {"api": "https://api.example/", "dl": "https://dl.example/x/"}))
    assert answer.fields["API"] == b"https://api.example"
    assert answer.fields["DL"] == b"https://dl.example/x"


def test_net_tells_that_reads_need_a_token():
    answer = fetch(reply(200, {**CONFIG, "auth-required": True}))
    assert answer.number("AUTH_REQUIRED") == 1


def test_net_passes_over_members_that_it_does_not_know():
    config = {**CONFIG, "auth-required": False, "api-version": {"a": [1, None]}, "": 1.5e3}
    assert fetch(reply(200, config)).refusal == "none"


def test_net_does_without_a_download_url():
    answer = fetch(reply(200, {"api": "https://api.example"}))
    assert answer.refusal == "none"
    assert "DL" not in answer.fields


@pytest.mark.parametrize("body", [
    b"", b"<html>not found</html>", b"[]", b"null", b'"x"', b"{}", b'{"api":"https://a.example"',
    b'{"api":"https://a.example"} {}', b'{"api":"https://a.example","api":"https://b.example"}',
    b'{"api":null}', b'{"api":1}', b'{"api":""}', b'{"api":"ftp://a.example"}',
    b'{"api":"https://u:p@a.example"}', b'{"api":"a.example"}',
    b'{"api":"https://a.example\\u0000.b.example"}', b'{"api":"https://a.example","dl":1}',
    b'{"api":"https://a.example","dl":"//x"}',
    b'{"api":"https://a.example","auth-required":"no"}',
    b'{"api":"https://a.example","auth-required":null}', b'\xff{"api":"https://a.example"}',
])
def test_net_refuses_a_config_that_names_no_usable_api(body):
    answer = fetch(reply(200, body))
    assert answer.refusal == "index-invalid"
    assert answer.detail
    assert set(answer.fields) == {"REFUSAL", "DETAIL", "DATE"}


# Answers that are no config.json.

@pytest.mark.parametrize("challenge, detail", [
    ('Cargo login_url="https://x.example/me"', "https://x.example/me"),
    ('Basic realm="r", cARGO LOGIN_URL="https://x.example/me"', "https://x.example/me"),
    ("Basic realm=x", None),
    ('Cargo login_url="https://x.example/\x7f"', None),
    ('Cargo login_url="https://x.example/\u00e4"', None),
    ('Cargo login_url="https://x.example/%s"' % ("x" * 2000), None),
    (None, None),
], ids=["cargo", "case", "basic", "control", "latin", "long", "absent"])
def test_net_tells_where_to_get_a_token(challenge, detail):
    headers = {"WWW_Authenticate": challenge} if challenge else {}
    answer = fetch(reply(401, b"who are you", **headers))
    assert answer.refusal == "auth-required"
    assert answer.detail == detail


def test_net_reads_the_challenge_among_several_headers():
    def answer(handler):
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="r"')
        handler.send_header("www-authenticate", 'Cargo login_url="https://x.example/me"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    assert fetch(answer).detail == "https://x.example/me"


@pytest.mark.parametrize("status", [201, 204, 400, 403, 404, 410, 500, 503])
def test_net_tells_the_status_of_a_refusal(status):
    answer = fetch(reply(status))
    assert answer.refusal == "index-refused"
    assert answer.detail == "HTTP %d" % status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_net_follows_no_redirect(status):
    with serving(reply(200, CONFIG)) as second:
        answer = fetch(reply(status, Location=second.url()))
        assert not second.requests
        assert answer.refusal == "redirect"
        assert answer.detail == second.url()


def test_net_cleans_the_target_of_a_redirect():
    answer = fetch(reply(302, Location="https://x/\x1b[31m\u00e4" + "x" * 1000))
    assert answer.refusal == "redirect"
    assert answer.detail.startswith("https://x/?[31m?")
    assert len(answer.detail) == 200


def test_net_tells_a_redirect_without_a_target():
    answer = fetch(reply(304))
    assert answer.refusal == "redirect"
    assert answer.detail == "HTTP 304"


def padded(size):
    body = json.dumps(CONFIG).encode()
    return body + b" " * (size - len(body))


def test_net_takes_the_largest_config():
    assert fetch(reply(200, padded(64 * 1024))).refusal == "none"


@pytest.mark.parametrize("answer", [
    reply(200, padded(64 * 1024 + 1)), reply(200, Content_Length=str(1 << 40)), endless,
    reply(404, padded(1 << 20)),
    lambda handler: [handler.send_response(200)] + [
        handler.send_header("X-%d" % n, "y" * 1000) for n in range(70)] + [handler.end_headers()],
], ids=["one-more", "announced", "endless", "error-page", "headers"])
def test_net_refuses_a_huge_answer(answer):
    answer = fetch(answer)
    assert answer.refusal == "index-invalid"
    assert "64 KiB" in answer.detail


# The way there.

@pytest.mark.parametrize("answer", [silent, dripping])
def test_net_gives_up_on_a_slow_server(answer):
    with serving(answer) as server:
        server.gate = threading.Event()
        got = ask_worker("net", {"URL": server.url(), "TIMEOUT_MSEC": 400})
        server.gate.set()
    assert got.refusal == "network-timeout"


def test_net_tells_that_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = "https://127.0.0.1:%d/config.json" % taken.getsockname()[1]
        answer = ask_worker("net", {"URL": url})
    assert answer.refusal == "network"
    assert answer.detail


@pytest.mark.parametrize("bytes_sent", [
    b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
], ids=["closes", "garbage", "cut", "malformed"])
def test_net_tells_a_server_that_talks_nonsense(bytes_sent):
    listener, thread = raw_server(bytes_sent)
    with listener:
        answer = ask_worker("net", {
            "URL": "http://127.0.0.1:%d/config.json" % listener.getsockname()[1]})
    thread.join(PATIENCE)
    assert answer.refusal == "network"
    assert answer.detail


def test_net_trusts_no_unknown_certificate(certificate):
    with serving(reply(200, CONFIG), certificate) as server:
        answer = ask_worker("net", {"URL": server.url()})
        assert not server.requests
    assert answer.refusal == "tls"
    assert answer.detail


def test_net_trusts_no_certificate_of_another_ca(certificate, tmp_path):
    other = certificate_for(tmp_path, "IP:127.0.0.1")
    with serving(reply(200, CONFIG), certificate) as server:
        answer = ask_worker("net", {"URL": server.url(), "CA_PEM": pem(other)})
        assert not server.requests
    assert answer.refusal == "tls"


def test_net_trusts_no_certificate_of_another_host(tmp_path):
    other = certificate_for(tmp_path, "DNS:other.example")
    with serving(reply(200, CONFIG), other) as server:
        answer = ask_worker("net", {"URL": server.url(), "CA_PEM": pem(other)})
        assert not server.requests
    assert answer.refusal == "tls"


@pytest.mark.parametrize("ca", [b"", b"garbage"])
def test_net_trusts_nothing_by_a_malformed_ca(certificate, ca):
    with serving(reply(200, CONFIG), certificate) as server:
        answer = ask_worker("net", {"URL": server.url(), "CA_PEM": ca})
    assert answer.refusal == "tls"


def test_net_does_not_fall_back_to_plain_http():
    with serving(reply(200, CONFIG)) as server:
        answer = ask_worker("net", {"URL": server.url().replace("http:", "https:")})
        assert not server.requests
    assert answer.refusal == "tls"


@pytest.mark.parametrize("url", [
    "http://192.0.2.1/config.json", "http://registry.example/config.json",
    "http://localhost.example/config.json", "http://127.0.0.1.example/config.json"])
def test_net_sends_no_plain_http_to_other_machines(url):
    assert ask_worker("net", {"URL": url}).refusal == "plain-http"


@pytest.mark.parametrize("url", [
    "", "config.json", "file:///etc/passwd", "ftp://127.0.0.1/x", "HTTPS://127.0.0.1/x",
    "https://user:pw@127.0.0.1/x", "https://127.0.0.1/x/../y", "https://127.0.0.1/x y",
    "https://127.0.0.1/x#y", "https:///x", "https://127.0.0.1:443/x", " https://127.0.0.1/x",
    "https://127.0.0.1/x/"])
def test_net_takes_only_canonical_urls(url):
    assert ask_worker("net", {"URL": url}).refusal == "bad-url"


@pytest.mark.parametrize("variable", [
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_net_looks_at_no_proxy_of_the_environment(certificate, variable):
    with serving(reply(502)) as proxy, serving(reply(200, CONFIG), certificate) as server, \
            serving(reply(200, CONFIG)) as plain:
        env = {variable: "http://127.0.0.1:%d" % proxy.port}
        answer = ask_worker(
            "net", {"URL": server.url(), "CA_PEM": pem(certificate)}, env=env)
        assert answer.refusal == "none"
        assert ask_worker("net", {"URL": plain.url()}, env=env).refusal == "none"
        assert not proxy.requests


def test_net_looks_at_no_other_variable_either(certificate, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    env = {"HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc"),
           "CURL_HOME": str(tmp_path), "CURL_CA_BUNDLE": str(certificate[1]),
           "SSL_CERT_FILE": str(certificate[1]), "SSL_CERT_DIR": str(certificate[1].parent)}
    with serving(reply(200, CONFIG)) as server:
        assert ask_worker("net", {"URL": server.url()}, env=env).refusal == "none"
        assert "Authorization" not in server.requests[0][1]
    with serving(reply(200, CONFIG), certificate) as server:
        assert ask_worker("net", {"URL": server.url()}, env=env).refusal == "tls"


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_net_goes_through_the_proxy_of_the_task(certificate, variable):
    listener, thread = raw_server(b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n")
    with listener, serving(reply(200, CONFIG), certificate) as server:
        proxy = "http://127.0.0.1:%d" % listener.getsockname()[1]
        answer = ask_worker(
            "net", {"URL": server.url(), "CA_PEM": pem(certificate), "PROXY": proxy},
            env={variable: "*"})
        assert not server.requests
    thread.join(PATIENCE)
    assert answer.refusal == "network"


def test_net_gets_the_answer_through_a_proxy(certificate):
    """The proxy's own headers are not taken for the registry's."""
    with serving(reply(401), certificate) as server, Relay(server.port) as relay:
        answer = ask_worker("net", {
            "URL": server.url(), "CA_PEM": pem(certificate), "PROXY": relay.url})
    assert relay.asked.startswith(b"CONNECT 127.0.0.1:")
    assert answer.refusal == "auth-required"
    assert answer.detail is None


def test_net_is_in_its_sandbox_while_it_waits():
    with serving(silent) as server, Worker("net") as worker:
        server.gate = threading.Event()
        if worker.is_sanitized():
            pytest.skip("sanitized builds have no sandbox")
        worker.start({"URL": server.url(), "TIMEOUT_MSEC": 60000})
        while not server.requests:
            assert os.path.exists("/proc/%d" % worker.pid)
        assert worker.proc_status()["Seccomp"] == "2"
        server.gate.set()
