"""Scopes, Trusted Publishing, and what crates.io says to those who may not."""

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import pytest

from crate import metadata
from grant import Grant, is_trusted, trusted_token
from rawclient import Client

YANK = "/api/v1/crates/demo/0.1.0/yank"
OWNERS = "/api/v1/crates/demo/owners"
REVOKE = "/api/v1/tokens/current"
TRUSTED = "/api/v1/trusted_publishing/tokens"
SAMPLE = "cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOOd"  # crates.io, crates_io_trustpub.


@pytest.fixture(autouse=True)
def demo(registry, client):
    registry.announce(refusal_status=400)
    assert client.publish().status == 200


@pytest.mark.parametrize("pattern, crate, fits", [
    ("foo", "foo", True), ("foo*", "foo-bar", True), ("foo-*", "foo_bar", False), ("*", "x", True),
    ("foo", "foo2", False)])
def test_crate_scopes_are_names_or_their_beginnings(pattern, crate, fits):
    assert Grant(None, (pattern,)).covers("yank", crate) is fits


@pytest.mark.parametrize("endpoints, crates, allowed", [
    (["yank"], [], {"yank"}), (["change-owners"], ["de*"], {"owners"}), (["yank"], ["other"], set()),
    (["publish-new"], [], {"new"}), (["publish-update"], ["demo"], {"update"}),
    (None, ["demo"], {"yank", "owners", "update"})])
def test_scoped_token_may_do_what_it_names(registry, endpoints, crates, allowed):
    registry.accept_token("narrow", endpoints=endpoints, crates=crates)
    client = Client(registry, "narrow")
    replies = {"yank": client.mutate("DELETE", YANK),
               "owners": client.mutate("PUT", OWNERS, {"users": ["bob"]}),
               "new": client.publish(metadata("fresh")),
               "update": client.publish(metadata("demo", "0.2.0")),
               "revoke": client.mutate("DELETE", REVOKE)}
    assert {act for act, reply in replies.items() if reply.status == 200} == allowed
    assert all(reply.status == 403 and "required permissions" in reply.detail
               for act, reply in replies.items() if act not in allowed)
    assert registry.knows_token("narrow")


def test_form_of_trusted_tokens_has_a_check_character():
    assert is_trusted(SAMPLE) and is_trusted(f"beaReR    {SAMPLE}")
    assert trusted_token(SAMPLE[7:38]) == SAMPLE
    assert trusted_token("0" * 31)[-1] == "w"
    assert is_trusted(SAMPLE[:-1] + "e") is False and is_trusted(SAMPLE + "d") is False
    assert is_trusted("cio" + "a" * 32) is None


def test_trusted_token_updates_its_crates_and_does_nothing_else(registry):
    registry.trust_token(SAMPLE, "demo")
    client = Client(registry, SAMPLE)
    assert client.publish(metadata("demo", "0.2.0")).status == 200
    assert "creating new crates" in client.publish(metadata("fresh")).detail
    registry.accept_token("person")
    assert Client(registry, "person").publish(metadata("other")).status == 200
    assert "not valid for crate `other`" in client.publish(metadata("other", "0.2.0")).detail
    for reply in (client.mutate("DELETE", YANK), client.mutate("DELETE", REVOKE)):
        assert (reply.status, reply.detail) == (403, "authentication failed")


def test_trusted_token_is_revoked_as_often_as_one_likes(registry):
    registry.trust_token(SAMPLE, "demo")
    client = Client(registry, SAMPLE)
    assert registry.knows_token(SAMPLE)
    assert [client.mutate("DELETE", TRUSTED).status for _ in range(2)] == [204, 204]
    assert not registry.knows_token(SAMPLE)
    assert client.publish(metadata("demo", "0.2.0")).detail == "Invalid authentication token"


@pytest.mark.parametrize("given, words", [
    (None, "Missing `Authorization` header"), ("cio" + "a" * 32, "Failed to parse token"),
    (SAMPLE[:-1] + "e", "Failed to parse token")])
def test_revocation_of_no_trusted_token_is_refused(client, given, words):
    reply = client("DELETE", TRUSTED, token=given)
    assert reply.status == 401 and words in reply.detail


def test_rights_of_others_and_of_team_members(registry, client):
    registry.owners.give("demo", "bob", "github:acme:rust")
    assert "must already be an owner" in client.mutate("DELETE", YANK).detail
    assert "only owners have permission" in client.mutate("PUT", OWNERS, {"users": ["carol"]}).detail
    assert "don't seem to be an owner" in client.publish(metadata("demo", "0.2.0")).detail
    registry.owners.join("github:acme:rust")
    assert client.mutate("DELETE", YANK).status == 200
    assert client.publish(metadata("demo", "0.2.0")).status == 200
    assert "team members don't" in client.mutate("PUT", OWNERS, {"users": ["carol"]}).detail


@pytest.mark.parametrize("login, obstacle, status, words", [
    ("gitlab:a:b", None, 400, "unknown organization handler"),
    ("github:acme", None, 400, "missing github team argument"),
    ("github:a/b:c", None, 400, "organization cannot contain special characters like /"),
    ("github:acme:rust", "unknown", 400, "could not find the github team acme/rust"),
    ("github:acme:rust", "foreign", 403, "only members of a team"),
    ("github:acme:rust", "closed", 403, "GitHub organization 'acme' has restricted OAuth access"),
    ("github:acme:rust", "unlinked", 400, "without a connected GitHub account"),
])
def test_team_that_cannot_be_added_is_told_why(registry, client, login, obstacle, status, words):
    if obstacle:
        registry.owners.obstruct(login, obstacle)
    reply = client.mutate("PUT", OWNERS, {"users": ["bob", login]})
    assert reply.status == status and words in reply.detail
    assert registry.owners.of("demo") == ["alice"]


def test_unverified_address_is_told_to_a_publisher(registry, client):
    registry.announce(unverified=True)
    assert "verified email" in client.publish(metadata("demo", "0.2.0")).detail
    assert client.mutate("DELETE", YANK).status == 200


def test_read_only_mode_changes_nothing(registry, client, token):
    registry.announce(read_only=True)
    for reply in (client.mutate("DELETE", YANK), client.mutate("DELETE", REVOKE),
                  client.mutate("PUT", OWNERS, {"users": ["bob"]}),
                  client.publish(metadata("demo", "0.2.0"))):
        assert reply.status == 503 and "read-only mode" in reply.detail
    assert registry.knows_token(token) and list(registry.crates) == [("demo", "0.1.0")]
    assert not registry.crates["demo", "0.1.0"].yanked


def test_locked_account_may_do_nothing(registry, client, token):
    registry.announce(locked="This account is indefinitely locked. Reason: spam")
    for reply in (client.mutate("DELETE", YANK), client.mutate("DELETE", REVOKE),
                  client.publish(metadata("demo", "0.2.0"))):
        assert reply.status == 403 and "indefinitely locked" in reply.detail
    assert registry.knows_token(token)


def test_too_many_yanks_are_told_until_when(registry, client):
    until = datetime(2031, 7, 18, 20, 0, 34, tzinfo=timezone.utc)
    registry.rate_limit("DELETE .*/yank", until, "yanked or unyanked too many versions")
    reply = client.mutate("DELETE", YANK)
    assert reply.status == 429 and reply.headers["Retry-After"] == "Fri, 18 Jul 2031 20:00:34 GMT"
    assert parsedate_to_datetime(reply.headers["Retry-After"]) == until
    assert "Please try again after Fri, 18 Jul 2031 20:00:34 GMT" in reply.detail
    assert client.mutate("DELETE", YANK).status == 200
