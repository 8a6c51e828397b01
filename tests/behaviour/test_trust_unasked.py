"""`trust`: where a registry is reached another way than it was sealed, a person agrees before any
token goes that way."""

import json

import pytest

from certificate import Certificate
from desk import PASSPHRASE, TOKEN, code
from play import APPROVE, accounts, lent_pty
from registry import Registry
from web_play import Relay, reply, serving


@pytest.fixture
def closed(tmp_path, certificate):
    """It wants a token for every read, so the account is marked."""
    with Registry(tmp_path / "closed", tls=certificate, tokens={TOKEN}, auth_required=True) as r:
        yield r


@pytest.fixture
def impostor(tmp_path, closed):
    """Another server with a certificate of another authority, and a proxy that leads there."""
    other = Certificate.make(tmp_path)
    names = reply(200, {"api": closed.api, "dl": closed.settings.dl, "auth-required": True})
    with serving(names, (other.key, other.chain)) as server, Relay(server.port) as relay:
        server.way = {"ca-pem": other.ca.read_text(), "ca-file": "/etc/ssl/certs/corp.pem",
                      "proxy": relay.url}
        yield server


def trust(registry, **more) -> dict:
    return {"v": 1, "registry": {"index-url": registry.index}, "kind": "trust", **more}


@pytest.fixture
def closed_desk(open_desk, closed):
    open_desk.login(closed)
    return open_desk


def test_another_way_is_agreed_to_before_a_token_goes_there(closed_desk, impostor, closed):
    answer = closed_desk.ask(trust(closed, **impostor.way))
    assert impostor.requests == []
    assert code(answer) == "needs-terminal"
    with lent_pty() as terminal, closed_desk.line() as line:
        line.send(trust(closed, **impostor.way), [terminal.lent])
        shown = terminal.sees(APPROVE)
        assert impostor.way["proxy"] in shown and "another than the one that was sealed" in shown
        assert impostor.requests == []
        terminal.types("\x03", end="")
        assert code(json.loads(line.receive())) == "denied"
    assert impostor.requests == []


def test_way_that_was_agreed_to_is_taken_and_asked_for_once(closed_desk, impostor, closed):
    with lent_pty() as terminal, closed_desk.line() as line:
        line.send(trust(closed, **impostor.way), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        answer = json.loads(line.receive())["Ok"]
    assert answer["changed"] and answer["api"] == answer["old-api"]
    assert [headers["Authorization"] for _, headers in impostor.requests] == [TOKEN]
    (account,) = accounts(closed_desk)
    assert account["proxy"] == impostor.way["proxy"] and account["private-ca"]
    assert [e["decision"] for e in closed_desk.audit() if e["op"] == "trust"] == ["done"]


def test_another_origin_is_asked_for_after_the_way(closed_desk, impostor, closed):
    names = {"api": "https://elsewhere.example", "dl": closed.settings.dl, "auth-required": True}
    impostor.answer = reply(200, names)
    with lent_pty() as terminal, closed_desk.line() as line:
        line.send(trust(closed, **impostor.way), [terminal.lent])
        terminal.answers(APPROVE, PASSPHRASE)
        shown = terminal.answers(APPROVE, PASSPHRASE)
        assert "https://elsewhere.example" in shown and "ANOTHER HOST" in shown
        assert json.loads(line.receive())["Ok"]["api"] == "https://elsewhere.example"


def test_the_same_way_is_asked_without_a_question(closed_desk, closed):
    answer = closed_desk.ask(trust(closed, **{"ca-pem": open(closed.ca).read()}))
    assert answer["Ok"]["changed"] is False
