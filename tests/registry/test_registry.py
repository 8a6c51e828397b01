"""What the registry serves to requests made by hand, and how it starts and ends."""

import email.utils
import hashlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from crate import metadata
from index import index_path
from rawclient import Client
from registry import Registry

YANK = "/api/v1/crates/demo/0.1.0/yank"
UNYANK = "/api/v1/crates/demo/0.1.0/unyank"
OWNERS = "/api/v1/crates/demo/owners"


@pytest.fixture
def demo(client):
    assert client.publish().status == 200


@pytest.mark.parametrize("headers, status", [
    ({"user_agent": None}, 403), ({"user_agent": " "}, 403), ({"origin": "https://x"}, 403),
    ({"host": "crates.io"}, 421), ({"transfer_encoding": "chunked"}, 411),
    ({"content_length": "-1"}, 400), ({"content_length": "1_0"}, 400),
])
def test_request_that_breaks_the_house_rules_is_refused(client, headers, status):
    reply = client("GET", "/index/config.json", **headers)
    assert reply.status == status and reply.detail


@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "/nothing/here", None, 404), ("GET", "/index", None, 404),
    ("GET", "//index/config.json", None, 404), ("POST", "/api/v1/crates/new", b"", 405),
    ("HEAD", "/index/config.json", None, 405), ("GET", YANK, None, 405),
    ("GET", "/index/config.json?x=1", None, 400), ("GET", "/index/config.json", b"x", 400),
    ("BREW", "/index/config.json", None, 501), ("GET", "/api/v1/crates?limit=3", None, 400),
    ("GET", "/api/v1/crates?per_page=0", None, 400), ("GET", "/api/v1/crates?q=a&q=b", None, 400),
])
def test_odd_request_is_refused(client, method, path, body, status):
    assert client(method, path, body).status == status


def test_malformed_http_gets_an_answer(registry):
    with ssl.create_default_context(cafile=registry.ca).wrap_socket(
            _connected(registry), server_hostname="localhost") as connection:
        connection.sendall(b"GET /index/config.json HTTP/banana\r\n\r\n")
        assert b" 400 " in connection.recv(4096)


def _connected(registry):
    return socket.create_connection(("127.0.0.1", registry.port), timeout=10)


@pytest.mark.parametrize("name, path", [
    ("a", "1/a"), ("ab", "2/ab"), ("abc", "3/a/abc"), ("abcd", "ab/cd/abcd"),
    ("Serde_X", "se/rd/serde_x"), ("a-b-c", "a-/b-/a-b-c"),
])
def test_index_file_stands_under_its_one_path(client, name, path):
    client.publish(metadata(name))
    assert index_path(name) == path
    assert json.loads(client("GET", f"/index/{path}").body)["name"] == name
    for wrong in (name, f"1/{name}x", path.upper(), f"{path}/", f"./{path}",
                  path.replace("/", "//")):
        if wrong != path:
            assert client("GET", f"/index/{wrong}").status == 404


def test_index_is_served_once_and_then_confirmed(client, demo):
    first = client("GET", "/index/de/mo/demo")
    for name in ("if_none_match", "if_modified_since"):
        value = first.headers["ETag" if name == "if_none_match" else "Last-Modified"]
        again = client("GET", "/index/de/mo/demo", **{name: value})
        assert again.status == 304 and again.body == b""
        assert again.headers["ETag"] == first.headers["ETag"]


def test_changed_index_is_served_anew(client, demo):
    old = client("GET", "/index/de/mo/demo").headers
    client.publish(metadata("demo", "0.2.0"))
    assert client("GET", "/index/de/mo/demo", if_none_match=old["ETag"]).status == 200
    since = client("GET", "/index/de/mo/demo", if_modified_since=old["Last-Modified"])
    assert since.status == 200 and len(since.body.splitlines()) == 2
    # A tag that no longer fits outweighs a date that would (RFC 9110, 13.1.3).
    both = client("GET", "/index/de/mo/demo", if_none_match=old["ETag"],
                  if_modified_since=since.headers["Last-Modified"])
    assert both.status == 200
    shown = email.utils.parsedate_to_datetime(since.headers["Last-Modified"])
    assert shown <= email.utils.parsedate_to_datetime(since.headers["Date"])


def test_config_says_where_to_go(registry, client):
    assert client("GET", "/index/config.json").json == {
        "dl": f"{registry.api}/api/v1/crates", "api": registry.api}
    old = client("GET", "/index/config.json").headers["ETag"]
    registry.announce(api="https://elsewhere.example", auth_required=False)
    assert client("GET", "/index/config.json", if_none_match=old).json["api"] == \
        "https://elsewhere.example"


def test_yank_and_unyank_change_the_index(client, demo):
    for method, path, is_yanked in (("DELETE", YANK, True), ("PUT", UNYANK, False)):
        for _ in range(2):
            reply = client.mutate(method, path)
            assert reply.status == 200 and reply.json == {"ok": True}
        assert json.loads(client("GET", "/index/de/mo/demo").body)["yanked"] is is_yanked


@pytest.mark.parametrize("path, body, status, words", [
    ("none/0.1.0", None, 404, "crate `none` does not exist"),
    ("demo/0.1.1", None, 404, "crate `demo` does not have a version `0.1.1`"),
    ("demo/1", None, 400, '"1" is an invalid semver version'),
    ("Demo/0.1.0", None, 404, "crate `Demo` does not exist"),
    ("demo/0.1%2E0", None, 400, "invalid semver"),
    ("demo/0.1.0", b"{}", 400, "takes no body"),
])
def test_yank_of_something_odd_is_refused(client, demo, path, body, status, words):
    reply = client.mutate("DELETE", f"/api/v1/crates/{path}/yank", body)
    assert reply.status == status and words in reply.detail


def test_owner_is_invited_and_then_accepts(registry, client, demo):
    reply = client.mutate("PUT", OWNERS, {"users": ["bob", "github:org:team"]})
    assert reply.json == {"ok": True, "msg": (
        "user bob has been invited to be an owner of crate demo,"
        "team github:org:team has been added as an owner of crate demo")}
    assert registry.owners.of("demo") == ["alice", "github:org:team"]
    assert "already has a pending" in client.mutate("PUT", OWNERS, {"users": ["bob"]}).json["msg"]
    registry.owners.accept("demo", "bob")
    users = client.mutate("GET", OWNERS).json["users"]
    assert [(u["login"], u["kind"]) for u in users] == [
        ("alice", "user"), ("github:org:team", "team"), ("bob", "user")]
    assert client.mutate("DELETE", OWNERS, {"users": ["alice"]}).json["ok"] is True


@pytest.mark.parametrize("body, status, words", [
    (b"", 400, "not JSON"), (b"\xff", 400, "not JSON"), ({}, 422, "users"), (b"[]", 422, "users"),
    ({"owners": ["bob"]}, 422, "users"), ({"users": ["bob"], "x": 1}, 422, "users"),
    ({"users": []}, 422, "users"), ({"users": "bob"}, 422, "users"), ({"users": [1]}, 422, "users"),
    ({"users": ["bob", "bob"]}, 400, "stands twice"),
    ({"users": [f"u{i}" for i in range(11)]}, 400, "maximum 10"),
    ({"users": ["bob", "nobody"]}, 400, "could not find user with login `nobody`"),
    ({"users": ["alice"]}, 400, "`alice` is already an owner"),
    ({"users": ["gitlab:a:b"]}, 400, "unknown organization handler"),
])
def test_odd_owners_are_refused_and_none_is_added(registry, client, demo, body, status, words):
    reply = client.mutate("PUT", OWNERS, body, content_type="application/json")
    assert reply.status == status and words in reply.detail
    assert "has been invited" in client.mutate("PUT", OWNERS, {"users": ["bob"]}).json["msg"]


def test_owners_need_their_content_type(client, demo):
    for given in (None, "text/plain"):
        reply = client.mutate("PUT", OWNERS, b'{"users": ["bob"]}', content_type=given)
        assert reply.status == 415


@pytest.mark.parametrize("logins, words", [
    (["bob"], "could not find owner with login `bob`"),
    (["alice"], "cannot remove all individual owners"),
])
def test_owners_that_cannot_go_stay(registry, client, demo, logins, words):
    reply = client.mutate("DELETE", OWNERS, {"users": logins})
    assert reply.status == 400 and words in reply.detail
    assert registry.owners.of("demo") == ["alice"]


def test_search_finds_by_part_of_the_name(client, demo):
    client.publish(metadata("other"))
    found = client("GET", "/api/v1/crates?q=EM&per_page=1").json
    assert found == {"crates": [{"name": "demo", "max_version": "0.1.0",
                                 "description": "A crate for a test."}], "meta": {"total": 1}}


def test_server_is_trusted_by_its_ca_only_and_under_its_names(registry):
    trusting = ssl.create_default_context(cafile=registry.ca)
    for host in ("localhost", "127.0.0.1"):
        with trusting.wrap_socket(_connected(registry), server_hostname=host) as connection:
            assert connection.selected_alpn_protocol() is None
    with pytest.raises(ssl.SSLCertVerificationError):
        trusting.wrap_socket(_connected(registry), server_hostname="example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(_connected(registry), server_hostname="localhost")


def test_certificate_passes_openssl_and_curl(registry):
    tls = registry.certificate.chain.parent
    assert not list(tls.glob("ca.key"))
    subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
                    registry.ca, str(tls / "server.pem")], check=True, capture_output=True)
    key_ids = subprocess.run(["openssl", "x509", "-in", str(tls / "server.pem"), "-noout", "-ext",
                              "subjectKeyIdentifier,authorityKeyIdentifier"],
                             check=True, capture_output=True, text=True).stdout
    assert "Subject Key Identifier" in key_ids and "Authority Key Identifier" in key_ids
    shown = subprocess.run(["curl", "-sS", "--cacert", registry.ca,
                            f"{registry.api}/index/config.json"], check=True, capture_output=True)
    assert json.loads(shown.stdout)["api"] == registry.api


def test_second_origin_shares_the_certificate(registry, tmp_path):
    with Registry(tmp_path / "second", tls=registry.certificate) as second:
        assert second.ca == registry.ca and second.port != registry.port
        assert Client(second)("GET", "/index/config.json").status == 200


def test_connection_is_kept_alive_over_refusals(registry, client):
    client("GET", "/index/config.json")
    socket_before = client.connection.sock
    client.publish()
    client("DELETE", YANK, token="wrong")
    client("GET", "/nothing")
    assert client.connection.sock is socket_before is not None


def test_silent_connections_delay_nobody(registry, client):
    silent = [_connected(registry) for _ in range(50)]
    assert client("GET", "/index/config.json").status == 200
    for connection in silent:
        connection.close()


def test_many_clients_publish_at_once(registry, token):
    def publish(number):
        client = Client(registry, token)
        replies.append(client.publish(metadata("demo", f"0.1.{number % 8}")).json.keys())
        client.close()

    replies = []
    threads = [threading.Thread(target=publish, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(list, replies)) == [["errors"]] * 8 + [["warnings"]] * 8
    assert len(registry.crates) == 8


def test_no_thread_is_left_behind(tmp_path):
    before = threading.active_count()
    cuts = []
    with Registry(tmp_path / "r", tls=True, tokens={"x"}) as r:
        r.inject("GET /index/a", hang=True)
        kept, hanging = Client(r), Client(r)
        kept("GET", "/index/config.json")
        asking = threading.Thread(target=_expect_to_be_cut, args=(hanging, "/index/a", cuts))
        asking.start()
        r.wait_for("GET /index/a")
        _connected(r)
    asking.join(10)
    assert len(cuts) == 1
    assert not r.threads() and threading.active_count() == before


def _expect_to_be_cut(client, path, cuts):
    try:
        client("GET", path)
    except (OSError, http.client.HTTPException) as error:
        cuts.append(error)


def test_registry_starts_empty_or_not_at_all(tmp_path):
    with Registry(tmp_path / "r"):
        pass
    with pytest.raises(FileExistsError):
        Registry(tmp_path / "r")


def test_command_line_serves_until_it_is_told_to_stop(tmp_path):
    token_hash = hashlib.sha256(b"by hand").hexdigest()
    program = Path(__file__).with_name("registry.py")
    process = subprocess.Popen([sys.executable, str(program), str(tmp_path / "r"), "--tls",
                                "--token-hash", token_hash], stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(process.stdout.readline())
        assert said["index"] == f"sparse+https://localhost:{said['port']}/index/"
        assert said["api"] == f"https://localhost:{said['port']}"
        trust = ssl.create_default_context(cafile=said["ca"])
        connection = http.client.HTTPSConnection("127.0.0.1", said["port"], context=trust)
        connection.request("GET", "/api/v1/me", headers={"User-Agent": "x",
                                                         "Authorization": "by hand"})
        assert b"crates.io website" in connection.getresponse().read()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        process.stdout.close()


def test_failure_of_the_registry_itself_is_not_hidden(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="broken on purpose"):
        with Registry(tmp_path / "r") as r:
            monkeypatch.setattr(r.service, "answer", _broken)
            with pytest.raises(http.client.RemoteDisconnected):
                Client(r)("GET", "/index/config.json")


def _broken(_request):
    raise ArithmeticError("broken on purpose")
