"""Who is let in, and what the registry notices about those who ask."""

import json

import pytest

from gate import PLACEHOLDER, sha256
from rawclient import Client
from registry import Registry

YANK = "/api/v1/crates/demo/0.1.0/yank"
UNYANK = "/api/v1/crates/demo/0.1.0/unyank"
OWNERS = "/api/v1/crates/demo/owners"
MUTATIONS = [("PUT", "/api/v1/crates/new"), ("DELETE", YANK), ("PUT", UNYANK), ("PUT", OWNERS),
             ("DELETE", OWNERS), ("DELETE", "/api/v1/tokens/current")]


@pytest.fixture
def demo(client):
    assert client.publish().status == 200


@pytest.mark.parametrize("method, path", MUTATIONS)
def test_mutation_without_a_token_gets_a_challenge(registry, client, demo, method, path):
    reply = client(method, path, b"")
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == f'Cargo login_url="{registry.api}/me"'


@pytest.mark.parametrize("given", ["wrong", "", "a test's token ", "Bearer a test's token",
                                   "A TEST'S TOKEN", PLACEHOLDER])
@pytest.mark.parametrize("method, path", MUTATIONS[1:])
def test_mutation_with_another_token_is_refused(registry, client, demo, method, path, given):
    if given.endswith(" "):
        given = given + "x"  # HTTP itself strips the end of a header's value.
    reply = client(method, path, token=given)
    assert reply.status == 403 and reply.detail == "authentication failed"
    assert registry.owners.of("demo") == ["alice"] and not registry.crates["demo", "0.1.0"].yanked


def test_publish_with_another_token_is_refused(registry, client):
    client.token = "wrong"
    reply = client.publish()
    assert reply.status == 403 and reply.detail == "authentication failed"
    assert not registry.crates


def test_two_tokens_are_refused_and_noticed(registry, client, token):
    connection = client.connection
    connection.putrequest("DELETE", YANK)
    for name, value in (("User-Agent", "x"), ("Authorization", token), ("Authorization", token)):
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 400 and b"more than one Authorization" in response.read()
    assert registry.violations[0]["violations"] == ["more than one Authorization header"]


def test_token_with_a_scheme_is_compared_whole(tmp_path):
    with Registry(tmp_path / "r", token_hashes=[sha256("Bearer x").upper()]) as r:
        client = Client(r)
        assert client("GET", "/api/v1/me", token="Bearer x").detail.startswith("this action can")
        assert client("GET", "/api/v1/me", token="x").detail == "authentication failed"


def test_tokens_come_and_go(registry, client, demo):
    registry.accept_token("second")
    assert client("DELETE", YANK, token="second").status == 200
    registry.revoke_token("second")
    assert client("DELETE", YANK, token="second").status == 403


def test_token_can_revoke_itself_once(registry, client, token):
    assert client.mutate("DELETE", "/api/v1/tokens/current").status == 204
    assert not registry.knows_token(token)
    assert client.mutate("DELETE", "/api/v1/tokens/current").detail == "authentication failed"


def test_scoped_token_cannot_revoke_itself(tmp_path):
    with Registry(tmp_path / "r", scoped_tokens={"narrow"}) as r:
        reply = Client(r)("DELETE", "/api/v1/tokens/current", token="narrow")
        assert reply.status == 403 and "required permissions" in reply.detail
        assert r.knows_token("narrow")


def test_probe_tells_a_known_token_from_an_unknown_one(client):
    known = client.mutate("GET", "/api/v1/me")
    unknown = client("GET", "/api/v1/me", token="wrong")
    assert known.status == unknown.status == 403
    assert "crates.io website" in known.detail and unknown.detail == "authentication failed"


@pytest.mark.parametrize("given, words", [
    ("cioKnown", "this action can only"), ("cioOther", "authentication failed"),
    ("Bearer cioOther", "authentication failed"), ("other", "The given API token does not match"),
    ("Bearer other", "The given API token does not match")])
def test_probe_looks_at_the_form_first_where_told_to(tmp_path, given, words):
    with Registry(tmp_path / "r", tokens={"cioKnown"}) as r:
        r.announce(cio_only=True)
        reply = Client(r)("GET", "/api/v1/me", token=given)
    assert reply.detail.startswith(words)
    assert reply.status == (401 if words.startswith("The given") else 403)


def test_probe_tells_that_an_account_is_locked_to_whom_it_knows(registry, client):
    registry.announce(locked="This account is indefinitely locked. Reason: spam")
    known = client.mutate("GET", "/api/v1/me")
    assert known.status == 403 and known.detail.startswith("This account is indefinitely locked")
    assert client("GET", "/api/v1/me", token="wrong").detail == "authentication failed"


@pytest.mark.parametrize("path", ["/index/config.json", "/index/de/mo/demo", "/index/no/ne/none",
                                  "/api/v1/crates?q=x", "/api/v1/crates/demo/0.1.0/download"])
def test_credential_with_a_read_of_an_open_registry_is_a_violation(registry, client, demo, path):
    client(*("GET", path))
    assert not registry.violations
    client("GET", path, token="anything")
    (seen,) = registry.violations
    assert seen["violations"] == ["a credential with a read of an open registry"]
    assert seen["path"] == path.partition("?")[0]


def test_owners_and_probe_with_a_token_are_no_violation(registry, client, demo):
    client.mutate("GET", OWNERS)
    client.mutate("GET", "/api/v1/me")
    assert not registry.violations


@pytest.mark.parametrize("way", [
    dict(method="PUT", path=UNYANK, token=PLACEHOLDER),
    dict(method="GET", path="/index/config.json", x_odd=f"is {PLACEHOLDER}"),
    dict(method="GET", path=f"/index/{PLACEHOLDER}"),
    dict(method="GET", path="/api/v1/crates?q=" + PLACEHOLDER.replace("-", "%2D")),
    dict(method="PUT", path=OWNERS, body={"users": [PLACEHOLDER]}, token="wrong"),
])
def test_placeholder_is_noticed_wherever_it_is_sent(registry, client, way):
    client(**way)
    assert registry.violations[0]["violations"] == ["the placeholder was sent"]


@pytest.mark.parametrize("way", [
    dict(path="/api/v1/crates?q=cioSecret"), dict(path="/cioSecret/me"),
    dict(path="/index/config.json", x_odd="Bearer cioSecret"),
    dict(path="/index/config.json", user_agent="cioSecret"),
    dict(path="/index/config.json", x_odd="Bearer two words"),
    dict(path="/api/v1/crates?q=two%20words"),
])
def test_token_in_a_wrong_place_is_noticed_and_not_logged(tmp_path, way):
    with Registry(tmp_path / "r", tokens={"cioSecret", "two words"}) as r:
        Client(r)("GET", **way)
        assert r.violations[0]["violations"] == ["a token outside the Authorization header"]
        logged = json.dumps(r.requests())
        assert not any(secret in logged for secret in ("cioSecret", "two words", "two%20words"))


def test_no_token_is_written_to_disk(registry, client, demo, tmp_path, token):
    client("DELETE", YANK, token="wrong-but-secret", x_odd="odd-but-secret")
    client.mutate("DELETE", YANK)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    text = b"".join(p.read_bytes() for p in files)
    assert b"requests" in b" ".join(bytes(p) for p in files) and b'"withheld"' in text
    for secret in (token, "wrong-but-secret", "odd-but-secret", sha256(token)):
        assert secret.encode() not in text


def test_log_says_what_was_asked_and_answered(registry, client, demo, tmp_path, token):
    client.mutate("PUT", OWNERS, {"users": ["bob"]})
    entry = registry.requests("PUT .*/owners")[0]
    assert (entry["status"], entry["body_length"]) == (200, 18)
    assert entry["token"] == f"sha256:{sha256(token)[:12]}"
    assert entry["headers"]["authorization"] == "withheld"
    assert entry["headers"]["content-type"] == "application/json"
    lines = (tmp_path / "registry/requests.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == registry.requests()


def test_auth_required_guards_every_read(registry, client, demo, token):
    registry.announce(auth_required=True)
    for path in ("/index/config.json", "/index/de/mo/demo", "/api/v1/crates?q=x",
                 "/api/v1/crates/demo/0.1.0/download"):
        refused = client("GET", path)
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"].startswith('Cargo login_url="')
        assert client("GET", path, token="wrong").status == 401
        assert client("GET", path, token=token).status == 200
    assert client.mutate("GET", "/index/config.json").json["auth-required"] is True
    assert client("GET", OWNERS).status == 401
    assert not registry.violations


def test_open_config_is_the_one_read_without_a_token(registry, client, demo, token):
    registry.announce(auth_required=True, open_config=True)
    assert client("GET", "/index/config.json").json["auth-required"] is True
    assert client("GET", "/index/config.json", token=token).status == 200
    for path in ("/index/de/mo/demo", "/api/v1/crates?q=x", "/api/v1/crates/demo/0.1.0/download"):
        assert client("GET", path).status == 401
    assert not registry.violations
