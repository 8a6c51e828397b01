"""Each way of misbehaving, as a client sees it, and that it ends with its count."""

import datetime
import email.utils
import http.client
import json
import random
import threading
import time

import pytest

from crate import metadata, pack, upload
from injection import NOT_EVEN_A_STATUS
from rawclient import Client

CONFIG = "/index/config.json"
PUBLISH = "PUT /api/v1/crates/new"
CUT = (http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionError, OSError)


def test_rule_counts_and_then_is_over(registry, client):
    rule = registry.inject("GET /index/config", status=503, body="try later", times=2)
    replies = [client("GET", CONFIG) for _ in range(3)]
    assert [r.status for r in replies] == [503, 503, 200]
    assert replies[0].body == b"try later" and replies[0].headers["Content-Type"] == "text/plain"
    assert rule.hits == 2 and [e["injected"] for e in registry.requests()] == [True, True, False]


def test_rule_without_a_count_stays_until_cleared(registry, client):
    registry.inject("config", status=500, times=None)
    assert [client("GET", CONFIG).status for _ in range(3)] == [500] * 3
    registry.injections.clear()
    assert client("GET", CONFIG).status == 200


def test_rule_matches_method_and_path(registry, client):
    registry.inject("^PUT ", status=500)
    registry.inject("/de/mo/demo$", status=410)
    assert client("GET", CONFIG).status == 200
    assert client("GET", "/index/de/mo/demo").status == 410
    assert client.publish().status == 500


def test_bad_pattern_is_the_tests_own_mistake(registry):
    with pytest.raises(Exception, match="unterminated"):
        registry.inject("[")


def test_status_keeps_a_request_from_being_done(registry, client):
    registry.inject(PUBLISH, status=500, body={"errors": [{"detail": "no"}]})
    assert client.publish().detail == "no" and not registry.crates


def test_done_rule_does_it_and_then_lies(registry, client):
    registry.inject(PUBLISH, status=500, done=True)
    assert client.publish().status == 500 and registry.crates


def test_done_and_cut_leaves_the_outcome_unknown(registry, client):
    registry.inject(PUBLISH, done=True, cut=NOT_EVEN_A_STATUS)
    with pytest.raises(CUT):
        client.publish()
    assert registry.crates and registry.requests()[-1]["status"] is None


def test_answers_that_are_not_json(registry, client):
    for body in ("<html>", b"\xff\xfe", "", "{", "null"):
        registry.inject(PUBLISH, body=body)
        reply = client.publish()
        assert reply.status == 200
        assert reply.body == (body if isinstance(body, bytes) else body.encode())


def test_headers_go_along(registry, client):
    registry.inject(CONFIG, status=401, headers=[
        ("WWW-Authenticate", "Basic x"), ("www-authenticate", 'Cargo login_url="https://x/me"')])
    assert client("GET", CONFIG).headers.get_all("WWW-Authenticate") == [
        "Basic x", 'Cargo login_url="https://x/me"']


@pytest.mark.parametrize("status", [None, 301, 307, 308])
def test_redirect(registry, client, status):
    registry.inject(CONFIG, redirect="https://localhost:1/x", status=status)
    reply = client("GET", CONFIG)
    assert reply.status == (status or 302) and reply.headers["Location"] == "https://localhost:1/x"


def test_retry_after_as_seconds_and_as_date(registry, client):
    when = datetime.datetime(2025, 7, 18, 20, 0, 34, tzinfo=datetime.timezone.utc)
    for value, text in ((30, "30"), (when, "Fri, 18 Jul 2025 20:00:34 GMT"), ("soon", "soon")):
        registry.inject(PUBLISH, retry_after=value, body={"errors": [{"detail": "slow down"}]})
        reply = client.publish()
        assert (reply.status, reply.headers["Retry-After"]) == (429, text)
        assert reply.detail == "slow down"
    assert email.utils.parsedate_to_datetime("Fri, 18 Jul 2025 20:00:34 GMT") == when


def test_delay_and_then_the_real_answer(registry, client):
    registry.inject(CONFIG, delay=0.3)
    start = time.monotonic()
    assert client("GET", CONFIG).json["api"] == registry.api
    assert time.monotonic() - start >= 0.3


def test_hanging_ends_with_release_and_harms_nobody(registry, client):
    rule = registry.inject(PUBLISH, hang=True)
    replies = []
    asking = threading.Thread(target=lambda: replies.append(client.publish()))
    asking.start()
    assert rule.reached.wait(10)
    assert registry.wait_for(PUBLISH)[0]["status"] is None
    assert Client(registry)("GET", CONFIG).status == 200
    assert not replies and not registry.crates
    rule.release()
    asking.join(10)
    assert replies[0].status == 200 and registry.crates


def test_hanging_after_it_is_done(registry, client):
    rule = registry.inject(PUBLISH, hang=True, done=True)
    asking = threading.Thread(target=client.publish)
    asking.start()
    assert rule.reached.wait(10)
    reader = Client(registry)
    while reader("GET", "/index/de/mo/demo").status == 404:
        assert asking.is_alive()
    assert registry.crates and asking.is_alive()
    rule.release()
    asking.join(10)


def test_deaf_registry_lets_an_upload_stall(registry, client):
    rule = registry.inject(PUBLISH, hang=True, deaf=True)
    body = upload(metadata("demo"), pack("demo", files={"big": _noise(8 << 20)}))
    asking = threading.Thread(target=client.publish_body, args=(body,))
    asking.start()
    assert rule.reached.wait(10)
    assert registry.requests(PUBLISH)[0]["body_length"] == 0
    asking.join(0.2)
    assert asking.is_alive()
    rule.release()
    asking.join(10)
    assert registry.requests(PUBLISH)[0]["body_length"] == len(body) and registry.crates


def test_deaf_registry_answers_before_it_has_the_body(registry, client):
    registry.inject(PUBLISH, deaf=True, status=413, body={"errors": [{"detail": "too large"}]})
    body = upload(metadata("demo"), pack("demo", files={"big": _noise(4 << 20)}))
    reply = client.publish_body(body)
    assert reply.status == 413 and reply.headers["Connection"] == "close"
    assert registry.requests(PUBLISH)[0]["body_length"] == 0


def test_deaf_registry_hangs_up_in_the_middle_of_an_upload(registry, client):
    registry.inject(PUBLISH, deaf=True, cut=NOT_EVEN_A_STATUS)
    with pytest.raises(CUT):
        client.publish_body(b"\0" * (8 << 20))


@pytest.mark.parametrize("cut", [0, 5, NOT_EVEN_A_STATUS])
def test_cut_in_the_middle_of_the_answer(registry, client, cut):
    registry.inject(CONFIG, cut=cut)
    with pytest.raises(CUT) as caught:
        client("GET", CONFIG)
    if cut >= 0:
        assert len(caught.value.partial) == cut
    assert registry.requests()[0]["status"] == (200 if cut >= 0 else None)


def test_huge_answer_of_so_many_bytes(registry, client):
    registry.inject(CONFIG, huge=50_000_000)
    reply = client("GET", CONFIG)
    assert len(reply.body) == 50_000_000 == int(reply.headers["Content-Length"])
    assert set(reply.body) == {ord("a")}


def test_trickle_is_whole_but_slow(registry, client):
    registry.inject(CONFIG, trickle=(20, 0.05))
    start = time.monotonic()
    reply = client("GET", CONFIG)
    assert reply.json["api"] == registry.api
    assert time.monotonic() - start >= 0.05 * (len(reply.body) // 20)


@pytest.mark.parametrize("length", [3, 1000])
def test_wrong_content_length(registry, client, length):
    registry.inject(CONFIG, content_length=length)
    if length < 50:
        assert client("GET", CONFIG).body == b'{"d'
    else:
        with pytest.raises(CUT):
            client("GET", CONFIG)
    client.close()
    assert client("GET", CONFIG).status == 200


def test_misbehaving_does_not_blind_the_watch(registry, client):
    registry.inject(CONFIG, status=302, redirect=f"{registry.api}/index/de/mo/demo")
    client("GET", CONFIG, token="leaked")
    assert len(registry.violations) == 1


def test_client_that_leaves_is_an_ordinary_event(registry, client):
    rule = registry.inject(CONFIG, hang=True)
    other = Client(registry)
    other.connection.request("GET", CONFIG, headers={"User-Agent": "x"})
    assert rule.reached.wait(10)
    other.close()
    rule.release()
    assert json.loads(client("GET", CONFIG).body)


def _noise(size: int) -> bytes:
    """Bytes that do not shrink when they are packed."""
    return random.Random(1).randbytes(size)
