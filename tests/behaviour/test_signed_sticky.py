"""
An account that signs stays one, whatever a registry answers: no token without a signature ever
leaves, and nobody is talked into one.
"""

import json

import pytest

from desk import PASSPHRASE, TOKEN, code, get
from play import TOKEN_FOR, needs_mount
from signed_play import APPROVE, Signer, SigningRegistry, outcome, signer, workshop

__all__ = ["signer", "workshop"]  # Fixtures.

DEMANDS = ['Bearer realm="registry"', "Bearer", 'Basic realm="registry"',
           'Cargo login_url="https://localhost/me"']
REFUSED = {"errors": [{"detail": "authentication failed"}]}


def demand(text: str) -> dict:
    return {"status": 401, "headers": [("WWW-Authenticate", text)], "body": REFUSED}


@pytest.fixture
def closed(signer):
    signer.registry.announce(auth_required=True)
    signer.crate("0.1.0")
    signer.log_in()
    signer.verifier.reset()
    return signer


@pytest.mark.parametrize("text", DEMANDS)
def test_demand_for_another_credential_that_cargo_passes_on_is_met_with_a_signature(closed, text):
    headers = {"headers": [f"WWW-Authenticate: {text}"]}
    for operation in ("read", "publish", "owners"):
        told = closed.token(operation, registry=headers)
        assert told.startswith("v3.public.")
    (stored,) = closed.stored()
    assert stored["type"] == "asymmetric"


@pytest.mark.parametrize("text", DEMANDS)
@pytest.mark.parametrize("status", [401, 403])
def test_registry_that_wants_another_credential_gets_none(closed, text, status):
    n = len(closed.requests())
    closed.registry.inject("DELETE ", times=None, **demand(text) | {"status": status})
    assert outcome(closed.yank("0.1.0")) == ("refused", "key-unknown")
    # Once; what was sent was signed, which the registry would have taken otherwise.
    (entry,) = [entry for entry in closed.requests()[n:] if entry["method"] == "DELETE"]
    assert entry["token"]
    (stored,) = closed.stored()
    assert stored["type"] == "asymmetric"
    closed.registry.injections.clear()
    assert outcome(closed.yank("0.1.0")) == ("done", None)
    assert closed.verifier.refused == []


def test_index_that_refuses_a_signature_gets_nothing_else(closed):
    closed.registry.inject("GET /index/config.json", times=None, **demand(DEMANDS[0]))
    answer = closed.get("publish")
    assert "Ok" not in answer or answer["Ok"]["token"].startswith("v3.public.")
    closed.registry.injections.clear()
    assert closed.token("publish")


def login(index: str, **more) -> dict:
    """As cargo sends it."""
    return {"v": 1, "kind": "login", "registry": {"index-url": index}, **more}


def test_login_of_cargo_over_a_key_says_what_it_means_and_asks_the_passphrase(closed):
    closed.confirm()
    request = login(closed.registry.index, token=TOKEN, account=closed.account)
    assert code(closed.desk.ask(request)) == "needs-terminal"
    asked = closed.ask(request)
    assert APPROVE in asked.seen
    question = asked.seen.partition(APPROVE)[0]
    assert "signs" in question or "signed" in question
    assert "token" in question
    # It was a person who agreed to show the index a token.
    assert closed.verifier.refused == ["form"]
    closed.verifier.reset()


@needs_mount
@pytest.mark.release
def test_cargo_login_does_not_take_the_key_away_by_the_way(desk, tmp_path, certificate):
    with SigningRegistry(tmp_path / "registry", certificate) as registry:
        desk.start(system_ca=registry.ca)
        desk.init()
        signer = Signer(desk, registry, registry.verifier)
        signer.account = "default"
        signer.log_in()
        desk.set_up_cargo(registry)
        terminal = desk.terminal("cargo", "login", "--registry", "local")
        assert "sign" in terminal.sees(APPROVE)
        terminal.send("\x03")
        assert terminal.ends() == 101
        (stored,) = signer.stored()
        assert stored["type"] == "asymmetric"

        terminal = desk.terminal("cargo", "login", "--registry", "local")
        terminal.answers(APPROVE, PASSPHRASE)
        terminal.answers(TOKEN_FOR, TOKEN)
        assert terminal.ends() == 0, terminal.seen
        (stored,) = signer.stored()
        assert stored["type"] == "bearer"
        asked = signer.ask(get(registry.index, "owners", name="demo"))
        assert json.dumps(asked.answer).count(TOKEN) == 1
